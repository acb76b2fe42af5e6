/*
 * seq [-w] [-s string] [first [incr]] last: sequences of numbers. Counterpart: usr.bin/seq.
 *
 * Numbers are decimal fractions of up to nine places, counted exactly.
 */
#include "util.h"

static long long
parse(const char *s, int *places)
{
	bool neg = *s == '-';
	const char *p = s + (neg || *s == '+');
	long long v = 0;
	int n = 0;
	bool dot = false, digits = false;

	for (; *p != '\0'; p++) {
		if (*p == '.' && !dot) {
			dot = true;
			continue;
		}
		if (!isdigit((unsigned char)*p) || v > LLONG_MAX / 1000 || n > 9)
			errx(1, "invalid floating point argument: %s", s);
		v = v * 10 + (*p - '0');
		n += dot;
		digits = true;
	}
	if (!digits)
		errx(1, "invalid floating point argument: %s", s);
	*places = n;
	return neg ? -v : v;
}

static long long
scaled(long long v, int from, int to)
{
	for (; from < to; from++)
		if (__builtin_mul_overflow(v, 10LL, &v))
			errx(1, "number out of range");
	return v;
}

static int
text(char *buf, size_t size, long long v, int places, int width)
{
	unsigned long long a = v < 0 ? 0 - (unsigned long long)v : (unsigned long long)v, unit = 1;
	const char *sign = v < 0 ? "-" : "";

	for (int i = 0; i < places; i++)
		unit *= 10;
	width -= (v < 0) + (places > 0 ? places + 1 : 0);
	if (places == 0)
		return snprintf(buf, size, "%s%0*llu", sign, width > 0 ? width : 1, a);
	return snprintf(buf, size, "%s%0*llu.%0*llu", sign, width > 0 ? width : 1, a / unit, places, a % unit);
}

int
seq_main(int argc, char **argv)
{
	const char *sep = "\n";
	bool wide = false, first = true;
	long long v[3] = { 1, 1, 0 };
	int places[3] = { 0, 0, 0 }, most = 0, width = 0, n, i = 1;
	char buf[64], end[64];

	/* Not getopt: numbers may be negative. */
	for (; i < argc && argv[i][0] == '-' && (argv[i][1] == 'w' || argv[i][1] == 's'); i++) {
		if (argv[i][1] == 'w')
			wide = true;
		else if (argv[i][2] != '\0')
			sep = argv[i] + 2;
		else if (++i < argc)
			sep = argv[i];
	}
	n = argc - i;
	if (n < 1 || n > 3)
		usage(1, "seq [-w] [-s string] [first [incr]] last");
	if (n > 1)
		v[0] = parse(argv[i], &places[0]);
	if (n > 2)
		v[1] = parse(argv[i + 1], &places[1]);
	v[2] = parse(argv[argc - 1], &places[2]);
	if (n < 3)
		v[1] = v[0] > scaled(v[2], places[2], places[0] > places[2] ? places[0] : places[2]) && n == 1 ? -1 : 1;
	for (int k = 0; k < 3; k++)
		if (places[k] > most)
			most = places[k];
	for (int k = 0; k < 3; k++)
		v[k] = scaled(v[k], places[k], most);
	if (n < 3 && v[0] > v[2] && v[1] > 0)
		v[1] = -v[1];
	if (v[1] == 0)
		errx(1, "zero %screment", v[0] <= v[2] ? "in" : "de");
	if ((v[1] > 0) != (v[0] <= v[2]) && v[0] != v[2])
		errx(1, "needs %s increment", v[0] < v[2] ? "positive" : "negative");
	if (wide) {
		int a = text(buf, sizeof(buf), v[0], most, 0), b = text(end, sizeof(end), v[2], most, 0);

		width = a > b ? a : b;
	}
	for (long long x = v[0]; v[1] > 0 ? x <= v[2] : x >= v[2]; ) {
		text(buf, sizeof(buf), x, most, width);
		printf("%s%s", first ? "" : sep, buf);
		first = false;
		if (__builtin_add_overflow(x, v[1], &x))
			break;
	}
	if (!first)
		putchar('\n');
	return finish(0);
}
