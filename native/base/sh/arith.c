/*
 * arith.c: arithmetic expansion (POSIX XCU 2.6.4): the whole C integer expression grammar with
 * assignments, ?:, comma and ++/--, on signed 64-bit integers that wrap.
 *
 * Precedence climbing; `skip` counts how many enclosing operands are not to be evaluated (the other
 * arm of ?:, the right side of a decided && or ||).
 */
#include "sh.h"
#include <ctype.h>
#include <limits.h>
#include <string.h>

struct ar {
	const char *start, *p;
	int skip, depth;
};

static long long comma(struct ar *a);
static long long assignment(struct ar *a);

static _Noreturn void bad(struct ar *a, const char *what)
{
	sh_error("arithmetic expression: %s: \"%s\"", what, a->start);
}

static void blanks(struct ar *a)
{
	while (*a->p == ' ' || *a->p == '\t' || *a->p == '\n' || *a->p == '"')
		a->p++;
}

static bool op(struct ar *a, const char *s)
{
	size_t n = strlen(s);

	blanks(a);
	if (strncmp(a->p, s, n) != 0)
		return false;
	a->p += n;
	return true;
}

/* Decimal, octal (0) or hexadecimal (0x); *end is where it stopped. */
long long arith_number(const char *s, char **end)
{
	unsigned long long v = 0;
	unsigned base = 10;

	if (s[0] == '0') {
		base = 8;
		if ((s[1] == 'x' || s[1] == 'X') && isxdigit((unsigned char)s[2])) {
			base = 16;
			s += 2;
		}
	}
	for (;; s++) {
		unsigned d;

		if (*s >= '0' && *s <= '9')
			d = (unsigned)(*s - '0');
		else if (isxdigit((unsigned char)*s))
			d = (unsigned)(tolower((unsigned char)*s) - 'a' + 10);
		else
			break;
		if (d >= base)
			break;
		v = v * base + d;
	}
	*end = (char *)s;
	return (long long)v;
}

static long long var_number(struct ar *a, const char *name)
{
	const char *s = var_get(name), *t;
	char *end;
	long long v;
	bool neg = false;

	if (s == NULL) {
		if (optv['u'] && !a->skip)
			sh_error("%s: parameter not set", name);
		return 0;
	}
	for (t = s; *t == ' ' || *t == '\t' || *t == '\n'; t++)
		;
	if (*t == '\0')
		return 0;
	if (*t == '-' || *t == '+')
		neg = *t++ == '-';
	v = arith_number(t, &end);
	if (end == t || *end != '\0') { /* an expression of its own */
		struct ar b = { s, s, a->skip, a->depth + 1 };

		if (a->depth > 50)
			bad(a, "recursion too deep");
		v = comma(&b);
		blanks(&b);
		if (*b.p != '\0')
			bad(&b, "syntax error");
		return v;
	}
	return neg ? (long long)(0ULL - (unsigned long long)v) : v;
}

static void assign(struct ar *a, const char *name, long long v)
{
	char buf[32];

	if (!a->skip)
		var_set(name, num_str(buf + sizeof buf, (long)v), 0);
}

static char *identifier(struct ar *a)
{
	size_t n;
	char *s;

	blanks(a);
	n = name_len(a->p);
	if (n == 0)
		return NULL;
	s = tmp_strn(a->p, n);
	a->p += n;
	return s;
}

static long long primary(struct ar *a)
{
	char *name, *end;
	long long v;

	if (op(a, "(")) {
		v = comma(a);
		if (!op(a, ")"))
			bad(a, "missing )");
		return v;
	}
	if ((name = identifier(a)) != NULL) {
		v = var_number(a, name);
		if (op(a, "++"))
			assign(a, name, (long long)((unsigned long long)v + 1));
		else if (op(a, "--"))
			assign(a, name, (long long)((unsigned long long)v - 1));
		return v;
	}
	if (!isdigit((unsigned char)*a->p))
		bad(a, *a->p ? "syntax error" : "operand expected");
	v = arith_number(a->p, &end);
	if (isalnum((unsigned char)*end) || *end == '_')
		bad(a, "bad number");
	a->p = end;
	return v;
}

static long long unary(struct ar *a)
{
	char *name;

	blanks(a);
	if ((a->p[0] == '+' && a->p[1] == '+') || (a->p[0] == '-' && a->p[1] == '-')) {
		const char *save = a->p;
		long long d = *a->p == '+' ? 1 : -1;

		a->p += 2;
		if ((name = identifier(a)) != NULL) {
			long long v = (long long)((unsigned long long)var_number(a, name) + (unsigned long long)d);

			assign(a, name, v);
			return v;
		}
		a->p = save;
	}
	switch (*a->p) {
	case '-':
		a->p++;
		return (long long)(0ULL - (unsigned long long)unary(a));
	case '+':
		a->p++;
		return unary(a);
	case '~':
		a->p++;
		return ~unary(a);
	case '!':
		if (a->p[1] != '=') {
			a->p++;
			return !unary(a);
		}
	}
	return primary(a);
}

