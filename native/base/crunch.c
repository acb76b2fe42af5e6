/*
 * The crunched binary: every base command in one static file, hard-linked under each command's name. The command is
 * chosen by the last component of argv[0] (a leading '-' marks a login shell), or by the first argument when the
 * file is called by its own name. The commands are listed in bin/applets.def; one that is not linked in is absent.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define APPLET(name, path) APPLET_AS("", path, name##_main)
#define APPLET_AS(name, path, function) extern int function(int, char **) __attribute__((__weak__));
#include "bin/applets.def"
#undef APPLET_AS

static const struct applet {
	const char *path;
	int (*main)(int, char **);
} applets[] = {
#define APPLET_AS(name, path, function) { path, function },
#include "bin/applets.def"
#undef APPLET_AS
#undef APPLET
};
#define NAPPLETS (sizeof(applets) / sizeof(applets[0]))

static const char *
base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return (slash != NULL ? slash + 1 : path);
}

static int
run(int argc, char **argv)
{
	const char *name = base(argv[0]);

	if (*name == '-')
		name++;
	for (size_t i = 0; i < NAPPLETS; i++)
		if (applets[i].main != NULL && strcmp(base(applets[i].path), name) == 0) {
			setprogname(name);
			exit(applets[i].main(argc, argv));
		}
	return (-1);
}

int
main(int argc, char **argv)
{
	if (argc > 0)
		run(argc, argv);
	if (argc > 1)
		run(argc - 1, argv + 1);
	fprintf(stderr, "usage: base command [argument ...]\ncommands:");
	for (size_t i = 0; i < NAPPLETS; i++)
		if (applets[i].main != NULL)
			fprintf(stderr, " %s", base(applets[i].path));
	fprintf(stderr, "\n");
	return (64);
}
