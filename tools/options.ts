/**
 * The command line of `vkernel`: flags and their meanings after vkernel(7), errors as one line and an exit code.
 */
import { accessSync, constants, statSync } from 'node:fs';

export const EX_USAGE = 64;
export const EX_NOINPUT = 66;
export const EX_SOFTWARE = 70;
/** A kernel panic, as a shell shows SIGABRT. */
export const EX_PANIC = 134;

/** A wrong command line or an unusable file: main prints the message and exits with `code`. */
export class UsageError extends Error {
  constructor(
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}

export interface DiskOption {
  path: string;
  serno: string;
  mode: 'rw' | 'cow' | 'ro';
}

export interface MountOption {
  host: string;
  guest: string;
  write: boolean;
}

export interface Options {
  command: 'boot' | 'run' | 'help' | 'version';
  memoryBytes: number;
  ncpus: number;
  disks: DiskOption[];
  /** Image of the root file system, made on first use; becomes vkd0. */
  root: { path: string; sizeBytes: number } | null;
  /** Kernel environment, from -e. */
  kenv: Map<string, string>;
  pidFile: string | null;
  verbose: number;
  singleUser: boolean;
  strace: boolean;
  /** Commands for the kernel debugger. */
  ddbScript: string | null;
  /** Listen for a debugger front end; `wait` for it before anything runs. */
  inspect: { host: string; port: number; wait: boolean } | null;
  /** run: */
  mounts: MountOption[];
  env: Map<string, string>;
  program: string;
  args: string[];
  cwd: string | null;
}

export const usageText = `usage: vkernel [-hsv] [-m size[kmgt]] [-n ncpus] [-r file[:serno]] [-R file[:serno]] [-c file[:serno]]
               [-e name=value:...] [-p pidfile] [--root file[:size]] [--strace]
               [--ddb-script FILE] [--inspect[-brk][=[host:]port]]
       vkernel run [-v] [-m size[kmgt]] [-n ncpus] [--mount HOST[:GUEST][:rw]] [--env NAME[=VALUE]]
               [--cwd DIR] [--strace] [--ddb-script FILE] [--inspect[-brk][=[host:]port]] PROGRAM [ARG...]
`;

export const helpText = `${usageText}
Boot a DragonFly BSD virtual kernel, or run one DragonFly program on it.

  -m size[kmgt]         guest memory (default 256m; 1g for run)
  -n ncpus              virtual CPUs (default: host CPUs less one, at least 1)
  -r file[:serno]       disk image, read and write; vkd0, vkd1 ... in the order given
  -R file[:serno]       the same, but changes are kept in memory and dropped at the end
                        (a disk with a serial number is also /dev/serno/NUMBER)
  -c file[:serno]       disk image, read only, with sectors of 2048 bytes; vcd0, vcd1 ...
  --root file[:size]    disk image to boot from (vkd0, ahead of those of -r); made with the base system in it, sparse,
                        8g unless told otherwise, if it does not exist
  -e name=value:...     kernel environment; vfs.root.mountfrom=hammer2:vkd0@LABEL chooses the root, or tmpfs. Without it
                        the root is the PFS ROOT of vkd0 if there is one, else a fresh one in memory
  -p pidfile            write the process id here; locked while running
  -s                    boot single user
  -v                    verbose boot; twice: more
  --strace              print every system call of every process
  --ddb-script FILE     enter the kernel debugger before the first process, with commands from FILE
  --inspect[=[host:]port]      let a debugger front end attach (127.0.0.1:9229): Chrome DevTools, VS Code
  --inspect-brk[=[host:]port]  the same, and wait for it
  -h, --help            this text
  --version             print the version

vkernel run:
  --mount HOST[:GUEST][:rw]  make a host directory visible, read-only unless rw
  --env NAME[=VALUE]         set or pass one environment variable
  --cwd DIR                  host directory to start in (default: the current one), mounted read-only;
                             inside a Go module the whole module is mounted
  The exit status is the program's: its exit code, or 128 + signal when a signal killed it.
`;

const units: Record<string, number> = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };
const PAGE = 4096;

/** Bytes of `64m` and the like. */
function parseBytes(text: string, what: string): number {
  const m = /^(\d+)([kmgt]?)b?$/i.exec(text);
  if (m === null) throw new UsageError(EX_USAGE, `bad ${what} '${text}': expected a number with k, m, g or t`);
  return Number(m[1]) * (units[m[2].toLowerCase()] ?? 1);
}

