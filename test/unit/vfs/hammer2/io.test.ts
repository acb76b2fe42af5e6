/** Block I/O of the library: small reads by granule, never older than what was written, and no worse than before on bad media. */
import { expect } from 'chai';
import { type Blocking, runSync } from '../../../../vkernel/sys/blocking.js';
import { EIO, type Errno } from '../../../../vkernel/sys/errno.js';
import { ObjType } from '../../../../vkernel/vfs/hammer2/disk.js';
import { Rng } from '../../../support/hammer2_model.js';
import { ByPath, CowDevice, freshVolume, openRw } from '../../../support/hammer2_rw.js';
import { must } from '../../../support/hammer2_tree.js';

const MIB = 1024 * 1024;

/** A device with one bad sector. */
class Scratched extends CowDevice {
  bad = -1;
  override *read(off: number, buf: Uint8Array): Blocking<Errno | null> {
    if (this.bad >= off && this.bad < off + buf.length) return EIO;
    return yield* super.read(off, buf);
  }
}

describe('hammer2 block I/O', () => {
  it('reads many small blocks in one go', () => {
    const dev = freshVolume(128 * MIB);
    const first = openRw(dev);
    const m = new ByPath(must(runSync(first.mount('DATA'))));
    for (let i = 0; i < 2000; i++) m.create(`f${i}`, { type: ObjType.REGFILE });
    must(runSync(first.close()) ?? 0);
    const fs = openRw(dev);
    const q = new ByPath(must(runSync(fs.mount('DATA'))));
    const before = fs.io.stats.reads;
    for (let i = 0; i < 2000; i++) expect(q.inum(`f${i}`)).to.be.a('number');
    expect(fs.io.stats.reads - before).to.be.lessThan(300);
  });

  it('always gives what was written last', () => {
    const fs = openRw(freshVolume(128 * MIB));
    const { io } = fs;
    const at = 64 * MIB;
    const rng = new Rng(3);
    const model = new Uint8Array(256 * 1024);
    must(runSync(io.write(at, model)) ?? 0);
    for (let i = 0; i < 3000; i++) {
      const len = 1024 << rng.below(5);
      const off = rng.below(model.length / len) * len;
      if (rng.below(3) > 0) {
        const b = new Uint8Array(len);
        must(runSync(io.read(at + off, b, rng.below(4) === 0)) ?? 0);
        expect(Buffer.compare(b, model.subarray(off, off + len)), `step ${i}`).to.equal(0);
        continue;
      }
      const b = rng.bytes(len);
      model.set(b, off);
      if (rng.below(2) === 0) must(runSync(io.write(at + off, b)) ?? 0);
      else {
        must(runSync(io.put(1, at + off, b, len)) ?? 0);
        // Half of them are read while they are gathered still; the next write of the place waits for them.
        const got = new Uint8Array(len);
        if (rng.below(2) === 0) must(runSync(io.read(at + off, got)) ?? 0);
        else got.set(b);
        expect(Buffer.compare(got, b), `step ${i}, gathered`).to.equal(0);
        must(runSync(io.drain()) ?? 0);
      }
    }
  });

  it('reads a block again from the device, not from what was read with its neighbour', () => {
    const dev = freshVolume(128 * MIB);
    const { io } = openRw(dev);
    const at = 64 * MIB;
    must(runSync(io.write(at, new Uint8Array(16384).fill(1))) ?? 0);
    const got = new Uint8Array(1024);
    expect(runSync(io.read(at, got))).to.equal(null);
    // The device gave it wrong, and gives it right now.
    must(runSync(dev.write(at + 1024, new Uint8Array(1024).fill(2))) ?? 0);
    expect(runSync(io.read(at + 1024, got))).to.equal(null);
    expect(got[0]).to.equal(1);
    expect(runSync(io.reread(at + 1024, got))).to.equal(null);
    expect(got[0]).to.equal(2);
    expect(runSync(io.read(at + 1024, got))).to.equal(null);
    expect(got[0]).to.equal(2);
  });

  it('reads what is good beside what is not', () => {
    const dev = new Scratched(freshVolume(128 * MIB));
    const { io } = openRw(dev);
    const at = 64 * MIB;
    const b = new Rng(1).bytes(16384).fill(7, 0, 1024);
    must(runSync(io.write(at, b)) ?? 0);
    dev.bad = at + 5000;
    const got = new Uint8Array(1024);
    expect(runSync(io.read(at, got))).to.equal(null);
    expect(got.every((x) => x === 7)).to.equal(true);
    expect(runSync(io.read(at + 4096, got))).to.equal(EIO);
  });
});
