import { expect } from 'chai';
import { devOps, destroyDev, makeDev, makeDevAlias } from '../../../vkernel/vfs/devfs/cdev.js';
import { Disk } from '../../../vkernel/vfs/bio.js';
import { vkdFind } from '../../../drivers/vkd/vkd.js';
import { EIO, ENXIO, EROFS, type Errno } from '../../../vkernel/sys/errno.js';
import { sysctlGet } from '../../../vkernel/kern/kern_sysctl.js';
import { gd } from '../../../vkernel/sys/globaldata.js';
import { unpackTar, tarEntries } from '../../../vkernel/vfs/tmpfs/unpack.js';
import type { TmpNode } from '../../../vkernel/vfs/tmpfs/tmpfs.js';
import { Kit, O, type User } from './kit.js';

/** A ustar member. */
function tar(
  name: string,
  type: string,
  data: string,
  o: { mode?: number; link?: string; prefix?: string } = {},
): Uint8Array {
  const body = Math.ceil(data.length / 512) * 512;
  const b = new Uint8Array(512 + body);
  const put = (at: number, s: string): void => [...s].forEach((c, i) => (b[at + i] = c.charCodeAt(0)));
  put(0, name);
  put(100, (o.mode ?? 0o644).toString(8).padStart(7, '0'));
  put(108, '0000007');
  put(116, '0000010');
  put(124, data.length.toString(8).padStart(11, '0'));
  put(136, (1234567).toString(8).padStart(11, '0'));
  put(156, type);
  put(157, o.link ?? '');
  put(257, 'ustar\x0000');
  put(345, o.prefix ?? '');
  put(148, '        ');
  let sum = 0;
  for (let i = 0; i < 512; i++) sum += b[i];
  put(148, sum.toString(8).padStart(6, '0') + '\0 ');
  put(512, data);
  return b;
}
function archive(...parts: Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0) + 1024);
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

describe('root from an archive', () => {
  const big = 'B'.repeat(100000);
  const base = archive(
    tar('bin/', '5', '', { mode: 0o755 }),
    tar('bin/prog', '0', big, { mode: 0o4755 }),
    tar('bin/link', '1', '', { link: 'bin/prog' }),
    tar('sh', '2', '', { link: 'bin/prog' }),
    tar('file', '0', 'deep', { prefix: 'etc/' + 'd'.repeat(60) }),
    tar('././@LongLink', 'L', 'n'.repeat(150)),
    tar('n'.repeat(100), '0', 'long name'),
    tar('../evil', '0', 'no'),
  );

  it('has its files, links and attributes', () => {
    const k = new Kit({ baseTar: base });
    const u = k.proc();
    const st = u.stat('/bin/prog');
    expect(st.mode).to.equal(0o104755);
    expect([st.uid, st.gid, st.nlink, st.size, st.mtime]).to.deep.equal([7, 8, 2, 100000, 1234567e9]);
    expect(u.read('/sh')).to.equal(big);
    expect(u.read('/etc/' + 'd'.repeat(60) + '/file')).to.equal('deep');
    expect(u.read('/' + 'n'.repeat(150))).to.equal('long name');
    expect(u.names('/')).to.not.include('evil');
  });

  it('takes memory only when read, and can give it back; what is written stays', () => {
    const k = new Kit({ baseTar: base });
    const u = k.proc();
    const vp = gd.vfs.rootNcp.vp;
    expect(vp).to.not.equal(null);
    u.alloc(1);
    u.put(new Uint8Array(65536));
    u.stat('/bin/prog');
    const free = gd.vm.pages.freeCount;
    u.read('/bin/prog');
    expect(gd.vm.pages.freeCount).to.be.lessThan(free - 20);
    const fd = u.open('/bin/prog', O.RDWR);
    u.ok('extpwrite', fd, 'XYZ', 3, 0, 50000);
    gd.vm.reclaim(10000, true);
    const got = u.read('/bin/prog');
    expect(got.length).to.equal(100000);
    expect(got.slice(49998, 50005)).to.equal('BBXYZBB');
    u.ok('ftruncate', fd, 0, 10);
    u.ok('ftruncate', fd, 0, 5000);
    gd.vm.reclaim(10000, true);
    expect(u.read('/bin/prog')).to.equal('B'.repeat(10) + '\0'.repeat(4990));
  });

  it('a cut or damaged archive gives what can be read', () => {
    const k = new Kit();
    const root = gd.vfs.rootNcp.vp?.data as TmpNode;
    for (let n = 0; n < base.length; n += 997) expect(() => [...tarEntries(base.slice(0, n))]).to.not.throw();
    expect(unpackTar(base.slice(0, 512 * 3), root)).to.equal(0);
    expect(k.proc().names('/')).to.include('bin');
  });
});

