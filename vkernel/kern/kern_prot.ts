/**
 * Identity: process ids, groups, sessions, user and group ids, login names, TLS areas, thread names.
 *
 * Counterpart: sys/kern/kern_prot.c
 */
import { EBUSY, EINVAL, EPERM, ERANGE, ESRCH, EACCES, type Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import type { SyscallImpls } from '../sys/syscall.js';
import { copyin, copyinstr, copyout } from '../vm/vm_user.js';
import {
  type Lwp,
  P_CONTROLT,
  P_SUGID,
  Pgrp,
  type Proc,
  Session,
  type Ucred,
  pfind,
  pgfind,
  pgrpEnter,
} from './proc.js';
import { userCall } from './sys_util.js';

const NGROUPS_MAX = 16;

/** Replace the credentials of `p`, marking it set-id (issetugid) as the real kernel does. */
function setCred(p: Proc, change: (c: Ucred) => void): number {
  const c = p.cred.copy();
  const ruid = c.ruid;
  change(c);
  if (c.ruid !== ruid) {
    gd.uidProcs?.(ruid, -1);
    gd.uidProcs?.(c.ruid, 1);
  }
  p.cred = c;
  p.flags |= P_SUGID;
  return 0;
}

const isRoot = (p: Proc): boolean => p.cred.uid === 0;

function setuid(lwp: Lwp, a: Float64Array): number | Errno {
  const p = lwp.proc;
  const uid = a[0];
  if (uid !== p.cred.ruid && uid !== p.cred.uid && uid !== p.cred.svuid && !isRoot(p)) return EPERM;
  return setCred(p, (c) => {
    if (isRoot(p) || uid === c.ruid) {
      c.ruid = uid;
      c.svuid = uid;
    }
    c.uid = uid;
  });
}

function seteuid(lwp: Lwp, a: Float64Array): number | Errno {
  const p = lwp.proc;
  const uid = a[0];
  if (uid !== p.cred.ruid && uid !== p.cred.svuid && !isRoot(p)) return EPERM;
  return setCred(p, (c) => {
    c.uid = uid;
  });
}

function setgid(lwp: Lwp, a: Float64Array): number | Errno {
  const p = lwp.proc;
  const gid = a[0];
  if (gid !== p.cred.rgid && gid !== p.cred.gid && gid !== p.cred.svgid && !isRoot(p)) return EPERM;
  return setCred(p, (c) => {
    if (isRoot(p) || gid === c.rgid) {
      c.rgid = gid;
      c.svgid = gid;
    }
    c.groups[0] = gid;
  });
}

function setegid(lwp: Lwp, a: Float64Array): number | Errno {
  const p = lwp.proc;
  const gid = a[0];
  if (gid !== p.cred.rgid && gid !== p.cred.svgid && !isRoot(p)) return EPERM;
  return setCred(p, (c) => {
    c.groups[0] = gid;
  });
}

/** setreuid, setresuid: -1 keeps. A non-root process may only use the ids it has. */
function setres(lwp: Lwp, kind: 'u' | 'g', r: number, e: number, s: number | null): number | Errno {
  const p = lwp.proc;
  const c = p.cred;
  const mine = kind === 'u' ? [c.ruid, c.uid, c.svuid] : [c.rgid, c.gid, c.svgid];
  for (const id of [r, e, s ?? -1]) if (id !== -1 && !mine.includes(id) && !isRoot(p)) return EPERM;
  return setCred(p, (n) => {
    if (kind === 'u') {
      const old = n.ruid;
      if (r !== -1) n.ruid = r;
      if (e !== -1) n.uid = e;
      if (s !== null ? s !== -1 : r !== -1 || n.uid !== old) n.svuid = s ?? n.uid;
    } else {
      const old = n.rgid;
      if (r !== -1) n.rgid = r;
      if (e !== -1) n.groups[0] = e;
      if (s !== null ? s !== -1 : r !== -1 || n.gid !== old) n.svgid = s ?? n.gid;
    }
  });
}

function getres(lwp: Lwp, a: Float64Array, ids: number[]): number | Errno {
  const w = new Uint8Array(4);
  const v = new DataView(w.buffer);
  for (let i = 0; i < 3; i++) {
    if (a[i] === 0) continue;
    v.setUint32(0, ids[i], true);
    const e = copyout(lwp.proc.vm, w, 0, a[i], 4);
    if (e !== null) return e;
  }
  return 0;
}

function getgroups(lwp: Lwp, a: Float64Array): number | Errno {
  const g = lwp.proc.cred.groups;
  if (a[0] === 0) return g.length;
  if (a[0] < g.length) return EINVAL;
  return copyout(lwp.proc.vm, new Uint8Array(Uint32Array.from(g).buffer), 0, a[1], g.length * 4) ?? g.length;
}

function setgroups(lwp: Lwp, a: Float64Array): number | Errno {
  const n = a[0];
  if (!isRoot(lwp.proc)) return EPERM;
  if (n > NGROUPS_MAX) return EINVAL;
  const buf = new Uint8Array(n * 4);
  const e = n === 0 ? null : copyin(lwp.proc.vm, a[1], buf, 0, n * 4);
  if (e !== null) return e;
  return setCred(lwp.proc, (c) => {
    c.groups = n === 0 ? [c.gid] : [...new Uint32Array(buf.buffer)];
  });
}

/** setpgid(pid, pgid): rules of POSIX. */
function setpgid(lwp: Lwp, a: Float64Array): number | Errno {
  const cur = lwp.proc;
  const target = a[0] === 0 || a[0] === cur.pid ? cur : pfind(a[0]);
  if (a[1] < 0) return EINVAL;
  if (target === null || (target !== cur && target.parent !== cur)) return ESRCH;
  const session = target.pgrp.session;
  if (target !== cur) {
    if (session !== cur.pgrp.session) return EPERM;
    if (gd.hasExeced.has(target)) return EACCES;
  }
  if (session.leader === target) return EPERM;
  const id = a[1] === 0 ? target.pid : a[1];
  let pg = pgfind(id);
  if (pg === null) {
    if (id !== target.pid) return EPERM;
    pg = new Pgrp(id, session);
  } else if (pg.session !== session) return EPERM;
  pgrpEnter(target, pg);
  return 0;
}

/** Make `p` the leader of a new session and group without a terminal. */
export function newSession(p: Proc): void {
  const s = new Session(p.pid, p);
  s.login = p.pgrp.session.login;
  p.flags &= ~P_CONTROLT;
  pgrpEnter(p, new Pgrp(p.pid, s));
}

function setsid(lwp: Lwp): number | Errno {
  const p = lwp.proc;
  if (p.pgrp.id === p.pid || pgfind(p.pid) !== null) return EPERM;
  newSession(p);
  return p.pid;
}

const targetOf = (lwp: Lwp, pid: number): Proc | null => (pid === 0 ? lwp.proc : pfind(pid));

function setTls(lwp: Lwp, a: Float64Array): number | Errno {
  const [which, info, size] = a;
  if (which !== 0 && which !== 1) return ERANGE;
  if (size < 16) return EINVAL;
  const buf = new Uint8Array(16);
  const e = copyin(lwp.proc.vm, info, buf, 0, 16);
  if (e !== null) return e;
  const v = new DataView(buf.buffer);
  if (v.getBigInt64(8, true) < -1n) return EINVAL;
  const base = v.getUint32(4, true) * 0x1_0000_0000 + v.getUint32(0, true);
  // A non-canonical base would fault in the host's stub, not in the guest.
  if (base >= 0x8000_0000_0000) return EINVAL;
  if (which === 0) lwp.mach.fsBase = base;
  else lwp.mach.gsBase = base;
  return 0;
}

function getTls(lwp: Lwp, a: Float64Array): number | Errno {
  const [which, info, size] = a;
  if (which !== 0 && which !== 1) return ERANGE;
  const base = which === 0 ? lwp.mach.fsBase : lwp.mach.gsBase;
  const buf = new Uint8Array(16);
  const v = new DataView(buf.buffer);
  v.setUint32(0, base % 0x1_0000_0000, true);
  v.setUint32(4, base / 0x1_0000_0000, true);
  v.setBigInt64(8, -1n, true);
  return copyout(lwp.proc.vm, buf, 0, info, Math.min(16, size)) ?? 0;
}

function getlogin(lwp: Lwp, a: Float64Array): number | Errno {
  const name = lwp.proc.pgrp.session.login;
  const len = Math.min(33, a[1]);
  const buf = new Uint8Array(33);
  for (let i = 0; i < name.length && i < 32; i++) buf[i] = name.charCodeAt(i);
  return copyout(lwp.proc.vm, buf, 0, a[0], len) ?? 0;
}

function setlogin(lwp: Lwp, a: Float64Array): number | Errno {
  if (!isRoot(lwp.proc)) return EPERM;
  const s = copyinstr(lwp.proc.vm, a[0], 33);
  if (typeof s !== 'string') return s;
  lwp.proc.pgrp.session.login = s;
  return 0;
}

function lwpSetname(lwp: Lwp, a: Float64Array): number | Errno {
  const l = lwp.proc.lwps.get(a[0]);
  if (l === undefined) return ESRCH;
  const s = copyinstr(lwp.proc.vm, a[1], 1024);
  if (typeof s !== 'string') return s;
  l.title = s.slice(0, 1023);
  return 0;
}

function lwpGetname(lwp: Lwp, a: Float64Array): number | Errno {
  const l = lwp.proc.lwps.get(a[0]);
  if (l === undefined) return ESRCH;
  const len = Math.min(a[2], l.title.length + 1);
  if (len <= 0) return 0;
  const buf = new Uint8Array(len);
  for (let i = 0; i < len - 1; i++) buf[i] = l.title.charCodeAt(i);
  return copyout(lwp.proc.vm, buf, 0, a[1], len) ?? 0;
}

export const protSyscalls: SyscallImpls = {
  getpid: { try: (l) => l.proc.pid },
  getppid: { try: (l) => l.proc.parent?.pid ?? 0 },
  getuid: { try: (l) => l.proc.cred.ruid },
  geteuid: { try: (l) => l.proc.cred.uid },
  getgid: { try: (l) => l.proc.cred.rgid },
  getegid: { try: (l) => l.proc.cred.gid },
  lwp_gettid: { try: (l) => l.tid },
  issetugid: { try: (l) => ((l.proc.flags & P_SUGID) !== 0 ? 1 : 0) },
  getpgrp: { try: (l) => l.proc.pgrp.id },
  getpgid: { try: (l, a) => targetOf(l, a[0])?.pgrp.id ?? ESRCH },
  getsid: { try: (l, a) => targetOf(l, a[0])?.pgrp.session.sid ?? ESRCH },
  setpgid: { try: setpgid },
  setsid: { try: setsid },
  setuid: { try: setuid },
  seteuid: { try: seteuid },
  setgid: { try: setgid },
  setegid: { try: setegid },
  setreuid: { try: (l, a) => setres(l, 'u', a[0], a[1], null) },
  setregid: { try: (l, a) => setres(l, 'g', a[0], a[1], null) },
  setresuid: { try: (l, a) => setres(l, 'u', a[0] | 0, a[1] | 0, a[2] | 0) },
  setresgid: { try: (l, a) => setres(l, 'g', a[0] | 0, a[1] | 0, a[2] | 0) },
  getresuid: userCall((l, a) => getres(l, a, [l.proc.cred.ruid, l.proc.cred.uid, l.proc.cred.svuid])),
  getresgid: userCall((l, a) => getres(l, a, [l.proc.cred.rgid, l.proc.cred.gid, l.proc.cred.svgid])),
  getgroups: userCall(getgroups),
  setgroups: userCall(setgroups),
  getlogin: userCall(getlogin),
  setlogin: userCall(setlogin),
  set_tls_area: userCall(setTls),
  get_tls_area: userCall(getTls),
  lwp_setname: userCall(lwpSetname),
  lwp_getname: userCall(lwpGetname),
};

declare module '../sys/globaldata.js' {
  interface GlobalData {
    /** Processes that have called execve since their fork: setpgid refuses them. */
    hasExeced: WeakSet<Proc>;
  }
}

export { EBUSY };
