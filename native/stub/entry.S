/*
 * The stub's assembly: the entry of patched call sites, the mapper, the birth of a guest thread.
 *
 * Invariants: the mapper and a thread that has no seccomp filter yet use registers and read-only memory only, because
 * guest threads of the same address space can write everything that is writable. The entry never touches the guest's
 * stack (red zone) and loses only what the DragonFly system call convention lets it lose: rcx, r10, r11, carry.
 */
#include "layout.h"

#define SYS_mmap 9
#define SYS_mprotect 10
#define SYS_munmap 11
#define SYS_lseek 8
#define SYS_close 3
#define SYS_rt_sigprocmask 14
#define SYS_rt_sigreturn 15
#define SYS_pwrite64 18
#define SYS_getpid 39
#define SYS_clone 56
#define SYS_getppid 110
#define SYS_sigaltstack 131
#define SYS_prctl 157
#define SYS_arch_prctl 158
#define SYS_futex 202
#define SYS_sched_setaffinity 203
#define SYS_exit_group 231
#define SYS_seccomp 317

	.section .text.entry, "ax"
	.globl vk_entry, vk_published, vk_restored, vk_entry_end, vk_retrap_end
vk_base:
	/* VK_TEXT + 0: never executed on purpose. */
	ud2

/*
 * A thread to be used again waits here, rdi its command line, edx the command it waits under. Before the kernel lets
 * it go it checks from outside (/proc) that the thread sleeps in this very call with this very rdi; all that follows
 * derives from rdi and read-only memory, so that nothing a hostile guest has left in registers, masks or the
 * alternate stack's address survives.
 */
	.org vk_base + 8
.Lreuse_wait:
	xor	%esi, %esi
	xor	%r10d, %r10d
	mov	$SYS_futex, %eax
	syscall
vk_reuse_parked:
	.org vk_base + (VK_REUSE_PARKED - VK_TEXT)	/* no padding: a unit test looks */
	mov	VK_C_CMD(%rdi), %edx
	cmp	%edx, VK_C_REUSE(%rdi)
	je	.Lreuse_wait
	mov	VK_C_SLOT(%rdi), %rsp
	add	$VK_S_UCONTEXT, %rsp
	mov	$SYS_rt_sigreturn, %eax
	syscall
	ud2
	.org vk_base + (VK_NEWCALL - VK_TEXT)
vk_newcall:
	syscall				/* stop: SIGSYS, the handler sees this address and reports NEW */
	.globl vk_new_end
vk_new_end:
	ud2
	.balign 64

/*
 * Patched call site: rax number, rcx address after the `syscall`, arguments in their registers, gs base = slot.
 */
vk_entry:
	mov	%rax, %gs:VK_F_RAX
	mov	%rax, %gs:VK_S_NR
	lahf				/* flags without disturbing the guest's stack */
	seto	%al
	mov	%al, %gs:VK_S_OF
	movzbl	%ah, %eax
	mov	%rax, %gs:VK_F_RFLAGS
	mov	%rdi, %gs:VK_F_RDI
	mov	%rsi, %gs:VK_F_RSI
	mov	%rdx, %gs:VK_F_RDX
	mov	%r10, %gs:VK_F_R10
	mov	%r8, %gs:VK_F_R8
	mov	%r9, %gs:VK_F_R9
	mov	%rcx, %gs:VK_F_RIP
	mov	%rsp, %gs:VK_F_RSP
	mov	%gs:VK_S_CMD, %r10
	movl	$VK_TRAP_SYSCALL, %gs:VK_S_TRAP
	mov	VK_C_CMD(%r10), %r11d
	mov	%r11d, %eax
	xchg	%eax, %gs:VK_S_STATE	/* full barrier: state before doorbell */
vk_published:
	movabs	$VK_GLOBAL, %r8
	mov	VK_G_SPIN(%r8), %ecx
	cmpl	$0, VK_G_DOORBELL(%r8)
	jne	.Lring
.Lspin:
	mov	VK_C_CMD(%r10), %eax
	cmp	%r11d, %eax
	jne	.Lanswered
	cmp	%r11d, VK_C_PARK(%r10)
	je	.Lsleep
	pause
	dec	%ecx
	jns	.Lspin
	jmp	.Lsleep

