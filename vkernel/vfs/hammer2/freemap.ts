/**
 * The freemap: two bits a 16 KiB granule, in leaves of 1 GiB that hang below the volume header in a radix tree of their own
 * (spec 10).
 *
 * Leaves and nodes live in slots of the reserved area of what they cover. Each has eight and is written to the next one
 * when it is flushed, once for every header: so the freemaps of all four headers stay whole. Leaves are read when the
 * allocator first looks into their GiB; a leaf that does not exist yet means that everything is free.
 * Counterpart: sys/vfs/hammer2/hammer2_freemap.c
 */
import type { Blocking } from '../../sys/blocking.js';
import { EIO, ENOSPC, Errno, NOTNOW } from '../../sys/errno.js';
import type { Codecs } from './codec/codecs.js';
import * as d from './disk.js';
import { Bref, BrefType, rd64, Vol, wr64 } from './disk.js';
import type { LogFn } from './volume.js';

const GRANULE = 16384;
const SEG = 4 * 1024 * 1024;
const SEGS = 256;
const BLOCK = 32768;
const LEAF_BITS = 30;
const COPIES = 8;
const METHODS = 0x50;
/** A segment without room for small blocks. */
const LINEAR_FULL = SEG;
/** Clean leaves kept in memory. */
const MAX_LEAVES = 128;

/** One bit a granule of 1 GiB. */
export const GIB_BITMAP_BYTES = d.GIB / GRANULE / 8;

/** Leaf record, 128 bytes. */
const enum Rec {
  LINEAR = 0x00, // i32 byte offset in the segment where small blocks go on
  CLASS = 0x04, // u16 blockref type << 8 | 16
  AVAIL = 0x1c, // u32 free bytes
  BITMAP = 0x40, // 64 B
  SIZE = 128,
}

/** Reads and writes whole blocks at global offsets, across volumes. */
export interface H2BlockIo {
  /** Sizes and offsets are multiples of 512. */
  read(off: number, buf: Uint8Array): Blocking<Errno | null>;
  write(off: number, buf: Uint8Array): Blocking<Errno | null>;
}

/** A leaf or node in memory. */
class FmBlock {
  readonly u8 = new Uint8Array(BLOCK);
  readonly v = new DataView(this.u8.buffer);
  dirty = false;
  /** Its slot in the last header written, or -1; and the one it was flushed to since, or -1. */
  copy = -1;
  flushed = -1;
  constructor(
    readonly key: number,
    readonly level: number,
    /** Null for the children of the header. */
    readonly parent: FmBlock | null,
  ) {}
  get keybits(): number {
    return 22 + 8 * this.level;
  }
}

/** Where an allocation class was served last: the search goes on from there. */
interface Rotor {
  gib: number;
  seg: number;
}

export class Freemap {
  private readonly blocks = new Map<number, FmBlock>();
  private readonly rotors = new Map<number, Rotor>();
  private total: number;
  private readonly begin: number;
  private free: number;
  /** Granules allocated since bulkfree's last sync, by number: its walk cannot know of them. Null when none runs. */
  fresh: Set<number> | null = null;
  /** GiB whose leaf allocNow lacked. */
  private wanted = 0;
  /** allocator_free differs from the header last written. */
  private changed = false;
  /** Told when blocks are staged or freed. */
  onStage: () => void = () => {};

  constructor(
    private readonly io: H2BlockIo,
    private readonly codecs: Codecs,
    private readonly log: LogFn,
    /** The header image. */
    private readonly header: DataView,
    totalBytes: number,
  ) {
    this.total = totalBytes;
    this.begin = rd64(header, Vol.ALLOCATOR_BEG);
    this.free = rd64(header, Vol.ALLOCATOR_FREE);
  }

  get freeBytes(): number {
    return this.free;
  }
  get dirty(): boolean {
    if (this.changed) return true;
    for (const b of this.blocks.values()) if (b.dirty) return true;
    return false;
  }

  // --- the tree -----------------------------------------------------------------------------------------------------

