/*
 * Buffered streams: opening, buffering, reading, writing, seeking. See struct __sFILE in libc_private.h.
 * Counterpart: lib/libc/stdio
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libc_private.h"

#define BIGBUF 16384 /* regular files */
#define BUF 4096     /* everything else */

static FILE std[3];
FILE *__stdinp = &std[0], *__stdoutp = &std[1], *__stderrp = &std[2];
static struct __lock list_lock;

static ssize_t
fd_read(FILE *f, void *p, size_t n)
{
	return (read(f->fd, p, n));
}

static ssize_t
fd_write(FILE *f, const void *p, size_t n)
{
	return (write(f->fd, p, n));
}

static off_t
fd_seek(FILE *f, off_t off, int whence)
{
	return (lseek(f->fd, off, whence));
}

static FILE std[3] = {
	{ .flags = F_RD | F_STATIC, .mode = -1, .fd = 0, .readfn = fd_read, .writefn = fd_write, .seekfn = fd_seek,
	    .next = &std[1] },
	{ .flags = F_WR | F_STATIC, .mode = -1, .fd = 1, .readfn = fd_read, .writefn = fd_write, .seekfn = fd_seek,
	    .next = &std[2], .prev = &std[0] },
	{ .flags = F_WR | F_RD | F_STATIC, .mode = _IONBF, .fd = 2, .readfn = fd_read, .writefn = fd_write,
	    .seekfn = fd_seek, .prev = &std[1] },
};

FILE *
__sfnew(void)
{
	FILE *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return (NULL);
	f->mode = -1;
	f->fd = -1;
	f->readfn = fd_read;
	f->writefn = fd_write;
	f->seekfn = fd_seek;
	lock(&list_lock);
	f->prev = &std[2];
	if ((f->next = std[2].next) != NULL)
		f->next->prev = f;
	std[2].next = f;
	unlock(&list_lock);
	return (f);
}

void
__sfdel(FILE *f)
{
	if (f->flags & F_MYBUF)
		free(f->buf);
	free(f->line);
	if (f->flags & F_STATIC) {
		f->flags = F_STATIC;
		f->buf = f->rp = f->re = f->wp = f->we = f->save_rp = f->save_re = NULL;
		f->line = NULL;
		f->fd = -1;
		return;
	}
	lock(&list_lock);
	f->prev->next = f->next;
	if (f->next != NULL)
		f->next->prev = f->prev;
	unlock(&list_lock);
	free(f);
}

/* Mode string to stream flags (returned, 0 if it is wrong) and open(2) flags. */
int
__sflags(const char *mode, int *oflags)
{
	int flags, o;

	switch (*mode++) {
	case 'r':
		flags = F_RD;
		o = O_RDONLY;
		break;
	case 'w':
		flags = F_WR;
		o = O_WRONLY | O_CREAT | O_TRUNC;
		break;
	case 'a':
		flags = F_WR | F_APP;
		o = O_WRONLY | O_CREAT | O_APPEND;
		break;
	default:
		errno = EINVAL;
		return (0);
	}
	for (; *mode != '\0'; mode++) {
		if (*mode == '+') {
			flags |= F_RD | F_WR;
			o = (o & ~O_ACCMODE) | O_RDWR;
		} else if (*mode == 'x')
			o |= O_EXCL;
		else if (*mode == 'e')
			o |= O_CLOEXEC;
	}
	*oflags = o;
	return (flags);
}

static void
makebuf(FILE *f)
{
	struct stat st;
	size_t size = BUF;
	int tty = 0;

	if (f->buf != NULL)
		return;
	if (f->mode == _IONBF)
		goto tiny;
	if (!(f->flags & F_STR) && fstat(f->fd, &st) == 0) {
		if (S_ISREG(st.st_mode))
			size = BIGBUF;
		else if (S_ISCHR(st.st_mode) && f->mode == -1)
			tty = isatty(f->fd);
	}
	if (f->mode == -1)
		f->mode = tty ? _IOLBF : _IOFBF;
	if ((f->buf = malloc(size)) != NULL) {
		f->bufsize = size;
		f->flags |= F_MYBUF;
		return;
	}
tiny:
	f->mode = _IONBF;
	f->buf = f->back;
	f->bufsize = 1;
}

