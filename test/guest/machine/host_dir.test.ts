import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EEXIST, EINVAL, EISDIR, ELOOP, ENOENT, ENOTDIR, ENOTEMPTY, EROFS, Errno } from '../../../vkernel/sys/errno.js';
import { openHostDir } from '../../../vkernel/machine/host/host_dir.js';
import type { HostDir, HostNode } from '../../../vkernel/machine/machine.js';

function ok<T>(v: T | Errno): T {
  if (v instanceof Errno) throw new Error(v.name);
  return v;
}

describe('host directories', () => {
  let path: string;
  let d: HostDir;
  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'vkernel-test-'));
    writeFileSync(join(path, 'a'), 'hello');
    mkdirSync(join(path, 'sub'));
    symlinkSync('/etc/passwd', join(path, 'out'));
    symlinkSync('/etc', join(path, 'etc'));
    d = ok(openHostDir(path, true));
  });
  afterEach(() => {
    d.close();
    rmSync(path, { recursive: true });
  });
  const text = (f: HostNode): string => {
    const b = new Uint8Array(100);
    return Buffer.from(b.subarray(0, ok(f.pread(b, 0)))).toString('latin1');
  };

  it('lists, stats and reads', () => {
    const names = ok(d.list()).map((e) => [e.name, e.type]);
    expect(names.sort()).to.deep.equal([
      ['a', 8],
      ['etc', 10],
      ['out', 10],
      ['sub', 4],
    ]);
    const st = ok(d.lstat('a'));
    const want = statSync(join(path, 'a'), { bigint: true });
    expect(st.size).to.equal(5);
    expect(BigInt(st.ino)).to.equal(want.ino);
    expect(st.mtimeNs).to.equal(want.mtimeNs);
    expect(st.mode).to.equal(Number(want.mode));
    const f = ok(d.openFile('a', false));
    expect(text(f)).to.equal('hello');
    expect(f.pwrite(Uint8Array.of(1), 0)).to.equal(EROFS);
    f.close();
    expect(ok(d.readlink('out'))).to.equal('/etc/passwd');
  });

  it('creates, writes, renames, links and removes', () => {
    const f = ok(d.createFile('n\xe9w', 0o640));
    expect(f.pwrite(Buffer.from('data'), 2)).to.equal(4);
    expect(f.truncate(5)).to.equal(null);
    expect(text(f)).to.equal('\0\0dat');
    f.close();
    expect(d.createFile('n\xe9w', 0o640)).to.equal(EEXIST);
    const sub = ok(d.openDir('sub'));
    expect(d.rename('n\xe9w', sub, 'm')).to.equal(null);
    expect(sub.link('m', d, 'l')).to.equal(null);
    expect(ok(d.lstat('l')).nlink).to.equal(2);
    expect(d.rmdir('sub')).to.equal(ENOTEMPTY);
    expect(sub.unlink('m')).to.equal(null);
    expect(d.rmdir('sub')).to.equal(null);
    expect(d.mkdir('s2', 0o700)).to.equal(null);
    expect(d.symlink('ln', 'a/b')).to.equal(null);
    expect(d.chmod('a', 0o600)).to.equal(null);
    expect(ok(d.lstat('a')).mode & 0o777).to.equal(0o600);
    expect(d.utimes('a', -1n, 1_500_000_000_123_456_789n)).to.equal(null);
    expect(ok(d.lstat('a')).mtimeNs).to.equal(1_500_000_000_123_456_789n);
    expect(ok(d.lstat('a')).atimeNs).to.equal(-1n);
    sub.close();
  });

  it('never leaves the directory', () => {
    for (const name of ['..', '.', '', 'a/b', '/etc', 'sub/../..', 'a\0b']) {
      expect(d.lstat(name), name).to.equal(EINVAL);
      expect(d.openDir(name), name).to.equal(EINVAL);
      expect(d.openFile(name, false), name).to.equal(EINVAL);
      expect(d.createFile(name, 0o600), name).to.equal(EINVAL);
      expect(d.unlink(name), name).to.equal(EINVAL);
    }
    expect(d.openFile('out', false)).to.equal(ELOOP);
    expect(d.openDir('etc')).to.equal(ENOTDIR);
    expect(d.createFile('out', 0o600)).to.equal(EEXIST);
    expect(d.chmod('out', 0o600)).to.be.instanceOf(Errno);
  });

  it('refuses what is no plain file, without touching it', () => {
    execFileSync('mkfifo', [join(path, 'p')]);
    expect(d.openFile('p', false)).to.be.instanceOf(Errno);
    expect(d.openFile('sub', false)).to.equal(EISDIR);
    expect(d.openFile('none', false)).to.equal(ENOENT);
  });

  it('changes nothing in a read-only mount', () => {
    const ro = ok(openHostDir(path, false));
    expect(ro.createFile('x', 0o600)).to.equal(EROFS);
    expect(ro.openFile('a', true)).to.equal(EROFS);
    expect(ro.mkdir('x', 0o700)).to.equal(EROFS);
    expect(ro.symlink('x', 'y')).to.equal(EROFS);
    expect(ro.unlink('a')).to.equal(EROFS);
    expect(ro.rmdir('sub')).to.equal(EROFS);
    expect(ro.rename('a', ro, 'b')).to.equal(EROFS);
    expect(ro.rename('a', d, 'b')).to.equal(EROFS);
    expect(ro.link('a', ro, 'b')).to.equal(EROFS);
    expect(ro.chmod('a', 0)).to.equal(EROFS);
    expect(ro.utimes('a', 0n, 0n)).to.equal(EROFS);
    const sub = ok(ro.openDir('sub'));
    expect(sub.createFile('x', 0o600)).to.equal(EROFS);
    sub.close();
    ro.close();
    chmodSync(join(path, 'a'), 0o644);
    expect(readFileSync(join(path, 'a'), 'latin1')).to.equal('hello');
  });
});
