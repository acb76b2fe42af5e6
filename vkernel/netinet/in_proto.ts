/**
 * Bring the network up: interfaces, routes, the protocol thread, IP and what is above it.
 *
 * Counterpart: sys/netinet/in_proto.c, sys/netinet6/in6_proto.c
 */
import { gd } from '../sys/globaldata.js';
import { ifInit } from '../net/if.js';
import { loopInit } from '../net/if_loop.js';
import { netisrInit } from '../net/netisr.js';
import { routeInit } from '../net/route.js';
import { IpGlobal } from './ip_proto.js';
import { icmpInit } from './ip_icmp.js';
import { rawInit } from './raw_ip.js';
import { udpInit } from './udp_usrreq.js';
import { reassInit } from './ip_reass.js';
import { tcpBoot } from './tcp_usrreq.js';

export function netInit(): void {
  ifInit();
  routeInit();
  netisrInit();
  gd.ip = new IpGlobal();
  reassInit();
  loopInit();
  tcpBoot();
  icmpInit();
  udpInit();
  rawInit();
}
