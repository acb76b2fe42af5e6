/**
 * Vnode operations of HAMMER2.
 *
 * Names and attributes go straight to the library. File data: read() and mappings share the pages of the vnode's object;
 * write() gives the bytes to the library, which knows at once whether there is room for them and keeps them until it
 * syncs, and brings resident pages up to date.
 * Counterpart: sys/vfs/hammer2/hammer2_vnops.c
 */
import type { Ucred } from '../../kern/proc.js';
import type { Blocking } from '../../sys/blocking.js';
import { EFBIG, EINVAL, EISDIR, ENODEV, ENXIO, EOPNOTSUPP, Errno, NOTNOW } from '../../sys/errno.js';
import { type Uio, uiomove, uiomoveB } from '../../vm/uio.js';
import { specClose, specOpen } from '../devfs/cdev.js';
import { fifoClose, fifoOpen } from '../fifofs.js';
import { vnReadB, vnSetObjectSize, vnTryRead } from '../vnode_pager.js';
import { S_ISGID, S_ISUID, type Setattr, type TimeSpec, type Vnode, VType, vtypeToDtype } from '../vnode.js';
import { type CreateAttr, IO_APPEND, IO_SYNC, vopTable } from '../vop.js';
import type { H2Create, H2SetAttr } from './api.js';
import { PBUFSIZE } from './disk.js';
import { hammer2Ioctl } from './hammer2_ioctl.js';
import {
  cleanNode,
  forget,
  idle,
  nodeOf,
  objectOf,
  objTypeOf,
  rdevMajor,
  rdevMinor,
  refresh,
  vtypeOf,
} from './hammer2_node.js';
import { updatePages } from './hammer2_pager.js';

/** Largest file: offsets are numbers. */
const MAX_SIZE = Number.MAX_SAFE_INTEGER - PBUFSIZE;

const toUs = (t: TimeSpec): number => t.sec * 1e6 + Math.floor(t.nsec / 1000);

const notFile = (vp: Vnode): Errno => (vp.type === VType.VDIR ? EISDIR : EOPNOTSUPP);

/** Make an object and its vnode. */
function* make(dvp: Vnode, name: string, what: H2Create): Blocking<Vnode | Errno> {
  const { h, inum } = nodeOf(dvp);
  const r = yield* h.m.create(inum, name, what);
  refresh(dvp);
  return r instanceof Errno ? r : yield* h.getVnode(r);
}

const created = (a: CreateAttr): H2Create => ({
  type: objTypeOf(a.type),
  mode: a.mode,
  uid: a.uid,
  gid: a.gid,
  rmajor: rdevMajor(a.rdev),
  rminor: rdevMinor(a.rdev),
});

/** The library has n bytes more at `off`: resident pages and attributes follow. */
function written(vp: Vnode, buf: Uint8Array, off: number, n: number): void {
  if (vp.object !== null) {
    if (off + n > vp.va.size) vnSetObjectSize(vp.object, off + n);
    updatePages(vp.object, buf, off, n);
  }
  refresh(vp);
}

/** A write within one block whose neighbourhood is in memory. */
function tryWrite(vp: Vnode, uio: Uio, ioflag: number, cred: Ucred): Errno | null {
  if (vp.type !== VType.VREG) return notFile(vp);
  if ((ioflag & IO_SYNC) !== 0 || ((vp.va.mode & (S_ISUID | S_ISGID)) !== 0 && cred.uid !== 0)) return NOTNOW;
  const off = (ioflag & IO_APPEND) !== 0 ? vp.va.size : uio.offset;
  const n = uio.resid;
  if ((off % PBUFSIZE) + n > PBUFSIZE || off + n > MAX_SIZE) return NOTNOW;
  uio.offset = off;
  if (n === 0) return null;
  const { h, inum } = nodeOf(vp);
  const buf = h.takeScratch();
  let e = uiomove(buf, 0, n, uio);
  if (e === null) {
    const r = h.m.tryWrite(inum, off, buf, 0, n);
    if (r instanceof Errno) {
      // Not done: the bytes count as not moved.
      e = r;
      uio.offset = off;
      uio.resid = n;
    } else written(vp, buf, off, n);
  }
  h.putScratch(buf);
  return e;
}

