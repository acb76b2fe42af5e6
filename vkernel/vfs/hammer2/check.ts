/**
 * Check codes of blockrefs: computing them for blocks that are written, comparing them with blocks that were read.
 */
import type { Codecs } from './codec/codecs.js';
import { foldSha192 } from './codec/sha256.js';
import * as d from './disk.js';
import { Bref, Check } from './disk.js';

/** Length of the check union in a blockref. */
const CHECK_AREA = 64;

const hexBytes = (b: Uint8Array, o: number, n: number): string =>
  Array.from(b.subarray(o, o + n), (x) => x.toString(16).padStart(2, '0')).join('');

export class Checker {
  private readonly hash = new Uint32Array(2);
  private readonly digest = new Uint8Array(32);

  constructor(readonly codecs: Codecs) {}

  /** Put the check code of data[0, len) into the blockref at `at`, by its methods byte. */
  set(u8: Uint8Array, v: DataView, at: number, data: Uint8Array, len: number): void {
    const c = at + Bref.CHECK;
    u8.fill(0, c, c + CHECK_AREA);
    switch (u8[at + Bref.METHODS] >> 4) {
      case Check.ISCSI32:
      case Check.FREEMAP:
        v.setUint32(c, this.codecs.crc32c(data, 0, len), true);
        break;
      case Check.XXHASH64:
        this.codecs.xxh64(data, 0, len, this.hash);
        v.setUint32(c, this.hash[0], true);
        v.setUint32(c + 4, this.hash[1], true);
        break;
      case Check.SHA192:
        this.codecs.sha256(len === data.length ? data : data.subarray(0, len), 0, len, this.digest);
        foldSha192(this.digest);
        u8.set(this.digest.subarray(0, 24), c);
        break;
    }
  }

  /** Compare data[0, len) with the blockref's check code: null, or what is wrong. */
  fault(u8: Uint8Array, v: DataView, at: number, data: Uint8Array, len: number): string | null {
    const check = u8[at + Bref.METHODS] >> 4;
    const c = at + Bref.CHECK;
    switch (check) {
      case Check.NONE:
      case Check.DISABLED:
        return null;
      case Check.ISCSI32:
      case Check.FREEMAP: {
        const crc = this.codecs.crc32c(data, 0, len);
        if (crc === v.getUint32(c, true)) return null;
        return `expected ${d.hex32(v.getUint32(c, true))}, got ${d.hex32(crc)}`;
      }
      case Check.XXHASH64: {
        const h = this.hash;
        this.codecs.xxh64(data, 0, len, h);
        if (h[0] === v.getUint32(c, true) && h[1] === v.getUint32(c + 4, true)) return null;
        return `expected ${d.hex64(v.getUint32(c + 4, true), v.getUint32(c, true))}, got ${d.hex64(h[1], h[0])}`;
      }
      case Check.SHA192: {
        const h = this.digest;
        this.codecs.sha256(data, 0, len, h);
        foldSha192(h);
        for (let i = 0; i < 24; i++) {
          if (h[i] !== u8[c + i]) return `expected ${hexBytes(u8, c, 24)}, got ${hexBytes(h, 0, 24)}`;
        }
        return null;
      }
      default:
        return `unknown check method ${check}`;
    }
  }
}
