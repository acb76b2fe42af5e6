/* Small things: path components, file modes as text, numbers for people, string streams, passwords, ptys, math. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <libutil.h>
#include <limits.h>
#include <math.h>
#include <paths.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysctl.h>
#include <sys/kinfo.h>
#include <termios.h>
#include <unistd.h>

#include "libc_private.h"

/* The argument stays as it is; the result is good until the next call. */
char *
basename(const char *path)
{
	static char buf[PATH_MAX];
	size_t end, start;

	if (path == NULL || *path == '\0')
		return (strcpy(buf, "."));
	end = strlen(path);
	while (end > 1 && path[end - 1] == '/')
		end--;
	for (start = end; start > 0 && path[start - 1] != '/'; start--)
		;
	if (start == end)
		return (strcpy(buf, "/"));
	if (end - start >= sizeof(buf)) {
		errno = ENAMETOOLONG;
		return (NULL);
	}
	memcpy(buf, path + start, end - start);
	buf[end - start] = '\0';
	return (buf);
}

char *
dirname(const char *path)
{
	static char buf[PATH_MAX];
	size_t end;

	if (path == NULL || *path == '\0')
		return (strcpy(buf, "."));
	end = strlen(path);
	while (end > 1 && path[end - 1] == '/')
		end--;
	while (end > 0 && path[end - 1] != '/')
		end--;
	if (end == 0)
		return (strcpy(buf, "."));
	while (end > 1 && path[end - 1] == '/')
		end--;
	if (end >= sizeof(buf)) {
		errno = ENAMETOOLONG;
		return (NULL);
	}
	memcpy(buf, path, end);
	buf[end] = '\0';
	return (buf);
}

/* "drwxr-xr-x " */
void
strmode(int mode, char *out)
{
	static const char rwx[] = "rwxrwxrwx";

	switch (mode & S_IFMT) {
	case S_IFDIR:
		*out++ = 'd';
		break;
	case S_IFCHR:
		*out++ = 'c';
		break;
	case S_IFBLK:
		*out++ = 'b';
		break;
	case S_IFREG:
		*out++ = '-';
		break;
	case S_IFLNK:
		*out++ = 'l';
		break;
	case S_IFSOCK:
		*out++ = 's';
		break;
	case S_IFIFO:
		*out++ = 'p';
		break;
	case S_IFWHT:
		*out++ = 'w';
		break;
	default:
		*out++ = '?';
	}
	for (int i = 0; i < 9; i++)
		out[i] = mode & (0400 >> i) ? rwx[i] : '-';
	if (mode & S_ISUID)
		out[2] = mode & S_IXUSR ? 's' : 'S';
	if (mode & S_ISGID)
		out[5] = mode & S_IXGRP ? 's' : 'S';
	if (mode & S_ISVTX)
		out[8] = mode & S_IXOTH ? 't' : 'T';
	out[9] = ' ';
	out[10] = '\0';
}

/* A parsed mode: octal, or clauses applied in order. */
struct action {
	char op;           /* '+', '-', '=', 'o' for an octal value, 0 at the end */
	unsigned who;      /* bits of u, g, o: 07700 style masks; 0 when none was given (the umask applies) */
	unsigned bits;     /* permissions as if for all of u, g and o */
	char copy;         /* 'u', 'g', 'o' */
	char x;            /* X was given */
	unsigned mask;     /* umask at the time of setmode */
};

