/**
 * Boot: from a machine to process 1.
 *
 * `Kernel` implements the machine's handlers. Two ways to boot: `init` runs /sbin/init from the base system on the
 * console; `run` starts one program from a host directory with the caller's streams, and ends when it ends. There the
 * kernel itself plays process 1: it reaps orphans and needs no guest code.
 *
 * Counterpart: sys/kern/init_main.c
 */
import { socketInit } from './uipc_socket.js';
import { unpInit } from './uipc_usrreq.js';
import { netInit } from '../netinet/in_proto.js';
import type { HostDir, Machine, MachineHandlers, MachLwp, StopCode, Trap } from '../machine/machine.js';
import type { Blocking } from '../sys/blocking.js';
import { Errno } from '../sys/errno.js';
import { type GlobalData, gd, setGlobalData } from '../sys/globaldata.js';
import { SIGKILL, SIGPIPE, SIGQUIT, SIGUSR1 } from '../sys/signal.js';
import { vmInit } from '../vm/vm_init.js';
import { type Vmspace, vmspaceAlloc } from '../vm/vmspace.js';
import { biodone } from '../vfs/bio.js';
import { MNT_RDONLY } from '../vfs/mount.js';
import { vfsSyncAll } from '../vfs/vfs_mount.js';
import { ConsoleFeed } from '../../drivers/cons/cons_feed.js';
import { initSyscallTables } from './init_sysent.js';
import { execProgram } from './kern_exec.js';
import { fdalloc, fdinit } from './kern_descrip.js';
import { procReap } from './kern_exit.js';
import { lwpCreate, lwpStart } from './kern_fork.js';
import { eventInit } from './kern_event.js';
import { embedMain } from './kern_embed.js';
import { kenvInit } from './kern_environment.js';
import { jailInit } from './kern_jail.js';
import { varsymInit } from './kern_varsym.js';
import { ktraceInit } from './kern_ktrace.js';
import { mibInit } from './kern_mib.js';
import { procSysctlInit } from './kern_proc.js';
import { newSession } from './kern_prot.js';
import { panic } from './kern_shutdown.js';
import { pgsignal, psignal, sigInit } from './kern_sig.js';
import { sysctlAdd, sysctlInit, sysctlNumber } from './kern_sysctl.js';
import { timeInit } from './kern_time.js';
import { Callout, calloutInit, calloutNextNs, calloutReset } from './kern_timeout.js';
import { umtxInit } from './kern_umtx.js';
import {
  WaitQ,
  lwktCreate,
  lwktDispatch,
  lwktInit,
  lwktNextTimerNs,
  TDPRI_KERN_DAEMON,
  tsleep,
  wakeup,
} from './lwkt_thread.js';
import { childAdd, Pgrp, Proc, ProcState, Session, Ucred, pfind, pgrpEnter, procInit } from './proc.js';
import { kalert, kprintf, prfInit } from './subr_prf.js';
import { mqueueInit } from './sys_mqueue.js';
import { msgInit } from './sysv_msg.js';
import { semInit } from './sysv_sem.js';
import { shmInit } from './sysv_shm.js';
import { setSigpipe } from './sys_generic.js';
import { setTempMaskFn } from './sys_select.js';
import { setTempMask } from './sys_sig.js';
import { streamFile, streamReady } from './sys_stream.js';
import { onTrap } from './trap.js';
import { uschedInit, uschedNew } from './usched.js';
import { ddbBoot, ddbEnter, ddbInit } from '../ddb/ddb.js';
import type { DdbPort } from '../ddb/port.js';
import { consInit, consoleFile, consoleInput, consoleResize } from '../../drivers/cons/cons.js';
import { ptyInit } from '../../drivers/pty/pty.js';
import { hammer2BootPfs } from '../vfs/hammer2/hammer2_vfsops.js';
import { mountAt, mountRoot, mountRootTmpfs, vfsBoot } from './vfs_init.js';
import { vkdAnnounce } from '../../drivers/vkd/vkd.js';
import { kernChdir } from './vfs_mount_syscalls.js';

export interface RunOptions {
  /** Guest path of the program. */
  path: string;
  argv: string[];
  envv: string[];
  cwd: string;
  /** Host directories to mount, in order. */
  mounts: { dir: HostDir; guest: string; write: boolean; from: string }[];
}

export interface BootOptions {
  version: string;
  kenv: ReadonlyMap<string, string>;
  singleUser: boolean;
  verbose: number;
  /** Type of the console's terminal, for TERM. */
  term: string;
  /** Print every system call from the start. */
  strace: boolean;
  /** Where trace lines go. */
  straceOut: (line: string) => void;
  /** Where the kernel debugger talks; without one there is none. */
  ddb?: DdbPort | null;
  /** Serve a host program (kern_embed.ts) instead of starting /sbin/init; called when it may ask. */
  embed?: (() => void) | null;
  /** Its host directories. */
  embedMounts?: RunOptions['mounts'];
  /** Start this program instead of /sbin/init. */
  run: RunOptions | null;
}

