/**
 * Address maps: which object is where in an address space, with what rights.
 *
 * - Entries are kept in an array sorted by address (spaces have tens of entries; moving a thousand pointers takes
 *   1 us), found by bisection with the last hit as a hint. They never overlap and are page aligned.
 * - An entry without object is memory never touched: a reservation of any size costs one entry and nothing else.
 *   The first touch gives it an anonymous object.
 * - needsCopy: the object is shared with somebody by copy-on-write; the first write puts a shadow in between.
 * - A stack entry may grow downwards as far as stackLimit; the space between is kept free from first-fit mappings but may
 *   be mapped explicitly (MAP_FIXED, MAP_TRYFIXED).
 *
 * Plain functions only; the caller ends with pmapUpdate. Counterpart: sys/vm/vm_map.c
 */
import { Prot } from '../machine/machine.js';
import { EACCES, EFAULT, EINVAL, ENOMEM, type Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import { pmapProtect, pmapRemove, type Pmap } from './pmap.js';
import { type VmObject, vmObjectDeref, vmObjectIsPrivate, vmObjectPageRemove } from './vm_object.js';
import {
  Inherit,
  MAP_ENTRIES_FREE,
  MAX_ALL_MAP_ENTRIES,
  MAX_MAP_ENTRIES,
  PAGE_SIZE,
  roundPage,
  VM_MAX_USER_ADDRESS,
} from './vm_param.js';

export class MapEntry {
  inherit: Inherit;
  /** Private: writes go to copies. */
  cow: boolean;
  needsCopy: boolean;
  /** Lowest address that this stack may grow to; 0 for what is not a stack. */
  stackLimit: number;
  /** mlock. Nothing is ever paged out but clean file pages; this counts for RLIMIT_MEMLOCK. */
  wired = false;
  nosync: boolean;
  nocore: boolean;
  /** Faults take pages ahead as long as they come in sequence: where the next one is expected, how many then. */
  faultNext = -1;
  faultBatch = 0;

  constructor(
    public start: number,
    public end: number,
    public object: VmObject | null,
    /** Byte offset in the object of `start`. */
    public off: number,
    public prot: number,
    public maxprot: number,
    opts: MapOptions,
  ) {
    this.inherit = opts.inherit ?? Inherit.COPY;
    this.cow = opts.cow ?? true;
    this.needsCopy = this.cow && object !== null;
    this.stackLimit = opts.stack ?? 0;
    this.nosync = opts.nosync ?? false;
    this.nocore = opts.nocore ?? false;
  }
}

export interface MapOptions {
  /** Private copy-on-write (the default); false: writes go to the object. */
  cow?: boolean;
  inherit?: Inherit;
  /** A stack that grows down to this address. */
  stack?: number;
  nosync?: boolean;
  nocore?: boolean;
}

const NO_OPTIONS: MapOptions = {};

/** Has a map of `n` entries no room for `more`, be it for its own number or for that of all maps? */
export function mapEntriesFull(n: number, more: number): boolean {
  if (n + more > MAX_MAP_ENTRIES) return true;
  if (n + more <= MAP_ENTRIES_FREE) return false;
  let all = more;
  for (const vm of gd.vm.vmspaces) all += vm.map.entries.length;
  return all > MAX_ALL_MAP_ENTRIES;
}

export class VmMap {
  readonly entries: MapEntry[] = [];
  /** Index of the entry found last. */
  private hint = 0;
  /** The host may refuse the lowest addresses (vm.mmap_min_addr). */
  readonly min: number;
  readonly max: number;
  /** Bytes in entries. */
  size = 0;

  constructor(
    readonly pmap: Pmap,
    userBottom: number,
    userTop: number,
  ) {
    this.min = userBottom;
    this.max = Math.min(VM_MAX_USER_ADDRESS, userTop);
  }

  /** Index of the first entry that ends above `va`: the one that contains it, or the next one after it. */
  indexAt(va: number): number {
    const es = this.entries;
    const h = this.hint;
    if (h < es.length && es[h].end > va && (h === 0 || es[h - 1].end <= va)) return h;
    let lo = 0;
    let hi = es.length;
    while (lo < hi) {
      const mid = (lo + hi) >>> 1;
      if (es[mid].end > va) hi = mid;
      else lo = mid + 1;
    }
    this.hint = lo;
    return lo;
  }

  /** The entry that contains `va`, or null. */
  lookup(va: number): MapEntry | null {
    const i = this.indexAt(va);
    const e = this.entries[i];
    return e !== undefined && e.start <= va ? e : null;
  }

  /** Split entry `i` at `va`, which lies strictly inside. */
  private split(i: number, va: number): void {
    const e = this.entries[i];
    const f = new MapEntry(va, e.end, e.object, e.off + (va - e.start), e.prot, e.maxprot, NO_OPTIONS);
    f.inherit = e.inherit;
    f.cow = e.cow;
    f.needsCopy = e.needsCopy;
    f.wired = e.wired;
    f.nosync = e.nosync;
    f.nocore = e.nocore;
    // Only the lower part can go on growing.
    e.end = va;
    // The same object in two entries, but each page still in one: oneMapping stays.
    if (f.object !== null) f.object.refs++;
    this.entries.splice(i + 1, 0, f);
  }

  /** Make `start` and `end` entry boundaries. @returns the index of the first entry at or after `start` */
  clip(start: number, end: number): number {
    let i = this.indexAt(start);
    if (i < this.entries.length && this.entries[i].start < start) this.split(i++, start);
    const j = this.indexAt(end - 1);
    if (j < this.entries.length && this.entries[j].start < end && this.entries[j].end > end) this.split(j, end);
    return i;
  }

  /** True when every byte of [start, end) is mapped. */
  covered(start: number, end: number): boolean {
    for (let i = this.indexAt(start); start < end; i++) {
      const e = this.entries[i];
      if (e === undefined || e.start > start) return false;
      start = e.end;
    }
    return true;
  }

  /** True when nothing is mapped in [start, end). */
  isFree(start: number, end: number): boolean {
    const e = this.entries[this.indexAt(start)];
    return e === undefined || e.start >= end;
  }
}

const alignUp = (a: number, align: number): number => Math.ceil(a / align) * align;

/**
 * First fit: the lowest address at or above `start` with `len` free bytes, aligned to `align`, ending at or below
 * `max`. Room that a stack may grow into is not free.
 * @returns the address, or ENOMEM
 */
export function vmMapFindspace(map: VmMap, start: number, len: number, align: number, max = map.max): number | Errno {
  let va = alignUp(Math.max(start, map.min), align);
  const es = map.entries;
  for (let i = map.indexAt(va); ; i++) {
    if (!(va + len <= max)) return ENOMEM;
    const e = es[i];
    if (e === undefined) return va;
    const low = e.stackLimit !== 0 ? Math.min(e.start, e.stackLimit) : e.start;
    if (low >= va + len) return va;
    if (e.end > va) va = alignUp(e.end, align);
  }
}

/**
 * Enter a mapping of [start, start + len), which must be free (else ENOMEM).
 * Takes over one reference to `object` on success.
 * @param off byte offset in the object; start, len and off are page aligned
 */
export function vmMapInsert(
  map: VmMap,
  object: VmObject | null,
  off: number,
  start: number,
  len: number,
  prot: number,
  maxprot: number,
  opts: MapOptions = NO_OPTIONS,
): Errno | null {
  const end = start + len;
  if (!(start >= map.min && len > 0 && end <= map.max)) return ENOMEM;
  const i = map.indexAt(start);
  const es = map.entries;
  const next = es[i];
  if (next !== undefined && next.start < end) return ENOMEM;
  const e = new MapEntry(start, end, object, off, prot, maxprot, opts);
  map.size += len;
  if (object === null && e.stackLimit === 0) {
    // Extend a neighbour that is anonymous memory of the same kind.
    const prev = i > 0 ? es[i - 1] : undefined;
    if (prev !== undefined && prev.end === start && !prev.stackLimit && sameKind(prev, e) && extendable(prev)) {
      prev.end = end;
      if (prev.object !== null) prev.object.sizeBytes = Math.max(prev.object.sizeBytes, prev.off + (end - prev.start));
      if (next !== undefined && next.start === end && sameKind(prev, next) && !prev.object && !next.object) {
        prev.end = next.end;
        es.splice(i, 1);
      }
      return null;
    }
    if (next !== undefined && next.start === end && sameKind(next, e) && next.object === null && !next.stackLimit) {
      next.start = start;
      return null;
    }
  }
  if (mapEntriesFull(es.length, 1)) {
    map.size -= len;
    return ENOMEM;
  }
  es.splice(i, 0, e);
  return null;
}

function sameKind(a: MapEntry, b: MapEntry): boolean {
  return (
    a.prot === b.prot &&
    a.maxprot === b.maxprot &&
    a.inherit === b.inherit &&
    a.cow === b.cow &&
    a.wired === b.wired &&
    a.nosync === b.nosync &&
    a.nocore === b.nocore
  );
}

/** Can this entry's object grow at its end without anything old showing up there? */
function extendable(e: MapEntry): boolean {
  const o = e.object;
  if (o === null) return true;
  return !e.needsCopy && vmObjectIsPrivate(o) && o.sizeBytes <= e.off + (e.end - e.start);
}

/** findspace and insert. @returns the address, or ENOMEM (the caller keeps its reference to `object`) */
export function vmMapFind(
  map: VmMap,
  object: VmObject | null,
  off: number,
  hint: number,
  len: number,
  align: number,
  prot: number,
  maxprot: number,
  opts: MapOptions = NO_OPTIONS,
  max = map.max,
): number | Errno {
  const va = vmMapFindspace(map, hint, len, align, max);
  if (typeof va !== 'number') return va;
  const error = vmMapInsert(map, object, off, va, len, prot, maxprot, opts);
  return error ?? va;
}

/** Unmap whatever is in [start, end), give its memory back. Holes are fine. Nothing can fail but splitting (ENOMEM). */
export function vmMapRemove(map: VmMap, start: number, end: number): Errno | null {
  const es = map.entries;
  if (map.isFree(start, end)) return null;
  if (es.length + 2 > MAX_MAP_ENTRIES + 64) return ENOMEM;
  const i = map.clip(start, end);
  pmapRemove(map.pmap, start, end);
  let j = i;
  for (; j < es.length && es[j].start < end; j++) map.size -= es[j].end - es[j].start;
  const dead = es.splice(i, j - i);
  for (const e of dead) releaseObject(e);
  return null;
}

function releaseObject(e: MapEntry): void {
  const o = e.object;
  if (o === null) return;
  e.object = null;
  if (o.refs > 1 && o.oneMapping) {
    const from = e.off / PAGE_SIZE;
    vmObjectPageRemove(o, from, from + (e.end - e.start) / PAGE_SIZE);
  }
  vmObjectDeref(o);
}

/**
 * Set the protection of [start, end).
 * @param setMax set the maximum protection (which only shrinks) as well
 * @returns EINVAL when something in it is not mapped, EACCES above the maximum; then nothing has changed
 */
export function vmMapProtect(map: VmMap, start: number, end: number, prot: number, setMax = false): Errno | null {
  if (start >= end) return null;
  if (!map.covered(start, end)) return EINVAL;
  const es = map.entries;
  for (let i = map.indexAt(start); i < es.length && es[i].start < end; i++) {
    if ((prot & ~es[i].maxprot) !== 0) return EACCES;
  }
  if (mapEntriesFull(es.length, 2)) return ENOMEM;
  let first = map.clip(start, end);
  const from = first;
  for (; first < es.length && es[first].start < end; first++) {
    const e = es[first];
    const old = e.prot;
    if (setMax) e.maxprot = prot;
    e.prot = prot;
    // Rights only ever shrink here: those that grow come by a fault, which knows about copy-on-write and dirty pages.
    const mask = prot === Prot.NONE ? Prot.NONE : prot | Prot.READ;
    if ((old & ~prot) !== 0) pmapProtect(map.pmap, e.start, e.end, mask);
    e.faultNext = -1;
  }
  vmMapSimplify(map, from - 1, first);
  return null;
}

/** Join neighbouring entries in [from, to] (indexes) that have become the same. */
export function vmMapSimplify(map: VmMap, from: number, to: number): void {
  const es = map.entries;
  for (let i = Math.min(to, es.length - 2); i >= Math.max(0, from); i--) {
    const a = es[i];
    const b = es[i + 1];
    if (a.end !== b.start || a.object !== b.object || a.needsCopy !== b.needsCopy || b.stackLimit !== 0) continue;
    if (a.stackLimit !== 0 && a.object === null) continue;
    if (!sameKind(a, b) || (a.object !== null && a.off + (a.end - a.start) !== b.off)) continue;
    a.end = b.end;
    es.splice(i + 1, 1);
    if (b.object !== null) vmObjectDeref(b.object);
  }
}

/** minherit: how fork treats [start, end). EINVAL when `inherit` is unknown. Holes are skipped. */
export function vmMapInherit(map: VmMap, start: number, end: number, inherit: number): Errno | null {
  if (inherit !== Inherit.SHARE && inherit !== Inherit.COPY && inherit !== Inherit.NONE) return EINVAL;
  if (start >= end) return null;
  const es = map.entries;
  if (mapEntriesFull(es.length, 2)) return ENOMEM;
  let i = map.clip(start, end);
  const from = i;
  for (; i < es.length && es[i].start < end; i++) es[i].inherit = inherit;
  vmMapSimplify(map, from - 1, i);
  return null;
}

/**
 * MADV_FREE: give back the memory of [start, end). Anonymous pages that nobody else can see are freed and read as zeros
 * (or as what they were copied from) afterwards; others stay. Counterpart: vm_object_madvise
 */
export function vmMapFree(map: VmMap, start: number, end: number): void {
  const es = map.entries;
  for (let i = map.indexAt(start); i < es.length && es[i].start < end; i++) {
    const e = es[i];
    const o = e.object;
    if (o === null) continue;
    const s = Math.max(start, e.start);
    const t = Math.min(end, e.end);
    if (o.type !== 'anon' || o.pager !== null || e.needsCopy || !o.oneMapping) continue;
    pmapRemove(map.pmap, s, t);
    const from = (e.off + (s - e.start)) / PAGE_SIZE;
    vmObjectPageRemove(o, from, from + (t - s) / PAGE_SIZE);
    e.faultNext = -1;
  }
}

/**
 * A fault below a stack entry: grow it in steps of 128 KiB so that `va` is inside.
 * @param limitBytes RLIMIT_STACK
 * @returns the entry, or null when there is no stack there or it must not grow that far
 */
export function vmMapGrowStack(map: VmMap, va: number, step: number, limitBytes: number): MapEntry | null {
  const i = map.indexAt(va);
  const e = map.entries[i];
  if (e === undefined || e.stackLimit === 0 || va >= e.start || va < e.stackLimit) return null;
  const lowest = Math.max(e.stackLimit, i > 0 ? map.entries[i - 1].end : 0, roundPage(e.end - limitBytes));
  if (va < lowest) return null;
  const start = Math.max(lowest, e.start - alignUp(e.start - va, step));
  const grow = e.start - start;
  map.size += grow;
  e.start = start;
  const o = e.object;
  if (o !== null) {
    // The object stands still: offsets go down with the address. It was made large enough (vmEntryObject).
    e.off -= grow;
  }
  return e;
}

/** EFAULT unless [uva, uva + len) lies in the user's range. Imprecise numbers from 2^53 up are beyond it as well. */
export function vmCheckRange(map: VmMap, uva: number, len: number): Errno | null {
  return uva >= 0 && len >= 0 && uva + len <= map.max ? null : EFAULT;
}
