/**
 * Internet addresses, socket addresses, and the Internet checksum.
 *
 * An address is a Uint8Array of 4 or 16 bytes that nobody changes once it is made; its length is its family. Inside the kernel an
 * IPv6 address of link-local scope (fe80::/10, ff01::, ff02::) has the index of its interface in bytes 2 and 3, as in KAME; it is put
 * there by sockaddrs (sin6_scope_id) and on input, and cleared on the wire.
 *
 * Counterpart: sys/netinet/in.h, in_cksum.c, sys/netinet6/scope6.c
 */
import { EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL, type Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import { AF_INET, AF_INET6 } from '../sys/socket.js';
import type { Mbuf } from '../kern/uipc_mbuf.js';

export type InAddr = Uint8Array;

export const IPPROTO_IP = 0;
export const IPPROTO_HOPOPTS = 0;
export const IPPROTO_ICMP = 1;
export const IPPROTO_IGMP = 2;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;
export const IPPROTO_IPV6 = 41;
export const IPPROTO_ROUTING = 43;
export const IPPROTO_FRAGMENT = 44;
export const IPPROTO_ICMPV6 = 58;
export const IPPROTO_NONE = 59;
export const IPPROTO_DSTOPTS = 60;
export const IPPROTO_RAW = 255;

export const INADDR_ANY: InAddr = new Uint8Array(4);
export const INADDR_BROADCAST: InAddr = Uint8Array.of(255, 255, 255, 255);
export const INADDR_LOOPBACK: InAddr = Uint8Array.of(127, 0, 0, 1);
export const IN6ADDR_ANY: InAddr = new Uint8Array(16);
export const IN6ADDR_LOOPBACK: InAddr = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);

export const isV6 = (a: InAddr): boolean => a.length === 16;
export const anyOf = (v6: boolean): InAddr => (v6 ? IN6ADDR_ANY : INADDR_ANY);

export function addrEq(a: InAddr, b: InAddr): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
export function addrIsAny(a: InAddr): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== 0) return false;
  return true;
}
export const addrIsMulticast = (a: InAddr): boolean => (a.length === 4 ? (a[0] & 0xf0) === 0xe0 : a[0] === 0xff);
export const addrIsBroadcast = (a: InAddr): boolean => a.length === 4 && addrEq(a, INADDR_BROADCAST);
export const addrIsLoopback = (a: InAddr): boolean => (a.length === 4 ? a[0] === 127 : addrEq(a, IN6ADDR_LOOPBACK));
export const addrIsLinkLocal = (a: InAddr): boolean => a.length === 16 && a[0] === 0xfe && (a[1] & 0xc0) === 0x80;
export const addrIsMapped = (a: InAddr): boolean =>
  a.length === 16 && a[10] === 0xff && a[11] === 0xff && addrIsAny(a.subarray(0, 10));
/** Has the address a zone, embedded in bytes 2 and 3? */
export const addrHasZone = (a: InAddr): boolean =>
  addrIsLinkLocal(a) || (a.length === 16 && a[0] === 0xff && ((a[1] & 15) === 1 || (a[1] & 15) === 2));
export const addrZone = (a: InAddr): number => (addrHasZone(a) ? (a[2] << 8) | a[3] : 0);
/** The address with this zone; 0 clears it (what goes on the wire). Unchanged where addresses have no zone. */
export function addrWithZone(a: InAddr, zone: number): InAddr {
  if (!addrHasZone(a) || addrZone(a) === zone) return a;
  const b = a.slice();
  b[2] = zone >> 8;
  b[3] = zone & 255;
  return b;
}

/** Key of a Map of addresses; equal exactly for equal addresses. */
export function addrKey(a: InAddr): string {
  let s = '';
  for (let i = 0; i < a.length; i += 2) s += String.fromCharCode((a[i] << 8) | a[i + 1]);
  return s;
}

/** 32 bits of hash. */
export function addrHash(a: InAddr): number {
  let h = 0;
  for (let i = 0; i < a.length; i += 4)
    h = Math.imul(h, 31) ^ ((a[i] << 24) | (a[i + 1] << 16) | (a[i + 2] << 8) | a[i + 3]);
  return h;
}

/** The network mask of a prefix length. */
export function maskOf(plen: number, v6: boolean): InAddr {
  const m = new Uint8Array(v6 ? 16 : 4);
  for (let i = 0; i < plen; i++) m[i >> 3] |= 0x80 >> (i & 7);
  return m;
}
/** Length of the prefix that a mask stands for; -1 when its ones are not contiguous. */
export function plenOf(mask: InAddr): number {
  let n = 0;
  const bit = (i: number): boolean => (mask[i >> 3] & (0x80 >> (i & 7))) !== 0;
  while (n < mask.length * 8 && bit(n)) n++;
  for (let i = n; i < mask.length * 8; i++) if (bit(i)) return -1;
  return n;
}
export const addrMasked = (a: InAddr, mask: InAddr): InAddr => a.map((b, i) => b & mask[i]);

/** Text of an address, for messages. */
export function addrText(a: InAddr): string {
  if (a.length === 4) return a.join('.');
  const g: string[] = [];
  const w = addrWithZone(a, 0);
  for (let i = 0; i < 16; i += 2) g.push(((w[i] << 8) | w[i + 1]).toString(16));
  const zone = addrZone(a);
  return g.join(':') + (zone !== 0 ? `%${zone}` : '');
}

