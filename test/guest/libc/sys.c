/* The calls whose stubs are special: two results, padding arguments, shared stacks, carry and errno, signals. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static volatile sig_atomic_t caught, caught_code;

static void
handler(int sig)
{
	caught = sig;
}

static void
fault(int sig, siginfo_t *info, void *context)
{
	static sigjmp_buf *where;

	(void)context;
	if (sig == 0) {
		where = (sigjmp_buf *)(void *)info;
		return;
	}
	caught = sig;
	caught_code = info->si_code;
	siglongjmp(*where, 1);
}

int
main(void)
{
	volatile int *volatile wild = (volatile int *)8;
	char path[] = "/tmp/systest.XXXXXX", buf[64];
	int fds[2], fd, status;
	struct sigaction sa;
	sigset_t set, old;
	sigjmp_buf jb;
	struct stat st;
	char *p;
	pid_t pid;

	errno = 0;
	ok(close(1000) == -1 && errno == EBADF, "a failing call returns -1 and sets errno");

	ok(pipe(fds) == 0 && fds[0] != fds[1], "pipe returns two descriptors");
	ok(write(fds[1], "abc", 3) == 3 && read(fds[0], buf, sizeof(buf)) == 3 && memcmp(buf, "abc", 3) == 0,
	    "bytes go through the pipe");
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		(void)!write(fds[1], "child", 5);
		_exit(42);
	}
	ok(pid > 0, "fork returns the child's id");
	ok(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 42, "wait gets its status");
	ok(read(fds[0], buf, sizeof(buf)) == 5, "the child wrote to the inherited pipe");
	pid = vfork();
	if (pid == 0)
		_exit(7);
	ok(pid > 0 && waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7, "vfork returns twice on one stack");
	pid = fork();
	if (pid == 0) {
		raise(SIGTERM);
		_exit(1);
	}
	ok(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM, "death by signal");
	close(fds[0]);
	signal(SIGPIPE, SIG_IGN);
	ok(write(fds[1], "x", 1) == -1 && errno == EPIPE, "writing without a reader is EPIPE");
	close(fds[1]);

	fd = mkstemp(path);
	ok(fd >= 0 && write(fd, "0123456789", 10) == 10, "a file can be made and written");
	ok(lseek(fd, 4, SEEK_SET) == 4 && read(fd, buf, 3) == 3 && memcmp(buf, "456", 3) == 0, "lseek, with its padding");
	ok(lseek(fd, -2, SEEK_END) == 8, "lseek from the end");
	ok(pread(fd, buf, 2, 1) == 2 && memcmp(buf, "12", 2) == 0 && lseek(fd, 0, SEEK_CUR) == 8,
	    "pread leaves the position alone");
	ok(ftruncate(fd, 5000) == 0 && fstat(fd, &st) == 0 && st.st_size == 5000, "ftruncate, with its padding");
	ok((st.st_mode & S_IFMT) == S_IFREG && (st.st_mode & 0777) == 0600 && st.st_nlink == 1, "fstat tells mode and links");
	p = mmap(NULL, 5000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ok(p != MAP_FAILED && memcmp(p, "0123456789", 10) == 0 && p[4999] == 0, "mmap of a file, seven arguments");
	if (p != MAP_FAILED) {
		p[1] = 'X';
		ok(pread(fd, buf, 3, 0) == 3 && memcmp(buf, "0X2", 3) == 0, "a shared mapping and read see the same bytes");
		munmap(p, 5000);
	}
	close(fd);
	ok(unlink(path) == 0 && stat(path, &st) == -1 && errno == ENOENT, "unlink removes the file");

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = handler;
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	ok(caught == SIGUSR1, "a handler runs and returns through the kernel's trampoline");
	caught = 0;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, &old);
	raise(SIGUSR1);
	ok(caught == 0, "a blocked signal waits");
	ok(sigsuspend(&old) == -1 && errno == EINTR && caught == SIGUSR1, "sigsuspend lets it in");
	sigprocmask(SIG_SETMASK, &old, NULL);

	fault(0, (siginfo_t *)(void *)&jb, NULL);
	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = fault;
	sa.sa_flags = SA_SIGINFO;
	sigaction(SIGSEGV, &sa, NULL);
	caught = 0;
	if (sigsetjmp(jb, 1) == 0)
		*wild = 1;
	ok(caught == SIGSEGV && caught_code == SEGV_MAPERR, "a wild store is SIGSEGV, SEGV_MAPERR");
	caught = 0;
	if (sigsetjmp(jb, 1) == 0)
		*wild = 1;
	ok(caught == SIGSEGV, "siglongjmp restored the mask: the second fault is caught too");
	{
		double x = 1.5;
		volatile double y = x * 3;

		raise(SIGUSR1);
		ok(y == 4.5 && x == 1.5, "floating point survives a handler");
	}
	return (finish());
}
