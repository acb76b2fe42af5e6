/**
 * The tree of blocks in memory: finding, loading, inserting, removing, and the cache's bounds.
 *
 * Everything but load() runs to completion: an operation looks up what it needs, answers NOTNOW when a block is not in
 * memory, is run again from its start when load() has read it, and only changes the tree once nothing can go wrong any
 * more. So every change is atomic against all other threads, and nobody holds a place in the tree across a sleep.
 *
 * Images are hostile by assumption: nothing here throws, whatever the bytes, and every loop is bounded by the key space
 * moving up or by MAX_DEPTH.
 * Counterpart: sys/vfs/hammer2/hammer2_chain.c
 */
import type { Blocking } from '../../sys/blocking.js';
import { EIO, ENOMEM, Errno, NOTNOW } from '../../sys/errno.js';
import { Checker } from './check.js';
import type { Codecs } from './codec/codecs.js';
import * as d from './disk.js';
import { Bref, BrefType, Ino, OpFlag, rd64 } from './disk.js';
import type { H2Io } from './io.js';
import { inodeFault } from './inode.js';
import { Node, NODE_OVERHEAD } from './node.js';
import type { LogFn } from './volume.js';

/** Levels of indirect blocks under one node: 64 key bits, each level taking at least one. */
const MAX_DEPTH = 64;
/** The cache must hold the paths an operation needs, or a walk could evict its own blocks for ever. */
const MIN_CACHE_BYTES = 2 * MAX_DEPTH * (d.PBUFSIZE + NODE_OVERHEAD);
const LOUD = 8;

/** A place in the tree (good until the next sleep or change), or a range to search. */
export class Cursor {
  node: Node = null as unknown as Node;
  slot = 0;
  keyHi = 0;
  keyLo = 0;

  /** Search in [low, high]; `low` moves up while searching. */
  constructor(
    public lowHi: number,
    public lowLo: number,
    public highHi: number,
    public highLo: number,
  ) {}

  /** Byte offset of the blockref found in `node.u8`. */
  get at(): number {
    return this.node.at(this.slot);
  }

  /** Go on after [.., end]; false at the end of the range. */
  advance(endHi: number, endLo: number): boolean {
    if (d.cmp64(endHi, endLo, this.highHi, this.highLo) >= 0) return false;
    this.lowLo = (endLo + 1) >>> 0;
    this.lowHi = (endHi + (this.lowLo === 0 ? 1 : 0)) >>> 0;
    return true;
  }
}

export class Tree {
  private readonly lru = { head: null as Node | null, tail: null as Node | null };
  /** Bytes of all nodes in memory, and of the dirty ones among them. */
  bytes = 0;
  dirtyBytes = 0;
  private readonly maxBytes: number;
  readonly checker: Checker;
  /** Complaints by block: after LOUD of them only the 16th, 32nd, 64th ... is printed. */
  private readonly complaints = new Map<number, number>();
  /** What an operation that answered NOTNOW is waiting for. */
  private miss: (() => Blocking<Errno | null>) | null = null;
  /** Bytes that have fallen out of the tree since bulkfree, counted roughly; at first unknown and so many. */
  garbage = Infinity;
  /** Blocks are going to be changed. */
  strict = false;
  /** Told of damaged metadata. */
  onDamage: (what: string) => void = () => {};
  readonly stats = { loads: 0, evictions: 0 };

  constructor(
    readonly io: H2Io,
    codecs: Codecs,
    readonly log: LogFn,
    cacheBytes: number,
  ) {
    this.maxBytes = Math.max(cacheBytes, MIN_CACHE_BYTES);
    this.checker = new Checker(codecs);
  }

  // --- complaints ---------------------------------------------------------------------------------------------------

