/* select(2). The kernel touches only ceil(nd/64) words of a set. */
#ifndef _SYS_SELECT_H_
#define _SYS_SELECT_H_

#include <sys/_sigset.h>
#include <sys/_time.h>
#include <sys/cdefs.h>

#ifndef FD_SETSIZE
#define FD_SETSIZE 1024
#endif
#define __NFDBITS 64
#define NFDBITS __NFDBITS
#define NBBY 8

typedef unsigned long fd_mask;
typedef struct fd_set {
	unsigned long fds_bits[(FD_SETSIZE + 63) / 64];
} fd_set;

#define FD_SET(n, p) ((p)->fds_bits[(n) / 64] |= (1UL << ((n) % 64)))
#define FD_CLR(n, p) ((p)->fds_bits[(n) / 64] &= ~(1UL << ((n) % 64)))
#define FD_ISSET(n, p) (((p)->fds_bits[(n) / 64] & (1UL << ((n) % 64))) != 0)
#define FD_ZERO(p) __builtin_memset((p), 0, sizeof(*(p)))
#define FD_COPY(f, t) (*(t) = *(f))

__BEGIN_DECLS
int select(int, fd_set *, fd_set *, fd_set *, struct timeval *);
int pselect(int, fd_set *, fd_set *, fd_set *, const struct timespec *, const sigset_t *);
__END_DECLS

#endif
