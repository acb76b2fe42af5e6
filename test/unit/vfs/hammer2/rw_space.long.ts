/** Twenty rounds of filling to ENOSPC and emptying, with 64 KiB files and with tiny ones. */
import { expect } from 'chai';
import { fillAndEmpty } from '../../../support/hammer2_fill.js';

const MIB = 1024 * 1024;

describe('hammer2 space (long)', function () {
  this.timeout(3_600_000);
  for (const [what, size, volumeBytes] of [
    ['64 KiB files', 65536, 256 * MIB],
    ['tiny files', 300, 64 * MIB],
  ] as const)
    for (const snapshots of [false, true])
      it(`20 rounds with ${what}${snapshots ? ', held by snapshots' : ''}`, () => {
        const rounds = fillAndEmpty({ size, rounds: 20, volumeBytes, snapshots });
        console.log(`      files a round: ${rounds.join(' ')}`);
        for (const n of rounds) expect(n, rounds.join()).to.be.greaterThan(rounds[0] * 0.85);
      });
});
