/**
 * A mounted PFS: inodes by number, names, attributes. Every operation is a plain function that either does all of it or
 * answers NOTNOW (see tree.ts), and a generator around it that reads what is missing.
 *
 * All inodes hang off the PFS root's own blockset by number; the same blockset holds the root directory's entries,
 * whose keys have bit 63 set.
 * Counterpart: hammer2_vnops.c, hammer2_inode.c, hammer2_xops.c in sys/vfs/hammer2
 */
import type { Blocking } from '../../sys/blocking.js';
import {
  EBUSY,
  EEXIST,
  EINVAL,
  EIO,
  EISDIR,
  EMLINK,
  ENAMETOOLONG,
  ENOENT,
  ENOSPC,
  ENOTDIR,
  ENOTEMPTY,
  EPERM,
  EROFS,
  Errno,
  NOTNOW,
} from '../../sys/errno.js';
import type { H2Attr, H2Create, H2Emit, H2Pfs, H2Quota, H2QuotaLimits, H2SetAttr } from './api.js';
import type { Hammer2Statfs } from './device.js';
import * as dir from './directory.js';
import { ROOT_INUM } from './directory.js';
import { dirhash } from './dirhash.js';
import * as d from './disk.js';
import { Bref, BrefStats, BrefType, type Check, type Comp, Ino, ObjType, OpFlag, rd64, wr64 } from './disk.js';
import * as file from './file.js';
import type { Fs } from './fs.js';
import * as ic from './inode.js';
import { Node } from './node.js';
import { Quotas } from './quota.js';
import { Cursor, newBref } from './tree.js';

/** Longest symbolic link target the kernel can use (MAXPATHLEN less the terminator). */
const MAXLINK = 1023;
/** Inode numbers given to new objects: from here, and below what is exact by far. */
const FIRST_INUM = 1024;
const MAX_INUM = 2 ** 52;
/** What one change of names may dirty at most: a few paths of indirect blocks and new ones. */
const NAME_COST = 512 * 1024;
/** Directories above one another, more than any path has: a loop in a hostile image ends here. */
const MAX_PARENTS = 100_000;
const BLOCK = d.PBUFSIZE;

export class PfsCore implements H2Pfs {
  readonly rootInum = ROOT_INUM;
  readonly: boolean;
  mounted = true;
  /** Inodes in memory. */
  private readonly inodes = new Map<number, Node>();
  private readonly holds = new Map<number, number>();
  /** Inodes without links that are still held. */
  readonly orphans = new Map<number, Node>();
  orphansChanged = false;
  readonly quotas = new Quotas(this);
  /** Orphans let go while a sync was running. */
  private readonly dropped: number[] = [];
  private readonly resume = new Map<string, number>();
  private tid: number;
  private nextInum: number;

  constructor(
    readonly device: Fs,
    readonly label: string,
    readonly root: Node,
    readonly_: boolean,
  ) {
    this.readonly = readonly_;
    const p = root.parent as Node;
    const { v } = p;
    const at = p.at(p.slotOfKid(root));
    this.tid = Math.min(rd64(v, at + Bref.MODIFY_TID), 2 ** 52) + 1;
    const next = rd64(root.v, Ino.PFS_INUM) + 1;
    // A counter that cannot be right is not believed: see create.
    this.nextInum = next < MAX_INUM ? Math.max(next, FIRST_INUM) : FIRST_INUM;
  }

  /** Tree tells: an inode came into memory, or left it. */
  entered(n: Node): void {
    if (n !== this.root) this.inodes.set(ic.inumOf(n), n);
  }
  left(n: Node): void {
    const inum = ic.inumOf(n);
    if (this.inodes.get(inum) === n) this.inodes.delete(inum);
    if (n.core !== null) this.device.data.dropAll(n.core);
    this.device.dirtyInodes.delete(n);
  }

  /** The number of this modifying operation. */
  readonly take = (): number => this.tid++;

  private change<T>(fn: () => T | Errno): Blocking<T | Errno> {
    return this.device.change(this, fn);
  }
  private look<T>(fn: () => T | Errno): Blocking<T | Errno> {
    return this.device.look(this, fn);
  }

  // --- inodes -------------------------------------------------------------------------------------------------------

