#ifndef _SYS_RTPRIO_H_
#define _SYS_RTPRIO_H_

#include <sys/types.h>

#define RTP_LOOKUP 0
#define RTP_SET 1
#define RTP_PRIO_REALTIME 0
#define RTP_PRIO_NORMAL 1
#define RTP_PRIO_IDLE 2
#define RTP_PRIO_THREAD 3
#define RTP_PRIO_MIN 0
#define RTP_PRIO_MAX 31

struct rtprio {
	unsigned short type;
	unsigned short prio;
};
__BEGIN_DECLS
int rtprio(int, pid_t, struct rtprio *);
int lwp_rtprio(int, pid_t, lwpid_t, struct rtprio *);
__END_DECLS

#endif
