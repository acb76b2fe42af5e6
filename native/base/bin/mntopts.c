/*
 * Mount flags by name, and mount(2)'s data for each type of file system. Counterpart: sbin/mount/getmntopts.c and the
 * mount_<type> programs, whose argument structures these are.
 */
#include "mntopts.h"

static const struct {
	const char *name; /* as -o takes it */
	const char *shown; /* as mount prints it; NULL: not shown */
	int flag;
	bool negative; /* the option's plain form clears the flag ("exec" against "noexec") */
} names[] = {
	{ "rdonly", "read-only", MNT_RDONLY, false }, { "ro", NULL, MNT_RDONLY, false }, { "rw", NULL, MNT_RDONLY, true },
	{ "sync", "synchronous", MNT_SYNCHRONOUS, false }, { "exec", NULL, MNT_NOEXEC, true },
	{ "noexec", "noexec", MNT_NOEXEC, false }, { "suid", NULL, MNT_NOSUID, true }, { "nosuid", "nosuid", MNT_NOSUID, false },
	{ "dev", NULL, MNT_NODEV, true }, { "nodev", "nodev", MNT_NODEV, false }, { "async", "asynchronous", MNT_ASYNC, false },
	{ "suiddir", "suiddir", MNT_SUIDDIR, false }, { "softdep", "soft-updates", MNT_SOFTDEP, false },
	{ "nosymfollow", "nosymfollow", MNT_NOSYMFOLLOW, false }, { "symfollow", NULL, MNT_NOSYMFOLLOW, true },
	{ "trim", "trim", MNT_TRIM, false }, { "atime", NULL, MNT_NOATIME, true }, { "noatime", "noatime", MNT_NOATIME, false },
	{ "force", NULL, MNT_FORCE, false }, { "update", NULL, MNT_UPDATE, false }, { "reload", NULL, MNT_RELOAD, false },
	{ NULL, "local", MNT_LOCAL, false }, { NULL, "with quotas", MNT_QUOTA, false }, { NULL, "NFS exported", MNT_EXPORTED, false },
};

const char *
mount_describe(const struct statfs *fs)
{
	static struct sbuf b;
	char buf[1024];
	int n;

	sb_reset(&b);
	sb_puts(&b, fs->f_fstypename);
	/* The kernel knows the text best; the flags' names are the fallback. */
	n = mountctl(fs->f_mntonname, MOUNTCTL_MOUNTFLAGS, -1, NULL, 0, buf, (int)sizeof(buf) - 1);
	if (n >= 0 && n < (int)sizeof(buf)) {
		buf[n] = '\0';
		if (buf[0] != '\0') {
			sb_puts(&b, ", ");
			sb_puts(&b, buf);
		}
		return b.s;
	}
	for (size_t i = 0; i < NELEM(names); i++)
		if (names[i].shown != NULL && (fs->f_flags & names[i].flag)) {
			sb_puts(&b, ", ");
			sb_puts(&b, names[i].shown);
		}
	return b.s;
}

bool
mount_option(const char *word, int *flags)
{
	bool no = strncmp(word, "no", 2) == 0;

	if (strcmp(word, "current") == 0 || strcmp(word, "auto") == 0 || strcmp(word, "noauto") == 0 || *word == '\0')
		return true;
	for (size_t i = 0; i < NELEM(names); i++) {
		if (names[i].name == NULL)
			continue;
		if (strcmp(word, names[i].name) == 0) {
			*flags = names[i].negative ? *flags & ~names[i].flag : *flags | names[i].flag;
			return true;
		}
		if (no && strcmp(word + 2, names[i].name) == 0) {
			*flags = names[i].negative ? *flags | names[i].flag : *flags & ~names[i].flag;
			return true;
		}
	}
	return false;
}

struct hammer2_args {
	const char *volume;
	int32_t hflags;
	int32_t cluster_fd;
	char reserved[112];
};
_Static_assert(sizeof(struct hammer2_args) == 128, "hammer2 mount data");

