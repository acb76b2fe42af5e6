/**
 * Live deduplication: blocks of file data written or read not long ago, by check code, so that the same bytes are stored once.
 *
 * Nothing of it is on the medium but several blockrefs that name one block, which readers never notice, since no block is
 * written in place. An entry is only a hint where to look: the block is read and compared bit for bit before it is used
 * again. That is not enough by itself, as a block that nothing names any more still has its bytes until the place is given to
 * another: so all entries go when bulkfree stages or frees anything, and a block used again is marked as allocated
 * (Freemap.reuse), which also tells a pass under way not to take it.
 * Counterpart: hammer2_dedup_* in sys/vfs/hammer2/hammer2_strategy.c
 */
import type { Blocking } from '../../sys/blocking.js';
import { Errno } from '../../sys/errno.js';
import * as d from './disk.js';
import { Bref, Check, rd64 } from './disk.js';
import type { Freemap } from './freemap.js';
import type { H2Io } from './io.js';

/** Blocks known at most: with 64 KiB each they are one GiB of data, in some megabytes of memory. */
const MAX_ENTRIES = 16384;

/** Are the first `len` bytes, a multiple of four, the same? Both begin at a multiple of four. */
function same(a: Uint8Array, b: Uint8Array, len: number): boolean {
  const x = new Int32Array(a.buffer, a.byteOffset, len / 4);
  const y = new Int32Array(b.buffer, b.byteOffset, len / 4);
  for (let i = 0; i < x.length; i++) if (x[i] !== y[i]) return false;
  return true;
}

export class Dedup {
  /** data_off by key, oldest first. */
  private readonly table = new Map<number, number>();
  private readonly buf = new Uint8Array(d.PBUFSIZE);
  readonly stats = { hits: 0, misses: 0, bytes: 0 };

  constructor(
    private readonly io: H2Io,
    readonly enabled: () => boolean,
  ) {}

  /** A key from the check code of a blockref; NaN for blocks that are not shared (as the format's rules have it). */
  private static key(u8: Uint8Array, v: DataView, at: number, radix: number): number {
    const check = u8[at + Bref.METHODS] >> 4;
    if (check !== Check.ISCSI32 && check !== Check.XXHASH64 && check !== Check.SHA192) return NaN;
    const hi = check === Check.ISCSI32 ? 0 : v.getUint32(at + Bref.CHECK + 4, true) & 0xffff;
    return hi * 0x1_0000_0000 + v.getUint32(at + Bref.CHECK, true) + (radix - d.RADIX_MIN) * 2 ** 48;
  }

  /** The block of this blockref is on the medium (or on the way there), and in the tree. */
  note(u8: Uint8Array, v: DataView, at: number): void {
    if (!this.enabled()) return;
    const dataOff = rd64(v, at + Bref.DATA_OFF);
    const key = Dedup.key(u8, v, at, u8[at + Bref.DATA_OFF] & 0x3f);
    if (Number.isNaN(key)) return;
    const { table } = this;
    table.delete(key);
    table.set(key, dataOff);
    if (table.size <= MAX_ENTRIES) return;
    for (const k of table.keys()) {
      table.delete(k);
      break;
    }
  }

  forget(): void {
    this.table.clear();
  }

  /**
   * A block on the medium with exactly these bytes, marked as allocated. The caller keeps changes and bulkfree's merge away.
   *
   * @param u8, v  128 bytes with methods and check code of the block wanted
   * @returns data_off, or 0 when there is none
   * Sleeps: to read what may be it.
   */
  *find(space: Freemap, u8: Uint8Array, v: DataView, data: Uint8Array, len: number): Blocking<number> {
    if (!this.enabled()) return 0;
    const radix = 31 - Math.clz32(len);
    const key = Dedup.key(u8, v, 0, radix);
    const dataOff = this.table.get(key);
    if (dataOff === undefined) return 0;
    const b = this.buf.subarray(0, len);
    const e = yield* this.io.read(dataOff - radix, b);
    if (e === null && same(b, data, len)) {
      const ok = yield* space.reuse(dataOff);
      if (ok === true) {
        this.stats.hits++;
        this.stats.bytes += len;
        return dataOff;
      }
      if (ok instanceof Errno) return 0;
    }
    // Other bytes with this code, unreadable, or not allocated any more.
    this.stats.misses++;
    this.table.delete(key);
    return 0;
  }
}
