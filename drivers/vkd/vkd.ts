/**
 * vkd and vcd: the machine's disks in /dev, as raw devices: offsets and sizes in whole sectors (512 and 2048 bytes).
 * A disk with a serial number has a second name, serno/NUMBER.
 *
 * Counterpart: sys/dev/virtual/vkernel/disk/vdisk.c and cdrom/vcd.c, sys/kern/subr_disk.c
 */
import type { Blocking } from '../../vkernel/sys/blocking.js';
import { EINVAL, ENOTTY, ENXIO, EROFS, type Errno } from '../../vkernel/sys/errno.js';
import { FWRITE } from '../../vkernel/kern/file.js';
import { kprintf } from '../../vkernel/kern/subr_prf.js';
import { gd } from '../../vkernel/sys/globaldata.js';
import { type Uio, uiomoveB } from '../../vkernel/vm/uio.js';
import { DEV_BSIZE, Disk, MAXPHYS } from '../../vkernel/vfs/bio.js';
import { type Cdev, D_DISK, devOps, type DevOps, makeDev, makeDevAlias } from '../../vkernel/vfs/devfs/cdev.js';

const diskOf = (dev: Cdev): Disk => dev.data as Disk;

const sectorOf = (disk: Disk): number => disk.mach.sectorBytes ?? DEV_BSIZE;

const DIOCGPART = 0x40906468;
const DIOCWLABEL = 0x8004646d;

function* rawIo(dev: Cdev, uio: Uio, write: boolean): Blocking<Errno | null> {
  const disk = diskOf(dev);
  const sector = sectorOf(disk);
  if (uio.offset % sector !== 0 || uio.resid % sector !== 0) return EINVAL;
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

const common: Partial<DevOps> = {
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
    const sector = sectorOf(diskOf(dev));
    data.setBigUint64(8, BigInt(size), true);
    data.setBigUint64(16, BigInt(Math.floor(size / sector)), true);
    data.setInt32(24, sector, true);
    return 0;
  },
  size: (dev) => diskOf(dev).sizeBytes,
};
const vkdOps = devOps({ ...common, name: 'vkd' });
const vcdOps = devOps({ ...common, name: 'vcd' });

/** GID of group operator, which may read disks. */
const GID_OPERATOR = 5;

/** Longest serial number, and the characters of one that may be part of a file name. */
const SERNOLEN = 29;
const cleanSerial = (s: string): string => s.slice(0, SERNOLEN).replace(/[^A-Za-z0-9@+.-]/g, '_');

/** Disks in the order of the options: vkd0, vkd1 ... of -r and -R, vcd0, vcd1 ... of -c. */
export function vkdInit(): void {
  const serials = new Set<string>();
  for (const d of gd.machine.disks) {
    const ops = d.name.startsWith('vcd') ? vcdOps : vkdOps;
    makeDev(ops, d.name, 0o640, { gid: GID_OPERATOR, data: new Disk(d) });
    const serno = cleanSerial(d.serno);
    // Two disks of one number: the first has it. A name of dots alone is not one.
    if (/^\.*$/.test(serno) || serials.has(serno)) continue;
    serials.add(serno);
    makeDevAlias(`../${d.name}`, `serno/${serno}`);
  }
}

/** Tell of the disks on the console. */
export function vkdAnnounce(): void {
  for (const d of gd.machine.disks) {
    const sector = d.sectorBytes ?? DEV_BSIZE;
    const what = d.name.startsWith('vcd') ? 'CD-ROM' : 'disk';
    kprintf('%s: <Virtual %s>%s\n', d.name, what, d.serno === '' ? '' : ` Serial Number ${cleanSerial(d.serno)}`);
    const kind = d.readonly ? ', read only' : d.cow === true ? ', changes are dropped at the end' : '';
    const mb = Math.floor(d.sizeBytes / 2 ** 20);
    kprintf('%s: %dMB (%s %d byte sectors%s)\n', d.name, mb, String(d.sizeBytes / sector), sector, kind);
  }
}

/** The disk `name` (`vkd0`, `/dev/vkd0`), for mounting; null when there is none. */
export function vkdFind(name: string): Disk | null {
  const base = name.startsWith('/dev/') ? name.slice(5) : name;
  for (const dev of gd.dev.byRdev.values())
    if ((dev.ops === vkdOps || dev.ops === vcdOps) && dev.name === base) return diskOf(dev);
  return null;
}
