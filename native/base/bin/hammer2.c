/*
 * hammer2 [-qv] [-m mem] [-s path] directive [argument ...]: PFSs, snapshots, space and settings of mounted HAMMER2 file
 * systems, by ioctl. Counterpart: sbin/hammer2.
 */
#include "util.h"

#include <sys/hammer2.h>
#include <sys/mount.h>

static const char *sel_path; /* -s */
static bool recurse, quiet;
static uint64_t memory;
static int pfs_kind; /* -t */
static struct uuid cluster; /* -u */
static bool have_cluster;

static const char *const comp_names[] = { "none", "autozero", "lz4", "zlib" };
static const char *const check_names[] = { "none", "disabled", "crc32", "xxhash64", "sha192" };

static int
h2_open(const char *path)
{
	int fd;

	if (path == NULL)
		path = sel_path != NULL ? sel_path : ".";
	fd = open(path, O_RDONLY);
	if (fd < 0)
		warn("%s", path);
	return fd;
}

/* The system's word for an ioctl that failed; another file system does not know them. */
static int
failed(const char *what)
{
	if (errno == ENOTTY || errno == EOPNOTSUPP)
		warnx("%s: not a HAMMER2 file system", what);
	else
		warn("%s", what);
	return 1;
}

/* One ioctl on `path` (NULL: -s or the current directory). */
static int
h2_ioctl(const char *path, unsigned long cmd, void *arg, const char *what)
{
	int fd = h2_open(path);
	int r;

	if (fd < 0)
		return 1;
	r = ioctl(fd, cmd, arg);
	if (r < 0)
		failed(what);
	close(fd);
	return r < 0;
}

static const char *
pfs_type(const struct hammer2_ioc_pfs *p, char *buf, size_t size)
{
	if (p->pfs_subtype == HAMMER2_PFSSUBTYPE_SNAPSHOT)
		return "SNAPSHOT";
	if (p->pfs_subtype == HAMMER2_PFSSUBTYPE_AUTOSNAP)
		return "AUTOSNAP";
	switch (p->pfs_type) {
	case HAMMER2_PFSTYPE_CACHE:
		return "CACHE";
	case HAMMER2_PFSTYPE_SLAVE:
		return "SLAVE";
	case HAMMER2_PFSTYPE_SOFT_SLAVE:
		return "SOFT_SLAVE";
	case HAMMER2_PFSTYPE_SOFT_MASTER:
		return "SOFT_MASTER";
	case HAMMER2_PFSTYPE_MASTER:
		return "MASTER";
	}
	snprintf(buf, size, "%02x", p->pfs_type);
	return buf;
}

static void
print_uuid(const struct uuid *u)
{
	printf("%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x", u->time_low, u->time_mid, u->time_hi_and_version,
	    u->clock_seq_hi_and_reserved, u->clock_seq_low, u->node[0], u->node[1], u->node[2], u->node[3], u->node[4],
	    u->node[5]);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct hammer2_ioc_pfs *)a)->name, ((const struct hammer2_ioc_pfs *)b)->name);
}

static int
pfs_list(const char *path)
{
	struct hammer2_ioc_pfs *list = NULL;
	struct hammer2_ioc_pfs p;
	size_t n = 0;
	char buf[8];
	int fd = h2_open(path);

	if (fd < 0)
		return 1;
	memset(&p, 0, sizeof(p));
	while ((p.name_key = p.name_next) != UINT64_MAX) {
		if (ioctl(fd, HAMMER2IOC_PFS_GET, &p) < 0) {
			close(fd);
			return failed("pfs-list");
		}
		list = xrealloc(list, (n + 1) * sizeof(p));
		list[n++] = p;
	}
	close(fd);
	qsort(list, n, sizeof(p), by_name);
	if (!quiet)
		printf("%-11s %-36s %s\n", "Type", "ClusterId (pfs_clid)", "Label");
	for (size_t i = 0; i < n; i++) {
		printf("%-11s ", pfs_type(&list[i], buf, sizeof(buf)));
		print_uuid(&list[i].pfs_clid);
		printf(" %s\n", list[i].name);
	}
	free(list);
	return 0;
}

static void
pfs_named(struct hammer2_ioc_pfs *p, const char *label)
{
	memset(p, 0, sizeof(*p));
	if (*label == '\0' || strlen(label) >= sizeof(p->name))
		errx(EXIT_USAGE, "%s: bad label", label);
	strlcpy(p->name, label, sizeof(p->name));
}

