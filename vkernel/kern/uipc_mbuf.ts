/**
 * Mbufs: pieces of network data.
 *
 * An Mbuf is a view of a cluster; several may share one (a segment in flight and the copy kept for retransmission), so a cluster counts
 * its views and goes back to its free list with the last. Data in a cluster is written once, by the view that allocated it, and
 * never changed afterwards. A chain is owned by whoever holds its head.
 *
 * Counterpart: sys/kern/uipc_mbuf.c
 */
import { gd } from '../sys/globaldata.js';
import { type Uio, uiomove, uiomoveB } from '../vm/uio.js';
import type { Blocking } from '../sys/blocking.js';
import type { Errno } from '../sys/errno.js';

export const MSMALL = 2048;
export const MLARGE = 16384;
const MAX_FREE = 256;

class Cluster {
  refs = 0;
  constructor(readonly data: Uint8Array) {}
}

declare module '../sys/globaldata.js' {
  interface GlobalData {
    /** Mbufs in use, for leak checks and netstat; undefined before the first. */
    mbufs?: number;
  }
}

export class Mbuf {
  next: Mbuf | null = null;
  off = 0;
  len = 0;
  constructor(public ext: Cluster) {}
  get data(): Uint8Array {
    return this.ext.data;
  }
}

/** Free clusters by size, and free mbufs (whose `ext` is stale). Contents are never seen: views cover what was written. */
const freeSmall: Cluster[] = [];
const freeLarge: Cluster[] = [];
const freeMbufs: Mbuf[] = [];

function viewOf(c: Cluster, off: number, len: number): Mbuf {
  const m = freeMbufs.pop() ?? new Mbuf(c);
  m.ext = c;
  m.off = off;
  m.len = len;
  m.next = null;
  c.refs++;
  gd.mbufs = (gd.mbufs ?? 0) + 1;
  return m;
}

/** A fresh mbuf with room for `size` bytes, at most MLARGE; its len is 0. */
export function mget(size: number): Mbuf {
  const c =
    size <= MSMALL
      ? (freeSmall.pop() ?? new Cluster(new Uint8Array(MSMALL)))
      : (freeLarge.pop() ?? new Cluster(new Uint8Array(MLARGE)));
  return viewOf(c, 0, 0);
}

export function mfree(m: Mbuf): Mbuf | null {
  const next = m.next;
  const c = m.ext;
  if (--c.refs === 0) {
    const list = c.data.length === MSMALL ? freeSmall : freeLarge;
    if (list.length < MAX_FREE) list.push(c);
  }
  m.next = null;
  gd.mbufs = (gd.mbufs ?? 0) - 1;
  if (freeMbufs.length < 4 * MAX_FREE) freeMbufs.push(m);
  return next;
}

export function mfreem(m: Mbuf | null): void {
  while (m !== null) m = mfree(m);
}

export function mlength(m: Mbuf | null): number {
  let n = 0;
  for (; m !== null; m = m.next) n += m.len;
  return n;
}

/** Views of bytes [off, off + len) of a chain that is that long; shares the clusters. */
export function mcopym(m: Mbuf | null, off: number, len: number): Mbuf | null {
  let head: Mbuf | null = null;
  let tail: Mbuf | null = null;
  for (; m !== null && len > 0; m = m.next) {
    if (off >= m.len) {
      off -= m.len;
      continue;
    }
    const n = Math.min(m.len - off, len);
    const c = viewOf(m.ext, m.off + off, n);
    off = 0;
    len -= n;
    if (tail === null) head = c;
    else tail.next = c;
    tail = c;
  }
  return head;
}

/** Cut `n` bytes off the front; the rest of the chain, null when nothing is left. */
export function madjFront(m: Mbuf | null, n: number): Mbuf | null {
  while (m !== null && n >= m.len) {
    n -= m.len;
    m = mfree(m);
  }
  if (m !== null) {
    m.off += n;
    m.len -= n;
  }
  return m;
}

/** Keep the first `n` bytes. */
export function mtrim(m: Mbuf | null, n: number): Mbuf | null {
  if (n <= 0) {
    mfreem(m);
    return null;
  }
  for (let x = m; x !== null; x = x.next) {
    if (x.len >= n) {
      x.len = n;
      mfreem(x.next);
      x.next = null;
      break;
    }
    n -= x.len;
  }
  return m;
}

