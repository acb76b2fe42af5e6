/* Wide characters and locales: only the C locale exists, one byte is one character. */
#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

size_t
mbrtowc(wchar_t *__restrict out, const char *__restrict s, size_t n, mbstate_t *__restrict st)
{
	(void)st;
	if (s == NULL)
		return (0);
	if (n == 0)
		return ((size_t)-2);
	if (out != NULL)
		*out = (unsigned char)*s;
	return (*s != '\0');
}

size_t
mbrlen(const char *__restrict s, size_t n, mbstate_t *__restrict st)
{
	return (mbrtowc(NULL, s, n, st));
}

int
mbsinit(const mbstate_t *st)
{
	(void)st;
	return (1);
}

size_t
wcrtomb(char *__restrict s, wchar_t c, mbstate_t *__restrict st)
{
	(void)st;
	if (s != NULL)
		*s = (char)c;
	return (1);
}

int
mbtowc(wchar_t *__restrict out, const char *__restrict s, size_t n)
{
	return (s == NULL ? 0 : n == 0 ? -1 : (int)mbrtowc(out, s, n, NULL));
}

int
mblen(const char *s, size_t n)
{
	return (mbtowc(NULL, s, n));
}

int
wctomb(char *s, wchar_t c)
{
	return (s == NULL ? 0 : (int)wcrtomb(s, c, NULL));
}

size_t
mbstowcs(wchar_t *__restrict out, const char *__restrict s, size_t n)
{
	size_t i;

	if (out == NULL)
		return (strlen(s));
	for (i = 0; i < n; i++)
		if ((out[i] = (unsigned char)s[i]) == 0)
			break;
	return (i);
}

size_t
mbsrtowcs(wchar_t *__restrict out, const char **__restrict s, size_t n, mbstate_t *__restrict st)
{
	size_t k = mbstowcs(out, *s, n);

	(void)st;
	if (out != NULL)
		*s = k < n ? NULL : *s + k;
	return (k);
}

size_t
wcstombs(char *__restrict out, const wchar_t *__restrict s, size_t n)
{
	size_t i;

	if (out == NULL)
		return (wcslen(s));
	for (i = 0; i < n; i++)
		if ((out[i] = (char)s[i]) == 0)
			break;
	return (i);
}

wint_t
btowc(int c)
{
	return (c >= 0 && c <= 255 ? (wint_t)c : WEOF);
}

int
wctob(wint_t c)
{
	return (c <= 255 ? (int)c : EOF);
}

int
wcwidth(wchar_t c)
{
	return (c == 0 ? 0 : c >= ' ' && c != 0x7f ? 1 : -1);
}

size_t
wcslen(const wchar_t *s)
{
	const wchar_t *p = s;

	while (*p != 0)
		p++;
	return ((size_t)(p - s));
}

wchar_t *
wcschr(const wchar_t *s, wchar_t c)
{
	for (;; s++) {
		if (*s == c)
			return ((wchar_t *)s);
		if (*s == 0)
			return (NULL);
	}
}

int
wcscmp(const wchar_t *a, const wchar_t *b)
{
	for (; *a == *b && *a != 0; a++, b++)
		;
	return (*a < *b ? -1 : *a > *b);
}

wchar_t *
wcscpy(wchar_t *__restrict dst, const wchar_t *__restrict src)
{
	return (memcpy(dst, src, (wcslen(src) + 1) * sizeof(wchar_t)));
}

wchar_t *
wmemcpy(wchar_t *__restrict dst, const wchar_t *__restrict src, size_t n)
{
	return (memcpy(dst, src, n * sizeof(wchar_t)));
}

wchar_t *
wmemset(wchar_t *dst, wchar_t c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dst[i] = c;
	return (dst);
}

char *
setlocale(int category, const char *name)
{
	static char c[] = "C";

	if (category < LC_ALL || category > LC_MESSAGES)
		return (NULL);
	if (name == NULL || *name == '\0' || strcmp(name, "C") == 0 || strcmp(name, "POSIX") == 0)
		return (c);
	return (NULL);
}

struct lconv *
localeconv(void)
{
	static char dot[] = ".", none[] = "";
	static struct lconv lc = { dot, none, none, none, none, none, none, none, none, none, CHAR_MAX, CHAR_MAX,
		CHAR_MAX, CHAR_MAX, CHAR_MAX, CHAR_MAX, CHAR_MAX, CHAR_MAX };

	return (&lc);
}

char *
nl_langinfo(nl_item item)
{
	switch (item) {
	case CODESET:
		return ((char *)(uintptr_t)"US-ASCII");
	case D_T_FMT:
		return ((char *)(uintptr_t)"%a %b %e %H:%M:%S %Y");
	case D_FMT:
		return ((char *)(uintptr_t)"%m/%d/%y");
	case T_FMT:
		return ((char *)(uintptr_t)"%H:%M:%S");
	case YESEXPR:
		return ((char *)(uintptr_t)"^[yY]");
	case NOEXPR:
		return ((char *)(uintptr_t)"^[nN]");
	}
	return ((char *)(uintptr_t)"");
}
