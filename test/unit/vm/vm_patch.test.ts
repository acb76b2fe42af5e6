import { expect } from 'chai';
import type { CallSitePatcher } from '../../../vkernel/machine/machine.js';
import { EACCES } from '../../../vkernel/sys/errno.js';
import { gd } from '../../../vkernel/sys/globaldata.js';
import { pmapUpdate } from '../../../vkernel/vm/pmap.js';
import { pmapLookup } from '../../../vkernel/vm/pmap.js';
import { vmCheck } from '../../../vkernel/vm/vm_check.js';
import { vmMapInsert } from '../../../vkernel/vm/vm_map.js';
import { type VmObject, vmObjectAlloc, vmObjectRef } from '../../../vkernel/vm/vm_object.js';
import { PG, vmPageAllocRun } from '../../../vkernel/vm/vm_page.js';
import { vmPatchSite } from '../../../vkernel/vm/vm_patch.js';
import { copyin } from '../../../vkernel/vm/vm_user.js';
import { type Vmspace, vmspaceAlloc, vmspaceFork, vmspaceFree } from '../../../vkernel/vm/vmspace.js';
import { bootVm, type FakeMachine, guestRead, guestWrite, hostCheck, hostEqual } from './fake.js';

const PAGE = 4096;
const TEXT = 0x400000;
const RX = 5;

/** Makes the 5 bytes before a site into a jump to the trampoline, which gets the site's low byte. */
const patcher: CallSitePatcher = {
  slotBytes: 64,
  beforeBytes: 16,
  plan(before, nr, siteVa, trampVa) {
    if (before.length < 5 || before[before.length - 5] !== 0xb8) return null;
    return {
      at: siteVa - 5,
      bytes: Uint8Array.from([0xe9, nr, 2, 3, 4]),
      trampoline: Uint8Array.from([siteVa & 255, trampVa & 255]),
    };
  },
};

describe('vmPatchSite', () => {
  let machine: FakeMachine;
  let text: VmObject;

  function space(): Vmspace {
    const vm = vmspaceAlloc() as Vmspace;
    Object.assign(vm.mach, { patcher });
    vmObjectRef(text);
    expect(vmMapInsert(vm.map, text, 0, TEXT, 4 * PAGE, RX, 7, { cow: true })).to.equal(null);
    return vm;
  }
  const hot = (vm: Vmspace, site: number, nr = 20): void => {
    for (let i = 0; i < 6; i++) vmPatchSite(vm, site + 2, nr);
  };
  const at = (vm: Vmspace, va: number, n: number): number[] => {
    const b = new Uint8Array(n);
    expect(copyin(vm, va, b, 0, n)).to.equal(null);
    return [...b];
  };

  beforeEach(() => {
    machine = bootVm(256);
    text = vmObjectAlloc(
      'vnode',
      {
        tryGetPage: () => EACCES,
        *getPage() {
          return EACCES;
        },
      },
      4 * PAGE,
    );
    const p = vmPageAllocRun(text, 0, 4, true);
    gd.vm.pages.flags.fill(PG.VALID, p, p + 4);
    // A site every 64 bytes: mov $nr, %eax; syscall.
    for (let i = 64; i < 4 * PAGE; i += 64) machine.ram.u8[0].set([0xb8, 20, 0, 0, 0, 0x0f, 5], p * PAGE + i - 5);
  });
  afterEach(() => {
    expect(vmCheck(new Map([[text, 1]]))).to.deep.equal([]);
    expect(hostEqual()).to.deep.equal([]);
    expect(hostCheck(machine)).to.deep.equal([]);
  });

  it('changes a hot site in a private copy, and the rights stay', () => {
    const vm = space();
    const other = space();
    vmPatchSite(vm, TEXT + 66, 20);
    expect(at(vm, TEXT + 59, 5)).to.deep.equal([0xb8, 20, 0, 0, 0]);
    hot(vm, TEXT + 64);
    expect(at(vm, TEXT + 59, 7)).to.deep.equal([0xe9, 20, 2, 3, 4, 0x0f, 5]);
    expect(at(other, TEXT + 59, 5)).to.deep.equal([0xb8, 20, 0, 0, 0]);
    expect(at(vm, vm.patch!.page, 2)).to.deep.equal([64, 0]);
    expect(guestWrite(vm, TEXT, 1)).to.equal(EACCES);
    expect(guestWrite(vm, vm.patch!.page, 1)).to.equal(EACCES);
  });

  it('never writes into a page that threads may be executing', () => {
    const vm = space();
    hot(vm, TEXT + 64);
    const before = pmapLookup(vm.pmap, TEXT) >>> 4;
    const copy = machine.ram.bytes(before * PAGE, PAGE).slice();
    hot(vm, TEXT + 128, 4);
    expect(pmapLookup(vm.pmap, TEXT) >>> 4).not.to.equal(before);
    expect(machine.ram.bytes(before * PAGE, PAGE)).to.deep.equal(copy);
    expect(at(vm, TEXT + 123, 2)).to.deep.equal([0xe9, 4]);
    expect(at(vm, TEXT + 59, 2)).to.deep.equal([0xe9, 20]);
    expect(at(vm, vm.patch!.page + 64, 2)).to.deep.equal([128, 64]);
  });

  it('starts a new trampoline page when one is full, and goes with fork and exit', () => {
    const vm = space();
    for (let i = 1; i <= 100; i++) hot(vm, TEXT + i * 64);
    expect(vm.map.entries.length).to.be.at.least(2);
    const child = vmspaceFork(vm) as Vmspace;
    Object.assign(child.mach, { patcher });
    hot(child, TEXT + 150 * 64);
    hot(vm, TEXT + 151 * 64);
    expect(at(child, TEXT + 150 * 64 - 5, 1)).to.deep.equal([0xe9]);
    expect(at(vm, TEXT + 150 * 64 - 5, 1)).to.deep.equal([0xb8]);
    expect(at(child, TEXT + 151 * 64 - 5, 1)).to.deep.equal([0xb8]);
    expect(at(child, TEXT + 90 * 64 - 5, 1)).to.deep.equal([0xe9]);
    vmspaceFree(vm);
    expect(guestRead(child, TEXT + 90 * 64 - 5)).to.equal(0xe9);
    vmspaceFree(child);
    expect(gd.vm.pages.freeCount).to.equal(252);
  });

  it('leaves alone what has no known shape, is shared, or is not there', () => {
    const vm = space();
    hot(vm, TEXT + 64 + 1);
    hot(vm, TEXT + PAGE * 4 + 64);
    hot(vm, 2 ** 60);
    hot(vm, 1);
    vmObjectRef(text);
    vmMapInsert(vm.map, text, 0, TEXT + 16 * PAGE, PAGE, RX, RX, { cow: false });
    hot(vm, TEXT + 16 * PAGE + 64);
    pmapUpdate(vm.pmap);
    expect(at(vm, TEXT + 59, 5)).to.deep.equal([0xb8, 20, 0, 0, 0]);
    expect(at(vm, TEXT + 16 * PAGE + 59, 5)).to.deep.equal([0xb8, 20, 0, 0, 0]);
  });
});
