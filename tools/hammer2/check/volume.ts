/**
 * Volume headers: every copy on every volume, the choice among them, and reading in the global space.
 */
import { crc32c } from './digest.js';
import type { Findings, Report } from './report.js';
import * as w from './wire.js';

/** A device or an image. */
export interface Reader {
  readonly size: number;
  /** For messages. */
  readonly name?: string;
  /** Exactly `len` bytes at `off`; may be a view, but must not change while the check runs. May throw. */
  read(off: number, len: number): Uint8Array;
}

export interface Header {
  /** Which copy; -1 for the shadow of a volume with room for only one. */
  readonly index: number;
  readonly b: Uint8Array;
  readonly v: DataView;
  readonly mirrorTid: number;
  readonly freemapTid: number;
}

export interface Volume {
  readonly dev: Reader;
  readonly id: number;
  readonly off: number;
  readonly size: number;
  /** Valid copies by index. */
  readonly headers: readonly Header[];
  readonly best: Header;
}

export interface VolumeSpace {
  readonly volumes: readonly Volume[];
  readonly total: number;
  /** The newest header of the root volume. */
  readonly best: Header;
  readonly auxEnd: number;
  readonly allocatorBeg: number;
}

export function readAt(s: VolumeSpace, off: number, len: number): Uint8Array | string {
  for (const vol of s.volumes) {
    if (off < vol.off || off + len > vol.off + vol.size) continue;
    try {
      return vol.dev.read(off - vol.off, len);
    } catch (e) {
      return e instanceof Error ? e.message : String(e);
    }
  }
  return 'outside of the volumes';
}

/** Copies a volume of this size has room for. */
export function copiesOf(size: number): number {
  let n = 1;
  while (n < 4 && n * w.HEADER_DISTANCE + w.RESERVED <= size) n++;
  return n;
}

/** null, or what is wrong with a copy as such. */
function fault(b: Uint8Array, v: DataView): string | null {
  const magic = v.getBigUint64(0, true);
  if (magic !== w.MAGIC) {
    if (v.getBigUint64(0, false) === w.MAGIC) return 'written by a machine of the other byte order';
    return `magic number ${w.hex(magic)}`;
  }
  const areas = [
    [0x1f8, 0x200, 512],
    [0x1fc, 0, 508],
    [0xfffc, 0, 65532],
  ];
  for (const [at, off, len] of areas) {
    const have = v.getUint32(at, true);
    const want = crc32c(b, off, len);
    if (have !== want)
      return `CRC of bytes ${w.hex(off)}-${w.hex(off + len - 1)} is ${w.hex(have)}, should be ${w.hex(want)}`;
  }
  return null;
}

/** Fields that all copies of a header share, as [offset, bytes, name]. growfs changes sizes: they are not among them. */
const FIXED: [number, number, string][] = [
  [0x30, 4, 'version'],
  [0x3b, 2, 'volume number and count'],
  [0x40, 16, 'fsid'],
  [0x50, 16, 'fstype'],
  [0x08, 32, 'boot and aux area'],
];
/** [from, to) that must be zero. */
const RESERVED: [number, number][] = [
  [0x34, 0x3a],
  [0x3d, 0x40],
  [0x80, 0x90],
  [0x98, 0xc0],
  [0xc8, 0x1e0],
  [0x1e0, 0x1f8],
  [0x400, 0x800],
  [0xa00, 0xe00],
  [0x9000, 0xfffc],
];

const same = (a: Uint8Array, b: Uint8Array, o: number, n: number): boolean => {
  for (let i = o; i < o + n; i++) if (a[i] !== b[i]) return false;
  return true;
};

