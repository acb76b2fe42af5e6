/**
 * Vnodes as open files: vnOpen and the FileOps of regular files and directories; reading files from within the kernel.
 *
 * Counterpart: sys/kern/vfs_vnops.c
 */
import {
  DTYPE_VNODE,
  File,
  fhold,
  FREAD,
  FWRITE,
  fileOps,
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_FSYNC,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_TRUNC,
} from '../kern/file.js';
import { Klist, knoteKlist, NOTE_OLDAPI } from '../kern/kern_knote.js';
import { psignal } from '../kern/kern_sig.js';
import type { Lwp, Ucred } from '../kern/proc.js';
import type { Blocking } from '../sys/blocking.js';
import {
  EACCES,
  EEXIST,
  EINVAL,
  EFBIG,
  EISDIR,
  EMLINK,
  ENOENT,
  ENODEV,
  ENOTDIR,
  ENXIO,
  EOPNOTSUPP,
  EPERM,
  EROFS,
  ETXTBSY,
  Errno,
  NOTNOW,
} from '../sys/errno.js';
import { type Uio, uioKernel } from '../vm/uio.js';
import { vmObjectRef } from '../vm/vm_object.js';
import { mountFlags, MNT_NODEV, MNT_NOEXEC, MNT_RDONLY } from './mount.js';
import {
  cacheDrop,
  cacheHold,
  cacheLock,
  cacheResolve,
  cacheSetvp,
  cacheStale,
  cacheUnlock,
  type Namecache,
} from './namecache.js';
import { NLC_CREATE, NLC_FOLLOW, type Nlookup, nlookup } from './nlookup.js';
import { VEXEC, vnAccess, VREAD, VWRITE } from './vfs_subr.js';
import {
  NOTE_EXTEND,
  NOTE_WRITE,
  SF_APPEND,
  S_ISTXT,
  Setattr,
  UF_APPEND,
  type Vattr,
  type Vnode,
  VType,
  vnLock,
  vnNotify,
  vnLockFree,
  vnUnlock,
  vref,
  vrele,
} from './vnode.js';
import { IO_APPEND, IO_NDELAY, IO_SYNC } from './vop.js';

const FA_APPEND = UF_APPEND | SF_APPEND;

/** vp.ops.getattr with its synchronous twin first. */
export function* vopGetattr(vp: Vnode): Blocking<Vattr | Errno> {
  const r = vp.ops.tryGetattr(vp);
  return r === NOTNOW ? yield* vp.ops.getattr(vp) : r;
}

/** May an existing file be opened with `flags`? Counterpart: the checks of vn_open */
function openCheck(ncp: Namecache, vp: Vnode, flags: number, cred: Ucred): Errno | null {
  const va = vp.va;
  switch (vp.type) {
    case VType.VLNK:
      return EMLINK;
    case VType.VSOCK:
      return EOPNOTSUPP;
    case VType.VDIR:
      if ((flags & (FWRITE | O_TRUNC)) !== 0) return EISDIR;
      break;
    case VType.VCHR:
    case VType.VBLK:
      if ((mountFlags(ncp, vp) & MNT_NODEV) !== 0) return ENXIO;
      break;
    default:
  }
  if ((flags & O_DIRECTORY) !== 0 && vp.type !== VType.VDIR) return ENOTDIR;
  let mode = 0;
  if ((flags & FREAD) !== 0) mode |= VREAD;
  if ((flags & (FWRITE | O_TRUNC)) !== 0) {
    mode |= VWRITE;
    if (vp.textcount > 0) return ETXTBSY;
  }
  const e = vnAccess(vp, mode, cred, ncp);
  if (e !== null) return e;
  if (
    (va.flags & FA_APPEND) !== 0 &&
    ((flags & O_TRUNC) !== 0 || ((flags & FWRITE) !== 0 && (flags & O_APPEND) === 0))
  ) {
    return EPERM;
  }
  return null;
}

