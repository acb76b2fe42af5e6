import { expect } from 'chai';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HostBlockDevice, HostDiskError, openHostDevices } from '../../../tools/host_blockdev.js';
import { runSync } from '../../../vkernel/sys/blocking.js';
import { EINVAL, EIO, ENXIO, EROFS } from '../../../vkernel/sys/errno.js';
import { createHostMachine } from '../../../vkernel/machine/host/index.js';

describe('HostBlockDevice', () => {
  let dir: string;
  let path: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'vk-dev-'));
    path = join(dir, 'a.img');
    writeFileSync(path, new Uint8Array(1024 * 1024 + 100));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it('reads what it wrote, and again when opened anew', () => {
    const data = Uint8Array.from({ length: 65536 }, (_, i) => i % 251);
    let d = new HostBlockDevice(path, { write: true });
    expect(d.sizeBytes).to.equal(1024 * 1024);
    expect(runSync(d.write(131072, data))).to.equal(null);
    expect(runSync(d.flush())).to.equal(null);
    d.close();
    d = new HostBlockDevice(path, { write: false });
    const back = new Uint8Array(65536);
    expect(runSync(d.read(131072, back))).to.equal(null);
    expect(back).to.deep.equal(data);
    expect(runSync(d.read(65536, back))).to.equal(null);
    expect(back.every((x) => x === 0)).to.equal(true);
    d.close();
  });

  it('refuses what lies outside or is no sector, and writes on a read-only device', () => {
    const d = new HostBlockDevice(path, { write: false });
    const b = new Uint8Array(1024);
    expect(d.readNow(1024 * 1024 - 512, b)).to.equal(ENXIO);
    expect(d.readNow(-512, b)).to.equal(EINVAL);
    expect(d.readNow(100, b)).to.equal(EINVAL);
    expect(d.readNow(NaN, b)).to.equal(EINVAL);
    expect(d.readNow(0, b.subarray(1))).to.equal(EINVAL);
    expect(d.writeNow(0, b)).to.equal(EROFS);
    expect(d.flushNow()).to.equal(null);
    d.close();
    expect(d.readNow(0, b)).to.equal(ENXIO);
  });

  it('answers EIO when the file has become shorter', () => {
    const d = new HostBlockDevice(path, { write: true });
    truncateSync(path, 4096);
    expect(d.readNow(0, new Uint8Array(8192))).to.equal(EIO);
    d.close();
  });

  it('has one writer or many readers, and a vkernel counts', () => {
    const busy = /a\.img: in use by another program/;
    const w = new HostBlockDevice(path, { write: true });
    expect(() => new HostBlockDevice(path, { write: false })).to.throw(HostDiskError, busy);
    const boot = (): void =>
      createHostMachine({
        memoryBytes: 16 * 2 ** 20,
        ncpus: 1,
        disks: [{ path, serno: '', mode: 'rw' }],
        console: 'none',
        streams: false,
      }).close();
    expect(boot).to.throw(HostDiskError, busy);
    w.close();
    boot();
    const r1 = new HostBlockDevice(path, { write: false });
    const r2 = new HostBlockDevice(path, { write: false });
    expect(() => new HostBlockDevice(path, { write: true })).to.throw(HostDiskError, busy);
    r1.close();
    r2.close();
    new HostBlockDevice(path, { write: true }).close();
  });

  it('says what is wrong with a path, and keeps no other open', () => {
    expect(() => new HostBlockDevice(join(dir, 'none'), { write: true })).to.throw(/none: No such file or directory/);
    mkdirSync(join(dir, 'd'));
    expect(() => new HostBlockDevice(join(dir, 'd'), { write: false })).to.throw(/d: Is a directory/);
    expect(() => openHostDevices([path, join(dir, 'none')], { write: true })).to.throw(HostDiskError);
    new HostBlockDevice(path, { write: true }).close();
  });
});
