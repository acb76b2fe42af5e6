/**
 * ELF images: recognising them and their layout (dragonfly-abi.md 5.1, 5.2).
 *
 * Pure parsing of the first page; kern_exec.ts maps what comes out. Input is hostile: everything is checked here.
 *
 * Counterpart: sys/kern/imgact_elf.c
 */
import { ENOEXEC, Errno } from '../sys/errno.js';

export const PF_X = 1;
export const PF_W = 2;
export const PF_R = 4;
const PT_LOAD = 1;
const PT_INTERP = 3;
const PT_NOTE = 4;
const PT_PHDR = 6;
const ET_EXEC = 2;
const ET_DYN = 3;
const EM_X86_64 = 62;
const EHDR_SIZE = 64;
const PHDR_SIZE = 56;

export interface Segment {
  vaddr: number;
  off: number;
  filesz: number;
  memsz: number;
  /** PF_* */
  flags: number;
}

export interface ElfImage {
  entry: number;
  segments: Segment[];
  /** Path of the run-time linker; null for static programs. */
  interp: string | null;
  phoff: number;
  phnum: number;
  /** Address of the program headers in memory, before relocation; 0 when they are not mapped. */
  phdrVa: number;
  /** ET_DYN: all addresses are relative to a load address. */
  dyn: boolean;
}

const u64 = (v: DataView, o: number): number => v.getUint32(o + 4, true) * 0x1_0000_0000 + v.getUint32(o, true);

/** Does `page` start like an ELF file? */
export const isElf = (page: Uint8Array): boolean =>
  page.length >= EHDR_SIZE && page[0] === 0x7f && page[1] === 0x45 && page[2] === 0x4c && page[3] === 0x46;

/** Name of an ELF file's brand when it cannot be ours: only OSABI 0 or DragonFly's mark run here. */
function brandOk(page: Uint8Array): boolean {
  const mark = 'DragonFly';
  let marked = true;
  for (let i = 0; i < mark.length && i < 8; i++) if (page[8 + i] !== mark.charCodeAt(i)) marked = false;
  return page[7] === 0 || marked;
}

/**
 * Parse the headers in the first page of a file of `fileSize` bytes.
 * @param userTop first address above the user's range
 * @returns ENOEXEC for anything that is not a program for this machine
 */
export function parseElf(page: Uint8Array, fileSize: number, userTop: number): ElfImage | Errno {
  if (!isElf(page)) return ENOEXEC;
  const v = new DataView(page.buffer, page.byteOffset, page.length);
  if (page[4] !== 2 || page[5] !== 1 || page[6] !== 1) return ENOEXEC;
  const type = v.getUint16(16, true);
  if ((type !== ET_EXEC && type !== ET_DYN) || v.getUint16(18, true) !== EM_X86_64) return ENOEXEC;
  if (v.getUint16(52, true) !== EHDR_SIZE || v.getUint16(54, true) !== PHDR_SIZE) return ENOEXEC;
  if (!brandOk(page)) return ENOEXEC;
  const phoff = u64(v, 32);
  const phnum = v.getUint16(56, true);
  if (phnum === 0 || phoff + phnum * PHDR_SIZE > Math.min(page.length, 4096)) return ENOEXEC;
  const img: ElfImage = {
    entry: u64(v, 24),
    segments: [],
    interp: null,
    phoff,
    phnum,
    phdrVa: 0,
    dyn: type === ET_DYN,
  };
  for (let i = 0; i < phnum; i++) {
    const at = phoff + i * PHDR_SIZE;
    const seg: Segment = {
      flags: v.getUint32(at + 4, true),
      off: u64(v, at + 8),
      vaddr: u64(v, at + 16),
      filesz: u64(v, at + 32),
      memsz: u64(v, at + 40),
    };
    const e = addHeader(img, page, v.getUint32(at, true), seg, fileSize, userTop);
    if (e !== null) return e;
  }
  if (img.segments.length === 0) return ENOEXEC;
  img.segments.sort((a, b) => a.vaddr - b.vaddr);
  if (img.phdrVa === 0) {
    const first = img.segments.find((s) => s.off === 0 && s.filesz >= phoff + phnum * PHDR_SIZE);
    if (first !== undefined) img.phdrVa = first.vaddr + phoff;
  }
  return img;
}

function addHeader(
  img: ElfImage,
  page: Uint8Array,
  type: number,
  s: Segment,
  fileSize: number,
  userTop: number,
): Errno | null {
  switch (type) {
    case PT_LOAD:
      if (s.memsz === 0) return null;
      if (s.filesz > s.memsz || s.off + s.filesz > fileSize) return ENOEXEC;
      if (s.vaddr + s.memsz > userTop || s.off % 4096 !== s.vaddr % 4096) return ENOEXEC;
      img.segments.push(s);
      return null;
    case PT_INTERP:
      if (img.interp !== null) return null;
      if (s.off + s.filesz > page.length || s.filesz < 2 || s.filesz > 1024) return ENOEXEC;
      img.interp = String.fromCharCode(...page.subarray(s.off, s.off + s.filesz - 1));
      return null;
    case PT_PHDR:
      img.phdrVa = s.vaddr;
      return null;
    case PT_NOTE:
      return checkNotes(page, s);
    default:
      return null;
  }
}

/** A note that names another system's ABI (GNU with an OS word other than ours, NetBSD ...) is refused. */
function checkNotes(page: Uint8Array, s: Segment): Errno | null {
  if (s.off + s.filesz > page.length || s.filesz > 4096) return null;
  const v = new DataView(page.buffer, page.byteOffset, page.length);
  let o = s.off;
  const end = s.off + s.filesz;
  while (o + 12 <= end) {
    const namesz = v.getUint32(o, true);
    const descsz = v.getUint32(o + 4, true);
    const type = v.getUint32(o + 8, true);
    const nameAt = o + 12;
    const descAt = nameAt + ((namesz + 3) & ~3);
    if (namesz > 64 || descAt + descsz > end) return null;
    const name = String.fromCharCode(...page.subarray(nameAt, nameAt + Math.max(0, namesz - 1)));
    // A Linux program (GNU ABI note, type 1) would crash at once here: say so instead.
    if (name === 'GNU' && type === 1) return ENOEXEC;
    o = descAt + ((descsz + 3) & ~3);
  }
  return null;
}
