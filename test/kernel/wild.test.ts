import { expect } from 'chai';
import { bootWild } from './wild.js';

describe('hostile system calls', function () {
  this.timeout(120_000);

  it('neither crash the kernel nor lose memory or processes', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const k = bootWild(seed, 6, 60);
      expect(k.run(), `seed ${seed}`).to.deep.equal({ kind: 'halt' });
      expect(k.vmCheck(), `seed ${seed}`).to.deep.equal([]);
      expect(k.gd.allproc.size, `seed ${seed}`).to.equal(1);
      expect(k.sim.lwps.size, `seed ${seed}`).to.equal(1);
    }
  });
  it('of IPC, tracing, jails and terminals do no harm either', () => {
    const only =
      /^(shm|sem|msg|mq_|__sem|ptrace|ktrace|utrace|procctl|jail|kenv|varsym|sched_|fexecve|setsid|setpgid|kev)/;
    for (let seed = 1; seed <= 40; seed++) {
      const k = bootWild(seed, 6, 80, only);
      expect(k.run(), `seed ${seed}`).to.deep.equal({ kind: 'halt' });
      expect(k.vmCheck(), `seed ${seed}`).to.deep.equal([]);
      expect(k.gd.allproc.size, `seed ${seed}`).to.equal(1);
      expect(k.sim.lwps.size, `seed ${seed}`).to.equal(1);
    }
  });
});