  private slotsOf(b: FmBlock | null): { v: DataView; u8: Uint8Array; base: number; n: number } {
    if (b !== null) return { v: b.v, u8: b.u8, base: 0, n: BLOCK / Bref.SIZE };
    const h = this.header;
    return {
      v: h,
      u8: new Uint8Array(h.buffer, h.byteOffset, h.byteLength),
      base: Vol.FREEMAP_BLOCKSET,
      n: d.SET_COUNT,
    };
  }

  /** Byte offset of the slot of `parent` whose range holds `key`, or -1. */
  private slotFor(parent: FmBlock | null, key: number): number {
    const { v, u8, base, n } = this.slotsOf(parent);
    for (let at = base; at < base + n * Bref.SIZE; at += Bref.SIZE) {
      if (u8[at] === BrefType.EMPTY) continue;
      const from = rd64(v, at + Bref.KEY_LO);
      if (key >= from && key < from + 2 ** u8[at + Bref.KEYBITS]) return at;
    }
    return -1;
  }

  private static id(key: number, level: number): number {
    return (key / d.GIB) * 8 + level;
  }

  /** Read the block of a slot. EIO after a complaint. */
  private *load(parent: FmBlock | null, at: number): Blocking<FmBlock | Errno> {
    const { v, u8 } = this.slotsOf(parent);
    const key = rd64(v, at + Bref.KEY_LO);
    const keybits = u8[at + Bref.KEYBITS];
    const level = (keybits - 22) / 8;
    const have = this.blocks.get(Freemap.id(key, level));
    if (have !== undefined) return have;
    const off = Math.floor(rd64(v, at + Bref.DATA_OFF) / 64) * 64;
    const type = u8[at];
    const slot = (off % d.RESERVED_BYTES) / d.PBUFSIZE - 1;
    const place = Math.floor(key / 2 ** keybits) * 2 ** keybits;
    const sane =
      (type === BrefType.FREEMAP_LEAF ? level === 1 : type === BrefType.FREEMAP_NODE && level >= 2 && level <= 5) &&
      key % d.GIB === 0 &&
      off - place === (slot + 1) * d.PBUFSIZE &&
      slot % 5 === level - 1 &&
      slot < 5 * COPIES;
    const why = sane ? null : `type ${d.brefTypeName(type)}, ${keybits} key bits at 0x${off.toString(16)}`;
    const b = new FmBlock(key, level, parent);
    b.copy = Math.floor(slot / 5);
    const e = sane ? yield* this.io.read(off, b.u8) : EIO;
    const crc = this.codecs.crc32c(b.u8, 0, BLOCK);
    if (e === null && crc === v.getUint32(at + Bref.CHECK, true)) {
      const again = this.blocks.get(Freemap.id(key, level)); // another thread was faster
      if (again !== undefined) return again;
      this.add(b);
      return b;
    }
    this.log(`hammer2: freemap of 0x${key.toString(16)}: ${why ?? (e === null ? 'CHECK FAIL' : e.name)}`);
    return EIO;
  }

  private add(b: FmBlock): void {
    this.blocks.set(Freemap.id(b.key, b.level), b);
    if (this.blocks.size <= MAX_LEAVES) return;
    for (const [id, x] of this.blocks) {
      if (x.level === 1 && !x.dirty && x.flushed < 0 && x !== b) {
        this.blocks.delete(id);
        return;
      }
    }
  }

  /** The leaf of a GiB, made when it does not exist. EIO. */
  private *leaf(gib: number): Blocking<FmBlock | Errno> {
    const key = gib * d.GIB;
    const have = this.blocks.get(Freemap.id(key, 1));
    if (have !== undefined) return have;
    let parent: FmBlock | null = null;
    for (;;) {
      const at = this.slotFor(parent, key);
      if (at < 0) break;
      const b: FmBlock | Errno = yield* this.load(parent, at);
      if (b instanceof Errno || b.level === 1) return b;
      parent = b;
    }
    return this.make(parent, key);
  }

