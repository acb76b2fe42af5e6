/**
 * Hostile guest code against the machine itself: every way into the host must end as a trap or as the death of that
 * guest alone. The test plays the kernel; a bystander process, a bystander guest and a file must come through.
 */
import { expect } from 'chai';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildDir } from '../../../vkernel/machine/host/native.js';
import type { MachLwp, MachVmspace } from '../../../vkernel/machine/machine.js';
import {
  code,
  CODE,
  DATA,
  enter,
  movRax,
  movRbx,
  Prot,
  Reg,
  reg,
  Resume,
  Rig,
  setReg,
  STACK_TOP,
  sys,
  Trap,
} from '../machine/harness.js';
import { patchPage } from '../machine/patching.js';

const WIN = 0x7fffffe00000;
const GLOBAL = WIN + 0x10000;
const REQ = WIN + 0x11000;
const CMD = WIN + 0x40000;
const SLOTS = WIN + 0x80000;
/** The stub's segment, as it is copied into every vmspace. */
const text = ((): Buffer => {
  const elf = readFileSync(join(buildDir(), 'vkstub'));
  const ph = Number(elf.readBigUInt64LE(32));
  const off = Number(elf.readBigUInt64LE(ph + 8));
  return elf.subarray(off, off + Number(elf.readBigUInt64LE(ph + 32)));
})();

