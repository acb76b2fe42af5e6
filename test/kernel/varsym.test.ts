import { expect } from 'chai';
import type { Guest, GuestCode } from '../../vkernel/machine/sim/guest.js';
import { exited, fork, inInit, must, sys, wait4 } from './kit.js';

const [ENOENT, EINVAL, EPERM, EOVERFLOW, ENAMETOOLONG, E2BIG] = [2, 22, 1, 84, 63, 7];
const [PROC, USER, SYSTEM, PRISON, ALL] = [1, 2, 3, 4, 14];

function* get(g: Guest, name: string, mask = ALL, size = 64): GuestCode<string | number> {
  const at = g.alloc(64);
  const r = yield* sys(g, 'varsym_get', mask, name, at, size);
  return r < 0
    ? r
    : Buffer.from(yield* g.read(at, 64))
        .toString('latin1')
        .split('\0')[0];
}
function* child(g: Guest, body: (c: Guest) => GuestCode<void>): GuestCode<void> {
  const pid = yield* fork(g, body);
  expect(yield* wait4(g, pid)).to.deep.equal([pid, exited(0)]);
}
/** The first word of a file. */
function* cat(g: Guest, path: string): GuestCode<string | number> {
  const fd = yield* sys(g, 'open', path, 0, 0);
  if (fd < 0) return fd;
  const at = g.alloc(64);
  const n = yield* must(g, 'read', fd, at, 64);
  yield* must(g, 'close', fd);
  return Buffer.from(yield* g.read(at, n)).toString('latin1');
}

describe('variant symbols', () => {
  it('are found in the process first, then in its user, then in the system', () => {
    inInit(function* (g) {
      expect(yield* get(g, 'x')).to.equal(-ENOENT);
      yield* must(g, 'varsym_set', SYSTEM, 'x', 'system');
      yield* must(g, 'varsym_set', USER, 'x', 'user');
      yield* must(g, 'varsym_set', PROC, 'x', 'process');
      expect(yield* get(g, 'x')).to.equal('process');
      expect(yield* get(g, 'x', 12)).to.equal('user');
      expect(yield* get(g, 'x', 8)).to.equal('system');
      yield* child(g, function* (c) {
        expect(yield* get(c, 'x')).to.equal('process');
        // A copy: what the child sets is its own.
        yield* must(c, 'varsym_set', PROC, 'x', 'child');
        yield* must(c, 'setuid', 1000);
        expect(yield* get(c, 'x', 12)).to.equal('system');
        expect(yield* sys(c, 'varsym_set', SYSTEM, 'y', 'z')).to.equal(-EPERM);
        yield* must(c, 'varsym_set', USER, 'y', 'mine');
      });
      expect(yield* get(g, 'x')).to.equal('process');
      expect(yield* get(g, 'y')).to.equal(-ENOENT);
      yield* must(g, 'varsym_set', PROC, 'x', 0);
      expect(yield* get(g, 'x')).to.equal('user');
      expect(yield* sys(g, 'varsym_set', PROC, 'x', 0)).to.equal(-ENOENT);
      expect(yield* sys(g, 'varsym_set', PRISON, 'x', 'v')).to.equal(-EINVAL);
      expect(yield* sys(g, 'varsym_set', 9, 'x', 'v')).to.equal(-EINVAL);
      expect(yield* sys(g, 'varsym_set', PROC, 'n'.repeat(64), 'v')).to.equal(-ENAMETOOLONG);
      expect(yield* get(g, 'x', ALL, 3)).to.equal(-EOVERFLOW);
      let r = 0;
      for (let i = 0; i < 100 && r === 0; i++) r = yield* sys(g, 'varsym_set', PROC, `v${i}`, 'd'.repeat(255));
      expect(r).to.equal(-E2BIG);
    });
  });
  it('are listed piece by piece', () => {
    inInit(function* (g) {
      for (const [n, v] of [
        ['a', '1'],
        ['bb', '22'],
        ['c', '3'],
      ])
        yield* must(g, 'varsym_set', PROC, n, v);
      const buf = g.alloc(64);
      const marker = g.alloc(16);
      yield* g.write32(marker, 0);
      let text = '';
      for (let i = 0; i < 5; i++) {
        const n = yield* must(g, 'varsym_list', PROC, buf, 10, marker);
        text += Buffer.from(yield* g.read(buf, n)).toString('latin1');
        if ((yield* g.read32(marker)) === -1) break;
      }
      expect(text).to.equal('a\x001\0bb\x0022\0c\x003\0');
    });
  });
  it('choose the target of symbolic links', () => {
    inInit(
      function* (g) {
        yield* must(g, 'symlink', '/etc/${ARCH}/conf', '/tmp/conf');
        expect(yield* cat(g, '/tmp/conf')).to.equal(-ENOENT);
        yield* must(g, 'varsym_set', SYSTEM, 'ARCH', 'one');
        expect(yield* cat(g, '/tmp/conf')).to.equal('first');
        yield* must(g, 'varsym_set', PROC, 'ARCH', 'two');
        expect(yield* cat(g, '/tmp/conf')).to.equal('second');
        // The link itself is as it was written.
        const at = g.alloc(64);
        const n = yield* must(g, 'readlink', '/tmp/conf', at, 64);
        expect(Buffer.from(yield* g.read(at, n)).toString('latin1')).to.equal('/etc/${ARCH}/conf');
      },
      { files: { '/etc/one/conf': 'first', '/etc/two/conf': 'second' } },
    );
  });
});

describe('kenv', () => {
  const [GET, SET, UNSET, DUMP] = [0, 1, 2, 3];
  it('gets, sets, removes and dumps variables; only the super-user changes them', () => {
    inInit(function* (g) {
      const at = g.alloc(64);
      expect(yield* sys(g, 'kenv', GET, 'a', at, 64)).to.equal(-ENOENT);
      yield* must(g, 'kenv', SET, 'a', 'one', 4);
      yield* must(g, 'kenv', SET, 'b', 'two', 4);
      expect(yield* must(g, 'kenv', GET, 'a', at, 64)).to.equal(4);
      expect(Buffer.from(yield* g.read(at, 4)).toString('latin1')).to.equal('one\0');
      const size = yield* must(g, 'kenv', DUMP, 0, 0, 0);
      expect(size).to.equal(12);
      yield* must(g, 'kenv', DUMP, 0, at, 64);
      expect(Buffer.from(yield* g.read(at, 12)).toString('latin1')).to.equal('a=one\0b=two\0');
      yield* must(g, 'kenv', UNSET, 'a', 0, 0);
      expect(yield* sys(g, 'kenv', UNSET, 'a', 0, 0)).to.equal(-ENOENT);
      expect(yield* sys(g, 'kenv', 7, 'a', 0, 0)).to.equal(-EINVAL);
      yield* child(g, function* (c) {
        yield* must(c, 'setuid', 1000);
        expect(yield* sys(c, 'kenv', SET, 'c', 'x', 2)).to.equal(-EPERM);
        expect(yield* must(c, 'kenv', GET, 'b', c.alloc(16), 16)).to.equal(4);
      });
    });
  });
});
