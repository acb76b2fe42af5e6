/**
 * kqueue(2): filters that are not about descriptors, the kqueue as a file, the system calls.
 *
 * Counterpart: sys/kern/kern_event.c; dragonfly-abi.md 3.4
 */
import { Prot } from '../machine/machine.js';
import type { Blocking } from '../sys/blocking.js';
import {
  EACCES,
  EBADF,
  EFAULT,
  EINTR,
  EINVAL,
  ENXIO,
  ERESTART,
  ESRCH,
  EWOULDBLOCK,
  Errno,
  NOTNOW,
} from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import type { SyscallImpls } from '../sys/syscall.js';
import { fifoState, setFifoKqueue } from '../vfs/fifofs.js';
import { S_IFIFO } from '../vfs/vnode.js';
import { copyin, copyinB, copyout, copyoutB, physical } from '../vm/vm_user.js';
import { DTYPE_KQUEUE, FREAD, FWRITE, File, fdget, fhold, fileOps } from './file.js';
import { fdalloc, fdcheck, fdrop, setKnoteFdclose } from './kern_descrip.js';
import {
  EVFILT_FS,
  EVFILT_PROC,
  EVFILT_SIGNAL,
  EVFILT_TIMER,
  EVFILT_USER,
  EV_ADD,
  EV_CLEAR,
  EV_ENABLE,
  EV_EOF,
  EV_ERROR,
  EV_FLAG1,
  EV_NODATA,
  EV_ONESHOT,
  EV_RECEIPT,
  EV_SYSFLAGS,
  Klist,
  Knote,
  Kqueue,
  NOTE_CHILD,
  NOTE_EXEC,
  NOTE_EXIT,
  NOTE_FFAND,
  NOTE_FFCOPY,
  NOTE_FFCTRLMASK,
  NOTE_FFLAGSMASK,
  NOTE_FFOR,
  NOTE_FORK,
  NOTE_TRACK,
  NOTE_TRACKERR,
  NOTE_TRIGGER,
  NOTE_WRITE,
  defineFilter,
  knoteActivate,
  knoteFdclose,
  knoteKlist,
  kqueueClose,
  kqueueRegister,
  kqueueScan,
  setUserTouch,
  type Filterops,
  type Kevent,
} from './kern_knote.js';
import { Callout, calloutReset, calloutStop } from './kern_timeout.js';
import { PCATCH, lwktYield, tsleep } from './lwkt_thread.js';
import { ProcState, type Lwp, type Proc } from './proc.js';
import type { PidTable } from './proc_lists.js';
import { PIPE_BUF } from './sys_pipe.js';
import { selectSyscalls } from './sys_select.js';

export * from './kern_knote.js';

declare module '../sys/globaldata.js' {
  interface GlobalData {
    /** EVFILT_FS knotes: notify() with VQ_* at mounts and unmounts. */
    fsKlist: Klist;
  }
}

// EVFILT_TIMER: sdata is the period in ms; data counts expirations.

const timerFilter: Filterops = {
  event: (kn) => kn.data !== 0,
  detach: (kn) => void calloutStop(kn.hook as Callout),
};
defineFilter(EVFILT_TIMER, (kn) => {
  if (kn.sdata < 0) return EINVAL;
  kn.flags |= EV_CLEAR;
  kn.fop = timerFilter;
  const c: Callout = new Callout(() => {
    kn.data++;
    knoteActivate(kn);
    if ((kn.flags & EV_ONESHOT) === 0) calloutReset(c, periodNs(kn.sdata));
  });
  kn.hook = c;
  calloutReset(c, periodNs(kn.sdata));
  return null;
});
/** At least a tick, at most a day, as in DragonFly. */
const periodNs = (ms: number): number => Math.min(Math.max(ms * 1e6, 1e6), 24 * 3600e9);

// EVFILT_USER: `hook` is set while triggered.

