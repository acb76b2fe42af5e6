/*
 * POSIX regular expressions, basic and extended.
 *
 * The pattern becomes a tree, the tree a program for a machine with many threads (one per place in the pattern that
 * the text so far can have reached), so the time is the text's length times the program's length and never
 * explodes. Of two threads that meet at one instruction the one with the better submatches by POSIX order lives
 * on, and the longest match of the leftmost start wins. POSIX wants each part of a concatenation, from the left, as
 * long as it can be: MARK notes where a part of variable length ended, and later marks are better. Patterns with
 * back-references are run by a backtracking matcher over the same program instead.
 */
#include <ctype.h>
#include <regex.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC 0x7265
#define MAXPROG 60000
#define DUP_MAX 255

typedef uint64_t set_t[4];

enum op { CHAR, ANY, SET, SPLIT, JMP, SAVE, BOL, EOL, BOW, EOW, BACKREF, EMPTYCHK, MARK, MATCH };
struct inst {
	unsigned char op;
	unsigned char c; /* CHAR */
	int x;           /* SPLIT, JMP: target; SAVE: slot; MARK: number; SET: index; BACKREF: group */
	int y;           /* SPLIT: second choice */
};

enum kind { N_EMPTY, N_CHAR, N_ANY, N_SET, N_CAT, N_ALT, N_REP, N_GROUP, N_BOL, N_EOL, N_BOW, N_EOW, N_BACK };
struct node {
	enum kind kind;
	int c; /* character, set index, group number */
	int min, max;
	struct node *a, *b;
};

struct re_guts {
	int flags;
	int ngroups;
	int nmarks;
	int backrefs;
	int bol;             /* every match starts at a line start */
	int first_known;
	set_t first;         /* bytes a match can start with */
	struct inst *prog;
	int nprog;
	set_t *sets;
	int nsets;
};

struct comp {
	const char *p, *end;
	int ere, icase, newline, error;
	int depth;
	struct re_guts *g;
	int roomprog, roomsets;
	struct node *all; /* chain of allocation through blocks */
	struct block *blocks;
	unsigned closed;  /* groups 1..9 that are complete: a back-reference may name them */
};
struct block {
	struct block *next;
	int n;
	struct node nodes[64];
};

#define HAS(s, c) ((s)[(c) >> 6] >> ((c) & 63) & 1)
#define PUT(s, c) ((s)[(c) >> 6] |= 1UL << ((c) & 63))

static struct node *
fail(struct comp *c, int error)
{
	if (c->error == 0)
		c->error = error;
	return (NULL);
}

static struct node *
node(struct comp *c, enum kind kind, int v, struct node *a, struct node *b)
{
	struct node *n;

	if (c->error != 0)
		return (NULL);
	if (c->blocks == NULL || c->blocks->n == 64) {
		struct block *k = malloc(sizeof(*k));

		if (k == NULL)
			return (fail(c, REG_ESPACE));
		k->n = 0;
		k->next = c->blocks;
		c->blocks = k;
	}
	n = &c->blocks->nodes[c->blocks->n++];
	*n = (struct node){ kind, v, 0, 0, a, b };
	return (n);
}

static int
new_set(struct comp *c)
{
	struct re_guts *g = c->g;

	if (g->nsets == c->roomsets) {
		set_t *s = realloc(g->sets, (size_t)(c->roomsets = c->roomsets * 2 + 8) * sizeof(set_t));

		if (s == NULL) {
			fail(c, REG_ESPACE);
			return (0);
		}
		g->sets = s;
	}
	memset(g->sets[g->nsets], 0, sizeof(set_t));
	return (g->nsets++);
}

static int
class_member(const char *name, size_t n, int ch)
{
	static const struct {
		const char *name;
		int (*test)(int);
	} classes[] = {
		{ "alnum", (isalnum) }, { "alpha", (isalpha) }, { "blank", (isblank) }, { "cntrl", (iscntrl) },
		{ "digit", (isdigit) }, { "graph", (isgraph) }, { "lower", (islower) }, { "print", (isprint) },
		{ "punct", (ispunct) }, { "space", (isspace) }, { "upper", (isupper) }, { "xdigit", (isxdigit) },
	};

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (strlen(classes[i].name) == n && memcmp(classes[i].name, name, n) == 0)
			return (ch < 0 ? 1 : classes[i].test(ch) != 0);
	return (-1);
}

/* A collating element inside brackets: a character, [.c.] or [=c=]. Returns it or -1. */
static int
element(struct comp *c)
{
	if (c->p + 4 < c->end && c->p[0] == '[' && (c->p[1] == '.' || c->p[1] == '=')) {
		char kind = c->p[1];
		int ch = (unsigned char)c->p[2];

		if (c->p[3] != kind || c->p[4] != ']') {
			fail(c, REG_ECOLLATE);
			return (-1);
		}
		c->p += 5;
		return (ch);
	}
	return ((unsigned char)*c->p++);
}

