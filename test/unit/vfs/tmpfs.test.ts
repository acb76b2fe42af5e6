import { expect } from 'chai';
import { AT_FDCWD, Kit, O, parseDirents, type User } from './kit.js';
import { gd } from '../../../vkernel/sys/globaldata.js';

describe('file system calls on tmpfs', () => {
  let k: Kit;
  let u: User;
  beforeEach(() => {
    k = new Kit();
    u = k.proc();
  });

  it('writes, reads back, appends and seeks', () => {
    const fd = u.open('/a', O.RDWR | O.CREAT);
    expect(fd).to.equal(0);
    expect(u.ok('write', fd, 'hello', 5)).to.equal(5);
    expect(u.ok('lseek', fd, 0, 0, 0)).to.equal(0);
    const buf = u.alloc(16);
    expect(u.ok('read', fd, buf, 16)).to.equal(5);
    expect(String.fromCharCode(...u.get(buf, 5))).to.equal('hello');
    expect(u.ok('read', fd, buf, 16)).to.equal(0);
    u.ok('close', fd);
    const ap = u.open('/a', O.WRONLY | O.APPEND);
    u.ok('write', ap, ' world', 6);
    expect(u.ok('lseek', ap, 0, 0, 1)).to.equal(11);
    u.ok('close', ap);
    expect(u.read('/a')).to.equal('hello world');
    expect(u.stat('/a').size).to.equal(11);
  });

  it('takes the synchronous path for cached stat, open, read, write, lseek and close', () => {
    u.write('/f', 'x'.repeat(100));
    const ub = u.alloc(128);
    u.ok('stat', '/f', ub);
    u.ok('stat', '/f', ub);
    expect(u.sync, 'stat').to.equal(true);
    const fd = u.open('/f', O.RDWR);
    expect(u.sync, 'open').to.equal(true);
    u.ok('read', fd, ub, 100);
    expect(u.sync, 'read').to.equal(true);
    u.ok('write', fd, ub, 100);
    expect(u.sync, 'write').to.equal(true);
    u.ok('fstat', fd, ub);
    expect(u.sync, 'fstat').to.equal(true);
    u.ok('close', fd);
    expect(u.sync, 'close').to.equal(true);
    const nul = u.open('/dev/null', O.RDWR);
    u.ok('write', nul, ub, 1);
    expect(u.sync, 'write to /dev/null').to.equal(true);
  });

  it('keeps data of an unlinked file until its last close, then frees the pages', () => {
    const before = gd.vm.pages.freeCount;
    const fd = u.open('/gone', O.RDWR | O.CREAT);
    const chunk = u.put(new Uint8Array(65536).fill(7));
    const free = gd.vm.pages.freeCount;
    u.ok('write', fd, chunk, 65536);
    expect(gd.vm.pages.freeCount).to.equal(free - 16);
    u.ok('unlink', '/gone');
    expect(u.err('stat', '/gone', chunk)).to.equal('ENOENT');
    expect(u.fstat(fd).nlink).to.equal(0);
    u.ok('lseek', fd, 0, 60000, 0);
    const buf = u.alloc(16);
    expect(u.ok('read', fd, buf, 16)).to.equal(16);
    expect([...u.get(buf, 16)]).to.deep.equal(new Array(16).fill(7));
    u.ok('close', fd);
    expect(gd.vm.pages.freeCount).to.equal(free);
    expect(before).to.be.greaterThan(0);
  });

  it('has holes that read as zeros and take no pages', () => {
    const fd = u.open('/sparse', O.RDWR | O.CREAT);
    u.ok('extpwrite', fd, 'end', 3, 0, 2 ** 33);
    expect(u.fstat(fd).size).to.equal(2 ** 33 + 3);
    expect(u.fstat(fd).blocks).to.equal(8);
    const buf = u.put(new Uint8Array(100).fill(1));
    expect(u.ok('extpread', fd, buf, 100, 0, 12345)).to.equal(100);
    expect([...u.get(buf, 100)]).to.deep.equal(new Array(100).fill(0));
    expect(u.ok('lseek', fd, 0, 0, 3)).to.equal(2 ** 33);
    expect(u.ok('lseek', fd, 0, 0, 4)).to.equal(0);
    expect(u.ok('extpread', fd, buf, 100, 0, 2 ** 33 - 1)).to.equal(4);
    expect([...u.get(buf, 4)]).to.deep.equal([0, 101, 110, 100]);
  });

  it('shows no old bytes after truncation and extension', () => {
    u.write('/t', 'abcdefgh');
    u.ok('truncate', '/t', 0, 3);
    u.ok('truncate', '/t', 0, 8);
    expect(u.read('/t')).to.equal('abc\0\0\0\0\0');
    u.ok('truncate', '/t', 0, 0);
    expect(u.read('/t')).to.equal('');
    expect(u.err('truncate', '/t', 0, -1)).to.equal('EINVAL');
    u.ok('mkdir', '/d', 0o755);
    expect(u.err('truncate', '/d', 0, 1)).to.equal('EISDIR');
    const fd = u.open('/t');
    expect(u.err('ftruncate', fd, 0, 1)).to.equal('EINVAL');
  });

  it('leaves a file as it was when a write faults', () => {
    u.write('/w', 'old');
    const fd = u.open('/w', O.WRONLY | O.APPEND);
    expect(u.err('write', fd, 0x500000, 10000)).to.equal('EFAULT');
    expect(u.read('/w')).to.equal('old');
    expect(u.err('read', u.open('/w'), 0x500000, 10)).to.equal('EFAULT');
    expect(u.err('stat', 0x500000, 0x500000)).to.equal('EFAULT');
    expect(u.err('stat', '/w', 0x500000)).to.equal('EFAULT');
  });

  it('reads and writes vectors', () => {
    const fd = u.open('/v', O.RDWR | O.CREAT);
    const a = u.str('one');
    const b = u.str('three');
    const iov = new DataView(new ArrayBuffer(32));
    iov.setBigUint64(0, BigInt(a), true);
    iov.setBigUint64(8, 3n, true);
    iov.setBigUint64(16, BigInt(b), true);
    iov.setBigUint64(24, 5n, true);
    const iovp = u.put(new Uint8Array(iov.buffer));
    expect(u.ok('writev', fd, iovp, 2)).to.equal(8);
    expect(u.read('/v')).to.equal('onethree');
    expect(u.ok('extpreadv', fd, iovp, 2, 0, 2)).to.equal(6);
    expect(String.fromCharCode(...u.get(a, 3))).to.equal('eth');
    expect(u.err('writev', fd, iovp, 1025)).to.equal('EINVAL');
  });

  it('answers the errnos of open', () => {
    u.write('/f', '');
    u.ok('mkdir', '/d', 0o755);
    u.ok('symlink', 'f', '/l');
    u.ok('symlink', 'nowhere', '/dangling');
    expect(u.err('open', '/f', 3, 0)).to.equal('EINVAL');
    expect(u.err('open', '/none', 0, 0)).to.equal('ENOENT');
    expect(u.err('open', '/f/x', 0, 0)).to.equal('ENOTDIR');
    expect(u.err('open', '/f/', 0, 0)).to.equal('ENOTDIR');
    expect(u.err('open', '/d', O.RDWR, 0)).to.equal('EISDIR');
    expect(u.err('open', '/f', O.DIRECTORY, 0)).to.equal('ENOTDIR');
    expect(u.err('open', '/l', O.NOFOLLOW, 0)).to.equal('EMLINK');
    expect(u.err('open', '/f', O.CREAT | O.EXCL, 0o644)).to.equal('EEXIST');
    expect(u.err('open', '/dangling', O.CREAT | O.EXCL, 0o644)).to.equal('EEXIST');
    expect(u.err('open', '', 0, 0)).to.equal('ENOENT');
    expect(u.err('open', '/' + 'n'.repeat(256), 0, 0)).to.equal('ENAMETOOLONG');
    expect(u.err('open', '/x'.repeat(600), 0, 0)).to.equal('ENAMETOOLONG');
    u.ok('open', '/dangling', O.CREAT | O.RDWR, 0o644);
    expect(u.stat('/nowhere').size).to.equal(0);
    u.p.limits.cur[8] = 1;
    expect(u.err('open', '/f', 0, 0)).to.equal('EMFILE');
    expect(u.err('open', '/new', O.CREAT, 0o644)).to.equal('EMFILE');
    u.p.limits.cur[8] = 100;
    expect(u.err('open', '/new', 0, 0)).to.equal('ENOENT');
  });

  it('follows links, dots and loops', () => {
    u.ok('mkdir', '/d', 0o755);
    u.ok('mkdir', '/d/e', 0o755);
    u.write('/d/e/f', 'deep');
    u.ok('symlink', '../d/./e/', '/d/up');
    u.ok('symlink', '/d/up/f', '/abs');
    expect(u.read('/abs')).to.equal('deep');
    expect(u.read('//d//e/../e/./f')).to.equal('deep');
    expect(u.read('/../../d/e/f')).to.equal('deep');
    expect(u.stat('/abs', 'lstat').mode & 0o170000).to.equal(0o120000);
    expect(u.stat('/d/up', 'lstat').size).to.equal(9);
    expect(u.stat('/d/up/', 'lstat').mode & 0o170000).to.equal(0o040000);
    u.ok('symlink', 'loop', '/loop');
    expect(u.err('stat', '/loop', 0)).to.equal('ELOOP');
    let prev = '/d/e/f';
    for (let i = 0; i < 32; i++) {
      u.ok('symlink', prev, `/c${i}`);
      prev = `/c${i}`;
    }
    expect(u.read('/c31')).to.equal('deep');
    u.ok('symlink', '/c31', '/c32');
    expect(u.err('open', '/c32', 0, 0)).to.equal('ELOOP');
    const buf = u.alloc(64);
    expect(u.ok('readlink', '/abs', buf, 64)).to.equal(7);
    expect(u.ok('readlink', '/abs', buf, 3)).to.equal(3);
    expect(u.err('readlink', '/d', buf, 64)).to.equal('EINVAL');
  });

  it('renames by the rules', () => {
    u.write('/a', 'A');
    u.write('/b', 'B');
    u.ok('mkdir', '/d', 0o755);
    u.ok('mkdir', '/d/sub', 0o755);
    u.ok('mkdir', '/full', 0o755);
    u.write('/full/x', '');
    u.ok('rename', '/a', '/b');
    expect(u.read('/b')).to.equal('A');
    expect(u.err('open', '/a', 0, 0)).to.equal('ENOENT');
    expect(u.err('rename', '/d', '/b')).to.equal('ENOTDIR');
    expect(u.err('rename', '/b', '/d')).to.equal('EISDIR');
    expect(u.err('rename', '/d', '/d/sub/x')).to.equal('EINVAL');
    expect(u.err('rename', '/d', '/full')).to.equal('ENOTEMPTY');
    expect(u.err('rename', '/full', '/dev')).to.equal('EINVAL');
    expect(u.err('rename', '/dev', '/newdev')).to.equal('EINVAL');
    expect(u.err('rename', '/b', '/dev/b')).to.equal('EXDEV');
    expect(u.err('rename', '/b', '/d/.')).to.equal('EINVAL');
    expect(u.err('rename', '/none', '/x')).to.equal('ENOENT');
    u.ok('link', '/b', '/b2');
    u.ok('rename', '/b', '/b2');
    expect(u.err('open', '/b', 0, 0), 'two names of one file').to.equal('ENOENT');
    expect(u.stat('/b2').nlink).to.equal(1);
    expect(u.stat('/').nlink, 'before').to.equal(6);
    u.ok('rename', '/d/sub', '/full/sub');
    expect(u.stat('/d').nlink).to.equal(2);
    expect(u.stat('/full').nlink).to.equal(3);
    expect(u.stat('/full/sub/..').ino).to.equal(u.stat('/full').ino);
    const fd = u.open('/full/sub');
    u.ok('rename', '/full', '/moved');
    const buf = u.alloc(1024);
    u.ok('fchdir', fd);
    u.ok('__getcwd', buf, 1024);
    expect(String.fromCharCode(...u.get(buf, 11))).to.equal('/moved/sub\0');
    expect(u.names('/moved')).to.deep.equal(['sub', 'x']);
  });

  it('removes by the rules', () => {
    u.write('/f', '');
    u.ok('mkdir', '/d', 0o755);
    u.write('/d/x', '');
    expect(u.err('unlink', '/d')).to.equal('EISDIR');
    expect(u.err('rmdir', '/f')).to.equal('ENOTDIR');
    expect(u.err('rmdir', '/d')).to.equal('ENOTEMPTY');
    expect(u.err('rmdir', '/d/.')).to.equal('EINVAL');
    expect(u.err('rmdir', '/dev')).to.equal('EBUSY');
    expect(u.err('rmdir', '/')).to.equal('EBUSY');
    expect(u.err('unlinkat', AT_FDCWD, '/f', 4)).to.equal('EINVAL');
    u.ok('unlinkat', AT_FDCWD, '/d/x', 0);
    u.ok('chdir', '/d');
    u.ok('unlinkat', AT_FDCWD, '/d', 2);
    expect(u.err('__getcwd', u.alloc(100), 100)).to.equal('ENOENT');
    expect(u.err('open', 'new', O.CREAT, 0o644)).to.equal('ENOENT');
    expect(u.err('mkdir', 'new', 0o644)).to.equal('ENOENT');
    expect(u.stat('..').ino).to.equal(u.stat('/').ino);
  });

  it('links, and refuses to link directories and across mounts', () => {
    u.write('/f', 'data');
    u.ok('link', '/f', '/g');
    expect(u.stat('/g').nlink).to.equal(2);
    expect(u.stat('/g').ino).to.equal(u.stat('/f').ino);
    u.ok('mkdir', '/d', 0o755);
    expect(u.err('link', '/d', '/d2')).to.equal('EPERM');
    expect(u.err('link', '/f', '/dev/f')).to.equal('EXDEV');
    expect(u.err('link', '/f', '/g')).to.equal('EEXIST');
    u.ok('symlink', 'f', '/s');
    u.ok('linkat', AT_FDCWD, '/s', AT_FDCWD, '/s2', 0);
    expect(u.stat('/s2', 'lstat').mode & 0o170000).to.equal(0o120000);
    u.ok('linkat', AT_FDCWD, '/s', AT_FDCWD, '/s3', 8);
    expect(u.stat('/s3', 'lstat').ino).to.equal(u.stat('/f').ino);
  });

  it('lists directories with cookies that survive removals', () => {
    u.ok('mkdir', '/d', 0o755);
    for (let i = 0; i < 300; i++) u.write(`/d/file${i}`, '');
    const all = u.ls('/d', 512).map((d) => d.name);
    expect(all.length).to.equal(302);
    expect(all.slice(0, 2)).to.deep.equal(['.', '..']);
    expect(new Set(all).size).to.equal(302);
    // Remove while reading, as rm -r does.
    const fd = u.open('/d');
    const buf = u.alloc(600);
    const seen: string[] = [];
    for (;;) {
      const n = u.ok('getdirentries', fd, buf, 600, 0);
      if (n === 0) break;
      for (const { name } of parseDirents(u.get(buf, n))) {
        if (name.startsWith('.')) continue;
        seen.push(name);
        u.ok('unlink', `/d/${name}`);
      }
    }
    expect(seen.length).to.equal(300);
    u.ok('rmdir', '/d');
    expect(u.ok('getdirentries', u.open('/'), buf, 10, 0), 'too small for a record').to.equal(0);
    expect(u.err('getdirentries', u.open('/dev/null'), buf, 600, 0)).to.equal('EINVAL');
  });

  it('works relative to descriptors', () => {
    u.ok('mkdir', '/d', 0o755);
    const d = u.open('/d');
    const fd = u.ok('openat', d, 'f', O.CREAT | O.RDWR, 0o600);
    u.ok('write', fd, 'x', 1);
    expect(u.read('/d/f')).to.equal('x');
    u.ok('mkdirat', d, 'sub', 0o700);
    u.ok('symlinkat', 'f', d, 'l');
    u.ok('renameat', d, 'f', d, 'g');
    expect(u.names('/d')).to.deep.equal(['g', 'l', 'sub']);
    const ub = u.alloc(128);
    expect(u.err('fstatat', d, 'g', ub, 2)).to.equal('EINVAL');
    expect(u.err('fstatat', fd, 'g', ub, 0)).to.equal('ENOTDIR');
    expect(u.err('fstatat', 99, 'g', ub, 0)).to.equal('EBADF');
    expect(u.err('fstatat', 99, '/d/g', ub, 0)).to.equal(0);
  });

  it('unlinked directory entries do not come back from the name cache', () => {
    const ub = u.alloc(128);
    expect(u.err('stat', '/x', ub)).to.equal('ENOENT');
    u.write('/x', '1');
    expect(u.stat('/x').size).to.equal(1);
    u.ok('unlink', '/x');
    expect(u.err('stat', '/x', ub)).to.equal('ENOENT');
    u.ok('mkdir', '/x', 0o755);
    expect(u.stat('/x').mode & 0o170000).to.equal(0o040000);
  });

  it('gives back memory: create and remove many files', () => {
    u.write('/warm', 'x');
    u.ok('unlink', '/warm');
    const free = gd.vm.pages.freeCount;
    for (let i = 0; i < 200; i++) {
      u.write(`/tmpfile${i}`, 'some data');
      u.ok('unlink', `/tmpfile${i}`);
    }
    expect(gd.vm.pages.freeCount).to.be.within(free - 4, free);
    expect(gd.vfs.rootNcp.children?.size ?? 0).to.be.lessThan(5);
  });

  it('answers ENOSPC to a write of a terabyte without counting its pages', () => {
    const fd = u.open('/huge', O.RDWR | O.CREAT);
    const start = process.hrtime.bigint();
    expect(u.err('write', fd, u.alloc(16), 2 ** 40)).to.equal('ENOSPC');
    // Page by page it takes seconds.
    expect(Number(process.hrtime.bigint() - start)).to.be.lessThan(1e9);
    expect(u.fstat(fd).size).to.equal(0);
  });

  it('answers ENOSPC when memory is used up, and goes on', () => {
    const fd = u.open('/big', O.RDWR | O.CREAT);
    const chunk = u.put(new Uint8Array(2 ** 20));
    let r: string | number = 0;
    for (let i = 0; i < 64 && typeof r === 'number'; i++) r = u.err('write', fd, chunk, 2 ** 20);
    expect(r).to.equal('ENOSPC');
    const size = u.fstat(fd).size;
    expect(size % 2 ** 20).to.equal(0);
    u.ok('ftruncate', fd, 0, 0);
    expect(u.ok('write', fd, chunk, 2 ** 20)).to.equal(2 ** 20);
  });
});
