import { expect } from 'chai';
import type { Guest, GuestCode } from '../../vkernel/machine/sim/guest.js';
import { exited, fork, inInit, must, nanosleep, sigaction, sys, wait4 } from './kit.js';

const O_RDWR = 2;
const O_NONBLOCK = 4;
const FIODNAME = 0x80106678;
const FIONREAD = 0x4004667f;
const TIOCISPTMASTER = 0x20007455;
const TIOCSCTTY = 0x20007461;
const TIOCSWINSZ = 0x80087467;
const TIOCPKT = 0x80047470;
const TIOCFLUSH = 0x80047410;
const TIOCGSID = 0x40047463;
const TIOCSTOP = 0x2000746f;
const TIOCSTART = 0x2000746e;
const [ENOENT, EIO, EAGAIN, ENOTTY] = [2, 5, 35, 25];
const [SIGHUP, SIGINT, SIGWINCH] = [1, 2, 28];

const i32 = (n: number): Uint8Array => new Uint8Array(Int32Array.of(n).buffer);
const latin1 = (b: Uint8Array): string => Buffer.from(b).toString('latin1');

/** Open a pair: the master, and the slave's path. */
function* pair(g: Guest, flags = O_RDWR): GuestCode<{ m: number; path: string }> {
  const m = yield* must(g, 'open', '/dev/ptmx', flags, 0);
  const at = g.alloc(64);
  const args = new Uint8Array(16);
  new DataView(args.buffer).setBigUint64(0, BigInt(at), true);
  args[8] = 64;
  yield* must(g, 'ioctl', m, FIODNAME, args);
  const name = latin1(yield* g.read(at, 16)).split('\0')[0];
  expect(name).to.match(/^ptm\/\d+$/);
  return { m, path: name.replace('ptm/', '/dev/pts/') };
}
function* put(g: Guest, fd: number, s: string): GuestCode<number> {
  return yield* sys(g, 'write', fd, Uint8Array.from(Buffer.from(s, 'latin1')), s.length);
}
/** One read; minus the errno when it fails. */
function* get(g: Guest, fd: number, max = 256): GuestCode<string | number> {
  const at = g.alloc(max);
  const n = yield* sys(g, 'read', fd, at, max);
  return n < 0 ? n : latin1(yield* g.read(at, n));
}
/** The session leader on the slave. */
function* login(g: Guest, path: string): GuestCode<void> {
  yield* must(g, 'setsid');
  for (let fd = 0; fd < 3; fd++) yield* sys(g, 'close', fd);
  for (let fd = 0; fd < 3; fd++) expect(yield* must(g, 'open', path, O_RDWR, 0)).to.equal(fd);
  yield* must(g, 'ioctl', 0, TIOCSCTTY, 0);
}
function* wordOf(g: Guest, fd: number, cmd: number): GuestCode<number> {
  const at = g.alloc(16);
  const r = yield* sys(g, 'ioctl', fd, cmd, at);
  return r < 0 ? r : yield* g.read32(at);
}

