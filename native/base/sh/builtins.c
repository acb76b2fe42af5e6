/*
 * builtins.c: the table of builtins and what concerns control flow: eval . break continue return exit
 * exec, and finding out what a name is (command, type, hash).
 */
#include "sh.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DECLARE(f) int f(int argc, char **argv);
DECLARE(bi_alias) DECLARE(bi_unalias) DECLARE(bi_set) DECLARE(bi_shift) DECLARE(bi_getopts) DECLARE(bi_bg) DECLARE(bi_fg)
DECLARE(bi_jobs) DECLARE(bi_kill) DECLARE(bi_wait) DECLARE(bi_cd) DECLARE(bi_pwd) DECLARE(bi_export) DECLARE(bi_local)
DECLARE(bi_unset) DECLARE(bi_read) DECLARE(bi_test) DECLARE(bi_echo) DECLARE(bi_printf) DECLARE(bi_times) DECLARE(bi_umask)
DECLARE(bi_ulimit)

static int number_arg(int argc, char **argv, int dflt)
{
	char *end;
	long long n;

	if (argc < 2)
		return dflt;
	n = arith_number(argv[1], &end);
	if (end == argv[1] || *end != '\0')
		sh_error("%s: bad number: %s", argv[0], argv[1]);
	return (int)n;
}

