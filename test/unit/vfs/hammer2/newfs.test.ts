/** newfs: byte for byte what DragonFly's makes, for every shape of file system, and clean by the checker. */
import { expect } from 'chai';
import { check } from '../../../../tools/hammer2/check/check.js';
import { runSync } from '../../../../vkernel/sys/blocking.js';
import { EINVAL, Errno } from '../../../../vkernel/sys/errno.js';
import { Check, Comp } from '../../../../vkernel/vfs/hammer2/disk.js';
import { hammer2Open } from '../../../../vkernel/vfs/hammer2/open.js';
import { type NewfsOptions, type NewfsResult, newfs } from '../../../../vkernel/vfs/hammer2/newfs.js';
import { MemDevice } from '../../../support/hammer2_build.js';
import { fixtureReader } from '../../../support/hammer2_fixture.js';
import { testOptions } from '../../../support/hammer2_rw.js';
import { must } from '../../../support/hammer2_tree.js';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

const reader = (d: MemDevice) => ({ size: d.sizeBytes, name: d.name, read: (o: number, n: number) => d.peek(o, n) });
const defaults = (): NewfsOptions => ({ nowUs: 1_700_000_000_000_000, random: testOptions().random });
function make(sizes: readonly number[], o: Partial<NewfsOptions> = {}): { devs: MemDevice[]; r: NewfsResult } {
  const devs = sizes.map((s, i) => new MemDevice(`vkd${i}`, s));
  return { devs, r: must(runSync(newfs(devs, { ...defaults(), blank: true, ...o }))) };
}
function expectClean(devs: MemDevice[]): void {
  const r = check(devs.map(reader), { olderHeaders: true });
  expect(r.fatal).to.equal(null);
  expect(r.findings).to.deep.equal([]);
}

