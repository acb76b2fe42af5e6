/**
 * File system calls about names: open, stat, access, link, unlink, rename, mkdir, rmdir, symlink, readlink, mknod, and
 * working directories. Attributes are in vfs_attr_syscalls.ts, mounts in vfs_mount_syscalls.ts.
 *
 * Calls that change a name lock its name cache entry, look again under the lock, check permission, let the file system
 * do it and bring the cache in step. Errno rules: dragonfly-abi.md 7.6.
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
  EOPNOTSUPP,
  EPERM,
  EROFS,
  ERANGE,
  EXDEV,
  ENAMETOOLONG,
  EINTR,
  ERESTART,
  Errno,
  NOTNOW,
} from '../sys/errno.js';
import type { SyscallImpls, SysTry } from '../sys/syscall.js';
import { MNT_RDONLY } from '../vfs/mount.js';
import {
  cacheDrop,
  cacheFullpath,
  cacheHold,
  cacheLock,
  cacheRename,
  cacheResolve,
  cacheSetvp,
  cacheStale,
  cacheUnlink,
  cacheUnlock,
  type Namecache,
} from '../vfs/namecache.js';
import { NLC_CREATE, NLC_FOLLOW, nlookup, type Nlookup, nlookupTry, PATH_MAX } from '../vfs/nlookup.js';
import { DirBuf } from '../vfs/dirbuf.js';
import { VEXEC, vaccess, vnAccess, vnMayDelete, VREAD, VWRITE } from '../vfs/vfs_subr.js';
import { newMode, vnOpen, vnTryOpen, vopGetattr } from '../vfs/vfs_vnops.js';
import {
  NOTE_DELETE,
  NOTE_LINK,
  NOTE_RENAME,
  NOTE_WRITE,
  S_ISTXT,
  UF_APPEND,
  UF_IMMUTABLE,
  SF_APPEND,
  SF_IMMUTABLE,
  Vattr,
  type Vnode,
  VType,
  modeToVtype,
  vnNotify,
  vref,
  vrele,
} from '../vfs/vnode.js';
import type { CreateAttr } from '../vfs/vop.js';
import { copyinstr, copyout, copyoutB } from '../vm/vm_user.js';
import { fdalloc, fdcheck, fdrop, fileFlock } from './kern_descrip.js';
import {
  FD_CLOEXEC,
  FD_CLOFORK,
  fdget,
  fhold,
  FFLAGS,
  O_ACCMODE,
  O_CLOEXEC,
  O_CLOFORK,
  O_CREAT,
  O_EXLOCK,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_SHLOCK,
  O_TRUNC,
} from './file.js';
import type { Lwp } from './proc.js';
import { Ucred } from './proc.js';
import {
  AT_EACCESS,
  AT_FDCWD,
  AT_REMOVEDIR,
  AT_SYMLINK_FOLLOW,
  AT_SYMLINK_NOFOLLOW,
  atLookup,
  atStart,
  copyinPath,
  fdVnode,
  STAT_SIZE,
  statEncode,
} from './vfs_util.js';

const fdFlagsOf = (oflags: number): number =>
  ((oflags & O_CLOEXEC) !== 0 ? FD_CLOEXEC : 0) | ((oflags & O_CLOFORK) !== 0 ? FD_CLOFORK : 0);

/** Lookup without sleeping from a user path; the result is the shared Nlookup. */
function tryLookup(lwp: Lwp, fd: number, uva: number, flags: number): Nlookup | Errno {
  const p = lwp.proc;
  const path = copyinstr(p.vm, uva, PATH_MAX);
  if (path instanceof Errno) return path;
  const start = fd === AT_FDCWD ? p.fd.cwd : atStart(lwp, fd, path);
  return start instanceof Errno ? start : nlookupTry(p.fd, p.cred, start, path, flags);
}

// --- open ---

function openTry(lwp: Lwp, dirfd: number, uva: number, oflags: number): number | Errno {
  if ((oflags & O_ACCMODE) === O_ACCMODE) return EINVAL;
  if ((oflags & (O_CREAT | O_TRUNC | O_EXLOCK | O_SHLOCK)) !== 0) return NOTNOW;
  const p = lwp.proc;
  const full = fdcheck(p);
  if (full !== null) return full;
  const nd = tryLookup(lwp, dirfd, uva, (oflags & O_NOFOLLOW) !== 0 ? 0 : NLC_FOLLOW);
  if (nd instanceof Errno) return nd;
  const fp = vnTryOpen(nd, FFLAGS(oflags & ~(O_CLOEXEC | O_CLOFORK)), p.cred);
  return fp instanceof Errno ? fp : fdalloc(p, fp, fdFlagsOf(oflags));
}

