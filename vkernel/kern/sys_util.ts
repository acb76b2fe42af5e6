/**
 * Small tools for system call handlers.
 */
import type { Blocking } from '../sys/blocking.js';
import { EFAULT, type Errno, NOTNOW } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import type { SysBlock, SysTry } from '../sys/syscall.js';
import { vmFault } from '../vm/vm_fault.js';

/**
 * The blocking twin of a handler whose only reason for NOTNOW is user memory that is not resident: fault the page in
 * that copyin or copyout met, and run it again from the start. The handler must change nothing before its last copy.
 */
export function blockOf(f: SysTry): SysBlock {
  return function* (lwp, a): Blocking<number | Errno> {
    for (;;) {
      const r = f(lwp, a);
      if (r !== NOTNOW) return r;
      const e = yield* vmFault(lwp.proc.vm, gd.vm.notNowVa, gd.vm.notNowAccess);
      if (e !== null) return EFAULT;
    }
  };
}

/** A row for a handler that touches user memory and nothing else that could sleep. */
export const userCall = (f: SysTry): { try: SysTry; block: SysBlock } => ({ try: f, block: blockOf(f) });

/** Split ns since the epoch or boot into the two i64 of a timespec (`unit` 1) or timeval (`unit` 1000) at `o`. */
export function putTime(v: DataView, o: number, ns: bigint, unit: 1 | 1000): void {
  v.setBigInt64(o, ns / 1_000_000_000n, true);
  v.setBigInt64(o + 8, (ns % 1_000_000_000n) / BigInt(unit), true);
}

/** The same for a duration in ns as a number. */
export function putDuration(v: DataView, o: number, ns: number, unit: 1 | 1000): void {
  const sec = Math.floor(ns / 1e9);
  v.setUint32(o, sec % 0x1_0000_0000, true);
  v.setUint32(o + 4, sec / 0x1_0000_0000, true);
  v.setUint32(o + 8, Math.floor((ns - sec * 1e9) / unit), true);
  v.setUint32(o + 12, 0, true);
}
