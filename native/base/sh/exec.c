/*
 * exec.c: walks the syntax tree.
 *
 * eval sets and returns $?. EV_EXIT says that the process ends with this command, so nothing need be
 * saved and the last external command may replace the process; EV_TESTED that set -e does not apply.
 * break, continue and return are sh.skip, looked at after every command of a list or loop.
 */
#include "sh.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Noreturn void sh_exit(int status)
{
	sh.status = status;
	sh_throw(EXC_EXIT);
}

/* Run n as the whole life of this (forked) process. */
_Noreturn void child_run(struct node *n, int flags)
{
	struct sh_try t;

	sh_cur_try = NULL;
	sh_try_enter(&t);
	if (setjmp(t.jb) == 0) {
		eval(n, flags | EV_EXIT);
		sh_try_leave(&t);
	}
	sh_terminate();
}

pid_t sh_fork(struct job *j, bool bg)
{
	pid_t pid;

	out_flush();
	pid = fork();
	if (pid < 0)
		sh_error("cannot fork: %s", strerror(errno));
	if (pid == 0)
		child_init(j, bg);
	else if (j != NULL && j->jobctl)
		setpgid(pid, j->pgid ? j->pgid : pid); /* the child does the same: neither may be late */
	return pid;
}

void pipe_fds_use(const struct pipe_fds *pf)
{
	if (pf == NULL)
		return;
	if (pf->other >= 0)
		close(pf->other);
	if (pf->in > 0) {
		dup2(pf->in, 0);
		close(pf->in);
	}
	if (pf->out >= 0 && pf->out != 1) {
		dup2(pf->out, 1);
		close(pf->out);
	}
}

static char *text_for_job(struct node *n, bool bg)
{
	return sh.jobctl || bg ? sh_strdup(node_text(n)) : NULL;
}

/* Start the members of a pipeline (or one command) as a job. */
static struct job *start_job(struct node *n, bool bg)
{
	struct job *j = job_new();
	struct node *m = n->type == N_PIPE ? n->a : n;
	int prev = -1;
	struct mark mark = tmp_mark();

	for (; m != NULL; m = n->type == N_PIPE ? m->next : NULL) {
		struct pipe_fds pf = { prev, -1, -1 };
		int p[2] = { -1, -1 };

		if (n->type == N_PIPE && m->next != NULL) {
			if (pipe(p) < 0) {
				if (prev >= 0)
					close(prev);
				sh_error("cannot create a pipe: %s", strerror(errno));
			}
			if (p[0] == 0) /* standard input is closed: keep the pipe out of its way */
				p[0] = fd_private(p[0]);
			pf.out = p[1];
			pf.other = p[0];
		}
		if (!simple_spawn(m, j, &pf, bg, false)) {
			bool grouped = j->jobctl; /* the child forgets all jobs, this one too */
			pid_t pid = sh_fork(j, bg);

			if (pid == 0) {
				if (bg && !grouped && prev < 0) {
					close(0);
					open("/dev/null", O_RDONLY); /* the lowest free one: standard input */
				}
				pipe_fds_use(&pf);
				child_run(m, EV_EXIT);
			}
			job_add(j, pid, text_for_job(m, bg));
		}
		if (prev >= 0)
			close(prev);
		if (p[1] >= 0)
			close(p[1]);
		prev = p[0];
	}
	tmp_release(mark);
	return j;
}

static int eval_subshell(struct node *n, int flags)
{
	struct job *j;
	pid_t pid;

	if ((flags & EV_INCHILD) || ((flags & EV_EXIT) && !trap_any() && !sh.jobctl)) {
		if (n->redirs != NULL && redir_push(redir_plan(n->redirs), false) < 0)
			sh_exit(2);
		eval(n->a, flags & ~EV_INCHILD);
		sh_exit(sh.status);
	}
	j = job_new();
	pid = sh_fork(j, false);
	if (pid == 0) {
		child_run(n, (flags & EV_TESTED) | EV_EXIT | EV_INCHILD);
	}
	job_add(j, pid, text_for_job(n, false));
	return job_wait_fg(j);
}

