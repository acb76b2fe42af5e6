/**
 * Breakpoints of three kinds: on a system call (its row in the table is replaced by one that stops first), on kernel code
 * (the engine's debugger), on a property of a kernel object (it becomes an accessor). None costs anything while unset.
 */
import { Errno, NOTNOW } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import type { SyscallImpl } from '../sys/syscall.js';
import type { Lwp } from '../kern/proc.js';
import type { Sysent } from '../kern/syscalls.js';
import { copyinstr } from '../vm/vm_user.js';
import type { Ddb } from './ddb.js';

/** Arguments of a system call by name, for conditions: strings for paths, numbers else; and who calls. */
export type CallArgs = Record<string, string | number | Lwp>;
export type BreakCondition = (a: CallArgs) => boolean;

export interface Break {
  readonly id: number;
  readonly kind: 'syscall' | 'code' | 'watch';
  readonly what: string;
  /** Condition as text, for show. */
  readonly cond: string;
  hits: number;
  readonly undo: () => void;
  readonly test: BreakCondition | null;
  /** System call number, or -1. */
  readonly no: number;
  readonly engineId: string;
  /** Called in place of entering ddb. */
  readonly action: ((a: CallArgs) => void) | null;
}

const ALL = -2;

export class Breaks {
  readonly list: Break[] = [];
  private nextId = 1;
  /** Rows of the system call table as they are without breakpoints. */
  private plain: (Sysent | null)[] | null = null;
  /** Stopped in `try` already: not again in its blocking twin. */
  private readonly seen = new WeakSet<Lwp>();
  /** Stop once at whatever system call comes next. */
  private any = false;
  /** The engine was told to stop here for this reason. */
  private reason = '';
  stopsAtThrow = false;

  constructor(private readonly ddb: Ddb) {}

  private add(b: Omit<Break, 'id' | 'hits'>): Break {
    const made: Break = { ...b, id: this.nextId++, hits: 0 };
    this.list.push(made);
    return made;
  }

  remove(id: number): boolean {
    const i = this.list.findIndex((b) => b.id === id);
    if (i < 0) return false;
    const [b] = this.list.splice(i, 1);
    b.undo();
    return true;
  }

  /** `sys_open` and `open` alike. @returns the breakpoint, or null when there is no such system call */
  onSyscall(name: string, test: BreakCondition | null, cond = '', action: Break['action'] = null): Break | null {
    const bare = name.replace(/^sys_/, '');
    const rows = this.plain ?? gd.sysent;
    const no = rows.findIndex((r) => r !== null && r.name === bare);
    if (no < 0 || rows[no]?.impl === null) return null;
    // So that the stop can be stepped on from.
    this.ddb.port?.engine();
    this.listen();
    const b = this.add({
      kind: 'syscall',
      what: `sys_${bare}`,
      cond,
      test,
      no,
      engineId: '',
      action,
      undo: () => this.patch(no),
    });
    this.patch(no);
    return b;
  }

  /** @returns the breakpoint, or why not */
  onCode(where: string, cond: string): Break | string {
    const engine = this.ddb.port?.engine() ?? null;
    if (engine === null) return `no such system call: ${where} (and no engine debugger for kernel functions here)`;
    this.listen();
    const r = engine.breakAt(where);
    if (typeof r === 'string') return r;
    return this.add({
      kind: 'code',
      what: `${where} at ${r.at}`,
      cond,
      test: null,
      no: -1,
      engineId: r.id,
      action: null,
      undo: () => engine.unbreak(r.id),
    });
  }

  /** Stop when `obj[key]` is assigned another value. @returns the breakpoint, or why not */
  onWrite(obj: object, key: string, what: string): Break | string {
    const d = Object.getOwnPropertyDescriptor(obj, key);
    if (d === undefined || !('value' in d)) return `${what} is not a plain property`;
    if (d.configurable !== true) return `${what} cannot be watched`;
    let value: unknown = d.value;
    const b = this.add({
      kind: 'watch',
      what,
      cond: '',
      test: null,
      no: -1,
      engineId: '',
      action: null,
      undo: () => Object.defineProperty(obj, key, { ...d, value }),
    });
    Object.defineProperty(obj, key, {
      configurable: true,
      enumerable: d.enumerable,
      get: () => value,
      set: (v: unknown) => {
        const old = value;
        value = v;
        if (old === v) return;
        b.hits++;
        this.stop(`watchpoint ${b.id}: ${what}: ${String(old)} -> ${String(v)}`);
      },
    });
    return b;
  }

  /** Stop at the next system call of any process. */
  nextSyscall(): void {
    this.any = true;
    this.patch(ALL);
  }

