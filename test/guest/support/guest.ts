/**
 * Running the real vkernel command from tests: programs by `vkernel run`, and whole boots on a pseudo-terminal.
 */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** The top of the checkout; tests run from dist/test/guest/support. */
export const top = fileURLToPath(new URL('../../../../', import.meta.url));
export const vkernelBin = join(top, 'dist/tools/vkernel.js');
export const nodeFlags = ['--max-semi-space-size=64'];

export interface RunResult {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** `vkernel ARGS...` to its end. Output is latin1 text. */
export function vkernel(args: string[], options: { input?: string; cwd?: string; timeoutMs?: number } = {}): RunResult {
  const r = spawnSync(process.execPath, [...nodeFlags, vkernelBin, ...args], {
    input: options.input ?? '',
    cwd: options.cwd ?? top,
    encoding: 'latin1',
    timeout: options.timeoutMs ?? 60000,
    killSignal: 'SIGKILL',
    maxBuffer: 64 * 2 ** 20,
  });
  return { status: r.status, stdout: r.stdout, stderr: r.stderr };
}

const scratch: string[] = [];
process.on('exit', () => {
  for (const d of scratch) rmSync(d, { recursive: true, force: true });
});

/** A directory for a test's files, below the host's temporary directory; it goes when the tests end. */
export function scratchDir(): string {
  const d = mkdtempSync(join(tmpdir(), 'vkernel-test-'));
  scratch.push(d);
  return d;
}

/** Is there a Go tool chain? Go tests say so and are skipped without one; CI has it. */
export const haveGo = (): boolean => spawnSync('go', ['version']).status === 0;

/** Cross-compile one Go source text for DragonFly. @returns the program's path. */
export function goBuild(dir: string, name: string, source: string): string {
  const src = join(dir, `${name}.go`);
  const out = join(dir, name);
  writeFileSync(src, source);
  const r = spawnSync('go', ['build', '-o', out, src], {
    cwd: dir,
    encoding: 'utf8',
    env: { ...process.env, GOOS: 'dragonfly', GOARCH: 'amd64', CGO_ENABLED: '0', GO111MODULE: 'off' },
  });
  if (r.status !== 0) throw new Error(`go build: ${r.stderr}`);
  return out;
}

/** Where node-gyp has put the base system. */
const baseDir = join(top, 'build/Release/base');

/** Build a C program against the base system's own libc. @returns the program's path. */
export function ccGuest(dir: string, name: string, source: string, flags: string[] = []): string {
  const src = join(dir, `${name}.c`);
  const out = join(dir, name);
  writeFileSync(src, source);
  const r = spawnSync(join(baseDir, 'dfly-cc'), [...flags, '-o', out, src], { encoding: 'utf8' });
  if (r.status !== 0 || !existsSync(out)) throw new Error(`cc: ${r.stderr}${String(r.error ?? '')}`);
  return out;
}

/** Build a C program of test/guest, e.g. `libc/abi`. @returns the program's path. */
export function ccTest(dir: string, source: string): string {
  const out = join(dir, source.replace(/.*\//, ''));
  const r = spawnSync(
    join(baseDir, 'dfly-cc'),
    ['-Wall', '-Wextra', '-o', out, join(top, 'test/guest', `${source}.c`)],
    {
      encoding: 'utf8',
    },
  );
  if (r.status !== 0) throw new Error(`cc: ${r.stderr}${String(r.error ?? '')}`);
  return out;
}

/** The guest's sh as a host file: the crunched binary goes by the name it is called. */
export function guestSh(dir: string): string {
  const sh = join(dir, 'sh');
  if (!existsSync(sh)) copyFileSync(join(baseDir, 'base'), sh);
  return sh;
}

/**
 * Run many guest commands in one boot. Each piece of `commands` is a name and a line of shell; a subshell of its own
 * runs it in `cwd`, with no input.
 *
 * @returns what each printed (stderr too if `both`) and its exit status, by name
 */
export function guestBatch(
  dir: string,
  commands: readonly (readonly [name: string, line: string])[],
  options: { cwd?: string; both?: boolean; flags?: string[]; timeoutMs?: number } = {},
): Map<string, { output: string; status: number }> {
  const script = join(dir, 'batch.sh');
  const err = options.both === true ? '2>&1' : '2>/dev/null';
  let text = '';
  for (const [name, line] of commands) text += `echo "@@ ${name}"\n( ${line}\n) </dev/null ${err}\necho "@@= $?"\n`;
  writeFileSync(script, `${text}echo "@@ end"\n`);
  const mount = ['--mount', dir];
  const r = vkernel(['run', ...mount, ...(options.flags ?? []), guestSh(dir), script], {
    cwd: options.cwd ?? dir,
    timeoutMs: options.timeoutMs ?? 120000,
  });
  const results = new Map<string, { output: string; status: number }>();
  const pattern = /^@@ (\S+)\n([^]*?)@@= (\d+)\n/gm;
  for (const m of r.stdout.matchAll(pattern)) results.set(m[1], { output: m[2], status: Number(m[3]) });
  if (!r.stdout.endsWith('@@ end\n') || r.status !== 0)
    throw new Error(`the batch ended early, status ${r.status}; last output:\n${r.stdout.slice(-2000)}\n${r.stderr}`);
  return results;
}

/** The prompt of root's shell, as its line editor draws it. */
// eslint-disable-next-line no-control-regex
export const prompt = /(\r|^)# \x1b\[K\r\x1b\[2C$/;

/** A booted kernel on a pseudo-terminal. */
export class Terminal {
  /** Everything printed so far. */
  text = '';
  exit: { code: number; raw: boolean } | null = null;
  private seen = 0;
  private readonly child: ChildProcessWithoutNullStreams;
  private waiters: (() => void)[] = [];

  constructor(args: string[], rows = 24, cols = 80) {
    this.child = spawn('python3', [
      join(top, 'test/guest/support/on_pty.py'),
      String(rows),
      String(cols),
      process.execPath,
      ...nodeFlags,
      vkernelBin,
      ...args,
    ]);
    createInterface({ input: this.child.stdout }).on('line', (line) => {
      const m = JSON.parse(line) as { data?: string; exit?: number; raw?: boolean };
      if (m.data !== undefined) this.text += m.data;
      if (m.exit !== undefined) this.exit = { code: m.exit, raw: m.raw === true };
      for (const w of this.waiters.splice(0)) w();
    });
  }

  /** The process that keeps the pseudo-terminal; its child is the command. */
  get pid(): number {
    return this.child.pid ?? 0;
  }
  private tell(m: object): void {
    this.child.stdin.write(JSON.stringify(m) + '\n');
  }
  send(text: string): void {
    this.tell({ send: text });
  }
  resize(rows: number, cols: number): void {
    this.tell({ resize: [rows, cols] });
  }
  kill(signo: number): void {
    this.tell({ kill: signo });
  }

  /** Wait until `pattern` appears after what was matched before. @returns the text up to and with the match. */
  async expect(pattern: RegExp, timeoutMs = 10000): Promise<string> {
    const end = Date.now() + timeoutMs;
    for (;;) {
      const rest = this.text.slice(this.seen);
      const m = pattern.exec(rest);
      if (m !== null) {
        const upTo = m.index + m[0].length;
        this.seen += upTo;
        return rest.slice(0, upTo);
      }
      if (this.exit !== null || Date.now() > end)
        throw new Error(`no ${String(pattern)} within ${timeoutMs} ms${this.exit ? ' (exited)' : ''}; got:\n${rest}`);
      await this.event(Math.min(200, end - Date.now() + 1));
    }
  }

  /** Type a line at the prompt and wait until the shell has taken it. */
  async start(line: string): Promise<void> {
    this.send(`${line}\n`);
    // eslint-disable-next-line no-control-regex
    await this.expect(/\x1b\[\d+C\r\n/);
  }
  /** Type a line at the prompt. @returns what it printed, up to the next prompt. */
  async command(line: string, timeoutMs = 10000): Promise<string> {
    this.send(`${line}\n`);
    const text = await this.expect(prompt, timeoutMs);
    return text
      .slice(text.indexOf('\r\n') + 2)
      .replace(prompt, '')
      .replace(/\r\n/g, '\n');
  }

  /** Wait for the command to end. */
  async end(timeoutMs = 10000): Promise<{ code: number; raw: boolean }> {
    const end = Date.now() + timeoutMs;
    while (this.exit === null) {
      if (Date.now() > end) throw new Error(`still running after ${timeoutMs} ms; printed:\n${this.text}`);
      await this.event(100);
    }
    return this.exit;
  }

  private event(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const t = setTimeout(resolve, ms);
      this.waiters.push(() => {
        clearTimeout(t);
        resolve();
      });
    });
  }

  /** Let go of the terminal; the command gets SIGHUP. */
  close(): void {
    this.child.stdin.end();
  }
}
