/**
 * System calls that DragonFly has in its table and always refuses in a kernel configured like this one.
 */
import { EINVAL, ENOSYS, EOPNOTSUPP, type Errno } from '../sys/errno.js';
import { SIGSYS } from '../sys/signal.js';
import type { SyscallImpl, SyscallImpls } from '../sys/syscall.js';
import { lwpSignal } from './kern_sig.js';

const refuse = (e: Errno, why: string): SyscallImpl => ({ try: () => e, refused: why });

const aio = refuse(ENOSYS, 'ENOSYS: DragonFly has removed asynchronous I/O; libc keeps the entry points');
const nested = refuse(EOPNOTSUPP, 'EOPNOTSUPP: sysctl vm.vkernel_enable is 0, a vkernel does not run vkernels');
const noSyscap = refuse(EINVAL, 'EINVAL: this kernel is a 6.4-RELEASE, and system capabilities came after it');
const vmspaceIo = refuse(EINVAL, "EINVAL: DragonFly's never worked either");

export const refusedSyscalls: SyscallImpls = {
  aio_return: aio,
  aio_suspend: aio,
  aio_cancel: aio,
  aio_error: aio,
  aio_read: aio,
  aio_write: aio,
  lio_listio: aio,
  aio_waitcomplete: aio,
  vmspace_create: nested,
  vmspace_destroy: nested,
  vmspace_ctl: nested,
  vmspace_mmap: nested,
  vmspace_munmap: nested,
  vmspace_mcontrol: nested,
  vmspace_pread: vmspaceIo,
  vmspace_pwrite: vmspaceIo,
  syscap_get: noSyscap,
  syscap_set: noSyscap,
  nfssvc: {
    try(lwp) {
      lwpSignal(lwp, SIGSYS);
      return EINVAL;
    },
    refused: 'SIGSYS: there is no NFS in this kernel',
  },
};
