/**
 * System calls of the mmap family.
 *
 * Which errno for which mistake: dragonfly-abi.md 7.5. Arguments are numbers, rounded from 2^53 up; every address is
 * checked against the user's range before use, in a form that NaN and infinity fail.
 *
 * Counterpart: sys/vm/vm_mmap.c, sys/vm/vm_unix.c
 */
import { Prot } from '../machine/machine.js';
import type { Lwp } from '../kern/proc.js';
import { fdget, FREAD, FWRITE } from '../kern/file.js';
import { lwktYield } from '../kern/lwkt_thread.js';
import type { Blocking } from '../sys/blocking.js';
import { EACCES, EAGAIN, EFAULT, EINVAL, EIO, ENODEV, ENOMEM, EOPNOTSUPP, Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import type { SyscallImpls } from '../sys/syscall.js';
import { pmapLookup, pmapRemove, pmapUpdate } from './pmap.js';
import { vmFault, vmFaultTry, vmPrefault } from './vm_fault.js';
import {
  vmMapFind,
  vmMapFree,
  vmMapInherit,
  vmMapInsert,
  vmMapProtect,
  vmMapRemove,
  vmMapSimplify,
  type MapOptions,
} from './vm_map.js';
import { type VmObject, vmObjectDeref, vmObjectRef } from './vm_object.js';
import { PG } from './vm_page.js';
import { vmObjectClean } from './vm_pageout.js';
import * as P from './vm_param.js';
import { PAGE_MASK, PAGE_SIZE, roundPage, truncPage } from './vm_param.js';
import { copyoutB } from './vm_user.js';
import type { Vmspace } from './vmspace.js';

const RWX = Prot.READ | Prot.WRITE | Prot.EXEC;
/** MAP_32BIT. */
const LOW_TOP = 0x1_0000_0000;

/** First address for mappings without a hint: past the room that the break may grow into. */
function hintBase(lwp: Lwp, vm: Vmspace): number {
  return roundPage(vm.dataAddr + Math.min(lwp.proc.limits.cur[P.RLIMIT_DATA], P.MAXDSIZ));
}

function sysMmap(lwp: Lwp, a: Float64Array): number | Errno {
  const vm = lwp.proc.vm;
  const map = vm.map;
  let addr = a[0];
  const len = a[1];
  const prot = a[2] & RWX;
  let flags = a[3];
  const fd = a[4];
  let pos = a[6];

  if ((flags & P.MAP_VPAGETABLE) !== 0) return EOPNOTSUPP;
  if ((flags & P.MAP_STACK) !== 0) {
    if (fd !== -1) return EINVAL;
    flags |= P.MAP_ANON;
    pos = 0;
  }
  if ((flags & P.MAP_ANON) !== 0 && (fd !== -1 || pos !== 0)) return EINVAL;
  if (len === 0 || !(pos >= 0)) return EINVAL;
  const pageoff = pos & PAGE_MASK;
  pos -= pageoff;
  const size = roundPage(len + pageoff);
  // More than fits is ENOMEM; EINVAL only when rounding up to pages goes round 64 bits.
  if (!(size <= map.max)) return len + pageoff <= 2 ** 64 - PAGE_SIZE ? ENOMEM : EINVAL;
  if (pos + size > 2 ** 52) return EINVAL;

  const fixed = (flags & (P.MAP_FIXED | P.MAP_TRYFIXED)) !== 0;
  let align = PAGE_SIZE;
  if (fixed) {
    addr -= pageoff;
    if ((addr & PAGE_MASK) !== 0 || !(addr >= 0 && addr + size <= map.max)) return EINVAL;
  } else {
    const base = hintBase(lwp, vm);
    if (addr === 0 || (addr >= roundPage(vm.textAddr) && addr < base)) addr = base;
    else addr = roundPage(addr);
    if ((flags & P.MAP_SIZEALIGN) !== 0) {
      if (2 ** Math.round(Math.log2(size)) !== size) return EINVAL;
      align = size;
    } else if (size % P.SEG_SIZE === 0 || size >= 16 * P.SEG_SIZE) align = P.SEG_SIZE;
  }
  if (map.size + size > lwp.proc.limits.cur[P.RLIMIT_VMEM]) return ENOMEM;

  const shared = (flags & P.MAP_SHARED) !== 0;
  let object: VmObject | null = null;
  let maxprot = RWX;
  if ((flags & P.MAP_ANON) === 0) {
    const fp = fdget(lwp.proc, fd);
    if (fp instanceof Errno) return fp;
    maxprot = Prot.EXEC;
    if ((fp.flags & FREAD) !== 0) maxprot |= Prot.READ;
    else if ((prot & Prot.READ) !== 0) return EACCES;
    if (!shared) maxprot |= Prot.WRITE;
    else if ((fp.flags & FWRITE) !== 0) maxprot |= Prot.WRITE;
    else if ((prot & Prot.WRITE) !== 0) return EACCES;
    const o = fp.ops.mmapObject(fp, prot, flags);
    if (o instanceof Errno) return o === ENODEV ? EINVAL : o;
    object = o;
  }
  const opts: MapOptions = {
    cow: !shared,
    inherit: shared ? P.Inherit.SHARE : P.Inherit.COPY,
    nosync: (flags & P.MAP_NOSYNC) !== 0,
    nocore: (flags & P.MAP_NOCORE) !== 0,
  };
  let va: number | Errno;
  if (fixed) {
    const error = (flags & P.MAP_TRYFIXED) === 0 ? vmMapRemove(map, addr, addr + size) : null;
    va = error ?? vmMapInsert(map, object, pos, addr, size, prot, maxprot, opts) ?? addr;
  } else {
    const max = (flags & P.MAP_32BIT) !== 0 ? Math.min(LOW_TOP, map.max) : map.max;
    va = vmMapFind(map, object, pos, addr, size, align, prot, maxprot, opts, max);
  }
  if (va instanceof Errno) {
    if (object !== null) vmObjectDeref(object);
    pmapUpdate(vm.pmap);
    return va;
  }
  if (vm.wireFuture) setWired(vm, va, va + size, true);
  if (object !== null) {
    if (prot !== Prot.NONE) vmPrefault(vm, va, va + Math.min(size, PREFAULT_MAX));
  } else if (size <= TOUCH_MAX && (prot & Prot.WRITE) !== 0 && gd.vm.pages.freeCount > gd.vm.freeTarget) {
    // Small writable memory is used at once: save it the trap. What cannot be had now comes by a fault as always.
    void vmFaultTry(vm, va, Prot.WRITE);
  }
  // A program that has just started: what it will touch, it touched the last time.
  vm.learn?.map(vm, va, va + size);
  pmapUpdate(vm.pmap);
  return va + pageoff;
}

/** Of a mapped file, what is resident is mapped at once up to this size. */
const PREFAULT_MAX = 128 * 1024;
/** Anonymous memory up to this size gets its first pages at once. */
const TOUCH_MAX = 64 * 1024;

/** The page range around [addr, addr + len), rounded outwards, or EINVAL when it is not in the user's range. */
const range = { start: 0, end: 0 };
function rounded(vm: Vmspace, addr: number, len: number): Errno | null {
  const end = roundPage(addr + len);
  if (!(addr >= 0 && len >= 0 && end <= vm.map.max)) return EINVAL;
  range.start = truncPage(addr);
  range.end = end;
  return null;
}

function sysMunmap(lwp: Lwp, a: Float64Array): number | Errno {
  const vm = lwp.proc.vm;
  if (a[1] === 0) return 0;
  const error = rounded(vm, a[0], a[1]);
  if (error !== null) return error;
  const { start, end } = range;
  if (!vm.map.covered(start, end)) return EINVAL;
  const e = vmMapRemove(vm.map, start, end);
  pmapUpdate(vm.pmap);
  return e ?? 0;
}

function sysMprotect(lwp: Lwp, a: Float64Array): number | Errno {
  const vm = lwp.proc.vm;
  const error = rounded(vm, a[0], a[1]);
  if (error !== null) return error;
  if (a[1] === 0) return 0;
  const e = vmMapProtect(vm.map, range.start, range.end, a[2] & RWX);
  pmapUpdate(vm.pmap);
  return e ?? 0;
}

function sysMinherit(lwp: Lwp, a: Float64Array): number | Errno {
  const vm = lwp.proc.vm;
  const error = rounded(vm, a[0], a[1]);
  return error ?? vmMapInherit(vm.map, range.start, range.end, a[2]) ?? 0;
}

/** Set a flag of the entries in a range. */
function setFlag(vm: Vmspace, start: number, end: number, flag: 'nosync' | 'nocore' | 'wired', on: boolean): void {
  const map = vm.map;
  if (start >= end || map.entries.length + 2 > P.MAX_MAP_ENTRIES) return;
  let i = map.clip(start, end);
  const from = i;
  for (; i < map.entries.length && map.entries[i].start < end; i++) map.entries[i][flag] = on;
  vmMapSimplify(map, from - 1, i);
}

const setWired = (vm: Vmspace, start: number, end: number, on: boolean): void => setFlag(vm, start, end, 'wired', on);

function advise(lwp: Lwp, addr: number, len: number, behav: number): number | Errno {
  const vm = lwp.proc.vm;
  const error = rounded(vm, addr, len);
  if (error !== null) return error;
  const { start, end } = range;
  switch (behav) {
    case P.MADV_FREE:
      vmMapFree(vm.map, start, end);
      break;
    case P.MADV_WILLNEED:
      vmPrefault(vm, start, Math.min(end, start + PREFAULT_MAX * 8));
      break;
    case P.MADV_INVAL:
      pmapRemove(vm.pmap, start, end);
      break;
    case P.MADV_NOSYNC:
    case P.MADV_AUTOSYNC:
      setFlag(vm, start, end, 'nosync', behav === P.MADV_NOSYNC);
      break;
    case P.MADV_NOCORE:
    case P.MADV_CORE:
      setFlag(vm, start, end, 'nocore', behav === P.MADV_NOCORE);
      break;
    case P.MADV_DONTNEED:
      // Contents stay: file pages lose their mappings, so that the page-out scan finds them unused.
      for (let i = vm.map.indexAt(start); i < vm.map.entries.length && vm.map.entries[i].start < end; i++) {
        const e = vm.map.entries[i];
        if (e.object?.type === 'vnode') pmapRemove(vm.pmap, Math.max(start, e.start), Math.min(end, e.end));
      }
      break;
    default:
      // NORMAL, RANDOM, SEQUENTIAL: faults adapt by themselves.
      break;
  }
  pmapUpdate(vm.pmap);
  return 0;
}

function sysMadvise(lwp: Lwp, a: Float64Array): number | Errno {
  if (a[2] < 0 || a[2] >= P.MADV_CONTROL_END) return EINVAL;
  return advise(lwp, a[0], a[1], a[2]);
}

function sysMcontrol(lwp: Lwp, a: Float64Array): number | Errno {
  // SETMAP is for virtual page tables, which no entry can have.
  if (a[2] < 0 || a[2] > P.MADV_CONTROL_END || a[2] === P.MADV_SETMAP) return EINVAL;
  return advise(lwp, a[0], a[1], a[2]);
}

/** mincore byte of one page. */
function incore(vm: Vmspace, va: number): number {
  const e = vm.map.lookup(va);
  if (e === null) return 0;
  const pages = gd.vm.pages;
  let bits = 0;
  let pindex = (e.off + (va - e.start)) / PAGE_SIZE;
  for (let o = e.object; o !== null; pindex += o.backingOff, o = o.backing) {
    const p = pages.lookup(o.id, pindex);
    if (p < 0) continue;
    bits = P.MINCORE_INCORE;
    if ((pages.flags[p] & PG.REFERENCED) !== 0) bits |= P.MINCORE_REFERENCED;
    if (o === e.object && (pages.flags[p] & PG.DIRTY) !== 0) bits |= P.MINCORE_MODIFIED;
    break;
  }
  if (pmapLookup(vm.pmap, va) !== 0) bits |= P.MINCORE_INCORE | P.MINCORE_REFERENCED;
  return bits;
}

function* sysMincore(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const vm = lwp.proc.vm;
  const error = rounded(vm, a[0], a[1]);
  if (error !== null) return error;
  let { start } = range;
  const { end } = range;
  const buf = new Uint8Array(1024);
  for (let out = a[2], chunks = 1; start < end; chunks++) {
    let n = 0;
    for (; n < buf.length && start < end; n++, start += PAGE_SIZE) buf[n] = incore(vm, start);
    const e = yield* copyoutB(vm, buf, 0, out, n);
    if (e !== null) return EFAULT;
    out += n;
    // Ranges may be of many TiB: let others run.
    if (chunks % 64 === 0) yield* lwktYield();
  }
  return 0;
}

function* sysMsync(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const vm = lwp.proc.vm;
  const flags = a[2];
  if ((flags & (P.MS_ASYNC | P.MS_INVALIDATE)) === (P.MS_ASYNC | P.MS_INVALIDATE)) return EINVAL;
  const error = rounded(vm, a[0], a[1]);
  if (error !== null) return error;
  let { start, end } = range;
  if (a[1] === 0) {
    const e = vm.map.lookup(start);
    if (e === null) return EINVAL;
    start = e.start;
    end = e.end;
  }
  if (!vm.map.covered(start, end)) return EINVAL;
  // The map may change while pages are written: collect first, with references.
  const work: { o: VmObject; from: number; to: number }[] = [];
  for (let i = vm.map.indexAt(start); i < vm.map.entries.length && vm.map.entries[i].start < end; i++) {
    const e = vm.map.entries[i];
    if (e.object === null || e.object.pager === null || e.cow) continue;
    const s = Math.max(start, e.start);
    const t = Math.min(end, e.end);
    const from = (e.off + (s - e.start)) / PAGE_SIZE;
    vmObjectRef(e.object);
    work.push({ o: e.object, from, to: from + (t - s) / PAGE_SIZE });
  }
  let result: Errno | null = null;
  for (const w of work) {
    const e = yield* vmObjectClean(w.o, w.from, w.to);
    if (e !== null) result = EIO;
    vmObjectDeref(w.o);
  }
  if ((flags & P.MS_INVALIDATE) !== 0) {
    pmapRemove(vm.pmap, start, end);
    pmapUpdate(vm.pmap);
  }
  return result ?? 0;
}

/** Bytes of wired entries. */
function wiredBytes(vm: Vmspace): number {
  let n = 0;
  for (const e of vm.map.entries) if (e.wired) n += e.end - e.start;
  return n;
}

/** Bring in every page of [start, end), which is mapped. ENOMEM what cannot be. */
function* wireRange(vm: Vmspace, start: number, end: number): Blocking<Errno | null> {
  for (let va = start; va < end; va += PAGE_SIZE) {
    const e = vm.map.lookup(va);
    if (e === null) return ENOMEM;
    if (e.prot === Prot.NONE) {
      va = e.end - PAGE_SIZE;
      continue;
    }
    const access = (e.prot & Prot.WRITE) !== 0 ? Prot.WRITE : Prot.READ;
    const error = yield* vmFault(vm, va, access);
    if (error !== null) return ENOMEM;
  }
  return null;
}

function* sysMlock(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const vm = lwp.proc.vm;
  const error = rounded(vm, a[0], a[1]);
  if (error !== null) return error;
  const { start, end } = range;
  if (start === end) return 0;
  if (!vm.map.covered(start, end)) return ENOMEM;
  if (wiredBytes(vm) + (end - start) > lwp.proc.limits.cur[P.RLIMIT_MEMLOCK]) return ENOMEM;
  if ((end - start) / PAGE_SIZE > gd.vm.pages.freeCount - gd.vm.freeMin) return EAGAIN;
  const e = yield* wireRange(vm, start, end);
  if (e !== null) return e;
  setWired(vm, start, end, true);
  return 0;
}

function sysMunlock(lwp: Lwp, a: Float64Array): number | Errno {
  const vm = lwp.proc.vm;
  const error = rounded(vm, a[0], a[1]);
  if (error !== null) return error;
  if (!vm.map.covered(range.start, range.end)) return ENOMEM;
  setWired(vm, range.start, range.end, false);
  return 0;
}

function* sysMlockall(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const vm = lwp.proc.vm;
  const how = a[0];
  if (how === 0 || (how & ~(P.MCL_CURRENT | P.MCL_FUTURE)) !== 0) return EINVAL;
  if ((how & P.MCL_FUTURE) !== 0) vm.wireFuture = true;
  if ((how & P.MCL_CURRENT) === 0) return 0;
  for (const e of vm.map.entries.slice()) {
    if (e.prot === Prot.NONE) continue;
    if ((e.end - e.start) / PAGE_SIZE > gd.vm.pages.freeCount - gd.vm.freeMin) return EAGAIN;
    const error = yield* wireRange(vm, e.start, e.end);
    if (error !== null) return error;
    e.wired = true;
  }
  return 0;
}

function sysMunlockall(lwp: Lwp): number {
  const vm = lwp.proc.vm;
  vm.wireFuture = false;
  for (const e of vm.map.entries) e.wired = false;
  return 0;
}

/** Grow the break from `old` to `to`. */
function growBreak(lwp: Lwp, old: number, to: number): Errno | null {
  const vm = lwp.proc.vm;
  const base = roundPage(vm.dataAddr);
  if (!(to - base <= lwp.proc.limits.cur[P.RLIMIT_DATA])) return ENOMEM;
  if (!(vm.map.size + (to - old) <= lwp.proc.limits.cur[P.RLIMIT_VMEM])) return ENOMEM;
  const error = vmMapInsert(vm.map, null, 0, old, to - old, Prot.READ | Prot.WRITE, RWX, {});
  if (error !== null) return ENOMEM;
  vm.dataSize += to - old;
  return null;
}

const breakOf = (vm: Vmspace): number => roundPage(vm.dataAddr) + roundPage(vm.dataSize);

function sysBreak(lwp: Lwp, a: Float64Array): number | Errno {
  const vm = lwp.proc.vm;
  const old = breakOf(vm);
  const to = roundPage(a[0]);
  if (!(to >= roundPage(vm.dataAddr))) return EINVAL;
  if (to < old) return EOPNOTSUPP;
  if (to === old) return 0;
  return growBreak(lwp, old, to) ?? 0;
}

function sysSbrk(lwp: Lwp, a: Float64Array): number | Errno {
  const old = breakOf(lwp.proc.vm);
  if (a[0] === 0) return old;
  // u64: the upper half is what a C program means by a negative increment.
  if (!(a[0] > 0 && a[0] < 2 ** 63)) return EOPNOTSUPP;
  return growBreak(lwp, old, roundPage(old + a[0])) ?? old;
}

export const vmSyscalls: SyscallImpls = {
  mmap: { try: sysMmap },
  munmap: { try: sysMunmap },
  mprotect: { try: sysMprotect },
  madvise: { try: sysMadvise },
  mcontrol: { try: sysMcontrol },
  mincore: { block: sysMincore },
  msync: { block: sysMsync },
  netbsd_msync: { block: sysMsync },
  minherit: { try: sysMinherit },
  mlock: { block: sysMlock },
  munlock: { try: sysMunlock },
  mlockall: { block: sysMlockall },
  munlockall: { try: sysMunlockall },
  break: { try: sysBreak },
  sbrk: { try: sysSbrk },
  sstk: { try: () => EOPNOTSUPP },
};
