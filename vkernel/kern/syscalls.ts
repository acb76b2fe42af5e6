/**
 * The system call table of DragonFly x86-64: number, name, arguments, result (dragonfly-abi.md section 2).
 *
 * One row a live call. Numbers without a row are retired or unused: SIGSYS and EINVAL. A row without an
 * implementation logs its name once and fails with EINVAL. Dispatch, argument fetch, the tracer and docs/abi.md
 * are made from these rows.
 */
import type { SyscallImpl, SyscallImpls } from '../sys/syscall.js';

/** First number past the table; it and everything above behaves like number 8. */
export const SYS_MAXSYSCALL = 556;

/** How an argument register is cut, by kind. */
export const enum ArgKind {
  I32 = 0,
  U32 = 1,
  U16 = 2,
  I64 = 3,
  /** Pointers and u64: a number, imprecise from 2^53. */
  U64 = 4,
}

export interface SysArg {
  readonly name: string;
  readonly kind: ArgKind;
  /** The declared type, for the tracer: i32, ptr<stat>, cstr ... */
  readonly type: string;
}

/** One system call, ready for dispatch. */
export interface Sysent {
  readonly no: number;
  readonly name: string;
  readonly args: readonly SysArg[];
  /** ArgKind by position. */
  readonly kinds: Uint8Array;
  readonly res: string;
  readonly impl: SyscallImpl | null;
}

type Row = readonly [no: number, name: string, args: string, res: string];

