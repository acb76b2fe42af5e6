/**
 * Simulated guest threads. The guest code is a script (see guest.ts): a generator that yields a trap whenever a real thread
 * would trap, and is resumed when the kernel lets the thread run.
 *
 * A thread is STOPPED (the kernel's turn), RUNNABLE (resumed, its code has not run yet), TRAPPING (its code has run up to a trap that is
 * not delivered yet) or COMPUTING (until a time, or preempted). The machine chooses which of the threads that can do something is
 * next, so two threads interleave differently under each seed.
 */
import { Reg, Resume, Trap, type MachLwp } from '../machine.js';
import { Guest, type GuestOp } from './guest.js';
import type { SimMachine } from './sim_machine.js';
import type { SimVmspace } from './sim_vmspace.js';

export const enum LwpState {
  STOPPED = 0,
  RUNNABLE = 1,
  TRAPPING = 2,
  COMPUTING = 3,
  RELEASED = 4,
}

const TRAP_NAMES = ['NEW', 'SYSCALL', 'FAULT', 'EXCEPTION', 'PREEMPT', 'DEAD'];
/** Registers that a patched call site does not bring along: poisoned then, and not taken back. */
const PARTIAL_LOST = [Reg.RBX, Reg.RBP, Reg.R12, Reg.R13, Reg.R14, Reg.R15];
const POISON = 0xdeadbeef;
const CARRY = 1;
const FPU_BYTES = 832;

export class SimLwp implements MachLwp {
  readonly frame = new Uint32Array(Reg.COUNT * 2);
  /** The thread's true registers; the frame is only the kernel's window on them. */
  readonly regs = new Uint32Array(Reg.COUNT * 2);
  readonly fpu = new Uint8Array(FPU_BYTES);
  full = true;
  fsBase = 0;
  gsBase = 0;
  state = LwpState.STOPPED;
  parked = false;
  /** Trap to be delivered while TRAPPING. */
  private trap = Trap.NEW;
  /** End of the current computation, virtual ns. */
  computeUntil = 0;
  /** What is left of a preempted one. */
  private computeLeft = 0;
  /** The pending trap was asked for again with REISSUE: it must bring the full frame. */
  private reissued = false;
  private readonly guest: Guest;
  private readonly code: Generator<GuestOp, void, void>;

  constructor(
    private readonly sim: SimMachine,
    readonly vmspace: SimVmspace,
    readonly id: number,
  ) {
    this.guest = new Guest(sim, this);
    this.code = this.guest.main();
    this.fpuReset();
    // Segment selectors of user code, DragonFly's: ring 3.
    this.frame[Reg.CS * 2] = this.regs[Reg.CS * 2] = 0x43;
    this.frame[Reg.SS * 2] = this.regs[Reg.SS * 2] = 0x3b;
  }

  /** Run `script` from the first resume on, wherever rip points. For tests below exec. */
  setScript(script: (g: Guest) => Generator<GuestOp, void, void>): void {
    this.guest.direct = script;
  }

  get running(): boolean {
    return this.state !== LwpState.STOPPED && this.state !== LwpState.RELEASED;
  }

  fpuReset(): void {
    this.fpu.fill(0);
    const v = new DataView(this.fpu.buffer);
    v.setUint16(0, 0x37f, true);
    v.setUint32(24, 0x1f80, true);
  }

  result(lo: number, hi: number, rdx: number, carry: boolean): void {
    const f = this.frame;
    f[2 * Reg.RAX] = lo;
    f[2 * Reg.RAX + 1] = hi;
    if (rdx !== -1) {
      f[2 * Reg.RDX] = rdx;
      f[2 * Reg.RDX + 1] = 0;
    }
    if (carry) f[2 * Reg.RFLAGS] |= 1;
    else f[2 * Reg.RFLAGS] &= ~1;
  }

