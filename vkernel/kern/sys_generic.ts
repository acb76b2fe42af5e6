/**
 * read, write and their relatives, lseek, ioctl: the calls that work on any open file.
 *
 * Each transfer call tries synchronously (FileOps.tryRead, tryWrite) and falls back to the file's blocking version with a
 * fresh Uio, so an attempt may move bytes but must not move the file position or consume anything before NOTNOW.
 *
 * Counterpart: sys/kern/sys_generic.c
 */
import type { Blocking } from '../sys/blocking.js';
import { EBADF, EINTR, EINVAL, ENOTTY, EPIPE, ERESTART, ESPIPE, EWOULDBLOCK, Errno, NOTNOW } from '../sys/errno.js';
import type { SyscallImpls, SysBlock, SysTry } from '../sys/syscall.js';
import { type Vnode, VType } from '../vfs/vnode.js';
import { copyin, copyinB, copyoutB } from '../vm/vm_user.js';
import { Uio, uioUser } from '../vm/uio.js';
import { fdrop, fileSetFlags } from './kern_descrip.js';
import {
  DTYPE_VNODE,
  FD_CLOEXEC,
  fdget,
  fhold,
  type File,
  FREAD,
  FWRITE,
  O_APPEND,
  O_ASYNC,
  O_FASYNCWRITE,
  O_FAPPEND,
  O_FBLOCKING,
  O_FMASK,
  O_FNONBLOCKING,
  O_FSYNC,
  O_FSYNCWRITE,
  O_NONBLOCK,
} from './file.js';
import { psignal } from './kern_sig.js';
import type { Lwp, Proc } from './proc.js';

const IOV_MAX = 1024;
const SIGPIPE = 13;
/** Transfers are cut to this, so that counts stay exact: 2^52. */
const MAX_COUNT = 2 ** 52;

/** Posts SIGPIPE; tests put something else in its place. */
let sigpipe: (p: Proc) => void = (p) => psignal(p, SIGPIPE);
export function setSigpipe(fn: (p: Proc) => void): void {
  sigpipe = fn;
}
/** A write on `p`'s behalf met a pipe or connection that nobody reads. */
export function sendSigpipe(p: Proc): void {
  sigpipe(p);
}

/** The file's flags with the per-call O_F* bits of the ext* calls applied. */
function callFlags(fflags: number, ext: number): number {
  if ((ext & O_FMASK) === 0) return fflags;
  let f = fflags;
  if ((ext & O_FNONBLOCKING) !== 0) f |= O_NONBLOCK;
  else if ((ext & O_FBLOCKING) !== 0) f &= ~O_NONBLOCK;
  if ((ext & O_FAPPEND) !== 0) f |= O_APPEND;
  if ((ext & O_FSYNCWRITE) !== 0) f |= O_FSYNC;
  else if ((ext & O_FASYNCWRITE) !== 0) f &= ~O_FSYNC;
  return f;
}

/** A transfer that moved something before it was interrupted or ran dry counts as done. */
function outcome(lwp: Lwp, fp: File, e: Errno | null, moved: number, write: boolean): number | Errno {
  if (e !== null) {
    if (write && e === EPIPE && !fp.noSigpipe) sigpipe(lwp.proc);
    if (moved === 0 || (e !== ERESTART && e !== EINTR && e !== EWOULDBLOCK)) return e;
  }
  return moved;
}

/** Synchronous read or write. `offset` -1: at the file position. */
function rwTry(lwp: Lwp, fp: File, uio: Uio, write: boolean, ext: number, offset: number): number | Errno {
  if ((fp.flags & (write ? FWRITE : FREAD)) === 0) return EBADF;
  const seekable = fp.ops.seekable;
  const atPos = offset === -1;
  if (!atPos && !seekable) return ESPIPE;
  uio.offset = atPos ? fp.offset : offset;
  const want = uio.resid;
  const flags = ext === 0 ? fp.flags : callFlags(fp.flags, ext);
  const e = write ? fp.ops.tryWrite(fp, uio, flags, lwp) : fp.ops.tryRead(fp, uio, flags, lwp);
  if (e === NOTNOW) return NOTNOW;
  if (atPos && seekable) fp.offset = uio.offset;
  return e === null ? want - uio.resid : outcome(lwp, fp, e, want - uio.resid, write);
}

