/**
 * What the HAMMER2 commands have in common: flags in getopt's manner, sizes, exit codes, progress, opening images.
 */
import { readFileSync } from 'node:fs';
import { HostDiskError, type HostBlockDevice, openHostDevices } from '../host_blockdev.js';
import { EX_NOINPUT, EX_SOFTWARE, EX_USAGE, UsageError } from '../options.js';

export { EX_NOINPUT, EX_SOFTWARE, EX_USAGE, UsageError };

/** What went wrong with the work itself: one line on stderr, and the exit code. */
export class Failure extends Error {
  constructor(
    message: string,
    readonly code = 1,
  ) {
    super(message);
  }
}

export const usage = (message: string): UsageError => new UsageError(EX_USAGE, message);

export interface Flags {
  /** Letters and long names without value, with the number of times given. */
  readonly set: Map<string, number>;
  readonly values: Map<string, string[]>;
  readonly args: string[];
}

/**
 * Parse flags up to the first argument that is none, or `--`.
 *
 * @param letters  as for getopt(3): a letter with `:` takes a value
 * @param words    long names, those that take a value with `=` at the end
 */
export function getopt(argv: readonly string[], letters: string, words: readonly string[]): Flags {
  const set = new Map<string, number>();
  const values = new Map<string, string[]>();
  const rest = [...argv];
  const put = (name: string, v: string | undefined): void => {
    if (v === undefined) throw usage(`${name.length === 1 ? '-' : '--'}${name} needs a value`);
    values.set(name, [...(values.get(name) ?? []), v]);
  };
  const on = (name: string): void => void set.set(name, (set.get(name) ?? 0) + 1);
  while (rest.length > 0 && rest[0].startsWith('-') && rest[0] !== '-') {
    const word = rest.shift() ?? '';
    if (word === '--') break;
    if (word.startsWith('--')) {
      const eq = word.indexOf('=');
      const name = word.slice(2, eq < 0 ? undefined : eq);
      if (words.includes(`${name}=`)) put(name, eq < 0 ? rest.shift() : word.slice(eq + 1));
      else if (words.includes(name) && eq < 0) on(name);
      else throw usage(`unknown flag '${word}'`);
      continue;
    }
    for (let i = 1; i < word.length; i++) {
      const at = word[i] === ':' ? -1 : letters.indexOf(word[i]);
      if (at < 0) throw usage(`unknown flag '-${word[i]}'`);
      if (letters[at + 1] !== ':') {
        on(word[i]);
        continue;
      }
      put(word[i], i + 1 < word.length ? word.slice(i + 1) : rest.shift());
      break;
    }
  }
  return { set, values, args: rest };
}

const UNITS: Record<string, number> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40, p: 2 ** 50, e: 2 ** 60 };

/** `64m` and the like in bytes. */
export function parseSize(text: string, what: string): number {
  const m = /^(\d+)([kmgtpe]?)b?$/i.exec(text);
  const n = m === null ? NaN : Number(m[1]) * UNITS[m[2].toLowerCase()];
  if (!(n < 2 ** 63)) throw usage(`bad ${what} '${text}': expected a number with k, m, g, t, p or e`);
  return n;
}

/** 1.50GB, as the reference prints sizes. */
export function sizeText(n: number): string {
  for (const [unit, name] of [
    [2 ** 50, 'PB'],
    [2 ** 40, 'TB'],
    [2 ** 30, 'GB'],
    [2 ** 20, 'MB'],
    [2 ** 10, 'KB'],
  ] as const) {
    if (n >= unit) return (n / unit).toFixed(2) + name;
  }
  return `${n}B`;
}

/** A bar on stderr if that is a terminal. */
export class Progress {
  private last = -Infinity;
  private readonly on: boolean;
  constructor(
    private readonly title: string,
    quiet = false,
  ) {
    this.on = process.stderr.isTTY && !quiet;
  }
  show(done: number, total: number): void {
    const now = performance.now();
    if (!this.on || now - this.last < 100) return;
    this.last = now;
    const part = total > 0 ? Math.min(1, done / total) : 0;
    const bar = '#'.repeat(Math.round(part * 30)).padEnd(30, '.');
    process.stderr.write(
      `\r${this.title} [${bar}] ${String(Math.floor(part * 100)).padStart(3)}% ${sizeText(done)} \x1b[K`,
    );
  }
  end(): void {
    if (this.on) process.stderr.write('\r\x1b[K');
    this.last = -Infinity;
  }
}

/** Open images (joined by `:`) or all of them; wrong ones exit 66. */
export function openImages(special: string, write: boolean): HostBlockDevice[] {
  return wrap(() => openHostDevices(special.split(':'), { write }));
}
export function wrap<T>(f: () => T): T {
  try {
    return f();
  } catch (e) {
    if (e instanceof HostDiskError) throw new UsageError(EX_NOINPUT, e.message);
    throw e;
  }
}

export function version(): string {
  const pkg = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return pkg.version;
}

/** A seeded source of bytes (xoshiro128**): the same seed, the same uuids. */
export function seededRandom(seed: string): (b: Uint8Array) => void {
  // FNV-1a over the seed, four times with another start: no state is zero.
  const s = [1, 2, 3, 4].map((k) => {
    let h = 0x811c9dc5 ^ k;
    for (let i = 0; i < seed.length; i++) h = Math.imul(h ^ seed.charCodeAt(i), 0x01000193);
    return h | 1;
  });
  const next = (): number => {
    const r = Math.imul(s[1], 5);
    const out = Math.imul((r << 7) | (r >>> 25), 9);
    const t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = (s[3] << 11) | (s[3] >>> 21);
    return out >>> 24;
  };
  for (let i = 0; i < 32; i++) next();
  return (b) => {
    for (let i = 0; i < b.length; i++) b[i] = next();
  };
}

/** Run a command: errors become one line on stderr and an exit code. */
export function run(
  name: string,
  usageText: string,
  main: (argv: string[]) => number,
  usageCode = EX_USAGE,
  inputCode = EX_NOINPUT,
): void {
  // Whoever reads may have seen enough.
  process.stdout.on('error', (e: NodeJS.ErrnoException) => process.exit(e.code === 'EPIPE' ? 0 : EX_SOFTWARE));
  try {
    process.exitCode = main(process.argv.slice(2));
  } catch (e) {
    if (e instanceof UsageError) {
      process.stderr.write(`${name}: ${e.message}\n`);
      if (e.code === EX_USAGE) process.stderr.write(usageText);
      process.exitCode = e.code === EX_USAGE ? usageCode : inputCode;
    } else if (e instanceof Failure) {
      process.stderr.write(`${name}: ${e.message}\n`);
      process.exitCode = e.code;
    } else {
      process.stderr.write(`${name}: ${e instanceof Error ? e.stack : String(e)}\n`);
      process.exitCode = EX_SOFTWARE;
    }
  }
}
