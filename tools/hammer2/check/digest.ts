/**
 * The check codes, once more. The checker judges what vkernel/vfs/hammer2 writes, so it shares none of its code: a mistake
 * there must not be a mistake here.
 */
import { createHash } from 'node:crypto';

/** CRC-32C by eight tables: table k advances a byte over k more bytes of zero. */
const crcTables: Int32Array[] = [];
for (let k = 0; k < 8; k++) {
  const t = new Int32Array(256);
  for (let i = 0; i < 256; i++) {
    let c = k === 0 ? i : crcTables[k - 1][i];
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1;
    t[i] = c;
  }
  crcTables.push(t);
}

export function crc32c(b: Uint8Array, off: number, len: number): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = crcTables;
  let c = -1;
  let i = off;
  const end = off + len;
  for (; i + 8 <= end; i += 8) {
    c ^= b[i] | (b[i + 1] << 8) | (b[i + 2] << 16) | (b[i + 3] << 24);
    c =
      t7[c & 255] ^
      t6[(c >>> 8) & 255] ^
      t5[(c >>> 16) & 255] ^
      t4[c >>> 24] ^
      t3[b[i + 4]] ^
      t2[b[i + 5]] ^
      t1[b[i + 6]] ^
      t0[b[i + 7]];
  }
  for (; i < end; i++) c = t0[(c ^ b[i]) & 255] ^ (c >>> 8);
  return ~c >>> 0;
}

/** High 32 bits of the product of two u32: no intermediate needs more than 32 bits. */
function mulHigh(a: number, b: number): number {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  const m = (Math.imul(a1, b0) + (Math.imul(a0, b0) >>> 16)) | 0;
  const n = (Math.imul(a0, b1) + (m & 0xffff)) | 0;
  return (Math.imul(a1, b1) + (m >>> 16) + (n >>> 16)) | 0;
}

/** A 64-bit number as two int32; the operations of XXH64 change it in place. */
class Word {
  constructor(
    public hi: number,
    public lo: number,
  ) {}
  clone(): Word {
    return new Word(this.hi, this.lo);
  }
  add(hi: number, lo: number): this {
    const l = (this.lo >>> 0) + (lo >>> 0);
    this.hi = (this.hi + hi + (l > 0xffffffff ? 1 : 0)) | 0;
    this.lo = l | 0;
    return this;
  }
  mul(p: Word): this {
    const hi = (mulHigh(this.lo, p.lo) + Math.imul(this.hi, p.lo) + Math.imul(this.lo, p.hi)) | 0;
    this.lo = Math.imul(this.lo, p.lo);
    this.hi = hi;
    return this;
  }
  rotl(n: number): this {
    let { hi, lo } = this;
    if (n >= 32) [hi, lo] = [lo, hi];
    const s = n & 31;
    if (s !== 0) {
      this.hi = (hi << s) | (lo >>> (32 - s));
      this.lo = (lo << s) | (hi >>> (32 - s));
    } else {
      this.hi = hi;
      this.lo = lo;
    }
    return this;
  }
  xor(w: Word): this {
    this.hi ^= w.hi;
    this.lo ^= w.lo;
    return this;
  }
  /** x ^= x >> n, n at least 29. */
  xorShift(n: number): this {
    if (n >= 32) this.lo ^= this.hi >>> (n - 32);
    else {
      this.lo ^= (this.lo >>> n) | (this.hi << (32 - n));
      this.hi ^= this.hi >>> n;
    }
    return this;
  }
}

const P1 = new Word(0x9e3779b1 | 0, 0x85ebca87 | 0);
const P2 = new Word(0xc2b2ae3d | 0, 0x27d4eb4f);
const P3 = new Word(0x165667b1, 0x9e3779f9 | 0);
const P4 = new Word(0x85ebca77 | 0, 0xc2b2ae63 | 0);
const P5 = new Word(0x27d4eb2f, 0x165667c5);
const SEED = new Word(0x4d617474, 0x446c6c6e);

const le32 = (b: Uint8Array, i: number): number => b[i] | (b[i + 1] << 8) | (b[i + 2] << 16) | (b[i + 3] << 24);
const lane = new Word(0, 0);
/** round(acc, lane) of XXH64. */
function round(acc: Word, hi: number, lo: number): Word {
  lane.hi = hi;
  lane.lo = lo;
  lane.mul(P2);
  return acc.add(lane.hi, lane.lo).rotl(31).mul(P1);
}

/** The four accumulators of a hash over 32 bytes or more: high and low word of each. */
const acc = new Int32Array(8);

