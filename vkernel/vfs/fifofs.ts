/**
 * FIFOs: named pipes in any file system.
 *
 * The vnode's `extra` holds the pipe state while the FIFO is open: a ring buffer, readers and writers. Opening for reading
 * waits for a writer and the other way round, unless non-blocking (for writing then ENXIO without a reader).
 *
 * Counterpart: sys/vfs/fifofs/fifo_vnops.c
 */
import { DTYPE_FIFO, type File, FREAD, FWRITE, fileOps, O_NONBLOCK } from '../kern/file.js';
import type { Lwp } from '../kern/proc.js';
import { PCATCH, tsleep, wakeup, WaitQ } from '../kern/lwkt_thread.js';
import type { Blocking } from '../sys/blocking.js';
import { ENOTTY, ENXIO, EOPNOTSUPP, EPIPE, EWOULDBLOCK, Errno, NOTNOW } from '../sys/errno.js';
import { type Uio, uiomove, uiomoveB } from '../vm/uio.js';
import { vnCloseFile } from './vfs_vnops.js';
import { vfsTimestamp, type Vnode } from './vnode.js';

const FIFO_SIZE = 16384;
/** Writes up to this are atomic. */
const PIPE_BUF = 512;

class Fifo {
  readonly buf = new Uint8Array(FIFO_SIZE);
  head = 0;
  count = 0;
  readers = 0;
  writers = 0;
  /** Opens so far, for those that wait for the other side: it may come and go meanwhile. */
  readerOpens = 0;
  writerOpens = 0;
  /** Held while a reader (writer) that may sleep copies. */
  readBusy = false;
  writeBusy = false;
  readonly openq = new WaitQ();
  readonly readq = new WaitQ();
  readonly writeq = new WaitQ();
}

/** kern_event.ts: attaches knotes to a FIFO, and tells them. Handed down. */
let kqAttach: ((vp: Vnode, kn: object) => Errno | null) | null = null;
let kqNotify: ((vp: Vnode) => void) | null = null;
export function setFifoKqueue(attach: (vp: Vnode, kn: object) => Errno | null, notify: (vp: Vnode) => void): void {
  kqAttach = attach;
  kqNotify = notify;
}

const fifoOf = (vp: Vnode): Fifo => (vp.extra ??= new Fifo()) as Fifo;

/** State for kqueue filters and FIONREAD. */
export function fifoState(vp: Vnode): { canRead: number; canWrite: number; writers: number; readers: number } {
  const f = fifoOf(vp);
  return { canRead: f.count, canWrite: FIFO_SIZE - f.count, writers: f.writers, readers: f.readers };
}

export function* fifoOpen(vp: Vnode, flags: number, fp: File, _lwp: Lwp): Blocking<Errno | null> {
  const f = fifoOf(vp);
  const nonblock = (flags & O_NONBLOCK) !== 0;
  const rd = (flags & FREAD) !== 0;
  const wr = (flags & FWRITE) !== 0;
  if (wr && !rd && nonblock && f.readers === 0) return ENXIO;
  if (rd) {
    f.readers++;
    f.readerOpens++;
  }
  if (wr) {
    f.writers++;
    f.writerOpens++;
  }
  wakeup(f.openq);
  kqNotify?.(vp);
  if (!nonblock && rd !== wr) {
    const before = rd ? f.writerOpens : f.readerOpens;
    while ((rd ? f.writers : f.readers) === 0 && (rd ? f.writerOpens : f.readerOpens) === before) {
      const e = yield* tsleep(f.openq, 'fifoor', PCATCH);
      if (e !== null) {
        fifoClose(vp, flags);
        return e;
      }
    }
  }
  fp.type = DTYPE_FIFO;
  fp.ops = fifoFileOps;
  return null;
}

export function fifoClose(vp: Vnode, flags: number): void {
  const f = fifoOf(vp);
  if ((flags & FREAD) !== 0) f.readers--;
  if ((flags & FWRITE) !== 0) f.writers--;
  wakeup(f.readq);
  wakeup(f.writeq);
  if (f.readers === 0 && f.writers === 0) {
    f.head = 0;
    f.count = 0;
    vp.extra = null;
  }
  kqNotify?.(vp);
}

