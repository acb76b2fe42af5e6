/** Native arithmetic of file systems against its TypeScript twins. */
import { deflateSync } from 'node:zlib';
import { expect } from 'chai';
import fc from 'fast-check';
import { hostCodecs, nativeDigest } from '../../../vkernel/machine/host/codecs.js';
import { runSync } from '../../../vkernel/sys/blocking.js';
import { tsCodecs } from '../../../vkernel/vfs/hammer2/index.js';
import { FIXTURES, fixtureDevice, readManifest } from '../../support/hammer2_fixture.js';
import { hammer2Mount } from '../../support/hammer2_mount.js';
import { fileSha256, must, walkTree } from '../../support/hammer2_tree.js';
import { lz4Compress } from '../../support/lz4_compress.js';

const n = nativeDigest();
const host = hostCodecs();
const noise = (len: number, seed: number): Uint8Array => {
  const b = new Uint8Array(len);
  for (let i = 0, x = seed | 1; i < len; i++) b[i] = (x = (Math.imul(x, 1664525) + 1013904223) | 0) >>> 24;
  return b;
};
const mixed = fc
  .tuple(fc.nat(65536), fc.nat(), fc.nat(3))
  .map(([len, seed, kind]) =>
    kind === 0 ? noise(len, seed) : noise(len, seed).map((x, i) => (i % (97 * kind) < 60 ? i % 7 : x & 3)),
  );

