import { expect } from 'chai';
import { Reg } from '../../vkernel/machine/machine.js';
import type { Guest, GuestCode, Script } from '../../vkernel/machine/sim/guest.js';
import { EAGAIN, EBADF, EINTR, EIO, EINVAL, ENXIO, EPERM, EPIPE, ESPIPE } from '../../vkernel/sys/errno.js';
import * as S from '../../vkernel/sys/signal.js';
import {
  bootSim,
  exited,
  fork,
  inInit,
  must,
  nanosleep,
  now,
  num,
  sigaction,
  sigset,
  stopped,
  sys,
  syscall,
  timespec,
  timeval,
  wait4,
} from './kit.js';

const MS = 1e6;
const WUNTRACED = 2;
const O_RDWR = 2;
const O_NONBLOCK = 4;
const { SIGUSR1, SIGPIPE, SIGINT, SIGTSTP, SIGCONT, SIGHUP, SIGTTIN, SIGTTOU, SIGWINCH, SIGKILL } = S;

function* inChild(g: Guest, body: Script): GuestCode<number> {
  const pid = yield* fork(g, body);
  const [r, status] = yield* wait4(g, pid);
  expect(r).to.equal(pid);
  return status;
}

function* pipe(g: Guest): GuestCode<[number, number]> {
  const r = yield* syscall(g, 'pipe');
  expect(r.err).to.equal(0);
  return [r.val, r.val2];
}

/** read into a fresh buffer: text, or minus the errno. */
function* read(g: Guest, fd: number, len = 256): GuestCode<string | number> {
  const sp = g.reg(Reg.RSP);
  const at = g.alloc(len);
  const n = yield* g.sys(num('read'), fd, at, len);
  const out = n < 0 ? n : Buffer.from(yield* g.read(at, n)).toString('latin1');
  g.setReg(Reg.RSP, sp);
  return out;
}

const write = (g: Guest, fd: number, text: string): GuestCode<number> => sys(g, 'write', fd, text, text.length);

describe('pipes', () => {
  it('carry bytes, end with the last writer, kill with the last reader', () => {
    for (const partialRate of [0, 1])
      inInit(
        function* (g: Guest) {
          const [r, w] = yield* pipe(g);
          const kid = yield* fork(g, function* (c: Guest) {
            yield* must(c, 'close', r);
            for (const t of ['one', 'two']) {
              yield* nanosleep(c, 5 * MS);
              expect(yield* write(c, w, t)).to.equal(3);
            }
          });
          yield* must(g, 'close', w);
          expect(yield* read(g, r)).to.equal('one');
          expect(yield* read(g, r)).to.equal('two');
          expect(yield* read(g, r)).to.equal('');
          yield* wait4(g, kid);
          expect(yield* sys(g, 'lseek', r, 0, 0, 0)).to.equal(-ESPIPE.errno);
          const [r2, w2] = yield* pipe(g);
          yield* must(g, 'close', r2);
          expect(
            yield* inChild(g, function* (c: Guest) {
              yield* write(c, w2, 'x');
            }),
          ).to.equal(SIGPIPE);
          yield* sigaction(g, SIGPIPE, S.SIG_IGN);
          expect(yield* write(g, w2, 'x')).to.equal(-EPIPE.errno);
        },
        { partialRate },
      );
  });

  it('block a writer when full, and wake it', () => {
    inInit(function* (g: Guest) {
      const [r, w] = yield* pipe(g);
      const kid = yield* fork(g, function* (c: Guest) {
        yield* must(c, 'close', r);
        const big = c.alloc(60000);
        for (let i = 0; i < 5; i++) expect(yield* must(c, 'write', w, big, 60000)).to.equal(60000);
      });
      yield* must(g, 'close', w);
      yield* nanosleep(g, 10 * MS);
      expect((yield* wait4(g, kid, 1))[0]).to.equal(0);
      let n = 0;
      const at = g.alloc(8192);
      for (;;) {
        const m = yield* must(g, 'read', r, at, 8192);
        if (m === 0) break;
        n += m;
      }
      expect(n).to.equal(300000);
      expect(yield* wait4(g, kid)).to.deep.equal([kid, 0]);
    });
  });

  it('answer EAGAIN without waiting with O_NONBLOCK', () => {
    inInit(function* (g: Guest) {
      const [r, w] = yield* pipe(g);
      for (const fd of [r, w]) yield* must(g, 'fcntl', fd, 4, O_NONBLOCK);
      expect(yield* read(g, r)).to.equal(-EAGAIN.errno);
      const big = g.alloc(30000);
      let total = 0;
      for (;;) {
        const n = yield* sys(g, 'write', w, big, 30000);
        if (n < 0) {
          expect(n).to.equal(-EAGAIN.errno);
          break;
        }
        total += n;
      }
      expect(total).to.be.within(16384, 2 ** 20);
      // Both ends go both ways.
      expect(yield* sys(g, 'read', w, big, 1)).to.equal(-EAGAIN.errno);
      expect(yield* write(g, r, 'z')).to.equal(1);
      expect(yield* read(g, w)).to.equal('z');
    });
  });

  it('a read or write that sleeps: EINTR, or restarted', () => {
    for (const side of ['read', 'write'])
      for (const flags of [0, S.SA_RESTART])
        inInit(
          function* (g: Guest) {
            const [r, w] = yield* pipe(g);
            const kid = yield* fork(g, function* (c: Guest) {
              yield* sigaction(c, SIGUSR1, function* () {}, flags);
              const big = c.alloc(65536);
              if (side === 'write') {
                yield* must(c, 'fcntl', w, 4, O_NONBLOCK);
                while ((yield* sys(c, 'write', w, big, 65536)) > 0);
                yield* must(c, 'fcntl', w, 4, 0);
              }
              const got = yield* sys(c, side, side === 'read' ? r : w, big, 4);
              expect(got).to.equal(flags === 0 ? -EINTR.errno : 4);
            });
            yield* nanosleep(g, 20 * MS);
            yield* must(g, 'kill', kid, SIGUSR1);
            yield* nanosleep(g, 20 * MS);
            if (side === 'read') yield* write(g, w, 'abcd');
            else yield* read(g, r, 32768);
            expect(yield* wait4(g, kid)).to.deep.equal([kid, 0]);
          },
          { partialRate: 0.5 },
        );
  });
});

