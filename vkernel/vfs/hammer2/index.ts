/**
 * HAMMER2, read-only, as a library over BlockDevice: used by the kernel's VFS and by host tools alike.
 *
 * Every block is verified against its check code on every read from a device. Names are strings of one char per byte.
 */
export { Hammer2Device, defaultLabel, hammer2Mount, parseSpecial } from './device.js';
export type { Hammer2Options, Hammer2Statfs, PfsInfo } from './device.js';
export { Hammer2Mount, ROOT_INUM } from './mount.js';
export type { ReaddirEmit } from './mount.js';
export { Hammer2Inode } from './inode.js';
export { ObjType } from './disk.js';
export { hammer2Open } from './open.js';
export type * from './api.js';
export { tsCodecs } from './codec/codecs.js';
export type { Codecs } from './codec/codecs.js';
