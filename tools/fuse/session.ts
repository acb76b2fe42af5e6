/**
 * A HAMMER2 PFS as a FUSE file system: requests in, replies out, over two buffers; nothing here knows /dev/fuse.
 *
 * One request at a time, each to its end: the devices below do not sleep. Node numbers are inode numbers. The kernel's
 * look-up counts are what holds inodes (H2Pfs.hold), open files included, for the kernel does not forget an inode that is open;
 * so there is nothing to do in OPEN and RELEASE, and kernels that can are told to leave them out. All changes come through
 * this one mount: names and attributes may be cached for as long as the kernel likes, and its page cache is kept.
 *
 * Access is checked by the kernel (default_permissions). Access times are not stored: they read as the time of
 * modification. Flags of chflags(2) are kept and not enforced.
 */
import { type Blocking, runSync } from '../../vkernel/sys/blocking.js';
import {
  EEXIST,
  EFBIG,
  EINVAL,
  EIO,
  ENOENT,
  ENOSYS,
  ENOTTY,
  ENXIO,
  EOPNOTSUPP,
  EPERM,
  Errno,
  NOTNOW,
} from '../../vkernel/sys/errno.js';
import { type H2Attr, type H2Pfs, type H2SetAttr, ObjType } from '../../vkernel/vfs/hammer2/index.js';
import { type IocFile, libraryIoctl, privileged } from '../../vkernel/vfs/hammer2/ioctl.js';
import { dtOf, modeBits, rdevOf, typeOfMode } from './attr.js';
import { linuxErrno } from './errno.js';
import {
  Attr,
  AttrOut,
  BatchForgetIn,
  Cap,
  CreateIn,
  Dirent,
  EntryOut,
  FALLOC_KEEP_SIZE,
  FALLOC_PUNCH_HOLE,
  FALLOC_ZERO_RANGE,
  FallocateIn,
  Fattr,
  Fopen,
  ForgetIn,
  ForgetOne,
  FUSE_MAJOR,
  FUSE_MINOR,
  FUSE_MINOR_MIN,
  FUSE_ROOT_ID,
  HEADER_ROOM,
  InHdr,
  InitIn,
  InitOut,
  IoctlIn,
  IoctlOut,
  LinkIn,
  LseekIn,
  LseekOut,
  MkdirIn,
  MknodIn,
  Op,
  OpenOut,
  OutHdr,
  ReadIn,
  Rename2In,
  RENAME_NOREPLACE,
  RenameIn,
  SEEK_DATA,
  SEEK_HOLE,
  SetattrIn,
  StatfsOut,
  WriteIn,
  WriteOut,
} from './wire.js';

export interface SessionOptions {
  /** Wall clock, microseconds. */
  readonly nowUs: () => number;
  /** Largest write and read, bytes: a multiple of the page size. */
  readonly maxWrite?: number;
  /** Let the kernel collect writes: fewer and larger ones, and times set by the kernel's clock. */
  readonly writeback?: boolean;
  /** Who may use the ioctls of root beside root: the user that mounts. */
  readonly owner?: number;
  /** All files appear to be owned by them. */
  readonly uid?: number;
  readonly gid?: number;
}

const DEFAULT_MAX_WRITE = 1024 * 1024;
const PAGE = 4096;
/** Names and attributes stay good until the kernel itself changes them: a day. */
const NAME_VALID_S = 86400;
/** Attributes: the space a file takes changes when it is written out, which the kernel does not hear of. */
const ATTR_VALID_S = 10;
const S_ISGID = 0o2000;
const SECTOR = 512;
const BLOCK = 65536;
const NAME_MAX = 255;
/** Bits of an ioctl's number that tell its argument's size. */
const IOC_SIZE_MASK = 0x1fff;
/** Offsets are numbers: no file ends beyond this. */
const MAX_FILE = Number.MAX_SAFE_INTEGER;

/** A reply's body has so many bytes; negative: -errno of Linux. */
type Reply = number;
const NO_REPLY = -100_000;

interface Row {
  /** Bytes the body has at least. */
  readonly min: number;
  readonly f: (s: FuseSession) => Reply;
}

