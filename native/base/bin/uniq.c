/*
 * uniq [-c | -d | -D | -u] [-i] [-f fields] [-s chars] [input [output]]: adjacent repeated lines. Counterpart: usr.bin/uniq.
 */
#include "util.h"

static bool cflag, dflag, Dflag, uflag, iflag;
static long long skip_fields, skip_chars;

static const char *
skip(const char *s)
{
	for (long long i = 0; i < skip_fields && *s != '\0'; i++) {
		while (*s == ' ' || *s == '\t')
			s++;
		while (*s != '\0' && *s != ' ' && *s != '\t')
			s++;
	}
	for (long long i = 0; i < skip_chars && *s != '\0'; i++)
		s++;
	return s;
}

static void
show(const struct sbuf *b, unsigned long n)
{
	if (Dflag || (dflag && n == 1) || (uflag && n > 1))
		return;
	if (cflag)
		printf("%4lu %s\n", n, b->s);
	else
		puts(b->s);
}

int
uniq_main(int argc, char **argv)
{
	static const char text[] = "uniq [-c | -d | -D | -u] [-i] [-f fields] [-s chars] [input [output]]";
	struct sbuf cur = { 0 }, prev = { 0 };
	unsigned long n = 0;
	bool nl;
	int ch;

	while ((ch = getopt(argc, argv, "Dcdf:is:u")) != -1) {
		switch (ch) {
		case 'D': Dflag = true; break;
		case 'c': cflag = true; break;
		case 'd': dflag = true; break;
		case 'f': skip_fields = parse_num(optarg, 0, INT_MAX, "illegal field skip value"); break;
		case 'i': iflag = true; break;
		case 's': skip_chars = parse_num(optarg, 0, INT_MAX, "illegal character skip value"); break;
		case 'u': uflag = true; break;
		default: usage(1, text);
		}
	}
	argc -= optind;
	argv += optind;
	if (argc > 2)
		usage(1, text);
	if (argc > 0 && strcmp(argv[0], "-") != 0 && freopen(argv[0], "r", stdin) == NULL)
		err(1, "%s", argv[0]);
	if (argc > 1 && freopen(argv[1], "w", stdout) == NULL)
		err(1, "%s", argv[1]);
	while (read_line(stdin, &cur, '\n', &nl) >= 0) {
		struct sbuf t;
		bool same = n > 0 && (iflag ? strcasecmp : strcmp)(skip(cur.s), skip(prev.s)) == 0;

		if (same) {
			n++;
			if (Dflag) {
				if (n == 2)
					puts(prev.s);
				puts(cur.s);
			}
			continue;
		}
		if (n > 0)
			show(&prev, n);
		t = prev;
		prev = cur;
		cur = t;
		n = 1;
	}
	if (n > 0)
		show(&prev, n);
	return finish(0);
}
