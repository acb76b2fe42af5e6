/**
 * Hostile and broken images: whatever the bytes, nothing throws, nothing loops, and where check codes cover the block
 * there is either the right data or EIO.
 */
import { expect } from 'chai';
import fc from 'fast-check';
import { runSync } from '../../../../vkernel/sys/blocking.js';
import { EINVAL, EIO, ENOENT, Errno } from '../../../../vkernel/sys/errno.js';
import {
  type BuildOptions,
  type MemDevice,
  type Tamper,
  type TestNode,
  buildImage,
} from '../../../support/hammer2_build.js';
import { hammer2Mount, type TestInode, type TestMount } from '../../../support/hammer2_mount.js';
import { fixtureDevice } from '../../../support/hammer2_fixture.js';
import { must, walkImage } from '../../../support/hammer2_tree.js';

const text = (n: number): Uint8Array =>
  new Uint8Array(Buffer.from('how now brown cow, '.repeat(n / 19 + 1)).subarray(0, n));
const bytes = (n: number): Uint8Array => Uint8Array.from({ length: n }, (_, i) => Math.imul(i + 1, 2654435761) >>> 17);

const tree: TestNode[] = [
  {
    type: 'dir',
    name: 'd',
    children: Array.from({ length: 12 }, (_, i) => ({ type: 'file', name: `f${i}`, data: text(i * 60) })),
  },
  { type: 'file', name: 'text', data: text(400_000) },
  { type: 'file', name: 'zlib', data: text(100_000), comp: 'zlib' },
  { type: 'file', name: 'raw', data: bytes(70_000) },
  { type: 'file', name: 'n'.repeat(120), data: text(5) },
  { type: 'symlink', name: 'l', data: text(600) },
  { type: 'symlink', name: 's', data: text(6) },
];
const small: BuildOptions = { pfs: { DATA: tree, LOCAL: [] }, indirect: 1024, fanout: 3 };

/** What was seen: `path` or `path@block`, to the errno or the bytes. Bounded, as hostile directories may be cyclic. */
function exercise(devs: MemDevice[] | ReturnType<typeof fixtureDevice>[]): Map<string, string> {
  const seen = new Map<string, string>();
  const m = runSync(hammer2Mount(devs, 'DATA'));
  if (m instanceof Errno) return seen.set('mount', m.name);
  void runSync(m.pfsList());
  m.statfs();
  let budget = 400;
  const visit = (path: string, ip: TestInode): void => {
    if (budget-- <= 0) return;
    seen.set(path, `${ip.type} ${ip.mode} ${ip.size} ${ip.nlinks}`);
    if (ip.type === 7) seen.set(`${path}@link`, String(runSync(m.readlink(ip))));
    if (ip.type !== 1) {
      const buf = new Uint8Array(65536);
      for (const lbn of [0, 1, 3, 6, Math.floor(ip.size / 65536)]) {
        const e = runSync(m.readBlock(ip, lbn, buf, 0));
        seen.set(`${path}@${lbn}`, e?.name ?? Buffer.from(buf).toString('latin1'));
        void runSync(m.read(ip, lbn * 65536 + 100, buf, 0, 1000));
      }
      return;
    }
    const names: string[] = [];
    const e = runSync(
      m.readdir(ip, 0, (name) => {
        expect(name).to.match(/^[^/\0]{1,255}$/s);
        names.push(name);
        return names.length < 200;
      }),
    );
    if (e !== null) seen.set(`${path}@dir`, e.name);
    for (const n of names.slice(2)) {
      const r = runSync(m.lookup(ip, n));
      if (r instanceof Errno) seen.set(`${path}/${n}`, r.name);
      else visit(`${path}/${n}`, r);
    }
  };
  visit('', m.root);
  return seen;
}

