/*
 * Text to floating point, correctly rounded (half to even) for float, double and the 64-bit mantissa alike.
 *
 * Decimal: the digits stay a decimal number in an array and are shifted left and right by powers of two until the
 * value lies in [1/2, 1); the mantissa is then read off and the rest decides the rounding. Exact, as no digit that
 * could matter is dropped (a tail beyond 1200 digits is kept as "something follows"). Short numbers take a fast path.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "libc_private.h"

#define MAXDIG 1200
#define SHIFT_MAX 59

struct dec {
	int n;        /* digits in d */
	int point;    /* value = 0.d0 d1 d2 ... * 10^point */
	int trailing; /* non-zero digits were cut off the end */
	unsigned char d[MAXDIG + 24];
};

static void
trim(struct dec *x)
{
	while (x->n > 0 && x->d[x->n - 1] == 0)
		x->n--;
	if (x->n == 0)
		x->point = 0;
}

static void
shift_right(struct dec *x, int k)
{
	uint64_t acc = 0, mask = ((uint64_t)1 << k) - 1;
	int r = 0, w = 0;

	while (acc >> k == 0) {
		if (r < x->n)
			acc = acc * 10 + x->d[r];
		else {
			if (acc == 0) {
				x->n = 0;
				return;
			}
			acc *= 10;
		}
		r++;
	}
	x->point -= r - 1;
	for (; r < x->n; r++) {
		x->d[w++] = (unsigned char)(acc >> k);
		acc = (acc & mask) * 10 + x->d[r];
	}
	while (acc != 0) {
		unsigned char digit = (unsigned char)(acc >> k);

		if (w < MAXDIG)
			x->d[w++] = digit;
		else if (digit != 0)
			x->trailing = 1;
		acc = (acc & mask) * 10;
	}
	x->n = w;
	trim(x);
}

static void
shift_left(struct dec *x, int k)
{
	unsigned char tmp[24];
	uint64_t acc = 0;
	int extra = 0;

	for (int i = x->n - 1; i >= 0; i--) {
		acc += (uint64_t)x->d[i] << k;
		x->d[i] = (unsigned char)(acc % 10);
		acc /= 10;
	}
	while (acc != 0) {
		tmp[extra++] = (unsigned char)(acc % 10);
		acc /= 10;
	}
	memmove(x->d + extra, x->d, (size_t)x->n);
	for (int i = 0; i < extra; i++)
		x->d[i] = tmp[extra - 1 - i];
	x->n += extra;
	x->point += extra;
	for (; x->n > MAXDIG; x->n--)
		if (x->d[x->n - 1] != 0)
			x->trailing = 1;
	trim(x);
}

/* m * 2^e, where m has its top bit at position `mant`-1 or is subnormal. */
static long double
scale(uint64_t m, int e)
{
	long double v = (long double)m;

	while (e > 16000) {
		v *= 0x1p16000L;
		e -= 16000;
	}
	while (e < -16000) {
		v *= 0x1p-16000L;
		e += 16000;
	}
	union {
		long double d;
		struct {
			uint64_t m;
			uint16_t se;
		} b;
	} p = { .b = { 1UL << 63, (uint16_t)(16383 + e) } };
	return (v * p.d);
}

static long double
infinity(void)
{
	errno = ERANGE;
	return (__builtin_infl());
}

/* Round the mantissa `top` (64 bits, top bit set; value = top/2^64 * 2^e, plus a tail if sticky). */
static long double
finish(uint64_t top, int sticky, int e, int mant, int emin, int emax)
{
	int drop = 64 - mant;
	uint64_t m, rest, half;

	/* value = 0.1xxx * 2^e, so its leading bit weighs 2^(e-1). */
	if (e - 1 < emin)
		drop += emin - (e - 1);
	if (drop > 64) {
		errno = ERANGE;
		return (0);
	}
	if (drop == 0) {
		m = top;
		if (sticky == 2 || (sticky == 1 && (m & 1)))
			if (++m == 0) {
				m = 1UL << 63;
				e++;
			}
		/* sticky: 0 exact or below half, 1 exactly half, 2 above half */
	} else {
		half = 1UL << (drop - 1);
		rest = drop == 64 ? top : top & ((1UL << drop) - 1);
		m = drop == 64 ? 0 : top >> drop;
		if (rest > half || (rest == half && (sticky != 0 || (m & 1))))
			m++;
	}
	if (e - 1 < emin && (drop != 64 - mant) && (m >> (mant - 1)) == 0) {
		/* Subnormal: inexact results are reported. */
		if ((drop == 64 ? top : top & ((1UL << drop) - 1)) != 0 || sticky)
			errno = ERANGE;
	}
	if (mant < 64 && m >> mant != 0) {
		m >>= 1;
		drop++;
	}
	{
		int exp = e - 64 + drop;
		int lead = m == 0 ? 0 : 63 - __builtin_clzl(m) + exp;

		if (m != 0 && lead > emax)
			return (infinity());
		return (scale(m, exp));
	}
}

