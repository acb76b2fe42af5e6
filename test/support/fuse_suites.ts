/**
 * Linux's own suites on a mounted image, each in two sizes: small for every run of the tests, large for the long ones. Each
 * works on a fresh file system, and ends with an unmount and a clean fsck_hammer2 (of another hand than the library).
 */
import { expect } from 'chai';
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { top } from '../guest/support/guest.js';
import { Served, umountOk, unmountAll, whyNoFuse } from './fuse_mount.js';

export const sh = (script: string, env: NodeJS.ProcessEnv = {}): string => {
  const r = spawnSync('bash', ['-euo', 'pipefail', '-c', script], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C', ...env },
    maxBuffer: 64 * 2 ** 20,
  });
  if (r.status !== 0) throw new Error(`${script}\nexit ${r.status ?? r.signal}: ${r.stderr}${r.stdout}`.slice(0, 4000));
  return r.stdout;
};
const has = (program: string): boolean => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
const tool = (name: string, args: string[]): { status: number | null; text: string } => {
  const r = spawnSync(process.execPath, [join(top, 'dist/tools', `${name}.js`), ...args], { encoding: 'utf8' });
  return { status: r.status, text: r.stdout + r.stderr };
};

/** Directories of the host on which a user other than root may look. */
class Bench {
  readonly dir = mkdtempSync(join(tmpdir(), 'vkernel-fuse-'));
  readonly mnt = join(this.dir, 'mnt');
  readonly img = join(this.dir, 'a.img');
  constructor() {
    chmodSync(this.dir, 0o755);
    mkdirSync(this.mnt);
  }
  newfs(size: string, ...args: string[]): void {
    rmSync(this.img, { force: true });
    const r = tool('newfs_hammer2', ['-q', '-s', size, '-L', 'DATA', ...args, this.img]);
    expect(r.status, r.text).to.equal(0);
  }
  serve(...args: string[]): Promise<Served> {
    return Served.start([...args, this.img], this.mnt);
  }
  /** Unmounted, and nothing wrong. */
  async clean(s: Served): Promise<void> {
    umountOk(this.mnt);
    expect(await s.end).to.equal(0);
    this.check();
  }
  check(): void {
    const r = tool('fsck_hammer2', [this.img]);
    expect(r.status, r.text).to.equal(0);
  }
  end(): void {
    unmountAll([this.mnt]);
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Paths, kinds, modes, owners, sizes, links, times (as fine as HAMMER2 has them) and contents of a tree. */
export const describeTree = (dir: string): string =>
  sh(`cd '${dir}'; { find . \\( -type f -printf '%p f %m %U %G %s %n %T@\\n' -o -type l -printf '%p l %U %G %l %T@\\n' \\
      -o -printf '%p %y %m %U %G %T@\\n' \\) | sed -E 's/(\\.[0-9]{6})[0-9]+$/\\1/' | sort
      find . -type f -print0 | sort -z | xargs -0r sha256sum; } | sha256sum`);

export function suites(large: boolean): void {
  let b: Bench;
  before(function () {
    const why = whyNoFuse();
    if (why !== null) {
      console.log(`    skipped: ${why}`);
      this.skip();
    }
  });
  beforeEach(() => (b = new Bench()));
  afterEach(() => b.end());

  /** A test that needs programs of the host. */
  const needs = (programs: string[], title: string, f: () => Promise<void>): void => {
    it(title, async function () {
      const none = programs.filter((p) => !has(p));
      if (none.length > 0) {
        console.log(`    skipped: no ${none.join(', ')}`);
        this.skip();
      }
      await f();
    });
  };

  const dirs = large ? 50 : 5;
  needs(['git'], `git: clone, status, gc, fsck and checkout of ${dirs * 100} files`, async () => {
    const repo = join(b.dir, 'repo');
    sh(`git init -q '${repo}'; cd '${repo}'; git config user.email t@example.org; git config user.name t
        for d in $(seq ${dirs}); do mkdir d$d; for f in $(seq 100); do echo "file $d $f" > d$d/f$f; done; done
        git add -A; git commit -qm one; for d in $(seq ${dirs}); do echo more >> d$d/f7; done; git commit -qam two`);
    b.newfs('4g');
    let s = await b.serve();
    const clone = join(b.mnt, 'clone');
    expect(
      sh(`git clone -q 'file://${repo}' '${clone}'; cd '${clone}'; git status --short; git fsck --full 2>&1`),
    ).to.equal('');
    sh(
      `cd '${clone}'; git gc -q; git checkout -q HEAD~1; git checkout -q -; echo x > d1/new; test $(git status --short | wc -l) = 1; rm d1/new`,
    );
    await b.clean(s);
    s = await b.serve();
    expect(sh(`cd '${clone}'; git status --short; git fsck --full 2>&1`)).to.equal('');
    expect(sh(`diff -r -x .git '${clone}' '${repo}'`)).to.equal('');
    await b.clean(s);
  });

  const mb = large ? 128 : 8;
  const jobs = [
    ['random writes of 4 KB', '--rw=randwrite --bs=4k --ioengine=psync --fsync=500'],
    ['mixed, odd sizes', '--rw=randrw --bs=13k --ioengine=psync --fsync=500'],
    ['in order', '--rw=write --bs=256k --ioengine=psync --end_fsync=1'],
    ['direct', '--rw=randrw --bs=4k --direct=1 --ioengine=libaio --iodepth=8'],
    ['through a mapping', '--rw=randrw --bs=4k --ioengine=mmap'],
  ];
  needs(['fio'], `fio --verify, ${mb} MB in five ways, compression on and off`, async () => {
    for (const comp of ['lz4', 'none']) {
      b.newfs('4g', '-C', comp);
      const s = await b.serve(...(comp === 'none' ? ['-o', 'writeback'] : []));
      for (const [title, args] of jobs) {
        const common = `--directory='${b.mnt}' --size=${mb}m --verify=crc32c --verify_fatal=1 --numjobs=2 --minimal`;
        sh(`cd '${b.dir}'; fio --name=v --buffer_compress_percentage=40 ${args} ${common} >'${b.dir}/fio.out' 2>&1 || { echo '${title}'; cat '${b.dir}/fio.out'; exit 1; }
            rm '${b.mnt}'/v.*`);
      }
      await b.clean(s);
    }
  });

  const rounds = large ? 10 : 2;
  needs(
    ['sqlite3'],
    `sqlite: the file system killed ${rounds} times in the middle, nothing committed is lost`,
    async () => {
      const db = join(b.mnt, 'db');
      for (const mode of ['delete', 'wal']) {
        b.newfs('2g');
        let last = 0;
        for (let round = 0; round < rounds; round++) {
          const s = await b.serve();
          // "extra": also the removal of the journal is synced, which is the commit.
          const writer = spawn(
            'bash',
            [
              '-c',
              `pre='pragma synchronous=extra; '
           sqlite3 '${db}' "pragma journal_mode=${mode}; create table if not exists t(i integer primary key, x text)" >/dev/null
           i=${last}; while :; do i=$((i+1)); sqlite3 '${db}' "$pre insert into t values($i, hex(randomblob(500)))" || exit 0; echo $i; done`,
            ],
            { stdio: ['ignore', 'pipe', 'ignore'] },
          );
          let text = '';
          writer.stdout.on('data', (d: Buffer) => (text += d.toString()));
          const ended = new Promise((r) => writer.on('close', r));
          await new Promise((r) => setTimeout(r, 400 + Math.floor(Math.random() * (large ? 3000 : 400))));
          await s.kill();
          await ended;
          b.check();
          const committed = Number(text.trimEnd().split('\n').at(-1) ?? last) || last;
          const again = await b.serve();
          expect(sh(`sqlite3 '${db}' 'pragma integrity_check'`).trim()).to.equal('ok');
          const [max, count] = sh(`sqlite3 '${db}' 'select coalesce(max(i),0), count(*) from t'`)
            .trim()
            .split('|')
            .map(Number);
          // One more than told may be there: committed, and killed before it was said.
          expect(max).to.be.within(committed, committed + 1);
          expect(count).to.equal(max);
          last = max;
          await b.clean(again);
        }
      }
    },
  );

  const pg = (): string | null => {
    try {
      const v = readdirSync('/usr/lib/postgresql')
        .sort((x, y) => Number(x) - Number(y))
        .at(-1);
      return v === undefined ? null : `/usr/lib/postgresql/${v}/bin`;
    } catch {
      return null;
    }
  };
  it('postgres: initdb, pgbench, killed and recovered', async function () {
    const bin = pg();
    if (bin === null || process.geteuid?.() !== 0 || !has('pgbench')) {
      console.log('    skipped: no postgres, or not root');
      this.skip();
    }
    const port = 40000 + (process.pid % 20000);
    const data = join(b.mnt, 'pg');
    const as = (cmd: string): string => sh(`cd /; su postgres -c ${JSON.stringify(cmd)}`);
    const client = `-h '${b.dir}/run' -p ${port} postgres`;
    const start = (): void =>
      void as(`${bin}/pg_ctl -w -D ${data} -o '-p ${port} -k ${b.dir}/run' -l ${b.dir}/run/log start >/dev/null`);
    b.newfs('4g');
    mkdirSync(join(b.dir, 'run'));
    sh(`chown postgres '${b.dir}/run'`);
    let s = await b.serve('-o', 'allow_other');
    sh(`mkdir '${data}'; chown postgres '${data}'; chmod 700 '${data}'`);
    as(`${bin}/initdb -D ${data} >/dev/null`);
    start();
    as(`pgbench -q -i -s ${large ? 10 : 1} ${client} 2>/dev/null`);
    as(`pgbench -c 4 -T ${large ? 30 : 3} ${client}`);
    // The server loses its disk under load; what it finds again is what it had committed.
    const load = spawn('su', ['postgres', '-c', `pgbench -c 4 -T 60 ${client}`], { stdio: 'ignore', cwd: '/' });
    await new Promise((r) => setTimeout(r, large ? 5000 : 1000));
    const pidText = sh(`head -1 '${data}/postmaster.pid'`).trim();
    s.child.kill('SIGKILL');
    await s.end;
    sh(
      `kill -QUIT ${pidText} || true; for i in $(seq 100); do kill -0 ${pidText} 2>/dev/null || break; sleep 0.1; done`,
    );
    load.kill('SIGKILL');
    umountOk(b.mnt);
    b.check();
    s = await b.serve('-o', 'allow_other');
    sh(`rm -f '${data}/postmaster.pid'`);
    start();
    // Each transaction moves the same amount in three tables.
    const sum = (what: string): string => `(select sum(${what[0]}balance) from pgbench_${what})`;
    const sums = as(`psql -At -c 'select ${sum('accounts')}, ${sum('tellers')}, ${sum('branches')}' ${client}`);
    expect(sums.trim()).to.match(/^(-?\d+)\|\1\|\1$/);
    as(`psql -c 'create extension amcheck' ${client} >/dev/null; ${bin}/pg_amcheck ${client}`);
    as(`${bin}/pg_ctl -w -D ${data} stop >/dev/null`);
    await b.clean(s);
  });

  if (large) {
    needs(['stress-ng'], 'stress-ng: the file system class', async () => {
      b.newfs('8g');
      const s = await b.serve();
      // Without those that look at the host's own /proc and /sys: they never touch the temporary directory, and hang on
      // some hosts.
      const not = 'procfs,sysfs,binderfs';
      const out = sh(
        `stress-ng --class filesystem -x ${not} --sequential 1 -t 3 --verify --temp-path '${b.mnt}' 2>&1 || true`,
      );
      // Linux refuses through FUSE what these want (no device of binders, no extent maps, no fs-verity).
      expect(out.split('\n').filter((l) => /\bfail(ed|ures)?\b/i.test(l) && !/skipp/.test(l))).to.deep.equal([]);
      expect(readdirSync(b.mnt)).to.deep.equal([]);
      await b.clean(s);
    });
    needs(['dbench'], 'dbench', async () => {
      b.newfs('8g');
      const s = await b.serve();
      expect(sh(`dbench -D '${b.mnt}' -t 30 -c /usr/share/dbench/client.txt 8 2>&1`)).to.match(/Throughput/);
      await b.clean(s);
    });
  }

  const tree = large ? '/usr/share' : join(top, 'vkernel');
  needs(['rsync'], `tar and rsync of ${large ? tree : 'the sources'}, and back`, async () => {
    b.newfs('8g');
    let s = await b.serve();
    sh(`cd '${b.mnt}'; mkdir a b; tar --format=posix -C '${tree}' -cf - . | tar -C a -xpf -; rsync -aH '${tree}/' b/`);
    await b.clean(s);
    s = await b.serve('-o', 'ro');
    const want = describeTree(tree);
    expect(describeTree(join(b.mnt, 'a'))).to.equal(want);
    expect(describeTree(join(b.mnt, 'b'))).to.equal(want);
    await b.clean(s);
  });
}
