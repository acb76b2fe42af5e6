/** The library's types: `import { boot } from 'vkernel'` and `require('vkernel')`. docs/library.md has examples. */
import type { EventEmitter } from 'node:events';
import type { Readable, Writable } from 'node:stream';

export interface BootOptions {
  /** Guest memory: bytes, or `256m` and the like (the default is 256m). */
  memory?: number | string;
  /** Virtual CPUs; default 1. */
  cpus?: number;
  /**
   * Image of a HAMMER2 root file system, made with the base system in it when it does not exist (`size`: default 1g, sparse).
   * Without it the root is in memory. Needed for snapshot() and rollback().
   */
  root?: string | { image: string; size?: number | string };
  /** Further disks: vkd0 (vkd1 with a root image) and so on. `cow`: changes are dropped at the end. */
  disks?: (string | { path: string; serno?: string; mode?: 'rw' | 'ro' | 'cow' })[];
  /** Host directories to make visible; read-only unless `write`. */
  mounts?: { host: string; guest: string; write?: boolean }[];
  /** Kernel environment. */
  kenv?: Record<string, string>;
}

export interface ExecOptions {
  /** Added to PATH, HOME, USER and TMPDIR. */
  env?: Record<string, string>;
  /** Default `/`. */
  cwd?: string;
  /** argv[0], if it is not the path. */
  argv0?: string;
}

export interface ExitStatus {
  /** Exit code; null when a signal ended it. */
  code: number | null;
  /** DragonFly's number of that signal. */
  signal: number | null;
}

/** A program in the guest. */
export interface GuestProcess {
  readonly pid: number;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Resolves when it has ended; rejects when the kernel ends first. */
  readonly exited: Promise<ExitStatus>;
  /** Send a signal by DragonFly's number (default 15). False when it is gone already. */
  kill(signal?: number): Promise<boolean>;
}

export interface RunResult extends ExitStatus {
  stdout: Buffer;
  stderr: Buffer;
}

/** An error of the guest's kernel or of the host; `code` is the errno's name where there is one. */
export interface VkernelError extends Error {
  code?: string;
}

/**
 * A running kernel, in a process of its own. Events: `console` (text), `panic` (message), `exit` (reason: 'stop', 'panic' or
 * 'killed'; once).
 */
export interface Vkernel extends EventEmitter {
  /** Process of the host it runs in. */
  readonly hostPid: number;
  readonly running: boolean;
  /** Start a program; rejects with `code` ENOENT, ENOEXEC ... when it cannot be. */
  exec(path: string, args?: readonly string[], options?: ExecOptions): Promise<GuestProcess>;
  /** Start a program, give it `input`, and wait for its end and all its output. */
  run(
    path: string,
    args?: readonly string[],
    options?: ExecOptions & { input?: string | Uint8Array },
  ): Promise<RunResult>;
  readFile(path: string): Promise<Buffer>;
  readFile(path: string, encoding: BufferEncoding): Promise<string>;
  /** Make or replace a file (mode 0644 less the usual mask unless told otherwise). */
  writeFile(path: string, data: string | Uint8Array, options?: { mode?: number }): Promise<void>;
  /** Write everything to the disks. */
  sync(): Promise<void>;
  /** A snapshot of the root file system under that name, while everything runs; it is on the disk when this resolves. */
  snapshot(name: string): Promise<void>;
  /** Put the root file system back to the snapshot (which stays) and start the kernel on it again; running programs are killed. */
  rollback(name: string): Promise<void>;
  /** Any command of the kernel debugger (`ps`, `show mount` ...). @returns what it prints */
  ddb(command: string): Promise<string>;
  /** Write everything out and end. Nothing happens when it has ended. */
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Boot a kernel. Rejects when the host refuses something, or when it cannot mount its root. */
export function boot(options?: BootOptions): Promise<Vkernel>;
