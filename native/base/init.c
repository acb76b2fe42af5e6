/*
 * init, process 1: opens the console, runs /etc/rc, then keeps a login-style shell on the console. Orphans come to
 * us and are reaped by the same wait loop. Signals, as in init(8):
 *   USR1 halt, USR2 power off, INT reboot, TERM ask the shell to end (single user), HUP ignored.
 * reboot(8) and friends send them. With -s (boot flag), /etc/rc is not run.
 * Counterpart: sbin/init/init.c
 */
#include <errno.h>
#include <fcntl.h>
#include <paths.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int init_main(int, char **);

static volatile sig_atomic_t shutdown_signal;

static void
on_signal(int sig)
{
	shutdown_signal = sig;
}

/* A line on the console, by raw writes: init has no buffers to lose. */
static void
say(const char *text)
{
	(void)!write(STDERR_FILENO, "init: ", 6);
	(void)!write(STDERR_FILENO, text, strlen(text));
	(void)!write(STDERR_FILENO, "\n", 1);
}

static void
open_console(int controlling)
{
	int fd = open(_PATH_CONSOLE, O_RDWR);

	if (fd < 0)
		fd = open(_PATH_DEVNULL, O_RDWR);
	for (int i = 0; i < 3; i++)
		if (fd >= 0 && fd != i)
			dup2(fd, i);
	if (fd > 2)
		close(fd);
	if (controlling)
		ioctl(0, TIOCSCTTY, 0);
}

/* The terminal's type comes from the kernel, which has it from the vkernel command. */
static char term[64] = "TERM=xterm";
static char *const child_env[] = {
	"PATH=/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin", "HOME=/root", "USER=root",
	"LOGNAME=root", "SHELL=/bin/sh", term, NULL
};

static pid_t
spawn(char *const *argv, const char *path)
{
	static const int handled[] = { SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGTSTP };
	sigset_t none;
	pid_t pid = fork();

	if (pid != 0) {
		if (pid < 0)
			say(strerror(errno));
		return (pid);
	}
	for (size_t i = 0; i < sizeof(handled) / sizeof(handled[0]); i++)
		signal(handled[i], SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	open_console(1);
	setlogin("root");
	(void)chdir(strcmp(path, _PATH_BSHELL) == 0 ? "/root" : "/");
	execve(path, argv, child_env);
	say(strerror(errno));
	_exit(1);
}

/* Wait until `pid` ends, reaping everybody else; returns its status, or -1 when a shutdown was asked for. */
static int
wait_for(pid_t pid)
{
	int status;

	for (;;) {
		pid_t got = waitpid(-1, &status, 0);

		if (shutdown_signal != 0)
			return (-1);
		if (got == pid)
			return (status);
		if (got < 0 && errno == ECHILD)
			return (0);
	}
}

static void
nap(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

/* End every process, politely first, then the machine. */
static void __attribute__((__noreturn__))
go_down(int sig)
{
	int how = sig == SIGUSR1 ? RB_HALT : sig == SIGUSR2 ? RB_HALT | RB_POWEROFF : RB_AUTOBOOT;
	static const int order[] = { SIGHUP, SIGTERM, SIGCONT };
	int status;

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (kill(-1, order[i]) < 0 && errno == ESRCH)
			break;
	for (int tries = 0; tries < 100; tries++) {
		pid_t got = waitpid(-1, &status, WNOHANG);

		if (got < 0 && errno == ECHILD)
			break;
		if (got == 0) {
			nap(20);
			if (tries == 50)
				kill(-1, SIGKILL);
		}
	}
	kill(-1, SIGKILL);
	sync();
	reboot(how);
	say("reboot failed");
	for (;;)
		pause();
}

int
init_main(int argc, char **argv)
{
	static char *const rc_argv[] = { "sh", "/etc/rc", NULL };
	static char *const shell_argv[] = { "-sh", NULL };
	struct sigaction sa;
	int single = 0, status;
	const char *type = getenv("TERM");

	if (getpid() != 1) {
		fprintf(stderr, "init: already running\n");
		return (1);
	}
	for (int i = 1; i < argc; i++)
		if (argv[i][0] == '-' && strchr(argv[i], 's') != NULL)
			single = 1;
	if (type != NULL)
		snprintf(term, sizeof(term), "TERM=%s", type);
	setsid();
	open_console(0);
	memset(&sa, 0, sizeof(sa));
	sigfillset(&sa.sa_mask);
	sa.sa_handler = on_signal;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	signal(SIGHUP, SIG_IGN);
	signal(SIGTSTP, SIG_IGN);

	if (!single && access("/etc/rc", R_OK) == 0)
		wait_for(spawn(rc_argv, _PATH_BSHELL));
	for (;;) {
		pid_t pid;
		time_t started = time(NULL);

		if (shutdown_signal == SIGTERM)
			shutdown_signal = 0;
		if (shutdown_signal != 0)
			go_down(shutdown_signal);
		pid = spawn(shell_argv, _PATH_BSHELL);
		status = pid > 0 ? wait_for(pid) : 0;
		if (status == -1 && shutdown_signal == SIGTERM) {
			kill(pid, SIGHUP);
			continue;
		}
		if (shutdown_signal != 0)
			go_down(shutdown_signal);
		say("the shell ended; here is a new one (halt(8) stops the machine)");
		/* A shell that cannot start must not eat the machine. */
		if (time(NULL) - started < 1 && (status != 0 || pid < 0))
			nap(1000);
	}
}
