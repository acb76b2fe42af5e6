/**
 * Objects: what can be mapped. Anonymous memory, files, device memory; and shadows, which hold the pages that were
 * copied on write and show those of their backing object elsewhere.
 *
 * - refs counts map entries, plus one for each shadow (they hold their backing object), plus what others hold.
 * - `backing`/`backingOff`: page p of this object shows page p + backingOff of the backing object unless it has its
 *   own. Chains of anonymous objects are shortened when they become private (vmObjectCollapse).
 * - oneMapping: every page is mapped by at most one map entry, so that pages of an unmapped range can be freed at once.
 * - A vnode's object lives as long as the vnode: at refs 0 its pages stay cached until vmObjectTerminate.
 * - Objects are found by id from the page tables; ids are used again.
 *
 * Plain functions only. Counterpart: sys/vm/vm_object.c
 */
import { gd } from '../sys/globaldata.js';
import { pmapRemovePage } from './pmap.js';
import { KASSERT } from '../kern/kern_shutdown.js';
import { vmPageFree, vmPageInsert, vmPageRemove } from './vm_page.js';
import type { FaultSet } from './vm_ahead.js';
import type { Pager } from './vm_pager.js';
import { PAGE_SIZE } from './vm_param.js';

export type VmObjectType = 'anon' | 'vnode' | 'phys';

export class VmObject {
  /** Key of its pages in the page hash; changes when a chain is collapsed. 0 once destroyed. */
  id: number;
  refs = 1;
  backing: VmObject | null = null;
  /** In pages. */
  backingOff = 0;
  /** Objects that have this one as their backing. */
  readonly shadows: VmObject[] = [];
  oneMapping: boolean;
  pageHead = -1;
  resident = 0;
  /** Of a program's file: what it faults on when it starts (vm_ahead.ts). */
  startSet: FaultSet | null = null;

  constructor(
    readonly type: VmObjectType,
    readonly pager: Pager | null,
    /** Size: file size for a vnode (touching pages beyond is SIGBUS), else a multiple of the page size. */
    public sizeBytes: number,
  ) {
    const vm = gd.vm;
    this.id = vm.freeObjIds.pop() ?? vm.objects.length;
    vm.objects[this.id] = this;
    this.oneMapping = type === 'anon' && pager === null;
  }
}

/** A new object with one reference, the caller's. */
export function vmObjectAlloc(type: VmObjectType, pager: Pager | null = null, sizeBytes = 0): VmObject {
  return new VmObject(type, pager, sizeBytes);
}

export function vmObjectRef(o: VmObject): void {
  o.refs++;
  o.oneMapping = false;
}

/** Drop a reference; with the last one an object without a vnode goes away with its pages. */
export function vmObjectDeref(o: VmObject): void {
  for (let cur: VmObject | null = o; cur !== null;) {
    KASSERT(cur.refs > 0, 'vmObjectDeref: no references');
    cur.refs--;
    if (cur.refs > 0) {
      if (cur.refs === 1 && cur.type === 'anon' && cur.pager === null) {
        if (cur.shadows.length === 1) vmObjectCollapse(cur.shadows[0]);
        else if (cur.shadows.length === 0) cur.oneMapping = true;
      }
      return;
    }
    if (cur.pager !== null) {
      cur.pager.release?.(cur);
      return;
    }
    const backing: VmObject | null = cur.backing;
    if (backing !== null) {
      backing.shadows.splice(backing.shadows.indexOf(cur), 1);
      cur.backing = null;
    }
    destroy(cur);
    cur = backing;
  }
}

function destroy(o: VmObject): void {
  const vm = gd.vm;
  while (o.pageHead >= 0) {
    vm.counters.pfree++;
    vmPageFree(o.pageHead);
  }
  vm.objects[o.id] = null;
  vm.freeObjIds.push(o.id);
  o.id = 0;
}

/** A vnode or device goes away: free all pages. Nothing may map the object any more. */
export function vmObjectTerminate(o: VmObject): void {
  KASSERT(o.refs === 0, 'vmObjectTerminate: still referenced');
  destroy(o);
}

/**
 * Free the pages in [from, to) (pindex), unmapping them everywhere: truncation, or memory given back. Wired pages stay.
 */
export function vmObjectPageRemove(o: VmObject, from: number, to: number): void {
  const pages = gd.vm.pages;
  if (o.resident === 0) return;
  if (to - from <= o.resident) {
    for (let i = from; i < to; i++) {
      const p = pages.lookup(o.id, i);
      if (p >= 0 && pages.wire[p] === 0) vmPageFree(p);
    }
    return;
  }
  for (let p = o.pageHead; p >= 0;) {
    const next = pages.onext[p];
    const pi = pages.pindex[p];
    if (pi >= from && pi < to && pages.wire[p] === 0) vmPageFree(p);
    p = next;
  }
}

