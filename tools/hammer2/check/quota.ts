/**
 * Quotas on directories (ours: reserved fields of the inode that other writers leave alone): each inode names the nearest
 * quota directory above it, and these count what is below. Volumes without quotas have zeros there. What is wrong is a
 * warning: another writer does not count, and `setquota` counts anew.
 */
import type { Inum } from './names.js';
import type { Findings, PfsReport } from './report.js';
import * as w from './wire.js';

interface Counted {
  /** The quota directory that counts it; 0: none. */
  readonly by: Inum;
  readonly active: boolean;
  readonly bytes: number;
  readonly usedBytes: number;
  readonly usedInodes: number;
  sumBytes: number;
  sumInodes: number;
}

export class QuotaCheck {
  private readonly list = new Map<Inum, Counted>();
  private any = false;
  private building: Inum = 0;

  constructor(
    private readonly f: Findings,
    private readonly pfs: PfsReport,
  ) {}

  /** @param bytes  of the blocks below the inode, as its blockref counts them */
  add(inum: Inum, b: Uint8Array, v: DataView, bytes: number): void {
    const q: Counted = {
      by: w.num64(v, 0xe8),
      active: b[0xf0] === 1,
      bytes,
      usedBytes: w.num64(v, 0xb8),
      usedInodes: w.num64(v, 0xc8),
      sumBytes: 0,
      sumInodes: 0,
    };
    this.list.set(inum, q);
    if (q.by !== 0 || b[0xf0] !== 0) this.any = true;
    const where = `PFS ${this.pfs.label}: inode ${w.hex(inum)}`;
    if (b[0xf0] > 1 || (q.active && b[0x50] !== w.O_DIR)) this.f.warn('quota', where, `quota state ${b[0xf0]}`);
    if (!q.active && (q.usedBytes !== 0 || q.usedInodes !== 0))
      this.f.warn('quota', where, 'counts for a quota, but is no quota directory');
    if (inum === 1) this.building = w.num64(v, 0xf8);
    else if (!w.zero(b, 0xf8, 0x100)) this.f.warn('reserved', where, 'inode bytes 0xf8-0xff are not zero');
  }

  finish(entries: readonly { dir: Inum; target: Inum; name: string }[]): void {
    if (this.building !== 0) {
      this.f.warn(
        'quota',
        `PFS ${this.pfs.label}`,
        `counting of directory ${w.hex(this.building)} was interrupted; a mount does it again`,
      );
      return;
    }
    if (!this.any) return;
    for (const e of entries) {
      const d = this.list.get(e.dir);
      const t = this.list.get(e.target);
      if (d === undefined || t === undefined) continue;
      const want = d.active ? e.dir : d.by;
      if (t.by !== want)
        this.f.warn(
          'quota',
          `PFS ${this.pfs.label}: inode ${w.hex(e.target)}`,
          `'${e.name}' is counted by directory ${w.hex(t.by)}, should be by ${w.hex(want)}`,
        );
    }
    for (const [inum, x] of this.list) {
      if (inum === 1) continue;
      let up = this.list.get(x.by);
      for (let n = 0; up !== undefined && n < 64; n++, up = this.list.get(up.by)) {
        up.sumBytes += x.bytes;
        up.sumInodes++;
      }
    }
    for (const [inum, q] of this.list) {
      if (!q.active || (q.usedBytes === q.sumBytes && q.usedInodes === q.sumInodes)) continue;
      this.f.warn(
        'quota',
        `PFS ${this.pfs.label}: inode ${w.hex(inum)}`,
        `quota counts ${q.usedBytes} bytes and ${q.usedInodes} inodes; there are ${q.sumBytes} and ${q.sumInodes}`,
      );
    }
  }
}
