/**
 * The checker: DragonFly's own volumes are clean, and every kind of damage is found for what it is, with check codes
 * that are right all the way up.
 */
import { expect } from 'chai';
import { type Code, type Report, check } from '../../../../tools/hammer2/check/check.js';
import { crc32c, dirhash, sha192, xxh64 } from '../../../../tools/hammer2/check/digest.js';
import { lz4 } from '../../../../tools/hammer2/check/unpack.js';
import * as w from '../../../../tools/hammer2/check/wire.js';
import { Patient, type Path } from '../../../support/hammer2_damage.js';
import { FIXTURES, fixtureReader } from '../../../support/hammer2_fixture.js';
import { lz4Compress } from '../../../support/lz4_compress.js';

const text = (s: string): Uint8Array => new TextEncoder().encode(s);
const image = fixtureReader('lz4-xxhash64-tree');
const zlibImage = fixtureReader('zlib-indirect-sparse');

// What tells the slots of the volume apart.
const isType = (t: number) => (r: w.Ref) => r.type === t;
/** Depth 0 is the super-root, 1 PFS roots, then their trees. */
const inData = (path: Path): boolean => path.length > 2;
const object = (type: number, more: (b: Uint8Array) => boolean = () => true) => {
  return (r: w.Ref, b: Uint8Array, path: Path): boolean =>
    r.type === w.T_INODE && inData(path) && b[0x50] === type && more(b);
};
const direct = (b: Uint8Array): boolean => (b[0x51] & 1) !== 0 && w.num64(w.view(b), 0x60) > 0;
const indexed = (b: Uint8Array): boolean => (b[0x51] & 1) === 0 && !w.zero(b, 0x200, 0x400);
const inSet = (path: Path): boolean => path[path.length - 1].size === 1024;
const longName = (r: w.Ref): boolean => r.type === w.T_DIRENT && r.size === 1024;
const shortName = (r: w.Ref): boolean => r.type === w.T_DIRENT && r.size === 0;
const pfs =
  (label: string) =>
  (_r: w.Ref, b: Uint8Array, path: Path): boolean =>
    path.length === 2 && w.printable(b.subarray(0x100, 0x100 + label.length)) === label;
const data =
  (comp: number) =>
  (r: w.Ref): boolean =>
    r.type === w.T_DATA && r.comp === comp;
const LEAF = 0x800;

/** A slot of the same block after the one of the path. */
const next = (b: Uint8Array, at: number): number => {
  let n = at + 128;
  while (n < b.length && b[n] === 0) n += 128;
  return n < b.length ? n : -1;
};
const copySlot = (b: Uint8Array, from: number, to: number): void => void b.copyWithin(to, from, from + 128);

