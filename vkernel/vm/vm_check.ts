/**
 * vmCheck: the invariants of the VM, all of them, slowly. For tests and ddb.
 *
 * @returns what is wrong, one line each; empty when all is well
 */
import { Prot } from '../machine/machine.js';
import { gd } from '../sys/globaldata.js';
import { PTE_PROT, PTE_SHIFT } from './pmap_table.js';
import { VmObject } from './vm_object.js';
import { PG, PQ } from './vm_pages.js';
import { PAGE_SIZE } from './vm_param.js';

export function vmCheck(extraRefs: ReadonlyMap<VmObject, number> = new Map()): string[] {
  const bad: string[] = [];
  const expect = (ok: boolean, what: () => string): void => {
    if (!ok) bad.push(what());
  };
  checkPages(expect);
  checkObjects(expect, extraRefs);
  checkMaps(expect);
  return bad;
}

type Expect = (ok: boolean, what: () => string) => void;

function checkPages(expect: Expect): void {
  const { pages } = gd.vm;
  const n = pages.npages;
  // Every FREE page is in exactly one block of the buddy system.
  const seen = new Uint8Array(n);
  let free = 0;
  for (const { ppn, order } of pages.freeBlocks()) {
    expect(ppn % 2 ** order === 0, () => `block ${ppn} of order ${order} is not aligned`);
    for (let p = ppn; p < ppn + 2 ** order; p++) {
      expect(seen[p]++ === 0, () => `page ${p} is in two free blocks`);
      expect(pages.queue[p] === PQ.FREE, () => `page ${p} is in a free block with queue ${pages.queue[p]}`);
      free++;
    }
  }
  expect(free === pages.freeCount, () => `freeCount ${pages.freeCount}, counted ${free}`);
  const counts = new Int32Array(PQ.COUNT);
  for (let q = PQ.LIMBO; q < PQ.COUNT; q++) {
    if (q === PQ.HOLD) continue;
    let len = 0;
    let prev = -1;
    for (let p = pages.qhead[q]; p >= 0 && len <= n; p = pages.qnext[p]) {
      expect(pages.queue[p] === q && pages.qprev[p] === prev, () => `page ${p} is wrongly linked on queue ${q}`);
      prev = p;
      len++;
    }
    expect(len === pages.qcount[q], () => `queue ${q} counts ${pages.qcount[q]}, has ${len}`);
  }
  let wired = 0;
  for (let p = 0; p < n; p++) {
    const q = pages.queue[p];
    counts[q]++;
    if (pages.wire[p] > 0) wired++;
    if (q === PQ.FREE) expect(seen[p] === 1, () => `free page ${p} is in no block`);
    if (q === PQ.FREE || q === PQ.LIMBO || q === PQ.HOLD) {
      expect(pages.objId[p] === 0 && pages.pvHead[p] < 0, () => `free page ${p} has an owner or a mapping`);
      expect(pages.wire[p] === 0, () => `free page ${p} is wired`);
    }
    if (q === PQ.FREE) expect(pages.hold[p] === 0, () => `free page ${p} is held`);
    const id = pages.objId[p];
    if (id !== 0) {
      expect(gd.vm.objects[id] instanceof VmObject, () => `page ${p} belongs to object ${id}, which is gone`);
      expect(pages.lookup(id, pages.pindex[p]) === p, () => `page ${p} is not found by its object and index`);
    }
  }
  for (let q = PQ.HOLD; q < PQ.COUNT; q++) {
    expect(counts[q] === pages.qcount[q], () => `${counts[q]} pages say queue ${q}, which counts ${pages.qcount[q]}`);
  }
  expect(wired === pages.wireCount, () => `wireCount ${pages.wireCount}, counted ${wired}`);
}

function checkObjects(expect: Expect, extraRefs: ReadonlyMap<VmObject, number>): void {
  const { pages, objects, vmspaces } = gd.vm;
  const refs = new Map<VmObject, number>(extraRefs);
  const add = (o: VmObject): void => void refs.set(o, (refs.get(o) ?? 0) + 1);
  for (const vm of vmspaces) for (const e of vm.map.entries) if (e.object !== null) add(e.object);
  for (const o of objects) if (o?.backing) add(o.backing);
  for (let id = 1; id < objects.length; id++) {
    const o = objects[id];
    if (o === null) continue;
    expect(o.id === id, () => `object ${id} says it is ${o.id}`);
    expect(o.refs === (refs.get(o) ?? 0), () => `object ${id} (${o.type}): refs ${o.refs}, found ${refs.get(o) ?? 0}`);
    expect(o.refs > 0 || o.pager !== null, () => `object ${id} has no references`);
    let len = 0;
    for (let p = o.pageHead; p >= 0; p = pages.onext[p]) {
      expect(pages.objId[p] === id, () => `page ${p} is on the list of object ${id} but belongs to ${pages.objId[p]}`);
      if (++len > pages.npages) break;
    }
    expect(len === o.resident, () => `object ${id}: resident ${o.resident}, has ${len}`);
    for (const s of o.shadows) expect(s.backing === o, () => `object ${id} has a shadow that does not know it`);
    const b = o.backing;
    if (b !== null) {
      expect(b.shadows.includes(o), () => `object ${id} is missing from the shadows of ${b.id}`);
      expect(o.backingOff >= 0, () => `object ${id}: backing offset ${o.backingOff}`);
    }
  }
}

