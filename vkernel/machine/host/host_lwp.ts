/**
 * A guest thread of the host machine: one host thread in a stub process.
 *
 * `cur` is the command the thread runs under; the thread has stopped when its state word equals `cur`. Each answer is
 * a new command value. The kernel never believes what a slot says beyond that: a slot is guest-writable memory, so a
 * forged stop is only one more way for a guest to make a system call.
 */
import { EAGAIN, type Errno } from '../../sys/errno.js';
import { type MachLwp, Reg, Resume, Trap } from '../machine.js';
import { Vk } from './layout.js';
import type { HostVmspace } from './host_vmspace.js';
import type { MachineCore } from './core.js';

const TWO32 = 0x1_0000_0000;

export class HostLwp implements MachLwp {
  readonly frame: Uint32Array;
  full = true;
  running = false;
  dead = false;
  /** True until the thread has reached its first stop. */
  fresh = true;
  /** Index in core.runningLwps while running. */
  runIndex = -1;
  /** The thread this one was told to wake when it parks. It may be answered before it has noticed. */
  wakesNext: HostLwp | null = null;
  /** When an unanswered preempt() was sent; 0 none. */
  preemptedNs = 0;
  cur: number;
  readonly cmdIdx: number;
  readonly stateIdx: number;
  readonly trapIdx: number;
  readonly asleepIdx: number;
  private readonly slotOff: number;
  readonly slotVa: number;
  private fpuView: Uint8Array | null = null;
  private fpuAt = 0;
  private newBases = false;
  /** HOW_* bits of the result that is in the command line; -1: it is in the frame. */
  private answered = -1;
  /** FPU image for a thread that has not come to its first stop; copied to its place there. */
  private early: Uint8Array | null = null;
  /** How to go on from the first stop, when resume() came before it. */
  private deferred: Resume = Resume.RUN;

  /** The slot and the command line must be prepared (prepareThread) and the thread be on its way. */
  constructor(
    private readonly core: MachineCore,
    readonly vmspace: HostVmspace,
    readonly id: number,
    readonly slot: number,
    readonly pid: number,
    readonly pidfd: number,
  ) {
    const { slotOff, slotVa } = slotAddress(core, vmspace.block, slot);
    this.slotOff = slotOff;
    this.slotVa = slotVa;
    this.frame = new Uint32Array(core.native.ctl, slotOff + Vk.S_FRAME, 50);
    this.cmdIdx = (Vk.CMD_OFF + id * Vk.C_SIZE) / 4;
    this.stateIdx = (slotOff + Vk.S_STATE) / 4;
    this.trapIdx = (slotOff + Vk.S_TRAP) / 4;
    this.asleepIdx = (slotOff + Vk.S_ASLEEP) / 4;
    this.cur = core.ctl[this.cmdIdx];
  }

  get fpu(): Uint8Array {
    if (this.fresh) {
      if (Atomics.load(this.core.ctl, this.stateIdx) === this.cur) this.arrived();
      else if (this.core.fpuBytes === 0) this.awaitFirstStop();
      else return (this.early ??= initialFpu(this.core.fpuBytes));
    }
    const o = (this.slotOff + Vk.S_FPU) / 4;
    const va = (this.core.ctl[o + 1] >>> 0) * TWO32 + (this.core.ctl[o] >>> 0);
    let at = va - this.slotVa;
    // Forged by the guest: give it a place that does no harm.
    if (!(at >= Vk.S_STACK && at + this.core.fpuBytes <= this.core.native.slotBytes) || at % 64 !== 0) at = Vk.S_STACK;
    if (this.fpuView === null || this.fpuAt !== at) {
      this.fpuAt = at;
      this.fpuView = new Uint8Array(this.core.native.ctl, this.slotOff + at, this.core.fpuBytes);
    }
    return this.fpuView;
  }

  fpuReset(): void {
    const f = this.fpu;
    f.fill(0, 0, 464); // 464..511 belong to the host
    f.fill(0, 512, 576); // header: every component in its initial state
    f[0] = 0x7f;
    f[1] = 0x03;
    f[24] = 0x80;
    f[25] = 0x1f;
  }

  private rd(off: number): number {
    const o = (this.slotOff + off) / 4;
    return (this.core.ctl[o + 1] >>> 0) * TWO32 + (this.core.ctl[o] >>> 0);
  }
  private wr(off: number, value: number): void {
    const o = (this.slotOff + off) / 4;
    this.core.ctl[o] = value % TWO32;
    this.core.ctl[o + 1] = Math.floor(value / TWO32);
  }
  /** Only addresses of the guest's half: the host's wrfsbase would fault on others. */
  private static canonical(va: number): number {
    return va >= 0 && va < 2 ** 47 ? va : 0;
  }

  get fsBase(): number {
    return this.rd(Vk.S_FS);
  }
  set fsBase(va: number) {
    this.wr(Vk.S_FS, HostLwp.canonical(va));
    this.newBases = true;
  }
  /** The stub uses gs while the guest does not; the guest sees 0 then. */
  get gsBase(): number {
    const v = this.rd(Vk.S_GS);
    return v === this.slotVa ? 0 : v;
  }
  set gsBase(va: number) {
    const v = HostLwp.canonical(va);
    this.wr(Vk.S_GS, v === 0 ? this.slotVa : v);
    if (v !== 0) this.vmspace.patcher = null; // the entry finds its slot by gs
    this.newBases = true;
  }