interface Case {
  code: Code;
  what: string;
  level?: 'warning';
  image?: typeof image;
  /** Errors beyond the one looked for that follow from it. */
  also?: Code[];
  do: (p: Patient) => void;
}
const cases: Case[] = [
  // headers
  { code: 'header-field', what: 'another file system type', do: (p) => p.header((_v, b) => b.fill(1, 0x50, 0x60)) },
  {
    code: 'header-field',
    what: 'an allocator size that is not what the areas leave',
    do: (p) => p.header((v) => v.setUint32(0x60, 0x1000, true)),
    also: ['allocator-free'],
  },
  {
    code: 'header-field',
    what: 'a freemap newer than the topology',
    do: (p) => p.header((v) => v.setUint32(0x90, 99, true)),
  },
  {
    code: 'reserved',
    level: 'warning',
    what: 'a reserved area of the header that is not zero',
    do: (p) => p.header((_v, b) => b.fill(1, 0x500, 0x501)),
  },
  // blocks
  {
    code: 'check-code',
    what: 'a flipped bit in an inode',
    do: (p) => flip(p, object(w.O_FILE)),
    also: ['dangling-entry'],
  },
  { code: 'check-code', what: 'a flipped bit in data', do: (p) => flip(p, data(w.COMP_LZ4)) },
  {
    code: 'check-code',
    what: 'a flipped bit in a freemap leaf',
    do: (p) => flip(p, isType(w.T_FREEMAP_LEAF), LEAF),
    also: ['used-free', 'allocator-free'],
  },
  {
    code: 'block-address',
    what: 'data in a reserved area',
    do: (p) => slot(p, data(w.COMP_NONE), (v, at) => setOff(v, at, 0x40000000)),
  },
  {
    code: 'block-address',
    what: 'data beyond the end',
    do: (p) => slot(p, data(w.COMP_NONE), (v, at) => setOff(v, at, 0x80000000)),
  },
  {
    code: 'block-address',
    what: 'data in the boot area',
    do: (p) => slot(p, data(w.COMP_NONE), (v, at) => setOff(v, at, 0x500000)),
  },
  {
    code: 'block-address',
    what: 'a block that is not aligned',
    do: (p) =>
      slot(
        p,
        (r) => r.type === w.T_DATA && r.radix === 16,
        (v, at) => v.setUint32(at + 0x20, v.getUint32(at + 0x20, true) + 16384, true),
      ),
  },
  {
    code: 'block-size',
    what: 'a block of 128 KiB',
    do: (p) => slot(p, data(w.COMP_NONE), (_v, at, b) => (b[at + 0x20] = (b[at + 0x20] & 0xc0) | 17)),
  },
  { code: 'overlap', what: 'a data block within an inode block', do: overlap },
  {
    code: 'shared-block',
    what: 'an inode used twice',
    do: sharedInode,
    also: ['inode-key', 'dangling-entry', 'orphan'],
  },
  // trees
  {
    code: 'bref-type',
    what: 'a data block in a directory',
    do: (p) => slot(p, shortName, (_v, at, b) => (b[at] = w.T_DATA)),
    also: ['orphan', 'link-count'],
  },
  {
    code: 'empty-slot',
    what: 'an empty slot that is not zero',
    do: (p) =>
      slot(
        p,
        (r, _b, path) => shortName(r) && inData(path),
        (_v, at, b) => (b[at] = 0),
      ),
    also: ['orphan', 'link-count'],
  },
  {
    code: 'methods',
    what: 'a directory entry without check method',
    do: (p) => slot(p, shortName, (_v, at, b) => (b[at + 1] = 0)),
  },
  {
    code: 'methods',
    what: 'an unknown compression',
    do: (p) => slot(p, data(w.COMP_NONE), (_v, at, b) => (b[at + 1] |= 9)),
  },
  {
    code: 'bref-flags',
    what: 'the flag of PFS roots on a file',
    do: (p) => slot(p, object(w.O_FILE), (_v, at, b) => (b[at + 5] = 1)),
  },
  {
    code: 'bref-flags',
    level: 'warning',
    what: 'a PFS root without its flag',
    do: (p) => slot(p, pfs('DATA'), (_v, at, b) => (b[at + 5] = 0)),
  },
  {
    code: 'key-order',
    what: 'two inodes in the wrong order',
    do: (p) =>
      slot(
        p,
        (r, b, path) =>
          object(w.O_FILE)(r, b, path) &&
          next(p.read(path[path.length - 1].off, path[path.length - 1].size), path[path.length - 1].at) > 0,
        swap,
      ),
    also: ['dangling-entry'],
  },
  {
    code: 'key-overlap',
    image: zlibImage,
    what: 'a range that overlaps the one before it',
    do: widen,
    also: ['keybits', 'key-order', 'key-align', 'dangling-entry', 'orphan', 'link-count', 'key-range'],
  },
  {
    code: 'key-align',
    what: 'data at an offset that is no multiple of 64 KiB',
    do: (p) => slot(p, data(w.COMP_NONE), (v, at) => v.setUint32(at + 8, v.getUint32(at + 8, true) + 512, true)),
  },
  {
    code: 'key-range',
    what: 'an inode outside of its indirect block',
    do: (p) =>
      slot(
        p,
        (r, b, path) => object(w.O_FILE)(r, b, path) && !inSet(path),
        (v, at) => v.setUint32(at + 12, 0x80000000, true),
      ),
    also: ['key-order', 'dangling-entry'],
  },
  {
    code: 'keybits',
    what: 'data that covers 128 KiB',
    do: (p) => slot(p, data(w.COMP_NONE), (_v, at, b) => (b[at + 3] = 17)),
  },
  {
    code: 'mirror-tid',
    what: 'a block newer than its parent',
    do: (p) => slot(p, data(w.COMP_NONE), (v, at) => v.setUint32(at + 0x10, 99, true)),
  },
  {
    code: 'empty-indirect',
    level: 'warning',
    what: 'an empty indirect block',
    do: (p) =>
      p.block(
        p.find(
          (r, b, path) => r.type === w.T_INDIRECT && inData(path) && b.some((x, i) => i % 128 === 0 && x === w.T_DATA),
        ),
        (_v, b) => b.fill(0),
      ),
  },
  {
    code: 'statistics',
    level: 'warning',
    what: 'wrong counts',
    do: (p) => slot(p, object(w.O_FILE, indexed), (v, at) => v.setUint32(at + 0x30, 5, true)),
  },
  // inodes
  {
    code: 'inode-field',
    what: 'an inode of an unknown type',
    do: (p) => p.block(p.find(object(w.O_FILE)), (_v, b) => (b[0x50] = 77)),
    also: ['entry-type', 'directdata'],
  },
  {
    code: 'inode-field',
    what: 'an inode of version 2',
    do: (p) => p.block(p.find(object(w.O_FILE)), (v) => v.setUint16(0, 2, true)),
    also: ['dangling-entry'],
  },
  {
    code: 'inode-field',
    what: 'an unknown compression algorithm',
    do: (p) => p.block(p.find(object(w.O_FILE)), (_v, b) => (b[0x83] = 7)),
  },
  {
    code: 'inode-key',
    what: 'an inode number that is not the key',
    do: (p) => p.block(p.find(object(w.O_FILE)), (v) => v.setUint32(0x58, 5000, true)),
  },
  {
    code: 'inode-name',
    level: 'warning',
    what: 'a file name field that is not the number',
    do: (p) => p.block(p.find(object(w.O_FILE)), (_v, b) => (b[0x103] = 0x41)),
  },
  {
    code: 'inode-number',
    what: 'a next inode number that is in use',
    do: (p) => p.block(p.find(pfs('DATA')), (v) => v.setUint32(0x88, 1024, true)),
  },
  {
    code: 'directdata',
    what: 'a directory with data in its inode',
    do: (p) => p.block(p.find(object(w.O_DIR)), (_v, b) => (b[0x51] |= 1)),
    also: ['orphan', 'link-count', 'unreachable'],
  },
  {
    code: 'directdata',
    what: '600 bytes in an inode',
    do: (p) => p.block(p.find(object(w.O_FILE, direct)), (v) => v.setUint32(0x60, 600, true)),
  },
  {
    code: 'past-eof',
    what: 'bytes after the end in an inode',
    do: (p) => p.block(p.find(object(w.O_FILE, (b) => direct(b) && b[0x61] === 0)), (_v, b) => (b[0x3ff] = 1)),
  },
  {
    code: 'past-eof',
    what: 'bytes after the end in a data block',
    do: (p) =>
      p.block(
        p.find((r, b) => data(w.COMP_NONE)(r) && b[r.size - 1] === 0),
        (_v, b) => (b[b.length - 1] = 1),
      ),
  },
  {
    code: 'past-eof',
    what: 'a file that ends before its last block does',
    do: (p) =>
      p.block(p.find(object(w.O_FILE, (b) => indexed(b) && w.num64(w.view(b), 0x60) > 2000)), (v) =>
        v.setUint32(0x60, 1000, true),
      ),
  },
  {
    code: 'data-key',
    what: 'data beyond the end of the file',
    do: (p) => slot(p, data(w.COMP_NONE), (v, at) => v.setUint32(at + 12, 1, true)),
    also: ['key-order', 'key-range'],
  },
  {
    code: 'unpack',
    what: 'an LZ4 length beyond the block',
    do: (p) => p.block(p.find(data(w.COMP_LZ4)), (v) => v.setUint32(0, 0x10000, true)),
  },
  {
    code: 'unpack',
    what: 'an LZ4 match before the start',
    do: (p) => p.block(p.find(data(w.COMP_LZ4)), (_v, b) => b.set([0x00, 0xff, 0xff], 4)),
  },
  {
    code: 'unpack',
    image: zlibImage,
    what: 'a zlib stream that ends early',
    do: (p) => p.block(p.find(data(w.COMP_ZLIB)), (_v, b) => b.fill(0, 12)),
    also: ['check-code'],
  },
  { code: 'unpack', what: 'an LZ4 block of 777 bytes', do: shortBlock, also: ['past-eof'] },
  {
    code: 'padding',
    level: 'warning',
    what: 'a compressed block that is not padded with zeros',
    do: (p) =>
      p.block(
        p.find((r, b) => data(w.COMP_LZ4)(r) && b[r.size - 1] === 0),
        (_v, b) => (b[b.length - 1] = 1),
      ),
  },
  // names
  {
    code: 'bad-name',
    what: 'a slash in a name',
    do: (p) => slot(p, shortName, (_v, at, b) => (b[at + 0x40] = 0x2f)),
    also: ['name-hash'],
  },
  {
    code: 'bad-name',
    what: 'a name of 0 bytes',
    do: (p) => slot(p, shortName, (v, at) => v.setUint16(at + 0x38, 0, true)),
    also: ['orphan', 'link-count'],
  },
  {
    code: 'name-hash',
    what: 'another name than the hash is of',
    do: (p) => slot(p, shortName, (_v, at, b) => (b[at + 0x40] ^= 1)),
  },
  {
    code: 'name-hash',
    what: 'another long name than the hash is of',
    do: (p) => p.block(p.find(longName), (_v, b) => (b[3] ^= 1)),
  },
  {
    code: 'padding',
    what: 'a name that is not padded with zeros',
    do: (p) => slot(p, shortName, (_v, at, b) => (b[at + 0x7f] = 1)),
  },
  {
    code: 'duplicate-name',
    what: 'a name twice in a directory',
    do: twice,
    also: ['link-count', 'dir-links', 'orphan'],
  },
  {
    code: 'dangling-entry',
    what: 'an entry of an inode that is not there',
    do: (p) => slot(p, shortName, (v, at) => v.setUint32(at + 0x30, 99999, true)),
    also: ['orphan', 'link-count'],
  },
  {
    code: 'entry-type',
    what: 'an entry of another type than its inode',
    do: (p) => slot(p, shortName, (_v, at, b) => (b[at + 0x3a] = 9)),
  },
  {
    code: 'link-count',
    what: 'a wrong link count',
    do: (p) => p.block(p.find(object(w.O_FILE)), (v) => v.setUint32(0x68, 7, true)),
  },
  { code: 'dir-links', what: 'a directory with two names', do: twoNames, also: ['orphan', 'link-count', 'entry-type'] },
  {
    code: 'orphan',
    what: 'an inode without name',
    do: (p) =>
      slot(
        p,
        (r, _b, path) => shortName(r) && inData(path) && hasLinks(p, r, 1),
        (_v, at, b) => b.fill(0, at, at + 128),
      ),
  },
  { code: 'unlinked', level: 'warning', what: 'an inode without link that nothing will remove', do: unlinked },
  { code: 'unreachable', what: 'a directory below itself', do: circle, also: ['parent'] },
  {
    code: 'parent',
    what: 'a directory that names another parent',
    do: (p) => p.block(p.find(object(w.O_DIR)), (v) => v.setUint32(0x70, 5000, true)),
  },
  {
    code: 'pfs',
    what: 'a PFS root of an unknown type',
    do: (p) => p.block(p.find(pfs('DATA')), (_v, b) => (b[0x87] = 15)),
  },
  { code: 'pfs', what: 'two PFSs of one identity', do: sameIds },
  // freemap
  {
    code: 'freemap-slot',
    what: 'a leaf at a place that is not its own',
    do: (p) => slot(p, isType(w.T_FREEMAP_LEAF), (v, at) => setOff(v, at, 0x20000), LEAF),
    also: ['used-free', 'allocator-free'],
  },
  {
    code: 'freemap-level',
    what: 'a leaf of a range that no level has',
    do: (p) => slot(p, isType(w.T_FREEMAP_LEAF), (_v, at, b) => (b[at + 3] = 29), LEAF),
    also: ['used-free', 'allocator-free'],
  },
  {
    code: 'freemap-bits',
    what: 'a granule marked 01',
    do: (p) => leaf(p, (v) => v.setUint32(60 * 128 + 0x40, 1, true)),
    also: ['freemap-avail', 'allocator-free'],
  },
  {
    code: 'freemap-avail',
    what: 'an avail that is not the number of free granules',
    do: (p) => leaf(p, (v) => v.setUint32(60 * 128 + 0x1c, 16384, true)),
  },
  {
    code: 'freemap-class',
    what: 'an unknown class',
    do: (p) => leaf(p, (v) => v.setUint16(60 * 128 + 4, 0x0910, true)),
  },
  {
    code: 'freemap-linear',
    what: 'a linear that continues a free granule',
    do: (p) => leaf(p, (v) => v.setUint32(60 * 128, 1024, true)),
  },
  { code: 'freemap-linear', what: 'a linear before blocks in use', do: linearBack },
  {
    code: 'freemap-reserved',
    what: 'reserved space marked as free',
    do: (p) => leaf(p, (v) => v.setUint32(0x40, 0, true)),
  },
  {
    code: 'freemap-behind',
    level: 'warning',
    what: 'a freemap older than the topology',
    do: (p) => p.header((v) => v.setUint32(0x78, 18, true)),
  },
  {
    code: 'allocator-free',
    what: 'a wrong count of free bytes',
    do: (p) => p.header((v) => v.setUint32(0x68, v.getUint32(0x68, true) - 16384, true)),
  },
  {
    code: 'used-free',
    what: 'a block in use that is marked as free',
    do: (p) => setPair(p, 0),
    also: ['freemap-avail', 'allocator-free', 'freemap-linear'],
  },
  {
    code: 'used-staged',
    level: 'warning',
    what: 'a block in use that is marked as possibly free',
    do: (p) => setPair(p, 2),
  },
];

