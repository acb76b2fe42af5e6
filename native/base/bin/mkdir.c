/*
 * mkdir [-pv] [-m mode] directory ...: make directories. Counterpart: bin/mkdir.
 */
#include "util.h"

/* Makes the directories above and at `path` that are not there; intermediate ones stay writable by us. */
static int
make_parents(char *path, mode_t mode, bool verbose)
{
	struct stat st;
	mode_t mask = umask(0);

	umask(mask & ~(mode_t)0300);
	for (char *p = path;;) {
		bool last;
		char saved;

		p += strspn(p, "/");
		p += strcspn(p, "/");
		last = p[strspn(p, "/")] == '\0';
		saved = *p;
		*p = '\0';
		if (last)
			umask(mask);
		if (mkdir(path, last ? mode : 0777) == 0) {
			if (verbose)
				puts(path);
		} else if (errno != EEXIST && errno != EISDIR && stat(path, &st) != 0) {
			warn("%s", path);
			umask(mask);
			return 1;
		} else if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
			errno = last ? EEXIST : ENOTDIR;
			warn("%s", path);
			umask(mask);
			return 1;
		} else if (last) {
			umask(mask);
			return -1;
		}
		*p = saved;
		if (last)
			return 0;
	}
}

int
mkdir_main(int argc, char **argv)
{
	bool parents = false, verbose = false, has_mode = false;
	mode_t mode = 0777;
	int ch, rc = 0;

	while ((ch = getopt(argc, argv, "m:pv")) != -1) {
		struct mode_spec *m;

		switch (ch) {
		case 'm':
			if ((m = mode_compile(optarg)) == NULL)
				errx(1, "invalid file mode: %s", optarg);
			mode = (mode_t)mode_apply(m, 0777, true);
			has_mode = true;
			break;
		case 'p': parents = true; break;
		case 'v': verbose = true; break;
		default: usage(EXIT_USAGE, "mkdir [-pv] [-m mode] directory_name ...");
		}
	}
	if (optind == argc)
		usage(EXIT_USAGE, "mkdir [-pv] [-m mode] directory_name ...");
	for (int i = optind; i < argc; i++) {
		int made;

		if (parents) {
			made = make_parents(argv[i], mode, verbose);
		} else if ((made = mkdir(argv[i], mode) != 0)) {
			warn("%s", argv[i]);
		} else if (verbose)
			puts(argv[i]);
		if (made > 0)
			rc = 1;
		/* mkdir(2) masks the mode; -m must not be masked. */
		if (made == 0 && has_mode && chmod(argv[i], mode) != 0) {
			warn("%s", argv[i]);
			rc = 1;
		}
	}
	return finish(rc);
}
