/* Directory records have no length field: it follows from d_namlen. */
#ifndef _DIRENT_H_
#define _DIRENT_H_

#include <sys/types.h>

#define MAXNAMLEN 255
struct dirent {
	ino_t d_fileno;
	uint16_t d_namlen;
	uint8_t d_type;
	uint8_t d_unused1;
	uint32_t d_unused2;
	char d_name[MAXNAMLEN + 1];
};
#define d_ino d_fileno
#define _DIRENT_RECLEN(namlen) ((16 + (size_t)(namlen) + 1 + 7) & ~(size_t)7)
#define _DIRENT_NEXT(dp) ((struct dirent *)((char *)(dp) + _DIRENT_RECLEN((dp)->d_namlen)))

#define DT_UNKNOWN 0
#define DT_FIFO 1
#define DT_CHR 2
#define DT_DIR 4
#define DT_BLK 6
#define DT_REG 8
#define DT_LNK 10
#define DT_SOCK 12
#define DT_WHT 14
#define DT_DBF 15
#define IFTODT(mode) (((mode) & 0170000) >> 12)
#define DTTOIF(t) ((t) << 12)

typedef struct _dirdesc DIR;

__BEGIN_DECLS
int alphasort(const struct dirent **, const struct dirent **);
int closedir(DIR *);
int dirfd(DIR *);
DIR *fdopendir(int);
int getdents(int, char *, size_t);
int getdirentries(int, char *, unsigned int, long *);
DIR *opendir(const char *);
struct dirent *readdir(DIR *);
int readdir_r(DIR *, struct dirent *, struct dirent **);
void rewinddir(DIR *);
int scandir(const char *, struct dirent ***, int (*)(const struct dirent *),
    int (*)(const struct dirent **, const struct dirent **));
void seekdir(DIR *, long);
long telldir(DIR *);
__END_DECLS

#endif