const TRIGGERED = Object.freeze({});
const userFilter: Filterops = {
  event(kn) {
    kn.fflags = kn.sfflags;
    kn.data = kn.sdata;
    return kn.hook !== null;
  },
  detach() {},
};
defineFilter(EVFILT_USER, (kn) => {
  kn.fop = userFilter;
  if ((kn.sfflags & NOTE_TRIGGER) !== 0) kn.hook = TRIGGERED;
  kn.sfflags &= NOTE_FFLAGSMASK;
  return null;
});
setUserTouch((kn, kev) => {
  const f = kev.fflags & NOTE_FFLAGSMASK;
  switch ((kev.fflags & NOTE_FFCTRLMASK) >>> 0) {
    case NOTE_FFAND:
      kn.sfflags &= f;
      break;
    case NOTE_FFOR:
      kn.sfflags |= f;
      break;
    case NOTE_FFCOPY:
      kn.sfflags = f;
      break;
    default:
  }
  kn.sdata = kev.data;
  if ((kev.fflags & NOTE_TRIGGER) !== 0) kn.hook = TRIGGERED;
});

// EVFILT_FS.

const fsFilter: Filterops = {
  event(kn, hint) {
    kn.fflags |= hint;
    return kn.fflags !== 0;
  },
  detach() {},
};
defineFilter(EVFILT_FS, (kn) => {
  kn.flags |= EV_CLEAR;
  kn.fop = fsFilter;
  gd.fsKlist.insert(kn);
  return null;
});

// EVFILT_PROC and EVFILT_SIGNAL hang on the process.

const klistOf = (p: Proc): Klist => (p.klist ??= new Klist()) as Klist;
const NOTE_PCTRL = (NOTE_EXIT | NOTE_FORK | NOTE_EXEC) >>> 0;

const procFilter: Filterops = {
  event(kn, hint) {
    const bits = (kn.sfflags & hint & NOTE_PCTRL) >>> 0;
    if (bits !== 0) kn.fflags = (kn.fflags | bits) >>> 0;
    if (hint === NOTE_EXIT) {
      kn.data = (kn.hook as Proc).xstat;
      kn.flags |= EV_EOF | EV_NODATA | EV_ONESHOT;
      // Whoever did not ask for the exit has nothing more to wait for, but hears of the end.
      return true;
    }
    return kn.fflags !== 0;
  },
  detach() {},
};
defineFilter(EVFILT_PROC, (kn) => {
  const p = gd.allproc.get(kn.ident);
  if (p === undefined) return ESRCH;
  const zombie = p.state === ProcState.ZOMB;
  if (zombie && (kn.sfflags & NOTE_EXIT) === 0) return ESRCH;
  const see = gd.procVisible;
  if (see !== null && !see(kn, p)) return EACCES;
  kn.flags |= EV_CLEAR;
  kn.fop = procFilter;
  kn.hook = p;
  if ((kn.flags & EV_FLAG1) !== 0) {
    // Made for the child of a tracked process.
    kn.data = kn.sdata;
    kn.fflags = NOTE_CHILD;
    kn.flags &= ~EV_FLAG1;
  }
  if (zombie) {
    if (procFilter.event(kn, NOTE_EXIT)) knoteActivate(kn);
  } else klistOf(p).insert(kn);
  return null;
});

const signalFilter: Filterops = { event: (kn) => kn.data !== 0, detach() {} };
/** Set by the kevent call: a process watches its own signals. */
let registrar: Proc | null = null;
defineFilter(EVFILT_SIGNAL, (kn) => {
  if (registrar === null || kn.identLo < 1 || kn.identLo > 128 || kn.identHi !== 0) return EINVAL;
  kn.flags |= EV_CLEAR;
  kn.fop = signalFilter;
  klistOf(registrar).insert(kn);
  return null;
});

function eachKnote(p: Proc, f: (kn: Knote) => void): void {
  if (p.klist === null) return;
  for (let kn = (p.klist as Klist).head; kn !== null;) {
    const next = kn.klNext;
    f(kn);
    kn = next;
  }
}

