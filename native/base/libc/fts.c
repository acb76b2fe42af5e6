/*
 * fts(3): walk a hierarchy. Works by full paths without changing the directory (as with FTS_NOCHDIR), which is
 * allowed: fts_accpath equals fts_path. A directory is read whole when it is entered and its entries are sorted.
 */
#include <dirent.h>
#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>

struct _fts {
	FTSENT *cur;
	FTSENT *child;   /* what fts_children read for cur */
	int child_read;
	int options;
	int (*cmp)(const FTSENT *const *, const FTSENT *const *);
	char *path;
	size_t room;
	dev_t dev;       /* of the root entry, for FTS_XDEV */
};

static FTSENT *
entry(FTS *f, const char *name, size_t n)
{
	FTSENT *e = calloc(1, sizeof(*e) + sizeof(struct stat) + n + 1 + 16);

	(void)f;
	if (e == NULL)
		return (NULL);
	e->fts_statp = (struct stat *)(void *)(((uintptr_t)(e + 1) + 15) & ~(uintptr_t)15);
	e->fts_name = (char *)(e->fts_statp + 1);
	memcpy(e->fts_name, name, n);
	e->fts_namelen = (unsigned short)n;
	e->fts_instr = 0;
	return (e);
}

/* Make the path of e: parent's path, '/', name. */
static int
set_path(FTS *f, FTSENT *e)
{
	size_t n = 0, plen = e->fts_parent->fts_level >= FTS_ROOTLEVEL ? e->fts_parent->fts_pathlen : 0;

	if (plen + e->fts_namelen + 2 > f->room) {
		char *p = realloc(f->path, (plen + e->fts_namelen + 2) * 2);

		if (p == NULL)
			return (-1);
		f->path = p;
		f->room = (plen + e->fts_namelen + 2) * 2;
		for (FTSENT *a = e->fts_parent; a != NULL && a->fts_level >= FTS_ROOTLEVEL; a = a->fts_parent)
			a->fts_path = a->fts_accpath = p;
	}
	n = plen;
	if (n > 0 && f->path[n - 1] != '/')
		f->path[n++] = '/';
	memcpy(f->path + n, e->fts_name, e->fts_namelen);
	n += e->fts_namelen;
	f->path[n] = '\0';
	if (n > 65535) {
		errno = ENAMETOOLONG;
		return (-1);
	}
	e->fts_pathlen = (unsigned short)n;
	e->fts_path = e->fts_accpath = f->path;
	return (0);
}

static int
classify(FTS *f, FTSENT *e, int follow)
{
	struct stat *st = e->fts_statp;

	if ((f->options & FTS_LOGICAL) || follow) {
		if (stat(e->fts_path, st) < 0) {
			int saved = errno;

			if (lstat(e->fts_path, st) == 0 && saved == ENOENT) {
				errno = 0;
				return (FTS_SLNONE);
			}
			e->fts_errno = saved;
			memset(st, 0, sizeof(*st));
			return (FTS_NS);
		}
	} else if (lstat(e->fts_path, st) < 0) {
		e->fts_errno = errno;
		memset(st, 0, sizeof(*st));
		return (FTS_NS);
	}
	e->fts_dev = st->st_dev;
	e->fts_ino = st->st_ino;
	e->fts_nlink = st->st_nlink;
	if (S_ISDIR(st->st_mode)) {
		if (e->fts_level > FTS_ROOTLEVEL && e->fts_name[0] == '.' &&
		    (e->fts_name[1] == '\0' || (e->fts_name[1] == '.' && e->fts_name[2] == '\0')))
			return (FTS_DOT);
		for (FTSENT *a = e->fts_parent; a != NULL && a->fts_level >= FTS_ROOTLEVEL; a = a->fts_parent)
			if (a->fts_ino == e->fts_ino && a->fts_dev == e->fts_dev) {
				e->fts_cycle = a;
				return (FTS_DC);
			}
		return (FTS_D);
	}
	if (S_ISLNK(st->st_mode))
		return (FTS_SL);
	if (S_ISREG(st->st_mode))
		return (FTS_F);
	return (FTS_DEFAULT);
}

