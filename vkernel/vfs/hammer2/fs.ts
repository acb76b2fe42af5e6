/**
 * A HAMMER2 file system on its devices, read-write: opening it, who may change it when, space, and its PFSs.
 *
 * Changes are plain functions (see tree.ts), so they need no lock among themselves. A sync writes what is in memory while
 * other threads run: it sets `busy`, readers go on, whoever wants to change something waits. Sections that must not
 * meet a change (snapshot, bulkfree's merge, unmount) use the same flag.
 * Counterpart: sys/vfs/hammer2/hammer2_vfsops.c
 */
import type { BlockDevice } from '../../sys/blockdev.js';
import type { Blocking } from '../../sys/blocking.js';
import { EBUSY, EDQUOT, EINVAL, EIO, ENOENT, ENOSPC, ENXIO, EROFS, Errno, NOTNOW } from '../../sys/errno.js';
import * as admin from './admin.js';
import type {
  H2BulkfreeResult,
  H2Device,
  H2OpenOptions,
  H2Pfs,
  H2PfsOptions,
  H2ScrubOptions,
  H2ScrubReport,
  H2Waiter,
} from './api.js';
import { bulkfree } from './bulkfree.js';
import { type Codecs, tsCodecs } from './codec/codecs.js';
import { DataCache } from './datacache.js';
import { Dedup } from './dedup.js';
import type { Hammer2Statfs, PfsInfo } from './device.js';
import { dirhash } from './dirhash.js';
import * as d from './disk.js';
import { Bref, Ino, ObjType, Vol, rd64 } from './disk.js';
import { flushAll, writeData } from './flush.js';
import { filenameOf, LEAVES_INODE, typeOf } from './inode.js';
import { Freemap } from './freemap.js';
import { H2Io } from './io.js';
import { Node, TYPE_ROOT } from './node.js';
import { PfsCore } from './pfs.js';
import { scrub } from './scrub.js';
import { pfsSink } from './pfs_sink.js';
import { recoverFreemap } from './recover.js';
import { Cursor, Tree } from './tree.js';
import { type H2RecoverOptions, undelete } from './undelete.js';
import { kernelWaiter } from './waiter.js';
import { type HeaderCopy, type LogFn, openVolumes } from './volume.js';

const MIB = 1024 * 1024;
/** What a sync may cost beyond the blocks it writes: started granules of each class. */
const SYNC_SLACK = 256 * 1024;
/** Transaction ids are numbers here; whoever has used up 2^52 of them does not write with us. */
const MAX_TID = 2 ** 52;
/** Want of space starts bulkfree when at least this much, and this part of the volume, has fallen out of use since the last. */
const AUTOFREE_BYTES = MIB;
const AUTOFREE_PART = 512;

export class Fs implements H2Device {
  readonly tree: Tree;
  readonly data: DataCache;
  readonly io: H2Io;
  readonly dedup: Dedup;
  /** Room for a check code before it is known where the block goes. */
  readonly codeBref = ((u8) => ({ u8, v: new DataView(u8.buffer) }))(new Uint8Array(Bref.SIZE));
  readonly log: LogFn;
  readonly nowUs: () => number;
  readonly random: (b: Uint8Array) => void;
  space: Freemap | null = null;
  /** The super-root slots of the header: the whole tree hangs below. Its bytes are the header image. */
  root: Node = null as unknown as Node;
  suproot: Node = null as unknown as Node;
  readonly dirtyInodes = new Set<Node>();
  readonly mounts = new Map<string, PfsCore>();
  readonly: boolean;
  closed = false;
  emergency = false;
  /** A sync or another section without changes is running. */
  busy = false;
  /** Highest transaction id of any header on the devices. */
  mirrorTid = 0;
  /** Copy of the header written last: the next one goes behind it. */
  headerCopy = 0;
  /** A header must be written even though no block is dirty: one written before it failed, or a copy is bad. */
  headerDue = false;
  private started = 0;
  private finished = 0;
  private lastError: Errno | null = null;
  /** The last ENOSPC came from reserve(), for a removal. */
  private noSpace = false;
  private mustFree = false;
  private freeing = false;
  /** Runs of bulkfree begun. */
  freeEpoch = 0;
  /** The super-root slots of the header last written. */
  syncedRoot = new Uint8Array(d.SET_COUNT * Bref.SIZE);
  readonly maxDirty: number;
  private readonly isRoot: () => boolean;
  private readonly waiter: H2Waiter;
  readonly codecs: Codecs;
  readonly stats = { syncs: 0, headers: 0 };