  /** The inode of a number. ENOENT, EIO, NOTNOW. */
  iget(inum: number): Node | Errno {
    if (inum === ROOT_INUM) return this.root;
    const hit = this.inodes.get(inum);
    const { tree } = this.device;
    if (hit !== undefined) {
      tree.touch(hit);
      return hit;
    }
    if (!(inum > ROOT_INUM && inum <= Number.MAX_SAFE_INTEGER)) return ENOENT;
    const hi = Math.floor(inum / 0x1_0000_0000);
    const cur = new Cursor(hi, inum >>> 0, hi, inum >>> 0);
    const r = tree.find(this.root, cur, ic.LEAVES_INODE);
    if (r === null) return ENOENT;
    if (r instanceof Errno) return r;
    const n = tree.kidAt(cur.node, cur.slot);
    if (n instanceof Errno) return n;
    // The number in the inode is what memory knows it by; the one in the index is what it was found by.
    const got = ic.inumOf(n);
    return got === inum ? n : tree.fail(cur.node.v, cur.at, 'BAD INODE', `has number ${got}`);
  }

  private igetDir(inum: number): Node | Errno {
    const n = this.iget(inum);
    if (n instanceof Errno) return n;
    return dir.isDir(n) ? n : ENOTDIR;
  }

  private parentOf(n: Node): number {
    const up = rd64(n.v, Ino.IPARENT);
    return n === this.root || up === 0 ? ROOT_INUM : up;
  }

  tryGetattr(inum: number): H2Attr | Errno {
    if (!this.mounted) return EIO;
    const n = this.iget(inum);
    return n instanceof Errno ? n : ic.attrOf(n);
  }
  *getattr(inum: number): Blocking<H2Attr | Errno> {
    return yield* this.look(() => this.tryGetattr(inum));
  }

  tryLookup(dirInum: number, name: string): number | Errno {
    const dn = this.igetDir(dirInum);
    if (dn instanceof Errno) return dn;
    if (name === '.') return dirInum;
    if (name === '..') return this.parentOf(dn);
    if (name.length > 255) return ENAMETOOLONG;
    if (name === '') return ENOENT;
    const cur = dir.findEntry(this.device.tree, dn, name);
    if (cur instanceof Errno) return cur;
    const inum = dir.entryInum(cur);
    // Whoever looks up a name wants the inode next.
    const n = this.iget(inum);
    if (!(n instanceof Errno)) return inum;
    if (n !== ENOENT) return n;
    const { name: dev } = this.device;
    this.device.log(`hammer2: ${dev}: ${JSON.stringify(name)} in directory ${dirInum}: no inode ${inum}`);
    return EIO;
  }
  *lookup(dirInum: number, name: string): Blocking<number | Errno> {
    return yield* this.look(() => this.tryLookup(dirInum, name));
  }

  *readdir(dirInum: number, cookie: number, emit: H2Emit): Blocking<Errno | null> {
    const pos = { cookie };
    return yield* this.look(() => {
      const dn = this.igetDir(dirInum);
      if (dn instanceof Errno) return dn;
      return dir.list(this.device.tree, dn, this.parentOf(dn), pos, this.resume, emit);
    });
  }

  *readlink(inum: number): Blocking<string | Errno> {
    return yield* this.look(() => this.tryReadlink(inum));
  }
  tryReadlink(inum: number): string | Errno {
    const n = this.iget(inum);
    if (n instanceof Errno) return n;
    if (ic.typeOf(n) !== ObjType.SOFTLINK) return EINVAL;
    const size = ic.sizeOf(n);
    if (size > MAXLINK) return ENAMETOOLONG;
    const buf = new Uint8Array(size);
    const r = file.tryRead(this.device, n, 0, buf, 0, size);
    return r instanceof Errno ? r : d.latin1(buf, 0, r);
  }

  // --- data ---------------------------------------------------------------------------------------------------------

  tryRead(inum: number, off: number, buf: Uint8Array, bufOff: number, len: number): number | Errno {
    const n = this.iget(inum);
    return n instanceof Errno ? n : file.tryRead(this.device, n, off, buf, bufOff, len);
  }

