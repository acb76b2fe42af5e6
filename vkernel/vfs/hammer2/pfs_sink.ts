/** Restored files go into a directory of a mounted PFS. What is being searched for stays: new blocks go to free places only. */
import type { Blocking } from '../../sys/blocking.js';
import { ENOENT, ENOTDIR, Errno } from '../../sys/errno.js';
import type { H2Pfs } from './api.js';
import { ObjType } from './disk.js';
import type { H2RecoverSink } from './undelete.js';

export function pfsSink(m: H2Pfs, dest: number): H2RecoverSink {
  const owner = { uid: 0, gid: 0 };
  let open = { inum: 0, dir: 0, name: '' };
  /** The directory a path is in, and its last part. */
  const split = function* (path: string): Blocking<{ dir: number; name: string } | Errno> {
    const parts = path.split('/');
    const name = parts.pop() as string;
    let dir = dest;
    for (const p of parts) {
      const n = yield* m.lookup(dir, p);
      if (n instanceof Errno) return n;
      dir = n;
    }
    return { dir, name };
  };
  return {
    *mkdir(path) {
      let dir = dest;
      for (const part of path.split('/')) {
        if (part === '') continue;
        let n = yield* m.lookup(dir, part);
        if (n === ENOENT) n = yield* m.create(dir, part, { type: ObjType.DIRECTORY, mode: 0o755, ...owner });
        if (n instanceof Errno) return n;
        const a = yield* m.getattr(n);
        if (a instanceof Errno) return a;
        if (a.type !== ObjType.DIRECTORY) return ENOTDIR;
        dir = n;
      }
      return null;
    },
    *create(path, size) {
      const at = yield* split(path);
      if (at instanceof Errno) return at;
      const inum = yield* m.create(at.dir, at.name, { type: ObjType.REGFILE, mode: 0o600, ...owner });
      if (inum instanceof Errno) return inum;
      open = { inum, ...at };
      return yield* m.truncate(inum, size);
    },
    *write(off, buf, len) {
      const r = yield* m.write(open.inum, off, buf, 0, len);
      return r instanceof Errno ? r : null;
    },
    *close(path, mode, mtimeUs) {
      const e = yield* m.setattr(open.inum, { mode, mtimeUs });
      const name = path.slice(path.lastIndexOf('/') + 1);
      if (e !== null || name === open.name) return e;
      return yield* m.rename(open.dir, open.name, open.dir, name);
    },
    *symlink(path, target) {
      const at = yield* split(path);
      if (at instanceof Errno) return at;
      const r = yield* m.create(at.dir, at.name, { type: ObjType.SOFTLINK, mode: 0o755, target, ...owner });
      return r instanceof Errno ? r : null;
    },
  };
}