describe('native codecs', () => {
  it('are in use', () => {
    expect(host).to.not.equal(tsCodecs);
  });

  it('hash as the TypeScript twins do, at any offset and length', () => {
    const a = new Uint32Array(2);
    const b = new Uint32Array(2);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 40_000 }), fc.nat(63), fc.nat(), (len, off, seed) => {
        const buf = noise(off + len + 9, seed);
        n.xxh64(buf, off, len, a);
        tsCodecs.xxh64(buf, off, len, b);
        expect([...a]).to.deep.equal([...b]);
        const crc = tsCodecs.crc32c(buf, off, len);
        expect(n.crc32c(buf, off, len)).to.equal(crc);
        expect(n.crc32cTable(buf, off, len)).to.equal(crc);
        expect(host.crc32c(buf, off, len)).to.equal(crc);
        const h1 = new Uint8Array(32);
        const h2 = new Uint8Array(32);
        host.sha256(buf, off, len, h1);
        tsCodecs.sha256(buf, off, len, h2);
        expect(h1).to.deep.equal(h2);
      }),
      { numRuns: 150 },
    );
    expect(n.crc32c(new Uint8Array(0), 0, 0)).to.equal(0);
  });

  it('lz4 compression: the same bytes as the TypeScript twin, within the limit, and back again', () => {
    fc.assert(
      fc.property(mixed, fc.nat(70_000), (data, max) => {
        const run = (f: typeof host.lz4Compress): Uint8Array | null => {
          const dst = new Uint8Array(max + 64).fill(0xa5);
          const padded = new Uint8Array(data.length + 64);
          padded.set(data, 32);
          const r = f(padded, 32, data.length, dst, 32, max);
          expect(dst.subarray(0, 32).every((x) => x === 0xa5)).to.equal(true);
          expect(dst.subarray(32 + max).every((x) => x === 0xa5)).to.equal(true);
          return r < 0 ? null : dst.slice(32, 32 + r);
        };
        const z = run(host.lz4Compress);
        expect(z).to.deep.equal(run(tsCodecs.lz4Compress));
        if (z === null) return;
        for (const c of [host, tsCodecs]) {
          const back = new Uint8Array(65536);
          expect(c.lz4Decompress(z, 0, z.length, back, 0, 65536)).to.equal(data.length);
          expect(Buffer.compare(back.subarray(0, data.length), data)).to.equal(0);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('zlib compression: streams that inflate, within the limit', () => {
    const deflate = host.zlibDeflate;
    if (deflate === undefined) throw new Error('no zlibDeflate');
    fc.assert(
      fc.property(mixed, fc.integer({ min: 6, max: 9 }), (data, level) => {
        const dst = new Uint8Array(70_000);
        const r = deflate(data, 0, data.length, dst, 0, dst.length, level);
        expect(deflate(data, 0, data.length, dst, 0, r - 1, level)).to.equal(-1);
        const back = new Uint8Array(65536);
        expect(tsCodecs.zlibInflate(dst, 0, r, back, 0, 65536)).to.equal(data.length);
        expect(Buffer.compare(back.subarray(0, data.length), data)).to.equal(0);
      }),
      { numRuns: 100 },
    );
  });

  for (const [name, compress, pick] of [
    ['lz4', lz4Compress, 'lz4Decompress'],
    ['zlib', (b: Uint8Array): Uint8Array => new Uint8Array(deflateSync(b)), 'zlibInflate'],
  ] as [string, (b: Uint8Array) => Uint8Array, 'lz4Decompress' | 'zlibInflate'][]) {
    it(`${name}: the same bytes, the same refusals, nothing outside of the buffer`, () => {
      const run = (f: typeof host.lz4Decompress, z: Uint8Array, max: number): Uint8Array | null => {
        const dst = new Uint8Array(max + 64).fill(0xa5);
        const padded = new Uint8Array(z.length + 64);
        padded.set(z, 32);
        const r = f(padded, 32, z.length, dst, 32, max);
        expect(dst.subarray(0, 32).every((x) => x === 0xa5)).to.equal(true);
        expect(dst.subarray(32 + max).every((x) => x === 0xa5)).to.equal(true);
        return r < 0 ? null : dst.slice(32, 32 + r);
      };
      fc.assert(
        fc.property(
          mixed,
          fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { maxLength: 3 }),
          fc.nat(65536),
          (data, edits, cut) => {
            const z = compress(data);
            expect(Buffer.compare(run(host[pick], z, 65536) ?? new Uint8Array(0), data)).to.equal(0);
            const bad = z.slice(0, cut % 4 === 0 ? cut % (z.length + 1) : z.length);
            if (bad.length > 0) for (const [at, x] of edits) bad[at % bad.length] ^= x;
            for (const max of [65536, data.length, Math.max(0, data.length - 1), cut]) {
              expect(run(host[pick], bad, max)).to.deep.equal(run(tsCodecs[pick], bad, max));
            }
          },
        ),
        { numRuns: 120 },
      );
    });
  }

  it('refuse ranges outside of their arrays', () => {
    const b = new Uint8Array(100);
    const out = new Uint32Array(2);
    for (const [off, len] of [
      [-1, 10],
      [0, 101],
      [100, 1],
      [NaN, 1],
      [0, -1],
      [2 ** 53, 2 ** 53],
    ]) {
      expect(() => n.crc32c(b, off, len)).to.throw(TypeError);
      expect(() => n.xxh64(b, off, len, out)).to.throw(TypeError);
      expect(() => n.lz4Decompress(b, off, len, b, 0, 100)).to.throw(TypeError);
      expect(() => n.lz4Decompress(b, 0, 100, b, off, len)).to.throw(TypeError);
    }
    expect(() => n.xxh64(b, 0, 10, new Uint32Array(1))).to.throw(TypeError);
    expect(() => n.crc32c(new Uint32Array(4) as unknown as Uint8Array, 0, 4)).to.throw(TypeError);
  });

  for (const name of FIXTURES) {
    it(`read ${name} as its manifest has it`, function () {
      this.timeout(60_000);
      const m = must(runSync(hammer2Mount([fixtureDevice(name)], 'DATA', { codecs: host })));
      const tree = new Map(walkTree(m));
      for (const e of readManifest(name).pfs['DATA']) {
        if (e.sha256 !== undefined) expect(fileSha256(m, tree.get(e.path)!), e.path).to.equal(e.sha256);
      }
    });
  }
});
