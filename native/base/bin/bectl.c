/*
 * bectl: boot environments. Each is a PFS of the device that / is on, made as a snapshot of another; which of them is
 * booted next is written in the file bootenv of the PFS LOCAL, which all of them share.
 * Counterpart: none in DragonFly; the commands are those of FreeBSD's sbin/bectl.
 */
#include "util.h"

#include <sys/hammer2.h>
#include <sys/mount.h>

#include "mntopts.h"

#define SHARED "LOCAL"
#define RECORD "bootenv"
#define FIRST "ROOT" /* booted when nothing is activated */

static char device[256]; /* before the @ of what is mounted on / */
static char current[256]; /* label of / */

static void
find_root(void)
{
	struct hammer2_ioc_pfs p;
	struct statfs s;
	int fd = open("/", O_RDONLY);

	if (fd < 0 || statfs("/", &s) < 0)
		err(1, "/");
	memset(&p, 0, sizeof(p));
	p.name_key = UINT64_MAX;
	if (strcmp(s.f_fstypename, "hammer2") != 0 || ioctl(fd, HAMMER2IOC_PFS_GET, &p) < 0)
		errx(1, "/ is not on HAMMER2: no boot environments");
	close(fd);
	strlcpy(current, p.name, sizeof(current));
	strlcpy(device, s.f_mntfromname, sizeof(device));
	device[strcspn(device, "@")] = '\0';
}

static void
check_name(const char *label)
{
	if (*label == '\0' || strlen(label) >= sizeof(current) || strchr(label, '/') != NULL || strchr(label, '@') != NULL)
		errx(EXIT_USAGE, "%s: bad name", label);
	if (strcmp(label, SHARED) == 0)
		errx(1, "%s is no boot environment", label);
}

/* Where a PFS of the device is mounted, or NULL. */
static const char *
mounted_at(const char *label)
{
	static char at[1024];
	char from[600];
	int n;
	struct statfs *v = mount_list(&n);

	snprintf(from, sizeof(from), "%s@%s", device, label);
	for (int i = 0; i < n; i++)
		if (strcmp(v[i].f_fstypename, "hammer2") == 0 &&
		    (strcmp(v[i].f_mntfromname, from) == 0 ||
			(strncmp(v[i].f_mntfromname, "/dev/", 5) == 0 && strcmp(v[i].f_mntfromname + 5, from) == 0))) {
			strlcpy(at, v[i].f_mntonname, sizeof(at));
			return at;
		}
	return NULL;
}

/* A PFS made visible for a moment. */
struct shown {
	char dir[1024];
	bool ours;
};

static int
show_pfs(const char *label, struct shown *s)
{
	const char *at = strcmp(label, current) == 0 ? "/" : mounted_at(label);
	char from[600];

	s->ours = at == NULL;
	if (at != NULL) {
		strlcpy(s->dir, at, sizeof(s->dir));
		return 0;
	}
	snprintf(s->dir, sizeof(s->dir), "/tmp/.be.%s.%d", label, (int)getpid());
	if (mkdir(s->dir, 0700) < 0) {
		warn("%s", s->dir);
		return 1;
	}
	snprintf(from, sizeof(from), "%s@%s", device, label);
	if (mount_one("hammer2", from, s->dir, 0, NULL, 0) == 0)
		return 0;
	rmdir(s->dir);
	return 1;
}

static int
hide_pfs(const struct shown *s)
{
	if (!s->ours)
		return 0;
	if (unmount(s->dir, 0) < 0) {
		warn("%s", s->dir);
		return 1;
	}
	rmdir(s->dir);
	return 0;
}

static bool
exists(const char *label)
{
	struct hammer2_ioc_pfs p;
	int fd = open("/", O_RDONLY), r;

	memset(&p, 0, sizeof(p));
	strlcpy(p.name, label, sizeof(p.name));
	r = ioctl(fd, HAMMER2IOC_PFS_LOOKUP, &p);
	close(fd);
	return r == 0;
}

