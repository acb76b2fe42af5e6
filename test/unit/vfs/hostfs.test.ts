import { expect } from 'chai';
import { mountHost } from '../../../vkernel/kern/vfs_init.js';
import type { HostDir } from '../../../vkernel/machine/machine.js';
import { Errno } from '../../../vkernel/sys/errno.js';
import { vfsUnmount } from '../../../vkernel/vfs/vfs_mount.js';
import type { Mount } from '../../../vkernel/vfs/mount.js';
import { Kit, O, type User } from './kit.js';

const text = (b: Uint8Array | null): string => (b === null ? '(none)' : String.fromCharCode(...b));

function setup(write: boolean): { k: Kit; u: User; mp: Mount; dir: HostDir } {
  const k = new Kit({
    hostFiles: {
      top: 'outside',
      proj: {
        'a.txt': 'alpha',
        sub: { deep: 'D'.repeat(200000) },
        up: { link: '../../top' },
        rel: { link: 'sub/deep' },
      },
    },
  });
  const dir = k.machine.openHostDir('/proj', write);
  if (dir instanceof Errno) throw new Error(dir.name);
  const mp = k.run(mountHost('/host', { dir, from: '/proj' }, write));
  if (mp instanceof Errno) throw new Error(mp.name);
  return { k, u: k.proc(), mp, dir };
}

