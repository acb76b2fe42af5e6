/**
 * Chains: blocks of the tree read through their blockrefs, checked on every read from the device, and kept in a cache
 * of bounded size.
 *
 * The image is only read, so a chain's bytes never change: whoever holds a chain may go on using it after it has left
 * the cache. A chain is found by data_off (offset and radix). Two blockrefs of a hostile image may name one block with
 * different check codes: the cached bytes are verified anew for a blockref with another code than they were read by.
 * Images are hostile by assumption: nothing here throws, whatever the bytes, and every loop is bounded by the key
 * space moving up or by MAX_DEPTH.
 * Counterpart: sys/vfs/hammer2/hammer2_chain.c
 */
import type { Blocking } from '../../sys/blocking.js';
import { EIO, ENOMEM, Errno, NOTNOW } from '../../sys/errno.js';
import { Blockset } from './blockset.js';
import type { Codecs } from './codec/codecs.js';
import { foldSha192 } from './codec/sha256.js';
import * as d from './disk.js';
import { Bref, BrefType, Check, rd64 } from './disk.js';
import type { Hammer2Inode } from './inode.js';
import type { LogFn, VolumeSet } from './volume.js';

/** Levels of indirect blocks under one node: 64 key bits, each level taking at least one. */
const MAX_DEPTH = 64;
/** What a chain costs beside its bytes: objects, index, map entry. */
const CHAIN_OVERHEAD = 512;
/** The cache must hold any path from root to leaf, or a walk could evict its own blocks for ever. */
const MIN_CACHE_BYTES = MAX_DEPTH * (d.PBUFSIZE + CHAIN_OVERHEAD);

const LOUD = 8;

/** Length in bytes of a check code in the blockref. */
const CHECK_BYTES = [0, 0, 4, 8, 24, 4];

export class Hammer2Chain {
  /** Check code it was verified with, the bytes in use. */
  readonly check: Uint8Array;
  /** Set when first used as an indirect block. */
  blockset: Blockset | null = null;
  /** Set when first used as an inode. */
  inode: Hammer2Inode | null = null;
  prev: Hammer2Chain | null = null;
  next: Hammer2Chain | null = null;
  readonly v: DataView;

  constructor(
    /** Byte offset with the radix in the low bits: the key in the cache. */
    readonly dataOff: number,
    readonly u8: Uint8Array,
    /** Methods byte of the blockref it was verified with. */
    readonly methods: number,
    check: Uint8Array,
  ) {
    this.check = check;
    this.v = new DataView(u8.buffer, u8.byteOffset, u8.length);
  }
}

const NO_BYTES: Uint8Array = new Uint8Array(0);
const NO_VIEW: DataView = new DataView(NO_BYTES.buffer);

/** A place in the tree: a blockref within a block that stays valid as long as it is held, or a range to search. */
export class Cursor {
  /** The blockref found: byte `at` of `u8`. */
  u8: Uint8Array = NO_BYTES;
  v: DataView = NO_VIEW;
  at = 0;
  keyHi = 0;
  keyLo = 0;

  /** Search in [low, high]; `low` moves up while searching. */
  constructor(
    public lowHi: number,
    public lowLo: number,
    readonly highHi: number,
    readonly highLo: number,
  ) {}

  get type(): number {
    return this.u8[this.at + Bref.TYPE];
  }

  /** Go on after the blockref found (a leaf); false at the end of the range. */
  advance(endHi: number, endLo: number): boolean {
    if (d.cmp64(endHi, endLo, this.highHi, this.highLo) >= 0) return false;
    this.lowLo = (endLo + 1) >>> 0;
    this.lowHi = (endHi + (this.lowLo === 0 ? 1 : 0)) >>> 0;
    return true;
  }
}
/** Answer of a search: nothing in the range. */
export const NONE = null;

