/** An image for a command: opened as far as it is needed, paths in it, errors in one line. */
import { Errno } from '../../vkernel/sys/errno.js';
import { type Blocking, runSync } from '../../vkernel/sys/blocking.js';
import { type H2Pfs, ObjType, parseSpecial } from '../../vkernel/vfs/hammer2/index.js';
import { Image, ImageError } from '../h2/image.js';
import { EX_NOINPUT, Failure, UsageError } from './cli.js';

/** Text of the host as the library's strings of one char per byte, and back. */
export const bytes = (s: string): string => Buffer.from(s, 'utf8').toString('latin1');
export const text = (s: string): string => Buffer.from(s, 'latin1').toString('utf8');

/** Run a library call; an Errno becomes a Failure that names `what`. */
export function must<T>(what: string, g: Blocking<T>): Exclude<T, Errno> {
  const r = runSync(g);
  if (r instanceof Errno) throw new Failure(`${what}: ${r.text}`);
  return r as Exclude<T, Errno>;
}

export class Session {
  readonly image: Image;
  readonly label: string | null;
  private mounted: H2Pfs | null = null;

  /** @param special  IMAGE[:IMAGE...][@LABEL] */
  constructor(
    readonly special: string,
    write: boolean,
    quiet = false,
  ) {
    const { devs, label } = parseSpecial(special);
    if (devs.length === 0) throw new UsageError(EX_NOINPUT, `${special}: no image named`);
    this.label = label === null || label === '' ? null : bytes(label);
    try {
      this.image = Image.open(devs, { write, log: quiet ? () => {} : undefined });
    } catch (e) {
      throw e instanceof ImageError ? new UsageError(EX_NOINPUT, e.message) : e;
    }
  }

  get pfs(): H2Pfs {
    try {
      return (this.mounted ??= this.image.pfs(this.label));
    } catch (e) {
      throw e instanceof ImageError ? new Failure(e.message) : e;
    }
  }

  /** Follow a path from the PFS's root; symbolic links are not followed. */
  inum(path: string): number {
    let at = this.pfs.rootInum;
    for (const part of path.split('/')) {
      if (part === '' || part === '.') continue;
      at = must(path, this.pfs.lookup(at, bytes(part)));
    }
    return at;
  }

  /** `path` and everything below it if it is a directory. */
  *walk(path: string, inum: number): Generator<[string, number]> {
    yield [path, inum];
    if (must(path, this.pfs.getattr(inum)).type !== ObjType.DIRECTORY) return;
    const names: [string, number][] = [];
    must(
      path,
      this.pfs.readdir(inum, 0, (name, n) => {
        if (name !== '.' && name !== '..') names.push([name, n]);
        return true;
      }),
    );
    for (const [name, n] of names) yield* this.walk(path === '/' ? `/${text(name)}` : `${path}/${text(name)}`, n);
  }

  /** Write everything out and let go. Throws Failure. */
  close(): void {
    try {
      if (this.mounted !== null) must(this.special, this.mounted.unmount());
      this.image.close();
    } catch (e) {
      throw e instanceof ImageError ? new Failure(e.message) : e;
    }
  }
}

/** Open, work, close; when the work fails nothing more is written than it had synced. */
export function withImage<T>(special: string, write: boolean, f: (s: Session) => T): T {
  const s = new Session(special, write);
  let r: T;
  try {
    r = f(s);
  } catch (e) {
    if (e instanceof Failure || e instanceof UsageError) s.close();
    else s.image.abandon();
    throw e;
  }
  s.close();
  return r;
}
