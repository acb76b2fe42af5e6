/**
 * The default root: a HAMMER2 image made on first use, kept over boots and power cuts, checked by the stand-alone checker.
 */
import { expect } from 'chai';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodeFlags, scratchDir, top, vkernel, vkernelBin } from './support/guest.js';

function vk(args: string[], input: string): { status: number | null; out: string; err: string } {
  const r = vkernel(args, { input });
  return { status: r.status, out: r.stdout, err: r.stderr };
}

/** What the checker says; '' when the image is clean. */
function check(image: string): string {
  const r = spawnSync(process.execPath, [join(top, 'dist/tools/fsck_hammer2.js'), image], { encoding: 'latin1' });
  return r.status === 0 ? '' : `${r.status}: ${r.stdout}${r.stderr}`;
}

describe('A root on HAMMER2', function () {
  this.timeout(120_000);
  let dir = '';
  let image = '';
  before(() => {
    dir = scratchDir();
    image = join(dir, 'made/root.img');
  });

  it('is made on first use, sparse, with the base system', () => {
    const r = vk(
      ['--root', `${image}:2g`],
      'mount; echo kept >/root/file; chmod 640 /root/file; ls /bin | wc -l; halt\n',
    );
    expect(r.status, r.err).to.equal(0);
    expect(r.err).to.include(`making ${image}`);
    expect(r.out).to.match(/^(# )?vkd0@ROOT on \/ \(hammer2, local\)$/m);
    expect(statSync(image).size).to.equal(2 * 2 ** 30);
    expect(statSync(image).blocks * 512).to.be.lessThan(16 * 2 ** 20);
    expect(readdirSync(join(dir, 'made'))).to.deep.equal(['root.img']);
    expect(check(image)).to.equal('');
  });

  it('keeps what was done, over reboot and halt', () => {
    const script =
      'ls -l /root; if [ -e /root/again ]; then echo twice; halt; else date >/root/again; mv /root/file /root/moved; reboot; fi\n';
    const r = vk(['--root', image], script);
    expect(r.out).to.match(/-rw-r----- +1 root +wheel +5 .* file/);
    const again = vk(['--root', image], 'cat /root/moved; ls /root/again; halt\n');
    expect(again.status).to.equal(0);
    expect(again.out).to.match(/^(# )*kept$/m);
    expect(again.err).to.not.include('making');
    expect(check(image)).to.equal('');
  });

  it('is left alone by -R', () => {
    const r = vk(['-R', image], 'echo changed >/root/moved; cat /root/moved; halt\n');
    expect(r.out).to.match(/^(# )*changed$/m);
    expect(vk(['-r', image], 'cat /root/moved; halt\n').out).to.match(/^(# )*kept$/m);
  });

  it('has all that was synced after SIGKILL, and mounts at once', async () => {
    const child = spawn(process.execPath, [...nodeFlags, vkernelBin, '--root', image], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    let out = '';
    child.stdout.on('data', (d: Buffer) => (out += d.toString('latin1')));
    child.stdin.write(
      'cd /root; i=0; while [ $i -lt 200 ]; do echo line $i >f$i; i=$((i+1)); done; sync; echo syn""ced; ' +
        'while :; do echo more >>log; cp log log2; rm log2; done\n',
    );
    while (!out.includes('synced')) await new Promise((r) => setTimeout(r, 20));
    await new Promise((r) => setTimeout(r, 300));
    child.kill('SIGKILL');
    await new Promise((r) => child.on('close', r));
    expect(check(image)).to.equal('');
    const r = vk(['--root', image], 'cat /root/f0 /root/f199; ls /root | grep -c "^f"; halt\n');
    expect(r.out).to.match(/line 0\nline 199\n(# )*\s*200$/m);
    expect(check(image)).to.equal('');
  });

  it('syncs when the vkernel is told to end', async () => {
    const child = spawn(process.execPath, [...nodeFlags, vkernelBin, '--root', image], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    let out = '';
    child.stdout.on('data', (d: Buffer) => (out += d.toString('latin1')));
    child.stdin.write('echo last >/root/last; echo do""ne\n');
    while (!out.includes('done')) await new Promise((r) => setTimeout(r, 20));
    child.kill('SIGTERM');
    await new Promise((r) => child.on('close', r));
    expect(vk(['-R', image], 'cat /root/last; halt\n').out).to.match(/^(# )*last$/m);
  });

  it('boots the PFS that vfs.root.mountfrom names, such as a snapshot', () => {
    const a = vk(['--root', image], 'hammer2 snapshot / before; echo after >/root/moved; halt\n');
    expect(a.out).to.include('created snapshot before');
    const b = vk(['-r', image, '-e', 'vfs.root.mountfrom=hammer2:vkd0@before'], 'cat /root/moved; halt\n');
    expect(b.out).to.match(/^(# )*kept$/m);
    expect(b.out).to.include('Mounting root from hammer2:vkd0@before');
    const c = vk(['-r', image, '-e', 'vfs.root.mountfrom=tmpfs'], 'mount; halt\n');
    expect(c.out).to.match(/^(# )*tmpfs on \/ /m);
    const d = vk(['-r', image, '-e', 'vfs.root.mountfrom=hammer2:vkd0@nothing'], '');
    expect(d.status).to.equal(134);
    expect(d.err).to.include('cannot mount root');
    expect(check(image)).to.equal('');
  });

  it('keeps a directory below its quota, also after a reboot', () => {
    const a = vk(
      ['--root', image],
      'mkdir /root/q; hammer2 setquota /root/q data=1m inodes=3; cd /root/q; touch a b c d; echo s=$?; ' +
        'dd if=/dev/urandom of=a bs=64k count=40; echo s=$?; hammer2 quota .; halt\n',
    );
    expect(a.out + a.err).to.match(/d: Disc quota exceeded|d: Disk quota exceeded/);
    expect(a.out).to.match(/s=1\n[^]*s=1\n/);
    expect(a.out).to.match(/\.\s+\S+\/1\S*\s+3\/3\n/);
    const b = vk(
      ['--root', image],
      'touch /root/q/e; echo s=$?; hammer2 setquota /root/q none; touch /root/q/e; echo s=$?; halt\n',
    );
    expect(b.out).to.match(/s=1\n[^]*s=0\n/);
    expect(check(image)).to.equal('');
  });

  it('brings back what was deleted', () => {
    const r = vk(
      ['--root', image],
      'mkdir /root/u; echo first >/root/u/f; sync; echo second >/root/u/f; sync; rm -r /root/u; sync; ' +
        'mkdir /root/back; hammer2 recover /root/u /root/back; cat /root/back/root/u/f.0000?; ls -R /root/back; halt\n',
    );
    expect(r.out).to.match(/\/root\/u: \d+ restored\n/);
    expect(r.out).to.match(/^second\nfirst$/m);
    expect(check(image)).to.equal('');
  });

  it('verifies itself, and makes PFSs of other kinds', () => {
    const r = vk(
      ['--root', image],
      'hammer2 scrub /; echo s=$?; hammer2 -t soft-master -u 01020304-0506-0708-090a-0b0c0d0e0f10 pfs-create more; ' +
        'hammer2 pfs-list /; echo x >/root/gone; hammer2 destroy /root/gone; cat /root/gone; echo s=$?; halt\n',
    );
    expect(r.out).to.match(/\/: \d+ blocks, \S+, \d+ inodes, \d+ without check code, 0 errors\ns=0\n/);
    expect(r.out).to.match(/SOFT_MASTER +01020304-0506-0708-090a-0b0c0d0e0f10 more\n/);
    expect(r.out).to.match(/s=1\n/);
    // The inode without its name is what fsck finds.
    expect(check(image)).to.include('orphan');
  });

  it('says what is wrong with the name, and makes nothing', () => {
    writeFileSync(join(dir, 'file'), '');
    for (const [arg, code] of [
      [join(dir, 'file/root.img'), 73],
      [`${join(dir, 'x.img')}:1k`, 64],
      ['', 64],
    ] as const) {
      const r = vk(['--root', arg], '');
      expect(r.status, r.err).to.equal(code);
      expect(r.err).to.match(/^vkernel: .+\n/);
    }
    expect(existsSync(join(dir, 'x.img'))).to.equal(false);
  });
});
