/**
 * Pipes: two rings of 64 KB, one for each direction (a DragonFly pipe is open for both at either end).
 *
 * A PipeBuf has one writing and one reading end. Bytes are copied first and committed afterwards, so an attempt that meets a page
 * that is not resident leaves nothing behind. `rbusy` and `wbusy` are held by a blocking reader or writer across its sleeps: data that is
 * being copied stays, and a long write is not mixed with others. Writes up to PIPE_BUF are all or nothing in any case.
 *
 * Counterpart: sys/kern/sys_pipe.c
 */
import { type Blocking, runSync } from '../sys/blocking.js';
import { EAGAIN, EINVAL, ENOTTY, EPIPE, Errno, NOTNOW } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import type { SyscallImpls } from '../sys/syscall.js';
import { S_IFIFO, VType, type Vattr } from '../vfs/vnode.js';
import { type Uio, uiomove, uiomoveB } from '../vm/uio.js';
import {
  DTYPE_PIPE,
  FD_CLOEXEC,
  FD_CLOFORK,
  FREAD,
  FWRITE,
  File,
  O_CLOEXEC,
  O_CLOFORK,
  O_NONBLOCK,
  fileOps,
} from './file.js';
import { fdalloc, fdcheck, fdclose } from './kern_descrip.js';
import { Klist, knoteKlist } from './kern_knote.js';
import { PCATCH, WaitQ, tsleep, wakeup } from './lwkt_thread.js';
import type { Lwp } from './proc.js';

export const PIPE_SIZE = 65536;
/** Ring of a pipe made when all pipes together have taken their share of memory. */
const PIPE_SMALL = 4096;
/** Writes up to this many bytes are atomic, and a pipe is writable when so many fit. */
export const PIPE_BUF = 512;
/** A long writer sleeps until this much fits: fewer switches. */
const WRITE_CHUNK = 16384;

/** Rings of closed pipes, to be used again. Contents are never seen: only what was written is read. */
const spare: Uint8Array[] = [];
const MAX_SPARE = 16;

declare module '../sys/globaldata.js' {
  interface GlobalData {
    /** Bytes in the rings of this kernel's pipes; undefined before the first. */
    pipeBytes?: number;
  }
}

export class PipeBuf {
  ring: Uint8Array | null = null;
  /** Length of the ring, a power of two; settled with the first byte. */
  size = PIPE_SIZE;
  /** Place of the first byte, and how many there are. */
  r = 0;
  len = 0;
  readerGone = false;
  writerGone = false;
  rbusy = false;
  wbusy = false;
  /** Room that the sleeping writer waits for. */
  wneed = 1;
  readonly rq = new WaitQ();
  readonly wq = new WaitQ();
  /** Knotes of the reading and of the writing end. */
  readonly rklist = new Klist();
  readonly wklist = new Klist();

  get room(): number {
    return this.size - this.len;
  }
  dispose(): void {
    if (this.ring !== null) {
      gd.pipeBytes = (gd.pipeBytes ?? 0) - this.size;
      if (this.size === PIPE_SIZE && spare.length < MAX_SPARE) spare.push(this.ring);
    }
    this.ring = null;
    this.len = 0;
  }
}

const ringOf = (b: PipeBuf): Uint8Array => b.ring ?? newRing(b);

/** Give the pipe its ring: full size as long as all pipes stay within 1/8 of guest RAM, which hostile guests must not exceed much. */
function newRing(b: PipeBuf): Uint8Array {
  const used = gd.pipeBytes ?? 0;
  const limit = (gd.machine.ram.npages * 4096) / 8;
  b.size = used + PIPE_SIZE <= limit ? PIPE_SIZE : PIPE_SMALL;
  gd.pipeBytes = used + b.size;
  b.ring = (b.size === PIPE_SIZE ? spare.pop() : undefined) ?? new Uint8Array(b.size);
  return b.ring;
}

function commitRead(b: PipeBuf, n: number): void {
  if (n === 0) return;
  b.r = (b.r + n) & (b.size - 1);
  b.len -= n;
  if (b.len === 0) b.r = 0;
  if (b.wq.head !== null && b.room >= b.wneed) wakeup(b.wq);
  if (b.wklist.head !== null) b.wklist.notify();
}

function commitWrite(b: PipeBuf, n: number): void {
  if (n === 0) return;
  b.len += n;
  if (b.rq.head !== null) wakeup(b.rq);
  if (b.rklist.head !== null) b.rklist.notify();
}

