/**
 * Hostile guests, at the kernel's level: C programs of this directory, one after the other in the same boot. Whatever they
 * do to themselves, the kernel goes on, the next program runs as if nothing had been, and the host is untouched.
 */
import { expect } from 'chai';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ccTest, guestBatch, scratchDir } from '../support/guest.js';

/** What each program is and its arguments in the ordinary run. `npm run test:long` has longer ones. */
export const programs: [name: string, args: string, what: string][] = [
  ['overmap', '', 'maps, unmaps and protects over the stub and above the user range'],
  ['doors', '', 'tries int 0x80, sysenter, vsyscall, privileged instructions and compatibility mode'],
  ['wild', '', 'gives wild pointers to every system call'],
  ['linuxcalls', '@CANARY', "uses every number with a Linux program's arguments"],
  ['badexec', '120', 'executes programs with damaged headers'],
  ['stubjump', '0 5 6000', 'jumps into the stub'],
  ['scribble', '20', 'writes over trap frames and slots from a second thread'],
  ['limits', '10000', 'goes to the limits of stack, address space, threads and processes'],
];

export function hostile(list: typeof programs, timeoutMs: number): void {
  let results: ReturnType<typeof guestBatch>;
  let canary = '';
  const was = new Map<string, string>();

  const snapshot = (): [string, string][] =>
    readdirSync(canary).map((f) => {
      const st = statSync(join(canary, f));
      return [f, `${st.mode} ${st.mtimeMs} ${st.size} ${readFileSync(join(canary, f), 'latin1')}`];
    });

  before(() => {
    const dir = scratchDir();
    canary = scratchDir();
    writeFileSync(join(canary, 'file'), 'sing\n', { mode: 0o600 });
    for (const [f, s] of snapshot()) was.set(f, s);
    for (const [name] of list) ccTest(dir, `hostile/${name}`);
    const commands: [string, string][] = [];
    for (const [name, args] of list) {
      commands.push([name, `exec ./${name} ${args.replace('@CANARY', join(canary, 'file'))}`]);
      commands.push([
        `after-${name}`,
        'seq 1 300 | sort -rn | head -1; ls / | wc -l; (sleep 0.01 & wait); ps -ax | wc -l',
      ]);
    }
    results = guestBatch(dir, commands, { both: true, timeoutMs, flags: ['-m', '512m', '-n', '2'] });
  });

  for (const [name, , what] of list)
    it(`${name}: ${what}`, () => {
      const r = results.get(name);
      expect(r?.output, r?.output).not.to.match(/^not ok/m);
      expect(r?.output, r?.output).to.match(/^1\.\.[1-9]\d*$/m);
      expect(r?.status).to.equal(0);
      const after = results.get(`after-${name}`)?.output.trim().split(/\s+/).map(Number) ?? [];
      expect(after[0]).to.equal(300);
      expect(after[1]).to.be.greaterThan(8);
      expect(after[2], 'processes left over').to.be.lessThan(12);
    });

  it('has touched nothing on the host', () => {
    expect(new Map(snapshot())).to.deep.equal(was);
  });
}
