/**
 * Terminals: state, line discipline (input editing, echo, output processing), read and write.
 *
 * Input bytes come in by ttyInput, outside any thread. In canonical mode they are edited in `rawq` until a line ends and then move to `canq`;
 * otherwise they go to `canq` at once. Readers take from `canq` only. Output is processed and handed to the device, which never
 * sleeps; only after a STOP character does it wait in `outq`, and then writers sleep.
 *
 * Queued characters carry QUOTE when the user typed LNEXT before them: they mean nothing special then.
 *
 * Counterpart: sys/kern/tty.c; dragonfly-abi.md 3.9, 4.9
 */
import type { Blocking } from '../sys/blocking.js';
import { EAGAIN, EIO, EWOULDBLOCK, type Errno, NOTNOW } from '../sys/errno.js';
import {
  SIGCONT,
  SIGHUP,
  SIGINFO,
  SIGINT,
  SIGQUIT,
  SIGTSTP,
  SIGTTIN,
  SIGTTOU,
  SIG_IGN,
  sigismember,
} from '../sys/signal.js';
import { type Uio, uiomove, uiomoveB } from '../vm/uio.js';
import { O_NONBLOCK } from './file.js';
import { Klist, knoteKlist } from './kern_knote.js';
import { pgsignal } from './kern_sig.js';
import { PCATCH, WaitQ, tsleep, wakeup } from './lwkt_thread.js';
import {
  P_CONTROLT,
  P_PPWAIT,
  ProcState,
  type Lwp,
  type Pgrp,
  type Proc,
  type Session,
  type SessionTty,
  pgrpOrphaned,
} from './proc.js';
import { ksprintf } from './subr_prf.js';
import { loadAverages, uschedCharge } from './usched.js';

// c_iflag
export const IGNBRK = 0x1;
export const BRKINT = 0x2;
export const PARMRK = 0x8;
export const ISTRIP = 0x20;
export const INLCR = 0x40;
export const IGNCR = 0x80;
export const ICRNL = 0x100;
export const IXON = 0x200;
export const IXOFF = 0x400;
export const IXANY = 0x800;
export const IMAXBEL = 0x2000;
// c_oflag
export const OPOST = 0x1;
export const ONLCR = 0x2;
export const OXTABS = 0x4;
export const ONOEOT = 0x8;
export const OCRNL = 0x10;
export const ONOCR = 0x20;
export const ONLRET = 0x40;
// c_cflag
const CS8 = 0x300;
const CREAD = 0x800;
const HUPCL = 0x4000;
// c_lflag
export const ECHOKE = 0x1;
export const ECHOE = 0x2;
export const ECHOK = 0x4;
export const ECHO = 0x8;
export const ECHONL = 0x10;
export const ECHOPRT = 0x20;
export const ECHOCTL = 0x40;
export const ISIG = 0x80;
export const ICANON = 0x100;
export const ALTWERASE = 0x200;
export const IEXTEN = 0x400;
export const TOSTOP = 0x400000;
export const FLUSHO = 0x800000;
export const NOKERNINFO = 0x2000000;
export const NOFLSH = 0x80000000;
// c_cc
export const VEOF = 0;
export const VEOL = 1;
export const VEOL2 = 2;
export const VERASE = 3;
export const VWERASE = 4;
export const VKILL = 5;
export const VREPRINT = 6;
export const VERASE2 = 7;
export const VINTR = 8;
export const VQUIT = 9;
export const VSUSP = 10;
export const VDSUSP = 11;
export const VSTART = 12;
export const VSTOP = 13;
export const VLNEXT = 14;
export const VDISCARD = 15;
export const VMIN = 16;
export const VTIME = 17;
export const VSTATUS = 18;
const DISABLED = 0xff;
/** ^D, none, none, DEL, ^W, ^U, ^R, ^H, ^C, ^\, ^Z, ^Y, ^Q, ^S, ^V, ^O, 1, 0, ^T; no checkpoint key (there is no checkpointing). */
const DEFAULT_CC = [
  4, 0xff, 0xff, 0x7f, 0x17, 0x15, 0x12, 8, 3, 0x1c, 0x1a, 0x19, 0x11, 0x13, 0x16, 0xf, 1, 0, 0x14, 0xff,
];

