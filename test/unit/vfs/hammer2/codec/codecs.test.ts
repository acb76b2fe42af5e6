import { createHash } from 'node:crypto';
import { constants, deflateSync } from 'node:zlib';
import { expect } from 'chai';
import fc from 'fast-check';
import { crc32c } from '../../../../../vkernel/vfs/hammer2/codec/crc32c.js';
import { zlibInflate } from '../../../../../vkernel/vfs/hammer2/codec/inflate.js';
import { lz4Decompress } from '../../../../../vkernel/vfs/hammer2/codec/lz4.js';
import { foldSha192, sha256 } from '../../../../../vkernel/vfs/hammer2/codec/sha256.js';
import { xxh64 } from '../../../../../vkernel/vfs/hammer2/codec/xxh64.js';
import { dirhash } from '../../../../../vkernel/vfs/hammer2/dirhash.js';
import { hex32, hex64 } from '../../../../../vkernel/vfs/hammer2/disk.js';
import { lz4Compress } from '../../../../support/lz4_compress.js';

const ramp = Uint8Array.from({ length: 65536 }, (_, i) => i & 255);
const ascii = (s: string): Uint8Array => new Uint8Array(Buffer.from(s));

// input, XXH64 with HAMMER2's seed, CRC-32C, SHA192
const VECTORS: [string, Uint8Array, string, string, string][] = [
  ['empty', ascii(''), '84566ac0f5a0cb84', '00000000', 'e3b0c44298fc1c149afbf4c8996fb924833bd8ff1cc92b19'],
  ['a', ascii('a'), 'd2a6081c8157197e', 'c1d04330', 'ca978112ca1bbdcafac231b39a23dc4d1e06987dbb9206c9'],
  ['digits', ascii('123456789'), '3b4eb9ba9b947403', 'e3069283', '15e2b0d3c33891ebb0f1ef609ec41942b0acd0328a1a747a'],
  ['zeros', new Uint8Array(1024), 'a85f7f8931b8cf1e', 'eeaede7c', '5f70bf18a086007016e948b04aed3b82dde599ae08f49359'],
  ['ramp', ramp, '3a43103d3aaab2bd', 'a224af3d', '7daca2095d0438260fa849183dfc67fabab596dc8849ff0b'],
];

const hashed = (b: Uint8Array, off: number, len: number): string => {
  const out = new Uint32Array(2);
  xxh64(b, off, len, out);
  return hex64(out[1], out[0]);
};

/** XXH64 straight from its definition, in BigInt: the oracle. */
function xxh64Plain(b: Uint8Array): string {
  const M = (1n << 64n) - 1n;
  const [P1, P2, P3, P4, P5] = [
    0x9e3779b185ebca87n,
    0xc2b2ae3d27d4eb4fn,
    0x165667b19e3779f9n,
    0x85ebca77c2b2ae63n,
    0x27d4eb2f165667c5n,
  ];
  const seed = 0x4d617474446c6c6en;
  const rotl = (x: bigint, n: bigint): bigint => ((x << n) | (x >> (64n - n))) & M;
  const round = (acc: bigint, x: bigint): bigint => (rotl((acc + x * P2) & M, 31n) * P1) & M;
  const v = new DataView(b.buffer, b.byteOffset, b.length);
  let i = 0;
  let h: bigint;
  if (b.length >= 32) {
    const acc = [seed + P1 + P2, seed + P2, seed, seed - P1].map((x) => x & M);
    for (; i + 32 <= b.length; i += 32) {
      for (let k = 0; k < 4; k++) acc[k] = round(acc[k], v.getBigUint64(i + 8 * k, true));
    }
    h = (rotl(acc[0], 1n) + rotl(acc[1], 7n) + rotl(acc[2], 12n) + rotl(acc[3], 18n)) & M;
    for (const a of acc) h = ((h ^ round(0n, a)) * P1 + P4) & M;
  } else h = (seed + P5) & M;
  h = (h + BigInt(b.length)) & M;
  for (; i + 8 <= b.length; i += 8) h = (rotl(h ^ round(0n, v.getBigUint64(i, true)), 27n) * P1 + P4) & M;
  if (i + 4 <= b.length) {
    h = (rotl(h ^ ((BigInt(v.getUint32(i, true)) * P1) & M), 23n) * P2 + P3) & M;
    i += 4;
  }
  for (; i < b.length; i++) h = (rotl(h ^ ((BigInt(b[i]) * P5) & M), 11n) * P1) & M;
  h = ((h ^ (h >> 33n)) * P2) & M;
  h = ((h ^ (h >> 29n)) * P3) & M;
  return (h ^ (h >> 32n)).toString(16).padStart(16, '0');
}

