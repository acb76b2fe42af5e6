/*
 * kill [-s signal | -signal | -number] pid ..., kill -l [status]: send a signal. Counterpart: bin/kill.
 */
#include "util.h"

static const char text[] = "kill [-s signal_name] pid ...\n"
			   "       kill -l [exit_status]\n"
			   "       kill -signal_name pid ...\n"
			   "       kill -signal_number pid ...";

static int
list(const char *arg)
{
	long long n;
	int col = 0;

	if (arg != NULL) {
		if (!str_num(arg, 10, &n))
			errx(1, "illegal signal number: %s", arg);
		if (n >= 128)
			n -= 128;
		if (n <= 0 || n >= signal_count || signal_names[n] == NULL)
			errx(1, "unknown signal %s; valid signals: 1-%d", arg, signal_count - 1);
		puts(signal_names[n]);
		return finish(0);
	}
	for (int i = 1; i < signal_count; i++) {
		if (signal_names[i] == NULL)
			continue;
		printf("%s%s", col == 0 ? "" : " ", signal_names[i]);
		if (++col == 16) {
			putchar('\n');
			col = 0;
		}
	}
	if (col > 0)
		putchar('\n');
	return finish(0);
}

static int
signal_arg(const char *s)
{
	long long n;
	int sig;

	if (str_num(s, 10, &n)) {
		if (n < 0 || n > 127)
			errx(1, "illegal signal number: %s", s);
		return (int)n;
	}
	if ((sig = signal_number(s)) < 0)
		errx(1, "unknown signal %s", s);
	return sig;
}

int
kill_main(int argc, char **argv)
{
	int sig = SIGTERM, i = 1, rc = 0;

	if (argc < 2)
		usage(EXIT_USAGE, text);
	if (strcmp(argv[1], "-l") == 0) {
		if (argc > 3)
			usage(EXIT_USAGE, text);
		return list(argv[2]);
	}
	if (strcmp(argv[1], "-s") == 0) {
		if (argc < 4)
			usage(EXIT_USAGE, text);
		sig = strcmp(argv[2], "0") == 0 ? 0 : signal_arg(argv[2]);
		i = 3;
	} else if (argv[1][0] == '-' && argv[1][1] != '\0' && strcmp(argv[1], "--") != 0) {
		sig = signal_arg(argv[1] + 1);
		i = 2;
	}
	if (i < argc && strcmp(argv[i], "--") == 0)
		i++;
	if (i == argc)
		usage(EXIT_USAGE, text);
	for (; i < argc; i++) {
		long long pid;

		if (!str_num(argv[i], 10, &pid) || pid != (pid_t)pid)
			errx(2, "illegal process id: %s", argv[i]);
		if (kill((pid_t)pid, sig) != 0) {
			warn("%s", argv[i]);
			rc = 1;
		}
	}
	return rc;
}
