/**
 * Advisory locks: POSIX record locks (fcntl; owner is a process) and whole-file locks (flock; owner is an open File).
 *
 * The two kinds share one list per vnode, because in DragonFly they exclude one another. Locks of one owner never
 * overlap. `end` is exclusive, Infinity for "to end of file". A waiter sleeps on the vnode's one queue and looks again.
 *
 * Counterpart: sys/kern/kern_lockf.c
 */
import { PCATCH, tsleep, wakeup, WaitQ } from '../kern/lwkt_thread.js';
import type { Blocking } from '../sys/blocking.js';
import { EAGAIN, EDEADLK, type Errno, NOTNOW } from '../sys/errno.js';
import type { Vnode } from './vnode.js';

export const F_RDLCK = 1;
export const F_UNLCK = 2;
export const F_WRLCK = 3;

export interface LockRange {
  /** Proc for POSIX locks, File for flock. */
  owner: object;
  /** Process to report in F_GETLK; -1 for flock. */
  pid: number;
  type: number;
  start: number;
  /** Exclusive; Infinity to the end of file. */
  end: number;
}

class Lockf {
  locks: LockRange[] = [];
  readonly q = new WaitQ();
}

/** Lock each sleeping owner waits for, to find deadlocks among POSIX locks. */
const waitingFor = new WeakMap<object, LockRange>();

const overlap = (a: LockRange, start: number, end: number): boolean => a.start < end && start < a.end;

function blocker(lf: Lockf, want: LockRange): LockRange | null {
  for (const l of lf.locks) {
    if (l.owner !== want.owner && overlap(l, want.start, want.end) && (l.type === F_WRLCK || want.type === F_WRLCK)) {
      return l;
    }
  }
  return null;
}

/** Replace the owner's locks in the range by `want` (or by nothing for F_UNLCK), merging neighbours of the same type. */
function setRange(lf: Lockf, want: LockRange): void {
  const out: LockRange[] = [];
  let { start, end } = want;
  for (const l of lf.locks) {
    if (l.owner !== want.owner) {
      out.push(l);
      continue;
    }
    const touches = l.start <= end && start <= l.end;
    if (touches && l.type === want.type) {
      start = Math.min(start, l.start);
      end = Math.max(end, l.end);
      continue;
    }
    if (!overlap(l, want.start, want.end)) {
      out.push(l);
      continue;
    }
    if (l.start < want.start) out.push({ ...l, end: want.start });
    if (l.end > want.end) out.push({ ...l, start: want.end });
  }
  if (want.type !== F_UNLCK) out.push({ ...want, start, end });
  lf.locks = out;
}

/** Set or clear a lock without sleeping: NOTNOW when it has to wait. */
export function lfTrySet(vp: Vnode, want: LockRange): Errno | null {
  const lf = (vp.lockf ??= new Lockf()) as Lockf;
  if (want.type !== F_UNLCK && blocker(lf, want) !== null) return NOTNOW;
  setRange(lf, want);
  if (lf.q.head !== null) wakeup(lf.q);
  return null;
}

/**
 * Set a lock. EAGAIN when it is taken and `wait` is false; EDEADLK when waiting would close a circle of processes;
 * EINTR/ERESTART by a signal.
 */
export function* lfSet(vp: Vnode, want: LockRange, wait: boolean): Blocking<Errno | null> {
  const lf = (vp.lockf ??= new Lockf()) as Lockf;
  for (;;) {
    const b = blocker(lf, want);
    if (b === null || want.type === F_UNLCK) {
      setRange(lf, want);
      if (lf.q.head !== null) wakeup(lf.q);
      return null;
    }
    if (!wait) return EAGAIN;
    // Follow who waits for whom; flock owners (files) never close a circle.
    let seen: LockRange | undefined = b;
    for (let depth = 0; seen !== undefined && depth < 50; depth++) {
      if (seen.owner === want.owner) return EDEADLK;
      seen = waitingFor.get(seen.owner);
    }
    waitingFor.set(want.owner, b);
    const e = yield* tsleep(lf.q, 'lockf', PCATCH);
    waitingFor.delete(want.owner);
    if (e !== null) return e;
  }
}

/** F_GETLK: the lock in the way of `want`, or null. */
export function lfGet(vp: Vnode, want: LockRange): LockRange | null {
  return vp.lockf === null ? null : blocker(vp.lockf as Lockf, want);
}

/** Drop all locks of `owner` on `vp`: last close of a File, any close by a Proc, exit. */
export function lfRelease(vp: Vnode, owner: object): void {
  const lf = vp.lockf as Lockf | null;
  if (lf === null) return;
  const n = lf.locks.length;
  lf.locks = lf.locks.filter((l) => l.owner !== owner);
  if (lf.locks.length === n) return;
  if (lf.q.head !== null) wakeup(lf.q);
  else if (lf.locks.length === 0) vp.lockf = null;
}
