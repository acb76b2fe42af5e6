/*
 * time [-al] [-h] [-p] [-o file] utility [argument ...]: time a command. Counterpart: usr.bin/time.
 */
#include "util.h"

#include <sys/resource.h>
#include <sys/wait.h>

static double
seconds(struct timeval tv)
{
	return (double)tv.tv_sec + (double)tv.tv_usec / 1e6;
}

int
time_main(int argc, char **argv)
{
	static const char text[] = "time [-al] [-h | -p] [-o file] command";
	bool append = false, lflag = false, pflag = false;
	const char *out = NULL;
	struct timespec a, b;
	struct rusage ru;
	double real;
	FILE *f = stderr;
	pid_t pid;
	int ch, st;

	while ((ch = getopt(argc, argv, "+ahlo:p")) != -1) {
		switch (ch) {
		case 'a': append = true; break;
		case 'h': break;
		case 'l': lflag = true; break;
		case 'o': out = optarg; break;
		case 'p': pflag = true; break;
		default: usage(1, text);
		}
	}
	if (optind == argc)
		usage(1, text);
	if (out != NULL && (f = fopen(out, append ? "a" : "w")) == NULL)
		err(1, "%s", out);
	clock_gettime(CLOCK_MONOTONIC, &a);
	if ((pid = fork()) < 0)
		err(1, "fork");
	if (pid == 0) {
		int e;

		execvp(argv[optind], argv + optind);
		e = errno;
		warn("%s", argv[optind]);
		_exit(e == ENOENT ? 127 : 126);
	}
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	while (wait4(pid, &st, 0, &ru) < 0)
		if (errno != EINTR)
			err(1, "wait");
	clock_gettime(CLOCK_MONOTONIC, &b);
	real = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
	if (WIFSIGNALED(st))
		warnx("command terminated abnormally");
	if (pflag)
		fprintf(f, "real %.2f\nuser %.2f\nsys %.2f\n", real, seconds(ru.ru_utime), seconds(ru.ru_stime));
	else
		fprintf(f, "%9.2f real %9.2f user %9.2f sys\n", real, seconds(ru.ru_utime), seconds(ru.ru_stime));
	if (lflag) {
		const struct {
			long v;
			const char *what;
		} rows[] = {
			{ ru.ru_maxrss, "maximum resident set size" }, { ru.ru_ixrss, "average shared memory size" },
			{ ru.ru_idrss, "average unshared data size" }, { ru.ru_isrss, "average unshared stack size" },
			{ ru.ru_minflt, "page reclaims" }, { ru.ru_majflt, "page faults" }, { ru.ru_nswap, "swaps" },
			{ ru.ru_inblock, "block input operations" }, { ru.ru_oublock, "block output operations" },
			{ ru.ru_msgsnd, "messages sent" }, { ru.ru_msgrcv, "messages received" },
			{ ru.ru_nsignals, "signals received" }, { ru.ru_nvcsw, "voluntary context switches" },
			{ ru.ru_nivcsw, "involuntary context switches" },
		};

		for (size_t i = 0; i < NELEM(rows); i++)
			fprintf(f, "%10ld  %s\n", rows[i].v, rows[i].what);
	}
	if (f != stderr)
		fclose(f);
	if (WIFSIGNALED(st)) {
		/* Ends the same way, so that the caller sees it. */
		signal(WTERMSIG(st), SIG_DFL);
		kill(getpid(), WTERMSIG(st));
		return 128 + WTERMSIG(st);
	}
	return WEXITSTATUS(st);
}
