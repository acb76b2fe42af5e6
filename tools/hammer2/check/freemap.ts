/**
 * The freemap tree of one header: its blocks, the records in them, and what they say of every granule.
 */
import { crc32c } from './digest.js';
import type { Findings, Report } from './report.js';
import { type Header, type VolumeSpace, readAt } from './volume.js';
import * as w from './wire.js';

const FREE = 0;
const STAGED = 2;
const ALLOCATED = 3;
const RECORD = 128;
const BITMAP = 0x40;
const LEAF_BYTES = 32768;
/** keybits of levels 1 to 5. */
const LEVEL_BITS = [30, 38, 46, 54, 62];

export class Freemap {
  /** Leaves by GiB. */
  private readonly leaves = new Map<number, { b: Uint8Array; v: DataView }>();
  /** Bits of granules that belong to a block of the topology, by GiB. */
  private readonly used = new Map<number, Uint8Array>();

  constructor(
    private readonly s: VolumeSpace,
    private readonly f: Findings,
    private readonly r: Report,
  ) {}

  /** First and end of what the allocator manages in the GiB at k. */
  private managed(k: number): [number, number] {
    const lo = Math.max(Math.ceil(this.s.allocatorBeg / w.SEGMENT) * w.SEGMENT, k + w.RESERVED);
    return [lo, Math.min(k + w.GIB, Math.floor(this.s.total / w.SEGMENT) * w.SEGMENT)];
  }

  load(h: Header): void {
    this.walk(h.b, h.v, 0x800, 4, 0n, w.KEY_MAX, 6, h.mirrorTid, 'freemap: header');
  }

  private walk(
    b: Uint8Array,
    v: DataView,
    base: number,
    n: number,
    lo: bigint,
    hi: bigint,
    level: number,
    tid: number,
    where: string,
  ): void {
    let next = lo;
    for (let i = 0; i < n; i++) {
      const at = base + i * w.REF_BYTES;
      if (b[at] === w.T_EMPTY) {
        if (!w.zero(b, at, at + w.REF_BYTES)) this.f.error('empty-slot', where, `slot ${i} is empty but not zero`);
        continue;
      }
      const r = w.ref(b, v, at);
      const text = w.refText(r);
      if (r.type !== w.T_FREEMAP_LEAF && r.type !== w.T_FREEMAP_NODE) {
        this.f.error('bref-type', where, `${text} in the freemap`);
        continue;
      }
      const own = LEVEL_BITS.indexOf(r.keybits) + 1;
      if (own === 0 || own >= level || (own === 1) !== (r.type === w.T_FREEMAP_LEAF)) {
        this.f.error('freemap-level', where, `${text} below level ${level}`);
        continue;
      }
      if (r.key % (1n << BigInt(r.keybits)) !== 0n)
        this.f.error('key-align', where, `${text} is not aligned to its range`);
      if (r.key < lo || r.end > hi) this.f.error('key-range', where, `${text} is outside of its parent's range`);
      else if (r.key < next) this.f.error('key-order', where, `${text} is not after the one before it`);
      next = r.end + 1n;
      if (r.check !== w.CHECK_FREEMAP || r.comp !== 0)
        this.f.error('methods', where, `${text} has methods ${w.hex(b[at + 1])}, should be 0x50`);
      if (r.mirrorTid > tid) this.f.error('mirror-tid', where, `${text} has mirror_tid ${r.mirrorTid} below ${tid}`);
      const slot = r.off - Number(r.key) - own * w.PBUF;
      if (r.radix !== 15 || slot < 0 || slot % (5 * w.PBUF) !== 0 || slot >= 8 * 5 * w.PBUF) {
        this.f.error('freemap-slot', where, `${text} is not in a slot of level ${own}`);
        continue;
      }
      const block = readAt(this.s, r.off, LEAF_BYTES);
      if (typeof block === 'string') {
        this.f.error('read-error', where, `${text}: ${block}`);
        continue;
      }
      this.r.stats.freemapBlocks++;
      const have = v.getUint32(at + 0x40, true);
      const want = crc32c(block, 0, LEAF_BYTES);
      if (have !== want) {
        this.f.error('check-code', where, `${text}: check code ${w.hex(have)}, the block has ${w.hex(want)}`);
        continue;
      }
      const bv = w.view(block);
      if (r.type === w.T_FREEMAP_NODE)
        this.walk(block, bv, 0, 256, r.key, r.end, own, r.mirrorTid, `freemap: ${w.hex(r.key)}/${r.keybits}`);
      else if (!this.leaves.has(Number(r.key) / w.GIB)) {
        this.leaves.set(Number(r.key) / w.GIB, { b: block, v: bv });
        this.leaf(block, bv, Number(r.key));
      }
    }
  }

