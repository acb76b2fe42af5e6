/*
 * Shared helpers about files: mode strings and chmod(1) modes, owners' names, signals' names, the hierarchy walker.
 */
#include "util.h"

#include <grp.h>
#include <pwd.h>

void
mode_string(unsigned mode, char out[12])
{
	static const char rwx[] = "rwxrwxrwx";

	switch (mode & S_IFMT) {
	case S_IFDIR: out[0] = 'd'; break;
	case S_IFLNK: out[0] = 'l'; break;
	case S_IFCHR: out[0] = 'c'; break;
	case S_IFBLK: out[0] = 'b'; break;
	case S_IFIFO: out[0] = 'p'; break;
	case S_IFSOCK: out[0] = 's'; break;
	case S_IFREG: out[0] = '-'; break;
#ifdef S_IFWHT
	case S_IFWHT: out[0] = 'w'; break;
#endif
	default: out[0] = '?'; break;
	}
	for (int i = 0; i < 9; i++)
		out[i + 1] = mode & (0400u >> i) ? rwx[i] : '-';
	if (mode & S_ISUID)
		out[3] = mode & S_IXUSR ? 's' : 'S';
	if (mode & S_ISGID)
		out[6] = mode & S_IXGRP ? 's' : 'S';
	if (mode & S_ISTXT)
		out[9] = mode & S_IXOTH ? 't' : 'T';
	out[10] = ' ';
	out[11] = '\0';
}

/* One step of a symbolic mode: `who` bits, operator, permission letters as bits plus X and copies. */
struct mode_op {
	unsigned who; /* mask of bits the clause may touch */
	unsigned bits;
	unsigned copy; /* 0, or 0700, 070, 07: take the permissions of that class */
	char op; /* + - = */
	bool cond_x;
};

struct mode_spec {
	bool absolute;
	unsigned bits;
	size_t count;
	struct mode_op ops[];
};

struct mode_spec *
mode_compile(const char *spec)
{
	struct mode_spec *m = xmalloc(sizeof(*m));
	const char *p = spec;
	unsigned mask = umask(0);

	umask((mode_t)mask);
	m->count = 0;
	m->absolute = *p >= '0' && *p <= '7';
	if (m->absolute) {
		for (m->bits = 0; *p >= '0' && *p <= '7' && m->bits <= 07777; p++)
			m->bits = m->bits * 8 + (unsigned)(*p - '0');
		return *p == '\0' && m->bits <= 07777 ? m : NULL;
	}
	for (;;) {
		unsigned who = 0;
		bool named;

		for (;; p++) {
			if (*p == 'u')
				who |= 04700;
			else if (*p == 'g')
				who |= 02070;
			else if (*p == 'o')
				who |= 01007;
			else if (*p == 'a')
				who |= 07777;
			else
				break;
		}
		named = who != 0;
		if (*p != '+' && *p != '-' && *p != '=')
			return NULL;
		while (*p == '+' || *p == '-' || *p == '=') {
			struct mode_op o = { .who = named ? who : 07777, .op = *p++ };

			for (;; p++) {
				if (*p == 'r')
					o.bits |= 0444;
				else if (*p == 'w')
					o.bits |= 0222;
				else if (*p == 'x')
					o.bits |= 0111;
				else if (*p == 'X')
					o.cond_x = true;
				else if (*p == 's')
					o.bits |= 06000;
				else if (*p == 't')
					o.bits |= 01000;
				else if (*p == 'u')
					o.copy |= 0700;
				else if (*p == 'g')
					o.copy |= 0070;
				else if (*p == 'o')
					o.copy |= 0007;
				else
					break;
			}
			/* The sticky bit belongs to everybody: "u+t" sets it too. */
			if (named && (o.bits & 01000))
				o.who |= 01000;
			/* Without a class the file creation mask holds, but "=" still clears the bits it hides. */
			if (!named)
				o.bits &= ~mask | 07000;
			m = xrealloc(m, sizeof(*m) + (m->count + 1) * sizeof(o));
			m->ops[m->count++] = o;
		}
		if (*p == '\0')
			return m;
		if (*p++ != ',')
			return NULL;
	}
}

