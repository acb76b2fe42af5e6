/**
 * The kernel debugger on a terminal: what a person types and sees.
 */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodeFlags, prompt, scratchDir, Terminal, top, vkernelBin } from './support/guest.js';

const ddbPrompt = /db> $/;

describe('ddb on a terminal', function () {
  this.timeout(60000);
  let t: Terminal;
  before(async () => {
    t = new Terminal([]);
    await t.expect(prompt);
  });
  after(() => {
    if (t.exit === null) t.kill(9);
    t.close();
  });

  /** Type a command. @returns what it printed */
  async function db(line: string): Promise<string> {
    t.send(`${line}\r`);
    const text = await t.expect(ddbPrompt);
    return text
      .slice(text.indexOf('\r\n') + 2)
      .replace(ddbPrompt, '')
      .replace(/\r\n/g, '\n');
  }

  /** Leave ddb, and get a fresh prompt of the shell. */
  async function go(): Promise<void> {
    t.send('continue\r');
    await new Promise((r) => setTimeout(r, 300));
    t.send('\x15echo ba"ck"\r');
    await t.expect(/back\r\n/);
    await t.expect(prompt);
  }

  it('answers thirty commands', async () => {
    await t.command('sleep 1000 &');
    await t.command('cat < /dev/null; cd /tmp');
    t.send('\r~\x02');
    expect(await t.expect(ddbPrompt)).to.contain('Stopped: console escape');

    const ps = await db('ps');
    expect(ps).to.match(/^ +TID +PID +PPID +UID STATE +WMESG +COMMAND\n/);
    const m = /^ *(\d+) +(\d+) +\d+ +0 sleep +nanslp +sleep$/m.exec(ps);
    expect(m, ps).to.not.equal(null);
    const [, tid, pid] = m as RegExpExecArray;
    const expected: [string, RegExp][] = [
      ['help', /^help, \?[^]*^examine, x[^]*^write, w/m],
      [
        `trace ${tid}`,
        /sleeps on "nanslp"\n#0 tsleep\(\) at vkernel\/kern\/lwkt_thread\.ts:\d+\n +while \(\(yield\)[^]*lwpMain\(\) at vkernel\/kern\/trap\.ts/,
      ],
      [`trace /l p${pid}`, /tsleep\(\)[^]*wmesg="nanslp"[^]*lwp=lwp \d+\.1 \(sleep\)/],
      [
        `show thread ${tid}`,
        new RegExp(`^thread ${tid} .*sleep on "nanslp"[^]*lwp ${pid}\\.1 \\(sleep\\)[^]*until callout in \\d+`),
      ],
      ['show threads', new RegExp(`^nanslp +${tid}$`, 'm')],
      [`show proc ${pid}`, /^proc \d+ \(sleep\) active[^]*program \/.*\n[^]*cwd \/[^]*fd 0: file vnode/],
      [`show map ${pid}`, /^vm_map \d+ entries[^]*0x[0-9a-f]+-0x[0-9a-f]+ r-x\//],
      ['show object 1', /^object 1 /],
      ['show page', /^65536 pages: \d+ free/],
      ['show page 5', /^page 5 pa=0x5000 queue=/],
      ['show vnode /etc/motd', /not in the name cache|^vnode VREG \/etc\/motd tmpfs/],
      ['show vnode /tmp', /^vnode VDIR \/tmp tmpfs ino=\d+[^]*mount tmpfs on \//],
      ['show mount', /^mount tmpfs on \/ \(tmpfs\)[^]*on \/dev \(devfs\)/m],
      ['show mount /', /blocks of \d+: \d+, free \d+/],
      ['show buf', /^0 transfers under way/],
      ['show hammer2', /^no HAMMER2 is mounted\n/],
      ['show mbuf', /^0 mbufs in use\n/],
      ['show socket', /^no sockets\n/],
      ['show all locks', /\d+ locks held or waited for\n$/],
      ['show callout', /callout in \d+\.\d+ ms[^]*armed, now \d+\.\d+ s/],
      [`show registers p${pid}`, /rax [0-9a-f]{16}[^]*rip [0-9a-f]{16}/],
      ['examine/4gx 0x1000', /^0x1000: [0-9a-f]{16} [0-9a-f]{16}\n0x1010: /],
      ['print gd.initproc', /^proc 1 \(init\) active uid=0/],
      ['print 6 * 7', /^42\n$/],
      ['call pfind(1).children.size', /^\d+\n$/],
      ['break sys_getuid if pid > 1', /^breakpoint 1: sys_getuid if pid > 1\n$/],
      ['break tmpfs.ts:1', /^breakpoint 2: tmpfs\.ts:1 at vkernel\/vfs\/tmpfs\/tmpfs\.ts:\d+\n$/],
      ['watch gd.vfs.maxfilesperproc', /^watchpoint 3: gd\.vfs\.maxfilesperproc = 16384\n$/],
      ['show breaks', /^1 syscall[^]*2 code[^]*3 watch[^]*3 breakpoints\n$/],
      ['delete 1', /^removed 1\n$/],
      ['delete 2', /^removed 2\n$/],
      ['delete 3', /^removed 3\n$/],
      ['dmesg 3', /Mounting root/],
      ['nonsense', /^No such command: nonsense/],
    ];
    expect(expected.length).to.be.at.least(30);
    for (const [line, want] of expected) expect(await db(line), line).to.match(want);
    await go();
    expect(await t.command('echo $((40+2))')).to.contain('42');
  });

  it('holds the guest and the clock meanwhile', async () => {
    // A loop that prints the time each tenth of a second would show a jump.
    await t.command('cat > /tmp/ticks <<E\nwhile :; do date +%s; sleep 0.2; done\nE');
    t.send('sh /tmp/ticks > /tmp/out & x=$!\n');
    await t.expect(prompt);
    t.kill(3);
    await t.expect(ddbPrompt);
    const now = async (): Promise<string> => /now ([\d.]+) s/.exec(await db('show callout'))?.[1] ?? '';
    const before = await now();
    await new Promise((r) => setTimeout(r, 3500));
    expect(await now()).to.equal(before);
    await go();
    await new Promise((r) => setTimeout(r, 1000));
    await t.command('kill $x');
    const times = (await t.command('cat /tmp/out'))
      .split('\n')
      .filter((l) => /^\d+$/.test(l))
      .map(Number);
    expect(times.length).to.be.greaterThan(3);
    for (let i = 1; i < times.length; i++) expect(times[i] - times[i - 1]).to.be.within(0, 2);
  });

  it('stops in a function of the kernel, steps through it, and shows its locals', async () => {
    t.send('\r~\x02');
    await t.expect(ddbPrompt);
    expect(await db('break openTry')).to.match(/^breakpoint \d+: openTry at vkernel\/kern\/vfs_syscalls\.ts:\d+\n$/);
    t.send('c\r\x15cat /etc/motd\r');
    const stop = await t.expect(ddbPrompt);
    expect(stop).to.match(
      /Stopped: breakpoint \d+: openTry at [^]*openTry\(\) at vkernel\/kern\/vfs_syscalls\.ts:(\d+)/,
    );
    const line = Number(/openTry\(\) at vkernel\/kern\/vfs_syscalls\.ts:(\d+)/.exec(stop)?.[1]);
    const next = await db('next');
    expect(next).to.match(/Stopped: step\nopenTry\(\) at vkernel\/kern\/vfs_syscalls\.ts:\d+\n/);
    expect(Number(/vfs_syscalls\.ts:(\d+)/.exec(next)?.[1])).to.be.greaterThan(line);
    expect(await db('print lwp.proc.comm')).to.equal('"cat"\n');
    expect(await db('frame 0')).to.match(/^lwp=lwp \d+\.1 \(cat\)/m);
    expect(await db('bt')).to.match(/#0 openTry\(\)[^]*onSyscall\(\)/);
    expect(await db('finish')).to.match(/Stopped: step/);
    await db('delete 4');
    t.send('c\r');
    await t.expect(/DragonFly system calls/);
    await t.expect(prompt);
  });

  it('is entered by sysctl and by a panic, and ends with the exit code of one', async () => {
    t.send('sysctl debug.enter_ddb=1\r');
    expect(await t.expect(ddbPrompt)).to.contain('sysctl debug.enter_ddb');
    expect(await db('trace')).to.match(/onTrap|slowSyscall/);
    await go();
    t.send('sysctl debug.panic=1\r');
    expect(await t.expect(ddbPrompt)).to.match(/Stopped: panic: .*from sysctl debug\.panic/);
    expect(await db('ps')).to.match(/sysctl/);
    t.send('c\r');
    expect((await t.end()).code).to.equal(134);
  });
});

describe('ddb with a script', function () {
  this.timeout(30000);
  it('is entered at boot, takes its commands from the file, and runs on without a terminal', () => {
    const file = join(scratchDir(), 'script');
    writeFileSync(
      file,
      '# a comment\nps\nbreak sys_chdir if path === "/usr"\ncontinue\nprint path\nprint comm\ntrace\ncontinue\n',
    );
    const r = spawnSync(process.execPath, [...nodeFlags, vkernelBin, '--ddb-script', file], {
      input: 'cd /usr; pwd; echo $((6*7))\nhalt\n',
      cwd: top,
      encoding: 'latin1',
      timeout: 25000,
    });
    expect(r.stdout).to.match(/Stopped: boot\ndb> ps\n +TID[^]*\(init\)\ndb> break/);
    expect(r.stdout).to.match(/Stopped: breakpoint 1: pid \d+ \(sh\): sys_chdir\(path="\/usr"\)/);
    expect(r.stdout).to.contain('db> print path\n"/usr"\ndb> print comm\n"sh"\n');
    expect(r.stdout).to.match(/db> trace\n#0 /);
    expect(r.stdout).to.match(/\/usr\n42\n/);
    expect(r.status).to.equal(0);
  });
  it('says what is wrong with the file', () => {
    const r = spawnSync(process.execPath, [...nodeFlags, vkernelBin, '--ddb-script', '/nonexistent'], {
      encoding: 'utf8',
    });
    expect(r.status).to.equal(66);
    expect(r.stderr).to.equal('vkernel: /nonexistent: no such file\n');
  });
});
