/*
 * wc [-clmwL] [file ...]: lines, words, bytes. Characters (-m) are UTF-8 sequences. Counterpart: usr.bin/wc.
 */
#include "util.h"

struct counts {
	unsigned long long lines, words, bytes, chars, longest;
};
static bool cflag, lflag, mflag, wflag, Lflag;

static int
count(int fd, const char *name, struct counts *c)
{
	static unsigned char buf[65536];
	unsigned long long width = 0;
	bool in_word = false;
	struct stat st;
	ssize_t n;

	/* The size of a regular file is known without reading it. */
	if (cflag && !lflag && !mflag && !wflag && !Lflag && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    lseek(fd, 0, SEEK_CUR) == 0 && st.st_size > 0) {
		c->bytes = (unsigned long long)st.st_size;
		return 0;
	}
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		c->bytes += (unsigned long long)n;
		for (ssize_t i = 0; i < n; i++) {
			unsigned char ch = buf[i];

			if ((ch & 0xc0) != 0x80) {
				c->chars++;
				width++;
			}
			if (ch == '\n') {
				c->lines++;
				if (width - 1 > c->longest)
					c->longest = width - 1;
				width = 0;
			}
			if (ch == ' ' || (ch >= '\t' && ch <= '\r'))
				in_word = false;
			else if (!in_word) {
				in_word = true;
				c->words++;
			}
		}
	}
	if (width > c->longest)
		c->longest = width;
	if (n < 0) {
		warn("%s", name);
		return 1;
	}
	return 0;
}

static void
show(const struct counts *c, const char *name)
{
	if (lflag)
		printf(" %7llu", c->lines);
	if (wflag)
		printf(" %7llu", c->words);
	if (cflag || mflag)
		printf(" %7llu", mflag ? c->chars : c->bytes);
	if (Lflag)
		printf(" %7llu", c->longest);
	if (name != NULL)
		printf(" %s", name);
	putchar('\n');
}

int
wc_main(int argc, char **argv)
{
	struct counts total = { 0 };
	int ch, rc = 0;

	while ((ch = getopt(argc, argv, "clmwL")) != -1) {
		switch (ch) {
		case 'c': cflag = true; mflag = false; break;
		case 'l': lflag = true; break;
		case 'm': mflag = true; cflag = false; break;
		case 'w': wflag = true; break;
		case 'L': Lflag = true; break;
		default: usage(1, "wc [-Lclmw] [file ...]");
		}
	}
	if (!cflag && !lflag && !mflag && !wflag && !Lflag)
		cflag = lflag = wflag = true;
	if (optind == argc) {
		rc = count(STDIN_FILENO, "stdin", &total);
		show(&total, NULL);
		return finish(rc);
	}
	for (int i = optind; i < argc; i++) {
		struct counts c = { 0 };
		int fd = open(argv[i], O_RDONLY);

		if (fd < 0) {
			warn("%s: open", argv[i]);
			rc = 1;
			continue;
		}
		rc |= count(fd, argv[i], &c);
		close(fd);
		show(&c, argv[i]);
		total.lines += c.lines;
		total.words += c.words;
		total.bytes += c.bytes;
		total.chars += c.chars;
		if (c.longest > total.longest)
			total.longest = c.longest;
	}
	if (argc - optind > 1)
		show(&total, "total");
	return finish(rc);
}
