import { expect } from 'chai';
import type { Guest, GuestCode } from '../../vkernel/machine/sim/guest.js';
import {
  bootSim,
  exited,
  fork,
  inInit,
  must,
  sigaction,
  sigset,
  stopped,
  sys,
  timespec,
  wait4,
  type SimKernel,
} from './kit.js';

const O_RDWR = 2;
const TIOCSCTTY = 0x20007461;
const TIOCSPGRP = 0x80047476;
const TIOCGWINSZ = 0x40087468;
const WUNTRACED = 2;
const [SIGINT, SIGTSTP, SIGCONT, SIGTTIN, SIGTTOU, SIGWINCH, SIGCHLD] = [2, 18, 19, 21, 22, 28, 20];

const i32 = (n: number): Uint8Array => new Uint8Array(Int32Array.of(n).buffer);

/** Become a session leader on the console, with it as descriptors 0 to 2. */
function* login(g: Guest): GuestCode<void> {
  yield* sys(g, 'setsid');
  for (let i = 0; i < 3; i++) expect(yield* must(g, 'open', '/dev/console', O_RDWR, 0)).to.equal(i);
  yield* must(g, 'ioctl', 0, TIOCSCTTY, 0);
}
function* print(g: Guest, s: string): GuestCode<void> {
  yield* must(g, 'write', 1, Uint8Array.from(Buffer.from(s, 'latin1')), s.length);
}
function* readLine(g: Guest, fd = 0): GuestCode<string> {
  const sp = g.reg(23);
  const at = g.alloc(256);
  const n = yield* must(g, 'read', fd, at, 256);
  const s = Buffer.from(yield* g.read(at, n)).toString('latin1');
  g.setReg(23, sp);
  return s;
}

/** Boot `init` while somebody watches the console: each step waits for a text and then types. */
function dialogue(k: SimKernel, steps: readonly (readonly [string, string])[]): string {
  let seen = '';
  for (const [wait, keys] of steps) {
    k.sim.runUntil(() => k.sim.console.output.includes(wait));
    const at = k.sim.console.output.indexOf(wait) + wait.length;
    seen += k.sim.console.output.slice(0, at);
    k.sim.console.output = k.sim.console.output.slice(at);
    k.sim.console.type(keys);
  }
  expect(k.run().kind).to.equal('halt');
  return seen + k.sim.console.output;
}

