/**
 * Pager: where the pages of an object come from when they are not in memory.
 *
 * A vnode's object has one (the file system implements it), a device's object as well; anonymous memory has none:
 * a missing page there is a page of zeros.
 *
 * Counterpart: sys/vm/vm_pager.h
 */
import type { Blocking } from '../sys/blocking.js';
import type { Errno } from '../sys/errno.js';
import type { VmObject } from './vm_object.js';

export interface Pager {
  /**
   * Synchronous attempt to bring in page `pindex`: allocate it in the object (vmPageAlloc), fill it, mark it VALID.
   * @returns the page number, NOTNOW when it would have to sleep, ENOMEM, or another errno (seen as EIO)
   */
  tryGetPage(o: VmObject, pindex: number): number | Errno;
  /**
   * The same, sleeping. May fill neighbours too. Several threads may ask for one page at a time: a pager that sleeps
   * with a page half filled marks it BUSY and lets the others wait.
   */
  getPage(o: VmObject, pindex: number): Blocking<number | Errno>;
  /** A clean page has become writable in some address space, or was written by the kernel: it is dirty from now on. */
  dirty?(o: VmObject, pindex: number): void;
  /** Write a dirty page back; on success the VM marks it clean. */
  putPage?(o: VmObject, pindex: number, ppn: number): Blocking<Errno | null>;
  /** The last reference of the object is gone. Its pages stay cached until vmObjectTerminate. */
  release?(o: VmObject): void;
}
