/**
 * Numbers of the socket interface (dragonfly-abi.md 3.5, 4.6).
 */
export const AF_UNSPEC = 0;
export const AF_LOCAL = 1;
export const AF_INET = 2;
export const AF_ROUTE = 17;
export const AF_LINK = 18;
export const AF_INET6 = 28;

export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_SEQPACKET = 5;
export const SOCK_CLOEXEC = 0x10000000;
export const SOCK_NONBLOCK = 0x20000000;
export const SOCK_CLOFORK = 0x40000000;

export const SOL_SOCKET = 0xffff;
export const SO_DEBUG = 0x1;
export const SO_ACCEPTCONN = 0x2;
export const SO_REUSEADDR = 0x4;
export const SO_KEEPALIVE = 0x8;
export const SO_DONTROUTE = 0x10;
export const SO_BROADCAST = 0x20;
export const SO_USELOOPBACK = 0x40;
export const SO_LINGER = 0x80;
export const SO_OOBINLINE = 0x100;
export const SO_REUSEPORT = 0x200;
export const SO_TIMESTAMP = 0x400;
export const SO_NOSIGPIPE = 0x800;
export const SO_SNDBUF = 0x1001;
export const SO_RCVBUF = 0x1002;
export const SO_SNDLOWAT = 0x1003;
export const SO_RCVLOWAT = 0x1004;
export const SO_SNDTIMEO = 0x1005;
export const SO_RCVTIMEO = 0x1006;
export const SO_ERROR = 0x1007;
export const SO_TYPE = 0x1008;
export const SO_SNDSPACE = 0x100a;
export const SO_CPUHINT = 0x1030;
export const SO_RERROR = 0x2000;
export const SO_PASSCRED = 0x4000;

export const MSG_OOB = 0x1;
export const MSG_PEEK = 0x2;
export const MSG_DONTROUTE = 0x4;
export const MSG_EOR = 0x8;
export const MSG_TRUNC = 0x10;
export const MSG_CTRUNC = 0x20;
export const MSG_WAITALL = 0x40;
export const MSG_DONTWAIT = 0x80;
export const MSG_EOF = 0x100;
export const MSG_NOSIGNAL = 0x400;
export const MSG_CMSG_CLOEXEC = 0x1000;
export const MSG_CMSG_CLOFORK = 0x2000;
export const MSG_FBLOCKING = 0x10000;
export const MSG_FNONBLOCKING = 0x20000;

export const SHUT_RD = 0;
export const SHUT_WR = 1;
export const SHUT_RDWR = 2;
export const SOMAXCONN = 128;

export const SCM_RIGHTS = 1;
export const SCM_TIMESTAMP = 2;
export const SCM_CREDS = 3;
