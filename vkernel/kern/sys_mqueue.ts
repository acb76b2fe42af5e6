/**
 * POSIX message queues. A queue has a name of its own space (no file); a descriptor refers to it. Messages wait by priority,
 * and in the order they came within one.
 *
 * Counterpart: sys/kern/sys_mqueue.c
 */
import type { Blocking } from '../sys/blocking.js';
import {
  EACCES,
  EAGAIN,
  EBADF,
  EBUSY,
  EEXIST,
  EINVAL,
  EMFILE,
  EMSGSIZE,
  ENOENT,
  ENOSPC,
  ETIMEDOUT,
  EWOULDBLOCK,
  Errno,
} from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import type { SyscallImpls } from '../sys/syscall.js';
import { copyinB, copyinstrB, copyoutB, suword32B } from '../vm/vm_user.js';
import type { Vattr } from '../vfs/vnode.js';
import {
  DTYPE_MQUEUE,
  FD_CLOEXEC,
  FD_CLOFORK,
  fdget,
  FFLAGS,
  File,
  fileOps,
  FREAD,
  FWRITE,
  O_CLOEXEC,
  O_CLOFORK,
  O_CREAT,
  O_EXCL,
  O_NONBLOCK,
} from './file.js';
import { fdalloc, fdcheck, fdclose } from './kern_descrip.js';
import { Klist, knoteKlist } from './kern_knote.js';
import { psignal } from './kern_sig.js';
import { bootWallNs } from './kern_time.js';
import { PCATCH, tsleep, WaitQ, wakeup } from './lwkt_thread.js';
import { credIsSuper, type Lwp, type Proc, type Ucred } from './proc.js';

const MQ_NAMELEN = 64;
const MQ_OPEN_MAX = 512;
const MQ_PRIO_MAX = 32;
const MQ_DEF_MSGSIZE = 1024;
const MQ_DEF_MAXMSG = 32;
const MQ_MAX_MSGSIZE = 16 * MQ_DEF_MSGSIZE;
const MQ_MAX_MAXMSG = 16 * MQ_DEF_MAXMSG;
/** Queues in the system. */
const MQ_MAX = 1024;
const SIGEV_NONE = 0;
const SIGEV_SIGNAL = 1;
const MQ_ATTR = 32;

interface MqMsg {
  prio: number;
  data: Uint8Array;
}

class Mqueue {
  readonly msgs: MqMsg[] = [];
  unlinked = false;
  /** Who gets a signal when a message comes into the empty queue. */
  notify: { proc: Proc; sig: number } | null = null;
  readonly rq = new WaitQ();
  readonly wq = new WaitQ();
  readonly klist = new Klist();
  constructor(
    readonly name: string,
    readonly mode: number,
    readonly uid: number,
    readonly gid: number,
    readonly maxmsg: number,
    readonly msgsize: number,
  ) {}
}

declare module '../sys/globaldata.js' {
  interface GlobalData {
    mqueues: Map<string, Mqueue>;
  }
}

export function mqueueInit(): void {
  gd.mqueues = new Map();
}

const mqOps = fileOps({
  kqfilter(fp, kn) {
    const q = fp.data as Mqueue;
    return knoteKlist(kn, q.klist, (f) => {
      if (f === 'read') return { active: q.msgs.length > 0, data: q.msgs.length };
      if (f === 'write') return { active: q.msgs.length < q.maxmsg, data: q.maxmsg - q.msgs.length };
      return { active: false, data: 0 };
    });
  },
  tryStat(fp, va: Vattr) {
    const q = fp.data as Mqueue;
    va.mode = q.mode;
    va.uid = q.uid;
    va.gid = q.gid;
    va.size = q.msgs.length;
    return null;
  },
  tryClose: () => null,
});

function mqAccess(cred: Ucred, q: Mqueue, flags: number): Errno | null {
  if (credIsSuper(cred)) return null;
  const shift = cred.uid === q.uid ? 6 : cred.isMember(q.gid) ? 3 : 0;
  const want = ((flags & FREAD) !== 0 ? 4 : 0) | ((flags & FWRITE) !== 0 ? 2 : 0);
  return ((q.mode >> shift) & want) === want ? null : EACCES;
}

function* copyName(lwp: Lwp, uva: number): Blocking<string | Errno> {
  const name = yield* copyinstrB(lwp.proc.vm, uva, MQ_NAMELEN);
  if (name instanceof Errno) return name;
  return name === '' || name === '/' ? EINVAL : name;
}

const openQueues = (p: Proc): number => p.fd.files.filter((fp) => fp !== null && fp.type === DTYPE_MQUEUE).length;

