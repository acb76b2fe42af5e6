/** Space: bulkfree gives back what is not in any tree, and nothing else; filling and emptying again and again. */
import { expect } from 'chai';
import { type Blocking, runSync } from '../../../../vkernel/sys/blocking.js';
import { ENOSPC, EROFS, Errno } from '../../../../vkernel/sys/errno.js';
import { BrefType, Check, Comp, ObjType } from '../../../../vkernel/vfs/hammer2/disk.js';
import { newfs } from '../../../../vkernel/vfs/hammer2/newfs.js';
import type { Fs } from '../../../../vkernel/vfs/hammer2/fs.js';
import { fillAndEmpty } from '../../../support/hammer2_fill.js';
import { Model, Rng } from '../../../support/hammer2_model.js';
import {
  ByPath,
  defaults,
  faults,
  ForgetfulDevice,
  freshVolume,
  LogDevice,
  openRw,
  testOptions,
} from '../../../support/hammer2_rw.js';
import { must } from '../../../support/hammer2_tree.js';

const MIB = 1024 * 1024;
const mount = (fs: Fs, label = 'DATA'): ByPath => new ByPath(must(runSync(fs.mount(label)), 'mount'));
/** Equal files have to take space here. */
const dedup = (): boolean => false;
const free = (fs: Fs): number => fs.space!.freeBytes;

