/**
 * Volume headers and the global offset space over one or more devices.
 *
 * Each device has up to four copies of its header; of those whose magic and three CRCs are right, the one with the
 * highest mirror_tid counts. All data offsets in the tree are offsets in one space in which every volume has its place.
 * Counterpart: sys/vfs/hammer2/hammer2_ondisk.c
 */
import type { BlockDevice } from '../../sys/blockdev.js';
import type { Blocking } from '../../sys/blocking.js';
import { EINVAL, EIO, ENXIO, Errno } from '../../sys/errno.js';
import type { Codecs } from './codec/codecs.js';
import * as d from './disk.js';
import { Bref, BrefType, Vol, rd64 } from './disk.js';

/** A console line without newline, as for kprintf. */
export type LogFn = (line: string) => void;

/** One copy of a volume header that is valid in itself. */
export interface HeaderCopy {
  /** Which of the four; -1 for the shadow of a volume with room for only one. */
  readonly copy: number;
  readonly header: DataView;
}

/** One device and its place in the global space. */
export interface Volume {
  readonly dev: BlockDevice;
  readonly id: number;
  /** The chosen copy is the first; the others by falling mirror_tid. */
  readonly copies: readonly HeaderCopy[];
  readonly header: DataView;
  off: number;
  sizeBytes: number;
}

/** Put the three CRCs into a header. */
export function signHeader(b: Uint8Array, v: DataView, codecs: Codecs): void {
  v.setUint32(Vol.ICRC_SECTS + 4 * 6, codecs.crc32c(b, 0x200, 512), true);
  v.setUint32(Vol.ICRC_SECTS + 4 * 7, codecs.crc32c(b, 0, 508), true);
  v.setUint32(Vol.ICRC_VOLHEADER, codecs.crc32c(b, 0, Vol.ICRC_VOLHEADER), true);
}

/** Why a header copy is not usable, or null. */
function headerFault(b: Uint8Array, v: DataView, codecs: Codecs): string | null {
  const lo = v.getUint32(Vol.MAGIC, true);
  const hi = v.getUint32(Vol.MAGIC + 4, true);
  if (lo !== d.VOLUME_MAGIC_LO || hi !== d.VOLUME_MAGIC_HI) {
    const swapped =
      v.getUint32(Vol.MAGIC, false) === d.VOLUME_MAGIC_HI && v.getUint32(Vol.MAGIC + 4, false) === d.VOLUME_MAGIC_LO;
    return swapped ? 'volume of the other byte order' : `bad magic 0x${d.hex64(hi, lo)}`;
  }
  const areas = [
    [Vol.ICRC_SECTS + 4 * 6, 0x200, 512],
    [Vol.ICRC_SECTS + 4 * 7, 0, 508],
    [Vol.ICRC_VOLHEADER, 0, Vol.ICRC_VOLHEADER],
  ];
  for (const [at, off, len] of areas) {
    const want = v.getUint32(at, true);
    const got = codecs.crc32c(b, off, len);
    if (want !== got) {
      return `CRC FAIL of bytes 0x${off.toString(16)}+0x${len.toString(16)}: expected ${d.hex32(want)}, got ${d.hex32(got)}`;
    }
  }
  return null;
}

/**
 * Transaction id of the freemap a header names: the highest of its blockrefs'. Null when it names none (as newfs leaves it).
 */
export function freemapRootTid(v: DataView): number | null {
  let tid: number | null = null;
  for (let i = 0; i < d.SET_COUNT; i++) {
    const at = Vol.FREEMAP_BLOCKSET + i * Bref.SIZE;
    if (v.getUint8(at + Bref.TYPE) !== BrefType.EMPTY) tid = Math.max(tid ?? 0, rd64(v, at + Bref.MIRROR_TID));
  }
  return tid;
}

/**
 * Do the freemap's blockrefs belong to this header? A power cut can leave a header of which the first sector is new and the
 * freemap's sector old, and all its CRCs right: what is covered by the CRC at the first sector's end leaves the CRC of
 * the whole as it was. Every writer gives freemap_tid the id of the freemap it names.
 */
const ownFreemap = (v: DataView): boolean =>
  (freemapRootTid(v) ?? rd64(v, Vol.FREEMAP_TID)) === rd64(v, Vol.FREEMAP_TID);