function* mqOpen(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const p = lwp.proc;
  const [nameVa, oflag, mode, attrVa] = a;
  const name = yield* copyName(lwp, nameVa);
  if (name instanceof Errno) return name;
  const flags = FFLAGS(oflag);
  if ((flags & (FREAD | FWRITE)) === 0) return EINVAL;
  let maxmsg = MQ_DEF_MAXMSG;
  let msgsize = MQ_DEF_MSGSIZE;
  if ((oflag & O_CREAT) !== 0 && attrVa !== 0) {
    const b = new Uint8Array(MQ_ATTR);
    const e = yield* copyinB(p.vm, attrVa, b, 0, MQ_ATTR);
    if (e !== null) return e;
    const v = new DataView(b.buffer);
    maxmsg = Number(v.getBigInt64(8, true));
    msgsize = Number(v.getBigInt64(16, true));
    if (maxmsg <= 0 || maxmsg > MQ_MAX_MAXMSG || msgsize <= 0 || msgsize > MQ_MAX_MSGSIZE) return EINVAL;
  }
  const full = fdcheck(p);
  if (full !== null) return full;
  if (openQueues(p) >= MQ_OPEN_MAX) return EMFILE;
  let q = gd.mqueues.get(name);
  if (q !== undefined) {
    if ((oflag & (O_CREAT | O_EXCL)) === (O_CREAT | O_EXCL)) return EEXIST;
    const e = mqAccess(p.cred, q, flags);
    if (e !== null) return e;
  } else {
    if ((oflag & O_CREAT) === 0) return ENOENT;
    if (gd.mqueues.size >= MQ_MAX) return ENOSPC;
    q = new Mqueue(name, mode & ~p.fd.cmask & 0o777, p.cred.uid, p.cred.gid, maxmsg, msgsize);
    gd.mqueues.set(name, q);
  }
  const fp = new File(DTYPE_MQUEUE, mqOps, q, flags & (FREAD | FWRITE | O_NONBLOCK), p.cred);
  return fdalloc(p, fp, ((oflag & O_CLOEXEC) !== 0 ? FD_CLOEXEC : 0) | ((oflag & O_CLOFORK) !== 0 ? FD_CLOFORK : 0));
}

/** The queue behind a descriptor that was opened for `want`. */
function mqGet(p: Proc, fd: number, want: number): { fp: File; q: Mqueue } | Errno {
  const fp = fdget(p, fd);
  if (fp instanceof Errno) return fp;
  if (fp.type !== DTYPE_MQUEUE || (fp.flags & want) !== want) return EBADF;
  return { fp, q: fp.data as Mqueue };
}

function* mqClose(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const m = mqGet(lwp.proc, a[0], 0);
  if (m instanceof Errno) return m;
  if (m.q.notify?.proc === lwp.proc) m.q.notify = null;
  return (yield* fdclose(lwp.proc, a[0])) ?? 0;
}

function* mqUnlink(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const name = yield* copyName(lwp, a[0]);
  if (name instanceof Errno) return name;
  const q = gd.mqueues.get(name);
  if (q === undefined) return ENOENT;
  const { cred } = lwp.proc;
  if (!credIsSuper(cred) && cred.uid !== q.uid) return EACCES;
  // Who has it open goes on using it.
  gd.mqueues.delete(name);
  q.unlinked = true;
  return 0;
}

/** When a timed call gives up: `timespec` of the wall clock at `uva`. In ns of gd.machine.now(). */
function* deadline(lwp: Lwp, uva: number): Blocking<number | Errno> {
  if (uva === 0) return Infinity;
  const b = new Uint8Array(16);
  const e = yield* copyinB(lwp.proc.vm, uva, b, 0, 16);
  if (e !== null) return e;
  const v = new DataView(b.buffer);
  const nsec = v.getBigInt64(8, true);
  if (nsec < 0n || nsec >= 1_000_000_000n) return EINVAL;
  return Number(v.getBigInt64(0, true) * 1_000_000_000n + nsec - bootWallNs());
}

/** Sleep until `ready` or the deadline. */
function* mqWait(q: WaitQ, until: number, wmesg: string): Blocking<Errno | null> {
  let left = 0;
  if (until !== Infinity) {
    left = until - gd.machine.now();
    if (left <= 0) return ETIMEDOUT;
  }
  const e = yield* tsleep(q, wmesg, PCATCH, left);
  return e === EWOULDBLOCK ? ETIMEDOUT : e;
}

function* mqSend(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const p = lwp.proc;
  const m = mqGet(p, a[0], FWRITE);
  if (m instanceof Errno) return m;
  const { fp, q } = m;
  const [, buf, len, prio] = a;
  if (prio >= MQ_PRIO_MAX) return EINVAL;
  if (len > q.msgsize) return EMSGSIZE;
  const data = new Uint8Array(len);
  const e = yield* copyinB(p.vm, buf, data, 0, len);
  if (e !== null) return e;
  if (q.msgs.length >= q.maxmsg) {
    if ((fp.flags & O_NONBLOCK) !== 0) return EAGAIN;
    const until = yield* deadline(lwp, a[4]);
    if (until instanceof Errno) return until;
    while (q.msgs.length >= q.maxmsg) {
      const w = yield* mqWait(q.wq, until, 'mqsend');
      if (w !== null) return w;
    }
  }
  let i = q.msgs.length;
  while (i > 0 && q.msgs[i - 1].prio < prio) i--;
  q.msgs.splice(i, 0, { prio, data });
  if (q.msgs.length === 1 && q.notify !== null && q.rq.head === null) {
    const { proc, sig } = q.notify;
    q.notify = null;
    if (sig !== 0) psignal(proc, sig);
  }
  wakeup(q.rq);
  q.klist.notify();
  return 0;
}

