/**
 * Character devices: Cdev, DevOps, and the FileOps of open devices.
 *
 * Drivers call makeDev; devfs shows what has been made, under names that may contain '/' (pts/0). A device is found by name
 * in devfs and by number through nodes that mknod made elsewhere.
 *
 * Counterpart: sys/kern/kern_device.c, kern_conf.c, sys/vfs/devfs/devfs_vnops.c (the fileops)
 */
import { DTYPE_VNODE, type File, fileOps, O_NONBLOCK } from '../../kern/file.js';
import type { Lwp } from '../../kern/proc.js';
import type { Blocking } from '../../sys/blocking.js';
import { EINVAL, ENODEV, ENOTTY, ENXIO, EIO, EOPNOTSUPP, type Errno, NOTNOW } from '../../sys/errno.js';
import { gd } from '../../sys/globaldata.js';
import type { Uio } from '../../vm/uio.js';
import type { VmObject } from '../../vm/vm_object.js';
import { copyoutB } from '../../vm/vm_user.js';
import { vnCloseFile } from '../vfs_vnops.js';
import { type Vattr, vfsTimestamp, type Vnode, VType } from '../vnode.js';

/** Kind of device, for FIODTYPE: D_TTY, D_DISK, D_MEM. */
export const D_TAPE = 1;
export const D_DISK = 2;
export const D_TTY = 4;
export const D_MEM = 8;

/**
 * What a driver implements. `flags` are File flags (FREAD, FWRITE, O_NONBLOCK ...) with the call's own bits applied.
 * `try` twins answer NOTNOW, without side effects, to be called again as blocking ones.
 */
export interface DevOps {
  readonly name: string;
  /** D_* */
  readonly type: number;
  /** `fp` may be given other FileOps, `dupOf`, or the device to use in place of this one, a clone (`fp.dev`). */
  open(dev: Cdev, flags: number, fp: File | null, lwp: Lwp | null): Blocking<Errno | null>;
  /** A file on it was closed; `last`: no other is open. */
  close(dev: Cdev, flags: number, last: boolean): Blocking<Errno | null>;
  tryRead(dev: Cdev, uio: Uio, flags: number, lwp: Lwp): Errno | null;
  read(dev: Cdev, uio: Uio, flags: number, lwp: Lwp): Blocking<Errno | null>;
  tryWrite(dev: Cdev, uio: Uio, flags: number, lwp: Lwp): Errno | null;
  write(dev: Cdev, uio: Uio, flags: number, lwp: Lwp): Blocking<Errno | null>;
  ioctl(dev: Cdev, cmd: number, data: DataView, flags: number, lwp: Lwp): Blocking<number | Errno>;
  kqfilter(dev: Cdev, kn: object): Errno | null;
  /** With one reference for the caller. */
  mmapObject(dev: Cdev, prot: number, flags: number): VmObject | Errno;
  /** Size in bytes, for disks. */
  size(dev: Cdev): number;
  /** Reads and writes have offsets. */
  readonly seekable: boolean;
}

const defaults: DevOps = {
  name: '',
  type: 0,
  *open() {
    return null;
  },
  *close() {
    return null;
  },
  tryRead: () => NOTNOW,
  *read() {
    return ENODEV;
  },
  tryWrite: () => NOTNOW,
  *write() {
    return ENODEV;
  },
  *ioctl() {
    return ENOTTY;
  },
  kqfilter: () => EOPNOTSUPP,
  mmapObject: () => ENODEV,
  size: () => 0,
  seekable: true,
};

/** A complete, frozen DevOps table. */
export function devOps(ops: Partial<DevOps> & { name: string }): DevOps {
  return Object.freeze({ ...defaults, ...ops });
}

export class Cdev {
  /** Files open on it. */
  readonly files = new Set<File>();
  opens = 0;
  /** Taken away by destroyDev. */
  gone = false;
  constructor(
    readonly name: string,
    readonly ops: DevOps,
    readonly rdev: number,
    readonly mode: number,
    readonly uid: number,
    readonly gid: number,
    /** The driver's own. */
    readonly data: object | null,
    /** VCHR or VBLK. */
    readonly vtype: VType,
  ) {}
}

export interface MakeDevOptions {
  uid?: number;
  gid?: number;
  /** Minor number; the next of the driver's when not given. */
  minor?: number;
  data?: object;
}

/** A directory of devfs: subdirectories, devices, links. */
export class DevDir {
  readonly entries = new Map<string, DevEntry>();
  constructor(
    readonly ino: number,
    readonly parent: DevDir | null,
  ) {}
}

export interface DevEntry {
  readonly ino: number;
  readonly cookie: number;
  readonly dir: DevDir | null;
  readonly dev: Cdev | null;
  /** Target of a symbolic link. */
  readonly link: string;
}

