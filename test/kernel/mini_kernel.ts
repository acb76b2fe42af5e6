/**
 * The smallest kernel that can run scripts on the simulated machine: LWKT, usched, demand-zero memory, a handful of system calls of its
 * own. For tests of the scheduling room and of the machine itself, without the upper rooms.
 */
import { setGlobalData, gd, type GlobalData } from '../../vkernel/sys/globaldata.js';
import { EFAULT, EIO, ENOSYS, ERESTART, Errno, EINTR } from '../../vkernel/sys/errno.js';
import {
  DiskOp,
  Prot,
  Reg,
  Resume,
  Trap,
  type MachLwp,
  type MachVmspace,
  type MachineHandlers,
} from '../../vkernel/machine/machine.js';
import { createSimMachine, type SimMachine, type SimOptions } from '../../vkernel/machine/sim/sim_machine.js';
import type { Script } from '../../vkernel/machine/sim/guest.js';
import type { SimLwp } from '../../vkernel/machine/sim/sim_lwp.js';
import { SIM_DATA, SIM_TEXT, type SimProgram } from '../../vkernel/machine/sim/sim_program.js';
import {
  PCATCH,
  TDPRI_KERN_USER,
  WaitQ,
  lwktCreate,
  lwktDispatch,
  lwktInit,
  lwktInterrupt,
  lwktNextTimerNs,
  tsleep,
  wakeup,
  type LwktThread,
} from '../../vkernel/kern/lwkt_thread.js';
import { prfInit } from '../../vkernel/kern/subr_prf.js';
import {
  UschedState,
  uschedExit,
  uschedInit,
  uschedNew,
  uschedRelease,
  uschedReturn,
  uschedTrap,
  uschedYield,
} from '../../vkernel/kern/usched.js';
import type { Blocking } from '../../vkernel/sys/blocking.js';

/** System calls of the mini kernel. */
export const M_EXIT = 1;
export const M_FORK = 2;
export const M_SLEEP = 100;
export const M_YIELD = 101;
export const M_DISK = 102;
export const M_KILL = 103;
export const M_PIPE_PUT = 104;
export const M_PIPE_GET = 105;
export const M_GETID = 106;
export const M_SIGRETURN = 344;

const STACK_TOP = 0x7fffffde0000;
const TRAMPOLINE_VA = 0x7fffffdfe000;
const TRAMPOLINE_CODE = [
  0xff, 0x14, 0x24, 0x48, 0x8d, 0x7c, 0x24, 0x40, 0x6a, 0x00, 0x48, 0xc7, 0xc0, 0x58, 0x01, 0x00, 0x00, 0x0f, 0x05,
  0xf4, 0xeb, 0xfd,
];
const SIGFRAME = 512;

export class MiniVm {
  readonly pages = new Map<number, number>();
  refs = 1;
  constructor(readonly mach: MachVmspace) {}
}

export class MiniLwp {
  readonly us = new UschedState();
  readonly workq = new WaitQ();
  td: LwktThread;
  trap: Trap | null = null;
  dead = false;
  signal = 0;
  /** Handler address for the one signal there is. */
  handler = 0;
  restart = true;
  constructor(
    readonly k: MiniKernel,
    readonly vm: MiniVm,
    readonly mach: SimLwp,
    readonly name: string,
  ) {
    uschedNew(this);
    this.td = lwktCreate(() => this.main(), name, TDPRI_KERN_USER);
  }
  goUser(): void {
    this.mach.resume(Resume.RUN);
  }
  preemptUser(): void {
    this.mach.preempt();
  }
  reg(r: Reg): number {
    return this.mach.frame[r * 2] + this.mach.frame[r * 2 + 1] * 2 ** 32;
  }
  setReg(r: Reg, v: number): void {
    this.mach.frame[r * 2] = v % 2 ** 32;
    this.mach.frame[r * 2 + 1] = v / 2 ** 32;
  }
  *main(): Blocking<void> {
    for (;;) {
      while (this.trap === null) yield* tsleep(this.workq, 'user');
      const trap = this.trap;
      this.trap = null;
      if (trap === Trap.FAULT) this.k.fault(this);
      else if (trap === Trap.SYSCALL) yield* this.k.syscall(this);
      if (this.dead) break;
      if (this.signal !== 0 && this.handler !== 0) this.k.sendsig(this);
      uschedReturn(this);
    }
    uschedExit(this);
    this.mach.release();
    this.k.lwps.delete(this.mach.id);
    if (--this.vm.refs === 0) {
      for (const ppn of this.vm.pages.values()) this.k.freePages.push(ppn);
      this.vm.mach.release();
    }
  }
}