  /** A new leaf below `parent`, after 10.4, with nodes as needed (7.3). */
  private make(parent: FmBlock | null, key: number): FmBlock {
    let p = parent;
    while (this.liveSlots(p) === this.slotsOf(p).n) {
      const node = this.split(p);
      if (key >= node.key && key < node.key + 2 ** node.keybits) p = node;
    }
    const b = new FmBlock(key, 1, p);
    const lo = Math.max(Math.ceil(this.begin / SEG) * SEG, key + SEG);
    const hi = Math.min(key + d.GIB, Math.floor(this.total / SEG) * SEG);
    let taken = 0;
    for (let s = 0; s < SEGS; s++) {
      const at = s * Rec.SIZE;
      const off = key + s * SEG;
      if (off < lo || off >= hi) {
        b.u8.fill(0xff, at + Rec.BITMAP, at + Rec.SIZE);
        b.v.setInt32(at + Rec.LINEAR, LINEAR_FULL, true);
        taken++;
      } else b.v.setUint32(at + Rec.AVAIL, SEG, true);
    }
    this.insert(p, BrefType.FREEMAP_LEAF, key, LEAF_BITS, d.GIB - SEG * taken);
    this.add(b);
    this.markDirty(b);
    return b;
  }

  private liveSlots(p: FmBlock | null): number {
    const { u8, base, n } = this.slotsOf(p);
    let live = 0;
    for (let i = 0; i < n; i++) if (u8[base + i * Bref.SIZE] !== BrefType.EMPTY) live++;
    return live;
  }

  /** Insert a blockref in key order, packing the others to the front. There is room. */
  private insert(p: FmBlock | null, type: BrefType, key: number, keybits: number, avail: number): void {
    const { v, u8, base, n } = this.slotsOf(p);
    const end = base + n * Bref.SIZE;
    let to = base;
    for (let at = base; at < end; at += Bref.SIZE) {
      if (u8[at] === BrefType.EMPTY) continue;
      u8.copyWithin(to, at, at + Bref.SIZE);
      to += Bref.SIZE;
    }
    u8.fill(0, to, end);
    let at = base;
    while (at < to && rd64(v, at + Bref.KEY_LO) < key) at += Bref.SIZE;
    u8.copyWithin(at + Bref.SIZE, at, to);
    u8.fill(0, at, at + Bref.SIZE);
    u8[at] = type;
    u8[at + Bref.METHODS] = METHODS;
    u8[at + Bref.KEYBITS] = keybits;
    wr64(v, at + Bref.KEY_LO, key);
    if (type === BrefType.FREEMAP_LEAF) {
      v.setUint32(at + Bref.CHECK + 4, 0xffffffff, true);
      wr64(v, at + Bref.CHECK + 8, avail);
    }
  }

  /** A node one level above the finest elements of a full one takes those in its range. */
  private split(p: FmBlock | null): FmBlock {
    const { v, u8, base, n } = this.slotsOf(p);
    let bits = 64;
    let first = 0;
    for (let at = base; at < base + n * Bref.SIZE; at += Bref.SIZE) {
      if (u8[at + Bref.KEYBITS] >= bits) continue;
      bits = u8[at + Bref.KEYBITS];
      first = rd64(v, at + Bref.KEY_LO);
    }
    const span = 2 ** (bits + 8);
    const key = Math.floor(first / span) * span;
    const node = new FmBlock(key, (bits + 8 - 22) / 8, p);
    let to = 0;
    for (let at = base; at < base + n * Bref.SIZE; at += Bref.SIZE) {
      const k = rd64(v, at + Bref.KEY_LO);
      if (u8[at] === BrefType.EMPTY || k < key || k >= key + span) continue;
      node.u8.set(u8.subarray(at, at + Bref.SIZE), to);
      u8.fill(0, at, at + Bref.SIZE);
      to += Bref.SIZE;
      // In memory it has another parent now.
      const kid = this.blocks.get(Freemap.id(k, (bits - 22) / 8));
      if (kid !== undefined) (kid as { parent: FmBlock | null }).parent = node;
    }
    this.insert(p, BrefType.FREEMAP_NODE, key, bits + 8, 0);
    this.add(node);
    this.markDirty(node);
    return node;
  }

  private markDirty(b: FmBlock): void {
    for (let x: FmBlock | null = b; x !== null && !x.dirty; x = x.parent) x.dirty = true;
  }

  // --- allocating ---------------------------------------------------------------------------------------------------

