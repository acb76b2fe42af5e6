/**
 * Quotas on directories: what is below one of them is counted in it, and kept below its limits.
 *
 * The format has fields for limits and counts (0x0B0 to 0x0CF) that the reference stores and ignores, and inodes do not hang
 * below their directories, so nothing on the medium says what belongs to whom. Here each inode holds the number of the
 * quota directory that counts it (QUOTA_DIR, a reserved field): the nearest one above it. A quota directory is itself
 * counted by the next one above it, together with all it counts. So a change costs one addition for each of them, and
 * the counts are part of the same sync as what they count.
 *
 * Counted are the bytes of the blocks below an inode (its blockref's data_count: what is stored, after compression) and the
 * inodes. Dirty blocks whose size on disk is not known yet are held against the limit with the place set aside for them
 * (`due`). An inode has one quota directory: links and directories do not go from one to another (EXDEV), files with
 * one name do, when there is room.
 */
import type { Blocking } from '../../sys/blocking.js';
import { EDQUOT, EINVAL, ENOENT, ENOTDIR, EROFS, EXDEV, Errno, NOTNOW } from '../../sys/errno.js';
import type { H2Quota, H2QuotaLimits } from './api.js';
import * as dir from './directory.js';
import { BrefStats, Ino, rd64, wr64 } from './disk.js';
import { flushAll } from './flush.js';
import * as ic from './inode.js';
import type { Node } from './node.js';
import type { PfsCore } from './pfs.js';
import { Cursor } from './tree.js';

/** Quota directories inside one another; what a loop in a hostile image is cut off at. */
const MAX_NESTED = 64;
/** What a sync may have to write more for counts that change: the directories' inodes and the way to them. */
export const QUOTA_COST = 128 * 1024;

const ACTIVE = 1;
const isActive = (n: Node): boolean => n.u8[Ino.QUOTA_STATE] === ACTIVE;
const clamp = (n: number): number => Math.max(0, Math.min(n, Number.MAX_SAFE_INTEGER));

/** A quota directory in memory, pinned there. */
export class QuotaDir {
  /** Bytes that dirty blocks below it may take beyond what is counted. */
  due = 0;
  constructor(
    readonly node: Node,
    /** The next one above. */
    public up: QuotaDir | null,
  ) {}
}

export class Quotas {
  private readonly dirs = new Map<number, QuotaDir>();
  /** What inodes remember of their quota directory is good for this epoch. */
  private epoch = 0;

  constructor(private readonly pfs: PfsCore) {}

  private get tree(): PfsCore['device']['tree'] {
    return this.pfs.device.tree;
  }

  // --- who counts whom ----------------------------------------------------------------------------------------------

  /** Number of the quota directory that counts what is in this directory; 0 for none. */
  static inside(dn: Node): number {
    return isActive(dn) ? ic.inumOf(dn) : rd64(dn.v, Ino.QUOTA_DIR);
  }

  /** The quota directory `inum`, or the next active one above; null for none. EIO, NOTNOW. */
  find(inum: number, nested = 0): QuotaDir | null | Errno {
    if (inum === 0 || nested > MAX_NESTED) return null;
    const have = this.dirs.get(inum);
    if (have !== undefined) return have;
    const n = this.pfs.iget(inum);
    if (n === ENOENT) return null;
    if (n instanceof Errno) return n;
    if (!dir.isDir(n)) return null;
    const up = this.find(rd64(n.v, Ino.QUOTA_DIR), nested + 1);
    if (up instanceof Errno || !isActive(n)) return up;
    const q = new QuotaDir(n, up);
    this.tree.pin(n);
    this.dirs.set(inum, q);
    return q;
  }

  /** The quota directory that counts an inode. Whoever changes the inode asks first. EIO, NOTNOW. */
  of(n: Node): QuotaDir | null | Errno {
    const inum = rd64(n.v, Ino.QUOTA_DIR);
    if (inum === 0) return null;
    const core = ic.coreOf(n);
    if (core.quotaEpoch === this.epoch) return core.quota;
    const q = this.find(inum);
    if (q instanceof Errno) return q;
    core.quotaEpoch = this.epoch;
    core.quota = q;
    return q;
  }

  /** As of, by what is in memory alone: of() has been asked before, unless the image is not as it should be. */
  private known(n: Node): QuotaDir | null {
    const q = this.of(n);
    return q instanceof Errno ? null : q;
  }

  /** One quota directory goes. */
  private drop(inum: number): void {
    const q = this.dirs.get(inum);
    if (q === undefined) return;
    this.epoch++;
    this.dirs.delete(inum);
    for (const x of this.dirs.values()) if (x.up === q) x.up = q.up;
    this.tree.unpin(q.node);
  }

