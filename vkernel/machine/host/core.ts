/** What the parts of the host machine share: the addon, control memory, the running threads, command lines. */
import type { GuestRam } from '../ram.js';
import type { HostLwp } from './host_lwp.js';
import type { HostVmspace } from './host_vmspace.js';
import { Vk } from './layout.js';
import type { NativeHost } from './native.js';

/** The part of pino's interface the machine uses. */
export interface MachineLog {
  debug(obj: object, msg: string): void;
  info(obj: object, msg: string): void;
  error(obj: object, msg: string): void;
}

export class MachineCore {
  readonly ctl: Int32Array;
  /** Twin of native.running. */
  private readonly run: Int32Array;
  readonly runningLwps: HostLwp[] = [];
  /** Answered threads that sleep and still have to be woken, and stopped ones that may go to sleep: see settle(). */
  readonly wakes: HostLwp[] = [];
  readonly parks: HostLwp[] = [];
  /** Vmspaces whose near mapper has a request that is not known to be carried out. */
  readonly nearVmspaces: HostVmspace[] = [];
  readonly dyingVmspaces: HostVmspace[] = [];
  /** Released, to be used again. Oldest first. */
  readonly idleVmspaces: HostVmspace[] = [];
  private readonly freeCmds: number[] = [];
  private nextCmd = 0;
  /** Bytes of the XSAVE image in a signal frame of this host; known from the first stop of the first thread. */
  fpuBytes = 0;
  private t0 = performance.now();
  /** When the clock was stopped (hold), in the host's ms; 0 while it runs. */
  private heldMs = 0;

  /** True inside turn(): then settle() follows anyway. */
  inTurn = false;
  /** Asks for a turn, when something is called from elsewhere. */
  kick: () => void = () => undefined;

  constructor(
    readonly native: NativeHost,
    readonly ram: GuestRam,
    /** Lowest address the host lets us map. */
    readonly minAddress: number,
    readonly log: MachineLog | null,
  ) {
    this.ctl = new Int32Array(native.ctl);
    this.run = new Int32Array(native.running);
  }

  now(): number {
    return Math.floor(((this.heldMs !== 0 ? this.heldMs : performance.now()) - this.t0) * 1e6);
  }
  /** Stop the clock, and let it go on from where it stood. */
  hold(): void {
    this.heldMs = performance.now();
  }
  unhold(): void {
    this.t0 += performance.now() - this.heldMs;
    this.heldMs = 0;
  }

  addRunning(l: HostLwp): void {
    const i = this.runningLwps.length;
    l.runIndex = i;
    this.runningLwps.push(l);
    this.run[2 + 2 * i] = l.stateIdx;
    this.run[3 + 2 * i] = l.cur;
    this.run[0] = i + 1;
  }

  removeRunning(l: HostLwp): void {
    const i = l.runIndex;
    l.running = false;
    l.preemptedNs = 0;
    if (i < 0) return;
    l.runIndex = -1;
    const last = this.runningLwps.pop()!;
    if (last !== l) {
      this.runningLwps[i] = last;
      last.runIndex = i;
      this.run[2 + 2 * i] = last.stateIdx;
      this.run[3 + 2 * i] = last.cur;
    }
    this.run[0] = this.runningLwps.length;
  }

  /** A thread answered late (NEW) runs on under another command. */
  recurRunning(l: HostLwp): void {
    this.run[3 + 2 * l.runIndex] = l.cur;
  }

  /** True once after an addon thread has rung. */
  takeEvents(): boolean {
    return this.run[1] !== 0 && Atomics.exchange(this.run, 1, 0) !== 0;
  }

  takeCmd(): number {
    return this.freeCmds.pop() ?? (this.nextCmd < Vk.NCMD ? this.nextCmd++ : -1);
  }
  freeCmd(id: number): void {
    this.freeCmds.push(id);
  }

  /** Learn the size of FPU images from a stopped thread; the first one has run no guest code yet. */
  learnFpu(slotOff: number, slotVa: number): void {
    if (this.fpuBytes !== 0) return;
    const o = (slotOff + Vk.S_FPU) / 4;
    const at = (this.ctl[o + 1] >>> 0) * 0x1_0000_0000 + (this.ctl[o] >>> 0) - slotVa;
    const MAGIC1 = 0x46505853;
    const sw = (slotOff + at + 464) / 4;
    const size = this.ctl[sw] === MAGIC1 ? this.ctl[sw + 4] : 512;
    if (!(size >= 512 && at + size <= this.native.slotBytes)) throw new Error(`machine: odd FPU image, ${at} ${size}`);
    this.fpuBytes = size;
    if (size > 512) {
      // Now threads may save and load it themselves.
      this.ctl[(Vk.GLOBAL_OFF + Vk.G_XMASK) / 4 + 1] = this.ctl[sw + 3];
      this.ctl[(Vk.GLOBAL_OFF + Vk.G_XMASK) / 4] = this.ctl[sw + 2];
    }
  }

  /**
   * Carry out the wakes and parks of a round. A thread that goes to sleep can wake the one that is to run next on its
   * own processor, which saves waking an idle one (5 instead of 40 us).
   */
  settle(): void {
    const { ctl, wakes, parks, native } = this;
    while (parks.length > 0) {
      const p = parks.pop()!;
      if (p.running || p.dead) continue;
      const line = p.cmdIdx;
      // Parked before for this same stop: the wake it was given then may not have been read yet.
      if (ctl[line + Vk.C_PARK / 4] === p.cur) continue;
      const next = wakes.pop();
      ctl[line + Vk.C_WAKE / 4] = next === undefined ? 0 : next.id + 1;
      p.wakesNext = next ?? null;
      Atomics.store(ctl, line + Vk.C_PARK / 4, p.cur);
      // Already asleep (or about to be, having seen no park): it wakes nobody.
      if (next !== undefined && Atomics.load(ctl, p.asleepIdx) !== 0) native.wake(next.cmdIdx);
    }
    while (wakes.length > 0) native.wake(wakes.pop()!.cmdIdx);
  }
}
