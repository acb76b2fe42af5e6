/**
 * The simulated machine: everything a kernel test needs, in one JavaScript thread, repeatable.
 *
 * Virtual time stands still while anything can run and jumps to the next event or kernel timer when nothing can. Whenever several things could
 * happen next (a thread's code, its trap, a disk completion, a key), the seed decides. `log` has one line for each event; the same
 * seed and the same test give the same log, byte for byte.
 *
 * The test drives it: `runUntilIdle()`, `advance(ns)`, `runUntil(cond)`. What the kernel throws (panic) comes out there.
 */
import { ENOENT, type Errno } from '../../sys/errno.js';
import { Heap, type HeapItem } from '../../sys/heap.js';
import type { HostDir, Machine, MachineHandlers, MachVmspace, StopCode } from '../machine.js';
import { GuestRam, PAGE_SIZE, SEG_SHIFT } from '../ram.js';
import type { Script } from './guest.js';
import { Prng } from './prng.js';
import { SimConsole, SimStream, type SimStreamOptions } from './sim_console.js';
import { SimDisk, type SimDiskOptions } from './sim_disk.js';
import { SimHostFs, type SimTree } from './sim_hostdir.js';
import { LwpState, type SimLwp } from './sim_lwp.js';
import { SimProgram } from './sim_program.js';
import { SimVmspace } from './sim_vmspace.js';

export interface SimOptions {
  readonly seed?: number;
  readonly memoryBytes?: number;
  readonly ncpus?: number;
  readonly disks?: readonly SimDiskOptions[];
  readonly streams?: readonly SimStreamOptions[];
  readonly hostFiles?: SimTree;
  readonly baseTar?: Uint8Array;
  /** Share of system calls that arrive without a full frame, as from patched call sites. */
  readonly partialRate?: number;
  /** Live guest threads before newLwp answers EAGAIN. */
  readonly maxLwps?: number;
  readonly wallBaseNs?: bigint;
  /** Console is a terminal (default) or a pipe. */
  readonly consoleTty?: boolean;
  /** Also log mapping operations. */
  readonly logVm?: boolean;
  /** Give up when this many events pass in one run call: a livelock. */
  readonly maxSteps?: number;
}

class Event implements HeapItem {
  heapIdx = -1;
  constructor(
    readonly timeNs: number,
    readonly seq: number,
    readonly fn: () => void,
  ) {}
}

export class SimMachine implements Machine {
  readonly options: { readonly maxLwps: number; readonly maxSteps: number; readonly seed: number };
  readonly prng: Prng;
  readonly ram: GuestRam;
  readonly ncpus: number;
  readonly disks: readonly SimDisk[];
  readonly console: SimConsole;
  readonly streams: readonly SimStream[] | null;
  readonly hostFs: SimHostFs;
  readonly wallBaseNs: bigint;
  /** One line per event: virtual time in ns, what. */
  readonly log: string[] = [];
  readonly programs: SimProgram[] = [];
  readonly lwps = new Set<SimLwp>();
  readonly vmspaces = new Set<SimVmspace>();
  /** Set by stop(). */
  stopCode: StopCode | null = null;

  private nowNs = 0;
  private lwpIds = 0;
  private vmIds = 0;
  private seq = 0;
  private readonly events = new Heap<Event>((x, y) => x.timeNs < y.timeNs || (x.timeNs === y.timeNs && x.seq < y.seq));
  private attached: MachineHandlers | null = null;
  private resolveRun: ((code: StopCode) => void) | null = null;
  private inside = false;
  private readonly partialRate: number;
  private readonly vmLogging: boolean;
  private readonly baseTar: Uint8Array | null;

  constructor(o: SimOptions) {
    this.options = { maxLwps: o.maxLwps ?? 1024, maxSteps: o.maxSteps ?? 2_000_000, seed: o.seed ?? 1 };
    this.prng = new Prng(this.options.seed);
    this.ram = makeRam(o.memoryBytes ?? 64 * 2 ** 20);
    this.ncpus = o.ncpus ?? 1;
    this.disks = (o.disks ?? []).map((d, i) => new SimDisk(this, i, d));
    this.console = new SimConsole(this, o.consoleTty ?? true);
    this.streams = o.streams === undefined ? null : o.streams.map((s, i) => new SimStream(this, i, s));
    this.wallBaseNs = o.wallBaseNs ?? 1_700_000_000_000_000_000n;
    this.hostFs = new SimHostFs(o.hostFiles ?? {}, () => this.wallBaseNs + BigInt(this.nowNs));
    this.partialRate = o.partialRate ?? 0;
    this.vmLogging = o.logVm ?? false;
    this.baseTar = o.baseTar ?? null;
  }

  // Machine.

  now(): number {
    return this.nowNs;
  }
  entropy(buf: Uint8Array): void {
    this.prng.fill(buf);
  }
  newVmspace(): MachVmspace | Errno {
    const v = new SimVmspace(this, ++this.vmIds);
    this.vmspaces.add(v);
    return v;
  }
  openHostDir(path: string, write: boolean): HostDir | Errno {
    return this.hostFs.open(path, write);
  }
  readPackageFile(name: 'base.tar'): Uint8Array | Errno {
    return name === 'base.tar' && this.baseTar !== null ? this.baseTar : ENOENT;
  }
  /** Attach the kernel. Nothing happens until the test drives the machine. */
  run(handlers: MachineHandlers): Promise<StopCode> {
    this.attach(handlers);
    return new Promise((resolve) => {
      this.resolveRun = resolve;
    });
  }
  stop(code: StopCode): void {
    if (this.stopCode !== null) return;
    this.stopCode = code;
    this.say(`stop ${JSON.stringify(code)}`);
    this.resolveRun?.(code);
  }

