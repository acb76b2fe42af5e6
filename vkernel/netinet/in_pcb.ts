/**
 * Protocol control blocks of Internet sockets: who has which addresses and ports.
 *
 * IPv4 and IPv6 sockets never meet (IPv4-mapped addresses are not supported), so a port is taken in each family on its own.
 * An Inpcb with a foreign address is in the hash of connections; one with only a local port is in its port's list of listeners.
 *
 * Counterpart: sys/netinet/in_pcb.c, sys/netinet6/in6_pcb.c
 */
import { EACCES, EADDRINUSE, EADDRNOTAVAIL, EINVAL, EISCONN, ENETUNREACH, ENOTCONN, Errno } from '../sys/errno.js';
import { SO_ACCEPTCONN, SO_REUSEADDR, SO_REUSEPORT } from '../sys/socket.js';
import { ifaLocal, type Ifnet, ifDelmulti } from '../net/if.js';
import { credIsSuper, type Lwp, type Ucred } from '../kern/proc.js';
import type { Socket } from '../kern/uipc_socket.js';
import {
  addrEq,
  addrHash,
  addrIsAny,
  addrIsBroadcast,
  addrIsMulticast,
  anyOf,
  IN6ADDR_LOOPBACK,
  type InAddr,
  INADDR_LOOPBACK,
  netRandom,
  sinEncode,
} from './in.js';
import { ipSourceFor } from './ip_output.js';

/** Inpcb.flags. */
export const INP_RECVDSTADDR = 0x4;
export const INP_HDRINCL = 0x8;
export const INP_HIGHPORT = 0x10;
export const INP_LOWPORT = 0x20;
export const INP_RECVTTL = 0x100;
export const INP_RECVPKTINFO = 0x400;
export const INP_DONTFRAG = 0x800;

/** Multicast settings of a socket. */
export class Moptions {
  ifp: Ifnet | null = null;
  ttl = 1;
  loop = true;
  readonly groups: { group: InAddr; ifp: Ifnet }[] = [];
}

export class Inpcb {
  laddr: InAddr;
  faddr: InAddr;
  lport = 0;
  fport = 0;
  /** Hop limit; 0: the default. */
  ttl = 0;
  tos = 0;
  minttl = 0;
  flags = 0;
  options: Uint8Array | null = null;
  moptions: Moptions | null = null;
  /** ICMPv6 types that a raw socket does not see, as 8 words. */
  icmp6filter: Uint32Array | null = null;
  ppcb: object | null = null;
  /** What a raw socket is for; 0: everything. */
  rawProto = 0;
  /** Hash links. */
  next: Inpcb | null = null;
  bucket = -1;
  port: PortHead | null = null;
  constructor(
    readonly so: Socket,
    readonly info: InpcbInfo,
    readonly v6: boolean,
  ) {
    this.laddr = anyOf(v6);
    this.faddr = anyOf(v6);
  }
}

class PortHead {
  readonly all = new Set<Inpcb>();
  /** Those without a foreign address. */
  readonly wild: Inpcb[] = [];
  constructor(readonly key: number) {}
}

/** Ports that the kernel chooses from. */
export const PORT_FIRST = 49152;
export const PORT_LAST = 65535;
const PORT_LOW_FIRST = 600;
const PORT_LOW_LAST = 1023;
/** Below, only the super-user binds. */
export const PORT_RESERVED = 1024;

/** All control blocks of one protocol. */
export class InpcbInfo {
  readonly all = new Set<Inpcb>();
  private buckets = new Array<Inpcb | null>(256).fill(null);
  private connected = 0;
  private readonly ports = new Map<number, PortHead>();
  constructor(
    readonly name: string,
    /** Only sockets that listen take what is for no connection. */
    readonly listenersOnly: boolean,
  ) {}

  private hash(faddr: InAddr, fport: number, laddr: InAddr, lport: number): number {
    let h = addrHash(faddr) ^ Math.imul(addrHash(laddr), 17) ^ Math.imul((fport << 16) | lport, 0x9e3779b1);
    h ^= h >>> 15;
    return h & (this.buckets.length - 1);
  }

  /** The socket for a packet: its connection, else (`wild`) the listener with the best local address. */
  lookup(faddr: InAddr, fport: number, laddr: InAddr, lport: number, wild: boolean): Inpcb | null {
    for (let i = this.buckets[this.hash(faddr, fport, laddr, lport)]; i !== null; i = i.next)
      if (i.fport === fport && i.lport === lport && addrEq(i.faddr, faddr) && addrEq(i.laddr, laddr)) return i;
    return wild ? this.listener(faddr, fport, laddr, lport) : null;
  }

