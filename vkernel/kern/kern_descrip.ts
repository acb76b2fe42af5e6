/**
 * Descriptor tables: fdalloc, dup, fcntl, flock, close, and their system calls.
 *
 * Closing has a synchronous first half (take the descriptor away, drop POSIX locks and knotes) and a second half that may
 * sleep (the last fdrop runs the file's close).
 *
 * Counterpart: sys/kern/kern_descrip.c
 */
import type { Blocking } from '../sys/blocking.js';
import { EAGAIN, EBADF, EINVAL, EMFILE, EOPNOTSUPP, EOVERFLOW, EWOULDBLOCK, Errno, NOTNOW } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import type { SyscallImpls } from '../sys/syscall.js';
import { cacheDrop, cacheFullpath, type Namecache } from '../vfs/namecache.js';
import { F_RDLCK, F_UNLCK, F_WRLCK, lfGet, lfRelease, lfSet, lfTrySet, type LockRange } from '../vfs/vfs_lockf.js';
import type { Vnode } from '../vfs/vnode.js';
import { copyinB, copyoutB } from '../vm/vm_user.js';
import {
  DTYPE_FIFO,
  DTYPE_KQUEUE,
  DTYPE_VNODE,
  FCNTLFLAGS,
  FD_CLOEXEC,
  FD_CLOFORK,
  fdget,
  FileDesc,
  fhold,
  File,
  FREAD,
  FWRITE,
  OFLAGS,
} from './file.js';
import type { Lwp, Proc } from './proc.js';

const RLIMIT_NOFILE = 8;

/** kern_event.ts hands down what removes the knotes of a descriptor that goes away. */
let knoteFdclose: ((fdp: FileDesc, fd: number) => void) | null = null;
export function setKnoteFdclose(fn: (fdp: FileDesc, fd: number) => void): void {
  knoteFdclose = fn;
}

/** Most descriptors `p` may have: getdtablesize. */
export function fdlimit(p: Proc): number {
  return Math.min(p.limits.cur[RLIMIT_NOFILE], gd.mib?.maxfilesperproc ?? gd.vfs.maxfilesperproc);
}

/** A free descriptor of at least `want`; EMFILE. */
function fdavail(p: Proc, want: number): number | Errno {
  const fdp = p.fd;
  let fd = Math.max(want, fdp.freeHint);
  const files = fdp.files;
  while (fd < files.length && files[fd] !== null) fd++;
  return fd >= fdlimit(p) ? EMFILE : fd;
}

/** Put `fp` at a free descriptor; takes over the caller's reference. */
export function fdInstall(fdp: FileDesc, fd: number, fp: File, fdflags = 0): void {
  const files = fdp.files;
  while (files.length < fd) {
    files.push(null);
    fdp.fdflags.push(0);
  }
  if (fd === files.length) {
    files.push(fp);
    fdp.fdflags.push(fdflags);
  } else {
    files[fd] = fp;
    fdp.fdflags[fd] = fdflags;
  }
  if (fd > fdp.lastFile) fdp.lastFile = fd;
  if (fd === fdp.freeHint) fdp.freeHint = fd + 1;
}

/**
 * Give `fp` the lowest free descriptor from `want` on. Takes over the caller's reference.
 * @param fdflags FD_CLOEXEC, FD_CLOFORK
 */
export function fdalloc(p: Proc, fp: File, fdflags = 0, want = 0): number | Errno {
  const fd = fdavail(p, want);
  if (fd instanceof Errno) return fd;
  fdInstall(p.fd, fd, fp, fdflags);
  return fd;
}

/** Would fdalloc find a place (EMFILE)? Asked before something is created that could not be given back. */
export function fdcheck(p: Proc): Errno | null {
  const fd = fdavail(p, 0);
  return fd instanceof Errno ? fd : null;
}

/** The vnode behind a file of type VNODE or FIFO. */
const fileVnode = (fp: File): Vnode | null =>
  fp.type === DTYPE_VNODE || fp.type === DTYPE_FIFO ? (fp.data as Vnode) : null;

