/**
 * Guest programs as scripts: what a test writes instead of machine code.
 *
 * A script is a generator function over a Guest. Whatever would trap on a real machine is a `yield*` here:
 *
 *     function* hello(g: Guest) {
 *       const buf = yield* g.bytes('hello\n');
 *       yield* g.sys(SYS_write, 1, buf, 6);
 *     }
 *
 * Scripts live in guest memory: a program image (simProgram) holds 16-byte markers, and a thread whose rip points at one runs that
 * script. So exec, fork (`g.fork(child)`), lwp_create and signal handlers (`g.addr(fn)`) work through nothing but registers and
 * memory, page faults on the code included. DragonFly's signal trampoline is understood by its bytes.
 */
import { Prot, Reg, Trap, TrapNo } from '../machine.js';
import { PAGE_SIZE } from '../ram.js';
import type { SimLwp } from './sim_lwp.js';
import type { SimMachine } from './sim_machine.js';

export type GuestOp =
  { readonly kind: 'trap'; readonly trap: Trap } | { readonly kind: 'compute'; readonly ns: number };
export type GuestCode<T> = Generator<GuestOp, T, void>;
export type Script = (g: Guest) => GuestCode<void>;

export interface SysResult {
  /** rax when the call succeeded. */
  readonly val: number;
  /** rdx. */
  readonly val2: number;
  /** 0, or the errno. */
  readonly err: number;
}

const TWO32 = 0x1_0000_0000;
const CARRY = 1;
const SYS_EXIT = 1;
const SYS_FORK = 2;
const SYS_SIGRETURN = 344;
const ARGS = [Reg.RDI, Reg.RSI, Reg.RDX, Reg.R10, Reg.R8, Reg.R9];

/** First bytes of a script marker; program and slot follow as u32. */
export const SIM_MAGIC = Uint8Array.of(0x53, 0x49, 0x4d, 0x43, 0x4f, 0x44, 0x45, 0);
/** First bytes of DragonFly's signal trampoline (dragonfly-abi.md 6.1), and where its system call returns. */
const TRAMPOLINE = Uint8Array.of(0xff, 0x14, 0x24, 0x48, 0x8d, 0x7c, 0x24, 0x40);
const TRAMPOLINE_RET = 19;
const FRAME_UCONTEXT = 64;

/** Thrown in a script when the kernel sends its thread somewhere else for good (exec, a changed context). */
class Jump {}

export class Guest {
  /** Script to run instead of what rip points at. */
  direct: Script | null = null;
  /** Rest of a computation that was preempted. */
  computeLeft = 0;
  /** Where rip is unless the kernel sends the thread elsewhere. */
  private expected = -1;
  /** Scripts met, by address: addr() asks when the page has been taken away meanwhile. */
  private readonly met = new Map<number, { program: number; slot: number }>();

  constructor(
    readonly sim: SimMachine,
    readonly lwp: SimLwp,
  ) {}

  // Registers.

  reg(r: Reg): number {
    return this.lwp.regs[r * 2 + 1] * TWO32 + this.lwp.regs[r * 2];
  }
  setReg(r: Reg, v: number): void {
    const big = BigInt(v);
    this.lwp.regs[r * 2] = Number(big & 0xffffffffn);
    this.lwp.regs[r * 2 + 1] = Number((big >> 32n) & 0xffffffffn);
  }
  /** Argument `i` of a fresh thread or a signal handler: read them before the first trap. */
  arg(i: number): number {
    return this.reg([Reg.RDI, Reg.RSI, Reg.RDX, Reg.RCX, Reg.R8, Reg.R9][i]);
  }
  undisturbed(): boolean {
    return this.reg(Reg.RIP) === this.expected;
  }

  // Memory.

