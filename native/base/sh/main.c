/*
 * main.c: start-up of the shell, its command line, and the top-level loop.
 *
 * sh [-abCefhimnuvx] [-o option]... [-c string [name [arg...]] | -s [arg...] | file [arg...]]
 */
#include "sh.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct sh_state sh;
extern char **environ;
int sh_main(int argc, char **argv);
void pwd_init(void);

/* At the base of a process: everything has unwound, the EXIT trap runs, the process ends. */
_Noreturn void sh_terminate(void)
{
	struct sh_try t;
	static bool once;

	sh.skip = SKIP_NONE;
	if (!once) {
		once = true;
		sh_cur_try = NULL;
		sh_try_enter(&t);
		if (setjmp(t.jb) == 0)
			trap_exit();
	}
	out_flush();
	if (sh.jobctl && sh.subshell == 0)
		jobctl_set(false);
	_exit(sh.status & 0xff);
}

/* Commands from a file if it is there, for profiles and $ENV. Errors in it end only it. */
static void run_file(const char *path)
{
	struct sh_try t;
	int exc;

	if (access(path, R_OK) != 0 || in_push_file(path) != 0)
		return;
	sh_try_enter(&t);
	exc = setjmp(t.jb);
	if (exc == 0) {
		eval_input(0);
		sh_try_leave(&t);
		in_pop();
	} else {
		/* the unwinding stopped at this input */
		in_pop();
		if (exc == EXC_EXIT)
			sh_throw(exc);
	}
	sh.skip = SKIP_NONE;
}

static void start_files(void)
{
	struct mark m = tmp_mark();
	const char *s;

	if (sh.login) {
		run_file("/etc/profile");
		s = var_get("HOME");
		if (s != NULL) {
			char *p = tmp_alloc(strlen(s) + sizeof "/.profile");

			strcpy(p, s);
			strcat(p, "/.profile");
			run_file(p);
		}
	}
	if (sh.interactive && getuid() == geteuid() && getgid() == getegid()) {
		s = var_get("ENV");
		if (s != NULL && *(s = expand_prompt(s)) != '\0')
			run_file(s);
	}
	tmp_release(m);
}

/* The interactive loop: errors and interrupts come back to the prompt. */
static void interactive_loop(void)
{
	static int eofs;
	static struct tree tree; /* outlives longjmp */

	for (;;) {
		struct sh_try t;
		struct mark m = tmp_mark();
		int exc;

		sh_cur_try = NULL;
		sh.skip = SKIP_NONE;
		in_prompt = 1;
		tree.arena = NULL;
		sh_try_enter(&t);
		exc = setjmp(t.jb);
		if (exc == 0) {
			int r;

			if (sig_any)
				sh_check_signals();
			r = parse_command(&tree);
			if (r == PARSE_EOF) {
				sh_try_leave(&t);
				arena_drop(tree.arena);
				if (optv['I'] && ++eofs < 10) {
					err_f("Use \"exit\" to leave the shell.\n");
					continue;
				}
				if (job_any_stopped() && !sh.exiting) {
					err_f("\nYou have stopped jobs.\n");
					sh.exiting = true;
					continue;
				}
				if (isatty(0) && tty_fd >= 0)
					err_n("\n", 1);
				return;
			}
			eofs = 0;
			if (tree.node != NULL && !optv['n']) {
				bool was = sh.exiting;

				eval(tree.node, 0);
				if (was)
					sh.exiting = false;
			}
			sh_try_leave(&t);
			arena_drop(tree.arena);
		} else if (exc == EXC_EXIT) {
			return;
		} else {
			arena_drop(tree.arena);
			in_discard();
			lx_reset();
		}
		tmp_release(m);
	}
}

static int parse_args(int argc, char **argv, int *first)
{
	int i = 1, r;

	(void)argc;
	while ((r = opt_parse(argv, &i, false)) > 0)
		;
	if (r < 0)
		return -1;
	if (argv[i] != NULL && strcmp(argv[i], "-") == 0)
		i++;
	*first = i;
	return 0;
}

/* Everything between the command line and the end of the commands. */
static void run(int argc, char **argv)
{
	char *command = NULL, *file = NULL;
	int i = 1;

	optv['h'] = 1;
	if (parse_args(argc, argv, &i) < 0)
		sh_exit(2);
	if (optv['l'])
		sh.login = true;
	if (optv['c']) {
		command = argv[i++];
		if (command == NULL) {
			sh_warn("-c needs an argument");
			sh_exit(2);
		}
		if (argv[i] != NULL)
			sh.arg0 = argv[i++];
	} else if (!optv['s'] && argv[i] != NULL) {
		sh.arg0 = file = argv[i++];
	} else {
		optv['s'] = 1;
	}
	if (optv['s'] && argv[i] == NULL && isatty(0) && isatty(2) && command == NULL)
		optv['i'] = 1;
	sh.interactive = optv['i'];
	if (sh.interactive)
		optv['m'] = optv['E'] = 1;
	var_init(environ);
	sh.params = (struct params){ 0, NULL, NULL, 0 };
	params_set(argv + i, argv[i] == NULL ? 0 : argc - i);
	pwd_init();
	trap_init();
	opt_changed();
	start_files();
	if (command != NULL) {
		in_push_string(command, NULL, false);
		eval_input(EV_EXIT);
	} else if (file != NULL) {
		int e = in_push_file(file);

		if (e != 0) {
			sh_warn("cannot open %s: %s", file, strerror(e));
			sh_exit(e == ENOENT ? 127 : 126);
		}
		eval_input(0);
	} else {
		in_push_fd(0, sh.interactive);
		if (sh.interactive)
			interactive_loop();
		else
			eval_input(0);
	}
}

int sh_main(int argc, char **argv)
{
	struct sh_try t;

	memset(&sh, 0, sizeof sh);
	sh.arg0 = argc > 0 ? argv[0] : (char *)"sh";
	sh.pid = getpid();
	sh.login = sh.arg0[0] == '-';
	sh_try_enter(&t);
	if (setjmp(t.jb) == 0)
		run(argc, argv);
	sh_terminate();
}
