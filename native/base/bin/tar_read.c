/*
 * tar's reading half: list and extract ustar, pax and old GNU archives.
 *
 * An archive is not trusted: absolute names lose their slash, names with ".." are refused, and a symbolic link that the
 * archive itself put in the way is not followed out of the tree (parents are checked with lstat).
 */
#include "tar.h"

#include <fnmatch.h>

struct member {
	char *name, *link;
	struct stat st;
	long long size;
	char type;
};

static char *pax_path, *pax_link;
static long long pax_size = -1, pax_mtime = -1, pax_uid = -1, pax_gid = -1;
static bool *matched;

static bool
get(void *buf, size_t n)
{
	size_t got = 0;

	while (got < n) {
		ssize_t r = read(tar_fd, (char *)buf + got, n - got);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			err(1, "read");
		if (r == 0) {
			if (got == 0)
				return false;
			errx(1, "Truncated tar archive");
		}
		got += (size_t)r;
	}
	return true;
}

static void
get_data(void *buf, size_t n)
{
	char pad[TAR_BLOCK];

	if (n > 0 && !get(buf, n))
		errx(1, "Truncated tar archive");
	if (n % TAR_BLOCK != 0 && !get(pad, TAR_BLOCK - n % TAR_BLOCK))
		errx(1, "Truncated tar archive");
}

