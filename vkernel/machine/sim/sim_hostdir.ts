/**
 * A host directory tree in memory, behind the HostDir interface.
 *
 * Built from a plain description: strings and bytes are files, objects directories, `{ link: 'target' }` symbolic links.
 */
import {
  EBADF,
  EEXIST,
  EINVAL,
  EISDIR,
  ELOOP,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  EPERM,
  EROFS,
  EXDEV,
  Errno,
} from '../../sys/errno.js';
import type { HostDir, HostNode, HostStat } from '../machine.js';

export type SimTree = { readonly [name: string]: string | Uint8Array | SimTree | SimLink };
export interface SimLink {
  readonly link: string;
}

const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;
const S_IFMT = 0o170000;
const DT_OF_MODE = 12;

class Inode {
  nlink = 1;
  data = new Uint8Array(0);
  readonly entries = new Map<string, Inode>();
  target = '';
  atimeNs = 0n;
  mtimeNs = 0n;
  ctimeNs = 0n;
  uid = 0;
  gid = 0;
  constructor(
    readonly fs: SimHostFs,
    readonly ino: number,
    public mode: number,
  ) {}
  get isDir(): boolean {
    return (this.mode & S_IFMT) === S_IFDIR;
  }
  stat(): HostStat {
    const size = this.isDir ? this.entries.size * 32 : this.target !== '' ? this.target.length : this.data.length;
    return {
      dev: 1,
      ino: this.ino,
      mode: this.mode,
      nlink: this.nlink,
      uid: this.uid,
      gid: this.gid,
      size,
      blocks: Math.ceil(size / 512),
      atimeNs: this.atimeNs,
      mtimeNs: this.mtimeNs,
      ctimeNs: this.ctimeNs,
    };
  }
}

export class SimHostFs {
  private nextIno = 2;
  readonly root: Inode;
  /** Handles open now, to find leaks. */
  openHandles = 0;

  constructor(
    tree: SimTree,
    readonly nowNs: () => bigint,
  ) {
    this.root = this.build(tree);
  }

  make(mode: number): Inode {
    const n = new Inode(this, this.nextIno++, mode);
    n.atimeNs = n.mtimeNs = n.ctimeNs = this.nowNs();
    if (n.isDir) n.nlink = 2;
    return n;
  }
  open(path: string, write: boolean): HostDir | Errno {
    let n = this.root;
    for (const part of path.split('/')) {
      if (part === '' || part === '.') continue;
      const next = n.entries.get(part);
      if (next === undefined) return ENOENT;
      n = next;
    }
    return n.isDir ? new SimHandle(n, write, write) : ENOTDIR;
  }
  /** Contents of a file by path, for tests. */
  contents(path: string): Uint8Array | null {
    let n = this.root;
    for (const part of path.split('/').filter((p) => p !== '')) {
      const next = n.entries.get(part);
      if (next === undefined) return null;
      n = next;
    }
    return n.data;
  }

  private build(t: SimTree): Inode {
    const dir = this.make(S_IFDIR | 0o755);
    for (const [name, x] of Object.entries(t)) {
      let n: Inode;
      if (typeof x === 'string' || x instanceof Uint8Array) {
        n = this.make(S_IFREG | 0o644);
        n.data = typeof x === 'string' ? Uint8Array.from(x, (c) => c.charCodeAt(0)) : x.slice();
      } else if ('link' in x && typeof x.link === 'string') {
        n = this.make(S_IFLNK | 0o777);
        n.target = x.link;
      } else {
        n = this.build(x as SimTree);
        dir.nlink++;
      }
      dir.entries.set(name, n);
    }
    return dir;
  }
}

const badName = (name: string): boolean => name === '' || name === '.' || name === '..' || name.includes('/');

class SimHandle implements HostDir {
  private open = true;
  constructor(
    private readonly n: Inode,
    private readonly writable: boolean,
    /** Whether the mount may be changed. */
    private readonly rw: boolean,
  ) {
    n.fs.openHandles++;
  }

  stat(): HostStat | Errno {
    return this.open ? this.n.stat() : EBADF;
  }
  pread(buf: Uint8Array, off: number): number | Errno {
    if (!this.open) return EBADF;
    if (this.n.isDir) return EISDIR;
    const d = this.n.data.subarray(off, off + buf.length);
    buf.set(d);
    return d.length;
  }
  pwrite(buf: Uint8Array, off: number): number | Errno {
    if (!this.open || !this.writable) return EBADF;
    if (this.n.isDir) return EISDIR;
    if (off + buf.length > this.n.data.length) {
      const grown = new Uint8Array(off + buf.length);
      grown.set(this.n.data);
      this.n.data = grown;
    }
    this.n.data.set(buf, off);
    this.touch(this.n);
    return buf.length;
  }
  truncate(size: number): Errno | null {
    if (!this.open || !this.writable) return EBADF;
    if (this.n.isDir) return EISDIR;
    const d = new Uint8Array(size);
    d.set(this.n.data.subarray(0, size));
    this.n.data = d;
    this.touch(this.n);
    return null;
  }
  fsync(): Errno | null {
    return this.open ? null : EBADF;
  }
  close(): void {
    if (!this.open) throw new Error('sim: host handle closed twice');
    this.open = false;
    this.n.fs.openHandles--;
  }

