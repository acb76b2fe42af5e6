/** The HAMMER2 commands as a user meets them: exit codes, messages, files. */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
  closeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { parseSize } from '../../../../tools/hammer2/cli.js';
import type { Report } from '../../../../tools/hammer2/check/check.js';

const tools = resolve(fileURLToPath(import.meta.url), '../../../../../tools');
let dir = '';
const run = (tool: string, ...args: string[]): { code: number | null; out: string; err: string } => {
  const r = spawnSync(process.execPath, [join(tools, `${tool}.js`), ...args], {
    encoding: 'utf8',
    cwd: dir,
    timeout: 60_000,
  });
  return { code: r.status, out: r.stdout, err: r.stderr };
};

describe('hammer2 commands', function () {
  this.timeout(120_000);
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'vkernel-h2cli-'));
  });
  after(() => rmSync(dir, { recursive: true }));

  it('newfs_hammer2 creates a sparse image that fsck_hammer2 finds clean', () => {
    const r = run('newfs_hammer2', '-s', '128m', '--time', '1000', '--seed', 'x', '-L', 'ROOT,HOME', 'a.img');
    expect(r.err).to.equal('');
    expect(r.code).to.equal(0);
    expect(r.out).to.match(/PFS "LOCAL"[^]*PFS "ROOT"[^]*PFS "HOME"[^]*volume 0: a.img, offset 0, 128.00MB/);
    const st = statSync(join(dir, 'a.img'));
    expect(st.size).to.equal(128 * 1024 ** 2);
    expect(st.blocks * 512).to.be.lessThan(1024 ** 2);
    expect(run('fsck_hammer2', 'a.img')).to.deep.include({ code: 0, err: '' });
    const again = run(
      'newfs_hammer2',
      '-s',
      '128m',
      '--time',
      '1000',
      '--seed',
      'x',
      '-L',
      'ROOT',
      '-L',
      'HOME',
      '-q',
      'b.img',
    );
    expect(again).to.deep.equal({ code: 0, out: '', err: '' });
    expect(spawnSync('cmp', [join(dir, 'a.img'), join(dir, 'b.img')]).status).to.equal(0);
  });

  it('fsck_hammer2 reports errors with exit code 4, as text and as JSON', () => {
    run('newfs_hammer2', '-q', '-s', '64m', 'c.img');
    const fd = openSync(join(dir, 'c.img'), 'r+');
    writeSync(fd, Uint8Array.of(0x55), 0, 1, 20 * 1024 ** 2 + 1024 + 0x54); // mode of LOCAL's root
    closeSync(fd);
    const r = run('fsck_hammer2', 'c.img');
    expect(r.code).to.equal(4);
    expect(r.out).to.match(
      /^error: super-root: INODE 0xde25e1c43fe18000\/0 at 0x1400400\+1024: xxhash64 .* \[check-code\]$/m,
    );
    const j = run('fsck_hammer2', '--json', 'c.img');
    expect(j.code).to.equal(4);
    const report = JSON.parse(j.out) as Report;
    expect(report.clean).to.equal(false);
    expect(report.counts).to.deep.equal({ 'check-code': 1 });
    expect(report.pfs.map((p) => p.label)).to.deep.equal(['DATA']);
  });

  it('fsck_hammer2 has fsck codes for what is no file system, no file and no use', () => {
    writeFileSync(join(dir, 'zero.img'), new Uint8Array(1024 ** 2));
    expect(run('fsck_hammer2', 'zero.img')).to.deep.include({ code: 8 });
    const r = run('fsck_hammer2', 'nothing.img');
    expect(r).to.deep.equal({ code: 8, out: '', err: 'fsck_hammer2: nothing.img: No such file or directory\n' });
    for (const args of [[], ['-z', 'c.img'], ['a', 'b'], ['--max', 'x', 'zero.img']]) {
      const u = run('fsck_hammer2', ...args);
      expect(u.code, args.join(' ')).to.equal(16);
      expect(u.err).to.match(/^fsck_hammer2: .*\nusage: /);
    }
    expect(run('fsck_hammer2', '--help').out).to.match(/Exit status: 0 clean, 4 errors/);
  });

  it('newfs_hammer2 refuses wrong use and what cannot be, and leaves no file behind', () => {
    for (const args of [
      [],
      ['-Q'],
      ['-s', 'huge', 'n.img'],
      ['-V', '7', '-s', '1g', 'n.img'],
      ['-C', 'lzma', '-s', '1g', 'n.img'],
    ]) {
      expect(run('newfs_hammer2', ...args).code, args.join(' ')).to.equal(64);
    }
    expect(run('newfs_hammer2', 'n.img')).to.deep.include({ code: 66 });
    const small = run('newfs_hammer2', '-s', '16m', 'n.img');
    expect(small).to.deep.equal({ code: 1, out: '', err: 'newfs_hammer2: too small: at least 24 MiB\n' });
    expect(existsSync(join(dir, 'n.img'))).to.equal(false);
    writeFileSync(join(dir, 'keep.img'), 'precious');
    expect(run('newfs_hammer2', 'keep.img').code).to.equal(1);
    expect(readFileSync(join(dir, 'keep.img'), 'utf8')).to.equal('precious');
  });

  it('understands sizes', () => {
    expect(parseSize('64m', 'size')).to.equal(64 * 1024 ** 2);
    expect(parseSize('1E', 'size')).to.equal(2 ** 60);
    for (const t of ['', 'm', '-1', '1x', '9e', '1.5g']) expect(() => parseSize(t, 'size'), t).to.throw(/bad size/);
  });
});
