/*
 * echo [-n] [string ...]: print the arguments; a final \c in the last one suppresses the newline. Counterpart: bin/echo.
 */
#include "util.h"

int
echo_main(int argc, char **argv)
{
	bool newline = true;
	int i = 1;

	if (argc > 1 && strcmp(argv[1], "-n") == 0) {
		newline = false;
		i++;
	}
	for (; i < argc; i++) {
		size_t n = strlen(argv[i]);

		if (i == argc - 1 && n >= 2 && strcmp(argv[i] + n - 2, "\\c") == 0) {
			n -= 2;
			newline = false;
		}
		fwrite(argv[i], 1, n, stdout);
		if (i < argc - 1)
			putchar(' ');
	}
	if (newline)
		putchar('\n');
	return finish(0);
}
