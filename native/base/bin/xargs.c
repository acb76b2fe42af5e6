/*
 * xargs [-0oprtx] [-E eof] [-I replstr [-R n]] [-J replstr] [-L lines] [-n args] [-P jobs] [-s size] [utility [arg ...]]
 * Counterpart: usr.bin/xargs. Exit 1: a run failed, 124: one said 255, 125: killed by a signal, 126, 127: not run.
 */
#include "util.h"

#include <sys/wait.h>

static char **base; /* the utility and its fixed arguments */
static int nbase;
static char **args;
static int nargs;
static size_t bytes;
static const char *replace, *insert;
static bool tflag, pflag, oflag, ran;
static long long max_args = 5000, max_lines, jobs = 1, running, max_bytes;
static int status;

static void
reap(long long keep)
{
	int st;

	while (running > keep) {
		pid_t pid = wait(&st);

		if (pid < 0) {
			if (errno == EINTR)
				continue;
			err(1, "wait");
		}
		running--;
		if (WIFSIGNALED(st))
			errx(125, "%s: terminated by signal %d", base[0], WTERMSIG(st));
		if (WEXITSTATUS(st) == 255)
			errx(124, "%s: exited with status 255; aborting", base[0]);
		if (WEXITSTATUS(st) == 126 || WEXITSTATUS(st) == 127)
			exit(WEXITSTATUS(st));
		if (WEXITSTATUS(st) != 0)
			status = 1;
	}
}

static void
run(char **av)
{
	pid_t pid;

	ran = true;
	if (tflag || pflag) {
		for (char **a = av; *a != NULL; a++)
			fprintf(stderr, "%s%s", a == av ? "" : " ", *a);
		if (pflag) {
			FILE *t = fopen("/dev/tty", "r");
			int c, first;

			fputs("?...", stderr);
			first = c = t != NULL ? getc(t) : EOF;
			while (c != '\n' && c != EOF)
				c = getc(t);
			if (t != NULL)
				fclose(t);
			if (first != 'y' && first != 'Y')
				return;
		} else
			fputc('\n', stderr);
	}
	fflush(NULL);
	reap(jobs - 1);
	if ((pid = fork()) < 0)
		err(1, "fork");
	if (pid == 0) {
		int fd = open(oflag ? "/dev/tty" : "/dev/null", O_RDONLY), e;

		if (fd >= 0 && fd != STDIN_FILENO) {
			dup2(fd, STDIN_FILENO);
			close(fd);
		}
		execvp(av[0], av);
		e = errno;
		warn("%s", av[0]);
		_exit(e == ENOENT ? 127 : 126);
	}
	running++;
}

static char *
substitute(const char *s, const char *by)
{
	struct sbuf b = { 0 };
	size_t n = strlen(replace);

	sb_reset(&b);
	while (*s != '\0')
		if (strncmp(s, replace, n) == 0) {
			sb_puts(&b, by);
			s += n;
		} else
			sb_putc(&b, *s++);
	return b.s;
}

static void
flush_args(void)
{
	char **av = xmalloc((size_t)(nbase + nargs + 2) * sizeof(*av));
	int n = 0;
	bool put = false;

	for (int i = 0; i < nbase; i++) {
		if (insert != NULL && !put && i > 0 && strcmp(base[i], insert) == 0) {
			for (int k = 0; k < nargs; k++)
				av[n++] = args[k];
			put = true;
		} else if (replace != NULL && i > 0)
			av[n++] = substitute(base[i], nargs > 0 ? args[0] : "");
		else
			av[n++] = base[i];
	}
	if (!put && replace == NULL)
		for (int k = 0; k < nargs; k++)
			av[n++] = args[k];
	av[n] = NULL;
	run(av);
	free(av);
	nargs = 0;
	bytes = 0;
}

static void
add_arg(const char *s)
{
	size_t n = strlen(s) + 1;

	if ((long long)(bytes + n) > max_bytes && nargs > 0)
		flush_args();
	if ((long long)n > max_bytes)
		errx(1, "insufficient space for argument");
	args = xrealloc(args, (size_t)(nargs + 1) * sizeof(*args));
	args[nargs++] = xstrdup(s);
	bytes += n;
	if (nargs >= max_args || replace != NULL)
		flush_args();
}

