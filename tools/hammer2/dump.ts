/**
 * hammer2 show, freemap, volhdr: what is on the disk, block by block, by the checker's decoding: nothing has to be right for
 * it to be shown. Output as the reference's. Counterpart: sbin/hammer2/cmd_debug.c
 */
import { checkFault } from './check/blocks.js';
import { crc32c } from './check/digest.js';
import type { Reader } from './check/check.js';
import * as w from './check/wire.js';
import { usage } from './cli.js';
import { objTypeNames, pfsTypeNames, subTypeNames, timeText } from './text.js';

const h16 = (n: number | bigint): string => n.toString(16).padStart(16, '0');
const h8 = (n: number): string => n.toString(16).padStart(8, '0');
const SEGMENTS = 256;
const MAX_DEPTH = 300;

export interface DumpOptions {
  /** 1: read and verify data blocks; 3: the trees of all header copies. */
  readonly verbose: number;
  readonly quiet: boolean;
  readonly out: (line: string) => void;
}

const types = ['empty', 'inode', 'indirect', 'data', 'dirent', 'freemap_node', 'freemap_leaf', 'invalid'];

export class Dump {
  private readonly totals16 = [0, 0, 0, 0];
  private readonly totals64 = [0, 0, 0, 0];
  private unavailable = 0;
  private covered = 0;
  private auxEnd = 0;
  private total = 0;
  private readonly places: { off: number; size: number; dev: Reader }[] = [];

  constructor(
    private readonly devs: readonly Reader[],
    private readonly o: DumpOptions,
  ) {}

  private headers(dev: Reader): { i: number; b: Uint8Array; v: DataView; tid: bigint; ok: boolean }[] {
    const list = [];
    for (let i = 0; i < 4 && i * w.HEADER_DISTANCE + w.HEADER_BYTES <= dev.size; i++) {
      const b = dev.read(i * w.HEADER_DISTANCE, w.HEADER_BYTES);
      const v = w.view(b);
      const ok = v.getBigUint64(0, true) === w.MAGIC && v.getUint32(0xfffc, true) === crc32c(b, 0, 0xfffc);
      list.push({ i, b, v, tid: v.getBigUint64(0x78, true), ok });
    }
    return list;
  }

  /** @returns false when there is no header at all */
  run(what: 'show' | 'freemap' | 'volhdr'): boolean {
    const all = this.devs.map((dev) => ({ dev, list: this.headers(dev) }));
    const volume = (x: (typeof all)[0]): number => x.list.find((h) => h.ok)?.b[0x3b] ?? 0;
    all.sort((a, b) => volume(a) - volume(b));
    for (const x of all) {
      const h = x.list.find((y) => y.ok);
      if (h === undefined) return false;
      const n = h.v.getUint32(0x30, true) === 1 ? 0 : w.num64(h.v, 0xe00 + 8 * h.b[0x3b]);
      this.places.push({ off: n, size: x.dev.size, dev: x.dev });
      this.total = Math.max(this.total, n + w.num64(h.v, 0x28));
    }
    for (const [k, { dev, list }] of all.entries()) {
      if (k > 0) this.o.out('---------------------------------------------');
      this.o.out(dev.name ?? '');
      const good = list.filter((h) => h.ok);
      const best = good.reduce((a, b) => (b.tid > a.tid ? b : a), good[0]);
      for (const h of list) {
        this.o.out(`Volume ${h.b[0x3b]} header ${h.i}: mirror_tid=${h16(h.tid)}`);
        if (h !== best && this.o.verbose < 3) continue;
        if (what === 'volhdr') this.volhdr(h.b, h.v, h.i);
        else if (k === 0) {
          this.auxEnd = w.num64(h.v, 0x20);
          this.tree(h.b, h.v, h.i, what === 'show' ? 0x200 : 0x800);
        }
      }
      if (what !== 'volhdr') break;
    }
    if (what === 'freemap' && this.o.verbose < 3) this.sums();
    return true;
  }

