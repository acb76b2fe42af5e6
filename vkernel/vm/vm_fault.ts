/**
 * Page faults: find or make the page that belongs at an address, and map it with what is around it.
 *
 * A trap to the kernel costs some 5 us and mapping a run of 64 pages little more than mapping one, so a fault does more
 * than it was asked for:
 * - untouched anonymous memory is given a run of neighbouring pages; the run doubles up to 64 while faults come in
 *   sequence (upwards; downwards in a stack);
 * - otherwise what is resident in the 64 pages around is mapped too, with the rights that need no further work.
 *
 * A page is mapped writable only when a write needs no notice: it is in the entry's own object, that object is not
 * shared copy-on-write, and it is anonymous or already dirty.
 *
 * vmFaultTry never sleeps; what it would sleep for it leaves in gd.vm.faultObject and vmFault goes on from there.
 * Counterpart: sys/vm/vm_fault.c
 */
import { Prot } from '../machine/machine.js';
import type { Blocking } from '../sys/blocking.js';
import { EACCES, EFAULT, EIO, ENOMEM, Errno, NOTNOW } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import { pmapEnter, pmapEnterRun, pmapLookup, pmapRemovePage, pmapUpdate } from './pmap.js';
import { PTE_PROT, PTE_SHIFT } from './pmap_table.js';
import { vmLearnFault } from './vm_ahead.js';
import { type MapEntry, vmMapGrowStack } from './vm_map.js';
import { VmObject, vmObjectCollapse, vmObjectDeref, vmObjectRef, vmObjectShadow } from './vm_object.js';
import { PG, vmPageAlloc, vmPageDirty, vmPageFree, vmPageInsert, vmPageTake, vmPageUnhold } from './vm_page.js';
import { vmWaitPages } from './vm_pageout.js';
import { PAGE_MASK, PAGE_SIZE, SGROWSIZ } from './vm_param.js';
import type { Vmspace } from './vmspace.js';

/** Pages that one fault may bring in or map. */
const FAULT_MAX = 64;
/** Bytes around a page that are mapped ahead together with it. */
const AHEAD_BLOCK = 16 * PAGE_SIZE;
/** Pages of the first fault in untouched memory. */
const FAULT_FIRST = 4;

/** Give an entry its own object: an anonymous one if it has none, a shadow if it is shared copy-on-write. */
function entryObject(e: MapEntry): VmObject {
  // A stack's object covers all the room that it may grow into.
  const base = e.stackLimit !== 0 ? Math.min(e.stackLimit, e.start) : e.start;
  const lead = e.start - base;
  const src = e.object;
  if (src === null) {
    e.object = new VmObject('anon', null, e.end - base);
    e.off = lead;
    e.needsCopy = false;
    return e.object;
  }
  e.needsCopy = false;
  // Everybody else has gone: it is ours.
  if (src.type === 'anon' && src.pager === null && src.refs === 1) {
    src.oneMapping = src.shadows.length === 0;
    return src;
  }
  e.object = vmObjectShadow(src, (e.off - lead) / PAGE_SIZE, e.end - base);
  e.off = lead;
  return e.object;
}

/** The entry's own object, made if need be: for minherit and shared entries before a fork. */
export function vmEntryOwnObject(e: MapEntry): VmObject {
  return e.object === null || e.needsCopy ? entryObject(e) : e.object;
}

/** Result of `find`: where a page is. */
let foundObj: VmObject | null = null;
let foundPpn = -1;

/**
 * Look for a resident page down the chain of `o`. foundObj/foundPpn tell; foundPpn -1 with foundObj set: the pager of
 * that object has to be asked (gd.vm.faultPindex); both empty: nobody has it, it is zeros.
 * @returns null, or EIO for a page beyond the end of a file
 */
function find(o: VmObject, pindex: number): Errno | null {
  const pages = gd.vm.pages;
  for (let cur: VmObject = o; ;) {
    const p = pages.lookup(cur.id, pindex);
    if (cur.pager !== null) {
      foundObj = cur;
      foundPpn = p;
      gd.vm.faultPindex = pindex;
      return cur.type === 'vnode' && pindex * PAGE_SIZE >= cur.sizeBytes ? EIO : null;
    }
    if (p >= 0) {
      foundObj = cur;
      foundPpn = p;
      return null;
    }
    const b = cur.backing;
    if (b === null) {
      foundObj = null;
      foundPpn = -1;
      return cur.type === 'phys' ? EIO : null;
    }
    pindex += cur.backingOff;
    cur = b;
  }
}

