import { expect } from 'chai';
import fc from 'fast-check';
import { mountHost } from '../../../vkernel/kern/vfs_init.js';
import { Errno } from '../../../vkernel/sys/errno.js';
import { Kit, O, type User } from './kit.js';

/** The file tree as POSIX and dragonfly-abi.md 7.6 have it, in the plainest terms: the oracle. */
class File {
  data = '';
}
class Dir {
  readonly names = new Map<string, File | Dir>();
}
type Node = File | Dir;
interface At {
  dir: Dir;
  name: string;
}

class Model {
  readonly root = new Dir();

  /** Directory and last name of a path, or an errno. */
  private at(path: string): At | string {
    const parts = path.split('/').filter((p) => p !== '');
    const name = parts.pop() as string;
    let n: Node = this.root;
    for (const p of parts) {
      if (!(n instanceof Dir)) return 'ENOTDIR';
      const next = n.names.get(p);
      if (next === undefined) return 'ENOENT';
      n = next;
    }
    return n instanceof Dir ? { dir: n, name } : 'ENOTDIR';
  }
  private find(path: string): { at: At; node: Node } | string {
    const at = this.at(path);
    if (typeof at === 'string') return at;
    const node = at.dir.names.get(at.name);
    return node === undefined ? 'ENOENT' : { at, node };
  }
  private below(d: Node, x: Dir): boolean {
    return d === x || (d instanceof Dir && [...d.names.values()].some((c) => this.below(c, x)));
  }

  mkdir(path: string): string | number {
    const at = this.at(path);
    if (typeof at === 'string') return at;
    if (at.dir.names.has(at.name)) return 'EEXIST';
    at.dir.names.set(at.name, new Dir());
    return 0;
  }
  create(path: string, data: string): string | number {
    const at = this.at(path);
    if (typeof at === 'string') return at;
    if (at.dir.names.has(at.name)) return 'EEXIST';
    const f = new File();
    f.data = data;
    at.dir.names.set(at.name, f);
    return 0;
  }
  overwrite(path: string, off: number, data: string): string | number {
    const r = this.find(path);
    if (typeof r === 'string') return r;
    if (r.node instanceof Dir) return 'EISDIR';
    const old = r.node.data.padEnd(off, '\0');
    r.node.data = old.slice(0, off) + data + old.slice(off + data.length);
    return 0;
  }
  truncate(path: string, size: number): string | number {
    const r = this.find(path);
    if (typeof r === 'string') return r;
    if (r.node instanceof Dir) return 'EISDIR';
    r.node.data = r.node.data.slice(0, size).padEnd(size, '\0');
    return 0;
  }
  unlink(path: string): string | number {
    const r = this.find(path);
    if (typeof r === 'string') return r;
    if (r.node instanceof Dir) return 'EISDIR';
    r.at.dir.names.delete(r.at.name);
    return 0;
  }
  rmdir(path: string): string | number {
    const r = this.find(path);
    if (typeof r === 'string') return r;
    if (!(r.node instanceof Dir)) return 'ENOTDIR';
    if (r.node.names.size > 0) return 'ENOTEMPTY';
    r.at.dir.names.delete(r.at.name);
    return 0;
  }
  link(from: string, to: string): string | number {
    const f = this.find(from);
    if (typeof f === 'string') return f;
    if (f.node instanceof Dir) return 'EPERM';
    const at = this.at(to);
    if (typeof at === 'string') return at;
    if (at.dir.names.has(at.name)) return 'EEXIST';
    at.dir.names.set(at.name, f.node);
    return 0;
  }
  rename(from: string, to: string): string | number {
    const f = this.find(from);
    if (typeof f === 'string') return f;
    const at = this.at(to);
    if (typeof at === 'string') return at;
    if (f.at.dir === at.dir && f.at.name === at.name) return 0;
    if (f.node instanceof Dir && this.below(f.node, at.dir)) return 'EINVAL';
    const t = at.dir.names.get(at.name);
    if (t !== undefined && t !== f.node) {
      if (f.node instanceof Dir && !(t instanceof Dir)) return 'ENOTDIR';
      if (!(f.node instanceof Dir) && t instanceof Dir) return 'EISDIR';
      if (t instanceof Dir && t.names.size > 0) return 'ENOTEMPTY';
    }
    f.at.dir.names.delete(f.at.name);
    at.dir.names.set(at.name, f.node);
    return 0;
  }

  /** Everything there is, one line each. */
  dump(): string[] {
    const links = new Map<Node, number>();
    const count = (d: Dir): void => {
      for (const n of d.names.values()) {
        if (n instanceof Dir) count(n);
        else links.set(n, (links.get(n) ?? 0) + 1);
      }
    };
    count(this.root);
    const out: string[] = [];
    const walk = (d: Dir, path: string): void => {
      const subdirs = [...d.names.values()].filter((n) => n instanceof Dir).length;
      out.push(`${path}/ nlink ${2 + subdirs}`);
      for (const [name, n] of [...d.names].sort(([a], [b]) => (a < b ? -1 : 1))) {
        if (n instanceof Dir) walk(n, `${path}/${name}`);
        else out.push(`${path}/${name} nlink ${links.get(n)} ${JSON.stringify(n.data)}`);
      }
    };
    walk(this.root, '');
    return out;
  }
}

