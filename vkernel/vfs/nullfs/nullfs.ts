/**
 * nullfs: a directory of another file system under a second name, with flags of its own (read-only, nosuid, nodev, noexec).
 *
 * A null mount has a name cache tree of its own over the vnodes of the lower file system: files, their pages, locks and
 * FIFOs are the same, only names and mount flags differ. Its entries are resolved anew each time, so it sees what changes
 * below; what is changed through it is made known to the lower tree by the name cache (cacheTellLower).
 *
 * Counterpart: sys/vfs/nullfs
 */
import { copyinB, copyinstrB } from '../../vm/vm_user.js';
import type { Blocking } from '../../sys/blocking.js';
import { EDEADLK, EINVAL, ENOTDIR, Errno } from '../../sys/errno.js';
import { MNT_NODEV, MNT_NOEXEC, MNT_NOSUID, MNT_RDONLY, type Mount, type MountArgs, type VfsOps } from '../mount.js';
import { cacheDrop, cacheFullpath, cacheHold, cachePurgeChildren, cacheSetvp, type Namecache } from '../namecache.js';
import { NLC_FOLLOW, nlookup } from '../nlookup.js';
import { gd } from '../../sys/globaldata.js';
import { type Vnode, VType } from '../vnode.js';

/** Is `ncp` at or below the root of `mp`, or of a mount on top of it? */
function isWithin(ncp: Namecache, top: Namecache): boolean {
  for (let n: Namecache | null = ncp; n !== null; n = n.parent ?? n.mount.covered) if (n === top) return true;
  return false;
}

/** The directory to show: struct null_mount_args begins with a pointer to its path. */
function* target(args: MountArgs): Blocking<Namecache | Errno> {
  const { lwp } = args;
  if (lwp === null || args.data === 0) return EINVAL;
  const p = lwp.proc;
  const word = new Uint8Array(8);
  const e = yield* copyinB(p.vm, args.data, word, 0, 8);
  if (e !== null) return e;
  const v = new DataView(word.buffer);
  const path = yield* copyinstrB(p.vm, v.getUint32(4, true) * 0x1_0000_0000 + v.getUint32(0, true), 1024);
  if (path instanceof Errno) return path;
  const nd = yield* nlookup(p.fd, p.cred, p.fd.cwd, path, NLC_FOLLOW);
  if (nd instanceof Errno) return nd;
  const ncp = cacheHold(nd.ncp);
  nd.done();
  return ncp;
}

export const nullfsVfsOps: VfsOps = {
  name: 'null',
  typenum: 8,
  *mount(mp: Mount, args: MountArgs): Blocking<Vnode | Errno> {
    const ncp = yield* target(args);
    if (ncp instanceof Errno) return ncp;
    const vp = ncp.vp;
    const bad =
      vp === null || vp.type !== VType.VDIR
        ? ENOTDIR
        : mp.covered !== null && isWithin(ncp, mp.covered)
          ? EDEADLK
          : null;
    if (bad !== null || vp === null) {
      cacheDrop(ncp);
      return bad ?? ENOTDIR;
    }
    const from = cacheFullpath(ncp, gd.vfs.rootNcp);
    mp.from = typeof from === 'string' ? from : '';
    // A null mount of a null mount allows no more than that one.
    mp.flags |= ncp.mount.flags & (MNT_RDONLY | MNT_NOSUID | MNT_NODEV | MNT_NOEXEC);
    mp.lower = ncp;
    mp.nameTtlNs = 0;
    return vp;
  },
  *unmount(mp) {
    cachePurgeChildren(mp.root);
    cacheSetvp(mp.root, null);
    if (mp.lower !== null) cacheDrop(mp.lower);
    mp.lower = null;
    return null;
  },
  statfs: (mp) => {
    const { mount } = mp.lower as Namecache;
    return mount.ops.statfs(mount);
  },
  *sync(mp) {
    const { mount } = mp.lower as Namecache;
    return mount.ops.sync === undefined ? null : yield* mount.ops.sync(mount);
  },
};
