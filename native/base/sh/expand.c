/*
 * expand.c: word expansion (POSIX XCU 2.6): tilde, parameters, command substitution, arithmetic.
 *
 * An expansion goes into an xbuf: characters, each with an attribute that says whether it was quoted,
 * came from an unquoted expansion (and so may be split), or is a marker: A_BREAK ends a field no matter
 * what IFS is ("$@"), A_NULL says that a quoted null string stood here. Fields are cut in split.c.
 */
#include "sh.h"
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void xb_grow(struct xbuf *x, size_t need)
{
	size_t cap = x->cap ? x->cap * 2 : 128;
	char *c;

	while (cap < need)
		cap *= 2;
	c = tmp_alloc(cap * 2);
	if (x->n > 0) {
		memcpy(c, x->c, x->n);
		memcpy(c + cap, x->a, x->n);
	}
	x->c = c;
	x->a = (unsigned char *)c + cap;
	x->cap = cap;
}

void xb_put(struct xbuf *x, int c, int attr)
{
	if (x->n == x->cap)
		xb_grow(x, x->n + 1);
	x->c[x->n] = (char)c;
	x->a[x->n++] = (unsigned char)attr;
}

static void xb_putn(struct xbuf *x, const char *s, size_t n, int attr)
{
	if (n == 0)
		return;
	if (x->n + n > x->cap)
		xb_grow(x, x->n + n);
	memcpy(x->c + x->n, s, n);
	memset(x->a + x->n, attr, n);
	x->n += n;
}

void xb_puts(struct xbuf *x, const char *s, int attr)
{
	xb_putn(x, s, strlen(s), attr);
}

void args_init(struct args *a)
{
	a->n = 0;
	a->cap = 16;
	a->v = (char **)tmp_alloc((size_t)a->cap * sizeof *a->v) + 1;
	a->v[-1] = a->v[0] = NULL;
}

void args_add(struct args *a, char *s)
{
	if (a->n + 2 >= a->cap) { /* the slot before, and the NULL after */
		char **v = (char **)tmp_alloc((size_t)a->cap * 2 * sizeof *v) + 1;

		memcpy(v, a->v, (size_t)a->n * sizeof *v);
		v[-1] = NULL;
		a->v = v;
		a->cap *= 2;
	}
	a->v[a->n++] = s;
	a->v[a->n] = NULL;
}

/* Expand a tilde prefix at s; returns how many characters it took, 0 when it is none. */
static size_t tilde(struct xbuf *x, const char *s, bool in_assign, bool more_parts)
{
	size_t n = 1;
	const char *dir;

	while (s[n] != '\0' && s[n] != '/' && !(in_assign && s[n] == ':'))
		n++;
	if (s[n] == '\0' && more_parts)
		return 0;
	if (n == 1) {
		dir = var_get("HOME");
		if (dir == NULL)
			return 0;
	} else {
		struct passwd *pw = getpwnam(tmp_strn(s + 1, n - 1));

		if (pw == NULL)
			return 0;
		dir = pw->pw_dir;
	}
	if (*dir == '\0')
		xb_put(x, 0, A_NULL);
	else
		xb_puts(x, dir, A_QUOTED);
	return n;
}

static void expand_lit(struct xbuf *x, struct wpart *w, bool first, int flags)
{
	const char *s = w->str;
	int attr = w->quoted ? A_QUOTED : (flags & X_INPARAM) ? A_SPLIT : A_LIT;
	bool at_start = first;

	if (w->quoted) {
		if (*s == '\0')
			xb_put(x, 0, A_NULL);
		else
			xb_puts(x, s, attr);
		return;
	}
	if (!(flags & X_ASSIGN)) {
		if (first && *s == '~' && (flags & X_TILDE))
			s += tilde(x, s, false, w->next != NULL);
		xb_puts(x, s, attr);
		return;
	}
	for (; *s; s++) { /* in an assignment a tilde counts after each colon too */
		if (*s == '~' && at_start) {
			size_t n = tilde(x, s, true, w->next != NULL);

			if (n > 0) {
				s += n;
				if (*s == '\0')
					return;
			}
		}
		xb_put(x, *s, attr);
		at_start = *s == ':';
	}
}

static void value_out(struct xbuf *x, const char *s, bool quoted)
{
	if (quoted && *s == '\0')
		xb_put(x, 0, A_NULL);
	else
		xb_puts(x, s, quoted ? A_QUOTED : A_SPLIT);
}

