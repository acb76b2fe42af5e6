/**
 * Pseudo-terminals. Opening /dev/ptmx makes a pair: the master is what was opened (a clone, ptm/N), the slave /dev/pts/N is
 * a terminal. What is written to one side is read from the other, through the slave's line discipline.
 *
 * The pair is `connected` from the master's open to the slave's last close (then the master reads what is left, and the
 * end), and again when the slave is opened once more. The pair goes when the master is closed.
 *
 * Counterpart: sys/kern/tty_pty.c; dragonfly-abi.md 4.9
 */
import type { Blocking } from '../../vkernel/sys/blocking.js';
import { EAGAIN, EBUSY, EINVAL, EIO, ENXIO, type Errno, NOTNOW } from '../../vkernel/sys/errno.js';
import { gd } from '../../vkernel/sys/globaldata.js';
import { SIGINFO } from '../../vkernel/sys/signal.js';
import { ICANON, IXON, NOFLSH, NOKERNINFO, VSTART, VSTOP } from '../../vkernel/sys/termios.js';
import { type Uio, uiomoveB } from '../../vkernel/vm/uio.js';
import { type Cdev, D_TTY, destroyDev, type DevOps, devOps, makeDev } from '../../vkernel/vfs/devfs/cdev.js';
import { O_NONBLOCK } from '../../vkernel/kern/file.js';
import { Klist, knoteKlist } from '../../vkernel/kern/kern_knote.js';
import { pgsignal } from '../../vkernel/kern/kern_sig.js';
import { PCATCH, tsleep, WaitQ, wakeup } from '../../vkernel/kern/lwkt_thread.js';
import type { Lwp } from '../../vkernel/kern/proc.js';
import { Tty, ttyFlush, ttyModemDown, ttyOutDone } from '../../vkernel/kern/tty.js';
import { ttyInfo, ttyInput } from '../../vkernel/kern/tty_disc.js';
import { FIONREAD, TIOCGPGRP, ttyIoctl } from '../../vkernel/kern/tty_ioctl.js';
import { revokeDev, ttyDevOps } from '../cons/cons.js';

const MAXPTYS = 1000;
const GID_TTY = 4;
const TIOCISPTMASTER = 0x20007455;
const TIOCSIG = 0x2000745f;
const TIOCUCNTL = 0x80047466;
const TIOCREMOTE = 0x80047469;
const TIOCPKT = 0x80047470;
/** _IO('u', n): what a slave says to a master in user control mode. */
const UIOCCMD = 0x20007500;

const TIOCPKT_FLUSHREAD = 0x1;
const TIOCPKT_FLUSHWRITE = 0x2;
const TIOCPKT_STOP = 0x4;
const TIOCPKT_START = 0x8;
const TIOCPKT_NOSTOP = 0x10;
const TIOCPKT_DOSTOP = 0x20;

/** Input that waits for the slave's readers before the master's writers wait. */
const TTYHOG = 8192;

class Pty {
  readonly tty: Tty;
  master: Cdev = null as unknown as Cdev;
  slave: Cdev = null as unknown as Cdev;
  /** Processed output for the master. */
  out: Uint8Array[] = [];
  /** Bytes of out[0] that have been read. */
  outAt = 0;
  connected = true;
  slaveOpen = false;
  packet = false;
  /** TIOCPKT_* bits to be read in packet mode. */
  send = 0;
  noStop = false;
  userControl = false;
  ucntl = 0;
  remote = false;
  /** The master's readers and writers. */
  readonly rq = new WaitQ();
  readonly wq = new WaitQ();
  readonly klist = new Klist();

  constructor(readonly unit: number) {
    this.tty = new Tty(
      (data) => this.output(data),
      0,
      () => {
        revokeDev(this.slave);
        if (this.slave.opens === 0) this.slaveClosed();
      },
    );
    this.tty.hooks = {
      stopped: (on) => this.tell(on ? TIOCPKT_STOP : TIOCPKT_START, on ? TIOCPKT_START : TIOCPKT_STOP),
      flushed: (input, output) => {
        if (output) {
          this.out = [];
          this.outAt = 0;
          this.tty.backlog = 0;
        }
        this.tell((input ? TIOCPKT_FLUSHREAD : 0) | (output ? TIOCPKT_FLUSHWRITE : 0), 0);
        if (input) this.wakeWriters();
      },
      taken: () => this.wakeWriters(),
      modes: () => this.modesSet(),
    };
  }