  /** The quota directories in memory are not as they were. Nothing is dirty that has not been counted. */
  private forget(): void {
    this.epoch++;
    for (const q of this.dirs.values()) this.tree.unpin(q.node);
    this.dirs.clear();
  }

  /** Bring the quota directories of all these into memory before they are changed. EIO, NOTNOW. */
  ready(...nodes: (Node | null)[]): Errno | null {
    for (const n of nodes) {
      const q = n === null ? null : this.of(n);
      if (q instanceof Errno) return q;
    }
    return null;
  }

  // --- counting -----------------------------------------------------------------------------------------------------

  /** The blocks below an inode have become more, or less (Node.count tells). */
  charge(n: Node, bytes: number, inodes: number): void {
    if (n !== this.pfs.root) this.add(this.known(n), bytes, inodes);
  }

  private add(q: QuotaDir | null, bytes: number, inodes: number): void {
    for (; q !== null; q = q.up) {
      const { node } = q;
      if (node.gone) continue;
      wr64(node.v, Ino.DATA_USED, clamp(rd64(node.v, Ino.DATA_USED) + bytes));
      wr64(node.v, Ino.INODE_USED, clamp(rd64(node.v, Ino.INODE_USED) + inodes));
      this.tree.markDirty(node, 0);
    }
  }

  /** A dirty block may need so many bytes more than are counted. */
  due(n: Node, bytes: number): void {
    for (let q = this.known(n); q !== null; q = q.up) q.due = Math.max(0, q.due + bytes);
  }

  /** Is there room for so much more in `q` and those above, but not those that `old` is in already? EDQUOT. */
  admit(q: QuotaDir | null, bytes: number, inodes: number, old: QuotaDir | null = null): Errno | null {
    for (; q !== null; q = q.up) {
      for (let o = old; o !== null; o = o.up) if (o === q) return null;
      const { v } = q.node;
      const maxBytes = rd64(v, Ino.DATA_QUOTA);
      const maxInodes = rd64(v, Ino.INODE_QUOTA);
      if (bytes > 0 && maxBytes > 0 && rd64(v, Ino.DATA_USED) + q.due + bytes > maxBytes) return EDQUOT;
      if (inodes > 0 && maxInodes > 0 && rd64(v, Ino.INODE_USED) + inodes > maxInodes) return EDQUOT;
    }
    return null;
  }

  // --- names --------------------------------------------------------------------------------------------------------

  /** A new inode in a directory. */
  adopt(n: Node, dn: Node): void {
    const inum = Quotas.inside(dn);
    if (inum === 0) return;
    wr64(n.v, Ino.QUOTA_DIR, inum);
    this.charge(n, 0, 1);
  }

  /** The inode leaves the index. */
  removed(n: Node): void {
    this.charge(n, -ic.statOf(n, BrefStats.DATA_COUNT), -1);
    if (isActive(n)) this.drop(ic.inumOf(n));
  }

  /** A quota directory has lost its name: open files without one that it counts go to the next above. */
  unnamed(n: Node): void {
    if (!isActive(n)) return;
    const inum = ic.inumOf(n);
    for (const o of this.pfs.orphans.values()) {
      if (rd64(o.v, Ino.QUOTA_DIR) !== inum) continue;
      wr64(o.v, Ino.QUOTA_DIR, rd64(n.v, Ino.QUOTA_DIR));
      this.tree.markDirty(o, 0);
    }
    this.drop(inum);
  }

  /** May this inode get a name in that directory, beside the ones it has? */
  linkFault(n: Node, dn: Node): Errno | null {
    return rd64(n.v, Ino.QUOTA_DIR) === Quotas.inside(dn) ? null : EXDEV;
  }

  /** What an inode holds for the one above: itself, its blocks, and what it counts. */
  private weight(n: Node): { bytes: number; inodes: number; due: number } {
    const w = { bytes: ic.statOf(n, BrefStats.DATA_COUNT), inodes: 1, due: 0 };
    if (n.core !== null) for (const b of n.core.bufs.values()) w.due += b.due;
    if (!isActive(n)) return w;
    w.bytes += rd64(n.v, Ino.DATA_USED);
    w.inodes += rd64(n.v, Ino.INODE_USED);
    w.due += this.dirs.get(ic.inumOf(n))?.due ?? 0;
    return w;
  }

