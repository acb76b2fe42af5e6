/**
 * Mounts and file system types.
 *
 * A mount has a root Namecache of its own, laid over the covered entry (`covered.mountedHere`). `refs` counts what keeps
 * it busy: vnode uses, held name cache entries. Mounting and unmounting is done by vfs_mount.ts.
 *
 * Counterpart: sys/sys/mount.h, sys/kern/vfs_mount.c, vfs_init.c
 */
import type { FileDesc } from '../kern/file.js';
import type { Lwp } from '../kern/proc.js';
import type { Blocking } from '../sys/blocking.js';
import type { Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import type { Namecache } from './namecache.js';
import type { Vnode } from './vnode.js';

export const MNT_RDONLY = 0x1;
export const MNT_SYNCHRONOUS = 0x2;
export const MNT_NOEXEC = 0x4;
export const MNT_NOSUID = 0x8;
export const MNT_NODEV = 0x10;
export const MNT_ASYNC = 0x40;
export const MNT_LOCAL = 0x1000;
export const MNT_ROOTFS = 0x4000;
export const MNT_UPDATE = 0x10000;
export const MNT_FORCE = 0x80000;
export const MNT_NOSYMFOLLOW = 0x400000;
export const MNT_IGNORE = 0x800000;
export const MNT_NOATIME = 0x10000000;
export const MNT_VISFLAGMASK = 0xf1f0ffff;
/** Flags that mount(2) may set, and MNT_UPDATE change. */
export const MNT_SETTABLE =
  MNT_RDONLY | MNT_SYNCHRONOUS | MNT_NOEXEC | MNT_NOSUID | MNT_NODEV | MNT_ASYNC | MNT_NOSYMFOLLOW | MNT_NOATIME;

export const MFSNAMELEN = 16;
export const MNAMELEN = 80;

/** Figures of a file system, for struct statfs and statvfs; sizes in blocks of bsize. */
export interface Statfs {
  bsize: number;
  iosize: number;
  blocks: number;
  bfree: number;
  bavail: number;
  files: number;
  ffree: number;
}

/** How a mount was asked for: by mount(2) with a user pointer to the type's arguments, or by the kernel. */
export interface MountArgs {
  /** User address of the type's mount structure; 0 for none. */
  data: number;
  /** Who mounts; null for the kernel. */
  lwp: Lwp | null;
  /** Kernel-internal options of the type (hostfs: the HostDir). */
  internal: object | null;
}

export interface VfsOps {
  readonly name: string;
  /** f_type, and the index for sysctl vfs.generic. */
  readonly typenum: number;
  /** Ready `mp` (set mp.from and mp.data) and answer the root vnode. */
  mount(mp: Mount, args: MountArgs): Blocking<Vnode | Errno>;
  /** MNT_UPDATE: mp.flags has the new flags; an errno puts the old ones back. */
  update?(mp: Mount, args: MountArgs): Blocking<Errno | null>;
  unmount(mp: Mount, force: boolean): Blocking<Errno | null>;
  /** Something beyond vnode uses and held names keeps it busy: memory mappings. */
  busy?(mp: Mount): boolean;
  statfs(mp: Mount): Statfs;
  sync?(mp: Mount): Blocking<Errno | null>;
}

export class Mount {
  /** What was mounted: a device, `tmpfs`, a host path. */
  from = '';
  /** Full path of the mount point as it was when mounted. */
  on = '';
  /** Set right after the file system has given its root vnode. */
  root: Namecache = null as unknown as Namecache;
  data: object | null = null;
  refs = 0;
  ownerUid = 0;
  /** Attributes may change behind the kernel's back: ask tryGetattr before using Vnode.va. */
  volatileAttr = false;
  /** ns a name cache entry is believed; Infinity when only the kernel changes names. 0: asked each time. */
  nameTtlNs = Infinity;
  /** The directory that a null mount shows; held. */
  lower: Namecache | null = null;
  /** Being unmounted: no new lookups into it. */
  dying = false;

  constructor(
    readonly ops: VfsOps,
    /** MNT_* */
    public flags: number,
    /** Entry that it covers; null for the root file system. */
    public covered: Namecache | null,
    /** Device id of its files (st_dev) and f_fsid. */
    readonly devId: number,
  ) {}
}

/** State of the VFS in the running kernel. */
export class VfsState {
  /** Registered file system types by name. */
  readonly types = new Map<string, VfsOps>();
  readonly mounts: Mount[] = [];
  /** Root of the root file system. */
  rootNcp: Namecache = null as unknown as Namecache;
  /** Name cache entries in existence, and when to trim. */
  ncpCount = 0;
  ncpMax = 65536;
  nextDevMinor = 1;
  /** Descriptor table on whose behalf a path is being walked: procfs's curproc. */
  lookupFd: FileDesc | null = null;
  /** Wall clock at machine time 0: whole seconds and the rest in ns. kern_time.ts moves it when the clock is set. */
  wallSec: number;
  wallNsec: number;
  /** kern.maxfilesperproc */
  maxfilesperproc = 16384;

  constructor() {
    const base = gd.machine.wallBaseNs;
    this.wallSec = Number(base / 1_000_000_000n);
    this.wallNsec = Number(base % 1_000_000_000n);
  }
}

declare module '../sys/globaldata.js' {
  interface GlobalData {
    vfs: VfsState;
  }
}

export function vfsInit(): void {
  gd.vfs = new VfsState();
}

/** Flags that hold for a file reached by `ncp`: those of its file system, and of the null mount it was reached through. */
export const mountFlags = (ncp: Namecache, vp: Vnode): number => ncp.mount.flags | vp.mount.flags;

/** Make a file system type known to mount(2). */
export function vfsRegister(ops: VfsOps): void {
  gd.vfs.types.set(ops.name, ops);
}

/** A fresh device id for a mount without a device: major 255, as DragonFly gives to virtual mounts. */
export function vfsNewDevId(): number {
  const minor = gd.vfs.nextDevMinor++;
  return ((minor & 0xffff00) << 8) | 0xff00 | (minor & 0xff);
}
