/**
 * devfs: the devices made with makeDev, as a file system.
 *
 * All devfs mounts show the same tree (gd.dev); each has vnodes of its own, with their own owners and modes. Names come
 * and go with devices: the mount watches gd.dev and drops what the name cache knew.
 *
 * Counterpart: sys/vfs/devfs/devfs_vfsops.c, devfs_vnops.c
 */
import type { Blocking } from '../../sys/blocking.js';
import { EINVAL, ENOENT, ENOTDIR, Errno } from '../../sys/errno.js';
import { gd } from '../../sys/globaldata.js';
import type { DirBuf } from '../dirbuf.js';
import type { Mount, VfsOps } from '../mount.js';
import { cacheUnlink, type Namecache } from '../namecache.js';
import { type Setattr, Vattr, Vnode, VType, vfsTimestamp, vtypeToDtype } from '../vnode.js';
import { vopTable } from '../vop.js';
import { type DevDir, type DevEntry, specClose, specOpen } from './cdev.js';

/** A vnode's place in the tree: the root has no entry. */
class DevNode {
  constructor(
    readonly dm: DevMount,
    readonly dir: DevDir | null,
    readonly entry: DevEntry | null,
  ) {}
}

class DevMount {
  readonly vnodes = new Map<DevEntry | DevDir, Vnode>();
  watcher: ((dir: DevDir, name: string) => void) | null = null;
  constructor(readonly mp: Mount) {}
}

const nodeOf = (vp: Vnode): DevNode => vp.data as DevNode;

const typeOf = (e: DevEntry): VType => (e.dir !== null ? VType.VDIR : e.dev !== null ? e.dev.vtype : VType.VLNK);

function getVnode(dm: DevMount, key: DevDir | DevEntry, dir: DevDir | null, entry: DevEntry | null): Vnode {
  let vp = dm.vnodes.get(key);
  if (vp !== undefined) return vp;
  const va = new Vattr();
  const now = vfsTimestamp();
  va.setAtime(now);
  va.setMtime(now);
  va.setCtime(now);
  va.ino = entry === null ? 1 : entry.ino;
  va.blksize = 4096;
  const dev = entry?.dev ?? null;
  if (dev !== null) {
    va.mode = dev.mode;
    va.uid = dev.uid;
    va.gid = dev.gid;
    va.rdev = dev.rdev;
  } else va.mode = 0o755;
  if (entry !== null && dir === null && dev === null) va.size = entry.link.length;
  vp = new Vnode(entry === null ? VType.VDIR : typeOf(entry), dm.mp, devfsVops, new DevNode(dm, dir, entry), va);
  if (vp.type === VType.VDIR) va.nlink = 2;
  dm.vnodes.set(key, vp);
  return vp;
}

function setattr(vp: Vnode, sa: Setattr): Errno | null {
  const va = vp.va;
  if (sa.mode !== null) va.mode = sa.mode;
  if (sa.uid !== null) va.uid = sa.uid;
  if (sa.gid !== null) va.gid = sa.gid;
  if (sa.flags !== null) va.flags = sa.flags;
  if (sa.atime !== null) va.setAtime(sa.atime);
  if (sa.mtime !== null) va.setMtime(sa.mtime);
  va.setCtime(vfsTimestamp());
  return null;
}

function readdir(vp: Vnode, db: DirBuf): Errno | null {
  const dir = nodeOf(vp).dir;
  if (dir === null) return ENOTDIR;
  if (db.cookie < 0) return EINVAL;
  const dt = vtypeToDtype(VType.VDIR);
  if (db.cookie === 0 && !db.put(dir.ino, dt, '.', 1)) return null;
  // Cookies of entries are their inode numbers, 2 and up, in the order they were made.
  if (db.cookie === 1 && !db.put(dir.parent?.ino ?? dir.ino, dt, '..', 2)) return null;
  for (const [name, e] of dir.entries) {
    if (e.cookie < db.cookie) continue;
    if (!db.put(e.ino, vtypeToDtype(typeOf(e)), name, e.cookie + 1)) break;
  }
  return null;
}

const devfsVops = vopTable({
  tryResolve(dvp, name) {
    const n = nodeOf(dvp);
    if (n.dir === null) return ENOTDIR;
    const e = n.dir.entries.get(name);
    return e === undefined ? ENOENT : getVnode(n.dm, e, e.dir, e);
  },
  *setattr(vp, sa) {
    return setattr(vp, sa);
  },
  openIsTrivial: (vp) => vp.type === VType.VDIR,
  *open(vp, flags, fp, lwp) {
    return vp.type === VType.VDIR ? null : yield* specOpen(vp, flags, fp, lwp);
  },
  *close(vp, flags) {
    return vp.type === VType.VDIR ? null : yield* specClose(vp, flags);
  },
  tryReaddir: readdir,
  *readdir(vp, db) {
    return readdir(vp, db);
  },
  tryReadlink: (vp) => nodeOf(vp).entry?.link ?? EINVAL,
  *readlink(vp) {
    return nodeOf(vp).entry?.link ?? EINVAL;
  },
  *nremove(dvp, name) {
    // Only this mount's view of it goes, until the device is made again: devfs hides, it never deletes.
    const n = nodeOf(dvp);
    return n.dir === null || !n.dir.entries.has(name) ? ENOENT : EINVAL;
  },
});

export const devfsVfsOps: VfsOps = {
  name: 'devfs',
  typenum: 12,
  *mount(mp): Blocking<Vnode | Errno> {
    const dm = new DevMount(mp);
    mp.data = dm;
    mp.from = 'devfs';
    const root = gd.dev.root;
    const vp = getVnode(dm, root, root, null);
    dm.watcher = (dir, name) => {
      // The directory's own entry in the name cache is found by path from the mount's root.
      const names: string[] = [];
      for (let d: DevDir = dir; d.parent !== null; d = d.parent) {
        for (const [n, e] of d.parent.entries) if (e.dir === d) names.unshift(n);
      }
      let ncp: Namecache | null = mp.root ?? null;
      for (const n of names) ncp = ncp?.children?.get(n) ?? null;
      const c = ncp?.children?.get(name);
      if (c !== undefined && c.owner === null) cacheUnlink(c);
    };
    gd.dev.watchers.add(dm.watcher);
    return vp;
  },
  *unmount(mp) {
    const dm = mp.data as DevMount;
    if (dm.watcher !== null) gd.dev.watchers.delete(dm.watcher);
    return null;
  },
  statfs: () => ({ bsize: 4096, iosize: 4096, blocks: 1, bfree: 0, bavail: 0, files: gd.dev.nextIno, ffree: 0 }),
};
