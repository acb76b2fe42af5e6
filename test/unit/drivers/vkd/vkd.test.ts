/** vkd on the simulated machine: transfers through DMA buffers, overlap, faults, /dev/vkdN, HAMMER2 on top. */
import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { Vkd, vkdDiskDone, vkdInit } from '../../../../drivers/vkd/vkd.js';
import { lwktDispatch, lwktNextTimerNs } from '../../../../vkernel/kern/lwkt_thread.js';
import type { SimDisk, SimDiskOptions } from '../../../../vkernel/machine/sim/sim_disk.js';
import type { BlockDevice } from '../../../../vkernel/sys/blockdev.js';
import type { Blocking } from '../../../../vkernel/sys/blocking.js';
import { EINVAL, EIO, ENXIO, EROFS, Errno } from '../../../../vkernel/sys/errno.js';
import { gd } from '../../../../vkernel/sys/globaldata.js';
import { hammer2VfsOps } from '../../../../vkernel/vfs/hammer2/hammer2_vfsops.js';
import { vfsRegister } from '../../../../vkernel/vfs/mount.js';
import { mountAt } from '../../../../vkernel/kern/vfs_init.js';
import { buildImage } from '../../../support/hammer2_build.js';
import { Kit } from '../../vfs/kit.js';

const MIB = 2 ** 20;

class VkdKit extends Kit {
  constructor(disks: SimDiskOptions[], seed = 1) {
    super({ disks, seed });
    this.machine.attach({
      onTrap: () => undefined,
      onDiskDone: vkdDiskDone,
      onConsoleInput: () => undefined,
      onConsoleResize: () => undefined,
      onStreamReady: () => undefined,
      onShutdownRequest: () => undefined,
      dispatch: () => lwktDispatch(5e6),
      nextTimerNs: lwktNextTimerNs,
    });
    expect(vkdInit()).to.equal(null);
  }
  get disk(): SimDisk {
    return this.machine.disks[0] as SimDisk;
  }
  /** Run kernel code to its end, with disk completions coming in. */
  io<T>(g: Blocking<T>): T {
    const r = this.start(g);
    this.machine.runUntilIdle();
    if (!r.done) throw new Error('the code slept for good');
    return r.value as T;
  }
}
const pattern = (n: number, seed: number): Uint8Array =>
  Uint8Array.from({ length: n }, (_, i) => (i * 7 + (i >> 9) * seed + seed) & 255);