const pollfd = (fd: number, events: number): Uint8Array => {
  const b = new Uint8Array(8);
  const v = new DataView(b.buffer);
  v.setInt32(0, fd, true);
  v.setInt16(4, events, true);
  return b;
};

describe('select, poll and kqueue', () => {
  it('poll waits, times out, and is never restarted', () => {
    inInit(function* (g: Guest) {
      const [r, w] = yield* pipe(g);
      const at = yield* g.bytes(pollfd(r, 1));
      let t = yield* now(g);
      expect(yield* sys(g, 'poll', at, 1, 30)).to.equal(0);
      expect((yield* now(g)) - t).to.be.within(30 * MS, 41 * MS);
      expect(yield* sys(g, 'poll', at, 1, 0)).to.equal(0);
      const kid = yield* fork(g, function* (c: Guest) {
        yield* nanosleep(c, 10 * MS);
        yield* write(c, w, 'x');
      });
      t = yield* now(g);
      expect(yield* sys(g, 'poll', at, 1, -1)).to.equal(1);
      expect((yield* now(g)) - t).to.be.within(10 * MS, 12 * MS);
      expect((yield* g.read32(at + 4)) >>> 16).to.equal(1);
      yield* wait4(g, kid);
      yield* read(g, r);
      yield* sigaction(g, SIGUSR1, function* () {}, S.SA_RESTART);
      const k2 = yield* fork(g, function* (c: Guest) {
        yield* nanosleep(c, 10 * MS);
        yield* must(c, 'kill', 1, SIGUSR1);
      });
      expect(yield* sys(g, 'poll', at, 1, -1)).to.equal(-EINTR.errno);
      yield* wait4(g, k2);
      expect(yield* sys(g, 'poll', at, 1, -5)).to.equal(-EINVAL.errno);
    });
  });

  it('select finds what is ready; pselect swaps the mask', () => {
    inInit(function* (g: Guest) {
      const [r, w] = yield* pipe(g);
      const set = (...fds: number[]): Uint8Array => {
        const b = new Uint8Array(128);
        for (const f of fds) b[f >> 3] |= 1 << (f & 7);
        return b;
      };
      const at = yield* g.bytes(set(r));
      const out = yield* g.bytes(set(w));
      expect(yield* sys(g, 'select', w + 1, at, out, 0, 0)).to.equal(1);
      expect(yield* g.read32(at)).to.equal(0);
      expect(yield* g.read32(out)).to.equal(1 << w);
      yield* g.write(at, set(r));
      expect(yield* sys(g, 'select', r + 1, at, 0, 0, timeval(20 * MS))).to.equal(0);
      let n = 0;
      yield* sigaction(g, SIGUSR1, function* () {
        n++;
      });
      yield* sys(g, 'sigprocmask', 1, sigset(SIGUSR1), 0);
      yield* must(g, 'kill', 1, SIGUSR1);
      yield* g.write(at, set(r));
      expect(yield* sys(g, 'select', r + 1, at, 0, 0, timeval(20 * MS))).to.equal(0);
      expect(n).to.equal(0);
      yield* g.write(at, set(r));
      expect(yield* sys(g, 'pselect', r + 1, at, 0, 0, timespec(20 * MS), sigset())).to.equal(-EINTR.errno);
      expect(n).to.equal(1);
      const m = g.alloc(16);
      yield* must(g, 'sigprocmask', 0, 0, m);
      expect(yield* g.read32(m)).to.equal(1 << (SIGUSR1 - 1));
    });
  });

  it('kqueue: descriptors, signals, processes, timers, user events', () => {
    inInit(function* (g: Guest) {
      const kq = yield* must(g, 'kqueue');
      const [r, w] = yield* pipe(g);
      const kev = (ident: number, filter: number, flags: number, fflags = 0, data = 0): Uint8Array => {
        const b = new Uint8Array(32);
        const v = new DataView(b.buffer);
        v.setBigUint64(0, BigInt(ident), true);
        v.setInt16(8, filter, true);
        v.setUint16(10, flags, true);
        v.setUint32(12, fflags, true);
        v.setBigInt64(16, BigInt(data), true);
        return b;
      };
      const add = (...a: Parameters<typeof kev>): GuestCode<number> => sys(g, 'kevent', kq, kev(...a), 1, 0, 0, 0);
      const out = g.alloc(320);
      const wait = function* (ms: number): GuestCode<number[][]> {
        const n = yield* must(g, 'kevent', kq, 0, 0, out, 10, timespec(ms * MS));
        const list: number[][] = [];
        for (let i = 0; i < n; i++) {
          const v = new DataView((yield* g.read(out + 32 * i, 32)).buffer);
          list.push([Number(v.getBigUint64(0, true)), v.getInt16(8, true), Number(v.getBigInt64(16, true))]);
        }
        return list.sort((a, b) => b[1] - a[1]);
      };
      expect(yield* add(r, -1, 1)).to.equal(0);
      expect(yield* wait(10)).to.deep.equal([]);
      yield* write(g, w, 'abc');
      expect(yield* wait(10)).to.deep.equal([[r, -1, 3]]);
      expect(yield* wait(10)).to.deep.equal([[r, -1, 3]]);
      yield* read(g, r);
      expect(yield* wait(0)).to.deep.equal([]);
      // A signal, counted though ignored.
      yield* sigaction(g, SIGUSR1, S.SIG_IGN);
      expect(yield* add(SIGUSR1, -6, 1)).to.equal(0);
      for (let i = 0; i < 3; i++) yield* must(g, 'kill', 1, SIGUSR1);
      expect(yield* wait(0)).to.deep.equal([[SIGUSR1, -6, 3]]);
      // A process that exits.
      const kid = yield* fork(g, function* (c: Guest) {
        yield* nanosleep(c, 20 * MS);
        yield* must(c, 'exit', 7);
      });
      expect(yield* add(kid, -5, 1, 0x80000000)).to.equal(0);
      const t = yield* now(g);
      expect(yield* wait(1000)).to.deep.equal([[kid, -5, exited(7)]]);
      expect((yield* now(g)) - t).to.be.within(19 * MS, 22 * MS);
      yield* wait4(g, kid);
      // Timers in ms; several expirations are counted.
      expect(yield* add(5, -7, 1 | 0x10, 0, 15)).to.equal(0);
      expect(yield* wait(1000)).to.deep.equal([[5, -7, 1]]);
      expect(yield* add(6, -7, 1, 0, 10)).to.equal(0);
      yield* nanosleep(g, 35 * MS);
      expect(yield* wait(0)).to.deep.equal([[6, -7, 3]]);
      expect(yield* add(6, -7, 2)).to.equal(0);
      expect(yield* add(9, -9, 1 | 0x20)).to.equal(0);
      expect(yield* add(9, -9, 0, 0x1000000)).to.equal(0);
      expect((yield* wait(0)).map((e) => e[0])).to.deep.equal([9]);
      // Interrupted, never restarted.
      yield* sigaction(g, S.SIGUSR2, function* () {}, S.SA_RESTART);
      const k2 = yield* fork(g, function* (c: Guest) {
        yield* nanosleep(c, 5 * MS);
        yield* must(c, 'kill', 1, S.SIGUSR2);
      });
      expect(yield* sys(g, 'kevent', kq, 0, 0, out, 10, 0)).to.equal(-EINTR.errno);
      yield* wait4(g, k2);
      // Not inherited by fork.
      expect(
        yield* inChild(g, function* (c: Guest) {
          expect(yield* sys(c, 'kevent', kq, 0, 0, out, 1, timespec(0))).to.equal(-EBADF.errno);
        }),
      ).to.equal(0);
    });
  });
});

