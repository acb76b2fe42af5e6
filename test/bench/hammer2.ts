/**
 * npm run bench -- hammer2 [-s MB] [-n FILES] [-d DIR]: the same work on the file system of DIR (the temporary directory), on
 * HAMMER2 through FUSE, by the library without FUSE, and on btrfs over a loop device where the host has it; all images are
 * files in DIR. Caches are dropped before reading, which needs root: without it the read figures are of warm caches.
 *
 * Ratios are to the host's file system in the same run (more is better).
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  statfsSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Image } from '../../tools/h2/image.js';
import { done, must } from '../../tools/h2/paths.js';
import { type H2Pfs, ObjType } from '../../vkernel/vfs/hammer2/index.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const tool = (name: string): string => join(root, 'dist', 'tools', `${name}.js`);
const MIB = 2 ** 20;
const PIECE = MIB;

/** Name of a figure to its value: MB/s, or operations a second. */
type Figures = Map<string, number>;

/** A megabyte of which about half goes away when compressed, another one for each `seed`. */
function piece(seed: number): Uint8Array {
  const b = new Uint8Array(PIECE);
  let x = seed * 2654435761 + 1;
  for (let i = 0; i < b.length; i += 8) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    b[i] = x >>> 24;
    b[i + 1] = x >>> 16;
    b[i + 2] = x >>> 8;
    b[i + 3] = 32;
  }
  return b;
}
const pieces = Array.from({ length: 8 }, (_, i) => piece(i + 1));
/** The next one, no block of it like any before: nobody shall find it stored already. */
function fresh(i: number): Uint8Array {
  const b = pieces[i % pieces.length];
  for (let at = 0; at < b.length; at += 4096) new DataView(b.buffer).setUint32(at, ++stamp);
  return b;
}
let stamp = 0;

const seconds = (f: () => void): number => {
  const t0 = performance.now();
  f();
  return (performance.now() - t0) / 1000;
};

/** What all file systems are asked to do; each call in one go, whole files and durable at the end. */
interface Subject {
  write(name: string, mb: number): void;
  read(name: string, mb: number): void;
  /** Writes or reads of 4 KB at random places of a file that is there. */
  random(name: string, mb: number, count: number, write: boolean): void;
  create(dir: string, n: number): void;
  stat(dir: string, n: number): void;
  remove(dir: string, n: number): void;
  /** Nothing is cached any more. */
  cold(): void;
}

/** Places of 4 KB blocks, the same for all. */
function* places(mb: number, count: number): Generator<number> {
  let x = 12345;
  for (let i = 0; i < count; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    yield (x % (mb * 256)) * 4096;
  }
}

function dropCaches(): void {
  try {
    spawnSync('sync');
    writeFileSync('/proc/sys/vm/drop_caches', '3');
  } catch {
    // not root: caches stay warm
  }
}

class Directory implements Subject {
  constructor(private readonly at: string) {}
  private with(name: string, flags: string, f: (fd: number) => void): void {
    const fd = openSync(join(this.at, name), flags);
    try {
      f(fd);
    } finally {
      closeSync(fd);
    }
  }
  write(name: string, mb: number): void {
    this.with(name, 'w', (fd) => {
      for (let i = 0; i < mb; i++) writeSync(fd, fresh(i));
      fsyncSync(fd);
    });
  }
  read(name: string, mb: number): void {
    const b = new Uint8Array(PIECE);
    this.with(name, 'r', (fd) => {
      for (let i = 0; i < mb; i++) if (readSync(fd, b, 0, PIECE, i * MIB) !== PIECE) throw new Error('short read');
    });
  }
  random(name: string, mb: number, count: number, write: boolean): void {
    const b = pieces[0].slice(0, 4096);
    this.with(name, 'r+', (fd) => {
      for (const at of places(mb, count)) write ? writeSync(fd, b, 0, 4096, at) : readSync(fd, b, 0, 4096, at);
      if (write) fsyncSync(fd);
    });
  }
  create(dir: string, n: number): void {
    mkdirSync(join(this.at, dir));
    for (let i = 0; i < n; i++) closeSync(openSync(join(this.at, dir, `file${i}`), 'w'));
    this.with(dir, 'r', fsyncSync);
  }
  stat(dir: string, n: number): void {
    if (readdirSync(join(this.at, dir)).length !== n) throw new Error('files are missing');
    for (let i = 0; i < n; i++) statSync(join(this.at, dir, `file${i}`));
  }
  remove(dir: string, n: number): void {
    for (let i = 0; i < n; i++) unlinkSync(join(this.at, dir, `file${i}`));
    this.with(dir, 'r', fsyncSync);
  }
  cold(): void {
    dropCaches();
  }
}

