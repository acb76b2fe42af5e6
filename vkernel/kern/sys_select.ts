/**
 * select, pselect, poll, ppoll: knotes on a kqueue that lives as long as the call.
 *
 * First each descriptor is asked synchronously; only when nothing is ready (and there is time to wait) are knotes left in place and
 * the thread sleeps. A descriptor closed meanwhile takes its knotes with it.
 *
 * Counterpart: sys/kern/sys_generic.c (select, poll)
 */
import type { Blocking } from '../sys/blocking.js';
import { EBADF, EINTR, EINVAL, ERESTART, EWOULDBLOCK, Errno, NOTNOW } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import type { SyscallImpl, SyscallImpls } from '../sys/syscall.js';
import { copyin, copyinB, copyout, copyoutB } from '../vm/vm_user.js';
import { DTYPE_VNODE, type File, type FileDesc } from './file.js';
import {
  EVFILT_EXCEPT,
  EVFILT_READ,
  EVFILT_WRITE,
  EV_ADD,
  EV_EOF,
  EV_HUP,
  EV_NODATA,
  Knote,
  Kqueue,
  NOTE_OLDAPI,
  NOTE_OOB,
  knoteDrop,
  knoteLinkFd,
} from './kern_knote.js';
import { PCATCH, tsleep } from './lwkt_thread.js';
import type { Lwp } from './proc.js';

const POLLIN = 0x1;
const POLLPRI = 0x2;
const POLLOUT = 0x4;
const POLLERR = 0x8;
const POLLHUP = 0x10;
const POLLNVAL = 0x20;
const POLLRDNORM = 0x40;
const POLLRDBAND = 0x80;
const POLLWRBAND = 0x100;
const POLL_READ = POLLIN | POLLRDNORM;
const POLL_EXCEPT = POLLPRI | POLLRDBAND;
const POLL_WRITE = POLLOUT | POLLWRBAND;

/** Longer waits are cut into days, so that times stay exact. */
const MAX_SLEEP_NS = 24 * 3600e9;

/** One descriptor being waited for. */
class Watch {
  readonly knotes: Knote[] = [];
  constructor(
    readonly fd: number,
    readonly events: number,
  ) {}
}

const fileAt = (fdp: FileDesc, fd: number): File | null => (fd >= 0 && fd < fdp.files.length ? fdp.files[fd] : null);

function attach(kq: Kqueue, fdp: FileDesc, fp: File, w: Watch, filter: number): Errno | null {
  const kn = new Knote(
    kq,
    w.fd,
    0,
    filter,
    EV_ADD,
    NOTE_OLDAPI | (filter === EVFILT_EXCEPT ? NOTE_OOB : 0),
    0,
    0,
    0,
    fp,
    fdp,
  );
  const e = fp.ops.kqfilter(fp, kn);
  if (e !== null) {
    if (kn.klist !== null) kn.klist.remove(kn);
    return e;
  }
  w.knotes.push(kn);
  return null;
}

/** Put knotes for what `w` wants on its file. EBADF, or null; filters that the file lacks are left out. */
function attachAll(kq: Kqueue, fdp: FileDesc, w: Watch): Errno | null {
  const fp = fileAt(fdp, w.fd);
  if (fp === null) return EBADF;
  if ((w.events & POLL_WRITE) !== 0) attach(kq, fdp, fp, w, EVFILT_WRITE);
  // Even an entry that asks for nothing hears of hang-ups, by the read side.
  if ((w.events & POLL_READ) !== 0 || (w.events & POLL_WRITE) === 0) attach(kq, fdp, fp, w, EVFILT_READ);
  if ((w.events & POLL_EXCEPT) !== 0) attach(kq, fdp, fp, w, EVFILT_EXCEPT);
  return null;
}

/** What has happened on `w`, as poll's revents. */
function revents(fdp: FileDesc, w: Watch): number {
  const fp = fileAt(fdp, w.fd);
  if (fp === null) return POLLNVAL;
  if (w.knotes.length === 0) {
    // Files without filters never keep anybody waiting.
    return fp.type === DTYPE_VNODE ? w.events & (POLL_READ | POLL_WRITE) : 0;
  }
  let r = 0;
  for (const kn of w.knotes) {
    if (kn.dropped) return POLLNVAL;
    if (!kn.fop.event(kn, 0)) continue;
    const gone = (kn.flags & EV_HUP) !== 0 || (kn.flags & (EV_EOF | EV_NODATA)) === (EV_EOF | EV_NODATA);
    if ((kn.flags & EV_EOF) !== 0 && kn.fflags !== 0) r |= POLLERR;
    switch (kn.filter) {
      case EVFILT_READ:
        if (gone) r |= POLLHUP;
        r |= w.events & POLL_READ;
        break;
      case EVFILT_WRITE:
        // Nothing can be written after a hang-up: POLLOUT and POLLHUP exclude each other.
        if ((kn.flags & EV_EOF) !== 0) r |= POLLHUP;
        else r |= w.events & POLL_WRITE;
        break;
      default:
        r |= w.events & POLL_EXCEPT;
    }
  }
  return r;
}

