/* <string.h> and <strings.h>. Copies and fills use the string instructions, searches go a word at a time. */
#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ONES 0x0101010101010101UL
#define HIGHS 0x8080808080808080UL
#define HASZERO(x) (((x) - ONES) & ~(x) & HIGHS)
typedef unsigned long __attribute__((__may_alias__)) word_t;
typedef uint64_t __attribute__((__may_alias__, __aligned__(1))) u64u;
typedef uint32_t __attribute__((__may_alias__, __aligned__(1))) u32u;
typedef uint16_t __attribute__((__may_alias__, __aligned__(1))) u16u;

void *
memcpy(void *__restrict dst, const void *__restrict src, size_t n)
{
	char *d = dst;
	const char *s = src;

	if (n >= 16) {
		if (n > 128) {
			void *dd = dst;

			__asm__ volatile("rep movsb" : "+D"(dd), "+S"(src), "+c"(n) : : "memory");
			return (dst);
		}
		uint64_t t0 = *(const u64u *)(s + n - 16), t1 = *(const u64u *)(s + n - 8);
		for (size_t i = 0; i + 16 <= n; i += 16) {
			*(u64u *)(d + i) = *(const u64u *)(s + i);
			*(u64u *)(d + i + 8) = *(const u64u *)(s + i + 8);
		}
		*(u64u *)(d + n - 16) = t0;
		*(u64u *)(d + n - 8) = t1;
	} else if (n >= 8) {
		uint64_t a = *(const u64u *)s, b = *(const u64u *)(s + n - 8);

		*(u64u *)d = a;
		*(u64u *)(d + n - 8) = b;
	} else if (n >= 4) {
		uint32_t a = *(const u32u *)s, b = *(const u32u *)(s + n - 4);

		*(u32u *)d = a;
		*(u32u *)(d + n - 4) = b;
	} else if (n > 0) {
		char a = s[0], b = s[n / 2], c = s[n - 1];

		d[0] = a;
		d[n / 2] = b;
		d[n - 1] = c;
	}
	return (dst);
}

void *
mempcpy(void *__restrict dst, const void *__restrict src, size_t n)
{
	return ((char *)memcpy(dst, src, n) + n);
}

void *
memmove(void *dst, const void *src, size_t n)
{
	unsigned char *d = dst;
	const unsigned char *s = src;

	if ((uintptr_t)d - (uintptr_t)s >= n)
		return (n > 16 || (uintptr_t)s - (uintptr_t)d >= n ? (__extension__({
			void *dd = dst;
			__asm__ volatile("rep movsb" : "+D"(dd), "+S"(src), "+c"(n) : : "memory");
			dst;
		})) : (__extension__({
			for (size_t i = 0; i < n; i++)
				((volatile unsigned char *)d)[i] = s[i];
			dst;
		})));
	while (n >= 8) {
		n -= 8;
		*(u64u *)(d + n) = *(const u64u *)(s + n);
	}
	while (n > 0) {
		n--;
		((volatile unsigned char *)d)[n] = s[n];
	}
	return (dst);
}

void *
memset(void *dst, int c, size_t n)
{
	char *d = dst;
	uint64_t v = (unsigned char)c * ONES;

	if (n > 128) {
		void *dd = dst;

		__asm__ volatile("rep stosb" : "+D"(dd), "+c"(n) : "a"(c) : "memory");
	} else if (n >= 8) {
		for (size_t i = 0; i + 8 <= n; i += 8)
			*(volatile u64u *)(d + i) = v;
		*(u64u *)(d + n - 8) = v;
	} else
		while (n > 0)
			((volatile char *)d)[--n] = (char)c;
	return (dst);
}

int
memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *p = a, *q = b;

	while (n >= 8) {
		uint64_t x = *(const u64u *)p, y = *(const u64u *)q;

		if (x != y) {
			x = __builtin_bswap64(x);
			y = __builtin_bswap64(y);
			return (x < y ? -1 : 1);
		}
		p += 8;
		q += 8;
		n -= 8;
	}
	for (; n > 0; n--, p++, q++)
		if (*p != *q)
			return (*p - *q);
	return (0);
}

void *
memchr(const void *s, int c, size_t n)
{
	const unsigned char *p = s;
	uint64_t pat = (unsigned char)c * ONES;

	while (n >= 8) {
		uint64_t x = *(const u64u *)p ^ pat;

		if (HASZERO(x) != 0)
			return ((void *)(p + __builtin_ctzl(HASZERO(x)) / 8));
		p += 8;
		n -= 8;
	}
	for (; n > 0; n--, p++)
		if (*p == (unsigned char)c)
			return ((void *)p);
	return (NULL);
}

