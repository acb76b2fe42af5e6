#ifndef _GRP_H_
#define _GRP_H_

#include <sys/types.h>

struct group {
	char *gr_name;
	char *gr_passwd;
	gid_t gr_gid;
	char **gr_mem;
};
__BEGIN_DECLS
void endgrent(void);
struct group *getgrent(void);
struct group *getgrgid(gid_t);
struct group *getgrnam(const char *);
int setgroupent(int);
void setgrent(void);
const char *group_from_gid(gid_t, int);
int gid_from_group(const char *, gid_t *);
__END_DECLS

#endif
