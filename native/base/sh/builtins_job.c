/*
 * builtins_job.c: jobs fg bg wait kill, and read.
 */
#include "sh.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int bi_jobs(int argc, char **argv)
{
	struct optget g = { 0 };
	int c, mode = 0, id, max = 0, status = 0;
	struct job *j, *next;
	const char *why;

	while ((c = og_next(&g, argc, argv, "lp")) != -1) {
		if (c == '?')
			return 2;
		mode = c == 'l' ? 1 : 2;
	}
	while (job_reap(false) > 0)
		;
	if (g.i < argc) {
		for (; g.i < argc; g.i++) {
			j = job_find(argv[g.i], &why);
			if (j == NULL)
				status = sh_fail(1, "jobs: %s: %s", argv[g.i], why);
			else
				job_print(j, mode);
		}
		return status;
	}
	for (j = job_list(); j != NULL; j = j->next)
		if (j->id > max)
			max = j->id;
	for (id = 1; id <= max; id++) {
		for (j = job_list(); j != NULL; j = next) {
			next = j->next;
			if (j->id != id)
				continue;
			job_print(j, mode);
			j->changed = false;
			if (job_state(j) == J_DONE && sh.interactive)
				job_free(j);
		}
	}
	return 0;
}

static int resume(int argc, char **argv, bool fg)
{
	int i = 1, status = 0;
	const char *why;

	if (!sh.jobctl)
		return sh_fail(1, "%s: no job control", argv[0]);
	if (i < argc && strcmp(argv[i], "--") == 0)
		i++;
	do {
		struct job *j = job_find(i < argc ? argv[i] : NULL, &why);

		if (j == NULL || !j->jobctl || job_state(j) == J_DONE) {
			status = sh_fail(1, "%s: %s: no such job", argv[0], i < argc ? argv[i] : "current");
			continue;
		}
		if (fg) {
			int k;

			for (k = 0; k < j->nproc; k++) {
				out_s(k ? " | " : "");
				out_s(j->procs[k].text ? j->procs[k].text : "");
			}
			out_c('\n');
			out_flush();
			status = job_resume(j, true);
		} else {
			job_resume(j, false);
			out_f("[%d] %s\n", j->id, j->procs[0].text ? j->procs[0].text : "");
		}
	} while (++i < argc);
	return status;
}

int bi_fg(int argc, char **argv)
{
	return resume(argc, argv, true);
}

int bi_bg(int argc, char **argv)
{
	return resume(argc, argv, false);
}

static void on_chld(int sig)
{
	(void)sig;
}

/*
 * Wait until done(j) says so or a trapped signal comes. Signals are blocked between looking and
 * sleeping, so none is missed. Returns 0, or 128 + the signal.
 */
static int wait_until(struct job *only)
{
	struct sigaction sa, old_chld;
	sigset_t all, old;
	int result = 0;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	sigaction(SIGCHLD, NULL, &old_chld);
	if (old_chld.sa_handler == SIG_DFL || old_chld.sa_handler == SIG_IGN) {
		memset(&sa, 0, sizeof sa);
		sigemptyset(&sa.sa_mask);
		sa.sa_handler = on_chld;
		sigaction(SIGCHLD, &sa, NULL);
	}
	for (;;) {
		struct job *j;
		bool waiting = false;
		int r;

		while ((r = job_reap(false)) > 0)
			;
		for (j = job_list(); j != NULL; j = j->next)
			if ((only == NULL || j == only) && job_state(j) == J_RUN)
				waiting = true;
		if (!waiting || (r < 0 && errno == ECHILD))
			break;
		if (trap_pending()) {
			result = 128 + trap_pending_signal();
			break;
		}
		sigsuspend(&old);
	}
	sigaction(SIGCHLD, &old_chld, NULL);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return result;
}

