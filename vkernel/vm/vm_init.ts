/**
 * Start of the virtual memory system: called once at boot, after setGlobalData.
 *
 * Counterpart: sys/vm/vm_init.c
 */
import { gd } from '../sys/globaldata.js';
import { vmReclaim } from './vm_pageout.js';
import { VmSystem } from './vm_system.js';

export function vmInit(): void {
  gd.vm = new VmSystem();
  gd.vm.reclaim = vmReclaim;
}
