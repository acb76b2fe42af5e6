/*
 * sort [-bcCdfghiMmnrsuVz] [-k field1[,field2]] [-t char] [-o file] [file ...]. Counterpart: usr.bin/sort.
 *
 * Everything is held in memory and merged by a stable merge sort. Bytes are compared as in the C locale.
 */
#include "util.h"

struct flags {
	bool b, d, f, g, h, i, M, n, r, V;
};

struct key {
	size_t f1, c1, f2, c2; /* from 1; f2 0: to the end of the line; c2 0: to the end of the field */
	bool b1, b2;
	struct flags fl;
	bool own; /* has flags of its own, so the general ones do not hold */
};

struct line {
	char *s;
	size_t len;
};

static struct key *keys;
static size_t nkeys;
static struct flags general;
static bool stable, unique;
static int sep = -1, delim = '\n';

static bool
set_flag(struct flags *f, int c)
{
	switch (c) {
	case 'b': f->b = true; break;
	case 'd': f->d = true; break;
	case 'f': f->f = true; break;
	case 'g': f->g = true; break;
	case 'h': f->h = true; break;
	case 'i': f->i = true; break;
	case 'M': f->M = true; break;
	case 'n': f->n = true; break;
	case 'r': f->r = true; break;
	case 'V': f->V = true; break;
	default: return false;
	}
	return true;
}

static const char *
key_pos(const char *p, size_t *field, size_t *chr, bool zero_ok, const char *spec)
{
	char *end;

	if (!isdigit((unsigned char)*p))
		errx(2, "invalid field specification: %s", spec);
	*field = strtoul(p, &end, 10);
	if (*end == '.') {
		p = end + 1;
		*chr = strtoul(p, &end, 10);
		if (end == p || (*chr == 0 && !zero_ok))
			errx(2, "invalid field specification: %s", spec);
	}
	if (*field == 0)
		errx(2, "invalid field specification: %s", spec);
	return end;
}

static void
add_key(const char *spec)
{
	struct key k = { .c1 = 1 };
	const char *p = key_pos(spec, &k.f1, &k.c1, false, spec);

	for (; *p != '\0' && *p != ','; p++) {
		if (!set_flag(&k.fl, *p))
			errx(2, "invalid field specification: %s", spec);
		k.b1 |= *p == 'b';
		k.own = true;
	}
	if (*p == ',') {
		p = key_pos(p + 1, &k.f2, &k.c2, true, spec);
		for (; *p != '\0'; p++) {
			if (!set_flag(&k.fl, *p))
				errx(2, "invalid field specification: %s", spec);
			k.b2 |= *p == 'b';
			k.own = true;
		}
	}
	keys = xrealloc(keys, (nkeys + 1) * sizeof(*keys));
	keys[nkeys++] = k;
}

static bool
blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Start of field f (from 1), or the line's end. Without -t the blanks before a field belong to it. */
static const char *
field_start(const char *s, const char *end, size_t f)
{
	while (--f > 0 && s < end) {
		if (sep >= 0) {
			while (s < end && (unsigned char)*s != sep)
				s++;
			if (s < end)
				s++;
		} else {
			while (s < end && blank(*s))
				s++;
			while (s < end && !blank(*s))
				s++;
		}
	}
	return s;
}

static const char *
field_end(const char *s, const char *end)
{
	if (sep < 0)
		while (s < end && blank(*s))
			s++;
	while (s < end && (sep >= 0 ? (unsigned char)*s != sep : !blank(*s)))
		s++;
	return s;
}

static void
key_range(const struct line *l, const struct key *k, const char **from, const char **to)
{
	const char *end = l->s + l->len, *a = field_start(l->s, end, k->f1), *b = end;

	if (k->b1 || (!k->own && general.b))
		while (a < end && blank(*a))
			a++;
	a = (size_t)(end - a) < k->c1 - 1 ? end : a + (k->c1 - 1);
	if (k->f2 > 0) {
		b = field_start(l->s, end, k->f2);
		if (k->c2 == 0)
			b = field_end(b, end);
		else {
			if (k->b2 || (!k->own && general.b))
				while (b < end && blank(*b))
					b++;
			b = (size_t)(end - b) < k->c2 ? end : b + k->c2;
		}
	}
	*from = a;
	*to = b < a ? a : b;
}