  private leaf(b: Uint8Array, v: DataView, k: number): void {
    const [lo, hi] = this.managed(k);
    for (let i = 0; i < 256; i++) {
      const at = i * RECORD;
      const seg = k + i * w.SEGMENT;
      const where = `freemap: segment ${w.hex(seg)}`;
      const linear = v.getInt32(at, true);
      const klass = v.getUint16(at + 4, true);
      const avail = v.getUint32(at + 0x1c, true);
      let free = 0;
      let busy = 0;
      let odd = 0;
      for (let o = at + BITMAP; o < at + RECORD; o += 4) {
        const word = v.getUint32(o, true);
        if (word === 0) free += 16;
        else if (word === 0xffffffff) busy += 16;
        else {
          for (let p = 0; p < 32; p += 2) {
            const pair = (word >>> p) & 3;
            if (pair === FREE) free++;
            else if (pair === ALLOCATED) busy++;
            else if (pair !== STAGED) odd++;
          }
        }
      }
      if (odd > 0) this.f.error('freemap-bits', where, `${odd} granules marked 01`);
      if (!w.zero(b, at + 6, at + 0x1c) || !w.zero(b, at + 0x20, at + 0x40))
        this.f.warn('reserved', where, 'reserved bytes are not zero');
      if (seg < lo || seg >= hi) {
        if (busy !== 256)
          this.f.error(
            'freemap-reserved',
            where,
            `${256 - busy} granules of reserved space are not marked as allocated`,
          );
        if (avail !== 0) this.f.error('freemap-avail', where, `avail ${avail} in reserved space`);
        continue;
      }
      if (avail !== free * w.GRANULE)
        this.f.error('freemap-avail', where, `avail ${avail}, the bitmap has ${free * w.GRANULE} free bytes`);
      if (klass !== 0 && ((klass & 0xff) !== 16 || klass >> 8 < w.T_INODE || klass >> 8 > w.T_DIRENT)) {
        this.f.error('freemap-class', where, `class ${w.hex(klass)}`);
      } else if (klass === 0 && free < 256 && busy < 256) {
        this.f.warn('freemap-class', where, `no class, but ${256 - free} granules are not free`);
      }
      if (linear < 0 || linear > w.SEGMENT) this.f.error('freemap-linear', where, `linear ${linear}`);
      else if (linear % w.GRANULE !== 0 && this.pair(b, i, Math.floor(linear / w.GRANULE)) === FREE) {
        this.f.error('freemap-linear', where, `linear ${w.hex(linear)} continues a granule that is marked as free`);
      }
    }
  }

  private pair(leaf: Uint8Array, record: number, granule: number): number {
    return (leaf[record * RECORD + BITMAP + (granule >> 2)] >> (2 * (granule & 3))) & 3;
  }

