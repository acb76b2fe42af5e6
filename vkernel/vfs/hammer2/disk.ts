/**
 * HAMMER2 on-disk layout, and nothing else: offsets, sizes and values. Everything is little endian.
 *
 * 64-bit keys are handled as two u32 (`hi`, `lo`); offsets and sizes are numbers, checked where they enter.
 * Counterpart: sys/vfs/hammer2/hammer2_disk.h
 */

/** Device I/O unit; no allocated block crosses a multiple of it. Also the logical block of files. */
export const PBUFSIZE = 65536;
export const PBUFRADIX = 16;
/** Smallest allocation, log2; blocks are multiples of it and aligned to it. */
export const RADIX_MIN = 10;
export const RADIX_MAX = 16;
export const INODE_BYTES = 1024;
export const EMBEDDED_BYTES = 512;
export const SET_COUNT = 4;
/** Distance between the copies of the volume header. */
export const ZONE_BYTES = 2 * 1024 ** 3;
export const NUM_VOLHDRS = 4;
export const MAX_VOLUMES = 64;
export const VOLUME_ALIGN = 8 * 1024 ** 2;
export const VOLUME_MAX_VERSION = 2;
/** Names up to this length live in the blockref's check area. */
export const DIRENT_INLINE_NAME = 64;
export const INODE_MAXNAME = 256;
/** Keys hash .. hash + COLLISION_MASK are one collision space. */
export const DIRHASH_COLLISION = 0x7fff;

export const VOLUME_MAGIC_LO = 0x05172011;
export const VOLUME_MAGIC_HI = 0x48414d32;
/** 5cbb9ad1-862d-11dc-a94d-01301bb8a9f5 as stored. */
export const FSTYPE_UUID = Uint8Array.of(
  ...[0xd1, 0x9a, 0xbb, 0x5c, 0x2d, 0x86, 0xdc, 0x11],
  ...[0xa9, 0x4d, 0x01, 0x30, 0x1b, 0xb8, 0xa9, 0xf5],
);

/** Volume header, 65536 bytes; copies at 0, 2, 4 and 6 GiB. */
export const enum Vol {
  MAGIC = 0x000, // u64
  BOOT_BEG = 0x008, // u64 byte offset
  BOOT_END = 0x010, // u64
  AUX_BEG = 0x018, // u64
  AUX_END = 0x020, // u64
  VOLU_SIZE = 0x028, // u64 size of this volume in bytes
  VERSION = 0x030, // u32 1, or 2 (multi-volume capable)
  FLAGS = 0x034, // u32
  COPYID = 0x038, // u8
  FREEMAP_VERSION = 0x039, // u8
  PEER_TYPE = 0x03a, // u8
  VOLU_ID = 0x03b, // u8  0 for the root volume
  NVOLUMES = 0x03c, // u8  0 in version 1
  FSID = 0x040, // uuid
  FSTYPE = 0x050, // uuid
  ALLOCATOR_SIZE = 0x060, // u64 managed bytes
  ALLOCATOR_FREE = 0x068, // u64 free bytes
  ALLOCATOR_BEG = 0x070, // u64 first byte after newfs' static inodes
  MIRROR_TID = 0x078, // u64 the header with the highest one wins
  FREEMAP_TID = 0x090, // u64
  TOTAL_SIZE = 0x0c0, // u64 all volumes; 0 in version 1
  ICRC_SECTS = 0x1e0, // u32[8]; 6: bytes 0x200-0x3ff, 7: bytes 0-0x1fb
  SROOT_BLOCKSET = 0x200, // 4 blockrefs
  FREEMAP_BLOCKSET = 0x800, // 4 blockrefs
  VOLU_LOFF = 0xe00, // u64[64] offsets of the volumes in the global space
  ICRC_VOLHEADER = 0xfffc, // u32 bytes 0-0xfffb
  SIZE = 65536,
}