/** Write one piece of at most a block: all of it or nothing. The vnode is locked exclusively. */
function* writePiece(vp: Vnode, uio: Uio, buf: Uint8Array): Blocking<Errno | null> {
  const { h, inum } = nodeOf(vp);
  const off = uio.offset;
  const n = Math.min(uio.resid, PBUFSIZE - (off % PBUFSIZE));
  const e = yield* uiomoveB(buf, 0, n, uio);
  if (e !== null) return e;
  const r = yield* h.m.write(inum, off, buf, 0, n);
  if (r instanceof Errno) {
    // These bytes went nowhere: they count as not moved.
    uio.offset = off;
    uio.resid += n;
    return r;
  }
  written(vp, buf, off, n);
  return null;
}

function* write(vp: Vnode, uio: Uio, ioflag: number, cred: Ucred): Blocking<Errno | null> {
  if (vp.type !== VType.VREG) return notFile(vp);
  const { h, inum } = nodeOf(vp);
  if ((ioflag & IO_APPEND) !== 0) uio.offset = vp.va.size;
  if (uio.offset + uio.resid > MAX_SIZE) return EFBIG;
  const resid = uio.resid;
  const buf = h.takeScratch();
  let e: Errno | null = null;
  try {
    while (uio.resid > 0 && e === null) e = yield* writePiece(vp, uio, buf);
  } finally {
    h.putScratch(buf);
  }
  if (uio.resid < resid && (vp.va.mode & (S_ISUID | S_ISGID)) !== 0 && cred.uid !== 0) {
    e = (yield* h.m.setattr(inum, { mode: vp.va.mode & ~(S_ISUID | S_ISGID) })) ?? e;
    refresh(vp);
  }
  if (e === null && (ioflag & IO_SYNC) !== 0) e = yield* h.m.fsync(inum);
  return e;
}

function* setattr(vp: Vnode, sa: Setattr): Blocking<Errno | null> {
  const { h, inum } = nodeOf(vp);
  if (sa.size !== null) {
    if (sa.size > MAX_SIZE) return EFBIG;
    const e = yield* h.m.truncate(inum, sa.size);
    if (e !== null) return e;
    if (vp.object !== null) vnSetObjectSize(vp.object, sa.size);
  }
  const a: H2SetAttr = {};
  if (sa.mode !== null) a.mode = sa.mode;
  if (sa.uid !== null) a.uid = sa.uid;
  if (sa.gid !== null) a.gid = sa.gid;
  if (sa.flags !== null) a.uflags = sa.flags;
  if (sa.mtime !== null) a.mtimeUs = toUs(sa.mtime);
  const e = Object.keys(a).length > 0 ? yield* h.m.setattr(inum, a) : null;
  refresh(vp);
  return e;
}

/** SEEK_DATA and SEEK_HOLE by block; what nobody knows without reading the disk counts as data. */
function seekHole(vp: Vnode, off: number, data: boolean): number | Errno {
  const { h, inum } = nodeOf(vp);
  const { size } = vp.va;
  if (off >= size) return ENXIO;
  const end = Math.ceil(size / PBUFSIZE);
  let lbn = Math.floor(off / PBUFSIZE);
  if (data) {
    const next = h.m.nextData(inum, lbn);
    if (next instanceof Errno) return next === NOTNOW ? off : next;
    return next === null || next >= end ? ENXIO : Math.max(off, next * PBUFSIZE);
  }
  for (; lbn < end; lbn++) if (h.m.isHole(inum, lbn) === true) return Math.max(off, lbn * PBUFSIZE);
  return size;
}

