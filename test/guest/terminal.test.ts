/**
 * A booted system on a pseudo-terminal: what a person sees and types.
 */
import { expect } from 'chai';
import { prompt, Terminal } from './support/guest.js';
import { descendants, gone } from './support/processes.js';

describe('A system on a terminal', function () {
  this.timeout(60000);
  const terminals: Terminal[] = [];
  async function boot(...args: string[]): Promise<Terminal> {
    const t = new Terminal(args);
    terminals.push(t);
    await t.expect(prompt);
    return t;
  }
  afterEach(function () {
    if (this.currentTest?.state === 'failed') for (const t of terminals) if (t.exit === null) t.kill(9);
  });
  after(() => {
    for (const t of terminals) t.close();
  });

  describe('in one session', () => {
    let t: Terminal;
    before(async () => {
      t = await boot('-e', 'colour=blue');
    });

    it('has booted with the messages of a DragonFly kernel', async () => {
      expect(t.text).to.match(/^DragonFly 6\.4-RELEASE, vkernel \d+\.\d+\.\d+\r\nreal memory = 268435456 \(256 MB\)/);
      expect(await t.command('dmesg')).to.match(/^DragonFly 6\.4-RELEASE[^]*\nMounting root from tmpfs\n/);
    });

    it('lists the root', async () => {
      const out = await t.command('ls -l /');
      expect(out).to.match(/^total \d+\n(.{10} +\d+ root +wheel +\d+ \w{3} +\d+ +[\d:]+ \S+\n)+$/);
      for (const d of ['bin', 'dev', 'etc', 'proc', 'sbin', 'tmp', 'usr', 'var'])
        expect(out).to.match(new RegExp(`^d.* ${d}$`, 'm'));
    });

    it('shows processes, with the terminal they have', async () => {
      expect(await t.command('ps')).to.match(
        /^ *PID TT +STAT +TIME COMMAND\n( *\d+ con +\S+ +\d+:\d\d\.\d\d \S.*\n){2}$/,
      );
      expect(await t.command('ps -ax')).to.match(/^ *1 +\?\? +Ss .*init$/m);
    });

    it('runs pipelines', async () => {
      expect(await t.command('ls /bin | sort -r | grep -c s')).to.match(/^\d+\n$/);
      expect(await t.command('seq 1 2000 | tail -1 | sed s/2/x/')).to.equal('x000\n');
    });

    it('runs a script with loops and functions', async () => {
      t.send("cat > /tmp/s <<'EOF'\n");
      for (const l of [
        'f() { for i; do echo "<$i>"; done; }',
        'n=0',
        'while [ $n -lt 3 ]; do n=$((n+1)); f $n; done',
        'EOF',
      ])
        t.send(`${l}\n`);
      await t.expect(prompt);
      expect(await t.command('sh /tmp/s | tr -d "\\n"; echo')).to.equal('<1><2><3>\n');
    });

    it('tells exit statuses', async () => {
      expect(await t.command('false; echo $?; sh -c "exit 7"; echo $?; nosuch; echo $?')).to.match(
        /^1\n7\n.*not found\n127\n$/,
      );
      expect(await t.command('sh -c "kill -9 \\$\\$"; echo $?')).to.match(/137\n$/);
    });

    it('interrupts with ^C', async () => {
      await t.start('sleep 100');
      await new Promise((r) => setTimeout(r, 200));
      t.send('\x03');
      expect(await t.expect(prompt)).to.match(/\^C/);
      expect(await t.command('echo $?')).to.equal('130\n');
    });

    it('interrupts a loop that never asks the kernel for anything', async () => {
      await t.start('while :; do :; done');
      await new Promise((r) => setTimeout(r, 300));
      t.send('\x03');
      await t.expect(prompt);
      expect(await t.command('echo still here')).to.equal('still here\n');
    });

    it('stops with ^Z and goes on with fg and bg', async () => {
      await t.start('sleep 100');
      await new Promise((r) => setTimeout(r, 200));
      t.send('\x1a');
      expect(await t.expect(prompt)).to.match(/\[1\]\+? +(Stopped|Suspended).* sleep 100/);
      expect(await t.command('jobs')).to.match(/(Stopped|Suspended).* sleep 100\n/);
      expect(await t.command('ps | grep "[s]leep 100"')).to.match(/con +T/);
      await t.start('fg');
      await t.expect(/sleep 100\r\n/);
      await new Promise((r) => setTimeout(r, 200));
      t.send('\x03');
      await t.expect(prompt);
      expect(await t.command('sleep 0.3 & wait; jobs; echo done')).to.match(/done\n$/);
    });

    it('ends input with ^D', async () => {
      await t.start('cat');
      t.send('two words\n');
      await t.expect(/two words\r\ntwo words\r\n/);
      t.send('\x04');
      await t.expect(prompt);
    });

    it('follows the window', async () => {
      expect(await t.command('stty size')).to.equal('24 80\n');
      t.resize(50, 132);
      await new Promise((r) => setTimeout(r, 300));
      expect(await t.command('stty size')).to.equal('50 132\n');
      t.send('sh -c \'trap "stty size; exit" WINCH; while :; do sleep 0.1; done\'\n');
      await new Promise((r) => setTimeout(r, 400));
      t.resize(30, 100);
      await t.expect(/\r\n30 100\r\n/);
      await t.expect(prompt);
    });

    it('gives a new shell after ^D at the prompt', async () => {
      t.send('\x04');
      await t.expect(prompt);
      expect(await t.command('echo new')).to.equal('new\n');
    });

    it('reboots', async () => {
      await t.command('echo mark > /tmp/mark');
      t.send('reboot\n');
      await t.expect(/DragonFly 6\.4[^]*Mounting root/);
      await t.expect(prompt);
      expect(await t.command('ls /tmp')).to.equal('');
      expect(await t.command('stty size')).to.equal('30 100\n');
    });

    it('halts with exit code 0 and the terminal restored', async () => {
      t.send('halt\n');
      expect(await t.end()).to.deep.equal({ code: 0, raw: false });
      expect(t.text).to.match(/syncing disks\.\.\. done\r\n\r\nThe operating system has halted\.\r\n$/);
    });
  });

  it('boots single user with -s: no rc, a shell', async () => {
    const t = await boot('-s');
    expect(t.text).not.to.contain('DragonFly system calls on a kernel');
    expect(await t.command('ps -p 1 -o command')).to.match(/init -s/);
    t.send('halt\n');
    expect((await t.end()).code).to.equal(0);
  });

  for (const [name, signo] of [
    ['SIGTERM', 15],
    ['SIGHUP', 1],
  ] as const)
    it(`halts in order when ${name} comes`, async () => {
      const t = await boot();
      t.kill(signo);
      expect(await t.end()).to.deep.equal({ code: 0, raw: false });
      expect(t.text).to.contain('syncing disks... done');
    });

  it('leaves a usable terminal and no process when it is killed with SIGKILL', async () => {
    const t = await boot();
    t.send('sleep 100 | cat\n');
    await new Promise((r) => setTimeout(r, 300));
    const all = descendants(t.pid);
    expect(all.length).to.be.greaterThan(3);
    t.kill(9);
    expect(await t.end()).to.deep.equal({ code: 137, raw: false });
    expect(await gone(all)).to.deep.equal([]);
  });
});
