/**
 * POSIX scheduling calls, I/O priorities, usched_set, syscap: small calls about how a process is treated.
 *
 * Counterpart: sys/kern/ksched.c, kern_p1003_1b.c, kern_ioprio.c, kern_usched.c, kern_syscap.c
 */
import type { Blocking } from '../sys/blocking.js';
import { EFBIG, EINVAL, EOPNOTSUPP, EPERM, ESRCH, Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import type { SyscallImpls } from '../sys/syscall.js';
import { copyin, copyinB, copyout, copyoutB } from '../vm/vm_user.js';
import { credSeesSignal, credIsSuper, type Lwp, type Proc, pfind, pgfind } from './proc.js';
import { putDuration, userCall } from './sys_util.js';
import { RTP_PRIO_NORMAL, RTP_PRIO_REALTIME } from './usched.js';

const SCHED_FIFO = 1;
const SCHED_OTHER = 2;
const SCHED_RR = 3;
/** Time slice of SCHED_RR. */
const RR_INTERVAL_NS = 100e6;

/** The process a sched_* call is about. `change`: the caller wants to change it. */
function schedTarget(lwp: Lwp, pid: number, change: boolean): Proc | Errno {
  if (pid < 0) return EINVAL;
  const p = pid === 0 ? lwp.proc : pfind(pid);
  if (p === null) return ESRCH;
  if (!change) return p;
  return credSeesSignal(lwp.proc.cred, p.cred) ? p : EPERM;
}

const isRealtime = (p: Proc): boolean => p.firstLwp()?.us.rtpClass === RTP_PRIO_REALTIME;

function setClass(p: Proc, cls: number, prio: number): void {
  const { queue } = gd.usched;
  for (const { us } of p.lwps.values()) {
    const queued = queue.remove(us);
    us.rtpClass = cls;
    us.rtpPrio = prio;
    if (queued) queue.insert(us);
  }
}

/** P1003.1b priorities go up, rtprio's go down. */
function setParam(lwp: Lwp, p: Proc, policy: number, prio: number): number | Errno {
  if (policy === SCHED_OTHER) {
    setClass(p, RTP_PRIO_NORMAL, 0);
    return 0;
  }
  if (policy !== SCHED_FIFO && policy !== SCHED_RR) return EINVAL;
  if (!credIsSuper(lwp.proc.cred)) return EPERM;
  if (prio < 0 || prio > 31) return EINVAL;
  setClass(p, RTP_PRIO_REALTIME, 31 - prio);
  return 0;
}

function prioIn(lwp: Lwp, uva: number): number | Errno {
  const b = new Uint8Array(4);
  const e = copyin(lwp.proc.vm, uva, b, 0, 4);
  return e ?? new DataView(b.buffer).getInt32(0, true);
}

function schedSetparam(lwp: Lwp, a: Float64Array): number | Errno {
  const p = schedTarget(lwp, a[0], true);
  if (p instanceof Errno) return p;
  const prio = prioIn(lwp, a[1]);
  return prio instanceof Errno ? prio : setParam(lwp, p, isRealtime(p) ? SCHED_RR : SCHED_OTHER, prio);
}

function schedGetparam(lwp: Lwp, a: Float64Array): number | Errno {
  const p = schedTarget(lwp, a[0], false);
  if (p instanceof Errno) return p;
  const b = new Uint8Array(4);
  if (isRealtime(p)) b[0] = 31 - (p.firstLwp()?.us.rtpPrio ?? 31);
  return copyout(lwp.proc.vm, b, 0, a[1], 4) ?? 0;
}

function schedSetscheduler(lwp: Lwp, a: Float64Array): number | Errno {
  const p = schedTarget(lwp, a[0], true);
  if (p instanceof Errno) return p;
  const prio = prioIn(lwp, a[2]);
  return prio instanceof Errno ? prio : setParam(lwp, p, a[1], prio);
}

function schedRrInterval(lwp: Lwp, a: Float64Array): number | Errno {
  const p = schedTarget(lwp, a[0], false);
  if (p instanceof Errno) return p;
  const b = new Uint8Array(16);
  putDuration(new DataView(b.buffer), 0, RR_INTERVAL_NS, 1);
  return copyout(lwp.proc.vm, b, 0, a[1], 16) ?? 0;
}

/** I/O priorities are kept and told; no disk has a queue that is long enough for them to matter. */
const PRIO_PROCESS = 0;
const PRIO_PGRP = 1;
const PRIO_USER = 2;
const IOPRIO_MIN = 1;
const IOPRIO_MAX = 10;

function ioTargets(lwp: Lwp, which: number, who: number): Proc[] | Errno {
  if (who < 0) return EINVAL;
  switch (which) {
    case PRIO_PROCESS: {
      const p = who === 0 ? lwp.proc : pfind(who);
      return p === null ? ESRCH : [p];
    }
    case PRIO_PGRP: {
      const pg = who === 0 ? lwp.proc.pgrp : pgfind(who);
      return pg === null ? ESRCH : [...pg.members];
    }
    case PRIO_USER: {
      const uid = who === 0 ? lwp.proc.cred.uid : who;
      return [...gd.allproc.values()].filter((p) => p.cred.uid === uid);
    }
    default:
      return EINVAL;
  }
}

function ioprioGet(lwp: Lwp, a: Float64Array): number | Errno {
  const t = ioTargets(lwp, a[0], a[1]);
  if (!Array.isArray(t)) return t;
  return t.length === 0 ? ESRCH : Math.max(...t.map((p) => p.ionice));
}

function ioprioSet(lwp: Lwp, a: Float64Array): number | Errno {
  const t = ioTargets(lwp, a[0], a[1]);
  if (!Array.isArray(t)) return t;
  if (t.length === 0) return ESRCH;
  const me = lwp.proc.cred;
  const prio = Math.max(IOPRIO_MIN, Math.min(IOPRIO_MAX, a[2]));
  for (const p of t) {
    if (!credIsSuper(me) && me.uid !== p.cred.uid) return EPERM;
    if (prio > p.ionice && !credIsSuper(me)) return EPERM;
  }
  for (const p of t) p.ionice = prio;
  return 0;
}

const enum Usched {
  SET_SCHEDULER = 0,
  SET_CPU = 1,
  ADD_CPU = 2,
  DEL_CPU = 3,
  GET_CPU = 4,
  GET_CPUMASK = 5,
  SET_CPUMASK = 6,
}

/** Virtual CPUs are interchangeable, so which ones a process asks for is checked and not kept. */
function* uschedSet(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const [pid, cmd, data, bytes] = a;
  const p = lwp.proc;
  if (pid !== 0 && pid !== p.pid) return EINVAL;
  const { ncpus } = gd.machine;
  switch (cmd) {
    case Usched.SET_SCHEDULER:
      return credIsSuper(p.cred) ? EINVAL : EPERM;
    case Usched.SET_CPU:
    case Usched.ADD_CPU:
    case Usched.DEL_CPU: {
      if (!credIsSuper(p.cred)) return EPERM;
      if (bytes !== 4) return EINVAL;
      const b = new Uint8Array(4);
      const e = yield* copyinB(p.vm, data, b, 0, 4);
      if (e !== null) return e;
      const cpu = new DataView(b.buffer).getInt32(0, true);
      return cpu < 0 || cpu >= ncpus ? EFBIG : 0;
    }
    case Usched.GET_CPU: {
      if (bytes !== 4) return EINVAL;
      const b = Uint8Array.of(Math.max(0, lwp.proc.lastCpu), 0, 0, 0);
      return (yield* copyoutB(p.vm, b, 0, data, 4)) ?? 0;
    }
    case Usched.GET_CPUMASK: {
      const b = new Uint8Array(32);
      for (let i = 0; i < ncpus; i++) b[i >> 3] |= 1 << (i & 7);
      return (yield* copyoutB(p.vm, b, 0, data, Math.min(32, bytes))) ?? 0;
    }
    case Usched.SET_CPUMASK:
      return credIsSuper(p.cred) ? EOPNOTSUPP : EPERM;
    default:
      return EINVAL;
  }
}

export const schedSyscalls: SyscallImpls = {
  sched_setparam: userCall(schedSetparam),
  sched_getparam: userCall(schedGetparam),
  sched_setscheduler: userCall(schedSetscheduler),
  sched_getscheduler: {
    try(lwp, a) {
      const p = schedTarget(lwp, a[0], false);
      return p instanceof Errno ? p : isRealtime(p) ? SCHED_RR : SCHED_OTHER;
    },
  },
  sched_rr_get_interval: userCall(schedRrInterval),
  ioprio_get: { try: ioprioGet },
  ioprio_set: { try: ioprioSet },
  usched_set: { block: uschedSet },
};
