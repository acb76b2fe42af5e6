/**
 * umtx_sleep and umtx_wakeup: user mutexes by physical address (dragonfly-abi.md 3.6).
 *
 * The wait channel is the physical location of the word, so processes that share the page meet. The word is read
 * after the waiter is queued; between the read and the sleep nothing else runs, so no wake-up is lost.
 *
 * Counterpart: sys/kern/kern_umtx.c
 */
import { Prot } from '../machine/machine.js';
import type { Blocking } from '../sys/blocking.js';
import { EBUSY, EFAULT, EINTR, EINVAL, ERESTART, EWOULDBLOCK, Errno, NOTNOW } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import type { SyscallImpls } from '../sys/syscall.js';
import { vmFault } from '../vm/vm_fault.js';
import { physical } from '../vm/vm_user.js';
import { PCATCH, WaitQ, tsleep, wakeup, wakeupOne } from './lwkt_thread.js';
import type { Lwp, Proc } from './proc.js';

/** Sleepers without a timeout come back with EWOULDBLOCK this often, as the real kernel's do. */
const FAILSAFE_NS = 2e9;

interface UmtxQ extends WaitQ {
  waiters: number;
  /** Processes with a waiter here, for wake-ups at fork. */
  procs: Set<Proc>;
}

declare module '../sys/globaldata.js' {
  interface GlobalData {
    umtx: Map<number, UmtxQ>;
  }
}

export function umtxInit(): void {
  gd.umtx = new Map();
}

const word = (pa: number): number =>
  gd.machine.ram.views[gd.machine.ram.seg(pa)].getInt32(gd.machine.ram.segOff(pa), true);

/** The part of umtx_sleep that never sleeps: everything but the wait. NOTNOW: go and wait. */
function tryUmtxSleep(lwp: Lwp, a: Float64Array): number | Errno {
  if (a[2] < 0) return EINVAL;
  if (a[0] % 4 !== 0) return EFAULT;
  const pa = physical(lwp.proc.vm, a[0], Prot.WRITE);
  if (pa === NOTNOW) return NOTNOW;
  if (pa instanceof Errno) return EINVAL;
  return word(pa) === a[1] ? NOTNOW : EBUSY;
}

function* sysUmtxSleep(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const [uva, value, timeoutUs] = a;
  if (timeoutUs < 0) return EINVAL;
  if (uva % 4 !== 0) return EFAULT;
  let pa = physical(lwp.proc.vm, uva, Prot.WRITE);
  while (pa === NOTNOW) {
    if ((yield* vmFault(lwp.proc.vm, uva, Prot.WRITE)) !== null) return EINVAL;
    pa = physical(lwp.proc.vm, uva, Prot.WRITE);
  }
  if (pa instanceof Errno) return EINVAL;
  if (word(pa) !== value) return EBUSY;
  let q = gd.umtx.get(pa);
  if (q === undefined) {
    q = Object.assign(new WaitQ(), { waiters: 0, procs: new Set<Proc>() });
    gd.umtx.set(pa, q);
  }
  q.waiters++;
  q.procs.add(lwp.proc);
  const e = yield* tsleep(q, 'umtxsl', PCATCH, timeoutUs === 0 ? FAILSAFE_NS : timeoutUs * 1000);
  if (--q.waiters === 0 && gd.umtx.get(pa) === q) gd.umtx.delete(pa);
  if (e === null) return 0;
  if (e === ERESTART) return EINTR;
  return e === EWOULDBLOCK ? EWOULDBLOCK : EINTR;
}

function tryUmtxWakeup(lwp: Lwp, a: Float64Array): number | Errno {
  if (a[0] % 4 !== 0) return EFAULT;
  const pa = physical(lwp.proc.vm, a[0], Prot.READ);
  if (pa === NOTNOW) return NOTNOW;
  if (pa instanceof Errno) return EINVAL;
  const q = gd.umtx.get(pa);
  if (q !== undefined) {
    if (a[1] === 1) wakeupOne(q);
    else wakeup(q);
  }
  return 0;
}

function* sysUmtxWakeup(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const e = yield* vmFault(lwp.proc.vm, a[0], Prot.READ);
  return e === null ? tryUmtxWakeup(lwp, a) : EINVAL;
}

/** A fork makes pages copy-on-write: sleepers of `p` would wait on the wrong page, so they all wake. */
export function umtxWakeAll(p: Proc): void {
  for (const q of gd.umtx.values()) if (q.procs.has(p)) wakeup(q);
}

/** `p` is gone. */
export function umtxForget(p: Proc): void {
  for (const q of gd.umtx.values()) q.procs.delete(p);
}

export const umtxSyscalls: SyscallImpls = {
  umtx_sleep: { try: tryUmtxSleep, block: sysUmtxSleep },
  umtx_wakeup: { try: tryUmtxWakeup, block: sysUmtxWakeup },
};