.Lanswered:
	test	$(VK_HOW_MASK | VK_HOW_BASES | VK_HOW_MAP | VK_HOW_RDX), %al
	jnz	.Lspecial
	mov	%gs:VK_F_RDX, %rdx
vk_restored:				/* eax the command, rdx set */
	shr	$4, %eax
	and	$1, %eax		/* VK_HOW_CARRY is the carry */
	mov	%gs:VK_F_RFLAGS, %ecx
	and	$0xd6, %ecx
	or	%ecx, %eax
	mov	%al, %ah
	mov	%gs:VK_S_OF, %al
	add	$0x7f, %al
	sahf
	mov	VK_C_RAX(%r10), %rax
	mov	%gs:VK_F_R8, %r8
	mov	%gs:VK_F_RIP, %rcx
	mov	$0, %r10d
	jmp	*%rcx

	/* The kernel sleeps: wake it, again until it was woken or is awake. */
.Lring:
	mov	%r11d, %r9d		/* syscall destroys rcx and r11 */
1:	movabs	$(VK_GLOBAL + VK_G_DOORBELL), %rdi
	mov	$1, %esi
	mov	$1, %edx
	mov	$SYS_futex, %eax
	syscall
	test	%eax, %eax
	jg	2f
	pause
	movabs	$(VK_GLOBAL + VK_G_DOORBELL), %rdi
	cmpl	$0, (%rdi)
	jne	1b
2:	mov	%r9d, %r11d
	movabs	$VK_GLOBAL, %r8
	mov	VK_G_SPIN(%r8), %ecx
	jmp	.Lspin_slow

	/* As .Lspin, for when rdi, rsi and r9 have to be loaded again. */
.Lspin_slow:
	mov	VK_C_CMD(%r10), %eax
	cmp	%r11d, %eax
	jne	.Lanswered_slow
	cmp	%r11d, VK_C_PARK(%r10)
	je	.Lsleep
	pause
	dec	%ecx
	jns	.Lspin_slow

.Lsleep:
	mov	%r11d, %r9d
	mov	$1, %eax
	xchg	%eax, %gs:VK_S_ASLEEP
	/* A thread to hand the processor to? Valid only when parked for this stop. */
	cmp	%r9d, VK_C_PARK(%r10)
	jne	3f
	mov	VK_C_WAKE(%r10), %eax
	test	%eax, %eax
	jz	3f
	dec	%eax
	shl	$7, %rax
	movabs	$VK_CMD, %rdi
	add	%rax, %rdi
	mov	$1, %esi
	mov	$0x7fffffff, %edx
	mov	$SYS_futex, %eax
	syscall
3:	mov	VK_C_CMD(%r10), %eax
	cmp	%r9d, %eax
	jne	4f
	mov	%r10, %rdi
	mov	%r10, %r8
	xor	%esi, %esi
	mov	%r9d, %edx
	xor	%r10d, %r10d
	mov	$SYS_futex, %eax
	syscall
	mov	%r8, %r10
	jmp	3b
4:	movl	$0, %gs:VK_S_ASLEEP
	mov	%r9d, %r11d
.Lanswered_slow:
	mov	%gs:VK_F_RDI, %rdi
	mov	%gs:VK_F_RSI, %rsi
	mov	%gs:VK_F_R9, %r9
	jmp	.Lanswered

	/*
	 * Have the near mapper work, on this processor, and wait for the request that is the latest now, r9d. When there
	 * is a later one it has been carried out: to wait for that one too, and the next, may take for ever.
	 */
.Lmap_wait:
	movabs	$(VK_REQ + VK_R_NEAR), %rdi
	mov	VK_R_SEQ(%rdi), %r9d
1:	movabs	$(VK_REQ + VK_R_NEAR), %rdi
	mov	VK_R_DONE(%rdi), %edx
	mov	VK_R_SEQ(%rdi), %eax
	cmp	%eax, %edx
	je	2f
	cmp	%eax, %r9d
	jne	2f
	mov	%edx, %r8d
	mov	$1, %esi		/* rdi is the address of SEQ */
	mov	$1, %edx
	mov	$SYS_futex, %eax
	syscall
	add	$VK_R_DONE, %rdi
	xor	%esi, %esi
	mov	%r8d, %edx
	mov	%r10, %r8
	xor	%r10d, %r10d
	mov	$SYS_futex, %eax
	syscall
	mov	%r8, %r10
	jmp	1b
