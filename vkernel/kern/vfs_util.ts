/**
 * What the file system calls share: paths from user memory, starting directories, struct stat.
 */
import type { Blocking } from '../sys/blocking.js';
import { EBADF, ENOTDIR, Errno, NOTNOW } from '../sys/errno.js';
import type { Namecache } from '../vfs/namecache.js';
import { nlookup, type Nlookup, PATH_MAX } from '../vfs/nlookup.js';
import { type Vattr, vtypeToMode, type Vnode, VType } from '../vfs/vnode.js';
import { copyinstr, copyinstrB } from '../vm/vm_user.js';
import { DTYPE_FIFO, DTYPE_VNODE, fdget, type File } from './file.js';
import type { Lwp } from './proc.js';

/** AT_FDCWD, as an i32. */
export const AT_FDCWD = -328243;
export const AT_SYMLINK_NOFOLLOW = 1;
export const AT_REMOVEDIR = 2;
export const AT_EACCESS = 4;
export const AT_SYMLINK_FOLLOW = 8;

/** A path argument; may sleep. ENAMETOOLONG, EFAULT. */
export function* copyinPath(lwp: Lwp, uva: number): Blocking<string | Errno> {
  const s = copyinstr(lwp.proc.vm, uva, PATH_MAX);
  return s === NOTNOW ? yield* copyinstrB(lwp.proc.vm, uva, PATH_MAX) : s;
}

/** Directory where a lookup for an *at call starts. An absolute path needs none, and a bad descriptor does not matter. */
export function atStart(lwp: Lwp, fd: number, path: string): Namecache | Errno {
  const p = lwp.proc;
  if (fd === AT_FDCWD || path.charCodeAt(0) === 47) return p.fd.cwd;
  const fp = fdget(p, fd);
  if (fp instanceof Errno) return fp;
  if (fp.type !== DTYPE_VNODE || fp.ncp === null) return ENOTDIR;
  if ((fp.data as Vnode).type !== VType.VDIR) return ENOTDIR;
  return fp.ncp;
}

/** Fetch a path and look it up from `fd` (or the working directory). done() the result. */
export function* atLookup(lwp: Lwp, fd: number, uva: number, flags: number): Blocking<Nlookup | Errno> {
  const path = yield* copyinPath(lwp, uva);
  if (path instanceof Errno) return path;
  const start = atStart(lwp, fd, path);
  if (start instanceof Errno) return start;
  return yield* nlookup(lwp.proc.fd, lwp.proc.cred, start, path, flags);
}

/** The vnode of an open file; EBADF for files that have none (`other` where a call says something else). */
export function fdVnode(lwp: Lwp, fd: number, other: Errno = EBADF): { fp: File; vp: Vnode } | Errno {
  const fp = fdget(lwp.proc, fd);
  if (fp instanceof Errno) return fp;
  if (fp.type !== DTYPE_VNODE && fp.type !== DTYPE_FIFO) return other;
  return { fp, vp: fp.data as Vnode };
}

const putU64 = (v: DataView, at: number, n: number): void => {
  v.setUint32(at, n >>> 0, true);
  v.setUint32(at + 4, Math.floor(n / 0x1_0000_0000) >>> 0, true);
};

/** struct stat (dragonfly-abi.md 3.1), 128 bytes. */
export const STAT_SIZE = 128;
const statBuf = new Uint8Array(STAT_SIZE);
const statView = new DataView(statBuf.buffer);

/** Encode `va`; the buffer is shared: copy it out before anything else runs. */
export function statEncode(va: Vattr): Uint8Array {
  const v = statView;
  putU64(v, 0, va.ino);
  v.setUint32(8, va.nlink, true);
  v.setUint32(12, va.fsid, true);
  v.setUint32(16, (va.mode & 0o7777) | vtypeToMode(va.type), true);
  v.setUint32(20, va.uid, true);
  v.setUint32(24, va.gid, true);
  v.setUint32(28, va.rdev, true);
  putU64(v, 32, va.atimeSec);
  v.setUint32(40, va.atimeNsec, true);
  putU64(v, 48, va.mtimeSec);
  v.setUint32(56, va.mtimeNsec, true);
  putU64(v, 64, va.ctimeSec);
  v.setUint32(72, va.ctimeNsec, true);
  putU64(v, 80, va.size);
  putU64(v, 88, Math.ceil(va.bytes / 512));
  v.setUint32(96, va.blksize, true);
  v.setUint32(100, va.flags, true);
  v.setUint32(104, va.gen, true);
  v.setUint32(112, va.blksize, true);
  return statBuf;
}
