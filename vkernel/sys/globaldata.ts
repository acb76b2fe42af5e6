/**
 * gd: the state of the kernel that is running now.
 *
 * Every room keeps its state in one object and adds a member here by declaration merging, so lower rooms need not
 * know upper ones. One kernel runs at a time in the JavaScript thread; tests boot many, one after the other or
 * interleaved: whoever enters a kernel (its machine handlers) calls setGlobalData first.
 */
import type { Machine } from '../machine/machine.js';

export interface GlobalData {
  readonly machine: Machine;
}

/** The current kernel. */
export let gd: GlobalData = null as unknown as GlobalData;

export function setGlobalData(next: GlobalData): void {
  gd = next;
}
