/*
 * builtins_test.c: test and [. With up to four operands the meaning depends on their number (POSIX);
 * beyond that the historic grammar with -a, -o and parentheses is parsed.
 */
#include "sh.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct tp {
	char **v, **end;
};

static bool is_unary(const char *s)
{
	return s[0] == '-' && s[1] != '\0' && s[2] == '\0' && strchr("bcdefghknprstuwxzLSOG", s[1]) != NULL;
}

static const char *const binary_ops[] = { "=", "==", "!=", "<", ">", "-eq", "-ne", "-gt", "-ge", "-lt", "-le", "-nt", "-ot", "-ef" };

static int binary_op(const char *s)
{
	int i;

	for (i = 0; i < (int)(sizeof binary_ops / sizeof *binary_ops); i++)
		if (strcmp(s, binary_ops[i]) == 0)
			return i;
	return -1;
}

static long long integer(const char *s)
{
	const char *t = s;
	unsigned long long v = 0;
	bool neg = false, any = false;

	while (*t == ' ' || *t == '\t' || *t == '\n')
		t++;
	if (*t == '-' || *t == '+')
		neg = *t++ == '-';
	for (; *t >= '0' && *t <= '9'; t++, any = true)
		v = v * 10 + (unsigned)(*t - '0');
	while (*t == ' ' || *t == '\t' || *t == '\n')
		t++;
	if (!any || *t != '\0')
		sh_error("test: %s: bad number", s);
	return (long long)(neg ? 0 - v : v);
}

/* Access with the effective ids. */
static bool may(const char *file, int mode)
{
	struct stat st;

	if (stat(file, &st) < 0)
		return false;
	if (geteuid() == 0)
		return mode != X_OK || S_ISDIR(st.st_mode) || (st.st_mode & 0111) != 0;
	return access(file, mode) == 0;
}

static bool unary(int op, const char *s)
{
	struct stat st;

	switch (op) {
	case 'n': return *s != '\0';
	case 'z': return *s == '\0';
	case 't': return isatty((int)integer(s));
	case 'r': return may(s, R_OK);
	case 'w': return may(s, W_OK);
	case 'x': return may(s, X_OK);
	case 'h':
	case 'L': return lstat(s, &st) == 0 && S_ISLNK(st.st_mode);
	}
	if (stat(s, &st) < 0)
		return false;
	switch (op) {
	case 'b': return S_ISBLK(st.st_mode);
	case 'c': return S_ISCHR(st.st_mode);
	case 'd': return S_ISDIR(st.st_mode);
	case 'e': return true;
	case 'f': return S_ISREG(st.st_mode);
	case 'g': return (st.st_mode & S_ISGID) != 0;
	case 'k': return (st.st_mode & 01000) != 0;
	case 'p': return S_ISFIFO(st.st_mode);
	case 's': return st.st_size > 0;
	case 'u': return (st.st_mode & S_ISUID) != 0;
	case 'S': return S_ISSOCK(st.st_mode);
	case 'O': return st.st_uid == geteuid();
	default: return st.st_gid == getegid();
	}
}

static int newer(const struct stat *a, const struct stat *b)
{
	if (a->st_mtim.tv_sec != b->st_mtim.tv_sec)
		return a->st_mtim.tv_sec > b->st_mtim.tv_sec;
	return a->st_mtim.tv_nsec > b->st_mtim.tv_nsec;
}

static bool binary(const char *l, int op, const char *r)
{
	struct stat a, b;
	bool ha, hb;

	switch (op) {
	case 0:
	case 1: return strcmp(l, r) == 0;
	case 2: return strcmp(l, r) != 0;
	case 3: return strcmp(l, r) < 0;
	case 4: return strcmp(l, r) > 0;
	case 5: return integer(l) == integer(r);
	case 6: return integer(l) != integer(r);
	case 7: return integer(l) > integer(r);
	case 8: return integer(l) >= integer(r);
	case 9: return integer(l) < integer(r);
	case 10: return integer(l) <= integer(r);
	}
	ha = stat(l, &a) == 0;
	hb = stat(r, &b) == 0;
	if (op == 11)
		return ha && (!hb || newer(&a, &b));
	if (op == 12)
		return hb && (!ha || newer(&b, &a));
	return ha && hb && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static bool parse_or(struct tp *t);

static bool parse_primary(struct tp *t)
{
	char *s;
	int op;
	bool r;

	if (t->v >= t->end)
		sh_error("test: argument expected");
	s = *t->v;
	if (t->end - t->v >= 3 && (op = binary_op(t->v[1])) >= 0) {
		r = binary(s, op, t->v[2]);
		t->v += 3;
		return r;
	}
	if (strcmp(s, "!") == 0) {
		t->v++;
		return !parse_primary(t);
	}
	if (strcmp(s, "(") == 0) {
		t->v++;
		r = parse_or(t);
		if (t->v >= t->end || strcmp(*t->v, ")") != 0)
			sh_error("test: closing paren expected");
		t->v++;
		return r;
	}
	if (is_unary(s) && t->end - t->v >= 2) {
		t->v += 2;
		return unary(s[1], t->v[-1]);
	}
	t->v++;
	return *s != '\0';
}

static bool parse_and(struct tp *t)
{
	bool r = parse_primary(t);

	while (t->v < t->end && strcmp(*t->v, "-a") == 0) {
		t->v++;
		r = parse_primary(t) && r;
	}
	return r;
}

static bool parse_or(struct tp *t)
{
	bool r = parse_and(t);

	while (t->v < t->end && strcmp(*t->v, "-o") == 0) {
		t->v++;
		r = parse_and(t) || r;
	}
	return r;
}

static bool evaluate(char **v, int n)
{
	struct tp t = { v, v + n };
	bool r;
	int op;

	switch (n) {
	case 0:
		return false;
	case 1:
		return *v[0] != '\0';
	case 2:
		if (strcmp(v[0], "!") == 0)
			return *v[1] == '\0';
		if (is_unary(v[0]))
			return unary(v[0][1], v[1]);
		sh_error("test: %s: unary operator expected", v[0]);
	case 3:
		if ((op = binary_op(v[1])) >= 0)
			return binary(v[0], op, v[2]);
		if (strcmp(v[1], "-a") == 0)
			return *v[0] && *v[2];
		if (strcmp(v[1], "-o") == 0)
			return *v[0] || *v[2];
		if (strcmp(v[0], "!") == 0)
			return !evaluate(v + 1, 2);
		if (strcmp(v[0], "(") == 0 && strcmp(v[2], ")") == 0)
			return *v[1] != '\0';
		sh_error("test: %s: operator expected", v[1]);
	case 4:
		if (strcmp(v[0], "!") == 0)
			return !evaluate(v + 1, 3);
		if (strcmp(v[0], "(") == 0 && strcmp(v[3], ")") == 0)
			return evaluate(v + 1, 2);
	}
	r = parse_or(&t);
	if (t.v < t.end)
		sh_error("test: %s: unexpected operator", *t.v);
	return r;
}

int bi_test(int argc, char **argv)
{
	if (argv[0][0] == '[') {
		if (strcmp(argv[argc - 1], "]") != 0 || argc < 2)
			return sh_fail(2, "[: missing ]");
		argc--;
	}
	return !evaluate(argv + 1, argc - 1);
}
