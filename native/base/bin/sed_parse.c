/*
 * sed's script compiler: a flat array of commands, blocks and labels resolved to indexes.
 */
#include "sed.h"

struct cmd *sed_cmds;
size_t sed_ncmds;
bool sed_extended, sed_quiet;

static const char *p; /* where the compiler is in the script */
static unsigned long line_no = 1;
static struct out *outs;

static void NORETURN
bad(const char *msg)
{
	errx(1, "%lu: %s", line_no, msg);
}

static void
skip_blank(void)
{
	while (*p == ' ' || *p == '\t')
		p++;
}

static void
skip_space(void)
{
	for (; isspace((unsigned char)*p) || *p == ';'; p++)
		line_no += *p == '\n';
}

struct out *
sed_out_stdout(void)
{
	static struct out o = { .path = "/dev/stdout" };

	o.f = stdout;
	return &o;
}

static struct out *
open_out(const char *path)
{
	struct out *o;

	if (*path == '\0')
		bad("filename expected");
	if (strcmp(path, "/dev/stdout") == 0)
		return sed_out_stdout();
	for (o = outs; o != NULL; o = o->next)
		if (strcmp(o->path, path) == 0)
			return o;
	o = xmalloc(sizeof(*o));
	memset(o, 0, sizeof(*o));
	o->path = xstrdup(path);
	o->f = strcmp(path, "/dev/stderr") == 0 ? stderr : fopen(path, "w");
	if (o->f == NULL)
		err(1, "%s", path);
	o->next = outs;
	outs = o;
	return o;
}

/*
 * Text up to the delimiter d, which is passed. A regular expression keeps its escapes except that of the delimiter,
 * learns \n and \t, and its bracket expressions hide the delimiter; a replacement keeps every escape.
 */
static char *
delimited(char d, bool re)
{
	struct sbuf b = { 0 };

	sb_reset(&b);
	for (; *p != d; p++) {
		if (*p == '\0' || (*p == '\n' && re))
			bad(re ? "unterminated regular expression" : "unterminated substitute pattern");
		line_no += *p == '\n';
		if (re && *p == '[' && d != '[') {
			/* "]" first, or after "^", is a member; [. [= [: run to their own ends. */
			sb_putc(&b, *p++);
			if (*p == '^')
				sb_putc(&b, *p++);
			if (*p == ']')
				sb_putc(&b, *p++);
			for (; *p != ']'; p++) {
				if (*p == '\0' || *p == '\n')
					bad("unbalanced brackets ([])");
				if (*p == '[' && (p[1] == '.' || p[1] == '=' || p[1] == ':')) {
					char c = p[1];

					sb_put(&b, p, 2);
					for (p += 2; *p != '\0' && !(*p == c && p[1] == ']'); p++)
						sb_putc(&b, *p);
					if (*p == '\0')
						bad("unbalanced brackets ([])");
					sb_putc(&b, *p++);
				} else if (*p == '\\' && (p[1] == 'n' || p[1] == 't')) {
					sb_putc(&b, *++p == 'n' ? '\n' : '\t');
					continue;
				}
				sb_putc(&b, *p);
			}
			sb_putc(&b, ']');
		} else if (*p == '\\' && p[1] != '\0') {
			p++;
			line_no += *p == '\n';
			if (*p == d)
				/* An escaped delimiter is the character itself. */
				sb_putc(&b, d);
			else if (re && (*p == 'n' || *p == 't'))
				sb_putc(&b, *p == 'n' ? '\n' : '\t');
			else {
				sb_putc(&b, '\\');
				sb_putc(&b, *p);
			}
		} else
			sb_putc(&b, *p);
	}
	p++;
	return b.s;
}

static regex_t *
compile_re(const char *text, bool icase)
{
	regex_t *re;
	char msg[256];
	int e;

	if (*text == '\0')
		return NULL;
	re = xmalloc(sizeof(*re));
	e = regcomp(re, text, (sed_extended ? REG_EXTENDED : 0) | (icase ? REG_ICASE : 0));
	if (e != 0) {
		regerror(e, re, msg, sizeof(msg));
		errx(1, "%lu: RE error: %s", line_no, msg);
	}
	return re;
}

