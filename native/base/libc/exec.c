/* exec family, system, popen, temporary files. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <paths.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libc_private.h"

int
execv(const char *path, char *const *argv)
{
	return (execve(path, argv, environ));
}

/* A file the kernel refuses as a program is a script for sh. */
static void
exec_sh(const char *path, char *const *argv, char *const *envp)
{
	size_t n = 0;
	char **sh;

	while (argv[n] != NULL)
		n++;
	if ((sh = malloc((n + 3) * sizeof(char *))) == NULL)
		return;
	sh[0] = (char *)(uintptr_t)"sh";
	sh[1] = (char *)(uintptr_t)path;
	if (n > 0)
		memcpy(sh + 2, argv + 1, n * sizeof(char *));
	else
		sh[2] = NULL;
	execve(_PATH_BSHELL, sh, envp);
	free(sh);
}

static int
search(const char *file, const char *path, char *const *argv, char *const *envp)
{
	char buf[PATH_MAX];
	int denied = 0;
	size_t n = strlen(file);

	if (strchr(file, '/') != NULL) {
		execve(file, argv, envp);
		if (errno == ENOEXEC)
			exec_sh(file, argv, envp);
		return (-1);
	}
	if (n == 0) {
		errno = ENOENT;
		return (-1);
	}
	for (;;) {
		size_t k = strcspn(path, ":");

		if (k + n + 2 <= sizeof(buf)) {
			if (k == 0)
				buf[k++] = '.';
			else
				memcpy(buf, path, k);
			buf[k] = '/';
			memcpy(buf + k + 1, file, n + 1);
			execve(buf, argv, envp);
			switch (errno) {
			case ENOEXEC:
				exec_sh(buf, argv, envp);
				return (-1);
			case EACCES:
				denied = 1;
				break;
			case ENOENT:
			case ENOTDIR:
			case ELOOP:
			case ENAMETOOLONG:
				break;
			default:
				return (-1);
			}
		}
		path += strcspn(path, ":");
		if (*path++ == '\0')
			break;
	}
	errno = denied ? EACCES : ENOENT;
	return (-1);
}

int
execvpe(const char *file, char *const *argv, char *const *envp)
{
	const char *path = getenv("PATH");

	return (search(file, path != NULL ? path : _PATH_DEFPATH, argv, envp));
}

int
execvp(const char *file, char *const *argv)
{
	return (execvpe(file, argv, environ));
}

int
execvP(const char *file, const char *path, char *const *argv)
{
	return (search(file, path, argv, environ));
}

/* Collect the argument list of execl and its kin on the stack. */
#define GATHER(first, last)                                      \
	va_list ap;                                              \
	size_t n = 1;                                            \
	char **argv;                                             \
	va_start(ap, first);                                     \
	while (va_arg(ap, char *) != NULL)                       \
		n++;                                             \
	va_end(ap);                                              \
	argv = alloca((n + 1) * sizeof(char *));                 \
	va_start(ap, first);                                     \
	argv[0] = (char *)(uintptr_t)first;                      \
	for (size_t i = 1; i < n; i++)                           \
		argv[i] = va_arg(ap, char *);                    \
	argv[n] = va_arg(ap, char *);                            \
	last;                                                    \
	va_end(ap)

int
execl(const char *path, const char *arg, ...)
{
	GATHER(arg, (void)0);
	return (execve(path, argv, environ));
}

int
execlp(const char *file, const char *arg, ...)
{
	GATHER(arg, (void)0);
	return (execvp(file, argv));
}

int
execle(const char *path, const char *arg, ...)
{
	char **envp;

	GATHER(arg, envp = va_arg(ap, char **));
	return (execve(path, argv, envp));
}

