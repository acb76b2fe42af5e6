/* strftime(3) and strptime(3), C locale. */
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static const char *const wdays[] = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday" };
static const char *const months[] = { "January", "February", "March", "April", "May", "June", "July", "August",
	"September", "October", "November", "December" };

/* ISO 8601 week number; *year gets the year it belongs to. */
static int
iso_week(const struct tm *tm, int *year)
{
	int wday = (tm->tm_wday + 6) % 7; /* Monday 0 */
	int week = (tm->tm_yday - wday + 10) / 7;
	int y = tm->tm_year + 1900, leap;

	if (week < 1) {
		y--;
		leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
		week = (tm->tm_yday + 365 + leap - wday + 10) / 7;
	} else if (week == 53) {
		leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
		if (tm->tm_yday - wday + 3 >= 365 + leap) {
			week = 1;
			y++;
		}
	}
	*year = y;
	return (week);
}

size_t
strftime(char *__restrict out, size_t size, const char *__restrict fmt, const struct tm *__restrict tm)
{
	size_t n = 0;

	for (; *fmt != '\0'; fmt++) {
		char buf[128];
		const char *text = buf, *numfmt;
		int v, y, padding = 0;
		size_t len;

		if (*fmt != '%') {
			if (n + 1 >= size)
				return (0);
			out[n++] = *fmt;
			continue;
		}
		fmt++;
		if (*fmt == '-' || *fmt == '_' || *fmt == '0')
			padding = *fmt++;
		while (*fmt == 'E' || *fmt == 'O' || *fmt == '+')
			fmt++;
		v = 0;
		numfmt = padding == '-' ? "%d" : padding == '_' ? "%2d" : "%02d";
		switch (*fmt) {
		case 'a':
		case 'A':
			text = tm->tm_wday < 0 || tm->tm_wday > 6 ? "?" : wdays[tm->tm_wday];
			if (*fmt == 'a') {
				snprintf(buf, sizeof(buf), "%.3s", text);
				text = buf;
			}
			break;
		case 'b':
		case 'B':
		case 'h':
			text = tm->tm_mon < 0 || tm->tm_mon > 11 ? "?" : months[tm->tm_mon];
			if (*fmt != 'B') {
				snprintf(buf, sizeof(buf), "%.3s", text);
				text = buf;
			}
			break;
		case 'c':
			strftime(buf, sizeof(buf), "%a %b %e %H:%M:%S %Y", tm);
			break;
		case 'D':
		case 'x':
			strftime(buf, sizeof(buf), "%m/%d/%y", tm);
			break;
		case 'F':
			strftime(buf, sizeof(buf), "%Y-%m-%d", tm);
			break;
		case 'R':
			strftime(buf, sizeof(buf), "%H:%M", tm);
			break;
		case 'r':
			strftime(buf, sizeof(buf), "%I:%M:%S %p", tm);
			break;
		case 'T':
		case 'X':
			strftime(buf, sizeof(buf), "%H:%M:%S", tm);
			break;
		case 'v':
			strftime(buf, sizeof(buf), "%e-%b-%Y", tm);
			break;
		case 'C':
			v = (tm->tm_year + 1900) / 100;
			goto number;
		case 'd':
			v = tm->tm_mday;
			goto number;
		case 'e':
			v = tm->tm_mday;
			if (padding == 0)
				numfmt = "%2d";
			goto number;
		case 'H':
			v = tm->tm_hour;
			goto number;
		case 'I':
			v = tm->tm_hour % 12 == 0 ? 12 : tm->tm_hour % 12;
			goto number;
		case 'k':
			v = tm->tm_hour;
			if (padding == 0)
				numfmt = "%2d";
			goto number;
		case 'l':
			v = tm->tm_hour % 12 == 0 ? 12 : tm->tm_hour % 12;
			if (padding == 0)
				numfmt = "%2d";
			goto number;
		case 'M':
			v = tm->tm_min;
			goto number;
		case 'm':
			v = tm->tm_mon + 1;
			goto number;
		case 'S':
			v = tm->tm_sec;
			goto number;
		case 'U':
			v = (tm->tm_yday + 7 - tm->tm_wday) / 7;
			goto number;
		case 'W':
			v = (tm->tm_yday + 7 - (tm->tm_wday + 6) % 7) / 7;
			goto number;
		case 'V':
			v = iso_week(tm, &y);
			goto number;
		case 'g':
			iso_week(tm, &y);
			v = y % 100;
			goto number;
		case 'y':
			v = (tm->tm_year % 100 + 100) % 100;
			goto number;
		number:
			snprintf(buf, sizeof(buf), numfmt, v);
			break;
		case 'G':
			iso_week(tm, &y);
			snprintf(buf, sizeof(buf), "%d", y);
			break;
		case 'Y':
			snprintf(buf, sizeof(buf), "%ld", tm->tm_year + 1900L);
			break;
		case 'j':
			snprintf(buf, sizeof(buf), padding == '-' ? "%d" : padding == '_' ? "%3d" : "%03d", tm->tm_yday + 1);
			break;
		case 'u':
			snprintf(buf, sizeof(buf), "%d", tm->tm_wday == 0 ? 7 : tm->tm_wday);
			break;
		case 'w':
			snprintf(buf, sizeof(buf), "%d", tm->tm_wday);
			break;
		case 'p':
			text = tm->tm_hour < 12 ? "AM" : "PM";
			break;
		case 'n':
			text = "\n";
			break;
		case 't':
			text = "\t";
			break;
		case 's': {
			struct tm copy = *tm;

			snprintf(buf, sizeof(buf), "%ld", mktime(&copy));
			break;
		}
		case 'Z':
			text = tm->tm_zone != NULL ? tm->tm_zone : "";
			break;
		case 'z': {
			long off = tm->tm_gmtoff / 60;

			snprintf(buf, sizeof(buf), "%c%02ld%02ld", off < 0 ? '-' : '+', labs(off) / 60, labs(off) % 60);
			break;
		}
		case '\0':
			fmt--;
			text = "%";
			break;
		default:
			buf[0] = *fmt;
			buf[1] = '\0';
		}
		len = strlen(text);
		if (n + len >= size)
			return (0);
		memcpy(out + n, text, len);
		n += len;
	}
	if (size == 0)
		return (0);
	out[n] = '\0';
	return (n);
}

