/*
 * Copying of files and hierarchies, shared by cp and mv. Holes of sparse sources are not kept.
 */
#include "copy.h"

struct seen {
	dev_t dev;
	ino_t ino;
	struct seen *next;
	char path[];
};
static struct seen *links, *made_dirs;

static struct seen *
seen_find(struct seen *list, const struct stat *st)
{
	while (list != NULL && (list->dev != st->st_dev || list->ino != st->st_ino))
		list = list->next;
	return list;
}

static void
seen_add(struct seen **list, const struct stat *st, const char *path)
{
	struct seen *s = xmalloc(sizeof(*s) + strlen(path) + 1);

	s->dev = st->st_dev;
	s->ino = st->st_ino;
	strcpy(s->path, path);
	s->next = *list;
	*list = s;
}

/* Owner, mode, flags and times of `st` on `to`. Losing the owner costs the set-id bits, silently, as in BSD. */
static int
set_attributes(const char *to, const struct stat *st, bool is_link)
{
	struct timespec ts[2] = { st->st_atim, st->st_mtim };
	mode_t mode = st->st_mode & 07777;
	int rc = 0;

	if (lchown(to, st->st_uid, st->st_gid) != 0) {
		if (errno != EPERM) {
			warn("chown: %s", to);
			rc = 1;
		}
		mode &= ~(mode_t)06000;
	}
	if (!is_link && chmod(to, mode) != 0) {
		warn("chmod: %s", to);
		rc = 1;
	}
	if (utimensat(AT_FDCWD, to, ts, is_link ? AT_SYMLINK_NOFOLLOW : 0) != 0 && !is_link) {
		warn("utimensat: %s", to);
		rc = 1;
	}
#if !HOST_LIBC
	if (st->st_flags != 0 && !is_link && chflags(to, st->st_flags) != 0 && errno != EOPNOTSUPP) {
		warn("chflags: %s", to);
		rc = 1;
	}
#endif
	return rc;
}

/* Whether the existing `to` may be replaced. */
static bool
may_replace(const char *to, const struct copy_opts *o)
{
	if (o->no_clobber) {
		if (o->verbose)
			printf("%s not overwritten\n", to);
		return false;
	}
	if (o->interactive && !ask("overwrite %s? (y/n [n]) ", to)) {
		fputs("not overwritten\n", stderr);
		return false;
	}
	return true;
}

static int
copy_file(const char *from, const char *to, const struct stat *st, const struct stat *dst, const struct copy_opts *o)
{
	int in = open(from, O_RDONLY), out, rc = 0;
	bool on_write;

	if (in < 0) {
		warn("%s", from);
		return 1;
	}
	if (dst != NULL) {
		out = open(to, O_WRONLY | O_TRUNC);
		if (out < 0 && o->force) {
			unlink(to);
			dst = NULL;
		}
	}
	if (dst == NULL)
		out = open(to, O_WRONLY | O_CREAT | O_TRUNC, st->st_mode & (mode_t)(o->preserve ? 0777 : 01777) & ~(mode_t)06000);
	if (out < 0) {
		warn("%s", to);
		close(in);
		return 1;
	}
	if (copy_fd(in, out, &on_write) != 0) {
		warn("%s", on_write ? to : from);
		rc = 1;
	}
	close(in);
	if (close(out) != 0) {
		warn("%s", to);
		rc = 1;
	}
	return rc;
}

static int
copy_link(const char *from, const char *to)
{
	char target[PATH_MAX];
	ssize_t n = readlink(from, target, sizeof(target) - 1);

	if (n < 0) {
		warn("readlink: %s", from);
		return 1;
	}
	target[n] = '\0';
	if (symlink(target, to) != 0) {
		warn("symlink: %s", target);
		return 1;
	}
	return 0;
}

static int copy_node(const char *from, const char *to, const struct copy_opts *o, int level, dev_t dev);

