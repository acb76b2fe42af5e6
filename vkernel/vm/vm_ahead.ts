/**
 * Mapping ahead by experience. A fault costs a dozen microseconds, a page mapped together with others a few; so what the
 * last ones of their kind faulted on is mapped for the next one in one go:
 * - a program, for its start: the set belongs to the file's object and is used at exec and at the mmaps that follow;
 * - the children of a process: the set belongs to the address space and is used at fork.
 *
 * A set is nothing but a guess: a wrong one costs some mappings or pages of zeros. What has been mapped ahead does not
 * fault and so is never seen to be useless; every RELEARN uses a set is forgotten and learnt anew.
 */
import { gd } from '../sys/globaldata.js';
import { pmapUpdate } from './pmap.js';
import { vmMapAhead } from './vm_fault.js';
import type { Vmspace } from './vmspace.js';

/** Pages in a set. */
const SET_MAX = 96;
/** How long after fork or exec faults are noted. */
const LEARN_NS = 20e6;
const RELEARN = 256;

export class FaultSet {
  /** Page addresses; true when it was written to. */
  private readonly pages = new Map<number, boolean>();
  private sorted: number[] | null = null;
  private uses = 0;

  /** The next fork or exec of this kind begins. @returns true when there is something to map ahead */
  use(): boolean {
    if (++this.uses % RELEARN === 0) {
      this.pages.clear();
      this.sorted = null;
    }
    return this.pages.size > 0;
  }

  /** False when the set is full. */
  note(va: number, write: boolean): boolean {
    const old = this.pages.get(va);
    if (old === undefined) {
      if (this.pages.size >= SET_MAX) return false;
      this.sorted = null;
    }
    this.pages.set(va, write || old === true);
    return true;
  }

  /** Map what the set has in [start, end) of `vm`. */
  map(vm: Vmspace, start: number, end: number): void {
    this.sorted ??= [...this.pages.keys()].sort((a, b) => a - b);
    const { pages } = gd.vm;
    const learn = vm.learn;
    vm.learn = null;
    for (const va of this.sorted) {
      if (va < start) continue;
      // Only with memory that nobody else needs.
      if (va >= end || pages.freeCount <= gd.vm.freeTarget) break;
      vmMapAhead(vm, va, this.pages.get(va) === true);
    }
    vm.learn = learn;
    pmapUpdate(vm.pmap);
  }
}

/** From now on, and for a short time, faults of `vm` are noted in `set`. */
export function vmLearn(vm: Vmspace, set: FaultSet): void {
  vm.learn = set;
  vm.learnUntilNs = gd.machine.now() + LEARN_NS;
}

/** A fault of an address space that has `learn`. */
export function vmLearnFault(vm: Vmspace, va: number, write: boolean): void {
  if (gd.machine.now() > vm.learnUntilNs || !vm.learn!.note(va, write)) vm.learn = null;
}