function* openBlock(lwp: Lwp, dirfd: number, uva: number, oflags: number, mode: number): Blocking<number | Errno> {
  if ((oflags & O_ACCMODE) === O_ACCMODE) return EINVAL;
  const p = lwp.proc;
  const full = fdcheck(p);
  if (full !== null) return full;
  const path = yield* copyinPath(lwp, uva);
  if (path instanceof Errno) return path;
  const start = atStart(lwp, dirfd, path);
  if (start instanceof Errno) return start;
  const flags = FFLAGS(oflags & ~(O_CLOEXEC | O_CLOFORK | O_SHLOCK | O_EXLOCK));
  const fp = yield* vnOpen(lwp, start, path, flags, mode & 0o7777 & ~p.fd.cmask);
  // open is never restarted.
  if (fp instanceof Errno) return fp === ERESTART ? EINTR : fp;
  if ((oflags & (O_EXLOCK | O_SHLOCK)) !== 0) {
    const how = (oflags & O_EXLOCK) !== 0 ? 2 : 1;
    const e = yield* fileFlock(fp, how | ((oflags & O_NONBLOCK) !== 0 ? 4 : 0));
    if (e !== null) {
      yield* fdrop(fp);
      return e;
    }
  }
  const fd = fdalloc(p, fp, fdFlagsOf(oflags));
  if (fd instanceof Errno) yield* fdrop(fp);
  return fd;
}

// --- stat ---

function statTry(lwp: Lwp, dirfd: number, uva: number, ub: number, flags: number): number | Errno {
  const nd = tryLookup(lwp, dirfd, uva, flags);
  if (nd instanceof Errno) return nd;
  const vp = nd.ncp.vp as Vnode;
  const va = vp.ops.tryGetattr(vp);
  if (va instanceof Errno) return va;
  return copyout(lwp.proc.vm, statEncode(va), 0, ub, STAT_SIZE) ?? 0;
}

function* statBlock(lwp: Lwp, dirfd: number, uva: number, ub: number, flags: number): Blocking<number | Errno> {
  const nd = yield* atLookup(lwp, dirfd, uva, flags);
  if (nd instanceof Errno) return nd;
  try {
    const va = yield* vopGetattr(nd.ncp.vp as Vnode);
    if (va instanceof Errno) return va;
    return (yield* copyoutB(lwp.proc.vm, statEncode(va).slice(), 0, ub, STAT_SIZE)) ?? 0;
  } finally {
    nd.done();
  }
}

const statVa = new Vattr();

const fstatTry: SysTry = (lwp, a) => {
  const fp = fdget(lwp.proc, a[0]);
  if (fp instanceof Errno) return fp;
  const e = fp.ops.tryStat(fp, statVa, lwp);
  if (e !== null) return e;
  return copyout(lwp.proc.vm, statEncode(statVa), 0, a[1], STAT_SIZE) ?? 0;
};

function* fstatBlock(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const fp = fdget(lwp.proc, a[0]);
  if (fp instanceof Errno) return fp;
  const va = new Vattr();
  fhold(fp);
  let e = fp.ops.tryStat(fp, va, lwp);
  if (e === NOTNOW) e = yield* fp.ops.stat(fp, va, lwp);
  yield* fdrop(fp);
  if (e !== null) return e;
  return (yield* copyoutB(lwp.proc.vm, statEncode(va).slice(), 0, a[1], STAT_SIZE)) ?? 0;
}

// --- access ---

/** Real ids for access(2). */
function realCred(c: Ucred): Ucred {
  if (c.uid === c.ruid && c.gid === c.rgid) return c;
  const groups = c.groups.slice();
  groups[0] = c.rgid;
  return new Ucred(c.ruid, c.ruid, c.svuid, groups, c.rgid, c.svgid);
}

function accessCheck(vp: Vnode, mode: number, cred: Ucred): Errno | null {
  const want = ((mode & 4) !== 0 ? VREAD : 0) | ((mode & 2) !== 0 ? VWRITE : 0) | ((mode & 1) !== 0 ? VEXEC : 0);
  return want === 0 ? null : vnAccess(vp, want, cred);
}

