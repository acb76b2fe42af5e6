/**
 * Patched system call sites: code generation. The kernel's VM carries a plan out in a private copy of the text page.
 *
 * The instruction that loads the call number (the anchor) becomes a jump to a trampoline, which does what stood
 * between the anchor and the `syscall`, puts the return address into rcx and enters the stub. Nothing else changes:
 * the `syscall` and what precedes it stay valid for code that jumps there and for restarted calls (rip - 2), so only
 * the anchor's own bytes are replaced, which no sane code jumps into the middle of.
 *
 * An anchor with an immediate must load the very number that was trapped; with that, taking the tail of some longer
 * instruction for it is out of the question but for a REX prefix, which is excluded.
 */
import type { CallSitePatch, CallSitePatcher } from '../machine.js';
import { Vk } from './layout.js';

const SLOT = 64;
/** Longest piece of code that moves to a trampoline. */
const MOVED_MAX = 36;

/** Length of a harmless instruction at `i`, 0 when it is none of the known: moves and clears of registers. */
function plainInsn(b: Uint8Array, i: number): number {
  let n = 0;
  if ((b[i] & 0xf0) === 0x40) n = 1; // REX
  const op = b[i + n];
  const modrm = b[i + n + 1];
  if (op >= 0xb8 && op <= 0xbf) return n === 1 && (b[i] & 8) !== 0 ? n + 9 : n + 5; // mov imm, reg
  if (op === 0xc7 && (modrm & 0xf8) === 0xc0) return n + 6; // mov simm32, reg
  if ((op === 0x89 || op === 0x8b || op === 0x31 || op === 0x33) && modrm >= 0xc0) return n + 2;
  if (op === 0x8b || op === 0x8d) {
    // From the stack: mov or lea disp(%rsp), reg
    if ((modrm & 0xc7) === 0x44 && b[i + n + 2] === 0x24) return n + 4;
    if ((modrm & 0xc7) === 0x84 && b[i + n + 2] === 0x24) return n + 7;
    if ((modrm & 0xc7) === 0x04 && b[i + n + 2] === 0x24) return n + 3;
    // mov or lea disp8(%rbp), reg
    if ((modrm & 0xc7) === 0x45) return n + 3;
  }
  return 0;
}

/** True when plain instructions fill b[from..to) exactly. */
function plainRun(b: Uint8Array, from: number, to: number): boolean {
  let i = from;
  while (i < to) {
    const n = plainInsn(b, i);
    if (n === 0) return false;
    i += n;
  }
  return i === to;
}

const rd32 = (b: Uint8Array, i: number): number => (b[i] | (b[i + 1] << 8) | (b[i + 2] << 16) | (b[i + 3] << 24)) >>> 0;

/** Bytes from the anchor's start to its end when one starts at `i`, else 0. */
function anchor(b: Uint8Array, i: number, nr: number): number {
  const before = i > 0 ? b[i - 1] : 0;
  const end = b.length;
  if (b[i] === 0xb8 && i + 5 <= end && rd32(b, i + 1) === nr && (before & 0xf0) !== 0x40) return 5;
  if (b[i] === 0x48 && b[i + 1] === 0xc7 && b[i + 2] === 0xc0 && i + 7 <= end && rd32(b, i + 3) === nr) return 7;
  // Go's Syscall and RawSyscall: the number is an argument on the stack. Only directly before the call.
  if (b[i] === 0x48 && b[i + 1] === 0x8b && b[i + 2] === 0x44 && b[i + 3] === 0x24 && i + 5 === end) return 5;
  if (b[i] === 0x48 && b[i + 1] === 0x8b && b[i + 2] === 0x84 && b[i + 3] === 0x24 && i + 8 === end) return 8;
  return 0;
}

function put32(out: number[], v: number): void {
  out.push(v & 255, (v >> 8) & 255, (v >> 16) & 255, (v >>> 24) & 255);
}
function put64(out: number[], v: number): void {
  put32(out, (v % 0x1_0000_0000) | 0);
  put32(out, Math.floor(v / 0x1_0000_0000));
}

export const hostPatcher: CallSitePatcher = {
  slotBytes: SLOT,
  beforeBytes: MOVED_MAX,
  plan(before: Uint8Array, nr: number, siteVa: number, trampVa: number): CallSitePatch | null {
    const end = before.length;
    // The anchor nearest to the call is the one that counts.
    for (let i = end - 5; i >= 0 && end - i <= MOVED_MAX; i--) {
      const n = anchor(before, i, nr);
      if (n === 0 || !plainRun(before, i + n, end)) continue;
      const at = siteVa - (end - i);
      const rel = trampVa - (at + 5);
      if (rel < -0x8000_0000 || rel > 0x7fff_ffff) return null;
      const bytes = [0xe9];
      put32(bytes, rel | 0);
      if (n === 7) bytes.push(0x66, 0x90);
      if (n === 8) bytes.push(0x0f, 0x1f, 0x00);
      const t = Array.from(before.subarray(i, end));
      t.push(0x48, 0xb9); // movabs $(after the syscall), %rcx
      put64(t, siteVa + 2);
      t.push(0x49, 0xbb); // movabs $entry, %r11
      put64(t, Vk.ENTRY);
      t.push(0x41, 0xff, 0xe3); // jmp *%r11
      if (t.length > SLOT) return null;
      return { at, bytes: Uint8Array.from(bytes), trampoline: Uint8Array.from(t) };
    }
    return null;
  },
};
