import { suites } from '../support/fuse_suites.js';

describe("Linux's own suites on a mounted image", function () {
  this.timeout(1_200_000);
  suites(true);
});