/** Block reference, 128 bytes: one edge of the tree. */
export const enum Bref {
  TYPE = 0x00, // u8   BrefType
  METHODS = 0x01, // u8   check (high nibble) and compression (low nibble)
  COPYID = 0x02, // u8
  KEYBITS = 0x03, // u8   log2 of the range of keys covered
  VRADIX = 0x04, // u8
  FLAGS = 0x05, // u8   0x01 PFSROOT
  LEAF_COUNT = 0x06, // u16  hint
  KEY_LO = 0x08, // u64  first key of the range, as two u32
  KEY_HI = 0x0c,
  MIRROR_TID = 0x10, // u64
  MODIFY_TID = 0x18, // u64
  DATA_OFF = 0x20, // u64  byte offset in the global space; low 6 bits: log2 of the size, 0 for no block
  UPDATE_TID = 0x28, // u64
  EMBED = 0x30, // 16 B BrefDirent, or BrefStats
  CHECK = 0x40, // 64 B check code, or the name of a directory entry
  SIZE = 128,
}

/** Embedded in DIRENT blockrefs. */
export const enum BrefDirent {
  INUM = 0x30, // u64
  NAMLEN = 0x38, // u16
  TYPE = 0x3a, // u8   ObjType of the target
}
/** Embedded in INODE and INDIRECT blockrefs; hints. */
export const enum BrefStats {
  DATA_COUNT = 0x30, // u64  bytes below
  INODE_COUNT = 0x38, // u64  inodes below
}

export const enum BrefType {
  EMPTY = 0,
  INODE = 1,
  INDIRECT = 2,
  DATA = 3,
  DIRENT = 4,
  FREEMAP_NODE = 5,
  FREEMAP_LEAF = 6,
  INVALID = 7,
}
const BREF_TYPE_NAMES = ['EMPTY', 'INODE', 'INDIRECT', 'DATA', 'DIRENT', 'FREEMAP_NODE', 'FREEMAP_LEAF', 'INVALID'];
export const brefTypeName = (t: number): string => BREF_TYPE_NAMES[t] ?? `type ${t}`;

export const enum Check {
  NONE = 0,
  DISABLED = 1,
  ISCSI32 = 2,
  XXHASH64 = 3,
  SHA192 = 4,
  FREEMAP = 5,
}
const CHECK_NAMES = ['none', 'disabled', 'crc32', 'xxhash64', 'sha192', 'freemap'];
export const checkName = (c: number): string => CHECK_NAMES[c] ?? `check ${c}`;

export const enum Comp {
  NONE = 0,
  AUTOZERO = 1,
  LZ4 = 2,
  ZLIB = 3,
}
const COMP_NAMES = ['none', 'autozero', 'lz4', 'zlib'];
export const compName = (c: number): string => COMP_NAMES[c] ?? `comp ${c}`;

/** Inode, 1024 bytes. */
export const enum Ino {
  VERSION = 0x000, // u16  1
  PFS_SUBTYPE = 0x003, // u8
  UFLAGS = 0x004, // u32  chflags(2) bits
  RMAJOR = 0x008, // u32
  RMINOR = 0x00c, // u32
  CTIME = 0x010, // u64  microseconds since 1970
  MTIME = 0x018, // u64
  ATIME = 0x020, // u64  not maintained
  BTIME = 0x028, // u64
  UID = 0x03c, // u32  last word of a uuid that is zero otherwise
  GID = 0x04c, // u32
  TYPE = 0x050, // u8   ObjType
  OP_FLAGS = 0x051, // u8   OpFlag
  MODE = 0x054, // u32  permission bits
  INUM = 0x058, // u64
  SIZE = 0x060, // u64  bytes; 0 for directories
  NLINKS = 0x068, // u64
  IPARENT = 0x070, // u64
  NAME_KEY = 0x078, // u64
  NAME_LEN = 0x080, // u16
  COMP_ALGO = 0x083, // u8
  CHECK_ALGO = 0x085, // u8
  PFS_TYPE = 0x087, // u8
  PFS_INUM = 0x088, // u64
  PFS_CLID = 0x090, // uuid
  PFS_FSID = 0x0a0, // uuid
  DATA_QUOTA = 0x0b0, // u64  directories: bytes that may be below, 0 for no limit
  DATA_USED = 0x0b8, // u64  ours, as the other counts and the three QUOTA_ fields: see quota.ts
  INODE_QUOTA = 0x0c0, // u64
  INODE_USED = 0x0c8, // u64
  PFS_LSNAP_TID = 0x0d0, // u64 modify_tid of the last snapshot
  /**
   * u64, reserved in the reference, which keeps it: number of the next inode without links that is still in the index
   * (ours; the PFS root holds the first). See docs/hammer2.md.
   */
  ORPHAN_NEXT = 0x0d8,
  QUOTA_DIR = 0x0e8, // u64  number of the quota directory that counts this inode
  QUOTA_STATE = 0x0f0, // u8  1: a quota directory
  QUOTA_BUILD = 0x0f8, // u64  PFS root: directory whose counting is under way
  FILENAME = 0x100, // 256 B, zero padded
  BLOCKSET = 0x200, // 4 blockrefs, or 512 bytes of file data with DIRECTDATA
}

