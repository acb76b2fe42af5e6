/** The HAMMER2 commands as a user meets them: exit codes, messages, files. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { must, withImage } from '../../../../tools/hammer2/session.js';
import { parseSize, seededRandom } from '../../../../tools/hammer2/cli.js';
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

/** Files, links, a hole, names of every length, odd modes and times. */
function makeTree(root: string): void {
  mkdirSync(join(root, 'd/e'), { recursive: true });
  for (let i = 0; i < 20; i++) writeFileSync(join(root, `d/file${i}`), `${i} `.repeat(i * i * 40));
  writeFileSync(join(root, 'n'.repeat(200)), 'long name');
  mkdirSync(join(root, 'd', 'p'.repeat(120)));
  writeFileSync(join(root, 'd', 'p'.repeat(120), 'q'.repeat(120)), 'long path');
  writeFileSync(join(root, 'empty'), '');
  writeFileSync(join(root, 'umläut'), 'UTF-8');
  linkSync(join(root, 'd/file3'), join(root, 'hard'));
  symlinkSync('d/file3', join(root, 'sym'));
  symlinkSync('t'.repeat(700), join(root, 'longsym'));
  const fd = openSync(join(root, 'sparse'), 'w');
  writeSync(fd, Uint8Array.of(1, 2, 3), 0, 3, 5_000_000);
  ftruncateSync(fd, 9_000_000);
  closeSync(fd);
  chmodSync(join(root, 'd/file5'), 0o4751);
  spawnSync('mkfifo', [join(root, 'fifo')]);
  for (const [i, n] of ['d/file1', 'sparse', 'd/e', 'd', ''].entries())
    utimesSync(join(root, n), 1.6e9 + i, 1.6e9 + i + 0.25);
}