// prettier-ignore
const rows: readonly Row[] = [
  [0, 'syscall', 'number u32, …', 'per call'],
  [1, 'exit', 'rval i32', '-'],
  [2, 'fork', '', 'i32'],
  [3, 'read', 'fd i32, buf ptr, nbyte u64', 'i64'],
  [4, 'write', 'fd i32, buf ptr, nbyte u64', 'i64'],
  [5, 'open', 'path cstr, flags i32, mode i32', 'i32'],
  [6, 'close', 'fd i32', 'i32'],
  [7, 'wait4', 'pid i32, status ptr<i32>, options i32, rusage ptr<rusage>', 'i32'],
  [9, 'link', 'path cstr, link cstr', 'i32'],
  [10, 'unlink', 'path cstr', 'i32'],
  [12, 'chdir', 'path cstr', 'i32'],
  [13, 'fchdir', 'fd i32', 'i32'],
  [14, 'mknod', 'path cstr, mode i32, dev i32', 'i32'],
  [15, 'chmod', 'path cstr, mode i32', 'i32'],
  [16, 'chown', 'path cstr, uid i32, gid i32', 'i32'],
  [17, 'break', 'nsize cstr', 'i32'],
  [18, 'getfsstat', 'buf ptr<statfs>, bufsize i64, flags i32', 'i32'],
  [20, 'getpid', '', 'i32'],
  [21, 'mount', 'type cstr, path cstr, flags i32, data ptr', 'i32'],
  [22, 'unmount', 'path cstr, flags i32', 'i32'],
  [23, 'setuid', 'uid u32', 'i32'],
  [24, 'getuid', '', 'u32'],
  [25, 'geteuid', '', 'u32'],
  [26, 'ptrace', 'req i32, pid i32, addr ptr, data i32', 'i32'],
  [27, 'recvmsg', 's i32, msg ptr<msghdr>, flags i32', 'i32'],
  [28, 'sendmsg', 's i32, msg ptr, flags i32', 'i32'],
  [29, 'recvfrom', 's i32, buf ptr, len u64, flags i32, from ptr, fromlenaddr ptr<i32>', 'i32'],
  [30, 'accept', 's i32, name ptr, anamelen ptr<i32>', 'i32'],
  [31, 'getpeername', 'fdes i32, asa ptr, alen ptr<i32>', 'i32'],
  [32, 'getsockname', 'fdes i32, asa ptr, alen ptr<i32>', 'i32'],
  [33, 'access', 'path cstr, flags i32', 'i32'],
  [34, 'chflags', 'path cstr, flags u64', 'i32'],
  [35, 'fchflags', 'fd i32, flags u64', 'i32'],
  [36, 'sync', '', 'i32'],
  [37, 'kill', 'pid i32, signum i32', 'i32'],
  [39, 'getppid', '', 'i32'],
  [41, 'dup', 'fd i32', 'i32'],
  [42, 'pipe', '', 'i32'],
  [43, 'getegid', '', 'u32'],
  [44, 'profil', 'samples ptr, size u64, offset u64, scale u32', 'i32'],
  [45, 'ktrace', 'fname cstr, ops i32, facs i32, pid i32', 'i32'],
  [47, 'getgid', '', 'u32'],
  [49, 'getlogin', 'namebuf cstr, namelen u64', 'i32'],
  [50, 'setlogin', 'namebuf cstr', 'i32'],
  [51, 'acct', 'path cstr', 'i32'],
  [53, 'sigaltstack', 'ss ptr<stack_t>, oss ptr<stack_t>', 'i32'],
  [54, 'ioctl', 'fd i32, com u64, data ptr', 'i32'],
  [55, 'reboot', 'opt i32', 'i32'],
  [56, 'revoke', 'path cstr', 'i32'],
  [57, 'symlink', 'path cstr, link cstr', 'i32'],
  [58, 'readlink', 'path cstr, buf cstr, count i32', 'i32'],
  [59, 'execve', 'fname cstr, argv cstr[], envv cstr[]', 'i32'],
  [60, 'umask', 'newmask i32', 'i32'],
  [61, 'chroot', 'path cstr', 'i32'],
  [65, 'msync', 'addr ptr, len u64, flags i32', 'i32'],
  [66, 'vfork', '', 'i32'],
  [69, 'sbrk', 'incr u64', 'ptr'],
  [70, 'sstk', 'incr u64', 'i32'],
  [73, 'munmap', 'addr ptr, len u64', 'i32'],
  [74, 'mprotect', 'addr ptr, len u64, prot i32', 'i32'],
  [75, 'madvise', 'addr ptr, len u64, behav i32', 'i32'],
  [78, 'mincore', 'addr ptr, len u64, vec cstr', 'i32'],
  [79, 'getgroups', 'gidsetsize u32, gidset ptr<u32>', 'i32'],
  [80, 'setgroups', 'gidsetsize u32, gidset ptr<u32>', 'i32'],
  [81, 'getpgrp', '', 'i32'],
  [82, 'setpgid', 'pid i32, pgid i32', 'i32'],
  [83, 'setitimer', 'which u32, itv ptr<itimerval>, oitv ptr<itimerval>', 'i32'],
  [85, 'swapon', 'name cstr', 'i32'],
  [86, 'getitimer', 'which u32, itv ptr<itimerval>', 'i32'],
  [89, 'getdtablesize', '', 'i32'],
  [90, 'dup2', 'from i32, to i32', 'i32'],
  [92, 'fcntl', 'fd i32, cmd i32, arg i64', 'i32'],
  [93, 'select', 'nd i32, in ptr<fd_set>, ou ptr<fd_set>, ex ptr<fd_set>, tv ptr<timeval>', 'i32'],
  [95, 'fsync', 'fd i32', 'i32'],
  [96, 'setpriority', 'which i32, who i32, prio i32', 'i32'],
  [97, 'socket', 'domain i32, type i32, protocol i32', 'i32'],
  [98, 'connect', 's i32, name ptr, namelen i32', 'i32'],
  [100, 'getpriority', 'which i32, who i32', 'i32'],
  [104, 'bind', 's i32, name ptr, namelen i32', 'i32'],
  [105, 'setsockopt', 's i32, level i32, name i32, val ptr, valsize i32', 'i32'],
  [106, 'listen', 's i32, backlog i32', 'i32'],
  [116, 'gettimeofday', 'tp ptr<timeval>, tzp ptr<timezone>', 'i32'],
  [117, 'getrusage', 'who i32, rusage ptr<rusage>', 'i32'],
  [118, 'getsockopt', 's i32, level i32, name i32, val ptr, avalsize ptr<i32>', 'i32'],
  [120, 'readv', 'fd i32, iovp ptr<iovec>, iovcnt u32', 'i32'],
  [121, 'writev', 'fd i32, iovp ptr<iovec>, iovcnt u32', 'i32'],
  [122, 'settimeofday', 'tv ptr<timeval>, tzp ptr<timezone>', 'i32'],
  [123, 'fchown', 'fd i32, uid i32, gid i32', 'i32'],
  [124, 'fchmod', 'fd i32, mode i32', 'i32'],
  [126, 'setreuid', 'ruid i32, euid i32', 'i32'],
  [127, 'setregid', 'rgid i32, egid i32', 'i32'],
  [128, 'rename', 'from cstr, to cstr', 'i32'],
  [131, 'flock', 'fd i32, how i32', 'i32'],
  [132, 'mkfifo', 'path cstr, mode i32', 'i32'],
  [133, 'sendto', 's i32, buf ptr, len u64, flags i32, to ptr, tolen i32', 'i32'],
  [134, 'shutdown', 's i32, how i32', 'i32'],
  [135, 'socketpair', 'domain i32, type i32, protocol i32, rsv ptr<i32>', 'i32'],
  [136, 'mkdir', 'path cstr, mode i32', 'i32'],
  [137, 'rmdir', 'path cstr', 'i32'],
  [138, 'utimes', 'path cstr, tptr ptr<timeval>', 'i32'],
  [140, 'adjtime', 'delta ptr<timeval>, olddelta ptr<timeval>', 'i32'],
  [147, 'setsid', '', 'i32'],
  [148, 'quotactl', 'path cstr, cmd i32, uid i32, arg ptr', 'i32'],
  [155, 'nfssvc', 'flag i32, argp ptr', 'i32'],
  [157, 'statfs', 'path cstr, buf ptr<statfs>', 'i32'],
  [158, 'fstatfs', 'fd i32, buf ptr<statfs>', 'i32'],
  [161, 'getfh', 'fname cstr, fhp ptr<fhandle>', 'i32'],
  [165, 'sysarch', 'op i32, parms cstr', 'i32'],
  [166, 'rtprio', 'function i32, pid i32, rtp ptr<rtprio>', 'i32'],
  [173, 'extpread', 'fd i32, buf ptr, nbyte u64, flags i32, offset i64', 'i64'],
  [174, 'extpwrite', 'fd i32, buf ptr, nbyte u64, flags i32, offset i64', 'i64'],
  [176, 'ntp_adjtime', 'tp ptr<timex>', 'i32'],
  [181, 'setgid', 'gid u32', 'i32'],
  [182, 'setegid', 'egid u32', 'i32'],
  [183, 'seteuid', 'euid u32', 'i32'],
  [191, 'pathconf', 'path cstr, name i32', 'i32'],
  [192, 'fpathconf', 'fd i32, name i32', 'i32'],
  [194, 'getrlimit', 'which u32, rlp ptr<rlimit>', 'i32'],
  [195, 'setrlimit', 'which u32, rlp ptr<rlimit>', 'i32'],
  [197, 'mmap', 'addr ptr, len u64, prot i32, flags i32, fd i32, pad i32, pos i64', 'ptr'],
  [198, '__syscall', 'number u32, …', 'per call'],
  [199, 'lseek', 'fd i32, pad i32, offset i64, whence i32', 'i64'],
  [200, 'truncate', 'path cstr, pad i32, length i64', 'i32'],
  [201, 'ftruncate', 'fd i32, pad i32, length i64', 'i32'],
  [202, '__sysctl', 'name ptr<i32>, namelen u32, old ptr, oldlenp ptr<i64>, new ptr, newlen u64', 'i32'],
  [203, 'mlock', 'addr ptr, len u64', 'i32'],
  [204, 'munlock', 'addr ptr, len u64', 'i32'],
  [205, 'undelete', 'path cstr', 'i32'],
  [206, 'futimes', 'fd i32, tptr ptr<timeval>', 'i32'],
  [207, 'getpgid', 'pid i32', 'i32'],
  [209, 'poll', 'fds ptr<pollfd>, nfds u32, timeout i32', 'i32'],
  [220, '__semctl', 'semid i32, semnum i32, cmd i32, arg ptr<semun>', 'i32'],
  [221, 'semget', 'key i64, nsems i32, semflg i32', 'i32'],
  [222, 'semop', 'semid i32, sops ptr<sembuf>, nsops u32', 'i32'],
  [224, 'msgctl', 'msqid i32, cmd i32, buf ptr<msqid_ds>', 'i32'],
  [225, 'msgget', 'key i64, msgflg i32', 'i32'],
  [226, 'msgsnd', 'msqid i32, msgp ptr, msgsz u64, msgflg i32', 'i32'],
  [227, 'msgrcv', 'msqid i32, msgp ptr, msgsz u64, msgtyp i64, msgflg i32', 'i32'],
  [228, 'shmat', 'shmid i32, shmaddr ptr, shmflg i32', 'ptr'],
  [229, 'shmctl', 'shmid i32, cmd i32, buf ptr<shmid_ds>', 'i32'],
  [230, 'shmdt', 'shmaddr ptr', 'i32'],
  [231, 'shmget', 'key i64, size u64, shmflg i32', 'i32'],
  [232, 'clock_gettime', 'clock_id u64, tp ptr<timespec>', 'i32'],
  [233, 'clock_settime', 'clock_id u64, tp ptr<timespec>', 'i32'],
  [234, 'clock_getres', 'clock_id u64, tp ptr<timespec>', 'i32'],
  [240, 'nanosleep', 'rqtp ptr<timespec>, rmtp ptr<timespec>', 'i32'],
  [241, 'clock_nanosleep', 'clock_id u64, flags i32, rqtp ptr<timespec>, rmtp ptr<timespec>', 'i32'],
  [250, 'minherit', 'addr ptr, len u64, inherit i32', 'i32'],
  [251, 'rfork', 'flags i32', 'i32'],
  [252, 'openbsd_poll', 'fds ptr<pollfd>, nfds u32, timeout i32', 'i32'],
  [253, 'issetugid', '', 'i32'],
  [254, 'lchown', 'path cstr, uid i32, gid i32', 'i32'],
  [274, 'lchmod', 'path cstr, mode u16', 'i32'],
  [275, 'netbsd_lchown', 'path cstr, uid u32, gid u32', 'i32'],
  [276, 'lutimes', 'path cstr, tptr ptr<timeval>', 'i32'],
  [277, 'netbsd_msync', 'addr ptr, len u64, flags i32', 'i32'],
  [289, 'extpreadv', 'fd i32, iovp ptr<iovec>, iovcnt i32, flags i32, offset i64', 'i64'],
  [290, 'extpwritev', 'fd i32, iovp ptr<iovec>, iovcnt i32, flags i32, offset i64', 'i64'],
  [297, 'fhstatfs', 'u_fhp ptr<fhandle>, buf ptr<statfs>', 'i32'],
  [298, 'fhopen', 'u_fhp ptr<fhandle>, flags i32', 'i32'],
  [300, 'modnext', 'modid i32', 'i32'],
  [301, 'modstat', 'modid i32, stat ptr<module_stat>', 'i32'],
  [302, 'modfnext', 'modid i32', 'i32'],
  [303, 'modfind', 'name cstr', 'i32'],
  [304, 'kldload', 'file cstr', 'i32'],
  [305, 'kldunload', 'fileid i32', 'i32'],
  [306, 'kldfind', 'file cstr', 'i32'],
  [307, 'kldnext', 'fileid i32', 'i32'],
  [308, 'kldstat', 'fileid i32, stat ptr<kld_file_stat>', 'i32'],
  [309, 'kldfirstmod', 'fileid i32', 'i32'],
  [310, 'getsid', 'pid i32', 'i32'],
  [311, 'setresuid', 'ruid u32, euid u32, suid u32', 'i32'],
  [312, 'setresgid', 'rgid u32, egid u32, sgid u32', 'i32'],
  [314, 'aio_return', 'aiocbp ptr<aiocb>', 'i32'],
  [315, 'aio_suspend', 'aiocbp ptr<aiocb>[], nent i32, timeout ptr<timespec>', 'i32'],
  [316, 'aio_cancel', 'fd i32, aiocbp ptr<aiocb>', 'i32'],
  [317, 'aio_error', 'aiocbp ptr<aiocb>', 'i32'],
  [318, 'aio_read', 'aiocbp ptr<aiocb>', 'i32'],
  [319, 'aio_write', 'aiocbp ptr<aiocb>', 'i32'],
  [320, 'lio_listio', 'mode i32, acb_list ptr<aiocb>[], nent i32, sig ptr<sigevent>', 'i32'],
  [321, 'yield', '', 'i32'],
  [324, 'mlockall', 'how i32', 'i32'],
  [325, 'munlockall', '', 'i32'],
  [326, '__getcwd', 'buf ptr, buflen u32', 'i32'],
  [327, 'sched_setparam', 'pid i32, param ptr<sched_param>', 'i32'],
  [328, 'sched_getparam', 'pid i32, param ptr<sched_param>', 'i32'],
  [329, 'sched_setscheduler', 'pid i32, policy i32, param ptr<sched_param>', 'i32'],
  [330, 'sched_getscheduler', 'pid i32', 'i32'],
  [331, 'sched_yield', '', 'i32'],
  [332, 'sched_get_priority_max', 'policy i32', 'i32'],
  [333, 'sched_get_priority_min', 'policy i32', 'i32'],
  [334, 'sched_rr_get_interval', 'pid i32, interval ptr<timespec>', 'i32'],
  [335, 'utrace', 'addr ptr, len u64', 'i32'],
  [337, 'kldsym', 'fileid i32, cmd i32, data ptr', 'i32'],
  [338, 'jail', 'jail ptr<jail>', 'i32'],
  [340, 'sigprocmask', 'how i32, set ptr<sigset>, oset ptr<sigset>', 'i32'],
  [341, 'sigsuspend', 'sigmask ptr<sigset>', 'i32'],
  [342, 'sigaction', 'sig i32, act ptr<sigaction>, oact ptr<sigaction>', 'i32'],
  [343, 'sigpending', 'set ptr<sigset>', 'i32'],
  [344, 'sigreturn', 'sigcntxp ptr<ucontext>', 'i32'],
  [345, 'sigtimedwait', 'set ptr<sigset>, info ptr<siginfo>, timeout ptr<timespec>', 'i32'],
  [346, 'sigwaitinfo', 'set ptr<sigset>, info ptr<siginfo>', 'i32'],
  [347, '__acl_get_file', 'path cstr, type i32, aclp ptr<acl>', 'i32'],
  [348, '__acl_set_file', 'path cstr, type i32, aclp ptr<acl>', 'i32'],
  [349, '__acl_get_fd', 'filedes i32, type i32, aclp ptr<acl>', 'i32'],
  [350, '__acl_set_fd', 'filedes i32, type i32, aclp ptr<acl>', 'i32'],
  [351, '__acl_delete_file', 'path cstr, type i32', 'i32'],
  [352, '__acl_delete_fd', 'filedes i32, type i32', 'i32'],
  [353, '__acl_aclcheck_file', 'path cstr, type i32, aclp ptr<acl>', 'i32'],
  [354, '__acl_aclcheck_fd', 'filedes i32, type i32, aclp ptr<acl>', 'i32'],
  [355, 'extattrctl', 'path cstr, cmd i32, filename cstr, attrnamespace i32, attrname cstr', 'i32'],
  [356, 'extattr_set_file', 'path cstr, attrnamespace i32, attrname cstr, data ptr, nbytes u64', 'i32'],
  [357, 'extattr_get_file', 'path cstr, attrnamespace i32, attrname cstr, data ptr, nbytes u64', 'i32'],
  [358, 'extattr_delete_file', 'path cstr, attrnamespace i32, attrname cstr', 'i32'],
  [359, 'aio_waitcomplete', 'aiocbp ptr<aiocb>[], timeout ptr<timespec>', 'i32'],
  [360, 'getresuid', 'ruid ptr<u32>, euid ptr<u32>, suid ptr<u32>', 'i32'],
  [361, 'getresgid', 'rgid ptr<u32>, egid ptr<u32>, sgid ptr<u32>', 'i32'],
  [362, 'kqueue', '', 'i32'],
  [363, 'kevent', 'fd i32, changelist ptr<kevent>, nchanges i32, eventlist ptr<kevent>, nevents i32, timeout ptr<timespec>', 'i32'],
  [390, 'kenv', 'what i32, name cstr, value cstr, len i32', 'i32'],
  [391, 'lchflags', 'path cstr, flags u64', 'i32'],
  [392, 'uuidgen', 'store ptr<uuid>, count i32', 'i32'],
  [393, 'sendfile', 'fd i32, s i32, offset i64, nbytes u64, hdtr ptr<sf_hdtr>, sbytes ptr<i64>, flags i32', 'i32'],
  [450, 'varsym_set', 'level i32, name cstr, data cstr', 'i32'],
  [451, 'varsym_get', 'mask i32, wild cstr, buf cstr, bufsize i32', 'i32'],
  [452, 'varsym_list', 'level i32, buf cstr, maxsize i32, marker ptr<i32>', 'i32'],
  [455, 'syscap_get', 'cap i32, data ptr, bytes u64', 'i32'],
  [456, 'syscap_set', 'cap i32, flags i32, data ptr, bytes u64', 'i32'],
  [465, 'exec_sys_register', 'entry ptr', 'i32'],
  [466, 'exec_sys_unregister', 'id i32', 'i32'],
  [467, 'sys_checkpoint', 'type i32, fd i32, pid i32, retval i32', 'i32'],
  [468, 'mountctl', 'path cstr, op i32, fd i32, ctl ptr, ctllen i32, buf ptr, buflen i32', 'i32'],
  [469, 'umtx_sleep', 'ptr ptr<i32>, value i32, timeout i32', 'i32'],
  [470, 'umtx_wakeup', 'ptr ptr<i32>, count i32', 'i32'],
  [471, 'jail_attach', 'jid i32', 'i32'],
  [472, 'set_tls_area', 'which i32, info ptr<tls_info>, infosize u64', 'i32'],
  [473, 'get_tls_area', 'which i32, info ptr<tls_info>, infosize u64', 'i32'],
  [474, 'closefrom', 'fd i32', 'i32'],
  [475, 'stat', 'path cstr, ub ptr<stat>', 'i32'],
  [476, 'fstat', 'fd i32, sb ptr<stat>', 'i32'],
  [477, 'lstat', 'path cstr, ub ptr<stat>', 'i32'],
  [478, 'fhstat', 'u_fhp ptr<fhandle>, sb ptr<stat>', 'i32'],
  [479, 'getdirentries', 'fd i32, buf cstr, count u32, basep ptr<i64>', 'i32'],
  [480, 'getdents', 'fd i32, buf cstr, count u64', 'i32'],
  [481, 'usched_set', 'pid i32, cmd i32, data ptr, bytes i32', 'i32'],
  [482, 'extaccept', 's i32, flags i32, name ptr, anamelen ptr<i32>', 'i32'],
  [483, 'extconnect', 's i32, flags i32, name ptr, namelen i32', 'i32'],
  [485, 'mcontrol', 'addr ptr, len u64, behav i32, value i64', 'i32'],
  [486, 'vmspace_create', 'id ptr, type i32, data ptr', 'i32'],
  [487, 'vmspace_destroy', 'id ptr', 'i32'],
  [488, 'vmspace_ctl', 'id ptr, cmd i32, tframe ptr<trapframe>, vframe ptr<vextframe>', 'i32'],
  [489, 'vmspace_mmap', 'id ptr, addr ptr, len u64, prot i32, flags i32, fd i32, offset i64', 'i32'],
  [490, 'vmspace_munmap', 'id ptr, addr ptr, len u64', 'i32'],
  [491, 'vmspace_mcontrol', 'id ptr, addr ptr, len u64, behav i32, value i64', 'i32'],
  [492, 'vmspace_pread', 'id ptr, buf ptr, nbyte u64, flags i32, offset i64', 'i64'],
  [493, 'vmspace_pwrite', 'id ptr, buf ptr, nbyte u64, flags i32, offset i64', 'i64'],
  [494, 'extexit', 'how i32, status i32, addr ptr', '-'],
  [495, 'lwp_create', 'params ptr<lwp_params>', 'i32'],
  [496, 'lwp_gettid', '', 'i32'],
  [497, 'lwp_kill', 'pid i32, tid i32, signum i32', 'i32'],
  [498, 'lwp_rtprio', 'function i32, pid i32, tid i32, rtp ptr<rtprio>', 'i32'],
  [499, 'pselect', 'nd i32, in ptr<fd_set>, ou ptr<fd_set>, ex ptr<fd_set>, ts ptr<timespec>, sigmask ptr<sigset>', 'i32'],
  [500, 'statvfs', 'path cstr, buf ptr<statvfs>', 'i32'],
  [501, 'fstatvfs', 'fd i32, buf ptr<statvfs>', 'i32'],
  [502, 'fhstatvfs', 'u_fhp ptr<fhandle>, buf ptr<statvfs>', 'i32'],
  [503, 'getvfsstat', 'buf ptr<statfs>, vbuf ptr<statvfs>, vbufsize i64, flags i32', 'i32'],
  [504, 'openat', 'fd i32, path cstr, flags i32, mode i32', 'i32'],
  [505, 'fstatat', 'fd i32, path cstr, sb ptr<stat>, flags i32', 'i32'],
  [506, 'fchmodat', 'fd i32, path cstr, mode i32, flags i32', 'i32'],
  [507, 'fchownat', 'fd i32, path cstr, uid i32, gid i32, flags i32', 'i32'],
  [508, 'unlinkat', 'fd i32, path cstr, flags i32', 'i32'],
  [509, 'faccessat', 'fd i32, path cstr, amode i32, flags i32', 'i32'],
  [510, 'mq_open', 'name cstr, oflag i32, mode u16, attr ptr<mq_attr>', 'i32'],
  [511, 'mq_close', 'mqdes i32', 'i32'],
  [512, 'mq_unlink', 'name cstr', 'i32'],
  [513, 'mq_getattr', 'mqdes i32, mqstat ptr<mq_attr>', 'i32'],
  [514, 'mq_setattr', 'mqdes i32, mqstat ptr<mq_attr>, omqstat ptr<mq_attr>', 'i32'],
  [515, 'mq_notify', 'mqdes i32, notification ptr<sigevent>', 'i32'],
  [516, 'mq_send', 'mqdes i32, msg_ptr cstr, msg_len u64, msg_prio u32', 'i32'],
  [517, 'mq_receive', 'mqdes i32, msg_ptr cstr, msg_len u64, msg_prio ptr<u32>', 'i64'],
  [518, 'mq_timedsend', 'mqdes i32, msg_ptr cstr, msg_len u64, msg_prio u32, abs_timeout ptr<timespec>', 'i32'],
  [519, 'mq_timedreceive', 'mqdes i32, msg_ptr cstr, msg_len u64, msg_prio ptr<u32>, abs_timeout ptr<timespec>', 'i64'],
  [520, 'ioprio_set', 'which i32, who i32, prio i32', 'i32'],
  [521, 'ioprio_get', 'which i32, who i32', 'i32'],
  [522, 'chroot_kernel', 'path cstr', 'i32'],
  [523, 'renameat', 'oldfd i32, old cstr, newfd i32, new cstr', 'i32'],
  [524, 'mkdirat', 'fd i32, path cstr, mode u16', 'i32'],
  [525, 'mkfifoat', 'fd i32, path cstr, mode u16', 'i32'],
  [526, 'mknodat', 'fd i32, path cstr, mode u16, dev u32', 'i32'],
  [527, 'readlinkat', 'fd i32, path cstr, buf cstr, bufsize u64', 'i32'],
  [528, 'symlinkat', 'path1 cstr, fd i32, path2 cstr', 'i32'],
  [529, 'swapoff', 'name cstr', 'i32'],
  [530, 'vquotactl', 'path cstr, pref ptr<plistref>', 'i32'],
  [531, 'linkat', 'fd1 i32, path1 cstr, fd2 i32, path2 cstr, flags i32', 'i32'],
  [532, 'eaccess', 'path cstr, flags i32', 'i32'],
  [533, 'lpathconf', 'path cstr, name i32', 'i32'],
  [536, 'procctl', 'idtype u32, id i64, cmd i32, data ptr', 'i32'],
  [537, 'chflagsat', 'fd i32, path cstr, flags u64, atflags i32', 'i32'],
  [538, 'pipe2', 'fildes ptr<i32>, flags i32', 'i32'],
  [539, 'utimensat', 'fd i32, path cstr, ts ptr<timespec>, flags i32', 'i32'],
  [540, 'futimens', 'fd i32, ts ptr<timespec>', 'i32'],
  [541, 'accept4', 's i32, name ptr, anamelen ptr<i32>, flags i32', 'i32'],
  [542, 'lwp_setname', 'tid i32, name cstr', 'i32'],
  [543, 'ppoll', 'fds ptr<pollfd>, nfds u32, ts ptr<timespec>, sigmask ptr<sigset>', 'i32'],
  [544, 'lwp_setaffinity', 'pid i32, tid i32, mask ptr<cpumask>', 'i32'],
  [545, 'lwp_getaffinity', 'pid i32, tid i32, mask ptr<cpumask>', 'i32'],
  [546, 'lwp_create2', 'params ptr<lwp_params>, mask ptr<cpumask>', 'i32'],
  [547, 'getcpuclockid', 'pid i32, lwp_id i32, clock_id ptr<i64>', 'i32'],
  [548, 'wait6', 'idtype u32, id i64, status ptr<i32>, options i32, wrusage ptr<__wrusage>, info ptr<siginfo>', 'i32'],
  [549, 'lwp_getname', 'tid i32, name cstr, len u64', 'i32'],
  [550, 'getrandom', 'buf ptr, len u64, flags u32', 'i64'],
  [551, '__realpath', 'path cstr, buf cstr, len u64', 'i64'],
  [552, 'fexecve', 'fd i32, argv cstr[], envv cstr[]', 'i32'],
  [553, 'posix_fallocate', 'fd i32, offset i64, len i64', 'i32'],
  [554, 'fdatasync', 'fd i32', 'i32'],
  [555, 'futimesat', 'fd i32, path cstr, tptr ptr<timeval>', 'i32'],
];

