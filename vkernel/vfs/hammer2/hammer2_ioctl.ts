/**
 * HAMMER2's ioctls, on any file of a mount: what hammer2(8) works through. Those that need no vnode are in ioctl.ts.
 *
 * Numbers and structures are those of DragonFly (hammer2.md section 20); the argument is copied in and out by the caller.
 * Counterpart: sys/vfs/hammer2/hammer2_ioctl.c
 */
import { tsleep, WaitQ } from '../../kern/lwkt_thread.js';
import type { Lwp } from '../../kern/proc.js';
import type { Blocking } from '../../sys/blocking.js';
import { EBUSY, EINVAL, ENOENT, ENOSPC, ENOTDIR, EPERM, Errno } from '../../sys/errno.js';
import { copyoutB } from '../../vm/vm_user.js';
import type { Mount } from '../mount.js';
import { cacheUnlink, type Namecache } from '../namecache.js';
import { type Vnode, VType } from '../vnode.js';
import { idle, nodeOf, refresh } from './hammer2_node.js';
import {
  HAMMER2IOC_DESTROY,
  HAMMER2IOC_RECOVER,
  HAMMER2IOC_SCRUB,
  HAMMER2IOC_VOLUME_LIST,
  bytesOf,
  getName,
  libraryIoctl,
  privileged,
  put64,
  putName,
} from './ioctl.js';

const VOLUME_ENTRY = 1048;

/** struct hammer2_ioc_recover */
const enum IocRecover {
  FLAGS = 0, // u32: 1 relaxed, 2 file
  COUNT = 8, // u64, out
  PATH = 16, // char[1024], from the root of a PFS
}
/** Inodes a search notes at most. */
const RECOVER_INODES = 100_000;

/** struct hammer2_ioc_destroy */
const enum IocDestroy {
  CMD = 0, // u32: 1 file, 2 inum
  PATH = 4, // char[256], one name
  INUM = 264, // u64
}

/** struct hammer2_ioc_scrub, and its entries */
const enum IocScrub {
  RATE = 0, // u64, in: bytes a second; 0: as fast as it goes
  BLOCKS = 8, // u64, out, as all others
  BYTES = 16,
  INODES = 24,
  UNCHECKED = 32,
  ERRORS = 40,
  LISTED = 48, // u32
  LIST = 64, // SCRUB_LISTED entries of 320 bytes: disk offset, inode, file offset (u64), type (u64), char pfs[64], what[224]
  ENTRY = 320,
}
const SCRUB_LISTED = 24;

/** Pointer at 0 and room at 8 of an array of volumes in user memory. */
function* volumeList(vp: Vnode, v: DataView, lwp: Lwp): Blocking<number | Errno> {
  const { m } = nodeOf(vp).h;
  const { devs } = m.device;
  const user = Number(v.getBigUint64(0, true));
  const room = v.getInt32(8, true);
  if (room < devs.length) return ENOSPC;
  let offset = 0;
  for (let i = 0; i < devs.length; i++) {
    const entry = new DataView(new ArrayBuffer(VOLUME_ENTRY));
    putName(entry, 0, 1024, `/dev/${devs[i].name}`);
    entry.setInt32(1024, i, true);
    put64(entry, 1032, offset);
    put64(entry, 1040, devs[i].sizeBytes);
    offset += devs[i].sizeBytes;
    const e = yield* copyoutB(lwp.proc.vm, bytesOf(entry), 0, user + i * VOLUME_ENTRY, VOLUME_ENTRY);
    if (e !== null) return e;
  }
  v.setInt32(8, devs.length, true);
  v.setUint32(12, 2, true);
  putName(v, 16, 256, m.label);
  return 0;
}

/** Entries of the name cache that lead to a vnode. */
function namesOf(mp: Mount, vp: Vnode): Namecache[] {
  const out: Namecache[] = [];
  const stack = mp.root === null ? [] : [mp.root];
  for (let n = stack.pop(); n !== undefined; n = stack.pop()) {
    if (n.vp === vp) out.push(n);
    if (n.children !== null) stack.push(...n.children.values());
  }
  return out;
}
const unname = (ncp: Namecache | undefined): void => {
  if (ncp !== undefined && ncp.mountedHere === null) cacheUnlink(ncp);
};

