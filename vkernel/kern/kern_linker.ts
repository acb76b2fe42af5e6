/**
 * Kernel modules, of which there are none: one file, the kernel itself, with id 1. Loading finds nothing to load.
 *
 * Counterpart: sys/kern/kern_linker.c, kern_module.c; dragonfly-abi.md 3.9
 */
import type { Blocking } from '../sys/blocking.js';
import { EBUSY, EINVAL, ENOENT, EPERM, Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import type { SyscallImpls } from '../sys/syscall.js';
import { copyinB, copyinstrB, copyoutB } from '../vm/vm_user.js';
import { credIsHostSuper, type Lwp } from './proc.js';

const KERNEL_ID = 1;
const KLD_FILE_STAT = 2080;

const isKernel = (id: number): boolean => id === KERNEL_ID;

function* kldload(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  if (!credIsHostSuper(lwp.proc.cred)) return EPERM;
  const name = yield* copyinstrB(lwp.proc.vm, a[0], 1024);
  return name instanceof Errno ? name : ENOENT;
}

function* kldfind(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const name = yield* copyinstrB(lwp.proc.vm, a[0], 1024);
  if (name instanceof Errno) return name;
  const base = name.slice(name.lastIndexOf('/') + 1);
  return base === 'kernel' || base === gd.mib.bootfile.slice(gd.mib.bootfile.lastIndexOf('/') + 1) ? KERNEL_ID : ENOENT;
}

function* kldstat(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  if (!isKernel(a[0])) return ENOENT;
  const { vm } = lwp.proc;
  const b = new Uint8Array(KLD_FILE_STAT);
  const v = new DataView(b.buffer);
  const e = yield* copyinB(vm, a[1], b, 0, 4);
  if (e !== null) return e;
  if (v.getInt32(0, true) !== KLD_FILE_STAT) return EINVAL;
  const put = (o: number, s: string): void => {
    for (let i = 0; i < s.length; i++) b[o + i] = s.charCodeAt(i);
  };
  put(4, 'kernel');
  put(1028, gd.mib.bootfile);
  v.setInt32(2052, 1, true);
  v.setInt32(2056, KERNEL_ID, true);
  return (yield* copyoutB(vm, b, 0, a[1], KLD_FILE_STAT)) ?? 0;
}

export const linkerSyscalls: SyscallImpls = {
  kldload: { block: kldload },
  kldunload: {
    try: (lwp, a) => (!credIsHostSuper(lwp.proc.cred) ? EPERM : isKernel(a[0]) ? EBUSY : ENOENT),
  },
  kldfind: { block: kldfind },
  // 0 asks for the first; there is none after the kernel.
  kldnext: { try: (_l, a) => (a[0] === 0 ? KERNEL_ID : isKernel(a[0]) ? 0 : ENOENT) },
  kldstat: { block: kldstat },
  kldfirstmod: { try: (_l, a) => (isKernel(a[0]) ? 0 : ENOENT) },
  kldsym: { try: () => ENOENT },
  modnext: { try: (_l, a) => (a[0] === 0 ? 0 : ENOENT) },
  modfnext: { try: () => ENOENT },
  modstat: { try: () => ENOENT },
  modfind: { try: () => ENOENT },
};