char *cmdsub_output(struct node *n, size_t *len)
{
	struct sbuf b;
	struct job *j;
	struct pipe_fds pf;
	int p[2];

	sb_init(&b);
	if (n == NULL) {
		sh.sub_status = sh.status = 0;
		*len = 0;
		return (char *)"";
	}
	/* a builtin that does nothing but print needs no process */
	if (n->type == N_SIMPLE && n->words != NULL && n->assigns == NULL && n->redirs == NULL && !optv['x'] && words_pure(n->words, true)) {
		const char *name = lx_literal(n->words->parts);
		const struct builtin *bi = name != NULL && func_find(name) == NULL ? builtin_find(name) : NULL;

		if (bi != NULL && (bi->flags & B_PURE)) {
			struct args a;
			struct word *w;
			struct sbuf *outer = out_capture;
			int lineno = sh.lineno;

			args_init(&a);
			for (w = n->words; w != NULL; w = w->next)
				expand_word(w->parts, &a);
			out_capture = &b;
			sh.sub_status = sh.status = builtin_run(bi, a.n, a.v);
			out_capture = outer;
			sh.lineno = lineno;
			*len = b.len;
			return b.s;
		}
	}
	if (pipe(p) < 0)
		sh_error("cannot create a pipe: %s", strerror(errno));
	p[0] = fd_private(p[0]);
	j = job_new();
	j->jobctl = false;
	pf = (struct pipe_fds){ -1, p[1], -1 };
	if (!simple_spawn(n, j, &pf, false, true)) {
		pid_t pid = sh_fork(j, false);

		if (pid == 0) {
			pipe_fds_use(&pf);
			child_run(n, EV_EXIT);
		}
		job_add(j, pid, NULL);
	}
	close(p[1]);
	for (;;) {
		char buf[4096];
		ssize_t r = read(p[0], buf, sizeof buf), i, from;

		if (r < 0 && errno == EINTR && !sig_int)
			continue;
		if (r <= 0)
			break;
		for (from = i = 0; i < r; i++) { /* no NUL can be in a value */
			if (buf[i] == '\0') {
				sb_putn(&b, buf + from, (size_t)(i - from));
				from = i + 1;
			}
		}
		sb_putn(&b, buf + from, (size_t)(r - from));
	}
	close(p[0]);
	sh.sub_status = sh.status = job_wait_fg(j);
	sh_check_signals();
	*len = b.len;
	return b.s;
}

/* After a loop body: true when the loop is to end. */
static bool loop_skip(void)
{
	if (sh.skip == SKIP_NONE)
		return false;
	if (sh.skip == SKIP_RETURN || --sh.skipcount > 0)
		return true;
	if (sh.skip == SKIP_BREAK) {
		sh.skip = SKIP_NONE;
		return true;
	}
	sh.skip = SKIP_NONE;
	return false;
}

static int eval_while(struct node *n, int flags)
{
	int status = 0;

	sh.loopnest++;
	for (;;) {
		struct mark m = tmp_mark();
		int c = eval(n->a, EV_TESTED);

		if (sh.skip != SKIP_NONE) {
			if (loop_skip())
				break;
			continue;
		}
		if ((c == 0) == (n->type == N_UNTIL))
			break;
		status = eval(n->b, flags & EV_TESTED);
		tmp_release(m);
		if (loop_skip())
			break;
	}
	sh.loopnest--;
	return sh.skip == SKIP_RETURN ? sh.status : status;
}

static int eval_for(struct node *n, int flags)
{
	struct args a;
	struct word *w;
	int i, status = 0;

	args_init(&a);
	if (n->has_in) {
		for (w = n->words; w != NULL; w = w->next)
			expand_word(w->parts, &a);
	} else {
		for (i = 0; i < sh.params.n; i++)
			args_add(&a, tmp_str(sh.params.v[i]));
	}
	sh.loopnest++;
	for (i = 0; i < a.n; i++) {
		struct mark m = tmp_mark();

		sh.lineno = n->line;
		var_set(n->name, a.v[i], 0);
		status = eval(n->b, flags & EV_TESTED);
		tmp_release(m);
		if (loop_skip())
			break;
	}
	sh.loopnest--;
	return sh.skip == SKIP_RETURN ? sh.status : status;
}

