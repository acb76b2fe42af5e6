import { expect } from 'chai';
import { Reg } from '../../vkernel/machine/machine.js';
import { SIM_DATA, SIM_TEXT, SimProgram } from '../../vkernel/machine/sim/sim_program.js';
import type { Guest, GuestCode, Script } from '../../vkernel/machine/sim/guest.js';
import { E2BIG, EACCES, EFAULT, EINVAL, ENOENT, ENOEXEC, ENOTDIR } from '../../vkernel/sys/errno.js';
import { SIGABRT, SIGCHLD, SIGHUP, SIGUSR1, SIGUSR2 } from '../../vkernel/sys/signal.js';
import { SIG_BLOCK, execve, exited, fork, inInit, mmapAnon, must, sigaction, sigprocmask, sys, wait4 } from './kit.js';

const USRSTACK = 0x7fffffe00000;
const PS_STRINGS = USRSTACK - 32;
const TRAMPOLINE = 0x7fffffdfe000;

function* inChild(g: Guest, body: Script): GuestCode<number> {
  const pid = yield* fork(g, body);
  const [r, status] = yield* wait4(g, pid);
  expect(r).to.equal(pid);
  return status;
}

const execIn = (path: string, argv: string[], envv: string[] = []): Script =>
  function* (c: Guest) {
    const r = yield* execve(c, path, argv, envv);
    yield* must(c, 'exit', r < 0 ? -r : 99);
  };

interface Start {
  regs: number[];
  vec: number;
  argv: string[];
  envv: string[];
  aux: [number, number][];
  ps: number[];
  /** First addresses of the argument and environment strings. */
  strings: number[];
  execpath: string;
}

/** What a program finds at its start. */
function* lookAround(g: Guest): GuestCode<Start> {
  const regs = Array.from({ length: Reg.COUNT }, (_, i) => g.reg(i));
  const vec = regs[Reg.RDI];
  const argc = yield* g.read64(vec);
  const argv: string[] = [];
  const envv: string[] = [];
  const strings: number[] = [];
  let at = vec + 8;
  for (const list of [argv, envv]) {
    for (;;) {
      const p = yield* g.read64(at);
      at += 8;
      if (p === 0) break;
      strings.push(p);
      list.push(yield* g.readStr(p));
    }
  }
  expect(argv.length).to.equal(argc);
  const aux: [number, number][] = [];
  let execpath = '';
  for (;;) {
    const type = yield* g.read64(at);
    const val = yield* g.read64(at + 8);
    at += 16;
    aux.push([type, val]);
    if (type === 15) execpath = yield* g.readStr(val);
    if (type === 0) break;
  }
  const ps = [
    yield* g.read64(PS_STRINGS),
    yield* g.read32(PS_STRINGS + 8),
    yield* g.read64(PS_STRINGS + 16),
    yield* g.read32(PS_STRINGS + 24),
  ];
  return { regs, vec, argv, envv, aux, ps, strings, execpath };
}

