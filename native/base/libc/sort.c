/*
 * qsort (introspective: quicksort, heapsort when it goes deep, insertion sort when small), heapsort, a stable
 * merge sort, bsearch.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef int (*cmp_t)(void *, const void *, const void *);

static void
swap(char *a, char *b, size_t size)
{
	char tmp[64];

	if (size == 8) {
		unsigned long t;

		memcpy(&t, a, 8);
		memcpy(a, b, 8);
		memcpy(b, &t, 8);
		return;
	}
	while (size > 0) {
		size_t k = size < sizeof(tmp) ? size : sizeof(tmp);

		memcpy(tmp, a, k);
		memcpy(a, b, k);
		memcpy(b, tmp, k);
		a += k;
		b += k;
		size -= k;
	}
}

static void
sift(char *base, size_t root, size_t n, size_t size, void *arg, cmp_t cmp)
{
	for (;;) {
		size_t child = 2 * root + 1;

		if (child >= n)
			return;
		if (child + 1 < n && cmp(arg, base + child * size, base + (child + 1) * size) < 0)
			child++;
		if (cmp(arg, base + root * size, base + child * size) >= 0)
			return;
		swap(base + root * size, base + child * size, size);
		root = child;
	}
}

static void
heap(char *base, size_t n, size_t size, void *arg, cmp_t cmp)
{
	for (size_t i = n / 2; i-- > 0;)
		sift(base, i, n, size, arg, cmp);
	while (n > 1) {
		n--;
		swap(base, base + n * size, size);
		sift(base, 0, n, size, arg, cmp);
	}
}

static void
intro(char *base, size_t n, size_t size, void *arg, cmp_t cmp, int depth)
{
	while (n > 12) {
		char *a = base, *b = base + n / 2 * size, *c = base + (n - 1) * size, *lt, *gt, *i;

		if (depth-- == 0) {
			heap(base, n, size, arg, cmp);
			return;
		}
		/* Median of three to the front, then a three-way partition: equal keys cost nothing. */
		if (cmp(arg, a, b) < 0) {
			if (cmp(arg, b, c) < 0)
				swap(a, b, size);
			else if (cmp(arg, a, c) < 0)
				swap(a, c, size);
		} else if (cmp(arg, a, c) >= 0) {
			if (cmp(arg, b, c) < 0)
				swap(a, c, size);
			else
				swap(a, b, size);
		}
		lt = base;
		gt = base + n * size;
		i = base + size;
		while (i < gt) {
			int k = cmp(arg, i, lt);

			if (k < 0) {
				swap(lt, i, size);
				lt += size;
				i += size;
			} else if (k > 0) {
				gt -= size;
				swap(i, gt, size);
			} else
				i += size;
		}
		{
			size_t left = (size_t)(lt - base) / size;
			size_t right = n - (size_t)(gt - base) / size;

			if (left < right) {
				intro(base, left, size, arg, cmp, depth);
				base = gt;
				n = right;
			} else {
				intro(gt, right, size, arg, cmp, depth);
				n = left;
			}
		}
	}
	for (size_t i = 1; i < n; i++)
		for (char *p = base + i * size; p > base && cmp(arg, p - size, p) > 0; p -= size)
			swap(p - size, p, size);
}

void
qsort_r(void *base, size_t n, size_t size, void *arg, cmp_t cmp)
{
	if (n > 1 && size > 0)
		intro(base, n, size, arg, cmp, 2 * (64 - __builtin_clzl(n)));
}

static int
plain(void *arg, const void *a, const void *b)
{
	return ((*(int (**)(const void *, const void *))arg)(a, b));
}

void
qsort(void *base, size_t n, size_t size, int (*cmp)(const void *, const void *))
{
	qsort_r(base, n, size, &cmp, plain);
}

int
heapsort(void *base, size_t n, size_t size, int (*cmp)(const void *, const void *))
{
	if (size == 0) {
		errno = EINVAL;
		return (-1);
	}
	if (n > 1)
		heap(base, n, size, &cmp, plain);
	return (0);
}

/* Stable. Bottom-up: runs of doubling width, merged between the array and a copy of it. */
int
mergesort(void *base, size_t n, size_t size, int (*cmp)(const void *, const void *))
{
	char *from = base, *to, *mem;

	if (size == 0) {
		errno = EINVAL;
		return (-1);
	}
	if (n < 2)
		return (0);
	if ((mem = reallocarray(NULL, n, size)) == NULL)
		return (-1);
	to = mem;
	for (size_t width = 1; width < n; width *= 2) {
		char *t;

		for (size_t lo = 0; lo < n; lo += 2 * width) {
			size_t mid = lo + width < n ? lo + width : n, hi = mid + width < n ? mid + width : n;
			size_t i = lo, j = mid;
			char *out = to + lo * size;

			while (i < mid && j < hi) {
				size_t *k = cmp(from + i * size, from + j * size) <= 0 ? &i : &j;

				memcpy(out, from + *k * size, size);
				out += size;
				++*k;
			}
			memcpy(out, from + i * size, (mid - i) * size);
			out += (mid - i) * size;
			memcpy(out, from + j * size, (hi - j) * size);
		}
		t = from;
		from = to;
		to = t;
	}
	if (from != base)
		memcpy(base, from, n * size);
	free(mem);
	return (0);
}

void *
bsearch(const void *key, const void *base, size_t n, size_t size, int (*cmp)(const void *, const void *))
{
	const char *p = base;

	while (n > 0) {
		const char *mid = p + n / 2 * size;
		int k = cmp(key, mid);

		if (k == 0)
			return ((void *)(uintptr_t)mid);
		if (k > 0) {
			p = mid + size;
			n -= n / 2 + 1;
		} else
			n /= 2;
	}
	return (NULL);
}
