/**
 * mount, unmount, mountctl, statfs and its relatives, revoke; kernChdir for boot.
 *
 * Counterpart: sys/kern/vfs_syscalls.c
 */
import type { Blocking } from '../sys/blocking.js';
import { EBUSY, EINVAL, ENODEV, ENOTDIR, EOPNOTSUPP, EPERM, Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import type { SyscallImpls } from '../sys/syscall.js';
import { devRevoke } from '../vfs/devfs/cdev.js';
import { MFSNAMELEN, MNT_FORCE, MNT_SETTABLE, MNT_UPDATE, type Mount } from '../vfs/mount.js';
import { cacheDrop, cacheHold } from '../vfs/namecache.js';
import { NLC_FOLLOW, nlookup } from '../vfs/nlookup.js';
import {
  mountFlagText,
  STATFS_SIZE,
  statfsEncode,
  STATVFS_SIZE,
  statvfsEncode,
  vfsMount,
  vfsUnmount,
} from '../vfs/vfs_mount.js';
import { type Vnode, VType } from '../vfs/vnode.js';
import { copyinstrB, copyoutB } from '../vm/vm_user.js';
import { credIsHostSuper, type Lwp, type Proc } from './proc.js';
import { AT_FDCWD, atLookup, fdVnode } from './vfs_util.js';

function* mountBlock(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const p = lwp.proc;
  if (!credIsHostSuper(p.cred)) return EPERM;
  const type = yield* copyinstrB(p.vm, a[0], MFSNAMELEN);
  if (type instanceof Errno) return type;
  const flags = a[2];
  const nd = yield* atLookup(lwp, AT_FDCWD, a[1], NLC_FOLLOW);
  if (nd instanceof Errno) return nd;
  try {
    const args = { data: a[3], lwp, internal: null };
    if ((flags & MNT_UPDATE) !== 0) {
      const mp = nd.ncp.mount;
      if (nd.ncp !== mp.root) return EINVAL;
      const old = mp.flags;
      mp.flags = (mp.flags & ~MNT_SETTABLE) | (flags & MNT_SETTABLE);
      if (mp.ops.update === undefined) return 0;
      const e = yield* mp.ops.update(mp, args);
      if (e !== null) mp.flags = old;
      return e ?? 0;
    }
    // Mounting over a mount point goes on top of what is mounted there.
    const ncp = nd.ncp;
    const vp = ncp.vp as Vnode;
    if (vp.type !== VType.VDIR) return ENOTDIR;
    if (!gd.vfs.types.has(type)) return ENODEV;
    const mp = yield* vfsMount(type, ncp, flags & MNT_SETTABLE, args);
    return mp instanceof Errno ? mp : 0;
  } finally {
    nd.done();
  }
}

function* unmountBlock(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  if (!credIsHostSuper(lwp.proc.cred)) return EPERM;
  const nd = yield* atLookup(lwp, AT_FDCWD, a[0], NLC_FOLLOW);
  if (nd instanceof Errno) return nd;
  const mp = nd.ncp.mount;
  const isRoot = nd.ncp === mp.root;
  // The lookup's own hold must not count as a user of the mount.
  nd.done();
  if (!isRoot) return EINVAL;
  if (mp.covered === null) return EBUSY;
  return (yield* vfsUnmount(mp, (a[1] & MNT_FORCE) !== 0)) ?? 0;
}

/** Look a path up and pass its mount to `f`. */
function* withMount(lwp: Lwp, uva: number, f: (mp: Mount) => Blocking<number | Errno>): Blocking<number | Errno> {
  const nd = yield* atLookup(lwp, AT_FDCWD, uva, NLC_FOLLOW);
  if (nd instanceof Errno) return nd;
  try {
    return yield* f(nd.ncp.mount);
  } finally {
    nd.done();
  }
}

function* putStatfs(lwp: Lwp, mp: Mount, buf: number): Blocking<number | Errno> {
  return (yield* copyoutB(lwp.proc.vm, statfsEncode(mp, lwp.proc), 0, buf, STATFS_SIZE)) ?? 0;
}
function* putStatvfs(lwp: Lwp, mp: Mount, buf: number): Blocking<number | Errno> {
  return (yield* copyoutB(lwp.proc.vm, statvfsEncode(mp), 0, buf, STATVFS_SIZE)) ?? 0;
}

/** getfsstat and getvfsstat: as many as fit; the number of mounts when there is no buffer. */
function* fsstat(lwp: Lwp, sbuf: number, vbuf: number, max: number): Blocking<number | Errno> {
  const mounts = [...gd.vfs.mounts];
  if (sbuf === 0 && vbuf === 0) return mounts.length;
  let n = 0;
  for (const mp of mounts) {
    if (n >= max) break;
    if (sbuf !== 0) {
      const e = yield* copyoutB(lwp.proc.vm, statfsEncode(mp, lwp.proc), 0, sbuf + n * STATFS_SIZE, STATFS_SIZE);
      if (e !== null) return e;
    }
    if (vbuf !== 0) {
      const e = yield* copyoutB(lwp.proc.vm, statvfsEncode(mp), 0, vbuf + n * STATVFS_SIZE, STATVFS_SIZE);
      if (e !== null) return e;
    }
    n++;
  }
  return n;
}

const MOUNTCTL_MOUNTFLAGS = 18;

function* mountctlBlock(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const [path, op, , , , buf, buflen] = a;
  return yield* withMount(lwp, path, function* (mp) {
    if (op !== MOUNTCTL_MOUNTFLAGS) return EOPNOTSUPP;
    if (buflen <= 0 || buflen > 1024) return EINVAL;
    const text = mountFlagText(mp).slice(0, buflen - 1);
    const b = new Uint8Array(text.length + 1);
    for (let i = 0; i < text.length; i++) b[i] = text.charCodeAt(i);
    return (yield* copyoutB(lwp.proc.vm, b, 0, buf, b.length)) ?? text.length;
  });
}

/** Working directory of a process the kernel starts. */
export function* kernChdir(p: Proc, path: string): Blocking<Errno | null> {
  const nd = yield* nlookup(p.fd, p.cred, p.fd.cwd, path, NLC_FOLLOW);
  if (nd instanceof Errno) return nd;
  try {
    if ((nd.ncp.vp as Vnode).type !== VType.VDIR) return ENOTDIR;
    const old = p.fd.cwd;
    p.fd.cwd = cacheHold(nd.ncp);
    cacheDrop(old);
    return null;
  } finally {
    nd.done();
  }
}

export const vfsMountSyscalls: SyscallImpls = {
  mount: { block: mountBlock },
  unmount: { block: unmountBlock },
  mountctl: { block: mountctlBlock },
  statfs: { block: (lwp, a) => withMount(lwp, a[0], (mp) => putStatfs(lwp, mp, a[1])) },
  statvfs: { block: (lwp, a) => withMount(lwp, a[0], (mp) => putStatvfs(lwp, mp, a[1])) },
  fstatfs: {
    *block(lwp, a) {
      const r = fdVnode(lwp, a[0], EINVAL);
      return r instanceof Errno ? r : yield* putStatfs(lwp, r.fp.ncp?.mount ?? r.vp.mount, a[1]);
    },
  },
  fstatvfs: {
    *block(lwp, a) {
      const r = fdVnode(lwp, a[0], EINVAL);
      return r instanceof Errno ? r : yield* putStatvfs(lwp, r.fp.ncp?.mount ?? r.vp.mount, a[1]);
    },
  },
  getfsstat: { block: (lwp, a) => fsstat(lwp, a[0], 0, Math.floor(a[1] / STATFS_SIZE)) },
  getvfsstat: { block: (lwp, a) => fsstat(lwp, a[0], a[1], Math.floor(a[2] / STATVFS_SIZE)) },
  revoke: {
    *block(lwp, a) {
      const nd = yield* atLookup(lwp, AT_FDCWD, a[0], NLC_FOLLOW);
      if (nd instanceof Errno) return nd;
      try {
        const vp = nd.ncp.vp as Vnode;
        if (vp.type !== VType.VCHR && vp.type !== VType.VBLK) return EINVAL;
        const cred = lwp.proc.cred;
        if (cred.uid !== 0 && cred.uid !== vp.va.uid) return EPERM;
        return (yield* devRevoke(vp)) ?? 0;
      } finally {
        nd.done();
      }
    },
  },
};
