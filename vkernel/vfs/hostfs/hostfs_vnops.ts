/**
 * Vnode operations of hostfs.
 */
import type { HostDir } from '../../machine/machine.js';
import { PAGE_MASK, PAGE_SIZE } from '../../machine/ram.js';
import type { Blocking } from '../../sys/blocking.js';
import {
  EFBIG,
  EINVAL,
  EIO,
  EISDIR,
  ENODEV,
  ENOENT,
  ENOTDIR,
  EOPNOTSUPP,
  EPERM,
  Errno,
  NOTNOW,
} from '../../sys/errno.js';
import { gd } from '../../sys/globaldata.js';
import { type Uio, uiomove, uiomoveB } from '../../vm/uio.js';
import { PG } from '../../vm/vm_page.js';
import type { DirBuf } from '../dirbuf.js';
import { type Setattr, type TimeSpec, type Vattr, type Vnode, VType } from '../vnode.js';
import { vnReadB, vnSetObjectSize, vnTryRead } from '../vnode_pager.js';
import { IO_APPEND, vopTable } from '../vop.js';
import {
  applyStat,
  closeHandles,
  dirHandle,
  fileHandle,
  fileOf,
  flush,
  forget,
  foundAs,
  getFile,
  type HostEntry,
  type HostFile,
  hostObject,
  lostName,
  refresh,
} from './hostfs.js';

/** Bytes of a write that go to the host at a time. */
const CHUNK = 65536;
const chunk = new Uint8Array(CHUNK);

function resolve(dvp: Vnode, name: string): Vnode | Errno {
  const f = fileOf(dvp);
  const d = dirHandle(f);
  if (d instanceof Errno) return d;
  const st = d.lstat(name);
  return st instanceof Errno ? st : getFile(f.hm, f, name, st).vp;
}

function getattr(vp: Vnode): Vattr | Errno {
  const f = fileOf(vp);
  if (gd.machine.now() >= f.attrUntilNs) {
    const e = refresh(f);
    if (e !== null) return e;
  }
  return vp.va;
}

const fresh = (vp: Vnode): Errno | null => {
  const r = getattr(vp);
  return r instanceof Errno ? r : null;
};

/** Attributes are to be asked for again after a change of ours. */
function changed(...files: (HostFile | null)[]): void {
  for (const f of files) if (f !== null) f.attrUntilNs = 0;
}

/** Run a host operation in directory `dvp`, and find what it made. */
function make(dvp: Vnode, name: string, op: (d: HostDir) => Errno | null): Vnode | Errno {
  const f = fileOf(dvp);
  const d = dirHandle(f);
  if (d instanceof Errno) return d;
  const e = op(d);
  if (e !== null) return e;
  changed(f);
  return resolve(dvp, name);
}

function regCheck(vp: Vnode): Errno | null {
  if (vp.type === VType.VREG) return null;
  return vp.type === VType.VDIR ? EISDIR : EOPNOTSUPP;
}

/** Bytes that went to the host are put into resident pages too, so that mappings and reads see them. */
function updatePages(f: HostFile, buf: Uint8Array, off: number, n: number): void {
  const o = f.vp.object;
  if (o === null) return;
  const pages = gd.vm.pages;
  for (let at = 0; at < n;) {
    const pgoff = (off + at) & PAGE_MASK;
    const len = Math.min(n - at, PAGE_SIZE - pgoff);
    const ppn = pages.lookup(o.id, Math.floor((off + at) / PAGE_SIZE));
    if (ppn >= 0 && (pages.flags[ppn] & PG.VALID) !== 0) gd.machine.ram.write(ppn * PAGE_SIZE + pgoff, buf, at, len);
    at += len;
  }
}

/** Write buf[0..n) at `off` on the host and in the cache. */
function writeOut(f: HostFile, buf: Uint8Array, off: number, n: number): Errno | null {
  const h = fileHandle(f, true);
  if (h instanceof Errno) return h;
  let error: Errno | null = null;
  let done = 0;
  while (done < n && error === null) {
    const r = h.pwrite(buf.subarray(done, n), off + done);
    if (r instanceof Errno) error = r;
    else if (r === 0) error = EIO;
    else done += r;
  }
  updatePages(f, buf, off, done);
  const st = h.stat();
  if (!(st instanceof Errno)) applyStat(f, st, true);
  return error;
}

function writeStart(vp: Vnode, uio: Uio, ioflag: number): Errno | null {
  const e = regCheck(vp);
  if (e !== null) return e;
  if ((ioflag & IO_APPEND) !== 0) {
    const e2 = refresh(fileOf(vp));
    if (e2 !== null) return e2;
    uio.offset = vp.va.size;
  }
  return uio.offset + uio.resid > 2 ** 43 ? EFBIG : null;
}

