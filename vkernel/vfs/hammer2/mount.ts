/**
 * A mounted PFS, read-only: names, inodes, directories and file data.
 *
 * All inodes hang off the PFS root's own blockset by number; the same blockset holds the root directory's entries,
 * whose keys have bit 63 set.
 * Counterpart: hammer2_inode.c, hammer2_xops.c, hammer2_strategy.c (reading) in sys/vfs/hammer2
 */
import type { Blocking } from '../../sys/blocking.js';
import { EINVAL, EIO, EISDIR, ENAMETOOLONG, ENOENT, ENOTDIR, Errno } from '../../sys/errno.js';
import type { Blockset } from './blockset.js';
import { Cursor } from './chain.js';
import type { Hammer2Device, Hammer2Statfs, PfsInfo } from './device.js';
import { dirhash } from './dirhash.js';
import * as d from './disk.js';
import { Bref, BrefDirent, Comp, ObjType, rd64 } from './disk.js';
import { type Hammer2Inode, LEAVES_DATA, LEAVES_DIRENT, LEAVES_INODE, getInode } from './inode.js';

/** Inode number of every PFS root. */
export const ROOT_INUM = 1;
/** Longest symbolic link target the kernel can use (MAXPATHLEN less the terminator). */
const MAXLINK = 1023;
/** Decompressed blocks kept for small and unaligned reads (page-sized readers have the page cache). */
const DATA_CACHE_BLOCKS = 8;

/**
 * Takes one directory entry.
 *
 * @param name  one char per byte
 * @param type  ObjType
 * @param next  cookie of the position after this entry
 * @returns     false when it has no room: the entry counts as not read and readdir ends
 */
export type ReaddirEmit = (name: string, inum: number, type: number, next: number) => boolean;

interface DataBlock {
  inum: number;
  lbn: number;
  readonly buf: Uint8Array;
}

// Directory positions have to fit 53 bits although keys have 63 that vary (bit 63 is always set). Bits 62-16 are kept
// exactly; of the 32768 keys they leave (bit 15 is always set) the position among the live ones is kept, up to
// ORD_MAX. The rare directory with more names of one hash resumes by `resume` below.
const ORD_BITS = 64;
const ORD_MAX = 61;
const COOKIE_FIRST = 2;

export class Hammer2Mount {
  private readonly data: DataBlock[] = [];
  /** Scratch blocks for physical reads; more than one only when reads overlap. */
  private readonly scratch: Uint8Array[] = [];
  /** Low word of the last key emitted, by directory and saturated cookie. */
  private readonly resume = new Map<string, number>();

  constructor(
    readonly device: Hammer2Device,
    readonly label: string,
    readonly root: Hammer2Inode,
    private readonly rootset: Blockset,
    private readonly inodeCount: number,
  ) {}

  statfs(): Hammer2Statfs {
    return { ...this.device.statfs(), files: this.inodeCount };
  }

  /** All PFSs of the device. Sleeps: in the device. */
  pfsList(): Blocking<PfsInfo[] | Errno> {
    return this.device.pfsList();
  }

  /**
   * An inode by number.
   *
   * @returns ENOENT when there is none; EIO after a complaint
   * Sleeps: on a cache miss.
   */
  *iget(inum: number): Blocking<Hammer2Inode | Errno> {
    if (inum === ROOT_INUM) return this.root;
    if (!(inum > ROOT_INUM && inum <= Number.MAX_SAFE_INTEGER)) return ENOENT;
    const { chains } = this.device;
    const hi = Math.floor(inum / 0x1_0000_0000);
    const lo = inum >>> 0;
    const cur = yield* chains.find(this.rootset, new Cursor(hi, lo, hi, lo), LEAVES_INODE);
    if (cur === null) return ENOENT;
    if (cur instanceof Errno) return cur;
    const { v, at } = cur;
    const ip = yield* getInode(chains, cur);
    if (ip instanceof Errno) return ip;
    if (ip.inum !== inum) return chains.fail(v, at, 'BAD INODE', `has number ${ip.inum}`);
    return ip;
  }

  /** Where a directory's entries hang. */
  private entries(dir: Hammer2Inode): Blockset | Errno {
    if (dir.type !== ObjType.DIRECTORY || dir.blockset === null) return ENOTDIR;
    return dir.blockset;
  }

