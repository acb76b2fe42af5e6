/**
 * The way in and out of the kernel for guest threads: system calls, faults, exceptions, and the return to user mode.
 *
 *     onTrap --try ok, nothing pending------------------------------> uschedReturn -> guest
 *        \--would sleep, signal pending, fault needs I/O--> lwp.work, wake the lwp's LWKT thread
 *                                     lwpMain: run work -> userret (signals, stops, exit) -> uschedReturn -> guest
 *
 * Hot calls finish in onTrap without touching the LWKT thread. Registers are in memory that hostile siblings of the
 * thread can write: each is read once, and nothing is believed.
 *
 * Counterpart: sys/platform/vkernel64/x86_64/trap.c
 */
import { type MachLwp, Prot, Reg, Resume, Trap, TrapNo } from '../machine/machine.js';
import type { Blocking } from '../sys/blocking.js';
import { EACCES, EFAULT, EINTR, EINVAL, EJUSTRETURN, ENOMEM, ERESTART, Errno, NOTNOW } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import {
  SIGBUS,
  SIGFPE,
  SIGILL,
  SIGKILL,
  SIGSEGV,
  SIGSYS,
  SIGTRAP,
  SIG_DFL,
  SIG_IGN,
  sigaddset,
  sigismember,
} from '../sys/signal.js';
import { vmFault, vmFaultTry } from '../vm/vm_fault.js';
import { vmPatchSite } from '../vm/vm_patch.js';
import { copyin, copyinB } from '../vm/vm_user.js';
import { lwpExit } from './kern_exit.js';
import { panic } from './kern_shutdown.js';
import { cursig, issignal, lwpSigCheck, lwpSignal, sigexit, take } from './kern_sig.js';
import { tsleep, wakeup } from './lwkt_thread.js';
import { type Lwp, LwpWork, P_TRACED, ProcState } from './proc.js';
import { sendsig, trySendsig } from './sendsig.js';
import { strace } from './strace.js';
import { kalert, kprintf } from './subr_prf.js';
import { ArgKind, SYS_MAXSYSCALL, type Sysent } from './syscalls.js';
import { uschedRelease, uschedReturn, uschedTrap } from './usched.js';

declare module '../sys/globaldata.js' {
  interface GlobalData {
    sysent: (Sysent | null)[];
    /** System calls without an implementation that have been reported. */
    saidMissing: Set<number>;
  }
}

const CARRY = 1;
const TWO32 = 0x1_0000_0000;

/** Register `r` as a number; imprecise from 2^53. */
export const getReg = (lwp: Lwp, r: Reg): number => {
  const f = lwp.mach.frame;
  return f[r * 2 + 1] * TWO32 + f[r * 2];
};

/** Set register `r` from a number in [0, 2^53). */
export const setReg = (lwp: Lwp, r: Reg, v: number): void => {
  const f = lwp.mach.frame;
  f[r * 2] = v % TWO32;
  f[r * 2 + 1] = v / TWO32;
};

/** Argument registers in order; an indirect call (0, 198) starts one later. */
const argRegs = [Reg.RDI, Reg.RSI, Reg.RDX, Reg.R10, Reg.R8, Reg.R9];

const cut = (kind: number, lo: number, hi: number): number => {
  switch (kind) {
    case ArgKind.I32:
      return lo | 0;
    case ArgKind.U32:
      return lo;
    case ArgKind.U16:
      return lo & 0xffff;
    case ArgKind.I64:
      return (hi | 0) * TWO32 + lo;
    default:
      return hi * TWO32 + lo;
  }
};

const stackWords = new Uint8Array(32);
const stackView = new DataView(stackWords.buffer);

