/*
 * builtins_echo.c: echo and printf. echo takes -n and does no escapes, as BSD's does; printf has the
 * escapes and conversions of POSIX, with %b.
 */
#include "sh.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int bi_echo(int argc, char **argv)
{
	int i = 1;
	bool nl = true;

	if (i < argc && strcmp(argv[i], "-n") == 0) {
		nl = false;
		i++;
	}
	for (; i < argc; i++) {
		out_s(argv[i]);
		if (i + 1 < argc)
			out_c(' ');
	}
	if (nl)
		out_c('\n');
	return 0;
}

/* One escape at s (after the backslash) into *c. Returns what follows; *c is -1 for \c. */
static const char *escape(const char *s, int *c, bool in_b)
{
	int n = 0, v = 0;

	switch (*s) {
	case 'a': *c = '\a'; return s + 1;
	case 'b': *c = '\b'; return s + 1;
	case 'f': *c = '\f'; return s + 1;
	case 'n': *c = '\n'; return s + 1;
	case 'r': *c = '\r'; return s + 1;
	case 't': *c = '\t'; return s + 1;
	case 'v': *c = '\v'; return s + 1;
	case '\\': *c = '\\'; return s + 1;
	case 'e': *c = 033; return s + 1;
	case 'c':
		if (in_b) {
			*c = -1;
			return s + 1;
		}
		break;
	case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7':
		if (in_b && *s == '0')
			s++;
		for (; n < 3 && *s >= '0' && *s <= '7'; n++)
			v = v * 8 + (*s++ - '0');
		*c = v & 0xff;
		return s;
	case '"':
	case '\'':
		if (!in_b) {
			*c = *s;
			return s + 1;
		}
		break;
	}
	*c = '\\';
	return s;
}

struct pf {
	char **v, **end;
	int status;
};

static const char *next_arg(struct pf *p)
{
	return p->v < p->end ? *p->v++ : NULL;
}

static void bad_number(struct pf *p, const char *s)
{
	p->status = sh_fail(1, "printf: %s: bad number", s);
}

static long long int_arg(struct pf *p)
{
	const char *s = next_arg(p), *t;
	char *end;
	long long v;
	bool neg = false;

	if (s == NULL)
		return 0;
	if (*s == '\'' || *s == '"')
		return (unsigned char)s[1];
	for (t = s; *t == ' ' || *t == '\t'; t++)
		;
	if (*t == '-' || *t == '+')
		neg = *t++ == '-';
	v = arith_number(t, &end);
	if (end == t || *end != '\0')
		bad_number(p, s);
	return neg ? (long long)(0ULL - (unsigned long long)v) : v;
}

static double float_arg(struct pf *p)
{
	const char *s = next_arg(p);
	char *end;
	double d;

	if (s == NULL)
		return 0;
	if (*s == '\'' || *s == '"')
		return (unsigned char)s[1];
	d = strtod(s, &end);
	if (end == s || *end != '\0')
		bad_number(p, s);
	return d;
}

static void padded(const char *s, size_t n, int width, int prec, bool left)
{
	int pad;

	if (prec >= 0 && (size_t)prec < n)
		n = (size_t)prec;
	pad = width > (int)n ? width - (int)n : 0;
	if (!left)
		while (pad-- > 0)
			out_c(' ');
	out_n(s, n);
	if (left)
		while (pad-- > 0)
			out_c(' ');
}

/* %b: the argument with its escapes; true when \c ends all output. */
static bool put_b(const char *s, int width, int prec, bool left)
{
	struct sbuf b;
	bool stop = false;
	int c;

	sb_init(&b);
	while (*s) {
		if (*s != '\\') {
			sb_putc(&b, *s++);
			continue;
		}
		s = escape(s + 1, &c, true);
		if (c < 0) {
			stop = true;
			break;
		}
		sb_putc(&b, c);
	}
	padded(b.s ? b.s : "", b.len, width, prec, left);
	return stop;
}

/* One conversion; f is after the %. Returns what follows, or NULL to stop. */
static const char *convert(struct pf *p, const char *f)
{
	char spec[48], out[512];
	int width = -1, prec = -1, n = 0, conv;
	bool left = false;

	spec[n++] = '%';
	for (; *f && strchr("-+ #0", *f) != NULL; f++) {
		if (*f == '-')
			left = true;
		if (n < 8)
			spec[n++] = *f;
	}
	if (*f == '*') {
		width = (int)int_arg(p);
		if (width < 0) {
			left = true;
			width = -width;
			if (n < 9)
				spec[n++] = '-';
		}
		f++;
	} else if (*f >= '0' && *f <= '9') {
		for (width = 0; *f >= '0' && *f <= '9'; f++)
			width = width < 100000 ? width * 10 + (*f - '0') : width;
	}
	if (*f == '.') {
		f++;
		prec = 0;
		if (*f == '*') {
			prec = (int)int_arg(p);
			f++;
		} else {
			for (; *f >= '0' && *f <= '9'; f++)
				prec = prec < 100000 ? prec * 10 + (*f - '0') : prec;
		}
	}
	while (*f && strchr("hlLjzt", *f) != NULL)
		f++;
	conv = *f++;
	if (conv == 's' || conv == 'b' || conv == 'c') {
		const char *s = next_arg(p);

		if (s == NULL)
			s = "";
		if (conv == 'b')
			return put_b(s, width, prec, left) ? NULL : f;
		if (conv == 'c')
			prec = 1;
		padded(s, strlen(s), width, prec, left);
		return f;
	}
	if (conv == '\0' || strchr("diouxXeEfFgGaA", conv) == NULL) {
		p->status = sh_fail(1, "printf: bad conversion");
		return NULL;
	}
	/* the width is ours, so that the buffer bounds only the number; zero padding is snprintf's */
	if (memchr(spec, '0', (size_t)n) != NULL && !left && width > 0 && width < 200) {
		spec[n++] = '*';
	} else {
		spec[n++] = '*';
		if (width < 0)
			width = 0;
	}
	if (width > 400)
		width = 400;
	if (width < 0)
		width = 0;
	spec[n++] = '.';
	spec[n++] = '*';
	if (prec > 400)
		prec = 400;
	if (strchr("diouxX", conv) != NULL) {
		spec[n++] = 'l';
		spec[n++] = 'l';
		spec[n++] = (char)conv;
		spec[n] = '\0';
		n = snprintf(out, sizeof out, spec, width, prec, int_arg(p));
	} else {
		spec[n++] = (char)conv;
		spec[n] = '\0';
		n = snprintf(out, sizeof out, spec, width, prec, float_arg(p));
	}
	if (n > 0)
		out_n(out, (size_t)n < sizeof out ? (size_t)n : sizeof out - 1);
	return f;
}

int bi_printf(int argc, char **argv)
{
	struct pf p;
	const char *f;
	int i = 1, c;

	if (i < argc && strcmp(argv[i], "--") == 0)
		i++;
	if (i >= argc)
		return sh_fail(2, "usage: printf format [arg ...]");
	p.v = argv + i + 1;
	p.end = argv + argc;
	p.status = 0;
	do {
		char **before = p.v;

		for (f = argv[i]; *f;) {
			if (*f == '\\') {
				f = escape(f + 1, &c, false);
				out_c(c);
			} else if (*f == '%' && f[1] == '%') {
				out_c('%');
				f += 2;
			} else if (*f == '%') {
				f = convert(&p, f + 1);
				if (f == NULL)
					return p.status;
			} else {
				size_t n = strcspn(f, "\\%");

				out_n(f, n);
				f += n;
			}
		}
		if (p.v == before)
			break;
	} while (p.v < p.end);
	return p.status;
}
