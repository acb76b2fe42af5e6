/**
 * Filling a volume to its end, emptying it, again and again: removing always works, space comes back, and the checker finds
 * nothing at any point.
 */
import { expect } from 'chai';
import { runSync } from '../../vkernel/sys/blocking.js';
import { ENOSPC, Errno } from '../../vkernel/sys/errno.js';
import { Comp, ObjType } from '../../vkernel/vfs/hammer2/disk.js';
import { ByPath, CowDevice, defaults, faults, freshVolume, openRw } from './hammer2_rw.js';
import { must } from './hammer2_tree.js';

const MIB = 1024 * 1024;

export interface FillOptions {
  /** Bytes of each file. */
  readonly size: number;
  readonly rounds: number;
  readonly volumeBytes: number;
  /** In every other round a snapshot holds what is removed, until the end of the round. */
  readonly snapshots: boolean;
}

/** @returns files that fitted, by round */
export function fillAndEmpty(o: FillOptions): number[] {
  // Not the bare one, which takes very many reads for a loop.
  const dev = new CowDevice(freshVolume(o.volumeBytes));
  const fs = openRw(dev, { dedup: () => false, log: (l) => expect(l).to.match(/out of space: bulkfree gave back/) });
  const m = new ByPath(must(runSync(fs.mount('DATA')), 'mount'));
  must(runSync(m.p.setcomp(1, Comp.NONE, 0)) ?? 0);
  must(runSync(fs.sync()) ?? 0);
  const free = (): number => fs.statfs().bfree * 65536;
  const empty = free();
  const b = new Uint8Array(o.size).map((_, i) => i * 31 + 1);
  const rounds: number[] = [];
  for (let round = 0; round < o.rounds; round++) {
    const where = `round ${round}`;
    let n = 0;
    for (; ; n++) {
      const f = runSync(m.p.create(1, `f${n}`, { ...defaults, type: ObjType.REGFILE }));
      const r = f instanceof Errno ? f : runSync(m.p.write(f, 0, b, 0, b.length));
      if (r === ENOSPC) break;
      must(r, where);
      if (n % 200 === 199) must(runSync(fs.sync()) ?? 0, where);
    }
    rounds.push(n);
    must(runSync(fs.sync()) ?? 0, where);
    expect(faults(dev), `${where}, full`).to.deep.equal([]);
    expect(Buffer.compare(m.read(`f${n - 1}`), b)).to.equal(0);
    // What is removed is still held by the snapshot: two copies of the names have to fit.
    const snap = o.snapshots && round % 2 === 1;
    let snapped = snap;
    if (snap) must(runSync(fs.snapshot('DATA', 's')) ?? 0, `${where}: snapshot`);
    // Bulkfree gets through on a full volume, and finds nothing to free but old metadata.
    if (round % 4 > 1) must(runSync(fs.bulkfree()), `${where}: bulkfree when full`);
    for (let i = 0; i <= n; i++) {
      if (m.tryInum(`f${i}`) instanceof Errno) continue;
      let r = runSync(m.p.unlink(1, `f${i}`));
      if (r === ENOSPC && snapped) {
        // Removing what a snapshot holds frees nothing and needs a second copy of the names: with many small files the
        // reserve may not do. Then deleting the snapshot does, which always works.
        must(runSync(fs.pfsDelete('s')) ?? 0, `${where}: delete the snapshot when full`);
        snapped = false;
        r = runSync(m.p.unlink(1, `f${i}`));
      }
      must(r ?? 0, `${where}: unlink f${i} of ${n}`);
    }
    if (snapped) must(runSync(fs.pfsDelete('s')) ?? 0, `${where}: delete the snapshot`);
    must(runSync(fs.bulkfree()), `${where}: bulkfree`);
    expect(faults(dev), `${where}, empty`).to.deep.equal([]);
    expect(free(), `${where}: free bytes of ${empty}`).to.be.greaterThan(empty - MIB / 2);
  }
  return rounds;
}
