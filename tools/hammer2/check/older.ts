/**
 * The trees below the older headers: readable, with the right check codes, as far as they differ from the newest one's.
 *
 * They are what is left if the newest header is lost. Nothing guarantees them after two passes of bulkfree, so damage there
 * is a warning.
 */
import { checkFault, placeFault } from './blocks.js';
import { crc32c } from './digest.js';
import type { Findings } from './report.js';
import { type Header, type VolumeSpace, readAt } from './volume.js';
import * as w from './wire.js';

export class Older {
  /** Blocks known to be good, with their sub-trees: by offset, check code and transaction. */
  private readonly good = new Set<string>();

  constructor(
    private readonly s: VolumeSpace,
    private readonly f: Findings,
  ) {}

  /** @param report  false for the newest header, whose faults are known */
  walk(h: Header, report: boolean): void {
    const where = `header ${h.index}`;
    const faults: string[] = [];
    this.set(h.b, h.v, 0x200, 4, 0, faults);
    this.set(h.b, h.v, 0x800, 4, 0, faults);
    if (faults.length > 0 && report) {
      this.f.warn(
        'old-header',
        where,
        `cannot be gone back to: ${faults.length} blocks below it are damaged or used again, the first: ${faults[0]}`,
      );
    }
  }

  private set(b: Uint8Array, v: DataView, base: number, n: number, depth: number, faults: string[]): void {
    for (let i = 0; i < n; i++) {
      const at = base + i * w.REF_BYTES;
      if (b[at] === w.T_EMPTY) continue;
      const r = w.ref(b, v, at);
      const freemap = r.type === w.T_FREEMAP_LEAF || r.type === w.T_FREEMAP_NODE;
      if (r.type > w.T_FREEMAP_LEAF || depth > 4 * 65) {
        faults.push(`${w.refText(r)}: does not belong here`);
        continue;
      }
      if (r.radix === 0) continue;
      const id = `${r.off} ${r.radix} ${b[at]} ${b[at + 1]} ${v.getBigUint64(at + 0x40, true)}`;
      if (this.good.has(id)) continue;
      const place = freemap ? (r.radix === 15 ? null : 'size') : placeFault(r, this.s);
      const block = place ?? readAt(this.s, r.off, r.size);
      let bad = typeof block === 'string' ? block : null;
      if (typeof block !== 'string') {
        if (freemap) bad = crc32c(block, 0, block.length) === v.getUint32(at + 0x40, true) ? null : 'check code';
        else bad = checkFault(r, block);
      }
      if (typeof block === 'string' || bad !== null) {
        faults.push(`${w.refText(r)}: ${bad}`);
        continue;
      }
      this.good.add(id);
      const bv = w.view(block);
      if (r.type === w.T_INDIRECT || r.type === w.T_FREEMAP_NODE)
        this.set(block, bv, 0, r.size / w.REF_BYTES, depth + 1, faults);
      else if (r.type === w.T_INODE && (block[0x51] & w.OP_DIRECTDATA) === 0)
        this.set(block, bv, 0x200, 4, depth + 1, faults);
    }
  }
}
