/**
 * The software page tables of all address spaces, in one pool of typed arrays.
 *
 * A leaf covers 2 MiB: 512 entries. An entry (pte) is `ppn << 4 | prot`, or 0. Leaves are found by hashing (address
 * space, address / 2 MiB); each address space links its leaves in a list. An entry's index in the pool is its name,
 * so that the reverse mapping (page -> all entries that map it) is two more arrays of links: entering a mapping
 * allocates nothing.
 *
 * What is here is what the host maps, or will map once the queued operations are done; pmap.ts keeps the two equal.
 * Counterpart: the page table pages and pv entries of sys/platform/pc64/x86_64/pmap.c
 */
import type { Pmap } from './pmap.js';
import { PAGE_SIZE } from './vm_param.js';
import { PG, type VmPages } from './vm_pages.js';

/** Address bytes covered by a leaf. */
export const LEAF_SPAN = 0x200000;
const LEAF_PTES = 512;
/** Bits of a pte below the page number: the protection. */
export const PTE_SHIFT = 4;
export const PTE_PROT = 7;

export class PmapTable {
  pte = new Int32Array(0);
  pvNext = new Int32Array(0);
  pvPrev = new Int32Array(0);
  /** Per leaf: owner's id (0 = free), address / 2 MiB, entries in use, hash link, links of the owner's list. */
  leafPmap = new Int32Array(0);
  leafKey = new Int32Array(0);
  leafCount = new Int32Array(0);
  private leafHash = new Int32Array(0);
  leafNext = new Int32Array(0);
  private leafPrev = new Int32Array(0);

  private hhead = new Int32Array(64).fill(-1);
  private hmask = 63;
  private freeLeaf = -1;
  nleaves = 0;
  /** Leaves in use. */
  usedLeaves = 0;

  /** Address spaces by id; slot 0 unused. */
  readonly pmaps: (Pmap | null)[] = [null];
  readonly freePmapIds: number[] = [];
  /** Address spaces with queued operations that take a page away from the guest. */
  readonly stale: Pmap[] = [];

  constructor(readonly pages: VmPages) {
    this.grow(32);
  }

  private grow(n: number): void {
    const wide = (a: Int32Array, len: number, fill: number): Int32Array<ArrayBuffer> => {
      const b = new Int32Array(len);
      b.set(a);
      if (fill !== 0) b.fill(fill, a.length);
      return b;
    };
    const old = this.nleaves;
    this.pte = wide(this.pte, n * LEAF_PTES, 0);
    this.pvNext = wide(this.pvNext, n * LEAF_PTES, -1);
    this.pvPrev = wide(this.pvPrev, n * LEAF_PTES, -1);
    this.leafPmap = wide(this.leafPmap, n, 0);
    this.leafKey = wide(this.leafKey, n, 0);
    this.leafCount = wide(this.leafCount, n, 0);
    this.leafHash = wide(this.leafHash, n, -1);
    this.leafNext = wide(this.leafNext, n, -1);
    this.leafPrev = wide(this.leafPrev, n, -1);
    for (let i = n - 1; i >= old; i--) {
      this.leafNext[i] = this.freeLeaf;
      this.freeLeaf = i;
    }
    this.nleaves = n;
    // Rehash: twice as many buckets as leaves.
    let size = this.hmask + 1;
    while (size < n * 2) size *= 2;
    this.hhead = new Int32Array(size).fill(-1);
    this.hmask = size - 1;
    for (let i = 0; i < old; i++) {
      if (this.leafPmap[i] === 0) continue;
      const h = this.hash(this.leafPmap[i], this.leafKey[i]);
      this.leafHash[i] = this.hhead[h];
      this.hhead[h] = i;
    }
  }

  private hash(id: number, key: number): number {
    return ((Math.imul(id, 0x9e3779b1) >>> 3) + Math.imul(key, 0x85ebca6b)) & this.hmask;
  }

  /** The leaf of address space `id` for addresses [key * 2 MiB, + 2 MiB), or -1. */
  findLeaf(id: number, key: number): number {
    for (let l = this.hhead[this.hash(id, key)]; l >= 0; l = this.leafHash[l]) {
      if (this.leafKey[l] === key && this.leafPmap[l] === id) return l;
    }
    return -1;
  }

  /** Index of the pte for address `va`, or -1 when there is not even a leaf. */
  find(id: number, va: number): number {
    const key = (va / LEAF_SPAN) | 0;
    for (let l = this.hhead[this.hash(id, key)]; l >= 0; l = this.leafHash[l]) {
      if (this.leafKey[l] === key && this.leafPmap[l] === id) return (l << 9) + ((va / PAGE_SIZE) & 511);
    }
    return -1;
  }

  /** A new, empty leaf for `pm`. */
  allocLeaf(pm: Pmap, key: number): number {
    if (this.freeLeaf < 0) this.grow(this.nleaves * 2);
    const l = this.freeLeaf;
    this.freeLeaf = this.leafNext[l];
    this.usedLeaves++;
    this.leafPmap[l] = pm.id;
    this.leafKey[l] = key;
    this.leafCount[l] = 0;
    const h = this.hash(pm.id, key);
    this.leafHash[l] = this.hhead[h];
    this.hhead[h] = l;
    const head = pm.leafHead;
    this.leafNext[l] = head;
    this.leafPrev[l] = -1;
    if (head >= 0) this.leafPrev[head] = l;
    pm.leafHead = l;
    pm.leaves++;
    return l;
  }

  /** Give back a leaf whose entries are all 0. */
  freeLeafOf(pm: Pmap, l: number): void {
    const h = this.hash(pm.id, this.leafKey[l]);
    let p = this.hhead[h];
    if (p === l) this.hhead[h] = this.leafHash[l];
    else {
      while (this.leafHash[p] !== l) p = this.leafHash[p];
      this.leafHash[p] = this.leafHash[l];
    }
    this.leafHash[l] = -1;
    const next = this.leafNext[l];
    const prev = this.leafPrev[l];
    if (prev >= 0) this.leafNext[prev] = next;
    else pm.leafHead = next;
    if (next >= 0) this.leafPrev[next] = prev;
    pm.leaves--;
    this.leafPmap[l] = 0;
    this.leafNext[l] = this.freeLeaf;
    this.freeLeaf = l;
    this.usedLeaves--;
  }

  /** Set entry `i`, which is 0, to map `ppn`. */
  set(i: number, ppn: number, prot: number): void {
    this.pte[i] = (ppn << PTE_SHIFT) | prot;
    const pages = this.pages;
    const head = pages.pvHead[ppn];
    this.pvNext[i] = head;
    this.pvPrev[i] = -1;
    if (head >= 0) this.pvPrev[head] = i;
    pages.pvHead[ppn] = i;
    pages.flags[ppn] |= PG.MAPPED;
    this.leafCount[i >> 9]++;
  }

  /** Clear entry `i`; the caller gives the leaf back when it is empty. */
  clear(i: number): void {
    const ppn = this.pte[i] >>> PTE_SHIFT;
    const next = this.pvNext[i];
    const prev = this.pvPrev[i];
    if (prev >= 0) this.pvNext[prev] = next;
    else this.pages.pvHead[ppn] = next;
    if (next >= 0) this.pvPrev[next] = prev;
    this.pte[i] = 0;
    this.leafCount[i >> 9]--;
  }

  /** The address that entry `i` is for. */
  vaOf(i: number): number {
    return this.leafKey[i >> 9] * LEAF_SPAN + (i & 511) * 4096;
  }
}
