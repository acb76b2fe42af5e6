/**
 * Signal system calls: sigaction, sigprocmask, sigsuspend, sigpending, sigaltstack, kill, lwp_kill, sigtimedwait ...
 * Rules: dragonfly-abi.md 6.3.
 *
 * Counterpart: sys/kern/kern_sig.c (the sys_* part)
 */
import type { Blocking } from '../sys/blocking.js';
import { EAGAIN, EINTR, EINVAL, ENOMEM, EPERM, ERESTART, ESRCH, EWOULDBLOCK, Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import {
  SIGCHLD,
  SIGCONT,
  SIGKILL,
  SIGSTOP,
  SIG_DFL,
  SIG_IGN,
  SigDefault,
  sigDefault,
  sigdelset,
  sigismember,
  sigstrip,
} from '../sys/signal.js';
import type { SyscallImpls } from '../sys/syscall.js';
import { copyin, copyinB, copyout, copyoutB } from '../vm/vm_user.js';
import { prisonCheck } from './kern_jail.js';
import { lwpNotify, lwpSignal, pgsignal, psignal } from './kern_sig.js';
import { PCATCH, tsleep } from './lwkt_thread.js';
import { type Lwp, type Pgrp, type Proc, ProcState, credSeesSignal, pfind, pgfind } from './proc.js';
import { sysSigreturn } from './sendsig.js';
import { blockOf } from './sys_util.js';

const scratch = new Uint8Array(32);
const view = new DataView(scratch.buffer);

function trySigaction(lwp: Lwp, a: Float64Array): number | Errno {
  const [sig, act, oact] = a;
  if (sig <= 0 || sig > 128) return EINVAL;
  const sa = lwp.proc.sigacts;
  if (act !== 0) {
    const e = copyin(lwp.proc.vm, act, scratch, 0, 28);
    if (e !== null) return e;
    const handler = view.getUint32(4, true) * 0x1_0000_0000 + view.getUint32(0, true);
    if ((sig === SIGKILL || sig === SIGSTOP) && handler !== SIG_DFL) return EINVAL;
  }
  const newFlags = view.getInt32(8, true);
  const newHandler = view.getUint32(4, true) * 0x1_0000_0000 + view.getUint32(0, true);
  const newMask = new Uint32Array(scratch.buffer.slice(12, 28));
  if (oact !== 0) {
    scratch.fill(0);
    view.setUint32(0, sa.handler[sig] % 0x1_0000_0000, true);
    view.setUint32(4, sa.handler[sig] / 0x1_0000_0000, true);
    view.setInt32(8, sa.flags[sig], true);
    for (let i = 0; i < 4; i++) view.setUint32(12 + i * 4, sa.mask[sig * 4 + i], true);
    const e = copyout(lwp.proc.vm, scratch, 0, oact, 32);
    if (e !== null) return e;
  }
  if (act === 0) return 0;
  sa.own();
  sa.handler[sig] = newHandler;
  sa.flags[sig] = newFlags;
  sigstrip(newMask);
  sa.mask.set(newMask, sig * 4);
  const dropped =
    newHandler === SIG_IGN || (newHandler === SIG_DFL && sigDefault(sig) === SigDefault.IGNORE && sig !== SIGCONT);
  if (dropped) {
    sigdelset(lwp.proc.siglist, sig);
    for (const l of lwp.proc.lwps.values()) sigdelset(l.siglist, sig);
  }
  return 0;
}

function trySigprocmask(lwp: Lwp, a: Float64Array): number | Errno {
  const [how, set, oset] = a;
  if (set !== 0) {
    if (how < 1 || how > 3) return EINVAL;
    const e = copyin(lwp.proc.vm, set, scratch, 0, 16);
    if (e !== null) return e;
  }
  if (oset !== 0) {
    for (let i = 0; i < 4; i++) view.setUint32(16 + i * 4, lwp.sigmask[i], true);
    const e = copyout(lwp.proc.vm, scratch, 16, oset, 16);
    if (e !== null) return e;
  }
  if (set === 0) return 0;
  for (let i = 0; i < 4; i++) {
    const w = view.getUint32(i * 4, true);
    if (how === 1) lwp.sigmask[i] |= w;
    else if (how === 2) lwp.sigmask[i] &= ~w;
    else lwp.sigmask[i] = w;
  }
  sigstrip(lwp.sigmask);
  checkPending(lwp);
  return 0;
}

/** After a mask change: is a pending signal deliverable now? */
function checkPending(lwp: Lwp): void {
  for (let w = 0; w < 4; w++)
    if (((lwp.proc.siglist[w] | lwp.siglist[w]) & ~lwp.sigmask[w]) !== 0) {
      lwp.ast = true;
      return;
    }
}

function* sysSigsuspend(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const buf = new Uint8Array(16);
  const e = yield* copyinB(lwp.proc.vm, a[0], buf, 0, 16);
  if (e !== null) return e;
  setTempMask(lwp, new Uint32Array(buf.buffer));
  for (;;) if ((yield* tsleep(gd.sigwaitq, 'pause', PCATCH)) !== null) return EINTR;
}

/** Use `mask` until the return to user mode, which restores the old one (sigsuspend, pselect, ppoll). */
export function setTempMask(lwp: Lwp, mask: Uint32Array): void {
  lwp.oldSigmask = lwp.sigmask.slice();
  lwp.sigmask.set(mask);
  sigstrip(lwp.sigmask);
  lwp.ast = true;
}

function trySigpending(lwp: Lwp, a: Float64Array): number | Errno {
  for (let i = 0; i < 4; i++) view.setUint32(i * 4, lwp.proc.siglist[i] | lwp.siglist[i], true);
  return copyout(lwp.proc.vm, scratch, 0, a[0], 16) ?? 0;
}

const SS_ONSTACK = 1;
const SS_DISABLE = 4;
const MINSIGSTKSZ = 8192;

function trySigaltstack(lwp: Lwp, a: Float64Array): number | Errno {
  const [ss, oss] = a;
  let sp = 0;
  let size = 0;
  let flags = 0;
  if (ss !== 0) {
    const e = copyin(lwp.proc.vm, ss, scratch, 0, 24);
    if (e !== null) return e;
    sp = view.getUint32(4, true) * 0x1_0000_0000 + view.getUint32(0, true);
    size = view.getUint32(12, true) * 0x1_0000_0000 + view.getUint32(8, true);
    flags = view.getInt32(16, true);
    if ((flags & ~SS_DISABLE) !== 0) return EINVAL;
    if ((flags & SS_DISABLE) !== 0 && lwp.onSigstk) return EPERM;
    if ((flags & SS_DISABLE) === 0 && size < MINSIGSTKSZ) return ENOMEM;
  }
  if (oss !== 0) {
    const v = new DataView(new ArrayBuffer(24));
    v.setUint32(0, lwp.sigstkSp % 0x1_0000_0000, true);
    v.setUint32(4, lwp.sigstkSp / 0x1_0000_0000, true);
    v.setUint32(8, lwp.sigstkSize % 0x1_0000_0000, true);
    v.setUint32(12, lwp.sigstkSize / 0x1_0000_0000, true);
    v.setInt32(16, (lwp.sigstkDisabled ? SS_DISABLE : 0) | (lwp.onSigstk ? SS_ONSTACK : 0), true);
    const e = copyout(lwp.proc.vm, new Uint8Array(v.buffer), 0, oss, 24);
    if (e !== null) return e;
  }
  if (ss === 0) return 0;
  lwp.sigstkDisabled = (flags & SS_DISABLE) !== 0;
  if (!lwp.sigstkDisabled) {
    lwp.sigstkSp = sp;
    lwp.sigstkSize = size;
  }
  return 0;
}

/** Send `sig` (0: only check) from `lwp` to `p`. @returns EPERM when not allowed. */
function sendTo(lwp: Lwp, p: Proc, sig: number): Errno | null {
  const me = lwp.proc;
  const sameSession = sig === SIGCONT && p.pgrp.session === me.pgrp.session;
  if (!credSeesSignal(me.cred, p.cred) && !sameSession) return EPERM;
  if (sig === 0) return null;
  p.sigPid = me.pid;
  p.sigUid = me.cred.ruid;
  psignal(p, sig);
  return null;
}

function sendGroup(lwp: Lwp, members: Iterable<Proc>, sig: number, all: boolean): number | Errno {
  let sent = 0;
  let denied = false;
  for (const p of [...members]) {
    if (p.state === ProcState.ZOMB || prisonCheck(lwp.proc, p) !== null || (all && (p.pid <= 1 || p === lwp.proc)))
      continue;
    if (sendTo(lwp, p, sig) === null) sent++;
    else denied = true;
  }
  return sent > 0 ? 0 : denied ? EPERM : ESRCH;
}

function tryKill(lwp: Lwp, a: Float64Array): number | Errno {
  const [pid, sig] = a;
  if (sig < 0 || sig >= 128) return EINVAL;
  if (pid > 0) {
    const p = pfind(pid);
    if (p === null || prisonCheck(lwp.proc, p) !== null) return ESRCH;
    return sendTo(lwp, p, sig) ?? 0;
  }
  if (pid === -1) return sendGroup(lwp, gd.allproc.values(), sig, true);
  const pg: Pgrp | null = pid === 0 ? lwp.proc.pgrp : pgfind(-pid);
  return pg === null ? ESRCH : sendGroup(lwp, pg.members, sig, false);
}

function tryLwpKill(lwp: Lwp, a: Float64Array): number | Errno {
  const [pid, tid, sig] = a;
  if (sig < 0 || sig >= 128 || tid === -1) return EINVAL;
  const p = pid === -1 ? lwp.proc : pfind(pid);
  if (p === null || prisonCheck(lwp.proc, p) !== null) return ESRCH;
  if (!credSeesSignal(lwp.proc.cred, p.cred)) return EPERM;
  const l = p.lwps.get(tid);
  if (l === undefined) return ESRCH;
  if (sig === 0) return 0;
  p.sigPid = lwp.proc.pid;
  p.sigUid = lwp.proc.cred.ruid;
  lwpSignal(l, sig);
  return 0;
}

/** sigtimedwait and sigwaitinfo: take a pending signal of the set without its handler. */
function* sigwait(lwp: Lwp, setVa: number, infoVa: number, timeoutNs: number): Blocking<number | Errno> {
  const vm = lwp.proc.vm;
  const buf = new Uint8Array(16);
  const e = yield* copyinB(vm, setVa, buf, 0, 16);
  if (e !== null) return e;
  const set = new Uint32Array(buf.buffer);
  // KILL and STOP are nobody's to wait for.
  sigstrip(set);
  const end = gd.machine.now() + timeoutNs;
  const saved = lwp.sigmask.slice();
  for (;;) {
    for (let sig = 1; sig <= 128; sig++) {
      if (!sigismember(set, sig)) continue;
      const list = sigismember(lwp.siglist, sig)
        ? lwp.siglist
        : sigismember(lwp.proc.siglist, sig)
          ? lwp.proc.siglist
          : null;
      if (list === null) continue;
      sigdelset(list, sig);
      if (infoVa !== 0) {
        const si = new Uint8Array(80);
        new DataView(si.buffer).setInt32(0, sig, true);
        const f = yield* copyoutB(vm, si, 0, infoVa, 80);
        if (f !== null) return f;
      }
      return sig;
    }
    const left = end - gd.machine.now();
    if (left <= 0) return EAGAIN;
    // Signals of the set must not be delivered while we wait for them, but must end the sleep.
    for (let i = 0; i < 4; i++) lwp.sigmask[i] = saved[i] | set[i];
    const r = yield* tsleep(gd.sigwaitq, 'sigwt', PCATCH, left === Infinity ? 0 : left);
    lwp.sigmask.set(saved);
    if (r === EINTR || r === ERESTART) return EINTR;
    if (r === EWOULDBLOCK) return EAGAIN;
  }
}

function* sysSigtimedwait(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  let timeoutNs = Infinity;
  if (a[2] !== 0) {
    const ts = new Uint8Array(16);
    const e = yield* copyinB(lwp.proc.vm, a[2], ts, 0, 16);
    if (e !== null) return e;
    const v = new DataView(ts.buffer);
    const sec = Number(v.getBigInt64(0, true));
    const nsec = Number(v.getBigInt64(8, true));
    if (nsec < 0 || nsec > 999_999_999 || sec < 0) return EINVAL;
    timeoutNs = sec * 1e9 + nsec;
  }
  return yield* sigwait(lwp, a[0], a[1], timeoutNs);
}

export const sigSyscalls: SyscallImpls = {
  sigaction: { try: trySigaction, block: blockOf(trySigaction) },
  sigprocmask: { try: trySigprocmask, block: blockOf(trySigprocmask) },
  sigsuspend: { block: sysSigsuspend },
  sigpending: { try: trySigpending, block: blockOf(trySigpending) },
  sigaltstack: { try: trySigaltstack, block: blockOf(trySigaltstack) },
  sigreturn: sysSigreturn,
  // Full: the frame of a signal to the caller itself then needs no second trap.
  kill: { try: tryKill, full: true },
  lwp_kill: { try: tryLwpKill },
  sigtimedwait: { block: sysSigtimedwait },
  sigwaitinfo: { block: (lwp, a) => sigwait(lwp, a[0], a[1], Infinity) },
};

export { SIGCHLD, lwpNotify, pgsignal };
