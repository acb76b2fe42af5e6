/** A process's address space. (Room head; the VM fills it in.) */
import type { MachVmspace } from '../machine/machine.js';

export interface Vmspace {
  readonly mach: MachVmspace;
}
