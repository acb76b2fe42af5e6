/*
 * chmod [-fhv] [-R [-H | -L | -P]] mode file ...: change file modes. Counterpart: bin/chmod.
 */
#include "util.h"

static struct mode_spec *spec;
static bool fflag, hflag, vflag, recurse, logical;
static int status;

static int
visit(struct wnode *w, void *arg)
{
	unsigned mode;

	(void)arg;
	switch (w->type) {
	case W_DP: return WALK_GO;
	case W_NOSTAT:
	case W_NOREAD:
	case W_BADLINK:
		if (!fflag) {
			errno = w->error;
			warn("%s", w->path);
		}
		status = 1;
		return WALK_GO;
	case W_SYMLINK:
		/* The link itself is meant only with -h; links met by -R are passed over. */
		if (!hflag)
			return WALK_GO;
		break;
	default: break;
	}
	mode = mode_apply(spec, w->st.st_mode, S_ISDIR(w->st.st_mode));
	if (mode == (w->st.st_mode & 07777))
		return recurse ? WALK_GO : WALK_SKIP;
#if !HOST_LIBC
	if ((w->type == W_SYMLINK ? lchmod(w->path, (mode_t)mode) : chmod(w->path, (mode_t)mode)) != 0) {
#else
	if (chmod(w->path, (mode_t)mode) != 0) {
#endif
		if (!fflag)
			warn("%s", w->path);
		status = 1;
	} else if (vflag)
		puts(w->path);
	return recurse ? WALK_GO : WALK_SKIP;
}

int
chmod_main(int argc, char **argv)
{
	static const char text[] = "chmod [-fhv] [-R [-H | -L | -P]] mode file ...";
	bool com_follow = false;
	int ch, flags;

	/* A mode like "-x" is no option. */
	while ((ch = getopt(argc, argv, "HLPRXfghorstuvwx")) != -1) {
		switch (ch) {
		case 'H': com_follow = true; logical = false; break;
		case 'L': logical = true; com_follow = false; break;
		case 'P': logical = com_follow = false; break;
		case 'R': recurse = true; break;
		case 'f': fflag = true; break;
		case 'h': hflag = true; break;
		case 'v': vflag = true; break;
		case 'X': case 'g': case 'o': case 'r': case 's': case 't': case 'u': case 'w': case 'x':
			/* The word just scanned is the mode: step back to it unless getopt has not left it yet. */
			if (argv[optind - 1][0] == '-' && argv[optind - 1][1] == ch && argv[optind - 1][2] == '\0')
				optind--;
			goto done;
		default: usage(1, text);
		}
	}
done:
	if (argc - optind < 2)
		usage(1, text);
	if ((spec = mode_compile(argv[optind])) == NULL)
		errx(1, "invalid file mode: %s", argv[optind]);
	flags = logical ? WALK_LOGICAL : com_follow || (!recurse && !hflag) ? WALK_COMFOLLOW : 0;
	for (int i = optind + 1; i < argc; i++)
		walk(argv[i], flags, visit, NULL);
	return finish(status);
}