  *read(inum: number, off: number, buf: Uint8Array, bufOff: number, len: number): Blocking<number | Errno> {
    const { tree } = this.device;
    let done = 0;
    for (;;) {
      if (!this.mounted) return EIO;
      const r = this.tryRead(inum, off + done, buf, bufOff + done, len - done);
      if (typeof r === 'number') {
        done += r;
        if (r === 0 || done >= len) return done;
        continue;
      }
      let e: Errno | null = r;
      if (r === NOTNOW) {
        const n = this.iget(inum);
        const at = off + done;
        // Whole blocks go straight to the caller.
        const whole = n instanceof Node && at % BLOCK === 0 && len - done >= BLOCK && ic.sizeOf(n) - at >= BLOCK;
        if (whole) {
          e = yield* file.readStored(this.device, n, at / BLOCK, buf, bufOff + done);
          if (e === null) done += BLOCK;
        }
        if (e === NOTNOW) e = yield* tree.load();
      }
      if (e !== null) return done > 0 ? done : e;
    }
  }

  /** One logical block from memory: 64 KiB, zero past the end of the file and in holes. EIO, NOTNOW. */
  tryReadBlock(inum: number, lbn: number, dst: Uint8Array, dstOff: number): Errno | null {
    const r = this.tryRead(inum, lbn * BLOCK, dst, dstOff, BLOCK);
    if (r instanceof Errno) return r;
    if (r < BLOCK) dst.fill(0, dstOff + r, dstOff + BLOCK);
    return null;
  }
  /** As tryReadBlock. EIO after a complaint. Sleeps: in the device. */
  *readBlock(inum: number, lbn: number, dst: Uint8Array, dstOff: number): Blocking<Errno | null> {
    for (;;) {
      if (!this.mounted) return EIO;
      let e = this.tryReadBlock(inum, lbn, dst, dstOff);
      if (e !== NOTNOW) return e;
      const n = this.iget(inum);
      if (n instanceof Node) {
        e = yield* file.readStored(this.device, n, lbn, dst, dstOff);
        if (e !== NOTNOW) return e;
      }
      e = yield* this.device.tree.load();
      if (e !== null) return e;
    }
  }

  /** Is nothing stored for this block? EIO, NOTNOW. Never sleeps. */
  isHole(inum: number, lbn: number): boolean | Errno {
    const n = this.iget(inum);
    if (n instanceof Errno) return n;
    if (ic.isDirect(n)) return lbn > 0;
    const r = file.findData(this.device, n, lbn);
    return r instanceof Errno ? r : r === null;
  }
  /** First logical block from `lbn` on that is no hole, or null. EIO, NOTNOW. Never sleeps. */
  nextData(inum: number, lbn: number): number | null | Errno {
    const n = this.iget(inum);
    return n instanceof Errno ? n : file.nextData(this.device, n, lbn);
  }
  *seekData(inum: number, off: number): Blocking<number | Errno> {
    return yield* this.look(() => {
      const n = this.iget(inum);
      return n instanceof Errno ? n : file.seek(this.device, n, off, true);
    });
  }
  *seekHole(inum: number, off: number): Blocking<number | Errno> {
    return yield* this.look(() => {
      const n = this.iget(inum);
      return n instanceof Errno ? n : file.seek(this.device, n, off, false);
    });
  }

  private write_(inum: number, off: number, buf: Uint8Array, bufOff: number, len: number): number | Errno {
    const n = this.iget(inum);
    if (n instanceof Errno) return n;
    if (!Number.isSafeInteger(off) || len === 0) {
      if (!Number.isSafeInteger(off) || off < 0) return EINVAL;
      return file.dataFault(n) ?? 0;
    }
    const e = file.tryWrite(this.device, n, off, buf, bufOff, len, this.take);
    if (e !== null) return e;
    ic.setNum(n, Ino.MTIME, this.device.nowUs());
    return len;
  }
  /** Write when that needs no sleep; NOTNOW. */
  tryWrite(inum: number, off: number, buf: Uint8Array, bufOff: number, len: number): number | Errno {
    return this.device.tryChange(this, () => this.write_(inum, off, buf, bufOff, len));
  }
  *write(inum: number, off: number, buf: Uint8Array, bufOff: number, len: number): Blocking<number | Errno> {
    return yield* this.change(() => this.write_(inum, off, buf, bufOff, len));
  }