describe('hammer2 newfs', () => {
  it("makes the very bytes that DragonFly's makes", () => {
    const real = fixtureReader('lz4-xxhash64-tree');
    const was = real.read(0x8400000, 65536);
    const header = real.read(0, 65536);
    const v = new DataView(was.buffer, was.byteOffset);
    // In the order in which they are asked for: super-root, LOCAL, DATA, and the file system's own.
    const uuids = [0x90, 0xa0, 0x490, 0x4a0, 0x890, 0x8a0].map((o) => was.subarray(o, o + 16));
    uuids.push(header.subarray(0x40, 0x50));
    const { devs, r } = make([2 * GIB], {
      nowUs: Number(v.getBigUint64(0x10, true)),
      random: (b) => void b.set(uuids.shift() ?? []),
    });
    expect(Buffer.compare(devs[0].peek(0x8400000, 65536), was)).to.equal(0);
    expect(r.allocatorBeg).to.equal(0x8400c00);
    const mine = devs[0].peek(0, 65536);
    // All of the header but what the sync since then has changed: free bytes, transaction ids, roots, check codes.
    for (let i = 0; i < 65536; i++) {
      const changed =
        (i >= 0x68 && i < 0x70) ||
        (i >= 0x78 && i < 0x80) ||
        (i >= 0x90 && i < 0x98) ||
        (i >= 0x1f8 && i < 0x400) ||
        (i >= 0x800 && i < 0xa00) ||
        i >= 0xfffc;
      if (!changed && mine[i] !== header[i]) expect(mine[i], `header byte 0x${i.toString(16)}`).to.equal(header[i]);
    }
  });

  for (const version of [1, 2]) {
    for (const labels of [[], ['ROOT'], ['BOOT', 'ROOT', 'a.b-c']]) {
      it(`version ${version} with PFSs ${['LOCAL', ...labels].join(', ')} is clean and opens`, () => {
        const { devs, r } = make([512 * MIB], { version, labels });
        expectClean(devs);
        expect(r.pfs.map((p) => p.label)).to.deep.equal(['LOCAL', ...labels]);
        const dev = must(runSync(hammer2Open(devs, testOptions())));
        const list = must(runSync(dev.pfsList()));
        expect(list.map((p) => p.label).sort()).to.deep.equal(['LOCAL', ...labels].sort());
        for (const p of r.pfs) {
          const same = list.find((q) => q.label === p.label);
          expect([same?.clid, same?.fsid]).to.deep.equal([p.clid, p.fsid]);
        }
      });
    }
  }

  it('sizes the boot and aux areas by the volume', () => {
    for (const [size, boot, aux] of [
      [32 * MIB, 8, 8],
      [500 * MIB, 16, 16],
      [2 * GIB, 64, 64],
      [8 * GIB, 64, 256],
    ]) {
      const { devs, r } = make([size]);
      expect([r.bootBytes / MIB, r.auxBytes / MIB], `${size}`).to.deep.equal([boot, aux]);
      expectClean(devs);
    }
  });

  it('makes volumes of 24 MiB to 1 EiB, with all the header copies there is room for', () => {
    const copies = (s: number): number => [0, 1, 2, 3].filter((i) => i === 0 || i * 2 * GIB + 4 * MIB <= s).length;
    for (const size of [24 * MIB, 33 * MIB, 2 * GIB, 2 * GIB + 8 * MIB, 5 * GIB, 8 * GIB, 2 ** 50, 2 ** 60]) {
      const { devs, r } = make([size]);
      expectClean(devs);
      expect(r.totalBytes).to.equal(Math.floor(size / (8 * MIB)) * 8 * MIB);
      const headers = devs[0].touched().filter((o) => o % (2 * GIB) === 0 && o < 8 * GIB);
      expect(headers.length, `${size}`).to.equal(copies(r.totalBytes));
    }
  });

  it('spans volumes, and cuts all but the last to whole GiB', () => {
    const { devs, r } = make([1.5 * GIB, 3 * GIB + 7, 100 * MIB], {});
    expect(r.volumes).to.deep.equal([
      { off: 0, sizeBytes: GIB },
      { off: GIB, sizeBytes: 3 * GIB },
      { off: 4 * GIB, sizeBytes: 96 * MIB },
    ]);
    expectClean(devs);
    expectClean([devs[2], devs[0], devs[1]]);
    must(runSync(hammer2Open(devs, testOptions())));
  });

  it('gives the PFSs the compression and check code asked for, but never compresses BOOT', () => {
    const { devs } = make([64 * MIB], { labels: ['BOOT', 'D'], comp: Comp.ZLIB, compLevel: 9, check: Check.SHA192 });
    expectClean(devs);
    const at = (n: number): number[] => {
      const b = devs[0].peek(20 * MIB + 1024 * n, 1024);
      return [b[0x83], b[0x85]];
    };
    expect(at(1)).to.deep.equal([0x93, 4]);
    expect(at(2)).to.deep.equal([1, 4]);
    expect(at(3)).to.deep.equal([0x93, 4]);
  });

  it('makes the same image from the same time and random bytes', () => {
    const [a, b] = [make([64 * MIB]), make([64 * MIB])];
    expect(a.devs[0].touched()).to.deep.equal(b.devs[0].touched());
    for (const o of a.devs[0].touched()) {
      expect(Buffer.compare(a.devs[0].peek(o, 65536), b.devs[0].peek(o, 65536))).to.equal(0);
    }
  });

  it('leaves nothing of an older file system', () => {
    const dev = new MemDevice('vkd0', 5 * GIB);
    for (const o of [0, 62 * 65536, 64 * 65536, 2 * GIB, 4 * GIB, 4 * MIB, 100 * MIB])
      dev.poke(o, new Uint8Array(65536).fill(0xa5));
    must(runSync(newfs([dev], defaults())));
    expectClean([dev]);
    for (const o of [62 * 65536, 64 * 65536, 4 * MIB, 100 * MIB])
      expect(dev.peek(o, 65536).every((x) => x === 0)).to.equal(true);
  });

  it('refuses what cannot be, with the reason, and writes nothing', () => {
    const refused = (sizes: number[], o: Partial<NewfsOptions>): string => {
      const devs = sizes.map((s, i) => new MemDevice(`vkd${i}`, s));
      let why = '';
      const r = runSync(newfs(devs, { ...defaults(), ...o, log: (l) => (why = l) }));
      expect(r instanceof Errno ? r : null).to.equal(EINVAL);
      for (const d of devs) expect(d.touched()).to.deep.equal([]);
      return why;
    };
    expect(refused([16 * MIB], {})).to.match(/at least 24 MiB/);
    expect(refused([64 * MIB], { version: 3 })).to.match(/version 3/);
    expect(refused([2 * GIB, 2 * GIB], { version: 1 })).to.match(/one volume/);
    expect(refused([512 * MIB, 512 * MIB], {})).to.match(/vkd0: too small: at least 1 GiB/);
    expect(refused([64 * MIB], { labels: ['a', 'b', 'c', 'd'] })).to.match(/at most 3/);
    expect(refused([64 * MIB], { labels: ['LOCAL'] })).to.match(/twice/);
    expect(refused([64 * MIB], { labels: ['a/b'] })).to.match(/bad label/);
    expect(refused([64 * MIB], { sizes: [128 * MIB] })).to.match(/on a device of/);
    expect(refused([64 * MIB], { bootBytes: 60 * MIB })).to.match(/no room/);
    expect(refused([4 * GIB], { auxBytes: 1024 * MIB })).to.match(/below 1 GiB/);
    expect(refused([4 * GIB], { bootBytes: 512 * MIB })).to.match(/at most/);
  });
});
