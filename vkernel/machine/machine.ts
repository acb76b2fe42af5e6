/**
 * Machine: the one door between the kernel and the outside. Everything that is not deterministic enters here: clock,
 * entropy, traps of guest threads, disk completions, console input, host files.
 *
 * Two machines implement it: `host/` (the native addon: guests are stub processes) and `sim/` (virtual clock, guests
 * are scripts; same seed, same run). The kernel imports only this file and `ram.ts`.
 *
 * Shape of a run: the kernel attaches its handlers; the machine calls them one at a time, never nested. After each
 * round of events it calls `dispatch()`, in which the kernel runs its LWKT threads until none is runnable, and then
 * waits for the next event or for `nextTimerNs()`.
 */
import type { Errno } from '../sys/errno.js';
import type { GuestRam } from './ram.js';

/** Why a guest thread is in the kernel. */
export const enum Trap {
  /** Fresh thread: the frame is to be filled in before the first resume. Full frame. */
  NEW = 0,
  /** System call; number in rax, arguments in rdi rsi rdx r10 r8 r9; rip is after the instruction. */
  SYSCALL = 1,
  /** Page fault: frame.addr is the address, frame.err the page-fault error bits (1 present, 2 write, 16 fetch). */
  FAULT = 2,
  /** Any other exception; frame.trapno is DragonFly's T_* number (see TrapNo). */
  EXCEPTION = 3,
  /** Answer to preempt(), or to resume(RETRAP): nothing happened, the frame is full. */
  PREEMPT = 4,
  /** The host thread is gone or broke the protocol: the guest process cannot go on. */
  DEAD = 5,
}

/** Trap numbers of EXCEPTION traps, DragonFly's (machine/trap.h). */
export const enum TrapNo {
  PRIVINFLT = 1,
  BPTFLT = 3,
  ARITHTRAP = 6,
  PROTFLT = 9,
  TRCTRAP = 10,
  PAGEFLT = 12,
  ALIGNFLT = 14,
  DIVIDE = 18,
  OFLOW = 20,
  BOUND = 21,
  STKFLT = 27,
  XMMFLT = 29,
}

/**
 * Registers of a trapped guest thread, 25 u64 in DragonFly's `struct trapframe` order (dragonfly-abi.md 3.3), in
 * memory that hostile siblings may write: read each value once and trust none.
 */
export const enum Reg {
  RDI = 0,
  RSI = 1,
  RDX = 2,
  RCX = 3,
  R8 = 4,
  R9 = 5,
  RAX = 6,
  RBX = 7,
  RBP = 8,
  R10 = 9,
  R11 = 10,
  R12 = 11,
  R13 = 12,
  R14 = 13,
  R15 = 14,
  XFLAGS = 15,
  TRAPNO = 16,
  ADDR = 17,
  FLAGS = 18,
  ERR = 19,
  RIP = 20,
  CS = 21,
  RFLAGS = 22,
  RSP = 23,
  SS = 24,
  COUNT = 25,
}

/** How `resume` lets a guest thread go on. */
export const enum Resume {
  /** Back to guest code with the frame's registers (a full frame: all of them; else rax, rdx and carry only). */
  RUN = 0,
  /** As RUN, but trap again at once, before any guest instruction, with a full frame: arrives as Trap.PREEMPT. */
  RETRAP = 1,
  /** Undo a system call that came without a full frame: it arrives again as Trap.SYSCALL with `full` set. */
  REISSUE = 2,
}

/** Protections, as DragonFly's PROT_*. */
export const enum Prot {
  NONE = 0,
  READ = 1,
  WRITE = 2,
  EXEC = 4,
}

/**
 * One guest thread (lwp) of a vmspace: a host thread that is either running guest code, or stopped in the stub with
 * its registers in shared memory.
 */
export interface MachLwp {
  /** Small integer, unique among live threads of the machine. */
  readonly id: number;
  readonly vmspace: MachVmspace;
  /** 25 registers as pairs of u32 (lo, hi); see Reg. Valid while stopped. */
  readonly frame: Uint32Array;
  /** True when the frame holds every register and the FPU state; false after a trap by a patched call site. */
  readonly full: boolean;
  /**
   * XSAVE image in standard format while stopped with a full frame (at least 512 bytes FXSAVE + 64 header; AVX upper
   * halves at 576 when present). The kernel may overwrite it before resume.
   */
  readonly fpu: Uint8Array;
  /** FPU state valid in `fpu` of the given initial kind: fresh x87/SSE state (cw 0x37f, mxcsr 0x1f80). */
  fpuReset(): void;
  /** fs and gs bases; setting takes effect at the next resume. Reading is only valid while stopped. */
  fsBase: number;
  gsBase: number;
  /** True while guest code runs (or may run) in this thread. */
  readonly running: boolean;
  /**
   * Result of a system call that stopped without a full frame: rax (two halves), a second result in rdx (-1: rdx stays),
   * carry. Cheaper than writing them into the frame, which is right too as long as this is not used. Before resume().
   */
  result(lo: number, hi: number, rdx: number, carry: boolean): void;
  /** Let it run. Pending mapping operations of the vmspace are carried out first. Only while stopped. */
  resume(how: Resume): void;
  /** It will not be answered soon (the lwp sleeps): stop spinning for an answer. Only while stopped. */
  park(): void;
  /** Interrupt running guest code; a trap (any kind) arrives soon. No effect while stopped. */
  preempt(): void;
  /** Give the thread back (it must be stopped, or dead). The object must not be used again. */
  release(): void;
}

