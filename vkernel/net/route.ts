/**
 * The routing table: longest prefix first, one table a family.
 *
 * Counterpart: sys/net/route.c, radix.c
 */
import { EEXIST, ESRCH, type Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import { type InAddr, addrKey, addrMasked, isV6, maskOf } from '../netinet/in.js';
import { ifaLocal, type Ifaddr, type Ifnet, loif } from './if.js';

export const RTF_UP = 0x1;
export const RTF_GATEWAY = 0x2;
export const RTF_HOST = 0x4;
export const RTF_REJECT = 0x8;
export const RTF_CLONING = 0x100;
export const RTF_STATIC = 0x800;
export const RTF_BLACKHOLE = 0x1000;
export const RTF_LOCAL = 0x200000;

export class Rtentry {
  use = 0;
  /** 0: the interface's. */
  mtu = 0;
  constructor(
    readonly dst: InAddr,
    readonly plen: number,
    public gateway: InAddr | null,
    public ifp: Ifnet,
    public ifa: Ifaddr | null,
    public flags: number,
  ) {}
}

/** Tables by prefix length; lengths in use, longest first. */
class RtTable {
  readonly byLen = new Map<number, Map<string, Rtentry>>();
  lens: number[] = [];
}

declare module '../sys/globaldata.js' {
  interface GlobalData {
    rt: { v4: RtTable; v6: RtTable };
  }
}

export function routeInit(): void {
  gd.rt = { v4: new RtTable(), v6: new RtTable() };
}
const tableOf = (v6: boolean): RtTable => (v6 ? gd.rt.v6 : gd.rt.v4);

/** EEXIST when the destination has a route. */
export function rtAdd(rt: Rtentry): Errno | null {
  const t = tableOf(isV6(rt.dst));
  let m = t.byLen.get(rt.plen);
  if (m === undefined) {
    t.byLen.set(rt.plen, (m = new Map<string, Rtentry>()));
    t.lens = [...t.byLen.keys()].sort((a, b) => b - a);
  }
  const k = addrKey(rt.dst);
  if (m.has(k)) return EEXIST;
  m.set(k, rt);
  return null;
}

/** ESRCH when there is none. */
export function rtDelete(dst: InAddr, plen: number): Rtentry | Errno {
  const t = tableOf(isV6(dst));
  const m = t.byLen.get(plen);
  const rt = m?.get(addrKey(dst));
  if (m === undefined || rt === undefined) return ESRCH;
  m.delete(addrKey(dst));
  if (m.size === 0) {
    t.byLen.delete(plen);
    t.lens = t.lens.filter((n) => n !== plen);
  }
  return rt;
}

/** The best route to `dst`, or null. Own addresses have host routes through lo0. */
export function rtLookup(dst: InAddr): Rtentry | null {
  const v6 = isV6(dst);
  const t = tableOf(v6);
  for (const plen of t.lens) {
    const k = plen === dst.length * 8 ? addrKey(dst) : addrKey(addrMasked(dst, maskOf(plen, v6)));
    const rt = t.byLen.get(plen)?.get(k);
    if (rt !== undefined) return rt;
  }
  return null;
}

export function* rtAll(v6: boolean): Generator<Rtentry> {
  for (const m of tableOf(v6).byLen.values()) yield* m.values();
}

/** Give `ifa` to its interface: an own address with a host route through lo0, and a route to its network. EEXIST. */
export function ifaAdd(ifa: Ifaddr): Errno | null {
  if (ifaLocal(ifa.addr) !== null) return EEXIST;
  const bits = ifa.addr.length * 8;
  gd.net.local.set(addrKey(ifa.addr), ifa);
  ifa.ifp.addrs.push(ifa);
  rtAdd(new Rtentry(ifa.addr, bits, null, loif(), ifa, RTF_UP | RTF_HOST | RTF_LOCAL));
  if (ifa.ifp !== loif() && ifa.plen < bits)
    rtAdd(new Rtentry(addrMasked(ifa.addr, ifa.mask), ifa.plen, null, ifa.ifp, ifa, RTF_UP | RTF_CLONING));
  ifa.ifp.changed();
  gd.net.events?.addr(ifa, true);
  return null;
}

export function ifaDelete(ifa: Ifaddr): void {
  const { addrs } = ifa.ifp;
  addrs.splice(addrs.indexOf(ifa), 1);
  gd.net.local.delete(addrKey(ifa.addr));
  for (const v6 of [false, true]) for (const rt of [...rtAll(v6)]) if (rt.ifa === ifa) rtDelete(rt.dst, rt.plen);
  ifa.ifp.changed();
  gd.net.events?.addr(ifa, false);
}
