/*
 * jobs.c: processes we started, in jobs; process groups and the terminal when job control is on.
 *
 * Every child but here-document writers belongs to a job, from before it can be waited for. A job gets a
 * number when it is put in the background or stops. With job control each job is a process group,
 * and the terminal belongs to the job we wait for, else to us.
 */
#include "sh.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static struct job *jobs; /* newest first */
static unsigned long stamp;
static pid_t shell_pgid, original_pgid;
static struct termios shell_modes;
int tty_fd = -1;

struct job *job_list(void)
{
	return jobs;
}

struct job *job_new(void)
{
	struct job *j = sh_malloc(sizeof *j);

	memset(j, 0, sizeof *j);
	j->jobctl = sh.jobctl;
	j->next = jobs;
	jobs = j;
	return j;
}

void job_add(struct job *j, pid_t pid, char *text)
{
	struct proc *p;

	if (j->nproc == j->capproc) {
		j->capproc = j->capproc ? j->capproc * 2 : 1;
		j->procs = sh_realloc(j->procs, (size_t)j->capproc * sizeof *j->procs);
	}
	p = &j->procs[j->nproc++];
	p->pid = pid;
	p->status = 0;
	p->state = J_RUN;
	p->text = text;
	if (j->pgid == 0)
		j->pgid = pid;
}

void job_free(struct job *j)
{
	struct job **p;
	int i;

	for (p = &jobs; *p != j; p = &(*p)->next)
		;
	*p = j->next;
	for (i = 0; i < j->nproc; i++)
		free(j->procs[i].text);
	free(j->procs);
	free(j->tty);
	free(j);
}

void job_clear_all(void)
{
	while (jobs != NULL)
		job_free(jobs);
}

int job_state(const struct job *j)
{
	int i, state = J_DONE;

	for (i = 0; i < j->nproc; i++) {
		if (j->procs[i].state == J_RUN)
			return J_RUN;
		if (j->procs[i].state == J_STOP)
			state = J_STOP;
	}
	return state;
}

int status_of(int w)
{
	if (WIFEXITED(w))
		return WEXITSTATUS(w);
	if (WIFSTOPPED(w))
		return 128 + WSTOPSIG(w);
	return 128 + WTERMSIG(w);
}

int job_status(const struct job *j)
{
	int i = j->nproc - 1, status;

	if (i < 0)
		return 0;
	status = status_of(j->procs[i].status);
	if (optv['P'])
		while (status == 0 && --i >= 0)
			status = status_of(j->procs[i].status);
	return status;
}

int job_reap(bool block)
{
	int w;
	pid_t pid = waitpid(-1, &w, (block ? 0 : WNOHANG) | (sh.jobctl ? WUNTRACED : 0));
	struct job *j;
	int i;

	if (pid <= 0)
		return (int)pid;
	for (j = jobs; j != NULL; j = j->next) {
		for (i = 0; i < j->nproc; i++) {
			if (j->procs[i].pid == pid && j->procs[i].state != J_DONE) {
				j->procs[i].status = w;
				j->procs[i].state = WIFSTOPPED(w) ? J_STOP : J_DONE;
				j->changed = true;
				return 1;
			}
		}
	}
	return 1;
}

static void list_job(struct job *j)
{
	struct job *k;

	if (j->id == 0) {
		j->id = 1;
		for (k = jobs; k != NULL; k = k->next)
			if (k != j && k->id >= j->id)
				j->id = k->id + 1;
	}
	j->stamp = ++stamp;
}

static void give_tty(pid_t pgid)
{
	if (tty_fd >= 0)
		tcsetpgrp(tty_fd, pgid);
}

/* Wait for a foreground job and forget it, unless it stopped. */
int job_wait_fg(struct job *j)
{
	int state, status, last, sig;

	while (job_state(j) == J_RUN) {
		if (job_reap(true) < 0 && errno == ECHILD) {
			int i;

			for (i = 0; i < j->nproc; i++) /* somebody else had it: SIGCHLD is ignored */
				if (j->procs[i].state == J_RUN)
					j->procs[i].state = J_DONE;
		}
	}
	state = job_state(j);
	status = job_status(j);
	last = j->nproc > 0 ? j->procs[j->nproc - 1].status : 0;
	sig = j->nproc > 0 && WIFSIGNALED(last) ? WTERMSIG(last) : 0;
	if (j->jobctl && sh.jobctl) {
		give_tty(shell_pgid);
		if (tty_fd >= 0 && (state == J_STOP || sig != 0)) {
			if (state == J_STOP) {
				if (j->tty == NULL)
					j->tty = sh_malloc(sizeof(struct termios));
				j->has_tty = tcgetattr(tty_fd, j->tty) == 0;
			}
			tcsetattr(tty_fd, TCSADRAIN, &shell_modes);
		} else if (tty_fd >= 0 && sh.interactive) {
			tcgetattr(tty_fd, &shell_modes); /* stty is such a job */
		}
	}
	if (state == J_STOP) {
		int i;

		for (i = 0; i < j->nproc; i++)
			if (j->procs[i].state == J_STOP)
				status = status_of(j->procs[i].status);
		list_job(j);
		j->bg = true;
		if (sh.interactive) {
			err_n("\n", 1);
			job_print(j, 3);
		}
		j->changed = false;
		return status;
	}
	if (sig == SIGINT) {
		if (j->jobctl && sh.jobctl && sh.interactive && sh.subshell == 0) {
			err_n("\n", 1);
			sig_int = sig_any = 1; /* what interrupts the job interrupts the list or loop it is in */
		}
	} else if (sig != 0 && sig != SIGPIPE && sh.subshell == 0) {
		char buf[32];

		err_f("%s%s\n", sig_text(sig, buf), WCOREDUMP(last) ? " (core dumped)" : "");
	}
	job_free(j);
	return status;
}

