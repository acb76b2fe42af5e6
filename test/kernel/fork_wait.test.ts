import { expect } from 'chai';
import { Reg } from '../../vkernel/machine/machine.js';
import { SIM_DATA } from '../../vkernel/machine/sim/sim_program.js';
import type { Guest, GuestCode } from '../../vkernel/machine/sim/guest.js';
import { EAGAIN, ECHILD, EFAULT, EINVAL } from '../../vkernel/sys/errno.js';
import { gd } from '../../vkernel/sys/globaldata.js';
import { SIGCHLD, SIGCONT, SIGKILL, SIGSTOP, SIGTERM, SIGUSR1, SIGUSR2 } from '../../vkernel/sys/signal.js';
import { PQ } from '../../vkernel/vm/vm_pages.js';
import {
  CONTINUED,
  execve,
  exited,
  fork,
  inInit,
  mmapAnon,
  must,
  nanosleep,
  now,
  num,
  sigaction,
  sigprocmask,
  SIG_BLOCK,
  sigset,
  stopped,
  sys,
  syscall,
  thread,
  threadExit,
  timespec,
  wait4,
} from './kit.js';

const ANY = -1;
const WNOHANG = 1;
const WUNTRACED = 2;
const WCONTINUED = 4;
const WNOWAIT = 8;
const WEXITED = 16;
const RFFDG = 4;
const RFPROC = 0x10;
const RFMEM = 0x20;
const RFNOWAIT = 0x40;
const RFCFDG = 0x1000;
const RFSIGSHARE = 0x4000;
const MS = 1e6;

/** wait6: result, status and the siginfo words that matter. */
function* wait6(g: Guest, idtype: number, id: number, options: number): GuestCode<Record<string, number>> {
  const sp = g.reg(Reg.RSP);
  const at = g.alloc(512);
  const r = yield* g.sys(num('wait6'), idtype, id, at, options, at + 16, at + 304);
  const out: Record<string, number> = { r };
  if (r > 0) {
    out.status = yield* g.read32(at);
    out.signo = yield* g.read32(at + 304);
    out.code = yield* g.read32(at + 304 + 8);
    out.pid = yield* g.read32(at + 304 + 12);
    out.uid = yield* g.read32(at + 304 + 16);
    out.si = yield* g.read32(at + 304 + 20);
  }
  g.setReg(Reg.RSP, sp);
  return out;
}

const forever = function* (c: Guest): GuestCode<void> {
  yield* c.compute(Infinity);
};