function slot(
  p: Patient,
  want: Parameters<Patient['find']>[0],
  fn: Parameters<Patient['slot']>[1],
  from?: number,
): void {
  p.slot(p.find(want, from), fn);
}
function flip(p: Patient, want: Parameters<Patient['find']>[0], from?: number): void {
  const r = p.ref(p.find(want, from));
  const b = p.read(r.off, r.size);
  b[100] ^= 4;
  p.write(r.off, b);
}
function leaf(p: Patient, fn: (v: DataView) => void): void {
  p.block(p.find(isType(w.T_FREEMAP_LEAF), LEAF), fn);
}
function setOff(v: DataView, at: number, off: number): void {
  v.setUint32(at + 0x20, off | (v.getUint32(at + 0x20, true) & 0x3f), true);
  v.setUint32(at + 0x24, 0, true);
}
function hasLinks(p: Patient, dirent: w.Ref, n: number): boolean {
  const inum = w.num64(dirent.v, dirent.at + 0x30);
  const r = p.ref(p.find((x, _b, path) => x.type === w.T_INODE && inData(path) && Number(x.key) === inum));
  return w.num64(w.view(p.read(r.off, r.size)), 0x68) === n;
}
function overlap(p: Patient): void {
  const big = p.ref(p.find((r) => r.type === w.T_DATA && r.radix >= 12));
  const path = p.find((r) => r.type === w.T_DATA && r.radix === 10);
  p.slot(path, (v, at) => v.setUint32(at + 0x20, big.off + 1024 + 10, true));
  p.slot(path, (_v, at, b) => (b[at + 1] = 0x10)); // no check code, so that only the overlap is wrong
}
function sharedInode(p: Patient): void {
  p.slot(
    p.find((r, b, path) => object(w.O_FILE)(r, b, path) && !inSet(path)),
    (_v, at, b) => {
      const to = next(b, at);
      b.copyWithin(to + 0x20, at + 0x20, at + 0x28);
      b.copyWithin(to + 0x40, at + 0x40, at + 0x80);
    },
  );
}
function swap(_v: DataView, at: number, b: Uint8Array): void {
  const to = next(b, at);
  const keep = b.slice(at, at + 128);
  copySlot(b, to, at);
  b.set(keep, to);
}
/** Two of a file's indirect blocks: give the first one the range of both. */
function widen(p: Patient): void {
  const path = p.find((r, _b, path) => {
    const { off, size, at } = path[path.length - 1];
    const b = p.read(off, size);
    const to = next(b, at);
    if (r.type !== w.T_INDIRECT || r.keybits > 40 || to < 0 || b[to] !== w.T_INDIRECT) return false;
    return r.key % (2n << BigInt(r.keybits)) === 0n && w.ref(b, w.view(b), to).key === r.end + 1n;
  });
  p.slot(path, (_v, at, b) => b[at + 3]++);
}
function shortBlock(p: Patient): void {
  p.block(
    p.find((r) => data(w.COMP_LZ4)(r) && r.size >= 1024),
    (v, b) => {
      const z = lz4Compress(new Uint8Array(777).fill(65));
      b.fill(0);
      v.setUint32(0, z.length, true);
      b.set(z, 4);
    },
  );
}
/** Two entries side by side: the first becomes the second once more. */
function twice(p: Patient): void {
  const path = p.find((r, _b, path) => {
    const { off, size, at } = path[path.length - 1];
    const b = p.read(off, size);
    const to = next(b, at);
    return shortName(r) && inData(path) && to > 0 && shortName(w.ref(b, w.view(b), to));
  });
  p.slot(path, (v, at, b) => {
    const to = next(b, at);
    copySlot(b, to, at);
    const base = (v.getUint32(to + 8, true) & 0xffff8000) >>> 0;
    v.setUint32(at + 8, base, true);
    v.setUint32(to + 8, base + 1, true);
  });
}
/** Let an entry of a file lead to a directory as well. */
function twoNames(p: Patient): void {
  const dir = p.ref(p.find(object(w.O_DIR)));
  slot(
    p,
    (r) => shortName(r) && r.b[r.at + 0x3a] === w.O_FILE,
    (v, at, b) => {
      v.setUint32(at + 0x30, Number(dir.key), true);
      b[at + 0x3a] = w.O_DIR;
    },
  );
}
function unlinked(p: Patient): void {
  let inum = 0;
  slot(
    p,
    (r, _b, path) => shortName(r) && inData(path) && hasLinks(p, r, 1) && r.b[r.at + 0x3a] === w.O_FILE,
    (v, at, b) => {
      inum = v.getUint32(at + 0x30, true);
      b.fill(0, at, at + 128);
    },
  );
  p.block(
    p.find((r, _b, path) => r.type === w.T_INODE && inData(path) && Number(r.key) === inum),
    (v) => v.setUint32(0x68, 0, true),
  );
}
/** docs/a and docs/a/b: let the entry of the one lead to the other. */
function circle(p: Patient): void {
  const entry = (name: string): Path =>
    p.find(
      (r) => shortName(r) && w.printable(r.b.subarray(r.at + 0x40, r.at + 0x40 + name.length + 1)) === name + '\\x00',
    );
  const inum = (path: Path): number => w.num64(p.ref(path).v, p.ref(path).at + 0x30);
  const c = inum(entry('c'));
  const a = inum(entry('a'));
  const b = inum(entry('b'));
  // b is in a, c in b: now a/.. has b nowhere, and the entry 'c' of b leads to b itself; c takes b's place in a.
  p.slot(entry('b'), (v, at) => v.setUint32(at + 0x30, c, true));
  p.slot(entry('c'), (v, at) => v.setUint32(at + 0x30, b, true));
  expect(a).to.be.greaterThan(0);
}
function sameIds(p: Patient): void {
  const r = p.ref(p.find(pfs('DATA')));
  const ids = p.read(r.off, r.size).slice(0x90, 0xb0);
  p.block(p.find(pfs('LOCAL')), (_v, b) => b.set(ids, 0x90));
}
function linearBack(p: Patient): void {
  const inode = p.ref(p.find(object(w.O_FILE)));
  leaf(p, (v) => {
    const rec = Math.floor(inode.off / w.SEGMENT) * 128;
    v.setUint32(rec, (Math.floor(inode.off / w.GRANULE) * w.GRANULE + 512) % w.SEGMENT, true);
  });
}
/** Mark the granule of some data block. */
function setPair(p: Patient, pair: number): void {
  const d = p.ref(p.find((r) => r.type === w.T_DATA && r.radix === 16));
  leaf(p, (v) => {
    const g = Math.floor(d.off / w.GRANULE);
    const o = (g >> 8) * 128 + 0x40 + ((g & 255) >> 4) * 4;
    const shift = 2 * (g & 15);
    v.setUint32(o, ((v.getUint32(o, true) & ~(3 << shift)) | (pair << shift)) >>> 0, true);
  });
}

