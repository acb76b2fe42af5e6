/* fnmatch(3), glob(3). Brackets are shared by both through fnmatch. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <glob.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int
fold(int c, int flags)
{
	return (flags & FNM_CASEFOLD ? tolower(c) : c);
}

static int
in_class(const char *name, size_t n, int c)
{
	static const struct {
		const char *name;
		int (*test)(int);
	} classes[] = {
		{ "alnum", (isalnum) }, { "alpha", (isalpha) }, { "blank", (isblank) }, { "cntrl", (iscntrl) },
		{ "digit", (isdigit) }, { "graph", (isgraph) }, { "lower", (islower) }, { "print", (isprint) },
		{ "punct", (ispunct) }, { "space", (isspace) }, { "upper", (isupper) }, { "xdigit", (isxdigit) },
	};

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (strlen(classes[i].name) == n && memcmp(classes[i].name, name, n) == 0)
			return (classes[i].test(c) != 0);
	return (0);
}

/*
 * Does the bracket expression at p (after '[') hold c? Returns 1 or 0 and sets *end past the ']', or -1 when it is
 * not a bracket expression after all.
 */
static int
bracket(const char *p, int c, int flags, const char **end)
{
	int negate = *p == '!' || *p == '^', hit = 0, first = 1;

	if (negate)
		p++;
	for (;; first = 0) {
		int lo, hi;

		if (*p == '\0' || (*p == '/' && flags & FNM_PATHNAME))
			return (-1);
		if (*p == ']' && !first)
			break;
		if (p[0] == '[' && p[1] == ':') {
			const char *close = strstr(p + 2, ":]");

			if (close != NULL) {
				size_t n = (size_t)(close - p - 2);

				hit |= in_class(p + 2, n, c);
				if (flags & FNM_CASEFOLD)
					hit |= in_class(p + 2, n, toupper(c));
				p = close + 2;
				continue;
			}
		}
		if (p[0] == '[' && (p[1] == '.' || p[1] == '=') && p[2] != '\0' && p[3] == p[1] && p[4] == ']') {
			lo = (unsigned char)p[2];
			p += 5;
		} else {
			if (*p == '\\' && !(flags & FNM_NOESCAPE) && p[1] != '\0')
				p++;
			lo = (unsigned char)*p++;
		}
		hi = lo;
		if (p[0] == '-' && p[1] != ']' && p[1] != '\0') {
			p++;
			if (p[0] == '[' && (p[1] == '.' || p[1] == '=') && p[2] != '\0' && p[3] == p[1] && p[4] == ']') {
				hi = (unsigned char)p[2];
				p += 5;
			} else {
				if (*p == '\\' && !(flags & FNM_NOESCAPE) && p[1] != '\0')
					p++;
				hi = (unsigned char)*p++;
			}
		}
		if (c >= lo && c <= hi)
			hit = 1;
		else if (flags & FNM_CASEFOLD &&
		    ((tolower(c) >= lo && tolower(c) <= hi) || (toupper(c) >= lo && toupper(c) <= hi)))
			hit = 1;
	}
	*end = p + 1;
	return (hit != negate);
}

int
fnmatch(const char *pattern, const char *string, int flags)
{
	const char *p = pattern, *s = string;
	const char *star_p = NULL, *star_s = NULL; /* where to go on after a mismatch: the last star of this component */

	for (;;) {
		int dot = *s == '.' && flags & FNM_PERIOD &&
		    (s == string || (flags & FNM_PATHNAME && s[-1] == '/'));

		switch (*p) {
		case '\0':
			if (*s == '\0' || (flags & FNM_LEADING_DIR && *s == '/'))
				return (0);
			goto retry;
		case '?':
			if (*s == '\0' || dot || (*s == '/' && flags & FNM_PATHNAME))
				goto retry;
			p++;
			s++;
			continue;
		case '*':
			if (dot)
				goto retry;
			while (*p == '*')
				p++;
			star_p = p;
			star_s = s;
			continue;
		case '[': {
			const char *end;
			int hit;

			if (*s == '\0' || dot || (*s == '/' && flags & FNM_PATHNAME))
				goto retry;
			hit = bracket(p + 1, (unsigned char)*s, flags, &end);
			if (hit > 0) {
				p = end;
				s++;
				continue;
			}
			if (hit == 0)
				goto retry;
			break;
		}
		case '\\':
			if (!(flags & FNM_NOESCAPE) && p[1] != '\0')
				p++;
			break;
		}
		if (*s != '\0' && fold((unsigned char)*p, flags) == fold((unsigned char)*s, flags)) {
			p++;
			s++;
			continue;
		}
	retry:
		/* Let the last star take one more character; it never takes a slash of a path. */
		if (star_p == NULL || *star_s == '\0' || (*star_s == '/' && flags & FNM_PATHNAME))
			return (FNM_NOMATCH);
		s = ++star_s;
		p = star_p;
	}
}

/* glob */

static int
add(glob_t *g, const char *path, int mark)
{
	char **v = realloc(g->gl_pathv, (g->gl_offs + g->gl_pathc + 2) * sizeof(char *));
	char *copy;

	if (v == NULL)
		return (GLOB_NOSPACE);
	if (g->gl_pathv == NULL)
		memset(v, 0, g->gl_offs * sizeof(char *));
	g->gl_pathv = v;
	if ((copy = malloc(strlen(path) + 2)) == NULL)
		return (GLOB_NOSPACE);
	strcpy(copy, path);
	if (mark)
		strcat(copy, "/");
	v[g->gl_offs + g->gl_pathc++] = copy;
	v[g->gl_offs + g->gl_pathc] = NULL;
	return (0);
}

