/**
 * The library, as a program that uses it sees it.
 */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { boot, type Vkernel } from '../../tools/lib/index.js';
import { scratchDir, top } from './support/guest.js';
import { descendants, gone } from './support/processes.js';

const message = async (p: Promise<unknown>): Promise<string> =>
  p.then(
    () => 'no error',
    (e: Error & { code?: string }) => `${e.code ?? ''} ${e.message}`,
  );

describe('library', function () {
  this.timeout(60000);

  describe('with one kernel', () => {
    let vk: Vkernel;
    before(async () => {
      vk = await boot({ memory: '128m' });
    });
    after(() => vk.stop());

    it('runs programs with input, output and exit status', async () => {
      const r = await vk.run('/bin/sh', ['-c', 'tr a-z A-Z; echo oops >&2; exit 7'], { input: 'hello\n' });
      expect([r.stdout.toString(), r.stderr.toString(), r.code, r.signal]).to.deep.equal([
        'HELLO\n',
        'oops\n',
        7,
        null,
      ]);
    });
    it('tells which signal ended one, and sends them', async () => {
      const p = await vk.exec('/bin/sleep', ['100']);
      expect(await p.kill(9)).to.equal(true);
      expect(await p.exited).to.deep.equal({ code: null, signal: 9 });
      expect(await p.kill()).to.equal(false);
    });
    it('refuses what cannot be run, with the errno', async () => {
      expect(await message(vk.exec('/nonexistent'))).to.match(/^ENOENT vkernel: \/nonexistent: /);
      expect(await message(vk.exec('/etc/motd'))).to.match(/^EACCES /);
      expect(await message(vk.exec('/bin/ls', [], { cwd: '/nowhere' }))).to.match(/^ENOENT /);
    });
    it('talks to a program while it runs', async () => {
      const p = await vk.exec('/bin/cat');
      const next = (): Promise<string> => new Promise((r) => p.stdout.once('data', (d: Buffer) => r(d.toString())));
      for (const word of ['one\n', 'two\n']) {
        const got = next();
        p.stdin.write(word);
        expect(await got).to.equal(word);
      }
      p.stdin.end();
      p.stdout.resume();
      expect((await p.exited).code).to.equal(0);
    });
    it('moves megabytes through a program without losing a byte, as fast as they are read', async () => {
      const data = Buffer.alloc(8 * 2 ** 20);
      for (let i = 0; i < data.length; i++) data[i] = (i * 2654435761) >>> 24;
      const r = await vk.run('/bin/cat', [], { input: data });
      expect(createHash('sha256').update(r.stdout).digest('hex')).to.equal(
        createHash('sha256').update(data).digest('hex'),
      );
      // One that nobody reads from has to wait, and can still be killed.
      const p = await vk.exec('/bin/sh', [
        '-c',
        'while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done',
      ]);
      await new Promise((res) => setTimeout(res, 300));
      expect(p.stdout.readableLength).to.be.lessThan(2 ** 20);
      expect(await p.kill(9)).to.equal(true);
      p.stdout.resume();
      expect((await p.exited).signal).to.equal(9);
    });
    it('reads and writes files', async () => {
      await vk.writeFile('/tmp/tool', '#!/bin/sh\necho "tool: $1 $WORD"\n', { mode: 0o755 });
      const r = await vk.run('/tmp/tool', ['x'], { env: { WORD: 'w' } });
      expect(r.stdout.toString()).to.equal('tool: x w\n');
      const big = Buffer.alloc(3 * 2 ** 20 + 17, 'abc');
      await vk.writeFile('/tmp/big', big);
      expect((await vk.readFile('/tmp/big')).equals(big)).to.equal(true);
      await vk.writeFile('/tmp/big', 'short ü');
      expect(await vk.readFile('/tmp/big', 'utf8')).to.equal('short ü');
      expect(await message(vk.readFile('/tmp/none'))).to.match(/^ENOENT /);
      expect(await message(vk.readFile('/tmp'))).to.match(/^EISDIR /);
      expect(await message(vk.writeFile('/no/such', 'x'))).to.match(/^ENOENT /);
    });
    it('answers commands of the kernel debugger', async () => {
      expect(await vk.ddb('ps')).to.match(/TID +PID[^]*\(init\)|TID +PID[^]* init\n/);
      expect(await vk.ddb('show mount')).to.contain('on / (tmpfs)');
    });
    it('has no snapshots without a root image', async () => {
      expect(await message(vk.snapshot('s'))).to.match(/^ENOENT /);
      expect(await message(vk.rollback('s'))).to.match(/rollback: the root is no disk/);
      expect((await vk.run('/bin/echo', ['alive'])).stdout.toString()).to.equal('alive\n');
    });
  });

  it('shows host directories', async () => {
    const dir = scratchDir();
    writeFileSync(join(dir, 'in'), 'from the host');
    const vk = await boot({ mounts: [{ host: dir, guest: '/work', write: true }] });
    expect((await vk.run('/bin/sh', ['-c', 'cat /work/in; echo made > /work/out'])).stdout.toString()).to.equal(
      'from the host',
    );
    await vk.stop();
    expect(readFileSync(join(dir, 'out'), 'utf8')).to.equal('made\n');
    expect(await message(boot({ mounts: [{ host: join(dir, 'none'), guest: '/x' }] }))).to.match(/No such file/);
  });

  it('takes snapshots of the root and goes back to them', async () => {
    const dir = scratchDir();
    const image = join(dir, 'root.img');
    let vk = await boot({ root: { image, size: '256m' } });
    try {
      await vk.writeFile('/root/file', 'good');
      await vk.snapshot('before');
      await vk.run('/bin/sh', ['-c', 'echo bad > /root/file; rm -rf /etc']);
      expect(await vk.readFile('/root/file', 'utf8')).to.equal('bad\n');
      const left = await vk.exec('/bin/sleep', ['1000']);
      await vk.rollback('before');
      expect(await message(left.exited)).to.contain('rolled back');
      expect(await vk.readFile('/root/file', 'utf8')).to.equal('good');
      expect((await vk.run('/bin/ls', ['/etc'])).stdout.toString()).to.contain('motd');
      expect(await message(vk.snapshot('before'))).to.match(/^EEXIST /);
      expect(await message(vk.rollback('nosuch'))).to.match(/nosuch/);
      expect(await vk.readFile('/root/file', 'utf8')).to.equal('good');
      await vk.writeFile('/root/file', 'later');
    } finally {
      await vk.stop();
    }
    vk = await boot({ root: image });
    expect(await vk.readFile('/root/file', 'utf8')).to.equal('later');
    await vk.stop();
    const r = spawnSync(process.execPath, [join(top, 'dist/tools/fsck_hammer2.js'), image], { encoding: 'latin1' });
    expect(r.status, r.stdout + r.stderr).to.equal(0);
  });

  it('keeps the others right when any of several kernels is killed', async () => {
    const vks = await Promise.all(Array.from({ length: 4 }, () => boot({ memory: '64m' })));
    try {
      const work = vks.map((vk, i) =>
        vk.run('/bin/sh', ['-c', `n=0; while [ $n -lt 3000 ]; do n=$((n+1)); done; echo ${i}:$n`]),
      );
      const caught = work.map((w) => message(w));
      const ended = new Promise((r) => vks[1].once('exit', r));
      process.kill(vks[1].hostPid, 'SIGKILL');
      expect(await ended).to.equal('killed');
      expect(await caught[1]).to.match(/the kernel has ended \(SIGKILL\)/);
      expect(await message(vks[1].run('/bin/ls'))).to.match(/the kernel has ended/);
      for (const i of [0, 2, 3]) expect((await work[i]).stdout.toString()).to.equal(`${i}:3000\n`);
    } finally {
      await Promise.all(vks.map((vk) => vk.stop()));
    }
    for (const vk of vks) expect(vk.running).to.equal(false);
  });

  it('tells of a panic, and leaves no process behind', async () => {
    const vk = await boot();
    const pids = [vk.hostPid, ...descendants(vk.hostPid)];
    expect(pids.length).to.be.greaterThan(1);
    const panic = new Promise((r) => vk.once('panic', r));
    const exit = new Promise((r) => vk.once('exit', r));
    const r = message(vk.run('/sbin/sysctl', ['debug.panic=1']));
    expect(await panic).to.match(/from sysctl debug\.panic/);
    expect(await exit).to.equal('panic');
    expect(await r).to.match(/the kernel has ended \(panic: .*debug\.panic\)/);
    await vk.stop();
    await gone(pids);
  });

  it('refuses wrong options', async () => {
    expect(await message(boot({ memory: '1m' }))).to.contain("bad memory '1m'");
    expect(await message(boot({ cpus: 0 }))).to.contain('bad number of CPUs');
    expect(await message(boot({ disks: ['/nonexistent/disk'] }))).to.match(/nonexistent/);
  });
});
