/**
 * The protocol thread: packets wait in one queue, and a thread takes them through the protocols.
 *
 * Nothing that sends a packet comes back through input before it returns: lo0 only queues. DragonFly has a thread a CPU; one JavaScript
 * thread runs all of ours, so there is one.
 *
 * Counterpart: sys/net/netisr.c
 */
import type { Blocking } from '../sys/blocking.js';
import { gd } from '../sys/globaldata.js';
import { lwktCreate, lwktYield, TDPRI_SOFT_NORM, tsleep, WaitQ, wakeup } from '../kern/lwkt_thread.js';
import { type Mbuf, mfreem } from '../kern/uipc_mbuf.js';
import type { Ifnet } from './if.js';

export type NetisrFn = (m: Mbuf, ifp: Ifnet) => void;

const MAX_QUEUE = 4096;
/** Packets taken before others get a turn. */
const BATCH = 64;

class Netisr {
  fns: NetisrFn[] = [];
  ms: Mbuf[] = [];
  ifps: Ifnet[] = [];
  head = 0;
  drops = 0;
  idle = false;
  readonly q = new WaitQ();
}

declare module '../sys/globaldata.js' {
  interface GlobalData {
    netisr: Netisr;
  }
}

export function netisrInit(): void {
  gd.netisr = new Netisr();
  lwktCreate(netisrLoop, 'netisr 0', TDPRI_SOFT_NORM);
}

/** Give `m`, which came from `ifp`, to `fn` on the protocol thread. */
export function netisrQueue(fn: NetisrFn, m: Mbuf, ifp: Ifnet): void {
  const n = gd.netisr;
  if (n.ms.length - n.head >= MAX_QUEUE) {
    n.drops++;
    ifp.stats.iqdrops++;
    mfreem(m);
    return;
  }
  n.fns.push(fn);
  n.ms.push(m);
  n.ifps.push(ifp);
  if (n.idle) {
    n.idle = false;
    wakeup(n.q);
  }
}

function* netisrLoop(): Blocking<void> {
  const n = gd.netisr;
  for (;;) {
    for (let i = 0; i < BATCH && n.head < n.ms.length; i++) {
      const k = n.head++;
      n.fns[k](n.ms[k], n.ifps[k]);
    }
    if (n.head < n.ms.length) {
      if (n.head >= MAX_QUEUE) {
        n.fns.splice(0, n.head);
        n.ms.splice(0, n.head);
        n.ifps.splice(0, n.head);
        n.head = 0;
      }
      yield* lwktYield();
      continue;
    }
    n.fns.length = n.ms.length = n.ifps.length = n.head = 0;
    n.idle = true;
    yield* tsleep(n.q, 'netisr');
  }
}
