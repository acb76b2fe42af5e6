/*
 * Users and groups from /etc/passwd (or /etc/master.passwd, with two more fields, when it can be read) and
 * /etc/group. Plain files, no databases: the files of this system are a few lines long.
 */
#include <errno.h>
#include <fstab.h>
#include <grp.h>
#include <paths.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAXMEM 200

static FILE *pwf, *grf, *fsf;
static int master;
static char pwline[2048], grline[4096], fsline[1024];
static struct passwd pw;
static struct group gr;
static char *members[MAXMEM + 1];

/* Split at ':'; missing fields become empty. */
static int
fields(char *line, char **f, int max)
{
	int n = 0;
	char *p = line;

	line[strcspn(line, "\n")] = '\0';
	while (n < max && p != NULL)
		f[n++] = strsep(&p, ":");
	for (int i = n; i < max; i++)
		f[i] = line + strlen(line);
	return (n);
}

static int
number(const char *s, unsigned *out)
{
	char *end;
	unsigned long v = strtoul(s, &end, 10);

	*out = (unsigned)v;
	return (end != s && *end == '\0' && v <= 0xffffffffUL);
}

static int
parse_pw(char *line, int is_master, struct passwd *p)
{
	char *f[10];
	int n;

	if (*line == '#' || *line == '\n' || *line == '+' || *line == '-')
		return (0);
	n = fields(line, f, is_master ? 10 : 7);
	memset(p, 0, sizeof(*p));
	if (n < (is_master ? 10 : 7) || !number(f[2], &p->pw_uid) || !number(f[3], &p->pw_gid))
		return (0);
	p->pw_name = f[0];
	p->pw_passwd = f[1];
	p->pw_class = is_master ? f[4] : f[0] + strlen(f[0]);
	p->pw_change = is_master ? strtol(f[5], NULL, 10) : 0;
	p->pw_expire = is_master ? strtol(f[6], NULL, 10) : 0;
	p->pw_gecos = f[is_master ? 7 : 4];
	p->pw_dir = f[is_master ? 8 : 5];
	p->pw_shell = f[is_master ? 9 : 6];
	if (*p->pw_shell == '\0')
		p->pw_shell = (char *)(uintptr_t)_PATH_BSHELL;
	return (1);
}

void
setpwent(void)
{
	if (pwf != NULL) {
		rewind(pwf);
		return;
	}
	master = 0;
	if ((pwf = fopen(_PATH_PASSWD, "re")) == NULL) {
		pwf = fopen(_PATH_MASTERPASSWD, "re");
		master = 1;
	}
}

int
setpassent(int stay)
{
	(void)stay;
	setpwent();
	return (pwf != NULL);
}

void
endpwent(void)
{
	if (pwf != NULL)
		fclose(pwf);
	pwf = NULL;
}

struct passwd *
getpwent(void)
{
	if (pwf == NULL)
		setpwent();
	if (pwf != NULL)
		while (fgets(pwline, sizeof(pwline), pwf) != NULL)
			if (parse_pw(pwline, master, &pw))
				return (&pw);
	return (NULL);
}

struct passwd *
getpwnam(const char *name)
{
	struct passwd *p;

	setpwent();
	while ((p = getpwent()) != NULL && strcmp(p->pw_name, name) != 0)
		;
	endpwent();
	return (p);
}

struct passwd *
getpwuid(uid_t uid)
{
	struct passwd *p;

	setpwent();
	while ((p = getpwent()) != NULL && p->pw_uid != uid)
		;
	endpwent();
	return (p);
}

static int
copy_pw(struct passwd *from, struct passwd *to, char *buf, size_t size, struct passwd **out)
{
	char **strings[] = { &to->pw_name, &to->pw_passwd, &to->pw_class, &to->pw_gecos, &to->pw_dir, &to->pw_shell };

	*out = NULL;
	if (from == NULL)
		return (0);
	*to = *from;
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
		size_t n = strlen(*strings[i]) + 1;

		if (n > size)
			return (ERANGE);
		*strings[i] = memcpy(buf, *strings[i], n);
		buf += n;
		size -= n;
	}
	*out = to;
	return (0);
}

int
getpwnam_r(const char *name, struct passwd *p, char *buf, size_t size, struct passwd **out)
{
	return (copy_pw(getpwnam(name), p, buf, size, out));
}

int
getpwuid_r(uid_t uid, struct passwd *p, char *buf, size_t size, struct passwd **out)
{
	return (copy_pw(getpwuid(uid), p, buf, size, out));
}

void
setgrent(void)
{
	if (grf != NULL)
		rewind(grf);
	else
		grf = fopen("/etc/group", "re");
}

int
setgroupent(int stay)
{
	(void)stay;
	setgrent();
	return (grf != NULL);
}

void
endgrent(void)
{
	if (grf != NULL)
		fclose(grf);
	grf = NULL;
}

struct group *
getgrent(void)
{
	char *f[4], *p;

	if (grf == NULL)
		setgrent();
	while (grf != NULL && fgets(grline, sizeof(grline), grf) != NULL) {
		int n = 0;

		if (*grline == '#' || *grline == '\n' || *grline == '+')
			continue;
		if (fields(grline, f, 4) < 3 || !number(f[2], &gr.gr_gid))
			continue;
		gr.gr_name = f[0];
		gr.gr_passwd = f[1];
		gr.gr_mem = members;
		for (p = f[3]; p != NULL && *p != '\0' && n < MAXMEM;)
			members[n++] = strsep(&p, ",");
		members[n] = NULL;
		return (&gr);
	}
	return (NULL);
}

