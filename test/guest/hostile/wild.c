/* Every call number with wild pointers: whatever comes back, the kernel stays. Well-known calls must say EFAULT. */
#include <fcntl.h>
#include <sys/event.h>
#include <sys/syscall.h>

#include "hostile.h"

/* Not these: they end the system, or signal processes that are none of ours when a wild value is -1. */
static int
spared(int nr)
{
	return (nr == SYS_reboot || nr == SYS_kill || nr == 0 || nr == 198);
}

static const uint64_t wild[] = {
	0, 1, 8, 0xfff, 0x10000, 0x12345678, 0x7fffffdff000, 0x7fffffdfffff, 0x7fffffe00000, 0x7fffffe80000, 0x7fffffff0000,
	0x800000000000, 0xdeadbeefdeadbeef, 0xffff800000000000, 0xffffffff80000000, 0xffffffffff600000, 0xfffffffffffff000,
	0xffffffffffffffff, 0x7fffffffffffffff, 0x8000000000000000,
};
#define NWILD (sizeof(wild) / sizeof(wild[0]))
#define COMBOS (NWILD + 24)

struct progress {
	volatile int combo;
	volatile int done;
};

/* Opened before the first victim: one of them may change the device's flags, so that it cannot be opened any more. */
static int null;

static void
victim(int nr, struct progress *p)
{
	uint64_t a[6], seed = (uint64_t)nr * 977 + 5;

	/* A wild sigreturn or rfork may lead anywhere in the program: what a victim prints means nothing. */
	dup2(null, 1);
	dup2(null, 2);
	setsid();
	signal(SIGSYS, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	for (int c = 0; c < (int)COMBOS; c++) {
		for (int i = 0; i < 6; i++)
			a[i] = c < (int)NWILD ? wild[c] : rnd(&seed) % 3 == 0 ? rnd(&seed) % 16 : wild[rnd(&seed) % NWILD];
		if (c < p->combo)
			continue;
		p->combo = c + 1;
		pid_t me = getpid();
		raw_call(nr, a);
		/* A fork of any kind: the copy has nothing to do here. */
		if (getpid() != me)
			_exit(0);
	}
	p->done = 1;
	_exit(0);
}

static const uint64_t bad[] = { 8, 0x10000, 0x7fffffe00000, 0x7fffffe80000, 0x800000000000, 0xdeadbeefdeadbeef,
	0xffffffff80000000, 0xfffffffffffff000 };

#define BAD 0xbadUL /* stands for each of the bad addresses */
static const struct {
	const char *name;
	int nr;
	uint64_t a[6];
} faults[] = {
	{ "open", SYS_open, { BAD, O_RDONLY } }, { "stat", 475, { (uint64_t)"/", BAD } }, { "stat path", 475, { BAD, BAD } },
	{ "write", SYS_write, { 1, BAD, 16 } }, { "pipe read", SYS_read, { 100, BAD, 16 } },
	{ "chdir", SYS_chdir, { BAD } }, { "mkdir", SYS_mkdir, { BAD, 0755 } }, { "unlink", SYS_unlink, { BAD } },
	{ "rename", SYS_rename, { (uint64_t)"/tmp", BAD } }, { "readlink", SYS_readlink, { (uint64_t)"/tmp/ln", BAD, 100 } },
	{ "execve", SYS_execve, { BAD, 0, 0 } }, { "execve argv", SYS_execve, { (uint64_t)"/bin/sh", BAD, 0 } },
	{ "gettimeofday", SYS_gettimeofday, { BAD, 0 } }, { "clock_gettime", SYS_clock_gettime, { 0, BAD } },
	{ "nanosleep", SYS_nanosleep, { BAD, 0 } }, { "sigaction", 342, { SIGUSR1, BAD, 0 } },
	{ "sigaction old", 342, { SIGUSR1, 0, BAD } }, { "sigprocmask", 340, { 1, 0, BAD } }, { "sigaltstack", 53, { BAD, 0 } },
	{ "getrusage", SYS_getrusage, { 0, BAD } }, { "getrlimit", SYS_getrlimit, { 0, BAD } }, { "select", SYS_select, { 1, BAD, 0, 0, 0 } },
	{ "poll", SYS_poll, { BAD, 1, 0 } }, { "sysctl", SYS___sysctl, { BAD, 2, 0, 0, 0, 0 } }, { "getgroups", SYS_getgroups, { 16, BAD } },
	{ "setitimer", SYS_setitimer, { 0, BAD, 0 } }, { "lwp_create", SYS_lwp_create, { BAD } }, { "getrandom", 550, { BAD, 16, 0 } },
	{ "kevent", SYS_kevent, { 101, BAD, 1, 0, 0, 0 } }, { "readv", SYS_readv, { 0, BAD, 1 } }, { "writev", SYS_writev, { 1, BAD, 1 } },
	{ "umtx_sleep", SYS_umtx_sleep, { BAD & ~3UL, 0, 0 } }, { "wait4", SYS_wait4, { 0, BAD, 0, 0 } },
};

static void
exact(void)
{
	int p[2], failed = 0, kq = kqueue();

	pipe(p);
	write(p[1], "sixteen bytes ok", 16);
	dup2(p[0], 100);
	dup2(kq, 101);
	symlink("target", "/tmp/ln");
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		for (size_t b = 0; b < sizeof(bad) / sizeof(bad[0]); b++) {
			uint64_t a[6];
			int e;

			for (int k = 0; k < 6; k++)
				a[k] = faults[i].a[k] == BAD ? bad[b] : faults[i].a[k] == (BAD & ~3UL) ? bad[b] & ~3UL : faults[i].a[k];
			/* wait4 copies out only when there is a child to tell of. */
			if (faults[i].nr == SYS_wait4) {
				pid_t c = fork();

				if (c == 0)
					_exit(0);
				a[0] = (uint64_t)c;
			}
			e = raw_call(faults[i].nr, a);
			if (faults[i].nr == SYS_wait4)
				waitpid((pid_t)a[0], NULL, WNOHANG);
			/* The end of a page may be refused for its alignment first. */
			if (e != EFAULT && !(faults[i].nr == SYS_umtx_sleep && (e == EINVAL || e == EAGAIN))) {
				printf("# %s with %#lx: %s\n", faults[i].name, bad[b], e == 0 ? "success" : strerror(e));
				failed++;
			}
		}
	ok(failed == 0, "calls with bad addresses say EFAULT");
}

int
main(void)
{
	struct progress *p = shared_page();
	int hung = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	null = open("/dev/null", O_RDWR);
	exact();
	for (int nr = 0; nr <= 600; nr++) {
		if (spared(nr))
			continue;
		p->combo = p->done = 0;
		for (int tries = 0; tries < (int)COMBOS && !p->done && p->combo < (int)COMBOS; tries++) {
			pid_t pid = fork();

			if (pid == 0)
				victim(nr, p);
			if (pid < 0) {
				printf("# fork: %s\n", strerror(errno));
				break;
			}
			if (reap(pid, 60) == -1)
				hung++;
			/* Calls that always sleep or always end the caller: enough is enough. */
			if (hung > 0 && tries >= 3)
				break;
			if (tries >= 8)
				break;
		}
		hung = 0;
	}
	ok(getpid() > 1, "the caller has lived to tell");
	return (finish());
}
