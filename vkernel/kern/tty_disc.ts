/**
 * The line discipline: what typed characters do. Editing, echo, keys that send signals or stop output, the status line.
 *
 * Runs outside any thread, for each batch of characters from the device. Nothing here sleeps.
 *
 * Counterpart: sys/kern/tty.c (ttyinput, ttyecho, ttyrub, ttyinfo)
 */
import { SIGINFO, SIGINT, SIGQUIT, SIGTSTP } from '../sys/signal.js';
import {
  ALTWERASE,
  ECHO,
  ECHOCTL,
  ECHOE,
  ECHOK,
  ECHOKE,
  ECHONL,
  ECHOPRT,
  FLUSHO,
  ICANON,
  ICRNL,
  IEXTEN,
  IGNCR,
  IMAXBEL,
  INLCR,
  ISIG,
  ISTRIP,
  IXANY,
  IXON,
  NOFLSH,
  NOKERNINFO,
  PARMRK,
  VDISCARD,
  VEOF,
  VEOL,
  VEOL2,
  VERASE,
  VERASE2,
  VINTR,
  VKILL,
  VLNEXT,
  VQUIT,
  VREPRINT,
  VSTART,
  VSTATUS,
  VSTOP,
  VSUSP,
  VWERASE,
} from '../sys/termios.js';
import { pgsignal } from './kern_sig.js';
import { wakeup } from './lwkt_thread.js';
import type { Proc } from './proc.js';
import { ksprintf } from './subr_prf.js';
import {
  BS,
  CR,
  NL,
  QUOTE,
  TAB,
  type Tty,
  flushOut,
  isCc,
  outChar,
  ttyFlush,
  ttyPrint,
  ttyStart,
  ttyStop,
} from './tty.js';
import { loadAverages, uschedCharge } from './usched.js';

const BELL = 7;
/** Longest line being edited, and most input waiting to be read. */
const MAX_CANON = 4096;
const MAX_INPUT = 262144;

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
  echo(t, t.cc[VREPRINT]);
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