/* Compares the numbers at the start of two ranges digit by digit, so that no precision is lost. */
static int
cmp_num(const char *a, const char *ae, const char *b, const char *be)
{
	bool na = false, nb = false;
	const char *ai, *bi;
	size_t la, lb;
	int c = 0;

	while (a < ae && (blank(*a) || *a == '\n'))
		a++;
	while (b < be && (blank(*b) || *b == '\n'))
		b++;
	if (a < ae && *a == '-') {
		na = true;
		a++;
	}
	if (b < be && *b == '-') {
		nb = true;
		b++;
	}
	while (a < ae && *a == '0')
		a++;
	while (b < be && *b == '0')
		b++;
	for (ai = a; ai < ae && isdigit((unsigned char)*ai); ai++)
		;
	for (bi = b; bi < be && isdigit((unsigned char)*bi); bi++)
		;
	la = (size_t)(ai - a);
	lb = (size_t)(bi - b);
	if (la != lb)
		c = la < lb ? -1 : 1;
	else
		c = memcmp(a, b, la);
	{
		const char *x = ai < ae && *ai == '.' ? ai + 1 : ae, *y = bi < be && *bi == '.' ? bi + 1 : be;
		bool zero_a = la == 0, zero_b = lb == 0;
		int frac = 0;

		for (;; x++, y++) {
			int dx = x < ae && isdigit((unsigned char)*x) ? *x : (x = ae, '0');
			int dy = y < be && isdigit((unsigned char)*y) ? *y : (y = be, '0');

			if (dx != '0')
				zero_a = false;
			if (dy != '0')
				zero_b = false;
			if (frac == 0)
				frac = dx - dy;
			if (x == ae && y == be)
				break;
			if (x == ae)
				x--;
			if (y == be)
				y--;
		}
		if (c == 0)
			c = frac;
		/* -0 is 0. */
		na = na && !zero_a;
		nb = nb && !zero_b;
	}
	if (na != nb)
		return na ? -1 : 1;
	c = c < 0 ? -1 : c > 0;
	return na ? -c : c;
}

static int
month(const char *s, const char *e)
{
	static const char names[] = "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC";

	while (s < e && blank(*s))
		s++;
	if (e - s < 3)
		return 0;
	for (int i = 0; i < 12; i++)
		if (strncasecmp(s, names + i * 3, 3) == 0)
			return i + 1;
	return 0;
}

/* Power of 1024 of a -h suffix, negative for negative numbers, so that it decides before the digits. */
static int
scale(const char *s, const char *e)
{
	static const char units[] = "KMGTPEZY";
	bool neg, nonzero = false;
	const char *u;

	while (s < e && blank(*s))
		s++;
	neg = s < e && *s == '-';
	if (neg)
		s++;
	for (; s < e && (isdigit((unsigned char)*s) || *s == '.'); s++)
		nonzero |= *s >= '1' && *s <= '9';
	if (s >= e || !nonzero || (u = strchr(units, toupper((unsigned char)*s))) == NULL || *u == '\0')
		return 0;
	return neg ? -(int)(u - units) - 1 : (int)(u - units) + 1;
}

static int
cmp_text(const char *a, const char *ae, const char *b, const char *be, const struct flags *f)
{
	for (;;) {
		int ca, cb;

		while (a < ae && ((f->d && !isalnum((unsigned char)*a) && !blank(*a)) || (f->i && !isprint((unsigned char)*a))))
			a++;
		while (b < be && ((f->d && !isalnum((unsigned char)*b) && !blank(*b)) || (f->i && !isprint((unsigned char)*b))))
			b++;
		if (a >= ae || b >= be)
			return (a < ae) - (b < be);
		ca = (unsigned char)*a++;
		cb = (unsigned char)*b++;
		if (f->f) {
			ca = toupper(ca);
			cb = toupper(cb);
		}
		if (ca != cb)
			return ca < cb ? -1 : 1;
	}
}

/* Version order: runs of digits compare as numbers. */
static int
cmp_version(const char *a, const char *ae, const char *b, const char *be)
{
	while (a < ae && b < be) {
		if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
			int c = cmp_num(a, ae, b, be);
			const char *x = a, *y = b;

			while (x < ae && isdigit((unsigned char)*x))
				x++;
			while (y < be && isdigit((unsigned char)*y))
				y++;
			/* cmp_num would read on into a fraction: compare the runs alone. */
			c = cmp_num(a, x, b, y);
			if (c != 0)
				return c;
			a = x;
			b = y;
		} else if (*a != *b)
			return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
		else {
			a++;
			b++;
		}
	}
	return (a < ae) - (b < be);
}

static int
cmp_range(const char *a, const char *ae, const char *b, const char *be, const struct flags *f)
{
	int c;

	if (f->n)
		c = cmp_num(a, ae, b, be);
	else if (f->h) {
		c = scale(a, ae) - scale(b, be);
		if (c == 0)
			c = cmp_num(a, ae, b, be);
	} else if (f->g) {
		double x = strtod(a, NULL), y = strtod(b, NULL);

		c = x < y ? -1 : x > y;
	} else if (f->M)
		c = month(a, ae) - month(b, be);
	else if (f->V)
		c = cmp_version(a, ae, b, be);
	else if (f->d || f->i || f->f)
		c = cmp_text(a, ae, b, be, f);
	else {
		size_t la = (size_t)(ae - a), lb = (size_t)(be - b);

		c = memcmp(a, b, la < lb ? la : lb);
		if (c == 0)
			c = la < lb ? -1 : la > lb;
	}
	return f->r ? -c : c;
}

