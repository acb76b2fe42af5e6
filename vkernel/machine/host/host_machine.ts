/**
 * The host machine: guests are threads of stub processes, events come from shared memory and from Node's event loop.
 *
 * The run loop has three ways to wait, each for longer silences than the one before: spin on the state words of running
 * threads; sleep on the doorbell on this thread (the event loop stands still, so only for a few ms); hand the doorbell
 * to the addon's thread and return to the event loop. Handlers run only from turn(), never nested.
 */
import { randomFillSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Errno, ENOENT } from '../../sys/errno.js';
import { GuestRam } from '../ram.js';
import {
  type HostDir,
  type MachConsole,
  type MachDisk,
  type Machine,
  type MachineHandlers,
  type MachStream,
  type MachVmspace,
  type StopCode,
  Trap,
} from '../machine.js';
import { MachineCore, type MachineLog } from './core.js';
import { hostErrno } from './errno.js';
import { HostConsole, HostStream, nullConsole, PollSlot } from './host_console.js';
import { openHostDir } from './host_dir.js';
import { HostDisk, type HostDiskOptions } from './host_disk.js';
import type { HostLwp } from './host_lwp.js';
import { buildDir, native } from './native.js';
import { VmPool, MAX_VMSPACES } from './vm_pool.js';

export interface HostMachineOptions {
  memoryBytes: number;
  ncpus: number;
  disks: HostDiskOptions[];
  console: 'tty' | 'none';
  /** Offer the caller's standard streams (`vkernel run`). */
  streams: boolean;
  log?: MachineLog;
}

const MS = 1e6;
/** Longest time away from the event loop. */
const TURN_NS = 5 * MS;
const SPIN_NS = 50_000;
/** Least time to spin: longer than a system call or a hand-over between two guests takes. */
const SPIN_MIN_NS = 20_000;
/** The third SIGTERM or SIGHUP is not asked any more. */
const PATIENCE = 3;
const BLOCK_NS = 2 * MS;
/** Rounds with something to do between two looks at the clock. */
const CLOCK_ROUNDS = 16;
/** Looks at the running threads in a glance. */
const GLANCES = 256;
/** How often running threads are looked after. */
const SWEEP_NS = 20 * MS;
/** An unanswered preempt() after which a thread is killed. */
const DEAF_NS = 1000 * MS;

export class HostMachine implements Machine {
  readonly ncpus: number;
  readonly ram: GuestRam;
  readonly disks: readonly MachDisk[];
  readonly console: MachConsole;
  readonly streams: readonly MachStream[] | null;
  readonly wallBaseNs: bigint;
  private readonly tty: HostConsole | null;
  private readonly doneBuf = new Float64Array(128);
  private readonly core: MachineCore;
  private readonly pool: VmPool;
  private handlers: MachineHandlers | null = null;
  private finish: ((code: StopCode) => void) | null = null;
  private fail: ((e: unknown) => void) | null = null;
  private stopCode: StopCode | null = null;
  private listening = false;
  private queued = false;
  private timer: NodeJS.Timeout | null = null;
  private lastSweep = 0;
  /** How long to spin: less and less while nothing comes of it, long again after a success. */
  private spinNs = SPIN_NS;
  private shutdownSignals = 0;
  /** Events from the event loop (console, streams, signals) to hand over at the next turn. */
  private readonly inbox: ((h: MachineHandlers) => void)[] = [];
  private closed = false;
  private frozen = 0;
  /** Called with what a handler has thrown, before everything is torn down. */
  onThrow: ((e: unknown) => void) | null = null;
  /**
   * Catch nothing on the way: an attached debugger then stops where something is thrown, and it reaches the process's
   * uncaughtException instead of run()'s promise.
   */
  bare = false;