  /** One block, given as `data_off.type` in hexadecimal, with what is below it. Throws UsageError. */
  spec(text: string): void {
    const m = /^([0-9a-f]+)\.([0-9a-f]{1,2})$/i.exec(text);
    if (m === null) throw usage(`bad block '${text}': expected data_off.type in hexadecimal`);
    for (const dev of this.devs) this.places.push({ off: 0, size: dev.size, dev });
    const b = new Uint8Array(128);
    b[0] = parseInt(m[2], 16);
    w.view(b).setBigUint64(0x20, BigInt(`0x${m[1]}`), true);
    this.bref(w.ref(b, w.view(b), 0), 0, 0, false, 0);
  }

  private sums(): void {
    const gb = (n: number): string => (n / w.GIB).toFixed(3).padStart(6);
    const line = (name: string, i: number): void =>
      this.o.out(`${name.padEnd(29)}${gb(this.totals16[i])}GB (${gb(this.totals64[i])}GB in 64KB chunks)`);
    line('Total unallocated storage:', 0);
    line('Total possibly free storage:', 2);
    line('Total allocated storage:', 3);
    this.o.out(`Total unavailable storage:   ${gb(this.unavailable)}GB`);
    this.o.out(`Total freemap storage:       ${gb(this.covered)}GB`);
  }

  private volhdr(b: Uint8Array, v: DataView, index: number): void {
    const u64 = (o: number): bigint => v.getBigUint64(o, true);
    const gb = (o: number): string => `(${(w.num64(v, o) / w.GIB).toFixed(2).padStart(6)}GB)`;
    const out = (name: string, text: string): void => this.o.out(`    ${name.padEnd(14)} ${text}`);
    const hex = (name: string, o: number, more = ''): void =>
      out(name, `0x${h16(u64(o))}${more === '' ? '' : ' ' + more}`);
    const mb = (from: number, to: number): string =>
      `(${((w.num64(v, to) - w.num64(v, from)) / w.MIB).toFixed(2).padStart(6)}MB)`;
    this.o.out('');
    this.o.out(`Volume ${b[0x3b]} header ${index} {`);
    hex('magic', 0);
    hex('boot_beg', 8);
    hex('boot_end', 16, mb(8, 16));
    hex('aux_beg', 24);
    hex('aux_end', 32, mb(24, 32));
    hex('volu_size', 0x28, gb(0x28));
    out('version', String(v.getUint32(0x30, true)));
    out('flags', `0x${h8(v.getUint32(0x34, true))}`);
    out('copyid', String(b[0x38]));
    out('freemap_vers', String(b[0x39]));
    out('peer_type', String(b[0x3a]));
    out('volu_id', String(b[0x3b]));
    out('nvolumes', String(b[0x3c]));
    out('fsid', w.uuid(b, 0x40));
    out('fstype', w.uuid(b, 0x50));
    this.o.out(`                   (${w.uuid(b, 0x50) === w.FSTYPE ? 'DragonFly HAMMER2' : 'unknown'})`);
    hex('allocator_size', 0x60, gb(0x60));
    hex('allocator_free', 0x68, gb(0x68));
    hex('allocator_beg', 0x70, gb(0x70));
    hex('mirror_tid', 0x78);
    hex('freemap_tid', 0x90);
    hex('bulkfree_tid', 0x98);
    hex('total_size', 0xc0);
    const crc = (name: string, at: number, from: number, n: number): void => {
      const [have, want] = [v.getUint32(at, true), crc32c(b, from, n)];
      out(name, `0x${h8(have)}/0x${h8(want)} ${have === want ? '(OK)' : '(FAILED)'}`);
    };
    crc('icrc_sects[6]', 0x1f8, 0x200, 512);
    crc('icrc_sects[7]', 0x1fc, 0, 508);
    crc('icrc_volhdr', 0xfffc, 0, 0xfffc);
    for (const [name, at] of [
      ['sroot_blockset', 0x200],
      ['freemap_blockset', 0x800],
    ] as const) {
      this.o.out(`    ${name} {`);
      for (let i = 0; i < 4; i++) {
        if (b[at + 128 * i] !== w.T_EMPTY) this.bref(w.ref(b, v, at + 128 * i), i, 8, true, 0);
      }
      this.o.out('    }');
    }
    for (let i = 0; i < 64; i++) {
      if (u64(0xe00 + 8 * i) !== w.KEY_MAX && (i === 0 || i < b[0x3c]))
        out(`volu_loff[${i}]`, `0x${h16(u64(0xe00 + 8 * i))}`);
    }
    this.o.out('}');
  }

