import { expect } from 'chai';
import { bootWorkload } from './workload.js';

describe('the mixed workload', () => {
  it('ends well under 1,000 seeds, twice the same each', () => {
    for (let seed = 1000; seed < 2000; seed++) {
      const logs: string[] = [];
      for (let i = 0; i < 2; i++) {
        const k = bootWorkload(seed);
        expect(k.run(), `seed ${seed}`).to.deep.equal({ kind: 'halt' });
        expect(k.vmCheck(), `seed ${seed}`).to.deep.equal([]);
        logs.push(k.log());
      }
      expect(logs[0] === logs[1], `seed ${seed}`).to.equal(true);
    }
  });
});
