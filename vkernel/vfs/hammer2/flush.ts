/**
 * Sync: dirty blocks go to new places bottom-up, then the freemap, a flush of the devices, and the header (spec 12).
 *
 * Nothing a written header leads to is overwritten, so the medium always holds the state of the last header that was
 * written whole. When something fails half way, what has been written stays where it is, what has not stays dirty, and
 * the next sync goes on from there.
 * Counterpart: sys/vfs/hammer2/hammer2_flush.c
 */
import type { Blocking } from '../../sys/blocking.js';
import { EIO, ENOSPC, Errno } from '../../sys/errno.js';
import { physicalBytes, Stored } from './block.js';
import type { DataBuf } from './datacache.js';
import * as d from './disk.js';
import { Bref, BrefType, Ino, Vol, rd64, wr64 } from './disk.js';
import type { Fs } from './fs.js';
import { checkOf, sizeOf } from './inode.js';
import type { Node } from './node.js';
import type { Freemap } from './freemap.js';
import { signHeader } from './volume.js';

const W = 0x1_0000_0000;

/** Write one dirty logical block of a file and name its place in the tree; a block of zeros may become a hole. */
function* writeBlock(fs: Fs, space: Freemap, node: Node, b: DataBuf, stored: Stored): Blocking<Errno | null> {
  const base = b.lbn * d.PBUFSIZE;
  const hi = Math.floor(base / W);
  const lo = base % W;
  const { tree } = fs;
  const tid = node.modTid;
  // In the middle of a file a block may be short: what lies behind its place is zero.
  const placeRadix = b.place & 0x3f;
  const bytes = Math.min(physicalBytes(Math.min(d.PBUFSIZE, sizeOf(node) - base)), 2 ** placeRadix);
  const check = checkOf(node);
  const comp = node.u8[Ino.COMP_ALGO];
  const place = (): Node => tree.place(node, hi, lo) as Node;
  if (!stored.encode(fs.codecs, b.core, b.buf, bytes, comp, check)) {
    const p = place();
    tree.remove(p, p.slotOf(hi, lo), tid);
    fs.data.release(b);
    fs.data.markClean(b);
    return null;
  }
  const radix = 31 - Math.clz32(stored.len);
  const code = fs.codeBref;
  code.u8[Bref.METHODS] = (check << 4) | stored.comp;
  fs.tree.checker.set(code.u8, code.v, 0, stored.buf, stored.len);
  const same = yield* fs.dedup.find(space, code.u8, code.v, stored.buf, stored.len);
  // It goes where the write has reserved a place; what has become smaller does so only if there is no other.
  let dataOff: number | Errno = b.place;
  if (same !== 0) dataOff = same;
  else if (radix < placeRadix) dataOff = yield* space.alloc(BrefType.DATA, radix, lo);
  const own = same === 0 && (radix === placeRadix || dataOff === ENOSPC);
  if (dataOff === ENOSPC) dataOff = b.place - placeRadix + radix;
  if (dataOff instanceof Errno) return dataOff;
  const e =
    same !== 0
      ? null
      : stored.len === d.PBUFSIZE
        ? yield* fs.io.write(dataOff - radix, stored.buf)
        : yield* fs.io.put(BrefType.DATA, dataOff - radix, stored.buf, stored.len);
  if (e !== null) return e;
  const p = place();
  const i = p.slotOf(hi, lo);
  const at = p.at(i);
  const old = p.u8[at + Bref.DATA_OFF] & 0x3f;
  if (old > 0) tree.garbage += 2 ** old;
  p.u8[at + Bref.METHODS] = (check << 4) | stored.comp;
  p.setDataOff(i, dataOff);
  p.u8.set(code.u8.subarray(Bref.CHECK), at + Bref.CHECK);
  fs.dedup.note(p.u8, p.v, at);
  wr64(p.v, at + Bref.MIRROR_TID, fs.mirrorTid + 1);
  wr64(p.v, at + Bref.MODIFY_TID, tid);
  if (own) b.place = 0;
  else fs.data.release(b);
  fs.data.markClean(b);
  return null;
}

/** Write out all dirty file data. Blockrefs change in memory only. The caller keeps changes away. */
export function* writeData(fs: Fs): Blocking<Errno | null> {
  const { space } = fs;
  if (space === null) return null;
  const stored = new Stored();
  for (const node of [...fs.dirtyInodes]) {
    const bufs = [...(node.core?.bufs.values() ?? [])].filter((b) => b.dirty).sort((a, b) => a.lbn - b.lbn);
    for (const b of bufs) {
      const e = yield* writeBlock(fs, space, node, b, stored);
      if (e !== null) return e;
    }
    fs.dirtyInodes.delete(node);
  }
  return null;
}

/** Dirty nodes below `top`, children before parents; `top` is not among them. */
function dirtyBelow(top: Node): Node[] {
  const list: Node[] = [];
  const visit = (x: Node): void => {
    for (const k of x.kids) {
      if (k === null || !k.dirty) continue;
      visit(k);
      list.push(k);
    }
  };
  visit(top);
  return list;
}

