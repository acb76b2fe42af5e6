/**
 * All packages of the acceptance list. What differs from Linux is in docs/go-tests.md, by name with its cause, and here.
 */
import { expect } from 'chai';
import { haveGo } from './support/guest.js';
import { acceptancePackages, differences, execWrapper, expandPackages, runPackage } from './support/go_suite.js';

/** Known differences, each with its cause in docs/go-tests.md: `package test: host/guest`. */
const known: readonly RegExp[] = [
  /^bytes Test\w+NearPageBoundary: pass\/absent$/, // built for Linux only
  /^sync\/atomic TestStoreLoad\w+: pass\/skip$/, // skipped with one CPU
  // No sockets yet: httptest panics, which ends the package's run.
  /^encoding\/json (\(package\)|TestHTTPDecoding): pass\/fail$/,
  /^encoding\/json \S+: (pass|skip)\/absent$/,
  /^compress\/gzip (\(package\)|Example_compressingReader): pass\/fail$/,
  /^compress\/gzip \S+: (pass|skip)\/absent$/,
];

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
      const d = differences(host.results, guest.results).filter((x) => !known.some((k) => k.test(`${pkg} ${x}`)));
      expect(d, guest.output).to.deep.equal([]);
      expect(guest.results.size).to.be.greaterThan(0);
    });
});