/** Cut the register arguments of `se` into lwp.args. Returns how many arguments are on the stack. */
function fetchRegs(lwp: Lwp, se: Sysent, skip: number): number {
  const f = lwp.mach.frame;
  const kinds = se.kinds;
  const n = Math.min(kinds.length, 6 - skip);
  for (let i = 0; i < n; i++) {
    const r = argRegs[i + skip] * 2;
    lwp.args[i] = cut(kinds[i], f[r], f[r + 1]);
  }
  return kinds.length - n;
}

function cutStack(lwp: Lwp, se: Sysent, n: number): void {
  const first = se.kinds.length - n;
  for (let i = 0; i < n; i++)
    lwp.args[first + i] = cut(
      se.kinds[first + i],
      stackView.getUint32(i * 8, true),
      stackView.getUint32(i * 8 + 4, true),
    );
}

/** Give a result back: rax, rdx when there is a second one, carry. */
function setResult(lwp: Lwp, r: number | Errno): void {
  const { mach } = lwp;
  if (r === ERESTART) {
    // rip back to the `syscall` instruction; rax still holds the number, r10 and the arguments are untouched.
    setReg(lwp, Reg.RIP, getReg(lwp, Reg.RIP) - 2);
    return;
  }
  let lo: number;
  let hi = 0;
  let rdx = -1;
  let carry = false;
  if (typeof r === 'number') {
    lo = r < 0 ? r | 0 : r % TWO32;
    if (r > 0) hi = r / TWO32;
    rdx = lwp.retval1;
  } else if (r.errno > 0) {
    lo = r.errno;
    carry = true;
  } else return;
  if (!mach.full) {
    mach.result(lo, hi, rdx, carry);
    return;
  }
  const f = mach.frame;
  f[Reg.RAX * 2] = lo;
  f[Reg.RAX * 2 + 1] = hi;
  if (rdx !== -1) {
    f[Reg.RDX * 2] = rdx;
    f[Reg.RDX * 2 + 1] = 0;
  }
  if (carry) f[Reg.RFLAGS * 2] |= CARRY;
  else f[Reg.RFLAGS * 2] &= ~CARRY;
}

/** The row for system call number `no`; logs a missing one once. null when there is none to run. */
function lookup(no: number): Sysent | null {
  return no < SYS_MAXSYSCALL ? gd.sysent[no] : null;
}

/** A guest thread stopped: the machine's handler. */
export function onTrap(mach: MachLwp, trap: Trap): void {
  const lwp = gd.lwpByMach[mach.id];
  if (lwp === null || lwp === undefined) return;
  uschedTrap(lwp);
  switch (trap) {
    case Trap.SYSCALL:
      onSyscall(lwp);
      return;
    case Trap.FAULT:
      onFault(lwp);
      return;
    case Trap.PREEMPT:
      lwp.ast = true;
      leave(lwp);
      return;
    case Trap.EXCEPTION:
      lwp.work = LwpWork.EXCEPTION;
      wakeup(lwp.workq);
      return;
    default:
      kalert('pid %d (%s): guest thread %d lost, killed\n', lwp.proc.pid, lwp.proc.comm, lwp.tid);
      lwp.work = LwpWork.EXCEPTION;
      mach.frame[Reg.TRAPNO * 2] = 0;
      lwpSignal(lwp, SIGKILL);
      wakeup(lwp.workq);
  }
}

function onSyscall(lwp: Lwp): void {
  const f = lwp.mach.frame;
  let no = f[Reg.RAX * 2];
  let skip = 0;
  if (no === 0 || no === 198) {
    no = f[Reg.RDI * 2];
    skip = 1;
  }
  lwp.sysno = no;
  lwp.retval1 = -1;
  const se = lookup(no);
  const impl = se === null ? null : se.impl;
  if (se === null || impl === null) {
    noSyscall(lwp, se, no);
    return;
  }
  if (!lwp.mach.full) {
    if (impl.full === true) {
      lwp.mach.resume(Resume.REISSUE);
      return;
    }
  } else vmPatchSite(lwp.proc.vm, getReg(lwp, Reg.RIP), f[Reg.RAX * 2]);
  const onStack = fetchRegs(lwp, se, skip);
  if (onStack > 0) {
    const e = copyin(lwp.proc.vm, getReg(lwp, Reg.RSP) + 8, stackWords, 0, onStack * 8);
    if (e === NOTNOW) {
      toThread(lwp, LwpWork.SYSCALL);
      return;
    }
    if (e !== null) {
      finish(lwp, se, e);
      return;
    }
    cutStack(lwp, se, onStack);
  }
  if (impl.try !== undefined) {
    const r = impl.try(lwp, lwp.args);
    if (r !== NOTNOW) {
      finish(lwp, se, r);
      return;
    }
  }
  toThread(lwp, LwpWork.SYSCALL);
}

