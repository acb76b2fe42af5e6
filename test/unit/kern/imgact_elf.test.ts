import { expect } from 'chai';
import fc from 'fast-check';
import { parseElf, type ElfImage } from '../../../vkernel/kern/imgact_elf.js';
import { ENOEXEC, Errno } from '../../../vkernel/sys/errno.js';

const TOP = 0x7fffffe00000;

/** A minimal static program: headers and one PT_LOAD. */
function program(change: (v: DataView, b: Uint8Array) => void = () => undefined): Uint8Array {
  const b = new Uint8Array(4096);
  const v = new DataView(b.buffer);
  b.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]);
  v.setUint16(16, 2, true);
  v.setUint16(18, 62, true);
  v.setBigUint64(24, 0x401000n, true);
  v.setBigUint64(32, 64n, true);
  v.setUint16(52, 64, true);
  v.setUint16(54, 56, true);
  v.setUint16(56, 1, true);
  v.setUint32(64, 1, true);
  v.setUint32(68, 5, true);
  v.setBigUint64(80, 0x400000n, true);
  v.setBigUint64(96, 0x2000n, true);
  v.setBigUint64(104, 0x3000n, true);
  change(v, b);
  return b;
}

describe('parseElf', () => {
  it('reads a static program', () => {
    const img = parseElf(program(), 0x2000, TOP) as ElfImage;
    expect(img.entry).to.equal(0x401000);
    expect(img.segments).to.deep.equal([{ flags: 5, off: 0, vaddr: 0x400000, filesz: 0x2000, memsz: 0x3000 }]);
    expect(img.phdrVa).to.equal(0x400040);
    expect(img.interp).to.equal(null);
  });
  it('refuses what is not for this machine', () => {
    const bad: [string, (v: DataView, b: Uint8Array) => void][] = [
      ['class', (_v, b) => (b[4] = 1)],
      ['byte order', (_v, b) => (b[5] = 2)],
      ['machine', (v) => v.setUint16(18, 40, true)],
      ['type', (v) => v.setUint16(16, 1, true)],
      ['another OSABI', (_v, b) => (b[7] = 3)],
      ['header size', (v) => v.setUint16(54, 32, true)],
      ['headers past the first page', (v) => v.setBigUint64(32, 4090n, true)],
      ['no headers', (v) => v.setUint16(56, 0, true)],
      ['file size over memory size', (v) => v.setBigUint64(104, 0x1000n, true)],
      ['segment past the end of the file', (v) => v.setBigUint64(96, 0x3000n, true)],
      ['address above the user range', (v) => v.setBigUint64(80, BigInt(TOP), true)],
      ['offset and address out of step', (v) => v.setBigUint64(80, 0x400010n, true)],
    ];
    for (const [name, change] of bad) expect(parseElf(program(change), 0x2000, TOP), name).to.equal(ENOEXEC);
  });
  it('never throws on any damage, and never lets a segment out of the user range', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 12 }), (hits) => {
        const b = program((_v, bytes) => hits.forEach(([at, x]) => (bytes[at] = x)));
        const r = parseElf(b, 0x2000, TOP);
        if (r instanceof Errno) return;
        for (const s of r.segments) expect(s.vaddr + s.memsz).to.be.at.most(TOP);
      }),
    );
  });
});
