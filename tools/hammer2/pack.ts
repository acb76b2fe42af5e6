/** Entries into a PFS, and a PFS as entries: what mkimage does in both directions. */
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  linkSync,
  lutimesSync,
  lchownSync,
  mkdirSync,
  openSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { spawnSync } from 'node:child_process';
import { runSync } from '../../vkernel/sys/blocking.js';
import { ENOENT, Errno } from '../../vkernel/sys/errno.js';
import { type H2Pfs, ObjType } from '../../vkernel/vfs/hammer2/index.js';
import { Failure } from './cli.js';
import type { Entry } from './entry.js';
import { must, text } from './session.js';

const CHUNK = 65536;
const BATCH = 16 * CHUNK;
const TYPES: Record<Exclude<Entry['type'], 'hardlink'>, ObjType> = {
  file: ObjType.REGFILE,
  dir: ObjType.DIRECTORY,
  symlink: ObjType.SOFTLINK,
  fifo: ObjType.FIFO,
  cdev: ObjType.CDEV,
  bdev: ObjType.BDEV,
  socket: ObjType.SOCKET,
};

export interface PackOptions {
  /** No time stamp is later than this, and ctime is this. */
  readonly timeUs: number;
  /** Give everything this owner. */
  readonly owner?: { uid: number; gid: number };
  readonly progress?: (bytes: number) => void;
}

const zero = (b: Uint8Array, n: number): boolean => {
  for (let i = 0; i < n; i++) if (b[i] !== 0) return false;
  return true;
};

/** Write entries below the root of a PFS. @returns number of objects made */
export function pack(pfs: H2Pfs, entries: Iterable<Entry>, o: PackOptions): number {
  /** Directories that get their time stamps once all is in them. */
  const times = new Map<number, number>();
  let count = 0;
  let bytes = 0;
  const buf = new Uint8Array(BATCH);
  const fresh = { uid: 0, gid: 0, mode: 0o755, type: ObjType.DIRECTORY };

  /** Parent directory and last name; missing directories are made. */
  const place = (path: string): [number, string] => {
    const parts = path.split('/').filter((p) => p !== '' && p !== '.');
    if (parts.includes('..')) throw new Failure(`${text(path)}: '..' in a path`);
    const name = parts.pop() ?? '';
    let dir = pfs.rootInum;
    for (const p of parts) {
      let at = runSync(pfs.lookup(dir, p));
      if (at === ENOENT) at = runSync(pfs.create(dir, p, { ...fresh, ...o.owner }));
      if (at instanceof Errno) throw new Failure(`${text(path)}: ${at.text}`);
      dir = at;
    }
    return [dir, name];
  };
  const find = (path: string): number => {
    let at = pfs.rootInum;
    for (const p of path.split('/')) if (p !== '' && p !== '.') at = must(text(path), pfs.lookup(at, p));
    return at;
  };

  for (const e of entries) {
    const what = text(e.path);
    const mtimeUs = Math.min(e.mtimeUs, o.timeUs);
    const owner = o.owner ?? { uid: e.uid, gid: e.gid };
    const [dir, name] = place(e.path);
    count++;
    if (e.type === 'hardlink') {
      must(what, pfs.link(find(e.target), dir, name));
      continue;
    }
    let inum: number;
    const old = name === '' ? pfs.rootInum : runSync(pfs.lookup(dir, name));
    if (!(old instanceof Errno) && e.type === 'dir') {
      inum = old;
      must(what, pfs.setattr(inum, { mode: e.mode, ...owner }));
    } else {
      if (!(old instanceof Errno)) must(what, pfs.unlink(dir, name)); // a later entry of an archive replaces an earlier one
      const devs = { rmajor: e.rmajor, rminor: e.rminor };
      const make = {
        type: TYPES[e.type],
        mode: e.mode,
        ...owner,
        ...(e.type === 'symlink' ? { target: e.target } : devs),
      };
      inum = must(what, pfs.create(dir, name, make));
    }
    if (e.type === 'file') {
      let off = 0;
      for (;;) {
        let n = 0;
        while (n < BATCH) {
          const r = e.read(n === 0 ? buf : buf.subarray(n), BATCH - n);
          if (r === 0) break;
          n += r;
        }
        if (n === 0) break;
        // Runs of blocks that are not all zero; the rest are holes.
        for (let from = 0; from < n;) {
          const isZero = (at: number): boolean => zero(buf.subarray(at), Math.min(CHUNK, n - at));
          if (isZero(from)) {
            from += CHUNK;
            continue;
          }
          let to = from + CHUNK;
          while (to < n && !isZero(to)) to += CHUNK;
          must(what, pfs.write(inum, off + from, buf, from, Math.min(to, n) - from));
          from = to;
        }
        off += n;
        bytes += n;
        o.progress?.(bytes);
      }
      if (must(what, pfs.getattr(inum)).size !== off) must(what, pfs.truncate(inum, off));
    }
    if (e.type === 'dir') times.set(inum, mtimeUs);
    else must(what, pfs.setattr(inum, { mtimeUs, ctimeUs: o.timeUs }));
  }
  for (const [inum, mtimeUs] of times) must(String(inum), pfs.setattr(inum, { mtimeUs, ctimeUs: o.timeUs }));
  return count;
}

