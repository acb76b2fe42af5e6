/*
 * sed [-Eanrsu] [-e command] [-f file] [-I extension] [-i extension] [command] [file ...]: stream editor.
 * Counterpart: usr.bin/sed.
 *
 * -i and -I take the extension as their argument, '' for none, as on the BSDs. N at the end of the input quits without
 * printing, as POSIX says.
 */
#include "sed.h"

static char **files;
static int nfiles, at_file;
static FILE *in;
static const char *in_name;
static char *in_temp;
static bool separate, fold_i; /* -s or -i; -I keeps counting lines */
static const char *suffix; /* of -i; NULL: not in place */
static int status;

static struct sbuf ps, hs;
static bool ps_nl = true; /* the line read last ended in a newline */
static unsigned long line;
static regex_t *last_re;
static struct out *main_out;

static struct queued {
	const char *text, *file;
	struct queued *next;
} *queue, **queue_end = &queue;

static void
put(struct out *o, const char *s, size_t n, bool newline)
{
	if (o->no_newline)
		putc('\n', o->f);
	fwrite(s, 1, n, o->f);
	if (newline)
		putc('\n', o->f);
	o->no_newline = !newline;
	if (o->f != stdout)
		fflush(o->f);
}

/* In place: the output goes to a temporary file beside the original, which takes its place at the end. */
static void
begin_in_place(const char *path)
{
	static struct out o;
	struct stat st;
	int fd;

	if (fstat(fileno(in), &st) != 0 || !S_ISREG(st.st_mode))
		errx(1, "%s: in-place editing only works for regular files", path);
	in_temp = xmalloc(strlen(path) + 16);
	sprintf(in_temp, "%s.sedXXXXXX", path);
	if ((fd = mkstemp(in_temp)) < 0)
		err(1, "%s", in_temp);
	(void)fchmod(fd, st.st_mode & 07777);
	if (fchown(fd, st.st_uid, st.st_gid) != 0 && errno != EPERM)
		warn("%s", in_temp);
	memset(&o, 0, sizeof(o));
	o.f = fdopen(fd, "w");
	if (o.f == NULL)
		err(1, "%s", in_temp);
	o.path = in_temp;
	main_out = &o;
}

static void
end_in_place(void)
{
	if (fclose(main_out->f) != 0)
		err(1, "%s", in_temp);
	if (*suffix != '\0') {
		char *old = xmalloc(strlen(in_name) + strlen(suffix) + 1);

		sprintf(old, "%s%s", in_name, suffix);
		if (rename(in_name, old) != 0)
			err(1, "%s", old);
		free(old);
	}
	if (rename(in_temp, in_name) != 0)
		err(1, "%s", in_name);
	free(in_temp);
	in_temp = NULL;
	main_out = sed_out_stdout();
}

static void
close_input(void)
{
	if (in_temp != NULL)
		end_in_place();
	if (in != stdin)
		fclose(in);
	in = NULL;
}

/* Opens inputs until one has something to read; false when there are none left. */
static bool
have_input(void)
{
	for (;;) {
		int c;

		if (in != NULL) {
			if ((c = getc(in)) != EOF) {
				ungetc(c, in);
				return true;
			}
			if (ferror(in)) {
				warn("%s", in_name);
				status = 1;
			}
			/* The file's output is not complete before its last line went through the script. */
			if (suffix != NULL && at_file <= nfiles && in_temp != NULL)
				return false;
			close_input();
		}
		if (at_file == nfiles)
			return false;
		in_name = files[at_file++];
		in = strcmp(in_name, "-") == 0 && suffix == NULL ? stdin : fopen(in_name, "r");
		if (in == NULL) {
			warn("%s", in_name);
			status = 1;
			continue;
		}
		if (suffix != NULL)
			begin_in_place(in_name);
	}
}

static bool
next_line(bool append)
{
	static struct sbuf b;

	if (!have_input()) {
		if (suffix == NULL || in == NULL)
			return false;
		/* Between two files edited in place. */
		if (append)
			return false;
		close_input();
		if (!fold_i)
			line = 0;
		if (!have_input())
			return next_line(false);
	}
	read_line(in, &b, '\n', &ps_nl);
	line++;
	if (append)
		sb_putc(&ps, '\n');
	else
		sb_reset(&ps);
	sb_put(&ps, b.s, b.len);
	return true;
}

