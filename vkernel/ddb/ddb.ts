/**
 * ddb: the kernel debugger. While it is active nothing else runs: guests stand still, the machine's clock too.
 *
 * It is entered by the console's escape sequence (Return, ~, ^B), by SIGQUIT, by sysctl debug.enter_ddb, by a panic, by a
 * breakpoint, and at boot when there is a script. Commands are rows of a table (commands.ts). Where the engine's debugger
 * is at hand (DdbPort.engine), functions of the kernel can be stopped in and stepped through in their source.
 *
 * Counterpart: sys/ddb/db_command.c, db_input.c, db_run.c
 */
import { gd } from '../sys/globaldata.js';
import { kprintf } from '../kern/subr_prf.js';
import { sysctlAdd, sysctlNumber } from '../kern/kern_sysctl.js';
import { Breaks, type CallArgs } from './breaks.js';
import { commands, findCommand } from './commands.js';
import type { DdbFrame, DdbPort } from './port.js';

declare module '../sys/globaldata.js' {
  interface GlobalData {
    /** The debugger; undefined in tests of lower rooms. */
    ddb?: Ddb;
  }
}

/** What a command returns to leave the command loop. */
export type DdbNext = 'go' | undefined;

const CR = 13;
const NL = 10;
const TILDE = 126;
const CTRL_B = 2;

export class Ddb {
  active = false;
  readonly breaks = new Breaks(this);
  /** A panic enters ddb (debug.debugger_on_panic). */
  onPanic = 1;
  /** Why it was entered. */
  why = '';
  /** Frames of the place where the engine stands, while it does. */
  frames: DdbFrame[] | null = null;
  /** Frame that print, trace and locals speak of. */
  frame = 0;
  /** The panic that is being looked at: there is no going on after it, only the end. */
  panicking = false;
  /** Arguments of the system call that it stopped at. */
  call: CallArgs = {};
  /** What a command wants done once the loop has ended. */
  afterwards: (() => void) | null = null;
  /** `reset` was given: after a panic, too, the machine starts again. */
  resetAsked = false;
  private last = '';
  private escape = 0;

  constructor(readonly port: DdbPort | null) {}

  get usable(): boolean {
    return this.port !== null && (this.port.usable || this.port.scripted);
  }

  out(text: string): void {
    this.port?.write(text);
  }

  /** The command loop, until a command says go. */
  enter(why: string): void {
    const { port } = this;
    if (port === null || this.active || !this.usable) return;
    this.active = true;
    this.why = why;
    this.frame = 0;
    port.freeze();
    try {
      this.out(`\nStopped: ${why}\n`);
      if (this.frames !== null) this.showPlace();
      while (this.command(port) !== 'go');
    } finally {
      this.active = false;
      port.thaw();
    }
    const f = this.afterwards;
    this.afterwards = null;
    f?.();
  }

  /** Where the engine stands: a line like gdb's. */
  showPlace(): void {
    const f = this.frames?.[this.frame];
    if (f === undefined) return;
    this.out(`${f.fn}() at ${f.file}:${f.line}\n`);
    const text = this.port?.sourceLine(f.file, f.line) ?? null;
    if (text !== null) this.out(`${f.line}\t${text.trim()}\n`);
  }

  private command(port: DdbPort): DdbNext {
    const line = port.readLine('db> ');
    if (line === null) return 'go';
    const text = line.trim() === '' ? this.last : line.trim();
    this.last = /^(s|n|step|next|finish|x|examine)\b/.test(text) ? text : '';
    if (text === '' || text.startsWith('#')) return undefined;
    return this.run(text);
  }

  /** Run one command line. A command that throws says so and changes nothing. */
  run(text: string): DdbNext {
    const found = findCommand(text);
    if (typeof found === 'string') {
      this.out(`${found}\n`);
      return undefined;
    }
    try {
      return found.command.run(this, found.args) ?? undefined;
    } catch (e) {
      // Of the command, not of the kernel: nothing of the kernel runs here but what `call` was told to.
      this.out(`${e instanceof Error ? `${e.name}: ${e.message}` : String(e)}\n`);
      return undefined;
    }
  }

  /** Console input passes here first. @returns what is the console's: without the ^B that ends the escape sequence */
  input(data: Uint8Array): Uint8Array {
    if (!this.usable) return data;
    for (let i = 0; i < data.length; i++) {
      const c = data[i];
      if (this.escape === 2 && c === CTRL_B) {
        this.escape = 0;
        const rest = new Uint8Array(data.length - 1);
        rest.set(data.subarray(0, i));
        rest.set(data.subarray(i + 1), i);
        this.enter('console escape');
        return rest;
      }
      this.escape = c === CR || c === NL ? 1 : this.escape === 1 && c === TILDE ? 2 : 0;
    }
    return data;
  }

  /** Something was thrown that ends the run. Once for each panic. */
  panicked(message: string, stack: string): void {
    if (this.panicking || !this.usable || this.onPanic === 0) return;
    this.panicking = true;
    if (stack !== '') this.out(`${stack}\n`);
    this.enter(`panic: ${message}`);
  }
}

/** After sysctlInit. `port` null: there is no debugger, and the kernel is as it is without one. */
export function ddbInit(port: DdbPort | null): void {
  const d = new Ddb(port);
  gd.ddb = d;
  if (port?.inspecting === true) d.breaks.listen();
  gd.panicHook = (msg) => {
    // With the engine's debugger on, the throw itself stops, with locals; see Breaks.stopped.
    if (port !== null && !d.breaks.stopsAtThrow) d.panicked(msg, '');
  };
  sysctlAdd({
    name: 'debug.enter_ddb',
    kind: 'int',
    descr: 'Enter the kernel debugger',
    get: () => 0,
    set: (_p, bytes) => {
      if (sysctlNumber(bytes) === 0) return null;
      if (!d.usable) kprintf('ddb: no console to talk to\n');
      else d.enter('sysctl debug.enter_ddb');
      return null;
    },
  });
  sysctlAdd({
    name: 'debug.debugger_on_panic',
    kind: 'int',
    descr: 'A panic enters the kernel debugger',
    get: () => d.onPanic,
    set: (_p, bytes) => {
      d.onPanic = sysctlNumber(bytes) === 0 ? 0 : 1;
      return null;
    },
  });
}

/** Before process 1: with a script the debugger is entered here, so that it can set breakpoints. */
export function ddbBoot(): void {
  if (gd.ddb?.port?.scripted === true) gd.ddb.enter('boot');
}

/** Enter from anywhere in the kernel. */
export function ddbEnter(why: string): void {
  gd.ddb?.enter(why);
}

export { commands };
