/**
 * Bulkfree: what no tree leads to any more becomes free (spec 14).
 *
 * Blocks have no reference counts, so a walk of the whole topology finds what is in use. One pass stages what it did not
 * find (11 to 10), the next frees what it does not find again and nobody has taken meanwhile (10 to 00); each starts with
 * a sync. What is allocated while a pass runs counts as found. The walk reads
 * the state of the last header, which nobody overwrites; only the merge of a leaf keeps changes out.
 *
 * Memory: one bit a granule, in windows of as many GiB as fit, each with a walk of its own; and the places of indirect
 * blocks seen, so that snapshots do not make the walk longer.
 * Counterpart: sys/vfs/hammer2/hammer2_bulkfree.c
 */
import type { Blocking } from '../../sys/blocking.js';
import { EROFS, Errno } from '../../sys/errno.js';
import type { H2BulkfreeResult } from './api.js';
import * as d from './disk.js';
import { Bref, BrefType, Ino, OpFlag, rd64 } from './disk.js';
import { type Freemap, GIB_BITMAP_BYTES } from './freemap.js';
import { flushAll } from './flush.js';
import type { Fs } from './fs.js';

const GRANULE = 16384;
const DEFAULT_MEMORY = 16 * 1024 * 1024;
/** As deep as a tree can get: volume, super-root, PFS root, inode, each with its levels of indirect blocks. */
const MAX_LEVELS = 4 * 65;
/** 64 KiB buffers of the medium kept by the walk: blocks below one another are often beside each other. */
const BUFFERS = 32;

class Walk {
  private readonly seen = new Set<number>();
  private readonly buffers = new Map<number, Uint8Array>();
  blocks = 0;

  constructor(
    private readonly fs: Fs,
    /** Used granules of [begin, end). */
    private readonly used: Uint8Array,
    private readonly begin: number,
    private readonly end: number,
  ) {}

  private mark(off: number, size: number): void {
    for (let o = off; o < off + size; o += GRANULE) {
      if (o < this.begin || o >= this.end) continue;
      const g = Math.floor((o - this.begin) / GRANULE);
      this.used[g >> 3] |= 1 << (g & 7);
    }
  }

  /** A block's bytes by way of the 64 KiB around it, verified. EIO after a complaint. */
  private *read(bref: Uint8Array, v: DataView): Blocking<Uint8Array | Errno> {
    const radix = bref[Bref.DATA_OFF] & 0x3f;
    const off = rd64(v, Bref.DATA_OFF) - radix;
    const size = 2 ** radix;
    const base = off - (off % d.PBUFSIZE);
    let b = this.buffers.get(base);
    if (b === undefined) {
      b = new Uint8Array(d.PBUFSIZE);
      const e = yield* this.fs.io.read(base, b);
      if (e !== null) return this.fs.tree.fail(v, 0, 'READ ERROR', e.name);
      if (this.buffers.size >= BUFFERS) {
        for (const k of this.buffers.keys()) {
          this.buffers.delete(k);
          break;
        }
      }
      this.buffers.set(base, b);
    }
    const block = b.subarray(off - base, off - base + size);
    const fault = this.fs.tree.checker.fault(bref, v, 0, block, size);
    return fault === null ? block : this.fs.tree.fail(v, 0, 'CHECK FAIL', fault);
  }

