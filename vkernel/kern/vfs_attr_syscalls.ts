/**
 * File system calls about attributes: chmod, chown, chflags, utimes, truncate and their relatives; fsync, pathconf.
 *
 * Who may change what is decided here, so that file systems only store: ownership rules, immutable flags, set-id bits.
 *
 * Counterpart: sys/kern/vfs_syscalls.c, and vop_helper_chmod, _chown, _setattr_flags of vfs_helper.c
 */
import type { Blocking } from '../sys/blocking.js';
import { EBADF, EFTYPE, EINVAL, EISDIR, EOPNOTSUPP, EPERM, EROFS, ETXTBSY, Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import type { SyscallImpls } from '../sys/syscall.js';
import { MNT_RDONLY } from '../vfs/mount.js';
import { NLC_FOLLOW } from '../vfs/nlookup.js';
import type { Namecache } from '../vfs/namecache.js';
import { vnAccess, VWRITE } from '../vfs/vfs_subr.js';
import { vopGetattr } from '../vfs/vfs_vnops.js';
import {
  NOTE_ATTRIB,
  SF_APPEND,
  SF_IMMUTABLE,
  S_ISGID,
  S_ISTXT,
  S_ISUID,
  Setattr,
  type TimeSpec,
  UF_APPEND,
  UF_IMMUTABLE,
  UF_SETTABLE,
  vfsTimestamp,
  vnLock,
  vnNotify,
  type Vnode,
  vnUnlock,
  VType,
} from '../vfs/vnode.js';
import { copyinB } from '../vm/vm_user.js';
import { fdrop } from './kern_descrip.js';
import { DTYPE_PIPE, DTYPE_SOCKET, fdget, fhold, FWRITE } from './file.js';
import type { Lwp, Ucred } from './proc.js';
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW, atLookup, fdVnode } from './vfs_util.js';

const IMMUTABLE = UF_IMMUTABLE | SF_IMMUTABLE;
const APPEND = UF_APPEND | SF_APPEND;

/** Run `change` to decide what to set, then set it, with attributes fresh and the vnode locked. */
function* setattrVnode(
  lwp: Lwp,
  vp: Vnode,
  ncp: Namecache | null,
  change: (sa: Setattr, vp: Vnode, cred: Ucred) => Errno | null,
): Blocking<Errno | null> {
  if (((ncp?.mount.flags ?? 0) & MNT_RDONLY) !== 0 || (vp.mount.flags & MNT_RDONLY) !== 0) return EROFS;
  yield* vnLock(vp, true);
  try {
    const va = yield* vopGetattr(vp);
    if (va instanceof Errno) return va;
    const sa = new Setattr();
    const e = change(sa, vp, lwp.proc.cred);
    if (e !== null) return e;
    const r = yield* vp.ops.setattr(vp, sa);
    if (r === null) vnNotify(vp, NOTE_ATTRIB);
    return r;
  } finally {
    vnUnlock(vp, true);
  }
}

type Change = (sa: Setattr, vp: Vnode, cred: Ucred) => Errno | null;

function* setattrPath(lwp: Lwp, fd: number, uva: number, follow: boolean, change: Change): Blocking<number | Errno> {
  const nd = yield* atLookup(lwp, fd, uva, follow ? NLC_FOLLOW : 0);
  if (nd instanceof Errno) return nd;
  try {
    return (yield* setattrVnode(lwp, nd.ncp.vp as Vnode, nd.ncp, change)) ?? 0;
  } finally {
    nd.done();
  }
}

function* setattrFd(lwp: Lwp, fd: number, change: Change): Blocking<number | Errno> {
  const r = fdVnode(lwp, fd, EINVAL);
  if (r instanceof Errno) return r;
  fhold(r.fp);
  const e = yield* setattrVnode(lwp, r.vp, r.fp.ncp, change);
  yield* fdrop(r.fp);
  return e ?? 0;
}

