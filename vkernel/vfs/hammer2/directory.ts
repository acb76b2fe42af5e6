/**
 * Directories: entries by name and in key order, and where new ones go.
 * Counterpart: sys/vfs/hammer2/hammer2_xops.c
 */
import { EINVAL, ENAMETOOLONG, ENOENT, ENOSPC, Errno } from '../../sys/errno.js';
import type { H2Emit } from './api.js';
import { type DirHash, dirhash } from './dirhash.js';
import * as d from './disk.js';
import { Bref, BrefDirent, BrefType, Ino, type ObjType, ObjType as Type, rd64, wr64 } from './disk.js';
import { childMethods, inumOf, LEAVES_DIRENT } from './inode.js';
import { Node } from './node.js';
import { Cursor, newBref, type Tree } from './tree.js';

/** Inode number of every PFS root. */
export const ROOT_INUM = 1;

/** Why no entry can have this name, or null. */
export function nameFault(name: string): Errno | null {
  if (name === '') return ENOENT;
  if (name.length > 255) return ENAMETOOLONG;
  return name.includes('/') || name.includes('\0') ? EINVAL : null;
}

/**
 * Name of the directory entry a cursor stands on, one char per byte. EIO after a complaint, also for names no path can
 * hold (hostile images); NOTNOW.
 */
export function entryName(tree: Tree, cur: Cursor): string | Errno {
  const { node, slot } = cur;
  const at = node.at(slot);
  const { v, u8 } = node;
  const len = v.getUint16(at + BrefDirent.NAMLEN, true);
  if (len < 1 || len > 255) return tree.fail(v, at, 'BAD DIRECTORY ENTRY', `name of ${len} bytes`);
  const inum = rd64(v, at + BrefDirent.INUM);
  if (!(inum > ROOT_INUM && inum <= Number.MAX_SAFE_INTEGER)) {
    return tree.fail(v, at, 'BAD DIRECTORY ENTRY', `inode number ${inum}`);
  }
  let name: string;
  if (len <= d.DIRENT_INLINE_NAME) name = d.latin1(u8, at + Bref.CHECK, len);
  else {
    const k = tree.kidAt(node, slot);
    if (k instanceof Errno) return k;
    name = d.latin1(k.u8, 0, len);
  }
  if (name === '.' || name === '..' || name.includes('/') || name.includes('\0')) {
    return tree.fail(v, at, 'BAD DIRECTORY ENTRY', `impossible name ${JSON.stringify(name)}`);
  }
  return name;
}

export const entryInum = (cur: Cursor): number => rd64(cur.node.v, cur.at + BrefDirent.INUM);
export const entryType = (cur: Cursor): ObjType => cur.node.u8[cur.at + BrefDirent.TYPE];

/**
 * The entry of a name.
 *
 * @returns a cursor on it; ENOENT, EIO, NOTNOW
 */
export function findEntry(tree: Tree, dir: Node, name: string, h: DirHash = dirhash(name)): Cursor | Errno {
  const cur = new Cursor(h.hi, h.lo, h.hi, (h.lo | d.DIRHASH_COLLISION) >>> 0);
  for (;;) {
    const r = tree.find(dir, cur, LEAVES_DIRENT);
    if (r === null) return ENOENT;
    if (r instanceof Errno) return r;
    if (cur.node.v.getUint16(cur.at + BrefDirent.NAMLEN, true) === name.length) {
      const got = entryName(tree, cur);
      if (got === name) return cur;
      if (got instanceof Errno) return got;
    }
    if (!cur.advance(cur.keyHi, cur.keyLo)) return ENOENT;
  }
}

/**
 * A free key in the collision space of a hash, chosen as the reference does (8.2): the counter follows the keys in use and
 * stops at the first gap; without one it goes one further.
 *
 * @returns low word of the key; ENOSPC when all are in use; EIO, NOTNOW
 */
export function freeKey(tree: Tree, dir: Node, h: DirHash, leaves: number): number | Errno {
  const last = (h.lo | d.DIRHASH_COLLISION) >>> 0;
  const cur = new Cursor(h.hi, h.lo, h.hi, last);
  let key = h.lo;
  for (;;) {
    const r = tree.find(dir, cur, leaves);
    if (r instanceof Errno) return r;
    if (r === null) break;
    if (cur.keyLo !== key) return key;
    if (key === last) return ENOSPC;
    key++;
    if (!cur.advance(cur.keyHi, cur.keyLo)) break;
  }
  return key < last ? key + 1 : key;
}

/** Where a new entry goes: everything addEntry needs, so that it cannot fail. */
export interface EntryPlace {
  readonly hi: number;
  readonly lo: number;
}

