/**
 * Image files and block special files of the host as BlockDevices, for tools without a kernel: every call is a system
 * call of the host and returns when it is done, so code over it never sleeps: sys/blocking.ts' runSync() runs it to its end.
 *
 * The file is locked as the vkernel's own disks are (openDisk): one writer and nobody else, or any number of readers.
 */
import { fdatasyncSync } from 'node:fs';
import { EINVAL, EIO, ENXIO, EROFS, type Errno } from '../vkernel/sys/errno.js';
import type { BlockDevice } from '../vkernel/sys/blockdev.js';
import type { Blocking } from '../vkernel/sys/blocking.js';
import { hostErrno } from '../vkernel/machine/host/errno.js';
import { HostDiskError } from '../vkernel/machine/host/index.js';
import { native, type NativeModule } from '../vkernel/machine/host/native.js';

/** A device of the host that cannot be opened: the message has its path and the reason. */
export { HostDiskError } from '../vkernel/machine/host/index.js';

const EWOULDBLOCK_LINUX = 11;
const SECTOR = 512;

export class HostBlockDevice implements BlockDevice {
  private readonly n: NativeModule;
  private fd: number;
  readonly sizeBytes: number;
  readonly readonly: boolean;

  /** Throws HostDiskError. */
  constructor(
    /** The path. */
    readonly name: string,
    opts: { write: boolean },
  ) {
    this.n = native();
    this.fd = this.n.openDisk(name, opts.write);
    if (this.fd < 0) throw new HostDiskError(`${name}: ${openFault(-this.fd)}`);
    this.readonly = !opts.write;
    this.sizeBytes = Math.floor(this.n.diskSize(this.fd) / SECTOR) * SECTOR;
  }

  private fault(off: number, len: number): Errno | null {
    if (this.fd < 0) return ENXIO;
    if (!(off >= 0) || off % SECTOR !== 0 || len % SECTOR !== 0) return EINVAL;
    return off + len > this.sizeBytes ? ENXIO : null;
  }

  /** As read(), for callers that have no use for a generator. */
  readNow(off: number, buf: Uint8Array): Errno | null {
    const e = this.fault(off, buf.length);
    if (e !== null) return e;
    for (let done = 0; done < buf.length;) {
      const r = this.n.pread(this.fd, done === 0 ? buf : buf.subarray(done), off + done);
      if (r < 0) return hostErrno(-r);
      if (r === 0) return EIO; // the file has become shorter
      done += r;
    }
    return null;
  }
  writeNow(off: number, buf: Uint8Array): Errno | null {
    if (this.readonly) return EROFS;
    const e = this.fault(off, buf.length);
    if (e !== null) return e;
    for (let done = 0; done < buf.length;) {
      const r = this.n.pwrite(this.fd, done === 0 ? buf : buf.subarray(done), off + done);
      if (r <= 0) return r < 0 ? hostErrno(-r) : EIO;
      done += r;
    }
    return null;
  }
  flushNow(): Errno | null {
    if (this.readonly) return null;
    if (this.fd < 0) return ENXIO;
    try {
      fdatasyncSync(this.fd);
    } catch (e) {
      return hostErrno(-((e as NodeJS.ErrnoException).errno ?? 0));
    }
    return null;
  }

  *read(off: number, buf: Uint8Array): Blocking<Errno | null> {
    return this.readNow(off, buf);
  }
  *write(off: number, buf: Uint8Array): Blocking<Errno | null> {
    return this.writeNow(off, buf);
  }
  *flush(): Blocking<Errno | null> {
    return this.flushNow();
  }

  /** Let go of the file and its lock. What was not flushed is the host's to write. */
  close(): void {
    if (this.fd >= 0) this.n.closeFd(this.fd);
    this.fd = -1;
  }
}

function openFault(errno: number): string {
  return errno === EWOULDBLOCK_LINUX ? 'in use by another program' : hostErrno(errno).text;
}

/** Open all of them or none. Throws HostDiskError. */
export function openHostDevices(paths: readonly string[], opts: { write: boolean }): HostBlockDevice[] {
  const devs: HostBlockDevice[] = [];
  try {
    for (const p of paths) devs.push(new HostBlockDevice(p, opts));
  } catch (e) {
    for (const d of devs) d.close();
    throw e;
  }
  return devs;
}