struct null_args {
	const char *target;
	char export[440];
};
_Static_assert(sizeof(struct null_args) == 448, "null mount data");

struct devfs_args {
	int32_t flags;
};

static int
unknown(const char *type, const char *opt)
{
	warnx("%s: -o %s: option not supported", type, opt);
	return 1;
}

static int
tmpfs_options(struct tmpfs_mount_info *ti, char **opts, int nopts)
{
	for (int i = 0; i < nopts; i++) {
		char *eq = strchr(opts[i], '=');
		const char *val = eq != NULL ? eq + 1 : "";
		size_t n = eq != NULL ? (size_t)(eq - opts[i]) : strlen(opts[i]);
		struct mode_spec *m;
		long long v = 0;

#define IS(name) (n == sizeof(name) - 1 && strncmp(opts[i], name, n) == 0)
		if ((IS("size") || IS("inodes") || IS("maxfilesize")) && parse_size(val, &v) && v >= 0) {
			if (IS("size"))
				ti->ta_size_max = (uint64_t)v;
			else if (IS("inodes"))
				ti->ta_nodes_max = (uint64_t)v;
			else
				ti->ta_maxfsize_max = (uint64_t)v;
		} else if (IS("mode") && (m = mode_compile(val)) != NULL)
			ti->ta_root_mode = (mode_t)mode_apply(m, 0, true);
		else if (IS("uid") && parse_user(val, &ti->ta_root_uid))
			continue;
		else if (IS("gid") && parse_group(val, &ti->ta_root_gid))
			continue;
		else
			return unknown("tmpfs", opts[i]);
#undef IS
	}
	return 0;
}

int
mount_one(const char *type, const char *from, const char *dir, int flags, char **opts, int nopts)
{
	struct tmpfs_mount_info ti;
	struct hammer2_args h2;
	struct null_args na;
	struct devfs_args da = { 0 };
	struct stat st;
	void *data = NULL;

	memset(&ti, 0, sizeof(ti));
	memset(&h2, 0, sizeof(h2));
	memset(&na, 0, sizeof(na));
	if (strcmp(type, "tmpfs") == 0) {
		/* The new root looks like the directory it covers unless told otherwise. */
		if (stat(dir, &st) == 0) {
			ti.ta_root_uid = st.st_uid;
			ti.ta_root_gid = st.st_gid;
			ti.ta_root_mode = st.st_mode & 07777;
		}
		if (tmpfs_options(&ti, opts, nopts) != 0)
			return 1;
		nopts = 0;
		data = &ti;
	} else if (strcmp(type, "hammer2") == 0) {
		h2.volume = from;
		h2.cluster_fd = -1;
		data = &h2;
	} else if (strcmp(type, "null") == 0) {
		na.target = from;
		data = &na;
	} else if (strcmp(type, "devfs") == 0)
		data = &da;
	if (nopts > 0)
		return unknown(type, opts[0]);
	if (mount(type, dir, flags, data) == 0)
		return 0;
	if (errno == ENODEV || errno == EOPNOTSUPP)
		warn("%s on %s: type %s", from != NULL ? from : type, dir, type);
	else
		warn("%s on %s", from != NULL ? from : type, dir);
	return 1;
}

struct statfs *
mount_list(int *count)
{
	struct statfs *v = NULL;
	int n = getfsstat(NULL, 0, MNT_NOWAIT);

	/* A mount may come in between: room for a few more, and whatever fits is what is shown. */
	if (n < 0)
		err(1, "getfsstat");
	v = xmalloc((size_t)(n + 8) * sizeof(*v));
	n = getfsstat(v, (long)((size_t)(n + 8) * sizeof(*v)), MNT_NOWAIT);
	if (n < 0)
		err(1, "getfsstat");
	*count = n;
	return v;
}
