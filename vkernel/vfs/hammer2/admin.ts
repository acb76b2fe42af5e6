/**
 * PFSs made and deleted, snapshots, growing.
 * Counterpart: sys/vfs/hammer2/hammer2_ioctl.c
 */
import type { Blocking } from '../../sys/blocking.js';
import { EBUSY, EEXIST, EINVAL, ENAMETOOLONG, ENOENT, ENOTDIR, EROFS, Errno, NOTNOW } from '../../sys/errno.js';
import type { H2PfsOptions } from './api.js';
import { freeKey } from './directory.js';
import { dirhash } from './dirhash.js';
import * as d from './disk.js';
import { Bref, BrefStats, BrefType, Check, Comp, Ino, ObjType, OpFlag, PfsType, Vol, rd64, wr64 } from './disk.js';
import { flushAll, writeTree } from './flush.js';
import type { Fs } from './fs.js';
import { childMethods, LEAVES_INODE, newInodeBlock, setFilename, statOf, typeOf } from './inode.js';
import { Node } from './node.js';
import { ROOT_INUM } from './directory.js';
import { Cursor, newBref } from './tree.js';

/** What a PFS more may dirty: super-root, indirect blocks, its root. */
const PFS_COST = 256 * 1024;

/** Every PFS root's blockref says so in its flags; old tools left some without (13.1). */
export function* repairFlags(fs: Fs): Blocking<Errno | null> {
  const cur = new Cursor(0, 0, 0xffffffff, 0xffffffff);
  for (;;) {
    const r = fs.tree.find(fs.suproot, cur, LEAVES_INODE);
    if (r === null) return null;
    if (r === NOTNOW) {
      const e = yield* fs.tree.load();
      if (e !== null) return null; // reported; what is readable still works
      continue;
    }
    if (r instanceof Errno) return null;
    if ((cur.node.u8[cur.at + Bref.FLAGS] & d.BREF_PFSROOT) === 0) {
      cur.node.u8[cur.at + Bref.FLAGS] |= d.BREF_PFSROOT;
      fs.tree.markDirty(cur.node, 0);
    }
    if (!cur.advance(cur.keyHi, cur.keyLo)) return null;
  }
}

function randomUuid(fs: Fs, u8: Uint8Array, at: number): void {
  const b = new Uint8Array(16);
  fs.random(b);
  b[7] = (b[7] & 0x0f) | 0x40; // version 4: high nibble of time_hi, stored little endian
  b[8] = (b[8] & 0x3f) | 0x80;
  u8.set(b, at);
}

/** Hang a new PFS root into the super-root. EEXIST, ENOSPC, EIO, NOTNOW; on success the node, dirty. */
function addRoot(
  fs: Fs,
  label: string,
  fill: (u8: Uint8Array, v: DataView, brefv: DataView) => void,
  tid: number,
): Node | Errno {
  const { tree } = fs;
  const same = fs.findPfs(label);
  if (!(same instanceof Errno)) return EEXIST;
  if (same !== ENOENT) return same;
  const h = dirhash(label);
  const lo = freeKey(tree, fs.suproot, h, LEAVES_INODE);
  if (lo instanceof Errno) return lo;
  const p = tree.place(fs.suproot, h.hi, lo);
  if (p instanceof Errno) return p;
  const full = fs.reserve(PFS_COST, false);
  if (full !== null) return full;

  const boot = label.toLowerCase() === 'boot';
  const u8 = newInodeBlock(ROOT_INUM, ObjType.DIRECTORY, boot ? Comp.AUTOZERO : Comp.LZ4, Check.XXHASH64);
  const v = new DataView(u8.buffer);
  u8[Ino.OP_FLAGS] = OpFlag.PFSROOT;
  v.setUint32(Ino.MODE, 0o755, true);
  const now = fs.nowUs();
  for (const f of [Ino.CTIME, Ino.MTIME, Ino.BTIME]) wr64(v, f, now);
  wr64(v, Ino.IPARENT, ROOT_INUM);
  v.setUint32(Ino.NAME_KEY, lo, true);
  v.setUint32(Ino.NAME_KEY + 4, h.hi, true);
  const methods = childMethods(p);
  const bref = newBref(BrefType.INODE, methods, h.hi, lo, 0);
  bref[Bref.FLAGS] = d.BREF_PFSROOT;
  fill(u8, v, new DataView(bref.buffer));
  u8[Ino.PFS_TYPE] = PfsType.MASTER;
  randomUuid(fs, u8, Ino.PFS_CLID);
  randomUuid(fs, u8, Ino.PFS_FSID);
  const n = new Node(BrefType.INODE, u8, Ino.BLOCKSET, d.SET_COUNT, h.hi, lo, 0, methods);
  setFilename(n, label);
  n.pack();
  tree.insert(p, bref, n, tid);
  return n;
}