/** A PFS as entries, parents first, names in the order of their bytes. */
export function* pfsTree(pfs: H2Pfs): Generator<Entry> {
  const links = new Map<number, string>();
  const names: Partial<Record<ObjType, Entry['type']>> = {};
  for (const [k, v] of Object.entries(TYPES)) names[v] = k as Entry['type'];
  const walk = function* (path: string, inum: number): Generator<Entry> {
    const what = text(path);
    const a = must(what, pfs.getattr(inum));
    const first = a.type === ObjType.DIRECTORY || a.nlinks < 2 ? undefined : links.get(inum);
    if (first === undefined) links.set(inum, path);
    const type = first !== undefined ? 'hardlink' : names[a.type];
    if (type === undefined) return; // nothing that a host has a name for
    let off = 0;
    yield {
      path,
      type,
      mode: a.mode,
      uid: a.uid,
      gid: a.gid,
      mtimeUs: a.mtimeUs,
      size: type === 'file' ? a.size : 0,
      target: first ?? (type === 'symlink' ? must(what, pfs.readlink(inum)) : ''),
      rmajor: a.rmajor,
      rminor: a.rminor,
      read(b, len) {
        const n = must(what, pfs.read(inum, off, b, 0, len));
        off += n;
        return n;
      },
    };
    if (type !== 'dir') return;
    const list: [string, number][] = [];
    must(
      what,
      pfs.readdir(inum, 0, (name, n) => {
        if (name !== '.' && name !== '..') list.push([name, n]);
        return true;
      }),
    );
    list.sort((x, y) => (x[0] < y[0] ? -1 : 1));
    for (const [name, n] of list) yield* walk(path === '' ? name : `${path}/${name}`, n);
  };
  yield* walk('', pfs.rootInum);
}

/** Bytes of all files of a PFS. */
export function pfsBytes(pfs: H2Pfs): number {
  let n = 0;
  for (const e of pfsTree(pfs)) n += e.size;
  return n;
}

/**
 * Write entries below a directory of the host. Owners are kept as far as the host lets us.
 *
 * @param complain  gets a line for what cannot be kept
 */
export function unpack(
  entries: Iterable<Entry>,
  dest: string,
  complain: (line: string) => void,
  progress: (bytes: number) => void,
): number {
  const root = process.getuid?.() === 0;
  const dirs: [Buffer, Entry][] = [];
  const buf = new Uint8Array(BATCH);
  let bytes = 0;
  let count = 0;
  const host = (path: string): Buffer =>
    Buffer.concat([Buffer.from(dest), Buffer.from('/'), Buffer.from(path, 'latin1')]);
  for (const e of entries) {
    const path = host(e.path);
    count++;
    switch (e.type) {
      case 'dir':
        mkdirSync(path, { recursive: e.path === '', mode: 0o700 });
        dirs.push([path, e]);
        break;
      case 'hardlink':
        linkSync(host(e.target), path);
        break;
      case 'symlink':
        symlinkSync(Buffer.from(e.target, 'latin1'), path);
        break;
      case 'file': {
        const fd = openSync(path, 'wx', 0o600);
        try {
          ftruncateSync(fd, e.size);
          for (let off = 0, n = 0; (n = e.read(buf, BATCH)) > 0; off += n) {
            for (let at = 0; at < n; at += CHUNK) {
              const len = Math.min(CHUNK, n - at);
              if (!zero(buf.subarray(at), len)) writeSync(fd, buf, at, len, off + at);
            }
            bytes += n;
            progress(bytes);
          }
        } finally {
          closeSync(fd);
        }
        break;
      }
      default: {
        const kind = e.type === 'fifo' ? ['p'] : [e.type === 'cdev' ? 'c' : 'b', String(e.rmajor), String(e.rminor)];
        // mknod(1): Node has no call for it. Names that are no text are passed on as they are by the shell.
        const r =
          e.type === 'socket' ? null : spawnSync('mknod', [path.toString('utf8'), ...kind], { encoding: 'utf8' });
        if (r === null || r.status !== 0) {
          complain(
            `${text(e.path)}: ${e.type} not made${r === null ? '' : `: ${r.stderr.trim() || (r.error?.message ?? '')}`}`,
          );
          continue;
        }
      }
    }
    if (e.type === 'hardlink' || e.type === 'dir') continue;
    finish(path, e, root);
  }
  for (const [path, e] of dirs.reverse()) finish(path, e, root);
  return count;
}

function finish(path: Buffer, e: Entry, root: boolean): void {
  if (root) lchownSync(path, e.uid, e.gid);
  if (e.type === 'symlink') {
    lutimesSync(path, e.mtimeUs / 1e6, e.mtimeUs / 1e6);
    return;
  }
  chmodSync(path, e.mode);
  utimesSync(path, e.mtimeUs / 1e6, e.mtimeUs / 1e6);
}
