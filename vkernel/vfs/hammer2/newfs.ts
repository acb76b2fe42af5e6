/**
 * Make a HAMMER2 file system: volume headers, super-root and PFS roots. The freemap is empty: its blocks appear with the
 * first allocation. Counterpart: newfs_hammer2(8)
 */
import type { BlockDevice } from '../../sys/blockdev.js';
import type { Blocking } from '../../sys/blocking.js';
import { EINVAL, Errno } from '../../sys/errno.js';
import { managedBytes } from './admin.js';
import { isZero } from './block.js';
import { Checker } from './check.js';
import { type Codecs, tsCodecs } from './codec/codecs.js';
import { dirhash } from './dirhash.js';
import * as d from './disk.js';
import { Bref, BrefType, Check, Comp, Ino, ObjType, OpFlag, PfsType, Vol, wr64 } from './disk.js';
import { type LogFn, signHeader } from './volume.js';

const MIB = 1024 ** 2;
const BOOT_NOMINAL = 64 * MIB;
const BOOT_MAX = 256 * MIB;
const AUX_NOMINAL = 256 * MIB;
const AUX_MAX = 1024 * MIB;
const AREA_MIN = 8 * MIB;
/** Reserved area, boot and aux area at their smallest, and the rest of a volume alignment for the inodes. */
const TOTAL_MIN = 24 * MIB;
const FIRST_TID = 16;
/** With LOCAL. */
const MAX_PFS = 4;
const COPYID_LOCAL = 255;
const FIRST_PFS_INUM = 16;
const PEER_HAMMER2 = 3;
const ZERO_CHUNK = 1024 * 1024;

export interface NewfsOptions {
  /** For the inodes, microseconds since 1970. */
  readonly nowUs: number;
  /** For uuids. */
  readonly random: (b: Uint8Array) => void;
  /** PFSs besides LOCAL, at most three, one char per byte. Default: DATA. */
  readonly labels?: readonly string[];
  /** 1 or 2 (several volumes). Default 2. */
  readonly version?: number;
  /** Bytes of each volume; default: the device's. */
  readonly sizes?: readonly number[];
  /** Bytes of the boot and the aux area; default: 64 and 256 MiB, less on small volumes. */
  readonly bootBytes?: number;
  readonly auxBytes?: number;
  /** Of the PFS roots, and so of all below; BOOT is never compressed. Default: LZ4 and xxhash64. */
  readonly comp?: Comp;
  readonly compLevel?: number;
  readonly check?: Check;
  /** The devices read as zeros: nothing has to be cleared. */
  readonly blank?: boolean;
  readonly codecs?: Codecs;
  /** Gets the reason of EINVAL. */
  readonly log?: LogFn;
}

export interface NewfsResult {
  readonly version: number;
  readonly totalBytes: number;
  readonly volumes: readonly { off: number; sizeBytes: number }[];
  readonly bootBytes: number;
  readonly auxBytes: number;
  readonly allocatorBeg: number;
  readonly freeBytes: number;
  readonly fsid: string;
  readonly supClid: string;
  readonly supFsid: string;
  readonly pfs: readonly { label: string; clid: string; fsid: string }[];
}

const down = (n: number, to: number): number => Math.floor(n / to) * to;

/** Size of the boot or aux area, or what is wrong with the one asked for. */
function area(asked: number | undefined, nominal: number, max: number, total: number): number | string {
  if (asked === undefined) {
    let n = nominal;
    while (n > total / 20) n /= 2;
    return Math.ceil(Math.max(n, AREA_MIN) / d.VOLUME_ALIGN) * d.VOLUME_ALIGN;
  }
  if (!Number.isSafeInteger(asked) || asked < 0 || asked > max) return `size of ${asked}: at most ${max}`;
  return Math.ceil(Math.max(asked, AREA_MIN) / d.VOLUME_ALIGN) * d.VOLUME_ALIGN;
}

/** Header copies a volume of this size has room for. */
function copies(sizeBytes: number): number {
  let n = 1;
  while (n < d.NUM_VOLHDRS && n * d.ZONE_BYTES + d.RESERVED_BYTES <= sizeBytes) n++;
  return n;
}

