/* Text to integers. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>

/* Parse [space][sign][0x|0]digits; the magnitude goes to *out. Returns 0 or ERANGE; *neg tells the sign. */
static int
magnitude(const char *s, char **end, int base, int *neg, unsigned long *out)
{
	const char *start = s;
	unsigned long v = 0;
	int any = 0, over = 0, d;

	if (base != 0 && (base < 2 || base > 36)) {
		errno = EINVAL;
		*out = 0;
		*neg = 0;
		if (end != NULL)
			*end = (char *)(uintptr_t)s;
		return (0);
	}
	while (isspace((unsigned char)*s))
		s++;
	*neg = *s == '-';
	if (*s == '-' || *s == '+')
		s++;
	if ((base == 0 || base == 16) && s[0] == '0' && (s[1] | 0x20) == 'x' && isxdigit((unsigned char)s[2])) {
		s += 2;
		base = 16;
	} else if (base == 0)
		base = *s == '0' ? 8 : 10;
	for (;; s++, any = 1) {
		int c = (unsigned char)*s;

		if (isdigit(c))
			d = c - '0';
		else if (isalpha(c))
			d = (c | 0x20) - 'a' + 10;
		else
			break;
		if (d >= base)
			break;
		if (__builtin_mul_overflow(v, (unsigned long)base, &v) || __builtin_add_overflow(v, (unsigned long)d, &v))
			over = 1;
	}
	if (end != NULL)
		*end = (char *)(uintptr_t)(any ? s : start);
	*out = v;
	return (over ? ERANGE : 0);
}

long
strtol(const char *__restrict s, char **__restrict end, int base)
{
	unsigned long v;
	int neg, error = magnitude(s, end, base, &neg, &v);

	if (error != 0 || v > (unsigned long)LONG_MAX + (unsigned)neg) {
		errno = ERANGE;
		return (neg ? LONG_MIN : LONG_MAX);
	}
	return (neg ? (long)-v : (long)v);
}

unsigned long
strtoul(const char *__restrict s, char **__restrict end, int base)
{
	unsigned long v;
	int neg, error = magnitude(s, end, base, &neg, &v);

	if (error != 0) {
		errno = ERANGE;
		return (ULONG_MAX);
	}
	return (neg ? -v : v);
}

long long
strtoll(const char *__restrict s, char **__restrict end, int base)
{
	return (strtol(s, end, base));
}

unsigned long long
strtoull(const char *__restrict s, char **__restrict end, int base)
{
	return (strtoul(s, end, base));
}

int64_t
strtoq(const char *__restrict s, char **__restrict end, int base)
{
	return (strtol(s, end, base));
}

uint64_t
strtouq(const char *__restrict s, char **__restrict end, int base)
{
	return (strtoul(s, end, base));
}

intmax_t
strtoimax(const char *__restrict s, char **__restrict end, int base)
{
	return (strtol(s, end, base));
}

uintmax_t
strtoumax(const char *__restrict s, char **__restrict end, int base)
{
	return (strtoul(s, end, base));
}

int
atoi(const char *s)
{
	return ((int)strtol(s, NULL, 10));
}

long
atol(const char *s)
{
	return (strtol(s, NULL, 10));
}

long long
atoll(const char *s)
{
	return (strtol(s, NULL, 10));
}

long long
strtonum(const char *s, long long min, long long max, const char **why)
{
	int saved = errno;
	const char *reason = NULL;
	long long v = 0;
	char *end;

	errno = 0;
	if (min > max)
		reason = "invalid";
	else {
		v = strtoll(s, &end, 10);
		if (end == s || *end != '\0')
			reason = "invalid";
		else if ((v == LLONG_MIN && errno == ERANGE) || v < min)
			reason = "too small";
		else if ((v == LLONG_MAX && errno == ERANGE) || v > max)
			reason = "too large";
	}
	errno = reason == NULL ? saved : *reason == 'i' ? EINVAL : ERANGE;
	if (why != NULL)
		*why = reason;
	return (reason == NULL ? v : 0);
}

int
abs(int v)
{
	return (v < 0 ? -v : v);
}

long
labs(long v)
{
	return (v < 0 ? -v : v);
}

long long
llabs(long long v)
{
	return (v < 0 ? -v : v);
}

intmax_t
imaxabs(intmax_t v)
{
	return (v < 0 ? -v : v);
}

div_t
div(int a, int b)
{
	return ((div_t){ a / b, a % b });
}

ldiv_t
ldiv(long a, long b)
{
	return ((ldiv_t){ a / b, a % b });
}

lldiv_t
lldiv(long long a, long long b)
{
	return ((lldiv_t){ a / b, a % b });
}

imaxdiv_t
imaxdiv(intmax_t a, intmax_t b)
{
	return ((imaxdiv_t){ a / b, a % b });
}
