/**
 * The kernel environment: what -e on the command line has set, kenv(2), and sysctl kern.environment.
 *
 * Counterpart: sys/kern/kern_environment.c
 */
import type { Blocking } from '../sys/blocking.js';
import { EINVAL, ENOENT, ENOMEM, EPERM, Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import type { SyscallImpls } from '../sys/syscall.js';
import { copyinstrB, copyoutB } from '../vm/vm_user.js';
import { sysctlAdd } from './kern_sysctl.js';
import { credIsHostSuper, type Lwp } from './proc.js';

const KENV_GET = 0;
const KENV_SET = 1;
const KENV_UNSET = 2;
const KENV_DUMP = 3;
const KENV_MNAMELEN = 128;
const KENV_MVALLEN = 128;
const MAX_VARS = 512;

declare module '../sys/globaldata.js' {
  interface GlobalData {
    kenv: Map<string, string>;
  }
}

const bytesOf = (s: string): Uint8Array => Uint8Array.from(s, (c) => c.charCodeAt(0));

function* kenv(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const [what, nameVa, valueVa, len] = a;
  const p = lwp.proc;
  if (what === KENV_DUMP) {
    const all = bytesOf([...gd.kenv].map(([k, v]) => `${k}=${v}\0`).join(''));
    // Without a buffer: how much there is.
    if (valueVa === 0 || len === 0) return all.length;
    const n = Math.min(all.length, Math.max(0, len));
    return (yield* copyoutB(p.vm, all, 0, valueVa, n)) ?? all.length;
  }
  if ((what === KENV_SET || what === KENV_UNSET) && !credIsHostSuper(p.cred)) return EPERM;
  const name = yield* copyinstrB(p.vm, nameVa, KENV_MNAMELEN);
  if (name instanceof Errno) return name;
  switch (what) {
    case KENV_GET: {
      const value = gd.kenv.get(name);
      if (value === undefined) return ENOENT;
      const b = bytesOf(value + '\0');
      const n = Math.min(b.length, Math.max(0, len));
      return (yield* copyoutB(p.vm, b, 0, valueVa, n)) ?? n;
    }
    case KENV_SET: {
      if (len < 1) return EINVAL;
      const value = yield* copyinstrB(p.vm, valueVa, Math.min(len, KENV_MVALLEN));
      if (value instanceof Errno) return value;
      if (name === '' || name.includes('=')) return EINVAL;
      if (gd.kenv.size >= MAX_VARS && !gd.kenv.has(name)) return ENOMEM;
      gd.kenv.set(name, value);
      return 0;
    }
    case KENV_UNSET:
      return gd.kenv.delete(name) ? 0 : ENOENT;
    default:
      return EINVAL;
  }
}

export function kenvInit(vars: ReadonlyMap<string, string>): void {
  gd.kenv = new Map(vars);
  sysctlAdd({
    name: 'kern.environment',
    kind: 'string',
    args: true,
    descr: 'Kernel environment, by number',
    get: (_p, req) => {
      const item = [...gd.kenv][req.extra[0] ?? 0];
      return item === undefined ? ENOENT : `${item[0]}=${item[1]}`;
    },
  });
}

export const kenvSyscalls: SyscallImpls = { kenv: { block: kenv } };