describe('console in a running kernel', () => {
  it('reads lines and writes answers', () => {
    const k = bootSim({
      init: function* (g) {
        yield* login(g);
        yield* print(g, 'name? ');
        const name = yield* readLine(g);
        yield* print(g, 'hello ' + name);
      },
    });
    expect(dialogue(k, [['name? ', 'wro\x7f\x7forld\n']])).to.contain('name? wro\b \b\b \borld\r\nhello world\r\n');
  });

  /** A shell in the style of shells: one job in a group of its own, in the foreground. */
  function* job(g: Guest, body: (c: Guest) => GuestCode<void>): GuestCode<number> {
    return yield* fork(g, function* (c) {
      yield* must(c, 'setpgid', 0, 0);
      yield* sigaction(c, SIGTTOU, 1);
      yield* must(c, 'ioctl', 0, TIOCSPGRP, i32(yield* must(c, 'getpid')));
      yield* sigaction(c, SIGTTOU, 0);
      yield* body(c);
    });
  }
  function* shell(g: Guest, run: (g: Guest) => GuestCode<void>): GuestCode<void> {
    const pid = yield* fork(g, function* (c) {
      yield* login(c);
      yield* sigaction(c, SIGTTOU, 1);
      yield* run(c);
    });
    expect(yield* wait4(g, pid)).to.deep.equal([pid, exited(0)]);
  }

  it('^C kills the foreground job, not the shell', () => {
    const k = bootSim({
      ncpus: 2,
      init: (g) =>
        shell(g, function* (c) {
          const pid = yield* job(c, function* (j) {
            yield* print(j, 'busy\n');
            yield* j.compute(Infinity);
          });
          expect(yield* wait4(c, pid)).to.deep.equal([pid, SIGINT]);
          yield* must(c, 'ioctl', 0, TIOCSPGRP, i32(yield* must(c, 'getpid')));
          yield* print(c, 'prompt');
        }),
    });
    expect(dialogue(k, [['busy\r\n', '\x03']])).to.match(/\^Cprompt/);
  });

  it('^Z stops the job, fg continues it, and a background read stops it again, whatever the interleaving', () => {
    for (let seed = 1; seed <= 12; seed++) stopAndGo(seed);
  });
  function stopAndGo(seed: number): void {
    const k = bootSim({
      seed,
      ncpus: 1 + (seed % 2),
      init: (g) =>
        shell(g, function* (c) {
          const me = yield* must(c, 'getpid');
          const pid = yield* job(c, function* (j) {
            yield* print(j, 'go\n');
            yield* print(j, 'got ' + (yield* readLine(j)));
            yield* must(j, 'exit', 7);
          });
          expect(yield* wait4(c, pid, WUNTRACED)).to.deep.equal([pid, stopped(SIGTSTP)]);
          yield* must(c, 'ioctl', 0, TIOCSPGRP, i32(me));
          // bg: it reads, and must stop.
          yield* must(c, 'kill', -pid, SIGCONT);
          expect(yield* wait4(c, pid, WUNTRACED)).to.deep.equal([pid, stopped(SIGTTIN)]);
          // fg.
          yield* must(c, 'ioctl', 0, TIOCSPGRP, i32(pid));
          yield* must(c, 'kill', -pid, SIGCONT);
          yield* print(c, 'fg\n');
          expect(yield* wait4(c, pid)).to.deep.equal([pid, exited(7)]);
        }),
    });
    const text = dialogue(k, [
      ['go\r\n', '\x1a'],
      ['fg\r\n', 'line\n'],
    ]);
    expect(text).to.match(/\^Zfg\r\nline\r\ngot line\r\n/);
  }

  it('tells a program of a new window size', () => {
    const k = bootSim({
      init: function* (g) {
        yield* login(g);
        let told = 0;
        yield* sigaction(g, SIGWINCH, function* () {
          told++;
          return;
        });
        yield* print(g, 'ready\n');
        while (told === 0) yield* sys(g, 'sigsuspend', sigset());
        const at = g.alloc(16);
        yield* must(g, 'ioctl', 0, TIOCGWINSZ, at);
        yield* print(g, [...new Uint16Array((yield* g.read(at, 8)).buffer)].join(','));
      },
    });
    k.sim.runUntil(() => k.sim.console.output.includes('ready'));
    k.sim.console.resize(40, 100);
    k.run();
    expect(k.sim.console.output).to.contain('40,100,0,0');
  });

  it('hangs up the foreground when the session leader ends', () => {
    inInit(function* (g) {
      const at = g.alloc(16);
      const r = yield* must(g, 'pipe');
      // The write end is the second result; tests of pipe2 look at it more closely.
      const leader = yield* fork(g, function* (c) {
        yield* login2(c);
        const pid = yield* fork(c, function* (j) {
          yield* j.compute(Infinity);
        });
        yield* must(c, 'write', r + 1, i32(pid), 4);
      });
      yield* wait4(g, leader);
      yield* must(g, 'read', r, at, 4);
      const pid = yield* g.read32(at);
      expect(yield* wait4(g, pid)).to.deep.equal([pid, 1]);
    });
    function* login2(g: Guest): GuestCode<void> {
      yield* must(g, 'setsid');
      const fd = yield* must(g, 'open', '/dev/console', O_RDWR, 0);
      yield* must(g, 'ioctl', fd, TIOCSCTTY, 0);
    }
  });
});

