import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { abiPage } from '../../../tools/abi_doc.js';

describe('docs/abi.md', () => {
  it('is what tools/abi_doc.ts prints', () => {
    const text = readFileSync(new URL('../../../../docs/abi.md', import.meta.url), 'utf8');
    expect(text, 'run: npm run docs').to.equal(abiPage());
  });
  it('names every refused call once, with an errno or a signal', () => {
    const refused = abiPage().split('## Refused')[1].split('##')[0];
    for (const line of refused.split('\n').filter((l) => l.startsWith('| ') && !/^\| (calls|---)/.test(l)))
      expect(line).to.match(/\| (E[A-Z]+|SIG[A-Z]+): /);
  });
});