function detachAll(ws: readonly Watch[]): void {
  for (const w of ws) {
    for (const kn of w.knotes) knoteDrop(kn);
    w.knotes.length = 0;
  }
}

/**
 * Ask all of `ws`; results go to `out`.
 * @returns how many have something
 */
function collect(fdp: FileDesc, ws: readonly Watch[], out: Uint16Array): number {
  let n = 0;
  for (let i = 0; i < ws.length; i++) {
    out[i] = revents(fdp, ws[i]);
    if (out[i] !== 0) n++;
  }
  return n;
}

/** Ask once, without sleeping and leaving nothing behind. */
function probe(lwp: Lwp, ws: readonly Watch[], out: Uint16Array): number {
  const fdp = lwp.proc.fd;
  const kq = new Kqueue();
  for (const w of ws) attachAll(kq, fdp, w);
  const n = collect(fdp, ws, out);
  detachAll(ws);
  return n;
}

/** Wait until something happens on one of `ws` or the deadline passes. EINTR, or the count. */
function* wait(
  lwp: Lwp,
  ws: readonly Watch[],
  out: Uint16Array,
  deadline: number,
  wmesg: string,
): Blocking<number | Errno> {
  const fdp = lwp.proc.fd;
  const kq = new Kqueue();
  try {
    for (const w of ws) {
      attachAll(kq, fdp, w);
      for (const kn of w.knotes) knoteLinkFd(kn);
    }
    for (;;) {
      const n = collect(fdp, ws, out);
      if (n > 0) return n;
      const left = deadline - gd.machine.now();
      if (left <= 0) return 0;
      const e = yield* tsleep(kq.q, wmesg, PCATCH, left < Infinity ? Math.min(left, MAX_SLEEP_NS) : 0);
      if (e !== null && e !== EWOULDBLOCK) return e === ERESTART ? EINTR : e;
      // The pending queue only woke us.
      while (kq.head !== null) kqueueForget(kq);
    }
  } finally {
    detachAll(ws);
  }
}

/** Take the first pending knote off the queue without looking at it. */
function kqueueForget(kq: Kqueue): void {
  const kn = kq.head as Knote;
  kq.head = kn.pqNext;
  if (kq.head === null) kq.tail = null;
  else kq.head.pqPrev = null;
  kn.pqNext = null;
  kn.pqPrev = null;
  kn.status = 0;
  kq.count--;
}

// poll

const POLLFD = 8;
const MAX_TRY = 128;
const scratch = new Uint8Array(Math.max(MAX_TRY * POLLFD, 3 * 128));
const scratchView = new DataView(scratch.buffer);

function watches(v: DataView, n: number): Watch[] {
  const ws: Watch[] = [];
  for (let i = 0; i < n; i++) {
    const fd = v.getInt32(i * POLLFD, true);
    if (fd !== -1) ws.push(new Watch(fd, v.getInt16(i * POLLFD + 4, true)));
  }
  return ws;
}
/** Store revents. */
function putRevents(v: DataView, n: number, out: Uint16Array): void {
  for (let i = 0, k = 0; i < n; i++)
    v.setInt16(i * POLLFD + 6, v.getInt32(i * POLLFD, true) === -1 ? 0 : out[k++], true);
}

/** One probe of a poll; NOTNOW when it has to wait. */
function tryPollNs(lwp: Lwp, fds: number, nfds: number, timeoutNs: number): number | Errno {
  if (nfds > MAX_TRY) return NOTNOW;
  const { vm } = lwp.proc;
  const e = copyin(vm, fds, scratch, 0, nfds * POLLFD);
  if (e !== null) return e;
  const ws = watches(scratchView, nfds);
  const out = new Uint16Array(ws.length);
  const n = probe(lwp, ws, out);
  if (n === 0 && timeoutNs !== 0) return NOTNOW;
  putRevents(scratchView, nfds, out);
  return copyout(vm, scratch, 0, fds, nfds * POLLFD) ?? n;
}

