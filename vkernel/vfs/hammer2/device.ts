/**
 * A HAMMER2 file system's devices: volumes, chains, super-root, and the PFSs in it by label.
 * Counterpart: sys/vfs/hammer2/hammer2_vfsops.c (hammer2_vfs_mount up to the PFS)
 */
import type { BlockDevice } from '../../sys/blockdev.js';
import type { Blocking } from '../../sys/blocking.js';
import { EINVAL, EIO, ENOENT, Errno } from '../../sys/errno.js';
import { Blockset } from './blockset.js';
import { ChainStore, Cursor } from './chain.js';
import { type Codecs, tsCodecs } from './codec/codecs.js';
import { dirhash } from './dirhash.js';
import * as d from './disk.js';
import { BrefStats, Ino, ObjType, Vol, rd64 } from './disk.js';
import { type Hammer2Inode, LEAVES_INODE, getInode } from './inode.js';
import { Hammer2Mount } from './mount.js';
import { type LogFn, type VolumeSet, openVolumes } from './volume.js';

export interface Hammer2Options {
  /** Native arithmetic, when the machine has it. */
  codecs?: Codecs;
  /** Where complaints go: console lines without newline. */
  log?: LogFn;
  /** Bound of the cache of inodes, indirect blocks and names; at least 4 MiB. Default 8 MiB. */
  cacheBytes?: number;
}

/** One PFS of the super-root. */
export interface PfsInfo {
  readonly label: string;
  /** PfsType */
  readonly type: number;
  /** 1 snapshot, 2 automatic snapshot, else 0 */
  readonly subtype: number;
  readonly clid: string;
  readonly fsid: string;
}

/** Figures of statfs(2), in blocks of 64 KiB. */
export interface Hammer2Statfs {
  readonly bsize: number;
  readonly blocks: number;
  readonly bfree: number;
  /** For others than root: less the reserve of 5 %. */
  readonly bavail: number;
  readonly files: number;
}

export class Hammer2Device {
  private constructor(
    readonly vols: VolumeSet,
    readonly chains: ChainStore,
    /** The super-root inode. */
    readonly suproot: Hammer2Inode,
  ) {}

  /**
   * Open a file system on its devices (in any order).
   *
   * @returns EINVAL for bad headers or a bad super-root, ENXIO for volumes that do not belong together, EIO
   * Sleeps: in the devices.
   */
  static *open(devs: readonly BlockDevice[], opts: Hammer2Options = {}): Blocking<Hammer2Device | Errno> {
    const codecs = opts.codecs ?? tsCodecs;
    const log: LogFn = opts.log ?? (() => {});
    const vols = yield* openVolumes(devs, codecs, log);
    if (vols instanceof Errno) return vols;
    const chains = new ChainStore(vols, codecs, log, opts.cacheBytes ?? 8 * 1024 * 1024);
    const head = new Uint8Array(vols.header.buffer);
    const top = Blockset.parse(head, vols.header, Vol.SROOT_BLOCKSET, d.SET_COUNT);
    if (typeof top === 'string') {
      log(`hammer2: ${vols.name}: bad super-root blockset: ${top}`);
      return EINVAL;
    }
    const cur = yield* chains.find(top, new Cursor(0, 0, 0, 0), LEAVES_INODE);
    if (cur instanceof Errno) return cur;
    if (cur === null) {
      log(`hammer2: ${vols.name}: no super-root`);
      return EINVAL;
    }
    const ip = yield* getInode(chains, cur);
    if (ip instanceof Errno) return ip;
    if (ip.type !== ObjType.DIRECTORY) return (chains.fail(cur.v, cur.at, 'BAD SUPER-ROOT', 'not a directory'), EINVAL);
    return new Hammer2Device(vols, chains, ip);
  }

