/* malloc under a random load, every block filled and checked; alignment; sorting. */
#include <stdint.h>
#include <stdlib.h>

#include "check.h"

#define SLOTS 500

static uint32_t state = 12345;

static uint32_t
next(void)
{
	state = state * 1664525 + 1013904223;
	return (state >> 8);
}

static int
compare(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x < y ? -1 : x > y);
}

int
main(void)
{
	static unsigned char *block[SLOTS];
	static size_t size[SLOTS];
	static int v[5000];
	int broken = 0, unaligned = 0, sorted = 1;
	volatile size_t huge = (size_t)1 << 33;
	void *p = NULL;

	for (int i = 0; i < 50000; i++) {
		unsigned k = next() % SLOTS;
		size_t n = next() % 100 == 0 ? next() % 300000 : next() % 600;

		for (size_t j = 0; j < size[k]; j += 37)
			broken += block[k][j] != (unsigned char)(k + j);
		if (next() % 3 == 0) {
			free(block[k]);
			block[k] = NULL;
			size[k] = 0;
			continue;
		}
		block[k] = realloc(block[k], n);
		unaligned += (uintptr_t)block[k] % 16 != 0;
		for (size_t j = 0; j < size[k] && j < n; j += 37)
			broken += block[k][j] != (unsigned char)(k + j);
		size[k] = n;
		for (size_t j = 0; j < n; j++)
			block[k][j] = (unsigned char)(k + j);
	}
	ok(broken == 0, "no block lost its bytes");
	ok(unaligned == 0, "every block is aligned to 16");
	for (int i = 0; i < SLOTS; i++)
		free(block[i]);
	ok(posix_memalign(&p, 4096, 100) == 0 && (uintptr_t)p % 4096 == 0, "posix_memalign");
	free(p);
	p = calloc(1000, 1000);
	for (int i = 0; i < 1000000; i += 999)
		broken += ((char *)p)[i] != 0;
	ok(broken == 0, "calloc is zero");
	free(p);
	ok(malloc(-huge) == NULL && calloc(huge, huge) == NULL, "absurd sizes are refused");
	for (int i = 0; i < 5000; i++)
		v[i] = (int)(next() % 1000);
	qsort(v, 5000, sizeof(v[0]), compare);
	for (int i = 1; i < 5000; i++)
		sorted &= v[i - 1] <= v[i];
	ok(sorted, "qsort sorts");
	return (finish());
}
