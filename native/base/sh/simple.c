/*
 * simple.c: simple commands: what the words name (special builtin, function, builtin, program), where
 * assignments go, and when vfork will do.
 *
 * A program is started with vfork whenever everything has been expanded in this process and no
 * redirection can block in open(2); see spawn.c for what the child may touch.
 */
#include "sh.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void trace_word(struct sbuf *b, const char *s)
{
	if (*s != '\0' && strpbrk(s, " \t\n'\"\\$`*?[]();&|<>~#") == NULL) {
		sb_puts(b, s);
		return;
	}
	sb_putc(b, '\'');
	for (; *s; s++) {
		if (*s == '\'')
			sb_puts(b, "'\\''");
		else
			sb_putc(b, *s);
	}
	sb_putc(b, '\'');
}

void xtrace(struct assign *as, char **vals, char **argv)
{
	struct sbuf b;
	int i;

	out_flush();
	sb_init(&b);
	optv['x'] = 0; /* not while PS4 is expanded */
	sb_puts(&b, expand_prompt(var_get("PS4")));
	optv['x'] = 1;
	for (i = 0; as != NULL; as = as->next, i++) {
		sb_puts(&b, as->name);
		sb_putc(&b, '=');
		if (*vals[i])
			trace_word(&b, vals[i]);
		if (as->next != NULL || *argv != NULL)
			sb_putc(&b, ' ');
	}
	for (i = 0; argv[i] != NULL; i++) {
		if (i > 0)
			sb_putc(&b, ' ');
		trace_word(&b, argv[i]);
	}
	sb_putc(&b, '\n');
	err_n(b.s, b.len);
}

/* Words of the command; NAME=value operands of export and its like are not split. */
static void expand_args(struct node *n, struct args *a)
{
	struct word *w;
	bool decl = false;

	args_init(a);
	for (w = n->words; w != NULL; w = w->next) {
		const char *s = w->parts->type == W_LIT && !w->parts->quoted ? w->parts->str : "";
		size_t len;

		if (decl && (len = name_len(s)) > 0 && s[len] == '=') {
			struct xbuf x = { 0 };
			struct wpart rest = *w->parts;
			char *val;

			rest.str = (char *)s + len + 1;
			val = *rest.str == '\0' ? expand_one(rest.next, X_TILDE | X_ASSIGN) : expand_one(&rest, X_TILDE | X_ASSIGN);
			xb_puts(&x, tmp_strn(s, len + 1), A_QUOTED);
			xb_puts(&x, val, A_QUOTED);
			xb_put(&x, 0, A_QUOTED);
			args_add(a, x.c);
			continue;
		}
		expand_word(w->parts, a);
		if (w == n->words && a->n > 0) {
			const struct builtin *b = builtin_find(a->v[0]);

			decl = (b != NULL && (b->flags & B_ASSIGN)) || strcmp(a->v[0], "command") == 0;
		}
	}
}

static char **expand_assigns(struct node *n, int *count)
{
	struct assign *as;
	char **vals;
	int k = 0;

	for (as = n->assigns; as != NULL; as = as->next)
		k++;
	*count = k;
	if (k == 0)
		return NULL;
	vals = tmp_alloc((size_t)k * sizeof *vals);
	for (k = 0, as = n->assigns; as != NULL; as = as->next)
		vals[k++] = expand_one(as->value, X_TILDE | X_ASSIGN);
	return vals;
}

static char *join(const char *name, const char *val)
{
	size_t n = strlen(name), v = strlen(val);
	char *s = tmp_alloc(n + v + 2);

	memcpy(s, name, n);
	s[n] = '=';
	memcpy(s + n + 1, val, v + 1);
	return s;
}

/* The environment with the command's own assignments; *path is the PATH that finds it. */
static char **command_env(struct node *n, char **vals, int nvals, const char **path)
{
	char **extra = tmp_alloc(((size_t)nvals + 1) * sizeof *extra);
	struct assign *as;
	int i = 0;

	for (as = n->assigns; as != NULL; as = as->next, i++) {
		struct var *v = var_find(as->name);

		if (v != NULL && (v->flags & V_READONLY))
			sh_error("%s: is read only", as->name);
		extra[i] = join(as->name, vals[i]);
		if (strcmp(as->name, "PATH") == 0)
			*path = vals[i];
	}
	return var_environ(extra, nvals);
}

