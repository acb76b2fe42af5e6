/**
 * The library: `import { boot } from 'vkernel'`. Each kernel runs in a process of its own (child.ts), so that many work side by side
 * and the death of one is an event, not an end. Types: api.d.cts.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { isAbsolute, resolve as resolvePath } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { BootOptions, ExecOptions, ExitStatus, GuestProcess, RunResult, Vkernel, VkernelError } from './api.cjs';
import type { ChildBoot, FromChild, Request, ToChild } from './protocol.js';

export type { BootOptions, ExecOptions, ExitStatus, GuestProcess, RunResult, Vkernel, VkernelError };

const units: Record<string, number> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** Bytes of a number or `64m`, in pages. */
function bytes(v: number | string, what: string): number {
  const m = typeof v === 'number' ? null : /^(\d+)([kmgt]?)$/i.exec(v);
  const n = typeof v === 'number' ? v : m === null ? NaN : Number(m[1]) * units[m[2].toLowerCase()];
  if (!(n >= 16 * 2 ** 20)) throw new TypeError(`vkernel: bad ${what} '${v}': at least 16m`);
  return Math.floor(n / 4096) * 4096;
}

function error(message: string, code: string | null): VkernelError {
  const e: VkernelError = new Error(message);
  if (code !== null) e.code = code;
  return e;
}

const latin1 = (s: string): string => Buffer.from(s).toString('latin1');

class Process implements GuestProcess {
  pid = 0;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly exited: Promise<ExitStatus>;
  /** Bytes received that the reader has not asked for yet, by output. */
  private readonly owed = [0, 0, 0];
  private settle!: { resolve: (s: ExitStatus) => void; reject: (e: Error) => void };

  constructor(
    private readonly vk: Kernel,
    readonly stream: number,
  ) {
    this.exited = new Promise((resolve, reject) => (this.settle = { resolve, reject }));
    // Who does not wait for the end must not be told of it as an unhandled rejection.
    this.exited.catch(() => undefined);
    this.stdin = new Writable({
      write: (chunk: Buffer, _enc, done) => {
        this.vk.tell({ stream, data: Uint8Array.from(chunk) }, done);
      },
      final: (done) => this.vk.tell({ stream, data: null }, done),
    });
    this.stdin.on('error', () => undefined);
    const output = (n: number): Readable =>
      new Readable({
        read: () => {
          if (this.owed[n] === 0) return;
          this.vk.tell({ stream: stream + n, taken: this.owed[n] });
          this.owed[n] = 0;
        },
      });
    this.stdout = output(1);
    this.stderr = output(2);
  }

  received(n: number, data: Uint8Array): void {
    const s = n === 1 ? this.stdout : this.stderr;
    this.owed[n] += data.length;
    if (s.push(Buffer.from(data))) {
      this.vk.tell({ stream: this.stream + n, taken: this.owed[n] });
      this.owed[n] = 0;
    }
  }
  ended(status: number): void {
    this.stdout.push(null);
    this.stderr.push(null);
    this.stdin.destroy();
    const signal = status & 0x7f;
    this.settle.resolve(signal === 0 ? { code: (status >> 8) & 0xff, signal: null } : { code: null, signal });
  }
  lost(e: Error): void {
    this.stdout.push(null);
    this.stderr.push(null);
    this.stdin.destroy();
    this.settle.reject(e);
  }
  kill(signal = 15): Promise<boolean> {
    return this.vk.ask({ op: 'kill', pid: this.pid, signal }) as Promise<boolean>;
  }
}

class Kernel extends EventEmitter implements Vkernel {
  private readonly child: ChildProcess;
  private readonly pending = new Map<number, { resolve: (r: unknown) => void; reject: (e: Error) => void }>();
  private readonly processes = new Map<number, Process>();
  /** What arrived for a program before exec() had its answer. */
  private readonly early = new Map<number, Uint8Array[]>();
  private readonly earlyEnd = new Map<number, number>();
  private nextId = 1;
  private stopped: Promise<void> | null = null;
  private panicText = '';
  private stderr = '';
  running = true;

