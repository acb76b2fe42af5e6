/**
 * Scrub: read everything that is in use and compare it with its check code, while the file system is in use.
 *
 * The walk reads the state of the last sync, which nobody overwrites, so it keeps no one out and holds no lock. Only
 * bulkfree, once it has gone through twice, may give blocks of that state to others: a walk that has met one starts
 * again from a newer state behind what it has done already (PFS roots by key, inodes by number). Memory: one path, some
 * buffers of 64 KiB, and the places of indirect blocks seen, up to a bound (beyond it blocks that snapshots share are
 * read again).
 */
import type { Blocking } from '../../sys/blocking.js';
import { EBUSY, EIO, ENXIO, Errno } from '../../sys/errno.js';
import type { H2ScrubError, H2ScrubOptions, H2ScrubReport } from './api.js';
import * as d from './disk.js';
import { Bref, BrefDirent, BrefType, Check, Ino, OpFlag, rd64, Vol } from './disk.js';
import { flushAll } from './flush.js';
import type { Fs } from './fs.js';

const MAX_LEVELS = 4 * 65;
const MAX_SEEN = 1_000_000;
/** The walk offers its turn to others after so many bytes. */
const BREATH_BYTES = 1024 * 1024;
/** 64 KiB buffers of metadata: blocks below one another are often beside each other. */
const BUFFERS = 32;
const MAX_LISTED = 100;
const MAX_RESTARTS = 1000;

/** Whose slots are being read. */
const enum Kind {
  VOLUME,
  SUPROOT,
  PFSROOT,
  OBJECT,
}

/** Where the walk is: what errors are about. */
interface Place {
  readonly pfs: string;
  readonly inum: number;
}

/** The walk has to start again: bulkfree has run. */
const AGAIN = 'again';
type Outcome = null | typeof AGAIN | Errno;

class Scrub {
  private readonly seen = new Set<number>();
  private readonly buffers = new Map<number, Uint8Array>();
  private readonly data = new Uint8Array(d.PBUFSIZE);
  private epoch = 0;
  private breath = 0;
  /** PFS root and key in it up to which all is done. */
  private donePfs = { hi: -1, lo: -1 };
  private doneKey = { hi: -1, lo: -1 };
  blocks = 0;
  bytes = 0;
  dataBlocks = 0;
  inodes = 0;
  unchecked = 0;
  errorCount = 0;
  restarts = 0;
  readonly errors: H2ScrubError[] = [];

  constructor(
    private readonly fs: Fs,
    private readonly o: H2ScrubOptions,
  ) {}

  private get stale(): boolean {
    return this.epoch !== this.fs.freeEpoch;
  }

  private report(p: Place, v: DataView, at: number, what: string): void {
    const { fs } = this;
    this.errorCount++;
    const type = v.getUint8(at + Bref.TYPE);
    const off = Math.floor(rd64(v, at + Bref.DATA_OFF) / 64) * 64;
    const lbnOff = type === BrefType.DATA ? rd64(v, at + Bref.KEY_LO) : 0;
    if (this.errors.length < MAX_LISTED) {
      this.errors.push({ pfs: p.pfs, inum: p.inum, type, fileOffset: lbnOff, diskOffset: off, what });
      fs.log(`hammer2: ${fs.name}: scrub: ${fs.tree.describe(v, at)}: ${what}`);
    }
  }