function tryWrite(vp: Vnode, uio: Uio, ioflag: number): Errno | null {
  // One chunk at most: after a part has gone to the host there is no starting over.
  if (uio.resid > CHUNK) return NOTNOW;
  const e = writeStart(vp, uio, ioflag);
  if (e !== null || uio.resid === 0) return e;
  const off = uio.offset;
  const n = uio.resid;
  return uiomove(chunk, 0, n, uio) ?? writeOut(fileOf(vp), chunk, off, n);
}

function* write(vp: Vnode, uio: Uio, ioflag: number): Blocking<Errno | null> {
  const e = writeStart(vp, uio, ioflag);
  if (e !== null) return e;
  const buf = new Uint8Array(Math.min(uio.resid, CHUNK));
  while (uio.resid > 0) {
    const off = uio.offset;
    const n = Math.min(uio.resid, CHUNK);
    const e2 = (yield* uiomoveB(buf, 0, n, uio)) ?? writeOut(fileOf(vp), buf, off, n);
    if (e2 !== null) return e2;
  }
  return null;
}

function readdir(vp: Vnode, db: DirBuf): Errno | null {
  if (vp.type !== VType.VDIR) return ENOTDIR;
  if (db.cookie < 0) return EINVAL;
  const f = fileOf(vp);
  if (db.cookie === 0 || f.cookies === null) {
    const d = dirHandle(f);
    if (d instanceof Errno) return d;
    const list = d.list();
    if (list instanceof Errno) return list;
    // Names keep the cookie they were first seen with, so that other readers of the directory are not disturbed.
    const old = f.cookies;
    const found = list.map((e): [string, HostEntry] => [
      e.name,
      { ino: e.ino, type: e.type, cookie: old?.get(e.name)?.cookie ?? f.nextCookie++ },
    ]);
    f.cookies = new Map(found.sort((a, b) => a[1].cookie - b[1].cookie));
  }
  if (db.cookie === 0 && !db.put(vp.va.ino, 4, '.', 1)) return null;
  if (db.cookie === 1 && !db.put((f.parent ?? f).vp.va.ino, 4, '..', 2)) return null;
  for (const [name, e] of f.cookies) {
    if (e.cookie < db.cookie || name === '.' || name === '..') continue;
    if (!db.put(e.ino, e.type, name, e.cookie + 1)) break;
  }
  return null;
}

const toNs = (t: TimeSpec): bigint => BigInt(t.sec) * 1_000_000_000n + BigInt(t.nsec);

function setSize(f: HostFile, size: number): Errno | null {
  const h = fileHandle(f, true);
  if (h instanceof Errno) return h;
  const e = h.truncate(size);
  if (e !== null) return e;
  if (f.vp.object !== null) vnSetObjectSize(f.vp.object, size);
  const st = h.stat();
  if (st instanceof Errno) return st;
  applyStat(f, st, true);
  return null;
}

function setattr(vp: Vnode, sa: Setattr): Errno | null {
  const f = fileOf(vp);
  const va = vp.va;
  // The host decides who owns what, and knows no file flags.
  if ((sa.uid !== null && sa.uid !== va.uid) || (sa.gid !== null && sa.gid !== va.gid)) return EPERM;
  if (sa.flags !== null && sa.flags !== va.flags) return EOPNOTSUPP;
  if (sa.size !== null) {
    const e = setSize(f, sa.size);
    if (e !== null) return e;
  }
  if (sa.mode === null && sa.atime === null && sa.mtime === null) return null;
  if (f.parent === null || f.unlinked) return EPERM;
  const up = dirHandle(f.parent);
  if (up instanceof Errno) return up;
  let e: Errno | null = null;
  if (sa.mode !== null && sa.mode !== va.mode) e = up.chmod(f.name, sa.mode);
  if (e === null && (sa.atime !== null || sa.mtime !== null)) {
    const at = sa.atime ?? { sec: va.atimeSec, nsec: va.atimeNsec };
    const mt = sa.mtime ?? { sec: va.mtimeSec, nsec: va.mtimeNsec };
    e = up.utimes(f.name, toNs(at), toNs(mt));
  }
  return e ?? refresh(f, true);
}

function readlink(vp: Vnode): string | Errno {
  const f = fileOf(vp);
  if (vp.type !== VType.VLNK || f.parent === null) return EINVAL;
  const up = dirHandle(f.parent);
  return up instanceof Errno ? up : up.readlink(f.name);
}

/**
 * A name of a file is about to go. If it may be the last one we know and the file is open, get a handle: its data could
 * not be reached any other way.
 */
function beforeUnlink(f: HostFile): void {
  // The caller's own use does not count.
  if (f.vp.type === VType.VREG && f.vp.usecount > 1 && f.otherNames.length === 0) fileHandle(f, f.vp.writecount > 0);
}

