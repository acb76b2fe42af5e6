import { expect } from 'chai';
import { gd } from '../../../vkernel/sys/globaldata.js';
import { pmapLookup } from '../../../vkernel/vm/pmap.js';
import { FaultSet, vmLearn } from '../../../vkernel/vm/vm_ahead.js';
import { vmCheck } from '../../../vkernel/vm/vm_check.js';
import { vmMapInsert } from '../../../vkernel/vm/vm_map.js';
import { type Vmspace, vmspaceAlloc, vmspaceFork, vmspaceFree } from '../../../vkernel/vm/vmspace.js';
import { bootVm, type FakeMachine, guestRead, guestWrite, hostEqual } from './fake.js';

const PAGE = 4096;
const BASE = 0x10000000;
/** More than fork copies page tables for without knowing what is needed. */
const MANY = 200;

describe('mapping ahead by experience', () => {
  let machine: FakeMachine;
  let vm: Vmspace;
  beforeEach(() => {
    machine = bootVm(4096);
    vm = vmspaceAlloc() as Vmspace;
    expect(vmMapInsert(vm.map, null, 0, BASE, MANY * PAGE, 3, 7)).to.equal(null);
  });
  afterEach(() => {
    expect(vmCheck()).to.deep.equal([]);
    expect(hostEqual()).to.deep.equal([]);
  });
  const at = (page: number): number => BASE + page * PAGE;
  const faultsOf = (f: () => void): number => {
    const before = gd.vm.counters.vmFaults;
    f();
    return gd.vm.counters.vmFaults - before;
  };
  const fill = (): void => {
    for (let i = 0; i < MANY; i++) guestWrite(vm, at(i), i);
  };

  it('gives a child what the one before has faulted on, as copies where it wrote', () => {
    fill();
    const first = vmspaceFork(vm) as Vmspace;
    expect(
      faultsOf(() => {
        guestWrite(first, at(150), 1);
        guestRead(first, at(20));
      }),
    ).to.equal(2);
    vmspaceFree(first);
    const second = vmspaceFork(vm) as Vmspace;
    expect(
      faultsOf(() => {
        expect(guestWrite(second, at(150), 2)).to.equal(null);
        expect(guestRead(second, at(20))).to.equal(20);
      }),
    ).to.equal(0);
    expect(guestRead(vm, at(150))).to.equal(150);
    expect(pmapLookup(second.pmap, at(100))).to.equal(0);
    expect(guestRead(second, at(100))).to.equal(100);
    vmspaceFree(second);
  });

  it('notes only what happens soon after the fork', () => {
    fill();
    const first = vmspaceFork(vm) as Vmspace;
    guestRead(first, at(20));
    machine.timeNs += 50e6;
    guestRead(first, at(150));
    vmspaceFree(first);
    const second = vmspaceFork(vm) as Vmspace;
    expect(faultsOf(() => guestRead(second, at(20)))).to.equal(0);
    expect(faultsOf(() => guestRead(second, at(150)))).to.equal(1);
    vmspaceFree(second);
  });

  it('fills in untouched memory and never changes what is there', () => {
    const set = new FaultSet();
    for (const [page, write] of [
      [3, true],
      [90, false],
      [MANY + 5, true],
    ] as const)
      set.note(at(page), write);
    guestWrite(vm, at(3), 77);
    set.map(vm, BASE, at(MANY));
    expect(
      faultsOf(() => {
        expect(guestRead(vm, at(3))).to.equal(77);
        expect(guestRead(vm, at(90))).to.equal(0);
      }),
    ).to.equal(0);
    expect(pmapLookup(vm.pmap, at(MANY + 5))).to.equal(0);
  });

  it('takes no memory that others may need', () => {
    const set = new FaultSet();
    set.note(at(3), true);
    expect(vmMapInsert(vm.map, null, 0, 2 * BASE, 4096 * PAGE, 3, 7)).to.equal(null);
    for (let i = 0; gd.vm.pages.freeCount > gd.vm.freeTarget; i++) guestWrite(vm, 2 * BASE + i * PAGE, 1);
    set.map(vm, BASE, at(MANY));
    expect(pmapLookup(vm.pmap, at(3))).to.equal(0);
  });

  it('keeps sets small, and learns anew from time to time', () => {
    const set = new FaultSet();
    let n = 0;
    while (set.note(at(n), false)) n++;
    expect(n).to.be.within(16, 256);
    expect(set.note(at(0), true), 'one that it has').to.equal(true);
    let uses = 0;
    while (set.use()) expect(++uses).to.be.below(1000);
    expect(set.note(at(n), false)).to.equal(true);
    // A full set ends the learning of an address space.
    for (let i = 0; set.note(at(i), false); i++);
    vmLearn(vm, set);
    guestWrite(vm, at(MANY - 1), 1);
    expect(vm.learn).to.equal(null);
  });
});