/** End a synchronous system call: result, then straight back to the guest unless something is pending. */
function finish(lwp: Lwp, se: Sysent | null, r: number | Errno): void {
  if (lwp.proc.traced && se !== null) strace(lwp, se, r);
  if (r === ERESTART && !lwp.mach.full) {
    lwp.resumeHow = Resume.REISSUE;
    uschedReturn(lwp);
    return;
  }
  if (r !== EJUSTRETURN) setResult(lwp, r);
  leave(lwp);
}

/** Back to the guest from synchronous code: by way of the LWKT thread only when something pending may sleep. */
function leave(lwp: Lwp): void {
  if (!lwp.ast) uschedReturn(lwp);
  else if (!tryUserret(lwp)) toThread(lwp, LwpWork.USERRET);
}

/**
 * userret for the usual case, without the LWKT thread: nothing pending after all, or signals with handlers.
 * @returns false when userret has to see to it; then nothing has been changed but frames already delivered
 */
function tryUserret(lwp: Lwp): boolean {
  const p = lwp.proc;
  for (;;) {
    if (p.singleThreader !== null || p.state !== ProcState.ACTIVE || lwp.oldSigmask !== null) break;
    const sig = cursig(lwp);
    if (sig === 0) {
      lwp.ast = false;
      uschedReturn(lwp);
      return true;
    }
    if (p.sigacts.handler[sig] <= SIG_IGN || (p.flags & P_TRACED) !== 0 || p.ktrace !== null) break;
    if (!lwp.mach.full) {
      lwp.ast = false;
      lwp.resumeHow = Resume.RETRAP;
      uschedReturn(lwp);
      return true;
    }
    take(lwp, sig);
    if (trySendsig(lwp, sig) === null) continue;
    sigaddset(lwp.tookOwn ? lwp.siglist : p.siglist, sig);
    break;
  }
  lwp.ast = true;
  return false;
}

/** A number without a row: SIGSYS and EINVAL. A row without an implementation: EINVAL, said once. */
function noSyscall(lwp: Lwp, se: Sysent | null, no: number): void {
  if (se === null) lwpSignal(lwp, SIGSYS);
  else if (!gd.saidMissing.has(no)) {
    gd.saidMissing.add(no);
    kprintf('pid %d (%s): system call %d (%s) is not implemented\n', lwp.proc.pid, lwp.proc.comm, no, se.name);
  }
  finish(lwp, se, EINVAL);
}

function toThread(lwp: Lwp, work: LwpWork): void {
  lwp.work = work;
  wakeup(lwp.workq);
}

/** Access a fault wants, from the page-fault error bits. */
const faultAccess = (err: number): Prot => ((err & 16) !== 0 ? Prot.EXEC : (err & 2) !== 0 ? Prot.WRITE : Prot.READ);

function onFault(lwp: Lwp): void {
  const f = lwp.mach.frame;
  const va = getReg(lwp, Reg.ADDR);
  const e = vmFaultTry(lwp.proc.vm, va, faultAccess(f[Reg.ERR * 2]));
  if (e === null) {
    lwp.proc.ru.minflt++;
    leave(lwp);
  } else toThread(lwp, LwpWork.FAULT);
}

