/**
 * Constants of the virtual memory system: the shape of the user address space and the flags of the mmap family.
 *
 * Facts: dragonfly-abi.md 4.5 and 5.2. Counterpart: sys/vm/vm_param.h, sys/sys/mman.h,
 * sys/cpu/x86_64/include/vmparam.h
 */
export { PAGE_SIZE, PAGE_SHIFT, PAGE_MASK } from '../machine/ram.js';
import { PAGE_MASK, PAGE_SIZE } from '../machine/ram.js';

export const VM_MIN_USER_ADDRESS = 0;
/** First address that is not the user's: 2 MiB below 2^47. */
export const VM_MAX_USER_ADDRESS = 0x7fffffe00000;
export const USRSTACK = VM_MAX_USER_ADDRESS;
/** The stack area below USRSTACK, grown on demand in steps of SGROWSIZ. */
export const MAXSSIZ = 512 * 1024 * 1024;
export const DFLSSIZ = 8 * 1024 * 1024;
export const SGROWSIZ = 128 * 1024;
export const DFLDSIZ = 128 * 1024 * 1024;
export const MAXDSIZ = 32 * 1024 * 1024 * 1024;
/** Large mappings are aligned to this (a page directory entry's reach). */
export const SEG_SIZE = 2 * 1024 * 1024;
/** Map entries of one address space; more is ENOMEM. Bounds the kernel's own memory, and the host's mappings. */
export const MAX_MAP_ENTRIES = 32768;
/**
 * Entries of all maps together, which are the kernel's own memory. A map may have MAP_ENTRIES_FREE of them whatever the
 * others have, so that only who has very many is refused.
 */
export const MAX_ALL_MAP_ENTRIES = 500_000;
export const MAP_ENTRIES_FREE = 1024;

export const MAP_SHARED = 0x1;
export const MAP_PRIVATE = 0x2;
export const MAP_FIXED = 0x10;
export const MAP_STACK = 0x400;
export const MAP_NOSYNC = 0x800;
export const MAP_ANON = 0x1000;
export const MAP_VPAGETABLE = 0x2000;
export const MAP_TRYFIXED = 0x10000;
export const MAP_NOCORE = 0x20000;
export const MAP_SIZEALIGN = 0x40000;
export const MAP_32BIT = 0x80000;

export const MADV_NORMAL = 0;
export const MADV_RANDOM = 1;
export const MADV_SEQUENTIAL = 2;
export const MADV_WILLNEED = 3;
export const MADV_DONTNEED = 4;
export const MADV_FREE = 5;
export const MADV_NOSYNC = 6;
export const MADV_AUTOSYNC = 7;
export const MADV_NOCORE = 8;
export const MADV_CORE = 9;
export const MADV_INVAL = 10;
export const MADV_SETMAP = 11;
export const MADV_CONTROL_END = 11;

export const MS_SYNC = 0;
export const MS_ASYNC = 1;
export const MS_INVALIDATE = 2;

export const MCL_CURRENT = 1;
export const MCL_FUTURE = 2;

export const MINCORE_INCORE = 0x1;
export const MINCORE_REFERENCED = 0x2;
export const MINCORE_MODIFIED = 0x4;

/** How fork treats an entry (minherit). */
export const enum Inherit {
  SHARE = 0,
  COPY = 1,
  NONE = 2,
}

/** RLIMIT_* that the VM looks at. */
export const RLIMIT_DATA = 2;
export const RLIMIT_STACK = 3;
export const RLIMIT_MEMLOCK = 6;
export const RLIMIT_VMEM = 10;

/** Down and up to a page boundary; plain arithmetic, because addresses go past 32 bits. */
export const truncPage = (a: number): number => a - (a & PAGE_MASK);
export const roundPage = (a: number): number => truncPage(a + PAGE_SIZE - 1);
