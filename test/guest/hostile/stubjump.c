/*
 * stubjump FROM STEP MS: jump to addresses of the stub's window from FROM on, every STEP bytes, with hostile registers,
 * for about MS milliseconds. A jump ends by a signal, or in the loss of the process; never in more.
 */
#include <setjmp.h>

#include "hostile.h"

struct progress {
	volatile uint64_t at;
	volatile uint64_t jumps;
};

static sigjmp_buf back;

static void
handler(int sig)
{
	(void)sig;
	siglongjmp(back, 1);
}

static void
victim(struct progress *p, uint64_t step, long end)
{
	static char alt[65536], stack[65536];
	stack_t ss = { .ss_sp = alt, .ss_size = sizeof(alt) };
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_ONSTACK | SA_NODEFER };
	uint64_t seed = p->at;

	sigaltstack(&ss, NULL);
	for (int s = 1; s < 32; s++)
		if (s != SIGKILL && s != SIGSTOP)
			sigaction(s, &sa, NULL);
	while (p->at < STUB_END && now_ms() < end) {
		uint64_t to = p->at;

		/* The text is at the start; further on nothing can be executed, so larger steps do. */
		p->at += to < STUB + 0x4000 ? step : 4093 * step;
		p->jumps++;
		if (sigsetjmp(back, 0) != 0)
			continue;
		{
			register uint64_t a __asm__("rdi") = rnd(&seed) % 2 ? STUB_SLOTS + rnd(&seed) % 8192 : (uint64_t)stack;
			register uint64_t b __asm__("rsi") = (uint64_t)rnd(&seed) << 16;
			register uint64_t c __asm__("rdx") = 9;
			register uint64_t t __asm__("rcx") = to;
			/* Linux numbers a gadget would like: mmap, exit_group, kill, fork, execve. */
			static const uint64_t nrs[] = { 9, 231, 62, 57, 59, 202, 15, 186 };
			register uint64_t n __asm__("rax") = nrs[rnd(&seed) % 8];

			__asm__ volatile("mov %5, %%rsp; jmp *%%rcx"
			    :
			    : "r"(a), "r"(b), "r"(c), "r"(t), "r"(n), "r"(stack + sizeof(stack) - 4096)
			    : "memory");
		}
	}
	_exit(0);
}

int
main(int argc, char **argv)
{
	struct progress *p = shared_page();
	uint64_t step = argc > 2 ? strtoul(argv[2], NULL, 0) : 1;
	long ms = argc > 3 ? atol(argv[3]) : 10000, end = now_ms() + ms;
	int lost = 0;

	p->at = STUB + (argc > 1 ? strtoul(argv[1], NULL, 0) : 0);
	while (p->at < STUB_END && now_ms() < end) {
		uint64_t was = p->at;
		pid_t pid = fork();
		int status;

		if (pid == 0)
			victim(p, step, end);
		if (pid < 0)
			break;
		/* A process gets 100 ms, so a jump that neither returns nor dies costs no more. */
		status = reap(pid, 100);
		if (status != 0)
			lost++;
		if (p->at == was)
			p->at += step;
	}
	printf("# %lu jumps, %d processes lost, up to offset %#lx\n", p->jumps, lost, p->at - STUB);
	ok(p->jumps > 100, "jumped");
	ok(getpid() > 1, "the parent is well");
	return (finish());
}
