import { expect } from 'chai';
import { Reg } from '../../vkernel/machine/machine.js';
import { SIM_DATA } from '../../vkernel/machine/sim/sim_program.js';
import type { Guest, GuestCode, Script } from '../../vkernel/machine/sim/guest.js';
import { EAGAIN, EBUSY, EFAULT, EINVAL, ESRCH, EWOULDBLOCK } from '../../vkernel/sys/errno.js';
import { SIGHUP, SIGKILL, SIGUSR1 } from '../../vkernel/sys/signal.js';
import {
  MAP_SHARED,
  SIG_BLOCK,
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
  sys,
  thread,
  threadExit,
  wait4,
} from './kit.js';

const MS = 1e6;
const forever: Script = function* (c: Guest) {
  yield* c.compute(Infinity);
};

function* inChild(g: Guest, body: Script): GuestCode<number> {
  const pid = yield* fork(g, body);
  const [r, status] = yield* wait4(g, pid);
  expect(r).to.equal(pid);
  return status;
}

describe('lwp_create', () => {
  it('starts with the argument, the stack and the creator’s other registers', () => {
    inInit(
      function* (g: Guest) {
        expect(
          yield* inChild(g, function* (c: Guest) {
            const fs = new Uint8Array(16);
            new DataView(fs.buffer).setBigUint64(0, 0x7000n, true);
            yield* must(c, 'set_tls_area', 0, fs, 16);
            yield* sigprocmask(c, SIG_BLOCK, SIGHUP);
            c.setReg(Reg.RBX, 0x1111);
            c.setReg(Reg.R15, 0x2222);
            let checked = false;
            const tid = yield* thread(
              c,
              function* (t: Guest) {
                const sp = t.reg(Reg.RSP);
                expect(t.reg(Reg.RDI)).to.equal(0x123456789);
                expect(sp % 16).to.equal(8);
                expect([t.reg(Reg.RBX), t.reg(Reg.R15)]).to.deep.equal([0x1111, 0x2222]);
                expect(t.lwp.fsBase).to.equal(0x7000);
                expect(yield* t.read64(sp)).to.equal(0);
                expect(yield* must(t, 'lwp_gettid')).to.equal(2);
                expect(yield* must(t, 'getpid')).to.equal(2);
                const set = t.alloc(16);
                yield* must(t, 'sigprocmask', 0, 0, set);
                expect(yield* t.read32(set)).to.equal(1);
                const ss = t.alloc(24);
                yield* must(t, 'sigaltstack', 0, ss);
                expect(yield* t.read32(ss + 16)).to.equal(4);
                checked = true;
                yield* threadExit(t);
              },
              0x123456789,
            );
            expect(tid).to.equal(2);
            yield* nanosleep(c, MS);
            expect(checked).to.equal(true);
          }),
        ).to.equal(0);
      },
      { partialRate: 0.5 },
    );
  });

  it('counts thread ids upwards', () => {
    inInit(function* (g: Guest) {
      const quick: Script = function* (t: Guest) {
        yield* threadExit(t);
      };
      for (const want of [2, 3, 4]) {
        expect(yield* thread(g, quick)).to.equal(want);
        yield* nanosleep(g, MS);
      }
      expect(yield* must(g, 'lwp_gettid')).to.equal(1);
    });
  });

  it('checks its pointers', () => {
    inInit(function* (g: Guest) {
      expect(yield* sys(g, 'lwp_create', 0x10)).to.equal(-EFAULT.errno);
      const p = new Uint8Array(40);
      const v = new DataView(p.buffer);
      v.setBigUint64(0, BigInt(g.addr(forever)), true);
      v.setBigUint64(16, 0x100n, true);
      expect(yield* sys(g, 'lwp_create', p)).to.equal(-EFAULT.errno);
      v.setBigUint64(16, BigInt(yield* mmapAnon(g, 4096)) + 4096n, true);
      v.setBigUint64(24, 0x10n, true);
      expect(yield* sys(g, 'lwp_create', p)).to.equal(-EFAULT.errno);
      expect(yield* must(g, 'lwp_gettid')).to.equal(1);
    });
  });

  it('answers EAGAIN when the machine has no thread left', () => {
    inInit(
      function* (g: Guest) {
        expect(
          yield* inChild(g, function* (c: Guest) {
            const tids: number[] = [];
            for (;;) {
              const t = yield* thread(c, function* (h: Guest) {
                yield* nanosleep(h, 1e12);
              });
              if (t < 0) {
                expect(t).to.equal(-EAGAIN.errno);
                break;
              }
              tids.push(t);
            }
            expect(tids.length).to.equal(18);
          }),
        ).to.equal(0);
      },
      { maxLwps: 20 },
    );
  });

  it('names threads', () => {
    inInit(function* (g: Guest) {
      expect(yield* sys(g, 'lwp_setname', 1, 'worker')).to.equal(0);
      const at = g.alloc(32);
      yield* must(g, 'lwp_getname', 1, at, 32);
      expect(yield* g.readStr(at)).to.equal('worker');
      yield* must(g, 'lwp_getname', 1, at, 4);
      expect(yield* g.readStr(at)).to.equal('wor');
      expect(yield* sys(g, 'lwp_getname', 9, at, 32)).to.equal(-ESRCH.errno);
      expect(yield* sys(g, 'lwp_setname', 9, 'worker')).to.equal(-ESRCH.errno);
      expect(yield* sys(g, 'lwp_setname', 1, 0x10)).to.equal(-EFAULT.errno);
    });
  });
});

