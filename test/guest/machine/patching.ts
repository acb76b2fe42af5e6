/** What the VM does for patched call sites, for tests without a VM. */
import type { MachVmspace } from '../../../vkernel/machine/machine.js';
import { CODE, Prot, type Rig } from './harness.js';

export const TRAMPOLINES = 0x480000;

/** Patch every `syscall` of the program at CODE that has a known shape; the number of them. */
export function patchPage(rig: Rig, v: MachVmspace, text: number, bytes: Uint8Array): number {
  const patcher = v.patcher;
  if (!patcher) throw new Error('no patcher');
  const page = rig.page();
  let count = 0;
  for (let i = 5; i + 1 < bytes.length; i++) {
    if (bytes[i] !== 0x0f || bytes[i + 1] !== 5) continue;
    const nr = new DataView(bytes.buffer).getUint32(i - 4, true);
    const at = count * patcher.slotBytes;
    const plan = patcher.plan(bytes.subarray(Math.max(0, i - 16), i), nr, CODE + i, TRAMPOLINES + at);
    if (!plan) continue;
    rig.m.ram.write(page * 4096 + at, plan.trampoline, 0, plan.trampoline.length);
    rig.m.ram.write(text * 4096 + (plan.at - CODE), plan.bytes, 0, plan.bytes.length);
    count++;
  }
  v.map(TRAMPOLINES, page, 1, Prot.READ | Prot.EXEC);
  return count;
}
