/*
 * find's expression parser.
 */
#include "find.h"

bool find_depth, find_xdev, find_acts;
int find_mindepth = -1, find_maxdepth = -1;
time_t find_now;
struct node **find_plus;
size_t find_nplus;

static char **av;

static struct node *parse_or(void);

static struct node *
node(enum node_kind kind)
{
	struct node *n = xmalloc(sizeof(*n));

	memset(n, 0, sizeof(*n));
	n->kind = kind;
	return n;
}

static char *
arg(const char *op)
{
	if (*av == NULL)
		errx(1, "%s: requires additional arguments", op);
	return *av++;
}

/* "+n", "-n" or "n"; what follows the digits is left at *end. */
static void
number(struct node *n, const char *op, const char *s, char **end)
{
	if (*s == '+' || *s == '-')
		n->cmp = *s++;
	errno = 0;
	n->num = strtoll(s, end, 10);
	if (*end == s || errno != 0 || n->num < 0)
		errx(1, "%s: %s: illegal numeric value", op, s);
}

static struct node *
numeric(enum node_kind kind, const char *op)
{
	struct node *n = node(kind);
	char *end;
	const char *s = arg(op);

	number(n, op, s, &end);
	if (*end != '\0')
		errx(1, "%s: %s: illegal trailing character", op, s);
	return n;
}

static struct node *
size_node(const char *op)
{
	struct node *n = node(N_SIZE);
	char *end;
	const char *s = arg(op);

	number(n, op, s, &end);
	n->which = *end;
	if (*end != '\0' && (strchr("ckMGTPbw", *end) == NULL || end[1] != '\0'))
		errx(1, "%s: %s: illegal trailing character", op, s);
	return n;
}

static struct node *
perm_node(const char *op)
{
	struct node *n = node(N_PERM);
	const char *s = arg(op);
	struct mode_spec *m;

	if (*s == '-' || *s == '/' || (*s == '+' && isdigit((unsigned char)s[1])))
		n->cmp = *s++ == '-' ? '-' : '/';
	if ((m = mode_compile(s)) == NULL)
		errx(1, "%s: %s: illegal mode string", op, s);
	n->num = mode_apply(m, 0, false);
	return n;
}

static struct node *
exec_node(const char *op)
{
	struct node *n = node(strncmp(op, "-ok", 3) == 0 ? N_OK : N_EXEC);

	n->in_dir = strstr(op, "dir") != NULL;
	n->argv = av;
	for (;; n->argc++) {
		if (*av == NULL)
			errx(1, "%s: no terminating \";\" or \"+\"", op);
		if (strcmp(*av, ";") == 0)
			break;
		if (n->kind == N_EXEC && strcmp(*av, "+") == 0 && n->argc > 0 && strcmp(av[-1], "{}") == 0) {
			n->kind = N_EXECPLUS;
			n->argc--;
			break;
		}
		av++;
	}
	av++;
	if (n->argc == 0)
		errx(1, "%s: no command specified", op);
	if (n->kind == N_EXECPLUS) {
		find_plus = xrealloc(find_plus, (find_nplus + 1) * sizeof(*find_plus));
		find_plus[find_nplus++] = n;
	}
	find_acts = true;
	return n;
}

static struct node *
newer_node(const char *op, char which, char ref)
{
	struct node *n = node(N_NEWER);
	const char *file = arg(op);
	struct stat st;

	if (ref == 't' || stat(file, &st) != 0)
		err(1, "%s", file);
	n->which = which;
	n->ts = ref == 'a' ? st.st_atim : ref == 'c' ? st.st_ctim : st.st_mtim;
	return n;
}

static struct node *
owner_node(const char *op, bool group)
{
	struct node *n = node(group ? N_GROUP : N_USER);
	const char *s = arg(op);
	uid_t uid;
	gid_t gid;

	if (!(group ? parse_group(s, &gid) : parse_user(s, &uid)))
		errx(1, "%s: %s: no such %s", op, s, group ? "group" : "user");
	n->num = group ? gid : uid;
	return n;
}

static struct node *
text_node(enum node_kind kind, const char *op)
{
	struct node *n = node(kind);

	n->text = arg(op);
	return n;
}

static struct node *
action(enum node_kind kind)
{
	find_acts = true;
	return node(kind);
}

