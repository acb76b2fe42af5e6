/*
 * rm [-dfIiPRrvWx] file ..., unlink file: remove directory entries. Counterpart: bin/rm.
 *
 * -P is taken and does nothing (as today's BSDs); -W is refused, no file system here has whiteouts.
 */
#include "util.h"

static bool dflag, fflag, iflag, rflag, vflag, xflag;
static int status;

/* Without -f: asks about everything with -i, and about what cannot be written when stdin is a terminal. */
static bool
confirm(const char *path, const struct stat *st)
{
	char mode[12];

	if (iflag)
		return ask("remove %s? ", path);
	if (fflag || S_ISLNK(st->st_mode) || !isatty(STDIN_FILENO) || access(path, W_OK) == 0)
		return true;
	mode_string(st->st_mode, mode);
	return ask("override %s%s/%s for %s? ", mode + 1, user_name(st->st_uid), group_name(st->st_gid), path);
}

static void
fail(const char *path)
{
	if (fflag && errno == ENOENT)
		return;
	warn("%s", path);
	status = 1;
}

static void
done(const char *path)
{
	if (vflag)
		puts(path);
}

static int
visit(struct wnode *w, void *arg)
{
	static char skipped;

	(void)arg;
	switch (w->type) {
	case W_NOSTAT:
	case W_NOREAD:
		errno = w->error;
		fail(w->path);
		return WALK_GO;
	case W_D:
		if (iflag && !ask("examine files in directory %s? ", w->path)) {
			w->data = &skipped;
			return WALK_SKIP;
		}
		return WALK_GO;
	case W_DP:
		if (w->data == &skipped || !confirm(w->path, &w->st))
			return WALK_GO;
		if (rmdir(w->path) == 0)
			done(w->path);
		else
			fail(w->path);
		return WALK_GO;
	default:
		if (!confirm(w->path, &w->st))
			return WALK_GO;
		if (unlink(w->path) == 0)
			done(w->path);
		else
			fail(w->path);
		return WALK_GO;
	}
}

static void
remove_one(const char *path)
{
	struct stat st;

	if (lstat(path, &st) != 0) {
		fail(path);
		return;
	}
	if (S_ISDIR(st.st_mode) && !dflag) {
		warnx("%s: is a directory", path);
		status = 1;
		return;
	}
	if (!confirm(path, &st))
		return;
	if ((S_ISDIR(st.st_mode) ? rmdir(path) : unlink(path)) == 0)
		done(path);
	else
		fail(path);
}

/* ".", ".." and "/" are never removed. */
static bool
allowed(char *path)
{
	const char *b;

	strip_slashes(path);
	b = base_name(path);
	if (strcmp(path, "/") == 0) {
		warnx("\"/\" may not be removed");
		return false;
	}
	if (IS_DOT(b)) {
		warnx("\".\" and \"..\" may not be removed");
		return false;
	}
	return true;
}

int
rm_main(int argc, char **argv)
{
	static const char text[] = "rm [-f | -i] [-dIPRrvWx] file ...\n       unlink file";
	bool once = false;
	int ch;

	if (strcmp(base_name(argv[0]), "unlink") == 0) {
		if (getopt(argc, argv, "") != -1 || optind != argc - 1)
			usage(EXIT_USAGE, text);
		remove_one(argv[optind]);
		return status;
	}
	while ((ch = getopt(argc, argv, "dfIiPRrvWx")) != -1) {
		switch (ch) {
		case 'd': dflag = true; break;
		case 'f': fflag = true; iflag = false; break;
		case 'I': once = true; break;
		case 'i': iflag = true; fflag = false; break;
		case 'P': break;
		case 'R':
		case 'r': rflag = true; break;
		case 'v': vflag = true; break;
		case 'W': errx(1, "-W: whiteouts are not supported");
		case 'x': xflag = true; break;
		default: usage(EXIT_USAGE, text);
		}
	}
	if (optind == argc) {
		if (fflag)
			return 0;
		usage(EXIT_USAGE, text);
	}
	if (once && !fflag && (rflag || argc - optind > 3)) {
		if (!ask(rflag ? "recursively remove %d argument%s? " : "remove %d file%s? ", argc - optind,
		    argc - optind == 1 ? "" : "s"))
			return 1;
	}
	for (int i = optind; i < argc; i++) {
		if (!allowed(argv[i])) {
			status = 1;
			continue;
		}
		if (rflag)
			walk(argv[i], WALK_POST | (xflag ? WALK_XDEV : 0), visit, NULL);
		else
			remove_one(argv[i]);
	}
	return finish(status);
}
