/*
 * parse.c: the grammar (POSIX XCU 2.10), by recursive descent with one token of look-ahead.
 *
 * Compound commands are in compound.c.
 *
 * Aliases are expanded when a word is looked at in command position: its text is pushed onto the
 * input and the token read again. Reserved words are plain words until the grammar asks for them.
 */
#include "sh.h"
#include <string.h>

static struct node *p_andor(void);
static struct node *p_command(void);

int p_peek(void)
{
	if (!lx.have) {
		lx.tok = lx_token();
		lx.have = true;
		lx.alias_done = false;
	}
	return lx.tok;
}

void p_skip(void)
{
	lx.have = false;
}

void p_skip_newlines(void)
{
	while (p_peek() == T_NL)
		p_skip();
}

/* Look at the next token in command position, expanding aliases. */
int p_peek_cmd(void)
{
	while (p_peek() == T_WORD && !lx.alias_done) {
		const char *s = lx_literal(lx.word);
		struct alias *a;

		lx.alias_done = true;
		if (s == NULL || (a = alias_find(s)) == NULL)
			break;
		in_push_string(a->value, a, true);
		lx.have = false;
	}
	return lx.tok;
}

bool p_is_kw(const char *kw)
{
	const char *s;

	if (p_peek() != T_WORD)
		return false;
	s = lx_literal(lx.word);
	return s != NULL && strcmp(s, kw) == 0;
}

_Noreturn void p_unexpected(const char *want)
{
	static const char *const names[] = { "end of file", "newline", ";", "&", "|", "&&", "||", ";;", ";&", "(", ")", "word", "redirection" };
	const char *got = names[p_peek()];

	if (p_peek() == T_WORD && lx_literal(lx.word) != NULL)
		got = lx_literal(lx.word);
	sh.lineno = lx.line;
	if (want != NULL)
		sh_error("syntax error: unexpected %s (expecting \"%s\")", got, want);
	sh_error("syntax error: unexpected %s", got);
}

void p_expect_kw(const char *kw)
{
	p_peek_cmd();
	if (!p_is_kw(kw))
		p_unexpected(kw);
	p_skip();
}

struct node *p_node(int type)
{
	struct node *n = lx_alloc(sizeof *n);

	n->type = type;
	n->line = lx.line ? lx.line : in_lineno();
	n->arena = lx_arena;
	return n;
}

struct word *p_word(struct wpart *parts)
{
	struct word *w = lx_alloc(sizeof *w);

	w->parts = parts;
	return w;
}

static bool at_list_end(void)
{
	static const char *const enders[] = { "then", "else", "elif", "fi", "do", "done", "esac", "}" };
	size_t i;

	switch (p_peek_cmd()) {
	case T_EOF: case T_RP: case T_DSEMI: case T_SEMIAND:
		return true;
	case T_WORD:
		for (i = 0; i < sizeof enders / sizeof *enders; i++)
			if (p_is_kw(enders[i]))
				return true;
	}
	return false;
}

/* and-or lists separated by ; & newline. At the top level a newline ends it. NULL when empty. */
struct node *p_list(bool top)
{
	struct node *seq = NULL, *first = NULL, **tail = NULL;

	if (!top)
		p_skip_newlines();
	while (!at_list_end() && !(top && p_peek() == T_NL)) {
		struct node *n = p_andor();
		int t = p_peek();

		if (t == T_BG) {
			struct node *bg = p_node(N_BG);

			bg->a = n;
			n = bg;
		}
		if (first == NULL) {
			first = n;
		} else {
			if (seq == NULL) {
				seq = p_node(N_SEQ);
				seq->a = first;
				tail = &first->next;
			}
			*tail = n;
			tail = &n->next;
		}
		if (t == T_BG || t == T_SEMI)
			p_skip();
		else if (t != T_NL || top)
			break;
		if (!top)
			p_skip_newlines();
	}
	return seq ? seq : first;
}

struct node *p_body(void)
{
	struct node *n = p_list(false);

	if (n == NULL)
		p_unexpected(NULL);
	return n;
}

static struct node *p_pipeline(void)
{
	struct node *first, **tail, *pipe = NULL;
	bool neg = false;

	p_peek_cmd();
	while (p_is_kw("!")) {
		neg = !neg;
		p_skip();
		p_peek_cmd();
	}
	first = p_command();
	tail = &first->next;
	while (p_peek() == T_PIPE) {
		struct node *n;

		p_skip();
		p_skip_newlines();
		n = p_command();
		if (pipe == NULL) {
			pipe = p_node(N_PIPE);
			pipe->a = first;
		}
		*tail = n;
		tail = &n->next;
	}
	if (pipe != NULL)
		first = pipe;
	if (neg) {
		struct node *n = p_node(N_NOT);

		n->a = first;
		first = n;
	}
	return first;
}

