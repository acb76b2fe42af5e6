/**
 * System V message queues: msgget, msgsnd, msgrcv, msgctl.
 *
 * Counterpart: sys/kern/sysv_msg.c
 */
import type { Blocking } from '../sys/blocking.js';
import { E2BIG, EAGAIN, EIDRM, EINVAL, ENOMSG, EPERM, Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import type { SyscallImpls } from '../sys/syscall.js';
import { copyinB, copyoutB } from '../vm/vm_user.js';
import { PCATCH, tsleep, WaitQ, wakeup } from './lwkt_thread.js';
import { credIsSuper, type Lwp } from './proc.js';
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

const MSG_NOERROR = 0o10000;
const MSGMNI = 40;
const MSGMNB = 2048;
const MSGMAX = 16384;
const MSQID_DS = 160;

interface Msg {
  type: number;
  data: Uint8Array;
}

class MsgQueue implements IpcObject {
  removed = false;
  readonly msgs: Msg[] = [];
  bytes = 0;
  maxBytes = MSGMNB;
  lspid = 0;
  lrpid = 0;
  stime = 0n;
  rtime = 0n;
  ctime = ipcTime();
  readonly q = new WaitQ();
  constructor(readonly perm: IpcPerm) {}
}

declare module '../sys/globaldata.js' {
  interface GlobalData {
    msg: IpcTable<MsgQueue>;
  }
}

export function msgInit(): void {
  gd.msg = new IpcTable(MSGMNI);
}

function msgget(lwp: Lwp, a: Float64Array): number | Errno {
  const make = (seq: number): MsgQueue => new MsgQueue(new IpcPerm(a[0], a[1] & 0o777, seq, lwp.proc.cred));
  return gd.msg.get(lwp, a[0], a[1], () => null, make);
}

function* msgsnd(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const [id, msgp, size, flags] = a;
  const p = lwp.proc;
  const q = gd.msg.find(id);
  if (q instanceof Errno) return q;
  const no = ipcPerm(p.cred, q.perm, IPC_W);
  if (no !== null) return no;
  if (!(size <= MSGMAX && size <= q.maxBytes)) return EINVAL;
  const b = new Uint8Array(8 + size);
  const e = yield* copyinB(p.vm, msgp, b, 0, b.length);
  if (e !== null) return e;
  const type = Number(new DataView(b.buffer).getBigInt64(0, true));
  if (type < 1) return EINVAL;
  // An empty message must not be free of charge: the number of messages is bounded as well.
  while (q.bytes + size > q.maxBytes || q.msgs.length >= q.maxBytes) {
    if ((flags & IPC_NOWAIT) !== 0) return EAGAIN;
    const w = yield* tsleep(q.q, 'msgsnd', PCATCH);
    if (q.removed) return EIDRM;
    if (w !== null) return w;
  }
  if (q.removed) return EIDRM;
  q.msgs.push({ type, data: b.slice(8) });
  q.bytes += size;
  q.lspid = p.pid;
  q.stime = ipcTime();
  wakeup(q.q);
  return 0;
}

/** Index of the message that msgrcv wants: the first, the first of a type, or that of the lowest type up to -type. */
function pick(q: MsgQueue, type: number): number {
  if (type === 0) return q.msgs.length > 0 ? 0 : -1;
  if (type > 0) return q.msgs.findIndex((m) => m.type === type);
  let best = -1;
  q.msgs.forEach((m, i) => {
    if (m.type <= -type && (best < 0 || m.type < q.msgs[best].type)) best = i;
  });
  return best;
}

function* msgrcv(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const [id, msgp, size, type, flags] = a;
  const p = lwp.proc;
  const q = gd.msg.find(id);
  if (q instanceof Errno) return q;
  const no = ipcPerm(p.cred, q.perm, IPC_R);
  if (no !== null) return no;
  for (;;) {
    const i = pick(q, type);
    if (i >= 0) {
      const m = q.msgs[i];
      if (m.data.length > size && (flags & MSG_NOERROR) === 0) return E2BIG;
      const n = Math.min(m.data.length, size);
      q.msgs.splice(i, 1);
      q.bytes -= m.data.length;
      q.lrpid = p.pid;
      q.rtime = ipcTime();
      wakeup(q.q);
      const b = new Uint8Array(8 + n);
      new DataView(b.buffer).setBigInt64(0, BigInt(m.type), true);
      b.set(m.data.subarray(0, n), 8);
      return (yield* copyoutB(p.vm, b, 0, msgp, b.length)) ?? n;
    }
    if ((flags & IPC_NOWAIT) !== 0) return ENOMSG;
    const w = yield* tsleep(q.q, 'msgrcv', PCATCH);
    if (q.removed) return EIDRM;
    if (w !== null) return w;
  }
}

function emitMsq(q: MsgQueue): Uint8Array {
  const b = new Uint8Array(MSQID_DS);
  const v = new DataView(b.buffer);
  emitPerm(v, 0, q.perm);
  v.setBigUint64(48, BigInt(q.bytes), true);
  v.setBigUint64(56, BigInt(q.msgs.length), true);
  v.setBigUint64(64, BigInt(q.maxBytes), true);
  v.setInt32(72, q.lspid, true);
  v.setInt32(76, q.lrpid, true);
  v.setBigInt64(80, q.stime, true);
  v.setBigInt64(96, q.rtime, true);
  v.setBigInt64(112, q.ctime, true);
  return b;
}

function* msgctl(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const [id, cmd, buf] = a;
  const { vm, cred } = lwp.proc;
  const q = gd.msg.find(id);
  if (q instanceof Errno) return q;
  switch (cmd) {
    case IPC_RMID: {
      const e = ipcOwner(cred, q.perm);
      if (e !== null) return e;
      q.removed = true;
      gd.msg.free(q);
      wakeup(q.q);
      return 0;
    }
    case IPC_SET: {
      const b = new Uint8Array(MSQID_DS);
      const e = ipcOwner(cred, q.perm) ?? (yield* copyinB(vm, buf, b, 0, b.length));
      if (e !== null) return e;
      const v = new DataView(b.buffer);
      const max = Number(v.getBigUint64(64, true));
      if (max > q.maxBytes && !credIsSuper(cred)) return EPERM;
      if (max === 0 || max > MSGMNB) return EINVAL;
      q.maxBytes = max;
      setPerm(v, 0, q.perm);
      q.ctime = ipcTime();
      wakeup(q.q);
      return 0;
    }
    case IPC_STAT: {
      const b = emitMsq(q);
      return ipcPerm(cred, q.perm, IPC_R) ?? (yield* copyoutB(vm, b, 0, buf, b.length)) ?? 0;
    }
    default:
      return EINVAL;
  }
}

export const msgSyscalls: SyscallImpls = {
  msgget: { try: msgget },
  msgsnd: { block: msgsnd },
  msgrcv: { block: msgrcv },
  msgctl: { block: msgctl },
};
