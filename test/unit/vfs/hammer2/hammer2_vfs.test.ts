/** HAMMER2 mounted in a kernel: system calls over real images, page cache, mount errors, EIO. */
import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { gd } from '../../../../vkernel/sys/globaldata.js';
import type { BlockDevice } from '../../../../vkernel/sys/blockdev.js';
import { Errno } from '../../../../vkernel/sys/errno.js';
import { buildImage, type TestNode } from '../../../support/hammer2_build.js';
import { FIXTURES, fixtureDevice, readManifest } from '../../../support/hammer2_fixture.js';
import { walkImage } from '../../../support/hammer2_tree.js';
import { O, type User } from '../kit.js';
import { H2Kit } from './kit.js';

const RDONLY = 1;
const text = (n: number): Uint8Array =>
  new Uint8Array(Buffer.from('cogito ergo sum, '.repeat(n / 17 + 1)).subarray(0, n));
const bytes = (n: number): Uint8Array => Uint8Array.from({ length: n }, (_, i) => Math.imul(i + 1, 2654435761) >>> 17);

/** SHA-256 of a file read through the guest's system calls. */
function sha256(u: User, path: string, piece: number): string | Errno {
  const fd = u.open(path);
  const h = createHash('sha256');
  const buf = u.alloc(piece);
  try {
    for (;;) {
      const n = u.sys('read', fd, buf, piece);
      if (n instanceof Errno) return n;
      if (n === 0) return h.digest('hex');
      h.update(u.get(buf, n));
    }
  } finally {
    u.ok('close', fd);
  }
}

const files: TestNode[] = [
  { type: 'file', name: 'text', data: text(200_000), mode: 0o640, uid: 7, gid: 8 },
  { type: 'file', name: 'random', data: bytes(300_001) },
  { type: 'file', name: 'small', data: text(100) },
  { type: 'file', name: 'sparse', data: text(10), size: 2 ** 33 },
  {
    type: 'dir',
    name: 'd',
    children: [
      { type: 'file', name: 'f', data: text(1) },
      { type: 'symlink', name: 'l', data: text(0) },
    ],
  },
  { type: 'symlink', name: 'tosmall', data: new Uint8Array(Buffer.from('d/../small')) },
  { type: 'fifo', name: 'p', mode: 0o600 },
  { type: 'chr', name: 'c', rdev: [20, 1] },
];
const small = (): BlockDevice => buildImage({ pfs: { DATA: files, LOCAL: [], ROOT: [] } })[0];

