/*
 * halt, reboot, poweroff, shutdown: ask init to take the machine down, or with -q do it at once.
 * Counterpart: sbin/reboot, sbin/shutdown
 */
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <time.h>
#include <unistd.h>

int halt_main(int, char **);
int reboot_main(int, char **);
int poweroff_main(int, char **);
int shutdown_main(int, char **);

static int
go(int how, int quick, int nosync)
{
	int sig = how & RB_POWEROFF ? SIGUSR2 : how & RB_HALT ? SIGUSR1 : SIGINT;

	if (geteuid() != 0)
		errx(1, "%s", strerror(EPERM));
	if (!nosync)
		sync();
	if (quick) {
		reboot(how | (nosync ? RB_NOSYNC : 0));
		err(1, "reboot");
	}
	if (kill(1, sig) < 0)
		err(1, "kill init");
	/* init will end us with everybody else. */
	for (;;)
		pause();
}

static int
common(int argc, char **argv, int how)
{
	int c, quick = 0, nosync = 0;

	optreset = 1;
	optind = 1;
	while ((c = getopt(argc, argv, "dfhlnpqr")) != -1) {
		switch (c) {
		case 'd':
		case 'f':
		case 'h':
		case 'l':
		case 'r':
			break;
		case 'n':
			nosync = 1;
			break;
		case 'p':
			how |= RB_HALT | RB_POWEROFF;
			break;
		case 'q':
			quick = 1;
			break;
		default:
			fprintf(stderr, "usage: %s [-lnpq]\n", getprogname());
			return (64);
		}
	}
	return (go(how, quick, nosync));
}

int
halt_main(int argc, char **argv)
{
	return (common(argc, argv, RB_HALT));
}

int
reboot_main(int argc, char **argv)
{
	return (common(argc, argv, RB_AUTOBOOT));
}

int
poweroff_main(int argc, char **argv)
{
	return (common(argc, argv, RB_HALT | RB_POWEROFF));
}

static void
shutdown_usage(void)
{
	fprintf(stderr, "usage: shutdown [-] [-h | -p | -r | -k] time [warning-message ...]\n");
	exit(64);
}

/* now, +minutes, or hhmm today (tomorrow if it has passed): seconds from now. */
static long
when(const char *text)
{
	char *end;
	long v;

	if (strcmp(text, "now") == 0)
		return (0);
	v = strtol(*text == '+' ? text + 1 : text, &end, 10);
	if (*end == 's' && *text == '+')
		return (v);
	if (*end != '\0' || v < 0)
		shutdown_usage();
	if (*text == '+')
		return (v * 60);
	if (strlen(text) == 4 && v / 100 < 24 && v % 100 < 60) {
		time_t now = time(NULL), at;
		struct tm tm = *localtime(&now);

		tm.tm_hour = (int)(v / 100);
		tm.tm_min = (int)(v % 100);
		tm.tm_sec = 0;
		at = mktime(&tm);
		if (at < now) {
			tm.tm_mday++;
			at = mktime(&tm);
		}
		return (at - now);
	}
	shutdown_usage();
	return (0);
}

int
shutdown_main(int argc, char **argv)
{
	int c, how = -1, warn_only = 0;
	long left;

	optreset = 1;
	optind = 1;
	while ((c = getopt(argc, argv, "hknopr")) != -1) {
		switch (c) {
		case 'h':
			how = RB_HALT;
			break;
		case 'p':
			how = RB_HALT | RB_POWEROFF;
			break;
		case 'r':
			how = RB_AUTOBOOT;
			break;
		case 'k':
			warn_only = 1;
			break;
		case 'n':
		case 'o':
			break;
		default:
			shutdown_usage();
		}
	}
	if (optind >= argc)
		shutdown_usage();
	left = when(argv[optind++]);
	fprintf(stderr, "*** System shutdown %s ***\n", left == 0 ? "NOW" : "scheduled");
	for (; optind < argc; optind++)
		fprintf(stderr, "%s%s", argv[optind], optind + 1 < argc ? " " : "\n");
	while (left > 0)
		left = (long)sleep((unsigned)left);
	if (warn_only)
		return (0);
	if (how < 0) {
		/* No flag: to single user, that is, init ends the shell and starts another. */
		if (kill(1, SIGTERM) < 0)
			err(1, "kill init");
		return (0);
	}
	return (go(how, 0, 0));
}
