/**
 * procctl: reapers, who take over the orphans below them in place of init; the signal at the parent's death.
 *
 * Counterpart: sys/kern/kern_exit.c (sys_procctl); dragonfly-abi.md 3.8
 */
import type { Blocking } from '../sys/blocking.js';
import { EALREADY, EINVAL, ENOTCONN, EPERM, ESRCH, type Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import type { SyscallImpls } from '../sys/syscall.js';
import { copyinB, copyoutB, suword32B } from '../vm/vm_user.js';
import { psignal } from './kern_sig.js';
import { credSeesSignal, type Lwp, type Proc, ProcState, Reaper, reaperOf } from './proc.js';

const P_PID = 0;
const enum Cmd {
  REAP_ACQUIRE = 1,
  REAP_RELEASE = 2,
  REAP_STATUS = 3,
  PDEATHSIG_CTL = 4,
  PDEATHSIG_STATUS = 5,
  REAP_KILL = 6,
}
const REAPER_STAT_OWNED = 1;
const REAPER_STAT_REALINIT = 2;
const REAPER_KILL_CHILDREN = 1;
const REAPER_STATUS = 192;

/** Is `p` a reaper? */
const isReaper = (p: Proc): boolean => p.reaper !== null && p.reaper.proc === p;

/** Processes below `p`. */
function* descendants(p: Proc): Iterable<Proc> {
  for (const c of p.children) {
    yield c;
    yield* descendants(c);
  }
}

function* status(lwp: Lwp, uva: number): Blocking<number | Errno> {
  const p = lwp.proc;
  const who = isReaper(p) ? p : reaperOf(p);
  if (who === null) return ESRCH;
  const b = new Uint8Array(REAPER_STATUS);
  const v = new DataView(b.buffer);
  v.setUint32(0, (who === p ? REAPER_STAT_OWNED : 0) | (who === gd.initproc ? REAPER_STAT_REALINIT : 0), true);
  let refs = 0;
  for (const q of gd.allproc.values()) if (who !== gd.initproc && q.reaper?.proc === who) refs++;
  v.setUint32(4, refs, true);
  v.setInt32(128, who.children.head?.pid ?? -1, true);
  return (yield* copyoutB(p.vm, b, 0, uva, b.length)) ?? 0;
}

function* reapKill(lwp: Lwp, uva: number): Blocking<number | Errno> {
  const p = lwp.proc;
  if (!isReaper(p)) return EPERM;
  const b = new Uint8Array(16);
  const v = new DataView(b.buffer);
  const e = yield* copyinB(p.vm, uva, b, 0, 16);
  if (e !== null) return e;
  const flags = v.getUint32(0, true);
  const sig = v.getInt32(4, true);
  if ((flags & ~REAPER_KILL_CHILDREN) !== 0 || sig <= 0 || sig > 128) return EINVAL;
  let killed = 0;
  let failed = -1;
  for (const c of (flags & REAPER_KILL_CHILDREN) !== 0 ? [...p.children] : [...descendants(p)]) {
    if (c.state === ProcState.ZOMB) continue;
    if (!credSeesSignal(p.cred, c.cred)) {
      if (failed < 0) failed = c.pid;
      continue;
    }
    psignal(c, sig);
    killed++;
  }
  v.setUint32(8, killed, true);
  v.setInt32(12, failed, true);
  const e2 = yield* copyoutB(p.vm, b, 0, uva, 16);
  if (e2 !== null) return e2;
  return killed > 0 ? 0 : failed >= 0 ? EPERM : ESRCH;
}

function* procctl(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const p = lwp.proc;
  const [idtype, id, cmd, data] = a;
  if (idtype !== P_PID || (id !== 0 && id !== p.pid)) return EINVAL;
  switch (cmd) {
    case Cmd.REAP_ACQUIRE:
      if (isReaper(p)) return EALREADY;
      p.reaper = new Reaper(p, p.reaper);
      return 0;
    case Cmd.REAP_RELEASE: {
      const r = p.reaper;
      if (r === null || r.proc !== p) return ENOTCONN;
      r.proc = null;
      p.reaper = r.outer;
      return 0;
    }
    case Cmd.REAP_STATUS:
      return yield* status(lwp, data);
    case Cmd.REAP_KILL:
      return yield* reapKill(lwp, data);
    case Cmd.PDEATHSIG_CTL: {
      const b = new Uint8Array(4);
      const e = yield* copyinB(p.vm, data, b, 0, 4);
      if (e !== null) return e;
      const sig = new DataView(b.buffer).getInt32(0, true);
      if (sig < 0 || sig > 128) return EINVAL;
      p.deathSig = sig;
      return 0;
    }
    case Cmd.PDEATHSIG_STATUS:
      return (yield* suword32B(p.vm, data, p.deathSig)) ?? 0;
    default:
      return EINVAL;
  }
}

export const procctlSyscalls: SyscallImpls = { procctl: { block: procctl } };
