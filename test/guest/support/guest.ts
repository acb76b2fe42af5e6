/**
 * Running the real vkernel command from tests: programs by `vkernel run`, and whole boots on a pseudo-terminal.
 */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** The top of the checkout; tests run from dist/test/guest/support. */
export const top = fileURLToPath(new URL('../../../../', import.meta.url));
export const vkernelBin = join(top, 'dist/tools/vkernel.js');
const nodeFlags = ['--max-semi-space-size=64'];

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

/** A directory for a test's files, below the host's temporary directory. */
export const scratchDir = (): string => mkdtempSync(join(tmpdir(), 'vkernel-test-'));

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

/** Build a C program against the base system's own libc. @returns the program's path. */
export function ccGuest(dir: string, name: string, source: string): string {
  const base = join(top, 'build/base');
  const src = join(dir, `${name}.c`);
  const out = join(dir, name);
  writeFileSync(src, source);
  const r = spawnSync(join(base, 'bin/dfly-cc'), ['-O2', '-o', out, src], { encoding: 'utf8' });
  if (r.status !== 0 || !existsSync(out)) throw new Error(`cc: ${r.stderr}${String(r.error ?? '')}`);
  return out;
}

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
