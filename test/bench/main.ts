/**
 * npm run bench [-- [-r ROUNDS] [NAME...]] (or -- hammer2: see hammer2.ts): the same programs on the host and in the guest, in the same run.
 *
 * micro.c (by the host's gcc, and by the base system's dfly-cc) and gobench.go run in turn natively and by `vkernel
 * run`, some rounds each; the best of each counts. The table shows guest/host beside the goal and the rivals'
 * ratios (lines.ts). Launch, idleness and the kernel's threads are measured from outside and have absolute goals.
 *
 * Nothing fails here because of the time it took: the mark says ok (goal reached), near (within twice the goal), MISS,
 * or BEHIND (slower than gVisor or User-mode Linux, which is worse than any miss).
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { golang, type Line, micro, whole } from './lines.js';
import { lwktFigures } from './lwkt.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const source = join(root, 'test', 'bench');
const vkernel = join(root, 'dist', 'tools', 'vkernel.js');
const dflycc = join(root, 'build', 'Release', 'base', 'dfly-cc');
const nodeFlags = ['--max-semi-space-size=64'];

const work = mkdtempSync(join(tmpdir(), 'vkernel-bench-'));
const at = (name: string): string => join(work, name);
const has = (program: string): boolean => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;

type Figures = Map<string, number>;

/** Keep the better figure: rates are better when higher. */
function keep(into: Figures, key: string, value: number, higher: boolean): void {
  const old = into.get(key);
  if (old === undefined || (higher ? value > old : value < old)) into.set(key, value);
}

const lineOf = new Map([...micro, ...golang, ...whole].map((l) => [l.key, l]));

/** Run a program that prints "NAME FIGURE" lines. */
function collect(into: Figures, cmd: string, args: string[]): void {
  // Files of the host's own run go to memory, as the guest's do.
  const env = { ...process.env, MICRO_DIR: existsSync('/dev/shm') ? '/dev/shm' : tmpdir() };
  const r = spawnSync(cmd, args, { encoding: 'utf8', timeout: 300_000, env, cwd: work });
  if (r.status !== 0) console.error(`${cmd} ${args.join(' ')}: ${r.status ?? r.signal}: ${r.stderr}`);
  for (const l of (r.stdout ?? '').split('\n')) {
    const m = /^(\w+) ([\d.]+)$/.exec(l);
    if (m !== null) keep(into, m[1], Number(m[2]), lineOf.get(m[1])?.unit === 'rate');
  }
}

const guest = (into: Figures, program: string, args: string[]): void =>
  collect(into, process.execPath, [...nodeFlags, vkernel, 'run', program, ...args]);

function build(): void {
  const cc = (args: string[]): void => void execFileSync('gcc', ['-O2', '-static', ...args], { stdio: 'inherit' });
  cc(['-o', at('micro.host'), join(source, 'micro.c')]);
  cc(['-o', at('launch'), join(source, 'launch.c')]);
  execFileSync(dflycc, ['-o', at('micro.guest'), join(source, 'micro.c')], { stdio: 'inherit' });
  writeFileSync(at('hello.c'), '#include <stdio.h>\nint main(void) { puts("hello, world"); return 0; }\n');
  execFileSync(dflycc, ['-o', at('hello'), at('hello.c')], { stdio: 'inherit' });
  if (!has('go')) return;
  const go = (out: string, env: NodeJS.ProcessEnv): void =>
    void execFileSync('go', ['build', '-o', at(out), join(source, 'gobench.go')], {
      stdio: 'inherit',
      cwd: work,
      env: { ...process.env, CGO_ENABLED: '0', ...env },
    });
  go('gobench.host', {});
  go('gobench.guest', { GOOS: 'dragonfly', GOARCH: 'amd64' });
}

/** Seconds from starting a command on a terminal until `text` appears there ('' until it ends), or NaN. */
function launch(text: string, cmd: string[]): number {
  const r = spawnSync(at('launch'), [text, ...cmd], { encoding: 'utf8', timeout: 30_000, input: '', cwd: work });
  if (r.status !== 0) {
    console.error(`launch ${cmd.join(' ')}: ${r.status ?? r.signal}: ${r.stderr}`);
    return NaN;
  }
  return Number(r.stdout.split(' ')[0]) / 1e9;
}

