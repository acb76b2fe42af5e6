/** Format cases the fixtures do not have: other check codes, volumes, header choice, collisions, deep trees. */
import { expect } from 'chai';
import { runSync } from '../../../../vkernel/sys/blocking.js';
import type { BlockDevice } from '../../../../vkernel/sys/blockdev.js';
import { EINVAL, EIO, ENAMETOOLONG, ENOENT, ENXIO, Errno } from '../../../../vkernel/sys/errno.js';
import { parseSpecial } from '../../../../vkernel/vfs/hammer2/index.js';
import { hammer2Mount, mountOf, openReadonly, type TestMount } from '../../../support/hammer2_mount.js';
import {
  type BuildOptions,
  type CheckAlgo,
  type CompName,
  type MemDevice,
  type TestNode,
  buildImage,
  signHeader,
} from '../../../support/hammer2_build.js';
import { type Dirent, listDir, must, walkTree } from '../../../support/hammer2_tree.js';

const bytes = (n: number, seed = 1): Uint8Array =>
  Uint8Array.from({ length: n }, (_, i) => Math.imul(i + seed, 2654435761) >>> 17);
const text = (n: number): Uint8Array =>
  new Uint8Array(Buffer.from('all work and no play makes jack a dull boy. '.repeat(n / 44 + 1)).subarray(0, n));
const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

function mountAll(devs: BlockDevice[], label: string | null = 'DATA', lines: string[] = []): TestMount | Errno {
  return runSync(hammer2Mount(devs, label, { log: (l) => lines.push(l) }));
}
function readAll(m: TestMount, path: string): Uint8Array | Errno {
  let ip = m.root;
  for (const p of path.split('/')) {
    const r = runSync(m.lookup(ip, p));
    if (r instanceof Errno) return r;
    ip = r;
  }
  const buf = new Uint8Array(ip.size);
  const n = runSync(m.read(ip, 0, buf, 0, ip.size));
  return n instanceof Errno ? n : buf.subarray(0, n);
}
/** Names and contents of every file, for comparing whole trees. */
function contents(m: TestMount): Map<string, string> {
  const out = new Map<string, string>();
  for (const [p, ip] of walkTree(m)) if (ip.type === 2) out.set(p, Buffer.from(must(readAll(m, p))).toString('base64'));
  return out;
}

const someFiles = (check?: CheckAlgo, comp?: CompName): TestNode[] => [
  { type: 'file', name: 'small', data: text(300), check, comp },
  { type: 'file', name: 'text', data: text(200_000), check, comp },
  { type: 'file', name: 'random', data: bytes(150_001), check, comp },
  { type: 'file', name: 'tiny-block', data: text(600), check, comp },
  { type: 'symlink', name: 'link', data: text(700), check, comp },
  { type: 'file', name: 'y'.repeat(200), data: text(70_000), check, comp },
];

