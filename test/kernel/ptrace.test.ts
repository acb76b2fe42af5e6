import { expect } from 'chai';
import { Reg } from '../../vkernel/machine/machine.js';
import type { Guest, GuestCode } from '../../vkernel/machine/sim/guest.js';
import { execve, exited, fork, inInit, must, nanosleep, sigaction, stopped, sys, wait4 } from './kit.js';

const [TRACE_ME, READ_D, WRITE_D, CONTINUE, KILL, ATTACH, DETACH, IO, GETREGS, SETREGS] = [
  0, 2, 5, 7, 8, 10, 11, 12, 33, 34,
];
const [EPERM, ESRCH, EBUSY, EINVAL] = [1, 3, 16, 22];
const [SIGTRAP, SIGKILL, SIGSTOP, SIGUSR1, SIGUSR2] = [5, 9, 17, 30, 31];
const WNOHANG = 1;

function* ptrace(g: Guest, req: number, pid: number, addr = 0, data = 0): GuestCode<number> {
  return yield* sys(g, 'ptrace', req, pid, addr, data);
}

describe('ptrace', () => {
  it('stops a child at exec and at signals, which the tracer passes on, changes or drops', () => {
    inInit(
      function* (g) {
        const pid = yield* fork(g, function* (c) {
          yield* must(c, 'ptrace', TRACE_ME, 0, 0, 0);
          yield* execve(c, '/bin/x', ['x']);
        });
        expect(yield* wait4(g, pid)).to.deep.equal([pid, stopped(SIGTRAP)]);
        expect(yield* ptrace(g, CONTINUE, pid, 1, 999)).to.equal(-EINVAL);
        yield* must(g, 'ptrace', CONTINUE, pid, 1, 0);
        // It sends itself USR1 three times: passed on, dropped, turned into USR2.
        for (const sig of [SIGUSR1, 0, SIGUSR2]) {
          expect(yield* wait4(g, pid)).to.deep.equal([pid, stopped(SIGUSR1)]);
          yield* must(g, 'ptrace', CONTINUE, pid, 1, sig);
        }
        expect(yield* wait4(g, pid)).to.deep.equal([pid, exited(12)]);
      },
      {
        programs: {
          '/bin/x': function* (g) {
            let seen = 0;
            yield* sigaction(g, SIGUSR1, function* () {
              seen += 2;
            });
            yield* sigaction(g, SIGUSR2, function* () {
              seen += 10;
            });
            const me = yield* must(g, 'getpid');
            for (let i = 0; i < 3; i++) yield* must(g, 'kill', me, SIGUSR1);
            yield* sys(g, 'exit', seen);
          },
        },
      },
    );
  });
  it('reads and writes memory and registers of a stopped process', () => {
    inInit(function* (g) {
      const at = g.alloc(16);
      yield* g.write32(at, 1111);
      const pid = yield* fork(g, function* (c) {
        yield* must(c, 'ptrace', TRACE_ME, 0, 0, 0);
        yield* must(c, 'kill', yield* must(c, 'getpid'), SIGUSR1);
        expect(yield* c.read32(at)).to.equal(2222);
      });
      expect(yield* wait4(g, pid)).to.deep.equal([pid, stopped(SIGUSR1)]);
      expect(yield* ptrace(g, READ_D, pid, at)).to.equal(1111);
      yield* must(g, 'ptrace', WRITE_D, pid, at, 2222);
      expect(yield* g.read32(at)).to.equal(1111);
      expect(yield* ptrace(g, READ_D, pid, 16)).to.equal(-14);
      const regs = g.alloc(200);
      yield* must(g, 'ptrace', GETREGS, pid, regs, 0);
      expect(yield* g.read64(regs + Reg.RSP * 8)).to.be.greaterThan(0x7fff00000000);
      yield* must(g, 'ptrace', SETREGS, pid, regs, 0);
      // A stack pointer beyond the user's range is refused.
      yield* g.write(regs + Reg.RSP * 8, new Uint8Array(8).fill(0xff));
      expect(yield* ptrace(g, SETREGS, pid, regs)).to.equal(-EINVAL);
      const desc = new Uint8Array(32);
      const v = new DataView(desc.buffer);
      const mine = g.alloc(16);
      v.setInt32(0, 1, true);
      v.setBigUint64(8, BigInt(at), true);
      v.setBigUint64(16, BigInt(mine), true);
      v.setBigUint64(24, 4n, true);
      yield* must(g, 'ptrace', IO, pid, yield* g.bytes(desc), 0);
      expect(yield* g.read32(mine)).to.equal(2222);
      yield* must(g, 'ptrace', CONTINUE, pid, 1, 0);
      expect(yield* wait4(g, pid)).to.deep.equal([pid, exited(0)]);
    });
  });
  it('attaches to a process of another parent, and gives it back', () => {
    inInit(function* (g) {
      const pid = yield* fork(g, function* (c) {
        for (let i = 0; i < 20; i++) yield* nanosleep(c, 1e9);
      });
      const tracer = yield* fork(g, function* (t) {
        expect(yield* ptrace(t, CONTINUE, pid, 1)).to.equal(-EPERM);
        yield* must(t, 'ptrace', ATTACH, pid, 0, 0);
        expect(yield* ptrace(t, ATTACH, pid)).to.equal(-EBUSY);
        expect(yield* wait4(t, pid)).to.deep.equal([pid, stopped(SIGSTOP)]);
        expect((yield* wait4(t, pid, WNOHANG))[0]).to.equal(0);
        yield* must(t, 'ptrace', DETACH, pid, 1, 0);
        expect((yield* wait4(t, pid))[0]).to.equal(-10);
      });
      expect(yield* wait4(g, tracer)).to.deep.equal([tracer, exited(0)]);
      expect(yield* wait4(g, pid)).to.deep.equal([pid, exited(0)]);
      expect(yield* ptrace(g, ATTACH, 1)).to.equal(-EINVAL);
      expect(yield* ptrace(g, ATTACH, 999)).to.equal(-ESRCH);
    });
  });
  it('reports the end of an attached process to tracer and parent, and kills what a dead tracer leaves', () => {
    inInit(function* (g) {
      const sleeper = function* (c: Guest): GuestCode<void> {
        yield* nanosleep(c, 1000e9);
      };
      const a = yield* fork(g, sleeper);
      const b = yield* fork(g, sleeper);
      const tracer = yield* fork(g, function* (t) {
        for (const pid of [a, b]) {
          yield* must(t, 'ptrace', ATTACH, pid, 0, 0);
          expect(yield* wait4(t, pid)).to.deep.equal([pid, stopped(SIGSTOP)]);
        }
        yield* must(t, 'ptrace', KILL, a, 1, 0);
        expect(yield* wait4(t, a)).to.deep.equal([a, SIGKILL]);
      });
      expect(yield* wait4(g, a)).to.deep.equal([a, SIGKILL]);
      expect(yield* wait4(g, tracer)).to.deep.equal([tracer, exited(0)]);
      expect(yield* wait4(g, b)).to.deep.equal([b, SIGKILL]);
      const user = yield* fork(g, function* (c) {
        yield* must(c, 'setuid', 7);
        expect(yield* ptrace(c, ATTACH, 1)).to.equal(-EPERM);
      });
      expect(yield* wait4(g, user)).to.deep.equal([user, exited(0)]);
    });
  });
});