  /** Physical address of `va`, after as many faults as it takes. */
  private *resolve(va: number, access: Prot): GuestCode<number> {
    for (;;) {
      const pa = this.lwp.vmspace.translate(va, access);
      if (typeof pa === 'number') return pa;
      this.setReg(Reg.TRAPNO, TrapNo.PAGEFLT);
      this.setReg(Reg.ADDR, va);
      this.setReg(Reg.ERR, pa.err);
      yield* this.trap(Trap.FAULT);
    }
  }
  *touch(va: number, write: boolean): GuestCode<void> {
    yield* this.resolve(va, write ? Prot.WRITE : Prot.READ);
  }
  *read(va: number, len: number): GuestCode<Uint8Array> {
    const out = new Uint8Array(len);
    for (let done = 0; done < len;) {
      const pa = yield* this.resolve(va + done, Prot.READ);
      const n = Math.min(len - done, PAGE_SIZE - (pa % PAGE_SIZE));
      this.sim.ram.read(pa, out, done, n);
      done += n;
    }
    return out;
  }
  *write(va: number, data: Uint8Array): GuestCode<void> {
    for (let done = 0; done < data.length;) {
      const pa = yield* this.resolve(va + done, Prot.WRITE);
      const n = Math.min(data.length - done, PAGE_SIZE - (pa % PAGE_SIZE));
      this.sim.ram.write(pa, data, done, n);
      done += n;
    }
  }
  *read32(va: number): GuestCode<number> {
    return new DataView((yield* this.read(va, 4)).buffer).getInt32(0, true);
  }
  *write32(va: number, v: number): GuestCode<void> {
    const b = new Uint8Array(4);
    new DataView(b.buffer).setInt32(0, v, true);
    yield* this.write(va, b);
  }
  *read64(va: number): GuestCode<number> {
    return Number(new DataView((yield* this.read(va, 8)).buffer).getBigInt64(0, true));
  }
  *write64(va: number, v: number): GuestCode<void> {
    const b = new Uint8Array(8);
    new DataView(b.buffer).setBigInt64(0, BigInt(v), true);
    yield* this.write(va, b);
  }
  /** Room on the stack. */
  alloc(len: number): number {
    const va = Math.floor((this.reg(Reg.RSP) - len) / 16) * 16;
    this.setReg(Reg.RSP, va);
    return va;
  }
  /** Bytes (a string: one byte a character, no NUL) put on the stack. */
  *bytes(data: string | Uint8Array): GuestCode<number> {
    const b = typeof data === 'string' ? Uint8Array.from(data, (c) => c.charCodeAt(0)) : data;
    const va = this.alloc(b.length);
    yield* this.write(va, b);
    return va;
  }
  /** A NUL-terminated string on the stack. */
  *cstr(s: string): GuestCode<number> {
    return yield* this.bytes(s + '\0');
  }
  *readStr(va: number): GuestCode<string> {
    let s = '';
    for (let i = 0; ; i++) {
      const c = (yield* this.read(va + i, 1))[0];
      if (c === 0) return s;
      s += String.fromCharCode(c);
    }
  }
  /** Arguments of the program, from the vector rdi points at: call before the first trap. */
  *argv(): GuestCode<string[]> {
    const vec = this.reg(Reg.RDI);
    const argc = yield* this.read64(vec);
    const out: string[] = [];
    for (let i = 0; i < argc; i++) out.push(yield* this.readStr(yield* this.read64(vec + 8 + 8 * i)));
    return out;
  }

  // Traps.

  private *trap(trap: Trap): GuestCode<void> {
    this.expected = this.reg(Reg.RIP);
    const here = this.expected;
    yield { kind: 'trap', trap };
    yield* this.settle(here);
  }

  /** After a trap: run signal handlers until rip is `here` again; anywhere else is a jump. */
  private *settle(here: number): GuestCode<void> {
    while (this.reg(Reg.RIP) !== here) {
      if (!(yield* this.atTrampoline())) throw new Jump();
      yield* this.runTrampoline();
    }
    this.expected = here;
  }

  private *atTrampoline(): GuestCode<boolean> {
    const rip = this.reg(Reg.RIP);
    const pa = yield* this.resolve(rip, Prot.EXEC);
    if ((pa % PAGE_SIZE) + 8 > PAGE_SIZE) return false;
    const b = new Uint8Array(8);
    this.sim.ram.read(pa, b, 0, 8);
    return b.every((x, i) => x === TRAMPOLINE[i]);
  }

  private *runTrampoline(): GuestCode<void> {
    const base = this.reg(Reg.RIP);
    const frame = this.reg(Reg.RSP);
    const handler = yield* this.read64(frame);
    this.setReg(Reg.RSP, frame - 8);
    this.setReg(Reg.RIP, handler);
    const fn = yield* this.scriptAt(handler);
    if (fn === null) throw new Jump();
    yield* fn(this);
    this.setReg(Reg.RSP, frame - 8);
    this.setReg(Reg.RDI, frame + FRAME_UCONTEXT);
    this.setReg(Reg.RAX, SYS_SIGRETURN);
    this.setReg(Reg.RIP, base + TRAMPOLINE_RET);
    this.expected = base + TRAMPOLINE_RET;
    yield { kind: 'trap', trap: Trap.SYSCALL };
    // Wherever the context says: the caller looks.
  }

  /** The script whose marker is at `va`, or null. */
  private *scriptAt(va: number): GuestCode<Script | null> {
    const pa = yield* this.resolve(va, Prot.EXEC);
    if (va % 16 !== 0) return null;
    const b = new Uint8Array(16);
    this.sim.ram.read(pa, b, 0, 16);
    if (!SIM_MAGIC.every((x, i) => x === b[i])) return null;
    const v = new DataView(b.buffer);
    const at = { program: v.getUint32(8, true), slot: v.getUint32(12, true) };
    this.met.set(va, at);
    return this.sim.programs[at.program]?.scripts[at.slot] ?? null;
  }