function* rwBlock(lwp: Lwp, fp: File, uio: Uio, write: boolean, ext: number, offset: number): Blocking<number | Errno> {
  if ((fp.flags & (write ? FWRITE : FREAD)) === 0) return EBADF;
  const seekable = fp.ops.seekable;
  const atPos = offset === -1;
  if (!atPos && !seekable) return ESPIPE;
  uio.offset = atPos ? fp.offset : offset;
  const want = uio.resid;
  const flags = callFlags(fp.flags, ext);
  fhold(fp);
  const e = write ? yield* fp.ops.write(fp, uio, flags, lwp) : yield* fp.ops.read(fp, uio, flags, lwp);
  if (atPos && seekable) fp.offset = uio.offset;
  const r = outcome(lwp, fp, e, want - uio.resid, write);
  yield* fdrop(fp);
  return r;
}

/** read(fd, buf, nbyte), write; with ext also (flags, offset). */
function simple(write: boolean, ext: boolean): { try: SysTry; block: SysBlock } {
  const rw = write ? 'write' : 'read';
  return {
    try(lwp, a) {
      const fp = fdget(lwp.proc, a[0]);
      if (fp instanceof Errno) return fp;
      if (a[2] >= 2 ** 63) return EINVAL;
      const off = ext ? a[4] : -1;
      if (off < -1) return EINVAL;
      const uio = uioUser(lwp.proc.vm, a[1], a[2] > MAX_COUNT ? MAX_COUNT : a[2], rw, 0);
      return rwTry(lwp, fp, uio, write, ext ? a[3] : 0, off);
    },
    *block(lwp, a) {
      const fp = fdget(lwp.proc, a[0]);
      if (fp instanceof Errno) return fp;
      const uio = uioUser(lwp.proc.vm, a[1], a[2] > MAX_COUNT ? MAX_COUNT : a[2], rw, 0);
      return yield* rwBlock(lwp, fp, uio, write, ext ? a[3] : 0, ext ? a[4] : -1);
    },
  };
}

const iovBuf = new Uint8Array(IOV_MAX * 16);
const iovView = new DataView(iovBuf.buffer);

/** A Uio from `n` struct iovec in `view`; EINVAL when the sum does not fit. */
function iovUio(lwp: Lwp, view: DataView, n: number, write: boolean): Uio | Errno {
  const uio = new Uio(lwp.proc.vm, write ? 'write' : 'read', 0);
  let total = 0;
  for (let i = 0; i < n; i++) {
    const base = view.getUint32(i * 16, true) + view.getUint32(i * 16 + 4, true) * 0x1_0000_0000;
    const len = view.getUint32(i * 16 + 8, true) + view.getUint32(i * 16 + 12, true) * 0x1_0000_0000;
    total += len;
    if (total > MAX_COUNT) return EINVAL;
    uio.add(base, len);
  }
  return uio;
}

/** readv(fd, iov, cnt), writev; with ext also (flags, offset). */
function vectored(write: boolean, ext: boolean): { try: SysTry; block: SysBlock } {
  return {
    try(lwp, a) {
      const fp = fdget(lwp.proc, a[0]);
      if (fp instanceof Errno) return fp;
      const n = a[2];
      if (n < 0 || n > IOV_MAX || (ext && a[4] < -1)) return EINVAL;
      const e = copyin(lwp.proc.vm, a[1], iovBuf, 0, n * 16);
      if (e !== null) return e;
      const uio = iovUio(lwp, iovView, n, write);
      if (uio instanceof Errno) return uio;
      return rwTry(lwp, fp, uio, write, ext ? a[3] : 0, ext ? a[4] : -1);
    },
    *block(lwp, a) {
      const fp = fdget(lwp.proc, a[0]);
      if (fp instanceof Errno) return fp;
      const buf = new Uint8Array(a[2] * 16);
      fhold(fp);
      const e = yield* copyinB(lwp.proc.vm, a[1], buf, 0, buf.length);
      const uio = e ?? iovUio(lwp, new DataView(buf.buffer), a[2], write);
      const r = uio instanceof Errno ? uio : yield* rwBlock(lwp, fp, uio, write, ext ? a[3] : 0, ext ? a[4] : -1);
      yield* fdrop(fp);
      return r;
    },
  };
}

