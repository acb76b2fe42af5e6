/**
 * The whole kernel on the simulated machine, for tests.
 *
 *     const k = bootSim({ seed: 7, init: function* (g) { ... yield* sys(g, 'fork') ... }, programs: { '/bin/x': script } });
 *     k.run();            // to the end: halt, reboot, exit of the program, or a panic (thrown)
 *     k.sim.log           // the event log: same seed, same bytes
 *
 * Programs are scripts (machine/sim/guest.ts) in ELF images on the root file system. Process 1 runs `init` and halts the
 * machine when that returns; with `run` the kernel is booted as by `vkernel run` instead. What a script throws
 * (a failed expectation) comes out of run(), with the seed in front.
 */
import { Kernel } from '../../vkernel/kern/init_main.js';
import { SYS_MAXSYSCALL, makeSysent } from '../../vkernel/kern/syscalls.js';
import * as errnos from '../../vkernel/sys/errno.js';
import { gd, type GlobalData } from '../../vkernel/sys/globaldata.js';
import type { Guest, GuestCode, Script, SysResult } from '../../vkernel/machine/sim/guest.js';
import { createSimMachine, type SimMachine, type SimOptions } from '../../vkernel/machine/sim/sim_machine.js';
import { SimProgram } from '../../vkernel/machine/sim/sim_program.js';
import type { StopCode } from '../../vkernel/machine/machine.js';
import type { DdbPort } from '../../vkernel/ddb/port.js';
import { vmCheck } from '../../vkernel/vm/vm_check.js';
import type { VmObject } from '../../vkernel/vm/vm_object.js';
import { makeTar, type TarFile } from './tar.js';

export interface SimRun {
  readonly path: string;
  readonly argv?: string[];
  readonly envv?: string[];
  readonly cwd?: string;
}

export interface SimBoot extends SimOptions {
  /** What process 1 does; the machine halts when it returns. */
  readonly init?: Script;
  /** Programs by path. */
  readonly programs?: Readonly<Record<string, Script>>;
  /** Other files by path: text or bytes, mode 0644 (0755 when they start with #! or as an ELF image does). */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  /** Boot as `vkernel run` does. */
  readonly run?: SimRun;
  readonly singleUser?: boolean;
  /** The kernel debugger's other end. */
  readonly ddb?: DdbPort;
  /** Collect system call traces in `k.trace`. */
  readonly strace?: boolean;
  /** Bytes of initialised data of every program (default 8) and of bss (default 64 KiB). */
  readonly dataBytes?: number;
  readonly bssBytes?: number;
}

/** Numbers of the system calls by name. */
export const SYS: ReadonlyMap<string, number> = (() => {
  const table = makeSysent();
  const m = new Map<string, number>();
  for (let i = 0; i < SYS_MAXSYSCALL; i++) {
    const se = table[i];
    if (se !== null && se !== undefined) m.set(se.name, i);
  }
  return m;
})();

const RB_HALT = 8;

const bytesOf = (s: string | Uint8Array): Uint8Array =>
  typeof s === 'string' ? Uint8Array.from(s, (c) => c.charCodeAt(0)) : s;

export class SimKernel {
  readonly sim: SimMachine;
  readonly kernel: Kernel;
  readonly gd: GlobalData;
  readonly trace: string[] = [];

