/*
 * error.c: exceptions (setjmp), messages, and the buffered standard output of builtins.
 *
 * Standard output is a buffer of our own rather than stdio's: it must be empty whenever the shell
 * forks or its descriptor 1 changes, and builtins want to know that a write failed.
 */
#include "sh.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct sh_try *sh_cur_try;
struct sbuf *out_capture;

void sh_try_enter(struct sh_try *t)
{
	t->prev = sh_cur_try;
	t->mark = tmp_mark();
	t->in = in_current();
	t->capture = out_capture;
	t->redir_level = redir_level();
	t->local_level = local_level();
	t->loopnest = sh.loopnest;
	t->funcnest = sh.funcnest;
	t->dotnest = sh.dotnest;
	sh_cur_try = t;
}

void sh_try_leave(struct sh_try *t)
{
	sh_cur_try = t->prev;
}

_Noreturn void sh_throw(int exc)
{
	struct sh_try *t = sh_cur_try;

	if (t == NULL)
		_exit(sh.status);
	sh_cur_try = t->prev;
	out_flush();
	out_capture = t->capture;
	in_pop_to(t->in);
	redir_pop_to(t->redir_level);
	local_pop_to(t->local_level);
	tmp_release(t->mark);
	sh.loopnest = t->loopnest;
	sh.funcnest = t->funcnest;
	sh.dotnest = t->dotnest;
	longjmp(t->jb, exc);
}

static void message(const char *fmt, va_list ap)
{
	char buf[1024];
	int n;

	out_flush();
	n = snprintf(buf, sizeof buf, "%s: ", sh.arg0 ? sh.arg0 : "sh");
	if (n < 0 || n > (int)sizeof buf / 2)
		n = 0;
	if (!sh.interactive && sh.lineno > 0)
		n += snprintf(buf + n, sizeof buf - (size_t)n, "%d: ", sh.lineno);
	vsnprintf(buf + n, sizeof buf - (size_t)n - 1, fmt, ap);
	n = (int)strlen(buf);
	buf[n++] = '\n';
	err_n(buf, (size_t)n);
}

_Noreturn void sh_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message(fmt, ap);
	va_end(ap);
	sh.status = 2;
	sh_throw(EXC_ERROR);
}

void sh_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message(fmt, ap);
	va_end(ap);
}

int sh_fail(int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message(fmt, ap);
	va_end(ap);
	return status;
}

static char outbuf[4096];
static size_t outlen;
static int outfail;

static int write_all(int fd, const char *s, size_t n)
{
	while (n > 0) {
		ssize_t w = write(fd, s, n);

		if (w < 0) {
			if (errno == EINTR && !sig_any)
				continue;
			return -1;
		}
		s += w;
		n -= (size_t)w;
	}
	return 0;
}

void out_n(const char *s, size_t n)
{
	if (out_capture != NULL) {
		sb_putn(out_capture, s, n);
		return;
	}
	if (outfail)
		return;
	if (outlen + n > sizeof outbuf) {
		if (outlen > 0 && write_all(1, outbuf, outlen) < 0)
			outfail = errno;
		outlen = 0;
		if (n > sizeof outbuf) {
			if (!outfail && write_all(1, s, n) < 0)
				outfail = errno;
			return;
		}
	}
	memcpy(outbuf + outlen, s, n);
	outlen += n;
}

void out_s(const char *s)
{
	out_n(s, strlen(s));
}

void out_c(int c)
{
	char ch = (char)c;

	out_n(&ch, 1);
}

void out_f(const char *fmt, ...)
{
	char buf[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, sizeof buf, fmt, ap);
	va_end(ap);
	if (n > 0)
		out_n(buf, (size_t)n < sizeof buf ? (size_t)n : sizeof buf - 1);
}

void out_quoted(const char *s)
{
	out_c('\'');
	for (; *s; s++) {
		if (*s == '\'')
			out_s("'\\''");
		else
			out_c(*s);
	}
	out_c('\'');
}

int out_flush(void)
{
	int failed;

	if (outlen > 0 && !outfail && write_all(1, outbuf, outlen) < 0)
		outfail = errno;
	outlen = 0;
	failed = outfail;
	outfail = 0;
	if (failed) {
		errno = failed;
		return -1;
	}
	return 0;
}

void err_n(const char *s, size_t n)
{
	(void)write_all(2, s, n);
}

void err_f(const char *fmt, ...)
{
	char buf[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, sizeof buf, fmt, ap);
	va_end(ap);
	if (n > 0)
		err_n(buf, (size_t)n < sizeof buf ? (size_t)n : sizeof buf - 1);
}

char *num_str(char *end, long n)
{
	unsigned long u = n < 0 ? 0UL - (unsigned long)n : (unsigned long)n;

	*--end = '\0';
	do
		*--end = (char)('0' + u % 10);
	while ((u /= 10) != 0);
	if (n < 0)
		*--end = '-';
	return end;
}
