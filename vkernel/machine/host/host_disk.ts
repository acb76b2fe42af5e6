/** A disk image of the host. Transfers run on a thread of the addon; reads the host has cached are done at once. */
import { EINVAL, EROFS } from '../../sys/errno.js';
import { DiskOp, type MachDisk } from '../machine.js';
import type { Errno } from '../../sys/errno.js';
import { hostErrno } from './errno.js';
import { native, type NativeHost } from './native.js';

export interface HostDiskOptions {
  path: string;
  serno: string;
  /** Read and write; read-only, as a CD with sectors of 2048 bytes; or writes kept in memory only. */
  mode: 'rw' | 'ro' | 'cow';
}

const EWOULDBLOCK_LINUX = 11;

/** An image that cannot be used: the message has its path and the reason. */
export class HostDiskError extends Error {}

export class HostDisk implements MachDisk {
  readonly serno: string;
  readonly sizeBytes: number;
  readonly readonly: boolean;
  readonly sectorBytes: number;
  readonly cow: boolean;
  private readonly num: number;

  constructor(
    private readonly host: NativeHost,
    readonly name: string,
    options: HostDiskOptions,
    /** Hands a result to the kernel at the next turn. */
    private readonly finished: (cookie: number, error: Errno | null) => void,
  ) {
    const n = native();
    const fd = n.openDisk(options.path, options.mode === 'rw');
    if (fd < 0) {
      const why = -fd === EWOULDBLOCK_LINUX ? 'in use by another program' : hostErrno(-fd).text;
      throw new HostDiskError(`${options.path}: ${why}`);
    }
    this.serno = options.serno;
    this.readonly = options.mode === 'ro';
    this.cow = options.mode === 'cow';
    this.sectorBytes = options.mode === 'ro' ? 2048 : 512;
    this.sizeBytes = Math.floor(n.diskSize(fd) / this.sectorBytes) * this.sectorBytes;
    this.num = host.addDisk(fd, this.sizeBytes, this.cow);
  }

  submit(op: DiskOp, off: number, pa: number, lenBytes: number, cookie: number): void {
    if (this.submitNow(op, off, pa, lenBytes, cookie)) this.finished(cookie, null);
  }

  submitNow(op: DiskOp, off: number, pa: number, lenBytes: number, cookie: number): boolean {
    if (op === DiskOp.FLUSH) {
      off = pa = lenBytes = 0;
    } else if (!(off >= 0 && lenBytes > 0 && off + lenBytes <= this.sizeBytes) || off % 512 || lenBytes % 512) {
      this.finished(cookie, EINVAL);
      return false;
    }
    if (this.readonly && op !== DiskOp.READ) {
      this.finished(cookie, op === DiskOp.FLUSH ? null : EROFS);
      return false;
    }
    return this.host.submitDisk(this.num, op, off, pa, lenBytes, cookie) === 0;
  }
}