/* Splits the input: blanks and newlines part, quotes and backslashes protect; with -0 only NUL parts. */
static void
read_args(bool zero, const char *eof)
{
	struct sbuf b = { 0 };
	bool have = false, line_has = false, blank_end = false;
	long long lines = 0;
	int c, quote = 0;

	sb_reset(&b);
	for (;;) {
		c = getchar();
		if (zero ? c == '\0' || c == EOF : c == EOF || c == '\n' || (!quote && replace == NULL && (c == ' ' || c == '\t'))) {
			if (quote)
				errx(1, "unterminated quote");
			if (have || (zero && c == '\0')) {
				if (eof != NULL && strcmp(b.s, eof) == 0)
					return;
				add_arg(b.s);
				line_has = true;
			}
			sb_reset(&b);
			have = false;
			/* -L: a line that ends in a blank goes on in the next. */
			if (c == '\n' && !zero && line_has && !blank_end) {
				line_has = false;
				if (max_lines > 0 && ++lines == max_lines && nargs > 0) {
					flush_args();
					lines = 0;
				}
			}
			blank_end = c == ' ' || c == '\t';
			if (c == EOF)
				return;
			continue;
		}
		blank_end = false;
		if (zero)
			sb_putc(&b, c);
		else if (quote) {
			if (c == quote)
				quote = 0;
			else
				sb_putc(&b, c);
		} else if (c == '"' || c == '\'')
			quote = c;
		else if (c == '\\') {
			if ((c = getchar()) != EOF)
				sb_putc(&b, c);
		} else if (replace != NULL && !have && (c == ' ' || c == '\t'))
			continue;
		else
			sb_putc(&b, c);
		have = true;
	}
}

int
xargs_main(int argc, char **argv)
{
	static const char text[] = "xargs [-0oprt] [-E eofstr] [-I replstr [-R replacements]] [-J replstr]\n"
				   "             [-L number] [-n number [-x]] [-P maxprocs] [-s size] [utility [argument ...]]";
	static char *echo[] = { "echo", NULL };
	const char *eof = NULL;
	bool zero = false, no_empty = false;
	long arg_max = sysconf(_SC_ARG_MAX);
	extern char **environ;
	int ch;

	max_bytes = arg_max > 0 ? arg_max - 4096 : 262144 - 4096;
	for (char **e = environ; *e != NULL; e++)
		max_bytes -= (long long)strlen(*e) + 1 + (long long)sizeof(*e);
	if (max_bytes > 120000)
		max_bytes = 120000;
	while ((ch = getopt(argc, argv, "+0E:I:J:L:n:oP:pR:rs:tx")) != -1) {
		switch (ch) {
		case '0': zero = true; break;
		case 'E': eof = optarg; break;
		case 'I': replace = optarg; max_lines = 1; break;
		case 'J': insert = optarg; break;
		case 'L': max_lines = parse_num(optarg, 1, INT_MAX, "-L"); break;
		case 'n': max_args = parse_num(optarg, 1, INT_MAX, "-n"); break;
		case 'o': oflag = true; break;
		case 'P': jobs = parse_num(optarg, 0, 1024, "-P"); break;
		case 'p': pflag = true; break;
		case 'R': break;
		case 'r': no_empty = true; break;
		case 's': max_bytes = parse_num(optarg, 1, max_bytes, "-s"); break;
		case 't': tflag = true; break;
		case 'x': break;
		default: usage(1, text);
		}
	}
	if (jobs == 0)
		jobs = 1024;
	base = optind < argc ? argv + optind : echo;
	while (base[nbase] != NULL)
		nbase++;
	read_args(zero, eof);
	/* GNU runs the utility once on empty input; the BSDs do not, with or without -r. */
	(void)no_empty;
	if (nargs > 0)
		flush_args();
	reap(0);
	return status;
}