/** Body of an lwp's LWKT thread. Ends when the lwp is gone. */
export function* lwpMain(lwp: Lwp): Blocking<void> {
  for (;;) {
    while (lwp.work === LwpWork.NONE) yield* tsleep(lwp.workq, '');
    const work = lwp.work;
    lwp.work = LwpWork.NONE;
    if (work === LwpWork.SYSCALL) {
      uschedRelease(lwp);
      if (!(yield* slowSyscall(lwp))) continue;
    } else if (work === LwpWork.FAULT) {
      uschedRelease(lwp);
      yield* slowFault(lwp);
    } else if (work === LwpWork.EXCEPTION) yield* exception(lwp);
    if (lwp.exited || !(yield* userret(lwp))) return;
  }
}

/**
 * Run the blocking version of the current call.
 * @returns false when the thread goes on without userret (re-issued).
 */
function* slowSyscall(lwp: Lwp): Blocking<boolean> {
  const se = lookup(lwp.sysno);
  if (se === null || se.impl === null) return true;
  const f = lwp.mach.frame;
  const raw = f[Reg.RAX * 2];
  const skip = raw === 0 || raw === 198 ? 1 : 0;
  const onStack = fetchRegs(lwp, se, skip);
  let r: number | Errno = 0;
  if (onStack > 0) {
    // A buffer of its own: copyinB may sleep, and other threads use the shared one meanwhile.
    const words = new Uint8Array(onStack * 8);
    const e = yield* copyinB(lwp.proc.vm, getReg(lwp, Reg.RSP) + 8, words, 0, words.length);
    if (e !== null) r = e;
    else {
      stackWords.set(words);
      cutStack(lwp, se, onStack);
    }
  }
  if (r === 0) {
    const impl = se.impl;
    if (impl.block !== undefined) r = yield* impl.block(lwp, lwp.args);
    else if (impl.try !== undefined) r = impl.try(lwp, lwp.args);
    if (r === NOTNOW) r = EFAULT;
  }
  if (lwp.exited) return true;
  if (lwp.proc.traced) strace(lwp, se, r);
  if (r === ERESTART && !lwp.mach.full) {
    // Come back with a full frame, so that a signal can be delivered before the call runs again.
    lwp.resumeHow = Resume.REISSUE;
    uschedReturn(lwp);
    return false;
  }
  if (r !== EJUSTRETURN) setResult(lwp, r);
  return true;
}

function* slowFault(lwp: Lwp): Blocking<void> {
  const f = lwp.mach.frame;
  const va = getReg(lwp, Reg.ADDR);
  const e = yield* vmFault(lwp.proc.vm, va, faultAccess(f[Reg.ERR * 2]));
  if (e === null) {
    lwp.proc.ru.majflt++;
    return;
  }
  if (e === ENOMEM) {
    // A signal (SIGKILL to whoever has most memory) ended the wait for pages: it comes first, then the fault again.
    if (lwpSigCheck(lwp) !== null) return;
    kalert('pid %d (%s), uid %d: out of memory, killed\n', lwp.proc.pid, lwp.proc.comm, lwp.proc.cred.uid);
    yield* sigexit(lwp, SIGKILL);
    return;
  }
  yield* trapsignal(lwp, SIGSEGV, e === EACCES ? 2 : 1, va);
}