const TIOCSCTTY = 0x20007461;
const TIOCSPGRP = 0x80047476;
const TIOCGPGRP = 0x40047477;
const TIOCGWINSZ = 0x40087468;

/** Process 1 as a session leader would be: a child with the console as its controlling terminal, as descriptor 0. */
function onConsole(shell: Script, type: (k: ReturnType<typeof bootSim>) => void): string {
  const k = bootSim({
    init: function* (g: Guest) {
      const sh = yield* fork(g, function* (c: Guest) {
        yield* must(c, 'setsid');
        const fd = yield* must(c, 'open', '/dev/console', O_RDWR, 0);
        expect(fd).to.equal(0);
        yield* must(c, 'ioctl', 0, TIOCSCTTY, 0);
        yield* must(c, 'ioctl', 0, TIOCSPGRP, new Uint8Array(Int32Array.of(yield* must(c, 'getpid')).buffer));
        yield* shell(c);
      });
      const [, status] = yield* wait4(g, sh);
      expect(status).to.equal(0);
    },
  });
  type(k);
  expect(k.run()).to.deep.equal({ kind: 'halt' });
  return k.sim.console.output;
}

describe('the console as controlling terminal', () => {
  it('gives lines, end of file, and echoes', () => {
    const out = onConsole(
      function* (c: Guest) {
        expect(yield* read(c, 0)).to.equal('hallo\n');
        expect(yield* read(c, 0)).to.equal('');
        yield* write(c, 0, 'bye\n');
      },
      (k) => {
        k.sim.console.type('hexx\x7f\x7f\x7fallo\n', 10 * MS);
        k.sim.console.type('\x04', 20 * MS);
      },
    );
    expect(out).to.include('bye\r\n');
    expect(out).to.include('hexx');
  });

  it('^C and ^Z go to the foreground group only; fg goes on', () => {
    onConsole(
      function* (c: Guest) {
        yield* sigaction(c, SIGTTOU, S.SIG_IGN);
        const me = yield* must(c, 'getpgrp');
        const pgrp = (id: number): GuestCode<number> =>
          must(c, 'ioctl', 0, TIOCSPGRP, new Uint8Array(Int32Array.of(id).buffer));
        const job = yield* fork(c, function* (j: Guest) {
          yield* must(j, 'setpgid', 0, 0);
          for (;;) yield* nanosleep(j, 1e9);
        });
        yield* must(c, 'setpgid', job, job);
        yield* pgrp(job);
        expect(yield* wait4(c, job, WUNTRACED)).to.deep.equal([job, stopped(SIGTSTP)]);
        yield* pgrp(me);
        expect(yield* now(c)).to.be.within(50 * MS, 60 * MS);
        // The shell has the terminal, ^C does not reach the job.
        let ints = 0;
        yield* sigaction(c, SIGINT, function* () {
          ints++;
        });
        yield* nanosleep(c, 100 * MS);
        expect(ints).to.equal(1);
        yield* pgrp(job);
        yield* must(c, 'kill', -job, SIGCONT);
        expect(yield* wait4(c, job)).to.deep.equal([job, SIGINT]);
        expect(ints).to.equal(1);
        const got = c.alloc(16);
        yield* must(c, 'ioctl', 0, TIOCGPGRP, got);
      },
      (k) => {
        k.sim.console.type('\x1a', 50 * MS);
        k.sim.console.type('\x03', 100 * MS);
        k.sim.console.type('\x03', 300 * MS);
      },
    );
  });

  it('stops background readers with SIGTTIN, gives EIO to orphaned ones', () => {
    onConsole(
      function* (c: Guest) {
        const bg = yield* fork(c, function* (j: Guest) {
          yield* must(j, 'setpgid', 0, 0);
          yield* read(j, 0);
        });
        expect(yield* wait4(c, bg, WUNTRACED)).to.deep.equal([bg, stopped(SIGTTIN)]);
        yield* must(c, 'kill', bg, SIGKILL);
        yield* wait4(c, bg);
        const bg2 = yield* fork(c, function* (j: Guest) {
          yield* must(j, 'setpgid', 0, 0);
          yield* sigaction(j, SIGTTIN, S.SIG_IGN);
          expect(yield* read(j, 0)).to.equal(-EIO.errno);
        });
        expect(yield* wait4(c, bg2)).to.deep.equal([bg2, 0]);
      },
      () => {},
    );
  });

  it('tells the foreground group about a new size', () => {
    onConsole(
      function* (c: Guest) {
        const at = c.alloc(16);
        yield* must(c, 'ioctl', 0, TIOCGWINSZ, at);
        expect(yield* c.read32(at)).to.equal(24 | (80 << 16));
        let n = 0;
        yield* sigaction(c, SIGWINCH, function* () {
          n++;
        });
        yield* nanosleep(c, 50 * MS);
        yield* nanosleep(c, 1 * MS);
        yield* must(c, 'ioctl', 0, TIOCGWINSZ, at);
        expect([yield* c.read32(at), n]).to.deep.equal([50 | (132 << 16), 1]);
      },
      (k) => {
        k.sim.at(20 * MS, () => k.sim.console.resize(50, 132));
      },
    );
  });

  it('hangs up when the session leader exits', () => {
    const got: string[] = [];
    onConsole(
      function* (c: Guest) {
        yield* fork(c, function* (j: Guest) {
          yield* sigaction(j, SIGHUP, function* () {
            got.push('HUP');
          });
          expect(yield* sys(j, 'open', '/dev/tty', O_RDWR, 0)).to.equal(1);
          yield* nanosleep(j, 50 * MS);
          expect(yield* sys(j, 'open', '/dev/tty', O_RDWR, 0)).to.equal(-ENXIO.errno);
          expect([0, -EIO.errno, '']).to.include(yield* read(j, 0));
          got.push('end');
        });
        yield* nanosleep(c, 10 * MS);
      },
      () => {},
    );
    expect(got[0]).to.equal('HUP');
  });

  it('gives the terminal to session leaders only', () => {
    inInit(function* (g: Guest) {
      expect(
        yield* inChild(g, function* (c: Guest) {
          yield* must(c, 'open', '/dev/console', O_RDWR, 0);
          expect(yield* sys(c, 'ioctl', 0, TIOCSCTTY, 0)).to.equal(-EPERM.errno);
          expect(yield* sys(c, 'open', '/dev/tty', O_RDWR, 0)).to.equal(-ENXIO.errno);
        }),
      ).to.equal(0);
    });
  });
});

