import { expect } from 'chai';
import { cutEverywhere } from './matrix.js';

const FIRST = 1000;
const SEEDS = 200;
/** Seeds of one test: a failure names its seed, and the other groups still run. */
const GROUP = 10;

describe('HAMMER2 crash matrix, for long', function () {
  this.timeout(3_600_000);
  let cuts = 0;
  for (let g = FIRST; g < FIRST + SEEDS; g += GROUP)
    it(`loses nothing synced and invents nothing: seeds ${g} to ${g + GROUP - 1}`, () => {
      const failed: string[] = [];
      for (let seed = g; seed < g + GROUP; seed++) {
        try {
          cuts += cutEverywhere(seed, 100);
        } catch (e) {
          failed.push(e instanceof Error ? e.message : String(e));
        }
      }
      console.log(`    (${cuts} cuts so far)`);
      expect(failed).to.deep.equal([]);
    });
  it('at 100,000 power cuts and more', () => {
    expect(cuts).to.be.at.least(100_000);
  });
});
