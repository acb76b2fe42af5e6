/**
 * Builds HAMMER2 volumes in memory for tests: any check code and compression per file, several volumes, hash
 * collisions, deep trees, and, through `tamper`, hostile blocks that carry valid check codes.
 *
 * Deliberately independent of the library's reading code; only the check-code arithmetic is shared (it has its own
 * vectors).
 */
import { deflateSync } from 'node:zlib';
import type { BlockDevice } from '../../vkernel/sys/blockdev.js';
import type { Blocking } from '../../vkernel/sys/blocking.js';
import { ENXIO, Errno } from '../../vkernel/sys/errno.js';
import { crc32c } from '../../vkernel/vfs/hammer2/codec/crc32c.js';
import { foldSha192, sha256 } from '../../vkernel/vfs/hammer2/codec/sha256.js';
import { xxh64 } from '../../vkernel/vfs/hammer2/codec/xxh64.js';
import { dirhash } from '../../vkernel/vfs/hammer2/dirhash.js';
import { lz4Compress } from './lz4_compress.js';

/** Sparse in-memory device. Counts reads; fails those in `badRanges`. */
export class MemDevice implements BlockDevice {
  readonly readonly = false;
  reads = 0;
  /** Byte offsets whose reads fail with this errno. */
  readonly bad = new Map<number, Errno>();
  private readonly blocks = new Map<number, Uint8Array>();
  constructor(
    readonly name: string,
    readonly sizeBytes: number,
  ) {}
  private block(base: number): Uint8Array {
    let b = this.blocks.get(base);
    if (b === undefined) this.blocks.set(base, (b = new Uint8Array(65536)));
    return b;
  }
  poke(off: number, data: Uint8Array): void {
    for (let done = 0; done < data.length;) {
      const at = off + done;
      const n = Math.min(65536 - (at % 65536), data.length - done);
      this.block(at - (at % 65536)).set(data.subarray(done, done + n), at % 65536);
      done += n;
    }
  }
  peek(off: number, len: number): Uint8Array {
    const out = new Uint8Array(len);
    for (let done = 0; done < len;) {
      const at = off + done;
      const n = Math.min(65536 - (at % 65536), len - done);
      const b = this.blocks.get(at - (at % 65536));
      if (b !== undefined) out.set(b.subarray(at % 65536, (at % 65536) + n), done);
      done += n;
    }
    return out;
  }
  /** Offsets of all 64 KiB blocks ever written. */
  touched(): number[] {
    return [...this.blocks.keys()].sort((a, b) => a - b);
  }
  *read(off: number, buf: Uint8Array): Blocking<Errno | null> {
    // Tests do not read this much: a loop is to end with a stack trace, not with a test run that hangs.
    if (++this.reads > 1_000_000) throw new Error('MemDevice: endless reading');
    if (off % 512 !== 0 || buf.length % 512 !== 0) throw new Error(`unaligned read ${off}+${buf.length}`);
    if (off < 0 || !(off + buf.length <= this.sizeBytes)) return ENXIO;
    const e = this.bad.get(off);
    if (e !== undefined) return e;
    for (let done = 0; done < buf.length;) {
      const at = off + done;
      const n = Math.min(65536 - (at % 65536), buf.length - done);
      const b = this.blocks.get(at - (at % 65536));
      if (b === undefined) buf.fill(0, done, done + n);
      else buf.set(b.subarray(at % 65536, (at % 65536) + n), done);
      done += n;
    }
    return null;
  }
  *write(off: number, buf: Uint8Array): Blocking<Errno | null> {
    this.poke(off, buf);
    return null;
  }
  *flush(): Blocking<Errno | null> {
    return null;
  }
}

export type CompName = 'none' | 'autozero' | 'lz4' | 'zlib';
const COMP: Record<CompName, number> = { none: 0, autozero: 1, lz4: 2, zlib: 3 };
export type CheckAlgo = 'none' | 'disabled' | 'crc32' | 'xxhash64' | 'sha192' | 'freemap';
const CHECK: Record<CheckAlgo, number> = { none: 0, disabled: 1, crc32: 2, xxhash64: 3, sha192: 4, freemap: 5 };

/** An object of a test tree. */
export interface TestNode {
  type: 'dir' | 'file' | 'symlink' | 'fifo' | 'chr';
  name: string;
  mode?: number;
  uid?: number;
  gid?: number;
  data?: Uint8Array;
  /** Size when larger than the data (trailing hole). */
  size?: number;
  comp?: CompName;
  check?: CheckAlgo;
  children?: TestNode[];
  rdev?: [number, number];
  uflags?: number;
  /** Another name for the object of this path. */
  linkTo?: TestNode;
}