const owns = (vp: Vnode, cred: Ucred): boolean => cred.uid === 0 || cred.uid === vp.va.uid;

const chmodTo =
  (mode: number): Change =>
  (sa, vp, cred) => {
    if (!owns(vp, cred)) return EPERM;
    if ((vp.va.flags & (IMMUTABLE | APPEND)) !== 0) return EPERM;
    if (cred.uid !== 0) {
      if (vp.type !== VType.VDIR && (mode & S_ISTXT) !== 0) return EFTYPE;
      if ((mode & S_ISGID) !== 0 && !cred.isMember(vp.va.gid)) return EPERM;
    }
    sa.mode = mode & 0o7777;
    return null;
  };

const chownTo =
  (uid: number, gid: number): Change =>
  (sa, vp, cred) => {
    const u = uid === -1 ? vp.va.uid : uid >>> 0;
    const g = gid === -1 ? vp.va.gid : gid >>> 0;
    if ((vp.va.flags & (IMMUTABLE | APPEND)) !== 0) return EPERM;
    if (cred.uid !== 0) {
      // The owner may give the file to one of his groups, and that is all.
      if (cred.uid !== vp.va.uid || u !== vp.va.uid || (g !== vp.va.gid && !cred.isMember(g))) return EPERM;
      if (u !== vp.va.uid || g !== vp.va.gid) sa.mode = vp.va.mode & ~(S_ISUID | S_ISGID);
    }
    sa.uid = u;
    sa.gid = g;
    return null;
  };

const chflagsTo =
  (flags: number): Change =>
  (sa, vp, cred) => {
    if (!owns(vp, cred)) return EPERM;
    const f = flags >>> 0;
    // Flags of a device belong to the superuser (login hands terminals over).
    if (cred.uid !== 0) {
      if (vp.type === VType.VCHR || vp.type === VType.VBLK) return EPERM;
      if ((vp.va.flags & (SF_IMMUTABLE | SF_APPEND)) !== 0) return EPERM;
      if (((f ^ vp.va.flags) & ~UF_SETTABLE) !== 0) return EPERM;
    }
    sa.flags = f;
    return null;
  };

const UTIME_NOW = -1;
const UTIME_OMIT = -2;

/** Times to set; null: now, for both, with write permission enough. */
interface Times {
  atime: TimeSpec | null;
  mtime: TimeSpec | null;
  bothNow: boolean;
}

const utimesTo =
  (t: Times): Change =>
  (sa, vp, cred) => {
    if (t.atime === null && t.mtime === null) return null;
    if ((vp.va.flags & (IMMUTABLE | APPEND)) !== 0) return EPERM;
    if (!owns(vp, cred)) {
      if (!t.bothNow) return EPERM;
      const e = vnAccess(vp, VWRITE, cred);
      if (e !== null) return e;
    }
    sa.atime = t.atime;
    sa.mtime = t.mtime;
    sa.utimesNull = t.bothNow;
    return null;
  };

const nowCopy = (): TimeSpec => ({ ...vfsTimestamp() });

/** timeval[2] or timespec[2] at `uva`; 0 means now. */
function* copyinTimes(lwp: Lwp, uva: number, nano: boolean): Blocking<Times | Errno> {
  if (uva === 0) {
    const n = nowCopy();
    return { atime: n, mtime: n, bothNow: true };
  }
  const buf = new Uint8Array(32);
  const e = yield* copyinB(lwp.proc.vm, uva, buf, 0, 32);
  if (e !== null) return e;
  const v = new DataView(buf.buffer);
  const one = (at: number): TimeSpec | null | Errno => {
    const sec = Number(v.getBigInt64(at, true));
    const frac = Number(v.getBigInt64(at + 8, true));
    if (nano && frac === UTIME_OMIT) return null;
    if (nano && frac === UTIME_NOW) return nowCopy();
    if (frac < 0 || frac >= (nano ? 1e9 : 1e6)) return EINVAL;
    return { sec, nsec: nano ? frac : frac * 1000 };
  };
  const isNow = (at: number): boolean => nano && v.getBigInt64(at + 8, true) === -1n;
  const atime = one(0);
  if (atime instanceof Errno) return atime;
  const mtime = one(16);
  if (mtime instanceof Errno) return mtime;
  return { atime, mtime, bothNow: isNow(0) && isNow(16) };
}

