/**
 * Boots in a row, and kernels killed in the middle of work: nothing is left on the host.
 */
import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { guestSh, nodeFlags, scratchDir, vkernelBin } from './guest.js';
import { descendants, gone, holders, traces } from './processes.js';

/** What keeps a kernel busy: processes that come and go, pipes, files, memory. */
const work = `
for i in 1 2 3; do
  ( while :; do seq 1 500 | sort -r | tail -1 >/tmp/out.$i; cp /bin/sh /tmp/copy.$i; rm /tmp/copy.$i; done ) &
done
echo working
wait
`;

interface Kernel {
  pid: number;
  out: () => string;
  ended: Promise<number | string | null>;
  kill: (signal: NodeJS.Signals) => void;
}

function start(args: string[], cwd: string): Kernel {
  const child = spawn(process.execPath, [...nodeFlags, vkernelBin, ...args], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  child.stdout.on('data', (d: Buffer) => (text += d.toString('latin1')));
  child.stderr.on('data', (d: Buffer) => (text += d.toString('latin1')));
  return {
    pid: child.pid ?? -1,
    out: () => text,
    ended: new Promise((resolve) => child.on('close', (code, signal) => resolve(code ?? signal))),
    kill: (signal) => child.kill(signal),
  };
}

/** Register the tests: `boots` in a row, `kills` of working kernels. */
export function lifetime(boots: number, kills: number): void {
  let dir = '';
  let sh = '';
  let was: string[] = [];
  before(() => {
    dir = scratchDir();
    sh = guestSh(dir);
    was = traces();
  });

  it(`${boots} boots in a row leave nothing`, async () => {
    for (let i = 0; i < boots; i++) {
      const k = start(['run', sh, '-c', 'echo up; seq 1 50 | tail -1; sleep 0.05; exit 7'], dir);
      const seen = new Set<number>();
      const watch = setInterval(() => descendants(k.pid).forEach((p) => seen.add(p)), 30);
      const code = await k.ended;
      clearInterval(watch);
      expect(code, k.out()).to.equal(7);
      expect(k.out()).to.equal('up\n50\n');
      expect(seen.size).to.be.greaterThan(0);
      expect(await gone([...seen]), `boot ${i}`).to.deep.equal([]);
    }
    expect(traces().filter((f) => !was.includes(f))).to.deep.equal([]);
  });

  it(`${kills} kernels killed by SIGKILL in the middle of work leave nothing`, async () => {
    for (let i = 0; i < kills; i++) {
      const k = start(['run', '-n', '2', sh, '-c', work], dir);
      while (!k.out().includes('working')) await new Promise((r) => setTimeout(r, 10));
      await new Promise((r) => setTimeout(r, (i * 37) % 200));
      // Until the moment of the kill: processes that come and go may be missed by one look.
      const below = new Set([...descendants(k.pid), ...descendants(k.pid)]);
      expect(holders([...below]).length).to.be.greaterThan(2);
      k.kill('SIGKILL');
      expect(await k.ended).to.equal('SIGKILL');
      expect(await gone([...below]), `kernel ${i}`).to.deep.equal([]);
    }
    expect(traces().filter((f) => !was.includes(f))).to.deep.equal([]);
  });
}