  /** `bref 0x... key .../.. type INODE methods 0x32 (xxhash64, lz4)`: how every message names a block. */
  describe(v: DataView, at: number): string {
    const methods = v.getUint8(at + Bref.METHODS);
    const dataOff = d.hex64(v.getUint32(at + Bref.DATA_OFF + 4, true), v.getUint32(at + Bref.DATA_OFF, true));
    const key = d.hex64(v.getUint32(at + Bref.KEY_HI, true), v.getUint32(at + Bref.KEY_LO, true));
    return (
      `bref 0x${dataOff} key ${key}/${v.getUint8(at + Bref.KEYBITS)} type ${d.brefTypeName(v.getUint8(at + Bref.TYPE))} ` +
      `methods 0x${methods.toString(16).padStart(2, '0')} (${d.checkName(methods >> 4)}, ${d.compName(methods & 15)})`
    );
  }

  /** Complain about a blockref and answer EIO. A block that is read over and over is named ever more rarely. */
  fail(v: DataView, at: number, what: string, why: string): Errno {
    const dataOff = rd64(v, at + Bref.DATA_OFF);
    const id = dataOff !== 0 ? dataOff : rd64(v, at + Bref.KEY_LO);
    const n = (this.complaints.get(id) ?? 0) + 1;
    if (this.complaints.size >= 1024) this.complaints.clear();
    this.complaints.set(id, n);
    if (n <= LOUD || (n & (n - 1)) === 0) {
      const { vols } = this.io;
      const name = vols.find(Math.floor(dataOff / 64) * 64, 1)?.dev.name ?? vols.name;
      const times = n > 1 ? ` [${n} times]` : '';
      this.log(`hammer2: ${name}: ${what} ${this.describe(v, at)}: ${why}${times}`);
    }
    return EIO;
  }

  /** As fail, for metadata: whoever writes must stop. */
  private damage(v: DataView, at: number, what: string, why: string): Errno {
    const e = this.fail(v, at, what, why);
    this.onDamage(what);
    return e;
  }

  // --- searching ----------------------------------------------------------------------------------------------------

  /** Register what load() is to do, and answer NOTNOW. */
  later(f: () => Blocking<Errno | null>): Errno {
    this.miss = f;
    return NOTNOW;
  }

  /** Read what the last operation that answered NOTNOW lacked. */
  *load(): Blocking<Errno | null> {
    const f = this.miss;
    this.miss = null;
    if (f === null) return null;
    const e = yield* f();
    this.evict();
    return e;
  }

  /** The block behind a slot; NOTNOW. */
  kidAt(node: Node, i: number): Node | Errno {
    const k = node.kid(i);
    if (k === null) return this.later(() => this.loadKid(node, i));
    this.touch(k);
    return k;
  }

  /**
   * Find the first leaf whose range meets [cur.low, cur.high] under `top`.
   *
   * @param leaves  bit mask (1 << type) of the leaf types that belong here
   * @returns the cursor with the leaf's slot in it; null when there is none; EIO after a complaint; NOTNOW
   */
  find(top: Node, cur: Cursor, leaves: number): Cursor | null | Errno {
    restart: for (;;) {
      let node = top;
      // Range left to the current node: that of its blockrefs on the way down.
      let minHi = 0;
      let minLo = 0;
      let maxHi = 0xffffffff;
      let maxLo = 0xffffffff;
      for (let depth = 0; ; depth++) {
        const i = node.search(cur.lowHi, cur.lowLo);
        if (i === node.n || d.cmp64(node.slotKeyHi(i), node.slotKeyLo(i), maxHi, maxLo) > 0) {
          // Nothing here: go on behind this node's range.
          if (depth === 0 || !cur.advance(maxHi, maxLo)) return null;
          continue restart;
        }
        const kh = node.slotKeyHi(i);
        const kl = node.slotKeyLo(i);
        if (d.cmp64(kh, kl, cur.highHi, cur.highLo) > 0) return null;
        const type = node.slotType(i);
        const eh = node.slotEndHi(i);
        const el = node.slotEndLo(i);
        if (type !== BrefType.INDIRECT) {
          const at = node.at(i);
          if (((leaves >> type) & 1) === 0) return this.damage(node.v, at, 'BAD BLOCKREF', 'wrong type here');
          if (d.cmp64(kh, kl, minHi, minLo) < 0 || d.cmp64(eh, el, maxHi, maxLo) > 0) {
            return this.damage(node.v, at, 'BAD BLOCKREF', "key outside of the parent's range");
          }
          if (node.slotBits(i) !== (type === BrefType.DATA ? d.PBUFRADIX : 0)) {
            return this.damage(node.v, at, 'BAD BLOCKREF', 'wrong number of key bits');
          }
          cur.node = node;
          cur.slot = i;
          cur.keyHi = kh;
          cur.keyLo = kl;
          return cur;
        }
        if (depth >= MAX_DEPTH) return this.damage(node.v, node.at(i), 'BAD BLOCKREF', 'tree too deep');
        if (d.cmp64(kh, kl, minHi, minLo) > 0) {
          minHi = kh;
          minLo = kl;
        }
        if (d.cmp64(eh, el, maxHi, maxLo) < 0) {
          maxHi = eh;
          maxLo = el;
        }
        const k = this.kidAt(node, i);
        if (k instanceof Errno) return k;
        node = k;
      }
    }
  }

