/**
 * The two sides of a copy, under one face: a file of the host, or one in an image. Paths and names are latin1 strings. What
 * fails is thrown, with the name of the file.
 */
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { runSync } from '../../vkernel/sys/blocking.js';
import { ENXIO, Errno } from '../../vkernel/sys/errno.js';
import { ObjType } from '../../vkernel/vfs/hammer2/index.js';
import { typeOfMode } from '../fuse/attr.js';
import { Failure } from '../hammer2/cli.js';
import { done, entries, find, fromLatin1, inside, must, parent, type Place, splitPath, tryFind } from './paths.js';

export interface Info {
  readonly type: ObjType;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeUs: number;
  /** Of a symbolic link. */
  readonly target: string;
  readonly rmajor: number;
  readonly rminor: number;
  /** The same for two names of one file. */
  readonly id: string;
}

export interface Reader {
  /** Where data goes on from `off`; null: nothing but a hole to the end. */
  nextData(off: number): number | null;
  /** Where the data at `off` ends. */
  nextHole(off: number): number;
  read(off: number, buf: Uint8Array): number;
  close(): void;
}
export interface Writer {
  write(off: number, buf: Uint8Array, len: number): void;
  /** The file ends at `size`. */
  end(size: number): void;
}

export interface Side {
  /** For messages. */
  readonly name: string;
  /** Last component; '' for the root of an image. */
  readonly base: string;
  info(follow: boolean): Info | null;
  children(): string[];
  child(name: string): Side;
  reader(): Reader;
  mkdir(): void;
  /** Replaces what is there. */
  writer(): Writer;
  symlink(target: string): void;
  /** A fifo, device or socket. False: this side cannot. */
  special(i: Info): boolean;
  unlink(): void;
  /** @param owner  uid and gid too */
  setInfo(i: Info, owner: boolean, mtime: boolean): void;
}

export class ImageSide implements Side {
  constructor(private readonly p: Place) {}
  get name(): string {
    return this.p.arg;
  }
  get base(): string {
    return splitPath(this.p.path)[1];
  }
  info(follow: boolean): Info | null {
    const a = tryFind(this.p, follow);
    if (a === null) return null;
    const target = a.type === ObjType.SOFTLINK ? must(this.name, this.p.pfs.readlink(a.inum)) : '';
    return { ...a, target, id: `${this.p.pfs.label} ${a.inum}` };
  }
  children(): string[] {
    return entries(this.p, find(this.p).inum).map((e) => e.name);
  }
  child(name: string): Side {
    return new ImageSide(inside(this.p, name));
  }
  reader(): Reader {
    const { pfs } = this.p;
    const { inum } = find(this.p);
    return {
      nextData: (off) => {
        const r = runSync(pfs.seekData(inum, off));
        if (r === ENXIO) return null;
        if (r instanceof Errno) throw new Failure(`${this.name}: ${r.text}`);
        return r;
      },
      nextHole: (off) => must(this.name, pfs.seekHole(inum, off)),
      read: (off, buf) => must(this.name, pfs.read(inum, off, buf, 0, buf.length)),
      close: () => undefined,
    };
  }
  private make(type: ObjType, mode: number, more: { target?: string; rmajor?: number; rminor?: number } = {}): number {
    const { dir, name } = parent(this.p);
    const owner = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
    return must(this.name, this.p.pfs.create(dir, name, { type, mode, ...owner, ...more }));
  }
  mkdir(): void {
    this.make(ObjType.DIRECTORY, 0o777 & ~process.umask());
  }
  writer(): Writer {
    const { pfs } = this.p;
    const old = tryFind(this.p);
    const inum = old?.inum ?? this.make(ObjType.REGFILE, 0o666 & ~process.umask());
    if (old !== null) done(this.name, pfs.truncate(inum, 0));
    return {
      write: (off, buf, len) => void must(this.name, pfs.write(inum, off, buf, 0, len)),
      end: (size) => {
        if (must(this.name, pfs.getattr(inum)).size !== size) done(this.name, pfs.truncate(inum, size));
      },
    };
  }
  symlink(target: string): void {
    this.make(ObjType.SOFTLINK, 0o777, { target });
  }
  special(i: Info): boolean {
    this.make(i.type, i.mode & ~process.umask(), i);
    return true;
  }
  unlink(): void {
    const { dir, name } = parent(this.p);
    done(this.name, this.p.pfs.unlink(dir, name));
  }
  setInfo(i: Info, owner: boolean, mtime: boolean): void {
    const a = find(this.p, false);
    done(
      this.name,
      this.p.pfs.setattr(a.inum, {
        mode: i.mode,
        ...(owner ? { uid: i.uid, gid: i.gid } : {}),
        ...(mtime ? { mtimeUs: i.mtimeUs } : {}),
      }),
    );
  }
}

