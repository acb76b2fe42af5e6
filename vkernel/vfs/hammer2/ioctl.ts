/**
 * HAMMER2's ioctls as far as they concern the library alone: the kernel's VFS and FUSE answer them alike.
 *
 * Numbers and structures are those of DragonFly (hammer2.md section 20).
 * Counterpart: sys/vfs/hammer2/hammer2_ioctl.c
 */
import type { Blocking } from '../../sys/blocking.js';
import { EINVAL, ENAMETOOLONG, ENOENT, EOPNOTSUPP, ERANGE, Errno } from '../../sys/errno.js';
import type { H2Pfs } from './api.js';
import type { PfsInfo } from './device.js';
import { dirhash } from './dirhash.js';
import { type Check, type Comp, Ino, latin1, ObjType } from './disk.js';

/** The file an ioctl is for: a vnode's, or a node's of FUSE. */
export interface IocFile {
  readonly m: H2Pfs;
  readonly inum: number;
  /** Write out what mappings have changed. */
  clean(): Blocking<Errno | null>;
}

/** _IOWR('h', n, size) */
const iowr = (n: number, size: number): number => (0xc0000000 | (size << 16) | 0x6800 | n) >>> 0;

export const HAMMER2IOC_VERSION_GET = iowr(64, 256);
export const HAMMER2IOC_PFS_GET = iowr(80, 320);
export const HAMMER2IOC_PFS_CREATE = iowr(81, 320);
export const HAMMER2IOC_PFS_DELETE = iowr(82, 320);
export const HAMMER2IOC_PFS_LOOKUP = iowr(83, 320);
export const HAMMER2IOC_PFS_SNAPSHOT = iowr(84, 320);
export const HAMMER2IOC_INODE_GET = iowr(86, 1056);
export const HAMMER2IOC_INODE_SET = iowr(87, 1056);
export const HAMMER2IOC_BULKFREE_SCAN = iowr(92, 64);
export const HAMMER2IOC_BULKFREE_ASYNC = iowr(93, 64);
export const HAMMER2IOC_DESTROY = iowr(94, 272);
export const HAMMER2IOC_EMERG_MODE = iowr(95, 4);
export const HAMMER2IOC_GROWFS = iowr(96, 72);
export const HAMMER2IOC_VOLUME_LIST = iowr(97, 272);

/** Ours. */
export const HAMMER2IOC_SCRUB = iowr(120, 7744);

export const HAMMER2IOC_RECOVER = iowr(121, 1040);

/** struct hammer2_ioc_pfs */
const enum IocPfs {
  NAME_KEY = 0, // u64
  NAME_NEXT = 8, // u64
  PFS_TYPE = 16, // u8
  PFS_SUBTYPE = 17, // u8
  FSID = 32, // uuid
  CLID = 48, // uuid
  NAME = 64, // char[256]
  NAME_LEN = 256,
}

/** struct hammer2_ioc_inode */
const enum IocInode {
  FLAGS = 0, // u32: 1 inode quota, 2 data quota, 8 check, 16 comp
  DATA_COUNT = 16, // u64
  INODE_COUNT = 24, // u64
  DATA = 32, // inode, 1024 bytes; only the meta part is filled
  META = 256,
}
const IOC_INODE_IQUOTA = 1;
const IOC_INODE_DQUOTA = 2;
const IOC_INODE_CHECK = 8;
const IOC_INODE_COMP = 16;

/** struct hammer2_ioc_bulkfree */
const enum IocBulkfree {
  SBASE = 0, // u64
  SSTOP = 8, // u64, out
  SIZE = 16, // u64: memory
  ALLOCATED = 24, // u64
  FREED = 32, // u64
  TOTAL_ALLOCATED = 48, // u64
  TOTAL_SCANNED = 56, // u64
}

const ALL_ONES = 0xffff_ffff_ffff_ffffn;