static struct node *
bracket(struct comp *c)
{
	int idx = new_set(c), negate = 0, first = 1, lo, hi;
	set_t s = { 0 };

	if (c->end - c->p >= 6 && (memcmp(c->p, "[:<:]]", 6) == 0 || memcmp(c->p, "[:>:]]", 6) == 0)) {
		c->p += 6;
		return (node(c, c->p[-4] == '<' ? N_BOW : N_EOW, 0, NULL, NULL));
	}
	if (c->p < c->end && *c->p == '^') {
		negate = 1;
		c->p++;
	}
	for (;; first = 0) {
		if (c->p >= c->end)
			return (fail(c, REG_EBRACK));
		if (*c->p == ']' && !first)
			break;
		if (c->p + 1 < c->end && c->p[0] == '[' && c->p[1] == ':') {
			const char *q = c->p + 2;

			while (q + 1 < c->end && !(q[0] == ':' && q[1] == ']'))
				q++;
			if (q + 1 >= c->end)
				return (fail(c, REG_EBRACK));
			if (class_member(c->p + 2, (size_t)(q - c->p - 2), -1) < 0)
				return (fail(c, REG_ECTYPE));
			for (int ch = 0; ch < 256; ch++)
				if (class_member(c->p + 2, (size_t)(q - c->p - 2), ch))
					PUT(s, ch);
			c->p = q + 2;
			continue;
		}
		if ((lo = element(c)) < 0)
			return (NULL);
		hi = lo;
		if (c->p + 1 < c->end && c->p[0] == '-' && c->p[1] != ']') {
			c->p++;
			if ((hi = element(c)) < 0)
				return (NULL);
			if (hi < lo)
				return (fail(c, REG_ERANGE));
		}
		for (int ch = lo; ch <= hi; ch++)
			PUT(s, ch);
	}
	c->p++;
	if (c->icase)
		for (int ch = 0; ch < 256; ch++)
			if (HAS(s, ch)) {
				PUT(s, tolower(ch));
				PUT(s, toupper(ch));
			}
	if (negate) {
		for (int i = 0; i < 4; i++)
			s[i] = ~s[i];
		if (c->newline)
			s[0] &= ~(1UL << '\n');
	}
	if (c->error == 0)
		memcpy(c->g->sets[idx], s, sizeof(s));
	return (node(c, N_SET, idx, NULL, NULL));
}

static struct node *
literal(struct comp *c, int ch)
{
	if (c->icase && tolower(ch) != toupper(ch)) {
		int idx = new_set(c);

		if (c->error != 0)
			return (NULL);
		PUT(c->g->sets[idx], tolower(ch));
		PUT(c->g->sets[idx], toupper(ch));
		return (node(c, N_SET, idx, NULL, NULL));
	}
	return (node(c, N_CHAR, ch, NULL, NULL));
}

static struct node *
class_escape(struct comp *c, const char *name, int negate)
{
	int idx = new_set(c);

	if (c->error != 0)
		return (NULL);
	for (int ch = 0; ch < 256; ch++) {
		int in = class_member(name, 5, ch) > 0 || (ch == '_' && name[2] == 'n' && name[1] == 'l');

		if (in != negate)
			PUT(c->g->sets[idx], ch);
	}
	return (node(c, N_SET, idx, NULL, NULL));
}

static struct node *alternatives(struct comp *);

static int
interval(struct comp *c, int *min, int *max)
{
	int got = 0, *v = min;

	*min = 0;
	*max = -2;
	for (;; c->p++) {
		if (c->p >= c->end) {
			fail(c, REG_EBRACE);
			return (0);
		}
		if (isdigit((unsigned char)*c->p)) {
			if (v == max && *max == -2)
				*max = 0;
			*v = *v * 10 + (*c->p - '0');
			got = 1;
			if (*v > DUP_MAX) {
				fail(c, REG_BADBR);
				return (0);
			}
		} else if (*c->p == ',' && v == min)
			v = max;
		else
			break;
	}
	if (v == min) {
		if (!got) {
			fail(c, REG_BADBR);
			return (0);
		}
		*max = *min;
	} else if (*max == -2)
		*max = -1;
	if (!c->ere) {
		if (c->p >= c->end || *c->p != '\\') {
			fail(c, c->p >= c->end ? REG_EBRACE : REG_BADBR);
			return (0);
		}
		c->p++;
	}
	if (c->p >= c->end || *c->p != '}') {
		fail(c, c->p >= c->end ? REG_EBRACE : REG_BADBR);
		return (0);
	}
	c->p++;
	if (*max >= 0 && *min > *max) {
		fail(c, REG_BADBR);
		return (0);
	}
	return (1);
}

