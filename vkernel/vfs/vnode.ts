/**
 * Vnodes: files as the kernel sees them, whatever file system they live in.
 *
 * A vnode is cached as long as something reaches it (the name cache, the file system's own inode). `usecount` counts
 * users that need the file to exist although its last name may go: open files, working directories, running
 * programs. When it drops to zero, VOP inactive runs; a file system frees the storage of an unlinked file there.
 * Memory mappings do not count: they hold the vnode's VmObject instead.
 *
 * Attributes live in `va`, kept up to date by the file system, so that stat and permission checks call nothing when the
 * file system's attributes cannot change behind the kernel's back (see VopOps.tryGetattr).
 *
 * The lock serialises reads and writes of one file that may sleep. Synchronous code needs it only to be free enough
 * (vnLockFree). Lock order: Namecache lock -> directory vnode -> file vnode.
 *
 * Counterpart: sys/sys/vnode.h, sys/kern/vfs_subr.c, vfs_lock.c
 */
import { tsleep, wakeup, WaitQ } from '../kern/lwkt_thread.js';
import type { Blocking } from '../sys/blocking.js';
import { gd } from '../sys/globaldata.js';
import type { VmObject } from '../vm/vm_object.js';
import type { Mount } from './mount.js';
import type { VopOps } from './vop.js';

export const enum VType {
  VNON = 0,
  VREG = 1,
  VDIR = 2,
  VBLK = 3,
  VCHR = 4,
  VLNK = 5,
  VSOCK = 6,
  VFIFO = 7,
  VBAD = 8,
  VDATABASE = 9,
}

export const S_IFMT = 0o170000;
export const S_IFIFO = 0o010000;
export const S_IFCHR = 0o020000;
export const S_IFDIR = 0o040000;
export const S_IFBLK = 0o060000;
export const S_IFREG = 0o100000;
export const S_IFDB = 0o110000;
export const S_IFLNK = 0o120000;
export const S_IFSOCK = 0o140000;
export const S_ISUID = 0o4000;
export const S_ISGID = 0o2000;
export const S_ISTXT = 0o1000;

export const UF_IMMUTABLE = 0x2;
export const UF_APPEND = 0x4;
export const UF_NOUNLINK = 0x10;
export const UF_SETTABLE = 0xffff;
export const SF_IMMUTABLE = 0x20000;
export const SF_APPEND = 0x40000;
export const SF_NOUNLINK = 0x100000;

/** S_IF* bits by VType. */
const typeToMode = [0, S_IFREG, S_IFDIR, S_IFBLK, S_IFCHR, S_IFLNK, S_IFSOCK, S_IFIFO, 0, S_IFDB];
export const vtypeToMode = (t: VType): number => typeToMode[t];
/** VType by S_IF* bits / 010000. */
const modeToType = [
  VType.VNON,
  VType.VFIFO,
  VType.VCHR,
  VType.VNON,
  VType.VDIR,
  VType.VNON,
  VType.VBLK,
  VType.VNON,
  VType.VREG,
  VType.VDATABASE,
  VType.VLNK,
  VType.VNON,
  VType.VSOCK,
  VType.VNON,
  VType.VNON,
  VType.VNON,
];
export const modeToVtype = (mode: number): VType => modeToType[(mode & S_IFMT) >> 12];
/** d_type of directory records is the S_IF* bits / 010000. */
export const vtypeToDtype = (t: VType): number => typeToMode[t] >> 12;

/** Attributes of a file. Times are seconds and nanoseconds since 1970. */
export class Vattr {
  type: VType = VType.VNON;
  /** Permission, set-id and sticky bits only. */
  mode = 0;
  nlink = 1;
  uid = 0;
  gid = 0;
  /** Device id of the mount. */
  fsid = 0;
  ino = 0;
  size = 0;
  /** Storage used, in bytes. */
  bytes = 0;
  blksize = 16384;
  rdev = 0;
  flags = 0;
  gen = 0;
  atimeSec = 0;
  atimeNsec = 0;
  mtimeSec = 0;
  mtimeNsec = 0;
  ctimeSec = 0;
  ctimeNsec = 0;

