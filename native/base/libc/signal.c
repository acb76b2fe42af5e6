/* Signals and short sleeps. signal(3) has BSD semantics: the handler stays and calls restart. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

#include "libc_private.h"

int
sigemptyset(sigset_t *set)
{
	memset(set, 0, sizeof(*set));
	return (0);
}

int
sigfillset(sigset_t *set)
{
	memset(set, 0xff, sizeof(*set));
	return (0);
}

static int
bad(int sig)
{
	if (sig >= 1 && sig <= 128)
		return (0);
	errno = EINVAL;
	return (1);
}

int
sigaddset(sigset_t *set, int sig)
{
	if (bad(sig))
		return (-1);
	set->__bits[(sig - 1) / 32] |= 1U << ((sig - 1) % 32);
	return (0);
}

int
sigdelset(sigset_t *set, int sig)
{
	if (bad(sig))
		return (-1);
	set->__bits[(sig - 1) / 32] &= ~(1U << ((sig - 1) % 32));
	return (0);
}

int
sigismember(const sigset_t *set, int sig)
{
	if (bad(sig))
		return (-1);
	return (set->__bits[(sig - 1) / 32] >> ((sig - 1) % 32) & 1);
}

static sigset_t no_restart;

sig_t
signal(int sig, sig_t handler)
{
	struct sigaction sa, old;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = handler;
	if (sigismember(&no_restart, sig) <= 0)
		sa.sa_flags = SA_RESTART;
	return (sigaction(sig, &sa, &old) < 0 ? SIG_ERR : old.sa_handler);
}

int
siginterrupt(int sig, int on)
{
	struct sigaction sa;

	if (sigaction(sig, NULL, &sa) < 0)
		return (-1);
	if (on) {
		sigaddset(&no_restart, sig);
		sa.sa_flags &= ~SA_RESTART;
	} else {
		sigdelset(&no_restart, sig);
		sa.sa_flags |= SA_RESTART;
	}
	return (sigaction(sig, &sa, NULL));
}

int
raise(int sig)
{
	extern int lwp_kill(pid_t, int, int);
	extern int lwp_gettid(void);

	if (__isthreaded)
		return (lwp_kill(-1, lwp_gettid(), sig));
	return (kill(getpid(), sig));
}

int
pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
	return (sigprocmask(how, set, old) < 0 ? errno : 0);
}

int
sigblock(int mask)
{
	sigset_t set, old;

	sigemptyset(&set);
	set.__bits[0] = (unsigned)mask;
	sigprocmask(SIG_BLOCK, &set, &old);
	return ((int)old.__bits[0]);
}

int
sigsetmask(int mask)
{
	sigset_t set, old;

	sigemptyset(&set);
	set.__bits[0] = (unsigned)mask;
	sigprocmask(SIG_SETMASK, &set, &old);
	return ((int)old.__bits[0]);
}

int
pause(void)
{
	sigset_t now;

	sigprocmask(SIG_BLOCK, NULL, &now);
	return (sigsuspend(&now));
}

int
sigpause(int mask)
{
	sigset_t set;

	sigemptyset(&set);
	set.__bits[0] = (unsigned)mask;
	return (sigsuspend(&set));
}

int
sigwait(const sigset_t *set, int *sig)
{
	int n;

	do
		n = sigwaitinfo(set, NULL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return (errno);
	*sig = n;
	return (0);
}

unsigned int
alarm(unsigned int secs)
{
	struct itimerval it = { .it_value.tv_sec = secs }, old;

	if (setitimer(ITIMER_REAL, &it, &old) < 0)
		return ((unsigned)-1);
	return ((unsigned)(old.it_value.tv_sec + (old.it_value.tv_usec != 0)));
}

unsigned int
ualarm(unsigned int usecs, unsigned int interval)
{
	struct itimerval it = { .it_value = { usecs / 1000000, usecs % 1000000 },
		.it_interval = { interval / 1000000, interval % 1000000 } }, old;

	if (setitimer(ITIMER_REAL, &it, &old) < 0)
		return ((unsigned)-1);
	return ((unsigned)(old.it_value.tv_sec * 1000000 + old.it_value.tv_usec));
}

unsigned int
sleep(unsigned int secs)
{
	struct timespec ts = { secs, 0 }, left = { 0, 0 };

	if (nanosleep(&ts, &left) == 0)
		return (0);
	return ((unsigned)(left.tv_sec + (left.tv_nsec != 0)));
}

int
usleep(useconds_t usecs)
{
	struct timespec ts = { usecs / 1000000, usecs % 1000000 * 1000 };

	return (nanosleep(&ts, NULL));
}

int
clock_nanosleep(clockid_t clock, int flags, const struct timespec *ts, struct timespec *left)
{
	/* The kernel's result is the error number. */
	int r = __sys_clock_nanosleep(clock, flags, ts, left);

	return (r < 0 ? errno : r);
}

time_t
time(time_t *out)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_SECOND, &ts) < 0 && clock_gettime(CLOCK_REALTIME, &ts) < 0)
		return (-1);
	if (out != NULL)
		*out = ts.tv_sec;
	return (ts.tv_sec);
}

static clock_t
ticks(const struct timeval *tv)
{
	return ((clock_t)tv->tv_sec * CLK_TCK + (clock_t)tv->tv_usec * CLK_TCK / 1000000);
}

clock_t
clock(void)
{
	struct rusage ru;

	if (getrusage(RUSAGE_SELF, &ru) < 0)
		return ((clock_t)-1);
	return (ticks(&ru.ru_utime) + ticks(&ru.ru_stime));
}

clock_t
times(struct tms *out)
{
	struct rusage ru;
	struct timespec ts;

	if (getrusage(RUSAGE_SELF, &ru) < 0)
		return ((clock_t)-1);
	out->tms_utime = ticks(&ru.ru_utime);
	out->tms_stime = ticks(&ru.ru_stime);
	if (getrusage(RUSAGE_CHILDREN, &ru) < 0)
		return ((clock_t)-1);
	out->tms_cutime = ticks(&ru.ru_utime);
	out->tms_cstime = ticks(&ru.ru_stime);
	if (clock_gettime(CLOCK_MONOTONIC, &ts) < 0)
		return ((clock_t)-1);
	return ((clock_t)ts.tv_sec * CLK_TCK + (clock_t)ts.tv_nsec / (1000000000 / CLK_TCK));
}