describe('mounts', () => {
  let k: Kit;
  let u: User;
  beforeEach(() => {
    k = new Kit();
    u = k.proc();
    u.ok('mkdir', '/mnt', 0o755);
  });

  it('mount, statfs, unmount', () => {
    u.write('/mnt/covered', '');
    u.ok('mount', 'tmpfs', '/mnt', 0, 0);
    expect(u.names('/mnt')).to.deep.equal([]);
    u.write('/mnt/inside', 'x');
    const sb = u.alloc(320);
    u.ok('statfs', '/mnt/inside', sb);
    const b = u.get(sb, 320);
    const cstr = (at: number): string => String.fromCharCode(...b.subarray(at, b.indexOf(0, at)));
    expect([cstr(104), cstr(120), cstr(218)]).to.deep.equal(['tmpfs', '/mnt', 'tmpfs']);
    expect(u.stat('/mnt').dev).to.equal(new DataView(b.buffer).getUint32(64, true));
    expect(u.ok('getfsstat', 0, 0, 0)).to.equal(4);
    expect(u.ok('getfsstat', u.alloc(1000), 700, 2)).to.equal(2);
    expect(u.ok('getvfsstat', u.alloc(1000), u.alloc(1000), 480, 2)).to.equal(3);
    const fd = u.open('/mnt/inside');
    expect(u.err('unmount', '/mnt', 0)).to.equal('EBUSY');
    u.ok('close', fd);
    expect(u.err('unmount', '/mnt/inside', 0)).to.equal('EINVAL');
    u.ok('chdir', '/mnt');
    expect(u.err('unmount', '/mnt', 0)).to.equal('EBUSY');
    u.ok('chdir', '/');
    const free = gd.vm.pages.freeCount;
    u.ok('unmount', '/mnt', 0);
    expect(gd.vm.pages.freeCount).to.equal(free + 1);
    expect(u.names('/mnt')).to.deep.equal(['covered']);
    expect(u.err('unmount', '/', 0)).to.equal('EBUSY');
  });

  it('checks who and what', () => {
    const user = k.proc(1000, 1000);
    expect(user.err('mount', 'tmpfs', '/mnt', 0, 0)).to.equal('EPERM');
    expect(user.err('unmount', '/dev', 0)).to.equal('EPERM');
    expect(u.err('mount', 'nosuchfs', '/mnt', 0, 0)).to.equal('ENODEV');
    u.write('/file', '');
    expect(u.err('mount', 'tmpfs', '/file', 0, 0)).to.equal('ENOTDIR');
    expect(u.err('mount', 'hostfs', '/mnt', 0, 0)).to.equal('EPERM');
  });

  it('honours flags, and changes them with MNT_UPDATE', () => {
    u.ok('mount', 'tmpfs', '/mnt', 0, 0);
    u.write('/mnt/f', 'x');
    u.ok('mount', 'tmpfs', '/mnt', 0x10000 | 1, 0);
    expect(u.err('open', '/mnt/f', O.RDWR, 0)).to.equal('EROFS');
    expect(u.err('unlink', '/mnt/f')).to.equal('EROFS');
    expect(u.err('mkdir', '/mnt/d', 0o755)).to.equal('EROFS');
    expect(u.err('access', '/mnt/f', 2)).to.equal('EROFS');
    const buf = u.alloc(200);
    const n = u.ok('mountctl', '/mnt', 18, -1, 0, 0, buf, 200);
    expect(String.fromCharCode(...u.get(buf, n))).to.equal('read-only, local');
    u.ok('mount', 'tmpfs', '/mnt', 0x10000, 0);
    expect(u.err('open', '/mnt/f', O.RDWR, 0)).to.be.a('number');
  });

  it('limits the size of a tmpfs', () => {
    const a = new DataView(new ArrayBuffer(48));
    a.setBigUint64(16, 8n * 4096n, true);
    a.setUint16(40, 0o700, true);
    u.ok('mount', 'tmpfs', '/mnt', 0, u.put(new Uint8Array(a.buffer)));
    expect(u.stat('/mnt').mode & 0o7777).to.equal(0o700);
    const fd = u.open('/mnt/f', O.CREAT | O.RDWR);
    const chunk = u.put(new Uint8Array(4096 * 10));
    expect(u.err('write', fd, chunk, 4096 * 10)).to.equal('ENOSPC');
    expect(u.ok('write', fd, chunk, 4096 * 8)).to.equal(4096 * 8);
    expect(u.err('write', fd, chunk, 1)).to.equal('ENOSPC');
    u.ok('ftruncate', fd, 0, 4096);
    u.ok('lseek', fd, 0, 0, 2);
    expect(u.ok('write', fd, chunk, 4096)).to.equal(4096);
  });
});