function accessTry(lwp: Lwp, fd: number, uva: number, mode: number, flags: number): number | Errno {
  if ((mode & ~7) !== 0) return EINVAL;
  const p = lwp.proc;
  const cred = (flags & AT_EACCESS) !== 0 ? p.cred : realCred(p.cred);
  const path = copyinstr(p.vm, uva, PATH_MAX);
  if (path instanceof Errno) return path;
  const start = atStart(lwp, fd, path);
  if (start instanceof Errno) return start;
  const nd = nlookupTry(p.fd, cred, start, path, (flags & AT_SYMLINK_NOFOLLOW) !== 0 ? 0 : NLC_FOLLOW);
  if (nd instanceof Errno) return nd;
  const vp = nd.ncp.vp as Vnode;
  const va = vp.ops.tryGetattr(vp);
  if (va instanceof Errno) return va;
  return accessCheck(vp, mode, cred) ?? 0;
}

function* accessBlock(lwp: Lwp, fd: number, uva: number, mode: number, flags: number): Blocking<number | Errno> {
  const p = lwp.proc;
  const cred = (flags & AT_EACCESS) !== 0 ? p.cred : realCred(p.cred);
  const path = yield* copyinPath(lwp, uva);
  if (path instanceof Errno) return path;
  const start = atStart(lwp, fd, path);
  if (start instanceof Errno) return start;
  const nd = yield* nlookup(p.fd, cred, start, path, (flags & AT_SYMLINK_NOFOLLOW) !== 0 ? 0 : NLC_FOLLOW);
  if (nd instanceof Errno) return nd;
  const va = yield* vopGetattr(nd.ncp.vp as Vnode);
  const r = va instanceof Errno ? va : accessCheck(nd.ncp.vp as Vnode, mode, cred);
  nd.done();
  return r ?? 0;
}

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
    if ((dvp.mount.flags & MNT_RDONLY) !== 0) return EROFS;
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

