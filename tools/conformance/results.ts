/**
 * Results of a package's tests, and the table of what is expected.
 *
 * The table (test/conformance/expected.tsv) has a line for each test that is not expected to pass in the guest, with its
 * cause, and a line a package with the numbers of passed, failed and skipped tests on Linux. A test of the binary that is
 * not in the table must run and pass.
 */

export type Result = 'pass' | 'fail' | 'skip';

/** Result by name of each test and subtest that ended. */
export function parseResults(output: string): Map<string, Result> {
  const results = new Map<string, Result>();
  // What a test prints without a newline stands before the mark.
  for (const m of output.matchAll(/--- (PASS|FAIL|SKIP): (\S+) \(\d/g)) results.set(m[2], m[1].toLowerCase() as Result);
  return results;
}

export interface Counts {
  pass: number;
  fail: number;
  skip: number;
}

export function count(results: Map<string, Result>): Counts {
  const c: Counts = { pass: 0, fail: 0, skip: 0 };
  for (const r of results.values()) c[r]++;
  return c;
}

/** Why a test was skipped: the line its Skip printed. */
export function skipReason(output: string, test: string): string {
  const at = output.indexOf(`--- SKIP: ${test} (`);
  const before = output.slice(0, at).trimEnd().split('\n');
  const said = /^\s+\S+_test\.go:\d+: (.*)$|^\s+\S+\.go:\d+: (.*)$/;
  const after = output.slice(at).split('\n')[1] ?? '';
  const m = said.exec(before.at(-1) ?? '') ?? said.exec(after);
  return m === null ? 'says nothing' : (m[1] ?? m[2]).replaceAll('\t', ' ');
}

export interface Known {
  result: 'fail' | 'skip' | 'absent';
  cause: string;
}

export interface Expected {
  /** Linux's numbers, for the comparison when the tests are not run there. */
  linux: Counts;
  /** Tests that do not pass. */
  known: Map<string, Known>;
}

export type Table = Map<string, Expected>;

const LINUX = '(linux)';

export function parseTable(text: string): Table {
  const table: Table = new Map();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const [pkg, test, result, cause] = line.split('\t');
    let e = table.get(pkg);
    if (e === undefined) {
      e = { linux: { pass: 0, fail: 0, skip: 0 }, known: new Map() };
      table.set(pkg, e);
    }
    if (test === LINUX) {
      const [pass, fail, skip] = result.split(' ').map(Number);
      e.linux = { pass, fail, skip };
    } else if (result === 'fail' || result === 'skip' || result === 'absent') e.known.set(test, { result, cause });
    else throw new Error(`bad line in the table of expected results: ${line}`);
  }
  return table;
}

export function emitTable(table: Table): string {
  const lines = [
    '# package, test, result in the guest, cause. Made by npm run conformance -- --update; causes of failures by hand.',
  ];
  for (const [pkg, e] of table) {
    lines.push(`${pkg}\t${LINUX}\t${e.linux.pass} ${e.linux.fail} ${e.linux.skip}`);
    for (const [test, k] of [...e.known].sort(([a], [b]) => (a < b ? -1 : 1)))
      lines.push(`${pkg}\t${test}\t${k.result}\t${k.cause}`);
  }
  return lines.join('\n') + '\n';
}

/** What is worse than expected, as `test: expected/found`; `tests` are the names the binary lists. */
export function worse(tests: readonly string[], results: Map<string, Result>, e: Expected | undefined): string[] {
  const out: string[] = [];
  for (const test of tests) {
    const found = results.get(test) ?? 'absent';
    const want = e?.known.get(test)?.result ?? 'pass';
    if (found !== 'pass' && found !== want) out.push(`${test}: ${want}/${found}`);
  }
  return out;
}

/** Tests that pass although the table says that they do not. */
export const better = (results: Map<string, Result>, e: Expected | undefined): string[] =>
  [...(e?.known ?? [])].filter(([test]) => results.get(test) === 'pass').map(([test]) => test);