/** Turn an accepted vnode into an open file. */
function openDone(fp: File, vp: Vnode, ncp: Namecache): void {
  fp.data = vref(vp);
  fp.ncp = cacheHold(ncp);
  if (fp.type === 0) {
    fp.type = DTYPE_VNODE;
    fp.ops = vnodeFileOps;
  }
  if ((fp.flags & FWRITE) !== 0) vp.writecount++;
}

/** Open an existing, cached file without sleeping. `nd` is from nlookupTry. NOTNOW for devices, creation, truncation. */
export function vnTryOpen(nd: Nlookup, flags: number, cred: Ucred): File | Errno {
  const vp = nd.ncp.vp as Vnode;
  if (!vp.ops.openIsTrivial(vp)) return NOTNOW;
  const va = vp.ops.tryGetattr(vp);
  if (va instanceof Errno) return va;
  const e = openCheck(nd.ncp, vp, flags, cred);
  if (e !== null) return e;
  const fp = new File(0, vnodeFileOps, null, flags, cred);
  openDone(fp, vp, nd.ncp);
  return fp;
}

/** Group of a new file is the directory's (BSD); a set-gid bit for a group one is not in is dropped. */
export function newMode(dvp: Vnode, mode: number, cred: Ucred): number {
  return (mode & 0o2000) !== 0 && cred.uid !== 0 && !cred.isMember(dvp.va.gid) ? mode & ~0o2000 : mode;
}

/**
 * Open or create a file by path.
 * @param flags FREAD, FWRITE and O_*
 * @param mode  permission bits for a new file, the creation mask already taken off
 */
export function* vnOpen(lwp: Lwp, start: Namecache, path: string, flags: number, mode: number): Blocking<File | Errno> {
  const p = lwp.proc;
  const cred = p.cred;
  const creat = (flags & O_CREAT) !== 0;
  const follow = (flags & O_NOFOLLOW) !== 0 || (creat && (flags & O_EXCL) !== 0) ? 0 : NLC_FOLLOW;
  const nd = yield* nlookup(p.fd, cred, start, path, follow | (creat ? NLC_CREATE : 0));
  if (nd instanceof Errno) return nd;
  try {
    const ncp = nd.ncp;
    let created = false;
    if (creat && nd.dncp !== null && ncp.mountedHere === null && ncp.parent !== null) {
      yield* cacheLock(ncp);
      try {
        if (ncp.destroyed) return ENOENT;
        if (cacheStale(ncp)) {
          const e = yield* cacheResolve(ncp);
          if (e !== null) return e;
        }
        if (ncp.vp === null) {
          if (nd.trailingSlash) return ENOENT;
          const dvp = nd.dncp.vp as Vnode;
          if ((mountFlags(nd.dncp, dvp) & MNT_RDONLY) !== 0) return EROFS;
          const e = vnAccess(dvp, VWRITE | VEXEC, cred);
          if (e !== null) return e;
          const r = yield* dvp.ops.ncreate(dvp, ncp.name, {
            type: VType.VREG,
            mode: newMode(dvp, mode & 0o7777 & ~S_ISTXT, cred),
            uid: cred.uid,
            gid: dvp.va.gid,
            rdev: 0,
          });
          if (r instanceof Errno) return r;
          cacheSetvp(ncp, r);
          vnNotify(dvp, NOTE_WRITE);
          created = true;
        }
      } finally {
        cacheUnlock(ncp);
      }
    }
    const vp = ncp.vp;
    if (vp === null) return ENOENT;
    if (creat && !created && (flags & O_EXCL) !== 0) return EEXIST;
    const fp = new File(0, vnodeFileOps, null, flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_NOFOLLOW | O_DIRECTORY), cred);
    vref(vp);
    try {
      if (!created) {
        const va = yield* vopGetattr(vp);
        if (va instanceof Errno) return va;
        const e = openCheck(ncp, vp, flags, cred);
        if (e !== null) return e;
        if ((flags & O_TRUNC) !== 0 && vp.type === VType.VREG) {
          const sa = new Setattr();
          sa.size = 0;
          yield* vnLock(vp, true);
          const e2 = yield* vp.ops.setattr(vp, sa);
          vnUnlock(vp, true);
          if (e2 !== null) return e2;
        }
      }
      if (!vp.ops.openIsTrivial(vp)) {
        const e = yield* vp.ops.open(vp, flags, fp, lwp);
        if (e !== null) return e;
        if (fp.dupOf !== null) return fhold(fp.dupOf);
      }
      openDone(fp, vp, ncp);
      return fp;
    } finally {
      vrele(vp);
    }
  } finally {
    nd.done();
  }
}