const QUOTE = 0x100;
const NL = 10;
const CR = 13;
const TAB = 9;
const BS = 8;
const BELL = 7;

/** Longest line being edited, and most input waiting to be read. */
const MAX_CANON = 4096;
const MAX_INPUT = 262144;
/** Writers sleep while so much output is held back. */
const HIWAT = 8192;
const WRITE_CHUNK = 4096;

/** Characters, first in first out; also shortened from the end. */
class CharQ {
  private a: number[] = [];
  private head = 0;
  get length(): number {
    return this.a.length - this.head;
  }
  push(c: number): void {
    this.a.push(c);
  }
  at(i: number): number {
    return this.a[this.head + i];
  }
  shift(): number {
    const c = this.a[this.head++];
    if (this.head > 4096 && this.head * 2 > this.a.length) {
      this.a = this.a.slice(this.head);
      this.head = 0;
    }
    return c;
  }
  pop(): number {
    return this.a.pop() as number;
  }
  clear(): void {
    this.a = [];
    this.head = 0;
  }
  takeAll(): number[] {
    const all = this.a.slice(this.head);
    this.clear();
    return all;
  }
}

export class Tty implements SessionTty {
  session: Session | null = null;
  pgrp: Pgrp | null = null;
  iflag = BRKINT | ICRNL | IMAXBEL | IXON | IXANY;
  oflag = OPOST | ONLCR;
  cflag = CREAD | CS8 | HUPCL;
  lflag = ECHO | ICANON | ISIG | IEXTEN | ECHOE | ECHOKE | ECHOCTL;
  readonly cc = Uint8Array.from(DEFAULT_CC);
  ispeed = 115200;
  ospeed = 115200;
  rows = 0;
  cols = 0;
  xpixel = 0;
  ypixel = 0;
  exclusive = false;
  /** Finished input. */
  readonly canq = new CharQ();
  /** The line being edited. */
  readonly rawq = new CharQ();
  /** Next character is quoted (LNEXT was typed). */
  lnext = false;
  /** Inside \.../ of ECHOPRT. */
  erasing = false;
  /** STOP was typed. */
  stopped = false;
  readonly outq: Uint8Array[] = [];
  outqLen = 0;
  /** Output column, and the column where the edited line began. */
  col = 0;
  lineCol = 0;
  /** Counts hang-ups: who slept through one must not go on. */
  gen = 0;
  readonly rq = new WaitQ();
  readonly wq = new WaitQ();
  readonly klist = new Klist();

  constructor(
    /** Hand processed output to the device. */
    readonly put: (data: Uint8Array) => void,
    public rdev: number,
    /** Called after a hang-up: the device revokes its open files. */
    readonly revoke: () => void = () => {},
  ) {}

  hangup(): void {
    this.gen++;
    this.session = null;
    this.pgrp = null;
    ttyFlush(this, true, true);
    this.stopped = false;
    wakeup(this.rq);
    wakeup(this.wq);
    this.revoke();
  }
}

/** A key, unless it is disabled. */
const isCc = (t: Tty, i: number, c: number): boolean => t.cc[i] === c && t.cc[i] !== DISABLED;

export const isctty = (t: Tty, p: Proc): boolean => t.session === p.pgrp.session && (p.flags & P_CONTROLT) !== 0;
export const isbackground = (t: Tty, p: Proc): boolean => isctty(t, p) && p.pgrp !== t.pgrp;

// Output.

const outBuf = new Uint8Array(16384);
let outLen = 0;

function flushOut(t: Tty): void {
  if (outLen === 0) return;
  const data = outBuf.slice(0, outLen);
  outLen = 0;
  if (t.stopped) {
    t.outq.push(data);
    t.outqLen += data.length;
  } else t.put(data);
}

