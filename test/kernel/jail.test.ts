import { expect } from 'chai';
import type { Guest, GuestCode } from '../../vkernel/machine/sim/guest.js';
import { exited, fork, inInit, must, nanosleep, sigaction, sys, wait4 } from './kit.js';

const [EPERM, ENOENT, ESRCH, EINVAL, EALREADY, ENOTCONN] = [1, 2, 3, 22, 37, 57];

/** struct jail at version 1, without addresses. */
function* jail(g: Guest, path: string, hostname: string): GuestCode<number> {
  const b = new Uint8Array(40);
  const v = new DataView(b.buffer);
  v.setUint32(0, 1, true);
  v.setBigUint64(8, BigInt(yield* g.cstr(path)), true);
  v.setBigUint64(16, BigInt(yield* g.cstr(hostname)), true);
  return yield* sys(g, 'jail', b);
}
function* sysctl(g: Guest, oid: number[], value?: string): GuestCode<string | number> {
  const at = g.alloc(256);
  const len = g.alloc(16);
  yield* g.write(len, new Uint8Array(BigUint64Array.of(256n).buffer));
  const name = new Uint8Array(Int32Array.from(oid).buffer);
  const r =
    value === undefined
      ? yield* sys(g, '__sysctl', name, oid.length, at, len, 0, 0)
      : yield* sys(g, '__sysctl', name, oid.length, 0, 0, value, value.length);
  if (r < 0 || value !== undefined) return r;
  return Buffer.from(yield* g.read(at, yield* g.read64(len)))
    .toString('latin1')
    .replace(/\0$/, '');
}
/** What the jail may see: its number of processes in kern.proc.all. */
function* processes(g: Guest): GuestCode<number> {
  const at = g.alloc(8192);
  const len = g.alloc(16);
  yield* g.write(len, new Uint8Array(BigUint64Array.of(8192n).buffer));
  yield* must(g, '__sysctl', new Uint8Array(Int32Array.of(1, 14, 0).buffer), 3, at, len, 0, 0);
  return (yield* g.read64(len)) / 1048;
}
const HOSTNAME = [1, 10];

