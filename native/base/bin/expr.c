/*
 * expr expression: evaluate by precedence | & comparison + - * / % : and parentheses. Counterpart: bin/expr.
 * Exit 0: neither null nor 0, 1: null or 0, 2: bad expression.
 */
#include "util.h"

#include <regex.h>

static char **av;

static char *parse_or(void);

static bool
to_int(const char *s, long long *v)
{
	return *s != '\0' && *s != '+' && str_num(s, 10, v);
}

static long long
need_int(const char *s)
{
	long long v;
	const char *p = s + (*s == '-');

	if (to_int(s, &v))
		return v;
	if (*p != '\0' && strspn(p, "0123456789") == strlen(p))
		errx(2, "operand too large: '%s'", s);
	errx(2, "not a decimal number: '%s'", s);
}

static char *
from_int(long long v)
{
	char buf[32];

	snprintf(buf, sizeof(buf), "%lld", v);
	return xstrdup(buf);
}

static bool
is_null(const char *s)
{
	long long v;

	return *s == '\0' || (to_int(s, &v) && v == 0);
}

static bool
take(const char *op)
{
	if (*av == NULL || strcmp(*av, op) != 0)
		return false;
	av++;
	return true;
}

static char *
parse_primary(void)
{
	char *v;

	if (*av == NULL)
		errx(2, "syntax error");
	if (take("(")) {
		v = parse_or();
		if (!take(")"))
			errx(2, "syntax error");
		return v;
	}
	return xstrdup(*av++);
}

static char *
match(const char *s, const char *pattern)
{
	regex_t re;
	regmatch_t m[2];
	char msg[256];
	int e = regcomp(&re, pattern, 0);
	bool hit;

	if (e != 0) {
		regerror(e, &re, msg, sizeof(msg));
		errx(2, "regular expression error: %s", msg);
	}
	/* The pattern is anchored at the start. */
	hit = regexec(&re, s, 2, m, 0) == 0 && m[0].rm_so == 0;
	if (re.re_nsub > 0)
		return hit && m[1].rm_so >= 0 ? xstrndup(s + m[1].rm_so, (size_t)(m[1].rm_eo - m[1].rm_so)) : xstrdup("");
	return from_int(hit ? (long long)m[0].rm_eo : 0);
}

static char *
parse_match(void)
{
	char *v = parse_primary();

	while (take(":"))
		v = match(v, parse_primary());
	return v;
}

static char *
parse_mul(void)
{
	char *v = parse_match();

	for (;;) {
		char op = take("*") ? '*' : take("/") ? '/' : take("%") ? '%' : 0;
		long long a, b, r;

		if (op == 0)
			return v;
		a = need_int(v);
		b = need_int(parse_match());
		if (op != '*' && b == 0)
			errx(2, "division by zero");
		if (op == '*') {
			if (__builtin_mul_overflow(a, b, &r))
				errx(2, "overflow");
		} else if (b == -1) {
			if (op == '/' && a == LLONG_MIN)
				errx(2, "overflow");
			r = op == '/' ? -a : 0;
		} else
			r = op == '/' ? a / b : a % b;
		v = from_int(r);
	}
}

static char *
parse_add(void)
{
	char *v = parse_mul();

	for (;;) {
		char op = take("+") ? '+' : take("-") ? '-' : 0;
		long long a, b, r;

		if (op == 0)
			return v;
		a = need_int(v);
		b = need_int(parse_mul());
		if (op == '+' ? __builtin_add_overflow(a, b, &r) : __builtin_sub_overflow(a, b, &r))
			errx(2, "overflow");
		v = from_int(r);
	}
}

static char *
parse_cmp(void)
{
	static const char *const ops[] = { "=", "==", "!=", "<=", ">=", "<", ">" };
	char *v = parse_add();

	for (;;) {
		size_t op = 0;
		long long x, y;
		char *w;
		int c;

		while (op < NELEM(ops) && !take(ops[op]))
			op++;
		if (op == NELEM(ops))
			return v;
		w = parse_add();
		if (to_int(v, &x) && to_int(w, &y))
			c = x < y ? -1 : x > y;
		else
			c = strcoll(v, w);
		switch (op) {
		case 0:
		case 1: c = c == 0; break;
		case 2: c = c != 0; break;
		case 3: c = c <= 0; break;
		case 4: c = c >= 0; break;
		case 5: c = c < 0; break;
		default: c = c > 0; break;
		}
		v = from_int(c);
	}
}

static char *
parse_and(void)
{
	char *v = parse_cmp();

	while (take("&")) {
		char *w = parse_cmp();

		if (is_null(v) || is_null(w))
			v = xstrdup("0");
	}
	return v;
}

static char *
parse_or(void)
{
	char *v = parse_and();

	while (take("|")) {
		char *w = parse_and();

		if (is_null(v))
			v = *w != '\0' ? w : xstrdup("0");
	}
	return v;
}

int
expr_main(int argc, char **argv)
{
	char *v;

	av = argv + 1;
	if (argc > 1 && strcmp(*av, "--") == 0)
		av++;
	if (*av == NULL)
		usage(2, "expr expression");
	v = parse_or();
	if (*av != NULL)
		errx(2, "syntax error");
	puts(v);
	return finish_err(is_null(v), 2);
}