/** Copy `n` bytes out from the front, or in behind the end, without committing. */
function move(b: PipeBuf, n: number, uio: Uio, out: boolean): Errno | null {
  const ring = ringOf(b);
  const at = out ? b.r : (b.r + b.len) & (b.size - 1);
  const first = Math.min(n, b.size - at);
  const e = uiomove(ring, at, first, uio);
  return e !== null || first === n ? e : uiomove(ring, 0, n - first, uio);
}
function* moveB(b: PipeBuf, n: number, uio: Uio, out: boolean): Blocking<Errno | null> {
  const ring = ringOf(b);
  const at = out ? b.r : (b.r + b.len) & (b.size - 1);
  const first = Math.min(n, b.size - at);
  const e = yield* uiomoveB(ring, at, first, uio);
  return e !== null || first === n ? e : yield* uiomoveB(ring, 0, n - first, uio);
}

/** Read what is there. NOTNOW: nothing is, or a page is missing. */
export function pipeTryRead(b: PipeBuf, uio: Uio, flags: number): Errno | null {
  if (b.rbusy) return NOTNOW;
  if (b.len === 0) {
    if (b.writerGone || uio.resid === 0) return null;
    return (flags & O_NONBLOCK) !== 0 ? EAGAIN : NOTNOW;
  }
  const want = uio.resid;
  const e = move(b, Math.min(b.len, want), uio, true);
  if (e === NOTNOW) return NOTNOW;
  commitRead(b, want - uio.resid);
  return e;
}

export function* pipeRead(b: PipeBuf, uio: Uio, flags: number): Blocking<Errno | null> {
  while (b.rbusy || (b.len === 0 && !b.writerGone && uio.resid > 0)) {
    if (!b.rbusy && (flags & O_NONBLOCK) !== 0) return EAGAIN;
    const e = yield* tsleep(b.rq, 'piperd', PCATCH);
    if (e !== null) return e;
  }
  b.rbusy = true;
  const want = uio.resid;
  const e = yield* moveB(b, Math.min(b.len, want), uio, true);
  b.rbusy = false;
  commitRead(b, want - uio.resid);
  wakeup(b.rq);
  return e;
}

/** Write all, or as much as fits when O_NONBLOCK allows less. NOTNOW when that takes sleeping. */
export function pipeTryWrite(b: PipeBuf, uio: Uio, flags: number): Errno | null {
  if (b.readerGone) return EPIPE;
  const want = uio.resid;
  // The ring comes first: it says how much room there is.
  if (want > 0) ringOf(b);
  let n = want;
  if (b.wbusy) return (flags & O_NONBLOCK) !== 0 ? EAGAIN : NOTNOW;
  if (n > b.room) {
    if ((flags & O_NONBLOCK) === 0) return NOTNOW;
    if (n <= PIPE_BUF || b.room === 0) return EAGAIN;
    n = b.room;
  }
  const e = move(b, n, uio, false);
  if (e === NOTNOW) return NOTNOW;
  commitWrite(b, want - uio.resid);
  return e;
}

export function* pipeWrite(b: PipeBuf, uio: Uio, flags: number): Blocking<Errno | null> {
  while (b.wbusy) {
    if (b.readerGone) return EPIPE;
    if ((flags & O_NONBLOCK) !== 0) return EAGAIN;
    const e = yield* tsleep(b.wq, 'pipewl', PCATCH);
    if (e !== null) return e;
  }
  b.wbusy = true;
  if (uio.resid > 0) ringOf(b);
  try {
    // A short write goes in whole.
    const atomic = uio.resid <= PIPE_BUF ? uio.resid : 1;
    while (uio.resid > 0) {
      if (b.readerGone) return EPIPE;
      if (b.room < atomic) {
        if ((flags & O_NONBLOCK) !== 0) return EAGAIN;
        b.wneed = Math.max(atomic, Math.min(uio.resid, WRITE_CHUNK, b.size));
        const e = yield* tsleep(b.wq, 'pipewr', PCATCH);
        if (e !== null) return e;
        continue;
      }
      const before = uio.resid;
      const e = yield* moveB(b, Math.min(before, b.room), uio, false);
      if (b.readerGone) return EPIPE;
      commitWrite(b, before - uio.resid);
      if (e !== null) return e;
    }
    return null;
  } finally {
    b.wbusy = false;
    wakeup(b.wq);
  }
}

/** Attach a knote of an end that reads from `rd` and writes to `wr`. */
export function pipeKqfilter(rd: PipeBuf, wr: PipeBuf, kn: object): Errno | null {
  return knoteKlist(kn, isWriteFilter(kn) ? wr.wklist : rd.rklist, (f) => {
    switch (f) {
      case 'read':
        return { active: rd.len > 0 || rd.writerGone, data: rd.len, eof: rd.writerGone, hup: rd.writerGone };
      case 'write':
        return wr.readerGone
          ? { active: true, data: 0, eof: true, hup: true }
          : { active: wr.room >= PIPE_BUF, data: wr.room };
      default:
        return { active: false, data: 0 };
    }
  });
}
const isWriteFilter = (kn: object): boolean => (kn as { filter: number }).filter === -2;

