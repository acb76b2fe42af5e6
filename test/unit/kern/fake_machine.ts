/** The least of a machine for tests of the scheduling room: a clock set by hand, and a console that collects. */
import { setGlobalData, type GlobalData } from '../../../vkernel/sys/globaldata.js';
import type { Machine } from '../../../vkernel/machine/machine.js';
import { lwktDispatch, lwktInit } from '../../../vkernel/kern/lwkt_thread.js';
import { prfInit } from '../../../vkernel/kern/subr_prf.js';

export class FakeMachine {
  nowNs = 0;
  output = '';
  readonly ncpus: number;
  readonly console = {
    isatty: false,
    write: (d: Uint8Array): void => {
      this.output += String.fromCharCode(...d);
    },
    size: () => ({ rows: 24, cols: 80, xpixel: 0, ypixel: 0 }),
  };
  constructor(ncpus: number) {
    this.ncpus = ncpus;
  }
  now(): number {
    return this.nowNs;
  }
  /** Let time pass and run what is due. */
  advance(ns: number): void {
    this.nowNs += ns;
    run();
  }
}

/** Run threads until none is runnable. */
export function run(): void {
  while (lwktDispatch(1e15));
}

/** A kernel with threads and callouts and nothing else. */
export function bootFake(ncpus = 1): FakeMachine {
  const m = new FakeMachine(ncpus);
  setGlobalData({ machine: m as unknown as Machine } as GlobalData);
  prfInit();
  lwktInit(ncpus);
  return m;
}