static int bi_true(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

static int bi_false(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return 1;
}

static int bi_break(int argc, char **argv)
{
	int n = number_arg(argc, argv, 1);

	if (n < 1)
		sh_error("%s: bad number: %s", argv[0], argv[1]);
	if (n > sh.loopnest)
		n = sh.loopnest;
	if (n > 0) {
		sh.skip = argv[0][0] == 'b' ? SKIP_BREAK : SKIP_CONT;
		sh.skipcount = n;
	}
	return 0;
}

static int bi_return(int argc, char **argv)
{
	int status = number_arg(argc, argv, sh.status) & 0xff;

	if (sh.funcnest == 0 && sh.dotnest == 0 && sh.interactive)
		sh_error("return: not in a function or a . script");
	sh.skip = SKIP_RETURN;
	return status;
}

static int bi_exit(int argc, char **argv)
{
	int status;

	if (sh.interactive && sh.subshell == 0 && !sh.exiting && job_any_stopped()) {
		sh.exiting = true;
		return sh_fail(1, "You have stopped jobs.");
	}
	status = number_arg(argc, argv, sh.status) & 0xff;
	sh_exit(status);
}

static int bi_eval(int argc, char **argv)
{
	struct sbuf b;
	int i;

	if (argc < 2)
		return 0;
	if (argc == 2)
		return eval_string(argv[1], 0);
	sb_init(&b);
	for (i = 1; i < argc; i++) {
		if (i > 1)
			sb_putc(&b, ' ');
		sb_puts(&b, argv[i]);
	}
	return eval_string(sb_str(&b), 0);
}

static int bi_dot(int argc, char **argv)
{
	const char *file = NULL, *path;
	int i = 1, status, e;

	if (i < argc && strcmp(argv[i], "--") == 0)
		i++;
	if (i >= argc)
		sh_error(".: file name needed");
	if (strchr(argv[i], '/') != NULL) {
		file = argv[i];
	} else {
		size_t nl = strlen(argv[i]);

		for (path = var_get("PATH"); path != NULL && file == NULL;) {
			size_t n = strcspn(path, ":");
			char *f = tmp_alloc(n + nl + 2);

			memcpy(f, path, n);
			if (n > 0)
				f[n++] = '/';
			memcpy(f + n, argv[i], nl + 1);
			if (access(f, R_OK) == 0)
				file = f;
			n = strcspn(path, ":");
			path = path[n] ? path + n + 1 : NULL;
		}
		if (file == NULL)
			sh_error(".: %s: not found", argv[i]);
	}
	e = in_push_file(file);
	if (e != 0)
		sh_error(".: cannot open %s: %s", file, strerror(e));
	sh.dotnest++;
	sh.status = 0;
	status = eval_input(0);
	sh.dotnest--;
	in_pop();
	if (sh.skip == SKIP_RETURN) {
		sh.skip = SKIP_NONE;
		status = sh.status;
	}
	return status;
}

static int bi_exec(int argc, char **argv)
{
	const char *file;
	int err = 0, i = 1;

	if (argc > 1 && strcmp(argv[1], "--") == 0)
		i++;
	if (i >= argc)
		return 0;
	file = path_lookup(argv[i], &err);
	if (file == NULL) {
		sh.status = err == ENOENT || err == ENOTDIR ? 127 : 126;
		sh_warn("exec: %s: %s", argv[i], err == ENOENT ? "not found" : strerror(err));
		if (!sh.interactive)
			sh_exit(sh.status);
		sh_throw(EXC_ERROR);
	}
	if (sh.jobctl)
		jobctl_set(false);
	trap_restore_for_exec(true);
	argv[i - 1] = (char *)"sh";
	exec_external(argv + i, var_environ(NULL, 0), file);
}

static const char *const keywords[] = { "!", "{", "}", "case", "do", "done", "elif", "else", "esac", "fi", "for", "if", "in", "then", "until", "while" };

/* Say what a name is. verbose: in a sentence. */
static int describe(const char *name, const char *path, bool verbose)
{
	const struct builtin *b;
	struct alias *a;
	const char *file;
	size_t i;
	int err;

	for (i = 0; i < sizeof keywords / sizeof *keywords; i++) {
		if (strcmp(keywords[i], name) == 0) {
			out_s(name);
			out_s(verbose ? " is a shell keyword\n" : "\n");
			return 0;
		}
	}
	if ((a = alias_find(name)) != NULL) {
		if (verbose) {
			out_s(name);
			out_s(" is an alias for ");
			out_s(a->value);
		} else {
			out_s("alias ");
			out_s(name);
			out_c('=');
			out_quoted(a->value);
		}
		out_c('\n');
		return 0;
	}
	b = builtin_find(name);
	if ((b == NULL || !(b->flags & B_SPECIAL)) && func_find(name) != NULL) {
		out_s(name);
		out_s(verbose ? " is a shell function\n" : "\n");
		return 0;
	}
	if (b != NULL) {
		out_s(name);
		out_s(!verbose ? "\n" : b->flags & B_SPECIAL ? " is a special shell builtin\n" : " is a shell builtin\n");
		return 0;
	}
	file = path != NULL ? path_search(name, path, &err) : path_lookup(name, &err);
	if (file == NULL) {
		if (verbose) {
			out_s(name);
			out_s(": not found\n");
		}
		return 127;
	}
	if (verbose) {
		out_s(name);
		out_s(" is ");
	}
	out_s(file);
	out_c('\n');
	return 0;
}

/* Only -v and -V come here; running a command is eval_simple's. */
static int bi_command(int argc, char **argv)
{
	struct optget g = { 0 };
	int c, mode = 0, status = 0;
	const char *path = NULL;

	while ((c = og_next(&g, argc, argv, "pvV")) != -1) {
		if (c == '?')
			return 2;
		if (c == 'p')
			path = "/bin:/usr/bin:/sbin:/usr/sbin";
		else
			mode = c;
	}
	if (mode == 0)
		return 0;
	for (; g.i < argc; g.i++)
		status |= describe(argv[g.i], path, mode == 'V');
	return status;
}

static int bi_type(int argc, char **argv)
{
	int i, status = 0;

	for (i = 1; i < argc; i++)
		status |= describe(argv[i], NULL, true);
	return status;
}

static int bi_hash(int argc, char **argv)
{
	struct optget g = { 0 };
	int c, status = 0;

	while ((c = og_next(&g, argc, argv, "r")) != -1) {
		if (c == '?')
			return 2;
		hash_clear();
	}
	if (argc == 1)
		hash_print();
	for (; g.i < argc; g.i++) {
		int err;

		if (builtin_find(argv[g.i]) == NULL && func_find(argv[g.i]) == NULL && path_lookup(argv[g.i], &err) == NULL)
			status = sh_fail(1, "hash: %s: not found", argv[g.i]);
	}
	return status;
}

static const struct builtin table[] = { /* sorted */
	{ ".", bi_dot, B_SPECIAL },
	{ ":", bi_true, B_SPECIAL },
	{ "[", bi_test, B_PURE },
	{ "alias", bi_alias, 0 },
	{ "bg", bi_bg, 0 },
	{ "break", bi_break, B_SPECIAL },
	{ "cd", bi_cd, 0 },
	{ "command", bi_command, 0 },
	{ "continue", bi_break, B_SPECIAL },
	{ "echo", bi_echo, B_PURE },
	{ "eval", bi_eval, B_SPECIAL },
	{ "exec", bi_exec, B_SPECIAL },
	{ "exit", bi_exit, B_SPECIAL },
	{ "export", bi_export, B_SPECIAL | B_ASSIGN },
	{ "false", bi_false, B_PURE },
	{ "fg", bi_fg, 0 },
	{ "getopts", bi_getopts, 0 },
	{ "hash", bi_hash, 0 },
	{ "jobs", bi_jobs, 0 },
	{ "kill", bi_kill, 0 },
	{ "local", bi_local, B_ASSIGN },
	{ "printf", bi_printf, B_PURE },
	{ "pwd", bi_pwd, B_PURE },
	{ "read", bi_read, 0 },
	{ "readonly", bi_export, B_SPECIAL | B_ASSIGN },
	{ "return", bi_return, B_SPECIAL },
	{ "set", bi_set, B_SPECIAL },
	{ "shift", bi_shift, B_SPECIAL },
	{ "test", bi_test, B_PURE },
	{ "times", bi_times, B_SPECIAL },
	{ "trap", bi_trap, B_SPECIAL },
	{ "true", bi_true, B_PURE },
	{ "type", bi_type, B_PURE },
	{ "ulimit", bi_ulimit, 0 },
	{ "umask", bi_umask, 0 },
	{ "unalias", bi_unalias, 0 },
	{ "unset", bi_unset, B_SPECIAL },
	{ "wait", bi_wait, 0 },
};

const struct builtin *builtin_find(const char *name)
{
	size_t lo = 0, hi = sizeof table / sizeof *table;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int c = strcmp(name, table[mid].name);

		if (c == 0)
			return &table[mid];
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

int builtin_run(const struct builtin *b, int argc, char **argv)
{
	int status = b->fn(argc, argv);

	if (out_capture == NULL && out_flush() < 0) {
		sh_warn("%s: write error: %s", argv[0], strerror(errno));
		if (status == 0)
			status = 1;
	}
	return status;
}
