/**
 * SipHash-2-4, the keyed pseudo-random function of initial sequence numbers (RFC 6528 section 3: F() of the addresses, ports and a
 * secret), SYN cookies and the connection table. 64-bit words are pairs of u32; the state is in module variables, which costs no
 * allocation and is safe because nothing in here sleeps.
 */
let v0h = 0;
let v0l = 0;
let v1h = 0;
let v1l = 0;
let v2h = 0;
let v2l = 0;
let v3h = 0;
let v3l = 0;

const carry = (sum: number): number => (sum > 0xffffffff ? 1 : 0);

function round(): void {
  let t = v0l + v1l;
  v0h = (v0h + v1h + carry(t)) >>> 0;
  v0l = t >>> 0;
  let h = ((v1h << 13) | (v1l >>> 19)) >>> 0;
  let l = ((v1l << 13) | (v1h >>> 19)) >>> 0;
  v1h = (h ^ v0h) >>> 0;
  v1l = (l ^ v0l) >>> 0;
  h = v0h;
  v0h = v0l;
  v0l = h;
  t = v2l + v3l;
  v2h = (v2h + v3h + carry(t)) >>> 0;
  v2l = t >>> 0;
  h = ((v3h << 16) | (v3l >>> 16)) >>> 0;
  l = ((v3l << 16) | (v3h >>> 16)) >>> 0;
  v3h = (h ^ v2h) >>> 0;
  v3l = (l ^ v2l) >>> 0;
  t = v0l + v3l;
  v0h = (v0h + v3h + carry(t)) >>> 0;
  v0l = t >>> 0;
  h = ((v3h << 21) | (v3l >>> 11)) >>> 0;
  l = ((v3l << 21) | (v3h >>> 11)) >>> 0;
  v3h = (h ^ v0h) >>> 0;
  v3l = (l ^ v0l) >>> 0;
  t = v2l + v1l;
  v2h = (v2h + v1h + carry(t)) >>> 0;
  v2l = t >>> 0;
  h = ((v1h << 17) | (v1l >>> 15)) >>> 0;
  l = ((v1l << 17) | (v1h >>> 15)) >>> 0;
  v1h = (h ^ v2h) >>> 0;
  v1l = (l ^ v2l) >>> 0;
  h = v2h;
  v2h = v2l;
  v2l = h;
}

/** Result of the last siphash: low and high half. */
export let sipLo = 0;
export let sipHi = 0;

/** @param key 16 bytes */
export function siphash(key: Uint8Array, b: Uint8Array, len = b.length): number {
  const k = (o: number): number => (key[o] | (key[o + 1] << 8) | (key[o + 2] << 16) | (key[o + 3] << 24)) >>> 0;
  v0h = (k(4) ^ 0x736f6d65) >>> 0;
  v0l = (k(0) ^ 0x70736575) >>> 0;
  v1h = (k(12) ^ 0x646f7261) >>> 0;
  v1l = (k(8) ^ 0x6e646f6d) >>> 0;
  v2h = (k(4) ^ 0x6c796765) >>> 0;
  v2l = (k(0) ^ 0x6e657261) >>> 0;
  v3h = (k(12) ^ 0x74656462) >>> 0;
  v3l = (k(8) ^ 0x79746573) >>> 0;
  const byte = (i: number): number => (i < len ? b[i] : 0);
  for (let at = 0; at <= len; at += 8) {
    const last = at + 8 > len;
    const l = (byte(at) | (byte(at + 1) << 8) | (byte(at + 2) << 16) | (byte(at + 3) << 24)) >>> 0;
    const top = last ? len & 0xff : byte(at + 7);
    const h = (byte(at + 4) | (byte(at + 5) << 8) | (byte(at + 6) << 16) | (top << 24)) >>> 0;
    v3h = (v3h ^ h) >>> 0;
    v3l = (v3l ^ l) >>> 0;
    round();
    round();
    v0h = (v0h ^ h) >>> 0;
    v0l = (v0l ^ l) >>> 0;
  }
  v2l = (v2l ^ 0xff) >>> 0;
  for (let i = 0; i < 4; i++) round();
  sipLo = (v0l ^ v1l ^ v2l ^ v3l) >>> 0;
  sipHi = (v0h ^ v1h ^ v2h ^ v3h) >>> 0;
  return sipLo;
}