/** How long dispatch() may keep the machine from looking at events, ns. */
const DISPATCH_NS = 5e6;
const MAXPROC_PER_MB = 4;
/** The program of `vkernel run`. */
const RUN_PID = 2;
/** init's signal for halt (native/base/init.c). */
const INIT_HALT = SIGUSR1;
const HALT_PATIENCE_NS = 10e9;

export class Kernel implements MachineHandlers {
  private readonly data: GlobalData;
  private shutdownRequests = 0;
  private readonly feed = new ConsoleFeed(() => this.haltRequested());
  private readonly haltTimer = new Callout();

  constructor(
    readonly machine: Machine,
    private readonly options: BootOptions,
  ) {
    this.data = { machine } as GlobalData;
    setGlobalData(this.data);
    initRooms(options);
    lwktCreate(() => this.bootThread(), 'init', TDPRI_KERN_DAEMON);
  }

  run(): Promise<StopCode> {
    return this.machine.run(this);
  }

  onTrap(lwp: MachLwp, trap: Trap): void {
    setGlobalData(this.data);
    onTrap(lwp, trap);
  }
  onDiskDone(cookie: number, error: Errno | null): void {
    setGlobalData(this.data);
    biodone(cookie, error);
  }
  onConsoleInput(data: Uint8Array): void {
    setGlobalData(this.data);
    if (this.machine.console.isatty) consoleInput(gd.ddb?.input(data) ?? data);
    else this.feed.input(data);
  }
  onConsoleResize(): void {
    setGlobalData(this.data);
    consoleResize();
  }
  onStreamReady(index: number): void {
    setGlobalData(this.data);
    streamReady(index);
  }
  onShutdownRequest(signo: number): void {
    setGlobalData(this.data);
    if (signo === SIGQUIT && this.options.run === null && gd.ddb?.usable === true) {
      ddbEnter('SIGQUIT');
      return;
    }
    this.shutdownRequests++;
    if (this.options.run !== null) this.forward(signo);
    else this.haltRequested();
  }

  /** A signal for `vkernel run`: the program gets it (host and guest agree on 1, 2, 3 and 15). The third time ends it. */
  private forward(signo: number): void {
    const p = pfind(RUN_PID);
    if (p === null || this.shutdownRequests >= 3) this.machine.stop({ kind: 'exit', status: 128 + signo });
    else pgsignal(p.pgrp, signo);
  }

  /** An orderly end of a booted guest: init halts it; whoever asks again, or waits too long, gets it without init. */
  private haltRequested(): void {
    if (gd.initproc === null || this.shutdownRequests > 1 || gd.initproc.lwps.size === 0) {
      this.machine.stop({ kind: 'halt' });
      return;
    }
    psignal(gd.initproc, INIT_HALT);
    calloutReset(this.haltTimer, HALT_PATIENCE_NS, () => this.machine.stop({ kind: 'halt' }));
  }
  dispatch(): boolean {
    setGlobalData(this.data);
    // Nothing is caught here: a debugger that is attached then stops where it was thrown. panic() has said what it is.
    return lwktDispatch(DISPATCH_NS);
  }
  /** Something was thrown out of one of these handlers, and the machine is about to end: the debugger's last look. */
  thrown(e: unknown): void {
    setGlobalData(this.data);
    const stack = e instanceof Error ? (e.stack ?? '') : '';
    gd.ddb?.panicked(e instanceof Error ? e.message : String(e), stack);
  }
  /** This kernel's state is to be used: from the host's event loop, not in a handler. */
  use(): void {
    setGlobalData(this.data);
  }
  /** `reset` was given in the debugger. */
  get resetAsked(): boolean {
    return this.data.ddb?.resetAsked === true;
  }
  nextTimerNs(): number {
    return Math.min(calloutNextNs(), lwktNextTimerNs());
  }

  /** The kernel's own first thread: mounts the root and starts process 1. */
  private *bootThread(): Blocking<void> {
    const o = this.options;
    const e = yield* mountFilesystems(o);
    if (e !== null) panic(`cannot mount root: ${e.text}`);
    ddbBoot();
    if (o.embed !== undefined && o.embed !== null) yield* embedMain(o.embed);
    else if (o.run === null) yield* startInit(o);
    else yield* startRun(this.machine, o.run);
  }
}

