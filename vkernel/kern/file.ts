/**
 * Open files and descriptor tables.
 *
 * A File is shared by all descriptors made from it by dup, fork and descriptor passing; it counts them in `refs`, plus
 * one for every system call that sleeps while using it (fhold, fdrop). Its FileOps do the work: vnodes, devices, pipes,
 * sockets, kqueues. The last fdrop closes it.
 *
 * A FileDesc is the descriptor table of one process (or several, by rfork) with its directories and creation mask.
 *
 * Counterpart: sys/sys/file.h, sys/sys/filedesc.h
 */
import type { Blocking } from '../sys/blocking.js';
import { EBADF, EINVAL, ENODEV, ENOTTY, EOPNOTSUPP, type Errno } from '../sys/errno.js';
import { cacheHold, type Namecache } from '../vfs/namecache.js';
import type { Cdev } from '../vfs/devfs/cdev.js';
import type { Vattr } from '../vfs/vnode.js';
import type { Uio } from '../vm/uio.js';
import type { VmObject } from '../vm/vm_object.js';
import type { Lwp, Proc, Ucred } from './proc.js';

export const DTYPE_VNODE = 1;
export const DTYPE_SOCKET = 2;
export const DTYPE_PIPE = 3;
export const DTYPE_FIFO = 4;
export const DTYPE_KQUEUE = 5;
export const DTYPE_CRYPTO = 6;
export const DTYPE_MQUEUE = 7;

/** File.flags: FREAD and FWRITE, and the O_* flags that stay with an open file. */
export const FREAD = 0x1;
export const FWRITE = 0x2;
export const O_ACCMODE = 0x3;
export const O_RDONLY = 0x0;
export const O_WRONLY = 0x1;
export const O_RDWR = 0x2;
export const O_NONBLOCK = 0x4;
export const O_APPEND = 0x8;
export const O_SHLOCK = 0x10;
export const O_EXLOCK = 0x20;
export const O_ASYNC = 0x40;
export const O_FSYNC = 0x80;
export const O_NOFOLLOW = 0x100;
export const O_CREAT = 0x200;
export const O_TRUNC = 0x400;
export const O_EXCL = 0x800;
export const O_NOCTTY = 0x8000;
export const O_DIRECT = 0x10000;
export const O_CLOEXEC = 0x20000;
export const O_FBLOCKING = 0x40000;
export const O_FNONBLOCKING = 0x80000;
export const O_FAPPEND = 0x100000;
export const O_FOFFSET = 0x200000;
export const O_FSYNCWRITE = 0x400000;
export const O_FASYNCWRITE = 0x800000;
export const O_FMASK = 0xfc0000;
export const O_CLOFORK = 0x1000000;
export const O_DIRECTORY = 0x8000000;

/** What F_SETFL may change. */
export const FCNTLFLAGS = O_APPEND | O_ASYNC | O_FSYNC | O_NONBLOCK | O_DIRECT;

/** FREAD and FWRITE for the access mode of open flags, the other bits kept. */
export const FFLAGS = (oflags: number): number => (oflags & ~O_ACCMODE) | ((oflags & O_ACCMODE) + 1);
/** The open flags for a File's flags. */
export const OFLAGS = (fflags: number): number => (fflags & ~O_ACCMODE) | ((fflags & O_ACCMODE) - 1);

/** Descriptor flags. */
export const FD_CLOEXEC = 1;
export const FD_CLOFORK = 2;

/**
 * What an open file can do. Every member is present (see fileOps()).
 *
 * `uio.offset` is the place in a seekable file; the caller moves File.offset. `flags` are the File's flags with the
 * per-call O_F* bits applied (O_NONBLOCK, O_APPEND ...). A `try` twin answers NOTNOW, without side effects, when the
 * blocking version has to be used; otherwise its answer is final: null, with uio.resid telling what was moved, or an errno.
 */
