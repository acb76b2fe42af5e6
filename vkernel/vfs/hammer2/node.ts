/**
 * Node: one block of the tree in memory (volume header's super-root set, inode, indirect block, long file name), with the
 * blockrefs it holds and those of the blocks below it that are in memory too.
 *
 * Live blockrefs are packed at the front in key order and do not overlap: checked once when the block is read. A node
 * knows its parent, its parent the node: the way from any node to the root is always in memory. A node is `dirty` when
 * its bytes differ from what its parent's blockref names; then its parent is dirty, too.
 * The statistics of a node (7.6) are those in its parent's blockref; they follow every change at once, all the way up.
 */
import * as d from './disk.js';
import { Bref, BrefStats, BrefType, cmp64, hex64, rd64, wr64 } from './disk.js';
import type { InodeCore } from './inode.js';
import type { PfsCore } from './pfs.js';

/** Type of the root node: the four super-root slots of the volume header. */
export const TYPE_ROOT = 255;
/** What a node costs beside its bytes. */
export const NODE_OVERHEAD = 512;

const LEAF_MAX = 65535;
const MAX = Number.MAX_SAFE_INTEGER;
const clamp = (n: number): number => (n < 0 ? 0 : n > MAX ? MAX : n);

const NO_KIDS: (Node | null)[] = [];

export class Node {
  readonly v: DataView;
  parent: Node | null = null;
  /** In-core blocks by slot; NO_KIDS while none is. */
  kids: (Node | null)[] = NO_KIDS;
  kidCount = 0;
  /** Live slots. */
  n = 0;
  dirty = false;
  /** Out of the tree: evicted or deleted. */
  gone = false;
  /** Held in core by someone. */
  pins = 0;
  /** Highest modify_tid of a change since it was written. */
  modTid = 0;
  /** Clean, childless and unpinned nodes are in the cache's list. */
  inLru = false;
  prev: Node | null = null;
  next: Node | null = null;
  /** The mounted PFS it belongs to. */
  pfs: PfsCore | null = null;
  /** Inodes: what is known beside the block. */
  core: InodeCore | null = null;

  constructor(
    readonly type: BrefType | typeof TYPE_ROOT,
    readonly u8: Uint8Array,
    /** Byte offset of the first slot, and how many there are. */
    readonly base: number,
    public cap: number,
    readonly keyHi: number,
    readonly keyLo: number,
    readonly keybits: number,
    /** Methods byte of its blockref. */
    readonly methods: number,
  ) {
    this.v = new DataView(u8.buffer, u8.byteOffset, u8.length);
  }

  at(i: number): number {
    return this.base + i * Bref.SIZE;
  }
  slotType(i: number): number {
    return this.u8[this.base + i * Bref.SIZE];
  }
  slotKeyHi(i: number): number {
    return this.v.getUint32(this.base + i * Bref.SIZE + Bref.KEY_HI, true);
  }
  slotKeyLo(i: number): number {
    return this.v.getUint32(this.base + i * Bref.SIZE + Bref.KEY_LO, true);
  }
  slotBits(i: number): number {
    return this.u8[this.base + i * Bref.SIZE + Bref.KEYBITS];
  }
  slotEndHi(i: number): number {
    return (this.slotKeyHi(i) | d.maskHi(this.slotBits(i))) >>> 0;
  }
  slotEndLo(i: number): number {
    return (this.slotKeyLo(i) | d.maskLo(this.slotBits(i))) >>> 0;
  }
  kid(i: number): Node | null {
    return this.kids.length === 0 ? null : this.kids[i];
  }

