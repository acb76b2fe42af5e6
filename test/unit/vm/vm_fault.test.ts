import { expect } from 'chai';
import { Prot } from '../../../vkernel/machine/machine.js';
import { type Blocking, runSync } from '../../../vkernel/sys/blocking.js';
import { EACCES, EFAULT, EIO, type Errno, NOTNOW } from '../../../vkernel/sys/errno.js';
import { gd } from '../../../vkernel/sys/globaldata.js';
import { pmapFlush, pmapUpdate } from '../../../vkernel/vm/pmap.js';
import { vmCheck } from '../../../vkernel/vm/vm_check.js';
import { vmFault, vmFaultTry, vmPrefault } from '../../../vkernel/vm/vm_fault.js';
import { vmMapInsert, vmMapProtect, vmMapRemove } from '../../../vkernel/vm/vm_map.js';
import { type VmObject, vmObjectAlloc, vmObjectPageRemove, vmObjectRef } from '../../../vkernel/vm/vm_object.js';
import { PG, vmPageAlloc, vmPageAllocRun } from '../../../vkernel/vm/vm_page.js';
import type { Pager } from '../../../vkernel/vm/vm_pager.js';
import { type Vmspace, vmspaceAlloc, vmspaceFork, vmspaceFree } from '../../../vkernel/vm/vmspace.js';
import { bootVm, type FakeVmspace, guestAccess, guestRead, guestWrite, hostEqual } from './fake.js';

const PAGE = 4096;
const RW = 3;
const BASE = 0x10000000;

let vm: Vmspace;
let mach: FakeVmspace;
function setup(npages = 4096): void {
  bootVm(npages);
  vm = vmspaceAlloc() as Vmspace;
  mach = vm.mach as FakeVmspace;
}
function anon(n: number, prot = RW): void {
  expect(vmMapInsert(vm.map, null, 0, BASE, n * PAGE, prot, 7)).to.equal(null);
}
/** Faults it takes to write to pages [0, n) in the given order. */
function touch(v: Vmspace, order: readonly number[]): number {
  const before = gd.vm.counters.vmFaults;
  for (const i of order) expect(guestWrite(v, BASE + i * PAGE, i & 255)).to.equal(null);
  return gd.vm.counters.vmFaults - before;
}
const upTo = (n: number): number[] => [...Array(n).keys()];

/** Pager whose pages come only to those who sleep; `slept` counts. */
class SlowPager implements Pager {
  slept = 0;
  released = 0;
  tryGetPage(): Errno {
    return NOTNOW;
  }
  *getPage(o: VmObject, pindex: number): Blocking<number | Errno> {
    this.slept++;
    if (pindex === 7) return EIO;
    const p = vmPageAlloc(o, pindex, true);
    gd.machine.ram.u8[0][p * PAGE] = 50 + pindex;
    gd.vm.pages.flags[p] |= PG.VALID;
    return p;
  }
  release(): void {
    this.released++;
  }
}