export const put64 = (v: DataView, at: number, n: number): void => v.setBigUint64(at, BigInt(Math.max(0, n)), true);
export const bytesOf = (v: DataView): Uint8Array => new Uint8Array(v.buffer, v.byteOffset, v.byteLength);

export function getName(v: DataView, at: number, max: number): string {
  const b = bytesOf(v);
  let n = 0;
  while (n < max && b[at + n] !== 0) n++;
  return latin1(b, at, n);
}

export function putName(v: DataView, at: number, max: number, s: string): void {
  const b = bytesOf(v);
  b.fill(0, at, at + max);
  for (let i = 0; i < s.length && i < max - 1; i++) b[at + i] = s.charCodeAt(i);
}

/** A uuid in text form as DragonFly stores it. */
function putUuid(v: DataView, at: number, text: string): void {
  const hex = text.replaceAll('-', '');
  const order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
  order.forEach((src, i) => v.setUint8(at + i, parseInt(hex.slice(src * 2, src * 2 + 2), 16)));
}

const pfsKey = (label: string): bigint => {
  const h = dirhash(label);
  return (BigInt(h.hi) << 32n) | BigInt(h.lo);
};

function putPfs(v: DataView, p: PfsInfo, next: bigint): void {
  v.setBigUint64(IocPfs.NAME_KEY, pfsKey(p.label), true);
  v.setBigUint64(IocPfs.NAME_NEXT, next, true);
  v.setUint8(IocPfs.PFS_TYPE, p.type);
  v.setUint8(IocPfs.PFS_SUBTYPE, p.subtype);
  putUuid(v, IocPfs.FSID, p.fsid);
  putUuid(v, IocPfs.CLID, p.clid);
  putName(v, IocPfs.NAME, IocPfs.NAME_LEN, p.label);
}

/** The first PFS with a key of at least name_key; all ones asks for the PFS of the descriptor. */
function* pfsGet(f: IocFile, v: DataView): Blocking<number | Errno> {
  const { m } = f;
  const list = yield* m.device.pfsList();
  if (list instanceof Errno) return list;
  const want = v.getBigUint64(IocPfs.NAME_KEY, true);
  if (want === ALL_ONES) {
    const own = list.find((p) => p.label === m.label);
    if (own === undefined) return ENOENT;
    putPfs(v, own, ALL_ONES);
    return 0;
  }
  const sorted = list.map((p) => ({ p, key: pfsKey(p.label) })).sort((a, b) => (a.key < b.key ? -1 : 1));
  const i = sorted.findIndex((x) => x.key >= want);
  if (i < 0) return ENOENT;
  putPfs(v, sorted[i].p, i + 1 < sorted.length ? sorted[i + 1].key : ALL_ONES);
  return 0;
}

function* pfsLookup(f: IocFile, v: DataView): Blocking<number | Errno> {
  const list = yield* f.m.device.pfsList();
  if (list instanceof Errno) return list;
  const label = getName(v, IocPfs.NAME, IocPfs.NAME_LEN);
  const p = list.find((x) => x.label === label);
  if (p === undefined) return ENOENT;
  putPfs(v, p, ALL_ONES);
  return 0;
}

function* pfsOp(f: IocFile, v: DataView, op: 'create' | 'delete' | 'snapshot'): Blocking<number | Errno> {
  const { device, label: own } = f.m;
  const label = getName(v, IocPfs.NAME, IocPfs.NAME_LEN);
  if (label === '') return EINVAL;
  if (label.length >= IocPfs.NAME_LEN) return ENAMETOOLONG;
  if (op === 'delete') return (yield* device.pfsDelete(label)) ?? 0;
  if (op === 'create') {
    const b = bytesOf(v);
    const clid = b.slice(IocPfs.CLID, IocPfs.CLID + 16);
    const type = b[IocPfs.PFS_TYPE];
    const e = yield* device.pfsCreate(label, {
      ...(type !== 0 ? { type } : {}),
      ...(clid.some((x) => x !== 0) ? { clid } : {}),
    });
    return e ?? (yield* pfsLookup(f, v));
  }
  // What mappings have written belongs to the state the snapshot shows.
  const e = (yield* f.clean()) ?? (yield* device.snapshot(own, label));
  return e ?? (yield* pfsLookup(f, v));
}

