/**
 * Memory shared with the stubs: the TypeScript twin of native/stub/layout.h (a unit test compares the two). Offsets in
 * bytes. What guests can write (the slots) is read once and trusted for nothing.
 */
/* eslint-disable @typescript-eslint/no-duplicate-enum-values -- offsets of several structures */
export const enum Vk {
  WIN = 0x7fffffe00000,
  BLOCK = 0x200000,

  GLOBAL_OFF = 0x10000,
  G_SPIN = 64,
  G_XMASK = 72,

  REQ_OFF = 0x11000,
  R_SEQ = 0,
  R_NOPS = 8,
  R_DONE = 64,
  R_OPS = 128,
  OP_SIZE = 32,
  OP_MAX = 508,
  O_KIND = 0,
  O_ARG = 4,
  O_VA = 8,
  O_LEN = 16,
  O_OFF = 24,
  OP_MAP = 1,
  OP_UNMAP = 2,
  OP_PROTECT = 3,
  OP_CLONE = 4,

  CMD_OFF = 0x40000,
  CMD = 0x7fffffe40000,
  NCMD = 4096,
  C_CMD = 0,
  C_PARK = 4,
  C_PREEMPT = 8,
  C_WAKE = 12,
  C_STACK = 16,
  C_SLOT = 40,
  C_REUSE = 48,
  C_INIT = 52,
  C_SIZE = 64,

  HOW_REUSE = 3,
  HOW_MASK = 3,
  HOW_BASES = 4,

  SLOTS_OFF = 0x80000,
  SLOTS = 0x7fffffe80000,
  SLOTS_BYTES = 0x170000,
  S_FRAME = 0,
  S_STATE = 256,
  S_TRAP = 260,
  S_ASLEEP = 264,
  S_PID = 268,
  S_CMD = 272,
  S_FS = 280,
  S_GS = 288,
  S_FPU = 296,
  S_SELF = 304,
  S_UCONTEXT = 512,
  S_STACK = 1024,

  TRAP_FULL = 0x100,
  SIG_PREEMPT = 10,
  REUSE_PARKED = 0x7fffffe00014,
  NEWCALL = 0x7fffffe00034,
  ENTRY = 0x7fffffe00040,
}
