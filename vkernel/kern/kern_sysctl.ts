/**
 * The sysctl tree, and what __sysctl does with it.
 *
 * Every room adds its own nodes with sysctlAdd. A node knows how to produce its value as bytes; the rules of the call (sizes, permissions,
 * meta nodes) are here. Values are produced synchronously: nothing in a `get` or `set` may sleep.
 *
 * Counterpart: sys/kern/kern_sysctl.c; dragonfly-abi.md 8.2
 */
import { EEXIST, EINVAL, EISDIR, ENAMETOOLONG, ENOENT, ENOTDIR, EPERM, Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import { KASSERT } from './kern_shutdown.js';
import { credIsHostSuper, type Lwp, type Proc } from './proc.js';

declare module '../sys/globaldata.js' {
  interface GlobalData {
    sysctl: SysctlGlobal;
  }
}

export type SysctlKind =
  | 'node'
  | 'int'
  | 'string'
  | 's64'
  | 'opaque'
  | 'uint'
  | 'long'
  | 'ulong'
  | 'u64'
  | 'u8'
  | 'u16'
  | 's8'
  | 's16'
  | 's32'
  | 'u32';

/** CTLTYPE_*, size in bytes (0: not a number) and the usual format. */
const KINDS: Readonly<Record<SysctlKind, { type: number; size: number; fmt: string }>> = {
  node: { type: 1, size: 0, fmt: 'N' },
  int: { type: 2, size: 4, fmt: 'I' },
  string: { type: 3, size: 0, fmt: 'A' },
  s64: { type: 4, size: 8, fmt: 'Q' },
  opaque: { type: 5, size: 0, fmt: '' },
  uint: { type: 6, size: 4, fmt: 'IU' },
  long: { type: 7, size: 8, fmt: 'L' },
  ulong: { type: 8, size: 8, fmt: 'LU' },
  u64: { type: 9, size: 8, fmt: 'QU' },
  u8: { type: 10, size: 1, fmt: 'CU' },
  u16: { type: 11, size: 2, fmt: 'SU' },
  s8: { type: 12, size: 1, fmt: 'C' },
  s16: { type: 13, size: 2, fmt: 'S' },
  s32: { type: 14, size: 4, fmt: 'I' },
  u32: { type: 15, size: 4, fmt: 'IU' },
};
const CTLFLAG_RD = 0x80000000;
const CTLFLAG_WR = 0x40000000;
const CTLFLAG_ANYBODY = 0x10000000;

export type SysctlValue = number | bigint | string | Uint8Array;

/** What a `get` or `set` may want to know beyond the process. */
export interface SysctlReq {
  readonly lwp: Lwp | null;
  /** Components of the name below the node, for nodes with `args`. */
  readonly extra: readonly number[];
  /** Room in the caller's buffer; 0 when only the size is asked for. */
  readonly oldLen: number;
  /** New value, also seen by `get` (kern.devname answers a question that way). */
  readonly newBytes: Uint8Array | null;
}

export interface SysctlDef {
  /** Full dotted name; nodes above are made as needed. */
  readonly name: string;
  /** Full numeric name; 'auto' (default) numbers the last component, from 256 up. */
  readonly oid?: readonly number[] | 'auto';
  readonly kind: SysctlKind;
  /** Value: numbers for the number kinds, strings (binary, no NUL) for strings, else bytes. */
  readonly get?: (p: Proc | null, req: SysctlReq) => SysctlValue | Errno;
  /** Given the raw bytes, of the right size for number kinds and without the NUL for strings. */
  readonly set?: (p: Proc | null, bytes: Uint8Array, req: SysctlReq) => Errno | null;
  readonly fmt?: string;
  readonly descr?: string;
  /** Writable without privilege. */
  /** A jailed super-user may write it. */
  readonly inJail?: boolean;
  readonly anybody?: boolean;
  /** Takes further components (kern.proc.pid.N). */
  readonly args?: boolean;
  /** Not shown when walking the tree (`sysctl -a`). */
  readonly skip?: boolean;
  /** Longest string accepted, with its NUL. */
  readonly maxLen?: number;
}

class SysctlNode {
  /** Children by number, ascending. */
  readonly children: SysctlNode[] = [];
  def: SysctlDef | null = null;
  constructor(
    readonly num: number,
    readonly name: string,
    readonly parent: SysctlNode | null,
  ) {}
  child(num: number): SysctlNode | null {
    return this.children.find((c) => c.num === num) ?? null;
  }
  childNamed(name: string): SysctlNode | null {
    return this.children.find((c) => c.name === name) ?? null;
  }
  add(num: number, name: string): SysctlNode {
    const n = new SysctlNode(num, name, this);
    let i = this.children.length;
    while (i > 0 && this.children[i - 1].num > num) i--;
    this.children.splice(i, 0, n);
    return n;
  }
  path(): SysctlNode[] {
    return this.parent === null ? [] : [...this.parent.path(), this];
  }
}

export class SysctlGlobal {
  readonly root = new SysctlNode(-1, '', null);
  nextAuto = 256;
}

/** Nodes with numbers that programs know. */
const FIXED_NODES: readonly [string, readonly number[]][] = [
  ['sysctl', [0]],
  ['kern', [1]],
  ['vm', [2]],
  ['vfs', [3]],
  ['net', [4]],
  ['debug', [5]],
  ['hw', [6]],
  ['machdep', [7]],
  ['user', [8]],
  ['p1003_1b', [9]],
  ['lwkt', [10]],
  ['kern.proc', [1, 14]],
  ['kern.ipc', [1, 30]],
  ['vfs.generic', [3, 0]],
  ['net.local', [4, 1]],
  ['net.inet', [4, 2]],
  ['net.inet.ip', [4, 2, 0]],
  ['net.inet.icmp', [4, 2, 1]],
  ['net.inet.tcp', [4, 2, 6]],
  ['net.inet.udp', [4, 2, 17]],
  ['net.route', [4, 17]],
  ['net.inet6', [4, 28]],
];

export function sysctlInit(): void {
  gd.sysctl = new SysctlGlobal();
  for (const [name, oid] of FIXED_NODES) nodeFor(name.split('.'), oid);
}

/** The node of a dotted name, made if need be. */
function nodeFor(names: readonly string[], oid: readonly number[] | null): SysctlNode {
  let n = gd.sysctl.root;
  for (let i = 0; i < names.length; i++) {
    const num = oid?.[i];
    const found = n.childNamed(names[i]);
    KASSERT(
      found === null || num === undefined || found.num === num,
      'sysctl: ' + names.join('.') + ': number differs',
    );
    if (found === null) {
      const free = num ?? gd.sysctl.nextAuto++;
      KASSERT(n.child(free) === null, 'sysctl: ' + names.join('.') + ': number is taken');
      n = n.add(free, names[i]);
    } else n = found;
  }
  return n;
}

/** Add a node. Adding the same name twice is a panic. */
export function sysctlAdd(def: SysctlDef): void {
  const names = def.name.split('.');
  const oid = def.oid === undefined || def.oid === 'auto' ? null : def.oid;
  KASSERT(oid === null || oid.length === names.length, 'sysctl: ' + def.name + ': name and number differ in length');
  const n = nodeFor(names, oid);
  KASSERT(n.def === null, 'sysctl: ' + def.name + ' added twice');
  n.def = def;
}

export function sysctlRemove(name: string): Errno | null {
  const n = findByName(name);
  if (n === null || n.parent === null) return ENOENT;
  if (n.children.length > 0) return EEXIST;
  n.parent.children.splice(n.parent.children.indexOf(n), 1);
  return null;
}

function findByName(name: string): SysctlNode | null {
  let n: SysctlNode | null = gd.sysctl.root;
  for (const part of name.replace(/\.$/, '').split('.')) {
    n = n.childNamed(part);
    if (n === null) return null;
  }
  return n;
}

/** Bytes of a value of a kind. */
export function sysctlBytes(kind: SysctlKind, v: SysctlValue): Uint8Array {
  if (v instanceof Uint8Array) return v;
  if (typeof v === 'string') {
    const b = new Uint8Array(v.length + 1);
    for (let i = 0; i < v.length; i++) b[i] = v.charCodeAt(i);
    return b;
  }
  const { size } = KINDS[kind];
  KASSERT(size > 0, 'sysctl: a number for kind ' + kind);
  const b = new Uint8Array(size);
  let big = BigInt(typeof v === 'number' ? Math.trunc(v) : v);
  for (let i = 0; i < size; i++) {
    b[i] = Number(big & 255n);
    big >>= 8n;
  }
  return b;
}

/** The number in the bytes of a `set` (signed, 1 to 8 bytes; imprecise from 2^53 up). */
export function sysctlNumber(bytes: Uint8Array): number {
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length === 8) return Number(v.getBigInt64(0, true));
  if (bytes.length === 4) return v.getInt32(0, true);
  return bytes.length === 2 ? v.getInt16(0, true) : v.getInt8(0);
}

