/* Mapping, unmapping and changing what is not the guest's: refused, and the process goes on. */
#include "hostile.h"

static const uint64_t where[] = { STUB, STUB + 0x1000, STUB + 0x10000, STUB + 0x11000, STUB + 0x40000, STUB_SLOTS,
	STUB_END - 0x1000, STUB_END, 0x7ffffffff000, 0x800000000000, 0xffff800000000000, 0xffffffffff600000, 0xfffffffffffff000 };
static const size_t lengths[] = { 1, 4096, 0x1f0000, 1UL << 30, 1UL << 47, ~0UL, ~0UL - 4095 };

int
main(void)
{
	int mapped = 0, unmapped = 0, protected = 0, locked = 0;

	for (size_t i = 0; i < sizeof(where) / sizeof(where[0]); i++)
		for (size_t k = 0; k < sizeof(lengths) / sizeof(lengths[0]); k++) {
			void *a = (void *)where[i];
			size_t n = lengths[k];

			mapped += mmap(a, n, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANON | MAP_FIXED, -1, 0) != MAP_FAILED;
			unmapped += munmap(a, n) == 0;
			protected += mprotect(a, n, PROT_READ | PROT_WRITE | PROT_EXEC) == 0;
			locked += mlock(a, n) == 0;
			madvise(a, n, MADV_FREE);
			msync(a, n, MS_SYNC);
			minherit(a, n, 2);
			/* Across the border. */
			mapped += mmap((char *)STUB - 0x1000, n + 0x1000, PROT_READ, MAP_PRIVATE | MAP_ANON | MAP_FIXED, -1, 0) != MAP_FAILED &&
			    n + 0x1000 > 0x1000;
			protected += n > 0 && n + 0x1000 > n && mprotect((char *)STUB - 0x1000, n + 0x1000, PROT_NONE) == 0;
		}
	ok(mapped == 0, "nothing can be mapped there");
	ok(unmapped == 0, "nothing can be unmapped there");
	ok(protected == 0, "no protection changes there");
	ok(locked == 0, "nothing can be locked there");
	for (int i = 0; i < 1000; i++)
		getpid();
	ok(getppid() > 0, "system calls work as before");
	return (finish());
}
