/*
 * truncate [-c] -s [+|-|%|/]size[k|m|g|t] | -r file  file ...: set file sizes. Counterpart: usr.bin/truncate.
 */
#include "util.h"

int
truncate_main(int argc, char **argv)
{
	static const char text[] = "truncate [-c] -s [+|-|%|/]size[K|k|M|m|G|g|T|t] file ...\n       truncate [-c] -r rfile file ...";
	bool cflag = false, have = false;
	long long size = 0;
	char op = 0;
	struct stat st;
	int ch, rc = 0;

	while ((ch = getopt(argc, argv, "cr:s:")) != -1) {
		switch (ch) {
		case 'c': cflag = true; break;
		case 'r':
			if (stat(optarg, &st) != 0)
				err(1, "%s", optarg);
			size = st.st_size;
			have = true;
			break;
		case 's':
			if (strchr("+-%/", *optarg) != NULL && *optarg != '\0')
				op = *optarg++;
			if (!parse_size(optarg, &size) || size < 0 || ((op == '%' || op == '/') && size == 0))
				errx(1, "invalid size argument `%s'", optarg);
			have = true;
			break;
		default: usage(1, text);
		}
	}
	if (!have || optind == argc)
		usage(1, text);
	for (int i = optind; i < argc; i++) {
		int fd = open(argv[i], cflag ? O_WRONLY : O_WRONLY | O_CREAT, 0666);
		long long to = size;

		if (fd < 0) {
			if (cflag && errno == ENOENT)
				continue;
			warn("%s", argv[i]);
			rc = 1;
			continue;
		}
		if (op != 0 && fstat(fd, &st) == 0)
			to = op == '+' ? st.st_size + size : op == '-' ? (st.st_size < size ? 0 : st.st_size - size) :
			    op == '/' ? st.st_size / size * size : (st.st_size + size - 1) / size * size;
		if (ftruncate(fd, to) != 0) {
			warn("%s", argv[i]);
			rc = 1;
		}
		close(fd);
	}
	return rc;
}
