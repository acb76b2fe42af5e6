import { expect } from 'chai';
import type { Guest, GuestCode } from '../../vkernel/machine/sim/guest.js';
import { exited, fork, inInit, must, nanosleep, sigaction, sys, timespec, wait4 } from './kit.js';

const IPC_CREAT = 0o1000;
const IPC_EXCL = 0o2000;
const IPC_NOWAIT = 0o4000;
const SEM_UNDO = 0o10000;
const MSG_NOERROR = 0o10000;
const [IPC_RMID, IPC_SET, IPC_STAT] = [0, 1, 2];
const [GETPID, GETVAL, GETALL, SETVAL, SETALL] = [4, 5, 6, 8, 9];
const [ENOENT, EINTR, E2BIG, EACCES, EEXIST, EINVAL, EFBIG, ERANGE, EAGAIN, EMSGSIZE, EIDRM, ENOMSG, ETIMEDOUT] = [
  2, 4, 7, 13, 17, 22, 27, 34, 35, 40, 82, 83, 60,
];

function* child(g: Guest, body: (c: Guest) => GuestCode<void>): GuestCode<void> {
  const pid = yield* fork(g, body);
  expect(yield* wait4(g, pid)).to.deep.equal([pid, exited(0)]);
}

describe('System V shared memory', () => {
  it('is the same memory in every process, through fork and by key', () => {
    const k = inInit(function* (g) {
      const id = yield* must(g, 'shmget', 77, 10000, IPC_CREAT | 0o600);
      const at = yield* must(g, 'shmat', id, 0, 0);
      yield* g.write32(at + 8192, 1234);
      yield* child(g, function* (c) {
        expect(yield* must(c, 'shmget', 77, 0, 0o600)).to.equal(id);
        const mine = yield* must(c, 'shmat', id, 0, 0o10000);
        expect(mine).to.not.equal(at);
        expect(yield* c.read32(mine + 8192)).to.equal(1234);
        // The inherited attachment is writable.
        yield* c.write32(at, 99);
        expect(yield* c.read32(mine)).to.equal(99);
      });
      expect(yield* g.read32(at)).to.equal(99);
      const ds = g.alloc(96);
      yield* must(g, 'shmctl', id, IPC_STAT, ds);
      expect(yield* g.read64(ds + 32)).to.equal(10000);
      expect(yield* g.read32(ds + 48)).to.equal(1);
      expect(yield* g.read32(ds + 44)).to.equal(1);
      yield* must(g, 'shmctl', id, IPC_RMID, 0);
      // Removed: no new users, but the memory stays for the old one.
      expect(yield* sys(g, 'shmat', id, 0, 0)).to.equal(-EINVAL);
      expect(yield* sys(g, 'shmget', 77, 0, 0)).to.equal(-ENOENT);
      expect(yield* g.read32(at + 8192)).to.equal(1234);
      yield* must(g, 'shmdt', at);
      expect(yield* sys(g, 'shmdt', at)).to.equal(-EINVAL);
      const again = yield* must(g, 'shmget', 77, 4096, IPC_CREAT | 0o600);
      expect(again).to.not.equal(id);
      const fresh = yield* must(g, 'shmat', again, 0, 0);
      expect(yield* g.read32(fresh)).to.equal(0);
      yield* must(g, 'shmdt', fresh);
      yield* must(g, 'shmctl', again, IPC_RMID, 0);
    });
    expect(k.gd.shm.slots.every((s) => s === null)).to.equal(true);
  });

  it('refuses what it should', () => {
    inInit(function* (g) {
      const id = yield* must(g, 'shmget', 5, 4096, IPC_CREAT | 0o600);
      expect(yield* sys(g, 'shmget', 5, 4096, IPC_CREAT | IPC_EXCL | 0o600)).to.equal(-EEXIST);
      expect(yield* sys(g, 'shmget', 5, 8192, 0)).to.equal(-EINVAL);
      expect(yield* sys(g, 'shmget', 6, 4096, 0)).to.equal(-ENOENT);
      expect(yield* sys(g, 'shmget', 0, 0, IPC_CREAT)).to.equal(-EINVAL);
      expect(yield* sys(g, 'shmget', 0, 2 ** 40, IPC_CREAT)).to.equal(-EINVAL);
      expect(yield* sys(g, 'shmat', id, 4097, 0)).to.equal(-EINVAL);
      expect(yield* sys(g, 'shmctl', id, 99, 0)).to.equal(-EINVAL);
      yield* child(g, function* (c) {
        yield* must(c, 'setuid', 1000);
        expect(yield* sys(c, 'shmget', 5, 4096, 0o600)).to.equal(-EACCES);
        expect(yield* sys(c, 'shmat', id, 0, 0)).to.equal(-EACCES);
        expect(yield* sys(c, 'shmctl', id, IPC_RMID, 0)).to.equal(-1);
      });
    });
  });
});