int bi_wait(int argc, char **argv)
{
	int i = 1, status = 0;
	struct job *j, *next;
	const char *why;

	if (i < argc && strcmp(argv[i], "--") == 0)
		i++;
	if (i >= argc) {
		status = wait_until(NULL);
		if (status == 0) {
			for (j = job_list(); j != NULL; j = next) {
				next = j->next;
				if (j->bg && job_state(j) == J_DONE && !sh.interactive)
					job_free(j);
			}
		}
		return status;
	}
	for (; i < argc; i++) {
		j = job_find(argv[i], &why);
		if (j == NULL) {
			status = 127;
			continue;
		}
		status = wait_until(j);
		if (status != 0)
			return status;
		if (argv[i][0] != '%' && j->nproc > 0) { /* one process of a pipeline */
			char *end;
			pid_t pid = (pid_t)arith_number(argv[i], &end);
			int k;

			status = job_status(j);
			for (k = 0; k < j->nproc - 1; k++)
				if (j->procs[k].pid == pid)
					status = status_of(j->procs[k].status);
		} else {
			status = job_status(j);
		}
		if (job_state(j) == J_DONE)
			job_free(j);
	}
	return status;
}

static int list_signals(int argc, char **argv, int i)
{
	char buf[24];
	int sig, status = 0;

	if (i < argc) {
		for (; i < argc; i++) {
			sig = sig_number(argv[i]);
			if (sig < 0 && argv[i][0] >= '0' && argv[i][0] <= '9') {
				char *end;

				sig = (int)arith_number(argv[i], &end);
			}
			if (sig > 128)
				sig -= 128;
			if (sig < 0 || sig > sig_max()) {
				status = sh_fail(1, "kill: %s: bad signal", argv[i]);
				continue;
			}
			if (argv[i][0] >= '0' && argv[i][0] <= '9')
				out_f("%s\n", sig_name(sig, buf));
			else
				out_f("%d\n", sig);
		}
		return status;
	}
	for (sig = 1; sig <= sig_max(); sig++) {
		const char *s = sig_name(sig, buf);

		if (*s < '0' || *s > '9')
			out_f("%s%s", sig > 1 ? " " : "", s);
	}
	out_c('\n');
	return 0;
}

int bi_kill(int argc, char **argv)
{
	int i = 1, sig = SIGTERM, status = 0;
	const char *why;

	if (i < argc && argv[i][0] == '-' && argv[i][1] != '\0' && strcmp(argv[i], "--") != 0) {
		const char *s = argv[i] + 1;

		i++;
		if (strcmp(s, "l") == 0 || strcmp(s, "L") == 0)
			return list_signals(argc, argv, i);
		if (*s == 's' || *s == 'n') {
			if (s[1] != '\0' && sig_number(s) < 0)
				s++;
			else if (s[1] == '\0')
				s = i < argc ? argv[i++] : "";
		}
		sig = sig_number(s);
		if (sig < 0)
			return sh_fail(2, "kill: %s: bad signal", s);
	}
	if (i < argc && strcmp(argv[i], "--") == 0)
		i++;
	if (i >= argc)
		return sh_fail(2, "usage: kill [-s signal | -signal] pid ... | kill -l [status]");
	for (; i < argc; i++) {
		pid_t pid;

		if (argv[i][0] == '%') {
			struct job *j = job_find(argv[i], &why);

			if (j == NULL) {
				status = sh_fail(1, "kill: %s: %s", argv[i], why);
				continue;
			}
			if (!j->jobctl) {
				int k;

				for (k = 0; k < j->nproc; k++)
					if (j->procs[k].state != J_DONE && kill(j->procs[k].pid, sig) < 0)
						status = sh_fail(1, "kill: %s: %s", argv[i], strerror(errno));
				continue;
			}
			pid = -j->pgid;
			/* a stopped job must run to die of it */
			if (kill(pid, sig) == 0 && job_state(j) == J_STOP && (sig == SIGTERM || sig == SIGHUP || sig == SIGINT))
				kill(pid, SIGCONT);
			else if (errno == ESRCH && kill(pid, 0) < 0)
				status = sh_fail(1, "kill: %s: %s", argv[i], strerror(errno));
			continue;
		} else {
			const char *s = argv[i][0] == '-' ? argv[i] + 1 : argv[i];
			char *end;

			pid = (pid_t)arith_number(s, &end);
			if (end == s || *end != '\0') {
				status = sh_fail(1, "kill: %s: bad process id", argv[i]);
				continue;
			}
			if (s != argv[i])
				pid = -pid;
		}
		if (kill(pid, sig) < 0)
			status = sh_fail(1, "kill: %s: %s", argv[i], strerror(errno));
	}
	return status;
}