function* inodeGet(f: IocFile, v: DataView): Blocking<number | Errno> {
  const { m, inum } = f;
  const a = yield* m.getattr(inum);
  if (a instanceof Errno) return a;
  const b = bytesOf(v);
  b.fill(0, IocInode.DATA, IocInode.DATA + IocInode.META);
  const at = IocInode.DATA;
  v.setUint16(at + Ino.VERSION, 1, true);
  v.setUint32(at + Ino.UFLAGS, a.uflags, true);
  v.setUint32(at + Ino.RMAJOR, a.rmajor, true);
  v.setUint32(at + Ino.RMINOR, a.rminor, true);
  put64(v, at + Ino.CTIME, a.ctimeUs);
  put64(v, at + Ino.MTIME, a.mtimeUs);
  put64(v, at + Ino.BTIME, a.btimeUs);
  v.setUint32(at + Ino.UID, a.uid, true);
  v.setUint32(at + Ino.GID, a.gid, true);
  v.setUint8(at + Ino.TYPE, a.type);
  v.setUint32(at + Ino.MODE, a.mode, true);
  put64(v, at + Ino.INUM, a.inum);
  put64(v, at + Ino.SIZE, a.size);
  put64(v, at + Ino.NLINKS, a.nlinks);
  put64(v, at + Ino.IPARENT, a.iparent);
  v.setUint8(at + Ino.COMP_ALGO, a.comp | (a.compLevel << 4));
  v.setUint8(at + Ino.CHECK_ALGO, a.check);
  if (a.type === ObjType.DIRECTORY) {
    const q = yield* m.quota(inum);
    if (q instanceof Errno) return q;
    put64(v, at + Ino.DATA_QUOTA, q.dataBytes);
    put64(v, at + Ino.DATA_USED, q.usedBytes);
    put64(v, at + Ino.INODE_QUOTA, q.inodes);
    put64(v, at + Ino.INODE_USED, q.usedInodes);
    v.setUint8(at + Ino.QUOTA_STATE, q.active ? 1 : 0);
  }
  put64(v, IocInode.DATA_COUNT, a.dataBytes);
  put64(v, IocInode.INODE_COUNT, inum === m.rootInum ? m.statfs().files : 0);
  return 0;
}

function* inodeSet(f: IocFile, v: DataView): Blocking<number | Errno> {
  const { m, inum } = f;
  const flags = v.getUint32(IocInode.FLAGS, true);
  if ((flags & ~(IOC_INODE_IQUOTA | IOC_INODE_DQUOTA | IOC_INODE_CHECK | IOC_INODE_COMP)) !== 0) return EOPNOTSUPP;
  const comp = v.getUint8(IocInode.DATA + Ino.COMP_ALGO);
  const check = v.getUint8(IocInode.DATA + Ino.CHECK_ALGO) & 15;
  if (check > 4 || (comp & 15) > 3) return EINVAL;
  let e: Errno | null = null;
  if ((flags & IOC_INODE_CHECK) !== 0) e = yield* m.setcheck(inum, check as Check);
  if (e === null && (flags & IOC_INODE_COMP) !== 0) e = yield* m.setcomp(inum, (comp & 15) as Comp, comp >> 4);
  if (e === null && (flags & (IOC_INODE_IQUOTA | IOC_INODE_DQUOTA)) !== 0) {
    const limit = (flag: number, at: number): number | undefined =>
      (flags & flag) !== 0 ? Number(v.getBigUint64(IocInode.DATA + at, true)) : undefined;
    // What mappings have written counts, too.
    e =
      (yield* f.clean()) ??
      (yield* m.setquota(inum, {
        dataBytes: limit(IOC_INODE_DQUOTA, Ino.DATA_QUOTA),
        inodes: limit(IOC_INODE_IQUOTA, Ino.INODE_QUOTA),
      }));
  }
  return e ?? 0;
}

