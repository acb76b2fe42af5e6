import { expect } from 'chai';
import { scale } from './scale_child.js';

describe('many processes', function () {
  this.timeout(60000);
  it('cost the same when there are twenty times as many (the long tests do it with a million)', () => {
    const r = scale(20000);
    expect(r.alive).to.equal(20000);
    // Looking at each process, group or child anywhere would make this 18; a busy host alone has made it 5.
    expect(r.forkNs[1] / r.forkNs[0], JSON.stringify(r)).to.be.lessThan(10);
  });
});
