/*
 * The stub: zygote, birth of a vmspace process, and the signal handler in which guest threads stop.
 *
 * The program is started once by the addon: `vkstub <parent pid>` with the control memfd on descriptor 3, guest RAM on
 * 4 and a socket on 5. It copies its only segment to VK_TEXT, unmaps all else and becomes the zygote: each 4-byte
 * request names a vmspace block; the answer is the pid of a new process that has mapped that block and carries out
 * the mapping requests written there. Every process dies with its parent.
 *
 * No libc, no writable data. The handler runs on the thread's alternate stack, which guest code can write: it is the
 * guest's own registers that are at stake there, never the host, because the thread's seccomp filter is on.
 */
#include "layout.h"

#include <asm/signal.h>
#include <asm/siginfo.h>
#include <asm/sigcontext.h>
#include <asm/ucontext.h>
#include <asm/unistd.h>
#include <linux/audit.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t u64;
typedef uint32_t u32;

/* Hidden: addressed relative to the instruction pointer, so that they are right in the copy too. */
#pragma GCC visibility push(hidden)
extern char vk_text_start[], vk_text_end[], vk_entry[], vk_published[], vk_entry_end[], vk_retrap_end[], vk_new_end[];
extern char vk_leave_start[], vk_leave_end[], vk_leave_loaded[], vk_leave_done[];
void vk_leave(u64 slot, u64 fpu, u64 xfeatures) __attribute__((noreturn));
void vk_sigreturn(void);
void vk_reuse(u64 line, u32 cmd) __attribute__((noreturn));
void vk_mapper(u64 stack, u64 len) __attribute__((noreturn));
#pragma GCC visibility pop

/** DragonFly's trap numbers (machine/trap.h). */
enum { T_PRIVINFLT = 1, T_BPTFLT = 3, T_ARITHTRAP = 6, T_PROTFLT = 9, T_TRCTRAP = 10, T_PAGEFLT = 12, T_ALIGNFLT = 14,
       T_DIVIDE = 18, T_OFLOW = 20, T_BOUND = 21, T_SEGNPFLT = 26, T_STKFLT = 27, T_XMMFLT = 29 };

