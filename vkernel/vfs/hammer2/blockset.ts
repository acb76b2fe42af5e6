/**
 * Blockset: the blockrefs of one node of the tree (volume header, inode or indirect block), validated and indexed.
 *
 * Live slots are sorted by key and their ranges [key, end] do not overlap: checked once here, so that the search is
 * binary and a hostile image cannot make a walk go back or around.
 * Counterpart: hammer2_base_find() in sys/vfs/hammer2/hammer2_chain.c
 */
import { Bref, BrefType, brefTypeName, cmp64, hex64 } from './disk.js';

export class Blockset {
  /** Number of live slots; the arrays below are indexed 0 .. n-1 in key order. */
  readonly n: number;
  /** Byte offset of the blockref in `u8`. */
  readonly at: Uint32Array;
  readonly keyHi: Uint32Array;
  readonly keyLo: Uint32Array;
  /** Last key of the range. */
  readonly endHi: Uint32Array;
  readonly endLo: Uint32Array;

  private constructor(
    readonly u8: Uint8Array,
    readonly v: DataView,
    n: number,
  ) {
    this.n = n;
    const words = new Uint32Array(5 * n);
    this.at = words.subarray(0, n);
    this.keyHi = words.subarray(n, 2 * n);
    this.keyLo = words.subarray(2 * n, 3 * n);
    this.endHi = words.subarray(3 * n, 4 * n);
    this.endLo = words.subarray(4 * n, 5 * n);
  }

  /** Index `count` slots at byte `base`; a string tells what is wrong with them. */
  static parse(u8: Uint8Array, v: DataView, base: number, count: number): Blockset | string {
    let n = 0;
    for (let i = 0; i < count; i++) if (u8[base + i * Bref.SIZE] !== BrefType.EMPTY) n++;
    const bs = new Blockset(u8, v, n);
    let k = 0;
    for (let i = 0; i < count; i++) {
      const at = base + i * Bref.SIZE;
      const type = u8[at + Bref.TYPE];
      if (type === BrefType.EMPTY) continue;
      if (type > BrefType.DIRENT) return `slot ${i} of type ${brefTypeName(type)}`;
      const keybits = u8[at + Bref.KEYBITS];
      if (keybits > 63) return `slot ${i} with ${keybits} key bits`;
      const maskLo = keybits >= 32 ? 0xffffffff : 2 ** keybits - 1;
      const maskHi = keybits > 32 ? 2 ** (keybits - 32) - 1 : 0;
      const hi = v.getUint32(at + Bref.KEY_HI, true);
      const lo = v.getUint32(at + Bref.KEY_LO, true);
      if ((hi & maskHi) !== 0 || (lo & maskLo) !== 0) return `slot ${i} with unaligned key ${hex64(hi, lo)}/${keybits}`;
      if (k > 0 && cmp64(hi, lo, bs.endHi[k - 1], bs.endLo[k - 1]) <= 0) {
        return `slot ${i} with key ${hex64(hi, lo)}/${keybits} out of order`;
      }
      bs.at[k] = at;
      bs.keyHi[k] = hi;
      bs.keyLo[k] = lo;
      bs.endHi[k] = (hi | maskHi) >>> 0;
      bs.endLo[k] = (lo | maskLo) >>> 0;
      k++;
    }
    return bs;
  }

  /** First slot whose range ends at or after the key; `n` when there is none. */
  search(hi: number, lo: number): number {
    let a = 0;
    let b = this.n;
    while (a < b) {
      const m = (a + b) >> 1;
      if (cmp64(this.endHi[m], this.endLo[m], hi, lo) < 0) a = m + 1;
      else b = m;
    }
    return a;
  }
}
