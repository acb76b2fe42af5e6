/*
 * Memory shared by the kernel (addon, TypeScript) and the stub that lives in every guest address space.
 * Included by C, C++ and assembly; vkernel/machine/host/layout.ts repeats the offsets and a unit test compares them.
 *
 * The stub owns the window [VK_WIN, VK_WIN_END) above the guest's user range. What is marked RO is mapped read-only
 * there and is written by the kernel only; RW may be written by hostile guest code at any time, so the kernel reads
 * it once and trusts nothing in it.
 *
 * The control memfd holds it all. Page 0 is the global page and 0x40000 the command lines, the same for all
 * vmspaces; block v at VK_BLOCK * (v + 1) belongs to vmspace v, with the offsets of the window.
 */
#ifndef VK_LAYOUT_H
#define VK_LAYOUT_H

#define VK_WIN 0x7fffffe00000
#define VK_WIN_END 0x7fffffff0000
#define VK_BLOCK 0x200000

/* Text and constants of the stub: RO + X. */
#define VK_TEXT VK_WIN
#define VK_TEXT_MAX 0x10000

/* Global page, RO. */
#define VK_GLOBAL_OFF 0x10000
#define VK_GLOBAL (VK_WIN + VK_GLOBAL_OFF)
#define VK_G_DOORBELL 0  /* u32 futex: 1 while the kernel sleeps; a thread that stops then must wake it */
#define VK_G_SPIN 64     /* u32: rounds a stopped thread spins for its answer before it sleeps */
#define VK_G_FLAGS 68    /* u32 VK_GF_* */
#define VK_G_XMASK 72    /* u64: xfeatures a restored FPU image may claim */
#define VK_G_GUESTCPUS 256  /* 128 bytes: CPU set of guest threads */
#define VK_G_KERNELCPUS 384 /* 128 bytes: CPU set of the kernel and the mappers */
#define VK_GF_FSGSBASE 1
#define VK_GF_NEAR 2 /* mappers start a second one on the guests' processor */

/*
 * Request block of one vmspace: operations for its mappers. RO. Two sets of control words with the same distances, one
 * for the mapper on the kernel's processor and one, at VK_R_NEAR, for the one on the guests'; one list for both.
 */
#define VK_REQ_OFF 0x11000
#define VK_REQ (VK_WIN + VK_REQ_OFF)
#define VK_REQ_SIZE 0x4000
#define VK_R_SEQ 0      /* u32 futex: number of the request to carry out */
#define VK_R_FAILED 4   /* u32: what to put into DONE when an operation failed */
#define VK_R_NOPS 8     /* u32 */
#define VK_R_DONEOFF 16 /* u64: where DONE is in the control memfd, for pwrite */
#define VK_R_WAITING 24 /* u32: the kernel sleeps for DONE and has to be woken */
#define VK_R_DONE 64    /* u32 futex: SEQ or FAILED of the last request carried out (written with pwrite) */
#define VK_R_NEAR 32    /* distance of the near mapper's SEQ, FAILED, DONEOFF, WAITING and DONE */
#define VK_R_OPS 128
#define VK_OP_SIZE 32
#define VK_OP_MAX 508
#define VK_O_KIND 0 /* u32 */
#define VK_O_ARG 4  /* u32: map, protect: PROT_*; clone: 1 = report the pid */
#define VK_O_VA 8   /* u64; clone: address of the command line */
#define VK_O_LEN 16 /* u64; clone: address that gets the pid (0: none) */
#define VK_O_OFF 24 /* u64; map: low 12 bits hold extra mmap flags >> 12 (MAP_POPULATE is 0x8000) */
#define VK_OP_MAP 1
#define VK_OP_UNMAP 2
#define VK_OP_PROTECT 3
#define VK_OP_CLONE 4

/* Command lines, one for each host thread of the machine: 128 bytes, RO. The first half is what changes with each answer. */
#define VK_CMD_OFF 0x40000
#define VK_CMD (VK_WIN + VK_CMD_OFF)
#define VK_NCMD 2048
#define VK_CMD_BYTES 0x40000
#define VK_C_CMD 0     /* u32 futex: (sequence << 8) | how; a change answers the thread */
#define VK_C_PARK 4    /* u32: equal to CMD: sleep at once */
#define VK_C_PREEMPT 8 /* u32: equal to CMD: the preempt signal is meant */
#define VK_C_WAKE 12   /* u32: 1 + number of the thread to wake when parking, 0 none */
#define VK_C_RAX 16    /* u64: result of a system call from a patched site */
#define VK_C_RDX 24    /* u64: its second one, with VK_HOW_RDX */
#define VK_C_STACK 64  /* stack_t of the alternate stack */
#define VK_C_SLOT 88   /* u64: address of the thread's slot */
#define VK_C_REUSE 96  /* u32: CMD of a thread that waits to be used again */
#define VK_C_INIT 100  /* u32: first CMD of the thread; another one at its first stop: already answered */
#define VK_C_SIZE 128

