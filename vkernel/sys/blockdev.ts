/**
 * Block device as file systems see it: HAMMER2 runs over this in the kernel and in host tools alike.
 */
import type { Blocking } from './blocking.js';
import type { Errno } from './errno.js';

export interface BlockDevice {
  /** Name for messages: `vkd0`, or a file name in host tools. */
  readonly name: string;
  /** Size in bytes. */
  readonly sizeBytes: number;
  readonly readonly: boolean;
  /**
   * Read `buf.length` bytes at byte offset `off` into `buf`. Both are multiples of 512.
   * @returns null, or EIO from the device, ENXIO past the end.
   * Sleeps: until the data is there.
   */
  read(off: number, buf: Uint8Array): Blocking<Errno | null>;
  /** Write `buf` at byte offset `off`; EROFS on a read-only device. */
  write(off: number, buf: Uint8Array): Blocking<Errno | null>;
  /** Make all completed writes durable. */
  flush(): Blocking<Errno | null>;
}