int
__sflush(FILE *f)
{
	unsigned char *p = f->buf;

	if (f->wp == NULL)
		return (0);
	while (p < f->wp) {
		ssize_t n = f->writefn(f, p, (size_t)(f->wp - p));

		if (n < 0) {
			int saved = errno;

			memmove(f->buf, p, (size_t)(f->wp - p));
			f->wp = f->buf + (f->wp - p);
			f->flags |= F_ERR;
			errno = saved;
			return (EOF);
		}
		p += n;
	}
	f->wp = f->buf;
	return (0);
}

/* Give back what was read ahead, so that the descriptor's position is the stream's. */
static void
drop_input(FILE *f)
{
	off_t ahead = f->re - f->rp;

	if (f->save_rp != NULL) {
		ahead = f->save_re - f->save_rp;
		f->save_rp = f->save_re = NULL;
	}
	if (ahead > 0)
		f->seekfn(f, -ahead, SEEK_CUR);
	f->rp = f->re = NULL;
}

int
__swsetup(FILE *f)
{
	if (f->wp != NULL)
		return (0);
	if (!(f->flags & F_WR)) {
		errno = EBADF;
		f->flags |= F_ERR;
		return (EOF);
	}
	if (f->rp != NULL)
		drop_input(f);
	f->flags &= ~F_EOF;
	makebuf(f);
	f->wp = f->buf;
	f->we = f->mode == _IOFBF ? f->buf + f->bufsize : f->buf;
	return (0);
}

int
__swbuf(int c, FILE *f)
{
	unsigned char ch = (unsigned char)c;

	return (__sfwrite(&ch, 1, f) == 1 ? ch : EOF);
}

/* Write n bytes; returns how many went in. The caller holds the lock. */
size_t
__sfwrite(const void *data, size_t n, FILE *f)
{
	const unsigned char *p = data;
	size_t left = n;

	if (__swsetup(f) != 0)
		return (0);
	if (f->mode == _IONBF) {
		while (left > 0) {
			ssize_t k = f->writefn(f, p, left);

			if (k < 0) {
				f->flags |= F_ERR;
				break;
			}
			p += k;
			left -= (size_t)k;
		}
		return (n - left);
	}
	while (left > 0) {
		size_t room = f->bufsize - (size_t)(f->wp - f->buf);

		if (f->wp == f->buf && left >= f->bufsize && f->mode == _IOFBF) {
			ssize_t k = f->writefn(f, p, left);

			if (k < 0) {
				f->flags |= F_ERR;
				return (n - left);
			}
			p += k;
			left -= (size_t)k;
			continue;
		}
		if (room > left)
			room = left;
		memcpy(f->wp, p, room);
		f->wp += room;
		p += room;
		left -= room;
		if (f->wp == f->buf + f->bufsize && __sflush(f) != 0)
			return (n - left);
	}
	if (f->mode == _IOLBF && memrchr(data, '\n', n) != NULL && __sflush(f) != 0)
		return (0);
	return (n);
}