  /**
   * Name of the directory entry a blockref holds.
   *
   * @returns one char per byte; EIO after a complaint (also for names no path can hold: hostile images)
   * Sleeps: for a long name on a cache miss.
   */
  private *direntName(u8: Uint8Array, v: DataView, at: number): Blocking<string | Errno> {
    const { chains } = this.device;
    const len = v.getUint16(at + BrefDirent.NAMLEN, true);
    if (len < 1 || len > 255) return chains.fail(v, at, 'BAD DIRECTORY ENTRY', `name of ${len} bytes`);
    const inum = rd64(v, at + BrefDirent.INUM);
    if (!(inum > ROOT_INUM && inum <= Number.MAX_SAFE_INTEGER)) {
      return chains.fail(v, at, 'BAD DIRECTORY ENTRY', `inode number ${inum}`);
    }
    let name: string;
    if (len <= d.DIRENT_INLINE_NAME) name = d.latin1(u8, at + Bref.CHECK, len);
    else {
      const c = chains.lookup(u8, v, at) ?? (yield* chains.get(u8, v, at));
      if (c instanceof Errno) return c;
      if (c.u8.length !== d.INODE_BYTES) return chains.fail(v, at, 'BAD DIRECTORY ENTRY', `${c.u8.length} byte name`);
      name = d.latin1(c.u8, 0, len);
    }
    if (name === '.' || name === '..' || name.includes('/') || name.includes('\0')) {
      return chains.fail(v, at, 'BAD DIRECTORY ENTRY', `impossible name ${JSON.stringify(name)}`);
    }
    return name;
  }

  /**
   * Number of the inode that `name` stands for in a directory.
   *
   * @param name  one char per byte
   * @returns ENOENT, ENOTDIR, ENAMETOOLONG; EIO when unreadable blocks may hide the name
   * Sleeps: on a cache miss.
   */
  *lookupInum(dir: Hammer2Inode, name: string): Blocking<number | Errno> {
    const top = this.entries(dir);
    if (top instanceof Errno) return top;
    if (name === '.') return dir.inum;
    if (name === '..') return dir === this.root || dir.iparent === 0 ? ROOT_INUM : dir.iparent;
    if (name.length > 255) return ENAMETOOLONG;
    if (name === '') return ENOENT;
    const { chains } = this.device;
    const h = dirhash(name);
    const cur = new Cursor(h.hi, h.lo, h.hi, (h.lo | d.DIRHASH_COLLISION) >>> 0);
    let error: Errno = ENOENT;
    for (;;) {
      const r = yield* chains.find(top, cur, LEAVES_DIRENT);
      if (r === null) return error;
      if (r instanceof Errno) return r;
      const { u8, v, at } = cur;
      if (v.getUint16(at + BrefDirent.NAMLEN, true) === name.length) {
        const got = yield* this.direntName(u8, v, at);
        if (got === name) return rd64(v, at + BrefDirent.INUM);
        if (got instanceof Errno) error = got;
      }
      if (!cur.advance(cur.keyHi, cur.keyLo)) return error;
    }
  }

  /** As lookupInum, but the inode itself; EIO when the entry leads nowhere. */
  *lookup(dir: Hammer2Inode, name: string): Blocking<Hammer2Inode | Errno> {
    const inum = yield* this.lookupInum(dir, name);
    if (inum instanceof Errno) return inum;
    const ip = yield* this.iget(inum);
    if (ip !== ENOENT) return ip;
    const dev = this.device.vols.name;
    this.device.chains.log(`hammer2: ${dev}: ${JSON.stringify(name)} in directory ${dir.inum}: no inode ${inum}`);
    return EIO;
  }

