import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ScaleResult } from './scale_child.js';

describe('a million processes', function () {
  this.retries(2);
  it('fit into 2 GB, and fork, exit and wait cost at most twice what they cost with 1,000', () => {
    const child = fileURLToPath(new URL('scale_child.js', import.meta.url));
    const r = spawnSync(process.execPath, ['--max-old-space-size=1900', child, '1000000'], { encoding: 'utf8' });
    expect(r.status, r.stderr).to.equal(0);
    const s = JSON.parse(r.stdout) as ScaleResult;
    console.log(`    ${r.stdout.trim()}`);
    expect(s.alive).to.equal(1000000);
    expect(s.rssMb).to.be.lessThan(2048);
    expect(s.forkNs[1] / s.forkNs[0]).to.be.lessThan(2);
    // Four dependent loads from memory that is in no cache.
    expect(s.findNs[1]).to.be.lessThan(2000);
  });
});