describe('jails', () => {
  it('have a root, a host name and processes of their own', () => {
    const k = inInit(
      function* (g) {
        yield* sysctl(g, HOSTNAME, 'host');
        const pid = yield* fork(g, function* (c) {
          const id = yield* jail(c, '/var/jail', 'inner');
          expect(id).to.equal(1);
          expect(yield* sys(c, 'open', '/etc/inside', 0, 0)).to.be.greaterThan(-1);
          expect(yield* sys(c, 'open', '/../../sbin/init', 0, 0)).to.equal(-ENOENT);
          expect(yield* sysctl(c, HOSTNAME)).to.equal('inner');
          yield* sysctl(c, HOSTNAME, 'renamed');
          expect(yield* sysctl(c, HOSTNAME)).to.equal('renamed');
          expect(yield* sys(c, 'kill', 1, 0)).to.equal(-ESRCH);
          expect(yield* processes(c)).to.equal(1);
          const grand = yield* fork(c, function* (d) {
            yield* nanosleep(d, 1e12);
          });
          expect(yield* processes(c)).to.equal(2);
          expect(yield* sys(c, 'kill', grand, 9)).to.equal(0);
          yield* wait4(c, grand);
          yield* nanosleep(c, 10e9);
        });
        yield* nanosleep(g, 1e9);
        expect(yield* sysctl(g, HOSTNAME)).to.equal('host');
        expect(yield* sys(g, 'kill', pid, 0)).to.equal(0);
        // Somebody else joins.
        const other = yield* fork(g, function* (c) {
          expect(yield* sys(c, 'jail_attach', 7)).to.equal(-EINVAL);
          yield* must(c, 'jail_attach', 1);
          expect(yield* sysctl(c, HOSTNAME)).to.equal('renamed');
          expect(yield* sys(c, 'kill', pid, 0)).to.equal(0);
        });
        expect(yield* wait4(g, other)).to.deep.equal([other, exited(0)]);
        expect(yield* wait4(g, pid)).to.deep.equal([pid, exited(0)]);
        // The jail went with its last process.
        expect(yield* sys(g, 'jail_attach', 1)).to.equal(-EINVAL);
      },
      { files: { '/var/jail/etc/inside': 'x' } },
    );
    expect(k.gd.jail.prisons.size).to.equal(0);
  });
  it("take the super-user's power over the system away", () => {
    inInit(
      function* (g) {
        const pid = yield* fork(g, function* (c) {
          yield* must(c, 'chdir', '/');
          expect(yield* jail(c, '/tmp', 'j')).to.equal(1);
          expect(yield* jail(c, '/', 'k')).to.equal(-EPERM);
          expect(yield* sys(c, 'jail_attach', 1)).to.equal(-EPERM);
          expect(yield* sys(c, 'mount', 'tmpfs', '/', 0, 0)).to.equal(-EPERM);
          expect(yield* sys(c, 'reboot', 8)).to.equal(-EPERM);
          expect(yield* sys(c, 'mknod', '/dev', 0o20666, 0)).to.equal(-EPERM);
          expect(yield* sys(c, 'settimeofday', new Uint8Array(16), 0)).to.equal(-EPERM);
          expect(yield* sys(c, 'kenv', 1, 'x', 'y', 2)).to.equal(-EPERM);
          expect(yield* sysctl(c, [1, 22], 'domain')).to.equal(-EPERM);
          // Its own files and processes are its own.
          expect(yield* sys(c, 'mkdir', '/d', 0o755)).to.equal(0);
          expect(yield* sys(c, 'chown', '/d', 5, 5)).to.equal(0);
          expect(yield* sys(c, 'setuid', 5)).to.equal(0);
        });
        expect(yield* wait4(g, pid)).to.deep.equal([pid, exited(0)]);
        const user = yield* fork(g, function* (c) {
          yield* must(c, 'setuid', 5);
          expect(yield* jail(c, '/', 'x')).to.equal(-EPERM);
        });
        expect(yield* wait4(g, user)).to.deep.equal([user, exited(0)]);
      },
      { files: { '/tmp/file': 'x' } },
    );
  });
});