/** The name is gone. */
function afterUnlink(f: HostFile, dir: HostFile, name: string): void {
  if (!lostName(f, dir, name)) f.unlinked = true;
}

export const hostfsVops = vopTable({
  tryResolve: resolve,
  *nresolve(dvp, name) {
    return resolve(dvp, name);
  },
  *ncreate(dvp, name, attr) {
    if (attr.type !== VType.VREG) return EOPNOTSUPP;
    return make(dvp, name, (d) => {
      const h = d.createFile(name, attr.mode);
      if (h instanceof Errno) return h;
      h.close();
      return null;
    });
  },
  *nmkdir(dvp, name, attr) {
    return make(dvp, name, (d) => d.mkdir(name, attr.mode));
  },
  *nsymlink(dvp, name, target) {
    return make(dvp, name, (d) => d.symlink(name, target));
  },
  *nlink(dvp, name, vp) {
    const f = fileOf(vp);
    if (f.parent === null || f.unlinked) return ENOENT;
    const from = dirHandle(f.parent);
    if (from instanceof Errno) return from;
    const to = dirHandle(fileOf(dvp));
    if (to instanceof Errno) return to;
    const e = from.link(f.name, to, name);
    if (e === null) foundAs(f, fileOf(dvp), name);
    changed(f, fileOf(dvp));
    return e;
  },
  *nremove(dvp, name, vp) {
    const d = dirHandle(fileOf(dvp));
    if (d instanceof Errno) return d;
    const f = fileOf(vp);
    beforeUnlink(f);
    const e = d.unlink(name);
    if (e === null) afterUnlink(f, fileOf(dvp), name);
    changed(f, fileOf(dvp));
    return e;
  },
  *nrmdir(dvp, name, vp) {
    const d = dirHandle(fileOf(dvp));
    if (d instanceof Errno) return d;
    const f = fileOf(vp);
    closeHandles(f);
    const e = d.rmdir(name);
    if (e === null) f.unlinked = true;
    changed(f, fileOf(dvp));
    return e;
  },
  *nrename(fdvp, fname, fvp, tdvp, tname, tvp) {
    const from = dirHandle(fileOf(fdvp));
    if (from instanceof Errno) return from;
    const to = dirHandle(fileOf(tdvp));
    if (to instanceof Errno) return to;
    const old = tvp === null ? null : fileOf(tvp);
    if (old !== null) beforeUnlink(old);
    const e = from.rename(fname, to, tname);
    if (e !== null) return e;
    if (old !== null) afterUnlink(old, fileOf(tdvp), tname);
    const f = fileOf(fvp);
    foundAs(f, fileOf(tdvp), tname);
    lostName(f, fileOf(fdvp), fname);
    changed(f, old, fileOf(fdvp), fileOf(tdvp));
    return null;
  },
  tryGetattr: getattr,
  *getattr(vp) {
    return getattr(vp);
  },
  *setattr(vp, sa) {
    return setattr(vp, sa);
  },
  // A dirty file has to be written back when it is closed.
  openIsTrivial: (vp) => (vp.type === VType.VREG || vp.type === VType.VDIR) && !fileOf(vp).hm.dirty.has(fileOf(vp)),
  *open(vp) {
    return vp.type === VType.VREG || vp.type === VType.VDIR ? null : EOPNOTSUPP;
  },
  *close(vp) {
    return yield* flush(fileOf(vp));
  },
  tryRead(vp, uio) {
    const e = regCheck(vp) ?? fresh(vp);
    if (e !== null || uio.offset >= vp.va.size) return e;
    return vnTryRead(vp, hostObject(fileOf(vp)), uio);
  },
  *read(vp, uio) {
    const e = regCheck(vp) ?? fresh(vp);
    if (e !== null) return e;
    return yield* vnReadB(vp, hostObject(fileOf(vp)), uio);
  },
  tryWrite,
  write,
  tryReaddir: readdir,
  *readdir(vp, db) {
    return readdir(vp, db);
  },
  tryReadlink: readlink,
  *readlink(vp) {
    return readlink(vp);
  },
  *fsync(vp) {
    const f = fileOf(vp);
    const e = yield* flush(f);
    if (e !== null) return e;
    return f.fileHandle === null || !f.fileWritable ? null : f.fileHandle.fsync();
  },
  getObject: (vp) => (vp.type === VType.VREG ? (fresh(vp) ?? hostObject(fileOf(vp))) : ENODEV),
  inactive(vp) {
    const f = fileOf(vp);
    if (f.unlinked) forget(f);
  },
  idle(vp) {
    const f = fileOf(vp);
    if (!f.hm.dirty.has(f)) forget(f);
  },
  reclaim: (vp) => forget(fileOf(vp)),
});
