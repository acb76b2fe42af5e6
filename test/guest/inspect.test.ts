/**
 * The kernel under a debugger front end: what DevTools would send, sent by a script.
 */
import { expect } from 'chai';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeMap } from '../../tools/debug/source_map.js';
import { DevTools, type Params } from '../support/devtools.js';
import { nodeFlags, scratchDir, top, vkernelBin } from './support/guest.js';

/** Where the front end has to ask for, to stop at the first line of `ts` that contains `text`. */
function compiledPlace(ts: string, text: string): { js: string; line: number; column: number; tsLine: number } {
  const tsLine = readFileSync(join(top, ts), 'utf8')
    .split('\n')
    .findIndex((l) => l.includes(text));
  expect(tsLine, text).to.be.greaterThan(0);
  const js = join(top, 'dist', ts.replace(/\.ts$/, '.js'));
  const map = JSON.parse(readFileSync(`${js}.map`, 'utf8')) as { mappings: string };
  const seg = decodeMap(map.mappings).find((s) => s[3] === tsLine);
  if (seg === undefined) throw new Error(`no code for ${ts}:${tsLine + 1}`);
  return { js, line: seg[0], column: seg[1], tsLine };
}

interface Frame {
  callFrameId: string;
  functionName: string;
  location: { scriptId: string; lineNumber: number };
}
const framesOf = (p: Params): Frame[] => p.callFrames as Frame[];

class Session {
  readonly child: ChildProcessWithoutNullStreams;
  out = '';
  err = '';
  client!: DevTools;
  readonly ended: Promise<number | null>;

  constructor(args: string[]) {
    this.child = spawn(process.execPath, [...nodeFlags, vkernelBin, '--inspect-brk=0', ...args], { cwd: top });
    this.child.stdout.on('data', (d: Buffer) => (this.out += d.toString('latin1')));
    this.child.stderr.on('data', (d: Buffer) => (this.err += d.toString('latin1')));
    this.ended = new Promise((resolve) => this.child.on('exit', (code) => resolve(code)));
  }

  async attach(): Promise<void> {
    for (let i = 0; i < 200 && !/ws:\/\/\S+/.test(this.err); i++) await new Promise((r) => setTimeout(r, 50));
    const m = /ws:\/\/\S+/.exec(this.err);
    if (m === null) throw new Error(`no inspector: ${this.err}`);
    this.client = await DevTools.open(m[0]);
    // Scripts that are loaded are told now, others when they are.
    await this.client.send('Debugger.enable');
    await this.client.send('Runtime.enable');
  }

  async evaluate(frame: Frame, expression: string): Promise<unknown> {
    const r = (await this.client.send('Debugger.evaluateOnCallFrame', {
      callFrameId: frame.callFrameId,
      expression,
      returnByValue: true,
    })) as { result: { value?: unknown; description?: string }; exceptionDetails?: unknown };
    if (r.exceptionDetails !== undefined) throw new Error(`${expression}: ${r.result.description ?? ''}`);
    return r.result.value;
  }

  get scripts(): Map<unknown, unknown> {
    const parsed = this.client.events.filter((e) => e.method === 'Debugger.scriptParsed');
    return new Map(parsed.map((e) => [e.params.scriptId, e.params.url]));
  }

  /** Node waits for its front end to leave before it exits. */
  async end(): Promise<number | null> {
    for (let i = 0; i < 200 && this.child.exitCode === null && !/for the debugger to disconnect/.test(this.err); i++)
      await new Promise((r) => setTimeout(r, 50));
    this.client.close();
    return this.ended;
  }

  /** Do something, and wait for the next stop. */
  async stopAfter(what: () => Promise<unknown>, test: (p: Params) => boolean = () => true): Promise<Params> {
    const stop = this.client.next('Debugger.paused', test);
    await what();
    return stop;
  }
}