export interface FileOps {
  tryRead(fp: File, uio: Uio, flags: number, lwp: Lwp): Errno | null;
  read(fp: File, uio: Uio, flags: number, lwp: Lwp): Blocking<Errno | null>;
  tryWrite(fp: File, uio: Uio, flags: number, lwp: Lwp): Errno | null;
  write(fp: File, uio: Uio, flags: number, lwp: Lwp): Blocking<Errno | null>;
  /**
   * `data` holds the argument: IOC_IN bytes copied in, IOC_OUT bytes copied out afterwards (length by IOC size); for
   * IOC_VOID its first 8 bytes are the argument value itself. ENOTTY for an unknown command.
   */
  ioctl(fp: File, cmd: number, data: DataView, lwp: Lwp): Blocking<number | Errno>;
  /** Attach a Knote (kern_event.ts) for its filter: set its filter operations and put it on a list. */
  kqfilter(fp: File, kn: object): Errno | null;
  /** Fill `va`; the caller writes struct stat from it. */
  tryStat(fp: File, va: Vattr, lwp: Lwp): Errno | null;
  stat(fp: File, va: Vattr, lwp: Lwp): Blocking<Errno | null>;
  /** Last reference gone. Must not fail in a way that keeps the file open. */
  close(fp: File): Blocking<Errno | null>;
  /** Synchronous close: null when done, NOTNOW when `close` is needed. */
  tryClose(fp: File): Errno | null;
  shutdown(fp: File, how: number): Errno | null;
  /** The memory object to map, with one reference for the caller; ENODEV when it cannot be mapped. */
  mmapObject(fp: File, prot: number, flags: number): VmObject | Errno;
  /** True when lseek and read offsets apply. */
  readonly seekable: boolean;
}

const badFileOps: FileOps = {
  tryRead: () => EBADF,
  *read() {
    return EBADF;
  },
  tryWrite: () => EBADF,
  *write() {
    return EBADF;
  },
  *ioctl() {
    return ENOTTY;
  },
  kqfilter: () => EOPNOTSUPP,
  tryStat: () => EOPNOTSUPP,
  *stat() {
    return EOPNOTSUPP;
  },
  *close() {
    return null;
  },
  tryClose: () => null,
  shutdown: () => EINVAL,
  mmapObject: () => ENODEV,
  seekable: false,
};

/**
 * A complete, frozen FileOps table. Defaults: a file without a blocking twin uses its `try` twin there, which must then
 * never answer NOTNOW... except for user memory that is not resident, so give both.
 */
export function fileOps(ops: Partial<FileOps>): FileOps {
  return Object.freeze({ ...badFileOps, ...ops });
}

/** An open file. */
export class File {
  /** Descriptors and sleeping users. */
  refs = 1;
  /** File position; for directories a cookie. */
  offset = 0;
  /** Name it was opened by, for fchdir, openat, F_GETPATH; holds a namecache reference. */
  ncp: Namecache | null = null;
  /** A flock lock is held. */
  hasFlock = false;
  /** Where SIGIO goes (F_SETOWN): positive pid, negative process group. */
  sigioOwner = 0;
  /** Device behind it, for DTYPE_VNODE files of devices. */
  dev: Cdev | null = null;
  /** SO_NOSIGPIPE. */
  noSigpipe = false;
  /** open of /dev/fd/N: the file to use in place of this one. */
  dupOf: File | null = null;

  constructor(
    /** DTYPE_*; 0 while it is being opened. */
    public type: number,
    public ops: FileOps,
    /** Vnode, Pipe, Socket, Kqueue ... */
    public data: object | null,
    /** FREAD, FWRITE and O_* flags. */
    public flags: number,
    /** Credentials at open. */
    readonly cred: Ucred,
  ) {}
}

/** Descriptor table, directories and mask of a process. */
export class FileDesc {
  refs = 1;
  /** Open files by descriptor; null is free. */
  readonly files: (File | null)[] = [];
  /** FD_CLOEXEC, FD_CLOFORK by descriptor. */
  readonly fdflags: number[] = [];
  /** No free descriptor below this. */
  freeHint = 0;
  /** Highest open descriptor, -1 for none. */
  lastFile = -1;
  cmask = 0o022;
  /** Knotes attached to descriptors of this table (kern_event.ts). */
  knotes: object | null = null;

  /** Holds both directories; fdfree drops them. */
  constructor(
    public cwd: Namecache,
    public root: Namecache,
  ) {
    cacheHold(cwd);
    cacheHold(root);
  }
}

/** The file behind descriptor `fd`, without a new reference; EBADF. Hold it (fhold) before sleeping. */
export function fdget(p: Proc, fd: number): File | Errno {
  const files = p.fd.files;
  if (fd < 0 || fd >= files.length) return EBADF;
  return files[fd] ?? EBADF;
}

export function fhold(fp: File): File {
  fp.refs++;
  return fp;
}