static void
free_list(FTSENT *e)
{
	while (e != NULL) {
		FTSENT *next = e->fts_link;

		free(e);
		e = next;
	}
}

static FTSENT *
sort(FTS *f, FTSENT *head, size_t n)
{
	FTSENT **v, *e;
	size_t i = 0;

	if (f->cmp == NULL || n < 2 || (v = malloc(n * sizeof(*v))) == NULL)
		return (head);
	for (e = head; e != NULL; e = e->fts_link)
		v[i++] = e;
	qsort(v, n, sizeof(*v), (int (*)(const void *, const void *))(void *)f->cmp);
	for (i = 0; i + 1 < n; i++)
		v[i]->fts_link = v[i + 1];
	v[n - 1]->fts_link = NULL;
	head = v[0];
	free(v);
	return (head);
}

FTS *
fts_open(char *const *argv, int options, int (*cmp)(const FTSENT *const *, const FTSENT *const *))
{
	FTS *f = calloc(1, sizeof(*f));
	FTSENT *parent, *head = NULL, **tail = &head, *e;
	size_t n = 0;

	if (f == NULL)
		return (NULL);
	f->options = options;
	f->cmp = cmp;
	if ((parent = entry(f, "", 0)) == NULL)
		goto fail;
	parent->fts_level = FTS_ROOTPARENTLEVEL;
	for (; *argv != NULL; argv++, n++) {
		size_t len = strlen(*argv);

		if (len == 0) {
			errno = ENOENT;
			goto fail;
		}
		if ((e = entry(f, *argv, len)) == NULL)
			goto fail;
		e->fts_parent = parent;
		e->fts_level = FTS_ROOTLEVEL;
		if (set_path(f, e) < 0)
			goto fail;
		e->fts_info = (unsigned short)classify(f, e, options & FTS_COMFOLLOW);
		if (e->fts_info == FTS_DOT)
			e->fts_info = FTS_D;
		*tail = e;
		tail = &e->fts_link;
	}
	/* A pseudo entry before the first one: fts_read moves to its link. */
	if ((f->cur = entry(f, "", 0)) == NULL)
		goto fail;
	f->cur->fts_link = sort(f, head, n);
	f->cur->fts_parent = parent;
	f->cur->fts_info = FTS_INIT;
	f->cur->fts_level = FTS_ROOTLEVEL;
	return (f);
fail:
	free_list(head);
	free(parent);
	free(f->path);
	free(f);
	return (NULL);
}

int
fts_close(FTS *f)
{
	FTSENT *e = f->cur;

	free_list(f->child);
	while (e != NULL) {
		FTSENT *up = e->fts_parent;

		free_list(e);
		e = up;
	}
	free(f->path);
	free(f);
	return (0);
}

/* Read the directory e; stat each entry unless NOSTAT or names only. */
static FTSENT *
build(FTS *f, FTSENT *e, int names_only)
{
	FTSENT *head = NULL, **tail = &head, *c;
	struct dirent *d;
	size_t n = 0;
	DIR *dir;

	if ((dir = opendir(e->fts_path)) == NULL) {
		e->fts_info = FTS_DNR;
		e->fts_errno = errno;
		return (NULL);
	}
	while ((d = readdir(dir)) != NULL) {
		if (!(f->options & FTS_SEEDOT) && (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0))
			continue;
		if ((c = entry(f, d->d_name, d->d_namlen)) == NULL)
			break;
		c->fts_parent = e;
		c->fts_level = e->fts_level + 1;
		c->fts_ino = d->d_ino;
		*tail = c;
		tail = &c->fts_link;
		n++;
		if (names_only) {
			c->fts_info = FTS_NSOK;
			continue;
		}
		if (set_path(f, c) < 0) {
			c->fts_info = FTS_NS;
			c->fts_errno = errno;
		} else if (f->options & FTS_NOSTAT && d->d_type != DT_DIR && d->d_type != DT_UNKNOWN &&
		    !(f->options & FTS_LOGICAL && d->d_type == DT_LNK))
			c->fts_info = FTS_NSOK;
		else
			c->fts_info = (unsigned short)classify(f, c, 0);
	}
	closedir(dir);
	f->path[e->fts_pathlen] = '\0';
	return (sort(f, head, n));
}

