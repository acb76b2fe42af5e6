/** Assertion of the VM room: what fails here is a bug of the kernel, never the guest's doing. */
export function VMASSERT(cond: boolean, msg: string): void {
  if (!cond) throw new Error(`vm: ${msg}`);
}
