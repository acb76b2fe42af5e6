/**
 * Block I/O in the global offset space: reads, and writes that are gathered.
 *
 * Blocks of one allocation class mostly follow each other on the medium, so small writes are collected in one run a class
 * and go out together. What is still in a run is read from there. A run whose write failed is kept and written again by
 * the next drain: nothing that was accepted here is lost by an error.
 */
import type { Blocking } from '../../sys/blocking.js';
import type { Errno } from '../../sys/errno.js';
import * as d from './disk.js';
import type { H2BlockIo } from './freemap.js';
import type { VolumeSet } from './volume.js';

const RUN_BYTES = 256 * 1024;
/**
 * Small blocks are read with all of their granule: inodes made one after the other are beside each other, and are mostly wanted
 * so. A granule lies in one volume.
 */
const CLUSTER = 16384;
const CLUSTERS = 64;
/** One run a blockref type. */
const LANES = 8;

class Run {
  len = 0;
  constructor(
    readonly off: number,
    readonly buf: Uint8Array,
  ) {}
}

export class H2Io implements H2BlockIo {
  private readonly open: (Run | null)[] = new Array<Run | null>(LANES).fill(null);
  /** Being written, or failed before. */
  private readonly closed: Run[] = [];
  private readonly spare: Uint8Array[] = [];
  /** Something was written since the last flush of the devices. */
  private unflushed = false;
  /** Clusters of small blocks read last, by offset; they never hold what is older than the last write there. */
  private readonly clusters = new Map<number, Uint8Array>();
  /** Counts writes, at begin and end. */
  private epoch = 0;
  readonly stats = { reads: 0, writes: 0, bytesRead: 0, bytesWritten: 0, flushes: 0 };

  constructor(readonly vols: VolumeSet) {}

  /** Copy from a run that holds all of [off, off + buf.length). */
  private pending(r: Run, off: number, buf: Uint8Array): boolean {
    if (off < r.off || off + buf.length > r.off + r.len) return false;
    buf.set(r.buf.subarray(off - r.off, off - r.off + buf.length));
    return true;
  }

  /**
   * @param fresh  from the device, whatever is in memory of it (what is gathered counts as on the device)
   * Sleeps: in the device.
   */
  *read(off: number, buf: Uint8Array, fresh = false): Blocking<Errno | null> {
    for (const r of this.open) if (r !== null && this.pending(r, off, buf)) return null;
    for (const r of this.closed) if (this.pending(r, off, buf)) return null;
    if (!fresh && buf.length < CLUSTER && (yield* this.readCluster(off, buf))) return null;
    this.stats.reads++;
    this.stats.bytesRead += buf.length;
    return yield* this.vols.read(off, buf);
  }

  /** A small block by way of the cluster it is in. False when that cannot be read: a neighbour may be what is bad. */
  private *readCluster(off: number, buf: Uint8Array): Blocking<boolean> {
    const o = off % CLUSTER;
    const base = off - o;
    if (o + buf.length > CLUSTER) return false;
    let c = this.clusters.get(base);
    if (c === undefined) {
      c = new Uint8Array(CLUSTER);
      const { epoch } = this;
      this.stats.reads++;
      this.stats.bytesRead += CLUSTER;
      if ((yield* this.vols.read(base, c)) !== null) return false;
      // Something was written meanwhile, perhaps here: good for this reader, who asks again if his block has moved.
      if (epoch === this.epoch) {
        if (this.clusters.size >= CLUSTERS) {
          for (const k of this.clusters.keys()) {
            this.clusters.delete(k);
            break;
          }
        }
        this.clusters.set(base, c);
      }
    }
    buf.set(c.subarray(o, o + buf.length));
    return true;
  }
  /** Read from the device, and keep nothing of what was read there before. Sleeps: in the device. */
  *reread(off: number, buf: Uint8Array): Blocking<Errno | null> {
    this.forget(off, buf.length);
    return yield* this.read(off, buf, true);
  }
  private forget(off: number, len: number): void {
    this.epoch++;
    for (let at = off - (off % CLUSTER); at < off + len; at += CLUSTER) this.clusters.delete(at);
  }

  /** Write through at once. */
  *write(off: number, buf: Uint8Array): Blocking<Errno | null> {
    this.unflushed = true;
    this.stats.writes++;
    this.stats.bytesWritten += buf.length;
    this.forget(off, buf.length);
    const e = yield* this.vols.write(off, buf);
    // Who has read while it was written may have got either.
    this.forget(off, buf.length);
    return e;
  }

  /**
   * Write a new block, gathered by lane (its blockref type). `buf` may be changed as soon as this returns.
   *
   * @returns null; an error of an earlier write of the lane, which is kept for drain() as this one is
   */
  *put(lane: number, off: number, buf: Uint8Array, len: number): Blocking<Errno | null> {
    let r = this.open[lane];
    let error: Errno | null = null;
    if (r !== null && (r.off + r.len !== off || r.len + len > RUN_BYTES)) {
      this.open[lane] = null;
      error = yield* this.writeRun(r);
      r = null;
    }
    if (r === null) this.open[lane] = r = new Run(off, this.spare.pop() ?? new Uint8Array(RUN_BYTES));
    r.buf.set(len === buf.length ? buf : buf.subarray(0, len), r.len);
    r.len += len;
    return error;
  }

  private *writeRun(r: Run): Blocking<Errno | null> {
    if (!this.closed.includes(r)) this.closed.push(r);
    const e = yield* this.write(r.off, r.buf.subarray(0, r.len));
    if (e !== null) return e;
    this.closed.splice(this.closed.indexOf(r), 1);
    if (this.spare.length < LANES) this.spare.push(r.buf);
    return null;
  }

  /** Write what is gathered, and what failed before. */
  *drain(): Blocking<Errno | null> {
    for (let i = 0; i < LANES; i++) {
      const r = this.open[i];
      if (r === null) continue;
      this.open[i] = null;
      this.closed.push(r);
    }
    let error: Errno | null = null;
    for (const r of [...this.closed]) error = (yield* this.writeRun(r)) ?? error;
    return error;
  }

  /** Drain, and make everything written so far durable. */
  *flush(): Blocking<Errno | null> {
    const e = yield* this.drain();
    if (e !== null) return e;
    if (!this.unflushed) return null;
    this.stats.flushes++;
    for (const v of this.vols.vols) {
      const f = yield* v.dev.flush();
      if (f !== null) return f;
    }
    this.unflushed = false;
    return null;
  }

  /** Size and place of a block are sane: null, or why not. */
  placeFault(dataOff: number, radix: number): string | null {
    const off = dataOff - radix;
    const size = 2 ** radix;
    if (radix < d.RADIX_MIN || radix > d.RADIX_MAX) return `radix ${radix}`;
    if (this.vols.find(off, size) === null) return 'offset out of range';
    if (off % 2 ** d.RADIX_MIN !== 0) return 'unaligned offset';
    if ((off % d.PBUFSIZE) + size > d.PBUFSIZE) return 'crosses a 64 KiB boundary';
    return null;
  }
}
