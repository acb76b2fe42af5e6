/*
 * cut -b list [-n] | -c list | -f list [-s | -w] [-d delim] [file ...]. Counterpart: usr.bin/cut.
 *
 * -c counts UTF-8 sequences, -b bytes.
 */
#include "util.h"

static unsigned char *wanted; /* [position], from 1 */
static size_t npos, from_on = SIZE_MAX;

static void
parse_list(char *list)
{
	for (char *w = strtok(list, ", \t"); w != NULL; w = strtok(NULL, ", \t")) {
		char *end = w;
		size_t a = 1, b;

		if (isdigit((unsigned char)*w))
			a = strtoul(w, &end, 10);
		else if (*w != '-' || !isdigit((unsigned char)w[1]))
			errx(1, "[-bcf] list: illegal list value");
		b = a;
		if (*end == '-') {
			char *rest = end + 1;

			if (*rest == '\0') {
				b = 0;
				end = rest;
			} else
				b = strtoul(rest, &end, 10);
		}
		if (*end != '\0' || a == 0 || (b != 0 && b < a) || a > 1 << 20 || b > 1 << 20)
			errx(1, "[-bcf] list: illegal list value");
		if (b == 0) {
			if (a < from_on)
				from_on = a;
			continue;
		}
		if (b >= npos) {
			wanted = xrealloc(wanted, b + 1);
			memset(wanted + npos, 0, b + 1 - npos);
			npos = b + 1;
		}
		memset(wanted + a, 1, b - a + 1);
	}
}

static bool
is_wanted(size_t pos)
{
	return pos >= from_on || (pos < npos && wanted[pos]);
}

static void
cut_chars(const struct sbuf *b, bool bytes)
{
	size_t pos = 0;

	for (size_t i = 0; i < b->len; i++) {
		if (bytes || ((unsigned char)b->s[i] & 0xc0) != 0x80)
			pos++;
		if (is_wanted(pos))
			putchar(b->s[i]);
	}
}

static bool
cut_fields(const struct sbuf *b, char delim, bool blanks, bool only)
{
	const char *s = b->s, *end = s + b->len;
	bool out = false, found = false;

	for (const char *c = s; c < end && !found; c++)
		found = blanks ? *c == ' ' || *c == '\t' : *c == delim;
	if (!found) {
		if (only)
			return false;
		fwrite(s, 1, b->len, stdout);
		return true;
	}
	for (size_t f = 1;; f++) {
		const char *e = s;

		while (e < end && !(blanks ? *e == ' ' || *e == '\t' : *e == delim))
			e++;
		if (is_wanted(f)) {
			if (out)
				putchar(blanks ? '\t' : delim);
			fwrite(s, 1, (size_t)(e - s), stdout);
			out = true;
		}
		if (e == end)
			return true;
		s = e + 1;
		while (blanks && s < end && (*s == ' ' || *s == '\t'))
			s++;
	}
}

int
cut_main(int argc, char **argv)
{
	static const char text[] = "cut -b list [-n] [file ...]\n       cut -c list [file ...]\n"
				   "       cut -f list [-s] [-w | -d delim] [file ...]";
	char kind = 0, delim = '\t';
	bool only = false, blanks = false, nl, has_d = false;
	struct sbuf b = { 0 };
	int ch, rc = 0;

	while ((ch = getopt(argc, argv, "b:c:d:f:nsw")) != -1) {
		switch (ch) {
		case 'b':
		case 'c':
		case 'f':
			if (kind != 0)
				usage(1, text);
			kind = (char)ch;
			parse_list(optarg);
			break;
		case 'd':
			if (strlen(optarg) > 1)
				errx(1, "bad delimiter");
			delim = *optarg;
			has_d = true;
			break;
		case 'n': break;
		case 's': only = true; break;
		case 'w': blanks = true; break;
		default: usage(1, text);
		}
	}
	if (kind == 0 || (kind != 'f' && (only || blanks || has_d)) || (blanks && has_d))
		usage(1, text);
	for (int i = optind; i < argc || i == optind; i++) {
		FILE *f = i < argc && strcmp(argv[i], "-") != 0 ? fopen(argv[i], "r") : stdin;

		if (f == NULL) {
			warn("%s", argv[i]);
			rc = 1;
			continue;
		}
		while (read_line(f, &b, '\n', &nl) >= 0) {
			if (kind == 'f') {
				if (!cut_fields(&b, delim, blanks, only))
					continue;
			} else
				cut_chars(&b, kind == 'b');
			putchar('\n');
		}
		if (f != stdin)
			fclose(f);
	}
	return finish(rc);
}
