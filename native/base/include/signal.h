/* Signals. SIG_BLOCK is 1 here, and the sa_flags differ from Linux. The kernel owns the return trampoline. */
#ifndef _SIGNAL_H_
#define _SIGNAL_H_

#include <sys/_sigset.h>
#include <sys/_time.h>
#include <sys/types.h>

#define SIGHUP 1
#define SIGINT 2
#define SIGQUIT 3
#define SIGILL 4
#define SIGTRAP 5
#define SIGABRT 6
#define SIGIOT SIGABRT
#define SIGEMT 7
#define SIGFPE 8
#define SIGKILL 9
#define SIGBUS 10
#define SIGSEGV 11
#define SIGSYS 12
#define SIGPIPE 13
#define SIGALRM 14
#define SIGTERM 15
#define SIGURG 16
#define SIGSTOP 17
#define SIGTSTP 18
#define SIGCONT 19
#define SIGCHLD 20
#define SIGTTIN 21
#define SIGTTOU 22
#define SIGIO 23
#define SIGXCPU 24
#define SIGXFSZ 25
#define SIGVTALRM 26
#define SIGPROF 27
#define SIGWINCH 28
#define SIGINFO 29
#define SIGUSR1 30
#define SIGUSR2 31
#define SIGTHR 32
#define SIGCKPT 33
#define SIGCKPTEXIT 34
#define NSIG 64
#define SIGRTMIN 65
#define SIGRTMAX 126

typedef int sig_atomic_t;
typedef void __sighandler_t(int);
typedef __sighandler_t *sig_t;
#define SIG_DFL ((__sighandler_t *)0)
#define SIG_IGN ((__sighandler_t *)1)
#define SIG_ERR ((__sighandler_t *)-1)

union sigval {
	int sival_int;
	void *sival_ptr;
	int sigval_int;
	void *sigval_ptr;
};
typedef struct __siginfo {
	int si_signo;
	int si_errno;
	int si_code;
	int si_pid;
	unsigned int si_uid;
	int si_status;
	void *si_addr;
	union sigval si_value;
	long si_band;
	int __spare__[7];
} siginfo_t;
struct sigevent {
	int sigev_notify;
	union {
		int __sigev_signo;
		int __sigev_notify_kqueue;
		void *__sigev_notify_attributes;
	} __sigev_u;
	union sigval sigev_value;
	void (*sigev_notify_function)(union sigval);
};
#define sigev_signo __sigev_u.__sigev_signo
#define SIGEV_NONE 0
#define SIGEV_SIGNAL 1
#define SIGEV_THREAD 2

struct sigaction {
	union {
		void (*__sa_handler)(int);
		void (*__sa_sigaction)(int, siginfo_t *, void *);
	} __sigaction_u;
	int sa_flags;
	sigset_t sa_mask;
};
#define sa_handler __sigaction_u.__sa_handler
#define sa_sigaction __sigaction_u.__sa_sigaction
#define SA_ONSTACK 0x0001
#define SA_RESTART 0x0002
#define SA_RESETHAND 0x0004
#define SA_NOCLDSTOP 0x0008
#define SA_NODEFER 0x0010
#define SA_NOCLDWAIT 0x0020
#define SA_SIGINFO 0x0040

#define SIG_BLOCK 1
#define SIG_UNBLOCK 2
#define SIG_SETMASK 3

typedef struct sigaltstack {
	void *ss_sp;
	size_t ss_size;
	int ss_flags;
} stack_t;
#define SS_ONSTACK 0x0001
#define SS_DISABLE 0x0004
#define MINSIGSTKSZ 8192
#define SIGSTKSZ 40960

#define ILL_ILLOPC 1
#define ILL_PRVOPC 5
#define FPE_INTOVF 1
#define FPE_INTDIV 2
#define FPE_FLTSUB 8
#define SEGV_MAPERR 1
#define SEGV_ACCERR 2
#define BUS_ADRALN 1
#define BUS_ADRERR 2
#define BUS_OBJERR 3
#define TRAP_BRKPT 1
#define TRAP_TRACE 2
#define CLD_EXITED 1
#define CLD_KILLED 2
#define CLD_DUMPED 3
#define CLD_TRAPPED 4
#define CLD_STOPPED 5
#define CLD_CONTINUED 6
#define SI_USER 0

typedef struct __mcontext {
	long mc_onstack;
	long mc_rdi, mc_rsi, mc_rdx, mc_rcx, mc_r8, mc_r9, mc_rax, mc_rbx, mc_rbp;
	long mc_r10, mc_r11, mc_r12, mc_r13, mc_r14, mc_r15;
	long mc_xflags, mc_trapno, mc_addr, mc_flags, mc_err, mc_rip, mc_cs, mc_rflags, mc_rsp, mc_ss;
	unsigned int mc_len;
	unsigned int mc_fpformat;
	unsigned int mc_ownedfp;
	unsigned int mc_reserved;
	unsigned int mc_unused[8];
	int mc_fpregs[256];
} mcontext_t __attribute__((__aligned__(64)));
typedef struct __ucontext {
	sigset_t uc_sigmask;
	mcontext_t uc_mcontext;
	struct __ucontext *uc_link;
	stack_t uc_stack;
	void (*uc_cofunc)(struct __ucontext *, void *);
	void *uc_arg;
	int __spare__[4];
} ucontext_t;

extern const char *const sys_signame[];
extern const char *const sys_siglist[];
extern const int sys_nsig;

#define sigmask(n) (1U << ((n) - 1))
#define _SIG_WORDS 4

__BEGIN_DECLS
int kill(pid_t, int);
int killpg(pid_t, int);
int raise(int);
int sigaction(int, const struct sigaction *, struct sigaction *);
int sigaddset(sigset_t *, int);
int sigaltstack(const stack_t *, stack_t *);
int sigdelset(sigset_t *, int);
int sigemptyset(sigset_t *);
int sigfillset(sigset_t *);
int siginterrupt(int, int);
int sigismember(const sigset_t *, int);
int sigpause(int);
int sigpending(sigset_t *);
int sigprocmask(int, const sigset_t *, sigset_t *);
int pthread_sigmask(int, const sigset_t *, sigset_t *);
int sigsuspend(const sigset_t *);
int sigtimedwait(const sigset_t *, siginfo_t *, const struct timespec *);
int sigwait(const sigset_t *, int *);
int sigwaitinfo(const sigset_t *, siginfo_t *);
int sigblock(int);
int sigsetmask(int);
void psignal(unsigned int, const char *);
sig_t signal(int, sig_t);
__END_DECLS

#endif
