/**
 * Open files over the caller's standard streams (`vkernel run`): host pipes, files and /dev/null as descriptors 0 to 2.
 *
 * To the guest they are FIFOs (or a character device for /dev/null). A reader or writer that would wait sleeps until
 * the machine says the stream is ready.
 */
import type { MachStream } from '../machine/machine.js';
import type { Blocking } from '../sys/blocking.js';
import { EAGAIN, Errno, NOTNOW } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import { type Uio, uiomoveB } from '../vm/uio.js';
import { type Vattr, VType } from '../vfs/vnode.js';
import { DTYPE_PIPE, FREAD, FWRITE, File, O_NONBLOCK, fileOps } from './file.js';
import { Klist, knoteKlist } from './kern_event.js';
import { PCATCH, WaitQ, tsleep, wakeup } from './lwkt_thread.js';
import type { Ucred } from './proc.js';

const CHUNK = 65536;

class HostStream {
  readonly q = new WaitQ();
  readonly klist = new Klist();
  /** Bytes read from the host that no reader has taken yet. */
  ahead: Uint8Array = new Uint8Array(0);
  eof = false;
  constructor(
    readonly index: number,
    readonly s: MachStream,
  ) {}

  /** Fill `ahead` if it is empty. @returns null (look at ahead and eof), EAGAIN, or an errno. */
  fill(): Errno | null {
    if (this.ahead.length > 0 || this.eof) return null;
    const buf = new Uint8Array(CHUNK);
    const n = this.s.read(buf);
    if (n instanceof Errno) return n;
    if (n === 0) this.eof = true;
    else this.ahead = buf.subarray(0, n);
    return null;
  }
}

declare module '../sys/globaldata.js' {
  interface GlobalData {
    streams: (HostStream | null)[];
  }
}

function* streamRead(fp: File, uio: Uio, flags: number): Blocking<Errno | null> {
  const h = fp.data as HostStream;
  for (;;) {
    const e = h.fill();
    if (e === null) break;
    if (e !== EAGAIN || (flags & O_NONBLOCK) !== 0) return e;
    const r = yield* tsleep(h.q, 'ttyin', PCATCH);
    if (r !== null) return r;
  }
  const n = Math.min(h.ahead.length, uio.resid);
  const data = h.ahead.subarray(0, n);
  h.ahead = h.ahead.subarray(n);
  return n === 0 ? null : yield* uiomoveB(data, 0, n, uio);
}

function* streamWrite(fp: File, uio: Uio, flags: number): Blocking<Errno | null> {
  const h = fp.data as HostStream;
  const buf = new Uint8Array(Math.min(CHUNK, uio.resid));
  while (uio.resid > 0) {
    const n = Math.min(buf.length, uio.resid);
    const e = yield* uiomoveB(buf, 0, n, uio);
    if (e !== null) return e;
    let done = 0;
    while (done < n) {
      const w = h.s.write(buf.subarray(done, n));
      if (typeof w === 'number') {
        done += w;
        continue;
      }
      const stop = w !== EAGAIN || (flags & O_NONBLOCK) !== 0 ? w : yield* tsleep(h.q, 'ttyout', PCATCH);
      if (stop === null) continue;
      // What the host did not take was not written.
      uio.resid += n - done;
      return stop;
    }
  }
  return null;
}

function fillStat(fp: File, va: Vattr): null {
  const h = fp.data as HostStream;
  va.type = h.s.kind === 'null' ? VType.VCHR : VType.VFIFO;
  va.mode = 0o600;
  va.nlink = 1;
  va.ino = h.index + 1;
  va.blksize = 4096;
  return null;
}

const streamOps = fileOps({
  tryRead: () => NOTNOW,
  read: streamRead,
  tryWrite: () => NOTNOW,
  write: streamWrite,
  tryStat: fillStat,
  *stat(fp, va) {
    return fillStat(fp, va);
  },
  kqfilter: (fp, kn) => {
    const h = fp.data as HostStream;
    return knoteKlist(kn, h.klist, (filter) => {
      if (filter === 'write') return { active: true, data: CHUNK };
      const e = h.fill();
      return { active: e !== EAGAIN, data: h.ahead.length, eof: h.eof };
    });
  },
});

/** An open file for stream `index` (they come in threes: input, output, error), or null when the caller closed it. */
export function streamFile(index: number, cred: Ucred): File | null {
  const s = gd.machine.streams?.[index];
  if (s === undefined || s.kind === 'closed') return null;
  const h = (gd.streams[index] ??= new HostStream(index, s));
  return new File(DTYPE_PIPE, streamOps, h, index % 3 === 0 ? FREAD : FWRITE, cred);
}

/** The machine says that stream `index` may be used again. */
export function streamReady(index: number): void {
  const h = gd.streams[index];
  if (h === null || h === undefined) return;
  wakeup(h.q);
  h.klist.notify(0);
}
