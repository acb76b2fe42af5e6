/*
 * which [-as] program ...: where a command comes from. Counterpart: usr.bin/which.
 */
#include "util.h"

static bool
runnable(const char *path)
{
	struct stat st;

	return access(path, X_OK) == 0 && stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111) != 0;
}

int
which_main(int argc, char **argv)
{
	bool all = false, quiet = false;
	const char *path = getenv("PATH");
	int ch, rc = 0;

	while ((ch = getopt(argc, argv, "as")) != -1) {
		if (ch == 'a')
			all = true;
		else if (ch == 's')
			quiet = true;
		else
			usage(1, "which [-as] program ...");
	}
	if (optind == argc)
		usage(1, "which [-as] program ...");
	for (int i = optind; i < argc; i++) {
		bool found = false;

		if (strchr(argv[i], '/') != NULL) {
			if ((found = runnable(argv[i])) && !quiet)
				puts(argv[i]);
		} else if (path != NULL)
			for (const char *p = path;; p++) {
				size_t n = strcspn(p, ":");
				char *dir = xstrndup(p, n), *file = path_join(n == 0 ? "." : dir, argv[i]);

				if (runnable(file)) {
					if (!quiet)
						puts(file);
					found = true;
				}
				free(dir);
				free(file);
				p += n;
				if ((found && !all) || *p == '\0')
					break;
			}
		rc |= !found;
	}
	return finish(rc);
}
