/*
 * touch [-Aacfhm] [-r file] [-t [[CC]YY]MMDDhhmm[.SS]] [-d datetime] file ...: set file times. Counterpart: usr.bin/touch.
 */
#include "util.h"

static int
two(const char *p)
{
	if (!isdigit((unsigned char)p[0]) || !isdigit((unsigned char)p[1]))
		return -1;
	return (p[0] - '0') * 10 + p[1] - '0';
}

static time_t
parse_t(const char *s)
{
	time_t now = time(NULL), t;
	struct tm tm = *localtime(&now);
	const char *dot = strchr(s, '.'), *p = s;
	size_t n = dot != NULL ? (size_t)(dot - s) : strlen(s);
	int v[6], k = 0;

	tm.tm_sec = dot != NULL ? two(dot + 1) : 0;
	if ((n != 8 && n != 10 && n != 12) || strspn(s, "0123456789") < n || tm.tm_sec < 0 || (dot != NULL && strlen(dot) != 3))
		errx(1, "out of range or illegal time specification: [[CC]YY]MMDDhhmm[.SS]");
	for (; (size_t)(p - s) < n; p += 2)
		v[k++] = two(p);
	if (n == 12)
		tm.tm_year = v[0] * 100 + v[1] - 1900;
	else if (n == 10)
		tm.tm_year = v[0] < 69 ? v[0] + 100 : v[0];
	tm.tm_mon = v[k - 4] - 1;
	tm.tm_mday = v[k - 3];
	tm.tm_hour = v[k - 2];
	tm.tm_min = v[k - 1];
	tm.tm_isdst = -1;
	if (tm.tm_mon > 11 || tm.tm_mon < 0 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 ||
	    tm.tm_sec > 61 || (t = mktime(&tm)) == (time_t)-1)
		errx(1, "out of range or illegal time specification: [[CC]YY]MMDDhhmm[.SS]");
	return t;
}

/* YYYY-MM-DDThh:mm:ss[.frac][Z] */
static struct timespec
parse_d(const char *s)
{
	struct timespec ts = { 0, 0 };
	struct tm tm = { .tm_isdst = -1 };
	const char *p = strptime(s, strchr(s, 'T') != NULL ? "%Y-%m-%dT%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &tm);
	long scale = 100000000;

	if (p != NULL && (*p == '.' || *p == ','))
		for (p++; isdigit((unsigned char)*p); p++, scale /= 10)
			ts.tv_nsec += (*p - '0') * scale;
	if (p == NULL || !(*p == '\0' || (*p == 'Z' && p[1] == '\0')))
		errx(1, "out of range or illegal time specification: YYYY-MM-DDThh:mm:SS[.frac][tz]");
	ts.tv_sec = *p == 'Z' ? timegm(&tm) : mktime(&tm);
	return ts;
}

int
touch_main(int argc, char **argv)
{
	static const char text[] = "touch [-achm] [-r file] [-t [[CC]YY]MMDDhhmm[.SS]] [-d YYYY-MM-DDThh:mm:SS[.frac][tz]] file ...";
	bool aflag = false, cflag = false, hflag = false, mflag = false;
	struct timespec ts[2] = { { 0, UTIME_NOW }, { 0, UTIME_NOW } };
	struct stat st;
	int ch, rc = 0;

	while ((ch = getopt(argc, argv, "acd:fhmr:t:")) != -1) {
		switch (ch) {
		case 'a': aflag = true; break;
		case 'c': cflag = true; break;
		case 'd': ts[0] = ts[1] = parse_d(optarg); break;
		case 'f': break;
		case 'h': hflag = cflag = true; break;
		case 'm': mflag = true; break;
		case 'r':
			if (stat(optarg, &st) != 0)
				err(1, "%s", optarg);
			ts[0] = st.st_atim;
			ts[1] = st.st_mtim;
			break;
		case 't':
			ts[0].tv_sec = ts[1].tv_sec = parse_t(optarg);
			ts[0].tv_nsec = ts[1].tv_nsec = 0;
			break;
		default: usage(1, text);
		}
	}
	if (optind == argc)
		usage(1, text);
	if (aflag && !mflag)
		ts[1].tv_nsec = UTIME_OMIT;
	if (mflag && !aflag)
		ts[0].tv_nsec = UTIME_OMIT;
	for (int i = optind; i < argc; i++) {
		int fd, flag = hflag ? AT_SYMLINK_NOFOLLOW : 0;

		if (utimensat(AT_FDCWD, argv[i], ts, flag) == 0)
			continue;
		if (errno == ENOENT && cflag)
			continue;
		if (errno != ENOENT || (fd = open(argv[i], O_WRONLY | O_CREAT, 0666)) < 0) {
			warn("%s", argv[i]);
			rc = 1;
			continue;
		}
		if (futimens(fd, ts) != 0) {
			warn("%s", argv[i]);
			rc = 1;
		}
		close(fd);
	}
	return rc;
}
