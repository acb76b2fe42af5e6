/**
 * The guest's sh: the scripts of test/guest/sh run in the guest, all in one boot, and print what NAME.out says.
 */
import { expect } from 'chai';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { guestBatch, scratchDir, top } from './support/guest.js';

const cases = join(top, 'test/guest/sh');

describe("The guest's sh", function () {
  this.timeout(180000);
  const names = readdirSync(cases)
    .filter((f) => f.endsWith('.out'))
    .map((f) => f.slice(0, -4));
  let results: ReturnType<typeof guestBatch>;

  before(() => {
    results = guestBatch(
      scratchDir(),
      names.map((n) => [n, `exec /bin/sh ./${n}.sh`]),
      { cwd: cases },
    );
  });

  for (const name of names)
    it(`sh/${name}.sh`, () => {
      expect(results.get(name)?.output).to.equal(readFileSync(join(cases, `${name}.out`), 'latin1'));
    });
});