export class ChainStore {
  private readonly map = new Map<number, Hammer2Chain>();
  private readonly lru = { head: null as Hammer2Chain | null, tail: null as Hammer2Chain | null };
  private bytes = 0;
  private readonly maxBytes: number;
  private readonly hash = new Uint32Array(2);
  private readonly digest = new Uint8Array(32);
  /** Complaints by block: after LOUD of them only the 16th, 32nd, 64th ... is printed. */
  private readonly complaints = new Map<number, number>();
  /** The blockref a synchronous search would have had to sleep for. */
  private missU8: Uint8Array = NO_BYTES;
  private missV: DataView = NO_VIEW;
  private missAt = 0;
  readonly stats = { hits: 0, reads: 0, evictions: 0 };

  constructor(
    readonly vols: VolumeSet,
    readonly codecs: Codecs,
    readonly log: LogFn,
    maxBytes: number,
  ) {
    this.maxBytes = Math.max(maxBytes, MIN_CACHE_BYTES);
  }

  /** Bytes held by the cache. */
  get cacheBytes(): number {
    return this.bytes;
  }

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
      const name = this.vols.find(Math.floor(dataOff / 64) * 64, 1)?.dev.name ?? this.vols.name;
      const times = n > 1 ? ` [${n} times]` : '';
      this.log(`hammer2: ${name}: ${what} ${this.describe(v, at)}: ${why}${times}`);
    }
    return EIO;
  }

  /** log2 of the block's size and its place are sane: the radix, or 0 after a complaint. */
  private checkedRadix(v: DataView, at: number): number {
    const dataOff = rd64(v, at + Bref.DATA_OFF);
    const radix = v.getUint8(at + Bref.DATA_OFF) & 0x3f;
    const off = dataOff - radix;
    const size = 2 ** radix;
    if (radix < d.RADIX_MIN || radix > d.RADIX_MAX) this.fail(v, at, 'BAD BLOCKREF', `radix ${radix}`);
    else if (this.vols.find(off, size) === null) this.fail(v, at, 'BAD BLOCKREF', 'offset out of range');
    else if (off % 2 ** d.RADIX_MIN !== 0) this.fail(v, at, 'BAD BLOCKREF', 'unaligned offset');
    else if ((off % d.PBUFSIZE) + size > d.PBUFSIZE) this.fail(v, at, 'BAD BLOCKREF', 'crosses a 64 KiB boundary');
    else return radix;
    return 0;
  }

  /** Compare a block's bytes with the blockref's check code; null, or EIO (after a complaint unless `quiet`). */
  private verify(u8: Uint8Array, v: DataView, at: number, data: Uint8Array, quiet: boolean): Errno | null {
    const check = u8[at + Bref.METHODS] >> 4;
    const c = at + Bref.CHECK;
    let want: string;
    let got: string;
    switch (check) {
      case Check.NONE:
      case Check.DISABLED:
        return null;
      case Check.ISCSI32:
      case Check.FREEMAP: {
        const crc = this.codecs.crc32c(data, 0, data.length);
        if (crc === v.getUint32(c, true)) return null;
        want = d.hex32(v.getUint32(c, true));
        got = d.hex32(crc);
        break;
      }
      case Check.XXHASH64: {
        const h = this.hash;
        this.codecs.xxh64(data, 0, data.length, h);
        if (h[0] === v.getUint32(c, true) && h[1] === v.getUint32(c + 4, true)) return null;
        want = d.hex64(v.getUint32(c + 4, true), v.getUint32(c, true));
        got = d.hex64(h[1], h[0]);
        break;
      }
      case Check.SHA192: {
        const h = this.digest;
        this.codecs.sha256(data, 0, data.length, h);
        foldSha192(h);
        let same = true;
        for (let i = 0; i < 24; i++) if (h[i] !== u8[c + i]) same = false;
        if (same) return null;
        const hex = (b: Uint8Array, o: number): string =>
          Array.from(b.subarray(o, o + 24), (x) => x.toString(16).padStart(2, '0')).join('');
        want = hex(u8, c);
        got = hex(h, 0);
        break;
      }
      default:
        return quiet ? EIO : this.fail(v, at, 'BAD BLOCKREF', `unknown check method ${check}`);
    }
    return quiet ? EIO : this.fail(v, at, 'CHECK FAIL', `expected ${want}, got ${got}`);
  }

  /**
   * Read and verify one block into `buf` at 0, uncached (file data).
   *
   * @param buf  65536 bytes; only the block's size is used
   * @returns the size in bytes, or EIO after a complaint
   * Sleeps: in the device.
   */
  *readPhys(u8: Uint8Array, v: DataView, at: number, buf: Uint8Array): Blocking<number | Errno> {
    const radix = this.checkedRadix(v, at);
    if (radix === 0) return EIO;
    const size = 1 << radix;
    const data = size === buf.length ? buf : buf.subarray(0, size);
    this.stats.reads++;
    const e = yield* this.vols.read(rd64(v, at + Bref.DATA_OFF) - radix, data);
    if (e === ENOMEM) return e; // of the kernel, not of the block
    if (e !== null) return this.fail(v, at, 'READ ERROR', e.name);
    return this.verify(u8, v, at, data, false) ?? size;
  }

  /** A verified block from the cache, or null. */
  lookup(u8: Uint8Array, v: DataView, at: number): Hammer2Chain | null {
    const c = this.map.get(rd64(v, at + Bref.DATA_OFF));
    if (c === undefined) return null;
    let same = u8[at + Bref.METHODS] >> 4 === c.methods >> 4;
    for (let i = 0; same && i < c.check.length; i++) same = c.check[i] === u8[at + Bref.CHECK + i];
    if (!same && this.verify(u8, v, at, c.u8, true) !== null) return null;
    this.stats.hits++;
    if (this.lru.head !== c) {
      this.unlink(c);
      this.pushFront(c);
    }
    return c;
  }

  /**
   * The block of a blockref, through the cache.
   *
   * @returns a verified chain, or EIO after a complaint
   * Sleeps: on a cache miss.
   */
  *get(u8: Uint8Array, v: DataView, at: number): Blocking<Hammer2Chain | Errno> {
    const hit = this.lookup(u8, v, at);
    if (hit !== null) return hit;
    const radix = this.checkedRadix(v, at);
    if (radix === 0) return EIO;
    const data = new Uint8Array(1 << radix);
    const n = yield* this.readPhys(u8, v, at, data);
    if (n instanceof Errno) return n;
    const methods = u8[at + Bref.METHODS];
    const check = u8.slice(at + Bref.CHECK, at + Bref.CHECK + (CHECK_BYTES[methods >> 4] ?? 0));
    const c = new Hammer2Chain(rd64(v, at + Bref.DATA_OFF), data, methods, check);
    this.insert(c);
    return c;
  }

  /**
   * Find the first leaf whose range meets [cur.low, cur.high] under `top`, without sleeping.
   *
   * @returns the cursor with the leaf's blockref in it; NONE; EIO after a complaint; NOTNOW when a block has to be read
   * @param leaves  bit mask (1 << type) of the leaf types that belong here
   */
  tryFind(top: Blockset, cur: Cursor, leaves: number): Cursor | null | Errno {
    restart: for (;;) {
      let bs = top;
      // Range left to the current node: that of its blockrefs on the way down.
      let minHi = 0;
      let minLo = 0;
      let maxHi = 0xffffffff;
      let maxLo = 0xffffffff;
      for (let depth = 0; ; depth++) {
        const i = bs.search(cur.lowHi, cur.lowLo);
        const past = i === bs.n || d.cmp64(bs.keyHi[i], bs.keyLo[i], maxHi, maxLo) > 0;
        if (past) {
          // Nothing here: go on behind this node's range.
          if (depth === 0 || !cur.advance(maxHi, maxLo)) return NONE;
          continue restart;
        }
        if (d.cmp64(bs.keyHi[i], bs.keyLo[i], cur.highHi, cur.highLo) > 0) return NONE;
        const at = bs.at[i];
        const { u8, v } = bs;
        const type = u8[at + Bref.TYPE];
        if (type !== BrefType.INDIRECT) {
          if (((leaves >> type) & 1) === 0) return this.fail(v, at, 'BAD BLOCKREF', 'wrong type here');
          const inside =
            d.cmp64(bs.keyHi[i], bs.keyLo[i], minHi, minLo) >= 0 &&
            d.cmp64(bs.endHi[i], bs.endLo[i], maxHi, maxLo) <= 0;
          if (!inside) return this.fail(v, at, 'BAD BLOCKREF', "key outside of the parent's range");
          if (u8[at + Bref.KEYBITS] !== (type === BrefType.DATA ? d.PBUFRADIX : 0)) {
            return this.fail(v, at, 'BAD BLOCKREF', 'wrong number of key bits');
          }
          cur.u8 = u8;
          cur.v = v;
          cur.at = at;
          cur.keyHi = bs.keyHi[i];
          cur.keyLo = bs.keyLo[i];
          return cur;
        }
        if (depth >= MAX_DEPTH) return this.fail(v, at, 'BAD BLOCKREF', 'tree too deep');
        if (d.cmp64(bs.keyHi[i], bs.keyLo[i], minHi, minLo) > 0) {
          minHi = bs.keyHi[i];
          minLo = bs.keyLo[i];
        }
        if (d.cmp64(bs.endHi[i], bs.endLo[i], maxHi, maxLo) < 0) {
          maxHi = bs.endHi[i];
          maxLo = bs.endLo[i];
        }
        const c = this.lookup(u8, v, at);
        if (c === null) {
          this.missU8 = u8;
          this.missV = v;
          this.missAt = at;
          return NOTNOW;
        }
        if (c.blockset === null) {
          const parsed = Blockset.parse(c.u8, c.v, 0, c.u8.length / Bref.SIZE);
          if (typeof parsed === 'string') return this.fail(v, at, 'BAD INDIRECT BLOCK', parsed);
          c.blockset = parsed;
        }
        bs = c.blockset;
      }
    }
  }

  /** As tryFind, reading what is missing. Sleeps: in the device. */
  *find(top: Blockset, cur: Cursor, leaves: number): Blocking<Cursor | null | Errno> {
    for (;;) {
      const r = this.tryFind(top, cur, leaves);
      if (r !== NOTNOW) return r;
      const c = yield* this.get(this.missU8, this.missV, this.missAt);
      if (c instanceof Errno) return c;
    }
  }

  private insert(c: Hammer2Chain): void {
    const old = this.map.get(c.dataOff); // another thread was faster, or another check code
    if (old !== undefined) this.drop(old);
    this.map.set(c.dataOff, c);
    this.pushFront(c);
    this.bytes += c.u8.length + CHAIN_OVERHEAD;
    while (this.bytes > this.maxBytes && this.lru.tail !== null && this.lru.tail !== c) {
      this.drop(this.lru.tail);
      this.stats.evictions++;
    }
  }
  private drop(c: Hammer2Chain): void {
    this.map.delete(c.dataOff);
    this.unlink(c);
    this.bytes -= c.u8.length + CHAIN_OVERHEAD;
  }
  private pushFront(c: Hammer2Chain): void {
    c.prev = null;
    c.next = this.lru.head;
    if (this.lru.head !== null) this.lru.head.prev = c;
    else this.lru.tail = c;
    this.lru.head = c;
  }
  private unlink(c: Hammer2Chain): void {
    if (c.prev !== null) c.prev.next = c.next;
    else this.lru.head = c.next;
    if (c.next !== null) c.next.prev = c.prev;
    else this.lru.tail = c.prev;
  }
}
