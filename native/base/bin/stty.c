/*
 * stty [-a | -e | -g] [-f file] [arguments]: terminal settings, with the BSD names. Counterpart: bin/stty.
 */
#include "util.h"

#include <sys/ioctl.h>
#include <termios.h>

struct mode {
	const char *name;
	tcflag_t bits, mask; /* bits set under mask; mask 0: bits alone */
	bool shown; /* in the default list */
};

static const struct mode cmodes[] = {
	{ "cread", CREAD, 0, true }, { "cs5", CS5, CSIZE, false }, { "cs6", CS6, CSIZE, false }, { "cs7", CS7, CSIZE, false },
	{ "cs8", CS8, CSIZE, false }, { "parenb", PARENB, 0, true }, { "parodd", PARODD, 0, true }, { "hupcl", HUPCL, 0, true },
	{ "hup", HUPCL, 0, false }, { "clocal", CLOCAL, 0, true }, { "cstopb", CSTOPB, 0, true }, { "crtscts", CRTSCTS, CRTSCTS, true },
	{ "mdmbuf", MDMBUF, 0, true },
};
static const struct mode imodes[] = {
	{ "istrip", ISTRIP, 0, true }, { "icrnl", ICRNL, 0, true }, { "inlcr", INLCR, 0, true }, { "igncr", IGNCR, 0, true },
	{ "ixon", IXON, 0, true }, { "ixoff", IXOFF, 0, true }, { "ixany", IXANY, 0, true }, { "imaxbel", IMAXBEL, 0, true },
	{ "ignbrk", IGNBRK, 0, true }, { "brkint", BRKINT, 0, true }, { "inpck", INPCK, 0, true }, { "ignpar", IGNPAR, 0, true },
	{ "parmrk", PARMRK, 0, true },
};
static const struct mode lmodes[] = {
	{ "icanon", ICANON, 0, true }, { "isig", ISIG, 0, true }, { "iexten", IEXTEN, 0, true }, { "echo", ECHO, 0, true },
	{ "echoe", ECHOE, 0, true }, { "crterase", ECHOE, 0, false }, { "echok", ECHOK, 0, true }, { "echoke", ECHOKE, 0, true },
	{ "crtkill", ECHOKE, 0, false }, { "echonl", ECHONL, 0, true }, { "echoctl", ECHOCTL, 0, true }, { "ctlecho", ECHOCTL, 0, false },
	{ "echoprt", ECHOPRT, 0, true }, { "prterase", ECHOPRT, 0, false }, { "altwerase", ALTWERASE, 0, true },
	{ "noflsh", NOFLSH, 0, true }, { "tostop", TOSTOP, 0, true }, { "flusho", FLUSHO, 0, true }, { "pendin", PENDIN, 0, true },
	{ "nokerninfo", NOKERNINFO, 0, true }, { "extproc", EXTPROC, 0, true },
};
static const struct mode omodes[] = {
	{ "opost", OPOST, 0, true }, { "onlcr", ONLCR, 0, true }, { "ocrnl", OCRNL, 0, true }, { "oxtabs", OXTABS, 0, true },
	{ "tabs", 0, OXTABS, false }, { "onocr", ONOCR, 0, true }, { "onlret", ONLRET, 0, true },
};
static const struct {
	const char *name;
	int index;
	unsigned char def;
} chars[] = {
	{ "discard", VDISCARD, 017 }, { "dsusp", VDSUSP, 031 }, { "eof", VEOF, 004 }, { "eol", VEOL, 0xff }, { "eol2", VEOL2, 0xff },
	{ "erase", VERASE, 0177 }, { "erase2", VERASE2, 010 }, { "intr", VINTR, 003 }, { "kill", VKILL, 025 },
	{ "lnext", VLNEXT, 026 }, { "quit", VQUIT, 034 }, { "reprint", VREPRINT, 022 }, { "start", VSTART, 021 },
	{ "status", VSTATUS, 024 }, { "stop", VSTOP, 023 }, { "susp", VSUSP, 032 }, { "werase", VWERASE, 027 },
	{ "checkpt", VCHECKPT, 005 },
};

static const struct {
	const struct mode *v;
	size_t n;
	const char *label;
} groups[] = {
	{ lmodes, NELEM(lmodes), "lflags" }, { imodes, NELEM(imodes), "iflags" }, { omodes, NELEM(omodes), "oflags" },
	{ cmodes, NELEM(cmodes), "cflags" },
};

static struct termios t;

