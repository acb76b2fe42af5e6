/* ptrace on the host machine: single steps, registers and breakpoints in text. Prints ok, or what is wrong. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TRACE_ME = 0, READ_I = 1, WRITE_I = 4, CONTINUE = 7, STEP = 9, GETREGS = 33, SETREGS = 34 };
enum { RIP = 20 };

static long
ptrace(long req, long pid, void *addr, long data)
{
	long r;
	register long r10 __asm__("r10") = data;
	__asm__ volatile("syscall; jnc 1f; neg %%rax; 1:"
			 : "=a"(r)
			 : "a"(26), "D"(req), "S"(pid), "d"(addr), "r"(r10)
			 : "rcx", "r11", "memory");
	return (r);
}

static volatile int sum;

static __attribute__((noinline)) void
target(void)
{
	sum += 100;
}

int
main(void)
{
	int st, steps = 0;
	uint64_t regs[25];
	pid_t pid = fork();

	if (pid == 0) {
		ptrace(TRACE_ME, 0, 0, 0);
		raise(SIGUSR1);
		for (int i = 0; i < 10; i++)
			sum += i;
		raise(SIGUSR2);
		target();
		_exit(sum == 145 ? 7 : 8);
	}
	waitpid(pid, &st, 0);
	if (!WIFSTOPPED(st) || WSTOPSIG(st) != SIGUSR1)
		return (printf("not stopped: %x\n", st), 1);
	/* Step until the second signal. */
	for (;;) {
		if (ptrace(STEP, pid, (void *)1, 0) != 0)
			return (printf("cannot step\n"), 1);
		waitpid(pid, &st, 0);
		if (!WIFSTOPPED(st) || steps > 2000)
			return (printf("after %d steps: %x\n", steps, st), 1);
		if (WSTOPSIG(st) == SIGUSR2)
			break;
		if (WSTOPSIG(st) != SIGTRAP)
			return (printf("stopped by %d\n", WSTOPSIG(st)), 1);
		steps++;
	}
	if (steps < 30)
		return (printf("only %d steps\n", steps), 1);
	/* A breakpoint in read-only text. */
	long word = ptrace(READ_I, pid, (void *)target, 0);
	if (ptrace(WRITE_I, pid, (void *)target, (word & ~0xffL) | 0xcc) != 0)
		return (printf("cannot write text\n"), 1);
	ptrace(CONTINUE, pid, (void *)1, 0);
	waitpid(pid, &st, 0);
	if (!WIFSTOPPED(st) || WSTOPSIG(st) != SIGTRAP)
		return (printf("no breakpoint: %x\n", st), 1);
	if (ptrace(GETREGS, pid, regs, 0) != 0 || regs[RIP] != (uint64_t)(uintptr_t)target + 1)
		return (printf("stopped at %lx\n", (long)regs[RIP]), 1);
	ptrace(WRITE_I, pid, (void *)target, word);
	regs[RIP]--;
	ptrace(SETREGS, pid, regs, 0);
	ptrace(CONTINUE, pid, (void *)1, 0);
	waitpid(pid, &st, 0);
	if (!WIFEXITED(st) || WEXITSTATUS(st) != 7)
		return (printf("ended with %x\n", st), 1);
	printf("ok\n");
	return (0);
}