const labelFault = (label: string): Errno | null =>
  label.length > 255 ? ENAMETOOLONG : label === '' || label.includes('\0') || label.includes('/') ? EINVAL : null;

const PFS_TYPES: ReadonlySet<number> = new Set([
  PfsType.CACHE,
  PfsType.SLAVE,
  PfsType.SOFT_SLAVE,
  PfsType.SOFT_MASTER,
  PfsType.MASTER,
]);

export function* pfsCreate(fs: Fs, label: string, o: H2PfsOptions = {}): Blocking<Errno | null> {
  const bad = labelFault(label);
  if (bad !== null) return bad;
  const type = o.type ?? PfsType.MASTER;
  if (!PFS_TYPES.has(type) || (o.clid !== undefined && o.clid.length !== 16)) return EINVAL;
  const r = yield* fs.change(null, () => {
    const n = addRoot(fs, label, () => {}, 0);
    if (n instanceof Errno) return n;
    n.u8[Ino.PFS_TYPE] = type;
    if (o.clid !== undefined) n.u8.set(o.clid, Ino.PFS_CLID);
    return n;
  });
  return r instanceof Errno ? r : yield* fs.sync();
}

export function* pfsDelete(fs: Fs, label: string): Blocking<Errno | null> {
  const r = yield* fs.change(null, (): Errno | null => {
    if (fs.mounts.has(label)) return EBUSY;
    const n = fs.findPfs(label);
    if (n instanceof Errno) return n;
    const full = fs.reserve(PFS_COST, true);
    if (full !== null) return full;
    const p = n.parent as Node;
    fs.tree.remove(p, p.slotOfKid(n), 0);
    return null;
  });
  return r !== null ? r : yield* fs.sync();
}

/**
 * Write what the PFS has dirty, then give its root's blockrefs to a second root: both lead to the same blocks, and neither
 * will ever overwrite one.
 */
export function* snapshot(fs: Fs, label: string, snapLabel: string): Blocking<Errno | null> {
  const bad = labelFault(snapLabel);
  if (bad !== null) return bad;
  for (;;) {
    // Everything that has to be read, and what can be refused, first.
    const src = yield* fs.change(null, (): Node | Errno => {
      const n = fs.findPfs(label);
      if (n instanceof Errno) return n;
      const same = fs.findPfs(snapLabel);
      if (!(same instanceof Errno)) return EEXIST;
      if (same !== ENOENT) return same;
      return typeOf(n) === ObjType.DIRECTORY ? n : ENOTDIR;
    });
    if (src instanceof Errno) return src;
    const r = yield* fs.exclusive(() => snapshotNow(fs, src, snapLabel));
    if (r !== NOTNOW) return r;
    const e = yield* fs.tree.load();
    if (e !== null) return e;
  }
}