describe('hostfs', () => {
  it('reads files, directories and attributes', () => {
    const { u } = setup(false);
    expect(u.read('/host/a.txt')).to.equal('alpha');
    expect(u.read('/host/sub/deep')).to.equal('D'.repeat(200000));
    expect(u.names('/host')).to.deep.equal(['a.txt', 'rel', 'sub', 'up']);
    const st = u.stat('/host/a.txt');
    expect(st.size).to.equal(5);
    expect(st.uid).to.equal(0);
    expect(st.dev).to.not.equal(u.stat('/').dev);
    expect(u.stat('/host/..').ino).to.equal(u.stat('/').ino);
  });

  it('never follows a link out of the directory: the guest resolves it', () => {
    const { u } = setup(false);
    expect(u.read('/host/rel')).to.equal('D'.repeat(200000));
    expect(u.err('open', '/host/up', 0, 0)).to.equal('ENOENT');
    u.write('/top', 'the guest file');
    expect(u.read('/host/up')).to.equal('the guest file');
    expect(u.err('open', '/host/../../top', 0, 0)).to.be.a('number');
  });

  it('is read-only unless asked', () => {
    const { u, k } = setup(false);
    expect(u.err('open', '/host/a.txt', O.RDWR, 0)).to.equal('EROFS');
    expect(u.err('open', '/host/new', O.CREAT | O.RDWR, 0o644)).to.equal('EROFS');
    expect(u.err('unlink', '/host/a.txt')).to.equal('EROFS');
    expect(u.err('mkdir', '/host/d', 0o755)).to.equal('EROFS');
    expect(u.err('rename', '/host/a.txt', '/host/b')).to.equal('EROFS');
    expect(u.err('chmod', '/host/a.txt', 0o600)).to.equal('EROFS');
    expect(text(k.machine.hostFs.contents('/proj/a.txt'))).to.equal('alpha');
  });

  it('writes through when mounted for writing', () => {
    const { u, k } = setup(true);
    const fs = k.machine.hostFs;
    expect(u.read('/host/a.txt')).to.equal('alpha');
    const fd = u.open('/host/a.txt', O.RDWR | O.APPEND);
    u.ok('write', fd, 'BETA', 4);
    expect(text(fs.contents('/proj/a.txt'))).to.equal('alphaBETA');
    expect(u.read('/host/a.txt')).to.equal('alphaBETA');
    u.ok('extpwrite', fd, 'xyz', 3, 0, 20);
    u.ok('ftruncate', fd, 0, 3);
    expect(text(fs.contents('/proj/a.txt'))).to.equal('alp');
    expect(u.read('/host/a.txt')).to.equal('alp');
    u.write('/host/new', 'n'.repeat(100000));
    expect(fs.contents('/proj/new')?.length).to.equal(100000);
    u.ok('mkdir', '/host/dir', 0o755);
    u.ok('rename', '/host/new', '/host/dir/renamed');
    expect(fs.contents('/proj/dir/renamed')?.length).to.equal(100000);
    expect(fs.contents('/proj/new')).to.equal(null);
    u.ok('symlink', 'renamed', '/host/dir/ln');
    u.ok('link', '/host/dir/renamed', '/host/dir/hard');
    expect(u.stat('/host/dir/ln').nlink).to.equal(2);
    u.ok('chmod', '/host/dir/hard', 0o600);
    expect(u.stat('/host/dir/renamed').mode & 0o777).to.equal(0o600);
    expect(u.names('/host/dir')).to.deep.equal(['hard', 'ln', 'renamed']);
    expect(u.err('rmdir', '/host/dir')).to.equal('ENOTEMPTY');
    for (const n of ['hard', 'ln', 'renamed']) u.ok('unlink', `/host/dir/${n}`);
    u.ok('rmdir', '/host/dir');
    expect(fs.contents('/proj/dir')).to.equal(null);
    expect(u.err('chown', '/host/a.txt', 5, 5)).to.equal('EPERM');
    expect(u.err('mkfifo', '/host/ff', 0o644)).to.equal('ENOTSUP');
  });

  it('keeps an open file usable after its name is gone', () => {
    const { u } = setup(true);
    const fd = u.open('/host/a.txt', O.RDWR);
    u.ok('unlink', '/host/a.txt');
    expect(u.err('open', '/host/a.txt', 0, 0)).to.equal('ENOENT');
    u.ok('write', fd, 'ALPHA', 5);
    const buf = u.alloc(10);
    expect(u.ok('extpread', fd, buf, 10, 0, 0)).to.equal(5);
    expect(text(u.get(buf, 5))).to.equal('ALPHA');
    u.write('/host/a.txt', 'second');
    expect(u.read('/host/a.txt')).to.equal('second');
    expect(u.ok('extpread', fd, buf, 10, 0, 0)).to.equal(5);
    u.ok('close', fd);
  });

  it('notices what the host changes, after a while', () => {
    const { u, k, dir } = setup(false);
    expect(u.read('/host/a.txt')).to.equal('alpha');
    const rw = k.machine.openHostDir('/proj', true) as HostDir;
    const f = rw.openFile('a.txt', true);
    if (f instanceof Errno) throw new Error(f.name);
    k.machine.advance(1e6);
    f.pwrite(Uint8Array.from([65, 66]), 5);
    f.close();
    k.machine.advance(2e9);
    expect(u.read('/host/a.txt')).to.equal('alphaAB');
    rw.unlink('a.txt');
    k.machine.advance(2e9);
    expect(u.err('open', '/host/a.txt', 0, 0)).to.equal('ENOENT');
    expect(dir.list()).to.not.be.instanceOf(Errno);
    rw.close();
  });

  it('lists a directory while it is emptied', () => {
    const { u } = setup(true);
    u.ok('mkdir', '/host/many', 0o755);
    for (let i = 0; i < 100; i++) u.write(`/host/many/f${i}`, '');
    let seen = 0;
    const fd = u.open('/host/many');
    const buf = u.alloc(512);
    for (;;) {
      const n = u.ok('getdirentries', fd, buf, 512, 0);
      if (n === 0) break;
      const b = u.get(buf, n);
      for (let at = 0; at < n;) {
        const len = b[at + 8];
        const name = text(b.subarray(at + 16, at + 16 + len));
        at += (16 + len + 8) & ~7;
        if (name.startsWith('.')) continue;
        seen++;
        u.ok('unlink', `/host/many/${name}`);
      }
    }
    expect(seen).to.equal(100);
    u.ok('rmdir', '/host/many');
  });

  it('gives all host handles back when it is unmounted', () => {
    const { u, k, mp } = setup(true);
    const fd = u.open('/host/sub/deep');
    u.read('/host/a.txt');
    const e = k.run(vfsUnmount(mp, false));
    expect(e?.name).to.equal('EBUSY');
    u.ok('close', fd);
    expect(k.run(vfsUnmount(mp, false))).to.equal(null);
    expect(k.machine.hostFs.openHandles).to.equal(0);
    expect(u.names('/host')).to.deep.equal([]);
  });
});