struct group *
getgrnam(const char *name)
{
	struct group *g;

	setgrent();
	while ((g = getgrent()) != NULL && strcmp(g->gr_name, name) != 0)
		;
	endgrent();
	return (g);
}

struct group *
getgrgid(gid_t gid)
{
	struct group *g;

	setgrent();
	while ((g = getgrent()) != NULL && g->gr_gid != gid)
		;
	endgrent();
	return (g);
}

int
getgrouplist(const char *name, gid_t base, gid_t *groups, int *count)
{
	int room = *count, n = 0;
	struct group *g;

	if (n < room)
		groups[n] = base;
	n++;
	setgrent();
	while ((g = getgrent()) != NULL) {
		int known = 0;

		for (int i = 0; i < n && i < room; i++)
			known |= groups[i] == g->gr_gid;
		for (char **m = g->gr_mem; !known && *m != NULL; m++)
			if (strcmp(*m, name) == 0) {
				if (n < room)
					groups[n] = g->gr_gid;
				n++;
				break;
			}
	}
	endgrent();
	*count = n < room ? n : room;
	return (n > room ? -1 : 0);
}

int
initgroups(const char *name, gid_t base)
{
	gid_t groups[17];
	int n = 17;

	getgrouplist(name, base, groups, &n);
	return (setgroups(n > 16 ? 16 : n, groups));
}

/* The cached forms that ls and ps ask for every line: name (or number) of an id. */
#define NCACHE 32

const char *
user_from_uid(uid_t uid, int nouser)
{
	static struct {
		uid_t id;
		int state; /* 0 unused, 1 known, 2 unknown */
		char name[40];
	} cache[NCACHE], *c;
	struct passwd *p;

	c = &cache[uid % NCACHE];
	if (c->state == 0 || c->id != uid) {
		p = getpwuid(uid);
		c->id = uid;
		c->state = p != NULL ? 1 : 2;
		if (p != NULL)
			strlcpy(c->name, p->pw_name, sizeof(c->name));
		else
			snprintf(c->name, sizeof(c->name), "%u", uid);
	}
	return (c->state == 2 && nouser ? NULL : c->name);
}

const char *
group_from_gid(gid_t gid, int nogroup)
{
	static struct {
		gid_t id;
		int state;
		char name[40];
	} cache[NCACHE], *c;
	struct group *g;

	c = &cache[gid % NCACHE];
	if (c->state == 0 || c->id != gid) {
		g = getgrgid(gid);
		c->id = gid;
		c->state = g != NULL ? 1 : 2;
		if (g != NULL)
			strlcpy(c->name, g->gr_name, sizeof(c->name));
		else
			snprintf(c->name, sizeof(c->name), "%u", gid);
	}
	return (c->state == 2 && nogroup ? NULL : c->name);
}

int
uid_from_user(const char *name, uid_t *uid)
{
	struct passwd *p = getpwnam(name);

	if (p == NULL)
		return (-1);
	*uid = p->pw_uid;
	return (0);
}

int
gid_from_group(const char *name, gid_t *gid)
{
	struct group *g = getgrnam(name);

	if (g == NULL)
		return (-1);
	*gid = g->gr_gid;
	return (0);
}

/* /etc/fstab. */
int
setfsent(void)
{
	if (fsf != NULL)
		rewind(fsf);
	else
		fsf = fopen(_PATH_FSTAB, "re");
	return (fsf != NULL);
}

void
endfsent(void)
{
	if (fsf != NULL)
		fclose(fsf);
	fsf = NULL;
}

struct fstab *
getfsent(void)
{
	static struct fstab fs;
	static char type[4];

	if (fsf == NULL && !setfsent())
		return (NULL);
	while (fgets(fsline, sizeof(fsline), fsf) != NULL) {
		char *f[6] = { NULL }, *p = fsline, *w, opts[256], *o;
		int n = 0;

		while (n < 6 && (w = strsep(&p, " \t\n")) != NULL) {
			if (*w == '#')
				break;
			if (*w != '\0')
				f[n++] = w;
		}
		if (n < 4)
			continue;
		fs.fs_spec = f[0];
		fs.fs_file = f[1];
		fs.fs_vfstype = f[2];
		fs.fs_mntops = f[3];
		fs.fs_freq = f[4] != NULL ? atoi(f[4]) : 0;
		fs.fs_passno = f[5] != NULL ? atoi(f[5]) : 0;
		strlcpy(type, FSTAB_XX, sizeof(type));
		strlcpy(opts, f[3], sizeof(opts));
		for (o = opts; (w = strsep(&o, ",")) != NULL;)
			if (strcmp(w, FSTAB_RW) == 0 || strcmp(w, FSTAB_RO) == 0 || strcmp(w, FSTAB_SW) == 0)
				strlcpy(type, w, sizeof(type));
		fs.fs_type = type;
		return (&fs);
	}
	return (NULL);
}

struct fstab *
getfsspec(const char *spec)
{
	struct fstab *f;

	setfsent();
	while ((f = getfsent()) != NULL && strcmp(f->fs_spec, spec) != 0)
		;
	return (f);
}

struct fstab *
getfsfile(const char *file)
{
	struct fstab *f;

	setfsent();
	while ((f = getfsent()) != NULL && strcmp(f->fs_file, file) != 0)
		;
	return (f);
}
