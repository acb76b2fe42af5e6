import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { code, Resume, Rig, sys } from './harness.js';

const child = fileURLToPath(new URL('./leak_child.js', import.meta.url));

/** Living processes (zombies wait for the host's init and hold nothing) in the groups that children of `root` lead. */
function stubsOf(groups: Set<number>): number[] {
  const out: number[] = [];
  for (const d of readdirSync('/proc')) {
    if (!/^\d+$/.test(d)) continue;
    try {
      const f = readFileSync(`/proc/${d}/stat`, 'latin1').split(') ')[1].split(' ');
      if (f[0] !== 'Z' && f[0] !== 'X' && groups.has(Number(f[2]))) out.push(Number(d));
    } catch {
      // Gone meanwhile.
    }
  }
  return out;
}
function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((d) => /^\d+$/.test(d))
    .map(Number)
    .filter((p) => {
      try {
        return Number(readFileSync(`/proc/${p}/stat`, 'latin1').split(') ')[1].split(' ')[1]) === pid;
      } catch {
        return false;
      }
    });
}
const shared = (): string[] => [
  ...readdirSync('/dev/shm'),
  ...readdirSync(tmpdir()).filter((f) => /vkernel|vkstub/.test(f)),
];

describe('nothing is left behind', function () {
  this.timeout(60000);

  it('by a kernel that is killed in the middle of work, 20 times', async () => {
    const files = shared();
    for (let i = 0; i < 20; i++) {
      const p = spawn(process.execPath, [child], { stdio: ['ignore', 'pipe', 'inherit'] });
      await new Promise<void>((resolve, reject) => {
        p.stdout.once('data', () => resolve());
        p.once('exit', (c) => reject(new Error(`ended: ${c}`)));
      });
      const groups = new Set(childrenOf(p.pid!));
      expect(groups.size).to.be.at.least(1);
      expect(stubsOf(groups).length).to.be.at.least(5);
      p.removeAllListeners('exit');
      const ended = new Promise((r) => p.once('exit', r));
      p.kill('SIGKILL');
      await ended;
      const limit = Date.now() + 3000;
      while (stubsOf(groups).length > 0 && Date.now() < limit) await new Promise((r) => setTimeout(r, 5));
      expect(stubsOf(groups)).to.deep.equal([]);
    }
    expect(shared()).to.deep.equal(files);
  });

  it('by 30 machines one after the other in one process: descriptors, threads, mappings, processes', async () => {
    const count = (): { fds: number; threads: number; zombies: number } => ({
      fds: readdirSync('/proc/self/fd').filter((f) => {
        try {
          return /memfd|pidfd|socket|eventfd/.test(readlinkSync(`/proc/self/fd/${f}`));
        } catch {
          return false;
        }
      }).length,
      threads: readdirSync('/proc/self/task').length,
      zombies: childrenOf(process.pid).length,
    });
    const one = async (): Promise<void> => {
      const rig = new Rig(16 << 20);
      rig.start();
      const { l, v } = rig.program(code(sys(1)));
      const t = rig.lwp(v);
      l.resume(Resume.RUN);
      await rig.next();
      t.release();
      await rig.stop();
    };
    await one();
    const before = count();
    for (let i = 0; i < 30; i++) await one();
    expect(count()).to.deep.equal(before);
  });
});
