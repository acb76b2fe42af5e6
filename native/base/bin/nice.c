/*
 * nice [-n increment] utility [argument ...], nohup utility [argument ...]. Counterpart: usr.bin/nice, usr.bin/nohup.
 */
#include "util.h"

#include <sys/resource.h>

static int
run(char **av)
{
	int e;

	execvp(av[0], av);
	e = errno;
	warn("%s", av[0]);
	return e == ENOENT ? 127 : 126;
}

int
nice_main(int argc, char **argv)
{
	long long n = 10;
	int ch;

	if (argc > 1 && argv[1][0] == '-' && (isdigit((unsigned char)argv[1][1]) || (argv[1][1] == '-' && isdigit((unsigned char)argv[1][2])))) {
		n = parse_num(argv[1] + 1, INT_MIN, INT_MAX, "increment");
		argv++;
		argc--;
	} else
		while ((ch = getopt(argc, argv, "+n:")) != -1) {
			if (ch != 'n')
				usage(1, "nice [-n incr] utility [argument ...]");
			n = parse_num(optarg, INT_MIN, INT_MAX, "increment");
		}
	if (optind >= argc)
		usage(1, "nice [-n incr] utility [argument ...]");
	errno = 0;
	n += getpriority(PRIO_PROCESS, 0);
	/* Not being allowed to hurry is only worth a warning: POSIX has the utility run all the same. */
	if (setpriority(PRIO_PROCESS, 0, (int)n) != 0)
		warn("setpriority");
	return run(argv + optind);
}

int
nohup_main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--") == 0) {
		argv++;
		argc--;
	}
	if (argc < 2)
		usage(127, "nohup [--] utility [arguments]");
	if (isatty(STDOUT_FILENO)) {
		const char *home = getenv("HOME");
		char *path = xstrdup("nohup.out");
		int fd = open(path, O_RDWR | O_CREAT | O_APPEND, 0600);

		if (fd < 0 && home != NULL)
			fd = open(path = path_join(home, "nohup.out"), O_RDWR | O_CREAT | O_APPEND, 0600);
		if (fd < 0)
			errx(127, "can't open a nohup.out file");
		if (dup2(fd, STDOUT_FILENO) < 0)
			err(127, "dup2");
		fprintf(stderr, "appending output to %s\n", path);
	}
	if (isatty(STDERR_FILENO) && dup2(STDOUT_FILENO, STDERR_FILENO) < 0)
		return 127;
	signal(SIGHUP, SIG_IGN);
	return run(argv + 1);
}