static struct node *
parse_primary(void)
{
	const char *op = *av;
	struct node *n;

	if (op == NULL)
		errx(1, "expression expected");
	av++;
#define IS(s) (strcmp(op, s) == 0)
	if (IS("(")) {
		n = parse_or();
		if (*av == NULL || strcmp(*av, ")") != 0)
			errx(1, "(: missing closing ')'");
		av++;
		return n;
	}
	if (IS("!") || IS("-not")) {
		n = node(N_NOT);
		n->a = parse_primary();
		return n;
	}
	if (IS("-name"))
		return text_node(N_NAME, op);
	if (IS("-iname"))
		return text_node(N_INAME, op);
	if (IS("-path") || IS("-wholename"))
		return text_node(N_PATH, op);
	if (IS("-ipath"))
		return text_node(N_IPATH, op);
	if (IS("-lname"))
		return text_node(N_LNAME, op);
	if (IS("-type")) {
		n = text_node(N_TYPE, op);
		if (strlen(n->text) != 1 || strchr("bcdflpsw", *n->text) == NULL)
			errx(1, "-type: %s: unknown type", n->text);
		return n;
	}
	if (IS("-size"))
		return size_node(op);
	if (IS("-links"))
		return numeric(N_LINKS, op);
	if (IS("-inum"))
		return numeric(N_INUM, op);
	if (strlen(op) >= 5 && op[0] == '-' && strchr("acm", op[1]) != NULL && (IS("-atime") || IS("-ctime") || IS("-mtime") ||
	    IS("-amin") || IS("-cmin") || IS("-mmin"))) {
		n = numeric(N_TIME, op);
		n->which = op[1];
		n->minutes = strcmp(op + 2, "min") == 0;
		return n;
	}
	if (IS("-newer") || IS("-mnewer"))
		return newer_node(op, 'm', 'm');
	if (IS("-anewer"))
		return newer_node(op, 'a', 'm');
	if (IS("-cnewer"))
		return newer_node(op, 'c', 'm');
	if (strncmp(op, "-newer", 6) == 0 && strlen(op) == 8 && strchr("acm", op[6]) != NULL && strchr("acm", op[7]) != NULL)
		return newer_node(op, op[6], op[7]);
	if (IS("-perm"))
		return perm_node(op);
	if (IS("-user"))
		return owner_node(op, false);
	if (IS("-group"))
		return owner_node(op, true);
	if (IS("-nouser"))
		return node(N_NOUSER);
	if (IS("-nogroup"))
		return node(N_NOGROUP);
	if (IS("-empty"))
		return node(N_EMPTY);
	if (IS("-exec") || IS("-ok") || IS("-execdir") || IS("-okdir"))
		return exec_node(op);
	if (IS("-print"))
		return action(N_PRINT);
	if (IS("-print0"))
		return action(N_PRINT0);
	if (IS("-ls"))
		return action(N_LS);
	if (IS("-delete")) {
		find_depth = true;
		return action(N_DELETE);
	}
	if (IS("-quit"))
		return node(N_QUIT);
	if (IS("-prune"))
		return node(N_PRUNE);
	if (IS("-true"))
		return node(N_TRUE);
	if (IS("-false"))
		return node(N_FALSE);
	if (IS("-depth")) {
		/* With a number it is a test of the level. */
		if (*av != NULL && (isdigit((unsigned char)**av) || ((**av == '-' || **av == '+') && isdigit((unsigned char)(*av)[1]))))
			return numeric(N_DEPTHN, op);
		find_depth = true;
		return node(N_TRUE);
	}
	if (IS("-d")) {
		find_depth = true;
		return node(N_TRUE);
	}
	if (IS("-xdev") || IS("-mount") || IS("-x")) {
		find_xdev = true;
		return node(N_TRUE);
	}
	if (IS("-maxdepth") || IS("-mindepth")) {
		int v = (int)parse_num(arg(op), 0, INT_MAX, op);

		if (op[2] == 'a')
			find_maxdepth = v;
		else
			find_mindepth = v;
		return node(N_TRUE);
	}
#undef IS
	errx(1, "%s: unknown primary or operator", op);
}

static struct node *
parse_and(void)
{
	struct node *n = parse_primary(), *and;

	while (*av != NULL && strcmp(*av, "-o") != 0 && strcmp(*av, "-or") != 0 && strcmp(*av, ")") != 0) {
		if (strcmp(*av, "-a") == 0 || strcmp(*av, "-and") == 0)
			av++;
		and = node(N_AND);
		and->a = n;
		and->b = parse_primary();
		n = and;
	}
	return n;
}

static struct node *
parse_or(void)
{
	struct node *n = parse_and(), *or;

	while (*av != NULL && (strcmp(*av, "-o") == 0 || strcmp(*av, "-or") == 0)) {
		av++;
		or = node(N_OR);
		or->a = n;
		or->b = parse_and();
		n = or;
	}
	return n;
}

struct node *
find_parse(char **args)
{
	struct node *n, *and;

	av = args;
	n = *av != NULL ? parse_or() : node(N_TRUE);
	if (*av != NULL)
		errx(1, "%s: no beginning '('", *av);
	if (!find_acts) {
		and = node(N_AND);
		and->a = n;
		and->b = node(N_PRINT);
		n = and;
	}
	return n;
}
