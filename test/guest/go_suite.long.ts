/**
 * All packages of the acceptance list. What differs from Linux is in docs/go-tests.md, by name with its cause, and here.
 */
import { expect } from 'chai';
import { haveGo } from './support/guest.js';
import { acceptancePackages, differences, execWrapper, expandPackages, runPackage } from './support/go_suite.js';

/** Known differences (docs/go-tests.md), as `package test: host/guest`. */
const known = new Set<string>([]);

describe("Go's own tests in the guest", function () {
  this.timeout(1800000);
  if (!haveGo()) {
    it('needs the go command (Debian package golang-go)', function () {
      console.log('    (skipped: no go command)');
      this.skip();
    });
    return;
  }
  const wrapper = execWrapper();
  for (const pkg of expandPackages(acceptancePackages))
    it(pkg, () => {
      const guest = runPackage(pkg, wrapper);
      const host = runPackage(pkg, null);
      const d = differences(host.results, guest.results).filter((x) => !known.has(`${pkg} ${x}`));
      expect(d, guest.output).to.deep.equal([]);
      expect(guest.results.size).to.be.greaterThan(0);
    });
});
