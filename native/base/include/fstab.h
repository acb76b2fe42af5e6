#ifndef _FSTAB_H_
#define _FSTAB_H_

#include <sys/cdefs.h>

struct fstab {
	char *fs_spec;
	char *fs_file;
	char *fs_vfstype;
	char *fs_mntops;
	char *fs_type;
	int fs_freq;
	int fs_passno;
};
#define FSTAB_RW "rw"
#define FSTAB_RO "ro"
#define FSTAB_SW "sw"
#define FSTAB_XX "xx"
__BEGIN_DECLS
void endfsent(void);
struct fstab *getfsent(void);
struct fstab *getfsfile(const char *);
struct fstab *getfsspec(const char *);
int setfsent(void);
__END_DECLS

#endif
