/** The test of corrupted volumes, short and long. */
import { expect } from 'chai';
import { check } from '../../tools/hammer2/check/check.js';
import { Dump } from '../../tools/hammer2/dump.js';
import { Patient, Rng, corrupt, exercise, targets } from './hammer2_corrupt.js';
import { FIXTURES, fixtureReader } from './hammer2_fixture.js';

/**
 * @param variants  of each fixture; odd ones with check codes made right again
 * @param blocks    data blocks read of each file
 */
export function corruptionTests(variants: number, blocks: number): void {
  for (const name of FIXTURES) {
    it(`${name}: ${variants} variants give an error, a refused mount or right data; nothing throws or hangs`, () => {
      const image = fixtureReader(name);
      const list = targets(image);
      const right = exercise(new Patient(image), new Rng(0), { blocks, write: false });
      let refused = 0;
      let different = 0;
      for (let seed = 1; seed <= variants; seed++) {
        const rng = new Rng(seed);
        const signed = seed % 2 === 1;
        const { p, what } = corrupt(image, list, rng, signed);
        const where = `seed ${seed} (${signed ? 'signed' : 'plain'}): ${what}`;
        try {
          const seen = exercise(p, rng, { blocks, write: false });
          if (seen.has('open')) refused++;
          if (!signed) {
            // The check codes tell: whatever was read is what was there, or an error.
            for (const [k, v] of seen) {
              if (v === right.get(k)) continue;
              different++;
              expect(v, `${where}: ${k}`).to.match(/^(EIO|EINVAL|ENXIO)$/);
            }
          }
          const r = check(p, { olderHeaders: true, maxFindings: 20 });
          // Plain damage of a block in use never passes.
          if (!signed) expect(r.clean, where).to.equal(false);
          if (seed % 5 === 0) {
            const what = seed % 3 === 0 ? 'freemap' : 'show';
            new Dump([p], { verbose: 1, quiet: false, out: () => {} }).run(what);
          }
          exercise(p, rng, { blocks: 1, write: true });
          if (seed % 5 === 1) check(p, { maxFindings: 20 });
        } catch (e) {
          throw new Error(where, { cause: e });
        }
      }
      // The test is one only if damage was met.
      expect(refused, 'refused').to.be.greaterThan(0);
      expect(different, 'different').to.be.greaterThan(variants / 10);
    });
  }
}