static long double
decimal(struct dec *x, int mant, int emin, int emax)
{
	static const unsigned char powers[] = { 0, 3, 6, 9, 13, 16, 19, 23, 26, 29, 33, 36, 39, 43, 46, 49, 53, 56, 59 };
	uint64_t top = 0;
	int e = 0, sticky, k;

	if (x->n == 0)
		return (0);
	if (x->point > 5000)
		return (infinity());
	if (x->point < -5100) {
		errno = ERANGE;
		return (0);
	}
	while (x->point > 0) {
		k = x->point >= (int)sizeof(powers) ? SHIFT_MAX : powers[x->point];
		shift_right(x, k);
		e += k;
	}
	while (x->point < 0 || (x->n > 0 && x->d[0] < 5)) {
		k = -x->point >= (int)sizeof(powers) ? SHIFT_MAX : x->point < 0 ? powers[-x->point] : 1;
		shift_left(x, k);
		e -= k;
	}
	/* 1/2 <= x < 1: take 64 bits, 32 at a time (a shift must stay below 60). */
	for (int i = 0; i < 2; i++) {
		uint64_t v = 0;

		shift_left(x, 32);
		for (int j = 0; j < x->point; j++)
			v = v * 10 + (j < x->n ? x->d[j] : 0);
		top = top << 32 | v;
		if (x->point > 0) {
			int cut = x->point < x->n ? x->point : x->n;

			memmove(x->d, x->d + cut, (size_t)(x->n - cut));
			x->n -= cut;
			x->point = 0;
			/* keep the leading zeros of the fraction as a negative point */
			cut = 0;
			while (cut < x->n && x->d[cut] == 0)
				cut++;
			memmove(x->d, x->d + cut, (size_t)(x->n - cut));
			x->n -= cut;
			x->point = x->n > 0 ? -cut : 0;
		}
	}
	if (x->n == 0)
		sticky = x->trailing ? 3 : 0;
	else if (x->point < 0 || x->d[0] < 5)
		sticky = 3;
	else
		sticky = x->d[0] == 5 && x->n == 1 && !x->trailing ? 1 : 2;
	/* 3: something follows, but less than half of the last bit */
	if (mant == 64 && e - 1 >= emin && sticky == 3)
		sticky = 0;
	return (finish(top, sticky, e, mant, emin, emax));
}

static long double
hexadecimal(const char *s, char **end, int mant, int emin, int emax)
{
	unsigned __int128 v = 0;
	uint64_t rest;
	int e = 0, more = 0, point = 0, any = 0, sticky, d;
	long x = 0;

	for (;; s++) {
		if (*s == '.' && !point) {
			point = 1;
			continue;
		}
		if (!isxdigit((unsigned char)*s))
			break;
		any = 1;
		d = digittoint((unsigned char)*s);
		if (v >> 124 == 0) {
			v = v << 4 | (unsigned)d;
			e -= point ? 4 : 0;
		} else {
			more |= d;
			e += point ? 0 : 4;
		}
	}
	if (!any)
		return (0);
	if ((*s | 0x20) == 'p') {
		const char *p = s + 1;
		int neg = *p == '-';

		if (*p == '-' || *p == '+')
			p++;
		if (isdigit((unsigned char)*p)) {
			for (; isdigit((unsigned char)*p); p++)
				if (x < 1000000)
					x = x * 10 + (*p - '0');
			s = p;
			if (neg)
				x = -x;
		}
	}
	*end = (char *)(uintptr_t)s;
	if (v == 0)
		return (0);
	d = v >> 64 != 0 ? __builtin_clzl((uint64_t)(v >> 64)) : 64 + __builtin_clzl((uint64_t)v);
	v <<= d;
	x += e + 128 - d;
	if (x > 20000)
		return (infinity());
	if (x < -20000) {
		errno = ERANGE;
		return (0);
	}
	rest = (uint64_t)v;
	sticky = rest == 0 ? (more ? 3 : 0) : rest < 1UL << 63 ? 3 : rest > 1UL << 63 || more ? 2 : 1;
	if (sticky == 3 && mant == 64 && x - 1 >= emin)
		sticky = 0;
	return (finish((uint64_t)(v >> 64), sticky, (int)x, mant, emin, emax));
}

