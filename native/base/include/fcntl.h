/* open(2) and fcntl(2). O_NOFOLLOW on a symlink gives EMLINK; AT_FDCWD is 0xFFFAFDCD. */
#ifndef _FCNTL_H_
#define _FCNTL_H_

#include <sys/types.h>

#define O_RDONLY 0x0000
#define O_WRONLY 0x0001
#define O_RDWR 0x0002
#define O_ACCMODE 0x0003
#define FREAD 0x0001
#define FWRITE 0x0002
#define O_NONBLOCK 0x0004
#define O_NDELAY O_NONBLOCK
#define O_APPEND 0x0008
#define O_SHLOCK 0x0010
#define O_EXLOCK 0x0020
#define O_ASYNC 0x0040
#define O_FSYNC 0x0080
#define O_SYNC 0x0080
#define O_NOFOLLOW 0x0100
#define O_CREAT 0x0200
#define O_TRUNC 0x0400
#define O_EXCL 0x0800
#define O_NOCTTY 0x8000
#define O_DIRECT 0x00010000
#define O_CLOEXEC 0x00020000
#define O_FBLOCKING 0x00040000
#define O_FNONBLOCKING 0x00080000
#define O_FAPPEND 0x00100000
#define O_FOFFSET 0x00200000
#define O_FSYNCWRITE 0x00400000
#define O_FASYNCWRITE 0x00800000
#define O_CLOFORK 0x01000000
#define O_DIRECTORY 0x08000000

#define FD_CLOEXEC 1
#define FD_CLOFORK 2
#define F_DUPFD 0
#define F_GETFD 1
#define F_SETFD 2
#define F_GETFL 3
#define F_SETFL 4
#define F_GETOWN 5
#define F_SETOWN 6
#define F_GETLK 7
#define F_SETLK 8
#define F_SETLKW 9
#define F_DUP2FD 10
#define F_DUPFD_CLOEXEC 17
#define F_DUP2FD_CLOEXEC 18
#define F_GETPATH 19
#define F_MAXFD 20
#define F_DUPFD_CLOFORK 21
#define F_DUP2FD_CLOFORK 22
#define F_DUP3FD 23
#define F_RDLCK 1
#define F_UNLCK 2
#define F_WRLCK 3

#define LOCK_SH 1
#define LOCK_EX 2
#define LOCK_NB 4
#define LOCK_UN 8

#define AT_FDCWD ((int)0xFFFAFDCD)
#define AT_SYMLINK_NOFOLLOW 1
#define AT_REMOVEDIR 2
#define AT_EACCESS 4
#define AT_SYMLINK_FOLLOW 8

#define POSIX_FADV_NORMAL 0
#define POSIX_FADV_RANDOM 1
#define POSIX_FADV_SEQUENTIAL 2
#define POSIX_FADV_WILLNEED 3
#define POSIX_FADV_DONTNEED 4
#define POSIX_FADV_NOREUSE 5

#ifndef SEEK_SET
#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2
#endif
#ifndef R_OK
#define F_OK 0
#define X_OK 1
#define W_OK 2
#define R_OK 4
#endif

struct flock {
	off_t l_start;
	off_t l_len;
	pid_t l_pid;
	short l_type;
	short l_whence;
};

__BEGIN_DECLS
int creat(const char *, mode_t);
int fcntl(int, int, ...);
int flock(int, int);
int open(const char *, int, ...);
int openat(int, const char *, int, ...);
int posix_fadvise(int, off_t, off_t, int);
int posix_fallocate(int, off_t, off_t);
__END_DECLS

#endif