describe('vmFault', () => {
  beforeEach(() => setup());

  it('takes anonymous memory in runs that double while faults come in sequence', () => {
    anon(512);
    // 4, 8, 16, 32, then 64 each.
    expect(touch(vm, upTo(512))).to.equal(4 + Math.ceil((512 - 60) / 64));
    const ops = mach.takeOps();
    expect(ops.length).to.equal(12);
    expect(ops[6]).to.match(/^map .* 64 3$/);
    expect(vmCheck()).to.deep.equal([]);
  });

  it('takes little where faults are scattered, and nothing ahead when memory is short', () => {
    anon(512);
    touch(vm, [100, 50, 200, 10]);
    expect(vm.pmap.resident).to.equal(16);
    vmMapRemove(vm.map, BASE, BASE + 512 * PAGE);
    pmapFlush(vm.pmap);
    setup(128);
    anon(512);
    for (let i = 0; guestWrite(vm, BASE + i * PAGE, 1) === null;) i++;
    expect(gd.vm.pages.freeCount).to.equal(gd.vm.freeReserved);
  });

  it('tells what is wrong: EFAULT, EACCES', () => {
    anon(4, 1);
    expect(vmFaultTry(vm, BASE - 1, Prot.READ)).to.equal(EFAULT);
    expect(vmFaultTry(vm, BASE, Prot.WRITE)).to.equal(EACCES);
    expect(vmFaultTry(vm, BASE, Prot.EXEC)).to.equal(EACCES);
    expect(vmFaultTry(vm, BASE + PAGE, Prot.READ)).to.equal(null);
    for (const va of [NaN, Infinity, -1, 2 ** 53, 2 ** 64, vm.map.max]) {
      expect(vmFaultTry(vm, va, Prot.READ)).to.equal(EFAULT);
    }
    vmMapProtect(vm.map, BASE, BASE + PAGE, 0);
    expect(vmFaultTry(vm, BASE, Prot.READ)).to.equal(EACCES);
  });

  it('honours execute-only and no-execute', () => {
    anon(4, Prot.EXEC);
    expect(guestAccess(vm, BASE, Prot.EXEC)).to.be.a('number');
    expect(guestAccess(vm, BASE, Prot.READ)).to.be.a('number');
    vmMapProtect(vm.map, BASE, BASE + 4 * PAGE, Prot.READ | Prot.WRITE);
    pmapUpdate(vm.pmap);
    expect(guestAccess(vm, BASE, Prot.EXEC)).to.equal(EACCES);
  });

  it('maps again what the host has dropped', () => {
    anon(64);
    touch(vm, upTo(64));
    mach.table.clear();
    for (let i = 0; i < 64; i++) expect(guestRead(vm, BASE + i * PAGE)).to.equal(i);
    expect(hostEqual()).to.deep.equal([]);
  });

  it('maps what is resident around a fault in a file, in one operation', () => {
    const o = vmObjectAlloc('vnode', new SlowPager(), 64 * PAGE);
    const p = vmPageAllocRun(o, 0, 32, true);
    gd.vm.pages.flags.fill(PG.VALID, p, p + 32);
    vmObjectRef(o);
    expect(vmMapInsert(vm.map, o, 0, BASE, 64 * PAGE, 5, 7, { cow: true })).to.equal(null);
    expect(vmFaultTry(vm, BASE + 8 * PAGE, Prot.EXEC)).to.equal(null);
    expect(vm.pmap.resident).to.equal(32);
    expect(mach.takeOps().length).to.be.at.most(3);
    vmMapRemove(vm.map, BASE, BASE + 64 * PAGE);
    vmObjectRef(o);
    vmMapInsert(vm.map, o, 0, BASE, 64 * PAGE, 5, 7, { cow: true });
    mach.takeOps();
    vmPrefault(vm, BASE, BASE + 64 * PAGE);
    expect(vm.pmap.resident).to.equal(32);
    expect(mach.takeOps()).to.deep.equal([`map ${BASE.toString(16)} ${p} 32 5`]);
  });

  it('sleeps for pages that have to be read, and passes errors on', () => {
    const pager = new SlowPager();
    const o = vmObjectAlloc('vnode', pager, 8 * PAGE);
    expect(vmMapInsert(vm.map, o, 0, BASE, 9 * PAGE, RW, 7, { cow: true })).to.equal(null);
    expect(vmFaultTry(vm, BASE + PAGE, Prot.READ)).to.equal(NOTNOW);
    expect(runSync(vmFault(vm, BASE + PAGE, Prot.READ))).to.equal(null);
    expect(guestRead(vm, BASE + PAGE)).to.equal(51);
    expect(runSync(vmFault(vm, BASE + 2 * PAGE, Prot.WRITE))).to.equal(null);
    expect(guestWrite(vm, BASE + 2 * PAGE, 9)).to.equal(null);
    expect(runSync(vmFault(vm, BASE + 7 * PAGE, Prot.READ))).to.equal(EIO);
    expect(runSync(vmFault(vm, BASE + 8 * PAGE, Prot.READ))).to.equal(EIO);
    expect(pager.slept).to.equal(3);
    expect(o.refs).to.equal(1); // the shadow that holds the written page
    expect(pager.released).to.equal(0);
    vmMapRemove(vm.map, BASE, BASE + 9 * PAGE);
    expect(pager.released).to.equal(1);
    expect(o.resident).to.equal(2);
  });

  it('unmaps everywhere what a file loses by truncation', () => {
    const o = vmObjectAlloc('vnode', new SlowPager(), 4 * PAGE);
    const p = vmPageAllocRun(o, 0, 4, true);
    gd.vm.pages.flags.fill(PG.VALID, p, p + 4);
    vmMapInsert(vm.map, o, 0, BASE, 4 * PAGE, RW, 7, { cow: false });
    expect(guestWrite(vm, BASE + 3 * PAGE, 1)).to.equal(null);
    o.sizeBytes = PAGE;
    vmObjectPageRemove(o, 1, Infinity);
    expect(guestRead(vm, BASE + 3 * PAGE)).to.equal(EIO);
    expect(guestRead(vm, BASE)).to.equal(0);
    expect(vmCheck()).to.deep.equal([]);
  });
});