describe('procctl', () => {
  const [ACQUIRE, RELEASE, STATUS, DEATHSIG, DEATHSIG_STATUS, KILL] = [1, 2, 3, 4, 5, 6];
  it('makes a process the reaper of what is below it', () => {
    inInit(function* (g) {
      const pid = yield* fork(g, function* (c) {
        yield* must(c, 'procctl', 0, 0, ACQUIRE, 0);
        expect(yield* sys(c, 'procctl', 0, 0, ACQUIRE, 0)).to.equal(-EALREADY);
        const me = yield* must(c, 'getpid');
        const middle = yield* fork(c, function* (d) {
          yield* fork(d, function* (e) {
            yield* nanosleep(e, 1e9);
            expect(yield* must(e, 'getppid')).to.equal(me);
          });
        });
        expect((yield* wait4(c, middle))[1]).to.equal(exited(0));
        const st = c.alloc(192);
        yield* must(c, 'procctl', 0, me, STATUS, st);
        expect(yield* c.read32(st)).to.equal(1);
        expect((yield* wait4(c, -1))[0]).to.be.greaterThan(middle);
        yield* must(c, 'procctl', 0, 0, RELEASE, 0);
        expect(yield* sys(c, 'procctl', 0, 0, RELEASE, 0)).to.equal(-ENOTCONN);
      });
      expect(yield* wait4(g, pid)).to.deep.equal([pid, exited(0)]);
      expect(yield* sys(g, 'procctl', 0, 12345, STATUS, 0)).to.equal(-EINVAL);
      expect(yield* sys(g, 'procctl', 0, 0, 99, 0)).to.equal(-EINVAL);
    });
  });
  it('kills all descendants of a reaper', () => {
    inInit(function* (g) {
      const pid = yield* fork(g, function* (c) {
        yield* must(c, 'procctl', 0, 0, ACQUIRE, 0);
        yield* fork(c, function* (d) {
          yield* fork(d, function* (e) {
            yield* nanosleep(e, 1e12);
          });
          yield* nanosleep(d, 1e12);
        });
        yield* nanosleep(c, 1e9);
        const b = new Uint8Array(16);
        b[4] = 9;
        const at = yield* c.bytes(b);
        yield* must(c, 'procctl', 0, 0, KILL, at);
        expect(yield* c.read32(at + 8)).to.equal(2);
        expect((yield* wait4(c, -1))[1]).to.equal(9);
        expect((yield* wait4(c, -1))[1]).to.equal(9);
      });
      expect(yield* wait4(g, pid)).to.deep.equal([pid, exited(0)]);
    });
  });
  it('sends the signal that a child has asked for when its parent dies', () => {
    inInit(function* (g) {
      let seen = 0;
      const pid = yield* fork(g, function* (c) {
        yield* fork(c, function* (d) {
          yield* sigaction(d, 30, function* () {
            seen++;
          });
          yield* must(d, 'procctl', 0, 0, DEATHSIG, new Uint8Array(Int32Array.of(30).buffer));
          const at = d.alloc(16);
          yield* must(d, 'procctl', 0, 0, DEATHSIG_STATUS, at);
          expect(yield* d.read32(at)).to.equal(30);
          expect(yield* sys(d, 'procctl', 0, 0, DEATHSIG, new Uint8Array(Int32Array.of(999).buffer))).to.equal(-EINVAL);
          yield* nanosleep(d, 5e9);
        });
        yield* nanosleep(c, 1e9);
      });
      yield* wait4(g, pid);
      yield* wait4(g, -1);
      expect(seen).to.equal(1);
    });
  });
});

describe('POSIX scheduling and I/O priorities', () => {
  it('are kept and checked', () => {
    inInit(function* (g) {
      const prio = (n: number): Uint8Array => new Uint8Array(Int32Array.of(n).buffer);
      const at = g.alloc(16);
      expect(yield* must(g, 'sched_getscheduler', 0)).to.equal(2);
      yield* must(g, 'sched_setscheduler', 0, 3, prio(20));
      expect(yield* must(g, 'sched_getscheduler', 0)).to.equal(3);
      yield* must(g, 'sched_getparam', 0, at);
      expect(yield* g.read32(at)).to.equal(20);
      yield* must(g, 'sched_setparam', 0, prio(5));
      yield* must(g, 'sched_getparam', 0, at);
      expect(yield* g.read32(at)).to.equal(5);
      yield* must(g, 'sched_setscheduler', 0, 2, prio(0));
      expect(yield* sys(g, 'sched_setscheduler', 0, 9, prio(0))).to.equal(-EINVAL);
      expect(yield* sys(g, 'sched_getparam', 999, at)).to.equal(-ESRCH);
      yield* must(g, 'sched_rr_get_interval', 0, at);
      expect(yield* g.read64(at + 8)).to.equal(100e6);
      expect(yield* must(g, 'ioprio_get', 0, 0)).to.equal(7);
      yield* must(g, 'ioprio_set', 0, 0, 3);
      const pid = yield* fork(g, function* (c) {
        expect(yield* must(c, 'ioprio_get', 0, 0)).to.equal(3);
        yield* must(c, 'setuid', 9);
        expect(yield* sys(c, 'ioprio_set', 0, 0, 9)).to.equal(-EPERM);
        expect(yield* sys(c, 'sched_setscheduler', 0, 1, prio(0))).to.equal(-EPERM);
      });
      expect(yield* wait4(g, pid)).to.deep.equal([pid, exited(0)]);
    });
  });
});
