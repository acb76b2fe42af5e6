/** Volumes made by DragonFly with random bytes changed; corrupt.long.ts has more of them. */
import { corruptionTests } from '../../../support/hammer2_corrupt_run.js';

describe('hammer2 corrupted volumes', function () {
  this.timeout(120_000);
  corruptionTests(150, 2);
});
