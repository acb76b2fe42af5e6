/**
 * Memory statistics: sysctls vm.vmstats, vm.vmmeter, vm.vmtotal and those of the swap, which there is none of.
 *
 * Layouts: dragonfly-abi.md 3.9. Counterpart: sys/vm/vm_meter.c
 */
import { sysctlAdd } from '../kern/kern_sysctl.js';
import { gd } from '../sys/globaldata.js';
import { PQ } from './vm_pages.js';

const VMSTATS_SIZE = 256;
const VMMETER_SIZE = 224;
const VMTOTAL_SIZE = 112;

/** Pages in use as DragonFly counts them. Anonymous pages are on no queue here; they count as active. */
function usage(): { free: number; wired: number; active: number; inactive: number; cache: number } {
  const { pages } = gd.vm;
  const free = pages.freeCount + pages.qcount[PQ.LIMBO];
  const inactive = pages.qcount[PQ.INACTIVE];
  const cache = pages.qcount[PQ.CACHE];
  // What belongs to no object is the kernel's own.
  const wired = pages.wireCount;
  return { free, wired, inactive, cache, active: pages.npages - free - inactive - cache - wired };
}

/** struct vmstats */
export function vmstatsBytes(): Uint8Array {
  const vm = gd.vm;
  const b = new Uint8Array(VMSTATS_SIZE);
  const v = new DataView(b.buffer);
  const put = (at: number, n: number): void => v.setBigInt64(at, BigInt(Math.round(n)), true);
  const u = usage();
  v.setUint32(0, 4096, true);
  put(8, vm.pages.npages); // v_page_count
  put(16, vm.freeReserved / 2); // v_free_severe
  put(24, vm.freeReserved); // v_free_reserved
  put(32, vm.freeMin); // v_free_min
  put(40, vm.freeTarget); // v_free_target
  put(48, vm.freeTarget); // v_inactive_target
  put(56, vm.freeReserved); // v_paging_wait
  put(64, vm.freeMin); // v_paging_start
  put(72, vm.freeTarget); // v_paging_target1
  put(80, vm.freeTarget); // v_paging_target2
  put(88, vm.freeReserved); // v_pageout_free_min
  put(96, 0); // v_interrupt_free_min
  put(136, u.free); // v_free_count
  put(144, u.wired); // v_wire_count
  put(152, u.active); // v_active_count
  put(160, u.inactive); // v_inactive_count
  put(168, u.cache); // v_cache_count
  return b;
}

/** struct vmmeter, as far as this room and the thread scheduler count. */
export function vmmeterBytes(): Uint8Array {
  const c = gd.vm.counters;
  const b = new Uint8Array(VMMETER_SIZE);
  const v = new DataView(b.buffer);
  const put = (at: number, n: number): void => v.setUint32(at, n % 0x1_0000_0000, true);
  put(0, gd.lwkt.switches); // v_swtch
  put(28, c.vmFaults);
  put(32, c.cowFaults);
  put(36, c.cowOptim);
  put(40, c.zfod);
  put(44, c.ozfod);
  put(64, c.vnodein);
  put(68, c.vnodeout);
  put(72, c.vnodepgsin);
  put(76, c.vnodepgsout);
  put(84, c.reactivated);
  put(88, c.pdwakeups);
  put(92, c.pdpages);
  put(96, c.dfree);
  put(100, c.pfree);
  put(104, c.dfree + c.pfree); // v_tfree
  put(108, c.forks);
  put(128, c.forkpages);
  return b;
}

/** struct vmtotal, in pages. Thread counts (t_rq .. t_sw) are left 0: the scheduler's own sysctls have them. */
export function vmtotalBytes(): Uint8Array {
  const vm = gd.vm;
  const b = new Uint8Array(VMTOTAL_SIZE);
  const v = new DataView(b.buffer);
  const put = (at: number, n: number): void => v.setBigInt64(at, BigInt(Math.round(n)), true);
  let virt = 0;
  for (const s of vm.vmspaces) virt += s.map.size / 4096;
  let real = 0;
  let shared = 0;
  let sharedVirt = 0;
  for (const o of vm.objects) {
    if (o === null) continue;
    real += o.resident;
    if (o.refs > 1) {
      shared += o.resident;
      sharedVirt += o.sizeBytes / 4096;
    }
  }
  put(40, virt); // t_vm
  put(48, virt); // t_avm: without swap, whatever is mapped is active
  put(56, real); // t_rm
  put(64, real); // t_arm
  put(72, sharedVirt); // t_vmshr
  put(80, sharedVirt); // t_avmshr
  put(88, shared); // t_rmshr
  put(96, shared); // t_armshr
  put(104, usage().free); // t_free
  return b;
}

export function vmMeterInit(): void {
  sysctlAdd({ name: 'vm.vmstats', kind: 'opaque', fmt: 'S,vmstats', get: vmstatsBytes, descr: 'VM statistics' });
  sysctlAdd({ name: 'vm.vmmeter', kind: 'opaque', fmt: 'S,vmmeter', get: vmmeterBytes, descr: 'VM counters' });
  sysctlAdd({ name: 'vm.vmtotal', kind: 'opaque', fmt: 'S,vmtotal', get: vmtotalBytes, descr: 'System memory totals' });
  for (const name of ['swap_size', 'swap_free', 'swap_anon_use', 'swap_cache_use']) {
    sysctlAdd({ name: `vm.${name}`, kind: 's64', get: () => 0, descr: 'Swap space, in pages: there is none' });
  }
}