/** One character through output processing into outBuf. */
function outChar(t: Tty, c: number): void {
  if (outLen > outBuf.length - 16) flushOut(t);
  if ((t.oflag & OPOST) === 0) {
    outBuf[outLen++] = c;
    return;
  }
  if (c === TAB) {
    const to = (t.col | 7) + 1;
    if ((t.oflag & OXTABS) !== 0) {
      for (; t.col < to; t.col++) outBuf[outLen++] = 32;
    } else {
      outBuf[outLen++] = c;
      t.col = to;
    }
    return;
  }
  if (c === 4 && (t.oflag & ONOEOT) !== 0) return;
  if (c === NL) {
    if ((t.oflag & ONLCR) !== 0) outBuf[outLen++] = CR;
    if ((t.oflag & (ONLCR | ONLRET)) !== 0) t.col = 0;
  } else if (c === CR) {
    if ((t.oflag & OCRNL) !== 0) {
      outBuf[outLen++] = NL;
      return;
    }
    if ((t.oflag & ONOCR) !== 0 && t.col === 0) return;
    t.col = 0;
  } else if (c === BS) {
    if (t.col > 0) t.col--;
  } else if (c >= 32 && c !== 127 && (c & 0xc0) !== 0x80) t.col++;
  outBuf[outLen++] = c;
}

/** Text from the kernel on this terminal. */
export function ttyPrint(t: Tty, s: string): void {
  for (let i = 0; i < s.length; i++) outChar(t, s.charCodeAt(i));
  flushOut(t);
}

export function ttyStop(t: Tty): void {
  t.stopped = true;
}
export function ttyStart(t: Tty): void {
  if (!t.stopped) return;
  t.stopped = false;
  for (const d of t.outq.splice(0)) t.put(d);
  t.outqLen = 0;
  wakeup(t.wq);
  t.klist.notify();
}

/** Drop input, output or both. */
export function ttyFlush(t: Tty, input: boolean, output: boolean): void {
  if (input) {
    t.canq.clear();
    t.rawq.clear();
    t.lnext = false;
    t.erasing = false;
  }
  if (output) {
    t.outq.length = 0;
    t.outqLen = 0;
    wakeup(t.wq);
    t.klist.notify();
  }
}

// Echo.

const isCtl = (c: number): boolean => c < 32 || c === 127;

function echo(t: Tty, ch: number): void {
  const c = ch & 0xff;
  if ((t.lflag & ECHO) === 0 && !((t.lflag & ECHONL) !== 0 && c === NL)) return;
  if ((t.lflag & ECHOCTL) !== 0 && ((isCtl(c) && c !== TAB && c !== NL) || (ch & QUOTE && isCtl(c)))) {
    outChar(t, 94);
    outChar(t, c === 127 ? 63 : c | 0x40);
  } else outChar(t, c);
}

/** Columns that the echo of `ch` takes when it begins at column `col`. */
function width(t: Tty, ch: number, col: number): number {
  const c = ch & 0xff;
  if (c === TAB && (ch & QUOTE) === 0) return (col | 7) + 1 - col;
  if (isCtl(c)) return (t.lflag & ECHOCTL) !== 0 ? 2 : 0;
  // Only the first byte of a UTF-8 character has a column.
  return (c & 0xc0) === 0x80 ? 0 : 1;
}

/** Take `ch`, the last character of the line, off the screen; rawq no longer has it. */
function rub(t: Tty, ch: number): void {
  if ((t.lflag & ECHO) === 0) return;
  if ((t.lflag & ECHOPRT) !== 0) {
    if (!t.erasing) outChar(t, 92);
    t.erasing = true;
    echo(t, ch);
    return;
  }
  if ((t.lflag & ECHOE) === 0) {
    echo(t, t.cc[VERASE]);
    return;
  }
  let col = t.lineCol;
  for (let i = 0; i < t.rawq.length; i++) col += width(t, t.rawq.at(i), col);
  const w = width(t, ch, col);
  for (let i = 0; i < w; i++) outChar(t, BS);
  // A tab leaves blanks behind already.
  if ((ch & 0xff) === TAB) return;
  for (let i = 0; i < w; i++) outChar(t, 32);
  for (let i = 0; i < w; i++) outChar(t, BS);
}

