import { expect } from 'chai';
import * as fc from 'fast-check';
import { gd } from '../../../vkernel/sys/globaldata.js';
import { vmCheck } from '../../../vkernel/vm/vm_check.js';
import { vmObjectAlloc, vmObjectDeref } from '../../../vkernel/vm/vm_object.js';
import {
  PG,
  PQ,
  vmPageAlloc,
  vmPageAllocRun,
  vmPageFree,
  vmPageHold,
  vmPageLookup,
  vmPageUnhold,
  vmPageUnwire,
  vmPageWire,
} from '../../../vkernel/vm/vm_page.js';
import { bootVm } from './fake.js';

const PAGE = 4096;

describe('vm_pages', () => {
  it('hands out every page once and takes them all back, whatever the order', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 300 }),
        fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 70 })), { maxLength: 80 }),
        (npages, script) => {
          bootVm(npages);
          const { pages } = gd.vm;
          const mine: number[] = [];
          for (const [alloc, n] of script) {
            if (alloc) {
              const p = pages.allocRun(n);
              if (p < 0) {
                expect(pages.freeCount).to.equal(0);
                continue;
              }
              expect(pages.runLen).to.be.within(1, n);
              for (let i = 0; i < pages.runLen; i++) {
                expect(mine).not.to.include(p + i);
                mine.push(p + i);
              }
            } else if (mine.length > 0) pages.release(mine.splice(n % mine.length, 1)[0], false);
            expect(pages.freeCount).to.equal(npages - mine.length);
            expect(vmCheck()).to.deep.equal([]);
          }
          for (const p of mine) pages.release(p, false);
          expect(vmCheck()).to.deep.equal([]);
          // All merged again: the largest possible run is there.
          pages.allocRun(1024);
          expect(pages.runLen).to.be.at.least(2 ** Math.floor(Math.log2(npages)));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('gives contiguous runs from fresh memory, zero without clearing', () => {
    bootVm(1024);
    const o = vmObjectAlloc('anon');
    const p = vmPageAllocRun(o, 5, 64, true);
    expect(gd.vm.pages.runLen).to.equal(64);
    for (let i = 0; i < 64; i++) expect(vmPageLookup(o, 5 + i)).to.equal(p + i);
    expect(vmPageLookup(o, 69)).to.equal(-1);
    vmObjectDeref(o);
    expect(gd.vm.pages.freeCount).to.equal(1024);
  });

  it('clears pages that were used before', () => {
    const m = bootVm(64);
    const p = vmPageAlloc(null, 0, false);
    m.ram.u8[0].fill(7, p * PAGE, (p + 1) * PAGE);
    vmPageFree(p);
    expect(vmPageAlloc(null, 0, true)).to.equal(p);
    expect(m.ram.u8[0].subarray(p * PAGE, (p + 1) * PAGE).every((b) => b === 0)).to.equal(true);
  });

  it('finds pages of sparse objects far apart', () => {
    bootVm(64);
    const o = vmObjectAlloc('phys');
    const far = [0, 1, 2 ** 20, 2 ** 31, 2 ** 32 + 1, 2 ** 40];
    const at = far.map((pi) => vmPageAlloc(o, pi, true));
    far.forEach((pi, i) => expect(vmPageLookup(o, pi)).to.equal(at[i]));
    expect(vmPageLookup(o, 2 ** 32)).to.equal(-1);
    expect(vmCheck(new Map([[o, 1]]))).to.deep.equal([]);
  });

  it('keeps the memory of a held page until it is let go', () => {
    bootVm(64);
    const o = vmObjectAlloc('anon');
    const p = vmPageAlloc(o, 0, true);
    vmPageHold(p);
    vmObjectDeref(o);
    expect(gd.vm.pages.queue[p]).to.equal(PQ.HOLD);
    expect(gd.vm.pages.freeCount).to.equal(63);
    expect(vmCheck()).to.deep.equal([]);
    vmPageUnhold(p);
    expect(gd.vm.pages.freeCount).to.equal(64);
  });

  it('refuses to free a wired page', () => {
    bootVm(64);
    const p = vmPageAlloc(null, 0, true);
    vmPageWire(p);
    vmPageWire(p);
    vmPageUnwire(p);
    expect(() => vmPageFree(p)).to.throw('wired');
    vmPageUnwire(p);
    vmPageFree(p);
    expect(gd.vm.pages.wireCount).to.equal(0);
  });

  it('leaves the last pages to the kernel', () => {
    bootVm(1024);
    const o = vmObjectAlloc('anon');
    let n = 0;
    while (vmPageAlloc(o, n, false) >= 0) n++;
    expect(n).to.equal(1024 - gd.vm.freeReserved);
    const k = vmPageAlloc(null, 0, false);
    expect(k).to.be.at.least(0);
    expect(gd.vm.pages.flags[k] & PG.VALID).to.equal(0);
    vmObjectDeref(o);
  });
});