describe('hammer2 format', () => {
  for (const check of ['none', 'disabled', 'crc32', 'xxhash64', 'sha192', 'freemap'] as CheckAlgo[]) {
    for (const comp of ['none', 'autozero', 'lz4', 'zlib'] as CompName[]) {
      it(`reads check ${check} with compression ${comp}`, () => {
        const lines: string[] = [];
        const m = must(mountAll(buildImage({ pfs: { DATA: someFiles() }, check, comp }), 'DATA', lines));
        for (const f of someFiles()) {
          if (f.type === 'symlink') continue;
          expect(Buffer.compare(must(readAll(m, f.name)), f.data!), f.name).to.equal(0);
        }
        expect(runSync(m.readlink(must(runSync(m.lookup(m.root, 'link')))))).to.equal(
          Buffer.from(text(700)).toString('latin1'),
        );
        expect(lines).to.deep.equal([]);
      });
    }
  }

  for (const check of ['crc32', 'xxhash64', 'sha192', 'freemap'] as CheckAlgo[]) {
    it(`detects a flipped bit under check ${check}, naming the block`, () => {
      let at = 0;
      const devs = buildImage({
        pfs: { DATA: someFiles() },
        check,
        comp: 'none',
        tamper: (kind, _b, bref, name) => {
          if (kind === 'data' && name === 'random' && at === 0)
            at = Number(new DataView(bref.buffer).getBigUint64(0x20, true));
        },
      });
      const off = at - (at % 64);
      devs[0].poke(off + 4711, Uint8Array.of(devs[0].peek(off + 4711, 1)[0] ^ 0x10));
      const lines: string[] = [];
      const m = must(mountAll(devs, 'DATA', lines));
      expect(readAll(m, 'random')).to.equal(EIO);
      expect(lines).to.have.length(1);
      expect(lines[0]).to.match(/CHECK FAIL bref 0x[0-9a-f]{16} key 0{16}\/16 type DATA/);
      expect(lines[0])
        .to.include(at.toString(16))
        .and.to.include(check)
        .and.to.match(/expected [0-9a-f]+, got [0-9a-f]+$/);
      // The blocks behind it stay readable.
      const ip = must(runSync(m.lookup(m.root, 'random')));
      expect(runSync(m.read(ip, 65536, new Uint8Array(100), 0, 100))).to.equal(100);
    });
  }

  it('passes on an error of the device as EIO', () => {
    const devs = buildImage({ pfs: { DATA: someFiles() } });
    const lines: string[] = [];
    const m = must(mountAll(devs, 'DATA', lines));
    for (const off of devs[0].touched()) for (let o = 0; o < 65536; o += 1024) devs[0].bad.set(off + o, ENXIO);
    expect(readAll(m, 'text')).to.equal(EIO);
    expect(lines[0]).to.match(/READ ERROR bref .*: ENXIO$/);
    devs[0].bad.clear();
    expect(must(readAll(m, 'text'))).to.deep.equal(text(200_000));
  });

  it('decodes attributes', () => {
    const data = text(10);
    const file: TestNode = { type: 'file', name: 'f', data, mode: 0o6755, uid: 1001, gid: 0xfffffffe, uflags: 0x12 };
    const m = must(
      mountAll(
        buildImage({
          pfs: {
            DATA: [
              file,
              { type: 'file', name: 'again', linkTo: file },
              { type: 'fifo', name: 'p' },
              { type: 'chr', name: 'c', rdev: [3, 0x10002] },
            ],
          },
        }),
      ),
    );
    const ip = must(runSync(m.lookup(m.root, 'f')));
    expect(ip).to.include({ mode: 0o6755, uid: 1001, gid: 0xfffffffe, uflags: 0x12, nlinks: 2, size: 10, type: 2 });
    expect(ip).to.include({ ctimeUs: 1_600_000_000_000_001, mtimeUs: 1_600_000_000_000_002, iparent: 1 });
    expect(runSync(m.lookup(m.root, 'again'))).to.deep.equal(ip);
    expect(must(runSync(m.lookup(m.root, 'c')))).to.include({ type: 5, rmajor: 3, rminor: 0x10002 });
    expect(must(runSync(m.lookup(m.root, 'p'))).type).to.equal(4);
    expect(runSync(m.read(must(runSync(m.lookup(m.root, 'p'))), 0, new Uint8Array(5), 0, 5))).to.equal(EINVAL);
  });

  it('zero-fills holes, short blocks in the middle and what is past the end', () => {
    const data = new Uint8Array(5 * 65536);
    data.set(bytes(65536, 9), 65536);
    const m = must(
      mountAll(
        buildImage({
          pfs: {
            DATA: [
              { type: 'file', name: 'f', data, size: 2 ** 41 },
              { type: 'file', name: 'short', data: bytes(1000), size: 200_000 },
            ],
          },
        }),
      ),
    );
    const f = must(runSync(m.lookup(m.root, 'f')));
    const buf = new Uint8Array(3 * 65536).fill(7);
    expect(runSync(m.read(f, 0, buf, 0, buf.length))).to.equal(buf.length);
    expect(Buffer.compare(buf, data.subarray(0, buf.length))).to.equal(0);
    expect(runSync(m.read(f, 2 ** 41 - 5, buf, 0, 100))).to.equal(5);
    expect([...buf.subarray(0, 6)]).to.deep.equal([0, 0, 0, 0, 0, data[5]]);
    const s = must(runSync(m.lookup(m.root, 'short')));
    const all = new Uint8Array(200_000);
    expect(runSync(m.read(s, 0, all, 0, 200_000))).to.equal(200_000);
    expect(Buffer.compare(all.subarray(0, 1000), bytes(1000))).to.equal(0);
    expect(all.subarray(1000).every((x) => x === 0)).to.equal(true);
  });

  it('never shows stored bytes that lie past the end of the file', () => {
    const devs = buildImage({
      pfs: { DATA: [{ type: 'file', name: 'f', data: text(900) }] },
      comp: 'none',
      tamper: (kind, block) => {
        if (kind === 'data') block.fill(0xff, 900);
      },
    });
    const m = must(mountAll(devs));
    const buf = new Uint8Array(65536).fill(1);
    must(runSync(m.readBlock(must(runSync(m.lookup(m.root, 'f'))), 0, buf, 0)) ?? 0);
    expect(Buffer.compare(buf.subarray(0, 900), text(900))).to.equal(0);
    expect(buf.subarray(900).every((x) => x === 0)).to.equal(true);
  });

  it('finds and lists names of equal hash', () => {
    const parts = ['ieqh', '524y', 'bbb8', 'rogu', 'ayn1', 'y1a2', 'ng5b'];
    const names = [
      'ieqh.524y.bbb8.rogu.ayn1.y1a2.ng5b',
      'y1a2.rogu.bbb8.ieqh.ng5b.524y.ayn1',
      'rogu.524y.ayn1.ieqh.bbb8.y1a2.ng5b',
    ];
    const children = names.map((name, i): TestNode => ({ type: 'file', name, data: text(i + 1) }));
    const m = must(mountAll(buildImage({ pfs: { DATA: children } })));
    names.forEach((n, i) => expect(must(runSync(m.lookup(m.root, n))).size).to.equal(i + 1));
    expect(runSync(m.lookup(m.root, [...parts].reverse().join('.')))).to.equal(ENOENT);
    for (const room of [1, 2, 100]) {
      expect(
        (must(listDir(m, m.root, room)) as Dirent[])
          .slice(2)
          .map((d) => d.name)
          .sort(),
      ).to.deep.equal([...names].sort());
    }
  });

  it('lists more names of one hash than a cookie can tell apart', () => {
    // The hash of the builder is replaced: 300 names are moved into one collision space.
    let n = 0;
    const base = 0xc1d0433082e08000n;
    const children = Array.from({ length: 300 }, (_, i): TestNode => ({ type: 'file', name: `n${i}` }));
    children.push({ type: 'file', name: 'zz' });
    const devs = buildImage({
      pfs: { DATA: [{ type: 'dir', name: 'd', children }] },
      tamper: (kind, _b, bref, name) => {
        const v = new DataView(bref.buffer);
        if (kind === 'dirent' && name.startsWith('n')) v.setBigUint64(8, base + BigInt(n++) * 7n, true);
      },
    });
    const m = must(mountAll(devs));
    const dir = must(runSync(m.lookup(m.root, 'd')));
    for (const room of [1, 3, 61, 62, 100, 1000]) {
      const list = must(listDir(m, dir, room)) as Dirent[];
      expect(list.length, `room ${room}`).to.equal(303);
      expect(new Set(list.map((d) => d.name)).size).to.equal(303);
    }
  });

  it('walks trees of every depth and block size', () => {
    const children = Array.from({ length: 700 }, (_, i): TestNode => ({
      type: 'file',
      name: `file${i}`,
      data: text(i % 40),
    }));
    const sparse = new Uint8Array(40 * 65536);
    for (let i = 0; i < 40; i += 3) sparse[i * 65536 + 5] = i + 1;
    const tree: TestNode[] = [
      { type: 'dir', name: 'd', children },
      { type: 'file', name: 'sparse', data: sparse },
    ];
    let want: Map<string, string> | null = null;
    for (const [indirect, fanout] of [
      [4096, 32],
      [1024, 2],
      [16384, 100],
      [65536, 500],
    ]) {
      const m = must(mountAll(buildImage({ volumes: [512 * MIB], pfs: { DATA: tree }, indirect, fanout })));
      const got = contents(m);
      expect(got.size).to.equal(701);
      expect(got.get('sparse')).to.equal(Buffer.from(sparse).toString('base64'));
      want ??= got;
      expect(got).to.deep.equal(want);
    }
  });

  it('mounts PFSs by label and lists them', () => {
    const devs = buildImage({
      pfs: {
        LOCAL: [],
        DATA: someFiles(),
        'x.snap': [{ type: 'file', name: 'old', data: text(5) }],
        ROOT: [],
        BOOT: [],
      },
    });
    const dev = must(runSync(openReadonly(devs)));
    expect(
      must(runSync(dev.pfsList()))
        .map((p) => p.label)
        .sort(),
    ).to.deep.equal(['BOOT', 'DATA', 'LOCAL', 'ROOT', 'x.snap']);
    const snap = must(runSync(mountOf(dev, 'x.snap')));
    expect(must(readAll(snap, 'old'))).to.deep.equal(text(5));
    expect(readAll(snap, 'text')).to.equal(ENOENT);
    expect(snap.statfs().files).to.equal(1);
    expect(must(readAll(must(runSync(mountOf(dev, 'DATA'))), 'text'))).to.deep.equal(text(200_000));
  });

  it('takes a mount special apart', () => {
    expect(parseSpecial('/dev/vkd0')).to.deep.equal({ devs: ['/dev/vkd0'], label: null });
    expect(parseSpecial('vkd0@DATA')).to.deep.equal({ devs: ['vkd0'], label: 'DATA' });
    expect(parseSpecial('a:b@x')).to.deep.equal({ devs: ['a', 'b'], label: 'x' });
    expect(parseSpecial('@x')).to.deep.equal({ devs: [], label: 'x' });
    expect(parseSpecial('vkd0@')).to.deep.equal({ devs: ['vkd0'], label: null });
  });

  it('refuses a symbolic link longer than a path', () => {
    const m = must(mountAll(buildImage({ pfs: { DATA: [{ type: 'symlink', name: 'l', data: text(1024) }] } })));
    expect(runSync(m.readlink(must(runSync(m.lookup(m.root, 'l')))))).to.equal(ENAMETOOLONG);
  });
});

