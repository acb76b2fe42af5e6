/**
 * `vkernel mount`: a HAMMER2 image as a directory of this host. Skipped, with the reason printed, where nothing can be
 * mounted.
 */
import { expect } from 'chai';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createHash } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { findMount } from '../../tools/fuse/mount.js';
import { scratchDir, vkernel, vkernelBin } from '../guest/support/guest.js';
import { Served, umountOk, unmountAll, whyNoFuse } from '../support/fuse_mount.js';
import { fixtureImage, FIXTURES, readManifest } from '../support/hammer2_fixture.js';

const MIB = 2 ** 20;
const sh = (script: string): string => {
  const r = spawnSync('bash', ['-euc', script], { encoding: 'utf8' });
  if (r.status !== 0) throw new Error(`${script}: ${r.stderr}`);
  return r.stdout;
};

describe('vkernel mount', function () {
  this.timeout(120_000);
  const dir = scratchDir();
  const mnt = join(dir, 'mnt');
  const img = join(dir, 'a.img');

  before(function () {
    const why = whyNoFuse();
    if (why !== null) {
      console.log(`    skipped: ${why}`);
      this.skip();
    }
    mkdirSync(mnt);
  });
  beforeEach(() => fixtureImage('lz4-xxhash64-tree', img));
  afterEach(() => unmountAll([mnt]));

  const mount = (...args: string[]): void => {
    const r = vkernel(['mount', ...args, mnt]);
    expect(r.stderr).to.equal('');
    expect(r.status).to.equal(0);
  };

  for (const name of FIXTURES) {
    it(`shows ${name}, made by DragonFly, as it is`, () => {
      fixtureImage(name, img);
      mount('-o', 'ro', img);
      for (const e of readManifest(name).pfs['DATA']) {
        const p = Buffer.from(join(mnt, e.path), 'latin1'); // names are bytes
        const st = lstatSync(p);
        expect(st.mode & 0o7777, e.path).to.equal(parseInt(e.mode, 8) & 0o7777);
        expect(st.nlink, e.path).to.equal(e.nlink);
        if (e.type === 'file') {
          expect(createHash('sha256').update(readFileSync(p)).digest('hex'), e.path).to.equal(e.sha256);
        } else if (e.type === 'symlink') expect(readlinkSync(p, 'latin1')).to.equal(e.target);
        else if (e.type === 'dir') expect(st.isDirectory()).to.equal(true);
      }
      expect(() => writeFileSync(join(mnt, 'x'), '')).to.throw(/EROFS/);
      umountOk(mnt);
    });
  }

  it('keeps what was written across unmount, and the image is free again', () => {
    mount(`${img}@DATA`);
    expect(vkernel(['mount', img, mnt]).stderr).to.match(/in use by another program/);
    const data = Buffer.alloc(3 * MIB + 17, 'some text that compresses ');
    writeFileSync(join(mnt, 'f'), data);
    mkdirSync(join(mnt, 'd'));
    linkSync(join(mnt, 'f'), join(mnt, 'd/g'));
    symlinkSync('../f', join(mnt, 'd/l'));
    chmodSync(join(mnt, 'f'), 0o4711);
    utimesSync(join(mnt, 'f'), 5, 1234567890.25);
    renameSync(join(mnt, 'README.txt'), join(mnt, 'd/readme'));
    umountOk(mnt);
    mount(img);
    expect(readFileSync(join(mnt, 'd/l')).equals(data)).to.equal(true);
    const st = statSync(join(mnt, 'd/g'));
    expect(st).to.include({ nlink: 2, mode: 0o104711, mtimeMs: 1234567890250, size: data.length });
    expect(readdirSync(join(mnt, 'd')).sort()).to.deep.equal(['g', 'l', 'readme']);
    expect(existsSync(join(mnt, 'README.txt'))).to.equal(false);
    umountOk(mnt);
  });

  it('keeps an open file that was unlinked', () => {
    mount(img);
    const p = join(mnt, 'gone');
    const fd = openSync(p, 'w+');
    writeSync(fd, 'still here');
    unlinkSync(p);
    const other = openSync(join(mnt, 'new'), 'w');
    renameSync(join(mnt, 'new'), join(mnt, 'README.txt'));
    closeSync(other);
    const b = Buffer.alloc(20);
    expect(readSync(fd, b, 0, 20, 0)).to.equal(10);
    expect(fstatSync(fd).nlink).to.equal(0);
    expect(vkernel(['umount', mnt]).stderr).to.match(/busy/i);
    closeSync(fd);
    umountOk(mnt);
  });

  it('maps files into memory, appends, truncates, and finds holes', () => {
    mount(img);
    const f = join(mnt, 'f');
    sh(`python3 - '${f}' <<'X'
import mmap, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o644)
os.ftruncate(fd, 1 << 20)
m = mmap.mmap(fd, 1 << 20)
m[4096:4100] = b'abcd'
m[700000:700004] = b'wxyz'
m.flush()
assert os.pread(fd, 4, 4096) == b'abcd' and os.pread(fd, 4, 700000) == b'wxyz'
os.pwrite(fd, b'1234', 8192)
assert m[8192:8196] == b'1234'
m.close()
os.ftruncate(fd, 0)
os.pwrite(fd, b'x' * 10, 655360)
os.ftruncate(fd, 1310720)
os.fsync(fd)
assert os.lseek(fd, 0, os.SEEK_DATA) == 655360, os.lseek(fd, 0, os.SEEK_DATA)
assert os.lseek(fd, 655360, os.SEEK_HOLE) == 720896
X
    for i in $(seq 100); do echo line $i >> '${f}.log'; done; test $(wc -l < '${f}.log') = 100`);
    truncateSync(f, 655365);
    expect(statSync(f).size).to.equal(655365);
    umountOk(mnt);
  });

  it('a server killed leaves what was synced, and a mount that umount takes away', async () => {
    const s = await Served.start([img], mnt);
    const data = Buffer.alloc(MIB, 'durable');
    const fd = openSync(join(mnt, 'synced'), 'w');
    writeSync(fd, data);
    fsyncSync(fd);
    closeSync(fd);
    writeFileSync(join(mnt, 'not synced'), data);
    s.child.kill('SIGKILL');
    await s.end;
    expect(() => readdirSync(mnt)).to.throw(/ENOTCONN/);
    expect(vkernel(['mount', img, mnt]).stderr).to.match(/dead mount/);
    umountOk(mnt);
    mount(img);
    expect(readFileSync(join(mnt, 'synced')).equals(data)).to.equal(true);
    umountOk(mnt);
  });

  it('SIGTERM unmounts cleanly; in use, when the last user has gone', async () => {
    let s = await Served.start([img], mnt);
    writeFileSync(join(mnt, 'f'), 'text');
    s.child.kill('SIGTERM');
    expect(await s.end).to.equal(0);
    expect(findMount(mnt)).to.equal(null);
    s = await Served.start([img], mnt);
    const fd = openSync(join(mnt, 'g'), 'w+');
    s.child.kill('SIGINT');
    while (findMount(mnt) !== null) await new Promise((r) => setTimeout(r, 10));
    writeSync(fd, 'late'); // still served
    closeSync(fd);
    expect(await s.end).to.equal(0);
    mount(img);
    expect(readFileSync(join(mnt, 'f'), 'utf8')).to.equal('text');
    expect(readFileSync(join(mnt, 'g'), 'utf8')).to.equal('late');
    umountOk(mnt);
  });

  it('a user mounts by fusermount3, writes, and unmounts', function () {
    const NOBODY = 65534;
    const home = mkdtempSync('/tmp/vkernel-user-');
    const as = (script: string): { status: number | null; text: string } => {
      // Where only root may open /dev/fuse, a node that all may open is in its place, for these processes.
      const r = spawnSync(
        'unshare',
        [
          '-m',
          'bash',
          '-euc',
          `mknod '${home}/fuse' c 10 229; chmod 666 '${home}/fuse'; mount --bind '${home}/fuse' /dev/fuse; rm '${home}/fuse'
           exec setpriv --reuid=${NOBODY} --regid=${NOBODY} --clear-groups bash -euc "$0"`,
          script,
        ],
        { encoding: 'utf8', cwd: '/' },
      );
      return { status: r.status, text: `${r.stdout ?? ''}${r.stderr ?? ''}${r.error?.message ?? ''}` };
    };
    const why =
      process.geteuid?.() !== 0
        ? 'not root, so the other tests are this one'
        : spawnSync('fusermount3', ['--version']).status !== 0
          ? 'no fusermount3'
          : as(`test -r '${vkernelBin}' && test -x '${process.execPath}'`).status !== 0
            ? 'another user cannot read this checkout'
            : null;
    if (why !== null) {
      rmSync(home, { recursive: true });
      console.log(`    skipped: ${why}`);
      this.skip();
    }
    try {
      const [disk, at] = [join(home, 'a.img'), join(home, 'mnt')];
      fixtureImage('lz4-xxhash64-tree', disk);
      mkdirSync(at);
      for (const p of [home, disk, at]) chownSync(p, NOBODY, NOBODY);
      const vk = `'${process.execPath}' '${vkernelBin}'`;
      const r = as(`cd /; ${vk} mount -o uid=${NOBODY},gid=${NOBODY} '${disk}' '${at}'
        grep -q " ${at} fuse.hammer2 rw,nosuid,nodev" /proc/mounts
        cat '${at}/README.txt' >/dev/null; echo mine > '${at}/user'; mkdir '${at}/d'; mv '${at}/user' '${at}/d/u'
        ${vk} umount '${at}'; ! grep -q " ${at} " /proc/mounts
        ${vk} mount -o ro '${disk}' '${at}'; cat '${at}/d/u'; ${vk} umount '${at}'`);
      expect(r).to.deep.equal({ status: 0, text: 'mine\n' });
    } finally {
      unmountAll([join(home, 'mnt')]);
      rmSync(home, { recursive: true });
    }
  });

  it('answers HAMMER2 ioctls by their numbers: PFSs, snapshots, settings, bulkfree', () => {
    mount(img);
    writeFileSync(join(mnt, 'f'), 'before');
    const py = String.raw`
import errno, fcntl, os, struct, sys
def iowr(n, size): return 0xc0000000 | size << 16 | ord('h') << 8 | n
fd = os.open(sys.argv[1], os.O_RDONLY)
def ioc(n, size, data=b'', on=fd):
    b = bytearray(data.ljust(size, b'\0'))
    fcntl.ioctl(on, iowr(n, size), b)
    return bytes(b)
def fails(e, f):
    try: f()
    except OSError as x: assert x.errno == e, x
    else: assert False
def label(b): return b[64:].split(b'\0')[0].decode()
assert struct.unpack_from('<I', ioc(64, 256))[0] == 2
assert label(ioc(80, 320, b'\xff' * 8)) == 'DATA'
ioc(84, 320, b'\0' * 64 + b'snap')
fails(errno.EEXIST, lambda: ioc(84, 320, b'\0' * 64 + b'snap'))
names, key = [], 0
while key != 2**64 - 1:
    b = ioc(80, 320, struct.pack('<Q', key)); key = struct.unpack_from('<Q', b, 8)[0]; names.append(label(b))
f = os.open(sys.argv[1] + '/f', os.O_RDWR)
ino = ioc(86, 1056, on=f)
assert struct.unpack_from('<QQ', ino, 32 + 88 + 8)[0] == 6, struct.unpack_from('<QQ', ino, 32 + 88)
ioc(87, 1056, struct.pack('<I', 16).ljust(32 + 0x83, b'\0') + bytes([3 | 7 << 4]), on=f)
assert ioc(86, 1056, on=f)[32 + 0x83] == 3 | 7 << 4
ioc(92, 64)
fails(errno.EBUSY, lambda: ioc(82, 320, b'\0' * 64 + b'DATA'))
fails(errno.ENOTTY, lambda: ioc(97, 272))
fails(errno.ENOTTY, lambda: ioc(1, 8))
fails(errno.ENOTTY, lambda: fcntl.ioctl(fd, 0x5401, bytearray(64)))
print(' '.join(sorted(names)))`;
    const r = spawnSync('python3', ['-c', py, mnt], { encoding: 'utf8' });
    expect(r.stderr).to.equal('');
    expect(r.stdout).to.match(/DATA.*snap/);
    writeFileSync(join(mnt, 'f'), 'after');
    umountOk(mnt);
    mount('-o', 'ro', `${img}@snap`);
    expect(readFileSync(join(mnt, 'f'), 'utf8')).to.equal('before');
    umountOk(mnt);
  });

  it('refuses what makes no sense, with a reason and an exit code', () => {
    const tell = (args: string[], status: number, text: RegExp): void => {
      const r = vkernel(args);
      expect(r.stderr).to.match(text);
      expect(r.status).to.equal(status);
    };
    writeFileSync(join(dir, 'empty.img'), new Uint8Array(16 * MIB));
    tell(['mount', img], 64, /expected an image and a directory\n.*usage: vkernel mount/s);
    tell(['mount', '-o', 'fast', img, mnt], 64, /unknown mount option 'fast'/);
    tell(['mount', join(dir, 'none.img'), mnt], 66, /none\.img: no such file/);
    tell(['mount', join(dir, 'empty.img'), mnt], 66, /empty\.img: no usable HAMMER2 file system/);
    tell(['mount', `${img}@NOPE`, mnt], 66, /no PFS NOPE: there is .*DATA/);
    tell(['mount', img, join(dir, 'nowhere')], 66, /nowhere: no such file/);
    tell(['mount', img, img], 66, /not a directory/);
    tell(['umount', dir], 66, /no HAMMER2 file system is mounted there/);
    tell(['umount'], 64, /expected a directory/);
    expect(vkernel(['mount', '--help']).stdout).to.match(/^usage: vkernel mount/);
  });

  it('a copied tree is the same on the way back', () => {
    mount(img);
    const from = join(dir, 'from');
    mkdirSync(from);
    sh(`cd '${from}'; for i in $(seq 200); do mkdir -p d$((i % 7))/e$((i % 3)); head -c $((i * i * 7)) /dev/zero | tr '\\0' "$((i % 10))" > d$((i % 7))/e$((i % 3))/f$i; done
        ln d1/e1/f1 d2/hard; ln -s f1 d1/e1/soft; mkfifo d3/fifo; chmod 1777 d4; touch -d '2001-02-03 04:05:06' d5/e2/*
        tar --format=posix -cf - . | tar -xpf - -C '${mnt}'`);
    umountOk(mnt);
    mount(img);
    const list = (at: string): string =>
      sh(`cd '${at}'; find d? -type d -printf '%p %y %m %U %G\\n' -o -printf '%p %y %m %n %U %G %s %T@ %l\\n' | sort;
          find d? -type f -print0 | sort -z | xargs -0 sha256sum`);
    expect(list(mnt).replace(/(\.\d{6})\d+/g, '$1')).to.equal(list(from).replace(/(\.\d{6})\d+/g, '$1'));
    umountOk(mnt);
    rmSync(from, { recursive: true });
  });
});
