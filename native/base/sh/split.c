/*
 * split.c: field splitting (POSIX XCU 2.6.5), then pathname expansion of each field.
 */
#include "sh.h"
#include <string.h>

static bool glob_char(int c)
{
	return c == '*' || c == '?' || c == '[';
}

/* Might the text be a pattern? A bracket that nothing closes is none, and `[` is a common command. */
bool glob_magic(const char *s)
{
	s = strpbrk(s, "*?[");
	return s != NULL && (*s != '[' || strpbrk(s + 1, "*?]") != NULL);
}

/* The pattern that [from, to) of x stands for: quoted special characters get a backslash. */
char *xb_pattern(struct xbuf *x, size_t from, size_t to, bool *magic)
{
	struct sbuf b;
	size_t i;

	sb_init(&b);
	if (magic != NULL)
		*magic = false;
	for (i = from; i < to; i++) {
		int c = (unsigned char)x->c[i];

		if (x->a[i] == A_NULL || x->a[i] == A_BREAK)
			continue;
		if (x->a[i] == A_QUOTED) {
			if (glob_char(c) || c == ']' || c == '\\' || c == '-' || c == '!' || c == '^')
				sb_putc(&b, '\\');
		} else if (magic != NULL && glob_char(c)) {
			*magic = true;
		}
		sb_putc(&b, c);
	}
	return sb_str(&b);
}

static void field_end(struct xbuf *x, size_t from, size_t to, struct args *out)
{
	size_t i, n = 0;
	char *s;

	if (!optv['f']) {
		for (i = from; i < to; i++)
			if (x->a[i] != A_QUOTED && glob_char(x->c[i]) && (x->c[i] != '[' || memchr(x->c + i, ']', to - i) != NULL))
				break;
		if (i < to) {
			bool magic;
			char *pat = xb_pattern(x, from, to, &magic);

			if (magic && glob_expand(pat, out))
				return;
		}
	}
	s = tmp_alloc(to - from + 1);
	for (i = from; i < to; i++)
		if (x->a[i] != A_NULL && x->a[i] != A_BREAK)
			s[n++] = x->c[i];
	s[n] = '\0';
	args_add(out, s);
}

void split_fields(struct xbuf *x, struct args *out)
{
	const char *ifs = var_ifs();
	size_t i = 0, from = 0;
	bool have = false; /* the field being read exists */

#define IS_IFS(k) (x->a[k] == A_SPLIT && x->c[k] != '\0' && strchr(ifs, x->c[k]) != NULL)
#define IS_WS(k) (x->c[k] == ' ' || x->c[k] == '\t' || x->c[k] == '\n')
	while (i < x->n) {
		if (x->a[i] == A_BREAK) {
			if (have)
				field_end(x, from, i, out);
			have = false;
			from = ++i;
			continue;
		}
		if (!IS_IFS(i)) {
			have = true;
			i++;
			continue;
		}
		if (IS_WS(i)) {
			bool had = have;

			if (have)
				field_end(x, from, i, out);
			have = false;
			while (i < x->n && IS_IFS(i) && IS_WS(i))
				i++;
			/* white space around another delimiter belongs to it */
			if (had && i < x->n && IS_IFS(i))
				i++;
		} else {
			field_end(x, from, i, out);
			have = false;
			i++;
		}
		while (i < x->n && IS_IFS(i) && IS_WS(i))
			i++;
		from = i;
	}
	if (have)
		field_end(x, from, x->n, out);
}
