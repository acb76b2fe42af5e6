/**
 * Process information: sysctl kern.proc.* with struct kinfo_proc (dragonfly-abi.md 3.7).
 *
 * Counterpart: sys/kern/kern_proc.c, kern_kinfo.c
 */
import { EINVAL, ENOENT, EPERM, ESRCH, type Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import { SIG_IGN, sigaddset } from '../sys/signal.js';
import { prisonCheck } from './kern_jail.js';
import { emitRusage } from './kern_resource.js';
import { type SysctlReq, sysctlAdd } from './kern_sysctl.js';
import { bootWallNs, procTimes } from './kern_time.js';
import { TdState } from './lwkt_thread.js';
import { type Lwp, type Proc, ProcState, Rusage, pfind } from './proc.js';
import { SIGTRAMP_VA, sigcode } from './sendsig.js';
import { uschedCharge } from './usched.js';
import { putTime } from './sys_util.js';

const KP_SIZE = 1048;
const KL = 664;
const NOUDEV = 0xffffffff;

/** Bytes of address space and resident pages of a process. */
export interface VmFigures {
  mapBytes: number;
  rssPages: number;
  textPages: number;
  dataPages: number;
  stackPages: number;
}

declare module '../sys/globaldata.js' {
  interface GlobalData {
    vmFigures: ((p: Proc) => VmFigures) | null;
  }
}

/** kl_flags: a signal ends the sleep. */
const LWP_SINTR = 8;

const putStr = (b: Uint8Array, o: number, s: string, max: number): void => {
  for (let i = 0; i < s.length && i < max - 1; i++) b[o + i] = s.charCodeAt(i);
};
const put64 = (v: DataView, o: number, n: number): void => {
  v.setUint32(o, n % 0x1_0000_0000, true);
  v.setUint32(o + 4, n / 0x1_0000_0000, true);
};

/** Thread state for kl_stat: running 1, stopped 2, sleeping 3. */
function lwpState(l: Lwp): number {
  if (l.proc.state === ProcState.STOP) return 2;
  if (l.mach.running || l.us.vcpu >= 0 || l.us.heapIdx >= 0) return 1;
  return l.td.state === TdState.SLEEPING && l.td.wmesg !== '' ? 3 : 1;
}

function emitLwp(b: Uint8Array, o: number, l: Lwp): void {
  const v = new DataView(b.buffer, b.byteOffset);
  uschedCharge(l);
  v.setInt32(o, l.proc.pid, true);
  v.setInt32(o + 4, l.tid, true);
  v.setInt32(o + 8, l.td.catching ? LWP_SINTR : 0, true);
  v.setInt32(o + 12, lwpState(l), true);
  v.setInt32(o + 28, 152 + l.us.nice, true);
  v.setInt32(o + 32, l.td.pri, true);
  v.setUint16(o + 36, 1, true);
  put64(v, o + 40, Math.floor(l.us.uticksNs / 1000));
  put64(v, o + 48, Math.floor(l.us.sticksNs / 1000));
  v.setInt32(o + 88, Math.max(0, l.us.vcpu), true);
  const ru = new Rusage();
  ru.utimeNs = l.us.uticksNs;
  ru.stimeNs = l.us.sticksNs;
  ru.nvcsw = l.us.nvcsw;
  ru.nivcsw = l.us.nivcsw;
  emitRusage(b, o + 96, ru);
  for (let i = 0; i < 4; i++) {
    v.setUint32(o + 240 + i * 4, l.siglist[i], true);
    v.setUint32(o + 256 + i * 4, l.sigmask[i], true);
  }
  const sleeping = lwpState(l) === 3;
  if (sleeping) {
    put64(v, o + 272, l.td.id + 1);
    putStr(b, o + 280, l.td.wmesg, 9);
  }
  putStr(b, o + 289, l.title === '' ? l.proc.comm : l.title, 17);
}

/** Write the record of `p`, with `l` as its thread, at `o`. */
function emitProc(b: Uint8Array, o: number, p: Proc, l: Lwp | null): void {
  const v = new DataView(b.buffer, b.byteOffset);
  put64(v, o, p.pid * 4096);
  v.setInt32(o + 8, p.flags & 0xffff, true);
  v.setInt32(o + 12, p.state, true);
  put64(v, o + 32, p.pid * 4096 + 1024);
  for (let i = 0; i < 4; i++) v.setUint32(o + 40 + i * 4, p.siglist[i], true);
  const ign = new Uint32Array(4);
  const caught = new Uint32Array(4);
  for (let s = 1; s <= 128; s++) {
    const h = p.sigacts.handler[s];
    if (h === SIG_IGN) sigaddset(ign, s);
    else if (h > SIG_IGN) sigaddset(caught, s);
  }
  for (let i = 0; i < 4; i++) {
    v.setUint32(o + 56 + i * 4, ign[i], true);
    v.setUint32(o + 72 + i * 4, caught[i], true);
  }
  putTime(v, o + 96, bootWallNs() + BigInt(Math.floor(p.startNs)), 1000);
  putStr(b, o + 112, p.comm, 17);
  const c = p.cred;
  v.setUint32(o + 132, c.uid, true);
  v.setInt16(o + 136, c.groups.length, true);
  c.groups.slice(0, 16).forEach((g, i) => v.setUint32(o + 140 + i * 4, g, true));
  v.setUint32(o + 204, c.ruid, true);
  v.setUint32(o + 208, c.svuid, true);
  v.setUint32(o + 212, c.rgid, true);
  v.setUint32(o + 216, c.svgid, true);
  v.setInt32(o + 220, p.pid, true);
  v.setInt32(o + 224, p.parent?.pid ?? 0, true);
  const pg = p.pgrp;
  const s = pg.session;
  v.setInt32(o + 228, pg.id, true);
  v.setInt32(o + 236, s.sid, true);
  putStr(b, o + 240, s.login, 40);
  v.setUint32(o + 280, s.tty?.rdev ?? NOUDEV, true);
  v.setInt32(o + 284, s.tty?.pgrp?.id ?? -1, true);
  v.setInt32(o + 288, s.tty?.session?.sid ?? -1, true);
  v.setUint16(o + 292, p.xstat & 0xffff, true);
  v.setInt32(o + 296, p.lwps.size, true);
  v.setInt32(o + 300, p.nice, true);
  const f = p.state === ProcState.ZOMB ? null : (gd.vmFigures?.(p) ?? null);
  if (f !== null) {
    put64(v, o + 312, f.mapBytes);
    put64(v, o + 320, f.rssPages);
    put64(v, o + 336, f.textPages);
    put64(v, o + 344, f.dataPages);
    put64(v, o + 352, f.stackPages);
    v.setUint32(o + 360, f.rssPages, true);
  }
  const t = procTimes(p);
  const ru = Object.assign(new Rusage(), p.ru, { utimeNs: t.user, stimeNs: t.sys });
  emitRusage(b, o + 368, ru);
  emitRusage(b, o + 512, p.cru);
  v.setInt32(o + 656, (s.tty !== null ? 1 : 0) | (s.leader === p ? 2 : 0), true);
  if (l !== null) emitLwp(b, o + KL, l);
}

/** Processes a kern.proc request selects. */
function select(what: number, arg: number): Proc[] | Errno {
  const all = [...gd.allproc.values()];
  switch (what) {
    case 0:
      return all;
    case 1: {
      const p = pfind(arg);
      return p === null ? ESRCH : [p];
    }
    case 2:
      return all.filter((p) => p.pgrp.id === arg);
    case 3:
      return all.filter((p) => p.pgrp.session.sid === arg);
    case 4:
      return all.filter((p) => p.pgrp.session.tty?.rdev === arg);
    case 5:
      return all.filter((p) => p.cred.uid === arg);
    case 6:
      return all.filter((p) => p.cred.ruid === arg);
    default:
      return EINVAL;
  }
}

function kinfo(me: Proc | null, what: number, req: SysctlReq): Uint8Array | Errno {
  const threads = (what & 0x10) !== 0;
  const found = select(what & 0xf, req.extra[0] ?? 0);
  if (!Array.isArray(found)) return found;
  const procs = me === null ? found : found.filter((p) => prisonCheck(me, p) === null);
  const rows: [Proc, Lwp | null][] = [];
  for (const p of procs) {
    if (threads && p.lwps.size > 0) for (const l of p.lwps.values()) rows.push([p, l]);
    else rows.push([p, p.firstLwp()]);
  }
  // A size query over-reports by five records, so that the list may grow until the real call.
  if (req.oldLen === 0) return new Uint8Array((rows.length + 5) * KP_SIZE);
  const b = new Uint8Array(rows.length * KP_SIZE);
  rows.forEach(([p, l], i) => emitProc(b, i * KP_SIZE, p, l));
  return b;
}

/** The process that kern.proc.{args,cwd,pathname} asks about: -1 is the caller. */
function target(me: Proc | null, req: SysctlReq): Proc | Errno {
  const pid = req.extra[0] ?? -1;
  const p = pid === -1 ? me : pfind(pid);
  return p === null || (me !== null && prisonCheck(me, p) !== null) ? ESRCH : p;
}

/** Register kern.proc.*. */
export function procSysctlInit(): void {
  const lists = ['all', 'pid', 'pgrp', 'session', 'tty', 'uid', 'ruid'];
  for (const mod of [0, 0x10, 0x20, 0x30])
    lists.forEach((name, i) =>
      sysctlAdd({
        name: `kern.proc.${name}${mod === 0 ? '' : mod === 0x10 ? '_lwp' : mod === 0x20 ? '_lwkt' : '_lwp_lwkt'}`,
        oid: [1, 14, i | mod],
        kind: 'opaque',
        fmt: 'S,proc',
        descr: 'Process table',
        args: true,
        get: (p, req) => kinfo(p, i | mod, req),
      }),
    );
  sysctlAdd({
    name: 'kern.proc.args',
    oid: [1, 14, 7],
    kind: 'opaque',
    descr: 'Process arguments',
    args: true,
    get: (p, req) => {
      const t = target(p, req);
      return 'pid' in t ? t.args : t;
    },
    set: (p, bytes, req) => {
      const t = target(p, req);
      if (!('pid' in t)) return t;
      if (t !== p) return EPERM;
      t.args = bytes.slice();
      return null;
    },
    anybody: true,
  });
  sysctlAdd({
    name: 'kern.proc.pathname',
    oid: [1, 14, 9],
    kind: 'opaque',
    descr: 'Path of the program',
    args: true,
    get: (p, req) => {
      const t = target(p, req);
      if (!('pid' in t)) return t;
      if (t.execPath === '') return ENOENT;
      return Uint8Array.from(`${t.execPath}\0`, (c) => c.charCodeAt(0));
    },
  });
  sysctlAdd({
    name: 'kern.proc.sigtramp',
    oid: [1, 14, 10],
    kind: 'opaque',
    descr: 'Signal trampoline range',
    args: true,
    get: () => {
      const b = new Uint8Array(48);
      const v = new DataView(b.buffer);
      put64(v, 0, SIGTRAMP_VA);
      put64(v, 8, SIGTRAMP_VA + sigcode.length);
      return b;
    },
  });
}