  *truncate(inum: number, size: number): Blocking<Errno | null> {
    return yield* this.change(() => {
      const n = this.iget(inum);
      if (n instanceof Errno) return n;
      const e = file.tryTruncate(this.device, n, size, this.take);
      if (e !== null) return e;
      const now = this.device.nowUs();
      ic.setNum(n, Ino.MTIME, now);
      ic.setNum(n, Ino.CTIME, now);
      return null;
    });
  }

  // --- attributes ---------------------------------------------------------------------------------------------------

  /** Change an inode's block, nothing else. */
  private amend(inum: number, f: (n: Node) => void): Blocking<Errno | null> {
    return this.change(() => {
      const n = this.iget(inum);
      if (n instanceof Errno) return n;
      const e = this.device.reserve(NAME_COST, true);
      if (e !== null) return e;
      f(n);
      this.device.tree.markDirty(n, this.take());
      return null;
    });
  }

  *setattr(inum: number, a: H2SetAttr): Blocking<Errno | null> {
    return yield* this.amend(inum, (n) => {
      if (a.mode !== undefined) n.v.setUint32(Ino.MODE, a.mode & 0o7777, true);
      if (a.uid !== undefined) n.v.setUint32(Ino.UID, a.uid, true);
      if (a.gid !== undefined) n.v.setUint32(Ino.GID, a.gid, true);
      if (a.uflags !== undefined) n.v.setUint32(Ino.UFLAGS, a.uflags, true);
      if (a.mtimeUs !== undefined) ic.setNum(n, Ino.MTIME, Math.max(0, Math.floor(a.mtimeUs)));
      if (a.ctimeUs !== undefined) ic.setNum(n, Ino.CTIME, Math.max(0, Math.floor(a.ctimeUs)));
      else if (a.mode !== undefined || a.uid !== undefined || a.gid !== undefined || a.uflags !== undefined) {
        ic.setNum(n, Ino.CTIME, this.device.nowUs());
      }
    });
  }
  *setcomp(inum: number, comp: Comp, level: number): Blocking<Errno | null> {
    if (comp < 0 || comp > d.Comp.ZLIB || !(level >= 0 && level <= 9)) return EINVAL;
    return yield* this.amend(inum, (n) => {
      n.u8[Ino.COMP_ALGO] = comp | (level << 4);
      if (n.core !== null) n.core.compTries = 0;
    });
  }
  quota(inum: number): Blocking<H2Quota | Errno> {
    return this.look(() => {
      const n = this.iget(inum);
      return n instanceof Errno ? n : this.quotas.get(n);
    });
  }
  setquota(inum: number, limits: H2QuotaLimits): Blocking<Errno | null> {
    return this.quotas.set(inum, limits);
  }
  *setcheck(inum: number, check: Check): Blocking<Errno | null> {
    if (check < 0 || check > d.Check.SHA192) return EINVAL;
    return yield* this.amend(inum, (n) => (n.u8[Ino.CHECK_ALGO] = check));
  }

  // --- names --------------------------------------------------------------------------------------------------------

  private stamp(dn: Node, now: number): void {
    ic.setNum(dn, Ino.MTIME, now);
    ic.setNum(dn, Ino.CTIME, now);
  }

  /** A directory to put a name in. ENOENT when it has been removed itself. */
  private target(inum: number, name: string): Node | Errno {
    const dn = this.igetDir(inum);
    if (dn instanceof Errno) return dn;
    if (dn !== this.root && ic.nlinksOf(dn) === 0) return ENOENT;
    return dir.nameFault(name) ?? dn;
  }

