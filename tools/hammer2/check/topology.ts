/**
 * The topology of one header: from the four slots of the volume header through super-root, PFS roots, inodes, directory
 * entries and data, each PFS as a whole. Every distinct block is read and verified once.
 */
import { Blocks, type Owner } from './blocks.js';
import { dirhash } from './digest.js';
import { NameSpace, inumOf } from './names.js';
import type { Findings, PfsReport, Report } from './report.js';
import type { Header } from './volume.js';
import * as w from './wire.js';

/** What the statistics of a blockref count, recomputed. */
interface Sums {
  data: number;
  inodes: number;
  leaves: number;
}

/** What a tree of blockrefs may hold, by whose it is. */
const ALLOWED: Record<Owner['kind'], readonly number[]> = {
  volume: [w.T_INODE],
  suproot: [w.T_INODE, w.T_INDIRECT],
  pfsroot: [w.T_INODE, w.T_DIRENT, w.T_INDIRECT],
  dir: [w.T_DIRENT, w.T_INDIRECT],
  file: [w.T_DATA, w.T_INDIRECT],
};
const KEYBITS: Record<number, number> = { [w.T_INODE]: 0, [w.T_DIRENT]: 0, [w.T_DATA]: 16 };
const LEAF_MAX = 65535;
const COLLISIONS = 0x7fffn;

export class Topology {
  /** Roots of PFSs walked, by the bytes of their blocksets: a snapshot nothing was changed in needs no second walk. */
  private readonly roots = new Map<string, PfsReport>();
  private readonly pfsNames = new Set<string>();
  private readonly pfsIds = new Set<string>();

  constructor(
    private readonly blocks: Blocks,
    private readonly f: Findings,
    private readonly r: Report,
  ) {}

  walk(h: Header): void {
    const o: Owner = {
      kind: 'volume',
      where: 'super-root',
      pfs: null,
      pfsIndex: -1,
      inum: 0,
      size: 0,
      names: null,
      hash: -1n,
      group: [],
    };
    const slots = [0, 1, 2, 3].filter((i) => h.b[0x200 + 128 * i] !== w.T_EMPTY);
    if (slots.length !== 1)
      this.f.error('bref-type', 'super-root', `${slots.length} slots of the volume header are in use, should be one`);
    this.set(h.b, h.v, 0x200, 4, 0n, 0n, h.mirrorTid, o, 65);
  }

  /**
   * The slots of one node.
   *
   * @param lo, hi  range of keys it is for
   * @param bits    log2 of that range's size: every indirect block has a smaller one, so the depth is bounded
   */
  private set(
    b: Uint8Array,
    v: DataView,
    base: number,
    n: number,
    lo: bigint,
    hi: bigint,
    tid: number,
    o: Owner,
    bits: number,
  ): Sums {
    const sum: Sums = { data: 0, inodes: 0, leaves: 0 };
    let prev: w.Ref | null = null;
    for (let i = 0; i < n; i++) {
      const at = base + i * w.REF_BYTES;
      if (b[at] === w.T_EMPTY) {
        this.r.stats.emptySlots++;
        if (!w.zero(b, at, at + w.REF_BYTES)) this.f.error('empty-slot', o.where, `slot ${i} is empty but not zero`);
        continue;
      }
      const r = w.ref(b, v, at);
      if (!ALLOWED[o.kind].includes(r.type)) {
        this.f.error('bref-type', o.where, `${w.refText(r)} does not belong here`);
        continue;
      }
      if (!this.keys(r, prev, lo, hi, bits, o)) continue;
      prev = r;
      this.common(r, tid, o);
      sum.data += r.size;
      if (r.type === w.T_INDIRECT) {
        const s = this.indirect(r, lo, hi, o);
        if (s === null) continue;
        this.statistics(r, s, o);
        sum.data += r.dataCount;
        sum.inodes += r.inodeCount;
        sum.leaves += r.leafCount;
        continue;
      }
      sum.leaves++;
      if (r.type === w.T_DATA) {
        this.r.stats.dataBlocks++;
        sum.leaves += r.leafCount;
        this.blocks.data(r, o);
      } else if (r.type === w.T_DIRENT) this.dirent(r, o);
      else {
        sum.data += r.dataCount;
        sum.inodes += 1 + r.inodeCount;
        this.inode(r, o);
      }
    }
    return sum;
  }

