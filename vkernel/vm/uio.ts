/**
 * Uio: where the data of a read or write call comes from or goes to, in the user's memory or the kernel's, and how much
 * of it is left.
 *
 * The move functions advance the uio by what they moved, also when they answer NOTNOW or EFAULT in the middle:
 * `resid` tells. The range of every user vector is checked before the first byte moves.
 *
 * Counterpart: struct uio, sys/kern/kern_subr.c
 */
import { Prot } from '../machine/machine.js';
import type { Blocking } from '../sys/blocking.js';
import { EFAULT, EINVAL, type Errno, NOTNOW } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import { type GuestRam, PAGE_MASK, PAGE_SIZE, SEG_SHIFT } from '../machine/ram.js';
import { vmPageUnhold } from './vm_page.js';
import { copyin, copyinB, copyout, copyoutB, userRun, zeroout } from './vm_user.js';
import type { Vmspace } from './vmspace.js';

export const UIO_MAXIOV = 1024;
const SEG_SIZE = 2 ** SEG_SHIFT;

export interface Iovec {
  /** User address; unused for kernel memory. */
  base: number;
  len: number;
  /** Kernel memory: bytes [base, base + len) of this; null for the user's. */
  buf: Uint8Array | null;
}

export class Uio {
  iovs: Iovec[] = [];
  /** Vector in progress; its base and len shrink as it is used up. */
  private at = 0;
  /** Bytes left. */
  resid = 0;

  constructor(
    /** Address space of the vectors; null when they are kernel memory. */
    readonly vm: Vmspace | null,
    /** 'read': data goes to the vectors; 'write': it comes from them. */
    readonly rw: 'read' | 'write',
    /** File offset, advanced with the data. */
    public offset: number,
  ) {}

  add(base: number, len: number, buf: Uint8Array | null = null): void {
    this.iovs.push({ base, len, buf });
    this.resid += len;
  }

  /** The vector to use next, or null when all are used up. */
  current(): Iovec | null {
    while (this.at < this.iovs.length) {
      const iov = this.iovs[this.at];
      if (iov.len > 0) return iov;
      this.at++;
    }
    return null;
  }

  advance(iov: Iovec, n: number): void {
    iov.base += n;
    iov.len -= n;
    this.resid -= n;
    this.offset += n;
  }
}

/** A uio over one user buffer. */
export function uioUser(vm: Vmspace, base: number, len: number, rw: 'read' | 'write', offset: number): Uio {
  const uio = new Uio(vm, rw, offset);
  uio.add(base, len);
  return uio;
}

/** A uio over one kernel buffer. */
export function uioKernel(buf: Uint8Array, rw: 'read' | 'write', offset: number): Uio {
  const uio = new Uio(null, rw, offset);
  uio.add(0, buf.length, buf);
  return uio;
}

/**
 * A uio over the `iovcnt` struct iovec (base u64, length u64) at user address `iovp`, for readv and the like.
 * @returns EINVAL for a bad count or lengths beyond 2^63 in sum, EFAULT, NOTNOW
 */
export function uioUserVec(
  vm: Vmspace,
  iovp: number,
  iovcnt: number,
  rw: 'read' | 'write',
  offset: number,
): Uio | Errno {
  if (!(iovcnt > 0 && iovcnt <= UIO_MAXIOV)) return EINVAL;
  const raw = new Uint8Array(iovcnt * 16);
  const error = copyin(vm, iovp, raw, 0, raw.length);
  if (error !== null) return error;
  const v = new DataView(raw.buffer);
  const uio = new Uio(vm, rw, offset);
  for (let i = 0; i < iovcnt; i++) {
    const word = (o: number): number => v.getUint32(o + 4, true) * 0x1_0000_0000 + v.getUint32(o, true);
    const len = word(i * 16 + 8);
    if (uio.resid + len >= 2 ** 63) return EINVAL;
    uio.add(word(i * 16), len);
  }
  return uio;
}

