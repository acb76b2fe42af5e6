/**
 * Kernel-only processes by the hundred thousand: `node scale_child.js COUNT` makes COUNT of them on the simulated machine,
 * times fork, exit and wait with 1,000 and with nine tenths of COUNT alive, and prints one line of JSON.
 */
import { fdshare } from '../../vkernel/kern/kern_descrip.js';
import { kernWaitTry, procExit } from '../../vkernel/kern/kern_exit.js';
import { newChild, procInsert } from '../../vkernel/kern/kern_fork.js';
import { newSession } from '../../vkernel/kern/kern_prot.js';
import { type Proc, pfind, pgfind } from '../../vkernel/kern/proc.js';
import { Errno } from '../../vkernel/sys/errno.js';
import { gd } from '../../vkernel/sys/globaldata.js';
import { vmspaceRef } from '../../vkernel/vm/vmspace.js';
import { bootSim } from './kit.js';

export interface ScaleResult {
  alive: number;
  /** ns for fork + exit + wait of one process, with 1,000 and with 9/10 of all alive. */
  forkNs: [few: number, many: number];
  /** ns for finding a process, its group and its session. */
  findNs: [few: number, many: number];
  heapMb: number;
  rssMb: number;
}

function fork(p: Proc): Proc {
  vmspaceRef(p.vm);
  const c = newChild(p, p.vm, fdshare(p), 0);
  if (c instanceof Errno) throw new Error(`fork with ${gd.allproc.size} processes: ${c.text}`);
  procInsert(c, p);
  return c;
}

const time = (n: number, f: (i: number) => void): number => {
  const start = process.hrtime.bigint();
  for (let i = 0; i < n; i++) f(i);
  return Number(process.hrtime.bigint() - start) / n;
};

/** The median of some rounds: a collection of the whole heap may fall into one of them. */
function median(rounds: number, f: () => number): number {
  const all = Array.from({ length: rounds }, f).sort((a, b) => a - b);
  return all[rounds >> 1];
}

export function scale(count: number): ScaleResult {
  bootSim({ seed: 1, init: function* () {} });
  // Enough of the boot for process 1 to exist.
  const { sim } = { sim: gd.machine as unknown as { runUntil(f: () => boolean): void } };
  sim.runUntil(() => gd.initproc !== null && gd.initproc.lwps.size > 0);
  const init = gd.initproc as Proc;
  gd.maxproc = count * 2;
  gd.pidMax = count * 4;
  const pids: number[] = [];
  const grow = (to: number): void => {
    while (gd.allproc.size < to) {
      // A third lead sessions of their own.
      const c = fork(init);
      if (c.pid % 3 === 0) newSession(c);
      pids.push(c.pid);
    }
  };
  const cycle = (): number =>
    median(9, () =>
      time(5000, () => {
        const c = fork(init);
        c.fd.refs--;
        procExit(c, 7 << 8);
        const w = kernWaitTry(init, c.pid);
        if (w !== 7 << 8) throw new Error(`wait for ${c.pid}: ${String(w)}`);
      }),
    );
  let seed = 1;
  const find = (): number =>
    median(9, () =>
      time(5000, () => {
        seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
        const pid = pids[seed % pids.length];
        const p = pfind(pid);
        if (p === null || pgfind(p.pgrp.id) !== p.pgrp || p.pgrp.session.sid === 0) throw new Error(`lost ${pid}`);
      }),
    );
  grow(1000);
  // The compiler gets its turn first.
  for (let i = 0; i < 3; i++) cycle();
  find();
  const few: [number, number] = [cycle(), find()];
  grow(Math.floor(count * 0.9));
  const many: [number, number] = [cycle(), find()];
  grow(count);
  const rssMb = process.resourceUsage().maxRSS / 1024;
  return {
    alive: gd.allproc.size,
    forkNs: [few[0], many[0]],
    findNs: [few[1], many[1]],
    heapMb: process.memoryUsage().heapUsed / 2 ** 20,
    rssMb,
  };
}

const arg = process.argv[2];
if (process.argv[1].endsWith('scale_child.js') && arg !== undefined)
  process.stdout.write(JSON.stringify(scale(Number(arg))) + '\n');