  private constructor(io: H2Io, opts: H2OpenOptions) {
    this.io = io;
    this.log = opts.log ?? (() => {});
    this.dedup = new Dedup(io, opts.dedup ?? (() => true));
    this.codecs = opts.codecs ?? tsCodecs;
    this.nowUs = opts.nowUs;
    this.random = opts.random;
    this.isRoot = opts.isRoot ?? (() => true);
    this.waiter = (opts.waiter ?? kernelWaiter)();
    this.readonly = (opts.readonly ?? false) || io.vols.vols.some((v) => v.dev.readonly);
    this.maxDirty = opts.dirtyBytes ?? 64 * MIB;
    this.tree = new Tree(io, this.codecs, this.log, opts.cacheBytes ?? 16 * MIB);
    // As many buffers as can be dirty: they come back at every sync.
    const clean = Math.max(16, Math.floor((opts.cacheBytes ?? 16 * MIB) / 8 / d.PBUFSIZE));
    this.data = new DataCache(clean, Math.max(16, Math.ceil(this.maxDirty / d.PBUFSIZE)));
  }

  get devs(): readonly BlockDevice[] {
    return this.io.vols.vols.map((v) => v.dev);
  }
  get name(): string {
    return this.io.vols.name;
  }
  /** The header image: as on disk after a sync, ahead of it in between. */
  get header(): DataView {
    return this.root.v;
  }

  // --- opening ------------------------------------------------------------------------------------------------------

  /**
   * Open a file system on its devices (in any order). Read-write unless asked otherwise or the devices are read-only.
   *
   * @returns EINVAL for bad headers or a bad super-root, ENXIO for volumes that do not belong together, EIO
   * Sleeps: in the devices.
   */
  static *open(devs: readonly BlockDevice[], opts: H2OpenOptions): Blocking<Fs | Errno> {
    const codecs = opts.codecs ?? tsCodecs;
    const log: LogFn = opts.log ?? (() => {});
    const vols = yield* openVolumes(devs, codecs, log);
    if (vols instanceof Errno) return vols;
    const fs = new Fs(new H2Io(vols), opts);
    const { copies } = vols.vols[0];
    fs.mirrorTid = rd64(copies[0].header, Vol.MIRROR_TID);
    if (!fs.readonly && !(fs.mirrorTid < MAX_TID)) {
      log(`hammer2: ${fs.name}: transaction id too large to go on: read-only`);
      fs.readonly = true;
    }
    let error: Errno = EINVAL;
    for (const [i, c] of copies.entries()) {
      const e = yield* fs.useHeader(c);
      if (e === null) {
        if (i > 0) log(`hammer2: ${fs.name}: going back to volume header #${c.copy}`);
        // A torn or stale copy is made good as soon as we write.
        fs.headerDue = i > 0 || c.copy < 0;
        const w = fs.readonly ? null : yield* fs.openForWriting();
        return w ?? fs;
      }
      if (i === 0) error = e;
      log(`hammer2: ${fs.name}: volume header #${c.copy}: no usable super-root`);
    }
    return error;
  }