function endErasing(t: Tty): void {
  if (!t.erasing) return;
  t.erasing = false;
  outChar(t, 47);
}

/** Erase one character: all bytes of it. */
function eraseChar(t: Tty): void {
  for (;;) {
    if (t.rawq.length === 0) return;
    const ch = t.rawq.pop();
    rub(t, ch);
    // DragonFly erases bytes; here a UTF-8 character goes as a whole, or the screen would be wrong.
    if (
      (ch & 0xc0) !== 0x80 ||
      (ch & QUOTE) !== 0 ||
      t.rawq.length === 0 ||
      (t.rawq.at(t.rawq.length - 1) & 0x80) === 0
    )
      return;
  }
}

const isBlank = (ch: number): boolean => (ch & 0xff) === 32 || (ch & 0xff) === TAB;
const isWord = (ch: number): boolean => {
  const c = ch & 0xff;
  return (c >= 48 && c <= 57) || (c >= 65 && c <= 90) || (c >= 97 && c <= 122) || c === 95 || c >= 128;
};

function eraseWord(t: Tty): void {
  const last = (): number => t.rawq.at(t.rawq.length - 1);
  while (t.rawq.length > 0 && isBlank(last())) rub(t, t.rawq.pop());
  if (t.rawq.length === 0) return;
  // With ALTWERASE the last character goes whatever it is, and then those of its kind.
  const alt = (t.lflag & ALTWERASE) !== 0;
  if (alt) rub(t, t.rawq.pop());
  if (t.rawq.length === 0) return;
  const kind = isWord(last());
  while (t.rawq.length > 0 && !isBlank(last()) && (!alt || isWord(last()) === kind)) rub(t, t.rawq.pop());
}

function killLine(t: Tty): void {
  if ((t.lflag & ECHOKE) !== 0 && (t.lflag & ECHOPRT) === 0) {
    while (t.rawq.length > 0) rub(t, t.rawq.pop());
  } else {
    echo(t, t.cc[VKILL]);
    if ((t.lflag & (ECHOK | ECHOKE)) !== 0) echo(t, NL);
    t.rawq.clear();
    t.lineCol = t.col;
  }
  t.erasing = false;
}

function retype(t: Tty): void {
  if (!isCc(t, VREPRINT, DISABLED)) echo(t, t.cc[VREPRINT]);
  outChar(t, NL);
  t.lineCol = t.col;
  for (let i = 0; i < t.rawq.length; i++) echo(t, t.rawq.at(i));
  t.erasing = false;
}

// Input.

function readable(t: Tty): void {
  if (t.rq.head !== null) wakeup(t.rq);
  t.klist.notify();
}

/** Characters arrive from the device. */
export function ttyInput(t: Tty, data: Uint8Array): void {
  const before = t.canq.length;
  for (let i = 0; i < data.length; i++) inputChar(t, data[i]);
  flushOut(t);
  if (t.canq.length > before) readable(t);
}

function signalFg(t: Tty, sig: number, c: number, flushInput: boolean, flushOutput: boolean): void {
  if ((t.lflag & NOFLSH) === 0) ttyFlush(t, flushInput, flushOutput);
  echo(t, c);
  flushOut(t);
  t.lineCol = t.col;
  pgsignal(t.pgrp, sig);
}

function full(t: Tty): boolean {
  const canon = (t.lflag & ICANON) !== 0;
  if (t.canq.length < MAX_INPUT && (!canon || t.rawq.length < MAX_CANON)) return false;
  if ((t.iflag & IMAXBEL) !== 0) outChar(t, BELL);
  return true;
}