  /** Place of a blockref among its siblings and in its parent. False: not to be followed. */
  private keys(r: w.Ref, prev: w.Ref | null, lo: bigint, hi: bigint, bits: number, o: Owner): boolean {
    const bad = (code: 'keybits' | 'key-align' | 'key-range' | 'key-order' | 'key-overlap', m: string): false => {
      this.f.error(code, o.where, `${w.refText(r)} ${m}`);
      return false;
    };
    const want = KEYBITS[r.type];
    if (want !== undefined ? r.keybits !== want : r.keybits >= bits) {
      return bad(
        'keybits',
        want !== undefined ? `should have ${want} keybits` : `is not smaller than its parent's range`,
      );
    }
    if (r.key % (1n << BigInt(r.keybits)) !== 0n) return bad('key-align', 'is not aligned to its range');
    if (r.key < lo || r.end > hi) return bad('key-range', `is outside of its parent's range ${w.hex(lo)}-${w.hex(hi)}`);
    if (prev === null) return true;
    if (r.key <= prev.key) return bad('key-order', `follows ${w.hex(prev.key)}/${prev.keybits}`);
    if (r.key <= prev.end) return bad('key-overlap', `overlaps ${w.hex(prev.key)}/${prev.keybits}`);
    return true;
  }

  private common(r: w.Ref, tid: number, o: Owner): void {
    if (r.mirrorTid > tid)
      this.f.error('mirror-tid', o.where, `${w.refText(r)} has mirror_tid ${r.mirrorTid}, its parent ${tid}`);
    const data = r.type === w.T_DATA;
    const badCheck = r.check > w.CHECK_SHA || (!data && r.check === w.CHECK_NONE);
    const badComp =
      r.comp > w.COMP_ZLIB || (data && r.comp === w.COMP_AUTOZERO) || (r.type === w.T_INDIRECT && r.comp !== 0);
    if (badCheck || badComp) this.f.error('methods', o.where, `${w.refText(r)} has methods ${w.hex(r.b[r.at + 1])}`);
    const root = o.kind === 'suproot' && r.type === w.T_INODE;
    if (root && (r.flags & w.REF_PFSROOT) === 0)
      this.f.warn('bref-flags', o.where, `${w.refText(r)} lacks the flag of PFS roots; a mount sets it`);
    else if (!root && (r.flags & w.REF_PFSROOT) !== 0)
      this.f.error('bref-flags', o.where, `${w.refText(r)} has the flag of PFS roots`);
    if ((r.flags & ~(w.REF_PFSROOT | w.REF_EMERGENCY)) !== 0)
      this.f.warn('bref-flags', o.where, `${w.refText(r)} has flags ${w.hex(r.flags)}`);
    const used = r.type === w.T_DIRENT && r.radix === 0 ? 64 : [0, 0, 4, 8, 24][r.check];
    if (used !== undefined && !w.zero(r.b, r.at + 0x40 + used, r.at + 0x80)) {
      this.f.warn('reserved', o.where, `${w.refText(r)}: bytes after the check code are not zero`);
    }
  }

  /** Compare the statistics of a blockref with those of what is below it. */
  private statistics(r: w.Ref, s: Sums, o: Owner): void {
    if (r.dataCount === s.data && r.inodeCount === s.inodes && r.leafCount === Math.min(LEAF_MAX, s.leaves)) return;
    // Elements that newfs made are never counted in the super-root, and snapshots start with half of their numbers.
    if (o.kind === 'volume' || o.kind === 'suproot') return;
    this.f.warn(
      'statistics',
      o.where,
      `${w.refText(r)} counts ${r.dataCount} bytes, ${r.inodeCount} inodes, ${r.leafCount} leaves; there are ${s.data}, ${s.inodes}, ${Math.min(LEAF_MAX, s.leaves)}`,
    );
  }

