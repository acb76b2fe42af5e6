/*
 * tar -c | -t | -x [-v] [-f archive] [-C dir] ...: archives in the ustar format. Counterpart: usr.bin/tar.
 *
 * Written: ustar, with a pax header where a name, a link or a size does not fit. Compression (-z -j -J) is refused.
 */
#include "tar.h"

#include <fnmatch.h>
#include <stddef.h>

struct tar_opts tar;
int tar_fd, tar_status;

static struct stat archive_st; /* the archive does not archive itself */

static struct link {
	dev_t dev;
	ino_t ino;
	struct link *next;
	char name[];
} *links;

unsigned
tar_checksum(const struct tar_header *h)
{
	const unsigned char *p = (const unsigned char *)h;
	unsigned sum = 0;

	/* The checksum's own field counts as blanks. */
	for (size_t i = 0; i < sizeof(*h); i++)
		sum += i >= offsetof(struct tar_header, chksum) && i < offsetof(struct tar_header, typeflag) ? ' ' : p[i];
	return sum;
}

bool
tar_excluded(const char *path)
{
	for (int i = 0; i < tar.nexcludes; i++)
		if (fnmatch(tar.excludes[i], path, 0) == 0 || fnmatch(tar.excludes[i], base_name(path), 0) == 0)
			return true;
	return false;
}

void
tar_put_long(const char *name, const struct stat *st, const char *link)
{
	FILE *f = tar_fd == STDOUT_FILENO || tar.to_stdout ? stderr : stdout;
	char mode[12], when[64];
	time_t t = st->st_mtim.tv_sec;

	mode_string(st->st_mode, mode);
	strftime(when, sizeof(when), "%b %e %H:%M %Y", localtime(&t));
	fprintf(f, "%s %3d %-8s %-8s %9lld %s %s", mode, 0, user_name(st->st_uid), group_name(st->st_gid),
	    (long long)(S_ISREG(st->st_mode) ? st->st_size : 0), when, name);
	if (link != NULL && *link != '\0')
		fprintf(f, S_ISLNK(st->st_mode) ? " -> %s" : " link to %s", link);
	fputc('\n', f);
}

static void
put_blocks(const void *p, size_t n)
{
	static const char zero[TAR_BLOCK];
	size_t rest = n % TAR_BLOCK;

	if (write_all(tar_fd, p, n) != 0 || (rest != 0 && write_all(tar_fd, zero, TAR_BLOCK - rest) != 0))
		err(1, "write");
}

static bool
octal(char *field, size_t size, unsigned long long v)
{
	char buf[32];
	int n = snprintf(buf, sizeof(buf), "%0*llo", (int)size - 1, v);

	if (n > (int)size - 1) {
		memset(field, '7', size - 1);
		return false;
	}
	memcpy(field, buf, (size_t)n);
	return true;
}

/* One "len key=value\n" record of a pax header; len counts itself. */
static void
pax_record(struct sbuf *b, const char *key, const char *value)
{
	size_t base = strlen(key) + strlen(value) + 3, len = base + 1;
	char num[24];

	while (base + (size_t)snprintf(num, sizeof(num), "%zu", len) != len)
		len = base + strlen(num);
	sb_puts(b, num);
	sb_putc(b, ' ');
	sb_puts(b, key);
	sb_putc(b, '=');
	sb_puts(b, value);
	sb_putc(b, '\n');
}

static void
seal(struct tar_header *h)
{
	memcpy(h->magic, "ustar", 6);
	memcpy(h->version, "00", 2);
	snprintf(h->chksum, sizeof(h->chksum), "%06o", tar_checksum(h));
	h->chksum[7] = ' ';
}

