/**
 * Recovery of the freemap at a read-write mount (13.2): when the header says that its freemap is older than its
 * topology, every block changed since is marked as used.
 *
 * Only blockrefs whose mirror_tid is beyond the freemap's are followed: nothing below an older one has changed. The walk
 * holds one path in memory.
 */
import type { Blocking } from '../../sys/blocking.js';
import { Errno } from '../../sys/errno.js';
import * as d from './disk.js';
import { Bref, BrefType, Ino, OpFlag, Vol, rd64 } from './disk.js';
import type { Fs } from './fs.js';
import type { Freemap } from './freemap.js';

/** As deep as a tree can get: volume, super-root, PFS root, inode, each with its levels of indirect blocks. */
const MAX_LEVELS = 4 * 65;

/**
 * @returns null; EIO when a block is unreadable: what is below it cannot be marked, so the volume must not be written
 * Sleeps: in the device.
 */
export function* recoverFreemap(fs: Fs, space: Freemap): Blocking<Errno | null> {
  const since = rd64(fs.header, Vol.FREEMAP_TID);
  const begin = rd64(fs.header, Vol.ALLOCATOR_BEG);
  fs.log(`hammer2: ${fs.name}: freemap is behind (${since} of ${fs.mirrorTid}): marking what has changed since`);
  const walk = function* (u8: Uint8Array, v: DataView, base: number, n: number, level: number): Blocking<Errno | null> {
    if (level > MAX_LEVELS) return fs.tree.fail(v, base, 'BAD BLOCKREF', 'tree too deep');
    for (let i = 0; i < n; i++) {
      const at = base + i * Bref.SIZE;
      const type = u8[at];
      if (type === BrefType.EMPTY || type > BrefType.DIRENT) continue;
      if (rd64(v, at + Bref.MIRROR_TID) <= since) continue;
      const dataOff = rd64(v, at + Bref.DATA_OFF);
      const radix = u8[at + Bref.DATA_OFF] & 0x3f;
      if (radix === 0) continue; // a short name: no block
      const bref = u8.slice(at, at + Bref.SIZE);
      const bv = new DataView(bref.buffer);
      const fault = fs.io.placeFault(dataOff, radix);
      if (fault !== null) return fs.tree.fail(bv, 0, 'BAD BLOCKREF', fault);
      if (dataOff - radix >= begin) {
        const e = yield* space.markUsed(dataOff, type);
        if (e !== null) return e;
      }
      if (type !== BrefType.INODE && type !== BrefType.INDIRECT) continue;
      const block = new Uint8Array(2 ** radix);
      const size = yield* fs.tree.readBlock(bref, bv, block, () => true);
      if (size instanceof Errno) return size;
      const blockv = new DataView(block.buffer);
      let e: Errno | null = null;
      if (type === BrefType.INDIRECT) e = yield* walk(block, blockv, 0, size / Bref.SIZE, level + 1);
      else if (size === d.INODE_BYTES && (block[Ino.OP_FLAGS] & OpFlag.DIRECTDATA) === 0) {
        e = yield* walk(block, blockv, Ino.BLOCKSET, d.SET_COUNT, level + 1);
      }
      if (e !== null) return e;
    }
    return null;
  };
  return yield* walk(fs.root.u8, fs.root.v, Vol.SROOT_BLOCKSET, d.SET_COUNT, 0);
}