  /**
   * Allocate 2^radix bytes (10..16).
   *
   * @param type   allocation class
   * @param keyLo  low word of the key: a placement hint for DATA
   * @returns      data_off (offset | radix); ENOSPC, EIO
   * Sleeps: to load a leaf.
   */
  *alloc(type: BrefType, radix: number, keyLo: number): Blocking<number | Errno> {
    for (;;) {
      const r = this.allocNow(type, radix, keyLo);
      if (r !== NOTNOW) return r;
      const e = yield* this.loadWanted();
      if (e !== null) return e;
    }
  }

  /** Load the leaf that allocNow lacked. */
  *loadWanted(): Blocking<Errno | null> {
    const b = yield* this.leaf(this.wanted);
    return b instanceof Errno ? b : null;
  }

  /** As alloc, without sleeping: NOTNOW when a leaf has to be loaded first. */
  allocNow(type: BrefType, radix: number, keyLo: number): number | Errno {
    const gibs = Math.ceil(this.total / d.GIB);
    const rotor = this.rotors.get(type) ?? { gib: Math.floor(this.begin / d.GIB), seg: 0 };
    this.rotors.set(type, rotor);
    const start = Math.min(rotor.gib, gibs - 1);
    for (const relaxed of [false, true]) {
      for (let i = 0; i < gibs; i++) {
        const gib = (start + i) % gibs;
        const b = this.blocks.get(Freemap.id(gib * d.GIB, 1));
        if (b === undefined) {
          this.wanted = gib;
          return NOTNOW;
        }
        const from = i === 0 ? rotor.seg : 0;
        for (let s = 0; s < SEGS; s++) {
          const seg = (from + s) % SEGS;
          const off = this.take(b, seg, type, radix, keyLo, relaxed);
          if (off < 0) continue;
          rotor.gib = gib;
          rotor.seg = seg;
          this.markDirty(b);
          this.changed = true;
          return gib * d.GIB + seg * SEG + off + radix;
        }
      }
    }
    return ENOSPC;
  }

  /** Allocate in one segment: the offset in it, or -1. */
  private take(b: FmBlock, seg: number, type: number, radix: number, keyLo: number, relaxed: boolean): number {
    const { v, u8 } = b;
    const at = seg * Rec.SIZE;
    // Whatever a hostile leaf says: never in a reserved area, below the static inodes or behind the end.
    const start = b.key + seg * SEG;
    if (seg === 0 || start < this.begin || start + SEG > this.total) return -1;
    const cls = v.getUint16(at + Rec.CLASS, true);
    if (cls !== 0 && cls !== ((type << 8) | 16) && !relaxed) return -1;
    const size = 2 ** radix;
    let off = -1;
    if (size < GRANULE) {
      const linear = v.getInt32(at + Rec.LINEAR, true);
      const good = linear > 0 && linear < SEG && linear % 1024 === 0;
      if (good && linear % GRANULE !== 0 && (linear % GRANULE) + size <= GRANULE) {
        this.mark(b, at, Math.floor(linear / GRANULE), 1);
        v.setInt32(at + Rec.LINEAR, linear + size, true);
        return linear;
      }
      if (v.getUint32(at + Rec.AVAIL, true) === 0) return -1;
      off = this.freeRun(u8, at, 1, -1);
      if (off < 0) return -1;
      v.setInt32(at + Rec.LINEAR, off + size, true);
    } else {
      if (v.getUint32(at + Rec.AVAIL, true) < size) return -1;
      off = this.freeRun(u8, at, size / GRANULE, type === BrefType.DATA ? keyLo % SEG : -1);
      if (off < 0) return -1;
    }
    this.mark(b, at, off / GRANULE, Math.max(1, size / GRANULE));
    if (cls === 0) v.setUint16(at + Rec.CLASS, (type << 8) | 16, true);
    return off;
  }

