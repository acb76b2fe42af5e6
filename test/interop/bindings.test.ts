/**
 * Our numbers against those of two bindings that others have made (test/support/bindings.ts): system calls, constants in
 * the kernel and in the base system's headers, layout of structures in those headers.
 */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ArgKind, makeSysent } from '../../vkernel/kern/syscalls.js';
import { errnoByNumber } from '../../vkernel/sys/errno.js';
import { evalConst, GoUnix, RustLibc } from '../support/bindings.js';
import { scratchDir, top } from '../guest/support/guest.js';

/** Go's names of calls that have another name in the kernel's table. */
const otherName: Record<string, string> = { obreak: 'break' };

/** What an argument of this C type is cut to. */
function kindsOf(type: string): ArgKind[] {
  if (type.includes('*') || /caddr_t/.test(type)) return [ArgKind.U64];
  if (/\b(off_t|id_t|key_t|long)\b/.test(type))
    return /u_?long|unsigned long/.test(type) ? [ArgKind.U64] : [ArgKind.I64];
  if (/\b(size_t|u_long|clockid_t|uint64_t)\b/.test(type)) return [ArgKind.U64, ArgKind.I64];
  if (/\b(mode_t)\b/.test(type)) return [ArgKind.U16, ArgKind.I32];
  return [ArgKind.I32, ArgKind.U32];
}

const files = (dir: string, ext: string): string[] =>
  readdirSync(join(top, dir), { recursive: true, encoding: 'utf8' })
    .filter((f) => f.endsWith(ext))
    .map((f) => join(dir, f));

/** Where a binding is known to be wrong or older than what we follow. */
const notTheirs = new Set<string>([
  'AF_MAX', // grows with each family
  'EV_SYSFLAGS', // the crate is from before EV_HUP
  'KERN_PROC_FLAGMASK', // the crate is from before KERN_PROC_FLAG_LWKT
]);
const retiredCalls = new Set(['vmm_guest_ctl', 'vmm_guest_sync_addr']);
/** The crate takes these from FreeBSD, or leaves out alignment (ucontext_t). Go's binding has utsname and flock as we do. */
const wrongStructs = new Set(['utsname', 'flock', 'ucontext_t']);
/** Fields that the crate spells otherwise. */
const wrongFields = new Set(['sigset_t.bits', 'rtprio.type_', 'kinfo_cputime.cp_idel', 'ucontext_t.arg']);

