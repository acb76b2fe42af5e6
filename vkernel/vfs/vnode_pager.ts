/**
 * Regular files through the unified page cache: read() and write() copy from and to the pages of the vnode's VmObject,
 * the same pages that mmap maps.
 *
 * A FilePager fills missing pages. What lies beyond the end of file in the last page is zero whenever the file is
 * extended (vnExtend, vnTruncatePages); pages wholly beyond it do not exist.
 *
 * Counterpart: sys/vm/vnode_pager.c, sys/kern/vfs_bio.c (the cached half)
 */
import { PAGE_MASK, PAGE_SIZE } from '../machine/ram.js';
import type { Blocking } from '../sys/blocking.js';
import { ENOSPC, Errno, NOTNOW } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import { type Uio, uiomoveB, uiomovePhys, uiomovePhysB, uiozero } from '../vm/uio.js';
import { type VmObject, vmObjectPageRemove } from '../vm/vm_object.js';
import { PG, vmPageAlloc, vmPageDirty, vmPageHold, vmPageUnhold } from '../vm/vm_page.js';
import type { Pager } from '../vm/vm_pager.js';
import type { Vnode } from './vnode.js';

/** A pager that knows where its file has neither data nor pages. */
export interface FilePager extends Pager {
  /** Nothing is stored for this page, and it is not resident: it reads as zeros. */
  isHole(pindex: number): boolean;
}

const zeros = new Uint8Array(PAGE_SIZE);
/** Pages per 1 GiB segment of guest RAM; a run of pages must not cross into the next. */
const SEG_PAGES = 2 ** 18;
/** Longest run of pages moved at once. */
const RUN_BYTES = 64 * PAGE_SIZE;

const pindexOf = (off: number): number => Math.floor(off / PAGE_SIZE);

/** The resident, valid page at `pindex`, or -1. */
function lookup(obj: VmObject, pindex: number): number {
  const pages = gd.vm.pages;
  const ppn = pages.lookup(obj.id, pindex);
  return ppn >= 0 && (pages.flags[ppn] & PG.VALID) !== 0 ? ppn : -1;
}

/** Bytes from `off`, at most `want`, that lie in physically contiguous resident pages from `ppn`. */
function runLength(obj: VmObject, off: number, ppn: number, want: number): number {
  let n = PAGE_SIZE - (off & PAGE_MASK);
  let pindex = pindexOf(off) + 1;
  const limit = want < RUN_BYTES ? want : RUN_BYTES;
  for (let next = ppn + 1; n < limit && next % SEG_PAGES !== 0; next++, pindex++) {
    if (lookup(obj, pindex) !== next) break;
    n += PAGE_SIZE;
  }
  return n < want ? n : want;
}

/**
 * Read without sleeping. NOTNOW when a page has to be fetched or user memory is not resident; what was moved then is
 * moved, and the caller starts over with a fresh Uio.
 */
export function vnTryRead(vp: Vnode, obj: VmObject, uio: Uio): Errno | null {
  const size = vp.va.size;
  while (uio.resid > 0 && uio.offset < size) {
    const off = uio.offset;
    const pindex = pindexOf(off);
    const want = uio.resid < size - off ? uio.resid : size - off;
    const pgoff = off & PAGE_MASK;
    let ppn = lookup(obj, pindex);
    let e: Errno | null;
    if (ppn < 0) {
      const pager = obj.pager as FilePager;
      if (pager.isHole(pindex)) {
        e = uiozero(Math.min(want, PAGE_SIZE - pgoff), uio);
        if (e !== null) return e;
        continue;
      }
      const r = pager.tryGetPage(obj, pindex);
      if (r instanceof Errno) return r;
      ppn = r;
    }
    e = uiomovePhys(ppn * PAGE_SIZE + pgoff, runLength(obj, off, ppn, want), uio);
    if (e !== null) return e;
  }
  return null;
}

/** Read; may sleep for pages and for user memory. The vnode is locked shared. */
export function* vnReadB(vp: Vnode, obj: VmObject, uio: Uio): Blocking<Errno | null> {
  for (;;) {
    const e = vnTryRead(vp, obj, uio);
    if (e !== NOTNOW) return e;
    const off = uio.offset;
    const pindex = pindexOf(off);
    const want = Math.min(uio.resid, vp.va.size - off);
    const n = Math.min(want, PAGE_SIZE - (off & PAGE_MASK));
    let ppn = lookup(obj, pindex);
    if (ppn < 0) {
      const pager = obj.pager as FilePager;
      if (pager.isHole(pindex)) {
        const e2 = yield* uiomoveB(zeros, 0, n, uio);
        if (e2 !== null) return e2;
        continue;
      }
      const r = yield* pager.getPage(obj, pindex);
      if (r instanceof Errno) return r;
      ppn = r;
    }
    vmPageHold(ppn);
    try {
      const e2 = yield* uiomovePhysB(ppn * PAGE_SIZE + (off & PAGE_MASK), n, uio);
      if (e2 !== null) return e2;
    } finally {
      vmPageUnhold(ppn);
    }
  }
}

