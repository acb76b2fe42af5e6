/**
 * Directory hash: name to 64-bit key. Bits 63 and 15 are always set, bits 0-14 clear: they number collisions.
 * Counterpart: hammer2_dirhash() in sys/vfs/hammer2/hammer2_subr.c
 */
import { crc32c } from './codec/crc32c.js';

/** Result of dirhash: halves of the key. */
export interface DirHash {
  hi: number;
  lo: number;
}

/** @param name one char per byte */
export function dirhash(name: string): DirHash {
  const n = name.length;
  const b = new Uint8Array(n);
  for (let i = 0; i < n; i++) b[i] = name.charCodeAt(i);
  let hi = 0;
  let start = 0;
  for (let i = 0; i <= n; i++) {
    if (i < n && b[i] !== 0x2e && b[i] !== 0x2d && b[i] !== 0x5f && b[i] !== 0x7e) continue; // . - _ ~
    if (i > start) hi += crc32c(b, start, i - start);
    start = i + 1;
  }
  let lo = crc32c(b, 0, n);
  lo ^= lo << 16;
  return { hi: ((hi % 0x1_0000_0000) | 0x80000000) >>> 0, lo: ((lo & 0xffff0000) | 0x8000) >>> 0 };
}