struct binop {
	const char *s;
	int prec;
};
static const struct binop binops[] = { /* longer spellings first */
	{ "<<", 8 }, { ">>", 8 }, { "<=", 7 }, { ">=", 7 }, { "==", 6 }, { "!=", 6 }, { "&&", 2 }, { "||", 1 },
	{ "*", 10 }, { "/", 10 }, { "%", 10 }, { "+", 9 }, { "-", 9 }, { "<", 7 }, { ">", 7 }, { "&", 5 },
	{ "^", 4 }, { "|", 3 },
};

static const struct binop *peek_binop(struct ar *a)
{
	size_t i;

	blanks(a);
	for (i = 0; i < sizeof binops / sizeof *binops; i++) {
		size_t n = strlen(binops[i].s);

		if (strncmp(a->p, binops[i].s, n) == 0) {
			/* an assignment operator is not ours */
			if (a->p[n] == '=' && binops[i].prec != 7 && binops[i].prec != 6 && binops[i].prec > 2)
				return NULL;
			return &binops[i];
		}
	}
	return NULL;
}

static long long apply(struct ar *a, const char *o, long long l, long long r)
{
	unsigned long long ul = (unsigned long long)l, ur = (unsigned long long)r;

	switch (o[0]) {
	case '*': return (long long)(ul * ur);
	case '/':
	case '%':
		if (r == 0) {
			if (a->skip)
				return 0;
			bad(a, "division by zero");
		}
		if (l == LLONG_MIN && r == -1)
			return o[0] == '/' ? l : 0;
		return o[0] == '/' ? l / r : l % r;
	case '+': return (long long)(ul + ur);
	case '-': return (long long)(ul - ur);
	case '<':
		if (o[1] == '<')
			return (long long)(ul << (ur & 63));
		return o[1] == '=' ? l <= r : l < r;
	case '>':
		if (o[1] == '>')
			return l >> (ur & 63);
		return o[1] == '=' ? l >= r : l > r;
	case '=': return l == r;
	case '!': return l != r;
	case '&': return l & r;
	case '^': return l ^ r;
	default: return l | r;
	}
}

static long long binary(struct ar *a, int min)
{
	long long l = unary(a);
	const struct binop *o;

	while ((o = peek_binop(a)) != NULL && o->prec >= min) {
		long long r;

		a->p += strlen(o->s);
		if (o->prec <= 2) {
			bool decided = o->prec == 2 ? !l : !!l;

			a->skip += decided;
			r = binary(a, o->prec + 1);
			a->skip -= decided;
			l = o->prec == 2 ? (l && r) : (l || r);
		} else {
			r = binary(a, o->prec + 1);
			l = apply(a, o->s, l, r);
		}
	}
	return l;
}

static long long ternary(struct ar *a)
{
	long long c = binary(a, 1), x, y;

	if (!op(a, "?"))
		return c;
	a->skip += !c;
	x = comma(a);
	a->skip -= !c;
	if (!op(a, ":"))
		bad(a, "missing :");
	a->skip += !!c;
	y = assignment(a);
	a->skip -= !!c;
	return c ? x : y;
}

static long long assignment(struct ar *a)
{
	static const char *const ops[] = { "<<=", ">>=", "*=", "/=", "%=", "+=", "-=", "&=", "^=", "|=" };
	const char *save;
	char *name;
	size_t i;

	blanks(a);
	save = a->p;
	if ((name = identifier(a)) != NULL) {
		blanks(a);
		if (a->p[0] == '=' && a->p[1] != '=') {
			long long v;

			a->p++;
			v = assignment(a);
			assign(a, name, v);
			return v;
		}
		for (i = 0; i < sizeof ops / sizeof *ops; i++) {
			if (op(a, ops[i])) {
				long long r = assignment(a), v = apply(a, ops[i], var_number(a, name), r);

				assign(a, name, v);
				return v;
			}
		}
	}
	a->p = save;
	return ternary(a);
}

static long long comma(struct ar *a)
{
	long long v = assignment(a);

	while (op(a, ","))
		v = assignment(a);
	return v;
}

long long arith_eval(const char *s)
{
	struct ar a = { s, s, 0, 0 };
	long long v;

	blanks(&a);
	if (*a.p == '\0')
		return 0;
	v = comma(&a);
	blanks(&a);
	if (*a.p != '\0')
		bad(&a, "syntax error");
	return v;
}
