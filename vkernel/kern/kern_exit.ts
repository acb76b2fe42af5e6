/**
 * The end of threads and processes, and waiting for them.
 *
 * exit1 makes its lwp the process's single threader; the others leave in userret (or at the end of an interrupted
 * sleep). The last lwp tears the process down and leaves a zombie for wait.
 *
 * Counterpart: sys/kern/kern_exit.c
 */
import type { Blocking } from '../sys/blocking.js';
import { ECHILD, EINVAL, EJUSTRETURN, Errno, EFAULT } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import { SIGCHLD, SIGCONT, SIGHUP, SIGKILL } from '../sys/signal.js';
import type { SyscallImpls } from '../sys/syscall.js';
import { copyoutB, suword32B } from '../vm/vm_user.js';
import { vmspaceFree } from '../vm/vmspace.js';
import { fdfree } from './kern_descrip.js';
import { itimersStop } from './kern_time.js';
import { ktraceRelease } from './kern_ktrace.js';
import { emitRusage } from './kern_resource.js';
import { lwpNotify, lwpSigCheck, nocldwait, pgsignal, psignal } from './kern_sig.js';
import { PCATCH, tsleep, wakeup } from './lwkt_thread.js';
import { umtxForget } from './kern_umtx.js';
import {
  type Lwp,
  P_CONTWAIT,
  P_PPWAIT,
  P_STOPWAIT,
  P_TRACED,
  P_WEXIT,
  type Pgrp,
  type Proc,
  ProcState,
  childAdd,
  childRemove,
  childZombie,
  pfind,
  pgrpLeave,
  pgrpOrphaned,
  reaperOf,
} from './proc.js';
import { semExit } from './sysv_sem.js';
import { uschedExit, uschedRelease } from './usched.js';
import { panic } from './kern_shutdown.js';

const WNOHANG = 1;
const WUNTRACED = 2;
const WCONTINUED = 4;
const WNOWAIT = 8;
const WEXITED = 16;
const WTRAPPED = 32;
const WLINUXCLONE = 0x80000000 | 0;

/** Take a thread out of its process and give its machine thread back. It never runs guest code again. */
export function lwpExit(lwp: Lwp): void {
  const p = lwp.proc;
  lwp.exited = true;
  uschedExit(lwp);
  p.ru.utimeNs += lwp.us.uticksNs;
  p.ru.stimeNs += lwp.us.sticksNs;
  p.ru.nvcsw += lwp.us.nvcsw;
  p.ru.nivcsw += lwp.us.nivcsw;
  p.lwps.delete(lwp.tid);
  lwpDetach(lwp);
  wakeup(p.waitq);
}

/** Release the machine thread of `lwp`. */
export function lwpDetach(lwp: Lwp): void {
  gd.lwpByMach[lwp.mach.id] = null;
  for (let i = 0; i < gd.lastOnVcpu.length; i++) if (gd.lastOnVcpu[i] === lwp) gd.lastOnVcpu[i] = null;
  lwp.mach.release();
}

/** Make `lwp` the only thread of its process. @returns false when another thread is doing the same already. */
export function* singleThread(lwp: Lwp): Blocking<boolean> {
  const p = lwp.proc;
  if (p.singleThreader !== null && p.singleThreader !== lwp) return false;
  p.singleThreader = lwp;
  for (const l of p.lwps.values())
    if (l !== lwp) {
      lwpNotify(l);
      wakeup(l.workq);
    }
  wakeup(p.stopq);
  while (p.lwps.size > 1) yield* tsleep(p.waitq, 'lwpex');
  return true;
}

/**
 * End the process with wait status `status` (dragonfly-abi.md 4.7). On return the lwp is gone and its LWKT thread must
 * end without touching it again.
 */
export function* exit1(lwp: Lwp, status: number): Blocking<void> {
  const p = lwp.proc;
  uschedRelease(lwp);
  if (!(yield* singleThread(lwp))) {
    lwpExit(lwp);
    return;
  }
  if (p.pid === 1) panic(`init died (signal ${status & 0x7f}, exit ${status >> 8})`);
  p.flags |= P_WEXIT;
  itimersStop(p);
  semExit(p);
  yield* ktraceRelease(p);
  yield* fdfree(p);
  p.ru.maxrssKb = Math.max(p.ru.maxrssKb, gd.rssKb?.(p) ?? 0);
  lwpExit(lwp);
  umtxForget(p);
  vmspaceFree(p.vm);
  if ((p.flags & P_PPWAIT) !== 0) {
    p.flags &= ~P_PPWAIT;
    wakeup(p.vforkq);
  }
  procExit(p, status);
}