describe('vkd', () => {
  it('reads and writes any number of sectors', () => {
    const k = new VkdKit([{ data: pattern(MIB, 3) }]);
    const d: BlockDevice = gd.vkd.disks[0];
    expect(d).to.include({ name: 'vkd0', sizeBytes: MIB, readonly: false });
    for (const [off, n] of [
      [0, 512],
      [512, 1024],
      [65536 - 512, 65536],
      [1024, 300 * 512],
      [MIB - 512, 512],
      [0, MIB],
    ]) {
      const buf = new Uint8Array(n);
      expect(k.io(d.read(off, buf))).to.equal(null);
      expect(Buffer.compare(buf, pattern(MIB, 3).subarray(off, off + n))).to.equal(0);
    }
    const w = pattern(200 * 512, 9);
    expect(k.io(d.write(4096, w))).to.equal(null);
    expect(k.io(d.flush())).to.equal(null);
    expect(Buffer.compare(k.disk.contents.subarray(4096, 4096 + w.length), w)).to.equal(0);
    expect(k.disk.flushes).to.equal(1);
  });

  it('refuses what is unaligned or past the end, and writes to a read-only disk', () => {
    const k = new VkdKit([{ sizeBytes: MIB }, { sizeBytes: MIB, readonly: true }]);
    const [d, ro] = gd.vkd.disks;
    expect(k.io(d.read(1, new Uint8Array(512)))).to.equal(EINVAL);
    expect(k.io(d.read(0, new Uint8Array(100)))).to.equal(EINVAL);
    expect(k.io(d.read(-512, new Uint8Array(512)))).to.equal(EINVAL);
    expect(k.io(d.read(MIB, new Uint8Array(512)))).to.equal(ENXIO);
    expect(k.io(d.read(2 ** 60, new Uint8Array(512)))).to.equal(ENXIO);
    expect(k.io(ro.write(0, new Uint8Array(512)))).to.equal(EROFS);
    expect(k.io(ro.flush())).to.equal(null);
  });

  it('passes on errors, and keeps overlapping requests apart', () => {
    const want = pattern(4 * MIB, 5);
    for (let seed = 1; seed <= 20; seed++) {
      const k = new VkdKit([{ data: want }], seed);
      const d = gd.vkd.disks[0];
      k.disk.fault = (_op, off) => (off >= 3 * MIB ? EIO : null);
      // More requests than there may be buffers.
      const reqs = Array.from({ length: 40 }, (_, i) => {
        const buf = new Uint8Array(1024 * ((i % 5) + 1));
        const off = i * 100 * 1024;
        return { off, buf, r: k.start(d.read(off, buf)) };
      });
      k.machine.runUntilIdle();
      for (const { off, buf, r } of reqs) {
        expect(r.done).to.equal(true);
        if (off >= 3 * MIB) expect(r.value).to.equal(EIO);
        else {
          expect(r.value).to.equal(null);
          expect(Buffer.compare(buf, want.subarray(off, off + buf.length))).to.equal(0);
        }
      }
    }
  });

  it('is /dev/vkd0: raw reads and writes, DIOCGPART', () => {
    const k = new VkdKit([{ data: pattern(MIB, 3) }]);
    const u = k.proc();
    const wait = (name: string, ...a: (number | string)[]): number | Errno => {
      const r = u.begin(name, ...a);
      k.machine.runUntilIdle();
      expect(r.done).to.equal(true);
      return r.value as number | Errno;
    };
    const fd = wait('open', '/dev/vkd0', 2, 0) as number;
    const buf = u.alloc(1024);
    expect(wait('extpread', fd, buf, 1024, 0, 512)).to.equal(1024);
    expect(Buffer.compare(u.get(buf, 1024), pattern(MIB, 3).subarray(512, 1536))).to.equal(0);
    expect(wait('extpread', fd, buf, 1000, 0, 512)).to.equal(EINVAL);
    expect(wait('extpread', fd, buf, 1024, 0, MIB - 512)).to.equal(512);
    expect(wait('extpread', fd, buf, 1024, 0, MIB)).to.equal(0);
    const w = u.put(new Uint8Array(512).fill(0x5a));
    expect(wait('extpwrite', fd, w, 512, 0, 1024)).to.equal(512);
    expect([...k.disk.contents.subarray(1024, 1536)].every((x) => x === 0x5a)).to.equal(true);
    const part = u.alloc(144);
    expect(wait('ioctl', fd, 0x40906468, part)).to.equal(0);
    const v = new DataView(u.get(part, 144).buffer);
    expect([v.getBigUint64(8, true), v.getInt32(24, true)]).to.deep.equal([BigInt(MIB), 512]);
    wait('close', fd);
  });

  it('carries HAMMER2: several threads read files, with the disk reordering', () => {
    const data = [0, 1, 2].map((i) => pattern(500_000 + i, i + 11));
    const dev = buildImage({
      volumes: [32 * MIB],
      pfs: { DATA: data.map((d, i) => ({ type: 'file', name: `f${i}`, data: d })) },
    })[0];
    const image = dev.peek(0, 32 * MIB);
    for (let seed = 1; seed <= 5; seed++) {
      const k = new VkdKit([{ data: image, readonly: true }], seed);
      vfsRegister(hammer2VfsOps);
      const mp = k.io(mountAt('hammer2', '/h2', 1, { special: 'vkd0@DATA' }));
      expect(mp instanceof Errno).to.equal(false);
      const u = k.proc();
      const open = (p: string): number => {
        const r = u.begin('open', p, 0, 0);
        k.machine.runUntilIdle();
        return r.value as number;
      };
      // Six readers, two of each file, one piece at a time in turns: blocks are asked for while being read.
      const readers = [0, 1, 2, 0, 1, 2].map((f) => ({
        f,
        fd: open(`/h2/f${f}`),
        h: createHash('sha256'),
        buf: u.alloc(40_000),
        eof: false,
      }));
      while (readers.some((r) => !r.eof)) {
        const started = readers.map((r) => (r.eof ? null : u.begin('read', r.fd, r.buf, 40_000)));
        k.machine.runUntilIdle();
        readers.forEach((r, i) => {
          const s = started[i];
          if (s === null) return;
          expect(s.done).to.equal(true);
          const n = s.value as number;
          if (n === 0) r.eof = true;
          else r.h.update(u.get(r.buf, n));
        });
      }
      for (const r of readers) expect(r.h.digest('hex')).to.equal(createHash('sha256').update(data[r.f]).digest('hex'));
    }
  });

  it('reports a disk that fails under HAMMER2 as EIO', () => {
    const dev = buildImage({
      volumes: [32 * MIB],
      pfs: { DATA: [{ type: 'file', name: 'f', data: pattern(300_000, 1) }] },
    })[0];
    const k = new VkdKit([{ data: dev.peek(0, 32 * MIB) }]);
    vfsRegister(hammer2VfsOps);
    expect(k.io(mountAt('hammer2', '/h2', 1, { special: 'vkd0' })) instanceof Errno).to.equal(false);
    const u = k.proc();
    const wait = (name: string, ...a: (number | string)[]): number | Errno => {
      const r = u.begin(name, ...a);
      k.machine.runUntilIdle();
      return r.value as number | Errno;
    };
    const fd = wait('open', '/h2/f', 0, 0) as number;
    k.disk.failRate = 1;
    expect(wait('read', fd, u.alloc(100), 100)).to.equal(EIO);
    expect(Buffer.from(gd.prf.msgbuf.contents()).toString()).to.match(/hammer2: vkd0: READ ERROR bref/);
    k.disk.failRate = 0;
    expect(wait('read', fd, u.alloc(100), 100)).to.equal(100);
    expect(gd.vkd.disks[0]).to.be.instanceOf(Vkd);
  });
});
