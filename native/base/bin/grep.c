/*
 * grep [-EFGabcHhiLlnoqRrsvwxz] [-A n] [-B n] [-C n] [-m n] [-e pattern] [-f file] [file ...], egrep, fgrep.
 * Counterpart: usr.bin/grep. Exit 0: a line was selected, 1: none, 2: an error.
 */
#include "util.h"

#include <fnmatch.h>
#include <getopt.h>
#include <regex.h>

struct pattern {
	char *text;
	size_t len;
	bool fixed; /* no operator in it: found by comparing bytes */
	regex_t re;
};

static struct pattern *pats;
static size_t npats;
static char mode = 'G';
static bool aflag, bflag, cflag, Hflag, hflag, iflag, Iflag, lflag, Lflag, nflag, oflag, qflag, rflag, sflag, vflag, wflag, xflag;
static long before, after, max_count = -1;
static int delim = '\n';
static char **includes, **excludes;
static size_t nincludes, nexcludes;
static bool any, failed, separator;

static void
add_patterns(const char *s, size_t n)
{
	/* Each line is a pattern of its own; the last newline ends a line and starts none. */
	for (;;) {
		const char *nl = memchr(s, '\n', n);
		size_t len = nl != NULL ? (size_t)(nl - s) : n;

		pats = xrealloc(pats, (npats + 1) * sizeof(*pats));
		memset(&pats[npats], 0, sizeof(*pats));
		pats[npats].text = xstrndup(s, len);
		pats[npats++].len = len;
		if (nl == NULL)
			return;
		s += len + 1;
		n -= len + 1;
	}
}

static void
pattern_file(const char *path)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
	struct sbuf line = { 0 };
	bool nl;

	if (f == NULL)
		err(2, "%s", path);
	while (read_line(f, &line, '\n', &nl) >= 0)
		add_patterns(line.s, line.len);
	if (f != stdin)
		fclose(f);
}

static void
compile(void)
{
	for (size_t i = 0; i < npats; i++) {
		struct pattern *p = &pats[i];
		int flags = (mode == 'E' ? REG_EXTENDED : 0) | (iflag ? REG_ICASE : 0), e;
		char msg[256];

		p->fixed = mode == 'F' || strpbrk(p->text, mode == 'E' ? "\\.[]*^$+?{}()|" : "\\.[]*^$") == NULL;
		if (!p->fixed && (e = regcomp(&p->re, p->text, flags)) != 0) {
			regerror(e, &p->re, msg, sizeof(msg));
			errx(2, "%s", msg);
		}
	}
}

static bool
same(const char *a, const char *b, size_t n)
{
	if (!iflag)
		return memcmp(a, b, n) == 0;
	for (; n > 0; n--)
		if (tolower((unsigned char)*a++) != tolower((unsigned char)*b++))
			return false;
	return true;
}

static bool
search(const struct pattern *p, const char *s, size_t from, size_t len, bool cut, regmatch_t *m)
{
	if (!p->fixed) {
		m->rm_so = (regoff_t)from;
		m->rm_eo = (regoff_t)len;
		return regexec(&p->re, s, 1, m, REG_STARTEND | (from > 0 ? REG_NOTBOL : 0) | (cut ? REG_NOTEOL : 0)) == 0;
	}
	for (; from + p->len <= len; from++) {
		if (p->len > 0 && !iflag) {
			const char *c = memchr(s + from, p->text[0], len - p->len - from + 1);

			if (c == NULL)
				return false;
			from = (size_t)(c - s);
		}
		if (same(s + from, p->text, p->len)) {
			m->rm_so = (regoff_t)from;
			m->rm_eo = (regoff_t)(from + p->len);
			return true;
		}
	}
	return false;
}

static bool
word_char(int c)
{
	return isalnum(c) || c == '_';
}

static bool
accept(const char *s, size_t len, const regmatch_t *m)
{
	size_t so = (size_t)m->rm_so, eo = (size_t)m->rm_eo;

	if (xflag)
		return so == 0 && eo == len;
	if (wflag)
		return (so == 0 || !word_char((unsigned char)s[so - 1])) && (eo == len || !word_char((unsigned char)s[eo]));
	return true;
}

