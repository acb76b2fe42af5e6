/*
 * edit.c: reading a line from the terminal with emacs-style editing.
 *
 * The terminal is raw only while a line is read, so that programs and the kernel's own line discipline
 * see it as it was. A line longer than the screen scrolls sideways. The screen is assumed to know CR,
 * ESC [K and nothing else; with TERM=dumb (or no terminal) lines come from canonical reads instead.
 *
 * Keys: ^A ^E ^B ^F and arrows, Home End Delete, ^H ^D, ^K ^U ^W ^Y, M-b M-f M-d, ^T, ^L, ^P ^N and up/down for
 * history, ^R to search it, ^C drops the line, ^D on an empty line is the end of file. Positions are bytes at
 * UTF-8 boundaries; every character counts as one column.
 */
#include "sh.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define HISTORY 500

struct ed {
	const char *prompt;
	int pcols;        /* columns of the prompt's last line */
	char *s;
	size_t len, cap, pos;
	size_t left;      /* first byte shown */
	int cols;
	int hist;         /* entry shown; nhist is the line being typed */
	char *typed;      /* the line being typed, while the history is shown */
};

static char *history[HISTORY];
static int nhist;
static char *killed;
static struct termios cooked;
static bool is_raw;

bool edit_usable(void)
{
	const char *term = var_get("TERM");

	return term != NULL && *term != '\0' && strcmp(term, "dumb") != 0 && isatty(0) && isatty(2);
}

static bool raw_on(void)
{
	struct termios t;

	if (tcgetattr(0, &cooked) < 0)
		return false;
	t = cooked;
	t.c_iflag &= ~(tcflag_t)(ICRNL | INLCR | IGNCR | ISTRIP | IXON | BRKINT | PARMRK);
	t.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG | IEXTEN);
	t.c_oflag |= OPOST;
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	if (tcsetattr(0, TCSADRAIN, &t) < 0)
		return false;
	is_raw = true;
	return true;
}

static void raw_off(void)
{
	if (is_raw)
		tcsetattr(0, TCSADRAIN, &cooked);
	is_raw = false;
}

static int key(void)
{
	unsigned char c;

	for (;;) {
		ssize_t r = read(0, &c, 1);

		if (r == 1)
			return c;
		if (r < 0 && errno == EINTR) {
			if (trap_pending()) {
				raw_off();
				sh_check_signals();
				if (!raw_on())
					return -1;
			}
			continue;
		}
		return -1;
	}
}

static bool continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

static size_t columns(const char *s, size_t n)
{
	size_t w = 0, i;

	for (i = 0; i < n; i++)
		w += !continuation(s[i]);
	return w;
}

static size_t next_char(const struct ed *e, size_t p)
{
	if (p < e->len)
		p++;
	while (p < e->len && continuation(e->s[p]))
		p++;
	return p;
}

static size_t prev_char(const struct ed *e, size_t p)
{
	if (p > 0)
		p--;
	while (p > 0 && continuation(e->s[p]))
		p--;
	return p;
}

/* Columns that the prompt's last line takes; escape sequences take none. */
static int prompt_columns(const char *s)
{
	const char *nl = strrchr(s, '\n');
	int n = 0;

	for (s = nl ? nl + 1 : s; *s; s++) {
		if (*s == 033 && s[1] == '[') {
			for (s += 2; *s && !(*s >= '@' && *s <= '~'); s++)
				;
			if (*s == '\0')
				break;
		} else if ((unsigned char)*s >= ' ' && !continuation(*s)) {
			n++;
		}
	}
	return n;
}