  /** Put the row of system call `no` (or all of them) into the state that the breakpoints ask for. */
  private patch(no: number): void {
    if (this.plain === null) {
      this.plain = gd.sysent;
      gd.sysent = gd.sysent.slice();
    }
    const { plain } = this;
    for (let i = 0; i < plain.length; i++) {
      if (no !== ALL && i !== no) continue;
      const se = plain[i];
      if (se === null || se === undefined || se.impl === null) continue;
      const wanted = this.any || this.list.some((b) => b.no === i);
      gd.sysent[i] = wanted ? { ...se, impl: this.wrap(se, se.impl) } : se;
    }
  }

  private wrap(se: Sysent, impl: SyscallImpl): SyscallImpl {
    const { try: tryFn, block } = impl;
    const wrapped: { -readonly [K in keyof SyscallImpl]: SyscallImpl[K] } = { ...impl };
    if (tryFn !== undefined)
      wrapped.try = (lwp, a) => {
        // Asked again from its blocking twin's place: it has stopped for this call.
        if (!this.seen.delete(lwp)) this.called(lwp, se);
        const r = tryFn(lwp, a);
        if (r === NOTNOW) this.seen.add(lwp);
        return r;
      };
    if (block !== undefined)
      wrapped.block = (lwp, a) => {
        if (!this.seen.delete(lwp)) this.called(lwp, se);
        return block(lwp, a);
      };
    return wrapped;
  }

  /** A system call with a breakpoint is being made. */
  private called(lwp: Lwp, se: Sysent): void {
    const who = `pid ${lwp.proc.pid} (${lwp.proc.comm})`;
    if (this.any) {
      this.any = false;
      this.patch(ALL);
      this.stop(`${who}: ${this.callText(lwp, se)}`);
      return;
    }
    for (const b of this.list) {
      if (b.no !== se.no) continue;
      const args = callArgs(lwp, se);
      this.ddb.call = args;
      if (b.test !== null && !b.test(args)) continue;
      b.hits++;
      if (b.action !== null) b.action(args);
      else this.stop(`breakpoint ${b.id}: ${who}: ${this.callText(lwp, se)}`);
      return;
    }
  }

  private callText(lwp: Lwp, se: Sysent): string {
    const a = callArgs(lwp, se);
    return `sys_${se.name}(${se.args.map((x) => `${x.name}=${typeof a[x.name] === 'string' ? JSON.stringify(a[x.name]) : String(a[x.name])}`).join(', ')})`;
  }

  /** Enter ddb here; by way of the engine's debugger where it is attached, so that `step` goes on from here. */
  private stop(reason: string): void {
    if (this.ddb.active) return;
    if (this.engineLive) {
      this.reason = reason;
      this.ddb.port?.engine()?.stopHere();
      if (this.reason === '') return;
      this.reason = '';
    }
    this.ddb.enter(reason);
  }

  private engineLive = false;
  /** Hear of the engine's stops from now on. */
  listen(): void {
    const engine = this.ddb.port?.engine() ?? null;
    if (engine === null || this.engineLive) return;
    this.engineLive = true;
    engine.onStop = (reason, ids) => this.stopped(reason, ids);
    engine.stopAtThrow(true);
    this.stopsAtThrow = true;
  }

  /** The engine stands at a breakpoint, at a step's end, or where something was thrown. */
  private stopped(reason: string, ids: readonly string[]): void {
    const { ddb } = this;
    const engine = ddb.port?.engine() ?? null;
    if (engine === null || ddb.active) return;
    ddb.frames = engine.frames();
    try {
      const inDdb = /^(vkernel\/ddb|tools\/debug)\//.test(ddb.frames?.[0]?.file ?? '');
      if (this.reason !== '') {
        const why = this.reason;
        this.reason = '';
        ddb.frames =
          ddb.frames?.filter((f) => !f.file.startsWith('vkernel/ddb/') && !f.file.startsWith('tools/')) ?? null;
        ddb.enter(why);
      } else if (inDdb) {
        engine.step('into');
      } else if (reason.startsWith('throw')) {
        ddb.panicked(reason.replace(/^throw:? */, ''), '');
      } else {
        const b = this.list.find((x) => x.engineId !== '' && ids.includes(x.engineId));
        if (b !== undefined) {
          if (b.cond !== '' && engine.evaluate(0, b.cond) !== 'true') return;
          b.hits++;
        }
        ddb.enter(b === undefined ? reason : `breakpoint ${b.id}: ${b.what}`);
      }
    } finally {
      ddb.frames = null;
    }
  }
}

/** The arguments of the call that `lwp` makes. */
export function callArgs(lwp: Lwp, se: Sysent): CallArgs {
  const out: CallArgs = { pid: lwp.proc.pid, comm: lwp.proc.comm, lwp };
  se.args.forEach((arg, i) => {
    const v = lwp.args[i];
    if (arg.type === 'cstr' && v !== 0) {
      const s = copyinstr(lwp.proc.vm, v, 1024);
      out[arg.name] = s instanceof Errno ? v : s;
    } else out[arg.name] = v;
  });
  return out;
}
