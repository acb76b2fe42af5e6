/** Live deduplication: equal blocks are stored once, other ones never taken for each other, whatever bulkfree does. */
import { expect } from 'chai';
import { type Blocking, runSync } from '../../../../vkernel/sys/blocking.js';
import { Errno } from '../../../../vkernel/sys/errno.js';
import { Bref, Check, Comp, ObjType } from '../../../../vkernel/vfs/hammer2/disk.js';
import * as file from '../../../../vkernel/vfs/hammer2/file.js';
import type { Fs } from '../../../../vkernel/vfs/hammer2/fs.js';
import { Cursor } from '../../../../vkernel/vfs/hammer2/tree.js';
import { Rng } from '../../../support/hammer2_model.js';
import { ByPath, defaults, faults, freshVolume, LogDevice, openRw } from '../../../support/hammer2_rw.js';
import { must } from '../../../support/hammer2_tree.js';

const MIB = 1024 * 1024;
const mount = (fs: Fs): ByPath => new ByPath(must(runSync(fs.mount('DATA')), 'mount'));
const noise = (seed: number, n: number): Uint8Array => {
  const b = new Uint8Array(n);
  for (let i = 0, x = seed * 2654435761; i < n; i++) b[i] = (x = Math.imul(x, 1664525) + 1013904223) >>> 24;
  return b;
};
const synced = (fs: Fs): void => void must(runSync(fs.sync()) ?? 0);
/** Bytes written by a sync of what `f` does. */
function cost(fs: Fs, f: () => void): number {
  synced(fs);
  const before = fs.io.stats.bytesWritten;
  f();
  synced(fs);
  return fs.io.stats.bytesWritten - before;
}
const place = (m: ByPath, path: string, lbn: number): string => {
  const n = m.p.iget(m.inum(path));
  const c = n instanceof Errno ? n : file.findData(m.p.device, n, lbn);
  if (!(c instanceof Cursor)) throw new Error(`${path}: no block ${lbn}`);
  return Buffer.from(c.node.u8.subarray(c.at + Bref.DATA_OFF, c.at + Bref.DATA_OFF + 8)).toString('hex');
};