/** A new object that shows `src` until written to. Takes over the caller's reference to `src`. */
export function vmObjectShadow(src: VmObject, offPages: number, sizeBytes: number): VmObject {
  const o = new VmObject('anon', null, sizeBytes);
  o.backing = src;
  o.backingOff = offPages;
  src.shadows.push(o);
  src.oneMapping = false;
  return o;
}

/** Move a page to another object, or free it when the other has that page already or ends before it. */
function movePage(ppn: number, to: VmObject, pindex: number): void {
  const pages = gd.vm.pages;
  if (pindex < 0 || pindex * PAGE_SIZE >= to.sizeBytes || pages.lookup(to.id, pindex) >= 0) {
    if (pages.wire[ppn] > 0) {
      // A wired page that nobody can see any more: its entry was copied on write meanwhile.
      pages.wire[ppn] = 0;
      pages.wireCount--;
    }
    vmPageFree(ppn);
    return;
  }
  vmPageRemove(ppn);
  vmPageInsert(ppn, to, pindex);
}

/**
 * Shorten the chain below `o`: a backing object that only `o` uses is merged into it; one of whose pages none shows
 * through is bypassed.
 */
export function vmObjectCollapse(o: VmObject): void {
  const vm = gd.vm;
  const pages = vm.pages;
  for (let b = o.backing; b !== null; b = o.backing) {
    if (o.type !== 'anon' || o.pager !== null || b.type !== 'anon' || b.pager !== null) return;
    const off = o.backingOff;
    if (b.refs === 1 && b.shadows.length === 1) {
      if (off === 0 && b.resident > o.resident) {
        // Cheaper the other way round: `o` takes over the identity and pages of `b`, then gets its own back.
        swapPages(o, b);
        while (b.pageHead >= 0) {
          const p = b.pageHead;
          const pi = pages.pindex[p];
          const hidden = pages.lookup(o.id, pi);
          if (hidden >= 0) {
            KASSERT(pages.wire[hidden] === 0, 'collapse: hidden page is wired');
            vmPageFree(hidden);
          }
          vmPageRemove(p);
          vmPageInsert(p, o, pi);
        }
        if (b.sizeBytes > o.sizeBytes) vmObjectPageRemove(o, o.sizeBytes / PAGE_SIZE, b.sizeBytes / PAGE_SIZE);
      } else while (b.pageHead >= 0) movePage(b.pageHead, o, pages.pindex[b.pageHead] - off);
      const bb = b.backing;
      o.backing = bb;
      o.backingOff = off + b.backingOff;
      if (bb !== null) bb.shadows[bb.shadows.indexOf(b)] = o;
      b.backing = null;
      b.shadows.length = 0;
      b.refs = 0;
      destroy(b);
      vm.counters.cowOptim++;
      continue;
    }
    // Bypass: does anything of `b` show through? Only worth a look when `o` could cover it all.
    if (b.resident > o.resident) return;
    for (let p = b.pageHead; p >= 0; p = pages.onext[p]) {
      const pi = pages.pindex[p] - off;
      if (pi >= 0 && pi * PAGE_SIZE < o.sizeBytes && pages.lookup(o.id, pi) < 0) return;
    }
    const bb = b.backing;
    b.shadows.splice(b.shadows.indexOf(o), 1);
    o.backing = bb;
    o.backingOff = off + b.backingOff;
    if (bb !== null) {
      bb.refs++;
      bb.shadows.push(o);
    }
    vmObjectDeref(b);
  }
}

/** Exchange the pages of two anonymous objects by exchanging their ids. */
function swapPages(a: VmObject, b: VmObject): void {
  const objects = gd.vm.objects;
  const { id, pageHead, resident } = a;
  a.id = b.id;
  a.pageHead = b.pageHead;
  a.resident = b.resident;
  b.id = id;
  b.pageHead = pageHead;
  b.resident = resident;
  objects[a.id] = a;
  objects[b.id] = b;
}

/** True when `o` has, itself or below, no page for any of [from, to): it would read as zeros. For coalescing. */
export function vmObjectIsPrivate(o: VmObject): boolean {
  return o.type === 'anon' && o.pager === null && o.refs === 1 && o.backing === null && o.shadows.length === 0;
}

/** Unmap every page of [from, to) everywhere; the pages stay. For msync(MS_INVALIDATE) and truncation in steps. */
export function vmObjectUnmap(o: VmObject, from: number, to: number): void {
  const pages = gd.vm.pages;
  for (let p = o.pageHead; p >= 0; p = pages.onext[p]) {
    const pi = pages.pindex[p];
    if (pi >= from && pi < to) pmapRemovePage(p);
  }
}
