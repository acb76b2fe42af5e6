/**
 * The vkernel command: wrong use, and `vkernel run` as a caller's shell sees it.
 */
import { expect } from 'chai';
import { type ChildProcess, spawn, spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ccGuest, guestSh, nodeFlags, scratchDir, vkernel, vkernelBin } from './support/guest.js';

/** A shell command of the host with $V for the vkernel command. */
const hostSh = (line: string, cwd: string): SpawnSyncReturns<string> =>
  spawnSync('bash', ['-c', line], {
    cwd,
    encoding: 'latin1',
    timeout: 30000,
    killSignal: 'SIGKILL',
    env: { ...process.env, V: `${process.execPath} ${nodeFlags.join(' ')} ${vkernelBin}` },
  });

describe('The vkernel command', function () {
  this.timeout(60000);
  let dir = '';
  let sh = '';
  before(() => {
    dir = scratchDir();
    sh = guestSh(dir);
    writeFileSync(join(dir, 'here'), 'content\n');
  });
  const run = (script: string, ...flags: string[]): ReturnType<typeof vkernel> =>
    vkernel(['run', ...flags, sh, '-c', script], { cwd: dir });

  describe('refuses wrong use with one line on stderr, and makes nothing', () => {
    const wrong: [string[], number, RegExp][] = [
      [['--nosuch'], 64, /unknown flag '--nosuch'/],
      [['-z'], 64, /unknown flag '-z'/],
      [['run', '-s', 'x'], 64, /unknown flag '-s'/],
      [['-m'], 64, /-m needs a value/],
      [['-m', '5x'], 64, /bad memory size '5x'/],
      [['-m', '1k'], 64, /too small/],
      [['-m', '9999t'], 64, /too large/],
      [['-n', '0'], 64, /bad CPU count '0'/],
      [['-e', 'novalue'], 64, /bad kernel variable 'novalue'/],
      [['extra'], 64, /unexpected argument 'extra'/],
      [['run'], 64, /no program/],
      [['run', '--mount', 'a:b:c:d', 'x'], 64, /bad mount/],
      [['run', '--mount', '/nonexistent', 'x'], 66, /\/nonexistent: no such file/],
      [['run', '--mount', '/dev/null', 'x'], 66, /not a directory/],
      [['run', '--cwd', '/nonexistent', 'x'], 66, /\/nonexistent: no such file/],
      [['run', '/nonexistent'], 66, /\/nonexistent: no such file/],
      [['run', '/tmp'], 66, /not a regular file/],
      [['-r', '/nonexistent.img'], 66, /\/nonexistent\.img: no such file/],
      [['-R', '/tmp'], 66, /is a directory/],
      [['-c', '/nonexistent.img:serial'], 66, /no such file/],
      [['-p', '/nonexistent/dir/pid'], 73, /no such file/],
    ];
    for (const [args, code, message] of wrong)
      it(args.join(' '), () => {
        const before = readdirSync(dir);
        const r = vkernel(args, { cwd: dir });
        expect(r.status).to.equal(code);
        expect(r.stdout).to.equal('');
        expect(r.stderr.split('\n')[0]).to.match(/^vkernel: /);
        expect(r.stderr.split('\n')[0]).to.match(message);
        if (code !== 64) expect(r.stderr).to.match(/^[^\n]*\n$/);
        expect(readdirSync(dir)).to.deep.equal(before);
      });
  });

  it('prints its version and its help', () => {
    expect(vkernel(['--version'])).to.deep.equal({ status: 0, stdout: 'vkernel 0.1.0\n', stderr: '' });
    for (const flag of ['-h', '--help']) {
      const r = vkernel([flag]);
      expect(r.status).to.equal(0);
      expect(r.stdout)
        .to.match(/^usage: vkernel/)
        .and.to.contain('--mount HOST');
      expect(r.stderr).to.equal('');
    }
  });

  it('keeps its pid file locked while it runs, and removes it', async () => {
    const pidFile = join(dir, 'pid');
    const child: ChildProcess = spawn(process.execPath, [...nodeFlags, vkernelBin, '-p', pidFile], { stdio: 'pipe' });
    const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
    for (let i = 0; i < 100 && !(existsSync(pidFile) && readFileSync(pidFile, 'latin1') !== ''); i++)
      await new Promise((r) => setTimeout(r, 50));
    expect(readFileSync(pidFile, 'latin1')).to.equal(`${child.pid}\n`);
    const second = vkernel(['-p', pidFile]);
    expect(second.status).to.equal(73);
    expect(second.stderr).to.match(/^vkernel: .*pid: locked by a running vkernel\n$/);
    expect(readFileSync(pidFile, 'latin1')).to.equal(`${child.pid}\n`);
    child.kill('SIGKILL');
    await ended;
    // The lock goes with its holder, whatever ended it.
    const third = spawn(process.execPath, [...nodeFlags, vkernelBin, '-p', pidFile], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const code = new Promise<number | null>((resolve) => third.on('exit', resolve));
    let text = '';
    third.stdout.on('data', (d: Buffer) => (text += d.toString('latin1')));
    for (let i = 0; i < 100 && !text.includes('halt'); i++) await new Promise((r) => setTimeout(r, 50));
    expect(readFileSync(pidFile, 'latin1')).to.equal(`${third.pid}\n`);
    third.stdin.write('halt\n');
    expect(await code).to.equal(0);
    expect(existsSync(pidFile)).to.equal(false);
  });

  it('says why a program cannot be run', () => {
    writeFileSync(join(dir, 'data'), 'just text\n');
    expect(vkernel(['run', './data'], { cwd: dir })).to.deep.equal({
      status: 126,
      stdout: '',
      stderr: 'vkernel: data: Permission denied\n',
    });
    chmodSync(join(dir, 'data'), 0o755);
    let r = vkernel(['run', './data'], { cwd: dir });
    expect(r.status).to.equal(126);
    expect(r.stderr).to.equal('vkernel: data: Exec format error: neither an ELF program nor a #! script\n');
    writeFileSync(join(dir, 'linux.c'), 'int main(void) { return 0; }\n');
    expect(spawnSync('gcc', ['-static', '-o', 'linux', 'linux.c'], { cwd: dir }).status).to.equal(0);
    r = vkernel(['run', './linux'], { cwd: dir });
    expect(r.status).to.equal(126);
    expect(r.stderr).to.equal('vkernel: linux: Exec format error: a Linux program, not a DragonFly one\n');
  });

  it('runs #! scripts', () => {
    writeFileSync(join(dir, 'script'), '#!/bin/sh\necho "$0" "$@"\n', { mode: 0o755 });
    expect(vkernel(['run', './script', 'a b', ''], { cwd: dir }).stdout).to.equal(`${dir}/script a b \n`);
  });

  it('exits with the status of the program, or 128 and the signal', () => {
    expect(run('exit 0').status).to.equal(0);
    expect(run('exit 255').status).to.equal(255);
    expect(run('kill -TERM $$').status).to.equal(143);
    expect(run('kill -SEGV $$').status).to.equal(139);
    expect(run('kill -KILL $$').status).to.equal(137);
  });

  it('ends when the program ends, though its children live', () => {
    const t0 = Date.now();
    expect(run('sleep 100 & exit 4').status).to.equal(4);
    expect(Date.now() - t0).to.be.lessThan(10000);
  });

  it('reads from pipes, files and /dev/null', () => {
    const big = 'a line of text\n'.repeat(100000);
    const r = vkernel(['run', sh, '-c', 'wc -c'], { cwd: dir, input: big });
    expect(r.stdout.trim()).to.equal(String(big.length));
    writeFileSync(join(dir, 'input'), big);
    expect(hostSh('$V run ./sh -c "tail -n +100000 | cat; sha256 /dev/null | wc -l" <input', dir).stdout).to.match(
      /^a line of text\n *1\n$/,
    );
    expect(hostSh('$V run ./sh -c "wc -c; echo end" </dev/null', dir).stdout).to.match(/^ *0\nend\n$/);
    expect(hostSh("(sleep 0.6; echo late) | $V run ./sh -c 'read x; echo got $x' 2>&1", dir).stdout).to.equal(
      'got late\n',
    );
  });

  it('writes what it is given, in order, to slow readers too', () => {
    const r = hostSh('$V run ./sh -c "seq 1 200000" | (sleep 0.5; sha256sum); seq 1 200000 | sha256sum', dir);
    const [a, b] = r.stdout.trim().split('\n');
    expect(a).to.equal(b);
  });

  it('gives SIGPIPE to a program whose reader has gone', () => {
    const r = hostSh(
      "set -o pipefail; $V run ./sh -c 'while :; do echo y; done' | head -1; echo ${PIPESTATUS[0]}",
      dir,
    );
    expect(r.stdout).to.equal('y\n141\n');
    expect(hostSh('$V run ./sh -c \'trap "" PIPE; sleep 0.3; echo x; echo $? >&2\' | true', dir).stderr).to.match(
      /Broken pipe[^]*\n1\n$/,
    );
  });

  it('reports errors of standard output, and lives without one', () => {
    const full = hostSh("$V run ./sh -c 'echo x; echo $? >&2' >/dev/full", dir);
    expect(full.stderr).to.match(/No space left on device\n1\n$/);
    // Node puts /dev/null where a standard descriptor is missing.
    const closed = hostSh("$V run ./sh -c 'echo x; echo $? >&2; cat; echo $? >&2' <&- >&-", dir);
    expect(closed.stderr).to.equal('0\n0\n');
  });

  it('passes only chosen variables', () => {
    const r = spawnSync(
      process.execPath,
      [...nodeFlags, vkernelBin, 'run', '--env', 'A=x y', '--env', 'B', sh, '-c', 'env'],
      {
        encoding: 'latin1',
        env: { ...process.env, B: 'from the caller', SECRET: 'no' },
      },
    );
    expect(r.stdout)
      .to.match(/^A=x y$/m)
      .and.to.match(/^B=from the caller$/m)
      .and.to.match(/^PATH=/m);
    expect(r.stdout).not.to.contain('SECRET');
  });

  it('starts in the working directory, which it can read and not write', () => {
    expect(run('pwd; cat here').stdout).to.equal(`${dir}\ncontent\n`);
    const r = run(
      'echo x >new; echo y >>here; rm here; mkdir d; mv here there; ln -s a b; chmod 0 here; truncate -s 0 here',
    );
    expect(r.stderr.match(/Read-only file system/g)?.length).to.equal(8);
    expect(readFileSync(join(dir, 'here'), 'latin1')).to.equal('content\n');
    expect(existsSync(join(dir, 'new'))).to.equal(false);
    mkdirSync(join(dir, 'elsewhere'));
    expect(vkernel(['run', '--cwd', join(dir, 'elsewhere'), sh, '-c', 'pwd'], { cwd: dir }).stdout).to.equal(
      `${dir}/elsewhere\n`,
    );
  });

  it('mounts host directories, and writes reach the host where they may', () => {
    const rw = join(dir, 'rw');
    mkdirSync(rw);
    writeFileSync(join(rw, 'old'), 'old content');
    const r = run(
      'cd /data && echo new >file && echo more >>file && mkdir d && mv file d/moved && ln -s moved d/link && ln d/moved hard &&' +
        ' chmod 600 d/moved && rm old && touch -t 202001020304.05 hard && dd if=/dev/zero of=big bs=64k count=40 2>/dev/null && sync',
      '--mount',
      `${rw}:/data:rw`,
    );
    expect(r).to.deep.include({ status: 0, stderr: '' });
    expect(readFileSync(join(rw, 'd/moved'), 'latin1')).to.equal('new\nmore\n');
    expect(readlinkSync(join(rw, 'd/link'))).to.equal('moved');
    expect(readdirSync(rw).sort()).to.deep.equal(['big', 'd', 'hard']);
    const st = spawnSync('stat', ['-c', '%a %h %Y', join(rw, 'hard')], { encoding: 'latin1', env: { TZ: 'UTC' } });
    expect(st.stdout).to.equal(`600 2 ${Date.UTC(2020, 0, 2, 3, 4, 5) / 1000}\n`);
    expect(readFileSync(join(rw, 'big')).equals(Buffer.alloc(40 * 65536))).to.equal(true);
    const ro = run('cat /data/d/link; echo x >/data/new', '--mount', `${rw}:/data`);
    expect(ro.stdout).to.equal('new\nmore\n');
    expect(ro.stderr).to.match(/Read-only file system/);
  });

  it('does not let a program out of a mount', () => {
    const inner = join(dir, 'inner');
    mkdirSync(inner);
    writeFileSync(join(dir, 'secret'), 'not mounted\n');
    spawnSync('ln', ['-s', '../../../../../../../../etc/hostname', join(inner, 'up')]);
    spawnSync('ln', ['-s', '/etc/hostname', join(inner, 'abs')]);
    const r = vkernel(
      [
        'run',
        '--mount',
        `${inner}:/m`,
        '--cwd',
        inner,
        sh,
        '-c',
        'cat /m/up /m/abs /m/../m/../etc/hostname; ls /m/..; cat /m/../secret',
      ],
      { cwd: inner },
    );
    const own = r.stdout.split('\n');
    expect(own[0]).to.equal(own[1]).and.to.equal(own[2]);
    expect(own[0]).not.to.equal(readFileSync('/etc/hostname', 'latin1').trim());
    expect(r.stdout).not.to.contain('not mounted');
  });

  it('is exited by SIGTERM as the program is', async () => {
    const child = spawn(process.execPath, [
      ...nodeFlags,
      vkernelBin,
      'run',
      sh,
      '-c',
      'trap "exit 9" TERM; echo up; while :; do sleep 0.05; done',
    ]);
    const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
    await new Promise((resolve) => child.stdout.once('data', resolve));
    child.kill('SIGTERM');
    expect(await ended).to.equal(9);
  });

  it('ends with a code of its own when the kernel panics', () => {
    const r = run('sysctl debug.panic=1; echo survived');
    expect(r.status).to.equal(134);
    expect(r.stderr).to.match(/^vkernel: panic: .*from sysctl debug\.panic\n/);
    expect(r.stdout).not.to.contain('survived');
  });

  it('traces system calls with --strace', () => {
    const r = run('cat here', '--strace');
    expect(r.stderr).to.match(/^\[\d+\.\d+\] open\("here", 0x[0-9a-f]+, 0x[0-9a-f]+\) = 3$/m);
    expect(r.stderr).to.match(/^\[\d+\.\d+\] read\(3, "content\\n", \d+\) = 8$/m);
  });

  it('holds a guest that allocates without end within -m', async function () {
    ccGuest(
      dir,
      'hog',
      `#include <stdlib.h>
#include <string.h>
#include <stdio.h>
int main(void) {
  for (long n = 0;; n++) {
    char *p = malloc(1 << 20);
    if (p == NULL) { printf("refused after %ld\\n", n); fflush(stdout); n--; continue; }
    memset(p, n + 1, 1 << 20);
  }
}
`,
    );
    const child = spawn(
      process.execPath,
      [...nodeFlags, vkernelBin, 'run', '-v', '-m', '64m', sh, '-c', './hog; echo hog $?; seq 1 1000 | tail -1'],
      { cwd: dir },
    );
    let out = '';
    let err = '';
    let peakKb = 0;
    child.stdout.on('data', (d: Buffer) => (out += d.toString('latin1')));
    child.stderr.on('data', (d: Buffer) => (err += d.toString('latin1')));
    const watch = setInterval(() => {
      try {
        const m = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${child.pid}/status`, 'latin1'));
        if (m !== null) peakKb = Math.max(peakKb, Number(m[1]));
      } catch {
        // It has ended.
      }
    }, 20);
    const limit = setTimeout(() => child.kill('SIGKILL'), 30000);
    await new Promise((resolve) => child.on('close', resolve));
    clearInterval(watch);
    clearTimeout(limit);
    expect(out, err).to.match(/hog 137\n1000\n$/);
    expect(err).to.match(/pid \d+ \(hog\), uid 0: out of memory, killed/);
    expect(peakKb)
      .to.be.greaterThan(32 * 1024)
      .and.lessThan((64 + 190) * 1024);
  });
});
