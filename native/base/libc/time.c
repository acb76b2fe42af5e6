/*
 * Calendar time: gmtime, localtime (TZ environment, or /etc/localtime), mktime.
 *
 * A zone is a list of transitions from a TZif file (64-bit part of version 2 and up, else the 32-bit one) and a rule
 * for the time after the last of them: a POSIX TZ string such as CET-1CEST,M3.5.0,M10.5.0/3.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "libc_private.h"

#define DAY 86400L
#define ZONEDIR "/usr/share/zoneinfo/"

char *tzname[2] = { (char *)(uintptr_t)"UTC", (char *)(uintptr_t)"UTC" };
long timezone;
int daylight;

/* One end of the summer time: Mm.w.d, Jn or n, at a second of the day. */
struct rule {
	char kind; /* 'M', 'J' (1..365, no leap day), 'N' (0..365) */
	int month, week, day;
	long at;
};
struct zone_type {
	long off;
	int dst;
	char *name;
};
static struct zone {
	int ntrans, ntypes;
	int64_t *trans;
	unsigned char *which;
	struct zone_type *types;
	char *names;
	int has_rule;  /* std/dst below hold from the last transition on */
	struct zone_type std, dst;
	struct rule start, end;
	char stdname[16], dstname[16];
} zone;
static char *loaded; /* value of TZ that is loaded, NULL before the first time */

/* Days from 1970-01-01 to a civil date (month 1..12). Years are shifted so that March comes first. */
static int64_t
days_from_civil(int64_t y, int m, int d)
{
	int64_t era, yoe, doy;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = y - era * 400;
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return (era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468);
}

static int
leap(int64_t y)
{
	return (y % 4 == 0 && (y % 100 != 0 || y % 400 == 0));
}

static struct tm *
broken_down(int64_t t, struct tm *tm)
{
	static const short before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };
	int64_t days = t / DAY, rest = t % DAY, z, era, doe, yoe, doy, y;
	int m;

	if (rest < 0) {
		rest += DAY;
		days--;
	}
	z = days + 719468;
	era = (z >= 0 ? z : z - 146096) / 146097;
	doe = z - era * 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	m = (int)((5 * doy + 2) / 153);
	tm->tm_mday = (int)(doy - (153 * m + 2) / 5) + 1;
	m = m < 10 ? m + 3 : m - 9;
	y = yoe + era * 400 + (m <= 2);
	if (y - 1900 > INT_MAX || y - 1900 < INT_MIN) {
		errno = EOVERFLOW;
		return (NULL);
	}
	tm->tm_year = (int)(y - 1900);
	tm->tm_mon = m - 1;
	tm->tm_yday = before[m - 1] + tm->tm_mday - 1 + (m > 2 && leap(y));
	tm->tm_wday = (int)((days % 7 + 11) % 7);
	tm->tm_hour = (int)(rest / 3600);
	tm->tm_min = (int)(rest % 3600 / 60);
	tm->tm_sec = (int)(rest % 60);
	return (tm);
}

struct tm *
gmtime_r(const time_t *t, struct tm *tm)
{
	tm->tm_isdst = 0;
	tm->tm_gmtoff = 0;
	tm->tm_zone = (char *)(uintptr_t)"UTC";
	return (broken_down(*t, tm));
}

struct tm *
gmtime(const time_t *t)
{
	static struct tm tm;

	return (gmtime_r(t, &tm));
}

/* POSIX TZ strings. Each parser advances *s and returns 0 if the text is not one. */
static int
parse_name(const char **s, char out[16])
{
	const char *p = *s;
	size_t n = 0;

	if (*p == '<') {
		for (p++; *p != '>' && *p != '\0'; p++)
			if (n < 15)
				out[n++] = *p;
		if (*p++ != '>')
			return (0);
	} else
		for (; isalpha((unsigned char)*p); p++)
			if (n < 15)
				out[n++] = *p;
	out[n] = '\0';
	*s = p;
	return (n >= 3);
}

static int
parse_time(const char **s, long *out)
{
	const char *p = *s;
	long sign = 1, v = 0, unit = 3600;

	if (*p == '-' || *p == '+')
		sign = *p++ == '-' ? -1 : 1;
	if (!isdigit((unsigned char)*p))
		return (0);
	for (; unit > 0; unit /= 60) {
		v += strtol(p, (char **)(uintptr_t)&p, 10) * unit;
		if (*p != ':' || !isdigit((unsigned char)p[1]))
			break;
		p++;
	}
	*out = sign * v;
	*s = p;
	return (1);
}