  constructor(options: HostMachineOptions) {
    this.ncpus = options.ncpus;
    const mod = native();
    const host = new mod.Host(options.memoryBytes, MAX_VMSPACES, join(buildDir(), 'vkstub'), () =>
      this.bare ? this.queueTurn() : this.turn(),
    );
    this.ram = new GuestRam(host.ram);
    let minAddress = 65536;
    try {
      minAddress = Number(readFileSync('/proc/sys/vm/mmap_min_addr', 'latin1'));
    } catch {
      // The usual value.
    }
    this.core = new MachineCore(host, this.ram, minAddress, options.log ?? null);
    this.wallBaseNs = BigInt(Math.round(performance.timeOrigin + performance.now())) * 1_000_000n;
    this.core.kick = () => this.queueTurn();
    this.pool = new VmPool(this.core, 2);
    this.pool.fill();
    try {
      // Two sequences of names, as vkernel(7) has them: -r and -R give vkd0, vkd1 ..., -c gives vcd0, vcd1 ...
      let vkd = 0;
      let vcd = 0;
      this.disks = options.disks.map((d) => {
        const name = d.mode === 'ro' ? `vcd${vcd++}` : `vkd${vkd++}`;
        return new HostDisk(host, name, d, (cookie, error) => this.post((h) => h.onDiskDone(cookie, error)));
      });
      this.tty =
        options.console === 'tty'
          ? new HostConsole(host, (data) => this.post((h) => h.onConsoleInput(data)), options.streams)
          : null;
    } catch (e) {
      this.close();
      throw e;
    }
    this.console = this.tty ?? nullConsole;
    this.streams = options.streams ? [0, 1, 2].map((fd) => new HostStream(host, fd)) : null;
    for (const [name, f] of this.signals) process.on(name, f);
    process.on('exit', this.onExit);
    if (host.cpus > 1) host.pinThread();
  }

  /** Ask the guest to end; a host that asks again and again means it. */
  private shutdown(signo: number): void {
    if (++this.shutdownSignals >= PATIENCE) this.stop({ kind: 'exit', status: 128 + signo });
    else this.post((h) => h.onShutdownRequest(signo));
  }

  private readonly onExit = (): void => this.close();
  /** The host's signals, while the machine lives. */
  private readonly signals = new Map<NodeJS.Signals, () => void>([
    ['SIGTERM', () => this.shutdown(15)],
    ['SIGINT', () => this.post((h) => h.onShutdownRequest(2))],
    ['SIGQUIT', () => this.post((h) => h.onShutdownRequest(3))],
    ['SIGHUP', () => this.shutdown(1)],
    ['SIGWINCH', () => this.post((h) => h.onConsoleResize())],
  ]);

  /** What the addon's threads have rung for. */
  private events(): void {
    const { native: host } = this.core;
    const ready = host.takePoll();
    if (ready !== 0) {
      if (ready & (1 << PollSlot.CONSOLE_IN)) this.tty?.input();
      if (ready & (1 << PollSlot.CONSOLE_OUT)) this.tty?.drain();
      for (let i = 0; i < 3; i++) if (ready & (1 << (PollSlot.STREAM + i))) this.post((h) => h.onStreamReady(i));
    }
    if (this.disks.length === 0) return;
    const out = this.doneBuf;
    for (;;) {
      const n = host.takeDisk(out);
      for (let i = 0; i < n; i++) {
        const cookie = out[2 * i];
        const error = out[2 * i + 1] === 0 ? null : hostErrno(out[2 * i + 1]);
        this.post((h) => h.onDiskDone(cookie, error));
      }
      if (2 * n < out.length) return;
    }
  }

  now(): number {
    return this.core.now();
  }

  entropy(buf: Uint8Array): void {
    randomFillSync(buf);
  }

  newVmspace(): MachVmspace | Errno {
    return this.pool.take();
  }

  openHostDir(path: string, write: boolean): HostDir | Errno {
    return openHostDir(path, write);
  }

  readPackageFile(name: 'base.tar'): Uint8Array | Errno {
    try {
      return readFileSync(join(buildDir(), 'base', name));
    } catch {
      return ENOENT;
    }
  }

  run(handlers: MachineHandlers): Promise<StopCode> {
    if (this.closed || this.handlers !== null) throw new Error('machine: run() is for once');
    this.handlers = handlers;
    return new Promise((resolve, reject) => {
      this.finish = resolve;
      this.fail = reject;
      this.queueTurn();
    });
  }

  stop(code: StopCode): void {
    this.stopCode ??= code;
    if (!this.core.inTurn) this.queueTurn();
  }