static int
pfs_op(unsigned long cmd, const char *path, const char *label)
{
	struct hammer2_ioc_pfs p;

	pfs_named(&p, label);
	return h2_ioctl(path, cmd, &p, label);
}

static const struct {
	const char *name;
	int type;
} pfs_types[] = { { "cache", HAMMER2_PFSTYPE_CACHE }, { "slave", HAMMER2_PFSTYPE_SLAVE },
	{ "soft-slave", HAMMER2_PFSTYPE_SOFT_SLAVE }, { "soft-master", HAMMER2_PFSTYPE_SOFT_MASTER },
	{ "master", HAMMER2_PFSTYPE_MASTER } };

static int
find_type(const char *s)
{
	for (size_t i = 0; i < NELEM(pfs_types); i++)
		if (strcasecmp(pfs_types[i].name, s) == 0)
			return pfs_types[i].type;
	errx(EXIT_USAGE, "%s: master, slave, soft-master, soft-slave or cache expected", s);
}

/* Text form, 8-4-4-4-12 digits; fields of a uuid are little endian in memory. */
static void
parse_uuid(const char *s)
{
	static const uint8_t place[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
	uint8_t *out = (uint8_t *)&cluster;
	size_t n = 0;

	for (const char *p = s; *p != '\0'; p++) {
		const char *digits = "0123456789abcdef";
		const char *d;

		if (*p == '-' && (p - s == 8 || p - s == 13 || p - s == 18 || p - s == 23))
			continue;
		d = strchr(digits, tolower((unsigned char)*p));
		if (d == NULL || n >= 32)
			errx(EXIT_USAGE, "%s: bad uuid", s);
		if (n % 2 == 0)
			out[place[n / 2]] = 0;
		out[place[n / 2]] = (uint8_t)(out[place[n / 2]] << 4 | (d - digits));
		n++;
	}
	if (n != 32)
		errx(EXIT_USAGE, "%s: bad uuid", s);
	have_cluster = true;
}

/* With a cluster id and no type: a slave of that cluster. */
static int
pfs_create(const char *label)
{
	struct hammer2_ioc_pfs p;

	pfs_named(&p, label);
	p.pfs_type = (uint8_t)(pfs_kind != 0 ? pfs_kind : have_cluster ? HAMMER2_PFSTYPE_SLAVE : HAMMER2_PFSTYPE_MASTER);
	if (have_cluster)
		p.pfs_clid = cluster;
	return h2_ioctl(NULL, HAMMER2IOC_PFS_CREATE, &p, label);
}

/* Remove an entry, and nothing of what it leads to. */
static int
destroy(const char *path)
{
	struct hammer2_ioc_destroy d;
	const char *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;
	char dir[PATH_MAX];

	memset(&d, 0, sizeof(d));
	d.cmd = HAMMER2_DELETE_FILE;
	if (*name == '\0' || IS_DOT(name) || strlen(name) >= sizeof(d.path) || strlen(path) >= sizeof(dir)) {
		warnx("%s: bad name", path);
		return 1;
	}
	strlcpy(d.path, name, sizeof(d.path));
	if (slash == NULL)
		strlcpy(dir, ".", sizeof(dir));
	else
		strlcpy(dir, path, slash == path ? 2 : (size_t)(slash - path) + 1);
	return h2_ioctl(dir, HAMMER2IOC_DESTROY, &d, path);
}

static int
destroy_inum(const char *s)
{
	struct hammer2_ioc_destroy d;

	memset(&d, 0, sizeof(d));
	d.cmd = HAMMER2_DELETE_INUM;
	d.inum = (uint64_t)parse_num(s, 1, LLONG_MAX, "inode number");
	return h2_ioctl(NULL, HAMMER2IOC_DESTROY, &d, s);
}

/* All versions of `path`, from the root of any PFS of the device, into a directory on that device. */
static int
recover(const char *path, const char *dest, uint32_t flags)
{
	static struct hammer2_ioc_recover r;

	memset(&r, 0, sizeof(r));
	r.flags = flags;
	if (strlen(path) >= sizeof(r.path))
		errx(EXIT_USAGE, "%s: path too long", path);
	strlcpy(r.path, path, sizeof(r.path));
	if (h2_ioctl(dest, HAMMER2IOC_RECOVER, &r, dest) != 0)
		return 1;
	if (!quiet)
		printf("%s: %llu restored\n", path, (unsigned long long)r.count);
	return r.count == 0;
}

/* Verify everything in use; -m is the number of bytes a second. */
static int
scrub(const char *path)
{
	static struct hammer2_ioc_scrub s;
	char bytes[16];

	memset(&s, 0, sizeof(s));
	s.rate = memory;
	if (h2_ioctl(path, HAMMER2IOC_SCRUB, &s, path) != 0)
		return 1;
	for (uint32_t i = 0; i < s.listed; i++)
		printf("%s: PFS %s inode %llu offset %llu: block at 0x%llx: %s\n", path, s.list[i].pfs,
		    (unsigned long long)s.list[i].inum, (unsigned long long)s.list[i].file_offset,
		    (unsigned long long)s.list[i].disk_offset, s.list[i].what);
	humanize(bytes, sizeof(bytes), (long long)s.bytes, false);
	if (!quiet || s.errors > 0)
		printf("%s: %llu blocks, %s, %llu inodes, %llu without check code, %llu errors\n", path,
		    (unsigned long long)s.blocks, bytes, (unsigned long long)s.inodes, (unsigned long long)s.unchecked,
		    (unsigned long long)s.errors);
	return s.errors > 0;
}

static int
pfs_id(const char *label, bool fsid)
{
	struct hammer2_ioc_pfs p;

	pfs_named(&p, label);
	if (h2_ioctl(NULL, HAMMER2IOC_PFS_LOOKUP, &p, label) != 0)
		return 1;
	print_uuid(fsid ? &p.pfs_fsid : &p.pfs_clid);
	printf("\n");
	return 0;
}

/* `<pfs>.YYYYMMDD.hhmmss`, local time, unless a label is given. */
static int
snapshot(const char *path, const char *label)
{
	struct hammer2_ioc_pfs p;
	char buf[320];
	char when[32];
	time_t now = time(NULL);

	if (label == NULL) {
		memset(&p, 0, sizeof(p));
		p.name_key = UINT64_MAX;
		if (h2_ioctl(path, HAMMER2IOC_PFS_GET, &p, path != NULL ? path : ".") != 0)
			return 1;
		strftime(when, sizeof(when), "%Y%m%d.%H%M%S", localtime(&now));
		snprintf(buf, sizeof(buf), "%s.%s", p.name, when);
		label = buf;
	}
	if (pfs_op(HAMMER2IOC_PFS_SNAPSHOT, path, label) != 0)
		return 1;
	if (!quiet)
		printf("created snapshot %s\n", label);
	return 0;
}

static int
inode_stat(char **paths, int n)
{
	struct hammer2_ioc_inode ino;
	char data[16], inodes[16], comp[24];
	int code = 0;

	if (!quiet)
		printf("%-24s %9s %9s  %-12s %s\n", "PATH", "data-use", "inode-use", "comp", "check");
	for (int i = 0; i < n; i++) {
		unsigned c, k;

		memset(&ino, 0, sizeof(ino));
		if (h2_ioctl(paths[i], HAMMER2IOC_INODE_GET, &ino, paths[i]) != 0) {
			code = 1;
			continue;
		}
		humanize(data, sizeof(data), (long long)ino.data_count, false);
		snprintf(inodes, sizeof(inodes), "%llu", (unsigned long long)ino.inode_count);
		c = ino.ip.comp_algo & 15;
		k = ino.ip.check_algo & 15;
		snprintf(comp, sizeof(comp), ino.ip.comp_algo >> 4 != 0 ? "%s:%d" : "%s",
		    c < NELEM(comp_names) ? comp_names[c] : "unknown", ino.ip.comp_algo >> 4);
		printf("%-24s %9s %9s  %-12s %s\n", paths[i], data, inodes, comp,
		    k < NELEM(check_names) ? check_names[k] : "unknown");
	}
	return code;
}

struct setting {
	uint32_t flag;
	uint8_t value;
};

static int
set_one(struct wnode *w, void *arg)
{
	const struct setting *s = arg;
	struct hammer2_ioc_inode ino;

	if (w->type == W_DP || w->type == W_SYMLINK || w->type == W_BADLINK)
		return WALK_GO;
	if (w->type == W_NOSTAT || w->type == W_NOREAD) {
		errno = w->error;
		warn("%s", w->path);
		return WALK_STOP;
	}
	memset(&ino, 0, sizeof(ino));
	ino.flags = s->flag;
	if (s->flag == HAMMER2IOC_INODE_FLAG_COMP)
		ino.ip.comp_algo = s->value;
	else
		ino.ip.check_algo = s->value;
	if (h2_ioctl(w->path, HAMMER2IOC_INODE_SET, &ino, w->path) != 0)
		return WALK_STOP;
	return recurse ? WALK_GO : WALK_SKIP;
}

static int
set_all(uint32_t flag, uint8_t value, char **paths, int n)
{
	struct setting s = { flag, value };
	int code = 0;

	for (int i = 0; i < n; i++)
		code |= walk(paths[i], WALK_SORT, set_one, &s) == WALK_STOP;
	return code;
}

/* Limits of a directory: `none`, or of data=SIZE and inodes=N those that change; 0 is no limit. */
static int
setquota(const char *path, char **specs, int n)
{
	struct hammer2_ioc_inode ino;
	long long num;

	memset(&ino, 0, sizeof(ino));
	for (int i = 0; i < n; i++) {
		if (strcmp(specs[i], "none") == 0) {
			ino.flags = HAMMER2IOC_INODE_FLAG_DQUOTA | HAMMER2IOC_INODE_FLAG_IQUOTA;
			ino.ip.data_quota = ino.ip.inode_quota = 0;
		} else if (strncmp(specs[i], "data=", 5) == 0 && parse_size(specs[i] + 5, &num) && num >= 0) {
			ino.flags |= HAMMER2IOC_INODE_FLAG_DQUOTA;
			ino.ip.data_quota = (uint64_t)num;
		} else if (strncmp(specs[i], "inodes=", 7) == 0) {
			ino.flags |= HAMMER2IOC_INODE_FLAG_IQUOTA;
			ino.ip.inode_quota = (uint64_t)parse_num(specs[i] + 7, 0, LLONG_MAX, "number of inodes");
		} else
			errx(EXIT_USAGE, "%s: data=SIZE, inodes=N or none expected", specs[i]);
	}
	return h2_ioctl(path, HAMMER2IOC_INODE_SET, &ino, path);
}

static void
of_limit(char *buf, size_t size, bool bytes, uint64_t used, uint64_t limit)
{
	char a[16], b[16];

	if (bytes) {
		humanize(a, sizeof(a), (long long)used, false);
		humanize(b, sizeof(b), (long long)limit, false);
	} else {
		snprintf(a, sizeof(a), "%llu", (unsigned long long)used);
		snprintf(b, sizeof(b), "%llu", (unsigned long long)limit);
	}
	snprintf(buf, size, "%s/%s", a, limit == 0 ? "-" : b);
}

static int
quota(char **paths, int n)
{
	struct hammer2_ioc_inode ino;
	char data[40], inodes[40];
	int code = 0;

	if (!quiet)
		printf("%-24s %17s %17s\n", "PATH", "data/limit", "inodes/limit");
	for (int i = 0; i < n; i++) {
		memset(&ino, 0, sizeof(ino));
		if (h2_ioctl(paths[i], HAMMER2IOC_INODE_GET, &ino, paths[i]) != 0) {
			code = 1;
			continue;
		}
		if ((ino.ip.quota_state & 0xff) != 1) {
			printf("%-24s %17s %17s\n", paths[i], "none", "none");
			continue;
		}
		of_limit(data, sizeof(data), true, ino.ip.data_used, ino.ip.data_quota);
		of_limit(inodes, sizeof(inodes), false, ino.ip.inode_used, ino.ip.inode_quota);
		printf("%-24s %17s %17s\n", paths[i], data, inodes);
	}
	return code;
}

static int
find_name(const char *const *names, size_t n, const char *s)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], s) == 0)
			return (int)i;
	return -1;
}

