/**
 * Physical pages: one slot a page of guest RAM in typed arrays, indexed by page number (ppn).
 *
 * - Free memory is kept in a buddy system, so that a fault can take a run of neighbouring pages and one host mapping
 *   operation covers them all. Freed pages are taken again first: the host has them already. Pages never used since
 *   boot carry ZERO: they need no clearing and cost the host nothing until then.
 * - A page of an object is found through one hash table over (object id, pindex): no per-object structure, dense and
 *   sparse objects alike (4 ns a look-up); the pages of an object also form a list.
 * - A page is in exactly one state (`queue`): in the buddy system (FREE), waiting until the host has unmapped it
 *   everywhere (LIMBO), freed but held (HOLD), or in use: NONE, or on the INACTIVE, ACTIVE or CACHE queue, where
 *   pages of files live for the page-out scan. Pages in use by the kernel itself belong to no object (objId 0).
 * - LIMBO: a page whose unmapping is queued in some address space must not be used again before the host has carried
 *   the operation out, whatever a hostile guest claims about its threads. It waits there until then (pmap.ts).
 *
 * Plain functions only: nothing here sleeps. Counterpart: sys/vm/vm_page.c
 */
import type { GuestRam } from '../machine/ram.js';

export const enum PQ {
  NONE = 0,
  FREE = 1,
  LIMBO = 2,
  HOLD = 3,
  INACTIVE = 4,
  ACTIVE = 5,
  CACHE = 6,
  COUNT = 7,
}

/** Page flags. */
export const enum PG {
  /** Contents are those of the object at pindex. */
  VALID = 0x01,
  /** Differs from what the pager has; always set for anonymous pages. */
  DIRTY = 0x02,
  /** Being filled or written by a pager that sleeps. */
  BUSY = 0x04,
  /** All zeros (free pages only). */
  ZERO = 0x08,
  /** Used since the page-out scan last looked. */
  REFERENCED = 0x10,
  /** Was mapped in some address space since it was allocated. */
  MAPPED = 0x20,
}

/** Largest block of the buddy system: 2^10 pages. */
const MAX_ORDER = 10;

export class VmPages {
  readonly npages: number;
  readonly objId: Int32Array;
  readonly pindex: Float64Array;
  readonly flags: Uint8Array;
  readonly wire: Int32Array;
  readonly hold: Int32Array;
  readonly queue: Uint8Array;
  /** First page table entry that maps the page (index into PmapTable.pte), or -1. */
  readonly pvHead: Int32Array;

  /** Links of the page queues and of the buddy lists. */
  readonly qnext: Int32Array;
  readonly qprev: Int32Array;
  readonly qhead = new Int32Array(PQ.COUNT).fill(-1);
  readonly qtail = new Int32Array(PQ.COUNT).fill(-1);
  readonly qcount = new Int32Array(PQ.COUNT);

  /** Links of the list of an object's pages; heads are in the objects. */
  readonly onext: Int32Array;
  readonly oprev: Int32Array;

  private readonly hnext: Int32Array;
  private readonly hhead: Int32Array;
  private readonly hmask: number;

  private readonly order: Int8Array;
  private readonly bhead = new Int32Array(MAX_ORDER + 1).fill(-1);

  /** Pages in the buddy system. */
  freeCount = 0;
  /** Pages with wire > 0. */
  wireCount = 0;
  /** Length of the run that allocRun returned last. */
  runLen = 0;