static int
copy_dir(const char *from, const char *to, const struct stat *st, const struct stat *dst, const struct copy_opts *o,
    int level, dev_t dev)
{
	char **names;
	size_t count;
	struct stat made;
	int rc = 0;

	if (!o->recurse) {
		warnx("%s is a directory (not copied).", from);
		return 1;
	}
	if (dst != NULL && !S_ISDIR(dst->st_mode)) {
		errno = ENOTDIR;
		warn("%s", to);
		return 1;
	}
	/* Writable by us while it is being filled; the true mode comes last. */
	if (dst == NULL && mkdir(to, (st->st_mode & 0777) | 0700) != 0) {
		warn("%s", to);
		return 1;
	}
	/* What is copied into itself must not find its own copy again. */
	if (stat(to, &made) == 0)
		seen_add(&made_dirs, &made, to);
	if (o->verbose)
		printf("%s -> %s\n", from, to);
	if (read_names(from, false, &names, &count) != 0) {
		warn("%s", from);
		return 1;
	}
	for (size_t i = 0; i < count; i++) {
		char *f = path_join(from, names[i]), *t = path_join(to, names[i]);

		rc |= copy_node(f, t, o, level + 1, dev);
		free(f);
		free(t);
	}
	free_names(names, count);
	if (o->preserve)
		rc |= set_attributes(to, st, false);
	else if (dst == NULL) {
		mode_t mask = umask(0);

		umask(mask);
		if (((st->st_mode & 0777) | 0700) != (st->st_mode & 0777) && chmod(to, st->st_mode & 0777 & ~mask) != 0) {
			warn("chmod: %s", to);
			rc = 1;
		}
	}
	return rc;
}

static int
copy_node(const char *from, const char *to, const struct copy_opts *o, int level, dev_t dev)
{
	struct stat st, dst_st, *dst = NULL;
	bool follow = level == 0 ? o->follow_args : o->follow, track;
	struct seen *s = NULL;
	int rc;

	if ((follow ? stat(from, &st) : lstat(from, &st)) != 0) {
		warn("%s", from);
		return 1;
	}
	if (level == 0)
		dev = st.st_dev;
	if (S_ISDIR(st.st_mode) && seen_find(made_dirs, &st) != NULL && level > 0)
		return 0;
	if ((S_ISLNK(st.st_mode) ? lstat(to, &dst_st) : stat(to, &dst_st)) == 0)
		dst = &dst_st;
	else if (lstat(to, &dst_st) == 0)
		dst = &dst_st; /* a dangling link is written through */
	if (dst != NULL && dst->st_dev == st.st_dev && dst->st_ino == st.st_ino) {
		warnx("%s and %s are identical (not copied).", to, from);
		return 1;
	}
	if (S_ISDIR(st.st_mode)) {
		if (o->one_fs && st.st_dev != dev)
			return 0;
		return copy_dir(from, to, &st, dst, o, level, dev);
	}
	if (dst != NULL) {
		if (S_ISDIR(dst->st_mode)) {
			errno = EISDIR;
			warn("%s", to);
			return 1;
		}
		if (!may_replace(to, o))
			return o->no_clobber ? 0 : 1;
	}
	track = o->keep_links && st.st_nlink > 1;
	if (o->hard_link || o->sym_link || (track && (s = seen_find(links, &st)) != NULL)) {
		const char *src = o->hard_link || o->sym_link ? from : s->path;

		if (dst != NULL && (o->force || !o->sym_link))
			unlink(to);
		rc = (o->sym_link ? symlink(src, to) : link(src, to)) != 0;
		if (rc != 0)
			warn("%s", to);
		else if (o->verbose)
			printf("%s -> %s\n", from, to);
		return rc;
	}
	if (S_ISREG(st.st_mode) || (!o->recurse && !S_ISLNK(st.st_mode)))
		rc = copy_file(from, to, &st, dst, o);
	else {
		/* Links and special files are made anew. */
		if (dst != NULL)
			unlink(to);
		if (S_ISLNK(st.st_mode))
			rc = copy_link(from, to);
		else if (S_ISFIFO(st.st_mode) ? mkfifo(to, st.st_mode & 0777) : mknod(to, st.st_mode, st.st_rdev)) {
			warn("%s", to);
			rc = 1;
		} else
			rc = 0;
	}
	if (rc == 0 && o->preserve)
		rc = set_attributes(to, &st, S_ISLNK(st.st_mode));
	if (rc == 0 && track)
		seen_add(&links, &st, to);
	if (rc == 0 && o->verbose)
		printf("%s -> %s\n", from, to);
	return rc;
}

int
copy_tree(const char *from, const char *to, const struct copy_opts *o)
{
	return copy_node(from, to, o, 0, 0);
}
