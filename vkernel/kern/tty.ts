/**
 * Terminals: state, output processing, read and write.
 *
 * Input bytes come in by ttyInput (tty_disc.ts), outside any thread. In canonical mode they are edited in `rawq` until a line ends and then move to `canq`;
 * otherwise they go to `canq` at once. Readers take from `canq` only. Output is processed and handed to the device, which never
 * sleeps; only after a STOP character does it wait in `outq`, and then writers sleep.
 *
 * Queued characters carry QUOTE when the user typed LNEXT before them: they mean nothing special then.
 *
 * Counterpart: sys/kern/tty.c; dragonfly-abi.md 3.9, 4.9
 */
import type { Blocking } from '../sys/blocking.js';
import { EAGAIN, EIO, EWOULDBLOCK, type Errno, NOTNOW } from '../sys/errno.js';
import { SIGCONT, SIGHUP, SIGTSTP, SIGTTIN, SIGTTOU, SIG_IGN, sigismember } from '../sys/signal.js';
import {
  BRKINT,
  CREAD,
  CS8,
  ECHO,
  ECHOCTL,
  ECHOE,
  ECHOKE,
  FLUSHO,
  HUPCL,
  ICANON,
  ICRNL,
  IEXTEN,
  IMAXBEL,
  ISIG,
  IXANY,
  IXON,
  OCRNL,
  ONLCR,
  ONLRET,
  ONOCR,
  ONOEOT,
  OPOST,
  OXTABS,
  TOSTOP,
  TTYDEFCHARS,
  VDISABLE,
  VDSUSP,
  VEOF,
  VEOL,
  VEOL2,
  VMIN,
  VTIME,
} from '../sys/termios.js';
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

/** Mark on a queued character. */
export const QUOTE = 0x100;
export const NL = 10;
export const CR = 13;
export const TAB = 9;
export const BS = 8;

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

const TTYDEF_IFLAG = BRKINT | ICRNL | IMAXBEL | IXON | IXANY;
const TTYDEF_OFLAG = OPOST | ONLCR;
const TTYDEF_CFLAG = CREAD | CS8 | HUPCL;
const TTYDEF_LFLAG = ECHO | ICANON | ISIG | IEXTEN | ECHOE | ECHOKE | ECHOCTL;
const TTYDEF_SPEED = 115200;

/** What the device of a terminal hears of besides output; a pty tells its master. */
export interface TtyHooks {
  /** Output was stopped, or goes on. */
  stopped(on: boolean): void;
  flushed(input: boolean, output: boolean): void;
  /** A reader has taken input: there is room. */
  taken(): void;
  /** Modes or control characters were set. */
  modes(): void;
}

export class Tty implements SessionTty {
  session: Session | null = null;
  pgrp: Pgrp | null = null;
  iflag = TTYDEF_IFLAG;
  oflag = TTYDEF_OFLAG;
  cflag = TTYDEF_CFLAG;
  lflag = TTYDEF_LFLAG;
  readonly cc = Uint8Array.from(TTYDEFCHARS);
  ispeed = TTYDEF_SPEED;
  ospeed = TTYDEF_SPEED;
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
  /** Output that the device has taken and not got rid of yet: writers wait for it as for `outq`. */
  backlog = 0;
  hooks: TtyHooks | null = null;
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

  /** Modes of a terminal that is opened for the first time. */
  setDefaults(): void {
    this.iflag = TTYDEF_IFLAG;
    this.oflag = TTYDEF_OFLAG;
    this.cflag = TTYDEF_CFLAG;
    this.lflag = TTYDEF_LFLAG;
    this.cc.set(TTYDEFCHARS);
    this.ispeed = TTYDEF_SPEED;
    this.ospeed = TTYDEF_SPEED;
  }

  hangup(): void {
    this.gen++;
    this.session = null;
    this.pgrp = null;
    // What the device has taken already stays: the master of a pty may still read it.
    ttyFlush(this, true, true, false);
    this.stopped = false;
    wakeup(this.rq);
    wakeup(this.wq);
    this.revoke();
  }
}

/** A key, unless it is disabled. */
export const isCc = (t: Tty, i: number, c: number): boolean => t.cc[i] === c && t.cc[i] !== VDISABLE;

export const isctty = (t: Tty, p: Proc): boolean => t.session === p.pgrp.session && (p.flags & P_CONTROLT) !== 0;
export const isbackground = (t: Tty, p: Proc): boolean => isctty(t, p) && p.pgrp !== t.pgrp;

// Output.

const outBuf = new Uint8Array(16384);
let outLen = 0;

export function flushOut(t: Tty): void {
  if (outLen === 0) return;
  const data = outBuf.slice(0, outLen);
  outLen = 0;
  if (t.stopped) {
    t.outq.push(data);
    t.outqLen += data.length;
  } else t.put(data);
}

/** One character through output processing into outBuf. */
export function outChar(t: Tty, c: number): void {
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
  t.hooks?.stopped(true);
}
export function ttyStart(t: Tty): void {
  if (!t.stopped) return;
  t.stopped = false;
  t.outqLen = 0;
  t.hooks?.stopped(false);
  for (const d of t.outq.splice(0)) t.put(d);
  wakeup(t.wq);
  t.klist.notify();
}

/** Drop input, output or both; with `device`, in the device too. */
export function ttyFlush(t: Tty, input: boolean, output: boolean, device = true): void {
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
  if (device) t.hooks?.flushed(input, output);
}

/** Must writers wait? */
const outFull = (t: Tty): boolean => t.outqLen + t.backlog >= HIWAT;

/** The device has got rid of output. */
export function ttyOutDone(t: Tty): void {
  if (outFull(t)) return;
  if (t.wq.head !== null) wakeup(t.wq);
  t.klist.notify();
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
  } else t.hooks?.taken();
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
    t.hooks?.taken();
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
  if (outFull(t)) return (flags & O_NONBLOCK) !== 0 ? EAGAIN : NOTNOW;
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
    if (outFull(t)) {
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
  while (t.outqLen + t.backlog > 0 && t.gen === gen) {
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
    if (f === 'write') return { active: !outFull(t), data: Math.max(0, HIWAT - t.outqLen - t.backlog) };
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