/* The leftmost match of any pattern at or after `from`, the longest of those. */
static bool
match(const char *s, size_t from, size_t len, regmatch_t *best)
{
	bool found = false;

	for (size_t i = 0; i < npats; i++) {
		regmatch_t m;
		size_t at = from, end = len;

		while (search(&pats[i], s, at, end, end < len, &m)) {
			if (accept(s, len, &m)) {
				if (!found || m.rm_so < best->rm_so || (m.rm_so == best->rm_so && m.rm_eo > best->rm_eo))
					*best = m;
				found = true;
				break;
			}
			if (xflag && pats[i].fixed)
				break;
			/* A shorter match at the same place may end at a word's end; then the next place. */
			if (wflag && !pats[i].fixed && m.rm_eo > m.rm_so + 1 && (size_t)m.rm_so == at)
				end = (size_t)m.rm_eo - 1;
			else if ((size_t)m.rm_so > at) {
				at = (size_t)m.rm_so;
				end = len;
				if (!wflag || pats[i].fixed)
					at++;
			} else {
				at++;
				end = len;
			}
			if (at > len)
				break;
		}
		if (found && !oflag)
			return true;
	}
	return found;
}

static void
prefix(const char *name, unsigned long line, unsigned long long off, char sep)
{
	if (Hflag)
		printf("%s%c", name, sep);
	if (nflag)
		printf("%lu%c", line, sep);
	if (bflag)
		printf("%llu%c", off, sep);
}

struct held {
	struct sbuf text;
	unsigned long line;
	unsigned long long off;
};

static void
put_line(const char *s, size_t n)
{
	fwrite(s, 1, n, stdout);
	putchar(delim);
}

static void
put_only(const char *name, const struct sbuf *b, unsigned long line, unsigned long long off)
{
	regmatch_t m;

	for (size_t at = 0; at <= b->len && match(b->s, at, b->len, &m); ) {
		if (m.rm_eo > m.rm_so) {
			prefix(name, line, off + (unsigned long long)m.rm_so, ':');
			put_line(b->s + m.rm_so, (size_t)(m.rm_eo - m.rm_so));
			at = (size_t)m.rm_eo;
		} else
			at = (size_t)m.rm_eo + 1;
	}
}

static bool
is_binary(FILE *f)
{
	struct stat st;
	char buf[4096];
	ssize_t n;

	if (aflag || delim == '\0' || fstat(fileno(f), &st) != 0 || !S_ISREG(st.st_mode))
		return false;
	n = pread(fileno(f), buf, sizeof(buf), 0);
	return n > 0 && memchr(buf, '\0', (size_t)n) != NULL;
}

