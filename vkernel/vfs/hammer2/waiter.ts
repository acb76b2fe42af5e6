/**
 * What threads of the library wait on: a kernel's wait queue inside of an LWKT thread. Elsewhere (host tools, tests) the
 * turn is given up: whoever runs the generators comes back.
 */
import { tsleep, wakeup, WaitQ } from '../../kern/lwkt_thread.js';
import { gd } from '../../sys/globaldata.js';
import type { H2Waiter } from './api.js';

/** On hosts there is no kernel, in a kernel's host calls no thread. */
const inThread = (): boolean => ((gd as typeof gd | null)?.lwkt?.cur ?? null) !== null;

export function kernelWaiter(): H2Waiter {
  const q = new WaitQ();
  return {
    *sleep() {
      if (inThread()) yield* tsleep(q, 'h2sync');
      else yield;
    },
    wake() {
      if (q.head !== null) wakeup(q);
    },
  };
}
