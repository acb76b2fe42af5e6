/**
 * Hostile guests, the short run. What the programs do is said in run.ts.
 */
import { hostile, programs } from './run.js';

describe('Hostile guests', function () {
  this.timeout(300000);
  hostile(programs, 240000);
});
