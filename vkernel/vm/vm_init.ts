/**
 * Start of the virtual memory system: called once at boot, after setGlobalData and sysctlInit.
 *
 * Counterpart: sys/vm/vm_init.c
 */
import { gd } from '../sys/globaldata.js';
import { vmMeterInit } from './vm_meter.js';
import { vmReclaim } from './vm_pageout.js';
import { VmSystem } from './vm_system.js';

export function vmInit(): void {
  gd.vm = new VmSystem();
  gd.vm.reclaim = vmReclaim;
  // Absent in tests of this room alone.
  if (gd.sysctl !== undefined) vmMeterInit();
}
