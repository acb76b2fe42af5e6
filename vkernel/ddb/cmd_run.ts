/** ddb commands that look at threads and decide how the kernel goes on. */
import { gd } from '../sys/globaldata.js';
import { lwktCreate, type LwktThread, TDPRI_KERN_DAEMON } from '../kern/lwkt_thread.js';
import type { Blocking } from '../sys/blocking.js';
import { KernelPanic } from '../kern/kern_shutdown.js';
import { psignal } from '../kern/kern_sig.js';
import { type Lwp, pfind } from '../kern/proc.js';
import { kprintf } from '../kern/subr_prf.js';
import type { BreakCondition } from './breaks.js';
import { commands, type DdbCommand } from './commands.js';
import type { Ddb, DdbNext } from './ddb.js';
import { threadState } from './describe.js';
import { evaluate, lwpOf, lwpOfThread, show, threadById } from './eval.js';
import { currentStack, printFrames, threadStack } from './stack.js';

const pad = (v: string | number, n: number): string => String(v).padStart(n);

/** Lwps by their kernel threads. */
export function lwpsByThread(): Map<LwktThread, Lwp> {
  const m = new Map<LwktThread, Lwp>();
  for (const p of gd.allproc.values()) for (const l of p.lwps.values()) m.set(l.td, l);
  return m;
}

function ps(d: Ddb): void {
  d.out('  TID   PID  PPID   UID STATE    WMESG     COMMAND\n');
  const lwps = lwpsByThread();
  for (const p of gd.allproc.values()) {
    for (const l of p.lwps.values())
      d.out(
        `${pad(l.td.id, 5)} ${pad(p.pid, 5)} ${pad(p.parent?.pid ?? 0, 5)} ${pad(p.cred.uid, 5)} ` +
          `${(p.state === 3 ? 'stop' : threadState(l.td, l)).padEnd(8)} ${l.td.wmesg.padEnd(9)} ${p.comm}${p.lwps.size > 1 ? `/${l.tid}` : ''}\n`,
      );
    if (p.lwps.size === 0)
      d.out(
        `    - ${pad(p.pid, 5)} ${pad(p.parent?.pid ?? 0, 5)} ${pad(p.cred.uid, 5)} ${p.state === 4 ? 'zomb    ' : '-       '}           ${p.comm}\n`,
      );
  }
  for (const td of gd.lwkt.threads)
    if (!lwps.has(td))
      d.out(
        `${pad(td.id, 5)}     -     -     - ${threadState(td, null).padEnd(8)} ${td.wmesg.padEnd(9)} (${td.name})\n`,
      );
}

/** The thread meant by `12` (thread id), `p12` or `p12.3` (process and lwp); null after a message. */
export function threadArg(d: Ddb, text: string): LwktThread | null {
  const m = /^(?:p(\d+)(?:\.(\d+))?|(\d+))$/.exec(text);
  const td =
    m === null
      ? null
      : m[3] !== undefined
        ? threadById(Number(m[3]))
        : (lwpOf(Number(m[1]), m[2] === undefined ? undefined : Number(m[2]))?.td ?? null);
  if (td === null) d.out(`no thread '${text}': a TID of ps, or pPID or pPID.LWP\n`);
  return td;
}

function trace(d: Ddb, args: string): void {
  const { port } = d;
  if (port === null) return;
  const out = (s: string): void => d.out(s);
  const words = args.split(/\s+/).filter((w) => w !== '');
  const brief = words[0] === '/l' ? (words.shift(), false) : true;
  if (words.length === 0) {
    if (d.frames !== null) printFrames(port, d.frames, out);
    else {
      const here = currentStack(port);
      printFrames(port, here, out);
      if (gd.lwkt.cur !== null) d.out(`in thread ${gd.lwkt.cur.id} (${gd.lwkt.cur.name})\n`);
    }
    return;
  }
  const td = threadArg(d, words[0]);
  if (td === null) return;
  d.out(`thread ${td.id} (${td.name})${td.wmesg === '' ? '' : ` sleeps on "${td.wmesg}"`}\n`);
  const l = lwpOfThread(td);
  if (l !== null && l.mach.running) d.out('in user mode\n');
  const frames = threadStack(port, td, !brief);
  if (typeof frames === 'string') d.out(`${frames}\n`);
  else printFrames(port, frames, out);
}

/** `WHERE [if COND]`. */
function breakCmd(d: Ddb, args: string): void {
  const m = /^(\S+)(?:\s+if\s+(.+))?$/.exec(args);
  if (m === null) {
    d.out('usage: break sys_NAME|FUNCTION|FILE:LINE [if CONDITION]\n');
    return;
  }
  const [, where] = m;
  const cond = m[2] ?? '';
  const test: BreakCondition | null = cond === '' ? null : (a) => evaluate(cond, a) === true;
  const named = /^sys_/.test(where) || !/[.:]/.test(where);
  const b = (named ? d.breaks.onSyscall(where, test, cond) : null) ?? d.breaks.onCode(where, cond);
  d.out(typeof b === 'string' ? `${b}\n` : `breakpoint ${b.id}: ${b.what}${cond === '' ? '' : ` if ${cond}`}\n`);
}

function watch(d: Ddb, args: string): void {
  const m = /^(.+)\.(\w+)$/.exec(args.trim());
  const obj = m === null ? null : evaluate(m[1]);
  if (m === null || typeof obj !== 'object' || obj === null) {
    d.out('usage: watch OBJECT.PROPERTY\n');
    return;
  }
  const b = d.breaks.onWrite(obj, m[2], args.trim());
  d.out(
    typeof b === 'string'
      ? `${b}\n`
      : `watchpoint ${b.id}: ${b.what} = ${show((obj as Record<string, unknown>)[m[2]], 0)}\n`,
  );
}