export class FuseSession {
  /** Where a request is put before handle(). */
  readonly in: Buffer;
  /** Where handle() leaves the reply. */
  readonly out: Buffer;
  readonly iv: DataView;
  readonly ov: DataView;
  readonly maxWrite: number;
  /** INIT has been answered. */
  ready = false;
  /** DESTROY has come. */
  ended = false;
  /** Requests by opcode. */
  readonly counts = new Float64Array(Op.MAX);
  /** Node and end of the request in hand. */
  private node = 0;
  private end = 0;
  private noOpen = false;
  private noOpendir = false;
  /** Look-ups of the kernel, by inode. The root has one that is not counted. */
  private readonly lookups = new Map<number, number>();

  constructor(
    readonly pfs: H2Pfs,
    private readonly opts: SessionOptions,
  ) {
    this.maxWrite = opts.maxWrite ?? DEFAULT_MAX_WRITE;
    this.in = Buffer.alloc(this.maxWrite + HEADER_ROOM);
    this.out = Buffer.alloc(this.maxWrite + HEADER_ROOM);
    this.iv = new DataView(this.in.buffer, this.in.byteOffset, this.in.length);
    this.ov = new DataView(this.out.buffer, this.out.byteOffset, this.out.length);
  }

  /**
   * Handle the request in `this.in`.
   *
   * @returns bytes of the reply in `this.out`; 0 for none
   */
  handle(len: number): number {
    const { iv } = this;
    if (len < InHdr.SIZE || iv.getUint32(InHdr.LEN, true) !== len) return 0;
    const op = iv.getUint32(InHdr.OPCODE, true);
    const row = rows[op];
    if (op < Op.MAX) this.counts[op]++;
    this.node = this.inum(InHdr.NODEID);
    this.end = len;
    let r: Reply;
    if (row === undefined) r = -linuxErrno(ENOSYS);
    else if (len < InHdr.SIZE + row.min) r = -linuxErrno(EIO);
    else if (!this.ready && op !== Op.INIT) r = -linuxErrno(EIO);
    else r = row.f(this);
    if (r === NO_REPLY) return 0;
    const { ov } = this;
    const body = r < 0 ? 0 : r;
    ov.setUint32(OutHdr.LEN, OutHdr.SIZE + body, true);
    ov.setInt32(OutHdr.ERROR, r < 0 ? r : 0, true);
    ov.setUint32(OutHdr.UNIQUE, iv.getUint32(InHdr.UNIQUE, true), true);
    ov.setUint32(OutHdr.UNIQUE + 4, iv.getUint32(InHdr.UNIQUE + 4, true), true);
    return OutHdr.SIZE + body;
  }

  /** Let go of all inodes: the kernel is gone, or has forgotten them. */
  close(): void {
    for (const inum of this.lookups.keys()) this.pfs.drop(inum);
    this.lookups.clear();
  }

  // --- requests and replies -----------------------------------------------------------------------------------------

  private u32(at: number): number {
    return this.iv.getUint32(InHdr.SIZE + at, true);
  }
  private u64(at: number): number {
    const o = InHdr.SIZE + at;
    return this.iv.getUint32(o + 4, true) * 0x1_0000_0000 + this.iv.getUint32(o, true);
  }
  private i64(at: number): number {
    const o = InHdr.SIZE + at;
    return this.iv.getInt32(o + 4, true) * 0x1_0000_0000 + this.iv.getUint32(o, true);
  }
  /** An inode number, at byte `o` of the request. */
  private inum(o: number): number {
    const n = this.iv.getUint32(o + 4, true) * 0x1_0000_0000 + this.iv.getUint32(o, true);
    return n === FUSE_ROOT_ID ? this.pfs.rootInum : n;
  }
  private out64(at: number, n: number): void {
    const o = OutHdr.SIZE + at;
    this.ov.setUint32(o, n >>> 0, true);
    this.ov.setUint32(o + 4, Math.floor(n / 0x1_0000_0000), true);
  }
  /** The string at `at` of the body, up to its NUL. */
  private str(at: number): string {
    const from = InHdr.SIZE + at;
    let to = this.in.indexOf(0, from);
    if (to < 0 || to > this.end) to = this.end;
    return this.in.toString('latin1', from, to);
  }