/* Get at least one byte into the buffer: 0, or EOF with the reason in the flags. The caller holds the lock. */
int
__srefill(FILE *f)
{
	ssize_t n;

	if (f->save_rp != NULL) {
		f->rp = f->save_rp;
		f->re = f->save_re;
		f->save_rp = f->save_re = NULL;
		if (f->rp < f->re)
			return (0);
	}
	if (f->flags & F_EOF)
		return (EOF);
	if (!(f->flags & F_RD)) {
		errno = EBADF;
		f->flags |= F_ERR;
		return (EOF);
	}
	if (f->wp != NULL) {
		if (__sflush(f) != 0)
			return (EOF);
		f->wp = f->we = NULL;
	}
	makebuf(f);
	/* A prompt must be seen before we wait for the answer. */
	if (f->mode != _IOFBF && stdout->mode == _IOLBF && stdout->wp != NULL && stdout->wp != stdout->buf)
		__sflush(stdout);
	n = f->readfn(f, f->buf, f->bufsize);
	f->rp = f->buf;
	f->re = f->buf + (n > 0 ? n : 0);
	if (n > 0)
		return (0);
	f->flags |= n == 0 ? F_EOF : F_ERR;
	return (EOF);
}

FILE *
fdopen(int fd, const char *mode)
{
	int o, flags = __sflags(mode, &o), fl;
	FILE *f;

	if (flags == 0)
		return (NULL);
	if ((fl = fcntl(fd, F_GETFL)) < 0)
		return (NULL);
	if ((fl & O_ACCMODE) != O_RDWR && (fl & O_ACCMODE) != (o & O_ACCMODE)) {
		errno = EINVAL;
		return (NULL);
	}
	if ((f = __sfnew()) == NULL)
		return (NULL);
	if (flags & F_APP && !(fl & O_APPEND))
		fcntl(fd, F_SETFL, fl | O_APPEND);
	if (o & O_CLOEXEC)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	f->flags |= flags;
	f->fd = fd;
	return (f);
}

FILE *
fopen(const char *path, const char *mode)
{
	int o, flags = __sflags(mode, &o), fd;
	FILE *f;

	if (flags == 0 || (fd = open(path, o, 0666)) < 0)
		return (NULL);
	if ((f = __sfnew()) == NULL) {
		close(fd);
		return (NULL);
	}
	/* The kernel appends (O_APPEND), so fd_write need not seek. */
	f->flags |= flags & ~F_APP;
	f->fd = fd;
	return (f);
}

FILE *
freopen(const char *path, const char *mode, FILE *f)
{
	int o, flags = __sflags(mode, &o), fd, want = f->fd;

	if (flags == 0) {
		fclose(f);
		return (NULL);
	}
	fflush(f);
	if (path == NULL) {
		f->flags = (f->flags & (F_STATIC | F_MYBUF)) | flags;
		return (f);
	}
	fd = open(path, o, 0666);
	if (fd < 0) {
		int saved = errno;

		fclose(f);
		errno = saved;
		return (NULL);
	}
	if (want >= 0 && fd != want && dup2(fd, want) >= 0) {
		close(fd);
		fd = want;
	}
	f->rp = f->re = f->wp = f->we = f->save_rp = f->save_re = NULL;
	if (f->flags & F_MYBUF)
		free(f->buf);
	f->buf = NULL;
	if (f != stderr)
		f->mode = -1;
	f->flags = (f->flags & F_STATIC) | (flags & ~F_APP);
	f->fd = fd;
	f->readfn = fd_read;
	f->writefn = fd_write;
	f->seekfn = fd_seek;
	f->closefn = NULL;
	return (f);
}

int
fclose(FILE *f)
{
	int error = 0;

	if (!(f->flags & (F_RD | F_WR))) {
		errno = EBADF;
		return (EOF);
	}
	if (f->wp != NULL)
		error = __sflush(f);
	else if (f->rp != NULL && !(f->flags & F_STR))
		drop_input(f);
	if (f->closefn != NULL)
		f->closefn(f);
	if (f->fd >= 0 && close(f->fd) != 0)
		error = EOF;
	__sfdel(f);
	return (error);
}

void
fcloseall(void)
{
	for (FILE *f = &std[0]; f != NULL; f = f->next)
		fflush(f);
}

