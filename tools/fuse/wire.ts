/**
 * What goes over /dev/fuse: protocol 7.x (asked for: 7.31, of Linux 5.4) as far as it is used here.
 *
 * A request is InHdr and a body, a reply OutHdr and a body, all in the byte order of the machine (little endian). An
 * enum below is the offsets of one structure, one line a field with its width; SIZE is its length. Offsets in bodies
 * count from the start of the body.
 * Facts: include/uapi/linux/fuse.h of Linux
 */

export const FUSE_MAJOR = 7;
export const FUSE_MINOR = 31;
/** Older kernels have shorter structures. */
export const FUSE_MINOR_MIN = 23;
export const FUSE_ROOT_ID = 1;

export const enum Op {
  LOOKUP = 1,
  FORGET = 2, // no reply
  GETATTR = 3,
  SETATTR = 4,
  READLINK = 5,
  SYMLINK = 6,
  MKNOD = 8,
  MKDIR = 9,
  UNLINK = 10,
  RMDIR = 11,
  RENAME = 12,
  LINK = 13,
  OPEN = 14,
  READ = 15,
  WRITE = 16,
  STATFS = 17,
  RELEASE = 18,
  FSYNC = 20,
  SETXATTR = 21,
  GETXATTR = 22,
  LISTXATTR = 23,
  REMOVEXATTR = 24,
  FLUSH = 25,
  INIT = 26,
  OPENDIR = 27,
  READDIR = 28,
  RELEASEDIR = 29,
  FSYNCDIR = 30,
  ACCESS = 34,
  CREATE = 35,
  INTERRUPT = 36, // no reply
  DESTROY = 38,
  IOCTL = 39,
  BATCH_FORGET = 42, // no reply
  FALLOCATE = 43,
  READDIRPLUS = 44,
  RENAME2 = 45,
  LSEEK = 46,
  SYNCFS = 50,
  MAX = 64,
}

export const enum InHdr {
  LEN = 0, // u32 of the whole request
  OPCODE = 4, // u32
  UNIQUE = 8, // u64 comes back in the reply
  NODEID = 16, // u64
  UID = 24, // u32
  GID = 28, // u32
  PID = 32, // u32
  SIZE = 40,
}

export const enum OutHdr {
  LEN = 0, // u32 of the whole reply
  ERROR = 4, // i32 0 or -errno
  UNIQUE = 8, // u64
  SIZE = 16,
}

export const enum InitIn {
  MAJOR = 0, // u32
  MINOR = 4, // u32
  MAX_READAHEAD = 8, // u32
  FLAGS = 12, // u32 Cap
  SIZE = 16,
}

export const enum InitOut {
  MAJOR = 0, // u32
  MINOR = 4, // u32
  MAX_READAHEAD = 8, // u32 bytes
  FLAGS = 12, // u32 Cap
  MAX_BACKGROUND = 16, // u16 requests on their way that nobody waits for
  CONGESTION = 18, // u16
  MAX_WRITE = 20, // u32 bytes
  TIME_GRAN = 24, // u32 ns
  MAX_PAGES = 28, // u16
  SIZE = 64,
}

/** What both sides can do. */
export const enum Cap {
  ASYNC_READ = 1 << 0,
  EXPORT_SUPPORT = 1 << 4, // "." and ".." of any node may be looked up
  BIG_WRITES = 1 << 5,
  IOCTL_DIR = 1 << 11,
  DO_READDIRPLUS = 1 << 13,
  READDIRPLUS_AUTO = 1 << 14,
  ASYNC_DIO = 1 << 15,
  WRITEBACK_CACHE = 1 << 16,
  NO_OPEN_SUPPORT = 1 << 17, // OPEN may be answered with ENOSYS, and is not sent again
  MAX_PAGES = 1 << 22,
  CACHE_SYMLINKS = 1 << 23,
  NO_OPENDIR_SUPPORT = 1 << 24,
}

/** An ioctl whose number says how long its argument is. */
export const enum IoctlIn {
  FLAGS = 8, // u32
  CMD = 12, // u32
  IN_SIZE = 24, // u32, of what follows
  OUT_SIZE = 28, // u32, at most
  SIZE = 32,
}
export const enum IoctlOut {
  RESULT = 0, // i32
  SIZE = 16, // and then the argument
}

export const enum Attr {
  INO = 0, // u64
  SIZE_BYTES = 8, // u64
  BLOCKS = 16, // u64 of 512 bytes
  ATIME = 24, // u64 s
  MTIME = 32, // u64 s
  CTIME = 40, // u64 s
  ATIME_NS = 48, // u32
  MTIME_NS = 52, // u32
  CTIME_NS = 56, // u32
  MODE = 60, // u32
  NLINK = 64, // u32
  UID = 68, // u32
  GID = 72, // u32
  RDEV = 76, // u32
  BLKSIZE = 80, // u32
  FLAGS = 84, // u32
  SIZE = 88,
}

