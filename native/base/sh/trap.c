/*
 * trap.c: signals and traps.
 *
 * The handler only sets flags; sh_check_signals acts on them between commands. A signal that was ignored
 * when a non-interactive shell started stays ignored (POSIX XCU 2.11). A subshell drops the actions
 * it inherited but can still print them until it sets one of its own.
 */
#include "sh.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define NSIGS (NSIG > 128 ? 129 : NSIG)
enum { D_UNKNOWN, D_DFL, D_IGN, D_CATCH, D_HARDIGN };

static char *action[NSIGS];
static bool stale[NSIGS]; /* inherited by a subshell: printed, not acted on */
static unsigned char disp[NSIGS];
static unsigned char original_ignored[NSIGS];
static volatile sig_atomic_t pending[NSIGS];
static int highest; /* no disposition above this one was changed */
volatile sig_atomic_t sig_any, sig_int;

static const struct {
	const char *name;
	int sig;
} names[] = {
	{ "EXIT", 0 }, { "HUP", SIGHUP }, { "INT", SIGINT }, { "QUIT", SIGQUIT }, { "ILL", SIGILL },
	{ "TRAP", SIGTRAP }, { "ABRT", SIGABRT }, { "FPE", SIGFPE }, { "KILL", SIGKILL }, { "BUS", SIGBUS },
	{ "SEGV", SIGSEGV }, { "SYS", SIGSYS }, { "PIPE", SIGPIPE }, { "ALRM", SIGALRM }, { "TERM", SIGTERM },
	{ "URG", SIGURG }, { "STOP", SIGSTOP }, { "TSTP", SIGTSTP }, { "CONT", SIGCONT }, { "CHLD", SIGCHLD },
	{ "TTIN", SIGTTIN }, { "TTOU", SIGTTOU }, { "XCPU", SIGXCPU }, { "XFSZ", SIGXFSZ }, { "VTALRM", SIGVTALRM },
	{ "PROF", SIGPROF }, { "USR1", SIGUSR1 }, { "USR2", SIGUSR2 },
#ifdef SIGWINCH
	{ "WINCH", SIGWINCH },
#endif
#ifdef SIGIO
	{ "IO", SIGIO },
#endif
#ifdef SIGEMT
	{ "EMT", SIGEMT },
#endif
#ifdef SIGINFO
	{ "INFO", SIGINFO },
#endif
#ifdef SIGTHR
	{ "THR", SIGTHR },
#endif
#ifdef SIGCKPT
	{ "CKPT", SIGCKPT },
#endif
#ifdef SIGCKPTEXIT
	{ "CKPTEXIT", SIGCKPTEXIT },
#endif
};
#define NNAMES (sizeof names / sizeof *names)

int sig_max(void)
{
	return NSIGS - 1;
}

int sig_number(const char *s)
{
	size_t i;

	if (*s >= '0' && *s <= '9') {
		int n = 0;

		for (; *s >= '0' && *s <= '9' && n < 1000; s++)
			n = n * 10 + (*s - '0');
		return *s == '\0' && n < NSIGS ? n : -1;
	}
	if (strncasecmp(s, "SIG", 3) == 0)
		s += 3;
	for (i = 0; i < NNAMES; i++)
		if (strcasecmp(s, names[i].name) == 0)
			return names[i].sig;
	return -1;
}

const char *sig_name(int sig, char *buf)
{
	size_t i;

	for (i = 0; i < NNAMES; i++)
		if (names[i].sig == sig)
			return names[i].name;
	return num_str(buf + 24, sig);
}

/* What is said of a job that a signal ended. */
const char *sig_text(int sig, char *buf)
{
	const char *s = strsignal(sig);

	return s != NULL ? s : sig_name(sig, buf);
}

static void on_signal(int sig)
{
	pending[sig] = 1;
	if (sig == SIGINT && (action[SIGINT] == NULL || stale[SIGINT]))
		sig_int = 1;
	sig_any = 1;
}

static bool adjustable(int sig)
{
	return sig > 0 && sig < NSIGS && sig != SIGKILL && sig != SIGSTOP;
}

void trap_update(int sig)
{
	struct sigaction sa;
	const char *act;
	unsigned char want = D_DFL;

	if (!adjustable(sig))
		return;
	act = stale[sig] ? NULL : action[sig];
	if (act != NULL) {
		want = *act ? D_CATCH : D_IGN;
	} else if (sh.subshell == 0) {
		if (sh.interactive && sig == SIGINT)
			want = D_CATCH;
		else if (sh.interactive && (sig == SIGQUIT || sig == SIGTERM))
			want = D_IGN;
		else if (sh.jobctl && (sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU))
			want = D_IGN;
	}
	if (disp[sig] == D_UNKNOWN) {
		if (sigaction(sig, NULL, &sa) < 0)
			return;
		if (sa.sa_handler == SIG_IGN) {
			original_ignored[sig] = 1;
			disp[sig] = D_IGN;
			if (!sh.interactive && sig != SIGTSTP && sig != SIGTTIN && sig != SIGTTOU)
				disp[sig] = D_HARDIGN;
		} else {
			disp[sig] = D_DFL;
		}
	}
	if (disp[sig] == D_HARDIGN || disp[sig] == want)
		return;
	if (want == D_DFL && act == NULL && original_ignored[sig] && action[sig] == NULL)
		want = D_IGN; /* as it was given to us */
	if (disp[sig] == want)
		return;
	memset(&sa, 0, sizeof sa);
	sigemptyset(&sa.sa_mask);
	sa.sa_handler = want == D_CATCH ? on_signal : want == D_IGN ? SIG_IGN : SIG_DFL;
	sigaction(sig, &sa, NULL);
	disp[sig] = want;
	if (sig > highest)
		highest = sig;
}