/** The string in the bytes of a `set`, as a binary string. */
export function sysctlString(bytes: Uint8Array): string {
  let s = '';
  for (const c of bytes) {
    if (c === 0) break;
    s += String.fromCharCode(c);
  }
  return s;
}

/** Leaves in ascending order of their numbers. */
function* leaves(n: SysctlNode): Generator<SysctlNode> {
  if (n.def !== null && n.def.skip !== true) yield n;
  for (const c of n.children) yield* leaves(c);
}

function compareOid(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length && i < b.length; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}

const nums = (n: SysctlNode): number[] => n.path().map((x) => x.num);

function i32Bytes(oid: readonly number[]): Uint8Array {
  return new Uint8Array(Int32Array.from(oid).buffer);
}

/** Nodes {0,1..5,...}: names, walking, look-up, formats, descriptions. */
function metaNode(oid: readonly number[], newBytes: Uint8Array | null): Uint8Array | Errno {
  const rest = oid.slice(2);
  switch (oid[1]) {
    case 1: {
      let n: SysctlNode | null = gd.sysctl.root;
      const parts: string[] = [];
      for (const num of rest) {
        n = n?.child(num) ?? null;
        parts.push(n === null ? String(num) : n.name);
      }
      return sysctlBytes('string', parts.join('.'));
    }
    case 2: {
      for (const n of leaves(gd.sysctl.root)) {
        const o = nums(n);
        if (o[0] !== 0 && compareOid(o, rest) > 0) return i32Bytes(o);
      }
      return ENOENT;
    }
    case 3: {
      if (newBytes === null || newBytes.length === 0) return ENOENT;
      if (newBytes.length >= 1024) return ENAMETOOLONG;
      const n = findByName(sysctlString(newBytes));
      return n === null ? ENOENT : i32Bytes(nums(n));
    }
    case 4:
    case 5: {
      const n = findByOid(rest);
      if (n === null) return ENOENT;
      const def = n.node.def;
      if (oid[1] === 5) return def?.descr === undefined ? ENOENT : sysctlBytes('string', def.descr);
      const kind = def?.kind ?? 'node';
      let k = KINDS[kind].type;
      if (def === null || def.get !== undefined) k += CTLFLAG_RD;
      if (def?.set !== undefined) k += CTLFLAG_WR;
      if (def?.anybody === true) k += CTLFLAG_ANYBODY;
      const fmt = sysctlBytes('string', def?.fmt ?? KINDS[kind].fmt);
      const b = new Uint8Array(4 + fmt.length);
      b.set(sysctlBytes('u32', k));
      b.set(fmt, 4);
      return b;
    }
    default:
      return ENOENT;
  }
}