static struct node *p_andor(void)
{
	struct node *n = p_pipeline();

	while (p_peek() == T_AND || p_peek() == T_OR) {
		struct node *m = p_node(p_peek() == T_AND ? N_AND : N_OR);

		p_skip();
		p_skip_newlines();
		m->a = n;
		m->b = p_pipeline();
		n = m;
	}
	return n;
}

static struct node *p_redirs(struct node *n)
{
	struct redir **tail = &n->redirs;

	while (p_peek() == T_REDIR) {
		*tail = lx.redir;
		tail = &lx.redir->next;
		p_skip();
	}
	return n;
}

static struct node *p_func(const char *name)
{
	struct node *n = p_node(N_FUNC), *body;

	p_skip();
	if (p_peek() != T_RP)
		p_unexpected(")");
	p_skip();
	if (!is_name(name))
		sh_error("syntax error: bad function name");
	n->name = (char *)name;
	p_skip_newlines();
	body = p_compound();
	if (body == NULL)
		p_unexpected(NULL);
	n->a = p_redirs(body);
	return n;
}

/* If the word is NAME=..., cut the name off and return it with the value in *value. */
static char *split_assign(struct wpart *w, struct wpart **value)
{
	size_t n;
	char *name;

	if (w == NULL || w->type != W_LIT || w->quoted)
		return NULL;
	n = name_len(w->str);
	if (n == 0 || w->str[n] != '=')
		return NULL;
	name = arena_strn(lx_arena, w->str, n);
	if (w->str[n + 1] != '\0') {
		struct wpart *p = lx_alloc(sizeof *p);

		*p = *w;
		p->str = w->str + n + 1;
		*value = p;
	} else {
		*value = w->next;
	}
	return name;
}

static struct node *p_simple(void)
{
	struct node *n = p_node(N_SIMPLE);
	struct redir **rt = &n->redirs;
	struct word **wt = &n->words;
	struct assign **at = &n->assigns;
	bool alias_next = true;

	in_took_alias_blank();
	for (;;) {
		int t = alias_next ? p_peek_cmd() : p_peek();

		if (t == T_REDIR) {
			*rt = lx.redir;
			rt = &lx.redir->next;
			p_skip();
		} else if (t == T_WORD) {
			struct wpart *w = lx.word, *value;
			char *name;

			p_skip();
			if (n->words == NULL && (name = split_assign(w, &value)) != NULL) {
				*at = lx_alloc(sizeof **at);
				(*at)->name = name;
				(*at)->value = value;
				at = &(*at)->next;
				continue;
			}
			*wt = p_word(w);
			wt = &(*wt)->next;
			p_peek(); /* may finish an alias whose text ended in a blank */
			alias_next = in_took_alias_blank();
			if (n->words->next == NULL && n->assigns == NULL && n->redirs == NULL && p_peek() == T_LP) {
				const char *s = lx_literal(w);

				if (s == NULL)
					p_unexpected(NULL);
				return p_func(s);
			}
		} else {
			break;
		}
	}
	if (n->words == NULL && n->assigns == NULL && n->redirs == NULL)
		p_unexpected(NULL);
	return n;
}

static struct node *p_command(void)
{
	struct node *n = p_compound();

	if (n != NULL)
		return p_redirs(n);
	if (at_list_end())
		p_unexpected(NULL);
	return p_simple();
}

/* For command substitutions: a list up to the given token, which is consumed. NULL when empty. */
struct node *parse_list_until(int tok)
{
	struct node *n = p_list(false);

	if (p_peek() != tok)
		p_unexpected(tok == T_RP ? ")" : NULL);
	return n;
}

/*
 * One complete command from the current input, in an arena of its own that the caller drops.
 * Throws on a syntax error.
 */
int parse_command(struct tree *t)
{
	struct arena *outer = lx_arena;
	struct lexer save = lx;
	struct sh_try tr;
	struct mark m = tmp_mark();
	int exc, tok;

	t->node = NULL;
	t->arena = lx_arena = arena_new();
	lx_reset();
	sh_try_enter(&tr);
	exc = setjmp(tr.jb);
	if (exc == 0) {
		t->node = p_list(true);
		tok = p_peek();
		if (tok != T_NL && tok != T_EOF)
			p_unexpected(NULL);
		sh_try_leave(&tr);
	} else {
		arena_drop(t->arena);
		t->arena = NULL;
		lx_arena = outer;
		lx = save;
		in_discard();
		sh_throw(exc);
	}
	tmp_release(m);
	lx_arena = outer;
	lx = save;
	if (lx.pending == NULL)
		lx.pending_tail = &lx.pending;
	if (t->node != NULL)
		return PARSE_OK;
	return tok == T_EOF ? PARSE_EOF : PARSE_EMPTY;
}