/* $@ and $*. */
static void expand_params(struct xbuf *x, int which, bool quoted, int flags)
{
	const char *ifs = var_ifs();
	int i;

	for (i = 0; i < sh.params.n; i++) {
		if (i > 0) {
			if (flags & X_NOJOIN) { /* no fields here */
				if (which == '@')
					xb_put(x, ' ', quoted ? A_QUOTED : A_SPLIT);
				else if (*ifs)
					xb_put(x, *ifs, quoted ? A_QUOTED : A_SPLIT);
			} else if (which == '@' || !quoted) {
				xb_put(x, 0, A_BREAK);
			} else if (*ifs) {
				xb_put(x, *ifs, A_QUOTED);
			}
		}
		value_out(x, sh.params.v[i], quoted);
	}
	if (sh.params.n == 0 && quoted && which == '*')
		xb_put(x, 0, A_NULL);
}

/* Remove the shortest or longest matching prefix or suffix. */
static void trim(const char **sp, const char **ep, const char *pat, int op)
{
	const char *s = *sp, *e = *ep, *p;

	switch (op) {
	case P_HASH:
		for (p = s; p <= e; p++)
			if (pat_match(pat, s, p)) {
				*sp = p;
				return;
			}
		break;
	case P_HHASH:
		for (p = e; p >= s; p--)
			if (pat_match(pat, s, p)) {
				*sp = p;
				return;
			}
		break;
	case P_PCT:
		for (p = e; p >= s; p--)
			if (pat_match(pat, p, e)) {
				*ep = p;
				return;
			}
		break;
	case P_PPCT:
		for (p = s; p <= e; p++)
			if (pat_match(pat, p, e)) {
				*ep = p;
				return;
			}
		break;
	}
}

static _Noreturn void unset_error(const char *name, const char *msg)
{
	sh_error("%s: %s", name, msg);
}

static void expand_trimmed(struct xbuf *x, const char *val, struct wpart *w)
{
	const char *s = val, *e;
	char *pat = expand_pattern(w->arg);

	e = s + strlen(s);
	trim(&s, &e, pat, w->op);
	if (s == e && w->quoted)
		xb_put(x, 0, A_NULL);
	else
		xb_putn(x, s, (size_t)(e - s), w->quoted ? A_QUOTED : A_SPLIT);
}

static void expand_param(struct xbuf *x, struct wpart *w, int flags)
{
	const char *name = w->str, *val;
	char buf[32];
	bool list = (name[0] == '@' || name[0] == '*') && name[1] == '\0', missing;

	if (list)
		val = sh.params.n == 0 ? NULL : sh.params.n == 1 && sh.params.v[0][0] == '\0' ? "" : "x";
	else if (is_name(name))
		val = var_get(name);
	else
		val = param_special(name, buf);
	missing = val == NULL || (w->colon && *val == '\0');

	switch (w->op) {
	case P_LEN:
		if (val == NULL && optv['u'] && !list)
			unset_error(name, "parameter not set");
		xb_puts(x, num_str(buf + sizeof buf, list ? sh.params.n : val ? (long)strlen(val) : 0), w->quoted ? A_QUOTED : A_SPLIT);
		return;
	case P_MINUS:
		if (missing) {
			if (w->arg == NULL && w->quoted)
				xb_put(x, 0, A_NULL);
			expand_parts(x, w->arg, (flags & ~X_ASSIGN) | X_INPARAM | X_TILDE);
			return;
		}
		break;
	case P_PLUS:
		if (missing || w->arg == NULL) {
			if (w->quoted)
				xb_put(x, 0, A_NULL);
			return;
		}
		expand_parts(x, w->arg, (flags & ~X_ASSIGN) | X_INPARAM | X_TILDE);
		return;
	case P_ASSIGN:
		if (missing) {
			char *v;

			if (!is_name(name))
				sh_error("%s: cannot assign in this way", name);
			v = expand_one(w->arg, X_TILDE);
			var_set(name, v, 0);
			value_out(x, v, w->quoted);
			return;
		}
		break;
	case P_ERROR:
		if (missing) {
			const char *msg = w->arg ? expand_one(w->arg, X_TILDE) : "";

			unset_error(name, *msg ? msg : "parameter not set");
		}
		break;
	case P_HASH: case P_HHASH: case P_PCT: case P_PPCT:
		if (val == NULL) {
			if (optv['u'] && !list)
				unset_error(name, "parameter not set");
			val = "";
		}
		if (list) {
			int i;

			for (i = 0; i < sh.params.n; i++) {
				if (i > 0)
					xb_put(x, flags & X_NOJOIN ? ' ' : 0, flags & X_NOJOIN ? A_QUOTED : A_BREAK);
				expand_trimmed(x, sh.params.v[i], w);
			}
		} else {
			expand_trimmed(x, val, w);
		}
		return;
	}
	if (list) {
		expand_params(x, name[0], w->quoted, flags);
	} else {
		if (val == NULL) {
			if (optv['u'])
				unset_error(name, "parameter not set");
			val = "";
		}
		value_out(x, val, w->quoted);
	}
}