/* `algo[:level]`, level for zlib only. */
static int
setcomp(char *spec, char **paths, int n)
{
	char *colon = strchr(spec, ':');
	long long level = 0;
	int algo;

	if (colon != NULL) {
		*colon = '\0';
		level = parse_num(colon + 1, 6, 9, "compression level");
	}
	algo = find_name(comp_names, NELEM(comp_names), spec);
	if (algo < 0 || (level != 0 && algo != 3))
		errx(EXIT_USAGE, "%s: none, autozero, lz4 or zlib[:6-9] expected", spec);
	return set_all(HAMMER2IOC_INODE_FLAG_COMP, (uint8_t)(algo | (int)level << 4), paths, n);
}

static int
setcheck(const char *name, char **paths, int n)
{
	int algo = strcmp(name, "default") == 0 ? 3 : find_name(check_names, NELEM(check_names), name);

	if (algo < 0)
		errx(EXIT_USAGE, "%s: none, disabled, crc32, xxhash64, sha192 or default expected", name);
	return set_all(HAMMER2IOC_INODE_FLAG_CHECK, (uint8_t)algo, paths, n);
}

static int
bulkfree(const char *path)
{
	struct hammer2_ioc_bulkfree b;
	char freed[16];

	memset(&b, 0, sizeof(b));
	b.size = memory;
	if (h2_ioctl(path, HAMMER2IOC_BULKFREE_SCAN, &b, path) != 0)
		return 1;
	humanize(freed, sizeof(freed), (long long)b.count_freed, false);
	if (!quiet)
		printf("%s: %llu blocks scanned, %s freed\n", path, (unsigned long long)b.total_scanned, freed);
	return 0;
}

