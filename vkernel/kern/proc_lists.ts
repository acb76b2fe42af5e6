/**
 * Where processes and groups are kept: tables by id, and lists threaded through their members.
 *
 * With a million processes a Map or a Set costs several cache misses an operation; these cost one or two, and nothing for
 * those made one after the other.
 */

/** Things by small integer, made in ascending order as a rule. Like a Map, in the order of the numbers. */
export class PidTable<T extends object> {
  private readonly at: (T | null)[] = [];
  size = 0;

  get(id: number): T | undefined {
    return this.at[id] ?? undefined;
  }
  has(id: number): boolean {
    return id < this.at.length && this.at[id] !== null;
  }
  set(id: number, item: T): void {
    while (this.at.length <= id) this.at.push(null);
    if (this.at[id] === null) this.size++;
    this.at[id] = item;
  }
  delete(id: number): void {
    if (!this.has(id)) return;
    this.at[id] = null;
    this.size--;
  }
  *values(): IterableIterator<T> {
    for (const item of this.at) if (item !== null) yield item;
  }
}

/** Links of an item on one list. */
export class Link<T> {
  prev: T | null = null;
  next: T | null = null;
  /** The list it is on. */
  list: LinkedList<T> | null = null;
}

/**
 * A list of items that have a Link each. Iteration may remove the item it is at, and no other.
 */
export class LinkedList<T> {
  head: T | null = null;
  tail: T | null = null;
  size = 0;

  constructor(private readonly link: (item: T) => Link<T>) {}

  add(item: T): void {
    const l = this.link(item);
    if (l.list !== null) {
      if (l.list === this) return;
      l.list.delete(item);
    }
    l.list = this;
    l.prev = this.tail;
    if (this.tail === null) this.head = item;
    else this.link(this.tail).next = item;
    this.tail = item;
    this.size++;
  }
  has(item: T): boolean {
    return this.link(item).list === this;
  }
  delete(item: T): void {
    const l = this.link(item);
    if (l.list !== this) return;
    if (l.prev === null) this.head = l.next;
    else this.link(l.prev).next = l.next;
    if (l.next === null) this.tail = l.prev;
    else this.link(l.next).prev = l.prev;
    l.list = null;
    l.prev = null;
    l.next = null;
    this.size--;
  }
  *[Symbol.iterator](): IterableIterator<T> {
    for (let item = this.head; item !== null;) {
      const { next } = this.link(item);
      yield item;
      item = next;
    }
  }
}
