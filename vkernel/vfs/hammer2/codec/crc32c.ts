/**
 * CRC-32C (Castagnoli, "icrc32"), slicing by 8. TypeScript twin and oracle of the native digest.
 * Counterpart: sys/libkern/icrc32.c
 */
const POLY = 0x82f63b78;

/** Eight tables of 256: T[k][b] is the CRC of byte b followed by k zero bytes. */
const T = new Int32Array(8 * 256);
for (let i = 0; i < 256; i++) {
  let c = i;
  for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ POLY : c >>> 1;
  T[i] = c;
}
for (let i = 0; i < 256; i++) {
  for (let k = 1; k < 8; k++) {
    const p = T[(k - 1) * 256 + i];
    T[k * 256 + i] = (p >>> 8) ^ T[p & 0xff];
  }
}

/**
 * CRC-32C of `len` bytes at `off`, as a u32.
 *
 * @param prev  a finished value to continue from (0 to start)
 */
export function crc32c(b: Uint8Array, off: number, len: number, prev = 0): number {
  let c = ~prev;
  const end = off + len;
  const end8 = off + (len & ~7);
  let i = off;
  for (; i < end8; i += 8) {
    const x = c ^ (b[i] | (b[i + 1] << 8) | (b[i + 2] << 16) | (b[i + 3] << 24));
    c =
      T[1792 + (x & 0xff)] ^
      T[1536 + ((x >>> 8) & 0xff)] ^
      T[1280 + ((x >>> 16) & 0xff)] ^
      T[1024 + (x >>> 24)] ^
      T[768 + b[i + 4]] ^
      T[512 + b[i + 5]] ^
      T[256 + b[i + 6]] ^
      T[b[i + 7]];
  }
  for (; i < end; i++) c = (c >>> 8) ^ T[(c ^ b[i]) & 0xff];
  return ~c >>> 0;
}
