/**
 * Reclaiming memory: clean pages of files are taken back, least recently used first, when free pages run low; and what
 * happens when nothing is left.
 *
 * Pages of files are on the INACTIVE queue from their birth; a scan gives what was referenced since the last one (or is
 * mapped) another round on the ACTIVE queue. There is no swap: anonymous pages and dirty ones stay.
 * All of this runs in the allocating caller and never sleeps.
 *
 * Counterpart: sys/vm/vm_pageout.c
 */
import { gd } from '../sys/globaldata.js';
import { pmapDrain, pmapRemovePage, pmapUpdate } from './pmap.js';
import { PG, PQ, vmPageFree } from './vm_page.js';
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
