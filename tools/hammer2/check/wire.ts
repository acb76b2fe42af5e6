/**
 * The on-disk structures as the checker reads them, apart from the implementation's own tables (see digest.ts).
 * Byte offsets are numbers: they are multiples of 1024 and so exact below 2^63; keys are bigints.
 */

export const KIB = 1024;
export const MIB = KIB * KIB;
export const GIB = KIB * MIB;
/** No block crosses a multiple of it. */
export const PBUF = 65536;
/** What one pair of freemap bits stands for. */
export const GRANULE = 16384;
export const SEGMENT = 4 * MIB;
/** Reserved at the start of every GiB. */
export const RESERVED = 4 * MIB;
export const HEADER_BYTES = 65536;
export const HEADER_DISTANCE = 2 * GIB;
/** Where volumes with room for one header only may keep a second copy (ours; unused by the format). */
export const SHADOW_OFFSET = 62 * PBUF;
export const REF_BYTES = 128;
export const INODE_BYTES = 1024;
export const MAGIC = 0x48414d3205172011n;
export const FSTYPE = '5cbb9ad1-862d-11dc-a94d-01301bb8a9f5';
export const KEY_MAX = (1n << 64n) - 1n;
export const DIRENT_BIT = 1n << 63n;

export const T_EMPTY = 0;
export const T_INODE = 1;
export const T_INDIRECT = 2;
export const T_DATA = 3;
export const T_DIRENT = 4;
export const T_FREEMAP_NODE = 5;
export const T_FREEMAP_LEAF = 6;
export const T_INVALID = 7;
const typeNames = ['EMPTY', 'INODE', 'INDIRECT', 'DATA', 'DIRENT', 'FREEMAP_NODE', 'FREEMAP_LEAF', 'INVALID'];
export const typeName = (t: number): string => typeNames[t] ?? `type ${t}`;

export const CHECK_NONE = 0;
export const CHECK_DISABLED = 1;
export const CHECK_CRC = 2;
export const CHECK_XXH = 3;
export const CHECK_SHA = 4;
export const CHECK_FREEMAP = 5;
export const checkNames = ['none', 'disabled', 'crc32', 'xxhash64', 'sha192', 'freemap'];
export const COMP_NONE = 0;
export const COMP_AUTOZERO = 1;
export const COMP_LZ4 = 2;
export const COMP_ZLIB = 3;
export const compNames = ['none', 'autozero', 'lz4', 'zlib'];

/** Object types of inodes and directory entries. */
export const O_DIR = 1;
export const O_FILE = 2;
export const O_SYMLINK = 7;
export const objNames: Record<number, string> = {
  0: 'unknown',
  1: 'directory',
  2: 'file',
  4: 'fifo',
  5: 'cdev',
  6: 'bdev',
  7: 'symlink',
  9: 'socket',
  10: 'whiteout',
};

export const OP_DIRECTDATA = 1;
export const OP_PFSROOT = 2;
export const OP_COPYIDS = 4;
export const REF_PFSROOT = 1;
export const REF_EMERGENCY = 4;

export const view = (b: Uint8Array): DataView => new DataView(b.buffer, b.byteOffset, b.byteLength);

/** u64 as a number: rounded from 2^53 up. */
export const num64 = (v: DataView, o: number): number => v.getUint32(o + 4, true) * 2 ** 32 + v.getUint32(o, true);

export const hex = (n: number | bigint): string => '0x' + n.toString(16);

/** Is b[from, to) all zero? */
export function zero(b: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (b[i] !== 0) return false;
  return true;
}

export function uuid(b: Uint8Array, o: number): string {
  const h = (...at: number[]): string => at.map((i) => b[o + i].toString(16).padStart(2, '0')).join('');
  return [h(3, 2, 1, 0), h(5, 4), h(7, 6), h(8, 9), h(10, 11, 12, 13, 14, 15)].join('-');
}

/** Bytes as text for messages: UTF-8 where they are, escaped where they are not printable. */
export function printable(b: Uint8Array): string {
  const s = new TextDecoder('utf-8').decode(b);
  // eslint-disable-next-line no-control-regex
  return s.replace(/[\u0000-\u001f\u007f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** One blockref, decoded. */
export interface Ref {
  readonly type: number;
  readonly check: number;
  readonly comp: number;
  readonly keybits: number;
  readonly flags: number;
  readonly leafCount: number;
  readonly key: bigint;
  /** Last key of the range. */
  readonly end: bigint;
  readonly mirrorTid: number;
  readonly modifyTid: number;
  readonly off: number;
  readonly radix: number;
  /** Bytes of the block, 0 without one. */
  readonly size: number;
  readonly dataCount: number;
  readonly inodeCount: number;
  /** The bytes it came from. */
  readonly b: Uint8Array;
  readonly v: DataView;
  readonly at: number;
}

export function ref(b: Uint8Array, v: DataView, at: number): Ref {
  const lo = v.getUint32(at + 0x20, true);
  const radix = lo & 0x3f;
  const keybits = b[at + 3];
  const key = v.getBigUint64(at + 8, true);
  return {
    type: b[at],
    check: b[at + 1] >> 4,
    comp: b[at + 1] & 15,
    keybits,
    flags: b[at + 5],
    leafCount: v.getUint16(at + 6, true),
    key,
    end: keybits === 0 ? key : key + (1n << BigInt(keybits)) - 1n,
    mirrorTid: num64(v, at + 0x10),
    modifyTid: num64(v, at + 0x18),
    off: v.getUint32(at + 0x24, true) * 2 ** 32 + lo - radix,
    radix,
    size: radix === 0 ? 0 : 2 ** radix,
    dataCount: num64(v, at + 0x30),
    inodeCount: num64(v, at + 0x38),
    b,
    v,
    at,
  };
}

/** A blockref in messages: `INODE 0x403/0 at 0x8804c00+1024`. */
export function refText(r: Ref): string {
  const place = r.radix === 0 && r.off === 0 ? 'without block' : `at ${hex(r.off)}+${r.size}`;
  return `${typeName(r.type)} ${hex(r.key)}/${r.keybits} ${place}`;
}