/** A random uuid. The version is where the reference's volumes have it: in text order. */
function newUuid(random: (b: Uint8Array) => void, b: Uint8Array, at: number): void {
  const u = new Uint8Array(16);
  random(u);
  u[6] = (u[6] & 0x0f) | 0x40;
  u[8] = (u[8] & 0x3f) | 0x80;
  b.set(u, at);
}

/** Sizes and places of everything, or what is wrong with what was asked for. */
function plan(devs: readonly BlockDevice[], o: NewfsOptions, labels: readonly string[]) {
  const version = o.version ?? d.VOLUME_MAX_VERSION;
  if (version !== 1 && version !== 2) return `unknown version ${version}`;
  if (devs.length === 0 || devs.length > d.MAX_VOLUMES) return `${devs.length} volumes: 1 to ${d.MAX_VOLUMES}`;
  if (version === 1 && devs.length > 1) return 'version 1 has one volume';
  if (labels.length > MAX_PFS) return `${labels.length - 1} labels: at most ${MAX_PFS - 1}`;
  for (const [i, l] of labels.entries()) {
    if (l === '' || l.length > 255 || l.includes('/') || l.includes('\0')) return `bad label '${l}'`;
    if (labels.indexOf(l) !== i) return `label '${l}' given twice`;
  }
  if (o.sizes !== undefined && o.sizes.length !== devs.length)
    return `${o.sizes.length} sizes for ${devs.length} volumes`;
  const volumes: { off: number; sizeBytes: number }[] = [];
  let total = 0;
  for (const [i, dev] of devs.entries()) {
    const asked = o.sizes?.[i] ?? dev.sizeBytes;
    if (asked > dev.sizeBytes) return `${dev.name}: size ${asked} on a device of ${dev.sizeBytes} bytes`;
    const last = i === devs.length - 1;
    const sizeBytes = down(asked, last ? d.VOLUME_ALIGN : d.GIB);
    if (sizeBytes === 0) return `${dev.name}: too small: at least ${last ? '8 MiB' : '1 GiB'}`;
    volumes.push({ off: total, sizeBytes });
    total += sizeBytes;
  }
  if (total < TOTAL_MIN) return `too small: at least 24 MiB`;
  const boot = area(o.bootBytes, BOOT_NOMINAL, BOOT_MAX, total);
  if (typeof boot === 'string') return `boot area: ${boot}`;
  const aux = area(o.auxBytes, AUX_NOMINAL, AUX_MAX, total);
  if (typeof aux === 'string') return `aux area: ${aux}`;
  const base = d.RESERVED_BYTES + boot + aux;
  if (base >= d.GIB) return 'boot and aux area must end below 1 GiB';
  if (base + d.RESERVED_BYTES > volumes[0].sizeBytes) return 'no room behind boot and aux area';
  return { version, volumes, total, boot, aux, base };
}

/** An inode of newfs: a directory without anything in it. */
function newInode(o: NewfsOptions, name: string, mode: number, inum: number, nlinks: number): Uint8Array {
  const b = new Uint8Array(d.INODE_BYTES);
  const v = new DataView(b.buffer);
  v.setUint16(Ino.VERSION, 1, true);
  wr64(v, Ino.CTIME, o.nowUs);
  wr64(v, Ino.MTIME, o.nowUs);
  wr64(v, Ino.BTIME, o.nowUs);
  b[Ino.TYPE] = ObjType.DIRECTORY;
  v.setUint32(Ino.MODE, mode, true);
  wr64(v, Ino.INUM, inum);
  wr64(v, Ino.NLINKS, nlinks);
  b[Ino.COMP_ALGO] = Comp.AUTOZERO;
  b[Ino.CHECK_ALGO] = Check.XXHASH64;
  newUuid(o.random, b, Ino.PFS_CLID);
  newUuid(o.random, b, Ino.PFS_FSID);
  v.setUint16(Ino.NAME_LEN, name.length, true);
  for (let i = 0; i < name.length; i++) b[Ino.FILENAME + i] = name.charCodeAt(i);
  return b;
}