/** Move what is there into the uio; NOTNOW leaves the rest in the buffer. */
function take(f: Fifo, uio: Uio): Errno | null {
  while (f.count > 0 && uio.resid > 0) {
    const n = Math.min(f.count, FIFO_SIZE - f.head, uio.resid);
    const before = uio.resid;
    const e = uiomove(f.buf, f.head, n, uio);
    const moved = before - uio.resid;
    f.head = (f.head + moved) % FIFO_SIZE;
    f.count -= moved;
    if (e !== null) return e;
  }
  return null;
}

function* fifoRead(fp: File, uio: Uio, flags: number): Blocking<Errno | null> {
  const vp = fp.data as Vnode;
  const f = fifoOf(vp);
  const want = uio.resid;
  if (want === 0) return null;
  const scratch = new Uint8Array(FIFO_SIZE);
  for (;;) {
    if (f.count > 0 && !f.readBusy) {
      const before = uio.resid;
      let e = take(f, uio);
      if (e === NOTNOW) {
        // User memory has to be brought in: take the bytes first, nobody else may have them.
        const n = Math.min(f.count, uio.resid);
        for (let i = 0; i < n; i++) scratch[i] = f.buf[(f.head + i) % FIFO_SIZE];
        f.head = (f.head + n) % FIFO_SIZE;
        f.count -= n;
        e = yield* uiomoveB(scratch, 0, n, uio);
      }
      if (uio.resid < before) {
        wakeup(f.writeq);
        kqNotify?.(vp);
        vp.va.setAtime(vfsTimestamp());
      }
      return e;
    }
    if (f.writers === 0) return null;
    if ((flags & O_NONBLOCK) !== 0) return EWOULDBLOCK;
    const e = yield* tsleep(f.readq, 'fiford', PCATCH);
    if (e !== null) return e;
  }
}

function* fifoWrite(fp: File, uio: Uio, flags: number): Blocking<Errno | null> {
  const vp = fp.data as Vnode;
  const f = fifoOf(vp);
  const atomic = uio.resid <= PIPE_BUF;
  const scratch = new Uint8Array(Math.min(FIFO_SIZE, Math.max(uio.resid, 1)));
  while (uio.resid > 0) {
    if (f.readers === 0) return EPIPE;
    const room = FIFO_SIZE - f.count;
    const need = atomic ? uio.resid : 1;
    if (room < need || f.writeBusy) {
      if ((flags & O_NONBLOCK) !== 0) return EWOULDBLOCK;
      const e = yield* tsleep(f.writeq, 'fifowr', PCATCH);
      if (e !== null) return e;
      continue;
    }
    const n = Math.min(room, uio.resid, scratch.length);
    f.writeBusy = true;
    const e = yield* uiomoveB(scratch, 0, n, uio);
    f.writeBusy = false;
    if (f.writeq.head !== null) wakeup(f.writeq);
    if (e !== null) return e;
    for (let i = 0; i < n; i++) f.buf[(f.head + f.count + i) % FIFO_SIZE] = scratch[i];
    f.count += n;
    vp.va.setMtime(vfsTimestamp());
    wakeup(f.readq);
    kqNotify?.(vp);
  }
  return null;
}

const FIONREAD = 0x4004667f;

const fifoFileOps = fileOps({
  tryRead: () => NOTNOW,
  read: fifoRead,
  tryWrite: () => NOTNOW,
  write: fifoWrite,
  *ioctl(fp, cmd, data) {
    if (cmd !== FIONREAD) return ENOTTY;
    data.setInt32(0, fifoOf(fp.data as Vnode).count, true);
    return 0;
  },
  kqfilter: (fp, kn) => (kqAttach === null ? EOPNOTSUPP : kqAttach(fp.data as Vnode, kn)),
  tryStat(fp, va) {
    const vp = fp.data as Vnode;
    const r = vp.ops.tryGetattr(vp);
    if (r instanceof Errno) return r;
    va.assign(r);
    return null;
  },
  tryClose(fp) {
    fifoClose(fp.data as Vnode, fp.flags);
    vnCloseFile(fp);
    return null;
  },
  *close(fp) {
    fifoClose(fp.data as Vnode, fp.flags);
    vnCloseFile(fp);
    return null;
  },
});