/** Constants of the kernel's sources and of the headers: name, value, place. */
function ours(): { name: string; value: bigint; at: string }[] {
  const out: { name: string; value: bigint; at: string }[] = [];
  const take = (at: string, pattern: RegExp): void => {
    const known = new Map<string, bigint>();
    for (const m of readFileSync(join(top, at), 'utf8').matchAll(pattern)) {
      const value = evalConst(m[2].replace(/\/[/*].*/, ''), known);
      if (value === null) continue;
      known.set(m[1], value);
      out.push({ name: m[1], value, at });
    }
  };
  for (const f of files('vkernel', '.ts'))
    if (!f.startsWith('vkernel/machine')) take(f, /^(?:export )?const ([A-Z][A-Z0-9_]+)(?:: \w+)? =\s*([^;]+);/gm);
  for (const f of files('native/base/include/sys', '.h')) take(f, /^#\s*define\s+([A-Z][A-Z0-9_]+)\s+(.+)$/gm);
  return out;
}

const same = (a: bigint, b: bigint): boolean =>
  a === b || (BigInt.asUintN(32, a) === BigInt.asUintN(32, b) && a < 2n ** 32n && b < 2n ** 32n);

function compare(theirs: Map<string, bigint>): { wrong: string[]; compared: number } {
  const wrong: string[] = [];
  const seen = new Set<string>();
  for (const c of ours()) {
    const v = theirs.get(c.name);
    if (v === undefined || notTheirs.has(c.name)) continue;
    seen.add(c.name);
    if (!same(c.value, v)) wrong.push(`${c.at}: ${c.name} is ${c.value}, theirs ${v}`);
  }
  return { wrong, compared: seen.size };
}

describe('golang.org/x/sys/unix', function () {
  if (!GoUnix.present()) {
    it('needs Debian package golang-golang-x-sys-dev', function () {
      console.log('    (skipped: golang-golang-x-sys-dev is not installed)');
      this.skip();
    });
    return;
  }
  const go = new GoUnix();
  it('numbers system calls as we do, with as many arguments of the same widths', () => {
    const sysent = makeSysent({});
    const wrong: string[] = [];
    for (const call of go.calls) {
      if (retiredCalls.has(call.name)) continue;
      const row = sysent[call.no];
      const name = otherName[call.name] ?? call.name;
      if (row === null || row.name !== name) {
        wrong.push(`${call.no}: theirs ${call.name}, ours ${row?.name ?? 'none'}`);
        continue;
      }
      if (call.args === null) continue;
      const kinds = [...row.kinds] as ArgKind[];
      const fits = call.args.length === kinds.length && call.args.every((a, i) => kindsOf(a).includes(kinds[i]));
      if (!fits) wrong.push(`${call.name}(${call.args.join(', ')}), ours ${row.args.map((a) => a.type).join(', ')}`);
    }
    expect(wrong).to.deep.equal([]);
    expect(go.calls.length).to.be.greaterThan(290);
  });
  it('has the same errnos', () => {
    for (const [n, e] of errnoByNumber)
      if (n > 0 && go.consts.has(e.name)) expect(go.consts.get(e.name), e.name).to.equal(BigInt(n));
  });
  it('has the same constants', () => {
    const { wrong, compared } = compare(go.consts);
    expect(wrong).to.deep.equal([]);
    expect(compared).to.be.greaterThan(200);
  });
});

describe("Rust's libc crate", function () {
  this.timeout(30000);
  const dir = RustLibc.dir();
  if (dir === null) {
    it('needs Debian package librust-libc-dev', function () {
      console.log('    (skipped: librust-libc-dev is not installed)');
      this.skip();
    });
    return;
  }
  const rust = new RustLibc(dir);
  it('has the same constants', () => {
    const { wrong, compared } = compare(rust.consts);
    expect(wrong).to.deep.equal([]);
    expect(compared).to.be.greaterThan(200);
  });
  it('lays out structures as our headers do', () => {
    const headers = files('native/base/include', '.h').filter((h) =>
      /\/(sys|netinet)\/|ucontext|signal|termios/.test(h),
    );
    const text = headers.map((h) => readFileSync(join(top, h), 'utf8')).join('\n');
    const lines = headers.map((h) => `#include <${h.replace('native/base/include/', '')}>`);
    let compared = 0;
    for (const [name, s] of rust.structs) {
      const isStruct = new RegExp(`struct\\s+${name}\\s*\\{`).test(text);
      if (!isStruct && !new RegExp(`\\}\\s*${name}\\s*;`).test(text)) continue;
      if (wrongStructs.has(name)) continue;
      const type = isStruct ? `struct ${name}` : name;
      compared++;
      lines.push(`_Static_assert(sizeof(${type}) == ${s.size}, "size of ${name}");`);
      for (const f of s.fields)
        if (!/^_|pad|spare|reserved/.test(f.name) && !wrongFields.has(`${name}.${f.name}`))
          lines.push(`_Static_assert(__builtin_offsetof(${type}, ${f.name}) == ${f.offset}, "${name}.${f.name}");`);
    }
    const src = join(scratchDir(), 'layout.c');
    writeFileSync(src, lines.join('\n') + '\n');
    const r = spawnSync(join(top, 'build/Release/base/dfly-cc'), ['-fsyntax-only', '-c', src], { encoding: 'utf8' });
    expect(r.stderr.match(/error: .*/g) ?? []).to.deep.equal([]);
    expect(compared).to.be.greaterThan(20);
  });
});
