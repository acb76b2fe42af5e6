/**
 * What the read-write HAMMER2 library offers: to the kernel's VFS, to FUSE and to the host tools alike.
 *
 * A device (one file system on one or more BlockDevices) has PFSs; a mounted PFS has inodes, named by number. Names and
 * link targets are strings of one char per byte. Expected failures are Errno values. Everything may be called by
 * several LWKT threads at once: each operation is atomic against the others and against sync, whatever yields between.
 * Nothing here knows a vnode; host tools run the generators to completion over a device that never sleeps.
 */
import type { Blocking } from '../../sys/blocking.js';
import type { Errno } from '../../sys/errno.js';
import type { BlockDevice } from '../../sys/blockdev.js';
import type { Codecs } from './codec/codecs.js';
import type { H2RecoverOptions } from './undelete.js';
import type { Hammer2Statfs, PfsInfo } from './device.js';
import type { BrefType, Check, Comp, ObjType } from './disk.js';

/** Attributes of an inode as stat(2) wants them; times in microseconds since 1970. */
export interface H2Attr {
  readonly inum: number;
  readonly type: ObjType;
  /** Permission bits with setuid, setgid, sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes; 0 for directories. */
  readonly size: number;
  readonly nlinks: number;
  /** chflags(2) bits. */
  readonly uflags: number;
  readonly rmajor: number;
  readonly rminor: number;
  readonly ctimeUs: number;
  readonly mtimeUs: number;
  readonly btimeUs: number;
  /** Bytes on the device below it. */
  readonly dataBytes: number;
  readonly comp: Comp;
  /** 0 for the default level. */
  readonly compLevel: number;
  readonly check: Check;
  readonly iparent: number;
}

/** What setattr changes: the members given. Size has its own operation. */
export interface H2SetAttr {
  mode?: number;
  uid?: number;
  gid?: number;
  uflags?: number;
  mtimeUs?: number;
  ctimeUs?: number;
}

/** A new object. Compression and check code are inherited from the directory. */
export interface H2Create {
  readonly type: ObjType;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly rmajor?: number;
  readonly rminor?: number;
  /** Target of a SOFTLINK. */
  readonly target?: string;
}

/**
 * @param next  cookie of the position after this entry
 * @returns     false when it has no room: the entry counts as not read and readdir ends
 */
export type H2Emit = (name: string, inum: number, type: ObjType, next: number) => boolean;

/** Where a thread waits for a sync of another to end. A wake-up is only a hint. */
export interface H2Waiter {
  sleep(): Blocking<void>;
  wake(): void;
}

/** Limits of a directory: bytes of stored blocks and number of inodes below it; 0 for none. */
export interface H2QuotaLimits {
  readonly dataBytes?: number;
  readonly inodes?: number;
}
export interface H2Quota extends Required<H2QuotaLimits> {
  /** Is it counted what is below? */
  readonly active: boolean;
  readonly usedBytes: number;
  readonly usedInodes: number;
}

export interface H2OpenOptions {
  readonly readonly?: boolean;
  /** Wall clock, microseconds since 1970 (the machine's; a fixed one makes images deterministic). */
  readonly nowUs: () => number;
  /** For uuids. */
  readonly random: (b: Uint8Array) => void;
  /** Console lines without newline. */
  readonly log?: (line: string) => void;
  /** Bound of clean cached metadata, bytes. */
  readonly cacheBytes?: number;
  /** Bound of dirty data and metadata, bytes: beyond it an operation syncs first. */
  readonly dirtyBytes?: number;
  /** Whose reserve applies to an operation (hammer2.md 10.7). Default: root's. */
  readonly isRoot?: () => boolean;
  /** Store equal blocks of data once (dedup.ts)? Asked at every block. Default: yes. */
  readonly dedup?: () => boolean;
  /** Native arithmetic, when the machine has it. */
  readonly codecs?: Codecs;
  /** Makes what threads wait on. Default: tsleep and wakeup in a kernel thread, else the turn is given up. */
  readonly waiter?: () => H2Waiter;
}