static int
parse_rule(const char **s, struct rule *r)
{
	const char *p = *s;

	if (*p++ != ',')
		return (0);
	r->kind = *p == 'M' || *p == 'J' ? *p++ : 'N';
	if (!isdigit((unsigned char)*p))
		return (0);
	r->day = (int)strtol(p, (char **)(uintptr_t)&p, 10);
	if (r->kind == 'M') {
		r->month = r->day;
		if (*p++ != '.')
			return (0);
		r->week = (int)strtol(p, (char **)(uintptr_t)&p, 10);
		if (*p++ != '.')
			return (0);
		r->day = (int)strtol(p, (char **)(uintptr_t)&p, 10);
		if (r->month < 1 || r->month > 12 || r->week < 1 || r->week > 5 || r->day > 6)
			return (0);
	}
	r->at = 7200;
	if (*p == '/') {
		p++;
		if (!parse_time(&p, &r->at))
			return (0);
	}
	*s = p;
	return (1);
}

static int
parse_posix(const char *s)
{
	long off;

	zone.has_rule = 0;
	if (!parse_name(&s, zone.stdname) || !parse_time(&s, &off))
		return (0);
	zone.std = (struct zone_type){ -off, 0, zone.stdname };
	zone.dst.name = NULL;
	if (*s != '\0') {
		if (!parse_name(&s, zone.dstname))
			return (0);
		zone.dst = (struct zone_type){ -off + 3600, 1, zone.dstname };
		if (*s != ',' && *s != '\0') {
			if (!parse_time(&s, &off))
				return (0);
			zone.dst.off = -off;
		}
		if (*s == '\0') {
			zone.start = (struct rule){ 'M', 3, 2, 0, 7200 };
			zone.end = (struct rule){ 'M', 11, 1, 0, 7200 };
		} else if (!parse_rule(&s, &zone.start) || !parse_rule(&s, &zone.end))
			return (0);
	}
	zone.has_rule = 1;
	return (*s == '\0');
}

/* Seconds from the start of the year (local wall clock) at which a rule applies. */
static int64_t
rule_second(const struct rule *r, int64_t year)
{
	int64_t jan1 = days_from_civil(year, 1, 1), day;
	int wday;

	switch (r->kind) {
	case 'J':
		day = r->day - 1 + (leap(year) && r->day >= 60);
		break;
	case 'N':
		day = r->day;
		break;
	default:
		day = days_from_civil(year, r->month, 1);
		wday = (int)((day % 7 + 11) % 7);
		day += (r->day - wday + 7) % 7 + (r->week - 1) * 7;
		{
			int64_t next = r->month == 12 ? days_from_civil(year + 1, 1, 1) :
			    days_from_civil(year, r->month + 1, 1);

			while (day >= next)
				day -= 7;
		}
		day -= jan1;
	}
	return ((jan1 + day) * DAY + r->at);
}

static const struct zone_type *
by_rule(int64_t t)
{
	struct tm tm;
	int64_t year, start, end;

	if (zone.dst.name == NULL || broken_down(t + zone.std.off, &tm) == NULL)
		return (&zone.std);
	year = tm.tm_year + 1900L;
	start = rule_second(&zone.start, year) - zone.std.off;
	end = rule_second(&zone.end, year) - zone.dst.off;
	if (start < end ? t >= start && t < end : t >= start || t < end)
		return (&zone.dst);
	return (&zone.std);
}

static int64_t
be(const unsigned char *p, int n)
{
	int64_t v = (signed char)p[0];

	for (int i = 1; i < n; i++)
		v = v * 256 + p[i];
	return (v);
}

static void
forget(void)
{
	free(zone.trans);
	free(zone.which);
	free(zone.types);
	free(zone.names);
	memset(&zone, 0, sizeof(zone));
}

