/** The host machine's door: createHostMachine(). */
import { HostMachine, type HostMachineOptions } from './host_machine.js';

export { HostMachine, type HostMachineOptions } from './host_machine.js';
export { HostDiskError, type HostDiskOptions } from './host_disk.js';
export type { MachineLog } from './core.js';

/**
 * Make a machine on this host. Throws a plain Error with one line of text when the host refuses (memory, disk files,
 * processes); the caller prints it.
 */
export function createHostMachine(options: HostMachineOptions): HostMachine {
  return new HostMachine(options);
}
