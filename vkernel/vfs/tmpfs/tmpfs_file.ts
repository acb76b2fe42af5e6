/**
 * Data of tmpfs files: the pager, reading, writing, truncating.
 *
 * A file unpacked from an archive keeps its bytes there until a page is first touched; `archLen` bytes of `arch` are
 * still valid as the contents of pages that are not resident. Pages that were written are dirty and stay resident: with no
 * putPage the page-out scan leaves them alone.
 *
 * Counterpart: sys/vfs/tmpfs/tmpfs_vnops.c (read, write), sys/vm/vnode_pager.c
 */
import { PAGE_SIZE } from '../../machine/ram.js';
import type { Ucred } from '../../kern/proc.js';
import type { Blocking } from '../../sys/blocking.js';
import { EFBIG, EISDIR, ENOMEM, ENOSPC, ENXIO, EOPNOTSUPP, Errno, NOTNOW } from '../../sys/errno.js';
import { gd } from '../../sys/globaldata.js';
import type { Uio } from '../../vm/uio.js';
import { type VmObject, vmObjectAlloc, vmObjectTerminate } from '../../vm/vm_object.js';
import { PG, vmPageAlloc, vmPageAllocRun } from '../../vm/vm_page.js';
import { MNT_NOATIME, MNT_RDONLY } from '../mount.js';
import {
  type FilePager,
  vnReadB,
  vnSetObjectSize,
  vnTryRead,
  vnTryWrite,
  vnWriteB,
  vnZeroTail,
} from '../vnode_pager.js';
import { S_ISGID, S_ISUID, vfsTimestamp, type Vnode, VType } from '../vnode.js';
import { IO_APPEND } from '../vop.js';
import { type TmpMount, type TmpNode, tmpRoom } from './tmpfs.js';

/** Pages brought in from the archive at a time. */
const READ_AHEAD = 16;

export class TmpPager implements FilePager {
  constructor(
    private arch: Uint8Array | null,
    public archLen: number,
  ) {}

  isHole(pindex: number): boolean {
    return pindex * PAGE_SIZE >= this.archLen;
  }

  /** Archive bytes from `size` on are no longer part of the file. */
  cut(size: number): void {
    if (size >= this.archLen) return;
    this.archLen = size;
    if (size === 0) this.arch = null;
  }

  tryGetPage(o: VmObject, pindex: number): number | Errno {
    const pages = gd.vm.pages;
    if (this.isHole(pindex)) {
      const ppn = vmPageAlloc(o, pindex, true);
      if (ppn < 0) return ENOMEM;
      pages.flags[ppn] |= PG.VALID;
      return ppn;
    }
    const end = Math.ceil(this.archLen / PAGE_SIZE);
    let want = 1;
    while (want < READ_AHEAD && pindex + want < end && pages.lookup(o.id, pindex + want) < 0) want++;
    const ppn = vmPageAllocRun(o, pindex, want, false);
    if (ppn < 0) return ENOMEM;
    const got = pages.runLen;
    const arch = this.arch as Uint8Array;
    const ram = gd.machine.ram;
    for (let i = 0; i < got; i++) {
      const off = (pindex + i) * PAGE_SIZE;
      const n = Math.min(PAGE_SIZE, this.archLen - off);
      const pa = (ppn + i) * PAGE_SIZE;
      ram.write(pa, arch, off, n);
      if (n < PAGE_SIZE) ram.fill(pa + n, 0, PAGE_SIZE - n);
      pages.flags[ppn + i] |= PG.VALID;
    }
    return ppn;
  }

  *getPage(o: VmObject, pindex: number): Blocking<number | Errno> {
    return this.tryGetPage(o, pindex);
  }

  /** The vnode let go and so did the last mapping. */
  release(o: VmObject): void {
    vmObjectTerminate(o);
  }
}

/** The file's object, made on first use. */
export function tmpObject(node: TmpNode): VmObject {
  const vp = node.vp;
  if (vp.object === null) {
    node.pager ??= new TmpPager(null, 0);
    vp.object = vmObjectAlloc('vnode', node.pager, vp.va.size);
  }
  return vp.object;
}

/** Bytes of an archive become the contents of a new file. */
export function tmpSetArchive(node: TmpNode, bytes: Uint8Array): void {
  node.pager = new TmpPager(bytes, bytes.length);
  node.vp.va.size = bytes.length;
}

export function tmpSetSize(node: TmpNode, size: number): Errno | null {
  const vp = node.vp;
  if (size > node.tm.maxFileSize) return EFBIG;
  if (size < vp.va.size) node.pager?.cut(size);
  if (vp.object !== null) vnSetObjectSize(vp.object, size);
  vp.va.size = size;
  return null;
}

