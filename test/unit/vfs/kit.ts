/**
 * A kernel without processes' upper half: simulated machine, LWKT, VM and VFS with a tmpfs root and /dev, and processes
 * that make file system calls as if from user memory.
 */
import { Pgrp, Proc, procInit, Session, Ucred, type Lwp } from '../../../vkernel/kern/proc.js';
import { descripSyscalls } from '../../../vkernel/kern/kern_descrip.js';
import { FileDesc } from '../../../vkernel/kern/file.js';
import { lwktCreate, lwktDispatch, lwktInit, TDPRI_KERN_USER } from '../../../vkernel/kern/lwkt_thread.js';
import { prfInit } from '../../../vkernel/kern/subr_prf.js';
import { sysctlInit } from '../../../vkernel/kern/kern_sysctl.js';
import { genericSyscalls } from '../../../vkernel/kern/sys_generic.js';
import { vfsSyscalls } from '../../../vkernel/kern/vfs_init.js';
import { vfsBoot, mountRootTmpfs } from '../../../vkernel/kern/vfs_init.js';
import { calloutInit, calloutNextNs, softclock } from '../../../vkernel/kern/kern_timeout.js';
import { createSimMachine, type SimMachine, type SimOptions } from '../../../vkernel/machine/sim/sim_machine.js';
import type { Blocking } from '../../../vkernel/sys/blocking.js';
import { Errno, NOTNOW } from '../../../vkernel/sys/errno.js';
import { biodone } from '../../../vkernel/vfs/bio.js';
import { gd, setGlobalData, type GlobalData } from '../../../vkernel/sys/globaldata.js';
import type { SyscallImpls } from '../../../vkernel/sys/syscall.js';
import { copyinB, copyoutB } from '../../../vkernel/vm/vm_user.js';
import { vmInit } from '../../../vkernel/vm/vm_init.js';
import { vmMapInsert } from '../../../vkernel/vm/vm_map.js';
import { vmspaceAlloc } from '../../../vkernel/vm/vmspace.js';

export const calls: SyscallImpls = { ...descripSyscalls, ...genericSyscalls, ...vfsSyscalls };

const ARENA = 0x7ff000000000;
const ARENA_SIZE = 16 * 2 ** 20;

export class Kit {
  readonly machine: SimMachine;
  private readonly data: GlobalData;
  nextPid = 1;

  constructor(options: SimOptions = {}) {
    this.machine = createSimMachine({ memoryBytes: 32 * 2 ** 20, ...options });
    this.data = { machine: this.machine } as unknown as GlobalData;
    setGlobalData(this.data);
    prfInit();
    calloutInit();
    lwktInit(1);
    vmInit();
    sysctlInit();
    procInit(1000);
    vfsBoot();
    this.machine.attach({
      onTrap: () => {
        throw new Error('a trap');
      },
      onDiskDone: (cookie, e) => {
        this.enter();
        biodone(cookie, e);
      },
      onConsoleInput: () => undefined,
      onConsoleResize: () => undefined,
      onStreamReady: () => undefined,
      onShutdownRequest: () => undefined,
      dispatch: () => {
        this.enter();
        softclock();
        return lwktDispatch(1e9);
      },
      nextTimerNs: () => calloutNextNs(),
    });
    this.run(mountRootTmpfs(options.baseTar ?? null));
  }

  enter(): void {
    setGlobalData(this.data);
  }

  /** Run kernel code that may sleep on a thread of its own; it must end without outside help. */
  run<T>(g: Blocking<T>): T {
    const r = this.start(g);
    if (!r.done) throw new Error('the code slept for good');
    return r.value as T;
  }

  /** Start kernel code on a thread; look at `done` after more has happened. */
  start<T>(g: Blocking<T>): { done: boolean; value: T | null } {
    const r: { done: boolean; value: T | null } = { done: false, value: null };
    lwktCreate(
      function* () {
        r.value = yield* g;
        r.done = true;
      },
      'test',
      TDPRI_KERN_USER,
    );
    this.settle();
    return r;
  }

  settle(): void {
    // Disks need time; otherwise none passes.
    this.machine.runUntilIdle(this.machine.disks.length > 0 ? 10e6 : 0);
  }

  proc(uid = 0, gid = 0, groups: number[] = []): User {
    return new User(this, uid, gid, groups);
  }
}

export type Arg = number | string;

/** A process as far as files are concerned. */
export class User {
  readonly p: Proc;
  readonly lwp: Lwp;
  private brk = ARENA;
  /** Were the last calls answered synchronously? */
  sync = false;

  constructor(
    readonly kit: Kit,
    uid: number,
    gid: number,
    groups: number[],
  ) {
    const vm = vmspaceAlloc();
    if (vm instanceof Errno) throw new Error('no vmspace');
    const e = vmMapInsert(vm.map, null, 0, ARENA, ARENA_SIZE, 3, 7);
    if (e !== null) throw new Error(`arena: ${e.name}`);
    const cred = new Ucred(uid, uid, uid, [gid, ...groups], gid, gid);
    const pid = kit.nextPid++;
    const pg = new Pgrp(pid, new Session(pid, null));
    this.p = new Proc(pid, pg, cred, vm, new FileDesc(gd.vfs.rootNcp, gd.vfs.rootNcp));
    gd.allproc.set(pid, this.p);
    this.lwp = { proc: this.p, args: new Float64Array(8) } as unknown as Lwp;
  }

  /** User memory for `n` bytes, rarely given back. */
  alloc(n: number): number {
    if (this.brk + n > ARENA + ARENA_SIZE) this.brk = ARENA;
    const at = this.brk;
    this.brk += (n + 15) & ~15;
    return at;
  }