/** Rights to map page `ppn` of `o` with, in an entry. */
function pageProt(e: MapEntry, o: VmObject, ppn: number): number {
  const prot = e.prot | Prot.READ;
  if ((prot & Prot.WRITE) === 0) return prot;
  if (o !== e.object || e.needsCopy) return prot & ~Prot.WRITE;
  if (o.type === 'vnode' && (gd.vm.pages.flags[ppn] & PG.DIRTY) === 0) return prot & ~Prot.WRITE;
  return prot;
}

/**
 * Resolve a fault at `va` for `access`, without sleeping.
 * @returns null when mapped; EFAULT nothing there, EACCES protection, EIO the pager failed or beyond the end of a file,
 *   ENOMEM, or NOTNOW
 */
export function vmFaultTry(vm: Vmspace, va: number, access: number): Errno | null {
  const r = fault(vm, va, access);
  pmapUpdate(vm.pmap);
  if (r === NOTNOW || r === ENOMEM) {
    gd.vm.notNowVa = va;
    gd.vm.notNowAccess = access;
  }
  return r;
}

function fault(vm: Vmspace, va: number, access: number, alone = false): Errno | null {
  const sys = gd.vm;
  const map = vm.map;
  if (!(va >= 0 && va < map.max)) return EFAULT;
  va -= va & PAGE_MASK;
  sys.counters.vmFaults++;
  const e = map.lookup(va) ?? vmMapGrowStack(map, va, SGROWSIZ, vm.stackLimit);
  if (e === null) return EFAULT;
  if (e.prot === Prot.NONE || (access & ~(e.prot | Prot.READ)) !== 0) return EACCES;
  const write = (access & Prot.WRITE) !== 0;
  const pte = pmapLookup(vm.pmap, va);
  if (pte !== 0 && (access & ~(pte & PTE_PROT)) === 0) {
    // Resolved meanwhile by another thread; or the host has dropped its mappings, which it may (vm.max_map_count).
    remap(vm, e, va);
    return null;
  }

  if (vm.learn !== null) vmLearnFault(vm, va, write);
  let own = e.object;
  if (own === null || (write && e.needsCopy)) own = entryObject(e);
  const pindex = (e.off + (va - e.start)) / PAGE_SIZE;
  const error = find(own, pindex);
  if (error !== null) return error;
  let obj = foundObj;
  let ppn = foundPpn;
  if (obj === null) return zeroFill(vm, e, own, va, pindex);
  if (obj.pager !== null && (ppn < 0 || (sys.pages.flags[ppn] & (PG.VALID | PG.BUSY)) !== PG.VALID)) {
    // A page that somebody is filling counts as missing: the pager knows how to wait for it.
    const at = sys.faultPindex;
    const r = obj.pager.tryGetPage(obj, at);
    if (typeof r !== 'number') {
      if (r === NOTNOW) {
        sys.faultObject = obj;
        sys.faultPindex = at;
        return NOTNOW;
      }
      return r === ENOMEM ? ENOMEM : EIO;
    }
    ppn = r;
    sys.counters.vnodein++;
    sys.counters.vnodepgsin++;
  }
  if (write && obj !== own) {
    // Held, lest the allocation reclaims it.
    sys.pages.hold[ppn]++;
    const m = vmPageAlloc(own, pindex, false);
    if (m >= 0) sys.pages.ram.copyPage(ppn, m);
    vmPageUnhold(ppn);
    if (m < 0) return ENOMEM;
    sys.pages.flags[m] |= PG.VALID | PG.DIRTY;
    sys.counters.cowFaults++;
    if (obj.type === 'anon') vm.noteHot(va);
    // Others who share our object must see the copy from now on.
    if (own.refs > 1 && !own.oneMapping) pmapRemovePage(ppn);
    if (own.backing !== null && own.backing.backing !== null) vmObjectCollapse(own);
    ppn = m;
    obj = own;
  } else if (write && obj.type === 'vnode') vmPageDirty(ppn);
  // Still protected from a fork whose child has gone: it would have been copied had the child lived longer.
  else if (write && pte !== 0) vm.noteHot(va);
  sys.pages.flags[ppn] |= PG.REFERENCED;
  pmapEnter(vm.pmap, va, ppn, pageProt(e, obj, ppn));
  if (!alone) around(vm, e, own, va);
  return null;
}

