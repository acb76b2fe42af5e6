/*
 * tail [-F | -f | -r] [-q] [-b | -c | -n number] [file ...]: last part of files. Counterpart: usr.bin/tail.
 *
 * Everything from the end is kept in memory, except that bytes of a seekable file are sought.
 */
#include "util.h"

static bool fflag, Fflag, rflag, qflag;
static char unit = 'n'; /* n lines, c bytes, b blocks of 512 */
static long long count = -10; /* negative: from the end, else from the start, 1 being the first */
static bool given;

static void
reverse(FILE *f)
{
	char **v = NULL;
	size_t n = 0, cap = 0;
	struct sbuf b = { 0 };
	long long limit = given ? -count : LLONG_MAX;
	bool nl;

	while (read_line(f, &b, '\n', &nl) >= 0) {
		if (n == cap)
			v = xrealloc(v, (cap = cap ? cap * 2 : 256) * sizeof(*v));
		v[n++] = xstrndup(b.s, b.len);
	}
	for (size_t i = n; i > 0 && limit > 0; i--, limit--)
		puts(v[i - 1]);
}

static void
rest(FILE *f)
{
	char buf[8192];
	size_t n;

	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		fwrite(buf, 1, n, stdout);
}

static void
from_start(FILE *f, long long n)
{
	int c;

	if (unit == 'n') {
		for (n--; n > 0 && (c = getc(f)) != EOF;)
			n -= c == '\n';
	} else
		for (n--; n > 0 && getc(f) != EOF; n--)
			;
	rest(f);
}

static void
last_bytes(FILE *f, long long n)
{
	struct stat st;
	char *ring;
	size_t at = 0, len = 0;
	int c;

	if (fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
		if (fseeko(f, st.st_size > n ? st.st_size - n : 0, SEEK_SET) == 0) {
			rest(f);
			return;
		}
	}
	if (n == 0)
		return;
	ring = xmalloc((size_t)n);
	while ((c = getc(f)) != EOF) {
		ring[at] = (char)c;
		at = (at + 1) % (size_t)n;
		if (len < (size_t)n)
			len++;
	}
	for (size_t i = 0; i < len; i++)
		putchar(ring[(at + (size_t)n - len + i) % (size_t)n]);
	free(ring);
}

static void
last_lines(FILE *f, long long n)
{
	struct sbuf *ring, b = { 0 };
	bool nl = true, last_nl = true;
	size_t at = 0, len = 0;

	if (n == 0) {
		while (getc(f) != EOF)
			;
		return;
	}
	/* The ring grows with the input: the number asked for may be huge. */
	ring = NULL;
	while (read_line(f, &b, '\n', &nl) >= 0) {
		struct sbuf t;

		if (len < (size_t)n) {
			ring = xrealloc(ring, (len + 1) * sizeof(*ring));
			memset(&ring[len++], 0, sizeof(*ring));
			at = len - 1;
		} else
			at = (at + 1) % len;
		t = ring[at];
		ring[at] = b;
		b = t;
		last_nl = nl;
	}
	for (size_t i = 1; i <= len; i++) {
		const struct sbuf *s = &ring[(at + i) % len];

		fwrite(s->s, 1, s->len, stdout);
		if (i < len || last_nl)
			putchar('\n');
	}
}

static void
show(FILE *f)
{
	if (rflag)
		reverse(f);
	else if (count > 0)
		from_start(f, count);
	else if (unit == 'n')
		last_lines(f, -count);
	else
		last_bytes(f, -count);
}

/* Watches by looking again and again: it works on every file system, and needs no kernel queue. */
static void
follow(char **names, FILE **files, int n)
{
	int shown = n - 1;

	for (;;) {
		struct timespec ts = { 0, 250000000 };

		for (int i = 0; i < n; i++) {
			struct stat st, named;
			int c;

			if (files[i] == NULL) {
				if (!Fflag || (files[i] = fopen(names[i], "r")) == NULL)
					continue;
			}
			if (fstat(fileno(files[i]), &st) == 0 && S_ISREG(st.st_mode) && st.st_size < ftello(files[i]))
				rewind(files[i]);
			clearerr(files[i]);
			if ((c = getc(files[i])) != EOF) {
				if (n > 1 && !qflag && shown != i)
					printf("\n==> %s <==\n", names[i]);
				shown = i;
				putchar(c);
				rest(files[i]);
			} else if (Fflag && stat(names[i], &named) == 0 && (named.st_ino != st.st_ino || named.st_dev != st.st_dev)) {
				fclose(files[i]);
				files[i] = fopen(names[i], "r");
			}
		}
		if (fflush(stdout) != 0)
			err(1, "stdout");
		nanosleep(&ts, NULL);
	}
}

static void
set_count(const char *s, int c, const char *text)
{
	long long v;
	bool plus = *s == '+', minus = *s == '-';

	if (!parse_size(s + (plus || minus), &v) || v < 0)
		errx(1, "illegal offset -- %s", s);
	(void)text;
	if (c == 'b')
		v *= 512;
	unit = c == 'n' ? 'n' : 'c';
	if (plus && c == 'b')
		v++;
	count = plus ? (v == 0 ? 1 : v) : -v;
	given = true;
}

int
tail_main(int argc, char **argv)
{
	static const char text[] = "tail [-F | -f | -r] [-q] [-b # | -c # | -n #] [file ...]";
	FILE **files;
	char *old = argc > 1 ? argv[1] : NULL;
	int ch, n, rc = 0, first = 1;

	/* The historical -NUM and +NUM. */
	if (old != NULL && (*old == '-' || *old == '+') && isdigit((unsigned char)old[1])) {
		char *e = old + strlen(old) - 1;
		int c = 'n';

		if (*e == 'f') {
			fflag = true;
			*e-- = '\0';
		}
		if (*e == 'c' || *e == 'b' || *e == 'l') {
			c = *e == 'l' ? 'n' : *e;
			*e = '\0';
		}
		set_count(*old == '-' ? old + 1 : old, c, text);
		first = 2;
	}
	argv[first - 1] = argv[0];
	argc -= first - 1;
	argv += first - 1;
	while ((ch = getopt(argc, argv, "Fb:c:fn:qr")) != -1) {
		switch (ch) {
		case 'F': Fflag = fflag = true; break;
		case 'b':
		case 'c':
		case 'n': set_count(optarg, ch, text); break;
		case 'f': fflag = true; break;
		case 'q': qflag = true; break;
		case 'r': rflag = true; break;
		default: usage(1, text);
		}
	}
	n = argc - optind;
	argv += optind;
	if (n == 0) {
		static char *in[] = { "-" };

		argv = in;
		n = 1;
	}
	files = xmalloc((size_t)n * sizeof(*files));
	for (int i = 0; i < n; i++) {
		files[i] = strcmp(argv[i], "-") == 0 ? stdin : fopen(argv[i], "r");
		if (files[i] == NULL) {
			warn("%s", argv[i]);
			rc = 1;
			continue;
		}
		if (n > 1 && !qflag)
			printf("%s==> %s <==\n", i > 0 ? "\n" : "", files[i] == stdin ? "standard input" : argv[i]);
		show(files[i]);
		if (ferror(files[i])) {
			warn("%s", argv[i]);
			rc = 1;
		}
	}
	fflush(stdout);
	if (fflag && !(n == 1 && files[0] == NULL && !Fflag))
		follow(argv, files, n);
	return finish(rc);
}
