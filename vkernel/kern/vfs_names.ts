/**
 * File system calls that change names: mkdir, mknod, symlink, link, unlink, rmdir, rename.
 *
 * They lock the name cache entry, look again under the lock, check permission, let the file system do it and bring the
 * cache in step. Errno rules: dragonfly-abi.md 7.6.
 *
 * Counterpart: sys/kern/vfs_syscalls.c
 */
import type { Blocking } from '../sys/blocking.js';
import {
  EBUSY,
  EEXIST,
  EINVAL,
  EISDIR,
  EMLINK,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  EPERM,
  EROFS,
  EXDEV,
  Errno,
} from '../sys/errno.js';
import type { SyscallImpls } from '../sys/syscall.js';
import { mountFlags, MNT_RDONLY } from '../vfs/mount.js';
import {
  cacheTellLower,
  cacheLock,
  cacheRename,
  cacheResolve,
  cacheSetvp,
  cacheStale,
  cacheUnlink,
  cacheUnlock,
  type Namecache,
} from '../vfs/namecache.js';
import { NLC_CREATE, NLC_FOLLOW, type Nlookup } from '../vfs/nlookup.js';
import { VEXEC, vaccess, vnAccess, vnMayDelete, VWRITE } from '../vfs/vfs_subr.js';
import { newMode } from '../vfs/vfs_vnops.js';
import {
  modeToVtype,
  NOTE_DELETE,
  NOTE_LINK,
  NOTE_RENAME,
  NOTE_WRITE,
  SF_APPEND,
  SF_IMMUTABLE,
  S_ISTXT,
  UF_APPEND,
  UF_IMMUTABLE,
  vnNotify,
  type Vnode,
  vref,
  vrele,
  VType,
} from '../vfs/vnode.js';
import type { CreateAttr } from '../vfs/vop.js';
import { credIsHostSuper, type Lwp } from './proc.js';
import { AT_FDCWD, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, atLookup, copyinPath } from './vfs_util.js';

// --- making names ---

/**
 * Make the name that `nd` (NLC_CREATE) has found not to exist. `make` runs with the entry locked and the directory's
 * write permission checked; the vnode it answers goes into the name cache.
 */
export function* createName(
  lwp: Lwp,
  nd: Nlookup,
  make: (dvp: Vnode, name: string) => Blocking<Vnode | Errno>,
): Blocking<Errno | null> {
  const ncp = nd.ncp;
  // '/', '.', '..' and mount points exist.
  if (nd.dncp === null || ncp.parent !== nd.dncp) return EEXIST;
  yield* cacheLock(ncp);
  try {
    if (ncp.destroyed) return ENOENT;
    if (cacheStale(ncp)) {
      const e = yield* cacheResolve(ncp);
      if (e !== null) return e;
    }
    if (ncp.vp !== null) return EEXIST;
    const dvp = nd.dncp.vp;
    if (dvp === null) return ENOENT;
    if ((mountFlags(nd.dncp, dvp) & MNT_RDONLY) !== 0) return EROFS;
    const e = vnAccess(dvp, VWRITE | VEXEC, lwp.proc.cred);
    if (e !== null) return e;
    const r = yield* make(dvp, ncp.name);
    if (r instanceof Errno) return r;
    cacheSetvp(ncp, r);
    vnNotify(dvp, NOTE_WRITE);
    return null;
  } finally {
    cacheUnlock(ncp);
  }
}

export const createAttr = (lwp: Lwp, dvp: Vnode, type: VType, mode: number, rdev = 0): CreateAttr => ({
  type,
  mode: newMode(dvp, mode, lwp.proc.cred),
  uid: lwp.proc.cred.uid,
  gid: dvp.va.gid,
  rdev,
});

function* mkdirAt(lwp: Lwp, fd: number, uva: number, mode: number): Blocking<number | Errno> {
  const nd = yield* atLookup(lwp, fd, uva, NLC_CREATE);
  if (nd instanceof Errno) return nd;
  try {
    const m = mode & 0o1777 & ~lwp.proc.fd.cmask;
    return (
      (yield* createName(lwp, nd, (dvp, name) => dvp.ops.nmkdir(dvp, name, createAttr(lwp, dvp, VType.VDIR, m)))) ?? 0
    );
  } finally {
    nd.done();
  }
}

