/**
 * fork, vfork, rfork and lwp_create: new processes and threads.
 * Semantics: dragonfly-abi.md 7.1, 7.2. All need a full frame, since the child starts with a copy of it.
 *
 * Counterpart: sys/kern/kern_fork.c
 */
import { Reg, Resume } from '../machine/machine.js';
import type { Blocking } from '../sys/blocking.js';
import { EAGAIN, EFAULT, EINVAL, Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import { SIGUSR1 } from '../sys/signal.js';
import type { SyscallImpls } from '../sys/syscall.js';
import { copyinB, suword32B, suword64B } from '../vm/vm_user.js';
import { type Vmspace, vmspaceFork, vmspaceFree, vmspaceRef } from '../vm/vmspace.js';
import type { FileDesc } from './file.js';
import { fdcopy, fdfree, fdinit, fdshare } from './kern_descrip.js';
import { ktraceFork } from './kern_ktrace.js';
import { lwpSigCheck } from './kern_sig.js';
import { umtxWakeAll } from './kern_umtx.js';
import { lwktCreate, TDPRI_KERN_USER, tsleep } from './lwkt_thread.js';
import { cacheHold } from '../vfs/namecache.js';
import {
  childAdd,
  Lwp,
  LwpWork,
  P_CONTROLT,
  P_PPWAIT,
  P_SUGID,
  Proc,
  procNewPid,
  procNewTid,
  reaperOf,
} from './proc.js';
import { lwpMain } from './trap.js';
import { uschedNew, uschedSetNice } from './usched.js';

const RFFDG = 0x4;
const RFPROC = 0x10;
const RFMEM = 0x20;
const RFNOWAIT = 0x40;
const RFCFDG = 0x1000;
const RFSIGSHARE = 0x4000;
const RFPPWAIT = 0x80000000 | 0;
const RFLINUXTHPN = 0x10000;
const RLIMIT_NPROC = 7;

/**
 * Add a thread to `p` on a new machine thread of its vmspace, with a full, empty frame and its LWKT thread waiting.
 * @returns EAGAIN when the machine has no thread left.
 */
export function lwpCreate(p: Proc, tid: number): Lwp | Errno {
  const mach = p.vm.mach.newLwp();
  if (mach instanceof Errno) return mach;
  const lwp = new Lwp(p, tid, mach);
  p.lwps.set(tid, lwp);
  p.lastTid = Math.max(p.lastTid, tid);
  gd.lwpByMach[mach.id] = lwp;
  lwp.td = lwktCreate(() => lwpMain(lwp), p.comm, TDPRI_KERN_USER);
  return lwp;
}

/** Start `lwp` in user mode with the frame it has. */
export function lwpStart(lwp: Lwp): void {
  lwp.us.td = lwp.td;
  lwp.td.sigCheck = () => lwpSigCheck(lwp);
  lwp.resumeHow = Resume.RUN;
  lwp.work = LwpWork.USERRET;
}

/** Copy registers, FPU state and segment bases from one stopped thread to another. */
function copyContext(from: Lwp, to: Lwp): void {
  to.mach.frame.set(from.mach.frame);
  to.mach.fpu.set(from.mach.fpu.subarray(0, to.mach.fpu.length));
  to.mach.fsBase = from.mach.fsBase;
  to.mach.gsBase = from.mach.gsBase;
}

function setResult2(lwp: Lwp, rax: number, rdx: number): void {
  const f = lwp.mach.frame;
  f[Reg.RAX * 2] = rax;
  f[Reg.RAX * 2 + 1] = 0;
  f[Reg.RDX * 2] = rdx;
  f[Reg.RDX * 2 + 1] = 0;
  f[Reg.RFLAGS * 2] &= ~1;
}

function forkVm(p: Proc, flags: number): Vmspace | Errno {
  if ((flags & RFMEM) === 0) return vmspaceFork(p.vm);
  vmspaceRef(p.vm);
  return p.vm;
}

/** A table without descriptors, in the same directories. */
function emptyFd(p: Proc): FileDesc {
  const fd = fdinit(p.fd.root);
  fd.cwd = cacheHold(p.fd.cwd);
  fd.cmask = p.fd.cmask;
  return fd;
}

function forkFd(p: Proc, flags: number): FileDesc {
  if ((flags & RFCFDG) !== 0) return emptyFd(p);
  return (flags & RFFDG) !== 0 ? fdcopy(p) : fdshare(p);
}

/** May `p` have one more process? EAGAIN. */
function forkAllowed(p: Proc): Errno | null {
  const mine = gd.uidProcs?.(p.cred.ruid, 0) ?? 0;
  if (gd.allproc.size >= gd.maxproc - (p.cred.ruid === 0 ? 0 : 10)) return EAGAIN;
  return p.cred.ruid !== 0 && mine >= p.limits.cur[RLIMIT_NPROC] ? EAGAIN : null;
}

/** A child of `p` that inherits all but threads and descriptors. O(1), whatever the number of processes. */
export function newChild(p: Proc, vm: Vmspace, fd: FileDesc, flags: number): Proc | Errno {
  const pid = procNewPid();
  if (pid < 0) return EAGAIN;
  const shareSigs = (flags & RFSIGSHARE) !== 0;
  const c = new Proc(pid, p.pgrp, p.cred, vm, fd, p.limits, shareSigs ? p.sigacts : p.sigacts.copy());
  if (shareSigs) c.sigacts.refs++;
  c.comm = p.comm;
  c.flags = p.flags & (P_CONTROLT | P_SUGID);
  c.args = p.args;
  c.execPath = p.execPath;
  c.nice = p.nice;
  ktraceFork(p, c);
  c.reaper = p.reaper;
  c.ionice = p.ionice;
  if (p.varsyms !== null) c.varsyms = new Map(p.varsyms);
  if ((flags & RFLINUXTHPN) !== 0) c.exitSignal = SIGUSR1;
  return c;
}

/** The child becomes visible. */
export function procInsert(c: Proc, parent: Proc): void {
  childAdd(parent, c);
  c.pgrp.members.add(c);
  gd.allproc.set(c.pid, c);
  gd.uidProcs?.(c.cred.ruid, 1);
}

/** Create the child process. It is complete but not started. */
function fork1(lwp: Lwp, flags: number): Proc | Errno {
  const p = lwp.proc;
  const no = forkAllowed(p);
  if (no !== null) return no;
  const vm = forkVm(p, flags);
  if (vm instanceof Errno) return vm;
  const c = newChild(p, vm, p.fd, flags);
  if (c instanceof Errno) {
    vmspaceFree(vm);
    return c;
  }
  const child = lwpCreate(c, lwp.tid);
  if (child instanceof Errno) {
    if ((flags & RFSIGSHARE) !== 0) c.sigacts.refs--;
    vmspaceFree(vm);
    return child;
  }
  copyContext(lwp, child);
  setResult2(child, 0, 1);
  child.sigmask.set(lwp.sigmask);
  if ((flags & RFMEM) === 0 || (flags & RFPPWAIT) !== 0) {
    child.sigstkSp = lwp.sigstkSp;
    child.sigstkSize = lwp.sigstkSize;
    child.sigstkDisabled = lwp.sigstkDisabled;
    child.onSigstk = lwp.onSigstk;
  }
  c.fd = forkFd(p, flags);
  procInsert(c, (flags & RFNOWAIT) !== 0 ? (reaperOf(p) ?? p) : p);
  uschedNew(child);
  uschedSetNice(child, p.nice);
  child.us.rtpClass = lwp.us.rtpClass;
  child.us.rtpPrio = lwp.us.rtpPrio;
  gd.forkHook?.(p, c);
  if (p.lwps.size > 1 && (flags & RFMEM) === 0) umtxWakeAll(p);
  lwpStart(child);
  return c;
}

function* doFork(lwp: Lwp, flags: number): Blocking<number | Errno> {
  if (lwp.ast) {
    // A pending signal makes fork restart before anything happens.
    const e = lwpSigCheck(lwp);
    if (e !== null) return e;
  }
  const c = fork1(lwp, flags);
  if (c instanceof Errno) {
    if (c === EAGAIN) yield* tsleep(gd.forkq, 'fork', 0, 500e6);
    return c;
  }
  const pid = c.pid;
  if ((flags & RFPPWAIT) !== 0) {
    c.flags |= P_PPWAIT;
    while ((c.flags & P_PPWAIT) !== 0) yield* tsleep(c.vforkq, 'ppwait');
  }
  lwp.retval1 = 0;
  return pid;
}

function* sysRfork(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const flags = a[0] | 0;
  if ((flags & 0xc0000000) !== 0) return EINVAL;
  if ((flags & (RFFDG | RFCFDG)) === (RFFDG | RFCFDG)) return EINVAL;
  if ((flags & RFPROC) === 0) {
    const p = lwp.proc;
    if (p.lwps.size > 1 || (flags & RFMEM) !== 0) return EINVAL;
    if ((flags & (RFFDG | RFCFDG)) === 0) return 0;
    const fd = forkFd(p, flags);
    yield* fdfree(p);
    p.fd = fd;
    return 0;
  }
  return yield* doFork(lwp, flags);
}

/** lwp_create(params) and lwp_create2(params, mask). */
function* sysLwpCreate(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const p = lwp.proc;
  const buf = new Uint8Array(40);
  const e = yield* copyinB(p.vm, a[0], buf, 0, 40);
  if (e !== null) return e;
  const v = new DataView(buf.buffer);
  const word = (o: number): number => v.getUint32(o + 4, true) * 0x1_0000_0000 + v.getUint32(o, true);
  const stack = word(16) - 8;
  if ((yield* suword64B(p.vm, stack, 0)) !== null) return EFAULT;
  if (p.lwps.size >= gd.maxlwps) return EAGAIN;
  const tid = procNewTid(p);
  for (const at of [word(24), word(32)]) if (at !== 0 && (yield* suword32B(p.vm, at, tid)) !== null) return EFAULT;
  const n = lwpCreate(p, tid);
  if (n instanceof Errno) return n;
  copyContext(lwp, n);
  const f = n.mach.frame;
  for (const [reg, o] of [
    [Reg.RIP, 0],
    [Reg.RDI, 8],
  ] as const) {
    f[reg * 2] = v.getUint32(o, true);
    f[reg * 2 + 1] = v.getUint32(o + 4, true);
  }
  f[Reg.RSP * 2] = stack % 0x1_0000_0000;
  f[Reg.RSP * 2 + 1] = stack / 0x1_0000_0000;
  n.sigmask.set(lwp.sigmask);
  uschedNew(n);
  uschedSetNice(n, p.nice);
  n.us.rtpClass = lwp.us.rtpClass;
  n.us.rtpPrio = lwp.us.rtpPrio;
  lwpStart(n);
  return 0;
}

export const forkSyscalls: SyscallImpls = {
  fork: { block: (lwp) => doFork(lwp, RFFDG | RFPROC), full: true },
  vfork: { block: (lwp) => doFork(lwp, RFFDG | RFPROC | RFPPWAIT | RFMEM), full: true },
  rfork: { block: sysRfork, full: true },
  lwp_create: { block: sysLwpCreate, full: true },
  lwp_create2: { block: sysLwpCreate, full: true },
};

declare module '../sys/globaldata.js' {
  interface GlobalData {
    /** Nobody wakes this: fork failures sleep here for their half second. */
    forkq: import('./lwkt_thread.js').WaitQ;
    /** Most lwps a process may have. */
    maxlwps: number;
    /** kqueue NOTE_FORK and NOTE_TRACK. */
    forkHook: ((parent: Proc, child: Proc) => void) | null;
  }
}
