import { expect } from 'chai';
import { EACCES, EINVAL, ENOMEM } from '../../../vkernel/sys/errno.js';
import { gd } from '../../../vkernel/sys/globaldata.js';
import { pmapUpdate } from '../../../vkernel/vm/pmap.js';
import { vmCheck } from '../../../vkernel/vm/vm_check.js';
import { vmFaultTry } from '../../../vkernel/vm/vm_fault.js';
import { vmMapFindspace, vmMapInsert, vmMapProtect, vmMapRemove } from '../../../vkernel/vm/vm_map.js';
import { MAXSSIZ, SEG_SIZE, SGROWSIZ, USRSTACK } from '../../../vkernel/vm/vm_param.js';
import { type Vmspace, vmspaceAlloc, vmspaceFork, vmspaceFree } from '../../../vkernel/vm/vmspace.js';
import { bootVm, type FakeVmspace, guestRead, guestWrite } from './fake.js';

const PAGE = 4096;
const RW = 3;
const GB = 2 ** 30;

function fresh(npages = 1024): Vmspace {
  bootVm(npages);
  return vmspaceAlloc() as Vmspace;
}
const shape = (vm: Vmspace): string =>
  vm.map.entries.map((e) => `${e.start / PAGE}-${e.end / PAGE}:${e.prot}`).join(' ');
function anon(vm: Vmspace, page: number, n: number, prot = RW): void {
  expect(vmMapInsert(vm.map, null, 0, page * PAGE, n * PAGE, prot, 7)).to.equal(null);
}

describe('vm_map', () => {
  it('finds the first fit at or above the hint', () => {
    const vm = fresh();
    anon(vm, 16, 4);
    anon(vm, 24, 4, 1);
    const find = (hint: number, n: number, align = PAGE): number =>
      (vmMapFindspace(vm.map, hint * PAGE, n * PAGE, align) as number) / PAGE;
    expect(find(10, 6)).to.equal(10);
    expect(find(10, 7)).to.equal(28);
    expect(find(17, 4)).to.equal(20);
    expect(find(17, 5)).to.equal(28);
    expect(find(17, 1, SEG_SIZE)).to.equal(512);
    expect(vmMapFindspace(vm.map, 0, 4 * PAGE, PAGE, 3 * PAGE)).to.equal(ENOMEM);
    expect(vmMapFindspace(vm.map, 2 ** 60, PAGE, PAGE)).to.equal(ENOMEM);
  });

  it('refuses to insert over what is there, beyond the end, and nonsense', () => {
    const vm = fresh();
    anon(vm, 16, 4);
    for (const [page, n] of [
      [15, 2],
      [19, 1],
      [10, 20],
    ]) {
      expect(vmMapInsert(vm.map, null, 0, page * PAGE, n * PAGE, RW, 7)).to.equal(ENOMEM);
    }
    expect(vmMapInsert(vm.map, null, 0, USRSTACK, PAGE, RW, 7)).to.equal(ENOMEM);
    expect(vmMapInsert(vm.map, null, 0, NaN, PAGE, RW, 7)).to.equal(ENOMEM);
    expect(vmMapInsert(vm.map, null, 0, PAGE, Infinity, RW, 7)).to.equal(ENOMEM);
    expect(shape(vm)).to.equal('16-20:3');
  });

  it('joins neighbours of the same kind, also when one has pages already', () => {
    const vm = fresh();
    anon(vm, 16, 4);
    expect(guestWrite(vm, 16 * PAGE, 1)).to.equal(null);
    anon(vm, 20, 4);
    anon(vm, 12, 2);
    anon(vm, 14, 1);
    expect(shape(vm)).to.equal('12-15:3 16-24:3');
    expect(guestWrite(vm, 23 * PAGE, 2)).to.equal(null);
    expect(guestRead(vm, 16 * PAGE)).to.equal(1);
    expect(vmCheck()).to.deep.equal([]);
  });

  it('splits on unmapping and protecting, and joins again', () => {
    const vm = fresh();
    anon(vm, 16, 16);
    expect(vmMapProtect(vm.map, 20 * PAGE, 24 * PAGE, 1)).to.equal(null);
    expect(shape(vm)).to.equal('16-20:3 20-24:1 24-32:3');
    expect(vmMapProtect(vm.map, 20 * PAGE, 24 * PAGE, 3)).to.equal(null);
    expect(shape(vm)).to.equal('16-32:3');
    expect(vmMapRemove(vm.map, 18 * PAGE, 19 * PAGE)).to.equal(null);
    expect(shape(vm)).to.equal('16-18:3 19-32:3');
    expect(vmMapProtect(vm.map, 16 * PAGE, 20 * PAGE, 1)).to.equal(EINVAL);
    expect(shape(vm)).to.equal('16-18:3 19-32:3');
    vm.map.entries[0].maxprot = 3;
    expect(vmMapProtect(vm.map, 16 * PAGE, 18 * PAGE, 7)).to.equal(EACCES);
  });

  it('gives the pages of an unmapped part back at once', () => {
    const vm = fresh();
    anon(vm, 16, 64);
    for (let i = 16; i < 80; i++) guestWrite(vm, i * PAGE, i);
    const before = gd.vm.pages.freeCount;
    vmMapRemove(vm.map, 20 * PAGE, 60 * PAGE);
    pmapUpdate(vm.pmap);
    (vm.mach as FakeVmspace).flush();
    // They wait until the host has unmapped them; then the next drain frees them.
    const { pages } = gd.vm;
    expect(pages.freeCount + pages.qcount[2]).to.equal(before + 40);
    expect(guestRead(vm, 60 * PAGE)).to.equal(60);
  });

  it('keeps reservations free of cost', () => {
    const vm = fresh(256);
    expect(vmMapInsert(vm.map, null, 0, 64 * GB, 4096 * GB, 0, 7)).to.equal(null);
    for (let i = 0; i < 100; i++) {
      const at = 64 * GB + i * 40 * GB;
      vmMapRemove(vm.map, at, at + PAGE);
      expect(vmMapInsert(vm.map, null, 0, at, PAGE, RW, 7)).to.equal(null);
    }
    expect(gd.vm.pages.freeCount).to.equal(256);
    const child = vmspaceFork(vm) as Vmspace;
    expect(child.map.size).to.equal(vm.map.size);
    vmMapRemove(vm.map, 0, 8192 * GB);
    expect(shape(vm)).to.equal('');
    expect((vm.mach as FakeVmspace).takeOps()).to.deep.equal([]);
    expect(vmCheck()).to.deep.equal([]);
    vmspaceFree(child);
  });

  it('bounds the number of entries', () => {
    const vm = fresh();
    let i = 0;
    let error = null;
    while (error === null) error = vmMapInsert(vm.map, null, 0, (2 * i++ + 16) * PAGE, PAGE, RW, 7);
    expect(error).to.equal(ENOMEM);
    expect(i).to.be.greaterThan(30000);
  });
});