function* mknodAt(lwp: Lwp, fd: number, uva: number, mode: number, rdev: number): Blocking<number | Errno> {
  const fmt = mode & 0o170000;
  const type = fmt === 0 ? VType.VREG : modeToVtype(mode);
  if (type !== VType.VFIFO && type !== VType.VREG && type !== VType.VSOCK && !credIsHostSuper(lwp.proc.cred))
    return EPERM;
  if (type === VType.VNON || type === VType.VDIR || type === VType.VLNK || type === VType.VDATABASE) return EINVAL;
  const nd = yield* atLookup(lwp, fd, uva, NLC_CREATE);
  if (nd instanceof Errno) return nd;
  try {
    if (nd.trailingSlash && nd.ncp.vp === null) return ENOENT;
    const m = mode & 0o7777 & ~lwp.proc.fd.cmask;
    return (
      (yield* createName(lwp, nd, (dvp, name) =>
        dvp.ops.ncreate(dvp, name, createAttr(lwp, dvp, type, m & ~S_ISTXT, rdev >>> 0)),
      )) ?? 0
    );
  } finally {
    nd.done();
  }
}

function* symlinkAt(lwp: Lwp, target: number, fd: number, uva: number): Blocking<number | Errno> {
  const text = yield* copyinPath(lwp, target);
  if (text instanceof Errno) return text;
  const nd = yield* atLookup(lwp, fd, uva, NLC_CREATE);
  if (nd instanceof Errno) return nd;
  try {
    if (nd.trailingSlash && nd.ncp.vp === null) return ENOENT;
    const m = 0o777 & ~lwp.proc.fd.cmask;
    return (
      (yield* createName(lwp, nd, (dvp, name) =>
        dvp.ops.nsymlink(dvp, name, text, createAttr(lwp, dvp, VType.VLNK, m)),
      )) ?? 0
    );
  } finally {
    nd.done();
  }
}

const FA_NOLINK = UF_IMMUTABLE | SF_IMMUTABLE | UF_APPEND | SF_APPEND;

function* linkAt(
  lwp: Lwp,
  fd1: number,
  path1: number,
  fd2: number,
  path2: number,
  flags: number,
): Blocking<number | Errno> {
  const from = yield* atLookup(lwp, fd1, path1, (flags & AT_SYMLINK_FOLLOW) !== 0 ? NLC_FOLLOW : 0);
  if (from instanceof Errno) return from;
  try {
    const vp = from.ncp.vp as Vnode;
    if (vp.type === VType.VDIR) return EPERM;
    const nd = yield* atLookup(lwp, fd2, path2, NLC_CREATE);
    if (nd instanceof Errno) return nd;
    try {
      if (nd.trailingSlash && nd.ncp.vp === null) return ENOENT;
      return (
        (yield* createName(lwp, nd, function* (dvp, name) {
          if (dvp.mount !== vp.mount || nd.ncp.mount !== from.ncp.mount) return EXDEV;
          if ((vp.va.flags & FA_NOLINK) !== 0) return EPERM;
          if (vp.va.nlink >= 32767) return EMLINK;
          const e = yield* dvp.ops.nlink(dvp, name, vp);
          if (e === null) vnNotify(vp, NOTE_LINK);
          return e ?? vp;
        })) ?? 0
      );
    } finally {
      nd.done();
    }
  } finally {
    from.done();
  }
}

// --- removing names ---