static bool
is_last(void)
{
	int c;

	if (in != NULL) {
		if ((c = getc(in)) != EOF) {
			ungetc(c, in);
			return false;
		}
		if (separate && !fold_i)
			return true;
		if (suffix != NULL) {
			/* -I: one stream. Whether another file has a line is seen without opening it for output. */
			for (int i = at_file; i < nfiles; i++) {
				struct stat st;

				if (stat(files[i], &st) == 0 && st.st_size > 0)
					return false;
			}
			return true;
		}
	}
	return !have_input();
}

static bool
exec_re(regex_t *re, const char *s, size_t from, size_t len, size_t n, regmatch_t *m)
{
	if (re == NULL && (re = last_re) == NULL)
		errx(1, "first RE may not be empty");
	last_re = re;
	m[0].rm_so = (regoff_t)from;
	m[0].rm_eo = (regoff_t)len;
	return regexec(re, s, n, m, REG_STARTEND | (from > 0 ? REG_NOTBOL : 0)) == 0;
}

static bool
match_addr(const struct addr *a)
{
	regmatch_t m[1];

	switch (a->type) {
	case A_LINE: return line == a->line;
	case A_LAST: return is_last();
	case A_RE: return exec_re(a->re, ps.s, 0, ps.len, 1, m);
	default: return true;
	}
}

static bool
selected(struct cmd *c)
{
	bool hit;

	if (c->a2.type == A_NONE)
		hit = match_addr(&c->a1);
	else if (c->in_range) {
		hit = true;
		if (c->a2.type == A_LINE || c->a2.type == A_REL) {
			if (line >= c->range_end)
				c->in_range = false;
			/* The line number was passed by an n or N: the range ended before this line. */
			if (line > c->range_end)
				hit = match_addr(&c->a1);
		} else if (match_addr(&c->a2))
			c->in_range = false;
	} else if ((hit = match_addr(&c->a1))) {
		c->range_end = c->a2.type == A_REL ? line + c->a2.line : c->a2.line;
		c->in_range = c->a2.type == A_LINE || c->a2.type == A_REL ? c->range_end > line :
		    c->a2.type == A_LAST ? !is_last() : true;
	}
	return hit != c->negate;
}

static void
replacement(struct sbuf *out, const char *r, const regmatch_t *m)
{
	for (; *r != '\0'; r++) {
		size_t n = 0;

		if (*r == '\\' && r[1] != '\0') {
			r++;
			if (!isdigit((unsigned char)*r)) {
				sb_putc(out, *r == 'n' ? '\n' : *r == 't' ? '\t' : *r);
				continue;
			}
			n = (size_t)(*r - '0');
		} else if (*r != '&') {
			sb_putc(out, *r);
			continue;
		}
		if (m[n].rm_so >= 0)
			sb_put(out, ps.s + m[n].rm_so, (size_t)(m[n].rm_eo - m[n].rm_so));
	}
}

static bool
substitute(const struct subst *s)
{
	static struct sbuf out;
	regmatch_t m[10];
	size_t at = 0, from = 0;
	unsigned long count = 0;
	bool done = false;
	ssize_t prev_end = -1;
	struct sbuf t;

	sb_reset(&out);
	while (from <= ps.len && exec_re(s->re, ps.s, from, ps.len, 10, m)) {
		size_t so = (size_t)m[0].rm_so, eo = (size_t)m[0].rm_eo;

		/* An empty match right behind the last one is none. */
		if (so == eo && (ssize_t)so == prev_end) {
			from = so + 1;
			continue;
		}
		prev_end = (ssize_t)eo;
		if (++count >= (s->nth ? s->nth : 1)) {
			sb_put(&out, ps.s + at, so - at);
			replacement(&out, s->repl, m);
			at = eo;
			done = true;
			if (!s->global)
				break;
		}
		from = so == eo ? eo + 1 : eo;
	}
	if (!done)
		return false;
	sb_put(&out, ps.s + at, ps.len - at);
	t = ps;
	ps = out;
	out = t;
	if (s->print)
		put(main_out, ps.s, ps.len, ps_nl);
	if (s->out != NULL)
		put(s->out == sed_out_stdout() ? main_out : s->out, ps.s, ps.len, ps_nl);
	return true;
}