/** What to change for a fast system call site: `bytes` at address `at`, and `trampoline` in the trampoline slot. */
export interface CallSitePatch {
  at: number;
  bytes: Uint8Array;
  trampoline: Uint8Array;
}

/**
 * Code generation for patched system call sites. A patched site traps as Trap.SYSCALL with `full` false, several times
 * faster than the others. The kernel does the work: at a full SYSCALL trap it reads the bytes before the `syscall`,
 * asks for a plan, writes it into private copies of the text page and of a trampoline page (readable, executable,
 * within 2 GiB of the site), and maps both. Threads may go on with the old page meanwhile.
 */
export interface CallSitePatcher {
  /** Room each trampoline needs. */
  readonly slotBytes: number;
  /** How many bytes before the site are worth handing over. */
  readonly beforeBytes: number;
  /**
   * @param before   bytes of text that end where the `syscall` instruction starts (fewer near a page's start)
   * @param nr       call number that was trapped (rax)
   * @param siteVa   address of the `syscall` instruction
   * @param trampVa  address of the trampoline's slot
   * @returns        null when the code has no known shape
   */
  plan(before: Uint8Array, nr: number, siteVa: number, trampVa: number): CallSitePatch | null;
}

/**
 * An address space. Mapping operations queue up and are carried out, in order, at the next flush (or resume of one of
 * its threads). After flush() returns, an unmapped or write-protected page can no longer be used by the guest.
 *
 * The machine may drop mappings on its own (a host limits their number; protect() of a range that is only partly mapped
 * may unmap it): the guest then faults on a page the kernel believes mapped, and the kernel maps it again.
 */
export interface MachVmspace {
  readonly id: number;
  /** Lowest address that is the stub's, not the guest's. */
  readonly userTop: number;
  /** Lowest address that can be mapped (the host may keep the first pages for itself); absent: 0. */
  readonly userBottom?: number;
  /** Present when call sites may be patched in this address space. */
  readonly patcher?: CallSitePatcher | null;
  /** Map `npages` contiguous physical pages from page number `ppn` at address `va`, replacing what is there. */
  map(va: number, ppn: number, npages: number, prot: Prot): void;
  unmap(va: number, lenBytes: number): void;
  protect(va: number, lenBytes: number, prot: Prot): void;
  flush(): void;
  /** False when every operation queued so far has been carried out (flush would have nothing to do). */
  readonly unflushed?: boolean;
  /** Guest threads that may be running now. Without it the VM assumes that some are. */
  readonly nrunning?: number;
  /** A new guest thread, stopped with Trap.NEW pending in `trapOf` terms (no onTrap call is made for it), or EAGAIN. */
  newLwp(): MachLwp | Errno;
  /** Unmap everything and return the address space to the pool. All its threads must have been released. */
  release(): void;
}

/** A disk given by -r, -R or -c. */
export interface MachDisk {
  /** vkdN, or vcdN for -c */
  readonly name: string;
  readonly serno: string;
  /** A multiple of sectorBytes. */
  readonly sizeBytes: number;
  readonly readonly: boolean;
  /** What the guest sees as the sector: 512, or 2048 for -c. Transfers of the kernel's own may be of 512. */
  readonly sectorBytes?: number;
  /** Writes are kept in memory and lost at the end. */
  readonly cow?: boolean;
  /**
   * Start a transfer between the disk at byte offset `off` (multiple of 512) and guest RAM at physical byte address
   * `pa`. `onDiskDone(cookie, errno)` follows, with errno null for success.
   */
  submit(op: DiskOp, off: number, pa: number, lenBytes: number, cookie: number): void;
  /** As submit, but true when the transfer is done already, with success: no onDiskDone follows then. */
  submitNow?(op: DiskOp, off: number, pa: number, lenBytes: number, cookie: number): boolean;
}
export const enum DiskOp {
  READ = 0,
  WRITE = 1,
  FLUSH = 2,
}

/** The system console: the terminal of the vkernel command. */
export interface MachConsole {
  /** True when it is a terminal (else a pipe or file, and no echo or sizes apply). */
  readonly isatty: boolean;
  /** Queue bytes for output; never sleeps. */
  write(data: Uint8Array): void;
  size(): { rows: number; cols: number; xpixel: number; ypixel: number };
}

