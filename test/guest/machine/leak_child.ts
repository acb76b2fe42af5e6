/** Guests that compute, trap, fault and come and go, until somebody kills this process. Run by leak.test.ts. */
import { code, CODE, Prot, Reg, reg, Resume, Rig, setReg, sys, Trap, movRbx } from './harness.js';

const rig = new Rig(64 << 20);
rig.start();
let stops = 0;
rig.quick = (l, t) => {
  stops++;
  if (t === Trap.FAULT) l.vmspace.map(reg(l, Reg.ADDR) - (reg(l, Reg.ADDR) % 4096), 5, 1, Prot.READ | Prot.WRITE);
  else setReg(l, Reg.RIP, CODE);
  if (stops % 100 === 0) {
    const { l: fresh } = rig.program(code('ebfe'));
    fresh.resume(Resume.RUN);
    setTimeout(() => {
      fresh.preempt();
    }, 1);
  }
  if (stops === 50) process.stdout.write('busy\n');
  l.resume(Resume.RUN);
  return true;
};
for (let i = 0; i < 4; i++) {
  const { l } = rig.program(code(movRbx(0x800000 + i * 4096), 'fe03', sys(20), 'ebfe'));
  l.resume(Resume.RUN);
}
