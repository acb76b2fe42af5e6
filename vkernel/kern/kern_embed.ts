/**
 * A kernel that serves a host program instead of a person: process 1 is the kernel's own reaper, programs are started and
 * files read and written at the host's request. The host calls these functions from its event loop, between the
 * machine's turns (setGlobalData first); answers come by callback from kernel threads.
 */
import type { Blocking } from '../sys/blocking.js';
import { EFBIG, EISDIR, ENOENT, EOPNOTSUPP, Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import { SIGKILL } from '../sys/signal.js';
import { uioKernel } from '../vm/uio.js';
import { Hammer2Vfs } from '../vfs/hammer2/hammer2_node.js';
import { PfsCore } from '../vfs/hammer2/pfs.js';
import { type Vnode, VType, vnLock, vnUnlock } from '../vfs/vnode.js';
import { vfsSyncAll } from '../vfs/vfs_mount.js';
import { vnOpen, vnRead } from '../vfs/vfs_vnops.js';
import { FREAD, FWRITE, O_CREAT, O_TRUNC } from './file.js';
import { fdalloc, fdrop } from './kern_descrip.js';
import { execProgram } from './kern_exec.js';
import { procReap } from './kern_exit.js';
import { lwpCreate, lwpStart } from './kern_fork.js';
import { newKernelProc } from './init_main.js';
import { newSession } from './kern_prot.js';
import { panic } from './kern_shutdown.js';
import { psignal } from './kern_sig.js';
import { lwktCreate, TDPRI_KERN_DAEMON, tsleep, wakeup } from './lwkt_thread.js';
import { type Lwp, LwpWork, pfind, procNewPid } from './proc.js';
import { streamFile } from './sys_stream.js';
import { uschedNew } from './usched.js';
import { kernChdir } from './vfs_mount_syscalls.js';

declare module '../sys/globaldata.js' {
  interface GlobalData {
    /** Who wants to know of the end of a process, by pid. */
    embedWatch?: Map<number, (status: number) => void>;
  }
}

/** Largest file that embedRead gives in one piece. */
const READ_MAX = 2 ** 30;
const CHUNK = 2 ** 20;

export interface EmbedSpawn {
  path: string;
  argv: string[];
  envv: string[];
  cwd: string;
  /** First of three streams of the machine: its standard input, output and error. */
  stream: number;
  started(r: number | Errno): void;
  /** Wait status, as wait4 gives it. */
  ended(status: number): void;
}

/** The thread of process 1: it reaps. Never ends. */
export function* embedMain(ready: () => void): Blocking<void> {
  const init = newKernelProc(1, null);
  if (init instanceof Errno) panic(`cannot make process 1: ${init.text}`);
  gd.initproc = init;
  init.comm = 'init';
  if (gd.mib.hostname === '') gd.mib.hostname = 'vkernel';
  const watch = (gd.embedWatch = new Map());
  ready();
  for (;;) {
    for (const c of [...init.zombies]) {
      const tell = watch.get(c.pid);
      watch.delete(c.pid);
      const status = c.xstat;
      procReap(c);
      tell?.(status);
    }
    yield* tsleep(init.waitq, 'wait');
  }
}

/** Run `body` on a kernel thread and hand its result to `done`. */
export function embedRun<T>(body: () => Blocking<T>, done: (r: T) => void): void {
  lwktCreate(
    function* () {
      done(yield* body());
    },
    'embed',
    TDPRI_KERN_DAEMON,
  );
}

/** Start a program. */
export function embedSpawn(s: EmbedSpawn): void {
  embedRun(() => spawn(s), s.started);
}

function* spawn(s: EmbedSpawn): Blocking<number | Errno> {
  const p = newKernelProc(procNewPid(), gd.initproc);
  if (p instanceof Errno) return p;
  newSession(p);
  for (let i = 0; i < 3; i++) {
    gd.streams[s.stream + i] = null;
    const fp = streamFile(s.stream + i, p.cred);
    if (fp !== null) fdalloc(p, fp, 0, i);
  }
  const lwp = lwpCreate(p, 1);
  // Out of threads: the process has none that could end it.
  if (lwp instanceof Errno) panic(`embed: no thread for process ${p.pid}: ${lwp.text}`);
  uschedNew(lwp);
  const e = (yield* kernChdir(p, s.cwd)) ?? (yield* execProgram(lwp, s.path, { argv: s.argv, envv: s.envv }));
  if (e === null) gd.embedWatch?.set(p.pid, s.ended);
  else {
    // It ends as any process does, before its first instruction.
    lwp.work = LwpWork.USERRET;
    psignal(p, SIGKILL);
  }
  lwpStart(lwp);
  wakeup(lwp.workq);
  return e ?? p.pid;
}

/** Send a signal. @returns false when there is no such process */
export function embedKill(pid: number, sig: number): boolean {
  const p = pfind(pid);
  if (p === null) return false;
  psignal(p, sig);
  return true;
}

/** The kernel's own process, where an lwp is asked for. */
const asInit = (): Lwp => ({ proc: gd.initproc }) as Lwp;

/** A whole file. */
export function* embedRead(path: string): Blocking<Uint8Array | Errno> {
  const fp = yield* vnOpen(asInit(), gd.vfs.rootNcp, path, FREAD, 0);
  if (fp instanceof Errno) return fp;
  try {
    const vp = fp.data as Vnode;
    if (vp.type === VType.VDIR) return EISDIR;
    if (vp.type !== VType.VREG) return EOPNOTSUPP;
    const size = vp.va.size;
    if (size > READ_MAX) return EFBIG;
    const out = new Uint8Array(size);
    for (let at = 0; at < size;) {
      const n = yield* vnRead(vp, out.subarray(at, Math.min(size, at + CHUNK)), at, fp.cred);
      if (n instanceof Errno) return n;
      if (n === 0) return out.slice(0, at);
      at += n;
    }
    return out;
  } finally {
    yield* fdrop(fp);
  }
}

/** Make or replace a file. */
export function* embedWrite(path: string, data: Uint8Array, mode: number): Blocking<Errno | null> {
  const fp = yield* vnOpen(asInit(), gd.vfs.rootNcp, path, FWRITE | O_CREAT | O_TRUNC, mode);
  if (fp instanceof Errno) return fp;
  try {
    const vp = fp.data as Vnode;
    if (vp.type !== VType.VREG) return EOPNOTSUPP;
    for (let at = 0; at < data.length; at += CHUNK) {
      yield* vnLock(vp, true);
      try {
        const e = yield* vp.ops.write(vp, uioKernel(data.subarray(at, at + CHUNK), 'write', at), 0, fp.cred);
        if (e !== null) return e;
      } finally {
        vnUnlock(vp, true);
      }
    }
    return null;
  } finally {
    yield* fdrop(fp);
  }
}

/** A snapshot of the root's PFS, on disk when it returns. ENOENT: the root is no HAMMER2. */
export function* embedSnapshot(label: string): Blocking<Errno | null> {
  const h = gd.vfs.rootNcp.mount.data;
  if (!(h instanceof Hammer2Vfs) || !(h.m instanceof PfsCore)) return ENOENT;
  yield* vfsSyncAll();
  return (yield* h.clean()) ?? (yield* h.m.device.snapshot(h.m.label, label));
}
