/**
 * ktrace: records of what a process does, appended to a file for kdump(1): system calls and their results, signals, and
 * what the process itself has to say (utrace). Path names and transferred data are not recorded yet.
 *
 * Records are made where things happen, which must not sleep, and written by a kernel thread. Header and records as in
 * sys/ktrace.h: i32 length, i16 type, i16 flags, i32 pid, i32 tid, 17 bytes command, timeval at 40, a pointer; 64 bytes.
 *
 * Counterpart: sys/kern/kern_ktrace.c
 */
import type { Blocking } from '../sys/blocking.js';
import { EACCES, EINVAL, EJUSTRETURN, EPERM, ESRCH, Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import type { SyscallImpls } from '../sys/syscall.js';
import { IO_APPEND } from '../vfs/vop.js';
import { vnOpen } from '../vfs/vfs_vnops.js';
import { vnLock, vnUnlock, type Vnode, VType } from '../vfs/vnode.js';
import { uioKernel } from '../vm/uio.js';
import { copyinB, copyinstrB } from '../vm/vm_user.js';
import { type File, FREAD, FWRITE, O_NOFOLLOW } from './file.js';
import { fdrop } from './kern_descrip.js';
import { prisonCheck } from './kern_jail.js';
import { wallNs } from './kern_time.js';
import { lwktCreate, TDPRI_KERN_DAEMON, tsleep, WaitQ, wakeup } from './lwkt_thread.js';
import { credIsSuper, type Lwp, P_SUGID, pfind, pgfind, type Proc } from './proc.js';
import { kprintf } from './subr_prf.js';
import type { Sysent } from './syscalls.js';

const KTROP_SET = 0;
const KTROP_CLEAR = 1;
const KTROP_CLEARFILE = 2;
const KTRFLAG_DESCEND = 4;
const KTR_SYSCALL = 1;
const KTR_SYSRET = 2;
const KTR_PSIG = 5;
const KTR_USER = 7;
const KTR_USER_MAXLEN = 2048;
const KTRFAC_MASK = 0x00ffffff;
const KTRFAC_INHERIT = 0x40000000;
const KTRH_THREADED = 0x8000;
const HEADER = 64;
/** Records waiting to be written; what comes on top of that is lost, and said to be. */
const QUEUE_MAX = 16 * 2 ** 20;

/** A file that processes are traced to. */
export class KtraceNode {
  refs = 0;
  lost = 0;
  constructor(readonly fp: File) {}
}

/** How one process is traced. */
export interface Ktrace {
  node: KtraceNode;
  /** KTRFAC_* */
  fac: number;
  /** Set by the super-user: only he may change it. */
  root: boolean;
}

declare module '../sys/globaldata.js' {
  interface GlobalData {
    ktr: { queue: { node: KtraceNode; data: Uint8Array }[]; bytes: number; q: WaitQ; running: boolean };
  }
}

export function ktraceInit(): void {
  gd.ktr = { queue: [], bytes: 0, q: new WaitQ(), running: false };
}

function record(lwp: Lwp, k: Ktrace, type: number, body: Uint8Array): void {
  const p = lwp.proc;
  const { ktr } = gd;
  if (ktr.bytes > QUEUE_MAX) {
    k.node.lost++;
    return;
  }
  const b = new Uint8Array(HEADER + body.length);
  const v = new DataView(b.buffer);
  v.setInt32(0, body.length, true);
  v.setInt16(4, type, true);
  v.setUint16(6, p.lwps.size > 1 ? KTRH_THREADED : 0, true);
  v.setInt32(8, p.pid, true);
  v.setInt32(12, lwp.tid, true);
  for (let i = 0; i < p.comm.length && i < 16; i++) b[16 + i] = p.comm.charCodeAt(i);
  const ns = wallNs();
  v.setBigInt64(40, ns / 1_000_000_000n, true);
  v.setBigInt64(48, (ns % 1_000_000_000n) / 1000n, true);
  b.set(body, HEADER);
  k.node.refs++;
  ktr.queue.push({ node: k.node, data: b });
  ktr.bytes += b.length;
  if (!ktr.running) {
    ktr.running = true;
    lwktCreate(() => writer(), 'ktrace', TDPRI_KERN_DAEMON);
  } else if (ktr.q.head !== null) wakeup(ktr.q);
}

/** The thread that appends records to files. */
function* writer(): Blocking<void> {
  const { ktr } = gd;
  for (;;) {
    const r = ktr.queue.shift();
    if (r === undefined) {
      yield* tsleep(ktr.q, 'ktrace');
      continue;
    }
    ktr.bytes -= r.data.length;
    const { node } = r;
    const vp = node.fp.data as Vnode;
    yield* vnLock(vp, true);
    const e = yield* vp.ops.write(vp, uioKernel(r.data, 'write', 0), IO_APPEND, node.fp.cred);
    vnUnlock(vp, true);
    if (e !== null) {
      kprintf('ktrace write failed, errno %d, tracing stopped\n', e.errno);
      for (const p of gd.allproc.values()) if (p.ktrace?.node === node) yield* release(p);
    }
    yield* nodeDrop(node);
  }
}

function* nodeDrop(node: KtraceNode): Blocking<void> {
  if (--node.refs > 0) return;
  if (node.lost > 0) kprintf('ktrace: %d records lost\n', node.lost);
  yield* fdrop(node.fp);
}

/** Stop tracing `p`. */
function* release(p: Proc): Blocking<void> {
  const k = p.ktrace;
  if (k === null) return;
  p.ktrace = null;
  p.traced = gd.straceOut !== null;
  yield* nodeDrop(k.node);
}
export { release as ktraceRelease };

/** A child is traced like its parent if that was asked for. */
export function ktraceFork(p: Proc, c: Proc): void {
  const k = p.ktrace;
  if (k === null || (k.fac & KTRFAC_INHERIT) === 0) {
    c.traced = gd.straceOut !== null;
    return;
  }
  k.node.refs++;
  c.ktrace = { ...k };
  c.traced = true;
}

/** A system call has ended: the call and its result. */
export function ktrSyscall(lwp: Lwp, se: Sysent, r: number | Errno): void {
  const k = lwp.proc.ktrace;
  if (k === null) return;
  if ((k.fac & (1 << KTR_SYSCALL)) !== 0) {
    const n = se.args.length;
    const b = new Uint8Array(8 + n * 8);
    const v = new DataView(b.buffer);
    v.setInt16(0, se.no, true);
    v.setInt16(2, n, true);
    for (let i = 0; i < n; i++) v.setBigInt64(8 + i * 8, BigInt.asIntN(64, BigInt(lwp.args[i])), true);
    record(lwp, k, KTR_SYSCALL, b);
  }
  if ((k.fac & (1 << KTR_SYSRET)) === 0) return;
  const b = new Uint8Array(16);
  const v = new DataView(b.buffer);
  v.setInt16(0, se.no, true);
  if (r instanceof Errno && r !== EJUSTRETURN) v.setInt32(4, r.errno, true);
  else if (typeof r === 'number') v.setBigInt64(8, BigInt(r), true);
  record(lwp, k, KTR_SYSRET, b);
}

/** A signal is acted on. */
export function ktrPsig(lwp: Lwp, sig: number): void {
  const k = lwp.proc.ktrace;
  if (k === null || (k.fac & (1 << KTR_PSIG)) === 0) return;
  const b = new Uint8Array(40);
  const v = new DataView(b.buffer);
  v.setInt32(0, sig, true);
  v.setBigUint64(8, BigInt(lwp.proc.sigacts.handler[sig]), true);
  v.setInt32(16, lwp.trapSig === sig ? lwp.trapCode : 0, true);
  for (let i = 0; i < 4; i++) v.setUint32(20 + i * 4, lwp.sigmask[i], true);
  record(lwp, k, KTR_PSIG, b);
}

/** May `me` trace `p`? */
function canSet(me: Proc, p: Proc): boolean {
  if (prisonCheck(me, p) !== null) return false;
  if (credIsSuper(me.cred)) return true;
  const c = me.cred;
  const t = p.cred;
  const same = c.uid === t.ruid && t.ruid === t.svuid && c.rgid === t.rgid && t.rgid === t.svgid;
  return same && p.ktrace?.root !== true && (p.flags & P_SUGID) === 0;
}

function* apply(me: Proc, p: Proc, op: number, fac: number, node: KtraceNode | null): Blocking<boolean> {
  if (!canSet(me, p)) return false;
  if (op === KTROP_SET && node !== null) {
    const old = p.ktrace?.node === node ? p.ktrace.fac : 0;
    if (p.ktrace?.node !== node) {
      yield* release(p);
      node.refs++;
    }
    p.ktrace = { node, fac: old | fac, root: credIsSuper(me.cred) };
    p.traced = true;
    return true;
  }
  if (p.ktrace === null) return true;
  p.ktrace.fac &= ~fac;
  if ((p.ktrace.fac & KTRFAC_MASK) === 0) yield* release(p);
  return true;
}

function* descend(p: Proc): Iterable<Proc> {
  yield p;
  for (const c of p.children) yield* descend(c);
}

/** An existing plain file to write to. */
function* openFile(lwp: Lwp, uva: number): Blocking<KtraceNode | Errno> {
  const path = yield* copyinstrB(lwp.proc.vm, uva, 1024);
  if (path instanceof Errno) return path;
  const fp = yield* vnOpen(lwp, lwp.proc.fd.cwd, path, FREAD | FWRITE | O_NOFOLLOW, 0);
  if (fp instanceof Errno) return fp;
  if ((fp.data as Vnode).type !== VType.VREG) {
    yield* fdrop(fp);
    return EACCES;
  }
  // The file of others who are traced to it already, if there is one: CLEARFILE compares.
  for (const p of gd.allproc.values())
    if (p.ktrace !== null && p.ktrace.node.fp.data === fp.data) {
      yield* fdrop(fp);
      p.ktrace.node.refs++;
      return p.ktrace.node;
    }
  const node = new KtraceNode(fp);
  node.refs++;
  return node;
}

function* ktrace(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const [fname, ops, facs, pid] = a;
  const me = lwp.proc;
  const op = ops & 3;
  const fac = facs & (KTRFAC_MASK | KTRFAC_INHERIT);
  let node: KtraceNode | null = null;
  if (op !== KTROP_CLEAR) {
    if (op !== KTROP_SET && op !== KTROP_CLEARFILE) return EINVAL;
    const n = yield* openFile(lwp, fname);
    if (n instanceof Errno) return n;
    node = n;
  }
  try {
    if (op === KTROP_CLEARFILE) {
      let denied = false;
      for (const p of [...gd.allproc.values()]) {
        if (p.ktrace?.node !== node) continue;
        if (canSet(me, p)) yield* release(p);
        else denied = true;
      }
      return denied ? EPERM : 0;
    }
    if ((fac & KTRFAC_MASK) === 0) return EINVAL;
    const targets = pid < 0 ? [...(pgfind(-pid)?.members ?? [])] : [pfind(pid)].filter((p) => p !== null);
    if (targets.length === 0) return ESRCH;
    let done = false;
    for (const t of targets)
      for (const p of (ops & KTRFLAG_DESCEND) !== 0 ? [...descend(t)] : [t])
        if (yield* apply(me, p, op, fac, node)) done = true;
    return done ? 0 : EPERM;
  } finally {
    if (node !== null) yield* nodeDrop(node);
  }
}

function* utrace(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const k = lwp.proc.ktrace;
  if (k === null || (k.fac & (1 << KTR_USER)) === 0) return 0;
  const [addr, len] = a;
  if (len > KTR_USER_MAXLEN) return EINVAL;
  const b = new Uint8Array(len);
  const e = yield* copyinB(lwp.proc.vm, addr, b, 0, len);
  if (e !== null) return e;
  record(lwp, k, KTR_USER, b);
  return 0;
}

export const ktraceSyscalls: SyscallImpls = { ktrace: { block: ktrace }, utrace: { block: utrace } };
