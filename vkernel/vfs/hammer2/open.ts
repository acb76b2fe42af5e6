/** Opening a file system: the way in for the VFS, FUSE and host tools. */
import type { BlockDevice } from '../../sys/blockdev.js';
import type { Blocking } from '../../sys/blocking.js';
import type { Errno } from '../../sys/errno.js';
import type { H2Device, H2OpenOptions } from './api.js';
import { Fs } from './fs.js';

/**
 * Open a file system on its devices (in any order). Read-write unless asked otherwise or a device is read-only.
 *
 * @returns EINVAL for bad headers or a bad super-root, ENXIO for volumes that do not belong together, EIO
 * Sleeps: in the devices.
 */
export function* hammer2Open(devs: readonly BlockDevice[], opts: H2OpenOptions): Blocking<H2Device | Errno> {
  return yield* Fs.open(devs, opts);
}