2:	mov	VK_C_CMD(%r10), %eax
	mov	%gs:VK_F_RDI, %rdi
	mov	%gs:VK_F_RSI, %rsi
	mov	%gs:VK_F_R9, %r9
	test	$(VK_HOW_MASK | VK_HOW_BASES), %al
	jz	vk_restored
	jmp	.Lmapped

.Lspecial:
	test	$VK_HOW_MAP, %al
	jnz	.Lmap_wait
.Lmapped:
	mov	%eax, %ecx
	and	$VK_HOW_MASK, %ecx
	cmp	$VK_HOW_REUSE, %ecx
	je	.Lreuse
	test	%ecx, %ecx
	jnz	.Lretrap
	mov	%gs:VK_F_RDX, %rdx
	test	$VK_HOW_RDX, %al
	jz	1f
	mov	VK_C_RDX(%r10), %rdx
1:	test	$VK_HOW_BASES, %al
	jz	vk_restored
	/* New segment bases. */
	movabs	$VK_GLOBAL, %r8
	testl	$VK_GF_FSGSBASE, VK_G_FLAGS(%r8)
	jz	.Lretrap		/* the full way knows how */
	mov	%gs:VK_S_GS, %r8
	cmp	%gs:VK_S_SELF, %r8	/* own gs base: the full way */
	jne	.Lretrap
	mov	%gs:VK_S_FS, %rcx
	wrfsbase %rcx
	jmp	vk_restored

	/*
	 * Stop again with a full frame. Without FSGSBASE (or knowledge of the FPU) by a signal, whose handler completes
	 * the registers from the slot; else what is still in registers goes there and C does the rest, on the alternate
	 * stack.
	 */
.Lretrap:
	movabs	$VK_GLOBAL, %r8
	test	$VK_HOW_MASK, %al
	jz	.Lretrap_signal		/* only new bases, of an odd kind */
	testl	$VK_GF_FSGSBASE, VK_G_FLAGS(%r8)
	jz	.Lretrap_signal
	cmpq	$0, VK_G_XMASK(%r8)
	je	.Lretrap_signal
	mov	%rbx, %gs:VK_F_RBX
	mov	%rbp, %gs:VK_F_RBP
	mov	%r12, %gs:VK_F_R12
	mov	%r13, %gs:VK_F_R13
	mov	%r14, %gs:VK_F_R14
	mov	%r15, %gs:VK_F_R15
	mov	VK_C_STACK(%r10), %rsp
	add	VK_C_STACK + 16(%r10), %rsp
	pushfq
	pop	%rdx
	cld
	mov	VK_C_SLOT(%r10), %rdi
	mov	%eax, %esi
	call	vk_fullstop
	ud2
.Lretrap_signal:
	mov	%gs:VK_F_RDI, %rdi
	mov	%gs:VK_F_RSI, %rsi
	mov	%gs:VK_F_R8, %r8
	mov	%gs:VK_F_R9, %r9
	mov	$-1, %rax
	syscall
vk_retrap_end:
	ud2
.Lreuse:
	mov	%r10, %rdi
	mov	%eax, %edx
	jmp	.Lreuse_wait
vk_entry_end:

/* vk_reuse(rdi command line, esi command): from the handler, with all signals blocked. */
	.globl vk_reuse
vk_reuse:
	mov	%esi, %edx
	jmp	.Lreuse_wait

	.globl vk_sigreturn
vk_sigreturn:
	mov	$SYS_rt_sigreturn, %eax
	syscall
	ud2

/*
 * vk_leave(rdi slot, rsi FPU image, rdx its features): to the guest with all registers of the frame, without the host. The
 * frame has rip, cs, rflags, rsp and ss in the order iretq wants. In the section whose addresses tell the preempt
 * signal that the frame is all there is to know.
 */
	.section .text.leave, "ax"
	.globl vk_leave, vk_leave_loaded, vk_leave_done