function* blockPollNs(lwp: Lwp, fds: number, nfds: number, timeoutNs: number): Blocking<number | Errno> {
  if (nfds > Math.max(lwp.proc.fd.files.length * 2, 1024)) return EINVAL;
  const { vm } = lwp.proc;
  const buf = new Uint8Array(nfds * POLLFD);
  const v = new DataView(buf.buffer);
  const e = yield* copyinB(vm, fds, buf, 0, buf.length);
  if (e !== null) return e;
  const ws = watches(v, nfds);
  const out = new Uint16Array(ws.length);
  const n = yield* wait(lwp, ws, out, gd.machine.now() + timeoutNs, 'poll');
  if (n instanceof Errno) return n;
  putRevents(v, nfds, out);
  return (yield* copyoutB(vm, buf, 0, fds, buf.length)) ?? n;
}

const pollNs = (ms: number): number => (ms === -1 ? Infinity : ms * 1e6);

// select

/** The watches of three bit sets in `v`, each `bytes` long and present when its address is not 0. */
function selectWatches(v: DataView, nd: number, bytes: number, sets: readonly number[]): Watch[] {
  const want = [POLLIN, POLLOUT, POLLPRI];
  const ws: Watch[] = [];
  for (let fd = 0; fd < nd; fd++) {
    let ev = 0;
    for (let s = 0; s < 3; s++)
      if (sets[s] !== 0 && ((v.getUint8(s * bytes + (fd >> 3)) >> (fd & 7)) & 1) !== 0) ev |= want[s];
    if (ev !== 0) ws.push(new Watch(fd, ev));
  }
  return ws;
}

/** Replace the sets by what is ready. Returns the number of bits, or EBADF for a descriptor that is not open. */
function selectResult(v: DataView, bytes: number, ws: readonly Watch[], out: Uint16Array): number | Errno {
  new Uint8Array(v.buffer, v.byteOffset, 3 * bytes).fill(0);
  let n = 0;
  const set = (s: number, fd: number): void => {
    const o = s * bytes + (fd >> 3);
    v.setUint8(o, v.getUint8(o) | (1 << (fd & 7)));
    n++;
  };
  for (const [i, w] of ws.entries()) {
    const r = out[i];
    if ((r & POLLNVAL) !== 0) return EBADF;
    // A hang-up or an error makes both reading and writing possible: they will not sleep.
    if ((w.events & POLLIN) !== 0 && (r & (POLLIN | POLLHUP | POLLERR)) !== 0) set(0, w.fd);
    if ((w.events & POLLOUT) !== 0 && (r & (POLLOUT | POLLHUP | POLLERR)) !== 0) set(1, w.fd);
    if ((w.events & POLLPRI) !== 0 && (r & POLLPRI) !== 0) set(2, w.fd);
  }
  return n;
}

/** Bytes of a set of `nd` bits: whole u64 words. */
const setBytes = (nd: number): number => Math.ceil(nd / 64) * 8;

function trySelectNs(lwp: Lwp, nd: number, sets: readonly number[], timeoutNs: number): number | Errno {
  const { vm, fd } = lwp.proc;
  const cap = Math.min(nd, fd.files.length);
  const bytes = setBytes(cap);
  if (3 * bytes > scratch.length) return NOTNOW;
  for (let s = 0; s < 3; s++) {
    if (sets[s] === 0) continue;
    const e = copyin(vm, sets[s], scratch, s * bytes, bytes);
    if (e !== null) return e;
  }
  const ws = selectWatches(scratchView, cap, bytes, sets);
  const out = new Uint16Array(ws.length);
  if (probe(lwp, ws, out) === 0 && timeoutNs !== 0) return NOTNOW;
  const n = selectResult(scratchView, bytes, ws, out);
  if (n instanceof Errno) return n;
  if (n === 0 && timeoutNs !== 0) return NOTNOW;
  for (let s = 0; s < 3; s++) {
    if (sets[s] === 0) continue;
    const e = copyout(vm, scratch, s * bytes, sets[s], bytes);
    if (e !== null) return e;
  }
  return n;
}

