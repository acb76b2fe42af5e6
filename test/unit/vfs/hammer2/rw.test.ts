/** The read-write library: every operation on a volume in memory, re-read after a new mount. */
import { deflateSync } from 'node:zlib';
import { expect } from 'chai';
import {
  EBUSY,
  EEXIST,
  EFBIG,
  EINVAL,
  EIO,
  EISDIR,
  ENAMETOOLONG,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  ENXIO,
  EPERM,
  EROFS,
} from '../../../../vkernel/sys/errno.js';
import { type Codecs, tsCodecs } from '../../../../vkernel/vfs/hammer2/codec/codecs.js';
import { Check, checkName, Comp, ObjType } from '../../../../vkernel/vfs/hammer2/disk.js';
import type { Node } from '../../../../vkernel/vfs/hammer2/node.js';
import { runSync } from '../../../../vkernel/sys/blocking.js';
import type { MemDevice } from '../../../support/hammer2_build.js';
import { ByPath, defaults, faults, freshVolume, openRw } from '../../../support/hammer2_rw.js';
import { must } from '../../../support/hammer2_tree.js';
import { Model, Rng } from '../../../support/hammer2_model.js';
import type { Fs } from '../../../../vkernel/vfs/hammer2/fs.js';

const MIB = 1024 * 1024;
const fresh = (bytes = 512 * MIB): MemDevice => freshVolume(bytes);
const open = (dev: MemDevice): Fs => openRw(dev, { log: (l) => expect.fail(l) });
const mount = (fs: Fs, label = 'DATA'): ByPath => new ByPath(must(runSync(fs.mount(label)), 'mount'));

/** A fresh volume, open, with DATA mounted. */
function setUp(): { dev: MemDevice; fs: Fs; m: ByPath } {
  const dev = fresh();
  const fs = open(dev);
  return { dev, fs, m: mount(fs) };
}
function check(dev: MemDevice): void {
  expect(faults(dev)).to.deep.equal([]);
}
/** An inode's block as it is on disk. */
function peekInode(dev: MemDevice, inum: number): Uint8Array {
  const fs = openRw(dev, { readonly: true });
  const p = must(runSync(fs.mount('DATA')));
  must(runSync(p.getattr(inum)));
  return (p.iget(inum) as Node).u8;
}

const deflate: Codecs['zlibDeflate'] = (src, srcOff, srcLen, dst, dstOff, dstMax, level) => {
  const out = deflateSync(src.subarray(srcOff, srcOff + srcLen), { level });
  if (out.length > dstMax) return -1;
  dst.set(out, dstOff);
  return out.length;
};