unsigned
mode_apply(const struct mode_spec *m, unsigned old, bool is_dir)
{
	unsigned mode = old & 07777;

	if (m->absolute)
		return m->bits;
	for (size_t i = 0; i < m->count; i++) {
		const struct mode_op *o = &m->ops[i];
		unsigned bits = o->bits;

		if (o->cond_x && (is_dir || (mode & 0111)))
			bits |= 0111;
		for (unsigned cls = 0700, shift = 6; cls != 0; cls >>= 3, shift -= 3)
			if (o->copy & cls)
				bits |= ((mode >> shift) & 07) * 0111;
		bits &= o->who;
		if (o->op == '+')
			mode |= bits;
		else if (o->op == '-')
			mode &= ~bits;
		else
			mode = (mode & ~(o->who & (is_dir ? 01777 : 07777))) | bits;
	}
	return mode;
}

struct id_name {
	unsigned id;
	struct id_name *next;
	char name[];
};

static const char *
cache_name(struct id_name **cache, unsigned id, const char *name)
{
	char num[16];
	struct id_name *n;

	if (name == NULL) {
		snprintf(num, sizeof(num), "%u", id);
		name = num;
	}
	n = xmalloc(sizeof(*n) + strlen(name) + 1);
	n->id = id;
	strcpy(n->name, name);
	n->next = *cache;
	*cache = n;
	return n->name;
}

const char *
user_name(uid_t uid)
{
	static struct id_name *cache;
	struct passwd *pw;

	for (struct id_name *n = cache; n != NULL; n = n->next)
		if (n->id == uid)
			return n->name;
	pw = getpwuid(uid);
	return cache_name(&cache, uid, pw != NULL ? pw->pw_name : NULL);
}

const char *
group_name(gid_t gid)
{
	static struct id_name *cache;
	struct group *gr;

	for (struct id_name *n = cache; n != NULL; n = n->next)
		if (n->id == gid)
			return n->name;
	gr = getgrgid(gid);
	return cache_name(&cache, gid, gr != NULL ? gr->gr_name : NULL);
}

bool
parse_user(const char *s, uid_t *uid)
{
	struct passwd *pw = getpwnam(s);
	long long v;

	if (pw != NULL)
		*uid = pw->pw_uid;
	else if (str_num(s, 10, &v) && v >= 0 && v <= UINT_MAX)
		*uid = (uid_t)v;
	else
		return false;
	return true;
}

bool
parse_group(const char *s, gid_t *gid)
{
	struct group *gr = getgrnam(s);
	long long v;

	if (gr != NULL)
		*gid = gr->gr_gid;
	else if (str_num(s, 10, &v) && v >= 0 && v <= UINT_MAX)
		*gid = (gid_t)v;
	else
		return false;
	return true;
}

/* Indexed by SIG*, so that the host's numbers work in host tests. */
const char *const signal_names[] = {
	[SIGHUP] = "HUP", [SIGINT] = "INT", [SIGQUIT] = "QUIT", [SIGILL] = "ILL", [SIGTRAP] = "TRAP",
	[SIGABRT] = "ABRT", [SIGFPE] = "FPE", [SIGKILL] = "KILL", [SIGBUS] = "BUS", [SIGSEGV] = "SEGV",
	[SIGSYS] = "SYS", [SIGPIPE] = "PIPE", [SIGALRM] = "ALRM", [SIGTERM] = "TERM", [SIGURG] = "URG",
	[SIGSTOP] = "STOP", [SIGTSTP] = "TSTP", [SIGCONT] = "CONT", [SIGCHLD] = "CHLD", [SIGTTIN] = "TTIN",
	[SIGTTOU] = "TTOU", [SIGIO] = "IO", [SIGXCPU] = "XCPU", [SIGXFSZ] = "XFSZ", [SIGVTALRM] = "VTALRM",
	[SIGPROF] = "PROF", [SIGWINCH] = "WINCH", [SIGUSR1] = "USR1", [SIGUSR2] = "USR2",
#ifdef SIGEMT
	[SIGEMT] = "EMT",
#endif
#ifdef SIGINFO
	[SIGINFO] = "INFO",
#endif
#ifdef SIGTHR
	[SIGTHR] = "THR",
#endif
#ifdef SIGCKPT
	[SIGCKPT] = "CKPT", [SIGCKPTEXIT] = "CKPTEXIT",
#endif
};
const int signal_count = (int)NELEM(signal_names);

