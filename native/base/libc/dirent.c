/* Reading directories with getdirentries(479). Records carry no length; see _DIRENT_RECLEN. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libc_private.h"

#define DIRBUF 8192

struct _dirdesc {
	int fd;
	size_t at;   /* next record in buf */
	size_t len;  /* bytes in buf */
	long base;   /* position of the first record in buf */
	char buf[DIRBUF] __attribute__((__aligned__(8)));
};

DIR *
fdopendir(int fd)
{
	struct stat st;
	DIR *d;

	if (fstat(fd, &st) < 0)
		return (NULL);
	if (!S_ISDIR(st.st_mode)) {
		errno = ENOTDIR;
		return (NULL);
	}
	if ((d = malloc(sizeof(*d))) == NULL)
		return (NULL);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	d->fd = fd;
	d->at = d->len = 0;
	d->base = 0;
	return (d);
}

DIR *
opendir(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_DIRECTORY | O_CLOEXEC);
	DIR *d;

	if (fd < 0)
		return (NULL);
	if ((d = malloc(sizeof(*d))) == NULL) {
		close(fd);
		return (NULL);
	}
	d->fd = fd;
	d->at = d->len = 0;
	d->base = 0;
	return (d);
}

struct dirent *
readdir(DIR *d)
{
	struct dirent *e;
	int n;

	for (;;) {
		if (d->at >= d->len) {
			n = getdirentries(d->fd, d->buf, sizeof(d->buf), &d->base);
			if (n <= 0)
				return (NULL);
			d->at = 0;
			d->len = (size_t)n;
		}
		e = (struct dirent *)(void *)(d->buf + d->at);
		d->at += _DIRENT_RECLEN(e->d_namlen);
		if (e->d_ino != 0 && e->d_type != DT_WHT)
			return (e);
	}
}

int
readdir_r(DIR *d, struct dirent *entry, struct dirent **out)
{
	struct dirent *e;

	errno = 0;
	e = readdir(d);
	*out = NULL;
	if (e == NULL)
		return (errno);
	memcpy(entry, e, _DIRENT_RECLEN(e->d_namlen));
	*out = entry;
	return (0);
}

int
closedir(DIR *d)
{
	int fd = d->fd;

	free(d);
	return (close(fd));
}

int
dirfd(DIR *d)
{
	return (d->fd);
}

void
rewinddir(DIR *d)
{
	lseek(d->fd, 0, SEEK_SET);
	d->at = d->len = 0;
	d->base = 0;
}

/*
 * A position is the cookie of a block and a record's byte offset in it. Cookies are up to 48 bits here; the
 * offset takes the low 14.
 */
long
telldir(DIR *d)
{
	if (d->at >= d->len)
		return (lseek(d->fd, 0, SEEK_CUR) << 14);
	return (d->base << 14 | (long)d->at);
}

void
seekdir(DIR *d, long pos)
{
	size_t at = (size_t)(pos & 0x3fff);
	int n;

	lseek(d->fd, pos >> 14, SEEK_SET);
	d->at = d->len = 0;
	if (at != 0 && (n = getdirentries(d->fd, d->buf, sizeof(d->buf), &d->base)) > 0) {
		d->len = (size_t)n;
		d->at = at < d->len ? at : d->len;
	}
}

int
alphasort(const struct dirent **a, const struct dirent **b)
{
	return (strcmp((*a)->d_name, (*b)->d_name));
}

int
scandir(const char *path, struct dirent ***out, int (*want)(const struct dirent *),
    int (*cmp)(const struct dirent **, const struct dirent **))
{
	DIR *d = opendir(path);
	struct dirent *e, **list = NULL;
	size_t n = 0, room = 0;

	if (d == NULL)
		return (-1);
	while ((e = readdir(d)) != NULL) {
		struct dirent *copy;

		if (want != NULL && !want(e))
			continue;
		if (n == room) {
			struct dirent **p = realloc(list, (room = room * 2 + 16) * sizeof(*list));

			if (p == NULL)
				goto fail;
			list = p;
		}
		if ((copy = malloc(_DIRENT_RECLEN(e->d_namlen))) == NULL)
			goto fail;
		list[n++] = memcpy(copy, e, _DIRENT_RECLEN(e->d_namlen));
	}
	closedir(d);
	if (cmp != NULL && n > 1)
		qsort(list, n, sizeof(*list), (int (*)(const void *, const void *))(void *)cmp);
	if (list == NULL && (list = malloc(sizeof(*list))) == NULL)
		return (-1);
	*out = list;
	return ((int)n);
fail:
	while (n > 0)
		free(list[--n]);
	free(list);
	closedir(d);
	return (-1);
}