  /**
   * May an inode move there? EXDEV for what cannot be counted elsewhere at once: files with more names, directories that are no
   * quota directories; EDQUOT; EIO, NOTNOW.
   */
  moveFault(n: Node, dn: Node): Errno | null {
    const to = Quotas.inside(dn);
    if (rd64(n.v, Ino.QUOTA_DIR) === to) return null;
    if (dir.isDir(n) ? !isActive(n) : ic.nlinksOf(n) > 1) return EXDEV;
    if (isActive(n)) {
      const own = this.find(ic.inumOf(n));
      if (own instanceof Errno) return own;
    }
    const from = this.of(n);
    if (from instanceof Errno) return from;
    const q = this.find(to);
    if (q instanceof Errno) return q;
    const w = this.weight(n);
    return this.admit(q, w.bytes + w.due, w.inodes, from);
  }

  /** It moves: moveFault has found nothing. */
  move(n: Node, dn: Node): void {
    const to = Quotas.inside(dn);
    if (rd64(n.v, Ino.QUOTA_DIR) === to) return;
    const w = this.weight(n);
    const from = this.known(n);
    this.add(from, -w.bytes, -w.inodes);
    for (let q = from; q !== null; q = q.up) q.due = Math.max(0, q.due - w.due);
    wr64(n.v, Ino.QUOTA_DIR, to);
    ic.coreOf(n).quotaEpoch = -1;
    const q = this.known(n);
    this.add(q, w.bytes, w.inodes);
    for (let x = q; x !== null; x = x.up) x.due += w.due;
    const own = this.dirs.get(ic.inumOf(n));
    if (own !== undefined) own.up = q;
  }

  // --- setting ------------------------------------------------------------------------------------------------------

  get(n: Node): H2Quota | Errno {
    if (!dir.isDir(n)) return ENOTDIR;
    const { v } = n;
    return {
      active: isActive(n),
      dataBytes: rd64(v, Ino.DATA_QUOTA),
      inodes: rd64(v, Ino.INODE_QUOTA),
      usedBytes: isActive(n) ? rd64(v, Ino.DATA_USED) : 0,
      usedInodes: isActive(n) ? rd64(v, Ino.INODE_USED) : 0,
    };
  }

  /**
   * Set limits, 0 for none. The first one makes a directory a quota directory and counts what is there; without any it is none any
   * more; both the same as before: count anew. Durable when it returns. What is there may exceed the limits.
   *
   * @returns null; EXDEV, and none is set, when a file has names both below the directory and elsewhere; ENOENT, ENOTDIR, EINVAL,
   *          ENOSPC, EIO, EROFS
   * Sleeps, and keeps changes out while it counts.
   */
  *set(inum: number, lim: H2QuotaLimits): Blocking<Errno | null> {
    for (const x of [lim.dataBytes, lim.inodes])
      if (x !== undefined && !(Number.isSafeInteger(x) && x >= 0)) return EINVAL;
    const fs = this.pfs.device;
    const again = { now: false };
    const e = yield* fs.change(this.pfs, (): Errno | null => {
      const n = this.pfs.iget(inum);
      if (n instanceof Errno) return n;
      if (!dir.isDir(n)) return ENOTDIR;
      if (n !== this.pfs.root && ic.nlinksOf(n) === 0) return ENOENT;
      const full = fs.reserve(QUOTA_COST, true);
      if (full !== null) return full;
      const was = [rd64(n.v, Ino.DATA_QUOTA), rd64(n.v, Ino.INODE_QUOTA)];
      const now = [lim.dataBytes ?? was[0], lim.inodes ?? was[1]];
      const same = was[0] === now[0] && was[1] === now[1];
      const wanted = now[0] > 0 || now[1] > 0;
      if (!wanted && !isActive(n)) return null;
      again.now = wanted !== isActive(n) || same;
      wr64(n.v, Ino.DATA_QUOTA, now[0]);
      wr64(n.v, Ino.INODE_QUOTA, now[1]);
      this.tree.markDirty(n, this.pfs.take());
      if (again.now) {
        wr64(this.pfs.root.v, Ino.QUOTA_BUILD, inum);
        this.tree.markDirty(this.pfs.root, 0);
      }
      return null;
    });
    if (e !== null) return e;
    return again.now ? yield* this.build() : yield* fs.sync();
  }

  /** Go on with what a crash has interrupted: at a read-write mount. */
  *build(): Blocking<Errno | null> {
    if (rd64(this.pfs.root.v, Ino.QUOTA_BUILD) === 0) return null;
    return yield* this.pfs.device.exclusive(() => this.buildNow());
  }

