/**
 * Binary heap whose members know their place, so that any of them can be removed in O(log n).
 *
 * Used for callouts and for the user scheduler's queue. Order among equals is the caller's business: `before` must be
 * a total order (add a sequence number), or runs are not repeatable.
 */
export interface HeapItem {
  /** Index in the heap, or -1. Owned by the heap. */
  heapIdx: number;
}

export class Heap<T extends HeapItem> {
  private readonly a: T[] = [];

  constructor(private readonly before: (x: T, y: T) => boolean) {}

  get size(): number {
    return this.a.length;
  }
  top(): T | null {
    return this.a.length > 0 ? this.a[0] : null;
  }
  insert(x: T): void {
    this.a.push(x);
    this.up(x, this.a.length - 1);
  }
  /** Take `x` out; false when it is not in. */
  remove(x: T): boolean {
    const i = x.heapIdx;
    if (i < 0) return false;
    x.heapIdx = -1;
    const last = this.a.pop() as T;
    if (last !== x) {
      if (i > 0 && this.before(last, this.a[(i - 1) >> 1])) this.up(last, i);
      else this.down(last, i);
    }
    return true;
  }
  /** Members in no particular order. */
  items(): readonly T[] {
    return this.a;
  }

  private up(x: T, i: number): void {
    const { a, before } = this;
    while (i > 0) {
      const p = (i - 1) >> 1;
      if (!before(x, a[p])) break;
      a[i] = a[p];
      a[i].heapIdx = i;
      i = p;
    }
    a[i] = x;
    x.heapIdx = i;
  }
  private down(x: T, i: number): void {
    const { a, before } = this;
    for (;;) {
      let c = 2 * i + 1;
      if (c >= a.length) break;
      if (c + 1 < a.length && before(a[c + 1], a[c])) c++;
      if (!before(a[c], x)) break;
      a[i] = a[c];
      a[i].heapIdx = i;
      i = c;
    }
    a[i] = x;
    x.heapIdx = i;
  }
}
