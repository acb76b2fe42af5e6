/**
 * VopOps: what a file system implements for its vnodes.
 *
 * Name operations get a directory and a name of 1 to 255 bytes without '/' that is neither '.' nor '..'; permissions,
 * flags, mount limits and existence have been checked by the caller (nlookup.ts, vfs_syscalls.ts), who also keeps the
 * name cache in step and holds the name's namecache lock. Operations keep attributes (times, link counts, sizes) in
 * Vnode.va up to date themselves.
 *
 * `try` twins never sleep; they answer NOTNOW, without side effects, when the blocking version has to be used.
 *
 * Counterpart: sys/sys/vfsops.h, sys/kern/vfs_default.c
 */
import type { File } from '../kern/file.js';
import type { Lwp, Ucred } from '../kern/proc.js';
import type { Blocking } from '../sys/blocking.js';
import { EINVAL, ENODEV, ENOTDIR, ENOTTY, EOPNOTSUPP, EROFS, NOTNOW, type Errno } from '../sys/errno.js';
import type { Uio } from '../vm/uio.js';
import type { VmObject } from '../vm/vm_object.js';
import type { DirBuf } from './dirbuf.js';
import type { Setattr, Vattr, Vnode, VType } from './vnode.js';

/** Attributes of a file to be created. */
export interface CreateAttr {
  type: VType;
  mode: number;
  uid: number;
  gid: number;
  rdev: number;
}

export const IO_APPEND = 0x1;
export const IO_SYNC = 0x2;
export const IO_NDELAY = 0x4;

export interface VopOps {
  /** Find `name`: a vnode, ENOENT, another errno. */
  tryResolve(dvp: Vnode, name: string): Vnode | Errno;
  nresolve(dvp: Vnode, name: string): Blocking<Vnode | Errno>;
  /** Make a file of any type but directory and symlink. The caller knows that the name does not exist. */
  ncreate(dvp: Vnode, name: string, attr: CreateAttr): Blocking<Vnode | Errno>;
  nmkdir(dvp: Vnode, name: string, attr: CreateAttr): Blocking<Vnode | Errno>;
  nsymlink(dvp: Vnode, name: string, target: string, attr: CreateAttr): Blocking<Vnode | Errno>;
  nlink(dvp: Vnode, name: string, vp: Vnode): Blocking<Errno | null>;
  /** Remove the name `name` of `vp`, not a directory. */
  nremove(dvp: Vnode, name: string, vp: Vnode): Blocking<Errno | null>;
  /** ENOTEMPTY when not empty. */
  nrmdir(dvp: Vnode, name: string, vp: Vnode): Blocking<Errno | null>;
  /** Move `fvp`; `tvp` is what the new name was, of the same kind, or null. A directory that is replaced must be empty. */
  nrename(
    fdvp: Vnode,
    fname: string,
    fvp: Vnode,
    tdvp: Vnode,
    tname: string,
    tvp: Vnode | null,
  ): Blocking<Errno | null>;

  /** Attributes, fresh. The default answers vp.va. The result is lent until the next sleep. */
  tryGetattr(vp: Vnode): Vattr | Errno;
  getattr(vp: Vnode): Blocking<Vattr | Errno>;
  /** Change attributes; permission has been checked. Sets ctime. */
  setattr(vp: Vnode, sa: Setattr): Blocking<Errno | null>;
  /** Permission check beyond mode bits; null defers to vaccess(). */
  access(vp: Vnode, mode: number, cred: Ucred): Errno | null;

  /** First use by open; may put its own operations into `fp` (devices, FIFOs). `fp` is null for kernel-internal opens. */
  open(vp: Vnode, flags: number, fp: File | null, lwp: Lwp | null): Blocking<Errno | null>;
  /** True when `open` has nothing to do for this vnode and may be left out. */
  openIsTrivial(vp: Vnode): boolean;
  close(vp: Vnode, flags: number): Blocking<Errno | null>;