/** Untouched anonymous memory: take a run of pages of zeros and map it. */
function zeroFill(vm: Vmspace, e: MapEntry, own: VmObject, va: number, pindex: number): Errno | null {
  const sys = gd.vm;
  const pages = sys.pages;
  const down = e.stackLimit !== 0;
  let want = FAULT_FIRST;
  if (va === e.faultNext) want = Math.min(e.faultBatch * 2, FAULT_MAX);
  if (pages.freeCount < sys.freeMin + want) want = 1;
  // The run ends with the entry, and before anything that is there already.
  const room = down ? (va - e.start) / PAGE_SIZE + 1 : (e.end - va) / PAGE_SIZE;
  if (want > room) want = room;
  const step = down ? -1 : 1;
  const simple = own.backing === null;
  let n = 1;
  for (; n < want; n++) {
    const pi = pindex + n * step;
    if (simple) {
      if (pages.lookup(own.id, pi) >= 0) break;
    } else if (find(own, pi) !== null || foundObj !== null) break;
  }
  const ppn = vmPageTake(n, false);
  if (ppn < 0) return ENOMEM;
  n = pages.runLen;
  const va0 = down ? va - (n - 1) * PAGE_SIZE : va;
  const pi0 = down ? pindex - (n - 1) : pindex;
  sys.counters.ozfod += pages.zeroRun(ppn, n);
  for (let i = 0; i < n; i++) {
    vmPageInsert(ppn + i, own, pi0 + i);
    pages.flags[ppn + i] = PG.VALID | PG.DIRTY;
  }
  sys.counters.zfod += n;
  e.faultBatch = want > 1 ? Math.max(n, FAULT_FIRST) : FAULT_FIRST;
  e.faultNext = down ? va0 - PAGE_SIZE : va + n * PAGE_SIZE;
  pmapEnterRun(vm.pmap, va0, ppn, n, pageProt(e, own, ppn));
  return null;
}

/** Map what is resident in the aligned block of 64 pages around `va`, and widen rights there, as far as is free. */
function around(vm: Vmspace, e: MapEntry, own: VmObject, va: number): void {
  const sys = gd.vm;
  const pages = sys.pages;
  const t = sys.ptes;
  const pm = vm.pmap;
  const block = FAULT_MAX * PAGE_SIZE;
  const start = Math.max(e.start, va - (va & (block - 1)));
  const end = Math.min(e.end, va - (va & (block - 1)) + block);
  // The block is inside one leaf, which exists: `va` has just been entered.
  let i = t.find(pm.id, start);
  let pi = (e.off + (start - e.start)) / PAGE_SIZE;
  for (let a = start; a < end; a += PAGE_SIZE, i++, pi++) {
    const pte = t.pte[i];
    if (pte !== 0) {
      if ((pte & Prot.WRITE) !== 0 || (e.prot & Prot.WRITE) === 0) continue;
      const ppn = pte >>> PTE_SHIFT;
      if (pages.objId[ppn] !== own.id) continue;
      const prot = pageProt(e, own, ppn);
      if ((prot & Prot.WRITE) !== 0) pmapEnter(pm, a, ppn, prot);
      continue;
    }
    if (find(own, pi) !== null || foundPpn < 0) continue;
    const ppn = foundPpn;
    if ((pages.flags[ppn] & (PG.VALID | PG.BUSY)) !== PG.VALID) continue;
    pmapEnter(pm, a, ppn, pageProt(e, foundObj!, ppn));
  }
}

/** Map again on the host what the page table has in the block around `va`. */
function remap(vm: Vmspace, e: MapEntry, va: number): void {
  const t = gd.vm.ptes;
  const block = FAULT_MAX * PAGE_SIZE;
  const base = va - (va & (block - 1));
  const start = Math.max(e.start, base);
  const end = Math.min(e.end, base + block);
  let i = t.find(vm.pmap.id, start);
  for (let a = start; a < end; a += PAGE_SIZE, i++) {
    const pte = t.pte[i];
    if (pte !== 0) vm.pmap.emitMap(a, pte >>> PTE_SHIFT, 1, pte & PTE_PROT);
  }
}

/** Resolve a fault, sleeping for pages that have to be read. Results as vmFaultTry, but never NOTNOW. */
export function* vmFault(vm: Vmspace, va: number, access: number): Blocking<Errno | null> {
  const sys = gd.vm;
  while (true) {
    const r = vmFaultTry(vm, va, access);
    if (r === ENOMEM) {
      if ((yield* vmWaitPages()) !== null) return ENOMEM;
      continue;
    }
    if (r !== NOTNOW) return r;
    const o = sys.faultObject!;
    const pindex = sys.faultPindex;
    sys.faultObject = null;
    vmObjectRef(o);
    const got = yield* o.pager!.getPage(o, pindex);
    vmObjectDeref(o);
    if (typeof got === 'number') continue;
    if (got !== ENOMEM) return EIO;
    if ((yield* vmWaitPages()) !== null) return ENOMEM;
  }
}

/**
 * Map the page at `va` before it is needed (vm_ahead.ts), if that takes no sleeping: as a write would, or what is resident
 * with its neighbours as far as one operation goes.
 */
