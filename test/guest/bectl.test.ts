/** Boot environments: the guest's bectl, and what is booted then. */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { scratchDir, top, vkernel } from './support/guest.js';

function tool(name: string, ...args: string[]): void {
  const r = spawnSync(process.execPath, [join(top, 'dist/tools', `${name}.js`), ...args], { encoding: 'latin1' });
  expect(r.status, `${name}: ${r.stdout}${r.stderr}`).to.equal(0);
}
/** The lines of `bectl list -H`. */
const list = (out: string): string[] => [...out.matchAll(/^(?:# )*(\S+\t[NR-]+\t\S+)$/gm)].map((m) => m[1]);

describe('Boot environments', function () {
  this.timeout(120_000);
  let image = '';
  before(() => {
    image = join(scratchDir(), 'root.img');
  });
  const boot = (script: string, ...more: string[]): string => {
    const r = vkernel(['--root', `${image}:1g`, ...more], { input: `${script}; halt\n` });
    expect(r.status, r.stdout + r.stderr).to.equal(0);
    return r.stdout + r.stderr;
  };
  afterEach(() => tool('fsck_hammer2', image));

  it('are made, listed, mounted and activated', () => {
    const out = boot(
      'echo one >/root/x; bectl create good; echo broken >/root/x; bectl create -e good other; bectl list; ' +
        'bectl mount good /mnt; cat /mnt/root/x; bectl list -H; bectl umount good; bectl activate good; ' +
        'bectl create good; bectl activate none; bectl create LOCAL; bectl create a@b',
    );
    expect(out).to.match(/^(# )*BE +Active Mountpoint$/m);
    expect(out).to.match(/^\/mnt\none$/m);
    expect(list(out)).to.deep.equal(['ROOT\tNR\t/', 'good\t-\t/mnt', 'other\t-\t-']);
    for (const line of [
      'bectl: good: File exists',
      'bectl: none: no such boot environment',
      'bectl: LOCAL is no boot environment',
      'bectl: a@b: bad name',
    ])
      expect(out).to.include(line);
  });

  it('the activated one is booted: rolled back; the one that runs and the next one are kept', () => {
    const out = boot(
      'cat /root/x; bectl destroy good; bectl rename other spare; bectl rename ROOT old; bectl rename good x; ' +
        'bectl list -H; bectl activate old; bectl destroy old',
    );
    expect(out).to.include('Mounting root from hammer2:vkd0@good');
    expect(out).to.match(/^(# )*one$/m);
    expect(list(out)).to.deep.equal(['good\tNR\t/', 'old\t-\t-', 'spare\t-\t-']);
    expect(out).to.include('bectl: good is the one that runs');
    expect(out).to.include('bectl: good is in use');
    expect(out).to.include('bectl: old is the one that is booted next: activate another first');
  });

  it('vfs.root.mountfrom goes before what is activated, and a renamed one stays activated', () => {
    const out = boot(
      'cat /root/x; bectl list -H; bectl rename old ROOT',
      '-e',
      'vfs.root.mountfrom=hammer2:vkd0@spare',
    );
    expect(out).to.match(/^(# )*one$/m);
    expect(list(out)).to.deep.equal(['good\t-\t-', 'old\tR\t-', 'spare\tN\t/']);
    const next = boot('cat /root/x; bectl list -H; bectl destroy good; bectl activate spare');
    expect(next).to.include('Mounting root from hammer2:vkd0@ROOT');
    expect(next).to.match(/^(# )*broken$/m);
    expect(list(next)).to.deep.equal(['ROOT\tNR\t/', 'good\t-\t-', 'spare\t-\t-']);
  });

  it('one that is gone is no reason not to boot', () => {
    tool('hammer2', '-s', image, 'pfs-delete', 'spare');
    const out = boot('bectl list -H');
    expect(out).to.include('vkd0: boot environment spare is not there');
    expect(list(out)).to.deep.equal(['ROOT\tNR\t/']);
  });
});
