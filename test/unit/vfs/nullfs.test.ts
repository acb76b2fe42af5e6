import { expect } from 'chai';
import { MNT_NODEV, MNT_NOEXEC, MNT_RDONLY } from '../../../vkernel/vfs/mount.js';
import { Kit, O, type User } from './kit.js';

/** mount -t null: the structure begins with a pointer to the path. */
function nullMount(u: User, from: string, on: string, flags = 0): void {
  u.ok('mount', 'null', on, flags, nullArgs(u, from));
}
function nullArgs(u: User, from: string): number {
  const b = new Uint8Array(448);
  new DataView(b.buffer).setBigUint64(0, BigInt(u.str(from)), true);
  return u.put(b);
}

describe('nullfs', () => {
  function setup(): { k: Kit; u: User } {
    const k = new Kit();
    const u = k.proc();
    u.ok('mkdir', '/low', 0o755);
    u.ok('mkdir', '/low/d', 0o755);
    u.ok('mkdir', '/null', 0o755);
    u.write('/low/f', 'text');
    return { k, u };
  }

  it('shows the same files under another name, whoever changes them', () => {
    const { u } = setup();
    nullMount(u, '/low', '/null');
    expect(u.names('/null')).to.deep.equal(['d', 'f']);
    expect(u.read('/null/f')).to.equal('text');
    expect(u.stat('/null/f').ino).to.equal(u.stat('/low/f').ino);
    // A name that both sides know not to exist.
    for (const p of ['/low/new', '/null/new']) expect(u.err('open', p, O.RDONLY, 0)).to.equal('ENOENT');
    u.write('/null/new', 'from above');
    expect(u.read('/low/new')).to.equal('from above');
    u.ok('unlink', '/low/new');
    expect(u.err('open', '/null/new', O.RDONLY, 0)).to.equal('ENOENT');
    u.write('/low/new', 'from below');
    expect(u.read('/null/new')).to.equal('from below');
    u.ok('unlink', '/null/new');
    expect(u.err('open', '/low/new', O.RDONLY, 0)).to.equal('ENOENT');
    // Renamed above, with both names known below.
    expect(u.err('open', '/low/g', O.RDONLY, 0)).to.equal('ENOENT');
    u.ok('rename', '/null/f', '/null/g');
    expect(u.err('open', '/low/f', O.RDONLY, 0)).to.equal('ENOENT');
    expect(u.read('/low/g')).to.equal('text');
    u.ok('mkdir', '/null/d/sub', 0o755);
    expect(u.names('/low/d')).to.deep.equal(['sub']);
    u.ok('rmdir', '/low/d/sub');
    expect(u.err('rmdir', '/null/d/sub')).to.equal('ENOENT');
    // Locks are the file's.
    const a = u.open('/low/g', O.RDWR);
    const b = u.open('/null/g', O.RDWR);
    u.ok('flock', a, 2);
    expect(u.err('flock', b, 2 | 4)).to.equal('EAGAIN');
  });

  it('has flags of its own', () => {
    const { u } = setup();
    u.ok('mknod', '/low/dev', 0o020666, u.stat('/dev/null').rdev);
    nullMount(u, '/low', '/null', MNT_RDONLY | MNT_NODEV | MNT_NOEXEC);
    expect(u.read('/null/f')).to.equal('text');
    expect(u.err('open', '/null/f', O.RDWR, 0)).to.equal('EROFS');
    expect(u.err('open', '/null/x', O.RDWR | O.CREAT, 0o644)).to.equal('EROFS');
    expect(u.err('mkdir', '/null/x', 0o755)).to.equal('EROFS');
    expect(u.err('unlink', '/null/f')).to.equal('EROFS');
    expect(u.err('rename', '/null/f', '/null/g')).to.equal('EROFS');
    expect(u.err('chmod', '/null/f', 0o600)).to.equal('EROFS');
    expect(u.err('fchmod', u.open('/null/f'), 0o600)).to.equal('EROFS');
    expect(u.err('truncate', '/null/f', 0, 0)).to.equal('EROFS');
    expect(u.err('utimes', '/null/f', 0)).to.equal('EROFS');
    expect(u.err('access', '/null/f', 2)).to.equal('EROFS');
    expect(u.err('open', '/null/dev', O.RDONLY, 0)).to.equal('ENXIO');
    u.write('/low/f', 'changed below');
    expect(u.read('/null/f')).to.equal('changed below');
    u.ok('open', '/low/dev', O.RDONLY, 0);
  });

  it('keeps the lower file system busy, and lets go of it', () => {
    const { u } = setup();
    u.ok('mkdir', '/t', 0o755);
    u.ok('mount', 'tmpfs', '/t', 0, 0);
    u.write('/t/file', 'x');
    nullMount(u, '/t', '/null');
    expect(u.err('unmount', '/t', 0)).to.equal('EBUSY');
    const fd = u.open('/null/file');
    expect(u.err('unmount', '/null', 0)).to.equal('EBUSY');
    u.ok('close', fd);
    u.ok('unmount', '/null', 0);
    expect(u.names('/null')).to.deep.equal([]);
    u.ok('unmount', '/t', 0);
  });

  it('goes over another null mount, not into itself, and only over directories', () => {
    const { u } = setup();
    u.ok('mkdir', '/two', 0o755);
    nullMount(u, '/low', '/null', MNT_RDONLY);
    nullMount(u, '/null', '/two');
    expect(u.read('/two/f')).to.equal('text');
    expect(u.err('unlink', '/two/f')).to.equal('EROFS');
    expect(u.err('mount', 'null', '/low/d', 0, nullArgs(u, '/low/d'))).to.equal('EDEADLK');
    expect(u.err('mount', 'null', '/low/d', 0, nullArgs(u, '/low/f'))).to.equal('ENOTDIR');
    expect(u.err('mount', 'null', '/low/d', 0, nullArgs(u, '/nowhere'))).to.equal('ENOENT');
    expect(u.err('mount', 'null', '/low/d', 0, 0)).to.equal('EINVAL');
    // '..' leads out of the mount, not to the parent of what it shows.
    u.ok('chdir', '/two/d');
    u.ok('chdir', '../..');
    const buf = u.alloc(100);
    u.ok('__getcwd', buf, 100);
    expect(String.fromCharCode(...u.get(buf, 1))).to.equal('/');
  });
});
