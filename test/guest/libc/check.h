/* A self-checking guest program: ok(condition, what) prints one TAP line; finish() prints the plan and the status. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <string.h>

static int checks, failures;

static inline void
ok(int good, const char *what)
{
	checks++;
	if (!good)
		failures++;
	printf("%sok %d - %s\n", good ? "" : "not ", checks, what);
}

static inline void
is_text(const char *got, const char *want, const char *what)
{
	int good = strcmp(got, want) == 0;

	ok(good, what);
	if (!good)
		printf("# got  '%s'\n# want '%s'\n", got, want);
}

static inline int
finish(void)
{
	printf("1..%d\n", checks);
	return (failures != 0);
}

#endif
