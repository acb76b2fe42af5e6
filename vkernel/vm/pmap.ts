/**
 * Physical maps: the page table of one address space, kept equal in software (pmap_table.ts) and on the host
 * (MachVmspace).
 *
 * - Operations on the host are merged: neighbouring mappings become one run, kept pending in the Pmap until something
 *   else follows or `pmapUpdate` is called. Every public function of the VM ends with pmapUpdate, so a run is never
 *   pending when guest code may resume.
 * - An operation that takes a page away (unmap, or map over another page) makes the address space *stale* until the
 *   host has carried it out. While any is stale, freed pages that were mapped wait in LIMBO (vm_pages.ts). Resuming a
 *   thread of the space carries queued operations out, so a flush of our own is rarely needed.
 * - Taking away only the right to write needs a flush only where other threads may run (vmspaceFork).
 *
 * Plain functions only. Counterpart: sys/platform/vkernel64/platform/pmap.c
 */
import { type MachVmspace, Prot } from '../machine/machine.js';
import { gd } from '../sys/globaldata.js';
import { LEAF_SPAN, PTE_PROT, PTE_SHIFT } from './pmap_table.js';
import { PAGE_SIZE } from './vm_param.js';
import { PQ } from './vm_pages.js';

const enum Run {
  NONE = 0,
  MAP = 1,
  PROTECT = 2,
}

/** LIMBO pages that are enough to pay for a flush (some 6 us). */
const LIMBO_MAX = 512;

export class Pmap {
  readonly id: number;
  /** List of page table leaves (PmapTable.leafNext). */
  leafHead = -1;
  leaves = 0;
  /** Pages mapped. */
  resident = 0;
  stale = false;
  private kind: Run = Run.NONE;
  private runVa = 0;
  private runPpn = 0;
  private runLen = 0;
  private runProt = 0;

  constructor(readonly mach: MachVmspace) {
    const t = gd.vm.ptes;
    this.id = t.freePmapIds.pop() ?? t.pmaps.length;
    t.pmaps[this.id] = this;
  }

  /** Host operation: map `n` pages from `ppn` at `va`. */
  emitMap(va: number, ppn: number, n: number, prot: number): void {
    if (
      this.kind === Run.MAP &&
      this.runProt === prot &&
      this.runPpn + this.runLen === ppn &&
      this.runVa + this.runLen * PAGE_SIZE === va
    ) {
      this.runLen += n;
      return;
    }
    if (this.kind !== Run.NONE) this.emit();
    this.kind = Run.MAP;
    this.runVa = va;
    this.runPpn = ppn;
    this.runLen = n;
    this.runProt = prot;
  }

  /** Host operation: change the protection of `n` mapped pages at `va`. */
  emitProtect(va: number, n: number, prot: number): void {
    if (this.kind === Run.PROTECT && this.runProt === prot && this.runVa + this.runLen * PAGE_SIZE === va) {
      this.runLen += n;
      return;
    }
    if (this.kind !== Run.NONE) this.emit();
    this.kind = Run.PROTECT;
    this.runVa = va;
    this.runLen = n;
    this.runProt = prot;
  }

  /** Host operation: unmap [va, end), mapped or not. */
  emitUnmap(va: number, end: number): void {
    if (this.kind !== Run.NONE) this.emit();
    this.mach.unmap(va, end - va);
    this.markStale();
  }

  /** Hand the pending run to the machine. */
  emit(): void {
    const kind = this.kind;
    this.kind = Run.NONE;
    if (kind === Run.MAP) this.mach.map(this.runVa, this.runPpn, this.runLen, this.runProt);
    else if (kind === Run.PROTECT) this.mach.protect(this.runVa, this.runLen * PAGE_SIZE, this.runProt);
  }

  get pending(): boolean {
    return this.kind !== Run.NONE;
  }

  markStale(): void {
    if (this.stale) return;
    this.stale = true;
    gd.vm.ptes.stale.push(this);
  }
}

/** Nothing stays pending: call before guest code of this address space may run. */
export function pmapUpdate(pm: Pmap): void {
  if (pm.pending) pm.emit();
}

/** All operations so far are carried out when this returns. */
export function pmapFlush(pm: Pmap): void {
  pmapUpdate(pm);
  pm.mach.flush();
}

/** The pte for `va`, or 0. */
export function pmapLookup(pm: Pmap, va: number): number {
  const t = gd.vm.ptes;
  const i = t.find(pm.id, va);
  return i < 0 ? 0 : t.pte[i];
}

