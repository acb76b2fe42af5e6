/**
 * From parsed options to a running kernel, and from its end to an exit code.
 */
import {
  closeSync,
  existsSync,
  ftruncateSync,
  openSync,
  readFileSync,
  realpathSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { createHostMachine, HostDiskError, type HostMachine } from '../vkernel/machine/host/index.js';
import type { HostDir, Machine, StopCode } from '../vkernel/machine/machine.js';
import { KernelPanic } from '../vkernel/kern/kern_shutdown.js';
import { type BootOptions, Kernel, type RunOptions } from '../vkernel/kern/init_main.js';
import type { DdbPort } from '../vkernel/ddb/port.js';
import { Errno } from '../vkernel/sys/errno.js';
import { hammer2SetCodecs } from '../vkernel/vfs/hammer2/hammer2_vfsops.js';
import { whyNotExec } from './elf.js';
import { EX_NOINPUT, EX_PANIC, EX_SOFTWARE, fileError, type Options, parseDisk, UsageError } from './options.js';

const EX_CANTCREAT = 73;

/** Hold an exclusive lock on the pid file while running. @returns how to let go. */
function lockPidFile(path: string): () => void {
  let fd: number;
  try {
    fd = openSync(path, 'a+', 0o644);
  } catch (e) {
    throw new UsageError(EX_CANTCREAT, fileError(path, e).message);
  }
  if (!lockFile(fd)) {
    closeSync(fd);
    throw new UsageError(EX_CANTCREAT, `${path}: locked by a running vkernel`);
  }
  ftruncateSync(fd, 0);
  writeSync(fd, `${process.pid}\n`);
  return () => {
    unlinkSync(path);
    closeSync(fd);
  };
}

/** Is no running vkernel named in the open pid file? (The lock proper needs the addon.) */
function lockFile(fd: number): boolean {
  const pid = Number(readFileSync(fd, 'latin1').trim());
  if (!(pid > 0) || pid === process.pid) return true;
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
}

/** Directories of the guest's own system, which a host mount must not cover. */
const systemDirs = [
  '/',
  '/bin',
  '/sbin',
  '/usr',
  '/usr/bin',
  '/usr/sbin',
  '/etc',
  '/dev',
  '/proc',
  '/var',
  '/tmp',
  '/root',
  '/mnt',
];

/** Where host directory `host` appears in the guest unless told otherwise: at its own path, else below /mnt. */
export const guestPath = (host: string): string =>
  systemDirs.includes(host) ? `/mnt/host${host === '/' ? '' : host}` : host;

/** Caller's variables that a program gets without being asked for by --env. */
const passedOn = /^(TERM|TZ|LANG|LC_.*|COLUMNS|LINES|GO[A-Z0-9]+|ZONEINFO)$/;

function guestEnv(o: Options): string[] {
  const env = new Map<string, string>([
    ['PATH', '/sbin:/bin:/usr/sbin:/usr/bin'],
    ['HOME', '/root'],
    ['USER', 'root'],
    ['SHELL', '/bin/sh'],
    ['TMPDIR', '/tmp'],
  ]);
  for (const [k, v] of Object.entries(process.env)) if (v !== undefined && passedOn.test(k)) env.set(k, v);
  for (const [k, v] of o.env) env.set(k, v);
  return [...env].map(([k, v]) => Buffer.from(`${k}=${v}`).toString('latin1'));
}

const latin1 = (s: string): string => Buffer.from(s).toString('latin1');

/**
 * The directory to make visible around `cwd`: the root of the Go module it is in, since tests read files beside their
 * package (`../testdata`), else `cwd` itself.
 */
function projectRoot(cwd: string): string {
  for (let dir = cwd; dir !== '/'; dir = dirname(dir)) if (existsSync(join(dir, 'go.mod'))) return dir;
  return cwd;
}

interface PlannedMount {
  host: string;
  guest: string;
  write: boolean;
}

/** The mounts a run needs: working directory, the program's directory, and the user's own. */
export function planMounts(o: Options): { mounts: PlannedMount[]; cwd: string; program: string } {
  let program: string;
  try {
    program = realpathSync(o.program);
    if (!statSync(program).isFile()) throw new UsageError(EX_NOINPUT, `${o.program}: not a regular file`);
  } catch (e) {
    throw fileError(o.program, e);
  }
  const cwd = realpathSync(resolve(o.cwd ?? '.'));
  const root = projectRoot(cwd);
  const mounts: PlannedMount[] = [{ host: root, guest: guestPath(root), write: false }];
  for (const m of o.mounts) {
    const host = realpathSync(resolve(m.host));
    const guest = m.guest === m.host ? guestPath(host) : m.guest;
    if (!guest.startsWith('/')) throw new UsageError(64, `bad mount: guest path '${guest}' is not absolute`);
    const same = mounts.findIndex((x) => x.guest === guest);
    if (same >= 0) mounts.splice(same, 1);
    mounts.push({ host, guest, write: m.write });
  }
  const within = (m: PlannedMount): boolean => program.startsWith(m.host === '/' ? '/' : `${m.host}/`);
  let home = mounts.filter(within).sort((a, b) => b.host.length - a.host.length)[0];
  if (home === undefined) {
    const dir = dirname(program);
    home = { host: dir, guest: guestPath(dir), write: false };
    mounts.push(home);
  }
  // Outer directories first, so that inner ones are mounted on top of them.
  mounts.sort((a, b) => a.guest.length - b.guest.length);
  const rel = program.slice(home.host === '/' ? 1 : home.host.length + 1);
  return {
    mounts,
    cwd: guestPath(root) + cwd.slice(root.length),
    program: `${home.guest === '/' ? '' : home.guest}/${rel}`,
  };
}

function runOptions(o: Options, machine: Machine): RunOptions {
  const plan = planMounts(o);
  const mounts = plan.mounts.map((m) => {
    const dir = machine.openHostDir(m.host, m.write);
    if (dir instanceof Errno) throw new UsageError(EX_NOINPUT, `${m.host}: ${dir.text}`);
    return { dir: dir as HostDir, guest: latin1(m.guest), write: m.write, from: latin1(m.host) };
  });
  return {
    path: latin1(plan.program),
    argv: [o.program, ...o.args].map(latin1),
    envv: guestEnv(o),
    cwd: latin1(plan.cwd),
    mounts,
  };
}

function execError(e: Errno, program: string): string {
  const why = e.name === 'ENOEXEC' || e.name === 'ENOENT' ? whyNotExec(program) : null;
  return why === null ? e.text : `${e.text}: ${why}`;
}

/** Exit code of a finished run. */
function exitCode(code: StopCode, o: Options): number {
  switch (code.kind) {
    case 'exit':
      return code.status;
    case 'exec':
      process.stderr.write(`vkernel: ${basename(o.program)}: ${execError(code.errno, o.program)}\n`);
      return code.errno.name === 'ENOENT' ? 127 : 126;
    case 'panic':
      process.stderr.write(`vkernel: panic: ${code.message}\n`);
      return EX_PANIC;
    default:
      return 0;
  }
}

/** Make the root image. */
async function firstUse(path: string, sizeBytes: number): Promise<void> {
  const { makeRootImage } = await import('./root_image.js');
  process.stderr.write(`vkernel: making ${path}, ${Math.floor(sizeBytes / 2 ** 20)} MB, sparse\n`);
  try {
    makeRootImage(path, sizeBytes);
  } catch (e) {
    throw new UsageError(EX_CANTCREAT, `${path}: ${e instanceof Error ? e.message : String(e)}`);
  }
}

/** Where ddb can talk: a terminal, or a script. Its code is loaded only then. */
async function debuggerPort(o: Options, machine: HostMachine, script: string[]): Promise<DdbPort | null> {
  if (!machine.console.isatty && script.length === 0 && o.inspect === null) return null;
  const { HostDdbPort } = await import('./debug/ddb_port.js');
  return new HostDdbPort(machine, script, o.inspect !== null);
}

/** Boot (again and again while the guest reboots) and return the exit code. */
export async function launch(o: Options, version: string): Promise<number> {
  if (o.command === 'run') planMounts(o);
  const unlock = o.pidFile === null ? null : lockPidFile(o.pidFile);
  let machine: HostMachine | null = null;
  // A throw in kernel code arrives here, out of the machine's event loop: the kernel is not run any further.
  let kernel: Kernel | null = null;
  const panicked = (e: unknown): never => {
    // With a debugger attached nothing has been torn down yet.
    kernel?.thrown(e);
    machine?.close();
    process.stderr.write(`vkernel: panic: ${e instanceof Error ? (e.stack ?? e.message) : String(e)}\n`);
    unlock?.();
    process.exit(EX_PANIC);
  };
  process.on('uncaughtException', panicked);
  try {
    if (o.root !== null) {
      if (!existsSync(o.root.path)) await firstUse(o.root.path, o.root.sizeBytes);
      o.disks.unshift(parseDisk(o.root.path, 'rw'));
    }
    if (o.disks.length > 0) {
      // Only then: node:crypto and node:zlib take their time to load.
      const { hostCodecs } = await import('../vkernel/machine/host/codecs.js');
      hammer2SetCodecs(hostCodecs());
    }
    const script = o.ddbScript === null ? [] : (await import('./debug/ddb_port.js')).readScript(o.ddbScript);
    if (o.inspect !== null) {
      const inspector = await import('node:inspector');
      inspector.open(o.inspect.port, o.inspect.host, o.inspect.wait);
      (await import('./debug/vk_console.js')).installConsole();
    }
    for (;;) {
      machine = createHostMachine({
        memoryBytes: o.memoryBytes,
        ncpus: o.ncpus,
        disks: o.disks,
        console: 'tty',
        streams: o.command === 'run',
      });
      const boot: BootOptions = {
        version,
        kenv: o.kenv,
        singleUser: o.singleUser,
        verbose: o.verbose,
        term: process.stdin.isTTY && process.stdout.isTTY ? (process.env.TERM ?? 'xterm') : 'dumb',
        strace: o.strace,
        ddb: await debuggerPort(o, machine, script),
        straceOut: (line) => void process.stderr.write(Buffer.from(line, 'latin1')),
        run: o.command === 'run' ? runOptions(o, machine) : null,
      };
      kernel = new Kernel(machine, boot);
      machine.onThrow = (e) => kernel?.thrown(e);
      try {
        const code = await kernel.run();
        if (code.kind !== 'reboot') return exitCode(code, o);
      } catch (e) {
        if (!kernel.resetAsked) throw e;
      }
    }
  } catch (e) {
    machine?.close();
    if (e instanceof UsageError) throw e;
    if (e instanceof HostDiskError) throw new UsageError(EX_NOINPUT, e.message);
    if (e instanceof KernelPanic) panicked(e);
    process.stderr.write(`vkernel: ${e instanceof Error ? (e.stack ?? e.message) : String(e)}\n`);
    return EX_SOFTWARE;
  } finally {
    process.off('uncaughtException', panicked);
    unlock?.();
  }
}