static int eval_case(struct node *n, int flags)
{
	char *s = expand_one(n->words->parts, X_TILDE);
	struct citem *it;
	int status = 0;

	for (it = n->items; it != NULL; it = it->next) {
		struct word *w;

		for (w = it->pats; w != NULL; w = w->next)
			if (pat_match(expand_pattern(w->parts), s, s + strlen(s)))
				goto found;
	}
	return 0;
found:
	for (; it != NULL; it = it->next) {
		status = it->body != NULL ? eval(it->body, flags) : 0;
		if (!it->fallthrough || sh.skip != SKIP_NONE)
			break;
	}
	return status;
}

static int eval_compound(struct node *n, int flags)
{
	int status;

	switch (n->type) {
	case N_GROUP:
		return eval(n->a, flags);
	case N_IF:
		status = eval(n->a, EV_TESTED);
		if (sh.skip != SKIP_NONE)
			return status;
		if (status == 0)
			return eval(n->b, flags);
		return n->c != NULL ? eval(n->c, flags) : 0;
	case N_WHILE:
	case N_UNTIL:
		return eval_while(n, flags);
	case N_FOR:
		return eval_for(n, flags);
	default:
		return eval_case(n, flags);
	}
}

int eval(struct node *n, int flags)
{
	int status = 0;
	bool check = false;
	struct mark mark;

	if (n == NULL) {
		sh.status = 0;
		goto out;
	}
	if (optv['n'] && !sh.interactive)
		return 0;
	if (sig_any)
		sh_check_signals();
	mark = tmp_mark();
	sh.lineno = n->line;
	switch (n->type) {
	case N_SIMPLE:
		status = eval_simple(n, flags);
		check = true;
		break;
	case N_PIPE:
		status = job_wait_fg(start_job(n, false));
		check = true;
		break;
	case N_SUBSHELL:
		status = eval_subshell(n, flags);
		check = true;
		break;
	case N_NOT:
		status = eval(n->a, EV_TESTED);
		if (sh.skip == SKIP_NONE)
			status = !status;
		break;
	case N_AND:
	case N_OR:
		status = eval(n->a, EV_TESTED);
		if (sh.skip == SKIP_NONE && (status == 0) == (n->type == N_AND))
			status = eval(n->b, flags);
		break;
	case N_SEQ: {
		struct node *m;

		for (m = n->a; m != NULL; m = m->next) {
			status = eval(m, m->next != NULL ? flags & ~EV_EXIT : flags);
			if (sh.skip != SKIP_NONE)
				break;
		}
		break;
	}
	case N_BG:
		job_background(start_job(n->a, true));
		break;
	case N_FUNC:
		func_define(n->name, n->a, n->arena);
		break;
	default:
		if (n->redirs != NULL) {
			int level = redir_level();

			if (redir_push(redir_plan(n->redirs), true) < 0) {
				status = 2;
				check = true;
			} else {
				status = eval_compound(n, flags & ~EV_EXIT);
			}
			redir_pop_to(level);
		} else {
			status = eval_compound(n, flags);
		}
	}
	tmp_release(mark);
	sh.status = status;
	if (check && status != 0 && optv['e'] && !(flags & EV_TESTED))
		sh_exit(status);
	if (sig_any)
		sh_check_signals();
out:
	if (flags & EV_EXIT)
		sh_exit(sh.status);
	return sh.status;
}

/* Commands from the current input until its end. A syntax error throws. */
int eval_input(int flags)
{
	int status = 0;

	for (;;) {
		struct tree t;
		struct sh_try tr;
		int r, exc;

		r = parse_command(&t);
		if (r == PARSE_EOF) {
			arena_drop(t.arena);
			break;
		}
		if (t.node == NULL || optv['n']) {
			arena_drop(t.arena);
			continue;
		}
		sh_try_enter(&tr);
		exc = setjmp(tr.jb);
		if (exc != 0) {
			arena_drop(t.arena);
			sh_throw(exc);
		}
		status = eval(t.node, (flags & EV_EXIT) && in_at_eof() ? flags : flags & ~EV_EXIT);
		sh_try_leave(&tr);
		arena_drop(t.arena);
		if (sh.skip != SKIP_NONE)
			break;
	}
	return status;
}

int eval_string(const char *s, int flags)
{
	int line = in_lineno(), status;

	in_push_string(s, NULL, false);
	if (line > 0 && sh.lineno > 0)
		in_set_lineno(sh.lineno);
	status = eval_input(flags);
	in_pop();
	return status;
}