  private indirect(r: w.Ref, lo: bigint, hi: bigint, o: Owner): Sums | null {
    if (r.radix !== 12 && r.radix !== 14 && r.radix !== 16) {
      this.f.error('block-size', o.where, `${w.refText(r)} is not of 4, 16 or 64 KiB`);
      return null;
    }
    const b = this.blocks.meta(r, o);
    if (b === null) return null;
    this.r.stats.indirects++;
    if (w.zero(b, 0, b.length)) this.f.warn('empty-indirect', o.where, `${w.refText(r)} is empty`);
    return this.set(
      b,
      w.view(b),
      0,
      r.size / w.REF_BYTES,
      r.key > lo ? r.key : lo,
      r.end < hi ? r.end : hi,
      r.mirrorTid,
      o,
      r.keybits,
    );
  }

  private dirent(r: w.Ref, o: Owner): void {
    const { b, v, at } = r;
    this.r.stats.entries++;
    if (r.key < w.DIRENT_BIT) {
      this.f.error('key-range', o.where, `${w.refText(r)}: keys of entries have bit 63 set`);
      return;
    }
    const len = v.getUint16(at + 0x38, true);
    if (!w.zero(b, at + 0x3b, at + 0x40))
      this.f.warn('reserved', o.where, `${w.refText(r)}: reserved bytes are not zero`);
    if (len === 0 || len > 255 || (len > 64 ? r.radix !== 10 : r.radix !== 0 || r.off !== 0)) {
      this.f.error('bad-name', o.where, `${w.refText(r)}: name of ${len} bytes`);
      return;
    }
    let src = b;
    let from = at + 0x40;
    if (len > 64) {
      const block = this.blocks.meta(r, o);
      if (block === null) return;
      src = block;
      from = 0;
    }
    const name = src.subarray(from, from + len);
    if (!w.zero(src, from + len, from + (len > 64 ? 1024 : 64)))
      this.f.error('padding', o.where, `name '${w.printable(name)}' is not padded with zeros`);
    this.name(r, name, o);
    const type = b[at + 0x3a];
    o.names?.entries.push({
      dir: inumOf(BigInt(o.inum)),
      target: inumOf(v.getBigUint64(at + 0x30, true)),
      type,
      name: w.printable(name),
    });
    if (o.pfs !== null) o.pfs.entries++;
  }

  /** A name in a directory or a PFS in the super-root: legal, under the right hash, and once. */
  private name(r: w.Ref, name: Uint8Array, o: Owner): void {
    const text = w.printable(name);
    if (name.includes(0) || name.includes(0x2f) || text === '.' || text === '..')
      this.f.error('bad-name', o.where, `entry '${text}'`);
    const base = r.key & ~COLLISIONS;
    const hash = dirhash(name);
    if (hash !== base)
      this.f.error('name-hash', o.where, `'${text}' has the key ${w.hex(r.key)}, its hash is ${w.hex(hash)}`);
    if (o.hash !== base) {
      o.hash = base;
      o.group.length = 0;
    }
    const id = String.fromCharCode(...name);
    if (o.group.includes(id)) this.f.error('duplicate-name', o.where, `'${text}' is there twice`);
    o.group.push(id);
  }

  private inode(r: w.Ref, o: Owner): void {
    if (r.radix !== 10) {
      this.f.error('block-size', o.where, `${w.refText(r)} is not of 1 KiB`);
      return;
    }
    const b = this.blocks.meta(r, o);
    if (b === null) return;
    const v = w.view(b);
    this.r.stats.inodes++;
    if (v.getUint16(0, true) !== 1) {
      this.f.error('inode-field', o.where, `${w.refText(r)}: version ${v.getUint16(0, true)}`);
      return;
    }
    if (o.kind === 'volume') this.supRoot(r, b, v, o);
    else if (o.kind === 'suproot') this.pfsRoot(r, b, v, o);
    else this.object(r, b, v, o);
  }

