import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../../../vkernel/machine/host/native.js';

/** Names and values of "  NAME = 0x1," lines of layout.ts and "#define VK_NAME 0x1" lines of layout.h. */
const root = packageRoot();
const ts = readFileSync(join(root, 'vkernel/machine/host/layout.ts'), 'utf8');
const h = readFileSync(join(root, 'native/stub/layout.h'), 'utf8');

describe('layout of memory shared with the stubs', () => {
  const defines = new Map<string, string>();
  for (const m of h.matchAll(/^#define VK_(\w+) (.+?)\s*(?:\/\*.*)?$/gm)) defines.set(m[1], m[2].trim());
  const value = (expr: string): number => {
    const text = expr.replace(/VK_(\w+)/g, (_, n: string) => String(value(defines.get(n) ?? 'NaN')));
    return text
      .replace(/[()]/g, '')
      .split('+')
      .reduce((sum, t) => sum + Number(t), 0);
  };
  const entries = [...ts.matchAll(/^ {2}(\w+) = (\w+),/gm)];

  it('is the same in C and TypeScript', () => {
    expect(entries.length).to.be.greaterThan(40);
    for (const [, name, v] of entries) expect(value(defines.get(name) ?? 'NaN'), name).to.equal(Number(v));
  });
});

describe('the stub', () => {
  it('has its two special calls where the layout says', () => {
    const elf = readFileSync(join(root, 'build/Release/vkstub'));
    const ph = Number(elf.readBigUInt64LE(32));
    const text = Number(elf.readBigUInt64LE(ph + 8));
    const call = (end: number): string => elf.subarray(text + end - 2, text + end).toString('hex');
    expect(call(0x14), 'VK_REUSE_PARKED').to.equal('0f05');
    expect(call(0x36), 'VK_NEWCALL').to.equal('0f05');
  });
});
