/**
 * ptrace: one process controls another, stops it at signals, reads and writes its memory and registers.
 *
 * A traced process stops at every signal but SIGKILL on its way to user mode (kern_sig.ts issignal); its tracer, who is its
 * parent while it is traced, hears of it by wait and continues it with that signal, another one, or none.
 *
 * Counterpart: sys/kern/sys_process.c; dragonfly-abi.md 4.9
 */
import { Prot, Reg } from '../machine/machine.js';
import type { Blocking } from '../sys/blocking.js';
import { EBUSY, EFAULT, EINVAL, EPERM, ESRCH, Errno } from '../sys/errno.js';
import { SIGKILL, SIGSTOP } from '../sys/signal.js';
import type { SyscallImpls } from '../sys/syscall.js';
import { vmMapProtect } from '../vm/vm_map.js';
import { PAGE_SIZE } from '../vm/vm_param.js';
import { pmapUpdate } from '../vm/pmap.js';
import { copyinB, copyoutB } from '../vm/vm_user.js';
import { prisonCheck } from './kern_jail.js';
import { procTraceResume, psignal } from './kern_sig.js';
import {
  childAdd,
  childRemove,
  credIsSuper,
  type Lwp,
  P_SUGID,
  P_TRACED,
  pfind,
  type Proc,
  ProcState,
} from './proc.js';

const enum Pt {
  TRACE_ME = 0,
  READ_I = 1,
  READ_D = 2,
  WRITE_I = 4,
  WRITE_D = 5,
  CONTINUE = 7,
  KILL = 8,
  STEP = 9,
  ATTACH = 10,
  DETACH = 11,
  IO = 12,
  GETREGS = 33,
  SETREGS = 34,
  GETFPREGS = 35,
  SETFPREGS = 36,
}
/** struct ptrace_io_desc: op i32 0, offs ptr 8, addr ptr 16, len u64 24. */
const IO_DESC = 32;
const PIOD_READ_D = 1;
const PIOD_WRITE_D = 2;
const PIOD_READ_I = 3;
const PIOD_WRITE_I = 4;
const REG_BYTES = 200;
const FPREG_BYTES = 512;
const IO_MAX = 65536;
const PSL_T = 0x100;
/** rflags that a tracer may set. */
const PSL_USERCHANGE = 0x244dd5;
const USER_TOP = 0x8000_0000_0000;

/** Read or write memory of `p`; writing reaches read-only private pages too (breakpoints). */
function* procIo(p: Proc, va: number, buf: Uint8Array, write: boolean): Blocking<Errno | null> {
  const { vm } = p;
  if (!write) return yield* copyinB(vm, va, buf, 0, buf.length);
  for (let done = 0; done < buf.length;) {
    const at = va + done;
    const page = at - (at % PAGE_SIZE);
    const n = Math.min(buf.length - done, page + PAGE_SIZE - at);
    const e = vm.map.lookup(at);
    if (e === null) return EFAULT;
    const prot = e.prot;
    const opened = (prot & Prot.WRITE) === 0;
    if (opened) {
      if (!e.cow) return EFAULT;
      const error = vmMapProtect(vm.map, page, page + PAGE_SIZE, prot | Prot.READ | Prot.WRITE);
      if (error !== null) return EFAULT;
    }
    const error = yield* copyoutB(vm, buf, done, at, n);
    if (opened) {
      vmMapProtect(vm.map, page, page + PAGE_SIZE, prot);
      pmapUpdate(vm.pmap);
    }
    if (error !== null) return error;
    done += n;
  }
  return null;
}

/** May `me` begin to trace `p`? */
function mayAttach(me: Proc, p: Proc): Errno | null {
  if (p === me) return EINVAL;
  if ((p.flags & P_TRACED) !== 0) return EBUSY;
  if (credIsSuper(me.cred)) return p.pid === 1 ? EPERM : null;
  return me.cred.uid !== p.cred.ruid || (p.flags & P_SUGID) !== 0 || p.pid === 1 ? EPERM : null;
}

function attach(me: Proc, p: Proc): number | Errno {
  const e = mayAttach(me, p);
  if (e !== null) return e;
  p.flags |= P_TRACED;
  me.isTracer = true;
  if (p.parent !== me) {
    p.oppid = p.parent?.pid ?? 1;
    if (p.parent !== null) childRemove(p.parent, p);
    childAdd(me, p);
  }
  psignal(p, SIGSTOP);
  return 0;
}

/** Back to the parent from before. */
export function ptraceDetach(p: Proc): void {
  p.flags &= ~P_TRACED;
  if (p.oppid === 0) return;
  const orig = pfind(p.oppid) ?? pfind(1);
  p.oppid = 0;
  if (orig === null || orig === p.parent) return;
  if (p.parent !== null) childRemove(p.parent, p);
  childAdd(orig, p);
}

function resume(p: Proc, req: Pt, addr: number, sig: number): number | Errno {
  if (sig < 0 || sig > 128) return EINVAL;
  const l = p.firstLwp();
  if (l === null) return ESRCH;
  const f = l.mach.frame;
  if (addr !== 1 && req !== Pt.KILL) {
    if (!(addr >= 0 && addr < USER_TOP)) return EINVAL;
    f[Reg.RIP * 2] = addr % 0x1_0000_0000;
    f[Reg.RIP * 2 + 1] = addr / 0x1_0000_0000;
  }
  if (req === Pt.STEP) f[Reg.RFLAGS * 2] |= PSL_T;
  else f[Reg.RFLAGS * 2] &= ~PSL_T;
  if (req === Pt.DETACH) ptraceDetach(p);
  procTraceResume(p, req === Pt.KILL ? SIGKILL : sig);
  return 0;
}