/* Once for each device that is mounted. */
static int
cleanup(void)
{
	struct statfs *list;
	int n = getmntinfo(&list, MNT_NOWAIT);
	int code = 0;

	for (int i = 0; i < n; i++) {
		size_t len = strcspn(list[i].f_mntfromname, "@");
		bool seen = false;

		if (strcmp(list[i].f_fstypename, "hammer2") != 0)
			continue;
		for (int j = 0; j < i; j++)
			if (strncmp(list[j].f_mntfromname, list[i].f_mntfromname, len) == 0 && list[j].f_mntfromname[len] == '@')
				seen = true;
		if (!seen)
			code |= bulkfree(list[i].f_mntonname);
	}
	return code;
}

static int
growfs(const char *path)
{
	struct hammer2_ioc_growfs g;

	memset(&g, 0, sizeof(g));
	if (h2_ioctl(path, HAMMER2IOC_GROWFS, &g, path) != 0)
		return 1;
	if (g.modified)
		printf("%s: grown to %llu bytes\n", path, (unsigned long long)g.size);
	else
		printf("%s: no change\n", path);
	return 0;
}

static int
volume_list(const char *path)
{
	struct hammer2_ioc_volume_list l;

	memset(&l, 0, sizeof(l));
	l.nvolumes = 64;
	l.volumes = xmalloc(64 * sizeof(*l.volumes));
	if (h2_ioctl(path, HAMMER2IOC_VOLUME_LIST, &l, path != NULL ? path : ".") != 0)
		return 1;
	printf("%s\n", l.pfs_name);
	printf("version %d\n", l.version);
	for (int i = 0; i < l.nvolumes; i++) {
		const struct hammer2_ioc_volume *v = &l.volumes[i];

		printf("@%d %s offset 0x%016llx size 0x%016llx\n", v->id, v->path, (unsigned long long)v->offset,
		    (unsigned long long)v->size);
	}
	free(l.volumes);
	return 0;
}