/**
 * The root: what `vfs.root.mountfrom` names (`hammer2:vkd0@ROOT`, `tmpfs`), else the boot environment that is activated on
 * the first disk or its PFS ROOT, else a tmpfs with the base system's archive in it.
 */
function* mountRootFs(o: BootOptions): Blocking<Errno | null> {
  const from = o.kenv.get('vfs.root.mountfrom') ?? null;
  if (o.run === null && from !== 'tmpfs') {
    const boot = from === null ? yield* hammer2BootPfs('vkd0') : null;
    if (from !== null || boot !== null) {
      const [type, special] = splitMountFrom(from ?? `hammer2:vkd0@${boot}`);
      kprintf('Mounting root from %s:%s\n', type, special);
      return yield* mountRoot(type, { special });
    }
  }
  const archive = gd.machine.readPackageFile('base.tar');
  if (archive instanceof Errno) return archive;
  kprintf('Mounting root from tmpfs\n');
  return yield* mountRootTmpfs(archive);
}

/** `type:special` */
function splitMountFrom(text: string): [string, string] {
  const i = text.indexOf(':');
  return i < 0 ? [text, ''] : [text.slice(0, i), text.slice(i + 1)];
}

/** The root, and the host directories of `vkernel run`. */
function* mountFilesystems(o: BootOptions): Blocking<Errno | null> {
  const e = yield* mountRootFs(o);
  if (e !== null) return e;
  for (const h of o.run?.mounts ?? o.embedMounts ?? []) {
    const m = yield* mountAt('hostfs', h.guest, h.write ? 0 : MNT_RDONLY, { dir: h.dir, from: h.from });
    if (!(m instanceof Errno)) continue;
    kprintf('%s: cannot mount host directory on %s: %s\n', h.from, h.guest, m.text);
    return m;
  }
  return null;
}

/** Bring every room up, lowest first. */
function initRooms(o: BootOptions): void {
  const m = gd.machine;
  prfInit();
  calloutInit();
  lwktInit(m.ncpus);
  uschedInit(m.ncpus);
  sysctlInit();
  mibInit();
  vmInit();
  vfsBoot();
  consInit();
  ptyInit();
  const mb = (m.ram.npages * 4096) / 2 ** 20;
  procInit(Math.min(6000, Math.max(64, Math.floor(mb * MAXPROC_PER_MB))));
  sigInit();
  timeInit();
  umtxInit();
  eventInit();
  shmInit();
  semInit();
  msgInit();
  mqueueInit();
  socketInit();
  unpInit();
  netInit();
  kenvInit(o.kenv);
  varsymInit();
  jailInit();
  ktraceInit();
  setTempMaskFn(setTempMask);
  setSigpipe((p) => psignal(p, SIGPIPE));
  gd.streams = [];
  gd.vm.onOutOfMemory = killForMemory;
  gd.forkq = new WaitQ();
  gd.maxlwps = 1500;
  gd.hasExeced = new WeakSet();
  gd.sigcodeObject = null;
  gd.straceOut = o.strace ? o.straceOut : null;
  gd.shutdown = (how) => shutdown(how);
  const perUid = new Map<number, number>();
  gd.uidProcs = (uid, delta) => {
    const n = (perUid.get(uid) ?? 0) + delta;
    perUid.set(uid, n);
    return n;
  };
  initSyscallTables();
  procSysctlInit();
  bootSysctls(o);
  ddbInit(o.ddb ?? null);
  gd.prf.toConsole = o.run === null || o.verbose > 0;
  kprintf('DragonFly 6.4-RELEASE, vkernel %s\n', o.version);
  kprintf('real memory = %d (%d MB), %d virtual CPU%s\n', m.ram.npages * 4096, mb, m.ncpus, m.ncpus === 1 ? '' : 's');
  vkdAnnounce();
}

/** Memory has run out: kill who has `vm`. @returns false when nobody may be killed for it. */
function killForMemory(vm: Vmspace): boolean {
  for (const p of gd.allproc.values()) {
    if (p.vm !== vm || p.pid === 1 || p.state === ProcState.ZOMB) continue;
    kalert('pid %d (%s), uid %d: out of memory, killed\n', p.pid, p.comm, p.cred.uid);
    psignal(p, SIGKILL);
    return true;
  }
  return false;
}

/** The switch of the system call tracer. */
function bootSysctls(o: BootOptions): void {
  const out = o.straceOut;
  sysctlAdd({
    name: 'debug.strace',
    kind: 'int',
    descr: 'Print every system call on the standard error of the vkernel command',
    get: () => (gd.straceOut !== null ? 1 : 0),
    set: (_p, bytes) => {
      const on = sysctlNumber(bytes) !== 0;
      gd.straceOut = on ? out : null;
      for (const p of gd.allproc.values()) p.traced = on || p.ktrace !== null;
      return null;
    },
  });
}

