#ifndef _UNISTD_H_
#define _UNISTD_H_

#include <stddef.h>
#include <stdint.h>
#include <sys/cdefs.h>
#include <sys/types.h>

#define STDIN_FILENO 0
#define STDOUT_FILENO 1
#define STDERR_FILENO 2
#ifndef R_OK
#define F_OK 0
#define X_OK 1
#define W_OK 2
#define R_OK 4
#endif
#ifndef SEEK_SET
#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2
#endif
#define SEEK_DATA 3
#define SEEK_HOLE 4
#define L_SET SEEK_SET
#define L_INCR SEEK_CUR
#define L_XTND SEEK_END
#define F_ULOCK 0
#define F_LOCK 1
#define F_TLOCK 2
#define F_TEST 3

#define _POSIX_VERSION 200112L
#define _POSIX2_VERSION 199212L
#define _POSIX_JOB_CONTROL 1
#define _POSIX_SAVED_IDS 1
#define _POSIX_FSYNC 200112L
#define _POSIX_MAPPED_FILES 200112L
#ifndef _POSIX_VDISABLE
#define _POSIX_VDISABLE 0xff
#endif

#define RFNAMEG (1 << 0)
#define RFENVG (1 << 1)
#define RFFDG (1 << 2)
#define RFPROC (1 << 4)
#define RFMEM (1 << 5)
#define RFNOWAIT (1 << 6)
#define RFCFDG (1 << 12)
#define RFTHREAD (1 << 13)
#define RFSIGSHARE (1 << 14)

#define _PC_LINK_MAX 1
#define _PC_MAX_CANON 2
#define _PC_MAX_INPUT 3
#define _PC_NAME_MAX 4
#define _PC_PATH_MAX 5
#define _PC_PIPE_BUF 6
#define _PC_CHOWN_RESTRICTED 7
#define _PC_NO_TRUNC 8
#define _PC_VDISABLE 9
#define _PC_ALLOC_SIZE_MIN 10
#define _PC_FILESIZEBITS 12
#define _PC_SYMLINK_MAX 18
#define _PC_MIN_HOLE_SIZE 21
#define _PC_2_SYMLINKS 22

#define _SC_ARG_MAX 1
#define _SC_CHILD_MAX 2
#define _SC_CLK_TCK 3
#define _SC_NGROUPS_MAX 4
#define _SC_OPEN_MAX 5
#define _SC_JOB_CONTROL 6
#define _SC_SAVED_IDS 7
#define _SC_VERSION 8
#define _SC_BC_BASE_MAX 9
#define _SC_BC_DIM_MAX 10
#define _SC_BC_SCALE_MAX 11
#define _SC_BC_STRING_MAX 12
#define _SC_COLL_WEIGHTS_MAX 13
#define _SC_EXPR_NEST_MAX 14
#define _SC_LINE_MAX 15
#define _SC_RE_DUP_MAX 16
#define _SC_2_VERSION 17
#define _SC_STREAM_MAX 26
#define _SC_TZNAME_MAX 27
#define _SC_PAGESIZE 47
#define _SC_PAGE_SIZE 47
#define _SC_IOV_MAX 56
#define _SC_NPROCESSORS_CONF 57
#define _SC_NPROCESSORS_ONLN 58
#define _SC_GETGR_R_SIZE_MAX 70
#define _SC_GETPW_R_SIZE_MAX 71
#define _SC_HOST_NAME_MAX 72
#define _SC_LOGIN_NAME_MAX 73
#define _SC_MONOTONIC_CLOCK 74
#define _SC_SYMLOOP_MAX 120
#define _SC_PHYS_PAGES 121
#define _CS_PATH 1

extern char **environ;
extern char *optarg;
extern int optind, opterr, optopt, optreset;
typedef uint32_t __socklen_dummy_t;