  /** A block of the newest header's topology: its granules must be marked. */
  use(off: number, size: number, mirrorTid: number, h: Header, text: () => string): void {
    if (off < this.s.allocatorBeg) return;
    const gib = Math.floor(off / w.GIB);
    let bits = this.used.get(gib);
    if (bits === undefined) this.used.set(gib, (bits = new Uint8Array(w.GIB / w.GRANULE / 8)));
    const within = off - gib * w.GIB;
    const first = Math.floor(within / w.GRANULE);
    const last = Math.floor((within + size - 1) / w.GRANULE);
    for (let g = first; g <= last; g++) bits[g >> 3] |= 1 << (g & 7);
    const leaf = this.leaves.get(gib);
    let worst = leaf === undefined ? FREE : ALLOCATED;
    if (leaf !== undefined) {
      for (let g = first; g <= last; g++) worst = Math.min(worst, this.pair(leaf.b, g >> 8, g & 255));
      const rec = (first >> 8) * RECORD;
      const linear = leaf.v.getInt32(rec, true);
      const inSeg = within % w.SEGMENT;
      if (
        size < w.GRANULE &&
        linear % w.GRANULE !== 0 &&
        Math.floor(linear / w.GRANULE) === Math.floor(inSeg / w.GRANULE) &&
        inSeg + size > linear
      ) {
        this.f.error(
          'freemap-linear',
          'freemap',
          `${text()} lies behind linear ${w.hex(linear)}: it would be given out again`,
        );
      }
    }
    if (worst === ALLOCATED) return;
    if (worst === STAGED) this.f.warn('used-staged', 'freemap', `${text()} is in use but marked as possibly free`);
    else if (mirrorTid > h.freemapTid)
      this.f.warn('used-free', 'freemap', `${text()} is not marked yet: the freemap is older (${h.freemapTid})`);
    else this.f.error('used-free', 'freemap', `${text()} is in use but marked as free`);
  }

  /** Sums, once all blocks are known. */
  finish(h: Header): void {
    const st = this.r.stats;
    let taken = 0;
    let free = 0;
    for (const [gib, leaf] of this.leaves) {
      const [lo, hi] = this.managed(gib * w.GIB);
      const bits = this.used.get(gib);
      const from = Math.max(0, (lo - gib * w.GIB) / w.GRANULE);
      const to = (hi - gib * w.GIB) / w.GRANULE;
      for (let g = from; g < to; g++) {
        if ((g & 255) === 0 && this.emptyRecord(leaf, g >> 8)) {
          free += 256;
          g += 255;
          continue;
        }
        const p = this.pair(leaf.b, g >> 8, g & 255);
        if (p === FREE) {
          free++;
          continue;
        }
        taken++;
        if (p === STAGED) st.stagedGranules++;
        if (bits === undefined || (bits[g >> 3] & (1 << (g & 7))) === 0) st.unusedAllocated++;
      }
    }
    for (const bits of this.used.values())
      for (const x of bits) if (x !== 0) st.usedGranules += [...x.toString(2)].filter((c) => c === '1').length;
    if (h.freemapTid < h.mirrorTid) {
      this.f.warn('freemap-behind', 'freemap', `as of transaction ${h.freemapTid}, the topology is of ${h.mirrorTid}`);
    }
    // newfs counts the rest of the segment that holds its inodes as free although nobody can ever allocate it.
    const want = w.num64(h.v, 0x60) - taken * w.GRANULE;
    const have = w.num64(h.v, 0x68);
    let leafless = 0;
    for (let k = 0; k * w.GIB < this.s.total; k++) {
      if (this.leaves.has(k)) continue;
      const [lo, hi] = this.managed(k * w.GIB);
      leafless += Math.max(0, hi - lo);
      if (this.s.total > 2 ** 50) break; // the first formula will have to do
    }
    const exact = free * w.GRANULE + leafless;
    if (have !== want && have !== exact) {
      this.f.error(
        'allocator-free',
        'freemap',
        `allocator_free is ${have}, the bitmaps have ${exact} (${want} in the reference's way of counting)`,
      );
    }
  }

  private emptyRecord(leaf: { v: DataView }, record: number): boolean {
    for (let o = record * RECORD + BITMAP; o < (record + 1) * RECORD; o += 4)
      if (leaf.v.getUint32(o, true) !== 0) return false;
    return true;
  }
}
