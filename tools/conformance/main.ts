/**
 * `npm run conformance [-- [--update] [--no-host] [--list] [PACKAGE...]]`: Go's own operating-system tests, built for
 * DragonFly, in the guest and beside them on Linux.
 *
 * Exit status 1 when a test is worse than test/conformance/expected.tsv says. --update writes that table from this run;
 * --no-host takes Linux's numbers from it.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildTest, buildToolchain, GOCODE, top, type Toolchain } from './build.js';
import {
  better,
  count,
  emitTable,
  parseResults,
  parseTable,
  type Result,
  skipReason,
  type Table,
  worse,
} from './results.js';

const packages = (
  'os os/exec os/signal os/user syscall runtime runtime/debug runtime/pprof internal/poll path/filepath io/fs io/ioutil ' +
  'log embed testing archive/tar archive/zip net'
).split(' ');
/** In Debian package golang-golang-x-sys-dev. */
const optional = ['golang.org/x/sys/unix'];

const TIMEOUT_S = 600;
const tablePath = join(top, 'test/conformance/expected.tsv');

interface Ran {
  output: string;
  status: number | null;
}

function run(command: string, args: string[], cwd: string, env: NodeJS.ProcessEnv = {}): Ran {
  const r = spawnSync(command, args, {
    cwd,
    env: { ...process.env, ...env, PWD: cwd },
    // Nobody types: what stdin is must not depend on who calls.
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'latin1',
    timeout: (TIMEOUT_S + 60) * 1000,
    killSignal: 'SIGKILL',
    maxBuffer: 512 * 2 ** 20,
  });
  return { output: r.stdout + r.stderr, status: r.status };
}

/** Flags of `vkernel run` that show the guest its Go installation and the sources. */
function guestFlags(t: Toolchain): string[] {
  const path = `${t.goroot}/bin:/sbin:/bin:/usr/sbin:/usr/bin`;
  const env = [`PATH=${path}`, 'HOME=/root', 'GOCACHE=/tmp/gocache', 'GO111MODULE=off', 'CGO_ENABLED=0', 'GOFLAGS='];
  const flags = ['-m', '2g', '-n', '2', '--mount', t.share, '--mount', `${t.guestRoot}:${t.goroot}`];
  if (existsSync(GOCODE)) flags.push('--mount', GOCODE);
  return [...flags, ...env.flatMap((e) => ['--env', e])];
}

const testFlags = ['-test.v', '-test.short', `-test.timeout=${TIMEOUT_S}s`];

function runGuest(t: Toolchain, pkg: string, flags: string[]): Ran {
  const { binary, dir } = buildTest(pkg, 'guest');
  const vkernel = ['--max-semi-space-size=64', join(top, 'dist/tools/vkernel.js'), 'run'];
  return run(process.execPath, [...vkernel, ...guestFlags(t), binary, ...flags], dir);
}

/**
 * The tests of one binary. A test that panics ends the run: those that did not get their turn are run again without it.
 */
function runTests(t: Toolchain, pkg: string, tests: readonly string[]): Ran & { results: Map<string, Result> } {
  let { output, status } = runGuest(t, pkg, testFlags);
  const results = parseResults(output);
  for (let round = 0; round < 8; round++) {
    const left = tests.filter((test) => !results.has(test));
    if (left.length === 0) break;
    const died = [...output.matchAll(/=== RUN\s+(\w+)$/gm)].at(-1)?.[1];
    const next = left.filter((test) => test !== died);
    if (next.length === 0) break;
    const again = runGuest(t, pkg, [...testFlags, '-test.run', `^(${next.join('|')})$`]);
    output += again.output;
    status ||= again.status;
    const more = parseResults(again.output);
    if (more.size === 0) break;
    for (const [test, result] of more) results.set(test, result);
  }
  return { output, status, results };
}

function runHost(pkg: string): Ran {
  const { binary, dir } = buildTest(pkg, 'host');
  const tmp = mkdtempSync(join(tmpdir(), 'conformance-'));
  // Some tests run a child as another user.
  chmodSync(tmp, 0o755);
  try {
    return run(binary, testFlags, dir, { TMPDIR: tmp, GO111MODULE: 'off', CGO_ENABLED: '0' });
  } finally {
    rmSync(tmp, { recursive: true, force: true });
  }
}

const say = (s: string): void => void process.stdout.write(s + '\n');