/** semop with operations [num, op, flags]. */
function* semop(g: Guest, id: number, ...ops: readonly (readonly [number, number, number])[]): GuestCode<number> {
  const b = new Uint8Array(ops.length * 6);
  const v = new DataView(b.buffer);
  ops.forEach(([num, op, flg], i) => {
    v.setUint16(i * 6, num, true);
    v.setInt16(i * 6 + 2, op, true);
    v.setInt16(i * 6 + 4, flg, true);
  });
  return yield* sys(g, 'semop', id, b, ops.length);
}
const union = (n: number): Uint8Array => new Uint8Array(new BigUint64Array([BigInt(n)]).buffer);

describe('System V semaphores', () => {
  it('make a process wait until all operations can be done at once', () => {
    inInit(function* (g) {
      const id = yield* must(g, 'semget', 1, 3, IPC_CREAT | 0o600);
      expect(yield* semop(g, id, [0, -1, IPC_NOWAIT])).to.equal(-EAGAIN);
      const pid = yield* fork(g, function* (c) {
        expect(yield* semop(c, id, [0, -2, 0], [1, -1, 0])).to.equal(0);
        expect(yield* sys(c, '__semctl', id, 0, GETVAL, union(0))).to.equal(1);
      });
      yield* nanosleep(g, 1e6);
      expect(yield* sys(g, '__semctl', id, 0, 3, union(0))).to.equal(1);
      yield* semop(g, id, [0, 3, 0]);
      yield* nanosleep(g, 1e6);
      // Still short of the second.
      expect((yield* wait4(g, pid, 1))[0]).to.equal(0);
      expect(yield* sys(g, '__semctl', id, 0, GETVAL, union(0))).to.equal(3);
      yield* semop(g, id, [1, 1, 0]);
      expect(yield* wait4(g, pid)).to.deep.equal([pid, exited(0)]);
      expect(yield* sys(g, '__semctl', id, 1, GETPID, union(0))).to.equal(pid);
    });
  });
  it('are undone at exit, and wake waiters with EIDRM when removed', () => {
    inInit(function* (g) {
      const id = yield* must(g, 'semget', 0, 2, 0o600);
      yield* must(g, '__semctl', id, 0, SETVAL, union(5));
      yield* child(g, function* (c) {
        expect(yield* semop(c, id, [0, -3, SEM_UNDO], [1, 2, SEM_UNDO])).to.equal(0);
      });
      const at = g.alloc(16);
      yield* must(g, '__semctl', id, 0, GETALL, union(at));
      expect([...(yield* g.read(at, 4))]).to.deep.equal([5, 0, 0, 0]);
      const pid = yield* fork(g, function* (c) {
        expect(yield* semop(c, id, [1, -1, 0])).to.equal(-EIDRM);
      });
      const intr = yield* fork(g, function* (c) {
        yield* sigaction(c, 30, function* () {});
        expect(yield* semop(c, id, [0, 0, 0])).to.equal(-EINTR);
      });
      yield* nanosleep(g, 1e6);
      yield* must(g, 'kill', intr, 30);
      expect(yield* wait4(g, intr)).to.deep.equal([intr, exited(0)]);
      yield* must(g, '__semctl', id, 0, IPC_RMID, union(0));
      expect(yield* wait4(g, pid)).to.deep.equal([pid, exited(0)]);
      expect(yield* semop(g, id, [0, 1, 0])).to.equal(-EINVAL);
    });
  });
  it('refuse what is out of range', () => {
    inInit(function* (g) {
      const id = yield* must(g, 'semget', 0, 2, 0o600);
      expect(yield* semop(g, id, [2, 1, 0])).to.equal(-EFBIG);
      expect(yield* semop(g, id, [0, 32767, 0], [0, 1, 0])).to.equal(-ERANGE);
      expect(yield* sys(g, '__semctl', id, 0, GETVAL, union(0))).to.equal(0);
      expect(yield* sys(g, '__semctl', id, 0, SETVAL, union(40000))).to.equal(-ERANGE);
      expect(yield* sys(g, '__semctl', id, 7, GETVAL, union(0))).to.equal(-EINVAL);
      yield* g.write(g.alloc(16), new Uint8Array(4));
      const at = g.alloc(16);
      yield* g.write(at, Uint8Array.of(7, 0, 9, 0));
      yield* must(g, '__semctl', id, 0, SETALL, union(at));
      expect(yield* sys(g, '__semctl', id, 1, GETVAL, union(0))).to.equal(9);
      expect(yield* sys(g, 'semget', 0, 0, IPC_CREAT)).to.equal(-EINVAL);
    });
  });
});