  private getattr(inum: number): H2Attr | Errno {
    const a = this.pfs.tryGetattr(inum);
    return a === NOTNOW ? runSync(this.pfs.getattr(inum)) : a;
  }

  private putAttr(at: number, a: H2Attr): void {
    const { ov, opts } = this;
    const o = OutHdr.SIZE + at;
    const mtime = Math.floor(a.mtimeUs / 1e6);
    const mtimeNs = (a.mtimeUs - mtime * 1e6) * 1000;
    const ctime = Math.floor(a.ctimeUs / 1e6);
    this.out64(at + Attr.INO, a.inum);
    this.out64(at + Attr.SIZE_BYTES, a.size);
    this.out64(at + Attr.BLOCKS, this.blocks(a));
    this.out64(at + Attr.ATIME, mtime);
    this.out64(at + Attr.MTIME, mtime);
    this.out64(at + Attr.CTIME, ctime);
    ov.setUint32(o + Attr.ATIME_NS, mtimeNs, true);
    ov.setUint32(o + Attr.MTIME_NS, mtimeNs, true);
    ov.setUint32(o + Attr.CTIME_NS, (a.ctimeUs - ctime * 1e6) * 1000, true);
    ov.setUint32(o + Attr.MODE, modeBits(a.type) | a.mode, true);
    ov.setUint32(o + Attr.NLINK, Math.min(a.nlinks, 0xffffffff), true);
    ov.setUint32(o + Attr.UID, opts.uid ?? a.uid, true);
    ov.setUint32(o + Attr.GID, opts.gid ?? a.gid, true);
    ov.setUint32(o + Attr.RDEV, rdevOf(a.rmajor, a.rminor), true);
    ov.setUint32(o + Attr.BLKSIZE, BLOCK, true);
    ov.setUint32(o + Attr.FLAGS, 0, true);
  }

  /** Programs take a file of 0 blocks for one great hole: data not written out yet, or in the inode, count as one. */
  private blocks(a: H2Attr): number {
    if (a.dataBytes > 0 || a.size === 0) return Math.ceil(a.dataBytes / SECTOR);
    return a.size <= SECTOR || this.pfs.nextData(a.inum, 0) !== null ? 1 : 0;
  }

  private putEntry(at: number, a: H2Attr): void {
    const { ov } = this;
    const o = OutHdr.SIZE + at;
    this.out64(at + EntryOut.NODEID, a.inum === this.pfs.rootInum ? FUSE_ROOT_ID : a.inum);
    this.out64(at + EntryOut.GENERATION, 0);
    this.out64(at + EntryOut.ENTRY_VALID, NAME_VALID_S);
    this.out64(at + EntryOut.ATTR_VALID, ATTR_VALID_S);
    ov.setUint32(o + EntryOut.ENTRY_VALID_NS, 0, true);
    ov.setUint32(o + EntryOut.ATTR_VALID_NS, 0, true);
    this.putAttr(at + EntryOut.ATTR, a);
  }

  /** The kernel knows this inode once more. */
  private remember(inum: number): void {
    if (inum === this.pfs.rootInum) return;
    const n = this.lookups.get(inum) ?? 0;
    if (n === 0) this.pfs.hold(inum);
    this.lookups.set(inum, n + 1);
  }
  private forgetOne(inum: number, n: number): void {
    const left = (this.lookups.get(inum) ?? 0) - n;
    if (left > 0) this.lookups.set(inum, left);
    else if (this.lookups.delete(inum)) this.pfs.drop(inum);
  }

  private attrReply(inum: number): Reply {
    const a = this.getattr(inum);
    if (a instanceof Errno) return -linuxErrno(a);
    this.out64(AttrOut.VALID, ATTR_VALID_S);
    this.out64(AttrOut.VALID_NS, 0);
    this.putAttr(AttrOut.ATTR, a);
    return AttrOut.SIZE;
  }
  private entryReply(inum: number | Errno): Reply {
    if (inum instanceof Errno) return -linuxErrno(inum);
    const a = this.getattr(inum);
    if (a instanceof Errno) return -linuxErrno(a);
    this.remember(inum);
    this.putEntry(0, a);
    return EntryOut.SIZE;
  }
  private done(g: Blocking<Errno | null>): Reply {
    const e = runSync(g);
    return e === null ? 0 : -linuxErrno(e);
  }