void *
setmode(const char *text)
{
	size_t room = 8, n = 0;
	struct action *v = calloc(room, sizeof(*v));
	mode_t um = umask(0);
	const char *p = text;

	umask(um);
	if (v == NULL)
		return (NULL);
	if (isdigit((unsigned char)*p)) {
		char *end;
		unsigned long m = strtoul(p, &end, 8);

		if (*end != '\0' || m > 07777)
			goto bad;
		v[0].op = 'o';
		v[0].bits = (unsigned)m;
		return (v);
	}
	for (;;) {
		unsigned who = 0;

		for (;; p++) {
			if (*p == 'u')
				who |= S_ISUID | S_IRWXU;
			else if (*p == 'g')
				who |= S_ISGID | S_IRWXG;
			else if (*p == 'o')
				who |= S_IRWXO;
			else if (*p == 'a')
				who |= S_ISUID | S_ISGID | S_IRWXU | S_IRWXG | S_IRWXO;
			else
				break;
		}
		if (*p != '+' && *p != '-' && *p != '=')
			goto bad;
		while (*p == '+' || *p == '-' || *p == '=') {
			struct action *a;

			if (n + 2 > room) {
				struct action *bigger = realloc(v, 2 * room * sizeof(*v));

				if (bigger == NULL)
					goto bad;
				v = bigger;
				memset(v + room, 0, room * sizeof(*v));
				room *= 2;
			}
			a = &v[n++];
			a->op = *p++;
			a->who = who;
			a->mask = um;
			for (;; p++) {
				if (*p == 'r')
					a->bits |= S_IRUSR | S_IRGRP | S_IROTH;
				else if (*p == 'w')
					a->bits |= S_IWUSR | S_IWGRP | S_IWOTH;
				else if (*p == 'x')
					a->bits |= S_IXUSR | S_IXGRP | S_IXOTH;
				else if (*p == 'X')
					a->x = 1;
				else if (*p == 's')
					a->bits |= S_ISUID | S_ISGID;
				else if (*p == 't')
					a->bits |= S_ISVTX;
				else if (*p == 'u' || *p == 'g' || *p == 'o')
					a->copy = *p;
				else
					break;
			}
		}
		if (*p == '\0')
			return (v);
		if (*p++ != ',')
			goto bad;
	}
bad:
	free(v);
	errno = EINVAL;
	return (NULL);
}

mode_t
getmode(const void *set, mode_t old)
{
	unsigned mode = old & 07777;
	unsigned orig = old;

	for (const struct action *a = set; a->op != 0; a++) {
		unsigned bits = a->bits, who = a->who, keep;

		if (a->op == 'o') {
			mode = a->bits;
			continue;
		}
		if (a->x && (S_ISDIR(orig) || mode & 0111))
			bits |= 0111;
		if (a->copy != 0) {
			unsigned from = mode >> (a->copy == 'u' ? 6 : a->copy == 'g' ? 3 : 0) & 7;

			bits |= from << 6 | from << 3 | from;
		}
		/* The sticky bit goes with everybody, or with others. */
		keep = who == 0 ? 07777 & ~a->mask : who | (who & S_IRWXO ? S_ISVTX : 0);
		if (who == 0)
			keep |= S_ISUID | S_ISGID | S_ISVTX;
		bits &= keep;
		switch (a->op) {
		case '+':
			mode |= bits;
			break;
		case '-':
			mode &= ~bits;
			break;
		default:
			mode = (mode & ~(who == 0 ? 07777U : keep)) | bits;
		}
	}
	return ((mode_t)((orig & ~07777U) | mode));
}

