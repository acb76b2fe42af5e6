/**
 * File data: reading, writing, truncation, holes.
 *
 * Writes go into logical blocks in memory (datacache.ts). Each dirty block has a DATA blockref in the tree from the start,
 * without a place on disk until it is written: so writing data out never needs a new indirect block, and what a sync
 * will cost is known.
 */
import type { Blocking } from '../../sys/blocking.js';
import { EFBIG, EINVAL, EISDIR, ENXIO, Errno, NOTNOW } from '../../sys/errno.js';
import { decode, physicalBytes } from './block.js';
import type { DataBuf } from './datacache.js';
import * as d from './disk.js';
import { Bref, BrefType, Ino, ObjType, OpFlag, rd64 } from './disk.js';
import type { Fs } from './fs.js';
import { checkOf, coreOf, isDirect, LEAVES_DATA, setNum, sizeOf, typeOf } from './inode.js';
import type { Node } from './node.js';
import { QUOTA_COST } from './quota.js';
import { Cursor, newBref } from './tree.js';

const BLOCK = d.PBUFSIZE;
const W = 0x1_0000_0000;
const keyHi = (lbn: number): number => Math.floor((lbn * BLOCK) / W);
const keyLo = (lbn: number): number => (lbn * BLOCK) % W;

/** Cursor over the DATA keys of logical blocks `lbn` to `last`. */
const dataCursor = (lbn: number, last: number): Cursor =>
  new Cursor(keyHi(lbn), keyLo(lbn), keyHi(last), keyLo(last) + BLOCK - 1);

/** Is there file data in an inode of this type? */
export function dataFault(node: Node): Errno | null {
  const t = typeOf(node);
  if (t === ObjType.REGFILE || t === ObjType.SOFTLINK) return null;
  return t === ObjType.DIRECTORY ? EISDIR : EINVAL;
}

// --- reading --------------------------------------------------------------------------------------------------------

/** The blockref of a logical block: a cursor, null for a hole, EIO, NOTNOW. */
export function findData(fs: Fs, node: Node, lbn: number): Cursor | null | Errno {
  return fs.tree.find(node, dataCursor(lbn, lbn), LEAVES_DATA);
}

/** A logical block in memory, null for a hole; EIO, NOTNOW. */
function blockOf(fs: Fs, node: Node, lbn: number): DataBuf | null | Errno {
  const b = node.core?.bufs.get(lbn);
  if (b !== undefined) {
    fs.data.touch(b);
    return b;
  }
  const cur = findData(fs, node, lbn);
  if (cur === null || cur instanceof Errno) return cur;
  return fs.tree.later(() => loadBlock(fs, node, lbn));
}

/** Bring a logical block into memory. Null also when the world has changed: look again. */
function* loadBlock(fs: Fs, node: Node, lbn: number): Blocking<Errno | null> {
  const buf = fs.data.take();
  const e = yield* readStored(fs, node, lbn, buf, 0);
  if (e !== null || node.gone || node.core?.bufs.has(lbn) === true) {
    fs.data.give(buf);
    return e === NOTNOW ? null : e;
  }
  fs.data.trim();
  fs.data.add(coreOf(node), lbn, buf);
  return null;
}

/**
 * Read what is stored for a logical block into dst, 64 KiB.
 *
 * @returns null; EIO after a complaint; NOTNOW when the tree has changed: look again
 * Sleeps: in the device.
 */
export function* readStored(fs: Fs, node: Node, lbn: number, dst: Uint8Array, dstOff: number): Blocking<Errno | null> {
  const cur = node.gone ? NOTNOW : findData(fs, node, lbn);
  if (cur instanceof Errno) return cur;
  if (cur === null) return NOTNOW;
  const bref = cur.node.u8.slice(cur.at, cur.at + Bref.SIZE);
  const v = new DataView(bref.buffer);
  const dataOff = rd64(v, Bref.DATA_OFF);
  const still = (): boolean => {
    const now = node.gone ? null : findData(fs, node, lbn);
    return now !== null && !(now instanceof Errno) && rd64(now.node.v, now.at + Bref.DATA_OFF) === dataOff;
  };
  const phys = fs.data.take();
  try {
    const size = yield* fs.tree.readBlock(bref, v, phys, still);
    if (size instanceof Errno) return size;
    if (!still()) return NOTNOW;
    if (fs.space !== null) fs.dedup.note(bref, v, 0);
    const fault = decode(fs.codecs, bref[Bref.METHODS] & 15, phys, size, dst, dstOff);
    if (fault !== null) return fs.tree.fail(v, 0, fault.what, fault.why);
    // Bytes past the end of the file are zero by the format; a guest that maps the page relies on it.
    const used = sizeOf(node) - lbn * BLOCK;
    if (used < BLOCK) dst.fill(0, dstOff + Math.max(0, used), dstOff + BLOCK);
    return null;
  } finally {
    fs.data.give(phys);
  }
}