  /** First run of `n` (1, 2, 4) free granules, aligned to n, or the one at byte `hint` when that is free; byte offset, or -1. */
  private freeRun(u8: Uint8Array, at: number, n: number, hint: number): number {
    // A byte of the bitmap is four granules.
    const mask = n === 4 ? 0xff : n === 2 ? 0x0f : 0x03;
    const base = at + Rec.BITMAP;
    if (hint >= 0) {
      const g = Math.floor(hint / GRANULE / n) * n;
      if (((u8[base + (g >> 2)] >> ((g & 3) * 2)) & mask) === 0) return g * GRANULE;
    }
    for (let i = 0; i < 64; i++) {
      const bits = u8[base + i];
      if (bits === 0xff) continue;
      for (let k = 0; k < 4; k += n) if (((bits >> (k * 2)) & mask) === 0) return (i * 4 + k) * GRANULE;
    }
    return -1;
  }

  /** Set granules to 11, counting those that were free. */
  private mark(b: FmBlock, at: number, granule: number, n: number): void {
    const { v, u8 } = b;
    const base = b.key / GRANULE + (at / Rec.SIZE) * (SEG / GRANULE);
    for (let g = granule; g < granule + n; g++) {
      const i = at + Rec.BITMAP + (g >> 2);
      const shift = (g & 3) * 2;
      if (((u8[i] >> shift) & 3) === 0) {
        v.setUint32(at + Rec.AVAIL, Math.max(0, v.getUint32(at + Rec.AVAIL, true) - GRANULE), true);
        this.free -= GRANULE;
      }
      u8[i] |= 3 << shift;
      this.fresh?.add(base + g);
    }
  }

  /** Give back a block that no blockref on the medium has ever named. */
  release(dataOff: number): void {
    const radix = dataOff % 64;
    const off = dataOff - radix;
    const b = this.blocks.get(Freemap.id(Math.floor(off / d.GIB) * d.GIB, 1));
    if (b === undefined) return; // bulkfree finds it
    const at = Math.floor((off % d.GIB) / SEG) * Rec.SIZE;
    const first = Math.floor((off % SEG) / GRANULE);
    for (let g = first; g < first + 2 ** radix / GRANULE; g++) {
      b.u8[at + Rec.BITMAP + (g >> 2)] &= ~(3 << ((g & 3) * 2));
      this.credit(b.v, at, GRANULE);
      this.fresh?.delete(b.key / GRANULE + (at / Rec.SIZE) * (SEG / GRANULE) + g);
    }
    this.markDirty(b);
    this.changed = true;
  }

  /**
   * Another blockref is going to name this block, which holds what it did when it was allocated (dedup): a staged one is taken back.
   *
   * @returns false when it is not allocated; EIO
   * Sleeps: to load a leaf.
   */
  *reuse(dataOff: number): Blocking<boolean | Errno> {
    const radix = dataOff % 64;
    const off = dataOff - radix;
    const b = yield* this.leaf(Math.floor(off / d.GIB));
    if (b instanceof Errno) return b;
    const at = Math.floor((off % d.GIB) / SEG) * Rec.SIZE;
    const first = Math.floor((off % SEG) / GRANULE);
    const n = Math.max(1, 2 ** radix / GRANULE);
    let staged = false;
    for (let g = first; g < first + n; g++) {
      const pair = (b.u8[at + Rec.BITMAP + (g >> 2)] >> ((g & 3) * 2)) & 3;
      if (pair < 2) return false;
      if (pair === 2) staged = true;
    }
    this.mark(b, at, first, n);
    if (!staged) return true;
    this.markDirty(b);
    this.changed = true;
    return true;
  }

  /** Force the granules of a block to 11 (recovery). Sleeps: to load a leaf. */
  *markUsed(dataOff: number, type: BrefType): Blocking<Errno | null> {
    const radix = dataOff % 64;
    const off = dataOff - radix;
    if (off < this.begin || off + 2 ** radix > this.total) return null;
    const b = yield* this.leaf(Math.floor(off / d.GIB));
    if (b instanceof Errno) return b;
    const at = Math.floor((off % d.GIB) / SEG) * Rec.SIZE;
    const { v } = b;
    const inSeg = off % SEG;
    const granule = Math.floor(inSeg / GRANULE);
    // Small blocks must not go on behind what was not known to be there.
    const linear = v.getInt32(at + Rec.LINEAR, true);
    if (linear % GRANULE !== 0 && Math.floor(linear / GRANULE) === granule) {
      v.setInt32(at + Rec.LINEAR, (granule + 1) * GRANULE, true);
    }
    this.mark(b, at, granule, Math.max(1, 2 ** radix / GRANULE));
    if (v.getUint16(at + Rec.CLASS, true) === 0) v.setUint16(at + Rec.CLASS, (type << 8) | 16, true);
    this.markDirty(b);
    this.changed = true;
    return null;
  }

