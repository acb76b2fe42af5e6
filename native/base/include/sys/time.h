/* timeval arithmetic, interval timers, time of day. */
#ifndef _SYS_TIME_H_
#define _SYS_TIME_H_

#include <sys/_time.h>
#include <sys/types.h>
#include <time.h>

struct timezone {
	int tz_minuteswest;
	int tz_dsttime;
};
struct itimerval {
	struct timeval it_interval;
	struct timeval it_value;
};
#define ITIMER_REAL 0
#define ITIMER_VIRTUAL 1
#define ITIMER_PROF 2

#define timerclear(t) ((t)->tv_sec = (t)->tv_usec = 0)
#define timerisset(t) ((t)->tv_sec || (t)->tv_usec)
#define timercmp(a, b, cmp) \
	(((a)->tv_sec == (b)->tv_sec) ? ((a)->tv_usec cmp(b)->tv_usec) : ((a)->tv_sec cmp(b)->tv_sec))
#define timeradd(a, b, r)                                    \
	do {                                                 \
		(r)->tv_sec = (a)->tv_sec + (b)->tv_sec;     \
		(r)->tv_usec = (a)->tv_usec + (b)->tv_usec;  \
		if ((r)->tv_usec >= 1000000) {               \
			(r)->tv_sec++;                       \
			(r)->tv_usec -= 1000000;             \
		}                                            \
	} while (0)
#define timersub(a, b, r)                                    \
	do {                                                 \
		(r)->tv_sec = (a)->tv_sec - (b)->tv_sec;     \
		(r)->tv_usec = (a)->tv_usec - (b)->tv_usec;  \
		if ((r)->tv_usec < 0) {                      \
			(r)->tv_sec--;                       \
			(r)->tv_usec += 1000000;             \
		}                                            \
	} while (0)

struct kinfo_clockinfo {
	int ci_hz;
	int ci_tick;
	int ci_tickadj;
	int ci_stathz;
	int ci_profhz;
};

__BEGIN_DECLS
int adjtime(const struct timeval *, struct timeval *);
int futimes(int, const struct timeval *);
int futimesat(int, const char *, const struct timeval *);
int getitimer(int, struct itimerval *);
int gettimeofday(struct timeval *, struct timezone *);
int lutimes(const char *, const struct timeval *);
int setitimer(int, const struct itimerval *, struct itimerval *);
int settimeofday(const struct timeval *, const struct timezone *);
int utimes(const char *, const struct timeval *);
__END_DECLS

#endif