/* Name in two parts, at a slash, if it needs that; false if it does not fit. */
static bool
set_name(struct tar_header *h, const char *name)
{
	size_t n = strlen(name);

	if (n <= sizeof(h->name)) {
		memcpy(h->name, name, n);
		return true;
	}
	for (size_t i = n - 1; i > 0; i--)
		if (name[i] == '/' && i <= sizeof(h->prefix) && n - i - 1 <= sizeof(h->name) && n - i - 1 > 0) {
			memcpy(h->prefix, name, i);
			memcpy(h->name, name + i + 1, n - i - 1);
			return true;
		}
	memcpy(h->name, name, sizeof(h->name));
	return false;
}

static void
put_header(const char *name, const struct stat *st, char type, const char *link)
{
	struct tar_header h, x;
	struct sbuf pax = { 0 };
	char num[32];

	memset(&h, 0, sizeof(h));
	sb_reset(&pax);
	if (!set_name(&h, name))
		pax_record(&pax, "path", name);
	if (strlen(link) <= sizeof(h.linkname))
		memcpy(h.linkname, link, strlen(link));
	else {
		memcpy(h.linkname, link, sizeof(h.linkname));
		pax_record(&pax, "linkpath", link);
	}
	octal(h.mode, sizeof(h.mode), st->st_mode & 07777);
	if (!octal(h.uid, sizeof(h.uid), st->st_uid)) {
		snprintf(num, sizeof(num), "%u", (unsigned)st->st_uid);
		pax_record(&pax, "uid", num);
	}
	if (!octal(h.gid, sizeof(h.gid), st->st_gid)) {
		snprintf(num, sizeof(num), "%u", (unsigned)st->st_gid);
		pax_record(&pax, "gid", num);
	}
	if (!octal(h.size, sizeof(h.size), type == '0' ? (unsigned long long)st->st_size : 0)) {
		snprintf(num, sizeof(num), "%lld", (long long)st->st_size);
		pax_record(&pax, "size", num);
	}
	octal(h.mtime, sizeof(h.mtime), st->st_mtim.tv_sec < 0 ? 0 : (unsigned long long)st->st_mtim.tv_sec);
	h.typeflag = type;
	snprintf(h.uname, sizeof(h.uname), "%s", user_name(st->st_uid));
	snprintf(h.gname, sizeof(h.gname), "%s", group_name(st->st_gid));
	octal(h.devmajor, sizeof(h.devmajor), type == '3' || type == '4' ? major(st->st_rdev) : 0);
	octal(h.devminor, sizeof(h.devminor), type == '3' || type == '4' ? minor(st->st_rdev) : 0);
	if (pax.len > 0) {
		x = h;
		memset(x.name, 0, sizeof(x.name));
		memset(x.prefix, 0, sizeof(x.prefix));
		memset(x.linkname, 0, sizeof(x.linkname));
		snprintf(x.name, sizeof(x.name), "PaxHeader/%.80s", base_name(name));
		octal(x.size, sizeof(x.size), pax.len);
		x.typeflag = 'x';
		seal(&x);
		put_blocks(&x, sizeof(x));
		put_blocks(pax.s, pax.len);
	}
	seal(&h);
	put_blocks(&h, sizeof(h));
	free(pax.s);
}

/* The file's bytes; one that shrank meanwhile is filled up with zeroes, since its size is written already. */
static void
put_data(const char *path, int fd, off_t size)
{
	static char buf[64 * TAR_BLOCK];
	off_t left = size;

	while (left > 0) {
		size_t want = left < (off_t)sizeof(buf) ? (size_t)left : sizeof(buf), got = 0;

		while (got < want) {
			ssize_t n = read(fd, buf + got, want - got);

			if (n < 0 && errno == EINTR)
				continue;
			if (n <= 0) {
				if (n < 0)
					warn("%s", path);
				else
					warnx("%s: file shrank, padding with zeroes", path);
				tar_status = 1;
				memset(buf + got, 0, want - got);
				break;
			}
			got += (size_t)n;
		}
		put_blocks(buf, want);
		left -= (off_t)want;
	}
}

