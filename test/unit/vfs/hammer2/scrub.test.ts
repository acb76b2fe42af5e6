/** Scrub: finds every flipped bit and nothing else, also while others write and free; destroy; PFSs of other types. */
import { expect } from 'chai';
import { type Blocking, runSync } from '../../../../vkernel/sys/blocking.js';
import { EBUSY, EEXIST, EINVAL, ENOENT, Errno } from '../../../../vkernel/sys/errno.js';
import type { H2ScrubReport } from '../../../../vkernel/vfs/hammer2/api.js';
import { Comp, ObjType, PfsType } from '../../../../vkernel/vfs/hammer2/disk.js';
import type { Fs } from '../../../../vkernel/vfs/hammer2/fs.js';
import { Rng } from '../../../support/hammer2_model.js';
import { ByPath, CowDevice, defaults, faults, freshVolume, LogDevice, openRw } from '../../../support/hammer2_rw.js';
import { must } from '../../../support/hammer2_tree.js';

const MIB = 1024 * 1024;
const mount = (fs: Fs): ByPath => new ByPath(must(runSync(fs.mount('DATA')), 'mount'));
const scrub = (fs: Fs): H2ScrubReport => must(runSync(fs.scrub()), 'scrub');

function filled(dev: CowDevice): void {
  const fs = openRw(dev);
  const m = mount(fs);
  const rng = new Rng(4);
  m.mkdir('d');
  for (let i = 0; i < 40; i++) m.file(`d/f${i}${'x'.repeat(i * 5)}`, rng.bytes(rng.below(200_000)));
  must(runSync(fs.snapshot('DATA', 's')) ?? 0);
  m.file('big', rng.bytes(600_000));
  must(runSync(fs.close()) ?? 0);
}

describe('hammer2 scrub', function () {
  this.timeout(60_000);

  it('finds nothing on a good volume, and any flipped bit of a block in use', () => {
    const base = new CowDevice(freshVolume(256 * MIB));
    filled(base);
    const clean = scrub(openRw(base, { readonly: true }));
    expect(clean.errors).to.deep.equal([]);
    expect(clean.inodes).to.be.within(42, 90);
    expect(clean.blocks).to.be.greaterThan(100);
    expect(clean.bytes).to.be.greaterThan(2 * MIB);
    const m = new ByPath(must(runSync(openRw(base).mount('DATA'))));
    const inum = m.inum('big');
    const rng = new Rng(9);
    let found = 0;
    let named = 0;
    for (let i = 0; i < 60; i++) {
      const img = new CowDevice(base);
      // Somewhere in what has been written: behind boot and aux areas.
      const b = new Uint8Array(1);
      const from = 24 * MIB;
      let at = 0;
      for (let n = 0; n < 4000 && b[0] === 0; n++) b.set(img.peek((at = from + rng.below(12 * MIB)), 1));
      b[0] ^= 1 << rng.below(8);
      must(runSync(img.write(at, b)) ?? 0);
      const bad = faults(img, { errorsOnly: true }).filter((x) => /check-code|read-error/.test(x));
      const said: string[] = [];
      const fs = openRw(img, { readonly: true, log: (l) => said.push(l) });
      const r = scrub(fs);
      expect(r.errorCount > 0, `byte ${at}: ${bad.join()}`).to.equal(bad.length > 0);
      if (bad.length === 0) continue;
      found++;
      expect(said.join()).to.match(/scrub|freemap/);
      if (r.errors.some((e) => e.inum === inum && e.pfs === 'DATA')) named++;
    }
    expect(found).to.be.greaterThan(5);
    expect(named).to.be.greaterThan(0);
  });

  it('is right while others write, remove and free', () => {
    const base = freshVolume(64 * MIB);
    const dev = new LogDevice(base, false);
    const fs = openRw(dev, { dirtyBytes: MIB });
    const p = must(runSync(fs.mount('DATA')));
    must(runSync(p.setcomp(1, Comp.NONE, 0)) ?? 0);
    dev.sleeps = 1;
    const rng = new Rng(5);
    const ok = (r: unknown): void => {
      if (r instanceof Errno) throw new Error(r.name);
    };
    const writer = function* (k: number): Blocking<void> {
      for (let i = 0; i < 120; i++) {
        const name = `w${k}.${rng.below(10)}`;
        if (typeof (yield* p.lookup(1, name)) === 'number') ok(yield* p.unlink(1, name));
        const n = yield* p.create(1, name, { ...defaults, type: ObjType.REGFILE });
        if (n instanceof Errno) throw new Error(n.name);
        const b = rng.bytes(100_000);
        ok(yield* p.write(n, 0, b, 0, b.length));
        if (i % 7 === 0) ok(yield* p.fsync(n));
      }
    };
    const freer = function* (): Blocking<void> {
      for (let i = 0; i < 12; i++) {
        ok(yield* fs.bulkfree());
        for (let j = 0; j < 20; j++) yield;
      }
    };
    let restarts = 0;
    let scrubs = 0;
    const scrubber = function* (): Blocking<void> {
      for (let i = 0; i < 10; i++) {
        const r = yield* fs.scrub({
          *pause() {
            yield;
          },
        });
        if (r instanceof Errno) throw new Error(r.name);
        expect(r.errors).to.deep.equal([]);
        restarts += r.restarts;
        scrubs++;
      }
    };
    let threads: Blocking<void>[] = [writer(1), writer(2), freer(), scrubber()];
    while (threads.length > 0) {
      const t = rng.pick(threads);
      if (t.next().done === true) threads = threads.filter((x) => x !== t);
    }
    expect(scrubs).to.equal(10);
    expect(restarts).to.be.greaterThan(0);
    dev.sleeps = 0;
    must(runSync(fs.close()) ?? 0);
    expect(faults(base)).to.deep.equal([]);
  });

  it('refuses where blocks are overwritten in place', () => {
    const fs = openRw(freshVolume(64 * MIB));
    fs.setEmergency(true);
    expect(runSync(fs.scrub())).to.equal(EBUSY);
  });
});