/** A PFS other than a master of its own. EINVAL for types that make no sense on a medium. */
export interface H2PfsOptions {
  /** PfsType; default MASTER. */
  readonly type?: number;
  /** Cluster id, 16 bytes as stored; default random. */
  readonly clid?: Uint8Array;
}

export interface H2Device {
  readonly readonly: boolean;
  readonly devs: readonly BlockDevice[];
  pfsList(): Blocking<PfsInfo[] | Errno>;
  /** EEXIST, ENOSPC, EROFS, ENAMETOOLONG. On disk when it returns. */
  pfsCreate(label: string, opts?: H2PfsOptions): Blocking<Errno | null>;
  /** ENOENT; EBUSY while mounted. */
  pfsDelete(label: string): Blocking<Errno | null>;
  /** A writable snapshot of a PFS, mounted or not. EEXIST, ENOENT, ENOSPC. On disk when it returns. */
  snapshot(label: string, snapLabel: string): Blocking<Errno | null>;
  /** ENOENT, EBUSY when mounted already, EROFS for read-write on a read-only device. */
  mount(label: string, opts?: { readonly readonly?: boolean }): Blocking<H2Pfs | Errno>;
  /** Everything done so far is on the medium when this returns null, and survives a power cut. */
  sync(): Blocking<Errno | null>;
  /** One call does both passes with the syncs they need. */
  bulkfree(opts?: { memoryBytes?: number }): Blocking<H2BulkfreeResult | Errno>;
  /** Read all that is in use and compare it with its check codes (scrub.ts). EBUSY in emergency mode. */
  scrub(opts?: H2ScrubOptions): Blocking<H2ScrubReport | Errno>;
  /**
   * Restore what was deleted (undelete.ts) into directory `dest` of a mounted PFS of the device.
   *
   * @param path  from the root of any PFS
   * @returns     number of files and symbolic links restored
   */
  undelete(path: string, into: H2Pfs, dest: number, opts?: H2RecoverOptions): Blocking<number | Errno>;
  /** 0: to the device's size. EINVAL to shrink, or with several volumes. */
  growfs(sizeBytes: number): Blocking<{ sizeBytes: number; modified: boolean } | Errno>;
  setEmergency(on: boolean): void;
  statfs(): Omit<Hammer2Statfs, 'files'>;
  /** Sync, and refuse everything from now on. */
  close(): Blocking<Errno | null>;
}

export interface H2ScrubOptions {
  /** Called after about a megabyte, with the bytes read since the last call: to sleep a while. */
  readonly pause?: (bytes: number) => Blocking<void>;
}
/** A block that cannot be read or is not what its check code says. */
export interface H2ScrubError {
  /** Label of the PFS; empty above them. */
  readonly pfs: string;
  readonly inum: number;
  readonly type: BrefType;
  /** Byte offset in the file, for data. */
  readonly fileOffset: number;
  readonly diskOffset: number;
  readonly what: string;
}
export interface H2ScrubReport {
  readonly blocks: number;
  readonly bytes: number;
  readonly dataBlocks: number;
  readonly inodes: number;
  /** Blocks without check code: read, nothing more. */
  readonly unchecked: number;
  readonly errorCount: number;
  /** The first hundred. */
  readonly errors: readonly H2ScrubError[];
  /** How often bulkfree made it go on from a newer state. */
  readonly restarts: number;
}

export interface H2BulkfreeResult {
  readonly allocatedBytes: number;
  readonly freedBytes: number;
  readonly scannedBlocks: number;
}

/** A mounted PFS. Where an errno is not listed: EIO from the device, EROFS, ENOSPC as a matter of course. */
export interface H2Pfs {
  readonly device: H2Device;
  readonly label: string;
  readonly readonly: boolean;
  readonly rootInum: number;

  /** ENOENT when there is no such inode (any more). `try...` never sleeps and answers NOTNOW instead. */
  getattr(inum: number): Blocking<H2Attr | Errno>;
  tryGetattr(inum: number): H2Attr | Errno;
  /** `.` and `..` too. ENOENT, ENOTDIR, ENAMETOOLONG. */
  lookup(dir: number, name: string): Blocking<number | Errno>;
  tryLookup(dir: number, name: string): number | Errno;
  /** Cookie 0 is the start; `.` and `..` come first. Cookies stay good while entries come and go. */
  readdir(dir: number, cookie: number, emit: H2Emit): Blocking<Errno | null>;
  readlink(inum: number): Blocking<string | Errno>;
  tryReadlink(inum: number): string | Errno;

