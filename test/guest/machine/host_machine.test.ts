import { expect } from 'chai';
import { readdirSync, readFileSync } from 'node:fs';
import {
  code,
  CODE,
  DATA,
  enter,
  movRax,
  movRbx,
  movRdi,
  Prot,
  Reg,
  reg,
  Resume,
  Rig,
  setReg,
  STACK_TOP,
  sys,
  Trap,
} from './harness.js';
import { patchPage } from './patching.js';
import { TrapNo } from '../../../vkernel/machine/machine.js';

describe('host machine', function () {
  let rig: Rig;
  beforeEach(() => {
    rig = new Rig();
  });
  afterEach(() => rig.stop());

  it('runs guest code and reports its system calls with all registers', async () => {
    rig.start();
    const { l } = rig.program(code(movRbx(0x123456789abc), movRdi(7), sys(20), sys(1)));
    l.resume(Resume.RUN);
    let s = await rig.next();
    expect(s.lwp).to.equal(l);
    expect(s.trap).to.equal(Trap.SYSCALL);
    expect(l.full).to.equal(true);
    expect(reg(l, Reg.RAX)).to.equal(20);
    expect(reg(l, Reg.RDI)).to.equal(7);
    expect(reg(l, Reg.RBX)).to.equal(0x123456789abc);
    expect(reg(l, Reg.RIP)).to.equal(CODE + 10 + 10 + 7);
    expect(reg(l, Reg.RSP)).to.equal(STACK_TOP);
    setReg(l, Reg.RAX, 42);
    l.resume(Resume.RUN);
    s = await rig.next();
    expect(s.trap).to.equal(Trap.SYSCALL);
    expect(reg(l, Reg.RAX)).to.equal(1);
  });

  it('gives results back in rax, rdx and carry', async () => {
    rig.start();
    // syscall; setc %bl; mov %rax,%rdi; syscall
    const { l } = rig.program(code(sys(5), '0f92c3 4889c7', sys(6)));
    l.resume(Resume.RUN);
    await rig.next();
    setReg(l, Reg.RAX, 2);
    setReg(l, Reg.RDX, 99);
    l.frame[2 * Reg.RFLAGS] |= 1;
    l.resume(Resume.RUN);
    await rig.next();
    expect(reg(l, Reg.RDI)).to.equal(2);
    expect(reg(l, Reg.RDX)).to.equal(99);
    expect(reg(l, Reg.RBX)).to.equal(1);
  });

  it('reports page faults with address and error bits, and goes on after a map', async () => {
    rig.start();
    // mov $0x55aa, (0x800008)
    const { v, l } = rig.program(code(movRbx(0x800008), '66c703aa55', sys(1)));
    l.resume(Resume.RUN);
    let s = await rig.next();
    expect(s.trap).to.equal(Trap.FAULT);
    expect(reg(l, Reg.ADDR)).to.equal(0x800008);
    expect(reg(l, Reg.ERR) & 0x13).to.equal(2);
    expect(reg(l, Reg.RIP)).to.equal(CODE + 10);
    const p = rig.page();
    v.map(0x800000, p, 1, Prot.READ | Prot.WRITE);
    l.resume(Resume.RUN);
    s = await rig.next();
    expect(s.trap).to.equal(Trap.SYSCALL);
    expect(rig.m.ram.bytes(p * 4096 + 8, 2)).to.deep.equal(Uint8Array.of(0xaa, 0x55));
  });

  it('faults on write-protected and on unmapped pages after flush', async () => {
    rig.start();
    // loop: incq (DATA); syscall 1; jmp loop
    const { v, l } = rig.program(code(movRbx(DATA), '48ff03', sys(1), [0xeb, 0xf4]));
    l.resume(Resume.RUN);
    expect((await rig.next()).trap).to.equal(Trap.SYSCALL);
    v.protect(DATA, 4096, Prot.READ);
    l.resume(Resume.RUN);
    expect((await rig.next()).trap).to.equal(Trap.FAULT);
    expect(reg(l, Reg.ERR) & 3).to.equal(3);
    v.protect(DATA, 4096, Prot.READ | Prot.WRITE);
    l.resume(Resume.RUN);
    expect((await rig.next()).trap).to.equal(Trap.SYSCALL);
    v.unmap(DATA, 4096);
    v.flush();
    l.resume(Resume.RUN);
    expect((await rig.next()).trap).to.equal(Trap.FAULT);
    expect(reg(l, Reg.ERR) & 3).to.equal(2);
    expect(reg(l, Reg.ADDR)).to.equal(DATA);
  });

  it('reports fetch faults', async () => {
    rig.start();
    const { l } = rig.program(code(movRax(0x900000), 'ffe0'));
    l.resume(Resume.RUN);
    expect((await rig.next()).trap).to.equal(Trap.FAULT);
    expect(reg(l, Reg.ERR) & 16).to.equal(16);
    expect(reg(l, Reg.RIP)).to.equal(0x900000);
  });

  it('translates exceptions', async () => {
    rig.start();
    const kinds: [string, number][] = [
      ['cc', TrapNo.BPTFLT],
      ['0f0b', TrapNo.PRIVINFLT],
      ['31c9 f7f1', TrapNo.DIVIDE],
      ['fa', TrapNo.PROTFLT],
      ['48b8 0000000000000080 8b00', TrapNo.PROTFLT],
      ['cd80', TrapNo.PROTFLT],
    ];
    for (const [hex, want] of kinds) {
      const { l, v } = rig.program(code(hex));
      l.resume(Resume.RUN);
      const s = await rig.next();
      expect(s.trap, hex).to.equal(Trap.EXCEPTION);
      expect(reg(l, Reg.TRAPNO), hex).to.equal(want);
      l.release();
      v.release();
    }
  });

  it('preempts an endless loop and lets it go on', async () => {
    rig.start();
    const { l } = rig.program(code('48ffc3', 'ebfb'));
    let s;
    let before = 0;
    // On a busy host the thread may not have run yet when it is preempted.
    for (let tries = 0; tries < 100 && before <= 1000; tries++) {
      l.resume(Resume.RUN);
      await new Promise((r) => setTimeout(r, 20));
      l.preempt();
      s = await rig.next();
      expect(s.trap).to.equal(Trap.PREEMPT);
      before = reg(l, Reg.RBX);
    }
    expect(before).to.be.greaterThan(1000);
    let after = before;
    for (let tries = 0; tries < 100 && after <= before; tries++) {
      l.resume(Resume.RUN);
      await new Promise((r) => setTimeout(r, 5));
      l.preempt();
      s = await rig.next();
      expect(s.trap).to.equal(Trap.PREEMPT);
      after = reg(l, Reg.RBX);
    }
    expect(after).to.be.greaterThan(before);
  });

  it('runs two threads in one address space', async () => {
    rig.start();
    // Thread 1 spins until DATA is set, then calls 1; thread 2 sets it and calls 2.
    const one = code(movRbx(DATA), '833b00', '74fb', sys(1));
    const both = new Uint8Array(256);
    both.set(one);
    both.set(code(movRbx(DATA), 'c70301000000', sys(2)), 128);
    const { v, l } = rig.program(both);
    const l2 = rig.lwp(v);
    enter(l2, CODE + 128);
    l.resume(Resume.RUN);
    l2.resume(Resume.RUN);
    const stops = [await rig.next(), await rig.next()];
    expect(stops.map((s) => reg(s.lwp, Reg.RAX)).sort()).to.deep.equal([1, 2]);
    expect(l.id).to.not.equal(l2.id);
  });

  it('keeps the FPU and AVX state of threads apart, and shows it', async () => {
    rig.start();
    // movq %rbx,%xmm3; fld1; syscall 1; movq %xmm3,%rdi; syscall 2
    const bytes = code(movRbx(0x1122334455), '66480f6edb', 'd9e8', sys(1), '66480f7edf', sys(2));
    const a = rig.program(bytes);
    a.l.resume(Resume.RUN);
    await rig.next();
    const xmm3 = 160 + 3 * 16;
    const f = a.l.fpu;
    expect(Array.from(f.subarray(xmm3, xmm3 + 5))).to.deep.equal([0x55, 0x44, 0x33, 0x22, 0x11]);
    expect(f.length).to.be.at.least(576);
    f[xmm3] = 0x77;
    a.l.resume(Resume.RUN);
    await rig.next();
    expect(reg(a.l, Reg.RDI)).to.equal(0x1122334477);
    a.l.fpuReset();
    setReg(a.l, Reg.RIP, CODE + bytes.length - 7 - 5);
    a.l.resume(Resume.RUN);
    await rig.next();
    expect(reg(a.l, Reg.RDI)).to.equal(0);
    expect(a.l.fpu[24] + 256 * a.l.fpu[25]).to.equal(0x1f80);
  });

  it('copies a thread into another address space, as fork does', async () => {
    rig.start();
    const a = rig.program(code(movRbx(77), '66480f6edb', sys(2), '66480f7edf', sys(3)));
    a.l.fsBase = 0x1000;
    a.l.resume(Resume.RUN);
    await rig.next();
    expect(a.l.fsBase).to.equal(0x1000);
    const v = rig.vmspace();
    v.map(CODE, a.text, 1, Prot.READ | Prot.EXEC);
    const child = rig.lwp(v);
    child.frame.set(a.l.frame);
    child.fpu.set(a.l.fpu);
    child.fsBase = a.l.fsBase;
    setReg(child, Reg.RAX, 0);
    child.resume(Resume.RUN);
    const s = await rig.next();
    expect(s.lwp).to.equal(child);
    expect(reg(child, Reg.RAX)).to.equal(3);
    expect(reg(child, Reg.RDI)).to.equal(77);
    expect(reg(child, Reg.RBX)).to.equal(77);
    expect(child.fsBase).to.equal(0x1000);
  });

  it('RETRAP stops again before any guest instruction', async () => {
    rig.start();
    const { l } = rig.program(code(sys(9), '48ffc3', sys(10)));
    l.resume(Resume.RUN);
    await rig.next();
    setReg(l, Reg.RAX, 5);
    l.resume(Resume.RETRAP);
    const s = await rig.next();
    expect(s.trap).to.equal(Trap.PREEMPT);
    expect(reg(l, Reg.RAX)).to.equal(5);
    expect(reg(l, Reg.RBX)).to.equal(0);
    l.resume(Resume.RUN);
    expect((await rig.next()).trap).to.equal(Trap.SYSCALL);
    expect(reg(l, Reg.RBX)).to.equal(1);
  });

  describe('with a patched call site', () => {
    // mov $5,%r12; stc; mov $20,%eax; syscall; setc %r13b; seto..: flags and registers around a patched call
    const bytes = code('49c7c405000000', '4d31ed', movRdi(7), 'f9', sys(20), '410f92c5', sys(21), '48ffc3', sys(22));

    it('gives arguments in and results out, and loses only what a system call may lose', async () => {
      rig.start();
      const { v, l, text } = rig.program(bytes);
      expect(patchPage(rig, v, text, bytes)).to.equal(3);
      l.resume(Resume.RUN);
      let s = await rig.next();
      expect(s.trap).to.equal(Trap.SYSCALL);
      expect(l.full).to.equal(false);
      expect(reg(l, Reg.RAX)).to.equal(20);
      expect(reg(l, Reg.RDI)).to.equal(7);
      expect(reg(l, Reg.RSP)).to.equal(STACK_TOP);
      expect(reg(l, Reg.RIP)).to.equal(CODE + 7 + 3 + 10 + 1 + 7);
      expect(l.frame[2 * Reg.RFLAGS] & 1).to.equal(1);
      setReg(l, Reg.RAX, 77);
      l.frame[2 * Reg.RFLAGS] &= ~1;
      l.resume(Resume.RETRAP);
      s = await rig.next();
      expect(s.trap).to.equal(Trap.PREEMPT);
      expect(l.full).to.equal(true);
      expect(reg(l, Reg.RAX)).to.equal(77);
      expect(reg(l, Reg.R12)).to.equal(5);
      expect(reg(l, Reg.RDI)).to.equal(7);
      expect(reg(l, Reg.RIP)).to.equal(CODE + 7 + 3 + 10 + 1 + 7);
      l.resume(Resume.RUN);
      s = await rig.next();
      expect(reg(l, Reg.RAX)).to.equal(21);
      l.resume(Resume.REISSUE);
      s = await rig.next();
      expect(s.trap).to.equal(Trap.SYSCALL);
      expect(l.full).to.equal(true);
      expect(reg(l, Reg.RAX)).to.equal(21);
      expect(reg(l, Reg.R13)).to.equal(0);
      expect(reg(l, Reg.RBX)).to.equal(0);
    });

    it('takes results in place of the frame: both registers and carry', async () => {
      rig.start();
      const prog = code(sys(20), '410f92c5', '4989d6', sys(21), sys(22));
      const { v, l, text } = rig.program(prog);
      patchPage(rig, v, text, prog);
      setReg(l, Reg.RDX, 99);
      l.resume(Resume.RUN);
      await rig.next();
      l.result(0x9abcdef0, 0x1234, 7, true);
      l.resume(Resume.RUN);
      await rig.next();
      l.resume(Resume.REISSUE);
      await rig.next();
      expect(reg(l, Reg.R13) % 256).to.equal(1);
      expect(reg(l, Reg.R14)).to.equal(7);
      expect(reg(l, Reg.RDX)).to.equal(7);
      // A result is there too when the thread is asked for its registers.
      l.resume(Resume.RUN);
      await rig.next();
      l.result(5, 0, -1, false);
      l.resume(Resume.RETRAP);
      await rig.next();
      expect(reg(l, Reg.RAX)).to.equal(5);
      expect(reg(l, Reg.RDX)).to.equal(7);
      expect(l.frame[2 * Reg.RFLAGS] & 1).to.equal(0);
    });

    it('sets the fs base on the way back', async () => {
      rig.start();
      // syscall; mov %fs:8,%rbx; syscall
      const prog = code(sys(20), '64488b1c2508000000', sys(21));
      const { v, l, text, data } = rig.program(prog);
      patchPage(rig, v, text, prog);
      rig.m.ram.views[0].setUint32(data * 4096 + 8, 4711, true);
      l.resume(Resume.RUN);
      await rig.next();
      l.fsBase = DATA;
      l.resume(Resume.RUN);
      await rig.next();
      l.resume(Resume.RETRAP);
      await rig.next();
      expect(reg(l, Reg.RBX)).to.equal(4711);
      expect(l.fsBase).to.equal(DATA);
      expect(l.gsBase).to.equal(0);
    });

    it('RETRAP and REISSUE show all registers and the FPU, and give them back changed', async () => {
      // xmm3 and callee-saved registers are the guest's through both; then they are the kernel's.
      const prog = code('66480f6edb', sys(20), '66480f7ed8', sys(21));
      rig.start();
      const { v, l, text } = rig.program(prog);
      expect(patchPage(rig, v, text, prog)).to.equal(2);
      for (const [r, n] of [Reg.RBX, Reg.RBP, Reg.R12, Reg.R13, Reg.R14, Reg.R15].entries()) setReg(l, n, 1000 + r);
      setReg(l, Reg.RBX, 0x1234_5678_9abc);
      setReg(l, Reg.R10, 77);
      l.resume(Resume.RUN);
      expect((await rig.next()).trap).to.equal(Trap.SYSCALL);
      expect(l.full).to.equal(false);
      l.resume(Resume.REISSUE);
      expect((await rig.next()).trap).to.equal(Trap.SYSCALL);
      expect(l.full).to.equal(true);
      expect(reg(l, Reg.RAX)).to.equal(20);
      expect(reg(l, Reg.R10)).to.equal(77);
      expect(reg(l, Reg.RBX)).to.equal(0x1234_5678_9abc);
      expect(reg(l, Reg.R15)).to.equal(1005);
      const fpu = (): DataView => new DataView(l.fpu.buffer, l.fpu.byteOffset, l.fpu.length);
      const xmm3 = 160 + 3 * 16;
      expect(Number(fpu().getBigUint64(xmm3, true))).to.equal(0x1234_5678_9abc);
      setReg(l, Reg.RAX, 5);
      l.resume(Resume.RETRAP);
      expect((await rig.next()).trap).to.equal(Trap.PREEMPT);
      expect(reg(l, Reg.RIP)).to.equal(CODE + 12);
      expect(reg(l, Reg.RAX)).to.equal(5);
      fpu().setBigUint64(xmm3, 4711n, true);
      fpu().setBigUint64(512, fpu().getBigUint64(512, true) | 2n, true);
      setReg(l, Reg.R12, 12);
      l.resume(Resume.RUN);
      expect((await rig.next()).trap).to.equal(Trap.SYSCALL);
      l.resume(Resume.REISSUE);
      await rig.next();
      expect(reg(l, Reg.RAX)).to.equal(21);
      expect(reg(l, Reg.R12)).to.equal(12);
      expect(reg(l, Reg.RBX)).to.equal(0x1234_5678_9abc);
    });
  });

  describe('is never deaf to preempt', () => {
    // xmm0 = r15; a call, then an endless loop: a preempt right after the answer must still arrive, with all registers.
    const prog = code('66490f6ec7', sys(20), 'ebfe');
    const AFTER = CODE + 12;
    /** How the call arrives and is answered: by the entry alone, stopped once more at a patched site, or by signal. */
    for (const [way, patched, how] of [
      ['in the entry', true, Resume.RUN],
      ['after a full stop in the entry', true, Resume.RETRAP],
      ['after a call made again with a full frame', true, Resume.REISSUE],
      ["on the way out of a signal's handler", false, Resume.RUN],
    ] as const)
      it(way, async () => {
        const { v, l, text } = rig.program(prog);
        if (patched) patchPage(rig, v, text, prog);
        let calls = 0;
        let preempts = 0;
        let again = false;
        const answer = (): void => {
          setReg(l, Reg.RAX, 1);
          setReg(l, Reg.RIP, AFTER);
          l.resume(Resume.RUN);
          for (let i = (calls * 7) % 400; i > 0; i--) rig.m.now();
          l.preempt();
        };
        await new Promise<void>((resolve) => {
          rig.quick = (_l, t) => {
            if (again) {
              again = false;
              expect(t).to.equal(how === Resume.RETRAP ? Trap.PREEMPT : Trap.SYSCALL);
              expect(l.full).to.equal(true);
              answer();
              return true;
            }
            if (t === Trap.SYSCALL) {
              expect(l.full).to.equal(!patched);
              calls++;
              again = how !== Resume.RUN;
              if (again) l.resume(how);
              else answer();
              return true;
            }
            expect(t).to.equal(Trap.PREEMPT);
            expect(reg(l, Reg.RIP)).to.equal(AFTER);
            expect(reg(l, Reg.RAX)).to.equal(1);
            expect(reg(l, Reg.R15)).to.equal(preempts);
            expect(new DataView(l.fpu.buffer, l.fpu.byteOffset).getUint32(160, true)).to.equal(preempts);
            if (++preempts === 3000) {
              rig.quick = null;
              resolve();
              return true;
            }
            setReg(l, Reg.R15, preempts);
            setReg(l, Reg.RIP, CODE);
            l.resume(Resume.RUN);
            return true;
          };
          rig.start();
          l.resume(Resume.RUN);
        });
        expect(calls).to.equal(3000);
      });
  });

  it('answers a thread that has fallen asleep waiting', async () => {
    rig.start();
    const { l } = rig.program(code(sys(1), sys(2)));
    l.resume(Resume.RUN);
    await rig.next();
    await new Promise((r) => setTimeout(r, 30));
    l.resume(Resume.RUN);
    expect((await rig.next()).trap).to.equal(Trap.SYSCALL);
    l.park();
    await new Promise((r) => setTimeout(r, 5));
    setReg(l, Reg.RIP, CODE);
    l.resume(Resume.RUN);
    await rig.next();
    expect(reg(l, Reg.RAX)).to.equal(1);
  });

  it('runs a timer of the kernel while nothing else happens', async () => {
    let due = 30e6;
    let fired = 0;
    const done = new Promise<void>((resolve) => {
      rig.start({
        dispatch: () => {
          if (due !== Infinity && rig.m.now() >= due) {
            fired = rig.m.now();
            due = Infinity;
            resolve();
          }
          return false;
        },
        nextTimerNs: () => due,
      });
      due = rig.m.now() + 30e6;
    });
    const want = due;
    await done;
    // Never early; how late depends on what else the host has to do.
    expect(fired - want).to.be.within(0, 500e6);
  });

  it('gives addresses and threads back: 200 vmspaces one after the other, 30 threads in one', async () => {
    rig.start();
    for (let i = 0; i < 200; i++) {
      const { v, l } = rig.program(code(sys(1)));
      l.resume(Resume.RUN);
      expect((await rig.next()).trap).to.equal(Trap.SYSCALL);
      l.release();
      v.release();
    }
    const { v, l } = rig.program(code(sys(1)));
    const all = [l];
    for (let i = 0; i < 30; i++) {
      const t = rig.lwp(v);
      enter(t, CODE);
      all.push(t);
    }
    for (const t of all) t.resume(Resume.RUN);
    for (const _ of all) expect((await rig.next()).trap).to.equal(Trap.SYSCALL);
    for (const t of all) t.release();
    v.release();
  });

  it('reports a killed host thread as DEAD', async () => {
    rig.start();
    const { l } = rig.program(code('ebfe'));
    l.resume(Resume.RUN);
    await new Promise((r) => setTimeout(r, 10));
    const stubs = descendants(process.pid).filter((p) => state(p) === 'R');
    expect(stubs).to.have.length(1);
    process.kill(stubs[0], 'SIGKILL');
    const s = await rig.next();
    expect(s.trap).to.equal(Trap.DEAD);
    expect(s.lwp).to.equal(l);
    l.release();
  });

  it('leaves no process behind', async () => {
    rig.start();
    const { l } = rig.program(code('ebfe'));
    l.resume(Resume.RUN);
    await new Promise((r) => setTimeout(r, 10));
    const before = descendants(process.pid);
    expect(before.length).to.be.at.least(3);
    await rig.stop();
    await new Promise((r) => setTimeout(r, 50));
    expect(before.filter((p) => state(p) !== '')).to.deep.equal([]);
  });
});

function state(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1][0];
  } catch {
    return '';
  }
}

/** Processes below `root`, by their parents' numbers. */
function descendants(root: number): number[] {
  const parents = new Map<number, number>();
  for (const d of readdirSync('/proc')) {
    if (!/^\d+$/.test(d)) continue;
    try {
      parents.set(Number(d), Number(readFileSync(`/proc/${d}/stat`, 'latin1').split(') ')[1].split(' ')[1]));
    } catch {
      // Gone meanwhile.
    }
  }
  const out: number[] = [];
  const below = (p: number): boolean => p !== 0 && (parents.get(p) === root || below(parents.get(p) ?? 0));
  for (const p of parents.keys()) if (below(p)) out.push(p);
  return out;
}