function inputChar(t: Tty, byte: number): void {
  const { iflag, lflag } = t;
  let c = (iflag & ISTRIP) !== 0 ? byte & 0x7f : byte;
  if (t.lnext) {
    t.lnext = false;
    if ((lflag & ICANON) !== 0) endErasing(t);
    store(t, c | QUOTE);
    return;
  }
  if ((lflag & IEXTEN) !== 0) {
    if (isCc(t, VLNEXT, c)) {
      if ((lflag & ECHO) !== 0) {
        if ((lflag & ECHOE) !== 0) {
          outChar(t, 94);
          outChar(t, BS);
        } else echo(t, c);
      }
      t.lnext = true;
      return;
    }
    if (isCc(t, VDISCARD, c)) {
      if ((lflag & FLUSHO) !== 0) t.lflag &= ~FLUSHO;
      else {
        ttyFlush(t, false, true);
        echo(t, c);
        t.lflag |= FLUSHO;
      }
      return;
    }
  }
  if ((lflag & ISIG) !== 0) {
    if (isCc(t, VINTR, c) || isCc(t, VQUIT, c)) {
      signalFg(t, isCc(t, VINTR, c) ? SIGINT : SIGQUIT, c, true, true);
      ttyStart(t);
      return;
    }
    if (isCc(t, VSUSP, c)) {
      signalFg(t, SIGTSTP, c, true, false);
      return;
    }
  }
  if ((iflag & IXON) !== 0) {
    if (isCc(t, VSTOP, c)) {
      if (!t.stopped) {
        flushOut(t);
        ttyStop(t);
        return;
      }
      // One key for both: it toggles.
      if (isCc(t, VSTART, c)) ttyStart(t);
      return;
    }
    if (isCc(t, VSTART, c)) {
      ttyStart(t);
      t.lflag &= ~FLUSHO;
      return;
    }
    if ((iflag & IXANY) !== 0 && t.stopped) ttyStart(t);
  }
  t.lflag &= ~FLUSHO;
  if (c === CR) {
    if ((iflag & IGNCR) !== 0) return;
    if ((iflag & ICRNL) !== 0) c = NL;
  } else if (c === NL && (iflag & INLCR) !== 0) c = CR;
  if ((lflag & ICANON) === 0) {
    if (c === 0xff && (iflag & PARMRK) !== 0 && (iflag & ISTRIP) === 0) store(t, 0xff | QUOTE);
    store(t, c);
    return;
  }
  if (isCc(t, VERASE, c) || isCc(t, VERASE2, c)) {
    eraseChar(t);
    return;
  }
  if (isCc(t, VKILL, c)) {
    killLine(t);
    return;
  }
  if ((lflag & IEXTEN) !== 0) {
    if (isCc(t, VWERASE, c)) {
      eraseWord(t);
      return;
    }
    if (isCc(t, VREPRINT, c)) {
      retype(t);
      return;
    }
    if (isCc(t, VSTATUS, c)) {
      if ((lflag & ISIG) !== 0) pgsignal(t.pgrp, SIGINFO);
      if ((lflag & NOKERNINFO) === 0) ttyInfo(t);
      return;
    }
  }
  endErasing(t);
  const ends = c === NL || isCc(t, VEOF, c) || isCc(t, VEOL, c) || isCc(t, VEOL2, c);
  if (!ends) {
    store(t, c);
    return;
  }
  if (isCc(t, VEOF, c)) {
    // ^D shows as long as nothing is written over it.
    if ((lflag & ECHO) !== 0 && (lflag & ECHOCTL) !== 0) {
      echo(t, c);
      outChar(t, BS);
      outChar(t, BS);
    }
  } else echo(t, c);
  for (const ch of t.rawq.takeAll()) t.canq.push(ch);
  t.canq.push(c);
  t.lineCol = t.col;
}

/** An ordinary character joins the input. */
function store(t: Tty, ch: number): void {
  if (full(t)) return;
  if ((t.lflag & ICANON) === 0) t.canq.push(ch);
  else {
    if (t.rawq.length === 0) t.lineCol = t.col;
    t.rawq.push(ch);
  }
  echo(t, ch);
}

