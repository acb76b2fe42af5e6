/**
 * Reclaiming memory: clean pages of files are taken back, least recently used first, when free pages run low; and what
 * happens when nothing is left.
 *
 * Pages of files are on the INACTIVE queue from their birth; a scan gives what was referenced since the last one (or is
 * mapped) another round on the ACTIVE queue. There is no swap: anonymous pages stay, and so do dirty ones until the page
 * daemon or msync has written them back. Reclaiming itself runs in the allocating caller and never sleeps.
 *
 * When a fault finds no page, it sleeps in vmWaitPages: first the daemon cleans dirty pages, then the biggest address
 * space is given to the out-of-memory hook, one at a time.
 *
 * Counterpart: sys/vm/vm_pageout.c
 */
import { lwktCreate, PCATCH, TDPRI_KERN_DAEMON, tsleep, wakeup } from '../kern/lwkt_thread.js';
import type { Blocking } from '../sys/blocking.js';
import { type Errno, EWOULDBLOCK } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import { pmapCleanPage, pmapDrain, pmapRemovePage, pmapUpdate } from './pmap.js';
import { type VmObject, vmObjectDeref, vmObjectRef } from './vm_object.js';
import { PG, PQ, vmPageFree, vmPageHold, vmPageUnhold } from './vm_page.js';
import type { Vmspace } from './vmspace.js';

/** One pass over a queue, oldest first. @returns pages freed */
function scan(q: PQ, want: number, takeMapped: boolean): number {
  const pages = gd.vm.pages;
  let freed = 0;
  let left = pages.qcount[q];
  for (let p = pages.qhead[q]; p >= 0 && left > 0 && freed < want; left--) {
    const next = pages.qnext[p];
    const f = pages.flags[p];
    if (pages.wire[p] > 0 || pages.hold[p] > 0 || (f & (PG.BUSY | PG.DIRTY)) !== 0) {
      pages.dequeue(p);
      pages.enqueue(p, PQ.ACTIVE);
    } else if (!takeMapped && ((f & PG.REFERENCED) !== 0 || pages.pvHead[p] >= 0)) {
      // Used since the last scan, or in use for all we know: once more round.
      pages.flags[p] = f & ~PG.REFERENCED;
      pages.dequeue(p);
      pages.enqueue(p, PQ.ACTIVE);
      gd.vm.counters.reactivated++;
    } else {
      if (pages.pvHead[p] >= 0) pmapRemovePage(p);
      vmPageFree(p);
      freed++;
    }
    p = next;
  }
  return freed;
}

/**
 * Free `n` clean file pages if there are as many.
 * @param desperate those referenced and mapped as well
 */
export function vmReclaim(n: number, desperate: boolean): number {
  const vm = gd.vm;
  const pages = vm.pages;
  vm.counters.pdwakeups++;
  let freed = scan(PQ.INACTIVE, n, false);
  if (freed < n) freed += scan(PQ.ACTIVE, n - freed, false);
  if (desperate && freed < n) freed += scan(PQ.ACTIVE, n - freed, true);
  for (const pm of vm.ptes.stale) pmapUpdate(pm);
  if (pages.qcount[PQ.LIMBO] > 0) pmapDrain(true);
  vm.counters.dfree += freed;
  return freed;
}

/** Pages that would come free if `vm` went away: what only it has in anonymous memory. */
export function vmspaceAnonPages(vm: Vmspace): number {
  let n = 0;
  const seen = new Set<number>();
  for (const e of vm.map.entries) {
    for (let o = e.object; o !== null; o = o.backing) {
      if (o.type !== 'anon' || seen.has(o.id)) break;
      seen.add(o.id);
      n += o.refs === 1 || o.oneMapping ? o.resident : Math.floor(o.resident / o.refs);
    }
  }
  return n;
}

/** Write back the dirty pages of `o` in [from, to). */
export function* vmObjectClean(o: VmObject, from: number, to: number): Blocking<Errno | null> {
  const pages = gd.vm.pages;
  const pager = o.pager;
  if (pager?.putPage === undefined) return null;
  const dirty: number[] = [];
  for (let p = o.pageHead; p >= 0; p = pages.onext[p]) {
    const pi = pages.pindex[p];
    if (pi >= from && pi < to && (pages.flags[p] & (PG.DIRTY | PG.VALID)) === (PG.DIRTY | PG.VALID)) dirty.push(pi);
  }
  dirty.sort((x, y) => x - y);
  let result: Errno | null = null;
  for (const pi of dirty) {
    const p = pages.lookup(o.id, pi);
    if (p < 0 || (pages.flags[p] & PG.DIRTY) === 0) continue;
    // Clean first and write-protected: what is written from now on makes it dirty again.
    pages.flags[p] &= ~PG.DIRTY;
    pmapCleanPage(p);
    vmPageHold(p);
    const error = yield* pager.putPage(o, pi, p);
    vmPageUnhold(p);
    if (error !== null) {
      result = error;
      if (pages.lookup(o.id, pi) === p) pages.flags[p] |= PG.DIRTY;
    } else gd.vm.counters.vnodepgsout++;
  }
  return result;
}