/**
 * Read from memory, up to the first block that is not there.
 *
 * @returns bytes read; EIO, NOTNOW when the first block is not in memory
 */
export function tryRead(fs: Fs, node: Node, off: number, buf: Uint8Array, bufOff: number, len: number): number | Errno {
  const fault = dataFault(node);
  if (fault !== null) return fault;
  if (!Number.isSafeInteger(off) || off < 0 || len < 0) return EINVAL;
  const want = Math.min(len, sizeOf(node) - off);
  if (want <= 0) return 0;
  if (isDirect(node)) {
    const at = node.u8.byteOffset + Ino.BLOCKSET + off;
    buf.set(new Uint8Array(node.u8.buffer, at, want), bufOff);
    return want;
  }
  let done = 0;
  while (done < want) {
    const lbn = Math.floor((off + done) / BLOCK);
    const o = (off + done) % BLOCK;
    const n = Math.min(want - done, BLOCK - o);
    const b = blockOf(fs, node, lbn);
    if (b instanceof Errno) return done > 0 ? done : b;
    if (b === null) buf.fill(0, bufOff + done, bufOff + done + n);
    else buf.set(n === BLOCK ? b.buf : b.buf.subarray(o, o + n), bufOff + done);
    done += n;
  }
  return done;
}

// --- writing --------------------------------------------------------------------------------------------------------

/** Bytes a write of these blocks may cost, for what is not dirty yet: blocks, and indirect blocks at the next sync. */
const writeCost = (blocks: number): number => blocks * BLOCK + (2 + Math.ceil(blocks / 128)) * 32768;

/** data_off by logical block, see Fs.places. */
export type Places = ReadonlyMap<number, number>;
export const NO_PLACES: Places = new Map();

/** log2 of the place a block needs that has `bytes` of the file in it; small blocks take a granule of 16 KiB. */
export function placeRadix(bytes: number): number {
  return Math.max(14, 31 - Math.clz32(physicalBytes(bytes)));
}

/** Bytes of the block a slot names, 0 for none. */
function slotSize(p: Node, i: number): number {
  const radix = i < 0 ? 0 : p.u8[p.at(i) + Bref.DATA_OFF] & 0x3f;
  return radix > 0 ? 2 ** radix : 0;
}

/** The dirty block `lbn`, made if need be (zeros), with its blockref in the tree. All nodes needed are in memory. */
function dirtyBlock(fs: Fs, node: Node, lbn: number, tid: number, zero: boolean, places: Places): DataBuf {
  const core = coreOf(node);
  let b = core.bufs.get(lbn);
  if (b === undefined) {
    const buf = fs.data.take();
    if (zero) buf.fill(0);
    b = fs.data.add(core, lbn, buf);
  }
  const place = places.get(lbn);
  if (place !== undefined && place !== b.place) {
    fs.data.release(b);
    b.place = place;
  }
  fs.data.markDirty(b);
  const hi = keyHi(lbn);
  const lo = keyLo(lbn);
  const p = fs.tree.place(node, hi, lo) as Node;
  const slot = p.slotOf(hi, lo);
  if (place !== undefined) fs.data.setDue(b, Math.max(0, 2 ** (b.place & 0x3f) - slotSize(p, slot)));
  if (slot >= 0) fs.tree.markDirty(p, tid);
  else fs.tree.insert(p, newBref(BrefType.DATA, checkOf(node) << 4, hi, lo, d.PBUFRADIX), null, tid);
  fs.noteDirty(node);
  return b;
}