static void
list_line(void)
{
	static const char esc[] = "\\\a\b\f\r\t\v", name[] = "\\abfrtv";
	struct sbuf b = { 0 };
	const char *e;
	int col = 0, width = getenv("COLUMNS") != NULL ? term_columns() : 60;

	sb_reset(&b);
	for (size_t i = 0; i < ps.len; i++) {
		unsigned char c = (unsigned char)ps.s[i];
		char item[8];

		if (c == '\n') {
			sb_puts(&b, "\\n");
			col = 0;
			sb_putc(&b, '\n');
			continue;
		}
		if (c != '\0' && (e = strchr(esc, c)) != NULL)
			snprintf(item, sizeof(item), "\\%c", name[e - esc]);
		else
			snprintf(item, sizeof(item), c >= 32 && c < 127 ? "%c" : "\\%03o", c);
		if (col + (int)strlen(item) >= width) {
			sb_puts(&b, "\\\n");
			col = 0;
		}
		sb_puts(&b, item);
		col += (int)strlen(item);
	}
	sb_putc(&b, '$');
	put(main_out, b.s, b.len, true);
	free(b.s);
}

static void
enqueue(const char *text, const char *file)
{
	struct queued *q = xmalloc(sizeof(*q));

	q->text = text;
	q->file = file;
	q->next = NULL;
	*queue_end = q;
	queue_end = &q->next;
}

static void
flush_queue(void)
{
	while (queue != NULL) {
		struct queued *q = queue;

		if (q->text != NULL)
			put(main_out, q->text, strlen(q->text) - 1, true);
		else {
			FILE *f = fopen(strcmp(q->file, "/dev/stdin") == 0 ? "/dev/stdin" : q->file, "r");
			char buf[4096];
			size_t n;

			/* A file that cannot be read is an empty one. */
			while (f != NULL && (n = fread(buf, 1, sizeof(buf), f)) > 0) {
				if (main_out->no_newline)
					putc('\n', main_out->f);
				main_out->no_newline = false;
				fwrite(buf, 1, n, main_out->f);
			}
			if (f != NULL)
				fclose(f);
		}
		queue = q->next;
		free(q);
	}
	queue_end = &queue;
}

static void NORETURN
quit(int code)
{
	flush_queue();
	if (in_temp != NULL) {
		/* What follows in the file stays as it is. */
		int c;

		while ((c = getc(in)) != EOF) {
			if (main_out->no_newline)
				putc('\n', main_out->f);
			main_out->no_newline = false;
			putc(c, main_out->f);
		}
		close_input();
	}
	exit(finish(code));
}

