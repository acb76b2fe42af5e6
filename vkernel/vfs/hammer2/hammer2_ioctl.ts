/**
 * HAMMER2's ioctls, on any file of a mount: what hammer2(8) works through.
 *
 * Numbers and structures are those of DragonFly (hammer2.md section 20); the argument is copied in and out by the caller.
 * Counterpart: sys/vfs/hammer2/hammer2_ioctl.c
 */
import { tsleep, WaitQ } from '../../kern/lwkt_thread.js';
import type { Lwp } from '../../kern/proc.js';
import type { Blocking } from '../../sys/blocking.js';
import {
  EBUSY,
  EINVAL,
  ENAMETOOLONG,
  ENOENT,
  ENOSPC,
  ENOTDIR,
  EOPNOTSUPP,
  EPERM,
  ERANGE,
  Errno,
} from '../../sys/errno.js';
import { copyoutB } from '../../vm/vm_user.js';
import type { Mount } from '../mount.js';
import { cacheUnlink, type Namecache } from '../namecache.js';
import { type Vnode, VType } from '../vnode.js';
import type { PfsInfo } from './device.js';
import { dirhash } from './dirhash.js';
import { type Check, type Comp, Ino, latin1, ObjType } from './disk.js';
import { idle, nodeOf, refresh } from './hammer2_node.js';

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

/** struct hammer2_ioc_recover */
const enum IocRecover {
  FLAGS = 0, // u32: 1 relaxed, 2 file
  COUNT = 8, // u64, out
  PATH = 16, // char[1024], from the root of a PFS
}
/** Inodes a search notes at most. */
const RECOVER_INODES = 100_000;

/** struct hammer2_ioc_destroy */
const enum IocDestroy {
  CMD = 0, // u32: 1 file, 2 inum
  PATH = 4, // char[256], one name
  INUM = 264, // u64
}

/** struct hammer2_ioc_scrub, and its entries */
const enum IocScrub {
  RATE = 0, // u64, in: bytes a second; 0: as fast as it goes
  BLOCKS = 8, // u64, out, as all others
  BYTES = 16,
  INODES = 24,
  UNCHECKED = 32,
  ERRORS = 40,
  LISTED = 48, // u32
  LIST = 64, // SCRUB_LISTED entries of 320 bytes: disk offset, inode, file offset (u64), type (u64), char pfs[64], what[224]
  ENTRY = 320,
}
const SCRUB_LISTED = 24;

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

const VOLUME_ENTRY = 1048;
const ALL_ONES = 0xffff_ffff_ffff_ffffn;

const put64 = (v: DataView, at: number, n: number): void => v.setBigUint64(at, BigInt(Math.max(0, n)), true);
const bytesOf = (v: DataView): Uint8Array => new Uint8Array(v.buffer, v.byteOffset, v.byteLength);

function getName(v: DataView, at: number, max: number): string {
  const b = bytesOf(v);
  let n = 0;
  while (n < max && b[at + n] !== 0) n++;
  return latin1(b, at, n);
}

function putName(v: DataView, at: number, max: number, s: string): void {
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
function* pfsGet(vp: Vnode, v: DataView): Blocking<number | Errno> {
  const { m } = nodeOf(vp).h;
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

function* pfsLookup(vp: Vnode, v: DataView): Blocking<number | Errno> {
  const list = yield* nodeOf(vp).h.m.device.pfsList();
  if (list instanceof Errno) return list;
  const label = getName(v, IocPfs.NAME, IocPfs.NAME_LEN);
  const p = list.find((x) => x.label === label);
  if (p === undefined) return ENOENT;
  putPfs(v, p, ALL_ONES);
  return 0;
}

function* pfsOp(vp: Vnode, v: DataView, op: 'create' | 'delete' | 'snapshot'): Blocking<number | Errno> {
  const { h } = nodeOf(vp);
  const { device, label: own } = h.m;
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
    return e ?? (yield* pfsLookup(vp, v));
  }
  // What mappings have written belongs to the state the snapshot shows.
  const e = (yield* h.clean()) ?? (yield* device.snapshot(own, label));
  return e ?? (yield* pfsLookup(vp, v));
}

function* inodeGet(vp: Vnode, v: DataView): Blocking<number | Errno> {
  const { h, inum } = nodeOf(vp);
  const a = yield* h.m.getattr(inum);
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
    const q = yield* h.m.quota(inum);
    if (q instanceof Errno) return q;
    put64(v, at + Ino.DATA_QUOTA, q.dataBytes);
    put64(v, at + Ino.DATA_USED, q.usedBytes);
    put64(v, at + Ino.INODE_QUOTA, q.inodes);
    put64(v, at + Ino.INODE_USED, q.usedInodes);
    v.setUint8(at + Ino.QUOTA_STATE, q.active ? 1 : 0);
  }
  put64(v, IocInode.DATA_COUNT, a.dataBytes);
  put64(v, IocInode.INODE_COUNT, inum === h.m.rootInum ? h.m.statfs().files : 0);
  return 0;
}

