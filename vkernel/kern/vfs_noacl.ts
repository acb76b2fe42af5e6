/**
 * Calls about things that no file system here has: ACLs, extended attributes, quotas. The file is looked up first, so that
 * a bad path or descriptor is told apart from a file without the feature.
 *
 * Counterpart: sys/kern/kern_acl.c, vfs_quota.c, the extattr part of vfs_syscalls.c
 */
import type { Blocking } from '../sys/blocking.js';
import { EBADF, EOPNOTSUPP, Errno } from '../sys/errno.js';
import type { SyscallImpl, SyscallImpls } from '../sys/syscall.js';
import { NLC_FOLLOW } from '../vfs/nlookup.js';
import type { Lwp } from './proc.js';
import { AT_FDCWD, atLookup, fdVnode } from './vfs_util.js';

function* byPath(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const nd = yield* atLookup(lwp, AT_FDCWD, a[0], NLC_FOLLOW);
  if (nd instanceof Errno) return nd;
  nd.done();
  return EOPNOTSUPP;
}

function byFd(lwp: Lwp, a: Float64Array): number | Errno {
  const r = fdVnode(lwp, a[0], EBADF);
  return r instanceof Errno ? r : EOPNOTSUPP;
}

const path: SyscallImpl = { block: byPath };
const fd: SyscallImpl = { try: byFd };

export const vfsNoaclSyscalls: SyscallImpls = {
  __acl_get_file: path,
  __acl_set_file: path,
  __acl_delete_file: path,
  __acl_aclcheck_file: path,
  __acl_get_fd: fd,
  __acl_set_fd: fd,
  __acl_delete_fd: fd,
  __acl_aclcheck_fd: fd,
  extattrctl: path,
  extattr_set_file: path,
  extattr_get_file: path,
  extattr_delete_file: path,
  quotactl: path,
  vquotactl: path,
};
