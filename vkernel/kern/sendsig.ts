/**
 * Signal frames: from registers to a `struct sigframe` on the user's stack, and back in sigreturn.
 * Layouts: dragonfly-abi.md 3.3; rules: 6.1, 6.2. Both need a full frame.
 *
 * Counterpart: sys/platform/vkernel64/x86_64/cpu_regs.c
 */
import { Reg } from '../machine/machine.js';
import type { Blocking } from '../sys/blocking.js';
import { EFAULT, EINVAL, EJUSTRETURN, type Errno, NOTNOW } from '../sys/errno.js';
import {
  SA_NODEFER,
  SA_ONSTACK,
  SA_RESETHAND,
  SA_SIGINFO,
  SIGBUS,
  SIG_DFL,
  sigaddset,
  sigstrip,
} from '../sys/signal.js';
import { gd } from '../sys/globaldata.js';
import { vmFault } from '../vm/vm_fault.js';
import { copyin, copyout } from '../vm/vm_user.js';
import { lwpSignal } from './kern_sig.js';
import type { Lwp } from './proc.js';
import { userCall } from './sys_util.js';

/** struct sigframe, 1600 bytes. */
const enum Sf {
  HANDLER = 0,
  /** struct ucontext; its signal mask is first. */
  UC = 64,

  /** struct mcontext; mc_onstack is first. */
  MC = 128,

  MC_REGS = 136,
  MC_LEN = 336,
  MC_FPFORMAT = 340,
  MC_OWNEDFP = 344,
  MC_FPREGS = 384,
  UC_STACK = 1416,
  SI = 1472,
  SIZE = 1600,
}
/** The ucontext within it, as sigreturn gets it. */
const UC_SIZE = 1408;
const FP_SIZE = 832;
const MC_FPFMT_YMM = 0x10003;
const MC_FPOWNED_FPU = 0x20001;
const MC_FPOWNED_NONE = 0x20000;

/** Where the kernel maps the trampoline that calls the handler and then sigreturn (dragonfly-abi.md 5.2). */
export const SIGTRAMP_VA = 0x7fffffdfe000;

/** The 22 bytes of dragonfly-abi.md 6.1, padded to 32. */
export const sigcode = Uint8Array.from([
  0xff, 0x14, 0x24, 0x48, 0x8d, 0x7c, 0x24, 0x40, 0x6a, 0x00, 0x48, 0xc7, 0xc0, 0x58, 0x01, 0x00, 0x00, 0x0f, 0x05,
  0xf4, 0xeb, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
]);

const PSL_T = 0x100;
const PSL_D = 0x400;
/** rflags bits a user may change, and RF. */
const PSL_USERCHANGE = 0x244dd5 | 0x10000;

const put64 = (v: DataView, o: number, n: number): void => {
  v.setUint32(o, n % 0x1_0000_0000, true);
  v.setUint32(o + 4, n / 0x1_0000_0000, true);
};

/** Frames are built and read here: nothing sleeps between filling it and using it. */
const frameBuf = new Uint8Array(Sf.SIZE);
const frameView = new DataView(frameBuf.buffer);
const frameWords = new Uint32Array(frameBuf.buffer);
/** The registers in a ucontext that is read into the start of frameBuf. */
const ucRegs = new Uint32Array(frameBuf.buffer, Sf.MC_REGS - Sf.UC, Reg.COUNT * 2);

/** Fill frameBuf with the frame for `sig`. */
function fillFrame(lwp: Lwp, sig: number, addr: number): void {
  const p = lwp.proc;
  const f = lwp.mach.frame;
  const v = frameView;
  frameBuf.fill(0);
  put64(v, Sf.HANDLER, p.sigacts.handler[sig]);
  const mask = lwp.oldSigmask ?? lwp.sigmask;
  for (let i = 0; i < 4; i++) v.setUint32(Sf.UC + i * 4, mask[i], true);
  put64(v, Sf.UC_STACK, lwp.sigstkSp);
  put64(v, Sf.UC_STACK + 8, lwp.sigstkSize);
  v.setInt32(Sf.UC_STACK + 16, (lwp.sigstkDisabled ? 4 : 0) | (lwp.onSigstk ? 1 : 0), true);
  v.setUint32(Sf.MC, lwp.onSigstk ? 1 : 0, true);
  frameWords.set(f, Sf.MC_REGS / 4);
  v.setUint32(Sf.MC_LEN, 1280, true);
  v.setUint32(Sf.MC_FPFORMAT, MC_FPFMT_YMM, true);
  v.setUint32(Sf.MC_OWNEDFP, MC_FPOWNED_FPU, true);
  const fpu = lwp.mach.fpu;
  frameBuf.set(fpu.length > FP_SIZE ? fpu.subarray(0, FP_SIZE) : fpu, Sf.MC_FPREGS);

  const isTrap = lwp.trapSig === sig;
  v.setInt32(Sf.SI, sig, true);
  v.setInt32(Sf.SI + 8, isTrap ? lwp.trapCode : 0, true);
  v.setInt32(Sf.SI + 12, isTrap ? 0 : p.sigPid, true);
  v.setUint32(Sf.SI + 16, isTrap ? 0 : p.sigUid, true);
  put64(v, Sf.SI + 24, addr);
  if (isTrap) put64(v, Sf.MC_REGS + Reg.ADDR * 8, addr);
}

/**
 * Put the frame for `sig` on the user stack and point the registers at the trampoline; never sleeps.
 * @returns null; EFAULT when the stack cannot be written; NOTNOW when a page of it has to be faulted in (gd.vm.notNowVa)
 */