  /** Take a header whose super-root can be read. */
  private *useHeader(c: HeaderCopy): Blocking<Errno | null> {
    const h = c.header;
    this.io.vols.useHeader(h);
    const u8 = new Uint8Array(h.buffer);
    const root = new Node(TYPE_ROOT as never, u8, Vol.SROOT_BLOCKSET, d.SET_COUNT, 0, 0, 64, 0x30);
    const fault = root.pack();
    if (fault !== null) {
      this.log(`hammer2: ${this.name}: bad super-root blockset: ${fault}`);
      return EINVAL;
    }
    this.root = root;
    this.keepRoot();
    this.headerCopy = Math.max(0, c.copy);
    const r = yield* this.look((): Errno | Node => {
      const cur = new Cursor(0, 0, 0, 0);
      const at = this.tree.find(root, cur, LEAVES_INODE);
      if (at instanceof Errno) return at;
      if (at === null) {
        this.log(`hammer2: ${this.name}: no super-root`);
        return EINVAL;
      }
      const n = this.tree.kidAt(cur.node, cur.slot);
      if (n instanceof Errno) return n;
      if (typeOf(n) === ObjType.DIRECTORY) return n;
      this.tree.fail(cur.node.v, cur.at, 'BAD SUPER-ROOT', 'not a directory');
      return EINVAL;
    });
    if (r instanceof Errno) return r;
    this.suproot = r;
    this.tree.pin(r);
    return null;
  }

  private *openForWriting(): Blocking<Errno | null> {
    const space = new Freemap(this.io, this.codecs, this.log, this.header, this.io.vols.totalBytes);
    this.space = space;
    this.data.onRelease = (dataOff) => space.release(dataOff);
    space.onStage = () => this.dedup.forget();
    this.tree.strict = true;
    this.tree.onDamage = () => this.turnReadonly();
    if (rd64(this.header, Vol.FREEMAP_TID) < rd64(this.header, Vol.MIRROR_TID)) {
      const e = yield* recoverFreemap(this, space);
      if (e !== null) {
        this.log(`hammer2: ${this.name}: recovery failed (${e.name}): read-only`);
        this.readonly = true;
        return null;
      }
      this.headerDue = true;
    }
    return yield* admin.repairFlags(this);
  }

  /** Note the super-root slots as the medium has them. */
  keepRoot(): void {
    this.syncedRoot.set(this.root.u8.subarray(Vol.SROOT_BLOCKSET, Vol.SROOT_BLOCKSET + this.syncedRoot.length));
  }

  /** Metadata are damaged: what was accepted may still be written, nothing new. */
  private turnReadonly(): void {
    if (this.readonly) return;
    this.readonly = true;
    this.log(`hammer2: ${this.name}: metadata damaged: file system is read-only from now on`);
  }

  // --- who runs when ------------------------------------------------------------------------------------------------

  /** Look something up: run `fn` until what it needs is in memory. Sleeps: in the device. */
  *look<T>(pfsOrFn: PfsCore | (() => T | Errno), f?: () => T | Errno): Blocking<T | Errno> {
    const fn = typeof pfsOrFn === 'function' ? pfsOrFn : (f as () => T | Errno);
    for (;;) {
      if (this.closed || (pfsOrFn instanceof PfsCore && !pfsOrFn.mounted)) return EIO;
      const r = fn();
      if (r !== NOTNOW) {
        this.data.trim();
        return r;
      }
      const e = yield* this.tree.load();
      if (e !== null) return e;
    }
  }

  /** May this PFS (or the device) be changed? */
  private fault(pfs: PfsCore | null): Errno | null {
    if (this.closed || pfs?.mounted === false) return EIO;
    return this.readonly || pfs?.readonly === true ? EROFS : null;
  }
  private get tooDirty(): boolean {
    return this.tree.dirtyBytes + this.data.dirtyBytes > this.maxDirty;
  }

  /** Change something: run `fn` until what it needs is in memory and no sync is running. Sleeps: in the device. */
  *change<T>(pfs: PfsCore | null, fn: () => T | Errno): Blocking<T | Errno> {
    let tries = 0;
    let written = false;
    for (;;) {
      while (this.busy) yield* this.waiter.sleep();
      const no = this.fault(pfs);
      if (no !== null) return no;
      if (this.tooDirty) {
        const e = yield* this.relieve();
        if (e !== null) return e;
        continue;
      }
      this.noSpace = false;
      const r = fn();
      if (r === NOTNOW) {
        const e = yield* this.tree.load();
        if (e !== null) return e;
        continue;
      }
      if (r === ENOSPC && this.noSpace && (yield* this.makeRoom(tries++))) continue;
      if (r === EDQUOT && !written && this.data.dirtyCount > 0) {
        // What is not written yet is counted as if it did not compress.
        written = true;
        const e = yield* this.exclusive(() => writeData(this));
        if (e !== null) return e;
        continue;
      }
      this.tree.evict();
      this.data.trim();
      return r;
    }
  }