  // --- the session --------------------------------------------------------------------------------------------------

  init(): Reply {
    const { ov } = this;
    const minor = this.u32(InitIn.MINOR);
    const o = OutHdr.SIZE;
    this.out.fill(0, o, o + InitOut.SIZE);
    ov.setUint32(o + InitOut.MAJOR, FUSE_MAJOR, true);
    ov.setUint32(o + InitOut.MINOR, FUSE_MINOR, true);
    // A kernel of a later major version looks at ours and asks again.
    if (this.u32(InitIn.MAJOR) > FUSE_MAJOR) return InitOut.SIZE;
    if (this.u32(InitIn.MAJOR) < FUSE_MAJOR || minor < FUSE_MINOR_MIN) return -linuxErrno(EOPNOTSUPP);
    let want =
      Cap.ASYNC_READ |
      Cap.EXPORT_SUPPORT |
      Cap.BIG_WRITES |
      Cap.IOCTL_DIR |
      Cap.DO_READDIRPLUS |
      Cap.READDIRPLUS_AUTO |
      Cap.ASYNC_DIO |
      Cap.NO_OPEN_SUPPORT |
      Cap.MAX_PAGES |
      Cap.CACHE_SYMLINKS |
      Cap.NO_OPENDIR_SUPPORT;
    if (this.opts.writeback === true) want |= Cap.WRITEBACK_CACHE;
    const flags = this.u32(InitIn.FLAGS) & want;
    this.noOpen = (flags & Cap.NO_OPEN_SUPPORT) !== 0;
    this.noOpendir = (flags & Cap.NO_OPENDIR_SUPPORT) !== 0;
    ov.setUint32(o + InitOut.MAX_READAHEAD, this.maxWrite, true);
    ov.setUint32(o + InitOut.FLAGS, flags, true);
    ov.setUint16(o + InitOut.MAX_BACKGROUND, 16, true);
    ov.setUint16(o + InitOut.CONGESTION, 12, true);
    ov.setUint32(o + InitOut.MAX_WRITE, this.maxWrite, true);
    ov.setUint32(o + InitOut.TIME_GRAN, 1000, true);
    ov.setUint16(o + InitOut.MAX_PAGES, this.maxWrite / PAGE, true);
    this.ready = true;
    return InitOut.SIZE;
  }
  destroy(): Reply {
    this.ended = true;
    return 0;
  }
  statfs(): Reply {
    const s = this.pfs.statfs();
    const { ov } = this;
    const o = OutHdr.SIZE;
    this.out.fill(0, o, o + StatfsOut.SIZE);
    this.out64(StatfsOut.BLOCKS, s.blocks);
    this.out64(StatfsOut.BFREE, s.bfree);
    this.out64(StatfsOut.BAVAIL, s.bavail);
    this.out64(StatfsOut.FILES, s.files + s.bfree * (BLOCK / 1024));
    this.out64(StatfsOut.FFREE, s.bfree * (BLOCK / 1024));
    ov.setUint32(o + StatfsOut.BSIZE, s.bsize, true);
    ov.setUint32(o + StatfsOut.NAMELEN, NAME_MAX, true);
    ov.setUint32(o + StatfsOut.FRSIZE, s.bsize, true);
    return StatfsOut.SIZE;
  }

  // --- nodes --------------------------------------------------------------------------------------------------------

