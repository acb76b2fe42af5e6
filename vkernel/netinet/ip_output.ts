/**
 * Sending IP packets of both families: route, header, fragments.
 *
 * Counterpart: sys/netinet/ip_output.c, sys/netinet6/ip6_output.c
 */
import { EACCES, EADDRNOTAVAIL, EHOSTUNREACH, EMSGSIZE, ENETUNREACH, Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import {
  IFF_LOOPBACK,
  IFF_MULTICAST,
  IFF_UP,
  ifaFor,
  ifaLocal,
  ifByIndex,
  type Ifnet,
  ifIsBroadcast,
  ifList,
} from '../net/if.js';
import { netisrQueue } from '../net/netisr.js';
import { RTF_BLACKHOLE, RTF_REJECT, type Rtentry, rtLookup } from '../net/route.js';
import { type Mbuf, mcopym, mfreem, mget, mlength, mprepend, mpullup } from '../kern/uipc_mbuf.js';
import {
  addrHasZone,
  addrIsAny,
  addrIsLinkLocal,
  addrIsMulticast,
  addrKey,
  addrWithZone,
  addrZone,
  bufSum,
  type InAddr,
  inCksum,
  inPseudo,
  IPPROTO_FRAGMENT,
  IPPROTO_UDP,
  netRandom,
} from './in.js';
import { ipInput } from './ip_input.js';
import { IP_ALLOWBROADCAST, type IpOut } from './ip_proto.js';

const IP_MAXPACKET = 65535;
const V4_HDR = 20;
const V6_HDR = 40;
const FRAG6 = 8;
export const IP_DF = 0x4000;
export const IP_MF = 0x2000;
export const IPV6_MMTU = 1280;

/** The interface for a group when nobody names one: its route's, else the first that does multicast. */
export function ifForGroup(group: InAddr): Ifnet | null {
  if (addrHasZone(group) && addrZone(group) !== 0) return ifByIndex(addrZone(group));
  const rt = rtLookup(group);
  if (rt !== null) return rt.ifp;
  let lo: Ifnet | null = null;
  for (const i of ifList()) {
    if ((i.flags & (IFF_UP | IFF_MULTICAST)) !== (IFF_UP | IFF_MULTICAST)) continue;
    if ((i.flags & IFF_LOOPBACK) === 0) return i;
    lo = i;
  }
  return lo;
}

interface Hop {
  ifp: Ifnet;
  nexthop: InAddr;
  rt: Rtentry | null;
}

/** Where packets to `dst` go next. ENETUNREACH, EHOSTUNREACH, EADDRNOTAVAIL (no interface for a group). */
function hopFor(dst: InAddr, ifp: Ifnet | null): Hop | Errno {
  if (addrIsMulticast(dst)) {
    const i = ifp ?? ifForGroup(dst);
    return i === null ? EADDRNOTAVAIL : { ifp: i, nexthop: dst, rt: null };
  }
  if (ifp !== null && ifaLocal(dst) === null) return { ifp, nexthop: dst, rt: null };
  if (addrIsLinkLocal(dst) && ifaLocal(dst) === null) {
    const i = ifByIndex(addrZone(dst));
    return i === null ? EHOSTUNREACH : { ifp: i, nexthop: dst, rt: null };
  }
  const rt = rtLookup(dst);
  if (rt === null) return dst.length === 16 || dst[0] !== 255 ? ENETUNREACH : EADDRNOTAVAIL;
  if ((rt.flags & (RTF_REJECT | RTF_BLACKHOLE)) !== 0) return EHOSTUNREACH;
  return { ifp: rt.ifp, nexthop: rt.gateway ?? dst, rt };
}

/** The address that packets to `dst` come from. ENETUNREACH ..., EADDRNOTAVAIL: the interface has none. */
export function ipSourceFor(dst: InAddr, ifp: Ifnet | null = null): InAddr | Errno {
  const own = ifaLocal(dst);
  if (own !== null) return own.addr;
  const h = hopFor(dst, ifp);
  if (h instanceof Errno) return h;
  const ifa =
    h.rt?.ifa !== null && h.rt?.ifa?.ifp === h.ifp && h.rt.gateway === null ? h.rt.ifa : ifaFor(h.ifp, h.nexthop);
  return ifa === null ? EADDRNOTAVAIL : ifa.addr;
}

/** The largest packet (IP header included) to `dst` that needs no fragments, as far as is known. */
export function ipMtu(dst: InAddr): number {
  const h = hopFor(dst, null);
  if (h instanceof Errno) return dst.length === 16 ? IPV6_MMTU : 576;
  const link = h.rt !== null && h.rt.mtu !== 0 ? Math.min(h.rt.mtu, h.ifp.mtu) : h.ifp.mtu;
  return Math.min(link, gd.ip.pmtu.get(addrKey(dst)) ?? link);
}

/** Remember a path's MTU (ICMP said so); never below what the family promises, never up. */
export function ipSetPmtu(dst: InAddr, mtu: number): void {
  const m = Math.max(mtu, dst.length === 16 ? IPV6_MMTU : 296);
  if (m < ipMtu(dst)) gd.ip.pmtu.set(addrKey(dst), m);
}

/**
 * Send a transport's packet; takes `m`.
 *
 * @returns null, or EMSGSIZE (with df, or over 64 KB), EACCES (broadcast without leave), ENETUNREACH, EHOSTUNREACH, EADDRNOTAVAIL,
 *          ENOBUFS ... of the interface
 */
export function ipOutput(m: Mbuf, o: IpOut): Errno | null {
  const h = hopFor(o.dst, o.ifp ?? null);
  if (h instanceof Errno) {
    gd.ip.stat.noRoute++;
    mfreem(m);
    return h;
  }
  let src: InAddr | Errno = o.src;
  if (addrIsAny(src)) src = ipSourceFor(o.dst, o.ifp ?? null);
  if (src instanceof Errno) {
    mfreem(m);
    return src;
  }
  if (h.rt !== null) h.rt.use++;
  return o.dst.length === 16 ? send6(m, o, h, src) : send4(m, o, h, src);
}

/** Fill the transport's checksum in, for links that do not do without. The field's mbuf is the sender's own. */
function checksum(m: Mbuf, o: IpOut, src: InAddr, len: number, ifp: Ifnet): Mbuf {
  if (o.csumOff === undefined || (ifp.csumOffload && !addrIsMulticast(o.dst))) return m;
  const f = mpullup(m, o.csumOff + 2) ?? m;
  let c = inCksum(f, 0, len, inPseudo(src, o.dst, len, o.proto));
  if (c === 0 && o.proto === IPPROTO_UDP) c = 0xffff;
  f.data[f.off + o.csumOff] = c >> 8;
  f.data[f.off + o.csumOff + 1] = c & 255;
  return f;
}

function mtuOf(o: IpOut, h: Hop): number {
  if (h.rt === null) return h.ifp.mtu;
  const link = h.rt.mtu !== 0 ? Math.min(h.rt.mtu, h.ifp.mtu) : h.ifp.mtu;
  return gd.ip.pmtu.size === 0 ? link : Math.min(link, gd.ip.pmtu.get(addrKey(o.dst)) ?? link);
}

/** Hand a packet to the link, and a copy to ourselves where we belong to its group. */
function hand(m: Mbuf, o: IpOut, h: Hop): Errno | null {
  gd.ip.stat.sent++;
  if (addrIsMulticast(o.dst) && (h.ifp.flags & IFF_LOOPBACK) === 0) {
    h.ifp.stats.omcasts++;
    if (o.noloop !== true && h.ifp.groups.has(addrKey(addrWithZone(o.dst, h.ifp.index)))) {
      const c = mcopym(m, 0, mlength(m));
      if (c !== null) netisrQueue(ipInput, c, h.ifp);
    }
  }
  return h.ifp.output(m, h.nexthop);
}

function put4(
  b: Uint8Array,
  at: number,
  o: IpOut,
  src: InAddr,
  hlen: number,
  len: number,
  id: number,
  off: number,
): void {
  const ttl = o.ttl !== 0 ? o.ttl : addrIsMulticast(o.dst) ? 1 : gd.ip.ttl;
  b[at] = 0x40 | (hlen >> 2);
  b[at + 1] = o.tos;
  b[at + 2] = len >> 8;
  b[at + 3] = len & 255;
  b[at + 4] = (id >> 8) & 255;
  b[at + 5] = id & 255;
  b[at + 6] = off >> 8;
  b[at + 7] = off & 255;
  b[at + 8] = ttl;
  b[at + 9] = o.proto;
  b[at + 10] = 0;
  b[at + 11] = 0;
  b.set(src, at + 12);
  b.set(o.dst, at + 16);
  if (hlen > V4_HDR && o.options) b.set(o.options, at + V4_HDR);
  const c = ~bufSum(b, at, hlen) & 0xffff;
  b[at + 10] = c >> 8;
  b[at + 11] = c & 255;
}

function send4(m0: Mbuf, o: IpOut, h: Hop, src: InAddr): Errno | null {
  const plen = mlength(m0);
  const hlen = V4_HDR + (o.options?.length ?? 0);
  const mtu = mtuOf(o, h);
  const refuse = (e: Errno): Errno => {
    mfreem(m0);
    return e;
  };
  if (plen + hlen > IP_MAXPACKET) return refuse(EMSGSIZE);
  if (((o.flags ?? 0) & IP_ALLOWBROADCAST) === 0 && ifIsBroadcast(h.ifp, o.dst)) return refuse(EACCES);
  if (plen + hlen > mtu && o.df === true) return refuse(EMSGSIZE);
  let m = checksum(m0, o, src, plen, h.ifp);
  const id = (gd.ip.id = (gd.ip.id + 1 + (netRandom() & 7)) & 0xffff);
  if (plen + hlen <= mtu) {
    m = mprepend(m, hlen);
    put4(m.data, m.off, o, src, hlen, plen + hlen, id, o.df === true ? IP_DF : 0);
    return hand(m, o, h);
  }
  gd.ip.stat.fragmented++;
  return fragments(m, plen, (mtu - hlen) & ~7, (part, off, more) => {
    const f = mget(256);
    f.off = 64;
    f.len = hlen;
    f.next = part;
    put4(f.data, f.off, o, src, hlen, mlength(f), id, (off >> 3) | (more ? IP_MF : 0));
    return hand(f, o, h);
  });
}

/** Send `m` in pieces of `step` bytes; the first error ends it. */
function fragments(
  m: Mbuf,
  len: number,
  step: number,
  send: (part: Mbuf, off: number, more: boolean) => Errno | null,
): Errno | null {
  let e: Errno | null = step < 8 ? EMSGSIZE : null;
  for (let off = 0; off < len && e === null; off += step) {
    const part = mcopym(m, off, Math.min(step, len - off));
    if (part !== null) e = send(part, off, off + step < len);
  }
  mfreem(m);
  return e;
}

function put6(b: Uint8Array, at: number, o: IpOut, src: InAddr, plen: number, next: number): void {
  b[at] = 0x60 | (o.tos >> 4);
  b[at + 1] = (o.tos & 15) << 4;
  b[at + 2] = 0;
  b[at + 3] = 0;
  b[at + 4] = plen >> 8;
  b[at + 5] = plen & 255;
  b[at + 6] = next;
  b[at + 7] = o.ttl !== 0 ? o.ttl : addrIsMulticast(o.dst) ? 1 : gd.ip.ttl;
  b.set(addrWithZone(src, 0), at + 8);
  b.set(addrWithZone(o.dst, 0), at + 24);
}

function send6(m0: Mbuf, o: IpOut, h: Hop, src: InAddr): Errno | null {
  const plen = mlength(m0);
  const mtu = mtuOf(o, h);
  if (plen > IP_MAXPACKET || (plen + V6_HDR > mtu && o.df === true)) {
    mfreem(m0);
    return EMSGSIZE;
  }
  let m = checksum(m0, o, src, plen, h.ifp);
  if (plen + V6_HDR <= mtu) {
    m = mprepend(m, V6_HDR);
    put6(m.data, m.off, o, src, plen, o.proto);
    return hand(m, o, h);
  }
  gd.ip.stat.fragmented++;
  const id = netRandom();
  return fragments(m, plen, (mtu - V6_HDR - FRAG6) & ~7, (part, off, more) => {
    const f = mget(256);
    f.off = 64;
    f.len = V6_HDR + FRAG6;
    f.next = part;
    const n = mlength(part) + FRAG6;
    put6(f.data, f.off, o, src, n, IPPROTO_FRAGMENT);
    const v = new DataView(f.data.buffer, f.data.byteOffset + f.off + V6_HDR, FRAG6);
    v.setUint8(0, o.proto);
    v.setUint8(1, 0);
    v.setUint16(2, off | (more ? 1 : 0), false);
    v.setUint32(4, id, false);
    return hand(f, o, h);
  });
}
