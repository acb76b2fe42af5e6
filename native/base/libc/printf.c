/*
 * The printf family. One engine writes through a sink; positional arguments (%2$s) are fetched by a first pass
 * over the format that finds every argument's type.
 */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "libc_private.h"

struct sink {
	void (*put)(struct sink *, const char *, size_t);
	char *p;
	size_t room;
	size_t total;
	FILE *fp;
	int failed;
};

enum { LEFT = 1, PLUS = 2, SPACE = 4, ALT = 8, ZERO = 16, COMMA = 32 };
enum len { L_NONE, L_HH, L_H, L_L, L_LL, L_J, L_Z, L_T, L_LD };
enum type { T_NONE, T_INT, T_LONG, T_PTR, T_DBL, T_LDBL };

union arg {
	long i;
	void *p;
	double d;
	long double ld;
};
#define MAXPOS 32

struct spec {
	int flags;
	int width;
	int prec;
	int width_pos; /* position of '*', 0: next, -1: none */
	int prec_pos;
	int pos;
	enum len len;
	char conv;
};

static void
put(struct sink *s, const char *p, size_t n)
{
	s->total += n;
	s->put(s, p, n);
}

static void
pad(struct sink *s, char c, long n)
{
	char block[32];

	if (n <= 0)
		return;
	memset(block, c, sizeof(block));
	for (; n > 0; n -= (long)sizeof(block))
		put(s, block, n < (long)sizeof(block) ? (size_t)n : sizeof(block));
}

static int
number(const char **f)
{
	long n = 0;

	for (; **f >= '0' && **f <= '9'; ++*f)
		if (n <= INT_MAX)
			n = n * 10 + (**f - '0');
	return (n > INT_MAX ? -1 : (int)n);
}

/* Parse one conversion after the '%'. Returns the character after it, or NULL if the format is broken. */
static const char *
parse(const char *f, struct spec *sp)
{
	const char *save = f;
	int n;

	*sp = (struct spec){ .prec = -1, .width_pos = -1, .prec_pos = -1 };
	if (*f >= '1' && *f <= '9') {
		n = number(&f);
		if (*f == '$' && n > 0 && n <= MAXPOS) {
			sp->pos = n;
			f++;
		} else
			f = save;
	}
	for (;; f++) {
		if (*f == '-')
			sp->flags |= LEFT;
		else if (*f == '+')
			sp->flags |= PLUS;
		else if (*f == ' ')
			sp->flags |= SPACE;
		else if (*f == '#')
			sp->flags |= ALT;
		else if (*f == '0')
			sp->flags |= ZERO;
		else if (*f == '\'')
			sp->flags |= COMMA;
		else
			break;
	}
	for (int which = 0; which < 2; which++) {
		int *value = which == 0 ? &sp->width : &sp->prec;
		int *pos = which == 0 ? &sp->width_pos : &sp->prec_pos;

		if (which == 1) {
			if (*f != '.')
				break;
			f++;
			*value = 0;
		}
		if (*f == '*') {
			f++;
			save = f;
			n = number(&f);
			if (*f == '$' && n > 0 && n <= MAXPOS) {
				*pos = n;
				f++;
			} else {
				*pos = 0;
				f = save;
			}
		} else if ((*value = number(&f)) < 0)
			return (NULL);
	}
	switch (*f) {
	case 'h':
		sp->len = *++f == 'h' ? (f++, L_HH) : L_H;
		break;
	case 'l':
		sp->len = *++f == 'l' ? (f++, L_LL) : L_L;
		break;
	case 'q':
		sp->len = L_LL;
		f++;
		break;
	case 'j':
		sp->len = L_J;
		f++;
		break;
	case 'z':
		sp->len = L_Z;
		f++;
		break;
	case 't':
		sp->len = L_T;
		f++;
		break;
	case 'L':
		sp->len = L_LD;
		f++;
		break;
	}
	sp->conv = *f;
	return (*f == '\0' ? NULL : f + 1);
}