/** Read the copies of one volume's header. Null when none is valid: then the reason is in `why`. */
function copies(dev: Reader, f: Findings, r: Report, root: boolean, why: string[]): Header[] | null {
  const where = (i: number): string => `${dev.name ?? 'volume'}: header ${i < 0 ? 'shadow' : i}`;
  const good: Header[] = [];
  const room = copiesOf(dev.size);
  let size = 0;
  const look = (index: number, off: number, quiet: boolean): void => {
    if (off + w.HEADER_BYTES > dev.size) return;
    let b: Uint8Array;
    try {
      b = dev.read(off, w.HEADER_BYTES);
    } catch (e) {
      f.error('read-error', where(index), e instanceof Error ? e.message : String(e));
      return;
    }
    const v = w.view(b);
    const bad = fault(b, v);
    const mirrorTid = w.num64(v, 0x78);
    if (root && !quiet) {
      r.headers.push({
        index,
        valid: bad === null,
        mirrorTid: bad === null ? mirrorTid : 0,
        freemapTid: bad === null ? w.num64(v, 0x90) : 0,
      });
    }
    if (bad === null) {
      good.push({ index, b, v, mirrorTid, freemapTid: w.num64(v, 0x90) });
      size = Math.max(size, w.num64(v, 0x28));
    } else if (!quiet) {
      why.push(bad);
      // A power cut tears the header being written and growfs leaves copies unwritten; the copy before it counts.
      if (!w.zero(b, 0, w.HEADER_BYTES))
        f.warn(bad.startsWith('CRC') ? 'header-crc' : 'header-magic', where(index), bad);
      else f.warn('header-magic', where(index), 'never written');
    }
  };
  for (let i = 0; i < room; i++) look(i, i * w.HEADER_DISTANCE, false);
  if (good.length === 0) look(-1, w.SHADOW_OFFSET, true);
  if (good.length === 0) return null;
  // Copies beyond the volume's end on a larger device are none of ours.
  const own = good.filter((h) => h.index < copiesOf(size));
  return own.length > 0 ? own : good;
}

const newest = (hs: readonly Header[]): Header => hs.reduce((a, b) => (b.mirrorTid > a.mirrorTid ? b : a));

/** Going back from the newest, every copy is older: headers are written in turn. */
function order(hs: readonly Header[], best: Header, room: number, f: Findings, where: string): void {
  let last = best;
  for (let k = 1; k < room; k++) {
    const h = hs.find((x) => x.index === (best.index - k + room) % room);
    if (h === undefined) continue;
    if (h.mirrorTid > last.mirrorTid) {
      f.warn(
        'header-order',
        where,
        `copy ${h.index} (${h.mirrorTid}) is newer than copy ${last.index} (${last.mirrorTid}), which should have been written after it`,
      );
    } else if (h.mirrorTid === last.mirrorTid && !same(h.b, last.b, 0, w.HEADER_BYTES)) {
      f.warn('header-order', where, `copies ${h.index} and ${last.index} differ but have the same transaction id`);
    }
    last = h;
  }
}

/** Sizes and areas of one header; `total` is the whole file system's. */
function fields(vol: Volume, total: number, nvolumes: number, f: Findings): void {
  const { b, v } = vol.best;
  const where = `${vol.dev.name ?? 'volume'}: header ${vol.best.index}`;
  const bad = (m: string): void => f.error('header-field', where, m);
  const version = v.getUint32(0x30, true);
  if (w.uuid(b, 0x50) !== w.FSTYPE) bad(`file system type ${w.uuid(b, 0x50)}`);
  if (version < 1 || version > 2) bad(`version ${version}`);
  if (b[0x3a] !== 3) f.warn('header-field', where, `peer type ${b[0x3a]}`);
  if (vol.size % (8 * w.MIB) !== 0) bad(`size ${vol.size} is not a multiple of 8 MiB`);
  if (version === 1) {
    if (b[0x3c] !== 0 || !w.zero(b, 0xc0, 0xc8) || !w.zero(b, 0xe00, 0x1000)) bad('version 1 with fields of version 2');
  } else {
    if (w.num64(v, 0xc0) !== total) bad(`total size ${w.num64(v, 0xc0)}, should be ${total}`);
    for (let i = nvolumes; i < 64; i++) {
      if (v.getBigUint64(0xe00 + 8 * i, true) !== w.KEY_MAX) bad(`offset given for volume ${i}, which does not exist`);
    }
  }
  for (const [from, to] of RESERVED) {
    if (!w.zero(b, from, to)) f.warn('reserved', where, `bytes ${w.hex(from)}-${w.hex(to - 1)} are not zero`);
  }
  if (vol.id !== 0) {
    for (let i = 0; i < 4; i++) {
      if (b[0x200 + 128 * i] !== w.T_INVALID)
        bad(`super-root slot ${i} of volume ${vol.id} is of type ${b[0x200 + 128 * i]}, should be 7`);
    }
    return;
  }
  const at = (o: number): number => w.num64(v, o);
  const [bootBeg, bootEnd, auxBeg, auxEnd] = [at(8), at(16), at(24), at(32)];
  if (
    bootBeg < w.RESERVED ||
    bootEnd < bootBeg ||
    auxBeg !== bootEnd ||
    auxEnd < auxBeg ||
    auxEnd > Math.min(total, w.GIB)
  ) {
    bad(`boot area ${w.hex(bootBeg)}-${w.hex(bootEnd)}, aux area ${w.hex(auxBeg)}-${w.hex(auxEnd)}`);
  }
  const beg = at(0x70);
  if (beg < auxEnd || beg > total || beg % w.KIB !== 0) bad(`allocator_beg ${w.hex(beg)}`);
  const managed = total - Math.ceil(total / w.GIB) * w.RESERVED - (bootEnd - bootBeg) - (auxEnd - auxBeg);
  if (at(0x60) !== managed) bad(`allocator_size ${at(0x60)}, should be ${managed}`);
  if (at(0x68) > at(0x60)) bad(`allocator_free ${at(0x68)} of ${at(0x60)}`);
  if (vol.best.freemapTid > vol.best.mirrorTid)
    bad(`freemap_tid ${vol.best.freemapTid} after mirror_tid ${vol.best.mirrorTid}`);
}

