/**
 * Block I/O on the machine's disks: requests between disk and guest RAM, and disks as BlockDevice for file systems.
 *
 * A request is known to the machine by a cookie; biodone() finds it again. Who waits sleeps on the request itself.
 * Requests larger than MAXPHYS are split and run at the same time.
 *
 * Counterpart: sys/kern/kern_physio.c, subr_disk.c, sys/sys/bio.h
 */
import { DiskOp, type MachDisk } from '../machine/machine.js';
import { PAGE_SIZE } from '../machine/ram.js';
import { tsleep, wakeup, WaitQ } from '../kern/lwkt_thread.js';
import type { BlockDevice } from '../sys/blockdev.js';
import type { Blocking } from '../sys/blocking.js';
import { EINVAL, ENOMEM, ENXIO, EROFS, type Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import { vmPageAllocRun, vmPageFree } from '../vm/vm_page.js';

export const DEV_BSIZE = 512;
export const MAXPHYS = 131072;
/** A bounce buffer, and how many a disk keeps for the next transfers. */
const BOUNCE_PAGES = MAXPHYS / PAGE_SIZE;
const BOUNCE_KEEP = 2;

/** One call's worth of transfers. */
class Bio {
  pending = 0;
  error: Errno | null = null;
  readonly q = new WaitQ();
}

export class BioState {
  readonly byCookie = new Map<number, Bio>();
  nextCookie = 1;
}

declare module '../sys/globaldata.js' {
  interface GlobalData {
    bio: BioState;
  }
}

export function bioInit(): void {
  gd.bio = new BioState();
}

/** A transfer is complete: from the machine's onDiskDone. */
export function biodone(cookie: number, error: Errno | null): void {
  const st = gd.bio;
  const b = st.byCookie.get(cookie);
  if (b === undefined) return;
  st.byCookie.delete(cookie);
  b.error ??= error;
  if (--b.pending === 0) wakeup(b.q);
}

function start(b: Bio, disk: MachDisk, op: DiskOp, off: number, pa: number, len: number): void {
  const st = gd.bio;
  const cookie = st.nextCookie++;
  if (disk.submitNow === undefined) {
    st.byCookie.set(cookie, b);
    b.pending++;
    disk.submit(op, off, pa, len, cookie);
    return;
  }
  // What the host has cached is there at once: nobody sleeps. Results of the rest come in a later turn of the machine.
  if (disk.submitNow(op, off, pa, len, cookie)) return;
  st.byCookie.set(cookie, b);
  b.pending++;
}

function* biowait(b: Bio): Blocking<Errno | null> {
  while (b.pending > 0) yield* tsleep(b.q, 'biord');
  return b.error;
}

/** A disk of the machine, as file systems and /dev see it. */
export class Disk implements BlockDevice {
  readonly name: string;
  readonly sizeBytes: number;
  readonly readonly: boolean;
  /**
   * Bounce buffers not in use, each BOUNCE_PAGES from this page on. Fresh pages for each transfer would walk through all
   * of memory, and the host would have to find a page of its own for each of them the first time (2 µs a page).
   */
  private readonly spare: number[] = [];

  constructor(readonly mach: MachDisk) {
    this.name = mach.name;
    this.sizeBytes = mach.sizeBytes;
    this.readonly = mach.readonly;
  }

  private check(off: number, len: number): Errno | null {
    if (off % DEV_BSIZE !== 0 || len % DEV_BSIZE !== 0 || off < 0) return EINVAL;
    return off + len > this.sizeBytes ? ENXIO : null;
  }

  /** Transfer between the disk and physically contiguous guest RAM that stays as it is meanwhile (held pages). */
  *transfer(op: DiskOp, off: number, pa: number, len: number): Blocking<Errno | null> {
    const e = this.check(off, len);
    if (e !== null) return e;
    if (op === DiskOp.WRITE && this.readonly) return EROFS;
    const b = new Bio();
    for (let at = 0; at < len; at += MAXPHYS) start(b, this.mach, op, off + at, pa + at, Math.min(MAXPHYS, len - at));
    return yield* biowait(b);
  }

  /** Read or write a kernel buffer by way of pages of its own. */
  private *bounce(op: DiskOp, off: number, buf: Uint8Array): Blocking<Errno | null> {
    const e = this.check(off, buf.length);
    if (e !== null) return e;
    const ram = gd.machine.ram;
    const pages = gd.vm.pages;
    for (let at = 0; at < buf.length;) {
      let got = BOUNCE_PAGES;
      let ppn = this.spare.pop() ?? -1;
      if (ppn < 0) {
        ppn = vmPageAllocRun(null, 0, BOUNCE_PAGES, false);
        if (ppn < 0) return ENOMEM;
        got = pages.runLen;
      }
      const n = Math.min(got * PAGE_SIZE, buf.length - at);
      const pa = ppn * PAGE_SIZE;
      if (op === DiskOp.WRITE) ram.write(pa, buf, at, n);
      const e2 = yield* this.transfer(op, off + at, pa, n);
      if (e2 === null && op === DiskOp.READ) ram.read(pa, buf, at, n);
      if (got === BOUNCE_PAGES && this.spare.length < BOUNCE_KEEP) this.spare.push(ppn);
      else for (let i = 0; i < got; i++) vmPageFree(ppn + i);
      if (e2 !== null) return e2;
      at += n;
    }
    return null;
  }

  read(off: number, buf: Uint8Array): Blocking<Errno | null> {
    return this.bounce(DiskOp.READ, off, buf);
  }

  *write(off: number, buf: Uint8Array): Blocking<Errno | null> {
    return this.readonly ? EROFS : yield* this.bounce(DiskOp.WRITE, off, buf);
  }

  *flush(): Blocking<Errno | null> {
    const b = new Bio();
    start(b, this.mach, DiskOp.FLUSH, 0, 0, 0);
    return yield* biowait(b);
  }
}