  lookup(): Reply {
    const name = this.str(0);
    const t = this.pfs.tryLookup(this.node, name);
    const inum = t === NOTNOW ? runSync(this.pfs.lookup(this.node, name)) : t;
    if (inum !== ENOENT) return this.entryReply(inum);
    // Only for a directory that is there is an absent name worth remembering.
    this.out.fill(0, OutHdr.SIZE, OutHdr.SIZE + EntryOut.SIZE);
    this.out64(EntryOut.ENTRY_VALID, NAME_VALID_S);
    return EntryOut.SIZE;
  }
  forget(): Reply {
    this.forgetOne(this.node, this.u64(ForgetIn.NLOOKUP));
    return NO_REPLY;
  }
  batchForget(): Reply {
    const n = this.u32(BatchForgetIn.COUNT);
    for (let i = 0, at: number = BatchForgetIn.SIZE; i < n; i++, at += ForgetOne.SIZE) {
      if (InHdr.SIZE + at + ForgetOne.SIZE > this.end) break;
      this.forgetOne(this.inum(InHdr.SIZE + at + ForgetOne.NODEID), this.u64(at + ForgetOne.NLOOKUP));
    }
    return NO_REPLY;
  }
  getattrOp(): Reply {
    return this.attrReply(this.node);
  }

  setattr(): Reply {
    const valid = this.u32(SetattrIn.VALID);
    if ((valid & Fattr.SIZE) !== 0) {
      const size = this.u64(SetattrIn.SIZE_BYTES);
      const e = size > MAX_FILE ? EFBIG : runSync(this.pfs.truncate(this.node, size));
      if (e !== null) return -linuxErrno(e);
    }
    const set: H2SetAttr = {};
    if ((valid & Fattr.MODE) !== 0) set.mode = this.u32(SetattrIn.MODE) & 0o7777;
    if ((valid & Fattr.UID) !== 0) set.uid = this.u32(SetattrIn.UID);
    if ((valid & Fattr.GID) !== 0) set.gid = this.u32(SetattrIn.GID);
    const us = (s: number, ns: number): number => this.i64(s) * 1e6 + Math.floor(this.u32(ns) / 1000);
    if ((valid & Fattr.MTIME_NOW) !== 0) set.mtimeUs = this.opts.nowUs();
    else if ((valid & Fattr.MTIME) !== 0) set.mtimeUs = us(SetattrIn.MTIME, SetattrIn.MTIME_NS);
    // Any change of attributes is one of ctime; the kernel sends its own when it keeps times (writeback).
    if ((valid & Fattr.CTIME) !== 0) set.ctimeUs = us(SetattrIn.CTIME, SetattrIn.CTIME_NS);
    else if ((valid & (Fattr.MTIME | Fattr.ATIME)) !== 0) set.ctimeUs = this.opts.nowUs();
    if (Object.keys(set).length > 0) {
      const e = runSync(this.pfs.setattr(this.node, set));
      if (e !== null) return -linuxErrno(e);
    }
    return this.attrReply(this.node);
  }

  readlink(): Reply {
    const t = this.pfs.tryReadlink(this.node);
    const r = t === NOTNOW ? runSync(this.pfs.readlink(this.node)) : t;
    if (r instanceof Errno) return -linuxErrno(r);
    return this.out.write(r, OutHdr.SIZE, 'latin1');
  }