function* inodeSet(vp: Vnode, v: DataView): Blocking<number | Errno> {
  const { h, inum } = nodeOf(vp);
  const flags = v.getUint32(IocInode.FLAGS, true);
  if ((flags & ~(IOC_INODE_IQUOTA | IOC_INODE_DQUOTA | IOC_INODE_CHECK | IOC_INODE_COMP)) !== 0) return EOPNOTSUPP;
  const comp = v.getUint8(IocInode.DATA + Ino.COMP_ALGO);
  const check = v.getUint8(IocInode.DATA + Ino.CHECK_ALGO) & 15;
  if (check > 4 || (comp & 15) > 3) return EINVAL;
  let e: Errno | null = null;
  if ((flags & IOC_INODE_CHECK) !== 0) e = yield* h.m.setcheck(inum, check as Check);
  if (e === null && (flags & IOC_INODE_COMP) !== 0) e = yield* h.m.setcomp(inum, (comp & 15) as Comp, comp >> 4);
  if (e === null && (flags & (IOC_INODE_IQUOTA | IOC_INODE_DQUOTA)) !== 0) {
    const limit = (flag: number, at: number): number | undefined =>
      (flags & flag) !== 0 ? Number(v.getBigUint64(IocInode.DATA + at, true)) : undefined;
    // What mappings have written counts, too.
    e =
      (yield* h.clean()) ??
      (yield* h.m.setquota(inum, {
        dataBytes: limit(IOC_INODE_DQUOTA, Ino.DATA_QUOTA),
        inodes: limit(IOC_INODE_IQUOTA, Ino.INODE_QUOTA),
      }));
  }
  refresh(vp);
  return e ?? 0;
}