function* utimesPath(
  lwp: Lwp,
  fd: number,
  uva: number,
  times: number,
  nano: boolean,
  follow: boolean,
): Blocking<number | Errno> {
  const t = yield* copyinTimes(lwp, times, nano);
  return t instanceof Errno ? t : yield* setattrPath(lwp, fd, uva, follow, utimesTo(t));
}

function* utimesFd(lwp: Lwp, fd: number, times: number, nano: boolean): Blocking<number | Errno> {
  const t = yield* copyinTimes(lwp, times, nano);
  return t instanceof Errno ? t : yield* setattrFd(lwp, fd, utimesTo(t));
}

const truncateTo =
  (size: number, checkAccess: boolean): Change =>
  (sa, vp, cred) => {
    if (vp.type === VType.VDIR) return EISDIR;
    if (vp.type !== VType.VREG) return EINVAL;
    if (checkAccess) {
      const e = vnAccess(vp, VWRITE, cred);
      if (e !== null) return e;
    }
    if ((vp.va.flags & APPEND) !== 0) return EPERM;
    if (vp.textcount > 0) return ETXTBSY;
    sa.size = size;
    return null;
  };

function* fsyncBlock(lwp: Lwp, fd: number): Blocking<number | Errno> {
  const r = fdVnode(lwp, fd, EINVAL);
  if (r instanceof Errno) return r;
  fhold(r.fp);
  const e = yield* r.vp.ops.fsync(r.vp);
  yield* fdrop(r.fp);
  return e ?? 0;
}

const PC_PIPE_BUF = 6;

