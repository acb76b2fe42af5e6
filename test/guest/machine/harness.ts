/**
 * A host machine without a kernel: the test plays the kernel. Guest code is a handful of bytes in RAM.
 */
import { Errno } from '../../../vkernel/sys/errno.js';
import { createHostMachine, type HostMachine } from '../../../vkernel/machine/host/index.js';
import {
  type MachineHandlers,
  type MachLwp,
  type MachVmspace,
  Prot,
  Reg,
  Resume,
  type StopCode,
  Trap,
} from '../../../vkernel/machine/machine.js';

export const CODE = 0x400000;
export const DATA = 0x600000;
export const STACK_TOP = 0x700000;

/** Bytes from numbers, byte arrays and strings of hex. */
export function code(...parts: (string | number[])[]): Uint8Array {
  return Uint8Array.from(
    parts.flatMap((p) => (typeof p === 'string' ? Array.from(Buffer.from(p.replace(/\s+/g, ''), 'hex')) : p)),
  );
}
export const le32 = (v: number): number[] => [v & 255, (v >>> 8) & 255, (v >>> 16) & 255, v >>> 24];
export const le64 = (v: number): number[] => [...le32((v % 2 ** 32) | 0), ...le32(Math.floor(v / 2 ** 32))];
/** mov $imm32, %eax; syscall */
export const sys = (nr: number): number[] => [0xb8, ...le32(nr), 0x0f, 0x05];
export const movRax = (v: number): number[] => [0x48, 0xb8, ...le64(v)];
export const movRbx = (v: number): number[] => [0x48, 0xbb, ...le64(v)];
export const movRdi = (v: number): number[] => [0x48, 0xbf, ...le64(v)];

export const reg = (l: MachLwp, r: Reg): number => l.frame[2 * r + 1] * 2 ** 32 + l.frame[2 * r];
export const setReg = (l: MachLwp, r: Reg, v: number): void => {
  l.frame[2 * r] = v % 2 ** 32;
  l.frame[2 * r + 1] = Math.floor(v / 2 ** 32);
};

export interface Stop {
  lwp: MachLwp;
  trap: Trap;
}

export class Rig {
  readonly m: HostMachine;
  private nextPpn = 16;
  private readonly waiting: ((s: Stop) => void)[] = [];
  private readonly stops: Stop[] = [];
  private done: Promise<StopCode> | null = null;
  /** When set, gets each stop first; true: dealt with. */
  quick: ((l: MachLwp, t: Trap) => boolean) | null = null;

  constructor(memoryBytes = 64 << 20) {
    this.m = createHostMachine({ memoryBytes, ncpus: 2, disks: [], console: 'none', streams: false });
  }

  start(over: Partial<MachineHandlers> = {}): void {
    this.done = this.m.run({
      onTrap: (lwp, trap) => {
        if (this.quick?.(lwp, trap)) return;
        const w = this.waiting.shift();
        if (w) w({ lwp, trap });
        else this.stops.push({ lwp, trap });
      },
      onDiskDone: () => undefined,
      onConsoleInput: () => undefined,
      onConsoleResize: () => undefined,
      onStreamReady: () => undefined,
      onShutdownRequest: () => undefined,
      dispatch: () => false,
      nextTimerNs: () => Infinity,
      ...over,
    });
  }

  /** The next stop of any thread. */
  next(): Promise<Stop> {
    const s = this.stops.shift();
    if (s) return Promise.resolve(s);
    return new Promise((resolve, reject) => {
      const t = setTimeout(() => reject(new Error('no stop within 5 s')), 5000);
      this.waiting.push((stop) => {
        clearTimeout(t);
        resolve(stop);
      });
    });
  }

  async stop(): Promise<void> {
    if (this.done === null) return this.m.close();
    this.m.stop({ kind: 'halt' });
    await this.done;
  }

  page(n = 1): number {
    const p = this.nextPpn;
    this.nextPpn += n;
    return p;
  }

  vmspace(): MachVmspace {
    const v = this.m.newVmspace();
    if (v instanceof Errno) throw new Error(`newVmspace: ${v}`);
    return v;
  }

  lwp(v: MachVmspace): MachLwp {
    const l = v.newLwp();
    if (l instanceof Errno) throw new Error(`newLwp: ${l}`);
    return l;
  }

  /** An address space with `bytes` at CODE, a data page at DATA and a page of stack, and a thread about to run it. */
  program(bytes: Uint8Array): { v: MachVmspace; l: MachLwp; data: number; text: number } {
    const v = this.vmspace();
    const text = this.page(Math.ceil(bytes.length / 4096));
    const data = this.page();
    const stack = this.page();
    this.m.ram.write(text * 4096, bytes, 0, bytes.length);
    v.map(CODE, text, Math.ceil(bytes.length / 4096), Prot.READ | Prot.EXEC);
    v.map(DATA, data, 1, Prot.READ | Prot.WRITE);
    v.map(STACK_TOP - 4096, stack, 1, Prot.READ | Prot.WRITE);
    const l = this.lwp(v);
    enter(l, CODE);
    return { v, l, data, text };
  }
}

/** Registers of a fresh thread. */
export function enter(l: MachLwp, rip: number): void {
  l.frame.fill(0);
  setReg(l, Reg.RIP, rip);
  setReg(l, Reg.RSP, STACK_TOP);
  setReg(l, Reg.RFLAGS, 0x202);
}

export { Prot, Reg, Resume, Trap };
