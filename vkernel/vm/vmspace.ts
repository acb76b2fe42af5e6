/**
 * Address spaces: map, page table and host address space of a process, shared by its threads (and by vfork children).
 *
 * - refs counts processes. The last vmspaceFree releases everything; all machine threads must have been released before.
 * - fork shares private memory copy-on-write: the parent's writable pages are protected in one pass over its page
 *   table, and of small entries the child's page table is filled in the same pass, so that the child does not start
 *   with a storm of faults. Pages that both sides wrote to after the last fork are copied right away.
 *
 * Counterpart: struct vmspace, vmspace_fork and vmspace_exec in sys/vm/vm_map.c
 */
import { type MachVmspace, Prot } from '../machine/machine.js';
import { ENOMEM, Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import { Pmap, pmapCopy, pmapFlush, pmapProtect, pmapRelease, pmapRemove, pmapUpdate } from './pmap.js';
import { KASSERT } from '../kern/kern_shutdown.js';
import { vmEntryOwnObject, vmFaultTry } from './vm_fault.js';
import { MapEntry, VmMap, mapEntriesFull } from './vm_map.js';
import { vmObjectDeref, vmObjectRef } from './vm_object.js';
import { vmPagesFreed } from './vm_pageout.js';
import { FaultSet, vmLearn } from './vm_ahead.js';
import type { PatchState } from './vm_patch.js';
import { DFLSSIZ, Inherit, MAP_ENTRIES_FREE, VM_MIN_USER_ADDRESS } from './vm_param.js';

/**
 * Of a private entry up to this size (text: up to the second), the child's page table is filled at fork; the rest comes by
 * faults, 64 pages at a time. Filling costs 0.1 us a page, most of it on the host; a fault 10 us.
 */
const FORK_COPY_DATA = 256 * 1024;
const FORK_COPY_TEXT = 2 * 1024 * 1024;
/** Pages that were copied on write after a fork are likely to be again: so many are copied at the fork itself. */
const HOT_MAX = 24;
/** Forks after which the hot pages are forgotten, and learnt again. */
const HOT_FORKS = 64;

export class Vmspace {
  refs = 1;
  readonly map: VmMap;
  readonly pmap: Pmap;
  /** Text and data segments as exec loaded them: addresses and sizes in bytes. They place the break and mmap's hints. */
  textAddr = 0;
  textSize = 0;
  dataAddr = 0;
  /** Grows with the break. */
  dataSize = 0;
  /** RLIMIT_STACK in bytes, for stack growth; exec and setrlimit set it. */
  stackLimit = DFLSSIZ;
  /** mlockall(MCL_FUTURE): new mappings are wired. */
  wireFuture = false;
  /** Pages copied on write since a fork, latest last: where the stack is, and data that every request writes. */
  readonly hot: number[] = [];
  private hotForks = 0;
  /** Where faults are noted for the next of its kind, until then; null: nowhere (vm_ahead.ts). */
  learn: FaultSet | null = null;
  learnUntilNs = 0;
  /** What children of this one fault on after fork; null before the first fork. */
  forkSet: FaultSet | null = null;
  /** Patched system call sites; null until the first. */
  patch: PatchState | null = null;

  constructor(readonly mach: MachVmspace) {
    this.pmap = new Pmap(mach);
    this.map = new VmMap(this.pmap, (mach as { userBottom?: number }).userBottom ?? VM_MIN_USER_ADDRESS, mach.userTop);
    gd.vm.vmspaces.add(this);
  }

  /** A page shared with a child or parent has been copied because it was written to. */
  noteHot(va: number): void {
    const hot = this.hot;
    if (hot.includes(va)) return;
    if (hot.length === HOT_MAX) hot.shift();
    hot.push(va);
  }

  /** At a fork: forget from time to time, since a page copied in advance never shows whether it still is hot. */
  ageHot(): void {
    if (++this.hotForks % HOT_FORKS === 0) this.hot.length = 0;
  }
}

/**
 * After a fork shared entry `e`: copy the hot pages in it at once, for both sides, instead of by two faults each. When it is
 * known what the child writes to (null), for the parent only.
 */
function copyHot(vm: Vmspace, child: Vmspace | null, e: MapEntry): void {
  for (let i = vm.hot.length - 1; i >= 0; i--) {
    const va = vm.hot[i];
    if (va < e.start || va >= e.end || (e.prot & Prot.WRITE) === 0) continue;
    if (child !== null) void vmFaultTry(child, va, Prot.WRITE);
    void vmFaultTry(vm, va, Prot.WRITE);
  }
}

/** A new, empty address space; EAGAIN when the host has none left. */
export function vmspaceAlloc(): Vmspace | Errno {
  const mach = gd.machine.newVmspace();
  return mach instanceof Errno ? mach : new Vmspace(mach);
}

export function vmspaceRef(vm: Vmspace): void {
  vm.refs++;
}

/** A copy of `vm` for fork; EAGAIN from the host, or ENOMEM. */
export function vmspaceFork(vm: Vmspace): Vmspace | Errno {
  const sys = gd.vm;
  if (sys.pages.freeCount <= sys.freeReserved && sys.reclaim(sys.freeMin, true) === 0) return ENOMEM;
  const n = vm.map.entries.length;
  // The child has as many as the parent: they all count as new.
  if (n > MAP_ENTRIES_FREE && mapEntriesFull(0, n)) return ENOMEM;
  const child = vmspaceAlloc();
  if (child instanceof Errno) return child;
  child.textAddr = vm.textAddr;
  child.textSize = vm.textSize;
  child.dataAddr = vm.dataAddr;
  child.dataSize = vm.dataSize;
  child.stackLimit = vm.stackLimit;
  child.hot.push(...vm.hot);
  child.patch = vm.patch === null ? null : vm.patch.copy();
  vm.ageHot();
  const forkSet = (vm.forkSet ??= new FaultSet());
  const known = forkSet.use();
  const copyAhead = sys.pages.freeCount > sys.freeTarget;
  let shared = false;
  for (const e of vm.map.entries) {
    if (e.inherit === Inherit.NONE) continue;
    let mask = Prot.READ | Prot.WRITE | Prot.EXEC;
    if (e.inherit === Inherit.SHARE) {
      // Both must find the same pages, so the object has to exist.
      if (e.cow || e.object === null) vmEntryOwnObject(e);
      vmObjectRef(e.object!);
    } else if (e.object !== null && e.cow) {
      vmObjectRef(e.object);
      if (!e.needsCopy) {
        e.needsCopy = true;
        pmapProtect(vm.pmap, e.start, e.end, Prot.READ | Prot.EXEC);
        shared = true;
      }
      e.faultNext = -1;
      mask = Prot.READ | Prot.EXEC;
    } else if (e.object !== null) {
      // Shared memory that becomes private in the child (minherit).
      vmObjectRef(e.object);
      mask = Prot.READ | Prot.EXEC;
    }
    const f = new MapEntry(e.start, e.end, e.object, e.off, e.prot, e.maxprot, e);
    f.stackLimit = e.stackLimit;
    f.cow = e.inherit === Inherit.COPY ? true : e.cow;
    f.needsCopy = e.inherit === Inherit.COPY && e.object !== null;
    child.map.entries.push(f);
    if (e.object === null) continue;
    const most = (e.prot & Prot.EXEC) !== 0 ? FORK_COPY_TEXT : FORK_COPY_DATA;
    if (!known && e.end - e.start <= most) pmapCopy(child.pmap, vm.pmap, e.start, e.end, mask);
  }
  for (const f of child.map.entries) child.map.size += f.end - f.start;
  // Other threads of the parent must not write to pages that are the child's as well now. The one that forked is
  // stopped, and resuming it carries the protection out.
  if (shared && vm.mach.nrunning !== 0) pmapFlush(vm.pmap);
  // Only now pages may be copied: what is written to a page after that would be lost.
  if (copyAhead)
    for (const e of vm.map.entries) if (e.needsCopy && e.inherit === Inherit.COPY) copyHot(vm, known ? null : child, e);
  if (known) forkSet.map(child, 0, child.map.max);
  vmLearn(child, forkSet);
  pmapUpdate(child.pmap);
  pmapUpdate(vm.pmap);
  sys.counters.forks++;
  sys.counters.forkpages += child.pmap.resident;
  return child;
}

/** Unmap everything and forget the segments; the space goes on. */
export function vmspaceClear(vm: Vmspace): void {
  const entries = vm.map.entries.splice(0);
  pmapRemove(vm.pmap, 0, vm.map.max);
  for (const e of entries) if (e.object !== null) vmObjectDeref(e.object);
  vm.map.size = 0;
  vm.textAddr = vm.textSize = vm.dataAddr = vm.dataSize = 0;
  vm.wireFuture = false;
  vm.hot.length = 0;
  vm.learn = null;
  vm.forkSet = null;
  vm.patch = null;
  pmapUpdate(vm.pmap);
}

/**
 * An empty address space for exec: `vm` itself, emptied, when nobody else uses it; else a new one (the caller frees
 * its reference to `vm` when it has moved over). All other threads of the process must be gone.
 */
export function vmspaceExec(vm: Vmspace): Vmspace | Errno {
  if (vm.refs > 1) return vmspaceAlloc();
  vmspaceClear(vm);
  return vm;
}

/** Drop a reference; the last one releases memory and host address space. */
export function vmspaceFree(vm: Vmspace): void {
  KASSERT(vm.refs > 0, 'vmspaceFree: no references');
  if (--vm.refs > 0) return;
  pmapUpdate(vm.pmap);
  vm.mach.release();
  pmapRelease(vm.pmap);
  for (const e of vm.map.entries) if (e.object !== null) vmObjectDeref(e.object);
  vm.map.entries.length = 0;
  vm.map.size = 0;
  gd.vm.vmspaces.delete(vm);
  vmPagesFreed(vm);
}
