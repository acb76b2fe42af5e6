/*
 * Process start and end: TLS for the first thread, constructors, main, exit, atexit.
 * The thread control block is at the fs base and static TLS lies below it (variant II). The first thread's block
 * comes from a static buffer when it fits, so a small program starts without a single mmap.
 */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/tls.h>
#include <unistd.h>

#include "libc_private.h"

char **environ;
const char *__progname = "";
__thread int __errno_tls;
int __isthreaded;
long *__auxv;

extern const Elf64_Ehdr __ehdr_start __attribute__((__visibility__("hidden")));
extern void (*__preinit_array_start[])(void) __attribute__((__visibility__("hidden")));
extern void (*__preinit_array_end[])(void) __attribute__((__visibility__("hidden")));
extern void (*__init_array_start[])(void) __attribute__((__visibility__("hidden")));
extern void (*__init_array_end[])(void) __attribute__((__visibility__("hidden")));
extern void (*__fini_array_start[])(void) __attribute__((__visibility__("hidden")));
extern void (*__fini_array_end[])(void) __attribute__((__visibility__("hidden")));
int main(int, char **, char **);
void __libc_start(long *) __dead2;

static char first_tls[1024] __attribute__((__aligned__(64)));
static const void *tls_image;
/* tls_memsz is rounded up to the segment's own alignment, as the linker does; tls_align is at least the block's. */
static size_t tls_filesz, tls_memsz, tls_align = 16;

int *
__error(void)
{
	return (&__errno_tls);
}

/* Bytes that __tls_init needs for one thread. */
size_t
__tls_size(void)
{
	return (tls_memsz + sizeof(struct tls_tcb) + tls_align);
}

/* Lay out TLS in `area` (__tls_size bytes) and return the control block. */
struct tls_tcb *
__tls_init(void *area)
{
	size_t size = tls_memsz;
	uintptr_t tp = ((uintptr_t)area + size + tls_align - 1) & ~(uintptr_t)(tls_align - 1);
	struct tls_tcb *tcb = (struct tls_tcb *)tp;

	memcpy((char *)tp - size, tls_image, tls_filesz);
	memset((char *)tp - size + tls_filesz, 0, size - tls_filesz);
	memset(tcb, 0, sizeof(*tcb));
	tcb->tcb_self = tcb;
	return (tcb);
}

static void
setup_tls(void)
{
	const Elf64_Phdr *ph = (const Elf64_Phdr *)((const char *)&__ehdr_start + __ehdr_start.e_phoff);
	struct tls_info ti;
	struct tls_tcb *tcb;
	void *area = first_tls;

	for (int i = 0; i < __ehdr_start.e_phnum; i++)
		if (ph[i].p_type == PT_TLS) {
			tls_image = (const void *)ph[i].p_vaddr;
			tls_filesz = ph[i].p_filesz;
			tls_memsz = ph[i].p_memsz;
			if (ph[i].p_align > 1)
				tls_memsz = (tls_memsz + ph[i].p_align - 1) & ~(ph[i].p_align - 1);
			if (ph[i].p_align > tls_align)
				tls_align = ph[i].p_align;
		}
	if (__tls_size() > sizeof(first_tls)) {
		area = mmap(NULL, __tls_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
		if (area == MAP_FAILED)
			_exit(127);
	}
	tcb = __tls_init(area);
	ti.base = tcb;
	ti.size = -1;
	set_tls_area(0, &ti, sizeof(ti));
	tcb->tcb_errno_p = &__errno_tls;
}

void
__libc_start(long *vector)
{
	int argc = (int)vector[0];
	char **argv = (char **)(vector + 1);
	char **p;
	const char *slash;

	environ = argv + argc + 1;
	for (p = environ; *p != NULL; p++)
		;
	__auxv = (long *)(p + 1);
	setup_tls();
	if (argc > 0 && argv[0] != NULL) {
		slash = strrchr(argv[0], '/');
		__progname = slash != NULL ? slash + 1 : argv[0];
	}
	for (void (**f)(void) = __preinit_array_start; f < __preinit_array_end; f++)
		(*f)();
	for (void (**f)(void) = __init_array_start; f < __init_array_end; f++)
		(*f)();
	exit(main(argc, argv, environ));
}

const char *
getprogname(void)
{
	return (__progname);
}

void
setprogname(const char *name)
{
	const char *slash = strrchr(name, '/');

	__progname = slash != NULL ? slash + 1 : name;
}

struct exit_block {
	struct exit_block *next;
	int n;
	void (*fn[32])(void);
};
static struct exit_block first_block, *blocks = &first_block;
static void (*quick_fn[32])(void);
static int quick_n;

int
atexit(void (*fn)(void))
{
	if (blocks->n == 32) {
		struct exit_block *b = malloc(sizeof(*b));

		if (b == NULL)
			return (-1);
		b->n = 0;
		b->next = blocks;
		blocks = b;
	}
	blocks->fn[blocks->n++] = fn;
	return (0);
}

int
at_quick_exit(void (*fn)(void))
{
	if (quick_n == 32)
		return (-1);
	quick_fn[quick_n++] = fn;
	return (0);
}

void
quick_exit(int status)
{
	while (quick_n > 0)
		quick_fn[--quick_n]();
	_exit(status);
}

void
exit(int status)
{
	/* A function may register more while we run them. */
	while (blocks != NULL) {
		while (blocks->n > 0)
			blocks->fn[--blocks->n]();
		if (blocks->next == NULL)
			break;
		blocks = blocks->next;
	}
	for (void (**f)(void) = __fini_array_end; f > __fini_array_start;)
		(*--f)();
	__stdio_exit();
	_exit(status);
}