  /** Read and verify one block; null when it is bad (reported). */
  private *read(bref: Uint8Array, v: DataView, p: Place): Blocking<Uint8Array | null | typeof AGAIN> {
    const { fs } = this;
    const radix = bref[Bref.DATA_OFF] & 0x3f;
    const off = rd64(v, Bref.DATA_OFF) - radix;
    const size = 2 ** radix;
    const base = off - (off % d.PBUFSIZE);
    const meta = bref[Bref.TYPE] !== BrefType.DATA;
    let b = meta ? this.buffers.get(base) : undefined;
    let e: Errno | null = null;
    if (b === undefined && meta) {
      b = new Uint8Array(d.PBUFSIZE);
      e = yield* fs.io.read(base, b, true);
      if (this.buffers.size >= BUFFERS) {
        for (const k of this.buffers.keys()) {
          this.buffers.delete(k);
          break;
        }
      }
      if (e === null) this.buffers.set(base, b);
    }
    let block: Uint8Array;
    if (b !== undefined) block = b.subarray(off - base, off - base + size);
    else {
      block = this.data.subarray(0, size);
      e = yield* fs.io.read(off, block, true);
    }
    if (this.stale) return AGAIN;
    this.blocks++;
    this.bytes += size;
    this.breath += size;
    if (bref[Bref.TYPE] === BrefType.DATA) this.dataBlocks++;
    const check = bref[Bref.METHODS] >> 4;
    if (check === Check.NONE || check === Check.DISABLED) this.unchecked++;
    const fault = e !== null ? `read error: ${e.name}` : fs.tree.checker.fault(bref, v, 0, block, size);
    if (fault !== null) {
      this.buffers.delete(base);
      this.report(p, v, 0, e !== null ? fault : `check code: ${fault}`);
    }
    if (this.breath >= BREATH_BYTES) {
      const n = this.breath;
      this.breath = 0;
      if (this.o.pause !== undefined) yield* this.o.pause(n);
      if (fs.closed || this.stale) return AGAIN;
    }
    return fault === null ? block : null;
  }

  /** Everything below `n` slots at `base`. */
  *slots(u8: Uint8Array, base: number, n: number, kind: Kind, p: Place, level: number): Blocking<Outcome> {
    const v = new DataView(u8.buffer, u8.byteOffset, u8.length);
    for (let i = 0; i < n; i++) {
      const at = base + i * Bref.SIZE;
      const type = u8[at];
      if (type === BrefType.EMPTY) continue;
      const keybits = Math.min(64, u8[at + Bref.KEYBITS]);
      const hi = v.getUint32(at + Bref.KEY_HI, true);
      const lo = v.getUint32(at + Bref.KEY_LO, true);
      const endHi = (hi | d.maskHi(keybits)) >>> 0;
      const endLo = (lo | d.maskLo(keybits)) >>> 0;
      const done = kind === Kind.SUPROOT ? this.donePfs : this.doneKey;
      const counts = kind === Kind.SUPROOT || kind === Kind.PFSROOT;
      if (counts && d.cmp64(endHi, endLo, done.hi, done.lo) <= 0) continue;
      const dataOff = rd64(v, at + Bref.DATA_OFF);
      const radix = u8[at + Bref.DATA_OFF] & 0x3f;
      const own: Place =
        kind === Kind.PFSROOT && type === BrefType.INODE ? { ...p, inum: rd64(v, at + Bref.KEY_LO) } : p;
      if (radix !== 0 || type !== BrefType.DIRENT) {
        const bad =
          type > BrefType.DIRENT
            ? 'not a block of the tree'
            : level > MAX_LEVELS
              ? 'tree too deep'
              : this.fs.io.placeFault(dataOff, radix);
        if (bad !== null) this.report(own, v, at, bad);
        else if (type !== BrefType.INDIRECT || !this.seen.has(dataOff)) {
          const bref = u8.slice(at, at + Bref.SIZE);
          const block = yield* this.read(bref, new DataView(bref.buffer), own);
          if (block === AGAIN) return AGAIN;
          const r = block === null ? null : yield* this.below(bref, block, kind, own, level);
          if (r !== null) return r;
          // Only what is done in full is not looked at again.
          if (type === BrefType.INDIRECT && this.seen.size < MAX_SEEN) this.seen.add(dataOff);
        }
      } else if (v.getUint16(at + BrefDirent.NAMLEN, true) > d.DIRENT_INLINE_NAME)
        this.report(own, v, at, 'long name without block');
      if (counts && type !== BrefType.INDIRECT) {
        done.hi = endHi;
        done.lo = endLo;
        if (kind === Kind.SUPROOT) this.doneKey = { hi: -1, lo: -1 };
      }
    }
    return null;
  }

