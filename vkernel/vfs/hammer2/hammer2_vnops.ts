/**
 * Vnode operations of HAMMER2, read-only.
 *
 * One vnode an inode number, kept as long as it is used or named. File data are read by logical block (64 KiB,
 * decompressed) into the pages of the vnode's object; pages of holes are not made, reads of them give zeros. The vnode's
 * attributes never change, so stat and permission checks ask nobody.
 *
 * A block is read and checked with no page in hand; pages are then allocated and filled in one go, so there is never a
 * page with half its contents. Threads that want a block that is being read wait for it.
 * Counterpart: sys/vfs/hammer2/hammer2_vnops.c
 */
import type { Ucred } from '../../kern/proc.js';
import { tsleep, wakeup, WaitQ } from '../../kern/lwkt_thread.js';
import { PAGE_SIZE } from '../../machine/ram.js';
import type { Blocking } from '../../sys/blocking.js';
import { EINVAL, EIO, EISDIR, ENODEV, ENOMEM, ENXIO, EOPNOTSUPP, EROFS, Errno, NOTNOW } from '../../sys/errno.js';
import { gd } from '../../sys/globaldata.js';
import type { Uio } from '../../vm/uio.js';
import { type VmObject, vmObjectAlloc, vmObjectDeref, vmObjectTerminate } from '../../vm/vm_object.js';
import { PG, vmPageAllocRun, vmPageHold, vmPageUnhold } from '../../vm/vm_page.js';
import { specClose, specOpen } from '../devfs/cdev.js';
import { fifoClose, fifoOpen } from '../fifofs.js';
import type { Mount } from '../mount.js';
import { type FilePager, vnReadB, vnTryRead } from '../vnode_pager.js';
import { Vattr, Vnode, VType, vtypeToDtype } from '../vnode.js';
import { vopTable } from '../vop.js';
import { ObjType, PBUFSIZE } from './disk.js';
import type { Hammer2Inode } from './inode.js';
import type { Hammer2Mount } from './mount.js';

const PAGES_PER_BLOCK = PBUFSIZE / PAGE_SIZE;