  /** @param mode  of Linux, type included */
  private make(name: string, mode: number, rdev: number, target?: string): number | Errno {
    const type = typeOfMode(mode);
    if (type === null) return EINVAL;
    const dir = this.getattr(this.node);
    if (dir instanceof Errno) return dir;
    let gid = this.iv.getUint32(InHdr.GID, true);
    let bits = mode & 0o7777;
    if ((dir.mode & S_ISGID) !== 0) {
      gid = dir.gid;
      if (type === ObjType.DIRECTORY) bits |= S_ISGID;
    }
    return runSync(
      this.pfs.create(this.node, name, {
        type,
        mode: bits,
        uid: this.iv.getUint32(InHdr.UID, true),
        gid,
        rmajor: (rdev >>> 8) & 0xfff,
        rminor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00),
        target,
      }),
    );
  }
  mknod(): Reply {
    return this.entryReply(this.make(this.str(MknodIn.SIZE), this.u32(MknodIn.MODE), this.u32(MknodIn.RDEV)));
  }
  mkdir(): Reply {
    const mode = (this.u32(MkdirIn.MODE) & 0o7777) | modeBits(ObjType.DIRECTORY);
    return this.entryReply(this.make(this.str(MkdirIn.SIZE), mode, 0));
  }
  symlink(): Reply {
    const name = this.str(0);
    const target = this.str(name.length + 1);
    return this.entryReply(this.make(name, modeBits(ObjType.SOFTLINK) | 0o777, 0, target));
  }
  create(): Reply {
    const mode = (this.u32(CreateIn.MODE) & 0o7777) | modeBits(ObjType.REGFILE);
    const r = this.entryReply(this.make(this.str(CreateIn.SIZE), mode, 0));
    return r < 0 ? r : this.putOpen(r, Fopen.KEEP_CACHE);
  }
  link(): Reply {
    const inum = this.inum(InHdr.SIZE + LinkIn.OLDNODEID);
    const e = runSync(this.pfs.link(inum, this.node, this.str(LinkIn.SIZE)));
    return e === null ? this.entryReply(inum) : -linuxErrno(e);
  }
  unlink(): Reply {
    return this.done(this.pfs.unlink(this.node, this.str(0)));
  }
  rmdir(): Reply {
    return this.done(this.pfs.rmdir(this.node, this.str(0)));
  }
  private renameTo(at: number, noreplace: boolean): Reply {
    const to = this.inum(InHdr.SIZE + RenameIn.NEWDIR);
    const from = this.str(at);
    const name = this.str(at + from.length + 1);
    if (noreplace) {
      const r = runSync(this.pfs.lookup(to, name));
      if (r !== ENOENT) return -linuxErrno(r instanceof Errno ? r : EEXIST);
    }
    return this.done(this.pfs.rename(this.node, from, to, name));
  }
  rename(): Reply {
    return this.renameTo(RenameIn.SIZE, false);
  }
  /** Exchanging two names in one step, and leaving a white-out, are not to be had. */
  rename2(): Reply {
    const flags = this.u32(Rename2In.FLAGS);
    if ((flags & ~RENAME_NOREPLACE) !== 0) return -linuxErrno(EINVAL);
    return this.renameTo(Rename2In.SIZE, flags !== 0);
  }

  // --- data ---------------------------------------------------------------------------------------------------------

  private putOpen(at: number, flags: Fopen): Reply {
    this.out64(at + OpenOut.FH, 0);
    this.out64(at + OpenOut.OPEN_FLAGS, flags);
    return at + OpenOut.SIZE;
  }
  open(): Reply {
    return this.noOpen ? -linuxErrno(ENOSYS) : this.putOpen(0, Fopen.KEEP_CACHE);
  }
  opendir(): Reply {
    return this.noOpendir ? -linuxErrno(ENOSYS) : this.putOpen(0, Fopen.KEEP_CACHE | Fopen.CACHE_DIR);
  }
  nothing(): Reply {
    return 0;
  }
  enosys(): Reply {
    return -linuxErrno(ENOSYS);
  }
  noReply(): Reply {
    return NO_REPLY;
  }

  read(): Reply {
    const off = this.u64(ReadIn.OFFSET);
    const size = Math.min(this.u32(ReadIn.SIZE_BYTES), this.maxWrite);
    if (off > MAX_FILE) return 0;
    const t = this.pfs.tryRead(this.node, off, this.out, OutHdr.SIZE, size);
    if (t === size) return t;
    const r = runSync(this.pfs.read(this.node, off, this.out, OutHdr.SIZE, size));
    return r instanceof Errno ? -linuxErrno(r) : r;
  }
  write(): Reply {
    const off = this.u64(WriteIn.OFFSET);
    const size = this.u32(WriteIn.SIZE_BYTES);
    const at = InHdr.SIZE + WriteIn.SIZE;
    if (at + size > this.end) return -linuxErrno(EIO);
    if (off + size > MAX_FILE) return -linuxErrno(EFBIG);
    const t = this.pfs.tryWrite(this.node, off, this.in, at, size);
    const r = t === NOTNOW ? runSync(this.pfs.write(this.node, off, this.in, at, size)) : t;
    if (r instanceof Errno) return -linuxErrno(r);
    this.out64(WriteOut.SIZE_BYTES, r);
    return WriteOut.SIZE;
  }
  fsync(): Reply {
    return this.done(this.pfs.fsync(this.node));
  }
  lseek(): Reply {
    const off = this.u64(LseekIn.OFFSET);
    const whence = this.u32(LseekIn.WHENCE);
    if (whence !== SEEK_DATA && whence !== SEEK_HOLE) return -linuxErrno(EINVAL);
    if (off > MAX_FILE) return -linuxErrno(ENXIO);
    const r = runSync(whence === SEEK_DATA ? this.pfs.seekData(this.node, off) : this.pfs.seekHole(this.node, off));
    if (r instanceof Errno) return -linuxErrno(r);
    this.out64(LseekOut.OFFSET, r);
    return LseekOut.SIZE;
  }

  /**
   * Zeros instead of data, within the file. Space cannot be set aside in a file system that never writes in place, so
   * that is refused, and the C library writes zeros where it must.
   */
  fallocate(): Reply {
    const mode = this.u32(FallocateIn.MODE);
    const punch = mode === (FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE);
    if (!punch && mode !== (FALLOC_ZERO_RANGE | FALLOC_KEEP_SIZE)) return -linuxErrno(EOPNOTSUPP);
    const a = this.getattr(this.node);
    if (a instanceof Errno) return -linuxErrno(a);
    // Blocks of zeros are holes but where compression is off altogether: there nothing would be freed.
    if (punch && a.comp === 0) return -linuxErrno(EOPNOTSUPP);
    const from = this.u64(FallocateIn.OFFSET);
    const to = Math.min(a.size, from + this.u64(FallocateIn.LENGTH));
    for (let at = from; at < to;) {
      const hole = runSync(this.pfs.seekData(this.node, at));
      if (hole instanceof Errno && hole !== ENXIO) return -linuxErrno(hole);
      if (hole instanceof Errno || hole >= to) break;
      at = hole;
      const n = Math.min(to - at, BLOCK - (at % BLOCK));
      const r = runSync(this.pfs.write(this.node, at, zeros, 0, n));
      if (r instanceof Errno) return -linuxErrno(r);
      at += n;
    }
    return 0;
  }

  // --- directories --------------------------------------------------------------------------------------------------

  /**
   * Entries from a cookie on, as many as fit. With `plus` each has attributes too and counts as looked up; those that
   * cannot be had are left out, and the kernel looks them up when it needs them.
   */
  private list(plus: boolean): Reply {
    const room = Math.min(this.u32(ReadIn.SIZE_BYTES), this.maxWrite);
    const { out, ov } = this;
    const head = plus ? EntryOut.SIZE : 0;
    let at = 0;
    /** Where entries with attributes are, and of which inode. */
    const wanted: number[] = [];
    const e = runSync(
      this.pfs.readdir(this.node, this.u64(ReadIn.OFFSET), (name, inum, type, next) => {
        const len = (head + Dirent.NAME + name.length + 7) & ~7;
        if (at + len > room) return false;
        const o = OutHdr.SIZE + at;
        out.fill(0, o, o + len);
        this.out64(at + head + Dirent.INO, inum);
        this.out64(at + head + Dirent.OFF, next);
        ov.setUint32(o + head + Dirent.NAMELEN, name.length, true);
        ov.setUint32(o + head + Dirent.TYPE, dtOf(type), true);
        out.write(name, o + head + Dirent.NAME, 'latin1');
        if (plus && name !== '.' && name !== '..') wanted.push(at, inum);
        at += len;
        return true;
      }),
    );
    if (e !== null && at === 0) return -linuxErrno(e);
    for (let i = 0; i < wanted.length; i += 2) {
      const a = this.getattr(wanted[i + 1]);
      if (a instanceof Errno) continue;
      this.remember(a.inum);
      this.putEntry(wanted[i], a);
    }
    return at;
  }
  readdir(): Reply {
    return this.list(false);
  }
  readdirplus(): Reply {
    return this.list(true);
  }
  /**
   * HAMMER2's ioctls by DragonFly's numbers, which are Linux's for the same structures. Those with pointers in the argument
   * are not to be had: Linux passes the argument alone.
   */
  ioctl(): Reply {
    const cmd = this.u32(IoctlIn.CMD);
    const room = this.u32(IoctlIn.OUT_SIZE);
    const len = (cmd >>> 16) & IOC_SIZE_MASK;
    const at = InHdr.SIZE + IoctlIn.SIZE;
    if (this.u32(IoctlIn.IN_SIZE) !== len || at + len > this.end || room > len) return -linuxErrno(ENOTTY);
    const uid = this.iv.getUint32(InHdr.UID, true);
    if (privileged.has(cmd) && uid !== 0 && uid !== this.opts.owner) return -linuxErrno(EPERM);
    const arg = Uint8Array.from(this.in.subarray(at, at + len));
    const file: IocFile = {
      m: this.pfs,
      inum: this.node,
      *clean() {
        return null; // nobody here can ask for what Linux's page cache holds back (-o writeback)
      },
    };
    const r = runSync(libraryIoctl(file, cmd, new DataView(arg.buffer)));
    if (r instanceof Errno) return -linuxErrno(r === EOPNOTSUPP ? ENOTTY : r);
    this.out.fill(0, OutHdr.SIZE, OutHdr.SIZE + IoctlOut.SIZE);
    this.ov.setInt32(OutHdr.SIZE + IoctlOut.RESULT, r, true);
    this.out.set(arg.subarray(0, room), OutHdr.SIZE + IoctlOut.SIZE);
    return IoctlOut.SIZE + room;
  }
}