long double
__strtold(const char *s, char **end, int mant, int emin, int emax)
{
	static const double tens[] = { 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14,
		1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
	const char *start = s;
	struct dec x;
	long double v;
	int neg, any = 0, point = 0;
	long ex = 0;
	char *stop;

	if (end == NULL)
		end = &stop;
	while (isspace((unsigned char)*s))
		s++;
	neg = *s == '-';
	if (*s == '-' || *s == '+')
		s++;
	if (strncasecmp(s, "inf", 3) == 0) {
		*end = (char *)(uintptr_t)(s + (strncasecmp(s, "infinity", 8) == 0 ? 8 : 3));
		return (neg ? -__builtin_infl() : __builtin_infl());
	}
	if (strncasecmp(s, "nan", 3) == 0) {
		s += 3;
		if (*s == '(') {
			const char *p = s + 1;

			while (isalnum((unsigned char)*p) || *p == '_')
				p++;
			if (*p == ')')
				s = p + 1;
		}
		*end = (char *)(uintptr_t)s;
		return (neg ? -__builtin_nanl("") : __builtin_nanl(""));
	}
	if (s[0] == '0' && (s[1] | 0x20) == 'x' &&
	    (isxdigit((unsigned char)s[2]) || (s[2] == '.' && isxdigit((unsigned char)s[3])))) {
		v = hexadecimal(s + 2, end, mant, emin, emax);
		return (neg ? -v : v);
	}
	x.n = x.point = x.trailing = 0;
	for (;; s++) {
		if (*s == '.' && !point) {
			point = 1;
			continue;
		}
		if (!isdigit((unsigned char)*s))
			break;
		any = 1;
		if (x.n == 0 && *s == '0') {
			x.point -= point;
			continue;
		}
		if (x.n < MAXDIG)
			x.d[x.n++] = (unsigned char)(*s - '0');
		else if (*s != '0')
			x.trailing = 1;
		x.point += !point;
	}
	if (!any) {
		*end = (char *)(uintptr_t)start;
		return (0);
	}
	if ((*s | 0x20) == 'e') {
		const char *p = s + 1;
		int eneg = *p == '-';

		if (*p == '-' || *p == '+')
			p++;
		if (isdigit((unsigned char)*p)) {
			for (; isdigit((unsigned char)*p); p++)
				if (ex < 1000000)
					ex = ex * 10 + (*p - '0');
			s = p;
			if (eneg)
				ex = -ex;
		}
	}
	*end = (char *)(uintptr_t)s;
	{
		int z = x.point;

		trim(&x);
		if (x.n > 0)
			x.point = z;
	}
	if (x.n > 0 && mant == 53 && x.n <= 15 && !x.trailing) {
		/* Both the digits and the power of ten are exact doubles: one rounding. */
		long p10 = x.point + ex - x.n;
		double m = 0;

		for (int i = 0; i < x.n; i++)
			m = m * 10 + x.d[i];
		if (p10 >= -22 && p10 <= 22) {
			m = p10 < 0 ? m / tens[-p10] : m * tens[p10];
			return (neg ? -m : m);
		}
	}
	if (ex > 100000 && x.n > 0)
		v = infinity();
	else {
		x.point += ex < -100000 ? -100000 : (int)ex;
		v = decimal(&x, mant, emin, emax);
	}
	return (neg ? -v : v);
}

double
strtod(const char *__restrict s, char **__restrict end)
{
	return ((double)__strtold(s, end, 53, -1022, 1023));
}

float
strtof(const char *__restrict s, char **__restrict end)
{
	return ((float)__strtold(s, end, 24, -126, 127));
}

long double
strtold(const char *__restrict s, char **__restrict end)
{
	return (__strtold(s, end, 64, -16382, 16383));
}

double
atof(const char *s)
{
	return (strtod(s, NULL));
}