  result(lo: number, hi: number, rdx: number, carry: boolean): void {
    const { ctl } = this.core;
    const line = this.cmdIdx;
    ctl[line + Vk.C_RAX / 4] = lo;
    ctl[line + Vk.C_RAX / 4 + 1] = hi;
    let bits = carry ? Vk.HOW_CARRY : 0;
    if (rdx !== -1) {
      ctl[line + Vk.C_RDX / 4] = rdx;
      ctl[line + Vk.C_RDX / 4 + 1] = 0;
      bits |= Vk.HOW_RDX;
    }
    this.answered = bits;
  }

  /** The result as the frame has it. */
  private resultFromFrame(): number {
    const { frame } = this;
    const { ctl } = this.core;
    const line = this.cmdIdx;
    ctl[line + Vk.C_RAX / 4] = frame[2 * Reg.RAX];
    ctl[line + Vk.C_RAX / 4 + 1] = frame[2 * Reg.RAX + 1];
    ctl[line + Vk.C_RDX / 4] = frame[2 * Reg.RDX];
    ctl[line + Vk.C_RDX / 4 + 1] = frame[2 * Reg.RDX + 1];
    return Vk.HOW_RDX | ((frame[2 * Reg.RFLAGS] & 1) !== 0 ? Vk.HOW_CARRY : 0);
  }

  resume(how: Resume): void {
    const { core, vmspace } = this;
    if (vmspace.pendingOps !== 0) {
      // While it spins on the guests' processor the operations are carried out there.
      if (core.native.near && !this.fresh && Atomics.load(core.ctl, this.asleepIdx) === 0) vmspace.startNear();
      else vmspace.flush();
    }
    if (this.early !== null) {
      if (Atomics.load(core.ctl, this.stateIdx) !== this.cur) {
        // Its FPU image cannot be put in place yet: it goes on when it has arrived (firstStop).
        this.deferred = how;
        this.running = true;
        core.addRunning(this);
        if (!core.inTurn) core.kick();
        return;
      }
      this.arrived();
    }
    let next = ((this.cur + 0x100) & ~0xff) | how;
    if (!this.full) {
      next |= this.answered < 0 ? this.resultFromFrame() : this.answered;
      this.answered = -1;
    }
    if (this.newBases) {
      next |= Vk.HOW_BASES;
      this.newBases = false;
    }
    // Also for another thread's operations: it may have been resumed because of them.
    if (!vmspace.nearDone()) next |= Vk.HOW_MAP;
    this.cur = next;
    this.running = true;
    this.passWake();
    core.addRunning(this);
    Atomics.store(core.ctl, this.cmdIdx, next);
    if (Atomics.load(core.ctl, this.asleepIdx) !== 0) core.wakes.push(this);
    if (!core.inTurn) core.kick();
  }

  park(): void {
    if (this.running) return;
    this.core.parks.push(this);
    if (!this.core.inTurn) this.core.kick();
  }

  preempt(): void {
    if (!this.running || this.dead) return;
    if (this.preemptedNs === 0) this.preemptedNs = this.core.now();
    Atomics.store(this.core.ctl, this.cmdIdx + Vk.C_PREEMPT / 4, this.cur);
    this.core.native.signal(this.pidfd, Vk.SIG_PREEMPT);
  }

  /** Answered or gone, perhaps without having woken whom it should have: see settle(). */
  passWake(): void {
    const next = this.wakesNext;
    if (next === null) return;
    this.wakesNext = null;
    if (next.running && Atomics.load(this.core.ctl, next.asleepIdx) !== 0) this.core.wakes.push(next);
  }

  release(): void {
    // A park of this round must not be given a wake any more.
    const stopped = !this.dead && !this.running;
    this.dead = true;
    this.passWake();
    this.core.removeRunning(this);
    this.vmspace.lwpGone(this, stopped);
  }

  /** Tell a stopped thread to forget its guest and wait to be used again. */
  retire(): void {
    const { core } = this;
    const next = ((this.cur + 0x100) & ~0xff) | Vk.HOW_REUSE;
    this.cur = next;
    core.ctl[this.cmdIdx + Vk.C_REUSE / 4] = next;
    Atomics.store(core.ctl, this.cmdIdx, next);
    if (Atomics.load(core.ctl, this.asleepIdx) !== 0) core.native.wake(this.cmdIdx);
  }

  /** A new thread needs a moment to get to its first stop; only its FPU image has to be waited for. */
  private awaitFirstStop(): void {
    const { core } = this;
    const limit = core.now() + 1e9;
    while (Atomics.load(core.ctl, this.stateIdx) !== this.cur && core.now() < limit) {
      if (core.native.cpus === 1) core.native.wait(50_000);
    }
    this.arrived();
  }