  constructor(o: SimBoot) {
    const files = new Map<string, TarFile>();
    const dirs = (path: string): void => {
      const parts = path.split('/').slice(0, -1);
      for (let i = 1; i <= parts.length; i++) {
        const d = parts.slice(0, i).join('/');
        if (!files.has(d)) files.set(d, { data: null, mode: 0o755 });
      }
    };
    const add = (path: string, data: Uint8Array, mode: number): void => {
      const name = path.replace(/^\//, '');
      dirs(name);
      files.set(name, { data, mode });
    };
    for (const d of ['tmp', 'dev', 'etc', 'var']) files.set(d, { data: null, mode: d === 'tmp' ? 0o1777 : 0o755 });
    const programs: SimProgram[] = [];
    const addProgram = (path: string, main: Script): void => {
      const p = new SimProgram(programs.length, main, new Uint8Array(o.dataBytes ?? 8), o.bssBytes ?? 65536);
      programs.push(p);
      add(path, p.image(), 0o755);
    };
    const init = o.init;
    if (init !== undefined)
      addProgram('/sbin/init', function* (g) {
        yield* init(g);
        yield* g.sys(num('reboot'), RB_HALT);
      });
    for (const [path, s] of Object.entries(o.programs ?? {})) addProgram(path, s);
    for (const [path, text] of Object.entries(o.files ?? {})) {
      const data = bytesOf(text);
      const exec = (data[0] === 0x23 && data[1] === 0x21) || (data[0] === 0x7f && data[1] === 0x45);
      add(path, data, exec ? 0o755 : 0o644);
    }
    this.sim = createSimMachine({ ...o, baseTar: makeTar(files) });
    this.sim.programs.push(...programs);
    const { run } = o;
    this.kernel = new Kernel(this.sim, {
      version: '0',
      kenv: new Map(),
      singleUser: o.singleUser ?? false,
      verbose: 0,
      term: 'dumb',
      ddb: o.ddb ?? null,
      strace: o.strace === true,
      straceOut: (line) => this.trace.push(line),
      run:
        run === undefined
          ? null
          : {
              path: run.path,
              argv: run.argv ?? [run.path],
              envv: run.envv ?? [],
              cwd: run.cwd ?? '/',
              mounts: [],
            },
    });
    this.gd = gd;
    void this.kernel.run();
  }

  /** Run to the end, which must come within `limitNs` of virtual time. */
  run(limitNs = 86400e9): StopCode {
    try {
      this.sim.runUntil(() => this.sim.stopCode !== null, limitNs);
    } catch (e) {
      if (e instanceof Error && !e.message.includes('seed')) e.message = `seed ${this.sim.options.seed}: ${e.message}`;
      throw e;
    }
    return this.sim.stopCode as StopCode;
  }

  /** What is wrong with the VM's structures: nothing. Vnodes hold a reference to their objects, the kernel to the trampoline. */
  vmCheck(): string[] {
    const extra = new Map<VmObject, number>();
    for (const o of this.gd.vm.objects)
      if (o !== null && (o.type === 'vnode' || o === this.gd.sigcodeObject)) extra.set(o, 1);
    for (const seg of this.gd.shm.slots) if (seg !== null && !seg.removed) extra.set(seg.object, 1);
    return vmCheck(extra);
  }

  /** What dmesg would show. */
  messages(): string {
    return Buffer.from(this.gd.prf.msgbuf.contents()).toString('latin1');
  }
  /** The event log as one text. */
  log(): string {
    return this.sim.log.join('\n');
  }
}

export const bootSim = (o: SimBoot): SimKernel => new SimKernel(o);

/** Boot, run process 1's script to its end, and see that the machine halted and the VM is sound. */
export function inInit(init: Script, o: SimBoot = {}): SimKernel {
  const k = bootSim({ ...o, init });
  const code = k.run();
  if (code.kind !== 'halt') throw new Error(`ended with ${JSON.stringify(code)}:\n${k.messages()}`);
  const bad = k.vmCheck();
  if (bad.length > 0) throw new Error(`seed ${k.sim.options.seed}: the VM is not sound: ${bad.slice(0, 5).join('; ')}`);
  return k;
}

/** Number of a system call. */
export function num(name: string): number {
  const n = SYS.get(name);
  if (n === undefined) throw new Error(`no system call ${name}`);
  return n;
}

export type Arg = number | string | Uint8Array;

/** A system call by name; strings (NUL added) and bytes are put on the stack for its duration. */
export function* syscall(g: Guest, name: string, ...args: readonly Arg[]): GuestCode<SysResult> {
  const sp = g.reg(RSP);
  const words: number[] = [];
  for (const a of args)
    words.push(typeof a === 'number' ? a : typeof a === 'string' ? yield* g.cstr(a) : yield* g.bytes(a));
  const r = yield* g.syscall(num(name), ...words);
  g.setReg(RSP, sp);
  return r;
}
const RSP = 23;

/** The same; its value, or minus the errno. */
export function* sys(g: Guest, name: string, ...args: readonly Arg[]): GuestCode<number> {
  const r = yield* syscall(g, name, ...args);
  return r.err !== 0 ? -r.err : r.val;
}

/** The same; must not fail. */
export function* must(g: Guest, name: string, ...args: readonly Arg[]): GuestCode<number> {
  const r = yield* syscall(g, name, ...args);
  if (r.err !== 0) throw new Error(`${name}(${args.join(', ')}): ${errnoName(r.err)}`);
  return r.val;
}

/** Name of an errno. */
export function errnoName(n: number): string {
  for (const e of Object.values(errnos)) if (e instanceof errnos.Errno && e.errno === n) return e.name;
  return `errno ${n}`;
}

/** A child process that runs `child` and then exits with 0. */
export function* fork(g: Guest, child: Script): GuestCode<number> {
  const pid = yield* g.fork(child);
  if (pid < 0) throw new Error(`fork: ${errnoName(-pid)}`);
  return pid;
}

/** wait4: [pid or -errno, status]. */
export function* wait4(g: Guest, pid: number, options = 0): GuestCode<[number, number]> {
  const sp = g.reg(RSP);
  const at = g.alloc(16);
  yield* g.write32(at, 0x5a5a5a);
  const r = yield* g.sys(num('wait4'), pid, at, options, 0);
  const status = yield* g.read32(at);
  g.setReg(RSP, sp);
  return [r, status];
}

export const SIG_BLOCK = 1;
export const SIG_UNBLOCK = 2;
export const SIG_SETMASK = 3;

/** A signal set as 16 bytes. */
export function sigset(...sigs: number[]): Uint8Array {
  const b = new Uint8Array(16);
  for (const s of sigs) b[(s - 1) >> 3] |= 1 << ((s - 1) & 7);
  return b;
}

/** sigaction with a handler script, or SIG_DFL 0 / SIG_IGN 1. */
export function* sigaction(
  g: Guest,
  sig: number,
  handler: Script | number,
  flags = 0,
  mask: readonly number[] = [],
): GuestCode<number> {
  const b = new Uint8Array(32);
  const v = new DataView(b.buffer);
  v.setBigUint64(0, BigInt(typeof handler === 'number' ? handler : g.addr(handler)), true);
  v.setInt32(8, flags, true);
  b.set(sigset(...mask), 12);
  return yield* sys(g, 'sigaction', sig, b, 0);
}

export function* sigprocmask(g: Guest, how: number, ...sigs: number[]): GuestCode<number> {
  return yield* sys(g, 'sigprocmask', how, sigset(...sigs), 0);
}

/** A timespec of `ns`. */
export function timespec(ns: number): Uint8Array {
  const b = new Uint8Array(16);
  const v = new DataView(b.buffer);
  v.setBigInt64(0, BigInt(Math.floor(ns / 1e9)), true);
  v.setBigInt64(8, BigInt(Math.floor(ns % 1e9)), true);
  return b;
}
/** A timeval of `ns`. */
export function timeval(ns: number): Uint8Array {
  const b = timespec(ns);
  const v = new DataView(b.buffer);
  v.setBigInt64(8, v.getBigInt64(8, true) / 1000n, true);
  return b;
}

export function* nanosleep(g: Guest, ns: number): GuestCode<number> {
  return yield* sys(g, 'nanosleep', timespec(ns), 0);
}

/** Monotonic time by the kernel, ns. */
export function* now(g: Guest): GuestCode<number> {
  const sp = g.reg(RSP);
  const at = g.alloc(16);
  yield* g.sys(num('clock_gettime'), 4, at);
  const t = (yield* g.read64(at)) * 1e9 + (yield* g.read64(at + 8));
  g.setReg(RSP, sp);
  return t;
}

export const PROT_RW = 3;
export const MAP_SHARED = 1;
export const MAP_PRIVATE = 2;
export const MAP_ANON = 0x1000;

/** Anonymous memory; private unless told otherwise. */
export function* mmapAnon(g: Guest, len: number, flags = MAP_PRIVATE): GuestCode<number> {
  return yield* must(g, 'mmap', 0, len, PROT_RW, MAP_ANON | flags, -1, 0, 0);
}

/** A vector of strings on the stack (argv, envp). */
export function* strings(g: Guest, list: readonly string[]): GuestCode<number> {
  const at: number[] = [];
  for (const s of list) at.push(yield* g.cstr(s));
  const vec = g.alloc(8 * (list.length + 1));
  for (let i = 0; i < at.length; i++) yield* g.write64(vec + 8 * i, at[i]);
  yield* g.write64(vec + 8 * list.length, 0);
  return vec;
}

/** execve; returns minus the errno, or not at all. */
export function* execve(
  g: Guest,
  path: string,
  argv: readonly string[],
  envv: readonly string[] = [],
): GuestCode<number> {
  const sp = g.reg(RSP);
  const r = yield* sys(g, 'execve', path, yield* strings(g, argv), yield* strings(g, envv));
  g.setReg(RSP, sp);
  return r;
}

/** A thread of this process on a stack of its own; its tid. It must end with `threadExit`. */
export function* thread(g: Guest, body: Script, arg = 0): GuestCode<number> {
  const stack = yield* mmapAnon(g, 65536);
  const sp = g.reg(RSP);
  const tidAt = g.alloc(16);
  const p = new Uint8Array(40);
  const v = new DataView(p.buffer);
  const put = (o: number, n: number): void => v.setBigUint64(o, BigInt(n), true);
  put(0, g.addr(body));
  put(8, arg);
  put(16, stack + 65536);
  put(24, tidAt);
  const r = yield* sys(g, 'lwp_create', p);
  const tid = r < 0 ? r : yield* g.read32(tidAt);
  g.setReg(RSP, sp);
  return tid;
}

/** End this thread; a word may be stored on the way out. */
export function* threadExit(g: Guest, addr = 0, value = 0): GuestCode<never> {
  yield* g.sys(num('extexit'), 0x10000 | (addr !== 0 ? 1 : 0), value, addr);
  throw new Error('extexit returned');
}

/** Wait status of an exit, of a signal, of a stop. */
export const exited = (code: number): number => code << 8;
export const stopped = (sig: number): number => (sig << 8) | 0x7f;
export const CONTINUED = 19;