/* One cycle; true: start the next without reading (D). */
static bool
run(void)
{
	bool replaced = false, hit;
	char *nl;

	for (size_t i = 0; i < sed_ncmds; i++) {
		struct cmd *c = &sed_cmds[i];

		hit = selected(c);
		if (!hit) {
			if (c->code == '{')
				i = c->target - 1;
			continue;
		}
		switch (c->code) {
		case '{':
		case ':': break;
		case '=':
			if (main_out->no_newline)
				putc('\n', main_out->f);
			main_out->no_newline = false;
			fprintf(main_out->f, "%lu\n", line);
			break;
		case 'a': enqueue(c->text, NULL); break;
		case 'b': i = c->target - 1; break;
		case 'c':
			if (c->a2.type == A_NONE || c->negate || !c->in_range)
				put(main_out, c->text, strlen(c->text) - 1, true);
			return false;
		case 'd': return false;
		case 'D':
			if ((nl = memchr(ps.s, '\n', ps.len)) == NULL)
				return false;
			ps.len -= (size_t)(nl + 1 - ps.s);
			memmove(ps.s, nl + 1, ps.len + 1);
			return true;
		case 'g':
			sb_reset(&ps);
			sb_put(&ps, hs.s, hs.len);
			break;
		case 'G':
			sb_putc(&ps, '\n');
			sb_put(&ps, hs.s, hs.len);
			break;
		case 'h':
			sb_reset(&hs);
			sb_put(&hs, ps.s, ps.len);
			break;
		case 'H':
			sb_putc(&hs, '\n');
			sb_put(&hs, ps.s, ps.len);
			break;
		case 'i': put(main_out, c->text, strlen(c->text) - 1, true); break;
		case 'l': list_line(); break;
		case 'n':
			if (!sed_quiet)
				put(main_out, ps.s, ps.len, ps_nl);
			if (is_last())
				quit(status);
			flush_queue();
			if (!next_line(false))
				quit(status);
			break;
		case 'N':
			flush_queue();
			if (!next_line(true))
				quit(status);
			break;
		case 'p': put(main_out, ps.s, ps.len, ps_nl); break;
		case 'P':
			nl = memchr(ps.s, '\n', ps.len);
			put(main_out, ps.s, nl != NULL ? (size_t)(nl - ps.s) : ps.len, true);
			break;
		case 'q':
			if (!sed_quiet)
				put(main_out, ps.s, ps.len, ps_nl);
			quit(c->status ? c->status : status);
		case 'r': enqueue(NULL, c->text); break;
		case 's': replaced |= substitute(c->s); break;
		case 't':
			if (replaced)
				i = c->target - 1;
			replaced = false;
			break;
		case 'w': put(c->out == sed_out_stdout() ? main_out : c->out, ps.s, ps.len, ps_nl); break;
		case 'x': {
			struct sbuf t = ps;

			ps = hs;
			hs = t;
			break;
		}
		case 'y':
			for (size_t k = 0; k < ps.len; k++)
				ps.s[k] = c->text[(unsigned char)ps.s[k]];
			break;
		}
	}
	if (!sed_quiet)
		put(main_out, ps.s, ps.len, ps_nl);
	return false;
}

static void
script_file(struct sbuf *script, const char *path)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
	int c;

	if (f == NULL)
		err(1, "%s", path);
	while ((c = getc(f)) != EOF)
		sb_putc(script, c);
	if (script->len > 0 && script->s[script->len - 1] != '\n')
		sb_putc(script, '\n');
	if (f != stdin)
		fclose(f);
}

int
sed_main(int argc, char **argv)
{
	static const char text[] = "sed script [-EIanrsu] [-i extension] [file ...]\n"
				   "       sed [-EIanrsu] [-i extension] [-e script] ... [-f script_file] ... [file ...]";
	static char *std_in[] = { "-" };
	struct sbuf script = { 0 };
	bool have = false, again = false;
	int ch;

	while ((ch = getopt(argc, argv, "EI:ae:f:i:lnrsu")) != -1) {
		switch (ch) {
		case 'E':
		case 'r': sed_extended = true; break;
		case 'I':
		case 'i':
			suffix = optarg;
			separate = true;
			fold_i = ch == 'I';
			break;
		case 'a': break;
		case 'e':
			sb_puts(&script, optarg);
			sb_putc(&script, '\n');
			have = true;
			break;
		case 'f': script_file(&script, optarg); have = true; break;
		case 'l':
		case 'u': setvbuf(stdout, NULL, _IOLBF, 0); break;
		case 'n': sed_quiet = true; break;
		case 's': separate = true; break;
		default: usage(1, text);
		}
	}
	argc -= optind;
	argv += optind;
	if (!have) {
		if (argc == 0)
			usage(1, text);
		sb_puts(&script, *argv++);
		sb_putc(&script, '\n');
		argc--;
	}
	sb_puts(&script, "");
	main_out = sed_out_stdout();
	sed_compile(script.s);
	sb_reset(&ps);
	sb_reset(&hs);
	files = argc > 0 ? argv : std_in;
	nfiles = argc > 0 ? argc : 1;
	if (argc == 0 && suffix != NULL)
		errx(1, "-I or -i may not be used with stdin");
	while (again || next_line(false)) {
		again = run();
		flush_queue();
	}
	if (in_temp != NULL)
		close_input();
	return finish(status);
}
