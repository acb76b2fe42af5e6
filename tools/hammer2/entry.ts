/** Files as they pass between directories of the host, tar archives and images. */
import { closeSync, lstatSync, openSync, readSync, readdirSync, readlinkSync } from 'node:fs';

export interface Entry {
  /** Without leading slash; one char per byte. */
  readonly path: string;
  readonly type: 'file' | 'dir' | 'symlink' | 'hardlink' | 'fifo' | 'cdev' | 'bdev' | 'socket';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeUs: number;
  readonly size: number;
  /** Of a symbolic link; path of the first name for a hard link. */
  readonly target: string;
  readonly rmajor: number;
  readonly rminor: number;
  /** The next bytes of a file into b[0, len); 0 at its end. */
  read(b: Uint8Array, len: number): number;
}

/** st_rdev of Linux taken apart. */
const major = (rdev: bigint): number => Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n));
const minor = (rdev: bigint): number => Number((rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n));

/** A directory of the host and what is below it, in the order of names' bytes; parents first. */
export function* hostTree(root: string): Generator<Entry> {
  const links = new Map<string, string>();
  const walk = function* (path: string): Generator<Entry> {
    const host = Buffer.concat([Buffer.from(root), Buffer.from('/'), Buffer.from(path, 'latin1')]);
    const st = lstatSync(host, { bigint: true });
    const id = `${st.dev} ${st.ino}`;
    const first = st.isDirectory() || st.nlink < 2n ? undefined : links.get(id);
    if (first === undefined && !st.isDirectory()) links.set(id, path);
    const type =
      first !== undefined
        ? 'hardlink'
        : st.isDirectory()
          ? 'dir'
          : st.isSymbolicLink()
            ? 'symlink'
            : st.isFIFO()
              ? 'fifo'
              : st.isCharacterDevice()
                ? 'cdev'
                : st.isBlockDevice()
                  ? 'bdev'
                  : st.isSocket()
                    ? 'socket'
                    : 'file';
    let fd = -1;
    const entry: Entry = {
      path,
      type,
      mode: Number(st.mode) & 0o7777,
      uid: Number(st.uid),
      gid: Number(st.gid),
      mtimeUs: Number(st.mtimeNs / 1000n),
      size: type === 'file' ? Number(st.size) : 0,
      target: first ?? (type === 'symlink' ? readlinkSync(host, { encoding: 'buffer' }).toString('latin1') : ''),
      rmajor: major(st.rdev),
      rminor: minor(st.rdev),
      read(b, len) {
        if (fd < 0) fd = openSync(host, 'r');
        return readSync(fd, b, 0, len, null);
      },
    };
    try {
      yield entry;
    } finally {
      if (fd >= 0) closeSync(fd);
    }
    if (type !== 'dir') return;
    const names = readdirSync(host, { encoding: 'buffer' }).sort((a, b) => Buffer.compare(a, b));
    for (const n of names) yield* walk(path === '' ? n.toString('latin1') : `${path}/${n.toString('latin1')}`);
  };
  yield* walk('');
}