  private *below(bref: Uint8Array, block: Uint8Array, kind: Kind, p: Place, level: number): Blocking<Outcome> {
    const type = bref[Bref.TYPE];
    if (type === BrefType.INDIRECT) {
      // A copy: the walk below may need the buffer.
      return yield* this.slots(block.slice(), 0, block.length / Bref.SIZE, kind, p, level + 1);
    }
    if (type !== BrefType.INODE) return null;
    if (kind === Kind.PFSROOT) this.inodes++;
    if (block.length !== d.INODE_BYTES || (block[Ino.OP_FLAGS] & OpFlag.DIRECTDATA) !== 0) return null;
    const b = block.slice();
    const v = new DataView(b.buffer);
    const next = kind === Kind.VOLUME ? Kind.SUPROOT : kind === Kind.SUPROOT ? Kind.PFSROOT : Kind.OBJECT;
    const len = Math.min(d.INODE_MAXNAME, v.getUint16(Ino.NAME_LEN, true));
    const own: Place = next === Kind.PFSROOT ? { pfs: d.latin1(b, Ino.FILENAME, len), inum: 1 } : p;
    return yield* this.slots(b, Ino.BLOCKSET, d.SET_COUNT, next, own, level + 1);
  }

  /** All copies of the header but one never written, or the one that is there. */
  private *headers(): Blocking<void> {
    const { fs } = this;
    const { vols } = fs.io.vols;
    const b = new Uint8Array(Vol.SIZE);
    const v = new DataView(b.buffer);
    for (const vol of vols) {
      for (let i = 0; i < d.NUM_VOLHDRS; i++) {
        if ((i + 1) * d.ZONE_BYTES > vol.sizeBytes && i * d.ZONE_BYTES + d.RESERVED_BYTES > vol.sizeBytes) continue;
        const e = yield* vol.dev.read(i * d.ZONE_BYTES, b);
        if (e === null && v.getUint32(0, true) === 0 && v.getUint32(4, true) === 0) continue;
        const crc = fs.codecs.crc32c(b, 0, Vol.ICRC_VOLHEADER);
        const good = e === null && v.getUint32(Vol.ICRC_VOLHEADER, true) === crc;
        this.bytes += Vol.SIZE;
        if (good) continue;
        const what = `volume header ${i} of ${vol.dev.name}: ${e === null ? 'check code' : `read error: ${e.name}`}`;
        this.errorCount++;
        this.errors.push({ pfs: '', inum: 0, type: 0, fileOffset: 0, diskOffset: i * d.ZONE_BYTES, what });
        fs.log(`hammer2: ${fs.name}: scrub: ${what}`);
      }
    }
  }

  *run(): Blocking<Errno | null> {
    const { fs } = this;
    for (;;) {
      if (fs.closed) return ENXIO;
      if (fs.emergency) return EBUSY;
      yield* fs.idleFree();
      this.epoch = fs.freeEpoch;
      this.buffers.clear();
      this.seen.clear();
      const root = yield* fs.exclusive(function* (): Blocking<Uint8Array | Errno> {
        const e = fs.space === null || fs.readonly ? null : yield* flushAll(fs);
        return e ?? fs.syncedRoot.slice();
      });
      if (root instanceof Errno) return root;
      const r = yield* this.slots(root, 0, d.SET_COUNT, Kind.VOLUME, { pfs: '', inum: 0 }, 0);
      if (r instanceof Errno) return r;
      if (r === null) break;
      if (++this.restarts > MAX_RESTARTS) return EIO;
    }
    const bad = fs.space === null ? 0 : yield* fs.exclusive(() => fs.space!.verify());
    if (bad > 0) {
      this.errorCount += bad;
      this.errors.push({
        pfs: '',
        inum: 0,
        type: BrefType.FREEMAP_LEAF,
        fileOffset: 0,
        diskOffset: 0,
        what: `freemap: ${bad} bad blocks`,
      });
    }
    yield* this.headers();
    return null;
  }
}

/**
 * Verify all blocks in use.
 *
 * @returns ENXIO when closed meanwhile; EBUSY in emergency mode, where blocks are overwritten in place; EIO from a sync
 * Sleeps: in the device, and in o.pause.
 */
export function* scrub(fs: Fs, o: H2ScrubOptions = {}): Blocking<H2ScrubReport | Errno> {
  const s = new Scrub(fs, o);
  const e = yield* s.run();
  if (e !== null) return e;
  const { blocks, bytes, dataBlocks, inodes, unchecked, errorCount, errors, restarts } = s;
  return { blocks, bytes, dataBlocks, inodes, unchecked, errorCount, errors, restarts };
}
