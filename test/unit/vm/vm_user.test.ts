import { expect } from 'chai';
import { runSync } from '../../../vkernel/sys/blocking.js';
import { EFAULT, EINVAL, ENAMETOOLONG, Errno, NOTNOW } from '../../../vkernel/sys/errno.js';
import { gd } from '../../../vkernel/sys/globaldata.js';
import {
  type Uio,
  uioKernel,
  uiomove,
  uiomoveB,
  uiomovePhys,
  uioUser,
  uioUserVec,
  uiozero,
} from '../../../vkernel/vm/uio.js';
import { vmMapInsert, vmMapProtect } from '../../../vkernel/vm/vm_map.js';
import { vmObjectAlloc } from '../../../vkernel/vm/vm_object.js';
import { PG, vmPageAlloc } from '../../../vkernel/vm/vm_page.js';
import {
  copyin,
  copyinB,
  copyinstr,
  copyinstrB,
  copyout,
  copyoutB,
  fuword32,
  fuword64,
  physical,
  suword32,
  suword64,
  zeroout,
} from '../../../vkernel/vm/vm_user.js';
import { type Vmspace, vmspaceAlloc } from '../../../vkernel/vm/vmspace.js';
import { bootVm, guestWrite } from './fake.js';

const PAGE = 4096;
const BASE = 0x7f00000000;
let vm: Vmspace;

