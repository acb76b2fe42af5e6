/**
 * Light weight kernel threads: generators with fixed priorities on per-CPU run queues, tsleep and wakeup.
 *
 * A thread is a generator that yields when it sleeps; the scheduler calls next() when it may go on. A wake-up is only
 * a hint: look again after each `yield*`. The wait queue is in the object that is waited for.
 *
 * Counterpart: sys/kern/lwkt_thread.c, kern_synch.c
 */
import type { Blocking } from '../sys/blocking.js';
import type { Errno } from '../sys/errno.js';

/** Threads waiting for one thing. FIFO. */
export class WaitQ {
  head: LwktThread | null = null;
  tail: LwktThread | null = null;
}

/** Kernel thread priorities, DragonFly's TDPRI_*; higher runs first; 0..31. */
export const TDPRI_IDLE_THREAD = 0;
export const TDPRI_USER_NORM = 6;
export const TDPRI_KERN_USER = 12;
export const TDPRI_KERN_DAEMON = 14;
export const TDPRI_SOFT_NORM = 20;
export const TDPRI_INT_MED = 28;
export const TDPRI_MAX = 31;

/** tsleep flag: a signal ends the sleep with EINTR or ERESTART. */
export const PCATCH = 0x100;

export interface LwktThread {
  readonly id: number;
  readonly name: string;
  /** What it sleeps on, for ps and ddb; '' when it does not sleep. */
  wmesg: string;
  /** Asked by tsleep with PCATCH before sleeping: an errno when a signal is already pending. */
  sigCheck: (() => Errno | null) | null;
}
export type { Blocking };