int
humanize_number(char *buf, size_t size, int64_t v, const char *suffix, int scale, int flags)
{
	static const char prefixes[] = " KMGTPE";
	int64_t div = flags & HN_DIVISOR_1000 ? 1000 : 1024, whole, sign = v < 0 ? -1 : 1;
	uint64_t u = v < 0 ? -(uint64_t)v : (uint64_t)v, rem = 0;
	int i = 0, n;
	const char *space = flags & HN_NOSPACE ? "" : " ";
	char prefix[3] = "";

	if (buf == NULL || suffix == NULL || size < 1)
		return (-1);
	if (scale & (HN_AUTOSCALE | HN_GETSCALE)) {
		/* Largest number of characters for the digits. */
		size_t fixed = strlen(suffix) + (flags & HN_NOSPACE ? 0 : 1) + (sign < 0) + 1;
		uint64_t max = 1;

		if (size <= fixed + 1)
			return (-1);
		for (size_t k = fixed + 1; k < size && max < 1000000000000000000UL; k++)
			max *= 10;
		for (; i < 6 && (u >= max || (u == max - 1 && rem * 2 >= (uint64_t)div)); i++) {
			rem = u % (uint64_t)div;
			u /= (uint64_t)div;
		}
		if (scale & HN_GETSCALE && !(scale & HN_AUTOSCALE))
			return (i);
	} else
		for (; i < scale && i < 6; i++) {
			rem = u % (uint64_t)div;
			u /= (uint64_t)div;
		}
	whole = (int64_t)u;
	if (i > 0 || flags & HN_B) {
		prefix[0] = i > 0 ? prefixes[i] : 'B';
		if (i == 1 && flags & HN_DIVISOR_1000)
			prefix[0] = 'k';
	}
	if (i > 0 && flags & HN_DECIMAL && whole < 10) {
		uint64_t tenth = (rem * 10 + (uint64_t)div / 2) / (uint64_t)div;

		if (tenth == 10) {
			whole++;
			tenth = 0;
		}
		if (whole < 10) {
			n = snprintf(buf, size, "%s%ld.%lu%s%s%s", sign < 0 ? "-" : "", whole, tenth, space, prefix, suffix);
			return (n);
		}
	} else if (i > 0 && rem * 2 >= (uint64_t)div)
		whole++;
	return (snprintf(buf, size, "%s%ld%s%s%s", sign < 0 ? "-" : "", whole, space, prefix, suffix));
}

int
expand_number(const char *s, int64_t *out)
{
	static const char units[] = "bkmgtpe";
	char *end;
	long v;
	const char *u;

	errno = 0;
	v = strtol(s, &end, 0);
	if (end == s) {
		errno = EINVAL;
		return (-1);
	}
	if (errno != 0)
		return (-1);
	if (*end != '\0') {
		u = strchr(units, tolower((unsigned char)*end));
		if (u == NULL || (end[1] != '\0' && strcasecmp(end + 1, "b") != 0)) {
			errno = EINVAL;
			return (-1);
		}
		for (; u > units; u--)
			if (__builtin_mul_overflow(v, 1024L, &v)) {
				errno = ERANGE;
				return (-1);
			}
	}
	*out = v;
	return (0);
}

/* String streams. */
struct memstream {
	char **bufp;
	size_t *sizep;
	char *buf;
	size_t size; /* bytes in buf */
	size_t room;
	size_t at;
	int owned;
	int fixed;
	int append;
};

static ssize_t
mem_read(FILE *f, void *p, size_t n)
{
	struct memstream *m = f->cookie;

	if (m->at >= m->size)
		return (0);
	if (n > m->size - m->at)
		n = m->size - m->at;
	memcpy(p, m->buf + m->at, n);
	m->at += n;
	return ((ssize_t)n);
}

static ssize_t
mem_write(FILE *f, const void *p, size_t n)
{
	struct memstream *m = f->cookie;

	if (m->append)
		m->at = m->size;
	if (m->fixed) {
		if (m->at >= m->room) {
			errno = ENOSPC;
			return (-1);
		}
		if (n > m->room - m->at)
			n = m->room - m->at;
	} else if (m->at + n + 1 > m->room) {
		size_t room = m->room * 2 > m->at + n + 1 ? m->room * 2 : m->at + n + 64;
		char *b = realloc(m->buf, room);

		if (b == NULL)
			return (-1);
		m->buf = b;
		m->room = room;
	}
	if (m->at > m->size)
		memset(m->buf + m->size, 0, m->at - m->size);
	memcpy(m->buf + m->at, p, n);
	m->at += n;
	if (m->at > m->size)
		m->size = m->at;
	if (m->size < m->room)
		m->buf[m->size] = '\0';
	if (m->bufp != NULL) {
		*m->bufp = m->buf;
		*m->sizep = m->at;
	}
	return ((ssize_t)n);
}