/* Read one data block of a TZif file whose header is at p; returns the byte after it, or NULL. */
static const unsigned char *
tzif_block(const unsigned char *p, const unsigned char *end, int width, int keep)
{
	int64_t n[6], size;
	const unsigned char *q;

	if (end - p < 44 || memcmp(p, "TZif", 4) != 0)
		return (NULL);
	for (int i = 0; i < 6; i++) {
		n[i] = be(p + 20 + 4 * i, 4); /* isut, isstd, leap, time, type, char */
		if (n[i] < 0 || n[i] > 65536)
			return (NULL);
	}
	p += 44;
	size = n[3] * width + n[3] + n[4] * 6 + n[5] + n[2] * (width + 4) + n[1] + n[0];
	if (end - p < size)
		return (NULL);
	if (keep && n[4] > 0) {
		forget();
		zone.trans = malloc((size_t)n[3] * sizeof(*zone.trans) + 1);
		zone.which = malloc((size_t)n[3] + 1);
		zone.types = malloc((size_t)n[4] * sizeof(*zone.types));
		zone.names = malloc((size_t)n[5] + 1);
		if (zone.trans == NULL || zone.which == NULL || zone.types == NULL || zone.names == NULL) {
			forget();
			return (NULL);
		}
		q = p;
		for (int i = 0; i < n[3]; i++, q += width)
			zone.trans[i] = be(q, width);
		for (int i = 0; i < n[3]; i++, q++)
			zone.which[i] = *q < n[4] ? *q : 0;
		memcpy(zone.names, q + n[4] * 6, (size_t)n[5]);
		zone.names[n[5]] = '\0';
		for (int i = 0; i < n[4]; i++, q += 6) {
			zone.types[i].off = be(q, 4);
			zone.types[i].dst = q[4];
			zone.types[i].name = zone.names + (q[5] < n[5] ? q[5] : 0);
		}
		zone.ntrans = (int)n[3];
		zone.ntypes = (int)n[4];
	}
	return (p + size);
}

static int
load_file(const char *path)
{
	static const int max = 256 * 1024;
	unsigned char *buf;
	const unsigned char *p, *end;
	struct stat st;
	char footer[128];
	int fd = open(path, O_RDONLY | O_CLOEXEC), ok = 0;
	ssize_t n;

	if (fd < 0)
		return (0);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > max || (buf = malloc((size_t)st.st_size + 1)) == NULL) {
		close(fd);
		return (0);
	}
	n = read(fd, buf, (size_t)st.st_size);
	close(fd);
	end = buf + (n > 0 ? n : 0);
	if (end - buf > 44) {
		if (buf[4] >= '2') {
			if ((p = tzif_block(buf, end, 4, 0)) != NULL && (p = tzif_block(p, end, 8, 1)) != NULL) {
				ok = zone.ntypes > 0;
				if (end - p > 2 && *p == '\n') {
					size_t len = 0;

					for (p++; p < end && *p != '\n' && len < sizeof(footer) - 1; p++)
						footer[len++] = (char)*p;
					footer[len] = '\0';
					if (len > 0 && !parse_posix(footer))
						zone.has_rule = 0;
				}
			}
		} else
			ok = tzif_block(buf, end, 4, 1) != NULL && zone.ntypes > 0;
	}
	free(buf);
	return (ok);
}

static const struct zone_type *
type_at(int64_t t)
{
	static struct zone_type utc;
	int lo = 0, hi = zone.ntrans;

	if (zone.ntypes == 0 && !zone.has_rule) {
		utc.name = (char *)(uintptr_t)"UTC";
		return (&utc);
	}
	if (zone.ntypes == 0 || (zone.has_rule && (zone.ntrans == 0 || t >= zone.trans[zone.ntrans - 1])))
		return (by_rule(t));
	if (zone.ntrans == 0 || t < zone.trans[0]) {
		/* Before the first transition: the first standard time. */
		for (int i = 0; i < zone.ntypes; i++)
			if (!zone.types[i].dst)
				return (&zone.types[i]);
		return (&zone.types[0]);
	}
	while (hi - lo > 1) {
		int mid = (lo + hi) / 2;

		if (zone.trans[mid] <= t)
			lo = mid;
		else
			hi = mid;
	}
	return (&zone.types[zone.which[lo]]);
}

void
tzset(void)
{
	const char *tz = getenv("TZ"), *want = tz != NULL ? tz : "/etc/localtime";
	char path[PATH_MAX];
	int ok;

	if (loaded != NULL && strcmp(loaded, want) == 0)
		return;
	free(loaded);
	loaded = strdup(want);
	forget();
	if (*want == ':')
		want++;
	if (*want == '/')
		ok = load_file(want);
	else {
		ok = 0;
		if (*want != '\0' && strstr(want, "..") == NULL &&
		    snprintf(path, sizeof(path), ZONEDIR "%s", want) < (int)sizeof(path))
			ok = load_file(path);
		if (!ok && *want != '\0') {
			forget();
			ok = parse_posix(want);
		}
	}
	if (!ok)
		forget();
	tzname[0] = tzname[1] = (char *)(uintptr_t)"UTC";
	timezone = 0;
	daylight = 0;
	if (zone.has_rule) {
		tzname[0] = tzname[1] = zone.std.name;
		timezone = -zone.std.off;
		if (zone.dst.name != NULL) {
			tzname[1] = zone.dst.name;
			daylight = 1;
		}
	} else
		for (int i = 0; i < zone.ntypes; i++) {
			tzname[zone.types[i].dst ? 1 : 0] = zone.types[i].name;
			if (zone.types[i].dst)
				daylight = 1;
			else
				timezone = -zone.types[i].off;
		}
}

