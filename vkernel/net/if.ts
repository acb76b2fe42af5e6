/**
 * Network interfaces and their addresses.
 *
 * An Ifnet is made by its driver and attached with ifAttach; from then on it has an index. Its `output` takes whole IP packets
 * and the address of the next hop; what arrives goes to netisrQueue.
 *
 * Counterpart: sys/net/if.c, if_var.h
 */
import { EADDRNOTAVAIL, type Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import { type InAddr, addrEq, addrIsAny, addrKey, isV6, maskOf } from '../netinet/in.js';
import type { Mbuf } from '../kern/uipc_mbuf.js';

export const IFNAMSIZ = 16;

export const IFF_UP = 0x1;
export const IFF_BROADCAST = 0x2;
export const IFF_DEBUG = 0x4;
export const IFF_LOOPBACK = 0x8;
export const IFF_POINTOPOINT = 0x10;
export const IFF_RUNNING = 0x40;
export const IFF_NOARP = 0x80;
export const IFF_PROMISC = 0x100;
export const IFF_ALLMULTI = 0x200;
export const IFF_OACTIVE = 0x400;
export const IFF_SIMPLEX = 0x800;
export const IFF_MULTICAST = 0x8000;
export const IFF_CANTCHANGE = 0x318e72;

export const IFT_ETHER = 6;
export const IFT_LOOP = 24;

export class Ifaddr {
  readonly mask: InAddr;
  constructor(
    readonly ifp: Ifnet,
    readonly addr: InAddr,
    readonly plen: number,
    /** Broadcast address, or the other end of a point-to-point link. */
    public dst: InAddr | null,
  ) {
    this.mask = maskOf(plen, isV6(addr));
  }
}

/** Packets and bytes, as if_data shows them. */
export class IfStats {
  ipackets = 0;
  ierrors = 0;
  opackets = 0;
  oerrors = 0;
  ibytes = 0;
  obytes = 0;
  imcasts = 0;
  omcasts = 0;
  iqdrops = 0;
  oqdrops = 0;
  noproto = 0;
}

export abstract class Ifnet {
  index = 0;
  flags = 0;
  metric = 0;
  lladdr: Uint8Array | null = null;
  hdrlen = 0;
  baudrate = 0;
  readonly stats = new IfStats();
  readonly addrs: Ifaddr[] = [];
  /** Multicast groups by addrKey, with the number of members here. */
  readonly groups = new Map<string, number>();
  /** ns of machine.now(). */
  lastChangeNs = 0;
  /** Packets that come from here need no look at their checksums, and none has to be made for those that go there. */
  csumOffload = false;
  constructor(
    readonly name: string,
    readonly unit: number,
    readonly type: number,
    public mtu: number,
  ) {}
  get xname(): string {
    return this.name + String(this.unit);
  }
  /** Send an IP packet to `nexthop`, which is on this link (or is a broadcast or multicast address). Takes `m`. */
  abstract output(m: Mbuf, nexthop: InAddr): Errno | null;
  /** Flags, MTU, groups or addresses have changed. */
  changed(): void {}
}

/** What happens to interfaces, addresses and routes, for the routing socket. */
export interface NetEvents {
  ifInfo(ifp: Ifnet): void;
  ifAnnounce(ifp: Ifnet, arrived: boolean): void;
  addr(ifa: Ifaddr, added: boolean): void;
}

export class NetGlobal {
  /** By index; [0] is never used, an index of a gone interface is null. */
  readonly ifs: (Ifnet | null)[] = [null];
  /** Own addresses by addrKey. */
  readonly local = new Map<string, Ifaddr>();
  events: NetEvents | null = null;
}

declare module '../sys/globaldata.js' {
  interface GlobalData {
    net: NetGlobal;
  }
}

export function ifInit(): void {
  gd.net = new NetGlobal();
}

export function ifAttach(ifp: Ifnet): void {
  ifp.index = gd.net.ifs.length;
  gd.net.ifs.push(ifp);
  ifp.lastChangeNs = gd.machine.now();
  gd.net.events?.ifAnnounce(ifp, true);
}

export function* ifList(): Generator<Ifnet> {
  for (const ifp of gd.net.ifs) if (ifp !== null) yield ifp;
}
export const ifByIndex = (n: number): Ifnet | null => gd.net.ifs[n] ?? null;
export const ifByName = (name: string): Ifnet | null => gd.net.ifs.find((i) => i !== null && i.xname === name) ?? null;
/** The loopback interface, which is the first. */
export const loif = (): Ifnet => gd.net.ifs[1] as Ifnet;

/** The own address that equals `a`. */
export const ifaLocal = (a: InAddr): Ifaddr | null => gd.net.local.get(addrKey(a)) ?? null;

/** Is `a` a broadcast address of `ifp`: all ones, or all ones or zeros in the host part of a network of it? */
export function ifIsBroadcast(ifp: Ifnet, a: InAddr): boolean {
  if (a.length !== 4) return false;
  if (a[0] === 255 && a[1] === 255 && a[2] === 255 && a[3] === 255) return true;
  if ((ifp.flags & IFF_BROADCAST) === 0) return false;
  return ifp.addrs.some(
    (x) =>
      x.addr.length === 4 &&
      x.plen < 31 &&
      ((x.dst !== null && addrEq(x.dst, a)) ||
        addrEq(
          a,
          x.addr.map((b, i) => b & x.mask[i]),
        )),
  );
}

/** Count a member of `group` in or out. EADDRNOTAVAIL: there was none. */
export function ifAddmulti(ifp: Ifnet, group: InAddr): void {
  const k = addrKey(group);
  const n = ifp.groups.get(k) ?? 0;
  ifp.groups.set(k, n + 1);
  if (n === 0) ifp.changed();
}
export function ifDelmulti(ifp: Ifnet, group: InAddr): Errno | null {
  const k = addrKey(group);
  const n = ifp.groups.get(k) ?? 0;
  if (n === 0) return EADDRNOTAVAIL;
  if (n > 1) ifp.groups.set(k, n - 1);
  else {
    ifp.groups.delete(k);
    ifp.changed();
  }
  return null;
}

/** The first address of `ifp` that suits `dst`: the same family, and for IPv6 the scope and the longest common prefix. */
export function ifaFor(ifp: Ifnet, dst: InAddr): Ifaddr | null {
  let best: Ifaddr | null = null;
  let score = -1;
  for (const x of ifp.addrs) {
    if (x.addr.length !== dst.length || addrIsAny(x.addr)) continue;
    let n = 0;
    while (n < dst.length * 8 && ((x.addr[n >> 3] ^ dst[n >> 3]) & (0x80 >> (n & 7))) === 0) n++;
    if (x.addr.length === 4) n = n >= x.plen ? 32 : 0;
    if (n > score) {
      best = x;
      score = n;
    }
  }
  return best;
}
