import { expect } from 'chai';
import { fdcloexec, fdcopy, fdfree } from '../../../vkernel/kern/kern_descrip.js';
import { sigInit } from '../../../vkernel/kern/kern_sig.js';
import { gd } from '../../../vkernel/sys/globaldata.js';
import { Kit, O, type User } from './kit.js';

const F = {
  DUPFD: 0,
  GETFD: 1,
  SETFD: 2,
  GETFL: 3,
  SETFL: 4,
  GETLK: 7,
  SETLK: 8,
  SETLKW: 9,
  DUP2FD: 10,
  DUPFD_CLOEXEC: 17,
  GETPATH: 19,
  MAXFD: 20,
  DUP3FD: 23,
};

describe('descriptors', () => {
  let k: Kit;
  let u: User;
  beforeEach(() => {
    k = new Kit();
    sigInit();
    u = k.proc();
    u.write('/f', '0123456789');
  });

  it('are the lowest free ones, and share the file position after dup', () => {
    const a = u.open('/f');
    const b = u.ok('dup', a);
    expect([a, b]).to.deep.equal([0, 1]);
    const buf = u.alloc(16);
    u.ok('read', a, buf, 4);
    u.ok('read', b, buf, 2);
    expect(String.fromCharCode(...u.get(buf, 2))).to.equal('45');
    u.ok('close', a);
    expect(u.open('/f')).to.equal(0);
    expect(u.ok('dup2', b, 7)).to.equal(7);
    expect(u.ok('fcntl', b, F.MAXFD, 0)).to.equal(7);
    expect(u.ok('dup2', 7, 7)).to.equal(7);
    expect(u.err('dup2', 5, 1)).to.equal('EBADF');
    expect(u.err('dup2', 7, -1)).to.equal('EBADF');
    expect(u.err('dup2', 7, 10 ** 6)).to.equal('EBADF');
    expect(u.ok('fcntl', b, F.DUPFD, 3)).to.equal(3);
    expect(u.err('fcntl', b, F.DUPFD, -1)).to.equal('EINVAL');
    expect(u.err('fcntl', b, F.DUPFD, 10 ** 6)).to.equal('EINVAL');
    expect(u.ok('dup2', b, 0), 'over an open one').to.equal(0);
    expect(u.err('close', 50)).to.equal('EBADF');
    expect(u.err('close', -1)).to.equal('EBADF');
    expect(u.err('read', 50, buf, 1)).to.equal('EBADF');
  });

  it('obey the limit', () => {
    u.p.limits.cur[8] = 3;
    expect(u.ok('getdtablesize')).to.equal(3);
    for (let i = 0; i < 3; i++) u.open('/f');
    expect(u.err('dup', 0)).to.equal('EMFILE');
    expect(u.err('fcntl', 0, F.DUPFD_CLOEXEC, 0)).to.equal('EMFILE');
    u.ok('closefrom', 1);
    expect(u.ok('dup', 0)).to.equal(1);
    expect(u.err('closefrom', -1)).to.equal('EBADF');
  });

  it('have flags of their own and flags of the file', () => {
    const a = u.open('/f', O.RDWR | O.APPEND | O.CLOEXEC);
    expect(u.ok('fcntl', a, F.GETFD, 0)).to.equal(1);
    expect(u.ok('fcntl', a, F.GETFL, 0)).to.equal(O.RDWR | O.APPEND);
    const b = u.ok('dup', a);
    expect(u.ok('fcntl', b, F.GETFD, 0)).to.equal(0);
    u.ok('fcntl', b, F.SETFL, O.NONBLOCK | O.CREAT | O.WRONLY);
    expect(u.ok('fcntl', a, F.GETFL, 0)).to.equal(O.RDWR | O.NONBLOCK);
    u.ok('ioctl', a, 0x20006602, 0);
    expect(u.ok('fcntl', a, F.GETFD, 0)).to.equal(0);
    u.ok('ioctl', a, 0x20006601, 0);
    expect(u.ok('fcntl', a, F.GETFD, 0)).to.equal(1);
    u.ok('ioctl', b, 0x8004667e, u.put(Uint8Array.of(0, 0, 0, 0)));
    expect(u.ok('fcntl', a, F.GETFL, 0)).to.equal(O.RDWR);
    expect(u.err('ioctl', a, 0x402c7413, u.alloc(64)), 'TIOCGETA').to.equal('ENOTTY');
    expect(u.ok('fcntl', a, F.DUP3FD | (1 << 16), 9)).to.equal(9);
    expect(u.ok('fcntl', 9, F.GETFD, 0)).to.equal(1);
    expect(u.err('fcntl', a, 99, 0)).to.equal('EINVAL');
    const buf = u.alloc(1024);
    u.ok('fcntl', a, F.GETPATH, buf);
    expect(String.fromCharCode(...u.get(buf, 3))).to.equal('/f\0');
    expect(u.err('read', u.open('/f', O.WRONLY), buf, 1)).to.equal('EBADF');
    expect(u.err('write', u.open('/f'), buf, 1)).to.equal('EBADF');
  });

  it('are copied by fork and closed by exec and exit', () => {
    const before = gd.vfs.rootNcp.refs;
    const a = u.open('/f');
    const b = u.open('/f', O.CLOEXEC);
    const fp = u.p.fd.files[a];
    const child = k.proc();
    k.run(fdfree(child.p));
    child.p.fd = fdcopy(u.p);
    expect(fp?.refs).to.equal(2);
    k.run(fdcloexec(child.p));
    expect(child.err('fstat', b, 0)).to.equal('EBADF');
    expect(child.fstat(a).size).to.equal(10);
    u.ok('fstat', b, u.alloc(128));
    const refs = gd.vfs.rootNcp.mount.refs;
    k.run(fdfree(child.p));
    expect(fp?.refs).to.equal(1);
    expect(gd.vfs.rootNcp.mount.refs).to.equal(refs - 2);
    u.ok('close', a);
    u.ok('close', b);
    k.run(fdfree(u.p));
    expect(gd.vfs.rootNcp.refs).to.equal(before - 2);
  });

  function flock(type: number, start: number, len: number, whence = 0): number {
    const v = new DataView(new ArrayBuffer(24));
    v.setBigInt64(0, BigInt(start), true);
    v.setBigInt64(8, BigInt(len), true);
    v.setInt16(20, type, true);
    v.setInt16(22, whence, true);
    return u.put(new Uint8Array(v.buffer));
  }
  const RD = 1;
  const UN = 2;
  const WR = 3;

  it('lock byte ranges between processes', () => {
    const a = u.open('/f', O.RDWR);
    const w = k.proc();
    const b = w.open('/f', O.RDWR);
    const lk = (x: User, fd: number, cmd: number, type: number, s: number, l: number): string | number => {
      const v = new DataView(new ArrayBuffer(24));
      v.setBigInt64(0, BigInt(s), true);
      v.setBigInt64(8, BigInt(l), true);
      v.setInt16(20, type, true);
      return x.err('fcntl', fd, cmd, x.put(new Uint8Array(v.buffer)));
    };
    expect(lk(u, a, F.SETLK, WR, 0, 10)).to.equal(0);
    expect(lk(w, b, F.SETLK, RD, 9, 1)).to.equal('EAGAIN');
    expect(lk(w, b, F.SETLK, WR, 10, 0)).to.equal(0);
    expect(lk(u, a, F.SETLK, UN, 2, 3)).to.equal(0);
    expect(lk(w, b, F.SETLK, WR, 2, 3)).to.equal(0);
    expect(lk(w, b, F.SETLK, WR, 1, 1)).to.equal('EAGAIN');
    const probe = flock(WR, 0, 0);
    u.ok('fcntl', a, F.GETLK, probe);
    const v = new DataView(u.get(probe, 24).buffer);
    expect([v.getBigInt64(0, true), v.getBigInt64(8, true), v.getInt32(16, true), v.getInt16(20, true)]).to.deep.equal([
      10n,
      0n,
      w.p.pid,
      WR,
    ]);
    // Any close drops all locks of the process on the file.
    w.ok('close', w.open('/f'));
    expect(lk(u, a, F.SETLK, WR, 0, 0)).to.equal(0);
    expect(u.err('fcntl', a, F.SETLK, flock(9, 0, 0))).to.equal('EINVAL');
    expect(u.err('fcntl', a, F.SETLK, flock(WR, -1, 1))).to.equal('EINVAL');
    expect(u.err('fcntl', u.open('/f'), F.SETLK, flock(WR, 0, 1))).to.equal('EBADF');
  });

  it('wait for a lock until it is released', () => {
    const a = u.open('/f', O.RDWR);
    u.ok('fcntl', a, F.SETLK, flock(WR, 0, 0));
    const w = k.proc();
    const b = w.open('/f', O.RDWR);
    const lk = w.put(u.get(flock(WR, 0, 0), 24));
    const r = w.begin('fcntl', b, F.SETLKW, lk);
    expect(r.done).to.equal(false);
    u.ok('close', a);
    k.settle();
    expect(r.done).to.equal(true);
    expect(r.value).to.equal(0);
  });

  it('flock belongs to the open file', () => {
    const a = u.open('/f');
    const b = u.open('/f');
    expect(u.err('flock', a, 2)).to.equal(0);
    expect(u.err('flock', b, 1 | 4)).to.equal('EAGAIN');
    const c = u.ok('dup', a);
    u.ok('close', a);
    expect(u.err('flock', b, 1 | 4)).to.equal('EAGAIN');
    const wait = u.begin('flock', b, 1);
    expect(wait.done).to.equal(false);
    u.ok('close', c);
    k.settle();
    expect(wait.value).to.equal(0);
    expect(u.err('open', '/f', O.EXLOCK | O.NONBLOCK, 0)).to.equal('EAGAIN');
    u.ok('flock', b, 8);
    const d = u.open('/f', O.EXLOCK | O.NONBLOCK);
    expect(u.err('flock', b, 2 | 4)).to.equal('EAGAIN');
    u.ok('close', d);
    expect(u.err('flock', b, 2 | 4)).to.equal(0);
  });

  it('open of /dev/fd/N is a dup', () => {
    const a = u.open('/f', O.RDWR);
    const b = u.open(`/dev/fd/${a}`, O.RDONLY);
    expect(u.p.fd.files[b]).to.equal(u.p.fd.files[a]);
    expect(u.open('/dev/stdin')).to.be.greaterThan(b);
    expect(u.err('open', '/dev/fd/40', 0, 0)).to.equal('EBADF');
    const ro = u.open('/f');
    expect(u.err('open', `/dev/fd/${ro}`, O.RDWR, 0)).to.equal('EACCES');
  });

  it('lseek refuses what it must', () => {
    const a = u.open('/f');
    expect(u.ok('lseek', a, 0, -3, 2)).to.equal(7);
    expect(u.err('lseek', a, 0, -8, 1)).to.equal('EINVAL');
    expect(u.err('lseek', a, 0, 0, 9)).to.equal('EINVAL');
    expect(u.ok('lseek', a, 0, 0, 1)).to.equal(7);
    expect(u.err('lseek', a, 0, 10, 3)).to.equal('ENXIO');
  });

  it('RLIMIT_FSIZE ends writes', () => {
    u.p.limits.cur[1] = 12;
    const fd = u.open('/f', O.WRONLY | O.APPEND);
    expect(u.ok('write', fd, 'ab', 2)).to.equal(2);
    expect(u.err('write', fd, 'c', 1)).to.equal('EFBIG');
    expect(u.read('/f')).to.equal('0123456789ab');
  });
});
