/*
 * df [-ahHiklmngP] [-t type] [file ...]: free space of file systems. Counterpart: bin/df.
 */
#include "util.h"

#include <sys/param.h>
#ifdef __GLIBC__
#include <sys/vfs.h>
#else
#include "mntopts.h"
#endif

static bool human, si, inodes;
static long unit;
static int wname = 10;

struct line {
	const char *from, *on;
	long long bsize, blocks, bfree, bavail, files, ffree;
};

static void
cell(long long blocks, long long bsize, int width)
{
	char buf[16];

	if (human) {
		humanize(buf, sizeof(buf), blocks * bsize, si);
		printf(" %*s", width, buf);
	} else
		/* In parts: blocks * bsize of a large disk need not fit. */
		printf(" %*lld", width, bsize >= unit ? blocks * (bsize / unit) : blocks / (unit / (bsize > 0 ? bsize : 1)));
}

static void
show(const struct line *l)
{
	long long used = l->blocks - l->bfree, avail = l->bavail + used;
	int w = human ? 6 : 10;

	printf("%-*s", wname, l->from);
	cell(l->blocks, l->bsize, w);
	cell(used, l->bsize, w);
	cell(l->bavail, l->bsize, w);
	/* Rounded up, as a full disk must not show 99%. */
	printf(" %5lld%%", avail == 0 ? 100 : (long long)(((__int128)used * 100 + avail - 1) / avail));
	if (inodes) {
		long long iused = l->files - l->ffree;

		printf(" %8lld %8lld %4lld%% ", iused, l->ffree, l->files == 0 ? 100 : iused * 100 / l->files);
	} else
		printf("  ");
	printf("  %s\n", l->on);
}

static void
title(const char *header)
{
	int w = human ? 6 : 10;

	printf("%-*s %*s %*s %*s Capacity", wname, "Filesystem", w, header, w, "Used", w, "Avail");
	if (inodes)
		printf("   iused    ifree %%iused ");
	printf("  Mounted on\n");
}

#ifdef __GLIBC__
/* The host has no mount list in this form: it shows what the paths named lie on. */
static int
collect(int argc, char **argv, const char *type, bool all, struct line **out)
{
	int n = 0;

	(void)type;
	(void)all;
	*out = xmalloc((size_t)(argc + 1) * sizeof(**out));
	for (int i = 0; i < argc; i++) {
		struct statfs fs;

		if (statfs(argv[i], &fs) != 0) {
			warn("%s", argv[i]);
			continue;
		}
		(*out)[n++] = (struct line){ "host", argv[i], fs.f_bsize, (long long)fs.f_blocks, (long long)fs.f_bfree,
			(long long)fs.f_bavail, (long long)fs.f_files, (long long)fs.f_ffree };
	}
	return n;
}
#else
static int
collect(int argc, char **argv, const char *type, bool all, struct line **out)
{
	struct statfs *v;
	int n, kept = 0;

	if (argc > 0) {
		v = xmalloc((size_t)argc * sizeof(*v));
		n = 0;
		for (int i = 0; i < argc; i++)
			if (statfs(argv[i], &v[n]) != 0)
				warn("%s", argv[i]);
			else
				n++;
	} else
		v = mount_list(&n);
	*out = xmalloc((size_t)(n + 1) * sizeof(**out));
	for (int i = 0; i < n; i++) {
		struct statfs *fs = &v[i];

		if (argc == 0 && ((fs->f_flags & MNT_IGNORE && !all) || (type != NULL && strcmp(type, fs->f_fstypename) != 0)))
			continue;
		(*out)[kept++] = (struct line){ fs->f_mntfromname, fs->f_mntonname, fs->f_bsize, fs->f_blocks, fs->f_bfree,
			fs->f_bavail, fs->f_files, fs->f_ffree };
	}
	return kept;
}
#endif

int
df_main(int argc, char **argv)
{
	const char *header, *type = NULL;
	bool all = false;
	struct line *v;
	int ch, n;

	unit = block_size(&header);
	while ((ch = getopt(argc, argv, "abghHiklmnPt:")) != -1) {
		switch (ch) {
		case 'a': all = true; break;
		case 'b': unit = 512; header = "512-blocks"; human = false; break;
		case 'g': unit = 1 << 30; header = "1G-blocks"; human = false; break;
		case 'H': human = si = true; break;
		case 'h': human = true; si = false; break;
		case 'i': inodes = true; break;
		case 'k': unit = 1024; header = "1K-blocks"; human = false; break;
		case 'm': unit = 1 << 20; header = "1M-blocks"; human = false; break;
		case 'P':
		case 'l':
		case 'n': break;
		case 't': type = optarg; break;
		default: usage(EXIT_USAGE, "df [-b | -H | -h | -k | -m | -g | -P] [-ailn] [-t type] [file | filesystem ...]");
		}
	}
	n = collect(argc - optind, argv + optind, type, all, &v);
	for (int i = 0; i < n; i++)
		if ((int)strlen(v[i].from) > wname)
			wname = (int)strlen(v[i].from);
	if (n > 0)
		title(human ? "Size" : header);
	for (int i = 0; i < n; i++)
		show(&v[i]);
	return finish(n < argc - optind || (n == 0 && argc == optind));
}