  /** Change something if that needs no sleep; NOTNOW. */
  tryChange<T>(pfs: PfsCore, fn: () => T | Errno): T | Errno {
    if (this.busy || this.tooDirty) return NOTNOW;
    const no = this.fault(pfs);
    if (no !== null) return no;
    const r = fn();
    if (r === ENOSPC || r === EDQUOT) return NOTNOW; // the sleeping version makes room
    this.tree.evict();
    this.data.trim();
    return r;
  }

  /** A section that changes of others must not meet. */
  *exclusive<T>(f: () => Blocking<T>): Blocking<T> {
    while (this.busy) yield* this.waiter.sleep();
    this.busy = true;
    try {
      return yield* f();
    } finally {
      this.busy = false;
      if (!this.readonly && !this.closed) for (const p of this.mounts.values()) p.reap();
      this.tree.evict();
      this.data.trim();
      this.waiter.wake();
    }
  }

  /** Too much is dirty: write data out, and sync when that is not enough. */
  private *relieve(): Blocking<Errno | null> {
    if (this.data.dirtyBytes > this.maxDirty / 4) {
      const e = yield* this.exclusive(() => writeData(this));
      if (e !== null) return e;
    }
    return this.tree.dirtyBytes > this.maxDirty / 2 ? yield* this.sync() : null;
  }

  noteDirty(n: Node): void {
    this.dirtyInodes.add(n);
  }

  // --- space --------------------------------------------------------------------------------------------------------

  /** Bytes the next sync will allocate at most, beside what is set aside for file data. */
  private get pending(): number {
    return this.tree.dirtyBytes + SYNC_SLACK;
  }

  /**
   * May an operation go ahead that will cost `need` bytes? Removing is allowed into the reserve: it is what the reserve is for.
   */
  reserve(need: number, removal: boolean): Errno | null {
    const { space } = this;
    if (space === null) return EROFS;
    if (this.emergency) return removal ? null : EROFS;
    const left = space.freeBytes - this.unusable - this.pending - need;
    if (removal ? left > 0 : left >= this.reserveBytes / (this.isRoot() ? 2 : 1)) return null;
    this.noSpace = true;
    this.mustFree = removal;
    return ENOSPC;
  }
  /** Free bytes that cannot be had: the rest of the segment that newfs' inodes are in counts as free but never is (10.4). */
  private get unusable(): number {
    const begin = rd64(this.header, Vol.ALLOCATOR_BEG);
    return Math.ceil(begin / d.RESERVED_BYTES) * d.RESERVED_BYTES - begin;
  }
  /**
   * Set aside places on disk for blocks of file data, so that writing them cannot fail for want of space.
   *
   * @param want  log2 of the bytes needed, by logical block
   * @returns     data_off by logical block; ENOSPC, NOTNOW with nothing set aside
   */
  places(want: ReadonlyMap<number, number>): Map<number, number> | Errno {
    const space = this.space as Freemap;
    const list = new Map<number, number>();
    for (const [lbn, radix] of want) {
      const r = space.allocNow(d.BrefType.DATA, radix, (lbn * d.PBUFSIZE) % 0x1_0000_0000);
      if (typeof r === 'number') {
        list.set(lbn, r);
        continue;
      }
      for (const p of list.values()) space.release(p);
      if (r === NOTNOW) return this.tree.later(() => space.loadWanted());
      this.noSpace = true;
      return r;
    }
    return list;
  }

  private get worthFreeing(): number {
    return Math.max(AUTOFREE_BYTES, rd64(this.header, Vol.ALLOCATOR_SIZE) / AUTOFREE_PART);
  }
  private get reserveBytes(): number {
    return Math.max(4 * MIB, Math.floor(rd64(this.header, Vol.ALLOCATOR_SIZE) / 20));
  }

