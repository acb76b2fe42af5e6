/**
 * Resource use and limits, priorities, scheduling calls (dragonfly-abi.md 3.2, 4.7, 7.8).
 *
 * Counterpart: sys/kern/kern_resource.c, p1003_1b.c
 */
import { EINVAL, EPERM, ESRCH, type Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import type { SyscallImpls } from '../sys/syscall.js';
import { copyin, copyout } from '../vm/vm_user.js';
import { procTimes } from './kern_time.js';
import { type Lwp, type Proc, RLIM_NLIMITS, type Rusage, pfind, pgfind } from './proc.js';
import { putDuration, userCall } from './sys_util.js';
import { RTP_PRIO_IDLE, RTP_PRIO_NORMAL, RTP_PRIO_REALTIME, uschedSetNice, uschedYield } from './usched.js';

const put = (v: DataView, o: number, n: number): void => {
  v.setUint32(o, n % 0x1_0000_0000, true);
  v.setUint32(o + 4, n / 0x1_0000_0000, true);
};

/** Write a struct rusage (144 bytes) at `o`. */
export function emitRusage(buf: Uint8Array, o: number, ru: Rusage): void {
  const v = new DataView(buf.buffer, buf.byteOffset);
  putDuration(v, o, ru.utimeNs, 1000);
  putDuration(v, o + 16, ru.stimeNs, 1000);
  const words = [
    [32, ru.maxrssKb],
    [64, ru.minflt],
    [72, ru.majflt],
    [88, ru.inblock],
    [96, ru.oublock],
    [120, ru.nsignals],
    [128, ru.nvcsw],
    [136, ru.nivcsw],
  ] as const;
  for (const [off, n] of words) put(v, o + off, n);
}

function tryGetrusage(lwp: Lwp, a: Float64Array): number | Errno {
  const buf = new Uint8Array(144);
  const p = lwp.proc;
  if (a[0] === 0) {
    const t = procTimes(p);
    const now = Object.assign(Object.create(null) as Rusage, p.ru, { utimeNs: t.user, stimeNs: t.sys });
    now.maxrssKb = Math.max(now.maxrssKb, gd.rssKb?.(p) ?? 0);
    emitRusage(buf, 0, now);
  } else if (a[0] === -1) emitRusage(buf, 0, p.cru);
  else return EINVAL;
  return copyout(p.vm, buf, 0, a[1], 144) ?? 0;
}

const RLIM_INF = 0x7fffffffffffffffn;
const rlOut = (v: DataView, o: number, n: number): void =>
  v.setBigInt64(o, n === Infinity ? RLIM_INF : BigInt(Math.floor(n)), true);
const rlIn = (v: DataView, o: number): number => {
  const n = v.getBigInt64(o, true);
  return n < 0n || n >= 1n << 53n ? Infinity : Number(n);
};

function tryGetrlimit(lwp: Lwp, a: Float64Array): number | Errno {
  if (a[0] >= RLIM_NLIMITS) return EINVAL;
  const v = new DataView(new ArrayBuffer(16));
  rlOut(v, 0, lwp.proc.limits.cur[a[0]]);
  rlOut(v, 8, lwp.proc.limits.max[a[0]]);
  return copyout(lwp.proc.vm, new Uint8Array(v.buffer), 0, a[1], 16) ?? 0;
}

function trySetrlimit(lwp: Lwp, a: Float64Array): number | Errno {
  const which = a[0];
  if (which >= RLIM_NLIMITS) return EINVAL;
  const buf = new Uint8Array(16);
  const e = copyin(lwp.proc.vm, a[1], buf, 0, 16);
  if (e !== null) return e;
  const v = new DataView(buf.buffer);
  const max = rlIn(v, 8);
  const cur = Math.min(rlIn(v, 0), max);
  const l = lwp.proc.limits;
  if ((max > l.max[which] || cur > l.max[which]) && lwp.proc.cred.uid !== 0) return EPERM;
  // Shared with whom it was forked from or has forked.
  const n = l.copy();
  n.cur[which] = cur;
  n.max[which] = max;
  lwp.proc.limits = n;
  return 0;
}

/** The processes a get/setpriority call is about. */
function prioTargets(lwp: Lwp, which: number, who: number): Proc[] | Errno {
  switch (which) {
    case 0: {
      const p = who === 0 ? lwp.proc : pfind(who);
      return p === null ? ESRCH : [p];
    }
    case 1: {
      const pg = who === 0 ? lwp.proc.pgrp : pgfind(who);
      return pg === null ? ESRCH : [...pg.members];
    }
    case 2: {
      const uid = who === 0 ? lwp.proc.cred.uid : who;
      return [...gd.allproc.values()].filter((p) => p.cred.uid === uid);
    }
    default:
      return EINVAL;
  }
}

function tryGetpriority(lwp: Lwp, a: Float64Array): number | Errno {
  const t = prioTargets(lwp, a[0], a[1]);
  if (!Array.isArray(t)) return t;
  return t.length === 0 ? ESRCH : Math.min(...t.map((p) => p.nice));
}

function trySetpriority(lwp: Lwp, a: Float64Array): number | Errno {
  const t = prioTargets(lwp, a[0], a[1]);
  if (!Array.isArray(t)) return t;
  if (t.length === 0) return ESRCH;
  const nice = Math.max(-20, Math.min(20, a[2]));
  const me = lwp.proc.cred;
  for (const p of t) {
    if (me.uid !== 0 && me.uid !== p.cred.uid) return EPERM;
    if (nice < p.nice && me.uid !== 0) return EPERM;
  }
  for (const p of t) {
    p.nice = nice;
    for (const l of p.lwps.values()) uschedSetNice(l, nice);
  }
  return 0;
}

/** Affinity masks: 32 bytes, one bit a CPU. Virtual CPUs are interchangeable, so a set mask is only checked. */
function tryGetaffinity(lwp: Lwp, a: Float64Array): number | Errno {
  const p = a[0] === 0 ? lwp.proc : pfind(a[0]);
  if (p === null || (a[1] !== -1 && !p.lwps.has(a[1]))) return ESRCH;
  const mask = new Uint8Array(32);
  for (let i = 0; i < gd.machine.ncpus; i++) mask[i >> 3] |= 1 << (i & 7);
  return copyout(lwp.proc.vm, mask, 0, a[2], 32) ?? 0;
}

function trySetaffinity(lwp: Lwp, a: Float64Array): number | Errno {
  const p = a[0] === 0 ? lwp.proc : pfind(a[0]);
  if (p === null || (a[1] !== -1 && !p.lwps.has(a[1]))) return ESRCH;
  const mask = new Uint8Array(32);
  const e = copyin(lwp.proc.vm, a[2], mask, 0, 32);
  if (e !== null) return e;
  let any = false;
  for (let i = 0; i < gd.machine.ncpus; i++) if ((mask[i >> 3] & (1 << (i & 7))) !== 0) any = true;
  return any ? 0 : EPERM;
}

const RTP_PRIO_FIFO = 4;
const RTP_PRIO_MAX = 31;

/** rtprio and lwp_rtprio: look up (0) or set (1) the scheduling class and priority of `targets`. */
function rtprio(lwp: Lwp, how: number, p: Proc | null, targets: Lwp[], rtpVa: number): number | Errno {
  if (p === null || targets.length === 0) return ESRCH;
  const buf = new Uint8Array(4);
  const v = new DataView(buf.buffer);
  const us = targets[0].us;
  if (how === 0) {
    v.setUint16(0, us.rtpClass, true);
    v.setUint16(2, us.rtpPrio, true);
    return copyout(lwp.proc.vm, buf, 0, rtpVa, 4) ?? 0;
  }
  if (how !== 1) return EINVAL;
  const e = copyin(lwp.proc.vm, rtpVa, buf, 0, 4);
  if (e !== null) return e;
  const type = v.getUint16(0, true);
  const prio = v.getUint16(2, true);
  const me = lwp.proc.cred;
  if (me.uid !== 0 && (me.uid !== p.cred.uid || type === RTP_PRIO_REALTIME || type === RTP_PRIO_FIFO)) return EPERM;
  if (prio > RTP_PRIO_MAX || (type > RTP_PRIO_IDLE && type !== RTP_PRIO_FIFO)) return EINVAL;
  const { queue } = gd.usched;
  for (const { us: t } of targets) {
    // Who waits for a CPU is queued by class.
    const queued = queue.remove(t);
    t.rtpClass = type === RTP_PRIO_FIFO ? RTP_PRIO_REALTIME : type;
    // Within the normal class only nice and time used count.
    t.rtpPrio = type === RTP_PRIO_NORMAL ? 0 : prio;
    if (queued) queue.insert(t);
  }
  return 0;
}

const procOf = (lwp: Lwp, pid: number): Proc | null => (pid === 0 ? lwp.proc : pfind(pid));

function tryRtprio(lwp: Lwp, a: Float64Array): number | Errno {
  const p = procOf(lwp, a[1]);
  return rtprio(lwp, a[0], p, p === null ? [] : [...p.lwps.values()], a[2]);
}

function tryLwpRtprio(lwp: Lwp, a: Float64Array): number | Errno {
  const p = procOf(lwp, a[1]);
  const l = a[1] === 0 && a[2] === 0 ? lwp : p?.lwps.get(a[2]);
  return rtprio(lwp, a[0], p, l === undefined ? [] : [l], a[3]);
}

function schedYield(lwp: Lwp): number {
  uschedYield(lwp);
  return 0;
}

export const resourceSyscalls: SyscallImpls = {
  getrusage: userCall(tryGetrusage),
  getrlimit: userCall(tryGetrlimit),
  setrlimit: userCall(trySetrlimit),
  getpriority: { try: tryGetpriority },
  setpriority: { try: trySetpriority },
  lwp_getaffinity: userCall(tryGetaffinity),
  lwp_setaffinity: userCall(trySetaffinity),
  rtprio: userCall(tryRtprio),
  lwp_rtprio: userCall(tryLwpRtprio),
  sched_yield: { try: schedYield },
  yield: { try: schedYield },
  sched_get_priority_max: { try: (_l, a) => (a[0] >= 1 && a[0] <= 3 ? 31 : EINVAL) },
  sched_get_priority_min: { try: (_l, a) => (a[0] >= 1 && a[0] <= 3 ? 0 : EINVAL) },
};
