/*
 * compound.c: the grammar of compound commands: ( ) { } if while until for case.
 */
#include "sh.h"
#include <string.h>

static struct node *p_if(void)
{
	struct node *n = p_node(N_IF);

	p_skip();
	n->a = p_body();
	p_expect_kw("then");
	n->b = p_body();
	p_peek_cmd();
	if (p_is_kw("elif")) {
		n->c = p_if();
		return n; /* the inner one took the fi */
	}
	if (p_is_kw("else")) {
		p_skip();
		n->c = p_body();
	}
	p_expect_kw("fi");
	return n;
}

static struct node *p_while(int type)
{
	struct node *n = p_node(type);

	p_skip();
	n->a = p_body();
	p_expect_kw("do");
	n->b = p_body();
	p_expect_kw("done");
	return n;
}

static struct node *p_for(void)
{
	struct node *n = p_node(N_FOR);
	struct word **tail = &n->words;
	const char *s;

	p_skip();
	if (p_peek() != T_WORD || (s = lx_literal(lx.word)) == NULL || !is_name(s))
		sh_error("syntax error: bad for loop variable");
	n->name = (char *)s;
	p_skip();
	p_skip_newlines();
	if (p_is_kw("in")) {
		n->has_in = true;
		p_skip();
		while (p_peek() == T_WORD) {
			*tail = p_word(lx.word);
			tail = &(*tail)->next;
			p_skip();
		}
		if (p_peek() != T_SEMI && p_peek() != T_NL)
			p_unexpected(NULL);
		p_skip();
	} else if (p_peek() == T_SEMI) {
		p_skip();
	}
	p_skip_newlines();
	p_expect_kw("do");
	n->b = p_body();
	p_expect_kw("done");
	return n;
}

static struct node *p_case(void)
{
	struct node *n = p_node(N_CASE);
	struct citem **tail = &n->items;

	p_skip();
	if (p_peek() != T_WORD)
		p_unexpected(NULL);
	n->words = p_word(lx.word);
	p_skip();
	p_skip_newlines();
	if (!p_is_kw("in"))
		p_unexpected("in");
	p_skip();
	p_skip_newlines();
	while (!p_is_kw("esac")) {
		struct citem *it = lx_alloc(sizeof *it);
		struct word **wt = &it->pats;

		if (p_peek() == T_LP)
			p_skip();
		for (;;) {
			if (p_peek() != T_WORD)
				p_unexpected(NULL);
			*wt = p_word(lx.word);
			wt = &(*wt)->next;
			p_skip();
			if (p_peek() != T_PIPE)
				break;
			p_skip();
		}
		if (p_peek() != T_RP)
			p_unexpected(")");
		p_skip();
		it->body = p_list(false);
		*tail = it;
		tail = &it->next;
		if (p_peek() == T_DSEMI || p_peek() == T_SEMIAND) {
			it->fallthrough = p_peek() == T_SEMIAND;
			p_skip();
			p_skip_newlines();
		} else {
			break;
		}
	}
	p_expect_kw("esac");
	return n;
}

struct node *p_compound(void)
{
	struct node *n;

	if (p_peek_cmd() == T_LP) {
		n = p_node(N_SUBSHELL);
		p_skip();
		n->a = p_body();
		if (p_peek() != T_RP)
			p_unexpected(")");
		p_skip();
		return n;
	}
	if (p_is_kw("{")) {
		n = p_node(N_GROUP);
		p_skip();
		n->a = p_body();
		p_expect_kw("}");
		return n;
	}
	if (p_is_kw("if"))
		return p_if();
	if (p_is_kw("while"))
		return p_while(N_WHILE);
	if (p_is_kw("until"))
		return p_while(N_UNTIL);
	if (p_is_kw("for"))
		return p_for();
	if (p_is_kw("case"))
		return p_case();
	return NULL;
}