/** VType by ObjType. */
function vtypeOf(t: number): VType {
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

const usecSec = (us: number): number => Math.floor(us / 1e6);
const usecNsec = (us: number): number => (us % 1e6) * 1000;

function attributes(ip: Hammer2Inode): Vattr {
  const va = new Vattr();
  va.mode = ip.mode;
  va.nlink = ip.nlinks;
  va.uid = ip.uid;
  va.gid = ip.gid;
  va.ino = ip.inum;
  va.size = ip.size;
  va.bytes = ip.direct ? 0 : ip.dataBytes;
  va.blksize = PBUFSIZE;
  va.flags = ip.uflags;
  va.gen = 1;
  if (ip.type === ObjType.CDEV || ip.type === ObjType.BDEV) {
    va.rdev = (((ip.rminor & 0xffff00) << 8) | ((ip.rmajor & 0xff) << 8) | (ip.rminor & 0xff)) >>> 0;
  }
  // There is no stored atime: mtime stands for it.
  va.setAtime({ sec: usecSec(ip.mtimeUs), nsec: usecNsec(ip.mtimeUs) });
  va.setMtime({ sec: usecSec(ip.mtimeUs), nsec: usecNsec(ip.mtimeUs) });
  va.setCtime({ sec: usecSec(ip.ctimeUs), nsec: usecNsec(ip.ctimeUs) });
  return va;
}

/** What a vnode's `data` is. */
class Hammer2Node {
  pager: Hammer2Pager | null = null;
  /** Target of a symbolic link once read. */
  link: string | null = null;
  constructor(
    readonly h: Hammer2Vfs,
    readonly ip: Hammer2Inode,
  ) {}
}

const nodeOf = (vp: Vnode): Hammer2Node => vp.data as Hammer2Node;

/** A mount as the VFS has it: the library's mount and the vnodes made of it. */
export class Hammer2Vfs {
  readonly vnodes = new Map<number, Vnode>();
  /** Block buffers not in use. */
  private readonly scratch: Uint8Array[] = [];

  constructor(
    readonly m: Hammer2Mount,
    readonly mp: Mount,
  ) {}

  getVnode(ip: Hammer2Inode): Vnode {
    let vp = this.vnodes.get(ip.inum);
    if (vp === undefined) {
      vp = new Vnode(vtypeOf(ip.type), this.mp, hammer2Vops, new Hammer2Node(this, ip), attributes(ip));
      this.vnodes.set(ip.inum, vp);
    }
    return vp;
  }

  takeScratch(): Uint8Array {
    return this.scratch.pop() ?? new Uint8Array(PBUFSIZE);
  }
  putScratch(b: Uint8Array): void {
    if (this.scratch.length < 8) this.scratch.push(b);
  }

  /** Unmount. */
  release(): void {
    for (const vp of [...this.vnodes.values()]) forget(vp);
  }
}

/** Drop a vnode and its cached pages; mappings may keep the object. */
function forget(vp: Vnode): void {
  const { h, ip } = nodeOf(vp);
  if (h.vnodes.get(ip.inum) === vp) h.vnodes.delete(ip.inum);
  const o = vp.object;
  vp.object = null;
  if (o !== null) vmObjectDeref(o);
}

class Hammer2Pager implements FilePager {
  /** Blocks being read, with who waits for them. */
  private readonly reading = new Map<number, WaitQ>();

  constructor(private readonly node: Hammer2Node) {}

  /** False also when nobody knows without reading the disk. */
  isHole(pindex: number): boolean {
    return this.node.h.m.isHole(this.node.ip, Math.floor(pindex / PAGES_PER_BLOCK)) === true;
  }

  tryGetPage(o: VmObject, pindex: number): number | Errno {
    const { h, ip } = this.node;
    const lbn = Math.floor(pindex / PAGES_PER_BLOCK);
    if (!ip.direct && h.m.isHole(ip, lbn) !== true) return NOTNOW;
    const buf = h.takeScratch();
    let ppn: number | Errno = EIO;
    if (ip.direct) {
      // The bytes are in the inode: this does not sleep.
      const r = h.m.readBlock(ip, lbn, buf, 0).next();
      if (r.done === true) ppn = r.value ?? this.fill(o, pindex, buf, false);
    } else {
      buf.fill(0);
      ppn = this.fill(o, pindex, buf, true);
    }
    h.putScratch(buf);
    return ppn;
  }

  *getPage(o: VmObject, pindex: number): Blocking<number | Errno> {
    const { h, ip } = this.node;
    const lbn = Math.floor(pindex / PAGES_PER_BLOCK);
    for (let q = this.reading.get(lbn); q !== undefined; q = this.reading.get(lbn)) {
      yield* tsleep(q, 'h2read');
      const ppn = gd.vm.pages.lookup(o.id, pindex);
      if (ppn >= 0 && (gd.vm.pages.flags[ppn] & PG.VALID) !== 0) return ppn;
    }
    const q = new WaitQ();
    this.reading.set(lbn, q);
    const buf = h.takeScratch();
    try {
      const e = yield* h.m.readBlock(ip, lbn, buf, 0);
      if (e !== null) return e;
      if (o.id === 0) return EIO; // the mount was taken away by force
      return this.fill(o, pindex, buf, false);
    } finally {
      h.putScratch(buf);
      this.reading.delete(lbn);
      wakeup(q);
    }
  }

  /**
   * Make the pages of a block that are missing from its bytes; `one`: only the one asked for.
   * @returns the page at pindex, or ENOMEM
   */
  private fill(o: VmObject, pindex: number, block: Uint8Array, one: boolean): number | Errno {
    const pages = gd.vm.pages;
    const first = pindex - (pindex % PAGES_PER_BLOCK);
    const end = one
      ? pindex + 1
      : Math.min(first + PAGES_PER_BLOCK, Math.max(Math.ceil(o.sizeBytes / PAGE_SIZE), pindex + 1));
    let wanted = pages.lookup(o.id, pindex);
    if (wanted < 0) {
      wanted = this.fillRun(o, pindex, end, block, first);
      if (wanted < 0) return ENOMEM;
    }
    if (one) return wanted;
    // The others must not be taken at the cost of this one.
    vmPageHold(wanted);
    for (let p = first; p < end; p++) {
      if (pages.freeCount < gd.vm.freeMin) break;
      if (pages.lookup(o.id, p) < 0 && this.fillRun(o, p, end, block, first) < 0) break;
    }
    vmPageUnhold(wanted);
    return wanted;
  }

  /** Pages from `pindex` to the next resident one (or `end`), as many as come in one run; the first, or -1. */
  private fillRun(o: VmObject, pindex: number, end: number, block: Uint8Array, first: number): number {
    const pages = gd.vm.pages;
    let want = 1;
    while (pindex + want < end && pages.lookup(o.id, pindex + want) < 0) want++;
    const ppn = vmPageAllocRun(o, pindex, want, false);
    if (ppn < 0) return -1;
    const got = pages.runLen;
    for (let i = 0; i < got; i++) {
      gd.machine.ram.write((ppn + i) * PAGE_SIZE, block, (pindex + i - first) * PAGE_SIZE, PAGE_SIZE);
      pages.flags[ppn + i] |= PG.VALID;
    }
    gd.vm.counters.vnodein++;
    gd.vm.counters.vnodepgsin += got;
    return ppn;
  }

  /** The vnode let go and so did the last mapping. */
  release(o: VmObject): void {
    vmObjectTerminate(o);
  }
}

/** The file's object, made on first use. */
function objectOf(vp: Vnode): VmObject {
  const node = nodeOf(vp);
  if (vp.object === null) {
    node.pager ??= new Hammer2Pager(node);
    vp.object = vmObjectAlloc('vnode', node.pager, vp.va.size);
  }
  return vp.object;
}

const notFile = (vp: Vnode): Errno => (vp.type === VType.VDIR ? EISDIR : EOPNOTSUPP);

/** SEEK_DATA and SEEK_HOLE by block; what nobody knows without reading the disk counts as data. */
function seekHole(vp: Vnode, off: number, data: boolean): number | Errno {
  const { h, ip } = nodeOf(vp);
  if (off >= ip.size) return ENXIO;
  const end = Math.ceil(ip.size / PBUFSIZE);
  let lbn = Math.floor(off / PBUFSIZE);
  while (lbn < end) {
    if (data) {
      const next = h.m.nextData(ip, lbn);
      if (next instanceof Errno) return next === NOTNOW ? Math.max(off, lbn * PBUFSIZE) : next;
      return next === null || next >= end ? ENXIO : Math.max(off, next * PBUFSIZE);
    }
    if (h.m.isHole(ip, lbn) === true) return Math.max(off, lbn * PBUFSIZE);
    lbn++;
  }
  return ip.size;
}

export const hammer2Vops = vopTable({
  *nresolve(dvp, name) {
    const { h, ip } = nodeOf(dvp);
    const r = yield* h.m.lookup(ip, name);
    return r instanceof Errno ? r : h.getVnode(r);
  },
  *ncreate() {
    return EROFS;
  },
  *nmkdir() {
    return EROFS;
  },
  *nsymlink() {
    return EROFS;
  },
  *nlink() {
    return EROFS;
  },
  *nremove() {
    return EROFS;
  },
  *nrmdir() {
    return EROFS;
  },
  *nrename() {
    return EROFS;
  },
  openIsTrivial: (vp) => vp.type === VType.VREG || vp.type === VType.VDIR,
  *open(vp, flags, fp, lwp) {
    if (vp.type === VType.VFIFO) return fp === null || lwp === null ? EINVAL : yield* fifoOpen(vp, flags, fp, lwp);
    if (vp.type === VType.VCHR || vp.type === VType.VBLK) return yield* specOpen(vp, flags, fp, lwp);
    return null;
  },
  *close(vp, flags) {
    if (vp.type === VType.VFIFO) fifoClose(vp, flags);
    else if (vp.type === VType.VCHR || vp.type === VType.VBLK) return yield* specClose(vp, flags);
    return null;
  },
  tryRead(vp: Vnode, uio: Uio): Errno | null {
    if (vp.type !== VType.VREG) return notFile(vp);
    if (uio.offset >= vp.va.size || uio.resid === 0) return null;
    return vnTryRead(vp, objectOf(vp), uio);
  },
  *read(vp: Vnode, uio: Uio, _ioflag: number, _cred: Ucred) {
    if (vp.type !== VType.VREG) return notFile(vp);
    return yield* vnReadB(vp, objectOf(vp), uio);
  },
  tryWrite: () => EROFS,
  *write() {
    return EROFS;
  },
  *readdir(vp, db) {
    const { h, ip } = nodeOf(vp);
    const before = db.len;
    const e = yield* h.m.readdir(ip, db.cookie, (name, inum, type, next) =>
      db.put(inum, vtypeToDtype(vtypeOf(type)), name, next),
    );
    // What was readable goes out first; the next call meets the error again.
    return db.len > before ? null : e;
  },
  tryReadlink: (vp) => nodeOf(vp).link ?? (vp.type === VType.VLNK ? NOTNOW : EINVAL),
  *readlink(vp) {
    const node = nodeOf(vp);
    const r = yield* node.h.m.readlink(node.ip);
    if (!(r instanceof Errno)) node.link = r;
    return r;
  },
  seekHole,
  getObject: (vp) => (vp.type === VType.VREG ? objectOf(vp) : ENODEV),
  idle: forget,
  reclaim: forget,
});