/** Page to write `n` bytes at `off` into: resident, fetched, or new (zeroed unless wholly overwritten). */
function writePage(vp: Vnode, obj: VmObject, off: number, n: number): number | Errno {
  const pindex = pindexOf(off);
  const ppn = lookup(obj, pindex);
  if (ppn >= 0) return ppn;
  const pager = obj.pager as FilePager;
  // An invalid page is being filled by somebody: the pager waits for it.
  if (gd.vm.pages.lookup(obj.id, pindex) >= 0) return NOTNOW;
  if (n === PAGE_SIZE || pindex * PAGE_SIZE >= vp.va.size || pager.isHole(pindex)) {
    if (gd.vm.pages.freeCount <= gd.vm.freeReserved) return ENOSPC;
    const fresh = vmPageAlloc(obj, pindex, n !== PAGE_SIZE);
    return fresh < 0 ? ENOSPC : fresh;
  }
  return pager.tryGetPage(obj, pindex);
}

/** The file ends at `size` now: its object too. */
function vnGrown(vp: Vnode, obj: VmObject, size: number): void {
  vp.va.size = size;
  obj.sizeBytes = size;
}

/** After a partial move into a page that was not zeroed: clear the rest, it must not show old memory. */
function scrub(ppn: number, pgoff: number, moved: number, n: number): void {
  gd.machine.ram.fill(ppn * PAGE_SIZE + pgoff + moved, 0, n - moved);
}

/**
 * Write without sleeping, extending the file. On NOTNOW and errors the caller puts the size back as far as nothing was
 * moved (vnSetSize). The caller has checked limits and called vnExtend for a gap.
 */
export function vnTryWrite(vp: Vnode, obj: VmObject, uio: Uio): Errno | null {
  while (uio.resid > 0) {
    const off = uio.offset;
    const pgoff = off & PAGE_MASK;
    const n = uio.resid < PAGE_SIZE - pgoff ? uio.resid : PAGE_SIZE - pgoff;
    const fresh = n === PAGE_SIZE && lookup(obj, pindexOf(off)) < 0;
    const ppn = writePage(vp, obj, off, n);
    if (ppn instanceof Errno) return ppn;
    vmPageDirty(ppn);
    const e = uiomovePhys(ppn * PAGE_SIZE + pgoff, n, uio);
    if (uio.offset > vp.va.size) vnGrown(vp, obj, uio.offset);
    if (e !== null) {
      if (fresh) scrub(ppn, pgoff, uio.offset - off, n);
      return e;
    }
  }
  return null;
}

/** Write; may sleep. The vnode is locked exclusively. */
export function* vnWriteB(vp: Vnode, obj: VmObject, uio: Uio): Blocking<Errno | null> {
  for (;;) {
    const e = vnTryWrite(vp, obj, uio);
    if (e !== NOTNOW) return e;
    const off = uio.offset;
    const pgoff = off & PAGE_MASK;
    const n = Math.min(uio.resid, PAGE_SIZE - pgoff);
    // A partial write here: the page is wanted with its old contents.
    let ppn = writePage(vp, obj, off, n < PAGE_SIZE ? n : n - 1);
    if (ppn === NOTNOW) ppn = yield* (obj.pager as FilePager).getPage(obj, pindexOf(off));
    if (ppn instanceof Errno) return ppn;
    vmPageDirty(ppn);
    vmPageHold(ppn);
    try {
      const e2 = yield* uiomovePhysB(ppn * PAGE_SIZE + pgoff, n, uio);
      if (uio.offset > vp.va.size) vnGrown(vp, obj, uio.offset);
      if (e2 !== null) return e2;
    } finally {
      vmPageUnhold(ppn);
    }
  }
}

/** Clear the part of the last page that lies beyond the end of file `size`: mmap may have left bytes there. */
export function vnZeroTail(obj: VmObject, size: number): void {
  const pgoff = size & PAGE_MASK;
  if (pgoff === 0) return;
  const ppn = lookup(obj, pindexOf(size));
  if (ppn < 0) return;
  gd.machine.ram.fill(ppn * PAGE_SIZE + pgoff, 0, PAGE_SIZE - pgoff);
}

/** Set the object's size: give up pages beyond it, in mappings too, and clear the tail of the last one. */
export function vnSetObjectSize(obj: VmObject, size: number): void {
  if (size > obj.sizeBytes) vnZeroTail(obj, obj.sizeBytes);
  obj.sizeBytes = size;
  vmObjectPageRemove(obj, Math.ceil(size / PAGE_SIZE), Infinity);
  vnZeroTail(obj, size);
}