  // --- freeing ------------------------------------------------------------------------------------------------------

  /**
   * Bring one GiB in line with what a walk found in use: one bit a granule. What was not found is staged, or freed if it was
   * staged before. Nobody allocates meanwhile.
   *
   * @returns bytes found in use, and freed now
   */
  *merge(gib: number, used: Uint8Array): Blocking<{ usedBytes: number; freedBytes: number } | Errno> {
    let any = false;
    for (const x of used) any ||= x !== 0;
    // No leaf, and nothing in use: all is free already.
    if (!any && !(yield* this.exists(gib))) return { usedBytes: 0, freedBytes: 0 };
    const b = yield* this.leaf(gib);
    if (b instanceof Errno) return b;
    const { v, u8 } = b;
    let usedBytes = 0;
    let freedBytes = 0;
    for (let seg = 0; seg < SEGS; seg++) {
      const start = b.key + seg * SEG;
      if (seg === 0 || start < this.begin || start + SEG > this.total) continue;
      const at = seg * Rec.SIZE;
      let changed = false;
      let live = false;
      for (let g = 0; g < SEG / GRANULE; g++) {
        const bit = seg * 256 + g;
        const found = (used[bit >> 3] & (1 << (bit & 7))) !== 0;
        const inUse = found || this.fresh?.has(start / GRANULE + g) === true;
        const i = at + Rec.BITMAP + (g >> 2);
        const shift = (g & 3) * 2;
        const pair = (u8[i] >> shift) & 3;
        if (inUse) usedBytes += GRANULE;
        let now = pair;
        if (inUse) now = 3;
        else if (pair === 3) now = 2;
        else if (pair === 2 || pair === 1) now = 0;
        if (now !== 0) live = true;
        if (now === pair) continue;
        changed = true;
        if (now !== 3) this.onStage();
        u8[i] = (u8[i] & ~(3 << shift)) | (now << shift);
        if (now === 0) {
          this.credit(v, at, GRANULE);
          freedBytes += GRANULE;
        } else if (pair === 0) {
          this.credit(v, at, -GRANULE);
          this.log(`hammer2: freemap: block at 0x${(start + g * GRANULE).toString(16)} was in use but marked free`);
        }
      }
      if (!changed) continue;
      this.markDirty(b);
      this.changed = true;
      if (!live) {
        u8.fill(0, at, at + Rec.BITMAP);
        v.setUint32(at + Rec.AVAIL, SEG, true);
        continue;
      }
      // Small blocks go on only in a granule that is still in use.
      const linear = v.getInt32(at + Rec.LINEAR, true);
      if (linear % GRANULE === 0) continue;
      const g = Math.floor(linear / GRANULE);
      const good = linear > 0 && linear < SEG && ((u8[at + Rec.BITMAP + (g >> 2)] >> ((g & 3) * 2)) & 3) === 3;
      if (!good) v.setInt32(at + Rec.LINEAR, (g + 1) * GRANULE, true);
    }
    return { usedBytes, freedBytes };
  }

  private credit(v: DataView, at: number, bytes: number): void {
    v.setUint32(at + Rec.AVAIL, Math.max(0, Math.min(SEG, v.getUint32(at + Rec.AVAIL, true) + bytes)), true);
    this.free += bytes;
  }

  /** Is there a leaf for this GiB? What cannot be read counts as there. */
  private *exists(gib: number): Blocking<boolean> {
    const key = gib * d.GIB;
    for (let parent: FmBlock | null = null; ;) {
      const at = this.slotFor(parent, key);
      if (at < 0) return false;
      const b: FmBlock | Errno = yield* this.load(parent, at);
      if (b instanceof Errno || b.level === 1) return true;
      parent = b;
    }
  }