describe('vmspaceFork', () => {
  beforeEach(() => setup());

  it('protects the parent with one operation for a run, and fills the child where it has little', () => {
    anon(60);
    touch(vm, upTo(60));
    expect(vmMapInsert(vm.map, null, 0, BASE * 2, 512 * PAGE, RW, 7)).to.equal(null);
    expect(guestWrite(vm, BASE * 2, 1)).to.equal(null);
    pmapFlush(vm.pmap);
    mach.takeOps();
    mach.nrunning = 0;
    const flushes = mach.flushes;
    const child = vmspaceFork(vm) as Vmspace;
    expect(mach.takeOps()).to.deep.equal([
      `protect ${BASE.toString(16)} 60 1`,
      `protect ${(BASE * 2).toString(16)} 4 1`,
    ]);
    expect(mach.flushes).to.equal(flushes);
    expect(child.pmap.resident).to.equal(60);
    expect((child.mach as FakeVmspace).takeOps().length).to.be.at.most(8);
    expect(vmCheck()).to.deep.equal([]);
  });

  it('learns which pages are written after a fork, and copies them at the next', () => {
    anon(32);
    touch(vm, upTo(32));
    vmspaceFree(vmspaceFork(vm) as Vmspace);
    const kid = vmspaceFork(vm) as Vmspace;
    guestWrite(vm, BASE + 7 * PAGE, 1);
    vmspaceFree(kid);
    const child = vmspaceFork(vm) as Vmspace;
    const before = gd.vm.counters.vmFaults;
    expect(guestWrite(vm, BASE + 7 * PAGE, 2)).to.equal(null);
    expect(guestWrite(child, BASE + 7 * PAGE, 3)).to.equal(null);
    expect(gd.vm.counters.vmFaults).to.equal(before);
    expect(guestRead(vm, BASE + 7 * PAGE)).to.equal(2);
    expect(guestRead(child, BASE + 7 * PAGE)).to.equal(3);
    expect(guestRead(child, BASE + 8 * PAGE)).to.equal(8);
    expect(vmCheck()).to.deep.equal([]);
    vmspaceFree(child);
    expect(gd.vm.objects.filter((o) => o !== null).length).to.equal(1);
  });

  it('learns also from writes after the child has gone', () => {
    anon(32);
    touch(vm, upTo(32));
    vmspaceFree(vmspaceFork(vm) as Vmspace);
    expect(touch(vm, [7])).to.equal(1);
    const child = vmspaceFork(vm) as Vmspace;
    expect(touch(vm, [7])).to.equal(0);
    guestWrite(vm, BASE + 7 * PAGE, 2);
    expect(guestRead(child, BASE + 7 * PAGE)).to.equal(7);
    expect(vmCheck()).to.deep.equal([]);
  });

  it('loses nothing that another thread of the parent writes until the protection is in force', () => {
    anon(32);
    touch(vm, upTo(32));
    vmspaceFree(vmspaceFork(vm) as Vmspace);
    // Pages 7 and 9 are hot now; the children have shown what they need, too.
    touch(vm, [7, 9]);
    mach.flush();
    for (const learnt of [false, true]) {
      mach.nrunning = 1;
      const flush = mach.flush.bind(mach);
      let wrote = 0;
      mach.flush = () => {
        const pte = mach.table.get(BASE / PAGE + 7)!;
        if ((pte.prot & Prot.WRITE) !== 0) {
          gd.machine.ram.u8[0][pte.ppn * PAGE] = 200 + +learnt;
          wrote++;
        }
        flush();
      };
      const child = vmspaceFork(vm) as Vmspace;
      mach.flush = flush;
      mach.nrunning = 0;
      expect(wrote).to.be.greaterThan(0);
      expect(guestRead(vm, BASE + 7 * PAGE)).to.equal(200 + +learnt);
      expect(guestWrite(child, BASE + 9 * PAGE, 1)).to.equal(null);
      vmspaceFree(child);
      expect(guestWrite(vm, BASE + 7 * PAGE, 7)).to.equal(null);
      expect(hostEqual()).to.deep.equal([]);
    }
    expect(vmCheck()).to.deep.equal([]);
  });

  it('flushes the protection at once when other threads of the parent may run', () => {
    anon(4);
    touch(vm, [0]);
    mach.flush();
    mach.nrunning = 1;
    vmspaceFork(vm);
    expect(mach.table.get(BASE / PAGE)?.prot).to.equal(Prot.READ);
  });

  it('lets the parent write in place again, and all at once, when the child is gone', () => {
    anon(64);
    touch(vm, upTo(64));
    const free = gd.vm.pages.freeCount;
    const child = vmspaceFork(vm) as Vmspace;
    expect(guestWrite(vm, BASE, 200)).to.equal(null);
    expect(guestRead(child, BASE)).to.equal(0);
    vmspaceFree(child);
    const faults = gd.vm.counters.vmFaults;
    touch(vm, upTo(64));
    expect(gd.vm.counters.vmFaults - faults).to.be.at.most(2);
    expect(vm.map.entries[0].object?.backing).to.equal(null);
    pmapFlush(vm.pmap);
    expect(gd.vm.pages.freeCount + gd.vm.pages.qcount[2]).to.equal(free);
    expect(vmCheck()).to.deep.equal([]);
  });

  it('does not pile up shadows over many generations', () => {
    anon(16);
    touch(vm, upTo(16));
    for (let i = 0; i < 50; i++) {
      const child = vmspaceFork(vm) as Vmspace;
      guestWrite(vm, BASE + (i % 16) * PAGE, i);
      guestWrite(child, BASE + ((i + 1) % 16) * PAGE, i);
      vmspaceFree(vm);
      vm = child;
    }
    let depth = 0;
    for (let o = vm.map.entries[0].object; o !== null; o = o.backing) depth++;
    expect(depth).to.be.at.most(2);
    expect(gd.vm.objects.filter((o) => o !== null).length).to.be.at.most(2);
    expect(vmCheck()).to.deep.equal([]);
  });

  it('keeps copies apart among siblings', () => {
    anon(8);
    touch(vm, upTo(8));
    const kids = upTo(5).map(() => vmspaceFork(vm) as Vmspace);
    kids.forEach((k, i) => expect(guestWrite(k, BASE + PAGE, 100 + i)).to.equal(null));
    expect(guestWrite(vm, BASE + PAGE, 99)).to.equal(null);
    kids.forEach((k, i) => expect(guestRead(k, BASE + PAGE)).to.equal(100 + i));
    kids.forEach((k) => expect(guestRead(k, BASE + 2 * PAGE)).to.equal(2));
    for (const k of kids) vmspaceFree(k);
    expect(guestRead(vm, BASE + PAGE)).to.equal(99);
    expect(vmCheck()).to.deep.equal([]);
    vmspaceFree(vm);
    expect(gd.vm.pages.freeCount).to.equal(4096);
    expect(gd.vm.ptes.usedLeaves).to.equal(0);
  });
});