  /**
   * Call `visit` for each readable PFS root in key order; stops when it answers false.
   *
   * @returns EIO when roots were unreadable and visit did not stop: one bad PFS must not hide the others
   */
  private *scanPfs(cur: Cursor, visit: (ip: Hammer2Inode, at: Cursor) => boolean): Blocking<Errno | null> {
    const top = this.suproot.blockset;
    if (top === null) return EIO;
    let error: Errno | null = null;
    for (;;) {
      const r = yield* this.chains.find(top, cur, LEAVES_INODE);
      if (r === null) return error;
      if (r instanceof Errno) return r;
      const ip = yield* getInode(this.chains, r);
      if (ip instanceof Errno) error = ip;
      else if (!visit(ip, r)) return null;
      if (!cur.advance(cur.keyHi, cur.keyLo)) return error;
    }
  }

  /** All PFSs in key order, but those with an unreadable root; EIO when none is readable. Sleeps: in the device. */
  *pfsList(): Blocking<PfsInfo[] | Errno> {
    const list: PfsInfo[] = [];
    const e = yield* this.scanPfs(new Cursor(0, 0, 0xffffffff, 0xffffffff), (ip) => {
      list.push({
        label: ip.filename,
        type: ip.u8[Ino.PFS_TYPE],
        subtype: ip.u8[Ino.PFS_SUBTYPE],
        clid: d.uuidText(ip.u8, Ino.PFS_CLID),
        fsid: d.uuidText(ip.u8, Ino.PFS_FSID),
      });
      return true;
    });
    return list.length > 0 || e === null ? list : e;
  }

  /**
   * Mount a PFS.
   *
   * @returns ENOENT when there is none of that label; EIO
   * Sleeps: in the device.
   */
  *mount(label: string): Blocking<Hammer2Mount | Errno> {
    const h = dirhash(label);
    let root: Hammer2Inode | null = null;
    let inodes = 0;
    const e = yield* this.scanPfs(new Cursor(h.hi, h.lo, h.hi, (h.lo | d.DIRHASH_COLLISION) >>> 0), (ip, at) => {
      if (ip.filename !== label) return true;
      root = ip;
      inodes = rd64(at.v, at.at + BrefStats.INODE_COUNT);
      return false;
    });
    if (e !== null) return e;
    const found = root as Hammer2Inode | null;
    if (found === null) return ENOENT;
    if (found.type !== ObjType.DIRECTORY || found.blockset === null) {
      this.chains.log(`hammer2: ${this.vols.name}: root of PFS ${label} is not a directory`);
      return EINVAL;
    }
    return new Hammer2Mount(this, label, found, found.blockset, inodes);
  }

  statfs(): Omit<Hammer2Statfs, 'files'> {
    const size = rd64(this.vols.header, Vol.ALLOCATOR_SIZE);
    const free = Math.min(size, rd64(this.vols.header, Vol.ALLOCATOR_FREE));
    const reserve = Math.floor(size / 20);
    return {
      bsize: d.PBUFSIZE,
      blocks: Math.floor(size / d.PBUFSIZE),
      bfree: Math.floor(free / d.PBUFSIZE),
      bavail: Math.floor(Math.max(0, free - reserve) / d.PBUFSIZE),
    };
  }
}

/** Label a device is mounted by when none is given: from the partition letter at its end. */
export function defaultLabel(devName: string): string {
  const last = devName.charAt(devName.length - 1);
  return last === 'a' ? 'BOOT' : last === 'd' ? 'ROOT' : 'DATA';
}

/** `dev[:dev...][@LABEL]` taken apart. No device: the label of an already mounted one is meant. */
export function parseSpecial(special: string): { devs: string[]; label: string | null } {
  const i = special.lastIndexOf('@');
  const head = i < 0 ? special : special.slice(0, i);
  const label = i < 0 ? '' : special.slice(i + 1);
  return { devs: head === '' ? [] : head.split(':'), label: label === '' ? null : label };
}

/**
 * Open the devices and mount the PFS `label` (null: the default label of the first device).
 *
 * @returns EINVAL bad headers or super-root, ENXIO volumes that do not belong together, ENOENT no such label, EIO
 * Sleeps: in the devices.
 */
export function* hammer2Mount(
  devs: readonly BlockDevice[],
  label: string | null,
  opts: Hammer2Options = {},
): Blocking<Hammer2Mount | Errno> {
  const dev = yield* Hammer2Device.open(devs, opts);
  if (dev instanceof Errno) return dev;
  return yield* dev.mount(label ?? defaultLabel(devs[0].name));
}