describe('vm_user', () => {
  beforeEach(() => {
    bootVm(512);
    vm = vmspaceAlloc() as Vmspace;
    vmMapInsert(vm.map, null, 0, BASE, 8 * PAGE, 3, 7);
  });

  const bytes = (n: number): Uint8Array => Uint8Array.from({ length: n }, (_, i) => (i * 7) & 255);
  /** Addresses that no call may believe, with a length of 16. */
  const WILD = [
    0,
    -1,
    NaN,
    Infinity,
    2 ** 47,
    2 ** 53,
    2 ** 63,
    2 ** 64,
    0x7fffffe00000 - 8,
    BASE - 16,
    BASE + 8 * PAGE,
  ];

  /** An object at `va` whose page comes only to those who sleep. */
  function slow(va: number, fill: number): void {
    const o = vmObjectAlloc(
      'vnode',
      {
        tryGetPage: () => NOTNOW,
        *getPage(obj, pindex) {
          const p = vmPageAlloc(obj, pindex, true);
          gd.machine.ram.u8[0].fill(fill, p * PAGE, p * PAGE + PAGE);
          gd.vm.pages.flags[p] |= PG.VALID;
          return p;
        },
      },
      PAGE,
    );
    vmMapInsert(vm.map, o, 0, va, PAGE, 3, 7, { cow: true });
  }

  describe('copyin and copyout', () => {
    it('move what they should, over page borders', () => {
      const src = bytes(3 * PAGE);
      for (const [off, len] of [
        [0, 1],
        [100, 16],
        [PAGE - 3, 7],
        [PAGE - 1, 2 * PAGE + 2],
        [5, 3 * PAGE],
      ]) {
        expect(copyout(vm, src, 0, BASE + off, len)).to.equal(null);
        const dst = new Uint8Array(len + 2);
        expect(copyin(vm, BASE + off, dst, 1, len)).to.equal(null);
        expect([...dst.subarray(1, len + 1)]).to.deep.equal([...src.subarray(0, len)]);
        expect(dst[0] + dst[len + 1]).to.equal(0);
      }
    });

    it('answer EFAULT for wild addresses and lengths', () => {
      const buf = new Uint8Array(64);
      for (const a of WILD) {
        expect(copyin(vm, a, buf, 0, 16), `copyin ${a}`).to.equal(EFAULT);
        expect(copyout(vm, buf, 0, a, 16), `copyout ${a}`).to.equal(EFAULT);
        expect(runSync(copyinB(vm, a, buf, 0, 16)), `copyinB ${a}`).to.equal(EFAULT);
        expect(runSync(copyoutB(vm, buf, 0, a, 16)), `copyoutB ${a}`).to.equal(EFAULT);
        expect(zeroout(vm, a, 16), `zeroout ${a}`).to.equal(EFAULT);
        expect(copyinstr(vm, a, 16), `copyinstr ${a}`).to.equal(EFAULT);
        expect(fuword32(vm, a), `fuword32 ${a}`).to.equal(EFAULT);
        expect(fuword64(vm, a), `fuword64 ${a}`).to.equal(EFAULT);
        expect(suword32(vm, a, 1), `suword32 ${a}`).to.equal(EFAULT);
        expect(suword64(vm, a, 1), `suword64 ${a}`).to.equal(EFAULT);
        expect(physical(vm, a, 1), `physical ${a}`).to.equal(EFAULT);
      }
      expect(copyin(vm, BASE, buf, 0, 2 ** 53)).to.equal(EFAULT);
      expect(copyin(vm, BASE, buf, 0, -1)).to.equal(EFAULT);
      expect(copyin(vm, 2 ** 60, buf, 0, 0)).to.equal(null);
    });

    it('respect protections', () => {
      guestWrite(vm, BASE, 5);
      vmMapProtect(vm.map, BASE, BASE + PAGE, 1);
      expect(suword32(vm, BASE, 1)).to.equal(EFAULT);
      expect(fuword32(vm, BASE)).to.equal(5);
      vmMapProtect(vm.map, BASE, BASE + PAGE, 0);
      expect(fuword32(vm, BASE)).to.equal(EFAULT);
    });

    it('answer NOTNOW where they would sleep; their twins sleep', () => {
      slow(BASE + 8 * PAGE, 0x41);
      const buf = new Uint8Array(32);
      const at = BASE + 8 * PAGE - 16;
      expect(copyin(vm, at, buf, 0, 32)).to.equal(NOTNOW);
      expect(gd.vm.notNowVa).to.equal(BASE + 8 * PAGE);
      expect(runSync(copyinB(vm, at, buf, 0, 32))).to.equal(null);
      expect([...buf]).to.deep.equal([...new Array<number>(16).fill(0), ...new Array<number>(16).fill(0x41)]);
      slow(BASE + 9 * PAGE, 0);
      expect(copyout(vm, buf, 16, BASE + 9 * PAGE, 4)).to.equal(NOTNOW);
      expect(runSync(copyoutB(vm, buf, 16, BASE + 9 * PAGE, 4))).to.equal(null);
      expect(fuword32(vm, BASE + 9 * PAGE)).to.equal(0x41414141);
      slow(BASE + 10 * PAGE, 0);
      suword32(vm, BASE + 10 * PAGE - 4, 0x64636261);
      expect(runSync(copyinstrB(vm, BASE + 10 * PAGE - 4, 100))).to.equal('abcd');
    });
  });

  describe('copyinstr', () => {
    const put = (s: string, at: number): void => {
      copyout(vm, Uint8Array.from([...s].map((c) => c.charCodeAt(0)).concat(0)), 0, at, s.length + 1);
    };
    it('returns strings of any bytes, over page borders', () => {
      for (const s of ['', 'a', '/usr/bin/x\xff\x80y', 'z'.repeat(500), 'q'.repeat(1023)]) {
        for (const at of [BASE, BASE + PAGE - 1, BASE + PAGE - 100]) {
          put(s, at);
          expect(copyinstr(vm, at, 1024)).to.equal(s);
        }
      }
    });
    it('counts the NUL in the limit', () => {
      put('abc', BASE);
      expect(copyinstr(vm, BASE, 4)).to.equal('abc');
      expect(copyinstr(vm, BASE, 3)).to.equal(ENAMETOOLONG);
      expect(copyinstr(vm, BASE, 0)).to.equal(ENAMETOOLONG);
    });
    it('answers EFAULT when the string runs out of the mapping', () => {
      copyout(
        vm,
        bytes(PAGE).map(() => 65),
        0,
        BASE + 7 * PAGE,
        PAGE,
      );
      expect(copyinstr(vm, BASE + 8 * PAGE - 10, 1024)).to.equal(EFAULT);
      expect(copyinstr(vm, BASE + 8 * PAGE - 10, 10)).to.equal(ENAMETOOLONG);
    });
  });

  describe('fuword and suword', () => {
    it('are little endian and may cross pages', () => {
      for (const at of [BASE, BASE + PAGE - 2, BASE + 2 * PAGE - 5]) {
        expect(suword64(vm, at, 0x0001_2345_89ab_cdef)).to.equal(null);
        expect(fuword64(vm, at)).to.equal(0x0001_2345_89ab_cdef);
        expect(fuword32(vm, at)).to.equal(0x89abcdef);
        expect(suword64(vm, at, -1)).to.equal(null);
        expect(fuword32(vm, at + 4)).to.equal(0xffffffff);
        expect(suword32(vm, at, -2)).to.equal(null);
        expect(fuword32(vm, at)).to.equal(0xfffffffe);
      }
    });
  });

  describe('uio', () => {
    it('moves both ways over several vectors and keeps count', () => {
      const u = uioUser(vm, BASE + 100, 50, 'read', 1000);
      u.add(BASE + 2 * PAGE - 10, 100);
      const src = bytes(200);
      expect(uiomove(src, 0, 60, u)).to.equal(null);
      expect([u.resid, u.offset]).to.deep.equal([90, 1060]);
      expect(uiomove(src, 60, 140, u)).to.equal(null);
      expect([u.resid, u.offset]).to.deep.equal([0, 1150]);
      const w = uioUser(vm, BASE + 100, 50, 'write', 0);
      w.add(BASE + 2 * PAGE - 10, 100);
      const dst = new Uint8Array(150);
      expect(uiomove(dst, 0, 150, w)).to.equal(null);
      expect([...dst]).to.deep.equal([...src.subarray(0, 150)]);
    });

    it('counts what was moved before a fault', () => {
      const u = uioUser(vm, BASE + 7 * PAGE, 2 * PAGE, 'read', 0);
      expect(uiomove(bytes(2 * PAGE), 0, 2 * PAGE, u)).to.equal(EFAULT);
      expect(u.resid).to.equal(PAGE);
      for (const a of WILD) {
        const v = uioUser(vm, a, 16, 'read', 0);
        expect(uiomove(bytes(16), 0, 16, v), String(a)).to.equal(EFAULT);
        expect(uiozero(16, v), String(a)).to.equal(EFAULT);
      }
      expect(uiomove(bytes(16), 0, 16, uioUser(vm, BASE, 2 ** 60, 'read', 0))).to.equal(EFAULT);
    });

    it('sleeps where it must', () => {
      slow(BASE + 8 * PAGE, 9);
      const u = uioUser(vm, BASE + 8 * PAGE - 8, 16, 'write', 0);
      const dst = new Uint8Array(16);
      expect(uiomove(dst, 0, 16, u)).to.equal(NOTNOW);
      expect(u.resid).to.equal(8);
      expect(runSync(uiomoveB(dst, 8, 8, u))).to.equal(null);
      expect(dst[15]).to.equal(9);
    });

    it('moves between guest pages', () => {
      const p = vmPageAlloc(null, 0, true);
      gd.machine.ram.u8[0].set(bytes(PAGE), p * PAGE);
      const u = uioUser(vm, BASE + 10, PAGE, 'read', 0);
      expect(uiomovePhys(p * PAGE, PAGE, u)).to.equal(null);
      const dst = new Uint8Array(PAGE);
      copyin(vm, BASE + 10, dst, 0, PAGE);
      expect([...dst]).to.deep.equal([...bytes(PAGE)]);
      expect(gd.vm.pages.hold[p]).to.equal(0);
    });

    it('serves the kernel as well', () => {
      const buf = new Uint8Array(10).fill(1);
      const u = uioKernel(buf, 'read', 0);
      uiomove(bytes(4), 0, 4, u);
      uiozero(3, u);
      expect([...buf]).to.deep.equal([0, 7, 14, 21, 0, 0, 0, 1, 1, 1]);
      const w = uioKernel(buf, 'write', 0);
      const dst = new Uint8Array(4);
      uiomove(dst, 0, 4, w);
      expect([...dst]).to.deep.equal([0, 7, 14, 21]);
    });

    it('reads struct iovec', () => {
      suword64(vm, BASE, BASE + PAGE);
      suword64(vm, BASE + 8, 5);
      suword64(vm, BASE + 16, BASE + 2 * PAGE);
      suword64(vm, BASE + 24, 7);
      const u = uioUserVec(vm, BASE, 2, 'read', 0) as Uio;
      expect(u.resid).to.equal(12);
      expect(u.iovs[1].base).to.equal(BASE + 2 * PAGE);
      expect(uioUserVec(vm, BASE, 0, 'read', 0)).to.equal(EINVAL);
      expect(uioUserVec(vm, BASE, 1025, 'read', 0)).to.equal(EINVAL);
      expect(uioUserVec(vm, 64, 1, 'read', 0)).to.equal(EFAULT);
      suword64(vm, BASE + 24, -1);
      expect(uioUserVec(vm, BASE, 2, 'read', 0)).to.be.instanceOf(Errno);
    });
  });
});
