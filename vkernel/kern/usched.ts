/**
 * User scheduler: which lwp gets a virtual CPU.
 *
 * There are `-n` virtual CPUs; an lwp needs one to run guest code. It keeps it over short stays in the kernel and gives it up
 * (uschedRelease) before it sleeps. Lwps that want one wait in a queue ordered by virtual run time: time on a CPU, divided by a weight of
 * nice. So CPU hogs share by weight, and a lwp that sleeps a lot goes first when it wakes. Time slices are 10 ms and are only enforced
 * while somebody waits: no timer runs otherwise.
 *
 * Life of an lwp: uschedReturn (wants to run) -> goUser() -> trap: uschedTrap -> uschedReturn or uschedRelease ... -> uschedExit.
 * goUser() may be called from inside uschedReturn, or later from another lwp's uschedRelease or uschedReturn.
 *
 * Where DragonFly's usched_dfly has queues per CPU with estcpu and migrations, there is one queue here: JavaScript runs one at a time anyway.
 * Counterpart: sys/kern/usched_bsd4.c, usched_dfly.c
 */
import { gd } from '../sys/globaldata.js';
import { Heap, type HeapItem } from '../sys/heap.js';
import { KASSERT } from './kern_shutdown.js';
import type { LwktThread } from './lwkt_thread.js';
import { Callout, calloutResetAt, calloutStop } from './kern_timeout.js';

declare module '../sys/globaldata.js' {
  interface GlobalData {
    usched: UschedGlobal;
  }
}

export const USCHED_SLICE_NS = 10_000_000;
/** A waking lwp takes the CPU from a running one that is ahead of it by more than this much virtual run time. */
const WAKE_PREEMPT_NS = 2_000_000;
/**
 * That long the running lwp has to come into the kernel by itself. Interrupting it costs some 12 us, and who wakes others
 * mostly traps again soon: two processes that talk through pipes would pay for it with every message.
 */
const WAKE_GRACE_NS = 100_000;
/** A sleeper may be at most this far behind the others when it comes back: its bonus. */
const SLEEP_BONUS_NS = 2 * USCHED_SLICE_NS;
/** One trap of this many is timed for the user/system split. */
const SAMPLE = 8;

const LOAD_STEP_NS = 5e9;
const LOAD_PERIODS_NS = [60e9, 300e9, 900e9];

/** Scheduling classes, RTP_PRIO_*: realtime before normal before idle. */
export const RTP_PRIO_REALTIME = 0;
export const RTP_PRIO_NORMAL = 1;
export const RTP_PRIO_IDLE = 2;

export interface UschedLwp {
  readonly us: UschedState;
  /** Run guest code now; a virtual CPU has been assigned. */
  goUser(): void;
  /** Get it out of guest code soon (a trap follows, then uschedReturn); nothing when it is in the kernel. */
  preemptUser(): void;
}

export class UschedState implements HeapItem {
  heapIdx = -1;
  /** Virtual CPU held, or -1. */
  vcpu = -1;
  /** The virtual CPU held last: preferred. */
  lastVcpu = -1;
  /** Must give way at its next return to user mode. */
  resched = false;
  /** -20..20. */
  nice = 0;
  /** RTP_PRIO_* class and, within it, priority (lower first; only for realtime and idle). */
  rtpClass = RTP_PRIO_NORMAL;
  rtpPrio = 0;
  /** Virtual run time, ns. */
  vruntime = 0;
  seq = 0;
  /** machine.now() when the virtual CPU was got, or when run time was last charged. */
  chargedNs = 0;
  sliceStartNs = 0;
  /** Time holding a virtual CPU. */
  cpuNs = 0;
  /** Part of cpuNs spent in the kernel (sampled). */
  kernNs = 0;
  /** When the trap being timed began, or -1. */
  trapNs = -1;
  /** The lwp's LWKT thread, whose time is system time. */
  td: LwktThread | null = null;
  nvcsw = 0;
  nivcsw = 0;
  lwp: UschedLwp | null = null;

  /** User time until the last charge, ns. Call uschedCharge first for an up to date figure. */
  get uticksNs(): number {
    return Math.max(0, this.cpuNs - this.kernNs);
  }
  /** System time, likewise. */
  get sticksNs(): number {
    return Math.min(this.kernNs, this.cpuNs) + (this.td === null ? 0 : this.td.cpuNs);
  }
}

/** Weight by nice: each step is a quarter, so nice 20 gets about 1% beside nice 0. */
const invWeight = new Float64Array(41);
for (let n = -20; n <= 20; n++) invWeight[n + 20] = 1.25 ** n;

