/**
 * `$vk`: the running kernel in the inspector's console; one-line forms of kernel objects for util.inspect and DevTools.
 */
import { inspect } from 'node:util';
import { Ddb } from '../../vkernel/ddb/ddb.js';
import type { CallArgs } from '../../vkernel/ddb/breaks.js';
import * as dsc from '../../vkernel/ddb/describe.js';
import { evaluate, lwpOf, objectLine, show, threadById, vnodeByPath } from '../../vkernel/ddb/eval.js';
import { threadStack } from '../../vkernel/ddb/stack.js';
import { Lock } from '../../vkernel/kern/kern_lock.js';
import { Callout } from '../../vkernel/kern/kern_timeout.js';
import { LwktThread, lwktProbe } from '../../vkernel/kern/lwkt_thread.js';
import { Lwp, pfind, Proc } from '../../vkernel/kern/proc.js';
import { File } from '../../vkernel/kern/file.js';
import { Mbuf } from '../../vkernel/kern/uipc_mbuf.js';
import { Socket } from '../../vkernel/kern/uipc_socket.js';
import { gd, type GlobalData } from '../../vkernel/sys/globaldata.js';
import { Mount } from '../../vkernel/vfs/mount.js';
import { Node as H2Node } from '../../vkernel/vfs/hammer2/node.js';
import { Vnode } from '../../vkernel/vfs/vnode.js';
import { MapEntry, VmMap } from '../../vkernel/vm/vm_map.js';
import { VmObject } from '../../vkernel/vm/vm_object.js';

/** Classes with a one-line form that eval.ts does not know. */
const more: readonly (readonly [new (...a: never[]) => object, (o: never) => string])[] = [
  [Mbuf, dsc.mbufLine],
  [Socket, dsc.socketLine],
  [Mount, dsc.mountLine],
  [H2Node, dsc.chainLine],
  [File, dsc.fileLine],
];
const classes = [Vnode, Proc, Lwp, LwktThread, VmObject, VmMap, MapEntry, Lock, Callout, ...more.map((m) => m[0])];

/** The one line of a kernel object, or null. */
export function kernelLine(v: unknown): string | null {
  try {
    const line = objectLine(v);
    if (line !== null) return line;
    for (const [cls, f] of more) if (v instanceof cls) return (f as (o: unknown) => string)(v);
  } catch {
    // Half-made objects are shown as the engine shows any object.
  }
  return null;
}

function ddb(): Ddb {
  const d = gd.ddb;
  if (d === undefined || d.port === null) throw new Error('$vk: no debugger in this kernel');
  return d;
}

/** Run a ddb command. @returns what it printed */
function command(text: string): string {
  const d = ddb();
  let out = '';
  const was = d.out;
  d.out = (s) => void (out += s);
  try {
    d.run(text);
  } finally {
    d.out = was;
  }
  return out;
}

/** A thread as $vk gives it. */
export class VkThread {
  constructor(readonly td: LwktThread) {}
  /** The chain of generators it sleeps in, innermost first, with source lines (and locals, when no front end is attached). */
  stack(): string[] {
    const f = threadStack(ddb().port as NonNullable<Ddb['port']>, this.td, true);
    return typeof f === 'string'
      ? [f]
      : f.map((x) => `${x.fn} at ${x.file}:${x.line}${x.locals.length > 0 ? ` {${x.locals.join(', ')}}` : ''}`);
  }
  /** Stop the attached debugger inside of the sleeping thread: its generators are the call stack there. */
  stop(): boolean {
    return lwktProbe(this.td, () => {
      // eslint-disable-next-line no-debugger
      debugger;
    });
  }
  [inspect.custom](): string {
    return dsc.threadLine(this.td);
  }
}

const vk = {
  get gd(): GlobalData {
    return gd;
  },
  /** Processes and threads, as ddb's ps prints them. */
  ps: (): string => command('ps'),
  dmesg: (): string => command('dmesg'),
  /** Any ddb command. */
  ddb: command,
  proc: pfind,
  /** The thread of a process: its first, or lwp `tid`. */
  lwp(pid: number, tid?: number): VkThread | null {
    const l = lwpOf(pid, tid);
    return l === null ? null : new VkThread(l.td);
  },
  /** A kernel thread by its id. */
  thread(id: number): VkThread | null {
    const td = threadById(id);
    return td === null ? null : new VkThread(td);
  },
  vnode: vnodeByPath,
  /** Stop (in the attached debugger) at system call `name` when `test` holds for its arguments. @returns its number, for unbreak */
  break(name: string, test: ((a: CallArgs) => boolean) | null = null): number {
    const b = ddb().breaks.onSyscall(name, test, test === null ? '' : String(test), (args) => {
      vk.args = args;
      // `args` has the call: path, flags, pid, comm, lwp. Step out and into the handler.
      // eslint-disable-next-line no-debugger
      debugger;
    });
    if (b === null) throw new Error(`$vk.break: no system call ${name}`);
    return b.id;
  },
  unbreak: (id: number): boolean => ddb().breaks.remove(id),
  /** Arguments of the call that the last $vk.break stopped at. */
  args: null as CallArgs | null,
  eval: (expr: string): unknown => evaluate(expr),
  show: (v: unknown): string => kernelLine(v) ?? show(v),
  /** One line, or undefined for what has none. */
  brief: (v: unknown): string | undefined => kernelLine(v) ?? undefined,
};
export type Vk = typeof vk;

let installed = false;
/** Make `$vk`, the util.inspect forms and the DevTools formatters. */
export function installConsole(): void {
  if (installed) return;
  installed = true;
  Object.defineProperty(globalThis, '$vk', { value: vk, configurable: true });
  for (const cls of classes)
    Object.defineProperty(cls.prototype, inspect.custom, {
      configurable: true,
      value(this: object, depth: number, options: { stylize: (s: string, t: string) => string }): string | object {
        const line = kernelLine(this);
        return line === null ? this : depth < 0 ? line : options.stylize(line, 'special');
      },
    });
  (globalThis as { devtoolsFormatters?: object[] }).devtoolsFormatters = [
    {
      header: (v: unknown) => {
        const line = kernelLine(v);
        return line === null ? null : ['span', {}, line];
      },
      hasBody: () => true,
      body: (v: object) => [
        'ol',
        { style: 'list-style: none; padding-left: 12px; margin: 0' },
        ...Object.entries(v).map(([k, x]) => [
          'li',
          {},
          ['span', { style: 'color: purple' }, `${k}: `],
          typeof x === 'object' && x !== null ? ['object', { object: x as object }] : ['span', {}, String(x)],
        ]),
      ],
    },
  ];
}