  /** Lowest node under `top` whose range holds the key: where it is or would be. EIO, NOTNOW. */
  place(top: Node, hi: number, lo: number): Node | Errno {
    let node = top;
    for (let depth = 0; ; depth++) {
      const i = node.search(hi, lo);
      if (i === node.n || d.cmp64(node.slotKeyHi(i), node.slotKeyLo(i), hi, lo) > 0) return node;
      const type = node.slotType(i);
      if (type !== BrefType.INDIRECT) {
        // A leaf is where its key is, and covers nobody else's.
        const exact = node.slotKeyHi(i) === hi && node.slotKeyLo(i) === lo;
        if (exact && node.slotBits(i) === (type === BrefType.DATA ? d.PBUFRADIX : 0)) return node;
        return this.damage(node.v, node.at(i), 'BAD BLOCKREF', 'wrong number of key bits');
      }
      const nested = node.type !== BrefType.INDIRECT || node.slotBits(i) < node.keybits;
      if (!nested || depth >= MAX_DEPTH) {
        return this.damage(node.v, node.at(i), 'BAD BLOCKREF', "range not inside of the parent's");
      }
      const k = this.kidAt(node, i);
      if (k instanceof Errno) return k;
      node = k;
    }
  }

  // --- changing -----------------------------------------------------------------------------------------------------

  /** The node and all above it will be written at the next sync. */
  markDirty(node: Node, tid: number): void {
    if (tid > node.modTid) node.modTid = tid;
    for (let x: Node | null = node; x !== null && !x.dirty; x = x.parent) {
      x.dirty = true;
      this.dirtyBytes += x.u8.length + NODE_OVERHEAD;
      if (x.inLru) this.unlink(x);
    }
  }

  /** Written: bytes and parent's blockref agree. */
  markClean(node: Node): void {
    node.dirty = false;
    node.modTid = 0;
    this.dirtyBytes -= node.u8.length + NODE_OVERHEAD;
    this.settle(node);
  }

  /** A new node comes into memory below slot `i`. */
  adopt(parent: Node, i: number, kid: Node): void {
    if (parent.inLru) this.unlink(parent);
    parent.attach(i, kid);
    this.enter(kid);
  }
  /** Account for a node that came into memory. */
  enter(kid: Node): void {
    kid.pfs ??= kid.parent?.pfs ?? null;
    this.bytes += kid.u8.length + NODE_OVERHEAD;
    if (kid.type === BrefType.INODE && kid.pfs !== null) kid.pfs.entered(kid);
    this.settle(kid);
  }

