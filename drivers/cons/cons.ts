/**
 * The console: the machine's console as a terminal (/dev/console), and /dev/tty.
 *
 * Counterpart: sys/kern/tty_cons.c, tty_tty.c
 */
import type { Blocking } from '../../vkernel/sys/blocking.js';
import { EBUSY, EIO, ENXIO, EOPNOTSUPP, Errno } from '../../vkernel/sys/errno.js';
import { gd } from '../../vkernel/sys/globaldata.js';
import { type Cdev, D_TTY, type DevOps, devOps, makeDev } from '../../vkernel/vfs/devfs/cdev.js';
import { vnCloseFile, vnOpen } from '../../vkernel/vfs/vfs_vnops.js';
import { type File, FREAD, FWRITE, fileOps } from '../../vkernel/kern/file.js';
import type { Knote } from '../../vkernel/kern/kern_knote.js';
import { P_CONTROLT, type Lwp, type Proc } from '../../vkernel/kern/proc.js';
import { ECHO, ECHOCTL, ECHOE, ECHOKE, OPOST } from '../../vkernel/sys/termios.js';
import {
  Tty,
  ttyFlush,
  ttyKqfilter,
  ttyRead,
  ttyStart,
  ttyTryRead,
  ttyTryWrite,
  ttyWrite,
} from '../../vkernel/kern/tty.js';
import { ttyInput } from '../../vkernel/kern/tty_disc.js';
import { ttyIoctl, ttySetCtty, ttySetWinsize } from '../../vkernel/kern/tty_ioctl.js';

declare module '../../vkernel/sys/globaldata.js' {
  interface GlobalData {
    cons: { tty: Tty; dev: Cdev };
  }
}

const dataTty = (dev: Cdev): Tty => dev.data as Tty;

/** Devices that are terminals: as a rule their `data` is the Tty. */
export function ttyDevOps(name: string, more: Partial<DevOps> = {}, ttyOf: (dev: Cdev) => Tty = dataTty): DevOps {
  return devOps({
    name,
    type: D_TTY,
    seekable: false,
    *open(dev, _flags, _fp, lwp) {
      return ttyOf(dev).exclusive && lwp !== null && lwp.proc.cred.uid !== 0 ? EBUSY : null;
    },
    *close(dev, _flags, last) {
      const t = ttyOf(dev);
      if (!last) return null;
      t.exclusive = false;
      ttyStart(t);
      ttyFlush(t, true, false);
      return null;
    },
    tryRead: (dev, uio, flags, lwp) => ttyTryRead(ttyOf(dev), uio, flags, lwp),
    read: (dev, uio, flags, lwp) => ttyRead(ttyOf(dev), uio, flags, lwp),
    tryWrite: (dev, uio, flags, lwp) => ttyTryWrite(ttyOf(dev), uio, flags, lwp),
    write: (dev, uio, flags, lwp) => ttyWrite(ttyOf(dev), uio, flags, lwp),
    ioctl: (dev, cmd, data, flags, lwp) => ttyIoctl(ttyOf(dev), cmd, data, flags, lwp),
    kqfilter: (dev, kn) => ttyKqfilter(ttyOf(dev), kn),
    ...more,
  });
}

/** What is left of an open file after its terminal was hung up: end of file, and no more output. */
const revokedOps = fileOps({
  tryRead: () => null,
  *read() {
    return null;
  },
  tryWrite: () => EIO,
  *write() {
    return EIO;
  },
  *ioctl() {
    return EIO;
  },
  kqfilter: () => EOPNOTSUPP,
  tryClose(fp) {
    vnCloseFile(fp);
    return null;
  },
  *close(fp) {
    vnCloseFile(fp);
    return null;
  },
});

/** After a hang-up all who have the device open lose it, but for process 1, which talks on the console between sessions. */
export function revokeDev(dev: Cdev): void {
  const keep = new Set(gd.initproc?.fd.files ?? []);
  for (const fp of [...dev.files]) {
    if (keep.has(fp)) continue;
    dev.files.delete(fp);
    dev.opens--;
    const { tryStat, stat } = fp.ops;
    fp.ops = fileOps({ ...revokedOps, tryStat, stat });
  }
}