/* How: low bits of CMD. */
#define VK_HOW_RUN 0
#define VK_HOW_RETRAP 1
#define VK_HOW_REISSUE 2
#define VK_HOW_REUSE 3 /* forget the guest and wait at VK_REUSE_PARKED */
#define VK_HOW_MASK 3
#define VK_HOW_BASES 4 /* load fs and gs base from the slot */
#define VK_HOW_MAP 8   /* first wake the near mapper and wait until it has carried out its request */

#define VK_HOW_CARRY 16 /* patched site: carry, the call has failed */
#define VK_HOW_RDX 32   /* patched site: there is a second result */

/* Slots, one for each thread of the vmspace: RW. The slot's struct is at its start, the alternate stack above. */
#define VK_SLOTS_OFF 0x80000
#define VK_SLOTS (VK_WIN + VK_SLOTS_OFF)
#define VK_SLOTS_BYTES 0x170000
/*
 * The first 64 bytes are one cache line, and all that the kernel reads for most system calls: state, trap, six of the
 * registers. Nothing that the kernel writes is in a line that a stopped thread writes.
 */
#define VK_S_STATE 0    /* u32: equal to CMD: stopped */
#define VK_S_TRAP 4     /* u32: Trap | VK_TRAP_FULL */
#define VK_S_FRAME 8    /* 25 u64, DragonFly's trapframe */
#define VK_S_ASLEEP 264 /* u32: 1 while (about to be) in FUTEX_WAIT */
#define VK_S_PID 268    /* u32: pid as clone wrote it, read before guest code runs */
#define VK_S_CMD 272    /* u64: address of the command line */
#define VK_S_FS 280     /* u64 */
#define VK_S_GS 288     /* u64 */
#define VK_S_FPU 296    /* u64: address of the XSAVE image */
#define VK_S_SELF 304   /* u64: address of the slot */
#define VK_S_OF 320     /* u8: overflow flag at a patched call site */
#define VK_S_NR 328     /* u64: call number of a patched call site, for REISSUE */
#define VK_S_LEAVE 324  /* u32: equal to CMD: answered, on its way to the guest with the frame's registers */
#define VK_S_UCONTEXT 512 /* ucontext with which a thread used again starts */
#define VK_S_STACK 1024 /* start of the alternate stack; the FPU image of a thread that came by a patched call site */

#define VK_TRAP_NEW 0
#define VK_TRAP_SYSCALL 1
#define VK_TRAP_FAULT 2
#define VK_TRAP_EXCEPTION 3
#define VK_TRAP_PREEMPT 4
#define VK_TRAP_DEAD 5
#define VK_TRAP_FULL 0x100

/* Frame registers: bytes from the slot's start. */
#define VK_F_RDI 8
#define VK_F_RSI 16
#define VK_F_RDX 24
#define VK_F_RCX 32
#define VK_F_R8 40
#define VK_F_R9 48
#define VK_F_RAX 56
#define VK_F_RBX 64
#define VK_F_RBP 72
#define VK_F_R10 80
#define VK_F_R11 88
#define VK_F_R12 96
#define VK_F_R13 104
#define VK_F_R14 112
#define VK_F_R15 120
#define VK_F_TRAPNO 136
#define VK_F_ADDR 144
#define VK_F_ERR 160
#define VK_F_RIP 168
#define VK_F_CS 176
#define VK_F_RFLAGS 184
#define VK_F_RSP 192
#define VK_F_SS 200

/* Descriptors in the zygote and the mappers. */
#define VK_FD_CTL 3
#define VK_FD_RAM 4
#define VK_FD_SOCK 5

/* Signal that interrupts guest code: SIGUSR1. */
#define VK_SIG_PREEMPT 10

/* Where a thread waits to be used again (in the futex call before this address), and the call that reports NEW. */
#define VK_REUSE_PARKED (VK_TEXT + 0x14)
#define VK_NEWCALL (VK_TEXT + 0x34)

/* Address of the entry for patched call sites. */
#define VK_ENTRY (VK_TEXT + 0x40)

#endif