function* snapshotNow(fs: Fs, src: Node, snapLabel: string): Blocking<Errno | null> {
  if (fs.readonly) return EROFS;
  if (src.gone) return ENOENT;
  const full = fs.reserve(PFS_COST, false);
  if (full !== null) return full;
  fs.headerDue = true;
  const e = yield* writeTree(fs, src);
  if (e !== null) return e;
  if (src.gone) return ENOENT;
  const tid = src.pfs?.take() ?? 0;
  const n = addRoot(
    fs,
    snapLabel,
    (u8, v, brefv) => {
      // As the source in everything but its identity (the reference forgets mode, owner, times and compression).
      u8.set(src.u8.subarray(0, Ino.IPARENT));
      u8.set(src.u8.subarray(Ino.BLOCKSET), Ino.BLOCKSET);
      u8[Ino.COMP_ALGO] = src.u8[Ino.COMP_ALGO];
      u8[Ino.CHECK_ALGO] = src.u8[Ino.CHECK_ALGO];
      u8[Ino.PFS_SUBTYPE] = 1;
      u8[Ino.OP_FLAGS] |= OpFlag.PFSROOT;
      wr64(v, Ino.PFS_INUM, rd64(src.v, Ino.PFS_INUM) + 1);
      wr64(v, Ino.PFS_LSNAP_TID, tid);
      for (const f of [
        Ino.DATA_QUOTA,
        Ino.DATA_USED,
        Ino.INODE_QUOTA,
        Ino.INODE_USED,
        Ino.QUOTA_STATE,
        Ino.QUOTA_BUILD,
      ]) {
        u8.set(src.u8.subarray(f, f + 8), f);
      }
      wr64(v, Ino.ORPHAN_NEXT, rd64(src.v, Ino.ORPHAN_NEXT));
      wr64(brefv, BrefStats.DATA_COUNT, statOf(src, BrefStats.DATA_COUNT));
      wr64(brefv, BrefStats.INODE_COUNT, statOf(src, BrefStats.INODE_COUNT));
    },
    tid,
  );
  if (n instanceof Errno) return n;
  wr64(src.v, Ino.PFS_LSNAP_TID, tid);
  fs.tree.markDirty(src, tid);
  return yield* flushAll(fs);
}

/** Managed bytes of a volume of this size: what 3.1 and the boot and aux areas leave. */
export function managedBytes(h: DataView, total: number): number {
  const boot = rd64(h, Vol.BOOT_END) - rd64(h, Vol.BOOT_BEG);
  const aux = rd64(h, Vol.AUX_END) - rd64(h, Vol.AUX_BEG);
  return total - Math.ceil(total / d.GIB) * d.RESERVED_BYTES - boot - aux;
}

export function* growfs(fs: Fs, want: number): Blocking<{ sizeBytes: number; modified: boolean } | Errno> {
  if (fs.readonly || fs.space === null) return EROFS;
  const { vols } = fs.io;
  if (vols.vols.length !== 1) return EINVAL;
  const vol = vols.vols[0];
  const asked = want === 0 ? vol.dev.sizeBytes : want;
  if (!Number.isSafeInteger(asked) || asked > vol.dev.sizeBytes) return EINVAL;
  const size = Math.floor(asked / d.VOLUME_ALIGN) * d.VOLUME_ALIGN;
  const old = vol.sizeBytes;
  if (size < old) return want === 0 ? { sizeBytes: old, modified: false } : EINVAL;
  if (size === old) return { sizeBytes: old, modified: false };
  const { space } = fs;
  const r = yield* fs.exclusive(function* (): Blocking<Errno | null> {
    // A header copy on ground that is new must not be taken for one of ours.
    const zero = new Uint8Array(d.PBUFSIZE);
    for (let i = 0; i < d.NUM_VOLHDRS; i++) {
      const off = i * d.ZONE_BYTES;
      if (off < old || off + d.PBUFSIZE > size) continue;
      const e = yield* vol.dev.write(off, zero);
      if (e !== null) return e;
    }
    const h = fs.header;
    const delta = managedBytes(h, size) - managedBytes(h, old);
    vol.sizeBytes = size;
    vols.totalBytes = size;
    wr64(h, Vol.VOLU_SIZE, size);
    if (rd64(h, Vol.TOTAL_SIZE) !== 0) wr64(h, Vol.TOTAL_SIZE, size);
    wr64(h, Vol.ALLOCATOR_SIZE, rd64(h, Vol.ALLOCATOR_SIZE) + delta);
    const e = yield* space.grow(old, size, delta);
    if (e !== null) return e;
    fs.headerDue = true;
    return yield* flushAll(fs);
  });
  if (r !== null) return r;
  return { sizeBytes: size, modified: true };
}