static const char *
seen_link(const struct stat *st, const char *name)
{
	struct link *l = links;

	while (l != NULL && (l->dev != st->st_dev || l->ino != st->st_ino))
		l = l->next;
	if (l != NULL)
		return l->name;
	l = xmalloc(sizeof(*l) + strlen(name) + 1);
	l->dev = st->st_dev;
	l->ino = st->st_ino;
	strcpy(l->name, name);
	l->next = links;
	links = l;
	return NULL;
}

static int
add(struct wnode *w, void *arg)
{
	const char *name = w->path, *first;
	char link[PATH_MAX + 1] = "", *dirname = NULL;
	char type = '0';
	int fd = -1;
	ssize_t n;

	(void)arg;
	if (w->type == W_NOSTAT || w->type == W_NOREAD) {
		errno = w->error;
		warn("%s", w->path);
		tar_status = 1;
		return WALK_GO;
	}
	if (w->type == W_CYCLE || tar_excluded(w->path))
		return WALK_SKIP;
	if (w->st.st_dev == archive_st.st_dev && w->st.st_ino == archive_st.st_ino && S_ISREG(archive_st.st_mode)) {
		warnx("%s: can't add archive to itself", w->path);
		return WALK_GO;
	}
	while (*name == '/')
		name++;
	if (*name == '\0')
		name = ".";
	if (S_ISDIR(w->st.st_mode)) {
		type = '5';
		name = dirname = path_join(name, "");
	} else if (S_ISLNK(w->st.st_mode)) {
		type = '2';
		if ((n = readlink(w->path, link, sizeof(link) - 1)) < 0) {
			warn("%s", w->path);
			tar_status = 1;
			return WALK_GO;
		}
		link[n] = '\0';
	} else if (S_ISCHR(w->st.st_mode))
		type = '3';
	else if (S_ISBLK(w->st.st_mode))
		type = '4';
	else if (S_ISFIFO(w->st.st_mode))
		type = '6';
	else if (!S_ISREG(w->st.st_mode)) {
		warnx("%s: tar format cannot archive socket", w->path);
		tar_status = 1;
		return WALK_GO;
	}
	if (type != '5' && w->st.st_nlink > 1 && (first = seen_link(&w->st, name)) != NULL) {
		type = '1';
		snprintf(link, sizeof(link), "%s", first);
	}
	if (type == '0' && (fd = open(w->path, O_RDONLY)) < 0) {
		warn("%s", w->path);
		tar_status = 1;
		return WALK_GO;
	}
	put_header(name, &w->st, type, link);
	if (tar.verbose)
		fprintf(stderr, "a %s\n", w->path);
	if (fd >= 0) {
		put_data(w->path, fd, w->st.st_size);
		close(fd);
	}
	free(dirname);
	return WALK_GO;
}

static void
create(char **av)
{
	static const char zero[2 * TAR_BLOCK];

	if (fstat(tar_fd, &archive_st) != 0)
		err(1, "archive");
	for (; *av != NULL; av++) {
		if (strcmp(*av, "-C") == 0 && av[1] != NULL) {
			if (chdir(*++av) != 0)
				err(1, "could not chdir to '%s'", *av);
			continue;
		}
		walk(*av, WALK_SORT | (tar.follow ? WALK_LOGICAL : 0), add, NULL);
	}
	if (write_all(tar_fd, zero, sizeof(zero)) != 0)
		err(1, "write");
}

