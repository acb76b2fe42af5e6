/*
 * test expression, [ expression ]: evaluate. Counterpart: bin/test.
 *
 * POSIX fixes the meaning by the number of arguments up to four; beyond that, and for what those rules leave open,
 * -o binds weaker than -a, -a weaker than !, and parentheses group.
 */
#include "util.h"

static char **av;
static int ac, at;

static bool parse_or(void);

static void
syntax(const char *what, const char *msg)
{
	if (what != NULL)
		errx(2, "%s: %s", what, msg);
	errx(2, "%s", msg);
}

static long long
number(const char *s)
{
	const char *p = s;
	char *end;
	long long v;

	while (isspace((unsigned char)*p))
		p++;
	errno = 0;
	v = strtoll(p, &end, 10);
	if (errno == ERANGE)
		syntax(s, "out of range");
	if (end == p)
		syntax(s, "bad number");
	while (isspace((unsigned char)*end))
		end++;
	if (*end != '\0')
		syntax(s, "bad number");
	return v;
}

static bool
is_unary(const char *s)
{
	return s[0] == '-' && s[1] != '\0' && s[2] == '\0' && strchr("bcdefghknprstuwxzGLOS", s[1]) != NULL;
}

static bool
is_binary(const char *s)
{
	static const char *const ops[] = { "=", "==", "!=", "<", ">", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot",
		"-ef" };

	for (size_t i = 0; i < NELEM(ops); i++)
		if (strcmp(s, ops[i]) == 0)
			return true;
	return false;
}

static bool
unary(char op, const char *arg)
{
	struct stat st;

	switch (op) {
	case 'n': return *arg != '\0';
	case 'z': return *arg == '\0';
	case 't': return isatty((int)number(arg));
	case 'r': return faccessat(AT_FDCWD, arg, R_OK, AT_EACCESS) == 0;
	case 'w': return faccessat(AT_FDCWD, arg, W_OK, AT_EACCESS) == 0;
	case 'x':
		/* The super-user may "execute" anything; a file without any x bit still is not a program. */
		if (faccessat(AT_FDCWD, arg, X_OK, AT_EACCESS) != 0)
			return false;
		return geteuid() != 0 || (stat(arg, &st) == 0 && (S_ISDIR(st.st_mode) || (st.st_mode & 0111) != 0));
	case 'h':
	case 'L': return lstat(arg, &st) == 0 && S_ISLNK(st.st_mode);
	}
	if (stat(arg, &st) != 0)
		return false;
	switch (op) {
	case 'b': return S_ISBLK(st.st_mode);
	case 'c': return S_ISCHR(st.st_mode);
	case 'd': return S_ISDIR(st.st_mode);
	case 'e': return true;
	case 'f': return S_ISREG(st.st_mode);
	case 'g': return st.st_mode & S_ISGID;
	case 'k': return st.st_mode & S_ISTXT;
	case 'p': return S_ISFIFO(st.st_mode);
	case 's': return st.st_size > 0;
	case 'u': return st.st_mode & S_ISUID;
	case 'G': return st.st_gid == getegid();
	case 'O': return st.st_uid == geteuid();
	default: return S_ISSOCK(st.st_mode);
	}
}

static int
newer(const char *a, const char *b)
{
	struct stat sa, sb;

	if (stat(a, &sa) != 0 || stat(b, &sb) != 0)
		return 0;
	if (sa.st_mtim.tv_sec != sb.st_mtim.tv_sec)
		return sa.st_mtim.tv_sec > sb.st_mtim.tv_sec ? 1 : -1;
	return sa.st_mtim.tv_nsec > sb.st_mtim.tv_nsec ? 1 : sa.st_mtim.tv_nsec < sb.st_mtim.tv_nsec ? -1 : 0;
}