void *
memrchr(const void *s, int c, size_t n)
{
	const unsigned char *p = s;

	while (n > 0)
		if (p[--n] == (unsigned char)c)
			return ((void *)(p + n));
	return (NULL);
}

void *
memccpy(void *__restrict dst, const void *__restrict src, int c, size_t n)
{
	const void *p = memchr(src, c, n);

	if (p != NULL)
		return (mempcpy(dst, src, (size_t)((const char *)p - (const char *)src) + 1));
	memcpy(dst, src, n);
	return (NULL);
}

void *
memmem(const void *hay, size_t hlen, const void *needle, size_t nlen)
{
	const char *h = hay, *n = needle;

	if (nlen == 0)
		return ((void *)hay);
	while (hlen >= nlen) {
		const char *p = memchr(h, *n, hlen - nlen + 1);

		if (p == NULL)
			return (NULL);
		if (memcmp(p, n, nlen) == 0)
			return ((void *)p);
		hlen -= (size_t)(p + 1 - h);
		h = p + 1;
	}
	return (NULL);
}

void
explicit_bzero(void *p, size_t n)
{
	memset(p, 0, n);
	__asm__ volatile("" : : "r"(p) : "memory");
}

size_t
strlen(const char *s)
{
	const char *p = s;
	word_t x;

	for (; (uintptr_t)p % 8 != 0; p++)
		if (*p == '\0')
			return ((size_t)(p - s));
	for (;; p += 8) {
		x = *(const word_t *)p;
		if (HASZERO(x) != 0)
			return ((size_t)(p - s) + __builtin_ctzl(HASZERO(x)) / 8);
	}
}

size_t
strnlen(const char *s, size_t n)
{
	const char *p = memchr(s, 0, n);

	return (p != NULL ? (size_t)(p - s) : n);
}

char *
strchrnul(const char *s, int c)
{
	for (; *s != '\0' && *s != (char)c; s++)
		;
	return ((char *)s);
}

char *
strchr(const char *s, int c)
{
	s = strchrnul(s, c);
	return (*s == (char)c ? (char *)s : NULL);
}

char *
strrchr(const char *s, int c)
{
	return (memrchr(s, c, strlen(s) + 1));
}

char *
index(const char *s, int c)
{
	return (strchr(s, c));
}

char *
rindex(const char *s, int c)
{
	return (strrchr(s, c));
}

int
strcmp(const char *a, const char *b)
{
	for (; *a == *b && *a != '\0'; a++, b++)
		;
	return ((unsigned char)*a - (unsigned char)*b);
}

int
strncmp(const char *a, const char *b, size_t n)
{
	for (; n > 0; n--, a++, b++)
		if (*a != *b || *a == '\0')
			return ((unsigned char)*a - (unsigned char)*b);
	return (0);
}

int
strcasecmp(const char *a, const char *b)
{
	for (; tolower((unsigned char)*a) == tolower((unsigned char)*b) && *a != '\0'; a++, b++)
		;
	return (tolower((unsigned char)*a) - tolower((unsigned char)*b));
}

int
strncasecmp(const char *a, const char *b, size_t n)
{
	for (; n > 0; n--, a++, b++) {
		int x = tolower((unsigned char)*a), y = tolower((unsigned char)*b);

		if (x != y || x == '\0')
			return (x - y);
	}
	return (0);
}

int
strcoll(const char *a, const char *b)
{
	return (strcmp(a, b));
}

size_t
strxfrm(char *__restrict dst, const char *__restrict src, size_t n)
{
	return (strlcpy(dst, src, n));
}

char *
stpcpy(char *__restrict dst, const char *__restrict src)
{
	size_t n = strlen(src);

	return ((char *)memcpy(dst, src, n + 1) + n);
}

char *
stpncpy(char *__restrict dst, const char *__restrict src, size_t n)
{
	size_t len = strnlen(src, n);

	memcpy(dst, src, len);
	memset(dst + len, 0, n - len);
	return (dst + len);
}

char *
strcpy(char *__restrict dst, const char *__restrict src)
{
	return (memcpy(dst, src, strlen(src) + 1));
}