/* Forget the oldest finished jobs nobody asked about, so that a long script does not grow. */
void job_trim(void)
{
	struct job *j, *oldest;
	int n;

	for (;;) {
		for (n = 0, oldest = NULL, j = jobs; j != NULL; j = j->next) {
			if (j->bg && job_state(j) == J_DONE) {
				n++;
				oldest = j;
			}
		}
		if (n <= 64)
			return;
		job_free(oldest);
	}
}

void job_background(struct job *j)
{
	while (job_reap(false) > 0)
		;
	if (!sh.interactive)
		job_trim();
	j->bg = true;
	list_job(j);
	sh.bgpid = j->procs[j->nproc - 1].pid;
	if (sh.interactive && sh.subshell == 0)
		err_f("[%d] %ld\n", j->id, (long)sh.bgpid);
}

/* Before a prompt: say what changed, forget what ended. */
void job_notify(void)
{
	struct job *j, *next;
	int id, max = 0;

	while (job_reap(false) > 0)
		;
	for (j = jobs; j != NULL; j = j->next)
		if (j->id > max)
			max = j->id;
	for (id = 0; id <= max; id++) {
		for (j = jobs; j != NULL; j = next) {
			next = j->next;
			if (j->id != id || !j->changed || job_state(j) == J_RUN)
				continue;
			j->changed = false;
			if (j->id != 0)
				job_print(j, 3);
			if (job_state(j) == J_DONE)
				job_free(j);
		}
	}
}

bool job_any_stopped(void)
{
	struct job *j;

	for (j = jobs; j != NULL; j = j->next)
		if (job_state(j) == J_STOP)
			return true;
	return false;
}

int job_resume(struct job *j, bool fg)
{
	int i;

	if (fg) {
		give_tty(j->pgid);
		if (j->has_tty && tty_fd >= 0)
			tcsetattr(tty_fd, TCSADRAIN, j->tty);
		j->has_tty = false;
	}
	for (i = 0; i < j->nproc; i++)
		if (j->procs[i].state == J_STOP)
			j->procs[i].state = J_RUN;
	list_job(j);
	j->bg = !fg;
	j->changed = false;
	kill(-j->pgid, SIGCONT);
	return fg ? job_wait_fg(j) : 0;
}

void child_init(struct job *j, bool bg)
{
	bool grouped = j != NULL && j->jobctl;
	pid_t pg = 0;

	if (grouped) {
		pg = j->pgid ? j->pgid : getpid();
		setpgid(0, pg);
		if (!bg)
			give_tty(pg); /* SIGTTOU is still ignored here */
	}
	sh.subshell++;
	out_capture = NULL;
	/* without a group of its own it stays deaf to ^Z: we wait for it without WUNTRACED's help */
	if (grouped || !sh.jobctl) {
		sh.jobctl = false;
		optv['m'] = 0;
	}
	trap_clear_child();
	if (!grouped && sh.jobctl) {
		signal(SIGTSTP, SIG_IGN);
		sh.jobctl = false;
		optv['m'] = 0;
	}
	if (bg && !grouped) {
		trap_set(SIGINT, "");
		trap_set(SIGQUIT, "");
	}
	if (tty_fd >= 0) {
		close(tty_fd);
		tty_fd = -1;
	}
	job_clear_all();
	in_forked();
	sh.loopnest = 0;
	sh.getopts_pos = 0;
}

void jobctl_set(bool on)
{
	if (on == sh.jobctl)
		return;
	if (on) {
		int fd = open("/dev/tty", O_RDWR | O_CLOEXEC), i;

		for (i = 2; fd < 0 && i >= 0; i--)
			if (isatty(i))
				fd = dup(i);
		if (fd >= 0)
			tty_fd = fd_private(fd);
		if (tty_fd < 0 && sh.interactive) {
			sh_warn("can't access the terminal; job control turned off");
			optv['m'] = 0;
			return;
		}
		original_pgid = shell_pgid = getpgrp();
		if (tty_fd >= 0) {
			pid_t fg;

			while ((fg = tcgetpgrp(tty_fd)) != shell_pgid && fg > 0 && sh.interactive) {
				kill(0, SIGTTIN);
				shell_pgid = getpgrp();
			}
			tcgetattr(tty_fd, &shell_modes);
		}
		sh.jobctl = true;
		trap_update(SIGTSTP);
		trap_update(SIGTTOU);
		trap_update(SIGTTIN);
		if (sh.interactive && shell_pgid != getpid() && setpgid(0, 0) == 0) {
			shell_pgid = getpid();
			give_tty(shell_pgid);
		}
	} else {
		if (shell_pgid != original_pgid) {
			give_tty(original_pgid);
			setpgid(0, original_pgid);
		}
		sh.jobctl = false;
		trap_update(SIGTSTP);
		trap_update(SIGTTOU);
		trap_update(SIGTTIN);
		if (tty_fd >= 0)
			close(tty_fd);
		tty_fd = -1;
	}
}