/** Everything below a directory: type, mode, owner, links, size, time of files that have a fixed one, content. */
function listing(root: string, wholeSeconds = false): string[] {
  const out: string[] = [];
  const walk = (rel: string): void => {
    const path = join(root, rel);
    const st = lstatSync(path);
    const what = st.isSymbolicLink()
      ? readlinkSync(path)
      : st.isFile()
        ? readFileSync(path).toString('base64').slice(0, 100)
        : '';
    const ms = wholeSeconds ? Math.floor(st.mtimeMs / 1000) * 1000 : st.mtimeMs;
    const time = ms < 1.65e12 ? ms : '';
    const links = st.isDirectory() ? '' : st.nlink;
    out.push(
      `${rel} ${st.mode.toString(8)} ${st.uid} ${st.gid} ${links} ${st.isDirectory() ? '' : st.size} ${time} ${what}`,
    );
    if (st.isDirectory()) for (const n of readdirSync(path).sort()) walk(join(rel, n));
  };
  walk('');
  return out;
}

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

  it('mkimage packs a tree the same way each time, and unpacks it as it was', () => {
    const tree = join(dir, 'tree');
    makeTree(tree);
    const flags = ['--time', '1700000000', '--seed', 's', '-q'];
    expect(run('mkimage', ...flags, 'tree', 't.img')).to.deep.equal({ code: 0, out: '', err: '' });
    expect(run('fsck_hammer2', 't.img')).to.deep.include({ code: 0, err: '' });
    expect(run('mkimage', ...flags, 'tree', 't2.img').code).to.equal(0);
    expect(spawnSync('cmp', [join(dir, 't.img'), join(dir, 't2.img')]).status).to.equal(0);
    expect(run('mkimage', '-x', 't.img', 'out').err).to.equal('');
    expect(listing(join(dir, 'out'))).to.deep.equal(listing(tree));
    expect(statSync(join(dir, 'out/sparse')).blocks * 512).to.be.lessThan(1024 ** 2);
  });

  it('mkimage passes through tar archives both ways, as tar itself sees them', () => {
    const tree = join(dir, 'tree');
    expect(run('mkimage', '-x', 't.img', 'x.tar').code).to.equal(0);
    mkdirSync(join(dir, 'untar'));
    const un = spawnSync('tar', ['xpf', join(dir, 'x.tar'), '-C', join(dir, 'untar')], { encoding: 'utf8' });
    expect(un.stderr).to.equal('');
    expect(listing(join(dir, 'untar'))).to.deep.equal(listing(tree));
    for (const format of ['gnu', 'pax']) {
      spawnSync('tar', ['cf', join(dir, `${format}.tar`), `--format=${format}`, '-C', tree, '.']);
      expect(run('mkimage', '-q', `${format}.tar`, `${format}.img`)).to.deep.equal({ code: 0, out: '', err: '' });
      expect(run('fsck_hammer2', '-q', `${format}.img`).code).to.equal(0);
      expect(run('mkimage', '-x', `${format}.img`, `${format}.out`).err).to.equal('');
      const whole = format === 'gnu'; // that format has no fractions of seconds
      expect(listing(join(dir, `${format}.out`)), format).to.deep.equal(listing(tree, whole));
    }
  });

  it('mkimage says what is wrong and leaves nothing behind', () => {
    writeFileSync(join(dir, 'bad.tar'), 'x'.repeat(1024));
    expect(run('mkimage', 'bad.tar', 'bad.img')).to.deep.equal({
      code: 1,
      out: '',
      err: 'mkimage: tar: bad header checksum\n',
    });
    expect(run('mkimage', 'tree', 't.img')).to.deep.include({ code: 66 });
    expect(run('mkimage', 'nowhere', 'n.img')).to.deep.include({ code: 66 });
    expect(run('mkimage', '-s', '24m', 'tree', 'n.img')).to.deep.include({ code: 1 });
    expect(run('mkimage', '-x', 't.img@NONE', 'n.out')).to.deep.include({ code: 1 });
    for (const args of [
      [],
      ['tree'],
      ['-x', '-s', '1g', 'a', 'b'],
      ['--owner', 'me', 'tree', 'n.img'],
      ['-', 'n.img'],
    ]) {
      expect(run('mkimage', ...args).code, args.join(' ')).to.equal(64);
    }
    const left = readdirSync(dir).filter((n) => /^(n|bad)\.(img|out)|tmp$/.test(n));
    expect(left).to.deep.equal([]);
  });

  it('hammer2 makes, lists and deletes PFSs and snapshots, and the image stays clean', () => {
    const h2 = (...args: string[]): string => {
      const r = run('hammer2', ...args);
      expect(r.err, args.join(' ')).to.equal('');
      expect(r.code, args.join(' ')).to.equal(0);
      return r.out;
    };
    expect(h2('-s', 't.img@DATA', 'snapshot', '/', 'before')).to.equal('created snapshot before\n');
    expect(h2('-s', 't.img@DATA', 'snapshot')).to.match(/^created snapshot DATA\.\d{8}\.\d{6}\n$/);
    expect(h2('-s', 't.img', 'pfs-create', 'work')).to.equal('hammer2: pfs_create(work): SUCCESS\n');
    const list = h2('pfs-list', 't.img');
    expect(list).to.match(
      /^Type {8}ClusterId \(pfs_clid\) {17}Label on t\.img\nMASTER {6}[-0-9a-f]{36} DATA\nSNAPSHOT {4}.* DATA\.\d/,
    );
    expect(list).to.match(/^SNAPSHOT {4}[-0-9a-f]{36} before$/m);
    const clid = h2('-s', 't.img', 'pfs-clid', 'work').trim();
    expect(list).to.include(`MASTER      ${clid} work\n`);
    expect(h2('-s', 't.img', 'pfs-delete', 'work')).to.equal('hammer2: pfs_delete(work): SUCCESS\n');
    expect(run('hammer2', '-s', 't.img', 'pfs-delete', 'work').code).to.equal(1);
    expect(h2('-s', 't.img@DATA', 'volume-list')).to.match(/^version 2\n@DATA\nvolume0 {2}t\.img \d+\.00MB\n$/);
    expect(run('fsck_hammer2', 't.img').code).to.equal(0);
  });

  it('hammer2 sets compression and check codes and shows them', () => {
    const q = (...args: string[]): ReturnType<typeof run> => run('hammer2', '-s', 't.img@DATA', ...args);
    const p = `/d/${'p'.repeat(120)}`;
    expect(q('setquota', p, 'data=4m', 'inodes=100').code).to.equal(0);
    expect(q('quota', p, '/').out).to.match(/\n\/d\/p+ +\S+\/4\S* +1\/100\n\/ +none +none\n$/);
    expect(q('setquota', p, 'blocks=4').code).to.equal(64);
    expect(q('setquota', '/empty', 'inodes=4').err).to.include('Not a directory');
    expect(q('setquota', '/d', 'inodes=4').err).to.include('device'); // a link leads out of it
    expect(q('setquota', p, 'none').code).to.equal(0);
    const scrub = run('hammer2', '-q', 'scrub', 't.img');
    expect(scrub.code).to.equal(0);
    expect(scrub.out).to.match(/^t.img: \d+ blocks, .* 0 errors\n$/);
    const r = run('hammer2', '-r', '-s', 't.img@DATA', 'setcomp', 'zlib:9', '/d');
    expect(r.out.split('\n')[0]).to.equal('/d\tcomp_algo=0x93');
    expect(r.out).to.match(/^\/d\/file1\tcomp_algo=0x93$/m);
    expect(run('hammer2', '-s', 't.img@DATA', 'setsha192', '/d').out).to.equal('/d\tcheck_algo=0x04\n');
    const stat = run('hammer2', '-s', 't.img@DATA', 'stat', '/', '/d', '/d/file1').out.split('\n');
    expect(stat[0]).to.equal('PATH             ncp  data-use inode-use comp               check        quota');
    expect(stat[2]).to.match(/^\/d +0 +\S+ +0 zlib:9 {13}sha192/);
    expect(stat[3]).to.match(/^\/d\/file1 +0 +\S+ +0 zlib:9 {13}xxhash64/);
    expect(run('hammer2', '-s', 't.img@DATA', 'printinode', '/d').out).to.match(
      /^compalg = zlib:9\ncheckalg = sha192$/m,
    );
    expect(run('fsck_hammer2', 't.img').code).to.equal(0);
  });

  it('hammer2 grows a file system to the size of its image', () => {
    expect(run('hammer2', 'growfs', 't.img').out).to.match(/no size change/);
    truncateSync(join(dir, 't.img'), 400 * 1024 ** 2);
    expect(run('hammer2', 'growfs', 't.img').out).to.equal('t.img grown to 0000000019000000\n');
    expect(run('fsck_hammer2', 't.img').code).to.equal(0);
  });

  it('hammer2 dumps headers, topology and freemap', () => {
    expect(run('hammer2', 'volhdr', 't.img').out).to.match(
      / {4}volu_size {6}0x0000000019000000 \( {2}0\.39GB\)[^]*icrc_volhdr .*\(OK\)/,
    );
    const show = run('hammer2', 'show', 't.img').out;
    expect(show).to.match(/filename "file1"\n +inum 0x[0-9a-f]{16}\n +nlen 5\n +type FILE/);
    expect(show).to.not.match(/failed/);
    const map = run('hammer2', 'freemap', 't.img').out;
    expect(map).to.match(/0000000000000000 0000\.0000 linear=400000 avail=000000 ffffffffffffffff/);
    expect(map).to.match(/Total allocated storage: {6}0\.\d{3}GB/);
    const spec = /inode\.\d {6}([0-9a-f]{16}) c78fff92381d8000/.exec(show);
    expect(run('hammer2', 'show', 't.img', `${spec?.[1]}.1`).out).to.match(/filename "DATA"/);
  });

  it('hammer2 recover brings back deleted and older versions', () => {
    const fresh = join(dir, 'tree');
    const was = readFileSync(join(fresh, 'd/file1'));
    run('mkimage', '-q', 'tree', 'r.img');
    // Everything away but one name: the image as it is after `rm`.
    withImage(join(dir, 'r.img'), true, (s) => {
      const d = s.inum('/d');
      must('rm', s.pfs.unlink(d, 'file1'));
      const n = must('create', s.pfs.create(d, 'file1', { type: 2, mode: 0o644, uid: 0, gid: 0 }));
      must('write', s.pfs.write(n, 0, new TextEncoder().encode('new'), 0, 3));
    });
    const r = run('hammer2', 'recover', 'r.img', '/d/file1', 'rec');
    expect(r.code, r.err).to.equal(0);
    expect(readFileSync(join(dir, 'rec/d/file1.00000'), 'utf8')).to.equal('new');
    expect(Buffer.compare(readFileSync(join(dir, 'rec/d/file1.00001')), was)).to.equal(0);
    expect(run('hammer2', 'recover', 'r.img', '/never/was', 'rec2').code).to.equal(1);
  });

  it('hammer2 bulkfree gives the space of deleted files back', () => {
    const freed = (): string | undefined => /total freed: +(\S+)/.exec(run('hammer2', 'bulkfree', 'r.img').out)?.[1];
    const noise = new Uint8Array(300_000);
    seededRandom('noise')(noise);
    withImage(join(dir, 'r.img'), true, (s) => {
      const n = must('create', s.pfs.create(1, 'noise', { type: 2, mode: 0o644, uid: 0, gid: 0 }));
      must('write', s.pfs.write(n, 0, noise, 0, noise.length));
    });
    freed(); // what the test before has left
    withImage(join(dir, 'r.img'), true, (s) => must('rm', s.pfs.unlink(1, 'noise')));
    expect(freed()).to.match(/^[3-9]\d\d\.\d\dKB$/);
    expect(freed()).to.equal('0B');
    expect(run('fsck_hammer2', 'r.img').code).to.equal(0);
  });

  it('hammer2 hashes names, and refuses what it cannot do', () => {
    expect(run('hammer2', 'hash', 'DATA', 'a.b').out).to.equal('c78fff92381d8000 DATA\n9450f3f4307d8000 a.b\n');
    for (const args of [
      [],
      ['nonsense'],
      ['pfs-create'],
      ['-s', 't.img', 'pfs-create'],
      ['-s', 't.img', 'setcomp', 'x', '/'],
      ['show', 't.img', 'zz'],
    ]) {
      expect(run('hammer2', ...args).code, args.join(' ')).to.equal(64);
    }
    expect(run('hammer2', 'show', 'none.img').code).to.equal(66);
    expect(run('hammer2', '-s', 'zero.img', 'pfs-list').code).to.equal(66);
    expect(run('hammer2', '-s', 't.img', 'emergency-mode-enable').code).to.equal(1);
    expect(run('hammer2', '-s', 't.img@DATA', 'stat', '/not/there').code).to.equal(1);
  });

  it('understands sizes', () => {
    expect(parseSize('64m', 'size')).to.equal(64 * 1024 ** 2);
    expect(parseSize('1E', 'size')).to.equal(2 ** 60);
    for (const t of ['', 'm', '-1', '1x', '9e', '1.5g']) expect(() => parseSize(t, 'size'), t).to.throw(/bad size/);
  });
});
