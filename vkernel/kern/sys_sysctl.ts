/**
 * The __sysctl system call: user copies around kern_sysctl.ts (dragonfly-abi.md 8.2).
 */
import { EINVAL, ENOMEM, Errno } from '../sys/errno.js';
import type { SyscallImpls } from '../sys/syscall.js';
import { copyin, copyout, fuword64, suword64 } from '../vm/vm_user.js';
import { sysctlUserland } from './kern_sysctl.js';
import type { Lwp } from './proc.js';
import { userCall } from './sys_util.js';

const CTL_MAXNAME = 12;
/** Largest new value taken from a user. */
const NEW_MAX = 1 << 20;

/**
 * Copies first, so that a page that is not resident is found before anything changes; then sets; then copies out. A
 * set value that cannot be copied back has been set all the same, as in the real kernel.
 */
function trySysctl(lwp: Lwp, a: Float64Array): number | Errno {
  const [name, namelen, old, oldlenp, newp, newlen] = a;
  const vm = lwp.proc.vm;
  if (namelen < 2 || namelen > CTL_MAXNAME) return EINVAL;
  const nameBuf = new Uint8Array(namelen * 4);
  let e = copyin(vm, name, nameBuf, 0, nameBuf.length);
  if (e !== null) return e;
  let room = 0;
  if (oldlenp !== 0) {
    const n = fuword64(vm, oldlenp);
    if (n instanceof Errno) return n;
    room = n;
    // Find out now whether the length can be stored.
    e = suword64(vm, oldlenp, n);
    if (e !== null) return e;
  }
  let newBytes: Uint8Array | null = null;
  if (newp !== 0) {
    if (newlen > NEW_MAX) return EINVAL;
    newBytes = new Uint8Array(newlen);
    e = newlen === 0 ? null : copyin(vm, newp, newBytes, 0, newlen);
    if (e !== null) return e;
  }
  const v = sysctlUserland(lwp.proc, [...new Int32Array(nameBuf.buffer)], old === 0 ? 0 : room, newBytes, lwp);
  if (v instanceof Errno) return v;
  if (oldlenp === 0) return 0;
  if (old === 0) return suword64(vm, oldlenp, v.length) ?? 0;
  const n = Math.min(room, v.length);
  e = n === 0 ? null : copyout(vm, v, 0, old, n);
  e ??= suword64(vm, oldlenp, n);
  return e ?? (n < v.length ? ENOMEM : 0);
}

export const sysctlSyscalls: SyscallImpls = {
  __sysctl: userCall(trySysctl),
};
