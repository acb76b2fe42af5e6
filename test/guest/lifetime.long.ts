/**
 * Nothing outlives a kernel, however it ends: 100 boots in a row, 20 kernels killed.
 */
import { lifetime } from './support/lifetime.js';

describe('The lifetime of a kernel, for long', function () {
  this.timeout(1200000);
  lifetime(100, 20);
});
