/**
 * Codecs: the arithmetic HAMMER2 needs, as a table, so that the machine can hand in native versions. The TypeScript
 * versions are the fallback, and the oracle in tests.
 */
import { crc32c } from './crc32c.js';
import { zlibInflate } from './inflate.js';
import { lz4Decompress } from './lz4.js';
import { lz4Compress } from './lz4_compress.js';
import { sha256 } from './sha256.js';
import { xxh64 } from './xxh64.js';

/** Decompress into at most `dstMax` bytes; bytes produced, or -1 when malformed. Input is untrusted. */
export type Decompress = (
  src: Uint8Array,
  srcOff: number,
  srcLen: number,
  dst: Uint8Array,
  dstOff: number,
  dstMax: number,
) => number;

/** Compress into at most `dstMax` bytes; bytes produced, or -1 when it does not fit. */
export type Compress = (
  src: Uint8Array,
  srcOff: number,
  srcLen: number,
  dst: Uint8Array,
  dstOff: number,
  dstMax: number,
) => number;

export interface Codecs {
  /** CRC-32C as a u32. */
  crc32c(b: Uint8Array, off: number, len: number): number;
  /** XXH64 with HAMMER2's seed: out[0] low, out[1] high half. */
  xxh64(b: Uint8Array, off: number, len: number, out: Uint32Array): void;
  /** 32 bytes into `out`. */
  sha256(b: Uint8Array, off: number, len: number, out: Uint8Array): void;
  lz4Decompress: Decompress;
  zlibInflate: Decompress;
  lz4Compress: Compress;
  /** A complete zlib stream. Without it blocks for zlib are stored as they are. @param level 6..9 */
  zlibDeflate?(
    src: Uint8Array,
    srcOff: number,
    srcLen: number,
    dst: Uint8Array,
    dstOff: number,
    dstMax: number,
    level: number,
  ): number;
}

export const tsCodecs: Codecs = { crc32c, xxh64, sha256, lz4Decompress, lz4Compress, zlibInflate };