/** Write one block to a new place and name it in its parent. */
function* writeNode(fs: Fs, space: Freemap, x: Node): Blocking<Errno | null> {
  const p = x.parent as Node;
  const size = x.u8.length;
  const radix = 31 - Math.clz32(size);
  const type = x.type as BrefType;
  let dataOff = yield* space.alloc(type, radix, 0);
  const i = p.slotOfKid(x);
  const at = p.at(i);
  if (dataOff instanceof Errno) {
    // Emergency mode: better over the old block than not at all. Snapshots that share it change, too.
    const old = rd64(p.v, at + Bref.DATA_OFF);
    if (dataOff !== ENOSPC || !fs.emergency || old <= 0x3f || (old & 0x3f) !== radix) return dataOff;
    dataOff = old;
    p.u8[at + Bref.FLAGS] |= d.BREF_EMERG_MIP;
  } else p.u8[at + Bref.FLAGS] &= ~d.BREF_EMERG_MIP;
  if (rd64(p.v, at + Bref.DATA_OFF) > 0x3f) fs.tree.garbage += size;
  p.setDataOff(i, dataOff);
  fs.tree.checker.set(p.u8, p.v, at, x.u8, size);
  wr64(p.v, at + Bref.MIRROR_TID, fs.mirrorTid + 1);
  const modTid = Math.max(x.modTid, Math.min(rd64(p.v, at + Bref.MODIFY_TID), 2 ** 52));
  wr64(p.v, at + Bref.MODIFY_TID, modTid);
  if (modTid > p.modTid) p.modTid = modTid;
  fs.tree.markClean(x);
  // An error of the gathered writes comes again from drain(), which keeps what failed.
  void (yield* fs.io.put(type, dataOff - radix, x.u8, size));
  return null;
}

/** Write all dirty blocks below `top`: when done, top's blockrefs are good to be copied. */
export function* writeTree(fs: Fs, top: Node): Blocking<Errno | null> {
  const { space } = fs;
  if (space === null) return null;
  const e = yield* writeData(fs);
  if (e !== null) return e;
  for (const m of fs.mounts.values()) m.linkOrphans();
  for (const x of dirtyBelow(top)) {
    if (x.type === BrefType.INDIRECT && !x.gone) fs.tree.collapse(x, x.modTid);
  }
  for (const x of dirtyBelow(top)) {
    const f = yield* writeNode(fs, space, x);
    if (f !== null) return f;
  }
  return null;
}

/**
 * The whole sync. The caller keeps changes away.
 *
 * @returns null; EIO: nothing is lost in memory, another call tries again
 */
export function* flushAll(fs: Fs): Blocking<Errno | null> {
  const { space, root } = fs;
  if (space === null) return null;
  fs.stats.syncs++;
  // Nothing changed: no header. (What is dirty makes the root dirty.)
  if (!root.dirty && !space.dirty && !fs.headerDue) return null;
  fs.headerDue = true;
  // A header's first sector ends with its own CRC, so the CRC of the whole does not depend on what is in it: the sector may be new
  // and all others old, and no CRC tells, unless the second sector (the super-root's blockref) differs. So it always does.
  const alone = !root.dirty;
  fs.tree.markDirty(fs.suproot, 0);
  let e = yield* writeTree(fs, root);
  if (e === ENOSPC && alone) {
    // Not a KiB is left: bulkfree must get through all the same.
    fs.tree.markClean(fs.suproot);
    e = null;
  }
  if (e !== null) return report(fs, e);
  const tid = fs.mirrorTid + 1;
  const f = (yield* space.flush(root.v, tid)) ?? (yield* fs.io.flush());
  if (f !== null) return report(fs, f);
  wr64(root.v, Vol.MIRROR_TID, tid);
  wr64(root.v, Vol.FREEMAP_TID, tid);
  const h = yield* writeHeader(fs);
  // The number is used up even if the header did not get there whole.
  fs.mirrorTid = tid;
  if (h !== null) return report(fs, h);
  space.committed();
  fs.keepRoot();
  if (root.dirty) fs.tree.markClean(root);
  fs.headerDue = false;
  fs.stats.headers++;
  return null;
}

function report(fs: Fs, e: Errno): Errno {
  fs.log(`hammer2: ${fs.name}: sync failed: ${e.name}; nothing is lost in memory, the next sync tries again`);
  return e === ENOSPC ? e : EIO;
}

/**
 * Write the header image to the next of its places, and make it durable. A volume with room for only one header gets a
 * second copy in the reserved area first: whichever of the two a power cut tears, the other is whole.
 */
function* writeHeader(fs: Fs): Blocking<Errno | null> {
  const { io } = fs;
  const { v, u8 } = fs.root;
  signHeader(u8, v, fs.codecs);
  const size = io.vols.vols[0].sizeBytes;
  let next = (fs.headerCopy + 1) % d.NUM_VOLHDRS;
  if (next * d.ZONE_BYTES + d.RESERVED_BYTES > size) next = 0;
  if (next === fs.headerCopy) {
    const e = (yield* io.write(d.SHADOW_HEADER, u8)) ?? (yield* io.flush());
    if (e !== null) return e;
  }
  const e = (yield* io.write(next * d.ZONE_BYTES, u8)) ?? (yield* io.flush());
  if (e === null) fs.headerCopy = next;
  return e;
}
