/* TCP options; the keep-alive times are in milliseconds. */
#ifndef _NETINET_TCP_H_
#define _NETINET_TCP_H_

#define TCP_NODELAY 1
#define TCP_MAXSEG 2
#define TCP_NOPUSH 4
#define TCP_NOOPT 8
#define TCP_KEEPINIT 32
#define TCP_FASTKEEP 128
#define TCP_KEEPIDLE 256
#define TCP_KEEPINTVL 512
#define TCP_KEEPCNT 1024

#endif