static enum type
arg_type(const struct spec *sp)
{
	switch (sp->conv) {
	case 'd':
	case 'i':
	case 'o':
	case 'u':
	case 'x':
	case 'X':
	case 'c':
		return (sp->len == L_NONE || sp->len == L_HH || sp->len == L_H ? T_INT : T_LONG);
	case 'D':
	case 'O':
	case 'U':
		return (T_LONG);
	case 'e':
	case 'E':
	case 'f':
	case 'F':
	case 'g':
	case 'G':
	case 'a':
	case 'A':
		return (sp->len == L_LD ? T_LDBL : T_DBL);
	case 's':
	case 'S':
	case 'p':
	case 'n':
		return (T_PTR);
	}
	return (T_NONE);
}

static void
fetch(union arg *a, enum type t, va_list *ap)
{
	switch (t) {
	case T_INT:
		a->i = va_arg(*ap, int);
		break;
	case T_LONG:
		a->i = va_arg(*ap, long);
		break;
	case T_PTR:
		a->p = va_arg(*ap, void *);
		break;
	case T_DBL:
		a->d = va_arg(*ap, double);
		break;
	case T_LDBL:
		a->ld = va_arg(*ap, long double);
		break;
	case T_NONE:
		break;
	}
}

static void
put_int(struct sink *s, struct spec *sp, long v)
{
	char buf[48], *end = buf + sizeof(buf), *p = end;
	const char *prefix = "";
	const char *digits = sp->conv == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
	unsigned long u = (unsigned long)v;
	long zeros, width;
	int plen, n;

	if (sp->conv == 'd' || sp->conv == 'i' || sp->conv == 'D') {
		if (sp->len == L_HH)
			v = (signed char)v;
		else if (sp->len == L_H)
			v = (short)v;
		else if (sp->len == L_NONE && sp->conv != 'D')
			v = (int)v;
		u = v < 0 ? -(unsigned long)v : (unsigned long)v;
		prefix = v < 0 ? "-" : sp->flags & PLUS ? "+" : sp->flags & SPACE ? " " : "";
	} else if (sp->len == L_HH)
		u = (unsigned char)u;
	else if (sp->len == L_H)
		u = (unsigned short)u;
	else if (sp->len == L_NONE && sp->conv != 'O' && sp->conv != 'U')
		u = (unsigned int)u;
	switch (sp->conv) {
	case 'o':
	case 'O':
		for (; u != 0; u >>= 3)
			*--p = digits[u & 7];
		/* The extra zero is a prefix unless a precision already says how many digits there are. */
		if (sp->flags & ALT && sp->prec < 0)
			prefix = p < end ? "0" : "";
		else if (sp->flags & ALT && sp->prec <= end - p)
			sp->prec = (int)(end - p) + 1;
		break;
	case 'x':
	case 'X':
	case 'p':
		if (sp->conv == 'p' || (sp->flags & ALT && u != 0))
			prefix = sp->conv == 'X' ? "0X" : "0x";
		for (; u != 0; u >>= 4)
			*--p = digits[u & 15];
		break;
	default:
		for (; u != 0; u /= 10)
			*--p = digits[u % 10];
	}
	n = (int)(end - p);
	if (sp->prec < 0) {
		if (n == 0) {
			*--p = '0';
			n = 1;
		}
	} else
		sp->flags &= ~ZERO;
	plen = (int)strlen(prefix);
	zeros = sp->prec > n ? sp->prec - n : 0;
	width = sp->width - plen - zeros - n;
	if (sp->flags & ZERO && !(sp->flags & LEFT) && width > 0) {
		zeros = width;
		width = 0;
	}
	if (!(sp->flags & LEFT))
		pad(s, ' ', width);
	put(s, prefix, (size_t)plen);
	pad(s, '0', zeros);
	put(s, p, (size_t)n);
	if (sp->flags & LEFT)
		pad(s, ' ', width);
}

