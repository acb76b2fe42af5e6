import { expect } from 'chai';
import { ccTest, scratchDir, vkernel } from './support/guest.js';

describe('ptrace on the host machine', () => {
  it('steps, sets a breakpoint in text, and moves the program counter', () => {
    const r = vkernel(['run', ccTest(scratchDir(), 'ptrace')]);
    expect(r.stdout + r.stderr).to.equal('ok\n');
    expect(r.status).to.equal(0);
  });
});
