import { expect } from 'chai';
import { cutEverywhere } from './matrix.js';

describe('HAMMER2 crash matrix', function () {
  this.timeout(300_000);
  it('loses nothing synced and invents nothing at 5,000 power cuts', () => {
    let cuts = 0;
    for (let seed = 1; cuts < 5000; seed++) cuts += cutEverywhere(seed, 40);
    expect(cuts).to.be.at.least(5000);
  });
});