/** The end of a process that has no threads, memory or descriptors any more: a zombie, and its parent hears of it. */
export function procExit(p: Proc, status: number): void {
  leaveSession(p);
  const jobs = jobGroups(p);
  reparentChildren(p);
  if (p.reaper !== null && p.reaper.proc === p) p.reaper.proc = null;
  p.xstat = status;
  p.state = ProcState.ZOMB;
  orphanCheck(jobs);
  gd.exitHook?.(p);
  const pp = p.parent ?? panic('exit1: no parent');
  childZombie(pp, p);
  if (p.cruOrNull !== null) p.ru.add(p.cruOrNull);
  pp.sigPid = p.pid;
  pp.sigUid = p.cred.ruid;
  const vanish = nocldwait(pp);
  if (!vanish || pp.pid === 1) psignal(pp, p.exitSignal);
  if (vanish) procReap(p);
  wakeup(pp.waitq);
}

/** A session leader's exit: hang up the foreground group and let go of the terminal. */
function leaveSession(p: Proc): void {
  const s = p.pgrp.session;
  if (s.leader !== p) return;
  s.leader = null;
  const tty = s.tty;
  if (tty === null) return;
  if (tty.session === s) {
    pgsignal(tty.pgrp, SIGHUP);
    tty.session = null;
    tty.pgrp = null;
    tty.hangup?.();
  }
  s.tty = null;
}

/** Children of `p` go to its reaper, with their death signal if they asked for one. */
function reparentChildren(p: Proc): void {
  if (p.children.size === 0) return;
  const to = reaperOf(p) ?? panic('exit: no reaper');
  for (const c of p.children) {
    childRemove(p, c);
    childAdd(to, c);
    if ((c.flags & P_TRACED) !== 0) {
      // Nobody is left to continue it.
      c.flags &= ~P_TRACED;
      c.oppid = 0;
      psignal(c, SIGKILL);
    }
    if (c.deathSig !== 0) psignal(c, c.deathSig);
    if (c.state === ProcState.ZOMB) psignal(to, SIGCHLD);
  }
  wakeup(to.waitq);
}

/** Groups that `p` keeps from being orphaned, as a member or as the parent of one (POSIX). */
function jobGroups(p: Proc): Set<Pgrp> {
  const out = new Set<Pgrp>();
  const s = p.pgrp.session;
  const pp = p.parent;
  if (pp !== null && pp.pgrp !== p.pgrp && pp.pgrp.session === s) out.add(p.pgrp);
  for (const c of p.children)
    if (c.state !== ProcState.ZOMB && c.pgrp !== p.pgrp && c.pgrp.session === s) out.add(c.pgrp);
  return out;
}

/** Groups of `groups` that are orphaned now get SIGHUP and SIGCONT when a member is stopped. */
function orphanCheck(groups: Set<Pgrp>): void {
  for (const pg of groups) {
    if (!pgrpOrphaned(pg)) continue;
    let stopped = false;
    for (const m of pg.members) if (m.state === ProcState.STOP) stopped = true;
    if (!stopped) continue;
    pgsignal(pg, SIGHUP);
    pgsignal(pg, SIGCONT);
  }
}

/** Remove a zombie for good. */
export function procReap(p: Proc): void {
  const pp = p.parent;
  if (pp !== null) {
    pp.cru.add(p.ru);
    childRemove(pp, p);
  }
  pgrpLeave(p, p.pgrp);
  gd.allproc.delete(p.pid);
  gd.uidProcs?.(p.cred.ruid, -1);
}

/** Which children a wait call is about. */
export const enum IdType {
  PID = 0,
  PPID = 1,
  PGID = 2,
  SID = 3,
  UID = 5,
  GID = 6,
  ALL = 7,
}