static void
skip_data(long long size)
{
	static char buf[64 * TAR_BLOCK];

	size = (size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
	if (size > 0 && lseek(tar_fd, 0, SEEK_CUR) >= 0 && lseek(tar_fd, size, SEEK_CUR) >= 0)
		return;
	for (; size > 0; size -= size < (long long)sizeof(buf) ? size : (long long)sizeof(buf))
		if (!get(buf, size < (long long)sizeof(buf) ? (size_t)size : sizeof(buf)))
			errx(1, "Truncated tar archive");
}

static long long
field(const char *p, size_t n)
{
	long long v = 0;

	if ((unsigned char)*p & 0x80) {
		v = *p & 0x3f;
		for (size_t i = 1; i < n; i++) {
			if (v > LLONG_MAX >> 8)
				errx(1, "Damaged tar archive");
			v = v << 8 | (unsigned char)p[i];
		}
		return v;
	}
	while (n > 0 && (*p == ' ' || *p == '\0')) {
		p++;
		n--;
	}
	for (; n > 0 && *p >= '0' && *p <= '7'; p++, n--)
		v = v * 8 + (*p - '0');
	return v;
}

static void
parse_pax(char *p, size_t n)
{
	char *end = p + n;

	while (p < end) {
		char *rec = p, *key, *eq;
		size_t len = strtoul(p, &key, 10);

		if (len < 5 || len > (size_t)(end - p) || *key != ' ' || rec[len - 1] != '\n' || (eq = strchr(key, '=')) == NULL ||
		    eq >= rec + len)
			errx(1, "Damaged pax header");
		key++;
		*eq++ = '\0';
		rec[len - 1] = '\0';
		if (strcmp(key, "path") == 0)
			pax_path = xstrdup(eq);
		else if (strcmp(key, "linkpath") == 0)
			pax_link = xstrdup(eq);
		else if (strcmp(key, "size") == 0)
			pax_size = strtoll(eq, NULL, 10);
		else if (strcmp(key, "mtime") == 0)
			pax_mtime = strtoll(eq, NULL, 10);
		else if (strcmp(key, "uid") == 0)
			pax_uid = strtoll(eq, NULL, 10);
		else if (strcmp(key, "gid") == 0)
			pax_gid = strtoll(eq, NULL, 10);
		p += len;
	}
}

/* The next member's header, extensions folded in; false at the end. */
static bool
next_member(struct member *m)
{
	static const mode_t types[] = { S_IFREG, S_IFREG, S_IFLNK, S_IFCHR, S_IFBLK, S_IFDIR, S_IFIFO, S_IFREG };
	struct tar_header h;

	pax_path = pax_link = NULL;
	pax_size = pax_mtime = pax_uid = pax_gid = -1;
	for (;;) {
		char *buf;

		if (!get(&h, sizeof(h)))
			return false;
		if (h.name[0] == '\0' && tar_checksum(&h) == 8 * ' ')
			return false;
		if ((unsigned)field(h.chksum, sizeof(h.chksum)) != tar_checksum(&h))
			errx(1, "Unrecognized archive format or damaged header");
		m->size = field(h.size, sizeof(h.size));
		if (h.typeflag != 'x' && h.typeflag != 'g' && h.typeflag != 'L' && h.typeflag != 'K')
			break;
		if (m->size > 1 << 20)
			errx(1, "Damaged tar archive: extended header too large");
		buf = xmalloc((size_t)m->size + 1);
		get_data(buf, (size_t)m->size);
		buf[m->size] = '\0';
		if (h.typeflag == 'x')
			parse_pax(buf, (size_t)m->size);
		else if (h.typeflag == 'L')
			pax_path = xstrdup(buf);
		else if (h.typeflag == 'K')
			pax_link = xstrdup(buf);
		free(buf);
	}
	if (pax_path != NULL)
		m->name = pax_path;
	else {
		char *name = xstrndup(h.name, strnlen(h.name, sizeof(h.name)));
		char *prefix = xstrndup(h.prefix, strnlen(h.prefix, sizeof(h.prefix)));

		/* Old GNU archives keep other things where ustar has the prefix. */
		m->name = prefix[0] != '\0' && memcmp(h.magic, "ustar", 6) == 0 ? path_join(prefix, name) : xstrdup(name);
		free(name);
		free(prefix);
	}
	m->link = pax_link != NULL ? pax_link : xstrndup(h.linkname, strnlen(h.linkname, sizeof(h.linkname)));
	m->type = h.typeflag == '\0' ? '0' : h.typeflag;
	if (m->type == '0' && m->name[0] != '\0' && m->name[strlen(m->name) - 1] == '/')
		m->type = '5';
	memset(&m->st, 0, sizeof(m->st));
	m->st.st_mode = (mode_t)((field(h.mode, sizeof(h.mode)) & 07777) | (m->type >= '0' && m->type <= '7' ? types[m->type - '0'] : S_IFREG));
	m->st.st_uid = (uid_t)(pax_uid >= 0 ? pax_uid : field(h.uid, sizeof(h.uid)));
	m->st.st_gid = (gid_t)(pax_gid >= 0 ? pax_gid : field(h.gid, sizeof(h.gid)));
	m->st.st_mtim.tv_sec = (time_t)(pax_mtime >= 0 ? pax_mtime : field(h.mtime, sizeof(h.mtime)));
	m->st.st_rdev = makedev((unsigned)field(h.devmajor, sizeof(h.devmajor)), (unsigned)field(h.devminor, sizeof(h.devminor)));
	if (pax_size >= 0)
		m->size = pax_size;
	if (m->type >= '1' && m->type <= '6')
		m->size = 0;
	if (m->size < 0)
		errx(1, "Damaged tar archive");
	m->st.st_size = m->size;
	return true;
}

static bool
selected(const char *name)
{
	bool hit = tar.npatterns == 0;
	char *plain = xstrdup(name);

	strip_slashes(plain);
	for (int i = 0; i < tar.npatterns; i++) {
		char *pat = xstrdup(tar.patterns[i]);
		size_t n;

		strip_slashes(pat);
		n = strlen(pat);
		if (fnmatch(pat, plain, 0) == 0 || (strncmp(pat, plain, n) == 0 && plain[n] == '/'))
			hit = matched[i] = true;
		free(pat);
	}
	free(plain);
	return hit && !tar_excluded(name);
}

/* Where a member goes, or NULL if it must not or need not. */
static char *
safe_path(const char *name)
{
	char *path;

	for (long i = 0; i < tar.strip; i++) {
		if ((name = strchr(name, '/')) == NULL)
			return NULL;
		name += strspn(name, "/");
	}
	while (*name == '/')
		name++;
	if (*name == '\0')
		return NULL;
	path = xstrdup(name);
	strip_slashes(path);
	for (const char *p = path; p != NULL; p = strchr(p, '/')) {
		p += *p == '/';
		if (p[0] == '.' && p[1] == '.' && (p[2] == '/' || p[2] == '\0')) {
			warnx("%s: Path contains '..'", name);
			tar_status = 1;
			return NULL;
		}
	}
	return path;
}

/* Makes the directories above; false if a link or a file is in the way. */
static bool
make_parents(char *path)
{
	for (char *s = strchr(path, '/'); s != NULL; s = strchr(s + 1, '/')) {
		struct stat st;
		bool ok;

		*s = '\0';
		ok = lstat(path, &st) == 0 ? S_ISDIR(st.st_mode) : mkdir(path, 0777) == 0;
		if (!ok) {
			warnx("%s: Cannot extract through %s", path, S_ISLNK(st.st_mode) ? "symlink" : "this");
			*s = '/';
			return false;
		}
		*s = '/';
	}
	return true;
}

struct late {
	char *path;
	struct stat st;
	struct late *next;
};
static struct late *dirs;

static int
set_attributes(const char *path, const struct stat *st)
{
	struct timespec ts[2] = { { 0, UTIME_NOW }, st->st_mtim };
	mode_t mode = st->st_mode & 07777, mask = umask(0);
	int rc = 0;

	umask(mask);
	if (geteuid() == 0 || tar.preserve) {
		if (lchown(path, st->st_uid, st->st_gid) != 0) {
			mode &= ~(mode_t)06000;
			rc = geteuid() == 0;
		}
	} else
		mode &= ~mask & 0777;
	if (!S_ISLNK(st->st_mode) && chmod(path, mode) != 0)
		rc = 1;
	if (!tar.no_mtime && utimensat(AT_FDCWD, path, ts, AT_SYMLINK_NOFOLLOW) != 0)
		rc = 1;
	if (rc != 0)
		warn("%s: Can't restore attributes", path);
	return rc;
}

static bool
extract_data(const struct member *m, int fd, const char *path)
{
	static char buf[64 * TAR_BLOCK];
	bool ok = true;

	for (long long left = m->size; left > 0;) {
		size_t n = left < (long long)sizeof(buf) ? (size_t)left : sizeof(buf);

		get_data(buf, n);
		if (ok && write_all(fd, buf, n) != 0) {
			warn("%s: Write failed", path);
			ok = false;
		}
		left -= (long long)n;
	}
	return ok;
}

static void
extract(const struct member *m)
{
	char *path = safe_path(m->name), *link = NULL;
	struct stat st;
	bool ok = true;
	int fd;

	if (tar.to_stdout && m->type == '0') {
		fflush(stdout);
		extract_data(m, STDOUT_FILENO, "stdout");
		return;
	}
	if (path == NULL || tar.to_stdout || !make_parents(path)) {
		if (path != NULL && !tar.to_stdout)
			tar_status = 1;
		skip_data(m->size);
		return;
	}
	if (tar.verbose)
		fprintf(stderr, "x %s\n", m->name);
	if (m->type == '5') {
		struct late *d;

		if (mkdir(path, 0700 | (m->st.st_mode & 0777)) != 0 && (errno != EEXIST || lstat(path, &st) != 0 || !S_ISDIR(st.st_mode))) {
			warn("%s: Can't create", path);
			tar_status = 1;
			return;
		}
		/* Modes and times of directories come last, or filling them would be refused and change them. */
		d = xmalloc(sizeof(*d));
		d->path = path;
		d->st = m->st;
		d->next = dirs;
		dirs = d;
		return;
	}
	if (lstat(path, &st) == 0) {
		if (tar.keep_old || S_ISDIR(st.st_mode)) {
			if (!tar.keep_old) {
				warnx("%s: Can't replace existing directory", path);
				tar_status = 1;
			}
			skip_data(m->size);
			return;
		}
		unlink(path);
	}
	switch (m->type) {
	case '1':
		link = safe_path(m->link);
		ok = link != NULL && linkat(AT_FDCWD, link, AT_FDCWD, path, 0) == 0;
		break;
	case '2': ok = symlink(m->link, path) == 0; break;
	case '3':
	case '4': ok = mknod(path, m->st.st_mode, m->st.st_rdev) == 0; break;
	case '6': ok = mkfifo(path, m->st.st_mode & 0777) == 0; break;
	default:
		if ((fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600)) < 0) {
			warn("%s: Can't create", path);
			tar_status = 1;
			skip_data(m->size);
			return;
		}
		if (!extract_data(m, fd, path) || close(fd) != 0)
			tar_status = 1;
		break;
	}
	if (!ok) {
		warn("%s: Can't create", path);
		tar_status = 1;
	} else if (m->type != '1')
		tar_status |= set_attributes(path, &m->st);
}

void
tar_read(char mode)
{
	struct member m;

	matched = xmalloc((size_t)tar.npatterns + 1);
	memset(matched, 0, (size_t)tar.npatterns + 1);
	while (next_member(&m)) {
		if (!selected(m.name)) {
			skip_data(m.size);
			continue;
		}
		if (mode == 'x')
			extract(&m);
		else {
			if (tar.verbose)
				tar_put_long(m.name, &m.st, m.link);
			else
				puts(m.name);
			skip_data(m.size);
		}
	}
	for (; dirs != NULL; dirs = dirs->next)
		tar_status |= set_attributes(dirs->path, &dirs->st);
	for (int i = 0; i < tar.npatterns; i++)
		if (!matched[i]) {
			warnx("%s: Not found in archive", tar.patterns[i]);
			tar_status = 1;
		}
}