static inline long sys6(long nr, long a, long b, long c, long d, long e, long f) {
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  long ret;
  __asm__ volatile("syscall"
                   : "=a"(ret)
                   : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return ret;
}
#define sys1(nr, a) sys6(nr, (long)(a), 0, 0, 0, 0, 0)
#define sys2(nr, a, b) sys6(nr, (long)(a), (long)(b), 0, 0, 0, 0)
#define sys3(nr, a, b, c) sys6(nr, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define sys4(nr, a, b, c, d) sys6(nr, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

#define G32(off) (*(volatile u32 *)(VK_GLOBAL + (off)))
#define G64(off) (*(volatile u64 *)(VK_GLOBAL + (off)))
#define C32(c, off) (*(volatile u32 *)((c) + (off)))
#define C64(c, off) (*(volatile u64 *)((c) + (off)))

/** Address that a function or label has in the copy at VK_TEXT (this code may run in either copy). */
#define HIGH(sym) (VK_TEXT + (u64)((char *)(sym)-vk_text_start))

static inline void __attribute__((noreturn)) die(int code) {
  for (;;) sys1(__NR_exit_group, code);
}

/** rflags of a thread that came by a patched call site and is answered by `cur`; `live` has what the entry does not keep. */
static u64 answeredFlags(u64 s, u32 cur, u64 live) {
  u64 carry = (cur & VK_HOW_CARRY) != 0;
  return (live & ~0x8ffUL) | (C64(s, VK_F_RFLAGS) & 0xd6) | carry | ((C64(s, VK_S_OF) & 1) << 11) | 2;
}

/** Complete the registers of a thread that came by a patched call site, and is answered by `cur`, from slot and command line. */
static void complete(struct sigcontext_64 *r, u64 s, u64 c, u32 cur) {
  r->di = C64(s, VK_F_RDI);
  r->si = C64(s, VK_F_RSI);
  r->dx = cur & VK_HOW_RDX ? C64(c, VK_C_RDX) : C64(s, VK_F_RDX);
  r->r8 = C64(s, VK_F_R8);
  r->r9 = C64(s, VK_F_R9);
  r->ax = C64(c, VK_C_RAX);
  r->ip = r->cx = C64(s, VK_F_RIP);
  r->flags = answeredFlags(s, cur, r->flags);
  r->r11 = r->flags;
  r->r10 = 0;
}

/*
 * From an answered stop back to the guest there are three ways: the entry's own; vk_leave, which needs no host; and
 * rt_sigreturn, at the end of a handler. A preempt signal on the way must not get lost. Signals are not blocked while the
 * second way is taken: code that takes it is in a section of its own (LEAVE), and says with VK_S_LEAVE from when on the
 * frame is all there is to know of the thread. Whoever interrupts it there takes the frame over.
 */
#define LEAVE __attribute__((section(".text.leave"), noinline))

/** Publish the stop and wait for the answer. Returns the new command. */
LEAVE static u32 stop(u64 s, u64 c, u32 cur, u32 trap) {
  C32(s, VK_S_TRAP) = trap;
  __atomic_exchange_n((u32 *)(s + VK_S_STATE), cur, __ATOMIC_SEQ_CST);
  /* The kernel sleeps: wake it, again until it was woken or is awake. */
  while (G32(VK_G_DOORBELL) != 0)
    if (sys3(__NR_futex, VK_GLOBAL + VK_G_DOORBELL, FUTEX_WAKE, 1) > 0) break;
  for (int spin = G32(VK_G_SPIN); spin >= 0; spin--) {
    u32 now = C32(c, VK_C_CMD);
    if (now != cur) return now;
    if (C32(c, VK_C_PARK) == cur) break;
    __builtin_ia32_pause();
  }
  __atomic_exchange_n((u32 *)(s + VK_S_ASLEEP), 1, __ATOMIC_SEQ_CST);
  if (C32(c, VK_C_PARK) == cur) {
    u32 wake = C32(c, VK_C_WAKE);
    if (wake != 0) sys3(__NR_futex, VK_CMD + (u64)(wake - 1) * VK_C_SIZE, FUTEX_WAKE, 0x7fffffff);
  }
  u32 now;
  while ((now = C32(c, VK_C_CMD)) == cur) sys4(__NR_futex, c, FUTEX_WAIT, cur, 0);
  C32(s, VK_S_ASLEEP) = 0;
  return now;
}

/**
 * The command says so: have the near mapper work, on this processor, and wait for the request that is the latest now. When
 * there is a later one it has been carried out.
 */
LEAVE static void mapWait(void) {
  u64 near = VK_REQ + VK_R_NEAR;
  u32 want = C32(near, VK_R_SEQ);
  for (u32 done, seq; (done = C32(near, VK_R_DONE)) != (seq = C32(near, VK_R_SEQ)) && seq == want;) {
    sys3(__NR_futex, near + VK_R_SEQ, FUTEX_WAKE, 1);
    sys4(__NR_futex, near + VK_R_DONE, FUTEX_WAIT, done, 0);
  }
}

/** SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP: the processor's trap in DragonFly's terms. */
static u32 fault(u64 s, const struct sigcontext_64 *r) {
  u64 trapno;
  C64(s, VK_F_ERR) = r->err;
  C64(s, VK_F_ADDR) = 0;
  switch (r->trapno) {
  case 14:
    C64(s, VK_F_TRAPNO) = T_PAGEFLT;
    C64(s, VK_F_ADDR) = r->cr2;
    return VK_TRAP_FAULT;
  case 0: trapno = T_DIVIDE; break;
  case 1: trapno = T_TRCTRAP; break;
  case 3: trapno = T_BPTFLT; break;
  case 4: trapno = T_OFLOW; break;
  case 5: trapno = T_BOUND; break;
  case 6: trapno = T_PRIVINFLT; break;
  case 11: trapno = T_SEGNPFLT; break;
  case 12: trapno = T_STKFLT; break;
  case 16: trapno = T_ARITHTRAP; break;
  case 17: trapno = T_ALIGNFLT; break;
  case 19: trapno = T_XMMFLT; break;
  default: trapno = T_PROTFLT; break;
  }
  C64(s, VK_F_TRAPNO) = trapno;
  return VK_TRAP_EXCEPTION;
}

/** SIGSYS: which kind of stop, with the registers corrected to what the guest should see. */
static u32 sigsys(u64 s, u64 c, struct sigcontext_64 *r, const siginfo_t *si) {
  if (r->ip == HIGH(vk_new_end)) return VK_TRAP_NEW; /* the kernel may be filling in the frame */
  C64(s, VK_F_ADDR) = 0;
  C64(s, VK_F_ERR) = 2;
  C64(s, VK_F_TRAPNO) = 0;
  if (r->ip == HIGH(vk_retrap_end)) {
    u32 cur = C32(c, VK_C_CMD);
    int reissue = (cur & VK_HOW_MASK) == VK_HOW_REISSUE;
    complete(r, s, c, cur);
    if (!reissue) return VK_TRAP_PREEMPT;
    r->ax = C64(s, VK_S_NR);
    r->r10 = C64(s, VK_F_R10);
    return VK_TRAP_SYSCALL;
  }
  u64 call = (u64)si->_sifields._sigsys._call_addr;
  if (call >= 0xffffffffff600000) {
    /* A call into the host's vsyscall page: the guest has nothing there. */
    r->ip = call;
    r->sp -= 8;
    C64(s, VK_F_TRAPNO) = T_PAGEFLT;
    C64(s, VK_F_ADDR) = call;
    C64(s, VK_F_ERR) = 0x14;
    return VK_TRAP_FAULT;
  }
  if (si->_sifields._sigsys._arch != AUDIT_ARCH_X86_64) {
    /* int 0x80: DragonFly has no such gate. */
    r->ip -= 2;
    C64(s, VK_F_TRAPNO) = T_PROTFLT;
    C64(s, VK_F_ERR) = 0x402;
    return VK_TRAP_EXCEPTION;
  }
  return VK_TRAP_SYSCALL;
}

static void save(u64 s, const struct sigcontext_64 *r) {
  C64(s, VK_F_RDI) = r->di;
  C64(s, VK_F_RSI) = r->si;
  C64(s, VK_F_RDX) = r->dx;
  C64(s, VK_F_RCX) = r->cx;
  C64(s, VK_F_R8) = r->r8;
  C64(s, VK_F_R9) = r->r9;
  C64(s, VK_F_RAX) = r->ax;
  C64(s, VK_F_RBX) = r->bx;
  C64(s, VK_F_RBP) = r->bp;
  C64(s, VK_F_R10) = r->r10;
  C64(s, VK_F_R11) = r->r11;
  C64(s, VK_F_R12) = r->r12;
  C64(s, VK_F_R13) = r->r13;
  C64(s, VK_F_R14) = r->r14;
  C64(s, VK_F_R15) = r->r15;
  C64(s, VK_F_RIP) = r->ip;
  C64(s, VK_F_CS) = r->cs;
  C64(s, VK_F_RFLAGS) = r->flags;
  C64(s, VK_F_RSP) = r->sp;
  C64(s, VK_F_SS) = r->ss;
}

static void restore(struct sigcontext_64 *r, u64 s) {
  r->di = C64(s, VK_F_RDI);
  r->si = C64(s, VK_F_RSI);
  r->dx = C64(s, VK_F_RDX);
  r->cx = C64(s, VK_F_RCX);
  r->r8 = C64(s, VK_F_R8);
  r->r9 = C64(s, VK_F_R9);
  r->ax = C64(s, VK_F_RAX);
  r->bx = C64(s, VK_F_RBX);
  r->bp = C64(s, VK_F_RBP);
  r->r10 = C64(s, VK_F_R10);
  r->r11 = C64(s, VK_F_R11);
  r->r12 = C64(s, VK_F_R12);
  r->r13 = C64(s, VK_F_R13);
  r->r14 = C64(s, VK_F_R14);
  r->r15 = C64(s, VK_F_R15);
  r->ip = C64(s, VK_F_RIP);
  r->flags = C64(s, VK_F_RFLAGS);
  r->sp = C64(s, VK_F_RSP);
  /* Always the 64-bit user segments: compatibility mode has no place in the guest. */
  r->cs = 0x33;
  r->ss = 0x2b;
}

/** Make the XSAVE image acceptable to the host, whatever the kernel copied over it. */
static void fixFpu(u64 fpu, u32 magic1, u32 extended, u64 xfeatures, u32 xsize) {
  struct _xstate *x = (struct _xstate *)fpu;
  x->fpstate.mxcsr &= 0xffff;
  x->fpstate.sw_reserved.magic1 = magic1;
  x->fpstate.sw_reserved.extended_size = extended;
  x->fpstate.sw_reserved.xfeatures = xfeatures;
  x->fpstate.sw_reserved.xstate_size = xsize;
  if (magic1 != FP_XSTATE_MAGIC1) return;
  x->xstate_hdr.xfeatures &= xfeatures;
  for (int i = 0; i < 2; i++) x->xstate_hdr.reserved1[i] = 0;
  for (int i = 0; i < 5; i++) x->xstate_hdr.reserved2[i] = 0;
  if (xsize <= 4096) *(volatile u32 *)(fpu + xsize) = FP_XSTATE_MAGIC2;
}

static void saveBases(u64 s) {
  if (G32(VK_G_FLAGS) & VK_GF_FSGSBASE) {
    C64(s, VK_S_FS) = __builtin_ia32_rdfsbase64();
    C64(s, VK_S_GS) = __builtin_ia32_rdgsbase64();
  } else {
    sys2(__NR_arch_prctl, 0x1003, s + VK_S_FS);
    sys2(__NR_arch_prctl, 0x1004, s + VK_S_GS);
  }
}

LEAVE static void restoreBases(u64 s) {
  if (G32(VK_G_FLAGS) & VK_GF_FSGSBASE) {
    __builtin_ia32_wrfsbase64(C64(s, VK_S_FS));
    __builtin_ia32_wrgsbase64(C64(s, VK_S_GS));
  } else {
    sys2(__NR_arch_prctl, 0x1002, C64(s, VK_S_FS));
    sys2(__NR_arch_prctl, 0x1001, C64(s, VK_S_GS));
  }
}

/** Publish stops (the first only if `publish`) until one is answered with RUN; then the frame is the thread. */
LEAVE static void await(u64 s, u64 c, u32 cur, u32 trap, int publish) {
  C32(s, VK_S_LEAVE) = 0;
  for (;; publish = 1) {
    if (publish) cur = stop(s, c, cur, trap | VK_TRAP_FULL);
    u32 how = cur & VK_HOW_MASK;
    if (how == VK_HOW_REUSE) vk_reuse(c, cur);
    if (how == VK_HOW_RUN) {
      if (cur & VK_HOW_MAP) mapWait();
      C32(s, VK_S_LEAVE) = cur;
      __atomic_thread_fence(__ATOMIC_SEQ_CST);
      /* A preempt signal that came before it could see this has done nothing. */
      if (C32(c, VK_C_PREEMPT) != cur) return;
      C32(s, VK_S_LEAVE) = 0;
    }
    trap = how == VK_HOW_REISSUE ? VK_TRAP_SYSCALL : VK_TRAP_PREEMPT;
    C64(s, VK_F_TRAPNO) = 0;
  }
}

LEAVE static void leave(u64 s, u64 fpu, u64 xfeatures) __attribute__((noreturn));
LEAVE static void leave(u64 s, u64 fpu, u64 xfeatures) {
  restoreBases(s);
  vk_leave(s, fpu, xfeatures);
}

/** An FPU image of `n` bytes that an interrupted thread was about to load, if its address makes sense. */
static void copyFpu(u64 to, u64 from, u64 s, u32 n) {
  if (from < s + VK_S_STACK || from >= (u64)VK_WIN_END - n || from % 64 != 0) return;
  for (u32 i = 0; i < n; i += 8)
    if (i < 464 || i >= 512) C64(to, i) = C64(from, i); /* 464-511: the host's */
}

/**
 * A thread that came by a patched call site is to stop again with a full frame (assembly has put there what the entry leaves
 * in registers). On the alternate stack; the FPU image goes to its far end.
 */
__attribute__((used, noreturn)) void vk_fullstop(u64 s, u32 cur, u64 flags) {
  u64 c = C64(s, VK_S_CMD);
  u64 fpu = s + VK_S_STACK;
  u64 xfeatures = G64(VK_G_XMASK);
  u32 how = cur & VK_HOW_MASK;
  u32 trap = how == VK_HOW_REISSUE ? VK_TRAP_SYSCALL : VK_TRAP_PREEMPT;
  C64(s, VK_F_RFLAGS) = C64(s, VK_F_R11) = answeredFlags(s, cur, flags);
  if (cur & VK_HOW_RDX) C64(s, VK_F_RDX) = C64(c, VK_C_RDX);
  C64(s, VK_F_RCX) = C64(s, VK_F_RIP);
  C64(s, VK_F_RAX) = how == VK_HOW_REISSUE ? C64(s, VK_S_NR) : C64(c, VK_C_RAX);
  if (how == VK_HOW_RETRAP) C64(s, VK_F_R10) = 0;
  C64(s, VK_F_CS) = 0x33;
  C64(s, VK_F_SS) = 0x2b;
  C64(s, VK_F_ADDR) = C64(s, VK_F_TRAPNO) = 0;
  C64(s, VK_F_ERR) = how == VK_HOW_REISSUE ? 2 : 0;
  if (!(cur & VK_HOW_BASES)) saveBases(s);
  for (int i = 512; i < 576; i += 8) C64(fpu, i) = 0; /* XSAVE leaves most of the header as it is */
  __asm__ volatile("xsave64 (%0)" : : "r"(fpu), "a"((u32)xfeatures), "d"((u32)(xfeatures >> 32)) : "memory");
  C64(s, VK_S_FPU) = fpu;
  await(s, c, cur, trap, 1);
  *(volatile u32 *)(fpu + 24) &= 0xffff; /* mxcsr: reserved bits fault */
  leave(s, fpu, xfeatures);
}

/** Handler of every signal a guest thread can get. */
static void handler(int sig, const siginfo_t *si, struct ucontext *uc) {
  struct sigcontext_64 *r = (struct sigcontext_64 *)&uc->uc_mcontext;
  u64 s = (u64)uc->uc_stack.ss_sp - VK_S_STACK;
  u64 c = C64(s, VK_S_CMD);
  u32 cur = C32(c, VK_C_CMD);
  u32 trap;
  /* The slot's bases are newer than the processor's: a thread on its way out of the entry with new ones. */
  int keepBases = 0;
  int publish = 1;
  u64 taken = 0; /* FPU image of a thread interrupted on its way out */

  if (sig == VK_SIG_PREEMPT) {
    if (C32(c, VK_C_PREEMPT) != cur) return; /* meant for an earlier run */
    if (r->ip >= HIGH(vk_leave_start) && r->ip < HIGH(vk_leave_end)) {
      /* Stopped, or about to stop, or on its way to the guest: then this is the stop, with the frame as it is. */
      if (C32(s, VK_S_LEAVE) != cur || C32(s, VK_S_STATE) == cur) return;
      if (r->ip < HIGH(vk_leave_loaded) || r->ip >= HIGH(vk_leave_done)) taken = C64(s, VK_S_FPU);
      restore(r, s);
      keepBases = 1;
    } else if (r->ip >= VK_TEXT && r->ip < VK_TEXT + VK_TEXT_MAX) {
      /* In the entry: before it has published, a trap is about to come; while stopped, there is nothing to do; but
         once answered it must not get away: leave the entry in its place. */
      if (r->ip < HIGH(vk_published) || r->ip >= HIGH(vk_entry_end) || C32(s, VK_S_STATE) == cur) return;
      if ((cur & VK_HOW_MASK) != VK_HOW_RUN) return; /* about to stop again, or to be used again */
      complete(r, s, c, cur);
      keepBases = cur & VK_HOW_BASES;
    }
    C64(s, VK_F_ADDR) = 0;
    C64(s, VK_F_ERR) = 0;
    C64(s, VK_F_TRAPNO) = 0;
    trap = VK_TRAP_PREEMPT;
  } else if (sig == SIGSYS) {
    if (r->ip == HIGH(vk_new_end)) {
      keepBases = 1;
      publish = cur == C32(c, VK_C_INIT) || (cur & VK_HOW_MASK) != VK_HOW_RUN;
    } else if (r->ip == HIGH(vk_retrap_end)) {
      keepBases = cur & VK_HOW_BASES;
      publish = (cur & VK_HOW_MASK) != VK_HOW_RUN; /* else only the bases needed the full way */
    }
    trap = sigsys(s, c, r, si);
  } else if (si->si_code <= 0) {
    return; /* sent by a process of the host: not the guest's business */
  } else if (sig == SIGSEGV && r->ip == HIGH(vk_entry)) {
    r->ip = r->cx; /* patched call site, but gs is not ours: an ordinary system call */
    trap = VK_TRAP_SYSCALL;
  } else if (sig == SIGILL && si->si_code == SI_KERNEL && r->ax == ~0UL && r->cx == r->ip) {
    /* uretprobe(2) passes every filter (Linux 6.11 and later) and answers strangers like this: a system call to us. */
    r->ax = 335;
    C64(s, VK_F_ADDR) = C64(s, VK_F_TRAPNO) = 0;
    trap = VK_TRAP_SYSCALL;
  } else {
    trap = fault(s, r);
  }

  u64 fpu = (u64)uc->uc_mcontext.fpstate;
  struct _xstate *x = (struct _xstate *)fpu;
  u32 magic1 = x->fpstate.sw_reserved.magic1, extended = x->fpstate.sw_reserved.extended_size;
  u64 xfeatures = x->fpstate.sw_reserved.xfeatures;
  u32 xsize = x->fpstate.sw_reserved.xstate_size;
  if (taken != 0) copyFpu(fpu, taken, s, magic1 == FP_XSTATE_MAGIC1 ? xsize : 512);
  C64(s, VK_S_FPU) = fpu;
  if (!keepBases) saveBases(s);
  if (trap != VK_TRAP_NEW) save(s, r); /* the kernel may already have filled a new thread's frame */
  await(s, c, cur, trap, publish);
  fixFpu(fpu, magic1, extended, xfeatures, xsize);
  /* The preempt signal's handler has all signals blocked, the others none. What iretq would refuse is for the host. */
  if (sig != VK_SIG_PREEMPT && magic1 == FP_XSTATE_MAGIC1 && C64(s, VK_F_RIP) >> 47 == 0)
    leave(s, fpu, xfeatures);
  restore(r, s);
  uc->uc_sigmask = (sigset_t)0;
  restoreBases(s);
}

static int dieWithParent(long parent) {
  sys2(__NR_prctl, 1 /* PR_SET_PDEATHSIG */, 9);
  return sys1(__NR_getppid, 0) == parent ? 0 : -1;
}

/** A new process for vmspace block `v`, on its own copy of the zygote's stack. Nothing hostile runs here yet. */
static void vmspace(u32 v, long zygote, u64 stack, u64 len) __attribute__((noreturn));
static void vmspace(u32 v, long zygote, u64 stack, u64 len) {
  if (dieWithParent(zygote) != 0) die(1);
  sys1(__NR_close, VK_FD_SOCK);
  u64 block = (u64)VK_BLOCK * (v + 1);
  if (sys6(__NR_mmap, VK_REQ, VK_REQ_SIZE, PROT_READ, MAP_SHARED | MAP_FIXED, VK_FD_CTL, (long)(block + VK_REQ_OFF)) !=
      (long)VK_REQ)
    die(2);
  if (sys6(__NR_mmap, VK_SLOTS, VK_SLOTS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, VK_FD_CTL,
           (long)(block + VK_SLOTS_OFF)) != (long)VK_SLOTS)
    die(3);
  sys3(__NR_sched_setaffinity, 0, 128, VK_GLOBAL + VK_G_KERNELCPUS);
  vk_mapper(stack, len);
}

static void zygote(u64 stack, u64 len) __attribute__((noreturn));
static void zygote(u64 stack, u64 len) {
  /* All that the exec has mapped but the stub's window and this stack. */
  sys2(__NR_munmap, 0, stack);
  sys2(__NR_munmap, stack + len, VK_WIN - stack - len);
  sys2(__NR_munmap, VK_WIN_END, 0x7ffffffff000 - VK_WIN_END);
  long self = sys1(__NR_getpid, 0);
  struct {
    u32 v;
    int pid;
  } msg;
  for (;;) {
    long n = sys3(__NR_read, VK_FD_SOCK, &msg.v, 4);
    if (n == -4 /* EINTR */) continue;
    if (n != 4) {
      /* The kernel has closed. It has killed our children; SIGCHLD is ignored, so this returns when all have ended. */
      sys4(__NR_wait4, -1, 0, 0, 0);
      die(0);
    }
    long pid = sys6(__NR_clone, SIGCHLD, 0, 0, 0, 0, 0);
    if (pid == 0) vmspace(msg.v, self, stack, len);
    msg.pid = (int)pid;
    if (sys3(__NR_write, VK_FD_SOCK, &msg, 8) != 8) die(0);
  }
}

/** Runs in the copy at VK_TEXT, on a fresh stack: only now may the rest of the exec's memory go. */
static void high(u64 stack, u64 len) __attribute__((noreturn, used));
static void high(u64 stack, u64 len) {
  struct {
    void *handler;
    u64 flags;
    void *restorer;
    u64 mask;
  } sa;
  static const unsigned char sigs[] = {SIGSYS, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, VK_SIG_PREEMPT};
  sa.handler = (void *)handler;
  sa.flags = SA_SIGINFO | SA_ONSTACK | SA_RESTORER;
  sa.restorer = (void *)vk_sigreturn;
  for (unsigned i = 0; i < sizeof sigs; i++) {
    /* Only the preempt signal's handler ends with rt_sigreturn, which puts the mask back. */
    if (sigs[i] == VK_SIG_PREEMPT) sa.mask = ~0UL, sa.flags &= ~(u64)SA_NODEFER;
    else sa.mask = 0, sa.flags |= SA_NODEFER;
    if (sys4(__NR_rt_sigaction, sigs[i], &sa, 0, 8) != 0) die(9);
  }
  sa.handler = (void *)1; /* SIG_IGN: children reap themselves */
  if (sys4(__NR_rt_sigaction, SIGCHLD, &sa, 0, 8) != 0) die(9);
  zygote(stack, len);
}

/**
 * `vkstub tty`: terminal on descriptor 1, a socket to the kernel on 0. Tells when it has read the
 * settings; a byte then means an orderly end; end of
 * file, that the kernel is gone and the terminal has to be put back as it was.
 */
static void watchTty(void) __attribute__((noreturn));
static void watchTty(void) {
  char saved[64];
  char c;
  long n;
  u64 mask = ~0UL; /* also SIGTTOU: a background process may set the terminal then */
  sys4(__NR_rt_sigprocmask, 2, &mask, 0, 8);
  if (sys3(__NR_ioctl, 1, 0x5401 /* TCGETS */, saved) != 0) die(1);
  if (sys3(__NR_write, 0, "r", 1) != 1) die(1);
  do n = sys3(__NR_read, 0, &c, 1);
  while (n == -4);
  if (n == 0) sys3(__NR_ioctl, 1, 0x5403 /* TCSETSW */, saved);
  die(0);
}

/** First C code, at the low address the program was linked for. `sp` points to argc. */
__attribute__((noreturn, used)) void vk_main(u64 *sp) {
  const char *arg = sp[0] > 1 ? (const char *)sp[2] : "0";
  long parent = 0;
  if (*arg == 't') watchTty();
  while (*arg) parent = parent * 10 + (*arg++ - '0');
  if (dieWithParent(parent) != 0) die(1);
  for (int fd = 0; fd < 3; fd++) sys1(__NR_close, fd);
  sys3(__NR_close_range, VK_FD_SOCK + 1, ~0U, 0);
  sys6(__NR_prctl, 38 /* PR_SET_NO_NEW_PRIVS */, 1, 0, 0, 0, 0);
  sys6(__NR_prctl, 36 /* PR_SET_CHILD_SUBREAPER */, 1, 0, 0, 0, 0);
  u64 mask = ~0UL;
  sys4(__NR_rt_sigprocmask, 2, &mask, 0, 8);

  u64 len = (u64)(vk_text_end - vk_text_start);
  u64 stack = VK_WIN - 0x100000;
  /* Take the place of whatever the host has there (its stack or vdso may be near): a fresh stack first, then text.
     The exec's own stack could be in the way only with address space randomisation off; it is not used after this. */
  if (sys6(__NR_mmap, (long)stack, 0x10000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
           -1, 0) != (long)stack) {
    stack = 0x20000000;
    if (sys6(__NR_mmap, (long)stack, 0x10000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
             -1, 0) != (long)stack)
      die(4);
  }
  /* No C stack below this line but the new one. */
  register u64 a __asm__("rdi") = stack;
  register u64 b __asm__("rsi") = len;
  __asm__ volatile("lea 0x10000(%%rdi), %%rsp\n\txor %%ebp, %%ebp\n\tcall vk_copy" : : "r"(a), "r"(b) : "memory");
  __builtin_unreachable();
}

__attribute__((noreturn, used)) void vk_copy(u64 stack, u64 len) {
  if (sys6(__NR_mmap, VK_TEXT, VK_TEXT_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
      (long)VK_TEXT)
    die(5);
  for (u64 i = 0; i < len; i++) ((volatile char *)VK_TEXT)[i] = vk_text_start[i];
  if (sys3(__NR_mprotect, VK_TEXT, VK_TEXT_MAX, PROT_READ | PROT_EXEC) != 0) die(6);
  if (sys6(__NR_mmap, VK_GLOBAL, 0x1000, PROT_READ, MAP_SHARED | MAP_FIXED, VK_FD_CTL, VK_GLOBAL_OFF) != (long)VK_GLOBAL)
    die(7);
  if (sys6(__NR_mmap, VK_CMD, VK_CMD_BYTES, PROT_READ, MAP_SHARED | MAP_FIXED, VK_FD_CTL, VK_CMD_OFF) != (long)VK_CMD)
    die(8);
  void (*go)(u64, u64) = (void (*)(u64, u64))HIGH(high);
  go(stack, 0x10000);
  __builtin_unreachable();
}

__asm__(".text\n.globl _start\n_start:\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall vk_main\n\tud2\n");
