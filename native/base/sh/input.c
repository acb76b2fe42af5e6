/*
 * input.c: the stack of inputs the lexer reads: script files, standard input, the terminal, strings
 * (eval, -c, traps) and alias text.
 *
 * A transparent input (alias text, pushed-back text) ends silently and reading goes on below it;
 * any other input answers SH_EOF until it is popped. An input is popped only by the next read, so
 * one character can always be pushed back. Standard input that cannot seek is read byte by byte:
 * what follows a command belongs to that command, not to us.
 */
#include "sh.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct input {
	struct input *prev;
	const char *p, *end;
	char *buf; /* owned */
	int fd;    /* -1 for strings */
	bool transparent, tty, shared, eof, own_fd, edited; /* edited: buf is one line of edit_line's */
	struct alias *alias;
	int lineno;
};

#define BUFSIZE 4096

static struct input *cur;
static bool alias_blank;
int in_prompt = 1;

static struct input *push(void)
{
	struct input *in = sh_malloc(sizeof *in);

	memset(in, 0, sizeof *in);
	in->prev = cur;
	in->fd = -1;
	in->lineno = 1;
	cur = in;
	return in;
}

void in_push_string(const char *s, struct alias *al, bool transparent)
{
	size_t n = strlen(s);
	char *copy = sh_malloc(n + 2);
	struct input *in;

	memcpy(copy, s, n);
	if (al != NULL) /* ends the last word while the alias still counts as busy */
		copy[n++] = ' ';
	copy[n] = '\0';
	in = push();
	in->buf = copy;
	in->p = copy;
	in->end = copy + n;
	in->alias = al;
	in->transparent = transparent;
	in->lineno = in->prev != NULL ? in->prev->lineno : 1;
	if (al != NULL)
		al->busy = true;
}

void in_push_fd(int fd, bool interactive)
{
	struct input *in = push();

	in->fd = fd;
	in->tty = interactive;
	in->shared = fd == 0;
}

int in_push_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno;
	fd = fd_private(fd);
	if (fd < 0)
		return errno;
	in_push_fd(fd, false);
	cur->own_fd = true;
	return 0;
}

void in_pop(void)
{
	struct input *in = cur;

	cur = in->prev;
	if (in->own_fd)
		close(in->fd);
	if (in->alias != NULL) {
		if (in->end > in->buf + 1 && (in->end[-2] == ' ' || in->end[-2] == '\t'))
			alias_blank = true;
		alias_unbusy(in->alias);
	}
	free(in->buf);
	free(in);
}

void in_pop_to(struct input *in)
{
	while (cur != NULL && cur != in)
		in_pop();
}

struct input *in_current(void)
{
	return cur;
}

bool in_took_alias_blank(void)
{
	bool b = alias_blank;

	alias_blank = false;
	return b;
}

/* Read from a descriptor that the commands we start share with us: up to and with one newline. */
static ssize_t read_shared(struct input *in)
{
	char *buf = in->buf + 1;
	off_t at = lseek(in->fd, 0, SEEK_CUR);
	ssize_t n;

	if (at >= 0) {
		n = read(in->fd, buf, BUFSIZE);
		if (n > 0) {
			char *nl = memchr(buf, '\n', (size_t)n);

			if (nl != NULL && nl + 1 < buf + n && lseek(in->fd, at + (nl + 1 - buf), SEEK_SET) >= 0)
				n = nl + 1 - buf;
		}
		return n;
	}
	for (n = 0; n < BUFSIZE;) {
		ssize_t r = read(in->fd, buf + n, 1);

		if (r < 0 && n == 0)
			return -1;
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			break;
		if (buf[n++] == '\n')
			break;
	}
	return n;
}

static bool refill(struct input *in)
{
	ssize_t n;

	if (in->fd < 0)
		return false;
	out_flush();
	if (in->tty) {
		char *prompt;

		if (in_prompt == 1)
			job_notify();
		prompt = expand_prompt(var_get(in_prompt == 1 ? "PS1" : "PS2"));
		in_prompt = 2;
		if (edit_usable()) {
			char *line = edit_line(prompt);

			if (line == NULL)
				return false;
			free(in->buf);
			in->buf = line;
			in->edited = true;
			in->p = line;
			in->end = line + strlen(line);
			goto verbose;
		}
		err_n(prompt, strlen(prompt));
	}
	if (in->edited) {
		free(in->buf);
		in->buf = NULL;
		in->edited = false;
	}
	if (in->buf == NULL)
		in->buf = sh_malloc(BUFSIZE + 1);
	else if (in->p != NULL) /* a backslash was looked beyond: both may be pushed back */
		in->buf[0] = in->p[-1];
	for (;;) {
		n = in->shared && !in->tty ? read_shared(in) : read(in->fd, in->buf + 1, BUFSIZE);
		if (n >= 0)
			break;
		if (errno != EINTR)
			break;
		if (in->tty && sig_int)
			err_n("\n", 1);
		sh_check_signals();
	}
	if (n <= 0)
		return false;
	in->p = in->buf + 1;
	in->end = in->p + n;
verbose:
	if (optv['v'])
		err_n(in->p, (size_t)(in->end - in->p));
	return true;
}

int in_getc(void)
{
	for (;;) {
		struct input *in = cur;
		int c;

		if (in == NULL)
			return SH_EOF;
		if (in->p < in->end) {
			c = (unsigned char)*in->p++;
			if (c == '\n')
				in->lineno++;
			if (c == '\0')
				continue;
			return c;
		}
		if (in->transparent) {
			in_pop();
			continue;
		}
		if (in->eof)
			return SH_EOF;
		if (!refill(in)) {
			in->eof = !in->tty; /* ^D on a terminal may be followed by more */
			return SH_EOF;
		}
	}
}

void in_ungetc(int c)
{
	if (c == SH_EOF || cur->p == cur->buf)
		return;
	cur->p--;
	if (c == '\n')
		cur->lineno--;
}

int in_lineno(void)
{
	return cur != NULL ? cur->lineno : 0;
}

void in_set_lineno(int n)
{
	cur->lineno = n;
}

void in_discard(void)
{
	while (cur != NULL && cur->transparent)
		in_pop();
	if (cur != NULL && cur->fd >= 0)
		cur->p = cur->end;
	alias_blank = false;
}

bool in_at_eof(void)
{
	const char *p;

	if (cur == NULL || cur->fd >= 0 || cur->transparent || cur->prev != NULL)
		return false;
	for (p = cur->p; p < cur->end; p++) {
		if (*p != ' ' && *p != '\t' && *p != '\n')
			return false;
	}
	return true;
}

/* In a forked child: scripts stay with the parent, whose file offset a child must not move. */
void in_forked(void)
{
	struct input *in;

	for (in = cur; in != NULL; in = in->prev) {
		in->tty = false;
		if (in->fd >= 0)
			in->eof = true;
	}
}
