/** Mounting for writing: recovery of the freemap, header fall-back, repairs, growing, and hostile volumes. */
import { expect } from 'chai';
import fc from 'fast-check';
import { runSync } from '../../../../vkernel/sys/blocking.js';
import { EINVAL, EROFS, Errno } from '../../../../vkernel/sys/errno.js';
import { ObjType } from '../../../../vkernel/vfs/hammer2/disk.js';
import { Fs } from '../../../../vkernel/vfs/hammer2/fs.js';
import { type MemDevice, type Tamper, buildImage, signHeader } from '../../../support/hammer2_build.js';
import { Rng } from '../../../support/hammer2_model.js';
import {
  ByPath,
  type CowDevice,
  defaults,
  faults,
  freshVolume,
  openRw,
  testOptions,
} from '../../../support/hammer2_rw.js';
import { must } from '../../../support/hammer2_tree.js';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const fresh = (bytes: number): MemDevice => freshVolume(bytes);
const mount = (fs: Fs, label = 'DATA'): ByPath => new ByPath(must(runSync(fs.mount(label)), 'mount'));
function edit(dev: MemDevice | CowDevice, copy: number, f: (h: DataView, b: Uint8Array) => void): void {
  const b = dev.peek(copy * 2 * GIB, 65536);
  f(new DataView(b.buffer), b);
  signHeader(b);
  must(runSync(dev.write(copy * 2 * GIB, b)) ?? 0);
}