/** Move up to `n` bytes between kbuf[off...] and the uio. Null, EFAULT or NOTNOW. */
export function uiomove(kbuf: Uint8Array, off: number, n: number, uio: Uio): Errno | null {
  while (n > 0) {
    const iov = uio.current();
    if (iov === null) return null;
    let m = Math.min(n, iov.len);
    if (iov.buf !== null) {
      if (uio.rw === 'read') iov.buf.set(kbuf.subarray(off, off + m), iov.base);
      else kbuf.set(iov.buf.subarray(iov.base, iov.base + m), off);
    } else {
      const vm = uio.vm!;
      if (!(iov.base >= 0 && iov.base + iov.len <= vm.map.max)) return EFAULT;
      // No further than it goes without a fault, so that what is done before one counts.
      m = userRun(vm, iov.base, uio.rw === 'read' ? Prot.WRITE : Prot.READ, m);
      const error = uio.rw === 'read' ? copyout(vm, kbuf, off, iov.base, m) : copyin(vm, iov.base, kbuf, off, m);
      if (error !== null) return error;
    }
    uio.advance(iov, m);
    off += m;
    n -= m;
  }
  return null;
}

/** uiomove with guest RAM from physical address `pa` as the kernel's side (pages of the cache). */
export function uiomovePhys(pa: number, n: number, uio: Uio): Errno | null {
  if (n <= 0) return null;
  const ram = gd.machine.ram;
  // Faults on the user's side must not reclaim the pages we are copying.
  const hold = gd.vm.pages.hold;
  const first = Math.floor(pa / PAGE_SIZE);
  const last = Math.floor((pa + n - 1) / PAGE_SIZE);
  for (let p = first; p <= last; p++) hold[p]++;
  const error = movePhys(ram, pa, n, uio);
  for (let p = first; p <= last; p++) vmPageUnhold(p);
  return error;
}

function movePhys(ram: GuestRam, pa: number, n: number, uio: Uio): Errno | null {
  while (n > 0) {
    const m = Math.min(n, SEG_SIZE - (pa % SEG_SIZE));
    const left = uio.resid;
    const error = uiomove(ram.u8[ram.seg(pa)], ram.segOff(pa), m, uio);
    if (error !== null) return error;
    if (left - uio.resid < m) return null;
    pa += m;
    n -= m;
  }
  return null;
}

/** Move `n` zero bytes to a uio for reading (holes, /dev/zero). */
export function uiozero(n: number, uio: Uio): Errno | null {
  while (n > 0) {
    const iov = uio.current();
    if (iov === null) return null;
    let m = Math.min(n, iov.len);
    if (iov.buf !== null) iov.buf.fill(0, iov.base, iov.base + m);
    else {
      if (!(iov.base >= 0 && iov.base + iov.len <= uio.vm!.map.max)) return EFAULT;
      m = Math.min(m, PAGE_SIZE - (iov.base & PAGE_MASK));
      const error = zeroout(uio.vm!, iov.base, m);
      if (error !== null) return error;
    }
    uio.advance(iov, m);
    n -= m;
  }
  return null;
}

/**
 * uiomove that sleeps. The kernel's side must stay as it is meanwhile: a buffer of the caller's, or a held page.
 */
export function* uiomoveB(kbuf: Uint8Array, off: number, n: number, uio: Uio): Blocking<Errno | null> {
  while (n > 0) {
    const before = uio.resid;
    const error = uiomove(kbuf, off, n, uio);
    const moved = before - uio.resid;
    off += moved;
    n -= moved;
    if (error !== NOTNOW) return error;
    const iov = uio.current()!;
    const m = Math.min(n, iov.len, PAGE_SIZE - (iov.base & PAGE_MASK));
    const e =
      uio.rw === 'read'
        ? yield* copyoutB(uio.vm!, kbuf, off, iov.base, m)
        : yield* copyinB(uio.vm!, iov.base, kbuf, off, m);
    if (e !== null) return e;
    uio.advance(iov, m);
    off += m;
    n -= m;
  }
  return null;
}

export function* uiomovePhysB(pa: number, n: number, uio: Uio): Blocking<Errno | null> {
  const ram = gd.machine.ram;
  while (n > 0) {
    const m = Math.min(n, SEG_SIZE - (pa % SEG_SIZE));
    const left = uio.resid;
    const error = yield* uiomoveB(ram.u8[ram.seg(pa)], ram.segOff(pa), m, uio);
    if (error !== null) return error;
    if (left - uio.resid < m) return null;
    pa += m;
    n -= m;
  }
  return null;
}
