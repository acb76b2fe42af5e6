/* err(3), assert(3), abort(3). */
#include <assert.h>
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libc_private.h"

static void
complain(int code, const char *fmt, va_list ap)
{
	char text[1024];
	size_t n = 0;

	/* One write a message, so that lines of several processes do not mix. */
	fflush(stdout);
	n = (size_t)snprintf(text, sizeof(text), "%s: ", getprogname());
	if (fmt != NULL) {
		int k = vsnprintf(text + n, sizeof(text) - n, fmt, ap);

		n += k > 0 ? (size_t)k : 0;
		if (n >= sizeof(text))
			n = sizeof(text) - 1;
	}
	if (code >= 0)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", fmt != NULL ? ": " : "", strerror(code));
	if (n > sizeof(text) - 2)
		n = sizeof(text) - 2;
	text[n++] = '\n';
	fwrite(text, 1, n, stderr);
}

void
vwarn(const char *fmt, va_list ap)
{
	complain(errno, fmt, ap);
}

void
vwarnx(const char *fmt, va_list ap)
{
	complain(-1, fmt, ap);
}

void
verr(int status, const char *fmt, va_list ap)
{
	complain(errno, fmt, ap);
	exit(status);
}

void
verrx(int status, const char *fmt, va_list ap)
{
	complain(-1, fmt, ap);
	exit(status);
}

void
warn(const char *fmt, ...)
{
	int code = errno;
	va_list ap;

	va_start(ap, fmt);
	complain(code, fmt, ap);
	va_end(ap);
}

void
warnc(int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(code, fmt, ap);
	va_end(ap);
}

void
warnx(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(-1, fmt, ap);
	va_end(ap);
}

void
err(int status, const char *fmt, ...)
{
	int code = errno;
	va_list ap;

	va_start(ap, fmt);
	complain(code, fmt, ap);
	va_end(ap);
	exit(status);
}

void
errc(int status, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(code, fmt, ap);
	va_end(ap);
	exit(status);
}

void
errx(int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(-1, fmt, ap);
	va_end(ap);
	exit(status);
}

void
__assert(const char *func, const char *file, int line, const char *text)
{
	fprintf(stderr, "Assertion failed: (%s), function %s, file %s, line %d.\n", text, func, file, line);
	abort();
}

void
abort(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGABRT);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(SIGABRT);
	signal(SIGABRT, SIG_DFL);
	raise(SIGABRT);
	_exit(127);
}
