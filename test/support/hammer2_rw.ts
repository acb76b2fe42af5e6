/** Helpers of tests of the read-write HAMMER2 library: a device in memory, opening, and operations by path. */
import { check } from '../../tools/hammer2/check/check.js';
import type { BlockDevice } from '../../vkernel/sys/blockdev.js';
import { type Blocking, runSync } from '../../vkernel/sys/blocking.js';
import { EIO, ENOENT, ENXIO, Errno } from '../../vkernel/sys/errno.js';
import type { H2Create, H2OpenOptions } from '../../vkernel/vfs/hammer2/api.js';
import { ObjType } from '../../vkernel/vfs/hammer2/disk.js';
import { Fs } from '../../vkernel/vfs/hammer2/fs.js';
import { type NewfsOptions, newfs } from '../../vkernel/vfs/hammer2/newfs.js';
import type { PfsCore } from '../../vkernel/vfs/hammer2/pfs.js';
import { MemDevice } from './hammer2_build.js';
import { must } from './hammer2_tree.js';

/** A device whose writes stay in memory. */
export class CowDevice implements BlockDevice {
  readonly readonly = false;
  readonly sizeBytes: number;
  private readonly blocks = new Map<number, Uint8Array>();
  constructor(private readonly base: BlockDevice) {
    this.sizeBytes = base.sizeBytes;
  }
  get name(): string {
    return this.base.name;
  }
  private block(at: number): Uint8Array {
    let b = this.blocks.get(at);
    if (b === undefined) {
      b = new Uint8Array(65536);
      must(runSync(this.base.read(at, b)) ?? 0);
    }
    return b;
  }
  peek(off: number, len: number): Uint8Array {
    const out = new Uint8Array(len);
    for (let done = 0; done < len;) {
      const o = (off + done) % 65536;
      const n = Math.min(65536 - o, len - done);
      out.set(this.block(off + done - o).subarray(o, o + n), done);
      done += n;
    }
    return out;
  }
  *read(off: number, buf: Uint8Array): Blocking<Errno | null> {
    if (off < 0 || off + buf.length > this.sizeBytes) return ENXIO;
    buf.set(this.peek(off, buf.length));
    return null;
  }
  *write(off: number, buf: Uint8Array): Blocking<Errno | null> {
    for (let done = 0; done < buf.length;) {
      const o = (off + done) % 65536;
      const n = Math.min(65536 - o, buf.length - done);
      const b = this.block(off + done - o);
      b.set(buf.subarray(done, done + n), o);
      this.blocks.set(off + done - o, b);
      done += n;
    }
    return null;
  }
  *flush(): Blocking<Errno | null> {
    return null;
  }
}

/** A write log: what a power cut leaves is made from it. */
export type LogEntry = { off: number; data: Uint8Array } | 'flush';

/** Passes everything on and keeps a log of writes and flushes; fails or sleeps when told to. */
export class LogDevice implements BlockDevice {
  readonly readonly = false;
  readonly log: LogEntry[] = [];
  /** Operations to let through before all fail; -1: never. */
  failAfter = -1;
  error: Errno = EIO;
  /** Yields in each operation. */
  sleeps = 0;
  constructor(
    private readonly base: BlockDevice,
    private readonly keep = true,
  ) {}
  get name(): string {
    return this.base.name;
  }
  get sizeBytes(): number {
    return this.base.sizeBytes;
  }
  private *fault(): Blocking<Errno | null> {
    for (let i = 0; i < this.sleeps; i++) yield;
    if (this.failAfter < 0) return null;
    if (this.failAfter === 0) return this.error;
    this.failAfter--;
    return null;
  }
  *read(off: number, buf: Uint8Array): Blocking<Errno | null> {
    for (let i = 0; i < this.sleeps; i++) yield;
    return yield* this.base.read(off, buf);
  }
  *write(off: number, buf: Uint8Array): Blocking<Errno | null> {
    const e = yield* this.fault();
    if (e !== null) return e;
    if (this.keep) this.log.push({ off, data: buf.slice() });
    return yield* this.base.write(off, buf);
  }
  *flush(): Blocking<Errno | null> {
    const e = yield* this.fault();
    if (e !== null) return e;
    if (this.keep) this.log.push('flush');
    return yield* this.base.flush();
  }
}

