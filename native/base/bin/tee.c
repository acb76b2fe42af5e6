/*
 * tee [-ai] [file ...]: copy standard input to standard output and the files. Counterpart: usr.bin/tee.
 */
#include "util.h"

int
tee_main(int argc, char **argv)
{
	int *fds, n = 0, ch, rc = 0, flags = O_WRONLY | O_CREAT | O_TRUNC;
	static char buf[65536];
	ssize_t got;

	while ((ch = getopt(argc, argv, "ai")) != -1) {
		if (ch == 'a')
			flags = O_WRONLY | O_CREAT | O_APPEND;
		else if (ch == 'i')
			signal(SIGINT, SIG_IGN);
		else
			usage(1, "tee [-ai] [file ...]");
	}
	fds = xmalloc((size_t)(argc - optind + 1) * sizeof(*fds));
	for (int i = optind; i < argc; i++)
		if ((fds[i - optind] = open(argv[i], flags, 0666)) < 0) {
			warn("%s", argv[i]);
			rc = 1;
		}
	n = argc - optind;
	while ((got = read(STDIN_FILENO, buf, sizeof(buf))) != 0) {
		if (got < 0) {
			if (errno == EINTR)
				continue;
			err(1, "read");
		}
		if (write_all(STDOUT_FILENO, buf, (size_t)got) != 0) {
			warn("stdout");
			rc = 1;
		}
		for (int i = 0; i < n; i++)
			if (fds[i] >= 0 && write_all(fds[i], buf, (size_t)got) != 0) {
				warn("%s", argv[optind + i]);
				close(fds[i]);
				fds[i] = -1;
				rc = 1;
			}
	}
	return rc;
}
