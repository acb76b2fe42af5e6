/**
 * Inflate of untrusted zlib streams (RFC 1950, 1951) into a buffer of known size: what HAMMER2 blocks need.
 *
 * Huffman codes of up to FAST bits are decoded by one table look-up, longer ones by walking the canonical code.
 * State lives in module variables: the function never sleeps and kernel code is one JavaScript thread.
 */
const FAST = 10;
const MAXBITS = 15;

/** One Huffman code: `fast[bits]` = length << 9 | symbol, or 0; `count`, `symbol`: the canonical code by length. */
class Huffman {
  readonly fast = new Uint16Array(1 << FAST);
  readonly count = new Uint16Array(MAXBITS + 1);
  readonly symbol: Uint16Array;
  constructor(maxSymbols: number) {
    this.symbol = new Uint16Array(maxSymbols);
  }

  /** Build from code lengths; false when over-subscribed, or incomplete with more than one code. */
  build(lens: Uint8Array, off: number, n: number): boolean {
    const { fast, count, symbol } = this;
    count.fill(0);
    for (let i = 0; i < n; i++) count[lens[off + i]]++;
    const used = n - count[0];
    count[0] = 0;
    let left = 1;
    for (let len = 1; len <= MAXBITS; len++) {
      left = left * 2 - count[len];
      if (left < 0) return false;
    }
    if (left > 0 && used > 1) return false;
    let sum = 0;
    let code = 0;
    for (let len = 1; len <= MAXBITS; len++) {
      code = (code + count[len - 1]) << 1;
      offs[len] = sum;
      next[len] = code;
      sum += count[len];
    }
    fast.fill(0);
    for (let i = 0; i < n; i++) {
      const len = lens[off + i];
      if (len === 0) continue;
      symbol[offs[len]++] = i;
      const c = next[len]++;
      if (len > FAST) continue;
      let rev = 0; // codes arrive with the most significant bit first
      for (let k = 0; k < len; k++) rev |= ((c >> k) & 1) << (len - 1 - k);
      for (let k = rev; k < 1 << FAST; k += 1 << len) fast[k] = (len << 9) | i;
    }
    return true;
  }
}
const offs = new Uint16Array(MAXBITS + 1);
const next = new Uint16Array(MAXBITS + 1);

const LEN_BASE = Uint16Array.of(
  ...[3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27],
  ...[31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258],
);
const LEN_EXTRA = Uint8Array.of(
  ...[0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2],
  ...[2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0],
);
const DIST_BASE = new Uint16Array(30);
const DIST_EXTRA = new Uint8Array(30);
for (let i = 0, base = 1; i < 30; i++) {
  DIST_EXTRA[i] = i < 2 ? 0 : (i >> 1) - 1;
  DIST_BASE[i] = base;
  base += 1 << DIST_EXTRA[i];
}
const CL_ORDER = Uint8Array.of(16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15);

const lens = new Uint8Array(320);
const codeLens = new Huffman(19);
const dynLit = new Huffman(288);
const dynDist = new Huffman(32);
const fixLit = new Huffman(288);
const fixDist = new Huffman(32);
lens.fill(8, 0, 144).fill(9, 144, 256).fill(7, 256, 280).fill(8, 280, 288);
fixLit.build(lens, 0, 288);
lens.fill(5, 0, 32);
fixDist.build(lens, 0, 32);

// Bit reader: `bitBuf` holds `bitCnt` unread bits. Past the end zeros are supplied and `over` counts them, so that the
// inner loop needs no bounds check; running over is an error found after each symbol.
let input: Uint8Array = new Uint8Array(0);
let pos = 0;
let end = 0;
let bitBuf = 0;
let bitCnt = 0;
let over = 0;

function need(n: number): void {
  while (bitCnt < n) {
    if (pos < end) bitBuf |= input[pos++] << bitCnt;
    else over += 8;
    bitCnt += 8;
  }
}
/** @param n at most 16 */
function bits(n: number): number {
  need(n);
  const r = bitBuf & ((1 << n) - 1);
  bitBuf >>>= n;
  bitCnt -= n;
  return r;
}
/** Next symbol, or -1 for a code that does not exist. */
function decode(h: Huffman): number {
  need(MAXBITS);
  const f = h.fast[bitBuf & ((1 << FAST) - 1)];
  if (f !== 0) {
    const n = f >> 9;
    bitBuf >>>= n;
    bitCnt -= n;
    return f & 511;
  }
  let code = 0;
  let first = 0;
  let index = 0;
  for (let len = 1; len <= MAXBITS; len++) {
    code |= (bitBuf >>> (len - 1)) & 1;
    const n = h.count[len];
    if (code - first < n) {
      bitBuf >>>= len;
      bitCnt -= len;
      return h.symbol[index + code - first];
    }
    index += n;
    first = (first + n) << 1;
    code <<= 1;
  }
  return -1;
}

