/**
 * Guest RAM: one memfd (host) or plain memory (simulated), seen from JavaScript as segments of at most 1 GiB, because
 * one external ArrayBuffer over 4 GiB aborts Node.
 *
 * Physical addresses are byte offsets from the start of RAM (`pa`); page numbers are `ppn` = pa / 4096. No access here
 * crosses a page unless said so; pages never straddle segments.
 */
export const PAGE_SIZE = 4096;
export const PAGE_SHIFT = 12;
export const PAGE_MASK = PAGE_SIZE - 1;
/** Segment size: 1 GiB. */
export const SEG_SHIFT = 30;
const SEG_BYTES = 2 ** SEG_SHIFT;
/** Multiplying beats dividing, and `%` on numbers that are not small integers is a call (40 ns). */
const SEG_INV = 1 / SEG_BYTES;

export class GuestRam {
  readonly npages: number;
  readonly u8: readonly Uint8Array[];
  readonly views: readonly DataView[];
  readonly i32: readonly Int32Array[];

  /** @param segments buffers of 1 GiB each, the last possibly shorter; each a multiple of 4096 bytes */
  constructor(readonly segments: readonly (ArrayBuffer | SharedArrayBuffer)[]) {
    this.u8 = segments.map((s) => new Uint8Array(s));
    this.views = segments.map((s) => new DataView(s));
    this.i32 = segments.map((s) => new Int32Array(s));
    this.npages = segments.reduce((n, s) => n + s.byteLength / PAGE_SIZE, 0);
  }

  /** Index of the segment holding physical address `pa`. */
  seg(pa: number): number {
    return (pa * SEG_INV) | 0;
  }
  /** Offset of `pa` within its segment. */
  segOff(pa: number): number {
    return pa - ((pa * SEG_INV) | 0) * SEG_BYTES;
  }

  /** Copy out of RAM; the range must lie in one segment. */
  read(pa: number, dst: Uint8Array, dstOff: number, len: number): void {
    const s = this.seg(pa);
    const o = this.segOff(pa);
    const src = this.u8[s];
    if (len < 64) for (let i = 0; i < len; i++) dst[dstOff + i] = src[o + i];
    else dst.set(src.subarray(o, o + len), dstOff);
  }
  /** Copy into RAM; the range must lie in one segment. */
  write(pa: number, src: Uint8Array, srcOff: number, len: number): void {
    const s = this.seg(pa);
    const o = this.segOff(pa);
    const dst = this.u8[s];
    if (len < 64) for (let i = 0; i < len; i++) dst[o + i] = src[srcOff + i];
    else dst.set(src.subarray(srcOff, srcOff + len), o);
  }
  fill(pa: number, value: number, len: number): void {
    const o = this.segOff(pa);
    this.u8[this.seg(pa)].fill(value, o, o + len);
  }
  /** A view of a range in one segment. For cold paths: it allocates. */
  bytes(pa: number, len: number): Uint8Array {
    const o = this.segOff(pa);
    return this.u8[this.seg(pa)].subarray(o, o + len);
  }
  zeroPage(ppn: number): void {
    this.fill(ppn * PAGE_SIZE, 0, PAGE_SIZE);
  }
  copyPage(fromPpn: number, toPpn: number): void {
    const f = fromPpn * PAGE_SIZE;
    this.write(toPpn * PAGE_SIZE, this.u8[this.seg(f)], this.segOff(f), PAGE_SIZE);
  }
}