/* Assign the next field of the line to each name, what is left to the last. */
static void read_fields(char *c, unsigned char *quoted, size_t n, char **names, int nnames)
{
	const char *ifs = tmp_str(var_ifs());
	size_t i = 0, from, end;

#define SEP(k) (!quoted[k] && c[k] != '\0' && strchr(ifs, c[k]) != NULL)
#define WS(k) (SEP(k) && (c[k] == ' ' || c[k] == '\t' || c[k] == '\n'))
	while (i < n && WS(i))
		i++;
	for (; nnames > 0; names++, nnames--) {
		from = i;
		if (nnames == 1) {
			size_t k = i;

			/* one field and its delimiter is a field; more is the rest of the line */
			while (k < n && !SEP(k))
				k++;
			end = k;
			while (k < n && WS(k))
				k++;
			if (k < n && SEP(k))
				k++;
			while (k < n && WS(k))
				k++;
			if (k < n)
				for (end = n; end > from && WS(end - 1); end--)
					;
			var_set(*names, tmp_strn(c + from, end - from), 0);
			return;
		}
		while (i < n && !SEP(i))
			i++;
		end = i;
		while (i < n && WS(i))
			i++;
		if (i < n && SEP(i))
			i++;
		while (i < n && WS(i))
			i++;
		var_set(*names, tmp_strn(c + from, end - from), 0);
	}
}

int bi_read(int argc, char **argv)
{
	struct optget g = { 0 };
	static char *reply[] = { (char *)"REPLY" };
	struct sbuf line, attr;
	bool raw = false, esc = false;
	int c, status = 0, i;
	const char *prompt = NULL;

	while ((c = og_next(&g, argc, argv, "rp:")) != -1) {
		if (c == '?')
			return 2;
		if (c == 'r')
			raw = true;
		else
			prompt = g.arg;
	}
	for (i = g.i; i < argc; i++)
		if (!is_name(argv[i]))
			return sh_fail(2, "read: %s: bad variable name", argv[i]);
	if (prompt != NULL && isatty(0))
		err_n(prompt, strlen(prompt));
	sb_init(&line);
	sb_init(&attr);
	for (;;) { /* byte by byte: what follows the line is not ours */
		char ch;
		ssize_t r = read(0, &ch, 1);

		if (r < 0 && errno == EINTR) {
			if (trap_pending()) {
				int sig = trap_pending_signal();

				if (sig_int)
					err_n("\n", 1);
				sh_check_signals();
				return 128 + sig;
			}
			continue;
		}
		if (r <= 0) {
			status = 1;
			break;
		}
		if (ch == '\0')
			continue;
		if (esc) {
			esc = false;
			if (ch != '\n') {
				sb_putc(&line, ch);
				sb_putc(&attr, 1);
			} else if (isatty(0)) {
				const char *ps2 = expand_prompt(var_get("PS2"));

				err_n(ps2, strlen(ps2));
			}
			continue;
		}
		if (ch == '\\' && !raw) {
			esc = true;
			continue;
		}
		if (ch == '\n')
			break;
		sb_putc(&line, ch);
		sb_putc(&attr, 0);
	}
	sb_str(&line);
	sb_str(&attr);
	if (g.i < argc)
		read_fields(line.s, (unsigned char *)attr.s, line.len, argv + g.i, argc - g.i);
	else
		read_fields(line.s, (unsigned char *)attr.s, line.len, reply, 1);
	return status;
}