function row(pkg: string, ...cells: (number | string)[]): string {
  return pkg.padEnd(24) + cells.map((c) => String(c).padStart(8)).join('');
}

/** One package: its line and what is worse. The table is changed in place when it is to be updated. */
function conform(t: Toolchain, pkg: string, table: Table, update: boolean, host: boolean): string[] {
  const listed = runGuest(t, pkg, ['-test.list', '.*']).output.split('\n');
  const tests = listed.filter((l) => /^(Test|Example|Fuzz)\w*$/.test(l));
  const expected = table.get(pkg);
  let guest = runTests(t, pkg, tests);
  const { results } = guest;
  // A run with failures that are known ends badly every time.
  const excused = [...(expected?.known.values() ?? [])].some((k) => k.result !== 'skip');
  if (!update && ((guest.status !== 0 && !excused) || worse(tests, results, expected).length > 0)) {
    // Tests that depend on time may fail on a busy host: a second run decides.
    guest = runTests(t, pkg, tests);
    for (const [test, result] of guest.results) if (result === 'pass') results.set(test, result);
  }
  const native = host ? runHost(pkg).output : '';
  for (const m of native.matchAll(/--- FAIL: (\S+)/g)) say(`  fails on Linux: ${m[1]}`);
  const linux = host ? count(parseResults(native)) : (expected?.linux ?? { pass: 0, fail: 0, skip: 0 });
  const c = count(results);
  say(row(pkg, c.pass, c.fail, c.skip, linux.pass, linux.fail, linux.skip));
  const bad = worse(tests, results, expected);
  // A run that ends badly though every test passed, and one that runs nothing.
  if (guest.status !== 0 && bad.length === 0 && !excused) bad.push(`(package): pass/status ${guest.status}`);
  if (tests.length === 0 && pkg !== 'embed') bad.push('(package): no tests listed');
  for (const test of better(results, expected)) say(`  passes now: ${test}`);
  if (update) {
    const known: Table extends Map<string, infer E> ? E : never = { linux, known: new Map() };
    for (const test of tests) {
      const result = results.get(test) ?? 'absent';
      if (result === 'pass') continue;
      const cause =
        result === 'skip' ? skipReason(guest.output, test) : (expected?.known.get(test)?.cause ?? 'not looked at yet');
      known.known.set(test, { result, cause });
    }
    table.set(pkg, known);
  } else for (const b of bad) say(`  WORSE: ${b}`);
  if (bad.length > 0) writeFileSync(join(top, 'build/conformance', `${pkg.replaceAll('/', '_')}.log`), guest.output);
  return bad.map((b) => `${pkg} ${b}`);
}

function main(argv: string[]): number {
  const flags = new Set(argv.filter((a) => a.startsWith('--')));
  const chosen = argv.filter((a) => !a.startsWith('--'));
  for (const f of flags)
    if (f !== '--update' && f !== '--no-host') {
      process.stderr.write(`unknown flag '${f}'\nusage: conformance [--update] [--no-host] [PACKAGE...]\n`);
      return 64;
    }
  if (spawnSync('go', ['version']).status !== 0) {
    process.stderr.write('conformance: needs the go command (Debian package golang-go)\n');
    return 69;
  }
  const here = optional.filter((p) => existsSync(join(GOCODE, 'src', p)));
  for (const p of optional) if (!here.includes(p)) say(`${p}: not installed (golang-golang-x-sys-dev), left out`);
  const table = existsSync(tablePath) ? parseTable(readFileSync(tablePath, 'utf8')) : new Map();
  const t = buildToolchain();
  say(`Go's tests (${t.version}, short) in the guest and on Linux: passed, failed, skipped by the test itself`);
  say(row('', 'guest', '', '', 'Linux', '', ''));
  say(row('package', 'pass', 'fail', 'skip', 'pass', 'fail', 'skip'));
  const update = flags.has('--update');
  const bad: string[] = [];
  for (const pkg of chosen.length > 0 ? chosen : [...packages, ...here])
    bad.push(...conform(t, pkg, table, update, !flags.has('--no-host')));
  if (update) writeFileSync(tablePath, emitTable(table));
  if (bad.length === 0 || update) return 0;
  say(`${bad.length} worse than expected (logs are in build/conformance):\n${bad.map((b) => `  ${b}`).join('\n')}`);
  return 1;
}

process.exitCode = main(process.argv.slice(2));