static void
put_hexfloat(struct sink *s, struct spec *sp, long double x, const char *sign, int is_long)
{
	const char *digits = sp->conv == 'A' ? "0123456789ABCDEF" : "0123456789abcdef";
	union {
		long double d;
		struct {
			uint64_t m;
			uint16_t se;
		} b;
	} u;
	char buf[40], ebuf[12], *p = buf, *ep;
	uint64_t m, half;
	int e, n, drop, lead, ex;
	long width;

	u.d = x;
	m = u.b.m;
	e = (u.b.se & 0x7fff) - 16383;
	if (m == 0)
		e = 0;
	else
		while (!(m >> 63)) {
			m <<= 1;
			e--;
		}
	/* A double shows 1.xxxxx; a long double its top four bits, as its mantissa has 64. */
	if (is_long) {
		e -= m != 0 ? 3 : 0;
		lead = 4;
	} else
		lead = 1;
	if (sp->prec >= 0 && sp->prec * 4 + lead < 64) {
		drop = 64 - lead - sp->prec * 4;
		half = 1UL << (drop - 1);
		if ((m & (2 * half - 1)) > half || ((m & (2 * half - 1)) == half && m >> drop & 1)) {
			if (__builtin_add_overflow(m, half, &m)) {
				m = m >> 1 | 1UL << 63;
				e++;
			}
		}
		m = drop == 64 ? 0 : m >> drop << drop;
	}
	*p++ = digits[m >> (64 - lead)];
	m <<= lead;
	n = 0;
	if (m != 0 || sp->prec > 0 || sp->flags & ALT)
		*p++ = '.';
	for (; m != 0; m <<= 4, n++)
		*p++ = digits[m >> 60];
	ep = ebuf + sizeof(ebuf);
	ex = e < 0 ? -e : e;
	do
		*--ep = (char)('0' + ex % 10);
	while ((ex /= 10) != 0);
	*--ep = e < 0 ? '-' : '+';
	*--ep = sp->conv == 'A' ? 'P' : 'p';
	{
		long zeros = sp->prec > n ? sp->prec - n : 0;
		long elen = ebuf + sizeof(ebuf) - ep;

		width = sp->width - (long)strlen(sign) - 2 - (p - buf) - zeros - elen;
		if (!(sp->flags & (LEFT | ZERO)))
			pad(s, ' ', width);
		put(s, sign, strlen(sign));
		put(s, sp->conv == 'A' ? "0X" : "0x", 2);
		if (sp->flags & ZERO && !(sp->flags & LEFT))
			pad(s, '0', width);
		put(s, buf, (size_t)(p - buf));
		pad(s, '0', zeros);
		put(s, ep, (size_t)elen);
		if (sp->flags & LEFT)
			pad(s, ' ', width);
	}
}