/** What tamper sees before the block is signed and written. `bref` is the parent's slot, still without check code. */
export type Tamper = (kind: string, block: Uint8Array, bref: Uint8Array, name: string) => void;

export interface BuildOptions {
  volumes?: number[];
  pfs: Record<string, TestNode[]>;
  /** Default check and compression; metadata uses the check too (none becomes xxhash64). */
  check?: CheckAlgo;
  comp?: CompName;
  /** Bytes of indirect blocks. */
  indirect?: number;
  /** Live slots an indirect block may have before its range is split. */
  fanout?: number;
  version?: number;
  tamper?: Tamper;
  /** Change a header before it is signed. */
  header?: (h: DataView, volume: number, copy: number) => void;
}

const GIB = 1024 ** 3;

export function buildImage(o: BuildOptions): MemDevice[] {
  const sizes = o.volumes ?? [64 * 1024 * 1024];
  const version = o.version ?? 2;
  const devs = sizes.map((s, i) => new MemDevice(`vkd${i}`, s));
  const loff = sizes.map((_, i) => sizes.slice(0, i).reduce((a, b) => a + b, 0));
  const total = sizes.reduce((a, b) => a + b, 0);
  const indirectBytes = o.indirect ?? 4096;
  const fanout = o.fanout ?? indirectBytes / 128;

  // Bump allocator, taking turns between the volumes so that every multi-volume tree crosses them.
  const next = loff.map((l, i) => l + (i === 0 ? 24 : 4) * 1024 * 1024);
  let turn = 0;
  const alloc = (size: number): number => {
    const v = turn++ % next.length;
    const at = Math.ceil(next[v] / size) * size;
    next[v] = at + size;
    if (next[v] > loff[v] + sizes[v] || next[v] % GIB < at % GIB) throw new Error('test volume full');
    return at;
  };
  const write = (off: number, b: Uint8Array): void => {
    const v = loff.findLastIndex((l) => off >= l);
    devs[v].poke(off - loff[v], b);
  };
  const sign = (bref: Uint8Array, block: Uint8Array): void => {
    const c = bref.subarray(0x40);
    const v = new DataView(bref.buffer, bref.byteOffset, 128);
    switch (bref[1] >> 4) {
      case 2:
      case 5:
        v.setUint32(0x40, crc32c(block, 0, block.length), true);
        break;
      case 3: {
        const h = new Uint32Array(2);
        xxh64(block, 0, block.length, h);
        v.setUint32(0x40, h[0], true);
        v.setUint32(0x44, h[1], true);
        break;
      }
      case 4: {
        const h = new Uint8Array(32);
        sha256(block, 0, block.length, h);
        foldSha192(h);
        c.set(h.subarray(0, 24));
      }
    }
  };
  const newBref = (type: number, methods: number, key: bigint, keybits: number): Uint8Array => {
    const b = new Uint8Array(128);
    b[0] = type;
    b[1] = methods;
    b[3] = keybits;
    new DataView(b.buffer).setBigUint64(8, key, true);
    return b;
  };
  /** Allocate, tamper, sign, write. */
  const put = (bref: Uint8Array, block: Uint8Array, kind: string, name: string): Uint8Array => {
    const radix = Math.log2(block.length);
    const off = alloc(block.length);
    new DataView(bref.buffer).setBigUint64(0x20, BigInt(off + radix), true);
    o.tamper?.(kind, block, bref, name);
    sign(bref, block);
    write(off, block);
    return bref;
  };
  const keyOf = (b: Uint8Array): bigint => new DataView(b.buffer, b.byteOffset).getBigUint64(8, true);

  /** Brefs sorted by key in the range -> one bref. */
  const node = (list: Uint8Array[], key: bigint, bits: number, methods: number, name: string): Uint8Array => {
    let kids = list;
    if (list.length > fanout) {
      const mid = key + (1n << BigInt(bits - 1));
      const halves = [list.filter((b) => keyOf(b) < mid), list.filter((b) => keyOf(b) >= mid)];
      kids = halves.flatMap((h, i) => (h.length > 0 ? [node(h, i === 0 ? key : mid, bits - 1, methods, name)] : []));
    }
    const block = new Uint8Array(indirectBytes);
    // live slots at the end, so that readers meet empty ones first
    kids.forEach((b, i) => block.set(b, indirectBytes - 128 * (kids.length - i)));
    return put(newBref(2, methods & 0xf0, key, bits), block, 'indirect', name);
  };
  /** The 512 bytes of a blockset. */
  const blockset = (list: Uint8Array[], methods: number, name: string): Uint8Array => {
    const sorted = [...list].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
    let top = sorted;
    if (sorted.length > 4) {
      top = [];
      for (let q = 0n; q < 4n; q++) {
        const part = sorted.filter((b) => keyOf(b) >> 62n === q);
        if (part.length > 0) top.push(node(part, q << 62n, 62, methods, name));
      }
    }
    const out = new Uint8Array(512);
    top.forEach((b, i) => out.set(b, 512 - 128 * (top.length - i)));
    return out;
  };

  let inum = 1024;
  const dataBlocks = (n: TestNode, comp: number, check: number): Uint8Array[] => {
    const data = n.data ?? new Uint8Array(0);
    const out: Uint8Array[] = [];
    for (let base = 0; base < data.length; base += 65536) {
      const part = data.subarray(base, base + 65536);
      let size = 1024;
      while (size < part.length) size *= 2;
      const buf = new Uint8Array(size);
      buf.set(part);
      if (comp > 0 && buf.every((x) => x === 0)) continue;
      let stored = buf;
      let how = 0;
      if (comp >= 2) {
        const z = comp === 2 ? lz4Compress(buf) : new Uint8Array(deflateSync(buf));
        const need = z.length + (comp === 2 ? 4 : 0);
        let alloc = 1024;
        while (alloc < need) alloc *= 2;
        if (alloc <= size / 2 || (alloc === 1024 && size === 1024)) {
          stored = new Uint8Array(alloc);
          stored.set(z, comp === 2 ? 4 : 0);
          if (comp === 2) new DataView(stored.buffer).setUint32(0, z.length, true);
          how = comp;
        }
      }
      out.push(put(newBref(3, (check << 4) | how, BigInt(base), 16), stored, 'data', n.name));
    }
    return out;
  };
  const TYPE = { dir: 1, file: 2, fifo: 4, chr: 5, symlink: 7 };
  const inode = (n: TestNode, num: number, parent: number, set: Uint8Array | null, direct: boolean): Uint8Array => {
    const b = new Uint8Array(1024);
    const v = new DataView(b.buffer);
    v.setUint16(0, 1, true);
    v.setUint32(4, n.uflags ?? 0, true);
    v.setUint32(8, n.rdev?.[0] ?? 0, true);
    v.setUint32(0xc, n.rdev?.[1] ?? 0, true);
    v.setBigUint64(0x10, 1_600_000_000_000_001n, true);
    v.setBigUint64(0x18, 1_600_000_000_000_002n, true);
    v.setUint32(0x3c, n.uid ?? 0, true);
    v.setUint32(0x4c, n.gid ?? 0, true);
    b[0x50] = TYPE[n.type];
    b[0x51] = direct ? 1 : 0;
    v.setUint32(0x54, n.mode ?? (n.type === 'dir' ? 0o755 : 0o644), true);
    v.setBigUint64(0x58, BigInt(num), true);
    v.setBigUint64(0x60, BigInt(n.type === 'dir' ? 0 : (n.size ?? n.data?.length ?? 0)), true);
    v.setBigUint64(0x68, 1n, true);
    v.setBigUint64(0x70, BigInt(parent), true);
    const name = Buffer.from(n.name, 'latin1').subarray(0, 256);
    v.setUint16(0x80, name.length, true);
    b.set(name, 0x100);
    if (direct) b.set(n.data ?? new Uint8Array(0), 0x200);
    else if (set !== null) b.set(set, 0x200);
    return b;
  };

  const defCheck = CHECK[o.check ?? 'xxhash64'];
  const metaMethods = (defCheck === 0 ? 3 : defCheck) << 4;
  const roots: Uint8Array[] = [];
  for (const [label, tree] of Object.entries(o.pfs)) {
    const index: Uint8Array[] = [];
    const nums = new Map<TestNode, number>();
    const links = new Map<number, Uint8Array>();
    const direntsOf = (children: TestNode[], self: number): Uint8Array[] => {
      const used = new Set<bigint>();
      return children.map((c) => {
        const target = c.linkTo ?? c;
        const num = nums.get(target) ?? build(target, self);
        if (c.linkTo !== undefined) {
          const v = new DataView(links.get(num)!.buffer);
          v.setBigUint64(0x68, v.getBigUint64(0x68, true) + 1n, true);
        }
        const h = dirhash(c.name);
        // As the reference does for the first name: hash + 1; then whatever is unused.
        let key = (BigInt(h.hi) << 32n) | BigInt(h.lo + 1);
        if (used.has(key)) key--;
        while (used.has(key)) key++;
        used.add(key);
        const d = newBref(4, metaMethods, key, 0);
        const v = new DataView(d.buffer);
        v.setBigUint64(0x30, BigInt(num), true);
        v.setUint16(0x38, c.name.length, true);
        v.setUint8(0x3a, TYPE[target.type]);
        const name = Buffer.from(c.name, 'latin1');
        if (name.length <= 64) {
          d.set(name, 0x40);
          o.tamper?.('dirent', name, d, c.name);
          return d;
        }
        const block = new Uint8Array(1024);
        block.set(name);
        return put(d, block, 'name', c.name);
      });
    };
    const pending: [TestNode, Uint8Array][] = [];
    const build = (n: TestNode, parent: number): number => {
      const num = inum++;
      nums.set(n, num);
      const check = CHECK[n.check ?? o.check ?? 'xxhash64'];
      const comp = COMP[n.comp ?? o.comp ?? 'lz4'];
      const methods = (check === 0 ? 3 : check) << 4;
      let set: Uint8Array | null = null;
      const direct = n.type !== 'dir' && (n.data?.length ?? 0) <= 512 && (n.size ?? 0) <= 512;
      if (n.type === 'dir') set = blockset(direntsOf(n.children ?? [], num), methods, n.name);
      else if (!direct) set = blockset(dataBlocks(n, comp, check), methods, n.name);
      const block = inode(n, num, parent, set, direct);
      links.set(num, block);
      pending.push([n, block]);
      index.push(newBref(1, methods | comp, BigInt(num), 0));
      return num;
    };
    const rootNode: TestNode = { type: 'dir', name: label };
    const dirents = direntsOf(tree, 1);
    // Inodes are written last: link counts are known by then. index[i] and pending[i] belong together.
    const order = new Map(
      pending.map(([n, block]) => [Number(new DataView(block.buffer).getBigUint64(0x58, true)), { n, block }]),
    );
    for (const b of index) {
      const { n, block } = order.get(Number(keyOf(b)))!;
      put(b, block, 'inode', n.name);
    }
    const block = inode(rootNode, 1, 0, blockset([...index, ...dirents], metaMethods, label), false);
    block[0x51] = 2;
    block[0x87] = 6;
    new DataView(block.buffer).setBigUint64(0x88, BigInt(inum), true);
    const h = dirhash(label);
    const key = (BigInt(h.hi) << 32n) | BigInt(h.lo);
    const b = newBref(1, metaMethods, key, 0);
    b[5] = 1;
    new DataView(b.buffer).setBigUint64(0x38, BigInt(index.length), true);
    roots.push(put(b, block, 'pfsroot', label));
  }
  const sup = inode(
    { type: 'dir', name: 'SUPROOT', mode: 0o700 },
    0,
    0,
    blockset(roots, metaMethods, 'SUPROOT'),
    false,
  );
  sup[0x87] = 8;
  const sroot = put(newBref(1, metaMethods | 1, 0n, 0), sup, 'suproot', 'SUPROOT');

  devs.forEach((dev, i) => {
    for (let copy = 0; copy < 4 && copy * 2 * GIB + 65536 <= sizes[i]; copy++) {
      const b = new Uint8Array(65536);
      const h = new DataView(b.buffer);
      h.setBigUint64(0, 0x48414d3205172011n, true);
      h.setBigUint64(0x28, BigInt(sizes[i]), true);
      h.setUint32(0x30, version, true);
      b[0x3a] = 3;
      b[0x3b] = i;
      b[0x3c] = version === 1 ? 0 : sizes.length;
      for (let k = 0; k < 16; k++) b[0x40 + k] = k + 1;
      b.set([0xd1, 0x9a, 0xbb, 0x5c, 0x2d, 0x86, 0xdc, 0x11, 0xa9, 0x4d, 0x01, 0x30, 0x1b, 0xb8, 0xa9, 0xf5], 0x50);
      h.setBigUint64(0x60, BigInt(total), true);
      h.setBigUint64(0x68, BigInt(total / 2), true);
      h.setBigUint64(0x78, 17n, true);
      h.setBigUint64(0xc0, BigInt(version === 1 ? 0 : total), true);
      if (i === 0) b.set(sroot, 0x200);
      else for (let k = 0; k < 4; k++) b[0x200 + 128 * k] = 7;
      for (let k = 0; k < 64 && version > 1; k++) {
        h.setBigUint64(0xe00 + 8 * k, k < sizes.length ? BigInt(loff[k]) : 2n ** 64n - 1n, true);
      }
      o.header?.(h, i, copy);
      signHeader(b);
      dev.poke(copy * 2 * GIB, b);
    }
  });
  return devs;
}

/** Fill in the three CRCs of a volume header. */
export function signHeader(b: Uint8Array): void {
  const h = new DataView(b.buffer, b.byteOffset);
  h.setUint32(0x1f8, crc32c(b, 0x200, 512), true);
  h.setUint32(0x1fc, crc32c(b, 0, 508), true);
  h.setUint32(0xfffc, crc32c(b, 0, 65532), true);
}