const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/** lseek(fd, pad, offset, whence). Attributes of a file are fresh enough: its own vnode's. */
const lseekTry: SysTry = (lwp, a) => {
  const fp = fdget(lwp.proc, a[0]);
  if (fp instanceof Errno) return fp;
  if (!fp.ops.seekable) return ESPIPE;
  const vp = fp.data as Vnode;
  let off = a[2];
  switch (a[3]) {
    case 0:
      break;
    case 1:
      off += fp.offset;
      break;
    case 2: {
      const va = vp.ops.tryGetattr(vp);
      if (va instanceof Errno) return va;
      off += va.size;
      break;
    }
    case SEEK_DATA:
    case SEEK_HOLE: {
      if (off < 0) return EINVAL;
      const r = vp.ops.seekHole(vp, off, a[3] === SEEK_DATA);
      if (r instanceof Errno) return r;
      off = r;
      break;
    }
    default:
      return EINVAL;
  }
  // Devices may be addressed beyond 2^63 (kernel memory): only files and directories refuse negative places.
  if (off < 0 && vp.type !== VType.VCHR) return EINVAL;
  if (off > Number.MAX_SAFE_INTEGER) return EINVAL;
  fp.offset = off;
  return off;
};

const IOC_VOID = 0x20000000;
const IOC_OUT = 0x40000000;
const IOC_IN = 0x80000000;
const IOCPARM_MASK = 0x1fff;

const FIOCLEX = 0x20006601;
const FIONCLEX = 0x20006602;
const FIOASYNC = 0x8004667d;
const FIONBIO = 0x8004667e;

function* ioctlBlock(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const p = lwp.proc;
  const fd = a[0];
  const fp = fdget(p, fd);
  if (fp instanceof Errno) return fp;
  if ((fp.flags & (FREAD | FWRITE)) === 0) return EBADF;
  // The command is a u64 of which some callers sign-extend 32 bits.
  const cmd = (a[1] % 0x1_0000_0000) >>> 0;
  if (cmd === FIOCLEX) {
    p.fd.fdflags[fd] |= FD_CLOEXEC;
    return 0;
  }
  if (cmd === FIONCLEX) {
    p.fd.fdflags[fd] &= ~FD_CLOEXEC;
    return 0;
  }
  const uva = a[2];
  const size = Math.floor(cmd / 0x10000) & IOCPARM_MASK;
  const inOut = ((cmd >>> 29) << 29) >>> 0;
  if (size > 0 && (inOut & (IOC_IN | IOC_OUT)) === 0 && (cmd & IOC_VOID) === 0) return ENOTTY;
  const buf = new Uint8Array(Math.max(size, 8));
  const view = new DataView(buf.buffer);
  fhold(fp);
  try {
    if ((cmd & IOC_IN) !== 0 && size > 0) {
      const e = yield* copyinB(p.vm, uva, buf, 0, size);
      if (e !== null) return e;
    } else if ((cmd & IOC_IN) !== 0 || (cmd & IOC_VOID) !== 0) {
      view.setUint32(0, uva >>> 0, true);
      view.setUint32(4, Math.floor(uva / 0x1_0000_0000) >>> 0, true);
    }
    if (cmd === FIONBIO || cmd === FIOASYNC) {
      const bit = cmd === FIONBIO ? O_NONBLOCK : O_ASYNC;
      fileSetFlags(fp, view.getInt32(0, true) !== 0 ? fp.flags | bit : fp.flags & ~bit);
      return 0;
    }
    const r = yield* fp.ops.ioctl(fp, cmd, view, lwp);
    if (r instanceof Errno) return r;
    if ((cmd & IOC_OUT) !== 0 && size > 0) {
      const e = yield* copyoutB(p.vm, buf, 0, uva, size);
      if (e !== null) return e;
    }
    return r;
  } finally {
    yield* fdrop(fp);
  }
}

export const genericSyscalls: SyscallImpls = {
  read: simple(false, false),
  write: simple(true, false),
  readv: vectored(false, false),
  writev: vectored(true, false),
  extpread: simple(false, true),
  extpwrite: simple(true, true),
  extpreadv: vectored(false, true),
  extpwritev: vectored(true, true),
  lseek: {
    try: lseekTry,
    *block(lwp, a) {
      const fp = fdget(lwp.proc, a[0]);
      if (fp instanceof Errno) return fp;
      if (fp.type === DTYPE_VNODE) {
        const vp = fp.data as Vnode;
        const r = yield* vp.ops.getattr(vp);
        if (r instanceof Errno) return r;
      }
      return lseekTry(lwp, a);
    },
  },
  ioctl: { block: ioctlBlock },
};
