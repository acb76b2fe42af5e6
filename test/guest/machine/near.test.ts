/** Mapping operations that a resumed thread has the near mapper carry out (docs/machine.md), and guests that do not. */
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import type { MachLwp } from '../../../vkernel/machine/machine.js';
import { code, DATA, enter, CODE, movRbx, Prot, Reg, reg, Resume, Rig, setReg, sys, Trap } from './harness.js';

const SLOTS = 0x7fffffe80000;

/** A thread that reads the word at rbx into rdi and asks again, for ever. */
const reader = code('8b3b', sys(20), 'ebf5');

describe('operations carried out on the guests processor', function () {
  this.timeout(30000);
  let rig: Rig;
  beforeEach(() => {
    rig = new Rig(512 << 20);
    rig.start();
  });
  afterEach(async () => {
    rig.quick = null;
    await rig.stop();
  });

  /** Pages that hold their own number. */
  const numbered = (n: number): number => {
    const ppn = rig.page(n);
    for (let i = 0; i < n; i++) rig.m.ram.write((ppn + i) * 4096, code([i, i >> 8, 0, 0]), 0, 4);
    return ppn;
  };

  it('are done when the guest goes on: two threads see each page that is put before them', async () => {
    const ROUNDS = 5000;
    const ppn = numbered(256);
    const { v, l } = rig.program(reader);
    const k = rig.lwp(v);
    enter(k, CODE);
    const at = new Map<MachLwp, { va: number; want: number; n: number }>();
    for (const [i, t] of [l, k].entries()) {
      const va = DATA + 0x100000 * (i + 1);
      at.set(t, { va, want: i, n: 0 });
      v.map(va, ppn + i, 1, Prot.READ);
      setReg(t, Reg.RBX, va);
    }
    let wrong = 0;
    await new Promise<void>((resolve, reject) => {
      rig.quick = (t, trap) => {
        const a = at.get(t)!;
        if (trap === Trap.FAULT && reg(t, Reg.ADDR) === a.va) {
          // Every third time the page is taken away first.
          v.map(a.va, ppn + a.want, 1, Prot.READ);
        } else if (trap === Trap.SYSCALL) {
          if (reg(t, Reg.RDI) !== a.want) wrong++;
          if (++a.n >= ROUNDS) {
            if ([...at.values()].every((x) => x.n >= ROUNDS)) resolve();
            // Nor may one wait for the operations of the other for ever.
            if (a.n > 50 * ROUNDS) reject(new Error('the other thread does not run'));
          }
          a.want = (a.want + 7) % 256;
          if (a.n % 3 === 0) v.unmap(a.va, 4096);
          else v.map(a.va, ppn + a.want, 1, Prot.READ);
        } else reject(new Error(`trap ${trap}`));
        t.resume(Resume.RUN);
        return true;
      };
      rig.m.post(() => {
        l.resume(Resume.RUN);
        k.resume(Resume.RUN);
      });
    });
    expect(wrong).to.equal(0);
  });

  it('are done by the kernel when the host refuses: more mappings than it allows', async function () {
    const most = Number(readFileSync('/proc/sys/vm/max_map_count', 'latin1'));
    if (most > 100_000) {
      console.log(`    skipped: this host allows ${most} mappings (vm.max_map_count), too many to use up`);
      this.skip();
    }
    const ppn = numbered(256);
    const { v, l, text } = rig.program(reader);
    const base = 0x1_0000_0000;
    setReg(l, Reg.RBX, base);
    // Every other page, 500 with each call: no two of them become one mapping.
    let next = 0;
    let wrong = 0;
    let faults = 0;
    const show = (i: number): void => v.map(base + i * 8192, ppn + (i % 256), 1, Prot.READ);
    await new Promise<void>((resolve, reject) => {
      rig.quick = (t, trap) => {
        if (trap === Trap.FAULT) {
          if (++faults > 2000) reject(new Error('the guest does not get on'));
          // All of them are dropped when there are too many, the text too.
          if (reg(t, Reg.ADDR) < base) v.map(CODE, text, 1, Prot.READ | Prot.EXEC);
          else show((reg(t, Reg.ADDR) - base) / 8192);
        } else {
          const i = (reg(t, Reg.RBX) - base) / 8192;
          if (next > 0 && reg(t, Reg.RDI) !== i % 256) wrong++;
          if (next > most + 5000) resolve();
          setReg(t, Reg.RBX, base + next * 8192);
          for (let k = 0; k < 500; k++) show(next++);
        }
        t.resume(Resume.RUN);
        return true;
      };
      show(0);
      rig.m.post(() => l.resume(Resume.RUN));
    });
    expect(wrong).to.equal(0);
  });

  /** Stops by writing into its slot, and goes on as soon as it is answered, without a look at what it should wait for. */
  const forger = code(
    movRbx(SLOTS),
    '488b8b10010000', // mov 272(%rbx), %rcx: the command line
    '8b01', // mov (%rcx), %eax
    'c7833800000014000000', // movl $20, 56(%rbx): rax of the frame
    'c7830400000001000000', // movl $SYSCALL, 4(%rbx)
    '8903', // mov %eax, (%rbx): stopped
    '3901', // 1: cmp %eax, (%rcx)
    '74fc', // je 1b
    'ebfe',
  );

  for (const how of ['flush', 'time'] as const)
    it(`are carried out though the guest does not start them: ${how}`, async () => {
      const { v, l } = rig.program(forger);
      l.resume(Resume.RUN);
      const s = await rig.next();
      expect(s.trap).to.equal(Trap.SYSCALL);
      await new Promise<void>((resolve) => {
        rig.m.post(() => {
          v.unmap(DATA, 4096);
          l.resume(Resume.RUN);
          if (how === 'flush') v.flush();
          resolve();
        });
      });
      if (how === 'time') await new Promise((r) => setTimeout(r, 100));
      expect(v.unflushed).to.equal(false);
      l.preempt();
      expect((await rig.next()).trap).to.equal(Trap.PREEMPT);
      setReg(l, Reg.RBX, DATA);
      const ppn = rig.page();
      rig.m.ram.write(ppn * 4096, reader, 0, reader.length);
      v.map(CODE, ppn, 1, Prot.READ | Prot.EXEC);
      setReg(l, Reg.RIP, CODE);
      l.resume(Resume.RUN);
      const f = await rig.next();
      expect(f.trap).to.equal(Trap.FAULT);
      expect(reg(l, Reg.ADDR)).to.equal(DATA);
    });

  it('are not forgotten by a preemption while they are waited for', async () => {
    const ppn = numbered(256);
    const { v, l } = rig.program(reader);
    setReg(l, Reg.RBX, DATA);
    let want = 0;
    let wrong = 0;
    let preempted = 0;
    v.map(DATA, ppn, 1, Prot.READ);
    await new Promise<void>((resolve, reject) => {
      let n = 0;
      rig.quick = (t, trap) => {
        if (trap === Trap.PREEMPT) preempted++;
        else if (trap === Trap.SYSCALL) {
          if (reg(t, Reg.RDI) !== want) wrong++;
          want = (want + 1) % 256;
          v.map(DATA, ppn + want, 1, Prot.READ);
          if (++n === 3000) resolve();
        } else reject(new Error(`trap ${trap}`));
        t.resume(Resume.RUN);
        if (n % 2 === 0 && trap === Trap.SYSCALL) {
          for (let spin = 0; spin < (n * 37) % 4000; spin++) Atomics.load(scratch, 0);
          t.preempt();
        }
        return true;
      };
      rig.m.post(() => l.resume(Resume.RUN));
    });
    expect(wrong).to.equal(0);
    expect(preempted).to.be.greaterThan(0);
  });
});
const scratch = new Int32Array(new SharedArrayBuffer(4));