/** From bytes in the inode to blocks (6.6). */
function leaveDirect(fs: Fs, node: Node, tid: number, places: Places): void {
  const size = sizeOf(node);
  const old = node.u8.slice(Ino.BLOCKSET, Ino.BLOCKSET + size);
  node.u8[Ino.OP_FLAGS] &= ~OpFlag.DIRECTDATA;
  node.u8.fill(0, Ino.BLOCKSET, Ino.BLOCKSET + d.EMBEDDED_BYTES);
  node.cap = d.SET_COUNT;
  if (size > 0) dirtyBlock(fs, node, 0, tid, true, places).buf.set(old);
}

/**
 * Write, whole or not at all.
 *
 * @param given  places for the blocks, when space has been seen to already
 * @returns null; EISDIR, EINVAL, EFBIG, ENOSPC, EIO, NOTNOW
 */
export function tryWrite(
  fs: Fs,
  node: Node,
  off: number,
  buf: Uint8Array,
  bufOff: number,
  len: number,
  tid: () => number,
  given: Places | null = null,
): Errno | null {
  const fault = dataFault(node);
  if (fault !== null) return fault;
  if (off < 0 || len < 0) return EINVAL;
  if (!(off + len <= Number.MAX_SAFE_INTEGER - BLOCK)) return EFBIG;
  const size = sizeOf(node);
  const end = off + len;
  if (isDirect(node) && end <= d.EMBEDDED_BYTES) {
    const e = given !== null ? null : fs.reserve(writeCost(0), false);
    if (e !== null) return e;
    node.u8.set(buf.subarray(bufOff, bufOff + len), Ino.BLOCKSET + off);
    if (end > size) setNum(node, Ino.SIZE, end);
    fs.tree.markDirty(node, tid());
    return null;
  }
  const first = Math.floor(off / BLOCK);
  const last = Math.floor((end - 1) / BLOCK);
  // Everything that may be missing or refused comes before the first change.
  // Blocks that need a place, or a larger one. The bytes of the inode go to block 0.
  const fresh = new Map<number, number>();
  if (isDirect(node) && size > 0) fresh.set(0, placeRadix(size));
  const q = node.pfs?.quotas.of(node) ?? null;
  if (q instanceof Errno) return q;
  let more = 0;
  for (let lbn = first; lbn <= last; lbn++) {
    const p = fs.tree.place(node, keyHi(lbn), keyLo(lbn));
    if (p instanceof Errno) return p;
    const b = node.core?.bufs.get(lbn);
    const radix = placeRadix(Math.max(end, size) - lbn * BLOCK);
    const i = p.slotOf(keyHi(lbn), keyLo(lbn));
    if (b === undefined || (b.place & 0x3f) < radix) {
      fresh.set(lbn, radix);
      more += Math.max(0, 2 ** radix - slotSize(p, i) - (b?.due ?? 0));
    }
    if (b !== undefined) continue;
    if (i < 0) continue;
    if (p.slotType(i) !== BrefType.DATA) return fs.tree.fail(p.v, p.at(i), 'BAD BLOCKREF', 'wrong type here');
    const base = lbn * BLOCK;
    const whole = off <= base && end >= Math.min(base + BLOCK, size);
    if (whole) continue;
    const r = blockOf(fs, node, lbn);
    if (r instanceof Errno) return r;
  }
  const over = q === null || given !== null ? null : node.pfs!.quotas.admit(q, more, 0);
  if (over !== null) return over;
  const e = given !== null ? null : fs.reserve(writeCost(fresh.size) + (q === null ? 0 : QUOTA_COST), false);
  if (e !== null) return e;
  const places = given ?? fs.places(fresh);
  if (places instanceof Errno) return places;

  const t = tid();
  fs.tree.markDirty(node, t);
  if (isDirect(node)) leaveDirect(fs, node, t, places);
  for (let done = 0; done < len;) {
    const lbn = Math.floor((off + done) / BLOCK);
    const o = (off + done) % BLOCK;
    const n = Math.min(len - done, BLOCK - o);
    const b = dirtyBlock(fs, node, lbn, t, n < BLOCK, places);
    b.buf.set(buf.subarray(bufOff + done, bufOff + done + n), o);
    done += n;
  }
  if (end > size) setNum(node, Ino.SIZE, end);
  return null;
}