static tcflag_t *
word(size_t group)
{
	return group == 0 ? &t.c_lflag : group == 1 ? &t.c_iflag : group == 2 ? &t.c_oflag : &t.c_cflag;
}

static void
put(const char *label, const char *text)
{
	static int col;

	if (label != NULL) {
		if (col > 0)
			putchar('\n');
		col = text == NULL ? 0 : printf("%s:", label);
	}
	if (text == NULL)
		return;
	if (col + (int)strlen(text) + 1 > 78) {
		fputs("\n\t", stdout);
		col = 8;
		col += printf("%s", text);
	} else
		col += printf(" %s", text);
}

static const char *
char_text(unsigned char c)
{
	static char buf[8];

	if (c == 0xff)
		return "<undef>";
	if (c & 0x80)
		snprintf(buf, sizeof(buf), "M-%s%c", (c & 0x7f) < 32 ? "^" : "", (c & 0x7f) < 32 ? (c & 0x7f) + 64 : c & 0x7f);
	else if (c == 0177)
		strcpy(buf, "^?");
	else if (c < 32)
		snprintf(buf, sizeof(buf), "^%c", c + 64);
	else
		snprintf(buf, sizeof(buf), "%c", c);
	return buf;
}

static void
show(int fd, bool all)
{
	static const char *const sizes[] = { "cs5", "cs6", "cs7", "cs8" };
	struct winsize ws;
	char item[64];
	bool first;

	if (t.c_ispeed != t.c_ospeed)
		printf("ispeed %u baud; ospeed %u baud;", (unsigned)t.c_ispeed, (unsigned)t.c_ospeed);
	else
		printf("speed %u baud;", (unsigned)t.c_ispeed);
	if (all && ioctl(fd, TIOCGWINSZ, &ws) == 0)
		printf(" %u rows; %u columns;", ws.ws_row, ws.ws_col);
	putchar('\n');
	for (size_t g = 0; g < NELEM(groups); g++) {
		first = true;
		for (size_t i = 0; i < groups[g].n; i++) {
			const struct mode *m = &groups[g].v[i];
			tcflag_t mask = m->mask ? m->mask : m->bits;
			bool on = (*word(g) & mask) == m->bits, cs = strncmp(m->name, "cs", 2) == 0 && isdigit((unsigned char)m->name[2]);

			if (cs ? !on : !m->shown)
				continue;
			/* Without -a only what is on is listed. */
			if (!all && !on)
				continue;
			snprintf(item, sizeof(item), "%s%s", on ? "" : "-", cs ? sizes[m->name[2] - '5'] : m->name);
			put(first ? groups[g].label : NULL, item);
			first = false;
		}
	}
	first = true;
	for (size_t i = 0; i < NELEM(chars); i++) {
		if (!all && t.c_cc[chars[i].index] == chars[i].def)
			continue;
		snprintf(item, sizeof(item), "%s = %s;", chars[i].name, char_text(t.c_cc[chars[i].index]));
		put(first ? "cchars" : NULL, item);
		first = false;
	}
	if (all || !(t.c_lflag & ICANON)) {
		snprintf(item, sizeof(item), "min = %u;", t.c_cc[VMIN]);
		put(first ? "cchars" : NULL, item);
		snprintf(item, sizeof(item), "time = %u;", t.c_cc[VTIME]);
		put(NULL, item);
	}
	put("", NULL);
}

/* -g: one word that stty takes back. */
static void
save(void)
{
	printf("gfmt1:cflag=%x:iflag=%x:lflag=%x:oflag=%x:", (unsigned)t.c_cflag, (unsigned)t.c_iflag, (unsigned)t.c_lflag,
	    (unsigned)t.c_oflag);
	for (size_t i = 0; i < NELEM(chars); i++)
		printf("%s=%x:", chars[i].name, t.c_cc[chars[i].index]);
	printf("min=%x:time=%x:ispeed=%u:ospeed=%u\n", t.c_cc[VMIN], t.c_cc[VTIME], (unsigned)t.c_ispeed, (unsigned)t.c_ospeed);
}