static struct node *
group(struct comp *c)
{
	int number = ++c->g->ngroups;
	struct node *n;

	if (++c->depth > 200)
		return (fail(c, REG_ESPACE));
	n = alternatives(c);
	c->depth--;
	if (c->error != 0)
		return (NULL);
	if (c->ere ? c->p >= c->end || *c->p != ')' : c->p + 1 >= c->end || c->p[0] != '\\' || c->p[1] != ')')
		return (fail(c, REG_EPAREN));
	c->p += c->ere ? 1 : 2;
	if (number < 10)
		c->closed |= 1U << number;
	return (node(c, N_GROUP, number, n, NULL));
}

static struct node *
backref(struct comp *c, int number)
{
	if (!(c->closed >> number & 1))
		return (fail(c, REG_ESUBREG));
	c->g->backrefs = 1;
	return (node(c, N_BACK, number, NULL, NULL));
}

/* Escapes that both kinds know. NULL with no error: not one of them. */
static struct node *
common_escape(struct comp *c, int ch)
{
	switch (ch) {
	case '<':
		return (node(c, N_BOW, 0, NULL, NULL));
	case '>':
		return (node(c, N_EOW, 0, NULL, NULL));
	case 'w':
		return (class_escape(c, "alnum", 0));
	case 'W':
		return (class_escape(c, "alnum", 1));
	case 's':
		return (class_escape(c, "space", 0));
	case 'S':
		return (class_escape(c, "space", 1));
	case 'n':
		return (literal(c, '\n'));
	case 't':
		return (literal(c, '\t'));
	}
	return (NULL);
}

/* One atom; *repeat tells whether a repetition may follow. NULL without error: no atom here. */
static struct node *
atom(struct comp *c, int start, int *repeat)
{
	int ch;
	struct node *n;

	*repeat = 1;
	if (c->p >= c->end)
		return (NULL);
	ch = (unsigned char)*c->p;
	if (c->ere) {
		switch (ch) {
		case '(':
			c->p++;
			return (group(c));
		case ')':
			if (c->depth > 0)
				return (NULL);
			break;
		case '|':
			return (NULL);
		case '*':
		case '+':
		case '?':
			if (start)
				return (fail(c, REG_BADRPT));
			break;
		case '{':
			if (start && c->p + 1 < c->end && isdigit((unsigned char)c->p[1]))
				return (fail(c, REG_BADRPT));
			break;
		case '^':
			c->p++;
			*repeat = 0;
			return (node(c, N_BOL, 0, NULL, NULL));
		case '$':
			c->p++;
			*repeat = 0;
			return (node(c, N_EOL, 0, NULL, NULL));
		case '\\':
			if (c->p + 1 >= c->end)
				return (fail(c, REG_EESCAPE));
			ch = (unsigned char)c->p[1];
			c->p += 2;
			if (ch >= '1' && ch <= '9')
				return (backref(c, ch - '0'));
			if ((n = common_escape(c, ch)) != NULL || c->error != 0)
				return (n);
			return (literal(c, ch));
		}
	} else {
		switch (ch) {
		case '^':
			if (start) {
				c->p++;
				*repeat = 0;
				return (node(c, N_BOL, 0, NULL, NULL));
			}
			break;
		case '$':
			if (c->p + 1 == c->end || (c->p + 2 < c->end && c->p[1] == '\\' && (c->p[2] == ')' || c->p[2] == '|'))) {
				c->p++;
				*repeat = 0;
				return (node(c, N_EOL, 0, NULL, NULL));
			}
			break;
		case '\\':
			if (c->p + 1 >= c->end)
				return (fail(c, REG_EESCAPE));
			ch = (unsigned char)c->p[1];
			if (ch == ')' || ch == '|') {
				if (ch == ')' && c->depth == 0)
					return (fail(c, REG_EPAREN));
				return (NULL);
			}
			c->p += 2;
			if (ch == '(')
				return (group(c));
			if (ch == '{')
				return (fail(c, REG_BADRPT));
			if (ch >= '1' && ch <= '9')
				return (backref(c, ch - '0'));
			if ((n = common_escape(c, ch)) != NULL || c->error != 0)
				return (n);
			return (literal(c, ch));
		}
	}
	c->p++;
	if (ch == '.')
		return (node(c, N_ANY, 0, NULL, NULL));
	if (ch == '[')
		return (bracket(c));
	return (literal(c, ch));
}