  /** Bytes read, short only at the end of the file. */
  read(inum: number, off: number, buf: Uint8Array, bufOff: number, len: number): Blocking<number | Errno>;
  tryRead(inum: number, off: number, buf: Uint8Array, bufOff: number, len: number): number | Errno;
  /**
   * One logical block: 65536 bytes into `dst` at `dstOff`, zero past the end of the file and in holes. For page caches:
   * nothing of it is kept here.
   */
  readBlock(inum: number, lbn: number, dst: Uint8Array, dstOff: number): Blocking<Errno | null>;
  tryReadBlock(inum: number, lbn: number, dst: Uint8Array, dstOff: number): Errno | null;
  /** Is nothing stored for this logical block? Never sleeps: NOTNOW when nobody knows without reading the disk. */
  isHole(inum: number, lbn: number): boolean | Errno;
  /** First logical block from `lbn` on that is stored, or null. Never sleeps: NOTNOW. */
  nextData(inum: number, lbn: number): number | null | Errno;
  /** Whole or not at all; extends the file. EFBIG. Sets mtime. */
  write(inum: number, off: number, buf: Uint8Array, bufOff: number, len: number): Blocking<number | Errno>;
  tryWrite(inum: number, off: number, buf: Uint8Array, bufOff: number, len: number): number | Errno;
  truncate(inum: number, size: number): Blocking<Errno | null>;
  /** First byte at or after `off` that is stored (or in a hole), as lseek(2) wants; ENXIO past the end. */
  seekData(inum: number, off: number): Blocking<number | Errno>;
  seekHole(inum: number, off: number): Blocking<number | Errno>;
  setattr(inum: number, a: H2SetAttr): Blocking<Errno | null>;
  setcomp(inum: number, comp: Comp, level: number): Blocking<Errno | null>;
  /** Limits of a directory and what is counted. ENOTDIR. */
  quota(inum: number): Blocking<H2Quota | Errno>;
  /** Set limits (see quota.ts): writes and new inodes beyond them get EDQUOT. ENOTDIR, EINVAL. On disk when it returns. */
  setquota(inum: number, limits: H2QuotaLimits): Blocking<Errno | null>;
  setcheck(inum: number, check: Check): Blocking<Errno | null>;

  /** Number of the new inode. EEXIST. */
  create(dir: number, name: string, what: H2Create): Blocking<number | Errno>;
  /** EPERM for directories, EEXIST, EMLINK. */
  link(inum: number, dir: number, name: string): Blocking<Errno | null>;
  /** EISDIR for directories, as the caller decides what unlink of one means. */
  unlink(dir: number, name: string): Blocking<Errno | null>;
  /** ENOTEMPTY, ENOTDIR. */
  rmdir(dir: number, name: string): Blocking<Errno | null>;
  /** Replaces a target as rename(2) does. EINVAL into its own sub-tree, EISDIR, ENOTDIR, ENOTEMPTY. */
  rename(fromDir: number, from: string, toDir: number, to: string): Blocking<Errno | null>;

  /** Remove an entry and nothing else, whatever it leads to (for damaged directories). ENOENT. */
  destroyEntry(dir: number, name: string): Blocking<Errno | null>;
  /** Remove an inode with all below it from the index, and nothing else: its names lead nowhere. ENOENT, EBUSY while held. */
  destroyInode(inum: number): Blocking<Errno | null>;

  /** While held, an inode with no link left stays usable; the last drop removes it. */
  hold(inum: number): void;
  drop(inum: number): void;

  /** Durable, like sync(), for at least this inode and the names that lead to it. */
  fsync(inum: number): Blocking<Errno | null>;
  statfs(): Hammer2Statfs;
  /** Read-write to read-only and back. */
  remount(readonly: boolean): Blocking<Errno | null>;
  /** Sync and forget; EBUSY while inodes are held. */
  unmount(): Blocking<Errno | null>;
}
