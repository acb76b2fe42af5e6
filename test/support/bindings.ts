/**
 * DragonFly's numbers as others have written them down: golang.org/x/sys/unix (Debian golang-golang-x-sys-dev) and Rust's
 * libc crate (librust-libc-dev), read from where the packages put them.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const GO_UNIX = '/usr/share/gocode/src/golang.org/x/sys/unix';

/** One system call of Go's table: its C prototype is in a comment. */
export interface GoCall {
  name: string;
  no: number;
  /** Declared type of each argument, e.g. `void *`, `int`; null when the prototype is not a plain one. */
  args: string[] | null;
}

const read = (path: string): string => readFileSync(path, 'utf8');

/** Integer expressions of Go, Rust and C as they stand in constant lists; null for anything else. */
export function evalConst(text: string, known: Map<string, bigint>): bigint | null {
  const t = text
    .replace(/::(\w+)/g, '$1')
    .replace(/ as \w+/g, '')
    .replace(/\b(0[xX])?([0-9a-fA-F_]+)(?:[uUlL]+|[ui](?:8|16|32|64))\b/g, '$1$2')
    .replace(/(?<=\d)_(?=[\da-fA-F])/g, '');
  let out = '';
  for (const m of t.matchAll(/\s*(0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|\d+|\w+|[-+|&~()!]|<<|>>)|(\S)/g)) {
    if (m[2] !== undefined) return null;
    const token = m[1];
    if (/^[A-Za-z_]/.test(token)) {
      const v = known.get(token);
      if (v === undefined) return null;
      out += `(${v}n)`;
    } else if (/^0[0-7]+$/.test(token)) out += `0o${token.slice(1)}n`;
    else if (/^\d/.test(token)) out += `${token.replace(/^0X/, '0x')}n`;
    else out += token === '!' ? '~' : token;
  }
  try {
    // Only digits and operators have passed; BigInt arithmetic does the rest.
    const v: unknown = new Function(`return (${out});`)();
    return typeof v === 'bigint' ? v : null;
  } catch {
    return null;
  }
}

export class GoUnix {
  static present(): boolean {
    return existsSync(join(GO_UNIX, 'zsysnum_dragonfly_amd64.go'));
  }
  /** Constants, errnos and signals, by name. */
  readonly consts = new Map<string, bigint>();
  readonly calls: GoCall[] = [];

  constructor() {
    for (const file of ['zerrors', 'ztypes'])
      for (const m of read(join(GO_UNIX, `${file}_dragonfly_amd64.go`)).matchAll(/^\t(\w+)\s+= (.+)$/gm)) {
        const v = evalConst(m[2].replace(/^syscall\.(Errno|Signal)\((.*)\)$/, '$2'), this.consts);
        if (v !== null) this.consts.set(m[1], v);
      }
    const table = read(join(GO_UNIX, 'zsysnum_dragonfly_amd64.go'));
    for (const m of table.matchAll(/^\tSYS_(\w+)\s+= (\d+)\s*\/\/ \{ [\w ]+?\s\**(\w+)\((.*)\); \}/gm)) {
      const args = m[4] === 'void' || m[4] === '' ? [] : m[4].split(',').map((a) => a.trim());
      this.calls.push({ name: m[3], no: Number(m[2]), args: m[4].includes('...') ? null : args });
    }
  }
}

export interface RustField {
  name: string;
  offset: number;
  size: number;
}
export interface RustStruct {
  size: number;
  fields: RustField[];
}

const primitive: Record<string, number> = {
  u8: 1,
  i8: 1,
  u16: 2,
  i16: 2,
  u32: 4,
  i32: 4,
  u64: 8,
  i64: 8,
  usize: 8,
  isize: 8,
  f32: 4,
  f64: 8,
  bool: 1,
  c_char: 1,
  c_schar: 1,
  c_uchar: 1,
  c_short: 2,
  c_ushort: 2,
  c_int: 4,
  c_uint: 4,
  c_long: 8,
  c_ulong: 8,
  c_longlong: 8,
  c_ulonglong: 8,
  c_void: 1,
};

export class RustLibc {
  static dir(): string | null {
    const registry = '/usr/share/cargo/registry';
    const crate = existsSync(registry) ? readdirSync(registry).find((d) => d.startsWith('libc-')) : undefined;
    return crate === undefined ? null : join(registry, crate, 'src/unix/bsd/freebsdlike/dragonfly');
  }
  readonly consts = new Map<string, bigint>();
  readonly structs = new Map<string, RustStruct>();
  private readonly types = new Map<string, string>();

  constructor(dir: string) {
    const texts = ['../../../mod.rs', '../../mod.rs', '../mod.rs', 'mod.rs'].map((f) => read(join(dir, f)));
    // Parts for other systems: what stands under a cfg for something that is not DragonFly.
    const all = texts.map((t) => t.replace(/\/\/.*$/gm, ''));
    for (const t of all) {
      for (const m of t.matchAll(/^pub type (\w+) = ([^;]+);/gm)) this.types.set(m[1], m[2].trim());
      for (const m of t.matchAll(/^pub const (\w+): [^=]+=\s*([^;]+);/gm)) {
        const v = evalConst(m[2], this.consts);
        if (v !== null) this.consts.set(m[1], v);
      }
    }
    // A few rounds: structures may be used before they are declared.
    for (let round = 0; round < 3; round++)
      for (const t of all)
        for (const m of t.matchAll(/^ {4}pub struct (\w+)\s*\{([^}]*)\}/gm)) {
          const s = this.structs.has(m[1]) ? null : this.layout(m[2]);
          if (s !== null) this.structs.set(m[1], s);
        }
  }

  private sizeOf(type: string): { size: number; align: number } | null {
    const t = type.trim().replace(/^::/, '');
    if (/^\*|^Option<|^(unsafe )?extern|^sighandler_t$/.test(t)) return { size: 8, align: 8 };
    const array = /^\[(.+);\s*([^\]]+)\]$/.exec(t);
    if (array !== null) {
      const e = this.sizeOf(array[1]);
      const n = evalConst(array[2], this.consts);
      return e === null || n === null ? null : { size: e.size * Number(n), align: e.align };
    }
    if (t in primitive) return { size: primitive[t], align: primitive[t] };
    const alias = this.types.get(t);
    if (alias !== undefined) return this.sizeOf(alias);
    const s = this.structs.get(t);
    if (s === undefined) return null;
    return { size: s.size, align: Math.min(8, s.fields.length > 0 ? this.alignOf(s) : 1) };
  }
  private readonly aligns = new WeakMap<RustStruct, number>();
  private alignOf(s: RustStruct): number {
    return this.aligns.get(s) ?? 8;
  }

  private layout(body: string): RustStruct | null {
    const fields: RustField[] = [];
    let at = 0;
    let align = 1;
    // Fields for other systems stand under an attribute; of timespec's pairs, ours is the one with `not`.
    const ours = body
      .replace(/(#\[cfg\((?!not|target_pointer_width = "64")[^\n]*\]\s*)+[^,]*,/g, '')
      .replace(/#\[[^\n]*\]/g, '');
    for (const m of ours.matchAll(/(?:pub )?(\w+):\s*((?:\[[^\]]*\]|[^,])+),?/g)) {
      const t = this.sizeOf(m[2]);
      if (t === null) return null;
      at = Math.ceil(at / t.align) * t.align;
      fields.push({ name: m[1], offset: at, size: t.size });
      at += t.size;
      align = Math.max(align, t.align);
    }
    const s = { size: Math.ceil(at / align) * align, fields };
    this.aligns.set(s, align);
    return s;
  }
}