  put(bytes: Uint8Array): number {
    const at = this.alloc(bytes.length);
    const e = this.kit.run(copyoutB(this.p.vm, bytes, 0, at, bytes.length));
    if (e !== null) throw new Error(e.name);
    return at;
  }

  str(s: string): number {
    return this.put(Uint8Array.from([...s].map((c) => c.charCodeAt(0)).concat(0)));
  }

  get(at: number, n: number): Uint8Array {
    const b = new Uint8Array(n);
    const e = this.kit.run(copyinB(this.p.vm, at, b, 0, n));
    if (e !== null) throw new Error(e.name);
    return b;
  }

  private load(args: Arg[]): Float64Array {
    const a = new Float64Array(8);
    args.forEach((x, i) => (a[i] = typeof x === 'string' ? this.str(x) : x));
    return a;
  }

  /** Make a call that must not sleep for good. */
  sys(name: string, ...args: Arg[]): number | Errno {
    const r = this.begin(name, ...args);
    if (!r.done) throw new Error(`${name} slept`);
    return r.value as number | Errno;
  }

  /** Make a call that may sleep; its outcome is in the result when done. */
  begin(name: string, ...args: Arg[]): { done: boolean; value: number | Errno | null } {
    const impl = calls[name];
    if (impl === undefined) throw new Error(`no call ${name}`);
    const a = this.load(args);
    this.sync = true;
    if (impl.try !== undefined) {
      const r = impl.try(this.lwp, a);
      if (r !== NOTNOW) return { done: true, value: r };
    }
    this.sync = false;
    if (impl.block === undefined) throw new Error(`${name} has no blocking twin`);
    return this.kit.start(impl.block(this.lwp, a));
  }

  /** As sys, but an errno is a failure of the test. */
  ok(name: string, ...args: Arg[]): number {
    const r = this.sys(name, ...args);
    if (r instanceof Errno) throw new Error(`${name}(${args.join(', ')}): ${r.name}`);
    return r;
  }

  /** Name of the errno, or the result. */
  err(name: string, ...args: Arg[]): string | number {
    const r = this.sys(name, ...args);
    return r instanceof Errno ? r.name : r;
  }

  open(path: string, flags = 0, mode = 0o644): number {
    return this.ok('open', path, flags, mode);
  }

  write(path: string, text: string): void {
    const fd = this.open(path, O.RDWR | O.CREAT | O.TRUNC);
    if (text.length > 0) this.ok('write', fd, text, text.length);
    this.ok('close', fd);
  }

  read(path: string): string {
    const fd = this.open(path);
    let out = '';
    const buf = this.alloc(65536);
    for (;;) {
      const n = this.ok('read', fd, buf, 65536);
      if (n === 0) break;
      out += String.fromCharCode(...this.get(buf, n));
    }
    this.ok('close', fd);
    return out;
  }

  stat(path: string, call = 'stat'): Stat {
    const ub = this.alloc(128);
    this.ok(call, path, ub);
    return parseStat(this.get(ub, 128));
  }

  fstat(fd: number): Stat {
    const ub = this.alloc(128);
    this.ok('fstat', fd, ub);
    return parseStat(this.get(ub, 128));
  }

  ls(path: string, bufSize = 4096): Dirent[] {
    const fd = this.open(path);
    const out: Dirent[] = [];
    const buf = this.alloc(bufSize);
    for (;;) {
      const n = this.ok('getdirentries', fd, buf, bufSize, 0);
      if (n === 0) break;
      out.push(...parseDirents(this.get(buf, n)));
    }
    this.ok('close', fd);
    return out;
  }

  names(path: string): string[] {
    return this.ls(path)
      .map((d) => d.name)
      .filter((n) => n !== '.' && n !== '..')
      .sort();
  }
}

export const O = {
  RDONLY: 0,
  WRONLY: 1,
  RDWR: 2,
  NONBLOCK: 4,
  APPEND: 8,
  SHLOCK: 0x10,
  EXLOCK: 0x20,
  NOFOLLOW: 0x100,
  CREAT: 0x200,
  TRUNC: 0x400,
  EXCL: 0x800,
  CLOEXEC: 0x20000,
  DIRECTORY: 0x8000000,
};
export const AT_FDCWD = -328243;

export interface Stat {
  ino: number;
  nlink: number;
  dev: number;
  mode: number;
  uid: number;
  gid: number;
  rdev: number;
  atime: number;
  mtime: number;
  ctime: number;
  size: number;
  blocks: number;
  blksize: number;
  flags: number;
}

export function parseStat(b: Uint8Array): Stat {
  const v = new DataView(b.buffer);
  const u64 = (o: number): number => Number(v.getBigUint64(o, true));
  const time = (o: number): number => u64(o) * 1e9 + u64(o + 8);
  return {
    ino: u64(0),
    nlink: v.getUint32(8, true),
    dev: v.getUint32(12, true),
    mode: v.getUint16(16, true),
    uid: v.getUint32(20, true),
    gid: v.getUint32(24, true),
    rdev: v.getUint32(28, true),
    atime: time(32),
    mtime: time(48),
    ctime: time(64),
    size: u64(80),
    blocks: u64(88),
    blksize: v.getUint32(96, true),
    flags: v.getUint32(100, true),
  };
}

export interface Dirent {
  ino: number;
  type: number;
  name: string;
}

export function parseDirents(b: Uint8Array): Dirent[] {
  const v = new DataView(b.buffer, b.byteOffset);
  const out: Dirent[] = [];
  for (let at = 0; at < b.length;) {
    const len = v.getUint16(at + 8, true);
    out.push({
      ino: Number(v.getBigUint64(at, true)),
      type: b[at + 10],
      name: String.fromCharCode(...b.subarray(at + 16, at + 16 + len)),
    });
    at += (16 + len + 1 + 7) & ~7;
  }
  return out;
}
