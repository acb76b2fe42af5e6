/*
 * date [-jnRu] [-r seconds|file] [-v ...refused] [-f fmt date] [+format]: print the time. Counterpart: bin/date.
 *
 * Setting the clock ([[[[[cc]yy]mm]dd]HH]MM[.ss]) is parsed and handed to settimeofday(2), which the kernel refuses.
 */
#include "util.h"

static const char text[] = "date [-jnRu] [-r seconds | file] [-f input_fmt] [[[[[cc]yy]mm]dd]HH]MM[.ss] | new_date] [+output_fmt]";

static int
two(const char **p)
{
	int v;

	if (!isdigit((unsigned char)(*p)[0]) || !isdigit((unsigned char)(*p)[1]))
		errx(1, "illegal time format");
	v = ((*p)[0] - '0') * 10 + (*p)[1] - '0';
	*p += 2;
	return v;
}

/* The date in BSD's digits form; fields not given keep the values of now. */
static time_t
parse_digits(const char *s, time_t now, bool utc)
{
	struct tm tm = utc ? *gmtime(&now) : *localtime(&now);
	const char *dot = strchr(s, '.'), *p = s;
	size_t n = dot != NULL ? (size_t)(dot - s) : strlen(s);

	tm.tm_sec = 0;
	tm.tm_isdst = -1;
	if (dot != NULL) {
		const char *q = dot + 1;

		if (strlen(q) != 2 || (tm.tm_sec = two(&q)) > 61)
			errx(1, "illegal time format");
	}
	switch (n) {
	case 12: tm.tm_year = two(&p) * 100 - 1900; tm.tm_year += two(&p); break;
	case 10: tm.tm_year = two(&p); tm.tm_year += tm.tm_year < 69 ? 100 : 0; break;
	case 8: case 6: case 4: case 2: break;
	default: errx(1, "illegal time format");
	}
	if (n >= 8 && ((tm.tm_mon = two(&p) - 1) < 0 || tm.tm_mon > 11))
		errx(1, "illegal time format");
	if (n >= 6 && ((tm.tm_mday = two(&p)) < 1 || tm.tm_mday > 31))
		errx(1, "illegal time format");
	if (n >= 4 && (tm.tm_hour = two(&p)) > 23)
		errx(1, "illegal time format");
	if ((tm.tm_min = two(&p)) > 59)
		errx(1, "illegal time format");
	return utc ? timegm(&tm) : mktime(&tm);
}

int
date_main(int argc, char **argv)
{
	const char *fmt = "%a %b %e %H:%M:%S %Z %Y", *input = NULL;
	bool no_set = false, utc = false;
	struct timeval tv;
	struct stat st;
	struct tm *tm;
	time_t t = time(NULL), now = t;
	long long v;
	char buf[1024];
	int ch;

	while ((ch = getopt(argc, argv, "d:f:jnRr:uv:")) != -1) {
		switch (ch) {
		case 'f': input = optarg; break;
		case 'j': no_set = true; break;
		case 'n': break;
		case 'R': fmt = "%a, %d %b %Y %H:%M:%S %z"; break;
		case 'r':
			if (str_num(optarg, 0, &v))
				t = (time_t)v;
			else if (stat(optarg, &st) == 0)
				t = st.st_mtim.tv_sec;
			else
				err(1, "%s", optarg);
			break;
		case 'u': utc = true; break;
		case 'd':
		case 'v': errx(1, "-%c: not supported", ch);
		default: usage(1, text);
		}
	}
	argc -= optind;
	argv += optind;
	if (argc > 0 && argv[0][0] == '+') {
		fmt = argv[0] + 1;
		argc--;
		argv++;
	}
	if (argc > 0) {
		if (input != NULL) {
			struct tm in = utc ? *gmtime(&now) : *localtime(&now);
			const char *end = strptime(argv[0], input, &in);

			if (end == NULL || *end != '\0')
				errx(1, "failed conversion of ``%s'' using format ``%s''", argv[0], input);
			in.tm_isdst = -1;
			t = utc ? timegm(&in) : mktime(&in);
		} else
			t = parse_digits(argv[0], now, utc);
		if (!no_set) {
			tv.tv_sec = t;
			tv.tv_usec = 0;
			if (settimeofday(&tv, NULL) != 0)
				err(1, "settimeofday (timeval)");
		}
		argc--;
		argv++;
		if (argc > 0 && argv[0][0] == '+') {
			fmt = argv[0] + 1;
			argc--;
		}
	}
	if (argc > 0)
		usage(1, text);
	tm = utc ? gmtime(&t) : localtime(&t);
	if (tm == NULL)
		errx(1, "invalid time");
	if (*fmt == '\0' || strftime(buf, sizeof(buf), fmt, tm) == 0)
		buf[0] = '\0';
	puts(buf);
	return finish(0);
}
