#ifndef _SYS_TLS_H_
#define _SYS_TLS_H_

#include <sys/types.h>

struct tls_info {
	void *base;
	long size;
};
/* The thread control block sits at the fs base; static TLS lies below it (variant II). */
struct tls_tcb {
	struct tls_tcb *tcb_self;
	void *tcb_dtv;
	void *tcb_pthread;
	int *tcb_errno_p;
	void *tcb_segstack;
	long tcb_unused[3];
};
__BEGIN_DECLS
int set_tls_area(int, struct tls_info *, size_t);
int get_tls_area(int, struct tls_info *, size_t);
__END_DECLS

#endif
