import { expect } from 'chai';
import type { Guest, GuestCode } from '../../vkernel/machine/sim/guest.js';
import { fork, inInit, must, nanosleep, num, sigaction, sys, wait4 } from './kit.js';

const [SET, CLEAR, CLEARFILE, DESCEND] = [0, 1, 2, 4];
const [SYSCALL, SYSRET, PSIG, USER] = [1, 2, 5, 7];
const ALL = (1 << SYSCALL) | (1 << SYSRET) | (1 << PSIG) | (1 << USER);
const INHERIT = 0x40000000;
const [EPERM, ENOENT, ESRCH, EINVAL] = [1, 2, 3, 22];

interface Rec {
  type: number;
  pid: number;
  comm: string;
  body: DataView;
}
function* records(g: Guest, path: string): GuestCode<Rec[]> {
  yield* nanosleep(g, 1e6);
  const fd = yield* must(g, 'open', path, 0, 0);
  const at = g.alloc(65536);
  const n = yield* must(g, 'read', fd, at, 65536);
  const b = yield* g.read(at, n);
  yield* must(g, 'close', fd);
  const v = new DataView(b.buffer, b.byteOffset);
  const out: Rec[] = [];
  for (let o = 0; o < n; o += 64 + v.getInt32(o, true))
    out.push({
      type: v.getInt16(o + 4, true),
      pid: v.getInt32(o + 8, true),
      comm: Buffer.from(b.subarray(o + 16, o + 33))
        .toString('latin1')
        .split('\0')[0],
      body: new DataView(b.buffer, b.byteOffset + o + 64, v.getInt32(o, true)),
    });
  return out;
}
function* makeFile(g: Guest, path: string): GuestCode<void> {
  yield* must(g, 'close', yield* must(g, 'open', path, 0x202, 0o644));
}

describe('ktrace', () => {
  it('records calls, results, signals and what the process says', () => {
    inInit(function* (g) {
      yield* makeFile(g, '/tmp/out');
      const pid = yield* fork(g, function* (c) {
        yield* sigaction(c, 30, function* () {});
        yield* nanosleep(c, 1e9);
        yield* sys(c, 'dup', 77);
        yield* must(c, 'getppid');
        yield* must(c, 'kill', yield* must(c, 'getpid'), 30);
        yield* must(c, 'utrace', Uint8Array.of(1, 2, 3), 3);
        expect(yield* sys(c, 'utrace', 0x1000, 5000)).to.equal(-EINVAL);
      });
      yield* nanosleep(g, 1e6);
      yield* must(g, 'ktrace', '/tmp/out', SET, ALL, pid);
      yield* wait4(g, pid);
      const all = yield* records(g, '/tmp/out');
      expect(all.every((r) => r.pid === pid && r.comm === 'init')).to.equal(true);
      const i = all.findIndex((r) => r.type === SYSCALL && r.body.getInt16(0, true) === num('dup'));
      expect(all[i].body.getInt16(2, true)).to.equal(1);
      expect(Number(all[i].body.getBigInt64(8, true))).to.equal(77);
      expect([all[i + 1].type, all[i + 1].body.getInt32(4, true)]).to.deep.equal([SYSRET, 9]);
      expect(Number(all[i + 3].body.getBigInt64(8, true))).to.equal(1);
      const psig = all.find((r) => r.type === PSIG);
      expect(psig?.body.getInt32(0, true)).to.equal(30);
      const user = all.find((r) => r.type === USER);
      expect([0, 1, 2].map((o) => user?.body.getUint8(o))).to.deep.equal([1, 2, 3]);
    });
  });
  it('follows children if asked, and ends when told', () => {
    inInit(function* (g) {
      yield* makeFile(g, '/tmp/out');
      const calls = function* (): GuestCode<number> {
        return (yield* records(g, '/tmp/out')).filter((r) => r.body.getInt16(0, true) === num('getppid')).length;
      };
      const ask = function* (c: Guest): GuestCode<void> {
        yield* must(c, 'getppid');
      };
      const me = yield* must(g, 'getpid');
      yield* must(g, 'ktrace', '/tmp/out', SET, (1 << SYSCALL) | INHERIT, me);
      yield* wait4(g, yield* fork(g, ask));
      expect(yield* calls()).to.equal(1);
      yield* must(g, 'ktrace', 0, CLEAR, 1 << SYSCALL, me);
      yield* wait4(g, yield* fork(g, ask));
      expect(yield* calls()).to.equal(1);
      const waiting = yield* fork(g, function* (c) {
        yield* nanosleep(c, 1e9);
        yield* ask(c);
        yield* nanosleep(c, 1e9);
        yield* ask(c);
      });
      yield* must(g, 'ktrace', '/tmp/out', SET | DESCEND, 1 << SYSCALL, me);
      yield* nanosleep(g, 1.5e9);
      yield* must(g, 'ktrace', '/tmp/out', CLEARFILE, 0, 0);
      yield* wait4(g, waiting);
      expect(yield* calls()).to.equal(2);
    });
  });
  it('is refused to strangers', () => {
    inInit(function* (g) {
      yield* makeFile(g, '/tmp/out');
      yield* must(g, 'chmod', '/tmp/out', 0o666);
      expect(yield* sys(g, 'ktrace', '/tmp/none', SET, ALL, 1)).to.equal(-ENOENT);
      expect(yield* sys(g, 'ktrace', '/tmp/out', SET, ALL, 999)).to.equal(-ESRCH);
      expect(yield* sys(g, 'ktrace', '/tmp/out', SET, 0, 1)).to.equal(-EINVAL);
      const pid = yield* fork(g, function* (c) {
        yield* must(c, 'setuid', 9);
        expect(yield* sys(c, 'ktrace', '/tmp/out', SET, ALL, 1)).to.equal(-EPERM);
      });
      expect((yield* wait4(g, pid))[1]).to.equal(0);
    });
  });
});

describe('EVFILT_FS', () => {
  it('tells of mounts and unmounts', () => {
    inInit(function* (g) {
      yield* must(g, 'mkdir', '/tmp/m', 0o755);
      const kq = yield* must(g, 'kqueue');
      const kev = new Uint8Array(32);
      const v = new DataView(kev.buffer);
      v.setInt16(8, -10, true);
      v.setUint16(10, 1, true);
      const events = g.alloc(64);
      const zero = new Uint8Array(16);
      yield* must(g, 'kevent', kq, kev, 1, 0, 0, 0);
      expect(yield* must(g, 'kevent', kq, 0, 0, events, 1, zero)).to.equal(0);
      yield* must(g, 'mount', 'tmpfs', '/tmp/m', 0, 0);
      expect(yield* must(g, 'kevent', kq, 0, 0, events, 1, zero)).to.equal(1);
      expect(yield* g.read32(events + 12)).to.equal(0x8);
      yield* must(g, 'unmount', '/tmp/m', 0);
      expect(yield* must(g, 'kevent', kq, 0, 0, events, 1, zero)).to.equal(1);
      expect(yield* g.read32(events + 12)).to.equal(0x10);
    });
  });
});
