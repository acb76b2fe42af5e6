/*
 * jobs_list.c: naming jobs (%n, %+, %text) and printing them.
 */
#include "sh.h"
#include <string.h>
#include <sys/wait.h>

static struct job *nth_recent(int n)
{
	struct job *best = NULL, *j;
	unsigned long below = (unsigned long)-1;

	/* stopped jobs are more current than running ones */
	while (n-- >= 0) {
		unsigned long k = 0;

		best = NULL;
		for (j = job_list(); j != NULL; j = j->next) {
			unsigned long key = j->stamp + (job_state(j) == J_STOP ? 1UL << 40 : 0);

			if (j->id != 0 && job_state(j) != J_DONE && key < below && key > k) {
				k = key;
				best = j;
			}
		}
		if (best == NULL)
			return NULL;
		below = k;
	}
	return best;
}

static char *job_text(struct job *j)
{
	struct sbuf b;
	int i;

	sb_init(&b);
	for (i = 0; i < j->nproc; i++) {
		if (i > 0)
			sb_puts(&b, " | ");
		sb_puts(&b, j->procs[i].text ? j->procs[i].text : "");
	}
	return sb_str(&b);
}

/* mode: 0 plain, 1 with process ids, 2 the group only, 3 plain on standard error. */
void job_print(struct job *j, int mode)
{
	struct mark m = tmp_mark();
	char what[64], sbufr[32], pid[24] = "";
	int state = job_state(j), last = j->nproc > 0 ? j->procs[j->nproc - 1].status : 0, i;
	struct job *cur = nth_recent(0), *prev = nth_recent(1);
	struct sbuf b;

	if (mode == 2) {
		out_f("%ld\n", (long)j->pgid);
		return;
	}
	what[0] = '\0';
	if (state == J_RUN) {
		strcpy(what, "Running");
	} else if (state == J_STOP) {
		int sig = SIGTSTP;

		for (i = 0; i < j->nproc; i++)
			if (j->procs[i].state == J_STOP)
				sig = WSTOPSIG(j->procs[i].status);
		strcpy(what, sig == SIGTSTP ? "Stopped" : sig == SIGSTOP ? "Stopped (signal)" : sig == SIGTTIN ? "Stopped (tty input)" : "Stopped (tty output)");
	} else if (WIFSIGNALED(last)) {
		strncat(what, sig_text(WTERMSIG(last), sbufr), 40);
		if (WCOREDUMP(last))
			strcat(what, " (core dumped)");
	} else if (WEXITSTATUS(last) != 0) {
		strcpy(what, "Done(");
		strcat(what, num_str(sbufr + sizeof sbufr, WEXITSTATUS(last)));
		strcat(what, ")");
	} else {
		strcpy(what, "Done");
	}
	if (mode == 1) {
		strcpy(pid, num_str(sbufr + sizeof sbufr, (long)j->procs[0].pid));
		strcat(pid, " ");
	}
	sb_init(&b);
	sb_putc(&b, '[');
	sb_puts(&b, num_str(sbufr + sizeof sbufr, j->id));
	sb_putc(&b, ']');
	sb_putc(&b, j == cur ? '+' : j == prev ? '-' : ' ');
	sb_putc(&b, ' ');
	sb_puts(&b, pid);
	for (i = (int)strlen(what); i < 24; i++)
		;
	sb_puts(&b, what);
	for (i = (int)strlen(what); i < 24; i++)
		sb_putc(&b, ' ');
	sb_puts(&b, job_text(j));
	sb_putc(&b, '\n');
	if (mode == 3)
		err_n(b.s, b.len);
	else
		out_n(b.s, b.len);
	tmp_release(m);
}

struct job *job_by_pid(pid_t pid)
{
	struct job *j;
	int i;

	for (j = job_list(); j != NULL; j = j->next)
		for (i = 0; i < j->nproc; i++)
			if (j->procs[i].pid == pid)
				return j;
	return NULL;
}

/* %n %% %+ %- %prefix %?text, or a process id. */
struct job *job_find(const char *spec, const char **why)
{
	struct job *j, *found = NULL;
	char *end;

	*why = "no such job";
	if (spec == NULL || strcmp(spec, "%") == 0 || strcmp(spec, "%%") == 0 || strcmp(spec, "%+") == 0)
		return nth_recent(0);
	if (strcmp(spec, "%-") == 0)
		return (j = nth_recent(1)) != NULL ? j : nth_recent(0);
	if (*spec != '%') {
		long pid = (long)arith_number(spec, &end);

		return end != spec && *end == '\0' ? job_by_pid((pid_t)pid) : NULL;
	}
	spec++;
	if (*spec >= '0' && *spec <= '9') {
		long id = (long)arith_number(spec, &end);

		for (j = job_list(); j != NULL; j = j->next)
			if (j->id == id && *end == '\0')
				return j;
		return NULL;
	}
	for (j = job_list(); j != NULL; j = j->next) {
		const char *text;

		if (j->id == 0)
			continue;
		text = job_text(j);
		if (*spec == '?' ? strstr(text, spec + 1) != NULL : strncmp(text, spec, strlen(spec)) == 0) {
			if (found != NULL) {
				*why = "ambiguous";
				return NULL;
			}
			found = j;
		}
	}
	return found;
}
