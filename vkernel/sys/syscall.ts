/**
 * How a system call is declared and implemented.
 *
 * The table itself (number, name, argument kinds, result: dragonfly-abi.md section 2) is kern/syscalls.ts. Rooms
 * implement calls by name and hand their tables up: `SyscallImpls`. Dispatch, tracing and documentation come from the
 * same rows.
 *
 * Arguments arrive in `lwp.args` already cut to their declared kinds: i32, u32 and u16 from the low bits; i64, u64 and
 * ptr as numbers (from 2^53 up imprecise: every user range check refuses those; i64 -1 is exactly -1).
 */
import type { Blocking } from './blocking.js';
import type { Errno } from './errno.js';
import type { Lwp } from '../kern/proc.js';

/** Returns the result (rax; negative numbers are stored as u32, spec section 1), an errno, or NOTNOW to go on in `block`. */
export type SysTry = (lwp: Lwp, a: Float64Array) => number | Errno;
export type SysBlock = (lwp: Lwp, a: Float64Array) => Blocking<number | Errno>;

export interface SyscallImpl {
  /** Synchronous attempt, without side effects when it answers NOTNOW. Most calls need only this. */
  readonly try?: SysTry;
  /** May sleep. Runs on the lwp's LWKT thread. Needed when `try` is absent or may answer NOTNOW. */
  readonly block?: SysBlock;
  /** Needs every register and the FPU state in the frame (fork, sigreturn, execve ...). */
  readonly full?: boolean;
  /** The call always fails, as DragonFly's does in the same case; why, for docs/abi.md. */
  readonly refused?: string;
}

export type SyscallImpls = Readonly<Record<string, SyscallImpl>>;
