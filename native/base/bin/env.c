/*
 * env [-0iv] [-P path] [-S string ...refused] [-u name] [name=value ...] [utility [argument ...]], printenv.
 * Counterpart: usr.bin/env.
 */
#include "util.h"

extern char **environ;

int
env_main(int argc, char **argv)
{
	static const char text[] = "env [-0iv] [-u name] [name=value ...] [utility [argument ...]]";
	static char *empty[] = { NULL };
	char end = '\n';
	int ch, saved;

	if (strcmp(base_name(argv[0]), "printenv") == 0) {
		if (argc > 1) {
			const char *v = getenv(argv[1]);

			if (v == NULL)
				return 1;
			puts(v);
			return finish(0);
		}
		argc = 1;
	}
	/* Options end at the first operand: the rest is the utility's. */
	while ((ch = getopt(argc, argv, "+0iu:v-")) != -1) {
		switch (ch) {
		case '0': end = '\0'; break;
		case 'i':
		case '-': environ = empty; break;
		case 'u':
			if (unsetenv(optarg) != 0)
				err(1, "unsetenv %s", optarg);
			break;
		case 'v': break;
		default: usage(1, text);
		}
	}
	argc -= optind;
	argv += optind;
	if (argc > 0 && strcmp(*argv, "-") == 0) {
		environ = empty;
		argc--;
		argv++;
	}
	for (; argc > 0 && strchr(*argv, '=') != NULL; argc--, argv++) {
		char *eq = strchr(*argv, '=');

		*eq = '\0';
		if (setenv(*argv, eq + 1, 1) != 0)
			err(1, "setenv %s", *argv);
	}
	if (argc > 0) {
		execvp(*argv, argv);
		saved = errno;
		warn("%s", *argv);
		return saved == ENOENT ? 127 : 126;
	}
	for (char **e = environ; e != NULL && *e != NULL; e++)
		printf("%s%c", *e, end);
	return finish(0);
}
