/**
 * LZ4 block format (raw, no frame): decompression of untrusted input. TypeScript twin and oracle of the native one.
 * Counterpart: sys/vfs/hammer2/hammer2_lz4.c
 */

/**
 * Decompress `srcLen` bytes at `srcOff` into at most `dstMax` bytes at `dstOff`.
 *
 * @returns the number of bytes produced, or -1 when the input is malformed or does not fit; nothing outside the given
 *          ranges is read or written, whatever the input
 */
export function lz4Decompress(
  src: Uint8Array,
  srcOff: number,
  srcLen: number,
  dst: Uint8Array,
  dstOff: number,
  dstMax: number,
): number {
  let s = srcOff;
  const send = srcOff + srcLen;
  let d = dstOff;
  const dend = dstOff + dstMax;
  if (srcLen <= 0) return -1;
  for (;;) {
    if (s >= send) return -1; // a block ends with literals, after which we return below
    const token = src[s++];
    let n = token >> 4;
    if (n === 15) {
      let x: number;
      do {
        if (s >= send) return -1;
        x = src[s++];
        n += x;
      } while (x === 255);
    }
    if (n > send - s || n > dend - d) return -1;
    if (n > 64) {
      dst.set(src.subarray(s, s + n), d);
      s += n;
      d += n;
    } else for (const e = s + n; s < e;) dst[d++] = src[s++];
    if (s === send) return d - dstOff;
    if (send - s < 2) return -1;
    const dist = src[s] | (src[s + 1] << 8);
    s += 2;
    if (dist === 0 || dist > d - dstOff) return -1;
    n = (token & 15) + 4;
    if (n === 19) {
      let x: number;
      do {
        if (s >= send) return -1;
        x = src[s++];
        n += x;
      } while (x === 255);
    }
    if (n > dend - d) return -1;
    if (dist === 1 && n > 32) {
      dst.fill(dst[d - 1], d, d + n);
      d += n;
    } else if (dist >= n && n > 64) {
      dst.copyWithin(d, d - dist, d - dist + n);
      d += n;
    } else for (const e = d + n; d < e; d++) dst[d] = dst[d - dist];
  }
}