export class MiniKernel implements MachineHandlers {
  readonly sim: SimMachine;
  readonly lwps = new Map<number, MiniLwp>();
  readonly freePages: number[] = [];
  private readonly trampolinePpn: number;
  private readonly io = new Map<number, { q: WaitQ; done: boolean; error: Errno | null }>();
  private nextCookie = 1;
  /** A pipe of numbers, for M_PIPE_*. */
  private readonly pipe: number[] = [];
  private readonly pipeq = new WaitQ();
  consoleInput = '';
  ready: number[] = [];

  constructor(o: SimOptions) {
    this.sim = createSimMachine(o);
    setGlobalData({ machine: this.sim } as unknown as GlobalData);
    prfInit();
    lwktInit(this.sim.ncpus);
    uschedInit(this.sim.ncpus);
    for (let i = this.sim.ram.npages - 1; i > 0; i--) this.freePages.push(i);
    this.trampolinePpn = this.freePages.pop() as number;
    this.sim.ram.write(this.trampolinePpn * 4096, Uint8Array.from(TRAMPOLINE_CODE), 0, TRAMPOLINE_CODE.length);
    this.sim.attach(this);
  }

  newVm(): MiniVm {
    const m = this.sim.newVmspace();
    if (m instanceof Errno) throw new Error('no vmspace');
    m.map(TRAMPOLINE_VA, this.trampolinePpn, 1, Prot.READ | Prot.EXEC);
    return new MiniVm(m);
  }
  /** A thread that runs `script` in `vm` (a fresh address space by default). */
  spawn(name: string, script: Script, vm = this.newVm()): MiniLwp {
    const l = this.newLwp(name, vm);
    l.mach.setScript(script);
    l.setReg(Reg.RIP, 0x1000);
    l.setReg(Reg.RSP, STACK_TOP - 0x10000 * vm.refs);
    l.trap = Trap.NEW;
    return l;
  }
  /** A thread that runs a program image loaded at its addresses. */
  spawnProgram(name: string, p: SimProgram): MiniLwp {
    const vm = this.newVm();
    const img = p.image();
    this.load(vm, SIM_TEXT, img.subarray(0x1000, 0x2000), Prot.READ | Prot.EXEC);
    this.load(vm, SIM_DATA, img.subarray(0x2000), Prot.READ | Prot.WRITE);
    const l = this.newLwp(name, vm);
    l.setReg(Reg.RIP, SIM_TEXT);
    l.setReg(Reg.RSP, STACK_TOP);
    l.trap = Trap.NEW;
    return l;
  }
  private newLwp(name: string, vm: MiniVm): MiniLwp {
    const m = vm.mach.newLwp();
    if (m instanceof Errno) throw new Error('no lwp');
    const l = new MiniLwp(this, vm, m as SimLwp, name);
    this.lwps.set(m.id, l);
    return l;
  }
  private load(vm: MiniVm, va: number, data: Uint8Array, prot: Prot): void {
    const ppn = this.pageAt(vm, va, prot);
    this.sim.ram.write(ppn * 4096, data, 0, Math.min(data.length, 4096));
  }
  private pageAt(vm: MiniVm, va: number, prot: Prot): number {
    const vpn = Math.floor(va / 4096);
    let ppn = vm.pages.get(vpn);
    if (ppn === undefined) {
      ppn = this.freePages.pop() as number;
      this.sim.ram.zeroPage(ppn);
      vm.pages.set(vpn, ppn);
    }
    vm.mach.map(vpn * 4096, ppn, 1, prot);
    return ppn;
  }