describe('hammer2 mounted', function () {
  this.timeout(120_000);

  for (const name of FIXTURES) {
    it(`shows every file of ${name} as its manifest has it`, () => {
      const k = new H2Kit({ vkd0: fixtureDevice(name) });
      const { u } = k;
      expect(k.mount('/dev/vkd0@DATA')).to.equal(0);
      const found = new Map<string, number>();
      const walk = (dir: string): void => {
        for (const e of u.ls(dir === '' ? '/mnt' : `/mnt/${dir}`)) {
          if (e.name === '.' || e.name === '..') continue;
          const path = dir === '' ? e.name : `${dir}/${e.name}`;
          found.set(path, e.type);
          if (e.type === 4) walk(path);
        }
      };
      walk('');
      const want = readManifest(name).pfs['DATA'];
      expect([...found.keys()].sort()).to.deep.equal(want.map((e) => e.path).sort());
      for (const e of want) {
        const path = `/mnt/${e.path}`;
        const st = u.stat(path, 'lstat');
        expect((st.mode & 0o7777).toString(8).padStart(4, '0'), path).to.equal(e.mode);
        expect(st.nlink, path).to.equal(e.nlink);
        if (e.size !== undefined) expect(st.size, path).to.equal(e.size);
        if (e.mtime_us !== undefined) expect(Math.round(st.mtime / 1000), path).to.equal(e.mtime_us);
        expect(found.get(e.path)).to.equal(st.mode >> 12);
        if (e.target !== undefined) {
          const buf = u.alloc(1024);
          const n = u.ok('readlink', path, buf, 1024);
          expect(Buffer.from(u.get(buf, n)).toString('latin1')).to.equal(e.target);
        }
        // 500 MB of holes through small memory: the big ones in big pieces.
        if (e.sha256 !== undefined)
          expect(sha256(u, path, (e.size ?? 0) > 1e6 ? 2 ** 20 : 60_000), path).to.equal(e.sha256);
      }
      expect(k.dmesg()).to.not.include('FAIL');
    });
  }

  it('gives EIO for a flipped bit, with a line in dmesg naming the block; other blocks stay readable', () => {
    const dev = fixtureDevice('lz4-xxhash64-tree');
    const k = new H2Kit({ vkd0: dev });
    k.mount('vkd0@DATA');
    const { u } = k;
    const ino = u.stat('/mnt/text300k').ino;
    const r = walkImage(dev).filter((b) => b.type === 3 && b.inum === BigInt(ino))[1];
    dev.flip(r.off + 77, 0x08);
    const fd = u.open('/mnt/text300k');
    const buf = u.alloc(65536);
    expect(u.ok('read', fd, buf, 65536)).to.equal(65536);
    expect(u.err('read', fd, buf, 65536)).to.equal('EIO');
    expect(k.dmesg()).to.match(/^hammer2: vkd0: CHECK FAIL bref 0x[0-9a-f]{16} key 0000000000010000\/16 type DATA/m);
    expect(k.dmesg()).to.include(r.dataOff.toString(16));
    expect(u.ok('extpread', fd, buf, 1000, 0, 2 * 65536)).to.equal(1000);
    dev.unflip();
    expect(u.ok('read', fd, buf, 65536)).to.equal(65536);
  });

  it('serves a second read from the page cache, synchronously', () => {
    const mem = small() as BlockDevice & { reads: number };
    const k = new H2Kit({ vkd0: mem });
    k.mount('vkd0');
    const { u } = k;
    expect(u.read('/mnt/text')).to.equal(Buffer.from(text(200_000)).toString('latin1'));
    const before = mem.reads;
    const fd = u.open('/mnt/text');
    expect(u.sync).to.equal(true);
    const buf = u.alloc(200_000);
    expect(u.ok('read', fd, buf, 200_000)).to.equal(200_000);
    expect(u.sync).to.equal(true);
    expect(mem.reads).to.equal(before);
    expect(Buffer.compare(u.get(buf, 200_000), text(200_000))).to.equal(0);
  });

  it('reads a file larger than memory, holes without taking pages', () => {
    const big = Array.from({ length: 3 }, (_, i): TestNode => ({
      type: 'file',
      name: `b${i}`,
      data: bytes(15_000_000 + i),
    }));
    const k = new H2Kit({
      vkd0: buildImage({ volumes: [128 * 2 ** 20], pfs: { DATA: [...big, ...files] }, comp: 'none' })[0],
    });
    k.mount('vkd0');
    for (let pass = 0; pass < 2; pass++) {
      for (const [i, b] of big.entries()) {
        expect(sha256(k.u, `/mnt/b${i}`, 2 ** 20)).to.equal(createHash('sha256').update(b.data!).digest('hex'));
      }
    }
    const fd = k.u.open('/mnt/sparse');
    const buf = k.u.put(new Uint8Array(65536).fill(1));
    const free = gd.vm.pages.freeCount;
    for (const off of [100_000, 2 ** 32, 2 ** 33 - 65536]) {
      expect(k.u.ok('extpread', fd, buf, 65536, 0, off)).to.equal(65536);
      expect(k.u.get(buf, 65536).every((x) => x === 0)).to.equal(true);
    }
    expect(gd.vm.pages.freeCount).to.be.within(free - 20, free);
    expect(k.u.ok('lseek', fd, 0, 0, 3)).to.equal(0); // SEEK_DATA
    expect(k.u.ok('lseek', fd, 0, 0, 4)).to.equal(65536); // SEEK_HOLE
    expect(k.u.err('lseek', fd, 0, 65536, 3)).to.equal('ENXIO');
  });

  it('shows attributes, links, FIFOs and devices', () => {
    const k = new H2Kit({ vkd0: small() });
    k.mount('vkd0');
    const { u } = k;
    expect(u.stat('/mnt/text')).to.include({ mode: 0o100640, uid: 7, gid: 8, size: 200_000, nlink: 1, blksize: 65536 });
    expect(u.stat('/mnt')).to.include({ ino: 1, mode: 0o040755, size: 0 });
    expect(u.read('/mnt/tosmall')).to.equal(Buffer.from(text(100)).toString('latin1'));
    expect(u.stat('/mnt/p', 'lstat').mode).to.equal(0o010600);
    expect(u.stat('/mnt/c').rdev).to.equal((20 << 8) | 1);
    expect(u.stat('/mnt/d/f').dev).to.equal(u.stat('/mnt').dev);
    expect(u.err('open', '/mnt/nothing', 0)).to.equal('ENOENT');
    expect(u.err('open', '/mnt/small/x', 0)).to.equal('ENOTDIR');
  });

  it('is read-only when mounted so', () => {
    const k = new H2Kit({ vkd0: small() });
    expect(k.mount('vkd0')).to.equal(0);
    const { u } = k;
    expect(u.err('open', '/mnt/small', O.RDWR)).to.equal('EROFS');
    expect(u.err('open', '/mnt/new', O.RDWR | O.CREAT, 0o644)).to.equal('EROFS');
    expect(u.err('mkdir', '/mnt/x', 0o755)).to.equal('EROFS');
    expect(u.err('unlink', '/mnt/small')).to.equal('EROFS');
    expect(u.err('rmdir', '/mnt/d')).to.equal('EROFS');
    expect(u.err('rename', '/mnt/small', '/mnt/y')).to.equal('EROFS');
    expect(u.err('link', '/mnt/small', '/mnt/y')).to.equal('EROFS');
    expect(u.err('symlink', 'a', '/mnt/y')).to.equal('EROFS');
    expect(u.err('chmod', '/mnt/small', 0)).to.equal('EROFS');
    expect(u.err('truncate', '/mnt/small', 0, 0)).to.equal('EROFS');
  });

  it('mounts by label, several PFSs of a device, and refuses the rest', () => {
    const k = new H2Kit({ vkd0: small(), vkd1: buildImage({ pfs: { SNAP: files } })[0], vkd0s1d: small() });
    const { u } = k;
    expect(k.mount('vkd0@nothing')).to.equal('ENOENT');
    expect(k.mount('vkd7')).to.equal('ENOENT');
    expect(k.mount('/etc@DATA')).to.equal('ENOENT');
    expect(k.mount('/mnt2@DATA')).to.equal('ENOTBLK');
    expect(k.mount('/dev/null@DATA')).to.equal('ENOTBLK');
    expect(k.mount('@DATA')).to.equal('ENOENT');
    expect(k.mount('@')).to.equal('EINVAL');
    expect(k.mount('x'.repeat(200))).to.equal('EINVAL');
    expect(u.err('mount', 'hammer2', '/mnt', RDONLY, 0)).to.equal('EINVAL');
    expect(u.err('mount', 'hammer2', '/mnt', RDONLY, 0x500000)).to.equal('EFAULT');
    expect(k.mount('vkd0:vkd1@DATA')).to.equal('ENXIO');
    expect(k.mount('/dev/vkd0')).to.equal(0);
    expect(k.mount('vkd0@DATA', '/mnt2')).to.equal('EBUSY');
    expect(k.mount('@LOCAL', '/mnt2')).to.equal(0);
    expect(u.names('/mnt2')).to.deep.equal([]);
    expect(u.names('/mnt')).to.deep.equal(files.map((f) => f.name).sort());
    const st = u.alloc(320);
    u.ok('statfs', '/mnt2', st);
    const raw = u.get(st, 320);
    expect(Buffer.from(raw.subarray(104, 111)).toString()).to.equal('hammer2');
    expect(Buffer.from(raw.subarray(218, 240)).toString()).to.match(/^vkd0@LOCAL\0/);
    expect(new DataView(raw.buffer).getBigInt64(8, true)).to.equal(65536n);
    u.ok('unmount', '/mnt2', 0);
    expect(k.mount('vkd0s1d', '/mnt2')).to.equal(0); // label ROOT by the letter
    u.ok('unmount', '/mnt2', 0);
    expect(k.mount('vkd1@SNAP', '/mnt2')).to.equal(0);
    u.ok('unmount', '/mnt2', 0);
    u.ok('unmount', '/mnt', 0);
  });

  it('unmounts, giving back its pages', () => {
    const k = new H2Kit({ vkd0: small() });
    const { u } = k;
    const free = gd.vm.pages.freeCount;
    k.mount('vkd0');
    const fd = u.open('/mnt/random');
    expect(u.err('unmount', '/mnt', 0)).to.equal('EBUSY');
    expect(u.read('/mnt/random').length).to.equal(300_001);
    u.ok('close', fd);
    expect(gd.vm.pages.freeCount).to.be.lessThan(free - 60);
    u.ok('unmount', '/mnt', 0);
    // What is left went to the process's own memory, not to the file system.
    expect(gd.vm.objects.some((o) => o?.type === 'vnode' && o.sizeBytes === 300_001)).to.equal(false);
    expect(u.names('/mnt')).to.deep.equal([]);
    expect(k.mount('vkd0')).to.equal(0);
    expect(u.read('/mnt/small').length).to.equal(100);
  });
});
