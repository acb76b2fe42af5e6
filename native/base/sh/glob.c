/*
 * glob.c: pattern matching (POSIX XCU 2.13) and pathname expansion.
 *
 * In a pattern a backslash makes the next character ordinary, within brackets too. Bytes are matched
 * in the C locale, except that ? and a bracket take a whole UTF-8 sequence.
 */
#include "sh.h"
#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool class_match(const char *name, size_t n, int c)
{
	static const struct {
		const char *name;
		int (*fn)(int);
	} classes[] = {
		{ "alpha", isalpha }, { "digit", isdigit }, { "alnum", isalnum }, { "upper", isupper },
		{ "lower", islower }, { "space", isspace }, { "blank", isblank }, { "punct", ispunct },
		{ "print", isprint }, { "graph", isgraph }, { "cntrl", iscntrl }, { "xdigit", isxdigit },
	};
	size_t i;

	for (i = 0; i < sizeof classes / sizeof *classes; i++)
		if (strlen(classes[i].name) == n && memcmp(classes[i].name, name, n) == 0)
			return classes[i].fn(c) != 0;
	return false;
}

/* Decode one character; invalid sequences are single bytes above the Unicode range. */
static long get_char(const char **sp, const char *end)
{
	const unsigned char *s = (const unsigned char *)*sp;
	int n = *s < 0xc2 ? 0 : *s < 0xe0 ? 1 : *s < 0xf0 ? 2 : *s < 0xf5 ? 3 : 0, i;
	long c;

	if (n == 0 || end - *sp <= n) {
		(*sp)++;
		return *s < 0x80 ? *s : 0x200000L + *s;
	}
	c = *s & (0x3f >> n);
	for (i = 1; i <= n; i++) {
		if ((s[i] & 0xc0) != 0x80) {
			(*sp)++;
			return 0x200000L + *s;
		}
		c = c << 6 | (s[i] & 0x3f);
	}
	*sp += n + 1;
	return c;
}

static long pat_char(const char **pp)
{
	if (**pp == '\\' && (*pp)[1] != '\0')
		(*pp)++;
	return get_char(pp, *pp + strlen(*pp));
}

/* Match c against the bracket expression at p (after '['). Returns the end, or NULL if it is none. */
static const char *bracket(const char *p, long c, bool *matched)
{
	bool neg = false, hit = false, first = true;

	if (*p == '!' || *p == '^') {
		neg = true;
		p++;
	}
	for (;; first = false) {
		long lo, hi;

		if (*p == '\0')
			return NULL;
		if (*p == ']' && !first)
			break;
		if (*p == '[' && (p[1] == ':' || p[1] == '.' || p[1] == '=')) {
			const char *q = p + 2;
			int kind = p[1];

			while (*q && !(q[0] == kind && q[1] == ']'))
				q++;
			if (*q) {
				if (kind == ':') {
					if (c < 0x80 && class_match(p + 2, (size_t)(q - p - 2), (int)c))
						hit = true;
					p = q + 2;
					continue;
				}
				p += 2;
				lo = hi = pat_char(&p);
				p = q + 2;
				goto range;
			}
		}
		lo = hi = pat_char(&p);
	range:
		if (p[0] == '-' && p[1] != ']' && p[1] != '\0') {
			p++;
			if (*p == '[' && (p[1] == '.' || p[1] == '=')) {
				const char *q;

				p += 2;
				hi = pat_char(&p);
				if ((q = strchr(p, ']')) != NULL)
					p = q + 1;
			} else {
				hi = pat_char(&p);
			}
		}
		if (lo <= c && c <= hi)
			hit = true;
	}
	*matched = hit != neg;
	return p + 1;
}

bool pat_match(const char *p, const char *s, const char *end)
{
	const char *star_p = NULL, *star_s = NULL;

	for (;;) {
		if (*p == '*') { /* remember it; earlier stars need no second look */
			while (*p == '*')
				p++;
			if (*p == '\0')
				return true;
			star_p = p;
			star_s = s;
			continue;
		}
		if (s < end) {
			const char *s2 = s, *p2 = p;

			if (*p == '?') {
				get_char(&s, end);
				p++;
				continue;
			}
			if (*p == '[') {
				bool ok;
				const char *e = bracket(p + 1, get_char(&s2, end), &ok);

				if (e != NULL) {
					if (ok) {
						p = e;
						s = s2;
						continue;
					}
					goto back;
				}
			}
			if (*p2 == '\\' && p2[1] != '\0')
				p2++;
			if (*p2 != '\0' && *p2 == *s) {
				p = p2 + 1;
				s++;
				continue;
			}
		} else if (*p == '\0') {
			return true;
		} else if (s >= end) {
			return false;
		}
	back:
		if (star_p == NULL || star_s >= end)
			return false;
		p = star_p;
		s = ++star_s;
	}
}

static bool has_magic(const char *p, const char *end)
{
	for (; p < end; p++) {
		if (*p == '\\' && p + 1 < end)
			p++;
		else if (*p == '*' || *p == '?' || *p == '[')
			return true;
	}
	return false;
}

static void unescape(struct sbuf *b, const char *p, const char *end)
{
	for (; p < end; p++) {
		if (*p == '\\' && p + 1 < end)
			p++;
		sb_putc(b, *p);
	}
}

/* b holds the path so far; p is the rest of the pattern. */
static void glob_step(struct sbuf *b, const char *p, struct args *out)
{
	size_t base = b->len;
	const char *slash = p, *rest;
	char *pat;
	DIR *d;
	struct dirent *e;
	struct stat st;

	for (;;) {
		while (*slash && *slash != '/')
			slash++;
		if (has_magic(p, slash))
			break;
		while (*slash == '/')
			slash++;
		unescape(b, p, slash);
		p = slash;
		if (*p == '\0') {
			char *s = sb_str(b);

			if (lstat(s, &st) == 0)
				args_add(out, tmp_strn(s, b->len));
			b->len = base;
			return;
		}
	}
	rest = slash;
	while (*rest == '/')
		rest++;
	pat = tmp_strn(p, (size_t)(slash - p));
	d = opendir(b->len ? sb_str(b) : ".");
	if (d != NULL) {
		size_t here = b->len;

		while ((e = readdir(d)) != NULL) {
			const char *name = e->d_name;
			size_t n = strlen(name);

			if (name[0] == '.' && pat[0] != '.' && !(pat[0] == '\\' && pat[1] == '.'))
				continue;
			if (!pat_match(pat, name, name + n))
				continue;
			sb_putn(b, name, n);
			if (*slash == '\0') {
				args_add(out, tmp_strn(b->s, b->len));
			} else {
				sb_putn(b, slash, (size_t)(rest - slash));
				if (stat(tmp_strn(b->s, b->len), &st) == 0 && S_ISDIR(st.st_mode)) {
					if (*rest == '\0')
						args_add(out, tmp_strn(b->s, b->len));
					else
						glob_step(b, rest, out);
				}
			}
			b->len = here;
		}
		closedir(d);
	}
	b->len = base;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Append the sorted names that pat matches; false when there are none. */
bool glob_expand(const char *pat, struct args *out)
{
	int before = out->n;
	struct sbuf b;

	sb_init(&b);
	glob_step(&b, pat, out);
	if (out->n == before)
		return false;
	qsort(out->v + before, (size_t)(out->n - before), sizeof *out->v, by_name);
	return true;
}