  fault(l: MiniLwp): void {
    const va = l.reg(Reg.ADDR);
    // Page 0 to 16 is a hole: a thread that touches it dies.
    if (va < 0x10000 || (l.reg(Reg.ERR) & 1) !== 0) l.dead = true;
    else this.pageAt(l.vm, va, Prot.READ | Prot.WRITE);
  }
  *syscall(l: MiniLwp): Blocking<void> {
    const nr = l.reg(Reg.RAX);
    const r = yield* this.call(l);
    if (l.dead || nr === M_SIGRETURN) return;
    if (r === ERESTART) l.setReg(Reg.RIP, l.reg(Reg.RIP) - 2);
    else if (r instanceof Errno) {
      l.setReg(Reg.RAX, r.errno);
      l.mach.frame[Reg.RFLAGS * 2] |= 1;
    } else {
      l.setReg(Reg.RAX, r);
      l.mach.frame[Reg.RFLAGS * 2] &= ~1;
    }
  }
  private *call(l: MiniLwp): Blocking<number | Errno> {
    const [a, b, c] = [l.reg(Reg.RDI), l.reg(Reg.RSI), l.reg(Reg.RDX)];
    const stop = (e: Errno | null): Errno | null => (e === EINTR ? (l.restart ? ERESTART : EINTR) : e);
    switch (l.reg(Reg.RAX)) {
      case M_EXIT:
        l.dead = true;
        return 0;
      case M_GETID:
        return l.mach.id;
      case M_SLEEP: {
        uschedRelease(l);
        const e = yield* tsleep(new WaitQ(), 'nap', PCATCH, a);
        return stop(e) === ERESTART ? ERESTART : e === EINTR ? EINTR : 0;
      }
      case M_YIELD:
        uschedYield(l);
        return 0;
      case M_DISK: {
        uschedRelease(l);
        const cookie = this.nextCookie++;
        const pa = (l.vm.pages.get(Math.floor(b / 4096)) as number) * 4096;
        const io = { q: new WaitQ(), done: false, error: null as Errno | null };
        this.io.set(cookie, io);
        this.sim.disks[0].submit(a as DiskOp, c, pa, a === DiskOp.FLUSH ? 0 : 4096, cookie);
        while (!io.done) yield* tsleep(io.q, 'biowr');
        return io.error ?? 0;
      }
      case M_KILL: {
        const t = this.lwps.get(a);
        if (t === undefined) return EFAULT;
        this.kill(t);
        return 0;
      }
      case M_PIPE_PUT:
        this.pipe.push(a);
        wakeup(this.pipeq);
        return 0;
      case M_PIPE_GET:
        if (this.pipe.length === 0) uschedRelease(l);
        while (this.pipe.length === 0) {
          const e = yield* tsleep(this.pipeq, 'piperd', PCATCH);
          if (e !== null) return stop(e) ?? EIO;
        }
        return this.pipe.shift() as number;
      case M_FORK: {
        const child = this.newLwp(l.name + '.c', this.newVm());
        for (const [vpn, ppn] of l.vm.pages) {
          const text = vpn === SIM_TEXT / 4096;
          const copy = this.pageAt(child.vm, vpn * 4096, text ? Prot.READ | Prot.EXEC : Prot.READ | Prot.WRITE);
          this.sim.ram.copyPage(ppn, copy);
        }
        child.mach.frame.set(l.mach.frame);
        child.setReg(Reg.RAX, 0);
        child.setReg(Reg.RDX, 1);
        child.handler = l.handler;
        child.trap = Trap.NEW;
        wakeup(child.workq);
        return child.mach.id;
      }
      case M_SIGRETURN: {
        const b2 = new Uint8Array(200);
        const pa = this.paOf(l, a);
        this.sim.ram.read(pa, b2, 0, 200);
        l.mach.frame.set(new Uint32Array(b2.buffer));
        return 0;
      }
      default:
        return ENOSYS;
    }
  }
  private paOf(l: MiniLwp, va: number): number {
    return (l.vm.pages.get(Math.floor(va / 4096)) as number) * 4096 + (va % 4096);
  }

  kill(t: MiniLwp): void {
    t.signal = 1;
    if (!lwktInterrupt(t.td, EINTR)) t.preemptUser();
  }
  sendsig(l: MiniLwp): void {
    l.signal = 0;
    const frame = Math.floor((l.reg(Reg.RSP) - 128 - SIGFRAME) / 4096) * 4096;
    this.pageAt(l.vm, frame, Prot.READ | Prot.WRITE);
    const pa = this.paOf(l, frame);
    const regs = new Uint8Array(l.mach.frame.slice().buffer);
    this.sim.ram.write(pa + 64, regs, 0, 200);
    const v = new DataView(new ArrayBuffer(8));
    v.setBigUint64(0, BigInt(l.handler), true);
    this.sim.ram.write(pa, new Uint8Array(v.buffer), 0, 8);
    l.setReg(Reg.RDI, 30);
    l.setReg(Reg.RSP, frame);
    l.setReg(Reg.RIP, TRAMPOLINE_VA);
  }

  onTrap(mach: MachLwp, trap: Trap): void {
    const l = this.lwps.get(mach.id) as MiniLwp;
    uschedTrap(l);
    if (trap === Trap.SYSCALL && !mach.full && l.reg(Reg.RAX) === M_FORK) {
      mach.resume(Resume.REISSUE);
      return;
    }
    l.trap = trap;
    wakeup(l.workq);
  }
  onDiskDone(cookie: number, error: Errno | null): void {
    const io = this.io.get(cookie);
    if (io === undefined) throw new Error('completion of nothing');
    this.io.delete(cookie);
    io.done = true;
    io.error = error;
    wakeup(io.q);
  }
  onConsoleInput(data: Uint8Array): void {
    this.consoleInput += Buffer.from(data).toString('latin1');
  }
  onConsoleResize(): void {
    const s = gd.machine.console.size();
    this.consoleInput += `<${s.rows}x${s.cols}>`;
  }
  onStreamReady(index: number): void {
    this.ready.push(index);
  }
  onShutdownRequest(): void {}
  dispatch(): boolean {
    return lwktDispatch(5e6);
  }
  nextTimerNs(): number {
    return lwktNextTimerNs();
  }
}