static int
emergency(const char *path, int on)
{
	return h2_ioctl(path, HAMMER2IOC_EMERG_MODE, &on, path);
}

static const char usage_text[] =
    "hammer2 [-qr] [-m mem] [-s path] [-t type] [-u uuid] directive [argument ...]\n"
    "  snapshot [path [label]]      pfs-list [path ...]         pfs-create label\n"
    "  pfs-delete label ...         pfs-clid label              pfs-fsid label\n"
    "  stat [path ...]              setcomp algo[:level] path ...\n"
    "  setcheck algo path ...       clrcheck|setcrc32|setxxhash64|setsha192 path ...\n"
    "  quota [dir ...]              setquota dir [data=SIZE] [inodes=N] | none\n"
    "  scrub [path ...]             destroy path ...            destroy-inum inum ...\n"
    "  recover|recover-relaxed|recover-file path dir\n"
    "  bulkfree path                cleanup [path]              growfs [path ...]\n"
    "  volume-list [path ...]       emergency-mode-enable path  emergency-mode-disable path";

/* A directive on each path, or on -s or the current directory. */
static int
each(int (*fn)(const char *), char **av, int ac)
{
	int code = 0;

	if (ac == 0)
		return fn(sel_path != NULL ? sel_path : ".");
	for (int i = 0; i < ac; i++)
		code |= fn(av[i]);
	return code;
}

static void
need(int ac, int min, int max)
{
	if (ac < min || ac > max)
		usage(EXIT_USAGE, usage_text);
}

