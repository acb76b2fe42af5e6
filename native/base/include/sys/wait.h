/* wait(2) status words: a continued child reports 19 (SIGCONT), not 0xffff. */
#ifndef _SYS_WAIT_H_
#define _SYS_WAIT_H_

#include <signal.h>
#include <sys/types.h>

#define WNOHANG 0x0001
#define WUNTRACED 0x0002
#define WSTOPPED WUNTRACED
#define WCONTINUED 0x0004
#define WNOWAIT 0x0008
#define WEXITED 0x0010
#define WTRAPPED 0x0020
#define WAIT_ANY (-1)
#define WAIT_MYPGRP 0

#define _WSTATUS(x) ((x) & 0177)
#define WIFSTOPPED(x) (((x) & 0xff) == 0177)
#define WSTOPSIG(x) (((x) >> 8) & 0xff)
#define WIFCONTINUED(x) ((x) == 19)
#define WIFSIGNALED(x) (_WSTATUS(x) != 0177 && _WSTATUS(x) != 0 && (x) != 19)
#define WTERMSIG(x) (_WSTATUS(x))
#define WIFEXITED(x) (_WSTATUS(x) == 0)
#define WEXITSTATUS(x) (((x) >> 8) & 0xff)
#define WCOREDUMP(x) (((x) & 0200) != 0)
#define WCOREFLAG 0200
#define W_EXITCODE(ret, sig) ((ret) << 8 | (sig))
#define W_STOPCODE(sig) ((sig) << 8 | 0177)

typedef enum idtype {
	P_PID, P_PPID, P_PGID, P_SID, P_CID, P_UID, P_GID, P_ALL, P_LWPID, P_TASKID, P_PROJID, P_POOLID,
	P_JAILID, P_CTID, P_CPUID, P_PSETID
} idtype_t;

struct rusage;
struct __wrusage;
__BEGIN_DECLS
pid_t wait(int *);
pid_t waitpid(pid_t, int *, int);
int waitid(idtype_t, id_t, siginfo_t *, int);
pid_t wait3(int *, int, struct rusage *);
pid_t wait4(pid_t, int *, int, struct rusage *);
pid_t wait6(idtype_t, id_t, int *, int, struct __wrusage *, siginfo_t *);
__END_DECLS

#endif
