/**
 * Real DragonFly volumes: every file of both fixtures equals its manifest, and a flipped bit in any block gives EIO and
 * a message that names the block, never wrong bytes.
 */
import { expect } from 'chai';
import { runSync } from '../../../../vkernel/sys/blocking.js';
import { EIO, EINVAL, ENOENT, ENOTDIR, ENAMETOOLONG, Errno } from '../../../../vkernel/sys/errno.js';
import { ObjType } from '../../../../vkernel/vfs/hammer2/index.js';
import {
  FIXTURES,
  type FixtureName,
  type ImageDevice,
  fixtureDevice,
  readManifest,
} from '../../../support/hammer2_fixture.js';
import { hammer2Mount, type TestInode, type TestMount } from '../../../support/hammer2_mount.js';
import { type RawRef, fileSha256, listDir, must, walkImage, walkTree } from '../../../support/hammer2_tree.js';

const TYPES = { file: ObjType.REGFILE, dir: ObjType.DIRECTORY, symlink: ObjType.SOFTLINK, fifo: ObjType.FIFO };

function mount(dev: ImageDevice, label: string | null = 'DATA', lines: string[] = []): TestMount {
  return must(runSync(hammer2Mount([dev], label, { log: (l) => lines.push(l) })), 'mount');
}
const byPath = (m: TestMount): Map<string, TestInode> => new Map(walkTree(m));

