/**
 * Mounting and unmounting; struct statfs and statvfs.
 *
 * Counterpart: sys/kern/vfs_mount.c, parts of vfs_syscalls.c
 */
import type { Proc } from '../kern/proc.js';
import type { Blocking } from '../sys/blocking.js';
import { EBUSY, ENODEV, Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import {
  MFSNAMELEN,
  MNAMELEN,
  MNT_LOCAL,
  MNT_NOSUID,
  MNT_RDONLY,
  MNT_ROOTFS,
  MNT_VISFLAGMASK,
  Mount,
  type MountArgs,
  vfsNewDevId,
} from './mount.js';
import {
  cacheAllocRoot,
  cacheDrop,
  cacheFullpath,
  cacheHold,
  type Namecache,
  cachePurgeChildren,
} from './namecache.js';
import type { Vnode } from './vnode.js';

/** What EVFILT_FS knotes hear. */
const VQ_MOUNT = 0x8;
const VQ_UNMOUNT = 0x10;

/**
 * Mount a file system on `covered` (a directory), or as the root with null.
 * @returns the mount; ENODEV for an unknown type; the file system's errno
 */
export function* vfsMount(
  type: string,
  covered: Namecache | null,
  flags: number,
  args: MountArgs,
): Blocking<Mount | Errno> {
  const vfs = gd.vfs;
  const ops = vfs.types.get(type);
  if (ops === undefined) return ENODEV;
  if (covered !== null && covered.mountedHere !== null) return EBUSY;
  const mp = new Mount(ops, flags | MNT_LOCAL, covered, vfsNewDevId());
  mp.ownerUid = args.lwp?.proc.cred.uid ?? 0;
  if (covered === null) {
    mp.flags |= MNT_ROOTFS;
    mp.on = '/';
  } else {
    const on = cacheFullpath(covered, vfs.rootNcp);
    if (on instanceof Errno) return on;
    mp.on = on;
    cacheHold(covered);
  }
  const root = yield* ops.mount(mp, args);
  if (root instanceof Errno) {
    if (covered !== null) cacheDrop(covered);
    return root;
  }
  mp.root = cacheAllocRoot(mp, root);
  if (covered !== null) {
    if (covered.mountedHere !== null) {
      yield* ops.unmount(mp, true);
      cacheDrop(covered);
      return EBUSY;
    }
    covered.mountedHere = mp;
  } else vfs.rootNcp = mp.root;
  vfs.mounts.push(mp);
  gd.fsKlist?.notify(VQ_MOUNT);
  return mp;
}

/** Undo a mount. EBUSY while something uses it (open files, directories, mounts on top), unless `force`. */
export function* vfsUnmount(mp: Mount, force: boolean): Blocking<Errno | null> {
  if (mp.covered === null) return EBUSY;
  if (gd.vfs.mounts.some((m) => m.covered !== null && m.covered.mount === mp)) return EBUSY;
  if (!force && (mp.refs > 0 || mp.ops.busy?.(mp) === true)) return EBUSY;
  mp.dying = true;
  let e = mp.ops.sync === undefined ? null : yield* mp.ops.sync(mp);
  if (e === null || force) e = mp.refs > 0 && !force ? EBUSY : yield* mp.ops.unmount(mp, force);
  if (e !== null) {
    mp.dying = false;
    return e;
  }
  cachePurgeChildren(mp.root);
  mp.root.destroyed = true;
  gd.vfs.ncpCount--;
  mp.covered.mountedHere = null;
  cacheDrop(mp.covered);
  gd.vfs.mounts.splice(gd.vfs.mounts.indexOf(mp), 1);
  gd.fsKlist?.notify(VQ_UNMOUNT);
  return null;
}

/** Make everything durable: sync(2), shutdown. */
export function* vfsSyncAll(): Blocking<void> {
  for (const mp of [...gd.vfs.mounts]) if (mp.ops.sync !== undefined) yield* mp.ops.sync(mp);
}

/** The mount with this root vnode, if it is one. */
export const mountOfRoot = (vp: Vnode): Mount | null => (vp.mount.root?.vp === vp ? vp.mount : null);

const put64 = (v: DataView, at: number, n: number): void => v.setBigInt64(at, BigInt(Math.floor(n)), true);

function putStr(b: Uint8Array, at: number, max: number, s: string): void {
  const n = Math.min(s.length, max - 1);
  for (let i = 0; i < n; i++) b[at + i] = s.charCodeAt(i);
}

export const STATFS_SIZE = 320;
export const STATVFS_SIZE = 160;

/** struct statfs of a mount, as seen by `p` (paths are shown relative to its root directory). */
export function statfsEncode(mp: Mount, p: Proc | null): Uint8Array {
  const b = new Uint8Array(STATFS_SIZE);
  const v = new DataView(b.buffer);
  const s = mp.ops.statfs(mp);
  put64(v, 8, s.bsize);
  put64(v, 16, s.iosize);
  put64(v, 24, s.blocks);
  put64(v, 32, s.bfree);
  put64(v, 40, s.bavail);
  put64(v, 48, s.files);
  put64(v, 56, s.ffree);
  v.setInt32(64, mp.devId, true);
  v.setInt32(68, mp.ops.typenum, true);
  v.setUint32(72, mp.ownerUid, true);
  v.setInt32(76, mp.ops.typenum, true);
  v.setUint32(80, (mp.flags & MNT_VISFLAGMASK) >>> 0, true);
  putStr(b, 104, MFSNAMELEN, mp.ops.name);
  const on = p === null ? mp.on : cacheFullpath(mp.root, p.fd.root);
  putStr(b, 120, MNAMELEN, on instanceof Errno ? mp.on : on);
  putStr(b, 218, MNAMELEN, mp.from);
  return b;
}

export function statvfsEncode(mp: Mount): Uint8Array {
  const b = new Uint8Array(STATVFS_SIZE);
  const v = new DataView(b.buffer);
  const s = mp.ops.statfs(mp);
  put64(v, 0, s.bsize);
  put64(v, 8, s.bsize);
  put64(v, 16, s.blocks);
  put64(v, 24, s.bfree);
  put64(v, 32, s.bavail);
  put64(v, 40, s.files);
  put64(v, 48, s.ffree);
  put64(v, 56, s.ffree);
  v.setUint32(64, mp.devId >>> 0, true);
  v.setUint32(68, mp.ops.typenum, true);
  v.setUint32(72, ((mp.flags & MNT_RDONLY) !== 0 ? 1 : 0) | ((mp.flags & MNT_NOSUID) !== 0 ? 2 : 0), true);
  put64(v, 80, 255);
  v.setUint32(88, mp.ownerUid, true);
  v.setUint32(92, mp.ops.typenum, true);
  return b;
}

/** Flags of a mount in words, for mountctl(MOUNTCTL_MOUNTFLAGS). */
const flagNames: readonly (readonly [number, string])[] = [
  [0x80, 'exported read-only'],
  [0x100, 'NFS exported'],
  [MNT_RDONLY, 'read-only'],
  [0x2, 'synchronous'],
  [0x4, 'noexec'],
  [MNT_NOSUID, 'nosuid'],
  [0x10, 'nodev'],
  [0x20, 'automounted'],
  [0x40, 'asynchronous'],
  [0x100000, 'suiddir'],
  [0x200000, 'soft-updates'],
  [0x400000, 'nosymfollow'],
  [0x1000000, 'trim'],
  [0x10000000, 'noatime'],
  [MNT_LOCAL, 'local'],
];
export const mountFlagText = (mp: Mount): string =>
  flagNames
    .filter(([bit]) => (mp.flags & bit) !== 0)
    .map(([, name]) => name)
    .join(', ');
