/**
 * HAMMER2 mounts and vnodes: one vnode an inode number, found again as long as it is used, named, mapped or dirty.
 *
 * The library holds inode, names and data (api.ts); the vnode's `va` is a copy of its attributes, renewed after every
 * operation that changes them. A vnode holds its inode (H2Pfs.hold), so that a file without a name lives as long as
 * somebody uses it, maps it or has pages of it to write.
 *
 * Counterpart: hammer2_igetv() in sys/vfs/hammer2/hammer2_inode.c
 */
import type { Blocking } from '../../sys/blocking.js';
import { Errno } from '../../sys/errno.js';
import { vmObjectClean } from '../../vm/vm_pageout.js';
import { type VmObject, vmObjectAlloc, vmObjectDeref } from '../../vm/vm_object.js';
import type { Mount } from '../mount.js';
import { Vattr, Vnode, VType } from '../vnode.js';
import type { VopOps } from '../vop.js';
import type { H2Attr, H2Pfs } from './api.js';
import { ObjType, PBUFSIZE } from './disk.js';
import { Hammer2Pager } from './hammer2_pager.js';

/** VType by ObjType. */
export function vtypeOf(t: number): VType {
  switch (t) {
    case ObjType.DIRECTORY:
      return VType.VDIR;
    case ObjType.REGFILE:
      return VType.VREG;
    case ObjType.FIFO:
      return VType.VFIFO;
    case ObjType.CDEV:
      return VType.VCHR;
    case ObjType.BDEV:
      return VType.VBLK;
    case ObjType.SOFTLINK:
      return VType.VLNK;
    case ObjType.SOCKET:
      return VType.VSOCK;
    default:
      return VType.VBAD;
  }
}

/** ObjType by VType. */
export function objTypeOf(t: VType): ObjType {
  switch (t) {
    case VType.VDIR:
      return ObjType.DIRECTORY;
    case VType.VREG:
      return ObjType.REGFILE;
    case VType.VFIFO:
      return ObjType.FIFO;
    case VType.VCHR:
      return ObjType.CDEV;
    case VType.VBLK:
      return ObjType.BDEV;
    case VType.VLNK:
      return ObjType.SOFTLINK;
    case VType.VSOCK:
      return ObjType.SOCKET;
    default:
      return ObjType.UNKNOWN;
  }
}

const usecSec = (us: number): number => Math.floor(us / 1e6);
const usecNsec = (us: number): number => (us % 1e6) * 1000;

/** dev_t of 32 bits from the two numbers the inode keeps, and back. */
const toRdev = (major: number, minor: number): number =>
  (((minor & 0xffff00) << 8) | ((major & 0xff) << 8) | (minor & 0xff)) >>> 0;
export const rdevMajor = (rdev: number): number => (rdev >>> 8) & 0xff;
export const rdevMinor = (rdev: number): number => ((rdev >>> 8) & 0xffff00) | (rdev & 0xff);

/** Renew a vnode's attributes from the library's. */
export function applyAttr(va: Vattr, a: H2Attr): void {
  va.mode = a.mode;
  va.nlink = a.nlinks;
  va.uid = a.uid;
  va.gid = a.gid;
  va.ino = a.inum;
  va.size = a.size;
  va.bytes = a.dataBytes;
  va.blksize = PBUFSIZE;
  va.flags = a.uflags;
  va.gen = 1;
  if (a.type === ObjType.CDEV || a.type === ObjType.BDEV) va.rdev = toRdev(a.rmajor, a.rminor);
  // There is no stored atime: mtime stands for it.
  va.mtimeSec = va.atimeSec = usecSec(a.mtimeUs);
  va.mtimeNsec = va.atimeNsec = usecNsec(a.mtimeUs);
  va.ctimeSec = usecSec(a.ctimeUs);
  va.ctimeNsec = usecNsec(a.ctimeUs);
}

/** What a vnode's `data` is. */
export class Hammer2Node {
  /** Pages were written through mappings since they were last given to the library. */
  dirty = false;
  vp: Vnode = null as unknown as Vnode;
  constructor(
    readonly h: Hammer2Vfs,
    readonly inum: number,
  ) {}
}