  private tree(b: Uint8Array, v: DataView, index: number, base: number): void {
    const type = base === 0x200 ? 'volume' : 'freemap';
    const name = `${type}.${index}`;
    const tids = `mirror_tid=${h16(v.getBigUint64(0x78, true))} freemap_tid=${h16(v.getBigUint64(0x90, true))}`;
    const off = index * w.HEADER_DISTANCE + 16;
    this.o.out(`${name.padEnd(12)} ${h16(off)} ${h16(0)}/0   bcnt=4 ${tids} {`);
    for (let i = 0; i < 4; i++) {
      const at = base + 128 * i;
      if (b[at] !== w.T_EMPTY) this.bref(w.ref(b, v, at), i, 2, false, 0);
    }
    this.o.out(`} (${name})`);
  }

  private load(r: w.Ref): Uint8Array | null {
    for (const p of this.places) {
      if (r.off < p.off || r.off + r.size > p.off + p.size) continue;
      try {
        return p.dev.read(r.off - p.off, r.size);
      } catch {
        return null;
      }
    }
    return null;
  }

  /** One blockref, and, unless `alone`, what is below it. Below a block with a wrong check code only its slots are shown. */
  bref(r: w.Ref, index: number, tab: number, alone: boolean, depth: number): void {
    const pad = ' '.repeat(tab);
    const name = `${types[r.type] ?? `type${r.type}`}.${index}`;
    const volume = Math.max(
      0,
      this.places.findLastIndex((p) => r.off >= p.off),
    );
    const head = `${pad}${name.padEnd(12)} ${h16(BigInt(r.off) + BigInt(r.radix))} ${h16(r.key)}/${String(r.keybits).padEnd(2)}`;
    const parts = [`vol=${volume}`, `mir=${h16(r.mirrorTid)}`, `mod=${h16(r.modifyTid)}`, `lfcnt=${r.leafCount}`];
    if (r.flags !== 0) parts.push(`flags=${r.flags.toString(16).padStart(2, '0')}`);
    const freemap = r.type === w.T_FREEMAP_LEAF || r.type === w.T_FREEMAP_NODE;
    if (freemap) {
      parts.push(`bigmask=${h8(r.v.getUint32(r.at + 0x44, true))}`, `avail=${r.v.getBigUint64(r.at + 0x48, true)}`);
    }
    let block: Uint8Array | null = null;
    let failed = false;
    const sized = r.radix >= 10 && r.radix <= 16;
    if (sized && (r.type !== w.T_DATA || this.o.verbose >= 1)) {
      block = this.load(r);
      const methods = `${w.checkNames[r.check] ?? r.check}|${w.compNames[r.comp] ?? r.comp}`;
      if (block === null) parts.push('(media read failed)');
      else {
        const crc = r.check === w.CHECK_FREEMAP ? crc32c(block, 0, block.length) : 0;
        const bad =
          r.check === w.CHECK_FREEMAP
            ? crc === r.v.getUint32(r.at + 0x40, true)
              ? null
              : `fcrc, the block has ${h8(crc)}`
            : checkFault(r, block);
        failed = bad !== null;
        parts.push(failed ? `(${methods} ${bad} failed)` : `meth=${methods}`);
        if (!failed && r.check === w.CHECK_XXH) parts.push(`xxh=${h16(r.v.getBigUint64(r.at + 0x40, true))}`);
        if (!failed && r.check === w.CHECK_CRC) parts.push(`iscsi32=${h8(r.v.getUint32(r.at + 0x40, true))}`);
        if (!failed && r.check === w.CHECK_FREEMAP) parts.push(`fcrc=${h8(crc)}`);
      }
    } else if (r.radix !== 0 && !sized) parts.push(`(bad block size 2^${r.radix})`);
    if (this.o.quiet) this.o.out(`${head} ${parts.join(' ')}`);
    else {
      this.o.out(head);
      this.o.out(
        `${' '.repeat(tab + 13)}${parts.join(' ')}${r.type === w.T_DATA || r.type > w.T_FREEMAP_LEAF ? '' : ' {'}`,
      );
      this.body(r, block, tab + 2);
    }
    if (r.type === w.T_FREEMAP_LEAF && block !== null) this.leaf(r, block, tab + 2);
    let from = 0;
    let n = 0;
    if (block !== null && (r.type === w.T_INDIRECT || r.type === w.T_FREEMAP_NODE)) n = r.size / 128;
    else if (block !== null && r.type === w.T_INODE && r.size === 1024 && (block[0x51] & w.OP_DIRECTDATA) === 0) {
      from = 0x200;
      n = 4;
    }
    if (block !== null && !alone && depth < MAX_DEPTH) {
      const v = w.view(block);
      for (let i = 0; i < n; i++) {
        if (block[from + 128 * i] !== w.T_EMPTY)
          this.bref(w.ref(block, v, from + 128 * i), i, tab + 2, failed, depth + 1);
      }
    }
    if (this.o.quiet || r.type === w.T_DATA || r.type > w.T_FREEMAP_LEAF) return;
    const label =
      r.type === w.T_INODE && block !== null
        ? `, "${w.printable(block.subarray(0x100, 0x100 + Math.min(256, w.view(block).getUint16(0x80, true))))}"`
        : '';
    this.o.out(`${pad}} (${name}${label})`);
  }

