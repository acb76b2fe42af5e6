/*
 * hostname [-fs] [name]: print or set the name of the host. Counterpart: bin/hostname.
 */
#include "util.h"

int
hostname_main(int argc, char **argv)
{
	char name[257], *dot;
	bool sflag = false;
	int ch;

	while ((ch = getopt(argc, argv, "fs")) != -1) {
		if (ch == '?')
			usage(1, "hostname [-fs] [name-of-host]");
		sflag = ch == 's';
	}
	if (argc - optind > 1)
		usage(1, "hostname [-fs] [name-of-host]");
	if (optind < argc) {
		if (sethostname(argv[optind], (int)strlen(argv[optind])) != 0)
			err(1, "sethostname");
		return 0;
	}
	if (gethostname(name, sizeof(name)) != 0)
		err(1, "gethostname");
	name[sizeof(name) - 1] = '\0';
	if (sflag && (dot = strchr(name, '.')) != NULL)
		*dot = '\0';
	puts(name);
	return finish(0);
}