export const nodeOf = (vp: Vnode): Hammer2Node => vp.data as Hammer2Node;

/** A mount as the VFS has it: the library's PFS and the vnodes made of it. */
export class Hammer2Vfs {
  readonly vnodes = new Map<number, Vnode>();
  /** Block buffers not in use. */
  private readonly scratch: Uint8Array[] = [];

  constructor(
    readonly m: H2Pfs,
    readonly mp: Mount,
    private readonly vops: VopOps,
  ) {}

  /** The vnode of an inode. Sleeps: on a cache miss. */
  *getVnode(inum: number): Blocking<Vnode | Errno> {
    const old = this.vnodes.get(inum);
    if (old !== undefined) return old;
    const a = yield* this.m.getattr(inum);
    if (a instanceof Errno) return a;
    return this.vnodes.get(inum) ?? this.made(a);
  }

  /** The same without sleeping, or NOTNOW. */
  tryVnode(inum: number): Vnode | Errno {
    const old = this.vnodes.get(inum);
    if (old !== undefined) return old;
    const a = this.m.tryGetattr(inum);
    return a instanceof Errno ? a : this.made(a);
  }

  private made(a: H2Attr): Vnode {
    const va = new Vattr();
    applyAttr(va, a);
    const node = new Hammer2Node(this, a.inum);
    const vp = new Vnode(vtypeOf(a.type), this.mp, this.vops, node, va);
    node.vp = vp;
    this.m.hold(a.inum);
    this.vnodes.set(a.inum, vp);
    return vp;
  }

  takeScratch(): Uint8Array {
    return this.scratch.pop() ?? new Uint8Array(PBUFSIZE);
  }
  putScratch(b: Uint8Array): void {
    if (this.scratch.length < 8) this.scratch.push(b);
  }

  /** Give what mappings have changed to the library, and forget vnodes that nobody needs. Sleeps. */
  *clean(): Blocking<Errno | null> {
    let error: Errno | null = null;
    for (const vp of [...this.vnodes.values()]) {
      error = (yield* cleanNode(nodeOf(vp))) ?? error;
      idle(vp);
    }
    return error;
  }

  /** Does a mapping keep a file of this mount? */
  get mapped(): boolean {
    for (const vp of this.vnodes.values()) if (vp.object !== null && vp.object.refs > 1) return true;
    return false;
  }

  /** Unmount. */
  release(): void {
    for (const vp of [...this.vnodes.values()]) forget(vp);
  }
}

/** Renew `va` without asking the disk: the library has an inode in hand that an operation has just changed. */
export function refresh(vp: Vnode): void {
  const { h, inum } = nodeOf(vp);
  const a = h.m.tryGetattr(inum);
  if (!(a instanceof Errno)) applyAttr(vp.va, a);
}

/** Write dirty pages to the library. Sleeps: on cache misses, and when too much is dirty. */
export function* cleanNode(node: Hammer2Node): Blocking<Errno | null> {
  const o = node.vp.object;
  if (o === null || !node.dirty) return null;
  // What is written meanwhile makes it dirty again.
  node.dirty = false;
  const e = yield* vmObjectClean(o, 0, Infinity);
  if (e !== null) node.dirty = true;
  refresh(node.vp);
  return e;
}

/** Nobody uses or names it: forget it, unless a mapping or an unwritten page needs it. */
export function idle(vp: Vnode): void {
  if (vp.usecount > 0 || vp.ncCount > 0 || nodeOf(vp).dirty) return;
  if (vp.object !== null && vp.object.refs > 1) return;
  forget(vp);
}

/** Drop a vnode and its cached pages. */
export function forget(vp: Vnode): void {
  const { h, inum } = nodeOf(vp);
  if (h.vnodes.get(inum) !== vp) return;
  h.vnodes.delete(inum);
  const o = vp.object;
  vp.object = null;
  if (o !== null) vmObjectDeref(o);
  h.m.drop(inum);
}

/** The file's object, made on first use. */
export function objectOf(vp: Vnode): VmObject {
  vp.object ??= vmObjectAlloc('vnode', new Hammer2Pager(nodeOf(vp)), vp.va.size);
  return vp.object;
}