class Library implements Subject {
  private image: Image;
  private pfs: H2Pfs;
  constructor(private readonly path: string) {
    this.image = Image.open([path], { write: true });
    this.pfs = this.image.pfs(null);
  }
  private inum(name: string): number {
    return must(name, this.pfs.lookup(this.pfs.rootInum, name));
  }
  private make(dir: number, name: string, type: ObjType): number {
    return must(name, this.pfs.create(dir, name, { type, mode: 0o755, uid: 0, gid: 0 }));
  }
  private sync(): void {
    done('sync', this.image.device.sync());
  }
  write(name: string, mb: number): void {
    const f = this.make(this.pfs.rootInum, name, ObjType.REGFILE);
    for (let i = 0; i < mb; i++) must(name, this.pfs.write(f, i * MIB, fresh(i), 0, PIECE));
    this.sync();
  }
  read(name: string, mb: number): void {
    const b = new Uint8Array(PIECE);
    const f = this.inum(name);
    for (let i = 0; i < mb; i++) must(name, this.pfs.read(f, i * MIB, b, 0, PIECE));
  }
  random(name: string, mb: number, count: number, write: boolean): void {
    const b = pieces[0].slice(0, 4096);
    const f = this.inum(name);
    for (const at of places(mb, count))
      must(name, write ? this.pfs.write(f, at, b, 0, 4096) : this.pfs.read(f, at, b, 0, 4096));
    if (write) this.sync();
  }
  create(dir: string, n: number): void {
    const d = this.make(this.pfs.rootInum, dir, ObjType.DIRECTORY);
    for (let i = 0; i < n; i++) this.make(d, `file${i}`, ObjType.REGFILE);
    this.sync();
  }
  stat(dir: string, n: number): void {
    const d = this.inum(dir);
    for (let i = 0; i < n; i++) must(dir, this.pfs.getattr(must(dir, this.pfs.lookup(d, `file${i}`))));
  }
  remove(dir: string, n: number): void {
    const d = this.inum(dir);
    for (let i = 0; i < n; i++) done(dir, this.pfs.unlink(d, `file${i}`));
    this.sync();
  }
  cold(): void {
    this.close();
    dropCaches();
    this.image = Image.open([this.path], { write: true });
    this.pfs = this.image.pfs(null);
  }
  snapshotMs(): number {
    return 1000 * seconds(() => done('snapshot', this.image.device.snapshot(this.pfs.label, `snap${Date.now()}`)));
  }
  /** Time from nothing to a mounted PFS, after a power cut. */
  crashMs(): number {
    for (let i = 0; i < 2000; i++) this.make(this.pfs.rootInum, `crash${i}`, ObjType.REGFILE);
    this.sync();
    this.make(this.pfs.rootInum, 'lost', ObjType.REGFILE);
    this.image.abandon();
    return (
      1000 *
      seconds(() => {
        this.image = Image.open([this.path], { write: true });
        this.pfs = this.image.pfs(null);
      })
    );
  }
  close(): void {
    done('unmount', this.pfs.unmount());
    this.image.close();
  }
}

interface Sizes {
  mb: number;
  files: number;
  random: number;
}

function measure(s: Subject, z: Sizes): Figures {
  const f: Figures = new Map();
  const rate = (name: string, n: number, work: () => void): void => void f.set(name, n / seconds(work));
  rate('sequential write, MB/s', z.mb, () => s.write('big', z.mb));
  s.cold();
  rate('sequential read, MB/s', z.mb, () => s.read('big', z.mb));
  rate('random 4 KB writes /s', z.random, () => s.random('big', z.mb, z.random, true));
  s.cold();
  rate('random 4 KB reads /s', z.random, () => s.random('big', z.mb, z.random, false));
  rate('create, files/s', z.files, () => s.create('many', z.files));
  s.cold();
  rate('stat, files/s', z.files, () => s.stat('many', z.files));
  rate('remove, files/s', z.files, () => s.remove('many', z.files));
  return f;
}

const sleep = (ms: number): Promise<void> => new Promise((r) => setTimeout(r, ms));