static bool
binary(const char *a, const char *op, const char *b)
{
	struct stat sa, sb;
	long long x, y;

	if (op[0] != '-') {
		int c = strcmp(a, b);

		return op[0] == '=' ? c == 0 : op[0] == '!' ? c != 0 : op[0] == '<' ? c < 0 : c > 0;
	}
	if (strcmp(op, "-nt") == 0)
		return newer(a, b) > 0;
	if (strcmp(op, "-ot") == 0)
		return newer(a, b) < 0;
	if (strcmp(op, "-ef") == 0)
		return stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
	x = number(a);
	y = number(b);
	switch (op[1] << 8 | op[2]) {
	case 'e' << 8 | 'q': return x == y;
	case 'n' << 8 | 'e': return x != y;
	case 'l' << 8 | 't': return x < y;
	case 'l' << 8 | 'e': return x <= y;
	case 'g' << 8 | 't': return x > y;
	default: return x >= y;
	}
}

static bool
parse_primary(void)
{
	const char *s;
	bool v;

	if (at >= ac)
		syntax(NULL, "argument expected");
	/* An operator between two operands wins over a name that looks like an operator. */
	if (at + 2 < ac && is_binary(av[at + 1])) {
		at += 3;
		return binary(av[at - 3], av[at - 2], av[at - 1]);
	}
	s = av[at++];
	if (strcmp(s, "(") == 0 && at < ac) {
		v = parse_or();
		if (at >= ac || strcmp(av[at], ")") != 0)
			syntax(NULL, "closing paren expected");
		at++;
		return v;
	}
	if (is_unary(s)) {
		if (at >= ac)
			syntax(s, "argument expected");
		return unary(s[1], av[at++]);
	}
	return *s != '\0';
}

static bool
parse_not(void)
{
	if (at + 1 < ac && strcmp(av[at], "!") == 0 && !(at + 2 < ac && is_binary(av[at + 1]))) {
		at++;
		return !parse_not();
	}
	return parse_primary();
}

static bool
parse_and(void)
{
	bool v = parse_not();

	while (at < ac && strcmp(av[at], "-a") == 0) {
		at++;
		v &= parse_not();
	}
	return v;
}

static bool
parse_or(void)
{
	bool v = parse_and();

	while (at < ac && strcmp(av[at], "-o") == 0) {
		at++;
		v |= parse_and();
	}
	return v;
}

/* The POSIX table for up to four arguments; -1 where it says nothing. */
static int
by_count(char **v, int n)
{
	int r;

	switch (n) {
	case 0: return 0;
	case 1: return v[0][0] != '\0';
	case 2:
		if (strcmp(v[0], "!") == 0)
			return v[1][0] == '\0';
		return is_unary(v[0]) ? unary(v[0][1], v[1]) : -1;
	case 3:
		if (is_binary(v[1]))
			return binary(v[0], v[1], v[2]);
		if (strcmp(v[1], "-a") == 0)
			return v[0][0] != '\0' && v[2][0] != '\0';
		if (strcmp(v[1], "-o") == 0)
			return v[0][0] != '\0' || v[2][0] != '\0';
		if (strcmp(v[0], "!") == 0)
			return (r = by_count(v + 1, 2)) < 0 ? r : !r;
		if (strcmp(v[0], "(") == 0 && strcmp(v[2], ")") == 0)
			return by_count(v + 1, 1);
		return -1;
	case 4:
		if (strcmp(v[0], "!") == 0)
			return (r = by_count(v + 1, 3)) < 0 ? r : !r;
		if (strcmp(v[0], "(") == 0 && strcmp(v[3], ")") == 0)
			return by_count(v + 1, 2);
		return -1;
	default: return -1;
	}
}

int
test_main(int argc, char **argv)
{
	int r;

	if (strcmp(base_name(argv[0]), "[") == 0) {
		if (strcmp(argv[argc - 1], "]") != 0 || argc < 2)
			errx(2, "missing ]");
		argc--;
	}
	av = argv + 1;
	ac = argc - 1;
	if ((r = by_count(av, ac)) < 0) {
		r = parse_or();
		if (at < ac)
			syntax(av[at], "unexpected operator");
	}
	return !r;
}