static struct node *
branch(struct comp *c)
{
	struct node *seq = NULL, *n;
	int start = 1, repeat, min, max;

	while (c->error == 0 && (n = atom(c, start, &repeat)) != NULL) {
		/* In a basic expression a '*' after '^' or at the start is itself. */
		if (!c->ere && start && n->kind == N_BOL) {
			seq = n;
			if (c->p < c->end && *c->p == '*') {
				c->p++;
				if ((n = literal(c, '*')) == NULL)
					break;
				repeat = 1;
			} else
				continue;
			start = 0;
		} else
			start = 0;
		for (;;) {
			if (c->p >= c->end)
				break;
			if (*c->p == '*') {
				c->p++;
				min = 0;
				max = -1;
			} else if (c->ere && (*c->p == '+' || *c->p == '?')) {
				min = *c->p == '+';
				max = *c->p == '+' ? -1 : 1;
				c->p++;
			} else if (!c->ere && c->p + 1 < c->end && c->p[0] == '\\' && (c->p[1] == '+' || c->p[1] == '?')) {
				min = c->p[1] == '+';
				max = c->p[1] == '+' ? -1 : 1;
				c->p += 2;
			} else if (c->ere && *c->p == '{' && c->p + 1 < c->end &&
			    (isdigit((unsigned char)c->p[1]) || c->p[1] == ',')) {
				c->p++;
				if (!interval(c, &min, &max))
					return (NULL);
			} else if (!c->ere && c->p + 1 < c->end && c->p[0] == '\\' && c->p[1] == '{') {
				c->p += 2;
				if (!interval(c, &min, &max))
					return (NULL);
			} else
				break;
			if (!repeat && c->ere)
				return (fail(c, REG_BADRPT));
			if ((n = node(c, N_REP, 0, n, NULL)) == NULL)
				return (NULL);
			n->min = min;
			n->max = max;
		}
		seq = seq == NULL ? n : node(c, N_CAT, 0, seq, n);
	}
	if (c->error != 0)
		return (NULL);
	return (seq != NULL ? seq : node(c, N_EMPTY, 0, NULL, NULL));
}

static struct node *
alternatives(struct comp *c)
{
	struct node *n = branch(c), *m;

	while (c->error == 0) {
		if (c->ere && c->p < c->end && *c->p == '|')
			c->p++;
		else if (!c->ere && c->p + 1 < c->end && c->p[0] == '\\' && c->p[1] == '|')
			c->p += 2;
		else
			break;
		m = branch(c);
		n = node(c, N_ALT, 0, n, m);
	}
	return (n);
}

static int
emit(struct comp *c, enum op op, int ch, int x, int y)
{
	struct re_guts *g = c->g;

	if (c->error != 0)
		return (0);
	if (g->nprog >= MAXPROG) {
		fail(c, REG_ESPACE);
		return (0);
	}
	if (g->nprog == c->roomprog) {
		struct inst *p = realloc(g->prog, (size_t)(c->roomprog = c->roomprog * 2 + 32) * sizeof(*p));

		if (p == NULL) {
			fail(c, REG_ESPACE);
			return (0);
		}
		g->prog = p;
	}
	g->prog[g->nprog] = (struct inst){ (unsigned char)op, (unsigned char)ch, x, y };
	return (g->nprog++);
}

static int
can_be_empty(const struct node *n)
{
	switch (n->kind) {
	case N_CHAR:
	case N_ANY:
	case N_SET:
		return (0);
	case N_CAT:
		return (can_be_empty(n->a) && can_be_empty(n->b));
	case N_ALT:
		return (can_be_empty(n->a) || can_be_empty(n->b));
	case N_REP:
		return (n->min == 0 || can_be_empty(n->a));
	case N_GROUP:
		return (can_be_empty(n->a));
	default:
		return (1);
	}
}

/* Can the node match texts of different lengths? (Alternatives count as if they did.) */
static int
variable(const struct node *n)
{
	switch (n->kind) {
	case N_CAT:
		return (variable(n->a) || variable(n->b));
	case N_GROUP:
		return (variable(n->a));
	case N_REP:
		return (n->min != n->max || variable(n->a));
	case N_ALT:
	case N_BACK:
		return (1);
	default:
		return (0);
	}
}

