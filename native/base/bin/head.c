/*
 * head [-n count | -c bytes] [file ...]: first lines or bytes. Counterpart: usr.bin/head.
 */
#include "util.h"

static void
head_lines(FILE *f, long long n)
{
	int c;

	while (n > 0 && (c = getc(f)) != EOF) {
		putchar(c);
		if (c == '\n')
			n--;
	}
}

static void
head_bytes(FILE *f, long long n)
{
	char buf[4096];
	size_t got;

	for (; n > 0; n -= (long long)got) {
		got = fread(buf, 1, n < (long long)sizeof(buf) ? (size_t)n : sizeof(buf), f);
		if (got == 0)
			break;
		fwrite(buf, 1, got, stdout);
	}
}

int
head_main(int argc, char **argv)
{
	static const char text[] = "head [-n lines | -c bytes] [file ...]";
	long long n = 10;
	bool bytes = false, quiet = false, verbose = false, first = true;
	int ch, rc = 0;

	/* The historical -NUM. */
	if (argc > 1 && argv[1][0] == '-' && isdigit((unsigned char)argv[1][1])) {
		if (!str_num(argv[1] + 1, 10, &n))
			usage(1, text);
		argv[1] = argv[0];
		argv++;
		argc--;
	}
	while ((ch = getopt(argc, argv, "c:n:qv")) != -1) {
		switch (ch) {
		case 'c':
		case 'n':
			bytes = ch == 'c';
			if (!parse_size(optarg, &n) || n < 0)
				errx(1, "illegal %s count -- %s", bytes ? "byte" : "line", optarg);
			break;
		case 'q': quiet = true; verbose = false; break;
		case 'v': verbose = true; quiet = false; break;
		default: usage(1, text);
		}
	}
	for (int i = optind; i < argc || i == optind; i++) {
		FILE *f = i < argc && strcmp(argv[i], "-") != 0 ? fopen(argv[i], "r") : stdin;

		if (f == NULL) {
			warn("%s", argv[i]);
			rc = 1;
			continue;
		}
		if (verbose || (!quiet && argc - optind > 1)) {
			printf("%s==> %s <==\n", first ? "" : "\n", f == stdin ? "standard input" : argv[i]);
			first = false;
		}
		(bytes ? head_bytes : head_lines)(f, n);
		if (ferror(f)) {
			warn("%s", f == stdin ? "stdin" : argv[i]);
			rc = 1;
		}
		if (f != stdin)
			fclose(f);
	}
	return finish(rc);
}