/** Take `fd` out of the table; the caller has to fdrop the file. The process loses its POSIX locks on it. */
function fdremove(p: Proc, fdp: FileDesc, fd: number): File {
  const fp = fdp.files[fd] as File;
  fdp.files[fd] = null;
  fdp.fdflags[fd] = 0;
  if (fd < fdp.freeHint) fdp.freeHint = fd;
  while (fdp.lastFile >= 0 && fdp.files[fdp.lastFile] === null) fdp.lastFile--;
  if (knoteFdclose !== null && fdp.knotes !== null) knoteFdclose(fdp, fd);
  const vp = fileVnode(fp);
  if (vp !== null && vp.lockf !== null) lfRelease(vp, p);
  return fp;
}

/** Things that end with the last reference, whatever the file is. */
function lastClose(fp: File): void {
  const vp = fileVnode(fp);
  if (vp !== null && fp.hasFlock) {
    fp.hasFlock = false;
    lfRelease(vp, fp);
  }
}

/** Drop a reference; the last one closes the file. */
export function* fdrop(fp: File): Blocking<Errno | null> {
  if (fp.refs > 1) {
    fp.refs--;
    return null;
  }
  lastClose(fp);
  const e = fp.ops.tryClose(fp);
  fp.refs = 0;
  return e === NOTNOW ? yield* fp.ops.close(fp) : e;
}

/** Drop a reference without sleeping; NOTNOW (nothing done) when closing has to sleep. */
export function fdropTry(fp: File): Errno | null {
  if (fp.refs > 1) {
    fp.refs--;
    return null;
  }
  lastClose(fp);
  const e = fp.ops.tryClose(fp);
  if (e !== NOTNOW) fp.refs = 0;
  return e;
}

/** Close descriptor `fd`. EBADF. */
export function* fdclose(p: Proc, fd: number): Blocking<Errno | null> {
  const fp = fdget(p, fd);
  if (fp instanceof Errno) return fp;
  fdremove(p, p.fd, fd);
  return yield* fdrop(fp);
}

function fdcloseTry(p: Proc, fd: number): Errno | null {
  const fp = fdget(p, fd);
  if (fp instanceof Errno) return fp;
  if (fp.refs === 1) {
    // Closing may have to sleep; ask before anything is changed. The descriptor is still there meanwhile, unseen.
    const vp = fileVnode(fp);
    if (vp !== null && vp.lockf !== null) lfRelease(vp, p);
    if (knoteFdclose !== null && p.fd.knotes !== null) knoteFdclose(p.fd, fd);
    const e = fdropTry(fp);
    if (e === NOTNOW) return NOTNOW;
    fdremoveClosed(p.fd, fd);
    return e;
  }
  fdremove(p, p.fd, fd);
  fp.refs--;
  return null;
}

/** Free the descriptor of a file that is closed already. */
function fdremoveClosed(fdp: FileDesc, fd: number): void {
  fdp.files[fd] = null;
  fdp.fdflags[fd] = 0;
  if (fd < fdp.freeHint) fdp.freeHint = fd;
  while (fdp.lastFile >= 0 && fdp.files[fdp.lastFile] === null) fdp.lastFile--;
}

/** A table for the first process. */
export function fdinit(root: Namecache): FileDesc {
  return new FileDesc(root, root);
}

/** Copy for fork: descriptors with FD_CLOFORK and kqueues stay behind. */
export function fdcopy(p: Proc): FileDesc {
  const o = p.fd;
  const n = new FileDesc(o.cwd, o.root);
  n.cmask = o.cmask;
  n.lastFile = -1;
  for (let fd = 0; fd <= o.lastFile; fd++) {
    const fp = o.files[fd];
    if (fp === null || fp.type === DTYPE_KQUEUE || (o.fdflags[fd] & FD_CLOFORK) !== 0) {
      n.files.push(null);
      n.fdflags.push(0);
      continue;
    }
    n.files.push(fhold(fp));
    n.fdflags.push(o.fdflags[fd]);
    n.lastFile = fd;
  }
  while (n.freeHint < n.files.length && n.files[n.freeHint] !== null) n.freeHint++;
  return n;
}

/** Share for rfork without RFFDG. */
export function fdshare(p: Proc): FileDesc {
  p.fd.refs++;
  return p.fd;
}

/** A private table for a process that shares one (exec, rfork(RFFDG) without RFPROC). */
export function* fdunshare(p: Proc): Blocking<void> {
  if (p.fd.refs === 1) return;
  const n = fdcopy(p);
  p.fd.refs--;
  p.fd = n;
}