int
tar_main(int argc, char **argv)
{
	static const char text[] = "tar -c [-hv] [-f archive] [-C dir] [--exclude pattern] file ...\n"
				   "       tar -t [-v] [-f archive] [member ...]\n"
				   "       tar -x [-kmOpv] [-f archive] [-C dir] [member ...]";
	const char *archive = NULL, *dir = NULL;
	char mode = 0;
	int ch, fd;
	char **av;
	int ac = 0;

	/* "tar cvf a b": the letters' arguments follow in their order; made into options of their own. */
	if (argc > 1 && argv[1][0] != '-') {
		char **old = xmalloc((size_t)(argc + 2 + (int)strlen(argv[1])) * 2 * sizeof(*old));
		int next = 2, k = 0;

		old[k++] = argv[0];
		for (const char *c = argv[1]; *c != '\0'; c++) {
			char *o = xmalloc(3);

			sprintf(o, "-%c", *c);
			old[k++] = o;
			if (strchr("fCbT", *c) != NULL) {
				if (next >= argc)
					usage(1, text);
				old[k++] = argv[next++];
			}
		}
		while (next < argc)
			old[k++] = argv[next++];
		old[k] = NULL;
		argv = old;
		argc = k;
	}
	av = xmalloc((size_t)(argc + 1) * sizeof(*av));
	/* --exclude[=]pattern and --strip-components n are taken out first. */
	for (int i = 0; i < argc; i++) {
		char *val;

		if (strncmp(argv[i], "--", 2) != 0 || argv[i][2] == '\0') {
			av[ac++] = argv[i];
			continue;
		}
		if ((val = strchr(argv[i], '=')) != NULL)
			*val++ = '\0';
		else
			val = argv[i + 1];
		if ((strcmp(argv[i], "--exclude") != 0 && strcmp(argv[i], "--strip-components") != 0) || val == NULL)
			errx(1, "Option %s is not supported", argv[i]);
		if (argv[i][2] == 'e') {
			tar.excludes = xrealloc(tar.excludes, (size_t)(tar.nexcludes + 1) * sizeof(*tar.excludes));
			tar.excludes[tar.nexcludes++] = val;
		} else
			tar.strip = (long)parse_num(val, 0, 1000, "--strip-components");
		i += val == argv[i + 1];
	}
	av[ac] = NULL;
	while ((ch = getopt(ac, av, "+b:C:cf:hJjkLlmnOoPprtuvxyzZ")) != -1) {
		switch (ch) {
		case 'b': case 'l': case 'n': case 'o': case 'P': break;
		case 'C': dir = optarg; break;
		case 'c': case 't': case 'x':
			if (mode != 0 && mode != ch)
				errx(1, "Can't specify both -%c and -%c", mode, ch);
			mode = (char)ch;
			break;
		case 'f': archive = optarg; break;
		case 'h':
		case 'L': tar.follow = true; break;
		case 'k': tar.keep_old = true; break;
		case 'm': tar.no_mtime = true; break;
		case 'O': tar.to_stdout = true; break;
		case 'p': tar.preserve = true; break;
		case 'v': tar.verbose = true; break;
		case 'r': case 'u': errx(1, "-%c: appending is not supported", ch);
		case 'J': case 'j': case 'y': case 'z': case 'Z': errx(1, "-%c: compression is not supported", ch);
		default: usage(1, text);
		}
	}
	if (mode == 0)
		errx(1, "Must specify one of -c, -t, -x");
	av += optind;
	if (archive == NULL || strcmp(archive, "-") == 0)
		tar_fd = mode == 'c' ? STDOUT_FILENO : STDIN_FILENO;
	else {
		fd = mode == 'c' ? open(archive, O_WRONLY | O_CREAT | O_TRUNC, 0666) : open(archive, O_RDONLY);
		if (fd < 0)
			err(1, "Error opening archive: Failed to open '%s'", archive);
		tar_fd = fd;
	}
	if (mode == 'c' && *av == NULL)
		errx(1, "no files or directories specified");
	if (dir != NULL && chdir(dir) != 0)
		err(1, "could not chdir to '%s'", dir);
	if (mode == 'c') {
		create(av);
		return finish(tar_status);
	}
	tar.patterns = av;
	while (av[tar.npatterns] != NULL)
		tar.npatterns++;
	tar_read(mode);
	return finish(tar_status);
}
