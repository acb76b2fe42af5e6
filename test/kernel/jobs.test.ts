import { expect } from 'chai';
import type { Guest, GuestCode, Script } from '../../vkernel/machine/sim/guest.js';
import { EACCES, EAGAIN, EINVAL, ENOMEM, EPERM, ERANGE, ESRCH } from '../../vkernel/sys/errno.js';
import { SIGKILL } from '../../vkernel/sys/signal.js';
import {
  execve,
  fork,
  inInit,
  mmapAnon,
  must,
  nanosleep,
  now,
  sys,
  thread,
  threadExit,
  wait4,
  MAP_SHARED,
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

describe('process groups and sessions', () => {
  it('setpgid follows the rules', () => {
    inInit(
      function* (g: Guest) {
        expect(yield* must(g, 'getpgrp')).to.equal(1);
        expect(yield* sys(g, 'setpgid', 0, -1)).to.equal(-EINVAL.errno);
        expect(yield* sys(g, 'setpgid', 777, 0)).to.equal(-ESRCH.errno);
        const a = yield* fork(g, forever);
        expect(yield* must(g, 'getpgid', a)).to.equal(1);
        expect(yield* sys(g, 'setpgid', a, 0)).to.equal(0);
        expect(yield* must(g, 'getpgid', a)).to.equal(a);
        const b = yield* fork(g, forever);
        expect(yield* sys(g, 'setpgid', b, 999)).to.equal(-EPERM.errno);
        expect(yield* sys(g, 'setpgid', b, a)).to.equal(0);
        expect(yield* must(g, 'getpgid', b)).to.equal(a);
        // Not after exec, not a stranger's child, not a session leader, not across sessions.
        const x = yield* fork(g, function* (c: Guest) {
          yield* execve(c, '/bin/x', ['x']);
        });
        yield* nanosleep(g, 30 * MS);
        expect(yield* sys(g, 'setpgid', x, 0)).to.equal(-EACCES.errno);
        expect(
          yield* inChild(g, function* (c: Guest) {
            expect(yield* sys(c, 'setpgid', a, 0)).to.equal(-ESRCH.errno);
            const me = yield* must(c, 'getpid');
            expect(yield* must(c, 'setsid')).to.equal(me);
            expect(yield* sys(c, 'setpgid', 0, 0)).to.equal(-EPERM.errno);
            expect(yield* sys(c, 'setsid')).to.equal(-EPERM.errno);
            expect(yield* must(c, 'getsid', 0)).to.equal(me);
            const d = yield* fork(c, forever);
            expect(yield* sys(c, 'setpgid', d, a)).to.equal(-EPERM.errno);
            yield* must(c, 'kill', d, SIGKILL);
          }),
        ).to.equal(0);
        const s = yield* fork(g, function* (c: Guest) {
          yield* must(c, 'setsid');
          yield* forever(c);
        });
        yield* nanosleep(g, 50 * MS);
        expect(yield* sys(g, 'setpgid', s, a)).to.equal(-EPERM.errno);
        yield* must(g, 'kill', -1, SIGKILL);
      },
      { programs: { '/bin/x': forever } },
    );
  });

  it('a group lives as long as a member, zombies included; its id is not given to a process', () => {
    inInit(function* (g: Guest) {
      const lead = yield* fork(g, function* (c: Guest) {
        yield* must(c, 'setpgid', 0, 0);
        yield* fork(c, forever);
      });
      yield* wait4(g, lead);
      yield* must(g, 'kill', -lead, 0);
      expect(yield* sys(g, 'getpgid', lead)).to.equal(-ESRCH.errno);
      yield* must(g, 'kill', -lead, SIGKILL);
      yield* wait4(g, -1);
      expect(yield* sys(g, 'kill', -lead, 0)).to.equal(-ESRCH.errno);
    });
  });

  it('getlogin and setlogin belong to the session', () => {
    inInit(function* (g: Guest) {
      const login = function* (c: Guest): GuestCode<string> {
        const b = c.alloc(48);
        yield* must(c, 'getlogin', b, 33);
        return yield* c.readStr(b);
      };
      yield* must(g, 'setlogin', 'alice');
      expect(
        yield* inChild(g, function* (c: Guest) {
          expect(yield* login(c)).to.equal('alice');
          yield* must(c, 'setsid');
          yield* must(c, 'setlogin', 'bob');
          yield* must(c, 'setuid', 9);
          expect(yield* sys(c, 'setlogin', 'eve')).to.equal(-EPERM.errno);
          expect(yield* login(c)).to.equal('bob');
        }),
      ).to.equal(0);
      expect(yield* login(g)).to.equal('alice');
    });
  });
});

describe('identity', () => {
  it('set*id calls follow the rules', () => {
    inInit(function* (g: Guest) {
      const ids = function* (c: Guest): GuestCode<number[]> {
        const at = c.alloc(16);
        yield* must(c, 'getresuid', at, at + 4, at + 8);
        return [yield* c.read32(at), yield* c.read32(at + 4), yield* c.read32(at + 8)];
      };
      expect(
        yield* inChild(g, function* (c: Guest) {
          yield* must(c, 'setresuid', 1, 2, 3);
          expect(yield* ids(c)).to.deep.equal([1, 2, 3]);
          expect(yield* sys(c, 'seteuid', 4)).to.equal(-EPERM.errno);
          yield* must(c, 'seteuid', 3);
          expect(yield* ids(c)).to.deep.equal([1, 3, 3]);
          expect(yield* sys(c, 'setresuid', -1, 2, -1)).to.equal(-EPERM.errno);
          yield* must(c, 'setresuid', -1, 1, -1);
          expect(yield* ids(c)).to.deep.equal([1, 1, 3]);
          yield* must(c, 'setuid', 1);
          expect(yield* ids(c)).to.deep.equal([1, 1, 1]);
          expect(yield* sys(c, 'setgroups', 0, 0)).to.equal(-EPERM.errno);
        }),
      ).to.equal(0);
      expect(
        yield* inChild(g, function* (c: Guest) {
          const set = new Uint8Array(Uint32Array.of(10, 20, 30).buffer);
          yield* must(c, 'setgroups', 3, set);
          const at = c.alloc(64);
          expect(yield* must(c, 'getgroups', 0, 0)).to.equal(3);
          expect(yield* sys(c, 'getgroups', 2, at)).to.equal(-EINVAL.errno);
          expect(yield* must(c, 'getgroups', 16, at)).to.equal(3);
          expect([yield* c.read32(at), yield* c.read32(at + 8)]).to.deep.equal([10, 30]);
          expect(yield* must(c, 'getegid')).to.equal(10);
          expect(yield* sys(c, 'setgroups', 17, at)).to.equal(-EINVAL.errno);
        }),
      ).to.equal(0);
    });
  });

  it('set_tls_area sets the bases', () => {
    inInit(function* (g: Guest) {
      const info = new Uint8Array(16);
      const v = new DataView(info.buffer);
      v.setBigUint64(0, 0x123000n, true);
      v.setBigInt64(8, -1n, true);
      yield* must(g, 'set_tls_area', 1, info, 16);
      expect(g.lwp.gsBase).to.equal(0x123000);
      expect(yield* sys(g, 'set_tls_area', 2, info, 16)).to.equal(-ERANGE.errno);
      v.setBigInt64(8, -2n, true);
      expect(yield* sys(g, 'set_tls_area', 0, info, 16)).to.equal(-EINVAL.errno);
      const at = g.alloc(16);
      yield* must(g, 'get_tls_area', 1, at, 16);
      expect(yield* g.read64(at)).to.equal(0x123000);
    });
  });
});

describe('limits and priorities', () => {
  const rlimit = (cur: bigint, max: bigint): Uint8Array => {
    const b = new Uint8Array(16);
    new DataView(b.buffer).setBigInt64(0, cur, true);
    new DataView(b.buffer).setBigInt64(8, max, true);
    return b;
  };
  it('getrlimit and setrlimit', () => {
    inInit(function* (g: Guest) {
      expect(
        yield* inChild(g, function* (c: Guest) {
          const at = c.alloc(16);
          const get = function* (which: number): GuestCode<bigint[]> {
            yield* must(c, 'getrlimit', which, at);
            const v = new DataView((yield* c.read(at, 16)).buffer);
            return [v.getBigInt64(0, true), v.getBigInt64(8, true)];
          };
          const INF = 0x7fffffffffffffffn;
          expect(yield* get(3)).to.deep.equal([8n << 20n, 512n << 20n]);
          expect(yield* get(2)).to.deep.equal([128n << 20n, 32n << 30n]);
          expect(yield* get(0)).to.deep.equal([INF, INF]);
          expect(yield* sys(c, 'getrlimit', 12, at)).to.equal(-EINVAL.errno);
          yield* must(c, 'setrlimit', 8, rlimit(200n, 100n));
          expect(yield* get(8)).to.deep.equal([100n, 100n]);
          yield* must(c, 'setrlimit', 0, rlimit(-1n, -1n));
          expect(yield* get(0)).to.deep.equal([INF, INF]);
          yield* must(c, 'setuid', 7);
          expect(yield* sys(c, 'setrlimit', 8, rlimit(100n, 200n))).to.equal(-EPERM.errno);
          yield* must(c, 'setrlimit', 8, rlimit(50n, 60n));
          expect(yield* get(8)).to.deep.equal([50n, 60n]);
        }),
      ).to.equal(0);
    });
  });

  it('the stack grows to RLIMIT_STACK', () => {
    inInit(
      function* (g: Guest) {
        expect(
          yield* inChild(g, function* (c: Guest) {
            yield* must(c, 'setrlimit', 3, rlimit(1n << 20n, 1n << 20n));
            yield* execve(c, '/bin/x', ['x']);
          }),
        ).to.equal(11);
      },
      {
        programs: {
          '/bin/x': function* (g: Guest) {
            yield* g.write32(0x7fffffe00000 - 1000 * 1024, 1);
            yield* g.write32(0x7fffffe00000 - 1100 * 1024, 1);
            yield* must(g, 'exit', 1);
          },
        },
      },
    );
  });

  it('getpriority and setpriority', () => {
    inInit(function* (g: Guest) {
      expect(
        yield* inChild(g, function* (c: Guest) {
          yield* must(c, 'setpriority', 0, 0, 25);
          expect(yield* must(c, 'getpriority', 0, 0)).to.equal(20);
          yield* must(c, 'setpriority', 0, 0, 5);
          yield* must(c, 'setuid', 7);
          expect(yield* sys(c, 'setpriority', 0, 0, 4)).to.be.oneOf([-EACCES.errno, -EPERM.errno]);
          expect(yield* sys(c, 'setpriority', 0, 1, 10)).to.equal(-EPERM.errno);
          expect(yield* sys(c, 'getpriority', 0, 777)).to.equal(-ESRCH.errno);
          expect(yield* sys(c, 'getpriority', 3, 0)).to.equal(-EINVAL.errno);
          const d = yield* fork(c, function* (e: Guest) {
            expect(yield* must(e, 'getpriority', 0, 0)).to.equal(5);
          });
          expect((yield* wait4(c, d))[1]).to.equal(0);
        }),
      ).to.equal(0);
    });
  });
});

describe('user scheduler', () => {
  /** Rounds of 1 ms that each of the busy threads gets done in `ns`. */
  function share(ncpus: number, nice: number[], ns: number, threads = false): number[] {
    const out: number[] = [];
    inInit(
      function* (g: Guest) {
        const shared = yield* mmapAnon(g, 4096, MAP_SHARED);
        const busy = (i: number): Script =>
          function* (c: Guest) {
            if (!threads) yield* must(c, 'setpriority', 0, 0, nice[i]);
            yield* c.touch(shared, true);
            for (;;) {
              yield* c.compute(MS);
              yield* c.write32(shared + 4 * i, (yield* c.read32(shared + 4 * i)) + 1);
            }
          };
        if (threads)
          yield* fork(g, function* (c: Guest) {
            for (let i = 1; i < nice.length; i++) yield* thread(c, busy(i));
            yield* busy(0)(c);
          });
        else for (let i = 0; i < nice.length; i++) yield* fork(g, busy(i));
        yield* nanosleep(g, ns);
        for (let i = 0; i < nice.length; i++) out.push(yield* g.read32(shared + 4 * i));
      },
      { ncpus },
    );
    return out;
  }

  it('gives busy processes equal time on one CPU and on two', () => {
    for (const n of share(1, [0, 0, 0, 0], 2e9)) expect(n).to.be.within(470, 530);
    for (const n of share(2, [0, 0, 0], 1.5e9)) expect(n).to.be.within(950, 1050);
  });

  it('gives busy threads of one process equal time', () => {
    for (const n of share(1, [0, 0, 0], 1.5e9, true)) expect(n).to.be.within(460, 540);
  });

  it('gives nice processes less', () => {
    const [a, b] = share(1, [0, 10], 2e9);
    expect(a + b).to.be.within(1950, 2010);
    expect(a / b).to.be.within(6, 15);
  });

  it('runs realtime before normal before idle classes', () => {
    inInit(function* (g: Guest) {
      const rtp = (type: number, prio: number): Uint8Array => new Uint8Array(Uint16Array.of(type, prio).buffer);
      const shared = yield* mmapAnon(g, 4096, MAP_SHARED);
      const kids: number[] = [];
      for (const [i, type] of [2, 1].entries())
        kids.push(
          yield* fork(g, function* (c: Guest) {
            yield* must(c, 'rtprio', 1, 0, rtp(type, 5));
            yield* c.touch(shared, true);
            for (;;) {
              yield* c.compute(MS);
              yield* c.write32(shared + 4 * i, (yield* c.read32(shared + 4 * i)) + 1);
            }
          }),
        );
      yield* nanosleep(g, 500 * MS);
      const [idle, normal] = [yield* g.read32(shared), yield* g.read32(shared + 4)];
      expect(idle).to.be.below(30);
      expect(normal).to.be.above(450);
      const got = g.alloc(16);
      yield* must(g, 'rtprio', 0, kids[0], got);
      expect(yield* g.read32(got)).to.equal(2 | (5 << 16));
      yield* must(g, 'lwp_rtprio', 0, kids[1], 1, got);
      expect((yield* g.read32(got)) & 0xffff).to.equal(1);
      // Back to normal: both get their share.
      yield* must(g, 'rtprio', 1, kids[0], rtp(1, 5));
      yield* nanosleep(g, 500 * MS);
      expect((yield* g.read32(shared)) - idle).to.be.above(150);
      expect(yield* sys(g, 'rtprio', 1, 0, rtp(3, 0))).to.equal(-EINVAL.errno);
      expect(yield* sys(g, 'rtprio', 1, 0, rtp(1, 32))).to.equal(-EINVAL.errno);
      expect(yield* sys(g, 'rtprio', 2, 0, rtp(1, 0))).to.equal(-EINVAL.errno);
      expect(yield* sys(g, 'rtprio', 0, 999, got)).to.equal(-ESRCH.errno);
      for (const k of kids) yield* must(g, 'kill', k, SIGKILL);
      expect(
        yield* inChild(g, function* (c: Guest) {
          yield* must(c, 'setuid', 5);
          expect(yield* sys(c, 'rtprio', 1, 0, rtp(0, 0))).to.equal(-EPERM.errno);
          expect(yield* sys(c, 'rtprio', 1, 1, rtp(2, 0))).to.equal(-EPERM.errno);
          yield* must(c, 'rtprio', 1, 0, rtp(2, 31));
          const d = yield* fork(c, function* (e: Guest) {
            const mine = e.alloc(16);
            yield* must(e, 'rtprio', 0, 0, mine);
            expect(yield* e.read32(mine)).to.equal(2 | (31 << 16));
          });
          expect((yield* wait4(c, d))[1]).to.equal(0);
        }),
      ).to.equal(0);
    });
  });

  it('lets a process that sleeps run soon among busy ones', () => {
    inInit(
      function* (g: Guest) {
        for (let i = 0; i < 5; i++) yield* fork(g, forever);
        let worst = 0;
        for (let i = 0; i < 50; i++) {
          const t = yield* now(g);
          yield* nanosleep(g, 20 * MS);
          worst = Math.max(worst, (yield* now(g)) - t - 20 * MS);
          yield* g.compute(0.1 * MS);
        }
        expect(worst).to.be.below(11 * MS);
      },
      { ncpus: 2 },
    );
  });

  it('sched_yield lets the others run first', () => {
    inInit(function* (g: Guest) {
      const order: string[] = [];
      const kids: number[] = [];
      for (const name of ['a', 'b'])
        kids.push(
          yield* fork(g, function* (c: Guest) {
            for (let i = 0; i < 3; i++) {
              order.push(name);
              yield* c.compute(MS);
              yield* must(c, 'sched_yield');
            }
          }),
        );
      for (const k of kids) yield* wait4(g, k);
      expect(order.join('')).to.be.oneOf(['ababab', 'bababa']);
    });
  });

  it('does not tick while everything sleeps', () => {
    const run = (ns: number): number =>
      inInit(function* (g: Guest) {
        yield* nanosleep(g, ns);
      }).sim.log.length;
    expect(run(600e9)).to.be.below(run(1e6) + 10);
  });
});

describe('limits of memory and threads', () => {
  it('refuses or kills a process that allocates without end; the kernel goes on', () => {
    const k = inInit(
      function* (g: Guest) {
        const status = yield* inChild(g, function* (c: Guest) {
          for (;;) {
            const a = yield* sys(c, 'mmap', 0, 2 ** 20, 3, 0x1002, -1, 0, 0);
            if (a < 0) {
              expect(a).to.equal(-ENOMEM.errno);
              yield* must(c, 'exit', 1);
            }
            for (let i = 0; i < 256; i++) yield* c.touch(a + i * 4096, true);
          }
        });
        expect([SIGKILL, 1 << 8]).to.include(status);
        const ok = yield* inChild(g, function* (c: Guest) {
          const a = yield* mmapAnon(c, 2 ** 20);
          for (let i = 0; i < 256; i++) yield* c.write32(a + i * 4096, i);
        });
        expect(ok).to.equal(0);
      },
      { memoryBytes: 16 * 2 ** 20 },
    );
    expect(k.messages()).to.match(/out of memory/);
  });

  it('goes on when forking and copying runs out of memory', () => {
    inInit(
      function* (g: Guest) {
        const big = yield* mmapAnon(g, 2 * 2 ** 20);
        for (let i = 0; i < 512; i++) yield* g.write32(big + i * 4096, i);
        const kids: number[] = [];
        for (let i = 0; i < 20; i++) {
          const r = yield* g.fork(function* (c: Guest) {
            for (let j = 0; j < 512; j++) yield* c.write32(big + j * 4096, -1);
            yield* nanosleep(c, 10e9);
          });
          if (r > 0) kids.push(r);
          else expect([-ENOMEM.errno, -EAGAIN.errno]).to.include(r);
        }
        for (const k of kids) {
          const [, status] = yield* wait4(g, k);
          expect([0, SIGKILL]).to.include(status);
        }
        for (let i = 0; i < 512; i += 37) expect(yield* g.read32(big + i * 4096)).to.equal(i);
      },
      { memoryBytes: 16 * 2 ** 20 },
    );
  });

  it('counts threads that come and go', () => {
    const k = inInit(function* (g: Guest) {
      expect(
        yield* inChild(g, function* (c: Guest) {
          for (let i = 0; i < 50; i++) {
            const flag = yield* mmapAnon(c, 4096);
            yield* thread(c, function* (t: Guest) {
              yield* threadExit(t, flag, 1);
            });
            while ((yield* c.read32(flag)) === 0) yield* sys(c, 'sched_yield');
            yield* must(c, 'munmap', flag, 4096);
          }
          yield* must(c, 'exit', 0);
        }),
      ).to.equal(0);
    });
    expect(k.sim.lwps.size).to.equal(1);
  });
});