  /** Validate the slots of a block just read and pack the live ones at the front; what is wrong with them, or null. */
  pack(): string | null {
    const { u8, v, base, cap } = this;
    let n = 0;
    for (let i = 0; i < cap; i++) {
      const at = base + i * Bref.SIZE;
      const type = u8[at];
      if (type === BrefType.EMPTY) continue;
      if (type > BrefType.DIRENT) return `slot ${i} of type ${d.brefTypeName(type)}`;
      const keybits = u8[at + Bref.KEYBITS];
      if (keybits > 63) return `slot ${i} with ${keybits} key bits`;
      const hi = v.getUint32(at + Bref.KEY_HI, true);
      const lo = v.getUint32(at + Bref.KEY_LO, true);
      if ((hi & d.maskHi(keybits)) !== 0 || (lo & d.maskLo(keybits)) !== 0) {
        return `slot ${i} with unaligned key ${hex64(hi, lo)}/${keybits}`;
      }
      if (n > 0 && cmp64(hi, lo, this.slotEndHi(n - 1), this.slotEndLo(n - 1)) <= 0) {
        return `slot ${i} with key ${hex64(hi, lo)}/${keybits} out of order`;
      }
      if (i !== n) u8.copyWithin(this.at(n), at, at + Bref.SIZE);
      n++;
    }
    this.n = n;
    u8.fill(0, this.at(n), this.at(cap));
    return null;
  }

  /** Are all elements of this indirect block inside of its range? */
  contained(): boolean {
    if (this.n === 0) return true;
    const endHi = (this.keyHi | d.maskHi(this.keybits)) >>> 0;
    const endLo = (this.keyLo | d.maskLo(this.keybits)) >>> 0;
    const last = this.n - 1;
    return (
      cmp64(this.slotKeyHi(0), this.slotKeyLo(0), this.keyHi, this.keyLo) >= 0 &&
      cmp64(this.slotEndHi(last), this.slotEndLo(last), endHi, endLo) <= 0
    );
  }

  /** First slot whose range ends at or after the key; `n` when there is none. */
  search(hi: number, lo: number): number {
    const { v, base } = this;
    let a = 0;
    let b = this.n;
    while (a < b) {
      const m = (a + b) >> 1;
      const at = base + m * Bref.SIZE;
      const kh = v.getUint32(at + Bref.KEY_HI, true);
      if (kh < hi || (kh === hi && v.getUint32(at + Bref.KEY_LO, true) <= lo)) a = m + 1;
      else b = m;
    }
    if (a > 0 && cmp64(this.slotEndHi(a - 1), this.slotEndLo(a - 1), hi, lo) >= 0) return a - 1;
    return a;
  }

  /** Slot with exactly this key, or -1. */
  slotOf(hi: number, lo: number): number {
    const i = this.search(hi, lo);
    return i < this.n && this.slotKeyHi(i) === hi && this.slotKeyLo(i) === lo ? i : -1;
  }

  /** Slot of an in-core block. */
  slotOfKid(k: Node): number {
    return this.slotOf(k.keyHi, k.keyLo);
  }

  /** Add to this node's statistics, and so to those of the nodes above. */
  private count(data: number, inodes: number, leaves: number): void {
    let x: Node | null = this as Node;
    let inode: Node | null = null;
    while (x !== null && x.parent !== null && (data !== 0 || inodes !== 0 || leaves !== 0)) {
      const p: Node = x.parent;
      const at = p.at(p.slotOfKid(x));
      const { v } = p;
      if (data !== 0 && inode === null && x.type === BrefType.INODE) inode = x;
      if (data !== 0) wr64(v, at + BrefStats.DATA_COUNT, clamp(rd64(v, at + BrefStats.DATA_COUNT) + data));
      if (inodes !== 0) wr64(v, at + BrefStats.INODE_COUNT, clamp(rd64(v, at + BrefStats.INODE_COUNT) + inodes));
      if (leaves !== 0) {
        const old = v.getUint16(at + Bref.LEAF_COUNT, true);
        const now = Math.max(0, Math.min(LEAF_MAX, old + leaves));
        v.setUint16(at + Bref.LEAF_COUNT, now, true);
        // An inode counts as one leaf whatever is below it.
        leaves = x.type === BrefType.INDIRECT ? now - old : 0;
      }
      x = p;
    }
    if (inode !== null && inode.pfs !== null) inode.pfs.quotas.charge(inode, data, 0);
  }

