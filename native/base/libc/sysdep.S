/*
 * Hand-written system call stubs: calls with padding arguments, two results or a stack that another process
 * shares; the common error exit; setjmp and longjmp.
 * Every trap keeps the `mov $imm32,%eax; syscall` shape (see gensys.py).
 */
#include <sys/syscall.h>

#define ENTRY(name) .section .text.name,"ax",@progbits; .p2align 4; .globl name; .type name,@function; name:
#define END(name) .size name,.-name
#define TRAP(num) mov $num,%eax; syscall

/* Error exit of every stub: rax is a positive errno. The thread's errno is at a fixed offset from the fs base. */
ENTRY(__cerror)
	mov %eax,%fs:__errno_tls@tpoff
	mov $-1,%rax
	mov %rax,%rdx
	ret
END(__cerror)

/* lseek(fd, off, whence): the kernel wants an unused int before the offset. */
ENTRY(lseek)
	mov %rdx,%r10
	mov %rsi,%rdx
	TRAP(SYS_lseek)
	jb __cerror
	ret
END(lseek)

ENTRY(truncate)
	mov %rsi,%rdx
	TRAP(SYS_truncate)
	jb __cerror
	ret
END(truncate)

ENTRY(ftruncate)
	mov %rsi,%rdx
	TRAP(SYS_ftruncate)
	jb __cerror
	ret
END(ftruncate)

/* mmap(addr, len, prot, flags, fd, off): argument 6 is padding, argument 7 is read at rsp+8. */
ENTRY(mmap)
	push %r9
	push %r9
	mov %rcx,%r10
	xor %r9d,%r9d
	TRAP(SYS_mmap)
	lea 16(%rsp),%rsp
	jb __cerror
	ret
END(mmap)

/* Seven arguments: the caller already pushed the seventh where the kernel looks for it. */
ENTRY(mountctl)
	mov %rcx,%r10
	TRAP(SYS_mountctl)
	jb __cerror
	ret
END(mountctl)

ENTRY(sendfile)
	mov %rcx,%r10
	TRAP(SYS_sendfile)
	jb __cerror
	ret
END(sendfile)

/* Both descriptors come back in registers; rdi survives the call. */
ENTRY(pipe)
	TRAP(SYS_pipe)
	jb __cerror
	mov %eax,(%rdi)
	mov %edx,4(%rdi)
	xor %eax,%eax
	ret
END(pipe)

ENTRY(pipe2)
	TRAP(SYS_pipe2)
	jb __cerror
	mov %eax,(%rdi)
	mov %edx,4(%rdi)
	xor %eax,%eax
	ret
END(pipe2)

/* edx is 1 in the child. */
ENTRY(__sys_fork)
	TRAP(SYS_fork)
	jb __cerror
	test %edx,%edx
	jz 1f
	xor %eax,%eax
1:	ret
END(__sys_fork)

ENTRY(rfork)
	TRAP(SYS_rfork)
	jb __cerror
	test %edx,%edx
	jz 1f
	xor %eax,%eax
1:	ret
END(rfork)

/* The child runs on our stack and will overwrite the return address: keep it in rsi, which survives the call. */
ENTRY(vfork)
	pop %rsi
	TRAP(SYS_vfork)
	push %rsi
	jb __cerror
	test %edx,%edx
	jz 1f
	xor %eax,%eax
1:	ret
END(vfork)

ENTRY(_exit)
	TRAP(SYS_exit)
	hlt
END(_exit)
	.globl _Exit
	.set _Exit,_exit

ENTRY(extexit)
	TRAP(SYS_extexit)
	hlt
END(extexit)

/* syscall(number, ...): indirect, the arguments shift down by one and the sixth and later stay on the stack. */
ENTRY(syscall)
	mov %rcx,%r10
	TRAP(SYS_syscall)
	jb __cerror
	ret
END(syscall)

/* setjmp saves the signal mask, _setjmp does not, sigsetjmp asks. Layout of jmp_buf: see <setjmp.h>. */
ENTRY(_setjmp)
	xor %esi,%esi
	jmp sigsetjmp
END(_setjmp)

ENTRY(setjmp)
	mov $1,%esi
	jmp sigsetjmp
END(setjmp)

ENTRY(sigsetjmp)
	mov (%rsp),%rdx
	lea 8(%rsp),%rcx
	mov %rbx,(%rdi)
	mov %rbp,8(%rdi)
	mov %rcx,16(%rdi)
	mov %r12,24(%rdi)
	mov %r13,32(%rdi)
	mov %r14,40(%rdi)
	mov %r15,48(%rdi)
	mov %rdx,56(%rdi)
	stmxcsr 64(%rdi)
	fnstcw 68(%rdi)
	mov %esi,72(%rdi)
	test %esi,%esi
	jz 1f
	lea 80(%rdi),%rdx
	mov $1,%edi
	xor %esi,%esi
	sub $8,%rsp
	call __sys_sigprocmask
	add $8,%rsp
1:	xor %eax,%eax
	ret
END(sigsetjmp)

ENTRY(siglongjmp)
	push %rdi
	push %rsi
	cmpl $0,72(%rdi)
	je 1f
	lea 80(%rdi),%rsi
	mov $3,%edi
	xor %edx,%edx
	sub $8,%rsp
	call __sys_sigprocmask
	add $8,%rsp
1:	pop %rax
	pop %rdi
	test %eax,%eax
	jnz 2f
	inc %eax
2:	mov (%rdi),%rbx
	mov 8(%rdi),%rbp
	mov 16(%rdi),%rsp
	mov 24(%rdi),%r12
	mov 32(%rdi),%r13
	mov 40(%rdi),%r14
	mov 48(%rdi),%r15
	ldmxcsr 64(%rdi)
	fldcw 68(%rdi)
	jmp *56(%rdi)
END(siglongjmp)
	.globl longjmp
	.set longjmp,siglongjmp
	.globl _longjmp
	.set _longjmp,siglongjmp

	.section .note.GNU-stack,"",@progbits