export class UschedGlobal {
  /** What runs on each virtual CPU. */
  readonly running: (UschedLwp | null)[];
  readonly slices: Callout[];
  readonly queue = new Heap<UschedState>(
    (x, y) =>
      x.rtpClass < y.rtpClass ||
      (x.rtpClass === y.rtpClass &&
        (x.rtpPrio < y.rtpPrio ||
          (x.rtpPrio === y.rtpPrio && (x.vruntime < y.vruntime || (x.vruntime === y.vruntime && x.seq < y.seq))))),
  );
  /** Virtual CPUs in use. */
  nrunning = 0;
  seq = 0;
  /** Never falls: where newcomers and sleepers start. */
  minVruntime = 0;
  traps = 0;
  /** Totals for kern.cp_time, ns. */
  userNs = 0;
  niceNs = 0;
  sysNs = 0;
  /** Integral of the number of runnable lwps over time, for the load averages. */
  runnableIntegral = 0;
  integralNs = 0;
  /** Load averages over 1, 5 and 15 minutes, up to loadNs. */
  readonly avenrun = [0, 0, 0];
  loadNs = 0;
  loadIntegral = 0;

  constructor(readonly ncpus: number) {
    this.running = new Array<UschedLwp | null>(ncpus).fill(null);
    this.slices = this.running.map((_, i) => new Callout(() => sliceEnd(i)));
  }
}

export function uschedInit(ncpus: number): void {
  gd.usched = new UschedGlobal(ncpus);
}

/** Make `l` known: a fresh lwp starts beside the others, a forked one inherits its parent's nice (copied by the caller). */
export function uschedNew(l: UschedLwp): void {
  l.us.lwp = l;
  l.us.vruntime = gd.usched.minVruntime;
}

/** Note the runnable count until now. Called before each change of it. */
function integrate(u: UschedGlobal, now: number): void {
  // The mean of at most five seconds goes into the averages at a time, and then the long time without a change.
  if (now - u.loadNs > LOAD_STEP_NS) decayLoad(u, u.integralNs);
  u.runnableIntegral += (u.nrunning + u.queue.size) * (now - u.integralNs);
  u.integralNs = now;
  if (now - u.loadNs > LOAD_STEP_NS) decayLoad(u, now);
}

function decayLoad(u: UschedGlobal, now: number): void {
  const dt = now - u.loadNs;
  if (dt <= 0) return;
  const mean = (u.runnableIntegral - u.loadIntegral) / dt;
  for (let i = 0; i < 3; i++) {
    const keep = Math.exp(-dt / LOAD_PERIODS_NS[i]);
    u.avenrun[i] = u.avenrun[i] * keep + mean * (1 - keep);
  }
  u.loadNs = now;
  u.loadIntegral = u.runnableIntegral;
}

/** The load averages over 1, 5 and 15 minutes, up to now. No timer is needed: between changes the count is known. */
export function loadAverages(): readonly number[] {
  const u = gd.usched;
  const now = gd.machine.now();
  integrate(u, now);
  decayLoad(u, now);
  return u.avenrun;
}

/** Charge a running lwp for its time until `now`. */
function charge(u: UschedGlobal, us: UschedState, now: number): void {
  const dt = now - us.chargedNs;
  if (dt <= 0) return;
  us.chargedNs = now;
  us.cpuNs += dt;
  us.vruntime += dt * invWeight[us.nice + 20];
  if (us.nice > 0) u.niceNs += dt;
  else u.userNs += dt;
}

/** Bring cpu times up to date (getrusage, clock_gettime of cpu clocks). */
export function uschedCharge(l: UschedLwp): void {
  if (l.us.vcpu >= 0) charge(gd.usched, l.us, gd.machine.now());
}

/** First thing at each trap: samples how much of the time on the CPU is kernel time. */
export function uschedTrap(l: UschedLwp): void {
  if (++gd.usched.traps % SAMPLE === 0) l.us.trapNs = gd.machine.now();
}

function endTrap(u: UschedGlobal, us: UschedState, now: number): void {
  const ns = (now - us.trapNs) * SAMPLE;
  us.trapNs = -1;
  us.kernNs += ns;
  u.sysNs += ns;
  if (us.nice > 0) u.niceNs -= ns;
  else u.userNs -= ns;
}

/** `l` may run user code: at once if it holds or gets a virtual CPU, else it waits for one. */
export function uschedReturn(l: UschedLwp): void {
  const us = l.us;
  const u = gd.usched;
  if (us.trapNs >= 0) endTrap(u, us, gd.machine.now());
  if (us.vcpu >= 0 && !us.resched) {
    l.goUser();
    return;
  }
  us.lwp = l;
  if (us.vcpu >= 0) {
    us.resched = false;
    const next = u.queue.top();
    if (next === null) {
      l.goUser();
      return;
    }
    const now = gd.machine.now();
    integrate(u, now);
    const cpu = us.vcpu;
    us.nivcsw++;
    vacate(u, us, now);
    enqueue(u, us);
    fill(u, cpu, now);
    return;
  }
  if (us.heapIdx >= 0) return;
  const now = gd.machine.now();
  integrate(u, now);
  if (us.vruntime < u.minVruntime - SLEEP_BONUS_NS) us.vruntime = u.minVruntime - SLEEP_BONUS_NS;
  if (u.nrunning < u.ncpus) {
    let cpu = us.lastVcpu;
    if (cpu < 0 || u.running[cpu] !== null) cpu = u.running.indexOf(null);
    occupy(u, l, cpu, now);
    return;
  }
  enqueue(u, us);
  preemptFor(u, us, now);
  armSlices(u);
}

