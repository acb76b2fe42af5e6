/*
 * mkfifo [-m mode] name ...: make FIFOs. Counterpart: usr.bin/mkfifo.
 */
#include "util.h"

int
mkfifo_main(int argc, char **argv)
{
	struct mode_spec *m = NULL;
	mode_t mode = 0666;
	int ch, rc = 0;

	while ((ch = getopt(argc, argv, "m:")) != -1) {
		if (ch != 'm')
			usage(1, "mkfifo [-m mode] fifo_name ...");
		if ((m = mode_compile(optarg)) == NULL)
			errx(1, "invalid file mode: %s", optarg);
		umask(0);
		mode = (mode_t)mode_apply(m, 0666, false);
	}
	if (optind == argc)
		usage(1, "mkfifo [-m mode] fifo_name ...");
	for (int i = optind; i < argc; i++)
		if (mkfifo(argv[i], mode) != 0) {
			warn("%s", argv[i]);
			rc = 1;
		}
	return rc;
}
