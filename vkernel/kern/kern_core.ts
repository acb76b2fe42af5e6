/**
 * Core dumps: the memory and registers of a process that a signal ends, as an ELF file.
 *
 * The layout is that of DragonFly's checkpoints (dragonfly-abi.md 3.8): ELF header, program headers, notes, the checkpoint
 * blocks (empty lists of vnodes and files here), and from the next page on the memory. Pages that were never touched are
 * holes in the file.
 *
 * Counterpart: sys/kern/imgact_elf.c (elf_coredump), kern_sig.c (coredump)
 */
import { Prot, Reg } from '../machine/machine.js';
import type { Blocking } from '../sys/blocking.js';
import { EFAULT, EINVAL, EPERM, Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import { vnLock, vnUnlock, type Vnode, Setattr, VType } from '../vfs/vnode.js';
import { vnOpen } from '../vfs/vfs_vnops.js';
import { uioKernel } from '../vm/uio.js';
import type { MapEntry } from '../vm/vm_map.js';
import { PAGE_SIZE } from '../vm/vm_param.js';
import { copyinB } from '../vm/vm_user.js';
import { type File, FWRITE, O_CREAT, O_NOFOLLOW } from './file.js';
import { fdrop } from './kern_descrip.js';
import { OSRELDATE } from './kern_mib.js';
import { tsleep } from './lwkt_thread.js';
import { type Lwp, P_SUGID, type Proc, ProcState } from './proc.js';
import { uschedRelease } from './usched.js';

const RLIMIT_CORE = 4;
const EHDR = 64;
const PHDR = 56;
const ET_CORE = 4;
const EM_X86_64 = 62;
const PT_LOAD = 1;
const PT_NOTE = 4;
const NT_PRSTATUS = 1;
const NT_FPREGSET = 2;
const NT_PRPSINFO = 3;
const PRSTATUS = 248;
const PRPSINFO = 120;
const FPREGSET = 512;
const GREGSET = 200;
const MAX_THREADS = 256;
const CKPT_VMINFO = 96;
const CKPT_SIGINFO = 4320;
const CKPT_FILEHDR = 40;
const CHUNK_PAGES = 16;
/** How long the other threads may take to stop. */
const STOP_NS = 1e9;

const put64 = (v: DataView, o: number, n: number): void => {
  v.setUint32(o, n % 0x1_0000_0000, true);
  v.setUint32(o + 4, n / 0x1_0000_0000, true);
};
const putStr = (b: Uint8Array, o: number, s: string, max: number): void => {
  for (let i = 0; i < s.length && i < max - 1; i++) b[o + i] = s.charCodeAt(i);
};

/** Entries that go into the file: memory that can be used, and is not an unchanged part of a file. */
const dumped = (e: MapEntry): boolean =>
  e.prot !== Prot.NONE && !e.nocore && (e.object === null || e.object.type === 'anon' || (e.prot & Prot.WRITE) !== 0);

/** Is there anything at `va` in `e`, or only zeros that nobody has touched? */
function hasPage(e: MapEntry, va: number): boolean {
  let pindex = (e.off + (va - e.start)) / PAGE_SIZE;
  for (let o = e.object; o !== null; o = o.backing) {
    if (o.pager !== null || gd.vm.pages.lookup(o.id, pindex) >= 0) return true;
    pindex += o.backingOff;
  }
  return false;
}

/** One note: name "CORE", its description padded to 4. */
function note(type: number, desc: Uint8Array): Uint8Array {
  const b = new Uint8Array(20 + Math.ceil(desc.length / 4) * 4);
  const v = new DataView(b.buffer);
  v.setUint32(0, 5, true);
  v.setUint32(4, desc.length, true);
  v.setUint32(8, type, true);
  putStr(b, 12, 'CORE', 5);
  b.set(desc, 20);
  return b;
}

function prstatus(l: Lwp, sig: number): Uint8Array {
  const b = new Uint8Array(PRSTATUS);
  const v = new DataView(b.buffer);
  v.setInt32(0, 1, true);
  put64(v, 8, PRSTATUS);
  put64(v, 16, GREGSET);
  put64(v, 24, FPREGSET);
  v.setInt32(32, OSRELDATE, true);
  v.setInt32(36, sig, true);
  v.setInt32(40, l.tid, true);
  b.set(new Uint8Array(l.mach.frame.slice(0, GREGSET / 4).buffer), 48);
  return b;
}

/** Registers in the order of Linux's struct user_regs_struct, which gdb expects of an x86-64 core; -1: not in the frame. */
const LINUX_REGS = [
  Reg.R15,
  Reg.R14,
  Reg.R13,
  Reg.R12,
  Reg.RBP,
  Reg.RBX,
  Reg.R11,
  Reg.R10,
  Reg.R9,
  Reg.R8,
  Reg.RAX,
  Reg.RCX,
  Reg.RDX,
  Reg.RSI,
  Reg.RDI,
  -1,
  Reg.RIP,
  Reg.CS,
  Reg.RFLAGS,
  Reg.RSP,
  Reg.SS,
];
const LINUX_PRSTATUS = 336;

/** The same thread for debuggers that know only Linux's x86-64 cores: they skip the notes above by their size. */
function linuxPrstatus(l: Lwp, sig: number): Uint8Array {
  const b = new Uint8Array(LINUX_PRSTATUS);
  const v = new DataView(b.buffer);
  v.setInt32(0, sig, true);
  v.setUint16(12, sig, true);
  v.setInt32(32, l.proc.pid * 1000 + l.tid, true);
  const f = l.mach.frame;
  LINUX_REGS.forEach((r, i) => {
    if (r < 0) return;
    v.setUint32(112 + i * 8, f[r * 2], true);
    v.setUint32(116 + i * 8, f[r * 2 + 1], true);
  });
  put64(v, 112 + 21 * 8, l.mach.fsBase);
  put64(v, 112 + 22 * 8, l.mach.gsBase);
  return b;
}

function prpsinfo(p: Proc): Uint8Array {
  const b = new Uint8Array(PRPSINFO);
  const v = new DataView(b.buffer);
  v.setInt32(0, 1, true);
  put64(v, 8, PRPSINFO);
  putStr(b, 16, p.comm, 17);
  putStr(
    b,
    33,
    String.fromCharCode(...p.args.subarray(0, 80))
      .replace(/\0$/, '')
      .replace(/\0/g, ' '),
    81,
  );
  return b;
}

function notes(lwp: Lwp, sig: number): Uint8Array {
  const p = lwp.proc;
  const all = [lwp, ...[...p.lwps.values()].filter((l) => l !== lwp)].slice(0, MAX_THREADS);
  const parts = [note(NT_PRPSINFO, prpsinfo(p))];
  for (const l of all) {
    parts.push(note(NT_PRSTATUS, prstatus(l, l === lwp ? sig : 0)));
    parts.push(note(NT_FPREGSET, l.mach.fpu.slice(0, FPREGSET)));
  }
  for (const l of all) {
    parts.push(note(NT_PRSTATUS, linuxPrstatus(l, l === lwp ? sig : 0)));
    parts.push(note(NT_FPREGSET, l.mach.fpu.slice(0, FPREGSET)));
  }
  return concat(parts);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const b = new Uint8Array(parts.reduce((n, x) => n + x.length, 0));
  let o = 0;
  for (const x of parts) {
    b.set(x, o);
    o += x.length;
  }
  return b;
}

/** What follows the notes in a checkpoint; a core file has neither vnodes nor files to restore. */
function ckptBlocks(p: Proc): Uint8Array {
  const b = new Uint8Array(CKPT_VMINFO + 4 + CKPT_SIGINFO + CKPT_FILEHDR);
  const v = new DataView(b.buffer);
  put64(v, 0, p.vm.dataSize / PAGE_SIZE);
  put64(v, 8, Math.ceil(p.vm.textSize / PAGE_SIZE));
  put64(v, 48, p.vm.dataAddr);
  put64(v, 56, p.vm.textAddr);
  v.setInt32(CKPT_VMINFO + 4, CKPT_SIGINFO, true);
  return b;
}

/** Headers, notes and blocks: all before the memory, padded to a page. */
function head(lwp: Lwp, sig: number, segments: readonly MapEntry[]): Uint8Array {
  const n = notes(lwp, sig);
  const blocks = ckptBlocks(lwp.proc);
  const noteOff = EHDR + PHDR * (1 + segments.length);
  const size = Math.ceil((noteOff + n.length + blocks.length) / PAGE_SIZE) * PAGE_SIZE;
  const b = new Uint8Array(size);
  const v = new DataView(b.buffer);
  b.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  v.setUint16(16, ET_CORE, true);
  v.setUint16(18, EM_X86_64, true);
  v.setUint32(20, 1, true);
  put64(v, 32, EHDR);
  v.setUint16(52, EHDR, true);
  v.setUint16(54, PHDR, true);
  v.setUint16(56, 1 + segments.length, true);
  v.setUint16(58, 64, true);
  v.setUint32(EHDR, PT_NOTE, true);
  put64(v, EHDR + 8, noteOff);
  put64(v, EHDR + 32, n.length);
  let off = size;
  segments.forEach((e, i) => {
    const o = EHDR + PHDR * (1 + i);
    v.setUint32(o, PT_LOAD, true);
    const flags = ((e.prot & Prot.READ) !== 0 ? 4 : 0) | ((e.prot & Prot.WRITE) !== 0 ? 2 : 0);
    v.setUint32(o + 4, flags | ((e.prot & Prot.EXEC) !== 0 ? 1 : 0), true);
    put64(v, o + 8, off);
    put64(v, o + 16, e.start);
    put64(v, o + 32, e.end - e.start);
    put64(v, o + 40, e.end - e.start);
    put64(v, o + 48, PAGE_SIZE);
    off += e.end - e.start;
  });
  b.set(n, noteOff);
  b.set(blocks, noteOff + n.length);
  return b;
}

/** Stop the other threads, so that memory and registers belong together. */
function* quiesce(lwp: Lwp): Blocking<void> {
  const p = lwp.proc;
  const until = gd.machine.now() + STOP_NS;
  for (;;) {
    p.state = ProcState.STOP;
    let running = false;
    for (const l of p.lwps.values()) {
      if (l === lwp) continue;
      l.ast = true;
      if (!l.mach.running) continue;
      running = true;
      l.mach.preempt();
    }
    if (!running || gd.machine.now() > until) return;
    yield* tsleep(p.waitq, 'core', 0, 1e6);
  }
}

/** Name by kern.corefile: %N the program, %P the process id, %U the user id. */
function coreName(p: Proc): string {
  return gd.mib.corefile.replace(/%(.)/g, (whole, c: string) =>
    c === 'N' ? p.comm : c === 'P' ? String(p.pid) : c === 'U' ? String(p.cred.uid) : c === '%' ? '%' : whole,
  );
}

/** May it be written over? A plain file of the user's own, with one name. */
const fileOk = (p: Proc, vp: Vnode): boolean =>
  vp.type === VType.VREG && vp.va.nlink === 1 && (p.cred.uid === 0 || vp.va.uid === p.cred.uid);

function* write(fp: File, buf: Uint8Array, off: number): Blocking<Errno | null> {
  const vp = fp.data as Vnode;
  return yield* vp.ops.write(vp, uioKernel(buf, 'write', off), 0, fp.cred);
}

function* writeSegment(p: Proc, fp: File, e: MapEntry, at: number): Blocking<Errno | null> {
  const buf = new Uint8Array(CHUNK_PAGES * PAGE_SIZE);
  for (let va = e.start; va < e.end;) {
    if (!hasPage(e, va)) {
      va += PAGE_SIZE;
      continue;
    }
    let n = PAGE_SIZE;
    while (n < buf.length && va + n < e.end && hasPage(e, va + n)) n += PAGE_SIZE;
    const part = buf.subarray(0, n);
    // A page beyond the end of its file cannot be read: it stays a hole.
    const r = yield* copyinB(p.vm, va, part, 0, n);
    const error = r === null ? yield* write(fp, part, at + (va - e.start)) : null;
    if (error !== null) return error;
    va += n;
  }
  return null;
}

/**
 * Write the core file of lwp's process, which is about to end by `sig`.
 * @returns null when there is one now; EPERM, EFAULT (over RLIMIT_CORE), EINVAL (no place for it), an errno of writing
 */
export function* coredump(lwp: Lwp, sig: number): Blocking<Errno | null> {
  const p = lwp.proc;
  const limit = p.limits.cur[RLIMIT_CORE];
  if (gd.mib.coredump === 0 || (p.flags & P_SUGID) !== 0) return EPERM;
  if (limit === 0) return EFAULT;
  uschedRelease(lwp);
  yield* quiesce(lwp);
  try {
    const segments = p.vm.map.entries.filter(dumped);
    const first = head(lwp, sig, segments);
    const total = segments.reduce((n, e) => n + (e.end - e.start), first.length);
    if (total > limit) return EFAULT;
    const fp = yield* vnOpen(lwp, p.fd.cwd, coreName(p), FWRITE | O_CREAT | O_NOFOLLOW, 0o600);
    if (fp instanceof Errno) return fp;
    try {
      const vp = fp.data as Vnode;
      if (!fileOk(p, vp)) return EINVAL;
      return yield* writeAll(p, fp, vp, first, segments, total);
    } finally {
      yield* fdrop(fp);
    }
  } finally {
    p.state = ProcState.ACTIVE;
  }
}

function* writeAll(
  p: Proc,
  fp: File,
  vp: Vnode,
  first: Uint8Array,
  segments: readonly MapEntry[],
  total: number,
): Blocking<Errno | null> {
  yield* vnLock(vp, true);
  try {
    const sa = new Setattr();
    sa.size = 0;
    let e = (yield* vp.ops.setattr(vp, sa)) ?? (yield* write(fp, first, 0));
    let at = first.length;
    for (const s of segments) {
      e ??= yield* writeSegment(p, fp, s, at);
      at += s.end - s.start;
    }
    // Holes at the end count too.
    sa.size = total;
    return e ?? (yield* vp.ops.setattr(vp, sa));
  } finally {
    vnUnlock(vp, true);
  }
}
