/**
 * XXH64 with HAMMER2's seed, on pairs of 32-bit halves (no BigInt). TypeScript twin and oracle of the native digest.
 *
 * State lives in module variables: the function never sleeps and kernel code is one JavaScript thread.
 */

// Primes and seed as halves; the low halves of the multipliers also as 16-bit pieces.
const P1H = 0x9e3779b1 | 0;
const P1L = 0x85ebca87 | 0;
const P2H = 0xc2b2ae3d | 0;
const P2L = 0x27d4eb4f | 0;
const P3H = 0x165667b1 | 0;
const P3L = 0x9e3779f9 | 0;
const P4H = 0x85ebca77 | 0;
const P4L = 0xc2b2ae63 | 0;
const P5H = 0x27d4eb2f | 0;
const P5L = 0x165667c5 | 0;
const SEEDH = 0x4d617474 | 0;
const SEEDL = 0x446c6c6e | 0;

/** Result of mul/round below. */
let rh = 0;
let rl = 0;

/** (ah:al) * (bh:bl) mod 2^64 into rh:rl. */
function mul(ah: number, al: number, bh: number, bl: number): void {
  const a0 = al & 0xffff;
  const a1 = al >>> 16;
  const b0 = bl & 0xffff;
  const b1 = bl >>> 16;
  const p00 = Math.imul(a0, b0);
  const p10 = Math.imul(a1, b0);
  const mid = (p00 >>> 16) + (p10 & 0xffff) + (Math.imul(a0, b1) >>> 0);
  // mid < 2^16 + 2^16 + 2^32: exact as a double; split it by hand
  const midl = mid | 0;
  const carry = mid >= 0x1_0000_0000 ? 0x10000 : 0;
  rl = (midl << 16) | (p00 & 0xffff);
  rh = (Math.imul(a1, b1) + (p10 >>> 16) + (midl >>> 16) + carry + Math.imul(ah, bl) + Math.imul(al, bh)) | 0;
}

/** rh:rl = rotl(acc + in * P2, 31) * P1: one lane's step. */
function round(acch: number, accl: number, inh: number, inl: number): void {
  mul(inh, inl, P2H, P2L);
  const l = (rl + accl) | 0;
  const h = (rh + acch + (l >>> 0 < rl >>> 0 ? 1 : 0)) | 0;
  mul((h << 31) | (l >>> 1), (l << 31) | (h >>> 1), P1H, P1L);
}

/** h = (h ^ round(0, v)) * P1 + P4. */
function mergeRound(hh: number, hl: number, vh: number, vl: number): void {
  round(0, 0, vh, vl);
  mul(hh ^ rh, hl ^ rl, P1H, P1L);
  const l = (rl + P4L) | 0;
  rh = (rh + P4H + (l >>> 0 < rl >>> 0 ? 1 : 0)) | 0;
  rl = l;
}

const carry = (sum: number, addend: number): number => (sum >>> 0 < addend >>> 0 ? 1 : 0);

/** XXH64 of `len` bytes at `off`: out[0] = low half, out[1] = high half. */
export function xxh64(b: Uint8Array, off: number, len: number, out: Uint32Array): void {
  const v = new DataView(b.buffer, b.byteOffset + off, len);
  let i = 0;
  let hh: number;
  let hl: number;
  if (len >= 32) {
    let al = (SEEDL + P1L) | 0;
    let ah = (SEEDH + P1H + carry(al, P1L)) | 0;
    const t = al;
    al = (al + P2L) | 0;
    ah = (ah + P2H + carry(al, t)) | 0;
    let bl = (SEEDL + P2L) | 0;
    let bh = (SEEDH + P2H + carry(bl, P2L)) | 0;
    let cl = SEEDL;
    let ch = SEEDH;
    let dl = (SEEDL - P1L) | 0;
    let dh = (SEEDH - P1H - carry(SEEDL, P1L)) | 0;
    const end32 = len - 32;
    for (; i <= end32; i += 32) {
      round(ah, al, v.getInt32(i + 4, true), v.getInt32(i, true));
      ah = rh;
      al = rl;
      round(bh, bl, v.getInt32(i + 12, true), v.getInt32(i + 8, true));
      bh = rh;
      bl = rl;
      round(ch, cl, v.getInt32(i + 20, true), v.getInt32(i + 16, true));
      ch = rh;
      cl = rl;
      round(dh, dl, v.getInt32(i + 28, true), v.getInt32(i + 24, true));
      dh = rh;
      dl = rl;
    }
    // rotl(a,1) + rotl(b,7) + rotl(c,12) + rotl(d,18)
    hl = (al << 1) | (ah >>> 31);
    hh = (ah << 1) | (al >>> 31);
    let xl = (bl << 7) | (bh >>> 25);
    hl = (hl + xl) | 0;
    hh = (hh + ((bh << 7) | (bl >>> 25)) + carry(hl, xl)) | 0;
    xl = (cl << 12) | (ch >>> 20);
    hl = (hl + xl) | 0;
    hh = (hh + ((ch << 12) | (cl >>> 20)) + carry(hl, xl)) | 0;
    xl = (dl << 18) | (dh >>> 14);
    hl = (hl + xl) | 0;
    hh = (hh + ((dh << 18) | (dl >>> 14)) + carry(hl, xl)) | 0;
    mergeRound(hh, hl, ah, al);
    mergeRound(rh, rl, bh, bl);
    mergeRound(rh, rl, ch, cl);
    mergeRound(rh, rl, dh, dl);
    hh = rh;
    hl = rl;
  } else {
    hl = (SEEDL + P5L) | 0;
    hh = (SEEDH + P5H + carry(hl, P5L)) | 0;
  }
  hl = (hl + len) | 0;
  hh = (hh + carry(hl, len)) | 0;
  for (; i + 8 <= len; i += 8) {
    round(0, 0, v.getInt32(i + 4, true), v.getInt32(i, true));
    const xh = hh ^ rh;
    const xl = hl ^ rl;
    mul((xh << 27) | (xl >>> 5), (xl << 27) | (xh >>> 5), P1H, P1L);
    hl = (rl + P4L) | 0;
    hh = (rh + P4H + carry(hl, P4L)) | 0;
  }
  if (i + 4 <= len) {
    mul(0, v.getInt32(i, true), P1H, P1L);
    const xh = hh ^ rh;
    const xl = hl ^ rl;
    mul((xh << 23) | (xl >>> 9), (xl << 23) | (xh >>> 9), P2H, P2L);
    hl = (rl + P3L) | 0;
    hh = (rh + P3H + carry(hl, P3L)) | 0;
    i += 4;
  }
  for (; i < len; i++) {
    mul(0, v.getUint8(i), P5H, P5L);
    const xh = hh ^ rh;
    const xl = hl ^ rl;
    mul((xh << 11) | (xl >>> 21), (xl << 11) | (xh >>> 21), P1H, P1L);
    hl = rl;
    hh = rh;
  }
  // avalanche
  hl ^= hh >>> 1; // h ^= h >> 33
  mul(hh, hl, P2H, P2L);
  hl = rl ^ ((rl >>> 29) | (rh << 3)); // h ^= h >> 29
  hh = rh ^ (rh >>> 29);
  mul(hh, hl, P3H, P3L);
  out[0] = rl ^ rh; // h ^= h >> 32
  out[1] = rh;
}
