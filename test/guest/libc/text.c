/* Formatting and parsing: vectors whose answers the standard fixes. */
#include <fnmatch.h>
#include <regex.h>
#include <stdlib.h>
#include <time.h>

#include "check.h"

static void
fmt(const char *want, const char *format, double v)
{
	char buf[512];

	snprintf(buf, sizeof(buf), format, v);
	is_text(buf, want, format);
}

static void
match(const char *re, const char *text, int flags, const char *want)
{
	char got[200] = "no match";
	regmatch_t m[4];
	regex_t r;
	size_t n = 0;

	if (regcomp(&r, re, flags) != 0)
		strcpy(got, "bad");
	else {
		if (regexec(&r, text, 4, m, 0) == 0)
			for (size_t i = 0; i <= r.re_nsub && i < 4; i++)
				n += (size_t)snprintf(got + n, sizeof(got) - n, "(%d,%d)", (int)m[i].rm_so, (int)m[i].rm_eo);
		regfree(&r);
	}
	is_text(got, want, re);
}

int
main(void)
{
	char buf[200], *end;
	struct tm tm;
	time_t t;
	volatile size_t room = 4;
	int a, b;

	fmt("0.1", "%g", 0.1);
	fmt("1e+100", "%g", 1e100);
	fmt("0.30000000000000004", "%.17g", 0.1 + 0.2);
	fmt("2", "%.0f", 2.5);
	fmt("4", "%.0f", 3.5);
	fmt("  -1.50", "%7.2f", -1.5);
	fmt("4.9406564584124654e-324", "%.16e", 4.9406564584124654e-324);
	fmt("1.7976931348623157e+308", "%.16e", 1.7976931348623157e308);
	fmt("99999999999999991611392.0", "%.1f", 1e23);
	fmt("inf", "%f", 1e308 * 10);
	snprintf(buf, sizeof(buf), "[%5s|%-5s|%.2s|%05d|%+d|%#x|%*d]", "ab", "cd", "efg", 42, 7, 255, 4, 9);
	is_text(buf, "[   ab|cd   |ef|00042|+7|0xff|   9]", "printf flags and widths");
	snprintf(buf, sizeof(buf), "%2$s %1$*3$d %2$s", 5, "x", 3);
	is_text(buf, "x   5 x", "printf positions");
	snprintf(buf, sizeof(buf), "%lld %zu %hhd %jx", -5000000000LL, (size_t)7, 257, (uintmax_t)48879);
	is_text(buf, "-5000000000 7 1 beef", "printf sizes");
	ok(snprintf(buf, room, "%s", "abcdef") == 6 && strcmp(buf, "abc") == 0, "snprintf truncates and counts");

	ok(strtod("2.2250738585072011e-308", NULL) == 0x1.ffffffffffffep-1023, "strtod near the subnormals");
	ok(strtod("9007199254740993", NULL) == 9007199254740992.0, "strtod rounds half to even");
	ok(strtod("9007199254740993.00000000000000000000001", NULL) == 9007199254740994.0, "and looks at every digit");
	ok(strtod("0x1.8p1z", &end) == 3 && *end == 'z', "strtod reads hexadecimal");
	ok(strtol("-0x1f", NULL, 0) == -31 && strtol("077", NULL, 0) == 63, "strtol finds the base");
	ok(sscanf("7 abc 2.5", "%d %*s %n%*f", &a, &b) == 1 && a == 7 && b == 6, "sscanf skips and counts");

	match("(a|ab)(c|bcd)(d*)", "abcd", REG_EXTENDED, "(0,4)(0,2)(2,3)(3,4)");
	match("x*", "xxx", 0, "(0,3)");
	match("^ *(.*)$", "  a b", REG_EXTENDED, "(0,5)(2,5)");
	match("\\(.\\)\\1", "abccd", 0, "(2,4)(2,3)");
	match("[[:digit:]]{2,3}", "a12345", REG_EXTENDED, "(1,4)");
	match("a\\{2\\}b", "aaab", 0, "(1,4)");
	match("A.C", "abc", REG_ICASE, "(0,3)");
	match("(", "x", REG_EXTENDED, "bad");
	match("(x+x+)+y", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", REG_EXTENDED, "no match");
	ok(fnmatch("*.[ch]", "foo.c", 0) == 0 && fnmatch("*", ".x", FNM_PERIOD) != 0 &&
	    fnmatch("a*b", "a/b", FNM_PATHNAME) != 0, "fnmatch");

	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	t = 1711846800; /* 2024-03-31 01:00:00 UTC */
	strftime(buf, sizeof(buf), "%F %T %Z %z", localtime(&t));
	is_text(buf, "2024-03-31 03:00:00 CEST +0200", "summer time begins");
	t--;
	strftime(buf, sizeof(buf), "%F %T %Z %j %V %u", localtime(&t));
	is_text(buf, "2024-03-31 01:59:59 CET 091 13 7", "one second before");
	memset(&tm, 0, sizeof(tm));
	ok(strptime("2024-02-29 12:30:00", "%Y-%m-%d %T", &tm) != NULL && tm.tm_wday == 4 && tm.tm_yday == 59,
	    "strptime completes the date");
	tm.tm_isdst = -1;
	ok(mktime(&tm) == 1709206200, "mktime of a local time");
	return (finish());
}
