/**
 * The process of one kernel of the library: it boots at its parent's request and serves it until it is told to stop or the
 * parent is gone.
 */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { createHostMachine, type HostMachine } from '../../vkernel/machine/host/index.js';
import { hostCodecs } from '../../vkernel/machine/host/codecs.js';
import type { MachConsole, MachStream } from '../../vkernel/machine/machine.js';
import { Kernel } from '../../vkernel/kern/init_main.js';
import {
  embedKill,
  embedRead,
  embedRun,
  embedSnapshot,
  embedSpawn,
  embedWrite,
} from '../../vkernel/kern/kern_embed.js';
import { EAGAIN, Errno } from '../../vkernel/sys/errno.js';
import { gd } from '../../vkernel/sys/globaldata.js';
import { hammer2SetCodecs } from '../../vkernel/vfs/hammer2/hammer2_vfsops.js';
import { hammer2Open } from '../../vkernel/vfs/hammer2/open.js';
import { vfsSyncAll } from '../../vkernel/vfs/vfs_mount.js';
import type { Blocking } from '../../vkernel/sys/blocking.js';
import type { DdbPort } from '../../vkernel/ddb/port.js';
import { Sources } from '../debug/source_map.js';
import { must } from '../hammer2/session.js';
import { HostBlockDevice } from '../host_blockdev.js';
import { makeRootImage } from '../root_image.js';
import type { ChildBoot, FromChild, Request, ToChild } from './protocol.js';

/** Output that the parent has not taken yet, before a program has to wait. */
const AHEAD = 2 ** 20;
const ROOT = 'ROOT';

const say = (m: FromChild): void => void process.send?.(m);

/** One of a program's three streams; its other end is in the parent. */
class LibStream implements MachStream {
  readonly kind = 'pipe';
  private input: Uint8Array[] = [];
  private eof = false;
  private ahead = 0;
  constructor(readonly index: number) {}

  read(buf: Uint8Array): number | Errno {
    const first = this.input[0];
    if (first === undefined) return this.eof ? 0 : EAGAIN;
    const n = Math.min(buf.length, first.length);
    buf.set(first.subarray(0, n));
    if (n === first.length) this.input.shift();
    else this.input[0] = first.subarray(n);
    return n;
  }
  write(buf: Uint8Array): number | Errno {
    if (this.ahead >= AHEAD) return EAGAIN;
    this.ahead += buf.length;
    say({ stream: this.index, data: buf.slice() });
    return buf.length;
  }
  push(data: Uint8Array | null): void {
    if (data === null) this.eof = true;
    else if (data.length > 0) this.input.push(data);
  }
  taken(n: number): void {
    this.ahead -= n;
  }
}

class RequestError extends Error {
  constructor(
    message: string,
    readonly code: string | null,
  ) {
    super(message);
  }
}
const fail = (e: Errno, what: string): never => {
  throw new RequestError(`${what}: ${e.text}`, e.name);
};

class Server {
  private machine!: HostMachine;
  private kernel!: Kernel;
  private streams: LibStream[] = [];
  private options!: ChildBoot;
  /** Resolves when the current kernel has ended. */
  private ended: Promise<void> = Promise.resolve();
  private stopping = false;

  async start(): Promise<void> {
    const o = this.options;
    this.streams = [];
    const machine = createHostMachine({
      memoryBytes: o.memoryBytes,
      ncpus: o.ncpus,
      disks: [...(o.root === null ? [] : [{ path: o.root.path, serno: '', mode: 'rw' as const }]), ...o.disks],
      console: 'none',
      streams: false,
    });
    this.machine = machine;
    const cons: MachConsole = {
      isatty: false,
      write: (d) => say({ console: Buffer.from(d).toString('latin1') }),
      size: () => ({ rows: 0, cols: 0, xpixel: 0, ypixel: 0 }),
    };
    Object.assign(machine, { console: cons, streams: this.streams });
    const mounts = o.mounts.map((m) => {
      const dir = machine.openHostDir(m.host, m.write);
      return dir instanceof Errno ? fail(dir, m.host) : { dir, guest: m.guest, write: m.write, from: m.host };
    });
    let ready: () => void = () => undefined;
    const up = new Promise<void>((resolve) => (ready = resolve));
    this.kernel = new Kernel(machine, {
      version: 'library',
      kenv: new Map([...(o.root === null ? [['vfs.root.mountfrom', 'tmpfs'] as [string, string]] : []), ...o.kenv]),
      singleUser: false,
      verbose: 0,
      term: 'dumb',
      strace: false,
      straceOut: () => undefined,
      ddb: ddbPort(),
      embed: ready,
      embedMounts: mounts,
      run: null,
    });
    const end = this.kernel.run().then(
      () => null,
      (e: unknown) => e,
    );
    this.ended = end.then((e) => {
      if (e === null) return;
      say({ panic: e instanceof Error ? (e.stack ?? e.message) : String(e) });
    });
    const first = await Promise.race([up.then(() => 'up'), end]);
    if (first !== 'up') throw new RequestError(`boot: ${first instanceof Error ? first.message : 'ended'}`, null);
    void end.then((e) => {
      if (e !== null) process.exit(134);
      if (!this.stopping) process.exit(0);
    });
  }

