/** ddb commands on memory: guest RAM by physical address, and memory of processes as `PID:ADDRESS`. */
import { gd } from '../sys/globaldata.js';
import { pfind } from '../kern/proc.js';
import { copyin, copyout } from '../vm/vm_user.js';
import type { DdbCommand } from './commands.js';
import type { Ddb } from './ddb.js';
import { evaluate } from './eval.js';

interface Place {
  pid: number;
  addr: number;
}

/** `0x1000` is physical, `12:0x1000` in process 12. Expressions are allowed for the address. */
function place(d: Ddb, text: string): Place | null {
  const m = /^(?:(\d+):)?(.+)$/.exec(text);
  const addr = m === null ? NaN : Number(evaluate(m[2]));
  if (m === null || !(addr >= 0)) {
    d.out(`bad address '${text}': PHYSICAL, or PID:VIRTUAL\n`);
    return null;
  }
  return { pid: m[1] === undefined ? -1 : Number(m[1]), addr };
}

/** Read or write; a message instead of null when it cannot be. Nothing is paged in from disk here. */
function access(at: Place, buf: Uint8Array, write: boolean): string | null {
  if (at.pid < 0) {
    const { ram } = gd.machine;
    if (at.addr + buf.length > ram.npages * 4096) return 'beyond the end of memory';
    for (let i = 0; i < buf.length; i++)
      if (write) ram.write(at.addr + i, buf, i, 1);
      else ram.read(at.addr + i, buf, i, 1);
    return null;
  }
  const p = pfind(at.pid);
  if (p === null || p.lwps.size === 0) return `no process ${at.pid}`;
  const e = write ? copyout(p.vm, buf, 0, at.addr, buf.length) : copyin(p.vm, at.addr, buf, 0, buf.length);
  return e === null ? null : e.errno > 0 ? e.text : 'not in memory';
}

const sizes: Readonly<Record<string, number>> = { b: 1, h: 2, w: 4, g: 8 };

function units(text: string): { count: number; size: number; string: boolean } {
  const m = /^\/(\d*)([bhwgsx]*)$/.exec(text);
  const letters = m?.[2] ?? '';
  const unit = [...letters].find((c) => c in sizes);
  return {
    count: m !== null && m[1] !== '' ? Math.min(Number(m[1]), 4096) : letters.includes('s') ? 1 : 4,
    size: unit === undefined ? 4 : sizes[unit],
    string: letters.includes('s'),
  };
}

let next: Place | null = null;

function examine(d: Ddb, args: string): void {
  const words = args.split(/\s+/).filter((w) => w !== '');
  const fmt = words[0]?.startsWith('/') === true ? (words.shift() as string) : '/4w';
  const at = words.length > 0 ? place(d, words.join(' ')) : next;
  if (at === null) return;
  const u = units(fmt);
  const show = (a: number): string => `${at.pid < 0 ? '' : `${at.pid}:`}0x${a.toString(16)}`;
  if (u.string) {
    let s = '';
    for (let a = at.addr; s.length < 1024; a++) {
      const b = new Uint8Array(1);
      const e = access({ pid: at.pid, addr: a }, b, false);
      if (e !== null) {
        d.out(`${show(a)}: ${e}\n`);
        return;
      }
      if (b[0] === 0) break;
      s += String.fromCharCode(b[0]);
    }
    d.out(`${show(at.addr)}: ${JSON.stringify(s)}\n`);
    next = { ...at, addr: at.addr + s.length + 1 };
    return;
  }
  const buf = new Uint8Array(u.count * u.size);
  const e = access(at, buf, false);
  if (e !== null) {
    d.out(`${show(at.addr)}: ${e}\n`);
    return;
  }
  const perLine = 16 / u.size;
  for (let i = 0; i < u.count; i += perLine) {
    let line = `${show(at.addr + i * u.size)}:`;
    for (let j = i; j < Math.min(u.count, i + perLine); j++) {
      let v = '';
      for (let k = u.size - 1; k >= 0; k--) v += buf[j * u.size + k].toString(16).padStart(2, '0');
      line += ` ${v}`;
    }
    d.out(`${line}\n`);
  }
  next = { ...at, addr: at.addr + buf.length };
}

function write(d: Ddb, args: string): void {
  const words = args.split(/\s+/).filter((w) => w !== '');
  const size = words[0]?.startsWith('/') === true ? units(words.shift() as string).size : 4;
  const at = words.length === 2 ? place(d, words[0]) : null;
  if (at === null) {
    d.out('usage: write[/bhwg] ADDRESS VALUE\n');
    return;
  }
  let v = BigInt.asUintN(size * 8, BigInt(words[1]));
  const buf = new Uint8Array(size);
  for (let i = 0; i < size; i++) {
    buf[i] = Number(v & 255n);
    v >>= 8n;
  }
  const e = access(at, buf, true);
  d.out(`${words[0]}: ${e ?? `= ${words[1]}`}\n`);
}

export const memoryCommands: readonly DdbCommand[] = [
  { name: 'examine', alias: ['x'], args: '[/Nbhwgs] ADDR', help: 'memory: PHYSICAL, or PID:VIRTUAL', run: examine },
  { name: 'write', alias: ['w'], args: '[/bhwg] ADDR VALUE', help: 'change memory', run: write },
];