/** Open all volumes. Null (with report.fatal set) when there is nothing to check. */
export function openVolumes(devs: readonly Reader[], f: Findings, r: Report): VolumeSpace | null {
  const vols: Volume[] = [];
  for (const dev of devs) {
    const why: string[] = [];
    const hs = copies(dev, f, r, vols.length === 0, why);
    if (hs === null) {
      r.fatal = `${dev.name ?? 'volume'}: no valid volume header: ${why[0] ?? 'too small'}`;
      r.clean = false;
      return null;
    }
    const best = newest(hs);
    const version = best.v.getUint32(0x30, true);
    const id = version === 1 ? 0 : best.b[0x3b];
    const off = version === 1 ? 0 : id < 64 ? w.num64(best.v, 0xe00 + 8 * id) : NaN;
    vols.push({ dev, id, off, size: w.num64(best.v, 0x28), headers: hs, best });
  }
  vols.sort((a, b) => a.id - b.id);
  const told = vols[0].best.v.getUint32(0x30, true) === 1 ? 1 : vols[0].best.b[0x3c];
  if (told !== vols.length) {
    r.fatal = `${vols[0].dev.name ?? 'volume'}: file system of ${told} volumes, ${vols.length} given`;
    r.clean = false;
    return null;
  }
  let next = 0;
  for (const [i, vol] of vols.entries()) {
    const name = vol.dev.name ?? 'volume';
    if (vol.id !== i) r.fatal = `${name}: is volume ${vol.id}; volume ${i} is missing`;
    else if (vol.off !== next) r.fatal = `${name}: volume ${i} at ${w.hex(vol.off)} instead of ${w.hex(next)}`;
    else if (vol.size === 0 || vol.size > vol.dev.size)
      r.fatal = `${name}: size ${vol.size} on a device of ${vol.dev.size} bytes`;
    else if (i < vols.length - 1 && vol.size % w.GIB !== 0)
      f.error('volumes', name, `size ${vol.size} is not a multiple of 1 GiB`);
    if (r.fatal !== null) {
      r.clean = false;
      return null;
    }
    next += vol.size;
  }
  const root = vols[0];
  r.version = root.best.v.getUint32(0x30, true);
  r.volumes = vols.length;
  r.totalBytes = next;
  r.header = root.best.index;
  for (const vol of vols) {
    const where = vol.dev.name ?? 'volume';
    fields(vol, next, vols.length, f);
    order(vol.headers, vol.best, copiesOf(vol.size), f, where);
    for (const h of vol.headers) {
      for (const [o, n, what] of FIXED) {
        if (!same(h.b, vol.best.b, o, n))
          f.error('volumes', `${where}: header ${h.index}`, `${what} differs from copy ${vol.best.index}`);
      }
    }
    for (const [o, n, what] of [
      [0x30, 4, 'version'],
      [0x3c, 1, 'number of volumes'],
      [0x40, 16, 'fsid'],
      [0xc0, 8, 'total size'],
      [0xe00, 512, 'volume offsets'],
    ] as const) {
      if (!same(vol.best.b, root.best.b, o, n))
        f.error('volumes', where, `${what} differs from that of ${root.dev.name ?? 'the root volume'}`);
    }
    if (vol.best.index < 0) f.warn('header-crc', where, 'no proper volume header is valid: using its second copy');
  }
  const v = root.best.v;
  return { volumes: vols, total: next, best: root.best, auxEnd: w.num64(v, 0x20), allocatorBeg: w.num64(v, 0x70) };
}
