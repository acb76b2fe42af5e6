#ifndef _SCHED_H_
#define _SCHED_H_

#include <sys/cdefs.h>

#define SCHED_FIFO 1
#define SCHED_OTHER 2
#define SCHED_RR 3
struct sched_param {
	int sched_priority;
};
__BEGIN_DECLS
int sched_yield(void);
__END_DECLS

#endif