function checkMaps(expect: Expect): void {
  const { pages, ptes, vmspaces } = gd.vm;
  let mapped = 0;
  for (const vm of vmspaces) {
    const { map, pmap } = vm;
    expect(vm.refs > 0, () => `vmspace ${pmap.id} has no references`);
    expect(!pmap.pending, () => `vmspace ${pmap.id} has an operation pending`);
    let end = 0;
    let size = 0;
    for (const e of map.entries) {
      const at = (): string => `vmspace ${pmap.id}, entry ${e.start.toString(16)}`;
      expect(e.start >= end && e.end > e.start, () => `${at()}: order or overlap`);
      expect(e.start % PAGE_SIZE === 0 && e.end % PAGE_SIZE === 0, () => `${at()}: not page aligned`);
      expect(e.off >= 0 && e.off % PAGE_SIZE === 0, () => `${at()}: offset ${e.off}`);
      expect((e.prot & ~e.maxprot) === 0, () => `${at()}: protection above its maximum`);
      expect(e.object === null || e.object.refs > 0, () => `${at()}: object is gone`);
      end = e.end;
      size += e.end - e.start;
    }
    expect(end <= map.max, () => `vmspace ${pmap.id} reaches beyond its end`);
    expect(size === map.size, () => `vmspace ${pmap.id}: size ${map.size}, has ${size}`);
    let resident = 0;
    let leaves = 0;
    for (let l = pmap.leafHead; l >= 0; l = ptes.leafNext[l]) {
      expect(ptes.leafPmap[l] === pmap.id, () => `leaf ${l} is on a wrong list`);
      expect(ptes.findLeaf(pmap.id, ptes.leafKey[l]) === l, () => `leaf ${l} is not found`);
      let count = 0;
      for (let i = l << 9; i < (l + 1) << 9; i++) {
        const pte = ptes.pte[i];
        if (pte === 0) continue;
        count++;
        const ppn = pte >>> PTE_SHIFT;
        const va = ptes.vaOf(i);
        const e = map.lookup(va);
        const at = (): string => `vmspace ${pmap.id}, page ${va.toString(16)} -> ${ppn}`;
        let found = false;
        for (let k = pages.pvHead[ppn]; k >= 0; k = ptes.pvNext[k]) if (k === i) found = true;
        expect(found, () => `${at()}: not in the reverse mapping`);
        expect(pages.objId[ppn] !== 0, () => `${at()}: page has no object`);
        if (e === null) {
          expect(false, () => `${at()}: mapped outside of any entry`);
          continue;
        }
        expect(
          (pte & PTE_PROT & ~(e.prot | Prot.READ)) === 0 && e.prot !== 0,
          () => `${at()}: more rights than the entry`,
        );
        const own = e.object;
        expect(own !== null, () => `${at()}: entry has no object`);
        // The page is the one that a walk down the chain finds, and writable only where nobody else counts on it.
        let pindex = (e.off + (va - e.start)) / PAGE_SIZE;
        let o = own;
        let p = -1;
        for (; o !== null; pindex += o.backingOff, o = o.backing) if ((p = pages.lookup(o.id, pindex)) >= 0) break;
        expect(p === ppn, () => `${at()}: the object chain has ${p}`);
        if ((pte & Prot.WRITE) !== 0) {
          expect(o === own && !e.needsCopy, () => `${at()}: writable but shared`);
          expect(o?.type !== 'vnode' || (pages.flags[ppn] & PG.DIRTY) !== 0, () => `${at()}: writable but clean`);
        }
      }
      expect(count === ptes.leafCount[l] && count > 0, () => `leaf ${l} counts ${ptes.leafCount[l]}, has ${count}`);
      resident += count;
      leaves++;
    }
    expect(resident === pmap.resident, () => `vmspace ${pmap.id}: resident ${pmap.resident}, has ${resident}`);
    expect(leaves === pmap.leaves, () => `vmspace ${pmap.id}: leaves ${pmap.leaves}, has ${leaves}`);
    mapped += resident;
  }
  let reverse = 0;
  for (let p = 0; p < pages.npages; p++) for (let i = pages.pvHead[p]; i >= 0; i = ptes.pvNext[i]) reverse++;
  expect(reverse === mapped, () => `${mapped} pages mapped, ${reverse} reverse mappings`);
}