function onFork(p: Proc, child: Proc): void {
  eachKnote(p, (kn) => {
    if (kn.filter !== EVFILT_PROC) return;
    if ((kn.sfflags & NOTE_TRACK) !== 0) {
      const kev: Kevent = {
        identLo: child.pid,
        identHi: 0,
        filter: EVFILT_PROC,
        flags: kn.flags | EV_ADD | EV_ENABLE | EV_FLAG1,
        fflags: kn.sfflags,
        data: p.pid,
        udataLo: kn.udataLo,
        udataHi: kn.udataHi,
      };
      if (kqueueRegister(kn.kq, p.fd, kev) !== null) kn.fflags |= NOTE_TRACKERR;
    }
    if (kn.fop.event(kn, NOTE_FORK)) knoteActivate(kn);
  });
}

declare module '../sys/globaldata.js' {
  interface GlobalData {
    /** All processes by pid (kern/proc.ts). */
    allproc: PidTable<Proc>;
    /** May the owner of a knote watch `p`? Null: everybody may. */
    procVisible: ((kn: Knote, p: Proc) => boolean) | null;
    exitHook: ((p: Proc) => void) | null;
    execHook: ((p: Proc) => void) | null;
    forkHook: ((parent: Proc, child: Proc) => void) | null;
    signalHook: ((p: Proc, sig: number) => void) | null;
  }
}

/** After the process room: takes its hooks. */
export function eventInit(): void {
  gd.fsKlist = new Klist();
  gd.procVisible = null;
  gd.exitHook = (p) => {
    const only = (kn: Knote): void => {
      if (kn.filter === EVFILT_PROC && kn.fop.event(kn, NOTE_EXIT)) knoteActivate(kn);
    };
    eachKnote(p, only);
    (p.klist as Klist | null)?.detachAll();
  };
  gd.execHook = (p) =>
    eachKnote(p, (kn) => {
      if (kn.filter === EVFILT_PROC && kn.fop.event(kn, NOTE_EXEC)) knoteActivate(kn);
    });
  gd.forkHook = onFork;
  gd.signalHook = (p, sig) => {
    if (p.klist === null) return;
    eachKnote(p, (kn) => {
      if (kn.filter !== EVFILT_SIGNAL || kn.identLo !== sig) return;
      kn.data++;
      knoteActivate(kn);
    });
  };
}
setKnoteFdclose(knoteFdclose);

setFifoKqueue(
  (vp, kn) =>
    knoteKlist(
      kn,
      (vp.klist ??= new Klist()) as Klist,
      (f) => {
        const s = fifoState(vp);
        if (f === 'read')
          return { active: s.canRead > 0 || s.writers === 0, data: s.canRead, eof: s.writers === 0, hup: true };
        if (f === 'write')
          return {
            active: s.canWrite >= PIPE_BUF || s.readers === 0,
            data: s.canWrite,
            eof: s.readers === 0,
            hup: true,
          };
        return { active: false, data: 0 };
      },
      true,
    ),
  (vp) => (vp.klist as Klist | null)?.notify(NOTE_WRITE),
);

// The kqueue as a file.

const kqueueOps = fileOps({
  tryRead: () => ENXIO,
  *read() {
    return ENXIO;
  },
  tryWrite: () => ENXIO,
  *write() {
    return ENXIO;
  },
  kqfilter(fp, kn) {
    const kq = fp.data as Kqueue;
    return knoteKlist(kn, kq.klist, (f) => (f === 'read' ? { active: kq.count > 0, data: kq.count } : null));
  },
  tryStat(fp, va) {
    va.mode = S_IFIFO;
    va.nlink = 1;
    va.size = (fp.data as Kqueue).count;
    va.blksize = KEV_SIZE;
    return null;
  },
  *stat(fp, va, lwp) {
    return kqueueOps.tryStat(fp, va, lwp);
  },
  tryClose(fp) {
    kqueueClose(fp.data as Kqueue);
    return null;
  },
});

function sysKqueue(lwp: Lwp): number | Errno {
  const p = lwp.proc;
  const full = fdcheck(p);
  if (full !== null) return full;
  return fdalloc(p, new File(DTYPE_KQUEUE, kqueueOps, new Kqueue(), FREAD | FWRITE, p.cred));
}

// kevent(2).