const lines = (r: Report): string => r.findings.map((f) => `${f.level} ${f.code}: ${f.where}: ${f.message}`).join('\n');

describe('hammer2 check', function () {
  this.timeout(60_000);

  it('computes the digests of the format', () => {
    const vectors: [Uint8Array, string, string, string][] = [
      [text(''), '84566ac0f5a0cb84', '00000000', 'e3b0c44298fc1c149afbf4c8996fb924833bd8ff1cc92b19'],
      [text('a'), 'd2a6081c8157197e', 'c1d04330', 'ca978112ca1bbdcafac231b39a23dc4d1e06987dbb9206c9'],
      [text('123456789'), '3b4eb9ba9b947403', 'e3069283', '15e2b0d3c33891ebb0f1ef609ec41942b0acd0328a1a747a'],
      [new Uint8Array(1024), 'a85f7f8931b8cf1e', 'eeaede7c', '5f70bf18a086007016e948b04aed3b82dde599ae08f49359'],
      [
        Uint8Array.from({ length: 65536 }, (_, i) => i),
        '3a43103d3aaab2bd',
        'a224af3d',
        '7daca2095d0438260fa849183dfc67fabab596dc8849ff0b',
      ],
    ];
    const h8 = (n: number): string => n.toString(16).padStart(8, '0');
    for (const [b, x, c, s] of vectors) {
      const [lo, hi] = xxh64(b, 0, b.length);
      expect(h8(hi) + h8(lo)).to.equal(x);
      expect(h8(crc32c(b, 0, b.length))).to.equal(c);
      expect(Buffer.from(sha192(b)).toString('hex')).to.equal(s);
    }
    for (const [name, hash] of [
      ['DATA', 'c78fff92381d8000'],
      ['foo-bar_baz~1', 'ebdfa72f8dd88000'],
      ['日本', 'c798c44983d18000'],
      ['...', '80000000bf988000'],
      ['x'.repeat(255), 'd3996824bbbd8000'],
    ]) {
      expect(dirhash(text(name)).toString(16)).to.equal(hash);
    }
  });

  it('unpacks what an LZ4 compressor packs, and nothing else', () => {
    const out = new Uint8Array(65536);
    for (const n of [1, 13, 100, 5000, 65536]) {
      const src = Uint8Array.from({ length: n }, (_, i) => ((i * i) >> 5) & 63);
      const z = lz4Compress(src);
      expect(lz4(z, 0, z.length, out)).to.equal(n);
      expect(Buffer.compare(out.subarray(0, n), src)).to.equal(0);
      for (let cut = 0; cut < Math.min(z.length, 200); cut++) {
        const r = lz4(z, 0, cut, out);
        expect(typeof r === 'string' || r < n).to.equal(true);
      }
    }
  });

  for (const name of FIXTURES) {
    it(`finds nothing wrong with ${name}`, () => {
      const r = check(fixtureReader(name), { olderHeaders: true });
      expect(lines(r)).to.equal('');
      expect(r.clean).to.equal(true);
      expect(r.pfs.map((p) => p.label)).to.deep.equal(['DATA', 'LOCAL']);
    });
  }

  for (const c of cases) {
    it(`finds ${c.what} (${c.code})`, () => {
      const p = new Patient(c.image ?? image);
      c.do(p);
      const r = check(p);
      expect(r.fatal).to.equal(null);
      const level = c.level ?? 'error';
      const hit = r.findings.filter((f) => f.code === c.code && f.level === level);
      expect(hit.length, lines(r)).to.be.greaterThan(0);
      const others = r.findings.filter(
        (f) => f.level === 'error' && f.code !== c.code && c.also?.includes(f.code) !== true,
      );
      expect(others.map((f) => `${f.code}: ${f.where}: ${f.message}`)).to.deep.equal([]);
      if (c.level === 'warning') expect(r.clean, lines(r)).to.equal(true);
      else expect(r.clean).to.equal(false);
    });
  }

  it('takes the second copy of the only header when that one is torn', () => {
    const p = new Patient(image);
    const good = p.read(0, 65536);
    p.write(w.SHADOW_OFFSET, good);
    const torn = good.slice();
    torn.fill(0, 512 * 5, 512 * 9);
    p.write(0, torn);
    expect(check(p).fatal).to.equal(null);
    torn.fill(0, 0, 512);
    p.write(0, torn);
    const r = check(p);
    expect(r.clean, lines(r)).to.equal(true);
    expect(r.header).to.equal(-1);
  });

  it('has no verdict on some volumes of several', () => {
    const p = new Patient(image);
    p.header((_v, b) => (b[0x3c] = 3));
    expect(check(p).fatal).to.match(/file system of 3 volumes, 1 given/);
  });

  it('has no verdict on what is not HAMMER2', () => {
    const r = check({ size: 1 << 26, read: (_off, len) => new Uint8Array(len) });
    expect(r.fatal).to.match(/no valid volume header: magic number 0x0/);
    expect(r.clean).to.equal(false);
  });
});