/** The controlling terminal of a process; ENXIO without one. */
function cttyOf(lwp: Lwp): Tty | Errno {
  const p = lwp.proc;
  const t = p.pgrp.session.tty;
  return t === null || (p.flags & P_CONTROLT) === 0 ? ENXIO : (t as Tty);
}

const cttyOps = devOps({
  name: 'tty',
  type: D_TTY,
  seekable: false,
  *open(_dev, _flags, fp, lwp) {
    if (lwp === null) return ENXIO;
    const t = cttyOf(lwp);
    if (t instanceof Errno) return t;
    if (fp !== null) ctty.set(fp, t);
    return null;
  },
  tryRead(_dev, uio, flags, lwp) {
    const t = cttyOf(lwp);
    return t instanceof Errno ? EIO : ttyTryRead(t, uio, flags, lwp);
  },
  *read(_dev, uio, flags, lwp) {
    const t = cttyOf(lwp);
    return t instanceof Errno ? EIO : yield* ttyRead(t, uio, flags, lwp);
  },
  tryWrite(_dev, uio, flags, lwp) {
    const t = cttyOf(lwp);
    return t instanceof Errno ? EIO : ttyTryWrite(t, uio, flags, lwp);
  },
  *write(_dev, uio, flags, lwp) {
    const t = cttyOf(lwp);
    return t instanceof Errno ? EIO : yield* ttyWrite(t, uio, flags, lwp);
  },
  *ioctl(_dev, cmd, data, flags, lwp) {
    const t = cttyOf(lwp);
    return t instanceof Errno ? EIO : yield* ttyIoctl(t, cmd, data, flags, lwp);
  },
  kqfilter(_dev, kn) {
    // A knote does not say who asks: the terminal that /dev/tty meant when the file was opened.
    const { fp } = kn as Knote;
    const t = fp === null ? undefined : ctty.get(fp);
    return t === undefined ? ENXIO : ttyKqfilter(t, kn);
  },
});
const ctty = new WeakMap<File, Tty>();

/** Make /dev/console and /dev/tty. After vfsBoot. */
export function consInit(): void {
  const { console } = gd.machine;
  const tty: Tty = new Tty(
    (data) => console.write(data),
    0,
    () => revokeDev(gd.cons.dev),
  );
  if (!console.isatty) {
    // A pipe or a file: nobody to echo to, and no carriage returns wanted.
    tty.lflag &= ~(ECHO | ECHOE | ECHOKE | ECHOCTL);
    tty.oflag &= ~OPOST;
  }
  const size = console.size();
  tty.rows = size.rows;
  tty.cols = size.cols;
  tty.xpixel = size.xpixel;
  tty.ypixel = size.ypixel;
  const dev = makeDev(ttyDevOps('console'), 'console', 0o600, { data: tty });
  tty.rdev = dev.rdev;
  gd.cons = { tty, dev };
  makeDev(cttyOps, 'tty', 0o666);
}

/** Somebody typed on the machine's console. */
export function consoleInput(data: Uint8Array): void {
  ttyInput(gd.cons.tty, data);
}

/** The machine's console has another size. */
export function consoleResize(): void {
  const s = gd.machine.console.size();
  ttySetWinsize(gd.cons.tty, s.rows, s.cols, s.xpixel, s.ypixel);
}

/**
 * Open the console for a process that the kernel starts.
 * @param control also make it the controlling terminal (p leads its session)
 */
export function* consoleFile(p: Proc, control: boolean): Blocking<File | null> {
  // A process that has no thread yet opens files all the same: only its tables and credentials are looked at.
  const lwp = p.firstLwp() ?? ({ proc: p } as Lwp);
  const fp = yield* vnOpen(lwp, p.fd.root, '/dev/console', FREAD | FWRITE, 0);
  if (fp instanceof Errno) return null;
  if (control) ttySetCtty(gd.cons.tty, p);
  return fp;
}