function matches(c: Proc, idtype: IdType, id: number): boolean {
  switch (idtype) {
    case IdType.PID:
      return c.pid === id;
    case IdType.PGID:
      return c.pgrp.id === id;
    case IdType.SID:
      return c.pgrp.session.sid === id;
    case IdType.UID:
      return c.cred.uid === id;
    case IdType.GID:
      return c.cred.gid === id;
    case IdType.ALL:
      return true;
    default:
      return false;
  }
}

interface Waited {
  pid: number;
  status: number;
  code: number;
  si: number;
  proc: Proc;
}

const report = (c: Proc, status: number, code: number, si: number): Waited => ({
  pid: c.pid,
  status,
  code,
  si,
  proc: c,
});

/** What `c` has to tell, or null. */
function waitLook(c: Proc, options: number): Waited | null {
  if (c.state === ProcState.ZOMB) {
    if ((options & WEXITED) === 0) return null;
    const killed = (c.xstat & 0x7f) !== 0;
    return report(c, c.xstat, killed ? 2 : 1, killed ? c.xstat & 0x7f : c.xstat >> 8);
  }
  if (
    c.state === ProcState.STOP &&
    (c.flags & P_STOPWAIT) !== 0 &&
    ((options & WUNTRACED) !== 0 || (c.flags & P_TRACED) !== 0)
  ) {
    if ((options & WNOWAIT) === 0) c.flags &= ~P_STOPWAIT;
    return report(c, (c.xstat << 8) | 0x7f, 5, c.xstat);
  }
  if ((c.flags & P_CONTWAIT) !== 0 && (options & WCONTINUED) !== 0) {
    if ((options & WNOWAIT) === 0) c.flags &= ~P_CONTWAIT;
    return report(c, SIGCONT, 6, SIGCONT);
  }
  return null;
}

/** One look at the children. @returns what there is to report, null for nothing yet, or ECHILD. */
function waitScan(p: Proc, idtype: IdType, id: number, options: number): Waited | null | Errno {
  if (idtype === IdType.PID) {
    const c = pfind(id);
    return c === null || c.parent !== p ? ECHILD : waitLook(c, options);
  }
  // Zombies have a list of their own: who has a million children must not look at each.
  if ((options & WEXITED) !== 0) for (const c of p.zombies) if (matches(c, idtype, id)) return waitLook(c, options);
  if (idtype === IdType.ALL && !p.isTracer && (options & (WUNTRACED | WCONTINUED)) === 0)
    return p.children.size > 0 ? null : ECHILD;
  let any = false;
  for (const c of p.children) {
    if (!matches(c, idtype, id)) continue;
    any = true;
    const w = waitLook(c, options);
    if (w !== null) return w;
  }
  return any ? null : ECHILD;
}

/** A zombie that a tracer has seen goes back to its own parent, which has to hear of it too. */
function reapOrReturn(c: Proc): void {
  const orig = c.oppid !== 0 ? pfind(c.oppid) : null;
  c.oppid = 0;
  if (orig === null || orig === c.parent || c.parent === null) {
    procReap(c);
    return;
  }
  childRemove(c.parent, c);
  childAdd(orig, c);
  psignal(orig, SIGCHLD);
  wakeup(orig.waitq);
}

/**
 * Wait for a child; a zombie is gone afterwards (unless WNOWAIT), before anybody else can see it.
 * @returns what happened, null for WNOHANG with nothing to tell, or an errno.
 */
export function* kernWait(lwp: Lwp, idtype: IdType, id: number, options: number): Blocking<Waited | null | Errno> {
  const p = lwp.proc;
  for (;;) {
    const w = waitScan(p, idtype, id, options);
    if (w !== null) {
      if (!(w instanceof Errno) && w.proc.state === ProcState.ZOMB && (options & WNOWAIT) === 0) reapOrReturn(w.proc);
      return w;
    }
    if ((options & WNOHANG) !== 0) return null;
    const e = yield* tsleep(p.waitq, 'wait', PCATCH);
    if (e !== null) return e;
  }
}

/** A zombie child's status, and it is gone; null when `pid` has not ended, ECHILD when there is no such child. */
export function kernWaitTry(p: Proc, pid: number): number | null | Errno {
  const w = waitScan(p, IdType.PID, pid, WEXITED);
  if (w === null || w instanceof Errno) return w;
  procReap(w.proc);
  return w.status;
}