function* bulkfree(vp: Vnode, v: DataView): Blocking<number | Errno> {
  const { device } = nodeOf(vp).h.m;
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

function* growfs(vp: Vnode, v: DataView): Blocking<number | Errno> {
  const want = v.getBigUint64(0, true);
  if (want > BigInt(Number.MAX_SAFE_INTEGER)) return ERANGE;
  const r = yield* nodeOf(vp).h.m.device.growfs(Number(want));
  if (r instanceof Errno) return r;
  put64(v, 0, r.sizeBytes);
  v.setInt32(8, r.modified ? 1 : 0, true);
  return 0;
}

/** Pointer at 0 and room at 8 of an array of volumes in user memory. */
function* volumeList(vp: Vnode, v: DataView, lwp: Lwp): Blocking<number | Errno> {
  const { m } = nodeOf(vp).h;
  const { devs } = m.device;
  const user = Number(v.getBigUint64(0, true));
  const room = v.getInt32(8, true);
  if (room < devs.length) return ENOSPC;
  let offset = 0;
  for (let i = 0; i < devs.length; i++) {
    const entry = new DataView(new ArrayBuffer(VOLUME_ENTRY));
    putName(entry, 0, 1024, `/dev/${devs[i].name}`);
    entry.setInt32(1024, i, true);
    put64(entry, 1032, offset);
    put64(entry, 1040, devs[i].sizeBytes);
    offset += devs[i].sizeBytes;
    const e = yield* copyoutB(lwp.proc.vm, bytesOf(entry), 0, user + i * VOLUME_ENTRY, VOLUME_ENTRY);
    if (e !== null) return e;
  }
  v.setInt32(8, devs.length, true);
  v.setUint32(12, 2, true);
  putName(v, 16, 256, m.label);
  return 0;
}

/** Entries of the name cache that lead to a vnode. */
function namesOf(mp: Mount, vp: Vnode): Namecache[] {
  const out: Namecache[] = [];
  const stack = mp.root === null ? [] : [mp.root];
  for (let n = stack.pop(); n !== undefined; n = stack.pop()) {
    if (n.vp === vp) out.push(n);
    if (n.children !== null) stack.push(...n.children.values());
  }
  return out;
}
const unname = (ncp: Namecache | undefined): void => {
  if (ncp !== undefined && ncp.mountedHere === null) cacheUnlink(ncp);
};

function* destroy(vp: Vnode, v: DataView): Blocking<number | Errno> {
  const { h, inum } = nodeOf(vp);
  const cmd = v.getUint32(IocDestroy.CMD, true);
  if (cmd === 1) {
    const name = getName(v, IocDestroy.PATH, 256);
    const e = yield* h.m.destroyEntry(inum, name);
    refresh(vp);
    if (e === null) for (const ncp of namesOf(h.mp, vp)) unname(ncp.children?.get(name));
    return e ?? 0;
  }
  if (cmd !== 2) return EINVAL;
  const target = v.getBigUint64(IocDestroy.INUM, true);
  if (target > BigInt(Number.MAX_SAFE_INTEGER)) return ENOENT;
  // A vnode that is in use keeps its inode; one that is only cached lets go.
  const cached = h.vnodes.get(Number(target));
  if (cached !== undefined) {
    const names = namesOf(h.mp, cached);
    if (cached.usecount > 0 || names.some((n) => n.refs > 0 || n === h.mp.root)) return EBUSY;
    for (const ncp of names) unname(ncp);
    idle(cached);
  }
  return (yield* h.m.destroyInode(Number(target))) ?? 0;
}

const scrubQ = new WaitQ();
/** Sleep so long that the bytes read are no more than `rate` a second. */
const pacer = (rate: number): ((bytes: number) => Blocking<void>) =>
  function* (bytes): Blocking<void> {
    yield* tsleep(scrubQ, 'h2scrb', 0, rate > 0 ? Math.ceil((bytes * 1e9) / rate) : 1);
  };

/** Into the directory of the descriptor. */
function* recover(vp: Vnode, v: DataView): Blocking<number | Errno> {
  const { h, inum } = nodeOf(vp);
  if (vp.type !== VType.VDIR) return ENOTDIR;
  const flags = v.getUint32(IocRecover.FLAGS, true);
  const r = yield* h.m.device.undelete(getName(v, IocRecover.PATH, 1024), h.m, inum, {
    relaxed: (flags & 1) !== 0,
    file: (flags & 2) !== 0,
    maxInodes: RECOVER_INODES,
    pause: pacer(0),
  });
  refresh(vp);
  // Names are there that the name cache may know as missing.
  for (const stack = h.mp.root === null ? [] : [h.mp.root]; ;) {
    const n = stack.pop();
    if (n === undefined) break;
    if (n.vp === null && n.refs === 0) n.resolved = false;
    if (n.children !== null) stack.push(...n.children.values());
  }
  if (r instanceof Errno) return r;
  put64(v, IocRecover.COUNT, r);
  return 0;
}

function* scrub(vp: Vnode, v: DataView): Blocking<number | Errno> {
  const { h } = nodeOf(vp);
  const rate = Number(v.getBigUint64(IocScrub.RATE, true));
  const r = yield* h.m.device.scrub({ pause: pacer(rate) });
  if (r instanceof Errno) return r;
  put64(v, IocScrub.BLOCKS, r.blocks);
  put64(v, IocScrub.BYTES, r.bytes);
  put64(v, IocScrub.INODES, r.inodes);
  put64(v, IocScrub.UNCHECKED, r.unchecked);
  put64(v, IocScrub.ERRORS, r.errorCount);
  const list = r.errors.slice(0, SCRUB_LISTED);
  v.setUint32(IocScrub.LISTED, list.length, true);
  for (const [i, x] of list.entries()) {
    const at = IocScrub.LIST + i * IocScrub.ENTRY;
    put64(v, at, x.diskOffset);
    put64(v, at + 8, x.inum);
    put64(v, at + 16, x.fileOffset);
    put64(v, at + 24, x.type);
    putName(v, at + 32, 64, x.pfs);
    putName(v, at + 96, 224, x.what);
  }
  return 0;
}

/** Those that only root may use. */
const privileged: ReadonlySet<number> = new Set([
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

/** EOPNOTSUPP for numbers it does not know, as the reference. Sleeps. */
export function* hammer2Ioctl(vp: Vnode, cmd: number, v: DataView, lwp: Lwp): Blocking<number | Errno> {
  if (privileged.has(cmd) && lwp.proc.cred.uid !== 0) return EPERM;
  switch (cmd) {
    case HAMMER2IOC_VERSION_GET:
      v.setUint32(0, 2, true);
      return 0;
    case HAMMER2IOC_PFS_GET:
      return yield* pfsGet(vp, v);
    case HAMMER2IOC_PFS_LOOKUP:
      return yield* pfsLookup(vp, v);
    case HAMMER2IOC_PFS_CREATE:
      return yield* pfsOp(vp, v, 'create');
    case HAMMER2IOC_PFS_DELETE:
      return yield* pfsOp(vp, v, 'delete');
    case HAMMER2IOC_PFS_SNAPSHOT:
      return yield* pfsOp(vp, v, 'snapshot');
    case HAMMER2IOC_INODE_GET:
      return yield* inodeGet(vp, v);
    case HAMMER2IOC_INODE_SET:
      return yield* inodeSet(vp, v);
    case HAMMER2IOC_BULKFREE_SCAN:
    case HAMMER2IOC_BULKFREE_ASYNC:
      return yield* bulkfree(vp, v);
    case HAMMER2IOC_DESTROY:
      return yield* destroy(vp, v);
    case HAMMER2IOC_RECOVER:
      return yield* recover(vp, v);
    case HAMMER2IOC_SCRUB:
      return yield* scrub(vp, v);
    case HAMMER2IOC_EMERG_MODE:
      nodeOf(vp).h.m.device.setEmergency(v.getInt32(0, true) !== 0);
      return 0;
    case HAMMER2IOC_GROWFS:
      return yield* growfs(vp, v);
    case HAMMER2IOC_VOLUME_LIST:
      return yield* volumeList(vp, v, lwp);
    default:
      return EOPNOTSUPP;
  }
}
