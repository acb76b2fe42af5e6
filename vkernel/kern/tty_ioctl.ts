/**
 * ioctls of terminals. Structures: dragonfly-abi.md 3.9 (termios, winsize).
 *
 * Counterpart: sys/kern/tty.c (ttioctl), tty_tty.c
 */
import type { Blocking } from '../sys/blocking.js';
import { EINVAL, ENOTTY, ENXIO, EPERM, type Errno, NOTNOW } from '../sys/errno.js';
import { SIGTTOU, SIGWINCH } from '../sys/signal.js';
import { FREAD, FWRITE } from './file.js';
import { pgsignal } from './kern_sig.js';
import { P_CONTROLT, pgfind, type Lwp, type Proc } from './proc.js';
import { ICANON, VMIN } from '../sys/termios.js';
import {
  type Tty,
  isctty,
  ttyBackground,
  ttyDrain,
  ttyFlush,
  ttyNread,
  ttyStart,
  ttyStop,
  ttyWriteCheck,
} from './tty.js';
import { ttyCanonChanged, ttyInfo, ttyInput } from './tty_disc.js';
import { wakeup } from './lwkt_thread.js';

const FIOASYNC = 0x8004667d;
const FIONBIO = 0x8004667e;
export const FIONREAD = 0x4004667f;
const TIOCEXCL = 0x2000740d;
const TIOCNXCL = 0x2000740e;
const TIOCFLUSH = 0x80047410;
export const TIOCGETA = 0x402c7413;
export const TIOCSETA = 0x802c7414;
export const TIOCSETAW = 0x802c7415;
export const TIOCSETAF = 0x802c7416;
const TIOCGETD = 0x4004741a;
const TIOCSETD = 0x8004741b;
const TIOCGDRAINWAIT = 0x40047456;
const TIOCSDRAINWAIT = 0x80047457;
const TIOCDRAIN = 0x2000745e;
export const TIOCSCTTY = 0x20007461;
const TIOCCONS = 0x80047462;
const TIOCGSID = 0x40047463;
const TIOCSTAT = 0x20007465;
export const TIOCSWINSZ = 0x80087467;
export const TIOCGWINSZ = 0x40087468;
const TIOCSTART = 0x2000746e;
const TIOCSTOP = 0x2000746f;
export const TIOCNOTTY = 0x20007471;
export const TIOCSTI = 0x80017472;
export const TIOCOUTQ = 0x40047473;
export const TIOCSPGRP = 0x80047476;
export const TIOCGPGRP = 0x40047477;

/** The process group of nobody. */
const NO_PID = 100000;

/** Commands that change the terminal: a background process is stopped before it may. */
const MODIFIES = new Set([
  TIOCSETA,
  TIOCSETAW,
  TIOCSETAF,
  TIOCSETD,
  TIOCFLUSH,
  TIOCDRAIN,
  TIOCSTI,
  TIOCSWINSZ,
  TIOCSPGRP,
  TIOCSTART,
  TIOCSTOP,
  TIOCSTAT,
]);

function getTermios(t: Tty, v: DataView): void {
  v.setUint32(0, t.iflag, true);
  v.setUint32(4, t.oflag, true);
  v.setUint32(8, t.cflag, true);
  v.setUint32(12, t.lflag, true);
  for (let i = 0; i < 20; i++) v.setUint8(16 + i, t.cc[i]);
  v.setUint32(36, t.ispeed, true);
  v.setUint32(40, t.ospeed, true);
}

function setTermios(t: Tty, v: DataView): void {
  const canon = t.lflag & ICANON;
  const min = t.cc[VMIN];
  t.iflag = v.getUint32(0, true);
  t.oflag = v.getUint32(4, true);
  t.cflag = v.getUint32(8, true);
  t.lflag = v.getUint32(12, true);
  for (let i = 0; i < 20; i++) t.cc[i] = v.getUint8(16 + i);
  t.ispeed = v.getUint32(36, true);
  t.ospeed = v.getUint32(40, true);
  if (t.ispeed === 0) t.ispeed = t.ospeed;
  if ((t.lflag & ICANON) !== canon) ttyCanonChanged(t);
  // Sleeping readers look again: they may be satisfied now.
  else if (t.cc[VMIN] !== min || t.canq.length > 0) wakeup(t.rq);
  t.klist.notify();
  t.hooks?.modes();
}

/** Make `t` the controlling terminal of `p`'s session. EPERM: not a leader, or either has another. */
export function ttySetCtty(t: Tty, p: Proc): Errno | null {
  const s = p.pgrp.session;
  if (s.leader !== p) return EPERM;
  if (s.tty === t && t.session === s) return null;
  if (s.tty !== null || t.session !== null) return EPERM;
  t.session = s;
  t.pgrp = p.pgrp;
  s.tty = t;
  p.flags |= P_CONTROLT;
  return null;
}

