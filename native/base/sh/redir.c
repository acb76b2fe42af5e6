/*
 * redir.c: redirections in two steps. A plan has every word expanded and here-documents already
 * behind a descriptor; acting on it is system calls only, so a vfork child can do it.
 *
 * In the shell itself the descriptors that a plan replaces are saved above SH_FD_MIN on a stack,
 * which is popped when the command ends or an error unwinds.
 */
#include "sh.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct saved_fd {
	int fd, copy; /* copy -1: it was closed */
};
static struct saved_fd *saved;
static int nsaved, capsaved;

#define HERE_PIPE_MAX 4096 /* what any pipe takes without a reader */

int fd_private(int fd)
{
	int n;

	if (fd >= SH_FD_MIN)
		return fd;
	n = fcntl(fd, F_DUPFD_CLOEXEC, SH_FD_MIN);
	if (n < 0)
		n = fcntl(fd, F_DUPFD_CLOEXEC, 10);
	close(fd);
	return n;
}

/* A descriptor from which the text can be read; a long one is written by a child. */
static int heredoc_fd(const char *s)
{
	size_t n = strlen(s), done = 0;
	int p[2];

	if (pipe(p) < 0)
		sh_error("cannot create a pipe for a here-document: %s", strerror(errno));
	p[0] = fd_private(p[0]);
	if (n <= HERE_PIPE_MAX) {
		while (done < n) {
			ssize_t w = write(p[1], s + done, n - done);

			if (w < 0 && errno != EINTR)
				break;
			done += w > 0 ? (size_t)w : 0;
		}
	} else {
		pid_t pid;

		out_flush();
		pid = fork();
		if (pid < 0) {
			close(p[0]);
			close(p[1]);
			sh_error("cannot fork: %s", strerror(errno));
		}
		if (pid == 0) {
			signal(SIGINT, SIG_IGN);
			signal(SIGQUIT, SIG_IGN);
			signal(SIGHUP, SIG_IGN);
			signal(SIGTSTP, SIG_IGN);
			signal(SIGPIPE, SIG_DFL);
			close(p[0]);
			while (done < n) {
				ssize_t w = write(p[1], s + done, n - done);

				if (w < 0 && errno != EINTR)
					break;
				done += w > 0 ? (size_t)w : 0;
			}
			_exit(0);
		}
	}
	close(p[1]);
	return p[0];
}

struct rplan *redir_plan(struct redir *r)
{
	struct rplan *first = NULL, **tail = &first;

	for (; r != NULL; r = r->next) {
		struct rplan *p = tmp_alloc(sizeof *p);

		p->next = NULL;
		p->op = r->op;
		p->fd = r->fd;
		p->src = -2;
		p->path = NULL;
		p->own = false;
		switch (r->op) {
		case R_HERE:
			p->src = heredoc_fd(expand_one(r->target, 0));
			p->own = true;
			break;
		case R_DUPIN:
		case R_DUPOUT: {
			char *s = expand_one(r->target, X_TILDE), *end;

			if (strcmp(s, "-") == 0) {
				p->src = -1;
				break;
			}
			p->src = 0;
			for (end = s; *end >= '0' && *end <= '9' && end - s < 6; end++)
				p->src = p->src * 10 + (*end - '0');
			if (end == s || *end != '\0')
				sh_error("%s: bad file descriptor", s);
			break;
		}
		default:
			p->path = expand_one(r->target, X_TILDE);
		}
		*tail = p;
		tail = &p->next;
	}
	return first;
}

/* Opening a FIFO or a device can block, which a vfork child must not do for long. */
bool redir_may_block(const struct rplan *p)
{
	struct stat st;

	for (; p != NULL; p = p->next)
		if (p->src == -2 && strcmp(p->path, "/dev/null") != 0 && stat(p->path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
			return true;
	return false;
}

static int open_file(const struct rplan *p)
{
	struct stat st;
	int fd;

	switch (p->op) {
	case R_IN:
		return open(p->path, O_RDONLY);
	case R_RDWR:
		return open(p->path, O_RDWR | O_CREAT, 0666);
	case R_APPEND:
		return open(p->path, O_WRONLY | O_CREAT | O_APPEND, 0666);
	case R_OUT:
		if (!optv['C'])
			break;
		if (stat(p->path, &st) < 0) {
			fd = open(p->path, O_WRONLY | O_CREAT | O_EXCL, 0666);
		} else if (S_ISREG(st.st_mode)) {
			errno = EEXIST;
			return -1;
		} else {
			fd = open(p->path, O_WRONLY);
		}
		return fd;
	}
	return open(p->path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
}

int redir_act(const struct rplan *p)
{
	int fd;

	if (p->src == -1) {
		close(p->fd);
		return 0;
	}
	if (p->src >= 0) {
		if (p->src == p->fd)
			return fcntl(p->fd, F_GETFD) < 0 ? -1 : 0;
		return dup2(p->src, p->fd) < 0 ? -1 : 0;
	}
	do
		fd = open_file(p);
	while (fd < 0 && errno == EINTR && !sig_any);
	if (fd < 0)
		return -1;
	if (fd != p->fd) {
		int r = dup2(fd, p->fd), e = errno;

		close(fd);
		errno = e;
		if (r < 0)
			return -1;
	}
	return 0;
}

static void save(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, SH_FD_MIN);

	if (copy < 0 && errno != EBADF)
		copy = fcntl(fd, F_DUPFD_CLOEXEC, 10);
	if (nsaved == capsaved) {
		capsaved = capsaved ? capsaved * 2 : 16;
		saved = sh_realloc(saved, (size_t)capsaved * sizeof *saved);
	}
	saved[nsaved].fd = fd;
	saved[nsaved++].copy = copy;
}

int redir_level(void)
{
	return nsaved;
}

/* Carry a plan out in this process. On failure what was done stays on the stack for the caller to pop. */
int redir_push(struct rplan *p, bool keep_old)
{
	int level = nsaved;

	if (p != NULL)
		out_flush();
	for (; p != NULL; p = p->next) {
		int r;

		if (keep_old) {
			int i;

			for (i = level; i < nsaved; i++)
				if (saved[i].fd == p->fd)
					break;
			if (i == nsaved)
				save(p->fd);
		}
		r = redir_act(p);
		if (r < 0) {
			if (p->path != NULL)
				sh_warn("cannot %s %s: %s", p->op == R_IN ? "open" : "create", p->path, strerror(errno));
			else
				sh_warn("%d: %s", p->src, strerror(errno));
		}
		if (p->own) {
			close(p->src);
			p->own = false;
		}
		if (r < 0) {
			redir_close_plan(p);
			return -1;
		}
	}
	return 0;
}

/* Close what the parent holds of a plan that a child carried out. */
void redir_close_plan(struct rplan *p)
{
	for (; p != NULL; p = p->next) {
		if (p->own) {
			close(p->src);
			p->own = false;
		}
	}
}

void redir_pop_to(int level)
{
	if (nsaved > level)
		out_flush();
	while (nsaved > level) {
		struct saved_fd *s = &saved[--nsaved];

		if (s->copy < 0) {
			close(s->fd);
		} else {
			dup2(s->copy, s->fd);
			close(s->copy);
		}
	}
}

void redir_keep(int level)
{
	while (nsaved > level) {
		struct saved_fd *s = &saved[--nsaved];

		if (s->copy >= 0)
			close(s->copy);
	}
}