function accessed(vp: Vnode): void {
  if ((vp.mount.flags & (MNT_NOATIME | MNT_RDONLY)) === 0) vp.va.setAtime(vfsTimestamp());
}

export function tmpTryRead(vp: Vnode, uio: Uio): Errno | null {
  if (vp.type !== VType.VREG) return vp.type === VType.VDIR ? EISDIR : EOPNOTSUPP;
  const node = vp.data as TmpNode;
  if (uio.offset >= vp.va.size || uio.resid === 0) return null;
  const e = vnTryRead(vp, tmpObject(node), uio);
  if (e === null) accessed(vp);
  return e;
}

export function* tmpRead(vp: Vnode, uio: Uio): Blocking<Errno | null> {
  if (vp.type !== VType.VREG) return vp.type === VType.VDIR ? EISDIR : EOPNOTSUPP;
  const e = yield* vnReadB(vp, tmpObject(vp.data as TmpNode), uio);
  if (e === null) accessed(vp);
  return e;
}

/** How many pages of [from, to) the file does not have yet. */
function missingPages(node: TmpNode, from: number, to: number): number {
  const id = tmpObject(node).id;
  const pages = gd.vm.pages;
  let n = 0;
  for (let p = from; p < to; p++) if (pages.lookup(id, p) < 0) n++;
  return n;
}

/** Checks and gap of a write; answers the errno that ends it, or null. */
function writeStart(node: TmpNode, uio: Uio, ioflag: number): Errno | null {
  const vp = node.vp;
  if (vp.type !== VType.VREG) return vp.type === VType.VDIR ? EISDIR : EOPNOTSUPP;
  if ((ioflag & IO_APPEND) !== 0) uio.offset = vp.va.size;
  const tm: TmpMount = node.tm;
  if (uio.offset + uio.resid > tm.maxFileSize) return EFBIG;
  if (uio.resid === 0) return null;
  const first = Math.floor(uio.offset / PAGE_SIZE);
  const end = Math.ceil((uio.offset + uio.resid) / PAGE_SIZE);
  // So many are missing at least: a write of 2^40 bytes must not be counted page by page.
  if (!tmpRoom(tm, Math.max(0, end - first - tmpObject(node).resident))) return ENOSPC;
  if (!tmpRoom(tm, missingPages(node, first, end))) return ENOSPC;
  if (uio.offset > vp.va.size) vnZeroTail(tmpObject(node), vp.va.size);
  return null;
}

function written(vp: Vnode, cred: Ucred): void {
  const now = vfsTimestamp();
  vp.va.setMtime(now);
  vp.va.setCtime(now);
  if ((vp.va.mode & (S_ISUID | S_ISGID)) !== 0 && cred.uid !== 0) vp.va.mode &= ~(S_ISUID | S_ISGID);
}

/** A write that failed leaves the file as long as it was. */
function unwind(node: TmpNode, size: number): void {
  if (node.vp.va.size > size) tmpSetSize(node, size);
}

export function tmpTryWrite(vp: Vnode, uio: Uio, ioflag: number, cred: Ucred): Errno | null {
  const node = vp.data as TmpNode;
  const size = vp.va.size;
  let e = writeStart(node, uio, ioflag);
  if (e !== null || uio.resid === 0) return e;
  const o = tmpObject(node);
  const resident = o.resident;
  e = vnTryWrite(vp, o, uio);
  node.tm.usedBound += Math.max(0, o.resident - resident);
  if (e !== null) unwind(node, size);
  if (e !== NOTNOW) written(vp, cred);
  return e;
}

export function* tmpWrite(vp: Vnode, uio: Uio, ioflag: number, cred: Ucred): Blocking<Errno | null> {
  const node = vp.data as TmpNode;
  const size = vp.va.size;
  let e = writeStart(node, uio, ioflag);
  if (e !== null || uio.resid === 0) return e;
  const o = tmpObject(node);
  const resident = o.resident;
  e = yield* vnWriteB(vp, o, uio);
  node.tm.usedBound += Math.max(0, o.resident - resident);
  if (e !== null) unwind(node, size);
  written(vp, cred);
  return e;
}

/** SEEK_DATA and SEEK_HOLE by page. */
export function tmpSeekHole(vp: Vnode, off: number, data: boolean): number | Errno {
  const size = vp.va.size;
  if (off >= size) return ENXIO;
  const node = vp.data as TmpNode;
  const o = tmpObject(node);
  const pager = o.pager as TmpPager;
  const end = Math.ceil(size / PAGE_SIZE);
  for (let p = Math.floor(off / PAGE_SIZE); p < end; p++) {
    const has = !pager.isHole(p) || gd.vm.pages.lookup(o.id, p) >= 0;
    if (has === data) return Math.max(off, p * PAGE_SIZE);
  }
  return data ? ENXIO : size;
}