describe('extexit', () => {
  it('ends one thread, storing a word first', () => {
    inInit(function* (g: Guest) {
      expect(
        yield* inChild(g, function* (c: Guest) {
          yield* thread(c, function* (t: Guest) {
            expect(yield* t.sys(num('extexit'), 0x10001, 5, 0x10)).to.equal(-EFAULT.errno);
            expect(yield* t.sys(num('extexit'), 0x10002, 5, SIM_DATA)).to.equal(-EINVAL.errno);
            expect(yield* t.sys(num('extexit'), 0x20000, 5, SIM_DATA)).to.equal(-EINVAL.errno);
            yield* threadExit(t, SIM_DATA, 77);
          });
          while ((yield* c.read32(SIM_DATA)) !== 77) yield* nanosleep(c, MS);
        }),
      ).to.equal(0);
    });
  });

  it('ends the process with the last thread, or when asked', () => {
    inInit(function* (g: Guest) {
      expect(
        yield* inChild(g, function* (c: Guest) {
          yield* thread(c, function* (t: Guest) {
            yield* nanosleep(t, 10 * MS);
            yield* threadExit(t, 0, 9);
          });
          yield* threadExit(c, 0, 1);
        }),
      ).to.equal(exited(9));
      expect(
        yield* inChild(g, function* (c: Guest) {
          yield* thread(c, forever);
          yield* c.sys(num('extexit'), 0, 12, 0);
        }),
      ).to.equal(exited(12));
    });
  });
});

describe('execve in a threaded process', () => {
  it('ends the other threads and becomes thread 1', () => {
    let seen: number[] = [];
    const k = inInit(
      function* (g: Guest) {
        expect(
          yield* inChild(g, function* (c: Guest) {
            yield* thread(c, forever);
            yield* thread(c, function* (t: Guest) {
              yield* nanosleep(t, 1e12);
            });
            yield* thread(c, function* (t: Guest) {
              yield* nanosleep(t, 5 * MS);
              yield* execve(t, '/bin/x', ['x']);
            });
            yield* nanosleep(c, 1e12);
          }),
        ).to.equal(exited(3));
      },
      {
        programs: {
          '/bin/x': function* (g: Guest) {
            seen = [yield* must(g, 'getpid'), yield* must(g, 'lwp_gettid'), yield* thread(g, forever)];
            yield* must(g, 'exit', 3);
          },
        },
        ncpus: 2,
      },
    );
    expect(seen).to.deep.equal([2, 1, 2]);
    expect(k.sim.lwps.size).to.equal(1);
  });

  it('lets one of two racing execs win', () => {
    for (let seed = 1; seed <= 6; seed++) {
      let ran = 0;
      inInit(
        function* (g: Guest) {
          expect(
            yield* inChild(g, function* (c: Guest) {
              const race: Script = function* (t: Guest) {
                yield* execve(t, '/bin/x', ['x']);
              };
              yield* thread(c, race);
              yield* thread(c, race);
              yield* race(c);
            }),
          ).to.equal(exited(4));
        },
        {
          programs: {
            '/bin/x': function* (g: Guest) {
              ran++;
              yield* must(g, 'exit', 4);
            },
          },
          ncpus: 2,
          seed,
        },
      );
      expect(ran, `seed ${seed}`).to.equal(1);
    }
  });
});

