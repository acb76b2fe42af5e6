/*
 * Shared helpers of the everyday utilities: memory, strings, numbers, sizes, terminal size, copying.
 */
#include "util.h"

#include <stdarg.h>
#include <sys/ioctl.h>
#include <termios.h>

void *
xmalloc(size_t size)
{
	void *p = malloc(size ? size : 1);

	if (p == NULL)
		err(1, "malloc");
	return p;
}

void *
xrealloc(void *old, size_t size)
{
	void *p = realloc(old, size ? size : 1);

	if (p == NULL)
		err(1, "realloc");
	return p;
}

char *
xstrdup(const char *s)
{
	return xstrndup(s, strlen(s));
}

char *
xstrndup(const char *s, size_t n)
{
	char *p = xmalloc(n + 1);

	memcpy(p, s, n);
	p[n] = '\0';
	return p;
}

char *
path_join(const char *dir, const char *name)
{
	size_t dl = strlen(dir), nl = strlen(name);
	char *p = xmalloc(dl + nl + 2);

	memcpy(p, dir, dl);
	if (dl > 0 && p[dl - 1] != '/')
		p[dl++] = '/';
	memcpy(p + dl, name, nl + 1);
	return p;
}

const char *
base_name(const char *path)
{
	const char *s = strrchr(path, '/');

	return s != NULL && s[1] != '\0' ? s + 1 : path;
}

void
strip_slashes(char *path)
{
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		path[--n] = '\0';
}

void
sb_put(struct sbuf *b, const char *p, size_t n)
{
	if (b->len + n + 1 > b->cap) {
		size_t cap = b->cap ? b->cap * 2 : 128;

		while (cap < b->len + n + 1)
			cap *= 2;
		b->s = xrealloc(b->s, cap);
		b->cap = cap;
	}
	if (n > 0)
		memcpy(b->s + b->len, p, n);
	b->len += n;
	b->s[b->len] = '\0';
}

void
sb_putc(struct sbuf *b, int c)
{
	char ch = (char)c;

	sb_put(b, &ch, 1);
}

void
sb_puts(struct sbuf *b, const char *s)
{
	sb_put(b, s, strlen(s));
}

void
sb_reset(struct sbuf *b)
{
	b->len = 0;
	sb_put(b, "", 0);
}

ssize_t
read_line(FILE *f, struct sbuf *b, int delim, bool *nl)
{
	ssize_t n = getdelim(&b->s, &b->cap, delim, f);

	*nl = false;
	if (n < 0) {
		sb_reset(b);
		return -1;
	}
	b->len = (size_t)n;
	if (n > 0 && b->s[n - 1] == (char)delim) {
		*nl = true;
		b->s[--b->len] = '\0';
	}
	return (ssize_t)b->len;
}

void
usage(int code, const char *text)
{
	fprintf(stderr, "usage: %s\n", text);
	exit(code);
}

int
finish_err(int code, int errcode)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		err(errcode, "stdout");
	return code;
}

int
finish(int code)
{
	return finish_err(code, 1);
}

bool
str_num(const char *s, int base, long long *out)
{
	char *end;

	errno = 0;
	*out = strtoll(s, &end, base);
	return end != s && *end == '\0' && errno == 0 && !isspace((unsigned char)*s);
}

long long
parse_num(const char *s, long long min, long long max, const char *what)
{
	long long v;

	if (!str_num(s, 10, &v))
		errx(1, "%s: %s", what, s);
	if (v < min || v > max)
		errx(1, "%s: %s: out of range", what, s);
	return v;
}

