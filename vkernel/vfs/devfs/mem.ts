/**
 * null, zero, full, random, urandom; fd/N, stdin, stdout, stderr.
 *
 * Counterpart: sys/kern/kern_memio.c, kern_descrip.c (fdopen)
 */
import { fdget } from '../../kern/file.js';
import { Klist, knoteKlist } from '../../kern/kern_knote.js';
import { EBADF, ENODEV, ENOSPC, EACCES, Errno, ENOTTY, NOTNOW } from '../../sys/errno.js';
import { gd } from '../../sys/globaldata.js';
import { type Uio, uiomove, uiomoveB, uiozero } from '../../vm/uio.js';
import { vmObjectAlloc } from '../../vm/vm_object.js';
import { type Cdev, D_MEM, devOps, makeDev } from './cdev.js';

/** Consume all that is written. */
function swallow(_dev: Cdev, uio: Uio): null {
  for (let iov = uio.current(); iov !== null; iov = uio.current()) uio.advance(iov, iov.len);
  return null;
}

const FIONBIO = 0x8004667e;
const FIOASYNC = 0x8004667d;

/** select, poll and kqueue: these devices are always ready. */
const alwaysReady = (_dev: Cdev, kn: object): Errno | null =>
  knoteKlist(kn, new Klist(), (f) => (f === 'except' ? null : { active: true, data: 0 }));

const nullOps = devOps({
  name: 'null',
  type: D_MEM,
  kqfilter: alwaysReady,
  tryRead: () => null,
  *read() {
    return null;
  },
  tryWrite: swallow,
  *write(dev, uio) {
    return swallow(dev, uio);
  },
  *ioctl(_dev, cmd) {
    return cmd === FIONBIO || cmd === FIOASYNC ? 0 : ENOTTY;
  },
});

const zeroPage = new Uint8Array(65536);

const tryZero = (_dev: Cdev, uio: Uio): Errno | null => uiozero(uio.resid, uio);

const zeroOps = devOps({
  name: 'zero',
  type: D_MEM,
  kqfilter: alwaysReady,
  tryRead: tryZero,
  *read(_dev, uio) {
    while (uio.resid > 0) {
      const e = yield* uiomoveB(zeroPage, 0, zeroPage.length, uio);
      if (e !== null) return e;
    }
    return null;
  },
  tryWrite: swallow,
  *write(dev, uio) {
    return swallow(dev, uio);
  },
  // Anonymous memory under another name.
  mmapObject: (_dev, _prot, _flags) => vmObjectAlloc('anon', null, 2 ** 47),
});

const fullOps = devOps({
  name: 'full',
  type: D_MEM,
  kqfilter: alwaysReady,
  tryRead: tryZero,
  read: zeroOps.read,
  tryWrite: () => ENOSPC,
  *write() {
    return ENOSPC;
  },
});

/** Random bytes are made here, up to this many at a time. */
const randomBuf = new Uint8Array(4096);

function tryRandom(_dev: Cdev, uio: Uio): Errno | null {
  while (uio.resid > 0) {
    const n = Math.min(uio.resid, randomBuf.length);
    const chunk = n === randomBuf.length ? randomBuf : randomBuf.subarray(0, n);
    gd.machine.entropy(chunk);
    const e = uiomove(chunk, 0, n, uio);
    if (e !== null) return e;
  }
  return null;
}

const randomOps = devOps({
  name: 'random',
  type: D_MEM,
  kqfilter: alwaysReady,
  tryRead: tryRandom,
  *read(_dev, uio) {
    const buf = new Uint8Array(4096);
    while (uio.resid > 0) {
      gd.machine.entropy(buf);
      const e = yield* uiomoveB(buf, 0, buf.length, uio);
      if (e !== null) return e;
    }
    return null;
  },
  // Seeding from the guest adds nothing to the machine's entropy.
  tryWrite: swallow,
  *write(dev, uio) {
    return swallow(dev, uio);
  },
});

/** Opening fd/N is a dup of descriptor N, with no more access than that has. */
const fdOps = devOps({
  name: 'fd',
  *open(dev, flags, fp, lwp) {
    if (fp === null || lwp === null) return ENODEV;
    const n = (dev.data as { fd: number }).fd;
    const target = fdget(lwp.proc, n);
    if (target instanceof Errno) return EBADF;
    if ((flags & 3 & ~target.flags) !== 0) return EACCES;
    fp.dupOf = target;
    return null;
  },
  tryRead: () => NOTNOW,
});

export const NUMFDESC = 64;

/** Make the devices that every system has. */
export function memDevInit(): void {
  makeDev(nullOps, 'null', 0o666);
  makeDev(zeroOps, 'zero', 0o666);
  makeDev(fullOps, 'full', 0o666);
  makeDev(randomOps, 'random', 0o644);
  makeDev(randomOps, 'urandom', 0o644);
  for (let i = 0; i < NUMFDESC; i++) makeDev(fdOps, `fd/${i}`, 0o666, { data: { fd: i } });
  ['stdin', 'stdout', 'stderr'].forEach((name, fd) => makeDev(fdOps, name, 0o666, { minor: fd, data: { fd } }));
}