describe('vkernel --inspect', function () {
  this.timeout(60000);
  const sessions: Session[] = [];
  after(() => {
    for (const s of sessions) {
      s.client?.close();
      if (s.child.exitCode === null) s.child.kill('SIGKILL');
    }
  });
  const start = async (args: string[]): Promise<Session> => {
    const s = new Session(args);
    sessions.push(s);
    await s.attach();
    return s;
  };

  it("stops on a line of sys_open for a guest's cat, shows the path, steps, and goes on; the kernel's clock stands", async () => {
    const s = await start(['-e', 'x=y']);
    const { client } = s;
    s.child.stdin.write('cat /etc/motd; echo done\nhalt\n');
    const at = compiledPlace('vkernel/kern/vfs_syscalls.ts', 'const nd = tryLookup(lwp, dirfd, uva, (oflags');
    const { breakpointId } = await client.send('Debugger.setBreakpointByUrl', {
      url: `file://${at.js}`,
      lineNumber: at.line,
      columnNumber: at.column,
      condition: "p.comm === 'cat' && copyinstr(p.vm, uva, 1024) === '/etc/motd'",
    });
    let stop = await s.stopAfter(() => client.send('Runtime.runIfWaitingForDebugger'));
    let [frame] = framesOf(stop);
    expect(frame.functionName).to.equal('openTry');
    expect(frame.location.lineNumber).to.equal(at.line);
    expect(stop.hitBreakpoints).to.have.length(1);
    expect(await s.evaluate(frame, 'copyinstr(p.vm, uva, 1024)')).to.equal('/etc/motd');
    expect(await s.evaluate(frame, '$vk.brief(lwp)')).to.match(/^lwp \d+\.1 \(cat\).* syscall=open$/);
    expect(await s.evaluate(frame, '$vk.ps()')).to.match(/ cat\n/);
    const t0 = (await s.evaluate(frame, '$vk.gd.machine.now()')) as number;
    await new Promise((r) => setTimeout(r, 500));
    expect(await s.evaluate(frame, '$vk.gd.machine.now()')).to.equal(t0);
    stop = await s.stopAfter(() => client.send('Debugger.stepOver'));
    [frame] = framesOf(stop);
    expect(frame.functionName).to.equal('openTry');
    expect(frame.location.lineNumber).to.be.greaterThan(at.line);
    expect(await s.evaluate(frame, '$vk.brief(nd.ncp.vp)')).to.match(/^vnode VREG \/etc\/motd tmpfs/);
    stop = await s.stopAfter(() => client.send('Debugger.stepInto'));
    expect(framesOf(stop).length).to.be.greaterThan(4);
    // A sleeping thread: init waits for the shell.
    [frame] = framesOf(stop);
    const stack = (await s.evaluate(frame, '$vk.lwp(1).stack()')) as string[];
    expect(stack[0]).to.match(/^tsleep at vkernel\/kern\/lwkt_thread\.ts:\d+/);
    expect(stack.at(-1)).to.match(/^lwpMain at vkernel\/kern\/trap\.ts:\d+/);
    const t1 = (await s.evaluate(frame, '$vk.gd.machine.now()')) as number;
    expect(t1 - t0).to.be.lessThan(400e6);
    await client.send('Debugger.removeBreakpoint', { breakpointId });
    await client.send('Debugger.resume');
    expect(await s.end(), s.err).to.equal(0);
    expect(s.out).to.match(/DragonFly system calls[^]*done/);
  });

  it('stops where $vk.break says, by the arguments of the call', async () => {
    const s = await start([]);
    await s.client.send('Runtime.runIfWaitingForDebugger');
    for (let i = 0; ; i++) {
      const r = (await s.client.send('Runtime.evaluate', {
        expression: "$vk.break('sys_chdir', a => a.path === '/etc')",
        returnByValue: true,
      })) as { result: { value?: unknown } };
      if (r.result.value === 1) break;
      expect(i).to.be.lessThan(50);
      await new Promise((res) => setTimeout(res, 20));
    }
    const stop = await s.stopAfter(async () => s.child.stdin.write('cd /usr; cd /etc; cat motd\nhalt\n'));
    const [frame] = framesOf(stop);
    expect(await s.evaluate(frame, '$vk.args.path + " " + $vk.args.comm')).to.equal('/etc sh');
    await s.client.send('Debugger.resume');
    expect(await s.end(), s.err).to.equal(0);
    expect(s.out).to.contain('DragonFly system calls');
  });

  it('stops at the line that raised a NULL dereference in a driver; going on enters ddb', async () => {
    const script = join(scratchDir(), 'script');
    writeFileSync(script, 'continue\nps\ncontinue\n');
    const s = await start(['--ddb-script', script]);
    const { client } = s;
    s.child.stdin.write('cat /etc/motd\ncat /etc/motd\nhalt\n');
    const at = compiledPlace('vkernel/kern/vfs_syscalls.ts', 'const nd = tryLookup(lwp, dirfd, uva, (oflags');
    await client.send('Debugger.setBreakpointByUrl', {
      url: `file://${at.js}`,
      lineNumber: at.line,
      columnNumber: at.column,
      condition: "p.comm === 'cat'",
    });
    let stop = await s.stopAfter(() => client.send('Runtime.runIfWaitingForDebugger'));
    // Break the console's driver under the program that is about to write to it.
    await s.evaluate(framesOf(stop)[0], '$vk.gd.cons.dev.data = null');
    stop = await s.stopAfter(
      () => client.send('Debugger.resume'),
      (p) => p.reason === 'exception',
    );
    const [frame] = framesOf(stop);
    expect((stop.data as { description: string }).description).to.match(/^TypeError: Cannot read properties of null/);
    expect(s.scripts.get(frame.location.scriptId)).to.match(/\/dist\/(drivers\/cons|vkernel\/kern)\/(cons|tty)\.js$/);
    const ps = (await s.evaluate(frame, '$vk.ps()')) as string;
    expect(ps).to.match(/ (cat|sh)\n/);
    const inOnTrap = framesOf(stop).find((f) => f.functionName === 'onSyscall' || f.functionName === 'slowSyscall');
    expect(inOnTrap).to.not.equal(undefined);
    expect(await s.evaluate(inOnTrap as Frame, '$vk.brief(lwp.proc)')).to.match(/^proc \d+ \((cat|sh)\) active uid=0/);
    await client.send('Debugger.resume');
    expect(await s.end()).to.equal(134);
    expect(s.out).to.match(/Stopped: panic: Cannot read properties of null[^]*db> ps\n +TID/);
    expect(s.err).to.match(/vkernel: panic: TypeError: Cannot read properties of null/);
  });
});