/** Map page `ppn` at `va`, in place of whatever is there. */
export function pmapEnter(pm: Pmap, va: number, ppn: number, prot: number): void {
  const t = gd.vm.ptes;
  let i = t.find(pm.id, va);
  if (i < 0) {
    const key = (va / LEAF_SPAN) | 0;
    i = (t.allocLeaf(pm, key) << 9) + ((va / PAGE_SIZE) & 511);
  }
  const old = t.pte[i];
  const now = (ppn << PTE_SHIFT) | prot;
  if (old === now) return;
  if (old >>> PTE_SHIFT === ppn && old !== 0) {
    t.pte[i] = now;
    pm.emitProtect(va, 1, prot);
    return;
  }
  if (old !== 0) {
    t.clear(i);
    pm.markStale();
  } else pm.resident++;
  t.set(i, ppn, prot);
  pm.emitMap(va, ppn, 1, prot);
}

/** Map `n` neighbouring pages from `ppn` at `va`, where nothing is mapped. */
export function pmapEnterRun(pm: Pmap, va: number, ppn: number, n: number, prot: number): void {
  const t = gd.vm.ptes;
  pm.emitMap(va, ppn, n, prot);
  pm.resident += n;
  while (n > 0) {
    const key = (va / LEAF_SPAN) | 0;
    let l = t.findLeaf(pm.id, key);
    if (l < 0) l = t.allocLeaf(pm, key);
    const slot = (va / PAGE_SIZE) & 511;
    const m = Math.min(n, 512 - slot);
    const i = (l << 9) + slot;
    for (let k = 0; k < m; k++) t.set(i + k, ppn + k, prot);
    va += m * PAGE_SIZE;
    ppn += m;
    n -= m;
  }
}

/**
 * Call `f` for each leaf of `pm` that overlaps [start, end), with the range of entries in it. By address where there
 * are fewer addresses than leaves, else in the order of the list: a reservation of many GiB costs nothing.
 */
function eachLeaf(
  pm: Pmap,
  start: number,
  end: number,
  f: (pm: Pmap, leaf: number, from: number, to: number, arg: number) => void,
  arg: number,
): void {
  const t = gd.vm.ptes;
  const k0 = (start / LEAF_SPAN) | 0;
  const k1 = ((end - 1) / LEAF_SPAN) | 0;
  if (k1 - k0 < 4 || k1 - k0 <= pm.leaves) {
    for (let k = k0; k <= k1; k++) {
      const l = t.findLeaf(pm.id, k);
      if (l < 0) continue;
      const base = k * LEAF_SPAN;
      f(pm, l, start > base ? (start - base) / PAGE_SIZE : 0, Math.min(512, (end - base) / PAGE_SIZE), arg);
    }
    return;
  }
  for (let l = pm.leafHead; l >= 0;) {
    const next = t.leafNext[l];
    const k = t.leafKey[l];
    if (k >= k0 && k <= k1) {
      const base = k * LEAF_SPAN;
      f(pm, l, start > base ? (start - base) / PAGE_SIZE : 0, Math.min(512, (end - base) / PAGE_SIZE), arg);
    }
    l = next;
  }
}

function removeInLeaf(pm: Pmap, l: number, from: number, to: number): void {
  const t = gd.vm.ptes;
  const pte = t.pte;
  const base = l << 9;
  let first = -1;
  let last = -1;
  for (let i = base + from; i < base + to; i++) {
    if (pte[i] === 0) continue;
    t.clear(i);
    pm.resident--;
    if (first < 0) first = i;
    last = i;
  }
  if (first < 0) return;
  const lo = t.vaOf(first);
  const hi = t.vaOf(last) + PAGE_SIZE;
  if (t.leafCount[l] === 0) t.freeLeafOf(pm, l);
  // One operation for all leaves when they follow each other.
  if (removeLo < 0) {
    removeLo = lo;
    removeHi = hi;
  } else {
    removeLo = Math.min(removeLo, lo);
    removeHi = Math.max(removeHi, hi);
  }
}
let removeLo = -1;
let removeHi = -1;

/** Unmap [start, end). One host operation from the first to the last page that was mapped. */
export function pmapRemove(pm: Pmap, start: number, end: number): void {
  if (start >= end || pm.resident === 0) return;
  removeLo = removeHi = -1;
  eachLeaf(pm, start, end, removeInLeaf, 0);
  if (removeLo >= 0) pm.emitUnmap(removeLo, removeHi);
}

function protectInLeaf(pm: Pmap, l: number, from: number, to: number, mask: number): void {
  const t = gd.vm.ptes;
  const pte = t.pte;
  const base = l << 9;
  for (let i = base + from; i < base + to; i++) {
    const old = pte[i];
    if ((old & PTE_PROT & ~mask) === 0) continue;
    const prot = old & PTE_PROT & mask;
    pte[i] = (old & ~PTE_PROT) | prot;
    pm.emitProtect(t.leafKey[l] * LEAF_SPAN + (i - base) * PAGE_SIZE, 1, prot);
  }
}