/** Room that mgethdr leaves in front: link, IP and extension headers. */
const HEADROOM = 192;

/** A fresh mbuf for a transport header, with room in front for mprepend and MSMALL - HEADROOM bytes after it. */
export function mgethdr(): Mbuf {
  const m = mget(MSMALL);
  m.off = HEADROOM;
  return m;
}

/** Put `n` unwritten bytes in front; the new head. In place when nobody else views the cluster. */
export function mprepend(m: Mbuf, n: number): Mbuf {
  if (m.off >= n && m.ext.refs === 1) {
    m.off -= n;
    m.len += n;
    return m;
  }
  const h = mget(HEADROOM + n);
  h.off = HEADROOM;
  h.len = n;
  h.next = m;
  return h;
}

/** Make the first `n` (up to MSMALL) bytes contiguous; the new head. Null, and all freed, when there are fewer. */
export function mpullup(m: Mbuf, n: number): Mbuf | null {
  if (m.len >= n) return m;
  if (mlength(m) < n) {
    mfreem(m);
    return null;
  }
  const h = mget(n);
  mcopydata(m, 0, h.data, 0, n);
  h.len = n;
  h.next = madjFront(m, n);
  return h;
}

/** Copy `n` bytes from `off` on into `to` at `at`. The chain is that long. */
export function mcopydata(m: Mbuf | null, off: number, to: Uint8Array, at: number, n: number): void {
  for (; m !== null && n > 0; m = m.next) {
    if (off >= m.len) {
      off -= m.len;
      continue;
    }
    const k = Math.min(m.len - off, n);
    to.set(m.data.subarray(m.off + off, m.off + off + k), at);
    at += k;
    n -= k;
    off = 0;
  }
}

/** Append `b` to `a`; the head. */
export function mcat(a: Mbuf | null, b: Mbuf | null): Mbuf | null {
  if (a === null) return b;
  let t = a;
  while (t.next !== null) t = t.next;
  t.next = b;
  return a;
}

/** Copy a chain out flat. */
export function mflat(m: Mbuf | null): Uint8Array {
  const out = new Uint8Array(mlength(m));
  for (let at = 0; m !== null; m = m.next) {
    out.set(m.data.subarray(m.off, m.off + m.len), at);
    at += m.len;
  }
  return out;
}

/** A chain with a copy of these bytes. */
export function mfrom(b: Uint8Array): Mbuf | null {
  let head: Mbuf | null = null;
  let tail: Mbuf | null = null;
  for (let at = 0; at < b.length;) {
    const m = mget(b.length - at);
    m.len = Math.min(m.data.length, b.length - at);
    m.data.set(b.subarray(at, at + m.len));
    at += m.len;
    if (tail === null) head = m;
    else tail.next = m;
    tail = m;
  }
  return head;
}

/** Take `n` bytes of a uio for writing; an errno (EFAULT, NOTNOW) leaves no mbufs behind. Null for no bytes. */
export function muio(uio: Uio, n: number): Mbuf | Errno | null {
  let head: Mbuf | null = null;
  let tail: Mbuf | null = null;
  while (n > 0) {
    const m = mget(n);
    m.len = Math.min(m.data.length, n);
    if (tail === null) head = m;
    else tail.next = m;
    tail = m;
    const e = uiomove(m.data, 0, m.len, uio);
    if (e !== null) {
      mfreem(head);
      return e;
    }
    n -= m.len;
  }
  return head;
}
export function* muioB(uio: Uio, n: number): Blocking<Mbuf | Errno | null> {
  let head: Mbuf | null = null;
  let tail: Mbuf | null = null;
  while (n > 0) {
    const m = mget(n);
    m.len = Math.min(m.data.length, n);
    if (tail === null) head = m;
    else tail.next = m;
    tail = m;
    const e = yield* uiomoveB(m.data, 0, m.len, uio);
    if (e !== null) {
      mfreem(head);
      return e;
    }
    n -= m.len;
  }
  return head;
}
