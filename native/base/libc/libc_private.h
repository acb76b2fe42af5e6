/*
 * What libc's files share and programs do not see: raw system calls, the FILE structure, locks, number
 * conversion. FILE invariant: a stream is either reading (rp..re is unread input) or writing (wp counts pending
 * output in buf), never both; _r and _w tell which direction the buffer has now.
 */
#ifndef LIBC_PRIVATE_H
#define LIBC_PRIVATE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>

extern __thread int __errno_tls;

int __sys_open(const char *, int, ...);
int __sys_openat(int, const char *, int, ...);
int __sys_fcntl(int, int, long);
pid_t __sys_fork(void);
int __sys_getlogin(char *, size_t);
int __sys_getpriority(int, int);
int __sys_clock_nanosleep(clockid_t, int, const struct timespec *, struct timespec *);
int __sys___sysctl(const int *, unsigned int, void *, size_t *, const void *, size_t);
int __sys___getcwd(char *, size_t);
ssize_t __sys___realpath(const char *, char *, size_t);
ssize_t __sys_extpread(int, void *, size_t, int, off_t);
ssize_t __sys_extpwrite(int, const void *, size_t, int, off_t);
void *__sys_sbrk(long);

/* A recursive lock that costs two instructions while the process has one thread. */
struct __lock {
	volatile int word;
	int count;
	void *owner;
};
extern int __isthreaded;
void __lock_slow(struct __lock *);
void __unlock_slow(struct __lock *);
static inline void
lock(struct __lock *l)
{
	if (__builtin_expect(__isthreaded, 0))
		__lock_slow(l);
}
static inline void
unlock(struct __lock *l)
{
	if (__builtin_expect(__isthreaded, 0))
		__unlock_slow(l);
}

#define F_RD 0x01     /* open for reading */
#define F_WR 0x02     /* open for writing */
#define F_EOF 0x04
#define F_ERR 0x08
#define F_APP 0x10
#define F_MYBUF 0x20  /* buf is ours to free */
#define F_STATIC 0x40 /* stdin, stdout, stderr: never freed */
#define F_STR 0x80    /* a string: no descriptor behind it */

struct __sFILE {
	unsigned char *rp;  /* next byte to read */
	unsigned char *re;  /* end of unread input */
	unsigned char *wp;  /* next byte to write, 0 while not writing */
	unsigned char *we;  /* end of room; equals wp for line and unbuffered streams, so putc takes the slow path */
	unsigned char *buf;
	size_t bufsize;
	int flags;
	int mode;           /* _IOFBF, _IOLBF, _IONBF; -1 until the first use */
	int fd;
	pid_t pid;          /* of popen */
	unsigned char back[8];
	unsigned char *save_rp; /* where reading goes on when the pushed-back bytes are used up */
	unsigned char *save_re;
	char *line;         /* fgetln */
	size_t linesize;
	void *cookie;
	ssize_t (*readfn)(FILE *, void *, size_t);
	ssize_t (*writefn)(FILE *, const void *, size_t);
	off_t (*seekfn)(FILE *, off_t, int);
	void (*closefn)(FILE *);
	struct __lock lk;
	FILE *next;
	FILE *prev;
};

int __srefill(FILE *);
int __swbuf(int, FILE *);
int __swsetup(FILE *);
int __sflush(FILE *);
int __sflags(const char *, int *);
FILE *__sfnew(void);
void __sfdel(FILE *);
size_t __sfwrite(const void *, size_t, FILE *);
void __stdio_exit(void);

/*
 * Exact decimal digits of a finite positive x, rounded half to even.
 * mode 0: ndigits significant digits (>= 1); mode 1: digits up to ndigits places after the point (may be < 0).
 * Digits go to out (no NUL), value = 0.d1d2d3... * 10^*decpt. Returns the digit count, possibly 0 in mode 1.
 */
#define DTOA_MAX 16500
int __dtoa(long double x, int mode, int ndigits, char *out, int *decpt);

/* Decimal or hexadecimal text to binary with `mant` bits of mantissa and exponent range emin..emax (value 2^e). */
long double __strtold(const char *, char **, int mant, int emin, int emax);

const char *__default_path(void);
extern char **environ;

#endif