const ioflags = (flags: number): number =>
  ((flags & O_APPEND) !== 0 ? IO_APPEND : 0) |
  ((flags & O_FSYNC) !== 0 ? IO_SYNC : 0) |
  ((flags & O_NONBLOCK) !== 0 ? IO_NDELAY : 0);

const RLIMIT_FSIZE = 1;
const SIGXFSZ = 25;

/** RLIMIT_FSIZE: a write that would cross it fails with SIGXFSZ. */
function fileSizeLimit(vp: Vnode, uio: Uio, flags: number, lwp: Lwp): Errno | null {
  const limit = lwp.proc.limits.cur[RLIMIT_FSIZE];
  const at = (flags & O_APPEND) !== 0 ? vp.va.size : uio.offset;
  if (vp.type !== VType.VREG || uio.resid === 0 || at + uio.resid <= limit) return null;
  psignal(lwp.proc, SIGXFSZ);
  return EFBIG;
}

/** Release what openDone took. */
export function vnCloseFile(fp: File): void {
  const vp = fp.data as Vnode;
  if ((fp.flags & FWRITE) !== 0) vp.writecount--;
  if (fp.ncp !== null) cacheDrop(fp.ncp);
  fp.ncp = null;
  vrele(vp);
}

/** FileOps of regular files and directories. */
export const vnodeFileOps = fileOps({
  seekable: true,
  tryRead(fp, uio, flags) {
    const vp = fp.data as Vnode;
    if (vp.type === VType.VDIR) return EISDIR;
    if (!vnLockFree(vp, false)) return NOTNOW;
    return vp.ops.tryRead(vp, uio, ioflags(flags), fp.cred);
  },
  *read(fp, uio, flags) {
    const vp = fp.data as Vnode;
    if (vp.type === VType.VDIR) return EISDIR;
    yield* vnLock(vp, false);
    try {
      return yield* vp.ops.read(vp, uio, ioflags(flags), fp.cred);
    } finally {
      vnUnlock(vp, false);
    }
  },
  tryWrite(fp, uio, flags, lwp) {
    const vp = fp.data as Vnode;
    if (!vnLockFree(vp, true)) return NOTNOW;
    if (lwp.proc.limits.cur[RLIMIT_FSIZE] !== Infinity) return NOTNOW;
    const size = vp.va.size;
    const e = vp.ops.tryWrite(vp, uio, ioflags(flags), fp.cred);
    if (e !== NOTNOW && vp.klist !== null) vnNotify(vp, vp.va.size > size ? NOTE_WRITE | NOTE_EXTEND : NOTE_WRITE);
    return e;
  },
  *write(fp, uio, flags, lwp) {
    const vp = fp.data as Vnode;
    yield* vnLock(vp, true);
    try {
      const size = vp.va.size;
      const e = fileSizeLimit(vp, uio, flags, lwp);
      if (e !== null) return e;
      const r = yield* vp.ops.write(vp, uio, ioflags(flags), fp.cred);
      vnNotify(vp, vp.va.size > size ? NOTE_WRITE | NOTE_EXTEND : NOTE_WRITE);
      return r;
    } finally {
      vnUnlock(vp, true);
    }
  },
  *ioctl(fp, cmd, data, lwp) {
    const vp = fp.data as Vnode;
    if (cmd === 0x4004667f && vp.type === VType.VREG) {
      // FIONREAD
      const n = vp.va.size - fp.offset;
      data.setInt32(0, Math.max(0, Math.min(n, 0x7fffffff)), true);
      return 0;
    }
    return yield* vp.ops.ioctl(vp, cmd, data, lwp);
  },
  kqfilter(fp, kn) {
    const vp = fp.data as Vnode;
    const e = vp.ops.kqfilter(vp, kn);
    if (e !== EOPNOTSUPP) return e;
    // Files and directories never keep anybody waiting; changes are told with NOTE_*.
    return knoteKlist(
      kn,
      (vp.klist ??= new Klist()) as Klist,
      (f, k) => {
        const data = f === 'read' ? vp.va.size - fp.offset : 0;
        return f === 'except' ? null : { active: f === 'write' || data !== 0 || (k.sfflags & NOTE_OLDAPI) !== 0, data };
      },
      true,
    );
  },
  tryStat(fp, va) {
    const vp = fp.data as Vnode;
    const r = vp.ops.tryGetattr(vp);
    if (r instanceof Errno) return r;
    va.assign(r);
    return null;
  },
  *stat(fp, va) {
    const r = yield* vopGetattr(fp.data as Vnode);
    if (r instanceof Errno) return r;
    va.assign(r);
    return null;
  },
  tryClose(fp) {
    const vp = fp.data as Vnode;
    if (!vp.ops.openIsTrivial(vp)) return NOTNOW;
    vnCloseFile(fp);
    return null;
  },
  *close(fp) {
    const vp = fp.data as Vnode;
    let e: Errno | null = null;
    if (!vp.ops.openIsTrivial(vp)) e = yield* vp.ops.close(vp, fp.flags);
    vnCloseFile(fp);
    return e;
  },
  mmapObject(fp) {
    const vp = fp.data as Vnode;
    if (vp.type !== VType.VREG) return vp.type === VType.VDIR ? ENODEV : EINVAL;
    const o = vp.ops.getObject(vp);
    if (!(o instanceof Errno)) vmObjectRef(o);
    return o;
  },
});

