/**
 * System calls without a home of their own: entropy, reboot, uuids, x86 segment bases.
 */
import type { Blocking } from '../sys/blocking.js';
import { EFAULT, EINVAL, EPERM, type Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import type { SyscallImpls } from '../sys/syscall.js';
import { copyin, copyout, copyoutB } from '../vm/vm_user.js';
import { credIsHostSuper, type Lwp } from './proc.js';
import { userCall } from './sys_util.js';

const RB_HALT = 0x8;
const RB_POWEROFF = 0x4000;
/** Bytes of entropy made at a time. */
const CHUNK = 4096;

function* sysGetrandom(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const len = Math.min(a[1], 0x7fffffff);
  const buf = new Uint8Array(Math.min(len, CHUNK));
  for (let done = 0; done < len; done += buf.length) {
    const n = Math.min(buf.length, len - done);
    gd.machine.entropy(buf);
    const e = yield* copyoutB(lwp.proc.vm, buf, 0, a[0] + done, n);
    if (e !== null) return e;
  }
  return len;
}

/** reboot(2): sync, then the machine ends this run. */
function* sysReboot(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  if (!credIsHostSuper(lwp.proc.cred)) return EPERM;
  const how = a[0];
  yield* gd.shutdown((how & RB_POWEROFF) !== 0 ? 'poweroff' : (how & RB_HALT) !== 0 ? 'halt' : 'reboot');
  return 0;
}

/** Version 1 uuids, as uuidgen(2) makes them, with a random node. */
function tryUuidgen(lwp: Lwp, a: Float64Array): number | Errno {
  const count = a[1];
  if (count < 1 || count > 2048) return EINVAL;
  const buf = new Uint8Array(count * 16);
  gd.machine.entropy(buf);
  const v = new DataView(buf.buffer);
  const ticks = (gd.machine.wallBaseNs + BigInt(Math.floor(gd.machine.now()))) / 100n + 0x01b21dd213814000n;
  for (let i = 0; i < count; i++) {
    const t = ticks + BigInt(i);
    v.setUint32(i * 16, Number(t & 0xffffffffn), true);
    v.setUint16(i * 16 + 4, Number((t >> 32n) & 0xffffn), true);
    v.setUint16(i * 16 + 6, Number((t >> 48n) & 0xfffn) | 0x1000, true);
    v.setUint8(i * 16 + 8, (v.getUint8(i * 16 + 8) & 0x3f) | 0x80);
    v.setUint8(i * 16 + 10, v.getUint8(i * 16 + 10) | 1);
  }
  return copyout(lwp.proc.vm, buf, 0, a[0], buf.length) ?? 0;
}

/** sysarch: get and set the fs and gs bases. Operations as in machine/sysarch.h. */
function trySysarch(lwp: Lwp, a: Float64Array): number | Errno {
  const word = new Uint8Array(8);
  const v = new DataView(word.buffer);
  const [op, parms] = a;
  const isGs = op === 130 || op === 131;
  if (op === 128 || op === 130) {
    const base = isGs ? lwp.mach.gsBase : lwp.mach.fsBase;
    v.setUint32(0, base % 0x1_0000_0000, true);
    v.setUint32(4, base / 0x1_0000_0000, true);
    return copyout(lwp.proc.vm, word, 0, parms, 8) === null ? 0 : EFAULT;
  }
  if (op !== 129 && op !== 131) return EINVAL;
  const e = copyin(lwp.proc.vm, parms, word, 0, 8);
  if (e !== null) return e;
  const base = v.getUint32(4, true) * 0x1_0000_0000 + v.getUint32(0, true);
  if (base >= 0x8000_0000_0000) return EINVAL;
  if (isGs) lwp.mach.gsBase = base;
  else lwp.mach.fsBase = base;
  return 0;
}

export const miscSyscalls: SyscallImpls = {
  getrandom: { block: sysGetrandom },
  reboot: { block: sysReboot },
  uuidgen: userCall(tryUuidgen),
  sysarch: userCall(trySysarch),
};

declare module '../sys/globaldata.js' {
  interface GlobalData {
    /** Sync and end this run of the machine. Never returns to its caller's user mode. */
    shutdown: (how: 'halt' | 'reboot' | 'poweroff') => Blocking<void>;
  }
}