static int
directive(const char *d, char **av, int ac)
{
	static char here[] = ".";
	static char *only_here[] = { here };
	int code = 0;

	if (strcmp(d, "snapshot") == 0) {
		need(ac, 0, 2);
		return snapshot(ac > 0 ? av[0] : NULL, ac > 1 ? av[1] : NULL);
	}
	if (strcmp(d, "pfs-list") == 0)
		return each(pfs_list, av, ac);
	if (strcmp(d, "pfs-create") == 0) {
		need(ac, 1, 1);
		return pfs_create(av[0]);
	}
	if (strcmp(d, "pfs-delete") == 0) {
		need(ac, 1, INT_MAX);
		for (int i = 0; i < ac; i++)
			code |= pfs_op(HAMMER2IOC_PFS_DELETE, NULL, av[i]);
		return code;
	}
	if (strcmp(d, "pfs-clid") == 0 || strcmp(d, "pfs-fsid") == 0) {
		need(ac, 1, 1);
		return pfs_id(av[0], strcmp(d, "pfs-fsid") == 0);
	}
	if (strcmp(d, "stat") == 0)
		return ac > 0 ? inode_stat(av, ac) : inode_stat(only_here, 1);
	if (strcmp(d, "setcomp") == 0) {
		need(ac, 2, INT_MAX);
		return setcomp(av[0], av + 1, ac - 1);
	}
	if (strcmp(d, "setcheck") == 0) {
		need(ac, 2, INT_MAX);
		return setcheck(av[0], av + 1, ac - 1);
	}
	if (strcmp(d, "clrcheck") == 0 || strcmp(d, "setcrc32") == 0 || strcmp(d, "setxxhash64") == 0 ||
	    strcmp(d, "setsha192") == 0) {
		need(ac, 1, INT_MAX);
		return setcheck(d[0] == 'c' ? "none" : d + 3, av, ac);
	}
	if (strncmp(d, "recover", 7) == 0 && (d[7] == '\0' || strcmp(d, "recover-relaxed") == 0 || strcmp(d, "recover-file") == 0)) {
		need(ac, 2, 2);
		return recover(av[0], av[1], strcmp(d + 7, "-relaxed") == 0 ? HAMMER2_RECOVER_RELAXED : d[7] != '\0' ? HAMMER2_RECOVER_FILE : 0);
	}
	if (strcmp(d, "scrub") == 0)
		return each(scrub, av, ac);
	if (strcmp(d, "destroy") == 0 || strcmp(d, "destroy-inum") == 0) {
		need(ac, 1, INT_MAX);
		for (int i = 0; i < ac; i++)
			code |= d[7] == '\0' ? destroy(av[i]) : destroy_inum(av[i]);
		return code;
	}
	if (strcmp(d, "quota") == 0)
		return ac > 0 ? quota(av, ac) : quota(only_here, 1);
	if (strcmp(d, "setquota") == 0) {
		need(ac, 2, 3);
		return setquota(av[0], av + 1, ac - 1);
	}
	if (strcmp(d, "bulkfree") == 0) {
		need(ac, 1, 1);
		return bulkfree(av[0]);
	}
	if (strcmp(d, "cleanup") == 0) {
		need(ac, 0, 1);
		return ac > 0 ? bulkfree(av[0]) : cleanup();
	}
	if (strcmp(d, "growfs") == 0)
		return each(growfs, av, ac);
	if (strcmp(d, "volume-list") == 0)
		return each(volume_list, av, ac);
	if (strcmp(d, "emergency-mode-enable") == 0 || strcmp(d, "emergency-mode-disable") == 0) {
		need(ac, 1, 1);
		return emergency(av[0], strcmp(d, "emergency-mode-enable") == 0);
	}
	warnx("%s: unknown directive", d);
	usage(EXIT_USAGE, usage_text);
}

int
hammer2_main(int argc, char **argv)
{
	long long n;
	int ch;

	while ((ch = getopt(argc, argv, "+hm:qrs:t:u:v")) != -1)
		switch (ch) {
		case 'm':
			if (!parse_size(optarg, &n) || n <= 0)
				errx(EXIT_USAGE, "%s: bad memory size", optarg);
			memory = (uint64_t)n;
			break;
		case 'q':
			quiet = true;
			break;
		case 'r':
			recurse = true;
			break;
		case 's':
			sel_path = optarg;
			break;
		case 't':
			pfs_kind = find_type(optarg);
			break;
		case 'u':
			parse_uuid(optarg);
			break;
		case 'v':
			break;
		default:
			usage(ch == 'h' ? 0 : EXIT_USAGE, usage_text);
		}
	if (optind >= argc)
		usage(EXIT_USAGE, usage_text);
	return finish(directive(argv[optind], argv + optind + 1, argc - optind - 1));
}
