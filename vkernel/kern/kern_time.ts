/**
 * Clocks, sleeping and interval timers (dragonfly-abi.md 4.7, 7.7).
 *
 * Monotonic time is the machine's; wall time adds the machine's wall base and what settimeofday changed.
 *
 * Counterpart: sys/kern/kern_time.c
 */
import type { Blocking } from '../sys/blocking.js';
import { EINTR, EINVAL, EPERM, ERESTART, ESRCH, EWOULDBLOCK, Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import { SIGALRM, SIGPROF, SIGVTALRM } from '../sys/signal.js';
import type { SyscallImpls } from '../sys/syscall.js';
import { copyin, copyinB, copyout, copyoutB } from '../vm/vm_user.js';
import { psignal } from './kern_sig.js';
import { Callout, calloutReset, calloutStop } from './kern_timeout.js';
import { PCATCH, WaitQ, tsleep } from './lwkt_thread.js';
import { credIsHostSuper, type Lwp, type Proc, pfind } from './proc.js';
import { putDuration, putTime, userCall } from './sys_util.js';
import { uschedCharge } from './usched.js';

declare module '../sys/globaldata.js' {
  interface GlobalData {
    /** What settimeofday added to the wall clock, ns. */
    wallAdjustNs: bigint;
    /** What adjtime has still to add to it, and when the next step is. */
    adjLeftNs: number;
    adjTimer: Callout;
    /** Sleepers that only time or signals wake. */
    sleepq: WaitQ;
  }
}

export function timeInit(): void {
  gd.wallAdjustNs = 0n;
  gd.adjLeftNs = 0;
  gd.adjTimer = new Callout();
  gd.sleepq = new WaitQ();
}

/** Wall clock, ns since 1970. */
export const wallNs = (): bigint => gd.machine.wallBaseNs + gd.wallAdjustNs + BigInt(Math.floor(gd.machine.now()));
/** Wall clock at boot, ns since 1970 (kern.boottime). */
export const bootWallNs = (): bigint => gd.machine.wallBaseNs + gd.wallAdjustNs;

/** CPU time of a process so far, user or system, live threads included. */
export function procTimes(p: Proc): { user: number; sys: number } {
  let user = p.ru.utimeNs;
  let sys = p.ru.stimeNs;
  for (const l of p.lwps.values()) {
    uschedCharge(l);
    user += l.us.uticksNs;
    sys += l.us.sticksNs;
  }
  return { user, sys };
}

const out = new Uint8Array(32);
const outView = new DataView(out.buffer);

const isWall = (id: number): boolean => id === 0 || id === 9 || id === 10 || id === 13;
const isMono = (id: number): boolean => id === 4 || id === 5 || id === 7 || id === 8 || id === 11 || id === 12;

/** Nanoseconds of a non-wall clock, or null when there is no such clock. */
function clockNs(lwp: Lwp, id: number): number | null {
  if (isMono(id)) return gd.machine.now();
  switch (id) {
    case 1:
      return procTimes(lwp.proc).user;
    case 2:
    case 15: {
      const t = procTimes(lwp.proc);
      return t.user + t.sys;
    }
    case 14:
      uschedCharge(lwp);
      return lwp.us.uticksNs + lwp.us.sticksNs;
    default: {
      // CPU clock of getcpuclockid: (tid << 32) | pid | 0x80000000; tid 0 is the whole process.
      const low = id % 0x1_0000_0000;
      if (low < 0x80000000) return null;
      const p = pfind(low - 0x80000000);
      if (p === null) return null;
      const tid = Math.floor(id / 0x1_0000_0000);
      if (tid !== 0) {
        const l = p.lwps.get(tid);
        if (l === undefined) return null;
        uschedCharge(l);
        return l.us.uticksNs + l.us.sticksNs;
      }
      const t = procTimes(p);
      return t.user + t.sys;
    }
  }
}

const wallSplit = { sec: 0, nsec: 0, base: -1n, baseSec: 0, baseNs: 0 };

/** Wall clock as two numbers without BigInt on the hot path. */
function wallParts(): typeof wallSplit {
  const base = gd.machine.wallBaseNs + gd.wallAdjustNs;
  if (wallSplit.base !== base) {
    wallSplit.base = base;
    wallSplit.baseSec = Number(base / 1_000_000_000n);
    wallSplit.baseNs = Number(base % 1_000_000_000n);
  }
  const ns = wallSplit.baseNs + gd.machine.now();
  const s = Math.floor(ns / 1e9);
  wallSplit.sec = wallSplit.baseSec + s;
  wallSplit.nsec = Math.floor(ns - s * 1e9);
  return wallSplit;
}

function putPair(sec: number, sub: number): void {
  outView.setUint32(0, sec % 0x1_0000_0000, true);
  outView.setUint32(4, sec / 0x1_0000_0000, true);
  outView.setUint32(8, sub, true);
  outView.setUint32(12, 0, true);
}

function tryClockGettime(lwp: Lwp, a: Float64Array): number | Errno {
  if (isWall(a[0])) {
    const w = wallParts();
    putPair(w.sec, a[0] === 13 ? 0 : w.nsec);
  } else {
    const ns = clockNs(lwp, a[0]);
    if (ns === null) return EINVAL;
    const s = Math.floor(ns / 1e9);
    putPair(s, Math.floor(ns - s * 1e9));
  }
  return copyout(lwp.proc.vm, out, 0, a[1], 16) ?? 0;
}

/** getcpuclockid: pid 0 is the caller, lwp_id 0 the whole process; a thread must exist. */
function tryGetcpuclockid(lwp: Lwp, a: Float64Array): number | Errno {
  const p = a[0] === 0 ? lwp.proc : pfind(a[0]);
  if (p === null || (a[1] !== 0 && !p.lwps.has(a[1]))) return ESRCH;
  outView.setUint32(0, 0x80000000 + p.pid, true);
  outView.setUint32(4, a[1], true);
  return copyout(lwp.proc.vm, out, 0, a[2], 8) ?? 0;
}

function tryClockGetres(lwp: Lwp, a: Float64Array): number | Errno {
  if (!isWall(a[0]) && clockNs(lwp, a[0]) === null) return EINVAL;
  if (a[1] === 0) return 0;
  putPair(a[0] === 13 ? 1 : 0, a[0] === 13 ? 0 : 1000);
  return copyout(lwp.proc.vm, out, 0, a[1], 16) ?? 0;
}

function tryGettimeofday(lwp: Lwp, a: Float64Array): number | Errno {
  if (a[0] !== 0) {
    const w = wallParts();
    putPair(w.sec, Math.floor(w.nsec / 1000));
    const e = copyout(lwp.proc.vm, out, 0, a[0], 16);
    if (e !== null) return e;
  }
  if (a[1] !== 0) {
    out.fill(0, 0, 8);
    return copyout(lwp.proc.vm, out, 0, a[1], 8) ?? 0;
  }
  return 0;
}

/** Read a timespec (`unit` 1) or timeval (`unit` 1000) as ns; EINVAL when out of range. */
function getTime(v: DataView, o: number, unit: 1 | 1000): number | Errno {
  const sec = v.getInt32(o + 4, true) * 0x1_0000_0000 + v.getUint32(o, true);
  const sub = v.getInt32(o + 12, true) * 0x1_0000_0000 + v.getUint32(o + 8, true);
  if (sec < 0 || sub < 0 || sub >= 1e9 / unit) return EINVAL;
  return sec * 1e9 + sub * unit;
}

function setWall(lwp: Lwp, va: number, unit: 1 | 1000): number | Errno {
  if (!credIsHostSuper(lwp.proc.cred)) return EPERM;
  if (va === 0) return 0;
  const e = copyin(lwp.proc.vm, va, out, 0, 16);
  if (e !== null) return e;
  if (getTime(outView, 0, unit) instanceof Errno) return EINVAL;
  const ns = outView.getBigInt64(0, true) * 1_000_000_000n + outView.getBigInt64(8, true) * BigInt(unit);
  moveWall(ns - wallNs());
  return 0;
}

/** Move the wall clock, and with it the times that files get. */
function moveWall(ns: bigint): void {
  gd.wallAdjustNs += ns;
  const base = bootWallNs();
  gd.vfs.wallSec = Number(base / 1_000_000_000n);
  gd.vfs.wallNsec = Number(base % 1_000_000_000n);
}

/** adjtime moves the clock by so much a second; ten times as fast when it is more than a second off. */
const ADJ_STEP_NS = 500_000;
const ADJ_BIG_NS = 1e9;

/** adjtime(delta, olddelta): slew the wall clock. olddelta gets what was left of the last adjustment. */
function tryAdjtime(lwp: Lwp, a: Float64Array): number | Errno {
  if (a[0] !== 0 && !credIsHostSuper(lwp.proc.cred)) return EPERM;
  let delta = 0;
  if (a[0] !== 0) {
    const e = copyin(lwp.proc.vm, a[0], out, 0, 16);
    if (e !== null) return e;
    delta = Number(outView.getBigInt64(0, true)) * 1e9 + Number(outView.getBigInt64(8, true)) * 1000;
    if (Math.abs(delta) > MAX_SLEEP_NS) return EINVAL;
  }
  if (a[1] !== 0) {
    const sec = Math.trunc(gd.adjLeftNs / 1e9);
    outView.setBigInt64(0, BigInt(sec), true);
    outView.setBigInt64(8, BigInt(Math.trunc((gd.adjLeftNs - sec * 1e9) / 1000)), true);
    const e = copyout(lwp.proc.vm, out, 0, a[1], 16);
    if (e !== null) return e;
  }
  if (a[0] !== 0) {
    gd.adjLeftNs = delta;
    if (delta !== 0) calloutReset(gd.adjTimer, 1e9, slew);
    else calloutStop(gd.adjTimer);
  }
  return 0;
}

function slew(): void {
  const left = gd.adjLeftNs;
  const most = Math.abs(left) > ADJ_BIG_NS ? ADJ_STEP_NS * 10 : ADJ_STEP_NS;
  const step = Math.max(-most, Math.min(most, left));
  moveWall(BigInt(step));
  gd.adjLeftNs = left - step;
  if (gd.adjLeftNs !== 0) calloutReset(gd.adjTimer, 1e9, slew);
}

/** The longest timer that is kept exactly; longer sleeps are this long. */
const MAX_SLEEP_NS = 2 ** 52;

/** Sleep `ns` unless a signal comes. @returns null, or EINTR with what was left in `left.ns`. */
function* sleepFor(ns: number, left: { ns: number }): Blocking<Errno | null> {
  const end = gd.machine.now() + Math.min(ns, MAX_SLEEP_NS);
  for (;;) {
    const now = gd.machine.now();
    if (now >= end) return null;
    const e = yield* tsleep(gd.sleepq, 'nanslp', PCATCH, end - now);
    if (e === EINTR || e === ERESTART) {
      left.ns = Math.max(0, end - gd.machine.now());
      return EINTR;
    }
    if (e !== null && e !== EWOULDBLOCK) return e;
  }
}

function* sysNanosleep(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  return (yield* nanosleep(lwp, a[0], a[1], null)) ?? 0;
}

function* nanosleep(lwp: Lwp, rq: number, rm: number, absClock: number | null): Blocking<Errno | null> {
  const buf = new Uint8Array(16);
  const v = new DataView(buf.buffer);
  const vm = lwp.proc.vm;
  const e = yield* copyinB(vm, rq, buf, 0, 16);
  if (e !== null) return e;
  let ns = getTime(v, 0, 1);
  if (ns instanceof Errno) return ns;
  if (absClock !== null) {
    const now = isWall(absClock) ? Number(wallNs()) : gd.machine.now();
    ns = Math.max(0, ns - now);
  }
  const left = { ns: 0 };
  const r = yield* sleepFor(ns, left);
  if (r !== null && rm !== 0 && absClock === null) {
    putDuration(v, 0, left.ns, 1);
    const f = yield* copyoutB(vm, buf, 0, rm, 16);
    if (f !== null) return f;
  }
  return r;
}

/** clock_nanosleep returns its error as a result, with carry clear (spec 7.7). */
function* sysClockNanosleep(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  if (!isWall(a[0]) && !isMono(a[0])) return EINVAL.errno;
  const e = yield* nanosleep(lwp, a[2], a[3], (a[1] & 1) !== 0 ? a[0] : null);
  return e === null ? 0 : e.errno;
}

/** One of the three interval timers. */
class Itimer {
  readonly callout = new Callout();
  intervalNs = 0;
  /** When it fires, in ns of the machine's clock (REAL) or of the process's CPU time; 0 when off. */
  atNs = 0;
}

const itimersOf = (p: Proc): Itimer[] => (p.itimers ??= [new Itimer(), new Itimer(), new Itimer()]) as Itimer[];
const itimerSignal = [SIGALRM, SIGVTALRM, SIGPROF];

/** The clock an interval timer runs on. */
function itimerNow(p: Proc, which: number): number {
  if (which === 0) return gd.machine.now();
  const t = procTimes(p);
  return which === 1 ? t.user : t.user + t.sys;
}

function itimerArm(p: Proc, which: number, t: Itimer): void {
  if (t.atNs === 0) {
    calloutStop(t.callout);
    return;
  }
  // CPU time cannot pass faster than real time (times the number of CPUs): look again when it may have.
  const wait = Math.max(0, t.atNs - itimerNow(p, which));
  calloutReset(t.callout, which === 0 ? wait : Math.max(1e6, wait / gd.machine.ncpus), () => itimerFire(p, which, t));
}

function itimerFire(p: Proc, which: number, t: Itimer): void {
  const now = itimerNow(p, which);
  if (now >= t.atNs) {
    psignal(p, itimerSignal[which]);
    t.atNs = t.intervalNs === 0 ? 0 : Math.max(t.atNs + t.intervalNs, now + 1);
  }
  itimerArm(p, which, t);
}

/** Stop all interval timers of a dying process. */
export function itimersStop(p: Proc): void {
  if (p.itimers === null) return;
  for (const t of itimersOf(p)) calloutStop(t.callout);
  p.itimers = null;
}

function putItimer(p: Proc, which: number): void {
  const t = itimersOf(p)[which];
  putDuration(outView, 0, t.intervalNs, 1000);
  putDuration(outView, 16, t.atNs === 0 ? 0 : Math.max(1000, t.atNs - itimerNow(p, which)), 1000);
}

function tryGetitimer(lwp: Lwp, a: Float64Array): number | Errno {
  if (a[0] > 2) return EINVAL;
  putItimer(lwp.proc, a[0]);
  return copyout(lwp.proc.vm, out, 0, a[1], 32) ?? 0;
}

function trySetitimer(lwp: Lwp, a: Float64Array): number | Errno {
  const which = a[0];
  if (which > 2) return EINVAL;
  let interval: number | Errno = 0;
  let value: number | Errno = 0;
  if (a[1] !== 0) {
    const e = copyin(lwp.proc.vm, a[1], out, 0, 32);
    if (e !== null) return e;
    interval = getTime(outView, 0, 1000);
    value = getTime(outView, 16, 1000);
    if (interval instanceof Errno || value instanceof Errno) return EINVAL;
  }
  if (a[2] !== 0) {
    putItimer(lwp.proc, which);
    const e = copyout(lwp.proc.vm, out, 0, a[2], 32);
    if (e !== null) return e;
  }
  if (a[1] === 0) return 0;
  const t = itimersOf(lwp.proc)[which];
  t.intervalNs = value === 0 ? 0 : interval;
  t.atNs = value === 0 ? 0 : itimerNow(lwp.proc, which) + value;
  itimerArm(lwp.proc, which, t);
  return 0;
}

export const timeSyscalls: SyscallImpls = {
  clock_gettime: userCall(tryClockGettime),
  clock_getres: userCall(tryClockGetres),
  getcpuclockid: userCall(tryGetcpuclockid),
  clock_settime: userCall((l, a) => (a[0] === 0 ? setWall(l, a[1], 1) : EINVAL)),
  gettimeofday: userCall(tryGettimeofday),
  adjtime: userCall(tryAdjtime),
  settimeofday: userCall((l, a) => setWall(l, a[0], 1000)),
  nanosleep: { block: sysNanosleep },
  clock_nanosleep: { block: sysClockNanosleep },
  getitimer: userCall(tryGetitimer),
  setitimer: userCall(trySetitimer),
};

export { putTime };