bool
parse_size(const char *s, long long *out)
{
	static const char units[] = "kmgtpe";
	char *end;
	const char *u;
	long long v, mul = 1;

	errno = 0;
	v = strtoll(s, &end, 0);
	if (end == s || errno != 0)
		return false;
	if (*end != '\0') {
		int c = tolower((unsigned char)*end);

		if (c == 'b')
			mul = 512;
		else if (c == 'w')
			mul = 4;
		else if (c != '\0' && (u = strchr(units, c)) != NULL)
			mul = 1LL << (10 * (u - units + 1));
		else
			return false;
		if (*++end != '\0' && !((*end == 'b' || *end == 'B') && end[1] == '\0'))
			return false;
	}
	if (v > LLONG_MAX / mul || v < LLONG_MIN / mul)
		return false;
	*out = v * mul;
	return true;
}

void
humanize(char *buf, size_t size, long long bytes, bool si)
{
	static const char units[] = "BKMGTPE";
	long long unit = si ? 1000 : 1024, div = 1, a = bytes < 0 ? -bytes : bytes;
	unsigned long long tenths;
	size_t i = 0;

	while (i < sizeof(units) - 2 && a / div >= 1000) {
		div *= unit;
		i++;
	}
	if (i == 0) {
		snprintf(buf, size, "%lldB", bytes);
		return;
	}
	tenths = (unsigned long long)(a / div) * 10 + (unsigned long long)((a % div) * 10 + div / 2) / (unsigned long long)div;
	if (tenths < 100)
		snprintf(buf, size, "%s%llu.%llu%c", bytes < 0 ? "-" : "", tenths / 10, tenths % 10, units[i]);
	else
		snprintf(buf, size, "%s%llu%c", bytes < 0 ? "-" : "", (tenths + 5) / 10, units[i]);
}

long
block_size(const char **header)
{
	static char text[32];
	const char *env = getenv("BLOCKSIZE");
	long long size = 512;

	/* A letter alone is a size of one: BLOCKSIZE=K. */
	if (env != NULL && (strcasecmp(env, "k") == 0 || strcasecmp(env, "m") == 0 || strcasecmp(env, "g") == 0))
		size = env[0] == 'k' || env[0] == 'K' ? 1 << 10 : env[0] == 'm' || env[0] == 'M' ? 1 << 20 : 1 << 30;
	else if (env != NULL && (!parse_size(env, &size) || size < 512 || size > 1 << 30)) {
		warnx("%s: unknown blocksize", env);
		size = 512;
	}
	if (header != NULL) {
		if (size % (1 << 30) == 0)
			snprintf(text, sizeof(text), "%lldG-blocks", size >> 30);
		else if (size % (1 << 20) == 0)
			snprintf(text, sizeof(text), "%lldM-blocks", size >> 20);
		else if (size % 1024 == 0)
			snprintf(text, sizeof(text), "%lldK-blocks", size >> 10);
		else
			snprintf(text, sizeof(text), "%lld-blocks", size);
		*header = text;
	}
	return (long)size;
}

int
write_all(int fd, const void *buf, size_t n)
{
	const char *p = buf;

	while (n > 0) {
		ssize_t w = write(fd, p, n);

		if (w < 0) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

int
copy_fd(int in, int out, bool *on_write)
{
	static char buf[65536];
	ssize_t n;

	*on_write = false;
	while ((n = read(in, buf, sizeof(buf))) != 0) {
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		if (write_all(out, buf, (size_t)n) < 0) {
			*on_write = true;
			return -1;
		}
	}
	return 0;
}

bool
ask(const char *fmt, ...)
{
	va_list ap;
	int c, first;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fflush(stderr);
	first = c = getchar();
	while (c != '\n' && c != EOF)
		c = getchar();
	return first == 'y' || first == 'Y';
}

int
term_columns(void)
{
	const char *env = getenv("COLUMNS");
	struct winsize ws;

	if (env != NULL && atoi(env) > 0)
		return atoi(env);
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 0)
		return ws.ws_col;
	return 80;
}

int
term_rows(void)
{
	const char *env = getenv("LINES");
	struct winsize ws;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_row > 0)
		return ws.ws_row;
	if (env != NULL && atoi(env) > 0)
		return atoi(env);
	return 24;
}