describe('hammer2 read-write', () => {
  it('keeps what was written over a new mount', () => {
    const dev = fresh();
    const fs = open(dev);
    const m = mount(fs);
    m.file('hello', 'hello world');
    m.mkdir('d');
    const big = Uint8Array.from({ length: 1_000_000 }, (_, i) => (i * 7) ^ (i >> 8));
    m.file('d/big', big);
    for (let i = 0; i < 300; i++) m.file(`d/f${i}`, `number ${i}`);
    const check = (q: ByPath): void => {
      expect(q.text('hello')).to.equal('hello world');
      expect(Buffer.compare(q.read('d/big'), big)).to.equal(0);
      expect(q.list('d').length).to.equal(301);
      for (let i = 0; i < 300; i++) expect(q.text(`d/f${i}`)).to.equal(`number ${i}`);
    };
    check(m);
    must(runSync(fs.close()) ?? 0);
    check(mount(open(dev)));
  });

  it('keeps small files in the inode, moves them out at 513 bytes, and never back', () => {
    const { m, dev, fs } = setUp();
    const direct = (path: string): boolean => (peekInode(dev, m.inum(path))[0x51] & 1) !== 0;
    m.file('a', 'x'.repeat(512));
    m.file('b', 'x'.repeat(513));
    m.file('empty');
    m.create('l512', { type: ObjType.SOFTLINK, target: 'l'.repeat(512) });
    m.create('l513', { type: ObjType.SOFTLINK, target: 'l'.repeat(513) });
    must(runSync(fs.sync()) ?? 0);
    expect(['a', 'b', 'empty', 'l512', 'l513'].map(direct)).to.deep.equal([true, false, true, true, false]);
    must(runSync(m.p.truncate(m.inum('a'), 600)) ?? 0);
    must(runSync(m.p.truncate(m.inum('b'), 3)) ?? 0);
    must(runSync(m.p.truncate(m.inum('empty'), 10)) ?? 0);
    must(runSync(fs.sync()) ?? 0);
    expect(['a', 'b', 'empty'].map(direct)).to.deep.equal([false, false, true]);
    expect(m.text('a')).to.equal('x'.repeat(512) + '\0'.repeat(88));
    expect(m.text('b')).to.equal('xxx');
    expect(m.text('empty')).to.equal('\0'.repeat(10));
    expect(runSync(m.p.readlink(m.inum('l513')))).to.equal('l'.repeat(513));
    check(dev);
  });

  it('has holes, and finds them', () => {
    const { m, dev, fs } = setUp();
    const n = m.file('f');
    const one = Uint8Array.of(1);
    for (const lbn of [1, 4, 200, 100_000]) must(runSync(m.p.write(n, lbn * 65536 + 5, one, 0, 1)));
    must(runSync(m.p.truncate(n, 200_000 * 65536)) ?? 0);
    must(runSync(fs.sync()) ?? 0);
    const at = (g: typeof m.p.seekData, off: number): unknown => runSync(g.call(m.p, n, off));
    expect(at(m.p.seekData, 0)).to.equal(65536);
    expect(at(m.p.seekData, 65536 + 7)).to.equal(65536 + 7);
    expect(at(m.p.seekData, 2 * 65536)).to.equal(4 * 65536);
    expect(at(m.p.seekHole, 65536 + 7)).to.equal(2 * 65536);
    expect(at(m.p.seekHole, 0)).to.equal(0);
    expect(at(m.p.seekData, 100_001 * 65536)).to.equal(ENXIO);
    expect(at(m.p.seekHole, 200_000 * 65536)).to.equal(ENXIO);
    expect(m.p.isHole(n, 3)).to.equal(true);
    expect(m.p.isHole(n, 4)).to.equal(false);
    expect(m.p.nextData(n, 5)).to.equal(200);
    // The ends of a cut file are zero when it grows again.
    must(runSync(m.p.write(n, 4 * 65536, new Uint8Array(65536).fill(7), 0, 65536)));
    must(runSync(m.p.truncate(n, 4 * 65536 + 10)) ?? 0);
    must(runSync(m.p.truncate(n, 8 * 65536)) ?? 0);
    const b = new Uint8Array(65536);
    expect(runSync(m.p.read(n, 4 * 65536, b, 0, 65536))).to.equal(65536);
    expect(b.indexOf(0)).to.equal(10);
    expect(b.lastIndexOf(7)).to.equal(9);
    must(runSync(fs.sync()) ?? 0);
    check(dev);
    expect(at(m.p.seekData, 5 * 65536)).to.equal(ENXIO);
  });

  it('makes deep trees for scattered blocks and takes them down again', () => {
    const { m, dev, fs } = setUp();
    const n = m.file('f');
    const rng = new Rng(9);
    const offs = Array.from({ length: 600 }, () =>
      Math.floor(2 ** (17 + rng.below(34)) * (1 + rng.below(1000) / 1000)),
    );
    for (const o of offs) must(runSync(m.p.write(n, o, Uint8Array.of(o % 251), 0, 1)));
    must(runSync(fs.sync()) ?? 0);
    check(dev);
    const b = new Uint8Array(1);
    fs.tree.evict(0);
    for (const o of new Set(offs)) {
      expect(runSync(m.p.read(n, o, b, 0, 1))).to.equal(1);
      expect(b[0]).to.equal(o % 251);
    }
    for (const size of [2 ** 40, 2 ** 30, 2 ** 22, 70_000, 0]) {
      fs.tree.evict(0);
      must(runSync(m.p.truncate(n, size)) ?? 0);
      must(runSync(fs.sync()) ?? 0);
      check(dev);
    }
    expect(must(runSync(m.p.getattr(n))).dataBytes).to.equal(0);
    expect(runSync(m.p.seekData(n, 0))).to.equal(ENXIO);
  });

  it('keeps names of one hash apart, in the places the reference gives them', () => {
    const { m, dev, fs } = setUp();
    const names = [
      'ieqh.524y.bbb8.rogu.ayn1.y1a2.ng5b',
      'y1a2.rogu.bbb8.ieqh.ng5b.524y.ayn1',
      'rogu.524y.ayn1.ieqh.bbb8.y1a2.ng5b',
    ];
    m.mkdir('d');
    for (const x of names) m.file(`d/${x}`, x);
    must(runSync(fs.sync()) ?? 0);
    check(dev);
    expect(m.list('d')).to.deep.equal([names[1], names[0], names[2]]); // hash, hash + 1, hash + 3
    must(runSync(m.p.unlink(m.inum('d'), names[0])) ?? 0);
    expect([names[1], names[2]].map((x) => m.text(`d/${x}`))).to.deep.equal([names[1], names[2]]);
    m.file(`d/${names[0]}`, 'again');
    expect(m.list('d').length).to.equal(3);
    must(runSync(fs.sync()) ?? 0);
    check(dev);
  });

  it('answers what cannot be done with the right errno', () => {
    const { m } = setUp();
    const f = m.file('f', 'x');
    const d = m.mkdir('d');
    m.mkdir('d/sub');
    m.file('d/sub/x');
    const p = m.p;
    const mk = (dir: number, name: string): unknown =>
      runSync(p.create(dir, name, { ...defaults, type: ObjType.REGFILE }));
    expect(mk(1, 'f')).to.equal(EEXIST);
    expect(mk(1, '.')).to.equal(EEXIST);
    expect(mk(1, 'x'.repeat(256))).to.equal(ENAMETOOLONG);
    expect(mk(1, 'a/b')).to.equal(EINVAL);
    expect(mk(1, '')).to.equal(ENOENT);
    expect(mk(f, 'x')).to.equal(ENOTDIR);
    expect(mk(99_999, 'x')).to.equal(ENOENT);
    expect(runSync(p.unlink(1, 'd'))).to.equal(EISDIR);
    expect(runSync(p.unlink(1, 'nothing'))).to.equal(ENOENT);
    expect(runSync(p.rmdir(1, 'f'))).to.equal(ENOTDIR);
    expect(runSync(p.rmdir(1, 'd'))).to.equal(ENOTEMPTY);
    expect(runSync(p.link(d, 1, 'x'))).to.equal(EPERM);
    expect(runSync(p.link(f, 1, 'd'))).to.equal(EEXIST);
    expect(runSync(p.rename(1, 'd', d, 'd'))).to.equal(EINVAL);
    expect(runSync(p.rename(1, 'd', m.inum('d/sub'), 'y'))).to.equal(EINVAL);
    expect(runSync(p.rename(1, 'f', 1, 'd'))).to.equal(EISDIR);
    expect(runSync(p.rename(1, 'd', 1, 'f'))).to.equal(ENOTDIR);
    expect(runSync(p.rename(d, 'sub', 1, '.'))).to.equal(EINVAL);
    expect(runSync(p.write(d, 0, new Uint8Array(1), 0, 1))).to.equal(EISDIR);
    expect(runSync(p.write(f, 2 ** 53 - 2, new Uint8Array(9), 0, 9))).to.equal(EFBIG);
    expect(runSync(p.write(f, -1, new Uint8Array(9), 0, 9))).to.equal(EINVAL);
    expect(runSync(p.truncate(f, -1))).to.equal(EINVAL);
    expect(runSync(p.truncate(d, 0))).to.equal(EISDIR);
    expect(runSync(p.readlink(f))).to.equal(EINVAL);
    expect(runSync(p.getattr(5))).to.equal(ENOENT);
    expect(runSync(p.setcheck(f, 9 as Check))).to.equal(EINVAL);
    // a removed directory that is still held takes no names
    m.mkdir('gone');
    const gone = m.inum('gone');
    p.hold(gone);
    must(runSync(p.rmdir(1, 'gone')) ?? 0);
    expect(mk(gone, 'x')).to.equal(ENOENT);
    p.drop(gone);
    expect(runSync(p.getattr(gone))).to.equal(ENOENT);
  });

  it('removes what was open without a name at the last drop, and after a crash at the next mount', () => {
    const { m, dev, fs } = setUp();
    const nums = ['a', 'b', 'c'].map((x) => m.file(x, x.repeat(70_000)));
    m.file('keep', 'kept');
    for (const n of nums) m.p.hold(n);
    for (const x of ['a', 'b', 'c']) must(runSync(m.p.unlink(1, x)) ?? 0);
    m.p.drop(nums[1]);
    expect(runSync(m.p.getattr(nums[1]))).to.equal(ENOENT);
    expect(must(runSync(m.p.getattr(nums[0]))).nlinks).to.equal(0);
    expect(runSync(m.p.read(nums[2], 69_999, new Uint8Array(9), 0, 9))).to.equal(1);
    must(runSync(fs.sync()) ?? 0);
    expect(faults(dev, { errorsOnly: true })).to.deep.equal([]);
    // the power goes; nothing was closed
    const again = open(dev);
    const q = mount(again);
    expect(q.list('')).to.deep.equal(['keep']);
    for (const n of nums) expect(runSync(q.p.getattr(n))).to.equal(ENOENT);
    must(runSync(again.close()) ?? 0);
    check(dev);
    expect(new DataView(peekInode(dev, 1).buffer).getBigUint64(0xd8, true)).to.equal(0n);
  });

  it('takes snapshots that stay as they were while the source goes on, and can be written to', () => {
    const { m, dev, fs } = setUp();
    m.mkdir('d');
    for (let i = 0; i < 50; i++) m.file(`d/f${i}`, `v1 of ${i}`);
    m.file('big', new Uint8Array(200_000).fill(1));
    must(runSync(m.p.setattr(1, { mode: 0o1777, uid: 7 })) ?? 0);
    must(runSync(m.p.setcomp(1, Comp.ZLIB, 0)) ?? 0);
    must(runSync(fs.snapshot('DATA', 'snap')) ?? 0);
    expect(runSync(fs.snapshot('DATA', 'snap'))).to.equal(EEXIST);
    expect(runSync(fs.snapshot('NONE', 'x'))).to.equal(ENOENT);
    const s = mount(fs, 'snap');
    for (let i = 0; i < 50; i++) m.file(`d/f${i}`, `v2 of ${i}`);
    m.file('big', new Uint8Array(100).fill(2));
    s.file('d/own', 'of the snapshot');
    must(runSync(fs.sync()) ?? 0);
    check(dev);
    const same = (x: ByPath, y: ByPath): void => {
      expect(x.text('d/f7')).to.equal('v2 of 7');
      expect(y.text('d/f7')).to.equal('v1 of 7');
      expect(y.read('big').length).to.equal(200_000);
      expect(x.list('d').length).to.equal(50);
      expect(y.list('d').length).to.equal(51);
      expect(must(runSync(y.p.getattr(1)))).to.include({ mode: 0o1777, uid: 7, comp: Comp.ZLIB });
    };
    same(m, s);
    must(runSync(fs.close()) ?? 0);
    const again = open(dev);
    same(mount(again), mount(again, 'snap'));
    expect(must(runSync(again.pfsList())).find((p) => p.label === 'snap')).to.include({ subtype: 1, type: 6 });
    expect(runSync(again.mount('snap'))).to.equal(EBUSY);
    expect(runSync(again.pfsDelete('snap'))).to.equal(EBUSY);
    must(runSync(again.mounts.get('snap')!.unmount()) ?? 0);
    must(runSync(again.pfsDelete('snap')) ?? 0);
    expect(runSync(again.mount('snap'))).to.equal(ENOENT);
    check(dev);
  });

  it('makes PFSs, many of them, and deletes them', () => {
    const { fs, dev } = setUp();
    for (let i = 0; i < 40; i++) must(runSync(fs.pfsCreate(`pfs${i}`)) ?? 0);
    expect(runSync(fs.pfsCreate('pfs3'))).to.equal(EEXIST);
    expect(runSync(fs.pfsCreate(''))).to.equal(EINVAL);
    expect(runSync(fs.pfsCreate('x'.repeat(256)))).to.equal(ENAMETOOLONG);
    check(dev);
    const m = mount(fs, 'pfs17');
    m.file('x', 'in 17');
    must(runSync(m.p.unmount()) ?? 0);
    for (let i = 0; i < 40; i++) if (i !== 17) must(runSync(fs.pfsDelete(`pfs${i}`)) ?? 0);
    check(dev);
    expect(
      must(runSync(fs.pfsList()))
        .map((p) => p.label)
        .sort(),
    ).to.deep.equal(['DATA', 'LOCAL', 'pfs17']);
    expect(mount(fs, 'pfs17').text('x')).to.equal('in 17');
  });

  for (const [comp, name] of [
    [Comp.NONE, 'none'],
    [Comp.AUTOZERO, 'autozero'],
    [Comp.LZ4, 'lz4'],
    [Comp.ZLIB, 'zlib'],
  ] as const) {
    for (const check of [Check.NONE, Check.DISABLED, Check.ISCSI32, Check.XXHASH64, Check.SHA192]) {
      it(`stores data with compression ${name} and check ${checkName(check)}`, () => {
        const dev = fresh();
        // zlib is the machine's: here node's.
        const codecs: Codecs = { ...tsCodecs, zlibDeflate: deflate };
        const fs = openRw(dev, { codecs });
        const m = mount(fs);
        must(runSync(m.p.setcomp(1, comp, 0)) ?? 0);
        must(runSync(m.p.setcheck(1, check)) ?? 0);
        const rng = new Rng(comp * 5 + check);
        const noise = Uint8Array.from({ length: 250_000 }, () => rng.below(256));
        const files = new Map<string, Uint8Array>([
          ['text', Uint8Array.from({ length: 250_000 }, (_, i) => 97 + (((i * i) >> 7) % 5))],
          ['zeros', new Uint8Array(250_000)],
          ['noise', noise],
          ['short', Uint8Array.from({ length: 600 }, (_, i) => 65 + (i % 3))],
          ['half', noise.map((x, i) => (i % 65536 < 20_000 ? x : 0))],
        ]);
        for (const [n, b] of files) m.file(n, b);
        must(runSync(fs.sync()) ?? 0);
        expect(faults(dev)).to.deep.equal([]);
        const stored = (n: string): number => must(runSync(m.p.getattr(m.inum(n)))).dataBytes;
        const real = comp === Comp.LZ4 || comp === Comp.ZLIB;
        expect(stored('noise')).to.equal(4 * 65536);
        expect(stored('zeros')).to.equal(
          comp === Comp.NONE || (check === Check.NONE && !real) ? 4 * 65536 : check === Check.NONE ? 4 * 1024 : 0,
        );
        if (real) expect(stored('text')).to.be.lessThan(150_000);
        else expect(stored('text')).to.equal(4 * 65536);
        if (real) expect(stored('half')).to.equal(4 * 32768);
        expect(stored('short')).to.equal(1024);
        must(runSync(fs.close()) ?? 0);
        const q = mount(openRw(dev, { readonly: true }));
        for (const [n, b] of files) expect(Buffer.compare(q.read(n), b), n).to.equal(0);
      });
    }
  }

  it('writes no header when nothing has changed', () => {
    const { m, fs, dev } = setUp();
    m.file('f', 'x');
    must(runSync(fs.sync()) ?? 0);
    const { headers } = fs.stats;
    const tid = dev.peek(0, 65536).slice(0x78, 0x80).join();
    m.text('f');
    for (let i = 0; i < 3; i++) must(runSync(fs.sync()) ?? 0);
    must(runSync(fs.close()) ?? 0);
    expect(fs.stats.headers).to.equal(headers);
    expect(dev.peek(0, 65536).slice(0x78, 0x80).join()).to.equal(tid);
  });

  it('remounts read-only and back', () => {
    const { m } = setUp();
    m.file('f', 'x');
    must(runSync(m.p.remount(true)) ?? 0);
    expect(runSync(m.p.unlink(1, 'f'))).to.equal(EROFS);
    expect(runSync(m.p.write(m.inum('f'), 0, new Uint8Array(1), 0, 1))).to.equal(EROFS);
    must(runSync(m.p.remount(false)) ?? 0);
    must(runSync(m.p.unlink(1, 'f')) ?? 0);
  });

  it('unmounts only when nothing is held', () => {
    const { m, fs } = setUp();
    const n = m.file('f', 'x');
    m.p.hold(n);
    expect(runSync(m.p.unmount())).to.equal(EBUSY);
    m.p.drop(n);
    must(runSync(m.p.unmount()) ?? 0);
    expect(runSync(m.p.getattr(n))).to.equal(EIO);
    expect(mount(fs).text('f')).to.equal('x');
  });

  for (const seed of [1, 2, 3]) {
    it(`does what a model of it does (seed ${seed})`, function () {
      this.timeout(60_000);
      const dev = fresh(1024 * MIB);
      let fs = open(dev);
      const m = new Model(must(runSync(fs.mount('DATA'))), new Rng(seed));
      for (let i = 0; i < 1500; i++) {
        try {
          m.step();
        } catch (e) {
          throw new Error(`step ${i}: ${String(e)}`, { cause: e });
        }
        if (i % 7 === 0) fs.tree.evict(0); // whatever is clean may leave at any time
        if (i % 100 !== 99) continue;
        m.verify();
        must(runSync(fs.sync()) ?? 0);
        expect(faults(dev, { errorsOnly: m.held.length > 0 }), `step ${i}`).to.deep.equal([]);
        m.verify();
        if (i % 300 !== 299) continue;
        for (const h of m.held.splice(0)) m.p.drop(h.inum);
        must(runSync(fs.close()) ?? 0);
        fs = open(dev);
        m.p = must(runSync(fs.mount('DATA')));
        m.verify();
      }
    });
  }
});