char *
strncpy(char *__restrict dst, const char *__restrict src, size_t n)
{
	stpncpy(dst, src, n);
	return (dst);
}

char *
strcat(char *__restrict dst, const char *__restrict src)
{
	strcpy(dst + strlen(dst), src);
	return (dst);
}

char *
strncat(char *__restrict dst, const char *__restrict src, size_t n)
{
	size_t have = strlen(dst), len = strnlen(src, n);

	memcpy(dst + have, src, len);
	dst[have + len] = '\0';
	return (dst);
}

size_t
strlcpy(char *__restrict dst, const char *__restrict src, size_t size)
{
	size_t n = strlen(src);

	if (size > 0) {
		size_t k = n < size ? n : size - 1;

		memcpy(dst, src, k);
		dst[k] = '\0';
	}
	return (n);
}

size_t
strlcat(char *__restrict dst, const char *__restrict src, size_t size)
{
	size_t have = strnlen(dst, size);

	return (have + strlcpy(dst + have, src, size - have));
}

char *
strdup(const char *s)
{
	size_t n = strlen(s) + 1;
	char *p = malloc(n);

	return (p != NULL ? memcpy(p, s, n) : NULL);
}

char *
strndup(const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *p = malloc(len + 1);

	if (p != NULL) {
		memcpy(p, s, len);
		p[len] = '\0';
	}
	return (p);
}

static void
byte_set(uint64_t set[4], const char *s)
{
	for (; *s != '\0'; s++)
		set[(unsigned char)*s / 64] |= 1UL << ((unsigned char)*s % 64);
}

size_t
strspn(const char *s, const char *accept)
{
	uint64_t set[4] = { 0 };
	const char *p;

	byte_set(set, accept);
	for (p = s; (set[(unsigned char)*p / 64] >> ((unsigned char)*p % 64)) & 1; p++)
		;
	return ((size_t)(p - s));
}

size_t
strcspn(const char *s, const char *reject)
{
	uint64_t set[4] = { 1 };
	const char *p;

	byte_set(set, reject);
	for (p = s; !((set[(unsigned char)*p / 64] >> ((unsigned char)*p % 64)) & 1); p++)
		;
	return ((size_t)(p - s));
}

char *
strpbrk(const char *s, const char *accept)
{
	s += strcspn(s, accept);
	return (*s != '\0' ? (char *)s : NULL);
}

char *
strstr(const char *hay, const char *needle)
{
	return (memmem(hay, strlen(hay), needle, strlen(needle)));
}

char *
strnstr(const char *hay, const char *needle, size_t n)
{
	return (memmem(hay, strnlen(hay, n), needle, strlen(needle)));
}

char *
strcasestr(const char *hay, const char *needle)
{
	size_t n = strlen(needle);

	for (;; hay++) {
		if (strncasecmp(hay, needle, n) == 0)
			return ((char *)hay);
		if (*hay == '\0')
			return (NULL);
	}
}

char *
strsep(char **sp, const char *delim)
{
	char *s = *sp, *end;

	if (s == NULL)
		return (NULL);
	end = s + strcspn(s, delim);
	if (*end != '\0') {
		*end = '\0';
		*sp = end + 1;
	} else
		*sp = NULL;
	return (s);
}

char *
strtok_r(char *s, const char *delim, char **save)
{
	if (s == NULL)
		s = *save;
	if (s == NULL)
		return (NULL);
	s += strspn(s, delim);
	if (*s == '\0') {
		*save = NULL;
		return (NULL);
	}
	*save = s;
	return (strsep(save, delim));
}

char *
strtok(char *__restrict s, const char *__restrict delim)
{
	static char *save;

	return (strtok_r(s, delim, &save));
}

int
bcmp(const void *a, const void *b, size_t n)
{
	return (memcmp(a, b, n));
}

void
bcopy(const void *src, void *dst, size_t n)
{
	memmove(dst, src, n);
}

void
bzero(void *p, size_t n)
{
	memset(p, 0, n);
}

int
ffs(int x)
{
	return (__builtin_ffs(x));
}

int
ffsl(long x)
{
	return (__builtin_ffsl(x));
}

int
ffsll(long long x)
{
	return (__builtin_ffsll(x));
}

int
fls(int x)
{
	return (x == 0 ? 0 : 32 - __builtin_clz((unsigned)x));
}

int
flsl(long x)
{
	return (x == 0 ? 0 : 64 - __builtin_clzl((unsigned long)x));
}
