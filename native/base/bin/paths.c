/*
 * basename string [suffix], dirname string ..., realpath [-q] [path ...]: parts of path names.
 * Counterpart: usr.bin/basename, dirname, bin/realpath.
 */
#include "util.h"

static char *
last_part(const char *s)
{
	char *copy = xstrdup(s), *slash;

	strip_slashes(copy);
	slash = strrchr(copy, '/');
	return slash != NULL && slash[1] != '\0' ? slash + 1 : copy;
}

int
basename_main(int argc, char **argv)
{
	const char *suffix = NULL;
	bool all = false;
	int ch;

	while ((ch = getopt(argc, argv, "as:")) != -1) {
		if (ch == '?')
			usage(1, "basename string [suffix]\n       basename [-a] [-s suffix] string [...]");
		all = true;
		if (ch == 's')
			suffix = optarg;
	}
	argc -= optind;
	argv += optind;
	if (argc < 1 || (!all && argc > 2))
		usage(1, "basename string [suffix]\n       basename [-a] [-s suffix] string [...]");
	if (!all && argc == 2) {
		suffix = argv[1];
		argc = 1;
	}
	for (int i = 0; i < argc; i++) {
		char *b = last_part(argv[i]);
		size_t n = strlen(b), k = suffix != NULL ? strlen(suffix) : 0;

		if (k > 0 && n > k && strcmp(b + n - k, suffix) == 0)
			b[n - k] = '\0';
		puts(b);
	}
	return finish(0);
}

int
dirname_main(int argc, char **argv)
{
	if (argc < 2)
		usage(1, "dirname string [...]");
	for (int i = 1; i < argc; i++) {
		char *s = xstrdup(argv[i]), *slash;

		strip_slashes(s);
		if ((slash = strrchr(s, '/')) == NULL)
			strcpy(*s != '\0' ? s : (s = xmalloc(2)), ".");
		else {
			*slash = '\0';
			if (*s == '\0')
				s = xstrdup("/");
			else {
				strip_slashes(s);
			}
		}
		puts(s);
	}
	return finish(0);
}

int
realpath_main(int argc, char **argv)
{
	char buf[PATH_MAX + 1];
	bool quiet = false;
	int ch, rc = 0;

	while ((ch = getopt(argc, argv, "q")) != -1) {
		if (ch != 'q')
			usage(1, "realpath [-q] [path ...]");
		quiet = true;
	}
	for (int i = optind; i < argc || i == optind; i++) {
		const char *path = i < argc ? argv[i] : ".";

		if (realpath(path, buf) != NULL)
			puts(buf);
		else {
			if (!quiet)
				warn("%s", path);
			rc = 1;
		}
	}
	return finish(rc);
}