function* removeAt(lwp: Lwp, fd: number, uva: number, dir: boolean): Blocking<number | Errno> {
  const nd = yield* atLookup(lwp, fd, uva, 0);
  if (nd instanceof Errno) return nd;
  const ncp = nd.ncp;
  try {
    if (nd.dncp === null) {
      if (!dir) return nd.ncp.vp !== null && nd.ncp.vp.type === VType.VDIR ? EISDIR : EINVAL;
      return nd.lastDot ? EINVAL : nd.lastDotDot ? ENOTEMPTY : EBUSY;
    }
    if (ncp.parent !== nd.dncp || ncp.mountedHere !== null) return dir ? EBUSY : EISDIR;
    yield* cacheLock(ncp);
    try {
      if (ncp.destroyed) return ENOENT;
      if (cacheStale(ncp)) {
        const e = yield* cacheResolve(ncp);
        if (e !== null) return e;
      }
      const vp = ncp.vp;
      const dvp = nd.dncp.vp;
      if (vp === null || dvp === null) return ENOENT;
      if (dir && vp.type !== VType.VDIR) return ENOTDIR;
      if (!dir && vp.type === VType.VDIR) return EISDIR;
      if ((mountFlags(nd.dncp, dvp) & MNT_RDONLY) !== 0) return EROFS;
      const e = vnMayDelete(dvp, vp, lwp.proc.cred);
      if (e !== null) return e;
      vref(vp);
      const r = dir ? yield* dvp.ops.nrmdir(dvp, ncp.name, vp) : yield* dvp.ops.nremove(dvp, ncp.name, vp);
      if (r === null) {
        cacheUnlink(ncp);
        cacheTellLower(ncp, ncp.name, null);
        vnNotify(vp, NOTE_DELETE);
        vnNotify(dvp, NOTE_WRITE);
      }
      vrele(vp);
      return r ?? 0;
    } finally {
      cacheUnlock(ncp);
    }
  } finally {
    nd.done();
  }
}

/** Is `dir` an ancestor of `ncp`, or itself? */
function isAncestor(dir: Namecache, ncp: Namecache): boolean {
  for (let n: Namecache | null = ncp; n !== null; n = n.parent) if (n === dir) return true;
  return false;
}

function* renameAt(lwp: Lwp, ffd: number, from: number, tfd: number, to: number): Blocking<number | Errno> {
  const fnd = yield* atLookup(lwp, ffd, from, 0);
  if (fnd instanceof Errno) return fnd;
  try {
    if (fnd.dncp === null) return EINVAL;
    const tnd = yield* atLookup(lwp, tfd, to, NLC_CREATE);
    if (tnd instanceof Errno) return tnd;
    try {
      if (tnd.dncp === null) return tnd.lastDot || tnd.lastDotDot ? EINVAL : EBUSY;
      return yield* renameNames(lwp, fnd, tnd);
    } finally {
      tnd.done();
    }
  } finally {
    fnd.done();
  }
}

