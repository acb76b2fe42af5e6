import { suites } from '../support/fuse_suites.js';

describe("Linux's own suites on a mounted image, small", function () {
  this.timeout(120_000);
  suites(false);
});