/** Read the code lengths of a dynamic block; false when malformed. */
function readDynamic(): boolean {
  const nlit = bits(5) + 257;
  const ndist = bits(5) + 1;
  const ncode = bits(4) + 4;
  if (nlit > 286 || ndist > 30) return false;
  lens.fill(0, 0, 19);
  for (let i = 0; i < ncode; i++) lens[CL_ORDER[i]] = bits(3);
  if (!codeLens.build(lens, 0, 19)) return false;
  for (let i = 0; i < nlit + ndist;) {
    const sym = decode(codeLens);
    if (sym < 0 || over > bitCnt) return false;
    if (sym < 16) {
      lens[i++] = sym;
      continue;
    }
    if (sym === 16 && i === 0) return false;
    const v = sym === 16 ? lens[i - 1] : 0;
    let rep = sym === 16 ? 3 + bits(2) : sym === 17 ? 3 + bits(3) : 11 + bits(7);
    if (i + rep > nlit + ndist) return false;
    while (rep-- > 0) lens[i++] = v;
  }
  if (lens[256] === 0) return false; // no end of block
  return dynLit.build(lens, 0, nlit) && dynDist.build(lens, nlit, ndist);
}

/** Decode one compressed block; the new output position, or -1. */
function inflateBlock(lit: Huffman, dist: Huffman, dst: Uint8Array, base: number, at: number, dend: number): number {
  let d = at;
  for (;;) {
    const sym = decode(lit);
    if (sym < 256) {
      if (sym < 0 || d >= dend) return -1;
      dst[d++] = sym;
      if (over > bitCnt) return -1;
      continue;
    }
    if (sym === 256) return over > bitCnt ? -1 : d;
    if (sym > 285) return -1;
    let n = LEN_BASE[sym - 257] + bits(LEN_EXTRA[sym - 257]);
    const ds = decode(dist);
    if (ds < 0 || ds > 29) return -1;
    const back = DIST_BASE[ds] + bits(DIST_EXTRA[ds]);
    if (over > bitCnt || back > d - base || n > dend - d) return -1;
    if (n > 32 && back >= n) {
      dst.copyWithin(d, d - back, d - back + n);
      d += n;
    } else if (n > 32 && back === 1) {
      dst.fill(dst[d - 1], d, d + n);
      d += n;
    } else for (; n > 0; n--, d++) dst[d] = dst[d - back];
  }
}

function adler32(b: Uint8Array, off: number, len: number): number {
  let s1 = 1;
  let s2 = 0;
  for (let i = off, e = off + len; i < e;) {
    const stop = Math.min(e, i + 3800); // the sums stay below 2^31 for that many bytes
    for (; i < stop; i++) s2 += s1 += b[i];
    s1 %= 65521;
    s2 %= 65521;
  }
  return ((s2 << 16) | s1) >>> 0;
}

/**
 * Inflate a zlib stream of at most `srcLen` bytes at `srcOff` into at most `dstMax` bytes at `dstOff`. Bytes after the
 * end of the stream are ignored; its Adler-32 is checked.
 *
 * @returns the number of bytes produced, or -1 when the input is malformed or does not fit; nothing outside the given
 *          ranges is read or written, whatever the input
 */
export function zlibInflate(
  src: Uint8Array,
  srcOff: number,
  srcLen: number,
  dst: Uint8Array,
  dstOff: number,
  dstMax: number,
): number {
  if (srcLen < 6) return -1;
  const cmf = src[srcOff];
  const flg = src[srcOff + 1];
  if ((cmf & 15) !== 8 || cmf >> 4 > 7 || ((cmf << 8) | flg) % 31 !== 0 || (flg & 0x20) !== 0) return -1;
  input = src;
  pos = srcOff + 2;
  end = srcOff + srcLen;
  bitBuf = bitCnt = over = 0;
  let d = dstOff;
  const dend = dstOff + dstMax;
  let last: number;
  do {
    last = bits(1);
    const type = bits(2);
    if (type === 0) {
      bits(bitCnt & 7);
      const n = bits(16);
      if ((n ^ bits(16)) !== 0xffff || over > bitCnt) return -1;
      // whole bytes left in the bit buffer come first
      pos -= (bitCnt - over) >> 3;
      bitBuf = bitCnt = over = 0;
      if (n > end - pos || n > dend - d) return -1;
      dst.set(src.subarray(pos, pos + n), d);
      pos += n;
      d += n;
    } else if (type === 3) return -1;
    else {
      if (type === 2 && !readDynamic()) return -1;
      d =
        type === 1
          ? inflateBlock(fixLit, fixDist, dst, dstOff, d, dend)
          : inflateBlock(dynLit, dynDist, dst, dstOff, d, dend);
      if (d < 0) return -1;
    }
  } while (last === 0);
  bits(bitCnt & 7);
  let sum = 0;
  for (let i = 0; i < 4; i++) sum = (sum << 8) | bits(8);
  if (over > bitCnt || sum >>> 0 !== adler32(dst, dstOff, d - dstOff)) return -1;
  return d - dstOff;
}
