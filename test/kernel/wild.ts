/**
 * Processes that call every system call with arguments made to hurt: wild pointers, huge lengths, other processes' ids,
 * descriptors of every kind, half-valid structures. The kernel must neither panic nor lose track of memory.
 */
import { Prng } from '../../vkernel/machine/sim/prng.js';
import type { Guest, GuestCode, Script } from '../../vkernel/machine/sim/guest.js';
import { SYS, SimKernel, bootSim, must, mmapAnon, nanosleep, num, syscall, wait4 } from './kit.js';

const MS = 1e6;
const PATHS = [
  '/tmp/a',
  '/tmp/b',
  '/dev/null',
  '/dev/zero',
  '/dev/console',
  '/tmp',
  '/',
  '/bin/x',
  '/tmp/a/b',
  '',
  '/tmp/f',
  '/dev/ptmx',
  '/dev/pts/0',
  'tmpfs',
];
/** Not called: they end the run, or the test's own means to end it. */
const LEFT_OUT = new Set([
  'reboot',
  'exit',
  'extexit',
  'syscall',
  '__syscall',
  'setpriority',
  'settimeofday',
  'clock_settime',
]);

/** An argument out of the bag; `mem` is a writable area of 8 pages, the first page full of small numbers. */
function pick(r: Prng, mem: number): number {
  switch (r.below(12)) {
    case 0:
      return r.below(8);
    case 1:
      return -1 - r.below(3);
    case 2:
      return r.below(300);
    case 3:
      return 2 ** r.below(53);
    case 4:
      return [0x7fffffff, 0x80000000, 0xffffffff, 2 ** 47 - 4096, 2 ** 47, 2 ** 53 - 1, 0x7fffffe00000][r.below(7)];
    case 5:
      return mem + 4096 * r.below(9) - r.below(32);
    case 6:
      return 0x400000 + r.below(0x3000);
    case 7:
      return 4096 * r.below(64);
    default:
      return mem + 8 * r.below(64) + 4096 * r.below(4);
  }
}

export function* wildCalls(c: Guest, r: Prng, names: readonly string[], count: number): GuestCode<void> {
  const mem = yield* mmapAnon(c, 8 * 4096);
  yield* must(c, 'mprotect', mem + 7 * 4096, 4096, 0);
  const page = new Uint8Array(4096);
  const v = new DataView(page.buffer);
  const scribble = (): void => {
    for (let o = 0; o < 4096; o += 8) {
      const k = r.below(6);
      v.setBigUint64(
        o,
        k === 0 ? BigInt(mem + 8 * r.below(500)) : k === 1 ? BigInt(r.below(2 ** 31)) : BigInt(r.below(16)),
        true,
      );
    }
  };
  for (let i = 0; i < 4; i++) {
    scribble();
    yield* c.write(mem + 4096 * i, page);
  }
  for (const p of ['/tmp/a', '/dev/null']) yield* syscall(c, 'open', p, 0x202, 0o666);
  yield* syscall(c, 'pipe');
  yield* syscall(c, 'kqueue');
  for (let n = 0; n < count; n++) {
    const name = names[r.below(names.length)];
    const args: (number | string)[] = [];
    for (let i = 0; i < 6; i++) args.push(r.below(8) === 0 ? PATHS[r.below(PATHS.length)] : pick(r, mem));
    yield* syscall(c, name, ...args);
  }
}

/** @param only  call only these, and what makes descriptors and processes for them */
export function bootWild(seed: number, kids: number, count: number, only: RegExp | null = null): SimKernel {
  const r = new Prng(seed);
  const base = /^(open|fork|dup|ioctl|read|write|mmap|munmap|wait4|kill)$/;
  const wanted = (n: string): boolean => !LEFT_OUT.has(n) && (only === null || only.test(n) || base.test(n));
  const names = [...SYS.keys()].filter(wanted);
  const body = (user: number): Script =>
    function* (c: Guest) {
      if (user !== 0) yield* must(c, 'setuid', user);
      yield* wildCalls(c, r, names, count);
    };
  return bootSim({
    seed,
    ncpus: 2,
    memoryBytes: 16 * 2 ** 20,
    partialRate: 0.3,
    init: function* (g: Guest) {
      for (let i = 0; i < kids; i++) {
        const pid = yield* g.fork(body(i % 2 === 0 ? 1000 : 0));
        if (pid < 0) continue;
        yield* nanosleep(g, 200 * MS);
        // Whatever it has become, forked or created, ends here.
        yield* g.sys(num('kill'), -1, 9);
        for (;;) {
          const [p] = yield* wait4(g, -1);
          if (p < 0) break;
        }
      }
      yield* must(g, 'sync');
    },
    programs: { '/bin/x': function* () {} },
  });
}