static void
generate(struct comp *c, const struct node *n)
{
	struct re_guts *g = c->g;
	int s, j;

	if (c->error != 0 || n == NULL)
		return;
	switch (n->kind) {
	case N_EMPTY:
		break;
	case N_CHAR:
		emit(c, CHAR, n->c, 0, 0);
		break;
	case N_ANY:
		emit(c, ANY, 0, 0, 0);
		break;
	case N_SET:
		emit(c, SET, 0, n->c, 0);
		break;
	case N_CAT: {
		const struct node *m, **part;
		int count = 1, mark = g->nmarks;

		for (m = n; m->kind == N_CAT; m = m->a)
			count++;
		if ((part = malloc((size_t)count * sizeof(*part))) == NULL) {
			fail(c, REG_ESPACE);
			return;
		}
		for (m = n, j = count; j-- > 1; m = m->a)
			part[j] = m->b;
		part[0] = m;
		/* The marks of this level come before those of the parts: the outer decision is the first one. */
		for (j = 0; j < count - 1; j++)
			g->nmarks += g->ngroups > 0 && variable(part[j]);
		for (j = 0; j < count; j++) {
			generate(c, part[j]);
			if (j < count - 1 && g->ngroups > 0 && variable(part[j]))
				emit(c, MARK, 0, mark++, 0);
		}
		free(part);
		break;
	}
	case N_ALT:
		s = emit(c, SPLIT, 0, 0, 0);
		generate(c, n->a);
		j = emit(c, JMP, 0, 0, 0);
		if (c->error != 0)
			return;
		g->prog[s].x = s + 1;
		g->prog[s].y = g->nprog;
		generate(c, n->b);
		if (c->error == 0)
			g->prog[j].x = g->nprog;
		break;
	case N_REP:
		for (int i = 0; i < n->min; i++)
			generate(c, n->a);
		if (n->max < 0) {
			/* L: split body, out; body; jmp L. A body that can match nothing must not loop on nothing. */
			s = emit(c, SPLIT, 0, 0, 0);
			if (can_be_empty(n->a))
				emit(c, EMPTYCHK, 0, s, 0);
			generate(c, n->a);
			emit(c, JMP, 0, s, 0);
			if (c->error == 0) {
				g->prog[s].x = s + 1;
				g->prog[s].y = g->nprog;
			}
		} else {
			int first = -1;

			for (int i = n->min; i < n->max; i++) {
				s = emit(c, SPLIT, 0, 0, first);
				first = s;
				generate(c, n->a);
			}
			/* The chain of splits goes to the end. */
			while (first >= 0 && c->error == 0) {
				int next = g->prog[first].y;

				g->prog[first].x = first + 1;
				g->prog[first].y = g->nprog;
				first = next;
			}
		}
		break;
	case N_GROUP:
		emit(c, SAVE, 0, 2 * n->c, 0);
		generate(c, n->a);
		emit(c, SAVE, 0, 2 * n->c + 1, 0);
		break;
	case N_BOL:
		emit(c, BOL, 0, 0, 0);
		break;
	case N_EOL:
		emit(c, EOL, 0, 0, 0);
		break;
	case N_BOW:
		emit(c, BOW, 0, 0, 0);
		break;
	case N_EOW:
		emit(c, EOW, 0, 0, 0);
		break;
	case N_BACK:
		emit(c, BACKREF, 0, n->c, 0);
		break;
	}
}

/* Which bytes can a match start with? Fails (0) when it can be empty or starts with something odd. */
static int
first_bytes(const struct re_guts *g, const struct node *n, set_t s)
{
	switch (n->kind) {
	case N_CHAR:
		PUT(s, n->c);
		return (1);
	case N_SET:
		for (int i = 0; i < 4; i++)
			s[i] |= g->sets[n->c][i];
		return (1);
	case N_CAT:
		if (n->a->kind == N_BOL || n->a->kind == N_BOW)
			return (first_bytes(g, n->b, s));
		return (first_bytes(g, n->a, s));
	case N_ALT:
		return (first_bytes(g, n->a, s) && first_bytes(g, n->b, s));
	case N_GROUP:
		return (first_bytes(g, n->a, s));
	case N_REP:
		return (n->min > 0 && first_bytes(g, n->a, s));
	default:
		return (0);
	}
}

static int
starts_with_bol(const struct node *n)
{
	switch (n->kind) {
	case N_BOL:
		return (1);
	case N_CAT:
	case N_GROUP:
		return (starts_with_bol(n->a));
	case N_ALT:
		return (starts_with_bol(n->a) && starts_with_bol(n->b));
	default:
		return (0);
	}
}

int
regcomp(regex_t *re, const char *pattern, int flags)
{
	struct comp c;
	struct re_guts *g = calloc(1, sizeof(*g));
	struct node *tree = NULL;

	memset(&c, 0, sizeof(c));
	re->re_magic = 0;
	re->re_g = NULL;
	if (g == NULL)
		return (REG_ESPACE);
	if ((flags & REG_EXTENDED) && (flags & REG_NOSPEC)) {
		free(g);
		return (REG_INVARG);
	}
	c.p = pattern;
	c.end = flags & REG_PEND ? re->re_endp : pattern + strlen(pattern);
	c.ere = (flags & REG_EXTENDED) != 0;
	c.icase = (flags & REG_ICASE) != 0;
	c.newline = (flags & REG_NEWLINE) != 0;
	c.g = g;
	g->flags = flags;
	if (flags & REG_NOSPEC) {
		for (; c.p < c.end && c.error == 0; c.p++) {
			struct node *n = literal(&c, (unsigned char)*c.p);

			tree = tree == NULL ? n : node(&c, N_CAT, 0, tree, n);
		}
		if (tree == NULL)
			tree = node(&c, N_EMPTY, 0, NULL, NULL);
	} else {
		tree = alternatives(&c);
		if (c.error == 0 && c.p < c.end)
			c.error = REG_EPAREN;
	}
	if (c.error == 0) {
		generate(&c, tree);
		emit(&c, MATCH, 0, 0, 0);
	}
	if (c.error == 0) {
		g->bol = starts_with_bol(tree);
		g->first_known = first_bytes(g, tree, g->first);
	}
	while (c.blocks != NULL) {
		struct block *next = c.blocks->next;

		free(c.blocks);
		c.blocks = next;
	}
	if (c.error != 0) {
		free(g->prog);
		free(g->sets);
		free(g);
		return (c.error);
	}
	re->re_g = g;
	re->re_nsub = (size_t)g->ngroups;
	re->re_magic = MAGIC;
	return (0);
}