describe('hammer2 destroy and pfs-create', () => {
  it('removes a name or an inode, and nothing else', () => {
    const dev = freshVolume(64 * MIB);
    const fs = openRw(dev);
    const m = mount(fs);
    m.mkdir('d');
    m.file('d/f', 'text');
    const inum = m.file('g', new Uint8Array(100_000).fill(1));
    expect(runSync(m.p.destroyEntry(1, 'no'))).to.equal(ENOENT);
    expect(runSync(m.p.destroyEntry(1, 'd'))).to.equal(null);
    must(runSync(fs.sync()) ?? 0);
    expect(m.list('/')).to.deep.equal(['g']);
    expect(faults(dev).filter((x) => x.startsWith('error orphan'))).to.have.length(1);
    m.p.hold(inum);
    expect(runSync(m.p.destroyInode(inum))).to.equal(EBUSY);
    m.p.drop(inum);
    expect(runSync(m.p.destroyInode(inum))).to.equal(null);
    expect(runSync(m.p.destroyInode(inum))).to.equal(ENOENT);
    expect(runSync(m.p.destroyInode(1))).to.equal(EINVAL);
    must(runSync(fs.sync()) ?? 0);
    expect(faults(dev).join()).to.match(/dangling-entry/);
    // The other half goes with the other operation.
    expect(runSync(m.p.destroyEntry(1, 'g'))).to.equal(null);
    must(runSync(fs.close()) ?? 0);
    expect(faults(dev).join()).to.not.match(/dangling-entry/);
  });

  it('makes PFSs of all types and clusters', () => {
    const dev = freshVolume(64 * MIB);
    const fs = openRw(dev);
    const clid = Uint8Array.from({ length: 16 }, (_, i) => i + 1);
    expect(runSync(fs.pfsCreate('slave', { type: PfsType.SLAVE, clid }))).to.equal(null);
    expect(runSync(fs.pfsCreate('slave', { type: PfsType.SLAVE, clid }))).to.equal(EEXIST);
    expect(runSync(fs.pfsCreate('other', { type: PfsType.SUPROOT }))).to.equal(EINVAL);
    expect(runSync(fs.pfsCreate('other', { type: 2 }))).to.equal(EINVAL);
    expect(runSync(fs.pfsCreate('soft', { type: PfsType.SOFT_MASTER }))).to.equal(null);
    must(runSync(fs.close()) ?? 0);
    expect(faults(dev)).to.deep.equal([]);
    const list = must(runSync(openRw(dev).pfsList()));
    const of = (label: string): string => list.filter((p) => p.label === label).map((p) => `${p.type} ${p.clid}`)[0];
    expect(of('slave')).to.equal('3 04030201-0605-0807-090a-0b0c0d0e0f10');
    expect(of('soft')).to.match(/^5 /);
  });
});
