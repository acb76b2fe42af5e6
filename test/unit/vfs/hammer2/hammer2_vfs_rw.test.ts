/** HAMMER2 mounted read-write in a kernel: system calls, page cache and mappings, sync, remounts, snapshots, ioctls. */
import { expect } from 'chai';
import { runSync } from '../../../../vkernel/sys/blocking.js';
import type { BlockDevice } from '../../../../vkernel/sys/blockdev.js';
import { gd } from '../../../../vkernel/sys/globaldata.js';
import { vmObjectRef, vmObjectDeref, type VmObject } from '../../../../vkernel/vm/vm_object.js';
import { PAGE_SIZE } from '../../../../vkernel/machine/ram.js';
import { vmPageDirty } from '../../../../vkernel/vm/vm_page.js';
import { type Vnode } from '../../../../vkernel/vfs/vnode.js';
import type { File } from '../../../../vkernel/kern/file.js';
import { vfsSyncAll } from '../../../../vkernel/vfs/vfs_mount.js';
import {
  HAMMER2IOC_BULKFREE_SCAN,
  HAMMER2IOC_INODE_GET,
  HAMMER2IOC_DESTROY,
  HAMMER2IOC_INODE_SET,
  HAMMER2IOC_SCRUB,
  HAMMER2IOC_PFS_CREATE,
  HAMMER2IOC_PFS_DELETE,
  HAMMER2IOC_PFS_GET,
  HAMMER2IOC_PFS_SNAPSHOT,
} from '../../../../vkernel/vfs/hammer2/ioctl.js';
import { buildImage, type TestNode } from '../../../support/hammer2_build.js';
import { CowDevice, openRw } from '../../../support/hammer2_rw.js';
import { O } from '../kit.js';
import { H2Kit } from './kit.js';

const files: TestNode[] = [
  { type: 'file', name: 'old', data: new Uint8Array(Buffer.from('as it was\n')) },
  { type: 'dir', name: 'd', children: [] },
];
const image = (): BlockDevice => new CowDevice(buildImage({ pfs: { DATA: files, LOCAL: [] } })[0]);
const pattern = (n: number, seed: number): string =>
  Buffer.from(Uint8Array.from({ length: n }, (_, i) => Math.imul(i + seed, 2654435761) >>> 13)).toString('latin1');

/** A kernel with the image mounted read-write on /mnt. */
function booted(dev: BlockDevice = image()): H2Kit {
  const k = new H2Kit({ vkd0: dev });
  expect(k.mount('vkd0@DATA', '/mnt', 0)).to.equal(0);
  return k;
}

/** What another kernel finds on the device, as after a power cut. */
function later(dev: BlockDevice): H2Kit {
  const k = new H2Kit({ vkd0: dev });
  expect(k.mount('vkd0@DATA')).to.equal(0);
  return k;
}