int
signal_number(const char *name)
{
	if (strncasecmp(name, "SIG", 3) == 0)
		name += 3;
	for (int i = 1; i < signal_count; i++)
		if (signal_names[i] != NULL && strcasecmp(name, signal_names[i]) == 0)
			return i;
	return -1;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int
read_names(const char *dir, bool sorted, char ***names, size_t *count)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	size_t cap = 0;
	int saved;

	*names = NULL;
	*count = 0;
	if (d == NULL)
		return -1;
	for (errno = 0; (e = readdir(d)) != NULL; errno = 0) {
		if (IS_DOT(e->d_name))
			continue;
		if (*count == cap) {
			cap = cap ? cap * 2 : 32;
			*names = xrealloc(*names, cap * sizeof(char *));
		}
		(*names)[(*count)++] = xstrdup(e->d_name);
	}
	saved = errno;
	closedir(d);
	if (saved != 0) {
		free_names(*names, *count);
		errno = saved;
		return -1;
	}
	if (sorted && *count > 1)
		qsort(*names, *count, sizeof(char *), by_name);
	return 0;
}

void
free_names(char **names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	free(names);
}

static int
walk_node(struct wnode *w, int flags, dev_t dev, walk_fn fn, void *arg)
{
	char **names;
	size_t count;
	bool follow = (flags & WALK_LOGICAL) || ((flags & WALK_COMFOLLOW) && w->level == 0);
	int rc;

	if ((follow ? stat(w->path, &w->st) : lstat(w->path, &w->st)) != 0) {
		w->error = errno;
		w->type = follow && lstat(w->path, &w->st) == 0 ? W_BADLINK : W_NOSTAT;
		return fn(w, arg) == WALK_STOP ? WALK_STOP : WALK_GO;
	}
	if (!S_ISDIR(w->st.st_mode)) {
		w->type = S_ISLNK(w->st.st_mode) ? W_SYMLINK : W_FILE;
		return fn(w, arg) == WALK_STOP ? WALK_STOP : WALK_GO;
	}
	w->type = W_D;
	for (struct wnode *p = w->parent; p != NULL; p = p->parent)
		if (p->st.st_dev == w->st.st_dev && p->st.st_ino == w->st.st_ino) {
			w->type = W_CYCLE;
			return fn(w, arg) == WALK_STOP ? WALK_STOP : WALK_GO;
		}
	if ((rc = fn(w, arg)) == WALK_STOP)
		return WALK_STOP;
	if (rc == WALK_GO && (!(flags & WALK_XDEV) || w->level == 0 || w->st.st_dev == dev)) {
		if (read_names(w->path, flags & WALK_SORT, &names, &count) != 0) {
			w->error = errno;
			w->type = W_NOREAD;
			if (fn(w, arg) == WALK_STOP)
				return WALK_STOP;
			count = 0;
			names = NULL;
		}
		for (size_t i = 0; i < count; i++) {
			char *path = path_join(w->path, names[i]);
			struct wnode c = { .path = path, .name = names[i], .level = w->level + 1, .parent = w };

			rc = walk_node(&c, flags, w->level == 0 ? w->st.st_dev : dev, fn, arg);
			free(path);
			if (rc == WALK_STOP)
				return WALK_STOP;
		}
		free_names(names, count);
	}
	if (!(flags & WALK_POST))
		return WALK_GO;
	w->type = W_DP;
	return fn(w, arg) == WALK_STOP ? WALK_STOP : WALK_GO;
}

int
walk(const char *path, int flags, walk_fn fn, void *arg)
{
	struct wnode w = { .path = path, .name = base_name(path) };

	return walk_node(&w, flags, 0, fn, arg);
}