describe('fork', () => {
  it('gives the child 0 and 1, the parent its pid and 0, and copies every other register', () => {
    for (const partialRate of [0, 1])
      inInit(
        function* (g: Guest) {
          const kept = [Reg.RBX, Reg.RBP, Reg.R12, Reg.R13, Reg.R14, Reg.R15, Reg.R8, Reg.R9];
          kept.forEach((r, i) => g.setReg(r, 0x1234567800 + i));
          let child: number[] = [];
          const rsp = g.reg(Reg.RSP);
          const want = kept.map((r) => g.reg(r));
          const pid = yield* g.fork(function* (c: Guest) {
            child = [c.reg(Reg.RAX), c.reg(Reg.RDX), c.reg(Reg.RFLAGS) & 1, c.reg(Reg.RSP) - rsp];
            // The arguments of the call are in r8 and r9; the rest is as it was.
            expect(kept.slice(0, 6).map((r) => c.reg(r))).to.deep.equal(want.slice(0, 6));
            expect(yield* must(c, 'lwp_gettid')).to.equal(1);
          });
          expect(pid).to.equal(2);
          expect(g.reg(Reg.RDX)).to.equal(0);
          expect(kept.slice(0, 6).map((r) => g.reg(r))).to.deep.equal(want.slice(0, 6));
          expect(yield* wait4(g, pid)).to.deep.equal([pid, 0]);
          expect(child).to.deep.equal([0, 1, 0, 0]);
        },
        { partialRate },
      );
  });

  it('copies memory on write, both ways', () => {
    inInit(function* (g: Guest) {
      const anon = yield* mmapAnon(g, 16 * 4096);
      for (let i = 0; i < 16; i++) yield* g.write32(anon + i * 4096, i);
      yield* g.write32(SIM_DATA, 7);
      const pid = yield* fork(g, function* (c: Guest) {
        for (let i = 0; i < 8; i++) yield* c.write32(anon + i * 4096, 100 + i);
        yield* c.write32(SIM_DATA, 8);
        yield* nanosleep(c, 10 * MS);
        for (let i = 0; i < 16; i++) expect(yield* c.read32(anon + i * 4096)).to.equal(i < 8 ? 100 + i : i);
        // A grandchild sees the child's copy.
        const pid2 = yield* fork(c, function* (d: Guest) {
          expect(yield* d.read32(SIM_DATA)).to.equal(8);
          yield* d.write32(SIM_DATA, 9);
        });
        yield* wait4(c, pid2);
        expect(yield* c.read32(SIM_DATA)).to.equal(8);
      });
      yield* nanosleep(g, 5 * MS);
      for (let i = 8; i < 16; i++) yield* g.write32(anon + i * 4096, 200 + i);
      expect(yield* wait4(g, pid)).to.deep.equal([pid, 0]);
      for (let i = 0; i < 16; i++) expect(yield* g.read32(anon + i * 4096)).to.equal(i < 8 ? i : 200 + i);
      expect(yield* g.read32(SIM_DATA)).to.equal(7);
    });
  });

  it('keeps shared anonymous memory shared', () => {
    inInit(function* (g: Guest) {
      const at = yield* mmapAnon(g, 4096, 1);
      yield* g.write32(at, 1);
      const pid = yield* fork(g, function* (c: Guest) {
        yield* c.write32(at, (yield* c.read32(at)) + 41);
      });
      yield* wait4(g, pid);
      expect(yield* g.read32(at)).to.equal(42);
    });
  });

  it('gives all memory back', () => {
    let free = 0;
    // Freed pages rest in limbo until no guest can see them any more.
    const idle = (): number => gd.vm.pages.freeCount + gd.vm.pages.qcount[PQ.LIMBO];
    inInit(function* (g: Guest) {
      const round = function* (): GuestCode<void> {
        const pid = yield* fork(g, function* (c: Guest) {
          const a = yield* mmapAnon(c, 64 * 4096);
          for (let i = 0; i < 64; i++) yield* c.write32(a + i * 4096, i);
        });
        yield* wait4(g, pid);
      };
      yield* round();
      free = idle();
      for (let i = 0; i < 10; i++) yield* round();
      expect(idle()).to.equal(free);
    });
  });

  it('shares or copies descriptors by rfork flags', () => {
    inInit(function* (g: Guest) {
      const fd = yield* must(g, 'open', '/tmp/a', 0x202, 0o644);
      const left = function* (flags: number): GuestCode<number> {
        const pid = yield* g.fork(
          function* (c: Guest) {
            const open = yield* sys(c, 'close', fd);
            yield* sys(c, 'exit', open === 0 ? 1 : 2);
          },
          num('rfork'),
          flags,
        );
        const [, status] = yield* wait4(g, pid);
        return (status >> 8) * 10 + ((yield* sys(g, 'fcntl', fd, 1, 0)) >= 0 ? 1 : 0);
      };
      expect(yield* left(RFPROC | RFFDG)).to.equal(11);
      expect(yield* left(RFPROC | RFCFDG)).to.equal(21);
      expect(yield* left(RFPROC)).to.equal(10);
      expect(yield* sys(g, 'rfork', RFPROC | RFFDG | RFCFDG)).to.equal(-EINVAL.errno);
      expect(yield* sys(g, 'rfork', 0x80000000 | RFPROC)).to.equal(-EINVAL.errno);
      expect(yield* sys(g, 'rfork', RFFDG)).to.equal(0);
      expect(yield* sys(g, 'rfork', RFMEM)).to.equal(-EINVAL.errno);
    });
  });

  it('shares memory with RFMEM and handlers with RFSIGSHARE', () => {
    inInit(function* (g: Guest) {
      const pid = yield* g.fork(
        function* (c: Guest) {
          c.setReg(Reg.RSP, c.reg(Reg.RSP) - 8192);
          yield* c.write32(SIM_DATA, 99);
          yield* sigaction(c, SIGUSR1, 1);
        },
        num('rfork'),
        RFPROC | RFMEM | RFFDG | RFSIGSHARE,
      );
      yield* wait4(g, pid);
      expect(yield* g.read32(SIM_DATA)).to.equal(99);
      const old = g.alloc(32);
      yield* must(g, 'sigaction', SIGUSR1, 0, old);
      expect(yield* g.read64(old)).to.equal(1);
    });
  });

  it('hands the child to process 1 with RFNOWAIT', () => {
    inInit(function* (g: Guest) {
      const mid = yield* fork(g, function* (c: Guest) {
        yield* c.fork(
          function* (o: Guest) {
            expect(yield* must(o, 'getppid')).to.equal(1);
            yield* must(o, 'exit', 5);
          },
          num('rfork'),
          RFPROC | RFNOWAIT,
        );
        expect((yield* wait4(c, ANY))[0]).to.equal(-ECHILD.errno);
      });
      const a = yield* wait4(g, ANY);
      const b = yield* wait4(g, ANY);
      expect([a, b]).to.deep.include.members([
        [mid, 0],
        [mid + 1, exited(5)],
      ]);
    });
  });

  it('answers EAGAIN after half a second when the process table is full, and goes on', () => {
    const k = inInit(
      function* (g: Guest) {
        const pids: number[] = [];
        let r: number;
        for (;;) {
          const t = yield* now(g);
          r = yield* g.fork(forever);
          if (r < 0) {
            expect((yield* now(g)) - t).to.be.within(500 * MS, 600 * MS);
            break;
          }
          pids.push(r);
        }
        expect(r).to.equal(-EAGAIN.errno);
        expect(pids.length).to.equal(63);
        for (const p of pids) yield* must(g, 'kill', p, SIGKILL);
        for (const p of pids) expect(yield* wait4(g, p)).to.deep.equal([p, SIGKILL]);
        const again = yield* fork(g, function* () {});
        expect(yield* wait4(g, again)).to.deep.equal([again, 0]);
      },
      { memoryBytes: 16 * 2 ** 20 },
    );
    expect(k.sim.lwps.size).to.equal(1);
  });

  it('holds RLIMIT_NPROC against users other than root', () => {
    inInit(function* (g: Guest) {
      const pid = yield* fork(g, function* (c: Guest) {
        yield* must(c, 'setuid', 1000);
        const lim = new Uint8Array(16);
        new DataView(lim.buffer).setBigInt64(0, 2n, true);
        new DataView(lim.buffer).setBigInt64(8, 2n, true);
        yield* must(c, 'setrlimit', 7, lim);
        expect(yield* c.fork(forever)).to.be.greaterThan(0);
        expect(yield* c.fork(forever)).to.equal(-EAGAIN.errno);
        yield* must(c, 'kill', -1, SIGKILL);
      });
      const [, status] = yield* wait4(g, pid);
      expect(status).to.equal(0);
    });
  });

  it('restarts for a pending signal before anything happens', () => {
    inInit(function* (g: Guest) {
      let handled = 0;
      yield* sigaction(g, SIGUSR1, function* () {
        handled++;
      });
      yield* sigprocmask(g, SIG_BLOCK, SIGUSR1);
      yield* must(g, 'kill', 1, SIGUSR1);
      yield* sigprocmask(g, 2, SIGUSR1);
      expect(handled).to.equal(1);
      const pid = yield* fork(g, function* () {});
      expect(yield* wait4(g, pid)).to.deep.equal([pid, 0]);
    });
  });
});

