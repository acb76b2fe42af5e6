/*
 * builtins_env.c: builtins about the shell's surroundings: cd pwd export readonly local unset umask
 * ulimit times.
 */
#include "sh.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/times.h>
#include <unistd.h>

static char *getcwd_tmp(void)
{
	size_t n = 256;

	for (;; n *= 2) {
		char *s = tmp_alloc(n);

		if (getcwd(s, n) != NULL)
			return s;
		if (errno != ERANGE)
			return NULL;
	}
}

/* $PWD if it is an absolute name of the current directory without . and .., else what getcwd says. */
static const char *logical_pwd(void)
{
	const char *pwd = var_get("PWD"), *p;
	struct stat a, b;

	if (pwd != NULL && *pwd == '/' && stat(pwd, &a) == 0 && stat(".", &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino) {
		for (p = pwd; (p = strstr(p, "/.")) != NULL; p += 2)
			if (p[2] == '\0' || p[2] == '/' || (p[2] == '.' && (p[3] == '\0' || p[3] == '/')))
				return getcwd_tmp();
		return pwd;
	}
	return getcwd_tmp();
}

void pwd_init(void)
{
	struct mark m = tmp_mark();
	const char *s = logical_pwd();

	if (s != NULL)
		var_set("PWD", s, 0);
	tmp_release(m);
}

int bi_pwd(int argc, char **argv)
{
	struct optget g = { 0 };
	int c;
	bool physical = false;
	const char *s;

	while ((c = og_next(&g, argc, argv, "LP")) != -1) {
		if (c == '?')
			return 2;
		physical = c == 'P';
	}
	s = physical ? getcwd_tmp() : logical_pwd();
	if (s == NULL)
		return sh_fail(1, "pwd: %s", strerror(errno));
	out_s(s);
	out_c('\n');
	return 0;
}

/* Canonical form by text: no . or .., no double slashes. */
static char *canonical(const char *path)
{
	struct sbuf b;

	sb_init(&b);
	while (*path) {
		size_t n;

		while (*path == '/')
			path++;
		n = strcspn(path, "/");
		if (n == 0)
			break;
		if (n == 2 && path[0] == '.' && path[1] == '.') {
			while (b.len > 0 && b.s[--b.len] != '/')
				;
		} else if (!(n == 1 && path[0] == '.')) {
			sb_putc(&b, '/');
			sb_putn(&b, path, n);
		}
		path += n;
	}
	if (b.len == 0)
		sb_putc(&b, '/');
	return sb_str(&b);
}

static char *join_path(const char *dir, size_t n, const char *name)
{
	struct sbuf b;

	sb_init(&b);
	sb_putn(&b, dir, n);
	if (n > 0 && dir[n - 1] != '/')
		sb_putc(&b, '/');
	sb_puts(&b, name);
	return sb_str(&b);
}

static bool change_to(const char *dir, bool physical)
{
	const char *pwd = var_get("PWD"), *now;
	char *old;

	if (!physical) {
		char *full = *dir == '/' ? tmp_str(dir) : join_path(pwd ? pwd : "/", pwd ? strlen(pwd) : 1, dir);

		full = canonical(full);
		if (chdir(full) == 0) {
			now = full;
			goto done;
		}
	}
	if (chdir(dir) < 0)
		return false;
	now = getcwd_tmp();
	if (now == NULL)
		now = dir;
done:
	old = tmp_str(pwd ? pwd : "");
	var_set("OLDPWD", old, 0);
	var_set("PWD", now, 0);
	return true;
}

int bi_cd(int argc, char **argv)
{
	struct optget g = { 0 };
	int c;
	bool physical = false, print = false;
	const char *dir, *cdpath;

	while ((c = og_next(&g, argc, argv, "LPe")) != -1) {
		if (c == '?')
			return 2;
		if (c != 'e')
			physical = c == 'P';
	}
	dir = g.i < argc ? argv[g.i] : var_get("HOME");
	if (dir == NULL)
		return sh_fail(2, "cd: HOME not set");
	if (g.i + 1 < argc)
		return sh_fail(2, "cd: too many arguments");
	if (g.i < argc && strcmp(dir, "-") == 0) {
		dir = var_get("OLDPWD");
		if (dir == NULL)
			return sh_fail(2, "cd: OLDPWD not set");
		dir = tmp_str(dir);
		print = true;
	}
	if (*dir == '\0')
		dir = ".";
	cdpath = var_get("CDPATH");
	if (cdpath != NULL && *dir != '/' && strcmp(dir, ".") != 0 && strcmp(dir, "..") != 0 && strncmp(dir, "./", 2) != 0 && strncmp(dir, "../", 3) != 0) {
		struct stat st;

		cdpath = tmp_str(cdpath);
		while (*cdpath) {
			size_t n = strcspn(cdpath, ":");
			char *full = join_path(cdpath, n, dir);

			if (stat(full, &st) == 0 && S_ISDIR(st.st_mode)) {
				if (n > 0)
					print = true;
				dir = full;
				break;
			}
			cdpath += n + (cdpath[n] == ':');
		}
	}
	if (!change_to(dir, physical))
		return sh_fail(2, "cd: %s: %s", dir, strerror(errno));
	if (print) {
		out_s(var_get("PWD"));
		out_c('\n');
	}
	return 0;
}

int bi_export(int argc, char **argv)
{
	int flag = argv[0][0] == 'e' ? V_EXPORT : V_READONLY, c, status = 0;
	struct optget g = { 0 };
	bool print = false;

	while ((c = og_next(&g, argc, argv, "p")) != -1) {
		if (c == '?')
			return 2;
		print = true;
	}
	if (print || g.i >= argc) {
		var_print(flag, flag == V_EXPORT ? "export " : "readonly ");
		return 0;
	}
	for (; g.i < argc; g.i++) {
		char *s = argv[g.i], *eq = strchr(s, '='), *name = eq ? tmp_strn(s, (size_t)(eq - s)) : s;

		if (!is_name(name))
			sh_error("%s: %s: bad variable name", argv[0], name);
		var_set(name, eq ? eq + 1 : NULL, flag);
	}
	return status;
}

int bi_local(int argc, char **argv)
{
	int i;

	if (sh.funcnest == 0)
		sh_error("local: not in a function");
	for (i = 1; i < argc; i++) {
		char *s = argv[i], *eq = strchr(s, '='), *name = eq ? tmp_strn(s, (size_t)(eq - s)) : s;

		if (!is_name(name))
			sh_error("local: %s: bad variable name", name);
		local_add(name);
		if (eq != NULL)
			var_set(name, eq + 1, 0);
	}
	return 0;
}

int bi_unset(int argc, char **argv)
{
	struct optget g = { 0 };
	int c, what = 0, status = 0;

	while ((c = og_next(&g, argc, argv, "fv")) != -1) {
		if (c == '?')
			return 2;
		what = c;
	}
	for (; g.i < argc; g.i++) {
		if (what == 'f') {
			func_unset(argv[g.i]);
			continue;
		}
		if (what == 0 && var_find(argv[g.i]) == NULL) {
			func_unset(argv[g.i]);
			continue;
		}
		if (var_unset(argv[g.i]) < 0)
			sh_error("unset: %s: is read only", argv[g.i]);
	}
	return status;
}

/* The permission bits that a who list covers. */
static mode_t who_mask(const char **sp)
{
	mode_t m = 0;

	for (;; ++*sp) {
		switch (**sp) {
		case 'u': m |= 0700; continue;
		case 'g': m |= 070; continue;
		case 'o': m |= 07; continue;
		case 'a': m |= 0777; continue;
		}
		return m ? m : 0777;
	}
}

static int symbolic_umask(const char *s, mode_t mask)
{
	mode_t allow = ~mask & 0777;

	for (;;) {
		mode_t who = who_mask(&s);

		if (*s != '+' && *s != '-' && *s != '=')
			return -1;
		while (*s == '+' || *s == '-' || *s == '=') {
			int op = *s++;
			mode_t perm = 0;

			for (;; s++) {
				if (*s == 'r')
					perm |= 0444;
				else if (*s == 'w')
					perm |= 0222;
				else if (*s == 'x' || *s == 'X')
					perm |= 0111;
				else if (*s == 'u')
					perm |= (allow >> 6 & 7) * 0111;
				else if (*s == 'g')
					perm |= (allow >> 3 & 7) * 0111;
				else if (*s == 'o')
					perm |= (allow & 7) * 0111;
				else if (*s != 's' && *s != 't')
					break;
			}
			if (op == '=')
				allow &= ~who;
			if (op == '-')
				allow &= ~(perm & who);
			else
				allow |= perm & who;
		}
		if (*s == '\0')
			return (int)(~allow & 0777);
		if (*s++ != ',')
			return -1;
	}
}

int bi_umask(int argc, char **argv)
{
	struct optget g = { 0 };
	int c, i;
	bool symbolic = false;
	mode_t mask = umask(0);

	umask(mask);
	while ((c = og_next(&g, argc, argv, "S")) != -1) {
		if (c == '?')
			return 2;
		symbolic = true;
	}
	if (g.i < argc) {
		const char *s = argv[g.i];
		int m = 0;

		if (*s >= '0' && *s <= '7') {
			for (; *s >= '0' && *s <= '7' && m <= 0777; s++)
				m = m * 8 + (*s - '0');
			if (*s != '\0' || m > 0777)
				return sh_fail(2, "umask: bad mask: %s", argv[g.i]);
		} else {
			m = symbolic_umask(s, mask);
			if (m < 0)
				return sh_fail(2, "umask: bad mask: %s", s);
		}
		umask((mode_t)m);
		return 0;
	}
	if (!symbolic) {
		out_f("%04o\n", (unsigned)mask);
		return 0;
	}
	for (i = 6; i >= 0; i -= 3) {
		unsigned p = ~((unsigned)mask >> i) & 7;

		out_f("%c=%s%s%s%s", i == 6 ? 'u' : i == 3 ? 'g' : 'o', p & 4 ? "r" : "", p & 2 ? "w" : "", p & 1 ? "x" : "", i ? "," : "\n");
	}
	return 0;
}

static const struct limit {
	char letter;
	const char *name, *unit;
	int resource;
	long factor;
} limits[] = {
	{ 't', "cpu time", "seconds", RLIMIT_CPU, 1 },
	{ 'f', "file size", "512-byte blocks", RLIMIT_FSIZE, 512 },
	{ 'd', "data seg size", "kbytes", RLIMIT_DATA, 1024 },
	{ 's', "stack size", "kbytes", RLIMIT_STACK, 1024 },
	{ 'c', "core file size", "512-byte blocks", RLIMIT_CORE, 512 },
#ifdef RLIMIT_RSS
	{ 'm', "max memory size", "kbytes", RLIMIT_RSS, 1024 },
#endif
#ifdef RLIMIT_MEMLOCK
	{ 'l', "locked memory", "kbytes", RLIMIT_MEMLOCK, 1024 },
#endif
#ifdef RLIMIT_NPROC
	{ 'u', "max user processes", "processes", RLIMIT_NPROC, 1 },
#endif
	{ 'n', "open files", "descriptors", RLIMIT_NOFILE, 1 },
#ifdef RLIMIT_AS
	{ 'v', "virtual memory", "kbytes", RLIMIT_AS, 1024 },
#endif
};
#define NLIMITS (sizeof limits / sizeof *limits)

static void limit_value(rlim_t v, long factor)
{
	if (v == RLIM_INFINITY)
		out_s("unlimited\n");
	else
		out_f("%lld\n", (long long)v / factor);
}

int bi_ulimit(int argc, char **argv)
{
	struct optget g = { 0 };
	const struct limit *l = &limits[1];
	bool hard = false, soft = false, all = false;
	struct rlimit rl;
	size_t i;
	int c;

	while ((c = og_next(&g, argc, argv, "HSatfdscmlunv")) != -1) {
		switch (c) {
		case '?': return 2;
		case 'H': hard = true; break;
		case 'S': soft = true; break;
		case 'a': all = true; break;
		default:
			for (i = 0; i < NLIMITS && limits[i].letter != c; i++)
				;
			if (i == NLIMITS)
				return sh_fail(2, "ulimit: -%c is not known here", c);
			l = &limits[i];
		}
	}
	if (all) {
		for (i = 0; i < NLIMITS; i++) {
			if (getrlimit(limits[i].resource, &rl) < 0)
				continue;
			out_f("%-18s (%s, -%c) ", limits[i].name, limits[i].unit, limits[i].letter);
			limit_value(hard ? rl.rlim_max : rl.rlim_cur, limits[i].factor);
		}
		return 0;
	}
	if (getrlimit(l->resource, &rl) < 0)
		return sh_fail(1, "ulimit: %s", strerror(errno));
	if (g.i >= argc) {
		limit_value(hard ? rl.rlim_max : rl.rlim_cur, l->factor);
		return 0;
	}
	{
		rlim_t v;
		char *end;

		if (strcmp(argv[g.i], "unlimited") == 0) {
			v = RLIM_INFINITY;
		} else {
			v = (rlim_t)arith_number(argv[g.i], &end) * (rlim_t)l->factor;
			if (*end != '\0' || end == argv[g.i])
				return sh_fail(2, "ulimit: bad number: %s", argv[g.i]);
		}
		if (hard || !soft)
			rl.rlim_max = v;
		if (soft || !hard)
			rl.rlim_cur = v;
		if (setrlimit(l->resource, &rl) < 0)
			return sh_fail(1, "ulimit: %s", strerror(errno));
	}
	return 0;
}

static void show_time(const struct timeval *tv, const char *after)
{
	out_f("%ldm%ld.%06lds%s", (long)tv->tv_sec / 60, (long)tv->tv_sec % 60, (long)tv->tv_usec, after);
}

int bi_times(int argc, char **argv)
{
	int who[2] = { RUSAGE_SELF, RUSAGE_CHILDREN }, i;

	(void)argc;
	(void)argv;
	for (i = 0; i < 2; i++) {
		struct rusage ru;

		if (getrusage(who[i], &ru) < 0)
			return sh_fail(1, "times: %s", strerror(errno));
		show_time(&ru.ru_utime, " ");
		show_time(&ru.ru_stime, "\n");
	}
	return 0;
}
