#ifndef _SYS_VARSYM_H_
#define _SYS_VARSYM_H_

#include <sys/cdefs.h>

#define VARSYM_PROC 1
#define VARSYM_USER 2
#define VARSYM_SYS 3
#define VARSYM_PRISON 4
#define VARSYM_PROC_MASK 2
#define VARSYM_USER_MASK 4
#define VARSYM_SYS_MASK 8
#define VARSYM_ALL_MASK 14
#define MAXVARSYM_NAME 64
#define MAXVARSYM_DATA 256
#define MAXVARSYM_SET 16384
__BEGIN_DECLS
int varsym_set(int, const char *, const char *);
int varsym_get(int, const char *, char *, int);
int varsym_list(int, char *, int, int *);
__END_DECLS

#endif