void
regfree(regex_t *re)
{
	if (re->re_magic != MAGIC)
		return;
	free(re->re_g->prog);
	free(re->re_g->sets);
	free(re->re_g);
	re->re_g = NULL;
	re->re_magic = 0;
}

/* Matching. */

struct list {
	int n;
	int *dense;       /* program counters in order of arrival */
	int *sparse;      /* pc -> index in dense */
	int *caps;        /* ncap ints per program counter */
};
struct exec {
	const struct re_guts *g;
	const char *begin, *end; /* the whole text */
	int eflags;
	int ncap;                /* ints per thread: 2 per group wanted, then the marks */
	int nsave;               /* of these, the groups' */
	int *tmp;                /* captures while following empty moves */
	struct list now, next;
	int *best;               /* captures of the best match, best[1] < 0: none */
	long steps;
};

static int
is_word(int c)
{
	return (isalnum(c) || c == '_');
}

static int
holds(const struct exec *e, const struct inst *in, const char *s)
{
	int nl = e->g->flags & REG_NEWLINE, before, after;

	switch (in->op) {
	case BOL:
		return (s == e->begin ? !(e->eflags & REG_NOTBOL) : nl && s[-1] == '\n');
	case EOL:
		return (s == e->end ? !(e->eflags & REG_NOTEOL) : nl && *s == '\n');
	default:
		before = s > e->begin && is_word((unsigned char)s[-1]);
		after = s < e->end && is_word((unsigned char)*s);
		return (in->op == BOW ? !before && after : before && !after);
	}
}

/*
 * POSIX order of two sets of captures: the parts from left to right, the longer the better; then (inside
 * repetitions, whose rounds have no marks) the groups: the earlier start, then the later end.
 */
static int
better(const struct exec *e, const int *a, const int *b)
{
	for (int i = e->nsave; i < e->ncap; i++)
		if (a[i] != b[i])
			return (a[i] > b[i]);
	for (int i = 2; i < e->nsave; i += 2) {
		if (a[i] != b[i]) {
			if (a[i] < 0 || b[i] < 0)
				return (b[i] < 0);
			return (a[i] < b[i]);
		}
		if (a[i + 1] != b[i + 1])
			return (a[i + 1] > b[i + 1]);
	}
	return (0);
}

/* Follow empty moves from pc, entering each reached instruction that eats a byte (or MATCH) in the list. */
static void
add_thread(struct exec *e, struct list *l, int pc, const char *s, int depth)
{
	for (;;) {
		const struct inst *in = &e->g->prog[pc];
		int k = l->sparse[pc], old;
		int *caps = l->caps + (size_t)pc * (size_t)e->ncap;

		if (k < l->n && l->dense[k] == pc) {
			/* Somebody is here already. Nothing to compare without captures. */
			if (e->ncap <= 2 || !better(e, e->tmp, caps))
				return;
		} else {
			l->sparse[pc] = l->n;
			l->dense[l->n++] = pc;
		}
		memcpy(caps, e->tmp, (size_t)e->ncap * sizeof(int));
		switch (in->op) {
		case JMP:
			pc = in->x;
			continue;
		case SPLIT:
			add_thread(e, l, in->x, s, depth + 1);
			/* tmp was restored by the callee's unwinding */
			pc = in->y;
			continue;
		case EMPTYCHK:
			pc++;
			continue;
		case MARK:
			if (e->nsave + in->x >= e->ncap) {
				pc++;
				continue;
			}
			old = e->tmp[e->nsave + in->x];
			e->tmp[e->nsave + in->x] = (int)(s - e->begin);
			add_thread(e, l, pc + 1, s, depth + 1);
			e->tmp[e->nsave + in->x] = old;
			return;
		case SAVE:
			if (in->x >= e->nsave) {
				pc++;
				continue;
			}
			old = e->tmp[in->x];
			{
				int old2 = e->tmp[in->x + ((in->x & 1) ? 0 : 1)];

				e->tmp[in->x] = (int)(s - e->begin);
				if (!(in->x & 1))
					e->tmp[in->x + 1] = -1;
				add_thread(e, l, pc + 1, s, depth + 1);
				e->tmp[in->x] = old;
				if (!(in->x & 1))
					e->tmp[in->x + 1] = old2;
			}
			return;
		case BOL:
		case EOL:
		case BOW:
		case EOW:
			if (!holds(e, in, s))
				return;
			pc++;
			continue;
		default:
			return;
		}
	}
}