/** Exit: drop the table; the last user closes everything. */
export function* fdfree(p: Proc): Blocking<void> {
  const fdp = p.fd;
  if (fdp.refs > 1) {
    fdp.refs--;
    for (const fp of fdp.files) {
      const vp = fp === null ? null : fileVnode(fp);
      if (vp !== null && vp.lockf !== null) lfRelease(vp, p);
    }
    return;
  }
  yield* fdcloseFrom(p, 0);
  fdp.refs = 0;
  cacheDrop(fdp.cwd);
  cacheDrop(fdp.root);
}

/** Close every descriptor from `low` on. */
export function* fdcloseFrom(p: Proc, low: number): Blocking<void> {
  for (let fd = p.fd.lastFile; fd >= low; fd--) {
    if (fd <= p.fd.lastFile && p.fd.files[fd] !== null) yield* fdclose(p, fd);
  }
}

/** exec: close what has FD_CLOEXEC. */
export function* fdcloexec(p: Proc): Blocking<void> {
  const fdp = p.fd;
  for (let fd = fdp.lastFile; fd >= 0; fd--) {
    if (fd <= fdp.lastFile && fdp.files[fd] !== null && (fdp.fdflags[fd] & FD_CLOEXEC) !== 0) yield* fdclose(p, fd);
  }
}

/** dup to exactly `to` (dup2, F_DUP2FD). */
function* dupTo(p: Proc, from: number, to: number, fdflags: number): Blocking<number | Errno> {
  const fp = fdget(p, from);
  if (fp instanceof Errno) return fp;
  if (to < 0 || to >= fdlimit(p)) return EBADF;
  if (from === to) {
    // dup2 to itself is a no-op; the variants with flags set those.
    if (fdflags !== 0) p.fd.fdflags[to] = fdflags;
    return to;
  }
  const old = to < p.fd.files.length && p.fd.files[to] !== null ? fdremove(p, p.fd, to) : null;
  fdInstall(p.fd, to, fhold(fp), fdflags);
  if (old !== null) yield* fdrop(old);
  return to;
}

/** dup to a free descriptor of at least `min`. */
function dupMin(p: Proc, from: number, min: number, fdflags: number): number | Errno {
  const fp = fdget(p, from);
  if (fp instanceof Errno) return fp;
  if (min < 0 || min >= fdlimit(p)) return EINVAL;
  const fd = fdalloc(p, fp, fdflags, min);
  if (!(fd instanceof Errno)) fhold(fp);
  return fd;
}

/** F_SETFL and FIONBIO and FIOASYNC. */
export function fileSetFlags(fp: File, flags: number): void {
  fp.flags = (fp.flags & ~FCNTLFLAGS) | (flags & FCNTLFLAGS);
}

const F_DUPFD = 0;
const F_GETFD = 1;
const F_SETFD = 2;
const F_GETFL = 3;
const F_SETFL = 4;
const F_GETOWN = 5;
const F_SETOWN = 6;
const F_GETLK = 7;
const F_SETLK = 8;
const F_SETLKW = 9;
const F_DUP2FD = 10;
const F_DUPFD_CLOEXEC = 17;
const F_DUP2FD_CLOEXEC = 18;
const F_GETPATH = 19;
const F_MAXFD = 20;
const F_DUPFD_CLOFORK = 21;
const F_DUP2FD_CLOFORK = 22;
const F_DUP3FD = 23;