  /** Insert a blockref below `place` (the lowest node whose range holds its key), making room first. Never fails. */
  insert(place: Node, bref: Uint8Array, kid: Node | null, tid: number): Node {
    const v = new DataView(bref.buffer, bref.byteOffset);
    const hi = v.getUint32(Bref.KEY_HI, true);
    const lo = v.getUint32(Bref.KEY_LO, true);
    let node = place;
    while (node.n === node.cap) {
      const ind = this.split(node, hi, lo, bref[Bref.KEYBITS], tid);
      const inside =
        d.cmp64(hi, lo, ind.keyHi, ind.keyLo) >= 0 &&
        d.cmp64(hi, lo, (ind.keyHi | d.maskHi(ind.keybits)) >>> 0, (ind.keyLo | d.maskLo(ind.keybits)) >>> 0) <= 0;
      if (inside) node = ind;
    }
    this.markDirty(node, tid);
    node.insertSlot(bref, 0, kid);
    if (kid !== null) {
      this.enter(kid);
      this.markDirty(kid, tid);
    }
    return node;
  }

  /** Remove a blockref and all that is in memory below it; indirect blocks left empty go, too. */
  remove(node: Node, i: number, tid: number): void {
    const k = node.kid(i);
    this.garbage += node.slotBytes(i);
    this.markDirty(node, tid);
    node.removeSlot(i);
    if (k !== null) this.discard(k);
    if (node.n === 0 && node.type === BrefType.INDIRECT && node.parent !== null) {
      const p = node.parent;
      this.remove(p, p.slotOfKid(node), tid);
    }
  }

  /** Forget a node that has left the tree, and what hangs below it. */
  discard(node: Node): void {
    const stack = [node];
    for (let x = stack.pop(); x !== undefined; x = stack.pop()) {
      for (const k of x.kids) if (k !== null) stack.push(k);
      if (x.dirty) this.dirtyBytes -= x.u8.length + NODE_OVERHEAD;
      x.dirty = false;
      x.gone = true;
      if (x.inLru) this.unlink(x);
      this.bytes -= x.u8.length + NODE_OVERHEAD;
      if (x.type === BrefType.INODE && x.pfs !== null) x.pfs.left(x);
    }
  }

  /** Make a new indirect block under the full `node` and move what is in its range there (7.3). */
  private split(node: Node, hi: number, lo: number, keybits: number, tid: number): Node {
    const file = keybits === d.PBUFRADIX;
    let bytes = file ? 16384 : 4096;
    if (node.type === BrefType.INDIRECT) bytes = Math.max(16384, node.u8.length);
    const range = splitRange(node, hi, lo, keybits, file, Math.log2(bytes / Bref.SIZE));
    const check = node.methods >> 4 === 0 ? d.Check.XXHASH64 : node.methods >> 4;
    const methods = check << 4;
    const ind = new Node(
      BrefType.INDIRECT,
      new Uint8Array(bytes),
      0,
      bytes / Bref.SIZE,
      range.hi,
      range.lo,
      range.bits,
      methods,
    );
    const endHi = (range.hi | d.maskHi(range.bits)) >>> 0;
    const endLo = (range.lo | d.maskLo(range.bits)) >>> 0;
    this.markDirty(node, tid);
    // Out of the parent first: that makes room for the new block's own blockref.
    const first = node.search(range.hi, range.lo);
    const moved: { bref: Uint8Array; kid: Node | null }[] = [];
    while (first < node.n && d.cmp64(node.slotKeyHi(first), node.slotKeyLo(first), endHi, endLo) <= 0) {
      moved.push({ bref: node.u8.slice(node.at(first), node.at(first + 1)), kid: node.kid(first) });
      node.removeSlot(first);
    }
    // Its size is counted at once, so that writing it changes no statistics.
    const bref = newBref(BrefType.INDIRECT, methods, range.hi, range.lo, range.bits);
    bref[Bref.DATA_OFF] = 31 - Math.clz32(bytes);
    const i = node.insertSlot(bref, 0, null);
    this.adopt(node, i, ind);
    this.markDirty(ind, tid);
    for (const m of moved) ind.insertSlot(m.bref, 0, m.kid);
    return ind;
  }

