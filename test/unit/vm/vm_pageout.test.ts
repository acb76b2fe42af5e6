import { expect } from 'chai';
import { lwktCreate, lwktDispatch, lwktInit, TDPRI_USER_NORM } from '../../../vkernel/kern/lwkt_thread.js';
import { prfInit } from '../../../vkernel/kern/subr_prf.js';
import { Prot } from '../../../vkernel/machine/machine.js';
import type { Blocking } from '../../../vkernel/sys/blocking.js';
import { EIO, ENOMEM, Errno, NOTNOW } from '../../../vkernel/sys/errno.js';
import { gd } from '../../../vkernel/sys/globaldata.js';
import { vmCheck } from '../../../vkernel/vm/vm_check.js';
import { vmFault, vmFaultTry } from '../../../vkernel/vm/vm_fault.js';
import { vmMapInsert } from '../../../vkernel/vm/vm_map.js';
import { type VmObject, vmObjectAlloc } from '../../../vkernel/vm/vm_object.js';
import {
  PG,
  vmPageAlloc,
  vmPageDirty,
  vmPageHold,
  vmPageLookup,
  vmPageReference,
} from '../../../vkernel/vm/vm_page.js';
import { type Vmspace, vmspaceAlloc, vmspaceFree } from '../../../vkernel/vm/vmspace.js';
import { vmmeterBytes, vmstatsBytes, vmtotalBytes } from '../../../vkernel/vm/vm_meter.js';
import { bootVm, type FakeMachine, guestRead, guestWrite, hostCheck } from './fake.js';

const PAGE = 4096;
const BASE = 0x10000000;
const NPAGES = 512;

let machine: FakeMachine & { nowNs?: number };
let vm: Vmspace;
let file: VmObject;
let fetched: number;
let written: number[];
let ioError: Errno | null;

