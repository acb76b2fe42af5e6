import { expect } from 'chai';
import { Reg } from '../../vkernel/machine/machine.js';
import type { Guest, GuestCode, Script } from '../../vkernel/machine/sim/guest.js';
import { EFAULT, EINVAL, EPERM, ESRCH } from '../../vkernel/sys/errno.js';
import { SIGALRM, SIGPROF, SIGVTALRM } from '../../vkernel/sys/signal.js';
import { execve, fork, inInit, must, nanosleep, now, sigaction, sys, timespec, timeval, wait4 } from './kit.js';

const MS = 1e6;
const BASE = 1_700_000_000_000_000_000n;

function* clock(g: Guest, id: number): GuestCode<bigint> {
  const sp = g.reg(Reg.RSP);
  const at = g.alloc(16);
  yield* must(g, 'clock_gettime', id, at);
  const b = yield* g.read(at, 16);
  g.setReg(Reg.RSP, sp);
  const v = new DataView(b.buffer);
  return v.getBigInt64(0, true) * 1_000_000_000n + v.getBigInt64(8, true);
}

const itimer = (valueNs: number, everyNs = 0): Uint8Array => {
  const b = new Uint8Array(32);
  b.set(timeval(everyNs), 0);
  b.set(timeval(valueNs), 16);
  return b;
};

describe('nanosleep', () => {
  it('sleeps as long as asked on the virtual clock', () => {
    const k = inInit(function* (g: Guest) {
      for (const ns of [1, 1000, 5 * MS, 1e9, 3600e9]) {
        const t = yield* now(g);
        expect(yield* nanosleep(g, ns)).to.equal(0);
        expect((yield* now(g)) - t).to.be.within(ns, ns + 10_000);
      }
      const t = yield* now(g);
      expect(yield* nanosleep(g, 0)).to.equal(0);
      expect(yield* now(g)).to.equal(t);
    });
    expect(k.sim.now()).to.be.within(3601e9, 3602e9);
  });

  it('checks its argument', () => {
    inInit(function* (g: Guest) {
      const ts = (s: bigint, ns: bigint): Uint8Array => {
        const b = new Uint8Array(16);
        new DataView(b.buffer).setBigInt64(0, s, true);
        new DataView(b.buffer).setBigInt64(8, ns, true);
        return b;
      };
      for (const bad of [ts(0n, 1_000_000_000n), ts(0n, -1n), ts(-1n, 0n)]) {
        expect(yield* sys(g, 'nanosleep', bad, 0)).to.equal(-EINVAL.errno);
        expect(yield* sys(g, 'clock_nanosleep', 4, 0, bad, 0)).to.equal(EINVAL.errno);
      }
      expect(yield* sys(g, 'nanosleep', 0x10, 0)).to.equal(-EFAULT.errno);
      expect(yield* sys(g, 'clock_nanosleep', 77, 0, ts(0n, 1n), 0)).to.equal(EINVAL.errno);
      expect(yield* sys(g, 'clock_nanosleep', 4, 0, 0x10, 0)).to.equal(EFAULT.errno);
    });
  });

  it('clock_nanosleep sleeps until a time with TIMER_ABSTIME', () => {
    inInit(function* (g: Guest) {
      yield* nanosleep(g, 30 * MS);
      expect(yield* sys(g, 'clock_nanosleep', 4, 1, timespec(100 * MS), 0)).to.equal(0);
      expect(yield* now(g)).to.be.within(100 * MS, 100.1 * MS);
      expect(yield* sys(g, 'clock_nanosleep', 4, 1, timespec(50 * MS), 0)).to.equal(0);
      expect(yield* now(g)).to.be.below(100.2 * MS);
      const wall = Number(BASE) + 200 * MS;
      expect(yield* sys(g, 'clock_nanosleep', 0, 1, timespec(wall), 0)).to.equal(0);
      expect(yield* now(g)).to.be.within(199.9 * MS, 200.1 * MS);
    });
  });
});

describe('clocks', () => {
  it('tell wall, monotonic and cpu time', () => {
    inInit(function* (g: Guest) {
      expect(yield* clock(g, 0)).to.equal(BASE);
      yield* nanosleep(g, 1.5e9);
      expect(Number((yield* clock(g, 0)) - BASE)).to.be.within(1.5e9, 1.51e9);
      expect(Number(yield* clock(g, 4))).to.be.within(1.5e9, 1.51e9);
      expect((yield* clock(g, 13)) - BASE).to.equal(1_000_000_000n);
      const cpu = yield* clock(g, 15);
      yield* g.compute(250 * MS);
      expect(Number((yield* clock(g, 15)) - cpu)).to.be.within(250 * MS, 251 * MS);
      expect(Number((yield* clock(g, 14)) - cpu)).to.be.within(250 * MS, 251 * MS);
      expect(yield* sys(g, 'clock_gettime', 3, 0x10)).to.equal(-EINVAL.errno);
      expect(yield* sys(g, 'clock_gettime', 0, 0x10)).to.equal(-EFAULT.errno);
      const tv = g.alloc(16);
      yield* must(g, 'gettimeofday', tv, 0);
      expect(yield* g.read64(tv)).to.equal(1_700_000_001);
    });
  });

  it('getcpuclockid names the clock of a process or a thread', () => {
    inInit(function* (g: Guest) {
      const pid = yield* fork(g, function* (c: Guest) {
        yield* c.compute(100 * MS);
        yield* nanosleep(c, 1e9);
      });
      yield* nanosleep(g, 300 * MS);
      const at = g.alloc(16);
      for (const tid of [0, 1]) {
        yield* must(g, 'getcpuclockid', pid, tid, at);
        const id = yield* g.read64(at);
        expect(id).to.equal(tid * 2 ** 32 + 2 ** 31 + pid);
        expect(Number(yield* clock(g, id))).to.be.within(100 * MS, 101 * MS);
      }
      expect(yield* sys(g, 'getcpuclockid', pid, 7, at)).to.equal(-ESRCH.errno);
      expect(yield* sys(g, 'getcpuclockid', 999, 0, at)).to.equal(-ESRCH.errno);
    });
  });

  it('can be set by root only', () => {
    inInit(function* (g: Guest) {
      yield* must(g, 'settimeofday', timeval(1_800_000_000e9), 0);
      expect(Number(yield* clock(g, 0))).to.be.within(1_800_000_000e9 - 1e6, 1_800_000_000e9 + 1e9);
      expect(Number(yield* clock(g, 4))).to.be.below(1e9);
      const pid = yield* fork(g, function* (c: Guest) {
        yield* must(c, 'setuid', 5);
        expect(yield* sys(c, 'settimeofday', timeval(0), 0)).to.equal(-EPERM.errno);
      });
      expect((yield* wait4(g, pid))[1]).to.equal(0);
    });
  });
});