/** Read `len` bytes at `off` of a file into kernel memory; the count read, less at end of file. For exec and mounts. */
export function* vnRead(vp: Vnode, buf: Uint8Array, off: number, cred: Ucred): Blocking<number | Errno> {
  const uio: Uio = uioKernel(buf, 'read', off);
  yield* vnLock(vp, false);
  try {
    const e = yield* vp.ops.read(vp, uio, 0, cred);
    return e ?? buf.length - uio.resid;
  } finally {
    vnUnlock(vp, false);
  }
}

/** May `cred` run this file? Attributes must be fresh. */
export function execCheck(vp: Vnode, cred: Ucred, ncp: Namecache | null = null): Errno | null {
  const flags = ncp === null ? vp.mount.flags : mountFlags(ncp, vp);
  if (vp.type !== VType.VREG || (flags & MNT_NOEXEC) !== 0) return EACCES;
  const e = vnAccess(vp, VEXEC, cred);
  if (e !== null) return e;
  return vp.writecount > 0 ? ETXTBSY : null;
}

/**
 * The file to run for execve: looked up with links followed and checked (EACCES, ETXTBSY, errors of nlookup). Comes
 * with a use of the vnode and a hold on its name: give them back with vrele and cacheDrop.
 */
export function* vnOpenExec(lwp: Lwp, path: string): Blocking<{ vp: Vnode; ncp: Namecache } | Errno> {
  const p = lwp.proc;
  const nd = yield* nlookup(p.fd, p.cred, p.fd.cwd, path, NLC_FOLLOW);
  if (nd instanceof Errno) return nd;
  try {
    const vp = nd.ncp.vp as Vnode;
    const va = yield* vopGetattr(vp);
    if (va instanceof Errno) return va;
    const e = execCheck(vp, p.cred, nd.ncp);
    if (e !== null) return e;
    vref(vp);
    return { vp, ncp: cacheHold(nd.ncp) };
  } finally {
    nd.done();
  }
}
