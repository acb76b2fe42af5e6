/**
 * The root file system at boot: tmpfs unpacked from the base system's archive, with devfs, procfs and the host
 * directories of `vkernel run` mounted in it.
 */
import type { HostDir } from '../machine/machine.js';
import type { Blocking } from '../sys/blocking.js';
import { EEXIST, ENOTDIR, Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import { devfsVfsOps } from '../vfs/devfs/devfs.js';
import { type Mount, MNT_RDONLY, vfsRegister } from '../vfs/mount.js';
import { cacheHold, type Namecache, cacheSetvp } from '../vfs/namecache.js';
import { NLC_CREATE, NLC_FOLLOW, nlookup } from '../vfs/nlookup.js';
import { type TmpNode, tmpfsVfsOps } from '../vfs/tmpfs/tmpfs.js';
import { unpackTar } from '../vfs/tmpfs/unpack.js';
import { vfsMount } from '../vfs/vfs_mount.js';
import { VType } from '../vfs/vnode.js';
import { fdinit } from './kern_descrip.js';
import { Ucred } from './proc.js';
import { kprintf } from './subr_prf.js';

export interface RootOptions {
  kenv: ReadonlyMap<string, string>;
  mounts: readonly { dir: HostDir; guest: string; write: boolean; from: string }[];
}

/** Register every file system type. */
function registerTypes(): void {
  for (const ops of [tmpfsVfsOps, devfsVfsOps]) vfsRegister(ops);
}

/** Find the directory `path`, making what is missing of it. The entry comes held. */
function* kernMkdirs(path: string): Blocking<Namecache | Errno> {
  const cred = new Ucred(0, 0, 0, [0], 0, 0);
  const fd = fdinit(gd.vfs.rootNcp);
  let at = '';
  let last: Namecache = gd.vfs.rootNcp;
  for (const name of path.split('/').filter((n) => n !== '')) {
    at += `/${name}`;
    const nd = yield* nlookup(fd, cred, fd.cwd, at, NLC_CREATE | NLC_FOLLOW);
    if (nd instanceof Errno) return nd;
    last = nd.ncp;
    let e: Errno | null = null;
    if (last.vp === null) {
      const dvp = nd.dncp?.vp ?? null;
      const attr = { type: VType.VDIR, mode: 0o755, uid: 0, gid: 0, rdev: 0 };
      const vp = dvp === null ? EEXIST : yield* dvp.ops.nmkdir(dvp, last.name, attr);
      if (vp instanceof Errno) e = vp;
      else cacheSetvp(last, vp);
    } else if (last.vp.type !== VType.VDIR) e = ENOTDIR;
    if (e === null) cacheHold(last);
    nd.done();
    if (e !== null) return e;
  }
  return last;
}

function* mountOn(type: string, path: string, flags: number, internal: object | null): Blocking<Mount | Errno> {
  const on = yield* kernMkdirs(path);
  if (on instanceof Errno) return on;
  return yield* vfsMount(type, on, flags, { data: 0, lwp: null, internal });
}

/** Mount everything a process needs before the first one starts. */
export function* rootMount(o: RootOptions): Blocking<Errno | null> {
  registerTypes();
  const archive = gd.machine.readPackageFile('base.tar');
  if (archive instanceof Errno) return archive;
  const root = yield* vfsMount('tmpfs', null, 0, {
    data: 0,
    lwp: null,
    internal: { populate: (node: TmpNode) => void unpackTar(archive, node) },
  });
  if (root instanceof Errno) return root;
  kprintf('Mounting root from tmpfs\n');
  for (const [type, path] of [['devfs', '/dev']] as const) {
    const m = yield* mountOn(type, path, 0, null);
    if (m instanceof Errno) return m;
  }
  for (const h of o.mounts) {
    const m = yield* mountOn('hostfs', h.guest, h.write ? 0 : MNT_RDONLY, { dir: h.dir, from: h.from });
    if (m instanceof Errno) {
      kprintf('%s: cannot mount host directory on %s: %s\n', h.from, h.guest, m.text);
      return m;
    }
  }
  return null;
}
