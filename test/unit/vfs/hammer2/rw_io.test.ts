/** The read-write library under adverse conditions: failing devices, threads that interleave, damage, no space. */
import { expect } from 'chai';
import { type Blocking, runSync } from '../../../../vkernel/sys/blocking.js';
import { EIO, ENOSPC, EROFS, Errno } from '../../../../vkernel/sys/errno.js';
import { Check, Comp, ObjType } from '../../../../vkernel/vfs/hammer2/disk.js';
import { newfs } from '../../../../vkernel/vfs/hammer2/newfs.js';
import { Fs } from '../../../../vkernel/vfs/hammer2/fs.js';
import type { MemDevice } from '../../../support/hammer2_build.js';
import { fixtureDevice, readManifest } from '../../../support/hammer2_fixture.js';
import { Model, Rng } from '../../../support/hammer2_model.js';
import {
  ByPath,
  CowDevice,
  ForgetfulDevice,
  LogDevice,
  defaults,
  faults,
  freshVolume,
  openRw,
  testOptions,
} from '../../../support/hammer2_rw.js';
import { must } from '../../../support/hammer2_tree.js';

const MIB = 1024 * 1024;
const mount = (fs: Fs, label = 'DATA'): ByPath => new ByPath(must(runSync(fs.mount(label)), 'mount'));