describe('hammer2 check codes', () => {
  for (const [name, data, xxh, crc, sha] of VECTORS) {
    it(`match the published vectors: ${name}`, () => {
      expect(hashed(data, 0, data.length)).to.equal(xxh);
      expect(hex32(crc32c(data, 0, data.length))).to.equal(crc);
      const out = new Uint8Array(32);
      sha256(data, 0, data.length, out);
      expect(Buffer.from(out).toString('hex')).to.equal(createHash('sha256').update(data).digest('hex'));
      foldSha192(out);
      expect(Buffer.from(out.subarray(0, 24)).toString('hex')).to.equal(sha);
    });
  }

  it('agree with independent implementations on any input at any offset', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(17), (data, off) => {
        const b = new Uint8Array(off + data.length + 5).fill(0xee);
        b.set(data, off);
        expect(hashed(b, off, data.length)).to.equal(xxh64Plain(data));
        const out = new Uint8Array(32);
        sha256(b, off, data.length, out);
        expect(Buffer.from(out).toString('hex')).to.equal(createHash('sha256').update(data).digest('hex'));
        let c = ~0;
        for (const x of data) {
          c ^= x;
          for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1;
        }
        expect(crc32c(b, off, data.length)).to.equal(~c >>> 0);
      }),
    );
  });

  it('CRC-32C continues from a finished value', () => {
    for (const cut of [0, 1, 7, 8, 500, 65536]) {
      const head = crc32c(ramp, 0, cut);
      expect(hex32(crc32c(ramp, cut, ramp.length - cut, head))).to.equal('a224af3d');
    }
  });
});

describe('hammer2 directory hash', () => {
  const names: [string, string][] = [
    ['BOOT', 'd9b36ce135528000'],
    ['ROOT', 'b0d7dddc6d0b8000'],
    ['DATA', 'c78fff92381d8000'],
    ['LOCAL', 'de25e1c43fe18000'],
    ['boot', 'b0e4eea2de468000'],
    ['a', 'c1d0433082e08000'],
    ['hello.txt', 'd6e8905688708000'],
    ['a.b', '9450f3f4307d8000'],
    ['b.a', '9450f3f4fa848000'],
    ['foo-bar_baz~1', 'ebdfa72f8dd88000'],
    [Buffer.from('日本').toString('latin1'), 'c798c44983d18000'],
    ['...', '80000000bf988000'],
    ['x'.repeat(255), 'd3996824bbbd8000'],
    ['ieqh.524y.bbb8.rogu.ayn1.y1a2.ng5b', 'e48059ee1c748000'],
    ['y1a2.rogu.bbb8.ieqh.ng5b.524y.ayn1', 'e48059ee1c748000'],
    ['rogu.524y.ayn1.ieqh.bbb8.y1a2.ng5b', 'e48059ee1c748000'],
  ];
  for (const [name, want] of names) {
    it(`of ${JSON.stringify(name.slice(0, 40))}`, () => {
      const h = dirhash(name);
      expect(hex64(h.hi, h.lo)).to.equal(want);
    });
  }
});

/** Bytes with repetitions, as files have. */
const texty = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.tuple(fc.nat(255), fc.nat(700)).map(([b, n]) => new Uint8Array(n).fill(b)),
    ),
    {
      maxLength: 30,
    },
  )
  .chain((parts) =>
    fc
      .array(fc.nat(Math.max(0, parts.length - 1)), { maxLength: 60 })
      .map((ix) => Buffer.concat(ix.map((i) => parts[i] ?? new Uint8Array(0)))),
  )
  .map((b) => new Uint8Array(b.subarray(0, 65536)));

const GUARD = 0xa5;
type Decomp = typeof lz4Decompress;