function* snd(g: Guest, id: number, type: number, text: string, flags = 0): GuestCode<number> {
  const b = new Uint8Array(8 + text.length);
  new DataView(b.buffer).setBigInt64(0, BigInt(type), true);
  for (let i = 0; i < text.length; i++) b[8 + i] = text.charCodeAt(i);
  return yield* sys(g, 'msgsnd', id, b, text.length, flags);
}
function* rcv(g: Guest, id: number, type: number, max = 100, flags = IPC_NOWAIT): GuestCode<string | number> {
  const at = g.alloc(128);
  const n = yield* sys(g, 'msgrcv', id, at, max, type, flags);
  if (n < 0) return n;
  return `${yield* g.read64(at)}:${Buffer.from(yield* g.read(at + 8, n)).toString('latin1')}`;
}

describe('System V message queues', () => {
  it('hand out messages by type', () => {
    inInit(function* (g) {
      const id = yield* must(g, 'msgget', 9, IPC_CREAT | 0o600);
      for (const [type, text] of [
        [3, 'c'],
        [1, 'a'],
        [2, 'b'],
        [1, 'aa'],
      ] as const)
        expect(yield* snd(g, id, type, text)).to.equal(0);
      expect(yield* rcv(g, id, 2)).to.equal('2:b');
      expect(yield* rcv(g, id, -2)).to.equal('1:a');
      expect(yield* rcv(g, id, 0)).to.equal('3:c');
      expect(yield* rcv(g, id, 5)).to.equal(-ENOMSG);
      expect(yield* rcv(g, id, 0, 1)).to.equal(-E2BIG);
      expect(yield* rcv(g, id, 0, 1, MSG_NOERROR)).to.equal('1:a');
      expect(yield* snd(g, id, 0, 'x')).to.equal(-EINVAL);
    });
  });
  it('make senders wait for room and receivers for messages', () => {
    inInit(function* (g) {
      const id = yield* must(g, 'msgget', 0, 0o600);
      const pid = yield* fork(g, function* (c) {
        for (let i = 0; i < 50; i++) expect(yield* snd(c, id, 1, 'm'.repeat(100))).to.equal(0);
      });
      for (let i = 0; i < 50; i++) expect(yield* rcv(g, id, 0, 100, 0)).to.match(/^1:m{100}$/);
      expect(yield* wait4(g, pid)).to.deep.equal([pid, exited(0)]);
      let n = 0;
      while ((yield* snd(g, id, 1, 'z'.repeat(100), IPC_NOWAIT)) === 0) n++;
      expect(n).to.equal(20);
      const ds = g.alloc(160);
      yield* must(g, 'msgctl', id, IPC_STAT, ds);
      expect(yield* g.read64(ds + 56)).to.equal(20);
      yield* g.write(ds + 64, new Uint8Array(new BigUint64Array([1024n]).buffer));
      yield* must(g, 'msgctl', id, IPC_SET, ds);
      const waiter = yield* fork(g, function* (c) {
        expect(yield* snd(c, id, 1, 'late')).to.equal(-EIDRM);
      });
      yield* nanosleep(g, 1e6);
      yield* must(g, 'msgctl', id, IPC_RMID, 0);
      expect(yield* wait4(g, waiter)).to.deep.equal([waiter, exited(0)]);
    });
  });
});

