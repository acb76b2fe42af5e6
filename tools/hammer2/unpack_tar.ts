/**
 * Unpack a tar archive into a mounted PFS: modes, owners, times, links and device nodes as the archive has them.
 */
import type { Blocking } from '../../vkernel/sys/blocking.js';
import { EEXIST, ENOENT, EINVAL, Errno } from '../../vkernel/sys/errno.js';
import type { H2Create, H2Pfs } from '../../vkernel/vfs/hammer2/api.js';
import { ObjType } from '../../vkernel/vfs/hammer2/disk.js';
import { type TarEntry, tarEntries } from '../../vkernel/vfs/tmpfs/unpack.js';

const CHUNK = 65536;

const types: Readonly<Record<string, ObjType>> = {
  '0': ObjType.REGFILE,
  '7': ObjType.REGFILE,
  '2': ObjType.SOFTLINK,
  '3': ObjType.CDEV,
  '4': ObjType.BDEV,
  '5': ObjType.DIRECTORY,
  '6': ObjType.FIFO,
};

/** Components of a member's name; null when it would leave the tree. */
function split(name: string): string[] | null {
  const parts = name.split('/').filter((c) => c !== '' && c !== '.');
  return parts.some((c) => c === '..' || c.length > 255) ? null : parts;
}

/** The directory `parts`, made as needed. */
function* mkdirs(m: H2Pfs, parts: readonly string[]): Blocking<number | Errno> {
  let dir = m.rootInum;
  for (const part of parts) {
    let next = yield* m.lookup(dir, part);
    if (next === ENOENT) next = yield* m.create(dir, part, { type: ObjType.DIRECTORY, mode: 0o755, uid: 0, gid: 0 });
    if (next instanceof Errno) return next;
    dir = next;
  }
  return dir;
}

function* find(m: H2Pfs, parts: readonly string[]): Blocking<number | Errno> {
  let inum = m.rootInum;
  for (const part of parts) {
    const next = yield* m.lookup(inum, part);
    if (next instanceof Errno) return next;
    inum = next;
  }
  return inum;
}

function* fill(m: H2Pfs, inum: number, data: Uint8Array): Blocking<Errno | null> {
  for (let at = 0; at < data.length; at += CHUNK) {
    const r = yield* m.write(inum, at, data, at, Math.min(CHUNK, data.length - at));
    if (r instanceof Errno) return r;
  }
  return null;
}

function* unpackOne(m: H2Pfs, t: TarEntry): Blocking<Errno | null> {
  const parts = split(t.name);
  if (parts === null) return EINVAL;
  const type = types[t.type];
  const name = parts.pop();
  let inum: number | Errno = m.rootInum;
  if (name !== undefined) {
    const dir = yield* mkdirs(m, parts);
    if (dir instanceof Errno) return dir;
    if (t.type === '1') {
      const to = split(t.link);
      const target = to === null ? EINVAL : yield* find(m, to);
      return target instanceof Errno ? target : yield* m.link(target, dir, name);
    }
    if (type === undefined) return EINVAL;
    const what: H2Create = {
      type,
      mode: t.mode,
      uid: t.uid,
      gid: t.gid,
      rmajor: t.major,
      rminor: t.minor,
      ...(type === ObjType.SOFTLINK ? { target: t.link } : {}),
    };
    inum = yield* m.create(dir, name, what);
    if (inum === EEXIST && type === ObjType.DIRECTORY) inum = yield* m.lookup(dir, name);
    if (inum instanceof Errno) return inum;
    const e = yield* fill(m, inum, t.data);
    if (e !== null) return e;
  } else if (type !== ObjType.DIRECTORY) return EINVAL;
  const us = t.mtime * 1e6;
  return yield* m.setattr(inum, { mode: t.mode, uid: t.uid, gid: t.gid, mtimeUs: us, ctimeUs: us });
}

/**
 * Unpack `archive` below the root of `m`.
 *
 * @returns null; or the errno and the member it belongs to, with what came before it unpacked
 */
export function* unpackTarInto(m: H2Pfs, archive: Uint8Array): Blocking<{ name: string; error: Errno } | null> {
  const dirs: { inum: number; us: number }[] = [];
  for (const t of tarEntries(archive)) {
    const error = yield* unpackOne(m, t);
    if (error !== null) return { name: t.name, error };
    if (t.type !== '5') continue;
    const parts = split(t.name) ?? [];
    const inum = yield* find(m, parts);
    if (!(inum instanceof Errno)) dirs.push({ inum, us: t.mtime * 1e6 });
  }
  // Times of directories last: their entries have changed them.
  for (const d of dirs) {
    const error = yield* m.setattr(d.inum, { mtimeUs: d.us, ctimeUs: d.us });
    if (error !== null) return { name: '', error };
  }
  return null;
}
