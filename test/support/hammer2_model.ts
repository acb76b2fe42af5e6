/**
 * Random operations on a PFS and on a model of it in memory: results and errnos have to agree, and so has everything that
 * can be read afterwards.
 */
import { runSync } from '../../vkernel/sys/blocking.js';
import { Errno } from '../../vkernel/sys/errno.js';
import { ObjType } from '../../vkernel/vfs/hammer2/disk.js';
import type { PfsCore } from '../../vkernel/vfs/hammer2/pfs.js';

/** A small fast generator: the same seed gives the same run. */
export class Rng {
  private s: number;
  constructor(seed: number) {
    this.s = (seed ^ 0x9e3779b9) >>> 0;
  }
  /** Start anew: what comes now depends on this number alone. */
  reseed(seed: number): void {
    this.s = (seed ^ 0x9e3779b9) >>> 0;
  }
  next(): number {
    let t = (this.s = (this.s + 0x6d2b79f5) >>> 0);
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }
  below(n: number): number {
    return this.next() % n;
  }
  pick<T>(a: readonly T[]): T {
    return a[this.below(a.length)];
  }
  /** Bytes: noise, text or zeros. */
  bytes(n: number): Uint8Array {
    const b = new Uint8Array(n);
    const kind = this.below(4);
    if (kind === 0) return b;
    for (let i = 0, x = this.next(); i < n; i++) {
      if (kind > 1 || i % 97 === 0) x = Math.imul(x, 1664525) + 1013904223;
      b[i] = kind === 1 ? 97 + ((x >>> 24) % 3) : x >>> 24;
    }
    return b;
  }
}

export interface MNode {
  inum: number;
  type: ObjType;
  mode: number;
  data: Uint8Array;
  /** Directories. */
  kids: Map<string, MNode>;
  nlinks: number;
  parent: MNode | null;
}

// Three names of one hash, a long one, and ordinary ones.
const NAMES = [
  'ieqh.524y.bbb8.rogu.ayn1.y1a2.ng5b',
  'y1a2.rogu.bbb8.ieqh.ng5b.524y.ayn1',
  'rogu.524y.ayn1.ieqh.bbb8.y1a2.ng5b',
  'long'.repeat(40),
  'x'.repeat(255),
  'n'.repeat(65),
  'n'.repeat(64),
  ...Array.from({ length: 40 }, (_, i) => `f${i}`),
];

const newNode = (inum: number, type: ObjType, mode: number, parent: MNode | null): MNode => ({
  inum,
  type,
  mode,
  data: new Uint8Array(0),
  kids: new Map(),
  nlinks: 1,
  parent,
});

export class Model {
  root = newNode(1, ObjType.DIRECTORY, 0o755, null);
  /** Open files without a name. */
  held: MNode[] = [];
  readonly counts = new Map<string, number>();

  constructor(
    public p: PfsCore,
    readonly rng: Rng,
    readonly maxFile = 300_000,
  ) {}

  dirs(): MNode[] {
    const out = [this.root];
    for (const d of out) for (const k of d.kids.values()) if (k.type === ObjType.DIRECTORY) out.push(k);
    return out;
  }
  files(): MNode[] {
    const out = new Set<MNode>();
    for (const d of this.dirs()) for (const k of d.kids.values()) if (k.type === ObjType.REGFILE) out.add(k);
    return [...out, ...this.held];
  }

  private same(what: string, got: unknown, want: string | null): void {
    const g = got instanceof Errno ? got.name : null;
    if (g !== want) throw new Error(`${what}: ${g ?? 'success'} instead of ${want ?? 'success'}`);
    const key = `${what.split(' ')[0]} ${want ?? 'ok'}`;
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
  }

  private isBelow(d: MNode, top: MNode): boolean {
    for (let x: MNode | null = d; x !== null; x = x.parent) if (x === top) return true;
    return false;
  }
  private unlinked(n: MNode): void {
    n.nlinks--;
  }

