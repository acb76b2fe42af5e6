#ifndef _SYS_LWP_H_
#define _SYS_LWP_H_

#include <sys/types.h>

struct lwp_params {
	void (*lwp_func)(void *);
	void *lwp_arg;
	void *lwp_stack;
	lwpid_t *lwp_tid1;
	lwpid_t *lwp_tid2;
};
#define EXTEXIT_SIMPLE 0
#define EXTEXIT_SETINT 1
#define EXTEXIT_PROC 0
#define EXTEXIT_LWP (1 << 16)
__BEGIN_DECLS
int lwp_create(struct lwp_params *);
lwpid_t lwp_gettid(void);
int lwp_kill(pid_t, lwpid_t, int);
int lwp_setname(lwpid_t, const char *);
int lwp_getname(lwpid_t, char *, size_t);
int umtx_sleep(volatile const int *, int, int);
int umtx_wakeup(volatile const int *, int);
void extexit(int, int, void *) __dead2;
__END_DECLS

#endif
