/**
 * Vnode operations of tmpfs.
 *
 * Counterpart: sys/vfs/tmpfs/tmpfs_vnops.c
 */
import { EINVAL, ENODEV, ENOENT, ENOTDIR, Errno } from '../../sys/errno.js';
import { PAGE_SIZE } from '../../machine/ram.js';
import { specClose, specOpen } from '../devfs/cdev.js';
import type { DirBuf } from '../dirbuf.js';
import { fifoClose, fifoOpen } from '../fifofs.js';
import { type Setattr, vfsTimestamp, type Vnode, VType, vtypeToDtype } from '../vnode.js';
import { vopTable } from '../vop.js';
import {
  FIRST_COOKIE,
  nodeOf,
  type TmpDir,
  type TmpNode,
  tmpCreate,
  tmpEnter,
  tmpFree,
  tmpLeave,
  tmpPages,
  tmpRemoveDir,
} from './tmpfs.js';
import { tmpObject, tmpRead, tmpSeekHole, tmpSetSize, tmpTryRead, tmpTryWrite, tmpWrite } from './tmpfs_file.js';

function setattr(vp: Vnode, sa: Setattr): Errno | null {
  const node = nodeOf(vp);
  const va = vp.va;
  const now = vfsTimestamp();
  if (sa.size !== null) {
    const e = tmpSetSize(node, sa.size);
    if (e !== null) return e;
    va.setMtime(now);
  }
  if (sa.mode !== null) va.mode = sa.mode;
  if (sa.uid !== null) va.uid = sa.uid;
  if (sa.gid !== null) va.gid = sa.gid;
  if (sa.flags !== null) va.flags = sa.flags;
  if (sa.atime !== null) va.setAtime(sa.atime);
  if (sa.mtime !== null) va.setMtime(sa.mtime);
  va.setCtime(now);
  return null;
}

function readdir(vp: Vnode, db: DirBuf): Errno | null {
  const node = nodeOf(vp);
  const dir = node.dir;
  if (dir === null) return ENOTDIR;
  if (db.cookie < 0) return EINVAL;
  if (db.cookie === 0 && !db.put(vp.va.ino, vtypeToDtype(VType.VDIR), '.', 1)) return null;
  if (db.cookie === 1 && !db.put(dir.parent.vp.va.ino, vtypeToDtype(VType.VDIR), '..', FIRST_COOKIE)) return null;
  const list = dir.list;
  for (let i = dir.seek(db.cookie); i < list.length; i++) {
    const de = list[i];
    if (de.dead) continue;
    const cvp = de.node.vp;
    if (!db.put(cvp.va.ino, vtypeToDtype(cvp.type), de.name, de.cookie + 1)) break;
  }
  vp.va.setAtime(vfsTimestamp());
  return null;
}

/** POSIX and dragonfly-abi.md 7.6 have been checked by the caller, except for what only the tree knows. */
function rename(
  f: TmpNode,
  fname: string,
  node: TmpNode,
  t: TmpNode,
  tname: string,
  tnode: TmpNode | null,
): Errno | null {
  if (t.vp.va.nlink === 0) return ENOENT;
  // Into itself or below.
  if (node.dir !== null) {
    for (let d = t; ; d = (d.dir as TmpDir).parent) {
      if (d === node) return EINVAL;
      if ((d.dir as TmpDir).parent === d) break;
    }
  }
  if (tnode !== null) {
    if (tnode.dir !== null) {
      const e = tmpRemoveDir(t, tname, tnode);
      if (e !== null) return e;
    } else tmpLeave(t, tname, tnode);
  }
  tmpLeave(f, fname, node);
  tmpEnter(t, tname, node);
  if (node.dir !== null) node.dir.parent = t;
  return null;
}

export const tmpfsVops = vopTable({
  tryResolve(dvp, name) {
    const dir = nodeOf(dvp).dir;
    if (dir === null) return ENOTDIR;
    const de = dir.entries.get(name);
    return de === undefined ? ENOENT : de.node.vp;
  },
  *ncreate(dvp, name, attr) {
    const n = tmpCreate(nodeOf(dvp), name, attr);
    return n instanceof Errno ? n : n.vp;
  },
  *nmkdir(dvp, name, attr) {
    const n = tmpCreate(nodeOf(dvp), name, attr);
    return n instanceof Errno ? n : n.vp;
  },
  *nsymlink(dvp, name, target, attr) {
    const n = tmpCreate(nodeOf(dvp), name, attr);
    if (n instanceof Errno) return n;
    n.link = target;
    n.vp.va.size = target.length;
    return n.vp;
  },
  *nlink(dvp, name, vp) {
    const d = nodeOf(dvp);
    if (d.vp.va.nlink === 0) return ENOENT;
    tmpEnter(d, name, nodeOf(vp));
    return null;
  },
  *nremove(dvp, name, vp) {
    tmpLeave(nodeOf(dvp), name, nodeOf(vp));
    return null;
  },
  *nrmdir(dvp, name, vp) {
    return tmpRemoveDir(nodeOf(dvp), name, nodeOf(vp));
  },
  *nrename(fdvp, fname, fvp, tdvp, tname, tvp) {
    return rename(nodeOf(fdvp), fname, nodeOf(fvp), nodeOf(tdvp), tname, tvp === null ? null : nodeOf(tvp));
  },
  tryGetattr(vp) {
    if (vp.type === VType.VREG) vp.va.bytes = tmpPages(nodeOf(vp)) * PAGE_SIZE;
    return vp.va;
  },
  *setattr(vp, sa) {
    return setattr(vp, sa);
  },
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
  tryRead: tmpTryRead,
  read: tmpRead,
  tryWrite: tmpTryWrite,
  write: tmpWrite,
  tryReaddir: readdir,
  *readdir(vp, db) {
    return readdir(vp, db);
  },
  tryReadlink: (vp) => nodeOf(vp).link,
  *readlink(vp) {
    return nodeOf(vp).link;
  },
  seekHole: tmpSeekHole,
  getObject: (vp) => (vp.type === VType.VREG ? tmpObject(nodeOf(vp)) : ENODEV),
  inactive(vp) {
    if (vp.va.nlink === 0) tmpFree(nodeOf(vp));
  },
  reclaim(vp) {
    tmpFree(nodeOf(vp));
  },
});
