/**
 * Variant symbolic links: `${name}` in the target of a symbolic link stands for a variable of the process, its user, or the
 * system (in a jail: the jail).
 *
 * Counterpart: sys/kern/kern_varsym.c; dragonfly-abi.md 3.8
 */
import type { Blocking } from '../sys/blocking.js';
import { E2BIG, EINVAL, ENOENT, EOVERFLOW, EPERM, Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import type { SyscallImpls } from '../sys/syscall.js';
import { setVarsymExpand } from '../vfs/nlookup.js';
import { copyinB, copyinstrB, copyoutB, suword32B } from '../vm/vm_user.js';
import { sysctlAdd, sysctlNumber } from './kern_sysctl.js';
import { credIsSuper, type Lwp, type Proc } from './proc.js';

const VARSYM_PROC = 1;
const VARSYM_USER = 2;
const VARSYM_SYS = 3;
const VARSYM_PRISON = 4;
const VARSYM_PROC_MASK = 2;
const VARSYM_USER_MASK = 4;
const VARSYM_SYS_MASK = 8;
const VARSYM_ALL_MASK = VARSYM_PROC_MASK | VARSYM_USER_MASK | VARSYM_SYS_MASK;
const MAXVARSYM_NAME = 64;
const MAXVARSYM_DATA = 256;
/** Bytes of names and values in one set. */
const MAXVARSYM_SET = 16384;

export type VarsymSet = Map<string, string>;

declare module '../sys/globaldata.js' {
  interface GlobalData {
    varsyms: {
      enabled: boolean;
      system: VarsymSet;
      /** By real user id. */
      users: Map<number, VarsymSet>;
    };
  }
}

/** The set of a level as `p` sees it; null for a level that does not exist. `make`: it is going to be written. */
function setOf(p: Proc, level: number, make: boolean): VarsymSet | null {
  const { system, users } = gd.varsyms;
  switch (level) {
    case VARSYM_PROC:
      return make ? (p.varsyms ??= new Map()) : (p.varsyms ?? new Map());
    case VARSYM_USER: {
      const found = users.get(p.cred.ruid);
      if (found !== undefined || !make) return found ?? new Map();
      const fresh: VarsymSet = new Map();
      users.set(p.cred.ruid, fresh);
      return fresh;
    }
    case VARSYM_SYS:
      return p.cred.prison?.varsyms ?? system;
    case VARSYM_PRISON:
      return p.cred.prison?.varsyms ?? null;
    default:
      return null;
  }
}

/** The nearest value of `name` among the levels in `mask`. */
function find(p: Proc, name: string, mask: number): string | null {
  const levels = [
    [VARSYM_PROC_MASK, VARSYM_PROC],
    [VARSYM_USER_MASK, VARSYM_USER],
    [VARSYM_SYS_MASK, VARSYM_SYS],
  ] as const;
  for (const [bit, level] of levels) {
    const v = (mask & bit) !== 0 ? setOf(p, level, false)?.get(name) : undefined;
    if (v !== undefined) return v;
  }
  return null;
}

/** `target` with each `${name}` that has a value replaced. */
function expand(p: Proc | null, target: string): string {
  if (p === null || !gd.varsyms.enabled) return target;
  return target.replace(/\$\{([^}]{1,63})\}/g, (whole, name: string) => find(p, name, VARSYM_ALL_MASK) ?? whole);
}

function* varsymSet(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const p = lwp.proc;
  const [level, nameVa, dataVa] = a;
  const name = yield* copyinstrB(p.vm, nameVa, MAXVARSYM_NAME);
  if (name instanceof Errno) return name;
  let data: string | Errno | null = null;
  if (dataVa !== 0) {
    data = yield* copyinstrB(p.vm, dataVa, MAXVARSYM_DATA);
    if (data instanceof Errno) return data;
  }
  if ((level === VARSYM_SYS || level === VARSYM_PRISON) && !credIsSuper(p.cred)) return EPERM;
  const set = setOf(p, level, data !== null);
  if (set === null) return EINVAL;
  if (data === null) return set.delete(name) ? 0 : ENOENT;
  let bytes = name.length + data.length + 2;
  for (const [n, v] of set) if (n !== name) bytes += n.length + v.length + 2;
  if (bytes > MAXVARSYM_SET) return E2BIG;
  set.set(name, data);
  return 0;
}

const bytesOf = (s: string): Uint8Array => Uint8Array.from(s, (c) => c.charCodeAt(0));

function* varsymGet(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const p = lwp.proc;
  const [mask, nameVa, buf, size] = a;
  const name = yield* copyinstrB(p.vm, nameVa, MAXVARSYM_NAME);
  if (name instanceof Errno) return name;
  const v = find(p, name, mask);
  if (v === null) return ENOENT;
  const out = bytesOf(v + '\0');
  if (out.length <= size) return (yield* copyoutB(p.vm, out, 0, buf, out.length)) ?? 0;
  if (size > 0) {
    const e = yield* copyoutB(p.vm, new Uint8Array(1), 0, buf, 1);
    if (e !== null) return e;
  }
  return EOVERFLOW;
}

/** Packs name and value, each with its NUL, from the marker's index on; -1 in the marker says that all has been told. */
function* varsymList(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const p = lwp.proc;
  const [level, buf, max, markerVa] = a;
  const set = setOf(p, level, false);
  if (set === null) return EINVAL;
  const word = new Uint8Array(4);
  const v = new DataView(word.buffer);
  const e = yield* copyinB(p.vm, markerVa, word, 0, 4);
  if (e !== null) return e;
  const all = [...set];
  let i = v.getInt32(0, true);
  if (i < 0) return EINVAL;
  let text = '';
  for (; i < all.length; i++) {
    const item = `${all[i][0]}\0${all[i][1]}\0`;
    if (text.length + item.length > max) break;
    text += item;
  }
  if (i < all.length && text === '') return EOVERFLOW;
  const out = bytesOf(text);
  return (
    (yield* copyoutB(p.vm, out, 0, buf, out.length)) ??
    (yield* suword32B(p.vm, markerVa, i < all.length ? i : 0xffffffff)) ??
    out.length
  );
}

export function varsymInit(): void {
  gd.varsyms = { enabled: true, system: new Map(), users: new Map() };
  setVarsymExpand(expand);
  sysctlAdd({
    name: 'vfs.varsym_enable',
    kind: 'int',
    descr: 'Enable Variant Symlinks',
    get: () => (gd.varsyms.enabled ? 1 : 0),
    set: (_p, b) => {
      gd.varsyms.enabled = sysctlNumber(b) !== 0;
      return null;
    },
  });
}

export const varsymSyscalls: SyscallImpls = {
  varsym_set: { block: varsymSet },
  varsym_get: { block: varsymGet },
  varsym_list: { block: varsymList },
};