static void
put_float(struct sink *s, struct spec *sp, long double x, int is_long)
{
	char digits[DTOA_MAX], ebuf[12];
	char *ep = ebuf + sizeof(ebuf);
	const char *sign = signbit(x) ? "-" : sp->flags & PLUS ? "+" : sp->flags & SPACE ? " " : "";
	int upper = sp->conv < 'a';
	char conv = (char)(sp->conv | 0x20);
	int n, decpt, prec = sp->prec < 0 ? 6 : sp->prec, sci, ex, intdigits, point;
	long width, elen, fracdigits;

	if (isnan(x) || isinf(x)) {
		const char *text = isnan(x) ? (upper ? "NAN" : "nan") : (upper ? "INF" : "inf");

		if (isnan(x))
			sign = sp->flags & PLUS ? "+" : sp->flags & SPACE ? " " : signbit(x) ? "-" : "";
		width = sp->width - 3 - (long)strlen(sign);
		if (!(sp->flags & LEFT))
			pad(s, ' ', width);
		put(s, sign, strlen(sign));
		put(s, text, 3);
		if (sp->flags & LEFT)
			pad(s, ' ', width);
		return;
	}
	if (signbit(x))
		x = -x;
	if (conv == 'a') {
		put_hexfloat(s, sp, x, sign, is_long);
		return;
	}
	if (conv == 'f')
		n = __dtoa(x, 1, prec, digits, &decpt);
	else {
		if (conv == 'g' && prec == 0)
			prec = 1;
		n = __dtoa(x, 0, conv == 'g' ? prec : prec + 1, digits, &decpt);
	}
	ex = n == 0 ? 0 : decpt - 1;
	sci = conv == 'e';
	if (conv == 'g') {
		if (ex < -4 || ex >= prec) {
			sci = 1;
			prec--;
		} else
			prec -= ex + 1;
		if (!(sp->flags & ALT)) {
			int useful = sci ? n - 1 : n - decpt;

			if (n == 0)
				useful = 0;
			if (useful < 0)
				useful = 0;
			if (prec > useful)
				prec = useful;
		}
	}
	if (n == 0)
		decpt = sci ? 1 : 0;
	if (sci) {
		int v = ex < 0 ? -ex : ex;

		*--ep = (char)('0' + v % 10);
		v /= 10;
		do
			*--ep = (char)('0' + v % 10);
		while ((v /= 10) != 0);
		*--ep = ex < 0 ? '-' : '+';
		*--ep = upper ? 'E' : 'e';
		decpt = 1;
	}
	elen = ebuf + sizeof(ebuf) - ep;
	intdigits = decpt > 0 ? decpt : 1;
	point = prec > 0 || sp->flags & ALT;
	width = sp->width - (long)strlen(sign) - intdigits - point - prec - elen;
	if (!(sp->flags & (LEFT | ZERO)))
		pad(s, ' ', width);
	put(s, sign, strlen(sign));
	if (sp->flags & ZERO && !(sp->flags & LEFT))
		pad(s, '0', width);
	if (decpt <= 0)
		put(s, "0", 1);
	else {
		put(s, digits, (size_t)(n < decpt ? n : decpt));
		if (n < decpt)
			pad(s, '0', decpt - n);
	}
	if (point)
		put(s, ".", 1);
	fracdigits = prec;
	if (decpt < 0) {
		long z = -decpt < fracdigits ? -decpt : fracdigits;

		pad(s, '0', z);
		fracdigits -= z;
	}
	{
		int from = decpt > 0 ? decpt : 0;
		long have = n > from ? n - from : 0;

		if (have > fracdigits)
			have = fracdigits;
		put(s, digits + from, (size_t)have);
		pad(s, '0', fracdigits - have);
	}
	put(s, ep, (size_t)elen);
	if (sp->flags & LEFT)
		pad(s, ' ', width);
}

static void
put_str(struct sink *s, struct spec *sp, const char *str, size_t n)
{
	long width = sp->width - (long)n;

	if (!(sp->flags & LEFT))
		pad(s, sp->flags & ZERO ? '0' : ' ', width);
	put(s, str, n);
	if (sp->flags & LEFT)
		pad(s, ' ', width);
}

