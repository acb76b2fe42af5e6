/**
 * Options of Internet sockets at levels IPPROTO_IP and IPPROTO_IPV6, shared by all protocols.
 *
 * Counterpart: sys/netinet/ip_output.c (ip_ctloutput), sys/netinet6/ip6_output.c
 */
import { EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENOPROTOOPT, ENXIO, Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import { ifAddmulti, ifByIndex, ifDelmulti, ifaLocal, type Ifnet } from '../net/if.js';
import { addrEq, addrIsAny, addrIsMulticast, addrWithZone, type InAddr, IPPROTO_IP, IPPROTO_IPV6 } from './in.js';
import {
  type Inpcb,
  INP_DONTFRAG,
  INP_HIGHPORT,
  INP_LOWPORT,
  INP_RECVDSTADDR,
  INP_RECVPKTINFO,
  INP_RECVTTL,
  Moptions,
} from './in_pcb.js';
import { ifForGroup } from './ip_output.js';

interface Opt {
  get(i: Inpcb): number | Uint8Array;
  set(i: Inpcb, v: number, b: Uint8Array): Errno | null;
}
const mo = (i: Inpcb): Moptions => (i.moptions ??= new Moptions());
const flag = (bit: number): Opt => ({
  get: (i) => ((i.flags & bit) !== 0 ? 1 : 0),
  set(i, v) {
    i.flags = v !== 0 ? i.flags | bit : i.flags & ~bit;
    return null;
  },
});
/** A number in [lo, hi] with a place to keep it. */
const num = (lo: number, hi: number, get: (i: Inpcb) => number, put: (i: Inpcb, v: number) => void): Opt => ({
  get,
  set(i, v) {
    if (v < lo || v > hi) return EINVAL;
    put(i, v);
    return null;
  },
});
const portRange = num(
  0,
  2,
  (i) => ((i.flags & INP_HIGHPORT) !== 0 ? 1 : (i.flags & INP_LOWPORT) !== 0 ? 2 : 0),
  (i, v) =>
    (i.flags = (i.flags & ~(INP_HIGHPORT | INP_LOWPORT)) | (v === 1 ? INP_HIGHPORT : v === 2 ? INP_LOWPORT : 0)),
);

/** Interface of an ip_mreq, ip_mreqn or ipv6_mreq. */
function mreqIf(i: Inpcb, b: Uint8Array, group: InAddr): Ifnet | Errno {
  const v = new DataView(b.buffer, b.byteOffset, b.length);
  const index = i.v6 ? v.getUint32(16, true) : b.length >= 12 ? v.getInt32(8, true) : 0;
  if (index !== 0) return ifByIndex(index) ?? ENXIO;
  if (!i.v6 && !addrIsAny(b.subarray(4, 8))) return ifaLocal(b.slice(4, 8))?.ifp ?? EADDRNOTAVAIL;
  return i.moptions?.ifp ?? ifForGroup(group) ?? EADDRNOTAVAIL;
}
const membership = (join: boolean): Opt => ({
  get: () => 0,
  set(i, _v, b) {
    if (b.length < (i.v6 ? 20 : 8)) return EINVAL;
    let group = b.slice(0, i.v6 ? 16 : 4);
    if (!addrIsMulticast(group)) return EINVAL;
    const ifp = mreqIf(i, b, group);
    if (ifp instanceof Errno) return ifp;
    group = addrWithZone(group, ifp.index) as Uint8Array<ArrayBuffer>;
    const { groups } = mo(i);
    const at = groups.findIndex((x) => x.ifp === ifp && addrEq(x.group, group));
    if (join) {
      if (at >= 0) return EADDRINUSE;
      groups.push({ group, ifp });
      ifAddmulti(ifp, group);
      return null;
    }
    if (at < 0) return EADDRNOTAVAIL;
    groups.splice(at, 1);
    return ifDelmulti(ifp, group);
  },
});
const multicastIf: Opt = {
  get: (i) =>
    i.v6
      ? (i.moptions?.ifp?.index ?? 0)
      : (i.moptions?.ifp?.addrs.find((a) => a.addr.length === 4)?.addr ?? new Uint8Array(4)),
  set(i, v, b) {
    const any = i.v6 ? v === 0 : addrIsAny(b.subarray(0, 4));
    const ifp = any ? null : i.v6 ? ifByIndex(v) : (ifaLocal(b.slice(0, 4))?.ifp ?? null);
    if (!any && ifp === null) return i.v6 ? ENXIO : EADDRNOTAVAIL;
    mo(i).ifp = ifp;
    return null;
  },
};
const multicastTtl = num(
  0,
  255,
  (i) => i.moptions?.ttl ?? 1,
  (i, v) => (mo(i).ttl = v),
);
const multicastLoop = num(
  0,
  1,
  (i) => (i.moptions?.loop === false ? 0 : 1),
  (i, v) => (mo(i).loop = v !== 0),
);
const tos = num(
  0,
  255,
  (i) => i.tos,
  (i, v) => (i.tos = v),
);

/** IP level: IP_OPTIONS 1, IP_TOS 3 ... (dragonfly-abi.md 4.6). */
const V4 = new Map<number, Opt>([
  [
    1,
    {
      get: (i) => i.options ?? new Uint8Array(0),
      set(i, _v, b) {
        if (b.length > 40) return EINVAL;
        const o = new Uint8Array((b.length + 3) & ~3);
        o.set(b);
        i.options = b.length === 0 ? null : o;
        return null;
      },
    },
  ],
  [3, tos],
  [
    4,
    num(
      0,
      255,
      (i) => (i.ttl !== 0 ? i.ttl : gd.ip.ttl),
      (i, v) => (i.ttl = v),
    ),
  ],
  [7, flag(INP_RECVDSTADDR)],
  [9, multicastIf],
  [10, multicastTtl],
  [11, multicastLoop],
  [12, membership(true)],
  [13, membership(false)],
  [19, portRange],
  [65, flag(INP_RECVTTL)],
  [
    66,
    num(
      0,
      255,
      (i) => i.minttl,
      (i, v) => (i.minttl = v),
    ),
  ],
]);
const V6 = new Map<number, Opt>([
  [
    4,
    num(
      -1,
      255,
      (i) => (i.ttl !== 0 ? i.ttl : gd.ip.ttl),
      (i, v) => (i.ttl = v < 0 ? 0 : v),
    ),
  ],
  [9, multicastIf],
  [
    10,
    num(
      -1,
      255,
      (i) => i.moptions?.ttl ?? 1,
      (i, v) => (mo(i).ttl = v < 0 ? 1 : v),
    ),
  ],
  [11, multicastLoop],
  [12, membership(true)],
  [13, membership(false)],
  [14, portRange],
  // Always so: sockets of one family never see the other.
  [27, { get: () => 1, set: (i, v) => (i.lport !== 0 || v < 0 || v > 1 ? EINVAL : null) }],
  [36, flag(INP_RECVPKTINFO)],
  [37, flag(INP_RECVTTL)],
  [
    61,
    num(
      -1,
      255,
      (i) => i.tos,
      (i, v) => (i.tos = Math.max(0, v)),
    ),
  ],
  [62, flag(INP_DONTFRAG)],
]);

/** getsockopt (`val` null) and setsockopt. ENOPROTOOPT, EINVAL, EADDRNOTAVAIL, EADDRINUSE, ENXIO. */
export function inCtloutput(i: Inpcb, level: number, name: number, val: Uint8Array | null): Uint8Array | Errno | null {
  const o = level === (i.v6 ? IPPROTO_IPV6 : IPPROTO_IP) ? (i.v6 ? V6 : V4).get(name) : undefined;
  if (o === undefined) return ENOPROTOOPT;
  if (val === null) {
    const r = o.get(i);
    return typeof r === 'number' ? new Uint8Array(Int32Array.of(r).buffer) : r;
  }
  const v = val.length >= 4 ? new DataView(val.buffer, val.byteOffset).getInt32(0, true) : val.length > 0 ? val[0] : 0;
  if (val.length === 0 && !(level === IPPROTO_IP && name === 1)) return EINVAL;
  return o.set(i, v, val);
}