  /** Everything below `n` slots at `base`. */
  *slots(u8: Uint8Array, base: number, n: number, level: number): Blocking<Errno | null> {
    const v = new DataView(u8.buffer, u8.byteOffset, u8.length);
    for (let i = 0; i < n; i++) {
      const at = base + i * Bref.SIZE;
      const type = u8[at];
      if (type === BrefType.EMPTY || type > BrefType.DIRENT) continue;
      const dataOff = rd64(v, at + Bref.DATA_OFF);
      const radix = u8[at + Bref.DATA_OFF] & 0x3f;
      if (radix === 0) continue; // a short name
      const bad = level > MAX_LEVELS ? 'tree too deep' : this.fs.io.placeFault(dataOff, radix);
      if (bad !== null) return this.fs.tree.fail(v, at, 'BAD BLOCKREF', bad);
      this.blocks++;
      this.mark(dataOff - radix, 2 ** radix);
      if (type !== BrefType.INODE && type !== BrefType.INDIRECT) continue;
      if (type === BrefType.INDIRECT) {
        if (this.seen.has(dataOff)) continue;
        this.seen.add(dataOff);
      }
      const bref = u8.slice(at, at + Bref.SIZE);
      const block = yield* this.read(bref, new DataView(bref.buffer));
      if (block instanceof Errno) return block;
      let e: Errno | null = null;
      if (type === BrefType.INDIRECT) e = yield* this.slots(block, 0, block.length / Bref.SIZE, level + 1);
      else if (block.length === d.INODE_BYTES && (block[Ino.OP_FLAGS] & OpFlag.DIRECTDATA) === 0) {
        e = yield* this.slots(block, Ino.BLOCKSET, d.SET_COUNT, level + 1);
      }
      if (e !== null) return e;
    }
    return null;
  }
}

/** One pass over the state of the last sync. */
function* pass(fs: Fs, map: Freemap, memoryBytes: number): Blocking<H2BulkfreeResult | Errno> {
  // The header image goes on changing: this is what the sync has written. What is allocated from here on the walk cannot find.
  const root = yield* fs.exclusive(function* (): Blocking<Uint8Array | Errno> {
    const e = yield* flushAll(fs);
    if (e !== null) return e;
    map.fresh = new Set();
    return fs.syncedRoot.slice();
  });
  if (root instanceof Errno) return root;
  const gibs = Math.ceil(fs.io.vols.totalBytes / d.GIB);
  const window = Math.max(1, Math.min(gibs, Math.floor(memoryBytes / GIB_BITMAP_BYTES)));
  let allocatedBytes = 0;
  let freedBytes = 0;
  let scannedBlocks = 0;
  for (let first = 0; first < gibs; first += window) {
    const n = Math.min(window, gibs - first);
    const used = new Uint8Array(n * GIB_BITMAP_BYTES);
    const walk = new Walk(fs, used, first * d.GIB, (first + n) * d.GIB);
    // A tree that cannot be read in full is no ground for freeing what seems not to be in it.
    const w = yield* walk.slots(root, 0, d.SET_COUNT, 0);
    if (w !== null) return w;
    scannedBlocks += walk.blocks;
    for (let i = 0; i < n; i++) {
      const bits = used.subarray(i * GIB_BITMAP_BYTES, (i + 1) * GIB_BITMAP_BYTES);
      const r = yield* fs.exclusive(() => map.merge(first + i, bits));
      if (r instanceof Errno) return r;
      allocatedBytes += r.usedBytes;
      freedBytes += r.freedBytes;
    }
  }
  return { allocatedBytes, freedBytes, scannedBlocks };
}

/** Both passes with the syncs they need. EIO when the tree or the freemap cannot be read in full: then nothing is freed. */
export function* bulkfree(fs: Fs, memoryBytes = DEFAULT_MEMORY): Blocking<H2BulkfreeResult | Errno> {
  const { space } = fs;
  if (fs.readonly || space === null) return EROFS;
  let one: H2BulkfreeResult | Errno;
  let two: H2BulkfreeResult | Errno;
  try {
    one = yield* pass(fs, space, memoryBytes);
    if (one instanceof Errno) return one;
    two = yield* pass(fs, space, memoryBytes);
    if (two instanceof Errno) return two;
  } finally {
    space.fresh = null;
  }
  const e = yield* fs.sync();
  if (e !== null) return e;
  return { ...two, freedBytes: one.freedBytes + two.freedBytes };
}
