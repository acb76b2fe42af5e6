/*
 * chown [-fhvx] [-R [-H | -L | -P]] owner[:group] | :group file ..., chgrp ... group file ...
 * Counterpart: usr.sbin/chown.
 */
#include "util.h"

static uid_t uid = (uid_t)-1;
static gid_t gid = (gid_t)-1;
static bool fflag, hflag, vflag, recurse;
static int status;

static int
visit(struct wnode *w, void *arg)
{
	(void)arg;
	if (w->type == W_NOSTAT || w->type == W_NOREAD || w->type == W_BADLINK) {
		if (!fflag) {
			errno = w->error;
			warn("%s", w->path);
		}
		status = 1;
		return WALK_GO;
	}
	if (w->type == W_SYMLINK || hflag ? lchown(w->path, uid, gid) : chown(w->path, uid, gid)) {
		if (!fflag)
			warn("%s", w->path);
		status = 1;
	} else if (vflag)
		puts(w->path);
	return recurse ? WALK_GO : WALK_SKIP;
}

int
chown_main(int argc, char **argv)
{
	bool grp = strcmp(base_name(argv[0]), "chgrp") == 0, com_follow = false, logical = false, xflag = false;
	const char *text = grp ? "chgrp [-fhvx] [-R [-H | -L | -P]] group file ..." :
				 "chown [-fhvx] [-R [-H | -L | -P]] owner[:group] file ...\n"
				 "       chown [-fhvx] [-R [-H | -L | -P]] :group file ...";
	char *owner, *colon;
	int ch, flags;

	while ((ch = getopt(argc, argv, "HLPRfhvx")) != -1) {
		switch (ch) {
		case 'H': com_follow = true; logical = false; break;
		case 'L': logical = true; com_follow = false; break;
		case 'P': logical = com_follow = false; break;
		case 'R': recurse = true; break;
		case 'f': fflag = true; break;
		case 'h': hflag = true; break;
		case 'v': vflag = true; break;
		case 'x': xflag = true; break;
		default: usage(1, text);
		}
	}
	if (argc - optind < 2)
		usage(1, text);
	owner = argv[optind];
	if (grp) {
		if (*owner != '\0' && !parse_group(owner, &gid))
			errx(1, "%s: illegal group name", owner);
	} else {
		if ((colon = strchr(owner, ':')) != NULL || ((colon = strchr(owner, '.')) != NULL && !parse_user(owner, &uid))) {
			*colon++ = '\0';
			if (*colon != '\0' && !parse_group(colon, &gid))
				errx(1, "%s: illegal group name", colon);
		}
		if (*owner != '\0' && !parse_user(owner, &uid))
			errx(1, "%s: illegal user name", owner);
	}
	flags = (logical ? WALK_LOGICAL : com_follow || (!recurse && !hflag) ? WALK_COMFOLLOW : 0) | (xflag ? WALK_XDEV : 0);
	for (int i = optind + 1; i < argc; i++)
		walk(argv[i], flags, visit, NULL);
	return finish(status);
}
