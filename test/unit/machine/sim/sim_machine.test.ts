import { expect } from 'chai';
import { DiskOp, Prot, Resume, type MachineHandlers } from '../../../../vkernel/machine/machine.js';
import { EAGAIN, EEXIST, EIO, ENOENT, ENOTEMPTY, EPIPE, EROFS, Errno } from '../../../../vkernel/sys/errno.js';
import { createSimMachine, type SimMachine } from '../../../../vkernel/machine/sim/sim_machine.js';
import { Prng } from '../../../../vkernel/machine/sim/prng.js';
import type { HostDir } from '../../../../vkernel/machine/machine.js';

/** Handlers that note what happens. */
function record(sim: SimMachine): string[] {
  const log: string[] = [];
  const h: MachineHandlers = {
    onTrap: () => log.push('trap'),
    onDiskDone: (c, e) => log.push(`disk ${c} ${e}`),
    onConsoleInput: (d) => log.push('in ' + Buffer.from(d).toString()),
    onConsoleResize: () => log.push(`size ${sim.console.size().rows}`),
    onStreamReady: (i) => log.push('ready ' + i),
    onShutdownRequest: () => {},
    dispatch: () => false,
    nextTimerNs: () => Infinity,
  };
  sim.attach(h);
  return log;
}

describe('simulated machine', () => {
  it('has a generator that spreads small seeds', () => {
    const a = new Prng(1);
    const b = new Prng(2);
    const n = Array.from({ length: 1000 }, () => a.below(10));
    expect(new Set(n).size).to.equal(10);
    expect(n.filter((x) => x === 3).length).to.be.within(60, 140);
    expect(new Prng(1).u32()).not.to.equal(b.u32());
    expect(new Prng(1).u32()).to.equal(new Prng(1).u32());
  });

  it('reorders disk transfers, by seed', () => {
    const orders = new Set<string>();
    for (let seed = 0; seed < 20; seed++) {
      const sim = createSimMachine({ seed, disks: [{ sizeBytes: 65536 }] });
      const log = record(sim);
      for (let i = 0; i < 4; i++) sim.disks[0].submit(DiskOp.WRITE, 4096 * i, 4096 * i, 4096, i);
      sim.runUntilIdle();
      expect(log.length).to.equal(4);
      orders.add(log.join());
    }
    expect(orders.size).to.be.above(8);
  });

  it('loses and tears only unflushed writes at a power cut', () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 200; seed++) {
      const sim = createSimMachine({ seed, disks: [{ sizeBytes: 65536, record: true }] });
      record(sim);
      const [d] = sim.disks;
      sim.ram.fill(0, 1, 1024);
      d.submit(DiskOp.WRITE, 0, 0, 1024, 1);
      sim.runUntilIdle();
      d.submit(DiskOp.FLUSH, 0, 0, 0, 2);
      sim.runUntilIdle();
      sim.ram.fill(0, 2, 1024);
      d.submit(DiskOp.WRITE, 512, 0, 1024, 3);
      sim.runUntilIdle();
      const img = d.crashImage();
      expect([img[0], d.contents[512]]).to.deep.equal([1, 2]);
      seen.add(`${img[512]}${img[1024]}`);
      expect(d.imageAfter(1)[512]).to.equal(1);
      expect(d.imageAfter(2)[512]).to.equal(2);
      expect(d.writes.map((w) => w.flushes)).to.deep.equal([0, 1]);
    }
    expect([...seen].sort()).to.deep.equal(['10', '12', '20', '22']);
  });

  it('fails transfers on demand, and refuses what a driver must not ask', () => {
    const sim = createSimMachine({ memoryBytes: 65536, disks: [{ sizeBytes: 65536, readonly: true }] });
    const log = record(sim);
    const [d] = sim.disks;
    d.submit(DiskOp.WRITE, 0, 0, 512, 1);
    d.fault = () => EIO;
    sim.runUntilIdle();
    d.fault = undefined;
    d.submit(DiskOp.WRITE, 0, 0, 512, 2);
    sim.runUntilIdle();
    d.submit(DiskOp.READ, 65536, 0, 512, 3);
    sim.runUntilIdle();
    expect(log).to.deep.equal(['disk 1 EIO', 'disk 2 EROFS', 'disk 3 ENXIO']);
    expect(() => d.submit(DiskOp.READ, 100, 0, 512, 4)).to.throw('bad transfer');
    expect(() => d.submit(DiskOp.READ, 0, 65536, 512, 4)).to.throw('outside RAM');
  });

  it('changes mappings only at flush or resume', () => {
    const sim = createSimMachine({ memoryBytes: 65536 });
    record(sim);
    const vm = sim.newVmspace();
    if (vm instanceof Errno) throw new Error();
    const seen = [...sim.vmspaces][0];
    vm.map(0x1000, 3, 2, Prot.READ);
    expect(seen.translate(0x1000, Prot.READ)).to.deep.equal({ va: 0x1000, err: 4 });
    vm.flush();
    expect(seen.translate(0x1123, Prot.READ)).to.equal(0x3123);
    expect(seen.translate(0x2000, Prot.WRITE)).to.deep.equal({ va: 0x2000, err: 7 });
    vm.protect(0x2000, 4096, Prot.READ | Prot.WRITE);
    vm.unmap(0x1000, 4096);
    vm.flush();
    expect(seen.translate(0x2001, Prot.WRITE)).to.equal(0x4001);
    expect(seen.translate(0x1000, Prot.READ)).to.deep.equal({ va: 0x1000, err: 4 });
    expect(() => vm.map(0x1000, 15, 2, Prot.READ)).to.throw('no RAM');
    expect(() => vm.map(0x1001, 1, 1, Prot.READ)).to.throw('bad range');
    expect(() => vm.map(0x7fffffe00000, 1, 1, Prot.READ)).to.throw('bad range');
    const l = vm.newLwp();
    if (l instanceof Errno) throw new Error();
    expect(() => vm.release()).to.throw('threads in it');
    l.resume(Resume.RUN);
    expect(() => l.resume(Resume.RUN)).to.throw('not stopped');
    expect(() => l.release()).to.throw('running');
  });

  it('has a console, and streams that run dry and fill up', () => {
    const sim = createSimMachine({
      streams: [{ kind: 'pipe', input: 'abc', open: true }, { kind: 'pipe', room: 4 }, { kind: 'null' }],
    });
    const log = record(sim);
    sim.console.type('ls\n', 5000);
    sim.console.resize(50, 132);
    sim.console.write(Uint8Array.of(36, 32));
    sim.runUntilIdle();
    expect(log).to.deep.equal(['size 50', 'in ls\n']);
    expect(sim.now()).to.equal(5000);
    expect(sim.console.take()).to.equal('$ ');
    const [i, o, n] = sim.streams ?? [];
    const buf = new Uint8Array(8);
    expect([i.read(buf), i.read(buf), n.read(buf)]).to.deep.equal([3, EAGAIN, 0]);
    i.feed('d');
    sim.runUntilIdle();
    expect([i.read(buf), i.read(buf)]).to.deep.equal([1, EAGAIN]);
    i.hangup();
    expect(i.read(buf)).to.equal(0);
    const d = Uint8Array.from(Buffer.from('123456'));
    expect([o.write(d), o.write(d)]).to.deep.equal([4, EAGAIN]);
    o.drain();
    sim.runUntilIdle();
    o.hangup();
    expect(o.write(d)).to.equal(EPIPE);
    expect(o.output).to.equal('1234');
    expect(log.slice(2)).to.deep.equal(['ready 0', 'ready 0', 'ready 1']);
  });

  it('has host directories in memory', () => {
    const sim = createSimMachine({ hostFiles: { etc: { motd: 'hi\n', l: { link: 'motd' } }, empty: {} } });
    const dir = (p: string, rw: boolean): HostDir => {
      const d = sim.openHostDir(p, rw);
      if (d instanceof Errno) throw new Error(d.name);
      return d;
    };
    expect(sim.openHostDir('/nope', false)).to.equal(ENOENT);
    const ro = dir('/etc', false);
    const buf = new Uint8Array(10);
    const f = ro.openFile('motd', false);
    if (f instanceof Errno) throw new Error();
    expect(f.pread(buf, 1)).to.equal(2);
    expect(ro.readlink('l')).to.equal('motd');
    expect(ro.unlink('motd')).to.equal(EROFS);
    expect(ro.openFile('motd', true)).to.equal(EROFS);
    const root = dir('/', true);
    expect(root.mkdir('empty', 0o755)).to.equal(EEXIST);
    const w = root.createFile('new', 0o600);
    if (w instanceof Errno) throw new Error();
    expect(w.pwrite(Uint8Array.of(1, 2, 3), 2)).to.equal(3);
    const etc = dir('/etc', true);
    expect(root.rename('new', etc, 'moved')).to.equal(null);
    expect(root.rename('etc', etc, 'loop')).to.be.instanceOf(Errno);
    expect(root.rmdir('etc')).to.equal(ENOTEMPTY);
    expect(root.rmdir('empty')).to.equal(null);
    expect(sim.hostFs.contents('/etc/moved')).to.deep.equal(Uint8Array.of(0, 0, 1, 2, 3));
    expect(etc.link('moved', root, 'again')).to.equal(null);
    expect((root.lstat('again') as { nlink: number }).nlink).to.equal(2);
    for (const h of [ro, f, root, w, etc]) h.close();
    expect(sim.hostFs.openHandles).to.equal(0);
  });
});