const zeros = new Uint8Array(BLOCK);

const rows: (Row | undefined)[] = [];
const row = (op: Op, min: number, f: (s: FuseSession) => Reply): void => {
  rows[op] = { min, f };
};
row(Op.INIT, InitIn.SIZE, (s) => s.init());
row(Op.DESTROY, 0, (s) => s.destroy());
row(Op.INTERRUPT, 0, (s) => s.noReply()); // whatever it is for has been answered
row(Op.STATFS, 0, (s) => s.statfs());
row(Op.LOOKUP, 1, (s) => s.lookup());
row(Op.FORGET, ForgetIn.SIZE, (s) => s.forget());
row(Op.BATCH_FORGET, BatchForgetIn.SIZE, (s) => s.batchForget());
row(Op.GETATTR, 0, (s) => s.getattrOp());
row(Op.SETATTR, SetattrIn.SIZE, (s) => s.setattr());
row(Op.READLINK, 0, (s) => s.readlink());
row(Op.SYMLINK, 2, (s) => s.symlink());
row(Op.MKNOD, MknodIn.SIZE, (s) => s.mknod());
row(Op.MKDIR, MkdirIn.SIZE, (s) => s.mkdir());
row(Op.CREATE, CreateIn.SIZE, (s) => s.create());
row(Op.LINK, LinkIn.SIZE, (s) => s.link());
row(Op.UNLINK, 1, (s) => s.unlink());
row(Op.RMDIR, 1, (s) => s.rmdir());
row(Op.RENAME, RenameIn.SIZE, (s) => s.rename());
row(Op.RENAME2, Rename2In.SIZE, (s) => s.rename2());
row(Op.OPEN, 0, (s) => s.open());
row(Op.OPENDIR, 0, (s) => s.opendir());
row(Op.RELEASE, 0, (s) => s.nothing());
row(Op.RELEASEDIR, 0, (s) => s.nothing());
row(Op.READ, ReadIn.SIZE, (s) => s.read());
row(Op.WRITE, WriteIn.SIZE, (s) => s.write());
row(Op.FSYNC, 0, (s) => s.fsync());
row(Op.FSYNCDIR, 0, (s) => s.fsync());
row(Op.SYNCFS, 0, (s) => s.fsync());
row(Op.LSEEK, LseekIn.SIZE, (s) => s.lseek());
row(Op.FALLOCATE, FallocateIn.SIZE, (s) => s.fallocate());
row(Op.READDIR, ReadIn.SIZE, (s) => s.readdir());
row(Op.READDIRPLUS, ReadIn.SIZE, (s) => s.readdirplus());
// Not here (FLUSH: there is nothing to do): the kernel does not ask again, and says EOPNOTSUPP for extended attributes.
for (const op of [Op.FLUSH, Op.ACCESS, Op.GETXATTR, Op.SETXATTR, Op.LISTXATTR, Op.REMOVEXATTR]) {
  row(op, 0, (s) => s.enosys());
}
row(Op.IOCTL, IoctlIn.SIZE, (s) => s.ioctl());