static const char *find_file(const char *name, const char *path, int *err)
{
	return path != NULL ? path_search(name, path, err) : path_lookup(name, err);
}

static int not_found(const char *name, int err)
{
	if (err == ENOENT || err == ENOTDIR) {
		if (strchr(name, '/') != NULL)
			return sh_fail(127, "%s: %s", name, strerror(err));
		return sh_fail(127, "%s: not found", name);
	}
	return sh_fail(126, "%s: %s", name, strerror(err));
}

static int run_external(struct node *n, struct args *a, const char *path, int flags)
{
	int nvals, err = 0, level = redir_level();
	struct rplan *plan = redir_plan(n->redirs);
	char **vals = expand_assigns(n, &nvals), **env;
	const char *file;
	struct job *j;
	pid_t pid;

	if (optv['x'])
		xtrace(n->assigns, vals, a->v);
	env = command_env(n, vals, nvals, &path);
	file = find_file(a->v[0], path, &err);
	if (file == NULL) {
		int status = redir_push(plan, true) < 0 ? 2 : not_found(a->v[0], err);

		redir_pop_to(level);
		return status;
	}
	if ((flags & EV_EXIT) && !trap_any() && !sh.jobctl) {
		if (redir_push(plan, false) < 0)
			sh_exit(2);
		trap_restore_for_exec(false);
		exec_external(a->v, env, file);
	}
	j = job_new();
	if (redir_may_block(plan)) {
		bool grouped = j->jobctl;

		pid = sh_fork(j, false);
		if (pid == 0) {
			if (redir_push(plan, false) < 0)
				_exit(2);
			trap_restore_for_exec(grouped);
			exec_external(a->v, env, file);
		}
		redir_close_plan(plan);
	} else {
		pid = spawn_external(a->v, env, file, plan, j, NULL, false);
	}
	job_add(j, pid, sh.jobctl ? sh_strdup(node_text(n)) : NULL);
	return job_wait_fg(j);
}

/*
 * Start an external command of a pipeline, a background job or a command substitution with vfork,
 * if expanding it here cannot be told from expanding it in a child. False: the caller forks.
 */
bool simple_spawn(struct node *n, struct job *j, const struct pipe_fds *pf, bool bg, bool allow_cmd)
{
	struct args a;
	struct assign *as;
	struct redir *r;
	struct rplan *plan;
	const char *name, *path = NULL, *file;
	char **vals, **env;
	int nvals, err;
	pid_t pid;

	if (n->type != N_SIMPLE || n->words == NULL || optv['x'])
		return false;
	name = lx_literal(n->words->parts);
	if (name == NULL || strchr(name, '~') != NULL || glob_magic(name) || func_find(name) != NULL || builtin_find(name) != NULL)
		return false;
	if (!words_pure(n->words, allow_cmd))
		return false;
	for (as = n->assigns; as != NULL; as = as->next) {
		struct var *v = var_find(as->name);

		if (!parts_pure(as->value, allow_cmd) || (v != NULL && (v->flags & V_READONLY)) || strcmp(as->name, "PATH") == 0)
			return false;
	}
	for (r = n->redirs; r != NULL; r = r->next)
		if (r->op == R_HERE || r->op == R_DUPIN || r->op == R_DUPOUT ? lx_literal(r->target) == NULL : !parts_pure(r->target, allow_cmd))
			return false;
	file = path_lookup(name, &err);
	if (file == NULL)
		return false;
	expand_args(n, &a);
	plan = redir_plan(n->redirs);
	if (redir_may_block(plan)) {
		redir_close_plan(plan);
		return false;
	}
	vals = expand_assigns(n, &nvals);
	env = command_env(n, vals, nvals, &path);
	pid = spawn_external(a.v, env, file, plan, j, pf, bg);
	job_add(j, pid, sh.jobctl || bg ? sh_strdup(node_text(n)) : NULL);
	return true;
}

