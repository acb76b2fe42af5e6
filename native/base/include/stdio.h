/* Buffered streams. FILE is opaque; getc and putc are functions with a fast path inside. */
#ifndef _STDIO_H_
#define _STDIO_H_

#include <stddef.h>
#include <sys/cdefs.h>
#include <sys/types.h>

typedef struct __sFILE FILE;
typedef off_t fpos_t;
typedef __builtin_va_list __va_list;
#ifndef _VA_LIST_DECLARED
#define _VA_LIST_DECLARED
typedef __builtin_va_list va_list;
#endif

extern FILE *__stdinp;
extern FILE *__stdoutp;
extern FILE *__stderrp;
#define stdin __stdinp
#define stdout __stdoutp
#define stderr __stderrp

#define EOF (-1)
#define BUFSIZ 1024
#define FOPEN_MAX 20
#define FILENAME_MAX 1024
#define L_tmpnam 1024
#define L_ctermid 1024
#define TMP_MAX 308915776
#define P_tmpdir "/tmp/"
#define _IOFBF 0
#define _IOLBF 1
#define _IONBF 2
#ifndef SEEK_SET
#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2
#endif

__BEGIN_DECLS
int asprintf(char **, const char *, ...) __printflike(2, 3);
void clearerr(FILE *);
void clearerr_unlocked(FILE *);
char *ctermid(char *);
int dprintf(int, const char *, ...) __printflike(2, 3);
int fclose(FILE *);
void fcloseall(void);
FILE *fdopen(int, const char *);
int feof(FILE *);
int feof_unlocked(FILE *);
int ferror(FILE *);
int ferror_unlocked(FILE *);
int fflush(FILE *);
int fgetc(FILE *);
char *fgetln(FILE *, size_t *);
int fgetpos(FILE *, fpos_t *);
char *fgets(char *, int, FILE *);
int fileno(FILE *);
int fileno_unlocked(FILE *);
void flockfile(FILE *);
FILE *fmemopen(void *, size_t, const char *);
FILE *fopen(const char *, const char *);
int fprintf(FILE *, const char *, ...) __printflike(2, 3);
int fpurge(FILE *);
int fputc(int, FILE *);
int fputs(const char *, FILE *);
size_t fread(void *, size_t, size_t, FILE *);
FILE *freopen(const char *, const char *, FILE *);
int fscanf(FILE *, const char *, ...) __scanflike(2, 3);
int fseek(FILE *, long, int);
int fseeko(FILE *, off_t, int);
int fsetpos(FILE *, const fpos_t *);
long ftell(FILE *);
off_t ftello(FILE *);
int ftrylockfile(FILE *);
void funlockfile(FILE *);
size_t fwrite(const void *, size_t, size_t, FILE *);
int getc(FILE *);
int getc_unlocked(FILE *);
int getchar(void);
int getchar_unlocked(void);
ssize_t getdelim(char **, size_t *, int, FILE *);
ssize_t getline(char **, size_t *, FILE *);
FILE *open_memstream(char **, size_t *);
int pclose(FILE *);
void perror(const char *);
FILE *popen(const char *, const char *);
int printf(const char *, ...) __printflike(1, 2);
int putc(int, FILE *);
int putc_unlocked(int, FILE *);
int putchar(int);
int putchar_unlocked(int);
int puts(const char *);
int remove(const char *);
int rename(const char *, const char *);
int renameat(int, const char *, int, const char *);
void rewind(FILE *);
int scanf(const char *, ...) __scanflike(1, 2);
void setbuf(FILE *, char *);
void setbuffer(FILE *, char *, int);
int setlinebuf(FILE *);
int setvbuf(FILE *, char *, int, size_t);
int snprintf(char *, size_t, const char *, ...) __printflike(3, 4);
int sprintf(char *, const char *, ...) __printflike(2, 3);
int sscanf(const char *, const char *, ...) __scanflike(2, 3);
FILE *tmpfile(void);
char *tmpnam(char *);
int ungetc(int, FILE *);
int vasprintf(char **, const char *, va_list) __printflike(2, 0);
int vdprintf(int, const char *, va_list) __printflike(2, 0);
int vfprintf(FILE *, const char *, va_list) __printflike(2, 0);
int vfscanf(FILE *, const char *, va_list) __scanflike(2, 0);
int vprintf(const char *, va_list) __printflike(1, 0);
int vscanf(const char *, va_list) __scanflike(1, 0);
int vsnprintf(char *, size_t, const char *, va_list) __printflike(3, 0);
int vsprintf(char *, const char *, va_list) __printflike(2, 0);
int vsscanf(const char *, const char *, va_list) __scanflike(2, 0);
__END_DECLS

#endif
