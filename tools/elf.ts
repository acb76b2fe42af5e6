/**
 * Why a program cannot be run: a look at its ELF headers, for the message only. The guest's kernel has already refused it.
 */
import { closeSync, openSync, readSync } from 'node:fs';

const EM_X86_64 = 62;
const PT_INTERP = 3;
const PT_NOTE = 4;

/** One line on what is wrong with `path`, or null when nothing in its first page tells. */
export function whyNotExec(path: string): string | null {
  const page = Buffer.alloc(4096);
  let len: number;
  try {
    const fd = openSync(path, 'r');
    len = readSync(fd, page, 0, page.length, 0);
    closeSync(fd);
  } catch {
    return null;
  }
  if (page.toString('latin1', 0, 2) === '#!') return 'its #! interpreter is not in the guest';
  if (len < 64 || page.readUInt32BE(0) !== 0x7f454c46) return 'neither an ELF program nor a #! script';
  if (page[4] !== 2 || page[5] !== 1 || page.readUInt16LE(18) !== EM_X86_64) return 'not an x86-64 program';
  const at = Number(page.readBigUInt64LE(32));
  const n = page.readUInt16LE(56);
  let interp = '';
  for (let i = 0; i < n && at + (i + 1) * 56 <= len; i++) {
    const ph = at + i * 56;
    const type = page.readUInt32LE(ph);
    const off = Number(page.readBigUInt64LE(ph + 8));
    const size = Number(page.readBigUInt64LE(ph + 32));
    if (off + size > len) continue;
    const text = page.toString('latin1', off, off + size);
    if (type === PT_INTERP) interp = text.replace(/\0.*$/s, '');
    // eslint-disable-next-line no-control-regex
    if (type === PT_NOTE && /\x04\0\0\0.{4}\x01\0\0\0GNU\0/s.test(text)) return 'a Linux program, not a DragonFly one';
  }
  return interp === '' ? null : `needs ${interp}, which is not there`;
}
