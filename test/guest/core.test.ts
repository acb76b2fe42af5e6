import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ccTest, scratchDir, vkernel } from './support/guest.js';

const have = (tool: string): boolean => spawnSync(tool, ['--version']).status === 0;

describe('a core file of a guest program', function () {
  this.timeout(60000);
  it('is read by readelf and gdb', function () {
    if (!have('readelf') || !have('gdb')) {
      console.log('    (skipped: needs readelf and gdb)');
      this.skip();
    }
    const dir = scratchDir();
    const prog = ccTest(scratchDir(), 'core');
    const r = vkernel(['run', '--mount', `${dir}:${dir}:rw`, '--cwd', dir, prog]);
    expect(r.status, r.stderr).to.equal(128 + 6);
    const core = join(dir, 'core.core');
    const elf = spawnSync('readelf', ['-hnW', core], { encoding: 'utf8' });
    expect(elf.stdout).to.contain('CORE (Core file)').and.contain('NT_PRPSINFO');
    expect(elf.stderr).to.equal('');
    const gdb = spawnSync('gdb', ['-batch', '-ex', 'p/x *(int *)&magic', '-ex', 'bt', prog, core], {
      encoding: 'utf8',
    });
    expect(gdb.stdout).to.contain('= 0x1337');
    expect(gdb.stdout).to.match(/terminated with signal SIGABRT/);
    expect(gdb.stdout).to.match(/in abort \(\)|in inner \(\)/);
  });
});