  constructor() {
    super();
    this.child = fork(fileURLToPath(new URL('./child.js', import.meta.url)), [], {
      execArgv: ['--max-semi-space-size=64'],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.child.stderr?.on('data', (d: Buffer) => (this.stderr = (this.stderr + d.toString()).slice(-4096)));
    this.child.on('message', (m) => this.received(m as FromChild));
    this.child.on('error', (e) => this.gone(e.message));
    this.child.on('exit', (code, signal) => this.gone(signal ?? `exit code ${code}`));
  }

  get hostPid(): number {
    return this.child.pid ?? 0;
  }

  tell(m: ToChild, done: (e?: Error | null) => void = () => undefined): void {
    if (this.running && this.child.connected) this.child.send(m, (e) => done(e));
    else done(error('vkernel: the kernel has ended', null));
  }

  ask(request: Request): Promise<unknown> {
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      if (!this.running) return reject(error('vkernel: the kernel has ended', null));
      this.pending.set(id, { resolve, reject });
      this.tell({ id, request });
    });
  }

  private received(m: FromChild): void {
    if ('id' in m) {
      const p = this.pending.get(m.id);
      this.pending.delete(m.id);
      if ('error' in m) p?.reject(error(`vkernel: ${m.error}`, m.code));
      else p?.resolve(m.result);
    } else if ('stream' in m) {
      const base = m.stream - (m.stream % 3);
      const p = this.processes.get(base);
      if (p !== undefined) p.received(m.stream % 3, m.data);
      else this.early.set(m.stream, [...(this.early.get(m.stream) ?? []), m.data]);
    } else if ('ended' in m) {
      const p = this.processes.get(m.ended);
      if (p === undefined) this.earlyEnd.set(m.ended, m.status);
      else {
        this.processes.delete(m.ended);
        p.ended(m.status);
      }
    } else if ('console' in m) this.emit('console', m.console);
    else {
      this.panicText = m.panic;
      this.emit('panic', m.panic);
    }
  }

  private gone(why: string): void {
    if (!this.running) return;
    this.running = false;
    this.child.stderr?.destroy();
    const text =
      this.panicText !== ''
        ? `panic: ${this.panicText.split('\n')[0]}`
        : `${why}${this.stderr === '' ? '' : `: ${this.stderr.trim()}`}`;
    const e = error(`vkernel: the kernel has ended (${text})`, null);
    for (const p of this.pending.values()) p.reject(e);
    this.pending.clear();
    for (const p of this.processes.values()) p.lost(e);
    this.processes.clear();
    this.emit('exit', this.stopped !== null ? 'stop' : this.panicText !== '' ? 'panic' : 'killed');
  }

  async exec(path: string, args: readonly string[] = [], o: ExecOptions = {}): Promise<GuestProcess> {
    const env = { PATH: '/sbin:/bin:/usr/sbin:/usr/bin', HOME: '/root', USER: 'root', TMPDIR: '/tmp', ...o.env };
    const r = (await this.ask({
      op: 'exec',
      path: latin1(path),
      argv: [o.argv0 ?? path, ...args].map(latin1),
      envv: Object.entries(env).map(([k, v]) => latin1(`${k}=${v}`)),
      cwd: latin1(o.cwd ?? '/'),
    })) as { pid: number; stream: number };
    const p = new Process(this, r.stream);
    p.pid = r.pid;
    this.processes.set(r.stream, p);
    for (const n of [1, 2]) {
      for (const d of this.early.get(r.stream + n) ?? []) p.received(n, d);
      this.early.delete(r.stream + n);
    }
    const end = this.earlyEnd.get(r.stream);
    if (end !== undefined) {
      this.earlyEnd.delete(r.stream);
      this.processes.delete(r.stream);
      p.ended(end);
    }
    return p;
  }

