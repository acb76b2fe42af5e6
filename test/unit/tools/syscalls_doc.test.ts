import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { syscallsPage } from '../../../tools/syscalls_doc.js';

describe('docs/syscalls.md', () => {
  it('is what tools/syscalls_doc.ts prints', () => {
    const text = readFileSync(new URL('../../../../docs/syscalls.md', import.meta.url), 'utf8');
    expect(text, 'run: node dist/tools/syscalls_doc.js > docs/syscalls.md').to.equal(syscallsPage());
  });
});
