/**
 * vkd: the disks given by -r, -R and -c, as block devices for file systems and as /dev/vkdN.
 *
 * Transfers go through wired DMA buffers in guest RAM, because that is what the machine's disk rings move to and from.
 * One buffer is allocated for good when the disk attaches, so that I/O never waits for memory; more are made while
 * requests overlap, and kept up to POOL_MAX. Requests wait for a buffer in turn.
 * Whoever owns the machine's handlers passes completions to vkdDiskDone.
 *
 * Counterpart: sys/dev/virtual/disk/vkernel (vkdisk) of DragonFly's vkernel
 */
import { tsleep, wakeup, wakeupOne, WaitQ } from '../../vkernel/kern/lwkt_thread.js';
import { KASSERT } from '../../vkernel/kern/kern_shutdown.js';
import type { Lwp } from '../../vkernel/kern/proc.js';
import { DiskOp, type MachDisk } from '../../vkernel/machine/machine.js';
import { PAGE_SIZE } from '../../vkernel/machine/ram.js';
import type { BlockDevice } from '../../vkernel/sys/blockdev.js';
import type { Blocking } from '../../vkernel/sys/blocking.js';
import { EINVAL, ENOMEM, ENOTTY, ENXIO, EROFS, Errno } from '../../vkernel/sys/errno.js';
import { gd } from '../../vkernel/sys/globaldata.js';
import { type Cdev, D_DISK, devOps, makeDev } from '../../vkernel/vfs/devfs/cdev.js';
import { type Uio, uiomoveB } from '../../vkernel/vm/uio.js';
import { vmPageAllocRun } from '../../vkernel/vm/vm_page.js';

export const VKD_SECTOR = 512;
const BUF_PAGES = 16;
const POOL_MAX = 8;
const DIOCGPART = 0x40906468;
const DIOCGMEDIASIZE = 0x40086487;
const DIOCGSECTORSIZE = 0x40046488;

/** A run of physical pages. */
interface DmaBuf {
  readonly pa: number;
  readonly bytes: number;
}

interface Request {
  done: boolean;
  error: Errno | null;
  readonly waitq: WaitQ;
}

/** Driver state of one kernel. */
export class VkdState {
  readonly disks: Vkd[] = [];
  readonly pending = new Map<number, Request>();
  nextCookie = 1;
}

declare module '../../vkernel/sys/globaldata.js' {
  interface GlobalData {
    vkd: VkdState;
  }
}

export class Vkd implements BlockDevice {
  readonly name: string;
  readonly sizeBytes: number;
  readonly readonly: boolean;
  private readonly free: DmaBuf[] = [];
  private buffers = 0;
  private readonly bufq = new WaitQ();

  constructor(readonly disk: MachDisk) {
    this.name = disk.name;
    this.sizeBytes = Math.floor(disk.sizeBytes / VKD_SECTOR) * VKD_SECTOR;
    this.readonly = disk.readonly;
    const first = this.newBuffer();
    KASSERT(first !== null, 'vkd: no memory for a buffer');
    this.free.push(first);
  }

  private newBuffer(): DmaBuf | null {
    const ppn = vmPageAllocRun(null, 0, BUF_PAGES, false);
    if (ppn < 0) return null;
    this.buffers++;
    return { pa: ppn * PAGE_SIZE, bytes: gd.vm.pages.runLen * PAGE_SIZE };
  }

  private *getBuffer(): Blocking<DmaBuf> {
    for (;;) {
      const b = this.free.pop() ?? (this.buffers < POOL_MAX ? this.newBuffer() : null);
      if (b !== null) return b;
      yield* tsleep(this.bufq, 'vkdbuf');
    }
  }
  private putBuffer(b: DmaBuf): void {
    this.free.push(b);
    wakeupOne(this.bufq);
  }

  /** One transfer between the disk and guest RAM. Sleeps until it is done. */
  private *transfer(op: DiskOp, off: number, pa: number, len: number): Blocking<Errno | null> {
    const st = gd.vkd;
    const cookie = st.nextCookie++;
    const r: Request = { done: false, error: null, waitq: new WaitQ() };
    st.pending.set(cookie, r);
    this.disk.submit(op, off, pa, len, cookie);
    while (!r.done) yield* tsleep(r.waitq, op === DiskOp.READ ? 'biord' : 'biowr');
    return r.error;
  }

