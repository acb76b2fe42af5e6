/**
 * Processes, their threads (lwps), process groups, sessions and credentials.
 *
 * A Proc owns an address space, a descriptor table and one or more Lwps. Each Lwp has an LWKT thread, on which system
 * calls that sleep run, and a machine thread, in which its guest code runs. An Lwp is in one of three places: running
 * guest code (mach.running), handled synchronously in onTrap, or on its LWKT thread (trap.ts).
 *
 * Counterpart: sys/sys/proc.h, sys/sys/ucred.h, sys/kern/kern_proc.c
 */
import { type MachLwp, Resume } from '../machine/machine.js';
import type { Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import type { Vmspace } from '../vm/vmspace.js';
import type { FileDesc } from './file.js';
import type { Prison } from './kern_jail.js';
import type { Ktrace } from './kern_ktrace.js';
import type { VarsymSet } from './kern_varsym.js';
import { Link, LinkedList, PidTable } from './proc_lists.js';
import { type LwktThread, WaitQ } from './lwkt_thread.js';
import { UschedState } from './usched.js';

/** Credentials; never changed in place once shared: copy, change, replace. */
export class Ucred {
  /** The jail it is in (kern_jail.ts). */
  prison: Prison | null = null;
  constructor(
    public uid: number,
    public ruid: number,
    public svuid: number,
    /** groups[0] is the effective gid. */
    public groups: number[],
    public rgid: number,
    public svgid: number,
  ) {}
  get gid(): number {
    return this.groups[0];
  }
  copy(): Ucred {
    const c = new Ucred(this.uid, this.ruid, this.svuid, this.groups.slice(), this.rgid, this.svgid);
    c.prison = this.prison;
    return c;
  }
  /** True when `gid` is the effective group or a supplementary one. */
  isMember(gid: number): boolean {
    return this.groups.includes(gid);
  }
}

/** The super-user, in a jail or not. */
export const credIsSuper = (c: Ucred): boolean => c.uid === 0;
/** The super-user of the whole system. */
export const credIsHostSuper = (c: Ucred): boolean => c.uid === 0 && c.prison === null;

/** 128 signals in four u32 words; signal n is bit (n-1)%32 of word (n-1)/32 (dragonfly-abi.md 3.3). */
export type SigSet = Uint32Array;

/** A terminal as sessions know it; tty.ts implements it. */
export interface SessionTty {
  pgrp: Pgrp | null;
  session: Session | null;
  /** Device number, for kinfo_proc and ps. */
  readonly rdev: number;
  /** The session's leader is gone. */
  hangup?(): void;
}

export class Session {
  tty: SessionTty | null = null;
  login = 'root';
  constructor(
    readonly sid: number,
    public leader: Proc | null,
  ) {}
}

const memberLink = (p: Proc): Link<Proc> => p.inGroup;
const childLink = (p: Proc): Link<Proc> => p.inParent;
const zombieLink = (p: Proc): Link<Proc> => p.inZombies;

export class Pgrp {
  readonly members = new LinkedList<Proc>(memberLink);
  constructor(
    readonly id: number,
    readonly session: Session,
  ) {}
}

export const enum ProcState {
  IDLE = 1,
  ACTIVE = 2,
  STOP = 3,
  ZOMB = 4,
  CORE = 5,
}

/** p.flags */
export const P_CONTROLT = 0x00002;
export const P_PPWAIT = 0x00010;
export const P_SUGID = 0x00100;
/** A stop has not been reported by wait yet. */
export const P_STOPWAIT = 0x00200;
/** A continuation has not been reported by wait yet. */
export const P_CONTWAIT = 0x00400;
/** Its parent traces it by ptrace. */
export const P_TRACED = 0x00800;
export const P_WEXIT = 0x02000;
export const P_INEXEC = 0x4000000;

/** The 4 KB of SigActs. Processes share one after fork until either changes it: a million of them must fit. */
class SigTable {
  /** More than one SigActs may have it: copy before writing. */
  shared = false;
  readonly handler = new Float64Array(129);
  readonly flags = new Int32Array(129);
  readonly mask = new Uint32Array(129 * 4);
}

/** What a signal does in a process: one slot a signal, shared by rfork(RFSIGSHARE). Call own() before writing. */
export class SigActs {
  refs = 1;
  private table: SigTable;

  constructor(table = new SigTable()) {
    this.table = table;
  }
  /** Handler address by signal number; 0 default, 1 ignore. */
  get handler(): Float64Array {
    return this.table.handler;
  }
  get flags(): Int32Array {
    return this.table.flags;
  }
  /** Mask words by signal number times 4. */
  get mask(): Uint32Array {
    return this.table.mask;
  }
  copy(): SigActs {
    this.table.shared = true;
    return new SigActs(this.table);
  }
  /** About to write. */
  own(): this {
    if (!this.table.shared) return this;
    const t = new SigTable();
    t.handler.set(this.table.handler);
    t.flags.set(this.table.flags);
    t.mask.set(this.table.mask);
    this.table = t;
    return this;
  }
}

/** Resource use of a process or of its dead children, in DragonFly's rusage terms. */
export class Rusage {
  utimeNs = 0;
  stimeNs = 0;
  maxrssKb = 0;
  minflt = 0;
  majflt = 0;
  inblock = 0;
  oublock = 0;
  nsignals = 0;
  nvcsw = 0;
  nivcsw = 0;

  add(o: Rusage): void {
    this.utimeNs += o.utimeNs;
    this.stimeNs += o.stimeNs;
    this.maxrssKb = Math.max(this.maxrssKb, o.maxrssKb);
    this.minflt += o.minflt;
    this.majflt += o.majflt;
    this.inblock += o.inblock;
    this.oublock += o.oublock;
    this.nsignals += o.nsignals;
    this.nvcsw += o.nvcsw;
    this.nivcsw += o.nivcsw;
  }
}

export const RLIM_NLIMITS = 12;

/** Soft and hard limits by RLIMIT_*; Infinity is RLIM_INFINITY. Shared after fork: copy before writing. */
export class Plimit {
  readonly cur = new Float64Array(RLIM_NLIMITS).fill(Infinity);
  readonly max = new Float64Array(RLIM_NLIMITS).fill(Infinity);

  copy(): Plimit {
    const l = new Plimit();
    l.cur.set(this.cur);
    l.max.set(this.max);
    return l;
  }
}

/** Who takes over the orphans of a part of the process tree (procctl PROC_REAP_ACQUIRE); init's is null. */
export class Reaper {
  constructor(
    /** Null once it has released the role or is gone. */
    public proc: Proc | null,
    readonly outer: Reaper | null,
  ) {}
}

const NO_CHILDREN = new LinkedList<Proc>(childLink);
const NO_ZOMBIES = new LinkedList<Proc>(zombieLink);
const NOT_LINKED = new Link<Proc>();

/** Make `c` a child of `p`. */
export function childAdd(p: Proc, c: Proc): void {
  if (p.children === NO_CHILDREN) p.children = new LinkedList(childLink);
  p.children.add(c);
  c.parent = p;
  if (c.state === ProcState.ZOMB) childZombie(p, c);
}
/** `c`, a child of `p`, is a zombie now. */
export function childZombie(p: Proc, c: Proc): void {
  if (p.zombies === NO_ZOMBIES) p.zombies = new LinkedList(zombieLink);
  if (c.inZombies === NOT_LINKED) c.inZombies = new Link();
  p.zombies.add(c);
}
export function childRemove(p: Proc, c: Proc): void {
  p.children.delete(c);
  p.zombies.delete(c);
  c.parent = null;
}

export class Proc {
  state = ProcState.ACTIVE;
  flags = 0;
  parent: Proc | null = null;
  /** Live children and zombies; use childAdd and childRemove. */
  children = NO_CHILDREN;
  /** Those of `children` that are zombies. */
  zombies = NO_ZOMBIES;
  /** Its places in its group, among its parent's children, and among the zombies there. */
  readonly inGroup = new Link<Proc>();
  readonly inParent = new Link<Proc>();
  inZombies = NOT_LINKED;
  /** Where its orphans go. */
  reaper: Reaper | null = null;
  /** Signal for when the parent exits (procctl PDEATHSIG_CTL); 0 for none. */
  deathSig = 0;
  /** Signals pending on the process. */
  readonly siglist: SigSet = new Uint32Array(4);
  readonly lwps = new Map<number, Lwp>();
  lastTid = 0;
  /** Last path component of the program, at most 16 bytes. */
  comm = '';
  /** Arguments, NUL separated, for kern.proc.args. */
  args: Uint8Array = new Uint8Array(0);
  /** Path of the program, for kern.proc.pathname; '' when unknown. */
  execPath = '';
  nice = 0;
  ionice = 7;
  /** Variant symbols of its own; copied at fork. */
  varsyms: VarsymSet | null = null;
  /** Wait status (dragonfly-abi.md 4.7), valid for a zombie; the stop signal while stopped. */
  xstat = 0;
  readonly ru = new Rusage();
  /** Of its dead children; null until one has been waited for. */
  cruOrNull: Rusage | null = null;
  /** gd.machine.now() at creation. */
  readonly startNs = gd.machine.now();
  /** kqueue EVFILT_PROC and EVFILT_SIGNAL knotes. */
  klist: object | null = null;
  /** System calls of this process are traced: by --strace or sysctl, or by ktrace. */
  traced = false;
  /** ktrace(2) of it; `traced` is set too. */
  ktrace: Ktrace | null = null;
  /** Parents sleep here for children; so do exec and exit for their own other lwps. */
  readonly waitq = new WaitQ();
  /** Lwps of a stopped process sleep here. */
  readonly stopq = new WaitQ();
  /** A vfork parent sleeps here until the child execs or exits. */
  readonly vforkq = new WaitQ();
  /** The lwp that is execing or exiting the process; the others leave at their next return to user mode. */
  singleThreader: Lwp | null = null;
  /** Interval timers (kern_time.ts); null until first used. */
  itimers: object | null = null;
  /** Last signal sender, for siginfo. */
  sigPid = 0;
  sigUid = 0;
  /** The parent from before a tracer attached; 0 when there is none. */
  oppid = 0;
  /** It has traced, or a child has asked to be: wait must look at running children too. */
  isTracer = false;
  /** Signal sent to the parent at exit. */
  exitSignal = 20;
  lastCpu = 0;

  constructor(
    readonly pid: number,
    public pgrp: Pgrp,
    public cred: Ucred,
    public vm: Vmspace,
    public fd: FileDesc,
    public limits = new Plimit(),
    public sigacts = new SigActs(),
  ) {}

  get cru(): Rusage {
    return (this.cruOrNull ??= new Rusage());
  }

  /** Any live lwp; null for a zombie. */
  firstLwp(): Lwp | null {
    for (const l of this.lwps.values()) return l;
    return null;
  }
}

/** What an lwp's LWKT thread has to do next. */
export const enum LwpWork {
  NONE = 0,
  /** Run a system call's blocking version. */
  SYSCALL = 1,
  /** Resolve a page fault. */
  FAULT = 2,
  /** Deliver an exception as a signal. */
  EXCEPTION = 3,
  /** Look at signals, stops and the scheduler, then return to user mode. */
  USERRET = 4,
}

export class Lwp {
  /** The LWKT thread; set right after construction. */
  td: LwktThread = null as unknown as LwktThread;
  /** Arguments of the current system call, cut to their kinds. */
  readonly args = new Float64Array(8);
  /** Number of the current system call. */
  sysno = 0;
  /** Second result (rdx) of the current system call, or -1 to leave rdx alone. */
  retval1 = -1;
  readonly siglist: SigSet = new Uint32Array(4);
  readonly sigmask: SigSet = new Uint32Array(4);
  /** Mask to restore after sigsuspend, pselect, ppoll; null when sigmask is the true one. */
  oldSigmask: SigSet | null = null;
  /** Alternate signal stack. */
  sigstkSp = 0;
  sigstkSize = 0;
  sigstkDisabled = true;
  onSigstk = false;
  readonly us = new UschedState();
  work = LwpWork.NONE;
  /** Its LWKT thread sleeps here while it has nothing to do. */
  readonly workq = new WaitQ();
  /** Something (signal, stop, exit) wants a look before the next return to user mode. */
  ast = false;
  /** Signal, code and address of the last trap, for siginfo and mcontext. */
  trapCode = 0;
  trapAddr = 0;
  trapSig = 0;
  /** Name given by lwp_setname. */
  title = '';
  /** The signal taken last was pending on this thread, not on the process. */
  tookOwn = false;
  /** Gone: its LWKT thread must end. */
  exited = false;

  constructor(
    readonly proc: Proc,
    public tid: number,
    public mach: MachLwp,
  ) {}

  /** Called by usched when this lwp has a virtual CPU. */
  goUser(): void {
    const cpu = this.us.vcpu;
    const last = gd.lastOnVcpu[cpu];
    if (last !== this) {
      if (last !== null && last.mach !== null && !last.mach.running) last.mach.park();
      gd.lastOnVcpu[cpu] = this;
      this.proc.lastCpu = cpu;
    }
    // A signal or an exit that came while it waited for the CPU: no guest code before that has been looked at.
    if (this.ast && this.resumeHow === Resume.RUN) this.resumeHow = Resume.RETRAP;
    this.mach.resume(this.resumeHow);
    this.resumeHow = Resume.RUN;
  }
  /** How the next goUser resumes. */
  resumeHow: Resume = Resume.RUN;

  preemptUser(): void {
    this.mach.preempt();
  }
}

declare module '../sys/globaldata.js' {
  interface GlobalData {
    allproc: PidTable<Proc>;
    pgrps: PidTable<Pgrp>;
    initproc: Proc | null;
    lastPid: number;
    /** Highest process id; then they start again at 100. */
    pidMax: number;
    maxproc: number;
    /** Lwps by MachLwp.id. */
    lwpByMach: (Lwp | null)[];
    /** The lwp that last ran user code on each virtual CPU. */
    lastOnVcpu: (Lwp | null)[];
  }
}

export function procInit(maxproc: number): void {
  gd.allproc = new PidTable();
  gd.pgrps = new PidTable();
  gd.initproc = null;
  gd.lastPid = 0;
  gd.pidMax = Math.max(PID_MAX, maxproc * 4);
  gd.maxproc = maxproc;
  gd.lwpByMach = [];
  gd.lastOnVcpu = new Array<Lwp | null>(gd.machine.ncpus).fill(null);
}

/** Highest process id; with many processes there must be room to find a free one. */
const PID_MAX = 99999;

/** A pid no process, group or session uses; -1 when there is none. O(1) amortised. */
export function procNewPid(): number {
  for (let n = 0; n < gd.pidMax; n++) {
    gd.lastPid = gd.lastPid >= gd.pidMax ? 100 : gd.lastPid + 1;
    if (!gd.allproc.has(gd.lastPid) && !gd.pgrps.has(gd.lastPid)) return gd.lastPid;
  }
  return -1;
}

/** The process that takes over orphans of `p`: the nearest live reaper above it, else init. */
export function reaperOf(p: Proc): Proc | null {
  for (let r = p.reaper; r !== null; r = r.outer)
    if (r.proc !== null && r.proc !== p && (r.proc.flags & P_WEXIT) === 0) return r.proc;
  return gd.initproc;
}

/** The process with `pid`, zombies included. */
export const pfind = (pid: number): Proc | null => gd.allproc.get(pid) ?? null;
export const pgfind = (id: number): Pgrp | null => gd.pgrps.get(id) ?? null;

/** Move `p` into group `pg`, deleting its old group when that becomes empty. */
export function pgrpEnter(p: Proc, pg: Pgrp): void {
  const old = p.pgrp;
  if (old !== pg) pgrpLeave(p, old);
  pg.members.add(p);
  gd.pgrps.set(pg.id, pg);
  p.pgrp = pg;
}

/** Take `p` out of group `pg`; an empty group goes away, and a terminal forgets it. */
export function pgrpLeave(p: Proc, pg: Pgrp): void {
  pg.members.delete(p);
  if (pg.members.size > 0) return;
  gd.pgrps.delete(pg.id);
  const tty = pg.session.tty;
  if (tty !== null && tty.pgrp === pg) tty.pgrp = null;
}

/** True when no member of `pg` has a parent in the same session but another group (POSIX orphaned group). */
export function pgrpOrphaned(pg: Pgrp): boolean {
  for (const p of pg.members) {
    const pp = p.parent;
    if (p.state !== ProcState.ZOMB && pp !== null && pp.pgrp !== pg && pp.pgrp.session === pg.session) return false;
  }
  return true;
}

/** Next free thread id of `p`: last+1, skipping live ones. */
export function procNewTid(p: Proc): number {
  do p.lastTid = p.lastTid >= 0x3fffffff ? 1 : p.lastTid + 1;
  while (p.lwps.has(p.lastTid));
  return p.lastTid;
}

/** May `cred` act on a process with credentials `target` (signals, priorities)? */
export const credSeesSignal = (cred: Ucred, target: Ucred): boolean =>
  cred.uid === 0 ||
  cred.ruid === target.ruid ||
  cred.ruid === target.svuid ||
  cred.uid === target.ruid ||
  cred.uid === target.svuid;

export type { Errno };