/** fcntl commands that cannot sleep; NOTNOW for the others. */
function fcntlTry(lwp: Lwp, a: Float64Array): number | Errno {
  const p = lwp.proc;
  const fd = a[0];
  const arg = a[2];
  const fp = fdget(p, fd);
  if (fp instanceof Errno) return fp;
  switch (a[1] & 0xffff) {
    case F_DUPFD:
      return dupMin(p, fd, arg | 0, 0);
    case F_DUPFD_CLOEXEC:
      return dupMin(p, fd, arg | 0, FD_CLOEXEC);
    case F_DUPFD_CLOFORK:
      return dupMin(p, fd, arg | 0, FD_CLOFORK);
    case F_GETFD:
      return p.fd.fdflags[fd];
    case F_SETFD:
      p.fd.fdflags[fd] = arg & (FD_CLOEXEC | FD_CLOFORK);
      return 0;
    case F_GETFL:
      return OFLAGS(fp.flags);
    case F_SETFL:
      fileSetFlags(fp, arg);
      return 0;
    case F_GETOWN:
      return fp.sigioOwner;
    case F_SETOWN:
      fp.sigioOwner = arg | 0;
      return 0;
    case F_MAXFD:
      return p.fd.lastFile;
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
    case F_DUP2FD:
    case F_DUP2FD_CLOEXEC:
    case F_DUP2FD_CLOFORK:
    case F_DUP3FD:
    case F_GETPATH:
      return NOTNOW;
    default:
      return EINVAL;
  }
}

function* fcntlBlock(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const p = lwp.proc;
  const fd = a[0];
  switch (a[1] & 0xffff) {
    case F_DUP2FD:
      return yield* dupTo(p, fd, a[2] | 0, 0);
    case F_DUP2FD_CLOEXEC:
      return yield* dupTo(p, fd, a[2] | 0, FD_CLOEXEC);
    case F_DUP2FD_CLOFORK:
      return yield* dupTo(p, fd, a[2] | 0, FD_CLOFORK);
    case F_DUP3FD:
      return fd === (a[2] | 0) ? EINVAL : yield* dupTo(p, fd, a[2] | 0, (a[1] >>> 16) & (FD_CLOEXEC | FD_CLOFORK));
    case F_GETPATH:
      return yield* fcntlGetpath(lwp, fd, a[2]);
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
      return yield* fcntlLock(lwp, fd, a[1], a[2]);
    default:
      return fcntlTry(lwp, a);
  }
}

function* fcntlGetpath(lwp: Lwp, fd: number, uva: number): Blocking<number | Errno> {
  const fp = fdget(lwp.proc, fd);
  if (fp instanceof Errno) return fp;
  if (fp.type !== DTYPE_VNODE || fp.ncp === null) return EINVAL;
  const path = cacheFullpath(fp.ncp, lwp.proc.fd.root);
  if (path instanceof Errno) return path;
  const buf = new Uint8Array(path.length + 1);
  for (let i = 0; i < path.length; i++) buf[i] = path.charCodeAt(i);
  return (yield* copyoutB(lwp.proc.vm, buf, 0, uva, buf.length)) ?? 0;
}

/** struct flock: i64 start 0, i64 len 8, i32 pid 16, i16 type 20, i16 whence 22. */
function* fcntlLock(lwp: Lwp, fd: number, cmd: number, uva: number): Blocking<number | Errno> {
  const p = lwp.proc;
  const fp = fdget(p, fd);
  if (fp instanceof Errno) return fp;
  const vp = fileVnode(fp);
  if (vp === null) return cmd === F_GETLK || cmd === F_SETLK || cmd === F_SETLKW ? EBADF : EINVAL;
  const raw = new Uint8Array(24);
  const v = new DataView(raw.buffer);
  const e = yield* copyinB(p.vm, uva, raw, 0, 24);
  if (e !== null) return e;
  const type = v.getInt16(20, true);
  if (type !== F_RDLCK && type !== F_WRLCK && type !== F_UNLCK) return EINVAL;
  let start = Number(v.getBigInt64(0, true));
  const len = Number(v.getBigInt64(8, true));
  switch (v.getInt16(22, true)) {
    case 0:
      break;
    case 1:
      start += fp.offset;
      break;
    case 2: {
      const va = vp.ops.tryGetattr(vp);
      start += va instanceof Errno ? vp.va.size : va.size;
      break;
    }
    default:
      return EINVAL;
  }
  let end = len === 0 ? Infinity : start + len;
  if (len < 0) {
    end = start;
    start += len;
  }
  if (start < 0) return EINVAL;
  if (end !== Infinity && end >= Number.MAX_SAFE_INTEGER) return EOVERFLOW;
  const want: LockRange = { owner: p, pid: p.pid, type, start, end };
  if (cmd === F_GETLK) {
    if (type === F_UNLCK) return EINVAL;
    const b = lfGet(vp, want);
    if (b === null) v.setInt16(20, F_UNLCK, true);
    else {
      v.setBigInt64(0, BigInt(b.start), true);
      v.setBigInt64(8, b.end === Infinity ? 0n : BigInt(b.end - b.start), true);
      v.setInt32(16, b.pid, true);
      v.setInt16(20, b.type, true);
      v.setInt16(22, 0, true);
    }
    return (yield* copyoutB(p.vm, raw, 0, uva, 24)) ?? 0;
  }
  if (type === F_RDLCK && (fp.flags & FREAD) === 0) return EBADF;
  if (type === F_WRLCK && (fp.flags & FWRITE) === 0) return EBADF;
  fhold(fp);
  const r = yield* lfSet(vp, want, cmd === F_SETLKW);
  // Closed by another thread while it slept: the lock must not outlive the descriptor.
  if (p.fd.files[fd] !== fp && r === null) lfRelease(vp, p);
  yield* fdrop(fp);
  return r ?? 0;
}

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_UN = 8;