const kindOf = (type: string): ArgKind => {
  switch (type) {
    case 'i32':
      return ArgKind.I32;
    case 'u32':
      return ArgKind.U32;
    case 'u16':
      return ArgKind.U16;
    case 'i64':
      return ArgKind.I64;
    default:
      return ArgKind.U64;
  }
};

const parseArgs = (text: string): SysArg[] =>
  text
    .split(',')
    .map((a) => a.trim())
    .filter((a) => a !== '' && a !== '…')
    .map((a) => {
      const [name, type] = a.split(' ');
      return { name, type, kind: kindOf(type) };
    });

/**
 * Join the table with the rooms' implementations.
 * @returns the rows by number; null where no call lives. Throws when a room implements a name that no row has.
 */
export function makeSysent(...tables: SyscallImpls[]): (Sysent | null)[] {
  const impls = new Map<string, SyscallImpl>();
  for (const table of tables)
    for (const [name, impl] of Object.entries(table)) {
      if (impls.has(name)) throw new Error(`system call ${name} is implemented twice`);
      impls.set(name, impl);
    }
  const sysent: (Sysent | null)[] = new Array<Sysent | null>(SYS_MAXSYSCALL).fill(null);
  for (const [no, name, argText, res] of rows) {
    const args = parseArgs(argText);
    const kinds = Uint8Array.from(args, (a) => a.kind);
    sysent[no] = { no, name, args, kinds, res, impl: impls.get(name) ?? null };
    impls.delete(name);
  }
  if (impls.size > 0) throw new Error(`no such system call: ${[...impls.keys()].join(', ')}`);
  return sysent;
}