/** All devices of a kernel. */
export class DevState {
  readonly root = new DevDir(1, null);
  readonly byRdev = new Map<number, Cdev>();
  readonly majors = new Map<string, number>();
  readonly minors = new Map<number, number>();
  /** Told of every change of names: devfs mounts drop negative and gone name cache entries. */
  readonly watchers = new Set<(dir: DevDir, name: string) => void>();
  nextIno = 2;
  nextMajor = 20;
}

declare module '../../sys/globaldata.js' {
  interface GlobalData {
    dev: DevState;
  }
}

export function devInit(): void {
  gd.dev = new DevState();
}

const makedev = (major: number, minor: number): number =>
  (((minor & 0xffff00) << 8) | ((major & 0xff) << 8) | (minor & 0xff)) >>> 0;

/** Directory for the path before the last '/', made as needed, and the last component. */
function devPath(path: string): { dir: DevDir; name: string } {
  const st = gd.dev;
  const parts = path.split('/');
  const name = parts.pop() as string;
  let dir = st.root;
  for (const part of parts) {
    const e = dir.entries.get(part);
    if (e !== undefined && e.dir !== null) {
      dir = e.dir;
      continue;
    }
    const ino = st.nextIno++;
    const sub = new DevDir(ino, dir);
    dir.entries.set(part, { ino, cookie: ino, dir: sub, dev: null, link: '' });
    for (const w of st.watchers) w(dir, part);
    dir = sub;
  }
  return { dir, name };
}

/**
 * Make a device appear in devfs.
 * @param name may contain '/'
 * @param mode permission bits
 */
export function makeDev(ops: DevOps, name: string, mode: number, o: MakeDevOptions = {}): Cdev {
  const st = gd.dev;
  let major = st.majors.get(ops.name);
  if (major === undefined) {
    major = st.nextMajor++;
    st.majors.set(ops.name, major);
  }
  const minor = o.minor ?? st.minors.get(major) ?? 0;
  st.minors.set(major, Math.max(minor + 1, st.minors.get(major) ?? 0));
  const dev = new Cdev(name, ops, makedev(major, minor), mode, o.uid ?? 0, o.gid ?? 0, o.data ?? null, VType.VCHR);
  st.byRdev.set(dev.rdev, dev);
  const at = devPath(name);
  const ino = st.nextIno++;
  at.dir.entries.set(at.name, { ino, cookie: ino, dir: null, dev, link: '' });
  for (const w of st.watchers) w(at.dir, at.name);
  return dev;
}

/** A symbolic link in devfs. */
export function makeDevAlias(target: string, name: string): void {
  const st = gd.dev;
  const at = devPath(name);
  const ino = st.nextIno++;
  at.dir.entries.set(at.name, { ino, cookie: ino, dir: null, dev: null, link: target });
  for (const w of st.watchers) w(at.dir, at.name);
}

/** Take a device away; open files answer ENXIO from now on. */
export function destroyDev(dev: Cdev): void {
  const st = gd.dev;
  dev.gone = true;
  st.byRdev.delete(dev.rdev);
  const at = devPath(dev.name);
  at.dir.entries.delete(at.name);
  for (const w of st.watchers) w(at.dir, at.name);
}

/** Name for a device number (kern.devname), or null. */
export const devName = (rdev: number): string | null => gd.dev.byRdev.get(rdev >>> 0)?.name ?? null;

const devOf = (vp: Vnode): Cdev | null => gd.dev.byRdev.get(vp.va.rdev) ?? null;

/** Open a device node of any file system. ENXIO when there is no such device. */
export function* specOpen(vp: Vnode, flags: number, fp: File | null, lwp: Lwp | null): Blocking<Errno | null> {
  const dev = devOf(vp);
  if (dev === null) return ENXIO;
  dev.opens++;
  if (fp !== null) {
    fp.type = DTYPE_VNODE;
    fp.ops = dev.ops.seekable ? devFileOps : devStreamOps;
  }
  const e = yield* dev.ops.open(dev, flags, fp, lwp);
  if (e !== null || (fp !== null && fp.dupOf !== null)) {
    dev.opens--;
    return e;
  }
  if (fp !== null) {
    if (fp.dev !== null && fp.dev !== dev) {
      dev.opens--;
      fp.dev.opens++;
    } else fp.dev = dev;
    fp.dev.files.add(fp);
  }
  return null;
}

export function* specClose(vp: Vnode, flags: number): Blocking<Errno | null> {
  const dev = devOf(vp);
  if (dev === null) return null;
  dev.opens--;
  return yield* dev.ops.close(dev, flags, dev.opens === 0);
}

const FIODNAME = 0x80106678;
const FIODTYPE = 0x4004667a;