/** One of the caller's standard streams 0, 1, 2 as given to `vkernel run`. */
export interface MachStream {
  readonly kind: 'tty' | 'pipe' | 'file' | 'null' | 'closed';
  /** Bytes read (0 at end of file), EAGAIN when nothing is there (onStreamReady follows), or an errno. */
  read(buf: Uint8Array): number | Errno;
  /** Bytes written (may be short), EAGAIN when full (onStreamReady follows), EPIPE, or another errno. */
  write(buf: Uint8Array): number | Errno;
  /** Window size when `kind` is 'tty', else zeros. onConsoleResize() tells of changes. */
  size?(): { rows: number; cols: number; xpixel: number; ypixel: number };
}

/** Host file status, already in the guest's terms except for ids. */
export interface HostStat {
  dev: number;
  ino: number;
  /** Linux st_mode bits, which equal DragonFly's. */
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  size: number;
  blocks: number;
  atimeNs: bigint;
  mtimeNs: bigint;
  ctimeNs: bigint;
}
/** An open host file or directory. All operations are synchronous and return DragonFly errnos. */
export interface HostNode {
  stat(): HostStat | Errno;
  pread(buf: Uint8Array, off: number): number | Errno;
  pwrite(buf: Uint8Array, off: number): number | Errno;
  truncate(size: number): Errno | null;
  fsync(): Errno | null;
  close(): void;
}
export interface HostDir extends HostNode {
  list(): { name: string; ino: number; type: number }[] | Errno;
  /** Status of an entry, never following a symbolic link. */
  lstat(name: string): HostStat | Errno;
  openDir(name: string): HostDir | Errno;
  openFile(name: string, write: boolean): HostNode | Errno;
  createFile(name: string, mode: number): HostNode | Errno;
  readlink(name: string): string | Errno;
  mkdir(name: string, mode: number): Errno | null;
  symlink(name: string, target: string): Errno | null;
  link(name: string, toDir: HostDir, toName: string): Errno | null;
  unlink(name: string): Errno | null;
  rmdir(name: string): Errno | null;
  rename(name: string, toDir: HostDir, toName: string): Errno | null;
  chmod(name: string, mode: number): Errno | null;
  utimes(name: string, atimeNs: bigint, mtimeNs: bigint): Errno | null;
}

/** What the kernel does with events. Called one at a time, never nested, never from inside a Machine call. */
export interface MachineHandlers {
  /** `lwp` stopped with `trap`. Registers are in lwp.frame. */
  onTrap(lwp: MachLwp, trap: Trap): void;
  onDiskDone(cookie: number, error: Errno | null): void;
  /** Bytes of console input; none at all: the end of an input that is not a terminal. */
  onConsoleInput(data: Uint8Array): void;
  onConsoleResize(): void;
  /** Stream `index` (0, 1, 2) may be read (input) or written (output) again. */
  onStreamReady(index: number): void;
  /** The host asks for an orderly end: SIGTERM, SIGINT without a terminal, SIGHUP. */
  onShutdownRequest(signo: number): void;
  /** Run kernel threads until none is runnable (or ~5 ms have passed: then return true for "more to do"). */
  dispatch(): boolean;
  /** When the kernel wants dispatch() to run next, in ns of now(); Infinity when it has no timer. */
  nextTimerNs(): number;
}

export interface Machine {
  /** Virtual CPUs: how many guest threads may be running at a time. */
  readonly ncpus: number;
  readonly ram: GuestRam;
  readonly disks: readonly MachDisk[];
  readonly console: MachConsole;
  /** Present for `vkernel run`: the caller's standard streams. */
  readonly streams: readonly MachStream[] | null;
  /** Monotonic nanoseconds since the machine started. */
  now(): number;
  /** Wall clock at now() === 0, in ns since 1970 (exact integer as bigint). */
  readonly wallBaseNs: bigint;
  entropy(buf: Uint8Array): void;
  newVmspace(): MachVmspace | Errno;
  /** Open a host directory as the root of a hostfs mount (read-only unless `write`). */
  openHostDir(path: string, write: boolean): HostDir | Errno;
  /** Bytes of the base system's archive (ustar), and of other files shipped with the package. */
  readPackageFile(name: 'base.tar'): Uint8Array | Errno;
  /**
   * Run until `stop`. The host machine returns to Node's event loop between rounds; the promise resolves with the code
   * given to stop(), and rejects with whatever a handler throws.
   */
  run(handlers: MachineHandlers): Promise<StopCode>;
  /** End run() after the current handler returns. Guest threads are stopped and killed. */
  stop(code: StopCode): void;
}

/** How a run ended. */
export type StopCode =
  | { kind: 'halt' | 'reboot' | 'poweroff' }
  | { kind: 'exit'; status: number }
  /** `vkernel run`: the program could not be started. */
  | { kind: 'exec'; errno: Errno }
  | { kind: 'panic'; message: string };