describe('streams of vkernel run', () => {
  it('are descriptors 0, 1 and 2', () => {
    const k = bootSim({
      run: { path: '/bin/x' },
      streams: [{ kind: 'pipe', input: 'some input', open: true }, { kind: 'pipe', room: 10 }, { kind: 'file' }],
      programs: {
        '/bin/x': function* (g: Guest) {
          expect(yield* read(g, 0, 4)).to.equal('some');
          expect(yield* read(g, 0)).to.equal(' input');
          const at = yield* g.bytes(pollfd(0, 1));
          expect(yield* sys(g, 'poll', at, 1, 5)).to.equal(0);
          expect(yield* read(g, 0)).to.equal('more');
          expect(yield* read(g, 0)).to.equal('');
          yield* write(g, 2, 'complaint');
          expect(yield* write(g, 1, '0123456789abcdef')).to.equal(16);
          yield* must(g, 'exit', 4);
        },
      },
    });
    const s = k.sim.streams!;
    k.sim.at(50 * MS, () => s[0].feed('more'));
    k.sim.at(80 * MS, () => s[0].hangup());
    k.sim.at(90 * MS, () => s[1].drain());
    k.sim.at(95 * MS, () => s[1].drain());
    expect(k.run()).to.deep.equal({ kind: 'exit', status: 4 });
    expect(s[1].output).to.equal('0123456789abcdef');
    expect(s[2].output).to.equal('complaint');
  });

  it('a reader that is interrupted', () => {
    const k = bootSim({
      run: { path: '/bin/x' },
      streams: [{ kind: 'pipe', open: true }, { kind: 'null' }, { kind: 'null' }],
      programs: {
        '/bin/x': function* (g: Guest) {
          const me = yield* must(g, 'getpid');
          yield* sigaction(g, SIGUSR1, function* () {});
          yield* fork(g, function* (c: Guest) {
            yield* nanosleep(c, 20 * MS);
            yield* must(c, 'kill', me, SIGUSR1);
          });
          expect(yield* read(g, 0)).to.equal(-EINTR.errno);
          yield* must(g, 'exit', 0);
        },
      },
    });
    expect(k.run()).to.deep.equal({ kind: 'exit', status: 0 });
  });
});
