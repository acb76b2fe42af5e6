/** HAMMER2 over a disk of the simulated machine, whose transfers take time and come back in any order. */
import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { lwktDispatch, lwktNextTimerNs } from '../../../../vkernel/kern/lwkt_thread.js';
import { mountAt } from '../../../../vkernel/kern/vfs_init.js';
import type { SimDisk } from '../../../../vkernel/machine/sim/sim_disk.js';
import type { Blocking } from '../../../../vkernel/sys/blocking.js';
import { EIO, Errno } from '../../../../vkernel/sys/errno.js';
import { gd } from '../../../../vkernel/sys/globaldata.js';
import { biodone } from '../../../../vkernel/vfs/bio.js';
import { buildImage, type TestNode } from '../../../support/hammer2_build.js';
import { Kit, type User } from '../kit.js';

const MIB = 2 ** 20;
const pattern = (n: number, seed: number): Uint8Array =>
  Uint8Array.from({ length: n }, (_, i) => (i * 7 + (i >> 9) * seed + seed) & 255);

class DiskKit extends Kit {
  constructor(image: Uint8Array, seed: number) {
    super({ disks: [{ data: image, readonly: true }], seed });
    this.machine.attach({
      onTrap: () => undefined,
      onDiskDone: biodone,
      onConsoleInput: () => undefined,
      onConsoleResize: () => undefined,
      onStreamReady: () => undefined,
      onShutdownRequest: () => undefined,
      dispatch: () => lwktDispatch(5e6),
      nextTimerNs: lwktNextTimerNs,
    });
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
  wait(u: User, name: string, ...a: (number | string)[]): number | Errno {
    const r = u.begin(name, ...a);
    this.machine.runUntilIdle();
    if (!r.done) throw new Error(`${name} slept for good`);
    return r.value as number | Errno;
  }
}

function image(files: TestNode[]): Uint8Array {
  return buildImage({ volumes: [32 * MIB], pfs: { DATA: files } })[0].peek(0, 32 * MIB);
}

describe('hammer2 on a disk', function () {
  this.timeout(60_000);

  it('serves several threads at once, blocks being asked for while they are read', () => {
    const data = [0, 1, 2].map((i) => pattern(500_000 + i, i + 11));
    const img = image(data.map((d, i) => ({ type: 'file', name: `f${i}`, data: d })));
    const sums = data.map((d) => createHash('sha256').update(d).digest('hex'));
    for (let seed = 1; seed <= 5; seed++) {
      const k = new DiskKit(img, seed);
      expect(k.io(mountAt('hammer2', '/h2', 1, { special: 'vkd0@DATA' })) instanceof Errno).to.equal(false);
      const u = k.proc();
      // Six readers, two of each file, a piece each in turns.
      const readers = [0, 1, 2, 0, 1, 2].map((f) => ({
        f,
        fd: k.wait(u, 'open', `/h2/f${f}`, 0, 0) as number,
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
      for (const r of readers) expect(r.h.digest('hex')).to.equal(sums[r.f]);
    }
  });

  it('reports a disk that fails as EIO, and recovers with it', () => {
    const k = new DiskKit(image([{ type: 'file', name: 'f', data: pattern(300_000, 1) }]), 1);
    expect(k.io(mountAt('hammer2', '/h2', 1, { special: 'vkd0' })) instanceof Errno).to.equal(false);
    const u = k.proc();
    const fd = k.wait(u, 'open', '/h2/f', 0, 0) as number;
    k.disk.failRate = 1;
    expect(k.wait(u, 'read', fd, u.alloc(100), 100)).to.equal(EIO);
    expect(Buffer.from(gd.prf.msgbuf.contents()).toString()).to.match(/hammer2: vkd0: READ ERROR bref/);
    k.disk.failRate = 0;
    expect(k.wait(u, 'read', fd, u.alloc(100), 100)).to.equal(100);
  });
});
