/**
 * Inodes decoded from their 1 KiB blocks.
 *
 * The image is only read, so an inode object never changes. Sizes and link counts of 2^53 and more (no real file has
 * them) are cut to the largest exact number.
 * Counterpart: sys/vfs/hammer2/hammer2_inode.c
 */
import type { Blocking } from '../../sys/blocking.js';
import { Errno } from '../../sys/errno.js';
import { Blockset } from './blockset.js';
import type { ChainStore, Cursor } from './chain.js';
import * as d from './disk.js';
import { Bref, BrefStats, BrefType, Ino, ObjType, OpFlag, rd64 } from './disk.js';

const clamp = (n: number): number => (n <= Number.MAX_SAFE_INTEGER ? n : Number.MAX_SAFE_INTEGER);

export class Hammer2Inode {
  readonly inum: number;
  readonly type: ObjType;
  /** Permission bits with setuid, setgid and sticky; no file type bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes; 0 for directories. */
  readonly size: number;
  readonly nlinks: number;
  /** chflags(2) bits. */
  readonly uflags: number;
  readonly rmajor: number;
  readonly rminor: number;
  /** Microseconds since 1970; there is no atime, the reference reports mtime. */
  readonly ctimeUs: number;
  readonly mtimeUs: number;
  readonly btimeUs: number;
  readonly iparent: number;
  readonly opFlags: number;
  readonly compAlgo: number;
  readonly checkAlgo: number;
  /** Bytes allocated below it, a hint kept in its blockref: what st_blocks comes from. */
  readonly dataBytes: number;
  /** Its four blockrefs; null when the inode holds the data itself. */
  readonly blockset: Blockset | null;

  private constructor(
    /** The block. Bytes 0x200-0x3ff are the data when `direct`. */
    readonly u8: Uint8Array,
    v: DataView,
    blockset: Blockset | null,
    dataBytes: number,
  ) {
    this.inum = rd64(v, Ino.INUM);
    this.type = u8[Ino.TYPE];
    this.mode = v.getUint32(Ino.MODE, true) & 0o7777;
    this.uid = v.getUint32(Ino.UID, true);
    this.gid = v.getUint32(Ino.GID, true);
    this.size = clamp(rd64(v, Ino.SIZE));
    this.nlinks = clamp(rd64(v, Ino.NLINKS));
    this.uflags = v.getUint32(Ino.UFLAGS, true);
    this.rmajor = v.getUint32(Ino.RMAJOR, true);
    this.rminor = v.getUint32(Ino.RMINOR, true);
    this.ctimeUs = clamp(rd64(v, Ino.CTIME));
    this.mtimeUs = clamp(rd64(v, Ino.MTIME));
    this.btimeUs = clamp(rd64(v, Ino.BTIME));
    this.iparent = rd64(v, Ino.IPARENT);
    this.opFlags = u8[Ino.OP_FLAGS];
    this.compAlgo = u8[Ino.COMP_ALGO];
    this.checkAlgo = u8[Ino.CHECK_ALGO];
    this.dataBytes = dataBytes;
    this.blockset = blockset;
  }

  /** True when the file's bytes are in the inode itself. */
  get direct(): boolean {
    return this.blockset === null;
  }
  /** Name in the inode: of use for PFS roots only. */
  get filename(): string {
    const len = this.u8[Ino.NAME_LEN] | (this.u8[Ino.NAME_LEN + 1] << 8);
    return d.latin1(this.u8, Ino.FILENAME, Math.min(len, d.INODE_MAXNAME));
  }

  /**
   * Decode a block read through the blockref at `at` of `bv`; a string tells what is wrong with it.
   */
  static parse(u8: Uint8Array, v: DataView, bv: DataView, at: number): Hammer2Inode | string {
    if (u8.length !== d.INODE_BYTES) return `inode of ${u8.length} bytes`;
    const version = v.getUint16(Ino.VERSION, true);
    if (version !== 1) return `inode of version ${version}`;
    const type = u8[Ino.TYPE];
    const known = type <= ObjType.WHITEOUT && type !== 3 && type !== 8;
    if (!known) return `inode of type ${type}`;
    if (!(rd64(v, Ino.INUM) <= Number.MAX_SAFE_INTEGER)) return 'inode number too large';
    const dataBytes = clamp(rd64(bv, at + BrefStats.DATA_COUNT));
    if ((u8[Ino.OP_FLAGS] & OpFlag.DIRECTDATA) !== 0) {
      if (type === ObjType.DIRECTORY) return 'directory with direct data';
      if (rd64(v, Ino.SIZE) > d.EMBEDDED_BYTES) return 'direct data of more than 512 bytes';
      return new Hammer2Inode(u8, v, null, dataBytes);
    }
    const bs = Blockset.parse(u8, v, Ino.BLOCKSET, d.SET_COUNT);
    if (typeof bs === 'string') return bs;
    return new Hammer2Inode(u8, v, bs, dataBytes);
  }
}

/** Leaf types by kind of search, as bit masks for ChainStore.find. */
export const LEAVES_INODE = 1 << BrefType.INODE;
export const LEAVES_DIRENT = 1 << BrefType.DIRENT;
export const LEAVES_DATA = 1 << BrefType.DATA;

/**
 * The inode a cursor stands on.
 *
 * @returns EIO after a complaint
 * Sleeps: on a cache miss.
 */
export function* getInode(chains: ChainStore, cur: Cursor): Blocking<Hammer2Inode | Errno> {
  // The cursor is the caller's and may move on while we sleep: keep what names the block.
  const { u8, v, at } = cur;
  if (u8[at + Bref.TYPE] !== BrefType.INODE) return chains.fail(v, at, 'BAD BLOCKREF', 'not an inode');
  const c = chains.lookup(u8, v, at) ?? (yield* chains.get(u8, v, at));
  if (c instanceof Errno) return c;
  if (c.inode === null) {
    const ip = Hammer2Inode.parse(c.u8, c.v, v, at);
    if (typeof ip === 'string') return chains.fail(v, at, 'BAD INODE', ip);
    c.inode = ip;
  }
  return c.inode;
}
