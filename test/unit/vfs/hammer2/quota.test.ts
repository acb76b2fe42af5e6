/** Quotas on directories: counted exactly, enforced, kept over mounts and power cuts. The checker counts for itself. */
import { expect } from 'chai';
import { runSync } from '../../../../vkernel/sys/blocking.js';
import { EDQUOT, EINVAL, ENOTDIR, Errno, EXDEV } from '../../../../vkernel/sys/errno.js';
import { Comp, ObjType } from '../../../../vkernel/vfs/hammer2/disk.js';
import type { Fs } from '../../../../vkernel/vfs/hammer2/fs.js';
import { Rng } from '../../../support/hammer2_model.js';
import { ByPath, CowDevice, defaults, faults, freshVolume, LogDevice, openRw } from '../../../support/hammer2_rw.js';
import { must } from '../../../support/hammer2_tree.js';

const MIB = 1024 * 1024;
const mount = (fs: Fs): ByPath => new ByPath(must(runSync(fs.mount('DATA')), 'mount'));
const quota = (m: ByPath, path: string): string => {
  const q = must(runSync(m.p.quota(m.inum(path))));
  return q.active ? `${q.usedBytes}/${q.dataBytes} ${q.usedInodes}/${q.inodes}` : 'none';
};
const set = (m: ByPath, path: string, dataBytes?: number, inodes?: number): Errno | null =>
  runSync(m.p.setquota(m.inum(path), { dataBytes, inodes }));
const write = (m: ByPath, path: string, off: number, b: Uint8Array): number | Errno =>
  runSync(m.p.write(m.inum(path), off, b, 0, b.length));
const synced = (fs: Fs): void => void must(runSync(fs.sync()) ?? 0);