/** Parse a memory size. It is rounded down to pages. */
export function parseSize(text: string): number {
  const bytes = parseBytes(text, 'memory size');
  if (bytes < 16 * 2 ** 20) throw new UsageError(EX_USAGE, `memory size '${text}' is too small: at least 16m`);
  if (bytes > 2 ** 40) throw new UsageError(EX_USAGE, `memory size '${text}' is too large: at most 1t`);
  return Math.floor(bytes / PAGE) * PAGE;
}

function parseCpus(text: string): number {
  const m = /^(\d+)(:\d+)*$/.exec(text);
  const n = m === null ? 0 : Number(m[1]);
  if (n < 1 || n > 64) throw new UsageError(EX_USAGE, `bad CPU count '${text}': expected 1 to 64`);
  return n;
}

export function parseDisk(text: string, mode: DiskOption['mode']): DiskOption {
  const colon = text.lastIndexOf(':');
  const path = colon > 0 ? text.slice(0, colon) : text;
  const serno = colon > 0 ? text.slice(colon + 1) : '';
  try {
    const st = statSync(path);
    if (st.isDirectory()) throw new UsageError(EX_NOINPUT, `${path}: is a directory`);
    accessSync(path, mode === 'rw' ? constants.R_OK | constants.W_OK : constants.R_OK);
  } catch (e) {
    throw fileError(path, e);
  }
  return { path, serno, mode };
}

const ROOT_BYTES = 8 * 2 ** 30;

function parseRoot(text: string): { path: string; sizeBytes: number } {
  const m = /^(.+):(\d+[kmgt])$/i.exec(text);
  const path = m === null ? text : m[1];
  const sizeBytes = m === null ? ROOT_BYTES : parseBytes(m[2], 'image size');
  if (path === '') throw new UsageError(EX_USAGE, 'bad root: no file name');
  if (m !== null && sizeBytes < 64 * 2 ** 20)
    throw new UsageError(EX_USAGE, `image size '${m[2]}' is too small: at least 64m`);
  return { path, sizeBytes };
}

/** Turn a Node file error into one clear line. */
export function fileError(path: string, e: unknown): UsageError {
  if (e instanceof UsageError) return e;
  const code = (e as NodeJS.ErrnoException).code;
  const why =
    code === 'ENOENT'
      ? 'no such file'
      : code === 'EACCES'
        ? 'permission denied'
        : code === 'EPERM'
          ? 'not permitted'
          : (code ?? String(e));
  return new UsageError(EX_NOINPUT, `${path}: ${why}`);
}

/** `name=value:name=value`. A piece without `=` belongs to the value before it (mountfrom=hammer2:vkd0). */
function parseKenv(text: string, into: Map<string, string>): void {
  let last = '';
  for (const item of text.split(':')) {
    const eq = item.indexOf('=');
    if (eq < 0 && last !== '') {
      into.set(last, `${into.get(last) ?? ''}:${item}`);
      continue;
    }
    if (eq <= 0) throw new UsageError(EX_USAGE, `bad kernel variable '${item}': expected name=value`);
    last = item.slice(0, eq);
    into.set(last, item.slice(eq + 1));
  }
}

function parseMount(text: string): MountOption {
  const parts = text.split(':');
  const write = parts.at(-1) === 'rw';
  if (write || parts.at(-1) === 'ro') parts.pop();
  if (parts.length < 1 || parts.length > 2 || parts[0] === '')
    throw new UsageError(EX_USAGE, `bad mount '${text}': expected HOST[:GUEST][:rw]`);
  try {
    if (!statSync(parts[0]).isDirectory()) throw new UsageError(EX_NOINPUT, `${parts[0]}: not a directory`);
  } catch (e) {
    throw fileError(parts[0], e);
  }
  const guest = parts[1] ?? parts[0];
  return { host: parts[0], guest, write };
}

/** `[host:]port`, or nothing. */
export function parseHostPort(text: string, usual: number): { host: string; port: number } {
  const m = /^(?:(\[[0-9a-f:]+\]|[^:]*):)?(\d*)$/i.exec(text);
  const port = m === null ? NaN : m[2] === '' ? usual : Number(m[2]);
  if (m === null || !(port >= 0 && port < 65536))
    throw new UsageError(EX_USAGE, `bad address '${text}': expected [host:]port`);
  return { host: (m[1] ?? '').replace(/^\[|\]$/g, '') || '127.0.0.1', port };
}