static void
load(char *s)
{
	for (char *w = strtok(s + 6, ":"); w != NULL; w = strtok(NULL, ":")) {
		char *eq = strchr(w, '=');
		unsigned long v;

		if (eq == NULL)
			errx(1, "invalid gfmt1 string");
		*eq++ = '\0';
		v = strtoul(eq, NULL, strstr(w, "speed") != NULL ? 10 : 16);
		if (strcmp(w, "cflag") == 0)
			t.c_cflag = (tcflag_t)v;
		else if (strcmp(w, "iflag") == 0)
			t.c_iflag = (tcflag_t)v;
		else if (strcmp(w, "lflag") == 0)
			t.c_lflag = (tcflag_t)v;
		else if (strcmp(w, "oflag") == 0)
			t.c_oflag = (tcflag_t)v;
		else if (strcmp(w, "ispeed") == 0)
			t.c_ispeed = (speed_t)v;
		else if (strcmp(w, "ospeed") == 0)
			t.c_ospeed = (speed_t)v;
		else if (strcmp(w, "min") == 0)
			t.c_cc[VMIN] = (cc_t)v;
		else if (strcmp(w, "time") == 0)
			t.c_cc[VTIME] = (cc_t)v;
		else
			for (size_t i = 0; i < NELEM(chars); i++)
				if (strcmp(w, chars[i].name) == 0)
					t.c_cc[chars[i].index] = (cc_t)v;
	}
}

static bool
set_mode(const char *name)
{
	bool off = *name == '-', found = false;

	name += off;
	for (size_t g = 0; g < NELEM(groups); g++)
		for (size_t i = 0; i < groups[g].n; i++) {
			const struct mode *m = &groups[g].v[i];

			if (strcmp(m->name, name) != 0)
				continue;
			if (m->mask != 0 && m->bits != m->mask && off && m->bits != 0)
				return false;
			if (strcmp(name, "tabs") == 0)
				*word(g) = off ? *word(g) | OXTABS : *word(g) & ~(tcflag_t)OXTABS;
			else
				*word(g) = off ? *word(g) & ~m->bits : (*word(g) & ~(m->mask ? m->mask : 0)) | m->bits;
			found = true;
		}
	return found;
}

static bool
combination(const char *s)
{
	bool off = *s == '-';

	s += off;
	if (strcmp(s, "raw") == 0 || strcmp(s, "cooked") == 0) {
		if ((strcmp(s, "raw") == 0) != off)
			cfmakeraw(&t);
		else {
			t.c_iflag |= BRKINT | IGNPAR | ICRNL | IXON | IMAXBEL;
			t.c_oflag |= OPOST | ONLCR;
			t.c_lflag |= ICANON | ISIG | IEXTEN | ECHO | ECHOE | ECHOKE | ECHOCTL;
		}
	} else if (strcmp(s, "sane") == 0 && !off) {
		t.c_iflag = BRKINT | ICRNL | IMAXBEL | IXON | IXANY;
		t.c_oflag = OPOST | ONLCR;
		t.c_lflag = ECHO | ICANON | ISIG | IEXTEN | ECHOE | ECHOKE | ECHOCTL;
		t.c_cflag = CREAD | CS8 | HUPCL | (t.c_cflag & CLOCAL);
		for (size_t i = 0; i < NELEM(chars); i++)
			t.c_cc[chars[i].index] = chars[i].def;
		t.c_cc[VMIN] = 1;
		t.c_cc[VTIME] = 0;
	} else if (strcmp(s, "cbreak") == 0) {
		t.c_lflag = off ? t.c_lflag | ICANON : t.c_lflag & ~(tcflag_t)ICANON;
	} else if (strcmp(s, "nl") == 0) {
		t.c_iflag = off ? t.c_iflag | ICRNL : t.c_iflag & ~(tcflag_t)ICRNL;
		t.c_oflag = off ? t.c_oflag | ONLCR : t.c_oflag & ~(tcflag_t)ONLCR;
	} else if (strcmp(s, "dec") == 0 && !off) {
		t.c_cc[VERASE] = 0177;
		t.c_cc[VKILL] = 025;
		t.c_cc[VINTR] = 003;
		t.c_lflag &= ~(tcflag_t)ECHOPRT;
		t.c_lflag |= ECHOE | ECHOKE | ECHOCTL;
		t.c_iflag &= ~(tcflag_t)IXANY;
	} else if (strcmp(s, "evenp") == 0 || strcmp(s, "parity") == 0) {
		t.c_cflag = off ? (t.c_cflag & ~(tcflag_t)(CSIZE | PARODD | PARENB)) | CS8 :
				  (t.c_cflag & ~(tcflag_t)(CSIZE | PARODD)) | CS7 | PARENB;
	} else if (strcmp(s, "ek") == 0 && !off) {
		t.c_cc[VERASE] = 0177;
		t.c_cc[VKILL] = 025;
	} else if (strcmp(s, "crt") == 0)
		t.c_lflag |= ECHOE | ECHOKE | ECHOCTL;
	else
		return false;
	return true;
}

