/*
 * mount [-adpruvw] [-o options] [-t type] [special] [node], and mount_<type> under their own names.
 * Counterpart: sbin/mount and sbin/mount_tmpfs, mount_null, mount_hammer2 ...
 *
 * The types are mounted by this process; there are no helper programs to run.
 */
#include "mntopts.h"

static char **opts;
static int nopts, flags;

static void
add_options(const char *list)
{
	char *copy = xstrdup(list);

	for (char *word = strtok(copy, ","); word != NULL; word = strtok(NULL, ",")) {
		if (mount_option(word, &flags))
			continue;
		opts = xrealloc(opts, (size_t)(nopts + 1) * sizeof(*opts));
		opts[nopts++] = word;
	}
}

static bool
has_type(const char *list, const char *type)
{
	bool no = strncmp(list, "no", 2) == 0, hit = false;
	size_t n = strlen(type);

	for (const char *p = no ? list + 2 : list; *p != '\0'; p += strcspn(p, ","), p += *p == ',')
		if (strncmp(p, type, n) == 0 && (p[n] == ',' || p[n] == '\0'))
			hit = true;
	return hit != no;
}

static int
show(const char *type)
{
	int n;
	struct statfs *v = mount_list(&n);

	for (int i = 0; i < n; i++)
		if (type == NULL || has_type(type, v[i].f_fstypename))
			printf("%s on %s (%s)\n", v[i].f_mntfromname, v[i].f_mntonname, mount_describe(&v[i]));
	return finish(0);
}

static int
show_fstab(void)
{
	int n;
	struct statfs *v = mount_list(&n);

	for (int i = 0; i < n; i++)
		printf("%s\t\t%s\t%s\t%s\t\t0 0\n", v[i].f_mntfromname, v[i].f_mntonname, v[i].f_fstypename,
		    v[i].f_flags & MNT_RDONLY ? "ro" : "rw");
	return finish(0);
}

static bool
is_mounted(const char *from, const char *dir)
{
	int n;
	struct statfs *v = mount_list(&n);

	for (int i = 0; i < n; i++)
		if (strcmp(v[i].f_mntonname, dir) == 0 && (strcmp(v[i].f_mntfromname, from) == 0 || strcmp(dir, "/") == 0))
			return true;
	return false;
}

struct tab {
	char *from, *dir, *type, *opts;
};

/* The next line of fstab(5); false at the end. */
static bool
next_tab(FILE *f, struct tab *t)
{
	static struct sbuf line;
	bool nl;

	while (read_line(f, &line, '\n', &nl) >= 0) {
		if (line.s[0] == '#' || (t->from = strtok(line.s, " \t")) == NULL)
			continue;
		t->dir = strtok(NULL, " \t");
		t->type = strtok(NULL, " \t");
		t->opts = strtok(NULL, " \t");
		if (t->opts != NULL)
			return true;
		warnx("/etc/fstab: incomplete line for %s", t->from);
	}
	return false;
}

static bool
tab_word(const struct tab *t, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = t->opts; *p != '\0'; p += strcspn(p, ","), p += *p == ',')
		if (strncmp(p, word, n) == 0 && (p[n] == ',' || p[n] == '\0'))
			return true;
	return false;
}

/* With `name` NULL: everything in fstab but noauto, swap and what is there already (-a). */
static int
from_fstab(const char *name, const char *type, bool verbose)
{
	FILE *f = fopen("/etc/fstab", "r");
	int rc = 0, base_flags = flags, base_nopts = nopts;
	bool found = false;
	struct tab t;

	if (f == NULL)
		err(1, "/etc/fstab");
	while (next_tab(f, &t)) {
		int one;

		if (strcmp(t.type, "swap") == 0 || tab_word(&t, "xx"))
			continue;
		if (name != NULL ? strcmp(name, t.dir) != 0 && strcmp(name, t.from) != 0 : tab_word(&t, "noauto"))
			continue;
		if ((type != NULL && !has_type(type, t.type)) || (name == NULL && is_mounted(t.from, t.dir)))
			continue;
		found = true;
		flags = base_flags;
		nopts = base_nopts;
		add_options(t.opts);
		one = mount_one(t.type, t.from, t.dir, flags, opts, nopts);
		if (one == 0 && verbose)
			printf("%s on %s (%s)\n", t.from, t.dir, t.type);
		rc |= one;
	}
	fclose(f);
	if (name != NULL && !found)
		errx(1, "%s: unknown special file or file system", name);
	return finish(rc);
}

static int
update(const char *dir, const char *type)
{
	int n;
	struct statfs *v = mount_list(&n);

	for (int i = n - 1; i >= 0; i--)
		if (strcmp(v[i].f_mntonname, dir) == 0 || strcmp(v[i].f_mntfromname, dir) == 0)
			return mount_one(type != NULL ? type : v[i].f_fstypename, v[i].f_mntfromname, v[i].f_mntonname, flags, opts,
			    nopts);
	errx(1, "%s: not currently mounted", dir);
}

int
mount_main(int argc, char **argv)
{
	static const char text[] = "mount [-adfpruvw] [-o options] [-t type] [special] [node]\n"
				   "       mount_type [-o options] special node";
	const char *name = base_name(argv[0]), *type = NULL;
	bool all = false, dry = false, fstab = false, verbose = false;
	char dir[PATH_MAX];
	int ch, rc;

	if (strncmp(name, "mount_", 6) == 0)
		type = name + 6;
	while ((ch = getopt(argc, argv, "adfo:prt:uvw")) != -1) {
		switch (ch) {
		case 'a': all = true; break;
		case 'd': dry = true; break;
		case 'f': flags |= MNT_FORCE; break;
		case 'o': add_options(optarg); break;
		case 'p': fstab = true; break;
		case 'r': flags |= MNT_RDONLY; break;
		case 't': type = optarg; break;
		case 'u': flags |= MNT_UPDATE; break;
		case 'v': verbose = true; break;
		case 'w': flags &= ~MNT_RDONLY; break;
		default: usage(1, text);
		}
	}
	argc -= optind;
	argv += optind;
	if (all && argc == 0)
		return from_fstab(NULL, type, verbose);
	if (argc == 0)
		return fstab ? show_fstab() : show(type);
	if (argc == 1)
		return flags & MNT_UPDATE ? update(argv[0], type) : from_fstab(argv[0], type, verbose);
	if (argc != 2)
		usage(1, text);
	if (type == NULL)
		type = strchr(argv[0], '@') != NULL || strncmp(argv[0], "/dev/", 5) == 0 ? "hammer2" : "null";
	if (realpath(argv[1], dir) == NULL)
		err(1, "%s", argv[1]);
	if (dry) {
		printf("mount -t %s %s %s\n", type, argv[0], dir);
		return finish(0);
	}
	rc = mount_one(type, argv[0], dir, flags, opts, nopts);
	if (rc == 0 && verbose)
		printf("%s on %s (%s)\n", argv[0], dir, type);
	return finish(rc);
}