static int
consumes(const struct exec *e, const struct inst *in, int c)
{
	switch (in->op) {
	case CHAR:
		return (in->c == c);
	case ANY:
		return (c != '\n' || !(e->g->flags & REG_NEWLINE));
	case SET:
		return (HAS(e->g->sets[in->x], c) != 0);
	}
	return (0);
}

/* Run the threads from `start`; all of them begin there, so the leftmost rule is the caller's loop. */
static int
run_from(struct exec *e, const char *start)
{
	int n = e->ncap;

	e->now.n = 0;
	e->best[1] = -1;
	for (int i = 0; i < n; i++)
		e->tmp[i] = -1;
	e->tmp[0] = (int)(start - e->begin);
	add_thread(e, &e->now, 0, start, 0);
	for (const char *s = start;; s++) {
		struct list t;

		for (int i = 0; i < e->now.n; i++)
			if (e->g->prog[e->now.dense[i]].op == MATCH) {
				memcpy(e->best, e->now.caps + (size_t)e->now.dense[i] * (size_t)n, (size_t)n * sizeof(int));
				e->best[1] = (int)(s - e->begin);
				break;
			}
		if (s == e->end || e->now.n == 0)
			break;
		e->next.n = 0;
		for (int i = 0; i < e->now.n; i++) {
			int pc = e->now.dense[i];

			if (consumes(e, &e->g->prog[pc], (unsigned char)*s)) {
				memcpy(e->tmp, e->now.caps + (size_t)pc * (size_t)n, (size_t)n * sizeof(int));
				add_thread(e, &e->next, pc + 1, s + 1, 0);
			}
		}
		t = e->now;
		e->now = e->next;
		e->next = t;
	}
	return (e->best[1] >= 0);
}

/* Without captures and without knowing where the match starts, all starts run at once: is there any match? */
static int
run_any(struct exec *e)
{
	e->now.n = 0;
	for (const char *s = e->begin;; s++) {
		struct list t;

		e->tmp[0] = e->tmp[1] = -1;
		add_thread(e, &e->now, 0, s, 0);
		for (int i = 0; i < e->now.n; i++)
			if (e->g->prog[e->now.dense[i]].op == MATCH)
				return (1);
		if (s == e->end)
			return (0);
		e->next.n = 0;
		for (int i = 0; i < e->now.n; i++)
			if (consumes(e, &e->g->prog[e->now.dense[i]], (unsigned char)*s))
				add_thread(e, &e->next, e->now.dense[i] + 1, s + 1, 0);
		t = e->now;
		e->now = e->next;
		e->next = t;
	}
}

/*
 * Backtracking, for patterns with back-references: try everything, keep the longest (and among equals the better
 * captures). e->tmp holds the captures; a step limit keeps a hostile pattern from running forever.
 */
static void
backtrack(struct exec *e, int pc, const char *s, int depth, const char *loop_at)
{
	const struct re_guts *g = e->g;

	if (depth > 20000)
		return;
	for (;;) {
		const struct inst *in = &g->prog[pc];

		if (++e->steps > 50000000)
			return;
		switch (in->op) {
		case MATCH: {
			int end = (int)(s - e->begin);

			if (end > e->best[1] || (end == e->best[1] && better(e, e->tmp, e->best))) {
				memcpy(e->best, e->tmp, (size_t)e->ncap * sizeof(int));
				e->best[1] = end;
			}
			return;
		}
		case JMP:
			/* A loop whose body matched nothing must not go round again. */
			if (in->x < pc && g->prog[in->x].op == SPLIT && g->prog[in->x + 1].op == EMPTYCHK && s == loop_at) {
				pc = g->prog[in->x].y;
				continue;
			}
			pc = in->x;
			continue;
		case SPLIT:
			backtrack(e, in->x, s, depth + 1, loop_at);
			pc = in->y;
			continue;
		case EMPTYCHK:
			loop_at = s;
			pc++;
			continue;
		case MARK: {
			int slot = e->nsave + in->x, old = e->tmp[slot];

			e->tmp[slot] = (int)(s - e->begin);
			backtrack(e, pc + 1, s, depth + 1, loop_at);
			e->tmp[slot] = old;
			return;
		}
		case SAVE: {
			int slot = in->x, old = e->tmp[slot], old2 = (slot & 1) ? 0 : e->tmp[slot + 1];

			e->tmp[slot] = (int)(s - e->begin);
			if (!(slot & 1))
				e->tmp[slot + 1] = -1;
			backtrack(e, pc + 1, s, depth + 1, loop_at);
			e->tmp[slot] = old;
			if (!(slot & 1))
				e->tmp[slot + 1] = old2;
			return;
		}
		case BACKREF: {
			int so = e->tmp[2 * in->x], eo = e->tmp[2 * in->x + 1];

			if (so < 0 || eo < 0 || e->end - s < eo - so)
				return;
			for (int i = 0; i < eo - so; i++) {
				int a = (unsigned char)e->begin[so + i], b = (unsigned char)s[i];

				if (a != b && !(g->flags & REG_ICASE && tolower(a) == tolower(b)))
					return;
			}
			s += eo - so;
			pc++;
			continue;
		}
		case BOL:
		case EOL:
		case BOW:
		case EOW:
			if (!holds(e, in, s))
				return;
			pc++;
			continue;
		default:
			if (s == e->end || !consumes(e, in, (unsigned char)*s))
				return;
			s++;
			pc++;
			continue;
		}
	}
}