  /** Out of space: write what is pending (it may need less than was set aside), then free. True: try again. */
  private *makeRoom(tries: number): Blocking<boolean> {
    if (tries === 0 && this.pending > SYNC_SLACK) return (yield* this.sync()) === null;
    // Not again before there can be something to free.
    if (tries > 1 || this.emergency || this.tree.garbage < (this.mustFree ? 1 : this.worthFreeing)) return false;
    const r = yield* this.bulkfree();
    if (r instanceof Errno) return false;
    this.log(`hammer2: ${this.name}: out of space: bulkfree gave back ${r.freedBytes} bytes`);
    return r.freedBytes > 0;
  }

  statfs(): Omit<Hammer2Statfs, 'files'> {
    const size = rd64(this.header, Vol.ALLOCATOR_SIZE);
    const bytes = this.space?.freeBytes ?? rd64(this.header, Vol.ALLOCATOR_FREE);
    const free = Math.min(size, Math.max(0, bytes - (this.space === null ? 0 : this.pending - SYNC_SLACK)));
    return {
      bsize: d.PBUFSIZE,
      blocks: Math.floor(size / d.PBUFSIZE),
      bfree: Math.floor(free / d.PBUFSIZE),
      bavail: Math.floor(Math.max(0, free - Math.floor(size / 20)) / d.PBUFSIZE),
    };
  }

  // --- PFSs ---------------------------------------------------------------------------------------------------------

  /** The root inode of a PFS. ENOENT, EIO, NOTNOW. */
  findPfs(label: string): Node | Errno {
    const h = dirhash(label);
    const cur = new Cursor(h.hi, h.lo, h.hi, (h.lo | d.DIRHASH_COLLISION) >>> 0);
    for (;;) {
      const r = this.tree.find(this.suproot, cur, LEAVES_INODE);
      if (r === null) return ENOENT;
      if (r instanceof Errno) return r;
      const n = this.tree.kidAt(cur.node, cur.slot);
      if (n instanceof Errno) return n;
      if (filenameOf(n) === label) return n;
      if (!cur.advance(cur.keyHi, cur.keyLo)) return ENOENT;
    }
  }

  /** All PFSs in key order, but those with an unreadable root; EIO when none is readable. */
  *pfsList(): Blocking<PfsInfo[] | Errno> {
    const list: PfsInfo[] = [];
    const cur = new Cursor(0, 0, 0xffffffff, 0xffffffff);
    let error: Errno | null = null;
    for (;;) {
      if (this.closed) return EIO;
      const r = this.tree.find(this.suproot, cur, LEAVES_INODE);
      if (r === null) break;
      const n = r instanceof Errno ? r : this.tree.kidAt(cur.node, cur.slot);
      if (n === NOTNOW) {
        const e = yield* this.tree.load();
        if (e === null) continue;
        error = e;
        if (r === NOTNOW) break; // an indirect block: what is below it is not to be had
      } else if (n instanceof Errno) {
        error = n;
        break;
      } else {
        list.push({
          label: filenameOf(n),
          type: n.u8[Ino.PFS_TYPE],
          subtype: n.u8[Ino.PFS_SUBTYPE],
          clid: d.uuidText(n.u8, Ino.PFS_CLID),
          fsid: d.uuidText(n.u8, Ino.PFS_FSID),
        });
      }
      if (!cur.advance(cur.keyHi, cur.keyLo)) break;
    }
    return list.length > 0 || error === null ? list : error;
  }