describe('hammer2 read-write, adverse conditions', function () {
  this.timeout(60_000);

  it('loses nothing when the device fails in any place of a sync', () => {
    for (let after = 0; after < 40; after++) {
      const base = freshVolume(512 * MIB);
      const dev = new LogDevice(base, false);
      const lines: string[] = [];
      const fs = openRw(dev, { log: (l) => lines.push(l) });
      const m = mount(fs);
      m.mkdir('d');
      for (let i = 0; i < 20; i++) m.file(`d/f${i}`, new Uint8Array(3000 + 40_000 * (i % 3)).fill(i));
      dev.failAfter = after;
      const e = runSync(fs.sync());
      if (e === null) {
        expect(after).to.be.greaterThan(8);
        return;
      }
      expect(e).to.equal(EIO);
      expect(lines.join()).to.match(/sync failed: EIO/);
      // everything is still there, and more can be done, but not synced
      m.file('more', 'text');
      for (let i = 0; i < 20; i++) expect(m.read(`d/f${i}`)[77]).to.equal(i);
      expect(runSync(fs.sync())).to.equal(EIO);
      // what is on disk is the old state, or the first sync's when only the last flush failed
      expect(
        mount(openRw(base, { readonly: true }))
          .list('')
          .join(),
      ).to.be.oneOf(['', 'd', 'd,more']);
      dev.failAfter = -1;
      must(runSync(fs.close()) ?? 0);
      expect(faults(base), `fails after ${after}`).to.deep.equal([]);
      const q = mount(openRw(base, { readonly: true }));
      expect(q.list('').sort()).to.deep.equal(['d', 'more']);
      for (let i = 0; i < 20; i++) expect(q.read(`d/f${i}`)[2999]).to.equal(i);
    }
    expect.fail('never got through');
  });

  it('keeps operations whole while threads interleave on a device that sleeps', () => {
    const base = freshVolume(512 * MIB);
    const dev = new LogDevice(base, false);
    dev.sleeps = 1;
    const run = <T>(g: Blocking<T>): T => {
      for (;;) {
        const r = g.next();
        if (r.done === true) return r.value;
      }
    };
    const fs = must(run(Fs.open([dev], { dirtyBytes: 2 * MIB, nowUs: () => 1, random: testOptions().random })));
    const p = must(run(fs.mount('DATA')));
    const rng = new Rng(5);
    const must2 = (r: unknown): void => {
      if (r instanceof Errno) throw new Error(r.name);
    };
    // Each thread works in a directory of its own, some sync, one lists what is there, one renames to and fro.
    const dirs = [0, 1, 2, 3].map((i) => must(run(p.create(1, `d${i}`, { ...defaults, type: ObjType.DIRECTORY }))));
    const worker = function* (d: number): Blocking<void> {
      for (let i = 0; i < 60; i++) {
        const n = yield* p.create(d, `f${i}`, { ...defaults, type: ObjType.REGFILE });
        if (n instanceof Errno) throw new Error(n.name);
        const b = new Uint8Array(1 + ((i * 7919) % 150_000)).fill(i + 1);
        must2(yield* p.write(n, 0, b, 0, b.length));
        if (i % 3 === 2) must2(yield* p.unlink(d, `f${i - 1}`));
        if (i % 10 === 9) must2(yield* p.fsync(n));
      }
    };
    const mover = function* (): Blocking<void> {
      const a = yield* p.create(1, 'here', { ...defaults, type: ObjType.REGFILE });
      must2(a);
      for (let i = 0; i < 50; i++)
        must2(yield* i % 2 === 0 ? p.rename(1, 'here', dirs[0], 'there') : p.rename(dirs[0], 'there', 1, 'here'));
    };
    const watcher = function* (): Blocking<void> {
      for (let i = 0; i < 200; i++) {
        // In exactly one of the two places, whenever one looks without sleeping in between.
        const a = p.tryLookup(1, 'here');
        const b = p.tryLookup(dirs[0], 'there');
        if (typeof a === 'number' && typeof b === 'number') throw new Error('in two places');
        const names: string[] = [];
        must2(yield* p.readdir(dirs[1], 0, (n) => names.push(n) > 0));
        if (new Set(names).size !== names.length) throw new Error('listed twice');
        fs.tree.evict(0);
      }
    };
    const syncer = function* (snap: string): Blocking<void> {
      for (let i = 0; i < 30; i++) {
        must2(yield* fs.sync());
        if (i === 12) must2(yield* fs.snapshot('DATA', snap));
      }
    };
    let threads: Blocking<void>[] = [...dirs.map(worker), mover(), watcher(), syncer('one'), syncer('two')];
    while (threads.length > 0) {
      const t = rng.pick(threads);
      if (t.next().done === true) threads = threads.filter((x) => x !== t);
    }
    must2(run(fs.close()));
    expect(faults(base)).to.deep.equal([]);
    const q = mount(openRw(base, { readonly: true }));
    for (let d = 0; d < 4; d++) {
      const left = q.list(`d${d}`).filter((x) => x !== 'there');
      expect(left.length).to.equal(40);
      for (const f of left) {
        const i = Number(f.slice(1));
        const b = q.read(`d${d}/${f}`);
        expect(b.length).to.equal(1 + ((i * 7919) % 150_000));
        expect(b[b.length - 1]).to.equal(i + 1);
      }
    }
  });

  it('refuses with ENOSPC before anything is changed, and lets files be removed', () => {
    const dev = freshVolume(64 * MIB);
    const lines: string[] = [];
    const fs = openRw(dev, { log: (l) => lines.push(l) });
    const m = mount(fs);
    const b = new Uint8Array(100_000).map((_, i) => i * 31);
    let n = 0;
    for (let r: unknown = 0; !(r instanceof Errno); n++) {
      const f = runSync(m.p.create(1, `f${n}`, { ...defaults, type: ObjType.REGFILE }));
      r = f instanceof Errno ? f : runSync(m.p.write(f, 0, b, 0, b.length));
      if (r instanceof Errno) expect(r).to.equal(ENOSPC);
    }
    expect(n).to.be.greaterThan(100);
    must(runSync(fs.sync()) ?? 0);
    expect(faults(dev)).to.deep.equal([]);
    for (let i = 0; i < n - 1; i++) expect(Buffer.compare(m.read(`f${i}`), b)).to.equal(0);
    for (let i = 0; i < n - 1; i++) must(runSync(m.p.unlink(1, `f${i}`)) ?? 0);
    must(runSync(fs.close()) ?? 0);
    expect(faults(dev)).to.deep.equal([]);
    for (const l of lines) expect(l).to.match(/out of space: bulkfree gave back/);
  });

  it('turns read-only when it meets damaged metadata, once, and still writes what it had accepted', () => {
    const dev = freshVolume(512 * MIB);
    const fs = openRw(dev);
    const m = mount(fs);
    m.mkdir('d');
    for (let i = 0; i < 100; i++) m.file(`d/f${i}`, 'x');
    must(runSync(fs.close()) ?? 0);
    const lines: string[] = [];
    const again = openRw(dev, { log: (l) => lines.push(l) });
    const q = mount(again);
    q.file('before', 'the damage');
    // Break the first indirect block of the inode index that is not in memory.
    again.tree.evict(0);
    const victim = [...new Set(walkBlocks(dev))].find((x) => x.name === 'f50');
    dev.poke(victim!.off + 100, Uint8Array.of(0xff));
    expect(runSync(q.p.lookup(q.inum('d'), 'f50'))).to.equal(EIO);
    expect(runSync(q.p.create(1, 'new', { ...defaults, type: ObjType.REGFILE }))).to.equal(EROFS);
    expect(q.text('d/f51')).to.equal('x');
    expect(lines.filter((l) => /read-only/.test(l)).length).to.equal(1);
    expect(lines[0]).to.match(/CHECK FAIL bref/);
    must(runSync(again.close()) ?? 0);
    expect(mount(openRw(dev, { readonly: true })).text('before')).to.equal('the damage');
  });

  it('works across volumes', () => {
    const devs = [1024, 1024, 256].map((n, i) => new ForgetfulDevice(`vkd${i}`, n * MIB));
    must(runSync(newfs(devs, { nowUs: 1, random: testOptions().random, blank: true })));
    for (const d of devs) d.forget = true;
    const fs = openRw([devs[2], devs[0], devs[1]]);
    const m = mount(fs);
    must(runSync(m.p.setcomp(1, Comp.NONE, 0)) ?? 0);
    must(runSync(m.p.setcheck(1, Check.DISABLED)) ?? 0);
    const b = new Uint8Array(100 * MIB + 7);
    for (let i = 0; i < 18; i++) m.file(`f${i}`, b);
    m.file('last', 'on the second volume');
    must(runSync(fs.close()) ?? 0);
    expect(devs.map((d) => d.touched().length > 3)).to.deep.equal([true, true, false]);
    expect(faults(devs)).to.deep.equal([]);
    const q = mount(openRw(devs, { readonly: true }));
    for (let i = 0; i < 18; i++) expect(must(runSync(q.p.getattr(q.inum(`f${i}`)))).size).to.equal(b.length);
    expect(q.text('last')).to.equal('on the second volume');
  });

  for (const name of ['lz4-xxhash64-tree', 'zlib-indirect-sparse'] as const) {
    it(`writes to a real volume (${name}), and everything that was there stays`, () => {
      const dev = new CowDevice(fixtureDevice(name));
      const before = new Map<string, string>();
      const read = (m: ByPath, bodies: boolean): Map<string, string> => {
        const out = new Map<string, string>();
        for (const e of readManifest(name).pfs['DATA']) {
          const a = must(runSync(m.p.getattr(m.inum(e.path))));
          const body = e.type === 'file' && bodies ? Buffer.from(m.read(e.path)).toString('latin1') : '';
          out.set(e.path, `${a.type} ${a.mode} ${a.nlinks} ${a.size} ${a.mtimeUs} ${body}`);
        }
        return out;
      };
      const fs = openRw(dev, { log: (l) => expect.fail(l) });
      const m = mount(fs);
      for (const [k, v] of read(m, true)) before.set(k, v);
      m.mkdir('ours');
      const model = new Model(m.p, new Rng(4), 200_000);
      model.root = { ...model.root, inum: m.inum('ours'), parent: { ...model.root } };
      for (let i = 0; i < 300; i++) model.step();
      model.verify();
      for (const h of model.held.splice(0)) m.p.drop(h.inum);
      must(runSync(fs.close()) ?? 0);
      const again = openRw(dev);
      const q = mount(again);
      model.p = q.p;
      model.verify();
      const now = read(q, false);
      for (const [k, v] of before) expect(v.startsWith(now.get(k)!), k).to.equal(true);
      expect(faults(dev)).to.deep.equal([]);
      // change and remove what DragonFly made
      for (const e of readManifest(name).pfs['DATA']) {
        if (e.type !== 'file' || e.nlink !== 1) continue;
        const [d, n] = q.split(e.path);
        const inum = q.inum(e.path);
        if (inum % 3 === 0) must(runSync(q.p.unlink(d, n)) ?? 0);
        else if (inum % 3 === 1) must(runSync(q.p.truncate(inum, Math.floor((e.size ?? 0) / 2))) ?? 0);
        else must(runSync(q.p.write(inum, (e.size ?? 0) + 100, Uint8Array.of(1, 2, 3), 0, 3)));
      }
      must(runSync(again.close()) ?? 0);
      expect(faults(dev)).to.deep.equal([]);
      const last = mount(openRw(dev, { readonly: true }));
      for (const e of readManifest(name).pfs['DATA']) {
        if (e.type !== 'file' || e.nlink !== 1) continue;
        const r = last.tryInum(e.path);
        if (typeof r !== 'number') continue;
        const old = before.get(e.path)!;
        const body = Buffer.from(old.slice(old.split(' ').slice(0, 5).join(' ').length + 1), 'latin1');
        const got = Buffer.from(last.read(e.path));
        const keep = r % 3 === 1 ? Math.floor((e.size ?? 0) / 2) : (e.size ?? 0);
        expect(got.length, e.path).to.equal(r % 3 === 1 ? keep : keep + 103);
        expect(Buffer.compare(got.subarray(0, keep), body.subarray(0, keep)), e.path).to.equal(0);
      }
    });
  }
});

/** Inode blocks of DATA by name of their (only) entry. */
function walkBlocks(dev: MemDevice): { name: string; off: number }[] {
  const fs = openRw(dev, { readonly: true });
  const m = new ByPath(must(runSync(fs.mount('DATA'))));
  return m.list('d').map((name) => {
    const n = m.inum(`d/${name}`);
    must(runSync(m.p.getattr(n)));
    const node = m.p.iget(n);
    if (node instanceof Errno) throw new Error(node.name);
    const par = node.parent!;
    const at = par.at(par.slotOfKid(node));
    const lo = par.v.getUint32(at + 0x20, true);
    return { name, off: lo - (lo % 64) };
  });
}
