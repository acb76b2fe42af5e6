/* sigset_t: 128 signals, 16 bytes. */
#ifndef _SYS__SIGSET_H_
#define _SYS__SIGSET_H_

typedef struct __sigset {
	unsigned int __bits[4];
} sigset_t;

#endif