static int
format(struct sink *s, const char *fmt, va_list ap0)
{
	union arg args[MAXPOS + 1], a;
	enum type types[MAXPOS + 1] = { T_NONE };
	struct spec sp;
	int saved = errno, positional = 0;
	va_list ap;
	const char *f;

	va_copy(ap, ap0);
	/* First pass only if a '$' is anywhere. */
	if (strchr(fmt, '$') != NULL) {
		for (f = fmt; (f = strchr(f, '%')) != NULL;) {
			if ((f = parse(f + 1, &sp)) == NULL)
				break;
			if (sp.pos > 0) {
				positional = 1;
				types[sp.pos] = arg_type(&sp);
			}
			if (sp.width_pos > 0)
				types[sp.width_pos] = T_INT;
			if (sp.prec_pos > 0)
				types[sp.prec_pos] = T_INT;
		}
		if (positional)
			for (int i = 1; i <= MAXPOS && types[i] != T_NONE; i++)
				fetch(&args[i], types[i], &ap);
	}
	for (f = fmt; *f != '\0';) {
		const char *pct = strchrnul(f, '%');

		if (pct != f)
			put(s, f, (size_t)(pct - f));
		if (*pct == '\0')
			break;
		if ((f = parse(pct + 1, &sp)) == NULL) {
			va_end(ap);
			errno = EINVAL;
			return (-1);
		}
		if (sp.width_pos >= 0) {
			if (sp.width_pos > 0)
				a = args[sp.width_pos];
			else
				fetch(&a, T_INT, &ap);
			sp.width = (int)a.i;
			if (sp.width < 0) {
				sp.flags |= LEFT;
				sp.width = -sp.width;
			}
		}
		if (sp.prec_pos >= 0) {
			if (sp.prec_pos > 0)
				a = args[sp.prec_pos];
			else
				fetch(&a, T_INT, &ap);
			sp.prec = a.i < 0 ? -1 : (int)a.i;
		}
		if (sp.pos > 0)
			a = args[sp.pos];
		else
			fetch(&a, arg_type(&sp), &ap);
		switch (sp.conv) {
		case 'd':
		case 'i':
		case 'o':
		case 'u':
		case 'x':
		case 'X':
		case 'D':
		case 'O':
		case 'U':
			put_int(s, &sp, a.i);
			break;
		case 'p':
			sp.len = L_L;
			put_int(s, &sp, (long)a.p);
			break;
		case 'e':
		case 'E':
		case 'f':
		case 'F':
		case 'g':
		case 'G':
		case 'a':
		case 'A':
			put_float(s, &sp, sp.len == L_LD ? a.ld : a.d, sp.len == L_LD);
			break;
		case 'c': {
			char c = (char)a.i;

			put_str(s, &sp, &c, 1);
			break;
		}
		case 's':
			if (sp.len == L_L)
				goto wide;
			if (a.p == NULL)
				a.p = (void *)(uintptr_t)"(null)";
			put_str(s, &sp, a.p, sp.prec >= 0 ? strnlen(a.p, (size_t)sp.prec) : strlen(a.p));
			break;
		case 'S':
		wide: {
			const wchar_t *w = a.p != NULL ? a.p : L"(null)";
			size_t n = 0;

			while ((sp.prec < 0 || n < (size_t)sp.prec) && w[n] != 0)
				n++;
			if (!(sp.flags & LEFT))
				pad(s, ' ', sp.width - (long)n);
			for (size_t i = 0; i < n; i++) {
				char c = (char)w[i];

				put(s, &c, 1);
			}
			if (sp.flags & LEFT)
				pad(s, ' ', sp.width - (long)n);
			break;
		}
		case 'n':
			switch (sp.len) {
			case L_HH:
				*(signed char *)a.p = (signed char)s->total;
				break;
			case L_H:
				*(short *)a.p = (short)s->total;
				break;
			case L_NONE:
				*(int *)a.p = (int)s->total;
				break;
			default:
				*(long *)a.p = (long)s->total;
			}
			break;
		case 'm':
			put_str(s, &sp, strerror(saved), strlen(strerror(saved)));
			break;
		default:
			/* "%%", and an unknown conversion shows itself. */
			put(s, &sp.conv, 1);
		}
	}
	va_end(ap);
	if (s->total > INT_MAX) {
		errno = EOVERFLOW;
		return (-1);
	}
	return (s->failed ? -1 : (int)s->total);
}

static void
put_mem(struct sink *s, const char *p, size_t n)
{
	if (n > s->room)
		n = s->room;
	memcpy(s->p, p, n);
	s->p += n;
	s->room -= n;
}