function* destroy(vp: Vnode, v: DataView): Blocking<number | Errno> {
  const { h, inum } = nodeOf(vp);
  const cmd = v.getUint32(IocDestroy.CMD, true);
  if (cmd === 1) {
    const name = getName(v, IocDestroy.PATH, 256);
    const e = yield* h.m.destroyEntry(inum, name);
    refresh(vp);
    if (e === null) for (const ncp of namesOf(h.mp, vp)) unname(ncp.children?.get(name));
    return e ?? 0;
  }
  if (cmd !== 2) return EINVAL;
  const target = v.getBigUint64(IocDestroy.INUM, true);
  if (target > BigInt(Number.MAX_SAFE_INTEGER)) return ENOENT;
  // A vnode that is in use keeps its inode; one that is only cached lets go.
  const cached = h.vnodes.get(Number(target));
  if (cached !== undefined) {
    const names = namesOf(h.mp, cached);
    if (cached.usecount > 0 || names.some((n) => n.refs > 0 || n === h.mp.root)) return EBUSY;
    for (const ncp of names) unname(ncp);
    idle(cached);
  }
  return (yield* h.m.destroyInode(Number(target))) ?? 0;
}

const scrubQ = new WaitQ();
/** Sleep so long that the bytes read are no more than `rate` a second. */
const pacer = (rate: number): ((bytes: number) => Blocking<void>) =>
  function* (bytes): Blocking<void> {
    yield* tsleep(scrubQ, 'h2scrb', 0, rate > 0 ? Math.ceil((bytes * 1e9) / rate) : 1);
  };

/** Into the directory of the descriptor. */
function* recover(vp: Vnode, v: DataView): Blocking<number | Errno> {
  const { h, inum } = nodeOf(vp);
  if (vp.type !== VType.VDIR) return ENOTDIR;
  const flags = v.getUint32(IocRecover.FLAGS, true);
  const r = yield* h.m.device.undelete(getName(v, IocRecover.PATH, 1024), h.m, inum, {
    relaxed: (flags & 1) !== 0,
    file: (flags & 2) !== 0,
    maxInodes: RECOVER_INODES,
    pause: pacer(0),
  });
  refresh(vp);
  // Names are there that the name cache may know as missing.
  for (const stack = h.mp.root === null ? [] : [h.mp.root]; ;) {
    const n = stack.pop();
    if (n === undefined) break;
    if (n.vp === null && n.refs === 0) n.resolved = false;
    if (n.children !== null) stack.push(...n.children.values());
  }
  if (r instanceof Errno) return r;
  put64(v, IocRecover.COUNT, r);
  return 0;
}

function* scrub(vp: Vnode, v: DataView): Blocking<number | Errno> {
  const { h } = nodeOf(vp);
  const rate = Number(v.getBigUint64(IocScrub.RATE, true));
  const r = yield* h.m.device.scrub({ pause: pacer(rate) });
  if (r instanceof Errno) return r;
  put64(v, IocScrub.BLOCKS, r.blocks);
  put64(v, IocScrub.BYTES, r.bytes);
  put64(v, IocScrub.INODES, r.inodes);
  put64(v, IocScrub.UNCHECKED, r.unchecked);
  put64(v, IocScrub.ERRORS, r.errorCount);
  const list = r.errors.slice(0, SCRUB_LISTED);
  v.setUint32(IocScrub.LISTED, list.length, true);
  for (const [i, x] of list.entries()) {
    const at = IocScrub.LIST + i * IocScrub.ENTRY;
    put64(v, at, x.diskOffset);
    put64(v, at + 8, x.inum);
    put64(v, at + 16, x.fileOffset);
    put64(v, at + 24, x.type);
    putName(v, at + 32, 64, x.pfs);
    putName(v, at + 96, 224, x.what);
  }
  return 0;
}

/** EOPNOTSUPP for numbers it does not know, as the reference. Sleeps. */
export function* hammer2Ioctl(vp: Vnode, cmd: number, v: DataView, lwp: Lwp): Blocking<number | Errno> {
  if (privileged.has(cmd) && lwp.proc.cred.uid !== 0) return EPERM;
  switch (cmd) {
    case HAMMER2IOC_DESTROY:
      return yield* destroy(vp, v);
    case HAMMER2IOC_RECOVER:
      return yield* recover(vp, v);
    case HAMMER2IOC_SCRUB:
      return yield* scrub(vp, v);
    case HAMMER2IOC_VOLUME_LIST:
      return yield* volumeList(vp, v, lwp);
    default: {
      const { h, inum } = nodeOf(vp);
      const r = yield* libraryIoctl({ m: h.m, inum, clean: () => h.clean() }, cmd, v);
      refresh(vp);
      return r;
    }
  }
}
