import { expect } from 'chai';
import { Kit, O, type User } from './kit.js';

describe('permissions and attributes', () => {
  let k: Kit;
  let root: User;
  let u: User;
  let other: User;
  beforeEach(() => {
    k = new Kit({ wallBaseNs: 1_700_000_000_000_000_000n });
    root = k.proc();
    u = k.proc(1000, 1000, [50]);
    other = k.proc(1001, 1001);
    root.ok('mkdir', '/tmp', 0o1777);
    root.ok('chmod', '/tmp', 0o1777);
  });

  it('checks mode bits by owner, group, others', () => {
    u.write('/tmp/f', 'x');
    u.ok('chmod', '/tmp/f', 0o640);
    expect(other.err('open', '/tmp/f', 0, 0)).to.equal('EACCES');
    u.ok('chown', '/tmp/f', -1, 50);
    expect(k.proc(1002, 50).err('open', '/tmp/f', 0, 0)).to.be.a('number');
    expect(k.proc(1002, 50).err('open', '/tmp/f', O.WRONLY, 0)).to.equal('EACCES');
    u.ok('chmod', '/tmp/f', 0o077);
    expect(u.err('open', '/tmp/f', 0, 0), 'the owner class decides for the owner').to.equal('EACCES');
    expect(root.err('open', '/tmp/f', O.RDWR, 0)).to.be.a('number');
    u.ok('mkdir', '/tmp/d', 0o700);
    expect(other.err('stat', '/tmp/d/x', other.alloc(128))).to.equal('EACCES');
    expect(other.err('access', '/tmp/d', 4)).to.equal('EACCES');
    expect(root.err('access', '/tmp/f', 1)).to.equal(0);
    u.ok('chmod', '/tmp/f', 0o600);
    expect(root.err('access', '/tmp/f', 1), 'even root runs only what is runnable').to.equal('EACCES');
    expect(u.err('access', '/tmp/f', 8)).to.equal('EINVAL');
  });

  it('umask, sticky bit of open, group of the directory', () => {
    u.ok('umask', 0o027);
    const fd = u.ok('open', '/tmp/m', O.CREAT | O.RDWR, 0o7777);
    expect(u.fstat(fd).mode & 0o7777).to.equal(0o6750 & ~0o2000);
    expect(u.fstat(fd).gid, 'BSD: of the directory').to.equal(0);
    expect(u.ok('umask', 0)).to.equal(0o027);
    u.ok('mkdir', '/tmp/md', 0o777);
    expect(u.stat('/tmp/md').mode & 0o7777).to.equal(0o777);
  });

  it('sticky directories protect other people’s files', () => {
    u.write('/tmp/mine', '');
    expect(other.err('unlink', '/tmp/mine')).to.equal('EACCES');
    expect(other.err('rename', '/tmp/mine', '/tmp/x')).to.equal('EACCES');
    other.write('/tmp/his', '');
    expect(other.err('rename', '/tmp/his', '/tmp/mine')).to.equal('EACCES');
    expect(u.err('unlink', '/tmp/mine')).to.equal(0);
    expect(root.err('unlink', '/tmp/his')).to.equal(0);
    expect(u.err('unlink', '/tmp')).to.equal('EISDIR');
    expect(u.err('mkdir', '/usr', 0o755)).to.equal('EACCES');
  });

  it('chmod, chown, chflags are the owner’s, within limits', () => {
    u.write('/tmp/f', '');
    expect(other.err('chmod', '/tmp/f', 0o777)).to.equal('EPERM');
    expect(u.err('chmod', '/tmp/f', 0o1644)).to.equal('EFTYPE');
    expect(u.err('chown', '/tmp/f', 1001, -1)).to.equal('EPERM');
    expect(u.err('chown', '/tmp/f', -1, 77)).to.equal('EPERM');
    expect(u.err('chmod', '/tmp/f', 0o2755), 'not in group 0').to.equal('EPERM');
    u.ok('chown', '/tmp/f', 1000, 50);
    u.ok('chmod', '/tmp/f', 0o6755);
    u.ok('chown', '/tmp/f', -1, 1000);
    expect(u.stat('/tmp/f').mode & 0o7777).to.equal(0o755);
    u.ok('chmod', '/tmp/f', 0o4755);
    const fd = u.open('/tmp/f', O.WRONLY);
    u.ok('write', fd, 'x', 1);
    expect(u.stat('/tmp/f').mode & 0o7777, 'a write clears set-id bits').to.equal(0o755);
    u.ok('chflags', '/tmp/f', 2);
    expect(u.err('open', '/tmp/f', O.WRONLY, 0)).to.equal('EPERM');
    expect(root.err('unlink', '/tmp/f')).to.equal('EPERM');
    expect(u.err('chflags', '/tmp/f', 0x20000)).to.equal('EPERM');
    u.ok('chflags', '/tmp/f', 4);
    expect(u.err('open', '/tmp/f', O.WRONLY, 0), 'append only').to.equal('EPERM');
    expect(u.err('open', '/tmp/f', O.WRONLY | O.APPEND, 0)).to.be.a('number');
    expect(u.stat('/tmp/f').flags).to.equal(4);
    u.ok('chflags', '/tmp/f', 0);
    u.ok('unlink', '/tmp/f');
  });

  it('keeps times', () => {
    const t0 = 1_700_000_000;
    k.machine.advance(10e9);
    u.write('/tmp/t', 'abc');
    let st = u.stat('/tmp/t');
    expect(st.mtime).to.be.within((t0 + 10) * 1e9 - 1e3, (t0 + 11) * 1e9);
    k.machine.advance(10e9);
    u.read('/tmp/t');
    st = u.stat('/tmp/t');
    expect(st.atime - st.mtime).to.be.greaterThan(9e9);
    expect(st.ctime).to.equal(st.mtime);
    k.machine.advance(10e9);
    u.ok('chmod', '/tmp/t', 0o600);
    st = u.stat('/tmp/t');
    expect(st.ctime).to.be.greaterThan(st.atime);
    const dir = u.stat('/tmp').mtime;
    k.machine.advance(10e9);
    u.ok('link', '/tmp/t', '/tmp/t2');
    expect(u.stat('/tmp').mtime).to.be.greaterThan(dir);
    const ts = new DataView(new ArrayBuffer(32));
    ts.setBigInt64(0, 123n, true);
    ts.setBigInt64(8, 456n, true);
    ts.setBigInt64(16, 0n, true);
    ts.setBigInt64(24, -2n, true);
    const p = u.put(new Uint8Array(ts.buffer));
    const m = u.stat('/tmp/t').mtime;
    u.ok('utimensat', -328243, '/tmp/t', p, 0);
    expect(u.stat('/tmp/t').atime).to.equal(123e9 + 456);
    expect(u.stat('/tmp/t').mtime, 'UTIME_OMIT').to.equal(m);
    expect(other.err('utimensat', -328243, '/tmp/t', other.put(new Uint8Array(ts.buffer)), 0)).to.equal('EPERM');
    expect(other.err('utimes', '/tmp/t', 0)).to.equal('EACCES');
    u.ok('chmod', '/tmp/t', 0o622);
    expect(other.err('utimes', '/tmp/t', 0)).to.equal(0);
    ts.setBigInt64(8, 10n ** 9n, true);
    expect(u.err('futimens', u.open('/tmp/t', O.WRONLY), u.put(new Uint8Array(ts.buffer)))).to.equal('EINVAL');
    expect(u.err('utimensat', -328243, '/tmp/t', p, 2)).to.equal('EINVAL');
  });

  it('root only: chroot, mknod of devices', () => {
    expect(u.err('chroot', '/tmp')).to.equal('EPERM');
    expect(u.err('mknod', '/tmp/n', 0o020666, 0)).to.equal('EPERM');
    root.ok('mkdir', '/jail', 0o755);
    root.ok('mkdir', '/jail/in', 0o755);
    const zero = root.stat('/dev/zero').rdev;
    root.ok('mknod', '/jail/zero', 0o020666, zero);
    const fd = root.open('/jail/zero');
    const buf = root.put(Uint8Array.of(1, 2, 3));
    expect(root.ok('read', fd, buf, 3)).to.equal(3);
    expect([...root.get(buf, 3)]).to.deep.equal([0, 0, 0]);
    root.ok('mknod', '/jail/none', 0o020666, 0x12345);
    expect(root.err('open', '/jail/none', 0, 0)).to.equal('ENXIO');
    const r2 = k.proc();
    r2.ok('chroot', '/jail');
    expect(r2.names('/')).to.deep.equal(['in', 'none', 'zero']);
    expect(r2.stat('/..').ino).to.equal(r2.stat('/').ino);
    r2.ok('chdir', '/in');
    const cw = r2.alloc(100);
    r2.ok('__getcwd', cw, 100);
    expect(String.fromCharCode(...r2.get(cw, 4))).to.equal('/in\0');
    expect(r2.err('__getcwd', cw, 2)).to.equal('ERANGE');
    expect(r2.err('__getcwd', cw, 0)).to.equal('EINVAL');
    expect(r2.ok('__realpath', '/in/../in/.', cw, 100)).to.equal(3);
    expect(r2.err('__realpath', '/none/x', cw, 100)).to.equal('ENOTDIR');
    expect(r2.err('__realpath', '/in', cw, 2)).to.equal('ENAMETOOLONG');
  });
});