let clock = 1_700_000_000_000_000;
/** Options with a clock that goes one microsecond a look, and random bytes that are none. */
export function testOptions(o: Partial<H2OpenOptions> = {}): H2OpenOptions {
  let seed = 1;
  return {
    nowUs: () => ++clock,
    random: (b) => {
      for (let i = 0; i < b.length; i++) b[i] = seed = (Math.imul(seed, 1103515245) + 12345) >>> 16;
    },
    ...o,
  };
}

export function openRw(dev: BlockDevice | readonly BlockDevice[], o: Partial<H2OpenOptions> = {}): Fs {
  const devs = 'read' in dev ? [dev] : dev;
  return must(runSync(Fs.open(devs, testOptions(o))), 'open');
}

/** Forgets file data (whole blocks of 64 KiB outside of the reserved areas): for volumes that would not fit memory. */
export class ForgetfulDevice extends MemDevice {
  forget = false;
  override *write(off: number, buf: Uint8Array): Blocking<Errno | null> {
    if (this.forget && buf.length === 65536 && off % 2 ** 30 >= 2 ** 22) return null;
    return yield* super.write(off, buf);
  }
}

/** A volume in memory as newfs makes it, with LOCAL and DATA. */
export function freshVolume(bytes: number, o: Partial<NewfsOptions> = {}): MemDevice {
  const dev = new MemDevice('vkd0', bytes);
  must(
    runSync(newfs([dev], { nowUs: 1_600_000_000_000_000, random: testOptions().random, blank: true, ...o })),
    'newfs',
  );
  return dev;
}

interface Peek {
  readonly sizeBytes: number;
  peek(off: number, len: number): Uint8Array;
}
/** What the checker finds, errors and warnings, a line each. */
export function faults(dev: Peek | readonly Peek[], o: { older?: boolean; errorsOnly?: boolean } = {}): string[] {
  const devs = 'peek' in dev ? [dev] : dev;
  const r = check(
    devs.map((d) => ({ size: d.sizeBytes, read: (off, len) => d.peek(off, len) })),
    { olderHeaders: o.older ?? false },
  );
  if (r.fatal !== null) return [r.fatal];
  // A file with several names says of which directory it was last; the others may go.
  const list = r.findings.filter((f) => f.level === 'error' || (o.errorsOnly !== true && f.code !== 'parent'));
  return list.map((f) => `${f.level} ${f.code}: ${f.where}: ${f.message}`);
}

export const defaults: Omit<H2Create, 'type'> = { mode: 0o644, uid: 0, gid: 0 };

/** Operations by path over a PFS, run to the end; they throw what fails. */
export class ByPath {
  constructor(readonly p: PfsCore) {}
  tryInum(path: string): number | Errno {
    let at: number | Errno = this.p.rootInum;
    for (const part of path.split('/')) {
      if (part === '') continue;
      at = runSync(this.p.lookup(at, part));
      if (at instanceof Errno) return at;
    }
    return at;
  }
  inum(path: string): number {
    return must(this.tryInum(path), path);
  }
  split(path: string): [number, string] {
    const i = path.lastIndexOf('/');
    return [this.inum(path.slice(0, Math.max(0, i))), path.slice(i + 1)];
  }
  create(path: string, what: Partial<H2Create> & { type: ObjType }): number {
    return must(runSync(this.p.create(...this.split(path), { ...defaults, ...what })), `create ${path}`);
  }
  file(path: string, data: Uint8Array | string = ''): number {
    const old = this.tryInum(path);
    const n = old === ENOENT ? this.create(path, { type: ObjType.REGFILE }) : must(old);
    const b = typeof data === 'string' ? new TextEncoder().encode(data) : data;
    must(runSync(this.p.truncate(n, 0)) ?? 0);
    must(runSync(this.p.write(n, 0, b, 0, b.length)));
    return n;
  }
  mkdir(path: string): number {
    return this.create(path, { type: ObjType.DIRECTORY, mode: 0o755 });
  }
  read(path: string): Uint8Array {
    const n = this.inum(path);
    const size = must(runSync(this.p.getattr(n))).size;
    const b = new Uint8Array(size);
    const got = must(runSync(this.p.read(n, 0, b, 0, size)), `read ${path}`);
    if (got !== size) throw new Error(`${path}: ${got} of ${size} bytes`);
    return b;
  }
  text(path: string): string {
    return new TextDecoder().decode(this.read(path));
  }
  list(path: string): string[] {
    const out: string[] = [];
    must(runSync(this.p.readdir(this.inum(path), 0, (name) => out.push(name) > 0)) ?? 0, `readdir ${path}`);
    return out.slice(2);
  }
}