describe('hammer2 deduplication', function () {
  this.timeout(60_000);

  it('stores equal blocks once, of all compressions and checks that tell', () => {
    for (const check of [Check.NONE, Check.DISABLED, Check.ISCSI32, Check.XXHASH64, Check.SHA192]) {
      for (const comp of [Comp.NONE, Comp.LZ4, Comp.ZLIB]) {
        for (const on of [true, false]) {
          const dev = freshVolume(128 * MIB);
          const fs = openRw(dev, { dedup: () => on });
          const m = mount(fs);
          must(runSync(m.p.setcomp(1, comp, 0)) ?? 0);
          must(runSync(m.p.setcheck(1, check)) ?? 0);
          const b = noise(7, 20 * 65536 + 5000);
          for (let i = 0; i < b.length; i++) if (i % 3 > 0) b[i] = 32;
          m.file('a', b);
          const twice = cost(fs, () => m.file('b', b));
          const shared = on && check !== Check.NONE && check !== Check.DISABLED;
          const what = `check ${check}, comp ${comp}, ${on ? 'on' : 'off'}`;
          if (shared) expect(twice, what).to.be.lessThan(400_000);
          else expect(twice, what).to.be.greaterThan(600_000);
          expect(fs.dedup.stats.hits > 0, what).to.equal(shared);
          expect(Buffer.compare(m.read('b'), b)).to.equal(0);
          // One of them goes on by itself.
          must(runSync(m.p.write(m.inum('a'), 70_000, noise(8, 100), 0, 100)));
          must(runSync(fs.close()) ?? 0);
          expect(faults(dev), what).to.deep.equal([]);
          const q = mount(openRw(dev));
          expect(Buffer.compare(q.read('b'), b)).to.equal(0);
          b.set(noise(8, 100), 70_000);
          expect(Buffer.compare(q.read('a'), b)).to.equal(0);
        }
      }
    }
  });

  it('finds what has been read, and a copy survives its original', () => {
    const dev = freshVolume(128 * MIB);
    const b = noise(1, 30 * 65536);
    const first = openRw(dev);
    mount(first).file('a', b);
    must(runSync(first.close()) ?? 0);
    const fs = openRw(dev);
    const m = mount(fs);
    const got = m.read('a');
    expect(cost(fs, () => m.file('b', got))).to.be.lessThan(400_000);
    expect(place(m, 'a', 3)).to.equal(place(m, 'b', 3));
    must(runSync(m.p.unlink(1, 'a')) ?? 0);
    must(runSync(fs.bulkfree()));
    must(runSync(fs.bulkfree()));
    m.file('c', noise(2, 60 * 65536));
    must(runSync(fs.close()) ?? 0);
    expect(faults(dev)).to.deep.equal([]);
    expect(Buffer.compare(mount(openRw(dev)).read('b'), b)).to.equal(0);
  });

  it('compares every bit: a code is only a hint', () => {
    const dev = freshVolume(128 * MIB);
    const fs = openRw(dev);
    const m = mount(fs);
    m.file('a', noise(1, 65536));
    m.file('b', noise(2, 65536));
    synced(fs);
    // The code of b's block, and the place of a's.
    const entry = (path: string): Uint8Array => {
      const n = m.p.iget(m.inum(path));
      const c = n instanceof Errno ? n : file.findData(fs, n, 0);
      if (!(c instanceof Cursor)) throw new Error(path);
      return c.node.u8.slice(c.at, c.at + Bref.SIZE);
    };
    const wrong = entry('b');
    wrong.set(entry('a').subarray(Bref.DATA_OFF, Bref.DATA_OFF + 8), Bref.DATA_OFF);
    fs.dedup.note(wrong, new DataView(wrong.buffer), 0);
    m.file('c', noise(2, 65536));
    synced(fs);
    expect(fs.dedup.stats.misses).to.equal(1);
    expect(Buffer.compare(m.read('c'), noise(2, 65536))).to.equal(0);
    expect(faults(dev)).to.deep.equal([]);
  });

  it('never takes what is free, and takes back what is staged', () => {
    const dev = freshVolume(128 * MIB);
    const fs = openRw(dev);
    const space = fs.space!;
    const m = mount(fs);
    m.file('a', noise(1, 65536));
    synced(fs);
    const off = Buffer.from(place(m, 'a', 0), 'hex').readUIntLE(0, 6);
    const gib = Math.floor(off / 2 ** 30);
    const none = new Uint8Array(8192);
    // As two passes of bulkfree that find nothing at all would leave it.
    must(runSync(space.merge(gib, none)));
    const free = space.freeBytes;
    expect(runSync(space.reuse(off))).to.equal(true);
    expect(space.freeBytes).to.equal(free);
    must(runSync(space.merge(gib, none)));
    expect(must(runSync(space.merge(gib, none))).freedBytes).to.be.least(65536);
    expect(runSync(space.reuse(off))).to.equal(false);
    expect(runSync(space.reuse(off))).to.equal(false);
  });

  for (const seed of [1, 2, 3]) {
    it(`keeps what threads write of a few contents while bulkfree runs (seed ${seed})`, () => {
      const base = freshVolume(64 * MIB);
      const dev = new LogDevice(base, false);
      const fs = openRw(dev, { dirtyBytes: MIB / 2 });
      const p = must(runSync(fs.mount('DATA')));
      must(runSync(p.setcomp(1, Comp.NONE, 0)) ?? 0);
      dev.sleeps = 1;
      const rng = new Rng(seed);
      const sizes = [1000, 3000, 7000, 60_000, 65536, 131_072];
      const pool = Array.from({ length: 18 }, (_, i) => noise(i + 1, sizes[i % sizes.length]));
      const ok = (r: unknown): void => {
        if (r instanceof Errno) throw new Error(r.name);
      };
      const has = new Map<string, number>();
      const writer = function* (k: number): Blocking<void> {
        for (let i = 0; i < 150; i++) {
          const name = `w${k}.${rng.below(8)}`;
          if (has.delete(name)) ok(yield* p.unlink(1, name));
          if (rng.below(3) === 0) continue;
          const n = yield* p.create(1, name, { ...defaults, type: ObjType.REGFILE });
          if (n instanceof Errno) throw new Error(n.name);
          const c = rng.below(pool.length);
          // Other things are wanted in between, so that places change hands.
          const b = rng.below(3) === 0 ? null : pool[c];
          if (b !== null) {
            ok(yield* p.write(n, 0, b, 0, b.length));
            has.set(name, c);
          } else {
            const junk = rng.bytes(sizes[rng.below(sizes.length)]);
            ok(yield* p.write(n, 0, junk, 0, junk.length));
            ok(yield* p.fsync(n));
            ok(yield* p.unlink(1, name));
          }
          if (rng.below(6) === 0) ok(yield* fs.sync());
        }
      };
      const freer = function* (): Blocking<void> {
        for (let i = 0; i < 25; i++) ok(yield* fs.bulkfree());
      };
      let threads: Blocking<void>[] = [writer(1), writer(2), writer(3), freer(), freer()];
      while (threads.length > 0) {
        const t = rng.pick(threads);
        if (t.next().done === true) threads = threads.filter((x) => x !== t);
      }
      dev.sleeps = 0;
      expect(fs.dedup.stats.hits).to.be.greaterThan(30);
      must(runSync(fs.close()) ?? 0);
      expect(faults(base)).to.deep.equal([]);
      const q = mount(openRw(base, { readonly: true }));
      for (const [name, c] of has) expect(Buffer.compare(q.read(name), pool[c]), name).to.equal(0);
    });
  }
});
