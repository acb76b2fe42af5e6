/*
 * cmp [-l | -s | -x] file1 file2 [skip1 [skip2]]: compare bytes. Counterpart: usr.bin/cmp.
 */
#include "util.h"

static FILE *
open_at(const char *path, const char *skip)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
	long long n = 0;

	if (f == NULL)
		err(2, "%s", path);
	if (skip != NULL && (!str_num(skip, 0, &n) || n < 0))
		errx(2, "%s: bad skip", skip);
	for (; n > 0 && getc(f) != EOF; n--)
		;
	return f;
}

int
cmp_main(int argc, char **argv)
{
	static const char text[] = "cmp [-l | -s | -x] file1 file2 [skip1 [skip2]]";
	bool lflag = false, sflag = false, xflag = false, differ = false;
	unsigned long long off = 0, line = 1;
	FILE *a, *b;
	int ch, x, y;

	while ((ch = getopt(argc, argv, "lsx")) != -1) {
		switch (ch) {
		case 'l': lflag = true; break;
		case 's': sflag = true; break;
		case 'x': lflag = xflag = true; break;
		default: usage(2, text);
		}
	}
	argc -= optind;
	argv += optind;
	if (argc < 2 || argc > 4)
		usage(2, text);
	a = open_at(argv[0], argc > 2 ? argv[2] : NULL);
	b = open_at(argv[1], argc > 3 ? argv[3] : NULL);
	for (;;) {
		x = getc(a);
		y = getc(b);
		if (x == EOF || y == EOF)
			break;
		off++;
		if (x != y) {
			differ = true;
			if (sflag)
				return 1;
			if (xflag)
				printf("%08llx %02x %02x\n", off - 1, x, y);
			else if (lflag)
				printf("%6llu %3o %3o\n", off, x, y);
			else {
				printf("%s %s differ: char %llu, line %llu\n", argv[0], argv[1], off, line);
				return finish_err(1, 2);
			}
		}
		line += x == '\n';
	}
	if (ferror(a) || ferror(b))
		err(2, "%s", ferror(a) ? argv[0] : argv[1]);
	if (x != y) {
		if (!sflag)
			warnx("EOF on %s", x == EOF ? argv[0] : argv[1]);
		return finish_err(1, 2);
	}
	return finish_err(differ, 2);
}