int
fflush(FILE *f)
{
	int error = 0;

	if (f == NULL) {
		for (f = &std[0]; f != NULL; f = f->next)
			if (f->wp != NULL && __sflush(f) != 0)
				error = EOF;
		return (error);
	}
	lock(&f->lk);
	if (f->wp != NULL) {
		error = __sflush(f);
		if (error == 0 && f->flags & F_RD)
			f->wp = f->we = NULL;
	} else if (f->rp != NULL && !(f->flags & F_STR))
		drop_input(f);
	unlock(&f->lk);
	return (error);
}

int
fpurge(FILE *f)
{
	f->rp = f->re = f->wp = f->we = f->save_rp = f->save_re = NULL;
	return (0);
}

void
__stdio_exit(void)
{
	for (FILE *f = &std[0]; f != NULL; f = f->next) {
		if (f->wp != NULL)
			__sflush(f);
	}
}

int
setvbuf(FILE *f, char *buf, int mode, size_t size)
{
	if (mode != _IOFBF && mode != _IOLBF && mode != _IONBF)
		return (EOF);
	if (f->wp != NULL)
		__sflush(f);
	if (f->rp != NULL)
		drop_input(f);
	f->wp = f->we = NULL;
	if (f->flags & F_MYBUF)
		free(f->buf);
	f->flags &= ~F_MYBUF;
	f->buf = NULL;
	f->mode = mode;
	if (mode != _IONBF && size > 0) {
		if (buf == NULL) {
			if ((buf = malloc(size)) == NULL)
				return (EOF);
			f->flags |= F_MYBUF;
		}
		f->buf = (unsigned char *)buf;
		f->bufsize = size;
	}
	return (0);
}

void
setbuffer(FILE *f, char *buf, int size)
{
	setvbuf(f, buf, buf != NULL ? _IOFBF : _IONBF, (size_t)size);
}

void
setbuf(FILE *f, char *buf)
{
	setbuffer(f, buf, BUFSIZ);
}

int
setlinebuf(FILE *f)
{
	return (setvbuf(f, NULL, _IOLBF, 0));
}

int
getc_unlocked(FILE *f)
{
	if (f->rp >= f->re && __srefill(f) != 0)
		return (EOF);
	return (*f->rp++);
}

int
getc(FILE *f)
{
	int c;

	lock(&f->lk);
	c = getc_unlocked(f);
	unlock(&f->lk);
	return (c);
}

int
fgetc(FILE *f)
{
	return (getc(f));
}

int
getchar(void)
{
	return (getc(stdin));
}

int
getchar_unlocked(void)
{
	return (getc_unlocked(stdin));
}

int
putc_unlocked(int c, FILE *f)
{
	if (f->wp < f->we)
		return (*f->wp++ = (unsigned char)c);
	return (__swbuf(c, f));
}

int
putc(int c, FILE *f)
{
	lock(&f->lk);
	c = putc_unlocked(c, f);
	unlock(&f->lk);
	return (c);
}

int
fputc(int c, FILE *f)
{
	return (putc(c, f));
}

int
putchar(int c)
{
	return (putc(c, stdout));
}

int
putchar_unlocked(int c)
{
	return (putc_unlocked(c, stdout));
}

int
ungetc(int c, FILE *f)
{
	if (c == EOF || !(f->flags & F_RD))
		return (EOF);
	if (f->wp != NULL) {
		if (__sflush(f) != 0)
			return (EOF);
		f->wp = f->we = NULL;
	}
	if (f->save_rp == NULL && f->rp != NULL && f->rp > f->buf &&
	    (f->rp[-1] == (unsigned char)c || f->flags & F_MYBUF)) {
		*--f->rp = (unsigned char)c;
	} else {
		static unsigned char nothing;

		if (f->save_rp == NULL) {
			f->save_rp = f->rp != NULL ? f->rp : &nothing;
			f->save_re = f->rp != NULL ? f->re : &nothing;
			/* back[0] is the whole buffer of an unbuffered stream: stay clear of it. */
			f->rp = f->re = f->back + sizeof(f->back);
		}
		if (f->rp == f->back + 1)
			return (EOF);
		*--f->rp = (unsigned char)c;
	}
	f->flags &= ~F_EOF;
	return ((unsigned char)c);
}