export const enum EntryOut {
  NODEID = 0, // u64 0: there is no such name, and that may be remembered
  GENERATION = 8, // u64
  ENTRY_VALID = 16, // u64 s
  ATTR_VALID = 24, // u64 s
  ENTRY_VALID_NS = 32, // u32
  ATTR_VALID_NS = 36, // u32
  ATTR = 40, // Attr
  SIZE = 128,
}

export const enum AttrOut {
  VALID = 0, // u64 s
  VALID_NS = 8, // u32
  ATTR = 16, // Attr
  SIZE = 104,
}

export const enum SetattrIn {
  VALID = 0, // u32 Fattr
  FH = 8, // u64
  SIZE_BYTES = 16, // u64
  LOCK_OWNER = 24, // u64
  ATIME = 32, // i64 s
  MTIME = 40, // i64 s
  CTIME = 48, // i64 s
  ATIME_NS = 56, // u32
  MTIME_NS = 60, // u32
  CTIME_NS = 64, // u32
  MODE = 68, // u32
  UID = 76, // u32
  GID = 80, // u32
  SIZE = 88,
}

export const enum Fattr {
  MODE = 1 << 0,
  UID = 1 << 1,
  GID = 1 << 2,
  SIZE = 1 << 3,
  ATIME = 1 << 4,
  MTIME = 1 << 5,
  ATIME_NOW = 1 << 7,
  MTIME_NOW = 1 << 8,
  CTIME = 1 << 10,
}

export const enum ForgetIn {
  NLOOKUP = 0, // u64
  SIZE = 8,
}
/** Then COUNT times ForgetOne. */
export const enum BatchForgetIn {
  COUNT = 0, // u32
  SIZE = 8,
}
export const enum ForgetOne {
  NODEID = 0, // u64
  NLOOKUP = 8, // u64
  SIZE = 16,
}

/** Then the name. */
export const enum MknodIn {
  MODE = 0, // u32
  RDEV = 4, // u32
  UMASK = 8, // u32
  SIZE = 16,
}
/** Then the name. */
export const enum MkdirIn {
  MODE = 0, // u32
  UMASK = 4, // u32
  SIZE = 8,
}
/** Then the name. */
export const enum CreateIn {
  FLAGS = 0, // u32
  MODE = 4, // u32
  UMASK = 8, // u32
  SIZE = 16,
}
/** Then the old name and the new one. */
export const enum RenameIn {
  NEWDIR = 0, // u64
  SIZE = 8,
}
/** Then the old name and the new one. */
export const enum Rename2In {
  NEWDIR = 0, // u64
  FLAGS = 8, // u32
  SIZE = 16,
}
export const RENAME_NOREPLACE = 1;
/** Then the new name. */
export const enum LinkIn {
  OLDNODEID = 0, // u64
  SIZE = 8,
}

export const enum OpenOut {
  FH = 0, // u64
  OPEN_FLAGS = 8, // u32 Fopen
  SIZE = 16,
}
export const enum Fopen {
  KEEP_CACHE = 1 << 1,
  CACHE_DIR = 1 << 3,
}

/** Also of READDIR and READDIRPLUS. */
export const enum ReadIn {
  FH = 0, // u64
  OFFSET = 8, // u64
  SIZE_BYTES = 16, // u32
  SIZE = 40,
}
/** Then the data. */
export const enum WriteIn {
  FH = 0, // u64
  OFFSET = 8, // u64
  SIZE_BYTES = 16, // u32
  FLAGS = 20, // u32
  SIZE = 40,
}
export const enum WriteOut {
  SIZE_BYTES = 0, // u32
  SIZE = 8,
}

export const enum StatfsOut {
  BLOCKS = 0, // u64
  BFREE = 8, // u64
  BAVAIL = 16, // u64
  FILES = 24, // u64
  FFREE = 32, // u64
  BSIZE = 40, // u32
  NAMELEN = 44, // u32
  FRSIZE = 48, // u32
  SIZE = 80,
}

export const enum LseekIn {
  FH = 0, // u64
  OFFSET = 8, // u64
  WHENCE = 16, // u32
  SIZE = 24,
}
export const enum LseekOut {
  OFFSET = 0, // u64
  SIZE = 8,
}
export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;

export const enum FallocateIn {
  FH = 0, // u64
  OFFSET = 8, // u64
  LENGTH = 16, // u64
  MODE = 24, // u32
  SIZE = 32,
}
export const FALLOC_KEEP_SIZE = 0x01;
export const FALLOC_PUNCH_HOLE = 0x02;
export const FALLOC_ZERO_RANGE = 0x10;

/** One entry of READDIR: this and the name, padded to 8 bytes. READDIRPLUS: EntryOut before it. */
export const enum Dirent {
  INO = 0, // u64
  OFF = 8, // u64 where the next one is
  NAMELEN = 16, // u32
  TYPE = 20, // u32 DT_*
  NAME = 24,
}

/** What the kernel wants a read buffer to have beyond the data of the largest write. */
export const HEADER_ROOM = 4096;