__BEGIN_DECLS
void _exit(int) __dead2;
int access(const char *, int);
int acct(const char *);
unsigned int alarm(unsigned int);
int brk(const void *);
int chdir(const char *);
int chown(const char *, uid_t, gid_t);
int chroot(const char *);
int close(int);
void closefrom(int);
size_t confstr(int, char *, size_t);
char *crypt(const char *, const char *);
int dup(int);
int dup2(int, int);
int dup3(int, int, int);
int eaccess(const char *, int);
int execl(const char *, const char *, ...) __attribute__((__sentinel__));
int execle(const char *, const char *, ...);
int execlp(const char *, const char *, ...) __attribute__((__sentinel__));
int execv(const char *, char *const *);
int execve(const char *, char *const *, char *const *);
int execvp(const char *, char *const *);
int execvpe(const char *, char *const *, char *const *);
int execvP(const char *, const char *, char *const *);
int faccessat(int, const char *, int, int);
int fchdir(int);
int fchown(int, uid_t, gid_t);
int fchownat(int, const char *, uid_t, gid_t, int);
int fdatasync(int);
int fexecve(int, char *const *, char *const *);
pid_t fork(void);
long fpathconf(int, int);
int fsync(int);
int ftruncate(int, off_t);
char *getcwd(char *, size_t);
int getdomainname(char *, int);
int getdtablesize(void);
gid_t getegid(void);
int getentropy(void *, size_t);
uid_t geteuid(void);
gid_t getgid(void);
int getgrouplist(const char *, gid_t, gid_t *, int *);
int getgroups(int, gid_t *);
long gethostid(void);
int gethostname(char *, size_t);
char *getlogin(void);
int getlogin_r(char *, int);
mode_t getmode(const void *, mode_t);
int getopt(int, char *const *, const char *);
int getpagesize(void);
char *getpass(const char *);
pid_t getpgid(pid_t);
pid_t getpgrp(void);
pid_t getpid(void);
pid_t getppid(void);
int getresgid(gid_t *, gid_t *, gid_t *);
int getresuid(uid_t *, uid_t *, uid_t *);
pid_t getsid(pid_t);
uid_t getuid(void);
char *getwd(char *);
int initgroups(const char *, gid_t);
int isatty(int);
int issetugid(void);
int lchown(const char *, uid_t, gid_t);
int link(const char *, const char *);
int linkat(int, const char *, int, const char *, int);
int lockf(int, int, off_t);
off_t lseek(int, off_t, int);
int nice(int);
long pathconf(const char *, int);
long lpathconf(const char *, int);
int pause(void);
int pipe(int *);
int pipe2(int *, int);
ssize_t pread(int, void *, size_t, off_t);
ssize_t pwrite(int, const void *, size_t, off_t);
ssize_t read(int, void *, size_t);
ssize_t readlink(const char *, char *, size_t);
ssize_t readlinkat(int, const char *, char *, size_t);
int revoke(const char *);
pid_t rfork(int);
int rmdir(const char *);
void *sbrk(intptr_t);
int setdomainname(const char *, int);
int setegid(gid_t);
int seteuid(uid_t);
int setgid(gid_t);
int setgroups(int, const gid_t *);
int sethostname(const char *, int);
int setlogin(const char *);
void *setmode(const char *);
int setpgid(pid_t, pid_t);
int setpgrp(pid_t, pid_t);
void setproctitle(const char *, ...) __printflike(1, 2);
int setregid(gid_t, gid_t);
int setresgid(gid_t, gid_t, gid_t);
int setresuid(uid_t, uid_t, uid_t);
int setreuid(uid_t, uid_t);
pid_t setsid(void);
int setuid(uid_t);
unsigned int sleep(unsigned int);
int swapon(const char *);
int swapoff(const char *);
void swab(const void *__restrict, void *__restrict, ssize_t);
int symlink(const char *, const char *);
int symlinkat(const char *, int, const char *);
void sync(void);
long syscall(int, ...);
long sysconf(int);
pid_t tcgetpgrp(int);
int tcsetpgrp(int, pid_t);
int truncate(const char *, off_t);
char *ttyname(int);
int ttyname_r(int, char *, size_t);
unsigned int ualarm(unsigned int, unsigned int);
int undelete(const char *);
int unlink(const char *);
int unlinkat(int, const char *, int);
int usleep(useconds_t);
pid_t vfork(void) __attribute__((__returns_twice__));
ssize_t write(int, const void *, size_t);
__END_DECLS

#endif
