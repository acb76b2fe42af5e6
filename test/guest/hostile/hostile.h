/* What the hostile programs share: children that may do anything, watched from a parent that survives them. */
#ifndef HOSTILE_H
#define HOSTILE_H

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../libc/check.h"

/* The window that the host's stub occupies above the user's addresses (native/stub/layout.h). */
#define STUB 0x7fffffe00000UL
#define STUB_SLOTS 0x7fffffe80000UL
#define STUB_END 0x7fffffff0000UL

static inline uint32_t
rnd(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005UL + 1442695040888963407UL;
	return ((uint32_t)(*seed >> 33));
}

static inline long
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (ts.tv_sec * 1000 + ts.tv_nsec / 1000000);
}

/* Memory that outlives a child that does not. */
static inline void *
shared_page(void)
{
	return (mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANON, -1, 0));
}

/* Wait for `pid`; kill it after `ms`. Returns its status, -1 when it had to be killed. */
static inline int
reap(pid_t pid, long ms)
{
	struct timespec ts = { 0, 200000 };
	long end = now_ms() + ms;
	int status;

	for (;;) {
		pid_t got = waitpid(pid, &status, WNOHANG);

		if (got == pid)
			return (status);
		if (got < 0 && errno != EINTR)
			return (-2);
		if (now_ms() > end)
			break;
		nanosleep(&ts, NULL);
		if (ts.tv_nsec < 5000000)
			ts.tv_nsec *= 2;
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return (-1);
}

/* A system call by number, with the carry flag told apart. Returns the errno, 0 for success. */
static inline int
raw_call(long nr, const uint64_t *a)
{
	uint64_t rax = (uint64_t)nr;
	uint8_t carry;
	register uint64_t r10 __asm__("r10") = a[3];
	register uint64_t r8 __asm__("r8") = a[4];
	register uint64_t r9 __asm__("r9") = a[5];

	__asm__ volatile("syscall; setc %1"
	    : "+a"(rax), "=q"(carry), "+r"(r10)
	    : "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r8), "r"(r9)
	    : "rcx", "r11", "memory", "cc");
	return (carry ? (int)rax : 0);
}

#endif