describe('vfork', () => {
  it('shares memory and holds the parent until the child exits', () => {
    inInit(function* (g: Guest) {
      const order: string[] = [];
      const pid = yield* g.fork(function* (c: Guest) {
        yield* c.compute(20 * MS);
        yield* c.write32(SIM_DATA, 5);
        order.push('child');
        yield* must(c, 'exit', 9);
      }, num('vfork'));
      order.push('parent');
      expect(yield* g.read32(SIM_DATA)).to.equal(5);
      expect(order).to.deep.equal(['child', 'parent']);
      expect(yield* wait4(g, pid)).to.deep.equal([pid, exited(9)]);
    });
  });

  it('lets the parent go when the child has execed, with its memory untouched', () => {
    let done = 0;
    inInit(
      function* (g: Guest) {
        yield* g.write32(SIM_DATA, 3);
        const pid = yield* g.fork(function* (c: Guest) {
          yield* execve(c, '/bin/x', ['x']);
        }, num('vfork'));
        expect(done).to.equal(0);
        expect(yield* wait4(g, pid)).to.deep.equal([pid, 0]);
        expect(yield* g.read32(SIM_DATA)).to.equal(3);
        expect(done).to.equal(1);
      },
      {
        programs: {
          '/bin/x': function* (g: Guest) {
            expect(yield* g.read32(SIM_DATA)).to.equal(0);
            yield* g.write32(SIM_DATA, 77);
            yield* g.compute(50 * MS);
            done++;
          },
        },
      },
    );
  });

  it('lets the parent go when the child is killed; the parent itself cannot be killed meanwhile', () => {
    inInit(function* (g: Guest) {
      const mid = yield* fork(g, function* (p: Guest) {
        yield* p.fork(forever, num('vfork'));
      });
      yield* nanosleep(g, 10 * MS);
      yield* must(g, 'kill', mid, SIGKILL);
      yield* nanosleep(g, 10 * MS);
      expect((yield* wait4(g, mid, WNOHANG))[0]).to.equal(0);
      yield* must(g, 'kill', mid + 1, SIGKILL);
      expect(yield* wait4(g, mid)).to.deep.equal([mid, SIGKILL]);
    });
  });

  it('does not stop a child whose parent waits', () => {
    inInit(function* (g: Guest) {
      const pid = yield* g.fork(function* (c: Guest) {
        yield* must(c, 'kill', yield* must(c, 'getpid'), SIGSTOP);
        yield* must(c, 'exit', 4);
      }, num('vfork'));
      expect(yield* wait4(g, pid, WUNTRACED)).to.deep.equal([pid, exited(4)]);
    });
  });
});