/** Set a file's size. EISDIR, EINVAL, EFBIG, ENOSPC, EIO, NOTNOW. */
export function tryTruncate(fs: Fs, node: Node, size: number, tid: () => number): Errno | null {
  const fault = dataFault(node);
  if (fault !== null) return fault;
  if (!(size >= 0) || !Number.isInteger(size)) return EINVAL;
  if (size > Number.MAX_SAFE_INTEGER - BLOCK) return EFBIG;
  const q = node.pfs?.quotas.of(node) ?? null;
  if (q instanceof Errno) return q;
  const old = sizeOf(node);
  if (isDirect(node)) {
    const e = fs.reserve(writeCost(1), size <= old);
    if (e !== null) return e;
    const places = fs.places(size > d.EMBEDDED_BYTES && old > 0 ? new Map([[0, placeRadix(old)]]) : NO_PLACES);
    if (places instanceof Errno) return places;
    const t = tid();
    fs.tree.markDirty(node, t);
    if (size > d.EMBEDDED_BYTES) leaveDirect(fs, node, t, places);
    else if (size < old) node.u8.fill(0, Ino.BLOCKSET + size, Ino.BLOCKSET + old);
    setNum(node, Ino.SIZE, size);
    return null;
  }
  const keep = Math.ceil(size / BLOCK);
  const edge = Math.floor(size / BLOCK);
  let cut: DataBuf | null = null;
  if (size < old) {
    if (size % BLOCK !== 0) {
      const p = fs.tree.place(node, keyHi(edge), keyLo(edge));
      if (p instanceof Errno) return p;
      const b = blockOf(fs, node, edge);
      if (b instanceof Errno) return b;
      cut = b;
    }
    const p = fs.tree.place(node, keyHi(keep), keyLo(keep));
    if (p instanceof Errno) return p;
  }
  const fresh = cut !== null && !cut.dirty;
  const e = fs.reserve(writeCost(fresh ? 1 : 0), size <= old);
  if (e !== null) return e;
  const places = fs.places(fresh ? new Map([[edge, placeRadix(size % BLOCK)]]) : NO_PLACES);
  if (places instanceof Errno) return places;

  const t = tid();
  fs.tree.markDirty(node, t);
  setNum(node, Ino.SIZE, size);
  if (cut !== null) dirtyBlock(fs, node, edge, t, false, places).buf.fill(0, size % BLOCK);
  if (size >= old) return null;
  for (const b of [...(node.core?.bufs.values() ?? [])]) if (b.lbn >= keep) fs.data.drop(b);
  const hi = keyHi(keep);
  const lo = keyLo(keep);
  // From the lowest node whose range holds the new end up to the inode: all that begins at or behind it goes.
  for (let x = fs.tree.place(node, hi, lo) as Node | null; x !== null;) {
    const up: Node | null = x === node ? null : x.parent;
    while (!x.gone && x.n > 0 && d.cmp64(x.slotKeyHi(x.n - 1), x.slotKeyLo(x.n - 1), hi, lo) >= 0) {
      fs.tree.remove(x, x.n - 1, t);
    }
    x = up;
  }
  return null;
}

/** First logical block from `lbn` on that is no hole, below the end of the file; null, EIO, NOTNOW. */
export function nextData(fs: Fs, node: Node, lbn: number): number | null | Errno {
  const end = Math.ceil(sizeOf(node) / BLOCK);
  if (lbn >= end) return null;
  if (isDirect(node)) return lbn > 0 ? null : 0;
  const r = fs.tree.find(node, dataCursor(lbn, end - 1), LEAVES_DATA);
  if (r === null || r instanceof Errno) return r;
  return Math.floor((r.keyHi * W + r.keyLo) / BLOCK);
}

/** SEEK_DATA and SEEK_HOLE. ENXIO past the end, EIO, NOTNOW. */
export function seek(fs: Fs, node: Node, off: number, data: boolean): number | Errno {
  const fault = dataFault(node);
  if (fault !== null) return fault;
  const size = sizeOf(node);
  if (!(off >= 0) || off >= size) return ENXIO;
  let lbn = Math.floor(off / BLOCK);
  for (;;) {
    const next = nextData(fs, node, lbn);
    if (next instanceof Errno) return next;
    if (data) return next === null ? ENXIO : Math.max(off, next * BLOCK);
    if (next !== lbn) return next === null && lbn * BLOCK >= size ? size : Math.max(off, lbn * BLOCK);
    lbn++;
  }
}