function* copyRusage(lwp: Lwp, uva: number, c: Proc): Blocking<Errno | null> {
  if (uva === 0) return null;
  const buf = new Uint8Array(144);
  emitRusage(buf, 0, c.ru);
  return yield* copyoutB(lwp.proc.vm, buf, 0, uva, buf.length);
}

function* sysWait4(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const options = a[2] | 0;
  if ((options & ~(WNOHANG | WUNTRACED | WCONTINUED | WLINUXCLONE)) !== 0) return EINVAL;
  const pid = a[0];
  const idtype = pid > 0 ? IdType.PID : pid === -1 ? IdType.ALL : IdType.PGID;
  const id = pid > 0 ? pid : pid === 0 ? lwp.proc.pgrp.id : -pid;
  const w = yield* kernWait(lwp, idtype, id, options | WEXITED);
  if (w instanceof Errno) return w;
  if (w === null) return 0;
  if (a[1] !== 0 && (yield* suword32B(lwp.proc.vm, a[1], w.status)) !== null) return EFAULT;
  const e = yield* copyRusage(lwp, a[3], w.proc);
  return e ?? w.pid;
}

function* sysWait6(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const options = a[3] | 0;
  if ((options & ~(WNOHANG | WUNTRACED | WCONTINUED | WNOWAIT | WEXITED | WTRAPPED)) !== 0) return EINVAL;
  if ((options & (WEXITED | WUNTRACED | WCONTINUED | WTRAPPED)) === 0) return EINVAL;
  const idtype: IdType = a[0];
  if (![IdType.PID, IdType.PGID, IdType.SID, IdType.UID, IdType.GID, IdType.ALL].includes(idtype)) return EINVAL;
  const w = yield* kernWait(lwp, idtype, a[1], options);
  if (w instanceof Errno) return w;
  if (w === null) return 0;
  const vm = lwp.proc.vm;
  if (a[2] !== 0 && (yield* suword32B(vm, a[2], w.status)) !== null) return EFAULT;
  if (a[4] !== 0) {
    const buf = new Uint8Array(288);
    emitRusage(buf, 0, w.proc.ru);
    emitRusage(buf, 144, w.proc.cru);
    if ((yield* copyoutB(vm, buf, 0, a[4], buf.length)) !== null) return EFAULT;
  }
  if (a[5] !== 0) {
    const si = new Uint8Array(80);
    const v = new DataView(si.buffer);
    v.setInt32(0, SIGCHLD, true);
    v.setInt32(8, w.code, true);
    v.setInt32(12, w.pid, true);
    v.setUint32(16, w.proc.cred.uid, true);
    v.setInt32(20, w.si, true);
    if ((yield* copyoutB(vm, si, 0, a[5], si.length)) !== null) return EFAULT;
  }
  return w.pid;
}

/** extexit(how, status, addr): store a word first, then end the thread or the process (dragonfly-abi.md 7.2). */
function* sysExtexit(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const action = a[0] & 0xffff;
  const who = a[0] & ~0xffff;
  if (action > 1 || (who !== 0 && who !== 0x10000)) return EINVAL;
  if (action === 1 && (yield* suword32B(lwp.proc.vm, a[2], a[1])) !== null) return EFAULT;
  if (who === 0x10000 && lwp.proc.lwps.size > 1) {
    lwpExit(lwp);
    return EJUSTRETURN;
  }
  yield* exit1(lwp, (a[1] & 0xffffff) << 8);
  return EJUSTRETURN;
}

function* sysExit(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  yield* exit1(lwp, (a[0] & 0xffffff) << 8);
  return EJUSTRETURN;
}

export const exitSyscalls: SyscallImpls = {
  exit: { block: sysExit },
  extexit: { block: sysExtexit },
  wait4: { block: sysWait4 },
  wait6: { block: sysWait6 },
};

declare module '../sys/globaldata.js' {
  interface GlobalData {
    /** Called when a process becomes a zombie: kqueue NOTE_EXIT, `vkernel run`. */
    exitHook: ((p: Proc) => void) | null;
    /** Resident set of a process in KB. */
    rssKb: ((p: Proc) => number) | null;
    /** Count processes of a real uid; returns the new count. */
    uidProcs: ((ruid: number, delta: number) => number) | null;
  }
}

export { lwpSigCheck };
