/**
 * A bit of everything, for the determinism tests: processes, threads, signals, user mutexes, pipes, files, timers, exec,
 * copy-on-write, the console, an unimplemented system call, a process that is killed and one that faults.
 */
import type { Guest, GuestCode, Script } from '../../vkernel/machine/sim/guest.js';
import { SIM_DATA } from '../../vkernel/machine/sim/sim_program.js';
import { SIGALRM, SIGCHLD, SIGKILL, SIGUSR1 } from '../../vkernel/sys/signal.js';
import {
  SimKernel,
  bootSim,
  execve,
  fork,
  mmapAnon,
  must,
  nanosleep,
  num,
  sigaction,
  sys,
  syscall,
  thread,
  threadExit,
  timeval,
  wait4,
  MAP_SHARED,
} from './kit.js';

const MS = 1e6;

/** Threads that pass a counter around under a mutex. */
const threads: Script = function* (c: Guest) {
  const worker: Script = function* (t: Guest) {
    for (let i = 0; i < 4; i++) {
      yield* t.touch(SIM_DATA, true);
      while ((yield* t.read32(SIM_DATA)) !== 0) yield* sys(t, 'umtx_sleep', SIM_DATA, 1, 10_000);
      yield* t.write32(SIM_DATA, 1);
      yield* t.compute(0.7 * MS);
      yield* t.write32(SIM_DATA + 64, (yield* t.read32(SIM_DATA + 64)) + 1);
      yield* t.write32(SIM_DATA, 0);
      yield* must(t, 'umtx_wakeup', SIM_DATA, 1);
    }
    yield* threadExit(t, SIM_DATA + 128 + 4 * (t.lwp.id % 16), 1);
  };
  for (let i = 0; i < 3; i++) yield* thread(c, worker);
  while ((yield* c.read32(SIM_DATA + 64)) !== 12) yield* nanosleep(c, MS);
};

/** A pipeline: writer, filter, reader, with files at the end. */
const pipeline: Script = function* (c: Guest) {
  const a = yield* syscall(c, 'pipe');
  const writer = yield* fork(c, function* (w: Guest) {
    yield* must(w, 'close', a.val);
    for (let i = 0; i < 20; i++) {
      yield* must(w, 'write', a.val2, new Uint8Array(100 + i * 211).fill(i), 100 + i * 211);
      if (i % 5 === 0) yield* w.compute(0.3 * MS);
    }
  });
  yield* must(c, 'close', a.val2);
  const fd = yield* must(c, 'open', '/tmp/out', 0x202, 0o644);
  const buf = yield* mmapAnon(c, 8192);
  let n = 0;
  for (;;) {
    const r = yield* must(c, 'read', a.val, buf, 8192);
    if (r === 0) break;
    n += yield* must(c, 'write', fd, buf, r);
  }
  yield* wait4(c, writer);
  yield* must(c, 'lseek', fd, 0, 0, 0);
  for (let left = n; left > 0;) left -= yield* must(c, 'read', fd, buf, 8192);
  yield* must(c, 'unlink', '/tmp/out');
  yield* must(c, 'exit', n & 0x7f);
};

/** Handlers, a timer and a child that dies. */
const signals: Script = function* (c: Guest) {
  let n = 0;
  yield* sigaction(c, SIGALRM, function* (h: Guest) {
    n++;
    yield* must(h, 'getpid');
  });
  yield* sigaction(c, SIGCHLD, function* () {}, 2);
  const it = new Uint8Array(32);
  it.set(timeval(3 * MS), 0);
  it.set(timeval(3 * MS), 16);
  yield* must(c, 'setitimer', 0, it, 0);
  const kid = yield* fork(c, function* (d: Guest) {
    yield* d.compute(Infinity);
  });
  const bad = yield* fork(c, function* (d: Guest) {
    yield* d.write32(0x1234, 1);
  });
  while (n < 5) yield* c.compute(0.2 * MS);
  yield* must(c, 'setitimer', 0, new Uint8Array(32), 0);
  yield* must(c, 'kill', kid, SIGKILL);
  yield* wait4(c, kid);
  yield* wait4(c, bad);
};

function* copies(c: Guest): GuestCode<void> {
  const mem = yield* mmapAnon(c, 32 * 4096);
  const shared = yield* mmapAnon(c, 4096, MAP_SHARED);
  for (let i = 0; i < 32; i++) yield* c.write32(mem + i * 4096, i);
  for (let k = 0; k < 3; k++)
    yield* fork(c, function* (d: Guest) {
      for (let i = k; i < 32; i += 2) yield* d.write32(mem + i * 4096, -i);
      yield* d.touch(shared, true);
      yield* d.write32(shared, (yield* d.read32(shared)) + 1);
      if (k === 1) yield* execve(d, '/bin/hello', ['hello', String(k)]);
    });
  for (let k = 0; k < 3; k++) yield* wait4(c, -1);
}

export function bootWorkload(seed: number): SimKernel {
  const k = bootSim({
    seed,
    ncpus: 2,
    memoryBytes: 16 * 2 ** 20,
    partialRate: 0.3,
    logVm: true,
    init: function* (g: Guest) {
      const cons = yield* must(g, 'open', '/dev/console', 2, 0);
      const line = g.alloc(64);
      for (const body of [threads, pipeline, signals, copies]) yield* fork(g, body);
      const r = yield* must(g, 'read', cons, line, 64);
      yield* must(g, 'write', cons, line, r);
      const rnd = g.alloc(16);
      yield* must(g, 'getrandom', rnd, 16, 0);
      g.log(Buffer.from(yield* g.read(rnd, 16)).toString('hex'));
      yield* sys(g, 'acct', 0);
      for (let i = 0; i < 4; i++) {
        const [pid, status] = yield* wait4(g, -1);
        g.log(`reaped ${pid} ${status}`);
      }
      yield* sigaction(g, SIGUSR1, 1);
    },
    programs: {
      '/bin/hello': function* (h: Guest) {
        h.log((yield* h.argv()).join(' '));
        yield* h.sys(num('exit'), 3);
      },
    },
  });
  k.sim.console.type('typed line\n', 7 * MS);
  return k;
}
