/**
 * Errno: an expected failure is a value. One shared frozen object per number, so `r instanceof Errno` narrows and
 * `r === ENOENT` compares. Numbers and texts: dragonfly-abi.md 4.1.
 *
 * ERESTART, EJUSTRETURN and NOTNOW never reach a guest: they steer the system call layer.
 */
export class Errno {
  constructor(
    /** Positive number as the guest sees it; negative for the kernel's internal codes. */
    readonly errno: number,
    readonly name: string,
    readonly text: string,
  ) {
    Object.freeze(this);
  }
  toString(): string {
    return this.name;
  }
}

/** Every errno by number; filled by `def`. */
export const errnoByNumber = new Map<number, Errno>();
const def = (errno: number, name: string, text: string): Errno => {
  const e = new Errno(errno, name, text);
  errnoByNumber.set(errno, e);
  return e;
};

export const EPERM = def(1, 'EPERM', 'Operation not permitted');
export const ENOENT = def(2, 'ENOENT', 'No such file or directory');
export const ESRCH = def(3, 'ESRCH', 'No such process');
export const EINTR = def(4, 'EINTR', 'Interrupted system call');
export const EIO = def(5, 'EIO', 'Input/output error');
export const ENXIO = def(6, 'ENXIO', 'Device not configured');
export const E2BIG = def(7, 'E2BIG', 'Argument list too long');
export const ENOEXEC = def(8, 'ENOEXEC', 'Exec format error');
export const EBADF = def(9, 'EBADF', 'Bad file descriptor');
export const ECHILD = def(10, 'ECHILD', 'No child processes');
export const EDEADLK = def(11, 'EDEADLK', 'Resource deadlock avoided');
export const ENOMEM = def(12, 'ENOMEM', 'Cannot allocate memory');
export const EACCES = def(13, 'EACCES', 'Permission denied');
export const EFAULT = def(14, 'EFAULT', 'Bad address');
export const ENOTBLK = def(15, 'ENOTBLK', 'Block device required');
export const EBUSY = def(16, 'EBUSY', 'Device busy');
export const EEXIST = def(17, 'EEXIST', 'File exists');
export const EXDEV = def(18, 'EXDEV', 'Invalid cross-device link');
export const ENODEV = def(19, 'ENODEV', 'Operation not supported by device');
export const ENOTDIR = def(20, 'ENOTDIR', 'Not a directory');
export const EISDIR = def(21, 'EISDIR', 'Is a directory');
export const EINVAL = def(22, 'EINVAL', 'Invalid argument');
export const ENFILE = def(23, 'ENFILE', 'Too many open files in system');
export const EMFILE = def(24, 'EMFILE', 'Too many open files');
export const ENOTTY = def(25, 'ENOTTY', 'Inappropriate ioctl for device');
export const ETXTBSY = def(26, 'ETXTBSY', 'Text file busy');
export const EFBIG = def(27, 'EFBIG', 'File too large');
export const ENOSPC = def(28, 'ENOSPC', 'No space left on device');
export const ESPIPE = def(29, 'ESPIPE', 'Illegal seek');
export const EROFS = def(30, 'EROFS', 'Read-only file system');
export const EMLINK = def(31, 'EMLINK', 'Too many links');
export const EPIPE = def(32, 'EPIPE', 'Broken pipe');
export const EDOM = def(33, 'EDOM', 'Numerical argument out of domain');
export const ERANGE = def(34, 'ERANGE', 'Numerical result out of range');
export const EAGAIN = def(35, 'EAGAIN', 'Resource temporarily unavailable');
export const EWOULDBLOCK = EAGAIN;
export const EINPROGRESS = def(36, 'EINPROGRESS', 'Operation now in progress');
export const EALREADY = def(37, 'EALREADY', 'Operation already in progress');
export const ENOTSOCK = def(38, 'ENOTSOCK', 'Socket operation on non-socket');
export const EDESTADDRREQ = def(39, 'EDESTADDRREQ', 'Destination address required');
export const EMSGSIZE = def(40, 'EMSGSIZE', 'Message too long');
export const EPROTOTYPE = def(41, 'EPROTOTYPE', 'Protocol wrong type for socket');
export const ENOPROTOOPT = def(42, 'ENOPROTOOPT', 'Protocol not available');
export const EPROTONOSUPPORT = def(43, 'EPROTONOSUPPORT', 'Protocol not supported');
export const ESOCKTNOSUPPORT = def(44, 'ESOCKTNOSUPPORT', 'Socket type not supported');
export const ENOTSUP = def(45, 'ENOTSUP', 'Operation not supported');
export const EOPNOTSUPP = ENOTSUP;
export const EPFNOSUPPORT = def(46, 'EPFNOSUPPORT', 'Protocol family not supported');
export const EAFNOSUPPORT = def(47, 'EAFNOSUPPORT', 'Address family not supported by protocol');
export const EADDRINUSE = def(48, 'EADDRINUSE', 'Address already in use');
export const EADDRNOTAVAIL = def(49, 'EADDRNOTAVAIL', 'Cannot assign requested address');
export const ENETDOWN = def(50, 'ENETDOWN', 'Network is down');
export const ENETUNREACH = def(51, 'ENETUNREACH', 'Network is unreachable');
export const ENETRESET = def(52, 'ENETRESET', 'Network dropped connection on reset');
export const ECONNABORTED = def(53, 'ECONNABORTED', 'Software caused connection abort');
export const ECONNRESET = def(54, 'ECONNRESET', 'Connection reset by peer');
export const ENOBUFS = def(55, 'ENOBUFS', 'No buffer space available');
export const EISCONN = def(56, 'EISCONN', 'Transport endpoint is already connected');
export const ENOTCONN = def(57, 'ENOTCONN', 'Transport endpoint is not connected');
export const ESHUTDOWN = def(58, 'ESHUTDOWN', 'Cannot send after transport endpoint shutdown');
export const ETOOMANYREFS = def(59, 'ETOOMANYREFS', 'Too many references: cannot splice');
export const ETIMEDOUT = def(60, 'ETIMEDOUT', 'Connection timed out');
export const ECONNREFUSED = def(61, 'ECONNREFUSED', 'Connection refused');
export const ELOOP = def(62, 'ELOOP', 'Too many levels of symbolic links');
export const ENAMETOOLONG = def(63, 'ENAMETOOLONG', 'File name too long');
export const EHOSTDOWN = def(64, 'EHOSTDOWN', 'Host is down');
export const EHOSTUNREACH = def(65, 'EHOSTUNREACH', 'No route to host');
export const ENOTEMPTY = def(66, 'ENOTEMPTY', 'Directory not empty');
export const EPROCLIM = def(67, 'EPROCLIM', 'Too many processes');
export const EUSERS = def(68, 'EUSERS', 'Too many users');
export const EDQUOT = def(69, 'EDQUOT', 'Disk quota exceeded');
export const ESTALE = def(70, 'ESTALE', 'Stale file handle');
export const EREMOTE = def(71, 'EREMOTE', 'Object is remote');
export const EBADRPC = def(72, 'EBADRPC', 'RPC struct is bad');
export const ERPCMISMATCH = def(73, 'ERPCMISMATCH', 'RPC version wrong');
export const EPROGUNAVAIL = def(74, 'EPROGUNAVAIL', 'RPC prog. not avail');
export const EPROGMISMATCH = def(75, 'EPROGMISMATCH', 'Program version wrong');
export const EPROCUNAVAIL = def(76, 'EPROCUNAVAIL', 'Bad procedure for program');
export const ENOLCK = def(77, 'ENOLCK', 'No locks available');
export const ENOSYS = def(78, 'ENOSYS', 'Function not implemented');
export const EFTYPE = def(79, 'EFTYPE', 'Inappropriate file type or format');
export const EAUTH = def(80, 'EAUTH', 'Authentication error');
export const ENEEDAUTH = def(81, 'ENEEDAUTH', 'Need authenticator');
export const EIDRM = def(82, 'EIDRM', 'Identifier removed');
export const ENOMSG = def(83, 'ENOMSG', 'No message of desired type');
export const EOVERFLOW = def(84, 'EOVERFLOW', 'Value too large for defined data type');
export const ECANCELED = def(85, 'ECANCELED', 'Operation canceled');
export const EILSEQ = def(86, 'EILSEQ', 'Invalid or incomplete multibyte or wide character');
export const ENOATTR = def(87, 'ENOATTR', 'Attribute not found');
export const EDOOFUS = def(88, 'EDOOFUS', 'Programming error');
export const EBADMSG = def(89, 'EBADMSG', 'Bad message');
export const EMULTIHOP = def(90, 'EMULTIHOP', 'Multihop attempted');
export const ENOLINK = def(91, 'ENOLINK', 'Link has been severed');
export const EPROTO = def(92, 'EPROTO', 'Protocol error');
export const ENOMEDIUM = def(93, 'ENOMEDIUM', 'No medium found');
export const ENOTRECOVERABLE = def(94, 'ENOTRECOVERABLE', 'State not recoverable');
export const EOWNERDEAD = def(95, 'EOWNERDEAD', 'Owner died');
export const EASYNC = def(99, 'EASYNC', 'Operation in progress (kernel)');

/** Internal: restart the call after the signal handler (spec section 1, Restart). */
export const ERESTART = def(-1, 'ERESTART', 'restart system call');
/** Internal: the handler has set the whole register frame itself; write no result. */
export const EJUSTRETURN = def(-2, 'EJUSTRETURN', 'registers already set');
/** Internal: a synchronous attempt would have to sleep; call the blocking version. */
export const NOTNOW = def(-3, 'NOTNOW', 'would sleep');