const createAttr = (lwp: Lwp, dvp: Vnode, type: VType, mode: number, rdev = 0): CreateAttr => ({
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
  if (type !== VType.VFIFO && type !== VType.VREG && type !== VType.VSOCK && lwp.proc.cred.uid !== 0) return EPERM;
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
          if (dvp.mount !== vp.mount) return EXDEV;
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
      if ((dvp.mount.flags & MNT_RDONLY) !== 0) return EROFS;
      const e = vnMayDelete(dvp, vp, lwp.proc.cred);
      if (e !== null) return e;
      vref(vp);
      const r = dir ? yield* dvp.ops.nrmdir(dvp, ncp.name, vp) : yield* dvp.ops.nremove(dvp, ncp.name, vp);
      if (r === null) {
        cacheUnlink(ncp);
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
    if ((fdvp.mount.flags & MNT_RDONLY) !== 0) return EROFS;
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
      if (r === null) cacheUnlink(f);
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

// --- readlink, directories ---

const linkBuf = new Uint8Array(PATH_MAX);
function encodeLink(s: string, max: number): number {
  const n = Math.min(s.length, max, PATH_MAX);
  for (let i = 0; i < n; i++) linkBuf[i] = s.charCodeAt(i);
  return n;
}

function readlinkTry(lwp: Lwp, fd: number, uva: number, buf: number, count: number): number | Errno {
  if (count < 0) return EINVAL;
  const nd = tryLookup(lwp, fd, uva, 0);
  if (nd instanceof Errno) return nd;
  const vp = nd.ncp.vp as Vnode;
  if (vp.type !== VType.VLNK) return EINVAL;
  const s = vp.ops.tryReadlink(vp);
  if (s instanceof Errno) return s;
  const n = encodeLink(s, count);
  return copyout(lwp.proc.vm, linkBuf, 0, buf, n) ?? n;
}

function* readlinkBlock(lwp: Lwp, fd: number, uva: number, buf: number, count: number): Blocking<number | Errno> {
  const nd = yield* atLookup(lwp, fd, uva, 0);
  if (nd instanceof Errno) return nd;
  try {
    const vp = nd.ncp.vp as Vnode;
    if (vp.type !== VType.VLNK) return EINVAL;
    let s = vp.ops.tryReadlink(vp);
    if (s === NOTNOW) s = yield* vp.ops.readlink(vp);
    if (s instanceof Errno) return s;
    const n = encodeLink(s, count);
    return (yield* copyoutB(lwp.proc.vm, linkBuf.slice(0, n), 0, buf, n)) ?? n;
  } finally {
    nd.done();
  }
}

/** getdirentries and getdents. `basep` 0: none. Works in a kernel buffer; larger requests come in pieces of 64 KiB. */
function* readdirBlock(lwp: Lwp, fd: number, buf: number, count: number, basep: number): Blocking<number | Errno> {
  const r = fdVnode(lwp, fd, EINVAL);
  if (r instanceof Errno) return r;
  const { fp, vp } = r;
  if ((fp.flags & 1) === 0) return EINVAL;
  if (vp.type !== VType.VDIR) return EINVAL;
  if (count > 0x7fffffff) return EINVAL;
  const db = new DirBuf(Math.min(count, 65536));
  const base = fp.offset;
  db.cookie = base;
  fhold(fp);
  try {
    let e = vp.ops.tryReaddir(vp, db);
    if (e === NOTNOW) e = yield* vp.ops.readdir(vp, db);
    if (e !== null) return e;
    e = yield* copyoutB(lwp.proc.vm, db.buf, 0, buf, db.len);
    if (e !== null) return e;
    if (basep !== 0) {
      const b = new Uint8Array(8);
      new DataView(b.buffer).setBigInt64(0, BigInt(base), true);
      e = yield* copyoutB(lwp.proc.vm, b, 0, basep, 8);
      if (e !== null) return e;
    }
    fp.offset = db.cookie;
    return db.len;
  } finally {
    yield* fdrop(fp);
  }
}

// --- working directory ---

function* chdirBlock(lwp: Lwp, uva: number, root: boolean): Blocking<number | Errno> {
  const p = lwp.proc;
  if (root && p.cred.uid !== 0) return EPERM;
  const nd = yield* atLookup(lwp, AT_FDCWD, uva, NLC_FOLLOW);
  if (nd instanceof Errno) return nd;
  try {
    const e = yield* checkDir(lwp, nd.ncp);
    if (e !== null) return e;
    if (root) {
      const old = p.fd.root;
      p.fd.root = cacheHold(nd.ncp);
      cacheDrop(old);
    }
    const old = p.fd.cwd;
    p.fd.cwd = cacheHold(nd.ncp);
    cacheDrop(old);
    return 0;
  } finally {
    nd.done();
  }
}

function* checkDir(lwp: Lwp, ncp: Namecache): Blocking<Errno | null> {
  const vp = ncp.vp;
  if (vp === null) return ENOENT;
  if (vp.type !== VType.VDIR) return ENOTDIR;
  const va = yield* vopGetattr(vp);
  return va instanceof Errno ? va : vnAccess(vp, VEXEC, lwp.proc.cred);
}

function* fchdirBlock(lwp: Lwp, fd: number): Blocking<number | Errno> {
  const r = fdVnode(lwp, fd, ENOTDIR);
  if (r instanceof Errno) return r;
  if (r.fp.ncp === null) return ENOTDIR;
  const e = yield* checkDir(lwp, r.fp.ncp);
  if (e !== null) return e;
  const p = lwp.proc;
  const old = p.fd.cwd;
  p.fd.cwd = cacheHold(r.fp.ncp);
  cacheDrop(old);
  return 0;
}

function pathBytes(path: string): Uint8Array {
  const b = new Uint8Array(path.length + 1);
  for (let i = 0; i < path.length; i++) b[i] = path.charCodeAt(i);
  return b;
}

function* getcwdBlock(lwp: Lwp, buf: number, len: number): Blocking<number | Errno> {
  if (len === 0) return EINVAL;
  const path = cacheFullpath(lwp.proc.fd.cwd, lwp.proc.fd.root);
  if (path instanceof Errno) return path;
  if (path.length + 1 > len) return ERANGE;
  return (yield* copyoutB(lwp.proc.vm, pathBytes(path), 0, buf, path.length + 1)) ?? 0;
}

function* realpathBlock(lwp: Lwp, uva: number, buf: number, len: number): Blocking<number | Errno> {
  const nd = yield* atLookup(lwp, AT_FDCWD, uva, NLC_FOLLOW);
  if (nd instanceof Errno) return nd;
  try {
    const path = cacheFullpath(nd.ncp, lwp.proc.fd.root);
    if (path instanceof Errno) return path;
    if (path.length + 1 > len) return ENAMETOOLONG;
    return (yield* copyoutB(lwp.proc.vm, pathBytes(path), 0, buf, path.length + 1)) ?? path.length;
  } finally {
    nd.done();
  }
}

export const vfsNameSyscalls: SyscallImpls = {
  open: {
    try: (lwp, a) => openTry(lwp, AT_FDCWD, a[0], a[1]),
    block: (lwp, a) => openBlock(lwp, AT_FDCWD, a[0], a[1], a[2]),
  },
  openat: {
    try: (lwp, a) => openTry(lwp, a[0], a[1], a[2]),
    block: (lwp, a) => openBlock(lwp, a[0], a[1], a[2], a[3]),
  },
  stat: {
    try: (lwp, a) => statTry(lwp, AT_FDCWD, a[0], a[1], NLC_FOLLOW),
    block: (lwp, a) => statBlock(lwp, AT_FDCWD, a[0], a[1], NLC_FOLLOW),
  },
  lstat: {
    try: (lwp, a) => statTry(lwp, AT_FDCWD, a[0], a[1], 0),
    block: (lwp, a) => statBlock(lwp, AT_FDCWD, a[0], a[1], 0),
  },
  fstatat: {
    try: (lwp, a) => {
      if ((a[3] & ~AT_SYMLINK_NOFOLLOW) !== 0) return EINVAL;
      return statTry(lwp, a[0], a[1], a[2], a[3] !== 0 ? 0 : NLC_FOLLOW);
    },
    block: (lwp, a) => statBlock(lwp, a[0], a[1], a[2], a[3] !== 0 ? 0 : NLC_FOLLOW),
  },
  fstat: { try: fstatTry, block: fstatBlock },
  access: {
    try: (lwp, a) => accessTry(lwp, AT_FDCWD, a[0], a[1], 0),
    block: (lwp, a) => accessBlock(lwp, AT_FDCWD, a[0], a[1], 0),
  },
  eaccess: {
    try: (lwp, a) => accessTry(lwp, AT_FDCWD, a[0], a[1], AT_EACCESS),
    block: (lwp, a) => accessBlock(lwp, AT_FDCWD, a[0], a[1], AT_EACCESS),
  },
  faccessat: {
    try: (lwp, a) => {
      if ((a[3] & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW)) !== 0) return EINVAL;
      return accessTry(lwp, a[0], a[1], a[2], a[3]);
    },
    block: (lwp, a) => accessBlock(lwp, a[0], a[1], a[2], a[3]),
  },
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
  readlink: {
    try: (lwp, a) => readlinkTry(lwp, AT_FDCWD, a[0], a[1], a[2]),
    block: (lwp, a) => readlinkBlock(lwp, AT_FDCWD, a[0], a[1], a[2]),
  },
  readlinkat: {
    try: (lwp, a) => readlinkTry(lwp, a[0], a[1], a[2], a[3]),
    block: (lwp, a) => readlinkBlock(lwp, a[0], a[1], a[2], a[3]),
  },
  getdirentries: { block: (lwp, a) => readdirBlock(lwp, a[0], a[1], a[2], a[3]) },
  getdents: { block: (lwp, a) => readdirBlock(lwp, a[0], a[1], a[2], 0) },
  chdir: { block: (lwp, a) => chdirBlock(lwp, a[0], false) },
  fchdir: { block: (lwp, a) => fchdirBlock(lwp, a[0]) },
  chroot: { block: (lwp, a) => chdirBlock(lwp, a[0], true) },
  __getcwd: { block: (lwp, a) => getcwdBlock(lwp, a[0], a[1]) },
  __realpath: { block: (lwp, a) => realpathBlock(lwp, a[0], a[1], a[2]) },
  umask: {
    try(lwp, a) {
      const old = lwp.proc.fd.cmask;
      lwp.proc.fd.cmask = a[0] & 0o777;
      return old;
    },
  },
  undelete: {
    *block(lwp, a) {
      const nd = yield* atLookup(lwp, AT_FDCWD, a[0], NLC_CREATE);
      if (nd instanceof Errno) return nd;
      const exists = nd.ncp.vp !== null;
      nd.done();
      return exists ? EEXIST : EOPNOTSUPP;
    },
  },
};
