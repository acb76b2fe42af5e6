/**
 * kprintf: the kernel's voice, to the console and to the message buffer that dmesg reads (kern.msgbuf).
 *
 * Formats as in C: %d %i %u %x %X %o %c %s %p %%, with flags, width and precision; length modifiers are accepted and ignored.
 *
 * Counterpart: sys/kern/subr_prf.c, subr_msgbuf.c
 */
import { gd } from '../sys/globaldata.js';
import type { Machine } from '../machine/machine.js';

declare module '../sys/globaldata.js' {
  interface GlobalData {
    prf: Prf;
  }
}

const MSGBUF_SIZE = 65536;

/** Ring of the last console output; positions count bytes since boot. */
export class MsgBuf {
  private readonly ring = new Uint8Array(MSGBUF_SIZE);
  /** Bytes ever written. */
  written = 0;
  /** Start of what `dmesg` shows; moved by kern.msgbuf_clear. */
  private start = 0;

  append(data: Uint8Array): void {
    for (let i = 0; i < data.length; i++) this.ring[(this.written + i) % MSGBUF_SIZE] = data[i];
    this.written += data.length;
  }
  clear(): void {
    this.start = this.written;
  }
  /** Everything since position `from` that is still there, and where it starts. */
  since(from: number): { at: number; data: Uint8Array } {
    const at = Math.max(from, this.written - MSGBUF_SIZE, 0);
    const data = new Uint8Array(this.written - at);
    for (let i = 0; i < data.length; i++) data[i] = this.ring[(at + i) % MSGBUF_SIZE];
    return { at, data };
  }
  /** What dmesg shows. */
  contents(): Uint8Array {
    return this.since(this.start).data;
  }
}

export class Prf {
  readonly msgbuf = new MsgBuf();
  /** Whether kprintf also goes to the console (`vkernel run` keeps it quiet). */
  toConsole = true;
  /** Called after each message: /dev/klog readers. */
  onMessage: (() => void) | null = null;
  constructor(readonly machine: Machine) {}
}

export function prfInit(): void {
  gd.prf = new Prf(gd.machine);
}

/** Message bytes: one byte a character below 256 (the kernel's strings are binary), else UTF-8. */
function encode(s: string): Uint8Array {
  const out: number[] = [];
  for (const ch of s) {
    const c = ch.codePointAt(0) as number;
    if (c < 0x100) out.push(c);
    else if (c < 0x800) out.push(0xc0 | (c >> 6), 0x80 | (c & 63));
    else if (c < 0x10000) out.push(0xe0 | (c >> 12), 0x80 | ((c >> 6) & 63), 0x80 | (c & 63));
    else out.push(0xf0 | (c >> 18), 0x80 | ((c >> 12) & 63), 0x80 | ((c >> 6) & 63), 0x80 | (c & 63));
  }
  return Uint8Array.from(out);
}

export type PrintfArg = string | number | bigint | { toString(): string };

export function ksprintf(fmt: string, ...args: readonly PrintfArg[]): string {
  let next = 0;
  return fmt.replace(
    /%([-+ 0#]*)(\*|\d+)?(?:\.(\d+))?(?:hh|h|ll|l|j|z|t|q)?([a-zA-Z%])/g,
    (whole: string, flags: string, widthText: string | undefined, precText: string | undefined, conv: string) => {
      if (conv === '%') return '%';
      const width = widthText === '*' ? Number(args[next++]) : Number(widthText ?? 0);
      const arg = next < args.length ? args[next++] : '?';
      let s: string;
      switch (conv) {
        case 'd':
        case 'i':
        case 'u':
          s = typeof arg === 'number' ? Math.trunc(arg).toFixed(0) : String(arg);
          if (flags.includes('+') && !s.startsWith('-')) s = '+' + s;
          break;
        case 'x':
        case 'p':
        case 'X':
        case 'o': {
          const v = typeof arg === 'number' || typeof arg === 'bigint' ? arg : Number(arg);
          s = (v < 0 && typeof v === 'number' ? v >>> 0 : v).toString(conv === 'o' ? 8 : 16);
          if (precText !== undefined) s = s.padStart(Number(precText), '0');
          if (conv === 'p' || (flags.includes('#') && conv !== 'o')) s = '0x' + s;
          if (conv === 'X') s = s.toUpperCase();
          break;
        }
        case 'c':
          s = typeof arg === 'number' ? String.fromCharCode(arg) : String(arg);
          break;
        case 's':
          s = String(arg);
          if (precText !== undefined) s = s.slice(0, Number(precText));
          break;
        default:
          return whole;
      }
      if (flags.includes('-')) return s.padEnd(width);
      if (!flags.includes('0') || conv === 's') return s.padStart(width);
      const sign = s.startsWith('-') ? '-' : '';
      return sign + s.slice(sign.length).padStart(width - sign.length, '0');
    },
  );
}

export function kprintf(fmt: string, ...args: readonly PrintfArg[]): void {
  // Before the first kernel of this thread (early asserts in tests and tools) there is no console to speak to.
  if ((gd as unknown) === null || (gd.prf as unknown) === undefined) return;
  const text = ksprintf(fmt, ...args);
  const prf = gd.prf;
  prf.msgbuf.append(encode(text));
  const cons = prf.machine.console;
  // A terminal in raw mode needs the carriage return; a file must not get it.
  if (prf.toConsole) cons.write(encode(cons.isatty ? text.replace(/\n/g, '\r\n') : text));
  prf.onMessage?.();
}

/** kprintf for what a user must see even when the console is kept quiet (`vkernel run`). */
export function kalert(fmt: string, ...args: readonly PrintfArg[]): void {
  const quiet = !gd.prf.toConsole;
  gd.prf.toConsole = true;
  kprintf(fmt, ...args);
  if (quiet) gd.prf.toConsole = false;
}