  *create(dirInum: number, name: string, what: H2Create): Blocking<number | Errno> {
    return yield* this.change(() => this.create_(dirInum, name, what));
  }
  private create_(dirInum: number, name: string, what: H2Create): number | Errno {
    const fs = this.device;
    const { tree } = fs;
    const dn = this.target(dirInum, name);
    if (dn instanceof Errno) return dn;
    if (name === '.' || name === '..') return EEXIST;
    const { type } = what;
    const target = what.target ?? '';
    if (type === ObjType.SOFTLINK && target.length > MAXLINK) return ENAMETOOLONG;
    const h = dirhash(name);
    const old = dir.findEntry(tree, dn, name, h);
    if (old instanceof Cursor) return EEXIST;
    if (old !== ENOENT) return old;
    const where = dir.planEntry(tree, dn, h);
    if (where instanceof Errno) return where;
    const inum = this.nextInum;
    if (inum >= MAX_INUM) return ENOSPC;
    const hi = Math.floor(inum / 0x1_0000_0000);
    const at = tree.place(this.root, hi, inum >>> 0);
    if (at instanceof Errno) return at;
    if (at.slotOf(hi, inum >>> 0) >= 0) {
      // The root's counter is behind its inodes: go on behind the last of them.
      const last = this.lastInum();
      if (last instanceof Errno) return last;
      this.nextInum = last + 1;
      return this.create_(dirInum, name, what);
    }
    const full = fs.reserve(NAME_COST, false);
    if (full !== null) return full;
    const q = this.quotas.find(Quotas.inside(dn));
    if (q instanceof Errno) return q;
    const own = this.quotas.of(dn);
    if (own instanceof Errno) return own;
    const long = type === ObjType.SOFTLINK && target.length > d.EMBEDDED_BYTES;
    const over = this.quotas.admit(q, long ? 2 ** file.placeRadix(target.length) : 0, 1);
    if (over !== null) return over;
    const places = fs.places(long ? new Map([[0, file.placeRadix(target.length)]]) : file.NO_PLACES);
    if (places instanceof Errno) return places;

    this.nextInum++;
    const tid = this.take();
    const now = fs.nowUs();
    const u8 = ic.newInodeBlock(inum, type, dn.u8[Ino.COMP_ALGO], dn.u8[Ino.CHECK_ALGO]);
    const v = new DataView(u8.buffer);
    v.setUint32(Ino.MODE, what.mode & 0o7777, true);
    v.setUint32(Ino.UID, what.uid, true);
    v.setUint32(Ino.GID, what.gid, true);
    v.setUint32(Ino.RMAJOR, what.rmajor ?? 0, true);
    v.setUint32(Ino.RMINOR, what.rminor ?? 0, true);
    for (const f of [Ino.CTIME, Ino.MTIME, Ino.BTIME]) wr64(v, f, now);
    wr64(v, Ino.IPARENT, dirInum);
    wr64(v, Ino.NAME_KEY, inum);
    const direct = type === ObjType.REGFILE || type === ObjType.SOFTLINK;
    if (direct) u8[Ino.OP_FLAGS] = OpFlag.DIRECTDATA;
    const methods = ic.inodeMethods(ic.compOf(dn), ic.checkOf(dn));
    const n = new Node(BrefType.INODE, u8, Ino.BLOCKSET, direct ? 0 : d.SET_COUNT, hi, inum >>> 0, 0, methods);
    ic.setFilename(n, '0x' + d.hex64(hi, inum >>> 0));
    tree.insert(at, newBref(BrefType.INODE, methods, hi, inum >>> 0, 0), n, tid);
    this.quotas.adopt(n, dn);
    ic.setNum(this.root, Ino.PFS_INUM, this.nextInum);
    dir.addEntry(tree, dn, where, name, inum, type, tid);
    this.stamp(dn, now);
    tree.markDirty(dn, tid);
    if (type === ObjType.SOFTLINK && target !== '') {
      const b = Uint8Array.from(target, (c) => c.charCodeAt(0));
      file.tryWrite(fs, n, 0, b, 0, b.length, () => tid, places);
    }
    return inum;
  }

  /** Highest inode number in the index. EIO, NOTNOW. */
  private lastInum(): number | Errno {
    const { tree } = this.device;
    for (let x = this.root; ;) {
      let i = x.n - 1;
      while (i >= 0 && x.slotKeyHi(i) >= 0x80000000) i--;
      if (i < 0) return ROOT_INUM;
      if (x.slotType(i) !== BrefType.INDIRECT) return x.slotKeyHi(i) * 0x1_0000_0000 + x.slotKeyLo(i);
      const k = tree.kidAt(x, i);
      if (k instanceof Errno) return k;
      x = k;
    }
  }