export const KEV_SIZE = 32;
/** Changes and events are moved in batches of this many. */
const BATCH = 64;
const TWO32 = 0x1_0000_0000;
/** Longer waits are cut into days, so that times stay exact. */
const MAX_SLEEP_NS = 24 * 3600e9;

export function readKevent(v: DataView, o: number): Kevent {
  return {
    identLo: v.getUint32(o, true),
    identHi: v.getUint32(o + 4, true),
    filter: v.getInt16(o + 8, true),
    flags: v.getUint16(o + 10, true) & ~EV_SYSFLAGS,
    fflags: v.getUint32(o + 12, true),
    data: v.getInt32(o + 20, true) * TWO32 + v.getUint32(o + 16, true),
    udataLo: v.getUint32(o + 24, true),
    udataHi: v.getUint32(o + 28, true),
  };
}

function writeKevent(v: DataView, o: number, kn: Knote | Kevent): void {
  v.setUint32(o, kn.identLo, true);
  v.setUint32(o + 4, kn.identHi, true);
  v.setInt16(o + 8, kn.filter, true);
  v.setUint16(o + 10, kn.flags, true);
  v.setUint32(o + 12, kn.fflags, true);
  v.setUint32(o + 16, kn.data >>> 0, true);
  v.setInt32(o + 20, Math.floor(kn.data / TWO32), true);
  v.setUint32(o + 24, kn.udataLo, true);
  v.setUint32(o + 28, kn.udataHi, true);
}

const scratch = new Uint8Array(BATCH * KEV_SIZE);
const scratchView = new DataView(scratch.buffer);
const writeScratch = (kn: Knote, i: number): void => writeKevent(scratchView, i * KEV_SIZE, kn);

function kqueueOf(lwp: Lwp, fd: number): Kqueue | Errno {
  const fp = fdget(lwp.proc, fd);
  if (fp instanceof Errno) return fp;
  return fp.type === DTYPE_KQUEUE ? (fp.data as Kqueue) : EBADF;
}

/** A relative timespec in ns: EINVAL for a bad one. */
export function timespecNs(v: DataView, o: number): number | Errno {
  const sec = v.getInt32(o + 4, true) * TWO32 + v.getUint32(o, true);
  const nsec = v.getInt32(o + 12, true) * TWO32 + v.getUint32(o + 8, true);
  if (sec < 0 || nsec < 0 || nsec >= 1e9) return EINVAL;
  return sec * 1e9 + nsec;
}

/** Register the change at `o`; its record goes to the event list when it fails or asks for a receipt. */
function applyChange(lwp: Lwp, kq: Kqueue, v: DataView, o: number): { e: Errno | null; report: boolean; kev: Kevent } {
  const kev = readKevent(v, o);
  registrar = lwp.proc;
  const e = kqueueRegister(kq, lwp.proc.fd, kev);
  registrar = null;
  return { e, report: e !== null || (kev.flags & EV_RECEIPT) !== 0, kev };
}

const errorRecord = (kev: Kevent, e: Errno | null): Kevent => ({
  ...kev,
  flags: EV_ERROR,
  data: e === null ? 0 : e.errno,
});

/**
 * kevent(fd, changes, nchanges, events, nevents, timeout) without sleeping. Changes cannot be applied twice, so only calls that
 * surely end here are begun: changes without a wait, or a wait without changes.
 */
