/**
 * Receiving IP packets of both families: check, options and extension headers, reassembly, delivery. Runs on the protocol thread.
 *
 * Counterpart: sys/netinet/ip_input.c, sys/netinet6/ip6_input.c
 */
import { gd } from '../sys/globaldata.js';
import { IFF_LOOPBACK, type Ifnet, ifaLocal, ifIsBroadcast } from '../net/if.js';
import { type Mbuf, madjFront, mfreem, mlength, mpullup, mtrim } from '../kern/uipc_mbuf.js';
import {
  addrIsAny,
  addrIsLoopback,
  addrIsMulticast,
  addrKey,
  addrWithZone,
  bufSum,
  type InAddr,
  IPPROTO_DSTOPTS,
  IPPROTO_FRAGMENT,
  IPPROTO_HOPOPTS,
  IPPROTO_ICMPV6,
  IPPROTO_NONE,
  IPPROTO_ROUTING,
  IPPROTO_TCP,
  IPPROTO_UDP,
} from './in.js';
import { Ctl, IpHdr } from './ip_proto.js';
import { reassemble } from './ip_reass.js';

const IP_MF = 0x2000;
const IP_OFFMASK = 0x1fff;

/** A packet of either family from `ifp`; takes `m`. */
export function ipInput(m: Mbuf, ifp: Ifnet): void {
  gd.ip.stat.received++;
  const p = mpullup(m, 20);
  if (p === null) {
    gd.ip.stat.badHeader++;
    return;
  }
  const v = p.data[p.off] >> 4;
  if (v === 4) input4(p, ifp);
  else if (v === 6) input6(p, ifp);
  else bad(p);
}

function bad(m: Mbuf | null): void {
  gd.ip.stat.badHeader++;
  mfreem(m);
}

const forUs = (dst: InAddr, ifp: Ifnet, hdr: IpHdr): boolean => {
  if (addrIsMulticast(dst)) {
    hdr.mcast = true;
    ifp.stats.imcasts++;
    return ifp.groups.has(addrKey(dst)) || (dst.length === 16 && (dst[1] & 15) === 1);
  }
  if (ifaLocal(dst) !== null) return true;
  hdr.bcast = ifIsBroadcast(ifp, dst);
  return hdr.bcast;
};

/** A loopback address on a wire is a lie. */
const spoofed = (src: InAddr, dst: InAddr, ifp: Ifnet): boolean =>
  (ifp.flags & IFF_LOOPBACK) === 0 && (addrIsLoopback(src) || addrIsLoopback(dst));

function input4(m0: Mbuf, ifp: Ifnet): void {
  const hlen = (m0.data[m0.off] & 15) << 2;
  const p = hlen < 20 ? null : mpullup(m0, hlen);
  if (p === null) {
    if (hlen < 20) bad(m0);
    else gd.ip.stat.badHeader++;
    return;
  }
  const raw = p.data.slice(p.off, p.off + hlen);
  const v = new DataView(raw.buffer);
  const len = v.getUint16(2, false);
  if (bufSum(raw, 0, hlen) !== 0xffff) {
    gd.ip.stat.badSum++;
    mfreem(p);
    return;
  }
  const have = mlength(p);
  if (len < hlen || have < len) return bad(p);
  if (have > len) mtrim(p, len);
  const src = raw.slice(12, 16);
  const hdr = new IpHdr(raw, src, raw.slice(16, 20), raw[9]);
  hdr.ttl = raw[8];
  hdr.tos = raw[1];
  hdr.csumOk = ifp.csumOffload && !addrIsMulticast(hdr.dst);
  if (spoofed(src, hdr.dst, ifp) || addrIsMulticast(src) || !optionsOk(raw)) return bad(p);
  if (!forUs(hdr.dst, ifp, hdr)) {
    gd.ip.stat.notForUs++;
    mfreem(p);
    return;
  }
  let m = madjFront(p, hlen);
  const off = v.getUint16(6, false);
  if ((off & (IP_MF | IP_OFFMASK)) !== 0) {
    if (m === null) return;
    const key = addrKey(src) + addrKey(hdr.dst) + String.fromCharCode(v.getUint16(4, false), hdr.proto);
    m = reassemble(key, m, (off & IP_OFFMASK) << 3, (off & IP_MF) !== 0);
    if (m === null) return;
    v.setUint16(2, hlen + mlength(m), false);
    v.setUint16(6, 0, false);
  }
  deliver(m, ifp, hdr, false);
}

const IPOPT_EOL = 0;
const IPOPT_NOP = 1;
const IPOPT_LSRR = 131;
const IPOPT_SSRR = 137;

/** Are the options well formed, and without a source route (net.inet.ip.accept_sourceroute is off)? */
function optionsOk(raw: Uint8Array): boolean {
  for (let o = 20; o < raw.length;) {
    if (raw[o] === IPOPT_EOL) return true;
    if (raw[o] === IPOPT_NOP) {
      o++;
      continue;
    }
    if (o + 1 >= raw.length || raw[o + 1] < 2 || o + raw[o + 1] > raw.length) return false;
    if (raw[o] === IPOPT_LSRR || raw[o] === IPOPT_SSRR) return false;
    o += raw[o + 1];
  }
  return true;
}