/* A number of at most `digits` digits within lo..hi. */
static const char *
get(const char *s, int digits, int lo, int hi, int *out)
{
	long v = 0;
	int n = 0, neg = 0;

	while (isspace((unsigned char)*s))
		s++;
	if (*s == '+' || (*s == '-' && lo < 0))
		neg = *s++ == '-';
	for (; n < digits && isdigit((unsigned char)*s); n++)
		v = v * 10 + (*s++ - '0');
	if (neg)
		v = -v;
	if (n == 0 || v < lo || v > hi)
		return (NULL);
	*out = (int)v;
	return (s);
}

static const char *
name(const char *s, const char *const *names, int count, int *out)
{
	for (int i = 0; i < count; i++) {
		size_t n = strlen(names[i]);

		if (strncasecmp(s, names[i], n) == 0) {
			*out = i;
			return (s + n);
		}
	}
	for (int i = 0; i < count; i++)
		if (strncasecmp(s, names[i], 3) == 0) {
			*out = i;
			return (s + 3);
		}
	return (NULL);
}

static char *
parse(const char *s, const char *fmt, struct tm *tm, int *pm, int *century, int *have)
{
	int v;

	for (; *fmt != '\0'; fmt++) {
		if (isspace((unsigned char)*fmt)) {
			while (isspace((unsigned char)*s))
				s++;
			continue;
		}
		if (*fmt != '%') {
			if (*s++ != *fmt)
				return (NULL);
			continue;
		}
		fmt++;
		while (*fmt == 'E' || *fmt == 'O' || *fmt == '-' || *fmt == '_')
			fmt++;
		switch (*fmt) {
		case '%':
			if (*s++ != '%')
				return (NULL);
			break;
		case 'a':
		case 'A':
			s = name(s, wdays, 7, &tm->tm_wday);
			break;
		case 'b':
		case 'B':
		case 'h':
			s = name(s, months, 12, &tm->tm_mon);
			*have |= 1;
			break;
		case 'C':
			s = get(s, 2, 0, 99, century);
			break;
		case 'c':
			s = parse(s, "%a %b %e %H:%M:%S %Y", tm, pm, century, have);
			break;
		case 'D':
		case 'x':
			s = parse(s, "%m/%d/%y", tm, pm, century, have);
			break;
		case 'd':
		case 'e':
			s = get(s, 2, 1, 31, &tm->tm_mday);
			*have |= 2;
			break;
		case 'F':
			s = parse(s, "%Y-%m-%d", tm, pm, century, have);
			break;
		case 'H':
		case 'k':
			s = get(s, 2, 0, 23, &tm->tm_hour);
			break;
		case 'I':
		case 'l':
			s = get(s, 2, 1, 12, &tm->tm_hour);
			tm->tm_hour %= 12;
			break;
		case 'j':
			if ((s = get(s, 3, 1, 366, &v)) != NULL) {
				tm->tm_yday = v - 1;
				*have |= 4;
			}
			break;
		case 'M':
			s = get(s, 2, 0, 59, &tm->tm_min);
			break;
		case 'm':
			if ((s = get(s, 2, 1, 12, &v)) != NULL)
				tm->tm_mon = v - 1;
			*have |= 1;
			break;
		case 'n':
		case 't':
			while (isspace((unsigned char)*s))
				s++;
			break;
		case 'p':
			if (strncasecmp(s, "AM", 2) == 0)
				*pm = 0;
			else if (strncasecmp(s, "PM", 2) == 0)
				*pm = 1;
			else
				return (NULL);
			s += 2;
			break;
		case 'R':
			s = parse(s, "%H:%M", tm, pm, century, have);
			break;
		case 'r':
			s = parse(s, "%I:%M:%S %p", tm, pm, century, have);
			break;
		case 'S':
			s = get(s, 2, 0, 60, &tm->tm_sec);
			break;
		case 's': {
			char *end;
			time_t t = strtol(s, &end, 10);

			if (end == s || localtime_r(&t, tm) == NULL)
				return (NULL);
			s = end;
			*have |= 8 | 16;
			break;
		}
		case 'T':
		case 'X':
			s = parse(s, "%H:%M:%S", tm, pm, century, have);
			break;
		case 'U':
		case 'W':
		case 'V':
			s = get(s, 2, 0, 53, &v);
			break;
		case 'u':
			if ((s = get(s, 1, 1, 7, &v)) != NULL)
				tm->tm_wday = v % 7;
			break;
		case 'w':
			s = get(s, 1, 0, 6, &tm->tm_wday);
			break;
		case 'Y':
			if ((s = get(s, 4, -9999, 9999, &v)) != NULL)
				tm->tm_year = v - 1900;
			*have |= 8;
			break;
		case 'y':
			if ((s = get(s, 2, 0, 99, &v)) != NULL)
				tm->tm_year = v < 69 ? v + 100 : v;
			*have |= 8 | 32;
			break;
		case 'Z':
			if (strncmp(s, "GMT", 3) == 0 || strncmp(s, "UTC", 3) == 0) {
				tm->tm_isdst = 0;
				tm->tm_gmtoff = 0;
				s += 3;
			} else {
				tzset();
				for (v = 0; v < 2; v++)
					if (strncmp(s, tzname[v], strlen(tzname[v])) == 0)
						break;
				if (v == 2)
					return (NULL);
				tm->tm_isdst = v;
				s += strlen(tzname[v]);
			}
			break;
		case 'z': {
			int sign = *s == '-' ? -1 : 1, h, m = 0;

			if (*s == 'Z') {
				s++;
				tm->tm_gmtoff = 0;
				break;
			}
			if (*s != '-' && *s != '+')
				return (NULL);
			if ((s = get(s + 1, 2, 0, 23, &h)) == NULL)
				return (NULL);
			if (*s == ':')
				s++;
			if ((s = get(s, 2, 0, 59, &m)) != NULL)
				tm->tm_gmtoff = sign * (h * 3600L + m * 60);
			break;
		}
		default:
			return (NULL);
		}
		if (s == NULL)
			return (NULL);
	}
	return ((char *)(uintptr_t)s);
}

