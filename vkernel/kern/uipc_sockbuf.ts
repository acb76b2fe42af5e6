/**
 * Socket buffers: a list of records, each a chain of mbufs with, in front, the sender's address and control messages.
 *
 * A stream has one record as long as no control message comes along; a datagram is a record, also when empty. `cc` counts data
 * bytes, `mbcnt` adds a charge for each record, so that empty datagrams are bounded too.
 *
 * Counterpart: sys/kern/uipc_sockbuf.c
 */
import { Klist } from './kern_knote.js';
import { WaitQ, wakeup } from './lwkt_thread.js';
import { type Mbuf, madjFront, mfreem, mlength } from './uipc_mbuf.js';
import type { File } from './file.js';

/** What a record costs beside its data. */
const REC_CHARGE = 256;
/** Most that SO_SNDBUF and SO_RCVBUF may ask for: kern.ipc.maxsockbuf. */
export const SB_MAX = 2 * 1024 * 1024;

/** One control message: its payload, or the files that SCM_RIGHTS carries. */
export interface Control {
  readonly level: number;
  readonly type: number;
  readonly data: Uint8Array;
  files: File[] | null;
}

export class SbRec {
  m: Mbuf | null = null;
  tail: Mbuf | null = null;
  len = 0;
  eor = false;
  next: SbRec | null = null;
  constructor(
    readonly addr: Uint8Array | null,
    public control: Control[] | null,
  ) {}
}

export class Sockbuf {
  head: SbRec | null = null;
  last: SbRec | null = null;
  cc = 0;
  mbcnt = 0;
  lowat = 1;
  timeoNs = 0;
  /** Held by a reader or writer across its sleeps. */
  busy = false;
  /** A flush came while busy. */
  flush = false;
  readonly q = new WaitQ();
  readonly klist = new Klist();
  constructor(public hiwat: number) {}

  get space(): number {
    return this.mbcnt > this.hiwat * 4 ? 0 : Math.max(0, this.hiwat - this.cc);
  }
  notify(): void {
    if (this.q.head !== null) wakeup(this.q);
    if (this.klist.head !== null) this.klist.notify();
  }
  unlock(dispose: (c: Control[]) => void): void {
    this.busy = false;
    if (this.flush) sbflush(this, dispose);
    if (this.q.head !== null) wakeup(this.q);
  }
}

function addRec(sb: Sockbuf, r: SbRec): void {
  if (sb.last === null) sb.head = r;
  else sb.last.next = r;
  sb.last = r;
  sb.mbcnt += REC_CHARGE;
}

function appendTo(sb: Sockbuf, r: SbRec, m: Mbuf | null): void {
  if (m === null) return;
  const n = mlength(m);
  if (r.tail === null) r.m = m;
  else r.tail.next = m;
  while (m.next !== null) m = m.next;
  r.tail = m;
  r.len += n;
  sb.cc += n;
}

/** Append stream data; takes `m`. */
export function sbappendstream(sb: Sockbuf, m: Mbuf | null, control: Control[] | null = null): void {
  let r = sb.last;
  if (r === null || control !== null) addRec(sb, (r = new SbRec(null, control)));
  appendTo(sb, r, m);
}

/** Append a record; takes `m` and `control`. The caller has looked at `space`. */
export function sbappendrecord(
  sb: Sockbuf,
  addr: Uint8Array | null,
  m: Mbuf | null,
  control: Control[] | null,
  eor: boolean,
): void {
  const r = new SbRec(addr, control);
  r.eor = eor;
  addRec(sb, r);
  appendTo(sb, r, m);
}

/** Drop `n` data bytes from the front of a stream; records that are used up go. */
export function sbdrop(sb: Sockbuf, n: number): void {
  for (let r = sb.head; r !== null; r = sb.head) {
    const k = Math.min(n, r.len);
    if (k > 0) {
      r.m = madjFront(r.m, k);
      if (r.m === null) r.tail = null;
      r.len -= k;
      sb.cc -= k;
      n -= k;
    }
    if (r.len > 0 || r.control !== null) return;
    sbdroprecord(sb);
  }
}

export function sbdroprecord(sb: Sockbuf): void {
  const r = sb.head;
  if (r === null) return;
  mfreem(r.m);
  sb.cc -= r.len;
  sb.mbcnt -= REC_CHARGE;
  sb.head = r.next;
  if (sb.head === null) sb.last = null;
}

/** Throw everything away; `dispose` gets control messages that hold files. */
export function sbflush(sb: Sockbuf, dispose: (c: Control[]) => void): void {
  if (sb.busy) {
    sb.flush = true;
    return;
  }
  sb.flush = false;
  while (sb.head !== null) {
    const { control } = sb.head;
    sbdroprecord(sb);
    if (control !== null) dispose(control);
  }
}
