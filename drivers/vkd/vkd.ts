/**
 * vkd: the machine's disks in /dev, as raw devices: offsets and sizes in whole sectors.
 *
 * Counterpart: sys/dev/virtual/vkernel/disk/vdisk.c, sys/kern/subr_disk.c
 */
import type { Blocking } from '../../vkernel/sys/blocking.js';
import { EINVAL, ENOTTY, ENXIO, EROFS, type Errno } from '../../vkernel/sys/errno.js';
import { FWRITE } from '../../vkernel/kern/file.js';
import { gd } from '../../vkernel/sys/globaldata.js';
import { type Uio, uiomoveB } from '../../vkernel/vm/uio.js';
import { DEV_BSIZE, Disk, MAXPHYS } from '../../vkernel/vfs/bio.js';
import { type Cdev, D_DISK, devOps, makeDev } from '../../vkernel/vfs/devfs/cdev.js';

const diskOf = (dev: Cdev): Disk => dev.data as Disk;

const DIOCGPART = 0x40906468;
const DIOCWLABEL = 0x8004646d;

function* rawIo(dev: Cdev, uio: Uio, write: boolean): Blocking<Errno | null> {
  const disk = diskOf(dev);
  if (uio.offset % DEV_BSIZE !== 0 || uio.resid % DEV_BSIZE !== 0) return EINVAL;
  if (uio.resid === 0) return null;
  // Reading at the end is the end of file, beyond it an error, as for any raw device.
  if (uio.offset >= disk.sizeBytes) return uio.offset === disk.sizeBytes && !write ? null : ENXIO;
  if (write && disk.readonly) return EROFS;
  const buf = new Uint8Array(Math.min(uio.resid, MAXPHYS));
  while (uio.resid > 0 && uio.offset < disk.sizeBytes) {
    const n = Math.min(buf.length, uio.resid, disk.sizeBytes - uio.offset);
    const part = n === buf.length ? buf : buf.subarray(0, n);
    const off = uio.offset;
    let e: Errno | null;
    if (write) e = (yield* uiomoveB(part, 0, n, uio)) ?? (yield* disk.write(off, part));
    else e = (yield* disk.read(off, part)) ?? (yield* uiomoveB(part, 0, n, uio));
    if (e !== null) return e;
  }
  return null;
}

const vkdOps = devOps({
  name: 'vkd',
  type: D_DISK,
  *open(dev, flags) {
    return (flags & FWRITE) !== 0 && diskOf(dev).readonly ? EROFS : null;
  },
  read: (dev, uio) => rawIo(dev, uio, false),
  write: (dev, uio) => rawIo(dev, uio, true),
  *ioctl(dev, cmd, data) {
    if (cmd === DIOCWLABEL) return 0;
    if (cmd !== DIOCGPART) return ENOTTY;
    // struct partinfo: u64 media_offset 0, u64 media_size 8, u64 media_blocks 16, i32 media_blksize 24
    const size = diskOf(dev).sizeBytes;
    data.setBigUint64(8, BigInt(size), true);
    data.setBigUint64(16, BigInt(Math.floor(size / DEV_BSIZE)), true);
    data.setInt32(24, DEV_BSIZE, true);
    return 0;
  },
  size: (dev) => diskOf(dev).sizeBytes,
});

/** GID of group operator, which may read disks. */
const GID_OPERATOR = 5;

/** Disks in the order of the -r options: vkd0, vkd1 ... */
export function vkdInit(): void {
  for (const d of gd.machine.disks) {
    makeDev(vkdOps, d.name, 0o640, { gid: GID_OPERATOR, data: new Disk(d) });
  }
}

/** The disk `name` (`vkd0`, `/dev/vkd0`), for mounting; null when there is none. */
export function vkdFind(name: string): Disk | null {
  const base = name.startsWith('/dev/') ? name.slice(5) : name;
  for (const dev of gd.dev.byRdev.values()) if (dev.ops === vkdOps && dev.name === base) return diskOf(dev);
  return null;
}