vk_leave:
	mov	%edx, %eax
	shr	$32, %rdx
	xrstor64 (%rsi)
vk_leave_loaded:			/* from here on off the alternate stack: a signal's frame may overwrite the image */
	movq	$0x33, VK_F_CS(%rdi)	/* always the 64-bit user segments */
	movq	$0x2b, VK_F_SS(%rdi)
	lea	VK_F_RIP(%rdi), %rsp
	pushq	$2			/* over VK_F_ERR: no nested task flag, which iretq refuses */
	popfq
	mov	VK_F_RSI(%rdi), %rsi
	mov	VK_F_RDX(%rdi), %rdx
	mov	VK_F_RCX(%rdi), %rcx
	mov	VK_F_R8(%rdi), %r8
	mov	VK_F_R9(%rdi), %r9
	mov	VK_F_RAX(%rdi), %rax
	mov	VK_F_RBX(%rdi), %rbx
	mov	VK_F_RBP(%rdi), %rbp
	mov	VK_F_R10(%rdi), %r10
	mov	VK_F_R11(%rdi), %r11
	mov	VK_F_R12(%rdi), %r12
	mov	VK_F_R13(%rdi), %r13
	mov	VK_F_R14(%rdi), %r14
	mov	VK_F_R15(%rdi), %r15
	mov	VK_F_RDI(%rdi), %rdi
	iretq
vk_leave_done:
	.section .text.entry, "ax"

/*
 * vk_mapper(rdi stack start, rsi stack length): the first task of a vmspace, after its C part. Drops the stack and
 * starts the near mapper, another thread of the same process that does the same on the guests' processor. The kernel
 * never has both at work. r12 request block, rsp own control words in it, r13 last request, r14 operation,
 * r15 operations left, rbp own pid.
 */
	.globl vk_mapper
vk_mapper:
	mov	$SYS_munmap, %eax
	syscall
	test	%rax, %rax
	jnz	.Ldie
	mov	$SYS_getpid, %eax
	syscall
	mov	%eax, %ebp
	movabs	$VK_REQ, %r12
	mov	%r12, %rsp
	xor	%r13d, %r13d
	movabs	$VK_GLOBAL, %r8
	testl	$VK_GF_NEAR, VK_G_FLAGS(%r8)
	jz	.Lmap_loop
	mov	$0x10f00, %edi		/* CLONE_VM | FS | FILES | SIGHAND | THREAD */
	xor	%esi, %esi
	xor	%edx, %edx
	xor	%r10d, %r10d
	xor	%r8d, %r8d
	mov	$SYS_clone, %eax
	syscall
	test	%rax, %rax
	js	.Ldie
	jnz	.Lmap_loop
	add	$VK_R_NEAR, %rsp
	xor	%edi, %edi
	mov	$128, %esi
	movabs	$(VK_GLOBAL + VK_G_GUESTCPUS), %rdx
	mov	$SYS_sched_setaffinity, %eax
	syscall
.Lmap_loop:
	mov	VK_R_SEQ(%rsp), %eax
	cmp	%r13d, %eax
	jne	.Lmap_work
	mov	%rsp, %rdi
	xor	%esi, %esi
	mov	%r13d, %edx
	xor	%r10d, %r10d
	mov	$SYS_futex, %eax
	syscall
	jmp	.Lmap_loop
.Lmap_work:
	mov	%eax, %r13d
	mov	VK_R_NOPS(%r12), %r15d
	lea	VK_R_OPS(%r12), %r14
.Lmap_next:
	test	%r15d, %r15d
	jz	.Lmap_done
	mov	VK_O_KIND(%r14), %ecx
	mov	VK_O_VA(%r14), %rdi
	mov	VK_O_LEN(%r14), %rsi
	mov	VK_O_ARG(%r14), %edx
	cmp	$VK_OP_MAP, %ecx
	jne	1f
	mov	VK_O_OFF(%r14), %r9
	mov	%r9d, %r10d
	and	$0xfff, %r10d
	and	$-4096, %r9
	shl	$12, %r10d
	or	$0x11, %r10d		/* MAP_SHARED | MAP_FIXED */
	mov	$VK_FD_RAM, %r8d
	mov	$SYS_mmap, %eax
	jmp	.Lmap_call
