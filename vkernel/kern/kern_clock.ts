/**
 * Clock frequencies as programs see them, and CPU time totals. Nothing here ticks: an idle kernel uses no CPU.
 *
 * Counterpart: sys/kern/kern_clock.c
 */
import { gd } from '../sys/globaldata.js';
import { uschedCharge } from './usched.js';

/** Frequencies told to programs (kern.clockrate); nothing runs at these rates. */
export const HZ = 100;
export const STATHZ = 128;
/** Fixed-point scale of vm.loadavg. */
export const FSCALE = 2048;

export { loadAverages } from './usched.js';

/** CPU time of the whole system since boot in ns: user, nice, sys, intr, idle. Estimates; see usched.ts. */
export function cpTimes(): readonly [number, number, number, number, number] {
  const u = gd.usched;
  for (const l of u.running) if (l !== null) uschedCharge(l);
  const user = Math.max(0, u.userNs);
  const nice = Math.max(0, u.niceNs);
  const sys = Math.max(0, u.sysNs) + gd.lwkt.busyNs;
  const idle = Math.max(0, u.ncpus * gd.machine.now() - user - nice - sys);
  return [user, nice, sys, 0, idle];
}
