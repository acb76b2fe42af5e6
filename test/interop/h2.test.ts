/** The h2 command on image files. */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { HostBlockDevice } from '../../tools/host_blockdev.js';
import { scratchDir, top } from '../guest/support/guest.js';
import { fixtureImage, readManifest } from '../support/hammer2_fixture.js';

interface Run {
  status: number | null;
  out: string;
  err: string;
}
const tool =
  (name: string) =>
  (...args: string[]): Run => {
    const r = spawnSync(process.execPath, [join(top, 'dist/tools', `${name}.js`), ...args], {
      encoding: 'latin1',
      maxBuffer: 64 * 2 ** 20,
    });
    return { status: r.status, out: r.stdout, err: r.stderr };
  };
const h2 = tool('h2');

describe('h2', function () {
  this.timeout(60_000);
  const dir = scratchDir();
  const img = join(dir, 'a.img');
  const at = (p: string): string => `${img}:${p}`;
  const ok = (...args: string[]): string => {
    const r = h2(...args);
    expect(r.err).to.equal('');
    expect(r.status).to.equal(0);
    return r.out;
  };
  const fails = (status: number, text: RegExp, ...args: string[]): void => {
    const r = h2(...args);
    expect(r.err).to.match(text);
    expect(r.status).to.equal(status);
  };

  beforeEach(() => fixtureImage('lz4-xxhash64-tree', img));
  afterEach(() => {
    const r = tool('fsck_hammer2')(img);
    expect(r.out + r.err).to.match(/clean/);
    expect(r.status).to.equal(0);
  });

  it('lists, tells and prints what DragonFly wrote', () => {
    const want = readManifest('lz4-xxhash64-tree').pfs['DATA'];
    const all = JSON.parse(Buffer.from(ok('ls', '-aR', '--json', img), 'latin1').toString()) as {
      path: string;
      type: string;
      mode: string;
      size: number;
    }[];
    const path = (s: string): string => Buffer.from(s, 'latin1').toString();
    expect(all.map((e) => `${e.path} ${e.mode}`).sort()).to.deep.equal(
      want.map((e) => `${path(e.path)} ${e.mode}`).sort(),
    );
    expect(ok('ls', `${img}@DATA`)).to.match(/^README\.txt$/m);
    expect(ok('ls', '-l', at('README.txt'))).to.match(/^-rw-r--r-- +2 +0 +0 +20 2020-09-13 .* README\.txt$/m);
    expect(ok('cat', at('/README.txt'), at('README.txt'))).to.have.length(40);
    expect((JSON.parse(ok('stat', '--json', at('README.txt'))) as object[])[0]).to.include({ size: 20, nlinks: 2 });
    expect(ok('stat', at(''))).to.match(/type: directory/);
    expect((JSON.parse(ok('df', '--json', img)) as object[])[0]).to.include({ label: 'DATA' });
    expect(ok('df', img)).to.match(/a\.img \(DATA\)$/m);
  });

  it('copies trees in and out again, the same', () => {
    const src = join(dir, 'src');
    mkdirSync(join(src, 'd/e'), { recursive: true });
    const big = Buffer.alloc(3_000_001, 'a line of text, and more of it\n');
    writeFileSync(join(src, 'd/big'), big, { mode: 0o640 });
    writeFileSync(join(src, 'd/e/empty'), '');
    writeFileSync(join(src, 'sparse'), 'x');
    truncateSync(join(src, 'sparse'), 5_000_000);
    symlinkSync('../big', join(src, 'd/e/link'));
    writeFileSync(join(src, 'näme'), 'text');
    utimesSync(join(src, 'd/big'), 1, 1_234_567_890.5);
    ok('cp', '-rp', src, at('/docs'));
    ok('cp', '-rp', at('docs/src'), join(dir, 'back'));
    expect(spawnSync('diff', ['-r', '--no-dereference', src, join(dir, 'back')]).status).to.equal(0);
    expect(statSync(join(dir, 'back/d/big'))).to.include({ mode: 0o100640, mtimeMs: 1_234_567_890_500 });
    expect(statSync(join(dir, 'back/sparse')).blocks).to.be.below(300);
    expect(readlinkSync(join(dir, 'back/d/e/link'))).to.equal('../big');
    // Without -p: today's date; links that are named are followed.
    ok('cp', at('docs/src/d/e/link'), join(dir, 'plain'));
    expect(readFileSync(join(dir, 'plain')).equals(big)).to.equal(true);
    expect(lstatSync(join(dir, 'plain')).mtimeMs).to.be.above(Date.now() - 60_000);
    // Over what is there, and between images.
    ok('cp', join(src, 'näme'), at('docs/src/d/big'));
    expect(ok('cat', at('docs/src/d/big'))).to.equal('text');
    const other = join(dir, 'b.img');
    fixtureImage('zlib-indirect-sparse', other);
    ok('cp', '-r', at('docs/src'), `${other}:copy`);
    expect(ok('cat', `${other}:copy/d/big`)).to.equal('text');
    for (const p of ['src', 'back']) rmSync(join(dir, p), { recursive: true });
    rmSync(other);
  });

  it('makes, links, renames and removes', () => {
    ok('mkdir', '-p', '-m', '750', at('x/y/z'), at('x/y'));
    expect(ok('ls', '-l', at('x'))).to.match(/^drwxr-x---.* y$/m);
    ok('cp', at('README.txt'), at('x/one'));
    ok('ln', at('x/one'), at('x/y'));
    ok('ln', '-s', '../one', at('x/y/soft'));
    expect(ok('cat', at('x/y/soft')).length).to.equal(20);
    ok('mv', at('x/one'), at('x/y/one'), at('x/y/z'));
    expect(ok('ls', at('x/y/z'))).to.equal('one\n');
    ok('mv', at('x/y'), at('w'));
    fails(1, /Directory not empty|is a directory/, 'rm', at('w'));
    ok('rm', '-r', at('w'), at('x'));
    ok('rm', '-f', at('w'));
    fails(1, /w: No such file/, 'ls', at('w'));
  });

  it('says what is wrong, and does the rest', () => {
    fails(64, /unknown command 'frob'/, 'frob');
    fails(64, /nothing to work on[^]*usage/, 'ls');
    fails(64, /unknown flag/, 'ls', '-q', img);
    fails(66, /no such image/, 'ls', join(dir, 'none.img'));
    fails(66, /no PFS NOPE: there is DATA/, 'ls', `${img}@NOPE`);
    fails(66, /no usable HAMMER2/, 'ls', join(top, 'package.json'));
    fails(1, /nothing: No such file/, 'cat', at('nothing'), at('README.txt'));
    fails(1, /docs: is a directory/, 'cp', at('docs'), dir);
    fails(1, /cannot be copied into itself/, 'cp', '-r', at('docs'), at('docs/x'));
    fails(1, /same file/, 'cp', at('README.txt'), at('README.txt'));
    fails(1, /File exists/, 'mkdir', at('docs'));
    fails(1, /a\.img:docs: Invalid argument/, 'mv', at('docs'), at('docs/sub'));
    const w = new HostBlockDevice(img, { write: true });
    fails(66, /in use by another program/, 'ls', img);
    w.close();
    expect(existsSync(join(dir, 'docs'))).to.equal(false);
    expect(readdirSync(dir)).to.include('a.img');
    expect(ok('--help')).to.match(/^usage: h2 ls/);
  });
});
