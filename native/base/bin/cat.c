/*
 * cat [-benstuv] [file ...]: concatenate and print files. Counterpart: bin/cat.
 */
#include "util.h"

static bool bflag, eflag, nflag, sflag, tflag, vflag;

/* Shows one byte the way -v, -e and -t ask for; the newline is left to the caller. */
static void
put_visible(int c)
{
	if (c == '\t') {
		if (tflag)
			fputs("^I", stdout);
		else
			putchar(c);
		return;
	}
	if (vflag) {
		if (c >= 128) {
			fputs("M-", stdout);
			c -= 128;
		}
		if (c < 32 || c == 127) {
			putchar('^');
			c ^= 0100;
		}
	}
	putchar(c);
}

static void
cook(FILE *f)
{
	static long line;
	static bool was_empty;
	bool at_start = true;
	int c;

	while ((c = getc(f)) != EOF) {
		if (at_start) {
			if (sflag && c == '\n') {
				if (was_empty)
					continue;
				was_empty = true;
			} else
				was_empty = false;
			if (nflag && !(bflag && c == '\n'))
				printf("%6ld\t", ++line);
		}
		at_start = c == '\n';
		if (c == '\n') {
			if (eflag)
				putchar('$');
			putchar('\n');
		} else
			put_visible(c);
	}
}

static int
cat_file(const char *path, bool cooked)
{
	bool is_stdin = strcmp(path, "-") == 0, on_write = false;
	const char *name = is_stdin ? "stdin" : path;
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY), rc = 0;

	if (fd < 0) {
		warn("%s", path);
		return 1;
	}
	if (cooked) {
		FILE *f = is_stdin ? stdin : fdopen(fd, "r");

		if (f == NULL)
			err(1, "%s", name);
		cook(f);
		if (ferror(f)) {
			warn("%s", name);
			rc = 1;
		}
		if (is_stdin)
			clearerr(f);
		else
			fclose(f);
		return rc;
	}
	if (copy_fd(fd, STDOUT_FILENO, &on_write) != 0) {
		if (on_write)
			err(1, "stdout");
		warn("%s", name);
		rc = 1;
	}
	if (!is_stdin)
		close(fd);
	return rc;
}

int
cat_main(int argc, char **argv)
{
	int ch, rc = 0;

	while ((ch = getopt(argc, argv, "benstuv")) != -1) {
		switch (ch) {
		case 'b': bflag = nflag = true; break;
		case 'e': eflag = vflag = true; break;
		case 'n': nflag = true; break;
		case 's': sflag = true; break;
		case 't': tflag = vflag = true; break;
		case 'u': setvbuf(stdout, NULL, _IONBF, 0); break;
		case 'v': vflag = true; break;
		default: usage(1, "cat [-benstuv] [file ...]");
		}
	}
	if (optind == argc)
		rc = cat_file("-", nflag || eflag || sflag || tflag || vflag);
	for (int i = optind; i < argc; i++)
		rc |= cat_file(argv[i], nflag || eflag || sflag || tflag || vflag);
	return finish(rc);
}