  /** Move an indirect block's elements into its parent and remove it, when they fit comfortably (7.4). */
  collapse(node: Node, tid: number): boolean {
    const p = node.parent;
    if (p === null || node.type !== BrefType.INDIRECT) return false;
    if (p.n + node.n - 1 > p.cap || node.n * 4 > node.cap * 3) return false;
    const moved: { bref: Uint8Array; kid: Node | null }[] = [];
    while (node.n > 0) {
      const i = node.n - 1;
      moved.push({ bref: node.u8.slice(node.at(i), node.at(i + 1)), kid: node.kid(i) });
      node.removeSlot(i);
    }
    p.removeSlot(p.slotOfKid(node));
    this.discard(node);
    for (const m of moved) p.insertSlot(m.bref, 0, m.kid);
    this.markDirty(p, tid);
    return true;
  }

  // --- loading ------------------------------------------------------------------------------------------------------

  /**
   * Read and verify one block.
   *
   * @param bref  a copy of its blockref
   * @param buf   at least its size
   * @param still is it still this block that is wanted? Asked before complaining, as the world moves on during a read
   * @returns bytes, EIO after a complaint, NOTNOW when it is not wanted any more
   */
  *readBlock(bref: Uint8Array, v: DataView, buf: Uint8Array, still: () => boolean): Blocking<number | Errno> {
    const radix = v.getUint8(Bref.DATA_OFF) & 0x3f;
    const dataOff = rd64(v, Bref.DATA_OFF);
    const meta = bref[Bref.TYPE] !== BrefType.DATA;
    const bad = this.io.placeFault(dataOff, radix);
    if (bad !== null) {
      return meta ? this.damage(v, 0, 'BAD BLOCKREF', bad) : this.fail(v, 0, 'BAD BLOCKREF', bad);
    }
    const size = 2 ** radix;
    this.stats.loads++;
    const block = size === buf.length ? buf : buf.subarray(0, size);
    // File data is not read by granules: it has a cache of its own, and what that drops is to be read from the medium again.
    let e = yield* this.io.read(dataOff - radix, block, !meta);
    if (e === null && meta && this.checker.fault(bref, v, 0, buf, size) !== null) {
      // The granule may be what went wrong: a bad read is not to outlive its cause.
      e = yield* this.io.reread(dataOff - radix, block);
    }
    if (e === ENOMEM) return e; // of the kernel, not of the block
    if (e !== null) return still() ? this.fail(v, 0, 'READ ERROR', e.name) : NOTNOW;
    const fault = this.checker.fault(bref, v, 0, buf, size);
    if (fault === null) return size;
    if (!still()) return NOTNOW;
    const what = fault.startsWith('unknown') ? 'BAD BLOCKREF' : 'CHECK FAIL';
    return meta ? this.damage(v, 0, what, fault) : this.fail(v, 0, what, fault);
  }

  /** Bring the block of a slot into memory. Null also when the tree has changed meanwhile: look again. */
  private *loadKid(parent: Node, slot: number): Blocking<Errno | null> {
    if (parent.gone || slot >= parent.n || parent.kid(slot) !== null) return null;
    const bref = parent.u8.slice(parent.at(slot), parent.at(slot + 1));
    const v = new DataView(bref.buffer);
    const hi = v.getUint32(Bref.KEY_HI, true);
    const lo = v.getUint32(Bref.KEY_LO, true);
    const dataOff = rd64(v, Bref.DATA_OFF);
    let i = slot;
    const still = (): boolean => {
      if (parent.gone) return false;
      i = parent.slotOf(hi, lo);
      return i >= 0 && parent.kid(i) === null && rd64(parent.v, parent.at(i) + Bref.DATA_OFF) === dataOff;
    };
    const radix = bref[Bref.DATA_OFF] & 0x3f;
    const buf = new Uint8Array(radix <= d.RADIX_MAX ? 1 << radix : 0);
    const n = yield* this.readBlock(bref, v, buf, still);
    if (n instanceof Errno) return n === NOTNOW ? null : n;
    if (!still()) return null;
    const node = this.decode(bref, v, buf);
    if (node instanceof Errno) return node;
    this.adopt(parent, i, node);
    return null;
  }