  /** Kill all guest processes and give everything back. run() does it at its end. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    if (this.timer !== null) clearTimeout(this.timer);
    for (const [name, f] of this.signals) process.off(name, f);
    process.off('exit', this.onExit);
    this.tty?.close(200);
    this.pool.close();
    this.core.native.close();
  }

  /** Hand `event` to the handlers at the next turn. */
  post(event: (h: MachineHandlers) => void): void {
    this.inbox.push(event);
    if (!this.core.inTurn) this.queueTurn();
  }

  /** Stop guests and clock, and let them go on: for debuggers. Calls nest. Stops that come meanwhile are handled afterwards. */
  freeze(): void {
    if (this.frozen++ > 0 || this.closed) return;
    const { core } = this;
    core.hold();
    const stopped = (): boolean =>
      core.runningLwps.every((l) => l.dead || Atomics.load(core.ctl, l.stateIdx) === l.cur);
    for (const l of core.runningLwps) l.preempt();
    const until = performance.now() + 200;
    while (!stopped() && performance.now() < until);
  }
  thaw(): void {
    if (--this.frozen > 0 || this.closed) return;
    this.core.unhold();
  }
  /** Console input, waited for; see HostConsole.readNow. Empty without a console. */
  readConsole(): Uint8Array {
    return this.tty?.readNow() ?? new Uint8Array(0);
  }

  private queueTurn(): void {
    if (this.queued) return;
    this.queued = true;
    setImmediate(() => {
      this.queued = false;
      this.turn();
    });
  }

  /** Report stopped threads; true when there were any. */
  private poll(h: MachineHandlers): boolean {
    const { runningLwps, ctl } = this.core;
    let any = false;
    for (let i = runningLwps.length - 1; i >= 0; i--) {
      const l = runningLwps[i];
      if (l === undefined || Atomics.load(ctl, l.stateIdx) !== l.cur) continue;
      any = true;
      this.stopped(h, l);
    }
    return any;
  }

  private stopped(h: MachineHandlers, l: HostLwp): void {
    const trap = l.trap();
    const preempted = l.preemptedNs !== 0;
    this.core.removeRunning(l);
    if (l.fresh) {
      l.arrived();
      if (trap === Trap.NEW) {
        // It was to go on before it had arrived.
        l.goOn(preempted);
        return;
      }
    }
    if (trap === Trap.NEW || trap === Trap.DEAD) {
      // No thread of ours reports these a second time: the guest has forged it.
      this.kill(h, l);
      return;
    }
    h.onTrap(l, trap);
  }

  private kill(h: MachineHandlers, l: HostLwp): void {
    this.core.native.signal(l.pidfd, 9);
    this.core.removeRunning(l);
    l.dead = true;
    h.onTrap(l, Trap.DEAD);
  }

  /** Look for threads that have ended, or that do not answer preempt(). */
  private sweep(h: MachineHandlers, now: number): void {
    this.lastSweep = now;
    while (this.core.nearVmspaces.length > 0) this.core.nearVmspaces[0].settle();
    for (const l of this.core.runningLwps.slice()) {
      if (!l.running || l.dead) continue;
      // Told to go on, yet asleep: a thread that should have woken it on its own way to sleep may be a hostile one.
      if (Atomics.load(this.core.ctl, l.asleepIdx) !== 0) this.core.native.wake(l.cmdIdx);
      if (!this.core.native.alive(l.pidfd) || (l.preemptedNs !== 0 && now - l.preemptedNs > DEAF_NS)) this.kill(h, l);
    }
    this.pool.reap();
    this.pool.fill();
  }

  private turn(): void {
    const h = this.handlers;
    if (h === null || this.core.inTurn || this.closed) return;
    if (this.bare) {
      this.rounds(h);
      return;
    }
    try {
      this.rounds(h);
    } catch (e) {
      // Whatever a handler throws ends the run: guests are killed, the terminal is put back, run() rejects.
      this.onThrow?.(e);
      this.core.inTurn = false;
      this.close();
      this.fail?.(e);
    }
  }