export const enum OpFlag {
  DIRECTDATA = 0x01,
  PFSROOT = 0x02,
  COPYIDS = 0x04,
}

/** What an inode is; directory entries carry the same values. */
export const enum ObjType {
  UNKNOWN = 0,
  DIRECTORY = 1,
  REGFILE = 2,
  FIFO = 4,
  CDEV = 5,
  BDEV = 6,
  SOFTLINK = 7,
  SOCKET = 9,
  WHITEOUT = 10,
}

/** Bref.FLAGS */
export const BREF_PFSROOT = 0x01;
export const BREF_EMERG_MIP = 0x04;

export const enum PfsType {
  CACHE = 1,
  SLAVE = 3,
  SOFT_SLAVE = 4,
  SOFT_MASTER = 5,
  MASTER = 6,
  SUPROOT = 8,
}

/** u64 at byte `o` as a number. From 2^53 up it is rounded, and no bound check lets it pass. */
export const rd64 = (v: DataView, o: number): number => v.getUint32(o + 4, true) * 0x1_0000_0000 + v.getUint32(o, true);

/** Store a number below 2^53 as u64. */
export function wr64(v: DataView, o: number, n: number): void {
  v.setUint32(o, n >>> 0, true);
  v.setUint32(o + 4, Math.floor(n / 0x1_0000_0000), true);
}

/** Bytes from where the reserved area of every GiB starts, and its length. */
export const GIB = 1024 ** 3;
export const RESERVED_BYTES = 4 * 1024 ** 2;
/**
 * Where a volume with room for only one header keeps a second copy: block 62 of the first reserved area, which the format
 * leaves unused. Written before the header proper; read when no proper one is valid.
 */
export const SHADOW_HEADER = 62 * PBUFSIZE;

const MASKS = Uint32Array.from({ length: 65 }, (_, bits) => 2 ** Math.min(bits, 32) - 1);
/** Low and high word of `2^keybits - 1`, for 0 to 64. */
export const maskLo = (keybits: number): number => MASKS[keybits];
export const maskHi = (keybits: number): number => (keybits > 32 ? MASKS[keybits - 32] : 0);

/** Compare two u64 given as halves: negative, 0 or positive. */
export function cmp64(ahi: number, alo: number, bhi: number, blo: number): number {
  if (ahi !== bhi) return ahi < bhi ? -1 : 1;
  return alo === blo ? 0 : alo < blo ? -1 : 1;
}

export const hex32 = (n: number): string => (n >>> 0).toString(16).padStart(8, '0');
export const hex64 = (hi: number, lo: number): string => hex32(hi) + hex32(lo);

/** Bytes as a string of one char per byte (latin1): the kernel's form of names and paths. */
export function latin1(b: Uint8Array, off: number, len: number): string {
  let s = '';
  for (let i = 0; i < len; i++) s += String.fromCharCode(b[off + i]);
  return s;
}

/** A stored uuid (DCE layout) in text form. */
export function uuidText(b: Uint8Array, off: number): string {
  const order = [3, 2, 1, 0, -1, 5, 4, -1, 7, 6, -1, 8, 9, -1, 10, 11, 12, 13, 14, 15];
  return order.map((i) => (i < 0 ? '-' : b[off + i].toString(16).padStart(2, '0'))).join('');
}
