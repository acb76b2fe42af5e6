/**
 * Logical blocks of file data in memory, 64 KiB each: the dirty ones until they are written, and a few clean ones for
 * small and unaligned reads (page-sized readers have a page cache above).
 */
import { PBUFSIZE } from './disk.js';
import type { InodeCore } from './inode.js';

export class DataBuf {
  dirty = false;
  /** Dirty: the block on disk set aside for it (data_off), large enough for all that is not zero in it. */
  place = 0;
  /** Dirty: bytes held against quotas for it, see quota.ts. */
  due = 0;
  prev: DataBuf | null = null;
  next: DataBuf | null = null;
  constructor(
    readonly core: InodeCore,
    readonly lbn: number,
    /** 65536 bytes; zero past the end of the file. */
    readonly buf: Uint8Array,
  ) {}
}

export class DataCache {
  dirtyCount = 0;
  private clean = 0;
  private head: DataBuf | null = null;
  private tail: DataBuf | null = null;
  private readonly spare: Uint8Array[] = [];

  /** Takes places back that are not needed. */
  onRelease: (dataOff: number) => void = () => {};

  /** @param maxSpare  buffers kept for reuse: allocating one costs as much as writing it to memory */
  constructor(
    private readonly maxClean: number,
    private readonly maxSpare = 256,
  ) {}

  get dirtyBytes(): number {
    return this.dirtyCount * PBUFSIZE;
  }

  /** A buffer of any contents. */
  take(): Uint8Array {
    return this.spare.pop() ?? new Uint8Array(PBUFSIZE);
  }
  give(b: Uint8Array): void {
    if (this.spare.length < this.maxSpare) this.spare.push(b);
  }

  /** A block comes into memory, clean. */
  add(core: InodeCore, lbn: number, buf: Uint8Array): DataBuf {
    const b = new DataBuf(core, lbn, buf);
    core.bufs.set(lbn, b);
    this.pushFront(b);
    return b;
  }
  markDirty(b: DataBuf): void {
    if (b.dirty) return;
    this.unlink(b);
    b.dirty = true;
    this.dirtyCount++;
  }
  markClean(b: DataBuf): void {
    this.setDue(b, 0);
    b.dirty = false;
    this.dirtyCount--;
    this.pushFront(b);
  }
  touch(b: DataBuf): void {
    if (b.dirty || this.head === b) return;
    this.unlink(b);
    this.pushFront(b);
  }
  release(b: DataBuf): void {
    if (b.place !== 0) this.onRelease(b.place);
    b.place = 0;
  }
  setDue(b: DataBuf, bytes: number): void {
    if (bytes === b.due) return;
    b.core.node.pfs?.quotas.due(b.core.node, bytes - b.due);
    b.due = bytes;
  }
  /** Out of memory, dirty or not. */
  drop(b: DataBuf): void {
    this.setDue(b, 0);
    this.release(b);
    if (b.dirty) this.dirtyCount--;
    else this.unlink(b);
    b.core.bufs.delete(b.lbn);
    this.give(b.buf);
  }
  dropAll(core: InodeCore): void {
    for (const b of [...core.bufs.values()]) this.drop(b);
  }
  trim(): void {
    while (this.clean > this.maxClean && this.tail !== null) this.drop(this.tail);
  }

  private pushFront(b: DataBuf): void {
    this.clean++;
    b.prev = null;
    b.next = this.head;
    if (this.head !== null) this.head.prev = b;
    else this.tail = b;
    this.head = b;
  }
  private unlink(b: DataBuf): void {
    this.clean--;
    if (b.prev !== null) b.prev.next = b.next;
    else this.head = b.next;
    if (b.next !== null) b.next.prev = b.prev;
    else this.tail = b.prev;
    b.prev = b.next = null;
  }
}