/** The reading end goes away: writers hear of it. */
export function pipeCloseReader(b: PipeBuf): void {
  b.readerGone = true;
  wakeup(b.wq);
  b.wklist.notify();
  if (b.writerGone) b.dispose();
}
/** The writing end goes away: readers get what is left, then the end of file. */
export function pipeCloseWriter(b: PipeBuf): void {
  b.writerGone = true;
  wakeup(b.rq);
  b.rklist.notify();
  if (b.readerGone) b.dispose();
}

/** One end of a pipe. */
class PipeEnd {
  readonly ino: number;
  constructor(
    readonly rd: PipeBuf,
    readonly wr: PipeBuf,
  ) {
    this.ino = ++inodes;
  }
}
let inodes = 0;

const FIONREAD = 0x4004667f;
const FIOASYNC = 0x8004667d;

function fillStat(fp: File, va: Vattr): Errno | null {
  const p = fp.data as PipeEnd;
  va.type = VType.VFIFO;
  va.mode = S_IFIFO | 0o600;
  va.nlink = 1;
  va.uid = fp.cred.uid;
  va.gid = fp.cred.gid;
  va.ino = p.ino;
  va.size = p.rd.len;
  va.bytes = p.rd.size;
  va.blksize = p.rd.size;
  return null;
}

const pipeOps = fileOps({
  tryRead: (fp, uio, flags) => pipeTryRead((fp.data as PipeEnd).rd, uio, flags),
  read: (fp, uio, flags) => pipeRead((fp.data as PipeEnd).rd, uio, flags),
  tryWrite: (fp, uio, flags) => pipeTryWrite((fp.data as PipeEnd).wr, uio, flags),
  write: (fp, uio, flags) => pipeWrite((fp.data as PipeEnd).wr, uio, flags),
  *ioctl(fp, cmd, data) {
    if (cmd === FIONREAD) {
      data.setInt32(0, (fp.data as PipeEnd).rd.len, true);
      return 0;
    }
    return cmd === FIOASYNC ? 0 : ENOTTY;
  },
  kqfilter: (fp, kn) => pipeKqfilter((fp.data as PipeEnd).rd, (fp.data as PipeEnd).wr, kn),
  tryStat: fillStat,
  *stat(fp, va) {
    return fillStat(fp, va);
  },
  tryClose(fp) {
    const p = fp.data as PipeEnd;
    pipeCloseReader(p.rd);
    pipeCloseWriter(p.wr);
    return null;
  },
  shutdown(fp, how) {
    const p = fp.data as PipeEnd;
    if (how < 0 || how > 2) return EINVAL;
    if (how !== 1) pipeCloseReader(p.rd);
    if (how !== 0) pipeCloseWriter(p.wr);
    return null;
  },
});

/** A new pipe as two open files: what is written to the second is read from the first, and the other way round. */
export function makePipe(lwp: Lwp, flags: number): [File, File] {
  const a = new PipeBuf();
  const b = new PipeBuf();
  const fl = FREAD | FWRITE | (flags & O_NONBLOCK);
  const { cred } = lwp.proc;
  return [
    new File(DTYPE_PIPE, pipeOps, new PipeEnd(a, b), fl, cred),
    new File(DTYPE_PIPE, pipeOps, new PipeEnd(b, a), fl, cred),
  ];
}

function sysPipe2(lwp: Lwp, flags: number): number | Errno {
  if ((flags & ~(O_CLOEXEC | O_CLOFORK | O_NONBLOCK)) !== 0) return EINVAL;
  const p = lwp.proc;
  const none = fdcheck(p);
  if (none !== null) return none;
  const fdflags = ((flags & O_CLOEXEC) !== 0 ? FD_CLOEXEC : 0) | ((flags & O_CLOFORK) !== 0 ? FD_CLOFORK : 0);
  const [rf, wf] = makePipe(lwp, flags);
  const r = fdalloc(p, rf, fdflags);
  if (r instanceof Errno) return r;
  const w = fdalloc(p, wf, fdflags);
  if (w instanceof Errno) {
    // Closing a fresh pipe does not sleep.
    runSync(fdclose(p, r));
    return w;
  }
  lwp.retval1 = w;
  return r;
}

export const pipeSyscalls: SyscallImpls = {
  pipe: { try: (lwp) => sysPipe2(lwp, 0) },
  pipe2: { try: (lwp, a) => sysPipe2(lwp, a[1]) },
};
