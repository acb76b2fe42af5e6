/* Other ways into a kernel than `syscall`: each is a fault of the program and nothing else. */
#include <setjmp.h>

#include "hostile.h"

static sigjmp_buf back;
static volatile int got;

static void
handler(int sig)
{
	got = sig;
	siglongjmp(back, 1);
}

static void int80(void) { __asm__ volatile("int $0x80" : : "a"(1), "b"(0) : "memory"); }
/* Linux's 32-bit mkdir is 39. */
static void int80_mkdir(void) { __asm__ volatile("int $0x80" : : "a"(39), "b"("/tmp/hostile"), "c"(0755) : "memory"); }
static void sysenter(void) { __asm__ volatile("sysenter" : : "a"(1), "b"(0) : "memory"); }
static void hlt(void) { __asm__ volatile("hlt"); }
static void in(void) { __asm__ volatile("inb $0x80, %%al" : : : "rax"); }
static void cli(void) { __asm__ volatile("cli"); }
static void movcr(void) { __asm__ volatile("mov %%cr3, %%rax" : : : "rax"); }
static void wrmsr(void) { __asm__ volatile("wrmsr" : : "a"(0), "d"(0), "c"(0xc0000082)); }
static void lgdt(void) { char b[16] = { 0 }; __asm__ volatile("lgdt %0" : : "m"(b)); }
static void vsyscall_call(void) { ((long (*)(void *))0xffffffffff600400)(NULL); }
static void vsyscall_time(void) { ((long (*)(void *, void *))0xffffffffff600000)(NULL, NULL); }
static void vsyscall_read(void) { (void)*(volatile char *)0xffffffffff600000; }
static void kernel_read(void) { (void)*(volatile char *)0xffffffff81000000; }
static void noncanonical(void) { (void)*(volatile char *)0x8000000000000000; }
static void jump_kernel(void) { ((void (*)(void))0xffffffff81000000)(); }
static void ud2(void) { __asm__ volatile("ud2"); }
static void icebp(void) { __asm__ volatile(".byte 0xf1"); }
static void farcall(void)
{
	static const struct __attribute__((__packed__)) { uint32_t off; uint16_t sel; } bad_gate = { 0, 0x10 };

	__asm__ volatile("lcall *%0" : : "m"(bad_gate));
}

static void
try(const char *name, void (*f)(void))
{
	got = 0;
	if (sigsetjmp(back, 1) == 0)
		f();
	printf("%s: signal %d\n", name, got);
	ok(got == SIGBUS || got == SIGILL || got == SIGSEGV || got == SIGTRAP, name);
}

/* Compatibility mode and then the 32-bit gate: `code` is below 4 GiB, and so is the stack. */
static void
compat(void)
{
	static const unsigned char code[] = {
		0xb8, 39, 0, 0, 0, /* mov $39, %eax: mkdir of 32-bit Linux */
		0xbb, 0, 0x80, 0, 0x20, /* mov $0x20008000, %ebx */
		0xb9, 0xed, 1, 0, 0, /* mov $0755, %ecx */
		0xcd, 0x80, /* int $0x80 */
		0x0f, 0x34, /* sysenter */
		0xf4, /* hlt */
	};
	char *p = mmap((void *)0x20000000, 0x10000, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANON | MAP_FIXED, -1, 0);

	if (p != (char *)0x20000000)
		_exit(9);
	memcpy(p, code, sizeof(code));
	strcpy(p + 0x8000, "/tmp/hostile-compat");
	__asm__ volatile("mov $0x2000f000, %%esp; pushq $0x23; pushq $0x20000000; lretq" : : : "memory");
}

int
main(void)
{
	static char alt[65536];
	stack_t ss = { .ss_sp = alt, .ss_size = sizeof(alt) };
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_ONSTACK };
	static const int sigs[] = { SIGBUS, SIGILL, SIGSEGV, SIGTRAP, SIGFPE, SIGSYS };
	pid_t pid;
	int status;

	sigaltstack(&ss, NULL);
	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		sigaction(sigs[i], &sa, NULL);
	try("int $0x80", int80);
	try("int $0x80, mkdir", int80_mkdir);
	try("sysenter", sysenter);
	try("hlt", hlt);
	try("in", in);
	try("cli", cli);
	try("mov %cr3", movcr);
	try("wrmsr", wrmsr);
	try("lgdt", lgdt);
	try("vsyscall time", vsyscall_call);
	try("vsyscall gettimeofday", vsyscall_time);
	try("read of the vsyscall page", vsyscall_read);
	try("read of the kernel's half", kernel_read);
	try("non-canonical read", noncanonical);
	try("jump into the kernel's half", jump_kernel);
	try("ud2", ud2);
	try("icebp", icebp);
	try("far call", farcall);
	pid = fork();
	if (pid == 0) {
		for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
			signal(sigs[i], SIG_DFL);
		compat();
		_exit(0);
	}
	status = reap(pid, 3000);
	printf("compatibility mode: status %#x\n", status);
	ok(status == -1 || WIFSIGNALED(status), "compatibility mode leads nowhere");
	return (finish());
}
