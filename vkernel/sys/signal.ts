/**
 * Signals: numbers, default actions, sets (dragonfly-abi.md 4.2, 3.3).
 */
export const SIGHUP = 1;
export const SIGINT = 2;
export const SIGQUIT = 3;
export const SIGILL = 4;
export const SIGTRAP = 5;
export const SIGABRT = 6;
export const SIGFPE = 8;
export const SIGKILL = 9;
export const SIGBUS = 10;
export const SIGSEGV = 11;
export const SIGSYS = 12;
export const SIGPIPE = 13;
export const SIGALRM = 14;
export const SIGTERM = 15;
export const SIGURG = 16;
export const SIGSTOP = 17;
export const SIGTSTP = 18;
export const SIGCONT = 19;
export const SIGCHLD = 20;
export const SIGTTIN = 21;
export const SIGTTOU = 22;
export const SIGIO = 23;
export const SIGXCPU = 24;
export const SIGXFSZ = 25;
export const SIGVTALRM = 26;
export const SIGPROF = 27;
export const SIGWINCH = 28;
export const SIGINFO = 29;
export const SIGUSR1 = 30;
export const SIGUSR2 = 31;
export const SIGTHR = 32;
export const SIGCKPT = 33;
export const SIGCKPTEXIT = 34;
/** One past the last signal a set can hold. */
export const NSIG = 129;

export const SIG_DFL = 0;
export const SIG_IGN = 1;

export const SA_ONSTACK = 0x1;
export const SA_RESTART = 0x2;
export const SA_RESETHAND = 0x4;
export const SA_NOCLDSTOP = 0x8;
export const SA_NODEFER = 0x10;
export const SA_NOCLDWAIT = 0x20;
export const SA_SIGINFO = 0x40;

/** Names by number, without SIG, as sh and strace print them. */
export const sigNames: readonly string[] =
  '0 HUP INT QUIT ILL TRAP ABRT EMT FPE KILL BUS SEGV SYS PIPE ALRM TERM URG STOP TSTP CONT CHLD TTIN TTOU IO XCPU XFSZ VTALRM PROF WINCH INFO USR1 USR2 THR CKPT CKPTEXIT'.split(
    ' ',
  );

/** What happens to a process that has no handler. */
export const enum SigDefault {
  IGNORE,
  TERMINATE,
  CORE,
  STOP,
  TTYSTOP,
  CONTINUE,
}

/** Default action of `sig`. */
export function sigDefault(sig: number): SigDefault {
  switch (sig) {
    case SIGQUIT:
    case SIGILL:
    case SIGTRAP:
    case SIGABRT:
    case 7:
    case SIGFPE:
    case SIGBUS:
    case SIGSEGV:
    case SIGSYS:
      return SigDefault.CORE;
    case SIGSTOP:
      return SigDefault.STOP;
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
      return SigDefault.TTYSTOP;
    case SIGCONT:
      return SigDefault.CONTINUE;
    case SIGURG:
    case SIGCHLD:
    case SIGIO:
    case SIGWINCH:
    case SIGINFO:
    case SIGTHR:
    case SIGCKPT:
      return SigDefault.IGNORE;
    default:
      return sig >= 35 && sig <= 63 ? SigDefault.IGNORE : SigDefault.TERMINATE;
  }
}

export const sigismember = (set: Uint32Array, sig: number): boolean =>
  (set[(sig - 1) >> 5] & (1 << ((sig - 1) & 31))) !== 0;
export function sigaddset(set: Uint32Array, sig: number): void {
  set[(sig - 1) >> 5] |= 1 << ((sig - 1) & 31);
}
export function sigdelset(set: Uint32Array, sig: number): void {
  set[(sig - 1) >> 5] &= ~(1 << ((sig - 1) & 31));
}
/** KILL and STOP can never be masked. */
export function sigstrip(set: Uint32Array): void {
  set[0] &= ~((1 << (SIGKILL - 1)) | (1 << (SIGSTOP - 1)));
}
