/**
 * HAMMER2 as a mountable file system.
 *
 * mount(2) data: struct of 128 bytes with a pointer to the special, `dev[:dev...][@LABEL]` or `@LABEL` (a PFS of a device
 * that is mounted already). Mounts of one device share its H2Device; the first mount opens it, the last closes it. A
 * mount that does not ask for read-only gets it all the same on media that cannot be written, with a line on the console.
 *
 * Each device that is mounted read-write has a syncer thread, so that a power cut loses half a minute at most of what
 * nobody has asked to be durable.
 * Counterpart: sys/vfs/hammer2/hammer2_vfsops.c, sys/kern/vfs_sync.c
 */
import { FileDesc } from '../../kern/file.js';
import { lwktCreate, TDPRI_KERN_DAEMON, tsleep, wakeup, WaitQ } from '../../kern/lwkt_thread.js';
import { Ucred } from '../../kern/proc.js';
import { sysctlAdd, sysctlNumber } from '../../kern/kern_sysctl.js';
import { kprintf } from '../../kern/subr_prf.js';
import type { BlockDevice } from '../../sys/blockdev.js';
import type { Blocking } from '../../sys/blocking.js';
import { EBUSY, EINVAL, ENAMETOOLONG, ENOENT, ENOTBLK, ENXIO, EROFS, Errno } from '../../sys/errno.js';
import { gd } from '../../sys/globaldata.js';
import { copyinB, copyinstrB } from '../../vm/vm_user.js';
import type { Cdev } from '../devfs/cdev.js';
import { MNAMELEN, MNT_RDONLY, type Mount, type MountArgs, type Statfs, type VfsOps } from '../mount.js';
import { NLC_FOLLOW, nlookup } from '../nlookup.js';
import { type Vnode, VType, vfsTimestamp } from '../vnode.js';
import type { H2Device, H2OpenOptions } from './api.js';
import { type Codecs, tsCodecs } from './codec/codecs.js';
import { defaultLabel, parseSpecial } from './device.js';
import { latin1 } from './disk.js';
import { Hammer2Vfs } from './hammer2_node.js';
import { hammer2Vops } from './hammer2_vnops.js';
import { hammer2Open } from './open.js';

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

const dedupEnabled = (): boolean => gd.hammer2Dedup ?? true;

/** vfs.hammer2.*: for all mounts, from the next block written on. Counterpart: hammer2_vfsops.c */
export function hammer2SysctlInit(): void {
  sysctlAdd({
    name: 'vfs.hammer2.dedup_enable',
    kind: 'int',
    get: () => (dedupEnabled() ? 1 : 0),
    set: (_p, bytes) => {
      gd.hammer2Dedup = sysctlNumber(bytes) !== 0;
      return null;
    },
    descr: 'Store equal blocks of file data once',
  });
}

/** How often what is dirty goes to the disk by itself. Counterpart: SYNCER_MAXDELAY */
const SYNC_INTERVAL_NS = 30e9;

/** Caches of metadata and of unwritten data: a sixteenth of memory each, within reason. File pages are in the page cache. */
const cacheBytes = (): number => Math.min(64 * 2 ** 20, Math.floor((gd.vm.pages.npages * 4096) / 16));

const rootCred = new Ucred(0, 0, 0, [0], 0, 0);

const isBlockDevice = (o: object | null): o is BlockDevice =>
  o !== null && 'sizeBytes' in o && 'read' in o && typeof o.read === 'function';

function blockDeviceOf(dev: Cdev | undefined): BlockDevice | Errno {
  if (dev === undefined || dev.gone) return ENXIO;
  return isBlockDevice(dev.data) ? dev.data : ENOTBLK;
}

