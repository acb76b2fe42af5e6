/**
 * File system calls that look things up: open, stat, access, readlink, directories, working directories. Calls that change
 * names are in vfs_names.ts, attributes in vfs_attr_syscalls.ts, mounts in vfs_mount_syscalls.ts.
 *
 * Counterpart: sys/kern/vfs_syscalls.c
 */
import type { Blocking } from '../sys/blocking.js';
import {
  EEXIST,
  EINVAL,
  ENOENT,
  ENOTDIR,
  EOPNOTSUPP,
  EPERM,
  ERANGE,
  ENAMETOOLONG,
  EINTR,
  ERESTART,
  Errno,
  NOTNOW,
} from '../sys/errno.js';
import type { SyscallImpls, SysTry } from '../sys/syscall.js';
import { cacheDrop, cacheFullpath, cacheHold, type Namecache } from '../vfs/namecache.js';
import { NLC_CREATE, NLC_FOLLOW, nlookup, type Nlookup, nlookupTry, PATH_MAX } from '../vfs/nlookup.js';
import { DirBuf } from '../vfs/dirbuf.js';
import { VEXEC, vnAccess, VREAD, VWRITE } from '../vfs/vfs_subr.js';
import { vnOpen, vnTryOpen, vopGetattr } from '../vfs/vfs_vnops.js';
import { Vattr, type Vnode, VType } from '../vfs/vnode.js';
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

function accessCheck(ncp: Namecache, vp: Vnode, mode: number, cred: Ucred): Errno | null {
  const want = ((mode & 4) !== 0 ? VREAD : 0) | ((mode & 2) !== 0 ? VWRITE : 0) | ((mode & 1) !== 0 ? VEXEC : 0);
  return want === 0 ? null : vnAccess(vp, want, cred, ncp);
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
  return accessCheck(nd.ncp, vp, mode, cred) ?? 0;
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
  const r = va instanceof Errno ? va : accessCheck(nd.ncp, nd.ncp.vp as Vnode, mode, cred);
  nd.done();
  return r ?? 0;
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

export const vfsLookupSyscalls: SyscallImpls = {
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