// --- socket addresses ---

export const SIN_SIZE = 16;
export const SIN6_SIZE = 28;

export interface SinAddr {
  addr: InAddr;
  port: number;
  /** IPv6 only. */
  flowinfo: number;
}

/** Decode a sockaddr of the family `v6` tells. EAFNOSUPPORT, EINVAL (length), EADDRNOTAVAIL (IPv4-mapped: not supported). */
export function sinDecode(sa: Uint8Array, v6: boolean): SinAddr | Errno {
  if (sa.length < 2) return EINVAL;
  if (sa[1] !== (v6 ? AF_INET6 : AF_INET)) return EAFNOSUPPORT;
  if (sa.length !== (v6 ? SIN6_SIZE : SIN_SIZE)) return EINVAL;
  const port = (sa[2] << 8) | sa[3];
  if (!v6) return { addr: sa.slice(4, 8), port, flowinfo: 0 };
  const v = new DataView(sa.buffer, sa.byteOffset, sa.length);
  const addr = addrWithZone(sa.slice(8, 24), v.getUint32(24, true) & 0xffff);
  return addrIsMapped(addr) ? EADDRNOTAVAIL : { addr, port, flowinfo: v.getUint32(4, false) };
}

export function sinEncode(addr: InAddr, port: number): Uint8Array {
  const v6 = isV6(addr);
  const b = new Uint8Array(v6 ? SIN6_SIZE : SIN_SIZE);
  b[0] = b.length;
  b[1] = v6 ? AF_INET6 : AF_INET;
  b[2] = port >> 8;
  b[3] = port & 255;
  if (v6) {
    b.set(addrWithZone(addr, 0), 8);
    const zone = addrZone(addr);
    b[24] = zone & 255;
    b[25] = zone >> 8;
  } else b.set(addr, 4);
  return b;
}

// --- random numbers ---

declare module '../sys/globaldata.js' {
  interface GlobalData {
    netRand?: { buf: Uint32Array; left: number };
  }
}

/** 32 unpredictable bits (ports, identifiers, initial sequence numbers). */
export function netRandom(): number {
  const r = (gd.netRand ??= { buf: new Uint32Array(64), left: 0 });
  if (r.left === 0) {
    gd.machine.entropy(new Uint8Array(r.buf.buffer));
    r.left = r.buf.length;
  }
  return r.buf[--r.left];
}

// --- checksum ---

/** Sum of little-endian 16-bit words of b[o, o+n), not folded; a last odd byte counts as a low one. */
function bytesSum(b: Uint8Array, o: number, n: number): number {
  let s = 0;
  const end = o + n - 1;
  for (; o < end; o += 2) s += b[o] | (b[o + 1] << 8);
  return o === end ? s + b[o] : s;
}
function fold(s: number): number {
  while (s > 0xffff) s = (s % 0x10000) + Math.floor(s / 0x10000);
  return s;
}
const swap16 = (s: number): number => ((s & 255) << 8) | (s >> 8);

/** The same folded, by 32-bit words where that pays. */
function wordSum(b: Uint8Array, o: number, n: number): number {
  if (n < 128) return fold(bytesSum(b, o, n));
  const at = b.byteOffset + o;
  const head = (4 - (at & 3)) & 3;
  const words = (n - head) >> 2;
  const w = new Uint32Array(b.buffer, at + head, words);
  let s = 0;
  for (let i = 0; i < words; i++) s += w[i];
  const done = head + words * 4;
  s = fold(s + bytesSum(b, o + done, n - done));
  if ((head & 1) !== 0) s = swap16(s);
  return fold(s + bytesSum(b, o, head));
}

/**
 * One's complement sum of `len` bytes of a chain from `off` on, added to `init`; 0..0xffff, big-endian words.
 * All ones over data that contain a right checksum. The chain is that long.
 */
export function inSum(m: Mbuf | null, off: number, len: number, init = 0): number {
  let s = 0;
  let odd = false;
  for (; m !== null && len > 0; m = m.next) {
    if (off >= m.len) {
      off -= m.len;
      continue;
    }
    const n = Math.min(m.len - off, len);
    const p = wordSum(m.data, m.off + off, n);
    s += odd ? swap16(p) : p;
    if ((n & 1) !== 0) odd = !odd;
    len -= n;
    off = 0;
  }
  return fold(swap16(fold(s)) + init);
}
/** The same of flat bytes. */
export const bufSum = (b: Uint8Array, off: number, len: number, init = 0): number =>
  fold(swap16(wordSum(b, off, len)) + init);

/** Sum of the pseudo header of TCP, UDP and ICMPv6 (addresses without zones, length, protocol), for inSum's `init`. */
export function inPseudo(src: InAddr, dst: InAddr, len: number, proto: number): number {
  const s = addrWithZone(src, 0);
  const d = addrWithZone(dst, 0);
  return fold(
    swap16(fold(bytesSum(s, 0, s.length) + bytesSum(d, 0, d.length))) + (len & 0xffff) + (len >>> 16) + proto,
  );
}

/** The checksum of a chain: what to store, big-endian, in its field (which was 0 while summing). */
export const inCksum = (m: Mbuf | null, off: number, len: number, init = 0): number =>
  ~inSum(m, off, len, init) & 0xffff;