  list(): { name: string; ino: number; type: number }[] | Errno {
    if (!this.open) return EBADF;
    if (!this.n.isDir) return ENOTDIR;
    return [...this.n.entries].map(([name, n]) => ({ name, ino: n.ino, type: (n.mode & S_IFMT) >> DT_OF_MODE }));
  }
  lstat(name: string): HostStat | Errno {
    const n = this.find(name);
    return n instanceof Errno ? n : n.stat();
  }
  openDir(name: string): HostDir | Errno {
    const n = this.find(name);
    if (n instanceof Errno) return n;
    return n.isDir ? new SimHandle(n, this.rw, this.rw) : ENOTDIR;
  }
  openFile(name: string, write: boolean): HostNode | Errno {
    const n = this.find(name);
    if (n instanceof Errno) return n;
    if (n.isDir) return EISDIR;
    if ((n.mode & S_IFMT) === S_IFLNK) return ELOOP;
    if (write && !this.rw) return EROFS;
    return new SimHandle(n, write, this.rw);
  }
  createFile(name: string, mode: number): HostNode | Errno {
    const n = this.add(name, S_IFREG | (mode & 0o7777));
    return n instanceof Errno ? n : new SimHandle(n, true, this.rw);
  }
  readlink(name: string): string | Errno {
    const n = this.find(name);
    if (n instanceof Errno) return n;
    return (n.mode & S_IFMT) === S_IFLNK ? n.target : EINVAL;
  }
  mkdir(name: string, mode: number): Errno | null {
    const n = this.add(name, S_IFDIR | (mode & 0o7777));
    if (n instanceof Errno) return n;
    this.n.nlink++;
    return null;
  }
  symlink(name: string, target: string): Errno | null {
    const n = this.add(name, S_IFLNK | 0o777);
    if (n instanceof Errno) return n;
    n.target = target;
    return null;
  }
  link(name: string, toDir: HostDir, toName: string): Errno | null {
    const n = this.find(name);
    if (n instanceof Errno) return n;
    if (n.isDir) return EPERM;
    const to = this.other(toDir);
    if (to instanceof Errno) return to;
    if (to.n.entries.has(toName)) return EEXIST;
    if (badName(toName)) return EINVAL;
    to.n.entries.set(toName, n);
    n.nlink++;
    this.touch(to.n);
    return null;
  }
  unlink(name: string): Errno | null {
    const n = this.findRw(name);
    if (n instanceof Errno) return n;
    if (n.isDir) return EISDIR;
    this.n.entries.delete(name);
    n.nlink--;
    this.touch(this.n);
    return null;
  }
  rmdir(name: string): Errno | null {
    const n = this.findRw(name);
    if (n instanceof Errno) return n;
    if (!n.isDir) return ENOTDIR;
    if (n.entries.size > 0) return ENOTEMPTY;
    this.n.entries.delete(name);
    this.n.nlink--;
    n.nlink = 0;
    this.touch(this.n);
    return null;
  }
  rename(name: string, toDir: HostDir, toName: string): Errno | null {
    const n = this.findRw(name);
    if (n instanceof Errno) return n;
    const to = this.other(toDir);
    if (to instanceof Errno) return to;
    if (badName(toName)) return EINVAL;
    const old = to.n.entries.get(toName);
    if (old === n) return null;
    if (old !== undefined) {
      if (old.isDir && !n.isDir) return EISDIR;
      if (!old.isDir && n.isDir) return ENOTDIR;
      if (old.isDir && old.entries.size > 0) return ENOTEMPTY;
      old.nlink = old.isDir ? 0 : old.nlink - 1;
      if (old.isDir) to.n.nlink--;
    }
    for (let d: Inode[] = [n]; d.length > 0; d = d.flatMap((x) => [...x.entries.values()]))
      if (n.isDir && d.includes(to.n)) return EINVAL;
    this.n.entries.delete(name);
    to.n.entries.set(toName, n);
    if (n.isDir) {
      this.n.nlink--;
      to.n.nlink++;
    }
    this.touch(this.n);
    this.touch(to.n);
    return null;
  }
  chmod(name: string, mode: number): Errno | null {
    const n = this.findRw(name);
    if (n instanceof Errno) return n;
    n.mode = (n.mode & S_IFMT) | (mode & 0o7777);
    n.ctimeNs = this.n.fs.nowNs();
    return null;
  }
  utimes(name: string, atimeNs: bigint, mtimeNs: bigint): Errno | null {
    const n = this.findRw(name);
    if (n instanceof Errno) return n;
    n.atimeNs = atimeNs;
    n.mtimeNs = mtimeNs;
    n.ctimeNs = this.n.fs.nowNs();
    return null;
  }

  private touch(n: Inode): void {
    n.mtimeNs = n.ctimeNs = this.n.fs.nowNs();
  }
  private find(name: string): Inode | Errno {
    if (!this.open) return EBADF;
    if (!this.n.isDir) return ENOTDIR;
    if (badName(name)) return EINVAL;
    return this.n.entries.get(name) ?? ENOENT;
  }
  private findRw(name: string): Inode | Errno {
    const n = this.find(name);
    return !(n instanceof Errno) && !this.rw ? EROFS : n;
  }
  private add(name: string, mode: number): Inode | Errno {
    const old = this.find(name);
    if (!(old instanceof Errno)) return EEXIST;
    if (old !== ENOENT) return old;
    if (!this.rw) return EROFS;
    const n = this.n.fs.make(mode);
    this.n.entries.set(name, n);
    this.touch(this.n);
    return n;
  }
  private other(d: HostDir): SimHandle | Errno {
    if (!(d instanceof SimHandle) || d.n.fs !== this.n.fs) return EXDEV;
    if (!d.open) return EBADF;
    if (!d.n.isDir) return ENOTDIR;
    return d.rw ? d : EROFS;
  }
}