static off_t
mem_seek(FILE *f, off_t off, int whence)
{
	struct memstream *m = f->cookie;

	if (whence == SEEK_CUR)
		off += (off_t)m->at;
	else if (whence == SEEK_END)
		off += (off_t)m->size;
	if (off < 0 || (m->fixed && (size_t)off > m->room)) {
		errno = EINVAL;
		return (-1);
	}
	m->at = (size_t)off;
	return (off);
}

static void
mem_close(FILE *f)
{
	struct memstream *m = f->cookie;

	if (m->owned)
		free(m->buf);
	free(m);
}

static FILE *
mem_open(struct memstream *init, int flags)
{
	struct memstream *m = malloc(sizeof(*m));
	FILE *f = m != NULL ? __sfnew() : NULL;

	if (f == NULL) {
		free(m);
		return (NULL);
	}
	*m = *init;
	f->flags |= flags | F_STR;
	f->cookie = m;
	f->readfn = mem_read;
	f->writefn = mem_write;
	f->seekfn = mem_seek;
	f->closefn = mem_close;
	return (f);
}

FILE *
open_memstream(char **bufp, size_t *sizep)
{
	struct memstream m = { .bufp = bufp, .sizep = sizep, .room = 64, .buf = calloc(1, 64) };

	if (m.buf == NULL)
		return (NULL);
	*bufp = m.buf;
	*sizep = 0;
	return (mem_open(&m, F_WR));
}

FILE *
fmemopen(void *buf, size_t size, const char *mode)
{
	struct memstream m = { .buf = buf, .room = size, .fixed = 1 };
	int o, flags = __sflags(mode, &o);
	FILE *f;

	if (flags == 0)
		return (NULL);
	if (size == 0) {
		errno = EINVAL;
		return (NULL);
	}
	if (buf == NULL) {
		if ((m.buf = calloc(1, size)) == NULL)
			return (NULL);
		m.owned = 1;
	}
	if (o & O_TRUNC)
		m.buf[0] = '\0';
	else
		m.size = flags & F_APP || o & O_CREAT ? strnlen(m.buf, size) : size;
	m.append = (flags & F_APP) != 0;
	f = mem_open(&m, flags & ~F_APP);
	if (f == NULL && m.owned)
		free(m.buf);
	return (f);
}

char *
getpass(const char *prompt)
{
	static char buf[129];
	struct termios t, quiet;
	int fd = open(_PATH_TTY, O_RDWR | O_CLOEXEC), in = fd >= 0 ? fd : STDIN_FILENO, tty;
	size_t n = 0;
	char c;

	(void)!write(fd >= 0 ? fd : STDERR_FILENO, prompt, strlen(prompt));
	tty = tcgetattr(in, &t) == 0;
	if (tty) {
		quiet = t;
		quiet.c_lflag &= ~(unsigned)ECHO;
		tcsetattr(in, TCSAFLUSH, &quiet);
	}
	while (read(in, &c, 1) == 1 && c != '\n')
		if (n < sizeof(buf) - 1)
			buf[n++] = c;
	buf[n] = '\0';
	if (tty) {
		tcsetattr(in, TCSAFLUSH, &t);
		(void)!write(fd >= 0 ? fd : STDERR_FILENO, "\n", 1);
	}
	if (fd >= 0)
		close(fd);
	return (buf);
}

void
swab(const void *__restrict from, void *__restrict to, ssize_t n)
{
	const char *f = from;
	char *t = to;

	for (; n > 1; n -= 2, f += 2, t += 2) {
		char a = f[0];

		t[0] = f[1];
		t[1] = a;
	}
}

/* What ps shows: kern.proc.args of ourselves, writable. */
void
setproctitle(const char *fmt, ...)
{
	int mib[4] = { CTL_KERN, KERN_PROC, KERN_PROC_ARGS, getpid() };
	char text[1024];
	int n;
	va_list ap;

	if (fmt == NULL) {
		sysctl(mib, 4, NULL, NULL, "", 0);
		return;
	}
	n = *fmt == '-' ? 0 : snprintf(text, sizeof(text), "%s: ", getprogname());
	va_start(ap, fmt);
	n += vsnprintf(text + n, sizeof(text) - (size_t)n, *fmt == '-' ? fmt + 1 : fmt, ap);
	va_end(ap);
	if ((size_t)n >= sizeof(text))
		n = sizeof(text) - 1;
	sysctl(mib, 4, NULL, NULL, text, (size_t)n + 1);
}

