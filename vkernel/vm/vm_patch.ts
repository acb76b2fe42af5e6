/**
 * Patching of system call sites (see CallSitePatcher in machine.ts): after a few traps of one site by signal, its text
 * page is replaced by a private copy in which the site jumps to a trampoline in a page of the process's own.
 *
 * Trampolines live in an ordinary mapping, read and execute, near the text; forks share it copy-on-write. What guest code
 * does to it or to the patched text harms only itself.
 */
import { Prot } from '../machine/machine.js';
import { Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import { vmReplace } from './vm_fault.js';
import { vmMapFindspace, vmMapInsert } from './vm_map.js';
import { PAGE_SIZE } from './vm_param.js';
import { copyin } from './vm_user.js';
import type { Vmspace } from './vmspace.js';

/** Traps of a site before it is patched: a patch costs as much as about so many signals. */
const THRESHOLD = 6;
/** Sites remembered in one address space. */
const MAX_SITES = 4096;
/** A jump reaches 2 GiB; stay well inside. */
const REACH = 0x40000000;
const LOWEST = 0x100000;
const RWX = Prot.READ | Prot.WRITE | Prot.EXEC;

/** What an address space knows of its sites. */
export class PatchState {
  /** Traps by site; -1 when it is patched or cannot be. */
  readonly sites = new Map<number, number>();
  /** Trampoline page being filled, 0 for none yet. */
  page = 0;
  used = 0;

  copy(): PatchState {
    const s = new PatchState();
    for (const [k, v] of this.sites) s.sites.set(k, v);
    s.page = this.page;
    s.used = this.used;
    return s;
  }
}

/** Room for a trampoline near `site`; 0 when there is none. */
function trampoline(vm: Vmspace, st: PatchState, site: number, slot: number): number {
  const near = st.page !== 0 && Math.abs(st.page - site) < REACH;
  if (!near || st.used + slot > PAGE_SIZE) {
    const from = Math.max(LOWEST, site - REACH);
    const va = vmMapFindspace(vm.map, from, PAGE_SIZE, PAGE_SIZE, site + REACH);
    if (va instanceof Errno) return 0;
    if (vmMapInsert(vm.map, null, 0, va, PAGE_SIZE, Prot.READ | Prot.EXEC, RWX) !== null) return 0;
    st.page = va;
    st.used = 0;
  }
  const at = st.page + st.used;
  st.used += slot;
  return at;
}

/**
 * A system call with number `nr` has trapped by signal; `rip` is the address after its `syscall`. Counts the site, and
 * patches it when it has proved hot. The mapping changes take effect before the thread goes on.
 */
export function vmPatchSite(vm: Vmspace, rip: number, nr: number): void {
  const patcher = vm.mach.patcher ?? null;
  if (patcher === null) return;
  const site = rip - 2;
  const st = (vm.patch ??= new PatchState());
  const n = st.sites.get(site) ?? 0;
  if (n < 0 || (n === 0 && st.sites.size >= MAX_SITES)) return;
  if (n + 1 < THRESHOLD) {
    st.sites.set(site, n + 1);
    return;
  }
  st.sites.set(site, -1);
  const len = Math.min(patcher.beforeBytes, site % PAGE_SIZE);
  const before = new Uint8Array(len);
  if (len === 0 || copyin(vm, site - len, before, 0, len) !== null) return;
  const tramp = trampoline(vm, st, site, patcher.slotBytes);
  if (tramp === 0) return;
  const plan = patcher.plan(before, nr, site, tramp);
  if (plan === null) st.used -= patcher.slotBytes;
  else if (vmReplace(vm, tramp, plan.trampoline)) vmReplace(vm, plan.at, plan.bytes);
  gd.vm.counters.patches++;
}