function* mqReceive(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const p = lwp.proc;
  const m = mqGet(p, a[0], FREAD);
  if (m instanceof Errno) return m;
  const { fp, q } = m;
  const [, buf, len, prioVa] = a;
  if (len < q.msgsize) return EMSGSIZE;
  if (q.msgs.length === 0) {
    if ((fp.flags & O_NONBLOCK) !== 0) return EAGAIN;
    const until = yield* deadline(lwp, a[4]);
    if (until instanceof Errno) return until;
    while (q.msgs.length === 0) {
      const w = yield* mqWait(q.rq, until, 'mqrecv');
      if (w !== null) return w;
    }
  }
  const msg = q.msgs.shift() as MqMsg;
  wakeup(q.wq);
  q.klist.notify();
  const e = yield* copyoutB(p.vm, msg.data, 0, buf, msg.data.length);
  if (e !== null) return e;
  if (prioVa !== 0) {
    const e2 = yield* suword32B(p.vm, prioVa, msg.prio);
    if (e2 !== null) return e2;
  }
  return msg.data.length;
}

function* mqNotify(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const p = lwp.proc;
  const m = mqGet(p, a[0], 0);
  if (m instanceof Errno) return m;
  const { q } = m;
  if (a[1] === 0) {
    if (q.notify?.proc === p) q.notify = null;
    return 0;
  }
  const b = new Uint8Array(32);
  const e = yield* copyinB(p.vm, a[1], b, 0, 32);
  if (e !== null) return e;
  const v = new DataView(b.buffer);
  const how = v.getInt32(0, true);
  const sig = v.getInt32(8, true);
  if (how !== SIGEV_NONE && how !== SIGEV_SIGNAL) return EINVAL;
  if (how === SIGEV_SIGNAL && (sig <= 0 || sig > 128)) return EINVAL;
  // Registrations of processes that are gone do not count.
  if (q.notify !== null && gd.allproc.get(q.notify.proc.pid) === q.notify.proc) return EBUSY;
  q.notify = { proc: p, sig: how === SIGEV_NONE ? 0 : sig };
  return 0;
}

function* putAttr(lwp: Lwp, fp: File, q: Mqueue, uva: number): Blocking<Errno | null> {
  const b = new Uint8Array(MQ_ATTR);
  const v = new DataView(b.buffer);
  v.setBigInt64(0, BigInt(fp.flags & O_NONBLOCK), true);
  v.setBigInt64(8, BigInt(q.maxmsg), true);
  v.setBigInt64(16, BigInt(q.msgsize), true);
  v.setBigInt64(24, BigInt(q.msgs.length), true);
  return yield* copyoutB(lwp.proc.vm, b, 0, uva, MQ_ATTR);
}

function* mqGetattr(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const m = mqGet(lwp.proc, a[0], 0);
  return m instanceof Errno ? m : ((yield* putAttr(lwp, m.fp, m.q, a[1])) ?? 0);
}

/** Only O_NONBLOCK can be changed. */
function* mqSetattr(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const m = mqGet(lwp.proc, a[0], 0);
  if (m instanceof Errno) return m;
  const b = new Uint8Array(MQ_ATTR);
  const e = yield* copyinB(lwp.proc.vm, a[1], b, 0, MQ_ATTR);
  if (e !== null) return e;
  if (a[2] !== 0) {
    const e2 = yield* putAttr(lwp, m.fp, m.q, a[2]);
    if (e2 !== null) return e2;
  }
  m.fp.flags = (m.fp.flags & ~O_NONBLOCK) | (b[0] & O_NONBLOCK);
  return 0;
}

export const mqueueSyscalls: SyscallImpls = {
  mq_open: { block: mqOpen },
  mq_close: { block: mqClose },
  mq_unlink: { block: mqUnlink },
  mq_getattr: { block: mqGetattr },
  mq_setattr: { block: mqSetattr },
  mq_notify: { block: mqNotify },
  // A fifth argument that the call does not have must read as "no timeout".
  mq_send: { block: (lwp, a) => mqSend(lwp, withoutTimeout(a)) },
  mq_receive: { block: (lwp, a) => mqReceive(lwp, withoutTimeout(a)) },
  mq_timedsend: { block: mqSend },
  mq_timedreceive: { block: mqReceive },
};

function withoutTimeout(a: Float64Array): Float64Array {
  a[4] = 0;
  return a;
}
