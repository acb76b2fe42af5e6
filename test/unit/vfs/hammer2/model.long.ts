/**
 * 1,000,000 random operations on the library and on a model of it in memory, with each compression and check code, across
 * remounts. Each operation is made from a number of its own, so fast-check shrinks what fails to the few that matter.
 */
import { expect } from 'chai';
import fc from 'fast-check';
import { hostCodecs } from '../../../../vkernel/machine/host/codecs.js';
import { runSync } from '../../../../vkernel/sys/blocking.js';
import { Check, checkName, Comp, compName } from '../../../../vkernel/vfs/hammer2/disk.js';
import type { Fs } from '../../../../vkernel/vfs/hammer2/fs.js';
import { Model, Rng } from '../../../support/hammer2_model.js';
import { CowDevice, faults, freshVolume, openRw } from '../../../support/hammer2_rw.js';
import { must } from '../../../support/hammer2_tree.js';

const MIB = 1024 * 1024;
const TOTAL = 1_000_000;
const COMPS = [Comp.NONE, Comp.AUTOZERO, Comp.LZ4, Comp.ZLIB] as const;
const CHECKS = [Check.NONE, Check.DISABLED, Check.ISCSI32, Check.XXHASH64, Check.SHA192] as const;
const codecs = hostCodecs();

/** @param seeds  a number an operation */
function run(comp: Comp, check: Check, seeds: readonly number[], remounts: { n: number }): void {
  const dev = new CowDevice(freshVolume(512 * MIB));
  const open = (): Fs =>
    openRw(dev, { codecs, dirtyBytes: 4 * MIB, log: (l) => expect(l).to.match(/out of space: bulkfree gave back/) });
  let fs = open();
  const m = new Model(must(runSync(fs.mount('DATA'))), new Rng(0), 150_000);
  must(runSync(m.p.setcomp(1, comp, 0)) ?? 0);
  must(runSync(m.p.setcheck(1, check)) ?? 0);
  const remount = (): void => {
    for (const h of m.held.splice(0)) m.p.drop(h.inum);
    must(runSync(fs.close()) ?? 0);
    fs = open();
    m.p = must(runSync(fs.mount('DATA')));
    remounts.n++;
  };
  for (const [i, seed] of seeds.entries()) {
    m.rng.reseed(seed);
    m.step();
    if (seed % 7 === 0) fs.tree.evict(0); // whatever is clean may leave at any time
    if (i % 250 !== 249) continue;
    m.verify();
    remount();
    m.verify();
    if (i % 1000 === 999) expect(faults(dev)).to.deep.equal([]);
  }
  m.verify();
  remount();
  m.verify();
  expect(faults(dev)).to.deep.equal([]);
}

describe('hammer2 against a model (long)', function () {
  this.timeout(7_200_000);
  let total = 0;
  const remounts = { n: 0 };
  for (const comp of COMPS)
    for (const check of CHECKS)
      it(`does what the model does: compression ${compName(comp)}, check ${checkName(check)}`, () => {
        const want = TOTAL / (COMPS.length * CHECKS.length);
        let ops = 0;
        // Arrays of any length up to this: the shorter ones begin with an empty volume.
        const seeds = fc.array(fc.integer({ min: 0, max: 0x7fffffff }), { maxLength: 3000, size: 'max' });
        for (let round = 0; ops < want; round++)
          fc.assert(
            fc.property(seeds, (list) => {
              ops += list.length;
              run(comp, check, list, remounts);
            }),
            { numRuns: 5, seed: comp * 1000 + check * 100 + round, interruptAfterTimeLimit: 3_600_000 },
          );
        total += ops;
        console.log(`      (${total} operations, ${remounts.n} remounts so far)`);
      });
  it(`in ${TOTAL} operations and more`, () => {
    expect(total).to.be.at.least(TOTAL);
  });
});
