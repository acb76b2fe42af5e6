/**
 * System V semaphores: semget, semop, semctl; adjustments that are undone at exit.
 *
 * Counterpart: sys/kern/sysv_sem.c
 */
import type { Blocking } from '../sys/blocking.js';
import { E2BIG, EAGAIN, EFBIG, EIDRM, EINVAL, ERANGE, Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import type { SyscallImpls } from '../sys/syscall.js';
import { copyinB, copyoutB } from '../vm/vm_user.js';
import { PCATCH, tsleep, WaitQ, wakeup } from './lwkt_thread.js';
import type { Lwp, Proc } from './proc.js';
import {
  emitPerm,
  IPC_NOWAIT,
  IPC_R,
  IPC_RMID,
  IPC_SET,
  IPC_STAT,
  IPC_W,
  type IpcObject,
  ipcOwner,
  IpcPerm,
  ipcPerm,
  IpcTable,
  ipcTime,
  setPerm,
} from './sysv_ipc.js';

const SEM_UNDO = 0o10000;
const SEMMNI = 256;
const SEMMSL = 1024;
const SEMOPM = 100;
const SEMVMX = 32767;
const SEMID_DS = 112;

const enum Cmd {
  GETNCNT = 3,
  GETPID = 4,
  GETVAL = 5,
  GETALL = 6,
  GETZCNT = 7,
  SETVAL = 8,
  SETALL = 9,
}

class SemSet implements IpcObject {
  removed = false;
  readonly val: Uint16Array;
  readonly pid: Int32Array;
  /** Waiters for more, and for zero. */
  readonly ncnt: Uint16Array;
  readonly zcnt: Uint16Array;
  otime = 0n;
  ctime = ipcTime();
  readonly q = new WaitQ();
  /** What to add at the exit of a process: sums by semaphore. */
  readonly undo = new Map<Proc, Int32Array>();
  constructor(
    readonly perm: IpcPerm,
    readonly n: number,
  ) {
    this.val = new Uint16Array(n);
    this.pid = new Int32Array(n);
    this.ncnt = new Uint16Array(n);
    this.zcnt = new Uint16Array(n);
  }
}

declare module '../sys/globaldata.js' {
  interface GlobalData {
    sem: IpcTable<SemSet>;
  }
}

export function semInit(): void {
  gd.sem = new IpcTable(SEMMNI);
}

function semget(lwp: Lwp, a: Float64Array): number | Errno {
  const [key, n, flags] = a;
  return gd.sem.get(
    lwp,
    key,
    flags,
    (s) => (n > s.n ? EINVAL : null),
    (seq) => (n <= 0 || n > SEMMSL ? EINVAL : new SemSet(new IpcPerm(key, flags & 0o777, seq, lwp.proc.cred), n)),
  );
}

interface SemOp {
  num: number;
  op: number;
  flg: number;
}

/** Try all operations. @returns null when they are done, the one in the way, or an errno; nothing is done then. */
function apply(s: SemSet, ops: readonly SemOp[], p: Proc): SemOp | Errno | null {
  const val = s.val.slice();
  for (const o of ops) {
    if (o.op === 0) {
      if (val[o.num] !== 0) return o;
    } else if (o.op < 0) {
      if (val[o.num] + o.op < 0) return o;
      val[o.num] += o.op;
    } else {
      if (val[o.num] + o.op > SEMVMX) return ERANGE;
      val[o.num] += o.op;
    }
  }
  for (const o of ops) {
    if ((o.flg & SEM_UNDO) === 0 || o.op === 0) continue;
    let u = s.undo.get(p);
    if (u === undefined) s.undo.set(p, (u = new Int32Array(s.n)));
    u[o.num] -= o.op;
  }
  s.val.set(val);
  for (const o of ops) s.pid[o.num] = p.pid;
  s.otime = ipcTime();
  return null;
}

function* semop(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const [id, sops, n] = a;
  const p = lwp.proc;
  const s = gd.sem.find(id);
  if (s instanceof Errno) return s;
  if (n > SEMOPM) return E2BIG;
  const b = new Uint8Array(n * 6);
  const e = yield* copyinB(p.vm, sops, b, 0, b.length);
  if (e !== null) return e;
  const v = new DataView(b.buffer);
  const ops: SemOp[] = [];
  for (let i = 0; i < n; i++)
    ops.push({ num: v.getUint16(i * 6, true), op: v.getInt16(i * 6 + 2, true), flg: v.getInt16(i * 6 + 4, true) });
  if (ops.some((o) => o.num >= s.n)) return EFBIG;
  const alter = ops.some((o) => o.op !== 0);
  const no = ipcPerm(p.cred, s.perm, alter ? IPC_W : IPC_R);
  if (no !== null) return no;
  for (;;) {
    const r = apply(s, ops, p);
    if (r === null) {
      if (alter) wakeup(s.q);
      return 0;
    }
    if (r instanceof Errno) return r;
    if ((r.flg & IPC_NOWAIT) !== 0) return EAGAIN;
    const counts = r.op === 0 ? s.zcnt : s.ncnt;
    counts[r.num]++;
    const w = yield* tsleep(s.q, 'semwait', PCATCH);
    counts[r.num]--;
    if (s.removed) return EIDRM;
    if (w !== null) return w;
  }
}

function emitSem(s: SemSet): Uint8Array {
  const b = new Uint8Array(SEMID_DS);
  const v = new DataView(b.buffer);
  emitPerm(v, 0, s.perm);
  v.setUint16(40, s.n, true);
  v.setBigInt64(48, s.otime, true);
  v.setBigInt64(64, s.ctime, true);
  return b;
}

/** The fourth argument points to a union semun: an int, or a pointer. */
function* semctl(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const [id, num, cmd, argVa] = a;
  const { vm, cred } = lwp.proc;
  const s = gd.sem.find(id);
  if (s instanceof Errno) return s;
  const un = new Uint8Array(8);
  const uv = new DataView(un.buffer);
  const wantsArg =
    cmd === IPC_SET || cmd === IPC_STAT || cmd === Cmd.GETALL || cmd === Cmd.SETVAL || cmd === Cmd.SETALL;
  if (wantsArg) {
    const e = yield* copyinB(vm, argVa, un, 0, 8);
    if (e !== null) return e;
  }
  const ptr = uv.getUint32(4, true) * 0x1_0000_0000 + uv.getUint32(0, true);
  const needsNum = cmd === Cmd.GETVAL || cmd === Cmd.GETPID || cmd === Cmd.GETNCNT || cmd === Cmd.GETZCNT;
  if ((needsNum || cmd === Cmd.SETVAL) && (num < 0 || num >= s.n)) return EINVAL;
  if (cmd === IPC_RMID || cmd === IPC_SET) {
    const no = ipcOwner(cred, s.perm);
    if (no !== null) return no;
  } else {
    const no = ipcPerm(cred, s.perm, cmd === Cmd.SETVAL || cmd === Cmd.SETALL ? IPC_W : IPC_R);
    if (no !== null) return no;
  }
  switch (cmd) {
    case IPC_RMID:
      s.removed = true;
      gd.sem.free(s);
      wakeup(s.q);
      return 0;
    case IPC_SET: {
      const b = new Uint8Array(SEMID_DS);
      const e = yield* copyinB(vm, ptr, b, 0, b.length);
      if (e !== null) return e;
      setPerm(new DataView(b.buffer), 0, s.perm);
      s.ctime = ipcTime();
      return 0;
    }
    case IPC_STAT: {
      const b = emitSem(s);
      return (yield* copyoutB(vm, b, 0, ptr, b.length)) ?? 0;
    }
    case Cmd.GETNCNT:
      return s.ncnt[num];
    case Cmd.GETZCNT:
      return s.zcnt[num];
    case Cmd.GETPID:
      return s.pid[num];
    case Cmd.GETVAL:
      return s.val[num];
    case Cmd.GETALL: {
      const b = new Uint8Array(s.val.slice().buffer);
      return (yield* copyoutB(vm, b, 0, ptr, b.length)) ?? 0;
    }
    case Cmd.SETVAL: {
      const n = uv.getInt32(0, true);
      if (n < 0 || n > SEMVMX) return ERANGE;
      s.val[num] = n;
      forgetUndo(s, num);
      break;
    }
    case Cmd.SETALL: {
      const b = new Uint8Array(s.n * 2);
      const e = yield* copyinB(vm, ptr, b, 0, b.length);
      if (e !== null) return e;
      const vals = new Uint16Array(b.buffer);
      if (vals.some((x) => x > SEMVMX)) return ERANGE;
      s.val.set(vals);
      forgetUndo(s, -1);
      break;
    }
    default:
      return EINVAL;
  }
  s.ctime = ipcTime();
  wakeup(s.q);
  return 0;
}

/** A value was set: adjustments from before mean nothing now. */
function forgetUndo(s: SemSet, num: number): void {
  for (const u of s.undo.values())
    if (num < 0) u.fill(0);
    else u[num] = 0;
}

/** The process exits: undo what it asked to have undone. A semaphore never gets below 0. */
export function semExit(p: Proc): void {
  for (const s of gd.sem.slots) {
    const u = s?.undo.get(p);
    if (s === null || u === undefined) continue;
    s.undo.delete(p);
    for (let i = 0; i < s.n; i++) if (u[i] !== 0) s.val[i] = Math.min(SEMVMX, Math.max(0, s.val[i] + u[i]));
    wakeup(s.q);
  }
}

export const semSyscalls: SyscallImpls = {
  semget: { try: semget },
  semop: { block: semop },
  __semctl: { block: semctl },
};
