import { expect } from 'chai';
import { cutEverywhere } from './matrix.js';

describe('HAMMER2 crash matrix, for long', function () {
  this.timeout(3_600_000);
  it('loses nothing synced and invents nothing at 100,000 power cuts over 200 seeds', () => {
    let cuts = 0;
    for (let seed = 1000; seed < 1200 || cuts < 100_000; seed++) cuts += cutEverywhere(seed, 100);
    console.log(`    (${cuts} cuts)`);
    expect(cuts).to.be.at.least(100_000);
  });
});
