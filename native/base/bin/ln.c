/*
 * ln [-FfhinsvLPw] source_file ... [target], link source target: make links. Counterpart: bin/ln.
 */
#include "util.h"

static bool fflag, Fflag, hflag, iflag, sflag, vflag, Pflag;

static int
link_one(const char *source, const char *target, bool into_dir)
{
	struct stat st, tst;
	char *path = NULL;
	int rc = 0;

	if (!sflag) {
		if ((Pflag ? lstat(source, &st) : stat(source, &st)) != 0) {
			warn("%s", source);
			return 1;
		}
		if (S_ISDIR(st.st_mode)) {
			errno = EISDIR;
			warn("%s", source);
			return 1;
		}
	}
	if (into_dir || (!hflag && !Fflag && stat(target, &tst) == 0 && S_ISDIR(tst.st_mode)) ||
	    (hflag && lstat(target, &tst) == 0 && S_ISDIR(tst.st_mode))) {
		char *copy = xstrdup(source);

		strip_slashes(copy);
		target = path = path_join(target, base_name(copy));
		free(copy);
	}
	if (lstat(target, &tst) == 0) {
		if (!sflag && tst.st_dev == st.st_dev && tst.st_ino == st.st_ino) {
			warnx("%s and %s are the same directory entry", source, target);
			return 1;
		}
		if (fflag || (iflag && ask("replace %s? ", target))) {
			if ((S_ISDIR(tst.st_mode) && Fflag ? rmdir(target) : unlink(target)) != 0) {
				warn("%s", target);
				return 1;
			}
		} else if (iflag) {
			fputs("not replaced\n", stderr);
			return 1;
		}
	}
	if ((sflag ? symlink(source, target) : linkat(AT_FDCWD, source, AT_FDCWD, target, Pflag ? 0 : AT_SYMLINK_FOLLOW)) != 0) {
		warn("%s", target);
		rc = 1;
	} else if (vflag)
		printf("%s %c> %s\n", target, sflag ? '-' : '=', source);
	free(path);
	return rc;
}

int
ln_main(int argc, char **argv)
{
	static const char text[] = "ln [-s [-F] | -L | -P] [-f | -i] [-hnv] source_file [target_file]\n"
				   "       ln [-s [-F] | -L | -P] [-f | -i] [-hnv] source_file ... target_dir";
	struct stat st;
	int ch, rc = 0;

	if (strcmp(base_name(argv[0]), "link") == 0) {
		if (argc != 3)
			usage(1, "link source_file target_file");
		Pflag = true;
		if (link(argv[1], argv[2]) != 0)
			err(1, "%s", argv[2]);
		return 0;
	}
	while ((ch = getopt(argc, argv, "FLPfhinsvw")) != -1) {
		switch (ch) {
		case 'F': Fflag = true; break;
		case 'L': Pflag = false; break;
		case 'P': Pflag = true; break;
		case 'f': fflag = true; iflag = false; break;
		case 'h':
		case 'n': hflag = true; break;
		case 'i': iflag = true; fflag = false; break;
		case 's': sflag = true; break;
		case 'v': vflag = true; break;
		case 'w': break;
		default: usage(1, text);
		}
	}
	argc -= optind;
	argv += optind;
	if (Fflag && !iflag)
		fflag = true;
	if (argc == 0)
		usage(1, text);
	if (argc == 1)
		return finish(link_one(argv[0], ".", true));
	if (argc == 2)
		return finish(link_one(argv[0], argv[1], false));
	if (stat(argv[argc - 1], &st) != 0)
		err(1, "%s", argv[argc - 1]);
	if (!S_ISDIR(st.st_mode)) {
		errno = ENOTDIR;
		err(1, "%s", argv[argc - 1]);
	}
	for (int i = 0; i < argc - 1; i++)
		rc |= link_one(argv[i], argv[argc - 1], true);
	return finish(rc);
}
