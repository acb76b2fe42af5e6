import { expect } from 'chai';
import { commands } from '../../vkernel/ddb/commands.js';
import type { Ddb } from '../../vkernel/ddb/ddb.js';
import type { DdbPort } from '../../vkernel/ddb/port.js';
import { gd } from '../../vkernel/sys/globaldata.js';
import { KernelPanic } from '../../vkernel/kern/kern_shutdown.js';
import { SimKernel, type SimBoot, exited, fork, must, nanosleep, sys, thread, threadExit, wait4 } from './kit.js';

/** A debugger that is given its commands in advance. */
class ScriptPort implements DdbPort {
  output = '';
  frozen = 0;
  froze = 0;
  constructor(readonly lines: string[]) {}
  readLine(prompt: string): string | null {
    const line = this.lines.shift() ?? null;
    this.output += prompt + (line === null ? '' : `${line}\n`);
    return line;
  }
  write(text: string): void {
    this.output += text;
  }
  freeze(): void {
    this.frozen++;
    this.froze++;
  }
  thaw(): void {
    this.frozen--;
  }
  engine(): null {
    return null;
  }
  source(file: string, line: number): { file: string; line: number } {
    return { file: file.replace(/^.*\/dist\//, ''), line };
  }
  sourceLine(): null {
    return null;
  }
  scripted = false;
  usable = true;
  inspecting = false;
}

function boot(port: ScriptPort, o: SimBoot): SimKernel {
  return new SimKernel({ ...o, ddb: port });
}
const ddbOf = (k: SimKernel): Ddb => k.gd.ddb as Ddb;
/** What a command prints. */
function cmd(k: SimKernel, port: ScriptPort, line: string): string {
  port.output = '';
  ddbOf(k).run(line);
  return port.output;
}

describe('ddb', () => {
  it('shows the whole generator chain of a sleeping thread, and the thread sleeps on', () => {
    const port = new ScriptPort([]);
    let woke = false;
    const k = boot(port, {
      init: function* (g) {
        const pid = yield* fork(g, function* (c) {
          yield* nanosleep(c, 5e9);
          woke = true;
        });
        yield* wait4(g, pid);
      },
    });
    k.sim.advance(1e9);
    const tid = [...gd.lwkt.threads].find((t) => t.wmesg === 'nanslp')?.id ?? 0;
    expect(tid, cmd(k, port, 'ps')).to.be.greaterThan(0);
    const stack = cmd(k, port, `trace ${tid}`);
    expect(stack).to.match(/sleeps on "nanslp"\n#0 tsleep\(\) at vkernel\/kern\/lwkt_thread\.js:\d+\n/);
    const names = [...stack.matchAll(/^#\d+ (\S+)\(\)/gm)].map((m) => m[1]);
    expect(names[0]).to.equal('tsleep');
    expect(names.slice(-2)).to.deep.equal(['slowSyscall', 'lwpMain']);
    expect(names.length).to.be.greaterThan(3);
    for (let i = 0; i < 50; i++) expect(cmd(k, port, `trace ${tid}`)).to.equal(stack);
    // By process, too; the parent is in wait4.
    expect(cmd(k, port, 'trace p1')).to.match(/sleeps on "wait"\n#0 tsleep/);
    expect(k.run().kind).to.equal('halt');
    expect(woke).to.equal(true);
  });

  it('looks at every kind of sleeper without disturbing it', () => {
    const port = new ScriptPort([]);
    let ended = 0;
    const k = boot(port, {
      init: function* (g) {
        const fds = g.alloc(16);
        yield* g.write(fds, new Uint8Array(16));
        const r = yield* g.syscall(42);
        const pipeFds = [r.val, r.val2];
        yield* thread(g, function* (t) {
          const buf = t.alloc(16);
          expect(yield* must(t, 'read', pipeFds[0], buf, 16)).to.equal(3);
          ended++;
          yield* threadExit(t);
        });
        yield* fork(g, function* (c) {
          yield* nanosleep(c, 2e9);
          ended++;
        });
        yield* nanosleep(g, 3e9);
        yield* must(g, 'write', pipeFds[1], Uint8Array.of(1, 2, 3), 3);
        yield* nanosleep(g, 1e9);
      },
    });
    for (let i = 0; i < 30; i++) {
      k.sim.advance(1e8);
      for (const td of [...gd.lwkt.threads]) cmd(k, port, `trace ${td.id}`);
    }
    expect(k.run().kind).to.equal('halt');
    expect(ended).to.equal(2);
    expect(k.vmCheck()).to.deep.equal([]);
  });

  it('stops at system calls, with conditions on their arguments', () => {
    const port = new ScriptPort(['print path', 'show breaks', 'delete 1', 'continue']);
    const k = boot(port, {
      files: { '/etc/x': 'x', '/etc/y': 'y' },
      init: function* (g) {
        expect(yield* must(g, 'open', '/etc/y', 0, 0)).to.equal(0);
        expect(yield* must(g, 'open', '/etc/x', 0, 0)).to.equal(1);
        expect(yield* must(g, 'open', '/etc/x', 0, 0)).to.equal(2);
      },
    });
    expect(cmd(k, port, 'break sys_open if path === "/etc/x"')).to.equal(
      'breakpoint 1: sys_open if path === "/etc/x"\n',
    );
    port.output = '';
    expect(k.run().kind).to.equal('halt');
    expect(port.output).to.match(/Stopped: breakpoint 1: pid 1 \(init\): sys_open\(path="\/etc\/x", flags=0, mode=0\)/);
    expect(port.output).to.contain('db> print path\n"/etc/x"\n');
    expect(port.output).to.contain('1 hits\n');
    expect(port.froze).to.equal(1);
    expect(port.frozen).to.equal(0);
    expect(cmd(k, port, 'show breaks')).to.equal('0 breakpoints\n');
  });

  it('steps from system call to system call, and stops once for a call that sleeps', () => {
    const port = new ScriptPort(['step', 'step', 'continue']);
    const k = boot(port, {
      init: function* (g) {
        yield* nanosleep(g, 1e6);
        yield* must(g, 'getuid');
        yield* must(g, 'getpid');
      },
    });
    cmd(k, port, 'break nanosleep');
    expect(k.run().kind).to.equal('halt');
    const stops = [...port.output.matchAll(/^Stopped: .*sys_(\w+)\(/gm)].map((m) => m[1]);
    expect(stops).to.deep.equal(['nanosleep', 'getuid', 'getpid']);
  });

  it('watches a property of a kernel object', () => {
    const port = new ScriptPort(['trace', 'delete 1', 'continue']);
    const k = boot(port, {
      init: function* (g) {
        yield* must(g, 'umask', 0o77);
        yield* must(g, 'umask', 0o27);
      },
    });
    k.sim.runUntil(() => gd.initproc !== null && gd.initproc.lwps.size > 0);
    expect(cmd(k, port, 'watch gd.initproc.fd.cmask')).to.equal('watchpoint 1: gd.initproc.fd.cmask = 18\n');
    port.output = '';
    expect(k.run().kind).to.equal('halt');
    expect(port.output).to.contain('Stopped: watchpoint 1: gd.initproc.fd.cmask: 18 -> 63\n');
    expect(port.output).to.match(/#\d+ onTrap\(\) at vkernel\/kern\/trap\.js/);
    expect(port.output.match(/Stopped/g)).to.have.length(1);
    expect(k.gd.initproc?.fd.cmask).to.equal(0o27);
  });

  it('reads and writes memory, calls functions, sends signals', () => {
    const port = new ScriptPort([]);
    let at = 0;
    const k = boot(port, {
      init: function* (g) {
        const pid = yield* fork(g, function* (c) {
          at = c.alloc(16);
          yield* c.write(at, Uint8Array.from(Buffer.from('hello\0\x01\x02')));
          yield* nanosleep(c, 3600e9);
          expect(yield* c.read32(at)).to.equal(0x12345678);
          yield* sys(c, 'exit', 3);
        });
        expect((yield* wait4(g, pid))[1]).to.equal(exited(3));
        const victim = yield* fork(g, function* (c) {
          yield* nanosleep(c, 3600e9);
        });
        expect((yield* wait4(g, victim))[1]).to.equal(9);
      },
    });
    k.sim.advance(1e9);
    const where = `2:0x${at.toString(16)}`;
    expect(cmd(k, port, `x/s ${where}`)).to.equal(`${where}: "hello"\n`);
    expect(cmd(k, port, `x/8b ${where}`)).to.equal(`${where}: 68 65 6c 6c 6f 00 01 02\n`);
    expect(cmd(k, port, `w ${where} 0x12345678`)).to.equal(`${where}: = 0x12345678\n`);
    expect(cmd(k, port, `x/1w ${where}`)).to.equal(`${where}: 12345678\n`);
    expect(cmd(k, port, 'x/1w 2:0x10')).to.match(/Bad address|not in memory/);
    expect(cmd(k, port, 'x/1w 0xffffffffffff')).to.contain('beyond the end of memory');
    expect(cmd(k, port, 'call pfind(2).pid + 1')).to.equal('3\n');
    expect(cmd(k, port, 'print gd.allproc.size')).to.equal('2\n');
    expect(cmd(k, port, 'print nosuch')).to.equal('ReferenceError: nosuch is not defined\n');
    expect(cmd(k, port, 'call lwktNanosleep(1e6, "test")')).to.match(/^runs on thread \d+ when the kernel goes on\n$/);
    k.sim.advance(3600e9);
    expect(k.messages()).to.contain('ddb: lwktNanosleep(1e6, "test") = null');
    k.sim.advance(1e9);
    const pid = [...k.gd.allproc.values()].find((p) => p.pid > 1)?.pid ?? 0;
    expect(cmd(k, port, `kill ${pid} 9`)).to.contain('signal 9');
    expect(k.run().kind).to.equal('halt');
  });

  it('is entered by a panic, by sysctl, and by the escape sequence, which the console does not see', () => {
    const port = new ScriptPort(['ps', 'continue', 'panic for a test', 'dmesg 1', 'continue']);
    const k = boot(port, {
      init: function* (g) {
        yield* nanosleep(g, 3600e9);
      },
    });
    k.sim.advance(1e9);
    k.sim.console.type('\r~\x02');
    k.sim.advance(1e6);
    expect(port.output).to.contain('Stopped: console escape\ndb> ps\n  TID');
    k.sim.console.type('\n~\x02');
    expect(() => k.sim.advance(1e6)).to.throw(KernelPanic, 'for a test');
    expect(k.messages()).to.contain('panic: for a test');
    const p2 = new ScriptPort(['trace', 'continue']);
    const k2 = boot(p2, {});
    expect(() => k2.run()).to.throw(KernelPanic, 'cannot start /sbin/init');
    expect(p2.output).to.contain('Stopped: panic: cannot start /sbin/init');
    expect(p2.output).to.match(/#0 panic\(\)[^]*startInit/);
  });

  it('knows every command of the issue, by unique names, and says so for what it does not know', () => {
    const names = commands.map((c) => c.name);
    expect(new Set(names).size).to.equal(names.length);
    for (const c of 'ps,trace,examine,write,break,watch,step,call,continue,panic,reset,dmesg,help'.split(','))
      expect(names).to.include(c);
    for (const c of 'thread,proc,map,object,page,vnode,mount,buf,hammer2,mbuf,socket,lock,callout,registers'.split(','))
      expect(names).to.include(`show ${c}`);
    const port = new ScriptPort([]);
    const k = boot(port, { init: function* () {} });
    expect(cmd(k, port, 'frobnicate')).to.equal('No such command: frobnicate; try help\n');
    expect(cmd(k, port, 'show nothing')).to.match(/^show what\?/);
    for (const c of commands) if (c.name.startsWith('show ')) expect(cmd(k, port, c.name), c.name).to.match(/\S/);
  });
});
