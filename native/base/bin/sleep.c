/*
 * sleep number[unit] ...: wait; fractions and the units s m h d are taken, several numbers add up. Counterpart: bin/sleep.
 */
#include "util.h"

/* Nanoseconds of "1.5m", or -1. Integers only: no rounding of a binary fraction. */
static long long
duration(const char *s)
{
	long long ns = 0, scale = 1000000000, unit;
	bool digits = false, neg = *s == '-';

	if (neg)
		s++;
	for (; isdigit((unsigned char)*s); s++, digits = true)
		if ((ns = ns * 10 + (*s - '0')) > 1000000000)
			return -1;
	ns *= scale;
	if (*s == '.' || *s == ',')
		for (s++; isdigit((unsigned char)*s); s++, digits = true)
			ns += (*s - '0') * (scale /= 10);
	unit = *s == 'm' ? 60 : *s == 'h' ? 3600 : *s == 'd' ? 86400 : 1;
	if (*s == 's' || unit > 1)
		s++;
	if (!digits || *s != '\0' || ns > LLONG_MAX / unit)
		return -1;
	return neg ? 0 : ns * unit;
}

int
sleep_main(int argc, char **argv)
{
	struct timespec ts;
	long long total = 0, ns;

	if (getopt(argc, argv, "") != -1 || optind == argc)
		usage(1, "sleep number[unit] [...]");
	for (int i = optind; i < argc; i++) {
		if ((ns = duration(argv[i])) < 0)
			errx(1, "invalid time interval: %s", argv[i]);
		total = total > LLONG_MAX - ns ? LLONG_MAX : total + ns;
	}
	ts.tv_sec = (time_t)(total / 1000000000);
	ts.tv_nsec = (long)(total % 1000000000);
	while (nanosleep(&ts, &ts) != 0)
		if (errno != EINTR)
			err(1, "nanosleep");
	return 0;
}
