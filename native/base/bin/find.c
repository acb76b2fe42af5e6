/*
 * find [-H | -L | -P] [-EXdsx] [-f path] path ... [expression]: walk a file hierarchy. Counterpart: usr.bin/find.
 */
#include "find.h"

#include <fnmatch.h>
#include <grp.h>
#include <pwd.h>
#include <sys/wait.h>

static int status;
static bool pruned, stop;

static bool
compare(const struct node *n, long long v)
{
	return n->cmp == '+' ? v > n->num : n->cmp == '-' ? v < n->num : v == n->num;
}

static struct timespec
time_of(const struct stat *st, char which)
{
	return which == 'a' ? st->st_atim : which == 'c' ? st->st_ctim : st->st_mtim;
}

static bool
size_matches(const struct node *n, long long size)
{
	static const char units[] = "kMGTP";
	long long unit = 512;
	const char *u;

	if (n->which == 'c')
		unit = 1;
	else if (n->which == 'w')
		unit = 2;
	else if (n->which != '\0' && (u = strchr(units, n->which)) != NULL)
		unit = 1LL << (10 * (u - units + 1));
	return compare(n, (size + unit - 1) / unit);
}

static bool
is_type(const struct stat *st, char t)
{
	switch (t) {
	case 'b': return S_ISBLK(st->st_mode);
	case 'c': return S_ISCHR(st->st_mode);
	case 'd': return S_ISDIR(st->st_mode);
	case 'f': return S_ISREG(st->st_mode);
	case 'l': return S_ISLNK(st->st_mode);
	case 'p': return S_ISFIFO(st->st_mode);
	case 's': return S_ISSOCK(st->st_mode);
	default: return false;
	}
}

static bool
is_empty(const struct wnode *w)
{
	char **names;
	size_t n;

	if (S_ISREG(w->st.st_mode))
		return w->st.st_size == 0;
	if (!S_ISDIR(w->st.st_mode))
		return false;
	if (read_names(w->path, false, &names, &n) != 0) {
		warn("%s", w->path);
		return false;
	}
	free_names(names, n);
	return n == 0;
}

/* Runs av; true if it exits with 0. */
static bool
run(char **av, const char *dir)
{
	pid_t pid;
	int st;

	fflush(stdout);
	if ((pid = fork()) < 0)
		err(1, "fork");
	if (pid == 0) {
		if (dir != NULL && chdir(dir) != 0) {
			warn("%s", dir);
			_exit(1);
		}
		execvp(av[0], av);
		warn("%s", av[0]);
		_exit(1);
	}
	while (waitpid(pid, &st, 0) < 0)
		if (errno != EINTR)
			err(1, "waitpid");
	return WIFEXITED(st) && WEXITSTATUS(st) == 0;
}

/* `s` with every {} replaced. */
static char *
subst(const char *s, const char *path)
{
	struct sbuf b = { 0 };

	sb_reset(&b);
	for (; *s != '\0'; s++) {
		if (s[0] == '{' && s[1] == '}') {
			sb_puts(&b, path);
			s++;
		} else
			sb_putc(&b, *s);
	}
	return b.s;
}

static char *
dir_of(const char *path)
{
	const char *s = strrchr(path, '/');

	return s == NULL ? xstrdup(".") : s == path ? xstrdup("/") : xstrndup(path, (size_t)(s - path));
}

static bool
exec_one(const struct node *n, const struct wnode *w)
{
	char **av = xmalloc((size_t)(n->argc + 1) * sizeof(*av)), *dir = NULL, *rel = NULL;
	bool ok;

	if (n->in_dir) {
		dir = dir_of(w->path);
		rel = path_join(".", base_name(w->path));
	}
	for (int i = 0; i < n->argc; i++)
		av[i] = subst(n->argv[i], rel != NULL ? rel : w->path);
	av[n->argc] = NULL;
	if (n->kind == N_OK) {
		fputc('"', stderr);
		for (int i = 0; i < n->argc; i++)
			fprintf(stderr, "%s%s", i > 0 ? " " : "", av[i]);
		if (!ask("\"? "))
			return false;
	}
	ok = run(av, dir);
	for (int i = 0; i < n->argc; i++)
		free(av[i]);
	free(av);
	free(dir);
	free(rel);
	return ok;
}

