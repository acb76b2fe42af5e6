/*
 * printf format [argument ...]: formatted output. Counterpart: usr.bin/printf.
 */
#include "util.h"

static char **av;
static int status;
static bool stop;

static const char *
next(void)
{
	return *av != NULL ? *av++ : NULL;
}

/* Writes one escape after its backslash; returns where to go on. In %b octal may have a leading 0 more, and \c stops. */
static const char *
escape(const char *p, bool in_b)
{
	static const char names[] = "\\abfnrtv\"'", values[] = "\\\a\b\f\n\r\t\v\"'";
	const char *e;

	if (in_b && *p == 'c') {
		stop = true;
		return p + 1;
	}
	if (*p >= '0' && *p <= '7') {
		int v = 0, n = in_b && *p == '0' ? 4 : 3;

		for (; n > 0 && *p >= '0' && *p <= '7'; n--)
			v = v * 8 + (*p++ - '0');
		putchar(v);
		return p;
	}
	if (*p != '\0' && (e = strchr(names, *p)) != NULL) {
		putchar(values[e - names]);
		return p + 1;
	}
	putchar('\\');
	if (*p != '\0')
		putchar(*p++);
	return p;
}

static void
check(const char *s, const char *end)
{
	if (end == s) {
		warnx("%s: expected numeric value", s);
		status = 1;
	} else if (*end != '\0') {
		warnx("%s: not completely converted", s);
		status = 1;
	} else if (errno == ERANGE) {
		warn("%s", s);
		status = 1;
	}
}

#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static const char *
conversion(const char *p)
{
	char spec[64];
	size_t n = 0;
	int width = 0, prec = -1;
	const char *s;
	char *end;

	spec[n++] = '%';
	while (*p != '\0' && strchr("#+-0 ", *p) != NULL && n < 8)
		spec[n++] = *p++;
	if (*p == '*') {
		p++;
		if ((s = next()) != NULL)
			width = atoi(s);
	} else
		width = (int)strtol(p, (char **)&p, 10);
	if (*p == '.') {
		if (*++p == '*') {
			p++;
			if ((s = next()) != NULL)
				prec = atoi(s);
		} else
			prec = isdigit((unsigned char)*p) ? (int)strtol(p, (char **)&p, 10) : 0;
	}
	strcpy(spec + n, "*.*");
	n += 3;
	switch (*p) {
	case 'c':
		spec[n - 2] = 'c';
		spec[n - 1] = '\0';
		s = next();
		if (s != NULL && *s != '\0')
			printf(spec, width, *s);
		return p + 1;
	case 's':
		spec[n] = 's';
		spec[n + 1] = '\0';
		s = next();
		printf(spec, width, prec, s != NULL ? s : "");
		return p + 1;
	case 'b':
		s = next();
		while (s != NULL && *s != '\0' && !stop) {
			if (*s == '\\')
				s = escape(s + 1, true);
			else
				putchar(*s++);
		}
		return p + 1;
	case 'd': case 'i': case 'o': case 'u': case 'x': case 'X': {
		unsigned long long v = 0;

		strcpy(spec + n, "ll");
		spec[n + 2] = *p;
		spec[n + 3] = '\0';
		if ((s = next()) != NULL) {
			if (*s == '"' || *s == '\'')
				v = (unsigned char)s[1];
			else {
				errno = 0;
				v = *p == 'd' || *p == 'i' || *s == '-' ? (unsigned long long)strtoll(s, &end, 0) : strtoull(s, &end, 0);
				check(s, end);
			}
		}
		printf(spec, width, prec, v);
		return p + 1;
	}
	case 'e': case 'E': case 'f': case 'F': case 'g': case 'G': case 'a': case 'A': {
		double v = 0;

		spec[n] = *p;
		spec[n + 1] = '\0';
		if ((s = next()) != NULL) {
			if (*s == '"' || *s == '\'')
				v = (unsigned char)s[1];
			else {
				errno = 0;
				v = strtod(s, &end);
				check(s, end);
			}
		}
		printf(spec, width, prec, v);
		return p + 1;
	}
	default:
		errx(1, "missing format character");
	}
}

int
printf_main(int argc, char **argv)
{
	const char *format;

	if (argc > 1 && strcmp(argv[1], "--") == 0)
		argv++;
	if (argc < 2 || (format = argv[1]) == NULL)
		usage(1, "printf format [arguments ...]");
	av = argv + 2;
	/* The format is used again as long as there are arguments that it takes. */
	for (;;) {
		char **before = av;

		for (const char *p = format; *p != '\0' && !stop;) {
			if (*p == '\\')
				p = escape(p + 1, false);
			else if (*p != '%')
				putchar(*p++);
			else if (*++p == '%') {
				putchar('%');
				p++;
			} else
				p = conversion(p);
		}
		if (stop || *av == NULL || av == before)
			return finish(status);
	}
}