describe('hammer2 read-write mounts', function () {
  this.timeout(60_000);

  it('marks what a lagging freemap does not have', () => {
    const dev = fresh(512 * MIB);
    const fs = openRw(dev);
    const m = mount(fs);
    m.file('before', new Uint8Array(500_000).fill(1));
    must(runSync(fs.sync()) ?? 0);
    const old = dev.peek(0, 65536);
    for (let i = 0; i < 30; i++) m.file(`f${i}`, new Uint8Array(40_000).fill(i));
    m.file('n'.repeat(200), 'long');
    must(runSync(fs.close()) ?? 0);
    // The topology of the second sync with the freemap of the first.
    edit(dev, 0, (_h, b) => {
      b.set(old.subarray(0x800, 0xa00), 0x800);
      b.set(old.subarray(0x90, 0x98), 0x90);
      b.set(old.subarray(0x68, 0x70), 0x68);
    });
    expect(faults(dev).length).to.be.greaterThan(10);
    const lines: string[] = [];
    const again = openRw(dev, { log: (l) => lines.push(l) });
    expect(lines.join()).to.match(/freemap is behind \(17 of 18\)/);
    const q = mount(again);
    q.file('after', new Uint8Array(300_000).fill(7));
    must(runSync(again.close()) ?? 0);
    expect(faults(dev)).to.deep.equal([]);
    const r = mount(openRw(dev, { log: (l) => expect.fail(l) }));
    for (let i = 0; i < 30; i++) expect(r.read(`f${i}`)[39_999]).to.equal(i);
    expect(r.read('before')[499_999]).to.equal(1);
  });

  it('does the same when there is no freemap at all', () => {
    const dev = fresh(512 * MIB);
    const m = mount(openRw(dev));
    for (let i = 0; i < 30; i++) m.file(`f${i}`, new Uint8Array(40_000).fill(i));
    must(runSync(m.p.device.close()) ?? 0);
    edit(dev, 0, (_h, b) => {
      b.fill(0, 0x800, 0xa00);
      b.fill(0, 0x90, 0x98);
      b.set(b.subarray(0x60, 0x68), 0x68);
    });
    const q = mount(openRw(dev));
    q.file('after', 'x');
    must(runSync(q.p.device.close()) ?? 0);
    expect(faults(dev)).to.deep.equal([]);
  });

  it('goes back to an older header when the newest leads nowhere, and does not fall behind it again', () => {
    const dev = fresh(7 * GIB);
    let fs = openRw(dev);
    for (let i = 0; i < 3; i++) {
      mount(fs).file('f', `version ${i}`);
      must(runSync(fs.close()) ?? 0);
      fs = openRw(dev);
    }
    // Versions 0, 1, 2 went to copies 1, 2, 3. Break the super-root of the newest.
    const h = new DataView(dev.peek(6 * GIB, 65536).buffer);
    const off = Number(h.getBigUint64(0x220, true) & ~63n);
    const was = dev.peek(off, 1);
    dev.poke(off, Uint8Array.of(was[0] ^ 0xff));
    const lines: string[] = [];
    fs = openRw(dev, { log: (l) => lines.push(l) });
    expect(lines.join())
      .to.match(/CHECK FAIL/)
      .and.to.match(/going back to volume header #2/);
    const m = mount(fs);
    expect(m.text('f')).to.equal('version 1');
    m.file('g', 'goes on');
    must(runSync(fs.close()) ?? 0);
    const q = mount(openRw(dev, { log: (l) => expect.fail(l) }));
    expect(q.text('f')).to.equal('version 1');
    expect(q.text('g')).to.equal('goes on');
    expect(faults(dev)).to.deep.equal([]);
  });

  it('reads the second copy of an only header, and makes the first good again', () => {
    const dev = fresh(512 * MIB);
    let m = mount(openRw(dev));
    m.file('f', 'x');
    must(runSync(m.p.device.close()) ?? 0);
    dev.poke(0x3000, Uint8Array.of(1));
    const lines: string[] = [];
    m = mount(openRw(dev, { log: (l) => lines.push(l) }));
    expect(lines.join())
      .to.match(/CRC FAIL/)
      .and.to.match(/second copy/);
    expect(m.text('f')).to.equal('x');
    must(runSync(m.p.device.close()) ?? 0);
    expect(faults(dev)).to.deep.equal([]);
    expect(mount(openRw(dev, { log: (l) => expect.fail(l) })).text('f')).to.equal('x');
  });

  it('sets the flag of PFS roots that lack it', () => {
    const dev = buildImage({
      pfs: { DATA: [], LOCAL: [] },
      header: (h) => (h.setUint32(0x70, 32 * MIB, true), h.setUint32(0x90, 17, true)),
      tamper: (kind, _b, bref) => void (kind === 'pfsroot' && (bref[5] = 0)),
    })[0];
    const fs = openRw(dev);
    must(runSync(fs.close()) ?? 0);
    const r = openRw(dev, { readonly: true });
    expect(must(runSync(r.pfsList())).length).to.equal(2);
    expect(r.suproot.u8[0x200 + 5]).to.equal(1);
    expect(r.suproot.u8[0x280 + 5]).to.equal(1);
  });

  it('grows, with every byte counted once', () => {
    const big = freshVolume(5 * GIB, { sizes: [1.5 * GIB] });
    let fs = openRw(big);
    let m = mount(fs);
    for (let i = 0; i < 12; i++) m.file(`f${i}`, new Uint8Array(10_000_000).fill(i));
    must(runSync(fs.sync()) ?? 0);
    const before = fs.statfs();
    const header = fs.space!.freeBytes;
    expect(runSync(fs.growfs(1 * GIB))).to.equal(EINVAL);
    expect(runSync(fs.growfs(6 * GIB))).to.equal(EINVAL);
    expect(must(runSync(fs.growfs(0)))).to.deep.equal({ sizeBytes: 5 * GIB, modified: true });
    expect(must(runSync(fs.growfs(0)))).to.deep.equal({ sizeBytes: 5 * GIB, modified: false });
    // 3.5 GiB more, less the reserved areas at 2, 3 and 4 GiB
    const more = 3.5 * GIB - 3 * 4 * MIB;
    expect(fs.space!.freeBytes - header).to.be.within(more - 16384 * 8, more);
    expect(fs.statfs().blocks - before.blocks).to.equal(more / 65536);
    m.file('x', 'after');
    must(runSync(fs.close()) ?? 0);
    expect(faults(big)).to.deep.equal([]);
    fs = openRw(big);
    m = mount(fs);
    for (let i = 0; i < 12; i++) expect(m.read(`f${i}`)[9_999_999]).to.equal(i);
    for (let i = 0; i < 5; i++) {
      m.file('y', `${i}`);
      must(runSync(fs.sync()) ?? 0);
    }
    must(runSync(fs.close()) ?? 0);
    for (const at of [0, 2 * GIB, 4 * GIB]) expect(big.peek(at, 8)).to.deep.equal(big.peek(0, 8));
    expect(faults(big)).to.deep.equal([]);
  });

  it('writes nothing to a device it may not write', () => {
    const dev = fresh(512 * MIB);
    const ro = Object.assign(Object.create(dev) as MemDevice, { readonly: true });
    ro.write = () => expect.fail('written');
    const fs = must(runSync(Fs.open([ro], testOptions())));
    expect(runSync(fs.mount('DATA', { readonly: false }))).to.equal(EROFS);
    const p = must(runSync(fs.mount('DATA')));
    expect(p.readonly).to.equal(true);
    expect(runSync(p.create(1, 'x', { ...defaults, type: ObjType.REGFILE }))).to.equal(EROFS);
    expect(runSync(fs.snapshot('DATA', 'x'))).to.equal(EROFS);
    expect(runSync(fs.growfs(0))).to.equal(EROFS);
    must(runSync(fs.close()) ?? 0);
  });

  it('survives writing to hostile volumes', () => {
    let wrote = 0;
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 8 }), fc.boolean(), (seed, rate, unchecked) => {
        const rng = new Rng(seed);
        const tamper: Tamper = (_kind, block, bref) => {
          if (rng.below(14) >= rate) return;
          for (let i = rng.below(4); i >= 0; i--) {
            const slots = block.length >= 128 ? block.length / 128 : 0;
            const field = rng.pick([0, 1, 3, 8, 12, 15, 0x20, 0x21, 0x23, 0x27, 0x30, 0x38, 0x40]);
            const value = rng.pick([0, 1, 2, 3, 4, 5, 7, 10, 16, 63, 64, 127, 128, 255, rng.below(256)]);
            if (rng.below(4) === 0) bref[field] = value;
            else if (slots > 0 && rng.below(2) === 0)
              block[(slots - 1 - rng.below(Math.min(slots, 4))) * 128 + field] = value;
            else block[rng.below(block.length)] = rng.below(256);
          }
          if (unchecked) bref[1] = 0x10 | (bref[1] & 15);
        };
        let dev: MemDevice;
        try {
          dev = buildImage({
            pfs: {
              DATA: [
                {
                  type: 'dir',
                  name: 'd',
                  children: Array.from({ length: 12 }, (_, i) => ({ type: 'file', name: `f${i}` })),
                },
                { type: 'file', name: 'big', data: new Uint8Array(400_000).fill(3), comp: 'none' },
                { type: 'file', name: 'n'.repeat(120), data: new Uint8Array(700) },
                { type: 'symlink', name: 'l', data: new Uint8Array(600).fill(65) },
              ],
              LOCAL: [],
            },
            indirect: 1024,
            fanout: 3,
            header: (h) => (h.setUint32(0x70, 32 * MIB, true), rng.below(2) === 0 && h.setUint32(0x90, 17, true)),
            tamper,
          })[0];
        } catch {
          return; // the builder tripped over its tampered blocks
        }
        const fs = runSync(Fs.open([dev], testOptions()));
        if (fs instanceof Errno || fs.readonly) return;
        const p = runSync(fs.mount('DATA'));
        if (p instanceof Errno) return;
        for (let i = 0; i < 60; i++) {
          const dir = rng.pick([1, 1, 1024, 1024 + rng.below(20)]);
          const name = rng.pick(['d', 'big', 'n'.repeat(120), 'l', `f${rng.below(14)}`]);
          const n = 1024 + rng.below(20);
          let r: unknown;
          switch (rng.below(8)) {
            case 0:
              r = runSync(p.create(dir, name, { ...defaults, type: rng.pick([ObjType.REGFILE, ObjType.DIRECTORY]) }));
              break;
            case 1:
              r = runSync(p.unlink(dir, name));
              break;
            case 2:
              r = runSync(p.rename(dir, name, rng.pick([1, 1024]), rng.pick(['x', 'big', 'd'])));
              break;
            case 3:
              r = runSync(p.write(n, rng.below(700_000), new Uint8Array(5000), 0, 5000));
              break;
            case 4:
              r = runSync(p.truncate(n, rng.below(500_000)));
              break;
            case 5:
              r = runSync(p.rmdir(dir, name));
              break;
            case 6:
              r = runSync(p.link(n, dir, 'link'));
              break;
            default:
              r = runSync(fs.sync());
          }
          if (!(r instanceof Errno)) wrote++;
        }
        void runSync(fs.snapshot('DATA', 'snap'));
        void runSync(fs.close());
        expect(dev.reads).to.be.lessThan(50_000);
      }),
      { numRuns: 150 },
    );
    expect(wrote).to.be.greaterThan(500);
  });
});