/** Exceptions other than page faults, by DragonFly trap number: signal and si_code (dragonfly-abi.md 6.1). */
function* exception(lwp: Lwp): Blocking<void> {
  const f = lwp.mach.frame;
  const rip = getReg(lwp, Reg.RIP);
  switch (f[Reg.TRAPNO * 2]) {
    case TrapNo.PRIVINFLT:
      return yield* trapsignal(lwp, SIGILL, 5, rip);
    case TrapNo.BPTFLT:
      return yield* trapsignal(lwp, SIGTRAP, 1, rip);
    case TrapNo.TRCTRAP:
      return yield* trapsignal(lwp, SIGTRAP, 2, rip);
    case TrapNo.PROTFLT:
      return yield* trapsignal(lwp, SIGBUS, 3, getReg(lwp, Reg.ADDR));
    case TrapNo.ALIGNFLT:
    case TrapNo.STKFLT:
      return yield* trapsignal(lwp, SIGBUS, 2, getReg(lwp, Reg.ADDR));
    case TrapNo.DIVIDE:
      return yield* trapsignal(lwp, SIGFPE, 2, rip);
    case TrapNo.OFLOW:
      return yield* trapsignal(lwp, SIGFPE, 1, rip);
    case TrapNo.BOUND:
      return yield* trapsignal(lwp, SIGFPE, 8, rip);
    case TrapNo.ARITHTRAP:
    case TrapNo.XMMFLT:
      return yield* trapsignal(lwp, SIGFPE, 0, rip);
    default:
      return;
  }
}

/**
 * Deliver a synchronous signal at once, before any that is pending. Masked, ignored or without a handler it ends the process
 * (lwp.exited).
 */
function* trapsignal(lwp: Lwp, sig: number, code: number, addr: number): Blocking<void> {
  const p = lwp.proc;
  p.ru.nsignals++;
  lwp.trapSig = sig;
  lwp.trapCode = code;
  lwp.trapAddr = addr;
  if ((p.flags & P_TRACED) !== 0) {
    // The tracer first; the signal comes back from there.
    sigaddset(lwp.siglist, sig);
    lwp.sigmask[(sig - 1) >> 5] &= ~(1 << ((sig - 1) & 31));
    return;
  }
  if (p.sigacts.handler[sig] > SIG_IGN && !sigismember(lwp.sigmask, sig)) {
    if (yield* sendsig(lwp, sig)) return;
    kprintf('pid %d (%s): no stack for a signal frame\n', p.pid, p.comm);
    sig = SIGILL;
  }
  if (p.pid === 1) panic(`init died (signal ${sig}, address 0x${addr.toString(16)})`);
  yield* sigexit(lwp, sig);
}

/**
 * Last stop before user mode: leave if the process is exiting, act on signals, then ask for a virtual CPU.
 * @returns false when the lwp is gone.
 */
export function* userret(lwp: Lwp): Blocking<boolean> {
  const p = lwp.proc;
  for (;;) {
    if (p.singleThreader !== null && p.singleThreader !== lwp) {
      lwpExit(lwp);
      return false;
    }
    lwp.ast = false;
    if ((p.flags & P_TRACED) !== 0 && !lwp.mach.full && cursig(lwp) !== 0) {
      // It is going to stop, and its tracer looks at the registers then.
      lwp.resumeHow = Resume.RETRAP;
      break;
    }
    const sig = yield* issignal(lwp);
    if (p.singleThreader !== null && p.singleThreader !== lwp) continue;
    if (sig === 0) {
      if (lwp.oldSigmask !== null) {
        lwp.sigmask.set(lwp.oldSigmask);
        lwp.oldSigmask = null;
        lwp.ast = true;
      }
      if (lwp.ast) continue;
      break;
    }
    if (p.sigacts.handler[sig] === SIG_DFL) {
      yield* sigexit(lwp, sig);
      return false;
    }
    if (!lwp.mach.full) {
      // The handler's frame needs every register: finish the call, trap again, and find the signal still pending.
      (lwp.tookOwn ? lwp.siglist : p.siglist)[(sig - 1) >> 5] |= 1 << ((sig - 1) & 31);
      lwp.resumeHow = Resume.RETRAP;
      break;
    }
    if (!(yield* sendsig(lwp, sig))) {
      kprintf('pid %d (%s): no stack for a signal frame\n', p.pid, p.comm);
      yield* sigexit(lwp, SIGILL);
      return false;
    }
  }
  uschedReturn(lwp);
  return true;
}

export { EINTR };