/** Decompress into a guarded buffer and check that nothing outside was touched. */
function guarded(f: Decomp, src: Uint8Array, max: number): Uint8Array | null {
  const dst = new Uint8Array(max + 32).fill(GUARD);
  const n = f(src, 0, src.length, dst, 16, max);
  expect(n).to.be.within(-1, max);
  expect(dst.subarray(0, 16).every((x) => x === GUARD)).to.equal(true);
  expect(dst.subarray(16 + max).every((x) => x === GUARD)).to.equal(true);
  return n < 0 ? null : dst.slice(16, 16 + n);
}

for (const [name, f, compress] of [
  ['lz4', lz4Decompress, lz4Compress],
  ['zlib', zlibInflate, (b: Uint8Array) => new Uint8Array(deflateSync(b))],
] as [string, Decomp, (b: Uint8Array) => Uint8Array][]) {
  describe(`hammer2 ${name} decompression`, () => {
    it('gives back what was compressed', () => {
      fc.assert(
        fc.property(texty, (data) => {
          expect(guarded(f, compress(data), 65536)).to.deep.equal(data);
          // An output buffer one byte short is refused.
          if (data.length > 0) expect(guarded(f, compress(data), data.length - 1)).to.equal(null);
        }),
        { numRuns: 60 },
      );
    });

    it('refuses a stream cut at any byte', () => {
      const data = new Uint8Array(Buffer.from('the quick brown fox, the quick brown dog, the lazy fox '.repeat(9)));
      const z = compress(data);
      for (let n = 0; n < z.length; n++) {
        const got = guarded(f, z.slice(0, n), 65536);
        // A cut LZ4 block may end at a sequence's literals: then a prefix comes out, and the check code must tell.
        if (name === 'zlib') expect(got, `cut at ${n}`).to.equal(null);
        else if (got !== null)
          expect(Buffer.from(data).subarray(0, got.length).equals(Buffer.from(got))).to.equal(true);
      }
    });

    it('never writes outside of its buffer, whatever the input', () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 300 }), (junk) => void guarded(f, junk, 200)),
        { numRuns: 2000 },
      );
      fc.assert(
        fc.property(texty, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }), (data, edits) => {
          const z = compress(data);
          for (const [at, x] of edits) z[at % z.length] ^= x;
          guarded(f, z, 4000);
        }),
        { numRuns: 200 },
      );
    });
  });
}

describe('hammer2 inflate', () => {
  const data = new Uint8Array(Buffer.from('abcabcabdabcabcabe'.repeat(400) + String(Math.PI)));
  it('reads stored, fixed and dynamic blocks of all strategies', () => {
    const opts = [
      { level: 0 },
      { level: 1 },
      { level: 9 },
      { strategy: constants.Z_FIXED },
      { strategy: constants.Z_HUFFMAN_ONLY },
      { strategy: constants.Z_RLE },
    ];
    const rand = Uint8Array.from({ length: 65536 }, (_, i) => (Math.imul(i, 2654435761) >>> 21) ^ (i >> 7));
    for (const o of opts) {
      for (const d of [data, rand])
        expect(guarded(zlibInflate, new Uint8Array(deflateSync(d, o)), 65536)).to.deep.equal(d);
    }
  });

  it('decodes codes longer than its fast table', () => {
    // Fibonacci frequencies give a code as deep as the format allows.
    const parts: Uint8Array[] = [];
    for (let i = 0, a = 1, b = 1; i < 20; i++, [a, b] = [b, a + b])
      parts.push(new Uint8Array(Math.min(a, 6000)).fill(i * 7));
    const all = new Uint8Array(Buffer.concat(parts)).subarray(0, 65536);
    const d = all.map((_, i) => all[(i * 7919) % all.length]);
    const z = new Uint8Array(deflateSync(d, { strategy: constants.Z_HUFFMAN_ONLY }));
    expect(guarded(zlibInflate, z, 65536)).to.deep.equal(d);
  });

  it('ignores bytes after the end and refuses a wrong Adler-32', () => {
    const z = new Uint8Array(deflateSync(data));
    const padded = new Uint8Array(1024);
    padded.set(z);
    expect(guarded(zlibInflate, padded, 65536)).to.deep.equal(data);
    z[z.length - 1] ^= 1;
    expect(guarded(zlibInflate, z, 65536)).to.equal(null);
  });
});