describe('devices', () => {
  it('null, zero, full and random behave', () => {
    const k = new Kit();
    const u = k.proc();
    const buf = u.put(new Uint8Array(10000).fill(9));
    const n = u.open('/dev/null', O.RDWR);
    expect(u.ok('write', n, buf, 10000)).to.equal(10000);
    expect(u.ok('read', n, buf, 10000)).to.equal(0);
    const z = u.open('/dev/zero', O.RDWR);
    expect(u.ok('read', z, buf, 10000)).to.equal(10000);
    expect(u.get(buf, 10000).every((x) => x === 0)).to.equal(true);
    const r = u.open('/dev/urandom');
    expect(u.ok('read', r, buf, 10000)).to.equal(10000);
    expect(new Set(u.get(buf, 10000)).size).to.equal(256);
    expect(u.err('write', u.open('/dev/full', O.WRONLY), buf, 1)).to.equal('ENOSPC');
    expect(u.stat('/dev/null').mode).to.equal(0o020666);
    expect(u.names('/dev')).to.include.members([
      'null',
      'zero',
      'random',
      'urandom',
      'fd',
      'stdin',
      'stdout',
      'stderr',
    ]);
    expect(u.names('/dev/fd').length).to.equal(64);
    expect(u.err('unlink', '/dev/null')).to.equal('EINVAL');
    u.ok('chmod', '/dev/null', 0o600);
    expect(u.stat('/dev/null').mode & 0o777).to.equal(0o600);
  });

  it('come and go', () => {
    const k = new Kit();
    const u = k.proc();
    const ub = u.alloc(128);
    expect(u.err('stat', '/dev/pts/0', ub)).to.equal('ENOENT');
    const log: string[] = [];
    const ops = devOps({
      name: 'pts',
      *close(_d, _f, last) {
        log.push(`close ${last}`);
        return null;
      },
      *read() {
        return null;
      },
    });
    const dev = makeDev(ops, 'pts/0', 0o620, { uid: 5 });
    makeDevAlias('pts/0', 'alias');
    expect(u.stat('/dev/alias').uid).to.equal(5);
    const a = u.open('/dev/pts/0');
    const b = u.open('/dev/alias');
    u.ok('close', a);
    expect(log).to.deep.equal(['close false']);
    destroyDev(dev);
    expect(u.err('stat', '/dev/pts/0', ub)).to.equal('ENOENT');
    expect(u.err('read', b, ub, 1)).to.equal('ENXIO');
    makeDev(ops, 'pts/0', 0o600);
    expect(u.stat('/dev/pts/0').mode & 0o777).to.equal(0o600);
  });

  it('revoke kills open files', () => {
    const k = new Kit();
    const u = k.proc();
    const fd = u.open('/dev/zero', O.RDWR);
    u.ok('revoke', '/dev/zero');
    const buf = u.alloc(10);
    expect(u.ok('read', fd, buf, 10)).to.equal(0);
    expect(u.err('write', fd, buf, 10)).to.equal('EIO');
    u.ok('close', fd);
    expect(u.ok('read', u.open('/dev/zero'), buf, 10)).to.equal(10);
    u.write('/f', '');
    expect(u.err('revoke', '/f')).to.equal('EINVAL');
  });

  it('disks: whole sectors, by offset, errors passed on', () => {
    const data = Uint8Array.from({ length: 65536 * 4 }, (_, i) => (i >> 9) & 255);
    const k = new Kit({ disks: [{ data }, { sizeBytes: 8192, readonly: true }] });
    const u = k.proc();
    const fd = u.open('/dev/vkd0', O.RDWR);
    const buf = u.alloc(262144);
    expect(u.ok('extpread', fd, buf, 200 * 512, 0, 512 * 7)).to.equal(200 * 512);
    expect(u.get(buf, 200 * 512)).to.deep.equal(data.slice(512 * 7, 512 * 207));
    expect(u.err('extpread', fd, buf, 100, 0, 0)).to.equal('EINVAL');
    expect(u.ok('extpread', fd, buf, 1024, 0, data.length - 512)).to.equal(512);
    expect(u.ok('extpread', fd, buf, 512, 0, data.length)).to.equal(0);
    expect(u.err('extpread', fd, buf, 512, 0, data.length + 512)).to.equal('ENXIO');
    const chunk = u.put(new Uint8Array(1024).fill(0xee));
    expect(u.ok('extpwrite', fd, chunk, 1024, 0, 4096)).to.equal(1024);
    expect([...k.machine.disks[0].contents.slice(4095, 5121)].filter((x) => x === 0xee).length).to.equal(1024);
    expect(u.err('open', '/dev/vkd1', O.RDWR, 0)).to.equal('EROFS');
    u.ok('ioctl', fd, 0x40906468, buf);
    expect(new DataView(u.get(buf, 144).buffer).getBigUint64(8, true)).to.equal(BigInt(data.length));
    const disk = vkdFind('/dev/vkd0') as Disk;
    const big = new Uint8Array(data.length);
    expect(k.run(disk.read(0, big))).to.equal(null);
    expect(big.slice(8192)).to.deep.equal(data.slice(8192));
    expect(k.run(disk.read(data.length, new Uint8Array(512)))).to.equal(ENXIO);
    expect(k.run((vkdFind('vkd1') as Disk).write(0, new Uint8Array(512)))).to.equal(EROFS);
    expect(k.run(disk.flush())).to.equal(null);
    expect(k.machine.disks[0].flushes).to.equal(1);
    k.machine.disks[0].fault = () => EIO;
    const free = gd.vm.pages.freeCount;
    expect(k.run(disk.read(0, new Uint8Array(65536)))).to.equal(EIO);
    expect(gd.vm.pages.freeCount).to.equal(free);
    expect(vkdFind('vkd9')).to.equal(null);
  });
});