  assign(o: Vattr): void {
    this.type = o.type;
    this.mode = o.mode;
    this.nlink = o.nlink;
    this.uid = o.uid;
    this.gid = o.gid;
    this.fsid = o.fsid;
    this.ino = o.ino;
    this.size = o.size;
    this.bytes = o.bytes;
    this.blksize = o.blksize;
    this.rdev = o.rdev;
    this.flags = o.flags;
    this.gen = o.gen;
    this.atimeSec = o.atimeSec;
    this.atimeNsec = o.atimeNsec;
    this.mtimeSec = o.mtimeSec;
    this.mtimeNsec = o.mtimeNsec;
    this.ctimeSec = o.ctimeSec;
    this.ctimeNsec = o.ctimeNsec;
  }
  setAtime(t: TimeSpec): void {
    this.atimeSec = t.sec;
    this.atimeNsec = t.nsec;
  }
  setMtime(t: TimeSpec): void {
    this.mtimeSec = t.sec;
    this.mtimeNsec = t.nsec;
  }
  setCtime(t: TimeSpec): void {
    this.ctimeSec = t.sec;
    this.ctimeNsec = t.nsec;
  }
}

/** What VOP setattr is to change; null members stay. */
export class Setattr {
  mode: number | null = null;
  uid: number | null = null;
  gid: number | null = null;
  size: number | null = null;
  flags: number | null = null;
  atime: TimeSpec | null = null;
  mtime: TimeSpec | null = null;
  /** utimes(path, NULL): write permission is enough. */
  utimesNull = false;
}

export interface TimeSpec {
  sec: number;
  nsec: number;
}

export class Vnode {
  usecount = 0;
  /** Name cache entries that lead here. */
  ncCount = 0;
  /** Opens for writing; running a program whose file is open for writing is refused, and the other way round. */
  writecount = 0;
  /** Programs running from this file (exec): writing is ETXTBSY. */
  textcount = 0;
  /** Pages of a regular file, shared by read, write and mmap; null until first needed or for other types. */
  object: VmObject | null = null;
  /** Advisory locks (vfs_lockf.ts). */
  lockf: object | null = null;
  /** Knotes on this file (kern_event.ts). */
  klist: object | null = null;
  /** Pipe state of a FIFO (fifofs.ts), socket of a VSOCK. */
  extra: object | null = null;
  /** Write-locked by a sleeping writer, or number of sleeping readers. */
  lockExcl = false;
  lockShared = 0;
  readonly lockq = new WaitQ();
  /** Gone by revoke or forced unmount: ops answer EIO. */
  dead = false;

  constructor(
    public type: VType,
    public mount: Mount,
    public ops: VopOps,
    /** The file system's own node. */
    public data: object | null,
    public va: Vattr,
  ) {
    va.type = type;
    va.fsid = mount.devId;
  }
}

export function vref(vp: Vnode): Vnode {
  vp.usecount++;
  vp.mount.refs++;
  return vp;
}

/** Drop a use. The file system's `inactive` runs at zero; it must not sleep. */
export function vrele(vp: Vnode): void {
  vp.usecount--;
  vp.mount.refs--;
  if (vp.usecount === 0) {
    vp.ops.inactive(vp);
    if (vp.ncCount === 0) vp.ops.idle(vp);
  }
}

/** May synchronous code write (exclusive) or read this file now? */
export const vnLockFree = (vp: Vnode, exclusive: boolean): boolean =>
  !vp.lockExcl && (!exclusive || vp.lockShared === 0);

export function* vnLock(vp: Vnode, exclusive: boolean): Blocking<void> {
  while (!vnLockFree(vp, exclusive)) yield* tsleep(vp.lockq, 'vnode');
  if (exclusive) vp.lockExcl = true;
  else vp.lockShared++;
}

export function vnUnlock(vp: Vnode, exclusive: boolean): void {
  if (exclusive) vp.lockExcl = false;
  else vp.lockShared--;
  if (vp.lockq.head !== null && (exclusive || vp.lockShared === 0)) wakeup(vp.lockq);
}

/** NOTE_* of EVFILT_VNODE. */
export const NOTE_DELETE = 0x1;
export const NOTE_WRITE = 0x2;
export const NOTE_EXTEND = 0x4;
export const NOTE_ATTRIB = 0x8;
export const NOTE_LINK = 0x10;
export const NOTE_RENAME = 0x20;
export const NOTE_REVOKE = 0x40;

/** Tell the knotes on a file what happened to it (its klist is kern_knote.ts's Klist). */
export function vnNotify(vp: Vnode, note: number): void {
  if (vp.klist !== null) (vp.klist as { notify(hint: number): void }).notify(note);
}

const nowTs: TimeSpec = { sec: 0, nsec: 0 };
/**
 * Wall clock time now, for file times. The object is shared: copy what you keep.
 * Counterpart: vfs_timestamp
 */
export function vfsTimestamp(): TimeSpec {
  const v = gd.vfs;
  const ns = v.wallNsec + gd.machine.now();
  const s = Math.floor(ns / 1e9);
  nowTs.sec = v.wallSec + s;
  nowTs.nsec = Math.floor(ns - s * 1e9);
  return nowTs;
}