  /**
   * List a directory in key order.
   *
   * @param cookie  0 for the start, or a `next` given to emit before; `.` and `..` come first
   * @returns null at the end or when emit had no room; EIO when the next entry is unreadable (those before it have been
   *          emitted); EINVAL for a cookie never handed out
   * Sleeps: on a cache miss.
   */
  *readdir(dir: Hammer2Inode, cookie: number, emit: ReaddirEmit): Blocking<Errno | null> {
    const top = this.entries(dir);
    if (top instanceof Errno) return top;
    if (!Number.isSafeInteger(cookie) || cookie < 0) return EINVAL;
    if (cookie === 0 && !emit('.', dir.inum, ObjType.DIRECTORY, 1)) return null;
    if (cookie <= 1) {
      const up = dir === this.root || dir.iparent === 0 ? ROOT_INUM : dir.iparent;
      if (!emit('..', up, ObjType.DIRECTORY, COOKIE_FIRST)) return null;
    }
    // Position: bits 62-16 of the key, and how many entries with these bits have been read.
    const pos = Math.max(cookie, COOKIE_FIRST);
    let h = Math.floor(pos / ORD_BITS);
    let skip = (pos % ORD_BITS) - COOKIE_FIRST;
    if (skip < 0) return EINVAL;
    const hi = (Math.floor(h / 65536) | 0x80000000) >>> 0;
    let lo = (((h & 0xffff) << 16) | 0x8000) >>> 0;
    let ord = 0;
    if (skip === ORD_MAX) {
      const last = this.resume.get(`${dir.inum}:${pos}`);
      if (last !== undefined) {
        lo = last; // still one entry to skip: the last one emitted
        ord = ORD_MAX - 1;
      }
    }
    const { chains } = this.device;
    const cur = new Cursor(hi, lo, 0xffffffff, 0xffffffff);
    for (;;) {
      const r = yield* chains.find(top, cur, LEAVES_DIRENT);
      if (r === null || r instanceof Errno) return r;
      const { u8, v, at, keyHi, keyLo } = cur;
      const eh = (keyHi & 0x7fffffff) * 65536 + (keyLo >>> 16);
      if (eh !== h) {
        h = eh;
        ord = skip = 0;
      }
      if (ord < skip) ord++;
      else {
        const name = yield* this.direntName(u8, v, at);
        if (name instanceof Errno) return name;
        const next = h * ORD_BITS + COOKIE_FIRST + Math.min(ord + 1, ORD_MAX);
        if (!emit(name, rd64(v, at + BrefDirent.INUM), u8[at + BrefDirent.TYPE], next)) return null;
        ord++;
        if (ord >= ORD_MAX) {
          if (this.resume.size >= 256) this.resume.clear();
          this.resume.set(`${dir.inum}:${next}`, keyLo);
        }
      }
      if (!cur.advance(keyHi, keyLo)) return null;
    }
  }

  /**
   * One logical block of a file or symbolic link, decompressed: 65536 bytes into `dst` at `dstOff`, zero-filled past the
   * end of the file and in holes.
   *
   * @param lbn  block number: byte offset / 65536
   * @returns null; EIO after a complaint, with nothing of the file's bytes to be used
   * Sleeps: in the device.
   */
  *readBlock(ip: Hammer2Inode, lbn: number, dst: Uint8Array, dstOff: number): Blocking<Errno | null> {
    const base = lbn * d.PBUFSIZE;
    const bytes = Math.min(ip.size - base, d.PBUFSIZE);
    if (bytes <= 0 || lbn < 0) {
      dst.fill(0, dstOff, dstOff + d.PBUFSIZE);
      return null;
    }
    if (ip.blockset === null) {
      dst.set(ip.u8.subarray(0x200, 0x200 + bytes), dstOff);
      dst.fill(0, dstOff + bytes, dstOff + d.PBUFSIZE);
      return null;
    }
    if (ip.type !== ObjType.REGFILE && ip.type !== ObjType.SOFTLINK) return EINVAL;
    const { chains } = this.device;
    const cur = this.dataCursor(lbn, lbn);
    const r = yield* chains.find(ip.blockset, cur, LEAVES_DATA);
    if (r instanceof Errno) return r;
    if (r === null) {
      dst.fill(0, dstOff, dstOff + d.PBUFSIZE);
      return null;
    }
    const { u8, v, at } = cur;
    const phys = this.scratch.pop() ?? new Uint8Array(d.PBUFSIZE);
    try {
      const size = yield* chains.readPhys(u8, v, at, phys);
      if (size instanceof Errno) return size;
      const comp = u8[at + Bref.METHODS] & 15;
      let got: number;
      switch (comp) {
        case Comp.NONE:
        case Comp.AUTOZERO:
          dst.set(size === d.PBUFSIZE ? phys : phys.subarray(0, size), dstOff);
          got = size;
          break;
        case Comp.LZ4: {
          const n = (phys[0] | (phys[1] << 8) | (phys[2] << 16) | (phys[3] << 24)) >>> 0;
          if (n > size - 4) return chains.fail(v, at, 'BAD LZ4 BLOCK', `length ${n} in ${size} bytes`);
          got = chains.codecs.lz4Decompress(phys, 4, n, dst, dstOff, d.PBUFSIZE);
          break;
        }
        case Comp.ZLIB:
          got = chains.codecs.zlibInflate(phys, 0, size, dst, dstOff, d.PBUFSIZE);
          break;
        default:
          return chains.fail(v, at, 'BAD BLOCKREF', `unknown compression method ${comp}`);
      }
      if (got < 0) return chains.fail(v, at, 'DECOMPRESSION FAIL', d.compName(comp));
      // Bytes past the end of the file are zero by the format; a guest that maps the page relies on it.
      const used = Math.min(got, bytes);
      dst.fill(0, dstOff + used, dstOff + d.PBUFSIZE);
      return null;
    } finally {
      this.scratch.push(phys);
    }
  }

