/*
 * lex.c: characters to tokens (POSIX XCU 2.3), redirections and here-documents. Words are word.c's.
 */
#include "sh.h"
#include <string.h>

struct lexer lx;
struct arena *lx_arena;

void *lx_alloc(size_t n)
{
	return arena_alloc(lx_arena, n);
}

void lx_reset(void)
{
	memset(&lx, 0, sizeof lx);
	lx.pending_tail = &lx.pending;
}

bool name_start(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool name_char(int c)
{
	return name_start(c) || (c >= '0' && c <= '9');
}

size_t name_len(const char *s)
{
	size_t n = 0;

	if (!name_start((unsigned char)*s))
		return 0;
	while (name_char((unsigned char)s[n]))
		n++;
	return n;
}

bool is_name(const char *s)
{
	size_t n = name_len(s);

	return n > 0 && s[n] == '\0';
}

const char *lx_literal(struct wpart *w)
{
	if (w == NULL || w->next != NULL || w->type != W_LIT || w->quoted)
		return NULL;
	return w->str;
}

/* The next character with backslash-newline removed. */
int lx_getc(void)
{
	for (;;) {
		int c = in_getc(), d;

		if (c != '\\')
			return c;
		d = in_getc();
		if (d != '\n') {
			in_ungetc(d);
			return c;
		}
	}
}

/* The delimiter word with quotes removed. */
static char *here_delim(struct wpart *w, bool *quoted)
{
	struct sbuf b;

	sb_init(&b);
	*quoted = false;
	for (; w != NULL; w = w->next) {
		if (w->type != W_LIT)
			sh_error("syntax error: bad here-document delimiter");
		if (w->quoted)
			*quoted = true;
		sb_puts(&b, w->str);
	}
	return arena_strn(lx_arena, b.s ? b.s : "", b.len);
}

static void read_heredocs(void)
{
	struct redir *r;

	while ((r = lx.pending) != NULL) {
		struct sbuf body, line;
		size_t dlen = strlen(r->delim);
		int c;

		lx.pending = r->pending;
		sb_init(&body);
		do {
			int cont;

			sb_init(&line);
			do { /* an unquoted body joins lines before the delimiter is looked for */
				cont = 0;
				if (r->strip && line.len == 0) {
					while ((c = in_getc()) == '\t')
						;
					in_ungetc(c);
				}
				while ((c = in_getc()) != SH_EOF && c != '\n') {
					sb_putc(&line, c);
					cont = c == '\\' ? !cont : 0;
				}
				if (c == '\n' && cont && !r->quoted)
					line.len--;
				else
					cont = 0;
			} while (cont);
			if (line.len == dlen && (dlen == 0 || memcmp(line.s, r->delim, dlen) == 0))
				break;
			if (line.len > 0)
				sb_putn(&body, line.s, line.len);
			if (c == '\n')
				sb_putc(&body, '\n');
		} while (c != SH_EOF);
		if (r->quoted) {
			struct wpart *p = lx_alloc(sizeof *p);

			p->type = W_LIT;
			p->quoted = 1;
			p->str = arena_strn(lx_arena, body.s ? body.s : "", body.len);
			r->target = p;
		} else {
			r->target = lx_string(sb_str(&body));
		}
	}
	lx.pending_tail = &lx.pending;
}

static int lex_redir(int c, int fd)
{
	struct redir *r = lx_alloc(sizeof *r);
	int d = lx_getc();

	r->fd = fd >= 0 ? fd : c == '<' ? 0 : 1;
	if (c == '<') {
		if (d == '<') {
			r->op = R_HERE;
			d = lx_getc();
			if (d == '-')
				r->strip = true;
			else
				in_ungetc(d);
		} else if (d == '&') {
			r->op = R_DUPIN;
		} else if (d == '>') {
			r->op = R_RDWR;
		} else {
			r->op = R_IN;
			in_ungetc(d);
		}
	} else if (d == '>') {
		r->op = R_APPEND;
	} else if (d == '&') {
		r->op = R_DUPOUT;
	} else if (d == '|') {
		r->op = R_CLOBBER;
	} else {
		r->op = R_OUT;
		in_ungetc(d);
	}
	do
		d = lx_getc();
	while (d == ' ' || d == '\t');
	in_ungetc(d);
	r->target = lx_word();
	if (r->target == NULL)
		sh_error("syntax error: redirection without a word");
	if (r->op == R_HERE) {
		r->delim = here_delim(r->target, &r->quoted);
		*lx.pending_tail = r;
		lx.pending_tail = &r->pending;
	}
	lx.redir = r;
	return T_REDIR;
}

static int two(int second, int yes, int no)
{
	int c = lx_getc();

	if (c == second)
		return yes;
	in_ungetc(c);
	return no;
}

/* Read the next token into lx. Here-document bodies are read with the newline that starts them. */
int lx_token(void)
{
	int c, d;

	do
		c = lx_getc();
	while (c == ' ' || c == '\t');
	if (c == '#') {
		while ((c = in_getc()) != '\n' && c != SH_EOF)
			;
	}
	lx.line = in_lineno();
	switch (c) {
	case SH_EOF:
		if (lx.pending != NULL)
			read_heredocs();
		return T_EOF;
	case '\n':
		if (lx.pending != NULL)
			read_heredocs();
		return T_NL;
	case ';':
		d = lx_getc();
		if (d == ';')
			return T_DSEMI;
		if (d == '&')
			return T_SEMIAND;
		in_ungetc(d);
		return T_SEMI;
	case '&':
		return two('&', T_AND, T_BG);
	case '|':
		return two('|', T_OR, T_PIPE);
	case '(':
		return T_LP;
	case ')':
		return T_RP;
	case '<':
	case '>':
		return lex_redir(c, -1);
	}
	in_ungetc(c);
	lx.word = lx_word();
	c = in_getc();
	if (c == '<' || c == '>') { /* a number right before a redirection is its descriptor */
		const char *s = lx_literal(lx.word);

		if (s != NULL && strspn(s, "0123456789") == strlen(s) && strlen(s) < 6) {
			int fd = 0;

			for (; *s; s++)
				fd = fd * 10 + (*s - '0');
			return lex_redir(c, fd);
		}
	}
	in_ungetc(c);
	return T_WORD;
}
