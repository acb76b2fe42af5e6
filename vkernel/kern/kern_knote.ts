/**
 * Knotes and kqueues, without the system calls: registering, activating, scanning.
 *
 * A Knote is one (ident, filter) of one Kqueue. It hangs on the Klist of what it watches; whoever changes that thing calls
 * notify(), the knote's filter decides whether it is ready, and a ready knote goes on its kqueue's pending queue. The scan asks the
 * filter again: readiness is never believed from the past, except for EV_ONESHOT.
 *
 * Level or edge follows from one rule: a reported knote goes back to the tail of the pending queue, or, with EV_CLEAR or EV_DISPATCH,
 * off it until the next notification.
 *
 * Knotes on descriptors belong to the descriptor number: FileDesc.knotes has them by number, and closing it drops them.
 *
 * Counterpart: sys/kern/kern_event.c; dragonfly-abi.md 3.4
 */
import { EBADF, EINVAL, ENOENT, ENOMEM, EOPNOTSUPP, Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import type { File, FileDesc } from './file.js';
import { WaitQ, wakeup } from './lwkt_thread.js';

export const EVFILT_READ = -1;
export const EVFILT_WRITE = -2;
export const EVFILT_AIO = -3;
export const EVFILT_VNODE = -4;
export const EVFILT_PROC = -5;
export const EVFILT_SIGNAL = -6;
export const EVFILT_TIMER = -7;
export const EVFILT_EXCEPT = -8;
export const EVFILT_USER = -9;
export const EVFILT_FS = -10;

export const EV_ADD = 0x1;
export const EV_DELETE = 0x2;
export const EV_ENABLE = 0x4;
export const EV_DISABLE = 0x8;
export const EV_ONESHOT = 0x10;
export const EV_CLEAR = 0x20;
export const EV_RECEIPT = 0x40;
export const EV_DISPATCH = 0x80;
/** Both directions are down. */
export const EV_HUP = 0x800;
/** End of file, and nothing left to read. */
export const EV_NODATA = 0x1000;
export const EV_FLAG1 = 0x2000;
export const EV_ERROR = 0x4000;
export const EV_EOF = 0x8000;
export const EV_SYSFLAGS = 0xf800;

export const NOTE_LOWAT = 0x1;
export const NOTE_OOB = 0x2;
/** Set on the knotes of select and poll. */
export const NOTE_OLDAPI = 0x4;
export const NOTE_DELETE = 0x1;
export const NOTE_WRITE = 0x2;
export const NOTE_EXTEND = 0x4;
export const NOTE_ATTRIB = 0x8;
export const NOTE_LINK = 0x10;
export const NOTE_RENAME = 0x20;
export const NOTE_REVOKE = 0x40;
export const NOTE_EXIT = 0x80000000;
export const NOTE_FORK = 0x40000000;
export const NOTE_EXEC = 0x20000000;
export const NOTE_TRACK = 0x1;
export const NOTE_TRACKERR = 0x2;
export const NOTE_CHILD = 0x4;
export const NOTE_TRIGGER = 0x01000000;
export const NOTE_FFCTRLMASK = 0xc0000000;
export const NOTE_FFLAGSMASK = 0x00ffffff;
export const NOTE_FFAND = 0x40000000;
export const NOTE_FFOR = 0x80000000;
export const NOTE_FFCOPY = 0xc0000000;

declare module '../sys/globaldata.js' {
  interface GlobalData {
    /** Knotes of all kqueues; undefined before the first. */
    nknotes?: number;
  }
}

/** Knotes in the whole system: a guest must not fill the host's memory with them. */
export const MAX_KNOTES = 200_000;

const KN_ACTIVE = 1;
const KN_QUEUED = 2;
const KN_DISABLED = 4;
const KN_DROPPED = 8;

/** Values of a change or an event: struct kevent. The u64 ident and udata are kept as halves. */
export interface Kevent {
  identLo: number;
  identHi: number;
  filter: number;
  flags: number;
  fflags: number;
  /** i64; as a number. */
  data: number;
  udataLo: number;
  udataHi: number;
}

export interface Filterops {
  /**
   * Is the knote ready? Sets kn.data and kn.fflags, and EV_EOF and its like in kn.flags. `hint` is what notify() was
   * called with; 0 when asked by the scan.
   */
  event(kn: Knote, hint: number): boolean;
  /** The knote goes away (its Klist is left by the caller). */
  detach(kn: Knote): void;
}

const nullFilter: Filterops = { event: () => false, detach: () => {} };

export class Knote {
  status = 0;
  fflags = 0;
  data = 0;
  fop: Filterops = nullFilter;
  /** The filter's own: Callout, Pipe, Tty ... */
  hook: object | null = null;
  klist: Klist | null = null;
  klNext: Knote | null = null;
  klPrev: Knote | null = null;
  pqNext: Knote | null = null;
  pqPrev: Knote | null = null;

  constructor(
    readonly kq: Kqueue,
    readonly identLo: number,
    readonly identHi: number,
    readonly filter: number,
    public flags: number,
    /** What the user asked for: fflags and data of the change. */
    public sfflags: number,
    public sdata: number,
    public udataLo: number,
    public udataHi: number,
    /** File of a descriptor filter. */
    readonly fp: File | null,
    readonly fdp: FileDesc | null,
  ) {}
  get ident(): number {
    return this.identHi * 0x1_0000_0000 + this.identLo;
  }
  get dropped(): boolean {
    return (this.status & KN_DROPPED) !== 0;
  }
}

/** What is watched keeps one of these. */
export class Klist {
  head: Knote | null = null;

  insert(kn: Knote): void {
    kn.klist = this;
    kn.klNext = this.head;
    kn.klPrev = null;
    if (this.head !== null) this.head.klPrev = kn;
    this.head = kn;
  }
  remove(kn: Knote): void {
    if (kn.klPrev === null) this.head = kn.klNext;
    else kn.klPrev.klNext = kn.klNext;
    if (kn.klNext !== null) kn.klNext.klPrev = kn.klPrev;
    kn.klist = null;
    kn.klNext = null;
    kn.klPrev = null;
  }
  /** Something changed: let each filter look. Counterpart: KNOTE(). */
  notify(hint = 0): void {
    for (let kn = this.head; kn !== null;) {
      const next = kn.klNext;
      if (kn.fop.event(kn, hint)) knoteActivate(kn);
      kn = next;
    }
  }
  /** The watched thing is going away: its knotes stay with their kqueues, and hear nothing more. */
  detachAll(): void {
    while (this.head !== null) this.remove(this.head);
  }
}

export class Kqueue {
  readonly q = new WaitQ();
  /** Knotes watching this kqueue. */
  readonly klist = new Klist();
  readonly knotes = new Map<number | string, Knote>();
  head: Knote | null = null;
  tail: Knote | null = null;
  /** Pending knotes. */
  count = 0;
  closed = false;
}

/** Key of a knote in its kqueue: a number when it fits. */
function keyOf(lo: number, hi: number, filter: number): number | string {
  return hi < 0x10000 ? (hi * 0x1_0000_0000 + lo) * 16 - filter : `${hi}:${lo}:${filter}`;
}

export const isFdFilter = (filter: number): boolean => filter >= EVFILT_VNODE || filter === EVFILT_EXCEPT;

type FdKnotes = Map<number, Set<Knote>>;

/** Note that `kn` belongs to a descriptor. */
export function knoteLinkFd(kn: Knote): void {
  const fdp = kn.fdp as FileDesc;
  const m = (fdp.knotes ??= new Map() as FdKnotes) as FdKnotes;
  const s = m.get(kn.ident);
  if (s === undefined) m.set(kn.ident, new Set([kn]));
  else s.add(kn);
}

/** Descriptor `fd` of `fdp` goes away: so do its knotes, silently. */
export function knoteFdclose(fdp: FileDesc, fd: number): void {
  const s = (fdp.knotes as FdKnotes | null)?.get(fd);
  if (s !== undefined) for (const kn of [...s]) knoteDrop(kn);
}

/** Filters that are not about descriptors, by -filter: attach sets fop, hook and data, or refuses. */
const sysFilters: ((kn: Knote) => Errno | null)[] = [];
export function defineFilter(filter: number, attach: (kn: Knote) => Errno | null): void {
  sysFilters[-filter] = attach;
}
/** EVFILT_USER changes its knote in its own way. */
let userTouch: (kn: Knote, kev: Kevent) => void = () => {};
export function setUserTouch(fn: (kn: Knote, kev: Kevent) => void): void {
  userTouch = fn;
}

/**
 * Apply one change.
 * @returns EBADF, ENOENT (EV_DELETE, EV_ENABLE and the like of what is not there), EINVAL (no such filter), EOPNOTSUPP, or what the filter says
 */
export function kqueueRegister(kq: Kqueue, fdp: FileDesc, kev: Kevent): Errno | null {
  const { filter } = kev;
  if (filter >= 0 || filter < EVFILT_FS) return EINVAL;
  const fdFilter = isFdFilter(filter);
  let fp: File | null = null;
  if (fdFilter) {
    if (kev.identHi !== 0 || kev.identLo >= fdp.files.length) return EBADF;
    fp = fdp.files[kev.identLo];
    if (fp === null) return EBADF;
  }
  const key = keyOf(kev.identLo, kev.identHi, filter);
  let kn = kq.knotes.get(key) ?? null;
  if (kn === null && (kev.flags & EV_ADD) === 0) return ENOENT;
  if ((kev.flags & EV_DELETE) !== 0 && (kev.flags & EV_ADD) === 0) {
    if (kn !== null) knoteDrop(kn);
    return null;
  }
  const flags = kev.flags & ~EV_SYSFLAGS;
  if ((kev.flags & EV_ADD) !== 0) {
    if (kn === null) {
      if ((gd.nknotes ?? 0) >= MAX_KNOTES) return ENOMEM;
      kn = new Knote(
        kq,
        kev.identLo,
        kev.identHi,
        filter,
        flags | (kev.flags & EV_FLAG1),
        kev.fflags,
        kev.data,
        kev.udataLo,
        kev.udataHi,
        fp,
        fdFilter ? fdp : null,
      );
      const attach = sysFilters[-filter];
      const e = fp !== null ? fp.ops.kqfilter(fp, kn) : attach === undefined ? EOPNOTSUPP : attach(kn);
      if (e !== null) {
        if (kn.klist !== null) kn.klist.remove(kn);
        return e;
      }
      kq.knotes.set(key, kn);
      gd.nknotes = (gd.nknotes ?? 0) + 1;
      if (fdFilter) knoteLinkFd(kn);
    } else if (filter === EVFILT_USER) {
      userTouch(kn, kev);
      kn.udataLo = kev.udataLo;
      kn.udataHi = kev.udataHi;
    } else {
      kn.sfflags = kev.fflags;
      kn.sdata = kev.data;
      kn.udataLo = kev.udataLo;
      kn.udataHi = kev.udataHi;
    }
  } else if (filter === EVFILT_USER && kn !== null) userTouch(kn, kev);
  if (kn === null) return null;
  if ((kev.flags & EV_DISABLE) !== 0) kn.status |= KN_DISABLED;
  if ((kev.flags & EV_ENABLE) !== 0 && (kn.status & KN_DISABLED) !== 0) {
    kn.status &= ~KN_DISABLED;
    if ((kn.status & (KN_ACTIVE | KN_QUEUED)) === KN_ACTIVE) enqueue(kn);
  }
  if (kn.fop.event(kn, 0)) knoteActivate(kn);
  return null;
}

export function knoteActivate(kn: Knote): void {
  if ((kn.status & KN_DROPPED) !== 0) return;
  kn.status |= KN_ACTIVE;
  if ((kn.status & (KN_QUEUED | KN_DISABLED)) === 0) enqueue(kn);
}

function enqueue(kn: Knote): void {
  const { kq } = kn;
  kn.status |= KN_QUEUED;
  kn.pqPrev = kq.tail;
  kn.pqNext = null;
  if (kq.tail === null) kq.head = kn;
  else kq.tail.pqNext = kn;
  kq.tail = kn;
  kq.count++;
  if (kq.q.head !== null) wakeup(kq.q);
  if (kq.klist.head !== null) kq.klist.notify();
}

function dequeue(kn: Knote): void {
  const { kq } = kn;
  kn.status &= ~KN_QUEUED;
  if (kn.pqPrev === null) kq.head = kn.pqNext;
  else kn.pqPrev.pqNext = kn.pqNext;
  if (kn.pqNext === null) kq.tail = kn.pqPrev;
  else kn.pqNext.pqPrev = kn.pqPrev;
  kn.pqNext = null;
  kn.pqPrev = null;
  kq.count--;
}

/** Remove a knote from everything. */
export function knoteDrop(kn: Knote): void {
  if ((kn.status & KN_DROPPED) !== 0) return;
  kn.status |= KN_DROPPED;
  if (kn.klist !== null) kn.klist.remove(kn);
  kn.fop.detach(kn);
  if ((kn.status & KN_QUEUED) !== 0) dequeue(kn);
  if (kn.fdp !== null) {
    const m = kn.fdp.knotes as FdKnotes | null;
    const s = m?.get(kn.ident);
    if (s !== undefined && s.delete(kn) && s.size === 0) {
      m?.delete(kn.ident);
      if (m?.size === 0) kn.fdp.knotes = null;
    }
  }
  const key = keyOf(kn.identLo, kn.identHi, kn.filter);
  if (kn.kq.knotes.get(key) === kn) {
    kn.kq.knotes.delete(key);
    gd.nknotes = (gd.nknotes ?? 0) - 1;
  }
}

/**
 * Report up to `max` events through `out`, which copies what it wants of the knote.
 * @returns how many; 0 when nothing is pending any more
 */
export function kqueueScan(kq: Kqueue, max: number, out: (kn: Knote, index: number) => void): number {
  let total = 0;
  while (total === 0 && kq.count > 0) {
    // Knotes queued behind the present tail wait for the next scan.
    for (let n = kq.count; n > 0 && total < max; n--) {
      const kn = kq.head;
      if (kn === null) break;
      dequeue(kn);
      if ((kn.status & KN_DISABLED) !== 0) continue;
      if ((kn.flags & EV_ONESHOT) === 0 && !kn.fop.event(kn, 0)) {
        kn.status &= ~KN_ACTIVE;
        continue;
      }
      out(kn, total++);
      if ((kn.flags & EV_ONESHOT) !== 0) knoteDrop(kn);
      else if ((kn.flags & (EV_CLEAR | EV_DISPATCH)) !== 0) {
        if ((kn.flags & EV_CLEAR) !== 0) {
          kn.data = 0;
          kn.fflags = 0;
          // A user event has been triggered until it is cleared.
          if (kn.filter === EVFILT_USER) kn.hook = null;
        }
        if ((kn.flags & EV_DISPATCH) !== 0) kn.status |= KN_DISABLED;
        kn.status &= ~KN_ACTIVE;
      } else requeue(kn);
    }
    if (max === 0) break;
  }
  return total;
}

/** Back to the tail, without waking anybody. */
function requeue(kn: Knote): void {
  const { kq } = kn;
  kn.status |= KN_QUEUED;
  kn.pqPrev = kq.tail;
  if (kq.tail === null) kq.head = kn;
  else kq.tail.pqNext = kn;
  kq.tail = kn;
  kq.count++;
}

export function kqueueClose(kq: Kqueue): void {
  kq.closed = true;
  for (const kn of [...kq.knotes.values()]) knoteDrop(kn);
  kq.klist.detachAll();
  wakeup(kq.q);
}

/** How a file stands, for knoteKlist. */
export interface KnoteState {
  readonly active: boolean;
  /** Bytes to read, or room to write. */
  readonly data: number;
  readonly eof?: boolean;
  /** Both directions are down. */
  readonly hup?: boolean;
  /** Errno of the file, in fflags. */
  readonly error?: number;
}

/** Filters of vnodes: notify() is called with NOTE_*. */
const vnodeFilter: Filterops = {
  event(kn, hint) {
    if ((kn.sfflags & hint) !== 0) kn.fflags = (kn.fflags | (kn.sfflags & hint)) >>> 0;
    if (hint === NOTE_REVOKE) {
      kn.flags |= EV_EOF | EV_NODATA;
      return true;
    }
    return kn.fflags !== 0;
  },
  detach() {},
};

/**
 * For a FileOps, DevOps or VopOps `kqfilter`: attach a knote to `klist`. `probe` tells how the file stands for a filter, or null
 * when it does not have it. EVFILT_VNODE needs no probe: notify(NOTE_WRITE ...) is all.
 */
export function knoteKlist(
  kn: object,
  klist: Klist,
  probe: (filter: 'read' | 'write' | 'except', kn: Knote) => KnoteState | null,
  vnode = false,
): Errno | null {
  const k = kn as Knote;
  if (k.filter === EVFILT_VNODE) {
    if (!vnode) return EOPNOTSUPP;
    k.fop = vnodeFilter;
    klist.insert(k);
    return null;
  }
  const name = k.filter === EVFILT_READ ? 'read' : k.filter === EVFILT_WRITE ? 'write' : 'except';
  if (k.filter === EVFILT_AIO || probe(name, k) === null) return EOPNOTSUPP;
  k.fop = {
    event(x) {
      const s = probe(name, x);
      if (s === null) return false;
      x.flags &= ~(EV_EOF | EV_NODATA | EV_HUP);
      x.data = s.data;
      if (s.eof === true) {
        x.flags |= EV_EOF;
        if (s.data <= 0) x.flags |= EV_NODATA;
        if (s.hup === true) x.flags |= EV_HUP;
        if (s.error !== undefined) x.fflags = s.error;
      }
      return s.active;
    },
    detach() {},
  };
  klist.insert(k);
  return null;
}
