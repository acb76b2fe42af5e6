/*
 * parse.c: the grammar (POSIX XCU 2.10), by recursive descent with one token of look-ahead.
 *
 * Aliases are expanded when a word is looked at in command position: its text is pushed onto the
 * input and the token read again. Reserved words are plain words until the grammar asks for them.
 */
#include "sh.h"
#include <string.h>

static struct node *p_andor(void);
static struct node *p_command(void);

static int peek(void)
{
	if (!lx.have) {
		lx.tok = lx_token();
		lx.have = true;
		lx.alias_done = false;
	}
	return lx.tok;
}

static void skip(void)
{
	lx.have = false;
}

static void skip_newlines(void)
{
	while (peek() == T_NL)
		skip();
}

/* Look at the next token in command position, expanding aliases. */
static int peek_cmd(void)
{
	while (peek() == T_WORD && !lx.alias_done) {
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

static bool is_kw(const char *kw)
{
	const char *s;

	if (peek() != T_WORD)
		return false;
	s = lx_literal(lx.word);
	return s != NULL && strcmp(s, kw) == 0;
}

static _Noreturn void unexpected(const char *want)
{
	static const char *const names[] = { "end of file", "newline", ";", "&", "|", "&&", "||", ";;", ";&", "(", ")", "word", "redirection" };
	const char *got = names[peek()];

	if (peek() == T_WORD && lx_literal(lx.word) != NULL)
		got = lx_literal(lx.word);
	sh.lineno = lx.line;
	if (want != NULL)
		sh_error("syntax error: unexpected %s (expecting \"%s\")", got, want);
	sh_error("syntax error: unexpected %s", got);
}

static void expect_kw(const char *kw)
{
	peek_cmd();
	if (!is_kw(kw))
		unexpected(kw);
	skip();
}

static struct node *node_new(int type)
{
	struct node *n = lx_alloc(sizeof *n);

	n->type = type;
	n->line = lx.line ? lx.line : in_lineno();
	n->arena = lx_arena;
	return n;
}

static struct word *word_new(struct wpart *parts)
{
	struct word *w = lx_alloc(sizeof *w);

	w->parts = parts;
	return w;
}

static bool at_list_end(void)
{
	static const char *const enders[] = { "then", "else", "elif", "fi", "do", "done", "esac", "}" };
	size_t i;

	switch (peek_cmd()) {
	case T_EOF: case T_RP: case T_DSEMI: case T_SEMIAND:
		return true;
	case T_WORD:
		for (i = 0; i < sizeof enders / sizeof *enders; i++)
			if (is_kw(enders[i]))
				return true;
	}
	return false;
}

/* and-or lists separated by ; & newline. At the top level a newline ends it. NULL when empty. */
static struct node *p_list(bool top)
{
	struct node *seq = NULL, *first = NULL, **tail = NULL;

	if (!top)
		skip_newlines();
	while (!at_list_end() && !(top && peek() == T_NL)) {
		struct node *n = p_andor();
		int t = peek();

		if (t == T_BG) {
			struct node *bg = node_new(N_BG);

			bg->a = n;
			n = bg;
		}
		if (first == NULL) {
			first = n;
		} else {
			if (seq == NULL) {
				seq = node_new(N_SEQ);
				seq->a = first;
				tail = &first->next;
			}
			*tail = n;
			tail = &n->next;
		}
		if (t == T_BG || t == T_SEMI)
			skip();
		else if (t != T_NL || top)
			break;
		if (!top)
			skip_newlines();
	}
	return seq ? seq : first;
}

static struct node *p_body(void)
{
	struct node *n = p_list(false);

	if (n == NULL)
		unexpected(NULL);
	return n;
}

static struct node *p_pipeline(void)
{
	struct node *first, **tail, *pipe = NULL;
	bool neg = false;

	peek_cmd();
	while (is_kw("!")) {
		neg = !neg;
		skip();
		peek_cmd();
	}
	first = p_command();
	tail = &first->next;
	while (peek() == T_PIPE) {
		struct node *n;

		skip();
		skip_newlines();
		n = p_command();
		if (pipe == NULL) {
			pipe = node_new(N_PIPE);
			pipe->a = first;
		}
		*tail = n;
		tail = &n->next;
	}
	if (pipe != NULL)
		first = pipe;
	if (neg) {
		struct node *n = node_new(N_NOT);

		n->a = first;
		first = n;
	}
	return first;
}

static struct node *p_andor(void)
{
	struct node *n = p_pipeline();

	while (peek() == T_AND || peek() == T_OR) {
		struct node *m = node_new(peek() == T_AND ? N_AND : N_OR);

		skip();
		skip_newlines();
		m->a = n;
		m->b = p_pipeline();
		n = m;
	}
	return n;
}

static struct node *p_if(void)
{
	struct node *n = node_new(N_IF);

	skip();
	n->a = p_body();
	expect_kw("then");
	n->b = p_body();
	peek_cmd();
	if (is_kw("elif")) {
		n->c = p_if();
		return n; /* the inner one took the fi */
	}
	if (is_kw("else")) {
		skip();
		n->c = p_body();
	}
	expect_kw("fi");
	return n;
}

static struct node *p_while(int type)
{
	struct node *n = node_new(type);

	skip();
	n->a = p_body();
	expect_kw("do");
	n->b = p_body();
	expect_kw("done");
	return n;
}

static struct node *p_for(void)
{
	struct node *n = node_new(N_FOR);
	struct word **tail = &n->words;
	const char *s;

	skip();
	if (peek() != T_WORD || (s = lx_literal(lx.word)) == NULL || !is_name(s))
		sh_error("syntax error: bad for loop variable");
	n->name = (char *)s;
	skip();
	skip_newlines();
	if (is_kw("in")) {
		n->has_in = true;
		skip();
		while (peek() == T_WORD) {
			*tail = word_new(lx.word);
			tail = &(*tail)->next;
			skip();
		}
		if (peek() != T_SEMI && peek() != T_NL)
			unexpected(NULL);
		skip();
	} else if (peek() == T_SEMI) {
		skip();
	}
	skip_newlines();
	expect_kw("do");
	n->b = p_body();
	expect_kw("done");
	return n;
}

static struct node *p_case(void)
{
	struct node *n = node_new(N_CASE);
	struct citem **tail = &n->items;

	skip();
	if (peek() != T_WORD)
		unexpected(NULL);
	n->words = word_new(lx.word);
	skip();
	skip_newlines();
	if (!is_kw("in"))
		unexpected("in");
	skip();
	skip_newlines();
	while (!is_kw("esac")) {
		struct citem *it = lx_alloc(sizeof *it);
		struct word **wt = &it->pats;

		if (peek() == T_LP)
			skip();
		for (;;) {
			if (peek() != T_WORD)
				unexpected(NULL);
			*wt = word_new(lx.word);
			wt = &(*wt)->next;
			skip();
			if (peek() != T_PIPE)
				break;
			skip();
		}
		if (peek() != T_RP)
			unexpected(")");
		skip();
		it->body = p_list(false);
		*tail = it;
		tail = &it->next;
		if (peek() == T_DSEMI || peek() == T_SEMIAND) {
			it->fallthrough = peek() == T_SEMIAND;
			skip();
			skip_newlines();
		} else {
			break;
		}
	}
	expect_kw("esac");
	return n;
}

static struct node *p_compound(void)
{
	struct node *n;

	if (peek_cmd() == T_LP) {
		n = node_new(N_SUBSHELL);
		skip();
		n->a = p_body();
		if (peek() != T_RP)
			unexpected(")");
		skip();
		return n;
	}
	if (is_kw("{")) {
		n = node_new(N_GROUP);
		skip();
		n->a = p_body();
		expect_kw("}");
		return n;
	}
	if (is_kw("if"))
		return p_if();
	if (is_kw("while"))
		return p_while(N_WHILE);
	if (is_kw("until"))
		return p_while(N_UNTIL);
	if (is_kw("for"))
		return p_for();
	if (is_kw("case"))
		return p_case();
	return NULL;
}

static struct node *p_redirs(struct node *n)
{
	struct redir **tail = &n->redirs;

	while (peek() == T_REDIR) {
		*tail = lx.redir;
		tail = &lx.redir->next;
		skip();
	}
	return n;
}

static struct node *p_func(const char *name)
{
	struct node *n = node_new(N_FUNC), *body;

	skip();
	if (peek() != T_RP)
		unexpected(")");
	skip();
	if (!is_name(name))
		sh_error("syntax error: bad function name");
	n->name = (char *)name;
	skip_newlines();
	body = p_compound();
	if (body == NULL)
		unexpected(NULL);
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
	struct node *n = node_new(N_SIMPLE);
	struct redir **rt = &n->redirs;
	struct word **wt = &n->words;
	struct assign **at = &n->assigns;
	bool alias_next = true;

	in_took_alias_blank();
	for (;;) {
		int t = alias_next ? peek_cmd() : peek();

		if (t == T_REDIR) {
			*rt = lx.redir;
			rt = &lx.redir->next;
			skip();
		} else if (t == T_WORD) {
			struct wpart *w = lx.word, *value;
			char *name;

			skip();
			if (n->words == NULL && (name = split_assign(w, &value)) != NULL) {
				*at = lx_alloc(sizeof **at);
				(*at)->name = name;
				(*at)->value = value;
				at = &(*at)->next;
				continue;
			}
			*wt = word_new(w);
			wt = &(*wt)->next;
			peek(); /* may finish an alias whose text ended in a blank */
			alias_next = in_took_alias_blank();
			if (n->words->next == NULL && n->assigns == NULL && n->redirs == NULL && peek() == T_LP) {
				const char *s = lx_literal(w);

				if (s == NULL)
					unexpected(NULL);
				return p_func(s);
			}
		} else {
			break;
		}
	}
	if (n->words == NULL && n->assigns == NULL && n->redirs == NULL)
		unexpected(NULL);
	return n;
}

static struct node *p_command(void)
{
	struct node *n = p_compound();

	if (n != NULL)
		return p_redirs(n);
	if (at_list_end())
		unexpected(NULL);
	return p_simple();
}

/* For command substitutions: a list up to the given token, which is consumed. NULL when empty. */
struct node *parse_list_until(int tok)
{
	struct node *n = p_list(false);

	if (peek() != tok)
		unexpected(tok == T_RP ? ")" : NULL);
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
		tok = peek();
		if (tok != T_NL && tok != T_EOF)
			unexpected(NULL);
		sh_try_leave(&tr);
	} else {
		arena_drop(t->arena);
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