  /** System call `nr`; restarted when the kernel says so. */
  *syscall(nr: number, ...args: readonly number[]): GuestCode<SysResult> {
    return yield* this.syscallAt(this.reg(Reg.RIP), nr, args);
  }

  /** The `syscall` instruction is at `pc`; afterwards rip is back where it was. */
  private *syscallAt(pc: number, nr: number, args: readonly number[]): GuestCode<SysResult> {
    const home = this.reg(Reg.RIP);
    this.setReg(Reg.RAX, nr);
    for (let i = 0; i < ARGS.length; i++) this.setReg(ARGS[i], args[i] ?? 0);
    const sp = this.reg(Reg.RSP);
    if (args.length > 6) {
      const low = this.alloc(8 + 8 * (args.length - 6));
      for (let i = 6; i < args.length; i++) yield* this.write64(low + 8 * (i - 5), args[i]);
    }
    for (;;) {
      this.setReg(Reg.RIP, pc + 2);
      this.expected = pc + 2;
      yield { kind: 'trap', trap: Trap.SYSCALL };
      while (this.reg(Reg.RIP) !== pc && this.reg(Reg.RIP) !== pc + 2) {
        if (!(yield* this.atTrampoline())) throw new Jump();
        yield* this.runTrampoline();
      }
      if (this.reg(Reg.RIP) === pc + 2) break;
      // A restart leaves the number in rax; execve of a program that starts at this address does not.
      if (this.reg(Reg.RAX) !== nr) throw new Jump();
    }
    this.setReg(Reg.RIP, home);
    this.expected = home;
    this.setReg(Reg.RSP, sp);
    const failed = (this.lwp.regs[Reg.RFLAGS * 2] & CARRY) !== 0;
    const rax = this.reg(Reg.RAX);
    return { val: failed ? -1 : rax, val2: this.reg(Reg.RDX), err: failed ? rax : 0 };
  }

  /** System call; its value, or minus the errno. */
  *sys(nr: number, ...args: readonly number[]): GuestCode<number> {
    const r = yield* this.syscall(nr, ...args);
    return r.err !== 0 ? -r.err : r.val;
  }

  /** fork(2): the child runs `child`. Returns the child's pid or minus the errno. Not for direct scripts. */
  *fork(child: Script, nr = SYS_FORK, ...args: readonly number[]): GuestCode<number> {
    // The child starts where the call returns: at the marker of its script.
    const r = yield* this.syscallAt(this.addr(child) - 2, nr, args);
    return r.err !== 0 ? -r.err : r.val;
  }

  /** Run guest code for `ns` of virtual time, preemptible. Infinity: for ever. */
  *compute(ns: number): GuestCode<void> {
    const here = this.reg(Reg.RIP);
    for (let left = ns; left > 0;) {
      this.expected = here;
      yield { kind: 'compute', ns: left };
      left = this.computeLeft;
      this.computeLeft = 0;
      yield* this.settle(here);
    }
  }

  /** Raise an exception (TrapNo) at the current instruction. */
  *exception(trapno: TrapNo): GuestCode<void> {
    this.setReg(Reg.TRAPNO, trapno);
    this.setReg(Reg.ADDR, 0);
    this.setReg(Reg.ERR, 0);
    yield* this.trap(Trap.EXCEPTION);
  }

  /** Address of a script in the program that this thread runs: for handlers, threads, fork. */
  addr(fn: Script): number {
    const rip = this.reg(Reg.RIP);
    const at = this.met.get(rip);
    if (at === undefined) throw new Error('sim: addr: not in a program');
    const program = this.sim.programs[at.program];
    return rip + 16 * (program.slot(fn) - at.slot);
  }

  log(text: string): void {
    this.sim.say(`lwp${this.lwp.id} says ${text}`);
  }

  /** All the thread ever does. */
  *main(): GuestCode<void> {
    for (;;) {
      try {
        const direct: Script | null = this.direct;
        this.direct = null;
        const fn: Script | null = direct ?? (yield* this.scriptAt(this.reg(Reg.RIP)));
        if (fn !== null) {
          yield* fn(this);
          yield* this.sys(SYS_EXIT, 0);
        } else if (yield* this.atTrampoline()) yield* this.runTrampoline();
        else yield* this.exception(TrapNo.PRIVINFLT);
      } catch (e) {
        if (!(e instanceof Jump)) throw e;
      }
    }
  }
}
