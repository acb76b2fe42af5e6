/* struct timespec and struct timeval, for every header that needs one of them. */
#ifndef _SYS__TIME_H_
#define _SYS__TIME_H_

struct timespec {
	long tv_sec;
	long tv_nsec;
};
struct timeval {
	long tv_sec;
	long tv_usec;
};

#endif