  /** One random operation. */
  step(): void {
    const { rng, p } = this;
    const dir = rng.pick(this.dirs());
    const name = rng.pick(NAMES);
    const old = dir.kids.get(name);
    const op = rng.below(100);
    if (op < 22) {
      const type = rng.pick([
        ObjType.REGFILE,
        ObjType.REGFILE,
        ObjType.REGFILE,
        ObjType.DIRECTORY,
        ObjType.SOFTLINK,
        ObjType.FIFO,
      ]);
      const target = rng.pick(['t', 'u'.repeat(500), 'v'.repeat(700)]);
      const r = runSync(p.create(dir.inum, name, { type, mode: 0o640, uid: 5, gid: 6, target }));
      this.same(`create ${name}`, r, old ? 'EEXIST' : null);
      if (r instanceof Errno) return;
      const n = newNode(r, type, 0o640, type === ObjType.DIRECTORY ? dir : null);
      if (type === ObjType.SOFTLINK) n.data = new TextEncoder().encode(target);
      dir.kids.set(name, n);
    } else if (op < 50) {
      const f = this.files();
      if (f.length === 0) return;
      this.write(rng.pick(f));
    } else if (op < 58) {
      const f = this.files();
      if (f.length === 0) return;
      const n = rng.pick(f);
      const size = rng.below(3) === 0 ? rng.below(700) : rng.below(this.maxFile);
      this.same('truncate', runSync(p.truncate(n.inum, size)), null);
      const data = new Uint8Array(size);
      data.set(n.data.subarray(0, size));
      n.data = data;
    } else if (op < 68) {
      const r = runSync(p.unlink(dir.inum, name));
      this.same('unlink', r, old === undefined ? 'ENOENT' : old.type === ObjType.DIRECTORY ? 'EISDIR' : null);
      if (r !== null || old === undefined) return;
      dir.kids.delete(name);
      this.unlinked(old);
    } else if (op < 73) {
      const r = runSync(p.rmdir(dir.inum, name));
      const want =
        old === undefined
          ? 'ENOENT'
          : old.type !== ObjType.DIRECTORY
            ? 'ENOTDIR'
            : old.kids.size > 0
              ? 'ENOTEMPTY'
              : null;
      this.same('rmdir', r, want);
      if (want === null) dir.kids.delete(name);
    } else if (op < 79) {
      const f = this.files().filter((x) => !this.held.includes(x));
      if (f.length === 0) return;
      const n = rng.pick(f);
      this.same('link', runSync(p.link(n.inum, dir.inum, name)), old ? 'EEXIST' : null);
      if (old) return;
      n.nlinks++;
      dir.kids.set(name, n);
    } else if (op < 92) this.rename(dir, name, old);
    else if (op < 95) {
      const n = old ?? dir;
      const mode = rng.below(0o10000);
      this.same('setattr', runSync(p.setattr(n.inum, { mode })), null);
      n.mode = mode;
    } else if (op < 97) {
      // Open a file and remove its name; or close one that has none.
      if (this.held.length > 2 || (this.held.length > 0 && rng.below(2) === 0)) {
        const n = this.held.splice(rng.below(this.held.length), 1)[0];
        p.drop(n.inum);
        return;
      }
      if (old?.type !== ObjType.REGFILE || old.nlinks !== 1 || this.held.includes(old)) return;
      p.hold(old.inum);
      this.same('unlink', runSync(p.unlink(dir.inum, name)), null);
      dir.kids.delete(name);
      this.unlinked(old);
      this.held.push(old);
    } else if (op < 98) {
      const n = old ?? dir;
      this.same('setcomp', runSync(p.setcomp(n.inum, rng.below(4), 0)), null);
    } else if (op < 99) {
      const n = old ?? dir;
      this.same('setcheck', runSync(p.setcheck(n.inum, rng.below(5))), null);
    } else this.same('sync', runSync(p.device.sync()), null);
  }

  private write(n: MNode): void {
    const { rng, p } = this;
    const off = rng.below(4) === 0 ? rng.below(this.maxFile) : rng.below(n.data.length + 1);
    const len = rng.pick([rng.below(100), rng.below(600), 4096, rng.below(100_000), 65536]);
    const at = rng.below(3) === 0 ? off - (off % 65536) : off;
    const b = rng.bytes(len);
    const r = runSync(p.write(n.inum, at, b, 0, len));
    this.same('write', r, null);
    if (len === 0) return;
    const data = new Uint8Array(Math.max(n.data.length, at + len));
    data.set(n.data);
    data.set(b, at);
    n.data = data;
  }

