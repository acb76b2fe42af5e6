import { expect } from 'chai';
import { Reg, TrapNo } from '../../vkernel/machine/machine.js';
import { SIM_DATA } from '../../vkernel/machine/sim/sim_program.js';
import type { Guest, GuestCode, Script } from '../../vkernel/machine/sim/guest.js';
import { KernelPanic } from '../../vkernel/kern/kern_shutdown.js';
import { EAGAIN, EFAULT, EINTR, EINVAL, ENOMEM, EPERM, ESRCH } from '../../vkernel/sys/errno.js';
import * as S from '../../vkernel/sys/signal.js';
import {
  MAP_ANON,
  MAP_PRIVATE,
  SIG_BLOCK,
  SIG_SETMASK,
  SIG_UNBLOCK,
  bootSim,
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
  sigset,
  stopped,
  sys,
  syscall,
  thread,
  threadExit,
  timespec,
  wait4,
} from './kit.js';

const MS = 1e6;
const WUNTRACED = 2;
const WNOHANG = 1;
const USRSTACK = 0x7fffffe00000;
const TRAMPOLINE = 0x7fffffdfe000;
const { SIGUSR1, SIGUSR2, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGKILL, SIGSTOP, SIGCONT, SIGTERM, SIGHUP } = S;

const forever: Script = function* (c: Guest) {
  yield* c.compute(Infinity);
};

/** A child runs `body`; its wait status. */
function* inChild(g: Guest, body: Script): GuestCode<number> {
  const pid = yield* fork(g, body);
  const [r, status] = yield* wait4(g, pid);
  expect(r).to.equal(pid);
  return status;
}

function* mask(g: Guest): GuestCode<number[]> {
  const sp = g.reg(Reg.RSP);
  const at = g.alloc(16);
  yield* must(g, 'sigprocmask', 0, 0, at);
  const b = yield* g.read(at, 16);
  g.setReg(Reg.RSP, sp);
  const out: number[] = [];
  for (let s = 1; s <= 128; s++) if ((b[(s - 1) >> 3] & (1 << ((s - 1) & 7))) !== 0) out.push(s);
  return out;
}

function* pending(g: Guest): GuestCode<number> {
  const sp = g.reg(Reg.RSP);
  const at = g.alloc(16);
  yield* must(g, 'sigpending', at);
  const b = yield* g.read32(at);
  g.setReg(Reg.RSP, sp);
  return b;
}

