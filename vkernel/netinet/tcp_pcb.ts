/**
 * Who has which addresses and ports: the table of connections, of listeners, and the rules of bind and connect.
 *
 * Counterpart: sys/netinet/in_pcb.c
 */
import { gd } from '../sys/globaldata.js';
import { EACCES, EADDRINUSE, EADDRNOTAVAIL, EINVAL, Errno } from '../sys/errno.js';
import { SO_REUSEADDR, SO_REUSEPORT } from '../sys/socket.js';
import { addrEq, addrIsAny, IN6ADDR_LOOPBACK, INADDR_LOOPBACK, netRandom } from './in.js';
import { PORT_FIRST, PORT_LAST, PORT_RESERVED } from './in_pcb.js';
import { siphash, sipHi } from './tcp_hash.js';
import { Ts, type Tcpcb } from './tcp_var.js';

function tupleHash(laddr: Uint8Array, lport: number, faddr: Uint8Array, fport: number): number {
  let h = Math.imul(lport ^ (fport << 16) ^ gd.tcp.secret[0], 0x9e3779b1);
  for (let i = 0; i < faddr.length; i += 4) {
    h = Math.imul(h ^ ((faddr[i] << 24) | (faddr[i + 1] << 16) | (faddr[i + 2] << 8) | faddr[i + 3]), 0x85ebca6b);
    h = Math.imul(
      h ^ (h >>> 15) ^ ((laddr[i] << 24) | (laddr[i + 1] << 16) | (laddr[i + 2] << 8) | laddr[i + 3]),
      0xc2b2ae35,
    );
  }
  return (h ^ (h >>> 16)) >>> 0;
}

const tuple = new Uint8Array(44);
/** SipHash of a connection's numbers and one more under the secret: low half returned, high half in sipHi. */
export function tupleMac(laddr: Uint8Array, lport: number, faddr: Uint8Array, fport: number, extra: number): number {
  let at = 0;
  const put = (n: number): void => {
    tuple[at++] = n;
  };
  for (const x of laddr) put(x);
  for (const x of faddr) put(x);
  for (const n of [lport >> 8, lport, fport >> 8, fport, extra >>> 24, extra >>> 16, extra >>> 8, extra]) put(n);
  return siphash(gd.tcp.secret, tuple, at);
}

/** An initial sequence number (RFC 6528 section 3): a 4 us clock and F() of the connection. Also chooses the time stamp offset. */
export function newIss(
  laddr: Uint8Array,
  lport: number,
  faddr: Uint8Array,
  fport: number,
): [iss: number, tsOff: number] {
  const lo = tupleMac(laddr, lport, faddr, fport, 0);
  return [(lo + (Math.floor(gd.machine.now() / 4000) % 0x1_0000_0000)) >>> 0, sipHi];
}

export function pcbLookup(laddr: Uint8Array, lport: number, faddr: Uint8Array, fport: number): Tcpcb | null {
  const { buckets } = gd.tcp;
  const h = tupleHash(laddr, lport, faddr, fport);
  for (let t = buckets[h & (buckets.length - 1)]; t !== null; t = t.hashNext)
    if (t.hash === h && t.lport === lport && t.fport === fport && addrEq(t.faddr, faddr) && addrEq(t.laddr, laddr))
      return t;
  return null;
}

/** The listener for a segment: one bound to the address before one bound to any; several of SO_REUSEPORT share by hash. */
export function listenLookup(laddr: Uint8Array, lport: number, faddr: Uint8Array, fport: number): Tcpcb | null {
  const all = gd.tcp.listeners.get(lport);
  if (all === undefined) return null;
  const own = all.filter((t) => addrEq(t.laddr, laddr));
  const some = own.length > 0 ? own : all.filter((t) => t.laddr.length === laddr.length && addrIsAny(t.laddr));
  if (some.length < 2) return some[0] ?? null;
  return some[tupleHash(laddr, lport, faddr, fport) % some.length];
}

function claim(tp: Tcpcb, lport: number): void {
  tp.lport = lport;
  let s = gd.tcp.ports.get(lport);
  if (s === undefined) gd.tcp.ports.set(lport, (s = new Set()));
  s.add(tp);
}

/** Would binding to this be refused? EADDRINUSE by the rules of SO_REUSEADDR and SO_REUSEPORT. */
function conflict(tp: Tcpcb, laddr: Uint8Array, lport: number): boolean {
  const reuse = (tp.so.options & (SO_REUSEADDR | SO_REUSEPORT)) !== 0;
  for (const t of gd.tcp.ports.get(lport) ?? []) {
    if (t === tp || t.v6 !== tp.v6) continue;
    if (!reuse) {
      if (addrEq(t.laddr, laddr) || addrIsAny(t.laddr) || addrIsAny(laddr)) return true;
    } else if (t.fport === 0 && addrEq(t.laddr, laddr)) {
      if ((tp.so.options & t.so.options & SO_REUSEPORT) === 0) return true;
    }
  }
  return false;
}