function dumpReal(u: User, top: string): string[] {
  const out: string[] = [];
  const walk = (path: string): void => {
    const st = u.stat(top + path + '/');
    out.push(`${path}/ nlink ${st.nlink}`);
    const entries = u.ls(top + path + '/', 300).filter((d) => d.name !== '.' && d.name !== '..');
    expect(new Set(entries.map((d) => d.name)).size).to.equal(entries.length);
    for (const d of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const full = `${path}/${d.name}`;
      const s = u.stat(top + full);
      expect(d.ino).to.equal(s.ino);
      expect(d.type).to.equal(s.mode >> 12);
      if (d.type === 4) walk(full);
      else {
        const data = u.read(top + full);
        expect(s.size).to.equal(data.length);
        out.push(`${full} nlink ${s.nlink} ${JSON.stringify(data)}`);
      }
    }
  };
  walk('');
  return out;
}

const name = fc.constantFrom('a', 'b', 'c');
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((p) => '/' + p.join('/'));
const data = fc.string({ maxLength: 12, unit: fc.constantFrom('x', 'y', 'z') });
/** Offsets around page boundaries. */
const offset = fc.constantFrom(0, 1, 5, 4090, 4096, 4100, 8191);

type Op =
  | { op: 'mkdir' | 'unlink' | 'rmdir'; a: string }
  | { op: 'create'; a: string; data: string }
  | { op: 'overwrite'; a: string; off: number; data: string }
  | { op: 'truncate'; a: string; off: number }
  | { op: 'link' | 'rename'; a: string; b: string };

const op: fc.Arbitrary<Op> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ op: fc.constant('mkdir' as const), a: path }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('create' as const), a: path, data }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constantFrom('unlink' as const, 'rmdir' as const), a: path }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('overwrite' as const), a: path, off: offset, data }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('truncate' as const), a: path, off: offset }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('link' as const), a: path, b: path }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('rename' as const), a: path, b: path }) },
);

function apply(u: User, m: Model, top: string, o: Op): void {
  const p = top + o.a;
  let real: string | number;
  let want: string | number;
  switch (o.op) {
    case 'mkdir':
      real = u.err('mkdir', p, 0o755);
      want = m.mkdir(o.a);
      break;
    case 'unlink':
    case 'rmdir':
      real = u.err(o.op, p);
      want = m[o.op](o.a);
      break;
    case 'create': {
      const fd = u.err('open', p, O.CREAT | O.EXCL | O.RDWR, 0o644);
      real = fd;
      if (typeof fd === 'number') {
        if (o.data !== '') u.ok('write', fd, o.data, o.data.length);
        real = u.ok('close', fd);
      }
      want = m.create(o.a, o.data);
      break;
    }
    case 'overwrite': {
      const fd = u.err('open', p, O.WRONLY, 0);
      real = fd;
      if (typeof fd === 'number') {
        u.ok('extpwrite', fd, o.data, o.data.length, 0, o.off);
        real = u.ok('close', fd);
      }
      // A write of nothing extends nothing.
      want = o.data === '' ? m.overwrite(o.a, 0, '') : m.overwrite(o.a, o.off, o.data);
      break;
    }
    case 'truncate':
      real = u.err('truncate', p, 0, o.off);
      want = m.truncate(o.a, o.off);
      break;
    case 'link':
    case 'rename':
      real = u.err(o.op, p, top + o.b);
      want = m[o.op](o.a, o.b);
      break;
  }
  expect(real, JSON.stringify(o)).to.equal(want);
}

describe('file tree against a model', function () {
  this.timeout(60000);

  const runs = 150;
  it('tmpfs', () => {
    const k = new Kit();
    const u = k.proc();
    let n = 0;
    fc.assert(
      fc.property(fc.array(op, { maxLength: 100, size: 'max' }), (ops) => {
        k.enter();
        const top = `/t${n++}`;
        u.ok('mkdir', top, 0o755);
        const m = new Model();
        for (const o of ops) apply(u, m, top, o);
        expect(dumpReal(u, top)).to.deep.equal(m.dump());
      }),
      { numRuns: runs },
    );
  });

  it('hostfs, mounted for writing', () => {
    const k = new Kit();
    const u = k.proc();
    const dir = k.machine.openHostDir('/', true);
    if (dir instanceof Errno) throw new Error(dir.name);
    k.run(mountHost('/host', { dir, from: '/' }, true));
    let n = 0;
    fc.assert(
      fc.property(fc.array(op, { maxLength: 100, size: 'max' }), (ops) => {
        k.enter();
        const top = `/host/t${n++}`;
        u.ok('mkdir', top, 0o755);
        const m = new Model();
        for (const o of ops) apply(u, m, top, o);
        expect(dumpReal(u, top)).to.deep.equal(m.dump());
      }),
      { numRuns: runs },
    );
  });
});