size_t
fread(void *out, size_t size, size_t count, FILE *f)
{
	size_t want, left;
	unsigned char *p = out;

	if (__builtin_mul_overflow(size, count, &want) || want == 0)
		return (0);
	left = want;
	lock(&f->lk);
	while (left > 0) {
		size_t have = (size_t)(f->re - f->rp);

		if (have == 0) {
			/* Big requests go straight to the caller's memory. */
			if (left >= BIGBUF && f->save_rp == NULL && f->wp == NULL && f->flags & F_RD &&
			    !(f->flags & (F_STR | F_EOF))) {
				ssize_t n = f->readfn(f, p, left);

				if (n <= 0) {
					f->flags |= n == 0 ? F_EOF : F_ERR;
					break;
				}
				p += n;
				left -= (size_t)n;
				continue;
			}
			if (__srefill(f) != 0)
				break;
			continue;
		}
		if (have > left)
			have = left;
		memcpy(p, f->rp, have);
		f->rp += have;
		p += have;
		left -= have;
	}
	unlock(&f->lk);
	return ((want - left) / size);
}

size_t
fwrite(const void *data, size_t size, size_t count, FILE *f)
{
	size_t want, n;

	if (__builtin_mul_overflow(size, count, &want) || want == 0)
		return (0);
	lock(&f->lk);
	n = __sfwrite(data, want, f);
	unlock(&f->lk);
	return (n == want ? count : n / size);
}

int
fputs(const char *s, FILE *f)
{
	size_t n = strlen(s);

	return (n == 0 || fwrite(s, n, 1, f) == 1 ? 0 : EOF);
}

int
puts(const char *s)
{
	int error;

	lock(&stdout->lk);
	error = fputs(s, stdout);
	if (error == 0 && putc_unlocked('\n', stdout) == EOF)
		error = EOF;
	unlock(&stdout->lk);
	return (error);
}

char *
fgets(char *out, int size, FILE *f)
{
	char *p = out;

	if (size <= 0)
		return (NULL);
	lock(&f->lk);
	for (size--; size > 0;) {
		size_t have = (size_t)(f->re - f->rp);
		unsigned char *nl;

		if (have == 0) {
			if (__srefill(f) != 0)
				break;
			continue;
		}
		if (have > (size_t)size)
			have = (size_t)size;
		if ((nl = memchr(f->rp, '\n', have)) != NULL)
			have = (size_t)(nl + 1 - f->rp);
		memcpy(p, f->rp, have);
		f->rp += have;
		p += have;
		size -= (int)have;
		if (nl != NULL)
			break;
	}
	unlock(&f->lk);
	if (p == out && (f->flags & (F_EOF | F_ERR)))
		return (NULL);
	*p = '\0';
	return (out);
}

ssize_t
getdelim(char **line, size_t *size, int delim, FILE *f)
{
	size_t n = 0;

	if (line == NULL || size == NULL) {
		errno = EINVAL;
		return (-1);
	}
	lock(&f->lk);
	for (;;) {
		size_t have = (size_t)(f->re - f->rp);
		unsigned char *end = NULL;

		if (have == 0) {
			if (__srefill(f) != 0)
				break;
			continue;
		}
		if ((end = memchr(f->rp, delim, have)) != NULL)
			have = (size_t)(end + 1 - f->rp);
		if (*line == NULL || n + have + 1 > *size) {
			size_t want = n + have + 1;
			char *p;

			if (want < 2 * *size)
				want = 2 * *size;
			if (want < 120)
				want = 120;
			if (*line == NULL)
				want = want < 120 ? 120 : want;
			if ((p = realloc(*line, want)) == NULL) {
				f->flags |= F_ERR;
				unlock(&f->lk);
				return (-1);
			}
			*line = p;
			*size = want;
		}
		memcpy(*line + n, f->rp, have);
		f->rp += have;
		n += have;
		if (end != NULL)
			break;
	}
	unlock(&f->lk);
	if (n == 0)
		return (-1);
	(*line)[n] = '\0';
	return ((ssize_t)n);
}