describe('hostile guest, machine', function () {
  this.timeout(60000);
  let rig: Rig;
  let bystander: ChildProcess;
  let dir: string;
  beforeEach(() => {
    rig = new Rig(64 << 20);
    rig.start();
    bystander = spawn('sleep', ['1000']);
    dir = mkdtempSync(join(tmpdir(), 'vkernel-test-'));
    writeFileSync(join(dir, 'f'), 'untouched');
  });
  afterEach(async () => {
    // Another guest still works, and the host is as it was.
    rig.quick = null;
    const { l } = rig.program(code(sys(77)));
    l.resume(Resume.RUN);
    for (;;) {
      const s = await rig.next();
      if (s.lwp !== l) continue;
      expect(reg(l, Reg.RAX)).to.equal(77);
      break;
    }
    expect(bystander.exitCode).to.equal(null);
    expect(bystander.signalCode).to.equal(null);
    bystander.kill('SIGKILL');
    expect(readdirSync(dir)).to.deep.equal(['f']);
    expect(readFileSync(join(dir, 'f'), 'latin1')).to.equal('untouched');
    rmSync(dir, { recursive: true });
    await rig.stop();
  });

  it('traps `syscall` with every number, also with the x32 bit', async () => {
    const { l } = rig.program(code('0f05', 'ebfc'));
    const numbers: number[] = [];
    for (let i = 0; i <= 600; i++) numbers.push(i, i + 0x40000000);
    numbers.push(0xffffffff, 0x80000000, 0x7fffffff);
    for (const n of numbers) {
      setReg(l, Reg.RAX, n);
      // Arguments with which kill, mmap, exit, ptrace, futex, ... would do something.
      setReg(l, Reg.RDI, n % 2 === 0 ? bystander.pid! : CODE);
      setReg(l, Reg.RSI, 9);
      setReg(l, Reg.RDX, 7);
      setReg(l, Reg.R10, 0x32);
      setReg(l, Reg.R8, 4);
      setReg(l, Reg.RIP, CODE);
      l.resume(Resume.RUN);
      const s = await rig.next();
      expect(s.trap, String(n)).to.equal(Trap.SYSCALL);
      // 336 is, on some hosts, another call that filters do not see: told apart from 335 by nothing.
      if (n !== 336) expect(reg(l, Reg.RAX)).to.equal(n);
      expect(reg(l, Reg.RIP)).to.equal(CODE + 2);
    }
  });

  it('traps `int 0x80` with every number', async () => {
    const { l } = rig.program(code('cd80'));
    for (let n = 0; n <= 460; n++) {
      setReg(l, Reg.RAX, n);
      setReg(l, Reg.RBX, bystander.pid!);
      setReg(l, Reg.RCX, 9);
      setReg(l, Reg.RIP, CODE);
      l.resume(Resume.RUN);
      const s = await rig.next();
      expect(s.trap, String(n)).to.equal(Trap.EXCEPTION);
      expect(reg(l, Reg.RIP)).to.equal(CODE);
      expect(reg(l, Reg.RAX)).to.equal(n);
    }
  });

  it('survives sysenter, in 64-bit and in compatibility mode', async () => {
    // lea/far jump to 32-bit code: mov $20,%eax; int $0x80; sysenter
    const far = code('48ff2c2500006000'); // rex.w ljmp *0x600000
    const bytes = new Uint8Array(256);
    bytes.set(far);
    bytes.set(code('b814000000', 'cd80', '89e5', '0f34', 'ebfe'), 128);
    bytes.set(code('89e5', '0f34', 'ebfe'), 64);
    const a = rig.program(bytes);
    enter(a.l, CODE + 64);
    a.l.resume(Resume.RUN);
    expect((await patient(a.l)).trap).to.not.equal(Trap.NEW);
    const b = rig.program(bytes);
    const ptr = rig.m.ram.views[0];
    ptr.setUint32(b.data * 4096, CODE + 128, true);
    ptr.setUint16(b.data * 4096 + 4, 0x23, true);
    ptr.setUint32(b.data * 4096 + 8, 0, true);
    // Both pointer sizes of ljmp: 16:32 and 16:64.
    b.l.resume(Resume.RUN);
    const s = await patient(b.l);
    if (s.trap === Trap.EXCEPTION && reg(b.l, Reg.RIP) === CODE + 133) {
      // In compatibility mode the call came as int 0x80; let it go on to sysenter.
      expect(reg(b.l, Reg.RAX)).to.equal(20);
    }
    const c = rig.program(bytes.map((v, i) => (i === 0 && v === 0x48 ? 0x90 : v)));
    ptr.setUint32(c.data * 4096, CODE + 128, true);
    ptr.setUint16(c.data * 4096 + 4, 0x23, true);
    c.l.resume(Resume.RUN);
    let t = await patient(c.l);
    expect(t.trap).to.equal(Trap.EXCEPTION);
    // The answer brings it back to 64-bit mode, whatever mode it was in.
    c.l.frame[2 * Reg.CS] = 0x23;
    setReg(c.l, Reg.RIP, CODE + 64);
    c.l.resume(Resume.RUN);
    t = await patient(c.l);
    expect(t.trap).to.not.equal(Trap.NEW);
  });

  it('turns calls into the vsyscall page into faults', async () => {
    for (const off of [0, 0x400, 0x800, 0xc00, 0x123]) {
      const { l, v } = rig.program(
        code(movRax(0), '48b8', [off & 255, off >> 8, 0x60, 0xff, 0xff, 0xff, 0xff, 0xff], 'ffd0'),
      );
      setReg(l, Reg.RDI, DATA);
      setReg(l, Reg.RSI, DATA + 64);
      l.resume(Resume.RUN);
      const s = await rig.next();
      expect([Trap.FAULT, Trap.EXCEPTION]).to.include(s.trap);
      expect(rig.m.ram.bytes(0, 65536).every((b) => b === 0)).to.equal(true);
      if (s.trap === Trap.FAULT) expect(l.frame[2 * Reg.RIP] >>> 0).to.equal(0xff600000 + off);
      l.release();
      v.release();
    }
  });

  it('keeps the stub, the global page, requests and command lines read-only', async () => {
    for (const va of [WIN, WIN + 0xfff8, GLOBAL, REQ, REQ + 128, CMD, CMD + 0x3fff8, SLOTS - 8]) {
      const { l, v } = rig.program(code(movRbx(va), '48c70300000000'));
      l.resume(Resume.RUN);
      const s = await rig.next();
      expect(s.trap, va.toString(16)).to.equal(Trap.FAULT);
      expect(reg(l, Reg.ADDR)).to.equal(va);
      l.release();
      v.release();
    }
    const v = rig.vmspace();
    expect(() => v.map(WIN, 1, 1, Prot.READ)).to.throw(RangeError);
    expect(() => v.unmap(WIN - 4096, 8192)).to.throw(RangeError);
    expect(() => v.map(CODE, rig.m.ram.npages, 1, Prot.READ)).to.throw(RangeError);
  });

  it('contains jumps to every byte of the stub with hostile registers', async () => {
    // mmap, kill, execve, clone, exit_group, rt_sigreturn, futex, arch_prctl, prctl
    const numbers = [9, 62, 59, 56, 231, 15, 202, 158, 157];
    const outcomes = new Map<Trap, number>();
    let next = 0;
    const total = text.length;
    const lane = async (lane: number): Promise<void> => {
      let p: { v: MachVmspace; l: MachLwp } | null = null;
      while (next < total) {
        const off = next++;
        p ??= rig.program(code('ebfe'));
        const { l } = p;
        for (let r = 0; r < 15; r++) setReg(l, r, [bystander.pid!, 9, 7, DATA, SLOTS, CMD, 0, 3, 4][(off + r) % 9]);
        setReg(l, Reg.RAX, numbers[off % numbers.length]);
        setReg(l, Reg.RDI, off % 3 === 0 ? bystander.pid! : off % 3 === 1 ? CODE : DATA);
        setReg(l, Reg.RIP, WIN + off);
        setReg(l, Reg.RSP, off % 2 === 0 ? STACK_TOP - 512 : SLOTS + 4096);
        l.fsBase = DATA;
        l.resume(Resume.RUN);
        const s = await patient(l, 3);
        outcomes.set(s.trap, (outcomes.get(s.trap) ?? 0) + 1);
        // Forged state may be left behind in the slot: a new guest for the next try when it died.
        if (s.trap === Trap.DEAD || off % 64 === lane) {
          l.release();
          p.v.release();
          p = null;
        }
      }
      if (p !== null) {
        p.l.release();
        p.v.release();
      }
    };
    await Promise.all(Array.from({ length: 24 }, (_, i) => lane(i)));
    const sum = [...outcomes.values()].reduce((a, b) => a + b, 0);
    expect(sum).to.equal(total);
  });

  it('reports a thread that blocks its signals by a forged sigreturn as DEAD', async () => {
    const at = text.indexOf(Buffer.from('b80f0000000f05', 'hex'));
    expect(at).to.be.greaterThan(0);
    for (const kind of ['loop', 'syscall']) {
      const bytes = new Uint8Array(128);
      bytes.set(code('0f05', 'ebfe'));
      const { l, v, data } = rig.program(bytes);
      // A ucontext at DATA: flags 8, link 8, stack 24, registers, mask at 296.
      const d = rig.m.ram.views[0];
      const base = data * 4096;
      const put = (o: number, val: number): void => d.setBigUint64(base + o, BigInt(val), true);
      const regs = 40;
      put(regs + 15 * 8, STACK_TOP); // rsp
      put(regs + 16 * 8, kind === 'loop' ? CODE + 2 : CODE); // rip
      put(regs + 17 * 8, 0x202);
      d.setUint16(base + regs + 18 * 8, 0x33, true);
      d.setUint16(base + regs + 18 * 8 + 6, 0x2b, true);
      d.setBigUint64(base + 296, 0xffffffffffffffffn, true);
      setReg(l, Reg.RIP, WIN + at);
      setReg(l, Reg.RSP, DATA);
      l.resume(Resume.RUN);
      await new Promise((r) => setTimeout(r, 20));
      l.preempt();
      const s = await rig.next();
      expect(s.lwp).to.equal(l);
      expect(s.trap, kind).to.equal(Trap.DEAD);
      l.release();
      v.release();
    }
  });

  it('goes on while a second thread scribbles over all that the stub can write', async () => {
    // Scribbler: fill the slots again and again with al; victim: system calls without end.
    const bytes = new Uint8Array(256);
    bytes.set(code(sys(20), 'ebf7'));
    bytes.set(code('48bf', [0, 0, 0xe8, 0xff, 0xff, 0x7f, 0, 0], 'b900001600', 'f3aa', 'fec0', 'ebed'), 128);
    let traps = 0;
    let deaths = 0;
    for (let round = 0; round < 10; round++) {
      const { v, l } = rig.program(bytes);
      const w = rig.lwp(v);
      enter(w, CODE + 128);
      setReg(w, Reg.RAX, round * 37);
      const live = new Set<MachLwp>([l, w]);
      rig.quick = (who, t) => {
        traps++;
        if (t === Trap.DEAD) {
          deaths++;
          live.delete(who);
          return true;
        }
        // Everything a kernel would read and write.
        for (let i = 0; i < 50; i++) void who.frame[i];
        if (who.full) void who.fpu[24];
        if (traps % 5 === 0 && who.full) who.fpuReset();
        void who.fsBase;
        who.fsBase = who.gsBase;
        setReg(who, Reg.RAX, 1);
        setReg(who, Reg.RIP, who === l ? CODE : CODE + 128);
        who.resume(traps % 11 === 0 ? Resume.RETRAP : traps % 13 === 0 ? Resume.REISSUE : Resume.RUN);
        return true;
      };
      l.resume(Resume.RUN);
      w.resume(Resume.RUN);
      await new Promise((r) => setTimeout(r, 100));
      rig.quick = () => true;
      // A scribbler that has wrecked itself is dead or deaf: the machine must get rid of it either way.
      for (const t of live) t.preempt();
      await new Promise((r) => setTimeout(r, 30));
      l.release();
      w.release();
      v.release();
    }
    expect(traps).to.be.greaterThan(10);
    expect(deaths).to.be.at.most(20);
  });

  it('gives nothing of one guest to the next one in the same stub process', async () => {
    // Leave marks in all registers, the FPU, fs and gs, and block signals by sigreturn; then look at the next guest.
    const at = text.indexOf(Buffer.from('b80f0000000f05', 'hex'), 0x40);
    for (let round = 0; round < 8; round++) {
      const { l, v, data } = rig.program(code('0f05', 'ebfe'));
      const d = rig.m.ram.views[0];
      for (let r = 0; r < 15; r++) setReg(l, r, 0x5ec2e7);
      l.fpu.fill(0x5e, 32, 416);
      l.fsBase = DATA;
      l.gsBase = round % 2 === 0 ? DATA : 0;
      setReg(l, Reg.RAX, 20);
      if (round % 4 > 1) {
        // Block SIGUSR1 and forge the alternate stack, then stop by a system call.
        const base = data * 4096;
        const put = (o: number, val: number): void => d.setBigUint64(base + o, BigInt(val), true);
        put(16, SLOTS + 1024);
        put(32, 7168);
        put(40 + 15 * 8, STACK_TOP);
        put(40 + 16 * 8, CODE);
        put(40 + 17 * 8, 0x202);
        d.setUint16(base + 40 + 18 * 8, 0x33, true);
        d.setUint16(base + 40 + 18 * 8 + 6, 0x2b, true);
        d.setBigUint64(base + 296, 1n << 9n, true);
        setReg(l, Reg.RIP, WIN + at);
        setReg(l, Reg.RSP, DATA);
      }
      l.resume(Resume.RUN);
      const s = await rig.next();
      expect(s.trap).to.equal(Trap.SYSCALL);
      l.release();
      v.release();
      await new Promise((r) => setTimeout(r, 5));
      const w = rig.vmspace();
      const n = rig.lwp(w);
      expect(Array.from(n.frame).every((x) => x === 0)).to.equal(true);
      expect(Array.from(n.fpu.subarray(32, 416)).every((x) => x === 0)).to.equal(true);
      expect([n.fsBase, n.gsBase]).to.deep.equal([0, 0]);
      // The old guest's memory is gone, the whole slot holds nothing of it, and signals get through.
      const loop = rig.page();
      rig.m.ram.write(loop * 4096, code('f30f6f05f8ffffff', 'ebfe'), 0, 10);
      w.map(CODE, loop, 1, Prot.READ | Prot.EXEC);
      enter(n, CODE + 8);
      n.resume(Resume.RUN);
      await new Promise((r) => setTimeout(r, 2));
      n.preempt();
      expect((await rig.next()).trap).to.equal(Trap.PREEMPT);
      enter(n, DATA);
      n.resume(Resume.RUN);
      const f = await rig.next();
      expect(f.trap).to.equal(Trap.FAULT);
      expect(reg(n, Reg.ADDR)).to.equal(DATA);
      n.release();
      w.release();
    }
  });

  it('keeps what a guest forges while it is on its way out to that guest', async () => {
    // An FPU image the processor refuses, a wild address of one, registers no user may have: the guest alone suffers.
    const forge: ((l: MachLwp, slot: DataView) => void)[] = [
      (l) => l.fpu.fill(0xff, 512, 576),
      (l) => l.fpu.fill(0xff, 24, 32),
      (_l, slot) => slot.setBigUint64(296, 0x1234n, true),
      (_l, slot) => slot.setBigUint64(296, 0xffff_8000_0000_0000n, true),
      (_l, slot) => slot.setBigUint64(304, 0n, true),
      (l) => setReg(l, Reg.RIP, 2 ** 47),
      (l) => setReg(l, Reg.RSP, 2 ** 52),
      (l) => (l.frame[2 * Reg.CS] = 0x23),
      (l) => (l.frame[2 * Reg.SS] = 0),
      (l) => (l.frame[2 * Reg.RFLAGS] = 0xffffffff),
      (_l, slot) => slot.setBigUint64(280, 0xdead_0000_0000_0000n, true),
      (_l, slot) => slot.setBigUint64(288, 0n, true),
    ];
    const prog = code(sys(20), 'ebfe');
    for (const patched of [true, false])
      for (const [i, f] of forge.entries()) {
        const { v, l, text } = rig.program(prog);
        if (patched) patchPage(rig, v, text, prog);
        l.resume(Resume.RUN);
        await patient(l);
        if (patched) {
          l.resume(Resume.REISSUE);
          await patient(l);
        }
        const frame = l.frame;
        f(l, new DataView(frame.buffer, frame.byteOffset, 512));
        l.resume(Resume.RUN);
        const s = await patient(l);
        expect([Trap.PREEMPT, Trap.FAULT, Trap.EXCEPTION, Trap.DEAD], `${patched} ${i}`).to.include(s.trap);
        l.release();
        v.release();
      }
  });

  it('refuses sleepers on the doorbell and on foreign memory', async () => {
    // futex WAIT through the stub's own instruction: on the doorbell, on data, on a private futex of a command line.
    const at = text.indexOf(Buffer.from('0f05', 'hex'), 0x40);
    for (const [uaddr, op] of [
      [GLOBAL, 0],
      [DATA, 0],
      [CMD, 128],
      [CMD, 9],
      [SLOTS, 0],
    ]) {
      const { l, v } = rig.program(code('90'));
      setReg(l, Reg.RIP, WIN + at);
      setReg(l, Reg.RAX, 202);
      setReg(l, Reg.RDI, uaddr);
      setReg(l, Reg.RSI, op);
      l.resume(Resume.RUN);
      const s = await rig.next();
      expect(s.trap).to.equal(Trap.SYSCALL);
      expect(reg(l, Reg.RAX)).to.equal(202);
      expect(reg(l, Reg.RIP)).to.equal(WIN + at + 2);
      l.release();
      v.release();
    }
  });

  /** The next stop of `l`, with preempts to help after `ms`. Other threads' stops go to their own lanes. */
  const lanes = new Map<MachLwp, (t: Trap) => void>();
  function patient(l: MachLwp, ms = 20): Promise<{ trap: Trap }> {
    rig.quick ??= (who, t) => {
      const f = lanes.get(who);
      if (!f) return false;
      lanes.delete(who);
      f(t);
      return true;
    };
    return new Promise((resolve) => {
      const timer = setInterval(() => l.preempt(), ms);
      lanes.set(l, (trap) => {
        clearInterval(timer);
        resolve({ trap });
      });
    });
  }
});