FTSENT *
fts_children(FTS *f, int instr)
{
	FTSENT *e = f->cur;

	if (instr != 0 && instr != FTS_NAMEONLY) {
		errno = EINVAL;
		return (NULL);
	}
	errno = 0;
	if (e == NULL)
		return (NULL);
	if (e->fts_info == FTS_INIT)
		return (e->fts_link);
	if (e->fts_info != FTS_D)
		return (NULL);
	free_list(f->child);
	f->child = build(f, e, instr == FTS_NAMEONLY);
	/* A list of names cannot be walked; fts_read will read again. */
	f->child_read = instr != FTS_NAMEONLY;
	if (e->fts_info == FTS_DNR)
		errno = e->fts_errno;
	return (f->child);
}

FTSENT *
fts_read(FTS *f)
{
	FTSENT *e = f->cur, *next;
	int instr;

	if (e == NULL)
		return (NULL);
	instr = e->fts_instr;
	e->fts_instr = 0;
	if (instr == FTS_AGAIN) {
		e->fts_info = (unsigned short)classify(f, e, 0);
		return (e);
	}
	if (instr == FTS_FOLLOW && (e->fts_info == FTS_SL || e->fts_info == FTS_SLNONE)) {
		e->fts_info = (unsigned short)classify(f, e, 1);
		return (e);
	}
	if (e->fts_info == FTS_D) {
		if (instr == FTS_SKIP || (f->options & FTS_XDEV && e->fts_dev != f->dev)) {
			free_list(f->child);
			f->child = NULL;
			f->child_read = 0;
			e->fts_info = FTS_DP;
			return (e);
		}
		if (!f->child_read) {
			free_list(f->child);
			f->child = build(f, e, 0);
		}
		next = f->child;
		f->child = NULL;
		f->child_read = 0;
		if (e->fts_info == FTS_DNR)
			return (e);
		if (next == NULL) {
			e->fts_info = FTS_DP;
			return (e);
		}
		goto found;
	}
	/* Leave e: its next sibling, or its parent for the second time. */
	for (;;) {
		next = e->fts_link;
		if (next == NULL) {
			FTSENT *up = e->fts_parent;

			free(e);
			if (up->fts_level == FTS_ROOTPARENTLEVEL) {
				free(up);
				f->cur = NULL;
				errno = 0;
				return (NULL);
			}
			f->cur = up;
			f->path[up->fts_pathlen] = '\0';
			up->fts_path = up->fts_accpath = f->path;
			up->fts_info = up->fts_errno != 0 ? FTS_ERR : FTS_DP;
			return (up);
		}
		free(e);
		e = next;
		instr = e->fts_instr;
		if (instr == FTS_SKIP)
			continue;
		goto found;
	}
found:
	e = f->cur = next;
	instr = e->fts_instr;
	if (set_path(f, e) < 0) {
		e->fts_info = FTS_NS;
		e->fts_errno = errno;
	}
	if (e->fts_level == FTS_ROOTLEVEL) {
		char *slash = strrchr(e->fts_name, '/');

		f->dev = e->fts_dev;
		/* From here on the name of a root is its last component; the path stays as it was given. */
		if (slash != NULL && (slash != e->fts_name || slash[1] != '\0')) {
			e->fts_namelen = (unsigned short)strlen(slash + 1);
			memmove(e->fts_name, slash + 1, (size_t)e->fts_namelen + 1);
		}
	}
	if (instr == FTS_FOLLOW) {
		e->fts_instr = 0;
		e->fts_info = (unsigned short)classify(f, e, 1);
	}
	return (e);
}

int
fts_set(FTS *f, FTSENT *e, int instr)
{
	(void)f;
	if (instr != 0 && instr != FTS_AGAIN && instr != FTS_FOLLOW && instr != FTS_SKIP) {
		errno = EINVAL;
		return (1);
	}
	e->fts_instr = (unsigned short)instr;
	return (0);
}
