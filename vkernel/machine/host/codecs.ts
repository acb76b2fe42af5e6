/**
 * Native versions of the file systems' arithmetic (native/addon/digest.cc), in the shape of hammer2's Codecs. SHA-256 is
 * node:crypto's, inflate and deflate are node:zlib's.
 *
 * A call into the addon costs about 0.2 µs with its argument checks, so short input stays in TypeScript.
 * XXH64, CRC-32C, LZ4, inflate of a 64 KiB block: 5, 3, 10, 47 µs; in TypeScript 110, 55, 85, 160.
 */
import { createHash } from 'node:crypto';
import { deflateSync, inflateSync } from 'node:zlib';
import { type Codecs, type Compress, tsCodecs } from '../../vfs/hammer2/codec/codecs.js';
import { native } from './native.js';

interface NativeDigest {
  crc32c(b: Uint8Array, off: number, len: number): number;
  /** By table, without the CPU's instruction: for tests. */
  crc32cTable(b: Uint8Array, off: number, len: number): number;
  xxh64(b: Uint8Array, off: number, len: number, out: Uint32Array): void;
  lz4Decompress(
    src: Uint8Array,
    srcOff: number,
    srcLen: number,
    dst: Uint8Array,
    dstOff: number,
    dstMax: number,
  ): number;
  lz4Compress: Compress;
}

/** Up to this many bytes TypeScript is as fast. */
const SHORT = 128;
/** Output of one HAMMER2 block in one piece. */
const CHUNK = 65536;

export const nativeDigest = (): NativeDigest => native() as unknown as NativeDigest;

/** The native codecs, or the TypeScript ones when the addon has not been built. */
export function hostCodecs(): Codecs {
  let n: NativeDigest;
  try {
    n = nativeDigest();
  } catch {
    return tsCodecs;
  }
  // An addon built before a function was there: `npm install` builds it anew.
  if ([n.crc32c, n.xxh64, n.lz4Compress, n.lz4Decompress].some((f) => typeof f !== 'function')) return tsCodecs;
  return {
    crc32c: (b, off, len) => (len <= SHORT ? tsCodecs.crc32c(b, off, len) : n.crc32c(b, off, len)),
    xxh64(b, off, len, out) {
      if (len <= SHORT) tsCodecs.xxh64(b, off, len, out);
      else n.xxh64(b, off, len, out);
    },
    sha256(b, off, len, out) {
      const h = createHash('sha256').update(b.subarray(off, off + len));
      out.set(h.digest());
    },
    lz4Decompress: (src, srcOff, srcLen, dst, dstOff, dstMax) =>
      n.lz4Decompress(src, srcOff, srcLen, dst, dstOff, dstMax),
    lz4Compress: (src, srcOff, srcLen, dst, dstOff, dstMax) => n.lz4Compress(src, srcOff, srcLen, dst, dstOff, dstMax),
    zlibDeflate(src, srcOff, srcLen, dst, dstOff, dstMax, level) {
      const out = deflateSync(src.subarray(srcOff, srcOff + srcLen), { level, chunkSize: CHUNK });
      if (out.length > dstMax) return -1;
      dst.set(out, dstOff);
      return out.length;
    },
    zlibInflate(src, srcOff, srcLen, dst, dstOff, dstMax) {
      let out: Uint8Array;
      try {
        // An output limit of 0 is not accepted; a stream that gives nothing is TypeScript's.
        if (dstMax < 1) return tsCodecs.zlibInflate(src, srcOff, srcLen, dst, dstOff, dstMax);
        out = inflateSync(src.subarray(srcOff, srcOff + srcLen), { maxOutputLength: dstMax, chunkSize: CHUNK });
      } catch {
        return -1; // malformed, cut short, or too long
      }
      dst.set(out, dstOff);
      return out.length;
    },
  };
}
