/**
 * HAMMER2 as a mountable file system, read-only.
 *
 * mount(2) data: struct of 128 bytes with a pointer to the special, `dev[:dev...][@LABEL]` or `@LABEL` (a PFS of a device
 * that is mounted already). Mounts of one device share its Hammer2Device. A mount that does not ask for read-only gets
 * it all the same, with a line on the console.
 * Counterpart: sys/vfs/hammer2/hammer2_vfsops.c
 */
import { FileDesc } from '../../kern/file.js';
import { Ucred } from '../../kern/proc.js';
import { kprintf } from '../../kern/subr_prf.js';
import type { BlockDevice } from '../../sys/blockdev.js';
import type { Blocking } from '../../sys/blocking.js';
import { EBUSY, EINVAL, ENAMETOOLONG, ENOENT, ENOTBLK, ENXIO, EROFS, Errno } from '../../sys/errno.js';
import { gd } from '../../sys/globaldata.js';
import { copyinB, copyinstrB } from '../../vm/vm_user.js';
import { MNAMELEN, MNT_RDONLY, type Mount, type MountArgs, type Statfs, type VfsOps } from '../mount.js';
import { NLC_FOLLOW, nlookup } from '../nlookup.js';
import { type Vnode, VType } from '../vnode.js';
import { type Codecs, tsCodecs } from './codec/codecs.js';
import { defaultLabel, Hammer2Device, parseSpecial } from './device.js';
import { Hammer2Vfs } from './hammer2_vnops.js';

/** Arguments of mounts the kernel makes. */
export interface Hammer2Internal {
  /** As for mount_hammer2. */
  special: string;
}

let codecs: Codecs = tsCodecs;
/** Native arithmetic, when the machine has it: for mounts made from now on. */
export function hammer2SetCodecs(c: Codecs): void {
  codecs = c;
}

/** Cache of metadata blocks: a sixteenth of memory, within reason. The pages of files are in the page cache. */
const cacheBytes = (): number => Math.min(64 * 2 ** 20, Math.floor((gd.vm.pages.npages * 4096) / 16));

const rootCred = new Ucred(0, 0, 0, [0], 0, 0);

const isBlockDevice = (o: object | null): o is BlockDevice =>
  o !== null && 'sizeBytes' in o && 'read' in o && typeof o.read === 'function';

/** The block device behind a path such as /dev/vkd0 (or vkd0). */
function* openDevice(name: string, args: MountArgs): Blocking<BlockDevice | Errno> {
  const root = gd.vfs.rootNcp;
  const p = args.lwp?.proc ?? null;
  const path = name.startsWith('/') ? name : `/dev/${name}`;
  const nd = yield* nlookup(p?.fd ?? new FileDesc(root, root), p?.cred ?? rootCred, root, path, NLC_FOLLOW);
  if (nd instanceof Errno) return nd;
  try {
    const vp = nd.ncp.vp as Vnode;
    if (vp.type !== VType.VCHR && vp.type !== VType.VBLK) return ENOTBLK;
    const dev = gd.dev.byRdev.get(vp.va.rdev);
    if (dev === undefined || dev.gone) return ENXIO;
    return isBlockDevice(dev.data) ? dev.data : ENOTBLK;
  } finally {
    nd.done();
  }
}

const hammer2Mounts = (): Hammer2Vfs[] => gd.vfs.mounts.flatMap((m) => (m.data instanceof Hammer2Vfs ? [m.data] : []));

const sameDevices = (a: readonly BlockDevice[], b: readonly BlockDevice[]): boolean =>
  a.length === b.length && a.every((d) => b.includes(d));

function* special(args: MountArgs): Blocking<string | Errno> {
  if (args.internal !== null) return (args.internal as Hammer2Internal).special;
  if (args.lwp === null || args.data === 0) return EINVAL;
  const { vm } = args.lwp.proc;
  const b = new Uint8Array(128);
  const e = yield* copyinB(vm, args.data, b, 0, 128);
  if (e !== null) return e;
  const v = new DataView(b.buffer);
  const s = yield* copyinstrB(vm, v.getUint32(4, true) * 0x1_0000_0000 + v.getUint32(0, true), MNAMELEN);
  return s === ENAMETOOLONG ? EINVAL : s;
}

function* hammer2VfsMount(mp: Mount, args: MountArgs): Blocking<Vnode | Errno> {
  const from = yield* special(args);
  if (from instanceof Errno) return from;
  const spec = parseSpecial(from);
  const devs: BlockDevice[] = [];
  for (const name of spec.devs) {
    const dev = yield* openDevice(name, args);
    if (dev instanceof Errno) return dev;
    devs.push(dev);
  }
  const mounted = hammer2Mounts();
  let device: Hammer2Device | Errno;
  let label = spec.label;
  if (devs.length === 0) {
    // @LABEL: the first mounted device that has it.
    if (label === null) return EINVAL;
    device = ENOENT;
    for (const h of mounted) {
      const list = yield* h.m.pfsList();
      if (list instanceof Errno || !list.some((p) => p.label === label)) continue;
      device = h.m.device;
      break;
    }
  } else {
    label ??= defaultLabel(spec.devs[0]);
    const other = mounted.find((h) =>
      sameDevices(
        devs,
        h.m.device.vols.vols.map((v) => v.dev),
      ),
    );
    device =
      other !== undefined
        ? other.m.device
        : yield* Hammer2Device.open(devs, { codecs, log: (line) => kprintf('%s\n', line), cacheBytes: cacheBytes() });
  }
  if (device instanceof Errno) return device;
  const dev = device;
  if (mounted.some((h) => h.m.device === dev && h.m.label === label)) return EBUSY;
  const m = yield* dev.mount(label);
  if (m === ENOENT) {
    const list = yield* dev.pfsList();
    const has = list instanceof Errno ? '' : `; it has ${list.map((p) => p.label).join(', ')}`;
    kprintf('hammer2: %s: no PFS with label %s%s\n', dev.vols.name, label, has);
  }
  if (m instanceof Errno) return m;
  // The world may have changed while we slept.
  if (
    hammer2Mounts().some(
      (h) =>
        sameDevices(
          h.m.device.vols.vols.map((v) => v.dev),
          dev.vols.vols.map((v) => v.dev),
        ) && h.m.label === label,
    )
  ) {
    return EBUSY;
  }
  if ((mp.flags & MNT_RDONLY) === 0) {
    mp.flags |= MNT_RDONLY;
    kprintf('hammer2: %s@%s: mounted read-only\n', dev.vols.name, label);
  }
  const h = new Hammer2Vfs(m, mp);
  mp.data = h;
  mp.from = devs.length === 0 ? `${dev.vols.name}@${label}` : `${spec.devs.join(':')}@${label}`;
  return h.getVnode(m.root);
}

export const hammer2VfsOps: VfsOps = {
  name: 'hammer2',
  typenum: 17,
  mount: hammer2VfsMount,
  *update(mp) {
    return (mp.flags & MNT_RDONLY) === 0 ? EROFS : null;
  },
  *unmount(mp) {
    (mp.data as Hammer2Vfs).release();
    return null;
  },
  statfs(mp): Statfs {
    const s = (mp.data as Hammer2Vfs).m.statfs();
    return { ...s, iosize: s.bsize, ffree: 0 };
  },
};