describe('vm_map stack', () => {
  function withStack(): Vmspace {
    const vm = fresh();
    const opts = { stack: USRSTACK - MAXSSIZ };
    expect(vmMapInsert(vm.map, null, 0, USRSTACK - SGROWSIZ, SGROWSIZ, RW, 7, opts)).to.equal(null);
    return vm;
  }
  it('grows in steps of 128 KiB down to its limit', () => {
    const vm = withStack();
    vm.stackLimit = 1024 * 1024;
    expect(guestWrite(vm, USRSTACK - SGROWSIZ - 8, 1)).to.equal(null);
    expect(vm.map.entries[0].start).to.equal(USRSTACK - 2 * SGROWSIZ);
    expect(guestWrite(vm, USRSTACK - 5 * SGROWSIZ, 5)).to.equal(null);
    expect(vm.map.entries[0].start).to.equal(USRSTACK - 5 * SGROWSIZ);
    expect(guestWrite(vm, USRSTACK - 1024 * 1024, 6)).to.equal(null);
    expect(guestWrite(vm, USRSTACK - 1024 * 1024 - 1, 7)?.toString()).to.equal('EFAULT');
    expect(guestRead(vm, USRSTACK - 5 * SGROWSIZ)).to.equal(5);
    expect(vmCheck()).to.deep.equal([]);
  });
  it('grows in a child as well, each on its own', () => {
    const vm = withStack();
    guestWrite(vm, USRSTACK - 8, 1);
    const child = vmspaceFork(vm) as Vmspace;
    expect(guestWrite(child, USRSTACK - 2 * SGROWSIZ, 2)).to.equal(null);
    expect(guestWrite(vm, USRSTACK - 2 * SGROWSIZ, 3)).to.equal(null);
    expect(guestWrite(child, USRSTACK - 8, 4)).to.equal(null);
    expect(guestRead(child, USRSTACK - 2 * SGROWSIZ)).to.equal(2);
    expect(guestRead(vm, USRSTACK - 2 * SGROWSIZ)).to.equal(3);
    expect(guestRead(vm, USRSTACK - 8)).to.equal(1);
    expect(vmCheck()).to.deep.equal([]);
  });
  it('keeps its room from first fit, but not from fixed mappings, which stop it', () => {
    const vm = withStack();
    expect(vmMapFindspace(vm.map, USRSTACK - MAXSSIZ, PAGE, PAGE)).to.equal(ENOMEM);
    expect(vmMapFindspace(vm.map, USRSTACK - MAXSSIZ - PAGE, PAGE, PAGE)).to.equal(USRSTACK - MAXSSIZ - PAGE);
    expect(vmMapInsert(vm.map, null, 0, USRSTACK - 4 * SGROWSIZ, PAGE, 0, 7)).to.equal(null);
    expect(vmFaultTry(vm, USRSTACK - 4 * SGROWSIZ + PAGE, 2)).to.equal(null);
    expect(vmFaultTry(vm, USRSTACK - 4 * SGROWSIZ, 2)).to.equal(EACCES);
    expect(vmCheck()).to.deep.equal([]);
  });
});
