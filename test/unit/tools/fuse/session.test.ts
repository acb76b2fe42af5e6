import { expect } from 'chai';
import { FuseSession, type SessionOptions } from '../../../../tools/fuse/session.js';
import * as w from '../../../../tools/fuse/wire.js';
import { runSync } from '../../../../vkernel/sys/blocking.js';
import { EBUSY } from '../../../../vkernel/sys/errno.js';
import type { Fs } from '../../../../vkernel/vfs/hammer2/fs.js';
import type { PfsCore } from '../../../../vkernel/vfs/hammer2/pfs.js';
import { FuseClient, type SeenAttr } from '../../../support/fuse_client.js';
import { fixtureDevice } from '../../../support/hammer2_fixture.js';
import { Rng } from '../../../support/hammer2_model.js';
import { CowDevice, openRw } from '../../../support/hammer2_rw.js';
import { must } from '../../../support/hammer2_tree.js';

const ok = (a: SeenAttr | string): SeenAttr => {
  if (typeof a === 'string') throw new Error(a);
  return a;
};
const bytes = (n: number, seed: number): Uint8Array => {
  const r = new Rng(seed);
  return Uint8Array.from({ length: n }, () => r.below(256));
};

describe('FUSE session over HAMMER2', () => {
  let fs: Fs;
  let pfs: PfsCore;
  let k: FuseClient;

  const connect = (o: Partial<SessionOptions> = {}): FuseClient =>
    new FuseClient(new FuseSession(pfs, { nowUs: () => fs.nowUs(), ...o }));

  beforeEach(() => {
    fs = openRw(new CowDevice(fixtureDevice('lz4-xxhash64-tree')));
    pfs = must(runSync(fs.mount('DATA')));
    k = connect();
    k.init();
  });

  describe('INIT', () => {
    const reply = (c: FuseClient, flags?: number, minor?: number): DataView => c.init(flags, minor) as DataView;

    it('asks for no more than the kernel offers', () => {
      const b = reply(connect(), w.Cap.BIG_WRITES | w.Cap.MAX_PAGES);
      expect(b.getUint32(w.InitOut.FLAGS, true)).to.equal(w.Cap.BIG_WRITES | w.Cap.MAX_PAGES);
      expect(b.getUint32(w.InitOut.MAJOR, true)).to.equal(7);
      expect(b.getUint32(w.InitOut.MAX_WRITE, true)).to.equal(2 ** 20);
      expect(b.getUint16(w.InitOut.MAX_PAGES, true)).to.equal(256);
      expect(b.getUint32(w.InitOut.TIME_GRAN, true)).to.equal(1000);
    });
    it('collects writes only when asked to', () => {
      const flags = (c: FuseClient): number => reply(c).getUint32(w.InitOut.FLAGS, true);
      expect(flags(connect()) & w.Cap.WRITEBACK_CACHE).to.equal(0);
      expect(flags(connect({ writeback: true })) & w.Cap.WRITEBACK_CACHE).to.not.equal(0);
    });
    it('refuses a kernel too old, and everything before it', () => {
      const c = connect();
      expect(c.getattr(1)).to.equal('EIO');
      expect(c.init(0, 22)).to.equal('EOPNOTSUPP');
      expect(c.getattr(1)).to.equal('EIO');
    });
    it('lets kernels that can leave OPEN out, and answers the others', () => {
      expect(k.call(w.Op.OPEN, 1, 8)).to.equal('ENOSYS');
      expect(k.call(w.Op.OPENDIR, 1, 8)).to.equal('ENOSYS');
      const c = connect();
      c.init(0);
      const b = c.call(w.Op.OPEN, 1, 8) as DataView;
      expect(b.getUint32(w.OpenOut.OPEN_FLAGS, true)).to.equal(w.Fopen.KEEP_CACHE);
      expect((c.call(w.Op.RELEASE, 1, 24) as DataView).byteLength).to.equal(0);
    });
  });

  it('shows what is there', () => {
    const root = ok(k.getattr(1));
    expect(root.mode & 0o170000).to.equal(0o040000);
    const readme = ok(k.lookup(1, 'README.txt'));
    expect(readme).to.include({ size: 20, nlink: 2, mode: 0o100644 });
    expect(k.read(readme.ino, 0, 4096)).to.have.length(20);
    expect(k.read(readme.ino, 20, 10)).to.have.length(0);
    expect(k.lookup(1, 'nothing')).to.equal('ENOENT');
    expect(k.lookup(readme.ino, 'x')).to.equal('ENOTDIR');
    expect(k.lookup(1, 'n'.repeat(300))).to.equal('ENAMETOOLONG');
    expect(k.lookup(1, '.')).to.deep.include({ ino: 1 });
    expect(k.readlink(ok(k.lookup(1, 'link_510')).ino)).to.have.length(510);
    expect(k.readlink(readme.ino)).to.equal('EINVAL');
    expect(k.getattr(99999)).to.equal('ENOENT');
  });

  it('lists directories in pieces, with and without attributes', () => {
    const dir = ok(k.mkdir(1, 'many', 0o755)).ino;
    const names = Array.from({ length: 300 }, (_, i) => `${'n'.repeat(1 + (i % 90))}${i}`);
    for (const n of names) ok(k.mknod(dir, n, 0o100600));
    for (const plus of [false, true]) {
      for (const room of [512, 4096, 100_000]) {
        const list = k.readdir(dir, room, plus);
        if (typeof list === 'string') throw new Error(list);
        expect(list.slice(0, 2).map((e) => e.name)).to.deep.equal(['.', '..']);
        expect(list.map((e) => e.name).sort()).to.deep.equal(['.', '..', ...names].sort());
        expect(list.slice(2).every((e) => e.type === 8 && e.nodeid === (plus ? e.ino : 0))).to.equal(true);
        expect(list[0]).to.include({ type: 4, ino: dir, nodeid: 0 });
      }
    }
    expect(k.readdir(ok(k.lookup(1, 'empty')).ino, 4096, false)).to.equal('ENOTDIR');
  });

  it('creates each kind of file', () => {
    k.uid = 12;
    k.gid = 34;
    expect(k.create(1, 'f', 0o640)).to.include({ mode: 0o100640, uid: 12, gid: 34, nlink: 1, size: 0 });
    expect(k.create(1, 'f', 0o640)).to.equal('EEXIST');
    expect(k.mkdir(1, 'd', 0o1755)).to.include({ mode: 0o041755 });
    expect(k.mknod(1, 'p', 0o010600)).to.include({ mode: 0o010600 });
    expect(k.mknod(1, 's', 0o140600)).to.include({ mode: 0o140600 });
    // Major 0x123, minor 0x45678, as the kernel packs them.
    const rdev = 0x78 | (0x123 << 8) | (0x456 << 20);
    expect(k.mknod(1, 'c', 0o020600, rdev)).to.include({ mode: 0o020600, rdev });
    expect(k.mknod(1, 'b', 0o060600, 0x0801)).to.include({ mode: 0o060600, rdev: 0x0801 });
    expect(k.mknod(1, 'x', 0o050600)).to.equal('EINVAL');
    const l = ok(k.symlink(1, 'l', 'to/\xe9/there'));
    expect(l).to.include({ mode: 0o120777, size: 10 });
    expect(k.readlink(l.ino)).to.equal('to/\xe9/there');
  });

  it("gives the directory's group where it has the set-group-id bit", () => {
    const d = ok(k.mkdir(1, 'd', 0o2775)).ino;
    ok(k.setattr(d, w.Fattr.GID, [[w.SetattrIn.GID, 32, 77]]));
    k.gid = 5;
    expect(k.create(d, 'f', 0o600)).to.include({ gid: 77, mode: 0o100600 });
    expect(k.mkdir(d, 'e', 0o755)).to.include({ gid: 77, mode: 0o042755 });
  });

  it('reads what was written, at any offset, and zeros in holes', () => {
    const f = ok(k.create(1, 'f', 0o644)).ino;
    const data = bytes(300_000, 7);
    expect(k.write(f, 100, data)).to.equal(300_000);
    expect(k.read(f, 100, 300_000)).to.deep.equal(data);
    expect(k.write(f, 1_000_000, data.subarray(0, 10))).to.equal(10);
    expect(k.getattr(f)).to.include({ size: 1_000_010 });
    const hole = k.read(f, 300_100, 699_900) as Uint8Array;
    expect(hole.length).to.equal(699_900);
    expect(hole.every((x) => x === 0)).to.equal(true);
    must(runSync(fs.sync()) ?? 0);
    expect(k.read(f, 100, 300_000)).to.deep.equal(data);
    expect(k.truncate(f, 5000)).to.include({ size: 5000 });
    expect(k.read(f, 0, 100_000)).to.have.length(5000);
    expect(k.truncate(f, 2 ** 62)).to.equal('EFBIG');
    expect(k.write(f, 2 ** 53 - 2, data.subarray(0, 10))).to.equal('EFBIG');
    expect(k.write(f, 2 ** 62, data.subarray(0, 10))).to.equal('EFBIG');
    expect(k.read(f, 2 ** 62, 10)).to.have.length(0);
    expect(k.lseek(f, 2 ** 62, w.SEEK_DATA)).to.equal('ENXIO');
  });

  it('finds data and holes', () => {
    const f = ok(k.create(1, 'f', 0o644)).ino;
    k.write(f, 10 * 65536, bytes(1000, 1));
    k.truncate(f, 20 * 65536);
    must(runSync(fs.sync()) ?? 0);
    expect(k.lseek(f, 0, w.SEEK_DATA)).to.equal(10 * 65536);
    expect(k.lseek(f, 0, w.SEEK_HOLE)).to.equal(0);
    expect(k.lseek(f, 10 * 65536, w.SEEK_HOLE)).to.equal(11 * 65536);
    expect(k.lseek(f, 11 * 65536, w.SEEK_DATA)).to.equal('ENXIO');
    expect(k.lseek(f, 20 * 65536, w.SEEK_HOLE)).to.equal('ENXIO');
    expect(k.lseek(f, 0, 0)).to.equal('EINVAL');
  });

  it('punches holes that give space back, and sets none aside', () => {
    const f = ok(k.create(1, 'f', 0o644)).ino;
    const data = bytes(8 * 65536, 3);
    k.write(f, 0, data);
    must(runSync(fs.sync()) ?? 0);
    const full = ok(k.getattr(f)).blocks; // an indirect block among them
    expect(full).to.be.within(8 * 128, 9 * 128);
    const PUNCH = w.FALLOC_PUNCH_HOLE | w.FALLOC_KEEP_SIZE;
    expect(k.fallocate(f, 65536 + 100, 4 * 65536, PUNCH)).to.equal('ok');
    must(runSync(fs.sync()) ?? 0);
    data.fill(0, 65536 + 100, 5 * 65536 + 100);
    expect(k.read(f, 0, 8 * 65536)).to.deep.equal(data);
    expect(ok(k.getattr(f)).blocks).to.be.at.most(full - 3 * 128);
    expect(k.fallocate(f, 7 * 65536, 2 ** 40, w.FALLOC_ZERO_RANGE | w.FALLOC_KEEP_SIZE)).to.equal('ok');
    expect(k.getattr(f)).to.include({ size: 8 * 65536 });
    expect(k.fallocate(f, 0, 65536, 0)).to.equal('EOPNOTSUPP');
    expect(k.fallocate(f, 0, 65536, w.FALLOC_KEEP_SIZE)).to.equal('EOPNOTSUPP');
    expect(k.fallocate(f, 0, 65536, 0x08 /* collapse */)).to.equal('EOPNOTSUPP');
  });

  it('counts a file with unwritten data as taking space', () => {
    const f = ok(k.create(1, 'f', 0o644)).ino;
    k.write(f, 0, bytes(100_000, 3));
    expect(ok(k.getattr(f)).blocks).to.be.above(0);
    const g = ok(k.create(1, 'g', 0o644)).ino;
    expect(ok(k.truncate(g, 1 << 20)).blocks).to.equal(0);
  });

  it('keeps an unlinked file until the kernel forgets it, and not longer', () => {
    const f = ok(k.create(1, 'f', 0o644)).ino;
    k.write(f, 0, bytes(70_000, 3));
    ok(k.lookup(1, 'f'));
    expect(k.unlink(1, 'f')).to.equal('ok');
    expect(k.lookup(1, 'f')).to.equal('ENOENT');
    expect(k.getattr(f)).to.include({ nlink: 0 });
    expect(k.read(f, 0, 70_000)).to.have.length(70_000);
    k.forget(f, 1);
    expect(k.write(f, 0, bytes(10, 1))).to.equal(10);
    k.forget(f, 1);
    expect(k.getattr(f)).to.equal('ENOENT');
    const [a, b] = [ok(k.create(1, 'a', 0o644)).ino, ok(k.create(1, 'b', 0o644)).ino];
    k.unlink(1, 'a');
    k.unlink(1, 'b');
    k.batchForget([
      [a, 1],
      [b, 1],
    ]);
    expect(k.getattr(a)).to.equal('ENOENT');
    expect(k.getattr(b)).to.equal('ENOENT');
  });

  it('holds what READDIRPLUS showed, and lets go of all at the end', () => {
    ok(k.create(1, 'f', 0o644));
    k.readdir(1, 65536, true);
    expect(runSync(pfs.unmount())).to.equal(EBUSY);
    k.s.close();
    expect(runSync(pfs.unmount())).to.equal(null);
  });

  it('links, renames and removes', () => {
    const f = ok(k.create(1, 'f', 0o644)).ino;
    const d = ok(k.mkdir(1, 'd', 0o755)).ino;
    expect(k.link(f, d, 'g')).to.include({ ino: f, nlink: 2 });
    expect(k.link(d, 1, 'e')).to.equal('EPERM');
    expect(k.rename(d, 'g', 1, 'h')).to.equal('ok');
    expect(k.lookup(1, 'h')).to.include({ ino: f });
    ok(k.create(1, 'i', 0o644));
    expect(k.rename(1, 'h', 1, 'i', w.RENAME_NOREPLACE)).to.equal('EEXIST');
    expect(k.rename(1, 'h', 1, 'i', 2 /* exchange */)).to.equal('EINVAL');
    expect(k.rename(1, 'h', 1, 'j', w.RENAME_NOREPLACE)).to.equal('ok');
    expect(k.rename(1, 'j', 1, 'i', 0)).to.equal('ok');
    expect(k.lookup(1, 'i')).to.include({ ino: f });
    expect(k.rename(1, 'd', d, 'sub')).to.equal('EINVAL');
    ok(k.mkdir(d, 'x', 0o755));
    expect(k.rmdir(1, 'd')).to.equal('ENOTEMPTY');
    expect(k.rmdir(d, 'x')).to.equal('ok');
    expect(k.unlink(1, 'd')).to.equal('EISDIR');
    expect(k.rmdir(1, 'i')).to.equal('ENOTDIR');
    expect(k.rmdir(1, 'd')).to.equal('ok');
  });

  it('sets attributes and times', () => {
    const f = ok(k.create(1, 'f', 0o644)).ino;
    const before = ok(k.getattr(f));
    const a = ok(
      k.setattr(f, w.Fattr.MODE | w.Fattr.UID | w.Fattr.GID, [
        [w.SetattrIn.MODE, 32, 0o104711],
        [w.SetattrIn.UID, 32, 0xfffffffe],
        [w.SetattrIn.GID, 32, 3],
      ]),
    );
    expect(a).to.include({ mode: 0o104711, uid: 0xfffffffe, gid: 3, mtimeNs: before.mtimeNs });
    expect(a.ctimeNs > before.ctimeNs).to.equal(true);
    const t = ok(
      k.setattr(f, w.Fattr.MTIME, [
        [w.SetattrIn.MTIME, 64, 1234],
        [w.SetattrIn.MTIME_NS, 32, 567_891_234],
      ]),
    );
    expect(t.mtimeNs).to.equal(1_234_567_891_000n);
    expect(t.ctimeNs > a.ctimeNs).to.equal(true);
    // Before 1970 there is no time on this file system.
    expect(ok(k.setattr(f, w.Fattr.MTIME, [[w.SetattrIn.MTIME, 64, -5]])).mtimeNs).to.equal(0n);
    const now = ok(k.setattr(f, w.Fattr.MTIME | w.Fattr.MTIME_NOW | w.Fattr.ATIME, []));
    expect(now.mtimeNs > before.mtimeNs).to.equal(true);
  });

  it('says what it does not do, and survives what is no request', () => {
    for (const op of [w.Op.FLUSH, w.Op.ACCESS, w.Op.GETXATTR, w.Op.LISTXATTR, 31, 47, 51, 63, 4096, 0])
      expect(k.call(op, 1, 64), `opcode ${op}`).to.equal('ENOSYS');
    expect(k.call(w.Op.IOCTL, 1, 32)).to.equal('ENOTTY');
    expect(k.call(w.Op.WRITE, 1, 8)).to.equal('EIO');
    expect(k.call(w.Op.WRITE, 1, w.WriteIn.SIZE, [[w.WriteIn.SIZE_BYTES, 32, 5000]])).to.equal('EIO');
    expect(k.raw(w.Op.INTERRUPT, 0, new Uint8Array(8))).to.equal(null);
    k.s.in.fill(0);
    expect(k.s.handle(12)).to.equal(0);
    expect((k.call(w.Op.STATFS, 1, 0) as DataView).getUint32(w.StatfsOut.BSIZE, true)).to.equal(65536);
    // Random bodies: an answer or none, never a throw.
    const r = new Rng(42);
    for (let i = 0; i < 5000; i++) {
      const op = r.below(w.Op.MAX);
      if (op === w.Op.INIT) continue;
      const body = bytes(r.below(120), i);
      if (r.below(2) === 0) body.fill(0, 0, Math.min(body.length, 40));
      k.raw(op, r.below(3) === 0 ? r.below(2 ** 31) : 1 + r.below(40) * 30, body);
    }
    expect(k.getattr(1)).to.be.an('object');
  });

  it('shows other owners when told to', () => {
    const c = connect({ uid: 1000, gid: 1001 });
    c.init();
    expect(c.lookup(1, 'README.txt')).to.include({ uid: 1000, gid: 1001 });
  });

  it('changes nothing on a read-only file system', () => {
    runSync(pfs.remount(true));
    const f = ok(k.lookup(1, 'README.txt')).ino;
    expect(k.create(1, 'f', 0o644)).to.equal('EROFS');
    expect(k.mkdir(1, 'f', 0o755)).to.equal('EROFS');
    expect(k.write(f, 0, bytes(1, 1))).to.equal('EROFS');
    expect(k.truncate(f, 0)).to.equal('EROFS');
    expect(k.unlink(1, 'README.txt')).to.equal('EROFS');
    expect(k.rename(1, 'README.txt', 1, 'x')).to.equal('EROFS');
    expect(k.read(f, 0, 100)).to.have.length(20);
  });
});