/** A process and all its descendants. */
function family(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const d of readdirSync('/proc')) {
    if (!/^\d+$/.test(d)) continue;
    try {
      const s = readFileSync(`/proc/${d}/stat`, 'latin1');
      parents.set(Number(d), Number(s.slice(s.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // It has just ended.
    }
  }
  const found = [pid];
  for (let i = 0; i < found.length; i++) for (const [p, pp] of parents) if (pp === found[i]) found.push(p);
  return found;
}

/** CPU time of processes, in ticks of 10 ms. */
function ticks(pids: number[]): number {
  let sum = 0;
  for (const p of pids) {
    try {
      const s = readFileSync(`/proc/${p}/stat`, 'latin1');
      const f = s.slice(s.lastIndexOf(')') + 2).split(' ');
      sum += Number(f[11]) + Number(f[12]);
    } catch {
      // It has ended.
    }
  }
  return sum;
}

/** Memory of processes in MB, shared pages counted once (PSS). */
function memory(pids: number[]): number {
  let kb = 0;
  for (const p of pids) {
    try {
      kb += Number(/^Pss: +(\d+)/m.exec(readFileSync(`/proc/${p}/smaps_rollup`, 'latin1'))?.[1] ?? 0);
    } catch {
      // It has ended, or is not ours to see.
    }
  }
  return kb / 1024;
}

const sleep = (ms: number): Promise<void> => new Promise((r) => setTimeout(r, ms));
const PROMPT = '# ';
const IDLE_MS = 5000;

/** CPU and memory of a guest that waits at its prompt. */
async function idle(into: Figures): Promise<void> {
  const p = spawn(at('launch'), [PROMPT, process.execPath, ...nodeFlags, vkernel], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const first = await new Promise<string>((resolve) => {
    p.stdout.once('data', (d: Buffer) => resolve(d.toString()));
    p.once('exit', () => resolve(''));
  });
  const pid = Number(first.split(' ')[1]);
  if (pid > 0) {
    await sleep(2000);
    const pids = family(pid);
    const t0 = performance.now();
    const before = ticks(pids);
    await sleep(IDLE_MS);
    into.set('idle_cpu', ((ticks(pids) - before) * 10 * 100) / (performance.now() - t0));
    into.set('idle_mb', memory(pids));
  }
  p.stdin.end();
  await new Promise((r) => (p.exitCode !== null ? r(0) : p.once('exit', r)));
}

const num = (v: number): string =>
  v >= 100 ? Math.round(v).toLocaleString('en-US') : v >= 10 ? v.toFixed(1) : v.toFixed(2);
const times = (v: number | null): string => (v === null ? '-' : num(v));

/** ok, near, MISS or BEHIND by a figure where less is better. */
function mark(l: Line, v: number): string {
  if (l.gvisor !== null && v > l.gvisor && (l.goal === null || v > l.goal)) return 'BEHIND gVisor';
  if (l.uml !== null && v > l.uml && (l.goal === null || v > l.goal)) return 'BEHIND UML';
  if (l.goal === null) return '';
  // Nobody reads a clock to better than some hundredths.
  return v <= l.goal * 1.05 ? 'ok' : v <= l.goal * 2 ? 'near' : 'MISS';
}

const head = ['benchmark', 'host', 'guest', 'ratio', 'goal', 'gVisor', 'UML', ''];
function print(rows: string[][]): void {
  const all = [head, ...rows];
  const w = head.map((_, i) => Math.max(...all.map((r) => r[i].length)));
  for (const r of all)
    console.log(r.map((c, i) => (i === 0 || i === 7 ? c.padEnd(w[i]) : c.padStart(w[i]))).join('  '));
}

function relative(l: Line, host: Figures, inGuest: Figures): string[] {
  const h = host.get(l.key);
  const g = inGuest.get(l.key);
  if (h === undefined || g === undefined) return [l.name, '-', '-', '-', times(l.goal), '-', '-', 'no figure'];
  const ratio = l.unit === 'rate' ? h / g : g / h;
  return [l.name, num(h), num(g), num(ratio), times(l.goal), times(l.gvisor), times(l.uml), mark(l, ratio)];
}

function absolute(l: Line, host: number | undefined, f: Figures): string[] {
  const v = f.get(l.key);
  if (v === undefined || Number.isNaN(v)) return [l.name, '-', '-', '-', times(l.goal), '-', '-', 'no figure'];
  return [
    l.name,
    host === undefined ? '-' : num(host),
    num(v),
    host === undefined ? '-' : num(v / host),
    times(l.goal),
    times(l.gvisor),
    times(l.uml),
    mark(l, v),
  ];
}

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  let rounds = 3;
  if (args[0] === '-r') rounds = Number(args.splice(0, 2)[1]);
  const wanted = (l: Line): boolean => args.length === 0 || args.includes(l.key);
  build();
  console.log(
    `${cpus().length} x ${cpus()[0].model}, Node ${process.version}, best of ${rounds} rounds; times in ns, rates in MB/s`,
  );
  if (!has('go')) console.log('Go is not installed: its lines are left out');
  console.log('gVisor and UML: ratios as measured on the reference machine; neither is run here');

  const host: Figures = new Map();
  const inGuest: Figures = new Map();
  for (let i = 0; i < rounds; i++) {
    for (const l of micro.filter(wanted)) {
      collect(host, at('micro.host'), [l.key]);
      guest(inGuest, at('micro.guest'), [l.key]);
    }
    if (has('go') && golang.some(wanted)) {
      collect(host, at('gobench.host'), []);
      guest(inGuest, at('gobench.guest'), []);
    }
  }
  const rows = [...micro, ...(has('go') ? golang : [])].filter(wanted).map((l) => relative(l, host, inGuest));

  const f: Figures = new Map();
  let node = Infinity;
  if (whole.some(wanted)) {
    for (let i = 0; i < rounds + 2; i++) {
      node = Math.min(node, launch('', [process.execPath, '-e', '0']));
      keep(f, 'hello', launch('', [process.execPath, ...nodeFlags, vkernel, 'run', at('hello')]), false);
      keep(f, 'boot', launch(PROMPT, [process.execPath, ...nodeFlags, vkernel]), false);
    }
    await idle(f);
    for (const [k, v] of lwktFigures()) f.set(k, v);
  }
  for (const l of whole.filter(wanted)) rows.push(absolute(l, l.unit === 's' ? node : undefined, f));
  print(rows);
  if (whole.some(wanted)) console.log('host figure of the launches: node alone');
}

try {
  if (process.argv[2] === 'hammer2') await (await import('./hammer2.js')).hammer2Bench(process.argv.slice(3));
  else await main();
} finally {
  rmSync(work, { recursive: true, force: true });
}
