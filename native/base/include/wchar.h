/* Wide characters of the C locale: one byte each. */
#ifndef _WCHAR_H_
#define _WCHAR_H_

#include <stddef.h>
#include <stdint.h>
#include <sys/cdefs.h>

typedef __WINT_TYPE__ wint_t;
typedef struct {
	char __dummy[8];
} mbstate_t;
#define WEOF ((wint_t)-1)

__BEGIN_DECLS
wint_t btowc(int);
size_t mbrlen(const char *__restrict, size_t, mbstate_t *__restrict);
size_t mbrtowc(wchar_t *__restrict, const char *__restrict, size_t, mbstate_t *__restrict);
int mbsinit(const mbstate_t *);
size_t mbsrtowcs(wchar_t *__restrict, const char **__restrict, size_t, mbstate_t *__restrict);
size_t wcrtomb(char *__restrict, wchar_t, mbstate_t *__restrict);
wchar_t *wcschr(const wchar_t *, wchar_t);
int wcscmp(const wchar_t *, const wchar_t *);
wchar_t *wcscpy(wchar_t *__restrict, const wchar_t *__restrict);
size_t wcslen(const wchar_t *);
int wctob(wint_t);
int wcwidth(wchar_t);
wchar_t *wmemcpy(wchar_t *__restrict, const wchar_t *__restrict, size_t);
wchar_t *wmemset(wchar_t *, wchar_t, size_t);
__END_DECLS

#endif