static int
has_magic(const char *p, const char *end, int flags)
{
	for (; p < end; p++) {
		if (*p == '\\' && !(flags & GLOB_NOESCAPE) && p + 1 < end)
			p++;
		else if (*p == '*' || *p == '?' || *p == '[')
			return (1);
	}
	return (0);
}

static int
is_dir(const char *path)
{
	struct stat st;

	return (stat(path, &st) == 0 && S_ISDIR(st.st_mode));
}

/* Extend path (length n) by the rest of the pattern. */
static int
expand(char *path, size_t n, const char *pattern, glob_t *g)
{
	const char *end;
	struct stat st;
	struct dirent *e;
	char part[NAME_MAX + 1];
	DIR *d;
	int error = 0;

	for (;;) {
		while (*pattern == '/') {
			if (n + 1 >= PATH_MAX)
				return (0);
			path[n++] = *pattern++;
		}
		path[n] = '\0';
		if (*pattern == '\0') {
			if (lstat(path, &st) < 0)
				return (0);
			g->gl_matchc++;
			return (add(g, path, g->gl_flags & GLOB_MARK && n > 0 && path[n - 1] != '/' && is_dir(path)));
		}
		end = strchrnul(pattern, '/');
		if (has_magic(pattern, end, g->gl_flags))
			break;
		for (; pattern < end; pattern++) {
			if (*pattern == '\\' && !(g->gl_flags & GLOB_NOESCAPE) && pattern + 1 < end)
				pattern++;
			if (n + 1 >= PATH_MAX)
				return (0);
			path[n++] = *pattern;
		}
	}
	if ((size_t)(end - pattern) >= sizeof(part))
		return (0);
	memcpy(part, pattern, (size_t)(end - pattern));
	part[end - pattern] = '\0';
	if ((d = opendir(n > 0 ? path : ".")) == NULL) {
		if (errno == ENOENT || errno == ENOTDIR)
			return (0);
		if ((g->gl_errfunc != NULL && g->gl_errfunc(path, errno) != 0) || g->gl_flags & GLOB_ERR)
			return (GLOB_ABORTED);
		return (0);
	}
	while (error == 0 && (e = readdir(d)) != NULL) {
		if (n + e->d_namlen + 1 >= PATH_MAX)
			continue;
		if (fnmatch(part, e->d_name, FNM_PERIOD | (g->gl_flags & GLOB_NOESCAPE ? FNM_NOESCAPE : 0)) != 0)
			continue;
		memcpy(path + n, e->d_name, (size_t)e->d_namlen + 1);
		if (*end != '\0' && e->d_type != DT_DIR && e->d_type != DT_LNK && e->d_type != DT_UNKNOWN)
			continue;
		error = expand(path, n + e->d_namlen, end, g);
		path[n] = '\0';
	}
	closedir(d);
	return (error);
}

static int
by_name(const void *a, const void *b)
{
	return (strcmp(*(char *const *)a, *(char *const *)b));
}

int
glob(const char *pattern, int flags, int (*errfunc)(const char *, int), glob_t *g)
{
	char path[PATH_MAX], home[PATH_MAX];
	size_t before;
	int error;

	if (!(flags & GLOB_APPEND)) {
		g->gl_pathc = 0;
		g->gl_pathv = NULL;
		if (!(flags & GLOB_DOOFFS))
			g->gl_offs = 0;
	}
	g->gl_flags = flags;
	g->gl_errfunc = errfunc;
	g->gl_matchc = 0;
	before = g->gl_pathc;
	if (flags & GLOB_TILDE && *pattern == '~') {
		size_t n = strcspn(pattern, "/");
		const char *dir = NULL;
		struct passwd *pw;

		if (n == 1)
			dir = getenv("HOME");
		else if (n < sizeof(home)) {
			memcpy(home, pattern + 1, n - 1);
			home[n - 1] = '\0';
			if ((pw = getpwnam(home)) != NULL)
				dir = pw->pw_dir;
		}
		if (dir != NULL && (size_t)snprintf(home, sizeof(home), "%s%s", dir, pattern + n) < sizeof(home))
			pattern = home;
	}
	path[0] = '\0';
	error = expand(path, 0, pattern, g);
	if (error == 0 && g->gl_pathc == before) {
		if (flags & GLOB_NOCHECK ||
		    (flags & GLOB_NOMAGIC && !has_magic(pattern, pattern + strlen(pattern), flags)))
			return (add(g, pattern, 0));
		return (GLOB_NOMATCH);
	}
	if (!(flags & GLOB_NOSORT) && g->gl_pathv != NULL)
		qsort(g->gl_pathv + g->gl_offs + before, g->gl_pathc - before, sizeof(char *), by_name);
	return (error);
}

void
globfree(glob_t *g)
{
	if (g->gl_pathv != NULL)
		for (size_t i = 0; i < g->gl_pathc; i++)
			free(g->gl_pathv[g->gl_offs + i]);
	free(g->gl_pathv);
	g->gl_pathv = NULL;
	g->gl_pathc = 0;
}
