/**
 * What the topology asks of the freemap (freemap.ts implements it), and the freemap of its owner.
 */
import type { Blocking } from '../../sys/blocking.js';
import type { Errno } from '../../sys/errno.js';
import type { BrefType } from './disk.js';

/** Reads and writes whole blocks at global offsets, across volumes. */
export interface H2BlockIo {
  /** Sizes and offsets are multiples of 512. */
  read(off: number, buf: Uint8Array): Blocking<Errno | null>;
  write(off: number, buf: Uint8Array): Blocking<Errno | null>;
}

export interface H2Space {
  /**
   * Allocate 2^radix bytes (10..16), marked 11 at once in memory. Never sleeps when the leaf concerned is in memory: the
   * generator form loads leaves.
   *
   * @param type   allocation class
   * @param keyLo  low word of the key: a placement hint for DATA
   * @returns      data_off (offset | radix); ENOSPC
   */
  alloc(type: BrefType, radix: number, keyLo: number): Blocking<number | Errno>;
  /** Force the granules of a block to 11 (dedup, recovery). */
  markUsed(dataOff: number, type: BrefType): Blocking<Errno | null>;
  /** Free bytes as allocator_free counts them. */
  readonly freeBytes: number;
  /** Anything changed since the last flush? */
  readonly dirty: boolean;
  /**
   * Write all changed leaves and nodes to their next rotation slots and leave freemap_blockset and allocator_free in the header
   * image. The caller flushes the device and writes the header afterwards.
   */
  flush(header: DataView, mirrorTid: number): Blocking<Errno | null>;
  /** The header of the last flush is on the medium: its freemap blocks are the current ones. */
  committed(): void;
  /**
   * The volume has grown from `oldTotal` to `newTotal` bytes (the header image says so already): what an existing leaf holds as
   * lying beyond the end becomes free, and `freeDelta` is added to the free bytes.
   */
  grow(oldTotal: number, newTotal: number, freeDelta: number): Blocking<Errno | null>;
}
