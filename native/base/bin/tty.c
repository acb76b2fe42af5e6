/*
 * tty [-s]: name of the terminal on standard input. Counterpart: usr.bin/tty.
 */
#include "util.h"

int
tty_main(int argc, char **argv)
{
	bool quiet = false;
	const char *t;
	int ch;

	while ((ch = getopt(argc, argv, "s")) != -1) {
		if (ch != 's')
			usage(2, "tty [-s]");
		quiet = true;
	}
	t = ttyname(STDIN_FILENO);
	if (!quiet)
		puts(t != NULL ? t : "not a tty");
	return finish(t == NULL);
}
