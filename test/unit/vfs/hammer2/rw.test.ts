/** The read-write library: every operation on a volume in memory, re-read after a new mount. */
import { expect } from 'chai';
import { runSync } from '../../../../vkernel/sys/blocking.js';
import { type MemDevice, buildImage } from '../../../support/hammer2_build.js';
import { BumpSpace, ByPath, openRw } from '../../../support/hammer2_rw.js';
import { must } from '../../../support/hammer2_tree.js';
import { Model, Rng } from '../../../support/hammer2_model.js';
import { walkVolume } from '../../../support/hammer2_walk.js';
import type { Fs } from '../../../../vkernel/vfs/hammer2/fs.js';

const MIB = 1024 * 1024;
let bump: BumpSpace;
function fresh(bytes = 512 * MIB): MemDevice {
  bump = new BumpSpace(48 * MIB, bytes);
  const header = (h: DataView): void => h.setUint32(0x90, 17, true); // freemap as new as the topology
  return buildImage({ volumes: [bytes], pfs: { DATA: [], LOCAL: [] }, header })[0];
}
function* space(): Generator<void, BumpSpace> {
  return bump;
}
const open = (dev: MemDevice): Fs => openRw(dev, { space, log: (l) => expect.fail(l) });
const mount = (fs: Fs, label = 'DATA'): ByPath => new ByPath(must(runSync(fs.mount(label)), 'mount'));

describe('hammer2 read-write', () => {
  it('keeps what was written over a new mount', () => {
    const dev = fresh();
    const fs = open(dev);
    const m = mount(fs);
    m.file('hello', 'hello world');
    m.mkdir('d');
    const big = Uint8Array.from({ length: 1_000_000 }, (_, i) => (i * 7) ^ (i >> 8));
    m.file('d/big', big);
    for (let i = 0; i < 300; i++) m.file(`d/f${i}`, `number ${i}`);
    const check = (q: ByPath): void => {
      expect(q.text('hello')).to.equal('hello world');
      expect(Buffer.compare(q.read('d/big'), big)).to.equal(0);
      expect(q.list('d').length).to.equal(301);
      for (let i = 0; i < 300; i++) expect(q.text(`d/f${i}`)).to.equal(`number ${i}`);
    };
    check(m);
    must(runSync(fs.close()) ?? 0);
    check(mount(open(dev)));
  });

  for (const seed of [1, 2, 3]) {
    it(`does what a model of it does (seed ${seed})`, function () {
      this.timeout(60_000);
      const dev = fresh(1024 * MIB);
      let fs = open(dev);
      const m = new Model(must(runSync(fs.mount('DATA'))), new Rng(seed));
      for (let i = 0; i < 1500; i++) {
        try {
          m.step();
        } catch (e) {
          throw new Error(`step ${i}: ${String(e)}`, { cause: e });
        }
        if (i % 7 === 0) fs.tree.evict(0); // whatever is clean may leave at any time
        if (i % 100 !== 99) continue;
        m.verify();
        must(runSync(fs.sync()) ?? 0);
        expect(walkVolume(dev, { stats: true, links: m.held.length === 0 }), `step ${i}`).to.deep.equal([]);
        m.verify();
        if (i % 300 !== 299) continue;
        for (const h of m.held.splice(0)) m.p.drop(h.inum);
        must(runSync(fs.close()) ?? 0);
        fs = open(dev);
        m.p = must(runSync(fs.mount('DATA')));
        m.verify();
      }
    });
  }
});