  constructor(readonly ram: GuestRam) {
    const n = ram.npages;
    this.npages = n;
    this.objId = new Int32Array(n);
    this.pindex = new Float64Array(n);
    this.flags = new Uint8Array(n).fill(PG.ZERO);
    this.wire = new Int32Array(n);
    this.hold = new Int32Array(n);
    this.queue = new Uint8Array(n);
    this.pvHead = new Int32Array(n).fill(-1);
    this.qnext = new Int32Array(n).fill(-1);
    this.qprev = new Int32Array(n).fill(-1);
    this.onext = new Int32Array(n).fill(-1);
    this.oprev = new Int32Array(n).fill(-1);
    this.hnext = new Int32Array(n).fill(-1);
    this.order = new Int8Array(n).fill(-1);
    let h = 64;
    while (h < n) h *= 2;
    this.hhead = new Int32Array(h).fill(-1);
    this.hmask = h - 1;
    // Highest blocks first, so that allocation starts at the bottom of memory.
    let end = n;
    while (end > 0) {
      let o = 0;
      while (o < MAX_ORDER && end % 2 ** (o + 1) === 0) o++;
      end -= 2 ** o;
      for (let i = 0; i < 2 ** o; i++) this.queue[end + i] = PQ.FREE;
      this.pushBlock(end, o);
      this.freeCount += 2 ** o;
    }
  }

  // --- buddy system ---

  private pushBlock(ppn: number, o: number): void {
    const head = this.bhead[o];
    this.order[ppn] = o;
    this.qnext[ppn] = head;
    this.qprev[ppn] = -1;
    if (head >= 0) this.qprev[head] = ppn;
    this.bhead[o] = ppn;
  }

  private pullBlock(ppn: number): void {
    const o = this.order[ppn];
    const next = this.qnext[ppn];
    const prev = this.qprev[ppn];
    if (prev >= 0) this.qnext[prev] = next;
    else this.bhead[o] = next;
    if (next >= 0) this.qprev[next] = prev;
    this.order[ppn] = -1;
  }

  /** Put a page into the buddy system, merging it with its free neighbours. */
  private freePage(ppn: number): void {
    this.queue[ppn] = PQ.FREE;
    this.freeCount++;
    let o = 0;
    while (o < MAX_ORDER) {
      const buddy = ppn ^ (1 << o);
      if (buddy >= this.npages || this.order[buddy] !== o) break;
      this.pullBlock(buddy);
      if (buddy < ppn) ppn = buddy;
      o++;
    }
    this.pushBlock(ppn, o);
  }

  /**
   * Take up to `want` (at most 1024) neighbouring free pages; `runLen` says how many. They keep their ZERO flag,
   * and belong to nobody: the caller gives each to an object with `insert`, or keeps it.
   * @returns the first page, or -1 when nothing is free
   */
  allocRun(want: number): number {
    let o = 0;
    while (1 << o < want) o++;
    const bhead = this.bhead;
    let from = o;
    while (from <= MAX_ORDER && bhead[from] < 0) from++;
    if (from > MAX_ORDER) {
      from = o - 1;
      while (from >= 0 && bhead[from] < 0) from--;
      if (from < 0) return -1;
      want = 1 << from;
    }
    const ppn = bhead[from];
    this.pullBlock(ppn);
    // Give back what is beyond `want`, in the largest aligned blocks.
    let at = want;
    const size = 1 << from;
    while (at < size) {
      let b = 0;
      while ((at & (1 << b)) === 0 && at + (2 << b) <= size) b++;
      this.pushBlock(ppn + at, b);
      at += 1 << b;
    }
    this.freeCount -= want;
    const queue = this.queue;
    for (let p = ppn; p < ppn + want; p++) queue[p] = PQ.NONE;
    this.runLen = want;
    return ppn;
  }

  /** Take one free page, or -1. Flags keep only ZERO. */
  allocOne(): number {
    const ppn = this.bhead[0];
    if (ppn < 0) return this.allocRun(1);
    this.pullBlock(ppn);
    this.freeCount--;
    this.queue[ppn] = PQ.NONE;
    return ppn;
  }

  /**
   * Clear those of `n` neighbouring pages (in one segment) that are not zero already, and drop their ZERO flags.
   * @returns how many were zero already
   */
  zeroRun(ppn: number, n: number): number {
    let ready = 0;
    const flags = this.flags;
    const end = ppn + n;
    let p = ppn;
    while (p < end) {
      if ((flags[p] & PG.ZERO) !== 0) {
        flags[p++] = 0;
        ready++;
        continue;
      }
      const start = p;
      while (p < end && (flags[p] & PG.ZERO) === 0) p++;
      this.ram.fill(start * 4096, 0, (p - start) * 4096);
    }
    return ready;
  }