/** The slot that leads to an inode at `off`. */
function setBref(checker: Checker, b: Uint8Array, at: number, off: number, inode: Uint8Array, comp: Comp): void {
  const v = new DataView(b.buffer, b.byteOffset);
  b[at + Bref.TYPE] = BrefType.INODE;
  b[at + Bref.METHODS] = (Check.XXHASH64 << 4) | comp;
  b[at + Bref.COPYID] = COPYID_LOCAL;
  b[at + Bref.VRADIX] = d.RADIX_MIN;
  wr64(v, at + Bref.MIRROR_TID, FIRST_TID);
  wr64(v, at + Bref.DATA_OFF, off + d.RADIX_MIN);
  checker.set(b, v, at, inode, inode.length);
}

/** Zero [from, to), writing only where something is: images stay sparse. */
function* clear(dev: BlockDevice, from: number, to: number): Blocking<Errno | null> {
  const buf = new Uint8Array(ZERO_CHUNK);
  const zeros = new Uint8Array(ZERO_CHUNK);
  for (let off = from; off < to; off += ZERO_CHUNK) {
    const n = Math.min(ZERO_CHUNK, to - off);
    const part = buf.subarray(0, n);
    const e = yield* dev.read(off, part);
    if (e !== null) return e;
    if (isZero(buf, n)) continue;
    const we = yield* dev.write(off, zeros.subarray(0, n));
    if (we !== null) return we;
  }
  return null;
}

/**
 * Make a file system on one or more devices, the first the root volume. All they held is lost.
 *
 * @returns EINVAL for what cannot be (the reason goes to opts.log), or a device's error
 * Sleeps: in the devices.
 */