  /** Fields that all inodes have in common. */
  private fields(b: Uint8Array, v: DataView, where: string): void {
    const bad = (m: string): void => this.f.error('inode-field', where, m);
    if (w.objNames[b[0x50]] === undefined || b[0x50] === 0) bad(`type ${b[0x50]}`);
    if ((b[0x83] & 15) > w.COMP_ZLIB) bad(`compression method ${b[0x83] & 15}`);
    if ((b[0x85] & 15) > w.CHECK_SHA) bad(`check method ${b[0x85] & 15}`);
    if ((v.getUint32(0x54, true) & ~0o7777) !== 0) bad(`mode 0${v.getUint32(0x54, true).toString(8)}`);
    if ((b[0x51] & ~(w.OP_DIRECTDATA | w.OP_PFSROOT | w.OP_COPYIDS)) !== 0) bad(`operational flags ${w.hex(b[0x51])}`);
    const len = v.getUint16(0x80, true);
    if (len > 256 || !w.zero(b, 0x100 + Math.min(len, 256), 0x200))
      bad(`file name of ${len} bytes, or not padded with zeros`);
    if (!w.zero(b, 0x30, 0x3c) || !w.zero(b, 0x40, 0x4c))
      this.f.warn('reserved', where, 'user or group id of more than 32 bits');
    for (const [from, to] of [
      [2, 3],
      [0x52, 0x54],
      [0x82, 0x83],
      [0x84, 0x85],
      [0xe0, 0xe8],
      [0xf1, 0xf8],
    ]) {
      if (!w.zero(b, from, to))
        this.f.warn('reserved', where, `inode bytes ${w.hex(from)}-${w.hex(to - 1)} are not zero`);
    }
  }

  private supRoot(r: w.Ref, b: Uint8Array, v: DataView, o: Owner): void {
    this.fields(b, v, o.where);
    if (b[0x50] !== w.O_DIR || b[0x51] !== 0 || b[0x87] !== 8)
      this.f.error('pfs', o.where, `type ${b[0x50]}, flags ${b[0x51]}, PFS type ${b[0x87]}`);
    if ((b[0x51] & w.OP_DIRECTDATA) !== 0) return;
    const own: Owner = { ...o, kind: 'suproot', group: [] };
    this.set(b, v, 0x200, 4, 0n, w.KEY_MAX, r.mirrorTid, own, 65);
  }

  private pfsRoot(r: w.Ref, b: Uint8Array, v: DataView, o: Owner): void {
    const nameBytes = b.subarray(0x100, 0x100 + Math.min(256, v.getUint16(0x80, true)));
    const label = w.printable(nameBytes);
    const where = `PFS ${label}`;
    this.fields(b, v, where);
    const bad = (m: string): void => this.f.error('pfs', where, m);
    this.name(r, nameBytes, o);
    const id = String.fromCharCode(...nameBytes);
    if (this.pfsNames.has(id)) this.f.error('duplicate-name', 'super-root', `PFS '${label}' is there twice`);
    this.pfsNames.add(id);
    if (v.getBigUint64(0x78, true) !== r.key)
      this.f.error(
        'inode-key',
        where,
        `name_key ${w.hex(v.getBigUint64(0x78, true))} in a blockref with key ${w.hex(r.key)}`,
      );
    const pfs: PfsReport = {
      label,
      type: b[0x87],
      subtype: b[3],
      clid: w.uuid(b, 0x90),
      fsid: w.uuid(b, 0xa0),
      inodes: 0,
      directories: 1,
      entries: 0,
      unlinked: 0,
      sameAs: null,
    };
    this.r.pfs.push(pfs);
    if (this.pfsIds.has(pfs.clid + pfs.fsid)) bad(`has the clid and fsid of another PFS: ${pfs.clid}, ${pfs.fsid}`);
    this.pfsIds.add(pfs.clid + pfs.fsid);
    if (![0, 1, 3, 4, 5, 6, 9].includes(b[0x87] & 15)) bad(`PFS type ${b[0x87]}`);
    if ((b[0x51] & w.OP_PFSROOT) === 0) bad('inode lacks the flag of PFS roots');
    if (v.getBigUint64(0x58, true) !== 1n) bad(`inode number ${w.hex(v.getBigUint64(0x58, true))}, should be 1`);
    if (v.getBigUint64(0x70, true) > 1n) bad(`parent ${w.hex(v.getBigUint64(0x70, true))}`);
    if (b[0x50] !== w.O_DIR || (b[0x51] & w.OP_DIRECTDATA) !== 0) {
      bad('root is not a directory');
      return;
    }
    const set = String.fromCharCode(...b.subarray(0x200, 0x400));
    const twin = this.roots.get(set);
    if (twin !== undefined && !w.zero(b, 0x200, 0x400)) {
      pfs.sameAs = twin.label;
      Object.assign(pfs, {
        inodes: twin.inodes,
        directories: twin.directories,
        entries: twin.entries,
        unlinked: twin.unlinked,
      });
      return;
    }
    this.roots.set(set, pfs);
    const names = new NameSpace(this.f, pfs);
    names.quotas.add(1, b, v, 0);
    names.rootOrphan = inumOf(v.getBigUint64(0xd8, true));
    const own: Owner = {
      kind: 'pfsroot',
      where,
      pfs,
      pfsIndex: this.r.pfs.length - 1,
      inum: 1,
      size: 0,
      names,
      hash: -1n,
      group: [],
    };
    const sum = this.set(b, v, 0x200, 4, 0n, w.KEY_MAX, r.mirrorTid, own, 65);
    this.statistics(r, sum, o);
    names.finish();
    let max = 0n;
    for (const n of names.inodes.keys()) if (BigInt(n) > max) max = BigInt(n);
    if (v.getBigUint64(0x88, true) < max)
      this.f.error(
        'inode-number',
        where,
        `next inode number ${w.hex(v.getBigUint64(0x88, true))}, but inode ${w.hex(max)} exists`,
      );
  }

