/*
 * cp [-aflpRrnvix] source ... target: copy files and hierarchies. Counterpart: bin/cp.
 *
 * The copying itself (copy_tree) also serves mv across file systems. Hard links within one run are kept with -a and by mv.
 */
#include "util.h"
#include "copy.h"

int
cp_main(int argc, char **argv)
{
	static const char text[] = "cp [-R [-H | -L | -P]] [-f | -i | -n] [-alpsvx] source_file target_file\n"
				   "       cp [-R [-H | -L | -P]] [-f | -i | -n] [-alpsvx] source_file ... target_directory";
	struct copy_opts o = { 0 };
	bool recurse = false, follow_args = false, follow_all = false, no_follow = false, into_dir;
	struct stat st;
	char *target;
	int ch, rc = 0;

	while ((ch = getopt(argc, argv, "HLPRafilnprsvx")) != -1) {
		switch (ch) {
		case 'H': follow_args = true; follow_all = no_follow = false; break;
		case 'L': follow_all = true; follow_args = no_follow = false; break;
		case 'P': no_follow = true; follow_args = follow_all = false; break;
		case 'a': recurse = no_follow = o.preserve = o.keep_links = true; break;
		case 'R':
		case 'r': recurse = true; break;
		case 'f': o.force = true; o.interactive = o.no_clobber = false; break;
		case 'i': o.interactive = true; o.force = o.no_clobber = false; break;
		case 'n': o.no_clobber = true; o.force = o.interactive = false; break;
		case 'l': o.hard_link = true; break;
		case 's': o.sym_link = true; break;
		case 'p': o.preserve = true; break;
		case 'v': o.verbose = true; break;
		case 'x': o.one_fs = true; break;
		default: usage(EXIT_USAGE, text);
		}
	}
	argc -= optind;
	argv += optind;
	if (argc < 2)
		usage(EXIT_USAGE, text);
	o.recurse = recurse;
	/* Without -R links are followed; with it they are copied, unless -L (or -H for those named) asks otherwise. */
	o.follow = recurse ? follow_all : !no_follow;
	o.follow_args = recurse ? follow_all || follow_args : !no_follow;
	target = argv[--argc];
	into_dir = stat(target, &st) == 0 && S_ISDIR(st.st_mode);
	if (!into_dir) {
		if (argc > 1)
			errx(1, "%s is not a directory", target);
		if (strlen(target) > 1 && target[strlen(target) - 1] == '/' &&
		    !(recurse && stat(argv[0], &st) == 0 && S_ISDIR(st.st_mode)))
			errx(1, "directory %s does not exist", target);
	}
	for (int i = 0; i < argc; i++) {
		char *dst;

		strip_slashes(argv[i]);
		dst = into_dir && strcmp(base_name(argv[i]), ".") != 0 && strcmp(base_name(argv[i]), "..") != 0 ?
		    path_join(target, strcmp(argv[i], "/") == 0 ? "" : base_name(argv[i])) : xstrdup(target);
		rc |= copy_tree(argv[i], dst, &o);
		free(dst);
	}
	return finish(rc);
}