/** One line of what the host says. */
function host<T>(name: string, f: () => T): T {
  try {
    return f();
  } catch (e) {
    const { code, message } = e as NodeJS.ErrnoException;
    if (code === undefined) throw e;
    throw new Failure(`${name}: ${message.replace(/^E[A-Z0-9]+: /, '').replace(/, .*$/, '')}`);
  }
}

export class HostSide implements Side {
  private readonly path: Buffer;
  constructor(private readonly latin1: string) {
    this.path = Buffer.from(latin1, 'latin1');
  }
  get name(): string {
    return fromLatin1(this.latin1);
  }
  get base(): string {
    return splitPath(this.latin1)[1];
  }
  info(follow: boolean): Info | null {
    return host(this.name, () => {
      const st = follow
        ? statSync(this.path, { throwIfNoEntry: false })
        : lstatSync(this.path, { throwIfNoEntry: false });
      if (st === undefined) return null;
      const type = typeOfMode(st.mode) ?? ObjType.UNKNOWN;
      return {
        type,
        mode: st.mode & 0o7777,
        uid: st.uid,
        gid: st.gid,
        size: st.size,
        mtimeUs: Math.floor(st.mtimeMs * 1000),
        target: type === ObjType.SOFTLINK ? readlinkSync(this.path, 'latin1') : '',
        rmajor: (st.rdev >>> 8) & 0xfff,
        rminor: (st.rdev & 0xff) | ((st.rdev >>> 12) & 0xfff00),
        id: `${st.dev} ${st.ino}`,
      };
    });
  }
  children(): string[] {
    return host(this.name, () => readdirSync(this.path, 'latin1')).sort();
  }
  child(name: string): Side {
    return new HostSide(`${this.latin1}${this.latin1.endsWith('/') ? '' : '/'}${name}`);
  }
  reader(): Reader {
    const fd = host(this.name, () => openSync(this.path, 'r'));
    return {
      nextData: (off) => off, // what is zero becomes a hole in the image anyway
      nextHole: () => Infinity,
      read: (off, buf) => host(this.name, () => readSync(fd, buf, 0, buf.length, off)),
      close: () => closeSync(fd),
    };
  }
  mkdir(): void {
    host(this.name, () => mkdirSync(this.path));
  }
  writer(): Writer {
    const fd = host(this.name, () => openSync(this.path, 'w'));
    return {
      write: (off, buf, len) =>
        host(this.name, () => {
          for (let n = 0; n < len;) n += writeSync(fd, buf, n, len - n, off + n);
        }),
      end: (size) =>
        host(this.name, () => {
          ftruncateSync(fd, size);
          closeSync(fd);
        }),
    };
  }
  symlink(target: string): void {
    host(this.name, () => symlinkSync(Buffer.from(target, 'latin1'), this.path));
  }
  special(): boolean {
    return false;
  }
  unlink(): void {
    host(this.name, () => unlinkSync(this.path));
  }
  setInfo(i: Info, owner: boolean, mtime: boolean): void {
    host(this.name, () => {
      if (owner && process.geteuid?.() === 0) lchownSync(this.path, i.uid, i.gid);
      if (i.type === ObjType.SOFTLINK) return;
      chmodSync(this.path, i.mode);
      if (mtime) utimesSync(this.path, i.mtimeUs / 1e6, i.mtimeUs / 1e6);
    });
  }
}
