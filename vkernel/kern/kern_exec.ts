/**
 * execve: a new program image in a process (dragonfly-abi.md 5, 7.3).
 *
 * Nothing of the old image is touched until the new one has been read, checked and its arguments collected. After
 * that a failure kills the process with SIGABRT.
 *
 * Counterpart: sys/kern/kern_exec.c
 */
import { Prot, Reg } from '../machine/machine.js';
import type { Blocking } from '../sys/blocking.js';
import { E2BIG, EBADF, EFAULT, EINTR, EJUSTRETURN, ENOENT, ENOEXEC, ENOMEM, Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import { SIGABRT, SIGCHLD, SIGTRAP, SIG_DFL, SIG_IGN } from '../sys/signal.js';
import type { SyscallImpls } from '../sys/syscall.js';
import { copyinB, copyinstrB, copyoutB } from '../vm/vm_user.js';
import { type VmObject, vmObjectAlloc, vmObjectDeref, vmObjectRef } from '../vm/vm_object.js';
import { FaultSet, vmLearn } from '../vm/vm_ahead.js';
import { vmPrefault } from '../vm/vm_fault.js';
import { vmMapInsert } from '../vm/vm_map.js';
import { vmPageAlloc } from '../vm/vm_page.js';
import { type Vmspace, vmspaceExec, vmspaceFree } from '../vm/vmspace.js';
import { MNT_NOSUID, mountFlags } from '../vfs/mount.js';
import { cacheDrop, cacheFullpath, cacheHold, type Namecache } from '../vfs/namecache.js';
import { execCheck, vnOpenExec, vnRead, vopGetattr } from '../vfs/vfs_vnops.js';
import { DTYPE_VNODE, FD_CLOEXEC, fdget, FREAD, FWRITE } from './file.js';
import { S_ISGID, S_ISUID, type Vnode, vref, vrele } from '../vfs/vnode.js';
import { type ElfImage, PF_R, PF_W, PF_X, isElf, parseElf } from './imgact_elf.js';
import { fdcloexec, fdunshare } from './kern_descrip.js';
import { singleThread } from './kern_exit.js';
import { ktraceRelease } from './kern_ktrace.js';
import { psignal, sigexit } from './kern_sig.js';
import { ARG_MAX, MAXSSIZ, OSRELDATE, USRSTACK } from './kern_mib.js';
import { wakeup } from './lwkt_thread.js';
import { type Lwp, P_PPWAIT, P_SUGID, P_TRACED, type Proc } from './proc.js';
import { SIGTRAMP_VA, sigcode } from './sendsig.js';

export const PS_STRINGS = USRSTACK - 32;
export const MAXDSIZ = 32 * 2 ** 30;
const PAGE = 4096;
/** Stack mapped at first; it grows in these steps. */
const SGROWSIZ = 128 * 1024;
/** Where position-independent programs go. */
const PIE_BASE = 0x1021000;
const MAX_INTERP = 128;
const RLIMIT_STACK = 3;

const enum At {
  PHDR = 3,
  PHENT = 4,
  PHNUM = 5,
  PAGESZ = 6,
  BASE = 7,
  FLAGS = 8,
  ENTRY = 9,
  EXECPATH = 15,
  OSRELDATE = 18,
}
const AUXV_ROOM = 24 * 16;

/** Arguments and environment as 'binary' strings. */
export interface ExecArgs {
  argv: string[];
  envv: string[];
}

/** A program file that passed the checks. */
interface Program {
  vp: Vnode;
  path: string;
  image: ElfImage;
  argv: string[];
  /** Set-id bits do not count. */
  nosuid: boolean;
  /** Path without a slash, for p_comm. */
  comm: string;
}

declare module '../sys/globaldata.js' {
  interface GlobalData {
    /** One page with the signal trampoline, mapped into every process; null until first used. */
    sigcodeObject: VmObject | null;
  }
}

const bytesOf = (s: string): Uint8Array<ArrayBuffer> => Uint8Array.from(s, (c) => c.charCodeAt(0) & 0xff);

/** Fetch a NULL-terminated vector of strings, counting their bytes in `total`. */
function* fetchVector(lwp: Lwp, va: number, out: string[], total: { n: number }): Blocking<Errno | null> {
  const word = new Uint8Array(8);
  const v = new DataView(word.buffer);
  for (let at = va; ; at += 8) {
    let e = yield* copyinB(lwp.proc.vm, at, word, 0, 8);
    if (e !== null) return e;
    const p = v.getUint32(4, true) * 0x1_0000_0000 + v.getUint32(0, true);
    if (p === 0) return null;
    const s = yield* copyinstrB(lwp.proc.vm, p, ARG_MAX + 1);
    e = typeof s === 'string' ? null : s === EFAULT ? EFAULT : E2BIG;
    if (e !== null) return e;
    total.n += (s as string).length + 1;
    if (total.n > ARG_MAX) return E2BIG;
    out.push(s as string);
  }
}

/** Find and check the program `path`; follows `#!` once. The vnode comes with a reference. */
function* openProgram(lwp: Lwp, path: string, argv: string[], depth: number): Blocking<Program | Errno> {
  const found = yield* vnOpenExec(lwp, path);
  return found instanceof Errno ? found : yield* loadProgram(lwp, found, path, argv, depth);
}

/** The same for a file that has been found and checked; takes over its vnode use and its name. */
function* loadProgram(
  lwp: Lwp,
  found: { vp: Vnode; ncp: Namecache },
  path: string,
  argv: string[],
  depth: number,
): Blocking<Program | Errno> {
  const p = lwp.proc;
  const { vp, ncp } = found;
  const first = new Uint8Array(PAGE);
  const got = yield* vnRead(vp, first, 0, p.cred);
  const full = cacheFullpath(ncp, p.fd.root);
  const nosuid = (mountFlags(ncp, vp) & MNT_NOSUID) !== 0;
  cacheDrop(ncp);
  if (got instanceof Errno) {
    vrele(vp);
    return got;
  }
  const page = first.subarray(0, got);
  if (page.length > 2 && page[0] === 0x23 && page[1] === 0x21) {
    vrele(vp);
    return depth > 0 ? ENOEXEC : yield* openScript(lwp, path, argv, page);
  }
  const image = isElf(page) ? parseElf(page, vp.va.size, USRSTACK) : ENOEXEC;
  if (image instanceof Errno || (image.interp === null && image.dyn && image.segments[0].vaddr !== 0)) {
    vrele(vp);
    return image instanceof Errno ? image : ENOEXEC;
  }
  const name = path.slice(path.lastIndexOf('/') + 1);
  return { vp, path: typeof full === 'string' ? full : path, image, argv, nosuid, comm: name.slice(0, 16) };
}

/** `#!interpreter words...`: all words of the line, then the script, then the caller's arguments but the first. */
function* openScript(lwp: Lwp, path: string, argv: string[], page: Uint8Array): Blocking<Program | Errno> {
  let end = page.indexOf(10);
  if (end < 0) return ENOEXEC;
  const hash = page.indexOf(0x23, 2);
  if (hash >= 0 && hash < end) end = hash;
  const words = String.fromCharCode(...page.subarray(2, end))
    .split(/[ \t]+/)
    .filter((w) => w !== '');
  if (words.length === 0 || words[0].length >= MAX_INTERP) return ENOEXEC;
  const prog = yield* openProgram(lwp, words[0], [...words, path, ...argv.slice(1)], 1);
  if (prog instanceof Errno) return prog;
  prog.comm = path.slice(path.lastIndexOf('/') + 1).slice(0, 16);
  return prog;
}

const protOf = (flags: number): Prot =>
  ((flags & PF_R) !== 0 ? Prot.READ : 0) |
  ((flags & PF_W) !== 0 ? Prot.WRITE : 0) |
  ((flags & PF_X) !== 0 ? Prot.EXEC : 0);

const RWX = Prot.READ | Prot.WRITE | Prot.EXEC;

/** Of each segment, so much is mapped at once if it is in memory. */
const PREFAULT = 512 * 1024;

/** Map the segments of `image` at `base`. */
function* mapImage(vm: Vmspace, vp: Vnode, image: ElfImage, base: number, known: boolean): Blocking<Errno | null> {
  const object = vp.ops.getObject(vp);
  if (object instanceof Errno) return ENOEXEC;
  for (const s of image.segments) {
    const start = base + s.vaddr - (s.vaddr % PAGE);
    const fileEnd = base + s.vaddr + s.filesz;
    const fileTop = Math.ceil(fileEnd / PAGE) * PAGE;
    const memTop = Math.ceil((base + s.vaddr + s.memsz) / PAGE) * PAGE;
    const prot = protOf(s.flags);
    if (fileTop > start && s.filesz > 0) {
      vmObjectRef(object);
      const e = vmMapInsert(vm.map, object, s.off - (s.off % PAGE), start, fileTop - start, prot, RWX, { cow: true });
      if (e !== null) {
        vmObjectDeref(object);
        return e;
      }
      if (!known) vmPrefault(vm, start, Math.min(fileTop, start + PREFAULT));
    }
    const bssStart = s.filesz > 0 ? fileTop : start;
    if (memTop > bssStart) {
      const e = vmMapInsert(vm.map, null, 0, bssStart, memTop - bssStart, prot, RWX, {});
      if (e !== null) return e;
    }
    // The rest of the last file page is bss: a private copy of that page, zeroed from there on.
    if (s.memsz > s.filesz && fileEnd < fileTop && s.filesz > 0) {
      const tail = Math.min(fileTop, base + s.vaddr + s.memsz) - fileEnd;
      const e = yield* copyoutB(vm, new Uint8Array(tail), 0, fileEnd, tail);
      if (e !== null) return e;
    }
  }
  return null;
}

/** The last PT_LOAD that does not hold the entry point: the break starts behind it. */
function dataEnd(image: ElfImage, base: number): { start: number; end: number } {
  let d = image.segments[image.segments.length - 1];
  for (const s of image.segments) if (image.entry < s.vaddr || image.entry >= s.vaddr + s.memsz) d = s;
  return { start: base + d.vaddr, end: base + d.vaddr + d.memsz };
}

/** Stack, trampoline page and the page with ps_strings. */
function mapStack(vm: Vmspace, p: Proc): Errno | null {
  const stackTop = SIGTRAMP_VA;
  vm.stackLimit = Math.min(p.limits.cur[RLIMIT_STACK], MAXSSIZ);
  const e =
    vmMapInsert(vm.map, null, 0, stackTop - SGROWSIZ, SGROWSIZ, Prot.READ | Prot.WRITE, RWX, {
      stack: USRSTACK - MAXSSIZ,
    }) ??
    vmMapInsert(vm.map, null, 0, SIGTRAMP_VA + PAGE, USRSTACK - SIGTRAMP_VA - PAGE, Prot.READ | Prot.WRITE, RWX, {});
  if (e !== null) return e;
  if (gd.sigcodeObject === null) {
    const o = vmObjectAlloc('anon', null);
    const ppn = vmPageAlloc(o, 0, true);
    if (ppn < 0) return ENOMEM;
    gd.machine.ram.write(ppn * PAGE, sigcode, 0, sigcode.length);
    gd.sigcodeObject = o;
  }
  vmObjectRef(gd.sigcodeObject);
  const rx = Prot.READ | Prot.EXEC;
  return vmMapInsert(vm.map, gd.sigcodeObject, 0, SIGTRAMP_VA, PAGE, rx, rx, {});
}

/** Build strings, vectors and auxv below the trampoline page. @returns the vector's address. */
function* buildStack(
  vm: Vmspace,
  prog: Program,
  args: ExecArgs,
  aux: readonly (readonly [number, number])[],
): Blocking<number | Errno> {
  const path = bytesOf(prog.path + '\0');
  const gapByte = new Uint8Array(2);
  gd.machine.entropy(gapByte);
  const gap = ((gapByte[0] | (gapByte[1] << 8)) % 128) * 8;
  const pathVa = SIGTRAMP_VA - Math.ceil(path.length / 8) * 8;
  const all = [...prog.argv, ...args.envv];
  let strLen = 0;
  for (const s of all) strLen += s.length + 1;
  const strVa = pathVa - 256 - gap - Math.ceil(strLen / 8) * 8;
  const nptr = 1 + prog.argv.length + 1 + args.envv.length + 1;
  let vec = strVa - AUXV_ROOM - nptr * 8;
  vec -= vec % 8;
  const buf = new Uint8Array(SIGTRAMP_VA - vec);
  const v = new DataView(buf.buffer);
  const put = (at: number, n: number): void => {
    v.setUint32(at, n % 0x1_0000_0000, true);
    v.setUint32(at + 4, n / 0x1_0000_0000, true);
  };
  buf.set(path, pathVa - vec);
  let o = 0;
  let s = strVa;
  const next = (text: string): void => {
    put(o, s);
    o += 8;
    const at = s - vec;
    for (let i = 0; i < text.length; i++) buf[at + i] = text.charCodeAt(i);
    s += text.length + 1;
  };
  put(o, prog.argv.length);
  o += 8;
  for (const a of prog.argv) next(a);
  o += 8;
  for (const e of args.envv) next(e);
  o += 8;
  for (const [type, val] of aux) {
    put(o, type);
    put(o + 8, type === At.EXECPATH ? pathVa : val);
    o += 16;
  }
  const e = yield* copyoutB(vm, buf, 0, vec, buf.length);
  if (e !== null) return e;
  const ps = new Uint8Array(32);
  const pv = new DataView(ps.buffer);
  const put2 = (at: number, n: number): void => {
    pv.setUint32(at, n % 0x1_0000_0000, true);
    pv.setUint32(at + 4, n / 0x1_0000_0000, true);
  };
  put2(0, vec + 8);
  pv.setInt32(8, prog.argv.length, true);
  put2(16, vec + 8 + (prog.argv.length + 1) * 8);
  pv.setInt32(24, args.envv.length, true);
  const f = yield* copyoutB(vm, ps, 0, PS_STRINGS, 32);
  return f ?? vec;
}

/** Give `p` the empty address space `vm`; its only thread moves there. */
function switchVm(lwp: Lwp, vm: Vmspace): Errno | null {
  const p = lwp.proc;
  if (vm.mach === lwp.mach.vmspace) {
    p.vm = vm;
    return null;
  }
  const mach = vm.mach.newLwp();
  if (mach instanceof Errno) return mach;
  gd.lwpByMach[lwp.mach.id] = null;
  lwp.mach.release();
  gd.lwpByMach[mach.id] = lwp;
  lwp.mach = mach;
  const old = p.vm;
  p.vm = vm;
  vmspaceFree(old);
  return null;
}

/** Registers at the first instruction (dragonfly-abi.md 5.3). */
function setRegs(lwp: Lwp, entry: number, vec: number): void {
  const m = lwp.mach;
  const f = m.frame;
  for (let r = 0; r < Reg.COUNT; r++)
    if (r !== Reg.CS && r !== Reg.SS) {
      f[r * 2] = 0;
      f[r * 2 + 1] = 0;
    }
  const set = (r: Reg, n: number): void => {
    f[r * 2] = n % 0x1_0000_0000;
    f[r * 2 + 1] = n / 0x1_0000_0000;
  };
  set(Reg.RIP, entry);
  set(Reg.RDI, vec);
  set(Reg.RSP, vec - 8 - ((vec - 8) % 16) + 8);
  set(Reg.RFLAGS, 0x202);
  m.fsBase = 0;
  m.gsBase = 0;
  m.fpuReset();
}

function resetSignals(lwp: Lwp): void {
  const p = lwp.proc;
  if (p.sigacts.refs > 1) {
    p.sigacts.refs--;
    p.sigacts = p.sigacts.copy();
  }
  const sa = p.sigacts.own();
  for (let s = 1; s <= 128; s++) {
    if (sa.handler[s] > SIG_IGN || (s === SIGCHLD && sa.handler[s] === SIG_IGN)) sa.handler[s] = SIG_DFL;
    sa.flags[s] = 0;
  }
  sa.mask.fill(0);
  lwp.sigstkDisabled = true;
  lwp.sigstkSp = 0;
  lwp.sigstkSize = 0;
  lwp.onSigstk = false;
}

function applySetId(p: Proc, vp: Vnode, nosuid: boolean): void {
  const mode = nosuid ? 0 : vp.va.mode;
  const c = p.cred;
  const uid = (mode & S_ISUID) !== 0 ? vp.va.uid : c.uid;
  const gid = (mode & S_ISGID) !== 0 ? vp.va.gid : c.gid;
  const changed = uid !== c.uid || gid !== c.gid;
  const n = c.copy();
  n.uid = uid;
  n.groups[0] = gid;
  n.svuid = uid;
  n.svgid = gid;
  p.cred = n;
  if (changed) {
    p.flags |= P_SUGID;
    p.varsyms = null;
  } else if (n.uid === n.ruid && n.gid === n.rgid) p.flags &= ~P_SUGID;
}

/**
 * Replace the image of lwp's process by the program at `path`.
 * @returns null when the new image is ready to run, or an errno with the old one untouched; after the point of no
 * return a failure ends the process (lwp.exited).
 */
export function* execProgram(lwp: Lwp, path: string, args: ExecArgs): Blocking<Errno | null> {
  const argv = args.argv.length === 0 ? [path] : args.argv;
  const prog = yield* openProgram(lwp, path, argv, 0);
  return prog instanceof Errno ? prog : yield* runProgram(lwp, prog, args);
}

function* runProgram(lwp: Lwp, prog: Program, args: ExecArgs): Blocking<Errno | null> {
  const p = lwp.proc;
  let interp: Program | null = null;
  if (prog.image.interp !== null) {
    const i = yield* openProgram(lwp, prog.image.interp, [], 1);
    if (i instanceof Errno) {
      vrele(prog.vp);
      return i;
    }
    interp = i;
  }
  if (!(yield* singleThread(lwp))) {
    vrele(prog.vp);
    return EINTR;
  }
  const vm = vmspaceExec(p.vm);
  if (vm instanceof Errno) {
    p.singleThreader = null;
    vrele(prog.vp);
    return vm;
  }
  const fresh = vm.mach !== lwp.mach.vmspace;
  const e = switchVm(lwp, vm) ?? (yield* loadImages(lwp, vm, prog, interp, args));
  p.singleThreader = null;
  vrele(prog.vp);
  if (interp !== null) vrele(interp.vp);
  if (e !== null) {
    if (fresh && p.vm !== vm) {
      vmspaceFree(vm);
      return e;
    }
    yield* sigexit(lwp, SIGABRT);
    return EJUSTRETURN;
  }
  yield* finishExec(lwp, prog);
  return null;
}

function* loadImages(
  lwp: Lwp,
  vm: Vmspace,
  prog: Program,
  interp: Program | null,
  args: ExecArgs,
): Blocking<Errno | null> {
  const base = prog.image.dyn ? PIE_BASE : 0;
  const object = prog.vp.ops.getObject(prog.vp);
  if (object instanceof Errno) return ENOEXEC;
  const starts = (object.startSet ??= new FaultSet());
  const known = starts.use();
  let e = yield* mapImage(vm, prog.vp, prog.image, base, known);
  if (e !== null) return e;
  const data = dataEnd(prog.image, base);
  vm.dataAddr = data.start - (data.start % PAGE);
  vm.dataSize = Math.ceil(data.end / PAGE) * PAGE - vm.dataAddr;
  const text = prog.image.segments[0];
  vm.textAddr = base + text.vaddr - (text.vaddr % PAGE);
  vm.textSize = text.memsz;
  let entry = base + prog.image.entry;
  let interpBase = base;
  if (interp !== null) {
    interpBase = Math.ceil((data.start + MAXDSIZ) / PAGE) * PAGE;
    e = yield* mapImage(vm, interp.vp, interp.image, interpBase, false);
    if (e !== null) return e;
    entry = interpBase + interp.image.entry;
  }
  e = mapStack(vm, lwp.proc);
  if (e !== null) return e;
  const aux = [
    [At.PHDR, prog.image.phdrVa + base],
    [At.PHENT, 56],
    [At.PHNUM, prog.image.phnum],
    [At.PAGESZ, PAGE],
    [At.FLAGS, 0],
    [At.ENTRY, base + prog.image.entry],
    [At.BASE, interpBase],
    [At.EXECPATH, 0],
    [At.OSRELDATE, OSRELDATE],
    [0, 0],
  ] as const;
  const vec = yield* buildStack(vm, prog, args, aux);
  if (vec instanceof Errno) return vec;
  setRegs(lwp, entry, vec);
  if (known) starts.map(vm, 0, vm.map.max);
  vmLearn(vm, starts);
  return null;
}

/** What changes besides memory: descriptors, signals, identity, names. */
function* finishExec(lwp: Lwp, prog: Program): Blocking<void> {
  const p = lwp.proc;
  yield* fdunshare(p);
  yield* fdcloexec(p);
  resetSignals(lwp);
  const { cred } = p;
  applySetId(p, prog.vp, prog.nosuid);
  // Nobody but the super-user looks into set-id programs.
  if (p.ktrace?.root === false && (p.cred.uid !== cred.uid || p.cred.gid !== cred.gid)) yield* ktraceRelease(p);
  p.comm = prog.comm;
  p.execPath = prog.path;
  p.args = bytesOf(prog.argv.join('\0') + '\0');
  gd.hasExeced.add(p);
  if (lwp.tid !== 1) {
    p.lwps.delete(lwp.tid);
    lwp.tid = 1;
    p.lwps.set(1, lwp);
  }
  p.lastTid = 1;
  if ((p.flags & P_PPWAIT) !== 0) {
    p.flags &= ~P_PPWAIT;
    wakeup(p.vforkq);
  }
  gd.execHook?.(p);
  if ((p.flags & P_TRACED) !== 0) psignal(p, SIGTRAP);
}

function* sysExecve(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const [fname, argvVa, envVa] = a;
  const vm = lwp.proc.vm;
  const path = yield* copyinstrB(vm, fname, 1024);
  if (typeof path !== 'string') return path;
  if (argvVa === 0) return EFAULT;
  const args: ExecArgs = { argv: [], envv: [] };
  const total = { n: 0 };
  let e = yield* fetchVector(lwp, argvVa, args.argv, total);
  if (e === null && envVa !== 0) e = yield* fetchVector(lwp, envVa, args.envv, total);
  if (e !== null) return e;
  e = yield* execProgram(lwp, path, args);
  return e ?? EJUSTRETURN;
}

/** fexecve: the program is an open file. It must be open for reading only. */
function* sysFexecve(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const p = lwp.proc;
  const [fd, argvVa, envVa] = a;
  const fp = fdget(p, fd);
  if (fp instanceof Errno) return fp;
  if (fp.type !== DTYPE_VNODE || fp.ncp === null || (fp.flags & (FREAD | FWRITE)) !== FREAD) return EBADF;
  if (argvVa === 0) return EFAULT;
  const vp = vref(fp.data as Vnode);
  const ncp = cacheHold(fp.ncp);
  const args: ExecArgs = { argv: [], envv: [] };
  const total = { n: 0 };
  const va = yield* vopGetattr(vp);
  let e = va instanceof Errno ? va : execCheck(vp, p.cred, ncp);
  e ??= yield* fetchVector(lwp, argvVa, args.argv, total);
  if (e === null && envVa !== 0) e = yield* fetchVector(lwp, envVa, args.envv, total);
  if (e !== null) {
    vrele(vp);
    cacheDrop(ncp);
    return e;
  }
  const path = `/dev/fd/${fd}`;
  // A script's interpreter could not open it any more.
  const cloexec = (p.fd.fdflags[fd] & FD_CLOEXEC) !== 0;
  const argv = args.argv.length === 0 ? [path] : args.argv;
  const prog = yield* loadProgram(lwp, { vp, ncp }, path, argv, 0);
  if (prog instanceof Errno) return prog;
  if (cloexec && prog.vp !== vp) {
    vrele(prog.vp);
    return ENOENT;
  }
  return (yield* runProgram(lwp, prog, args)) ?? EJUSTRETURN;
}

export const execSyscalls: SyscallImpls = {
  execve: { block: sysExecve, full: true },
  fexecve: { block: sysFexecve, full: true },
};

declare module '../sys/globaldata.js' {
  interface GlobalData {
    /** kqueue NOTE_EXEC. */
    execHook: ((p: Proc) => void) | null;
  }
}