  private body(r: w.Ref, block: Uint8Array | null, tab: number): void {
    const out = (name: string, text: string): void => this.o.out(`${' '.repeat(tab)}${name.padEnd(8)} ${text}`);
    const plain = (text: string): void => this.o.out(' '.repeat(tab) + text);
    if (r.type === w.T_DIRENT) {
      const len = r.v.getUint16(r.at + 0x38, true);
      const name =
        len <= 64
          ? r.b.subarray(r.at + 0x40, r.at + 0x40 + len)
          : (block?.subarray(0, Math.min(len, 1024)) ?? new Uint8Array(0));
      plain(`filename "${w.printable(name)}"`);
      plain(`inum 0x${h16(r.v.getBigUint64(r.at + 0x30, true))}`);
      plain(`nlen ${len}`);
      plain(`type ${objTypeNames[r.b[r.at + 0x3a]] ?? r.b[r.at + 0x3a]}`);
    } else if (r.type === w.T_INODE && block !== null && block.length === 1024) {
      for (const [name, text] of inodeFields(block)) out(name, text);
      out('data_count', String(r.v.getBigUint64(r.at + 0x30, true)));
      out('inode_count', String(r.v.getBigUint64(r.at + 0x38, true)));
    }
  }

  private leaf(r: w.Ref, block: Uint8Array, tab: number): void {
    const v = w.view(block);
    const pad = ' '.repeat(tab);
    if (!this.o.quiet) this.o.out(`${pad}rotation=${Math.floor((r.off % w.SEGMENT) / w.PBUF / 5)}`);
    for (let i = 0; i < SEGMENTS; i++) {
      const at = i * 128;
      const seg = Number(r.key) + i * w.SEGMENT;
      const words = [0, 1, 2, 3, 4, 5, 6, 7].map((k) => v.getBigUint64(at + 0x40 + 8 * k, true));
      const hex = (n: number, len: number): string => n.toString(16).padStart(len, '0');
      if (!this.o.quiet) {
        this.o.out(
          `${pad}    ${h16(seg)} ${String(i).padStart(4, '0')}.${hex(v.getUint16(at + 4, true), 4)} linear=${hex(v.getUint32(at, true), 6)} ` +
            `avail=${hex(v.getUint32(at + 0x1c, true), 6)} ${words.map(h16).join(' ')}`,
        );
      }
      if (seg < this.auxEnd || seg >= this.total) {
        this.unavailable += w.SEGMENT;
        continue;
      }
      for (const word of words) {
        for (let g = 0n; g < 32n; g += 4n) {
          const four = [0n, 1n, 2n, 3n].map((k) => Number((word >> (2n * (g + k))) & 3n));
          for (const p of four) this.totals16[p] += w.GRANULE;
          if (four.every((p) => p === four[0])) this.totals64[four[0]] += 4 * w.GRANULE;
        }
      }
    }
    this.covered += w.GIB;
  }
}

