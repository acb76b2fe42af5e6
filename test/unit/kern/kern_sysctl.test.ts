import { expect } from 'chai';
import { EINVAL, EISDIR, ENOENT, ENOTDIR, EPERM, Errno } from '../../../vkernel/sys/errno.js';
import {
  sysctlAdd,
  sysctlGet,
  sysctlInit,
  sysctlNumber,
  sysctlRemove,
  sysctlString,
  sysctlUserland,
} from '../../../vkernel/kern/kern_sysctl.js';
import { mibInit } from '../../../vkernel/kern/kern_mib.js';
import { uschedInit } from '../../../vkernel/kern/usched.js';
import { kprintf } from '../../../vkernel/kern/subr_prf.js';
import { KernelPanic } from '../../../vkernel/kern/kern_shutdown.js';
import { Ucred, type Proc } from '../../../vkernel/kern/proc.js';
import { gd } from '../../../vkernel/sys/globaldata.js';
import { bootFake, type FakeMachine } from './fake_machine.js';

function boot(): FakeMachine {
  const m = bootFake(2);
  Object.assign(m, {
    ram: { npages: 16384 },
    wallBaseNs: 1_600_000_000_123_456_789n,
    entropy: (b: Uint8Array) => b.fill(7),
  });
  uschedInit(2);
  sysctlInit();
  mibInit();
  return m;
}
const user = { cred: new Ucred(1001, 1001, 1001, [1001], 1001, 1001) } as unknown as Proc;
const root = { cred: new Ucred(0, 0, 0, [0], 0, 0) } as unknown as Proc;
const bytes = (s: string) => Uint8Array.from(Buffer.from(s, 'latin1'));
const ok = (r: Uint8Array | Errno): Uint8Array => {
  expect(r).to.be.instanceOf(Uint8Array);
  return r as Uint8Array;
};
const get = (oid: number[], p: Proc | null = null) => sysctlUserland(p, oid, 4096, null);
const ints = (b: Uint8Array) => [...new Int32Array(b.slice().buffer)];