/** Walk down; stops at a leaf, or at a node that takes arguments when its children do not match. */
function findByOid(oid: readonly number[]): { node: SysctlNode; extra: readonly number[] } | null {
  let n = gd.sysctl.root;
  for (let i = 0; i < oid.length; i++) {
    const c = n.child(oid[i]);
    if (c === null) return n.def !== null ? { node: n, extra: oid.slice(i) } : null;
    n = c;
  }
  return { node: n, extra: [] };
}

/**
 * Read and/or write one variable: the call without its copying.
 *
 * @param oldLen    room for the old value; 0 when only its length is wanted
 * @param newBytes  new value, or null
 * @returns the whole old value (the caller truncates it), or an errno: ENOENT, EISDIR, ENOTDIR, EPERM, EINVAL
 */
export function sysctlUserland(
  p: Proc | null,
  oid: readonly number[],
  oldLen: number,
  newBytes: Uint8Array | null,
  lwp: Lwp | null = null,
): Uint8Array | Errno {
  if (oid.length < 2 || oid.length > 12) return EINVAL;
  if (oid[0] === 0 && oid[1] > 0) return metaNode(oid, newBytes);
  const found = findByOid(oid);
  if (found === null) return ENOENT;
  const { node, extra } = found;
  const def = node.def;
  if (def === null) return EISDIR;
  if (extra.length > 0 && def.args !== true) return def.kind === 'node' ? ENOENT : ENOTDIR;
  const req: SysctlReq = { lwp, extra, oldLen, newBytes };
  if (newBytes !== null) {
    if (def.set === undefined) return EPERM;
    const may =
      p === null || def.anybody === true || (def.inJail === true ? p.cred.uid === 0 : credIsHostSuper(p.cred));
    if (!may) return EPERM;
    const { size } = KINDS[def.kind];
    if (size > 0 && newBytes.length !== size) return EINVAL;
    if (def.kind === 'string' && newBytes.length >= (def.maxLen ?? 1024)) return EINVAL;
  }
  if (def.get === undefined && newBytes === null) return EPERM;
  let old = new Uint8Array(0);
  if (def.get !== undefined) {
    const v = def.get(p, req);
    if (v instanceof Errno) return v;
    old = sysctlBytes(def.kind, v) as Uint8Array<ArrayBuffer>;
  }
  if (newBytes !== null && def.set !== undefined) {
    const b = def.kind === 'string' ? newBytes.subarray(0, sysctlString(newBytes).length) : newBytes;
    const e = def.set(p, b, req);
    if (e !== null) return e;
  }
  return old;
}

/** The value of a name, for the kernel itself and tests. */
export function sysctlGet(name: string): Uint8Array | Errno {
  const n = findByName(name);
  return n === null ? ENOENT : sysctlUserland(null, nums(n), Infinity, null);
}