int
regexec(const regex_t *re, const char *text, size_t nmatch, regmatch_t pm[], int eflags)
{
	const struct re_guts *g = re->re_g;
	struct exec e;
	int found = 0, want, *mem;
	size_t ints;
	int small[3000];

	if (re->re_magic != MAGIC)
		return (REG_BADPAT);
	memset(&e, 0, sizeof(e));
	e.g = g;
	e.eflags = eflags;
	e.begin = text;
	if (eflags & REG_STARTEND) {
		e.begin = text + pm[0].rm_so;
		e.end = text + pm[0].rm_eo;
	} else
		e.end = text + strlen(text);
	if (g->flags & REG_NOSUB)
		nmatch = 0;
	/* Captures are carried only when they are asked for. */
	want = nmatch > 1 ? (nmatch > (size_t)g->ngroups + 1 ? g->ngroups + 1 : (int)nmatch) : 1;
	if (g->backrefs)
		want = g->ngroups + 1;
	e.nsave = e.ncap = 2 * want;
	if (want > 1)
		e.ncap += g->nmarks;
	ints = 2 * (size_t)e.ncap;
	if (!g->backrefs)
		ints += 2 * ((size_t)g->nprog * (size_t)e.ncap + 2 * (size_t)g->nprog);
	mem = ints <= sizeof(small) / sizeof(small[0]) ? small : malloc(ints * sizeof(int));
	if (mem == NULL)
		return (REG_ESPACE);
	e.tmp = mem;
	e.best = e.tmp + e.ncap;
	if (!g->backrefs) {
		e.now.dense = e.best + e.ncap;
		e.now.sparse = e.now.dense + g->nprog;
		e.now.caps = e.now.sparse + g->nprog;
		e.next.dense = e.now.caps + (size_t)g->nprog * (size_t)e.ncap;
		e.next.sparse = e.next.dense + g->nprog;
		e.next.caps = e.next.sparse + g->nprog;
		memset(e.now.sparse, 0, (size_t)g->nprog * sizeof(int));
		memset(e.next.sparse, 0, (size_t)g->nprog * sizeof(int));
	}
	if (nmatch == 0 && !g->backrefs && !g->first_known && !g->bol)
		found = run_any(&e);
	else
		for (const char *s = e.begin; s <= e.end; s++) {
			if (g->first_known) {
				while (s < e.end && !HAS(g->first, (unsigned char)*s))
					s++;
				if (s == e.end)
					break;
			}
			if (g->bol && s != e.begin) {
				if (!(g->flags & REG_NEWLINE))
					break;
				if (s[-1] != '\n')
					continue;
			}
			if (g->backrefs) {
				e.best[1] = -1;
				for (int i = 0; i < e.ncap; i++)
					e.tmp[i] = -1;
				e.tmp[0] = (int)(s - e.begin);
				backtrack(&e, 0, s, 0, NULL);
				found = e.best[1] >= 0;
			} else
				found = run_from(&e, s);
			if (found)
				break;
		}
	if (found && nmatch > 0) {
		regoff_t base = e.begin - text;

		for (size_t i = 0; i < nmatch; i++) {
			int so = i < (size_t)want ? e.best[2 * i] : -1, eo = i < (size_t)want ? e.best[2 * i + 1] : -1;

			pm[i].rm_so = so < 0 || eo < 0 ? -1 : base + so;
			pm[i].rm_eo = so < 0 || eo < 0 ? -1 : base + eo;
		}
	}
	if (mem != small)
		free(mem);
	return (found ? 0 : REG_NOMATCH);
}

size_t
regerror(int code, const regex_t *re, char *buf, size_t size)
{
	static const char *const texts[] = { "no error", "regexec() failed to match", "invalid regular expression",
		"invalid collating element", "invalid character class", "trailing backslash (\\)",
		"invalid backreference number", "brackets ([ ]) not balanced", "parentheses not balanced",
		"braces not balanced", "invalid repetition count(s)", "invalid character range", "out of memory",
		"repetition-operator operand invalid", "empty (sub)expression", "\"can't happen\" -- you found a bug",
		"invalid argument to regex routine" };
	const char *text = code >= 0 && code <= REG_INVARG ? texts[code] : "*** unknown regexp error code ***";

	(void)re;
	if (size > 0)
		snprintf(buf, size, "%s", text);
	return (strlen(text) + 1);
}
