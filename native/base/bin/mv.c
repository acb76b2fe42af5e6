/*
 * mv [-f | -i | -n] [-hv] source ... target: rename, or copy and remove across file systems. Counterpart: bin/mv.
 */
#include "copy.h"

static bool fflag, iflag, nflag, vflag;

static int
remove_node(struct wnode *w, void *arg)
{
	int *rc = arg;

	if (w->type == W_D)
		return WALK_GO;
	if ((w->type == W_DP ? rmdir(w->path) : unlink(w->path)) != 0) {
		warn("%s: remove", w->path);
		*rc = 1;
	}
	return WALK_GO;
}

static int
move(const char *from, const char *to)
{
	struct copy_opts o = { .recurse = true, .preserve = true, .keep_links = true };
	struct stat st, dst;
	int rc = 0;

	if (lstat(from, &st) != 0) {
		warn("rename %s to %s", from, to);
		return 1;
	}
	if (lstat(to, &dst) == 0) {
		char mode[12];

		if (nflag) {
			if (vflag)
				printf("%s not overwritten\n", to);
			return 0;
		}
		mode_string(dst.st_mode, mode);
		if (!fflag && ((iflag && !ask("overwrite %s? (y/n [n]) ", to)) ||
		    (!iflag && !S_ISLNK(dst.st_mode) && isatty(STDIN_FILENO) && access(to, W_OK) != 0 &&
		    !ask("override %s%s/%s for %s? (y/n [n]) ", mode + 1, user_name(dst.st_uid), group_name(dst.st_gid), to)))) {
			fputs("not overwritten\n", stderr);
			return 0;
		}
	}
	if (rename(from, to) == 0) {
		if (vflag)
			printf("%s -> %s\n", from, to);
		return 0;
	}
	if (errno != EXDEV) {
		warn("rename %s to %s", from, to);
		return 1;
	}
	if (lstat(to, &dst) == 0) {
		if (S_ISDIR(dst.st_mode) != S_ISDIR(st.st_mode)) {
			errno = S_ISDIR(dst.st_mode) ? EISDIR : ENOTDIR;
			warn("rename %s to %s", from, to);
			return 1;
		}
		if ((S_ISDIR(dst.st_mode) ? rmdir(to) : unlink(to)) != 0) {
			warn("%s", to);
			return 1;
		}
	}
	if (copy_tree(from, to, &o) != 0)
		return 1;
	walk(from, WALK_POST, remove_node, &rc);
	if (rc == 0 && vflag)
		printf("%s -> %s\n", from, to);
	return rc;
}

int
mv_main(int argc, char **argv)
{
	static const char text[] = "mv [-f | -i | -n] [-hv] source target\n"
				   "       mv [-f | -i | -n] [-v] source ... directory";
	bool hflag = false;
	struct stat st;
	char *target;
	int ch, rc = 0;

	while ((ch = getopt(argc, argv, "fhinv")) != -1) {
		switch (ch) {
		case 'f': fflag = true; iflag = nflag = false; break;
		case 'h': hflag = true; break;
		case 'i': iflag = true; fflag = nflag = false; break;
		case 'n': nflag = true; fflag = iflag = false; break;
		case 'v': vflag = true; break;
		default: usage(EXIT_USAGE, text);
		}
	}
	argc -= optind;
	argv += optind;
	if (argc < 2)
		usage(EXIT_USAGE, text);
	target = argv[--argc];
	if ((hflag && argc == 1 && lstat(target, &st) == 0 && S_ISLNK(st.st_mode)) || stat(target, &st) != 0 ||
	    !S_ISDIR(st.st_mode)) {
		if (argc > 1)
			errx(EXIT_USAGE, "%s is not a directory", target);
		return finish(move(argv[0], target));
	}
	for (int i = 0; i < argc; i++) {
		char *dst;

		strip_slashes(argv[i]);
		dst = path_join(target, base_name(argv[i]));
		rc |= move(argv[i], dst);
		free(dst);
	}
	return finish(rc);
}
