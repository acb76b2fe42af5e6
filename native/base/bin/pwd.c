/*
 * pwd [-L | -P]: name of the working directory; -L (the default) believes $PWD when it names this directory.
 * Counterpart: bin/pwd.
 */
#include "util.h"

static const char *
logical(void)
{
	const char *pwd = getenv("PWD");
	struct stat a, b;

	if (pwd == NULL || *pwd != '/' || strstr(pwd, "/./") != NULL || strstr(pwd, "/../") != NULL)
		return NULL;
	if (stat(pwd, &a) != 0 || stat(".", &b) != 0 || a.st_dev != b.st_dev || a.st_ino != b.st_ino)
		return NULL;
	return pwd;
}

int
pwd_main(int argc, char **argv)
{
	char buf[PATH_MAX];
	const char *p = NULL;
	bool physical = false;
	int ch;

	while ((ch = getopt(argc, argv, "LP")) != -1) {
		if (ch == '?')
			usage(1, "pwd [-L | -P]");
		physical = ch == 'P';
	}
	if (optind != argc)
		usage(1, "pwd [-L | -P]");
	if (!physical)
		p = logical();
	if (p == NULL && (p = getcwd(buf, sizeof(buf))) == NULL)
		err(1, ".");
	puts(p);
	return finish(0);
}
