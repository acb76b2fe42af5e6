/**
 * Volumes made by DragonFly, attached to a booted vkernel with -r, -R and -c: the guest's own programs see every file as
 * its manifest has it, a flipped bit in a data block is EIO and a message naming the block, and image files stay as they
 * were.
 */
import { expect } from 'chai';
import { closeSync, openSync, readFileSync, readSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { scratchDir, vkernel } from '../guest/support/guest.js';
import { fixtureImage, FIXTURES, type FixtureName, readManifest } from '../support/hammer2_fixture.js';
import {
  Boot,
  expectedBlocks,
  fixtureFiles,
  flipBit,
  h2blocksDisk,
  imageDigest,
  parseBlocks,
} from '../support/hammer2_guest.js';
import type { RawRef } from '../support/hammer2_tree.js';

const TYPES = { file: 0o100000, dir: 0o040000, symlink: 0o120000, fifo: 0o010000 };
const MIB = 2 ** 20;

/** Some blocks that differ in compression, size and in whether indirect blocks lead to them. */
function sample(name: FixtureName, n: number): RawRef[] {
  const kinds = new Map<string, RawRef>();
  for (const b of fixtureFiles(name).blocks) {
    const kind = `${b.methods & 15} ${b.size} ${b.key >= 4n * 65536n}`;
    kinds.set(kind, b); // the last of a kind: far into its file
  }
  return [...kinds.values()].slice(0, n);
}

describe('HAMMER2 volumes in a booted guest', function () {
  this.timeout(120_000);
  const dir = scratchDir();
  const image = (name: string): string => join(dir, `${name}.img`);
  let boot: Boot;
  let program: string;

  before(() => {
    program = h2blocksDisk();
    for (const name of FIXTURES) fixtureImage(name, image(name));
  });
  afterEach(() => boot.close());

  /** Every entry of the mounted fixture: type, mode, links, size, blocks, time, target, contents. */
  async function verify(name: FixtureName, at: string): Promise<void> {
    const want = readManifest(name).pfs['DATA'];
    const stat = await boot.output(`find ${at} -exec stat -f '%Op|%l|%z|%b|%Fm|%Y|%N' {} +`);
    const seen = new Map(
      stat
        .trimEnd()
        .split('\n')
        .map((l) => l.split('|'))
        .map((f) => [f[6].slice(at.length + 1), f]),
    );
    seen.delete('');
    expect([...seen.keys()].sort()).to.deep.equal(want.map((e) => e.path).sort());
    const sums = new Map<string, string>();
    for (const m of (await boot.output(`find ${at} -type f -exec sha256 {} +`)).matchAll(/^SHA256 \((.*)\) = (\w+)$/gm))
      sums.set(m[1].slice(at.length + 1), m[2]);
    const stored = new Map(fixtureFiles(name).files.map((f) => [f.path, f.stored]));
    for (const e of want) {
      const [mode, nlink, size, blocks, mtime, target] = seen.get(e.path) as string[];
      expect(parseInt(mode, 8), e.path).to.equal(TYPES[e.type] | parseInt(e.mode, 8));
      expect(Number(nlink), e.path).to.equal(e.nlink);
      if (e.size !== undefined) expect(Number(size), e.path).to.equal(e.size);
      if (e.mtime_us !== undefined)
        expect(mtime, e.path).to.equal(
          `${Math.floor(e.mtime_us / 1e6)}.${String(e.mtime_us % 1e6).padStart(6, '0')}000`,
        );
      if (e.target !== undefined) expect(target, e.path).to.equal(e.target);
      if (e.type === 'file') {
        expect(Number(blocks) * 512, `blocks of ${e.path}`).to.equal(stored.get(e.path));
        expect(sums.get(e.path), e.path).to.equal(e.sha256);
      }
    }
    expect(sums.size).to.equal(want.filter((e) => e.type === 'file').length);
  }

  for (const [i, name] of FIXTURES.entries())
    it(`shows every file of ${name} as its manifest has it, by -r, -R and -c`, async () => {
      const copy = image(`copy${i}`);
      fixtureImage(name, copy);
      const before = [imageDigest(image(name)), imageDigest(copy)];
      boot = new Boot(['-c', `${image(name)}:CD1`, '-r', `${copy}:DISK 1`, '-R', image(name), '-c', program]);
      await boot.ready();
      expect(boot.console).to.include('vkd0: <Virtual disk> Serial Number DISK_1\n');
      expect(boot.console).to.include('vkd0: 2048MB (4194304 512 byte sectors)\n');
      expect(boot.console).to.include('vcd0: 2048MB (1048576 2048 byte sectors, read only)\n');
      expect((await boot.sh('sysctl -n kern.disks')).out).to.equal('vcd0 vkd0 vkd1 vcd1\n');
      await boot.install('vcd1', '/tmp/h2blocks');
      const mount = 'mount_hammer2 -o ro';
      const r = await boot.sh(
        `mkdir /a /b /c && ${mount} /dev/serno/DISK_1@DATA /a && ${mount} /dev/vkd1 /b && ${mount} vcd0@DATA /c && mount`,
      );
      expect(r.status, r.out).to.equal(0);
      expect(r.out).to.include('/dev/serno/DISK_1@DATA on /a (hammer2, read-only, local)\n');
      await verify(name, '/a');
      for (const at of i === 0 ? ['/b', '/c'] : ['/c'])
        expect(parseBlocks(await boot.output(`/tmp/h2blocks ${at}`), at)).to.deep.equal(
          expectedBlocks(name, new Set()),
        );
      expect((await boot.sh('umount /a && umount /b && umount /c')).status).to.equal(0);
      // What is written to a -R disk can be read back, and that is all.
      const x = await boot.sh(
        'dd if=/bin/sh of=/dev/vkd1 bs=64k count=1; dd if=/dev/vkd1 bs=64k count=1 | cmp - /bin/sh',
      );
      expect(x.out).to.match(/EOF|end/i);
      expect((await boot.sh(`${mount} /dev/vkd1@DATA /b`)).status).to.not.equal(0);
      expect(boot.console).to.include('hammer2: vkd1: no valid volume header: bad magic 0x');
      expect((await boot.sh('dd if=/bin/sh of=/dev/vcd0 bs=64k count=1')).out).to.include('Read-only file system');
      expect(boot.console).to.not.include('FAIL');
      expect(await boot.halt()).to.equal(0);
      expect([imageDigest(image(name)), imageDigest(copy)]).to.deep.equal(before);
    });

  it('gives EIO and a message for flipped bits in data blocks, and right bytes for all else', async () => {
    const bad = FIXTURES.map((name) => sample(name, 6));
    FIXTURES.forEach((name, i) => {
      fixtureImage(name, image(`bad${i}`));
      bad[i].forEach((b, j) => flipBit(image(`bad${i}`), b, j));
    });
    boot = new Boot(['-r', image('bad0'), '-c', program, '-R', image('bad1')]);
    await boot.ready();
    await boot.install('vcd0', '/tmp/h2blocks');
    expect((await boot.sh('mkdir /h0 /h1; mount_hammer2 /dev/vkd0@DATA /h0; mount_hammer2 vkd1 /h1')).status).to.equal(
      0,
    );
    for (const [i, name] of FIXTURES.entries()) {
      expect(bad[i].length).to.be.greaterThan(3);
      const out = parseBlocks(await boot.output(`/tmp/h2blocks /h${i}`), `/h${i}`);
      expect(out).to.deep.equal(expectedBlocks(name, new Set(bad[i].map((b) => b.dataOff))));
      for (const b of bad[i]) {
        const off = b.dataOff.toString(16).padStart(16, '0');
        expect(boot.console).to.match(
          new RegExp(`^hammer2: vkd${i}: CHECK FAIL bref 0x${off} key [0-9a-f]{16}/16 type DATA`, 'm'),
        );
      }
      // The utilities say so, too, and print no digest.
      const f = fixtureFiles(name).files.find(
        (x) => !x.link && [...x.refs.values()].some((r) => r.dataOff === bad[i][0].dataOff),
      );
      const r = await boot.sh(`sha256 '/h${i}/${f?.path}'`);
      expect(r.status).to.equal(1);
      expect(r.out).to.include('Input/output error').and.not.include('SHA256');
    }
    expect(await boot.halt()).to.equal(0);
  });

  it('refuses what is no volume with a clear message, and goes on', async () => {
    const noise = new Uint8Array(8 * MIB + 700).map((_, i) => Math.imul(i, 2654435761) >>> 13);
    writeFileSync(image('noise'), noise);
    writeFileSync(image('empty'), '');
    for (const [n, size] of [
      ['short', 1920 * MIB],
      ['stub', 65536 - 2048],
      ['shrinks', 0],
    ] as const) {
      fixtureImage('lz4-xxhash64-tree', image(n));
      if (size > 0) truncateSync(image(n), size);
    }
    const disks = ['noise', 'empty', 'short', 'stub', 'shrinks'];
    boot = new Boot(['-m', '64m', ...disks.flatMap((n) => ['-r', image(n)])]);
    await boot.ready();
    const fails = async (special: string, why: string, line: string): Promise<void> => {
      const r = await boot.sh(`mount_hammer2 -o ro ${special} /mnt`);
      expect(r.status, special).to.equal(1);
      expect(r.out).to.include(`mount_hammer2: ${special.replace(/^vkd/, '/dev/vkd')} on /mnt: ${why}`);
      expect(boot.console).to.include(line);
    };
    await fails('/dev/vkd0@DATA', 'Invalid argument', 'hammer2: vkd0: no valid volume header: bad magic 0x');
    await fails('/dev/vkd1@DATA', 'Invalid argument', 'hammer2: vkd1: no valid volume header: device too small');
    await fails(
      '/dev/vkd2@DATA',
      'Invalid argument',
      'hammer2: vkd2: volume size 2147483648 does not fit the device of',
    );
    await fails('/dev/vkd3@DATA', 'Invalid argument', 'hammer2: vkd3: no valid volume header: device too small');
    await fails(
      '/dev/vkd4@HOME',
      'No such file or directory',
      'hammer2: vkd4: no PFS with label HOME; it has DATA, LOCAL\n',
    );
    await fails('/dev/vkd9@DATA', 'No such file or directory', '');
    // The image loses its end under the guest's feet.
    expect(
      (await boot.sh('mount_hammer2 -o ro /dev/vkd4@DATA /mnt && cat /mnt/README.txt >/dev/null')).status,
    ).to.equal(0);
    truncateSync(image('shrinks'), 65536);
    const r = await boot.sh('cat /mnt/text300k | wc -c');
    expect(r.out).to.match(/Input\/output error\n *0\n/);
    expect(boot.console).to.match(/hammer2: vkd4: READ ERROR bref 0x[0-9a-f]{16} .*: EIO/);
    // Raw writes to a -r disk are the host's at once.
    expect((await boot.sh('umount /mnt; dd if=/bin/sh of=/dev/vkd0 bs=512 count=3 seek=16000')).status).to.equal(0);
    const sh = (await boot.output('dd if=/bin/sh bs=512 count=3 2>/dev/null | sha256')).trim();
    expect((await boot.output('dd if=/dev/vkd0 bs=512 count=3 skip=16000 2>/dev/null | sha256')).trim()).to.equal(sh);
    expect((await boot.sh('dd if=/bin/sh of=/dev/vkd0 bs=512 count=3 seek=16384')).status).to.equal(1);
    expect(await boot.halt()).to.equal(0);
    const now = readFileSync(image('noise'));
    expect(now.length).to.equal(noise.length);
    expect(Buffer.compare(now.subarray(0, 16000 * 512), noise.subarray(0, 16000 * 512))).to.equal(0);
    const fd = openSync(image('noise'), 'r');
    const b = Buffer.alloc(4);
    readSync(fd, b, 0, 4, 16000 * 512);
    closeSync(fd);
    expect(b.toString('latin1')).to.equal('\x7fELF');
    // In use by two: one clear line.
    const two = vkernel(['-r', image('noise'), '-c', image('noise')]);
    expect(two.status).to.equal(66);
    expect(two.stderr).to.equal(`vkernel: ${image('noise')}: in use by another program\n`);
  });
});
