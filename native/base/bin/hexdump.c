/*
 * hexdump [-Cv] [-n length] [-s skip] [file ...], hd: hexadecimal display. Counterpart: usr.bin/hexdump.
 *
 * Without -C: words of two bytes in the machine's order. Repeated lines are shown as one "*" unless -v.
 */
#include "util.h"

static void
put(const unsigned char *p, size_t n, unsigned long long off, bool canonical)
{
	if (!canonical) {
		printf("%07llx", off);
		for (size_t i = 0; i < n; i += 2)
			printf(" %04x", p[i] | (i + 1 < n ? p[i + 1] << 8 : 0));
		putchar('\n');
		return;
	}
	printf("%08llx", off);
	for (size_t i = 0; i < 16; i++) {
		if (i % 8 == 0)
			putchar(' ');
		if (i < n)
			printf(" %02x", p[i]);
		else
			fputs("   ", stdout);
	}
	fputs("  |", stdout);
	for (size_t i = 0; i < n; i++)
		putchar(p[i] >= 32 && p[i] < 127 ? p[i] : '.');
	puts("|");
}

int
hexdump_main(int argc, char **argv)
{
	static const char text[] = "hexdump [-Cv] [-n length] [-s skip] [file ...]";
	bool canonical = strcmp(base_name(argv[0]), "hd") == 0, all = false, star = false, have = false;
	long long left = LLONG_MAX, skip = 0;
	unsigned long long off;
	unsigned char cur[16], prev[16];
	size_t n = 0;
	int ch, rc = 0;
	FILE *f = NULL;

	while ((ch = getopt(argc, argv, "Cn:s:vx")) != -1) {
		switch (ch) {
		case 'C': canonical = true; break;
		case 'n':
		case 's':
			if (!parse_size(optarg, ch == 'n' ? &left : &skip) || left < 0 || skip < 0)
				errx(1, "%s: bad %s value", optarg, ch == 'n' ? "length" : "skip");
			break;
		case 'v': all = true; break;
		case 'x': break;
		default: usage(1, text);
		}
	}
	off = (unsigned long long)skip;
	for (int i = optind;;) {
		int c;

		if (f == NULL) {
			if (i >= argc && (i > optind || argc > optind))
				break;
			f = argc == optind ? stdin : fopen(argv[i], "r");
			i++;
			if (f == NULL) {
				warn("%s", argv[i - 1]);
				rc = 1;
				continue;
			}
		}
		for (; skip > 0 && getc(f) != EOF; skip--)
			;
		while (left > 0 && (c = getc(f)) != EOF) {
			left--;
			cur[n++] = (unsigned char)c;
			if (n < 16)
				continue;
			if (!all && have && memcmp(cur, prev, 16) == 0) {
				if (!star)
					puts("*");
				star = true;
			} else {
				put(cur, 16, off, canonical);
				star = false;
			}
			memcpy(prev, cur, 16);
			have = true;
			off += 16;
			n = 0;
		}
		if (f != stdin)
			fclose(f);
		f = NULL;
		if (argc == optind || left == 0)
			break;
	}
	if (n > 0)
		put(cur, n, off, canonical);
	off += n;
	if (off > 0)
		printf(canonical ? "%08llx\n" : "%07llx\n", off);
	return finish(rc);
}