/** Whole ones before those with another's freemap, then the newest first. */
const bestFirst = (a: HeaderCopy, b: HeaderCopy): number =>
  Number(ownFreemap(b.header)) - Number(ownFreemap(a.header)) || newerFirst(a, b);

const newerFirst = (a: HeaderCopy, b: HeaderCopy): number =>
  d.cmp64(
    b.header.getUint32(Vol.MIRROR_TID + 4, true),
    b.header.getUint32(Vol.MIRROR_TID, true),
    a.header.getUint32(Vol.MIRROR_TID + 4, true),
    a.header.getUint32(Vol.MIRROR_TID, true),
  ) || a.copy - b.copy;

/** Read the copies of one device's header and choose. */
function* readHeader(dev: BlockDevice, codecs: Codecs, log: LogFn): Blocking<Volume | Errno> {
  const copies: HeaderCopy[] = [];
  let firstFault = 'device too small';
  for (let i = 0; i < d.NUM_VOLHDRS + 1; i++) {
    // The shadow copy counts only when no proper one is whole.
    const shadow = i === d.NUM_VOLHDRS;
    if (shadow && copies.some((c) => ownFreemap(c.header))) break;
    const off = shadow ? d.SHADOW_HEADER : i * d.ZONE_BYTES;
    if (off + Vol.SIZE > dev.sizeBytes) continue;
    const buf = new Uint8Array(Vol.SIZE);
    const e = yield* dev.read(off, buf);
    const header = new DataView(buf.buffer);
    const fault = e !== null ? `read error ${e.name}` : headerFault(buf, header, codecs);
    if (i === 0 && fault !== null) firstFault = fault;
    if (fault === null) copies.push({ copy: shadow ? -1 : i, header });
    // A copy never written is no news; a torn or rotten one is.
    else if (!fault.startsWith('bad magic')) log(`hammer2: ${dev.name}: volume header #${i}: ${fault}`);
  }
  if (copies.length === 0) {
    log(`hammer2: ${dev.name}: no valid volume header: ${firstFault}`);
    return EINVAL;
  }
  copies.sort(bestFirst);
  const best = copies[0].header;
  if (!ownFreemap(copies[copies.length - 1].header)) {
    const used = ownFreemap(best) ? 'not used' : 'used for want of a whole one';
    log(`hammer2: ${dev.name}: a torn volume header, ${used}`);
  }
  if (copies[0].copy < 0) log(`hammer2: ${dev.name}: using the second copy of the only volume header`);
  return { dev, id: best.getUint8(Vol.VOLU_ID), copies, header: best, off: 0, sizeBytes: rd64(best, Vol.VOLU_SIZE) };
}

const sameBytes = (a: DataView, b: DataView, off: number, len: number): boolean => {
  for (let i = 0; i < len; i++) if (a.getUint8(off + i) !== b.getUint8(off + i)) return false;
  return true;
};

/** What is wrong with one volume on its own, or null. */
function volumeFault(vol: Volume): string | null {
  const h = vol.header;
  for (let i = 0; i < 16; i++) if (h.getUint8(Vol.FSTYPE + i) !== d.FSTYPE_UUID[i]) return 'not a HAMMER2 fstype uuid';
  const version = h.getUint32(Vol.VERSION, true);
  // The reference mounts work-in-progress version 3 as well; its layout is that of version 2.
  if (version < 1 || version > d.VOLUME_MAX_VERSION + 1) return `unknown version ${version}`;
  if (vol.sizeBytes === 0 || !(vol.sizeBytes <= vol.dev.sizeBytes)) {
    return `volume size ${vol.sizeBytes} does not fit the device of ${vol.dev.sizeBytes} bytes`;
  }
  if (vol.sizeBytes % d.VOLUME_ALIGN !== 0) return `volume size ${vol.sizeBytes} is not a multiple of 8 MiB`;
  if (version > 1) return null;
  if (h.getUint8(Vol.NVOLUMES) !== 0 || vol.id !== 0 || rd64(h, Vol.TOTAL_SIZE) !== 0) return 'bad version 1 header';
  for (let i = 0; i < d.MAX_VOLUMES; i++) if (rd64(h, Vol.VOLU_LOFF + 8 * i) !== 0) return 'bad version 1 header';
  return null;
}

/** All volumes of one file system. */
export class VolumeSet {
  /** The root volume's header in use. */
  header: DataView;
  /** Name for messages: the root volume's device. */
  readonly name: string;
  totalBytes: number;

