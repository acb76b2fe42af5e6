/**
 * Processes, their threads (lwps), process groups, sessions and credentials.
 *
 * A Proc owns an address space, a descriptor table and one or more Lwps. Each Lwp has an LWKT thread, on which system
 * calls that sleep run, and a machine thread, in which its guest code runs.
 *
 * Counterpart: sys/sys/proc.h, sys/sys/ucred.h
 */
import type { MachLwp } from '../machine/machine.js';
import type { Vmspace } from '../vm/vmspace.js';
import type { FileDesc } from './file.js';
import { type LwktThread, WaitQ } from './lwkt_thread.js';
import type { UschedState } from './usched.js';

/** Credentials; never changed in place once shared: copy, change, replace. */
export class Ucred {
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
    return new Ucred(this.uid, this.ruid, this.svuid, this.groups.slice(), this.rgid, this.svgid);
  }
  /** True when `gid` is the effective group or a supplementary one. */
  isMember(gid: number): boolean {
    return this.groups.includes(gid);
  }
}

/** 128 signals in four u32 words; signal n is bit (n-1)%32 of word (n-1)/32 (dragonfly-abi.md 3.3). */
export type SigSet = Uint32Array;

/** A terminal as sessions know it; tty.ts implements it. */
export interface SessionTty {
  pgrp: Pgrp | null;
  session: Session | null;
  /** Device number, for kinfo_proc and ps. */
  readonly rdev: number;
}

export class Session {
  tty: SessionTty | null = null;
  login = 'root';
  refs = 0;
  constructor(
    readonly sid: number,
    public leader: Proc | null,
  ) {}
}

export class Pgrp {
  readonly members = new Set<Proc>();
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
export const P_WEXIT = 0x02000;
export const P_INEXEC = 0x4000000;

/** What a signal does in a process: one slot a signal, shared by rfork(RFSIGSHARE). */
export class SigActs {
  refs = 1;
  /** Handler address by signal number; 0 default, 1 ignore. */
  readonly handler = new Float64Array(129);
  readonly flags = new Int32Array(129);
  /** Mask words by signal number times 4. */
  readonly mask = new Uint32Array(129 * 4);
}

/** Resource use of a process or of its dead children, in DragonFly's rusage terms. */
export interface Rusage {
  utimeNs: number;
  stimeNs: number;
  maxrssKb: number;
  minflt: number;
  majflt: number;
  inblock: number;
  oublock: number;
  nsignals: number;
  nvcsw: number;
  nivcsw: number;
}

export interface Proc {
  readonly pid: number;
  state: ProcState;
  flags: number;
  parent: Proc | null;
  readonly children: Set<Proc>;
  pgrp: Pgrp;
  cred: Ucred;
  vm: Vmspace;
  fd: FileDesc;
  /** Soft and hard limits by RLIMIT_*; Infinity is RLIM_INFINITY. */
  limits: { cur: Float64Array; max: Float64Array };
  sigacts: SigActs;
  /** Signals pending on the process. */
  readonly siglist: SigSet;
  readonly lwps: Map<number, Lwp>;
  /** Last path component of the program, at most 16 bytes. */
  comm: string;
  /** Arguments, NUL separated, for kern.proc.args. */
  args: Uint8Array;
  /** Path of the program, for kern.proc.pathname; '' when unknown. */
  execPath: string;
  nice: number;
  /** Wait status (dragonfly-abi.md 4.7), valid for a zombie. */
  xstat: number;
  readonly ru: Rusage;
  readonly cru: Rusage;
  /** gd.machine.now() at creation. */
  readonly startNs: number;
  /** kqueue EVFILT_PROC knotes. */
  klist: object | null;
  /** Tracing by --strace or sysctl: system calls of this process are printed. */
  traced: boolean;
}

export interface Lwp {
  readonly tid: number;
  readonly proc: Proc;
  readonly td: LwktThread;
  /** The machine thread; null once released. */
  mach: MachLwp;
  /** Arguments of the current system call, cut to their kinds. */
  readonly args: Float64Array;
  /** Second result (rdx) of the current system call, or -1 to leave rdx alone. */
  retval1: number;
  readonly siglist: SigSet;
  readonly sigmask: SigSet;
  /** Mask to restore after sigsuspend, pselect, ppoll; null when sigmask is the true one. */
  oldSigmask: SigSet | null;
  readonly us: UschedState;
}

export { WaitQ };