describe('execve', () => {
  it('lays out stack, vectors and registers as the ABI says', () => {
    let s: Start | null = null;
    const argv = ['prog', 'one', '', 'three and more'];
    const envv = ['PATH=/bin', 'X='];
    inInit(
      function* (g: Guest) {
        expect(yield* inChild(g, execIn('/bin/x', argv, envv))).to.equal(0);
      },
      {
        programs: {
          '/bin/x': function* (g: Guest) {
            s = yield* lookAround(g);
          },
        },
      },
    );
    const { regs, vec, aux, ps, strings, execpath, ...got } = s as unknown as Start;
    expect([got.argv, got.envv]).to.deep.equal([argv, envv]);
    // Registers.
    expect(regs[Reg.RIP]).to.equal(SIM_TEXT);
    expect(regs[Reg.RSP]).to.equal(vec - 8 - ((vec - 8) % 16) + 8);
    expect(regs[Reg.RSP] % 16).to.equal(8);
    expect(vec % 8).to.equal(0);
    expect(regs[Reg.RFLAGS]).to.equal(0x202);
    for (const r of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14])
      if (r !== (Reg.RDI as number)) expect(regs[r], `register ${r}`).to.equal(0);
    // auxv: order and values.
    expect(aux.map(([t]) => t)).to.deep.equal([3, 4, 5, 6, 8, 9, 7, 15, 18, 0]);
    const val = new Map(aux);
    expect([4, 5, 6, 8, 9, 7].map((t) => val.get(t))).to.deep.equal([56, 3, 4096, 0, SIM_TEXT, 0]);
    expect(val.get(3)).to.equal(SIM_TEXT - 0x1000 + 64);
    expect(val.get(18)).to.be.at.least(500705);
    expect(execpath).to.equal('/bin/x');
    // The path is just below the trampoline; the strings are packed, 256 to 1279 bytes below it, the vector 384 bytes of auxv below.
    const pathVa = val.get(15) as number;
    expect(pathVa).to.equal(TRAMPOLINE - 8);
    let at = strings[0];
    [...argv, ...envv].forEach((t, i) => {
      expect(strings[i]).to.equal(at);
      at += t.length + 1;
    });
    const gap = pathVa - 256 - Math.ceil((at - strings[0]) / 8) * 8 - strings[0];
    expect(gap % 8).to.equal(0);
    expect(gap).to.be.within(0, 1023);
    expect(vec).to.equal(strings[0] - 24 * 16 - 8 * (1 + argv.length + 1 + envv.length + 1));
    expect(ps).to.deep.equal([vec + 8, argv.length, vec + 8 + 8 * (argv.length + 1), envv.length]);
  });

  it('gives a random gap, the same for the same seed', () => {
    const gaps = (seed: number): number[] => {
      const out: number[] = [];
      inInit(
        function* (g: Guest) {
          for (let i = 0; i < 4; i++) yield* inChild(g, execIn('/bin/x', ['x']));
        },
        {
          seed,
          programs: {
            '/bin/x': function* (g: Guest) {
              out.push(g.arg(0));
              yield* must(g, 'exit', 0);
            },
          },
        },
      );
      return out;
    };
    const a = gaps(1);
    expect(new Set(a).size).to.be.greaterThan(1);
    expect(gaps(1)).to.deep.equal(a);
    expect(gaps(2)).to.not.deep.equal(a);
  });

  it('replaces memory: data as in the file, bss zero, old mappings gone, a stack that grows', () => {
    inInit(
      function* (g: Guest) {
        expect(
          yield* inChild(g, function* (c: Guest) {
            const a = yield* mmapAnon(c, 4096);
            yield* c.write32(SIM_DATA, 1234);
            yield* c.write32(SIM_DATA + 0x3000, 1234);
            yield* execve(c, '/bin/x', ['x', String(a)]);
          }),
        ).to.equal(0);
      },
      {
        dataBytes: 100,
        programs: {
          '/bin/x': function* (g: Guest) {
            const [, a] = yield* g.argv();
            expect([...(yield* g.read(SIM_DATA, 0x3010))].every((b) => b === 0)).to.equal(true);
            expect(yield* sys(g, 'write', 1, Number(a), 1)).to.be.lessThan(0);
            expect(yield* sys(g, 'munmap', Number(a), 4096)).to.equal(-EINVAL.errno);
            const low = g.reg(Reg.RSP) - 4 * 2 ** 20;
            yield* g.write32(low, 9);
            expect(yield* g.read32(low)).to.equal(9);
            const fault = yield* fork(g, function* (c: Guest) {
              yield* c.write32(USRSTACK - 9 * 2 ** 20, 1);
            });
            expect((yield* wait4(g, fault))[1]).to.equal(11);
            yield* must(g, 'exit', 0);
          },
        },
      },
    );
  });

  it('keeps pid, ids, ignored signals, mask, pending signals and open files; resets handlers and the rest', () => {
    inInit(
      function* (g: Guest) {
        expect(
          yield* inChild(g, function* (c: Guest) {
            yield* sigaction(c, SIGUSR1, function* () {}, 0x42);
            yield* sigaction(c, SIGUSR2, 1);
            yield* sigaction(c, SIGCHLD, 1);
            yield* sigprocmask(c, SIG_BLOCK, SIGHUP);
            yield* must(c, 'kill', yield* must(c, 'getpid'), SIGHUP);
            const tls = new Uint8Array(16);
            tls[1] = 0x70;
            yield* must(c, 'set_tls_area', 0, tls, 16);
            const ss = new Uint8Array(24);
            new DataView(ss.buffer).setBigUint64(0, BigInt(SIM_DATA), true);
            new DataView(ss.buffer).setBigUint64(8, 16384n, true);
            yield* must(c, 'sigaltstack', ss, 0);
            expect(yield* must(c, 'open', '/tmp/keep', 0x202, 0o600)).to.equal(0);
            expect(yield* must(c, 'open', '/tmp/close', 0x20202, 0o600)).to.equal(1);
            expect(yield* must(c, 'dup', 1)).to.equal(2);
            yield* must(c, 'fcntl', 2, 2, 1);
            yield* must(c, 'umask', 0o27);
            yield* execve(c, '/bin/x', ['x']);
          }),
        ).to.equal(0);
      },
      {
        programs: {
          '/bin/x': function* (g: Guest) {
            expect(g.lwp.fsBase).to.equal(0);
            expect(yield* must(g, 'getpid')).to.equal(2);
            const old = g.alloc(32);
            const handler = function* (sig: number): GuestCode<number> {
              yield* must(g, 'sigaction', sig, 0, old);
              return yield* g.read64(old);
            };
            expect([yield* handler(SIGUSR1), yield* handler(SIGUSR2), yield* handler(SIGCHLD)]).to.deep.equal([
              0, 1, 0,
            ]);
            yield* must(g, 'sigprocmask', 0, 0, old);
            expect(yield* g.read32(old)).to.equal(1);
            yield* must(g, 'sigpending', old);
            expect(yield* g.read32(old)).to.equal(1);
            yield* must(g, 'sigaltstack', 0, old);
            expect(yield* g.read32(old + 16)).to.equal(4);
            expect(yield* must(g, 'fcntl', 0, 1, 0)).to.equal(0);
            expect(yield* sys(g, 'fcntl', 1, 1, 0)).to.equal(-9);
            expect(yield* sys(g, 'fcntl', 2, 1, 0)).to.equal(-9);
            expect(yield* must(g, 'umask', 0)).to.equal(0o27);
            yield* must(g, 'exit', 0);
          },
        },
      },
    );
  });

  it('refuses what is no program, with the old image untouched', () => {
    const small = new SimProgram(0, function* () {}, new Uint8Array(8), 0).image();
    const broken = (at: number, v: number): Uint8Array => {
      const b = small.slice();
      b[at] = v;
      return b;
    };
    const exe: Record<string, Uint8Array | string> = {
      '/x/empty': '',
      '/x/text': 'echo hello\n',
      '/x/class32': broken(4, 1),
      '/x/arm': broken(18, 0xb7),
      '/x/rel': broken(16, 1),
      '/x/linux': broken(7, 3),
      '/x/short': small.slice(0, 60),
      '/x/cut': small.slice(0, 0x1800),
      '/x/good': small,
      '/x/loop': '#!/x/loop\n',
      '/x/nointerp': '#!/no/such\n',
      '/x/blank': '#!   \n',
      '/x/endless': '#!/bin/x' + ' y'.repeat(3000),
      '/x/nested': '#!/x/inner\n',
      '/x/inner': '#!/bin/x\n',
      '/x/long': `#!/${'d/'.repeat(70)}x\n`,
    };
    inInit(
      function* (g: Guest) {
        for (const f of Object.keys(exe)) yield* must(g, 'chmod', f, 0o755);
        yield* must(g, 'chmod', '/x/good', 0o644);
        yield* must(g, 'mkdir', '/x/dir', 0o755);
        const tries: [string, number][] = [
          ['/x/none', ENOENT.errno],
          ['/x/text/y', ENOTDIR.errno],
          ['', ENOENT.errno],
          ['/x/good', EACCES.errno],
          ['/x/dir', EACCES.errno],
          ['/dev/null', EACCES.errno],
          ['/x/nointerp', ENOENT.errno],
          ['/x/loop', ENOEXEC.errno],
          ['/x/nested', ENOEXEC.errno],
          ['/x/blank', ENOEXEC.errno],
          ['/x/endless', ENOEXEC.errno],
          ['/x/long', ENOEXEC.errno],
          ...['empty', 'text', 'class32', 'arm', 'rel', 'linux', 'short', 'cut'].map(
            (n) => [`/x/${n}`, ENOEXEC.errno] as [string, number],
          ),
        ];
        yield* g.write32(SIM_DATA, 4711);
        for (const [path, want] of tries) expect(yield* execve(g, path, ['x']), path).to.equal(-want);
        expect(yield* g.read32(SIM_DATA)).to.equal(4711);
      },
      { files: exe, programs: { '/bin/x': function* () {} } },
    );
  });

  it('checks its pointers and counts argument bytes', () => {
    inInit(
      function* (g: Guest) {
        expect(yield* sys(g, 'execve', 0x10, 0, 0)).to.equal(-EFAULT.errno);
        expect(yield* sys(g, 'execve', '/bin/x', 0, 0)).to.equal(-EFAULT.errno);
        expect(yield* sys(g, 'execve', '/bin/x', 0x10, 0)).to.equal(-EFAULT.errno);
        const vec = new Uint8Array(24);
        vec[0] = 0x10;
        expect(yield* sys(g, 'execve', '/bin/x', vec, 0)).to.equal(-EFAULT.errno);
        const big = 'a'.repeat(131_000);
        expect(yield* execve(g, '/bin/x', ['x', big], [big, 'a'.repeat(300)])).to.equal(-E2BIG.errno);
        expect(yield* inChild(g, execIn('/bin/x', ['x', big], [big]))).to.equal(exited(2));
        expect(yield* inChild(g, execIn('/bin/x', []))).to.equal(exited(1));
      },
      {
        programs: {
          '/bin/x': function* (g: Guest) {
            const argv = yield* g.argv();
            if (argv.length === 1) expect(argv[0]).to.equal('/bin/x');
            else expect(argv[1].length).to.equal(131_000);
            yield* must(g, 'exit', argv.length);
          },
        },
        memoryBytes: 64 * 2 ** 20,
      },
    );
  });

  it('runs #! scripts: every word an argument, comments cut', () => {
    const seen: string[][] = [];
    inInit(
      function* (g: Guest) {
        for (const [f, args] of [
          ['/s/a', ['zero', 'one']],
          ['/s/b', ['zero']],
          ['/s/c', []],
        ] as [string, string[]][])
          expect(yield* inChild(g, execIn(f, args))).to.equal(0);
      },
      {
        files: { '/s/a': '#!/bin/x -e  -f\nrest\n', '/s/b': '#! \t/bin/x\ty # a comment\n', '/s/c': '#!/bin/x\n' },
        programs: {
          '/bin/x': function* (g: Guest) {
            seen.push(yield* g.argv());
            yield* must(g, 'exit', 0);
          },
        },
      },
    );
    expect(seen).to.deep.equal([
      ['/bin/x', '-e', '-f', '/s/a', 'one'],
      ['/bin/x', 'y', '/s/b'],
      ['/bin/x', '/s/c'],
    ]);
  });

  it('applies set-id bits: euid changes, ruid stays, issetugid tells', () => {
    inInit(
      function* (g: Guest) {
        yield* must(g, 'chown', '/bin/suid', 5, 6);
        yield* must(g, 'chmod', '/bin/suid', 0o6755);
        expect(
          yield* inChild(g, function* (c: Guest) {
            yield* must(c, 'setgid', 100);
            yield* must(c, 'setuid', 1000);
            yield* execve(c, '/bin/suid', ['suid']);
          }),
        ).to.equal(0);
      },
      {
        programs: {
          '/bin/suid': function* (g: Guest) {
            const ids = [
              yield* must(g, 'getuid'),
              yield* must(g, 'geteuid'),
              yield* must(g, 'getgid'),
              yield* must(g, 'getegid'),
              yield* must(g, 'issetugid'),
            ];
            expect(ids).to.deep.equal([1000, 5, 100, 6, 1]);
            yield* must(g, 'setuid', 1000);
            yield* must(g, 'setgid', 100);
            yield* execve(g, '/bin/plain', ['plain']);
          },
          '/bin/plain': function* (g: Guest) {
            expect(yield* must(g, 'geteuid')).to.equal(1000);
            expect(yield* must(g, 'issetugid')).to.equal(0);
            yield* must(g, 'exit', 0);
          },
        },
      },
    );
  });

  it('kills with SIGABRT when the new image does not fit', () => {
    inInit(
      function* (g: Guest) {
        // Two segments over each other: found out when the old image has gone.
        expect(yield* inChild(g, execIn('/x/overlap', ['x']))).to.equal(SIGABRT);
      },
      {
        files: {
          '/x/overlap': (() => {
            const b = new SimProgram(0, function* () {}, new Uint8Array(8), 0).image();
            const v = new DataView(b.buffer);
            v.setBigUint64(64 + 56 + 16, BigInt(SIM_TEXT - 0x1000), true);
            return b;
          })(),
        },
      },
    );
  });

  it('shows the program to kern.proc', () => {
    inInit(
      function* (g: Guest) {
        expect(yield* inChild(g, execIn('/bin/a-name-longer-than-sixteen', ['zero', 'one']))).to.equal(0);
      },
      {
        programs: {
          '/bin/a-name-longer-than-sixteen': function* (g: Guest) {
            const oid = new Uint8Array(new Int32Array([1, 14, 7, -1]).buffer);
            const buf = g.alloc(256);
            const len = g.alloc(16);
            yield* g.write64(len, 256);
            yield* must(g, '__sysctl', oid, 4, buf, len, 0, 0);
            const n = yield* g.read64(len);
            expect(Buffer.from(yield* g.read(buf, n)).toString()).to.equal('zero\0one\0');
            oid[8] = 9;
            yield* g.write64(len, 256);
            yield* must(g, '__sysctl', oid, 4, buf, len, 0, 0);
            expect(yield* g.readStr(buf)).to.equal('/bin/a-name-longer-than-sixteen');
            yield* must(g, 'exit', 0);
          },
        },
      },
    );
  });
});