export function ttySetWinsize(t: Tty, rows: number, cols: number, xpixel: number, ypixel: number): void {
  if (t.rows === rows && t.cols === cols && t.xpixel === xpixel && t.ypixel === ypixel) return;
  t.rows = rows;
  t.cols = cols;
  t.xpixel = xpixel;
  t.ypixel = ypixel;
  pgsignal(t.pgrp, SIGWINCH);
}

export function* ttyIoctl(t: Tty, cmd: number, data: DataView, flags: number, lwp: Lwp): Blocking<number | Errno> {
  const p = lwp.proc;
  if (MODIFIES.has(cmd)) {
    for (;;) {
      const e = ttyWriteCheck(t, lwp, true);
      if (e === null) break;
      if (e !== NOTNOW) return e;
      const b = yield* ttyBackground(lwp, SIGTTOU);
      if (b !== null) return b;
    }
  }
  switch (cmd) {
    case FIOASYNC:
    case FIONBIO:
      return 0;
    case FIONREAD:
      data.setInt32(0, ttyNread(t), true);
      return 0;
    case TIOCOUTQ:
      data.setInt32(0, t.outqLen + t.backlog, true);
      return 0;
    case TIOCEXCL:
      t.exclusive = true;
      return 0;
    case TIOCNXCL:
      t.exclusive = false;
      return 0;
    case TIOCFLUSH: {
      const what = data.getInt32(0, true);
      ttyFlush(t, what === 0 || (what & FREAD) !== 0, what === 0 || (what & FWRITE) !== 0);
      return 0;
    }
    case TIOCGETA:
      getTermios(t, data);
      return 0;
    case TIOCSETAW:
    case TIOCSETAF: {
      const e = yield* ttyDrain(t);
      if (e !== null) return e;
      if (cmd === TIOCSETAF) ttyFlush(t, true, false);
      setTermios(t, data);
      return 0;
    }
    case TIOCSETA:
      setTermios(t, data);
      return 0;
    case TIOCGETD:
      data.setInt32(0, 0, true);
      return 0;
    case TIOCSETD:
      return data.getInt32(0, true) === 0 ? 0 : ENXIO;
    case TIOCDRAIN:
      return (yield* ttyDrain(t)) ?? 0;
    case TIOCGDRAINWAIT:
      data.setInt32(0, 300, true);
      return 0;
    case TIOCSDRAINWAIT:
      return p.cred.uid === 0 ? 0 : EPERM;
    case TIOCSTART:
      ttyStart(t);
      return 0;
    case TIOCSTOP:
      ttyStop(t);
      return 0;
    case TIOCSTI:
      if (p.cred.uid !== 0 && (!isctty(t, p) || (flags & FREAD) === 0)) return EPERM;
      ttyInput(t, Uint8Array.of(data.getUint8(0)));
      return 0;
    case TIOCSTAT:
      ttyInfo(t);
      return 0;
    case TIOCCONS:
      return p.cred.uid === 0 ? 0 : EPERM;
    case TIOCSCTTY:
      return ttySetCtty(t, p) ?? 0;
    case TIOCNOTTY:
      if (!isctty(t, p)) return ENOTTY;
      if (p.pgrp.session.leader === p) return EINVAL;
      p.flags &= ~P_CONTROLT;
      return 0;
    case TIOCGSID:
      if (!isctty(t, p)) return ENOTTY;
      data.setInt32(0, p.pgrp.session.sid, true);
      return 0;
    case TIOCGPGRP:
      if (!isctty(t, p)) return ENOTTY;
      data.setInt32(0, t.pgrp?.id ?? NO_PID, true);
      return 0;
    case TIOCSPGRP: {
      if (!isctty(t, p)) return ENOTTY;
      const pg = pgfind(data.getInt32(0, true));
      if (pg === null || pg.session !== p.pgrp.session) return EPERM;
      t.pgrp = pg;
      // Readers that sleep look again: they may be in the background now, and a stop does not end their sleep.
      wakeup(t.rq);
      return 0;
    }
    case TIOCGWINSZ:
      data.setUint16(0, t.rows, true);
      data.setUint16(2, t.cols, true);
      data.setUint16(4, t.xpixel, true);
      data.setUint16(6, t.ypixel, true);
      return 0;
    case TIOCSWINSZ:
      ttySetWinsize(
        t,
        data.getUint16(0, true),
        data.getUint16(2, true),
        data.getUint16(4, true),
        data.getUint16(6, true),
      );
      return 0;
    default:
      return ENOTTY;
  }
}
