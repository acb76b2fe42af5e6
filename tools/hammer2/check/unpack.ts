/** Decompression of data blocks: LZ4's block format here, zlib by Node. Input is untrusted. */
import { inflateSync } from 'node:zlib';

/** From this many bytes on a call that copies them is worth it. */
const LONG = 24;

/**
 * One raw LZ4 block: src[off, off + len) into dst.
 *
 * @returns bytes produced, or what is wrong
 */
export function lz4(src: Uint8Array, off: number, len: number, dst: Uint8Array): number | string {
  const end = off + len;
  let i = off;
  let o = 0;
  /** A length whose nibble was 15 goes on in bytes until one is not 255. */
  const more = (n: number): number => {
    for (let b = 255; b === 255; n += b) {
      if (i >= end) return -1;
      b = src[i++];
    }
    return n;
  };
  while (i < end) {
    const token = src[i++];
    let lit = token >> 4;
    if (lit === 15 && (lit = more(15)) < 0) return 'ends within a length';
    if (i + lit > end) return 'ends within literals';
    if (o + lit > dst.length) return 'more than 64 KiB';
    if (lit > LONG) {
      dst.set(src.subarray(i, i + lit), o);
      o += lit;
      i += lit;
    } else for (let k = 0; k < lit; k++) dst[o++] = src[i++];
    if (i === end) return o; // the last sequence has no match
    if (i + 2 > end) return 'ends within a match offset';
    const back = src[i] | (src[i + 1] << 8);
    i += 2;
    if (back === 0 || back > o) return `match offset ${back} at ${o}`;
    let n = token & 15;
    if (n === 15 && (n = more(15)) < 0) return 'ends within a length';
    n += 4;
    if (o + n > dst.length) return 'more than 64 KiB';
    if (n > LONG && back >= n) {
      dst.copyWithin(o, o - back, o - back + n);
      o += n;
    } else if (n > LONG && back === 1) {
      dst.fill(dst[o - 1], o, o + n);
      o += n;
    } else for (let k = 0; k < n; k++, o++) dst[o] = dst[o - back];
  }
  return 'ends with a match';
}

/** One zlib stream at the start of src; what follows it is ignored. */
export function zlib(src: Uint8Array, max: number): Uint8Array | string {
  try {
    return inflateSync(src, { maxOutputLength: max });
  } catch (e) {
    return e instanceof Error ? e.message : String(e);
  }
}
