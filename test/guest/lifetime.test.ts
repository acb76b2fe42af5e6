/**
 * Nothing outlives a kernel, however it ends. `npm run test:long` repeats it more often.
 */
import { lifetime } from './support/lifetime.js';

describe('The lifetime of a kernel', function () {
  this.timeout(120000);
  lifetime(5, 4);
});