describe('sysctl of the VFS', () => {
  it('types, devices and files', () => {
    const k = new Kit({ disks: [{ sizeBytes: 8192 }] });
    const u = k.proc();
    const text = (b: Uint8Array | Errno): string => String.fromCharCode(...(b as Uint8Array)).replace(/\0.*/, '');
    expect(text(sysctlGet('kern.disks'))).to.equal('vkd0');
    const n = new DataView((sysctlGet('kern.openfiles') as Uint8Array).buffer).getInt32(0, true);
    u.ok('dup', u.open('/dev/null'));
    expect(new DataView((sysctlGet('kern.openfiles') as Uint8Array).buffer).getInt32(0, true)).to.equal(n + 1);
    expect(u.err('__acl_get_file', '/none', 0, 0)).to.equal('ENOENT');
    expect(u.err('__acl_get_file', '/dev', 0, 0)).to.equal('ENOTSUP');
    expect(u.err('__acl_get_fd', 77, 0, 0)).to.equal('EBADF');
  });
});

describe('procfs', () => {
  it('shows processes while they live', () => {
    const k = new Kit();
    const u = k.proc();
    const other = k.proc(1000, 1000);
    u.p.comm = 'prog';
    u.p.args = Uint8Array.from('prog\0-x\0', (c) => c.charCodeAt(0));
    u.p.execPath = '/bin/prog';
    expect(u.names('/proc')).to.deep.equal(['1', '2', 'curproc']);
    expect(u.read('/proc/1/status').split(' ').slice(0, 5)).to.deep.equal(['prog', '1', '0', '1', '1']);
    expect(u.read('/proc/1/cmdline')).to.equal('prog\0-x\0');
    expect(u.read('/proc/curproc/status').split(' ')[1]).to.equal('1');
    expect(other.read('/proc/curproc/status').split(' ')[1]).to.equal('2');
    expect(u.read('/proc/curproc/map')).to.match(/^0x[0-9a-f]+ 0x[0-9a-f]+ \d+ 0 \d+ rw- /);
    expect(other.err('read', other.open('/proc/1/map'), other.alloc(10), 10)).to.equal('EACCES');
    const buf = u.alloc(100);
    expect(u.ok('readlink', '/proc/1/file', buf, 100)).to.equal(9);
    expect(u.names('/proc/2')).to.deep.equal(['cmdline', 'file', 'map', 'status']);
    const fd = u.open('/proc/2/status');
    u.ok('chdir', '/proc/2');
    gd.allproc.delete(2);
    expect(u.err('read', fd, buf, 10)).to.equal('ENOENT');
    expect(u.err('stat', '/proc/2', u.alloc(128))).to.equal('ENOENT');
    expect(u.err('stat', 'status', u.alloc(128))).to.equal('ENOENT');
    expect(u.err('stat', '/proc/01', u.alloc(128))).to.equal('ENOENT');
    expect(u.names('/proc')).to.deep.equal(['1', 'curproc']);
    expect(u.err('open', '/proc/x', O.CREAT | O.RDWR, 0o644)).to.equal('ENOTSUP');
  });
});

