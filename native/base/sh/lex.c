/*
 * lex.c: characters to tokens and words (POSIX XCU 2.3, with 2.2 quoting and the shapes of 2.6).
 *
 * A word is a list of parts: literal text, parameter, command substitution, arithmetic; each knows whether
 * it stands in quotes. Quoted and unquoted literal text are never merged, so "is this character
 * special" has one answer a part. `$(` calls the parser on the same input, with a lexer state of its own.
 */
#include "sh.h"
#include <string.h>

struct lexer lx;
struct arena *lx_arena;

struct plist {
	struct wpart *head, **tail;
	struct sbuf text;
	bool text_quoted, have_text;
};
enum mode { M_WORD, M_BRACE, M_DQ, M_DQBRACE, M_HERE };

static void lex_parts(struct plist *pl, enum mode mode);

void *lx_alloc(size_t n)
{
	return arena_alloc(lx_arena, n);
}

void lx_reset(void)
{
	memset(&lx, 0, sizeof lx);
	lx.pending_tail = &lx.pending;
}

static bool name_start(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool name_char(int c)
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

static void pl_init(struct plist *pl)
{
	pl->head = NULL;
	pl->tail = &pl->head;
	sb_init(&pl->text);
	pl->have_text = false;
}

static struct wpart *part_new(struct plist *pl, int type, bool quoted)
{
	struct wpart *p = lx_alloc(sizeof *p);

	p->type = (unsigned char)type;
	p->quoted = quoted;
	*pl->tail = p;
	pl->tail = &p->next;
	return p;
}

static void pl_flush(struct plist *pl)
{
	if (!pl->have_text)
		return;
	part_new(pl, W_LIT, pl->text_quoted)->str = arena_strn(lx_arena, pl->text.s ? pl->text.s : "", pl->text.len);
	pl->text.len = 0;
	pl->have_text = false;
}

/* Begin or continue literal text; also records that there was a (possibly empty) quoted string. */
static void pl_text(struct plist *pl, bool quoted)
{
	if (pl->have_text && pl->text_quoted != quoted)
		pl_flush(pl);
	pl->text_quoted = quoted;
	pl->have_text = true;
}

static void pl_putc(struct plist *pl, int c, bool quoted)
{
	pl_text(pl, quoted);
	sb_putc(&pl->text, c);
}

static struct node *nested_list(int until)
{
	struct lexer save = lx;
	struct node *n;

	lx_reset();
	n = parse_list_until(until);
	lx = save;
	if (lx.pending == NULL)
		lx.pending_tail = &lx.pending;
	return n;
}

/* The text between backquotes, one level of backslashes removed, parsed as a list of its own. */
static void lex_backquote(struct plist *pl, bool dq)
{
	struct sbuf b;
	int line = in_lineno();

	sb_init(&b);
	for (;;) {
		int c = in_getc();

		if (c == '`')
			break;
		if (c == SH_EOF)
			sh_error("syntax error: unterminated backquote");
		if (c == '\\') {
			c = in_getc();
			if (c == '\n')
				continue;
			if (c != '\\' && c != '`' && c != '$' && !(dq && c == '"'))
				sb_putc(&b, '\\');
			if (c == SH_EOF)
				continue;
		}
		sb_putc(&b, c);
	}
	pl_flush(pl);
	in_push_string(sb_str(&b), NULL, false);
	in_set_lineno(line);
	part_new(pl, W_CMD, dq)->cmd = nested_list(T_EOF);
	in_pop();
}

/* Copy a quoted stretch verbatim while looking for the end of an arithmetic expansion. */
static void copy_quoted(struct sbuf *b, int q)
{
	int c;

	while ((c = in_getc()) != SH_EOF) {
		sb_putc(b, c);
		if (c == q)
			return;
		if (c == '\\' && q == '"' && (c = in_getc()) != SH_EOF)
			sb_putc(b, c);
	}
	sh_error("syntax error: unterminated quoted string");
}

/* After `$((`: arithmetic if it ends in `))`, else a command substitution that begins with a subshell. */
static void lex_arith(struct plist *pl, bool quoted)
{
	struct sbuf b;
	int depth = 0, c, line = in_lineno();

	sb_init(&b);
	for (;;) {
		c = lx_getc();
		if (c == SH_EOF)
			sh_error("syntax error: missing '))'");
		if (c == '(')
			depth++;
		else if (c == ')' && depth-- == 0)
			break;
		sb_putc(&b, c);
		if (c == '\\' && (c = in_getc()) != SH_EOF)
			sb_putc(&b, c);
		else if (c == '\'' || c == '"')
			copy_quoted(&b, c);
	}
	c = lx_getc();
	pl_flush(pl);
	if (c == ')') {
		struct wpart *p = part_new(pl, W_ARITH, quoted);

		p->arg = lx_string(sb_str(&b));
		return;
	}
	in_ungetc(c);
	{
		struct sbuf t;

		sb_init(&t);
		sb_putc(&t, '(');
		sb_putn(&t, b.s ? b.s : "", b.len);
		sb_putc(&t, ')');
		in_push_string(sb_str(&t), NULL, true);
		in_set_lineno(line);
		part_new(pl, W_CMD, quoted)->cmd = nested_list(T_RP);
	}
}

static struct wpart *lex_operand(enum mode mode)
{
	struct plist pl;

	pl_init(&pl);
	lex_parts(&pl, mode);
	pl_flush(&pl);
	return pl.head;
}

static void lex_brace_param(struct plist *pl, bool quoted)
{
	struct sbuf b;
	struct wpart *p;
	int c = lx_getc(), op = P_NONE, colon = 0;

	sb_init(&b);
	if (c == '#') { /* length, unless it is $# with an operator or alone */
		int d = lx_getc();

		if (d == '}' ) {
			sb_putc(&b, '#');
			c = d;
			goto name_done;
		}
		if (name_char(d) || (d != SH_EOF && strchr("@*#?-$!", d) != NULL)) {
			int e = lx_getc();

			in_ungetc(e);
			if (name_char(d) || e == '}') {
				op = P_LEN;
				c = d;
			} else {
				sb_putc(&b, '#');
				c = d;
				goto name_done;
			}
		} else {
			sb_putc(&b, '#');
			c = d;
			goto name_done;
		}
	}
	if (name_start(c)) {
		do {
			sb_putc(&b, c);
			c = lx_getc();
		} while (name_char(c));
	} else if (c >= '0' && c <= '9') {
		do {
			sb_putc(&b, c);
			c = lx_getc();
		} while (c >= '0' && c <= '9');
	} else if (c > 0 && strchr("@*#?-$!", c) != NULL) {
		sb_putc(&b, c);
		c = lx_getc();
	} else {
		sh_error("bad substitution");
	}
name_done:
	pl_flush(pl);
	p = part_new(pl, W_PARAM, quoted);
	p->str = arena_strn(lx_arena, b.s, b.len);
	if (op == P_NONE && c != '}') {
		if (c == ':') {
			colon = 1;
			c = lx_getc();
		}
		switch (c) {
		case '-': op = P_MINUS; break;
		case '+': op = P_PLUS; break;
		case '=': op = P_ASSIGN; break;
		case '?': op = P_ERROR; break;
		case '#':
		case '%':
			if (colon)
				sh_error("bad substitution");
			op = c == '#' ? P_HASH : P_PCT;
			if ((c = lx_getc()) == (op == P_HASH ? '#' : '%'))
				op = op == P_HASH ? P_HHASH : P_PPCT;
			else
				in_ungetc(c);
			break;
		default:
			sh_error("bad substitution");
		}
		p->arg = lex_operand(quoted && op < P_HASH ? M_DQBRACE : M_BRACE);
		c = '}';
	}
	if (c != '}')
		sh_error("bad substitution");
	p->op = (unsigned char)op;
	p->colon = (unsigned char)colon;
}

static void lex_dollar(struct plist *pl, bool quoted)
{
	int c = lx_getc();

	if (c == '(') {
		c = lx_getc();
		if (c == '(') {
			lex_arith(pl, quoted);
			return;
		}
		in_ungetc(c);
		pl_flush(pl);
		part_new(pl, W_CMD, quoted)->cmd = nested_list(T_RP);
	} else if (c == '{') {
		lex_brace_param(pl, quoted);
	} else if (name_start(c)) {
		struct sbuf b;
		struct wpart *p;

		sb_init(&b);
		do {
			sb_putc(&b, c);
			c = lx_getc();
		} while (name_char(c));
		in_ungetc(c);
		pl_flush(pl);
		p = part_new(pl, W_PARAM, quoted);
		p->str = arena_strn(lx_arena, b.s, b.len);
	} else if (c != SH_EOF && strchr("@*#?-$!0123456789", c) != NULL) {
		char ch = (char)c;

		pl_flush(pl);
		part_new(pl, W_PARAM, quoted)->str = arena_strn(lx_arena, &ch, 1);
	} else {
		in_ungetc(c);
		pl_putc(pl, '$', quoted);
	}
}

static void lex_dquote(struct plist *pl)
{
	struct wpart **before;

	pl_flush(pl);
	before = pl->tail;
	lex_parts(pl, M_DQ);
	if (pl->tail == before && !pl->have_text)
		pl_text(pl, true); /* "" */
	pl_flush(pl);
}

/* Parts until what ends `mode`; the terminator is consumed except in M_WORD. */
static void lex_parts(struct plist *pl, enum mode mode)
{
	bool q = mode == M_DQ || mode == M_DQBRACE || mode == M_HERE;

	for (;;) {
		int c = lx_getc();

		switch (c) {
		case SH_EOF:
			if (mode == M_WORD || mode == M_HERE)
				return;
			sh_error(mode == M_DQ ? "syntax error: unterminated quoted string" : "syntax error: missing '}'");
		case '\\':
			c = in_getc();
			if (c == SH_EOF) {
				pl_putc(pl, '\\', true);
			} else if (!q || strchr("$`\\", c) != NULL || (c == '"' && mode != M_HERE) || (c == '}' && mode == M_DQBRACE)) {
				pl_putc(pl, c, true);
			} else {
				pl_putc(pl, '\\', true);
				in_ungetc(c);
			}
			continue;
		case '\'':
			if (q)
				break;
			pl_text(pl, true);
			while ((c = in_getc()) != '\'') {
				if (c == SH_EOF)
					sh_error("syntax error: unterminated quoted string");
				pl_putc(pl, c, true);
			}
			continue;
		case '"':
			if (mode == M_DQ)
				return;
			if (mode == M_HERE)
				break;
			lex_dquote(pl);
			continue;
		case '$':
			lex_dollar(pl, q);
			continue;
		case '`':
			lex_backquote(pl, q);
			continue;
		case '}':
			if (mode == M_BRACE || mode == M_DQBRACE)
				return;
			break;
		case ' ': case '\t': case '\n': case ';': case '&': case '|': case '<': case '>': case '(': case ')':
			if (mode == M_WORD) {
				in_ungetc(c);
				return;
			}
			break;
		}
		pl_putc(pl, c, q);
	}
}

struct wpart *lx_string(const char *s)
{
	struct plist pl;

	in_push_string(s, NULL, false);
	pl_init(&pl);
	lex_parts(&pl, M_HERE);
	pl_flush(&pl);
	in_pop();
	return pl.head;
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
	r->target = lex_operand(M_WORD);
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
	lx.word = lex_operand(M_WORD);
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
