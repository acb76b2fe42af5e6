/**
 * Inodes in memory: their block is the truth (a Node of type INODE), read and changed through the accessors here. What is
 * known beside the block (blocks of file data in memory) is the InodeCore.
 * Counterpart: sys/vfs/hammer2/hammer2_inode.c
 */
import type { H2Attr } from './api.js';
import type { DataBuf } from './datacache.js';
import * as d from './disk.js';
import { BrefStats, BrefType, Ino, ObjType, OpFlag, rd64, wr64 } from './disk.js';
import type { Node } from './node.js';
import type { QuotaDir } from './quota.js';

/** Leaf types by kind of search, as bit masks for Tree.find. */
export const LEAVES_INODE = 1 << BrefType.INODE;
export const LEAVES_DIRENT = 1 << BrefType.DIRENT;
export const LEAVES_DATA = 1 << BrefType.DATA;

const clamp = (n: number): number => (n <= Number.MAX_SAFE_INTEGER ? n : Number.MAX_SAFE_INTEGER);

export class InodeCore {
  /** Logical blocks in memory, by number. All of a clean inode's are clean. */
  readonly bufs = new Map<number, DataBuf>();
  /** Failures in a row to compress, as the heuristic counts them (9.3). */
  compTries = 0;
  /** The quota directory that counts it, as of `quotaEpoch` (quota.ts). */
  quota: QuotaDir | null = null;
  quotaEpoch = -1;
  constructor(readonly node: Node) {}
}

export function coreOf(node: Node): InodeCore {
  return (node.core ??= new InodeCore(node));
}

/** What is wrong with a block that should be an inode, or null. */
export function inodeFault(u8: Uint8Array): string | null {
  if (u8.length !== d.INODE_BYTES) return `inode of ${u8.length} bytes`;
  const v = new DataView(u8.buffer, u8.byteOffset, u8.length);
  const version = v.getUint16(Ino.VERSION, true);
  if (version !== 1) return `inode of version ${version}`;
  const type = u8[Ino.TYPE];
  if (type > ObjType.WHITEOUT || type === 3 || type === 8) return `inode of type ${type}`;
  if (!(rd64(v, Ino.INUM) <= Number.MAX_SAFE_INTEGER)) return 'inode number too large';
  if ((u8[Ino.OP_FLAGS] & OpFlag.DIRECTDATA) === 0) return null;
  if (type === ObjType.DIRECTORY) return 'directory with direct data';
  return rd64(v, Ino.SIZE) > d.EMBEDDED_BYTES ? 'direct data of more than 512 bytes' : null;
}

export const inumOf = (n: Node): number => rd64(n.v, Ino.INUM);
export const typeOf = (n: Node): ObjType => n.u8[Ino.TYPE];
export const isDirect = (n: Node): boolean => (n.u8[Ino.OP_FLAGS] & OpFlag.DIRECTDATA) !== 0;
export const sizeOf = (n: Node): number => clamp(rd64(n.v, Ino.SIZE));
export const nlinksOf = (n: Node): number => clamp(rd64(n.v, Ino.NLINKS));
export const compOf = (n: Node): number => n.u8[Ino.COMP_ALGO] & 15;
export const checkOf = (n: Node): number => n.u8[Ino.CHECK_ALGO] & 15;
export const setNum = (n: Node, field: Ino, value: number): void => wr64(n.v, field, value);

/** Name in the inode: of use for PFS roots only. */
export function filenameOf(n: Node): string {
  return d.latin1(n.u8, Ino.FILENAME, Math.min(n.v.getUint16(Ino.NAME_LEN, true), d.INODE_MAXNAME));
}
export function setFilename(n: Node, name: string): void {
  n.u8.fill(0, Ino.FILENAME, Ino.FILENAME + d.INODE_MAXNAME);
  for (let i = 0; i < name.length; i++) n.u8[Ino.FILENAME + i] = name.charCodeAt(i);
  n.v.setUint16(Ino.NAME_LEN, name.length, true);
}

/** Blockref statistics of an inode. */
export function statOf(n: Node, field: BrefStats): number {
  const p = n.parent;
  return p === null ? 0 : clamp(rd64(p.v, p.at(p.slotOfKid(n)) + field));
}

export function attrOf(n: Node): H2Attr {
  const { v, u8 } = n;
  return {
    inum: inumOf(n),
    type: typeOf(n),
    mode: v.getUint32(Ino.MODE, true) & 0o7777,
    uid: v.getUint32(Ino.UID, true),
    gid: v.getUint32(Ino.GID, true),
    size: sizeOf(n),
    nlinks: nlinksOf(n),
    uflags: v.getUint32(Ino.UFLAGS, true),
    rmajor: v.getUint32(Ino.RMAJOR, true),
    rminor: v.getUint32(Ino.RMINOR, true),
    ctimeUs: clamp(rd64(v, Ino.CTIME)),
    mtimeUs: clamp(rd64(v, Ino.MTIME)),
    btimeUs: clamp(rd64(v, Ino.BTIME)),
    dataBytes: isDirect(n) ? 0 : statOf(n, BrefStats.DATA_COUNT),
    comp: compOf(n),
    compLevel: u8[Ino.COMP_ALGO] >> 4,
    check: checkOf(n),
    iparent: rd64(v, Ino.IPARENT),
  };
}

/** Methods byte of an inode's blockref: fixed when it is made (6.7). */
export const inodeMethods = (comp: number, check: number): number => ((check === 0 ? 3 : check) << 4) | (comp & 15);

/** Check nibble and compression for a blockref that takes them after its parent's (8.3). */
export const childMethods = (parent: Node): number => (parent.methods >> 4 === 0 ? 0x30 : parent.methods);

/** A new inode's block. Everything else is zero. */
export function newInodeBlock(inum: number, type: ObjType, comp: number, check: number): Uint8Array {
  const u8 = new Uint8Array(d.INODE_BYTES);
  const v = new DataView(u8.buffer);
  v.setUint16(Ino.VERSION, 1, true);
  u8[Ino.TYPE] = type;
  u8[Ino.COMP_ALGO] = comp;
  u8[Ino.CHECK_ALGO] = check;
  wr64(v, Ino.INUM, inum);
  wr64(v, Ino.NLINKS, 1);
  return u8;
}