export const hammer2Vops = vopTable({
  tryResolve(dvp, name) {
    const { h, inum } = nodeOf(dvp);
    const r = h.m.tryLookup(inum, name);
    return r instanceof Errno ? r : h.tryVnode(r);
  },
  *nresolve(dvp, name) {
    const { h, inum } = nodeOf(dvp);
    const r = yield* h.m.lookup(inum, name);
    return r instanceof Errno ? r : yield* h.getVnode(r);
  },
  ncreate: (dvp, name, attr) => make(dvp, name, created(attr)),
  nmkdir: (dvp, name, attr) => make(dvp, name, created({ ...attr, type: VType.VDIR })),
  nsymlink: (dvp, name, target, attr) => make(dvp, name, { ...created({ ...attr, type: VType.VLNK }), target }),
  *nlink(dvp, name, vp) {
    const { h, inum } = nodeOf(dvp);
    const e = yield* h.m.link(nodeOf(vp).inum, inum, name);
    refresh(dvp);
    refresh(vp);
    return e;
  },
  *nremove(dvp, name, vp) {
    const { h, inum } = nodeOf(dvp);
    const e = yield* h.m.unlink(inum, name);
    refresh(dvp);
    refresh(vp);
    return e;
  },
  *nrmdir(dvp, name, vp) {
    const { h, inum } = nodeOf(dvp);
    const e = yield* h.m.rmdir(inum, name);
    refresh(dvp);
    refresh(vp);
    return e;
  },
  *nrename(fdvp, fname, fvp, tdvp, tname, tvp) {
    const { h, inum } = nodeOf(fdvp);
    const e = yield* h.m.rename(inum, fname, nodeOf(tdvp).inum, tname);
    refresh(fdvp);
    refresh(tdvp);
    refresh(fvp);
    if (tvp !== null) refresh(tvp);
    return e;
  },
  setattr,
  openIsTrivial: (vp) => vp.type === VType.VREG || vp.type === VType.VDIR,
  *open(vp, flags, fp, lwp) {
    if (vp.type === VType.VFIFO) return fp === null || lwp === null ? EINVAL : yield* fifoOpen(vp, flags, fp, lwp);
    if (vp.type === VType.VCHR || vp.type === VType.VBLK) return yield* specOpen(vp, flags, fp, lwp);
    return null;
  },
  *close(vp, flags) {
    if (vp.type === VType.VFIFO) fifoClose(vp, flags);
    else if (vp.type === VType.VCHR || vp.type === VType.VBLK) return yield* specClose(vp, flags);
    return null;
  },
  tryRead(vp: Vnode, uio: Uio): Errno | null {
    if (vp.type !== VType.VREG) return notFile(vp);
    if (uio.offset >= vp.va.size || uio.resid === 0) return null;
    return vnTryRead(vp, objectOf(vp), uio);
  },
  *read(vp: Vnode, uio: Uio, _ioflag: number, _cred: Ucred) {
    if (vp.type !== VType.VREG) return notFile(vp);
    return yield* vnReadB(vp, objectOf(vp), uio);
  },
  tryWrite,
  write,
  *readdir(vp, db) {
    const { h, inum } = nodeOf(vp);
    const before = db.len;
    const e = yield* h.m.readdir(inum, db.cookie, (name, ino, type, next) =>
      db.put(ino, vtypeToDtype(vtypeOf(type)), name, next),
    );
    // What was readable goes out first; the next call meets the error again.
    return db.len > before ? null : e;
  },
  tryReadlink: (vp) => (vp.type === VType.VLNK ? nodeOf(vp).h.m.tryReadlink(nodeOf(vp).inum) : EINVAL),
  readlink: (vp) => nodeOf(vp).h.m.readlink(nodeOf(vp).inum),
  *fsync(vp) {
    const node = nodeOf(vp);
    return (yield* cleanNode(node)) ?? (yield* node.h.m.fsync(node.inum));
  },
  ioctl: (vp, cmd, data, lwp) => hammer2Ioctl(vp, cmd, data, lwp),
  seekHole,
  getObject: (vp) => (vp.type === VType.VREG ? objectOf(vp) : ENODEV),
  tryGetattr(vp) {
    // Storage used changes with every sync.
    if (vp.type === VType.VREG) refresh(vp);
    return vp.va;
  },
  inactive(vp) {
    if (vp.va.nlink === 0) idle(vp);
  },
  idle,
  reclaim: forget,
});