/** Parse `argv` (without node and script). Throws UsageError. */
export function parseOptions(argv: readonly string[], hostCpus: number): Options {
  const o: Options = {
    command: 'boot',
    memoryBytes: 0,
    ncpus: Math.max(1, hostCpus - 1),
    disks: [],
    root: null,
    kenv: new Map(),
    pidFile: null,
    verbose: 0,
    singleUser: false,
    strace: false,
    ddbScript: null,
    inspect: null,
    mounts: [],
    env: new Map(),
    program: '',
    args: [],
    cwd: null,
  };
  const rest = [...argv];
  if (rest[0] === 'run') {
    o.command = 'run';
    rest.shift();
  } else if (rest[0] === 'boot') rest.shift();
  const run = o.command === 'run';
  while (rest.length > 0 && rest[0].startsWith('-') && rest[0] !== '-') {
    const word = rest.shift() ?? '';
    if (word === '--') break;
    if (word.startsWith('--')) longFlag(o, word, rest, run);
    else shortFlags(o, word.slice(1), rest, run);
    if (o.command === 'help' || o.command === 'version') return o;
  }
  if (o.memoryBytes === 0) o.memoryBytes = run ? 2 ** 30 : 256 * 2 ** 20;
  if (run) {
    if (rest.length === 0) throw new UsageError(EX_USAGE, 'run: no program given');
    o.program = rest[0];
    o.args = rest.slice(1);
  } else if (rest.length > 0) throw new UsageError(EX_USAGE, `unexpected argument '${rest[0]}'`);
  return o;
}

function value(flag: string, rest: string[]): string {
  const v = rest.shift();
  if (v === undefined) throw new UsageError(EX_USAGE, `${flag} needs a value`);
  return v;
}

function longFlag(o: Options, word: string, rest: string[], run: boolean): void {
  const eq = word.indexOf('=');
  const name = eq < 0 ? word : word.slice(0, eq);
  const arg = (): string => (eq < 0 ? value(name, rest) : word.slice(eq + 1));
  if (name === '--help') o.command = 'help';
  else if (name === '--version') o.command = 'version';
  else if (name === '--strace') o.strace = true;
  else if (name === '--ddb-script') {
    o.ddbScript = arg();
    try {
      accessSync(o.ddbScript, constants.R_OK);
    } catch (e) {
      throw fileError(o.ddbScript, e);
    }
  } else if (name === '--inspect' || name === '--inspect-brk') {
    o.inspect = { ...parseHostPort(eq < 0 ? '' : word.slice(eq + 1), 9229), wait: name === '--inspect-brk' };
  } else if (!run && name === '--root') o.root = parseRoot(arg());
  else if (run && name === '--mount') o.mounts.push(parseMount(arg()));
  else if (run && name === '--cwd') {
    o.cwd = arg();
    parseMount(o.cwd);
  } else if (run && name === '--env') {
    const text = arg();
    const at = text.indexOf('=');
    const key = at < 0 ? text : text.slice(0, at);
    const val = at < 0 ? process.env[key] : text.slice(at + 1);
    if (key === '') throw new UsageError(EX_USAGE, `bad variable '${text}': expected NAME or NAME=VALUE`);
    if (val !== undefined) o.env.set(key, val);
  } else throw new UsageError(EX_USAGE, `unknown flag '${word}'`);
}

function shortFlags(o: Options, letters: string, rest: string[], run: boolean): void {
  for (let i = 0; i < letters.length; i++) {
    const f = letters[i];
    if (f === 'h') o.command = 'help';
    else if (f === 'v') o.verbose++;
    else if (f === 's' && !run) o.singleUser = true;
    else if ('mnrRcep'.includes(f) && !(run && 'p'.includes(f))) {
      const v = i + 1 < letters.length ? letters.slice(i + 1) : value(`-${f}`, rest);
      if (f === 'm') o.memoryBytes = parseSize(v);
      else if (f === 'n') o.ncpus = parseCpus(v);
      else if (f === 'e') parseKenv(v, o.kenv);
      else if (f === 'p') o.pidFile = v;
      else o.disks.push(parseDisk(v, f === 'r' ? 'rw' : f === 'R' ? 'cow' : 'ro'));
      return;
    } else throw new UsageError(EX_USAGE, `unknown flag '-${f}'`);
  }
}