  private object(r: w.Ref, b: Uint8Array, v: DataView, o: Owner): void {
    const where = `PFS ${o.pfs?.label ?? '?'}: inode ${w.hex(r.key)}`;
    const type = b[0x50];
    const inum = v.getBigUint64(0x58, true);
    if (inum !== r.key || inum >= w.DIRENT_BIT || inum < 2n) {
      this.f.error('inode-key', where, `inode number ${w.hex(inum)} in a blockref with key ${w.hex(r.key)}`);
      if (r.key >= w.DIRENT_BIT) return;
    }
    if (v.getBigUint64(0x78, true) !== r.key)
      this.f.error('inode-key', where, `name_key ${w.hex(v.getBigUint64(0x78, true))}`);
    this.fields(b, v, where);
    const name = '0x' + r.key.toString(16).padStart(16, '0');
    if (v.getUint16(0x80, true) !== 18 || w.printable(b.subarray(0x100, 0x112)) !== name)
      this.f.warn('inode-name', where, `file name field is not ${name}`);
    if ((b[0x51] & w.OP_PFSROOT) !== 0) this.f.error('inode-field', where, 'has the flag of PFS roots');
    const size = w.num64(v, 0x60);
    if (size >= 2 ** 63) this.f.error('inode-field', where, `size ${size}`);
    o.names?.inodes.set(inumOf(r.key), {
      type,
      nlinks: w.num64(v, 0x68),
      iparent: inumOf(v.getBigUint64(0x70, true)),
      orphanNext: inumOf(v.getBigUint64(0xd8, true)),
      names: 0,
      parent: null,
      state: 0,
    });
    o.names?.quotas.add(inumOf(r.key), b, v, r.dataCount);
    if (o.pfs !== null) {
      if (type === w.O_DIR) o.pfs.directories++;
      o.pfs.inodes++;
    }
    const plain = type === w.O_FILE || type === w.O_SYMLINK;
    if ((b[0x51] & w.OP_DIRECTDATA) !== 0) {
      if (!plain) this.f.error('directdata', where, `${w.objNames[type] ?? type} with data in its inode`);
      else if (size > 512) this.f.error('directdata', where, `${size} bytes in the inode`);
      else if (!w.zero(b, 0x200 + size, 0x400))
        this.f.error('past-eof', where, 'bytes after the end of the data in the inode are not zero');
      this.statistics(r, { data: 0, inodes: 0, leaves: 0 }, o);
      return;
    }
    if (type === w.O_DIR) {
      if (size !== 0) this.f.warn('inode-field', where, `directory of size ${size}`);
    } else if (!plain && !w.zero(b, 0x200, 0x400)) {
      this.f.error('inode-field', where, `${w.objNames[type] ?? type} with blocks`);
      return;
    }
    const own: Owner = {
      ...o,
      kind: type === w.O_DIR ? 'dir' : 'file',
      where,
      inum: inumOf(r.key),
      size,
      hash: -1n,
      group: [],
    };
    this.statistics(r, this.set(b, v, 0x200, 4, 0n, w.KEY_MAX, r.mirrorTid, own, 65), o);
  }
}