  /** First stop reached. */
  arrived(): void {
    this.fresh = false;
    this.core.learnFpu(this.slotOff, this.slotVa);
    if (this.early === null) return;
    const image = this.early;
    this.early = null;
    this.fpu.set(image);
  }

  /** The first stop was reached after resume(): go on. A preempt() meanwhile is still owed. */
  goOn(preempted: boolean): void {
    this.resume(this.deferred);
    if (preempted) this.preempt();
  }

  /** The stop that poll found, as a Trap. */
  trap(): Trap {
    const t = this.core.ctl[this.trapIdx];
    this.full = (t & Vk.TRAP_FULL) !== 0;
    const kind = t & 0xff;
    return kind >= Trap.SYSCALL && kind <= Trap.PREEMPT ? kind : kind === Trap.NEW ? Trap.NEW : Trap.DEAD;
  }
}

/** State of a new FPU: what fpuReset() makes. The host's own part is filled in by the stub. */
function initialFpu(bytes: number): Uint8Array {
  const f = new Uint8Array(bytes);
  f[0] = 0x7f;
  f[1] = 0x03;
  f[24] = 0x80;
  f[25] = 0x1f;
  return f;
}

export function slotAddress(core: MachineCore, block: number, slot: number): { slotOff: number; slotVa: number } {
  const o = Vk.SLOTS_OFF + slot * core.native.slotBytes;
  return { slotOff: Vk.BLOCK * (block + 1) + o, slotVa: Vk.WIN + o };
}

/**
 * Prepare slot and command line for a new thread.
 *
 * @returns number of the command line, or EAGAIN when the machine has no more threads
 */
export function prepareThread(core: MachineCore, block: number, slot: number): number | Errno {
  const id = core.takeCmd();
  if (id < 0) return EAGAIN;
  const cur = fillThread(core, block, slot, id);
  core.ctl[(Vk.CMD_OFF + id * Vk.C_SIZE) / 4] = cur;
  return id;
}

/** Let a thread that waits to be used again start as a new one, with everything a hostile guest may have changed reset. */
export function reuseThread(core: MachineCore, block: number, slot: number, id: number): void {
  const { slotOff } = slotAddress(core, block, slot);
  const { ctl } = core;
  ctl.fill(0, slotOff / 4, (slotOff + core.native.slotBytes) / 4);
  const cur = fillThread(core, block, slot, id);
  const line = (Vk.CMD_OFF + id * Vk.C_SIZE) / 4;
  // struct ucontext: flags, link, stack_t, then the registers; no FPU state means a fresh one; no blocked signals.
  const uc = (slotOff + Vk.S_UCONTEXT) / 4;
  const UC_SIGCONTEXT_SS = 2;
  const UC_STRICT_RESTORE_SS = 4;
  ctl[uc] = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
  for (let i = 0; i < 6; i++) ctl[uc + 4 + i] = ctl[line + Vk.C_STACK / 4 + i];
  const regs = uc + 10;
  ctl[regs + 13 * 2] = ctl[regs + 13 * 2 + 1] = -1; // rax
  ctl[regs + 16 * 2] = Vk.NEWCALL % TWO32;
  ctl[regs + 16 * 2 + 1] = Vk.NEWCALL / TWO32;
  ctl[regs + 17 * 2] = 0x202;
  ctl[regs + 18 * 2] = 0x33; // cs, gs
  ctl[regs + 18 * 2 + 1] = 0x2b << 16; // fs, ss
  Atomics.store(ctl, line, cur);
  core.native.wake(line);
}

/** Fill in slot and command line but for the command itself, which is returned. */
function fillThread(core: MachineCore, block: number, slot: number, id: number): number {
  const { slotOff, slotVa } = slotAddress(core, block, slot);
  const { ctl } = core;
  const put = (byteOff: number, v: number): void => {
    ctl[byteOff / 4] = v % TWO32;
    ctl[byteOff / 4 + 1] = Math.floor(v / TWO32);
  };
  const line = Vk.CMD_OFF + id * Vk.C_SIZE;
  const cur = (ctl[line / 4] + 0x100) & ~0xff;
  ctl[(line + Vk.C_INIT) / 4] = cur;
  ctl[(line + Vk.C_PARK) / 4] = cur - 0x100;
  ctl[(line + Vk.C_PREEMPT) / 4] = cur - 0x100;
  ctl[(line + Vk.C_WAKE) / 4] = 0;
  put(line + Vk.C_STACK, slotVa + Vk.S_STACK);
  put(line + Vk.C_STACK + 8, 0);
  put(line + Vk.C_STACK + 16, core.native.slotBytes - Vk.S_STACK);
  put(line + Vk.C_SLOT, slotVa);
  for (let i = 0; i < Vk.S_STACK / 4; i++) ctl[slotOff / 4 + i] = 0;
  ctl[(slotOff + Vk.S_STATE) / 4] = cur - 0x100;
  put(slotOff + Vk.S_CMD, Vk.CMD + id * Vk.C_SIZE);
  put(slotOff + Vk.S_GS, slotVa);
  put(slotOff + Vk.S_SELF, slotVa);
  return cur;
}