  *link(inum: number, dirInum: number, name: string): Blocking<Errno | null> {
    return yield* this.change(() => {
      const { tree } = this.device;
      const n = this.iget(inum);
      if (n instanceof Errno) return n;
      if (dir.isDir(n)) return EPERM;
      if (ic.nlinksOf(n) >= Number.MAX_SAFE_INTEGER) return EMLINK;
      const dn = this.target(dirInum, name);
      if (dn instanceof Errno) return dn;
      if (name === '.' || name === '..') return EEXIST;
      const h = dirhash(name);
      const old = dir.findEntry(tree, dn, name, h);
      if (old instanceof Cursor) return EEXIST;
      if (old !== ENOENT) return old;
      const where = dir.planEntry(tree, dn, h);
      if (where instanceof Errno) return where;
      const other = this.quotas.linkFault(n, dn);
      if (other !== null) return other;
      const q = this.quotas.of(dn);
      if (q instanceof Errno) return q;
      const full = this.device.reserve(NAME_COST, false);
      if (full !== null) return full;

      const tid = this.take();
      const now = this.device.nowUs();
      dir.addEntry(tree, dn, where, name, inum, ic.typeOf(n), tid);
      ic.setNum(n, Ino.NLINKS, ic.nlinksOf(n) + 1);
      ic.setNum(n, Ino.CTIME, now);
      if (this.orphans.has(inum)) this.adopt(inum, n);
      tree.markDirty(n, tid);
      this.stamp(dn, now);
      tree.markDirty(dn, tid);
      return null;
    });
  }

  /** Remove an entry known to exist, by key. */
  private removeEntry(dn: Node, hi: number, lo: number, tid: number): void {
    const p = this.device.tree.place(dn, hi, lo) as Node;
    this.device.tree.remove(p, p.slotOf(hi, lo), tid);
  }

  /** One link less; the last one takes the inode along unless it is held. */
  private unlinkInode(n: Node, tid: number, now: number): void {
    const { tree } = this.device;
    const nlinks = ic.nlinksOf(n);
    const inum = ic.inumOf(n);
    if (nlinks > 1 && !dir.isDir(n)) {
      ic.setNum(n, Ino.NLINKS, nlinks - 1);
      ic.setNum(n, Ino.CTIME, now);
      tree.markDirty(n, tid);
      return;
    }
    this.quotas.unnamed(n);
    if ((this.holds.get(inum) ?? 0) === 0) return this.removeInode(n, tid);
    ic.setNum(n, Ino.NLINKS, 0);
    ic.setNum(n, Ino.CTIME, now);
    tree.markDirty(n, tid);
    tree.pin(n);
    this.orphans.set(inum, n);
    this.orphansChanged = true;
  }

  private removeInode(n: Node, tid: number): void {
    this.quotas.removed(n);
    const p = n.parent as Node;
    this.device.tree.remove(p, p.slotOfKid(n), tid);
  }

  /** An orphan has a name again. */
  private adopt(inum: number, n: Node): void {
    this.orphans.delete(inum);
    this.orphansChanged = true;
    ic.setNum(n, Ino.ORPHAN_NEXT, 0);
    this.device.tree.unpin(n);
  }

  /** The inode an entry leads to; null when there is none (then the entry alone is at stake). */
  private entryNode(cur: Cursor): Node | null | Errno {
    const n = this.iget(dir.entryInum(cur));
    return n === ENOENT ? null : n;
  }

  *unlink(dirInum: number, name: string): Blocking<Errno | null> {
    return yield* this.change(() => this.remove_(dirInum, name, false));
  }
  *rmdir(dirInum: number, name: string): Blocking<Errno | null> {
    return yield* this.change(() => this.remove_(dirInum, name, true));
  }
  private remove_(dirInum: number, name: string, wantDir: boolean): Errno | null {
    const { tree } = this.device;
    const dn = this.igetDir(dirInum);
    if (dn instanceof Errno) return dn;
    const bad = dir.nameFault(name);
    if (bad !== null) return bad;
    if (name === '.' || name === '..') return wantDir ? EINVAL : EISDIR;
    const cur = dir.findEntry(tree, dn, name);
    if (cur instanceof Errno) return cur;
    const { keyHi, keyLo } = cur;
    const n = this.entryNode(cur);
    if (n instanceof Errno) return n;
    if (n !== null) {
      if (!wantDir && dir.isDir(n)) return EISDIR;
      if (wantDir && !dir.isDir(n)) return ENOTDIR;
      const empty = wantDir ? dir.isEmpty(tree, n) : true;
      if (empty instanceof Errno) return empty;
      if (!empty) return ENOTEMPTY;
    }
    // The loads above may have moved nothing (they end in NOTNOW), but evictions wait: all is in memory now.
    const p = tree.place(dn, keyHi, keyLo);
    if (p instanceof Errno) return p;
    const q = this.quotas.ready(dn, n);
    if (q !== null) return q;
    const full = this.device.reserve(NAME_COST, true);
    if (full !== null) return full;

    const tid = this.take();
    const now = this.device.nowUs();
    this.removeEntry(dn, keyHi, keyLo, tid);
    if (n !== null) this.unlinkInode(n, tid, now);
    this.stamp(dn, now);
    tree.markDirty(dn, tid);
    return null;
  }