describe('hammer2 mounted read-write', function () {
  this.timeout(60_000);

  it('creates, writes, links, renames and removes', () => {
    const { u } = booted();
    u.write('/mnt/new', 'first\n');
    expect(u.read('/mnt/new')).to.equal('first\n');
    expect(u.stat('/mnt/new')).to.include({ size: 6, nlink: 1, mode: 0o100644 });
    u.ok('link', '/mnt/new', '/mnt/d/hard');
    expect(u.stat('/mnt/new').nlink).to.equal(2);
    u.ok('symlink', 'd/hard', '/mnt/soft');
    expect(u.read('/mnt/soft')).to.equal('first\n');
    u.ok('mkdir', '/mnt/d/e', 0o750);
    u.ok('rename', '/mnt/new', '/mnt/d/e/moved');
    expect(u.names('/mnt')).to.deep.equal(['d', 'old', 'soft']);
    expect(u.err('rename', '/mnt/d', '/mnt/d/e/d')).to.equal('EINVAL');
    expect(u.err('rmdir', '/mnt/d/e')).to.equal('ENOTEMPTY');
    u.ok('rename', '/mnt/old', '/mnt/d/hard');
    expect(u.read('/mnt/d/hard')).to.equal('as it was\n');
    expect(u.stat('/mnt/d/e/moved').nlink).to.equal(1);
    u.ok('unlink', '/mnt/d/e/moved');
    u.ok('rmdir', '/mnt/d/e');
    expect(u.names('/mnt/d')).to.deep.equal(['hard']);
    u.ok('mkfifo', '/mnt/p', 0o600);
    expect(u.stat('/mnt/p', 'lstat').mode).to.equal(0o010600);
  });

  it('reads what was written by any piece, appends, truncates, and zeroes what comes back', () => {
    const { u } = booted();
    const all = pattern(300_000, 7);
    const fd = u.open('/mnt/f', O.RDWR | O.CREAT);
    for (let at = 0; at < all.length;) {
      const n = Math.min(all.length - at, 1 + ((at * 7) % 70_001));
      expect(u.ok('write', fd, u.put(Buffer.from(all.slice(at, at + n), 'latin1')), n)).to.equal(n);
      at += n;
    }
    expect(u.read('/mnt/f') === all).to.equal(true);
    u.ok('ftruncate', fd, 0, 100_000);
    u.ok('ftruncate', fd, 0, 200_000);
    expect(u.read('/mnt/f') === all.slice(0, 100_000) + '\0'.repeat(100_000)).to.equal(true);
    u.ok('close', fd);
    const app = u.open('/mnt/f', O.WRONLY | O.APPEND);
    u.ok('write', app, u.put(Buffer.from('end')), 3);
    u.ok('close', app);
    expect(u.read('/mnt/f').slice(-4)).to.equal('\0end');
    u.ok('truncate', '/mnt/f', 0, 0);
    expect(u.read('/mnt/f')).to.equal('');
  });

  it('keeps a removed file as long as it is open', () => {
    const k = booted();
    const { u } = k;
    u.write('/mnt/f', 'still here');
    const fd = u.open('/mnt/f', O.RDWR);
    u.ok('unlink', '/mnt/f');
    expect(u.fstat(fd).nlink).to.equal(0);
    k.run(vfsSyncAll());
    const buf = u.alloc(10);
    expect(u.ok('read', fd, buf, 10)).to.equal(10);
    expect(Buffer.from(u.get(buf, 10)).toString()).to.equal('still here');
    u.ok('close', fd);
    u.ok('unmount', '/mnt', 0);
  });

  it('is durable after fsync, without anything else', () => {
    const dev = image();
    const k = booted(dev);
    k.u.ok('mkdir', '/mnt/d/sub', 0o755);
    const fd = k.u.open('/mnt/d/sub/f', O.WRONLY | O.CREAT);
    k.u.ok('write', fd, k.u.put(Buffer.from('kept')), 4);
    k.u.ok('fsync', fd);
    k.u.write('/mnt/d/lost', 'x');
    expect(later(dev).u.read('/mnt/d/sub/f')).to.equal('kept');
    expect(later(dev).u.names('/mnt/d')).to.deep.equal(['sub']);
  });

  it('syncs by itself after half a minute', () => {
    const dev = image();
    const k = booted(dev);
    k.u.write('/mnt/late', 'x');
    expect(later(dev).u.names('/mnt')).to.not.include('late');
    k.enter();
    k.machine.advance(31e9);
    expect(later(dev).u.names('/mnt')).to.include('late');
  });

  it('keeps mappings, reads and writes in step, and writes mapped pages back', () => {
    const dev = image();
    const k = booted(dev);
    const { u } = k;
    u.write('/mnt/m', pattern(10_000, 1));
    const fd = u.open('/mnt/m', O.RDWR);
    const vp = (u.p.fd.files[fd] as File).data as Vnode;
    const o = vp.ops.getObject(vp) as VmObject;
    vmObjectRef(o);
    expect(u.read('/mnt/m').length).to.equal(10_000);
    const ppn = gd.vm.pages.lookup(o.id, 1);
    expect(ppn).to.be.greaterThan(0);
    // As a store through a mapping does it.
    vmPageDirty(ppn);
    gd.machine.ram.write(ppn * PAGE_SIZE, new Uint8Array(Buffer.from('mapped')), 0, 6);
    expect(u.read('/mnt/m').slice(4096, 4102)).to.equal('mapped');
    u.ok('extpwrite', fd, u.put(Buffer.from('WRITE')), 5, 0, 4098);
    const b = new Uint8Array(8);
    gd.machine.ram.read(ppn * PAGE_SIZE, b, 0, 8);
    expect(Buffer.from(b).toString('latin1').slice(0, 7)).to.equal('maWRITE');
    // The file is removed and closed, yet the mapping goes on.
    k.run(vfsSyncAll());
    expect(later(dev).u.read('/mnt/m').slice(4096, 4103)).to.equal('maWRITE');
    k.enter();
    u.ok('unlink', '/mnt/m');
    u.ok('close', fd);
    expect(u.err('unmount', '/mnt', 0)).to.equal('EBUSY');
    vmObjectDeref(o);
    u.ok('unmount', '/mnt', 0);
  });

  it('changes attributes', () => {
    const { u } = booted();
    u.ok('chmod', '/mnt/old', 0o600);
    u.ok('chown', '/mnt/old', 5, 6);
    u.ok('chflags', '/mnt/old', 1);
    const st = u.stat('/mnt/old');
    expect(st).to.include({ mode: 0o100600, uid: 5, gid: 6 });
    const v = new DataView(new ArrayBuffer(32));
    v.setBigInt64(16, 1_000_000_000n, true);
    v.setBigInt64(24, 123_456n, true);
    u.ok('utimes', '/mnt/old', u.put(new Uint8Array(v.buffer)));
    expect(u.stat('/mnt/old').mtime).to.equal(1_000_000_000_123_456_000);
  });

  it('goes read-only and back, and not while a file is open for writing', () => {
    const k = booted();
    const { u } = k;
    const remount = (flags: number): number | string =>
      u.err('mount', 'hammer2', '/mnt', 0x10000 | flags, k.info('vkd0'));
    const fd = u.open('/mnt/old', O.RDWR);
    expect(remount(1)).to.equal('EBUSY');
    u.ok('close', fd);
    u.write('/mnt/x', 'y');
    expect(remount(1)).to.equal(0);
    expect(u.err('open', '/mnt/z', O.RDWR | O.CREAT, 0o644)).to.equal('EROFS');
    expect(u.err('unlink', '/mnt/x')).to.equal('EROFS');
    expect(remount(0)).to.equal(0);
    u.ok('unlink', '/mnt/x');
  });

  it('mounts media that cannot be written read-only, and says so', () => {
    const rw = image();
    const ro: BlockDevice = {
      name: 'vcd0',
      sizeBytes: rw.sizeBytes,
      readonly: true,
      read: (off, b) => rw.read(off, b),
      write: (off, b) => rw.write(off, b),
      flush: () => rw.flush(),
    };
    const k = new H2Kit({ vcd0: ro });
    expect(k.mount('vcd0@DATA', '/mnt', 0)).to.equal(0);
    expect(k.dmesg()).to.include('mounted read-only');
    expect(k.u.err('open', '/mnt/new', O.RDWR | O.CREAT, 0o644)).to.equal('EROFS');
    expect(k.u.err('mount', 'hammer2', '/mnt', 0x10000, k.info('vcd0'))).to.equal('EROFS');
  });

  it('gives ENOSPC for what does not fit, and room again after removing it', () => {
    const k = booted();
    const { u } = k;
    const fd = u.open('/mnt/big', O.WRONLY | O.CREAT);
    const n = 65536;
    const chunk = u.put(Buffer.from(pattern(n, 3), 'latin1'));
    let r: number | string = 0;
    let written = 0;
    for (let i = 0; i < 100_000 && typeof r === 'number'; i++) {
      r = u.err('extpwrite', fd, chunk, n, 0, i * n);
      if (r === n) written += n;
    }
    expect(r).to.equal('ENOSPC');
    expect(u.fstat(fd).size).to.equal(written);
    u.ok('close', fd);
    u.ok('unlink', '/mnt/big');
    u.ok('unmount', '/mnt', 0);
  });

  it('answers the ioctls of hammer2(8)', () => {
    const k = booted();
    const { u } = k;
    const fd = u.open('/mnt/d');
    const pfs = (name: string, key = 0n): number => {
      const b = new Uint8Array(320);
      new DataView(b.buffer).setBigUint64(0, key, true);
      b.set(Buffer.from(name), 64);
      return u.put(b);
    };
    const list = (): string[] => {
      const names: string[] = [];
      for (let key = 0n; key !== 0xffff_ffff_ffff_ffffn;) {
        const at = pfs('', key);
        u.ok('ioctl', fd, HAMMER2IOC_PFS_GET, at);
        const b = u.get(at, 320);
        names.push(Buffer.from(b.subarray(64)).toString('latin1').replace(/\0.*/s, ''));
        key = new DataView(b.buffer, b.byteOffset).getBigUint64(8, true);
      }
      return names.sort();
    };
    expect(list()).to.deep.equal(['DATA', 'LOCAL']);
    u.ok('ioctl', fd, HAMMER2IOC_PFS_CREATE, pfs('MORE'));
    expect(u.err('ioctl', fd, HAMMER2IOC_PFS_CREATE, pfs('MORE'))).to.equal('EEXIST');
    u.write('/mnt/old', 'now');
    u.ok('ioctl', fd, HAMMER2IOC_PFS_SNAPSHOT, pfs('SNAP'));
    u.write('/mnt/old', 'later');
    expect(k.mount('@SNAP', '/mnt2', 0)).to.equal(0);
    expect(u.read('/mnt2/old')).to.equal('now');
    u.write('/mnt2/old', 'in the snapshot');
    expect(u.read('/mnt/old')).to.equal('later');
    expect(u.err('ioctl', fd, HAMMER2IOC_PFS_DELETE, pfs('SNAP'))).to.equal('EBUSY');
    u.ok('unmount', '/mnt2', 0);
    u.ok('ioctl', fd, HAMMER2IOC_PFS_DELETE, pfs('SNAP'));
    expect(list()).to.deep.equal(['DATA', 'LOCAL', 'MORE']);
    expect(u.err('ioctl', fd, HAMMER2IOC_PFS_DELETE, pfs('nothing'))).to.equal('ENOENT');
    // Compression of a directory is inherited.
    const ino = new Uint8Array(1056);
    ino[0] = 16;
    ino[32 + 0x83] = 3 | (7 << 4);
    u.ok('ioctl', fd, HAMMER2IOC_INODE_SET, u.put(ino));
    u.write('/mnt/d/z', 'z');
    const f = u.open('/mnt/d/z');
    const at = u.put(new Uint8Array(1056));
    u.ok('ioctl', f, HAMMER2IOC_INODE_GET, at);
    expect(u.get(at, 1056)[32 + 0x83]).to.equal(3 | (7 << 4));
    expect(u.err('ioctl', f, 0xc0406870, at)).to.equal('ENOTSUP');
    // Quotas, by the fields and flags of the reference.
    u.ok('mkdir', '/mnt/q', 0o755);
    const q = u.open('/mnt/q');
    const lim = new Uint8Array(1056);
    lim[0] = 1 | 2;
    new DataView(lim.buffer).setBigUint64(32 + 0xb0, 300_000n, true);
    new DataView(lim.buffer).setBigUint64(32 + 0xc0, 2n, true);
    u.ok('ioctl', q, HAMMER2IOC_INODE_SET, u.put(lim));
    const noise = Uint8Array.from({ length: 200_000 }, (_, i) => (Math.imul(i + 1, 2654435761) ^ (i * i)) >>> 13);
    for (const name of ['a', 'b']) u.write(`/mnt/q/${name}`, '');
    expect(u.err('open', '/mnt/q/c', 0x202, 0o644)).to.equal('EDQUOT');
    const big = u.open('/mnt/q/b', 2);
    const from = u.put(noise);
    expect(u.ok('write', u.open('/mnt/q/a', 2), from, 200_000)).to.equal(200_000);
    expect(u.err('write', big, from, 65536)).to.equal(65536);
    expect(u.err('write', big, from, 200_000)).to.equal('EDQUOT');
    u.ok('ioctl', q, HAMMER2IOC_INODE_GET, at);
    const meta = u.get(at, 1056);
    expect(meta[32 + 0xc8]).to.equal(2); // inodes in use
    expect(meta[32 + 0xf0]).to.equal(1);
    // Scrub, and the removal of half a file.
    const s = u.put(new Uint8Array(7744));
    u.ok('ioctl', fd, HAMMER2IOC_SCRUB, s);
    const report = new DataView(u.get(s, 64).slice().buffer);
    expect(Number(report.getBigUint64(8, true))).to.be.greaterThan(10); // blocks
    expect(Number(report.getBigUint64(40, true))).to.equal(0); // errors
    const del = new Uint8Array(272);
    del[0] = 1;
    del.set(Buffer.from('half'), 4);
    u.write('/mnt/half', 'x');
    const root = u.open('/mnt');
    u.ok('ioctl', root, HAMMER2IOC_DESTROY, u.put(del));
    expect(u.err('open', '/mnt/half', 0)).to.equal('ENOENT');
    expect(u.err('ioctl', root, HAMMER2IOC_DESTROY, u.put(del))).to.equal('ENOENT');
    u.write('/mnt/other', 'y');
    u.err('stat', '/mnt/other', at);
    const stat = new DataView(u.get(at, 8).slice().buffer);
    del[0] = 2;
    new DataView(del.buffer).setBigUint64(264, stat.getBigUint64(0, true), true);
    const held = u.open('/mnt/other');
    expect(u.err('ioctl', root, HAMMER2IOC_DESTROY, u.put(del))).to.equal('EBUSY');
    u.ok('close', held);
    u.ok('ioctl', root, HAMMER2IOC_DESTROY, u.put(del));
    expect(u.err('open', '/mnt/other', 0)).to.equal('EIO'); // a name that leads nowhere
    u.write('/mnt/junk', pattern(500_000, 5));
    k.run(vfsSyncAll());
    k.enter();
    u.ok('unlink', '/mnt/junk');
    const scan = u.put(new Uint8Array(64));
    u.ok('ioctl', fd, HAMMER2IOC_BULKFREE_SCAN, scan);
    const b = u.get(scan, 64);
    const found = new DataView(b.buffer, b.byteOffset);
    expect(Number(found.getBigUint64(56, true))).to.be.greaterThan(0); // blocks scanned
    expect(Number(found.getBigUint64(32, true))).to.be.greaterThan(400_000); // bytes freed
    const user = k.proc(1000, 1000);
    const ufd = user.open('/mnt/d');
    expect(user.err('ioctl', ufd, HAMMER2IOC_PFS_CREATE, user.put(new Uint8Array(320)))).to.equal('EPERM');
  });

  it('leaves an image that the library reads as the kernel did', () => {
    const dev = image();
    const k = booted(dev);
    for (let i = 0; i < 200; i++) k.u.write(`/mnt/d/file ${i}`, pattern(i * 37, i));
    k.u.ok('unmount', '/mnt', 0);
    const fs = openRw(dev);
    const m = runSync(fs.mount('DATA'));
    if (!('rootInum' in m)) throw m;
    const d = runSync(m.lookup(m.rootInum, 'd')) as number;
    for (let i = 0; i < 200; i++) {
      const inum = runSync(m.lookup(d, `file ${i}`)) as number;
      const buf = new Uint8Array(i * 37);
      expect(runSync(m.read(inum, 0, buf, 0, buf.length))).to.equal(i * 37);
      expect(Buffer.from(buf).toString('latin1') === pattern(i * 37, i)).to.equal(true);
    }
  });
});