  private output(data: Uint8Array): void {
    this.out.push(data);
    this.tty.backlog += data.length;
    this.wakeReaders();
  }
  private tell(set: number, clear: number): void {
    this.send = (this.send & ~clear) | set;
    this.wakeReaders();
  }
  /** Packet mode says when ^S and ^Q begin or cease to mean stop and start. */
  private modesSet(): void {
    const { iflag, cc } = this.tty;
    const stop = (iflag & IXON) !== 0 && cc[VSTOP] === 0x13 && cc[VSTART] === 0x11;
    if (stop !== this.noStop) return;
    this.noStop = !stop;
    this.tell(stop ? TIOCPKT_DOSTOP : TIOCPKT_NOSTOP, stop ? TIOCPKT_NOSTOP : TIOCPKT_DOSTOP);
  }
  wakeReaders(): void {
    if (this.rq.head !== null) wakeup(this.rq);
    this.klist.notify();
  }
  wakeWriters(): void {
    if (this.wq.head !== null) wakeup(this.wq);
    this.klist.notify();
  }

  /** Is there something for the master to read? */
  get readable(): boolean {
    return this.out.length > 0 || (this.packet && this.send !== 0) || (this.userControl && this.ucntl !== 0);
  }
  /** Room for input from the master. */
  get room(): number {
    const { rawq, canq, lflag } = this.tty;
    if (!this.slaveOpen) return 0;
    if (this.remote) return canq.length === 0 ? TTYHOG : 0;
    // A line being edited must be able to end, however long it is.
    if (canq.length === 0 && (lflag & ICANON) !== 0) return TTYHOG;
    return Math.max(0, TTYHOG - rawq.length - canq.length);
  }
  /** Up to `max` bytes for the master; the control byte of packet mode comes first. */
  take(max: number): Uint8Array {
    if (this.packet && this.send !== 0) {
      const b = Uint8Array.of(this.send);
      this.send = 0;
      return b;
    }
    if (this.userControl && this.ucntl !== 0) {
      const b = Uint8Array.of(this.ucntl);
      this.ucntl = 0;
      return b;
    }
    const head = this.packet || this.userControl ? 1 : 0;
    const b = new Uint8Array(Math.min(max, head + this.tty.backlog));
    let n = head;
    while (n < b.length) {
      const d = this.out[0];
      const part = Math.min(d.length - this.outAt, b.length - n);
      b.set(d.subarray(this.outAt, this.outAt + part), n);
      n += part;
      this.outAt += part;
      if (this.outAt < d.length) continue;
      this.out.shift();
      this.outAt = 0;
    }
    this.tty.backlog -= n - head;
    ttyOutDone(this.tty);
    return b;
  }

  slaveClosed(): void {
    this.slaveOpen = false;
    this.connected = false;
    this.tty.session = null;
    this.tty.pgrp = null;
    this.wakeReaders();
    this.wakeWriters();
  }
}

declare module '../../vkernel/sys/globaldata.js' {
  interface GlobalData {
    /** Pairs by number. */
    ptys: (Pty | null)[];
  }
}

const ptyOf = (dev: Cdev): Pty => dev.data as Pty;

/** Make a pair for the opener of ptmx. */
function ptyNew(lwp: Lwp): Pty | Errno {
  let unit = gd.ptys.indexOf(null);
  if (unit < 0) unit = gd.ptys.length;
  if (unit >= MAXPTYS) return ENXIO;
  const pt = new Pty(unit);
  gd.ptys[unit] = pt;
  const { ruid } = lwp.proc.cred;
  pt.master = makeDev(masterOps, `ptm/${unit}`, 0o600, { uid: ruid, minor: unit, data: pt });
  pt.slave = makeDev(slaveOps, `pts/${unit}`, 0o620, { uid: ruid, gid: GID_TTY, minor: unit, data: pt });
  pt.tty.rdev = pt.slave.rdev;
  return pt;
}

const ptmxOps = devOps({
  name: 'ptmx',
  type: D_TTY,
  seekable: false,
  *open(_dev, _flags, fp, lwp) {
    if (fp === null || lwp === null) return ENXIO;
    const pt = ptyNew(lwp);
    if (!(pt instanceof Pty)) return pt;
    fp.dev = pt.master;
    return null;
  },
});

// The master.

/** May the master read now? null to go on, NOTNOW to sleep; `eof` when the slave is gone. */
function readState(pt: Pty, flags: number): Errno | null | 'eof' {
  if (pt.readable) return null;
  if (!pt.connected) return 'eof';
  return (flags & O_NONBLOCK) !== 0 ? EAGAIN : NOTNOW;
}

function* masterRead(pt: Pty, uio: Uio, flags: number): Blocking<Errno | null> {
  if (uio.resid === 0) return null;
  for (;;) {
    const s = readState(pt, flags);
    if (s === 'eof') return null;
    if (s === null) break;
    if (s !== NOTNOW) return s;
    const e = yield* tsleep(pt.rq, 'ptcin', PCATCH);
    if (e !== null) return e;
  }
  const data = pt.take(Math.min(uio.resid, 65536));
  return yield* uiomoveB(data, 0, data.length, uio);
}

