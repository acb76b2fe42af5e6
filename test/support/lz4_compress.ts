/** A simple LZ4 compressor: greedy, hash of four bytes. */
export function lz4Compress(src: Uint8Array): Uint8Array {
  const out: number[] = [];
  const seen = new Map<number, number>();
  let lit = 0;
  const sequence = (from: number, to: number, dist: number, match: number): void => {
    const nlit = to - from;
    const m = dist === 0 ? 0 : match - 4;
    out.push((Math.min(nlit, 15) << 4) | Math.min(m, 15));
    for (let x = nlit - 15; nlit >= 15; x -= 255) {
      out.push(Math.min(x, 255));
      if (x < 255) break;
    }
    for (let i = from; i < to; i++) out.push(src[i]);
    if (dist === 0) return;
    out.push(dist & 255, dist >> 8);
    for (let x = m - 15; m >= 15; x -= 255) {
      out.push(Math.min(x, 255));
      if (x < 255) break;
    }
  };
  for (let i = 0; i + 12 < src.length;) {
    const key = src[i] | (src[i + 1] << 8) | (src[i + 2] << 16) | (src[i + 3] << 24);
    const at = seen.get(key);
    seen.set(key, i);
    if (at === undefined || i - at > 65535) {
      i++;
      continue;
    }
    let n = 4;
    while (i + n < src.length - 5 && src[at + n] === src[i + n]) n++;
    sequence(lit, i, i - at, n);
    i += n;
    lit = i;
  }
  sequence(lit, src.length, 0, 0);
  return Uint8Array.from(out);
}
