/**
 * Blocks of the topology: where they lie, that each is what its check code says, who shares them, and what data blocks hold.
 */
import { crc32c, sha192, xxh64 } from './digest.js';
import type { Freemap } from './freemap.js';
import type { Inum, NameSpace } from './names.js';
import type { Findings, PfsReport, Report } from './report.js';
import { lz4, zlib } from './unpack.js';
import { type Header, type VolumeSpace, readAt } from './volume.js';
import * as w from './wire.js';

/** XXH64 with HAMMER2's seed: low and high half. */
export type Xxh64 = (b: Uint8Array, off: number, len: number) => readonly [number, number];

/** Whose tree is being walked. */
export interface Owner {
  readonly kind: 'volume' | 'suproot' | 'pfsroot' | 'dir' | 'file';
  readonly where: string;
  readonly pfs: PfsReport | null;
  readonly pfsIndex: number;
  readonly inum: Inum;
  /** Bytes of a file. */
  readonly size: number;
  readonly names: NameSpace | null;
  /** Collision space of the last name, and the names in it so far. */
  hash: bigint;
  readonly group: string[];
}

/** A block that some blockref has led to. */
interface Block {
  readonly radix: number;
  readonly type: number;
  readonly methods: number;
  readonly check: bigint;
  readonly key: bigint;
  readonly keybits: number;
  readonly mirrorTid: number;
  pfsIndex: number;
  /** Is what it holds what its check code says? */
  good: boolean;
  /** DATA: from here on everything is zero once unpacked; -1 before that is known. */
  zeroFrom: number;
}

/** What is wrong with a block's bytes by its blockref, or null. */
export function checkFault(r: w.Ref, b: Uint8Array, xxh: Xxh64 = xxh64): string | null {
  const { v, at } = r;
  switch (r.check) {
    case w.CHECK_NONE:
    case w.CHECK_DISABLED:
      return null;
    case w.CHECK_CRC: {
      const c = crc32c(b, 0, b.length);
      return c === v.getUint32(at + 0x40, true)
        ? null
        : `crc32 ${w.hex(v.getUint32(at + 0x40, true))}, the block has ${w.hex(c)}`;
    }
    case w.CHECK_XXH: {
      const [lo, hi] = xxh(b, 0, b.length);
      if (lo === v.getUint32(at + 0x40, true) && hi === v.getUint32(at + 0x44, true)) return null;
      return `xxhash64 ${w.hex(v.getBigUint64(at + 0x40, true))}, the block has ${w.hex((BigInt(hi) << 32n) | BigInt(lo))}`;
    }
    case w.CHECK_SHA: {
      const d = sha192(b);
      for (let i = 0; i < 24; i++) if (d[i] !== r.b[at + 0x40 + i]) return 'sha192 differs';
      return null;
    }
  }
  return `check method ${r.check}`;
}

/** Why a block cannot lie where the blockref says, or null. */
export function placeFault(r: w.Ref, s: VolumeSpace): string | null {
  if (r.radix < 10 || r.radix > 16) return `radix ${r.radix}`;
  const { off, size } = r;
  if (off % w.KIB !== 0) return 'not on a multiple of 1 KiB';
  if (size >= w.GRANULE ? off % size !== 0 : Math.floor(off / w.GRANULE) !== Math.floor((off + size - 1) / w.GRANULE)) {
    return size >= w.GRANULE ? 'not aligned to its size' : 'crosses a multiple of 16 KiB';
  }
  if (off % w.GIB < w.RESERVED) return 'in the reserved area of its GiB';
  if (off < s.auxEnd) return 'below the managed space';
  if (off + size > s.total) return 'beyond the end';
  return null;
}

export class Blocks {
  private readonly seen = new Map<number, Block>();
  private readonly out = new Uint8Array(w.PBUF);

  constructor(
    private readonly s: VolumeSpace,
    private readonly f: Findings,
    private readonly r: Report,
    private readonly tick: (bytes: number) => void,
    private readonly xxh: Xxh64,
  ) {}

  private load(r: w.Ref, o: Owner): Uint8Array | null {
    const b = readAt(this.s, r.off, r.size);
    if (typeof b !== 'string') return b;
    this.f.error('read-error', o.where, `${w.refText(r)}: ${b}`);
    return null;
  }

  /** A block of the topology other than data: read, verified, and known. Null when it cannot be followed. */
  meta(r: w.Ref, o: Owner): Uint8Array | null {
    const known = this.known(r, o);
    if (known === null) return null;
    if (known !== undefined) {
      if (!known.good) return null;
      const sameRef =
        known.key === r.key &&
        known.keybits === r.keybits &&
        known.methods === r.b[r.at + 1] &&
        known.check === r.v.getBigUint64(r.at + 0x40, true);
      if (known.pfsIndex === o.pfsIndex || !sameRef) {
        this.f.error('shared-block', o.where, `${w.refText(r)} is used twice${sameRef ? '' : ', and differently'}`);
        return null;
      }
      known.pfsIndex = o.pfsIndex;
      return this.load(r, o);
    }
    const blk = this.enter(r, o);
    if (blk === null) return null;
    const b = this.load(r, o);
    if (b === null) return null;
    const bad = checkFault(r, b, this.xxh);
    if (bad !== null) {
      this.f.error('check-code', o.where, `${w.refText(r)}: ${bad}`);
      return null;
    }
    blk.good = true;
    return b;
  }