struct tm *
localtime_r(const time_t *t, struct tm *tm)
{
	const struct zone_type *ty;

	tzset();
	ty = type_at(*t);
	tm->tm_isdst = ty->dst;
	tm->tm_gmtoff = ty->off;
	tm->tm_zone = ty->name;
	return (broken_down(*t + ty->off, tm));
}

struct tm *
localtime(const time_t *t)
{
	static struct tm tm;

	return (localtime_r(t, &tm));
}

static int64_t
seconds(const struct tm *tm)
{
	int64_t year = tm->tm_year + 1900L + tm->tm_mon / 12;
	int mon = tm->tm_mon % 12;

	if (mon < 0) {
		mon += 12;
		year--;
	}
	return ((days_from_civil(year, mon + 1, 1) + tm->tm_mday - 1) * DAY + tm->tm_hour * 3600L + tm->tm_min * 60L +
	    tm->tm_sec);
}

time_t
timegm(struct tm *tm)
{
	time_t t = seconds(tm);

	return (gmtime_r(&t, tm) == NULL ? -1 : t);
}

/*
 * The offset depends on the result: try the offset in force around the wanted wall clock, and take a fixed
 * point that agrees with tm_isdst. In the hour that does not exist we go by the offset before it.
 */
time_t
mktime(struct tm *tm)
{
	int64_t wall = seconds(tm), best = 0;
	int found = 0;
	time_t t;

	tzset();
	for (int pass = 0; pass < 2 && !found; pass++)
		for (int k = 0; k < 3; k++) {
			/* Offsets a day before, at, and a day after the wall time cover any transition near it. */
			const struct zone_type *guess = type_at(wall + (k == 0 ? 0 : k == 1 ? -DAY : DAY) -
			    type_at(wall)->off);
			int64_t try = wall - guess->off;
			const struct zone_type *ty = type_at(try);

			if (ty->off == guess->off && (pass == 1 || tm->tm_isdst < 0 || (tm->tm_isdst > 0) == (ty->dst != 0))) {
				best = try;
				found = 1;
				/* Asked for the other half of an ambiguous hour: keep looking only on a mismatch. */
				if (pass == 1 && tm->tm_isdst >= 0 && (tm->tm_isdst > 0) != (ty->dst != 0)) {
					/* The caller's clock differs by the usual hour. */
					long diff = 0;

					for (int i = -1; i <= 1 && diff == 0; i++) {
						const struct zone_type *o = type_at(try + i * 183 * DAY);

						if ((o->dst != 0) == (tm->tm_isdst > 0))
							diff = ty->off - o->off;
					}
					best = try + diff;
				}
				break;
			}
		}
	if (!found)
		best = wall - type_at(wall - type_at(wall)->off - DAY)->off;
	t = best;
	return (localtime_r(&t, tm) == NULL ? -1 : t);
}

time_t
timelocal(struct tm *tm)
{
	return (mktime(tm));
}

double
difftime(time_t a, time_t b)
{
	return ((double)(a - b));
}

char *
asctime_r(const struct tm *tm, char *buf)
{
	static const char wdays[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	char text[64];

	snprintf(text, sizeof(text), "%.3s %.3s%3d %.2d:%.2d:%.2d %d\n",
	    tm->tm_wday < 0 || tm->tm_wday > 6 ? "???" : wdays + 3 * tm->tm_wday,
	    tm->tm_mon < 0 || tm->tm_mon > 11 ? "???" : months + 3 * tm->tm_mon, tm->tm_mday, tm->tm_hour, tm->tm_min,
	    tm->tm_sec, tm->tm_year + 1900);
	strlcpy(buf, text, 26);
	return (buf);
}

char *
asctime(const struct tm *tm)
{
	static char buf[32];

	return (asctime_r(tm, buf));
}

char *
ctime_r(const time_t *t, char *buf)
{
	struct tm tm;

	return (localtime_r(t, &tm) == NULL ? NULL : asctime_r(&tm, buf));
}

char *
ctime(const time_t *t)
{
	struct tm *tm = localtime(t);

	return (tm == NULL ? NULL : asctime(tm));
}
