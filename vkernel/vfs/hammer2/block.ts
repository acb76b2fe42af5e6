/**
 * File data blocks between their logical form (64 KiB, zero past the end of the file) and what is stored.
 * Counterpart: sys/vfs/hammer2/hammer2_strategy.c
 */
import type { Codecs } from './codec/codecs.js';
import * as d from './disk.js';
import { Check, Comp } from './disk.js';
import type { InodeCore } from './inode.js';

/** Bytes a block is stored in before compression: the smallest power of two that holds what of the file is in it. */
export function physicalBytes(bytes: number): number {
  if (bytes >= d.PBUFSIZE) return d.PBUFSIZE;
  return bytes <= 1024 ? 1024 : 2 ** (32 - Math.clz32(bytes - 1));
}

export function isZero(b: Uint8Array, len: number): boolean {
  const w = new Uint32Array(b.buffer, b.byteOffset, len / 4);
  for (let i = 0; i < w.length; i++) if (w[i] !== 0) return false;
  return true;
}

/** A stored block: bytes in `buf[0, len)`, len a power of two, and its compression nibble. */
export class Stored {
  buf: Uint8Array = new Uint8Array(0);
  len = 0;
  comp: Comp = Comp.NONE;
  private readonly out = new Uint8Array(d.PBUFSIZE);

  /**
   * Encode a logical block by the rules of its file (9.3).
   *
   * @param size   bytes of `src` to store (physicalBytes)
   * @param comp   Comp with the level in the high nibble
   * @returns      false when nothing is to be stored: a hole
   */
  encode(codecs: Codecs, core: InodeCore, src: Uint8Array, size: number, comp: number, check: Check): boolean {
    const algo = comp & 15;
    this.buf = src;
    this.len = size;
    this.comp = Comp.NONE;
    if (algo === Comp.NONE) return true;
    if (check !== Check.NONE && isZero(src, size)) return false;
    if (algo !== Comp.LZ4 && algo !== Comp.ZLIB) return true;
    const tries = core.compTries;
    if (tries >= 8 && tries % 8 !== 0) {
      core.compTries++;
      return true;
    }
    let n = -1;
    if (algo === Comp.LZ4) {
      n = codecs.lz4Compress(src, 0, size, this.out, 4, size / 2 - 8);
      if (n > 0) {
        new DataView(this.out.buffer).setUint32(0, n, true);
        n += 4;
      }
    } else if (codecs.zlibDeflate !== undefined) {
      const level = Math.min(9, Math.max(6, comp >> 4));
      n = codecs.zlibDeflate(src, 0, size, this.out, 0, size / 2, level);
    }
    if (n <= 0) {
      core.compTries = tries >= 128 ? 8 : tries + 1;
      return true;
    }
    core.compTries = 0;
    this.buf = this.out;
    this.len = physicalBytes(n);
    this.comp = algo;
    this.out.fill(0, n, this.len);
    return true;
  }
}

/**
 * Decode a stored block into 64 KiB at dst[dstOff], zero past what is stored.
 *
 * @returns null, or what is wrong with it
 */
export function decode(
  codecs: Codecs,
  comp: number,
  phys: Uint8Array,
  size: number,
  dst: Uint8Array,
  dstOff: number,
): { what: string; why: string } | null {
  let got: number;
  switch (comp) {
    case Comp.NONE:
    case Comp.AUTOZERO:
      dst.set(size === phys.length ? phys : phys.subarray(0, size), dstOff);
      got = size;
      break;
    case Comp.LZ4: {
      const n = (phys[0] | (phys[1] << 8) | (phys[2] << 16) | (phys[3] << 24)) >>> 0;
      if (n > size - 4) return { what: 'BAD LZ4 BLOCK', why: `length ${n} in ${size} bytes` };
      got = codecs.lz4Decompress(phys, 4, n, dst, dstOff, d.PBUFSIZE);
      break;
    }
    case Comp.ZLIB:
      got = codecs.zlibInflate(phys, 0, size, dst, dstOff, d.PBUFSIZE);
      break;
    default:
      return { what: 'BAD BLOCKREF', why: `unknown compression method ${comp}` };
  }
  if (got < 0) return { what: 'DECOMPRESSION FAIL', why: d.compName(comp) };
  dst.fill(0, dstOff + got, dstOff + d.PBUFSIZE);
  return null;
}
