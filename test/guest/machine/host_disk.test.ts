import { expect } from 'chai';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHostMachine, type HostDiskOptions, type HostMachine } from '../../../vkernel/machine/host/index.js';
import { DiskOp } from '../../../vkernel/machine/machine.js';
import { EINVAL, EROFS, type Errno } from '../../../vkernel/sys/errno.js';

describe('host disks', () => {
  let dir: string;
  let path: string;
  const image = Buffer.alloc(1 << 20);
  for (let i = 0; i < image.length; i++) image[i] = (i * 7 + (i >> 9)) & 255;
  const open: HostMachine[] = [];
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'vkernel-test-'));
    path = join(dir, 'disk.img');
    writeFileSync(path, image);
  });
  afterEach(async () => {
    for (const m of open.splice(0)) m.close();
    rmSync(dir, { recursive: true });
  });

  function boot(mode: HostDiskOptions['mode']): {
    m: HostMachine;
    io: (op: DiskOp, off: number, pa: number, len: number) => Promise<Errno | null>;
  } {
    const m = createHostMachine({
      memoryBytes: 16 << 20,
      ncpus: 1,
      disks: [{ path, serno: 'S1', mode }],
      console: 'none',
      streams: false,
    });
    open.push(m);
    const waiting = new Map<number, (e: Errno | null) => void>();
    void m.run({
      onTrap: () => undefined,
      onDiskDone: (cookie, e) => waiting.get(cookie)?.(e),
      onConsoleInput: () => undefined,
      onConsoleResize: () => undefined,
      onStreamReady: () => undefined,
      onShutdownRequest: () => undefined,
      dispatch: () => false,
      nextTimerNs: () => Infinity,
    });
    let cookie = 2 ** 40;
    const io = (op: DiskOp, off: number, pa: number, len: number): Promise<Errno | null> =>
      new Promise((resolve) => {
        waiting.set(++cookie, resolve);
        m.disks[0].submit(op, off, pa, len, cookie);
      });
    return { m, io };
  }

  it('reads and writes through guest RAM, and flushes', async () => {
    const { m, io } = boot('rw');
    expect(m.disks[0].sizeBytes).to.equal(1 << 20);
    expect(m.disks[0].serno).to.equal('S1');
    expect(await io(DiskOp.READ, 8192, 65536, 16384)).to.equal(null);
    expect(Buffer.from(m.ram.bytes(65536, 16384)).equals(image.subarray(8192, 8192 + 16384))).to.equal(true);
    m.ram.fill(65536, 0x5a, 4096);
    expect(await io(DiskOp.WRITE, 512, 65536, 1024)).to.equal(null);
    expect(await io(DiskOp.FLUSH, 0, 0, 0)).to.equal(null);
    const now = readFileSync(path);
    expect(now[511]).to.equal(image[511]);
    expect(now.subarray(512, 1536).every((b) => b === 0x5a)).to.equal(true);
    expect(now[1536]).to.equal(image[1536]);
  });

  it('carries out many requests in order', async () => {
    const { m, io } = boot('rw');
    const all: Promise<Errno | null>[] = [];
    for (let i = 0; i < 256; i++) {
      m.ram.fill(i * 4096, i, 4096);
      all.push(io(DiskOp.WRITE, i * 4096, i * 4096, 4096));
      all.push(io(DiskOp.READ, i * 4096, (1024 + i) * 4096, 4096));
    }
    expect((await Promise.all(all)).every((e) => e === null)).to.equal(true);
    for (let i = 0; i < 256; i++) expect(m.ram.u8[0][(1024 + i) * 4096 + 5]).to.equal(i);
  });

  it('keeps the writes of a copy-on-write disk in memory', async () => {
    const { m, io } = boot('cow');
    expect(m.disks[0].readonly).to.equal(false);
    m.ram.fill(0, 0x11, 8192);
    expect(await io(DiskOp.WRITE, 4096 + 512, 0, 5120)).to.equal(null);
    expect(await io(DiskOp.READ, 0, 65536, 16384)).to.equal(null);
    const want = Buffer.from(image.subarray(0, 16384));
    want.fill(0x11, 4608, 4608 + 5120);
    expect(Buffer.from(m.ram.bytes(65536, 16384)).equals(want)).to.equal(true);
    expect(readFileSync(path).equals(image)).to.equal(true);
  });

  it('refuses writes to a read-only disk and transfers past the end', async () => {
    const { io } = boot('ro');
    expect(await io(DiskOp.WRITE, 0, 0, 512)).to.equal(EROFS);
    expect(await io(DiskOp.READ, (1 << 20) - 512, 0, 1024)).to.equal(EINVAL);
    expect(await io(DiskOp.READ, 100, 0, 512)).to.equal(EINVAL);
  });

  it('locks a disk that is written, and names what cannot be opened', () => {
    boot('rw');
    expect(() => boot('rw')).to.throw(/disk\.img: in use/);
    expect(() => boot('ro')).to.throw(/disk\.img: in use/);
    path = join(dir, 'none.img');
    expect(() => boot('ro')).to.throw(/none\.img: No such file/);
  });
});