  /** Cursor over the DATA keys of logical blocks `lbn` to `last`. */
  private dataCursor(lbn: number, last: number): Cursor {
    const lo = lbn * d.PBUFSIZE;
    const hi = last * d.PBUFSIZE;
    const w = 0x1_0000_0000;
    return new Cursor(Math.floor(lo / w), lo >>> 0, Math.floor(hi / w), (hi + d.PBUFSIZE - 1) >>> 0);
  }

  /** Is nothing stored for this block? NOTNOW when that takes a read of the disk; EIO after a complaint. Never sleeps. */
  isHole(ip: Hammer2Inode, lbn: number): boolean | Errno {
    if (ip.blockset === null) return lbn > 0;
    const r = this.device.chains.tryFind(ip.blockset, this.dataCursor(lbn, lbn), LEAVES_DATA);
    return r instanceof Errno ? r : r === null;
  }

  /** First logical block from `lbn` on that is no hole, or null. Errnos as isHole. Never sleeps. */
  nextData(ip: Hammer2Inode, lbn: number): number | null | Errno {
    const end = Math.ceil(ip.size / d.PBUFSIZE);
    if (lbn >= end) return null;
    if (ip.blockset === null) return lbn > 0 ? null : 0;
    const r = this.device.chains.tryFind(ip.blockset, this.dataCursor(lbn, end - 1), LEAVES_DATA);
    if (r === null || r instanceof Errno) return r;
    return Math.floor((r.keyHi * 0x1_0000_0000 + r.keyLo) / d.PBUFSIZE);
  }

  /** A decompressed block from the small data cache, or read into it. Sleeps: in the device. */
  private *cachedBlock(ip: Hammer2Inode, lbn: number): Blocking<Uint8Array | Errno> {
    const i = this.data.findIndex((b) => b.inum === ip.inum && b.lbn === lbn);
    if (i >= 0) {
      const b = this.data[i];
      if (i > 0) {
        this.data.splice(i, 1);
        this.data.unshift(b);
      }
      return b.buf;
    }
    // Take a buffer off the list while it is being filled: another thread must not find it half done. The one that was
    // evicted is not reused, because its reader may not have copied it yet.
    const buf = new Uint8Array(d.PBUFSIZE);
    const e = yield* this.readBlock(ip, lbn, buf, 0);
    if (e !== null) return e;
    if (this.data.length >= DATA_CACHE_BLOCKS) this.data.pop();
    this.data.unshift({ inum: ip.inum, lbn, buf });
    return buf;
  }

  /**
   * Read file bytes.
   *
   * @returns bytes read (short only at the end of the file); EIO when the first block touched is unreadable, else what was
   *          read before it; EISDIR, EINVAL
   * Sleeps: in the device.
   */
  *read(ip: Hammer2Inode, off: number, buf: Uint8Array, bufOff: number, len: number): Blocking<number | Errno> {
    if (ip.type === ObjType.DIRECTORY) return EISDIR;
    if (ip.type !== ObjType.REGFILE && ip.type !== ObjType.SOFTLINK) return EINVAL;
    if (!Number.isSafeInteger(off) || off < 0 || len < 0) return EINVAL;
    const want = Math.min(len, ip.size - off);
    let done = 0;
    while (done < want) {
      const at = off + done;
      if (ip.direct) {
        buf.set(ip.u8.subarray(0x200 + at, 0x200 + at + want - done), bufOff + done);
        return want;
      }
      const lbn = Math.floor(at / d.PBUFSIZE);
      const o = at % d.PBUFSIZE;
      const n = Math.min(want - done, d.PBUFSIZE - o);
      if (n === d.PBUFSIZE) {
        const e = yield* this.readBlock(ip, lbn, buf, bufOff + done);
        if (e !== null) return done > 0 ? done : e;
      } else {
        const b = yield* this.cachedBlock(ip, lbn);
        if (b instanceof Errno) return done > 0 ? done : b;
        buf.set(b.subarray(o, o + n), bufOff + done);
      }
      done += n;
    }
    return done;
  }

  /**
   * Target of a symbolic link, one char per byte.
   *
   * @returns EINVAL when it is none, ENAMETOOLONG for one no path can hold, EIO
   * Sleeps: in the device.
   */
  *readlink(ip: Hammer2Inode): Blocking<string | Errno> {
    if (ip.type !== ObjType.SOFTLINK) return EINVAL;
    if (ip.size > MAXLINK) return ENAMETOOLONG;
    const buf = new Uint8Array(ip.size);
    const n = yield* this.read(ip, 0, buf, 0, ip.size);
    if (n instanceof Errno) return n;
    return d.latin1(buf, 0, n);
  }
}