describe('hammer2 quotas', function () {
  this.timeout(60_000);

  it('count what is there and what comes, moves and goes', () => {
    const dev = freshVolume(256 * MIB);
    const fs = openRw(dev, { log: (l) => expect.fail(l) });
    const m = mount(fs);
    must(runSync(m.p.setcomp(1, Comp.NONE, 0)) ?? 0);
    for (const d of ['a', 'a/b', 'a/b/c', 'z']) m.mkdir(d);
    m.file('a/f', new Uint8Array(65536).fill(1));
    m.file('a/b/c/g', new Uint8Array(3 * 65536).fill(2));
    m.file('a/tiny', 'in the inode');
    must(runSync(m.p.link(m.inum('a/f'), m.inum('a/b'), 'hard')) ?? 0);
    expect(quota(m, 'a')).to.equal('none');
    expect(set(m, 'a', 10 * MIB, 100)).to.equal(null);
    // b, c, f, g, tiny; f once for its two names
    expect(quota(m, 'a')).to.equal(`${4 * 65536}/${10 * MIB} 5/100`);
    // Not while a file has a name on either side; then everything stays as it was.
    expect(set(m, 'a/b', 0, 50)).to.equal(EXDEV);
    expect(quota(m, 'a/b')).to.equal('none');
    expect(faults(dev)).to.deep.equal([]);
    must(runSync(m.p.unlink(m.inum('a/b'), 'hard')) ?? 0);
    expect(set(m, 'a/b', 0, 50)).to.equal(null);
    expect(quota(m, 'a/b')).to.equal('196608/0 2/50');
    expect(quota(m, 'a')).to.equal(`${4 * 65536}/${10 * MIB} 5/100`);
    expect(faults(dev)).to.deep.equal([]);
    m.file('a/b/c/h', new Uint8Array(100_000).fill(3));
    synced(fs);
    expect(quota(m, 'a/b')).to.equal('327680/0 3/50');
    // From one quota directory to another, and out.
    must(runSync(m.p.rename(m.inum('a/b/c'), 'h', m.inum('a'), 'h')) ?? 0);
    expect(quota(m, 'a/b')).to.equal('196608/0 2/50');
    expect(quota(m, 'a')).to.equal(`${6 * 65536}/${10 * MIB} 6/100`);
    must(runSync(m.p.rename(m.inum('a'), 'h', m.inum('z'), 'h')) ?? 0);
    expect(quota(m, 'a')).to.equal(`${4 * 65536}/${10 * MIB} 5/100`);
    expect(runSync(m.p.link(m.inum('z/h'), m.inum('a'), 'x'))).to.equal(EXDEV);
    expect(runSync(m.p.rename(m.inum('a/b'), 'c', m.inum('z'), 'c'))).to.equal(EXDEV);
    // A quota directory moves with what it counts.
    must(runSync(m.p.rename(m.inum('a'), 'b', m.inum('z'), 'b')) ?? 0);
    expect(quota(m, 'a')).to.equal(`65536/${10 * MIB} 2/100`);
    must(runSync(m.p.truncate(m.inum('z/b/c/g'), 65536)) ?? 0);
    expect(quota(m, 'z/b')).to.equal('65536/0 2/50');
    must(runSync(m.p.unlink(m.inum('a'), 'f')) ?? 0);
    expect(quota(m, 'a')).to.equal(`0/${10 * MIB} 1/100`);
    must(runSync(fs.close()) ?? 0);
    expect(faults(dev)).to.deep.equal([]);
    const again = mount(openRw(dev));
    expect(quota(again, 'a')).to.equal(`0/${10 * MIB} 1/100`);
    expect(quota(again, 'z/b')).to.equal('65536/0 2/50');
    expect(set(again, 'z/b', 0, 0)).to.equal(null);
    expect(quota(again, 'z/b')).to.equal('none');
    expect(set(again, 'a/tiny', 1, 1)).to.equal(ENOTDIR);
    expect(set(again, 'a', 1.5)).to.equal(EINVAL);
    expect(faults(dev)).to.deep.equal([]);
  });

  it('refuse what goes beyond, not what compresses, and nothing else', () => {
    const dev = freshVolume(256 * MIB);
    const fs = openRw(dev);
    const m = mount(fs);
    m.mkdir('q');
    m.mkdir('free');
    expect(set(m, 'q', MIB, 3)).to.equal(null);
    m.create('q/noise', { type: ObjType.REGFILE });
    m.create('q/text', { type: ObjType.REGFILE });
    const noise = new Rng(1).bytes(65536).map((_, i) => (Math.imul(i + 1, 2654435761) ^ (i * i * 7919)) >>> 13);
    let done = 0;
    for (; ; done++) {
      const r = write(m, 'q/noise', done * 65536, noise);
      if (r instanceof Errno) {
        expect(r).to.equal(EDQUOT);
        break;
      }
      expect(r).to.equal(65536);
    }
    expect(done).to.be.within(12, 16);
    // Over what is there already nothing more is needed.
    expect(write(m, 'q/noise', 0, noise)).to.equal(65536);
    must(runSync(m.p.truncate(m.inum('q/noise'), 0)) ?? 0);
    // Four MiB that become a quarter of one.
    const text = new Uint8Array(65536).fill(97);
    for (let i = 0; i < 64; i++) expect(write(m, 'q/text', i * 65536, text), `block ${i}`).to.equal(65536);
    synced(fs);
    expect(must(runSync(m.p.quota(m.inum('q')))).usedBytes).to.be.within(64 * 1024, MIB);
    m.create('q/third', { type: ObjType.FIFO });
    expect(runSync(m.p.create(m.inum('q'), 'fourth', { ...defaults, type: ObjType.REGFILE }))).to.equal(EDQUOT);
    expect(runSync(m.p.rename(1, 'free', m.inum('q'), 'x'))).to.equal(EXDEV);
    m.file('one', noise);
    expect(runSync(m.p.rename(1, 'one', m.inum('q'), 'one'))).to.equal(EDQUOT);
    must(runSync(m.p.unlink(m.inum('q'), 'third')) ?? 0);
    expect(runSync(m.p.rename(1, 'one', m.inum('q'), 'one'))).to.equal(null);
    // Open without a name it still counts, until it is closed.
    const inum = m.inum('q/one');
    m.p.hold(inum);
    must(runSync(m.p.unlink(m.inum('q'), 'one')) ?? 0);
    expect(runSync(m.p.create(m.inum('q'), 'fourth', { ...defaults, type: ObjType.REGFILE }))).to.equal(EDQUOT);
    m.p.drop(inum);
    expect(runSync(m.p.create(m.inum('q'), 'fourth', { ...defaults, type: ObjType.REGFILE }))).to.be.a('number');
    m.file('free/any', new Uint8Array(5 * MIB).fill(7));
    must(runSync(fs.close()) ?? 0);
    expect(faults(dev)).to.deep.equal([]);
  });

  it('are as a walk finds them after random operations, snapshots and mounts', () => {
    const dev = freshVolume(512 * MIB);
    const rng = new Rng(77);
    const ids = new Rng(78);
    const opts = { dirtyBytes: 2 * MIB, random: (b: Uint8Array): void => b.forEach((_, i) => (b[i] = ids.below(256))) };
    let fs = openRw(dev, opts);
    let m = mount(fs);
    const dirs = ['', 'a', 'a/b', 'a/b/c', 'd', 'd/e'];
    for (const x of dirs.slice(1)) m.mkdir(x);
    let refused = 0;
    const held: number[] = [];
    for (let i = 0; i < 1500; i++) {
      const path = (): string => `${rng.pick(dirs)}/${rng.pick(['f0', 'f1', 'f2', 'n'.repeat(100)])}`;
      const [to, name] = m.split(path());
      const from = path();
      const old = m.tryInum(from);
      const r = ((): unknown => {
        switch (rng.below(10)) {
          case 0:
          case 1:
            return runSync(m.p.create(to, name, { ...defaults, type: ObjType.REGFILE }));
          case 2:
            return runSync(m.p.rename(...m.split(from), to, name));
          case 3:
            return typeof old === 'number' ? runSync(m.p.link(old, to, name)) : null;
          case 4:
            return runSync(m.p.unlink(to, name));
          case 5:
            return typeof old === 'number' ? runSync(m.p.truncate(old, rng.below(300_000))) : null;
          case 6:
            if (held.length > 2) m.p.drop(held.pop() as number);
            else if (typeof old === 'number') {
              m.p.hold(old);
              held.push(old);
            }
            return null;
          default: {
            const b = rng.bytes(rng.below(200_000));
            return typeof old === 'number' ? runSync(m.p.write(old, rng.below(3) * 60_000, b, 0, b.length)) : null;
          }
        }
      })();
      if (r instanceof Errno) {
        if (r === EDQUOT || r === EXDEV) refused++;
        else expect(r.name).to.be.oneOf(['EEXIST', 'ENOENT']);
      }
      if (i % 90 === 89) {
        const d = rng.pick(dirs);
        expect(set(m, d, rng.below(3) * MIB, rng.below(3) * 10)).to.be.oneOf([null, EXDEV]);
      }
      if (i % 300 === 299) must(runSync(fs.snapshot('DATA', `s${i}`)) ?? 0);
      if (i % 100 !== 99) continue;
      synced(fs);
      expect(faults(dev), `step ${i}`).to.deep.equal([]);
      if (rng.below(3) !== 0) continue;
      while (held.length > 0) m.p.drop(held.pop() as number);
      must(runSync(fs.close()) ?? 0);
      fs = openRw(dev, opts);
      m = mount(fs);
    }
    expect(refused).to.be.greaterThan(30);
    // A snapshot counts on its own.
    const s = new ByPath(must(runSync(fs.mount('s899'))));
    s.file('more', new Uint8Array(70_000).fill(9));
    synced(fs);
    expect(faults(dev)).to.deep.equal([]);
  });

  it('are whole after a power cut at any write, also while a directory is being counted', () => {
    const base = freshVolume(256 * MIB);
    const first = openRw(base);
    const m0 = mount(first);
    m0.mkdir('a');
    m0.mkdir('a/b');
    for (let i = 0; i < 50; i++) m0.file(`a/${i % 2 === 0 ? 'b/' : ''}f${i}`, `${i}`);
    m0.file('a/big', new Uint8Array(200_000).fill(5));
    must(runSync(first.close()) ?? 0);
    const dev = new LogDevice(new CowDevice(base));
    // So little memory that counting takes several syncs.
    const fs = openRw(dev, { dirtyBytes: 64 * 1024 });
    const m = mount(fs);
    must(set(m, 'a', MIB, 200) ?? 0);
    expect(fs.stats.headers).to.be.greaterThan(4);
    expect(must(runSync(m.p.quota(m.inum('a')))).usedInodes).to.equal(52);
    must(set(m, 'a/b', 0, 70) ?? 0);
    m.file('a/b/x', new Uint8Array(150_000).fill(6));
    must(runSync(m.p.unlink(m.inum('a'), 'big')) ?? 0);
    must(set(m, 'a', 0, 0) ?? 0);
    must(runSync(fs.close()) ?? 0);
    let interrupted = 0;
    for (let cut = 0; cut <= dev.log.length; cut++) {
      const img = new CowDevice(base);
      for (const w of dev.log.slice(0, cut)) if (w !== 'flush') must(runSync(img.write(w.off, w.data)) ?? 0);
      if (faults(img).some((x) => x.includes('was interrupted'))) interrupted++;
      else expect(faults(img), `cut ${cut}`).to.deep.equal([]);
      const again = openRw(img);
      mount(again);
      must(runSync(again.close()) ?? 0);
      expect(faults(img), `mounted after cut ${cut}`).to.deep.equal([]);
    }
    expect(interrupted).to.be.greaterThan(4);
  });

  it('are seen by the checker when another writer has not counted', () => {
    const dev = freshVolume(64 * MIB);
    const fs = openRw(dev);
    const m = mount(fs);
    m.mkdir('q');
    must(set(m, 'q', MIB, 9) ?? 0);
    m.file('q/f', new Uint8Array(65536).fill(3));
    synced(fs);
    expect(faults(dev)).to.deep.equal([]);
    const n = m.p.iget(m.inum('q'));
    if (n instanceof Errno) throw new Error(n.name);
    n.v.setUint32(0xc8, 5, true);
    fs.tree.markDirty(n, 0);
    synced(fs);
    expect(faults(dev).join()).to.match(/^warning quota: .* and 5 inodes; there are \d+ and 1$/);
    // The same limits again: count anew.
    must(set(m, 'q', MIB, 9) ?? 0);
    expect(quota(m, 'q')).to.match(/ 1\/9$/);
    expect(faults(dev)).to.deep.equal([]);
  });
});