static void
grep_stream(FILE *f, const char *name)
{
	struct held *ring = before > 0 ? xmalloc((size_t)before * sizeof(*ring)) : NULL;
	size_t nheld = 0, first = 0;
	struct sbuf b = { 0 };
	unsigned long line = 0, hits = 0, last = 0;
	unsigned long long off = 0;
	long trail = 0;
	bool nl, binary = is_binary(f), context = before > 0 || after > 0;

	if (ring != NULL)
		memset(ring, 0, (size_t)before * sizeof(*ring));
	if (binary && Iflag)
		return;
	/* After the last counted hit only the trailing context is still wanted. */
	while ((max_count < 0 || (long)hits < max_count || trail > 0) && read_line(f, &b, delim, &nl) >= 0) {
		regmatch_t m;
		bool open = max_count < 0 || (long)hits < max_count;
		bool hit = open && match(b.s, 0, b.len, &m) != vflag;
		unsigned long long here = off;

		line++;
		off += b.len + nl;
		if (hit) {
			hits++;
			any = true;
			if (qflag)
				exit(0);
			if (lflag || Lflag)
				break;
			if (cflag)
				continue;
			if (binary) {
				printf("Binary file %s matches\n", name);
				break;
			}
			if (context && separator && (last == 0 || line - nheld > last + 1))
				puts("--");
			for (size_t i = 0; i < nheld; i++) {
				struct held *h = &ring[(first + i) % (size_t)before];

				prefix(name, h->line, h->off, '-');
				put_line(h->text.s, h->text.len);
			}
			nheld = 0;
			if (oflag) {
				if (!vflag)
					put_only(name, &b, line, here);
			} else {
				prefix(name, line, here, ':');
				put_line(b.s, b.len);
			}
			separator = true;
			last = line;
			trail = after;
		} else if (trail > 0 && !cflag && !lflag && !Lflag && !binary) {
			prefix(name, line, here, '-');
			put_line(b.s, b.len);
			last = line;
			trail--;
		} else if (before > 0) {
			struct held *h = &ring[(first + nheld) % (size_t)before];

			if (nheld == (size_t)before) {
				h = &ring[first];
				first = (first + 1) % (size_t)before;
			} else
				nheld++;
			sb_reset(&h->text);
			sb_put(&h->text, b.s, b.len);
			h->line = line;
			h->off = here;
		}
	}
	if (ferror(f)) {
		if (!sflag)
			warn("%s", name);
		failed = true;
	} else if (cflag) {
		if (Hflag)
			printf("%s:", name);
		printf("%lu\n", hits);
	}
	if ((lflag && hits > 0) || (Lflag && hits == 0))
		puts(name);
	free(b.s);
}

static void
grep_path(const char *path)
{
	FILE *f = fopen(path, "r");
	struct stat st;

	if (f != NULL && fstat(fileno(f), &st) == 0 && S_ISDIR(st.st_mode)) {
		fclose(f);
		f = NULL;
		errno = EISDIR;
	}
	if (f == NULL) {
		if (!sflag)
			warn("%s", path);
		failed = true;
		return;
	}
	grep_stream(f, path);
	fclose(f);
}

static bool
wanted(const char *name)
{
	bool in = nincludes == 0;

	for (size_t i = 0; i < nincludes; i++)
		in |= fnmatch(includes[i], name, 0) == 0;
	for (size_t i = 0; i < nexcludes; i++)
		in &= fnmatch(excludes[i], name, 0) != 0;
	return in;
}

static int
visit(struct wnode *w, void *arg)
{
	(void)arg;
	if (w->type == W_NOSTAT || w->type == W_NOREAD) {
		errno = w->error;
		if (!sflag)
			warn("%s", w->path);
		failed = true;
	} else if (w->type == W_FILE && wanted(w->name) && (w->level == 0 || S_ISREG(w->st.st_mode)))
		grep_path(strncmp(w->path, "./", 2) == 0 && arg != NULL ? w->path + 2 : w->path);
	return WALK_GO;
}

static long
context_arg(const char *s)
{
	long long v;

	if (!str_num(s, 10, &v) || v < 0 || v > INT_MAX)
		errx(2, "%s: context argument must be non-negative", s);
	return (long)v;
}

static const struct option longs[] = {
	{ "after-context", required_argument, NULL, 'A' }, { "before-context", required_argument, NULL, 'B' },
	{ "context", required_argument, NULL, 'C' }, { "count", no_argument, NULL, 'c' },
	{ "extended-regexp", no_argument, NULL, 'E' }, { "fixed-strings", no_argument, NULL, 'F' },
	{ "basic-regexp", no_argument, NULL, 'G' }, { "regexp", required_argument, NULL, 'e' },
	{ "file", required_argument, NULL, 'f' }, { "ignore-case", no_argument, NULL, 'i' },
	{ "invert-match", no_argument, NULL, 'v' }, { "word-regexp", no_argument, NULL, 'w' },
	{ "line-regexp", no_argument, NULL, 'x' }, { "line-number", no_argument, NULL, 'n' },
	{ "files-with-matches", no_argument, NULL, 'l' }, { "files-without-match", no_argument, NULL, 'L' },
	{ "max-count", required_argument, NULL, 'm' }, { "only-matching", no_argument, NULL, 'o' },
	{ "quiet", no_argument, NULL, 'q' }, { "silent", no_argument, NULL, 'q' }, { "recursive", no_argument, NULL, 'r' },
	{ "no-messages", no_argument, NULL, 's' }, { "text", no_argument, NULL, 'a' }, { "no-filename", no_argument, NULL, 'h' },
	{ "with-filename", no_argument, NULL, 'H' }, { "null-data", no_argument, NULL, 'z' },
	{ "include", required_argument, NULL, 1 }, { "exclude", required_argument, NULL, 2 },
	{ "color", optional_argument, NULL, 3 }, { "colour", optional_argument, NULL, 3 }, { NULL, 0, NULL, 0 },
};

