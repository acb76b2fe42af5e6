/**
 * Signals: posting, choosing, stopping, delivering, and the system calls around them.
 *
 * A signal is pending on the process or on one lwp. Posting never delivers: it sets lwp.ast, ends an interruptible sleep
 * and preempts running guest code; the lwp finds the signal on its way back to user mode (trap.ts userret), on its LWKT
 * thread. Every change of pending sets or masks that could make a signal deliverable sets `ast`.
 *
 * Counterpart: sys/kern/kern_sig.c
 */
import type { Blocking } from '../sys/blocking.js';
import { EINTR, ERESTART, type Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import {
  NSIG,
  SA_NOCLDSTOP,
  SA_NOCLDWAIT,
  SA_RESTART,
  SIGCHLD,
  SIGCONT,
  SIGKILL,
  SIG_DFL,
  SIG_IGN,
  SigDefault,
  sigDefault,
  sigaddset,
  sigdelset,
  sigismember,
} from '../sys/signal.js';
import { coredump } from './kern_core.js';
import { ktrPsig } from './kern_ktrace.js';
import { exit1 } from './kern_exit.js';
import { WaitQ, lwktInterrupt, tsleep, wakeup } from './lwkt_thread.js';
import {
  type Lwp,
  type Pgrp,
  type Proc,
  P_CONTWAIT,
  P_PPWAIT,
  P_STOPWAIT,
  P_TRACED,
  ProcState,
  pgrpOrphaned,
} from './proc.js';
import { kprintf } from './subr_prf.js';
import { uschedRelease } from './usched.js';

/** In a wait status: there is a core file. */
const WCOREFLAG = 0x80;
const STOP_SIGNALS = [17, 18, 21, 22];

/** Stop signals that are not to be acted on: stopping a vfork child would block its parent for good. */
function heldStops(p: Proc): number {
  let bits = 0;
  if ((p.flags & P_PPWAIT) !== 0)
    for (const s of STOP_SIGNALS) if (p.sigacts.handler[s] === SIG_DFL) bits |= 1 << (s - 1);
  return bits;
}

/** Lowest signal of `p` and `lwp` that is pending and not masked; 0 when there is none. */
export function cursig(lwp: Lwp): number {
  const pl = lwp.proc.siglist;
  const ll = lwp.siglist;
  const mask = lwp.sigmask;
  for (let w = 0; w < 4; w++) {
    let bits = (pl[w] | ll[w]) & ~mask[w];
    if (bits !== 0 && w === 0) bits &= ~heldStops(lwp.proc);
    if (bits !== 0) return w * 32 + 32 - Math.clz32(bits & -bits);
  }
  return 0;
}

/** Remove pending `sig`, from the thread's set if it is there, else from the process's. */
export function take(lwp: Lwp, sig: number): void {
  lwp.tookOwn = sigismember(lwp.siglist, sig);
  sigdelset(lwp.tookOwn ? lwp.siglist : lwp.proc.siglist, sig);
}

/**
 * Carry out the default action of `sig`, just taken, if that is to stop the process; the thread that runs this stops at
 * its next return to user mode. @returns false when the action is another one.
 */
function stopAction(p: Proc, sig: number): boolean {
  if (p.sigacts.handler[sig] !== SIG_DFL) return false;
  const d = sigDefault(sig);
  if (d !== SigDefault.STOP && d !== SigDefault.TTYSTOP) return false;
  if (d !== SigDefault.TTYSTOP || !pgrpOrphaned(p.pgrp)) procStop(p, sig);
  return true;
}

/** Is `sig` dropped without effect in `p` (ignored, or ignored by default; pid 1 ignores defaults)? */
function ignored(p: Proc, sig: number): boolean {
  const h = p.sigacts.handler[sig];
  if (h === SIG_IGN) return true;
  if (h !== SIG_DFL) return false;
  const d = sigDefault(sig);
  if (d === SigDefault.IGNORE || d === SigDefault.CONTINUE) return true;
  return p.pid === 1;
}

/** Make `lwp` look at its signals soon, wherever it is. */
export function lwpNotify(lwp: Lwp): void {
  lwp.ast = true;
  if (lwp.mach.running) lwp.mach.preempt();
  else {
    const e = lwpSigCheck(lwp);
    if (e !== null) lwktInterrupt(lwp.td, e);
  }
}

/**
 * tsleep's question with PCATCH: is there something to stop sleeping for? EINTR or ERESTART, or null. Exit of the process
 * counts as EINTR. A stop does not end a sleep: it is carried out here, and the thread sleeps on.
 */
export function lwpSigCheck(lwp: Lwp): Errno | null {
  const p = lwp.proc;
  if (p.singleThreader !== null && p.singleThreader !== lwp) return EINTR;
  for (;;) {
    const sig = cursig(lwp);
    if (sig === 0) return null;
    if ((p.flags & P_TRACED) !== 0) return ERESTART;
    if (ignored(p, sig)) {
      sigdelset(p.siglist, sig);
      sigdelset(lwp.siglist, sig);
      continue;
    }
    if (p.sigacts.handler[sig] === SIG_DFL && sigDefault(sig) >= SigDefault.STOP) {
      take(lwp, sig);
      stopAction(p, sig);
      continue;
    }
    const caught = p.sigacts.handler[sig] > SIG_IGN;
    return caught && (p.sigacts.flags[sig] & SA_RESTART) === 0 ? EINTR : ERESTART;
  }
}

/** The thread of `p` to poke for `sig`: one that runs, else a runnable one, else an interruptible sleeper, else any. */
function chooseLwp(p: Proc, sig: number): Lwp | null {
  let pick: Lwp | null = null;
  let best = 0;
  for (const l of p.lwps.values()) {
    if (sigismember(l.sigmask, sig)) continue;
    if (l.mach.running) return l;
    const rank = l.us.vcpu >= 0 || l.us.heapIdx >= 0 ? 3 : l.td.catching ? 2 : 1;
    if (rank <= best) continue;
    best = rank;
    pick = l;
  }
  return pick;
}

/** Post `sig` to process `p`. Never sleeps. */
export function psignal(p: Proc, sig: number): void {
  post(p, null, sig);
}

/** Post `sig` to one thread. */
export function lwpSignal(lwp: Lwp, sig: number): void {
  post(lwp.proc, lwp, sig);
}

export function pgsignal(pg: Pgrp | null, sig: number): void {
  if (pg === null) return;
  for (const p of [...pg.members]) psignal(p, sig);
}

function post(p: Proc, only: Lwp | null, sig: number): void {
  if (p.state === ProcState.ZOMB || sig <= 0 || sig >= NSIG) return;
  gd.signalHook?.(p, sig);
  p.ru.nsignals++;
  const d = sigDefault(sig);
  if (d === SigDefault.STOP || d === SigDefault.TTYSTOP) {
    clearPending(p, SIGCONT);
    if (d === SigDefault.TTYSTOP && p.sigacts.handler[sig] === SIG_DFL && pgrpOrphaned(p.pgrp)) return;
  } else if (sig === SIGCONT) {
    for (const s of STOP_SIGNALS) clearPending(p, s);
    procContinue(p);
  } else if (sig === SIGKILL && p.state === ProcState.STOP) procUnstop(p);
  if (ignored(p, sig) && (p.flags & P_TRACED) === 0) {
    // A blocked signal with default-ignored action is still dropped, except when a sigtimedwait may want it.
    const waiter = only ?? p.firstLwp();
    if (waiter === null || !sigismember(waiter.sigmask, sig)) return;
    if (p.sigacts.handler[sig] === SIG_IGN) return;
  }
  sigaddset(only === null ? p.siglist : only.siglist, sig);
  wakeup(gd.sigwaitq);
  const l = only === null ? chooseLwp(p, sig) : sigismember(only.sigmask, sig) ? null : only;
  if (l === null) return;
  if (sig === SIGKILL) for (const each of p.lwps.values()) lwpNotify(each);
  else lwpNotify(l);
}

function clearPending(p: Proc, sig: number): void {
  sigdelset(p.siglist, sig);
  for (const l of p.lwps.values()) sigdelset(l.siglist, sig);
}

/** SIGCONT: let a stopped process run again and tell its parent's wait. */
function procContinue(p: Proc): void {
  if (p.state !== ProcState.STOP) return;
  p.flags |= P_CONTWAIT;
  procUnstop(p);
  if (p.parent !== null) wakeup(p.parent.waitq);
}

function procUnstop(p: Proc): void {
  p.state = ProcState.ACTIVE;
  p.flags &= ~P_STOPWAIT;
  wakeup(p.stopq);
}

/** Stop all threads of `p` with `sig`; the parent hears of it. */
export function procStop(p: Proc, sig: number): void {
  if (p.state !== ProcState.ACTIVE) return;
  p.state = ProcState.STOP;
  p.xstat = sig;
  p.flags = (p.flags | P_STOPWAIT) & ~P_CONTWAIT;
  for (const l of p.lwps.values()) {
    l.ast = true;
    if (l.mach.running) l.mach.preempt();
  }
  const pp = p.parent;
  if (pp === null) return;
  if ((pp.sigacts.flags[SIGCHLD] & SA_NOCLDSTOP) === 0) {
    pp.sigPid = p.pid;
    pp.sigUid = p.cred.ruid;
    psignal(pp, SIGCHLD);
  }
  wakeup(pp.waitq);
}

/**
 * Choose the next signal to act on for `lwp` on its way to user mode. Ignored ones are dropped, stops are carried out
 * here (sleeping until continued).
 * @returns a signal with a handler, or one that terminates; 0 when nothing is left to do.
 */
export function* issignal(lwp: Lwp): Blocking<number> {
  const p = lwp.proc;
  for (;;) {
    while (p.state === ProcState.STOP && p.singleThreader === null) {
      uschedRelease(lwp);
      yield* tsleep(p.stopq, 'stop');
    }
    if (p.singleThreader !== null && p.singleThreader !== lwp) return 0;
    const sig = cursig(lwp);
    if (sig === 0) return 0;
    take(lwp, sig);
    const act = (p.flags & P_TRACED) !== 0 && sig !== SIGKILL ? yield* traceStop(lwp, sig) : sig;
    if (act === 0 || ignored(p, act) || stopAction(p, act)) continue;
    if (p.ktrace !== null) ktrPsig(lwp, act);
    return act;
  }
}

/** A traced process stops at each signal. @returns the signal that the tracer lets through, or 0 */
function* traceStop(lwp: Lwp, sig: number): Blocking<number> {
  const p = lwp.proc;
  uschedRelease(lwp);
  procStop(p, sig);
  while (p.state === ProcState.STOP && p.singleThreader === null) yield* tsleep(p.stopq, 'ptrace');
  // It was killed meanwhile.
  if (sigismember(p.siglist, SIGKILL)) return 0;
  return p.xstat;
}

/** The tracer lets its stopped process go on with `sig`, or without a signal (0). */
export function procTraceResume(p: Proc, sig: number): void {
  p.xstat = sig;
  if (sig === SIGKILL) sigaddset(p.siglist, SIGKILL);
  procUnstop(p);
}

/** The default action of a signal that ends the process. Never returns to user mode. */
export function* sigexit(lwp: Lwp, sig: number): Blocking<void> {
  const p = lwp.proc;
  let status = sig;
  if (sigDefault(sig) === SigDefault.CORE && p.singleThreader === null) {
    const dumped = (yield* coredump(lwp, sig)) === null;
    if (dumped) status |= WCOREFLAG;
    if (gd.logsigexit)
      kprintf(
        'pid %d (%s), uid %d: exited on signal %d%s\n',
        p.pid,
        p.comm,
        p.cred.uid,
        sig,
        dumped ? ' (core dumped)' : '',
      );
  }
  yield* exit1(lwp, status);
}

/** Are children of `p` to vanish without becoming zombies? */
export const nocldwait = (p: Proc): boolean =>
  p.sigacts.handler[SIGCHLD] === SIG_IGN || (p.sigacts.flags[SIGCHLD] & SA_NOCLDWAIT) !== 0;

declare module '../sys/globaldata.js' {
  interface GlobalData {
    /** sigtimedwait sleepers. */
    sigwaitq: WaitQ;
    /** kern.logsigexit: report processes killed by a core-dumping signal. */
    logsigexit: boolean;
    /** EVFILT_SIGNAL knotes hear of every posted signal. */
    signalHook: ((p: Proc, sig: number) => void) | null;
  }
}

export function sigInit(): void {
  gd.sigwaitq = new WaitQ();
  gd.logsigexit = true;
}
