/*
 * tr [-Ccsu] string1 string2, tr -d, tr -s, tr -ds: translate bytes. Counterpart: usr.bin/tr.
 */
#include "util.h"

struct set {
	unsigned char *v;
	size_t n;
	size_t fill; /* where [c*] stands for "as many as it takes"; SIZE_MAX: nowhere */
	unsigned char fill_char;
};

static void
add(struct set *s, int c)
{
	s->v = xrealloc(s->v, s->n + 1);
	s->v[s->n++] = (unsigned char)c;
}

/* One character, with its backslash escapes. */
static int
next_char(const char **p)
{
	static const char names[] = "abfnrtv\\", values[] = "\a\b\f\n\r\t\v\\";
	const char *e;
	int c = (unsigned char)*(*p)++;

	if (c != '\\' || **p == '\0')
		return c;
	if (**p >= '0' && **p <= '7') {
		int v = 0;

		for (int i = 0; i < 3 && **p >= '0' && **p <= '7'; i++)
			v = v * 8 + (*(*p)++ - '0');
		return v & 255;
	}
	c = (unsigned char)*(*p)++;
	return (e = strchr(names, c)) != NULL ? (unsigned char)values[e - names] : c;
}

static const struct {
	const char *name;
	int (*is)(int);
} classes[] = {
	{ "alnum", isalnum }, { "alpha", isalpha }, { "blank", isblank }, { "cntrl", iscntrl }, { "digit", isdigit },
	{ "graph", isgraph }, { "lower", islower }, { "print", isprint }, { "punct", ispunct }, { "space", isspace },
	{ "upper", isupper }, { "xdigit", isxdigit },
};

static void
parse(struct set *s, const char *p, bool second)
{
	s->fill = SIZE_MAX;
	while (*p != '\0') {
		const char *end;
		int c, d;

		if (p[0] == '[' && p[1] == ':' && (end = strstr(p + 2, ":]")) != NULL) {
			size_t k = 0, n = (size_t)(end - p - 2);

			while (k < NELEM(classes) && (strncmp(classes[k].name, p + 2, n) != 0 || classes[k].name[n] != '\0'))
				k++;
			if (k == NELEM(classes))
				errx(1, "unknown class: '%.*s'", (int)n, p + 2);
			for (c = 0; c < 256; c++)
				if (classes[k].is(c))
					add(s, c);
			p = end + 2;
			continue;
		}
		if (p[0] == '[' && p[1] == '=' && p[2] != '\0' && p[3] == '=' && p[4] == ']') {
			add(s, (unsigned char)p[2]);
			p += 5;
			continue;
		}
		if (p[0] == '[' && p[1] != '\0') {
			const char *q = p + 1;

			c = next_char(&q);
			if (*q == '*') {
				char *stop;
				long n = strtol(q + 1, &stop, q[1] == '0' ? 8 : 10);

				if (*stop == ']') {
					if (!second)
						errx(1, "sequences not allowed in string1");
					if (n == 0) {
						s->fill = s->n;
						s->fill_char = (unsigned char)c;
					}
					while (n-- > 0)
						add(s, c);
					p = stop + 1;
					continue;
				}
			}
		}
		c = next_char(&p);
		if (*p == '-' && p[1] != '\0') {
			const char *q = p + 1;

			d = next_char(&q);
			if (d < c)
				errx(1, "invalid range end: %c-%c", c, d);
			for (; c <= d; c++)
				add(s, c);
			p = q;
		} else
			add(s, c);
	}
}

static void
complement(struct set *s)
{
	bool in[256] = { false };

	for (size_t i = 0; i < s->n; i++)
		in[s->v[i]] = true;
	s->n = 0;
	for (int c = 0; c < 256; c++)
		if (!in[c])
			add(s, c);
}

int
tr_main(int argc, char **argv)
{
	static const char text[] = "tr [-Ccsu] string1 string2\n       tr [-Ccu] -d string1\n       tr [-Ccu] -s string1\n"
				   "       tr [-Ccu] -ds string1 string2";
	bool cflag = false, dflag = false, sflag = false, del[256] = { false }, squeeze[256] = { false };
	struct set a = { 0 }, b = { 0 };
	unsigned char map[256];
	int ch, c, last = -1;

	while ((ch = getopt(argc, argv, "Ccdsu")) != -1) {
		switch (ch) {
		case 'C':
		case 'c': cflag = true; break;
		case 'd': dflag = true; break;
		case 's': sflag = true; break;
		case 'u': setvbuf(stdout, NULL, _IONBF, 0); break;
		default: usage(1, text);
		}
	}
	argc -= optind;
	argv += optind;
	if (argc < 1 || argc > 2 || (dflag ? (argc == 2) != sflag : argc == 1 && !sflag))
		usage(1, text);
	parse(&a, argv[0], false);
	if (cflag)
		complement(&a);
	for (c = 0; c < 256; c++)
		map[c] = (unsigned char)c;
	if (argc == 2) {
		parse(&b, argv[1], true);
		if (b.fill != SIZE_MAX)
			while (b.n < a.n) {
				add(&b, 0);
				memmove(b.v + b.fill + 1, b.v + b.fill, b.n - 1 - b.fill);
				b.v[b.fill] = b.fill_char;
			}
		if (b.n == 0 && !dflag)
			errx(1, "empty string2");
	}
	if (dflag)
		for (size_t i = 0; i < a.n; i++)
			del[a.v[i]] = true;
	else if (argc == 2)
		/* string2's last character goes on as long as string1 does. */
		for (size_t i = 0; i < a.n; i++)
			map[a.v[i]] = b.v[i < b.n ? i : b.n - 1];
	if (sflag) {
		struct set *s = argc == 2 ? &b : &a;

		for (size_t i = 0; i < s->n; i++)
			squeeze[s->v[i]] = true;
	}
	while ((c = getchar()) != EOF) {
		if (del[c])
			continue;
		c = map[c];
		if (squeeze[c] && c == last)
			continue;
		last = c;
		putchar(c);
	}
	if (ferror(stdin))
		err(1, "stdin");
	return finish(0);
}