function* masterWrite(pt: Pty, uio: Uio, flags: number): Blocking<Errno | null> {
  const start = uio.resid;
  const buf = new Uint8Array(Math.min(1024, start));
  while (uio.resid > 0) {
    if (!pt.connected) return EIO;
    const room = Math.min(pt.room, buf.length);
    if (room === 0) {
      if ((flags & O_NONBLOCK) !== 0) return uio.resid === start ? EAGAIN : null;
      const e = yield* tsleep(pt.wq, 'ptcout', PCATCH);
      if (e !== null) return e;
      continue;
    }
    const before = uio.resid;
    const e = yield* uiomoveB(buf, 0, Math.min(room, before), uio);
    const data = buf.subarray(0, before - uio.resid);
    if (pt.remote) for (const c of data) pt.tty.canq.push(c);
    else ttyInput(pt.tty, data);
    if (pt.remote) wakeup(pt.tty.rq);
    if (e !== null) return e;
  }
  return null;
}

function* masterIoctl(pt: Pty, cmd: number, data: DataView, flags: number, lwp: Lwp): Blocking<number | Errno> {
  const t = pt.tty;
  const on = data.getInt32(0, true) !== 0;
  switch (cmd) {
    case TIOCISPTMASTER:
      return 0;
    case TIOCGPGRP:
      data.setInt32(0, t.pgrp?.id ?? 0, true);
      return 0;
    case FIONREAD:
      data.setInt32(0, t.backlog, true);
      return 0;
    case TIOCPKT:
      if (on && pt.userControl) return EINVAL;
      pt.packet = on;
      pt.send = 0;
      return 0;
    case TIOCUCNTL:
      if (on && pt.packet) return EINVAL;
      pt.userControl = on;
      return 0;
    case TIOCREMOTE:
      pt.remote = on;
      ttyFlush(t, true, true);
      return 0;
    case TIOCSIG: {
      const sig = data.getInt32(0, true);
      if (sig <= 0 || sig > 128) return EINVAL;
      if ((t.lflag & NOFLSH) === 0) ttyFlush(t, true, true);
      pgsignal(t.pgrp, sig);
      if (sig === SIGINFO && (t.lflag & NOKERNINFO) === 0) ttyInfo(t);
      return 0;
    }
    default:
      return yield* ttyIoctl(t, cmd, data, flags, lwp);
  }
}

const masterOps = devOps({
  name: 'ptm',
  type: D_TTY,
  seekable: false,
  // By its name: only the one that opened ptmx has it.
  *open() {
    return EIO;
  },
  *close(dev) {
    const pt = ptyOf(dev);
    pt.connected = false;
    ttyModemDown(pt.tty);
    destroyDev(pt.slave);
    destroyDev(pt.master);
    gd.ptys[pt.unit] = null;
    return null;
  },
  tryRead(dev, _uio, flags) {
    const pt = ptyOf(dev);
    const s = readState(pt, flags);
    return s === 'eof' ? null : (s ?? NOTNOW);
  },
  read: (dev, uio, flags) => masterRead(ptyOf(dev), uio, flags),
  write: (dev, uio, flags) => masterWrite(ptyOf(dev), uio, flags),
  ioctl: (dev, cmd, data, flags, lwp) => masterIoctl(ptyOf(dev), cmd, data, flags, lwp),
  kqfilter(dev, kn) {
    const pt = ptyOf(dev);
    return knoteKlist(kn, pt.klist, (f) => {
      if (f === 'read') return { active: pt.readable || !pt.connected, data: pt.tty.backlog, eof: !pt.connected };
      if (f === 'write') return { active: pt.room > 0 || !pt.connected, data: pt.room, eof: !pt.connected };
      return { active: false, data: 0 };
    });
  },
});

// The slave: a terminal, whose device is the master.

const slaveTty = ttyDevOps('pts', {}, (dev) => ptyOf(dev).tty);

const slaveOps: DevOps = devOps({
  ...slaveTty,
  *open(dev, _flags, _fp, lwp) {
    const pt = ptyOf(dev);
    const t = pt.tty;
    if (pt.master.opens === 0) return EIO;
    if (!pt.slaveOpen) {
      t.setDefaults();
      pt.noStop = false;
    } else if (t.exclusive && lwp !== null && lwp.proc.cred.uid !== 0) return EBUSY;
    pt.slaveOpen = true;
    pt.connected = true;
    pt.wakeWriters();
    return null;
  },
  *close(dev, flags, last) {
    yield* slaveTty.close(dev, flags, last);
    if (last) ptyOf(dev).slaveClosed();
    return null;
  },
  *ioctl(dev, cmd, data, flags, lwp) {
    const pt = ptyOf(dev);
    if (!pt.userControl || (cmd & ~0xff) !== UIOCCMD) return yield* ttyIoctl(pt.tty, cmd, data, flags, lwp);
    if ((cmd & 0xff) !== 0) {
      pt.ucntl = cmd & 0xff;
      pt.wakeReaders();
    }
    return 0;
  },
});

export function ptyInit(): void {
  gd.ptys = [];
  makeDev(ptmxOps, 'ptmx', 0o666);
}
