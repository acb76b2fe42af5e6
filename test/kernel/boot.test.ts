import { expect } from 'chai';
import { KernelPanic } from '../../vkernel/kern/kern_shutdown.js';
import type { Guest } from '../../vkernel/machine/sim/guest.js';
import { bootSim, execve, exited, fork, inInit, must, sys, wait4 } from './kit.js';

describe('boot', () => {
  it('starts process 1 from the archive and halts', () => {
    const seen: unknown[] = [];
    const k = inInit(function* (g: Guest) {
      const argv = yield* g.argv();
      seen.push(argv, yield* sys(g, 'getpid'), yield* sys(g, 'getppid'), yield* sys(g, 'getuid'));
    });
    expect(seen).to.deep.equal([['/sbin/init'], 1, 0, 0]);
    expect(k.messages()).to.match(/^DragonFly 6\.4-RELEASE[^]*Mounting root[^]*The operating system has halted\.\n$/);
  });

  it('tells init about single user mode', () => {
    let argv: string[] = [];
    inInit(
      function* (g: Guest) {
        argv = yield* g.argv();
      },
      { singleUser: true },
    );
    expect(argv).to.deep.equal(['/sbin/init', '-s']);
  });

  it('reboots and powers off when asked', () => {
    for (const [how, kind] of [
      [0, 'reboot'],
      [0x4000 | 8, 'poweroff'],
    ] as const) {
      const k = bootSim({
        init: function* (g: Guest) {
          yield* sys(g, 'reboot', how);
        },
      });
      expect(k.run().kind).to.equal(kind);
    }
  });

  it('panics when process 1 ends', () => {
    const k = bootSim({
      init: function* (g: Guest) {
        yield* sys(g, 'exit', 3);
      },
    });
    expect(() => k.run()).to.throw(KernelPanic, 'init died');
  });

  it('panics without an /sbin/init', () => {
    expect(() => bootSim({}).run()).to.throw(KernelPanic, 'cannot start /sbin/init');
  });

  it('runs programs with fork, execve and wait4', () => {
    const seen: unknown[] = [];
    inInit(
      function* (g: Guest) {
        const pid = yield* fork(g, function* (c: Guest) {
          yield* execve(c, '/bin/hello', ['hello', 'there'], ['A=b']);
        });
        expect(yield* wait4(g, pid)).to.deep.equal([pid, exited(42)]);
      },
      {
        programs: {
          '/bin/hello': function* (g: Guest) {
            seen.push(yield* g.argv());
            yield* must(g, 'exit', 42);
          },
        },
      },
    );
    expect(seen).to.deep.equal([['hello', 'there']]);
  });

  it('boots with every frame partial, on one or two CPUs, whatever the interleaving', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const k = inInit(
        function* (g: Guest) {
          const pids: number[] = [];
          for (let i = 0; i < 4; i++)
            pids.push(
              yield* fork(g, function* (c: Guest) {
                yield* must(c, 'exit', 1 + ((yield* must(c, 'getpid')) % 100));
              }),
            );
          for (const pid of pids) expect(yield* wait4(g, pid)).to.deep.equal([pid, exited(1 + (pid % 100))]);
        },
        { seed, partialRate: 1, ncpus: 1 + (seed % 2) },
      );
      expect(k.sim.lwps.size).to.equal(1);
    }
  });
});

describe('vkernel run', () => {
  it('starts one program and ends with its status', () => {
    const seen: unknown[] = [];
    const k = bootSim({
      run: { path: '/bin/x', argv: ['x', '1'], cwd: '/tmp' },
      programs: {
        '/bin/x': function* (g: Guest) {
          seen.push(yield* g.argv(), yield* must(g, 'getpid'), yield* must(g, 'getppid'));
          yield* must(g, 'exit', 17);
        },
      },
    });
    expect(k.run()).to.deep.equal({ kind: 'exit', status: 17 });
    expect(seen).to.deep.equal([['x', '1'], 2, 1]);
  });

  it('ends with 128 + signal', () => {
    const k = bootSim({
      run: { path: '/bin/x' },
      programs: {
        '/bin/x': function* (g: Guest) {
          yield* must(g, 'kill', 2, 9);
          yield* g.compute(Infinity);
        },
      },
    });
    expect(k.run()).to.deep.equal({ kind: 'exit', status: 137 });
  });

  it('says why a program cannot start', () => {
    const code = bootSim({ run: { path: '/bin/none' } }).run();
    expect(code.kind).to.equal('exec');
    expect(code.kind === 'exec' && code.errno.name).to.equal('ENOENT');
  });

  it('reaps orphans itself', () => {
    const k = bootSim({
      run: { path: '/bin/x' },
      programs: {
        '/bin/x': function* (g: Guest) {
          const mid = yield* fork(g, function* (c: Guest) {
            yield* fork(c, function* (o: Guest) {
              yield* o.compute(5e6);
              expect(yield* must(o, 'getppid')).to.equal(1);
            });
          });
          yield* wait4(g, mid);
          yield* g.compute(50e6);
          expect(k.gd.allproc.size).to.equal(2);
        },
      },
    });
    expect(k.run()).to.deep.equal({ kind: 'exit', status: 0 });
  });
});