  resume(how: Resume): void {
    if (this.state !== LwpState.STOPPED) throw new Error(`sim: resume of lwp${this.id}, which is not stopped`);
    this.vmspace.flush();
    this.parked = false;
    if (how === Resume.REISSUE) {
      if (this.trap !== Trap.SYSCALL || this.full) throw new Error('sim: REISSUE of no partial system call');
      this.full = true;
      this.reissued = true;
      this.state = LwpState.TRAPPING;
      this.sim.say(`lwp${this.id} reissue`);
      return;
    }
    if (this.full) this.regs.set(this.frame);
    else {
      for (const r of [Reg.RAX, Reg.RDX]) {
        this.regs[r * 2] = this.frame[r * 2];
        this.regs[r * 2 + 1] = this.frame[r * 2 + 1];
      }
      this.regs[Reg.RFLAGS * 2] = (this.regs[Reg.RFLAGS * 2] & ~CARRY) | (this.frame[Reg.RFLAGS * 2] & CARRY);
      this.full = true;
    }
    this.sim.say(`lwp${this.id} ${how === Resume.RETRAP ? 'retrap' : 'run'}`);
    if (how === Resume.RETRAP) {
      this.trap = Trap.PREEMPT;
      this.state = LwpState.TRAPPING;
    } else if (this.computeLeft > 0 && this.guest.undisturbed()) {
      this.computeUntil = this.sim.now() + this.computeLeft;
      this.computeLeft = 0;
      this.state = LwpState.COMPUTING;
    } else this.state = LwpState.RUNNABLE;
  }
  park(): void {
    if (this.state !== LwpState.STOPPED) throw new Error(`sim: park of lwp${this.id}, which is not stopped`);
    if (!this.parked) this.sim.say(`lwp${this.id} park`);
    this.parked = true;
  }
  preempt(): void {
    if (this.state === LwpState.RELEASED) throw new Error(`sim: preempt of lwp${this.id}, which is released`);
    if (this.state === LwpState.COMPUTING) this.computeLeft = Math.max(this.computeUntil - this.sim.now(), 1);
    else if (this.state !== LwpState.RUNNABLE) return;
    this.trap = Trap.PREEMPT;
    this.state = LwpState.TRAPPING;
    this.sim.say(`lwp${this.id} preempt`);
  }
  release(): void {
    if (this.running) throw new Error(`sim: release of lwp${this.id}, which is running`);
    if (this.state === LwpState.RELEASED) throw new Error(`sim: lwp${this.id} released twice`);
    this.state = LwpState.RELEASED;
    this.vmspace.lwps.delete(this);
    this.sim.lwps.delete(this);
    this.sim.say(`lwp${this.id} release`);
  }

  /** The machine gives the thread a turn: guest code runs up to its next trap, or a trap is delivered. */
  step(): void {
    switch (this.state) {
      case LwpState.RUNNABLE:
        this.runCode();
        break;
      case LwpState.COMPUTING:
        // Its time has come.
        this.runCode();
        break;
      case LwpState.TRAPPING:
        this.deliver();
        break;
      default:
        throw new Error(`sim: step of lwp${this.id} in state ${this.state}`);
    }
  }

  private runCode(): void {
    this.guest.computeLeft = this.computeLeft;
    this.computeLeft = 0;
    const r = this.code.next();
    if (r.done === true) throw new Error(`sim: lwp${this.id}: guest code ended`);
    const op = r.value;
    if (op.kind === 'compute') {
      this.computeUntil = this.sim.now() + op.ns;
      this.state = LwpState.COMPUTING;
      return;
    }
    this.trap = op.trap;
    this.state = LwpState.TRAPPING;
  }

  private deliver(): void {
    this.state = LwpState.STOPPED;
    this.frame.set(this.regs);
    if (this.trap === Trap.SYSCALL && this.full && !this.reissued && this.sim.partialFrame()) {
      this.full = false;
      for (const r of PARTIAL_LOST) this.frame[r * 2] = this.frame[r * 2 + 1] = POISON;
    }
    this.sim.say(`lwp${this.id} trap ${TRAP_NAMES[this.trap]}${this.describe()}${this.full ? '' : ' partial'}`);
    this.reissued = false;
    this.sim.handlers.onTrap(this, this.trap);
  }

  private describe(): string {
    const g = this.guest;
    switch (this.trap) {
      case Trap.SYSCALL:
        return ` ${g.reg(Reg.RAX)} (${[Reg.RDI, Reg.RSI, Reg.RDX, Reg.R10, Reg.R8, Reg.R9].map((r) => g.reg(r).toString(16)).join(',')})`;
      case Trap.FAULT:
        return ` ${g.reg(Reg.ADDR).toString(16)} err ${g.reg(Reg.ERR)}`;
      case Trap.EXCEPTION:
        return ` ${g.reg(Reg.TRAPNO)}`;
      default:
        return '';
    }
  }
}