function* blockSelectNs(lwp: Lwp, nd: number, sets: readonly number[], timeoutNs: number): Blocking<number | Errno> {
  const { vm, fd } = lwp.proc;
  const cap = Math.min(nd, fd.files.length);
  const bytes = setBytes(cap);
  const buf = new Uint8Array(3 * bytes);
  const v = new DataView(buf.buffer);
  for (let s = 0; s < 3; s++) {
    if (sets[s] === 0) continue;
    const e = yield* copyinB(vm, sets[s], buf, s * bytes, bytes);
    if (e !== null) return e;
  }
  const ws = selectWatches(v, cap, bytes, sets);
  const out = new Uint16Array(ws.length);
  const r = yield* wait(lwp, ws, out, gd.machine.now() + timeoutNs, 'select');
  if (r instanceof Errno) return r;
  const n = selectResult(v, bytes, ws, out);
  if (n instanceof Errno) return n;
  for (let s = 0; s < 3; s++) {
    if (sets[s] === 0) continue;
    const e = yield* copyoutB(vm, buf, s * bytes, sets[s], bytes);
    if (e !== null) return e;
  }
  return n;
}

// Time and masks.

const small = new Uint8Array(16);
const smallView = new DataView(small.buffer);
const TWO32 = 0x1_0000_0000;

/** The timespec (unit 1) or timeval (unit 1000) at `uva` in ns; Infinity for no pointer. */
function timeNs(lwp: Lwp, uva: number, unit: 1 | 1000): number | Errno {
  if (uva === 0) return Infinity;
  const e = copyin(lwp.proc.vm, uva, small, 0, 16);
  return e ?? smallTime(smallView, unit);
}
function* timeNsB(lwp: Lwp, uva: number, unit: 1 | 1000): Blocking<number | Errno> {
  if (uva === 0) return Infinity;
  const buf = new Uint8Array(16);
  const e = yield* copyinB(lwp.proc.vm, uva, buf, 0, 16);
  return e ?? smallTime(new DataView(buf.buffer), unit);
}
function smallTime(v: DataView, unit: 1 | 1000): number | Errno {
  const sec = v.getInt32(4, true) * TWO32 + v.getUint32(0, true);
  const frac = v.getInt32(12, true) * TWO32 + v.getUint32(8, true);
  if (sec < 0 || frac < 0 || frac * unit >= 1e9) return EINVAL;
  return sec * 1e9 + frac * unit;
}

/** Temporary signal mask of pselect and ppoll; handed down by sys_sig.ts, which is above this file. */
let tempMask: (lwp: Lwp, mask: Uint32Array) => void = () => {};
export function setTempMaskFn(fn: (lwp: Lwp, mask: Uint32Array) => void): void {
  tempMask = fn;
}
function* applyMask(lwp: Lwp, uva: number): Blocking<Errno | null> {
  if (uva === 0) return null;
  const buf = new Uint8Array(16);
  const e = yield* copyinB(lwp.proc.vm, uva, buf, 0, 16);
  if (e !== null) return e;
  tempMask(lwp, new Uint32Array(buf.buffer));
  return null;
}

const poll: SyscallImpl = {
  try(lwp, a) {
    if (a[2] < -1) return EINVAL;
    return tryPollNs(lwp, a[0], a[1], pollNs(a[2]));
  },
  *block(lwp, a) {
    return yield* blockPollNs(lwp, a[0], a[1], pollNs(a[2]));
  },
};

export const selectSyscalls: SyscallImpls = {
  poll,
  openbsd_poll: poll,
  ppoll: {
    *block(lwp, a) {
      const [fds, nfds, ts, mask] = a;
      const ns = yield* timeNsB(lwp, ts, 1);
      if (ns instanceof Errno) return ns;
      const e = yield* applyMask(lwp, mask);
      return e ?? (yield* blockPollNs(lwp, fds, nfds, ns));
    },
  },
  select: {
    try(lwp, a) {
      if (a[0] < 0) return EINVAL;
      const ns = timeNs(lwp, a[4], 1000);
      if (ns instanceof Errno) return ns;
      return trySelectNs(lwp, a[0], [a[1], a[2], a[3]], ns);
    },
    *block(lwp, a) {
      const [nd, r, w, x, tv] = a;
      const ns = yield* timeNsB(lwp, tv, 1000);
      if (ns instanceof Errno) return ns;
      return yield* blockSelectNs(lwp, nd, [r, w, x], ns);
    },
  },
  pselect: {
    *block(lwp, a) {
      const [nd, r, w, x, ts, mask] = a;
      if (nd < 0) return EINVAL;
      const ns = yield* timeNsB(lwp, ts, 1);
      if (ns instanceof Errno) return ns;
      const e = yield* applyMask(lwp, mask);
      return e ?? (yield* blockSelectNs(lwp, nd, [r, w, x], ns));
    },
  },
};