  *destroyEntry(dirInum: number, name: string): Blocking<Errno | null> {
    return yield* this.change(() => {
      const dn = this.igetDir(dirInum);
      if (dn instanceof Errno) return dn;
      const cur = dir.findEntry(this.device.tree, dn, name);
      if (cur instanceof Errno) return cur;
      const q = this.quotas.ready(dn);
      if (q !== null) return q;
      const full = this.device.reserve(NAME_COST, true);
      if (full !== null) return full;
      const tid = this.take();
      this.removeEntry(dn, cur.keyHi, cur.keyLo, tid);
      this.stamp(dn, this.device.nowUs());
      this.device.tree.markDirty(dn, tid);
      return null;
    });
  }
  *destroyInode(inum: number): Blocking<Errno | null> {
    return yield* this.change(() => {
      const n = this.iget(inum);
      if (n instanceof Errno) return n;
      if (n === this.root) return EINVAL;
      if ((this.holds.get(inum) ?? 0) > 0) return EBUSY;
      const q = this.quotas.ready(n);
      if (q !== null) return q;
      const full = this.device.reserve(NAME_COST, true);
      if (full !== null) return full;
      this.removeInode(n, this.take());
      return null;
    });
  }

  *rename(fromDir: number, from: string, toDir: number, to: string): Blocking<Errno | null> {
    return yield* this.change(() => this.rename_(fromDir, from, toDir, to));
  }
  private rename_(fromDir: number, from: string, toDir: number, to: string): Errno | null {
    const { tree } = this.device;
    const fd = this.igetDir(fromDir);
    if (fd instanceof Errno) return fd;
    const bad = dir.nameFault(from);
    if (bad !== null) return bad;
    if (from === '.' || from === '..' || to === '.' || to === '..') return EINVAL;
    const td = this.target(toDir, to);
    if (td instanceof Errno) return td;
    const src = dir.findEntry(tree, fd, from);
    if (src instanceof Errno) return src;
    const inum = dir.entryInum(src);
    const type = dir.entryType(src);
    const n = this.iget(inum);
    if (n instanceof Errno) return n === ENOENT ? EIO : n;
    const h = dirhash(to);
    const dst = dir.findEntry(tree, td, to, h);
    if (dst instanceof Errno && dst !== ENOENT) return dst;
    let old: Node | null = null;
    let where: dir.EntryPlace | Errno;
    if (dst instanceof Cursor) {
      // Two names of one file: both stay, as POSIX has it.
      if (dir.entryInum(dst) === inum) return null;
      where = { hi: dst.keyHi, lo: dst.keyLo };
      const o = this.entryNode(dst);
      if (o instanceof Errno) return o;
      old = o;
      if (old !== null) {
        if (dir.isDir(n) && !dir.isDir(old)) return ENOTDIR;
        if (!dir.isDir(n) && dir.isDir(old)) return EISDIR;
        const empty = dir.isDir(old) ? dir.isEmpty(tree, old) : true;
        if (empty instanceof Errno) return empty;
        if (!empty) return ENOTEMPTY;
      }
    } else where = dir.planEntry(tree, td, h);
    if (where instanceof Errno) return where;
    if (dir.isDir(n) && fromDir !== toDir) {
      const loop = this.isBelow(toDir, inum);
      if (loop instanceof Errno) return loop;
      if (loop) return EINVAL;
    }
    const far = this.quotas.ready(fd, td, n, old) ?? this.quotas.moveFault(n, td);
    if (far !== null) return far;
    const full = this.device.reserve(NAME_COST, false);
    if (full !== null) return full;

    const tid = this.take();
    const now = this.device.nowUs();
    this.quotas.move(n, td);
    this.removeEntry(fd, src.keyHi, src.keyLo, tid);
    if (dst instanceof Cursor) {
      this.removeEntry(td, where.hi, where.lo, tid);
      if (old !== null) this.unlinkInode(old, tid, now);
    }
    dir.addEntry(tree, td, where, to, inum, type, tid);
    if (fromDir !== toDir) ic.setNum(n, Ino.IPARENT, toDir);
    ic.setNum(fd, Ino.MTIME, now);
    ic.setNum(td, Ino.MTIME, now);
    for (const x of [n, fd, td]) tree.markDirty(x, tid);
    return null;
  }