  async run(
    path: string,
    args: readonly string[] = [],
    o: ExecOptions & { input?: string | Uint8Array } = {},
  ): Promise<RunResult> {
    const p = await this.exec(path, args, o);
    const collect = async (s: Readable): Promise<Buffer> => {
      const parts: Buffer[] = [];
      for await (const d of s) parts.push(d as Buffer);
      return Buffer.concat(parts);
    };
    p.stdin.end(o.input ?? '');
    const [stdout, stderr, status] = await Promise.all([collect(p.stdout), collect(p.stderr), p.exited]);
    return { ...status, stdout, stderr };
  }

  readFile(path: string): Promise<Buffer>;
  readFile(path: string, encoding: BufferEncoding): Promise<string>;
  async readFile(path: string, encoding?: BufferEncoding): Promise<Buffer | string> {
    const b = Buffer.from((await this.ask({ op: 'read', path: latin1(path) })) as Uint8Array);
    return encoding === undefined ? b : b.toString(encoding);
  }
  async writeFile(path: string, data: string | Uint8Array, o: { mode?: number } = {}): Promise<void> {
    const d = typeof data === 'string' ? Uint8Array.from(Buffer.from(data)) : Uint8Array.from(data);
    await this.ask({ op: 'write', path: latin1(path), data: d, mode: o.mode ?? 0o644 });
  }
  async sync(): Promise<void> {
    await this.ask({ op: 'sync' });
  }
  async snapshot(name: string): Promise<void> {
    await this.ask({ op: 'snapshot', name });
  }
  async rollback(name: string): Promise<void> {
    const e = error('vkernel: rolled back', null);
    const lost = [...this.processes.values()];
    this.processes.clear();
    for (const p of lost) p.lost(e);
    await this.ask({ op: 'rollback', name });
  }
  ddb(command: string): Promise<string> {
    return this.ask({ op: 'ddb', command }) as Promise<string>;
  }

  stop(): Promise<void> {
    if (this.stopped === null) {
      if (!this.running) return Promise.resolve();
      const end = new Promise<void>((resolve) => this.once('exit', () => resolve()));
      this.stopped = this.ask({ op: 'stop' }).then(
        () => end,
        () => end,
      );
    }
    return this.stopped;
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Let the kernel begin. */
  async begin(boot: ChildBoot): Promise<this> {
    try {
      await this.ask({ op: 'boot', boot });
      return this;
    } catch (e) {
      // It holds nothing yet that it would have to write out.
      if (this.running) this.child.kill('SIGKILL');
      throw e;
    }
  }
}

export async function boot(o: BootOptions = {}): Promise<Vkernel> {
  const root = typeof o.root === 'string' ? { image: o.root } : o.root;
  for (const m of o.mounts ?? [])
    if (!isAbsolute(m.guest)) throw new TypeError(`vkernel: guest path '${m.guest}' is not absolute`);
  const cpus = o.cpus ?? 1;
  if (!(Number.isInteger(cpus) && cpus > 0 && cpus <= 64)) throw new TypeError(`vkernel: bad number of CPUs '${cpus}'`);
  // Looked at before there is a process.
  const options: ChildBoot = {
    memoryBytes: bytes(o.memory ?? '256m', 'memory'),
    ncpus: cpus,
    root:
      root === undefined ? null : { path: resolvePath(root.image), sizeBytes: bytes(root.size ?? '1g', 'root size') },
    disks: (o.disks ?? []).map((d) =>
      typeof d === 'string'
        ? { path: resolvePath(d), serno: '', mode: 'rw' }
        : { path: resolvePath(d.path), serno: d.serno ?? '', mode: d.mode ?? 'rw' },
    ),
    mounts: (o.mounts ?? []).map((m) => ({ host: resolvePath(m.host), guest: m.guest, write: m.write === true })),
    kenv: Object.entries(o.kenv ?? {}),
  };
  return new Kernel().begin(options);
}