  /**
   * The page has no owner, mapping or wiring any more: free it now, or once its holders let go, or (`limbo`) once
   * the host has carried out the queued unmappings.
   */
  release(ppn: number, limbo: boolean): void {
    if (this.queue[ppn] >= PQ.INACTIVE) this.dequeue(ppn);
    const wasMapped = (this.flags[ppn] & PG.MAPPED) !== 0;
    if (this.hold[ppn] > 0) {
      this.queue[ppn] = PQ.HOLD;
      this.qcount[PQ.HOLD]++;
      return;
    }
    this.flags[ppn] = 0;
    if (limbo && wasMapped) this.enqueue(ppn, PQ.LIMBO);
    else this.freePage(ppn);
  }

  /** All queued unmappings are done: what waited in LIMBO is free. */
  freeLimbo(): void {
    for (let p = this.qhead[PQ.LIMBO]; p >= 0;) {
      const next = this.qnext[p];
      this.freePage(p);
      p = next;
    }
    this.qhead[PQ.LIMBO] = this.qtail[PQ.LIMBO] = -1;
    this.qcount[PQ.LIMBO] = 0;
  }

  // --- queues ---

  /** Append to a queue; the page must be on none. */
  enqueue(ppn: number, q: PQ): void {
    const tail = this.qtail[q];
    this.queue[ppn] = q;
    this.qprev[ppn] = tail;
    this.qnext[ppn] = -1;
    if (tail >= 0) this.qnext[tail] = ppn;
    else this.qhead[q] = ppn;
    this.qtail[q] = ppn;
    this.qcount[q]++;
  }

  dequeue(ppn: number): void {
    const q = this.queue[ppn];
    const next = this.qnext[ppn];
    const prev = this.qprev[ppn];
    if (prev >= 0) this.qnext[prev] = next;
    else this.qhead[q] = next;
    if (next >= 0) this.qprev[next] = prev;
    else this.qtail[q] = prev;
    this.qcount[q]--;
    this.queue[ppn] = PQ.NONE;
  }

  // --- pages of objects ---

  private hash(id: number, pindex: number): number {
    return ((Math.imul(id, 0x9e3779b1) >>> 4) + pindex) & this.hmask;
  }

  /** The page of object `id` at `pindex`, or -1. */
  lookup(id: number, pindex: number): number {
    for (let p = this.hhead[this.hash(id, pindex)]; p >= 0; p = this.hnext[p]) {
      if (this.pindex[p] === pindex && this.objId[p] === id) return p;
    }
    return -1;
  }

  /** Enter a page into the hash table; the caller links it into the object's list. */
  hashInsert(ppn: number, id: number, pindex: number): void {
    const h = this.hash(id, pindex);
    this.objId[ppn] = id;
    this.pindex[ppn] = pindex;
    this.hnext[ppn] = this.hhead[h];
    this.hhead[h] = ppn;
  }

  hashRemove(ppn: number): void {
    const h = this.hash(this.objId[ppn], this.pindex[ppn]);
    let p = this.hhead[h];
    if (p === ppn) this.hhead[h] = this.hnext[ppn];
    else {
      while (this.hnext[p] !== ppn) p = this.hnext[p];
      this.hnext[p] = this.hnext[ppn];
    }
    this.hnext[ppn] = -1;
    this.objId[ppn] = 0;
  }

  /** Blocks of the buddy system with their orders, for checks and ddb. */
  *freeBlocks(): Generator<{ ppn: number; order: number }, void, void> {
    for (let o = 0; o <= MAX_ORDER; o++) {
      for (let p = this.bhead[o]; p >= 0; p = this.qnext[p]) yield { ppn: p, order: o };
    }
  }
}
