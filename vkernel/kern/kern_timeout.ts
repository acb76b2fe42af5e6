/**
 * Callouts: functions to be called at a time of the machine's clock.
 *
 * A binary heap ordered by (time, sequence number), so equal times fire in the order they were armed. Callout functions run from
 * lwktDispatch, outside any thread, and must not sleep; to do more, wake a thread.
 *
 * Counterpart: sys/kern/kern_timeout.c
 */
import { gd } from '../sys/globaldata.js';
import { Heap, type HeapItem } from '../sys/heap.js';

declare module '../sys/globaldata.js' {
  interface GlobalData {
    callouts: CalloutQ;
  }
}

export class Callout implements HeapItem {
  heapIdx = -1;
  /** Absolute time in ns of machine.now(). */
  timeNs = 0;
  seq = 0;
  constructor(public fn: () => void = () => {}) {}
  get active(): boolean {
    return this.heapIdx >= 0;
  }
}

export class CalloutQ {
  readonly heap = new Heap<Callout>((x, y) => x.timeNs < y.timeNs || (x.timeNs === y.timeNs && x.seq < y.seq));
  seq = 0;
}

export function calloutInit(): void {
  gd.callouts = new CalloutQ();
}

/** Arm `c` to fire `ns` from now (at the next dispatch when not positive), replacing any earlier arming. */
export function calloutReset(c: Callout, ns: number, fn?: () => void): void {
  calloutResetAt(c, gd.machine.now() + Math.max(0, ns), fn);
}

/** The same at an absolute time of machine.now(). */
export function calloutResetAt(c: Callout, timeNs: number, fn?: () => void): void {
  const q = gd.callouts;
  q.heap.remove(c);
  if (fn !== undefined) c.fn = fn;
  c.timeNs = timeNs;
  c.seq = q.seq++;
  q.heap.insert(c);
}

/** Disarm; true when it was armed. */
export function calloutStop(c: Callout): boolean {
  return gd.callouts.heap.remove(c);
}

/** Fire what is due. A callout armed by a firing one for the same moment waits for the next call. */
export function softclock(): void {
  const { heap, seq } = gd.callouts;
  if (heap.size === 0) return;
  const now = gd.machine.now();
  for (let c = heap.top(); c !== null && c.timeNs <= now && c.seq < seq; c = heap.top()) {
    heap.remove(c);
    c.fn();
  }
}

/** Time of the first armed callout, or Infinity. */
export function calloutNextNs(): number {
  const c = gd.callouts.heap.top();
  return c === null ? Infinity : c.timeNs;
}
