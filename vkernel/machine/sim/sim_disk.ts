/**
 * Simulated disks: memory with a volatile write cache, delays that reorder, faults on demand, and power cuts that lose and tear writes.
 */
import { EIO, EROFS, ENXIO, type Errno } from '../../sys/errno.js';
import { DiskOp, type MachDisk } from '../machine.js';
import type { SimMachine } from './sim_machine.js';

const SECTOR = 512;

export interface SimDiskOptions {
  readonly name?: string;
  readonly serno?: string;
  /** Size, or the initial contents (copied). */
  readonly sizeBytes?: number;
  readonly data?: Uint8Array;
  readonly readonly?: boolean;
  /** Delay of a transfer, chosen between these by the seed. */
  readonly minDelayNs?: number;
  readonly maxDelayNs?: number;
  /** An errno makes the transfer fail without effect. Asked when it completes. */
  readonly fault?: (op: DiskOp, off: number, len: number) => Errno | null;
  /** Probability of EIO for each transfer. */
  readonly failRate?: number;
  /** Keep every write in `writes`, for crash tests. */
  readonly record?: boolean;
}

export interface SimWrite {
  readonly off: number;
  readonly data: Uint8Array;
  /** Flushes completed before this write. */
  readonly flushes: number;
}

export class SimDisk implements MachDisk {
  readonly name: string;
  readonly serno: string;
  readonly sizeBytes: number;
  readonly readonly: boolean;
  /** What reads see. */
  readonly contents: Uint8Array;
  /** Every write that completed, when recording. */
  readonly writes: SimWrite[] = [];
  flushes = 0;
  /** May be changed by the test at any time. */
  fault: SimDiskOptions['fault'];
  failRate: number;
  /** Old contents of what has been written since the last flush: undo log, oldest first. */
  private unflushed: { off: number; old: Uint8Array; data: Uint8Array }[] = [];
  private readonly record: boolean;
  private readonly minDelayNs: number;
  private readonly maxDelayNs: number;
  /** Initial contents, kept when recording. */
  private readonly initial: Uint8Array | null;

  constructor(
    private readonly sim: SimMachine,
    index: number,
    o: SimDiskOptions,
  ) {
    this.name = o.name ?? 'vkd' + index;
    this.serno = o.serno ?? 'SIM' + index;
    const size = o.data?.length ?? o.sizeBytes ?? 8 * 2 ** 20;
    this.sizeBytes = Math.ceil(size / SECTOR) * SECTOR;
    this.contents = new Uint8Array(this.sizeBytes);
    if (o.data !== undefined) this.contents.set(o.data);
    this.readonly = o.readonly ?? false;
    this.fault = o.fault;
    this.failRate = o.failRate ?? 0;
    this.record = o.record ?? false;
    this.initial = this.record ? this.contents.slice() : null;
    this.minDelayNs = o.minDelayNs ?? 20_000;
    this.maxDelayNs = o.maxDelayNs ?? 200_000;
  }

  submit(op: DiskOp, off: number, pa: number, lenBytes: number, cookie: number): void {
    const { sim } = this;
    const what = `${this.name} ${['read', 'write', 'flush'][op]} ${off}+${lenBytes}`;
    if (op !== DiskOp.FLUSH) {
      if (off % SECTOR !== 0 || lenBytes % SECTOR !== 0 || lenBytes <= 0 || pa < 0)
        throw new Error(`sim: ${what}: bad transfer`);
      if (pa + lenBytes > sim.ram.npages * 4096) throw new Error(`sim: ${what}: outside RAM`);
    }
    sim.say(`${what} submit ${cookie}`);
    // The device may fetch the data at once or at the end: a buffer changed in flight shows under some seed.
    let early: Uint8Array | null = null;
    if (op === DiskOp.WRITE && sim.prng.chance(0.5)) early = this.fetch(pa, lenBytes);
    const delay = this.minDelayNs + sim.prng.below(this.maxDelayNs - this.minDelayNs + 1);
    sim.at(sim.now() + delay, () => {
      const e = this.finish(op, off, pa, lenBytes, early);
      sim.say(`${what} done ${cookie} ${e === null ? 'ok' : e.name}`);
      sim.handlers.onDiskDone(cookie, e);
    });
  }

  private fetch(pa: number, len: number): Uint8Array {
    const d = new Uint8Array(len);
    // Segment limits: page by page.
    for (let i = 0; i < len;) {
      const n = Math.min(len - i, 4096 - ((pa + i) % 4096));
      this.sim.ram.read(pa + i, d, i, n);
      i += n;
    }
    return d;
  }

  private finish(op: DiskOp, off: number, pa: number, len: number, early: Uint8Array | null): Errno | null {
    const e = this.fault?.(op, off, len) ?? null;
    if (e !== null) return e;
    if (this.failRate > 0 && this.sim.prng.chance(this.failRate)) return EIO;
    if (op === DiskOp.FLUSH) {
      this.flushes++;
      this.unflushed = [];
      return null;
    }
    if (off < 0 || off + len > this.sizeBytes) return ENXIO;
    if (op === DiskOp.READ) {
      for (let i = 0; i < len;) {
        const n = Math.min(len - i, 4096 - ((pa + i) % 4096));
        this.sim.ram.write(pa + i, this.contents, off + i, n);
        i += n;
      }
      return null;
    }
    if (this.readonly) return EROFS;
    const data = early ?? this.fetch(pa, len);
    this.unflushed.push({ off, old: this.contents.slice(off, off + len), data });
    this.contents.set(data, off);
    if (this.record) this.writes.push({ off, data, flushes: this.flushes });
    return null;
  }

  /**
   * The disk after a power cut: what was flushed, and of the rest each sector or not, as the seed has it. Overlapping unflushed writes
   * arrive in any order.
   */
  crashImage(): Uint8Array {
    const img = this.contents.slice();
    for (let i = this.unflushed.length - 1; i >= 0; i--) img.set(this.unflushed[i].old, this.unflushed[i].off);
    const rest = this.unflushed.slice();
    const { prng } = this.sim;
    while (rest.length > 0) {
      const [w] = rest.splice(prng.below(rest.length), 1);
      const fate = prng.below(3);
      for (let s = 0; s < w.data.length; s += SECTOR)
        if (fate === 0 || (fate === 1 && prng.chance(0.5))) img.set(w.data.subarray(s, s + SECTOR), w.off + s);
    }
    return img;
  }

  /** The disk after its first `n` writes (needs `record`). */
  imageAfter(n: number): Uint8Array {
    if (this.initial === null) throw new Error('sim: disk does not record');
    const img = this.initial.slice();
    for (const w of this.writes.slice(0, n)) img.set(w.data, w.off);
    return img;
  }
}