/** Prepare a new entry. ENOSPC, EIO, NOTNOW. */
export function planEntry(tree: Tree, dir: Node, h: DirHash): EntryPlace | Errno {
  const lo = freeKey(tree, dir, h, LEAVES_DIRENT);
  if (lo instanceof Errno) return lo;
  const p = tree.place(dir, h.hi, lo);
  return p instanceof Errno ? p : { hi: h.hi, lo };
}

export function addEntry(
  tree: Tree,
  dir: Node,
  where: EntryPlace,
  name: string,
  inum: number,
  type: ObjType,
  tid: number,
): void {
  const p = tree.place(dir, where.hi, where.lo) as Node;
  const methods = childMethods(p);
  const bref = newBref(BrefType.DIRENT, methods, where.hi, where.lo, 0);
  const v = new DataView(bref.buffer);
  wr64(v, BrefDirent.INUM, inum);
  v.setUint16(BrefDirent.NAMLEN, name.length, true);
  bref[BrefDirent.TYPE] = type;
  let block: Node | null = null;
  if (name.length > d.DIRENT_INLINE_NAME) {
    const u8 = new Uint8Array(d.INODE_BYTES);
    for (let i = 0; i < name.length; i++) u8[i] = name.charCodeAt(i);
    bref[Bref.DATA_OFF] = d.RADIX_MIN; // counted at once, as tree.split does
    block = new Node(BrefType.DIRENT, u8, 0, 0, where.hi, where.lo, 0, methods);
  } else {
    for (let i = 0; i < name.length; i++) bref[Bref.CHECK + i] = name.charCodeAt(i);
  }
  tree.insert(p, bref, block, tid);
}

/** Is the directory without entries? EIO, NOTNOW. */
export function isEmpty(tree: Tree, dir: Node): boolean | Errno {
  const r = tree.find(dir, new Cursor(0x80000000, 0, 0xffffffff, 0xffffffff), LEAVES_DIRENT);
  return r instanceof Errno ? r : r === null;
}

// Directory positions have to fit 53 bits although keys have 63 that vary (bit 63 is always set). Bits 62-16 are kept
// exactly; bit 15 is always set; of bits 14-0, which number the names of one hash, values up to ORD_MAX - 2 are kept: the
// creator uses the lowest free one. The rare directory with more names of one hash resumes by `resume`.
const ORD_BITS = 64;
const ORD_MAX = 61;
const COOKIE_FIRST = 2;
const RESUME_ENTRIES = 256;

/**
 * List a directory in key order, as far as it is in memory.
 *
 * @param pos     in: cookie; out: the cookie after the last entry emitted
 * @param resume  low word of the last key emitted, by directory and saturated cookie
 * @returns null at the end or when emit had no room; EIO, EINVAL, NOTNOW (go on from pos.cookie)
 */
export function list(
  tree: Tree,
  dir: Node,
  parent: number,
  pos: { cookie: number },
  resume: Map<string, number>,
  emit: H2Emit,
): Errno | null {
  const inum = inumOf(dir);
  if (!Number.isSafeInteger(pos.cookie) || pos.cookie < 0) return EINVAL;
  if (pos.cookie === 0) {
    if (!emit('.', inum, Type.DIRECTORY, 1)) return null;
    pos.cookie = 1;
  }
  if (pos.cookie === 1) {
    if (!emit('..', parent, Type.DIRECTORY, COOKIE_FIRST)) return null;
    pos.cookie = COOKIE_FIRST;
  }
  const h = Math.floor(pos.cookie / ORD_BITS);
  const ord = (pos.cookie % ORD_BITS) - COOKIE_FIRST;
  if (ord < 0) return EINVAL;
  const hi = (Math.floor(h / 65536) | 0x80000000) >>> 0;
  let lo = ((((h & 0xffff) << 16) | 0x8000) + ord) >>> 0;
  if (ord === ORD_MAX) {
    const last = resume.get(`${inum}:${pos.cookie}`);
    if (last !== undefined) lo = last + 1;
  }
  const cur = new Cursor(hi, lo, 0xffffffff, 0xffffffff);
  for (;;) {
    const r = tree.find(dir, cur, LEAVES_DIRENT);
    if (r === null || r instanceof Errno) return r;
    const name = entryName(tree, cur);
    if (name instanceof Errno) return name;
    const { keyHi, keyLo } = cur;
    const eh = (keyHi & 0x7fffffff) * 65536 + (keyLo >>> 16);
    const low = keyLo & 0x7fff;
    const next = eh * ORD_BITS + COOKIE_FIRST + Math.min(low + 1, ORD_MAX);
    if (!emit(name, entryInum(cur), entryType(cur), next)) return null;
    pos.cookie = next;
    if (low + 1 >= ORD_MAX) {
      if (resume.size >= RESUME_ENTRIES) resume.clear();
      resume.set(`${inum}:${next}`, keyLo);
    }
    if (!cur.advance(keyHi, keyLo)) return null;
  }
}
export const isDir = (n: Node): boolean => n.u8[Ino.TYPE] === Type.DIRECTORY;