1:	cmp	$VK_OP_UNMAP, %ecx
	jne	2f
	mov	$SYS_munmap, %eax
	jmp	.Lmap_call
2:	cmp	$VK_OP_PROTECT, %ecx
	jne	.Lmap_clone
	mov	$SYS_mprotect, %eax
.Lmap_call:
	syscall
	cmp	$-4096, %rax
	ja	.Lmap_failed
.Lmap_step:
	add	$VK_OP_SIZE, %r14
	dec	%r15d
	jmp	.Lmap_next
.Lmap_clone:
	mov	%rdi, %rbx		/* command line, for the child */
	mov	%rsi, %rdx		/* where the pid goes, if anywhere */
	mov	$0x100, %edi		/* CLONE_VM */
	mov	$0x100000, %eax		/* CLONE_PARENT_SETTID */
	test	%rdx, %rdx
	cmovz	%edx, %eax
	or	%eax, %edi
	or	$17, %edi		/* exit signal SIGCHLD, ignored: nobody has to wait */
	xor	%esi, %esi
	xor	%r10d, %r10d
	xor	%r8d, %r8d
	mov	$SYS_clone, %eax
	syscall
	test	%rax, %rax
	jz	vk_thread
	js	.Lmap_failed
	cmpl	$0, VK_O_ARG(%r14)
	je	.Lmap_step
	/* The kernel reads the pid as the position of the control memfd: guest code cannot forge that. */
	mov	$VK_FD_CTL, %edi
	mov	%rax, %rsi
	xor	%edx, %edx
	mov	$SYS_lseek, %eax
	syscall
	jmp	.Lmap_step
.Lmap_failed:
	cmp	%rsp, %r12
	jne	1f			/* near: just failed, the other one will do it again */
	neg	%rax
	shl	$32, %r15
	or	%rax, %r15
	mov	$VK_FD_CTL, %edi
	mov	%r15, %rsi		/* operations left << 32 | errno */
	xor	%edx, %edx
	mov	$SYS_lseek, %eax
	syscall
1:	lea	VK_R_FAILED(%rsp), %rsi
	jmp	.Lmap_tell
.Lmap_done:
	mov	%rsp, %rsi
.Lmap_tell:
	mov	$VK_FD_CTL, %edi
	mov	$4, %edx
	mov	VK_R_DONEOFF(%rsp), %r10
	mov	$SYS_pwrite64, %eax
	syscall
	cmp	$4, %rax
	jne	.Ldie
	cmpl	$0, VK_R_WAITING(%rsp)
	je	.Lmap_loop
	lea	VK_R_DONE(%rsp), %rdi
	mov	$1, %esi
	mov	$0x7fffffff, %edx
	mov	$SYS_futex, %eax
	syscall
	jmp	.Lmap_loop

/* A new guest thread: rbx command line, rbp pid of the mapper. No filter yet, so no writable memory. */
vk_thread:
	mov	$VK_FD_CTL, %edi
	mov	$SYS_close, %eax
	syscall
	mov	$VK_FD_RAM, %edi
	mov	$SYS_close, %eax
	syscall
	mov	$1, %edi		/* PR_SET_PDEATHSIG */
	mov	$9, %esi
	mov	$SYS_prctl, %eax
	syscall
	mov	$SYS_getppid, %eax
	syscall
	cmp	%ebp, %eax
	jne	.Ldie
	xor	%edi, %edi
	mov	$128, %esi
	movabs	$(VK_GLOBAL + VK_G_GUESTCPUS), %rdx
	mov	$SYS_sched_setaffinity, %eax
	syscall
	lea	VK_C_STACK(%rbx), %rdi
	xor	%esi, %esi
	mov	$SYS_sigaltstack, %eax
	syscall
	test	%rax, %rax
	jnz	.Ldie
	mov	$0x1001, %edi		/* ARCH_SET_GS */
	mov	VK_C_SLOT(%rbx), %rsi
	mov	$SYS_arch_prctl, %eax
	syscall
	mov	$2, %edi		/* SIG_SETMASK: none blocked */
	lea	.Lnosignals(%rip), %rsi
	xor	%edx, %edx
	mov	$8, %r10d
	mov	$SYS_rt_sigprocmask, %eax
	syscall
	mov	$1, %edi		/* SECCOMP_SET_MODE_FILTER */
	xor	%esi, %esi
	lea	.Lfprog(%rip), %rdx
	mov	$SYS_seccomp, %eax
	syscall
	test	%rax, %rax
	jnz	.Ldie
	mov	$-1, %rax
	jmp	vk_newcall
