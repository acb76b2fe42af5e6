/*
 * spawn.c: finding programs, starting them with vfork, functions' table.
 *
 * The vfork child shares our memory until it execs. It makes system calls and reads memory; the only
 * memory it writes is its stack frame and argv[-1]. All signals are blocked across vfork, and the child
 * unblocks them only after its dispositions are the program's, so no handler of ours can run in it.
 */
#include "sh.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct hashed {
	struct hashed *next;
	char *name, *file;
};
static struct hashed *hashes[32];
static struct func *funcs[32];

static unsigned hash(const char *s)
{
	unsigned h = 0;

	while (*s)
		h = h * 31 + (unsigned char)*s++;
	return h % 32;
}

void hash_clear(void)
{
	struct hashed *h;
	int i;

	for (i = 0; i < 32; i++) {
		while ((h = hashes[i]) != NULL) {
			hashes[i] = h->next;
			free(h->name);
			free(h->file);
			free(h);
		}
	}
}

void hash_print(void)
{
	struct hashed *h;
	int i;

	for (i = 0; i < 32; i++)
		for (h = hashes[i]; h != NULL; h = h->next) {
			out_s(h->file);
			out_c('\n');
		}
}

static bool executable(const char *file, int *err)
{
	struct stat st;

	if (stat(file, &st) < 0) {
		if (errno != ENOENT && errno != ENOTDIR)
			*err = errno;
		return false;
	}
	if (S_ISREG(st.st_mode) && access(file, X_OK) == 0)
		return true;
	*err = S_ISDIR(st.st_mode) ? EISDIR : EACCES;
	return false;
}

/* Search a PATH; the answer is in the temporary arena. */
const char *path_search(const char *name, const char *path, int *err)
{
	size_t nl = strlen(name);

	*err = ENOENT;
	if (strchr(name, '/') != NULL)
		return executable(name, err) ? name : NULL;
	for (;;) {
		size_t n = strcspn(path, ":");
		char *file = tmp_alloc(n + nl + 3), *p = file;

		if (n > 0) {
			memcpy(p, path, n);
			p += n;
			*p++ = '/';
		}
		memcpy(p, name, nl + 1);
		if (executable(file, err))
			return file;
		if (path[n] == '\0')
			return NULL;
		path += n + 1;
	}
}

/* The program that a name stands for, remembered until PATH changes. */
const char *path_lookup(const char *name, int *err)
{
	struct hashed **slot, *h;
	const char *path, *file;

	if (strchr(name, '/') != NULL)
		return path_search(name, "", err);
	slot = &hashes[hash(name)];
	for (h = *slot; h != NULL; h = h->next) {
		if (strcmp(h->name, name) == 0) {
			if (access(h->file, X_OK) == 0)
				return h->file;
			break;
		}
	}
	path = var_get("PATH");
	file = path_search(name, path ? path : "", err);
	if (file == NULL)
		return NULL;
	if (file[0] != '/') /* depends on the current directory */
		return file;
	if (h == NULL) {
		h = sh_malloc(sizeof *h);
		h->name = sh_strdup(name);
		h->next = *slot;
		*slot = h;
	} else {
		free(h->file);
	}
	h->file = sh_strdup(file);
	return h->file;
}

static void say(const char *a, const char *b)
{
	char buf[512];
	size_t n = 0;
	const char *parts[6];
	int i;

	parts[0] = sh.arg0 ? sh.arg0 : "sh";
	parts[1] = ": ";
	parts[2] = a;
	parts[3] = ": ";
	parts[4] = b;
	parts[5] = "\n";
	for (i = 0; i < 6; i++) {
		const char *s = parts[i];

		while (*s && n < sizeof buf)
			buf[n++] = *s++;
	}
	if (write(2, buf, n) < 0)
		return;
}

