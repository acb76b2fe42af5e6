/**
 * lo0: what is sent comes back, by way of the protocol thread's queue.
 *
 * Counterpart: sys/net/if_loop.c
 */
import { type Errno, ENETDOWN } from '../sys/errno.js';
import { ipInput } from '../netinet/ip_input.js';
import { IN6ADDR_LOOPBACK, INADDR_LOOPBACK, type InAddr } from '../netinet/in.js';
import { type Mbuf, mfreem, mlength } from '../kern/uipc_mbuf.js';
import { IFF_LOOPBACK, IFF_MULTICAST, IFF_RUNNING, IFF_UP, Ifaddr, ifAttach, Ifnet, IFT_LOOP } from './if.js';
import { netisrQueue } from './netisr.js';
import { ifaAdd } from './route.js';

const LOMTU = 16384;

class Loop extends Ifnet {
  constructor() {
    super('lo', 0, IFT_LOOP, LOMTU);
    this.flags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK | IFF_MULTICAST;
    this.csumOffload = true;
  }
  output(m: Mbuf, _nexthop: InAddr): Errno | null {
    if ((this.flags & IFF_UP) === 0) {
      mfreem(m);
      return ENETDOWN;
    }
    const n = mlength(m);
    this.stats.opackets++;
    this.stats.obytes += n;
    this.stats.ipackets++;
    this.stats.ibytes += n;
    netisrQueue(ipInput, m, this);
    return null;
  }
}

/** Attach lo0 and configure it: `vkernel run` has no rc that would. */
export function loopInit(): void {
  const lo = new Loop();
  ifAttach(lo);
  ifaAdd(new Ifaddr(lo, INADDR_LOOPBACK, 8, null));
  ifaAdd(new Ifaddr(lo, IN6ADDR_LOOPBACK, 128, null));
}