describe('signal delivery', () => {
  it('builds the frame of the ABI and enters the handler through the trampoline', () => {
    for (const partialRate of [0, 1])
      inInit(
        function* (g: Guest) {
          let seen = 0;
          const handler: Script = function* (h: Guest) {
            seen++;
            const frame = h.reg(Reg.RSP) + 8;
            expect(h.reg(Reg.RSP) % 16).to.equal(8);
            expect(h.arg(0)).to.equal(SIGUSR1);
            expect(h.arg(1)).to.equal(frame + 1472);
            expect(h.arg(2)).to.equal(frame + 64);
            expect(h.arg(3)).to.equal(0);
            expect(frame).to.equal(Math.floor((rsp - 128 - 1600) / 16) * 16);
            const rbx = h.reg(Reg.RBX);
            const f = yield* h.read(frame, 1600);
            const v = new DataView(f.buffer);
            const q = (o: number): number => Number(v.getBigUint64(o, true));
            expect(q(0)).to.equal(h.addr(handler));
            // ucontext: mask, onstack, registers, lengths.
            expect(v.getUint32(64, true)).to.equal(1 << (S.SIGHUP - 1));
            expect(v.getUint32(128, true)).to.equal(0);
            expect(q(136 + Reg.RBX * 8)).to.equal(0xabcdef0123);
            expect(rbx).to.equal(0xabcdef0123);
            expect(q(136 + Reg.RSP * 8)).to.equal(rsp);
            expect(q(136 + Reg.RIP * 8)).to.equal(rip + 2);
            expect(q(136 + Reg.RAX * 8)).to.equal(0);
            expect(v.getUint32(136 + Reg.RFLAGS * 8, true) & 1).to.equal(0);
            expect([v.getUint32(336, true), v.getUint32(340, true), v.getUint32(344, true)]).to.deep.equal([
              1280, 0x10003, 0x20001,
            ]);
            expect(v.getUint16(384, true)).to.equal(0x37f);
            expect(v.getUint32(1432, true)).to.equal(4);
            // siginfo: number, errno, code, pid, uid
            expect([0, 4, 8, 12, 16].map((o) => v.getInt32(1472 + o, true))).to.deep.equal([SIGUSR1, 0, 0, 1, 0]);
            expect(yield* mask(h)).to.deep.equal([S.SIGHUP, S.SIGTERM, SIGUSR1]);
          };
          yield* sigaction(g, SIGUSR1, handler, S.SA_SIGINFO, [S.SIGTERM, SIGKILL, SIGSTOP]);
          yield* sigprocmask(g, SIG_BLOCK, S.SIGHUP);
          g.setReg(Reg.RBX, 0xabcdef0123);
          const rsp = g.reg(Reg.RSP);
          const rip = g.reg(Reg.RIP);
          expect(yield* g.sys(num('kill'), 1, SIGUSR1)).to.equal(0);
          expect(seen).to.equal(1);
          expect(yield* mask(g)).to.deep.equal([S.SIGHUP]);
          expect(g.reg(Reg.RBX)).to.equal(0xabcdef0123);
        },
        { partialRate },
      );
  });

  it('passes the code instead of a siginfo without SA_SIGINFO', () => {
    inInit(function* (g: Guest) {
      let rsi = -1;
      yield* sigaction(g, SIGUSR1, function* (h: Guest) {
        rsi = h.arg(1);
      });
      yield* must(g, 'kill', 1, SIGUSR1);
      expect(rsi).to.equal(0);
    });
  });

  it('maps the trampoline read-only with the code of the ABI', () => {
    inInit(function* (g: Guest) {
      expect([...(yield* g.read(TRAMPOLINE, 22))]).to.deep.equal([
        0xff, 0x14, 0x24, 0x48, 0x8d, 0x7c, 0x24, 0x40, 0x6a, 0x00, 0x48, 0xc7, 0xc0, 0x58, 0x01, 0x00, 0x00, 0x0f,
        0x05, 0xf4, 0xeb, 0xfd,
      ]);
      expect(
        yield* inChild(g, function* (c: Guest) {
          yield* c.write(TRAMPOLINE, new Uint8Array([0x90]));
        }),
      ).to.equal(SIGSEGV);
    });
  });

  it('delivers the lowest number first, each once however often it was sent', () => {
    inInit(function* (g: Guest) {
      const order: number[] = [];
      const note: Script = function* (h: Guest) {
        order.push(h.arg(0));
      };
      const all = [2, 15, 30, 31, 64, 126];
      for (const s of all) yield* sigaction(g, s, note, 0, all);
      yield* sigprocmask(g, SIG_BLOCK, ...all);
      for (const s of [...all].reverse()) for (let i = 0; i < 2; i++) yield* must(g, 'kill', 1, s);
      expect((yield* pending(g)) >>> 0).to.equal(((1 << 1) | (1 << 14) | (1 << 29) | (1 << 30)) >>> 0);
      expect(order).to.deep.equal([]);
      yield* sigprocmask(g, SIG_UNBLOCK, ...all);
      // Frames are stacked: the last one pushed runs first, unless its mask holds the others back.
      expect(order).to.deep.equal(all);
      expect(yield* pending(g)).to.equal(0);
    });
  });

  it('masks the signal in its handler unless SA_NODEFER, and resets with SA_RESETHAND', () => {
    inInit(function* (g: Guest) {
      let depth = 0;
      let max = 0;
      const again: Script = function* (h: Guest) {
        max = Math.max(max, ++depth);
        if (depth < 3 && max < 3) yield* must(h, 'kill', 1, SIGUSR1);
        depth--;
      };
      yield* sigaction(g, SIGUSR1, again, S.SA_NODEFER);
      yield* must(g, 'kill', 1, SIGUSR1);
      expect(max).to.equal(3);
      max = 0;
      let n = 0;
      yield* sigaction(g, SIGUSR1, function* (h: Guest) {
        max = Math.max(max, ++depth);
        if (++n < 3) yield* must(h, 'kill', 1, SIGUSR1);
        depth--;
      });
      yield* must(g, 'kill', 1, SIGUSR1);
      expect([max, n]).to.deep.equal([1, 3]);
      const status = yield* inChild(g, function* (c: Guest) {
        const me = yield* must(c, 'getpid');
        yield* sigaction(c, SIGUSR1, function* () {}, S.SA_RESETHAND);
        yield* must(c, 'kill', me, SIGUSR1);
        const old = c.alloc(32);
        yield* must(c, 'sigaction', SIGUSR1, 0, old);
        expect(yield* c.read64(old)).to.equal(0);
        yield* must(c, 'kill', me, SIGUSR1);
      });
      expect(status).to.equal(SIGUSR1);
    });
  });

  it('uses the alternate stack with SA_ONSTACK only, once', () => {
    inInit(function* (g: Guest) {
      const alt = yield* mmapAnon(g, 65536);
      const ss = (sp: number, size: number, flags: number): Uint8Array => {
        const b = new Uint8Array(24);
        const v = new DataView(b.buffer);
        v.setBigUint64(0, BigInt(sp), true);
        v.setBigUint64(8, BigInt(size), true);
        v.setInt32(16, flags, true);
        return b;
      };
      expect(yield* sys(g, 'sigaltstack', ss(alt, 8191, 0), 0)).to.equal(-ENOMEM.errno);
      expect(yield* sys(g, 'sigaltstack', ss(alt, 65536, 1), 0)).to.equal(-EINVAL.errno);
      yield* must(g, 'sigaltstack', ss(alt, 65536, 0), 0);
      const at: number[] = [];
      const onstack: number[] = [];
      const look: Script = function* (h: Guest) {
        const frame = h.reg(Reg.RSP) + 8;
        at.push(frame);
        onstack.push(yield* h.read32(frame + 128));
        if (h.arg(0) === SIGUSR1) {
          expect(yield* sys(h, 'sigaltstack', ss(0, 0, 4), 0)).to.equal(-EPERM.errno);
          yield* must(h, 'kill', 1, SIGUSR2);
        }
      };
      yield* sigaction(g, SIGUSR1, look, S.SA_ONSTACK);
      yield* sigaction(g, SIGUSR2, look, S.SA_ONSTACK);
      yield* must(g, 'kill', 1, SIGUSR1);
      expect(at[0]).to.equal(Math.floor((alt + 65536 - 1600) / 16) * 16);
      expect(at[1]).to.be.lessThan(at[0]).and.greaterThan(alt);
      expect(onstack).to.deep.equal([0, 1]);
      yield* must(g, 'kill', 1, SIGUSR2);
      expect(at[2]).to.equal(at[0]);
      yield* sigaction(g, SIGUSR2, look, 0);
      yield* must(g, 'kill', 1, SIGUSR2);
      expect(at[3]).to.be.greaterThan(USRSTACK - 2 ** 20);
      // Forked children keep it, and disabling works off the stack.
      const status = yield* inChild(g, function* (c: Guest) {
        const old = c.alloc(24);
        yield* must(c, 'sigaltstack', 0, old);
        expect(yield* c.read64(old)).to.equal(alt);
        expect(yield* c.read32(old + 16)).to.equal(0);
        yield* must(c, 'sigaltstack', ss(0, 0, 4), 0);
        yield* must(c, 'sigaltstack', 0, old);
        expect(yield* c.read32(old + 16)).to.equal(4);
      });
      expect(status).to.equal(0);
    });
  });

  it('kills with SIGILL when the frame cannot be written', () => {
    inInit(function* (g: Guest) {
      const status = yield* inChild(g, function* (c: Guest) {
        yield* sigaction(c, SIGUSR1, function* () {});
        const me = yield* must(c, 'getpid');
        c.setReg(Reg.RSP, 0x1000);
        yield* c.sys(num('kill'), me, SIGUSR1);
      });
      expect(status).to.equal(SIGILL);
    });
  });

  it('interrupts guest code that computes, and lets it go on', () => {
    inInit(function* (g: Guest) {
      let n = 0;
      const pid = yield* fork(g, function* (c: Guest) {
        yield* sigaction(c, SIGUSR1, function* () {
          n++;
        });
        yield* c.compute(100 * MS);
        expect(n).to.equal(3);
        yield* must(c, 'exit', 2);
      });
      for (let i = 0; i < 3; i++) {
        yield* nanosleep(g, 20 * MS);
        yield* must(g, 'kill', pid, SIGUSR1);
      }
      expect(yield* wait4(g, pid)).to.deep.equal([pid, exited(2)]);
    });
  });

  it('finds a thread that does not block the signal', () => {
    inInit(function* (g: Guest) {
      const pid = yield* fork(g, function* (c: Guest) {
        const got: number[] = [];
        yield* sigaction(c, SIGUSR1, function* (h: Guest) {
          got.push(yield* must(h, 'lwp_gettid'));
        });
        yield* thread(c, function* (t: Guest) {
          for (let i = 0; i < 10; i++) yield* nanosleep(t, 10 * MS);
          yield* threadExit(t);
        });
        yield* sigprocmask(c, SIG_BLOCK, SIGUSR1);
        yield* nanosleep(c, 5 * MS);
        yield* must(c, 'kill', yield* must(c, 'getpid'), SIGUSR1);
        yield* nanosleep(c, 50 * MS);
        expect(got).to.deep.equal([2]);
        // To a thread: stays with it.
        yield* must(c, 'lwp_kill', -1, 1, SIGUSR1);
        yield* nanosleep(c, 20 * MS);
        expect(got).to.deep.equal([2]);
        yield* sigprocmask(c, SIG_UNBLOCK, SIGUSR1);
        expect(got).to.deep.equal([2, 1]);
        expect(yield* sys(c, 'lwp_kill', -1, -1, SIGUSR1)).to.equal(-EINVAL.errno);
        expect(yield* sys(c, 'lwp_kill', -1, 7, SIGUSR1)).to.equal(-ESRCH.errno);
        expect(yield* sys(c, 'lwp_kill', 1, 1, 0)).to.equal(0);
      });
      expect(yield* wait4(g, pid)).to.deep.equal([pid, 0]);
    });
  });

  it('keeps a thread-directed signal on its thread when the frame was partial', () => {
    for (let seed = 1; seed <= 5; seed++)
      inInit(
        function* (g: Guest) {
          const status = yield* inChild(g, function* (c: Guest) {
            const got: number[] = [];
            yield* sigaction(c, SIGUSR1, function* (h: Guest) {
              got.push(yield* must(h, 'lwp_gettid'));
            });
            yield* thread(c, forever);
            yield* thread(c, forever);
            for (let i = 0; i < 5; i++) yield* must(c, 'lwp_kill', -1, 1, SIGUSR1);
            expect(got).to.deep.equal([1, 1, 1, 1, 1]);
          });
          expect(status).to.equal(0);
        },
        { seed, partialRate: 1, ncpus: 2 },
      );
  });
});