  *mount(label: string, opts: { readonly readonly?: boolean } = {}): Blocking<PfsCore | Errno> {
    const readonly = opts.readonly ?? this.readonly;
    if (!readonly && this.readonly) return EROFS;
    const m = yield* this.look((): PfsCore | Errno => {
      if (this.mounts.has(label)) return EBUSY;
      const root = this.findPfs(label);
      if (root instanceof Errno) return root;
      if (typeOf(root) !== ObjType.DIRECTORY) {
        this.log(`hammer2: ${this.name}: root of PFS ${label} is not a directory`);
        return EINVAL;
      }
      const pfs = new PfsCore(this, label, root, readonly);
      root.pfs = pfs;
      this.tree.pin(root);
      this.mounts.set(label, pfs);
      return pfs;
    });
    if (m instanceof Errno || readonly) return m;
    const e = yield* m.reapAtMount();
    if (e === null) {
      const q = yield* m.quotas.build();
      if (q !== null) this.log(`hammer2: ${this.name}@${label}: quotas not counted: ${q.name}`);
      return m;
    }
    yield* this.unmount(m);
    return e;
  }

  *unmount(pfs: PfsCore): Blocking<Errno | null> {
    for (;;) {
      if (!pfs.mounted) return null;
      const e = this.closed ? null : yield* this.sync();
      if (e !== null) return e;
      const done = yield* this.exclusive(
        function* (this: Fs): Blocking<boolean> {
          if (pfs.root.dirty && !this.closed && !this.readonly) return false; // changed since the sync
          pfs.mounted = false;
          this.mounts.delete(pfs.label);
          this.tree.release(pfs.root);
          pfs.root.pfs = null;
          this.tree.unpin(pfs.root);
          return true;
        }.bind(this),
      );
      if (done) return null;
    }
  }

  pfsCreate(label: string, opts: H2PfsOptions = {}): Blocking<Errno | null> {
    return admin.pfsCreate(this, label, opts);
  }
  pfsDelete(label: string): Blocking<Errno | null> {
    return admin.pfsDelete(this, label);
  }
  snapshot(label: string, snapLabel: string): Blocking<Errno | null> {
    return admin.snapshot(this, label, snapLabel);
  }
  growfs(sizeBytes: number): Blocking<{ sizeBytes: number; modified: boolean } | Errno> {
    return admin.growfs(this, sizeBytes);
  }
  *bulkfree(opts: { memoryBytes?: number } = {}): Blocking<H2BulkfreeResult | Errno> {
    if (this.closed) return ENXIO;
    while (this.freeing) yield* this.waiter.sleep();
    this.freeing = true;
    this.freeEpoch++;
    try {
      return yield* bulkfree(this, opts.memoryBytes);
    } finally {
      this.freeing = false;
      this.tree.garbage = 0;
      this.waiter.wake();
    }
  }
  /** Wait for a bulkfree that is running. */
  *idleFree(): Blocking<void> {
    while (this.freeing) yield* this.waiter.sleep();
  }
  scrub(opts: H2ScrubOptions = {}): Blocking<H2ScrubReport | Errno> {
    return scrub(this, opts);
  }
  *undelete(path: string, into: H2Pfs, dest: number, opts: H2RecoverOptions = {}): Blocking<number | Errno> {
    // What has just been deleted is to be found, too: as it was at the last sync.
    const e = this.readonly ? EROFS : yield* this.sync();
    return e ?? (yield* undelete(this.devs, this.codecs, path, pfsSink(into, dest), opts));
  }
  setEmergency(on: boolean): void {
    this.emergency = on;
  }

  // --- sync ---------------------------------------------------------------------------------------------------------

  /**
   * Make everything done so far durable. Callers that come while a sync runs share the next one.
   *
   * @returns null; EIO from the device: nothing is lost in memory, the next sync tries again
   */
  *sync(): Blocking<Errno | null> {
    if (this.closed) return ENXIO;
    if (this.space === null) return null;
    const want = this.started + 1;
    while (this.finished < want) {
      if (this.busy) {
        yield* this.waiter.sleep();
        continue;
      }
      const turn = ++this.started;
      const e = yield* this.exclusive(() => flushAll(this));
      this.finished = turn;
      this.lastError = e;
    }
    return this.lastError;
  }

  *close(): Blocking<Errno | null> {
    if (this.closed) return null;
    const e = yield* this.sync();
    if (e !== null) return e;
    for (const p of [...this.mounts.values()]) yield* this.unmount(p);
    this.closed = true;
    return null;
  }
}
