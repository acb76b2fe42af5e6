import { expect } from 'chai';
import { EAGAIN, EINVAL, EPIPE, ERESTART } from '../../../vkernel/sys/errno.js';
import { PIPE_BUF, PIPE_SIZE, pipeSyscalls } from '../../../vkernel/kern/sys_pipe.js';
import { setSigpipe } from '../../../vkernel/kern/sys_generic.js';
import { lwktInterrupt } from '../../../vkernel/kern/lwkt_thread.js';
import { gd } from '../../../vkernel/sys/globaldata.js';
import { Kit, O, calls, type User } from '../vfs/kit.js';

Object.assign(calls, pipeSyscalls);

describe('pipes', () => {
  let kit: Kit;
  let u: User;
  let r: number;
  let w: number;
  let buf: number;
  beforeEach(() => {
    kit = new Kit();
    u = kit.proc();
    open(0);
    buf = u.alloc(4 * PIPE_SIZE);
    u.put(new Uint8Array(0));
  });
  function open(flags: number): void {
    r = u.ok('pipe2', 0, flags);
    w = u.lwp.retval1;
  }
  const pattern = (n: number, seed = 0): Uint8Array =>
    Uint8Array.from({ length: n }, (_, i) => (i * 7 + (i >> 8) + seed) & 255);

  it('pass bytes in order, without starting a generator', () => {
    const p = u.put(Uint8Array.from(Buffer.from('hello')));
    expect(u.ok('write', w, p, 5)).to.equal(5);
    expect(u.sync).to.equal(true);
    expect(u.ok('read', r, buf, 3)).to.equal(3);
    expect(u.ok('read', r, buf + 3, 100)).to.equal(2);
    expect(u.sync).to.equal(true);
    expect(Buffer.from(u.get(buf, 5)).toString()).to.equal('hello');
  });

  it('go both ways', () => {
    u.ok('write', r, u.put(Uint8Array.of(1, 2)), 2);
    expect(u.ok('read', w, buf, 10)).to.equal(2);
  });

  it('wrap around', () => {
    for (let i = 0; i < 20; i++) {
      const d = pattern(10007, i);
      expect(u.ok('write', w, u.put(d), d.length)).to.equal(d.length);
      expect(u.ok('read', r, buf, 20000)).to.equal(d.length);
      expect(Buffer.compare(u.get(buf, d.length), d)).to.equal(0);
    }
  });

  it('make readers wait for data, and end with 0 when the writer is gone', () => {
    const rd = u.begin('read', r, buf, 10);
    expect(rd.done).to.equal(false);
    u.ok('write', w, u.put(Uint8Array.of(9)), 1);
    kit.settle();
    expect(rd.value).to.equal(1);
    const eof = u.begin('read', r, buf, 10);
    u.ok('close', w);
    kit.settle();
    expect(eof.value).to.equal(0);
    expect(u.ok('read', r, buf, 10)).to.equal(0);
  });

  it('make a long writer wait, and move everything', () => {
    const d = pattern(3 * PIPE_SIZE + 123);
    const wr = u.begin('write', w, u.put(d), d.length);
    expect(wr.done).to.equal(false);
    const got: number[] = [];
    while (got.length < d.length) {
      const n = u.ok('read', r, buf, 5000);
      got.push(...u.get(buf, n));
    }
    kit.settle();
    expect(wr.value).to.equal(d.length);
    expect(Buffer.compare(Uint8Array.from(got), d)).to.equal(0);
  });

  it('do not mix a long write with another', () => {
    const a = new Uint8Array(2 * PIPE_SIZE).fill(65);
    const wa = u.begin('write', w, u.put(a), a.length);
    const wb = u.begin('write', w, u.put(Uint8Array.of(66, 66)), 2);
    const got: number[] = [];
    while (got.length < a.length + 2) got.push(...u.get(buf, u.ok('read', r, buf, 30000)));
    kit.settle();
    expect([wa.value, wb.value]).to.deep.equal([a.length, 2]);
    expect(got.indexOf(66)).to.equal(a.length);
  });

  it('write up to PIPE_BUF whole or not at all', () => {
    open(O.NONBLOCK);
    const d = u.put(pattern(PIPE_SIZE - 100));
    expect(u.ok('write', w, d, PIPE_SIZE - 100)).to.equal(PIPE_SIZE - 100);
    expect(u.sys('write', w, d, PIPE_BUF)).to.equal(EAGAIN);
    expect(u.ok('write', w, d, PIPE_BUF + 1)).to.equal(100);
    expect(u.sys('write', w, d, 1)).to.equal(EAGAIN);
    expect(u.ok('read', r, buf, 4 * PIPE_SIZE)).to.equal(PIPE_SIZE);
    expect(u.sys('read', r, buf, 1)).to.equal(EAGAIN);
  });

  it('answer EPIPE with SIGPIPE when the reader is gone, also to one who sleeps', () => {
    let signals = 0;
    setSigpipe(() => signals++);
    const big = u.put(pattern(PIPE_SIZE + 1));
    const wr = u.begin('write', w, big, PIPE_SIZE + 1);
    u.ok('close', r);
    kit.settle();
    expect(wr.value).to.equal(EPIPE);
    expect(u.sys('write', w, big, 1)).to.equal(EPIPE);
    expect(signals).to.equal(2);
    setSigpipe(() => undefined);
  });

  it('are interrupted by signals: nothing moved restarts, something moved counts', () => {
    const rd = u.begin('read', r, buf, 10);
    for (const td of gd.lwkt.threads) lwktInterrupt(td, ERESTART);
    kit.settle();
    expect(rd.value).to.equal(ERESTART);
    const wr = u.begin('write', w, u.put(pattern(PIPE_SIZE + 10)), PIPE_SIZE + 10);
    for (const td of gd.lwkt.threads) lwktInterrupt(td, ERESTART);
    kit.settle();
    expect(wr.value).to.equal(PIPE_SIZE);
  });

  it('answer EFAULT without losing data', () => {
    u.ok('write', w, u.put(Uint8Array.of(1, 2, 3)), 3);
    expect(u.err('read', r, 0x10, 3)).to.equal('EFAULT');
    expect(u.err('write', w, 0x10, 3)).to.equal('EFAULT');
    expect(u.ok('read', r, buf, 10)).to.equal(3);
  });

  it('check flags and keep them', () => {
    expect(u.sys('pipe2', 0, 0x40)).to.equal(EINVAL);
    open(O.CLOEXEC | O.NONBLOCK);
    expect(u.p.fd.fdflags[w]).to.equal(1);
    expect((u.p.fd.files[r]?.flags ?? 0) & O.NONBLOCK).to.equal(O.NONBLOCK);
    const st = u.fstat(r);
    expect(st.mode & 0o170000).to.equal(0o010000);
  });

  it('take at most an eighth of memory; later pipes are small but whole', () => {
    const d = u.put(pattern(8000));
    const limit = (32 * 2 ** 20) / 8;
    const pipes: [number, number][] = [];
    for (let i = 0; i < 100; i++) {
      open(O.NONBLOCK);
      u.ok('write', w, d, 1);
      pipes.push([r, w]);
    }
    expect(gd.pipeBytes).to.be.within(limit, limit + 100 * 4096);
    expect(u.ok('write', w, d, 8000)).to.equal(4095);
    expect(u.sys('write', w, d, PIPE_BUF)).to.equal(EAGAIN);
    expect(u.ok('read', r, buf, 9000)).to.equal(4096);
    const big = pattern(3 * 4096 + 5);
    open(0);
    const wr = u.begin('write', w, u.put(big), big.length);
    const got: number[] = [];
    while (got.length < big.length) got.push(...u.get(buf, u.ok('read', r, buf, 1000)));
    kit.settle();
    expect([wr.value, Buffer.compare(Uint8Array.from(got), big)]).to.deep.equal([big.length, 0]);
    for (const [a, b] of [...pipes, [r, w]]) {
      u.ok('close', a);
      u.ok('close', b);
    }
    expect(gd.pipeBytes).to.equal(0);
  });
});
