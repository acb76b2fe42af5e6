/* Up to every limit and over it: processes, threads, stack, address space. */
#include <pthread.h>
#include <setjmp.h>

#include "hostile.h"

static sigjmp_buf back;
static volatile int got;
static char *volatile lowest;

static void
handler(int sig)
{
	got = sig;
	siglongjmp(back, 1);
}

static void
forks(int total)
{
	struct progress { volatile int made; } *p = shared_page();
	int n = 0, err = 0;
	pid_t leader = fork();

	if (leader == 0) {
		setsid();
		for (int i = 0; i < total; i++) {
			pid_t c = fork();

			if (c == 0) {
				/* A few of the children are bombs themselves. */
				if (i % 64 == 0)
					while (fork() == 0)
						p->made++;
				for (;;)
					pause();
			}
			if (c < 0) {
				err = errno;
				break;
			}
			n++;
		}
		printf("# %d forks, then %s\n", n, strerror(err));
		fflush(stdout);
		kill(0, SIGKILL);
		_exit(0);
	}
	reap(leader, 60000);
	while (kill(-leader, SIGKILL) == 0)
		usleep(10000);
	ok(1, "the bomb has been cleared away");
	/* Everything that was taken has been given back. */
	for (n = 0; n < 300; n++) {
		pid_t c = fork();

		if (c == 0)
			_exit(n & 63);
		if (c < 0 || reap(c, 5000) != (n & 63) << 8)
			break;
	}
	ok(n == 300, "forks work as before");
}

static volatile int quit;

static void *
idle(void *arg)
{
	while (!quit)
		usleep(20000);
	return (arg);
}

static void
threads(void)
{
	static pthread_t t[4000];
	int n, e = 0;

	for (n = 0; n < 4000; n++)
		if ((e = pthread_create(&t[n], NULL, idle, NULL)) != 0)
			break;
	printf("# %d threads, then %s\n", n, strerror(e));
	ok(n >= 30 && n < 4000 && (e == EAGAIN || e == ENOMEM), "threads end in EAGAIN");
	quit = 1;
	for (int i = 0; i < n; i++)
		pthread_join(t[i], NULL);
	quit = 0;
	ok(pthread_create(&t[0], NULL, idle, NULL) == 0, "one more thread after that");
	quit = 1;
	pthread_join(t[0], NULL);
}

static int __attribute__((__noinline__))
recurse(int n)
{
	volatile char frame[1024];

	frame[0] = (char)n;
	lowest = (char *)frame;
	return (recurse(n + 1) + frame[0]);
}

static void
stack(void)
{
	char here;

	got = 0;
	if (sigsetjmp(back, 1) == 0)
		recurse(0);
	long deep = &here - lowest;
	printf("# stack overflow after %ld KB: signal %d\n", deep / 1024, got);
	ok(got == SIGSEGV && deep > 7 << 20 && deep < 9 << 20, "deep recursion ends at the stack's limit");
}

static void
space(void)
{
	int n = 0;
	char *p;

	for (int bits = 30; bits <= 47; bits++) {
		p = mmap(NULL, 1UL << bits, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
		if (p == MAP_FAILED)
			continue;
		n++;
		p[0] = 1;
		p[(1UL << bits) - 1] = 1;
		if (munmap(p, 1UL << bits) != 0)
			ok(0, "munmap of a huge mapping");
	}
	printf("# %d huge mappings\n", n);
	ok(n >= 1, "huge mappings cost nothing until they are used");
	p = mmap(NULL, 20000UL * 4096, PROT_READ, MAP_PRIVATE | MAP_ANON, -1, 0);
	for (n = 0; n < 20000; n += 2)
		if (mprotect(p + n * 4096L, 4096, PROT_READ | PROT_WRITE) != 0)
			break;
	printf("# %d mappings of a page each\n", n);
	ok(n >= 1000, "many small mappings");
	/* Each fork would copy them all: the kernel's own memory is limited too. */
	pid_t leader = fork();
	if (leader == 0) {
		pid_t c = 0;

		setsid();
		for (n = 0; n < 300 && (c = fork()) > 0; n++)
			;
		if (c == 0)
			for (;;)
				pause();
		printf("# %d forks with them, then %s\n", n, strerror(errno));
		fflush(stdout);
		kill(0, SIGKILL);
	}
	reap(leader, 60000);
	ok(munmap(p, 20000UL * 4096) == 0, "and unmapped in one call");
}

int
main(int argc, char **argv)
{
	static char alt[65536];
	stack_t ss = { .ss_sp = alt, .ss_size = sizeof(alt) };
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_ONSTACK };

	setvbuf(stdout, NULL, _IOLBF, 0);
	sigaltstack(&ss, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	stack();
	space();
	threads();
	forks(argc > 1 ? atoi(argv[1]) : 10000);
	return (finish());
}