static bool
address(struct addr *a, bool second)
{
	if (isdigit((unsigned char)*p) || (second && *p == '+' && isdigit((unsigned char)p[1]))) {
		char *end;

		a->type = *p == '+' ? A_REL : A_LINE;
		a->line = strtoul(p + (*p == '+'), &end, 10);
		p = end;
	} else if (*p == '$') {
		a->type = A_LAST;
		p++;
	} else if (*p == '/' || *p == '\\') {
		char d = *p == '\\' ? *++p : '/', *text;
		bool icase;

		if (d == '\0' || d == '\n' || d == '\\')
			bad("\\ can't be used as the delimiter");
		p++;
		text = delimited(d, true);
		icase = *p == 'I';
		p += icase;
		a->type = A_RE;
		a->re = compile_re(text, icase);
		free(text);
	} else
		return false;
	return true;
}

/* The rest of the line (a label: up to a semicolon as well). */
static char *
word(bool label)
{
	const char *s;
	size_t n;

	skip_blank();
	s = p;
	n = strcspn(p, label ? "\n;" : "\n");
	p += n;
	while (label && n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\t'))
		n--;
	return xstrndup(s, n);
}

/* Text of a, i and c: "a\<newline>text" or "a text"; a backslash at a line's end goes on, others are removed. */
static char *
text_arg(void)
{
	struct sbuf b = { 0 };

	sb_reset(&b);
	skip_blank();
	if (*p == '\\') {
		const char *q = p + 1;

		while (*q == ' ' || *q == '\t')
			q++;
		if (*q == '\n') {
			p = q + 1;
			line_no++;
		} else
			p++;
	} else if (*p == '\0' || *p == '\n')
		bad("command expects \\ followed by text");
	for (; *p != '\0' && *p != '\n'; p++) {
		if (*p == '\\' && p[1] != '\0')
			line_no += *++p == '\n';
		sb_putc(&b, *p);
	}
	sb_putc(&b, '\n');
	return b.s;
}

static void
parse_subst(struct cmd *c)
{
	struct subst *s = xmalloc(sizeof(*s));
	char d = *p++, *pattern;
	bool icase = false;

	memset(s, 0, sizeof(*s));
	if (d == '\0' || d == '\n' || d == '\\')
		bad("substitute pattern can not be delimited by newline or backslash");
	pattern = delimited(d, true);
	s->repl = delimited(d, false);
	for (const char *r = s->repl; *r != '\0'; r++)
		if (*r == '\\' && r[1] != '\0') {
			r++;
			if (isdigit((unsigned char)*r) && (size_t)(*r - '0') > s->max_ref)
				s->max_ref = (size_t)(*r - '0');
		}
	for (;; p++) {
		char *end;

		if (*p == 'g')
			s->global = true;
		else if (*p == 'p')
			s->print = true;
		else if (*p == 'i' || *p == 'I')
			icase = true;
		else if (*p >= '1' && *p <= '9') {
			if (s->nth != 0)
				bad("more than one number or 'g' in substitute flags");
			s->nth = strtoul(p, &end, 10);
			p = end - 1;
		} else if (*p == 'w') {
			char *path;

			p++;
			path = word(false);
			s->out = open_out(path);
			free(path);
			break;
		} else
			break;
	}
	s->re = compile_re(pattern, icase);
	if (s->re != NULL && s->max_ref > s->re->re_nsub)
		errx(1, "%lu: \\%zu not defined in the RE", line_no, s->max_ref);
	free(pattern);
	c->s = s;
}

static char *
unescape_y(const char *s, char d, size_t *n)
{
	char *out = xmalloc(strlen(s) + 1);

	*n = 0;
	for (; *s != '\0'; s++) {
		if (*s == '\\' && s[1] != '\0') {
			s++;
			if (*s == 'n')
				out[(*n)++] = '\n';
			else if (*s == '\\' || *s == d)
				out[(*n)++] = *s;
			else {
				out[(*n)++] = '\\';
				out[(*n)++] = *s;
			}
		} else
			out[(*n)++] = *s;
	}
	return out;
}

static void
parse_y(struct cmd *c)
{
	char d = *p++, *a, *b;
	size_t na, nb;

	if (d == '\0' || d == '\n' || d == '\\')
		bad("transform pattern can not be delimited by newline or backslash");
	a = unescape_y(delimited(d, false), d, &na);
	b = unescape_y(delimited(d, false), d, &nb);
	if (na != nb)
		bad("transform strings are not the same length");
	c->text = xmalloc(256);
	for (int i = 0; i < 256; i++)
		c->text[i] = (char)i;
	for (size_t i = 0; i < na; i++)
		c->text[(unsigned char)a[i]] = b[i];
}

static void
end_of_command(void)
{
	skip_blank();
	if (*p == '#' || *p == '}')
		return;
	if (*p != '\0' && *p != '\n' && *p != ';')
		bad("extra characters at the end of a command");
}

static size_t
find_label(const char *name)
{
	for (size_t i = 0; i < sed_ncmds; i++)
		if (sed_cmds[i].code == ':' && strcmp(sed_cmds[i].text, name) == 0)
			return i;
	errx(1, "undefined label '%s'", name);
}

static void
parse_command(struct cmd *c)
{
	bool two = c->a2.type != A_NONE;
	char *path;

	switch (c->code) {
	case ':':
		if (c->a1.type != A_NONE)
			bad(": expects no addresses");
		c->text = word(true);
		if (*c->text == '\0')
			bad("\":\" lacks a label");
		break;
	case 'b':
	case 't': c->text = word(true); break;
	case 'a':
	case 'i':
	case 'c': c->text = text_arg(); break;
	case 'r': c->text = word(false); break;
	case 'w':
		path = word(false);
		c->out = open_out(path);
		free(path);
		break;
	case 's': parse_subst(c); end_of_command(); break;
	case 'y': parse_y(c); end_of_command(); break;
	case 'q':
		if (two)
			bad("command q expects up to 1 address(es), found 2");
		skip_blank();
		while (isdigit((unsigned char)*p))
			c->status = c->status * 10 + (*p++ - '0');
		end_of_command();
		break;
	case '=':
	case 'd': case 'D': case 'g': case 'G': case 'h': case 'H': case 'l': case 'n': case 'N': case 'p': case 'P': case 'x':
		end_of_command();
		break;
	default: errx(1, "%lu: invalid command code %c", line_no, c->code);
	}
}

void
sed_compile(const char *script)
{
	size_t open[128], depth = 0;

	p = script;
	if (p[0] == '#' && p[1] == 'n' && (p[2] == '\n' || p[2] == '\0'))
		sed_quiet = true;
	for (;;) {
		struct cmd c = { 0 };

		skip_space();
		if (*p == '\0')
			break;
		if (*p == '#') {
			p += strcspn(p, "\n");
			continue;
		}
		if (address(&c.a1, false)) {
			skip_blank();
			if (*p == ',') {
				p++;
				skip_blank();
				if (!address(&c.a2, true))
					bad("expected context address");
			}
		}
		skip_blank();
		while (*p == '!') {
			c.negate = true;
			p++;
			skip_blank();
		}
		if (*p == '\0' || *p == '\n')
			bad("command expected");
		c.code = *p++;
		if (c.code == '{') {
			if (depth == NELEM(open))
				bad("too many nested {'s");
			open[depth++] = sed_ncmds;
		} else if (c.code == '}') {
			if (depth == 0)
				bad("unexpected }");
			if (c.a1.type != A_NONE)
				bad("} expects no addresses");
			sed_cmds[open[--depth]].target = sed_ncmds;
			end_of_command();
			continue;
		} else
			parse_command(&c);
		sed_cmds = xrealloc(sed_cmds, (sed_ncmds + 1) * sizeof(*sed_cmds));
		sed_cmds[sed_ncmds++] = c;
	}
	if (depth > 0)
		errx(1, "%lu: unexpected EOF (pending }'s)", line_no);
	for (size_t i = 0; i < sed_ncmds; i++) {
		struct cmd *c = &sed_cmds[i];

		if (c->code == 'b' || c->code == 't')
			c->target = *c->text == '\0' ? sed_ncmds : find_label(c->text);
	}
}
