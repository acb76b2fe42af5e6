import { expect } from 'chai';
import type { Guest, GuestCode } from '../../vkernel/machine/sim/guest.js';
import { exited, fork, inInit, must, nanosleep, strings, sys, timeval, wait4 } from './kit.js';

const [EPERM, ENOENT, EBADF, EBUSY, EINVAL] = [1, 2, 9, 16, 22];

function* child(g: Guest, body: (c: Guest) => GuestCode<void>, status = 0): GuestCode<void> {
  const pid = yield* fork(g, body);
  expect(yield* wait4(g, pid)).to.deep.equal([pid, exited(status)]);
}
/** CLOCK_REALTIME in ns. */
function* wall(g: Guest): GuestCode<number> {
  const at = g.alloc(16);
  yield* must(g, 'clock_gettime', 0, at);
  return (yield* g.read64(at)) * 1e9 + (yield* g.read64(at + 8));
}

describe('fexecve', () => {
  const [O_RDONLY, O_RDWR, O_CLOEXEC] = [0, 2, 0x20000];
  it('runs an open file; a script must be there for its interpreter', () => {
    inInit(
      function* (g) {
        const exec = function* (c: Guest, path: string, flags: number): GuestCode<number> {
          const fd = yield* must(c, 'open', path, flags, 0);
          return yield* sys(c, 'fexecve', fd, yield* strings(c, ['x', 'arg']), yield* strings(c, []));
        };
        yield* child(
          g,
          function* (c) {
            yield* exec(c, '/bin/x', O_RDONLY | O_CLOEXEC);
          },
          7,
        );
        yield* child(
          g,
          function* (c) {
            yield* exec(c, '/bin/script', O_RDONLY);
          },
          7,
        );
        yield* child(g, function* (c) {
          expect(yield* exec(c, '/bin/script', O_RDONLY | O_CLOEXEC)).to.equal(-ENOENT);
          expect(yield* exec(c, '/bin/x', O_RDWR)).to.equal(-EBADF);
          expect(yield* exec(c, '/etc/text', O_RDONLY)).to.equal(-13);
          expect(yield* sys(c, 'fexecve', 99, 0, 0)).to.equal(-EBADF);
        });
      },
      {
        programs: {
          '/bin/x': function* (g) {
            yield* sys(g, 'exit', 7);
          },
        },
        files: { '/bin/script': '#!/bin/x\n', '/etc/text': 'no program' },
      },
    );
  });
});

describe('adjtime', () => {
  it('slews the wall clock by half a millisecond a second, and file times with it', () => {
    inInit(function* (g) {
      const old = g.alloc(16);
      const before = yield* wall(g);
      yield* must(g, 'adjtime', timeval(2e6), 0);
      yield* nanosleep(g, 2.5e9);
      // Two steps have been made.
      expect((yield* wall(g)) - before).to.be.within(2.5009e9, 2.502e9);
      yield* must(g, 'adjtime', 0, old);
      expect(yield* g.read64(old + 8)).to.equal(1000);
      yield* nanosleep(g, 10e9);
      expect((yield* wall(g)) - before).to.be.within(12.5019e9, 12.504e9);
      yield* child(g, function* (c) {
        yield* must(c, 'setuid', 9);
        expect(yield* sys(c, 'adjtime', timeval(1e6), 0)).to.equal(-EPERM);
      });
      yield* must(g, 'settimeofday', timeval(1e18), 0);
      yield* must(g, 'mkdir', '/tmp/new', 0o755);
      const st = g.alloc(128);
      yield* must(g, 'stat', '/tmp/new', st);
      expect(Math.abs((yield* wall(g)) - 1e18)).to.be.lessThan(1e9);
      const b = yield* g.read(st, 128);
      const v = new DataView(b.buffer, b.byteOffset);
      const seconds = Array.from({ length: 12 }, (_, i) => v.getUint32(24 + i * 8, true));
      expect(seconds).to.include(1e9);
    });
  });
});

describe('kernel modules', () => {
  it('are the kernel itself, and nothing that could be loaded', () => {
    inInit(function* (g) {
      expect(yield* must(g, 'kldfind', 'kernel')).to.equal(1);
      expect(yield* sys(g, 'kldfind', 'nfs.ko')).to.equal(-ENOENT);
      expect(yield* must(g, 'kldnext', 0)).to.equal(1);
      expect(yield* must(g, 'kldnext', 1)).to.equal(0);
      expect(yield* sys(g, 'kldload', 'nfs')).to.equal(-ENOENT);
      expect(yield* sys(g, 'kldunload', 1)).to.equal(-EBUSY);
      const at = g.alloc(2080);
      expect(yield* sys(g, 'kldstat', 1, at)).to.equal(-EINVAL);
      yield* g.write32(at, 2080);
      yield* must(g, 'kldstat', 1, at);
      expect(Buffer.from(yield* g.read(at + 4, 6)).toString('latin1')).to.equal('kernel');
      expect(yield* sys(g, 'modfind', 'x')).to.equal(-ENOENT);
      yield* child(g, function* (c) {
        yield* must(c, 'setuid', 9);
        expect(yield* sys(c, 'kldload', 'nfs')).to.equal(-EPERM);
      });
    });
  });
});