static void
put_file(struct sink *s, const char *p, size_t n)
{
	if (n > 0 && __sfwrite(p, n, s->fp) != n)
		s->failed = 1;
}

/* Gathers the pieces for an unbuffered stream, so that stderr gets one write a call. */
struct gather {
	struct sink s;
	char buf[512];
};

static void
put_gather(struct sink *s, const char *p, size_t n)
{
	struct gather *g = (struct gather *)s;

	while (n > 0) {
		size_t k = n < s->room ? n : s->room;

		memcpy(s->p, p, k);
		s->p += k;
		s->room -= k;
		p += k;
		n -= k;
		if (s->room == 0) {
			put_file(s, g->buf, sizeof(g->buf));
			s->p = g->buf;
			s->room = sizeof(g->buf);
		}
	}
}

int
vfprintf(FILE *fp, const char *fmt, va_list ap)
{
	int n;

	lock(&fp->lk);
	if (fp->mode == _IONBF) {
		struct gather g;

		g.s = (struct sink){ .put = put_gather, .p = g.buf, .room = sizeof(g.buf), .fp = fp };
		n = format(&g.s, fmt, ap);
		put_file(&g.s, g.buf, (size_t)(g.s.p - g.buf));
		if (g.s.failed)
			n = -1;
	} else {
		struct sink s = { .put = put_file, .fp = fp };

		n = format(&s, fmt, ap);
	}
	unlock(&fp->lk);
	return (n);
}

int
vsnprintf(char *out, size_t size, const char *fmt, va_list ap)
{
	struct sink s = { .put = put_mem, .p = out, .room = size > 0 ? size - 1 : 0 };
	int n = format(&s, fmt, ap);

	if (size > 0)
		*s.p = '\0';
	return (n);
}

int
vasprintf(char **out, const char *fmt, va_list ap)
{
	char small[256];
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(small, sizeof(small), fmt, ap);
	*out = n < 0 ? NULL : malloc((size_t)n + 1);
	if (*out == NULL)
		n = -1;
	else if ((size_t)n < sizeof(small))
		memcpy(*out, small, (size_t)n + 1);
	else
		vsnprintf(*out, (size_t)n + 1, fmt, again);
	va_end(again);
	return (n);
}

int
vdprintf(int fd, const char *fmt, va_list ap)
{
	char *text;
	int n = vasprintf(&text, fmt, ap), left = n;
	const char *p = text;

	while (left > 0) {
		ssize_t k = write(fd, p, (size_t)left);

		if (k < 0) {
			n = -1;
			break;
		}
		p += k;
		left -= (int)k;
	}
	free(text);
	return (n);
}

int
vsprintf(char *out, const char *fmt, va_list ap)
{
	return (vsnprintf(out, (size_t)INT_MAX, fmt, ap));
}

int
vprintf(const char *fmt, va_list ap)
{
	return (vfprintf(stdout, fmt, ap));
}

#define VARIADIC(call)               \
	va_list ap;                  \
	int n;                       \
	va_start(ap, fmt);           \
	n = call;                    \
	va_end(ap);                  \
	return (n)

int
printf(const char *fmt, ...)
{
	VARIADIC(vfprintf(stdout, fmt, ap));
}

int
fprintf(FILE *fp, const char *fmt, ...)
{
	VARIADIC(vfprintf(fp, fmt, ap));
}

int
snprintf(char *out, size_t size, const char *fmt, ...)
{
	VARIADIC(vsnprintf(out, size, fmt, ap));
}

int
sprintf(char *out, const char *fmt, ...)
{
	VARIADIC(vsprintf(out, fmt, ap));
}

int
asprintf(char **out, const char *fmt, ...)
{
	VARIADIC(vasprintf(out, fmt, ap));
}

int
dprintf(int fd, const char *fmt, ...)
{
	VARIADIC(vdprintf(fd, fmt, ap));
}