  /** Bytes on disk that hang at slot `i`, as its statistics have it. */
  slotBytes(i: number): number {
    const at = this.at(i);
    const radix = this.u8[at + Bref.DATA_OFF] & 0x3f;
    const type = this.u8[at];
    const below = type === BrefType.INODE || type === BrefType.INDIRECT ? rd64(this.v, at + BrefStats.DATA_COUNT) : 0;
    return (radix > 0 ? 2 ** radix : 0) + clamp(below);
  }

  /** Count what slot `i` contributes, times `sign`. */
  private countSlot(i: number, sign: number): void {
    const { u8, v } = this;
    const at = this.at(i);
    const type = u8[at];
    const radix = u8[at + Bref.DATA_OFF] & 0x3f;
    const node = type === BrefType.INODE || type === BrefType.INDIRECT;
    const data = (radix > 0 ? 2 ** radix : 0) + (node ? clamp(rd64(v, at + BrefStats.DATA_COUNT)) : 0);
    const inodes = (type === BrefType.INODE ? 1 : 0) + (node ? clamp(rd64(v, at + BrefStats.INODE_COUNT)) : 0);
    const below = type === BrefType.DATA || type === BrefType.INDIRECT ? v.getUint16(at + Bref.LEAF_COUNT, true) : 0;
    this.count(sign * data, sign * inodes, sign * ((type === BrefType.INDIRECT ? 0 : 1) + below));
  }

  /** Insert a blockref (128 bytes at `off` of `src`) in key order, with its in-core block. There must be room. */
  insertSlot(src: Uint8Array, off: number, kid: Node | null): number {
    const lo = src[off + 8] + src[off + 9] * 0x100 + src[off + 10] * 0x10000 + src[off + 11] * 0x1000000;
    const hi = src[off + 12] + src[off + 13] * 0x100 + src[off + 14] * 0x10000 + src[off + 15] * 0x1000000;
    const i = this.search(hi, lo);
    const at = this.at(i);
    this.u8.copyWithin(at + Bref.SIZE, at, this.at(this.n));
    this.u8.set(src.subarray(off, off + Bref.SIZE), at);
    if (this.kids.length > 0) this.kids.splice(i, 0, null);
    this.n++;
    this.countSlot(i, 1);
    if (kid !== null) this.attach(i, kid);
    return i;
  }

  /** Remove slot `i`; its in-core block is left without a parent. */
  removeSlot(i: number): void {
    this.countSlot(i, -1);
    if (this.kids.length > 0) {
      const k = this.kids[i];
      if (k !== null) {
        k.parent = null;
        this.kidCount--;
      }
      this.kids.splice(i, 1);
      if (this.kidCount === 0) this.kids = NO_KIDS;
    }
    this.u8.copyWithin(this.at(i), this.at(i + 1), this.at(this.n));
    this.n--;
    this.u8.fill(0, this.at(this.n), this.at(this.n + 1));
  }

  /** Name another block in slot `i`: its place, as offset with radix. */
  setDataOff(i: number, dataOff: number): void {
    const at = this.at(i);
    const old = this.u8[at + Bref.DATA_OFF] & 0x3f;
    const now = dataOff & 0x3f;
    wr64(this.v, at + Bref.DATA_OFF, dataOff);
    if (old !== now) this.count((now > 0 ? 2 ** now : 0) - (old > 0 ? 2 ** old : 0), 0, 0);
  }

  attach(i: number, kid: Node): void {
    if (this.kids.length === 0) this.kids = new Array<Node | null>(this.n).fill(null);
    this.kids[i] = kid;
    this.kidCount++;
    kid.parent = this;
  }

  /** Take an in-core block out of memory (it stays on disk). */
  forget(kid: Node): void {
    this.kids[this.slotOfKid(kid)] = null;
    this.kidCount--;
    if (this.kidCount === 0) this.kids = NO_KIDS;
    kid.parent = null;
  }
}