  /** A node of a verified block. */
  private decode(bref: Uint8Array, v: DataView, u8: Uint8Array): Node | Errno {
    const type: BrefType = bref[Bref.TYPE];
    const hi = v.getUint32(Bref.KEY_HI, true);
    const lo = v.getUint32(Bref.KEY_LO, true);
    const keybits = bref[Bref.KEYBITS];
    let node: Node;
    switch (type) {
      case BrefType.INDIRECT: {
        node = new Node(type, u8, 0, u8.length / Bref.SIZE, hi, lo, keybits, bref[Bref.METHODS]);
        const fault = node.pack();
        if (fault !== null) return this.damage(v, 0, 'BAD INDIRECT BLOCK', fault);
        // Readers bear with it (find); what moves elements about relies on it.
        if (this.strict && !node.contained()) {
          return this.damage(v, 0, 'BAD INDIRECT BLOCK', "key outside of the block's range");
        }
        return node;
      }
      case BrefType.INODE: {
        const fault = inodeFault(u8);
        if (fault !== null) return this.damage(v, 0, 'BAD INODE', fault);
        const direct = (u8[Ino.OP_FLAGS] & OpFlag.DIRECTDATA) !== 0;
        node = new Node(type, u8, Ino.BLOCKSET, direct ? 0 : d.SET_COUNT, hi, lo, keybits, bref[Bref.METHODS]);
        const set = node.pack();
        return set === null ? node : this.damage(v, 0, 'BAD INODE', set);
      }
      case BrefType.DIRENT:
        if (u8.length !== d.INODE_BYTES) return this.damage(v, 0, 'BAD DIRECTORY ENTRY', `${u8.length} byte name`);
        return new Node(type, u8, 0, 0, hi, lo, keybits, bref[Bref.METHODS]);
      default:
        return this.damage(v, 0, 'BAD BLOCKREF', 'not a block of metadata');
    }
  }

  // --- the cache ----------------------------------------------------------------------------------------------------

  /** In the list exactly when it may be evicted. */
  private settle(x: Node): void {
    const may = !x.dirty && !x.gone && x.kidCount === 0 && x.pins === 0 && x.parent !== null;
    if (may === x.inLru) return;
    if (may) this.pushFront(x);
    else this.unlink(x);
  }
  pin(x: Node): void {
    x.pins++;
    this.settle(x);
  }
  unpin(x: Node): void {
    x.pins--;
    if (!x.gone) this.settle(x);
  }
  /** Take all that is in memory below a node out of it. Nothing of it is dirty. */
  release(node: Node): void {
    for (const k of node.kids) {
      if (k === null) continue;
      node.forget(k);
      this.discard(k);
    }
    this.settle(node);
  }
  touch(x: Node): void {
    if (!x.inLru || this.lru.head === x) return;
    this.unlink(x);
    this.pushFront(x);
  }
  /** Give clean blocks back until the bound for them holds (tests: 0, all of them). */
  evict(bound = this.maxBytes): void {
    for (let x = this.lru.tail; x !== null && this.bytes - this.dirtyBytes > bound; x = this.lru.tail) {
      const p = x.parent as Node;
      this.unlink(x);
      p.forget(x);
      x.gone = true;
      this.bytes -= x.u8.length + NODE_OVERHEAD;
      this.stats.evictions++;
      if (x.type === BrefType.INODE && x.pfs !== null) x.pfs.left(x);
      this.settle(p);
    }
  }
  private pushFront(x: Node): void {
    x.inLru = true;
    x.prev = null;
    x.next = this.lru.head;
    if (this.lru.head !== null) this.lru.head.prev = x;
    else this.lru.tail = x;
    this.lru.head = x;
  }
  private unlink(x: Node): void {
    x.inLru = false;
    if (x.prev !== null) x.prev.next = x.next;
    else this.lru.head = x.next;
    if (x.next !== null) x.next.prev = x.prev;
    else this.lru.tail = x.prev;
    x.prev = x.next = null;
  }
}