  /** Run `fn` until what it needs is in memory. Changes are kept out already. */
  private *loaded<T>(fn: () => T | Errno): Blocking<T | Errno> {
    for (;;) {
      const r = fn();
      if (r !== NOTNOW) return r;
      const e = yield* this.tree.load();
      if (e !== null) return e;
    }
  }

  /**
   * Give everything below the directory named in the PFS root its quota directory, and count it. While this goes on (in several
   * syncs when there is much) the directory is not active: what is below it counts for the one above as before.
   */
  private *buildNow(): Blocking<Errno | null> {
    const { pfs, tree } = this;
    const fs = pfs.device;
    if (fs.readonly || pfs.readonly) return EROFS;
    const inum = rd64(pfs.root.v, Ino.QUOTA_BUILD);
    const top = yield* this.loaded(() => pfs.iget(inum));
    if (top instanceof Errno && top !== ENOENT) return top;
    if (top instanceof Errno || !dir.isDir(top)) return yield* this.finish(null, 0, 0, 0);
    const wanted = rd64(top.v, Ino.DATA_QUOTA) > 0 || rd64(top.v, Ino.INODE_QUOTA) > 0;
    tree.pin(top);
    try {
      top.u8[Ino.QUOTA_STATE] = 0;
      this.forget();
      tree.markDirty(top, 0);
      // After this nothing is dirty that is not counted.
      const e = yield* flushAll(fs);
      if (e !== null) return e;
      const to = wanted ? inum : rd64(top.v, Ino.QUOTA_DIR);
      let bytes = 0;
      let inodes = 0;
      // Names not met yet of files with several.
      const linked = new Map<number, number>();
      const take = (n: Node): void => {
        if (n !== top && ic.nlinksOf(n) > 1) {
          const left = linked.get(ic.inumOf(n));
          linked.set(ic.inumOf(n), (left ?? ic.nlinksOf(n)) - 1);
          if (left !== undefined) return;
        }
        if (rd64(n.v, Ino.QUOTA_DIR) !== to) {
          wr64(n.v, Ino.QUOTA_DIR, to);
          tree.markDirty(n, 0);
        }
        const w = this.weight(n);
        bytes += w.bytes;
        inodes += w.inodes;
      };
      const dirs = [inum];
      for (let at = dirs.pop(); at !== undefined; at = dirs.pop()) {
        const cur = new Cursor(0x80000000, 0, 0xffffffff, 0xffffffff);
        for (;;) {
          const here = at;
          const n = yield* this.loaded((): Node | null | Errno => {
            const dn = pfs.iget(here);
            if (dn instanceof Errno) return dn;
            const r = tree.find(dn, cur, ic.LEAVES_DIRENT);
            if (r === null || r instanceof Errno) return r;
            const kid = pfs.iget(dir.entryInum(r));
            return kid === ENOENT ? pfs.root : kid;
          });
          if (n instanceof Errno) return n;
          if (n === null) break;
          // An entry that leads nowhere comes as the root.
          if (n !== pfs.root) {
            take(n);
            if (dir.isDir(n) && !isActive(n)) dirs.push(ic.inumOf(n));
          }
          if (tree.dirtyBytes > fs.maxDirty / 2) {
            const f = fs.reserve(QUOTA_COST, false) ?? (yield* flushAll(fs));
            if (f !== null) return f;
            tree.evict();
          }
          if (!cur.advance(cur.keyHi, cur.keyLo)) break;
        }
      }
      for (const o of pfs.orphans.values()) if (rd64(o.v, Ino.QUOTA_DIR) === inum) take(o);
      if (wanted && [...linked.values()].some((left) => left > 0)) {
        // A file with names on both sides cannot be counted: all as it was, without limits.
        wr64(top.v, Ino.DATA_QUOTA, 0);
        wr64(top.v, Ino.INODE_QUOTA, 0);
        return (yield* this.buildNow()) ?? EXDEV;
      }
      return yield* this.finish(top, wanted ? ACTIVE : 0, bytes, inodes);
    } finally {
      tree.unpin(top);
    }
  }

  private *finish(top: Node | null, state: number, bytes: number, inodes: number): Blocking<Errno | null> {
    const { pfs, tree } = this;
    if (top !== null) {
      top.u8[Ino.QUOTA_STATE] = state;
      wr64(top.v, Ino.DATA_USED, state === ACTIVE ? bytes : 0);
      wr64(top.v, Ino.INODE_USED, state === ACTIVE ? inodes : 0);
      tree.markDirty(top, 0);
    }
    wr64(pfs.root.v, Ino.QUOTA_BUILD, 0);
    tree.markDirty(pfs.root, 0);
    this.forget();
    return yield* flushAll(pfs.device);
  }
}