export const vfsAttrSyscalls: SyscallImpls = {
  chmod: { block: (lwp, a) => setattrPath(lwp, AT_FDCWD, a[0], true, chmodTo(a[1])) },
  lchmod: { block: (lwp, a) => setattrPath(lwp, AT_FDCWD, a[0], false, chmodTo(a[1])) },
  fchmod: { block: (lwp, a) => setattrFd(lwp, a[0], chmodTo(a[1])) },
  fchmodat: {
    *block(lwp, a) {
      if ((a[3] & ~AT_SYMLINK_NOFOLLOW) !== 0) return EINVAL;
      return yield* setattrPath(lwp, a[0], a[1], a[3] === 0, chmodTo(a[2]));
    },
  },
  chown: { block: (lwp, a) => setattrPath(lwp, AT_FDCWD, a[0], true, chownTo(a[1] | 0, a[2] | 0)) },
  lchown: { block: (lwp, a) => setattrPath(lwp, AT_FDCWD, a[0], false, chownTo(a[1] | 0, a[2] | 0)) },
  netbsd_lchown: { block: (lwp, a) => setattrPath(lwp, AT_FDCWD, a[0], false, chownTo(a[1] | 0, a[2] | 0)) },
  fchown: { block: (lwp, a) => setattrFd(lwp, a[0], chownTo(a[1] | 0, a[2] | 0)) },
  fchownat: {
    *block(lwp, a) {
      if ((a[4] & ~AT_SYMLINK_NOFOLLOW) !== 0) return EINVAL;
      return yield* setattrPath(lwp, a[0], a[1], a[4] === 0, chownTo(a[2] | 0, a[3] | 0));
    },
  },
  chflags: { block: (lwp, a) => setattrPath(lwp, AT_FDCWD, a[0], true, chflagsTo(a[1])) },
  lchflags: { block: (lwp, a) => setattrPath(lwp, AT_FDCWD, a[0], false, chflagsTo(a[1])) },
  fchflags: { block: (lwp, a) => setattrFd(lwp, a[0], chflagsTo(a[1])) },
  chflagsat: {
    *block(lwp, a) {
      if ((a[3] & ~AT_SYMLINK_NOFOLLOW) !== 0) return EINVAL;
      return yield* setattrPath(lwp, a[0], a[1], a[3] === 0, chflagsTo(a[2]));
    },
  },
  utimes: { block: (lwp, a) => utimesPath(lwp, AT_FDCWD, a[0], a[1], false, true) },
  lutimes: { block: (lwp, a) => utimesPath(lwp, AT_FDCWD, a[0], a[1], false, false) },
  futimes: { block: (lwp, a) => utimesFd(lwp, a[0], a[1], false) },
  futimesat: { block: (lwp, a) => utimesPath(lwp, a[0], a[1], a[2], false, true) },
  futimens: { block: (lwp, a) => utimesFd(lwp, a[0], a[1], true) },
  utimensat: {
    *block(lwp, a) {
      if ((a[3] & ~AT_SYMLINK_NOFOLLOW) !== 0) return EINVAL;
      return yield* utimesPath(lwp, a[0], a[1], a[2], true, a[3] === 0);
    },
  },
  truncate: {
    *block(lwp, a) {
      if (a[2] < 0) return EINVAL;
      return yield* setattrPath(lwp, AT_FDCWD, a[0], true, truncateTo(a[2], true));
    },
  },
  ftruncate: {
    *block(lwp, a) {
      if (a[2] < 0) return EINVAL;
      const fp = fdget(lwp.proc, a[0]);
      if (fp instanceof Errno) return fp;
      if ((fp.flags & FWRITE) === 0) return EINVAL;
      return yield* setattrFd(lwp, a[0], truncateTo(a[2], false));
    },
  },
  posix_fallocate: {
    *block(lwp, a) {
      // The call answers the error number as its result. Space is not reserved: files only grow.
      if (a[1] < 0 || a[2] <= 0) return EINVAL.errno;
      const r = fdVnode(lwp, a[0], EBADF);
      if (r instanceof Errno) return r.errno;
      if ((r.fp.flags & FWRITE) === 0) return EBADF.errno;
      if (r.vp.type !== VType.VREG) return EINVAL.errno;
      if (r.vp.va.size >= a[1] + a[2]) return 0;
      const e = yield* setattrFd(lwp, a[0], truncateTo(a[1] + a[2], false));
      return e instanceof Errno ? e.errno : 0;
    },
  },
  fsync: { block: (lwp, a) => fsyncBlock(lwp, a[0]) },
  fdatasync: { block: (lwp, a) => fsyncBlock(lwp, a[0]) },
  sync: {
    *block() {
      for (const mp of [...gd.vfs.mounts]) if (mp.ops.sync !== undefined) yield* mp.ops.sync(mp);
      return 0;
    },
  },
  pathconf: { block: (lwp, a) => pathconfPath(lwp, a[0], a[1], true) },
  lpathconf: { block: (lwp, a) => pathconfPath(lwp, a[0], a[1], false) },
  fpathconf: {
    try(lwp, a) {
      const fp = fdget(lwp.proc, a[0]);
      if (fp instanceof Errno) return fp;
      if (fp.type === DTYPE_PIPE || fp.type === DTYPE_SOCKET) return a[1] === PC_PIPE_BUF ? 512 : EINVAL;
      const r = fdVnode(lwp, a[0], EOPNOTSUPP);
      return r instanceof Errno ? r : r.vp.ops.pathconf(r.vp, a[1]);
    },
  },
};

function* pathconfPath(lwp: Lwp, uva: number, name: number, follow: boolean): Blocking<number | Errno> {
  const nd = yield* atLookup(lwp, AT_FDCWD, uva, follow ? NLC_FOLLOW : 0);
  if (nd instanceof Errno) return nd;
  const vp = nd.ncp.vp as Vnode;
  const r = vp.ops.pathconf(vp, name);
  nd.done();
  return r;
}
