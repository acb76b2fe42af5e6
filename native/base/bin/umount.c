/*
 * umount [-afFv] [-t type] special | node ...: unmount. Counterpart: sbin/umount.
 */
#include "mntopts.h"

static int flags;
static bool verbose;

static int
unmount_one(const struct statfs *fs)
{
	if (unmount(fs->f_mntonname, flags) != 0) {
		warn("unmount of %s failed", fs->f_mntonname);
		return 1;
	}
	if (verbose)
		printf("%s: unmount from %s\n", fs->f_mntfromname, fs->f_mntonname);
	return 0;
}

int
umount_main(int argc, char **argv)
{
	static const char text[] = "umount [-fv] special | node ...\n       umount -a [-fv] [-t type]";
	const char *type = NULL;
	bool all = false;
	struct statfs *v;
	int ch, n, rc = 0;

	while ((ch = getopt(argc, argv, "Aaft:v")) != -1) {
		switch (ch) {
		case 'A':
		case 'a': all = true; break;
		case 'f': flags |= MNT_FORCE; break;
		case 't': type = optarg; break;
		case 'v': verbose = true; break;
		default: usage(1, text);
		}
	}
	argc -= optind;
	argv += optind;
	if ((argc == 0) != all)
		usage(1, text);
	sync();
	v = mount_list(&n);
	if (all) {
		/* Last mounted first; the root and the devices stay. */
		for (int i = n - 1; i >= 0; i--)
			if (strcmp(v[i].f_mntonname, "/") != 0 && strcmp(v[i].f_fstypename, "devfs") != 0 &&
			    (type == NULL || strcmp(type, v[i].f_fstypename) == 0))
				rc |= unmount_one(&v[i]);
		return finish(rc);
	}
	for (int i = 0; i < argc; i++) {
		char path[PATH_MAX];
		const char *real = realpath(argv[i], path) != NULL ? path : argv[i];
		int k = n - 1;

		while (k >= 0 && strcmp(v[k].f_mntonname, real) != 0 && strcmp(v[k].f_mntfromname, argv[i]) != 0)
			k--;
		if (k < 0) {
			warnx("%s: not currently mounted", argv[i]);
			rc = 1;
		} else
			rc |= unmount_one(&v[k]);
	}
	return finish(rc);
}
