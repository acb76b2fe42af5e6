/*
 * yes [expletive]: be repetitively affirmative. Counterpart: usr.bin/yes.
 */
#include "util.h"

int
yes_main(int argc, char **argv)
{
	static char buf[8192];
	const char *s = argc > 1 ? argv[1] : "y";
	size_t n = strlen(s) + 1, len = 0;

	if (n > sizeof(buf))
		for (;;)
			if (puts(s) == EOF)
				err(1, "stdout");
	for (; len + n <= sizeof(buf); len += n) {
		memcpy(buf + len, s, n - 1);
		buf[len + n - 1] = '\n';
	}
	while (write_all(STDOUT_FILENO, buf, len) == 0)
		;
	err(1, "stdout");
}
