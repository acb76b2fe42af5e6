/*
 * malloc: size classes over a growing heap, mmap for what is large.
 *
 * A chunk is an 8-byte header followed by the user's bytes, which are 16-byte aligned. The header of a small chunk
 * holds its class; of a large one (its own mapping) the mapping's length with bit 0 of the low byte pattern below;
 * of an aligned one the distance back to the real chunk. Classes are 16 bytes apart up to 256, then four per
 * doubling. Small chunks are cut from `top` in address order, so a small program touches few pages (a page fault
 * costs far more here than a few bytes), and freed ones go to their class's list, last in first out.
 * All of it is under one lock.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/param.h>

#include "libc_private.h"

#define HDR 8
#define NCLASS 56
#define MAXSMALL 262144
#define HEAPSTEP (1024 * 1024)

/* Header: low 3 bits are the kind, the rest its value. */
#define K_SMALL 1
#define K_LARGE 2
#define K_ALIGNED 3
#define K_FREE 5

static struct __lock heap_lock;
static void *freelist[NCLASS];
static char *top, *top_end;

#define HEADER(p) (((size_t *)(p))[-1])

static size_t
class_size(int c)
{
	if (c < 16)
		return ((size_t)(c + 1) * 16);
	c -= 16;
	return (((size_t)(c % 4) + 5) << (c / 4 + 6));
}

static int
size_class(size_t n)
{
	int shift;

	if (n <= 256)
		return (n == 0 ? 0 : (int)((n - 1) / 16));
	shift = 63 - __builtin_clzl(n - 1);
	return (16 + (shift - 8) * 4 + (int)(((n - 1) >> (shift - 2)) & 3));
}

/* The user sees class_size - 8 bytes: the header takes the last 8 of the previous 16-byte unit. */
static void *
small_alloc(int c)
{
	void *p = freelist[c];
	size_t size;

	if (p != NULL) {
		freelist[c] = *(void **)p;
		HEADER(p) = (size_t)c << 3 | K_SMALL;
		return (p);
	}
	size = class_size(c);
	if ((size_t)(top_end - top) < size + 16) {
		char *m = mmap(NULL, HEAPSTEP, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);

		if (m == MAP_FAILED)
			return (NULL);
		if (m == top_end)
			top_end += HEAPSTEP;
		else {
			/* What is left of the old top goes to the lists. */
			while (top != NULL && top_end - top >= 32) {
				int k = NCLASS - 1;
				char *q = top + HDR;

				while (k > 0 && class_size(k) + 16 > (size_t)(top_end - top))
					k--;
				HEADER(q) = K_FREE;
				*(void **)q = freelist[k];
				freelist[k] = q;
				top += class_size(k);
			}
			top = m + HDR;
			top_end = m + HEAPSTEP;
		}
	}
	p = top + HDR;
	HEADER(p) = (size_t)c << 3 | K_SMALL;
	top += size;
	return (p);
}

static void *
large_alloc(size_t n)
{
	size_t len = roundup2(n + 16, PAGE_SIZE);
	char *m;

	if (len < n)
		return (NULL);
	m = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
	if (m == MAP_FAILED)
		return (NULL);
	HEADER(m + 16) = len | K_LARGE;
	return (m + 16);
}

void *
malloc(size_t n)
{
	void *p;

	if (n + HDR > MAXSMALL || n > MAXSMALL)
		p = large_alloc(n);
	else {
		lock(&heap_lock);
		p = small_alloc(size_class(n + HDR));
		unlock(&heap_lock);
	}
	if (p == NULL)
		errno = ENOMEM;
	return (p);
}

static void
bad_pointer(const char *what)
{
	static const char msg[] = ": not a live pointer from malloc\n";
	extern ssize_t __sys_write(int, const void *, size_t);

	__sys_write(2, what, strlen(what));
	__sys_write(2, msg, sizeof(msg) - 1);
	abort();
}

static void *
unalign(void *p)
{
	if ((HEADER(p) & 7) == K_ALIGNED)
		p = (char *)p - (HEADER(p) >> 3);
	return (p);
}

size_t
malloc_usable_size(const void *ptr)
{
	void *p = unalign((void *)ptr);
	size_t h;

	if (ptr == NULL)
		return (0);
	h = HEADER(p);
	switch (h & 7) {
	case K_SMALL:
		return (class_size((int)(h >> 3)) - HDR - ((const char *)ptr - (char *)p));
	case K_LARGE:
		return ((h & ~(size_t)7) - 16 - ((const char *)ptr - (char *)p));
	}
	bad_pointer("realloc");
	return (0);
}

void
free(void *p)
{
	int saved = errno;
	size_t h;

	if (p == NULL)
		return;
	p = unalign(p);
	h = HEADER(p);
	switch (h & 7) {
	case K_SMALL:
		if (h >> 3 >= NCLASS)
			bad_pointer("free");
		lock(&heap_lock);
		HEADER(p) = K_FREE;
		*(void **)p = freelist[h >> 3];
		freelist[h >> 3] = p;
		unlock(&heap_lock);
		break;
	case K_LARGE:
		munmap((char *)p - 16, h & ~(size_t)7);
		break;
	default:
		bad_pointer("free");
	}
	errno = saved;
}

void *
calloc(size_t n, size_t size)
{
	size_t total;
	void *p;

	if (__builtin_mul_overflow(n, size, &total)) {
		errno = ENOMEM;
		return (NULL);
	}
	p = malloc(total);
	/* A fresh mapping is zero already. */
	if (p != NULL && (HEADER(p) & 7) != K_LARGE)
		memset(p, 0, total);
	return (p);
}

void *
realloc(void *old, size_t n)
{
	size_t have;
	void *p;

	if (old == NULL)
		return (malloc(n));
	have = malloc_usable_size(old);
	if (n <= have && (n >= have / 2 || have < 64))
		return (old);
	/* A growing large block gets room to spare, as moving it copies every page. */
	p = NULL;
	if (n > have && n > MAXSMALL)
		p = malloc(n + n / 4);
	if (p == NULL)
		p = malloc(n);
	if (p == NULL)
		return (NULL);
	memcpy(p, old, n < have ? n : have);
	free(old);
	return (p);
}

void *
reallocf(void *old, size_t n)
{
	void *p = realloc(old, n);

	if (p == NULL)
		free(old);
	return (p);
}

void *
reallocarray(void *old, size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total)) {
		errno = ENOMEM;
		return (NULL);
	}
	return (realloc(old, total));
}

int
posix_memalign(void **out, size_t align, size_t n)
{
	char *p, *q;

	if (align < sizeof(void *) || !powerof2(align))
		return (EINVAL);
	if (align <= 16)
		p = malloc(n);
	else {
		if (n > SIZE_MAX - align - 32)
			return (ENOMEM);
		p = malloc(n + align + 16);
		if (p != NULL) {
			q = (char *)(((uintptr_t)p + align - 1) & ~(align - 1));
			if (q != p)
				HEADER(q) = (size_t)(q - p) << 3 | K_ALIGNED;
			p = q;
		}
	}
	if (p == NULL)
		return (ENOMEM);
	*out = p;
	return (0);
}

void *
aligned_alloc(size_t align, size_t n)
{
	void *p = NULL;
	int error = posix_memalign(&p, align < sizeof(void *) ? sizeof(void *) : align, n);

	if (error != 0)
		errno = error;
	return (p);
}
