/**
 * The system call tracer: one line a call, decoded from the system call table.
 *
 *     [12.3] open("/etc/passwd", 0x0, 0) = 3
 *
 * On by `vkernel --strace` for every process, or by sysctl debug.strace.
 */
import { EJUSTRETURN, Errno, NOTNOW } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import { copyin, copyinstr } from '../vm/vm_user.js';
import { ktrSyscall } from './kern_ktrace.js';
import type { Lwp } from './proc.js';
import type { SysArg, Sysent } from './syscalls.js';

declare module '../sys/globaldata.js' {
  interface GlobalData {
    /** Where trace lines go: the host's stderr. */
    straceOut: ((line: string) => void) | null;
  }
}

const STR_MAX = 64;

const quote = (s: string): string =>
  '"' +
  s.replace(/[^ !#-[\]-~]/g, (c) =>
    c === '\n'
      ? '\\n'
      : c === '\t'
        ? '\\t'
        : c === '"' || c === '\\'
          ? `\\${c}`
          : `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`,
  ) +
  '"';

const hex = (n: number): string => (n === 0 ? 'NULL' : `0x${n.toString(16)}`);

function formatArg(lwp: Lwp, arg: SysArg, v: number): string {
  if (arg.type === 'cstr' && /path|fname|from|to|link|name|type/.test(arg.name)) {
    const s = v === 0 ? null : copyinstr(lwp.proc.vm, v, 1024);
    return typeof s === 'string' ? quote(s.slice(0, STR_MAX)) + (s.length > STR_MAX ? '...' : '') : hex(v);
  }
  if (arg.type.startsWith('ptr') || arg.type.startsWith('cstr')) return hex(v);
  if (/flags|mode|prot|how/.test(arg.name) && v >= 0) return `0x${v.toString(16)}`;
  return String(v);
}

/** Contents of a buffer that was written or read, in short. */
function bufferText(lwp: Lwp, va: number, len: number): string {
  const n = Math.min(len, 32);
  const b = new Uint8Array(n);
  if (n === 0 || copyin(lwp.proc.vm, va, b, 0, n) !== null) return hex(va);
  return quote(String.fromCharCode(...b)) + (len > n ? '...' : '');
}

/** Print the call that `lwp` just made, with its result. */
export function strace(lwp: Lwp, se: Sysent, r: number | Errno): void {
  if (lwp.proc.ktrace !== null && r !== NOTNOW) ktrSyscall(lwp, se, r);
  const out = gd.straceOut;
  if (out === null || r === NOTNOW) return;
  const isBuf = (se.name === 'write' || se.name === 'read') && typeof r === 'number';
  const args = se.args.map((a, i) =>
    isBuf && i === 1 ? bufferText(lwp, lwp.args[1], Math.min(lwp.args[2], r)) : formatArg(lwp, a, lwp.args[i]),
  );
  const res =
    r === EJUSTRETURN
      ? '0'
      : typeof r === 'number'
        ? se.res === 'ptr'
          ? hex(r)
          : String(r) + (lwp.retval1 > 0 ? ` (${lwp.retval1})` : '')
        : `-1 ${r.name} (${r.text})`;
  out(`[${lwp.proc.pid}.${lwp.tid}] ${se.name}(${args.join(', ')}) = ${res}\n`);
}