/** ICANON was switched: what is queued takes the other form. */
export function ttyCanonChanged(t: Tty): void {
  if ((t.lflag & ICANON) === 0) {
    const had = t.rawq.length;
    for (const ch of t.rawq.takeAll()) t.canq.push(ch);
    if (had > 0) readable(t);
    return;
  }
  // Characters read ahead are edited into lines now; they were echoed, or not, when typed.
  const ahead = t.canq.takeAll();
  const saved = t.lflag;
  t.lflag &= ~(ECHO | ECHONL | ISIG);
  for (const ch of ahead) {
    if ((ch & QUOTE) !== 0) store(t, ch);
    else inputChar(t, ch);
  }
  t.lflag = saved;
  flushOut(t);
  readable(t);
}

/** The status line of ^T: load, and what runs in the foreground. */
export function ttyInfo(t: Tty): void {
  const load = ksprintf('load: %s ', loadAverages()[0].toFixed(2));
  if (t.col !== 0) ttyPrint(t, '\n');
  let pick: Proc | null = null;
  for (const p of t.pgrp?.members ?? []) if (pick === null || p.pid > pick.pid) pick = p;
  if (pick === null) ttyPrint(t, load + 'no foreground process\n');
  else {
    const l = pick.firstLwp();
    if (l !== null) uschedCharge(l);
    const secs = (ns: number): string => (ns / 1e9).toFixed(2);
    const us = l?.us ?? null;
    const what = l === null ? 'gone' : l.mach.running ? 'running' : l.td.wmesg === '' ? 'runnable' : l.td.wmesg;
    ttyPrint(
      t,
      ksprintf(
        '%s cmd: %s %d [%s] %su %ss\n',
        load.trimEnd(),
        pick.comm,
        pick.pid,
        what,
        secs(us?.uticksNs ?? 0),
        secs(us?.sticksNs ?? 0),
      ),
    );
  }
  t.lineCol = t.col;
  for (let i = 0; i < t.rawq.length; i++) echo(t, t.rawq.at(i));
  flushOut(t);
}

// Reading.

const ignoresOrBlocks = (lwp: Lwp, sig: number): boolean =>
  lwp.proc.sigacts.handler[sig] === SIG_IGN || sigismember(lwp.sigmask, sig);

/**
 * Send a stop signal to `lwp`'s group and sleep until it has been taken: as a rule until the process is continued.
 * @returns null to try again, or what the signal's handler makes of the call
 */
function* stopGroup(lwp: Lwp, sig: number): Blocking<Errno | null> {
  const p = lwp.proc;
  pgsignal(p.pgrp, sig);
  do {
    // Not stopped yet means that another thread takes the signal, or that it has a handler: that ends the sleep.
    const e = yield* tsleep(p.stopq, 'ttybg', PCATCH, p.state === ProcState.STOP ? 0 : 1e8);
    if (e !== null && e !== EWOULDBLOCK) return e;
  } while (p.state === ProcState.STOP);
  return null;
}

/** The same for a process in the background; EIO when nobody could continue it. */
export function* ttyBackground(lwp: Lwp, sig: number): Blocking<Errno | null> {
  if (pgrpOrphaned(lwp.proc.pgrp)) return EIO;
  return yield* stopGroup(lwp, sig);
}

/** Must `lwp` not read now? EIO, NOTNOW when it has to be stopped, null when it may. */
function readCheck(t: Tty, lwp: Lwp): Errno | null {
  if (!isbackground(t, lwp.proc)) return null;
  const p = lwp.proc;
  if (ignoresOrBlocks(lwp, SIGTTIN) || (p.flags & P_PPWAIT) !== 0 || pgrpOrphaned(p.pgrp)) return EIO;
  return NOTNOW;
}

const scratch = new Uint8Array(16384);

