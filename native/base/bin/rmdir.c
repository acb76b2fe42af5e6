/*
 * rmdir [-pv] directory ...: remove empty directories; -p also the parents named. Counterpart: bin/rmdir.
 */
#include "util.h"

int
rmdir_main(int argc, char **argv)
{
	bool parents = false, verbose = false;
	int ch, rc = 0;

	while ((ch = getopt(argc, argv, "pv")) != -1) {
		if (ch == 'p')
			parents = true;
		else if (ch == 'v')
			verbose = true;
		else
			usage(1, "rmdir [-pv] directory ...");
	}
	if (optind == argc)
		usage(1, "rmdir [-pv] directory ...");
	for (int i = optind; i < argc; i++) {
		char *path = argv[i], *slash;

		for (;;) {
			if (rmdir(path) != 0) {
				warn("%s", path);
				rc = 1;
				break;
			}
			if (verbose)
				puts(path);
			if (!parents)
				break;
			strip_slashes(path);
			if ((slash = strrchr(path, '/')) == NULL || slash == path)
				break;
			while (slash > path && slash[-1] == '/')
				slash--;
			*slash = '\0';
		}
	}
	return finish(rc);
}