ssize_t
getline(char **line, size_t *size, FILE *f)
{
	return (getdelim(line, size, '\n', f));
}

/* The line is valid until the next operation on the stream; it is not terminated. */
char *
fgetln(FILE *f, size_t *len)
{
	ssize_t n = getline(&f->line, &f->linesize, f);

	*len = n < 0 ? 0 : (size_t)n;
	return (n < 0 ? NULL : f->line);
}

int
fseeko(FILE *f, off_t off, int whence)
{
	off_t at;

	lock(&f->lk);
	if (f->wp != NULL) {
		if (__sflush(f) != 0) {
			unlock(&f->lk);
			return (-1);
		}
		f->wp = f->we = NULL;
	} else if (whence == SEEK_CUR) {
		off_t ahead = f->re - f->rp;

		if (f->save_rp != NULL)
			ahead += f->save_re - f->save_rp;
		off -= ahead;
	}
	at = f->seekfn(f, off, whence);
	if (at >= 0) {
		f->rp = f->re = f->save_rp = f->save_re = NULL;
		f->flags &= ~F_EOF;
	}
	unlock(&f->lk);
	return (at < 0 ? -1 : 0);
}

int
fseek(FILE *f, long off, int whence)
{
	return (fseeko(f, off, whence));
}

void
rewind(FILE *f)
{
	fseeko(f, 0, SEEK_SET);
	f->flags &= ~F_ERR;
}

off_t
ftello(FILE *f)
{
	off_t at;

	lock(&f->lk);
	at = f->seekfn(f, 0, SEEK_CUR);
	if (at >= 0) {
		if (f->wp != NULL)
			at += f->wp - f->buf;
		else {
			at -= f->re - f->rp;
			if (f->save_rp != NULL)
				at -= f->save_re - f->save_rp;
		}
	}
	unlock(&f->lk);
	return (at);
}

long
ftell(FILE *f)
{
	return (ftello(f));
}

int
fgetpos(FILE *f, fpos_t *pos)
{
	return ((*pos = ftello(f)) < 0 ? -1 : 0);
}

int
fsetpos(FILE *f, const fpos_t *pos)
{
	return (fseeko(f, *pos, SEEK_SET));
}

int
feof_unlocked(FILE *f)
{
	return ((f->flags & F_EOF) != 0);
}

int
ferror_unlocked(FILE *f)
{
	return ((f->flags & F_ERR) != 0);
}

void
clearerr_unlocked(FILE *f)
{
	f->flags &= ~(F_EOF | F_ERR);
}

int
fileno_unlocked(FILE *f)
{
	if (f->fd < 0) {
		errno = EBADF;
		return (-1);
	}
	return (f->fd);
}

int feof(FILE *) __attribute__((__alias__("feof_unlocked")));
int ferror(FILE *) __attribute__((__alias__("ferror_unlocked")));
void clearerr(FILE *) __attribute__((__alias__("clearerr_unlocked")));
int fileno(FILE *) __attribute__((__alias__("fileno_unlocked")));

void
flockfile(FILE *f)
{
	lock(&f->lk);
}

void
funlockfile(FILE *f)
{
	unlock(&f->lk);
}

void
perror(const char *what)
{
	int saved = errno;

	if (what != NULL && *what != '\0')
		fprintf(stderr, "%s: %s\n", what, strerror(saved));
	else
		fprintf(stderr, "%s\n", strerror(saved));
}