/** Take or drop the whole-file lock of an open file; also for O_SHLOCK and O_EXLOCK. */
export function* fileFlock(fp: File, how: number): Blocking<Errno | null> {
  const vp = fileVnode(fp);
  if (vp === null) return EOPNOTSUPP;
  const want: LockRange = { owner: fp, pid: -1, type: F_UNLCK, start: 0, end: Infinity };
  if ((how & LOCK_UN) !== 0) {
    fp.hasFlock = false;
    return yield* lfSet(vp, want, false);
  }
  if ((how & LOCK_EX) !== 0) want.type = F_WRLCK;
  else if ((how & LOCK_SH) !== 0) want.type = F_RDLCK;
  else return EBADF;
  // An upgrade lets go of the old lock first, or two upgraders would wait for each other.
  if (fp.hasFlock) lfRelease(vp, fp);
  const e = yield* lfSet(vp, want, (how & LOCK_NB) === 0);
  fp.hasFlock = e === null;
  return e === EAGAIN ? EWOULDBLOCK : e;
}

/** Unlock and uncontended lock need no thread. */
function flockTry(fp: File, how: number): Errno | null {
  const vp = fileVnode(fp);
  if (vp === null) return EOPNOTSUPP;
  if ((how & LOCK_UN) !== 0) {
    fp.hasFlock = false;
    return lfTrySet(vp, { owner: fp, pid: -1, type: F_UNLCK, start: 0, end: Infinity });
  }
  return NOTNOW;
}

export const descripSyscalls: SyscallImpls = {
  dup: { try: (lwp, a) => dupMin(lwp.proc, a[0], 0, 0) },
  dup2: {
    try(lwp, a) {
      const p = lwp.proc;
      const to = a[1];
      // A free target needs no close.
      if (a[0] !== to && to >= 0 && to < p.fd.files.length && p.fd.files[to] !== null) return NOTNOW;
      const fp = fdget(p, a[0]);
      if (fp instanceof Errno) return fp;
      if (to < 0 || to >= fdlimit(p)) return EBADF;
      if (a[0] !== to) fdInstall(p.fd, to, fhold(fp), 0);
      return to;
    },
    block: (lwp, a) => dupTo(lwp.proc, a[0], a[1], 0),
  },
  fcntl: { try: fcntlTry, block: fcntlBlock },
  flock: {
    try(lwp, a) {
      const fp = fdget(lwp.proc, a[0]);
      return fp instanceof Errno ? fp : (flockTry(fp, a[1]) ?? 0);
    },
    *block(lwp, a) {
      const fp = fdget(lwp.proc, a[0]);
      if (fp instanceof Errno) return fp;
      fhold(fp);
      const e = yield* fileFlock(fp, a[1]);
      yield* fdrop(fp);
      return e ?? 0;
    },
  },
  close: {
    try: (lwp, a) => fdcloseTry(lwp.proc, a[0]) ?? 0,
    *block(lwp, a) {
      return (yield* fdclose(lwp.proc, a[0])) ?? 0;
    },
  },
  closefrom: {
    *block(lwp, a) {
      if (a[0] < 0) return EBADF;
      yield* fdcloseFrom(lwp.proc, a[0]);
      return 0;
    },
  },
  getdtablesize: { try: (lwp) => Math.min(fdlimit(lwp.proc), 0x7fffffff) },
};
