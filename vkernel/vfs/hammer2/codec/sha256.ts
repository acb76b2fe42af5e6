/**
 * SHA-256, and SHA192 as HAMMER2 folds it. TypeScript twin and oracle of the native digest.
 * Counterpart: sys/crypto/sha2
 */
const K = new Int32Array(64);
const H0 = new Int32Array(8);
{
  // The constants are the fractional bits of cube and square roots of the first primes.
  const frac = (x: number): number => ((x - Math.floor(x)) * 0x1_0000_0000) | 0;
  let n = 0;
  for (let p = 2; n < 64; p++) {
    let prime = true;
    for (let d = 2; d * d <= p; d++) if (p % d === 0) prime = false;
    if (!prime) continue;
    if (n < 8) H0[n] = frac(Math.sqrt(p));
    K[n++] = frac(Math.cbrt(p));
  }
}
const W = new Int32Array(64);
const H = new Int32Array(8);
const tail = new Uint8Array(128);

function block(b: Uint8Array, o: number): void {
  for (let i = 0; i < 16; i++, o += 4) W[i] = (b[o] << 24) | (b[o + 1] << 16) | (b[o + 2] << 8) | b[o + 3];
  for (let i = 16; i < 64; i++) {
    const x = W[i - 15];
    const y = W[i - 2];
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    W[i] = (W[i - 16] + s0 + W[i - 7] + s1) | 0;
  }
  let a = H[0];
  let bb = H[1];
  let c = H[2];
  let d = H[3];
  let e = H[4];
  let f = H[5];
  let g = H[6];
  let h = H[7];
  for (let i = 0; i < 64; i++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + W[i]) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (s0 + ((a & bb) ^ (a & c) ^ (bb & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = bb;
    bb = a;
    a = (t1 + t2) | 0;
  }
  H[0] += a;
  H[1] += bb;
  H[2] += c;
  H[3] += d;
  H[4] += e;
  H[5] += f;
  H[6] += g;
  H[7] += h;
}

/** SHA-256 of `len` bytes at `off` into the first 32 bytes of `out`. */
export function sha256(b: Uint8Array, off: number, len: number, out: Uint8Array): void {
  H.set(H0);
  const full = len & ~63;
  for (let i = 0; i < full; i += 64) block(b, off + i);
  const rest = len - full;
  tail.fill(0);
  for (let i = 0; i < rest; i++) tail[i] = b[off + full + i];
  tail[rest] = 0x80;
  const n = rest < 56 ? 64 : 128;
  const bits = len * 8;
  for (let i = 0; i < 8; i++) tail[n - 1 - i] = Math.floor(bits / 2 ** (8 * i)) & 0xff;
  block(tail, 0);
  if (n === 128) block(tail, 64);
  for (let i = 0; i < 32; i++) out[i] = H[i >> 2] >>> (24 - 8 * (i & 3));
}

/** Fold a SHA-256 value to SHA192 in place: bytes 16-23 get bytes 24-31 XORed in; the first 24 bytes count. */
export function foldSha192(d: Uint8Array): void {
  for (let i = 16; i < 24; i++) d[i] ^= d[i + 8];
}