describe('hammer2 space', function () {
  this.timeout(60_000);

  it('comes back with bulkfree: blocks of no tree, in two passes', () => {
    const dev = freshVolume(512 * MIB);
    const fs = openRw(dev, { dedup, log: (l) => expect.fail(l) });
    const m = mount(fs);
    must(runSync(m.p.setcomp(1, Comp.NONE, 0)) ?? 0);
    must(runSync(fs.sync()) ?? 0);
    const empty = free(fs);
    for (let i = 0; i < 40; i++) m.file(`f${i}`, new Uint8Array(1_000_000).fill(i));
    must(runSync(fs.sync()) ?? 0);
    const full = free(fs);
    expect(empty - full).to.be.greaterThan(40_000_000);
    expect(must(runSync(fs.bulkfree())).freedBytes).to.be.lessThan(1_000_000); // old copies of metadata
    must(runSync(fs.snapshot('DATA', 'snap')) ?? 0);
    for (let i = 0; i < 40; i++) must(runSync(m.p.unlink(1, `f${i}`)) ?? 0);
    const kept = must(runSync(fs.bulkfree()));
    expect(kept.allocatedBytes).to.be.greaterThan(40_000_000); // the snapshot has it all
    expect(faults(dev)).to.deep.equal([]);
    must(runSync(fs.pfsDelete('snap')) ?? 0);
    const r = must(runSync(fs.bulkfree()));
    expect(r.freedBytes).to.be.greaterThan(40_000_000);
    expect(r.allocatedBytes).to.be.lessThan(300_000);
    expect(free(fs)).to.be.within(empty - 300_000, empty + 300_000);
    expect(faults(dev)).to.deep.equal([]);
    must(runSync(fs.close()) ?? 0);
    expect(faults(dev)).to.deep.equal([]);
  });

  it('does the same in windows of one GiB', () => {
    const dev = new ForgetfulDevice('vkd0', 3072 * MIB);
    must(runSync(newfs([dev], { nowUs: 1, random: testOptions().random, blank: true })));
    dev.forget = true;
    const fs = openRw(dev);
    const m = mount(fs);
    must(runSync(m.p.setcomp(1, Comp.NONE, 0)) ?? 0);
    must(runSync(m.p.setcheck(1, Check.DISABLED)) ?? 0);
    const b = new Uint8Array(100 * MIB);
    for (let i = 0; i < 15; i++) m.file(`f${i}`, b);
    for (let i = 0; i < 14; i++) must(runSync(m.p.unlink(1, `f${i}`)) ?? 0);
    const r = must(runSync(fs.bulkfree({ memoryBytes: 1 })));
    expect(r.freedBytes).to.be.least(1400 * MIB);
    expect(r.allocatedBytes).to.be.within(100 * MIB, 101 * MIB);
    must(runSync(fs.close()) ?? 0);
    expect(faults(dev)).to.deep.equal([]);
  });

  it('keeps everything a model has, with bulkfree at any time and little memory for what is dirty', () => {
    const dev = freshVolume(128 * MIB);
    const fs = openRw(dev, { dirtyBytes: MIB, log: (l) => expect(l).to.match(/out of space/) });
    const m = new Model(must(runSync(fs.mount('DATA'))), new Rng(11), 150_000);
    for (let i = 0; i < 1500; i++) {
      m.step();
      if (i % 50 === 49) must(runSync(fs.bulkfree()));
      if (i % 250 !== 249) continue;
      m.verify();
      must(runSync(fs.sync()) ?? 0);
      expect(faults(dev, { errorsOnly: true }), `step ${i}`).to.deep.equal([]);
    }
  });

  it('keeps what threads write while bulkfree runs', () => {
    const base = freshVolume(256 * MIB);
    const dev = new LogDevice(base, false);
    const fs = openRw(dev, { dirtyBytes: MIB });
    const p = must(runSync(fs.mount('DATA')));
    dev.sleeps = 1;
    const rng = new Rng(3);
    const ok = (r: unknown): void => {
      if (r instanceof Errno) throw new Error(r.name);
    };
    const writer = function* (k: number): Blocking<void> {
      const b = new Uint8Array(100_000);
      for (let i = 0; i < 60; i++) {
        const name = `w${k}.${i % 7}`;
        const old = yield* p.lookup(1, name);
        if (typeof old === 'number') ok(yield* p.unlink(1, name));
        const n = yield* p.create(1, name, { ...defaults, type: ObjType.REGFILE });
        if (n instanceof Errno) throw new Error(n.name);
        for (let j = 0; j < b.length; j++) b[j] = k * 50 + i + j * 7;
        ok(yield* p.write(n, 0, b, 0, b.length));
        if (i % 9 === 0) ok(yield* p.fsync(n));
      }
    };
    const freer = function* (): Blocking<void> {
      for (let i = 0; i < 12; i++) ok(yield* fs.bulkfree());
    };
    let threads: Blocking<void>[] = [writer(1), writer(2), writer(3), freer(), freer()];
    while (threads.length > 0) {
      const t = rng.pick(threads);
      if (t.next().done === true) threads = threads.filter((x) => x !== t);
    }
    dev.sleeps = 0;
    must(runSync(fs.close()) ?? 0);
    expect(faults(base)).to.deep.equal([]);
    const q = mount(openRw(base, { readonly: true }));
    for (let k = 1; k <= 3; k++) {
      for (let f = 0; f < 7; f++) {
        const i = 59 - ((59 - f) % 7);
        const got = q.read(`w${k}.${i % 7}`);
        for (let j = 0; j < got.length; j++)
          if (got[j] !== ((k * 50 + i + j * 7) & 255)) expect.fail(`w${k}.${f} at ${j}`);
      }
    }
  });

  it('accepts no write for which only crumbs are left', () => {
    const dev = freshVolume(64 * MIB);
    const fs = openRw(dev, { dedup, log: (l) => expect(l).to.match(/out of space: bulkfree gave back/) });
    const m = mount(fs);
    must(runSync(m.p.setcomp(1, Comp.NONE, 0)) ?? 0);
    const small = new Uint8Array(12_000).fill(1);
    let n = 0;
    for (; ; n++) {
      const f = runSync(m.p.create(1, `f${n}`, { ...defaults, type: ObjType.REGFILE }));
      const r = f instanceof Errno ? f : runSync(m.p.write(f, 0, small, 0, small.length));
      if (r === ENOSPC) break;
    }
    // Every other 16 KiB becomes free: no 64 KiB in one piece.
    for (let i = 0; i < n; i += 2) must(runSync(m.p.unlink(1, `f${i}`)) ?? 0);
    must(runSync(fs.bulkfree()));
    expect(free(fs)).to.be.greaterThan(10 * MIB);
    const big = new Uint8Array(65536).fill(2);
    let wrote = 0;
    const g = m.create('big', { type: ObjType.REGFILE });
    for (let i = 0; i < 200; i++) {
      const r = runSync(m.p.write(g, i * 65536, big, 0, 65536));
      if (r === ENOSPC) break;
      wrote = must(r) > 0 ? wrote + 1 : wrote;
    }
    expect(wrote).to.be.lessThan(150);
    must(runSync(fs.sync()) ?? 0);
    m.file('small', small); // crumbs still serve small files
    must(runSync(fs.close()) ?? 0);
    expect(faults(dev)).to.deep.equal([]);
    const q = mount(openRw(dev, { readonly: true }));
    expect(q.read('big').length).to.equal(wrote * 65536);
    expect(q.read('small')[11_999]).to.equal(1);
  });

  it('removes files in emergency mode when no block is left at all', () => {
    const dev = freshVolume(64 * MIB);
    const fs = openRw(dev);
    const m = mount(fs);
    for (let i = 0; i < 200; i++) m.file(`f${i}`, `${i}`);
    must(runSync(fs.sync()) ?? 0);
    // Someone takes everything.
    for (const radix of [16, 14]) while (typeof fs.space!.allocNow(BrefType.DATA, radix, 0) === 'number');
    for (const type of [BrefType.INODE, BrefType.INDIRECT]) {
      while (typeof fs.space!.allocNow(type, 10, 0) === 'number');
    }
    fs.tree.garbage = 0; // and bulkfree is of no use
    expect(runSync(m.p.unlink(1, 'f0'))).to.equal(ENOSPC);
    fs.setEmergency(true);
    expect(runSync(m.p.create(1, 'x', { ...defaults, type: ObjType.REGFILE }))).to.equal(EROFS);
    expect(runSync(m.p.write(m.inum('f1'), 0, new Uint8Array(5), 0, 5))).to.equal(EROFS);
    for (let i = 0; i < 100; i++) must(runSync(m.p.unlink(1, `f${i}`)) ?? 0);
    must(runSync(fs.sync()) ?? 0);
    expect(faults(dev, { errorsOnly: true })).to.deep.equal([]);
    fs.setEmergency(false);
    must(runSync(fs.bulkfree()));
    m.file('x', 'again');
    must(runSync(fs.close()) ?? 0);
    expect(faults(dev)).to.deep.equal([]);
    expect(mount(openRw(dev, { readonly: true })).list('').length).to.equal(101);
  });

  for (const [what, size] of [
    ['64 KiB files', 65536],
    ['tiny files', 300],
  ] as const) {
    it(`comes back whenever all is removed: filled to the end with ${what}, again and again`, () => {
      const large = size > 1000;
      const volumeBytes = (large ? 64 : 48) * MIB;
      const rounds = fillAndEmpty({ size, rounds: large ? 8 : 2, volumeBytes, snapshots: large });
      expect(rounds[0]).to.be.greaterThan(large ? 200 : 1000);
      // Space does not wear away.
      for (const n of rounds) expect(n, rounds.join()).to.be.greaterThan(rounds[0] * 0.85);
    });
  }
});