describe('POSIX message queues', () => {
  const [O_RDONLY, O_RDWR, O_NONBLOCK, O_CREAT, O_EXCL] = [0, 2, 4, 0x200, 0x800];
  const attr = (maxmsg: number, msgsize: number): Uint8Array =>
    new Uint8Array(new BigInt64Array([0n, BigInt(maxmsg), BigInt(msgsize), 0n]).buffer);
  const bytes = (s: string): Uint8Array => Uint8Array.from(Buffer.from(s, 'latin1'));

  it('give the most urgent message first, the older of equal ones', () => {
    inInit(function* (g) {
      const q = yield* must(g, 'mq_open', '/q', O_RDWR | O_CREAT, 0o600, attr(4, 16));
      const other = yield* must(g, 'mq_open', '/q', O_RDONLY | O_NONBLOCK, 0, 0);
      for (const [text, prio] of [
        ['low', 1],
        ['high', 9],
        ['high2', 9],
      ] as const)
        yield* must(g, 'mq_send', q, bytes(text), text.length, prio);
      const at = g.alloc(64);
      const prioAt = g.alloc(16);
      const get = function* (fd: number): GuestCode<string | number> {
        const n = yield* sys(g, 'mq_receive', fd, at, 16, prioAt);
        return n < 0 ? n : `${yield* g.read32(prioAt)} ${Buffer.from(yield* g.read(at, n)).toString('latin1')}`;
      };
      expect([yield* get(other), yield* get(other), yield* get(other)]).to.deep.equal(['9 high', '9 high2', '1 low']);
      expect(yield* get(other)).to.equal(-EAGAIN);
      expect(yield* sys(g, 'mq_receive', q, at, 8, 0)).to.equal(-EMSGSIZE);
      expect(yield* sys(g, 'mq_send', q, at, 17, 0)).to.equal(-EMSGSIZE);
      expect(yield* sys(g, 'mq_send', q, at, 1, 32)).to.equal(-EINVAL);
      expect(yield* sys(g, 'mq_send', other, at, 1, 0)).to.equal(-9);
      expect(yield* sys(g, 'mq_open', '/q', O_RDWR | O_CREAT | O_EXCL, 0o600, 0)).to.equal(-EEXIST);
      yield* must(g, 'mq_unlink', '/q');
      expect(yield* sys(g, 'mq_open', '/q', O_RDWR, 0, 0)).to.equal(-ENOENT);
      yield* must(g, 'mq_send', q, bytes('still'), 5, 0);
      expect(yield* get(other)).to.equal('0 still');
    });
  });
  it('block, time out, and notify', () => {
    inInit(function* (g) {
      const q = yield* must(g, 'mq_open', '/n', O_RDWR | O_CREAT, 0o600, attr(1, 8));
      const at = g.alloc(64);
      // The wall clock of the simulated machine has passed this time long ago.
      expect(yield* sys(g, 'mq_timedreceive', q, at, 8, 0, timespec(1e9))).to.equal(-ETIMEDOUT);
      let seen = 0;
      const SA_RESTART = 2;
      yield* sigaction(
        g,
        30,
        function* () {
          seen++;
        },
        SA_RESTART,
      );
      const sev = new Uint8Array(32);
      sev[0] = 1;
      sev[8] = 30;
      yield* must(g, 'mq_notify', q, sev);
      yield* child(g, function* (c) {
        expect(yield* sys(c, 'mq_notify', q, sev)).to.equal(-16);
        yield* must(c, 'mq_send', q, bytes('x'), 1, 0);
      });
      expect(seen).to.equal(1);
      const pid = yield* fork(g, function* (c) {
        yield* must(c, 'mq_send', q, bytes('y'), 1, 0);
      });
      yield* nanosleep(g, 1e6);
      expect((yield* wait4(g, pid, 1))[0]).to.equal(0);
      expect(yield* sys(g, 'mq_receive', q, at, 8, 0)).to.equal(1);
      expect(yield* sys(g, 'mq_receive', q, at, 8, 0)).to.equal(1);
      expect(yield* wait4(g, pid)).to.deep.equal([pid, exited(0)]);
    });
  });
});