describe('interrupted calls', () => {
  /** How a call that sleeps ends when SIGUSR1 comes, without and with SA_RESTART: result or minus errno, handled. */
  function ends(
    call: (c: Guest) => GuestCode<number>,
    flags: number,
    wake?: (g: Guest, pid: number) => GuestCode<void>,
  ) {
    let out: [number, number] = [0, 0];
    inInit(function* (g: Guest) {
      const pid = yield* fork(g, function* (c: Guest) {
        let n = 0;
        yield* sigaction(
          c,
          SIGUSR1,
          function* () {
            n++;
          },
          flags,
        );
        out = [yield* call(c), n];
      });
      yield* nanosleep(g, 20 * MS);
      yield* must(g, 'kill', pid, SIGUSR1);
      yield* nanosleep(g, 20 * MS);
      if (wake !== undefined) yield* wake(g, pid);
      const [, status] = yield* wait4(g, pid);
      expect(status).to.equal(0);
    });
    return out;
  }

  const wait: (c: Guest) => GuestCode<number> = function* (c) {
    const k = yield* fork(c, function* (d: Guest) {
      yield* nanosleep(d, 60 * MS);
      yield* must(d, 'exit', 1);
    });
    const [r] = yield* wait4(c, k);
    return r === k ? 1 : r;
  };

  it('wait4: EINTR, or restarted', () => {
    expect(ends(wait, 0)).to.deep.equal([-EINTR.errno, 1]);
    expect(ends(wait, S.SA_RESTART)).to.deep.equal([1, 1]);
  });

  it('nanosleep: EINTR always, with what was left', () => {
    for (const flags of [0, S.SA_RESTART]) {
      let left = 0;
      const out = ends(function* (c) {
        const rm = c.alloc(16);
        const r = yield* sys(c, 'nanosleep', timespec(10e9), rm);
        left = (yield* c.read64(rm)) * 1e9 + (yield* c.read64(rm + 8));
        return r;
      }, flags);
      expect(out).to.deep.equal([-EINTR.errno, 1]);
      expect(left).to.be.within(10e9 - 22 * MS, 10e9 - 18 * MS);
    }
  });

  it('clock_nanosleep: EINTR as a result', () => {
    expect(
      ends(function* (c) {
        return yield* sys(c, 'clock_nanosleep', 4, 0, timespec(10e9), 0);
      }, S.SA_RESTART),
    ).to.deep.equal([EINTR.errno, 1]);
  });

  it('umtx_sleep and sigsuspend: EINTR always', () => {
    for (const flags of [0, S.SA_RESTART]) {
      expect(
        ends(function* (c) {
          return yield* sys(c, 'umtx_sleep', SIM_DATA, 0, 1_000_000);
        }, flags),
      ).to.deep.equal([-EINTR.errno, 1]);
      expect(
        ends(function* (c) {
          return yield* sys(c, 'sigsuspend', sigset());
        }, flags),
      ).to.deep.equal([-EINTR.errno, 1]);
    }
  });

  it('saves the context of the call as the ABI says', () => {
    for (const flags of [0, S.SA_RESTART])
      inInit(function* (g: Guest) {
        const pid = yield* fork(g, function* (c: Guest) {
          const k = yield* fork(c, function* (d: Guest) {
            yield* nanosleep(d, 60 * MS);
          });
          const rip = c.reg(Reg.RIP);
          let checked = false;
          yield* sigaction(
            c,
            SIGUSR1,
            function* (h: Guest) {
              const mc = h.reg(Reg.RSP) + 8 + 136;
              const [pc, rax, r10, fl] = [
                yield* h.read64(mc + Reg.RIP * 8),
                yield* h.read64(mc + Reg.RAX * 8),
                yield* h.read64(mc + Reg.R10 * 8),
                yield* h.read32(mc + Reg.RFLAGS * 8),
              ];
              expect(r10).to.equal(0);
              expect([pc - rip, rax, fl & 1]).to.deep.equal(
                flags === 0 ? [2, EINTR.errno, 1] : [0, num('wait4'), fl & 1],
              );
              checked = true;
            },
            flags,
          );
          const r = yield* g0(c, k);
          expect(r).to.equal(flags === 0 ? -EINTR.errno : k);
          expect(checked).to.equal(true);
          if (flags === 0) yield* wait4(c, k);
        });
        yield* nanosleep(g, 20 * MS);
        yield* must(g, 'kill', pid, SIGUSR1);
        expect(yield* wait4(g, pid)).to.deep.equal([pid, 0]);
      });
    function* g0(c: Guest, k: number): GuestCode<number> {
      return yield* c.sys(num('wait4'), k, 0, 0, 0);
    }
  });

  it('does not end sleeps for stops, continuations and ignored signals', () => {
    inInit(function* (g: Guest) {
      let took = 0;
      const pid = yield* fork(g, function* (c: Guest) {
        yield* sigaction(c, SIGUSR1, S.SIG_IGN);
        const t = yield* now(c);
        expect(yield* nanosleep(c, 100 * MS)).to.equal(0);
        took = (yield* now(c)) - t;
      });
      yield* nanosleep(g, 10 * MS);
      for (const s of [SIGUSR1, S.SIGURG, S.SIGWINCH]) yield* must(g, 'kill', pid, s);
      yield* must(g, 'kill', pid, SIGSTOP);
      expect(yield* wait4(g, pid, WUNTRACED)).to.deep.equal([pid, stopped(SIGSTOP)]);
      yield* nanosleep(g, 10 * MS);
      yield* must(g, 'kill', pid, SIGCONT);
      expect(yield* wait4(g, pid)).to.deep.equal([pid, 0]);
      expect(took).to.be.within(100 * MS, 101 * MS);
    });
  });

  it('restarts after a stop that outlasts the sleep', () => {
    inInit(function* (g: Guest) {
      let back = 0;
      const pid = yield* fork(g, function* (c: Guest) {
        expect(yield* nanosleep(c, 20 * MS)).to.equal(0);
        back = yield* now(c);
      });
      yield* nanosleep(g, 10 * MS);
      yield* must(g, 'kill', pid, SIGSTOP);
      yield* nanosleep(g, 90 * MS);
      expect(back).to.equal(0);
      yield* must(g, 'kill', pid, SIGCONT);
      expect(yield* wait4(g, pid)).to.deep.equal([pid, 0]);
      expect(back).to.be.within(100 * MS, 101 * MS);
    });
  });
});