/** A process made by the kernel, with an empty address space and no thread yet. */
export function newKernelProc(pid: number, parent: Proc | null): Proc | Errno {
  const vm = vmspaceAlloc();
  if (vm instanceof Errno) return vm;
  const cred = new Ucred(0, 0, 0, [0], 0, 0);
  const pg = new Pgrp(pid, new Session(pid, null));
  const p = new Proc(pid, pg, cred, vm, fdinit(gd.vfs.rootNcp));
  pg.session.leader = p;
  pgrpEnter(p, pg);
  defaultLimits(p);
  if (parent !== null) childAdd(parent, p);
  gd.allproc.set(pid, p);
  gd.lastPid = Math.max(gd.lastPid, pid);
  gd.uidProcs?.(0, 1);
  p.traced = gd.straceOut !== null;
  return p;
}

/** Default resource limits (dragonfly-abi.md 5.2). */
function defaultLimits(p: Proc): void {
  const MB = 2 ** 20;
  const { cur, max } = p.limits;
  cur[2] = 128 * MB;
  max[2] = 32 * 1024 * MB;
  cur[3] = 8 * MB;
  max[3] = 512 * MB;
  cur[4] = 0;
  const ram = gd.machine.ram.npages * 4096;
  cur[6] = ram / 3;
  cur[7] = gd.maxproc - 10;
  max[7] = gd.maxproc - 10;
  cur[8] = 14400;
  max[8] = 14400;
}

/** Start `path` as the first thread of `p`. */
function* startProgram(p: Proc, path: string, argv: string[], envv: string[]): Blocking<Errno | null> {
  const lwp = lwpCreate(p, 1);
  if (lwp instanceof Errno) return lwp;
  uschedNew(lwp);
  const e = yield* execProgram(lwp, path, { argv, envv });
  if (e !== null) return e;
  lwpStart(lwp);
  wakeup(lwp.workq);
  return null;
}

function* startInit(o: BootOptions): Blocking<void> {
  const p = newKernelProc(1, null);
  if (p instanceof Errno) panic(`cannot make process 1: ${p.text}`);
  gd.initproc = p;
  const argv = ['/sbin/init'];
  if (o.singleUser) argv.push('-s');
  const e = yield* startProgram(p, '/sbin/init', argv, [`TERM=${o.term}`]);
  if (e !== null) panic(`cannot start /sbin/init: ${e.text}`);
}

/** Process 1 for `vkernel run`: no guest code; this thread is its reaper. */
function* startRun(m: Machine, run: RunOptions): Blocking<void> {
  const init = newKernelProc(1, null);
  if (init instanceof Errno) panic(`cannot make process 1: ${init.text}`);
  gd.initproc = init;
  init.comm = 'init';
  // No rc names the machine here, and programs do not expect one without a name.
  if (gd.mib.hostname === '') gd.mib.hostname = 'vkernel';
  const p = newKernelProc(RUN_PID, init);
  if (p instanceof Errno) panic(`cannot make process 2: ${p.text}`);
  newSession(p);
  yield* openStreams(p);
  const e = (yield* kernChdir(p, run.cwd)) ?? (yield* startProgram(p, run.path, run.argv, run.envv));
  if (e !== null) {
    m.stop({ kind: 'exec', errno: e });
    return;
  }
  for (;;) {
    for (const c of init.zombies) {
      if (c === p) {
        const sig = c.xstat & 0x7f;
        // What mappings of host files have changed goes back to the host.
        yield* vfsSyncAll();
        m.stop({ kind: 'exit', status: sig !== 0 ? 128 + sig : (c.xstat >> 8) & 0xff });
        return;
      }
      procReap(c);
    }
    yield* tsleep(init.waitq, 'wait');
  }
}

/** Descriptors 0, 1, 2: the console where the caller has a terminal, else its streams. */
function* openStreams(p: Proc): Blocking<void> {
  for (let i = 0; i < 3; i++) {
    const kind = gd.machine.streams?.[i]?.kind ?? 'closed';
    const fp = kind === 'tty' ? yield* consoleFile(p, true) : streamFile(i, p.cred);
    if (fp !== null) fdalloc(p, fp, 0, i);
  }
}

/** Sync file systems and stop the machine. */
function* shutdown(how: 'halt' | 'reboot' | 'poweroff'): Blocking<void> {
  kprintf('syncing disks... ');
  yield* vfsSyncAll();
  kprintf('done\n');
  if (how !== 'reboot') kprintf('\nThe operating system has halted.\n');
  gd.machine.stop({ kind: how });
  yield* tsleep(gd.forkq, 'halt');
}