  /** Is directory `inum` the directory `top`, or below it? EIO, NOTNOW. */
  private isBelow(inum: number, top: number): boolean | Errno {
    let x = inum;
    for (let i = 0; x !== ROOT_INUM; i++) {
      if (x === top) return true;
      if (i > MAX_PARENTS) return EIO;
      const n = this.iget(x);
      if (n instanceof Errno) return n === ENOENT ? EIO : n;
      x = this.parentOf(n);
    }
    return false;
  }

  // --- open and unlinked --------------------------------------------------------------------------------------------

  hold(inum: number): void {
    this.holds.set(inum, (this.holds.get(inum) ?? 0) + 1);
  }
  drop(inum: number): void {
    const left = (this.holds.get(inum) ?? 0) - 1;
    if (left > 0) this.holds.set(inum, left);
    else this.holds.delete(inum);
    if (left > 0 || !this.orphans.has(inum)) return;
    this.dropped.push(inum);
    if (!this.device.busy) this.reap();
  }

  /** Remove orphans that nobody holds any more. Not while a sync runs. */
  reap(): void {
    for (let inum = this.dropped.pop(); inum !== undefined; inum = this.dropped.pop()) {
      const n = this.orphans.get(inum);
      if (n === undefined || this.holds.has(inum)) continue;
      this.adopt(inum, n);
      this.removeInode(n, this.take());
    }
  }

  /** Write the list of orphans into the inodes: a crash must not lose track of them. */
  linkOrphans(): void {
    if (!this.orphansChanged) return;
    this.orphansChanged = false;
    let prev = this.root;
    for (const [inum, n] of this.orphans) {
      ic.setNum(prev, Ino.ORPHAN_NEXT, inum);
      prev = n;
    }
    ic.setNum(prev, Ino.ORPHAN_NEXT, 0);
    const tid = this.take();
    for (const n of this.orphans.values()) this.device.tree.markDirty(n, tid);
    this.device.tree.markDirty(this.root, tid);
  }

  /** At mount: remove what a crash left without a name. The list ends with the first that is not as it should be. */
  *reapAtMount(): Blocking<Errno | null> {
    if (rd64(this.root.v, Ino.ORPHAN_NEXT) === 0) return null;
    return yield* this.change(() => {
      for (;;) {
        const inum = rd64(this.root.v, Ino.ORPHAN_NEXT);
        if (inum === 0) return null;
        const n = this.iget(inum);
        if (n === NOTNOW) return n;
        const q = n instanceof Node ? this.quotas.of(n) : null;
        if (q === NOTNOW) return q;
        const tid = this.take();
        const good = n instanceof Node && n !== this.root && ic.nlinksOf(n) === 0;
        ic.setNum(this.root, Ino.ORPHAN_NEXT, good ? rd64(n.v, Ino.ORPHAN_NEXT) : 0);
        this.device.tree.markDirty(this.root, tid);
        if (good) this.removeInode(n, tid);
      }
    });
  }

  // --- the whole ----------------------------------------------------------------------------------------------------

  *fsync(_inum: number): Blocking<Errno | null> {
    return yield* this.device.sync();
  }

  statfs(): Hammer2Statfs {
    return { ...this.device.statfs(), files: ic.statOf(this.root, BrefStats.INODE_COUNT) };
  }

  *remount(readonly: boolean): Blocking<Errno | null> {
    if (readonly === this.readonly) return null;
    if (!readonly) {
      if (this.device.readonly) return EROFS;
      this.readonly = false;
      return null;
    }
    this.readonly = true;
    const e = yield* this.device.sync();
    if (e !== null) this.readonly = false;
    return e;
  }

  *unmount(): Blocking<Errno | null> {
    if (this.holds.size > 0) return EBUSY;
    return yield* this.device.unmount(this);
  }
}