describe('sigsuspend and sigtimedwait', () => {
  it('sigsuspend swaps the mask, and the frame keeps the old one', () => {
    inInit(function* (g: Guest) {
      let inside: number[] = [];
      let saved = 0;
      yield* sigaction(g, SIGUSR1, function* (h: Guest) {
        saved = yield* h.read32(h.reg(Reg.RSP) + 8 + 64);
        inside = yield* mask(h);
      });
      yield* sigprocmask(g, SIG_BLOCK, SIGUSR1, SIGHUP);
      yield* must(g, 'kill', 1, SIGUSR1);
      expect(yield* sys(g, 'sigsuspend', sigset(S.SIGTERM))).to.equal(-EINTR.errno);
      expect(inside).to.deep.equal([S.SIGTERM, SIGUSR1]);
      expect(saved).to.equal((1 << (SIGUSR1 - 1)) | 1);
      expect(yield* mask(g)).to.deep.equal([SIGHUP, SIGUSR1]);
      // Once more, with the signal coming later.
      const me = yield* fork(g, function* (c: Guest) {
        yield* nanosleep(c, 10 * MS);
        yield* must(c, 'kill', 1, SIGUSR1);
      });
      expect(yield* sys(g, 'sigsuspend', sigset())).to.equal(-EINTR.errno);
      expect(yield* mask(g)).to.deep.equal([SIGHUP, SIGUSR1]);
      yield* wait4(g, me);
    });
  });

  it('sigwaitinfo does not take SIGKILL or SIGSTOP', () => {
    inInit(function* (g: Guest) {
      const pid = yield* fork(g, function* (c: Guest) {
        yield* sys(c, 'sigwaitinfo', sigset(SIGKILL, SIGSTOP, SIGUSR1), 0);
        yield* must(c, 'exit', 1);
      });
      yield* nanosleep(g, MS);
      yield* must(g, 'kill', pid, SIGSTOP);
      expect(yield* wait4(g, pid, WUNTRACED)).to.deep.equal([pid, stopped(SIGSTOP)]);
      yield* must(g, 'kill', pid, SIGCONT);
      yield* nanosleep(g, MS);
      expect((yield* wait4(g, pid, WNOHANG))[0]).to.equal(0);
      yield* must(g, 'kill', pid, SIGKILL);
      expect(yield* wait4(g, pid)).to.deep.equal([pid, SIGKILL]);
    });
  });

  it('sigtimedwait takes pending and later signals, times out, checks its arguments', () => {
    inInit(function* (g: Guest) {
      let handled = 0;
      for (const s of [SIGUSR1, SIGUSR2])
        yield* sigaction(g, s, function* () {
          handled++;
        });
      yield* sigprocmask(g, SIG_BLOCK, SIGUSR1);
      yield* must(g, 'kill', 1, SIGUSR1);
      const info = g.alloc(80);
      expect(yield* sys(g, 'sigtimedwait', sigset(SIGUSR1, SIGTERM), info, timespec(0))).to.equal(SIGUSR1);
      expect(yield* g.read32(info)).to.equal(SIGUSR1);
      expect(yield* sys(g, 'sigtimedwait', sigset(SIGUSR1), 0, timespec(0))).to.equal(-EAGAIN.errno);
      const t = yield* now(g);
      expect(yield* sys(g, 'sigtimedwait', sigset(SIGUSR1), 0, timespec(50 * MS))).to.equal(-EAGAIN.errno);
      expect((yield* now(g)) - t).to.be.within(50 * MS, 51 * MS);
      const bad = timespec(0);
      bad[11] = 0x7f;
      expect(yield* sys(g, 'sigtimedwait', sigset(SIGUSR1), 0, bad)).to.equal(-EINVAL.errno);
      expect(yield* sys(g, 'sigwaitinfo', 0x10, 0)).to.equal(-EFAULT.errno);
      for (const s of [SIGUSR1, SIGUSR2])
        yield* fork(g, function* (c: Guest) {
          yield* nanosleep(c, (s === SIGUSR1 ? 10 : 30) * MS);
          yield* must(c, 'kill', 1, s);
        });
      expect(yield* sys(g, 'sigwaitinfo', sigset(SIGUSR1), 0)).to.equal(SIGUSR1);
      expect(handled).to.equal(0);
      // An unrelated handled signal ends it.
      expect(yield* sys(g, 'sigwaitinfo', sigset(SIGUSR1), 0)).to.equal(-EINTR.errno);
      expect(handled).to.equal(1);
      expect(yield* mask(g)).to.deep.equal([SIGUSR1]);
      for (let i = 0; i < 2; i++) yield* wait4(g, -1);
    });
  });
});

