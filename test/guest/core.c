/* Dies with a core file: see core.test.ts. */
#include <stdlib.h>
#include <sys/resource.h>

volatile int magic = 0x5eed;

__attribute__((noinline)) void
inner(int n)
{
	magic = n;
	abort();
}

int
main(void)
{
	struct rlimit r = { RLIM_INFINITY, RLIM_INFINITY };

	setrlimit(RLIMIT_CORE, &r);
	inner(0x1337);
	return (0);
}