export function vmMapAhead(vm: Vmspace, va: number, write: boolean): void {
  const sys = gd.vm;
  const { pages } = sys;
  const e = vm.map.lookup(va);
  if (e === null || e.prot === Prot.NONE || (write && (e.prot & Prot.WRITE) === 0)) return;
  const pte = pmapLookup(vm.pmap, va);
  if (pte !== 0 && (!write || (pte & Prot.WRITE) !== 0)) return;
  const own = e.object;
  if (write || own === null) {
    void fault(vm, va, write ? Prot.WRITE : Prot.READ, true);
    return;
  }
  const at = (a: number): number => {
    if (find(own, (e.off + (a - e.start)) / PAGE_SIZE) !== null || foundPpn < 0) return -1;
    return (pages.flags[foundPpn] & (PG.VALID | PG.BUSY)) === PG.VALID ? foundPpn : -1;
  };
  let ppn = at(va);
  if (ppn < 0) {
    if (foundObj === null && own.type === 'anon') void fault(vm, va, Prot.READ, true);
    return;
  }
  const from = Math.max(e.start, va - (va % AHEAD_BLOCK));
  const end = Math.min(e.end, va - (va % AHEAD_BLOCK) + AHEAD_BLOCK);
  while (ppn > 0 && va > from && at(va - PAGE_SIZE) === ppn - 1 && pmapLookup(vm.pmap, va - PAGE_SIZE) === 0) {
    va -= PAGE_SIZE;
    ppn--;
  }
  for (; va < end && at(va) === ppn; va += PAGE_SIZE, ppn++)
    if (pmapLookup(vm.pmap, va) === 0) pmapEnter(vm.pmap, va, ppn, pageProt(e, foundObj!, ppn));
}

/**
 * Map ahead what is resident in [start, end), so that exec'd programs start without faults for what the cache has.
 * Nothing is read and nothing allocated.
 */
export function vmPrefault(vm: Vmspace, start: number, end: number): void {
  const sys = gd.vm;
  const map = vm.map;
  for (let i = map.indexAt(start); i < map.entries.length && map.entries[i].start < end; i++) {
    const e = map.entries[i];
    const own = e.object;
    if (own === null || e.prot === Prot.NONE) continue;
    const to = Math.min(end, e.end);
    for (let a = Math.max(start, e.start); a < to; a += PAGE_SIZE) {
      if (find(own, (e.off + (a - e.start)) / PAGE_SIZE) !== null || foundPpn < 0) continue;
      const ppn = foundPpn;
      if ((sys.pages.flags[ppn] & (PG.VALID | PG.BUSY)) !== PG.VALID) continue;
      if (pmapLookup(vm.pmap, a) === 0) pmapEnter(vm.pmap, a, ppn, pageProt(e, foundObj!, ppn));
    }
  }
  pmapUpdate(vm.pmap);
}

/**
 * Change bytes of private memory whatever its protection, as a debugger does. The page is not written to but replaced by
 * a changed copy: other threads that execute it see the old bytes or the new ones, never a mixture.
 * Nothing is read from a pager: the page has to be resident, or untouched anonymous memory.
 * @param bytes within one page
 * @returns false when it cannot be
 */
export function vmReplace(vm: Vmspace, va: number, bytes: Uint8Array): boolean {
  const { pages } = gd.vm;
  const e = vm.map.lookup(va);
  const pageoff = va & PAGE_MASK;
  if (e === null || e.prot === Prot.NONE || !e.cow || pageoff + bytes.length > PAGE_SIZE) return false;
  const page = va - pageoff;
  const own = vmEntryOwnObject(e);
  const pindex = (e.off + (page - e.start)) / PAGE_SIZE;
  if (find(own, pindex) !== null) return false;
  const obj = foundObj;
  const old = foundPpn;
  if (obj !== null && (old < 0 || (pages.flags[old] & PG.BUSY) !== 0 || pages.wire[old] > 0)) return false;
  if (old >= 0) pages.hold[old]++;
  const m = vmPageAlloc(null, 0, old < 0);
  if (m >= 0 && old >= 0) pages.ram.copyPage(old, m);
  if (old >= 0) vmPageUnhold(old);
  if (m < 0) return false;
  pages.ram.write(m * PAGE_SIZE + pageoff, bytes, 0, bytes.length);
  pages.flags[m] = PG.VALID | PG.DIRTY;
  // The new page takes the place of the old one in this address space first, then in the object.
  pmapEnter(vm.pmap, page, m, pageProt(e, own, m));
  if (obj === own) vmPageFree(old);
  vmPageInsert(m, own, pindex);
  if (own.refs > 1 && !own.oneMapping && obj !== null && obj !== own) pmapRemovePage(old);
  pmapUpdate(vm.pmap);
  return true;
}