describe('kqueue and pipes between processes', () => {
  const kevent = (ident: number, filter: number, flags: number, fflags = 0, data = 0): Uint8Array => {
    const v = new DataView(new ArrayBuffer(32));
    v.setBigUint64(0, BigInt(ident), true);
    v.setInt16(8, filter, true);
    v.setUint16(10, flags, true);
    v.setUint32(12, fflags, true);
    v.setBigInt64(16, BigInt(data), true);
    return new Uint8Array(v.buffer);
  };
  function* waitEvent(g: Guest, kq: number, timeoutNs?: number): GuestCode<[number, number, number, number] | null> {
    const sp = g.reg(23);
    const at = g.alloc(32);
    const ts = timeoutNs === undefined ? 0 : yield* g.bytes(timespec(timeoutNs));
    const n = yield* must(g, 'kevent', kq, 0, 0, at, 1, ts);
    const v = new DataView((yield* g.read(at, 32)).buffer);
    g.setReg(23, sp);
    return n === 0
      ? null
      : [Number(v.getBigUint64(0, true)), v.getInt16(8, true), v.getUint32(12, true), Number(v.getBigInt64(16, true))];
  }

  it('sees children exit and signals arrive, whatever the interleaving', () => {
    for (let seed = 1; seed <= 8; seed++)
      inInit(
        function* (g) {
          const kq = yield* must(g, 'kqueue');
          yield* must(g, 'kevent', kq, kevent(SIGCHLD, -6, 1), 1, 0, 0, 0);
          const r = yield* must(g, 'pipe');
          const pid = yield* fork(g, function* (c) {
            yield* must(c, 'read', r, c.alloc(16), 1);
            yield* must(c, 'exit', 5);
          });
          yield* must(g, 'kevent', kq, kevent(pid, -5, 1, 0x80000000), 1, 0, 0, 0);
          expect(yield* waitEvent(g, kq, 0)).to.equal(null);
          yield* must(g, 'write', r + 1, 'x', 1);
          const a = yield* waitEvent(g, kq);
          const b = yield* waitEvent(g, kq);
          const sorted = [a, b].sort((x, y) => (x?.[1] ?? 0) - (y?.[1] ?? 0));
          expect(sorted).to.deep.equal([
            [SIGCHLD, -6, 0, 1],
            [pid, -5, 0x80000000, exited(5)],
          ]);
          expect(yield* wait4(g, pid)).to.deep.equal([pid, exited(5)]);
        },
        { seed, ncpus: 2, partialRate: 0.5 },
      );
  });

  it('keep order and lose nothing between a fast writer and a slow reader', () => {
    inInit(
      function* (g) {
        const r = yield* must(g, 'pipe');
        const pid = yield* fork(g, function* (c) {
          yield* must(c, 'close', r);
          const buf = c.alloc(40000);
          for (let i = 0; i < 10; i++) {
            yield* c.write(buf, new Uint8Array(40000).fill(i));
            expect(yield* must(c, 'write', r + 1, buf, 40000)).to.equal(40000);
          }
        });
        yield* must(g, 'close', r + 1);
        const at = g.alloc(8192);
        let total = 0;
        for (;;) {
          const n = yield* must(g, 'read', r, at, 7000);
          if (n === 0) break;
          const d = yield* g.read(at, n);
          for (let i = 0; i < n; i++)
            if (d[i] !== Math.floor((total + i) / 40000)) throw new Error(`byte ${total + i}`);
          total += n;
        }
        expect(total).to.equal(400000);
        expect(yield* wait4(g, pid)).to.deep.equal([pid, exited(0)]);
      },
      { ncpus: 2, seed: 3 },
    );
  });

  it('kill a writer without reader by SIGPIPE', () => {
    inInit(function* (g) {
      const r = yield* must(g, 'pipe');
      const pid = yield* fork(g, function* (c) {
        yield* must(c, 'close', r);
        yield* sys(c, 'write', r + 1, 'x', 1);
        throw new Error('survived');
      });
      yield* must(g, 'close', r);
      expect((yield* wait4(g, pid))[1] & 0x7f).to.equal(13);
    });
  });
});
