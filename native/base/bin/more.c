/*
 * more [-s] [file ...]: page through text on a terminal. Counterpart: usr.bin/more (less).
 *
 * Keys: space a page, return a line, d or ^D half a page, g from the start, /text search on, q quit, h help. When stdout is
 * no terminal it copies.
 */
#include "util.h"

#include <termios.h>

static struct termios saved;
static int tty_fd = -1;
static int rows, cols;

static void
restore(void)
{
	if (tty_fd >= 0)
		tcsetattr(tty_fd, TCSADRAIN, &saved);
}

static void
on_signal(int sig)
{
	restore();
	(void)!write(STDOUT_FILENO, "\n", 1);
	_exit(128 + sig);
}

static int
key(void)
{
	char c;
	ssize_t n;

	while ((n = read(tty_fd, &c, 1)) < 0 && errno == EINTR)
		;
	return n == 1 ? (unsigned char)c : 'q';
}

/* Reads the text of a search at the prompt. */
static void
read_text(char *buf, size_t size)
{
	size_t n = 0;
	int c;

	fputs("\r\033[K/", stdout);
	fflush(stdout);
	while ((c = key()) != '\n' && c != '\r') {
		if (c == 127 || c == 8) {
			if (n > 0) {
				n--;
				fputs("\b \b", stdout);
			}
		} else if (n + 1 < size) {
			buf[n++] = (char)c;
			putchar(c);
		}
		fflush(stdout);
	}
	if (n > 0)
		buf[n] = '\0';
	fputs("\r\033[K", stdout);
}

/* Screen rows a line takes. */
static int
height(const struct sbuf *b)
{
	size_t w = 0;

	for (size_t i = 0; i < b->len; i++)
		if (b->s[i] == '\t')
			w = (w + 8) & ~(size_t)7;
		else if (((unsigned char)b->s[i] & 0xc0) != 0x80)
			w++;
	return w == 0 ? 1 : (int)((w + (size_t)cols - 1) / (size_t)cols);
}

/* Pages one file; false: quit. */
static bool
page(FILE *f, const char *name, bool squeeze, bool more_files)
{
	struct sbuf b = { 0 };
	static char search[128];
	int left = rows - 1;
	bool nl, was_empty = false, searching = false;
	struct stat st;

	while (read_line(f, &b, '\n', &nl) >= 0) {
		int h;

		if (squeeze && b.len == 0 && was_empty)
			continue;
		was_empty = b.len == 0;
		if (searching) {
			if (search[0] != '\0' && strstr(b.s, search) == NULL)
				continue;
			searching = false;
		}
		h = height(&b);
		while (left - h < 0) {
			long pct = -1;
			int c;

			if (fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
				pct = (long)(ftello(f) * 100 / st.st_size);
			if (pct >= 0)
				printf("\033[7m%s (%ld%%)\033[m", name, pct > 100 ? 100 : pct);
			else
				printf("\033[7m--More--\033[m");
			fflush(stdout);
			c = key();
			fputs("\r\033[K", stdout);
			if (c == 'q' || c == 'Q')
				return false;
			if (c == ' ' || c == 'f')
				left = rows - 1;
			else if (c == '\n' || c == '\r' || c == 'j')
				left += h;
			else if (c == 'd' || c == 4)
				left = rows / 2 > h ? rows / 2 : h;
			else if (c == '/' || c == 'n') {
				if (c == '/')
					read_text(search, sizeof(search));
				if (search[0] != '\0' && strstr(b.s, search) == NULL)
					searching = true;
				left = rows - 1;
				if (searching)
					break;
			} else if (c == 'g' && fseeko(f, 0, SEEK_SET) == 0) {
				left = rows - 1;
				searching = true;
				search[0] = '\0';
				break;
			} else if (c == 'h')
				puts("space: page  return: line  d: half a page  /text: search  n: again  g: start  q: quit");
			if (left < h && h > rows - 1)
				left = h;
		}
		if (searching)
			continue;
		fwrite(b.s, 1, b.len, stdout);
		putchar('\n');
		left -= h;
	}
	free(b.s);
	if (more_files) {
		int c;

		printf("\033[7m%s (END)\033[m", name);
		fflush(stdout);
		c = key();
		fputs("\r\033[K", stdout);
		return c != 'q';
	}
	return true;
}

int
more_main(int argc, char **argv)
{
	bool squeeze = false, bad, on_write;
	struct termios raw;
	int ch, rc = 0;

	while ((ch = getopt(argc, argv, "cdefisu")) != -1) {
		if (ch == '?')
			usage(1, "more [-s] [file ...]");
		squeeze |= ch == 's';
	}
	if (isatty(STDOUT_FILENO) && (tty_fd = open("/dev/tty", O_RDWR)) >= 0 && tcgetattr(tty_fd, &saved) == 0) {
		raw = saved;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		raw.c_cc[VMIN] = 1;
		raw.c_cc[VTIME] = 0;
		signal(SIGINT, on_signal);
		signal(SIGTERM, on_signal);
		atexit(restore);
		tcsetattr(tty_fd, TCSADRAIN, &raw);
		rows = term_rows();
		cols = term_columns();
	} else
		tty_fd = -1;
	if (optind == argc && isatty(STDIN_FILENO))
		usage(1, "more [-s] [file ...]");
	for (int i = optind; i < argc || i == optind; i++) {
		FILE *f = i < argc && strcmp(argv[i], "-") != 0 ? fopen(argv[i], "r") : stdin;

		if (f == NULL) {
			warn("%s", argv[i]);
			rc = 1;
			continue;
		}
		if (tty_fd < 0) {
			if (argc - optind > 1)
				printf("::::::::::::::\n%s\n::::::::::::::\n", argv[i]);
			fflush(stdout);
			bad = copy_fd(fileno(f), STDOUT_FILENO, &on_write) != 0;
			if (bad) {
				warn("%s", on_write ? "stdout" : i < argc ? argv[i] : "stdin");
				rc = 1;
			}
		} else if (!page(f, i < argc ? argv[i] : "stdin", squeeze, i + 1 < argc))
			break;
		if (f != stdin)
			fclose(f);
	}
	return finish(rc);
}
