/*
 * Process start. DragonFly enters with rdi = address of argc (the vector) and rsp just below it; nothing else is
 * defined. Also carries the ABI note that brands the file as a DragonFly binary.
 */
	.section .note.ABI-tag,"a",@note
	.p2align 2
	.long 10
	.long 4
	.long 1
	.asciz "DragonFly"
	.p2align 2
	.long 600400

	.text
	.globl _start
	.type _start,@function
_start:
	xor %ebp,%ebp
	and $-16,%rsp
	call __libc_start
	hlt
	.size _start,.-_start

	.section .note.GNU-stack,"",@progbits
