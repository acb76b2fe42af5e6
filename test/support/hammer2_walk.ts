/**
 * A walk of a whole volume in memory, apart from the library's code: everything the topology promises. Returns what is
 * wrong. With `freemap`, also that the freemap has every block.
 */
import { crc32c } from '../../vkernel/vfs/hammer2/codec/crc32c.js';
import { foldSha192, sha256 } from '../../vkernel/vfs/hammer2/codec/sha256.js';
import { xxh64 } from '../../vkernel/vfs/hammer2/codec/xxh64.js';
import { dirhash } from '../../vkernel/vfs/hammer2/dirhash.js';

interface Peek {
  readonly sizeBytes: number;
  peek(off: number, len: number): Uint8Array;
}
interface Stats {
  data: bigint;
  inodes: bigint;
  leaves: number;
}
export interface WalkOptions {
  /** Blockref statistics are exact (volumes written by this library alone). */
  stats?: boolean;
  /** nlinks and names agree. Default true. */
  links?: boolean;
  /** The freemap has every block, and its counts are right. */
  freemap?: boolean;
}

const KIB = 1024n;

/** @param dev one volume; the newest valid header copy counts */
export function walkVolume(dev: Peek, o: WalkOptions = {}): string[] {
  const faults: string[] = [];
  const bad = (s: string): void => void (faults.length < 50 && faults.push(s));
  let head: Uint8Array | null = null;
  let best = -1n;
  for (let i = 0; i < 4 && i * 2 ** 31 + 65536 <= dev.sizeBytes; i++) {
    const b = dev.peek(i * 2 ** 31, 65536);
    const v = new DataView(b.buffer);
    if (v.getBigUint64(0, true) !== 0x48414d3205172011n) continue;
    if (v.getUint32(0x1f8, true) !== crc32c(b, 0x200, 512)) bad(`header ${i}: crc 6`);
    else if (v.getUint32(0x1fc, true) !== crc32c(b, 0, 508)) bad(`header ${i}: crc 7`);
    else if (v.getUint32(0xfffc, true) !== crc32c(b, 0, 65532)) bad(`header ${i}: crc`);
    else if (v.getBigUint64(0x78, true) > best) {
      best = v.getBigUint64(0x78, true);
      head = b;
    }
  }
  if (head === null) return [...faults, 'no header'];
  /** Blocks by offset: several blockrefs may name one DATA block, or one snapshot's. */
  const blocks = new Map<number, number>();
  let last: { inodes: Map<bigint, DataView>; names: Map<bigint, number> } | null = null;

  const walk = (
    b: Uint8Array,
    base: number,
    n: number,
    lo: bigint,
    hi: bigint,
    tid: bigint,
    dir: bigint,
    where: string,
  ): Stats => {
    const sum: Stats = { data: 0n, inodes: 0n, leaves: 0 };
    const v = new DataView(b.buffer, b.byteOffset, b.length);
    let prev = -1n;
    for (let i = 0; i < n; i++) {
      const at = base + i * 128;
      const type = b[at];
      const u64 = (f: number): bigint => v.getBigUint64(at + f, true);
      if (type === 0) {
        if (b.subarray(at, at + 128).some((x) => x !== 0)) bad(`${where}: empty slot ${i} is not zero`);
        continue;
      }
      const key = u64(8);
      const bits = BigInt(b[at + 3]);
      const end = key + (1n << bits) - 1n;
      const me = `${where}/${type}:${key.toString(16)}/${bits}`;
      if (key <= prev) bad(`${me}: out of order or overlapping`);
      prev = end;
      if (key < lo || end > hi) bad(`${me}: outside of its parent's range`);
      if (key % (1n << bits) !== 0n) bad(`${me}: key not aligned`);
      if (u64(0x10) > tid) bad(`${me}: mirror_tid ${u64(0x10)} above its parent's ${tid}`);
      const radix = Number(u64(0x20) & 63n);
      const off = Number(u64(0x20)) - radix;
      const size = radix === 0 ? 0 : 2 ** radix;
      let block: Uint8Array = new Uint8Array(0);
      if (radix !== 0) {
        if (radix < 10 || radix > 16 || off % 1024 !== 0 || off + size > dev.sizeBytes)
          bad(`${me}: data_off ${off}|${radix}`);
        else {
          if ((off % 65536) + size > 65536) bad(`${me}: crosses 64 KiB`);
          if (size < 16384 ? (off % 16384) + size > 16384 : off % size !== 0) bad(`${me}: misplaced ${off}|${radix}`);
          if (off % 2 ** 30 < 2 ** 22) bad(`${me}: in a reserved area`);
          block = dev.peek(off, size);
          const seen = blocks.get(off);
          if (seen !== undefined && seen !== size) bad(`${me}: overlaps`);
          blocks.set(off, size);
          const c = at + 0x40;
          let ok = true;
          switch (b[at + 1] >> 4) {
            case 2:
              ok = crc32c(block, 0, size) === v.getUint32(c, true);
              break;
            case 3: {
              const h = new Uint32Array(2);
              xxh64(block, 0, size, h);
              ok = h[0] === v.getUint32(c, true) && h[1] === v.getUint32(c + 4, true);
              break;
            }
            case 4: {
              const h = new Uint8Array(32);
              sha256(block, 0, size, h);
              foldSha192(h);
              ok = h.subarray(0, 24).every((x, k) => x === b[c + k]);
            }
          }
          if (!ok) bad(`${me}: check code`);
        }
      } else if (type !== 4) bad(`${me}: no block`);
      sum.data += BigInt(size);
      let below: Stats = { data: 0n, inodes: 0n, leaves: 0 };
      switch (type) {
        case 1: {
          const iv = new DataView(block.buffer, block.byteOffset, block.length);
          if (size !== 1024) {
            bad(`${me}: inode of ${size} bytes`);
            break;
          }
          const inum = iv.getBigUint64(0x58, true);
          const root = (block[0x51] & 2) !== 0;
          if (!root && where.startsWith('pfs') && inum !== key) bad(`${me}: has number ${inum}`);
          const outer = last;
          if (root) last = { inodes: new Map(), names: new Map() };
          else last?.inodes.set(inum, iv);
          if ((block[0x51] & 1) === 0) {
            below = walk(block, 0x200, 4, 0n, 2n ** 64n - 1n, u64(0x10), inum, root ? `pfs` : `${me}`);
          } else if (iv.getBigUint64(0x60, true) > 512n) bad(`${me}: direct data of ${iv.getBigUint64(0x60, true)}`);
          else if (block.subarray(0x200 + Number(iv.getBigUint64(0x60, true))).some((x) => x !== 0)) {
            bad(`${me}: bytes behind the end of direct data`);
          }
          if (root) {
            if (o.links !== false) checkLinks(last as NonNullable<typeof last>, iv, me);
            last = outer;
          }
          sum.inodes += 1n + below.inodes;
          sum.data += below.data;
          sum.leaves++;
          break;
        }
        case 2:
          below = walk(block, 0, size / 128, key, end, u64(0x10), dir, where);
          if (size > 0 && !block.some((x) => x !== 0)) bad(`${me}: empty indirect block`);
          sum.inodes += below.inodes;
          sum.data += below.data;
          sum.leaves += below.leaves;
          break;
        case 3:
          if (bits !== 16n) bad(`${me}: data with ${bits} key bits`);
          sum.leaves++;
          break;
        case 4: {
          const len = v.getUint16(at + 0x38, true);
          const from = len <= 64 ? b.subarray(at + 0x40, at + 0x40 + len) : block.subarray(0, len);
          const name = Buffer.from(from).toString('latin1');
          const h = dirhash(name);
          if (key >> 15n !== ((BigInt(h.hi) << 32n) | BigInt(h.lo)) >> 15n) bad(`${me}: hash of ${name}`);
          if (len > 64 !== (radix === 10)) bad(`${me}: name of ${len} bytes, radix ${radix}`);
          const target = u64(0x30);
          last?.names.set(target, (last.names.get(target) ?? 0) + 1);
          sum.leaves++;
          break;
        }
        default:
          bad(`${me}: type`);
      }
      // The super-root does not count what newfs made (7.6).
      if (o.stats === true && where !== 'top' && (type === 1 || type === 2)) {
        // A snapshot's root starts with no leaves counted.
        const root = type === 1 && (block[0x51] & 2) !== 0;
        const want = `${below.data} ${below.inodes} ${root ? '' : Math.min(65535, below.leaves)}`;
        const got = `${u64(0x30)} ${u64(0x38)} ${root ? '' : v.getUint16(at + 6, true)}`;
        if (want !== got) bad(`${me}: statistics ${got} instead of ${want}`);
      }
    }
    return sum;
  };
  const checkLinks = (p: NonNullable<typeof last>, root: DataView, me: string): void => {
    for (const [inum, iv] of p.inodes) {
      const names = p.names.get(inum) ?? 0;
      if (names === 0) bad(`${me}: inode ${inum} without a name`);
      if (BigInt(names) !== iv.getBigUint64(0x68, true))
        bad(`${me}: inode ${inum}: ${names} names, nlinks ${iv.getBigUint64(0x68, true)}`);
      if (inum > root.getBigUint64(0x88, true) && inum >= KIB) bad(`${me}: pfs_inum below inode ${inum}`);
    }
    for (const inum of p.names.keys())
      if (!p.inodes.has(inum)) bad(`${me}: a name leads to inode ${inum}, which does not exist`);
  };
  const hv = new DataView(head.buffer);
  if (hv.getBigUint64(0x90, true) !== best) bad(`freemap_tid ${hv.getBigUint64(0x90, true)}, mirror_tid ${best}`);
  walk(head, 0x200, 4, 0n, 2n ** 64n - 1n, best, 0n, 'top');
  // Different sizes at one place were noted above; blocks that overlap otherwise:
  const sorted = [...blocks].sort((a, b) => a[0] - b[0]);
  for (let i = 1; i < sorted.length; i++) {
    if (sorted[i - 1][0] + sorted[i - 1][1] > sorted[i][0]) bad(`block at ${sorted[i][0]} overlaps the one before`);
  }
  if (o.freemap === true) checkFreemap(dev, hv, blocks, bad);
  return faults;
}