/* Replace this process. A file without a known format is a script of ours. */
_Noreturn void exec_external(char **argv, char **envp, const char *file)
{
	int e;

	execve(file, argv, envp);
	e = errno;
	if (e == ENOEXEC) {
		argv[0] = (char *)file;
		argv[-1] = (char *)"sh";
		execve("/bin/sh", argv - 1, envp);
		e = errno;
	}
	say(argv[0], strerror(e));
	_exit(e == ENOENT ? 127 : 126);
}

pid_t spawn_external(char **argv, char **envp, const char *file, struct rplan *plan, struct job *j, const struct pipe_fds *pf, bool bg)
{
	sigset_t all, old;
	struct rplan *p;
	pid_t pid;
	bool grouped = j->jobctl;
	pid_t pgid = j->pgid;

	out_flush();
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	pid = vfork();
	if (pid == 0) {
		if (grouped) {
			pid_t pg = pgid ? pgid : getpid();

			setpgid(0, pg);
			if (!bg && tty_fd >= 0)
				tcsetpgrp(tty_fd, pg);
		}
		trap_restore_for_exec(grouped);
		if (bg && !grouped) {
			signal(SIGINT, SIG_IGN);
			signal(SIGQUIT, SIG_IGN);
			if (pf == NULL || pf->in < 0) {
				int fd = open("/dev/null", O_RDONLY);

				if (fd > 0) {
					dup2(fd, 0);
					close(fd);
				}
			}
		}
		pipe_fds_use(pf);
		for (p = plan; p != NULL; p = p->next) {
			if (redir_act(p) < 0) {
				say(p->path ? p->path : "redirection", strerror(errno));
				_exit(2);
			}
		}
		sigprocmask(SIG_SETMASK, &old, NULL);
		exec_external(argv, envp, file);
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	redir_close_plan(plan);
	if (pid < 0)
		sh_error("cannot fork: %s", strerror(errno));
	return pid;
}

struct func *func_find(const char *name)
{
	struct func *f;

	for (f = funcs[hash(name)]; f != NULL; f = f->next)
		if (strcmp(f->name, name) == 0)
			return f;
	return NULL;
}

static void func_drop(struct func *f)
{
	if (--f->refs > 0)
		return;
	arena_drop(f->arena);
	free(f->name);
	free(f);
}

int func_unset(const char *name)
{
	struct func **p;

	for (p = &funcs[hash(name)]; *p != NULL; p = &(*p)->next) {
		if (strcmp((*p)->name, name) == 0) {
			struct func *f = *p;

			*p = f->next;
			func_drop(f);
			return 0;
		}
	}
	return -1;
}

void func_define(const char *name, struct node *body, struct arena *a)
{
	struct func *f = sh_malloc(sizeof *f), **slot = &funcs[hash(name)];

	f->name = sh_strdup(name);
	f->body = body;
	f->arena = a;
	f->refs = 1;
	a->refs++;
	func_unset(name);
	f->next = *slot;
	*slot = f;
}

int func_call(struct func *f, char **argv, int argc, int flags)
{
	struct params save = sh.params;
	int loopnest = sh.loopnest, pos = sh.getopts_pos, locals = local_level(), exc;
	struct sh_try t;

	f->refs++; /* it may redefine itself */
	sh.params = (struct params){ argc - 1, argv + 1, NULL, 0 };
	sh_try_enter(&t);
	exc = setjmp(t.jb);
	if (exc == 0) {
		if (++sh.funcnest > 1000)
			sh_error("%s: functions nested too deep", f->name);
		sh.loopnest = 0;
		local_push();
		eval(f->body, flags);
		local_pop_to(locals);
		sh_try_leave(&t);
		sh.funcnest--;
	}
	if (sh.skip == SKIP_RETURN)
		sh.skip = SKIP_NONE;
	sh.loopnest = loopnest;
	params_free(&sh.params);
	sh.params = save;
	sh.getopts_pos = pos;
	func_drop(f);
	if (exc != 0)
		sh_throw(exc);
	return sh.status;
}