describe('hammer2 fixtures', function () {
  this.timeout(120_000);

  for (const name of FIXTURES) {
    describe(name, () => {
      const manifest = readManifest(name);

      it('has every file of the manifest, and nothing else', () => {
        const lines: string[] = [];
        const m = mount(fixtureDevice(name), null, lines); // default label: DATA
        const tree = byPath(m);
        const entries = manifest.pfs['DATA'];
        expect([...tree.keys()].sort()).to.deep.equal(entries.map((e) => e.path).sort());
        const inums = new Map<number, number>();
        for (const e of entries) {
          const ip = tree.get(e.path)!;
          expect(ip.type, e.path).to.equal(TYPES[e.type]);
          expect(ip.mode.toString(8).padStart(4, '0'), e.path).to.equal(e.mode);
          expect(ip.nlinks, e.path).to.equal(e.nlink);
          expect([ip.uid, ip.gid]).to.deep.equal([0, 0]);
          if (e.mtime_us !== undefined) expect(ip.mtimeUs, e.path).to.equal(e.mtime_us);
          if (e.size !== undefined) expect(ip.size, e.path).to.equal(e.size);
          if (e.target !== undefined) expect(runSync(m.readlink(ip)), e.path).to.equal(e.target);
          if (e.type !== 'dir') inums.set(ip.inum, (inums.get(ip.inum) ?? 0) + 1);
        }
        // hard links: as many names as nlinks says lead to one inode
        for (const ip of tree.values())
          if (ip.type !== ObjType.DIRECTORY) expect(inums.get(ip.inum)).to.equal(ip.nlinks);
        expect(lines).to.deep.equal([]);
      });

      it('has the contents of the manifest, in any piece size', () => {
        const m = mount(fixtureDevice(name));
        const tree = byPath(m);
        for (const e of manifest.pfs['DATA']) {
          if (e.sha256 === undefined) continue;
          const ip = tree.get(e.path)!;
          expect(fileSha256(m, ip), e.path).to.equal(e.sha256);
          if (ip.size < 400_000) expect(fileSha256(m, ip, 1000), `${e.path} in odd pieces`).to.equal(e.sha256);
          expect(runSync(m.read(ip, ip.size, new Uint8Array(10), 0, 10))).to.equal(0);
        }
      });

      it('lists LOCAL and DATA, and mounts the empty LOCAL', () => {
        const m = mount(fixtureDevice(name), 'LOCAL');
        const list = must(runSync(m.pfsList()));
        expect(list.map((p) => p.label).sort()).to.deep.equal(['DATA', 'LOCAL']);
        expect(list[0].fsid).to.match(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
        expect(must(listDir(m, m.root)).map((d) => d.name)).to.deep.equal(['.', '..']);
      });

      it('knows no other label', () => {
        const dev = fixtureDevice(name);
        expect(runSync(hammer2Mount([dev], 'data'))).to.equal(ENOENT);
        expect(runSync(hammer2Mount([dev], ''))).to.equal(ENOENT);
        // The default label follows the partition letter: ROOT for d.
        expect(runSync(hammer2Mount([fixtureDevice(name, 'vkd0s1d')], null))).to.equal(ENOENT);
      });

      it('has plausible statfs figures', () => {
        const s = mount(fixtureDevice(name)).statfs();
        expect(s.bsize).to.equal(65536);
        expect(s.blocks).to.equal(0x77800000 / 65536);
        expect(s.bfree).to.be.within(s.blocks * 0.9, s.blocks);
        expect(s.bavail).to.be.lessThan(s.bfree);
        const names = new Set(manifest.pfs['DATA'].map((e) => e.path));
        expect(s.files).to.be.within(1, names.size + 16);
      });

      it('lists the same names however small the buffer', () => {
        const m = mount(fixtureDevice(name));
        for (const [path, ip] of [['', m.root] as [string, TestInode], ...walkTree(m)]) {
          if (ip.type !== ObjType.DIRECTORY) continue;
          const all = must(listDir(m, ip), path);
          expect(all[0]).to.include({ name: '.', inum: ip.inum });
          for (const room of [1, 7]) expect(listDir(m, ip, room), path).to.deep.equal(all);
          // cookies grow, so a position survives being reopened
          for (let i = 1; i < all.length; i++) expect(all[i].next).to.be.greaterThan(all[i - 1].next);
        }
      });
    });
  }

  it('answers wrong lookups with the right errno', () => {
    const m = mount(fixtureDevice('lz4-xxhash64-tree'));
    const look = (dir: TestInode, n: string): TestInode | Errno => runSync(m.lookup(dir, n));
    expect(look(m.root, 'nothing')).to.equal(ENOENT);
    expect(look(m.root, '')).to.equal(ENOENT);
    expect(look(m.root, 'x'.repeat(255))).to.equal(ENOENT);
    expect(look(m.root, 'x'.repeat(256))).to.equal(ENAMETOOLONG);
    expect(look(m.root, '.')).to.deep.equal(m.root);
    expect(look(m.root, '..')).to.deep.equal(m.root);
    const docs = must(look(m.root, 'docs'));
    expect(look(docs, '..')).to.deep.equal(m.root);
    const file = must(look(m.root, 'README.txt'));
    expect(look(file, 'x')).to.equal(ENOTDIR);
    expect(runSync(m.readlink(file))).to.equal(EINVAL);
    expect(runSync(m.iget(5))).to.equal(ENOENT);
    expect(runSync(m.iget(-1))).to.equal(ENOENT);
    expect(runSync(m.iget(NaN))).to.equal(ENOENT);
    expect(runSync(m.iget(2 ** 60))).to.equal(ENOENT);
    for (const bad of [-1, 1.5, NaN, 64, 2 ** 60]) expect(runSync(m.readdir(docs, bad, () => true))).to.equal(EINVAL);
  });

  it('keeps its cache within bounds and still reads everything', () => {
    const dev = fixtureDevice('zlib-indirect-sparse');
    const m = must(runSync(hammer2Mount([dev], 'DATA', { cacheBytes: 0 }))); // raised to the minimum
    const { tree } = m.fs;
    for (let i = 0; i < 2; i++) for (const [, ip] of walkTree(m)) expect(ip.nlinks).to.be.greaterThan(0);
    expect(tree.bytes).to.be.within(1, 128 * (65536 + 512));
    const before = dev.reads;
    expect([...walkTree(m)].length).to.equal(718);
    expect(dev.reads, 'all metadata cached').to.equal(before);
  });

  /** Every DATA block once (live dedup shares them), with a file it belongs to. */
  const dataBlocks = (dev: ImageDevice): RawRef[] => [
    ...new Map(walkImage(dev).flatMap((r) => (r.type === 3 ? [[r.dataOff, r]] : []))).values(),
  ];

  /** Flip one bit in a data block: reading it must fail and say so, and succeed again after flipping back. */
  function flipData(name: FixtureName): number {
    const dev = fixtureDevice(name);
    const lines: string[] = [];
    const m = mount(dev, 'DATA', lines);
    const good = new Uint8Array(65536);
    const bad = new Uint8Array(65536);
    let n = 0;
    for (const [i, r] of dataBlocks(dev).entries()) {
      const ip = must(runSync(m.iget(Number(r.inum))));
      const lbn = Number(r.key / 65536n);
      const at = r.off + ((Math.imul(i + 1, 2654435761) >>> 0) % r.size);
      must(runSync(m.readBlock(ip, lbn, good, 0)) ?? 0);
      dev.flip(at, 1 << (i & 7));
      lines.length = 0;
      expect(runSync(m.readBlock(ip, lbn, bad, 0)), `block ${i}`).to.equal(EIO);
      expect(lines.length).to.equal(1);
      expect(lines[0]).to.match(/^hammer2: vkd0: CHECK FAIL bref 0x/);
      expect(lines[0]).to.include(
        `bref 0x${r.dataOff.toString(16).padStart(16, '0')} key ${r.key.toString(16).padStart(16, '0')}/16 type DATA`,
      );
      expect(lines[0]).to.match(/expected [0-9a-f]{16}, got [0-9a-f]{16}$/);
      // read(2) sees the same: EIO, or the bytes before the bad block
      expect(runSync(m.read(ip, lbn * 65536, bad, 0, 4096))).to.equal(EIO);
      dev.unflip();
      must(runSync(m.readBlock(ip, lbn, bad, 0)) ?? 0);
      expect(Buffer.compare(good, bad)).to.equal(0);
      n++;
    }
    return n;
  }
  for (const name of FIXTURES) {
    it(`gives EIO and a message for a flipped bit in any data block (all of ${name})`, () => {
      expect(flipData(name)).to.be.greaterThan(70);
    });
  }

  it('never shows wrong data for a flipped bit in any other block (all blocks, LZ4)', () => {
    const name = 'lz4-xxhash64-tree';
    const dev = fixtureDevice(name);
    const want = new Map(readManifest(name).pfs['DATA'].map((e) => [e.path, e]));
    const others = walkImage(dev).filter((r) => r.type !== 3);
    expect(others.length).to.be.greaterThan(200);
    let failures = 0;
    for (const [i, r] of others.entries()) {
      dev.unflip();
      dev.flip(r.off + ((Math.imul(i + 7, 2246822519) >>> 0) % r.size), 1 << (i & 7));
      const lines: string[] = [];
      const m = runSync(hammer2Mount([dev], 'DATA', { log: (l) => lines.push(l) }));
      let seen = 0;
      if (m instanceof Errno) expect(m).to.equal(EIO);
      else {
        for (const [path, e] of want) {
          let ip: TestInode | Errno = m.root;
          for (const part of path.split('/')) if (!(ip instanceof Errno)) ip = runSync(m.lookup(ip, part));
          if (ip instanceof Errno) {
            expect(ip, path).to.equal(EIO);
            continue;
          }
          seen++;
          expect(ip.nlinks, path).to.equal(e.nlink);
          if (e.size !== undefined) expect(ip.size, path).to.equal(e.size);
        }
      }
      // A block of the LOCAL PFS does not matter to DATA.
      if (seen === want.size) continue;
      failures++;
      const bref = `bref 0x${r.dataOff.toString(16).padStart(16, '0')}`;
      expect(
        lines.some((l) => l.includes('CHECK FAIL') && l.includes(bref)),
        lines.join('\n'),
      ).to.equal(true);
    }
    expect(failures).to.be.greaterThan(200);
  });
});