/* Pseudo terminals: the master is a clone of /dev/ptmx, the slave has the same number under /dev/pts. */
int
posix_openpt(int flags)
{
	return (open("/dev/ptmx", flags));
}

int
grantpt(int fd)
{
	return (ioctl(fd, TIOCISPTMASTER, 0) < 0 ? -1 : 0);
}

int
unlockpt(int fd)
{
	return (grantpt(fd));
}

char *
ptsname(int fd)
{
	static char buf[64];
	char name[64];
	struct fiodname_args args = { name, sizeof(name) };
	char *digits;

	if (grantpt(fd) < 0 || ioctl(fd, FIODNAME, &args) < 0)
		return (NULL);
	/* "ptm/N" */
	digits = name + strcspn(name, "0123456789");
	snprintf(buf, sizeof(buf), "/dev/pts/%s", digits);
	return (buf);
}

int
openpty(int *master, int *slave, char *name, const void *termp, const void *winp)
{
	int m = posix_openpt(O_RDWR | O_NOCTTY), s;
	char *path;

	if (m < 0)
		return (-1);
	if ((path = ptsname(m)) == NULL || (s = open(path, O_RDWR | O_NOCTTY)) < 0) {
		close(m);
		return (-1);
	}
	*master = m;
	*slave = s;
	if (name != NULL)
		strcpy(name, path);
	if (termp != NULL)
		tcsetattr(s, TCSAFLUSH, termp);
	if (winp != NULL)
		ioctl(s, TIOCSWINSZ, winp);
	return (0);
}

/* Exact floating point operations only. */
double
fabs(double x)
{
	return (__builtin_fabs(x));
}

double
trunc(double x)
{
	/* From 2^52 up there is no fraction. */
	if (!(fabs(x) < 0x1p52))
		return (x);
	return (__builtin_copysign((double)(long)x, x));
}

double
floor(double x)
{
	double t = trunc(x);

	return (t > x ? t - 1 : t);
}

double
ceil(double x)
{
	double t = trunc(x);

	return (t < x ? t + 1 : t);
}

double
modf(double x, double *whole)
{
	*whole = isinf(x) ? x : trunc(x);
	return (isinf(x) ? __builtin_copysign(0, x) : __builtin_copysign(x - *whole, x));
}

double
sqrt(double x)
{
	__asm__("sqrtsd %0,%0" : "+x"(x));
	return (x);
}

double
fmod(double x, double y)
{
	long double r = x;
	unsigned short sw;

	/* fprem is exact; it takes several rounds when the exponents are far apart. */
	do
		__asm__("fprem\n\tfnstsw %%ax" : "+t"(r), "=a"(sw) : "u"((long double)y));
	while (sw & 0x400);
	return ((double)r);
}

double
ldexp(double x, int n)
{
	long double v = x;

	if (n > 5000)
		n = 5000;
	if (n < -5000)
		n = -5000;
	__asm__("fscale" : "+t"(v) : "u"((long double)n));
	return ((double)v);
}

double
frexp(double x, int *e)
{
	union {
		double d;
		uint64_t u;
	} v = { x };
	int k = (int)(v.u >> 52 & 0x7ff), adjust = 0;

	*e = 0;
	if (x == 0 || k == 0x7ff)
		return (x);
	if (k == 0) {
		v.d *= 0x1p54;
		adjust = 54;
		k = (int)(v.u >> 52 & 0x7ff);
	}
	*e = k - 1022 - adjust;
	v.u = (v.u & ~(0x7ffUL << 52)) | 1022UL << 52;
	return (v.d);
}