/* Assignments and redirections without a command. */
static int run_bare(struct node *n, char **noargs)
{
	int level = redir_level(), status, k = 0;
	struct assign *as;
	char *vals[1];

	if (n->redirs != NULL) {
		if (redir_push(redir_plan(n->redirs), true) < 0) {
			redir_pop_to(level);
			return 2;
		}
	}
	for (as = n->assigns; as != NULL; as = as->next, k++) {
		char *v = expand_one(as->value, X_TILDE | X_ASSIGN);

		if (optv['x']) {
			struct assign one = *as;

			one.next = NULL;
			vals[0] = v;
			xtrace(&one, vals, noargs);
		}
		var_set(as->name, v, 0);
	}
	redir_pop_to(level);
	status = sh.sub_status >= 0 ? sh.sub_status : 0;
	return status;
}

static void set_assigns(struct node *n, char **vals, bool scoped)
{
	struct assign *as;
	int i = 0;

	for (as = n->assigns; as != NULL; as = as->next, i++) {
		if (scoped)
			local_add(as->name);
		var_set(as->name, vals[i], scoped ? V_EXPORT : 0);
	}
}

/* A builtin or function, in this process. */
static int run_internal(struct node *n, struct args *a, const struct builtin *b, struct func *f, bool special, int flags)
{
	int level = redir_level(), locals = local_level(), nvals, status;
	struct rplan *plan = redir_plan(n->redirs);
	char **vals = expand_assigns(n, &nvals);
	bool is_exec = b != NULL && strcmp(b->name, "exec") == 0;

	if (optv['x'])
		xtrace(n->assigns, vals, a->v);
	if (redir_push(plan, !(is_exec && a->n == 1 && !sh.interactive && sh.subshell > 0)) < 0) {
		redir_pop_to(level);
		if (special) {
			sh.status = 2;
			sh_throw(EXC_ERROR);
		}
		return 2;
	}
	if (n->assigns != NULL) {
		if (!special)
			local_push();
		set_assigns(n, vals, !special);
	}
	if (f != NULL) {
		status = func_call(f, a->v, a->n, flags & EV_TESTED);
	} else if (special) {
		status = builtin_run(b, a->n, a->v);
	} else {
		/* an error in a builtin that is not special does not end the shell */
		struct sh_try t;
		int exc;

		sh_try_enter(&t);
		exc = setjmp(t.jb);
		if (exc == 0) {
			status = builtin_run(b, a->n, a->v);
			sh_try_leave(&t);
		} else if (exc == EXC_ERROR) {
			status = sh.status ? sh.status : 2;
		} else {
			sh_throw(exc);
		}
	}
	if (n->assigns != NULL && !special)
		local_pop_to(locals);
	if (is_exec)
		redir_keep(level);
	else
		redir_pop_to(level);
	return status;
}

int eval_simple(struct node *n, int flags)
{
	struct args a;
	const struct builtin *b;
	struct func *f = NULL;
	const char *path = NULL;
	bool special, plain = false;

	sh.sub_status = -1;
	expand_args(n, &a);
	if (a.n == 0)
		return run_bare(n, a.v);
	/* `command name` is the command without functions, and without what makes a builtin special */
	while (strcmp(a.v[0], "command") == 0 && (plain || func_find("command") == NULL)) {
		int i = 1;

		if (a.n > 1 && strcmp(a.v[1], "-p") == 0) {
			path = "/bin:/usr/bin:/sbin:/usr/sbin";
			i++;
		}
		if (i < a.n && strcmp(a.v[i], "--") == 0)
			i++;
		if (i >= a.n || a.v[i][0] == '-')
			break;
		plain = true;
		a.v += i;
		a.n -= i;
	}
	b = builtin_find(a.v[0]);
	special = b != NULL && (b->flags & B_SPECIAL);
	if (!plain && !special)
		f = func_find(a.v[0]);
	if (f != NULL || b != NULL)
		return run_internal(n, &a, f != NULL ? NULL : b, f, special && !plain, flags);
	return run_external(n, &a, path, flags);
}