static unsigned char
parse_char(const char *s)
{
	if (strcmp(s, "undef") == 0 || strcmp(s, "<undef>") == 0 || strcmp(s, "^-") == 0)
		return 0xff;
	if (s[0] == '^' && s[1] != '\0')
		return s[1] == '?' ? 0177 : (unsigned char)(toupper((unsigned char)s[1]) & 037);
	return (unsigned char)*s;
}

static int
arguments(int fd, char **av)
{
	struct winsize ws;
	long long v;

	for (; *av != NULL; av++) {
		size_t i = 0;

		if (strcmp(*av, "all") == 0 || strcmp(*av, "everything") == 0) {
			show(fd, true);
			continue;
		}
		if (strcmp(*av, "size") == 0) {
			if (ioctl(fd, TIOCGWINSZ, &ws) != 0)
				err(1, "TIOCGWINSZ");
			printf("%u %u\n", ws.ws_row, ws.ws_col);
			continue;
		}
		if (strcmp(*av, "speed") == 0 && (av[1] == NULL || !isdigit((unsigned char)*av[1]))) {
			printf("%u\n", (unsigned)t.c_ospeed);
			continue;
		}
		if (strncmp(*av, "gfmt1:", 6) == 0) {
			load(*av);
			continue;
		}
		if (combination(*av) || set_mode(*av))
			continue;
		if (str_num(*av, 10, &v) && v >= 0) {
			t.c_ispeed = t.c_ospeed = (speed_t)v;
			continue;
		}
		while (i < NELEM(chars) && strcmp(chars[i].name, *av) != 0)
			i++;
		if (i < NELEM(chars)) {
			if (av[1] == NULL)
				errx(1, "option requires an argument -- %s", *av);
			t.c_cc[chars[i].index] = parse_char(*++av);
			continue;
		}
		if (av[1] != NULL && str_num(av[1], 10, &v) && v >= 0) {
			const char *name = *av++;

			if (strcmp(name, "min") == 0)
				t.c_cc[VMIN] = (cc_t)v;
			else if (strcmp(name, "time") == 0)
				t.c_cc[VTIME] = (cc_t)v;
			else if (strcmp(name, "ispeed") == 0)
				t.c_ispeed = (speed_t)v;
			else if (strcmp(name, "ospeed") == 0)
				t.c_ospeed = (speed_t)v;
			else if (strcmp(name, "speed") == 0)
				t.c_ispeed = t.c_ospeed = (speed_t)v;
			else if (strcmp(name, "rows") == 0 || strcmp(name, "columns") == 0 || strcmp(name, "cols") == 0) {
				if (ioctl(fd, TIOCGWINSZ, &ws) != 0)
					err(1, "TIOCGWINSZ");
				if (*name == 'r')
					ws.ws_row = (unsigned short)v;
				else
					ws.ws_col = (unsigned short)v;
				if (ioctl(fd, TIOCSWINSZ, &ws) != 0)
					err(1, "TIOCSWINSZ");
			} else
				errx(1, "illegal option -- %s", name);
			continue;
		}
		errx(1, "illegal option -- %s", *av);
	}
	return 0;
}

int
stty_main(int argc, char **argv)
{
	static const char text[] = "stty [-a | -e | -g] [-f file] [arguments]";
	struct termios before;
	int fd = STDIN_FILENO, i = 1;
	char form = 0;

	/* Not getopt: "-echo" is an argument. */
	for (; i < argc && argv[i][0] == '-' && argv[i][1] != '\0' && strchr("aegf", argv[i][1]) != NULL && argv[i][2] == '\0'; i++) {
		if (argv[i][1] != 'f')
			form = argv[i][1];
		else if (++i >= argc)
			usage(1, text);
		else if ((fd = open(argv[i], O_RDONLY | O_NONBLOCK)) < 0)
			err(1, "%s", argv[i]);
	}
	if (tcgetattr(fd, &t) != 0)
		errx(1, "stdin isn't a terminal");
	before = t;
	if (form == 'g')
		save();
	else if (form != 0 || i == argc)
		show(fd, form != 0);
	arguments(fd, argv + i);
	if (memcmp(&before, &t, sizeof(t)) != 0 && tcsetattr(fd, TCSANOW, &t) != 0)
		err(1, "tcsetattr");
	return finish(0);
}