/** A dirty page of a file that can be written back, or -1. Oldest first. */
function cleanable(): number {
  const { pages, objects } = gd.vm;
  for (let q = PQ.INACTIVE; q <= PQ.ACTIVE; q++) {
    for (let p = pages.qhead[q]; p >= 0; p = pages.qnext[p]) {
      if ((pages.flags[p] & (PG.DIRTY | PG.BUSY)) !== PG.DIRTY) continue;
      if (objects[pages.objId[p]]!.pager?.putPage !== undefined) return p;
    }
  }
  return -1;
}

/** Pages that the daemon writes around the oldest dirty one. */
const DAEMON_CLUSTER = 64;

/** The page daemon: writes dirty file pages back while memory is short, and tells those who wait. */
function* pagedaemon(): Blocking<void> {
  const vm = gd.vm;
  for (;;) {
    vm.cleanFailed = false;
    for (let p = cleanable(); p >= 0 && vm.pages.freeCount < vm.freeTarget && !vm.cleanFailed; p = cleanable()) {
      const o = vm.objects[vm.pages.objId[p]]!;
      const from = vm.pages.pindex[p];
      vmObjectRef(o);
      const error = yield* vmObjectClean(o, from, from + DAEMON_CLUSTER);
      vmObjectDeref(o);
      vm.counters.pdpages++;
      // An error, or a pager that dirties its page again at once: no help is to be had there.
      vm.cleanFailed = error !== null;
      if (error === null) {
        // The first look may only find the pages referenced.
        const want = vm.freeTarget - vm.pages.freeCount;
        vm.cleanFailed = vm.reclaim(want, false) === 0 && vm.reclaim(want, false) === 0;
      }
      wakeup(vm.freeq);
    }
    wakeup(vm.freeq);
    yield* tsleep(vm.pagedaemonq, 'psleep');
  }
}

function poke(): void {
  const vm = gd.vm;
  vm.pagedaemon ??= lwktCreate(() => pagedaemon(), 'pagedaemon', TDPRI_KERN_DAEMON);
  wakeup(vm.pagedaemonq);
}

/** The address space that would give most memory back, those in `except` left out. */
export function vmBiggest(except: ReadonlySet<Vmspace>): Vmspace | null {
  let best: Vmspace | null = null;
  let most = 0;
  for (const v of gd.vm.vmspaces) {
    if (except.has(v)) continue;
    const n = vmspaceAnonPages(v);
    if (n > most) {
      most = n;
      best = v;
    }
  }
  return best;
}

/** Give the biggest address space that may be killed to the hook. @returns false when there is none */
function outOfMemory(): boolean {
  const vm = gd.vm;
  if (vm.onOutOfMemory === null) return false;
  const except = new Set<Vmspace>();
  for (let v = vmBiggest(except); v !== null; v = vmBiggest(except)) {
    if (vm.onOutOfMemory(v)) {
      vm.oomVictim = v;
      return true;
    }
    except.add(v);
  }
  return false;
}

/** How long to wait for the daemon's or a victim's pages before looking again. */
const WAIT_NS = 20_000_000;
/** A victim that is still there after so many looks will not go: take another. */
const VICTIM_PATIENCE = 100;

/**
 * No page was to be had: wait until it is worth trying again.
 * @returns null to try again; an errno when a signal came (most likely SIGKILL: the caller is the victim), or ENOMEM-like
 *   hopelessness as EWOULDBLOCK: nobody can be killed
 */
export function* vmWaitPages(): Blocking<Errno | null> {
  const vm = gd.vm;
  if (gd.lwkt === undefined) return EWOULDBLOCK;
  if (cleanable() >= 0) {
    const hope = !vm.cleanFailed;
    poke();
    if (hope) {
      const r = yield* tsleep(vm.freeq, 'vmwait', PCATCH, WAIT_NS);
      return r === EWOULDBLOCK ? null : r;
    }
  }
  if (vm.oomVictim === null || !vm.vmspaces.has(vm.oomVictim)) {
    vm.oomVictim = null;
    if (!outOfMemory()) return EWOULDBLOCK;
  }
  const victim = vm.oomVictim;
  for (let i = 0; i < VICTIM_PATIENCE; i++) {
    const r = yield* tsleep(vm.freeq, 'vmwait', PCATCH, WAIT_NS);
    if (r !== null && r !== EWOULDBLOCK) return r;
    if (vm.pages.freeCount > vm.freeMin || vm.oomVictim !== victim) return null;
  }
  vm.oomVictim = null;
  return null;
}

/** Pages have come free in numbers: an address space is gone. */
export function vmPagesFreed(gone: Vmspace): void {
  const vm = gd.vm;
  if (vm.oomVictim === gone) vm.oomVictim = null;
  if (vm.freeq.head !== null) wakeup(vm.freeq);
}