  /** Several with SO_REUSEPORT share the load by hash of the peer. */
  private listener(faddr: InAddr, fport: number, laddr: InAddr, lport: number): Inpcb | null {
    const head = this.portOf(lport, laddr.length === 16);
    if (head === null) return null;
    const takes = (i: Inpcb): boolean => !this.listenersOnly || (i.so.options & SO_ACCEPTCONN) !== 0;
    let set = head.wild.filter((i) => takes(i) && addrEq(i.laddr, laddr));
    if (set.length === 0) set = head.wild.filter((i) => takes(i) && addrIsAny(i.laddr));
    return set.length === 0 ? null : set[set.length === 1 ? 0 : this.hash(faddr, fport, laddr, 0) % set.length];
  }

  portOf(lport: number, v6: boolean): PortHead | null {
    return this.ports.get(v6 ? lport + 65536 : lport) ?? null;
  }
  /** Sockets of a local port. */
  bound(lport: number, v6: boolean): ReadonlySet<Inpcb> {
    return this.portOf(lport, v6)?.all ?? NONE;
  }

  /** Put `inp` where its addresses say. */
  insert(inp: Inpcb): void {
    if (inp.lport === 0) return;
    const key = inp.v6 ? inp.lport + 65536 : inp.lport;
    let head = this.ports.get(key);
    if (head === undefined) this.ports.set(key, (head = new PortHead(key)));
    inp.port = head;
    head.all.add(inp);
    if (inp.fport === 0 && addrIsAny(inp.faddr)) {
      head.wild.push(inp);
      return;
    }
    if (++this.connected > 2 * this.buckets.length) this.grow();
    this.link(inp);
  }
  private link(inp: Inpcb): void {
    inp.bucket = this.hash(inp.faddr, inp.fport, inp.laddr, inp.lport);
    inp.next = this.buckets[inp.bucket];
    this.buckets[inp.bucket] = inp;
  }
  private grow(): void {
    const old = this.buckets;
    this.buckets = new Array<Inpcb | null>(old.length * 4).fill(null);
    for (let i of old)
      while (i !== null) {
        const { next } = i;
        this.link(i);
        i = next;
      }
  }

  /** Take `inp` out; its addresses are still those it was inserted with. */
  remove(inp: Inpcb): void {
    const head = inp.port;
    if (head === null) return;
    inp.port = null;
    head.all.delete(inp);
    const w = head.wild.indexOf(inp);
    if (w >= 0) head.wild.splice(w, 1);
    else {
      this.connected--;
      let p = this.buckets[inp.bucket];
      if (p === inp) this.buckets[inp.bucket] = inp.next;
      else {
        while (p !== null && p.next !== inp) p = p.next;
        if (p !== null) p.next = inp.next;
      }
      inp.next = null;
    }
    if (head.all.size === 0) this.ports.delete(head.key);
  }
}
const NONE: ReadonlySet<Inpcb> = new Set<Inpcb>();

export const inpOf = (so: Socket): Inpcb => so.pcb as Inpcb;

export function inPcballoc(so: Socket, info: InpcbInfo, v6: boolean): Inpcb {
  const inp = new Inpcb(so, info, v6);
  info.all.add(inp);
  so.pcb = inp;
  return inp;
}

/** Give `inp` these addresses and ports, whoever else has them: for connections that come in, and disconnect. */
export function inPcbset(inp: Inpcb, laddr: InAddr, lport: number, faddr: InAddr, fport: number): void {
  inp.info.remove(inp);
  inp.laddr = laddr;
  inp.lport = lport;
  inp.faddr = faddr;
  inp.fport = fport;
  inp.info.insert(inp);
}

/** Does a socket there keep `inp` from `laddr`:`port`? */
function conflict(inp: Inpcb, laddr: InAddr, port: number, cred: Ucred): boolean {
  const o = inp.so.options;
  const multi = addrIsMulticast(laddr);
  const share = multi && (o & (SO_REUSEADDR | SO_REUSEPORT)) !== 0;
  for (const t of inp.info.bound(port, inp.v6)) {
    const to = t.so.options;
    if (share && (to & (SO_REUSEADDR | SO_REUSEPORT)) !== 0) continue;
    if ((o & SO_REUSEPORT) !== 0 && (to & SO_REUSEPORT) !== 0) {
      if (multi || credIsSuper(cred) || t.so.cred.uid === cred.uid) continue;
      return true;
    }
    if ((o & (SO_REUSEADDR | SO_REUSEPORT)) !== 0) {
      // Only the very same address is in the way, and only of one that is not connected.
      if (t.fport === 0 && addrEq(t.laddr, laddr)) return true;
    } else if (addrEq(t.laddr, laddr) || addrIsAny(t.laddr) || addrIsAny(laddr)) return true;
  }
  return false;
}