describe('hammer2 volumes', () => {
  const files: TestNode[] = someFiles();
  const three: BuildOptions = { volumes: [GIB, 2 * GIB, 64 * MIB], pfs: { DATA: files } };

  it('reads a file system on several volumes, given in any order', () => {
    const devs = buildImage(three);
    for (const order of [
      [0, 1, 2],
      [2, 0, 1],
    ]) {
      const ds = order.map((i) => devs[i]);
      expect(must(readAll(must(mountAll(ds)), 'text'))).to.deep.equal(text(200_000));
      expect(devs.every((d) => d.reads > 0)).to.equal(true);
    }
  });

  it('refuses volumes that are missing, doubled or foreign', () => {
    const devs = buildImage(three);
    const other = buildImage({ ...three, header: (h) => h.setUint8(0x40, 99) });
    const lines: string[] = [];
    expect(mountAll([], 'DATA', lines)).to.equal(EINVAL);
    expect(mountAll([devs[0]], 'DATA', lines)).to.equal(ENXIO);
    expect(mountAll([devs[0], devs[1]], 'DATA', lines)).to.equal(ENXIO);
    expect(mountAll([devs[0], devs[1], devs[1]], 'DATA', lines)).to.equal(ENXIO);
    expect(mountAll([devs[0], devs[1], other[2]], 'DATA', lines)).to.equal(ENXIO);
    expect(lines.every((l) => /^hammer2: vkd\d: /.test(l))).to.equal(true);
    expect(lines.length).to.equal(4);
  });

  it('reads version 1', () => {
    expect(must(readAll(must(mountAll(buildImage({ pfs: { DATA: files }, version: 1 }))), 'small'))).to.deep.equal(
      text(300),
    );
  });

  it('takes the header with the highest mirror_tid, on a tie the lowest copy', () => {
    const build = (tids: bigint[]): MemDevice[] =>
      buildImage({
        volumes: [7 * GIB],
        pfs: { DATA: [] },
        header: (h, _v, copy) => h.setBigUint64(0x78, tids[copy], true),
      });
    const chosen = (devs: MemDevice[]): number => must(runSync(openReadonly(devs))).headerCopy;
    expect(chosen(build([5n, 6n, 7n, 4n]))).to.equal(2);
    expect(chosen(build([5n, 5n, 5n, 5n]))).to.equal(0);
    expect(chosen(build([0xffffffffn, 0x1_0000_0000n, 3n, 9n]))).to.equal(1);
  });

  it('falls back to an older header when the newest is torn, in any of its CRC areas', () => {
    for (const at of [0x8, 0x201, 0x1f8, 0x1fc, 0x900, 0xffff]) {
      const devs = buildImage({
        volumes: [7 * GIB],
        pfs: { DATA: [] },
        header: (h, _v, copy) => h.setBigUint64(0x78, BigInt(20 + copy), true),
      });
      devs[0].poke(6 * GIB + at, Uint8Array.of(devs[0].peek(6 * GIB + at, 1)[0] ^ 1));
      const lines: string[] = [];
      const d = must(runSync(openReadonly(devs, { log: (l) => lines.push(l) })));
      expect(d.headerCopy).to.equal(2);
      expect(lines.join()).to.match(/volume header #3: CRC FAIL/);
    }
  });

  it('refuses bad headers with EINVAL and says why', () => {
    const cases: [string, (h: DataView) => void, RegExp][] = [
      ['magic', (h) => h.setUint8(0, 0), /bad magic/],
      ['byte order', (h) => h.setBigUint64(0, 0x48414d3205172011n, false), /other byte order/],
      ['fstype', (h) => h.setUint8(0x50, 0), /fstype/],
      ['size', (h) => h.setBigUint64(0x28, 1n << 40n, true), /does not fit/],
      ['size 0', (h) => h.setBigUint64(0x28, 0n, true), /does not fit/],
      ['size wild', (h) => h.setBigUint64(0x28, (1n << 64n) - 1n, true), /does not fit/],
      ['version', (h) => h.setUint32(0x30, 77, true), /unknown version 77/],
      ['super-root type', (h) => h.setUint8(0x200, 3), /wrong type/],
      ['super-root invalid', (h) => h.setUint8(0x200, 7), /INVALID/],
      ['no super-root', (h) => h.setUint8(0x200, 0), /no super-root/],
    ];
    for (const [what, change, re] of cases) {
      const lines: string[] = [];
      const r = mountAll(buildImage({ pfs: { DATA: [] }, header: change }), 'DATA', lines);
      expect(r instanceof Errno && (r === EINVAL || r === EIO), what).to.equal(true);
      expect(lines.join('\n'), what).to.match(re);
    }
    const blank = buildImage({ pfs: { DATA: [] } });
    const b = new Uint8Array(65536);
    signHeader(b);
    blank[0].poke(0, b);
    expect(mountAll(blank)).to.equal(EINVAL);
  });
});
