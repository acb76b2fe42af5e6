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
import { EFBIG, EINVAL, EISDIR, ENODEV, EOPNOTSUPP, Errno, NOTNOW } from '../../sys/errno.js';
import { type Uio, uiomoveB } from '../../vm/uio.js';
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

/** Write one piece of at most a block: all of it or nothing. The vnode is locked exclusively. */
function* writePiece(vp: Vnode, uio: Uio, buf: Uint8Array): Blocking<Errno | null> {
  const { h, inum } = nodeOf(vp);
  const off = uio.offset;
  const n = Math.min(uio.resid, PBUFSIZE - (off % PBUFSIZE));
  const e = yield* uiomoveB(buf, 0, n, uio);
  if (e !== null) return e;
  const size = vp.va.size;
  const r = yield* h.m.write(inum, off, buf, 0, n);
  if (r instanceof Errno) {
    // These bytes went nowhere: they count as not moved.
    uio.offset = off;
    uio.resid += n;
    return r;
  }
  if (vp.object !== null) {
    if (off + n > size) vnSetObjectSize(vp.object, off + n);
    updatePages(vp.object, buf, off, n);
  }
  refresh(vp);
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

export const hammer2Vops = vopTable({
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
  tryWrite: () => NOTNOW,
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
  tryReadlink: (vp) => nodeOf(vp).link ?? (vp.type === VType.VLNK ? NOTNOW : EINVAL),
  *readlink(vp) {
    const node = nodeOf(vp);
    const r = yield* node.h.m.readlink(node.inum);
    if (!(r instanceof Errno)) node.link = r;
    return r;
  },
  *fsync(vp) {
    const node = nodeOf(vp);
    return (yield* cleanNode(node)) ?? (yield* node.h.m.fsync(node.inum));
  },
  ioctl: (vp, cmd, data, lwp) => hammer2Ioctl(vp, cmd, data, lwp),
  seekHole(vp, off, data) {
    const { h, inum } = nodeOf(vp);
    // The library answers at once when its tree is in memory; what it would have to read counts as data.
    const g = data ? h.m.seekData(inum, off) : h.m.seekHole(inum, off);
    const r = g.next();
    if (r.done === true) return r.value;
    g.return(0);
    return data ? off : vp.va.size;
  },
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