describe('umtx', () => {
  it('has the exact results of the ABI', () => {
    inInit(function* (g: Guest) {
      yield* g.write32(SIM_DATA, 5);
      expect(yield* sys(g, 'umtx_sleep', SIM_DATA, 5, -1)).to.equal(-EINVAL.errno);
      expect(yield* sys(g, 'umtx_sleep', SIM_DATA + 2, 5, 1000)).to.equal(-EFAULT.errno);
      expect(yield* sys(g, 'umtx_sleep', 0x10, 5, 1000)).to.equal(-EINVAL.errno);
      expect(yield* sys(g, 'umtx_sleep', SIM_DATA, 4, 1000)).to.equal(-EBUSY.errno);
      let t = yield* now(g);
      expect(yield* sys(g, 'umtx_sleep', SIM_DATA, 5, 30_000)).to.equal(-EWOULDBLOCK.errno);
      expect((yield* now(g)) - t).to.be.within(30 * MS, 41 * MS);
      t = yield* now(g);
      expect(yield* sys(g, 'umtx_sleep', SIM_DATA, 5, 0)).to.equal(-EWOULDBLOCK.errno);
      expect((yield* now(g)) - t).to.be.within(1.9e9, 2.1e9);
      expect(yield* sys(g, 'umtx_wakeup', SIM_DATA, 1)).to.equal(0);
      expect(yield* sys(g, 'umtx_wakeup', SIM_DATA + 1, 1)).to.equal(-EFAULT.errno);
      expect(yield* sys(g, 'umtx_wakeup', 0x10, 1)).to.equal(-EINVAL.errno);
      // Values are compared as 32 bits.
      yield* g.write32(SIM_DATA, -1);
      expect(yield* sys(g, 'umtx_sleep', SIM_DATA, 0xffffffff, 1000)).to.equal(-EWOULDBLOCK.errno);
      // Fresh anonymous memory, never touched.
      const a = yield* mmapAnon(g, 4096);
      expect(yield* sys(g, 'umtx_sleep', a + 8, 0, 1000)).to.equal(-EWOULDBLOCK.errno);
    });
  });

  it('wakes one, or all', () => {
    inInit(function* (g: Guest) {
      expect(
        yield* inChild(g, function* (c: Guest) {
          let woken = 0;
          for (let i = 0; i < 5; i++)
            yield* thread(c, function* (t: Guest) {
              expect(yield* sys(t, 'umtx_sleep', SIM_DATA, 0, 1_000_000)).to.equal(0);
              woken++;
              yield* threadExit(t);
            });
          yield* nanosleep(c, MS);
          yield* must(c, 'umtx_wakeup', SIM_DATA, 1);
          yield* nanosleep(c, MS);
          expect(woken).to.equal(1);
          yield* must(c, 'umtx_wakeup', SIM_DATA + 4, 0);
          yield* nanosleep(c, MS);
          expect(woken).to.equal(1);
          yield* must(c, 'umtx_wakeup', SIM_DATA, 2);
          yield* nanosleep(c, MS);
          expect(woken).to.equal(5);
        }),
      ).to.equal(0);
    });
  });

  it('meets across processes on shared pages, not on private copies', () => {
    inInit(function* (g: Guest) {
      const shared = yield* mmapAnon(g, 4096, MAP_SHARED);
      yield* g.write32(SIM_DATA, 0);
      const kid = yield* fork(g, function* (c: Guest) {
        expect(yield* sys(c, 'umtx_sleep', shared, 0, 50_000)).to.equal(0);
        expect(yield* sys(c, 'umtx_sleep', SIM_DATA, 0, 50_000)).to.equal(-EWOULDBLOCK.errno);
      });
      yield* nanosleep(g, 10 * MS);
      yield* must(g, 'umtx_wakeup', shared, 1);
      yield* nanosleep(g, 10 * MS);
      yield* must(g, 'umtx_wakeup', SIM_DATA, 1);
      expect(yield* wait4(g, kid)).to.deep.equal([kid, 0]);
    });
  });

  it('wakes the sleepers of a threaded process that forks', () => {
    inInit(function* (g: Guest) {
      expect(
        yield* inChild(g, function* (c: Guest) {
          let r = 1;
          yield* c.write32(SIM_DATA, 0);
          yield* thread(c, function* (t: Guest) {
            r = yield* sys(t, 'umtx_sleep', SIM_DATA, 0, 1_000_000);
            yield* threadExit(t);
          });
          yield* nanosleep(c, MS);
          const kid = yield* fork(c, function* () {});
          yield* wait4(c, kid);
          yield* nanosleep(c, MS);
          expect([0, -EWOULDBLOCK.errno]).to.include(r);
        }),
      ).to.equal(0);
    });
  });

  it('carries a mutex and a counter through any interleaving', () => {
    for (let seed = 1; seed <= 10; seed++)
      inInit(
        function* (g: Guest) {
          expect(
            yield* inChild(g, function* (c: Guest) {
              const LOCK = SIM_DATA;
              const COUNT = SIM_DATA + 64;
              let done = 0;
              const worker: Script = function* (t: Guest) {
                for (let i = 0; i < 10; i++) {
                  // The compare-and-set of a script is atomic once the page is there: no trap in between.
                  yield* t.touch(LOCK, true);
                  while ((yield* t.read32(LOCK)) !== 0) yield* sys(t, 'umtx_sleep', LOCK, 1, 100_000);
                  yield* t.write32(LOCK, 1);
                  const n = yield* t.read32(COUNT);
                  yield* sys(t, 'sched_yield');
                  yield* t.write32(COUNT, n + 1);
                  yield* t.write32(LOCK, 0);
                  yield* must(t, 'umtx_wakeup', LOCK, 1);
                }
                done++;
                yield* threadExit(t);
              };
              for (let i = 0; i < 4; i++) yield* thread(c, worker);
              while (done < 4) yield* nanosleep(c, MS);
              expect(yield* c.read32(COUNT)).to.equal(40);
            }),
            `seed ${seed}`,
          ).to.equal(0);
        },
        { seed, ncpus: 3, partialRate: 0.3 },
      );
  });

  it('forgets waiters that are killed', () => {
    const k = inInit(function* (g: Guest) {
      const shared = yield* mmapAnon(g, 4096, MAP_SHARED);
      const kid = yield* fork(g, function* (c: Guest) {
        yield* sys(c, 'umtx_sleep', shared, 0, 0);
      });
      yield* nanosleep(g, MS);
      yield* must(g, 'kill', kid, SIGKILL);
      yield* wait4(g, kid);
      yield* must(g, 'umtx_wakeup', shared, 0);
    });
    expect(k.gd.umtx.size).to.equal(0);
  });
});