/** Give the virtual CPU up (about to sleep, stop or exit), or leave the queue; the next in the queue runs. */
export function uschedRelease(l: UschedLwp): void {
  const us = l.us;
  const u = gd.usched;
  if (us.vcpu < 0) {
    if (us.heapIdx >= 0) {
      integrate(u, gd.machine.now());
      u.queue.remove(us);
    }
    return;
  }
  const now = gd.machine.now();
  if (us.trapNs >= 0) endTrap(u, us, now);
  integrate(u, now);
  const cpu = us.vcpu;
  us.nvcsw++;
  vacate(u, us, now);
  fill(u, cpu, now);
}

/** sched_yield: let all who wait now go first. Takes effect at uschedReturn. */
export function uschedYield(l: UschedLwp): void {
  const us = l.us;
  const next = gd.usched.queue.top();
  if (us.vcpu < 0 || next === null) return;
  charge(gd.usched, us, gd.machine.now());
  for (const w of gd.usched.queue.items()) if (w.vruntime > us.vruntime) us.vruntime = w.vruntime;
  us.resched = true;
}

export function uschedExit(l: UschedLwp): void {
  uschedRelease(l);
  l.us.lwp = null;
}

/** Change nice (-20..20). */
export function uschedSetNice(l: UschedLwp, nice: number): void {
  uschedCharge(l);
  l.us.nice = Math.max(-20, Math.min(20, nice));
}

/** Number of lwps that run or wait for a virtual CPU. */
export function uschedRunnable(): number {
  return gd.usched.nrunning + gd.usched.queue.size;
}

function enqueue(u: UschedGlobal, us: UschedState): void {
  us.seq = u.seq++;
  u.queue.insert(us);
}

function vacate(u: UschedGlobal, us: UschedState, now: number): void {
  charge(u, us, now);
  if (us.vruntime > u.minVruntime && u.queue.size === 0) u.minVruntime = us.vruntime;
  us.resched = false;
  us.lastVcpu = us.vcpu;
  u.running[us.vcpu] = null;
  u.nrunning--;
  calloutStop(u.slices[us.vcpu]);
  us.vcpu = -1;
}

function fill(u: UschedGlobal, cpu: number, now: number): void {
  const us = u.queue.top();
  if (us === null) return;
  u.queue.remove(us);
  if (us.vruntime > u.minVruntime) u.minVruntime = us.vruntime;
  KASSERT(us.lwp !== null, 'usched: queued lwp has gone');
  occupy(u, us.lwp, cpu, now);
}

function occupy(u: UschedGlobal, l: UschedLwp, cpu: number, now: number): void {
  const us = l.us;
  us.vcpu = cpu;
  us.resched = false;
  us.chargedNs = now;
  us.sliceStartNs = now;
  u.running[cpu] = l;
  u.nrunning++;
  if (u.queue.size > 0) calloutResetAt(u.slices[cpu], now + USCHED_SLICE_NS);
  l.goUser();
}

/** Somebody waits: from now on slices end. */
function armSlices(u: UschedGlobal): void {
  for (let i = 0; i < u.ncpus; i++) {
    const l = u.running[i];
    if (l !== null && !l.us.resched && !u.slices[i].active)
      calloutResetAt(u.slices[i], l.us.sliceStartNs + USCHED_SLICE_NS);
  }
}

function sliceEnd(cpu: number): void {
  const u = gd.usched;
  const l = u.running[cpu];
  if (l === null || u.queue.size === 0) return;
  const top = u.queue.top() as UschedState;
  const now = gd.machine.now();
  charge(u, l.us, now);
  // Only a lower class waits, or lwps that have had more than their share: go on for another slice.
  if (top.rtpClass > l.us.rtpClass || (top.rtpClass === l.us.rtpClass && top.vruntime > l.us.vruntime)) {
    l.us.sliceStartNs = now;
    calloutResetAt(u.slices[cpu], now + USCHED_SLICE_NS);
    return;
  }
  l.us.resched = true;
  l.preemptUser();
}

/** `us` has just begun to wait: take the CPU from the running lwp that is furthest ahead, if it is far enough. */
function preemptFor(u: UschedGlobal, us: UschedState, now: number): void {
  let victim: UschedLwp | null = null;
  for (const l of u.running) {
    if (l === null || l.us.resched) continue;
    charge(u, l.us, now);
    const ahead =
      l.us.rtpClass > us.rtpClass || (l.us.rtpClass === us.rtpClass && l.us.vruntime - us.vruntime > WAKE_PREEMPT_NS);
    if (!ahead) continue;
    if (
      victim === null ||
      l.us.rtpClass > victim.us.rtpClass ||
      (l.us.rtpClass === victim.us.rtpClass && l.us.vruntime > victim.us.vruntime)
    )
      victim = l;
  }
  if (victim === null) return;
  victim.us.resched = true;
  if (us.rtpClass < victim.us.rtpClass) victim.preemptUser();
  else
    calloutResetAt(u.slices[victim.us.vcpu], Math.min(now + WAKE_GRACE_NS, victim.us.sliceStartNs + USCHED_SLICE_NS));
}