describe('faults', () => {
  /** Runs `fault` in a child with a handler for `sig`: [signal, si_code, si_addr, rcx, trapno] seen by the handler. */
  function seenBy(sig: number, fault: Script): number[] {
    let out: number[] = [];
    inInit(function* (g: Guest) {
      const status = yield* inChild(g, function* (c: Guest) {
        yield* sigaction(
          c,
          sig,
          function* (h: Guest) {
            const [signo, si, rcx] = [h.arg(0), h.arg(1), h.arg(3)];
            const trapno = yield* h.read64(h.reg(Reg.RSP) + 8 + 136 + Reg.TRAPNO * 8);
            out = [signo, yield* h.read32(si + 8), yield* h.read64(si + 24), rcx, trapno];
            yield* must(h, 'exit', 5);
          },
          S.SA_SIGINFO,
        );
        yield* fault(c);
      });
      expect(status).to.equal(exited(5));
    });
    return out;
  }

  it('page faults are SIGSEGV with MAPERR or ACCERR and the address', () => {
    expect(
      seenBy(SIGSEGV, function* (c) {
        yield* c.touch(0x123456, false);
      }),
    ).to.deep.equal([SIGSEGV, 1, 0x123456, 0x123456, 12]);
    expect(
      seenBy(SIGSEGV, function* (c) {
        yield* c.touch(0x401008, true);
      }),
    ).to.deep.equal([SIGSEGV, 2, 0x401008, 0x401008, 12]);
    let ro = 0;
    const acc = seenBy(SIGSEGV, function* (c) {
      ro = yield* must(c, 'mmap', 0, 4096, 1, MAP_ANON | MAP_PRIVATE, -1, 0, 0);
      expect(yield* c.read32(ro)).to.equal(0);
      yield* c.write32(ro, 1);
    });
    expect(acc).to.deep.equal([SIGSEGV, 2, ro, ro, 12]);
    expect(
      seenBy(SIGSEGV, function* (c) {
        c.setReg(Reg.RIP, 0x5000);
        yield* c.compute(0);
        yield* c.touch(0x5000, false);
      })[1],
    ).to.equal(1);
  });

  it('other exceptions have the signal and code of the ABI', () => {
    const cases: [TrapNo, number, number][] = [
      [TrapNo.PRIVINFLT, SIGILL, 5],
      [TrapNo.BPTFLT, SIGTRAP, 1],
      [TrapNo.TRCTRAP, SIGTRAP, 2],
      [TrapNo.PROTFLT, SIGBUS, 3],
      [TrapNo.STKFLT, SIGBUS, 2],
      [TrapNo.DIVIDE, SIGFPE, 2],
      [TrapNo.OFLOW, SIGFPE, 1],
      [TrapNo.BOUND, SIGFPE, 8],
      [TrapNo.XMMFLT, SIGFPE, 0],
    ];
    for (const [trapno, sig, code] of cases)
      expect(
        seenBy(sig, function* (c) {
          yield* c.exception(trapno);
        }).slice(0, 2),
        `trap ${trapno}`,
      ).to.deep.equal([sig, code]);
  });

  it('a blocked or ignored fault signal kills, with a message', () => {
    const k = inInit(function* (g: Guest) {
      expect(
        yield* inChild(g, function* (c: Guest) {
          yield* sigaction(c, SIGSEGV, function* () {});
          yield* sigprocmask(c, SIG_BLOCK, SIGSEGV);
          yield* c.touch(8, false);
        }),
      ).to.equal(SIGSEGV);
      expect(
        yield* inChild(g, function* (c: Guest) {
          yield* sigaction(c, SIGFPE, S.SIG_IGN);
          yield* c.exception(TrapNo.DIVIDE);
        }),
      ).to.equal(SIGFPE);
    });
    expect(k.messages()).to.match(
      /pid 2 \(init\), uid 0: exited on signal 11\n[^]*pid 3 \(init\), uid 0: exited on signal 8\n/,
    );
  });

  it('come before pending signals, with their code', () => {
    inInit(function* (g: Guest) {
      const seen: number[][] = [];
      const status = yield* inChild(g, function* (c: Guest) {
        const note: Script = function* (h: Guest) {
          seen.push([h.arg(0), yield* h.read32(h.arg(1) + 8)]);
          if (h.arg(0) === SIGSEGV) yield* must(h, 'exit', 1);
        };
        yield* sigaction(c, SIGSEGV, note, S.SA_SIGINFO, [SIGHUP]);
        yield* sigaction(c, SIGHUP, note, S.SA_SIGINFO);
        yield* sigprocmask(c, SIG_BLOCK, SIGHUP);
        yield* must(c, 'kill', yield* must(c, 'getpid'), SIGHUP);
        yield* c.touch(16, true);
      });
      expect(status).to.equal(exited(1));
      expect(seen).to.deep.equal([[SIGSEGV, 1]]);
    });
  });

  it('can be repaired by the handler', () => {
    inInit(function* (g: Guest) {
      const at = 0x20000000;
      let n = 0;
      yield* sigaction(g, SIGSEGV, function* (h: Guest) {
        n++;
        yield* must(h, 'mmap', at, 4096, 3, MAP_ANON | MAP_PRIVATE | 0x10, -1, 0, 0);
      });
      yield* g.write32(at, 77);
      expect(yield* g.read32(at)).to.equal(77);
      expect(n).to.equal(1);
    });
  });

  it('of process 1 without a handler are a panic', () => {
    const k = bootSim({
      init: function* (g: Guest) {
        yield* g.touch(0x40, false);
      },
    });
    expect(() => k.run()).to.throw(KernelPanic, /init died \(signal 11/);
  });

  it('unknown system calls are SIGSYS and EINVAL', () => {
    inInit(function* (g: Guest) {
      for (const n of [8, 11, 210, 556, 100000]) {
        expect(
          yield* inChild(g, function* (c: Guest) {
            yield* c.sys(n);
          }),
          `number ${n}`,
        ).to.equal(S.SIGSYS);
        yield* sigaction(g, S.SIGSYS, S.SIG_IGN);
        expect(yield* g.sys(n)).to.equal(-EINVAL.errno);
        yield* sigaction(g, S.SIGSYS, S.SIG_DFL);
      }
      expect(yield* g.sys(0, num('getpid'))).to.equal(1);
      expect(yield* g.sys(198, num('getpid'))).to.equal(1);
      expect(yield* g.sys(198, num('kill'), 1, 0)).to.equal(0);
    });
  });
});

describe('sigreturn', () => {
  it('restores what it is given and checks flags and selectors', () => {
    inInit(function* (g: Guest) {
      // A context as getcontext makes it: everything from the frame of a handler.
      let uc: Uint8Array = new Uint8Array(0);
      yield* sigaction(g, SIGUSR1, function* (h: Guest) {
        uc = yield* h.read(h.reg(Reg.RDX), 1408);
      });
      yield* must(g, 'kill', 1, SIGUSR1);
      const v = new DataView(uc.buffer);
      const reg = (r: Reg): number => 72 + r * 8;
      const bad = uc.slice();
      new DataView(bad.buffer).setUint32(reg(Reg.RFLAGS), 0x20202, true); // RFLAGS.VM
      expect(yield* sys(g, 'sigreturn', bad)).to.equal(-EINVAL.errno);
      const iopl = uc.slice();
      new DataView(iopl.buffer).setUint32(reg(Reg.RFLAGS), 0x3202, true);
      expect(yield* sys(g, 'sigreturn', iopl)).to.equal(-EINVAL.errno);
      expect(yield* sys(g, 'sigreturn', 0x10)).to.equal(-EFAULT.errno);
      const ring0 = uc.slice();
      new DataView(ring0.buffer).setUint32(reg(Reg.CS), 8, true);
      let bus = 0;
      yield* sigaction(g, SIGBUS, function* () {
        bus++;
      });
      expect(yield* sys(g, 'sigreturn', ring0)).to.equal(-EINVAL.errno);
      expect(bus).to.equal(1);
      // A good one: comes back at the script's marker with the registers and mask it names.
      const landed = yield* inChild(g, function* (c: Guest) {
        const back: Script = function* (b: Guest) {
          expect([b.reg(Reg.RBX), b.reg(Reg.RAX), b.reg(Reg.RDX), b.reg(Reg.R11)]).to.deep.equal([11, 12, 13, 14]);
          expect(yield* mask(b)).to.deep.equal([SIGHUP, SIGUSR2]);
          yield* must(b, 'exit', 66);
        };
        v.setUint32(0, 1 | (1 << (SIGUSR2 - 1)) | (1 << (SIGKILL - 1)), true);
        v.setBigUint64(reg(Reg.RIP), BigInt(c.addr(back)), true);
        v.setBigUint64(reg(Reg.RBX), 11n, true);
        v.setBigUint64(reg(Reg.RAX), 12n, true);
        v.setBigUint64(reg(Reg.RDX), 13n, true);
        v.setBigUint64(reg(Reg.R11), 14n, true);
        v.setUint32(reg(Reg.CS), 0x43, true);
        yield* sys(c, 'sigreturn', uc);
      });
      expect(landed).to.equal(exited(66));
    });
  });
});

describe('actions and permissions', () => {
  it('sigaction checks its arguments', () => {
    inInit(function* (g: Guest) {
      for (const s of [0, -1, 129]) expect(yield* sigaction(g, s, 0)).to.equal(-EINVAL.errno);
      for (const s of [SIGKILL, SIGSTOP]) {
        expect(yield* sigaction(g, s, 1)).to.equal(-EINVAL.errno);
        expect(yield* sigaction(g, s, 0)).to.equal(0);
      }
      expect(yield* sys(g, 'sigaction', SIGUSR1, 0x10, 0)).to.equal(-EFAULT.errno);
      expect(yield* sys(g, 'sigprocmask', 7, sigset(1), 0)).to.equal(-EINVAL.errno);
      expect(yield* sys(g, 'sigprocmask', 7, 0, 0)).to.equal(0);
      expect(yield* sys(g, 'sigprocmask', SIG_SETMASK, 0x10, 0)).to.equal(-EFAULT.errno);
      expect(yield* sigprocmask(g, SIG_SETMASK, SIGKILL, SIGSTOP, SIGHUP)).to.equal(0);
      expect(yield* mask(g)).to.deep.equal([SIGHUP]);
      const old = g.alloc(32);
      yield* sigaction(g, SIGUSR1, function* () {}, S.SA_RESTART | S.SA_SIGINFO, [SIGHUP, 128]);
      yield* must(g, 'sigaction', SIGUSR1, 0, old);
      expect(yield* g.read32(old + 8)).to.equal(S.SA_RESTART | S.SA_SIGINFO);
      expect([...(yield* g.read(old + 12, 16))]).to.deep.equal([...sigset(SIGHUP, 128)]);
    });
  });

  it('discards pending instances when a signal becomes ignored', () => {
    inInit(function* (g: Guest) {
      yield* sigprocmask(g, SIG_BLOCK, SIGUSR1);
      yield* sigaction(g, SIGUSR1, function* () {
        expect.fail('delivered');
      });
      yield* must(g, 'kill', 1, SIGUSR1);
      yield* sigaction(g, SIGUSR1, S.SIG_IGN);
      expect(yield* pending(g)).to.equal(0);
      yield* sigaction(g, SIGUSR1, function* () {
        expect.fail('delivered');
      });
      yield* sigprocmask(g, SIG_UNBLOCK, SIGUSR1);
    });
  });

  it('takes the default actions', () => {
    inInit(function* (g: Guest) {
      for (const sig of [16, 19, 20, 23, 28, 29, 32, 33, 35, 63])
        expect(
          yield* inChild(g, function* (c: Guest) {
            yield* must(c, 'kill', yield* must(c, 'getpid'), sig);
            yield* must(c, 'exit', 1);
          }),
          `signal ${sig}`,
        ).to.equal(exited(1));
    });
  });

  it('stops with every stop signal, continues even when blocked or ignored', () => {
    inInit(function* (g: Guest) {
      for (const sig of [SIGSTOP, S.SIGTSTP, S.SIGTTIN, S.SIGTTOU]) {
        const pid = yield* fork(g, function* (c: Guest) {
          // A group of its own whose leader's parent is in the same session: not orphaned.
          yield* must(c, 'setpgid', 0, 0);
          yield* sigprocmask(c, SIG_BLOCK, SIGCONT);
          yield* sigaction(c, SIGCONT, S.SIG_IGN);
          yield* must(c, 'kill', yield* must(c, 'getpid'), sig);
          yield* must(c, 'exit', 3);
        });
        expect(yield* wait4(g, pid, WUNTRACED)).to.deep.equal([pid, stopped(sig)]);
        yield* must(g, 'kill', pid, SIGCONT);
        expect(yield* wait4(g, pid)).to.deep.equal([pid, exited(3)]);
      }
    });
  });

  it('stop and continue cancel each other when pending', () => {
    inInit(function* (g: Guest) {
      yield* inChild(g, function* (c: Guest) {
        yield* must(c, 'setpgid', 0, 0);
        const me = yield* must(c, 'getpid');
        let cont = 0;
        yield* sigaction(c, SIGCONT, function* () {
          cont++;
        });
        yield* sigprocmask(c, SIG_BLOCK, S.SIGTSTP, SIGCONT);
        yield* must(c, 'kill', me, S.SIGTSTP);
        yield* must(c, 'kill', me, SIGCONT);
        yield* sigprocmask(c, SIG_UNBLOCK, S.SIGTSTP, SIGCONT);
        expect(cont).to.equal(1);
        yield* sigprocmask(c, SIG_BLOCK, S.SIGTSTP, SIGCONT);
        yield* sigaction(c, S.SIGTSTP, S.SIG_IGN);
        yield* must(c, 'kill', me, SIGCONT);
        yield* must(c, 'kill', me, S.SIGTSTP);
        expect(yield* pending(c)).to.equal(0);
      });
    });
  });

  it('tty stops do nothing in an orphaned group; SIGSTOP does', () => {
    inInit(function* (g: Guest) {
      const pid = yield* fork(g, function* (c: Guest) {
        yield* must(c, 'setsid');
        const me = yield* must(c, 'getpid');
        for (const s of [S.SIGTSTP, S.SIGTTIN, S.SIGTTOU]) yield* must(c, 'kill', me, s);
        yield* must(c, 'kill', me, SIGSTOP);
      });
      expect(yield* wait4(g, pid, WUNTRACED)).to.deep.equal([pid, stopped(SIGSTOP)]);
      yield* must(g, 'kill', pid, SIGCONT);
      yield* wait4(g, pid);
    });
  });

  it('sends SIGHUP and SIGCONT to a group with stopped members that becomes orphaned, and to no other', () => {
    inInit(function* (g: Guest) {
      const got: string[] = [];
      const leader = yield* fork(g, function* (sh: Guest) {
        yield* must(sh, 'setsid');
        const job = function* (name: string): GuestCode<number> {
          return yield* fork(sh, function* (j: Guest) {
            yield* must(j, 'setpgid', 0, 0);
            for (const s of [SIGHUP, SIGCONT])
              yield* sigaction(j, s, function* (h: Guest) {
                got.push(`${name} ${h.arg(0)}`);
              });
            if (name === 'stopped') yield* must(j, 'kill', yield* must(j, 'getpid'), SIGSTOP);
            yield* nanosleep(j, 100 * MS);
          });
        };
        yield* job('stopped');
        yield* job('running');
        yield* nanosleep(sh, 10 * MS);
      });
      yield* wait4(g, leader);
      for (let i = 0; i < 2; i++) yield* wait4(g, -1);
      expect(got.sort()).to.deep.equal([`stopped ${SIGHUP}`, `stopped ${SIGCONT}`].sort());
    });
  });

  it('SIGKILL ends stopped, sleeping, computing and all-blocking processes', () => {
    inInit(function* (g: Guest) {
      const bodies: Script[] = [
        forever,
        function* (c) {
          yield* nanosleep(c, 1e12);
        },
        function* (c) {
          const all = Array.from({ length: 128 }, (_, i) => i + 1);
          yield* sigprocmask(c, SIG_SETMASK, ...all);
          yield* sys(c, 'sigsuspend', sigset(...all));
        },
      ];
      for (const b of bodies)
        for (const stop of [false, true]) {
          const pid = yield* fork(g, b);
          yield* nanosleep(g, 5 * MS);
          if (stop) yield* must(g, 'kill', pid, SIGSTOP);
          yield* nanosleep(g, 5 * MS);
          yield* must(g, 'kill', pid, SIGKILL);
          expect(yield* wait4(g, pid)).to.deep.equal([pid, SIGKILL]);
        }
    });
  });

  it('holds other signals while stopped', () => {
    inInit(function* (g: Guest) {
      const pid = yield* fork(g, forever);
      yield* nanosleep(g, MS);
      yield* must(g, 'kill', pid, SIGSTOP);
      yield* nanosleep(g, MS);
      yield* must(g, 'kill', pid, SIGTERM);
      yield* nanosleep(g, 50 * MS);
      expect((yield* wait4(g, pid, WNOHANG))[0]).to.equal(0);
      yield* must(g, 'kill', pid, SIGCONT);
      expect(yield* wait4(g, pid)).to.deep.equal([pid, SIGTERM]);
    });
  });

  it('kill: pids, groups, everyone, zombies, permissions', () => {
    inInit(function* (g: Guest) {
      for (const s of [128, -1, 200]) expect(yield* sys(g, 'kill', 1, s)).to.equal(-EINVAL.errno);
      expect(yield* sys(g, 'kill', 4242, 0)).to.equal(-ESRCH.errno);
      expect(yield* sys(g, 'kill', -4242, 0)).to.equal(-ESRCH.errno);
      const z = yield* fork(g, function* () {});
      yield* nanosleep(g, MS);
      expect(yield* sys(g, 'kill', z, SIGTERM)).to.equal(0);
      yield* wait4(g, z);
      // A group.
      const lead = yield* fork(g, function* (c: Guest) {
        yield* must(c, 'setpgid', 0, 0);
        yield* fork(c, forever);
        yield* forever(c);
      });
      yield* nanosleep(g, 5 * MS);
      yield* must(g, 'kill', -lead, SIGTERM);
      for (let i = 0; i < 2; i++) expect((yield* wait4(g, -1))[1]).to.equal(SIGTERM);
      // Permissions.
      const user = yield* fork(g, function* (c: Guest) {
        yield* must(c, 'setuid', 100);
        yield* forever(c);
      });
      const status = yield* inChild(g, function* (c: Guest) {
        yield* must(c, 'setuid', 101);
        expect(yield* sys(c, 'kill', 1, 0)).to.equal(-EPERM.errno);
        expect(yield* sys(c, 'kill', user, SIGTERM)).to.equal(-EPERM.errno);
        expect(yield* sys(c, 'kill', user, SIGCONT)).to.equal(0);
        expect(yield* sys(c, 'kill', -1, SIGTERM)).to.equal(-EPERM.errno);
        expect(yield* sys(c, 'lwp_kill', 1, 1, SIGTERM)).to.equal(-EPERM.errno);
      });
      expect(status).to.equal(0);
      // Everyone but process 1 and the sender.
      const third = yield* fork(g, forever);
      expect(
        yield* inChild(g, function* (c: Guest) {
          yield* must(c, 'kill', -1, SIGKILL);
        }),
      ).to.equal(0);
      expect([(yield* wait4(g, user))[1], (yield* wait4(g, third))[1]]).to.deep.equal([SIGKILL, SIGKILL]);
    });
  });

  it('process 1 ignores default actions, and handles what it handles', () => {
    inInit(function* (g: Guest) {
      let n = 0;
      yield* sigaction(g, SIGUSR1, function* () {
        n++;
      });
      for (const s of [SIGHUP, SIGTERM, SIGUSR2, S.SIGINT, S.SIGTSTP, SIGKILL, SIGSTOP]) yield* must(g, 'kill', 1, s);
      yield* must(g, 'kill', 1, SIGUSR1);
      expect(n).to.equal(1);
    });
  });

  it('tells who sent the signal', () => {
    inInit(function* (g: Guest) {
      let from: number[] = [];
      yield* sigaction(
        g,
        SIGUSR1,
        function* (h: Guest) {
          const si = h.arg(1);
          from = [yield* h.read32(si + 12), yield* h.read32(si + 16)];
        },
        S.SA_SIGINFO,
      );
      const pid = yield* fork(g, function* (c: Guest) {
        yield* must(c, 'setreuid', 77, -1);
        yield* must(c, 'kill', 1, SIGUSR1);
      });
      yield* wait4(g, pid);
      expect(from).to.deep.equal([pid, 77]);
    });
  });

  it('survives a storm of signals between processes, whatever the interleaving', () => {
    for (let seed = 1; seed <= 8; seed++)
      inInit(
        function* (g: Guest) {
          let n = 0;
          const kids: number[] = [];
          for (let i = 0; i < 4; i++)
            kids.push(
              yield* fork(g, function* (c: Guest) {
                yield* sigaction(
                  c,
                  SIGUSR1,
                  function* (h: Guest) {
                    n++;
                    yield* must(h, 'getpid');
                  },
                  seed % 2 === 0 ? S.SA_RESTART : 0,
                );
                for (let j = 0; j < 20; j++) {
                  yield* syscall(c, 'nanosleep', timespec(MS), 0);
                  for (let k = 2; k < 6; k++) yield* sys(c, 'kill', k, SIGUSR1);
                  yield* c.compute(0.3 * MS);
                }
              }),
            );
          yield* nanosleep(g, 2 * MS);
          const done = new Map<number, number>();
          for (let i = 0; i < 4; i++) {
            const [pid, status] = yield* wait4(g, -1);
            done.set(pid, status);
          }
          expect([...done.keys()].sort()).to.deep.equal(kids);
          for (const st of done.values()) expect([0, SIGUSR1]).to.include(st);
          expect(n).to.be.greaterThan(10);
        },
        { seed, ncpus: 2, partialRate: 0.5 },
      );
  });
});