export function trySendsig(lwp: Lwp, sig: number): Errno | null {
  const p = lwp.proc;
  const sa = p.sigacts;
  const flags = sa.flags[sig];
  const f = lwp.mach.frame;
  const rsp = f[Reg.RSP * 2 + 1] * 0x1_0000_0000 + f[Reg.RSP * 2];
  const alt = !lwp.sigstkDisabled && !lwp.onSigstk && (flags & SA_ONSTACK) !== 0;
  const top = alt ? lwp.sigstkSp + lwp.sigstkSize : rsp - 128;
  const sp = top - Sf.SIZE - ((top - Sf.SIZE) % 16);
  if (!(sp > 0)) return EFAULT;
  const isTrap = lwp.trapSig === sig;
  const addr = isTrap ? lwp.trapAddr : 0;
  fillFrame(lwp, sig, addr);
  const e = copyout(p.vm, frameBuf, 0, sp, Sf.SIZE);
  if (e !== null) return e;

  lwp.trapSig = 0;
  if (alt) lwp.onSigstk = true;
  const set = (r: Reg, n: number): void => {
    f[r * 2] = n % 0x1_0000_0000;
    f[r * 2 + 1] = n / 0x1_0000_0000;
  };
  set(Reg.RDI, sig);
  set(Reg.RSI, (flags & SA_SIGINFO) !== 0 ? sp + Sf.SI : isTrap ? lwp.trapCode : 0);
  set(Reg.RDX, sp + Sf.UC);
  set(Reg.RCX, addr);
  set(Reg.RSP, sp);
  set(Reg.RIP, SIGTRAMP_VA);
  f[Reg.RFLAGS * 2] &= ~(PSL_T | PSL_D);
  lwp.mach.fpuReset();

  if (lwp.oldSigmask !== null) lwp.oldSigmask = null;
  for (let i = 0; i < 4; i++) lwp.sigmask[i] |= sa.mask[sig * 4 + i];
  if ((flags & SA_NODEFER) === 0) sigaddset(lwp.sigmask, sig);
  sigstrip(lwp.sigmask);
  if ((flags & SA_RESETHAND) !== 0) sa.own().handler[sig] = SIG_DFL;
  return null;
}

/** trySendsig that sleeps for the stack's pages. @returns false when the stack cannot be written. */
export function* sendsig(lwp: Lwp, sig: number): Blocking<boolean> {
  for (;;) {
    const e = trySendsig(lwp, sig);
    if (e !== NOTNOW) return e === null;
    if ((yield* vmFault(lwp.proc.vm, gd.vm.notNowVa, gd.vm.notNowAccess)) !== null) return false;
  }
}

/** sigreturn(2): registers, FPU, stack flag and mask from the ucontext at `uva`. */
function trySigreturn(lwp: Lwp, a: Float64Array): number | Errno {
  const buf = frameBuf;
  const v = frameView;
  const e = copyin(lwp.proc.vm, a[0], buf, 0, UC_SIZE);
  if (e !== null) return e;
  const regs = Sf.MC_REGS - Sf.UC;
  const f = lwp.mach.frame;
  const rflags = v.getUint32(regs + Reg.RFLAGS * 8, true);
  if (((rflags ^ f[Reg.RFLAGS * 2]) & ~PSL_USERCHANGE) !== 0) return EINVAL;
  if ((v.getUint32(regs + Reg.CS * 8, true) & 3) !== 3) {
    lwpSignal(lwp, SIGBUS);
    return EINVAL;
  }
  // The segments stay, and the upper half of rflags.
  for (const r of [Reg.CS, Reg.SS, Reg.RFLAGS]) {
    ucRegs[r * 2] = f[r * 2];
    ucRegs[r * 2 + 1] = f[r * 2 + 1];
  }
  ucRegs[Reg.RFLAGS * 2] = rflags;
  f.set(ucRegs);
  const owned = v.getUint32(Sf.MC_OWNEDFP - Sf.UC, true);
  if (owned === MC_FPOWNED_NONE) lwp.mach.fpuReset();
  else restoreFpu(lwp.mach.fpu, buf.subarray(Sf.MC_FPREGS - Sf.UC, Sf.MC_FPREGS - Sf.UC + FP_SIZE));
  lwp.onSigstk = (v.getUint32(Sf.MC - Sf.UC, true) & 1) !== 0;
  for (let i = 0; i < 4; i++) lwp.sigmask[i] = v.getUint32(i * 4, true);
  sigstrip(lwp.sigmask);
  lwp.ast = true;
  return EJUSTRETURN;
}

/** The row of sigreturn. */
export const sysSigreturn = { ...userCall(trySigreturn), full: true };

/**
 * Put a saved x87/SSE/AVX image back. What the frame cannot hold (AVX-512 state) stays as it is; reserved mxcsr bits
 * would make the host refuse the frame, so they are cleared.
 */
function restoreFpu(fpu: Uint8Array, saved: Uint8Array): void {
  const n = Math.min(saved.length, fpu.length);
  const dst = new DataView(fpu.buffer, fpu.byteOffset, fpu.length);
  const src = new DataView(saved.buffer, saved.byteOffset, saved.length);
  if (n < 576) {
    fpu.set(saved.subarray(0, Math.min(n, 464)));
    return;
  }
  // Bytes 464..511 of the FXSAVE area are the host's (software reserved); the rest of the header stays zero.
  fpu.set(saved.subarray(0, 464));
  dst.setUint32(24, src.getUint32(24, true) & 0xffbf, true);
  const bv = (src.getUint32(512, true) & 7) | (dst.getUint32(512, true) & ~7);
  dst.setUint32(512, bv, true);
  if (n > 576 && (bv & 4) !== 0) fpu.set(saved.subarray(576, n), 576);
}