  tryRead(vp: Vnode, uio: Uio, ioflag: number, cred: Ucred): Errno | null;
  read(vp: Vnode, uio: Uio, ioflag: number, cred: Ucred): Blocking<Errno | null>;
  tryWrite(vp: Vnode, uio: Uio, ioflag: number, cred: Ucred): Errno | null;
  write(vp: Vnode, uio: Uio, ioflag: number, cred: Ucred): Blocking<Errno | null>;
  /** Put records from cookie db.cookie on; see DirBuf. */
  tryReaddir(vp: Vnode, db: DirBuf): Errno | null;
  readdir(vp: Vnode, db: DirBuf): Blocking<Errno | null>;
  tryReadlink(vp: Vnode): string | Errno;
  readlink(vp: Vnode): Blocking<string | Errno>;
  fsync(vp: Vnode): Blocking<Errno | null>;
  ioctl(vp: Vnode, cmd: number, data: DataView, lwp: Lwp): Blocking<number | Errno>;
  kqfilter(vp: Vnode, kn: object): Errno | null;
  pathconf(vp: Vnode, name: number): number | Errno;
  /** SEEK_DATA (data true) or SEEK_HOLE from `off`; ENXIO past the end. */
  seekHole(vp: Vnode, off: number, data: boolean): number | Errno;
  /** The object holding the file's pages, made on first use; no reference is added. ENODEV when it has none. */
  getObject(vp: Vnode): VmObject | Errno;

  /** usecount became zero. */
  inactive(vp: Vnode): void;
  /** Neither used nor in the name cache any more: it may be forgotten if the file system can make it again. */
  idle(vp: Vnode): void;
  /** The vnode goes away (unmount): give back memory and host handles. */
  reclaim(vp: Vnode): void;
}

const defaults: VopOps = {
  tryResolve: () => NOTNOW,
  *nresolve() {
    return ENOTDIR;
  },
  *ncreate() {
    return EOPNOTSUPP;
  },
  *nmkdir() {
    return EOPNOTSUPP;
  },
  *nsymlink() {
    return EOPNOTSUPP;
  },
  *nlink() {
    return EOPNOTSUPP;
  },
  *nremove() {
    return EOPNOTSUPP;
  },
  *nrmdir() {
    return EOPNOTSUPP;
  },
  *nrename() {
    return EOPNOTSUPP;
  },
  tryGetattr: (vp) => vp.va,
  *getattr(vp) {
    return vp.va;
  },
  *setattr() {
    return EROFS;
  },
  access: () => null,
  *open() {
    return null;
  },
  openIsTrivial: () => true,
  *close() {
    return null;
  },
  tryRead: () => NOTNOW,
  *read() {
    return EOPNOTSUPP;
  },
  tryWrite: () => NOTNOW,
  *write() {
    return EOPNOTSUPP;
  },
  tryReaddir: () => NOTNOW,
  *readdir() {
    return ENOTDIR;
  },
  tryReadlink: () => NOTNOW,
  *readlink() {
    return EINVAL;
  },
  *fsync() {
    return null;
  },
  *ioctl() {
    return ENOTTY;
  },
  kqfilter: () => EOPNOTSUPP,
  pathconf: stdPathconf,
  seekHole: () => EINVAL,
  getObject: () => ENODEV,
  inactive: () => undefined,
  idle: () => undefined,
  reclaim: () => undefined,
};

/** A complete, frozen table: `ops` over the defaults. */
export function vopTable(ops: Partial<VopOps>): VopOps {
  return Object.freeze({ ...defaults, ...ops });
}

/** pathconf values that are the same in most file systems (dragonfly-abi.md 4.3). */
export function stdPathconf(_vp: Vnode, name: number): number | Errno {
  switch (name) {
    case 1: // _PC_LINK_MAX
      return 32767;
    case 2: // _PC_MAX_CANON
    case 3: // _PC_MAX_INPUT
      return 255;
    case 4: // _PC_NAME_MAX
      return 255;
    case 5: // _PC_PATH_MAX
      return 1024;
    case 6: // _PC_PIPE_BUF
      return 512;
    case 7: // _PC_CHOWN_RESTRICTED
    case 8: // _PC_NO_TRUNC
      return 1;
    case 9: // _PC_VDISABLE
      return 255;
    case 12: // _PC_FILESIZEBITS
      return 64;
    case 18: // _PC_SYMLINK_MAX
      return 1023;
    case 22: // _PC_2_SYMLINKS
      return 1;
    case 23: // _PC_TIMESTAMP_RESOLUTION, ns
      return 1;
    default:
      return EINVAL;
  }
}