async function throughFuse(img: string, mnt: string, z: Sizes, options: string[]): Promise<Figures | string> {
  const server: ChildProcess = spawn(
    process.execPath,
    ['--max-semi-space-size=64', tool('vkernel'), 'mount', '-f', ...options, img, mnt],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  let why = '';
  server.stderr?.on('data', (b: Buffer) => (why += b.toString()));
  const FUSE_SUPER = 0x65735546;
  for (let i = 0; statfsSync(mnt).type !== FUSE_SUPER; i++) {
    if (server.exitCode !== null || i > 500) return `no FUSE: ${why.trim()}`;
    await sleep(10);
  }
  try {
    return measure(new Directory(mnt), z);
  } finally {
    spawnSync(process.execPath, [tool('vkernel'), 'umount', mnt]);
  }
}

function onBtrfs(dir: string, mnt: string, z: Sizes): Figures | string {
  const img = join(dir, 'btrfs.img');
  writeFileSync(img, '');
  truncateSync(img, (z.mb * 3 + 1024) * MIB);
  const mk = spawnSync('mkfs.btrfs', ['-q', img], { encoding: 'utf8' });
  if (mk.status !== 0) return `no btrfs: ${mk.error?.message ?? mk.stderr.trim()}`;
  const m = spawnSync('mount', ['-o', 'loop,compress=lzo', img, mnt], { encoding: 'utf8' });
  if (m.status !== 0) return `no btrfs: ${m.stderr.trim()}`;
  try {
    return measure(new Directory(mnt), z);
  } finally {
    spawnSync('umount', [mnt]);
    rmSync(img);
  }
}

export async function hammer2Bench(argv: readonly string[]): Promise<void> {
  const opt = (flag: string, byDefault: string): string => {
    const i = argv.indexOf(flag);
    return i < 0 ? byDefault : argv[i + 1];
  };
  const z: Sizes = { mb: Number(opt('-s', '2048')), files: Number(opt('-n', '50000')), random: 20_000 };
  const dir = mkdtempSync(join(opt('-d', tmpdir()), 'vkernel-bench-h2-'));
  const mnt = join(dir, 'mnt');
  mkdirSync(mnt);
  const results: [string, Figures | string][] = [];
  const image = (comp: string): string => {
    const img = join(dir, `${comp}.img`);
    rmSync(img, { force: true });
    const size = `${z.mb * 3 + 2048}m`;
    const r = spawnSync(process.execPath, [tool('newfs_hammer2'), '-q', '-s', size, '-L', 'DATA', '-C', comp, img], {
      encoding: 'utf8',
    });
    if (r.status !== 0) throw new Error(r.stderr);
    return img;
  };
  try {
    mkdirSync(join(dir, 'host'));
    results.push(['host', measure(new Directory(join(dir, 'host')), z)]);
    rmSync(join(dir, 'host'), { recursive: true });
    for (const comp of ['none', 'lz4']) {
      const img = image(comp);
      results.push([`FUSE, ${comp}`, await throughFuse(img, mnt, z, [])]);
      rmSync(img);
    }
    const wb = image('lz4');
    results.push(['FUSE, lz4, writeback', await throughFuse(wb, mnt, z, ['-o', 'writeback'])]);
    rmSync(wb);
    for (const comp of ['none', 'lz4']) {
      const img = image(comp);
      const lib = new Library(img);
      const f = measure(lib, z);
      f.set('snapshot, ms', lib.snapshotMs());
      f.set('mount after a crash, ms', lib.crashMs());
      lib.close();
      results.push([`library, ${comp}`, f]);
      rmSync(img);
    }
    results.push(['btrfs, lzo', existsSync('/sbin/mkfs.btrfs') ? onBtrfs(dir, mnt, z) : 'no mkfs.btrfs']);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  print(results, z);
}

function print(results: [string, Figures | string][], z: Sizes): void {
  console.log(`${z.mb} MB, ${z.files} files, ${z.random} blocks of 4 KB; in brackets: times the host's rate`);
  const host = results[0][1] as Figures;
  const names = [...new Set(results.flatMap(([, f]) => (typeof f === 'string' ? [] : [...f.keys()])))];
  const num = (v: number): string => (v >= 100 ? Math.round(v).toLocaleString('en-US') : v.toFixed(1));
  for (const [title, f] of results) if (typeof f === 'string') console.log(`${title}: ${f}`);
  const cols = results.filter(([, f]) => typeof f !== 'string') as [string, Figures][];
  const rows = [['', ...cols.map(([t]) => t)]];
  for (const n of names) {
    const h = host.get(n);
    rows.push([
      n,
      ...cols.map(([, f]) =>
        f.has(n) ? num(f.get(n)!) + (h === undefined ? '' : ` (${(f.get(n)! / h).toFixed(2)})`) : '-',
      ),
    ]);
  }
  const w = rows[0].map((_, i) => Math.max(...rows.map((r) => r[i].length)));
  for (const r of rows) console.log(r.map((c, i) => (i === 0 ? c.padEnd(w[i]) : c.padStart(w[i]))).join('  '));
}