char *
strptime(const char *__restrict s, const char *__restrict fmt, struct tm *__restrict tm)
{
	int pm = -1, century = -1, have = 0;
	char *end = parse(s, fmt, tm, &pm, &century, &have);

	if (end == NULL)
		return (NULL);
	if (pm == 1)
		tm->tm_hour = tm->tm_hour % 12 + 12;
	else if (pm == 0)
		tm->tm_hour %= 12;
	if (century >= 0) {
		tm->tm_year = century * 100 - 1900 + (have & 32 ? tm->tm_year % 100 : 0);
		have |= 8;
	}
	/* A complete date fixes the days of the week and of the year; a day of the year fixes the date. */
	if (!(have & 16) && (have & 8) && ((have & 3) == 3 || (have & 4))) {
		struct tm date = { .tm_year = tm->tm_year, .tm_mon = tm->tm_mon, .tm_mday = tm->tm_mday };

		if ((have & 3) != 3) {
			date.tm_mon = 0;
			date.tm_mday = tm->tm_yday + 1;
		}
		timegm(&date);
		tm->tm_mon = date.tm_mon;
		tm->tm_mday = date.tm_mday;
		tm->tm_wday = date.tm_wday;
		tm->tm_yday = date.tm_yday;
	}
	return (end);
}