/** A blockref of its own buffer, without a block yet. */
export function newBref(type: BrefType, methods: number, hi: number, lo: number, keybits: number): Uint8Array {
  const b = new Uint8Array(Bref.SIZE);
  const v = new DataView(b.buffer);
  b[Bref.TYPE] = type;
  b[Bref.METHODS] = methods;
  b[Bref.KEYBITS] = keybits;
  v.setUint32(Bref.KEY_LO, lo, true);
  v.setUint32(Bref.KEY_HI, hi, true);
  return b;
}

/** Smallest n such that two keys differ only in their low n bits. */
function spanBits(ahi: number, alo: number, bhi: number, blo: number): number {
  const x = (ahi ^ bhi) >>> 0;
  if (x !== 0) return 64 - Math.clz32(x);
  return 32 - Math.clz32((alo ^ blo) >>> 0);
}
const floorHi = (hi: number, bits: number): number => (hi & ~d.maskHi(bits)) >>> 0;
const floorLo = (lo: number, bits: number): number => (lo & ~d.maskLo(bits)) >>> 0;

/**
 * Range of a new indirect block under a full node. File data: the lowest of the finest elements and its neighbours, as many
 * as the new block has slots; else, and when that would move one element only: the fuller half of the smallest range
 * that holds everything.
 */
function splitRange(
  node: Node,
  hi: number,
  lo: number,
  keybits: number,
  file: boolean,
  slotBits: number,
): { hi: number; lo: number; bits: number } {
  const limit = node.type === BrefType.INDIRECT ? node.keybits - 1 : 63;
  if (file) {
    let seed = 0;
    for (let i = 1; i < node.n; i++) if (node.slotBits(i) < node.slotBits(seed)) seed = i;
    const bits = Math.min(node.slotBits(seed) + slotBits, limit);
    const bh = floorHi(node.slotKeyHi(seed), bits);
    const bl = floorLo(node.slotKeyLo(seed), bits);
    let inside = 0;
    for (let i = 0; i < node.n; i++) {
      if (floorHi(node.slotKeyHi(i), bits) === bh && floorLo(node.slotKeyLo(i), bits) === bl) inside++;
    }
    if (inside >= 2) return { hi: bh, lo: bl, bits };
  }
  let n = keybits;
  for (let i = 0; i < node.n; i++) {
    n = Math.max(n, node.slotBits(i), spanBits(hi, lo, node.slotKeyHi(i), node.slotKeyLo(i)));
  }
  const half = n - 1;
  const bits = Math.min(Math.max(half, slotBits), limit);
  if (bits > half) return { hi: floorHi(hi, bits), lo: floorLo(lo, bits), bits };
  const bitHi = half >= 32 ? 2 ** (half - 32) : 0;
  const bitLo = half < 32 ? 2 ** half : 0;
  let upper = 0;
  for (let i = 0; i < node.n; i++) {
    if ((node.slotKeyHi(i) & bitHi) !== 0 || (node.slotKeyLo(i) & bitLo) !== 0) upper++;
  }
  const up = upper > node.n - upper;
  return {
    hi: (floorHi(hi, n) | (up ? bitHi : 0)) >>> 0,
    lo: (floorLo(lo, n) | (up ? bitLo : 0)) >>> 0,
    bits: half,
  };
}