/** Registers from the tracer: flags and addresses that could do harm are kept out. */
function setRegs(l: Lwp, regs: Uint32Array): Errno | null {
  const f = l.mach.frame;
  for (const r of [Reg.RIP, Reg.RSP]) if (regs[r * 2 + 1] >= 0x8000) return EINVAL;
  if (((regs[Reg.RFLAGS * 2] ^ f[Reg.RFLAGS * 2]) & ~(PSL_USERCHANGE | PSL_T)) !== 0) return EINVAL;
  for (let r = 0; r < Reg.COUNT; r++) {
    if (r === Reg.CS || r === Reg.SS) continue;
    f[r * 2] = regs[r * 2];
    f[r * 2 + 1] = regs[r * 2 + 1];
  }
  return null;
}

function* ptraceIo(me: Proc, p: Proc, uva: number): Blocking<number | Errno> {
  const d = new Uint8Array(IO_DESC);
  const v = new DataView(d.buffer);
  let e = yield* copyinB(me.vm, uva, d, 0, IO_DESC);
  if (e !== null) return e;
  const ptr = (o: number): number => v.getUint32(o + 4, true) * 0x1_0000_0000 + v.getUint32(o, true);
  const op = v.getInt32(0, true);
  const write = op === PIOD_WRITE_D || op === PIOD_WRITE_I;
  if (!write && op !== PIOD_READ_D && op !== PIOD_READ_I) return EINVAL;
  const len = ptr(24);
  let done = 0;
  while (done < len) {
    const buf = new Uint8Array(Math.min(len - done, IO_MAX));
    e = write
      ? ((yield* copyinB(me.vm, ptr(16) + done, buf, 0, buf.length)) ?? (yield* procIo(p, ptr(8) + done, buf, true)))
      : ((yield* procIo(p, ptr(8) + done, buf, false)) ?? (yield* copyoutB(me.vm, buf, 0, ptr(16) + done, buf.length)));
    if (e !== null) break;
    done += buf.length;
  }
  v.setBigUint64(24, BigInt(done), true);
  return (yield* copyoutB(me.vm, d, 0, uva, IO_DESC)) ?? (done === 0 && e !== null ? e : 0);
}

function* sysPtrace(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const req: Pt = a[0];
  const [, pid, addr, data] = a;
  const me = lwp.proc;
  if (req === Pt.TRACE_ME) {
    if ((me.flags & P_TRACED) !== 0) return EBUSY;
    me.flags |= P_TRACED;
    me.oppid = 0;
    if (me.parent !== null) me.parent.isTracer = true;
    return 0;
  }
  const p = pfind(pid);
  if (p === null || p.state === ProcState.ZOMB || prisonCheck(me, p) !== null) return ESRCH;
  if (req === Pt.ATTACH) return attach(me, p);
  if ((p.flags & P_TRACED) === 0) return EPERM;
  if (p.parent !== me) return EBUSY;
  const l = p.firstLwp();
  if (req === Pt.KILL && p.state !== ProcState.STOP) {
    psignal(p, SIGKILL);
    return 0;
  }
  if (p.state !== ProcState.STOP || l === null || l.mach.running) return EBUSY;
  const word = new Uint8Array(4);
  const wv = new DataView(word.buffer);
  switch (req) {
    case Pt.READ_I:
    case Pt.READ_D:
      return (yield* procIo(p, addr, word, false)) ?? wv.getInt32(0, true);
    case Pt.WRITE_I:
    case Pt.WRITE_D:
      wv.setInt32(0, data, true);
      return (yield* procIo(p, addr, word, true)) ?? 0;
    case Pt.IO:
      return yield* ptraceIo(me, p, addr);
    case Pt.CONTINUE:
    case Pt.STEP:
    case Pt.DETACH:
    case Pt.KILL:
      return resume(p, req, addr, data);
    case Pt.GETREGS: {
      const b = new Uint8Array(l.mach.frame.slice(0, REG_BYTES / 4).buffer);
      return (yield* copyoutB(me.vm, b, 0, addr, REG_BYTES)) ?? 0;
    }
    case Pt.SETREGS: {
      const b = new Uint8Array(REG_BYTES);
      return (yield* copyinB(me.vm, addr, b, 0, REG_BYTES)) ?? setRegs(l, new Uint32Array(b.buffer)) ?? 0;
    }
    case Pt.GETFPREGS:
      return (yield* copyoutB(me.vm, l.mach.fpu.slice(0, FPREG_BYTES), 0, addr, FPREG_BYTES)) ?? 0;
    case Pt.SETFPREGS: {
      const b = new Uint8Array(FPREG_BYTES);
      const e = yield* copyinB(me.vm, addr, b, 0, FPREG_BYTES);
      if (e !== null) return e;
      // MXCSR bits that do not exist would fault in the host.
      const fv = new DataView(b.buffer);
      fv.setUint32(24, fv.getUint32(24, true) & 0xffbf, true);
      l.mach.fpu.set(b.subarray(0, 416));
      return 0;
    }
    default:
      return EINVAL;
  }
}

export const ptraceSyscalls: SyscallImpls = { ptrace: { block: sysPtrace } };
