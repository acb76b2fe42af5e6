/** 10,000 corrupted volumes, read in full. */
import { corruptionTests } from '../../../support/hammer2_corrupt_run.js';

describe('hammer2 corrupted volumes (long)', function () {
  this.timeout(7_200_000);
  corruptionTests(5_000, 1_000);
});
