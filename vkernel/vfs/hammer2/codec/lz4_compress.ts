/**
 * LZ4 block format (raw, no frame): compression. Greedy, with a table of the last place of each hash of four bytes. The
 * native twin makes the same choices, so that both give the same bytes.
 */

const HASH_BITS = 13;
/** Place + 1 of the last four bytes with this hash; cleared for each block, so that blocks do not depend on each other. */
const table = new Int32Array(1 << HASH_BITS);
/** The format's: no match starts in the last 12 bytes, none reaches into the last 5. */
const LAST_START = 12;
const LAST_LITERALS = 5;
const MAX_DISTANCE = 65535;
/** After so many misses (log2) the search takes a step more at a time. */
const SKIP_BITS = 6;

const word = (b: Uint8Array, i: number): number => b[i] | (b[i + 1] << 8) | (b[i + 2] << 16) | (b[i + 3] << 24);
const hash = (w: number): number => Math.imul(w, 0x9e3779b1) >>> (32 - HASH_BITS);

/** One sequence at `d`: literals src[from, to), then a match (length 0: none, the last). New end, or -1 past `dend`. */
function sequence(
  src: Uint8Array,
  from: number,
  to: number,
  distance: number,
  match: number,
  dst: Uint8Array,
  d: number,
  dend: number,
): number {
  const lits = to - from;
  const m = match === 0 ? 0 : match - 4;
  const need =
    1 +
    (lits < 15 ? 0 : 1 + Math.floor((lits - 15) / 255)) +
    lits +
    (match === 0 ? 0 : 2 + (m < 15 ? 0 : 1 + Math.floor((m - 15) / 255)));
  if (d + need > dend) return -1;
  dst[d++] = ((lits < 15 ? lits : 15) << 4) | (m < 15 ? m : 15);
  if (lits >= 15) {
    let x = lits - 15;
    for (; x >= 255; x -= 255) dst[d++] = 255;
    dst[d++] = x;
  }
  if (lits > 32) dst.set(src.subarray(from, to), d);
  else for (let i = 0; i < lits; i++) dst[d + i] = src[from + i];
  d += lits;
  if (match === 0) return d;
  dst[d++] = distance & 255;
  dst[d++] = distance >> 8;
  if (m >= 15) {
    let x = m - 15;
    for (; x >= 255; x -= 255) dst[d++] = 255;
    dst[d++] = x;
  }
  return d;
}

/**
 * Compress `srcLen` bytes at `srcOff` into at most `dstMax` bytes at `dstOff`.
 *
 * @returns bytes produced, or -1 when they do not fit (dst may then hold a part)
 */
export function lz4Compress(
  src: Uint8Array,
  srcOff: number,
  srcLen: number,
  dst: Uint8Array,
  dstOff: number,
  dstMax: number,
): number {
  const end = srcOff + srcLen;
  const dend = dstOff + dstMax;
  const lastStart = end - LAST_START;
  const lastMatch = end - LAST_LITERALS;
  let d = dstOff;
  let anchor = srcOff;
  let misses = 0;
  table.fill(0);
  for (let i = srcOff; i <= lastStart;) {
    const w = word(src, i);
    const h = hash(w);
    const at = table[h] - 1;
    table[h] = i + 1;
    if (at < srcOff || i - at > MAX_DISTANCE || word(src, at) !== w) {
      i += 1 + (misses++ >> SKIP_BITS);
      continue;
    }
    let n = 4;
    while (i + n < lastMatch && src[at + n] === src[i + n]) n++;
    d = sequence(src, anchor, i, i - at, n, dst, d, dend);
    if (d < 0) return -1;
    i += n;
    anchor = i;
    misses = 0;
    if (i <= lastStart) table[hash(word(src, i - 2))] = i - 1;
  }
  d = sequence(src, anchor, end, 0, 0, dst, d, dend);
  return d < 0 ? -1 : d - dstOff;
}
