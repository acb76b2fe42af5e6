import { expect } from 'chai';
import { bootWild } from './wild.js';

describe('hostile system calls', () => {
  it('do no harm under 2,000 seeds', () => {
    for (let seed = 100; seed < 2100; seed++) {
      const k = bootWild(seed, 8, 300);
      expect(k.run(), `seed ${seed}`).to.deep.equal({ kind: 'halt' });
      expect(k.vmCheck(), `seed ${seed}`).to.deep.equal([]);
      expect(k.gd.allproc.size, `seed ${seed}`).to.equal(1);
      expect(k.sim.lwps.size, `seed ${seed}`).to.equal(1);
    }
  });
});
