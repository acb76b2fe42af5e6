/**
 * HAMMER2 as the guest's working disk: Go's own tests of files with their temporary directory on it, and a Go
 * installation unpacked onto it. The images are checked afterwards.
 */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildTest, buildToolchain, top, type Toolchain } from '../../tools/conformance/build.js';
import { count, parseResults, parseTable, worse } from '../../tools/conformance/results.js';
import { describeTree, sh } from '../support/fuse_suites.js';
import { guestSh, haveGo, type RunResult, scratchDir, vkernel } from './support/guest.js';

const PACKAGES = ['os', 'io/fs', 'path/filepath', 'archive/tar'];

function tool(name: string, ...args: string[]): void {
  const r = spawnSync(process.execPath, [join(top, 'dist/tools', `${name}.js`), ...args], { encoding: 'latin1' });
  expect(r.status, `${name}: ${r.stdout}${r.stderr}`).to.equal(0);
}

describe('HAMMER2 under Go in the guest (long)', function () {
  this.timeout(1_800_000);
  if (!haveGo()) {
    it('needs the go command (Debian package golang-go)', function () {
      console.log('    (skipped: no go command)');
      this.skip();
    });
    return;
  }
  const dir = scratchDir();
  const img = join(dir, 'h2.img');
  const shell = guestSh(dir);
  let t: Toolchain;

  before(() => {
    t = buildToolchain();
  });
  beforeEach(() => tool('newfs_hammer2', '-q', '-s', '4g', '-L', 'DATA', img));
  afterEach(() => sh(`rm -f '${img}'`));

  /** A line of shell in the guest, HAMMER2 on /mnt meanwhile; "$@" are `args`. */
  const guest = (line: string, args: string[], flags: string[], cwd: string): RunResult => {
    const env = [`PATH=${t.goroot}/bin:/sbin:/bin:/usr/sbin:/usr/bin`, 'HOME=/root', 'GOCACHE=/tmp/gocache'];
    env.push('GO111MODULE=off', 'CGO_ENABLED=0', 'GOFLAGS=', 'TMPDIR=/mnt/tmp');
    const script = `mount_hammer2 /dev/vkd0@DATA /mnt || exit 90; mkdir -p /mnt/tmp; chmod 1777 /mnt/tmp
      ( ${line} ); r=$?; cd /; umount /mnt || exit 91; exit $r`;
    const mounts = ['--mount', dir, ...flags, ...env.flatMap((e) => ['--env', e])];
    return vkernel(['run', '-m', '2g', '-n', '2', '-r', img, ...mounts, shell, '-c', script, 'sh', ...args], {
      cwd,
      timeoutMs: 900_000,
    });
  };

  for (const pkg of PACKAGES)
    it(`Go's ${pkg} tests with TMPDIR on HAMMER2`, () => {
      const { binary, dir: src } = buildTest(pkg, 'guest');
      const flags = ['--mount', t.share, '--mount', `${t.guestRoot}:${t.goroot}`, '--mount', dirname(binary)];
      const list = guest('"$@"', [binary, '-test.list', '.*'], flags, src);
      const tests = list.stdout.split('\n').filter((l) => /^(Test|Example|Fuzz)\w*$/.test(l));
      expect(tests.length, list.stdout + list.stderr).to.be.greaterThan(5);
      const r = guest('"$@"', [binary, '-test.v', '-test.short', '-test.timeout=600s'], flags, src);
      const results = parseResults(r.stdout + r.stderr);
      const c = count(results);
      console.log(`      (${c.pass} passed, ${c.fail} failed, ${c.skip} skipped by the test)`);
      const table = parseTable(readFileSync(join(top, 'test/conformance/expected.tsv'), 'utf8'));
      expect(worse(tests, results, table.get(pkg)), (r.stdout + r.stderr).slice(-3000)).to.deep.equal([]);
      tool('fsck_hammer2', img);
    });

  it('a Go installation unpacked in the guest is the same on the host', () => {
    const real = (p: string): string => sh(`realpath '${p}'`).trim().slice(1);
    const trees = [real(t.goroot), real(t.share)];
    sh(`tar --format=ustar --owner=0 --group=0 -C / -cf '${dir}/go.tar' ${trees.join(' ')}`);
    const mb = Number(sh(`stat -c %s '${dir}/go.tar'`)) / 2 ** 20;
    expect(mb).to.be.greaterThan(150);
    const r = guest('cd /mnt && tar -xpf "$1"', [`${dir}/go.tar`], [], dir);
    expect(r.status, r.stdout.slice(-2000) + r.stderr.slice(-2000)).to.equal(0);
    tool('fsck_hammer2', img);
    // Read back in another guest, and on the host.
    const sums = guest(
      'cd /mnt && find . -path ./tmp -prune -o -type f -exec sha256 -q {} + | sort | sha256',
      [],
      [],
      dir,
    );
    expect(sums.status, sums.stderr).to.equal(0);
    tool('mkimage', '-x', '-q', `${img}@DATA`, join(dir, 'out'));
    sh(`mkdir '${dir}/want'; tar -C '${dir}/want' -xpf '${dir}/go.tar'`);
    for (const p of trees) expect(describeTree(join(dir, 'out', p))).to.equal(describeTree(join(dir, 'want', p)));
    const host = sh(
      `cd '${dir}/want' && find . -type f -print0 | xargs -0 sha256sum | cut -c1-64 | LC_ALL=C sort | sha256sum | cut -c1-64`,
    );
    expect(sums.stdout.match(/[0-9a-f]{64}/)?.[0]).to.equal(host.trim());
    const files = sh(`find '${dir}/want' -type f | wc -l`).trim();
    console.log(`      (${mb.toFixed(0)} MB, ${files} files)`);
    sh(`rm -rf '${dir}/out' '${dir}/want' '${dir}/go.tar'`);
  });
});
