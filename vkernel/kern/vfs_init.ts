/**
 * Bringing up the VFS: file system types, devices, the root.
 *
 * Counterpart: sys/kern/vfs_init.c, vfs_conf.c
 */
import type { Blocking } from '../sys/blocking.js';
import { ENOENT, ENOTDIR, Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import type { SyscallImpls } from '../sys/syscall.js';
import { bioInit } from '../vfs/bio.js';
import { devInit } from '../vfs/devfs/cdev.js';
import { devfsVfsOps } from '../vfs/devfs/devfs.js';
import { memDevInit } from '../vfs/devfs/mem.js';
import { vkdInit } from '../../drivers/vkd/vkd.js';
import { MNT_NODEV, MNT_NOSUID, MNT_RDONLY, type Mount, vfsInit, vfsRegister } from '../vfs/mount.js';
import { cacheSetvp, type Namecache } from '../vfs/namecache.js';
import { NLC_CREATE, NLC_FOLLOW, nlookup } from '../vfs/nlookup.js';
import { hammer2SysctlInit, hammer2VfsOps } from '../vfs/hammer2/hammer2_vfsops.js';
import { hostfsVfsOps, type HostfsOptions } from '../vfs/hostfs/hostfs.js';
import { nullfsVfsOps } from '../vfs/nullfs/nullfs.js';
import { procfsVfsOps } from '../vfs/procfs/procfs.js';
import { tmpfsVfsOps, type TmpfsInternal } from '../vfs/tmpfs/tmpfs.js';
import { unpackTar } from '../vfs/tmpfs/unpack.js';
import { vfsMount } from '../vfs/vfs_mount.js';
import { type Vnode, VType } from '../vfs/vnode.js';
import { FileDesc } from './file.js';
import { Ucred } from './proc.js';
import { kprintf } from './subr_prf.js';
import { vfsAttrSyscalls } from './vfs_attr_syscalls.js';
import { vfsMountSyscalls } from './vfs_mount_syscalls.js';
import { vfsNoaclSyscalls } from './vfs_noacl.js';
import { vfsNameSyscalls } from './vfs_names.js';
import { vfsLookupSyscalls } from './vfs_syscalls.js';
import { vfsSysctlInit } from './vfs_sysctl.js';

/** All calls about files and mounts; descriptors and transfers are descripSyscalls and genericSyscalls. */
export const vfsSyscalls: SyscallImpls = {
  ...vfsLookupSyscalls,
  ...vfsNameSyscalls,
  ...vfsAttrSyscalls,
  ...vfsMountSyscalls,
  ...vfsNoaclSyscalls,
};

/** State of the room, the file system types and the devices every system has. Other rooms add theirs after it. */
export function vfsBoot(): void {
  vfsInit();
  vfsSysctlInit();
  hammer2SysctlInit();
  vfsRegister(tmpfsVfsOps);
  vfsRegister(devfsVfsOps);
  vfsRegister(hammer2VfsOps);
  vfsRegister(hostfsVfsOps);
  vfsRegister(procfsVfsOps);
  vfsRegister(nullfsVfsOps);
  devInit();
  memDevInit();
  bioInit();
  vkdInit();
}

/** The root, with devfs on /dev and procfs on /proc. */
export function* mountRoot(type: string, internal: object): Blocking<Errno | null> {
  const mp = yield* vfsMount(type, null, 0, { data: 0, lwp: null, internal });
  if (mp instanceof Errno) return mp;
  const dev = yield* mountAt('devfs', '/dev', 0, null);
  if (dev instanceof Errno) return dev;
  const proc = yield* mountAt('procfs', '/proc', 0, null);
  return proc instanceof Errno ? proc : null;
}

/**
 * A root in memory, with the archive's files in it if one is given.
 * @param archive ustar bytes; kept, must not change
 */
export function* mountRootTmpfs(archive: Uint8Array | null): Blocking<Errno | null> {
  let skipped = 0;
  const internal: TmpfsInternal = {
    populate: (root) => {
      if (archive !== null) skipped = unpackTar(archive, root);
    },
  };
  const e = yield* mountRoot('tmpfs', internal);
  if (skipped > 0) kprintf('base archive: %d members skipped\n', skipped);
  return e;
}

const rootCred = new Ucred(0, 0, 0, [0], 0, 0);

/** The directory `path`, made with its parents if need be. */
function* kernMkdirs(path: string): Blocking<Namecache | Errno> {
  const root = gd.vfs.rootNcp;
  const fd = new FileDesc(root, root);
  let at = '';
  let ncp: Namecache = root;
  for (const part of path.split('/').filter((c) => c !== '')) {
    at += '/' + part;
    const nd = yield* nlookup(fd, rootCred, root, at, NLC_FOLLOW | NLC_CREATE);
    if (nd instanceof Errno) return nd;
    try {
      if (nd.ncp.vp === null) {
        const dvp = nd.dncp?.vp ?? null;
        if (dvp === null) return ENOENT;
        const attr = { type: VType.VDIR, mode: 0o755, uid: 0, gid: 0, rdev: 0 };
        const vp = yield* dvp.ops.nmkdir(dvp, nd.ncp.name, attr);
        if (vp instanceof Errno) return vp;
        cacheSetvp(nd.ncp, vp);
      }
      ncp = nd.ncp;
      if ((ncp.vp as Vnode).type !== VType.VDIR) return ENOTDIR;
    } finally {
      nd.done();
    }
  }
  return ncp;
}

/** Mount for the kernel; the mount point is made if it does not exist. */
export function* mountAt(type: string, path: string, flags: number, internal: object | null): Blocking<Mount | Errno> {
  const ncp = yield* kernMkdirs(path);
  if (ncp instanceof Errno) return ncp;
  return yield* vfsMount(type, ncp, flags, { data: 0, lwp: null, internal });
}

/** Mount a directory of the host, read-only unless its HostDir was opened for writing and `write` is set. */
export function mountHost(path: string, options: HostfsOptions, write: boolean): Blocking<Mount | Errno> {
  return mountAt('hostfs', path, MNT_NOSUID | MNT_NODEV | (write ? 0 : MNT_RDONLY), options);
}