/** All whole stripes of 32 bytes into `acc`. The rounds of Word, written out: four times as fast. */
function stripes(b: Uint8Array, off: number, n: number): void {
  const p1h = P1.hi;
  const p1l = P1.lo;
  const p2h = P2.hi;
  const p2l = P2.lo;
  // Blocks lie on multiples of 4 wherever they were read to; the hosts are little endian.
  const aligned = (b.byteOffset + off) % 4 === 0;
  const words = aligned ? new Int32Array(b.buffer, b.byteOffset + off, n * 8) : null;
  for (let k = 0; k < 4; k++) {
    let hi = acc[2 * k];
    let lo = acc[2 * k + 1];
    for (let s = 0; s < n; s++) {
      const at = s * 8 + 2 * k;
      const wl = words !== null ? words[at] : le32(b, off + 4 * at);
      const wh = words !== null ? words[at + 1] : le32(b, off + 4 * at + 4);
      // acc += lane * P2
      const ml = Math.imul(wl, p2l);
      const mh = (mulHigh(wl, p2l) + Math.imul(wh, p2l) + Math.imul(wl, p2h)) | 0;
      const sum = (lo + ml) | 0;
      hi = (hi + mh + (sum >>> 0 < lo >>> 0 ? 1 : 0)) | 0;
      // rotate left by 31, times P1
      const rh = (hi << 31) | (sum >>> 1);
      const rl = (sum << 31) | (hi >>> 1);
      hi = (mulHigh(rl, p1l) + Math.imul(rh, p1l) + Math.imul(rl, p1h)) | 0;
      lo = Math.imul(rl, p1l);
    }
    acc[2 * k] = hi;
    acc[2 * k + 1] = lo;
  }
}

/** XXH64 with HAMMER2's seed; [low, high] as u32. */
export function xxh64(b: Uint8Array, off: number, len: number): [number, number] {
  let i = off;
  const end = off + len;
  let h: Word;
  if (len >= 32) {
    const start = [
      SEED.clone().add(P1.hi, P1.lo).add(P2.hi, P2.lo),
      SEED.clone().add(P2.hi, P2.lo),
      SEED.clone(),
      SEED.clone().add(~P1.hi, -P1.lo), // less P1: its low word is not 0
    ];
    start.forEach((a, k) => acc.set([a.hi, a.lo], 2 * k));
    const n = len >>> 5;
    stripes(b, off, n);
    i += 32 * n;
    const a = [0, 1, 2, 3].map((k) => new Word(acc[2 * k], acc[2 * k + 1]));
    h = a[0].clone().rotl(1);
    for (const [k, n] of [
      [1, 7],
      [2, 12],
      [3, 18],
    ]) {
      const r = a[k].clone().rotl(n);
      h.add(r.hi, r.lo);
    }
    for (const x of a)
      h.xor(round(new Word(0, 0), x.hi, x.lo))
        .mul(P1)
        .add(P4.hi, P4.lo);
  } else h = SEED.clone().add(P5.hi, P5.lo);
  h.add(0, len);
  for (; i + 8 <= end; i += 8) {
    h.xor(round(new Word(0, 0), le32(b, i + 4), le32(b, i)))
      .rotl(27)
      .mul(P1)
      .add(P4.hi, P4.lo);
  }
  if (i + 4 <= end) {
    h.xor(new Word(0, le32(b, i)).mul(P1))
      .rotl(23)
      .mul(P2)
      .add(P3.hi, P3.lo);
    i += 4;
  }
  for (; i < end; i++) h.xor(new Word(0, b[i]).mul(P5)).rotl(11).mul(P1);
  h.xorShift(33).mul(P2).xorShift(29).mul(P3).xorShift(32);
  return [h.lo >>> 0, h.hi >>> 0];
}

/** SHA-256 folded to 24 bytes. */
export function sha192(b: Uint8Array): Uint8Array {
  const d = createHash('sha256').update(b).digest();
  for (let i = 16; i < 24; i++) d[i] ^= d[i + 8];
  return d.subarray(0, 24);
}

/** Directory hash of a name (bytes). */
export function dirhash(name: Uint8Array): bigint {
  let sum = 0;
  for (let from = 0, i = 0; i <= name.length; i++) {
    if (i < name.length && !'.-_~'.includes(String.fromCharCode(name[i]))) continue;
    if (i > from) sum = (sum + crc32c(name, from, i - from)) >>> 0;
    from = i + 1;
  }
  const c = crc32c(name, 0, name.length);
  const low = (((c ^ (c << 16)) & 0xffff0000) | 0x8000) >>> 0;
  return (BigInt((sum | 0x80000000) >>> 0) << 32n) | BigInt(low);
}