  /** @param vols by ascending offset; the first is the root volume */
  constructor(readonly vols: readonly Volume[]) {
    this.header = vols[0].header;
    this.name = vols[0].dev.name;
    const last = vols[vols.length - 1];
    this.totalBytes = last.off + last.sizeBytes;
  }

  /** The volume that holds all of [off, off + len), or null. Lets no imprecise number pass. */
  find(off: number, len: number): Volume | null {
    for (const v of this.vols) if (off >= v.off && off + len <= v.off + v.sizeBytes) return v;
    return null;
  }

  /**
   * Read one block at a global offset.
   *
   * @returns null, EIO for an offset outside of all volumes, or the device's error
   * Sleeps: in the device.
   */
  *read(off: number, buf: Uint8Array): Blocking<Errno | null> {
    const v = this.find(off, buf.length);
    if (v === null) return EIO;
    return yield* v.dev.read(off - v.off, buf);
  }
  /** As read. EROFS from a read-only device. */
  *write(off: number, buf: Uint8Array): Blocking<Errno | null> {
    const v = this.find(off, buf.length);
    if (v === null) return EIO;
    return yield* v.dev.write(off - v.off, buf);
  }

  /** Take another copy of the root volume's header. */
  useHeader(h: DataView): void {
    this.header = h;
    if (this.vols.length > 1) return;
    this.vols[0].sizeBytes = rd64(h, Vol.VOLU_SIZE);
    this.totalBytes = this.vols[0].sizeBytes;
  }
}

/**
 * Read and validate the headers of the given devices (in any order).
 *
 * @returns EINVAL for a bad header, ENXIO for volumes that do not belong together
 * Sleeps: in the devices.
 */
export function* openVolumes(devs: readonly BlockDevice[], codecs: Codecs, log: LogFn): Blocking<VolumeSet | Errno> {
  const vols: Volume[] = [];
  for (const dev of devs) {
    const vol = yield* readHeader(dev, codecs, log);
    if (vol instanceof Errno) return vol;
    const fault = volumeFault(vol);
    if (fault !== null) {
      log(`hammer2: ${dev.name}: ${fault}`);
      return EINVAL;
    }
    vols.push(vol);
  }
  if (vols.length === 0) return EINVAL;
  vols.sort((a, b) => a.id - b.id);
  const root = vols[0].header;
  if (root.getUint32(Vol.VERSION, true) === 1 && vols.length === 1) return new VolumeSet(vols);

  const mismatch = (vol: Volume, why: string): Errno => {
    log(`hammer2: ${vol.dev.name}: ${why}`);
    return ENXIO;
  };
  let next = 0;
  for (let i = 0; i < vols.length; i++) {
    const vol = vols[i];
    const h = vol.header;
    const nvolumes = h.getUint8(Vol.NVOLUMES);
    if (nvolumes !== vols.length) return mismatch(vol, `file system of ${nvolumes} volumes, ${vols.length} given`);
    if (vol.id !== i) return mismatch(vol, `volume ${vol.id} given twice, or volume ${i} missing`);
    if (
      !sameBytes(h, root, Vol.VERSION, 4) ||
      !sameBytes(h, root, Vol.FSID, 32) ||
      !sameBytes(h, root, Vol.TOTAL_SIZE, 8) ||
      !sameBytes(h, root, Vol.VOLU_LOFF, 8 * d.MAX_VOLUMES)
    ) {
      return mismatch(vol, `header disagrees with that of ${vols[0].dev.name}`);
    }
    vol.off = rd64(root, Vol.VOLU_LOFF + 8 * i);
    if (vol.off !== next) return mismatch(vol, `volume ${i} at offset ${vol.off} instead of ${next}`);
    next += vol.sizeBytes;
  }
  for (let i = vols.length; i < d.MAX_VOLUMES; i++) {
    const at = Vol.VOLU_LOFF + 8 * i;
    if (root.getUint32(at, true) !== 0xffffffff || root.getUint32(at + 4, true) !== 0xffffffff) {
      return mismatch(vols[0], `offset given for volume ${i}, which does not exist`);
    }
  }
  if (rd64(root, Vol.TOTAL_SIZE) !== next) return mismatch(vols[0], 'total size is not the sum of the volumes');
  return new VolumeSet(vols);
}