/** Every block is marked 11, records count their free pairs, and blocks of the freemap are where they belong. */
function checkFreemap(dev: Peek, head: DataView, blocks: ReadonlyMap<number, number>, bad: (s: string) => void): void {
  const leaves = new Map<number, DataView>();
  const visit = (v: DataView, base: number, n: number): void => {
    let prev = -1;
    for (let at = base; at < base + n * 128; at += 128) {
      const type = v.getUint8(at);
      if (type === 0) continue;
      const key = Number(v.getBigUint64(at + 8, true));
      const bits = v.getUint8(at + 3);
      const off = Number(v.getBigUint64(at + 0x20, true) & ~63n);
      const me = `freemap ${type}:${key / 2 ** 30} GiB/${bits}`;
      if (key <= prev) bad(`${me}: out of order`);
      prev = key;
      if (v.getUint8(at + 1) !== 0x50 || Number(v.getBigUint64(at + 0x20, true) & 63n) !== 15)
        bad(`${me}: methods, radix`);
      const slot = (off - key) / 65536 - 1;
      if (slot < 0 || slot >= 40 || slot % 5 !== (bits - 30) / 8) bad(`${me}: at ${off}`);
      const b = dev.peek(off, 32768);
      if (crc32c(b, 0, 32768) !== v.getUint32(at + 0x40, true)) bad(`${me}: CRC`);
      const bv = new DataView(b.buffer);
      if (type === 5) visit(bv, 0, 256);
      else leaves.set(key / 2 ** 30, bv);
    }
  };
  visit(head, 0x800, 4);
  const begin = Number(head.getBigUint64(0x70, true));
  for (const [off, size] of blocks) {
    if (off < begin) continue;
    const leaf = leaves.get(Math.floor(off / 2 ** 30));
    if (leaf === undefined) {
      bad(`block at ${off}: no freemap leaf`);
      continue;
    }
    const rec = Math.floor((off % 2 ** 30) / 2 ** 22) * 128;
    for (let o = off; o < off + size; o += 16384) {
      const g = Math.floor((o % 2 ** 22) / 16384);
      const word = leaf.getBigUint64(rec + 0x40 + 8 * (g >> 5), true);
      if (((word >> BigInt(2 * (g & 31))) & 3n) !== 3n) bad(`block at ${off}: marked free`);
    }
  }
  for (const [gib, leaf] of leaves) {
    for (let s = 0; s < 256; s++) {
      let free = 0;
      for (let i = 0; i < 64; i++) {
        const x = leaf.getUint8(s * 128 + 0x40 + i);
        for (let k = 0; k < 8; k += 2) if (((x >> k) & 3) === 0) free++;
      }
      if (leaf.getUint32(s * 128 + 0x1c, true) !== free * 16384) bad(`freemap ${gib} GiB segment ${s}: avail`);
      const off = gib * 2 ** 30 + s * 2 ** 22;
      if ((s === 0 || off < begin || off >= dev.sizeBytes) && free > 0)
        bad(`freemap ${gib} GiB segment ${s}: free, but reserved`);
    }
  }
}