.Ldie:
	mov	$1, %edi
	mov	$SYS_exit_group, %eax
	syscall
	ud2

	/* Constants, here rather than in .rodata so that their distance from vk_base is known. */
	.balign 8
.Lnosignals:
	.quad	0
	/* struct sock_fprog: the addresses are those of the copy at VK_TEXT. */
.Lfprog:
	.quad	(.Lfilter_end - .Lfilter) / 8
	.quad	VK_TEXT + (.Lfilter - vk_base)

/*
 * Filter of guest threads: futex WAIT on command lines and the near mapper's DONE, futex WAKE on command lines, the
 * doorbell and the near mapper's SEQ, rt_sigreturn, sched_yield, arch_prctl of fs and gs (for machines without
 * FSGSBASE), and only from the stub's text.
 * Everything else, whatever its number or architecture, is SIGSYS.
 */
#define LD(off) .short 0x20; .byte 0, 0; .long off
#define JEQ(k, t, f) .short 0x15; .byte t, f; .long k
#define JGE(k, t, f) .short 0x35; .byte t, f; .long k
#define RET(k) .short 0x06; .byte 0, 0; .long k
#define LO(a) ((a) & 0xffffffff)
#define HI (VK_WIN >> 32)
	.balign 8
.Lfilter:
	LD(4)				/* 0 arch */
	JEQ(0xc000003e, 0, 28)		/* 1 x86-64 or trap at 30 */
	LD(12)				/* 2 ip, high */
	JEQ(HI, 0, 26)			/* 3 */
	LD(8)				/* 4 ip, low */
	JGE(LO(VK_TEXT), 0, 24)		/* 5 */
	JGE(LO(VK_TEXT + VK_TEXT_MAX), 23, 0) /* 6 */
	LD(0)				/* 7 nr */
	JEQ(SYS_futex, 6, 0)		/* 8 -> 15 */
	JEQ(SYS_rt_sigreturn, 19, 0)	/* 9 -> 29 */
	JEQ(24, 18, 0)			/* 10 sched_yield -> 29 */
	JEQ(SYS_arch_prctl, 0, 18)	/* 11 */
	LD(16)				/* 12 code */
	JGE(0x1001, 0, 16)		/* 13 */
	JGE(0x1005, 15, 14)		/* 14 set and get of fs and gs */
	LD(20)				/* 15 futex: address, high */
	JEQ(HI, 0, 13)			/* 16 */
	LD(24)				/* 17 op */
	JEQ(0, 6, 0)			/* 18 WAIT -> 25 */
	JEQ(1, 0, 10)			/* 19 WAKE */
	LD(16)				/* 20 address, low */
	JEQ(LO(VK_GLOBAL + VK_G_DOORBELL), 7, 0) /* 21 -> 29 */
	JEQ(LO(VK_REQ + VK_R_NEAR + VK_R_SEQ), 6, 0) /* 22 -> 29 */
	JGE(LO(VK_CMD), 0, 6)		/* 23 */
	JGE(LO(VK_CMD + VK_CMD_BYTES), 5, 4) /* 24 */
	LD(16)				/* 25 address, low */
	JEQ(LO(VK_REQ + VK_R_NEAR + VK_R_DONE), 2, 0) /* 26 -> 29 */
	JGE(LO(VK_CMD), 0, 2)		/* 27 */
	JGE(LO(VK_CMD + VK_CMD_BYTES), 1, 0) /* 28 */
	RET(0x7fff0000)			/* 29 allow */
	RET(0x00030000)			/* 30 trap */
.Lfilter_end:
	.section .note.GNU-stack, "", @progbits