static void
must_exist(const char *label)
{
	check_name(label);
	if (!exists(label))
		errx(1, "%s: no such boot environment", label);
}

/* The label that is booted next. */
static void
get_active(char *label, size_t size)
{
	struct shown s;
	char path[1100];
	ssize_t n = -1;
	int fd;

	strlcpy(label, FIRST, size);
	if (show_pfs(SHARED, &s) != 0)
		exit(1);
	snprintf(path, sizeof(path), "%s/" RECORD, s.dir);
	fd = open(path, O_RDONLY);
	if (fd >= 0) {
		char buf[256];

		n = read(fd, buf, sizeof(buf) - 1);
		close(fd);
		if (n > 0) {
			buf[n] = '\0';
			buf[strcspn(buf, "\n")] = '\0';
			if (exists(buf))
				strlcpy(label, buf, size);
		}
	}
	if (hide_pfs(&s) != 0)
		exit(1);
}

/* On disk in one step: the old record or the new one, whatever happens. */
static int
activate(const char *label)
{
	struct shown s;
	char path[1100], tmp[1100];
	int fd, code = 1;

	if (show_pfs(SHARED, &s) != 0)
		return 1;
	snprintf(path, sizeof(path), "%s/" RECORD, s.dir);
	snprintf(tmp, sizeof(tmp), "%s/" RECORD ".new", s.dir);
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0)
		warn("%s", tmp);
	else {
		size_t len = strlen(label);

		if (write(fd, label, len) != (ssize_t)len || write(fd, "\n", 1) != 1 || fsync(fd) < 0 || rename(tmp, path) < 0 ||
		    fsync(fd) < 0)
			warn("%s", path);
		else
			code = 0;
		close(fd);
	}
	return hide_pfs(&s) | code;
}

static int
pfs_op(const char *dir, unsigned long cmd, const char *label)
{
	struct hammer2_ioc_pfs p;
	int fd = open(dir, O_RDONLY), r;

	if (fd < 0) {
		warn("%s", dir);
		return 1;
	}
	memset(&p, 0, sizeof(p));
	strlcpy(p.name, label, sizeof(p.name));
	r = ioctl(fd, cmd, &p);
	if (r < 0)
		warn("%s", label);
	close(fd);
	return r < 0;
}