function deliver(m: Mbuf | null, ifp: Ifnet, hdr: IpHdr, v6: boolean): void {
  const table = v6 ? gd.ip.v6 : gd.ip.v4;
  const p = table.get(hdr.proto);
  // A protocol is given at least an empty mbuf's worth: a payload of none is for nobody.
  if (m === null) return;
  const raw = hdr.proto !== IPPROTO_TCP && hdr.proto !== IPPROTO_UDP && (gd.ip.raw?.(m, hdr, ifp) ?? false);
  if (p === undefined) {
    if (raw) return mfreem(m);
    gd.ip.stat.noProto++;
    if (gd.ip.error !== null && !hdr.bcast && !hdr.mcast) gd.ip.error(Ctl.UNREACH_PROTO, hdr, m, ifp, 0);
    else mfreem(m);
    return;
  }
  p.input(m, hdr.src, hdr.dst, ifp, hdr);
}

function input6(m0: Mbuf, ifp: Ifnet): void {
  const p = mpullup(m0, 40);
  if (p === null) {
    gd.ip.stat.badHeader++;
    return;
  }
  let raw = p.data.slice(p.off, p.off + 40);
  const plen = (raw[4] << 8) | raw[5];
  const have = mlength(p) - 40;
  if (have < plen) return bad(p);
  if (have > plen) mtrim(p, 40 + plen);
  const zone = ifp.index;
  const src = addrWithZone(raw.slice(8, 24), zone);
  const dst = addrWithZone(raw.slice(24, 40), zone);
  const hdr = new IpHdr(raw, src, dst, raw[6]);
  if (spoofed(src, dst, ifp) || addrIsMulticast(src) || addrIsAny(dst)) return bad(p);
  if (!forUs(dst, ifp, hdr)) {
    gd.ip.stat.notForUs++;
    mfreem(p);
    return;
  }
  let m = madjFront(p, 40);
  let next = raw[6];
  let first = true;
  while (m !== null) {
    if (next === IPPROTO_NONE) return mfreem(m);
    const ext =
      next === IPPROTO_HOPOPTS || next === IPPROTO_DSTOPTS || next === IPPROTO_ROUTING || next === IPPROTO_FRAGMENT;
    if (!ext) break;
    // Hop-by-hop options may only come first (RFC 8200 4.1).
    if (next === IPPROTO_HOPOPTS && !first) return bad(m);
    first = false;
    let q: Mbuf | null = mpullup(m, 8);
    const size = q === null ? 0 : next === IPPROTO_FRAGMENT ? 8 : (q.data[q.off + 1] + 1) * 8;
    if (q !== null) q = mpullup(q, size);
    if (q === null) {
      gd.ip.stat.badHeader++;
      return;
    }
    const e: Uint8Array = q.data.slice(q.off, q.off + size);
    m = madjFront(q, size);
    if (next === IPPROTO_FRAGMENT) {
      const ev = new DataView(e.buffer);
      const off = ev.getUint16(2, false);
      next = e[0];
      if ((off & 0xfff9) !== 0) {
        if (m === null) return;
        const key = addrKey(src) + addrKey(dst) + String.fromCharCode(ev.getUint16(4, false), ev.getUint16(6, false));
        m = reassemble(key, m, off & 0xfff8, (off & 1) !== 0);
      }
      continue;
    }
    // A routing header that wants us to send it on is not followed (RFC 5095).
    if ((next === IPPROTO_ROUTING && e[3] !== 0) || (next !== IPPROTO_ROUTING && !options6Ok(e))) return bad(m);
    const longer = new Uint8Array(raw.length + size);
    longer.set(raw);
    longer.set(e, raw.length);
    raw = longer;
    next = e[0];
  }
  const h = new IpHdr(raw, src, dst, next);
  h.ttl = raw[7];
  h.tos = ((raw[0] & 15) << 4) | (raw[1] >> 4);
  h.flow = ((raw[1] & 15) << 16) | (raw[2] << 8) | raw[3];
  h.mcast = hdr.mcast;
  h.csumOk = ifp.csumOffload && !h.mcast && next !== IPPROTO_ICMPV6;
  deliver(m, ifp, h, true);
}

/** Walk options: unknown ones whose type says so (top bits not 00) drop the packet. */
function options6Ok(e: Uint8Array): boolean {
  for (let o = 2; o < e.length;) {
    if (e[o] === 0) {
      o++;
      continue;
    }
    if (o + 1 >= e.length || o + 2 + e[o + 1] > e.length) return false;
    const known = e[o] === 1 || e[o] === 5;
    if (!known && e[o] >> 6 !== 0) return false;
    o += 2 + e[o + 1];
  }
  return true;
}