  // For the machine's parts.

  get handlers(): MachineHandlers {
    if (this.attached === null) throw new Error('sim: no kernel is attached');
    return this.attached;
  }
  say(text: string): void {
    this.log.push(`${this.nowNs} ${text}`);
  }
  logVm(text: string): void {
    if (this.vmLogging) this.say(text);
  }
  nextLwpId(): number {
    return ++this.lwpIds;
  }
  partialFrame(): boolean {
    return this.partialRate > 0 && this.prng.chance(this.partialRate);
  }
  /** Do something at a virtual time. */
  at(timeNs: number, fn: () => void): void {
    this.events.insert(new Event(Math.max(timeNs, this.nowNs), this.seq++, fn));
  }

  // For tests.

  attach(handlers: MachineHandlers): void {
    this.attached = handlers;
  }
  /** A program whose entry runs `main`; its image() goes into a file system for exec. */
  program(main: Script, opts: { data?: Uint8Array; bssBytes?: number } = {}): SimProgram {
    const p = new SimProgram(this.programs.length, main, opts.data ?? new Uint8Array(8), opts.bssBytes ?? 65536);
    this.programs.push(p);
    return p;
  }

  /** Let `ns` of virtual time pass. */
  advance(ns: number): void {
    const end = this.nowNs + ns;
    this.drive(end, () => false);
    if (this.stopCode === null) this.nowNs = Math.max(this.nowNs, end);
  }
  /**
   * Run until nothing is left to do: no thread runs or computes, no I/O is under way, and no kernel timer is due within
   * `limitNs` from now (default: a minute; 0 to leave all timers alone).
   */
  runUntilIdle(limitNs = 60e9): void {
    this.drive(this.nowNs + limitNs, () => false);
  }
  /** Run until `cond` holds; an error when it does not within `limitNs` of virtual time. */
  runUntil(cond: () => boolean, limitNs = 60e9): void {
    this.drive(this.nowNs + limitNs, cond);
    if (!cond()) throw new Error(`sim: seed ${this.options.seed}: condition not reached at ${this.nowNs} ns`);
  }

  private drive(endNs: number, cond: () => boolean): void {
    if (this.inside) throw new Error('sim: driven from inside a handler');
    this.inside = true;
    try {
      for (let steps = 0; this.stopCode === null; steps++) {
        if (steps > this.options.maxSteps)
          throw new Error(`sim: seed ${this.options.seed}: livelock at ${this.nowNs} ns`);
        // Sometimes several events arrive before the kernel's threads run.
        if (steps === 0 || !this.prng.chance(0.2)) {
          while (this.handlers.dispatch());
          if (cond()) return;
        }
        if (this.stepOne()) continue;
        while (this.handlers.dispatch());
        if (cond() || this.stopCode !== null) return;
        if (this.canStep()) continue;
        const next = Math.min(this.nextEventNs(), this.handlers.nextTimerNs());
        if (next > endNs || next === Infinity) return;
        this.nowNs = Math.max(this.nowNs, next);
      }
    } finally {
      this.inside = false;
    }
  }

  /** Things that can happen now. */
  private choices(): (Event | SimLwp)[] {
    const out: (Event | SimLwp)[] = [];
    for (const e of this.events.items()) if (e.timeNs <= this.nowNs) out.push(e);
    // The heap's inner order depends only on history, which the seed fixes.
    for (const l of this.lwps)
      if (
        l.state === LwpState.RUNNABLE ||
        l.state === LwpState.TRAPPING ||
        (l.state === LwpState.COMPUTING && l.computeUntil <= this.nowNs)
      )
        out.push(l);
    return out;
  }
  private canStep(): boolean {
    return this.choices().length > 0;
  }
  private stepOne(): boolean {
    const c = this.choices();
    if (c.length === 0) return false;
    const pick = c.length === 1 ? c[0] : c[this.prng.below(c.length)];
    if (pick instanceof Event) {
      this.events.remove(pick);
      pick.fn();
    } else pick.step();
    return true;
  }
  private nextEventNs(): number {
    let t = this.events.top()?.timeNs ?? Infinity;
    for (const l of this.lwps) if (l.state === LwpState.COMPUTING) t = Math.min(t, l.computeUntil);
    return t;
  }
}

function makeRam(bytes: number): GuestRam {
  if (bytes <= 0 || bytes % PAGE_SIZE !== 0) throw new Error('sim: memory must be a multiple of a page');
  const segs: ArrayBuffer[] = [];
  for (let left = bytes; left > 0; left -= 2 ** SEG_SHIFT) segs.push(new ArrayBuffer(Math.min(left, 2 ** SEG_SHIFT)));
  return new GuestRam(segs);
}

export function createSimMachine(options: SimOptions = {}): SimMachine {
  return new SimMachine(options);
}