function* bulkfree(f: IocFile, v: DataView): Blocking<number | Errno> {
  const { device } = f.m;
  const memoryBytes = Number(v.getBigUint64(IocBulkfree.SIZE, true));
  const r = yield* device.bulkfree(memoryBytes > 0 ? { memoryBytes } : {});
  if (r instanceof Errno) return r;
  put64(
    v,
    IocBulkfree.SSTOP,
    device.devs.reduce((n, d) => n + d.sizeBytes, 0),
  );
  put64(v, IocBulkfree.ALLOCATED, r.allocatedBytes);
  put64(v, IocBulkfree.FREED, r.freedBytes);
  put64(v, IocBulkfree.TOTAL_ALLOCATED, r.allocatedBytes);
  put64(v, IocBulkfree.TOTAL_SCANNED, r.scannedBlocks);
  return 0;
}

function* growfs(f: IocFile, v: DataView): Blocking<number | Errno> {
  const want = v.getBigUint64(0, true);
  if (want > BigInt(Number.MAX_SAFE_INTEGER)) return ERANGE;
  const r = yield* f.m.device.growfs(Number(want));
  if (r instanceof Errno) return r;
  put64(v, 0, r.sizeBytes);
  v.setInt32(8, r.modified ? 1 : 0, true);
  return 0;
}

/** Those that only root may use. */
export const privileged: ReadonlySet<number> = new Set([
  HAMMER2IOC_PFS_GET,
  HAMMER2IOC_PFS_CREATE,
  HAMMER2IOC_PFS_DELETE,
  HAMMER2IOC_PFS_LOOKUP,
  HAMMER2IOC_PFS_SNAPSHOT,
  HAMMER2IOC_INODE_SET,
  HAMMER2IOC_DESTROY,
  HAMMER2IOC_SCRUB,
  HAMMER2IOC_RECOVER,
  HAMMER2IOC_EMERG_MODE,
  HAMMER2IOC_GROWFS,
  HAMMER2IOC_VOLUME_LIST,
]);

/** The caller has looked at who asks (`privileged`). EOPNOTSUPP for numbers it does not know, as the reference. Sleeps. */
export function* libraryIoctl(f: IocFile, cmd: number, v: DataView): Blocking<number | Errno> {
  switch (cmd) {
    case HAMMER2IOC_VERSION_GET:
      v.setUint32(0, 2, true);
      return 0;
    case HAMMER2IOC_PFS_GET:
      return yield* pfsGet(f, v);
    case HAMMER2IOC_PFS_LOOKUP:
      return yield* pfsLookup(f, v);
    case HAMMER2IOC_PFS_CREATE:
      return yield* pfsOp(f, v, 'create');
    case HAMMER2IOC_PFS_DELETE:
      return yield* pfsOp(f, v, 'delete');
    case HAMMER2IOC_PFS_SNAPSHOT:
      return yield* pfsOp(f, v, 'snapshot');
    case HAMMER2IOC_INODE_GET:
      return yield* inodeGet(f, v);
    case HAMMER2IOC_INODE_SET:
      return yield* inodeSet(f, v);
    case HAMMER2IOC_BULKFREE_SCAN:
    case HAMMER2IOC_BULKFREE_ASYNC:
      return yield* bulkfree(f, v);
    case HAMMER2IOC_EMERG_MODE:
      f.m.device.setEmergency(v.getInt32(0, true) !== 0);
      return 0;
    case HAMMER2IOC_GROWFS:
      return yield* growfs(f, v);
    default:
      return EOPNOTSUPP;
  }
}