describe('interval timers', () => {
  it('ITIMER_REAL fires once, or again and again, and tells what is left', () => {
    inInit(function* (g: Guest) {
      const at: number[] = [];
      yield* sigaction(g, SIGALRM, function* (h: Guest) {
        at.push(Math.round((yield* now(h)) / MS));
      });
      yield* must(g, 'setitimer', 0, itimer(30 * MS), 0);
      yield* nanosleep(g, 10 * MS);
      const left = g.alloc(32);
      yield* must(g, 'getitimer', 0, left);
      expect(yield* g.read64(left + 24)).to.be.within(19_900, 20_000);
      expect(yield* nanosleep(g, 100 * MS)).to.be.lessThan(0);
      expect(at).to.deep.equal([30]);
      yield* must(g, 'getitimer', 0, left);
      expect([yield* g.read64(left + 16), yield* g.read64(left + 24)]).to.deep.equal([0, 0]);
      yield* must(g, 'setitimer', 0, itimer(10 * MS, 20 * MS), 0);
      for (let i = 0; i < 4; i++) yield* sys(g, 'sigsuspend', new Uint8Array(16));
      expect(at).to.deep.equal([30, 40, 60, 80, 100]);
      yield* must(g, 'setitimer', 0, itimer(0), left);
      expect(yield* g.read64(left + 8)).to.equal(20_000);
      expect(yield* nanosleep(g, 100 * MS)).to.equal(0);
      expect(at.length).to.equal(5);
      expect(yield* sys(g, 'setitimer', 3, itimer(0), 0)).to.equal(-EINVAL.errno);
      const bad = itimer(0);
      new DataView(bad.buffer).setBigInt64(24, 1_000_000n, true);
      expect(yield* sys(g, 'setitimer', 0, bad, 0)).to.equal(-EINVAL.errno);
    });
  });

  it('ITIMER_VIRTUAL and ITIMER_PROF count cpu time', () => {
    inInit(function* (g: Guest) {
      for (const [which, sig] of [
        [1, SIGVTALRM],
        [2, SIGPROF],
      ]) {
        let n = 0;
        yield* sigaction(g, sig, function* () {
          n++;
        });
        yield* must(g, 'setitimer', which, itimer(50 * MS), 0);
        yield* nanosleep(g, 500 * MS);
        expect(n).to.equal(0);
        yield* g.compute(40 * MS);
        expect(n).to.equal(0);
        yield* g.compute(20 * MS);
        expect(n).to.equal(1);
      }
    });
  });

  it('kill without a handler; are not inherited by fork; survive exec', () => {
    inInit(
      function* (g: Guest) {
        const kid = function* (body: Script): GuestCode<number> {
          const pid = yield* fork(g, body);
          return (yield* wait4(g, pid))[1];
        };
        expect(
          yield* kid(function* (c: Guest) {
            yield* must(c, 'setitimer', 0, itimer(10 * MS), 0);
            yield* c.compute(Infinity);
          }),
        ).to.equal(SIGALRM);
        expect(
          yield* kid(function* (c: Guest) {
            yield* must(c, 'setitimer', 0, itimer(10 * MS), 0);
            const d = yield* fork(c, function* (e: Guest) {
              yield* nanosleep(e, 50 * MS);
            });
            yield* must(c, 'setitimer', 0, itimer(0), 0);
            expect(yield* wait4(c, d)).to.deep.equal([d, 0]);
          }),
        ).to.equal(0);
        expect(
          yield* kid(function* (c: Guest) {
            yield* must(c, 'setitimer', 0, itimer(10 * MS), 0);
            yield* execve(c, '/bin/x', ['x']);
          }),
        ).to.equal(SIGALRM);
      },
      {
        programs: {
          '/bin/x': function* (g: Guest) {
            yield* nanosleep(g, 1e9);
          },
        },
      },
    );
  });

  it('of a dead process do not fire', () => {
    const k = inInit(function* (g: Guest) {
      const pid = yield* fork(g, function* (c: Guest) {
        yield* must(c, 'setitimer', 0, itimer(100 * MS, 10 * MS), 0);
      });
      yield* wait4(g, pid);
      yield* nanosleep(g, 1e9);
    });
    expect(k.gd.callouts.heap.size).to.be.below(3);
  });
});