/** The block device behind a path such as /dev/vkd0 (or vkd0). Before there is a root, devices are found by name. */
function* openDevice(name: string, args: MountArgs): Blocking<BlockDevice | Errno> {
  const root = gd.vfs.rootNcp;
  const path = name.startsWith('/') ? name : `/dev/${name}`;
  if (root === null) {
    const base = path.replace(/^\/dev\//, '');
    return blockDeviceOf([...gd.dev.byRdev.values()].find((d) => d.name === base));
  }
  const p = args.lwp?.proc ?? null;
  const nd = yield* nlookup(p?.fd ?? new FileDesc(root, root), p?.cred ?? rootCred, root, path, NLC_FOLLOW);
  if (nd instanceof Errno) return nd;
  try {
    const vp = nd.ncp.vp as Vnode;
    if (vp.type !== VType.VCHR && vp.type !== VType.VBLK) return ENOTBLK;
    return blockDeviceOf(gd.dev.byRdev.get(vp.va.rdev));
  } finally {
    nd.done();
  }
}

const hammer2Mounts = (): Hammer2Vfs[] => gd.vfs.mounts.flatMap((m) => (m.data instanceof Hammer2Vfs ? [m.data] : []));

const sameDevices = (a: readonly BlockDevice[], b: readonly BlockDevice[]): boolean =>
  a.length === b.length && a.every((d) => b.includes(d));

const nameOf = (device: H2Device): string => device.devs.map((d) => d.name).join(':');

function nowUs(): number {
  const t = vfsTimestamp();
  return t.sec * 1e6 + Math.floor(t.nsec / 1000);
}

/** Devices that are mounted, or being mounted or unmounted: one at a time may open or close a device. */
class DeviceState {
  mounts = 0;
  device: H2Device | null = null;
  busy = false;
  readonly q = new WaitQ();
  /** The syncer runs. */
  syncing = false;
  constructor(readonly devs: readonly BlockDevice[]) {}
}

declare module '../../sys/globaldata.js' {
  interface GlobalData {
    hammer2?: DeviceState[];
    /** vfs.hammer2.dedup_enable; undefined: 1. */
    hammer2Dedup?: boolean;
  }
}

/** Take the state of these devices, alone. */
function* lockDevice(devs: readonly BlockDevice[]): Blocking<DeviceState> {
  const all = (gd.hammer2 ??= []);
  let st = all.find((s) => sameDevices(s.devs, devs));
  if (st === undefined) all.push((st = new DeviceState(devs)));
  while (st.busy) yield* tsleep(st.q, 'h2mount');
  st.busy = true;
  return st;
}

/** Let go; a device without mounts is closed. */
function* unlockDevice(st: DeviceState): Blocking<Errno | null> {
  let e: Errno | null = null;
  if (st.mounts === 0 && st.device !== null) {
    e = yield* st.device.close();
    st.device = null;
  }
  st.busy = false;
  wakeup(st.q);
  return e;
}

function* syncer(st: DeviceState): Blocking<void> {
  for (;;) {
    yield* tsleep(st.q, 'syncer', 0, SYNC_INTERVAL_NS);
    if (st.device === null || st.device.readonly) break;
    const e = yield* syncDevice(st.device);
    if (e !== null) kprintf('hammer2: %s: sync: %s\n', nameOf(st.device), e.text);
  }
  st.syncing = false;
}

/** Everything that any mount of the device has changed. */
function* syncDevice(device: H2Device): Blocking<Errno | null> {
  let error: Errno | null = null;
  for (const h of hammer2Mounts()) if (h.m.device === device) error = (yield* h.clean()) ?? error;
  return (yield* device.sync()) ?? error;
}

function startSyncer(st: DeviceState): void {
  if (st.syncing || st.device === null || st.device.readonly) return;
  st.syncing = true;
  lwktCreate(() => syncer(st), 'syncer', TDPRI_KERN_DAEMON);
}

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

/** The devices a special names: those given, or with `@LABEL` those of the first mount that has the label. */
function* findDevices(
  names: readonly string[],
  label: string | null,
  args: MountArgs,
): Blocking<BlockDevice[] | Errno> {
  const devs: BlockDevice[] = [];
  for (const name of names) {
    const dev = yield* openDevice(name, args);
    if (dev instanceof Errno) return dev;
    devs.push(dev);
  }
  if (devs.length > 0) return devs;
  if (label === null) return EINVAL;
  for (const h of hammer2Mounts()) {
    const list = yield* h.m.device.pfsList();
    if (!(list instanceof Errno) && list.some((p) => p.label === label)) return [...h.m.device.devs];
  }
  return ENOENT;
}

const openOptions = (readonly: boolean, log: (line: string) => void): H2OpenOptions => ({
  readonly,
  nowUs,
  random: (b) => gd.machine.entropy(b),
  log,
  codecs,
  cacheBytes: cacheBytes(),
  dirtyBytes: cacheBytes(),
  dedup: dedupEnabled,
});

/** The file of PFS LOCAL in which bectl(8) writes what is booted next, and the PFS booted when it names none. */
const BOOT_RECORD = 'bootenv';
const BOOT_DEFAULT = 'ROOT';

/** The label in the boot record, or null. */
function* activeLabel(device: H2Device): Blocking<string | null> {
  const m = yield* device.mount('LOCAL', { readonly: true });
  if (m instanceof Errno) return null;
  const n = yield* m.lookup(m.rootInum, BOOT_RECORD);
  const b = new Uint8Array(256);
  const r = n instanceof Errno ? n : yield* m.read(n, 0, b, 0, b.length);
  yield* m.unmount();
  return r instanceof Errno ? null : latin1(b, 0, r).split('\n')[0];
}

/**
 * The PFS to boot from disk `name`: the activated boot environment, else ROOT, else null. Asked before there is a root; says
 * nothing but that an activated one is missing.
 */
export function* hammer2BootPfs(name: string): Blocking<string | null> {
  const dev = blockDeviceOf([...gd.dev.byRdev.values()].find((d) => d.name === name));
  if (dev instanceof Errno) return null;
  const device = yield* hammer2Open(
    [dev],
    openOptions(true, () => {}),
  );
  if (device instanceof Errno) return null;
  const list = yield* device.pfsList();
  const has = (label: string): boolean => !(list instanceof Errno) && list.some((p) => p.label === label);
  const active = yield* activeLabel(device);
  yield* device.close();
  if (active !== null && has(active)) return active;
  if (active !== null) kprintf('%s: boot environment %s is not there\n', name, active);
  return has(BOOT_DEFAULT) ? BOOT_DEFAULT : null;
}

/** Open the device if it is not, and mount the PFS. The state is locked. */
function* mountPfs(st: DeviceState, mp: Mount, label: string): Blocking<Hammer2Vfs | Errno> {
  if (hammer2Mounts().some((h) => h.m.device === st.device && h.m.label === label)) return EBUSY;
  const readonly = (mp.flags & MNT_RDONLY) !== 0;
  if (st.device === null) {
    const r = yield* hammer2Open(
      st.devs,
      openOptions(readonly, (line) => kprintf('%s\n', line)),
    );
    if (r instanceof Errno) return r;
    st.device = r;
  }
  const m = yield* st.device.mount(label, { readonly });
  if (m === ENOENT) {
    const list = yield* st.device.pfsList();
    const has = list instanceof Errno ? '' : `; it has ${list.map((p) => p.label).join(', ')}`;
    kprintf('hammer2: %s: no PFS with label %s%s\n', nameOf(st.device), label, has);
  }
  return m instanceof Errno ? m : new Hammer2Vfs(m, mp, hammer2Vops);
}

function* hammer2VfsMount(mp: Mount, args: MountArgs): Blocking<Vnode | Errno> {
  const from = yield* special(args);
  if (from instanceof Errno) return from;
  const spec = parseSpecial(from);
  const devs = yield* findDevices(spec.devs, spec.label, args);
  if (devs instanceof Errno) return devs;
  const label = spec.label ?? defaultLabel(spec.devs[0]);
  if ((mp.flags & MNT_RDONLY) === 0 && devs.some((d) => d.readonly)) {
    mp.flags |= MNT_RDONLY;
    kprintf('hammer2: %s@%s: mounted read-only\n', devs.map((d) => d.name).join(':'), label);
  }
  const st = yield* lockDevice(devs);
  try {
    const h = yield* mountPfs(st, mp, label);
    if (h instanceof Errno) return h;
    const root = yield* h.getVnode(h.m.rootInum);
    if (root instanceof Errno) {
      yield* h.m.unmount();
      return root;
    }
    mp.data = h;
    mp.from =
      spec.devs.length === 0 ? `${devs.map((d) => d.name).join(':')}@${label}` : `${spec.devs.join(':')}@${label}`;
    st.mounts++;
    startSyncer(st);
    return root;
  } finally {
    yield* unlockDevice(st);
  }
}

const vfsOf = (mp: Mount): Hammer2Vfs => mp.data as Hammer2Vfs;

export const hammer2VfsOps: VfsOps = {
  name: 'hammer2',
  typenum: 17,
  mount: hammer2VfsMount,
  *update(mp) {
    const h = vfsOf(mp);
    const readonly = (mp.flags & MNT_RDONLY) !== 0;
    if (readonly === h.m.readonly) return null;
    if (!readonly && h.m.device.devs.some((d) => d.readonly)) return EROFS;
    if (readonly) {
      // A file open for writing would lose what it writes from now on.
      for (const vp of h.vnodes.values()) if (vp.writecount > 0) return EBUSY;
      const e = yield* h.clean();
      if (e !== null) return e;
    }
    const e = yield* h.m.remount(readonly);
    const st = gd.hammer2?.find((s) => s.device === h.m.device);
    if (e === null && st !== undefined) startSyncer(st);
    return e;
  },
  *unmount(mp, force) {
    const h = vfsOf(mp);
    const st = yield* lockDevice(h.m.device.devs);
    try {
      const e = yield* h.clean();
      if (e !== null && !force) return e;
      h.release();
      const e2 = yield* h.m.unmount();
      if (e2 !== null && !force) return e2;
      st.mounts--;
      return null;
    } finally {
      const e = yield* unlockDevice(st);
      if (e !== null) kprintf('hammer2: %s: closing: %s\n', st.devs.map((d) => d.name).join(':'), e.text);
    }
  },
  busy: (mp) => vfsOf(mp).mapped,
  statfs(mp): Statfs {
    const s = vfsOf(mp).m.statfs();
    return { ...s, iosize: s.bsize, ffree: 0 };
  },
  sync: (mp) => syncDevice(vfsOf(mp).m.device),
};
