/**
 * The guest's libc and the system calls below it: self-checking C programs of test/guest/libc, compiled against it.
 */
import { expect } from 'chai';
import { guestBatch, ccTest, scratchDir } from './support/guest.js';

describe("The guest's libc", function () {
  this.timeout(120000);
  const checked = ['abi', 'memory', 'sys', 'text', 'thread'];
  let results: ReturnType<typeof guestBatch>;

  before(() => {
    const dir = scratchDir();
    for (const n of [...checked, 'hello']) ccTest(dir, `libc/${n}`);
    results = guestBatch(dir, [...checked.map((n) => [n, `exec ./${n}`] as const), ['hello', 'exec ./hello you']], {
      both: true,
      flags: ['-n', '2'],
    });
  });

  for (const name of checked)
    it(`libc/${name}.c`, () => {
      const r = results.get(name);
      expect(r?.output).not.to.match(/^not ok/m);
      expect(r?.output).to.match(/^1\.\.[1-9]\d*$/m);
      expect(r?.status).to.equal(0);
    });

  it('libc/hello.c', () => {
    expect(results.get('hello')).to.deep.equal({ output: 'hello, world (2 arguments, I am ./hello)\n', status: 0 });
  });
});
