/*
 * word.c: the lexer's words (quoting of POSIX XCU 2.2, the shapes of 2.6).
 *
 * A word is a list of parts: literal text, parameter, command substitution, arithmetic; each knows whether
 * it stands in quotes. Quoted and unquoted literal text are never merged, so "is this character
 * special" has one answer a part. `$(` calls the parser on the same input, with a lexer state of its own.
 */
#include "sh.h"
#include <string.h>

struct plist {
	struct wpart *head, **tail;
	struct sbuf text;
	bool text_quoted, have_text;
};
enum mode { M_WORD, M_BRACE, M_DQ, M_DQBRACE, M_HERE };

static void lex_parts(struct plist *pl, enum mode mode);

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

struct wpart *lx_word(void)
{
	return lex_operand(M_WORD);
}
