/**
 * TCP segments on the wire: parse and emit (RFC 9293 section 3.1; options of RFC 7323 and RFC 2018).
 */
import { type Mbuf, mgethdr } from '../kern/uipc_mbuf.js';

export const TH_FIN = 0x01;
export const TH_SYN = 0x02;
export const TH_RST = 0x04;
export const TH_PUSH = 0x08;
export const TH_ACK = 0x10;
export const TH_URG = 0x20;

/** Fixed header, 20 bytes, big endian. */
export const enum Th {
  SPORT = 0, // u16
  DPORT = 2, // u16
  SEQ = 4, // u32
  ACK = 8, // u32
  OFF = 12, // u8   high nibble: header length in words
  FLAGS = 13, // u8   TH_*
  WIN = 14, // u16  unscaled
  SUM = 16, // u16
  URP = 18, // u16
  SIZE = 20,
}
export const TCP_MAXHLEN = 60;

const OPT_EOL = 0;
const OPT_NOP = 1;
const OPT_MSS = 2;
const OPT_WSCALE = 3;
const OPT_SACKOK = 4;
const OPT_SACK = 5;
const OPT_TS = 8;

/** A segment's header in host terms, both ways. Options that are absent: -1, false, no blocks. */
export class TcpSeg {
  sport = 0;
  dport = 0;
  seq = 0;
  ack = 0;
  flags = 0;
  /** As on the wire, not scaled. */
  win = 0;
  urp = 0;
  hlen = 0;
  /** Payload bytes. */
  len = 0;
  mss = -1;
  wscale = -1;
  sackOk = false;
  hasTs = false;
  tsVal = 0;
  tsEcr = 0;
  /** SACK blocks: left, right, left, right ... */
  readonly sack: number[] = [];

  clear(): void {
    this.flags = this.urp = this.len = this.win = this.ack = 0;
    this.mss = this.wscale = -1;
    this.sackOk = this.hasTs = false;
    this.sack.length = 0;
  }
}

const be16 = (b: Uint8Array, o: number): number => (b[o] << 8) | b[o + 1];
const be32 = (b: Uint8Array, o: number): number => ((b[o] << 24) | (b[o + 1] << 16) | (b[o + 2] << 8) | b[o + 3]) >>> 0;
function put16(b: Uint8Array, o: number, n: number): void {
  b[o] = n >>> 8;
  b[o + 1] = n;
}
function put32(b: Uint8Array, o: number, n: number): void {
  b[o] = n >>> 24;
  b[o + 1] = n >>> 16;
  b[o + 2] = n >>> 8;
  b[o + 3] = n;
}

/**
 * Parse the header at `o`, of a segment of `total` bytes of which `avail` are contiguous; false when it is no segment.
 * An option with an illegal length ends the options (RFC 9293 section 3.1, MUST-7).
 */
export function parseTcp(b: Uint8Array, o: number, avail: number, total: number, s: TcpSeg): boolean {
  s.clear();
  if (avail < Th.SIZE) return false;
  s.hlen = (b[o + Th.OFF] >> 4) * 4;
  if (s.hlen < Th.SIZE || s.hlen > total || s.hlen > avail) return false;
  s.sport = be16(b, o + Th.SPORT);
  s.dport = be16(b, o + Th.DPORT);
  s.seq = be32(b, o + Th.SEQ);
  s.ack = be32(b, o + Th.ACK);
  s.flags = b[o + Th.FLAGS];
  s.win = be16(b, o + Th.WIN);
  s.urp = be16(b, o + Th.URP);
  s.len = total - s.hlen;
  const end = o + s.hlen;
  for (let at = o + Th.SIZE; at < end;) {
    const kind = b[at];
    if (kind === OPT_EOL) break;
    if (kind === OPT_NOP) {
      at++;
      continue;
    }
    if (at + 1 >= end) break;
    const n = b[at + 1];
    if (n < 2 || at + n > end) break;
    if (kind === OPT_MSS && n === 4) s.mss = be16(b, at + 2);
    else if (kind === OPT_WSCALE && n === 3) s.wscale = b[at + 2];
    else if (kind === OPT_SACKOK && n === 2) s.sackOk = true;
    else if (kind === OPT_TS && n === 10) {
      s.hasTs = true;
      s.tsVal = be32(b, at + 2);
      s.tsEcr = be32(b, at + 6);
    } else if (kind === OPT_SACK && (n - 2) % 8 === 0) {
      for (let i = at + 2; i < at + n; i += 8) s.sack.push(be32(b, i), be32(b, i + 4));
    }
    at += n;
  }
  return true;
}

/** How many SACK blocks fit beside a time stamp or none (RFC 2018 section 3). */
export const sackRoom = (hasTs: boolean): number => (hasTs ? 3 : 4);

/** Length of the header that emitTcp will make. */
export function headerLen(s: TcpSeg): number {
  let n = Th.SIZE;
  if (s.mss >= 0) n += 4;
  if (s.wscale >= 0) n += 4;
  if (s.hasTs) n += 12;
  else if (s.sackOk) n += 4;
  if (s.sack.length > 0) n += 4 + 4 * s.sack.length;
  return n;
}

/** A header in an mbuf of its own, with room before it; the checksum is 0: the layer below fills it in where it is needed. */
export function emitTcp(s: TcpSeg): Mbuf {
  const m = mgethdr();
  const o = m.off;
  const b = m.data;
  put16(b, o + Th.SPORT, s.sport);
  put16(b, o + Th.DPORT, s.dport);
  put32(b, o + Th.SEQ, s.seq);
  put32(b, o + Th.ACK, s.ack);
  b[o + Th.FLAGS] = s.flags;
  put16(b, o + Th.WIN, s.win);
  put16(b, o + Th.SUM, 0);
  put16(b, o + Th.URP, s.urp);
  let at = o + Th.SIZE;
  if (s.mss >= 0) {
    b[at] = OPT_MSS;
    b[at + 1] = 4;
    put16(b, at + 2, s.mss);
    at += 4;
  }
  if (s.wscale >= 0) {
    b[at] = OPT_NOP;
    b[at + 1] = OPT_WSCALE;
    b[at + 2] = 3;
    b[at + 3] = s.wscale;
    at += 4;
  }
  if (s.sackOk || s.hasTs) {
    b[at] = s.sackOk ? OPT_SACKOK : OPT_NOP;
    b[at + 1] = s.sackOk ? 2 : OPT_NOP;
    if (s.hasTs) {
      b[at + 2] = OPT_TS;
      b[at + 3] = 10;
      put32(b, at + 4, s.tsVal);
      put32(b, at + 8, s.tsEcr);
      at += 12;
    } else {
      b[at + 2] = b[at + 3] = OPT_NOP;
      at += 4;
    }
  }
  if (s.sack.length > 0) {
    b[at] = b[at + 1] = OPT_NOP;
    b[at + 2] = OPT_SACK;
    b[at + 3] = 2 + 4 * s.sack.length;
    at += 4;
    for (const n of s.sack) {
      put32(b, at, n);
      at += 4;
    }
  }
  s.hlen = m.len = at - o;
  b[o + Th.OFF] = (m.len / 4) << 4;
  return m;
}
