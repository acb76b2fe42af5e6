#ifndef _STRING_H_
#define _STRING_H_

#include <stddef.h>
#include <strings.h>
#include <sys/cdefs.h>
#include <sys/types.h>

__BEGIN_DECLS
void *memccpy(void *__restrict, const void *__restrict, int, size_t);
void *memchr(const void *, int, size_t) __attribute__((__pure__));
int memcmp(const void *, const void *, size_t) __attribute__((__pure__));
void *memcpy(void *__restrict, const void *__restrict, size_t);
void *memmem(const void *, size_t, const void *, size_t) __attribute__((__pure__));
void *memmove(void *, const void *, size_t);
void *mempcpy(void *__restrict, const void *__restrict, size_t);
void *memrchr(const void *, int, size_t) __attribute__((__pure__));
void *memset(void *, int, size_t);
void explicit_bzero(void *, size_t);
char *stpcpy(char *__restrict, const char *__restrict);
char *stpncpy(char *__restrict, const char *__restrict, size_t);
char *strcasestr(const char *, const char *) __attribute__((__pure__));
char *strcat(char *__restrict, const char *__restrict);
char *strchr(const char *, int) __attribute__((__pure__));
char *strchrnul(const char *, int) __attribute__((__pure__));
int strcmp(const char *, const char *) __attribute__((__pure__));
int strcoll(const char *, const char *);
char *strcpy(char *__restrict, const char *__restrict);
size_t strcspn(const char *, const char *) __attribute__((__pure__));
char *strdup(const char *) __attribute__((__malloc__));
char *strerror(int);
int strerror_r(int, char *, size_t);
size_t strlcat(char *__restrict, const char *__restrict, size_t);
size_t strlcpy(char *__restrict, const char *__restrict, size_t);
size_t strlen(const char *) __attribute__((__pure__));
void strmode(int, char *);
char *strncat(char *__restrict, const char *__restrict, size_t);
int strncmp(const char *, const char *, size_t) __attribute__((__pure__));
char *strncpy(char *__restrict, const char *__restrict, size_t);
char *strndup(const char *, size_t) __attribute__((__malloc__));
size_t strnlen(const char *, size_t) __attribute__((__pure__));
char *strnstr(const char *, const char *, size_t) __attribute__((__pure__));
char *strpbrk(const char *, const char *) __attribute__((__pure__));
char *strrchr(const char *, int) __attribute__((__pure__));
char *strsep(char **, const char *);
char *strsignal(int);
size_t strspn(const char *, const char *) __attribute__((__pure__));
char *strstr(const char *, const char *) __attribute__((__pure__));
char *strtok(char *__restrict, const char *__restrict);
char *strtok_r(char *, const char *, char **);
size_t strxfrm(char *__restrict, const char *__restrict, size_t);
__END_DECLS

#endif
