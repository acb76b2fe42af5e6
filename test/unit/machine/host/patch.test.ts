import { expect } from 'chai';
import { hostPatcher } from '../../../../vkernel/machine/host/patch.js';

const hex = (s: string): Uint8Array => Uint8Array.from(Buffer.from(s.replace(/\s+/g, ''), 'hex'));
const show = (b: Uint8Array): string => Buffer.from(b).toString('hex');
const tail = (ret: string): string => `48b9${ret}0000000000 49bb4000e0ffff7f0000 41ffe3`.replace(/\s+/g, '');

describe('call site patcher', () => {
  const site = 0x401020;
  const tramp = 0x500000;
  const plan = (before: string, nr = 20): { at: number; bytes: string; trampoline: string } | null => {
    const p = hostPatcher.plan(hex(before), nr, site, tramp);
    return p && { at: p.at, bytes: show(p.bytes), trampoline: show(p.trampoline) };
  };
  const jump = (at: number): string => {
    const b = Buffer.alloc(5);
    b[0] = 0xe9;
    b.writeInt32LE(tramp - at - 5, 1);
    return b.toString('hex');
  };

  it('patches mov $n,%eax', () => {
    expect(plan('c3 b814000000')).to.deep.equal({
      at: site - 5,
      bytes: jump(site - 5),
      trampoline: 'b814000000' + tail('221040'),
    });
  });
  it('moves what stands between the number and the call, and leaves it in place', () => {
    expect(plan('c3 b814000000 4989ca')).to.deep.equal({
      at: site - 8,
      bytes: jump(site - 8),
      trampoline: 'b8140000004989ca' + tail('221040'),
    });
    expect(plan('b814000000 31ff be05000000')?.trampoline).to.equal('b81400000031ffbe05000000' + tail('221040'));
  });
  it('patches mov $n,%rax in seven bytes', () => {
    expect(plan('48c7c014000000')?.bytes).to.equal(jump(site - 7) + '6690');
  });
  it("patches Go's load of the number from the stack", () => {
    expect(plan('488b542420 488b442408', 4)?.at).to.equal(site - 5);
    expect(plan('488b842490000000', 4)?.bytes).to.equal(jump(site - 8) + '0f1f00');
  });
  it('refuses another number, a REX prefix, unknown code and far trampolines', () => {
    expect(plan('b815000000')).to.equal(null);
    expect(plan('41b814000000')).to.equal(null);
    expect(plan('b814000000 e800000000')).to.equal(null);
    expect(plan('488b442408 4889c7', 4)).to.equal(null);
    expect(plan('')).to.equal(null);
    expect(hostPatcher.plan(hex('b814000000'), 20, site, site + 2 ** 32)).to.equal(null);
  });
  it('never throws or writes outside on random bytes', () => {
    let x = 12345;
    for (let round = 0; round < 20000; round++) {
      const b = new Uint8Array(round % 37);
      for (let i = 0; i < b.length; i++) b[i] = (x = (Math.imul(x, 1103515245) + 12345) >>> 0) >>> 24;
      const p = hostPatcher.plan(b, 20, site, tramp);
      if (p) {
        expect(p.at + p.bytes.length).to.be.at.most(site);
        expect(p.trampoline.length).to.be.at.most(hostPatcher.slotBytes);
      }
    }
  });
});