/** Characters for one read into `scratch` from canq; sets dsusp when the delayed suspend key was met. */
function take(t: Tty, want: number): { n: number; dsusp: boolean } {
  const max = Math.min(want, scratch.length);
  const canon = (t.lflag & ICANON) !== 0;
  let n = 0;
  while (n < max && t.canq.length > 0) {
    const ch = t.canq.shift();
    const c = ch & 0xff;
    const plain = (ch & QUOTE) === 0;
    if (plain && isCc(t, VDSUSP, c) && (t.lflag & (ISIG | IEXTEN)) === (ISIG | IEXTEN)) return { n, dsusp: n === 0 };
    if (canon && plain && isCc(t, VEOF, c)) return { n, dsusp: false };
    scratch[n++] = c;
    if (canon && plain && (c === NL || isCc(t, VEOL, c) || isCc(t, VEOL2, c))) return { n, dsusp: false };
  }
  // The EOF key that pushed exactly these characters must not end the next read.
  if (canon && n > 0 && n === max && t.canq.length > 0 && t.canq.at(0) === t.cc[VEOF]) t.canq.shift();
  return { n, dsusp: false };
}

/** Is there enough for a reader, as far as that can be said without waiting? */
function satisfied(t: Tty): boolean {
  if ((t.lflag & ICANON) !== 0) return t.canq.length > 0;
  const min = t.cc[VMIN];
  if (min === 0) return t.cc[VTIME] === 0 || t.canq.length > 0;
  return t.canq.length >= min;
}

export function ttyTryRead(t: Tty, uio: Uio, flags: number, lwp: Lwp): Errno | null {
  const e = readCheck(t, lwp);
  if (e !== null) return e;
  if (uio.resid === 0) return null;
  if (!satisfied(t)) {
    if ((flags & O_NONBLOCK) === 0) return NOTNOW;
    if (t.canq.length === 0 || (t.lflag & ICANON) !== 0) return EAGAIN;
  }
  // Long reads and user memory that is not there go the other way: nothing may be taken before it has a place.
  return readNow(t, uio);
}

/** Read for the synchronous path: characters are put back when the user's page is missing. */
function readNow(t: Tty, uio: Uio): Errno | null {
  const before = t.canq.length;
  const peek: number[] = [];
  for (let i = 0; i < Math.min(before, scratch.length); i++) peek.push(t.canq.at(i));
  const { n, dsusp } = take(t, uio.resid);
  const e = dsusp ? NOTNOW : uiomove(scratch, 0, n, uio);
  if (e === NOTNOW) {
    const rest = t.canq.takeAll();
    for (let i = 0; i < before - rest.length; i++) t.canq.push(peek[i]);
    for (const ch of rest) t.canq.push(ch);
  }
  return e;
}

export function* ttyRead(t: Tty, uio: Uio, flags: number, lwp: Lwp): Blocking<Errno | null> {
  const gen = t.gen;
  for (;;) {
    if (t.gen !== gen) return null;
    let e = readCheck(t, lwp);
    if (e === NOTNOW) {
      e = yield* ttyBackground(lwp, SIGTTIN);
      if (e !== null) return e;
      continue;
    }
    if (e !== null) return e;
    if (uio.resid === 0) return null;
    if (!satisfied(t)) {
      if ((flags & O_NONBLOCK) !== 0 && (t.canq.length === 0 || (t.lflag & ICANON) !== 0)) return EAGAIN;
      if ((flags & O_NONBLOCK) === 0) {
        // VTIME: between characters when VMIN is set (so not before the first), else for the whole read.
        const timed = (t.lflag & ICANON) === 0 && t.cc[VTIME] > 0 && (t.cc[VMIN] === 0 || t.canq.length > 0);
        const had = t.canq.length;
        e = yield* tsleep(t.rq, 'ttyin', PCATCH, timed ? t.cc[VTIME] * 1e8 : 0);
        if (e !== null && e !== EWOULDBLOCK) return e;
        if (e === null || t.gen !== gen) continue;
        // The time is up; a character that has just come starts it again.
        if (t.canq.length > had && t.cc[VMIN] > 0 && !satisfied(t)) continue;
      }
    }
    const { n, dsusp } = take(t, uio.resid);
    if (dsusp) {
      e = yield* stopGroup(lwp, SIGTSTP);
      if (e !== null) return e;
      continue;
    }
    const copy = scratch.slice(0, n);
    return yield* uiomoveB(copy, 0, n, uio);
  }
}

// Writing.

