import { expect } from 'chai';
import { bootWorkload } from './workload.js';

describe('determinism', function () {
  this.timeout(120_000);

  it('the same seed gives the same event log, byte for byte, 100 times of 100', () => {
    const first = bootWorkload(1);
    expect(first.run()).to.deep.equal({ kind: 'halt' });
    expect(first.vmCheck()).to.deep.equal([]);
    const log = first.log();
    expect(log.length).to.be.greaterThan(20_000);
    for (let i = 2; i <= 100; i++) {
      const k = bootWorkload(1);
      k.run();
      expect(k.log() === log, `run ${i}`).to.equal(true);
      expect(k.messages()).to.equal(first.messages());
    }
  });

  it('two kernels that take turns do not disturb each other', () => {
    const alone = bootWorkload(4);
    alone.run();
    const a = bootWorkload(4);
    const b = bootWorkload(5);
    for (let i = 0; i < 200 && (a.sim.stopCode === null || b.sim.stopCode === null); i++) {
      a.sim.advance(0.5e6);
      b.sim.advance(0.7e6);
    }
    expect([a.sim.stopCode, b.sim.stopCode]).to.deep.equal([{ kind: 'halt' }, { kind: 'halt' }]);
    expect(a.messages()).to.equal(alone.messages());
  });

  it('another seed gives another order of events, and the same outcome', () => {
    const logs = new Set<string>();
    for (let seed = 10; seed < 20; seed++) {
      const k = bootWorkload(seed);
      expect(k.run(), `seed ${seed}`).to.deep.equal({ kind: 'halt' });
      expect(k.vmCheck(), `seed ${seed}`).to.deep.equal([]);
      logs.add(k.log());
      expect(k.sim.console.output).to.include('typed line\r\n');
      expect(k.messages()).to.include('acct) is not implemented');
      expect(k.messages()).to.match(/exited on signal 11/);
    }
    expect(logs.size).to.equal(10);
  });
});