void trap_init(void)
{
	trap_update(SIGINT);
	trap_update(SIGQUIT);
	trap_update(SIGTERM);
	trap_update(SIGTSTP);
	trap_update(SIGTTIN);
	trap_update(SIGTTOU);
}

/* Before a program runs in this process (or in a vfork child): undo what the shell did for itself. */
void trap_restore_for_exec(bool own_group)
{
	int sig;

	for (sig = 1; sig <= highest; sig++) {
		struct sigaction sa;

		if (disp[sig] != D_CATCH && disp[sig] != D_IGN)
			continue;
		if (disp[sig] == D_IGN && ((action[sig] != NULL && !stale[sig]) || original_ignored[sig]))
			continue;
		/* without a group of its own a child must not stop while we wait for it */
		if (!own_group && sh.jobctl && (sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU))
			continue;
		sa.sa_handler = SIG_DFL;
		sa.sa_flags = 0;
		sigemptyset(&sa.sa_mask);
		sigaction(sig, &sa, NULL);
	}
}

/* In a forked child: actions go, ignored signals stay ignored. The caller has set sh.subshell. */
void trap_clear_child(void)
{
	int sig;

	for (sig = 0; sig < NSIGS; sig++) {
		pending[sig] = 0;
		if (action[sig] != NULL && *action[sig] != '\0')
			stale[sig] = true;
		if (sig > 0 && disp[sig] != D_UNKNOWN)
			trap_update(sig);
	}
	sig_any = sig_int = 0;
}

static void drop_stale(void)
{
	int sig;

	for (sig = 0; sig < NSIGS; sig++) {
		if (stale[sig]) {
			stale[sig] = false;
			free(action[sig]);
			action[sig] = NULL;
		}
	}
}

void trap_set(int sig, const char *act)
{
	drop_stale();
	free(action[sig]);
	action[sig] = act != NULL ? sh_strdup(act) : NULL;
	trap_update(sig);
}

bool trap_any(void)
{
	int sig;

	for (sig = 0; sig < NSIGS; sig++)
		if (action[sig] != NULL && !stale[sig] && *action[sig] != '\0')
			return true;
	return false;
}

/* A signal is waiting whose action will run (or an interrupt). */
int trap_pending_signal(void)
{
	int sig;

	if (sig_int)
		return SIGINT;
	for (sig = 1; sig < NSIGS; sig++)
		if (pending[sig] && action[sig] != NULL && !stale[sig] && *action[sig] != '\0')
			return sig;
	return 0;
}

bool trap_pending(void)
{
	return sig_any && trap_pending_signal() != 0;
}

static void run_action(const char *act)
{
	struct mark m = tmp_mark();
	int status = sh.status, prompt = in_prompt, line = sh.lineno;

	eval_string(tmp_str(act), 0);
	if (sh.skip == SKIP_NONE)
		sh.status = status;
	sh.lineno = line;
	in_prompt = prompt;
	tmp_release(m);
}

void trap_run(void)
{
	int sig;

	for (sig = 1; sig < NSIGS; sig++) {
		if (!pending[sig])
			continue;
		pending[sig] = 0;
		if (action[sig] != NULL && !stale[sig] && *action[sig] != '\0')
			run_action(action[sig]);
	}
}

void sh_check_signals(void)
{
	if (!sig_any || sh.skip != SKIP_NONE)
		return;
	sig_any = 0;
	if (sig_int) {
		sig_int = 0;
		pending[SIGINT] = 0;
		sh.status = 128 + SIGINT;
		sh_throw(EXC_INT);
	}
	trap_run();
}

void trap_exit(void)
{
	char *act = action[0];

	if (act == NULL || stale[0])
		return;
	action[0] = NULL;
	sh.skip = SKIP_NONE;
	run_action(act);
	free(act);
}

int bi_trap(int argc, char **argv)
{
	int i = 1, sig, status = 0;
	const char *act = NULL;
	char buf[24];
	bool print = false;

	if (i < argc && strcmp(argv[i], "-l") == 0) {
		for (sig = 1; sig < NSIGS; sig++) {
			const char *s = sig_name(sig, buf);

			if (*s < '0' || *s > '9')
				out_f("%2d) SIG%s\n", sig, s);
		}
		return 0;
	}
	if (i < argc && strcmp(argv[i], "-p") == 0) {
		print = true;
		i++;
	}
	if (i < argc && strcmp(argv[i], "--") == 0)
		i++;
	if (i >= argc || print) {
		for (sig = 0; sig < NSIGS; sig++) {
			if (action[sig] == NULL)
				continue;
			if (print && i < argc) {
				int k;

				for (k = i; k < argc && sig_number(argv[k]) != sig; k++)
					;
				if (k == argc)
					continue;
			}
			out_s("trap -- ");
			out_quoted(action[sig]);
			out_f(" %s\n", sig_name(sig, buf));
		}
		return 0;
	}
	/* a first operand that is a number means: reset all of these */
	if (!(argv[i][0] >= '0' && argv[i][0] <= '9' && sig_number(argv[i]) >= 0) && argc - i > 1) {
		act = argv[i++];
		if (strcmp(act, "-") == 0)
			act = NULL;
	}
	for (; i < argc; i++) {
		sig = sig_number(argv[i]);
		if (sig < 0) {
			status = sh_fail(1, "trap: %s: bad signal", argv[i]);
			continue;
		}
		trap_set(sig, act);
	}
	return status;
}
