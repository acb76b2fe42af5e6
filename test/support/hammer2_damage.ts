/**
 * Damage with valid check codes: change a block of a volume and sign again all that leads to it. For tests of the
 * checker, over its own decoding.
 */
import type { Reader } from '../../tools/hammer2/check/check.js';
import { crc32c, sha192, xxh64 } from '../../tools/hammer2/check/digest.js';
import * as w from '../../tools/hammer2/check/wire.js';

/** Blocks on the way from the header; `at` is the slot taken in each, and in the last the slot that was looked for. */
export type Path = { off: number; size: number; at: number }[];

const CHUNK = 65536;

export class Patient implements Reader {
  readonly size: number;
  /** What was written, over the image. */
  private readonly chunks = new Map<number, Uint8Array>();

  constructor(private readonly image: Reader) {
    this.size = image.size;
  }

  private chunk(base: number): Uint8Array {
    return this.chunks.get(base) ?? this.image.read(base, Math.min(CHUNK, this.size - base));
  }
  read(off: number, len: number): Uint8Array {
    const out = new Uint8Array(len);
    if (off < 0 || off + len > this.size) throw new Error('past the end');
    for (let done = 0; done < len;) {
      const base = Math.floor((off + done) / CHUNK) * CHUNK;
      const o = off + done - base;
      const n = Math.min(CHUNK - o, len - done);
      out.set(this.chunk(base).subarray(o, o + n), done);
      done += n;
    }
    return out;
  }
  write(off: number, data: Uint8Array): void {
    for (let done = 0; done < data.length;) {
      const base = Math.floor((off + done) / CHUNK) * CHUNK;
      const o = off + done - base;
      const n = Math.min(CHUNK - o, data.length - done);
      let c = this.chunks.get(base);
      if (c === undefined) this.chunks.set(base, (c = this.chunk(base).slice()));
      c.set(data.subarray(done, done + n), o);
      done += n;
    }
  }

  signHeader(off = 0): void {
    const b = this.read(off, 65536);
    const v = w.view(b);
    v.setUint32(0x1f8, crc32c(b, 0x200, 512), true);
    v.setUint32(0x1fc, crc32c(b, 0, 508), true);
    v.setUint32(0xfffc, crc32c(b, 0, 65532), true);
    this.write(off, b);
  }
  header(fn: (v: DataView, b: Uint8Array) => void): void {
    const b = this.read(0, 65536);
    fn(w.view(b), b);
    this.write(0, b);
    this.signHeader();
  }

  /** The n-th slot that `want` takes, in key order; with the block it leads to. */
  find(want: (r: w.Ref, block: Uint8Array, path: Path) => boolean, from = 0x200): Path {
    const walk = (path: Path, off: number, size: number, at0: number, n: number): Path | null => {
      const b = this.read(off, size);
      const v = w.view(b);
      for (let i = 0; i < n; i++) {
        const at = at0 + 128 * i;
        if (b[at] === 0) continue;
        const r = w.ref(b, v, at);
        const here = [...path, { off, size, at }];
        const block = r.size > 0 ? this.read(r.off, r.size) : new Uint8Array(0);
        if (want(r, block, here)) return here;
        let below: Path | null = null;
        if (r.type === w.T_INDIRECT || r.type === w.T_FREEMAP_NODE) below = walk(here, r.off, r.size, 0, r.size / 128);
        else if (r.type === w.T_INODE && (block[0x51] & 1) === 0) below = walk(here, r.off, r.size, 0x200, 4);
        if (below !== null) return below;
      }
      return null;
    };
    const found = walk([], 0, 65536, from, 4);
    if (found === null) throw new Error('nothing like that on this volume');
    return found;
  }

  /** Change the slot a path ends with (and whatever else is in its block). */
  slot(path: Path, fn: (v: DataView, at: number, b: Uint8Array) => void): void {
    const last = path[path.length - 1];
    const b = this.read(last.off, last.size);
    fn(w.view(b), last.at, b);
    this.write(last.off, b);
    this.sign(path.slice(0, -1));
  }
  /** Change the block a path leads to. */
  block(path: Path, fn: (v: DataView, b: Uint8Array) => void): void {
    const r = this.ref(path);
    const b = this.read(r.off, r.size);
    fn(w.view(b), b);
    this.write(r.off, b);
    this.sign(path);
  }
  ref(path: Path): w.Ref {
    const last = path[path.length - 1];
    const b = this.read(last.off, last.size);
    return w.ref(b, w.view(b), last.at);
  }
  /** New check codes from the block a path leads to up to the header. */
  sign(path: Path): void {
    for (let i = path.length - 1; i >= 0; i--) {
      const { off, size, at } = path[i];
      const b = this.read(off, size);
      const v = w.view(b);
      const r = w.ref(b, v, at);
      const block = this.read(r.off, r.size);
      if (r.check === w.CHECK_CRC || r.check === w.CHECK_FREEMAP)
        v.setUint32(at + 0x40, crc32c(block, 0, r.size), true);
      else if (r.check === w.CHECK_XXH) {
        const [lo, hi] = xxh64(block, 0, r.size);
        v.setUint32(at + 0x40, lo, true);
        v.setUint32(at + 0x44, hi, true);
      } else if (r.check === w.CHECK_SHA) b.set(sha192(block), at + 0x40);
      this.write(off, b);
    }
    this.signHeader();
  }
}