/** Rules of dragonfly-abi.md 7.6: two names of one file remove the source; a mount point is EINVAL, EXDEV across mounts. */
function* renameNames(lwp: Lwp, fnd: Nlookup, tnd: Nlookup): Blocking<number | Errno> {
  const f = fnd.ncp;
  const t = tnd.ncp;
  const fd = fnd.dncp as Namecache;
  const td = tnd.dncp as Namecache;
  if (f.parent !== fd || f.mountedHere !== null) return EINVAL;
  if (t.parent !== td || t.mountedHere !== null) return EINVAL;
  if (fd.mount !== td.mount) return EXDEV;
  if (f === t) return 0;
  const [first, second] = f.id < t.id ? [f, t] : [t, f];
  yield* cacheLock(first);
  yield* cacheLock(second);
  try {
    if (f.destroyed || t.destroyed) return ENOENT;
    if (cacheStale(f)) {
      const e = yield* cacheResolve(f);
      if (e !== null) return e;
    }
    if (cacheStale(t)) {
      const e = yield* cacheResolve(t);
      if (e !== null) return e;
    }
    const fvp = f.vp;
    const tvp = t.vp;
    const fdvp = fd.vp;
    const tdvp = td.vp;
    if (fvp === null || fdvp === null || tdvp === null) return ENOENT;
    if (fdvp.mount !== fvp.mount) return EXDEV;
    const isDir = fvp.type === VType.VDIR;
    if ((fnd.trailingSlash || tnd.trailingSlash) && !isDir) return ENOTDIR;
    if (isDir && isAncestor(f, td)) return EINVAL;
    if (tvp !== null && tvp !== fvp) {
      if (isDir && tvp.type !== VType.VDIR) return ENOTDIR;
      if (!isDir && tvp.type === VType.VDIR) return EISDIR;
      if (tvp.type === VType.VDIR && isAncestor(t, fd)) return ENOTEMPTY;
    }
    if ((mountFlags(fd, fdvp) & MNT_RDONLY) !== 0) return EROFS;
    const cred = lwp.proc.cred;
    let e = vnMayDelete(fdvp, fvp, cred);
    if (e === null) e = tvp === null ? vnAccess(tdvp, VWRITE | VEXEC, cred) : vnMayDelete(tdvp, tvp, cred);
    // A directory that changes its parent has its '..' rewritten.
    if (e === null && isDir && fdvp !== tdvp) e = vaccess(fvp.va, VWRITE, cred);
    if (e !== null) return e;
    vref(fvp);
    if (tvp !== null) vref(tvp);
    let r: Errno | null;
    if (tvp === fvp) {
      r = yield* fdvp.ops.nremove(fdvp, f.name, fvp);
      if (r === null) {
        cacheUnlink(f);
        cacheTellLower(f, f.name, null);
      }
    } else {
      r = yield* fdvp.ops.nrename(fdvp, f.name, fvp, tdvp, t.name, tvp);
      if (r === null) cacheRename(f, t);
    }
    if (r === null) {
      vnNotify(fvp, NOTE_RENAME);
      if (tvp !== null && tvp !== fvp) vnNotify(tvp, NOTE_DELETE);
      vnNotify(fdvp, NOTE_WRITE);
      if (tdvp !== fdvp) vnNotify(tdvp, NOTE_WRITE);
    }
    if (tvp !== null) vrele(tvp);
    vrele(fvp);
    return r ?? 0;
  } finally {
    cacheUnlock(second);
    cacheUnlock(first);
  }
}

export const vfsNameSyscalls: SyscallImpls = {
  mkdir: { block: (lwp, a) => mkdirAt(lwp, AT_FDCWD, a[0], a[1]) },
  mkdirat: { block: (lwp, a) => mkdirAt(lwp, a[0], a[1], a[2]) },
  mknod: { block: (lwp, a) => mknodAt(lwp, AT_FDCWD, a[0], a[1], a[2]) },
  mknodat: { block: (lwp, a) => mknodAt(lwp, a[0], a[1], a[2], a[3]) },
  mkfifo: { block: (lwp, a) => mknodAt(lwp, AT_FDCWD, a[0], (a[1] & 0o7777) | 0o010000, 0) },
  mkfifoat: { block: (lwp, a) => mknodAt(lwp, a[0], a[1], (a[2] & 0o7777) | 0o010000, 0) },
  symlink: { block: (lwp, a) => symlinkAt(lwp, a[0], AT_FDCWD, a[1]) },
  symlinkat: { block: (lwp, a) => symlinkAt(lwp, a[0], a[1], a[2]) },
  link: { block: (lwp, a) => linkAt(lwp, AT_FDCWD, a[0], AT_FDCWD, a[1], AT_SYMLINK_FOLLOW) },
  linkat: {
    *block(lwp, a) {
      if ((a[4] & ~AT_SYMLINK_FOLLOW) !== 0) return EINVAL;
      return yield* linkAt(lwp, a[0], a[1], a[2], a[3], a[4]);
    },
  },
  unlink: { block: (lwp, a) => removeAt(lwp, AT_FDCWD, a[0], false) },
  unlinkat: {
    *block(lwp, a) {
      if ((a[2] & ~AT_REMOVEDIR) !== 0) return EINVAL;
      return yield* removeAt(lwp, a[0], a[1], a[2] !== 0);
    },
  },
  rmdir: { block: (lwp, a) => removeAt(lwp, AT_FDCWD, a[0], true) },
  rename: { block: (lwp, a) => renameAt(lwp, AT_FDCWD, a[0], AT_FDCWD, a[1]) },
  renameat: { block: (lwp, a) => renameAt(lwp, a[0], a[1], a[2], a[3]) },
};