  /** The block there already, undefined when none is, null when the two cannot both be right. */
  private known(r: w.Ref, o: Owner): Block | null | undefined {
    const b = this.seen.get(r.off);
    if (b === undefined) return undefined;
    this.r.stats.sharedRefs++;
    if (b.radix === r.radix && b.type === r.type) return b;
    this.f.error('overlap', o.where, `${w.refText(r)} is also a ${w.typeName(b.type)} of ${2 ** b.radix} bytes`);
    return null;
  }

  private enter(r: w.Ref, o: Owner): Block | null {
    const bad = placeFault(r, this.s);
    if (bad !== null) {
      this.f.error(bad.startsWith('radix') ? 'block-size' : 'block-address', o.where, `${w.refText(r)}: ${bad}`);
      return null;
    }
    if (r.off < this.s.allocatorBeg && (r.type !== w.T_INODE || (o.kind !== 'volume' && o.kind !== 'suproot'))) {
      this.f.error('block-address', o.where, `${w.refText(r)}: in the space of newfs' inodes`);
    }
    const b: Block = {
      radix: r.radix,
      type: r.type,
      methods: r.b[r.at + 1],
      check: r.v.getBigUint64(r.at + 0x40, true),
      key: r.key,
      keybits: r.keybits,
      mirrorTid: r.mirrorTid,
      pfsIndex: o.pfsIndex,
      good: false,
      zeroFrom: -1,
    };
    this.seen.set(r.off, b);
    this.r.stats.blocks++;
    this.r.stats.bytes += r.size;
    this.tick(r.size);
    return b;
  }

  /** A data block: verified, unpacked, and zero past the end of its file. */
  data(r: w.Ref, o: Owner): void {
    if (r.key >= 1n << 63n || Number(r.key) >= o.size) {
      this.f.error('data-key', o.where, `${w.refText(r)} is beyond the end of the file at ${o.size}`);
    }
    const known = this.known(r, o);
    if (known === null) return;
    let blk = known;
    if (blk !== undefined) {
      if (known?.pfsIndex === o.pfsIndex && r.check <= w.CHECK_DISABLED) {
        this.f.error('shared-block', o.where, `${w.refText(r)} is used twice without a check code`);
        return;
      }
      const sameRef = blk.methods === r.b[r.at + 1] && blk.check === r.v.getBigUint64(r.at + 0x40, true);
      if (!blk.good && sameRef) return; // reported
      if (!sameRef) blk = { ...blk, zeroFrom: -1, good: false };
    }
    blk ??= this.enter(r, o) ?? undefined;
    if (blk === undefined) return;
    if (!blk.good) {
      const b = this.load(r, o);
      if (b === null) return;
      const bad = checkFault(r, b, this.xxh);
      if (bad !== null) {
        this.f.error('check-code', o.where, `${w.refText(r)}: ${bad}`);
        return;
      }
      blk.good = true;
      blk.zeroFrom = this.unpack(r, b, o);
    }
    if (blk.zeroFrom > 0 && Number(r.key) + blk.zeroFrom > o.size && Number(r.key) < o.size) {
      this.f.error('past-eof', o.where, `${w.refText(r)}: bytes after the end of the file at ${o.size} are not zero`);
    }
  }

  /** Unpack and return from where on it is zero; 0 when that failed. */
  private unpack(r: w.Ref, b: Uint8Array, o: Owner): number {
    const bad = (m: string): number => {
      this.f.error('unpack', o.where, `${w.refText(r)}: ${w.compNames[r.comp] ?? r.comp}: ${m}`);
      return 0;
    };
    let got = b;
    let len = r.size;
    if (r.comp === w.COMP_LZ4) {
      const n = w.view(b).getUint32(0, true);
      if (n > r.size - 4) return bad(`length ${n}`);
      const e = lz4(b, 4, n, this.out);
      if (typeof e === 'string') return bad(e);
      if (!w.zero(b, 4 + n, r.size)) this.f.warn('padding', o.where, `${w.refText(r)}: not padded with zeros`);
      got = this.out;
      len = e;
    } else if (r.comp === w.COMP_ZLIB) {
      const e = zlib(b, w.PBUF);
      if (typeof e === 'string') return bad(e);
      got = e;
      len = e.length;
    } else if (r.comp !== w.COMP_NONE) return 0;
    if (len < 1024 || (len & (len - 1)) !== 0) return bad(`${len} bytes, which is no size of a block`);
    while (len > 0 && got[len - 1] === 0) len--;
    return len;
  }

  /** Overlaps of different blocks, and the freemap against all of them. */
  finish(map: Freemap, h: Header): void {
    const offs = Float64Array.from(this.seen.keys()).sort();
    let end = 0;
    let last = 0;
    for (const off of offs) {
      const b = this.seen.get(off);
      if (b === undefined) continue;
      const text = (): string => `${w.typeName(b.type)} ${w.hex(b.key)}/${b.keybits} at ${w.hex(off)}+${2 ** b.radix}`;
      if (off < end) this.f.error('overlap', 'blocks', `${text()} overlaps the block at ${w.hex(last)}`);
      end = Math.max(end, off + 2 ** b.radix);
      last = off;
      map.use(off, 2 ** b.radix, b.mirrorTid, h, text);
    }
  }
}