/** Take rights away: what is mapped in [start, end) keeps only those in `prot`. NONE unmaps. */
export function pmapProtect(pm: Pmap, start: number, end: number, prot: number): void {
  if (prot === Prot.NONE) {
    pmapRemove(pm, start, end);
    return;
  }
  if (start >= end || pm.resident === 0) return;
  eachLeaf(pm, start, end, protectInLeaf, prot);
}

let copyTo: Pmap = null as unknown as Pmap;
function copyInLeaf(_pm: Pmap, l: number, from: number, to: number, mask: number): void {
  const t = gd.vm.ptes;
  const dst = copyTo;
  const key = t.leafKey[l];
  let dl = t.findLeaf(dst.id, key);
  const base = l << 9;
  for (let k = from; k < to; k++) {
    const old = t.pte[base + k];
    if (old === 0) continue;
    if (dl < 0) dl = t.allocLeaf(dst, key);
    const i = (dl << 9) + k;
    if (t.pte[i] !== 0) continue;
    const prot = old & PTE_PROT & mask;
    t.set(i, old >>> PTE_SHIFT, prot);
    dst.resident++;
    dst.emitMap(key * LEAF_SPAN + k * PAGE_SIZE, old >>> PTE_SHIFT, 1, prot);
  }
}

/** Map in `dst` what `src` maps in [start, end), with the rights in `mask` only. For fork. */
export function pmapCopy(dst: Pmap, src: Pmap, start: number, end: number, mask: number): void {
  copyTo = dst;
  eachLeaf(src, start, end, copyInLeaf, mask);
}

/** Unmap a page from every address space. */
export function pmapRemovePage(ppn: number): void {
  const t = gd.vm.ptes;
  for (let i = t.pages.pvHead[ppn]; i >= 0; i = t.pages.pvHead[ppn]) {
    const l = i >> 9;
    const pm = t.pmaps[t.leafPmap[l]]!;
    const va = t.vaOf(i);
    t.clear(i);
    pm.resident--;
    if (t.leafCount[l] === 0) t.freeLeafOf(pm, l);
    pm.emitUnmap(va, va + PAGE_SIZE);
  }
}

/** Write-protect a page in every address space; no guest can write to it any more when this returns. */
export function pmapCleanPage(ppn: number): void {
  const t = gd.vm.ptes;
  for (let i = t.pages.pvHead[ppn]; i >= 0; i = t.pvNext[i]) {
    const old = t.pte[i];
    if ((old & Prot.WRITE) === 0) continue;
    t.pte[i] = old & ~Prot.WRITE;
    const pm = t.pmaps[t.leafPmap[i >> 9]]!;
    pm.emitProtect(t.vaOf(i), 1, old & PTE_PROT & ~Prot.WRITE);
    pmapFlush(pm);
  }
}

/** The host has unmapped everything (MachVmspace.release was called): drop the page table. */
export function pmapRelease(pm: Pmap): void {
  const t = gd.vm.ptes;
  for (let l = pm.leafHead; l >= 0;) {
    const next = t.leafNext[l];
    const end = (l + 1) << 9;
    for (let i = l << 9; t.leafCount[l] > 0 && i < end; i++) if (t.pte[i] !== 0) t.clear(i);
    t.freeLeafOf(pm, l);
    l = next;
  }
  pm.resident = 0;
  if (pm.stale) {
    pm.stale = false;
    t.stale.splice(t.stale.indexOf(pm), 1);
    if (t.stale.length === 0 && t.pages.qcount[PQ.LIMBO] > 0) t.pages.freeLimbo();
  }
  t.pmaps[pm.id] = null;
  t.freePmapIds.push(pm.id);
}

/**
 * Free the pages in LIMBO if the host is done with every queued unmapping. `force` makes it so; without, only what
 * needs no waiting is done.
 */
export function pmapDrain(force: boolean): void {
  const t = gd.vm.ptes;
  const stale = t.stale;
  let kept = 0;
  for (let k = 0; k < stale.length; k++) {
    const pm = stale[k];
    if (!pm.pending && pm.mach.unflushed === false) pm.stale = false;
    else if (force) {
      pmapFlush(pm);
      pm.stale = false;
    } else stale[kept++] = pm;
  }
  stale.length = kept;
  if (kept === 0 && t.pages.qcount[PQ.LIMBO] > 0) t.pages.freeLimbo();
}

/** After pages were freed: do not let LIMBO grow without bound. */
export function pmapLimboCheck(): void {
  if (gd.vm.pages.qcount[PQ.LIMBO] >= LIMBO_MAX) pmapDrain(true);
}