  /** Run on a kernel thread. */
  private inKernel<T>(body: () => Blocking<T>): Promise<T> {
    return new Promise((resolve) => this.machine.post(() => embedRun(body, resolve)));
  }

  private streamBase(): number {
    this.streams.push(...[0, 1, 2].map((i) => new LibStream(this.streams.length + i)));
    return this.streams.length - 3;
  }

  private async stopKernel(): Promise<void> {
    this.stopping = true;
    this.machine.post(() =>
      embedRun(
        () => gd.shutdown('halt'),
        () => undefined,
      ),
    );
    await this.ended;
    this.stopping = false;
  }

  private async rollback(name: string): Promise<void> {
    const image = this.options.root?.path;
    if (image === undefined) throw new RequestError('rollback: the root is no disk', 'EOPNOTSUPP');
    await this.stopKernel();
    const dev = new HostBlockDevice(image, { write: true });
    let error: unknown = null;
    try {
      const codecs = hostCodecs();
      const random = (b: Uint8Array): void => void crypto.getRandomValues(b);
      const fs = must('open', hammer2Open([dev], { nowUs: () => Date.now() * 1000, random, codecs }));
      try {
        // Refused before the old root goes: there must be such a snapshot, and it must mount.
        const m = must(name, fs.mount(name));
        must(name, m.unmount());
        must('delete', fs.pfsDelete(ROOT));
        must('snapshot', fs.snapshot(name, ROOT));
      } finally {
        must('close', fs.close());
      }
    } catch (e) {
      error = e;
    } finally {
      dev.close();
    }
    await this.start();
    if (error !== null) throw error as Error;
  }

  async handle(r: Request): Promise<unknown> {
    switch (r.op) {
      case 'boot': {
        this.options = r.boot;
        hammer2SetCodecs(hostCodecs());
        const { root } = r.boot;
        if (root !== null && !existsSync(root.path)) {
          if (!existsSync(dirname(root.path))) throw new RequestError(`${root.path}: no such directory`, 'ENOENT');
          makeRootImage(root.path, root.sizeBytes);
        }
        return this.start();
      }
      case 'exec': {
        const stream = this.streamBase();
        const pid = await new Promise<number | Errno>((resolve) =>
          this.machine.post(() =>
            embedSpawn({ ...r, stream, started: resolve, ended: (status) => say({ ended: stream, status }) }),
          ),
        );
        return pid instanceof Errno ? fail(pid, r.path) : { pid, stream };
      }
      case 'kill':
        return new Promise((resolve) => this.machine.post(() => resolve(embedKill(r.pid, r.signal))));
      case 'read': {
        const d = await this.inKernel(() => embedRead(r.path));
        return d instanceof Errno ? fail(d, r.path) : d;
      }
      case 'write': {
        const e = await this.inKernel(() => embedWrite(r.path, r.data, r.mode));
        return e === null ? null : fail(e, r.path);
      }
      case 'sync':
        await this.inKernel(() => vfsSyncAll());
        return null;
      case 'snapshot': {
        const e = await this.inKernel(() => embedSnapshot(r.name));
        return e === null ? null : fail(e, `snapshot ${r.name}`);
      }
      case 'rollback':
        return this.rollback(r.name);
      case 'ddb':
        return new Promise((resolve) =>
          this.machine.post(() => {
            output = '';
            gd.ddb?.run(r.command);
            resolve(output);
          }),
        );
      case 'stop':
        return this.stopKernel();
    }
  }

  traffic(index: number, m: { data?: Uint8Array | null; taken?: number }): void {
    const s = this.streams[index];
    if (s === undefined) return;
    if (m.taken !== undefined) s.taken(m.taken);
    else s.push(m.data ?? null);
    this.machine.post((h) => h.onStreamReady(index));
  }
}

let output = '';
/** ddb for the commands of Vkernel.ddb(): nobody can be asked. */
function ddbPort(): DdbPort {
  const sources = new Sources();
  return {
    readLine: () => null,
    write: (t) => void (output += t),
    freeze: () => undefined,
    thaw: () => undefined,
    engine: () => null,
    source: (f, l, c) => sources.original(f, l, c),
    sourceLine: (f, l) => sources.line(f, l),
    scripted: false,
    inspecting: false,
    usable: false,
  };
}

const server = new Server();
process.on('disconnect', () => process.exit(0));
process.on('message', (m: ToChild) => {
  if ('stream' in m) {
    server.traffic(m.stream, m);
    return;
  }
  const { id, request } = m;
  server.handle(request).then(
    (result) => {
      say({ id, result });
      if (request.op === 'stop') process.disconnect();
    },
    (e: unknown) =>
      say({
        id,
        error: e instanceof Error ? e.message : String(e),
        code: e instanceof RequestError ? e.code : null,
      }),
  );
});