  private *io(op: DiskOp, off: number, buf: Uint8Array): Blocking<Errno | null> {
    if (!(off >= 0 && off % VKD_SECTOR === 0 && buf.length % VKD_SECTOR === 0)) return EINVAL;
    if (!(off + buf.length <= this.sizeBytes)) return ENXIO;
    const { ram } = gd.machine;
    const b = yield* this.getBuffer();
    try {
      for (let done = 0; done < buf.length;) {
        const n = Math.min(b.bytes, buf.length - done);
        // Page by page: a buffer may cross from one segment of RAM into the next.
        if (op === DiskOp.WRITE) {
          for (let i = 0; i < n; i += PAGE_SIZE) ram.write(b.pa + i, buf, done + i, Math.min(PAGE_SIZE, n - i));
        }
        const e = yield* this.transfer(op, off + done, b.pa, n);
        if (e !== null) return e;
        if (op === DiskOp.READ) {
          for (let i = 0; i < n; i += PAGE_SIZE) ram.read(b.pa + i, buf, done + i, Math.min(PAGE_SIZE, n - i));
        }
        done += n;
      }
      return null;
    } finally {
      this.putBuffer(b);
    }
  }

  read(off: number, buf: Uint8Array): Blocking<Errno | null> {
    return this.io(DiskOp.READ, off, buf);
  }
  *write(off: number, buf: Uint8Array): Blocking<Errno | null> {
    if (this.readonly) return EROFS;
    return yield* this.io(DiskOp.WRITE, off, buf);
  }
  *flush(): Blocking<Errno | null> {
    return this.readonly ? null : yield* this.transfer(DiskOp.FLUSH, 0, 0, 0);
  }
}

/** A transfer ended: MachineHandlers.onDiskDone. */
export function vkdDiskDone(cookie: number, error: Errno | null): void {
  const r = gd.vkd.pending.get(cookie);
  KASSERT(r !== undefined, 'vkd: completion of nothing');
  gd.vkd.pending.delete(cookie);
  r.done = true;
  r.error = error;
  wakeup(r.waitq);
}

/** Raw reads and writes of /dev/vkdN: whole sectors; reads end at the end of the disk. */
function* rawIo(dev: Cdev, uio: Uio, write: boolean): Blocking<Errno | null> {
  const d = dev.data as Vkd;
  if (uio.offset % VKD_SECTOR !== 0 || uio.resid % VKD_SECTOR !== 0) return EINVAL;
  const buf = new Uint8Array(BUF_PAGES * PAGE_SIZE);
  while (uio.resid > 0) {
    const n = Math.min(buf.length, uio.resid, Math.max(0, d.sizeBytes - uio.offset));
    if (n === 0) return write ? ENXIO : null;
    const part = n === buf.length ? buf : buf.subarray(0, n);
    const off = uio.offset;
    if (write) {
      const e = (yield* uiomoveB(part, 0, n, uio)) ?? (yield* d.write(off, part));
      if (e !== null) return e;
    } else {
      const e = (yield* d.read(off, part)) ?? (yield* uiomoveB(part, 0, n, uio));
      if (e !== null) return e;
    }
  }
  return null;
}

export const vkdOps = devOps({
  name: 'vkd',
  type: D_DISK,
  *open(dev, flags) {
    // FWRITE is 2.
    return (flags & 2) !== 0 && (dev.data as Vkd).readonly ? EROFS : null;
  },
  *close(dev) {
    return yield* (dev.data as Vkd).flush();
  },
  *read(dev, uio) {
    return yield* rawIo(dev, uio, false);
  },
  *write(dev, uio) {
    return (dev.data as Vkd).readonly ? EROFS : yield* rawIo(dev, uio, true);
  },
  *ioctl(dev: Cdev, cmd: number, data: DataView, _flags: number, _lwp: Lwp) {
    const size = (dev.data as Vkd).sizeBytes;
    switch (cmd >>> 0) {
      case DIOCGPART:
        // struct partinfo: whole disk, no partition type known.
        new Uint8Array(data.buffer, data.byteOffset, 144).fill(0);
        data.setBigUint64(8, BigInt(size), true);
        data.setBigUint64(16, BigInt(size / VKD_SECTOR), true);
        data.setInt32(24, VKD_SECTOR, true);
        return 0;
      case DIOCGMEDIASIZE:
        data.setBigUint64(0, BigInt(size), true);
        return 0;
      case DIOCGSECTORSIZE:
        data.setUint32(0, VKD_SECTOR, true);
        return 0;
      default:
        return ENOTTY;
    }
  },
  size: (dev) => (dev.data as Vkd).sizeBytes,
});

/** Attach all disks of the machine. After vfsBoot. */
export function vkdInit(): Errno | null {
  gd.vkd = new VkdState();
  for (const disk of gd.machine.disks) {
    if (gd.vm.pages.freeCount < 2 * BUF_PAGES) return ENOMEM;
    const d = new Vkd(disk);
    gd.vkd.disks.push(d);
    makeDev(vkdOps, d.name, 0o640, { gid: 5, data: d });
  }
  return null;
}