  private rounds(h: MachineHandlers): void {
    const { core } = this;
    if (this.listening) {
      core.native.unlisten();
      this.listening = false;
    }
    if (this.timer !== null) {
      clearTimeout(this.timer);
      this.timer = null;
    }
    this.core.inTurn = true;
    const start = core.now();
    // 0: something happened in the last round, so the silence begins now.
    let quietSince = start;
    let seen = false;
    let round = 0;
    for (;;) {
      let progress = this.poll(h);
      if (core.takeEvents()) this.events();
      while (this.inbox.length > 0) {
        progress = true;
        this.inbox.shift()!(h);
      }
      const more = h.dispatch();
      if (core.wakes.length > 0 || core.parks.length > 0) core.settle();
      if (this.stopCode !== null) return this.end(this.stopCode);
      if (progress || more) {
        seen = true;
        quietSince = 0;
        // Reading the clock takes as long as half a system call: not in every round.
        if (more || ++round % CLOCK_ROUNDS === 0) {
          const now = core.now();
          if (now - this.lastSweep > SWEEP_NS) this.sweep(h, now);
          if (now - start > TURN_NS) return this.leave(0);
        }
        if (!more && core.native.cpus > 1 && this.glance()) this.spinNs = SPIN_NS;
        continue;
      }
      const now = core.now();
      if (quietSince === 0) quietSince = now;
      if (now - this.lastSweep > SWEEP_NS) {
        this.sweep(h, now);
        continue;
      }
      const due = h.nextTimerNs();
      if (due <= now) {
        if (now - start > TURN_NS) return this.leave(0);
        continue;
      }
      if (this.inbox.length > 0) continue;
      for (let i = core.nearVmspaces.length - 1; i >= 0; i--) core.nearVmspaces[i].nearDone();
      const running = core.runningLwps.length > 0;
      if (running && core.native.cpus > 1 && now - quietSince < this.spinNs) {
        const got = this.spin(Math.min(due, quietSince + this.spinNs));
        this.spinNs = got ? Math.min(SPIN_NS, this.spinNs * 2) : Math.max(SPIN_MIN_NS, this.spinNs / 1.25);
        continue;
      }
      // Before this processor sleeps: no guest waits for a mapper that has failed or was not woken.
      while (core.nearVmspaces.length > 0) core.nearVmspaces[0].settle();
      if (now - start > TURN_NS) return this.leave(seen ? 0 : due - now);
      if (!running && due - now > BLOCK_NS) return this.leave(due - now);
      core.native.wait(Math.min(due - now, BLOCK_NS));
    }
  }

  /** Wait some microseconds for the next stop, without a look at anything else: after an answer it is often near. */
  private glance(): boolean {
    const { runningLwps, ctl } = this.core;
    for (let n = 0; n < GLANCES; n++)
      for (let i = 0; i < runningLwps.length; i++) {
        const l = runningLwps[i];
        if (Atomics.load(ctl, l.stateIdx) === l.cur) return true;
      }
    return false;
  }

  /** Spin until a running thread stops (true) or `until` comes. */
  private spin(until: number): boolean {
    const { core } = this;
    const { runningLwps, ctl } = core;
    do {
      for (let n = 0; n < 64; n++)
        for (let i = 0; i < runningLwps.length; i++) {
          const l = runningLwps[i];
          if (Atomics.load(ctl, l.stateIdx) === l.cur) return true;
        }
    } while (core.now() < until);
    return false;
  }

  /** Return to the event loop; go on at once, or when the doorbell rings or `ns` have passed. */
  private leave(ns: number): void {
    this.core.inTurn = false;
    if (ns <= 0) return this.queueTurn();
    let ms = ns / MS;
    if (this.core.runningLwps.length > 0) ms = Math.min(ms, SWEEP_NS / MS);
    else if (this.core.dyingVmspaces.length > 0) ms = Math.min(ms, 50);
    // Timers of Node are late by up to a millisecond: come early and let wait() do the rest.
    if (ms < 2 ** 31) this.timer = setTimeout(() => this.turn(), Math.max(1, Math.floor(ms - 1)));
    this.listening = true;
    this.core.native.listen();
  }

  private end(code: StopCode): void {
    this.core.inTurn = false;
    this.close();
    this.finish?.(code);
  }
}
