/**
 * Go's own tests of standard library packages, built for DragonFly and run in the guest by
 * `go test -exec 'vkernel run'`, compared test by test with the same tests natively.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync, chmodSync } from 'node:fs';
import { join } from 'node:path';
import { scratchDir, top, vkernelBin } from './guest.js';

/** Result by test name: pass, fail, skip; '' is the package itself. */
export type Results = Map<string, string>;

/** The packages of the project's acceptance list; `...` patterns are expanded by the go command. */
export const acceptancePackages = (
  'errors sort strings bytes strconv math math/big math/rand sync sync/atomic container/... encoding/... ' +
  'compress/... hash/... text/... time bufio io context regexp unicode/...'
).split(' ');

/** Expand patterns to packages that have tests. */
export function expandPackages(patterns: string[]): string[] {
  const r = spawnSync('go', ['list', '-f', '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}', ...patterns], {
    encoding: 'utf8',
    env: { ...process.env, GOOS: 'dragonfly', GOARCH: 'amd64', CGO_ENABLED: '0', GO111MODULE: 'off' },
  });
  if (r.status !== 0) throw new Error(r.stderr);
  return r.stdout.split('\n').filter((l) => l !== '');
}

/** A command that stands in for an installed `vkernel`, for -exec. */
export function execWrapper(): string {
  const dir = scratchDir();
  const path = join(dir, 'vkernel');
  writeFileSync(path, `#!/bin/sh\nexec ${process.execPath} --max-semi-space-size=64 ${vkernelBin} "$@"\n`);
  chmodSync(path, 0o755);
  return path;
}

/** Run one package's tests, in the guest or natively. */
export function runPackage(pkg: string, guest: string | null, timeoutS = 600): { results: Results; output: string } {
  const env: NodeJS.ProcessEnv = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '', GO111MODULE: 'off' };
  const args = ['test', '-short', '-count=1', '-json', `-timeout=${timeoutS}s`];
  if (guest !== null) {
    env.GOOS = 'dragonfly';
    env.GOARCH = 'amd64';
    args.push('-exec', `${guest} run`);
  }
  args.push(pkg);
  const r = spawnSync('go', args, {
    encoding: 'utf8',
    env,
    cwd: top,
    timeout: (timeoutS + 120) * 1000,
    killSignal: 'SIGKILL',
    maxBuffer: 512 * 2 ** 20,
  });
  const results: Results = new Map();
  for (const line of r.stdout.split('\n')) {
    if (!line.startsWith('{')) continue;
    const m = JSON.parse(line) as { Action: string; Test?: string };
    // Some names hold addresses, which differ from run to run.
    const name = (m.Test ?? '').replace(/0xc[0-9a-f]{6,}/g, '0xc...');
    if (m.Action === 'pass' || m.Action === 'fail' || m.Action === 'skip') results.set(name, m.Action);
  }
  return { results, output: r.stdout.slice(-20000) + r.stderr };
}

/** Names whose result differs, as `name: host/guest`. */
export function differences(host: Results, guest: Results): string[] {
  const out: string[] = [];
  for (const name of new Set([...host.keys(), ...guest.keys()])) {
    const h = host.get(name) ?? 'absent';
    const g = guest.get(name) ?? 'absent';
    if (h !== g) out.push(`${name === '' ? '(package)' : name}: ${h}/${g}`);
  }
  return out.sort();
}