/** A free local port; EADDRNOTAVAIL when there is none. `free` says whether one will do. */
function ephemeral(inp: Inpcb, free: (port: number) => boolean): number | Errno {
  const low = (inp.flags & INP_LOWPORT) !== 0;
  const first = low ? PORT_LOW_FIRST : PORT_FIRST;
  const n = (low ? PORT_LOW_LAST : PORT_LAST) - first + 1;
  const start = netRandom() % n;
  for (let i = 0; i < n; i++) {
    const port = first + ((start + i) % n);
    if (free(port)) return port;
  }
  return EADDRNOTAVAIL;
}

/**
 * Bind to an address (any: all of them) and port (0: one that is free).
 * @returns null, EINVAL (bound already), EADDRNOTAVAIL (not ours), EACCES (port below 1024), EADDRINUSE
 */
export function inPcbbind(inp: Inpcb, laddr: InAddr, port: number, lwp: Lwp): Errno | null {
  const { cred } = lwp.proc;
  if (inp.lport !== 0 || !addrIsAny(inp.laddr)) return EINVAL;
  if (!addrIsAny(laddr) && !addrIsMulticast(laddr) && !addrIsBroadcast(laddr) && ifaLocal(laddr) === null)
    return EADDRNOTAVAIL;
  let lport: number | Errno = port;
  if (port !== 0) {
    if (port < PORT_RESERVED && !credIsSuper(cred)) return EACCES;
    if (conflict(inp, laddr, port, cred)) return EADDRINUSE;
  } else {
    if ((inp.flags & INP_LOWPORT) !== 0 && !credIsSuper(cred)) return EACCES;
    lport = ephemeral(inp, (p) => inp.info.portOf(p, inp.v6) === null);
    if (lport instanceof Errno) return lport;
  }
  inPcbset(inp, laddr, lport, inp.faddr, 0);
  return null;
}

/** Where a connection to no address goes: to ourselves. */
function realDst(faddr: InAddr): InAddr {
  if (!addrIsAny(faddr)) return faddr;
  return faddr.length === 16 ? IN6ADDR_LOOPBACK : INADDR_LOOPBACK;
}

/**
 * Connect: foreign address and port, a local address where there is none, and a local port.
 * @returns null, EISCONN, EADDRNOTAVAIL (port 0; no local address or port), EADDRINUSE (that connection exists), ENETUNREACH ...
 */
export function inPcbconnect(inp: Inpcb, to: InAddr, fport: number): Errno | null {
  if (inp.fport !== 0) return EISCONN;
  if (fport === 0) return EADDRNOTAVAIL;
  const faddr = realDst(to);
  let { laddr, lport } = inp;
  if (addrIsAny(laddr)) {
    const s = ipSourceFor(faddr, addrIsMulticast(faddr) ? (inp.moptions?.ifp ?? null) : null);
    if (s instanceof Errno) return s === EADDRNOTAVAIL && inp.v6 ? ENETUNREACH : s;
    laddr = s;
  }
  if (lport !== 0) {
    if (inp.info.lookup(faddr, fport, laddr, lport, false) !== null) return EADDRINUSE;
  } else {
    const p = ephemeral(inp, (n) => {
      const h = inp.info.portOf(n, inp.v6);
      return h === null || (h.wild.length === 0 && inp.info.lookup(faddr, fport, laddr, n, false) === null);
    });
    if (p instanceof Errno) return p;
    lport = p;
  }
  inPcbset(inp, laddr, lport, faddr, fport);
  return null;
}

export function inPcbdisconnect(inp: Inpcb): void {
  inPcbset(inp, inp.laddr, inp.lport, anyOf(inp.v6), 0);
}

/** The end of `inp`. */
export function inPcbdetach(inp: Inpcb): void {
  inp.info.remove(inp);
  inp.info.all.delete(inp);
  for (const g of inp.moptions?.groups ?? []) ifDelmulti(g.ifp, g.group);
  inp.moptions = null;
  if (inp.so.pcb === inp) inp.so.pcb = null;
}

export const inSockaddr = (so: Socket): Uint8Array => {
  const inp = inpOf(so);
  return sinEncode(inp.laddr, inp.lport);
};
export const inPeeraddr = (so: Socket): Uint8Array | Errno => {
  const inp = inpOf(so);
  return inp.fport === 0 && addrIsAny(inp.faddr) ? ENOTCONN : sinEncode(inp.faddr, inp.fport);
};
