/** Finding an inode of a PFS on the disk as it is: for stat and printinode, which show what the library's interface hides. */
import type { Reader } from './check/check.js';
import { type Report, Findings, newReport } from './check/report.js';
import { type VolumeSpace, openVolumes, readAt } from './check/volume.js';
import * as w from './check/wire.js';

export interface Located {
  readonly ref: w.Ref;
  readonly block: Uint8Array;
}

export class Locator {
  private readonly s: VolumeSpace;

  /** Throws when there is no file system. */
  constructor(devs: readonly Reader[]) {
    const r: Report = newReport();
    const s = openVolumes(devs, new Findings(r, 0), r);
    if (s === null) throw new Error(r.fatal ?? 'no HAMMER2 file system');
    this.s = s;
  }

  private *slots(b: Uint8Array, base: number, n: number, key: bigint | null, depth = 0): Generator<Located> {
    const v = w.view(b);
    for (let i = 0; i < n && depth < 70; i++) {
      const at = base + 128 * i;
      if (b[at] !== w.T_INODE && b[at] !== w.T_INDIRECT) continue;
      const r = w.ref(b, v, at);
      if (key !== null && (key < r.key || key > r.end)) continue;
      if (r.radix < 10 || r.radix > 16) continue;
      const block = readAt(this.s, r.off, r.size);
      if (typeof block === 'string') continue;
      if (r.type === w.T_INODE) yield { ref: r, block };
      else yield* this.slots(block, 0, r.size / 128, key, depth + 1);
    }
  }

  /** @param label  one char per byte; inum 1 is the root */
  inode(label: string, inum: number): Located | null {
    for (const sup of this.slots(this.s.best.b, 0x200, 4, 0n)) {
      for (const root of this.slots(sup.block, 0x200, 4, null)) {
        const len = w.view(root.block).getUint16(0x80, true);
        if (String.fromCharCode(...root.block.subarray(0x100, 0x100 + Math.min(256, len))) !== label) continue;
        if (inum === 1) return root;
        for (const x of this.slots(root.block, 0x200, 4, BigInt(inum))) return x;
        return null;
      }
    }
    return null;
  }
}