describe('ptys', () => {
  it('come as pairs that carry bytes both ways through the line discipline', () => {
    inInit(function* (g) {
      const { m, path } = yield* pair(g);
      expect(path).to.equal('/dev/pts/0');
      const s = yield* must(g, 'open', path, O_RDWR, 0);
      expect(yield* sys(g, 'ioctl', m, TIOCISPTMASTER, 0)).to.equal(0);
      expect(yield* sys(g, 'ioctl', s, TIOCISPTMASTER, 0)).to.equal(-ENOTTY);
      yield* put(g, m, 'helxo\x7f\x7flo\n');
      expect(yield* get(g, s)).to.equal('hello\n');
      expect(yield* get(g, m)).to.equal('helxo\b \b\b \blo\r\n');
      yield* put(g, s, 'one\n');
      expect(yield* wordOf(g, m, FIONREAD)).to.equal(5);
      expect(yield* get(g, m, 3)).to.equal('one');
      expect(yield* get(g, m)).to.equal('\r\n');
      expect(yield* sys(g, 'open', '/dev/ptm/0', O_RDWR, 0)).to.equal(-EIO);
      const second = yield* pair(g);
      expect(second.path).to.equal('/dev/pts/1');
    });
  });

  it('control a session: keys are signals, a new size is SIGWINCH, the master has no session', () => {
    inInit(function* (g) {
      const { m, path } = yield* pair(g);
      const child = yield* fork(g, function* (c) {
        const seen: number[] = [];
        for (const sig of [SIGINT, SIGWINCH])
          yield* sigaction(c, sig, function* () {
            seen.push(sig);
          });
        yield* login(c, path);
        yield* put(c, 1, 'ready\n');
        while (seen.length < 2) yield* nanosleep(c, 1e9);
        expect(seen).to.deep.equal([SIGINT, SIGWINCH]);
        const tty = yield* must(c, 'open', '/dev/tty', O_RDWR, 0);
        expect(yield* wordOf(c, tty, TIOCGSID)).to.equal(yield* must(c, 'getpid'));
      });
      expect(yield* get(g, m)).to.equal('ready\r\n');
      expect(yield* wordOf(g, m, TIOCGSID)).to.equal(-ENOTTY);
      yield* put(g, m, '\x03');
      expect(yield* get(g, m)).to.equal('^C');
      const size = new Uint8Array(8);
      size[0] = 50;
      size[2] = 132;
      yield* must(g, 'ioctl', m, TIOCSWINSZ, size);
      expect(yield* wait4(g, child)).to.deep.equal([child, exited(0)]);
    });
  });

  it('give the master what is left, and then the end, when the slave is closed; a new open goes on', () => {
    inInit(function* (g) {
      const { m, path } = yield* pair(g);
      const child = yield* fork(g, function* (c) {
        yield* sys(c, 'close', m);
        yield* login(c, path);
        yield* put(c, 1, 'last words\n');
      });
      yield* wait4(g, child);
      expect(yield* get(g, m)).to.equal('last words\r\n');
      expect(yield* get(g, m)).to.equal('');
      expect(yield* put(g, m, 'x')).to.equal(-EIO);
      const s = yield* must(g, 'open', path, O_RDWR, 0);
      yield* put(g, s, 'again');
      expect(yield* get(g, m)).to.equal('again');
    });
  });

  it('hang up when the master is closed, and their number is used again', () => {
    inInit(function* (g) {
      const { m, path } = yield* pair(g);
      const child = yield* fork(g, function* (c) {
        yield* sys(c, 'close', m);
        let hup = 0;
        yield* sigaction(c, SIGHUP, function* () {
          hup++;
        });
        yield* login(c, path);
        yield* put(c, 1, 'in\n');
        yield* nanosleep(c, 10e9);
        expect(hup).to.equal(1);
        expect(yield* put(c, 1, 'x')).to.equal(-EIO);
        expect(yield* get(c, 0)).to.equal('');
      });
      expect(yield* get(g, m)).to.equal('in\r\n');
      yield* must(g, 'close', m);
      expect(yield* wait4(g, child)).to.deep.equal([child, exited(0)]);
      expect(yield* sys(g, 'open', path, O_RDWR, 0)).to.equal(-ENOENT);
      expect((yield* pair(g)).path).to.equal(path);
    });
  });

  it('hold writers until there is room, on both sides', () => {
    inInit(function* (g) {
      const { m, path } = yield* pair(g, O_RDWR | O_NONBLOCK);
      // Nobody has opened the slave: the master waits for it.
      expect(yield* put(g, m, 'x')).to.equal(-EAGAIN);
      expect(yield* get(g, m)).to.equal(-EAGAIN);
      const s = yield* must(g, 'open', path, O_RDWR, 0);
      const child = yield* fork(g, function* (c) {
        expect(yield* put(c, s, 'y'.repeat(30000))).to.equal(30000);
      });
      yield* must(g, 'fcntl', m, 4, 0);
      let n = 0;
      while (n < 30000) {
        const t = yield* get(g, m, 4096);
        expect(t).to.match(/^y+$/);
        n += String(t).length;
      }
      expect(yield* wait4(g, child)).to.deep.equal([child, exited(0)]);
      // A line that nobody reads fills the input.
      yield* must(g, 'fcntl', m, 4, O_NONBLOCK);
      let put1 = 0;
      for (;;) {
        const r = yield* put(g, m, 'z'.repeat(99) + '\n');
        while (typeof (yield* get(g, m, 4096)) === 'string');
        if (r < 0) {
          expect(r).to.equal(-EAGAIN);
          break;
        }
        put1 += r;
      }
      expect(put1).to.be.within(4000, 20000);
      yield* get(g, s, 256);
      expect(yield* put(g, m, '\n')).to.equal(1);
    });
  });

  it('tell of stops, starts and flushes in packet mode', () => {
    inInit(function* (g) {
      const { m, path } = yield* pair(g);
      const s = yield* must(g, 'open', path, O_RDWR, 0);
      yield* must(g, 'ioctl', m, TIOCPKT, i32(1));
      yield* put(g, s, 'data');
      expect(yield* get(g, m)).to.equal('\0data');
      yield* must(g, 'ioctl', s, TIOCSTOP, 0);
      expect(yield* get(g, m)).to.equal('\x04');
      yield* must(g, 'ioctl', s, TIOCSTART, 0);
      expect(yield* get(g, m)).to.equal('\x08');
      yield* must(g, 'ioctl', s, TIOCFLUSH, i32(0));
      expect(yield* get(g, m)).to.equal('\x03');
    });
  });

  it('are polled: the master for output and its end, the slave for lines', () => {
    inInit(function* (g) {
      const { m, path } = yield* pair(g);
      const s = yield* must(g, 'open', path, O_RDWR, 0);
      const poll = function* (fd: number): GuestCode<number> {
        const at = g.alloc(16);
        yield* g.write(at, new Uint8Array(Int32Array.of(fd, 5).buffer));
        yield* must(g, 'poll', at, 1, 0);
        return (yield* g.read32(at + 4)) >> 16;
      };
      const [POLLIN, POLLOUT, POLLHUP] = [1, 4, 16];
      expect(yield* poll(m)).to.equal(POLLOUT);
      yield* put(g, m, 'li');
      expect((yield* poll(s)) & POLLIN).to.equal(0);
      yield* put(g, m, 'ne\n');
      expect((yield* poll(s)) & POLLIN).to.equal(POLLIN);
      expect((yield* poll(m)) & POLLIN).to.equal(POLLIN);
      yield* must(g, 'close', s);
      yield* get(g, m);
      expect((yield* poll(m)) & (POLLIN | POLLHUP)).to.not.equal(0);
    });
  });
});