  /** Read all leaves and nodes of the header last written from the device: how many are bad. Nobody flushes meanwhile. */
  *verify(): Blocking<number> {
    let bad = 0;
    const walk = function* (
      this: Freemap,
      u8: Uint8Array,
      v: DataView,
      base: number,
      n: number,
      level: number,
    ): Blocking<void> {
      for (let i = 0; i < n; i++) {
        const at = base + i * Bref.SIZE;
        const off = Math.floor(rd64(v, at + Bref.DATA_OFF) / 64) * 64;
        if (u8[at] === BrefType.EMPTY || off === 0) continue;
        const b = new Uint8Array(BLOCK);
        const e = yield* this.io.read(off, b);
        if (e !== null || this.codecs.crc32c(b, 0, BLOCK) !== v.getUint32(at + Bref.CHECK, true)) {
          bad++;
          this.log(`hammer2: freemap block at 0x${off.toString(16)}: ${e === null ? 'CHECK FAIL' : e.name}`);
        } else if (u8[at] === BrefType.FREEMAP_NODE && level < 6) {
          yield* walk.call(this, b, new DataView(b.buffer), 0, BLOCK / Bref.SIZE, level + 1);
        }
      }
    };
    const { v, u8, base, n } = this.slotsOf(null);
    yield* walk.call(this, u8, v, base, n, 0);
    return bad;
  }

  // --- writing ------------------------------------------------------------------------------------------------------

  /**
   * Write all changed leaves and nodes to their next slots and leave freemap_blockset and allocator_free in the header image. The
   * caller flushes the devices and writes the header, then calls committed().
   */
  *flush(header: DataView, mirrorTid: number): Blocking<Errno | null> {
    // Leaves before the nodes above them.
    const dirty = [...this.blocks.values()].filter((b) => b.dirty).sort((a, b) => a.level - b.level);
    for (const b of dirty) {
      // Once a header: a flush that is tried again must not go round to the slots of older headers.
      if (b.flushed < 0) b.flushed = (b.copy + 1) % COPIES;
      const off = Math.floor(b.key / 2 ** b.keybits) * 2 ** b.keybits + (1 + 5 * b.flushed + b.level - 1) * d.PBUFSIZE;
      const e = yield* this.io.write(off, b.u8);
      if (e !== null) return e;
      const { v } = this.slotsOf(b.parent);
      const at = this.slotFor(b.parent, b.key);
      wr64(v, at + Bref.DATA_OFF, off + 15);
      wr64(v, at + Bref.MIRROR_TID, mirrorTid);
      v.setUint32(at + Bref.CHECK, this.codecs.crc32c(b.u8, 0, BLOCK), true);
      b.dirty = false;
    }
    wr64(header, Vol.ALLOCATOR_FREE, this.free);
    this.changed = false;
    return null;
  }

  /** The header of the last flush is on the medium: its freemap blocks are the current ones. */
  committed(): void {
    for (const b of this.blocks.values()) {
      if (b.flushed < 0) continue;
      b.copy = b.flushed;
      b.flushed = -1;
    }
  }

  /**
   * The volume has grown (the header image says so already): what an existing leaf holds as lying beyond the end becomes free, and
   * `freeDelta` is added to the free bytes.
   */
  *grow(oldTotal: number, newTotal: number, freeDelta: number): Blocking<Errno | null> {
    this.total = newTotal;
    this.free += freeDelta;
    this.changed = true;
    const gib = Math.floor(oldTotal / d.GIB);
    if (oldTotal % d.GIB === 0 || this.slotFor(null, gib * d.GIB) < 0) return null;
    const b = yield* this.leaf(gib);
    if (b instanceof Errno) return b;
    const first = Math.floor((oldTotal % d.GIB) / SEG);
    const end = Math.min(SEGS, Math.floor((newTotal - gib * d.GIB) / SEG));
    for (let s = first; s < end; s++) {
      const at = s * Rec.SIZE;
      b.u8.fill(0, at, at + Rec.SIZE);
      b.v.setUint32(at + Rec.AVAIL, SEG, true);
    }
    this.markDirty(b);
    return null;
  }
}