/** struct fiodname_args: where to put the device's name, and the room there. */
function* deviceName(dev: Cdev, data: DataView, lwp: Lwp): Blocking<number | Errno> {
  const name = Uint8Array.from(dev.name + '\0', (c) => c.charCodeAt(0));
  if (name.length > data.getUint32(8, true)) return EINVAL;
  const at = data.getUint32(4, true) * 0x1_0000_0000 + data.getUint32(0, true);
  return (yield* copyoutB(lwp.proc.vm, name, 0, at, name.length)) ?? 0;
}

const devFile = {
  tryRead(fp: File, uio: Uio, flags: number, lwp: Lwp): Errno | null {
    const dev = fp.dev as Cdev;
    if (dev.gone) return ENXIO;
    const e = dev.ops.tryRead(dev, uio, flags, lwp);
    if (e === null) (fp.data as Vnode).va.setAtime(vfsTimestamp());
    return e;
  },
  *read(fp: File, uio: Uio, flags: number, lwp: Lwp): Blocking<Errno | null> {
    const dev = fp.dev as Cdev;
    if (dev.gone) return ENXIO;
    const e = yield* dev.ops.read(dev, uio, flags, lwp);
    if (e === null) (fp.data as Vnode).va.setAtime(vfsTimestamp());
    return e;
  },
  tryWrite(fp: File, uio: Uio, flags: number, lwp: Lwp): Errno | null {
    const dev = fp.dev as Cdev;
    if (dev.gone) return ENXIO;
    return dev.ops.tryWrite(dev, uio, flags, lwp);
  },
  *write(fp: File, uio: Uio, flags: number, lwp: Lwp): Blocking<Errno | null> {
    const dev = fp.dev as Cdev;
    if (dev.gone) return ENXIO;
    const e = yield* dev.ops.write(dev, uio, flags, lwp);
    if (e === null) (fp.data as Vnode).va.setMtime(vfsTimestamp());
    return e;
  },
  *ioctl(fp: File, cmd: number, data: DataView, lwp: Lwp): Blocking<number | Errno> {
    const dev = fp.dev as Cdev;
    if (dev.gone) return ENXIO;
    if (cmd === FIODTYPE) {
      data.setInt32(0, dev.ops.type, true);
      return 0;
    }
    if (cmd === FIODNAME) return yield* deviceName(dev, data, lwp);
    return yield* dev.ops.ioctl(dev, cmd, data, fp.flags, lwp);
  },
  kqfilter(fp: File, kn: object): Errno | null {
    const dev = fp.dev as Cdev;
    return dev.gone ? ENXIO : dev.ops.kqfilter(dev, kn);
  },
  tryStat(fp: File, va: Vattr): Errno | null {
    va.assign((fp.data as Vnode).va);
    if (fp.dev !== null) va.rdev = fp.dev.rdev;
    return null;
  },
  tryClose: (): Errno | null => NOTNOW,
  *close(fp: File): Blocking<Errno | null> {
    const vp = fp.data as Vnode;
    const dev = fp.dev as Cdev;
    dev.files.delete(fp);
    // The vnode of a clone is that of the device it was cloned from.
    const clone = dev.rdev !== vp.va.rdev;
    if (clone) dev.opens--;
    const e = clone ? yield* dev.ops.close(dev, fp.flags, dev.opens === 0) : yield* vp.ops.close(vp, fp.flags);
    vnCloseFile(fp);
    return e;
  },
  mmapObject(fp: File, prot: number, flags: number): VmObject | Errno {
    const dev = fp.dev as Cdev;
    return dev.gone ? ENXIO : dev.ops.mmapObject(dev, prot, flags);
  },
};

const devFileOps = fileOps({ ...devFile, seekable: true });
/** Terminals and the like: ESPIPE for lseek. */
const devStreamOps = fileOps({ ...devFile, seekable: false });

/** What is left of an open file after revoke: reads see the end, the rest fails. */
const deadFileOps = fileOps({
  tryRead: () => null,
  *read() {
    return null;
  },
  tryWrite: () => EIO,
  *write() {
    return EIO;
  },
  *ioctl() {
    return ENOTTY;
  },
  tryStat: devFile.tryStat,
  tryClose: () => NOTNOW,
  *close(fp) {
    vnCloseFile(fp);
    return null;
  },
});

/** revoke(2): every file open on the device is dead from now on, and the driver sees them closed. */
export function* devRevoke(vp: Vnode): Blocking<Errno | null> {
  const dev = devOf(vp);
  if (dev === null) return ENXIO;
  const files = [...dev.files];
  dev.files.clear();
  for (const fp of files) {
    fp.ops = deadFileOps;
    dev.opens--;
    yield* dev.ops.close(dev, fp.flags & ~O_NONBLOCK, dev.opens === 0);
  }
  return null;
}