function step(how: 'into' | 'over' | 'out'): (d: Ddb) => DdbNext {
  return (d) => {
    const engine = d.port?.engine() ?? null;
    if (engine !== null && d.frames !== null) engine.step(how);
    else if (how === 'into') d.breaks.nextSyscall();
    else {
      d.out('not stopped in kernel code: break FUNCTION, then continue\n');
      return undefined;
    }
    return 'go';
  };
}

const isGenerator = (v: unknown): v is Blocking<unknown> =>
  typeof v === 'object' && v !== null && typeof (v as { next?: unknown }).next === 'function' && Symbol.iterator in v;

function call(d: Ddb, args: string): void {
  const v = evaluate(args);
  if (!isGenerator(v)) {
    d.out(`${show(v)}\n`);
    return;
  }
  // It may sleep: on a thread of its own, once the kernel goes on.
  const td = lwktCreate(
    function* () {
      const r = yield* v;
      kprintf('ddb: %s = %s\n', args, show(r));
    },
    'ddb call',
    TDPRI_KERN_DAEMON,
  );
  d.out(`runs on thread ${td.id} when the kernel goes on\n`);
}

function print(d: Ddb, args: string): void {
  const engine = d.port?.engine() ?? null;
  if (d.frames !== null && engine !== null) {
    const r = engine.evaluate(d.frame, args);
    // Not a name of that place: one of the system call's arguments, or of the kernel's.
    if (!r.startsWith('ReferenceError')) return d.out(`${r}\n`);
  }
  d.out(`${show(evaluate(args, d.call))}\n`);
}

function frame(d: Ddb, args: string): void {
  const n = Number(args);
  if (d.frames === null || !(n >= 0 && n < d.frames.length)) d.out('no such frame\n');
  else {
    d.frame = n;
    d.showPlace();
    const { locals } = d.frames[n];
    if (locals.length > 0) d.out(`${locals.join('\n')}\n`);
  }
}

function kill(d: Ddb, args: string): void {
  const [pid, sig] = args.split(/\s+/).map(Number);
  const p = pfind(pid);
  if (p === null || !(sig > 0 && sig < 128)) {
    d.out('usage: kill PID SIGNAL-NUMBER\n');
    return;
  }
  psignal(p, sig);
  d.out(`signal ${sig} for pid ${pid} (${p.comm})\n`);
}

function help(d: Ddb): void {
  for (const c of commands) {
    const names = [c.name, ...(c.alias ?? [])].join(', ');
    d.out(`${`${names} ${c.args}`.padEnd(38)} ${c.help}\n`);
  }
}

export const runCommands: readonly DdbCommand[] = [
  { name: 'help', alias: ['?'], args: '', help: 'this list', run: help },
  { name: 'continue', alias: ['c'], args: '', help: 'let the kernel go on', run: () => 'go' },
  {
    name: 'step',
    alias: ['s'],
    args: '',
    help: 'next line of kernel code, into calls; else next system call',
    run: step('into'),
  },
  { name: 'next', alias: ['n'], args: '', help: 'next line of kernel code, over calls', run: step('over') },
  { name: 'finish', args: '', help: 'to the end of this function', run: step('out') },
  { name: 'ps', args: '', help: 'processes and kernel threads', run: ps },
  {
    name: 'trace',
    alias: ['bt', 'where'],
    args: '[/l] [TID|pPID[.LWP]]',
    help: 'stack of a thread; /l with locals',
    run: trace,
  },
  { name: 'frame', alias: ['f'], args: 'N', help: 'choose a frame of the stack, show its locals', run: frame },
  {
    name: 'break',
    alias: ['b'],
    args: 'WHERE [if COND]',
    help: 'stop at a system call, function, or file.ts:line',
    run: breakCmd,
  },
  { name: 'watch', args: 'OBJECT.PROPERTY', help: 'stop when it changes', run: watch },
  {
    name: 'delete',
    alias: ['d'],
    args: 'N',
    help: 'remove a breakpoint or watchpoint',
    run: (d, args) => d.out(d.breaks.remove(Number(args)) ? `removed ${args}\n` : `no breakpoint ${args}\n`),
  },
  {
    name: 'print',
    alias: ['p'],
    args: 'EXPR',
    help: 'evaluate; gd, td(), proc(), lwp(), vnode() and the kernel are in scope',
    run: print,
  },
  {
    name: 'call',
    args: 'FUNCTION(ARGS)',
    help: 'call a kernel function, one that sleeps on a thread of its own',
    run: call,
  },
  { name: 'kill', args: 'PID SIGNAL', help: 'send a signal', run: kill },
  {
    name: 'panic',
    args: '[MESSAGE]',
    help: 'panic',
    run: (d, args) => {
      d.panicking = true;
      d.afterwards = () => {
        kprintf('panic: %s\n', args === '' ? 'from debugger' : args);
        throw new KernelPanic(args === '' ? 'from debugger' : args);
      };
      return 'go';
    },
  },
  {
    name: 'reset',
    alias: ['reboot'],
    args: '',
    help: 'start the machine again, without syncing disks',
    run: (d) => {
      d.resetAsked = true;
      gd.machine.stop({ kind: 'reboot' });
      return 'go';
    },
  },
  {
    name: 'halt',
    args: '',
    help: 'stop the machine, without syncing disks',
    run: () => {
      gd.machine.stop({ kind: 'halt' });
      return 'go';
    },
  },
];