/** The fields of an inode, named as `hammer2 show` names them. */
export function inodeFields(b: Uint8Array): [string, string][] {
  const v = w.view(b);
  const u64 = (o: number): bigint => v.getBigUint64(o, true);
  const root = (b[0x51] & w.OP_PFSROOT) !== 0 || b[0x87] === 8;
  const f: [string, string][] = [
    ['filename', `"${w.printable(b.subarray(0x100, 0x100 + Math.min(256, v.getUint16(0x80, true))))}"`],
    ['version', String(v.getUint16(0, true))],
  ];
  if (root) f.push(['pfs_st', `${b[3]} (${subTypeNames[b[3]] ?? '?'})`]);
  f.push(['uflags', `0x${h8(v.getUint32(4, true))}`]);
  if (!w.zero(b, 8, 16)) f.push(['rmajor', String(v.getUint32(8, true))], ['rminor', String(v.getUint32(12, true))]);
  for (const [name, o] of [
    ['ctime', 0x10],
    ['mtime', 0x18],
    ['atime', 0x20],
    ['btime', 0x28],
  ] as const) {
    f.push([name, timeText(u64(o))]);
  }
  f.push(['uid', w.uuid(b, 0x30)], ['gid', w.uuid(b, 0x40)]);
  f.push(['type', objTypeNames[b[0x50]] ?? String(b[0x50])]);
  f.push(['opflgs', `0x${b[0x51].toString(16).padStart(2, '0')}`]);
  f.push(['capflgs', `0x${v.getUint16(0x52, true).toString(16).padStart(4, '0')}`]);
  f.push(['mode', v.getUint32(0x54, true).toString(8)]);
  f.push(['inum', `0x${h16(u64(0x58))}`]);
  f.push(['size', `${u64(0x60)}${(b[0x51] & w.OP_DIRECTDATA) !== 0 ? ' (embedded data)' : ''}`]);
  f.push(['nlinks', String(u64(0x68))], ['iparent', `0x${h16(u64(0x70))}`]);
  f.push(['name_key', `0x${h16(u64(0x78))}`], ['name_len', String(v.getUint16(0x80, true))]);
  f.push(['ncopies', String(b[0x82])]);
  const level = b[0x83] >> 4;
  f.push(['compalg', `${w.compNames[b[0x83] & 15] ?? b[0x83]}${level > 0 ? `:${level}` : ''}`]);
  f.push(['checkalg', w.checkNames[b[0x85] & 15] ?? String(b[0x85])]);
  if (root) {
    f.push(['pfs_nmas', String(b[0x86])], ['pfs_type', `${b[0x87]} (${pfsTypeNames[b[0x87]] ?? '?'})`]);
    f.push(['pfs_inum', `0x${h16(u64(0x88))}`], ['pfs_clid', w.uuid(b, 0x90)], ['pfs_fsid', w.uuid(b, 0xa0)]);
    f.push(['pfs_lsnap_tid', `0x${h16(u64(0xd0))}`]);
  }
  f.push(['data_quota', String(u64(0xb0))], ['inode_quota', String(u64(0xc0))]);
  return f;
}