static int
copy(const char *from, const char *to)
{
	struct shown s;
	int code;

	must_exist(from);
	check_name(to);
	if (show_pfs(from, &s) != 0)
		return 1;
	code = pfs_op(s.dir, HAMMER2IOC_PFS_SNAPSHOT, to);
	return hide_pfs(&s) | code;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int
list(bool bare)
{
	struct hammer2_ioc_pfs p;
	char active[256], **names = NULL;
	size_t n = 0;
	int fd = open("/", O_RDONLY);

	memset(&p, 0, sizeof(p));
	while ((p.name_key = p.name_next) != UINT64_MAX) {
		if (ioctl(fd, HAMMER2IOC_PFS_GET, &p) < 0)
			err(1, "/");
		if (strcmp(p.name, SHARED) == 0)
			continue;
		names = xrealloc(names, (n + 1) * sizeof(*names));
		names[n++] = xstrdup(p.name);
	}
	close(fd);
	qsort(names, n, sizeof(*names), by_name);
	get_active(active, sizeof(active));
	if (!bare)
		printf("%-24s %-6s %s\n", "BE", "Active", "Mountpoint");
	for (size_t i = 0; i < n; i++) {
		bool now = strcmp(names[i], current) == 0, next = strcmp(names[i], active) == 0;
		const char *at = now ? "/" : mounted_at(names[i]);

		printf(bare ? "%s\t%s\t%s\n" : "%-24s %-6s %s\n", names[i], now ? next ? "NR" : "N" : next ? "R" : "-",
		    at != NULL ? at : "-");
	}
	return 0;
}

static int
destroy(const char *label)
{
	char active[256];

	must_exist(label);
	get_active(active, sizeof(active));
	if (strcmp(label, current) == 0)
		errx(1, "%s is the one that runs", label);
	if (strcmp(label, active) == 0)
		errx(1, "%s is the one that is booted next: activate another first", label);
	return pfs_op("/", HAMMER2IOC_PFS_DELETE, label);
}

/* The new name is there, and the one that is booted, before the old one goes: no power cut leaves nothing to boot. */
static int
rename_be(const char *from, const char *to)
{
	char active[256];

	must_exist(from);
	if (strcmp(from, current) == 0 || mounted_at(from) != NULL)
		errx(1, "%s is in use", from);
	get_active(active, sizeof(active));
	if (copy(from, to) != 0 || (strcmp(from, active) == 0 && activate(to) != 0))
		return 1;
	return pfs_op("/", HAMMER2IOC_PFS_DELETE, from);
}

static int
mount_be(const char *label, const char *dir)
{
	char from[600], made[300];

	must_exist(label);
	if (dir == NULL) {
		snprintf(made, sizeof(made), "/tmp/be.%s", label);
		if (mkdir(made, 0755) < 0 && errno != EEXIST)
			err(1, "%s", made);
		dir = made;
	}
	snprintf(from, sizeof(from), "%s@%s", device, label);
	if (mount_one("hammer2", from, dir, 0, NULL, 0) != 0)
		return 1;
	printf("%s\n", dir);
	return 0;
}

static int
umount_be(const char *label)
{
	const char *at;

	must_exist(label);
	at = strcmp(label, current) == 0 ? NULL : mounted_at(label);
	if (at == NULL)
		errx(1, strcmp(label, current) == 0 ? "%s is the one that runs" : "%s is not mounted", label);
	if (unmount(at, 0) < 0)
		err(1, "%s", at);
	return 0;
}

static const char usage_text[] = "bectl list [-H]\n"
				 "bectl create [-e source] name\n"
				 "bectl activate name\n"
				 "bectl rename name newname\n"
				 "bectl destroy name\n"
				 "bectl mount name [dir]\n"
				 "bectl umount name";

int
bectl_main(int argc, char **argv)
{
	const char *cmd = argc > 1 ? argv[1] : "", *source = current;
	bool bare = false;
	int ch, code;

	if (strcmp(cmd, "-h") == 0 || strcmp(cmd, "--help") == 0)
		usage(0, usage_text);
	if (argc < 2)
		usage(EXIT_USAGE, usage_text);
	argc--;
	argv++;
	while ((ch = getopt(argc, argv, "+He:")) != -1)
		if (ch == 'H' && strcmp(cmd, "list") == 0)
			bare = true;
		else if (ch == 'e' && strcmp(cmd, "create") == 0)
			source = optarg;
		else
			usage(EXIT_USAGE, usage_text);
	argc -= optind;
	argv += optind;
	find_root();
	if (strcmp(cmd, "list") == 0 && argc == 0)
		code = list(bare);
	else if (strcmp(cmd, "create") == 0 && argc == 1)
		code = copy(source, argv[0]);
	else if (strcmp(cmd, "activate") == 0 && argc == 1) {
		must_exist(argv[0]);
		code = activate(argv[0]);
	} else if (strcmp(cmd, "rename") == 0 && argc == 2)
		code = rename_be(argv[0], argv[1]);
	else if (strcmp(cmd, "destroy") == 0 && argc == 1)
		code = destroy(argv[0]);
	else if (strcmp(cmd, "mount") == 0 && (argc == 1 || argc == 2))
		code = mount_be(argv[0], argc == 2 ? argv[1] : NULL);
	else if ((strcmp(cmd, "umount") == 0 || strcmp(cmd, "unmount") == 0) && argc == 1)
		code = umount_be(argv[0]);
	else
		usage(EXIT_USAGE, usage_text);
	return finish(code);
}
