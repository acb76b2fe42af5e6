/**
 * Pages of HAMMER2 files: filled by logical block (64 KiB, decompressed) from the library, and given back to it when
 * mappings have changed them.
 *
 * A block is read with no page in hand; pages are then allocated and filled in one go, without a sleep since the library
 * handed the block over, so there is never a page with half its contents or with older bytes than the library has.
 * Threads that want a block that is being read wait for it.
 * Counterpart: sys/vfs/hammer2/hammer2_strategy.c
 */
import { tsleep, wakeup, WaitQ } from '../../kern/lwkt_thread.js';
import { PAGE_SIZE } from '../../machine/ram.js';
import type { Blocking } from '../../sys/blocking.js';
import { EIO, ENOMEM, Errno, NOTNOW } from '../../sys/errno.js';
import { gd } from '../../sys/globaldata.js';
import { type VmObject, vmObjectTerminate } from '../../vm/vm_object.js';
import { PG, vmPageAllocRun, vmPageHold, vmPageUnhold } from '../../vm/vm_page.js';
import type { FilePager } from '../vnode_pager.js';
import { PBUFSIZE } from './disk.js';
import type { Hammer2Node } from './hammer2_node.js';

const PAGES_PER_BLOCK = PBUFSIZE / PAGE_SIZE;

export class Hammer2Pager implements FilePager {
  /** Blocks being read, with who waits for them. */
  private readonly reading = new Map<number, WaitQ>();

  constructor(private readonly node: Hammer2Node) {}

  /** False also when nobody knows without reading the disk. */
  isHole(pindex: number): boolean {
    return this.node.h.m.isHole(this.node.inum, Math.floor(pindex / PAGES_PER_BLOCK)) === true;
  }

  tryGetPage(o: VmObject, pindex: number): number | Errno {
    const { h, inum } = this.node;
    const lbn = Math.floor(pindex / PAGES_PER_BLOCK);
    if (this.reading.has(lbn)) return NOTNOW;
    const buf = h.takeScratch();
    const e = h.m.tryReadBlock(inum, lbn, buf, 0);
    const r = e ?? this.fill(o, pindex, buf);
    h.putScratch(buf);
    return r;
  }

  *getPage(o: VmObject, pindex: number): Blocking<number | Errno> {
    const { h, inum } = this.node;
    const lbn = Math.floor(pindex / PAGES_PER_BLOCK);
    for (let q = this.reading.get(lbn); q !== undefined; q = this.reading.get(lbn)) {
      yield* tsleep(q, 'h2read');
      const ppn = gd.vm.pages.lookup(o.id, pindex);
      if (ppn >= 0 && (gd.vm.pages.flags[ppn] & PG.VALID) !== 0) return ppn;
    }
    const q = new WaitQ();
    this.reading.set(lbn, q);
    const buf = h.takeScratch();
    try {
      const e = yield* h.m.readBlock(inum, lbn, buf, 0);
      if (e !== null) return e;
      if (o.id === 0) return EIO; // the mount was taken away by force
      return this.fill(o, pindex, buf);
    } finally {
      h.putScratch(buf);
      this.reading.delete(lbn);
      wakeup(q);
    }
  }

  /**
   * Make the pages of a block that are missing from its bytes.
   * @returns the page at pindex, or ENOMEM
   */
  private fill(o: VmObject, pindex: number, block: Uint8Array): number | Errno {
    const pages = gd.vm.pages;
    const first = pindex - (pindex % PAGES_PER_BLOCK);
    const end = Math.min(first + PAGES_PER_BLOCK, Math.max(Math.ceil(o.sizeBytes / PAGE_SIZE), pindex + 1));
    let wanted = pages.lookup(o.id, pindex);
    if (wanted < 0) {
      wanted = this.fillRun(o, pindex, end, block, first);
      if (wanted < 0) return ENOMEM;
    }
    // The others must not be taken at the cost of this one.
    vmPageHold(wanted);
    for (let p = first; p < end; p++) {
      if (pages.freeCount < gd.vm.freeMin) break;
      if (pages.lookup(o.id, p) < 0 && this.fillRun(o, p, end, block, first) < 0) break;
    }
    vmPageUnhold(wanted);
    return wanted;
  }

  /** Pages from `pindex` to the next resident one (or `end`), as many as come in one run; the first, or -1. */
  private fillRun(o: VmObject, pindex: number, end: number, block: Uint8Array, first: number): number {
    const pages = gd.vm.pages;
    let want = 1;
    while (pindex + want < end && pages.lookup(o.id, pindex + want) < 0) want++;
    const ppn = vmPageAllocRun(o, pindex, want, false);
    if (ppn < 0) return -1;
    const got = pages.runLen;
    for (let i = 0; i < got; i++) {
      gd.machine.ram.write((ppn + i) * PAGE_SIZE, block, (pindex + i - first) * PAGE_SIZE, PAGE_SIZE);
      pages.flags[ppn + i] |= PG.VALID;
    }
    gd.vm.counters.vnodein++;
    gd.vm.counters.vnodepgsin += got;
    return ppn;
  }

  dirty(): void {
    this.node.dirty = true;
  }

  *putPage(o: VmObject, pindex: number, ppn: number): Blocking<Errno | null> {
    const off = pindex * PAGE_SIZE;
    const n = Math.min(PAGE_SIZE, o.sizeBytes - off);
    if (n <= 0) return null;
    const { h, inum } = this.node;
    // A copy: the page may be written to while the library sleeps.
    const buf = h.takeScratch();
    try {
      gd.machine.ram.read(ppn * PAGE_SIZE, buf, 0, n);
      const r = yield* h.m.write(inum, off, buf, 0, n);
      return r instanceof Errno ? r : null;
    } finally {
      h.putScratch(buf);
    }
  }

  /** The vnode let go and so did the last mapping. */
  release(o: VmObject): void {
    vmObjectTerminate(o);
  }
}

/** Bytes that went to the library are put into resident pages too, so that mappings and reads see them. */
export function updatePages(o: VmObject, buf: Uint8Array, off: number, n: number): void {
  const pages = gd.vm.pages;
  for (let at = 0; at < n;) {
    const pgoff = (off + at) % PAGE_SIZE;
    const len = Math.min(n - at, PAGE_SIZE - pgoff);
    const ppn = pages.lookup(o.id, Math.floor((off + at) / PAGE_SIZE));
    if (ppn >= 0 && (pages.flags[ppn] & PG.VALID) !== 0) gd.machine.ram.write(ppn * PAGE_SIZE + pgoff, buf, at, len);
    at += len;
  }
}