function tryKevent(lwp: Lwp, a: Float64Array): number | Errno {
  const [fd, changes, nchanges, events, nevents, timeout] = a;
  if (nchanges < 0 || nevents < 0) return EINVAL;
  const kq = kqueueOf(lwp, fd);
  if (kq instanceof Errno) return kq;
  const { vm } = lwp.proc;
  let poll = nevents === 0;
  if (timeout !== 0 && !poll) {
    const e = copyin(vm, timeout, scratch, 0, 16);
    if (e !== null) return e;
    const ns = timespecNs(scratchView, 0);
    if (ns instanceof Errno) return ns;
    poll = ns === 0;
  }
  if (nchanges > 0) {
    if (nevents > 0 || nchanges > BATCH) return NOTNOW;
    const e = copyin(vm, changes, scratch, 0, nchanges * KEV_SIZE);
    if (e !== null) return e;
    for (let i = 0; i < nchanges; i++) {
      const r = applyChange(lwp, kq, scratchView, i * KEV_SIZE);
      // No room for records: a failure is the result of the call.
      if (r.e !== null) return r.e;
    }
    return 0;
  }
  if (nevents === 0) return 0;
  if (kq.count === 0) return poll ? 0 : NOTNOW;
  // Events must not be lost: the list has to be there before they are taken.
  const max = Math.min(nevents, BATCH, kq.count);
  const bytes = max * KEV_SIZE;
  for (let at = events; at < events + bytes; at = Math.floor(at / 4096 + 1) * 4096) {
    const pa = physical(vm, at, Prot.WRITE);
    if (pa instanceof Errno) return pa;
  }
  const n = kqueueScan(kq, max, writeScratch);
  if (n === 0) return poll ? 0 : NOTNOW;
  const e = copyout(vm, scratch, 0, events, n * KEV_SIZE);
  return e === null ? n : e === NOTNOW ? EFAULT : e;
}

function* blockKevent(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const [fd, changes, nchanges, events, nevents, timeout] = a;
  const kq = kqueueOf(lwp, fd);
  if (kq instanceof Errno) return kq;
  const fp = fhold(lwp.proc.fd.files[fd] as File);
  try {
    return yield* doKevent(lwp, kq, changes, nchanges, events, nevents, timeout);
  } finally {
    yield* fdrop(fp);
  }
}

function* doKevent(
  lwp: Lwp,
  kq: Kqueue,
  changes: number,
  nchanges: number,
  events: number,
  nevents: number,
  timeout: number,
): Blocking<number | Errno> {
  const { vm } = lwp.proc;
  const buf = new Uint8Array(BATCH * KEV_SIZE);
  const v = new DataView(buf.buffer);
  let deadline = Infinity;
  if (timeout !== 0) {
    const e = yield* copyinB(vm, timeout, buf, 0, 16);
    if (e !== null) return e;
    const ns = timespecNs(v, 0);
    if (ns instanceof Errno) return ns;
    deadline = ns === 0 ? 0 : gd.machine.now() + ns;
  }
  let records = 0;
  const rec = new Uint8Array(KEV_SIZE);
  for (let i = 0; i < nchanges; i += BATCH) {
    // Long lists must not hold up the kernel.
    if (i > 0) yield* lwktYield();
    const n = Math.min(BATCH, nchanges - i);
    const e = yield* copyinB(vm, changes + i * KEV_SIZE, buf, 0, n * KEV_SIZE);
    if (e !== null) return e;
    for (let k = 0; k < n; k++) {
      const r = applyChange(lwp, kq, v, k * KEV_SIZE);
      if (!r.report) continue;
      if (records >= nevents || events === 0) {
        if (r.e !== null) return r.e;
        continue;
      }
      writeKevent(new DataView(rec.buffer), 0, errorRecord(r.kev, r.e));
      const ce = yield* copyoutB(vm, rec, 0, events + records * KEV_SIZE, KEV_SIZE);
      if (ce !== null) return r.e ?? ce;
      records++;
    }
  }
  if (records > 0 || nevents === 0) return records;
  for (;;) {
    const n = kqueueScan(kq, Math.min(nevents, BATCH), (kn, i) => writeKevent(v, i * KEV_SIZE, kn));
    if (n > 0) {
      const e = yield* copyoutB(vm, buf, 0, events, n * KEV_SIZE);
      return e ?? n;
    }
    if (kq.closed) return EBADF;
    const left = deadline - gd.machine.now();
    if (left <= 0) return 0;
    const e = yield* tsleep(kq.q, 'kqread', PCATCH, left < Infinity ? Math.min(left, MAX_SLEEP_NS) : 0);
    if (e === EWOULDBLOCK) continue;
    if (e !== null) return e === ERESTART ? EINTR : e;
  }
}

export const eventSyscalls: SyscallImpls = {
  kqueue: { try: sysKqueue },
  kevent: { try: tryKevent, block: blockKevent },
  ...selectSyscalls,
};
