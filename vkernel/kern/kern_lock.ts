/**
 * lockmgr locks: shared/exclusive, sleeping, held across `yield*`.
 *
 * Invariants: `count` > 0 shared holders, or `excl` > 0 nested exclusive holds by `owner`, never both. Waiting exclusive
 * lockers stop new shared ones, so writers do not starve. An upgrade that another thread is already waiting for fails (EBUSY),
 * and the shared lock is lost, as in DragonFly.
 *
 * Plain functions (system call attempts) use lockTry, and run to completion before anyone could notice.
 * Counterpart: sys/kern/kern_lock.c
 */
import type { Blocking } from '../sys/blocking.js';
import { EBUSY, EINVAL, ENOLCK, type Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import { KASSERT } from './kern_shutdown.js';
import { PCATCH, WaitQ, tsleep, wakeup, type LwktThread } from './lwkt_thread.js';

export const LK_TYPE_MASK = 0x0f;
export const LK_SHARED = 1;
export const LK_EXCLUSIVE = 2;
/** Shared to exclusive, letting others in between if need be. */
export const LK_UPGRADE = 3;
/** Shared to exclusive, EBUSY rather than letting another exclusive holder in between. */
export const LK_EXCLUPGRADE = 4;
export const LK_DOWNGRADE = 5;
export const LK_RELEASE = 6;
/** Fail with EBUSY instead of sleeping. */
export const LK_NOWAIT = 0x10;
/** Fail with ENOLCK after sleeping: the object may have changed. */
export const LK_SLEEPFAIL = 0x20;
export const LK_CANRECURSE = 0x40;
/** Give up after the lock's timeoutNs with EWOULDBLOCK. */
export const LK_TIMELOCK = 0x200;
export const LK_PCATCH = 0x400;

export class Lock {
  /** Shared holds. */
  count = 0;
  /** Exclusive holds (nested) of `owner`. */
  excl = 0;
  /** Thread of the exclusive hold; null also when taken outside threads. */
  owner: LwktThread | null = null;
  /** Exclusive lockers and upgraders that wait. */
  exclWaiting = 0;
  upgrading = false;
  readonly q = new WaitQ();
  constructor(
    readonly wmesg: string,
    readonly flags = 0,
    readonly timeoutNs = 0,
  ) {}
}

/** Take a lock if that needs no sleep: null, or EBUSY. `type` is LK_SHARED or LK_EXCLUSIVE, with LK_CANRECURSE. */
export function lockTry(lk: Lock, type: number): Errno | null {
  const td = gd.lwkt.cur;
  if ((type & LK_TYPE_MASK) === LK_SHARED) {
    if (lk.excl > 0) {
      // An exclusive holder asking for shared gets one more exclusive hold, as in DragonFly.
      if (td === null || lk.owner !== td) return EBUSY;
      lk.excl++;
      return null;
    }
    if (lk.exclWaiting > 0 && lk.count > 0) return EBUSY;
    lk.count++;
    return null;
  }
  if (lk.excl > 0) {
    if (td === null || lk.owner !== td) return EBUSY;
    KASSERT(((lk.flags | type) & LK_CANRECURSE) !== 0, 'lockmgr: ' + lk.wmesg + ': locking against myself');
    lk.excl++;
    return null;
  }
  if (lk.count > 0) return EBUSY;
  lk.excl = 1;
  lk.owner = td;
  return null;
}

export function lockRelease(lk: Lock): void {
  if (lk.excl > 0) {
    KASSERT(lk.owner === gd.lwkt.cur, 'lockmgr: ' + lk.wmesg + ': release by another thread');
    if (--lk.excl > 0) return;
    lk.owner = null;
  } else {
    KASSERT(lk.count > 0, 'lockmgr: ' + lk.wmesg + ': release of a free lock');
    lk.count--;
  }
  if (lk.q.head !== null) wakeup(lk.q);
}

/**
 * Take, change or release a lock.
 *
 * @returns null; EBUSY with LK_NOWAIT or for a lost upgrade; ENOLCK with LK_SLEEPFAIL; EWOULDBLOCK with LK_TIMELOCK; EINTR/ERESTART with LK_PCATCH
 * Sleeps: when the lock is held by others, without LK_NOWAIT. Counterpart: lockmgr(9).
 */
export function* lockmgr(lk: Lock, flags: number): Blocking<Errno | null> {
  switch (flags & LK_TYPE_MASK) {
    case LK_RELEASE:
      lockRelease(lk);
      return null;
    case LK_DOWNGRADE:
      KASSERT(lk.excl === 1 && lk.owner === gd.lwkt.cur, 'lockmgr: ' + lk.wmesg + ': downgrade without the lock');
      lk.excl = 0;
      lk.owner = null;
      lk.count = 1;
      wakeup(lk.q);
      return null;
    case LK_SHARED:
    case LK_EXCLUSIVE: {
      if (lockTry(lk, flags) === null) return null;
      return yield* lockSleep(lk, flags);
    }
    case LK_UPGRADE:
    case LK_EXCLUPGRADE: {
      if (lk.excl > 0) {
        KASSERT(lk.owner === gd.lwkt.cur, 'lockmgr: ' + lk.wmesg + ': upgrade of a foreign lock');
        return null;
      }
      KASSERT(lk.count > 0, 'lockmgr: ' + lk.wmesg + ': upgrade without the lock');
      if (lk.upgrading) {
        lockRelease(lk);
        if ((flags & LK_TYPE_MASK) === LK_EXCLUPGRADE || (flags & LK_NOWAIT) !== 0) return EBUSY;
        return yield* lockSleep(lk, (flags & ~LK_TYPE_MASK) | LK_EXCLUSIVE);
      }
      if (lk.count > 1 && (flags & LK_NOWAIT) !== 0) return EBUSY;
      lk.upgrading = true;
      lk.exclWaiting++;
      try {
        while (lk.count > 1) {
          const e = yield* tsleep(lk.q, lk.wmesg);
          if (e !== null) return e;
        }
      } finally {
        lk.upgrading = false;
        lk.exclWaiting--;
      }
      lk.count = 0;
      lk.excl = 1;
      lk.owner = gd.lwkt.cur;
      return null;
    }
    default:
      return EINVAL;
  }
}

function* lockSleep(lk: Lock, flags: number): Blocking<Errno | null> {
  if ((flags & LK_NOWAIT) !== 0) return EBUSY;
  const exclusive = (flags & LK_TYPE_MASK) === LK_EXCLUSIVE;
  const timeout = (flags & LK_TIMELOCK) !== 0 ? lk.timeoutNs : 0;
  if (exclusive) lk.exclWaiting++;
  let taken = false;
  try {
    // An upgrader keeps its shared hold while it waits, so a new exclusive locker cannot overtake it.
    while (lockTry(lk, flags) !== null) {
      const e = yield* tsleep(lk.q, lk.wmesg, (flags & LK_PCATCH) !== 0 ? PCATCH : 0, timeout);
      if (e !== null) return e;
      if ((flags & LK_SLEEPFAIL) !== 0) return ENOLCK;
    }
    taken = true;
    return null;
  } finally {
    if (exclusive) {
      lk.exclWaiting--;
      // Shared lockers that waited only for this writer may go on.
      if (!taken && lk.exclWaiting === 0) wakeup(lk.q);
    }
  }
}

/** LK_EXCLUSIVE when the current thread holds it so, LK_SHARED when someone holds it shared, -1 when another holds it exclusively, 0 free. */
export function lockstatus(lk: Lock): number {
  if (lk.excl > 0) return lk.owner === gd.lwkt.cur ? LK_EXCLUSIVE : -1;
  return lk.count > 0 ? LK_SHARED : 0;
}