describe('hammer2 hostile images', function () {
  this.timeout(60_000);

  it('gives EIO or the right data for random byte flips anywhere', () => {
    const blocks: [number, number][] = [[0, 65536]];
    const devs = buildImage({
      ...small,
      tamper: (_k, block, bref) => {
        const off = Number(new DataView(bref.buffer).getBigUint64(0x20, true));
        if (off > 0) blocks.push([off - (off % 64), block.length]);
      },
    });
    const good = exercise(devs);
    expect(good.size).to.be.greaterThan(60);
    expect([...good.values()]).to.not.include('EIO');
    const edit = fc.tuple(fc.nat(blocks.length - 1), fc.nat(), fc.integer({ min: 1, max: 255 }));
    let partial = 0;
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 5 }), (edits) => {
        const undo: [number, Uint8Array][] = [];
        for (const [b, o, x] of edits) {
          const at = blocks[b][0] + (o % blocks[b][1]);
          const old = devs[0].peek(at, 1);
          undo.push([at, old]);
          devs[0].poke(at, Uint8Array.of(old[0] ^ x));
        }
        try {
          const now = exercise(devs);
          if (now.size > 40 && [...now.values()].includes('EIO')) partial++;
          for (const [what, got] of now) {
            if (what === 'mount') expect(got).to.be.oneOf(['EIO', 'EINVAL', 'ENXIO']);
            else if (got !== 'EIO') expect(got, what).to.equal(good.get(what));
          }
        } finally {
          for (const [at, old] of undo.reverse()) devs[0].poke(at, old);
        }
      }),
      { numRuns: 200 },
    );
    expect(partial, 'runs that hit some blocks but not all').to.be.greaterThan(20);
    expect(exercise(devs)).to.deep.equal(good);
  });

  it('does the same on a real image', () => {
    const dev = fixtureDevice('lz4-xxhash64-tree');
    const refs = walkImage(dev);
    const good = exercise([dev]);
    const edit = fc.tuple(fc.nat(refs.length - 1), fc.nat(), fc.integer({ min: 1, max: 255 }));
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 20 }), (edits) => {
        dev.unflip();
        for (const [i, o, x] of edits) dev.flip(refs[i].off + (o % refs[i].size), x);
        for (const [what, got] of exercise([dev])) {
          if (what === 'mount') expect(got).to.equal('EIO');
          else if (got !== 'EIO') expect(got, what).to.equal(good.get(what));
        }
      }),
      { numRuns: 40 },
    );
    dev.unflip();
  });

  /** Random changes of blocks before they are signed: check codes are right, contents are not. */
  const tampered = (kinds: RegExp): void => {
    fc.assert(
      fc.property(
        fc.infiniteStream(fc.nat()),
        fc.integer({ min: 1, max: 12 }),
        fc.boolean(),
        (rnd, rate, unchecked) => {
          const next = (): number => rnd.next().value as number;
          const tamper: Tamper = (kind, block, bref) => {
            if (!kinds.test(kind) || next() % 12 >= rate) return;
            const n = 1 + (next() % 4);
            for (let i = 0; i < n; i++) {
              // A field of a random live or dead blockref in the block, or any byte, or the parent's blockref itself.
              const slots = block.length >= 128 ? block.length / 128 : 0;
              const field = [0, 1, 3, 8, 12, 15, 0x20, 0x21, 0x23, 0x27, 0x30, 0x38, 0x40][next() % 13];
              const value = [0, 1, 2, 3, 4, 5, 7, 10, 16, 63, 64, 127, 128, 255, next() & 255][next() % 15];
              if (next() % 3 === 0) bref[field] = value;
              else if (slots > 0 && next() % 2 === 0)
                block[(slots - 1 - (next() % Math.min(slots, 4))) * 128 + field] = value;
              else block[next() % block.length] = next() & 255;
            }
            if (unchecked) bref[1] = 0x10 | (bref[1] & 15);
          };
          let devs: MemDevice[];
          try {
            devs = buildImage({ ...small, tamper });
          } catch {
            return; // the builder itself tripped over its tampered blocks
          }
          exercise(devs);
          expect(devs[0].reads).to.be.lessThan(50_000);
        },
      ),
      { numRuns: 150 },
    );
  };
  it('survives any tampering of indirect blocks', () => tampered(/indirect/));
  it('survives any tampering of inodes', () => tampered(/inode|pfsroot|suproot/));
  it('survives any tampering of directory entries and names', () => tampered(/dirent|name/));
  it('survives any tampering of data blocks', () => tampered(/data/));
  it('survives any tampering of everything', () => tampered(/./));

  /** Build with one blockref or block changed; look something up; what is complained about. */
  function broken(tamper: Tamper, act: (m: TestMount) => unknown): { result: unknown; lines: string[]; reads: number } {
    const lines: string[] = [];
    const devs = buildImage({ ...small, tamper });
    const m = runSync(hammer2Mount(devs, 'DATA', { log: (l) => lines.push(l) }));
    const result = m instanceof Errno ? m : act(m);
    return { result, lines, reads: devs[0].reads };
  }
  const readText = (m: TestMount): number | Errno => {
    const ip = must(runSync(m.lookup(m.root, 'text')));
    return runSync(m.read(ip, 0, new Uint8Array(ip.size), 0, ip.size));
  };
  const setOff = (bref: Uint8Array, dataOff: bigint): void =>
    new DataView(bref.buffer).setBigUint64(0x20, dataOff, true);

  for (const [what, dataOff, why] of [
    ['radix 0', 0n, /radix 0/],
    ['radix 9', 0x1900009n, /radix 9/],
    ['radix 17', 0x1900011n, /radix 17/],
    ['radix 63', 0x190003fn, /radix 63/],
    ['an offset past the end', (64n << 20n) + 10n, /out of range/],
    ['a wild offset', 0xffffffffffffffcan, /out of range/],
    ['an imprecise offset', (1n << 53n) + 0x40an, /out of range/],
    ['an unaligned offset', 0x1900200n + 10n, /unaligned/],
    ['a block across 64 KiB', 0x190fc00n + 11n, /crosses/],
  ] as [string, bigint, RegExp][]) {
    it(`refuses a data block with ${what}`, () => {
      const r = broken((kind, block, bref, name) => {
        // The data blockref is part of its parent: an indirect block (fanout 3) of the file.
        if (kind === 'indirect' && name === 'text') {
          for (let at = 0; at < block.length; at += 128)
            if (block[at] === 3) new DataView(block.buffer).setBigUint64(at + 0x20, dataOff, true);
        }
        void bref;
      }, readText);
      expect(r.result).to.equal(EIO);
      expect(r.lines[0])
        .to.match(/^hammer2: vkd0: BAD BLOCKREF bref 0x/)
        .and.to.match(why);
    });
  }

  it('refuses blockrefs of a wrong type, wrong key bits or outside of their range', () => {
    const change = (f: (block: Uint8Array, at: number) => void): Tamper => {
      return (kind, block, _bref, name) => {
        if (kind !== 'indirect' || name !== 'text') return;
        for (let at = 0; at < block.length; at += 128) if (block[at] === 3) f(block, at);
      };
    };
    for (const [f, re] of [
      [(b, at) => (b[at] = 4), /wrong type here/],
      [(b, at) => (b[at] = 1), /wrong type here/],
      [(b, at) => (b[at] = 5), /FREEMAP_NODE/],
      [(b, at) => (b[at] = 99), /type 99/],
      [(b, at) => (b[at + 3] = 12), /key bits|out of order/],
      [(b, at) => (b[at + 3] = 64), /key bits/],
      [(b, at) => (b[at + 8] = 1), /unaligned key/],
    ] as [(b: Uint8Array, at: number) => void, RegExp][]) {
      const r = broken(change(f), readText);
      expect(r.result).to.equal(EIO);
      expect(r.lines[0]).to.match(re);
    }
  });

  for (const methods of [0x10, 0x00]) {
    it(`ends a loop of indirect blocks (methods 0x10, inner 0x${methods.toString(16)})`, () => {
      // The block points at itself, without check code; ranges as wide as they can be. With another check method in the
      // inner blockref the two must not throw each other out of the cache for ever.
      const r = broken((kind, block, bref, name) => {
        if (kind !== 'indirect' || name !== 'text') return;
        bref[1] = 0x10;
        const self = bref.slice();
        self[1] = methods;
        self[3] = 63;
        self.fill(0, 8, 16);
        block.fill(0);
        block.set(self);
      }, readText);
      expect(r.result).to.equal(EIO);
      expect(r.lines.join()).to.match(/tree too deep/);
      expect(r.reads).to.be.lessThan(200);
    });
  }

  it('ends a search through many references to one empty block', () => {
    const r = broken(
      (kind, block, bref, name) => {
        if (kind !== 'indirect' || name !== 'd') return;
        const v = new DataView(block.buffer);
        for (let at = 0; at < block.length; at += 128) {
          if (block[at] !== 4) continue;
          // Make each entry an indirect block that is empty: 1 KiB of the boot area.
          block[at] = 2;
          block[at + 1] = 0x10;
          v.setBigUint64(at + 0x20, 0x80_0000n + 10n, true);
        }
        void bref;
      },
      (m) => {
        const dir = must(runSync(m.lookup(m.root, 'd')));
        const names: string[] = [];
        const e = runSync(m.readdir(dir, 0, (n) => names.push(n) > 0));
        return [e, names.join()];
      },
    );
    expect(r.result).to.deep.equal([null, '.,..']);
    expect(r.reads).to.be.lessThan(100);
  });

  it('refuses names no path can hold, and entries that lead nowhere', () => {
    const rename = (to: string): Tamper => {
      return (kind, _b, bref, name) => {
        if (kind !== 'dirent' || name !== 's') return;
        bref.fill(0, 0x40);
        bref.set(Buffer.from(to, 'latin1'), 0x40);
        bref[0x38] = to.length;
      };
    };
    const list = (m: TestMount): unknown => {
      let r: Errno | null = null;
      for (let c = 0, more = true; more && r === null;) {
        more = false;
        r = runSync(m.readdir(m.root, c, (_n, _i, _t, next) => ((c = next), (more = true))));
      }
      return r;
    };
    for (const bad of ['a/b', '.', '..', 'x\0y']) {
      const r = broken(rename(bad), list);
      expect(r.result, bad).to.equal(EIO);
      expect(r.lines[0]).to.match(/BAD DIRECTORY ENTRY .*impossible name/);
    }
    expect(broken(rename('fine'), list).result).to.equal(null);
    const far = broken(
      (kind, _b, bref, name) => {
        if (kind === 'dirent' && name === 's') bref[0x34] = 9; // inum far away
      },
      (m) => runSync(m.lookup(m.root, 's')),
    );
    expect(far.result).to.equal(EIO);
    expect(far.lines[0]).to.match(/"s" in directory 1: no inode/);
  });

  it('refuses impossible inodes', () => {
    const cases: [(b: Uint8Array) => void, RegExp][] = [
      [(b) => (b[0] = 2), /version 2/],
      [(b) => (b[0x50] = 3), /type 3/],
      [(b) => (b[0x58] ^= 1), /has number/],
      [(b) => ((b[0x51] = 1), (b[0x61] = 3)), /direct data of more than 512/],
      [(b) => (b[0x5e] = 1), /number too large|has number/],
    ];
    for (const [f, re] of cases) {
      const r = broken(
        (kind, block, _b, name) => {
          if (kind === 'inode' && name === 's') f(block);
        },
        (m) => runSync(m.lookup(m.root, 's')),
      );
      expect(r.result).to.equal(EIO);
      expect(r.lines[0]).to.match(re);
    }
    const dir = broken(
      (kind, block, _b, name) => {
        if (kind === 'inode' && name === 'd') block[0x51] = 1;
      },
      (m) => runSync(m.lookup(m.root, 'd')),
    );
    expect(dir.lines[0]).to.match(/directory with direct data/);
    const root = broken(
      (kind, block) => {
        if (kind === 'pfsroot') block[0x50] = 2;
      },
      () => null,
    );
    expect(root.result).to.equal(EINVAL);
  });

  it('refuses what does not decompress although its check code is right', () => {
    for (const [name, f, re] of [
      ['text', (b) => b.fill(0xff, 4), /DECOMPRESSION FAIL .*lz4/],
      ['text', (b) => b.fill(0xff, 0, 4), /BAD LZ4 BLOCK/],
      ['zlib', (b) => (b[0] = 0x77), /DECOMPRESSION FAIL .*zlib/],
    ] as [string, (b: Uint8Array) => void, RegExp][]) {
      const r = broken(
        (kind, block, _b, n) => {
          if (kind === 'data' && n === name) f(block);
        },
        (m) => runSync(m.readBlock(must(runSync(m.lookup(m.root, name))), 0, new Uint8Array(65536), 0)),
      );
      expect(r.result).to.equal(EIO);
      expect(r.lines[0]).to.match(re);
    }
  });

  it('finds the other names of a hash when one of them is unreadable', () => {
    let dataOff = 0n;
    const long = 'n'.repeat(120);
    const r = broken(
      (kind, _b, bref) => {
        if (kind === 'name') setOff(bref, (dataOff = (64n << 20n) + 10n));
      },
      (m) => [
        runSync(m.lookup(m.root, long)),
        runSync(m.lookup(m.root, 'n'.repeat(119))),
        must(runSync(m.lookup(m.root, 's'))).type,
      ],
    );
    expect(dataOff).to.not.equal(0n);
    expect(r.result).to.deep.equal([EIO, ENOENT, 7]);
  });
});
