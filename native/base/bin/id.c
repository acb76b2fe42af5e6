/*
 * id [-Ggnpru] [user], whoami, groups: user and group identity. Counterpart: usr.bin/id.
 */
#include "util.h"

#include <grp.h>
#include <pwd.h>

static gid_t groups[64];
static int ngroups;

static void
name_of(const char *label, unsigned id, bool group)
{
	struct passwd *pw = group ? NULL : getpwuid(id);
	struct group *gr = group ? getgrgid(id) : NULL;
	const char *name = pw != NULL ? pw->pw_name : gr != NULL ? gr->gr_name : NULL;

	printf("%s%u", label, id);
	if (name != NULL)
		printf("(%s)", name);
}

/* Primary group first, each once. */
static void
load_groups(const struct passwd *pw, gid_t gid)
{
	if (pw == NULL) {
		gid_t v[64];
		int n = getgroups((int)NELEM(v), v);

		groups[ngroups++] = gid;
		for (int i = 0; i < n && ngroups < (int)NELEM(groups); i++)
			if (v[i] != gid)
				groups[ngroups++] = v[i];
		return;
	}
	groups[ngroups++] = pw->pw_gid;
	setgrent();
	for (struct group *g; (g = getgrent()) != NULL && ngroups < (int)NELEM(groups);)
		for (char **m = g->gr_mem; *m != NULL; m++)
			if (strcmp(*m, pw->pw_name) == 0 && g->gr_gid != pw->pw_gid)
				groups[ngroups++] = g->gr_gid;
	endgrent();
}

int
id_main(int argc, char **argv)
{
	static const char text[] = "id [user]\n       id -G [-n] [user]\n       id -g [-nr] [user]\n       id -u [-nr] [user]\n"
				   "       id -p [user]";
	const char *name = base_name(argv[0]);
	bool Gflag = false, gflag = false, nflag = false, pflag = false, rflag = false, uflag = false;
	struct passwd *pw = NULL;
	uid_t ruid = getuid(), euid = geteuid();
	gid_t rgid = getgid(), egid = getegid();
	int ch;

	if (strcmp(name, "whoami") == 0)
		uflag = nflag = true;
	else if (strcmp(name, "groups") == 0)
		Gflag = nflag = true;
	while ((ch = getopt(argc, argv, "Ggnpru")) != -1) {
		switch (ch) {
		case 'G': Gflag = true; break;
		case 'g': gflag = true; break;
		case 'n': nflag = true; break;
		case 'p': pflag = true; break;
		case 'r': rflag = true; break;
		case 'u': uflag = true; break;
		default: usage(1, strcmp(name, "whoami") == 0 ? "whoami" : text);
		}
	}
	if (argc - optind > 1 || Gflag + gflag + pflag + uflag > 1 || (strcmp(name, "whoami") == 0 && optind < argc))
		usage(1, strcmp(name, "whoami") == 0 ? "whoami" : text);
	if (optind < argc) {
		uid_t uid;

		if ((pw = getpwnam(argv[optind])) == NULL && (!parse_user(argv[optind], &uid) || (pw = getpwuid(uid)) == NULL))
			errx(1, "%s: no such user", argv[optind]);
		ruid = euid = pw->pw_uid;
		rgid = egid = pw->pw_gid;
	}
	load_groups(pw, egid);
	if (uflag || gflag) {
		unsigned id = uflag ? (rflag ? ruid : euid) : rflag ? rgid : egid;

		if (nflag)
			puts(uflag ? user_name(id) : group_name(id));
		else
			printf("%u\n", id);
	} else if (Gflag) {
		for (int i = 0; i < ngroups; i++)
			if (nflag)
				printf("%s%s", i > 0 ? " " : "", group_name(groups[i]));
			else
				printf("%s%u", i > 0 ? " " : "", (unsigned)groups[i]);
		putchar('\n');
	} else if (pflag) {
		printf("uid\t%s\n", user_name(ruid));
		if (euid != ruid)
			printf("euid\t%s\n", user_name(euid));
		if (egid != rgid)
			printf("rgid\t%s\n", group_name(rgid));
		printf("groups\t");
		for (int i = 0; i < ngroups; i++)
			printf("%s%s", i > 0 ? " " : "", group_name(groups[i]));
		putchar('\n');
	} else {
		name_of("uid=", ruid, false);
		name_of(" gid=", rgid, true);
		if (euid != ruid)
			name_of(" euid=", euid, false);
		if (egid != rgid)
			name_of(" egid=", egid, true);
		for (int i = 0; i < ngroups; i++)
			name_of(i == 0 ? " groups=" : ",", groups[i], true);
		putchar('\n');
	}
	return finish(0);
}
