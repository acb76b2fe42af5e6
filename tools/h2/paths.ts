/**
 * Paths inside of an image, and the arguments that name them: `IMAGE[:IMAGE...][@LABEL][:PATH]`.
 *
 * The pieces between colons that are files of this host are volumes, the rest is the path. Names are bytes: in here, strings of
 * one char per byte. Failures are thrown, with the argument and the reason.
 */
import { statSync } from 'node:fs';
import { type Blocking, runSync } from '../../vkernel/sys/blocking.js';
import { ELOOP, ENOENT, ENOTDIR, Errno } from '../../vkernel/sys/errno.js';
import { type H2Attr, type H2Pfs, ObjType } from '../../vkernel/vfs/hammer2/index.js';
import { Failure, usage } from '../hammer2/cli.js';
import { EX_NOINPUT, UsageError } from '../options.js';
import { Image, ImageError } from './image.js';

const MAX_LINKS = 32;

export const toLatin1 = (s: string): string => Buffer.from(s).toString('latin1');
export const fromLatin1 = (s: string): string => Buffer.from(s, 'latin1').toString();

/** Something in an image. */
export interface Place {
  readonly arg: string;
  readonly pfs: H2Pfs;
  /** latin1 */
  readonly path: string;
}

const isFile = (p: string): boolean => {
  try {
    return !statSync(p).isDirectory();
  } catch {
    return false;
  }
};

/** Does this argument name an image rather than a file of the host? (For commands that take both: it has a colon.) */
export function isImageArg(arg: string): boolean {
  return arg.includes(':');
}

/** Take an argument apart. */
export function parseArg(arg: string): { paths: string[]; label: string | null; path: string } {
  const parts = arg.split(':');
  const paths: string[] = [];
  let label: string | null = null;
  while (parts.length > 0 && label === null) {
    const at = parts[0].lastIndexOf('@');
    if (isFile(parts[0])) paths.push(parts[0]);
    else if (at > 0 && isFile(parts[0].slice(0, at))) {
      paths.push(parts[0].slice(0, at));
      label = parts[0].slice(at + 1);
    } else break;
    parts.shift();
  }
  if (paths.length === 0) throw new UsageError(EX_NOINPUT, `${arg.split(':')[0]}: no such image`);
  return { paths, label, path: toLatin1(parts.join(':')) };
}

/** Images opened for one command, each once. */
export class Images {
  private readonly open = new Map<string, { image: Image; pfs: Map<string, H2Pfs> }>();
  constructor(private readonly write: boolean) {}

  place(arg: string): Place {
    const { paths, label, path } = parseArg(arg);
    return { arg, pfs: this.pfs(paths, label), path };
  }
  private pfs(paths: string[], label: string | null): H2Pfs {
    try {
      const key = paths.join(':');
      const known = this.open.get(key) ?? {
        image: Image.open(paths, { write: this.write }),
        pfs: new Map<string, H2Pfs>(),
      };
      this.open.set(key, known);
      const p = known.pfs.get(label ?? '') ?? known.image.pfs(label);
      known.pfs.set(label ?? '', p);
      known.pfs.set(p.label, p);
      return p;
    } catch (e) {
      throw e instanceof ImageError ? new UsageError(EX_NOINPUT, e.message) : e;
    }
  }
  close(): void {
    let error: string | null = null;
    for (const { image } of this.open.values()) {
      try {
        image.close();
      } catch (e) {
        if (!(e instanceof ImageError)) throw e;
        image.abandon();
        error = e.message;
      }
    }
    if (error !== null) throw new Failure(error);
  }
}

/** The value of a blocking call, or a Failure that says `what` failed. */
export function must<T>(what: string, g: Blocking<T | Errno>): T {
  const r = runSync(g);
  if (r instanceof Errno) throw new Failure(`${what}: ${r.text}`);
  return r;
}
/** As must, for calls that answer null when all went well. */
export function done(what: string, g: Blocking<Errno | null>): void {
  const e = runSync(g);
  if (e !== null) throw new Failure(`${what}: ${e.text}`);
}

/** The inode a path leads to. With `last` false a symbolic link at its end is the answer itself. */
export function walk(pfs: H2Pfs, path: string, last: boolean): number | Errno {
  const todo = path.split('/').filter((p) => p !== '');
  let links = 0;
  let at = pfs.rootInum;
  while (todo.length > 0) {
    const name = todo.shift() as string;
    const next = runSync(pfs.lookup(at, name));
    if (next instanceof Errno) return next;
    const a = runSync(pfs.getattr(next));
    if (a instanceof Errno) return a;
    if (a.type === ObjType.SOFTLINK && (last || todo.length > 0)) {
      if (++links > MAX_LINKS) return ELOOP;
      const target = runSync(pfs.readlink(next));
      if (target instanceof Errno) return target;
      if (target.startsWith('/')) at = pfs.rootInum;
      todo.unshift(...target.split('/').filter((p) => p !== ''));
    } else at = next;
  }
  return at;
}

export function find(p: Place, follow = true): H2Attr {
  const n = walk(p.pfs, p.path, follow);
  if (n instanceof Errno) throw new Failure(`${p.arg}: ${n.text}`);
  return must(p.arg, p.pfs.getattr(n));
}
/** As find, but null when there is nothing of that name. */
export function tryFind(p: Place, follow = true): H2Attr | null {
  const n = walk(p.pfs, p.path, follow);
  if (n === ENOENT) return null;
  if (n instanceof Errno) throw new Failure(`${p.arg}: ${n.text}`);
  return must(p.arg, p.pfs.getattr(n));
}

/** Last component of a path; the rest. */
export function splitPath(path: string): [dir: string, name: string] {
  const plain = path.replace(/\/+$/, '');
  const i = plain.lastIndexOf('/');
  return [plain.slice(0, i + 1), plain.slice(i + 1)];
}

/** The directory a place is in, and its name there. */
export function parent(p: Place): { dir: number; name: string } {
  const [head, name] = splitPath(p.path);
  if (name === '') throw usage(`${p.arg}: the root directory itself`);
  const dir = walk(p.pfs, head, true);
  if (dir instanceof Errno) throw new Failure(`${p.arg}: ${dir.text}`);
  if (must(p.arg, p.pfs.getattr(dir)).type !== ObjType.DIRECTORY) throw new Failure(`${p.arg}: ${ENOTDIR.text}`);
  return { dir, name };
}

export interface Entry {
  readonly name: string;
  readonly inum: number;
  readonly type: ObjType;
}

/** A directory's entries without `.` and `..`, by name. */
export function entries(p: Place, dir: number): Entry[] {
  const list: Entry[] = [];
  done(
    p.arg,
    p.pfs.readdir(dir, 0, (name, inum, type) => {
      if (name !== '.' && name !== '..') list.push({ name, inum, type });
      return true;
    }),
  );
  return list.sort((a, b) => (a.name < b.name ? -1 : 1));
}
export const inside = (p: Place, name: string): Place => ({
  ...p,
  arg: `${p.arg}${p.arg.endsWith('/') || p.arg.endsWith(':') ? '' : p.path === '' && !p.arg.includes(':') ? ':' : '/'}${fromLatin1(name)}`,
  path: `${p.path}/${name}`,
});