static void
flush_batch(struct node *n)
{
	char **av;

	if (n->nbatch == 0)
		return;
	av = xmalloc((size_t)(n->argc + n->nbatch + 1) * sizeof(*av));
	memcpy(av, n->argv, (size_t)n->argc * sizeof(*av));
	memcpy(av + n->argc, n->batch, (size_t)n->nbatch * sizeof(*av));
	av[n->argc + n->nbatch] = NULL;
	if (!run(av, NULL))
		status = 1;
	for (int i = 0; i < n->nbatch; i++)
		free(n->batch[i]);
	free(av);
	n->nbatch = 0;
	n->batch_bytes = 0;
}

static void
add_batch(struct node *n, const char *path)
{
	/* Well below ARG_MAX (262144), with room for the environment. */
	if (n->nbatch == 4000 || n->batch_bytes + strlen(path) > 100000)
		flush_batch(n);
	n->batch = xrealloc(n->batch, (size_t)(n->nbatch + 1) * sizeof(*n->batch));
	n->batch[n->nbatch++] = xstrdup(path);
	n->batch_bytes += strlen(path) + 9;
}

static void
print_ls(const struct wnode *w)
{
	char mode[12], when[64], target[PATH_MAX];
	time_t t = w->st.st_mtim.tv_sec, now = time(NULL);
	ssize_t n;

	mode_string(w->st.st_mode, mode);
	strftime(when, sizeof(when), t + 15552000 > now && t < now + 15552000 ? "%b %e %H:%M" : "%b %e  %Y", localtime(&t));
	printf("%6llu %4lld %s %3llu %-16s %-16s", (unsigned long long)w->st.st_ino, (long long)w->st.st_blocks, mode,
	    (unsigned long long)w->st.st_nlink, user_name(w->st.st_uid), group_name(w->st.st_gid));
	printf(" %12lld %s %s", (long long)w->st.st_size, when, w->path);
	if (S_ISLNK(w->st.st_mode) && (n = readlink(w->path, target, sizeof(target))) >= 0)
		printf(" -> %.*s", (int)n, target);
	putchar('\n');
}

static bool
delete(const struct wnode *w)
{
	if (strcmp(w->path, ".") == 0 || strcmp(w->path, "..") == 0)
		return true;
	if ((S_ISDIR(w->st.st_mode) ? rmdir(w->path) : unlink(w->path)) == 0)
		return true;
	warn("-delete: %s", w->path);
	status = 1;
	return false;
}

static bool
eval(struct node *n, struct wnode *w)
{
	struct timespec ts;
	long long age;
	char target[PATH_MAX];
	ssize_t len;

	switch (n->kind) {
	case N_AND: return eval(n->a, w) && !stop && eval(n->b, w);
	case N_OR: return eval(n->a, w) || (!stop && eval(n->b, w));
	case N_NOT: return !eval(n->a, w);
	case N_TRUE: return true;
	case N_FALSE: return false;
	case N_NAME: return fnmatch(n->text, w->name, 0) == 0;
	case N_INAME: return fnmatch(n->text, w->name, FNM_CASEFOLD) == 0;
	case N_PATH: return fnmatch(n->text, w->path, 0) == 0;
	case N_IPATH: return fnmatch(n->text, w->path, FNM_CASEFOLD) == 0;
	case N_LNAME:
		if (!S_ISLNK(w->st.st_mode) || (len = readlink(w->path, target, sizeof(target) - 1)) < 0)
			return false;
		target[len] = '\0';
		return fnmatch(n->text, target, 0) == 0;
	case N_TYPE: return is_type(&w->st, *n->text);
	case N_SIZE: return size_matches(n, w->st.st_size);
	case N_TIME:
		ts = time_of(&w->st, n->which);
		age = (long long)find_now - ts.tv_sec;
		return compare(n, n->minutes ? (age + 59) / 60 : age / 86400);
	case N_NEWER:
		ts = time_of(&w->st, n->which);
		return ts.tv_sec > n->ts.tv_sec || (ts.tv_sec == n->ts.tv_sec && ts.tv_nsec > n->ts.tv_nsec);
	case N_PERM:
		if (n->cmp == '-')
			return (w->st.st_mode & 07777 & (unsigned)n->num) == (unsigned)n->num;
		if (n->cmp == '/')
			return n->num == 0 || (w->st.st_mode & 07777 & (unsigned)n->num) != 0;
		return (w->st.st_mode & 07777) == (unsigned)n->num;
	case N_USER: return w->st.st_uid == (uid_t)n->num;
	case N_GROUP: return w->st.st_gid == (gid_t)n->num;
	case N_NOUSER: return getpwuid(w->st.st_uid) == NULL;
	case N_NOGROUP: return getgrgid(w->st.st_gid) == NULL;
	case N_LINKS: return compare(n, (long long)w->st.st_nlink);
	case N_INUM: return compare(n, (long long)w->st.st_ino);
	case N_EMPTY: return is_empty(w);
	case N_DEPTHN: return compare(n, w->level);
	case N_EXEC:
	case N_OK: return exec_one(n, w);
	case N_EXECPLUS: add_batch(n, w->path); return true;
	case N_PRINT: puts(w->path); return true;
	case N_PRINT0: printf("%s%c", w->path, '\0'); return true;
	case N_LS: print_ls(w); return true;
	case N_PRUNE: pruned = true; return true;
	case N_DELETE: return delete(w);
	case N_QUIT: stop = true; return true;
	}
	return false;
}

