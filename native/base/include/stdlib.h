#ifndef _STDLIB_H_
#define _STDLIB_H_

#include <stddef.h>
#include <stdint.h>
#include <sys/cdefs.h>
#include <sys/types.h>

#define EXIT_SUCCESS 0
#define EXIT_FAILURE 1
#define RAND_MAX 0x7fffffff
#define MB_CUR_MAX 1
#define alloca(n) __builtin_alloca(n)

typedef struct {
	int quot;
	int rem;
} div_t;
typedef struct {
	long quot;
	long rem;
} ldiv_t;
typedef struct {
	long long quot;
	long long rem;
} lldiv_t;

__BEGIN_DECLS
void _Exit(int) __dead2;
long a64l(const char *);
void abort(void) __dead2;
int abs(int) __pure2;
void *aligned_alloc(size_t, size_t);
uint32_t arc4random(void);
void arc4random_buf(void *, size_t);
uint32_t arc4random_uniform(uint32_t);
int at_quick_exit(void (*)(void));
int atexit(void (*)(void));
double atof(const char *);
int atoi(const char *);
long atol(const char *);
long long atoll(const char *);
void *bsearch(const void *, const void *, size_t, size_t, int (*)(const void *, const void *));
void *calloc(size_t, size_t) __attribute__((__malloc__));
int clearenv(void);
int daemon(int, int);
char *devname(dev_t, mode_t);
char *devname_r(dev_t, mode_t, char *, size_t);
div_t div(int, int) __pure2;
double drand48(void);
void exit(int) __dead2;
void free(void *);
char *getenv(const char *);
int getloadavg(double[], int);
const char *getprogname(void);
int getsubopt(char **, char *const *, char **);
int heapsort(void *, size_t, size_t, int (*)(const void *, const void *));
long labs(long) __pure2;
ldiv_t ldiv(long, long) __pure2;
long long llabs(long long) __pure2;
lldiv_t lldiv(long long, long long) __pure2;
long lrand48(void);
void *malloc(size_t) __attribute__((__malloc__));
int mblen(const char *, size_t);
size_t mbstowcs(wchar_t *__restrict, const char *__restrict, size_t);
int mbtowc(wchar_t *__restrict, const char *__restrict, size_t);
int mergesort(void *, size_t, size_t, int (*)(const void *, const void *));
char *mkdtemp(char *);
int mkostemp(char *, int);
int mkstemp(char *);
int mkstemps(char *, int);
char *mktemp(char *);
long mrand48(void);
int posix_memalign(void **, size_t, size_t);
int putenv(char *);
void qsort(void *, size_t, size_t, int (*)(const void *, const void *));
void qsort_r(void *, size_t, size_t, void *, int (*)(void *, const void *, const void *));
void quick_exit(int) __dead2;
int rand(void);
int rand_r(unsigned int *);
long random(void);
void *realloc(void *, size_t);
void *reallocarray(void *, size_t, size_t);
void *reallocf(void *, size_t);
char *realpath(const char *__restrict, char *__restrict);
int setenv(const char *, const char *, int);
void setprogname(const char *);
void srand(unsigned int);
void srand48(long);
void srandom(unsigned int);
void srandomdev(void);
double strtod(const char *__restrict, char **__restrict);
float strtof(const char *__restrict, char **__restrict);
long strtol(const char *__restrict, char **__restrict, int);
long double strtold(const char *__restrict, char **__restrict);
long long strtoll(const char *__restrict, char **__restrict, int);
long long strtonum(const char *, long long, long long, const char **);
int64_t strtoq(const char *__restrict, char **__restrict, int);
unsigned long strtoul(const char *__restrict, char **__restrict, int);
unsigned long long strtoull(const char *__restrict, char **__restrict, int);
uint64_t strtouq(const char *__restrict, char **__restrict, int);
int system(const char *);
int unsetenv(const char *);
size_t wcstombs(char *__restrict, const wchar_t *__restrict, size_t);
int wctomb(char *, wchar_t);
int grantpt(int);
int posix_openpt(int);
char *ptsname(int);
int unlockpt(int);
size_t malloc_usable_size(const void *);
extern const char *__progname;
__END_DECLS

#endif
