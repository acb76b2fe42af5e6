/**
 * All system calls of all rooms, joined with the table.
 */
import { gd } from '../sys/globaldata.js';
import { vmSyscalls } from '../vm/vm_mmap.js';
import { descripSyscalls } from './kern_descrip.js';
import { eventSyscalls } from './kern_event.js';
import { execSyscalls } from './kern_exec.js';
import { exitSyscalls } from './kern_exit.js';
import { forkSyscalls } from './kern_fork.js';
import { miscSyscalls } from './kern_misc.js';
import { protSyscalls } from './kern_prot.js';
import { resourceSyscalls } from './kern_resource.js';
import { sysctlSyscalls } from './sys_sysctl.js';
import { timeSyscalls } from './kern_time.js';
import { umtxSyscalls } from './kern_umtx.js';
import { genericSyscalls } from './sys_generic.js';
import { refusedSyscalls } from './sys_refused.js';
import { pipeSyscalls } from './sys_pipe.js';
import { socketSyscalls } from './uipc_syscalls.js';
import { sigSyscalls } from './sys_sig.js';
import { mqueueSyscalls } from './sys_mqueue.js';
import { msgSyscalls } from './sysv_msg.js';
import { semSyscalls } from './sysv_sem.js';
import { shmSyscalls } from './sysv_shm.js';
import { jailSyscalls } from './kern_jail.js';
import { kenvSyscalls } from './kern_environment.js';
import { procctlSyscalls } from './kern_procctl.js';
import { schedSyscalls } from './kern_sched.js';
import { varsymSyscalls } from './kern_varsym.js';
import { ptraceSyscalls } from './sys_process.js';
import { linkerSyscalls } from './kern_linker.js';
import { ktraceSyscalls } from './kern_ktrace.js';
import { makeSysent, type Sysent } from './syscalls.js';
import { vfsSyscalls } from './vfs_init.js';

/** The table, the same for every kernel of this process. */
let sysent: (Sysent | null)[] | null = null;

/** The joined table. */
export function joinSysent(): (Sysent | null)[] {
  sysent ??= makeSysent(
    protSyscalls,
    forkSyscalls,
    exitSyscalls,
    execSyscalls,
    sigSyscalls,
    umtxSyscalls,
    timeSyscalls,
    resourceSyscalls,
    miscSyscalls,
    sysctlSyscalls,
    vmSyscalls,
    vfsSyscalls,
    descripSyscalls,
    genericSyscalls,
    pipeSyscalls,
    socketSyscalls,
    eventSyscalls,
    shmSyscalls,
    semSyscalls,
    msgSyscalls,
    mqueueSyscalls,
    jailSyscalls,
    kenvSyscalls,
    procctlSyscalls,
    schedSyscalls,
    varsymSyscalls,
    ptraceSyscalls,
    linkerSyscalls,
    ktraceSyscalls,
    refusedSyscalls,
  );
  return sysent;
}

export function initSyscallTables(): void {
  gd.sysent = joinSysent();
  gd.saidMissing = new Set();
}