int
grep_main(int argc, char **argv)
{
	static const char text[] = "grep [-abcEFGHhIiLlnoqRrsvwxz] [-A num] [-B num] [-C num] [-m num] [-e pattern] [-f file]\n"
				   "            [pattern] [file ...]";
	const char *name = base_name(argv[0]);
	bool have = false;
	int ch;

	if (strcmp(name, "egrep") == 0)
		mode = 'E';
	else if (strcmp(name, "fgrep") == 0)
		mode = 'F';
	while ((ch = getopt_long(argc, argv, "0123456789A:aB:bC:cEe:Ff:GHhIiLlm:noqRrsUuvwxyz", longs, NULL)) != -1) {
		switch (ch) {
		case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9':
			before = after = before * 10 + (ch - '0');
			break;
		case 'A': after = context_arg(optarg); break;
		case 'B': before = context_arg(optarg); break;
		case 'C': before = after = context_arg(optarg); break;
		case 'a': aflag = true; break;
		case 'b': bflag = true; break;
		case 'c': cflag = true; break;
		case 'E':
		case 'F':
		case 'G': mode = (char)ch; break;
		case 'e': add_patterns(optarg, strlen(optarg)); have = true; break;
		case 'f': pattern_file(optarg); have = true; break;
		case 'H': Hflag = true; break;
		case 'h': hflag = true; break;
		case 'I': Iflag = true; break;
		case 'i':
		case 'y': iflag = true; break;
		case 'L': Lflag = true; lflag = false; break;
		case 'l': lflag = true; Lflag = false; break;
		case 'm': max_count = context_arg(optarg); break;
		case 'n': nflag = true; break;
		case 'o': oflag = true; break;
		case 'q': qflag = true; break;
		case 'R':
		case 'r': rflag = true; break;
		case 's': sflag = true; break;
		case 'U':
		case 'u': break;
		case 'v': vflag = true; break;
		case 'w': wflag = true; break;
		case 'x': xflag = true; break;
		case 'z': delim = '\0'; break;
		case 1:
			includes = xrealloc(includes, (nincludes + 1) * sizeof(*includes));
			includes[nincludes++] = optarg;
			break;
		case 2:
			excludes = xrealloc(excludes, (nexcludes + 1) * sizeof(*excludes));
			excludes[nexcludes++] = optarg;
			break;
		case 3: break; /* --color: this one never colours */
		default: usage(2, text);
		}
	}
	argc -= optind;
	argv += optind;
	if (!have) {
		if (argc == 0)
			usage(2, text);
		add_patterns(*argv, strlen(*argv));
		argc--;
		argv++;
	}
	compile();
	if (max_count == 0)
		return 1;
	Hflag = !hflag && (Hflag || argc > 1 || rflag);
	if (argc == 0 && rflag)
		walk(".", WALK_SORT, visit, &any);
	else if (argc == 0)
		grep_stream(stdin, "(standard input)");
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "-") == 0)
			grep_stream(stdin, "(standard input)");
		else if (rflag)
			walk(argv[i], WALK_SORT | WALK_COMFOLLOW, visit, NULL);
		else
			grep_path(argv[i]);
	}
	return finish_err(any ? (failed && !qflag ? 2 : 0) : failed ? 2 : 1, 2);
}