describe('exit and wait', () => {
  it('gives exit codes unmasked, signals, and the core bit never', () => {
    inInit(function* (g: Guest) {
      for (const code of [0, 1, 255, 256, 0x12345]) {
        const pid = yield* fork(g, function* (c: Guest) {
          yield* must(c, 'exit', code);
        });
        expect(yield* wait4(g, pid)).to.deep.equal([pid, exited(code)]);
      }
      for (const sig of [1, 2, 3, 6, 9, 11, 13, 14, 15, 24, 30, 33, 34, 64, 127]) {
        const pid = yield* fork(g, function* (c: Guest) {
          yield* must(c, 'kill', yield* must(c, 'getpid'), sig);
          yield* must(c, 'exit', 1);
        });
        const [, status] = yield* wait4(g, pid);
        expect(status & 0x7f, `signal ${sig}`).to.equal(sig === 33 ? 0 : sig);
      }
    });
  });

  it('waits for a pid, any child, a group; ECHILD and EINVAL', () => {
    inInit(function* (g: Guest) {
      expect((yield* wait4(g, ANY))[0]).to.equal(-ECHILD.errno);
      const a = yield* fork(g, function* (c: Guest) {
        yield* must(c, 'setpgid', 0, 0);
        yield* nanosleep(c, 30 * MS);
        yield* must(c, 'exit', 1);
      });
      const b = yield* fork(g, function* (c: Guest) {
        yield* nanosleep(c, 10 * MS);
        yield* must(c, 'exit', 2);
      });
      yield* nanosleep(g, MS);
      expect((yield* wait4(g, 9999))[0]).to.equal(-ECHILD.errno);
      expect((yield* wait4(g, ANY, WNOHANG))[0]).to.equal(0);
      expect((yield* wait4(g, ANY, 0x100))[0]).to.equal(-EINVAL.errno);
      expect((yield* wait4(g, -a, WNOHANG))[0]).to.equal(0);
      expect((yield* wait4(g, -b, WNOHANG))[0]).to.equal(-ECHILD.errno);
      expect(yield* wait4(g, 0)).to.deep.equal([b, exited(2)]);
      expect((yield* wait4(g, 0))[0]).to.equal(-ECHILD.errno);
      expect(yield* wait4(g, -a)).to.deep.equal([a, exited(1)]);
      expect((yield* wait4(g, ANY))[0]).to.equal(-ECHILD.errno);
    });
  });

  it('reports each zombie once, and EFAULT for a bad status pointer', () => {
    inInit(function* (g: Guest) {
      const pid = yield* fork(g, function* () {});
      yield* nanosleep(g, MS);
      expect(yield* sys(g, 'wait4', pid, 0x10, 0, 0)).to.equal(-EFAULT.errno);
      // The status is lost, as with the real kernel.
      expect((yield* wait4(g, pid))[0]).to.equal(-ECHILD.errno);
      expect(yield* sys(g, 'kill', pid, 0)).to.be.lessThan(0);
    });
  });

  it('gives a zombie to one of several waiting threads', () => {
    for (let seed = 1; seed <= 5; seed++)
      inInit(
        function* (g: Guest) {
          const pid = yield* fork(g, function* (c: Guest) {
            const got: number[] = [];
            let done = 0;
            const waiter = function* (t: Guest): GuestCode<void> {
              got.push((yield* wait4(t, ANY))[0]);
              done++;
              yield* threadExit(t);
            };
            const kids: number[] = [];
            for (let i = 0; i < 2; i++)
              kids.push(
                yield* fork(c, function* (d: Guest) {
                  yield* nanosleep(d, (10 + i) * MS);
                }),
              );
            for (let i = 0; i < 3; i++) yield* thread(c, waiter);
            while (done < 3) yield* nanosleep(c, MS);
            expect(got.sort((a, b) => a - b)).to.deep.equal([-ECHILD.errno, ...kids]);
          });
          expect(yield* wait4(g, pid)).to.deep.equal([pid, 0]);
        },
        { seed, ncpus: 2 },
      );
  });

  it('reports stops and continuations once, and only when asked', () => {
    inInit(function* (g: Guest) {
      const pid = yield* fork(g, forever);
      yield* nanosleep(g, MS);
      yield* must(g, 'kill', pid, SIGSTOP);
      yield* nanosleep(g, MS);
      expect((yield* wait4(g, pid, WNOHANG))[0]).to.equal(0);
      expect(yield* wait4(g, pid, WUNTRACED)).to.deep.equal([pid, stopped(SIGSTOP)]);
      expect((yield* wait4(g, pid, WUNTRACED | WNOHANG))[0]).to.equal(0);
      yield* must(g, 'kill', pid, SIGCONT);
      yield* nanosleep(g, MS);
      expect((yield* wait4(g, pid, WNOHANG))[0]).to.equal(0);
      expect(yield* wait4(g, pid, WCONTINUED)).to.deep.equal([pid, CONTINUED]);
      expect((yield* wait4(g, pid, WCONTINUED | WNOHANG))[0]).to.equal(0);
      yield* must(g, 'kill', pid, SIGTERM);
      expect(yield* wait4(g, pid)).to.deep.equal([pid, SIGTERM]);
    });
  });

  it('wakes a wait that sleeps for a stop or a continuation', () => {
    inInit(function* (g: Guest) {
      const pid = yield* fork(g, forever);
      const helper = yield* fork(g, function* (c: Guest) {
        yield* nanosleep(c, 10 * MS);
        yield* must(c, 'kill', pid, SIGSTOP);
        yield* nanosleep(c, 10 * MS);
        yield* must(c, 'kill', pid, SIGCONT);
      });
      expect(yield* wait4(g, pid, WUNTRACED)).to.deep.equal([pid, stopped(SIGSTOP)]);
      expect(yield* wait4(g, pid, WCONTINUED)).to.deep.equal([pid, CONTINUED]);
      yield* wait4(g, helper);
      yield* must(g, 'kill', pid, SIGKILL);
      yield* wait4(g, pid);
    });
  });

  it('wait6 tells who, how and with what', () => {
    inInit(function* (g: Guest) {
      const pid = yield* fork(g, function* (c: Guest) {
        yield* must(c, 'setpgid', 0, 0);
        yield* nanosleep(c, MS);
        yield* must(c, 'exit', 3);
      });
      yield* nanosleep(g, 5 * MS);
      expect((yield* wait6(g, 0, pid, WNOHANG)).r).to.equal(-EINVAL.errno);
      expect((yield* wait6(g, 9, pid, WEXITED)).r).to.equal(-EINVAL.errno);
      const exit3 = { r: pid, status: exited(3), signo: SIGCHLD, code: 1, pid, uid: 0, si: 3 };
      expect(yield* wait6(g, 0, pid, WEXITED | WNOWAIT)).to.deep.equal(exit3);
      expect(yield* wait6(g, 2, pid, WEXITED | WNOWAIT)).to.deep.equal(exit3);
      expect(yield* wait6(g, 3, 1, WEXITED | WNOWAIT)).to.deep.equal(exit3);
      expect(yield* wait6(g, 5, 0, WEXITED | WNOWAIT)).to.deep.equal(exit3);
      expect((yield* wait6(g, 5, 1, WEXITED | WNOWAIT)).r).to.equal(-ECHILD.errno);
      expect(yield* wait6(g, 7, 0, WEXITED)).to.deep.equal(exit3);
      expect((yield* wait6(g, 7, 0, WEXITED)).r).to.equal(-ECHILD.errno);
      const k = yield* fork(g, forever);
      yield* must(g, 'kill', k, SIGSTOP);
      const st = { r: k, status: stopped(SIGSTOP), signo: SIGCHLD, code: 5, pid: k, uid: 0, si: SIGSTOP };
      expect(yield* wait6(g, 0, k, WUNTRACED | WNOWAIT)).to.deep.equal(st);
      expect(yield* wait6(g, 0, k, WUNTRACED)).to.deep.equal(st);
      expect((yield* wait6(g, 0, k, WUNTRACED | WNOHANG)).r).to.equal(0);
      yield* must(g, 'kill', k, SIGCONT);
      expect((yield* wait6(g, 0, k, WCONTINUED)).code).to.equal(6);
      yield* must(g, 'kill', k, SIGUSR2);
      expect(yield* wait6(g, 0, k, WEXITED)).to.deep.include({ status: SIGUSR2, code: 2, si: SIGUSR2 });
    });
  });

  it('counts the cpu time of children that were waited for', () => {
    inInit(function* (g: Guest) {
      const pid = yield* fork(g, function* (c: Guest) {
        const inner = yield* fork(c, function* (d: Guest) {
          yield* d.compute(300 * MS);
        });
        yield* wait4(c, inner);
        yield* c.compute(200 * MS);
      });
      const ru = g.alloc(144);
      expect(yield* sys(g, 'wait4', pid, 0, 0, ru)).to.equal(pid);
      const us = (yield* g.read64(ru)) * 1e6 + (yield* g.read64(ru + 8));
      expect(us).to.be.within(490_000, 510_000);
      yield* must(g, 'getrusage', -1, ru);
      expect((yield* g.read64(ru)) * 1e6 + (yield* g.read64(ru + 8))).to.equal(us);
    });
  });

  it('gives orphans to process 1', () => {
    inInit(function* (g: Guest) {
      let ppid = 0;
      const mid = yield* fork(g, function* (c: Guest) {
        yield* fork(c, function* (o: Guest) {
          yield* nanosleep(o, 20 * MS);
          ppid = yield* must(o, 'getppid');
          yield* must(o, 'exit', 6);
        });
      });
      expect(yield* wait4(g, mid)).to.deep.equal([mid, 0]);
      expect(yield* wait4(g, ANY)).to.deep.equal([mid + 1, exited(6)]);
      expect(ppid).to.equal(1);
    });
  });

  it('sends SIGCHLD for exits and stops, unless SA_NOCLDSTOP, and not for continuations', () => {
    inInit(function* (g: Guest) {
      let n = 0;
      const count = function* (): GuestCode<void> {
        n++;
      };
      yield* sigaction(g, SIGCHLD, count, 2);
      const pid = yield* fork(g, forever);
      yield* must(g, 'kill', pid, SIGSTOP);
      yield* nanosleep(g, MS);
      expect(n).to.equal(1);
      yield* must(g, 'kill', pid, SIGCONT);
      yield* nanosleep(g, MS);
      expect(n).to.equal(1);
      yield* sigaction(g, SIGCHLD, count, 2 | 8);
      yield* must(g, 'kill', pid, SIGSTOP);
      yield* nanosleep(g, MS);
      expect(n).to.equal(1);
      yield* must(g, 'kill', pid, SIGKILL);
      yield* wait4(g, pid);
      expect(n).to.equal(2);
    });
  });

  it('leaves no zombies when SIGCHLD is ignored or SA_NOCLDWAIT is set; wait then sleeps for the last', () => {
    for (const [handler, flags] of [
      [1, 0],
      [0, 0x20],
    ])
      inInit(function* (g: Guest) {
        const p = yield* fork(g, function* (c: Guest) {
          yield* sigaction(c, SIGCHLD, handler, flags);
          for (const ns of [5, 30])
            yield* fork(c, function* (d: Guest) {
              yield* nanosleep(d, ns * MS);
            });
          const t = yield* now(c);
          expect((yield* wait4(c, ANY))[0]).to.equal(-ECHILD.errno);
          expect((yield* now(c)) - t).to.be.within(29 * MS, 32 * MS);
        });
        expect(yield* wait4(g, p)).to.deep.equal([p, 0]);
      });
  });

  it('ends all threads with the process', () => {
    const k = inInit(function* (g: Guest) {
      const pid = yield* fork(g, function* (c: Guest) {
        yield* thread(c, forever);
        yield* thread(c, function* (t: Guest) {
          yield* sys(t, 'nanosleep', timespec(1e12), 0);
        });
        yield* thread(c, function* (t: Guest) {
          yield* sys(t, 'sigsuspend', sigset());
        });
        yield* thread(c, function* (t: Guest) {
          yield* threadExit(t);
        });
        yield* nanosleep(c, 5 * MS);
        yield* must(c, 'exit', 8);
      });
      expect(yield* wait4(g, pid)).to.deep.equal([pid, exited(8)]);
    });
    expect(k.sim.lwps.size).to.equal(1);
  });

  it('lets a thread end the process while another waits in wait4', () => {
    inInit(function* (g: Guest) {
      const pid = yield* fork(g, function* (c: Guest) {
        yield* fork(c, function* (d: Guest) {
          yield* nanosleep(d, 100 * MS);
        });
        yield* thread(c, function* (t: Guest) {
          yield* nanosleep(t, 10 * MS);
          yield* must(t, 'exit', 3);
        });
        yield* wait4(c, ANY);
        yield* must(c, 'exit', 4);
      });
      expect(yield* wait4(g, pid)).to.deep.equal([pid, exited(3)]);
      yield* wait4(g, ANY);
    });
  });

  it('gives the result with carry clear, and -1 zero-extended', () => {
    inInit(function* (g: Guest) {
      const r = yield* syscall(g, 'getpid');
      expect(r).to.deep.include({ val: 1, err: 0 });
      yield* must(g, 'setpriority', 0, 0, -1);
      expect(yield* must(g, 'getpriority', 0, 0)).to.equal(0xffffffff);
      g.setReg(Reg.RDX, 0x55);
      expect((yield* g.syscall(num('getpid'), 0, 0, 0x55)).val2).to.equal(0x55);
    });
  });
});