describe('FIFOs', () => {
  it('wait for the other side, carry data, end with EOF and EPIPE', () => {
    const k = new Kit();
    const u = k.proc();
    const w = k.proc();
    u.ok('mkfifo', '/ff', 0o644);
    expect(u.stat('/ff').mode & 0o170000).to.equal(0o010000);
    expect(w.err('open', '/ff', O.WRONLY | O.NONBLOCK, 0)).to.equal('ENXIO');
    const r = u.begin('open', '/ff', O.RDONLY, 0);
    expect(r.done).to.equal(false);
    const wf = w.ok('open', '/ff', O.WRONLY, 0);
    k.settle();
    expect(r.done).to.equal(true);
    const rf = r.value as number;
    const buf = u.alloc(100);
    const rd = u.begin('read', rf, buf, 100);
    expect(rd.done).to.equal(false);
    w.ok('write', wf, 'hello', 5);
    k.settle();
    expect(rd.value).to.equal(5);
    expect(String.fromCharCode(...u.get(buf, 5))).to.equal('hello');
    const big = w.put(new Uint8Array(40000).fill(3));
    const wr = w.begin('write', wf, big, 40000);
    expect(wr.done).to.equal(false);
    let got = 0;
    const into = u.alloc(65536);
    while (got < 40000) got += u.ok('read', rf, into, 65536);
    k.settle();
    expect(wr.value).to.equal(40000);
    expect(u.err('lseek', rf, 0, 0, 0)).to.equal('ESPIPE');
    w.ok('close', wf);
    expect(u.ok('read', rf, buf, 100)).to.equal(0);
    const nb = u.open('/ff', O.RDONLY | O.NONBLOCK);
    const w2 = w.ok('open', '/ff', O.WRONLY | O.NONBLOCK, 0);
    expect(u.err('read', nb, buf, 10)).to.equal('EAGAIN');
    u.ok('close', nb);
    u.ok('close', rf);
    expect(w2).to.be.a('number');
  });
});