static void window(struct ed *e)
{
	struct winsize ws;

	e->cols = ioctl(2, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 0 ? ws.ws_col : 80;
}

static void redraw(struct ed *e)
{
	struct mark m = tmp_mark();
	struct sbuf b;
	const char *nl = strrchr(e->prompt, '\n');
	size_t room, end, i;
	char num[24];

	window(e);
	room = e->cols > e->pcols + 8 ? (size_t)(e->cols - e->pcols - 1) : 8;
	/* keep the cursor in view, moving by a third of the window at a time */
	if (e->pos < e->left || columns(e->s + e->left, e->pos - e->left) > room) {
		e->left = e->pos;
		for (i = 0; i < room - room / 3 && e->left > 0; i++)
			e->left = prev_char(e, e->left);
	}
	if (columns(e->s, e->len) <= room)
		e->left = 0;
	end = e->left;
	for (i = 0; i < room && end < e->len; i++)
		end = next_char(e, end);
	sb_init(&b);
	sb_putc(&b, '\r');
	sb_puts(&b, nl ? nl + 1 : e->prompt);
	for (i = e->left; i < end; i++)
		sb_putc(&b, (unsigned char)e->s[i] < ' ' || e->s[i] == 0177 ? '?' : e->s[i]);
	sb_puts(&b, "\033[K\r");
	i = (size_t)e->pcols + columns(e->s + e->left, e->pos - e->left);
	if (i > 0) {
		sb_puts(&b, "\033[");
		sb_puts(&b, num_str(num + sizeof num, (long)i));
		sb_putc(&b, 'C');
	}
	err_n(b.s, b.len);
	tmp_release(m);
}

static void insert(struct ed *e, const char *s, size_t n)
{
	if (e->len + n + 2 > e->cap) {
		e->cap = (e->len + n + 2) * 2;
		e->s = sh_realloc(e->s, e->cap);
	}
	memmove(e->s + e->pos + n, e->s + e->pos, e->len - e->pos);
	memcpy(e->s + e->pos, s, n);
	e->len += n;
	e->pos += n;
}

static void erase(struct ed *e, size_t from, size_t to, bool keep)
{
	if (from >= to)
		return;
	if (keep) {
		free(killed);
		killed = sh_malloc(to - from + 1);
		memcpy(killed, e->s + from, to - from);
		killed[to - from] = '\0';
	}
	memmove(e->s + from, e->s + to, e->len - to);
	e->len -= to - from;
	e->pos = from;
}

static void set_line(struct ed *e, const char *s)
{
	e->len = e->pos = e->left = 0;
	insert(e, s, strlen(s));
}

static void show_history(struct ed *e, int to)
{
	if (to < 0 || to > nhist || to == e->hist) {
		err_n("\a", 1);
		return;
	}
	if (e->hist == nhist) {
		free(e->typed);
		e->s[e->len] = '\0';
		e->typed = sh_strdup(e->s);
	}
	e->hist = to;
	set_line(e, to == nhist ? e->typed : history[to]);
}

static void remember(const char *s)
{
	if (*s == '\0' || (nhist > 0 && strcmp(history[nhist - 1], s) == 0))
		return;
	if (nhist == HISTORY) {
		free(history[0]);
		memmove(history, history + 1, (HISTORY - 1) * sizeof *history);
		nhist--;
	}
	history[nhist++] = sh_strdup(s);
}

static bool word_char(const struct ed *e, size_t p)
{
	unsigned char c = (unsigned char)e->s[p];

	return c >= 0x80 || c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static size_t word_left(const struct ed *e)
{
	size_t p = e->pos;

	while (p > 0 && !word_char(e, p - 1))
		p--;
	while (p > 0 && word_char(e, p - 1))
		p--;
	return p;
}

static size_t word_right(const struct ed *e)
{
	size_t p = e->pos;

	while (p < e->len && !word_char(e, p))
		p++;
	while (p < e->len && word_char(e, p))
		p++;
	return p;
}

/* ^R: search the history backwards as one types. Returns the key that ended it, 0 for none. */
static int search_history(struct ed *e)
{
	char pat[128];
	size_t n = 0;
	int at = e->hist, c;
	const char *prompt = e->prompt;
	int pcols = e->pcols;
	char shown[180];

	pat[0] = '\0';
	for (;;) {
		strcpy(shown, "(search) '");
		strcat(shown, pat);
		strcat(shown, "': ");
		e->prompt = shown;
		e->pcols = prompt_columns(shown);
		redraw(e);
		c = key();
		if (c == 0177 || c == 8) {
			if (n > 0)
				pat[--n] = '\0';
			at = nhist;
		} else if (c >= ' ' && n + 1 < sizeof pat) {
			pat[n++] = (char)c;
			pat[n] = '\0';
			if (at < nhist && strstr(history[at], pat) != NULL)
				at++;
		} else if (c != 18) {
			break;
		}
		while (--at >= 0 && strstr(history[at], pat) == NULL)
			;
		if (at >= 0)
			show_history(e, at);
		else {
			err_n("\a", 1);
			at = nhist;
		}
	}
	e->prompt = prompt;
	e->pcols = pcols;
	return c == 7 || c == 033 ? 0 : c;
}

/* What follows ESC. */
static void escape_key(struct ed *e)
{
	int c = key(), n = 0;

	switch (c) {
	case 'b': e->pos = word_left(e); return;
	case 'f': e->pos = word_right(e); return;
	case 'd': erase(e, e->pos, word_right(e), true); return;
	case 0177: erase(e, word_left(e), e->pos, true); return;
	case '[': case 'O':
		break;
	default:
		return;
	}
	c = key();
	while ((c >= '0' && c <= '9') || c == ';') {
		n = c == ';' ? 0 : n * 10 + (c - '0');
		c = key();
	}
	switch (c) {
	case 'A': show_history(e, e->hist - 1); break;
	case 'B': show_history(e, e->hist + 1); break;
	case 'C': e->pos = n == 5 ? word_right(e) : next_char(e, e->pos); break;
	case 'D': e->pos = n == 5 ? word_left(e) : prev_char(e, e->pos); break;
	case 'H': e->pos = 0; break;
	case 'F': e->pos = e->len; break;
	case '~':
		if (n == 1 || n == 7)
			e->pos = 0;
		else if (n == 4 || n == 8)
			e->pos = e->len;
		else if (n == 3)
			erase(e, e->pos, next_char(e, e->pos), false);
	}
}

static void transpose(struct ed *e)
{
	size_t a, b, c;
	char tmp[8];

	if (e->pos == 0 || e->len < 2)
		return;
	c = e->pos < e->len ? next_char(e, e->pos) : e->len;
	b = prev_char(e, c);
	a = prev_char(e, b);
	if (b - a > sizeof tmp)
		return;
	memcpy(tmp, e->s + a, b - a);
	memmove(e->s + a, e->s + b, c - b);
	memcpy(e->s + a + (c - b), tmp, b - a);
	e->pos = c;
}

enum verdict { GO_ON, ACCEPT, ABORT, END };

static enum verdict act(struct ed *e, int c)
{
	char ch = (char)c;
	size_t p;

	if (c == 18) { /* ^R */
		c = search_history(e);
		if (c == 0)
			return GO_ON;
		ch = (char)c;
	}
	switch (c) {
	case -1: return END;
	case '\r': case '\n': return ACCEPT;
	case 1: e->pos = 0; break;
	case 2: e->pos = prev_char(e, e->pos); break;
	case 3: return ABORT;
	case 4:
		if (e->len == 0)
			return END;
		erase(e, e->pos, next_char(e, e->pos), false);
		break;
	case 5: e->pos = e->len; break;
	case 6: e->pos = next_char(e, e->pos); break;
	case 8: case 0177: erase(e, prev_char(e, e->pos), e->pos, false); break;
	case 11: erase(e, e->pos, e->len, true); break;
	case 12: err_n("\033[H\033[2J", 7); break;
	case 14: show_history(e, e->hist + 1); break;
	case 16: show_history(e, e->hist - 1); break;
	case 20: transpose(e); break;
	case 21: erase(e, 0, e->pos, true); break;
	case 23:
		for (p = e->pos; p > 0 && e->s[p - 1] == ' '; p--)
			;
		for (; p > 0 && e->s[p - 1] != ' '; p--)
			;
		erase(e, p, e->pos, true);
		break;
	case 25:
		if (killed != NULL)
			insert(e, killed, strlen(killed));
		break;
	case 033: escape_key(e); break;
	default:
		if (c == '\t' || c >= ' ')
			insert(e, &ch, 1);
	}
	return GO_ON;
}

char *edit_line(const char *prompt)
{
	struct ed e;
	enum verdict v = GO_ON;

	if (!raw_on())
		return NULL;
	memset(&e, 0, sizeof e);
	e.prompt = prompt;
	e.pcols = prompt_columns(prompt);
	e.hist = nhist;
	insert(&e, "", 0);
	if (strrchr(prompt, '\n') != NULL) /* the lines above the last are printed once */
		err_n(prompt, (size_t)(strrchr(prompt, '\n') + 1 - prompt));
	redraw(&e);
	while (v == GO_ON) {
		size_t was = e.len;
		int c = key();
		char ch = (char)c;

		/* the commonest case, typing at the end, needs no redrawing */
		if (c >= ' ' && c < 0177 && e.pos == e.len && e.left == 0 && e.pcols + (int)columns(e.s, e.len) + 2 < e.cols) {
			insert(&e, &ch, 1);
			err_n(&ch, 1);
			continue;
		}
		v = act(&e, c);
		/* a sequence that is not complete yet is drawn when it is */
		if (v == GO_ON && !(c >= 0xc0 && e.len == was + 1))
			redraw(&e);
	}
	if (v == ACCEPT) {
		e.pos = e.len;
		redraw(&e);
	}
	raw_off();
	free(e.typed);
	if (v == ABORT) {
		free(e.s);
		err_n("^C\n", 3);
		sh.status = 128 + SIGINT;
		sh_throw(EXC_INT);
	}
	if (v == END) {
		free(e.s);
		return NULL;
	}
	err_n("\n", 1);
	e.s[e.len] = '\0';
	remember(e.s);
	e.s[e.len] = '\n';
	e.s[e.len + 1] = '\0';
	return e.s;
}