  private rename(from: MNode, a: string, src: MNode | undefined): void {
    const { rng, p } = this;
    const to = rng.pick(this.dirs());
    const b = rng.pick(NAMES);
    const dst = to.kids.get(b);
    const r = runSync(p.rename(from.inum, a, to.inum, b));
    let want: string | null = null;
    const isDir = src?.type === ObjType.DIRECTORY;
    if (src === undefined) want = 'ENOENT';
    else if (dst === src) want = null;
    else if (dst !== undefined && isDir && dst.type !== ObjType.DIRECTORY) want = 'ENOTDIR';
    else if (dst !== undefined && !isDir && dst.type === ObjType.DIRECTORY) want = 'EISDIR';
    else if (dst !== undefined && dst.kids.size > 0) want = 'ENOTEMPTY';
    else if (isDir && this.isBelow(to, src)) want = 'EINVAL';
    this.same('rename', r, want);
    if (want !== null || src === undefined || dst === src) return;
    from.kids.delete(a);
    if (dst !== undefined) this.unlinked(dst);
    to.kids.set(b, src);
    if (isDir) src.parent = to;
  }

  /** Everything readable is as the model says. */
  verify(): void {
    const { p } = this;
    const fail = (path: string, what: string): never => {
      throw new Error(`${path}: ${what}`);
    };
    const visit = (d: MNode, path: string): void => {
      const names = new Map<string, number>();
      for (let cookie = 0, read = 1; read > 0;) {
        read = 0;
        const e = runSync(
          p.readdir(d.inum, cookie, (name, inum, _t, next) => {
            if (read === 5) return false;
            if (names.has(name)) fail(path, `${name} listed twice`);
            names.set(name, inum);
            cookie = next;
            read++;
            return true;
          }),
        );
        if (e !== null) fail(path, `readdir ${e.name}`);
      }
      if (names.get('.') !== d.inum || names.get('..') !== (d.parent ?? d).inum) fail(path, '. or ..');
      const got = [...names.keys()].filter((x) => x !== '.' && x !== '..').sort();
      if (got.join() !== [...d.kids.keys()].sort().join()) fail(path, `lists ${got.length} of ${d.kids.size}`);
      for (const [name, n] of d.kids) {
        if (runSync(p.lookup(d.inum, name)) !== n.inum) fail(`${path}/${name}`, 'lookup');
        this.verifyNode(n, `${path}/${name}`);
        if (n.type === ObjType.DIRECTORY) visit(n, `${path}/${name}`);
      }
    };
    visit(this.root, '');
    for (const n of this.held) this.verifyNode(n, `held ${n.inum}`);
  }

  private verifyNode(n: MNode, path: string): void {
    const { p } = this;
    const a = runSync(p.getattr(n.inum));
    if (a instanceof Errno) throw new Error(`${path}: getattr ${a.name}`);
    const want = [n.type, n.mode, n.type === ObjType.DIRECTORY ? 0 : n.data.length, n.nlinks];
    if ([a.type, a.mode, a.size, a.nlinks].join() !== want.join()) {
      throw new Error(`${path}: ${[a.type, a.mode, a.size, a.nlinks].join()} instead of ${want.join()}`);
    }
    if (n.type === ObjType.SOFTLINK) {
      const t = runSync(p.readlink(n.inum));
      if (t !== new TextDecoder().decode(n.data)) throw new Error(`${path}: target`);
    }
    if (n.type !== ObjType.REGFILE) return;
    const b = new Uint8Array(n.data.length);
    const r = runSync(p.read(n.inum, 0, b, 0, b.length));
    if (r !== b.length) throw new Error(`${path}: read ${r instanceof Errno ? r.name : r} of ${b.length}`);
    for (let i = 0; i < b.length; i++) {
      if (b[i] !== n.data[i]) throw new Error(`${path}: byte ${i} of ${b.length} is ${b[i]} instead of ${n.data[i]}`);
    }
  }
}