function randomPort(ok: (port: number) => boolean): number {
  const n = PORT_LAST - PORT_FIRST + 1;
  const start = netRandom() % n;
  for (let i = 0; i < n; i++) {
    const port = PORT_FIRST + ((start + i) % n);
    if (ok(port)) return port;
  }
  return 0;
}

/** Bind; port 0: any that is free. EINVAL when bound already, EADDRNOTAVAIL, EACCES, EADDRINUSE. */
export function pcbBind(tp: Tcpcb, laddr: Uint8Array, lport: number, uid: number): Errno | null {
  if (tp.lport !== 0) return EINVAL;
  if (!addrIsAny(laddr) && !gd.tcp.net.isLocal(laddr)) return EADDRNOTAVAIL;
  if (lport === 0) {
    lport = randomPort((p) => !gd.tcp.ports.has(p));
    if (lport === 0) return EADDRINUSE;
  } else {
    if (lport < PORT_RESERVED && uid !== 0) return EACCES;
    if (conflict(tp, laddr, lport)) return EADDRINUSE;
  }
  tp.laddr = laddr;
  claim(tp, lport);
  return null;
}

/** Choose what is still open of the local end, and enter the connection in the table. */
export function pcbConnect(tp: Tcpcb, faddr: Uint8Array, fport: number): Errno | null {
  if (fport === 0) return EADDRNOTAVAIL;
  // To "any" means to this machine.
  if (addrIsAny(faddr)) faddr = tp.v6 ? IN6ADDR_LOOPBACK : INADDR_LOOPBACK;
  let { laddr } = tp;
  if (addrIsAny(laddr)) {
    const s = gd.tcp.net.source(faddr);
    if (s instanceof Errno) return s;
    laddr = s;
  }
  if (tp.lport === 0) {
    const port = randomPort((p) => {
      if (pcbLookup(laddr, p, faddr, fport) !== null) return false;
      for (const t of gd.tcp.ports.get(p) ?? []) if (t.fport === 0) return false;
      return true;
    });
    if (port === 0) return EADDRNOTAVAIL;
    claim(tp, port);
  } else if (pcbLookup(laddr, tp.lport, faddr, fport) !== null) {
    return EADDRINUSE;
  }
  tp.laddr = laddr;
  tp.faddr = faddr;
  tp.fport = fport;
  pcbInsert(tp);
  return null;
}

/** Enter a connection whose four numbers are set. */
export function pcbInsert(tp: Tcpcb): void {
  const g = gd.tcp;
  if (g.count >= g.buckets.length) grow();
  tp.hash = tupleHash(tp.laddr, tp.lport, tp.faddr, tp.fport);
  const i = tp.hash & (g.buckets.length - 1);
  tp.hashNext = g.buckets[i];
  g.buckets[i] = tp;
  tp.hashed = true;
  g.count++;
  claim(tp, tp.lport);
}

function grow(): void {
  const g = gd.tcp;
  const old = g.buckets;
  g.buckets = new Array<Tcpcb | null>(old.length * 2).fill(null);
  for (let t of old)
    while (t !== null) {
      const next: Tcpcb | null = t.hashNext;
      const i = t.hash & (g.buckets.length - 1);
      t.hashNext = g.buckets[i];
      g.buckets[i] = t;
      t = next;
    }
}

export function pcbListen(tp: Tcpcb): void {
  const l = gd.tcp.listeners.get(tp.lport);
  if (l === undefined) gd.tcp.listeners.set(tp.lport, [tp]);
  else if (!l.includes(tp)) l.push(tp);
}

/** Forget it: the connection, the port, the listener. */
export function pcbRemove(tp: Tcpcb): void {
  const g = gd.tcp;
  if (tp.hashed) {
    const i = tp.hash & (g.buckets.length - 1);
    if (g.buckets[i] === tp) g.buckets[i] = tp.hashNext;
    else
      for (let t = g.buckets[i]; t !== null; t = t.hashNext)
        if (t.hashNext === tp) {
          t.hashNext = tp.hashNext;
          break;
        }
    tp.hashed = false;
    tp.hashNext = null;
    g.count--;
  }
  if (tp.state === Ts.LISTEN) {
    const l = (g.listeners.get(tp.lport) ?? []).filter((t) => t !== tp);
    if (l.length === 0) g.listeners.delete(tp.lport);
    else g.listeners.set(tp.lport, l);
  }
  const s = g.ports.get(tp.lport);
  if (s !== undefined) {
    s.delete(tp);
    if (s.size === 0) g.ports.delete(tp.lport);
  }
}

/** Every socket of TCP that has a port. */
export function* pcbAll(): Generator<Tcpcb> {
  for (const s of gd.tcp.ports.values()) yield* s;
}