describe('sysctl', () => {
  beforeEach(boot);

  it('reads strings with their NUL and numbers by width', () => {
    expect(Buffer.from(ok(get([1, 1]))).toString()).to.equal('DragonFly\0');
    expect(ints(ok(get([6, 3])))).to.deep.equal([2]);
    expect(ints(ok(get([6, 7])))).to.deep.equal([4096]);
    expect(ok(get([6, 5])).length).to.equal(8);
    expect(sysctlNumber(ok(get([6, 5])))).to.equal(64 * 2 ** 20);
    expect(sysctlNumber(ok(get([1, 33])))).to.equal(0x7fffffe00000);
    expect(ok(get([1, 12])).length).to.equal(20);
    expect(ok(get([2, 2])).length).to.equal(32);
    const bt = new DataView(ok(get([1, 21])).buffer);
    expect([bt.getBigInt64(0, true), bt.getBigInt64(8, true)]).to.deep.equal([1_600_000_000n, 123_456_789n]);
  });

  it('finds numbers by name', () => {
    const r = (n: string) => sysctlUserland(null, [0, 3], 64, bytes(n));
    expect(ints(ok(r('kern.hostname')))).to.deep.equal([1, 10]);
    expect(ints(ok(r('kern.hostname\0')))).to.deep.equal([1, 10]);
    expect(ints(ok(r('kern.ipc')))).to.deep.equal([1, 30]);
    expect(ints(ok(r('kern.ipc.somaxconn')))).to.deep.equal([1, 30, 3]);
    const auto = ints(ok(r('kern.cp_time')));
    expect(auto[0]).to.equal(1);
    expect(auto[1]).to.be.at.least(256);
    expect(r('kern.nonsense')).to.equal(ENOENT);
    expect(r('')).to.equal(ENOENT);
    expect(sysctlUserland(null, [0, 3], 64, null)).to.equal(ENOENT);
  });

  it('gives names, kinds and descriptions', () => {
    expect(sysctlString(ok(get([0, 1, 1, 10])))).to.equal('kern.hostname');
    expect(sysctlString(ok(get([0, 1, 1, 99, 3])))).to.equal('kern.99.3');
    const kind = (oid: number[]) => {
      const b = ok(get([0, 4, ...oid]));
      return [new DataView(b.buffer).getUint32(0, true), sysctlString(b.subarray(4))];
    };
    expect(kind([1, 10])).to.deep.equal([0xc0000003, 'A']);
    expect(kind([6, 3])).to.deep.equal([0x80000002, 'I']);
    expect(kind([6])).to.deep.equal([0x80000001, 'N']);
    expect(kind([2, 2])).to.deep.equal([0x80000005, 'S,loadavg']);
    expect(get([0, 4, 77])).to.equal(ENOENT);
    expect(sysctlString(ok(get([0, 5, 1, 10])))).to.equal('Hostname');
    expect(get([0, 5, 1, 14])).to.equal(ENOENT);
  });

  it('walks all leaves in order and ends with ENOENT', () => {
    const seen: string[] = [];
    let oid = [1];
    let last = oid;
    for (;;) {
      const r = get([0, 2, ...oid]);
      if (r === ENOENT) break;
      oid = ints(ok(r));
      const k = last.findIndex((x, i) => oid[i] !== x);
      expect(k < 0 ? oid.length > last.length : oid[k] > last[k], `${last} then ${oid}`).to.equal(true);
      last = oid;
      seen.push(sysctlString(ok(get([0, 1, ...oid]))));
      expect(get(oid), seen[seen.length - 1]).to.be.instanceOf(Uint8Array);
    }
    expect(seen[0]).to.equal('kern.ostype');
    expect(seen).to.include.members(['kern.cputime', 'hw.ncpu', 'user.cs_path', 'p1003_1b.timer_max']);
    expect(new Set(seen).size).to.equal(seen.length);
    expect(ints(ok(get([0, 2, 1, 10, 5])))).to.deep.equal([1, 11]);
  });

  it('answers the errors of the spec', () => {
    expect(get([1])).to.equal(EINVAL);
    expect(get([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13])).to.equal(EINVAL);
    expect(get([1, 200])).to.equal(ENOENT);
    expect(get([1, 30])).to.equal(EISDIR);
    expect(get([1, 1, 1])).to.equal(ENOTDIR);
    expect(sysctlUserland(root, [1, 1], 0, bytes('Linux'))).to.equal(EPERM);
    expect(sysctlUserland(user, [1, 10], 0, bytes('evil'))).to.equal(EPERM);
    expect(sysctlUserland(root, [1, 6], 0, bytes('12'))).to.equal(EINVAL);
    expect(sysctlUserland(root, [1, 6], 0, bytes('12345678'))).to.equal(EINVAL);
    expect(sysctlUserland(root, [1, 10], 0, new Uint8Array(256).fill(65))).to.equal(EINVAL);
    expect(gd.mib.hostname).to.equal('');
  });

  it('writes, and gives the old value', () => {
    expect(sysctlUserland(root, [1, 10], 0, bytes('first'))).to.be.instanceOf(Uint8Array);
    expect(sysctlString(ok(sysctlUserland(root, [1, 10], 64, bytes('second\0'))))).to.equal('first');
    expect(gd.mib.hostname).to.equal('second');
    const i32 = (n: number) => new Uint8Array(Int32Array.of(n).buffer);
    ok(sysctlUserland(root, [1, 9], 4, i32(2)));
    expect(sysctlUserland(root, [1, 9], 4, i32(1))).to.equal(EINVAL);
    expect(gd.mib.securelevel).to.equal(2);
  });

  it('passes further components to nodes that take them', () => {
    sysctlAdd({
      name: 'kern.proc.pathname',
      oid: [1, 14, 9],
      kind: 'string',
      args: true,
      skip: true,
      get: (_p, req) => (req.extra.length === 1 ? 'pid' + req.extra[0] : EINVAL),
    });
    expect(sysctlString(ok(get([1, 14, 9, -1])))).to.equal('pid-1');
    expect(get([1, 14, 9])).to.equal(EINVAL);
    expect(() => sysctlAdd({ name: 'kern.proc.pathname', kind: 'int' })).to.throw(KernelPanic, 'twice');
    expect(sysctlRemove('kern.proc.pathname')).to.equal(null);
    expect(get([1, 14, 9, -1])).to.equal(ENOENT);
  });

  it('offers the message buffer and random bytes', () => {
    kprintf('hello\n');
    expect(Buffer.from(ok(sysctlGet('kern.msgbuf'))).toString()).to.equal('hello\n');
    const oid = ints(ok(sysctlUserland(null, [0, 3], 64, bytes('kern.msgbuf_clear'))));
    ok(sysctlUserland(root, oid, 0, new Uint8Array(Int32Array.of(1).buffer)));
    expect(ok(sysctlGet('kern.msgbuf')).length).to.equal(0);
    const rnd = ints(ok(sysctlUserland(null, [0, 3], 64, bytes('kern.random'))));
    expect([...ok(sysctlUserland(null, rnd, 5, null))]).to.deep.equal([7, 7, 7, 7, 7]);
  });
});