export function* newfs(devs: readonly BlockDevice[], o: NewfsOptions): Blocking<NewfsResult | Errno> {
  const labels = ['LOCAL', ...(o.labels ?? ['DATA'])];
  const p = plan(devs, o, labels);
  if (typeof p === 'string') {
    o.log?.(p);
    return EINVAL;
  }
  const codecs = o.codecs ?? tsCodecs;
  const checker = new Checker(codecs);
  for (const [i, dev] of devs.entries()) {
    // Old headers first: from here on there is no file system.
    for (let c = copies(p.volumes[i].sizeBytes) - 1; c >= 0; c--) {
      const end = i === 0 && c === 0 ? p.base + d.PBUFSIZE : c * d.ZONE_BYTES + d.PBUFSIZE;
      const e = o.blank === true ? null : yield* clear(dev, c * d.ZONE_BYTES, end);
      if (e !== null) return e;
    }
  }

  const block = new Uint8Array(d.PBUFSIZE);
  const sup = newInode(o, 'SUPROOT', 0o700, 0, 2);
  sup[Ino.PFS_TYPE] = PfsType.SUPROOT;
  const slots: { key: bigint; off: number; inode: Uint8Array }[] = [];
  const pfs: { label: string; clid: string; fsid: string }[] = [];
  for (const [i, label] of labels.entries()) {
    const inode = newInode(o, label, 0o755, 1, 1);
    const v = new DataView(inode.buffer);
    const boot = label.toUpperCase() === 'BOOT';
    inode[Ino.OP_FLAGS] = OpFlag.PFSROOT;
    inode[Ino.PFS_TYPE] = PfsType.MASTER;
    if (!boot) inode[Ino.COMP_ALGO] = (o.comp ?? Comp.LZ4) | ((o.compLevel ?? 0) << 4);
    inode[Ino.CHECK_ALGO] = o.check ?? Check.XXHASH64;
    wr64(v, Ino.PFS_INUM, FIRST_PFS_INUM);
    const h = dirhash(label);
    v.setUint32(Ino.NAME_KEY, h.lo, true);
    v.setUint32(Ino.NAME_KEY + 4, h.hi, true);
    const at = d.INODE_BYTES * (1 + i);
    block.set(inode, at);
    slots.push({ key: v.getBigUint64(Ino.NAME_KEY, true), off: p.base + at, inode });
    pfs.push({ label, clid: d.uuidText(inode, Ino.PFS_CLID), fsid: d.uuidText(inode, Ino.PFS_FSID) });
  }
  slots.sort((a, b) => (a.key < b.key ? -1 : 1));
  for (const [i, s] of slots.entries()) {
    const at = Ino.BLOCKSET + i * Bref.SIZE;
    setBref(checker, sup, at, s.off, s.inode, Comp.NONE);
    sup[at + Bref.FLAGS] = d.BREF_PFSROOT;
    new DataView(sup.buffer).setBigUint64(at + Bref.KEY_LO, s.key, true);
  }
  block.set(sup, 0);
  const we = yield* devs[0].write(p.base, block);
  if (we !== null) return we;

  const fsid = new Uint8Array(16);
  newUuid(o.random, fsid, 0);
  const allocatorBeg = p.base + d.INODE_BYTES * (1 + labels.length);
  let freeBytes = 0;
  // The root volume last: with its header the file system is there.
  for (let i = devs.length - 1; i >= 0; i--) {
    const dev = devs[i];
    const b = new Uint8Array(Vol.SIZE);
    const v = new DataView(b.buffer);
    const vol = p.volumes[i];
    v.setUint32(Vol.MAGIC, d.VOLUME_MAGIC_LO, true);
    v.setUint32(Vol.MAGIC + 4, d.VOLUME_MAGIC_HI, true);
    wr64(v, Vol.VOLU_SIZE, vol.sizeBytes);
    v.setUint32(Vol.VERSION, p.version, true);
    b[Vol.PEER_TYPE] = PEER_HAMMER2;
    b[Vol.VOLU_ID] = i;
    b.set(fsid, Vol.FSID);
    b.set(d.FSTYPE_UUID, Vol.FSTYPE);
    wr64(v, Vol.MIRROR_TID, FIRST_TID);
    wr64(v, Vol.FREEMAP_TID, FIRST_TID);
    if (p.version > 1) {
      b[Vol.NVOLUMES] = devs.length;
      wr64(v, Vol.TOTAL_SIZE, p.total);
      for (let k = 0; k < d.MAX_VOLUMES; k++) {
        if (k < devs.length) wr64(v, Vol.VOLU_LOFF + 8 * k, p.volumes[k].off);
        else b.fill(0xff, Vol.VOLU_LOFF + 8 * k, Vol.VOLU_LOFF + 8 * k + 8);
      }
    }
    const bootEnd = d.RESERVED_BYTES + p.boot;
    wr64(v, Vol.BOOT_BEG, d.RESERVED_BYTES);
    wr64(v, Vol.BOOT_END, bootEnd);
    wr64(v, Vol.AUX_BEG, bootEnd);
    wr64(v, Vol.AUX_END, p.base);
    const managed = managedBytes(v, p.total);
    wr64(v, Vol.ALLOCATOR_SIZE, managed);
    if (i === 0) {
      freeBytes = managed;
      wr64(v, Vol.ALLOCATOR_FREE, managed);
      wr64(v, Vol.ALLOCATOR_BEG, allocatorBeg);
      setBref(checker, b, Vol.SROOT_BLOCKSET, p.base, sup, Comp.AUTOZERO);
    } else {
      b.fill(0, Vol.BOOT_BEG, Vol.VOLU_SIZE);
      for (let k = 0; k < d.SET_COUNT; k++) b[Vol.SROOT_BLOCKSET + k * Bref.SIZE] = BrefType.INVALID;
    }
    signHeader(b, v, codecs);
    const fe = i === 0 ? yield* dev.flush() : null;
    if (fe !== null) return fe;
    for (let c = 0; c < copies(vol.sizeBytes); c++) {
      const e = yield* dev.write(c * d.ZONE_BYTES, b);
      if (e !== null) return e;
    }
    const e = yield* dev.flush();
    if (e !== null) return e;
  }
  return {
    version: p.version,
    totalBytes: p.total,
    volumes: p.volumes,
    bootBytes: p.boot,
    auxBytes: p.aux,
    allocatorBeg,
    freeBytes,
    fsid: d.uuidText(fsid, 0),
    supClid: d.uuidText(sup, Ino.PFS_CLID),
    supFsid: d.uuidText(sup, Ino.PFS_FSID),
    pfs,
  };
}