int
system(const char *command)
{
	struct sigaction ign, intr, quit;
	sigset_t chld, mask;
	int status = -1;
	pid_t pid;

	if (command == NULL)
		return (access(_PATH_BSHELL, X_OK) == 0);
	memset(&ign, 0, sizeof(ign));
	ign.sa_handler = SIG_IGN;
	sigaction(SIGINT, &ign, &intr);
	sigaction(SIGQUIT, &ign, &quit);
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, &mask);
	pid = fork();
	if (pid == 0) {
		sigaction(SIGINT, &intr, NULL);
		sigaction(SIGQUIT, &quit, NULL);
		sigprocmask(SIG_SETMASK, &mask, NULL);
		execl(_PATH_BSHELL, "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	if (pid > 0)
		while (waitpid(pid, &status, 0) < 0)
			if (errno != EINTR) {
				status = -1;
				break;
			}
	sigaction(SIGINT, &intr, NULL);
	sigaction(SIGQUIT, &quit, NULL);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	return (status);
}

FILE *
popen(const char *command, const char *mode)
{
	int fds[2], reading = *mode == 'r';
	FILE *f;
	pid_t pid;

	if ((*mode != 'r' && *mode != 'w') || (mode[1] != '\0' && mode[1] != 'e')) {
		errno = EINVAL;
		return (NULL);
	}
	/* Close-on-exec, so that later children do not hold our end. */
	if (pipe2(fds, O_CLOEXEC) < 0)
		return (NULL);
	if ((f = fdopen(fds[!reading], reading ? "r" : "w")) == NULL || (pid = fork()) < 0) {
		int saved = errno;

		if (f != NULL)
			fclose(f);
		else
			close(fds[!reading]);
		close(fds[reading]);
		errno = saved;
		return (NULL);
	}
	if (pid == 0) {
		if (fds[reading] == reading)
			fcntl(fds[reading], F_SETFD, 0);
		else
			dup2(fds[reading], reading);
		execl(_PATH_BSHELL, "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	close(fds[reading]);
	f->pid = pid;
	return (f);
}

int
pclose(FILE *f)
{
	pid_t pid = f->pid;
	int status;

	if (pid == 0) {
		errno = EINVAL;
		return (-1);
	}
	fclose(f);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return (-1);
	return (status);
}

/* Replace the X's before a suffix of slen characters until `make` succeeds. */
static int
unique(char *path, int slen, int (*make)(const char *, int), int arg)
{
	static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	size_t len = strlen(path);
	char *end, *start;
	int fd;

	if (slen < 0 || (size_t)slen > len) {
		errno = EINVAL;
		return (-1);
	}
	end = start = path + len - slen;
	while (start > path && start[-1] == 'X')
		start--;
	for (int tries = 0; tries < 1000; tries++) {
		for (char *p = start; p < end; p++)
			*p = letters[arc4random_uniform(62)];
		if ((fd = make(path, arg)) >= 0 || errno != EEXIST || start == end)
			return (fd);
	}
	return (-1);
}

static int
make_file(const char *path, int flags)
{
	return (open(path, O_RDWR | O_CREAT | O_EXCL | flags, 0600));
}

static int
make_dir(const char *path, int unused)
{
	(void)unused;
	return (mkdir(path, 0700));
}

static int
make_nothing(const char *path, int unused)
{
	struct stat st;

	(void)unused;
	if (lstat(path, &st) == 0) {
		errno = EEXIST;
		return (-1);
	}
	return (errno == ENOENT ? 0 : -1);
}

int
mkstemp(char *path)
{
	return (unique(path, 0, make_file, 0));
}

int
mkostemp(char *path, int flags)
{
	return (unique(path, 0, make_file, flags));
}

int
mkstemps(char *path, int slen)
{
	return (unique(path, slen, make_file, 0));
}

char *
mkdtemp(char *path)
{
	return (unique(path, 0, make_dir, 0) < 0 ? NULL : path);
}

char *
mktemp(char *path)
{
	return (unique(path, 0, make_nothing, 0) < 0 ? NULL : path);
}

char *
tmpnam(char *buf)
{
	static char own[L_tmpnam];

	if (buf == NULL)
		buf = own;
	strcpy(buf, P_tmpdir "tmp.XXXXXXXXXX");
	return (mktemp(buf));
}

FILE *
tmpfile(void)
{
	char path[] = P_tmpdir "tmp.XXXXXXXXXX";
	int fd = mkstemp(path);
	FILE *f;

	if (fd < 0)
		return (NULL);
	unlink(path);
	if ((f = fdopen(fd, "w+")) == NULL)
		close(fd);
	return (f);
}