/* By the keys alone; 0 is "equal" for -u and for merging runs. */
static int
cmp_keys(const struct line *x, const struct line *y)
{
	if (nkeys == 0) {
		const char *a = x->s, *b = y->s;

		if (general.b) {
			while (a < x->s + x->len && blank(*a))
				a++;
			while (b < y->s + y->len && blank(*b))
				b++;
		}
		return cmp_range(a, x->s + x->len, b, y->s + y->len, &general);
	}
	for (size_t i = 0; i < nkeys; i++) {
		const char *a, *ae, *b, *be;
		int c;

		key_range(x, &keys[i], &a, &ae);
		key_range(y, &keys[i], &b, &be);
		if ((c = cmp_range(a, ae, b, be, keys[i].own ? &keys[i].fl : &general)) != 0)
			return c;
	}
	return 0;
}

static int
cmp_lines(const struct line *x, const struct line *y)
{
	static const struct flags plain;
	int c = cmp_keys(x, y);

	/* Ties are broken by the whole line, unless -s or -u leave them in the order they came. */
	if (c != 0 || stable || unique)
		return c;
	c = cmp_range(x->s, x->s + x->len, y->s, y->s + y->len, &plain);
	return general.r ? -c : c;
}

static void
merge_sort(struct line *v, struct line *tmp, size_t n)
{
	size_t h = n / 2, i = 0, j = h, k = 0;

	if (n < 2)
		return;
	merge_sort(v, tmp, h);
	merge_sort(v + h, tmp, n - h);
	if (cmp_lines(&v[h - 1], &v[h]) <= 0)
		return;
	memcpy(tmp, v, h * sizeof(*v));
	while (i < h && j < n)
		v[k++] = cmp_lines(&tmp[i], &v[j]) <= 0 ? tmp[i++] : v[j++];
	memcpy(v + k, tmp + i, (h - i) * sizeof(*v));
}

static struct line *lines;
static size_t nlines, cap;

static void
read_input(const char *path)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
	struct sbuf b = { 0 };
	bool nl;

	if (f == NULL)
		err(2, "cannot read: %s", path);
	while (read_line(f, &b, delim, &nl) >= 0) {
		if (nlines == cap)
			lines = xrealloc(lines, (cap = cap ? cap * 2 : 1024) * sizeof(*lines));
		lines[nlines].len = b.len;
		lines[nlines].s = xmalloc(b.len + 1);
		memcpy(lines[nlines++].s, b.s, b.len + 1);
	}
	if (ferror(f))
		err(2, "cannot read: %s", path);
	if (f != stdin)
		fclose(f);
	free(b.s);
}

int
sort_main(int argc, char **argv)
{
	static const char text[] = "sort [-bcCdfghiMmnrsuVz] [-k field1[,field2]] [-o output] [-t char] [file ...]";
	const char *out = NULL;
	char check = 0;
	FILE *f = stdout;
	int ch;

	while ((ch = getopt(argc, argv, "bCcdfghik:Mmno:rsS:T:t:uVz")) != -1) {
		switch (ch) {
		case 'C':
		case 'c': check = (char)ch; break;
		case 'k': add_key(optarg); break;
		case 'm': break; /* merging sorted input: sorting it gives the same */
		case 'o': out = optarg; break;
		case 'S':
		case 'T': break;
		case 's': stable = true; break;
		case 't':
			if (strcmp(optarg, "\\0") == 0)
				sep = 0;
			else if (strlen(optarg) != 1)
				errx(2, "invalid separator: %s", optarg);
			else
				sep = (unsigned char)*optarg;
			break;
		case 'u': unique = true; break;
		case 'z': delim = '\0'; break;
		default:
			if (!set_flag(&general, ch))
				usage(2, text);
		}
	}
	if (optind == argc)
		read_input("-");
	for (int i = optind; i < argc; i++)
		read_input(argv[i]);
	if (check) {
		for (size_t i = 1; i < nlines; i++) {
			int c = unique ? cmp_keys(&lines[i - 1], &lines[i]) : cmp_lines(&lines[i - 1], &lines[i]);

			if (c > 0 || (unique && c == 0)) {
				if (check == 'c')
					warnx("%s:%zu: disorder: %s", optind < argc ? argv[optind] : "-", i + 1, lines[i].s);
				return 1;
			}
		}
		return 0;
	}
	merge_sort(lines, xmalloc((nlines / 2 + 1) * sizeof(*lines)), nlines);
	/* Opened only now: it may be one of the inputs. */
	if (out != NULL && strcmp(out, "-") != 0 && (f = fopen(out, "w")) == NULL)
		err(2, "%s", out);
	for (size_t i = 0; i < nlines; i++) {
		if (unique && i > 0 && cmp_keys(&lines[i - 1], &lines[i]) == 0)
			continue;
		fwrite(lines[i].s, 1, lines[i].len, f);
		putc(delim, f);
	}
	if (f != stdout && fclose(f) != 0)
		err(2, "%s", out);
	return finish_err(0, 2);
}
