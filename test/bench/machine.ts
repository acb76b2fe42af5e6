/**
 * The host machine's own costs, without a kernel: what a trap, a mapping and a hand-over take. Prints ns.
 *
 * Each figure is the best of some rounds; the test plays the kernel with the cheapest possible handlers.
 */
import {
  code,
  CODE,
  DATA,
  enter,
  le32,
  movRbx,
  Prot,
  Reg,
  reg,
  Resume,
  Rig,
  setReg,
  sys,
  Trap,
} from '../guest/machine/harness.js';
import type { MachLwp } from '../../vkernel/machine/machine.js';
import { patchPage } from '../guest/machine/patching.js';

const rig = new Rig(256 << 20);
rig.start();

const END = 1;
/** Run `l` until it calls END; other traps go to `quick`. Nanoseconds for all of it. */
async function timed(l: MachLwp, quick: (l: MachLwp, t: Trap) => void): Promise<number> {
  return new Promise((resolve) => {
    let t0 = 0;
    rig.quick = (who, t) => {
      if (t === Trap.SYSCALL && who.frame[2 * Reg.RAX] === END) {
        rig.quick = null;
        resolve(rig.m.now() - t0);
      } else quick(who, t);
      return true;
    };
    rig.m.post(() => {
      t0 = rig.m.now();
      l.resume(Resume.RUN);
    });
  });
}
const best = async (rounds: number, f: () => Promise<number>): Promise<number> => {
  let b = Infinity;
  for (let i = 0; i < rounds; i++) b = Math.min(b, await f());
  return b;
};
const line = (name: string, ns: number): void => console.log(`${name.padEnd(52)} ${ns.toFixed(0)}`);
const restart = (l: MachLwp, rip = CODE): void => {
  setReg(l, Reg.RIP, rip);
};
const answer = (l: MachLwp): void => {
  if (l.full) {
    l.frame[2 * Reg.RAX] = 42;
    l.frame[2 * Reg.RAX + 1] = 0;
  } else l.result(42, 0, -1, false);
  l.resume(Resume.RUN);
};

async function syscalls(patched: boolean): Promise<number> {
  const N = patched ? 1_000_000 : 100_000;
  // mov $N,%ebx; 1: mov $20,%eax; syscall; dec %ebx; jnz 1b; mov $END,%eax; syscall
  const bytes = code([0xbb, ...le32(N)], sys(20), 'ffcb', '75f5', sys(END), 'ebe9');
  const p = rig.program(bytes);
  if (patched) patchPage(rig, p.v, p.text, bytes);
  const ns = await best(5, async () => {
    const r = (await timed(p.l, answer)) / N;
    restart(p.l);
    return r;
  });
  p.l.release();
  p.v.release();
  return ns;
}

/** Touch N new pages; each fault maps `around` pages. */
async function faults(around: number): Promise<number> {
  const N = 4096;
  // mov $N,%ecx; mov $0x10000000,%rbx; 1: incb (%rbx); add $4096,%rbx; dec %ecx; jnz 1b; END
  const bytes = code([0xb9, ...le32(N)], movRbx(0x10000000), 'fe03', '4881c300100000', 'ffc9', '75f3', sys(END));
  const ppn = rig.page(N);
  const p = rig.program(bytes);
  const ns = await best(5, async () => {
    const t = await timed(p.l, (l, trap) => {
      if (trap !== Trap.FAULT) throw new Error(`trap ${trap}`);
      const i = Math.floor((reg(l, Reg.ADDR) - 0x10000000) / 4096);
      p.v.map(0x10000000 + i * 4096, ppn + i, around, Prot.READ | Prot.WRITE);
      l.resume(Resume.RUN);
    });
    p.v.unmap(0x10000000, N * 4096);
    p.v.flush();
    restart(p.l);
    return t / N;
  });
  p.l.release();
  p.v.release();
  return ns;
}

/** Two threads in two address spaces that take turns: each stop of one lets the other go on. */
async function handOver(): Promise<number> {
  const N = 20_000;
  const bytes = code([0xbb, ...le32(N)], sys(20), 'ffcb', '75f5', sys(END), 'ebe9');
  const a = rig.program(bytes);
  const b = rig.program(code(sys(21), 'ebf7'));
  let started = false;
  const ns = await best(3, async () => {
    if (!started) {
      enter(b.l, CODE);
      started = true;
    }
    const t = await timed(a.l, (l) => {
      const other = l === a.l ? b.l : a.l;
      setReg(other, Reg.RAX, 1000);
      l.park();
      other.resume(Resume.RUN);
    });
    restart(a.l);
    return t / N;
  });
  return ns;
}

async function mapFlush(): Promise<number> {
  const v = rig.vmspace();
  const ppn = rig.page();
  return best(5, async () => {
    const t0 = rig.m.now();
    for (let i = 0; i < 1000; i++) {
      v.map(DATA, ppn, 1, Prot.READ);
      v.flush();
    }
    return (rig.m.now() - t0) / 1000;
  });
}

/** What a fork and exit costs the machine: address space, thread, one mapping, one trap, release. */
async function vmspaces(): Promise<number> {
  const N = 500;
  const ppn = rig.page();
  const bytes = code(sys(END));
  rig.m.ram.write(ppn * 4096, bytes, 0, bytes.length);
  return best(3, async () => {
    const t0 = rig.m.now();
    for (let i = 0; i < N; i++)
      await new Promise<void>((resolve) => {
        const v = rig.vmspace();
        const l = rig.lwp(v);
        v.map(CODE, ppn, 1, Prot.READ | Prot.EXEC);
        enter(l, CODE);
        rig.quick = () => {
          l.release();
          v.release();
          resolve();
          return true;
        };
        rig.m.post(() => l.resume(Resume.RUN));
      });
    return (rig.m.now() - t0) / N;
  });
}

line('system call, patched site', await syscalls(true));
line('system call, SIGSYS', await syscalls(false));
line('page fault + map 1 page', await faults(1));
line('page fault + map 16 pages, per page', await faults(16));
line('page fault + map 64 pages, per page', await faults(64));
line('map 1 page + flush', await mapFlush());
line('hand-over between two threads, there and back', await handOver());
line('new vmspace, thread, map, one trap, release', await vmspaces());
await rig.stop();