describe('vm_pageout', () => {
  /** A machine with time and threads, a process, and a file of 1024 pages. */
  beforeEach(() => {
    machine = bootVm(NPAGES);
    machine.nowNs = 0;
    Object.assign(machine, {
      now: () => machine.nowNs,
      console: { isatty: false, write: () => undefined, size: () => ({ rows: 24, cols: 80, xpixel: 0, ypixel: 0 }) },
    });
    prfInit();
    lwktInit(1);
    vm = vmspaceAlloc() as Vmspace;
    fetched = 0;
    written = [];
    ioError = null;
    file = vmObjectAlloc(
      'vnode',
      {
        tryGetPage(o, pindex) {
          const p = vmPageAlloc(o, pindex, true);
          if (p < 0) return ENOMEM;
          fetched++;
          gd.machine.ram.u8[0][p * PAGE] = pindex & 255;
          gd.vm.pages.flags[p] |= PG.VALID;
          return p;
        },
        *getPage(): Blocking<number | Errno> {
          return NOTNOW;
        },
        *putPage(_o, pindex): Blocking<Errno | null> {
          written.push(pindex);
          return ioError;
        },
      },
      1024 * PAGE,
    );
  });
  afterEach(() => {
    expect(vmCheck(new Map([[file, 1]]))).to.deep.equal([]);
    expect(hostCheck(machine)).to.deep.equal([]);
  });

  const fetch = (pindex: number): number => file.pager!.tryGetPage(file, pindex) as number;
  const resident = (pindex: number): boolean => vmPageLookup(file, pindex) >= 0;
  function anon(v: Vmspace, n: number): void {
    expect(vmMapInsert(v.map, null, 0, BASE, n * PAGE, 3, 7)).to.equal(null);
  }

  /** Run threads, letting 10 ms pass whenever all sleep. */
  function pump(rounds: number): void {
    for (let i = 0; i < rounds; i++) {
      while (lwktDispatch(1e12));
      machine.nowNs! += 10_000_000;
    }
  }

  describe('reclaiming', () => {
    it('takes clean file pages, oldest first, for new ones', () => {
      for (let i = 0; i < 1000; i++) expect(fetch(i)).to.be.at.least(0);
      expect(fetched).to.equal(1000);
      expect(resident(0)).to.equal(false);
      expect(resident(999)).to.equal(true);
      expect(file.resident).to.be.greaterThan(NPAGES / 2);
    });

    it('passes over what is referenced, held, wired, dirty or mapped while there is other', () => {
      const kept = [0, 1, 2, 3];
      vmPageHold(fetch(0));
      vmPageDirty(fetch(1));
      gd.vm.pages.wire[fetch(2)]++;
      gd.vm.pages.wireCount++;
      vmMapInsert(vm.map, file, 3 * PAGE, BASE, PAGE, 1, 1, { cow: false });
      file.refs++;
      expect(guestRead(vm, BASE)).to.equal(3);
      for (let i = 4; i < 700; i++) {
        fetch(i);
        if (i % 50 === 0) vmPageReference(vmPageLookup(file, 4));
      }
      for (const k of kept) expect(resident(k), `page ${k}`).to.equal(true);
      expect(resident(4)).to.equal(true);
      expect(resident(5)).to.equal(false);
      expect(guestRead(vm, BASE)).to.equal(3);
    });

    it('takes mapped pages when nothing else is left, and they come back', () => {
      file.refs++;
      vmMapInsert(vm.map, file, 0, BASE, 1024 * PAGE, 1, 1, { cow: false });
      for (let i = 0; i < 1024; i++) expect(guestRead(vm, BASE + i * PAGE)).to.equal(i & 255);
      for (let i = 0; i < 1024; i++) expect(guestRead(vm, BASE + i * PAGE)).to.equal(i & 255);
      expect(fetched).to.be.greaterThan(1024);
    });

    it('gives file pages up for anonymous memory', () => {
      for (let i = 0; i < 400; i++) fetch(i);
      anon(vm, 450);
      for (let i = 0; i < 450; i++) expect(guestWrite(vm, BASE + i * PAGE, 1)).to.equal(null);
      expect(file.resident).to.be.lessThan(80);
    });
  });

  describe('out of memory', () => {
    /** A thread that writes to n pages of v, sleeping where it must. */
    function writer(v: Vmspace, n: number, done: (r: Errno | null) => void): void {
      lwktCreate(
        function* () {
          let r: Errno | null = null;
          for (let i = 0; i < n && r === null; i++) r = yield* vmFault(v, BASE + i * PAGE, Prot.WRITE);
          done(r);
        },
        'writer',
        TDPRI_USER_NORM,
      );
    }

    it('is ENOMEM for who cannot sleep, and when nobody may be killed', () => {
      anon(vm, 600);
      for (let i = 0; vmFaultTry(vm, BASE + i * PAGE, Prot.WRITE) === null;) i++;
      expect(vmFaultTry(vm, BASE + 599 * PAGE, Prot.WRITE)).to.equal(ENOMEM);
      let r: Errno | null | undefined;
      writer(vm, 600, (x) => (r = x));
      pump(3);
      expect(r).to.equal(ENOMEM);
    });

    it('kills the biggest, once, and goes on with its memory', () => {
      const hog = vmspaceAlloc() as Vmspace;
      anon(hog, 600);
      for (let i = 0; i < 400; i++) guestWrite(hog, BASE + i * PAGE, 1);
      anon(vm, 300);
      const killed: Vmspace[] = [];
      gd.vm.onOutOfMemory = (v) => {
        killed.push(v);
        return true;
      };
      let r: Errno | null | undefined;
      writer(vm, 300, (x) => (r = x));
      pump(10);
      expect(killed).to.deep.equal([hog]);
      expect(r).to.equal(undefined);
      // It takes a while to die.
      vmspaceFree(hog);
      pump(10);
      expect(r).to.equal(null);
      expect(killed.length).to.equal(1);
    });

    it('tries the next biggest when the first may not be killed', () => {
      const init = vmspaceAlloc() as Vmspace;
      anon(init, 300);
      for (let i = 0; i < 300; i++) guestWrite(init, BASE + i * PAGE, 1);
      anon(vm, 600);
      const asked: Vmspace[] = [];
      gd.vm.onOutOfMemory = (v) => {
        asked.push(v);
        return v !== init;
      };
      writer(vm, 600, () => undefined);
      pump(5);
      expect(asked).to.deep.equal([init, vm]);
    });

    it('has dirty file pages written back first', () => {
      for (let i = 0; i < 400; i++) vmPageDirty(fetch(i));
      anon(vm, 400);
      let r: Errno | null | undefined;
      writer(vm, 400, (x) => (r = x));
      pump(30);
      expect(r).to.equal(null);
      expect(written.length).to.be.greaterThan(200);
      expect(resident(0)).to.equal(false);
    });

    it('does not lose pages that cannot be written', () => {
      ioError = EIO;
      for (let i = 0; i < 400; i++) vmPageDirty(fetch(i));
      anon(vm, 400);
      let r: Errno | null | undefined;
      writer(vm, 400, (x) => (r = x));
      pump(30);
      expect(r).to.equal(ENOMEM);
      for (let i = 0; i < 400; i++) expect(resident(i)).to.equal(true);
    });
  });

  describe('statistics', () => {
    it('add up', () => {
      for (let i = 0; i < 10; i++) fetch(i);
      anon(vm, 100);
      for (let i = 0; i < 100; i++) guestWrite(vm, BASE + i * PAGE, 1);
      const s = new DataView(vmstatsBytes().buffer);
      const at = (o: number): number => Number(s.getBigInt64(o, true));
      expect(s.byteLength).to.equal(256);
      expect(at(8)).to.equal(NPAGES);
      expect(at(136) + at(144) + at(152) + at(160) + at(168)).to.equal(NPAGES);
      expect(at(160)).to.equal(10);
      expect(at(152)).to.be.at.least(100);
      const m = new DataView(vmmeterBytes().buffer);
      expect(m.byteLength).to.equal(224);
      expect(m.getUint32(40, true)).to.equal(gd.vm.counters.zfod);
      const t = new DataView(vmtotalBytes().buffer);
      expect(t.byteLength).to.equal(112);
      expect(Number(t.getBigInt64(40, true))).to.equal(100);
      expect(Number(t.getBigInt64(104, true))).to.equal(at(136));
    });
  });
});