static void expand_cmdsub(struct xbuf *x, struct wpart *w)
{
	size_t n = 0;
	char *s = cmdsub_output(w->cmd, &n);

	while (n > 0 && s[n - 1] == '\n')
		n--;
	if (n == 0 && w->quoted)
		xb_put(x, 0, A_NULL);
	else
		xb_putn(x, s, n, w->quoted ? A_QUOTED : A_SPLIT);
}

void expand_parts(struct xbuf *x, struct wpart *w, int flags)
{
	bool first = true;

	for (; w != NULL; w = w->next, first = false) {
		switch (w->type) {
		case W_LIT:
			expand_lit(x, w, first, flags);
			break;
		case W_PARAM:
			expand_param(x, w, flags);
			break;
		case W_CMD:
			expand_cmdsub(x, w);
			break;
		case W_ARITH: {
			char buf[32];

			xb_puts(x, num_str(buf + sizeof buf, (long)arith_eval(expand_one(w->arg, 0))), w->quoted ? A_QUOTED : A_SPLIT);
			break;
		}
		}
	}
}

char *expand_one(struct wpart *w, int flags)
{
	struct xbuf x = { 0 };
	size_t i, n = 0;

	if (w == NULL)
		return tmp_strn("", 0);
	if (w->next == NULL && w->type == W_LIT && (w->quoted || strchr(w->str, '~') == NULL))
		return w->str;
	expand_parts(&x, w, flags | X_NOJOIN);
	xb_put(&x, 0, A_LIT);
	for (i = 0; i < x.n; i++) {
		if (x.a[i] != A_NULL)
			x.c[n++] = x.c[i];
	}
	return x.c;
}

char *expand_pattern(struct wpart *w)
{
	struct xbuf x = { 0 };

	expand_parts(&x, w, X_TILDE | X_NOJOIN);
	return xb_pattern(&x, 0, x.n, NULL);
}

void expand_word(struct wpart *w, struct args *out)
{
	struct xbuf x = { 0 };

	if (w->next == NULL && w->type == W_LIT && (w->quoted || (strchr(w->str, '~') == NULL && !glob_magic(w->str)))) {
		args_add(out, w->str);
		return;
	}
	expand_parts(&x, w, X_TILDE);
	split_fields(&x, out);
}

char *expand_prompt(const char *s)
{
	struct arena *outer = lx_arena, *a;
	struct lexer save = lx;
	int status = sh.status, exc;
	struct sh_try t;
	char *volatile res = (char *)"";

	if (s == NULL)
		return (char *)"";
	if (strpbrk(s, "$`\\") == NULL)
		return tmp_str(s);
	a = lx_arena = arena_new();
	sh_try_enter(&t);
	exc = setjmp(t.jb);
	if (exc == 0) {
		res = tmp_str(expand_one(lx_string(s), 0));
		sh_try_leave(&t);
	} else {
		res = tmp_str(s);
	}
	lx_arena = outer;
	lx = save;
	arena_drop(a);
	sh.status = status;
	return res;
}

bool parts_pure(struct wpart *w, bool allow_cmd)
{
	for (; w != NULL; w = w->next) {
		if (w->type == W_ARITH || (w->type == W_CMD && !allow_cmd))
			return false;
		if (w->type == W_PARAM && (w->op == P_ASSIGN || w->op == P_ERROR || optv['u'] || !parts_pure(w->arg, allow_cmd)))
			return false;
	}
	return true;
}

bool words_pure(struct word *w, bool allow_cmd)
{
	for (; w != NULL; w = w->next)
		if (!parts_pure(w->parts, allow_cmd))
			return false;
	return true;
}