static int
visit(struct wnode *w, void *arg)
{
	bool over;

	switch (w->type) {
	case W_NOSTAT:
	case W_NOREAD:
		errno = w->error;
		warn("%s", w->path);
		status = 1;
		return WALK_GO;
	case W_CYCLE:
		warnx("%s: directory causes a cycle", w->path);
		status = 1;
		return WALK_GO;
	default: break;
	}
	over = find_maxdepth >= 0 && w->level >= find_maxdepth;
	pruned = false;
	/* With -depth a directory's own turn comes last. */
	if (!(find_depth && w->type == W_D) && w->level >= find_mindepth && (find_depth || w->type != W_DP))
		eval(arg, w);
	if (stop)
		return WALK_STOP;
	return over || (pruned && !find_depth) ? WALK_SKIP : WALK_GO;
}

int
find_main(int argc, char **argv)
{
	static const char text[] = "find [-H | -L | -P] [-EXdsx] [-f path] path ... [expression]\n"
				   "       find [-H | -L | -P] [-EXdsx] -f path [path ...] [expression]";
	char **paths = xmalloc((size_t)(argc + 1) * sizeof(*paths));
	int n = 0, i = 1, flags = 0;
	struct node *expr;

	/* Not getopt: an expression starts with "-" as well. */
	for (; i < argc && argv[i][0] == '-' && argv[i][1] != '\0' && strspn(argv[i] + 1, "HLPEXdfsx") == strlen(argv[i] + 1); i++)
		for (const char *o = argv[i] + 1; *o != '\0'; o++)
			switch (*o) {
			case 'H': flags = (flags & ~WALK_LOGICAL) | WALK_COMFOLLOW; break;
			case 'L': flags = (flags & ~WALK_COMFOLLOW) | WALK_LOGICAL; break;
			case 'P': flags &= ~(WALK_LOGICAL | WALK_COMFOLLOW); break;
			case 'd': find_depth = true; break;
			case 'f':
				if (o[1] != '\0' || i + 1 >= argc)
					usage(1, text);
				paths[n++] = argv[++i];
				o = "f";
				break;
			case 's': flags |= WALK_SORT; break;
			case 'x': find_xdev = true; break;
			default: break;
			}
	for (; i < argc && argv[i][0] != '-' && strcmp(argv[i], "(") != 0 && strcmp(argv[i], "!") != 0; i++)
		paths[n++] = argv[i];
	if (n == 0)
		usage(1, text);
	find_now = time(NULL);
	expr = find_parse(argv + i);
	if (find_xdev)
		flags |= WALK_XDEV;
	if (find_depth)
		flags |= WALK_POST;
	for (int k = 0; k < n && !stop; k++)
		walk(paths[k], flags, visit, expr);
	for (size_t k = 0; k < find_nplus; k++)
		flush_batch(find_plus[k]);
	return finish(status);
}