/** May `lwp` write? null, EIO, or NOTNOW when it has to be stopped with SIGTTOU. */
export function ttyWriteCheck(t: Tty, lwp: Lwp, always: boolean): Errno | null {
  const p = lwp.proc;
  if (!isbackground(t, p) || (!always && (t.lflag & TOSTOP) === 0)) return null;
  if ((p.flags & P_PPWAIT) !== 0 || ignoresOrBlocks(lwp, SIGTTOU)) return null;
  return pgrpOrphaned(p.pgrp) ? EIO : NOTNOW;
}

function output(t: Tty, data: Uint8Array, n: number): void {
  if ((t.lflag & FLUSHO) !== 0) return;
  for (let i = 0; i < n; i++) outChar(t, data[i]);
  flushOut(t);
  // What is typed from here on belongs to a new place on the line.
  if (t.rawq.length === 0) t.lineCol = t.col;
}

export function ttyTryWrite(t: Tty, uio: Uio, flags: number, lwp: Lwp): Errno | null {
  const e = ttyWriteCheck(t, lwp, false);
  if (e !== null) return e;
  if (t.stopped && t.outqLen >= HIWAT) return (flags & O_NONBLOCK) !== 0 ? EAGAIN : NOTNOW;
  if (uio.resid > scratch.length) return NOTNOW;
  const want = uio.resid;
  const r = uiomove(scratch, 0, want, uio);
  if (r === NOTNOW) return NOTNOW;
  output(t, scratch, want - uio.resid);
  return r;
}

export function* ttyWrite(t: Tty, uio: Uio, flags: number, lwp: Lwp): Blocking<Errno | null> {
  const gen = t.gen;
  const buf = new Uint8Array(Math.min(WRITE_CHUNK, uio.resid));
  while (uio.resid > 0) {
    if (t.gen !== gen) return EIO;
    const e = ttyWriteCheck(t, lwp, false);
    if (e === NOTNOW) {
      const b = yield* ttyBackground(lwp, SIGTTOU);
      if (b !== null) return b;
      continue;
    }
    if (e !== null) return e;
    if (t.stopped && t.outqLen >= HIWAT) {
      if ((flags & O_NONBLOCK) !== 0) return EAGAIN;
      const s = yield* tsleep(t.wq, 'ttyout', PCATCH);
      if (s !== null) return s;
      continue;
    }
    const n = Math.min(buf.length, uio.resid);
    const before = uio.resid;
    const r = yield* uiomoveB(buf, 0, n, uio);
    if (t.gen !== gen) return EIO;
    output(t, buf, before - uio.resid);
    if (r !== null) return r;
  }
  return null;
}

/** Wait until all output has gone to the device. */
export function* ttyDrain(t: Tty): Blocking<Errno | null> {
  const gen = t.gen;
  while (t.outqLen > 0 && t.gen === gen) {
    const e = yield* tsleep(t.wq, 'ttyout', PCATCH);
    if (e !== null) return e;
  }
  return null;
}

/** Bytes that a read would find: FIONREAD. */
export function ttyNread(t: Tty): number {
  return (t.lflag & ICANON) === 0 && t.canq.length < t.cc[VMIN] && t.cc[VTIME] === 0 ? 0 : t.canq.length;
}

export function ttyKqfilter(t: Tty, kn: object): Errno | null {
  return knoteKlist(kn, t.klist, (f) => {
    if (f === 'read') {
      const n = ttyNread(t);
      return { active: n > 0, data: n };
    }
    if (f === 'write') return { active: t.outqLen < HIWAT, data: Math.max(0, HIWAT - t.outqLen) };
    return { active: false, data: 0 };
  });
}

/** Carrier lost: what POSIX calls a modem disconnect. */
export function ttyModemDown(t: Tty): void {
  const leader = t.session?.leader ?? null;
  const pg = t.pgrp;
  pgsignal(pg, SIGHUP);
  pgsignal(pg, SIGCONT);
  if (leader !== null && leader.pgrp !== pg) pgsignal(leader.pgrp, SIGHUP);
  t.hangup();
}
