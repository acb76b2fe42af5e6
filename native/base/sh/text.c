/*
 * text.c: a syntax tree back to one line of text, for jobs and messages about them.
 */
#include "sh.h"
#include <string.h>

static void node(struct sbuf *b, struct node *n);

static void parts(struct sbuf *b, struct wpart *w)
{
	static const char *const ops[] = { "", "-", "+", "=", "?", "", "#", "##", "%", "%%" };

	for (; w != NULL; w = w->next) {
		switch (w->type) {
		case W_LIT:
			if (w->quoted)
				sb_putc(b, '\'');
			sb_puts(b, w->str);
			if (w->quoted)
				sb_putc(b, '\'');
			break;
		case W_PARAM:
			if (w->quoted)
				sb_putc(b, '"');
			sb_puts(b, w->op == P_NONE ? "$" : w->op == P_LEN ? "${#" : "${");
			if (w->op == P_NONE && w->next != NULL)
				sb_putc(b, '{');
			sb_puts(b, w->str);
			if (w->op != P_NONE) {
				if (w->colon)
					sb_putc(b, ':');
				sb_puts(b, ops[w->op]);
				parts(b, w->arg);
			}
			if (w->op != P_NONE || w->next != NULL)
				sb_putc(b, '}');
			if (w->quoted)
				sb_putc(b, '"');
			break;
		case W_CMD:
			sb_puts(b, "$(");
			node(b, w->cmd);
			sb_putc(b, ')');
			break;
		case W_ARITH:
			sb_puts(b, "$((");
			parts(b, w->arg);
			sb_puts(b, "))");
			break;
		}
	}
}

static void redirs(struct sbuf *b, struct redir *r)
{
	static const char *const ops[] = { "<", ">", ">|", ">>", "<>", "<&", ">&", "<<" };

	for (; r != NULL; r = r->next) {
		char num[16];

		if (b->len > 0 && b->s[b->len - 1] != ' ')
			sb_putc(b, ' ');
		if (r->fd != (r->op == R_IN || r->op == R_RDWR || r->op == R_DUPIN || r->op == R_HERE ? 0 : 1))
			sb_puts(b, num_str(num + sizeof num, r->fd));
		sb_puts(b, ops[r->op]);
		if (r->op == R_HERE)
			sb_puts(b, r->delim);
		else
			parts(b, r->target);
	}
}

static void words(struct sbuf *b, struct word *w)
{
	for (; w != NULL; w = w->next) {
		parts(b, w->parts);
		if (w->next != NULL)
			sb_putc(b, ' ');
	}
}

static void around(struct sbuf *b, const char *open, struct node *n, const char *close)
{
	sb_puts(b, open);
	node(b, n);
	sb_puts(b, close);
}

static void node(struct sbuf *b, struct node *n)
{
	struct node *m;
	struct assign *as;
	struct citem *it;

	if (n == NULL)
		return;
	switch (n->type) {
	case N_SIMPLE:
		for (as = n->assigns; as != NULL; as = as->next) {
			sb_puts(b, as->name);
			sb_putc(b, '=');
			parts(b, as->value);
			if (as->next != NULL || n->words != NULL)
				sb_putc(b, ' ');
		}
		words(b, n->words);
		break;
	case N_PIPE:
	case N_SEQ:
		for (m = n->a; m != NULL; m = m->next) {
			node(b, m);
			if (m->next != NULL)
				sb_puts(b, n->type == N_PIPE ? " | " : m->type == N_BG ? " " : "; ");
		}
		break;
	case N_AND:
	case N_OR:
		around(b, "", n->a, n->type == N_AND ? " && " : " || ");
		node(b, n->b);
		break;
	case N_BG:
		around(b, "", n->a, " &");
		break;
	case N_NOT:
		around(b, "! ", n->a, "");
		break;
	case N_SUBSHELL:
		around(b, "(", n->a, ")");
		break;
	case N_GROUP:
		around(b, "{ ", n->a, "; }");
		break;
	case N_IF:
		around(b, "if ", n->a, "; then ");
		node(b, n->b);
		if (n->c != NULL)
			around(b, "; else ", n->c, "");
		sb_puts(b, "; fi");
		break;
	case N_WHILE:
	case N_UNTIL:
		around(b, n->type == N_WHILE ? "while " : "until ", n->a, "; do ");
		around(b, "", n->b, "; done");
		break;
	case N_FOR:
		sb_puts(b, "for ");
		sb_puts(b, n->name);
		if (n->has_in) {
			sb_puts(b, " in ");
			words(b, n->words);
		}
		around(b, "; do ", n->b, "; done");
		break;
	case N_CASE:
		sb_puts(b, "case ");
		words(b, n->words);
		sb_puts(b, " in ");
		for (it = n->items; it != NULL; it = it->next) {
			struct word *w;

			for (w = it->pats; w != NULL; w = w->next) {
				parts(b, w->parts);
				sb_puts(b, w->next != NULL ? "|" : ") ");
			}
			around(b, "", it->body, it->fallthrough ? ";& " : ";; ");
		}
		sb_puts(b, "esac");
		break;
	case N_FUNC:
		sb_puts(b, n->name);
		around(b, "() ", n->a, "");
		break;
	}
	redirs(b, n->redirs);
}

char *node_text(struct node *n)
{
	struct sbuf b;
	char *s, *p;

	sb_init(&b);
	node(&b, n);
	s = sb_str(&b);
	for (p = s; *p; p++)
		if (*p == '\n')
			*p = ' ';
	return s;
}
