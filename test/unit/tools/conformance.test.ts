import { expect } from 'chai';
import {
  better,
  count,
  emitTable,
  parseResults,
  parseTable,
  skipReason,
  worse,
} from '../../../tools/conformance/results.js';

const output = `=== RUN   TestA
--- PASS: TestA (0.00s)
=== RUN   TestB
    b_test.go:12: not here
--- SKIP: TestB (0.00s)
=== RUN   TestC
=== RUN   TestC/one
    c_test.go:3: wrong
--- FAIL: TestC (0.01s)
    --- FAIL: TestC/one (0.00s)
=== RUN   TestD
no newline--- PASS: TestD (0.00s)
`;

describe('conformance results', () => {
  const results = parseResults(output);
  const table = parseTable('# a comment\npkg\t(linux)\t4 0 0\npkg\tTestB\tskip\tnot here\npkg\tTestC\tfail\ta cause\n');
  it('are read from the output of go test -v', () => {
    expect(count(results)).to.deep.equal({ pass: 2, fail: 2, skip: 1 });
    expect(results.get('TestD')).to.equal('pass');
    expect(skipReason(output, 'TestB')).to.equal('not here');
  });
  it('are worse when a test fails, is skipped or has no turn against expectation', () => {
    const tests = ['TestA', 'TestB', 'TestC', 'TestD'];
    expect(worse(tests, results, table.get('pkg'))).to.deep.equal([]);
    expect(worse([...tests, 'TestE'], results, table.get('pkg'))).to.deep.equal(['TestE: pass/absent']);
    expect(worse(tests, results, undefined)).to.deep.equal(['TestB: pass/skip', 'TestC: pass/fail']);
    expect(worse(['TestB'], new Map([['TestB', 'fail']]), table.get('pkg'))).to.deep.equal(['TestB: skip/fail']);
  });
  it('are better when a test passes that the table does not expect to', () => {
    expect(better(new Map([['TestC', 'pass']]), table.get('pkg'))).to.deep.equal(['TestC']);
  });
  it('come back from the table as they went in', () => {
    expect(parseTable(emitTable(table))).to.deep.equal(table);
    expect(() => parseTable('pkg\tTestX\tmaybe\t')).to.throw(/bad line/);
  });
});
