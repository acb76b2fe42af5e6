/**
 * Pages as the rest of the kernel uses them: allocate, find, wire, hold, free. The tables are in vm_pages.ts.
 *
 * - A page belongs to an object at a pindex, or to the kernel (no object). Freeing takes it out of its object and
 *   unmaps it everywhere.
 * - wire: the page stays resident and is never reclaimed. hold: its memory stays what it is for a transfer under way,
 *   even when the page is freed meanwhile.
 * - Nothing here sleeps; out of memory is -1.
 *
 * Counterpart: sys/vm/vm_page.c
 */
import { gd } from '../sys/globaldata.js';
import { pmapDrain, pmapLimboCheck, pmapRemovePage } from './pmap.js';
import type { VmObject } from './vm_object.js';
import { PAGE_SIZE } from './vm_param.js';
import { PG, PQ } from './vm_pages.js';
import { KASSERT } from '../kern/kern_shutdown.js';

export { PG, PQ };

/** Link a page into an object. File pages go on the inactive queue, where the page-out scan finds them. */
export function vmPageInsert(ppn: number, o: VmObject, pindex: number): void {
  const pages = gd.vm.pages;
  pages.hashInsert(ppn, o.id, pindex);
  const head = o.pageHead;
  pages.onext[ppn] = head;
  pages.oprev[ppn] = -1;
  if (head >= 0) pages.oprev[head] = ppn;
  o.pageHead = ppn;
  o.resident++;
  if (o.type === 'anon' && (pindex + 1) * PAGE_SIZE > o.sizeBytes) o.sizeBytes = (pindex + 1) * PAGE_SIZE;
  if (o.type === 'vnode') pages.enqueue(ppn, PQ.INACTIVE);
}

/** Take a page out of its object; it stays allocated. */
export function vmPageRemove(ppn: number): void {
  const pages = gd.vm.pages;
  const o = gd.vm.objects[pages.objId[ppn]]!;
  const next = pages.onext[ppn];
  const prev = pages.oprev[ppn];
  if (prev >= 0) pages.onext[prev] = next;
  else o.pageHead = next;
  if (next >= 0) pages.oprev[next] = prev;
  o.resident--;
  pages.hashRemove(ppn);
  if (pages.queue[ppn] >= PQ.INACTIVE) pages.dequeue(ppn);
}

/**
 * Up to `want` neighbouring free pages for nobody yet; gd.vm.pages.runLen says how many.
 * @param kernel may use the kernel's reserve
 */
export function vmPageTake(want: number, kernel: boolean): number {
  const vm = gd.vm;
  const pages = vm.pages;
  if (pages.freeCount < vm.freeMin) {
    if (pages.qcount[PQ.LIMBO] > 0) pmapDrain(true);
    if (pages.freeCount < vm.freeMin) vm.reclaim(vm.freeTarget - pages.freeCount, false);
    if (pages.freeCount <= vm.freeReserved) vm.reclaim(vm.freeMin - pages.freeCount, true);
    if (pages.freeCount < want) want = 1;
    if (pages.freeCount <= (kernel ? 0 : vm.freeReserved)) return -1;
  }
  if (want === 1) {
    pages.runLen = 1;
    return pages.allocOne();
  }
  return pages.allocRun(want);
}

/**
 * A page of object `o` at `pindex` (which has none), or one for the kernel (`o` null).
 * @param zero cleared; else its contents are whatever they were
 * @returns the page number, not yet VALID; -1 when memory is exhausted
 */
export function vmPageAlloc(o: VmObject | null, pindex: number, zero: boolean): number {
  const ppn = vmPageTake(1, o === null || o.type !== 'anon');
  if (ppn < 0) return -1;
  const pages = gd.vm.pages;
  if (zero) pages.zeroRun(ppn, 1);
  else pages.flags[ppn] = 0;
  if (o !== null) vmPageInsert(ppn, o, pindex);
  return ppn;
}

/**
 * Up to `want` physically neighbouring pages of `o` from `pindex` on (none of which may be resident); for read-ahead,
 * so that one transfer and one mapping operation cover them.
 * @returns the first page number (gd.vm.pages.runLen of them), or -1
 */
export function vmPageAllocRun(o: VmObject | null, pindex: number, want: number, zero: boolean): number {
  const ppn = vmPageTake(want, o === null || o.type !== 'anon');
  if (ppn < 0) return -1;
  const pages = gd.vm.pages;
  const n = pages.runLen;
  if (zero) pages.zeroRun(ppn, n);
  else pages.flags.fill(0, ppn, ppn + n);
  if (o !== null) for (let i = 0; i < n; i++) vmPageInsert(ppn + i, o, pindex + i);
  return ppn;
}

/** The resident page at `pindex` (valid or not), or -1. */
export function vmPageLookup(o: VmObject, pindex: number): number {
  return gd.vm.pages.lookup(o.id, pindex);
}

/** Free a page: out of its object, unmapped everywhere. It must not be wired. */
export function vmPageFree(ppn: number): void {
  const pages = gd.vm.pages;
  KASSERT(pages.wire[ppn] === 0, 'vmPageFree: wired');
  KASSERT(pages.queue[ppn] === PQ.NONE || pages.queue[ppn] >= PQ.INACTIVE, 'vmPageFree: not in use');
  if (pages.pvHead[ppn] >= 0) pmapRemovePage(ppn);
  if (pages.objId[ppn] !== 0) vmPageRemove(ppn);
  pages.release(ppn, gd.vm.ptes.stale.length > 0);
  pmapLimboCheck();
}

export function vmPageWire(ppn: number): void {
  const pages = gd.vm.pages;
  if (pages.wire[ppn]++ === 0) pages.wireCount++;
}

export function vmPageUnwire(ppn: number): void {
  const pages = gd.vm.pages;
  KASSERT(pages.wire[ppn] > 0, 'vmPageUnwire: not wired');
  if (--pages.wire[ppn] === 0) pages.wireCount--;
}

/** Keep the memory of a page as it is until vmPageUnhold, whatever happens to the page. */
export function vmPageHold(ppn: number): void {
  gd.vm.pages.hold[ppn]++;
}

export function vmPageUnhold(ppn: number): void {
  const pages = gd.vm.pages;
  KASSERT(pages.hold[ppn] > 0, 'vmPageUnhold: not held');
  if (--pages.hold[ppn] > 0 || pages.queue[ppn] !== PQ.HOLD) return;
  pages.queue[ppn] = PQ.NONE;
  pages.qcount[PQ.HOLD]--;
  pages.release(ppn, gd.vm.ptes.stale.length > 0);
}

/** The page was used: the page-out scan passes it over once. */
export function vmPageReference(ppn: number): void {
  gd.vm.pages.flags[ppn] |= PG.REFERENCED;
}

/** The kernel wrote to a file page: it is valid and must go back to the pager some time. */
export function vmPageDirty(ppn: number): void {
  const pages = gd.vm.pages;
  const was = pages.flags[ppn];
  pages.flags[ppn] = was | PG.DIRTY | PG.VALID | PG.REFERENCED;
  if ((was & PG.DIRTY) !== 0) return;
  const o = gd.vm.objects[pages.objId[ppn]];
  o?.pager?.dirty?.(o, pages.pindex[ppn]);
}