describe('threads and signals', () => {
  it('fork in a thread copies only that thread, with its tid', () => {
    inInit(function* (g: Guest) {
      expect(
        yield* inChild(g, function* (c: Guest) {
          let ok = false;
          yield* thread(c, function* (t: Guest) {
            const kid = yield* fork(t, function* (d: Guest) {
              expect(yield* must(d, 'lwp_gettid')).to.equal(2);
              expect(yield* sys(d, 'lwp_kill', -1, 1, 0)).to.equal(-ESRCH.errno);
              yield* must(d, 'exit', 7);
            });
            expect(yield* wait4(t, kid)).to.deep.equal([kid, exited(7)]);
            ok = true;
            yield* threadExit(t);
          });
          while (!ok) yield* nanosleep(c, MS);
        }),
      ).to.equal(0);
    });
  });

  it('a fatal signal ends all threads', () => {
    inInit(
      function* (g: Guest) {
        const pid = yield* fork(g, function* (c: Guest) {
          for (let i = 0; i < 3; i++) yield* thread(c, forever);
          yield* nanosleep(c, 1e12);
        });
        yield* nanosleep(g, 30 * MS);
        yield* must(g, 'kill', pid, SIGUSR1);
        expect(yield* wait4(g, pid)).to.deep.equal([pid, SIGUSR1]);
      },
      { ncpus: 2 },
    );
  });

  it('a stop stops every thread', () => {
    inInit(function* (g: Guest) {
      const count = yield* mmapAnon(g, 4096, MAP_SHARED);
      const pid = yield* fork(g, function* (c: Guest) {
        const spin: Script = function* (t: Guest) {
          for (;;) {
            yield* t.compute(MS);
            yield* t.write32(count, (yield* t.read32(count)) + 1);
          }
        };
        yield* thread(c, spin);
        yield* thread(c, function* (t: Guest) {
          for (;;) {
            yield* nanosleep(t, MS);
            yield* t.write32(count, (yield* t.read32(count)) + 1);
          }
        });
        yield* spin(c);
      });
      yield* nanosleep(g, 20 * MS);
      yield* must(g, 'kill', pid, 17);
      yield* nanosleep(g, 5 * MS);
      const n = yield* g.read32(count);
      expect(n).to.be.greaterThan(5);
      yield* nanosleep(g, 50 * MS);
      expect(yield* g.read32(count)).to.equal(n);
      yield* must(g, 'kill', pid, 19);
      yield* nanosleep(g, 20 * MS);
      expect(yield* g.read32(count)).to.be.greaterThan(n + 5);
      yield* must(g, 'kill', pid, SIGKILL);
      yield* wait4(g, pid);
    });
  });

  it('runs a handler in the thread that lwp_kill names, though it computes', () => {
    inInit(
      function* (g: Guest) {
        expect(
          yield* inChild(g, function* (c: Guest) {
            const got: number[] = [];
            yield* sigaction(c, 16, function* (h: Guest) {
              got.push(yield* must(h, 'lwp_gettid'));
            });
            for (let i = 0; i < 3; i++) yield* thread(c, forever);
            for (const t of [4, 2, 3]) {
              yield* must(c, 'lwp_kill', -1, t, 16);
              yield* nanosleep(c, 50 * MS);
            }
            expect(got).to.deep.equal([4, 2, 3]);
          }),
        ).to.equal(0);
      },
      { ncpus: 2 },
    );
  });
});
