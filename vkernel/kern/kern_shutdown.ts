/**
 * panic and KASSERT: what is thrown in the kernel stops it.
 *
 * `panic` says why on the console and throws; nobody in the kernel catches it. Whoever runs the machine's handlers sees the
 * exception, and ends the run with StopCode `panic`. Input from disk, wire or guest is never asserted.
 *
 * Counterpart: sys/kern/kern_shutdown.c
 */
import { gd } from '../sys/globaldata.js';
import { kprintf } from './subr_prf.js';

declare module '../sys/globaldata.js' {
  interface GlobalData {
    /** The kernel debugger looks at a panic before it is thrown; undefined until there is one. */
    panicHook?: ((message: string) => void) | null;
  }
}

export class KernelPanic extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'KernelPanic';
  }
}

export function panic(msg: string): never {
  kprintf('panic: %s\n', msg);
  if ((gd as unknown) !== null) gd.panicHook?.(msg);
  // The inspector stops here when one is attached ("pause on exceptions").
  throw new KernelPanic(msg);
}

export function KASSERT(cond: boolean, msg: string): asserts cond {
  if (!cond) panic(msg);
}
